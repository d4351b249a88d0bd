"""What every task begins with: the data, the forecasting task that is posed on them, and the forecasters."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.evaluation.backtest import OK
from forecast.forecasters.baselines import SHIPPED, build_baseline, refusal
from forecast.forecasters.ensemble import combined_by, ensemble
from forecast.forecasters.naive import BaseRate, SymbolRates, UntrainedReference
from forecast.forecasters.pretrained import NAME, Pretrained
from forecast.forecasters.recurrent import NamedNetwork, Recurrent, check_head
from forecast.forecasters.settings import NgramSettings
from forecast.forecasters.trajectories import check_trajectories
from forecast.forecasters.transformed import transformed
from forecast.network.settings import AutoSettings, LstmSettings, ModelSettings, PretrainedSettings
from forecast.questions.kinds import BASE_RATE, question_of_head
from forecast.questions.split import shortened_split, with_room
from forecast.questions.task import (
    LEAST_STEPS,
    USUAL_HORIZON,
    check_splits,
    forecast_task,
    suggested_horizon,
    without_short,
)
from forecast.questions.value_range import ANY_VALUE, ValueRange
from forecast.reading.covariates import check_known_ahead
from forecast.reading.settings import CsvSettings, RowSettings
from forecast.reading.sources import load_source
from forecast.runs.checkpoint import Kept
from forecast.runs.run import open_weights
from forecast.series.date_features import choose_features, with_features
from forecast.series.panel import Source
from forecast.tasks.budget import within_limit
from forecast.tasks.newer import series_number
from forecast.tasks.settings import splits_fit_of
from forecast.wording import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from forecast.evaluation.backtest import Fits
    from forecast.forecasters.baselines import BaselineSettings
    from forecast.forecasters.interface import Forecaster
    from forecast.questions.task import ForecastTask
    from forecast.runs.checkpoint import Checkpoint
    from forecast.series.panel import Panel
    from forecast.tasks.settings import JobSettings
    from forecast.training.job import Epoch, Stages

    OnEpoch: TypeAlias = Callable[[Epoch], None]


_ON_WINDOWS = ("regression", "network")
"""Methods of baselines that learn from windows."""
_FEWEST_WINDOWS = 3
"""With fewer they repeat what they have seen."""
TRAINABLE_STEPS = 200
"""Steps of the typical series from which on `model=auto` trains a network (docs/pretrained.md has the curve)."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A job with its data read and its forecasting task settled.

    Attributes
    ----------
    notes : name the baselines that are left out
    short : series that are too short for the comparison, and forecast by the pretrained network alone; None: there are
        none
    shortened : whether all are too short to hold out a horizon, and are scored as far as they go

    """

    job: JobSettings
    source: Source
    task: ForecastTask
    notes: tuple[str, ...] = ()
    short: Panel | None = None
    shortened: bool = False

    @property
    def panel(self) -> Panel:
        """The data."""
        return self.source.panel

    @property
    def judged_panel(self) -> Panel:
        """The data as they are judged: with room for a whole horizon after the last origin."""
        return with_room(self.panel, self.task.split, self.task.problem.horizon)


def prepare(job: JobSettings, source: Source | None = None) -> Prepared:
    """Read the data and settle split, season and context.

    Raises
    ------
    ForecastError
        Data that cannot be read or are too short, a series to be drawn that they do not hold, sample trajectories of
        a network that has none, counts of which the logarithm is taken, or settings that contradict the question.

    """
    _check_counted(job)
    check_question(job)
    source = source or load_source(job.data)
    job, source = _with_horizon(job, source)
    if job.report.paths:
        check_trajectories(job.model, job.horizon)
    source.panel.calendar.after(source.panel.times.max(), job.horizon)  # fails now, and not after the training
    check_splits(source.panel, job.horizon, question_of_head(job.model.head), job.split.over)
    _check_range(job, source.panel)
    source, short, shortened = _long_enough(job, source)
    job, source = _with_model(job, source, shortened=shortened)
    job = _on_calendar(job, source)
    _check_recommended(job)
    job = within_limit(job)
    source = _with_calendar(job, source)
    series_number(source.panel.ids, job.report.series)  # fails now, and not after the training
    check_known_ahead(source.panel, job.horizon)
    task = settle(job, source.panel, shortened=shortened)
    check_whole_series(job, source.panel, task)
    omitted = omitted_baselines(job)
    if trained := _not_trainable(job, task):
        kept = {name: settings for name, settings in job.baseline.items() if settings.name not in trained}
        job = job.model_copy(update={"baseline": kept})
        omitted += (f"{listed(trained)} left out: too few rows to train on",)
    if twins := _repeated(job, task):
        kept = {name: settings for name, settings in job.baseline.items() if settings.name not in twins}
        job = job.model_copy(update={"baseline": kept})
        omitted += (f"{listed(twins)} left out: without a season it forecasts what naive does",)
    return Prepared(job, source, task, omitted, short, shortened)


def _not_trainable(job: JobSettings, task: ForecastTask) -> list[str]:
    """Name the baselines that learn from windows with a whole horizon after them, where there are next to none."""
    if task.problem.question.forecasts_probabilities:
        return []
    steps = task.problem.context_steps + task.problem.horizon
    if np.maximum(task.split.train - steps + 1, 0).sum() >= _FEWEST_WINDOWS:
        return []
    trained = [settings.name for settings in job.baseline.values() if settings.method in _ON_WINDOWS]
    return [name for name in trained if name != job.recommend]


def _repeated(job: JobSettings, task: ForecastTask) -> list[str]:
    """Name the seasonal rules that repeat the row of naive, because there is no season."""
    methods = {settings.method for settings in job.baseline.values()}
    if task.problem.season_steps > 1 or task.problem.question.forecasts_probabilities or "naive" not in methods:
        return []
    seasonal = [settings.name for settings in job.baseline.values() if settings.method == "seasonal_naive"]
    return [name for name in seasonal if name != job.recommend]


def check_question(job: JobSettings) -> None:
    """Refuse settings that contradict the question which the head answers.

    Raises
    ------
    ForecastError
        A baseline of directions or symbols in a job on values; a baseline under the name of the base rate, prediction
        intervals, or a strategy, where probabilities are forecast; medians of probabilities of symbols.

    """
    question = question_of_head(job.model.head)
    if not question.forecasts_probabilities:
        for settings in job.baseline.values():
            if reason := refusal(settings, question):
                raise ForecastError(f"the baseline {settings.name!r} {reason}")
        return
    head = job.model.head
    check_head(job.model)
    if BASE_RATE in job.baseline:
        raise ForecastError(f"`baseline.{BASE_RATE}` is the row of the base rate itself: give it another name")
    if job.split.calibration:
        raise ForecastError(
            f"`split.calibration` is for the intervals of forecast values, and `model.head={head}` has none, "
            f"found {job.split.calibration:g}: set `split.calibration=null`"
        )
    if question.categorical and job.combine == "median":
        raise ForecastError(
            f"medians of probabilities do not add up to one, and `model.head={head}` asks for those of symbols: set "
            f"`combine=mean`, or nothing"
        )


def _check_recommended(job: JobSettings) -> None:
    """Refuse a model to be recommended that the job does not have."""
    names = [job.model.name, reference(job).name, *(settings.name for settings in chosen_baselines(job))]
    if job.recommend in (None, *names):
        return
    near = difflib.get_close_matches(str(job.recommend), names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
    raise ForecastError(f"`recommend={job.recommend}` should be a model of this job: {hint}")


def _check_counted(job: JobSettings) -> None:
    """Refuse logarithms to a head that forecasts counts."""
    if job.model.head == "negative_binomial" and job.data.transform == "log":
        raise ForecastError(
            "`model.head=negative_binomial` forecasts counts, which logarithms are not, found `data.transform=log`: "
            "set `data.transform=none`, or `model.head=quantile`"
        )


def settle(job: JobSettings, panel: Panel, *, shortened: bool = False) -> ForecastTask:
    """Split the panel; season and context, where the user said none, are found on what lies before the test."""
    return forecast_task(
        panel,
        job.horizon,
        context_steps=job.data.context_steps,
        season_steps=job.data.season_steps,
        validation=job.split.validation,
        test=job.split.test,
        calibration=job.split.calibration,
        target_type=question_of_head(job.model.head).name,
        value_range=_value_range_of(job),
        over=job.split.over,
        shortened=shortened,
        **_around(job),
    )


def _around(job: JobSettings) -> dict[str, int]:
    """Steps around each step of the horizon at which covariates are read; a source of one's own has none."""
    data = job.data
    return {"lags": data.ahead_lags, "leads": data.ahead_leads} if isinstance(data, RowSettings) else {}


def _value_range_of(job: JobSettings) -> ValueRange:
    """Return what `data.minimum`, `data.maximum` and `data.integer` say of the values that there can be."""
    data = job.data
    if not isinstance(data, RowSettings):
        return ANY_VALUE
    return ValueRange(data.minimum, data.maximum, data.integer)


def _check_range(job: JobSettings, panel: Panel) -> None:
    """Refuse data outside of the range that all values are said to have, and one where no values are forecast."""
    value_range, question = _value_range_of(job), question_of_head(job.model.head)
    if value_range == ANY_VALUE:
        return
    if question.forecasts_probabilities:
        raise ForecastError(
            f"`data.minimum`, `data.maximum` and `data.integer` are of forecast values, and "
            f"`model.head={job.model.head}` forecasts probabilities: leave them out"
        )
    wrong = panel.target_observed & (value_range.keep(panel.target) != panel.target)
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    series = panel.ids[int(np.searchsorted(panel.offsets, row, side="right")) - 1]
    when, value = panel.calendar.write(panel.times[row : row + 1])[0], panel.target[row]
    low, high = value_range.minimum, value_range.maximum
    setting = f"data.minimum={low:g}" if low is not None and value < low else "data.integer=true"
    setting = f"data.maximum={high:g}" if high is not None and value > high else setting
    raise ForecastError(
        f"`{setting}` keeps forecasts where all values are, and {counted(int(wrong.sum()), 'value')} of the data "
        f"{'is' if wrong.sum() == 1 else 'are'} not there, first {value:g} at {when} in series {series!r}: choose what "
        f"holds for all of them, or leave it out"
    )


def _long_enough(job: JobSettings, source: Source) -> tuple[Source, Panel | None, bool]:
    """Take out series that are too short (`data.on_short_series`); those that are to be forecast all the same.

    The third is whether all are too short to hold out a horizon: they are scored as far as they go.
    """
    question, panel = question_of_head(job.model.head), source.panel
    fate = job.data.on_short_series if isinstance(job.data, CsvSettings) else "forecast"
    apart = fate == "forecast" and len(panel) > 1 and not question.forecasts_probabilities
    notes: tuple[str, ...] = ()
    if isinstance(job.data, CsvSettings) and (apart or fate == "drop"):
        told = "forecast by the pretrained network alone, and not scored," if apart else "left out"
        try:
            panel, notes = without_short(
                panel,
                job.horizon,
                context_steps=job.data.context_steps,
                season_steps=job.data.season_steps,
                validation=job.split.validation,
                test=job.split.test,
                calibration=job.split.calibration,
                over=job.split.over,
                fate=told,
            )
        except ForecastError:  # all of them
            if not apart:
                raise
    fits = splits_fit_of(job, panel, job.horizon)
    if not fits:
        panel = panel.take(np.flatnonzero(panel.lengths >= LEAST_STEPS))
        notes = (_shortened_note(panel, job.horizon),)
    short = np.flatnonzero(~np.isin(source.panel.ids, panel.ids))
    forecast_apart = source.panel.take(short) if apart and len(short) else None
    return replace(source, panel=panel, notes=(*source.notes, *notes)), forecast_apart, not fits


def _shortened_note(panel: Panel, horizon: int) -> str:
    """Say that no series can hold out a horizon, and how its forecast is judged all the same."""
    if len(panel) > 1:
        return (
            f"no series is long enough to hold out {counted(horizon, 'row')}: each is forecast by what needs no "
            "training, and scored once, on its last third"
        )
    rows = int(shortened_split(panel, horizon).train[0])
    held_out = int(panel.lengths[0]) - rows
    last = f"its last {counted(held_out, 'row')}" if held_out > 1 else "its last row alone"
    return (
        f"{counted(rows + held_out, 'row')} are too few to hold out {horizon} of them: forecast by what needs no "
        f"training, and scored once, on {last}"
    )


def _with_horizon(job: JobSettings, source: Source) -> tuple[JobSettings, Source]:
    """Settle a horizon that was left open, and say what it came to where that is less than usual."""
    if job.horizon:
        return job, source
    horizon = suggested_horizon(source.panel)
    note = f"horizon {horizon}: of so few rows a fifth (`horizon=...` says another)"
    notes = (*source.notes, note) if horizon < USUAL_HORIZON and not source.panel.at_end else source.notes
    return job.model_copy(update={"horizon": horizon}), replace(source, notes=notes)


def _with_model(job: JobSettings, source: Source, *, shortened: bool) -> tuple[JobSettings, Source]:
    """Settle `model=auto`, and say what it came to."""
    if not isinstance(job.model, AutoSettings):
        return job, source
    typical = int(np.median(source.panel.lengths))
    rows = f"{counted(typical, 'row')}{' in the typical series' if len(source.panel) > 1 else ''}"
    model: ModelSettings = LstmSettings()
    if typical >= TRAINABLE_STEPS and not shortened:
        why = f"{rows}, enough to train a network on (from {TRAINABLE_STEPS} on)"
    elif _has_covariates(source.panel) and not shortened:
        why = f"{rows} are few to train a network on, but the one that was trained before reads no covariates"
    else:
        model = PretrainedSettings(reference=job.model.reference, weights=job.model.weights)
        why = f"{rows}, and a network that is trained on fewer than {TRAINABLE_STEPS} is rarely worth it"
        why = f"{rows}, too few to train a network on" if shortened else f"{why}; `model=lstm` trains one"
    source = replace(source, notes=(*source.notes, f"model {model.name}: {why}"))
    return job.model_copy(update={"model": model}), source


def _on_calendar(job: JobSettings, source: Source) -> JobSettings:
    """Leave the regression on the calendar out where rows have no dates, unless it is all that was chosen."""
    dated = {name: one for name, one in job.baseline.items() if one.method != "calendar_regression"}
    if source.panel.times.dtype.kind == "M" or not dated or dated == job.baseline:
        return job
    return job.model_copy(update={"baseline": dated})


def _has_covariates(panel: Panel) -> bool:
    """Whether the user named covariates; those of the date come by themselves."""
    given = [] if panel.ahead is None else [channel for channel in panel.ahead.channels if channel.computed is None]
    return len(panel.channels) > 1 or bool(given) or panel.static is not None


def _with_calendar(job: JobSettings, source: Source) -> Source:
    """Add covariates of the date: those of `data.calendar`, or those that suit the frequency."""
    data = job.data
    if not isinstance(data, RowSettings):
        return source
    names = choose_features(source.panel, data.calendar, data.country)
    if not names:
        return source
    panel = with_features(source.panel, names, job.horizon)
    return replace(source, panel=panel, found={**source.found, "covariates of the date": ", ".join(names)})


def check_whole_series(job: JobSettings, panel: Panel, task: ForecastTask) -> None:
    """Refuse, with `split.over=series`, what needs to have seen a series, or steps before its first origin.

    Raises
    ------
    ForecastError
        Refits as time goes on; an embedding of series; windows, unless each series has a label at its end and is as
        long as a context.

    """
    if job.split.over != "series":
        return
    if job.backtest.refit_every is not None:
        raise ForecastError(
            f"`backtest.refit_every={job.backtest.refit_every}` fits again as time goes on, and with "
            "`split.over=series` all series of the test begin at once: leave it out"
        )
    if getattr(job.model, "id_embedding", 0):
        raise ForecastError(
            f"`model.id_embedding={job.model.id_embedding}` learns something of each series, and with "
            "`split.over=series` those of validation and test are never trained on: set `model.id_embedding=0`"
        )
    if job.training.regime == "windows":
        _check_windows(panel, task.problem.context_steps)


def _check_windows(panel: Panel, context_steps: int) -> None:
    """Windows need a whole context before each origin, and the first origin of a series is its first row."""
    known = panel.lengths - 1 if panel.at_end else np.ones(len(panel), dtype=np.int64)
    short = np.flatnonzero(known < context_steps)
    if len(short) == 0:
        return
    what = "has its only origin after" if panel.at_end else "has its first origin after"
    i = int(short[0])
    raise ForecastError(
        f"`training.regime=windows` needs {context_steps} steps up to an origin (`data.context_steps`), and with "
        f"`split.over=series` series {panel.ids[i]!r} {what} {known[i]}: set `training.regime=stream`"
        + (f", or `data.context_steps={int(known.min())}`" if panel.at_end else "")
    )


def network(job: JobSettings, on_epoch: OnEpoch | None = None, stages: Stages | None = None) -> Forecaster:
    """Return the untrained network of a job, or its ensemble of networks; `stages` keep their trainings."""
    if isinstance(job.model, PretrainedSettings):
        weights = open_weights(job.model.weights, "model.weights") if job.model.weights else None
        if job.ensemble > 1:
            raise ForecastError(
                f"`ensemble={job.ensemble}` networks differ in the seed of their training, and `model=pretrained` was "
                f"trained before: set `ensemble=1`, or another `model`"
            )
        return transformed(Pretrained(job.model.name, "network", weights), job.data.transform)
    members = ensemble(recurrent(job, on_epoch, stages), job.ensemble, combined_by(job.combine, job.model))
    return transformed(members, job.data.transform)


def recurrent(job: JobSettings, on_epoch: OnEpoch | None = None, stages: Stages | None = None) -> Recurrent:
    """Return one untrained network of a job: no ensemble, no transform of the target."""
    if isinstance(job.model, PretrainedSettings):
        raise TypeError("the pretrained network is not trained: there is no forecaster that would do it")
    return Recurrent(settings=job.model, training=job.training, seed=job.seed, on_epoch=on_epoch, stages=stages)


def forecasters(
    job: JobSettings, on_epoch: OnEpoch | None = None, checkpoint: Checkpoint | None = None
) -> tuple[Forecaster, ...]:
    """Return all forecasters of a job, the network, its untrained reference, the baselines; `checkpoint` keeps them."""
    others = (reference(job), *baselines(job))
    if checkpoint is not None:
        others = tuple(Kept(other, checkpoint.stage(other.name)) for other in others)
    return (network(job, on_epoch, checkpoint), *others)


def reference(job: JobSettings) -> Forecaster:
    """Return the network's reference, untrained as it begins: a forecaster of its own."""
    question = question_of_head(job.model.head)
    if question.binary:
        return BaseRate()
    if question.categorical:
        return SymbolRates()
    return transformed(UntrainedReference("reference", job.model.reference), job.data.transform)


def baselines(job: JobSettings) -> tuple[Forecaster, ...]:
    """Return the baselines of a job that answer its question, in the order of the configuration."""
    built = (build_baseline(settings, job.seed) for settings in chosen_baselines(job))
    return tuple(transformed(_trained_as_asked(forecaster, job), job.data.transform) for forecaster in built)


def _trained_as_asked(forecaster: Forecaster, job: JobSettings) -> Forecaster:
    """Give a further network the training of the job, and the reference that its network adds to."""
    if not isinstance(forecaster, NamedNetwork) or isinstance(job.model, AutoSettings):
        return forecaster
    settings = forecaster.network.settings.model_copy(update={"reference": job.model.reference})
    return replace(forecaster, network=replace(forecaster.network, settings=settings, training=job.training))


def chosen_baselines(job: JobSettings) -> tuple[BaselineSettings, ...]:
    """Return the settings of the baselines that run: those chosen, then those that the question brings along.

    Before a label at the end of a series no symbol comes: n-grams, which would repeat the base rate, run only if they
    are chosen by name.
    """
    question = question_of_head(job.model.head)
    chosen = tuple(settings for settings in job.baseline.values() if not refusal(settings, question))
    if isinstance(job.model, PretrainedSettings):  # the network of the job is a row already
        chosen = tuple(settings for settings in chosen if settings.method != NAME)
    names = {settings.name for settings in job.baseline.values()}
    if not names or names & set(question.baselines):
        return chosen
    labels = isinstance(job.data, CsvSettings) and job.data.target_at == "end"
    shipped = [SHIPPED[name] for name in question.baselines]
    return (*chosen, *(settings for settings in shipped if not (labels and isinstance(settings, NgramSettings))))


def omitted_baselines(job: JobSettings) -> tuple[str, ...]:
    """Say which of the chosen baselines do not run, and why: a sentence for each reason."""
    question = question_of_head(job.model.head)
    names_by_reason: dict[str, list[str]] = {}
    for settings in job.baseline.values():
        if reason := refusal(settings, question):
            names_by_reason.setdefault(reason, []).append(settings.name)
    return tuple(
        f"{listed(names)} left out of {question.phrase}: {reason}" for reason, names in names_by_reason.items()
    )


def raise_failure(fits: Fits, name: str) -> None:
    """Raise what kept a forecaster from being fitted: without its network a job is at its end.

    Raises
    ------
    ForecastError
        Its own reason.

    """
    for attempt in fits.attempts:
        if attempt.name == name and attempt.status != OK:
            raise attempt.error or ForecastError(f"{name} failed: {attempt.status}")
