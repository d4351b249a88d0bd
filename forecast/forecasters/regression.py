"""Regressors of scikit-learn on windows: global over the panel, direct over the horizon.

One model learns all series, from windows of the same context and the same differences as a network's (`windows`).
A regressor that knows only one output is fitted once a horizon step.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import get_tags

from forecast.errors import ForecastError
from forecast.forecasters.estimators import by_category, candidates, copied, first_line, one_thread
from forecast.forecasters.interface import Forecasts, Kind
from forecast.forecasters.windows import Differences, Read, fit_windows, thin, window_rows

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem, TargetType
    from forecast.questions.split import Origins
    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray, Panel

_ORIGINS_AT_ONCE = 8192
"""Forecasts are made in blocks, so that windows never take more memory than this many of them."""


@dataclass(frozen=True)
class Regression:
    """A regressor under a name.

    Attributes
    ----------
    regressor : unfitted estimator with the conventions of scikit-learn; it is copied, never fitted itself
    choose : values of its parameters that are tried on the validation split, all combinations
    reference : name of the reference that windows are differences to, or one whose constants have been chosen
    max_windows : windows fitted on, at most; of more, as many are drawn at random
    multi_output : whether it predicts several outputs by itself; None asks its tags
    answers : the questions that it can be asked

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> Regression("ridge", Ridge(), choose={"alpha": (0.1, 1.0, 10.0)}).kind
    'scikit-learn'

    """

    name: str
    regressor: Any
    choose: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    reference: str | Reference = "auto"
    max_windows: int = 20_000
    multi_output: bool | None = None
    answers: tuple[TargetType, ...] = ("value", "direction")
    seed: int = 0
    kind: Kind = "scikit-learn"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedRegression:
        """Fit on the windows of the training split; with `choose`, once a combination.

        Raises
        ------
        ForecastError
            No series has a whole window, the regressor refuses a parameter, or does not answer the question.

        """
        if problem.target_type not in self.answers:
            raise ForecastError(
                f"baseline {self.name!r} answers the {self.answers[0]}, and the {problem.target_type} is asked"
            )
        rows = window_rows(past, np.zeros_like(train_steps), train_steps, problem)
        if not len(rows):
            raise ForecastError(
                f"baseline {self.name!r} has no window to fit on: no series has context {problem.context_steps} + "
                f"horizon {problem.horizon} steps with observed targets in its training split; "
                f"shorten `data.context_steps` or `horizon`"
            )
        differences = fit_windows(self.reference, past, train_steps, problem)
        read = differences.read(past)
        used = thin(rows, self.max_windows, self.seed)
        x, y = differences.inputs(read, used), differences.targets(read, used)
        validation = thin(window_rows(past, train_steps, past.lengths, problem), self.max_windows, self.seed)
        with one_thread():
            fits = [self._fit_one(params, x, y) for params in candidates(self.choose if len(validation) else {})]
            best = fits[0] if len(fits) == 1 else _least_error(fits, differences, read, validation)
        notes = [] if len(used) == len(rows) else [f"fitted on {len(used)} of {len(rows)} windows"]
        notes += [f"{key} {value} chosen on the validation split" for key, value in best.params.items()]
        return FittedRegression(self, best, differences, (*notes, *best.warnings))

    def _fit_one(self, params: Mapping[str, Any], x: FloatArray, y: FloatArray) -> _Fit:
        model = self._model(params)
        # What a regressor warns of (no convergence, ill-conditioned) belongs beside its score, not on the terminal.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model.fit(x, y[:, 0] if y.shape[1] == 1 and not isinstance(model, MultiOutputRegressor) else y)
            except (TypeError, ValueError) as error:
                raise ForecastError(f"baseline {self.name!r}: {first_line(error)}") from error
        return _Fit(model, dict(params), by_category(caught))

    def _model(self, params: Mapping[str, Any]) -> Any:
        model = copied(self.regressor, params, self.seed)
        many = get_tags(model).target_tags.multi_output if self.multi_output is None else self.multi_output
        return model if many else MultiOutputRegressor(model)


@dataclass(frozen=True, eq=False)
class FittedRegression:
    """A fitted regressor with the differences that it was fitted on."""

    forecaster: Regression
    best: _Fit
    differences: Differences
    notes: tuple[str, ...]

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast the differences at each origin, and add the reference."""
        read, rows = self.differences.read(past), origins.rows(past)
        y_hat = np.empty((len(rows), self.differences.problem.horizon))
        for i in range(0, len(rows), _ORIGINS_AT_ONCE):
            block = rows[i : i + _ORIGINS_AT_ONCE]
            with one_thread():
                predicted = self.best.predict(self.differences.inputs(read, block))
            y_hat[i : i + _ORIGINS_AT_ONCE] = self.differences.restore(read, block, predicted)
        return Forecasts(y_hat)

    def chosen(self) -> Regression:
        """Return the forecaster with everything fixed that was chosen on validation, to fit on all rows."""
        regressor = clone(self.forecaster.regressor).set_params(**self.best.params)
        return replace(self.forecaster, regressor=regressor, choose={}, reference=self.differences.reference)


@dataclass(frozen=True, eq=False)
class _Fit:
    """A fitted model, the parameters tried with it, and what it warned of."""

    model: Any
    params: dict[str, Any]
    warnings: tuple[str, ...]

    def predict(self, x: FloatArray) -> FloatArray:
        """Predict targets, (window, horizon)."""
        return np.asarray(self.model.predict(x), dtype=np.float64).reshape(len(x), -1)


def _least_error(fits: Sequence[_Fit], differences: Differences, read: Read, validation: IntArray) -> _Fit:
    """Take the fit with the least mean loss over the validation split, the first of equals."""
    x, y = differences.inputs(read, validation), differences.targets(read, validation)
    return min(fits, key=lambda fit: float(differences.loss(fit.predict(x), y).mean()))
