"""All settings of a job, as the configuration and `run.json` hold them.

Each section belongs to the layer that reads it; here they are only put together. `check_job` is the one way from
plain values to settings, for the command line and for a run folder alike, and it checks section by section so that
an error names the key as the user writes it.

The tasks that a job can be (`task`), and what the command gives them:

    train.train(job, folder)            fit, backtest, forecast, write the run folder
    train.validate(job)                 the same up to the validation stretch, for a sweep: nothing is written
    predict.predict(run, data, folder)  `data`: only those keys of `data.*` that were said
    check.check(job)                    the tripwire; nothing is written
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import Field

from forecast.errors import ForecastError
from forecast.evaluation.settings import BacktestSettings
from forecast.forecasters.settings import BaselineSettings
from forecast.network.settings import NetworkSettings
from forecast.reporting.settings import ReportSettings
from forecast.series.settings import DataSettings, SplitSettings
from forecast.settings import Settings, check_settings
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo


class JobSettings(Settings):
    """One job: what to do, on which data, with which network, against which baselines."""

    task: Literal["train", "predict", "check"] = "train"
    run: str | None = None
    """predict: the run folder to open, or "latest"."""
    seed: int = Field(0, ge=0, lt=2**32)
    horizon: int = Field(20, ge=1, le=100_000)
    """Steps to forecast."""
    data: DataSettings
    split: SplitSettings
    model: NetworkSettings
    training: TrainingSettings
    baseline: dict[str, BaselineSettings] = {}
    """Baselines by name, in the order in which they run."""
    backtest: BacktestSettings
    report: ReportSettings


def check_job(values: Mapping[str, Any]) -> JobSettings:
    """Build the settings of a job from plain values, nested as in the configuration.

    Raises
    ------
    ForecastError
        The first unknown key, wrong type or value out of range, in one line.

    """
    checked = dict(values)
    for name, field in JobSettings.model_fields.items():
        if name in checked and (kinds := section_kinds(field)):
            checked[name] = _check_section(kinds, checked[name], name, keyed=get_origin(field.annotation) is dict)
    return check_settings(JobSettings, checked)


def section_kinds(field: FieldInfo) -> tuple[type[Settings], ...]:
    """Return the settings classes that a field of JobSettings may hold; empty for a plain value."""
    found = field.annotation
    parts = get_args(found)[1:] if get_origin(found) is dict else (found,)
    return tuple(_settings_in(parts))


def _settings_in(annotations: tuple[Any, ...]) -> Iterator[type[Settings]]:
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, Settings):
            yield annotation
        else:
            yield from _settings_in(get_args(annotation))


def _check_section(kinds: tuple[type[Settings], ...], values: Any, name: str, *, keyed: bool) -> Any:
    if values is None and keyed:
        return {}
    if not isinstance(values, dict):
        raise ForecastError(f"`{name}` should be a group of settings (`{name}.<key>=...`), found {values!r}")
    if keyed:
        return {key: _check_section(kinds, one, f"{name}.{key}", keyed=False) for key, one in values.items()}
    return check_settings(_kind_named(kinds, values, name), values, f"{name}.")


def _kind_named(kinds: tuple[type[Settings], ...], values: Mapping[str, Any], section: str) -> type[Settings]:
    """Choose among several classes by the key `name`, the discriminator of every union here."""
    if len(kinds) == 1:
        return kinds[0]
    by_name = {name: kind for kind in kinds for name in get_args(kind.model_fields["name"].annotation)}
    if values.get("name") not in by_name:
        raise ForecastError(f"`{section}.name` should be one of {', '.join(by_name)}, found {values.get('name')!r}")
    return by_name[values["name"]]
