"""From fitted forecasters to recommendation and verdict: chosen before the test split, judged on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from forecast.evaluation.backtest import forecast_all, forecast_split, forecast_training
from forecast.evaluation.behaviour import CopyTest, copy_test, revisions
from forecast.evaluation.combining import add_combination, combination_weights, with_combination
from forecast.evaluation.conformal import Widths, widths_of, with_intervals
from forecast.evaluation.expected_error import evidence_before, expected_errors, kinds_of, plainest_alike
from forecast.evaluation.fits import OnProgress
from forecast.evaluation.intervals import Intervals, score_intervals
from forecast.evaluation.leaderboard import skill_is_empty
from forecast.evaluation.metrics import Scores, score
from forecast.evaluation.recommendation import Recommendation, recommend
from forecast.evaluation.refits import Refits
from forecast.evaluation.settings import BacktestSettings
from forecast.evaluation.split_origins import split_origins
from forecast.evaluation.verdict import judge_networks
from forecast.forecasters.combination import COMBINATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from forecast.evaluation.backtest import Backtest
    from forecast.evaluation.fits import Fits
    from forecast.evaluation.significance import Comparison
    from forecast.evaluation.verdict import Judged, Verdict
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Split
    from forecast.series.panel import FloatArray, Panel


_NOT_VALIDATED = (
    "the data are too short for a validation split: nothing could be chosen on it, and the baseline to beat is "
    "{baseline}, which needs no choice"
)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores, tests and verdict.

    Attributes
    ----------
    leaderboard : one row a model, on the test split
    recommendation : which forecast to use; None where all models failed
    verdict : on the network that is best on validation; None where there is no network
    validation, validation_scores : None where no series is long enough for a validation split
    baseline : the baseline to beat, chosen on validation; None where there is none
    tests : each network against the baseline to beat
    copy_tests : one a network
    intervals : how good the intervals on the test split are; None where no forecaster succeeded
    widths : what turns forecasts after the end of the data into quantiles, from calibration and test split
    offsets : (step, level) by model, in units of a series' scale: the same for a model that forecasts by itself, with
        none whose spread it could borrow
    notes : sentences: why scores are empty, notes of forecasters

    """

    validation: Backtest | None
    validation_scores: Scores | None
    test: Backtest
    scores: Scores
    baseline: str | None
    tests: dict[str, Comparison]
    copy_tests: dict[str, CopyTest]
    leaderboard: pd.DataFrame
    verdict: Verdict | None
    notes: tuple[str, ...]
    recommendation: Recommendation | None = None
    intervals: Intervals | None = None
    widths: Widths = field(default_factory=Widths)
    offsets: Mapping[str, FloatArray] = field(default_factory=dict)


def evaluate(
    fits: Fits,
    panel: Panel,
    split: Split,
    problem: Problem,
    settings: BacktestSettings | None = None,
    *,
    recommended: str | None = None,
    until: float | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Choose what to recommend and the baseline to beat on what lies before the test split, and judge on that.

    `recommended` is the model that is recommended whatever is expected of it, where the user wants that. After `until`,
    a time of `time.perf_counter`, models are left out and nothing is fitted again, as in `forecast_all`.
    """
    settings = settings or BacktestSettings()
    splits = _forecast_splits(fits, panel, split, problem, settings, until=until, on_progress=on_progress)
    training, validation, calibration, test = splits.backtests
    validation_scores = None if validation is None else score(validation.results, validation.scales, problem.question)
    scored = _score_test(test, calibration, problem)
    recommendation = recommend(
        (training, validation, calibration, scored.test),
        panel,
        split,
        problem,
        expected=splits.expected,
        by_model=scored.scores.by_model,
        intervals=scored.intervals,
        weights=splits.weights,
        stride=settings.stride,
        asked=recommended,
    )
    use = None if recommendation is None else recommendation.model
    judged = judge_networks(
        scored.test,
        validation,
        validation_scores,
        by_model=scored.by_model,
        recommended=use,
        significance=settings.significance,
    )
    return Evaluation(
        validation=validation,
        validation_scores=validation_scores,
        test=scored.test,
        scores=scored.scores,
        baseline=judged.baseline,
        tests=judged.tests,
        copy_tests=scored.copy_tests,
        leaderboard=judged.leaderboard,
        intervals=scored.intervals,
        widths=scored.widths,
        offsets=scored.offsets,
        recommendation=recommendation,
        verdict=judged.verdict,
        notes=_notes(splits, scored, judged, asked=recommended, recommended=use),
    )


class _Splits(NamedTuple):
    """Forecasts of all splits, the combination among them.

    Attributes
    ----------
    backtests : of training, validation, calibration (None where there are none) and test split
    expected : logarithms of the errors that models are expected to have, from what lies before the test
    weights : of the members of the combination; empty where there is none
    notes : on origins that were left out

    """

    backtests: tuple[Backtest | None, Backtest | None, Backtest | None, Backtest]
    expected: dict[str, float]
    weights: dict[str, float]
    notes: tuple[str, ...]


def _forecast_splits(
    fits: Fits,
    panel: Panel,
    split: Split,
    problem: Problem,
    settings: BacktestSettings,
    *,
    until: float | None,
    on_progress: OnProgress | None,
) -> _Splits:
    """Forecast every split, and combine what may be combined with weights from before the test."""
    of_values, refits = not problem.question.forecasts_probabilities, Refits(settings.refit_every, until)
    how: dict[str, Any] = {"stride": settings.stride, "refits": refits, "on_progress": on_progress}
    forecast = partial(forecast_split, fits, panel, split, problem, **how)
    validation = forecast(part="validation")
    calibration = forecast(part="calibration") if of_values else None
    test = forecast_all(fits, panel, split, problem, part="test", **how)
    training = forecast_training(fits, panel, split, problem, refits=refits, on_progress=on_progress)
    before, kinds = (training, validation, calibration), kinds_of(test)
    evidence = evidence_before(before, kinds)
    expected = expected_errors(evidence, kinds, int(split.train.sum()))
    weights: dict[str, float] = {}
    if of_values:
        # A mean of models that forecast the same gains nothing.
        distinct = {name: expected[name] for name in expected if plainest_alike(name, evidence, kinds) == name}
        weights, together = combination_weights(before, distinct)
    if weights:
        expected[COMBINATION] = together
        training, validation, calibration = (with_combination(one, weights, problem.value_range) for one in before)
        test = add_combination(test, weights, problem.value_range)
    notes = _thinned(panel, split, problem, test, settings.stride)
    return _Splits((training, validation, calibration, test), expected, weights, notes)


def _thinned(panel: Panel, split: Split, problem: Problem, test: Backtest, stride: int | None) -> tuple[str, ...]:
    """Say that some origins were left out where no stride was set."""
    every = len(split_origins(panel, split, problem.horizon, test.part, 1))
    if stride is not None or every == len(test.known):
        return ()
    taken = f"{len(test.known):,} of {every:,} origins, evenly spread"
    return (f"the backtest forecasts from {taken}: `backtest.stride=1` takes all",)


@dataclass(frozen=True, eq=False)
class _ScoredTest:
    """The test split with its scores; intervals, revisions and copy tests are those of forecasts of values alone.

    Attributes
    ----------
    test : with intervals
    by_model : `scores.by_model`, with those of intervals and revisions

    """

    test: Backtest
    scores: Scores
    by_model: pd.DataFrame
    copy_tests: dict[str, CopyTest] = field(default_factory=dict)
    intervals: Intervals | None = None
    widths: Widths = field(default_factory=Widths)
    offsets: Mapping[str, FloatArray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _score_test(forecast: Backtest, calibration: Backtest | None, problem: Problem) -> _ScoredTest:
    """Score the test split; of values also their intervals, revisions, and whether networks copy the last value."""
    scores = score(forecast.results, forecast.scales, problem.question)
    if problem.question.forecasts_probabilities:
        return _ScoredTest(forecast, scores, scores.by_model)
    test = with_intervals(forecast, calibration, problem.value_range)
    judged = [forecast] if calibration is None else [calibration, forecast]
    calibrated = 0 if calibration is None else len(calibration.known)
    intervals = score_intervals(test.results, test.quantiles, test.levels, test.scales, calibrated=calibrated)
    by_model = scores.by_model if intervals is None else scores.by_model.join(intervals.scores)
    revised = revisions(test.results, test.scales)
    return _ScoredTest(
        test=test,
        scores=scores,
        by_model=by_model.assign(revision=revised.by_model),
        copy_tests={name: copy_test(test.results, test.known, name) for name in test.of_kind("network")},
        intervals=intervals,
        widths=widths_of(*judged, finite=True),
        offsets=widths_of(*judged, finite=True, lent=False).offsets,
        notes=(*(() if intervals is None else intervals.empty), *filter(None, [revised.note])),
    )


def _notes(
    splits: _Splits, scored: _ScoredTest, judged: Judged, *, asked: str | None, recommended: str | None
) -> tuple[str, ...]:
    """Say what could not be chosen, scored or followed, and what forecasters note."""
    _, validation, *_ = splits.backtests
    return (
        *([] if validation else [_NOT_VALIDATED.format(baseline=judged.baseline)]),
        *splits.notes,
        *scored.scores.empty,
        *filter(None, [skill_is_empty(scored.scores.by_model, judged.baseline)]),
        *scored.notes,
        *_not_as_asked(asked, recommended, scored.test),
        *(f"{attempt.name}: {note}" for attempt in scored.test.attempts for note in attempt.notes),
    )


def _not_as_asked(asked: str | None, recommended: str | None, test: Backtest) -> tuple[str, ...]:
    """Say why the model that was asked for is not recommended."""
    if asked is None or asked == recommended:
        return ()
    if asked == COMBINATION:
        return (f"`recommend={asked}` could not be followed: no mean of models is expected to be better than the best",)
    reason = test.failures.get(asked, "it is missing")
    return (f"`recommend={asked}` could not be followed, since {asked} failed ({reason})",)
