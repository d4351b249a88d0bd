"""Settings of baselines, one class a method, so that no key is there that its method does not use."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field, field_validator

from forecast.network.settings import ReferenceName
from forecast.settings import Settings

Combine: TypeAlias = Literal["median", "mean"]
MOST_MEMBERS = 1_000
"""Networks of an ensemble, at most."""


class NamedSettings(Settings):
    """Settings that every baseline has."""

    name: str = Field(min_length=1)
    """The name of its row in the leaderboard."""
    method: str
    """How it forecasts: a name of `baselines.METHODS`."""


class RuleSettings(NamedSettings):
    """A naive rule, or a baseline of one's own, without a number to set."""


class WindowMeanSettings(NamedSettings):
    """The mean of the last window."""

    method: Literal["window_mean"]
    window_steps: int | None = Field(None, ge=1)
    """Steps that are averaged; null takes a season, and a context where there is no season."""


class ReferenceSettings(NamedSettings):
    """A reference without a network; the one that the network starts from is a row of every job by itself."""

    method: Literal["reference"]
    reference: ReferenceName = "auto"


class PretrainedBaselineSettings(NamedSettings):
    """The pretrained network, as it is or trained on on the series."""

    method: Literal["pretrained"]
    start: Literal["pretrained"] | None = None
    """`pretrained`: it is the beginning of a training, as with `model.start`."""


class NetworkBaselineSettings(NamedSettings):
    """Another network beside that of the job, trained as that is."""

    method: Literal["network"]
    cell: Literal["rnn", "lstm", "gru", "mingru", "esn"] = "gru"
    hidden_size: int = Field(64, ge=1, le=4096)
    """Units of a layer; of `esn` those of the reservoir."""


_MOST = {"n_jobs": 1024, "n_estimators": 100_000}
_MOST_OF_OTHERS, _MOST_CANDIDATES = 10_000_000, 1000


class RegressionSettings(NamedSettings):
    """A regressor of scikit-learn on windows of `data.context_steps`."""

    method: Literal["regression"]
    regressor: str
    """A name of the table of regressors."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the regressor, as scikit-learn names them."""
    choose: dict[str, list[Any]] = Field(default_factory=dict)
    """Parameters with their candidates: the best on validation is taken; without a validation split `params` hold."""
    reference: ReferenceName = "auto"
    """The simple forecast to which windows are differences."""
    max_windows: int = Field(20_000, ge=1)
    """Windows that it is fitted on, at most; of more, as many are drawn at random."""

    @field_validator("params", "choose")
    @classmethod
    def _bounded(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Refuse what would take all memory or time: settings can be those of somebody else's run."""
        for name, candidates in value.items():
            each = candidates if isinstance(candidates, list) else [candidates]
            numbers = [abs(one) for one in each if isinstance(one, int)]
            if len(each) > _MOST_CANDIDATES or max(numbers, default=0) > _MOST.get(name, _MOST_OF_OTHERS):
                raise ValueError(
                    f"parameters within bounds, and {name!r} is beyond: n_jobs at most {_MOST['n_jobs']}, n_estimators "
                    f"{_MOST['n_estimators']}, other numbers {_MOST_OF_OTHERS}, {_MOST_CANDIDATES} candidates"
                )
        return value


class StatisticalSettings(NamedSettings):
    """A statistical model of each series, from the extra `[statistical]`."""

    method: Literal["auto_ets", "auto_arima", "auto_theta", "kalman"]
    time_limit_s: float = Field(120.0, gt=0)
    """Seconds for fitting all series; beyond them the row says so instead of a score."""
    max_steps: int = Field(1_000, ge=10)
    """Steps that a model is estimated on, at most: the last of the training split."""


class ContinuationSettings(Settings):
    """Settings of `task=continue`."""

    beginning: str | tuple[str, ...] | None = None
    """The symbols to continue: a text, each character a symbol, or a list; null: the data, after their end."""
    steps: int = Field(200, ge=1, le=1_000_000)
    """How many symbols are drawn."""
    temperature: float = Field(1.0, ge=0, le=1_000)
    """1: symbols come as often as they are forecast; lower: likely ones more often; 0: the likeliest each time."""

    @field_validator("beginning")
    @classmethod
    def _something(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if value is not None and not all((value, *value)):
            raise ValueError("a symbol at least, and none that is empty; null continues the data")
        return value


class NgramSettings(NamedSettings):
    """An n-gram: how often each symbol came after the last ones in training."""

    method: Literal["ngram"]
    order: int | None = Field(None, ge=1, le=16)
    """n: symbols that are counted together, the next one among them; null: the best of 1 to 6 on validation."""


class ClassifierSettings(NamedSettings):
    """A classifier of scikit-learn on the last symbols, or of a label on the mean of the covariates."""

    method: Literal["classifier"]
    classifier: str = "logistic"
    """A name of the table of classifiers."""
    lags: int | None = Field(None, ge=1, le=512)
    """Symbols that are read; null: at most 8, and no more than a context."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the classifier, as scikit-learn names them; beside them those of its line in the table hold."""
    choose: dict[str, list[Any]] = Field(default_factory=dict)
    """Parameters with their candidates: the best on validation is taken; without a validation split `params` hold.
    Empty: those of the classifier's line in the table that `params` do not say."""
    max_windows: int = Field(5_000, ge=1)
    """Windows that it is fitted on, at most; of more, as many are drawn at random."""
