"""The forecast task: how a panel is split, how far ahead is forecast, with how much past and what season.

What the user does not say is chosen on what lies before the test: the season on training and validation split, the
context on the training split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.questions.kinds import QUESTIONS, Problem
from forecast.questions.season import Season, find_season
from forecast.questions.settings import SplitSettings
from forecast.questions.split import Over, Split, long_enough, shortened_split, split_panel
from forecast.questions.value_range import ANY_VALUE, ValueRange
from forecast.settings import check_settings
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from forecast.questions.kinds import Question, TargetType
    from forecast.questions.split import Over
    from forecast.series.panel import BoolArray, Panel


_SEASONS_OF_CONTEXT = 2
_SYMBOLS_OF_CONTEXT = 64
_MOST_OF_TRAINING = 2 / 3
_LONGEST_CONTEXT = 512
"""Default context, at most: with more, regressors on windows take minutes. `data.context_steps` may say more."""
USUAL_HORIZON = 20
LEAST_STEPS = 3
"""Of a series that is scored at all: two to learn its changes from, and one to forecast."""
_SERIES_NAMED = 5
"""Series that a note names, at most."""


@dataclass(frozen=True, eq=False)
class ForecastTask:
    """A split, the problem on it, and the evidence for its season."""

    split: Split
    problem: Problem
    season: Season


def suggested_horizon(panel: Panel) -> int:
    """Return a horizon that the typical series can be judged on: a fifth of its rows, from 1 to 20.

    Of labels at the end of series there is one.
    """
    return 1 if panel.at_end else int(np.clip(np.median(panel.lengths) // 5, 1, USUAL_HORIZON))


def forecast_task(
    panel: Panel,
    horizon: int,
    *,
    context_steps: int | None = None,
    season_steps: int | None = None,
    validation: float = 0.15,
    test: float = 0.2,
    calibration: float | None = None,
    target_type: TargetType = "value",
    value_range: ValueRange = ANY_VALUE,
    over: Over = "time",
    lags: int = 3,
    leads: int = 1,
    shortened: bool = False,
) -> ForecastTask:
    """Split a panel and state the problem; `validation`, `test` and `calibration` are shares below 1 or whole steps.

    Covariates known ahead are read of `lags` steps before and `leads` steps after each step of the horizon as well.
    With `calibration=None` the last half of the validation split calibrates intervals, where both halves keep a
    horizon; questions that forecast probabilities have no intervals and no calibration split. Symbols have no season.
    With `over="series"` whole series are training, validation or test, and the three numbers count series.
    `shortened` is for series that no split of a whole horizon fits into (`shortened_split`).

    Raises
    ------
    ForecastError
        A length below one step; a series that is too short for its splits, or for the given season; a split over
        series of values, or over time where the target is one label at the end.

    """
    _check_lengths(horizon=horizon, context_steps=context_steps, season_steps=season_steps)
    splitting = {"over": over, "validation": validation, "test": test, "calibration": calibration}
    settings = check_settings(SplitSettings, splitting, "split.")
    question = QUESTIONS[target_type]
    check_splits(panel, horizon, question, over)

    def split_for(context: int) -> Split:
        return (
            shortened_split(panel, horizon)
            if shortened
            else split_as_asked(panel, settings, question, context, horizon)
        )

    # the season and the context are chosen on the training split of a context of one step
    season, context = _season_and_context(panel, split_for(1), question, season_steps, horizon)
    context = context_steps or context
    problem = Problem(
        horizon=horizon,
        context_steps=context,
        season_steps=season.steps,
        target_type=target_type,
        value_range=value_range,
        lags=lags,
        leads=leads,
    )
    return ForecastTask(split_for(context), problem, season)


def _season_and_context(
    panel: Panel, split: Split, question: Question, season_steps: int | None, horizon: int
) -> tuple[Season, int]:
    """Choose the season on training and validation split, the context on the shortest training split."""
    training = panel.cut(split.train)
    training = training.take(np.flatnonzero(training.lengths))
    shortest = int(training.lengths.min())
    if not question.categorical:
        season = _season(panel.cut(split.fitted), training, season_steps, horizon)
        return season, context_for(season.steps, horizon, shortest)
    if panel.at_end:  # any step before the label may tell it
        context = max(min(shortest - 1, _LONGEST_CONTEXT), 1)
    else:
        context = _fitting(_SYMBOLS_OF_CONTEXT, horizon, shortest)
    return _no_season(panel, season_steps), context


def split_as_asked(
    panel: Panel, settings: SplitSettings, question: Question, context_steps: int, horizon: int
) -> Split:
    """Split a panel as the settings say; without intervals there is no calibration split unless they name one.

    Raises
    ------
    ForecastError
        A series that is too short for its splits.

    """
    calibration = 0 if question.forecasts_probabilities and settings.calibration is None else settings.calibration
    return split_panel(
        panel,
        settings.validation,
        settings.test,
        context_steps,
        horizon,
        calibration=calibration,
        over=settings.over,
    )


def splits_fit(
    panel: Panel, settings: SplitSettings, question: Question, context_steps: int, horizon: int, *, shorten: bool
) -> bool:
    """Whether the series are long enough for their splits; False: `shortened_split` is for them.

    `shorten`: nothing has to be trained, so that they may be too short; only shares give way, and only of values.

    Raises
    ------
    ForecastError
        A series that is too short, where something is to be trained, or splits were given in steps.

    """
    try:
        split_as_asked(panel, settings, question, context_steps, horizon)
    except ForecastError as error:
        shares = all(size is None or size < 1 for size in (settings.validation, settings.test, settings.calibration))
        if settings.over == "series" or question.forecasts_probabilities or not shares:
            raise
        if not shorten:
            raise ForecastError(f"{error}; `model=pretrained` needs no training, and forecasts it") from None
        if panel.lengths.max() < LEAST_STEPS:
            raise ForecastError(
                f"series {panel.ids[0]!r} has {counted(int(panel.lengths[0]), 'row')}, and a forecast needs at least "
                f"{LEAST_STEPS}: give more rows"
            ) from None
        return False
    return True


def context_for(season_steps: int, horizon: int, train_steps: int) -> int:
    """Return two seasons (at most 512 steps), or a horizon if longer, yet at most two thirds of the training split.

    >>> context_for(season_steps=24, horizon=12, train_steps=1000)
    48
    """
    return _fitting(min(_SEASONS_OF_CONTEXT * season_steps, _LONGEST_CONTEXT), horizon, train_steps)


def _fitting(wanted_steps: int, horizon: int, train_steps: int) -> int:
    return max(min(max(wanted_steps, horizon), int((train_steps - horizon) * _MOST_OF_TRAINING)), 1)


def check_splits(panel: Panel, horizon: int, question: Question, over: Over) -> None:
    """Refuse splits that the question cannot have.

    Raises
    ------
    ForecastError
        A split over series where each series needs a training split; labels at the end, see `check_labels`.

    """
    if panel.at_end:
        check_labels(panel, horizon, question, over)
    if over == "series" and not question.categorical:
        raise ForecastError(
            f"`split.over=series` is for symbols (`model.head=categorical`), not for {question.phrase}: the reference "
            "and the scale of each series come from its own training split, and series of the test have none: set "
            "`split.over=time`"
        )


def _check_lengths(**steps: int | None) -> None:
    """Refuse lengths below 1 from Python; on the command line the settings have refused them."""
    for name, count in steps.items():
        if count is not None and count < 1:
            raise ForecastError(f"`{name}` should be at least 1 step, found {count}")


def _no_season(panel: Panel, season_steps: int | None) -> Season:
    """Return no season; refuse a target of numbers, or a given season."""
    if not panel.symbols:
        raise ForecastError(
            f"`model.head=categorical` forecasts symbols, and {panel.channels[0].name!r} holds numbers: set "
            f"`data.symbols=true` to read each number as a symbol, or choose another `model.head`"
        )
    if season_steps not in (None, 1):
        raise ForecastError(
            f"`data.season_steps` is for values, symbols have no season, found {season_steps}: leave it out"
        )
    return Season(steps=1, evidence="symbols have none")


def _season(known: Panel, training: Panel, season_steps: int | None, horizon: int) -> Season:
    """Find the season on training and validation split, or check the one that is given."""
    if season_steps is None:
        season = find_season(known, horizon)
        trained = int(training.lengths.max())
        if season.steps < trained:
            return season
        return Season(1, f"none: {season.evidence}, but the training split has {counted(trained, 'step')}")
    shortest = int(training.lengths.min())
    if season_steps >= shortest:
        raise ForecastError(
            f"`data.season_steps={season_steps}` should be less than the training split, which has "
            f"{shortest} steps{_which(training)}: give a shorter season, or 1 for none"
        )
    return Season(steps=season_steps, evidence="given as data.season_steps")


def _which(panel: Panel) -> str:
    """Name the shortest series, "" where there is only one."""
    return f" in series {panel.ids[int(np.argmin(panel.lengths))]!r}" if len(panel) > 1 else ""


def check_labels(panel: Panel, horizon: int, question: Question, over: Over) -> None:
    """Refuse jobs that make no sense where each series has one label at its end.

    Raises
    ------
    ForecastError
        No covariates to read the label from; a horizon other than 1; another question than that of symbols; numbers
        as labels; the same label everywhere; a split over time.

    """
    given = [] if panel.ahead is None else [channel for channel in panel.ahead.channels if channel.computed is None]
    if len(panel.channels) == 1 and not given:
        raise ForecastError(
            "`data.target_at=end` forecasts a label from the other columns of a series, and none is read: name "
            "columns with `data.past`"
        )
    if horizon != 1:
        raise ForecastError(f"`data.target_at=end` is one label a series, found `horizon={horizon}`: set `horizon=1`")
    if not question.categorical:
        raise ForecastError("`data.target_at=end` forecasts one label a series: set `model.head=categorical`")
    if not panel.channels[0].categories:
        raise ForecastError(
            f"`data.target_at=end` is for labels, and {panel.channels[0].name!r} holds numbers: set "
            "`data.symbols=true` if they are labels"
        )
    if len(panel.channels[0].categories) == 1:
        raise ForecastError(
            f"all series have the label {panel.channels[0].categories[0]!r}: there is nothing to forecast, name "
            "another column with `data.target`"
        )
    if over != "series":
        raise ForecastError(
            "`data.target_at=end` is one label a series, so that no series can be split in time: set "
            "`split.over=series`"
        )


def without_short(
    panel: Panel,
    horizon: int,
    split: SplitSettings,
    *,
    context_steps: int | None = None,
    season_steps: int | None = None,
    fate: str = "left out",
) -> tuple[Panel, tuple[str, ...]]:
    """Drop the series that are too short for the task; return the others, and a note on those and their fate.

    The context, where it is not given, is that of the typical series: one short series does not shorten that of all.
    Split over series, each series needs one step before a horizon, whatever the context.

    Raises
    ------
    ForecastError
        All series are too short.

    """
    if split.over == "series":
        return _without(panel, panel.lengths > horizon, f"horizon {horizon} and one more step", fate)
    least = max(context_steps or 1, (season_steps or 1) + 1 - horizon)
    kept, train = long_enough(panel, split.validation, split.test, least, horizon, calibration=split.calibration)
    if context_steps is None and kept.any():
        typical = panel.take(np.flatnonzero(kept))
        season = season_steps or find_season(typical.cut(train[kept]), horizon).steps
        least = max(least, context_for(season, horizon, int(np.median(train[kept]))))
        kept, _ = long_enough(panel, split.validation, split.test, least, horizon, calibration=split.calibration)
    if not kept.any():
        raise ForecastError(
            f"all {len(panel)} series are too short for context {least} + horizon {horizon} and as many steps each for "
            "validation and test: shorten `horizon` or `data.context_steps`, or change `split.validation` and "
            "`split.test`"
        )
    needed = f"context {least} + horizon {horizon} in training and {horizon} steps each for validation and test"
    return _without(panel, kept, needed, fate)


def _without(panel: Panel, kept: BoolArray, needed: str, fate: str) -> tuple[Panel, tuple[str, ...]]:
    """Keep some series, (series,), and name the others, which are too short for `needed`, in a note."""
    if kept.all():
        return panel, ()
    if not kept.any():
        raise ForecastError(f"all {len(panel)} series are too short for {needed}: shorten `horizon`")
    short = np.flatnonzero(~kept)
    names = [f"{panel.ids[i]!r} ({counted(int(panel.lengths[i]), 'step')})" for i in short[:_SERIES_NAMED]]
    note = f"{len(short)} of {len(panel)} series {fate} as too short for {needed}: {name_some(names, len(short))}."
    return panel.take(np.flatnonzero(kept)), (note,)
