"""The question that is asked of a panel: how it is split, how far ahead, with how much past and what season.

What the user does not say is found on the training split alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.questions.kinds import QUESTIONS, Problem
from forecast.questions.season import Season, find_season
from forecast.questions.settings import SplitSettings
from forecast.questions.split import Over, Split, long_enough, split_panel
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
"""Beyond it regressors on windows take minutes; two seasons of minutes are 2,880. `data.context_steps` may say more."""


@dataclass(frozen=True, eq=False)
class ForecastTask:
    """A split with the problem that is posed on it, and what speaks for the season."""

    split: Split
    problem: Problem
    season: Season


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
    over: Over = "time",
) -> ForecastTask:
    """Split a panel and pose the problem; `validation`, `test` and `calibration` are shares below 1 or whole steps.

    Without a number the last half of the validation split is for calibration, where both halves keep a horizon;
    probabilities of a rise or of symbols have no intervals, and nothing is calibrated. Symbols have no season.
    `over="series"` puts whole series into the stretches, and the three numbers count series.

    Raises
    ------
    ForecastError
        A length below one step, or a series that is too short for its stretches, or for the season given; a split
        over series that is asked for values, or another one where labels stand at the end.

    """
    _check_lengths(horizon=horizon, context_steps=context_steps, season_steps=season_steps)
    asked = {"over": over, "validation": validation, "test": test, "calibration": calibration}
    settings = check_settings(SplitSettings, asked, "split.")
    question = QUESTIONS[target_type]
    check_splits(panel, horizon, question, over)
    split = split_as_asked(panel, settings, question, 1, horizon)
    training = _with_steps(panel.cut(split.train))
    shortest = int(training.lengths.min())
    if question.categorical:
        season = _no_season(panel, season_steps)
        context = _all_before_label(shortest) if panel.at_end else _fitting(_SYMBOLS_OF_CONTEXT, horizon, shortest)
    else:
        season = _season(training, season_steps)
        context = context_for(season.steps, horizon, shortest)
    context = context_steps or context
    problem = Problem(horizon=horizon, context_steps=context, season_steps=season.steps, target_type=target_type)
    return ForecastTask(split_as_asked(panel, settings, question, context, horizon), problem, season)


def split_as_asked(
    panel: Panel, settings: SplitSettings, question: Question, context_steps: int, horizon: int
) -> Split:
    """Split a panel as the settings say; where intervals are not asked for, nothing is calibrated unless they say so.

    Raises
    ------
    ForecastError
        A series that is too short for its stretches.

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


def context_for(season_steps: int, horizon: int, train_steps: int) -> int:
    """Two seasons (at most 512 steps), or a horizon if that is more, yet at most two thirds of the training split.

    >>> context_for(season_steps=24, horizon=12, train_steps=1000)
    48
    """
    return _fitting(min(_SEASONS_OF_CONTEXT * season_steps, _LONGEST_CONTEXT), horizon, train_steps)


def _fitting(wanted_steps: int, horizon: int, train_steps: int) -> int:
    return max(min(max(wanted_steps, horizon), int((train_steps - horizon) * _MOST_OF_TRAINING)), 1)


def _all_before_label(train_steps: int) -> int:
    """All that is read of the shortest training series, at most 512 steps: the label may lie in the first of them."""
    return max(min(train_steps - 1, _LONGEST_CONTEXT), 1)


def _with_steps(training: Panel) -> Panel:
    """Leave out the series that have no training split."""
    return training.take(np.flatnonzero(training.lengths))


def check_splits(panel: Panel, horizon: int, question: Question, over: Over) -> None:
    """Refuse stretches of which the question makes no sense.

    Raises
    ------
    ForecastError
        A split over series where each needs its own training split; labels at the end that cannot be asked for.

    """
    if panel.at_end:
        check_labels(panel, horizon, question, over)
    if over == "series" and not question.categorical:
        raise ForecastError(
            "`split.over=series` is for symbols (`model.head=categorical`): the reference and the scale of a series' "
            "values come from its own training split, which a whole series of the test has not: say "
            "`split.over=time`"
        )


def _check_lengths(**steps: int | None) -> None:
    """Check what a notebook hands over; on the command line the settings have done so."""
    for name, count in steps.items():
        if count is not None and count < 1:
            raise ForecastError(f"`{name}` should be at least 1 step, found {count}")


def _no_season(panel: Panel, season_steps: int | None) -> Season:
    """Say that symbols have none, where the target is one of symbols."""
    if not panel.symbols:
        raise ForecastError(
            f"symbols are asked for, and {panel.channels[0].name!r} holds numbers: say `data.symbols=true` to read "
            f"each as a symbol, or another `model.head`"
        )
    if season_steps not in (None, 1):
        raise ForecastError(
            f"`data.season_steps` is for values, symbols have no season, found {season_steps}: leave it out"
        )
    return Season(steps=1, evidence="symbols have none")


def _season(training: Panel, season_steps: int | None) -> Season:
    if season_steps is None:
        return find_season(training)
    shortest = int(training.lengths.min())
    if season_steps >= shortest:
        raise ForecastError(
            f"`data.season_steps={season_steps}` should be less than the training split, which has "
            f"{shortest} steps{_which(training)}: give a shorter season, or 1 for none"
        )
    return Season(steps=season_steps, evidence="given as data.season_steps")


def _which(panel: Panel) -> str:
    """Name the shortest series where there are several."""
    return f" in series {panel.ids[int(np.argmin(panel.lengths))]!r}" if len(panel) > 1 else ""


def check_labels(panel: Panel, horizon: int, question: Question, over: Over) -> None:
    """Refuse what makes no sense where each series has one label at its end.

    Raises
    ------
    ForecastError
        Nothing to read it from; another horizon than 1, values asked for, numbers as labels, one label in all, a split
        over time.

    """
    given = [] if panel.ahead is None else [one for one in panel.ahead.channels if one.computed is None]
    if len(panel.channels) == 1 and not given:
        raise ForecastError(
            "`data.target_at=end` says a label of what is read of a series, and nothing is: name columns with "
            "`data.past`"
        )
    if horizon != 1:
        raise ForecastError(f"`data.target_at=end` is one label a series, found `horizon={horizon}`: say `horizon=1`")
    if not question.categorical:
        raise ForecastError("`data.target_at=end` asks which label a series has: say `model.head=categorical`")
    if not panel.channels[0].categories:
        raise ForecastError(
            f"`data.target_at=end` is for labels, and {panel.channels[0].name!r} holds numbers: say "
            "`data.symbols=true` if they are labels"
        )
    if len(panel.channels[0].categories) == 1:
        raise ForecastError(
            f"all series have the label {panel.channels[0].categories[0]!r}: there is nothing to forecast, name "
            "another column with `data.target`"
        )
    if over != "series":
        raise ForecastError(
            "`data.target_at=end` is one label a series, and no series can be cut in time: say `split.over=series`"
        )


_NAMED = 5


def without_short(
    panel: Panel,
    horizon: int,
    *,
    context_steps: int | None = None,
    season_steps: int | None = None,
    validation: float = 0.15,
    test: float = 0.2,
    calibration: float | None = None,
    over: Over = "time",
) -> tuple[Panel, tuple[str, ...]]:
    """Leave out the series on which the question cannot be asked; the panel, and a sentence if there are such.

    Over series each needs one step before a horizon, whatever the context.

    Raises
    ------
    ForecastError
        There is no other series.

    """
    if over == "series":
        return _without(panel, panel.lengths > horizon, f"horizon {horizon} and one more step")
    least = max(context_steps or 1, (season_steps or 1) + 1 - horizon)
    kept, train = long_enough(panel, validation, test, least, horizon, calibration=calibration)
    if context_steps is None and kept.any():
        typical = panel.take(np.flatnonzero(kept))
        season = season_steps or find_season(typical.cut(train[kept])).steps
        least = max(least, context_for(season, horizon, int(np.median(train[kept]))))
        kept, _ = long_enough(panel, validation, test, least, horizon, calibration=calibration)
    if not kept.any():
        raise ForecastError(
            f"all {len(panel)} series are too short for context {least} + horizon {horizon} and as many steps each for "
            "validation and test: shorten `horizon` or `data.context_steps`, or change `split.validation` and "
            "`split.test`"
        )
    needed = f"context {least} + horizon {horizon} in training and {horizon} steps each for validation and test"
    return _without(panel, kept, needed)


def _without(panel: Panel, kept: BoolArray, needed: str) -> tuple[Panel, tuple[str, ...]]:
    """Keep some series, (series,), and name the others, which are too short for what is `needed`."""
    if kept.all():
        return panel, ()
    if not kept.any():
        raise ForecastError(f"all {len(panel)} series are too short for {needed}: shorten `horizon`")
    short = np.flatnonzero(~kept)
    texts = [f"{panel.ids[i]!r} ({counted(int(panel.lengths[i]), 'step')})" for i in short[:_NAMED]]
    said = f"{len(short)} of {len(panel)} series left out as too short for {needed}: {name_some(texts, len(short))}."
    return panel.take(np.flatnonzero(kept)), (said,)
