"""The verdict in one sentence: was the network worth its training.

It was where it beats the baseline to beat and naive, the tests say that this is hardly chance, and no plainer row of
the leaderboard does better still. In all other cases the sentence says what to use instead, or what is not known. The
baseline to beat is used instead only where it beats naive in turn: on a random walk validation has to choose some
baseline, and whichever it is, nothing beats naive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from forecast.evaluation.conformal import lender_of
from forecast.evaluation.fits import OK
from forecast.evaluation.leaderboard import baseline_to_beat, leaderboard, unchosen_baseline
from forecast.evaluation.metrics import objective, ranking_metric, score
from forecast.evaluation.significance import compare, losses_to_compare
from forecast.questions.kinds import BASE_RATE, VALUE, metric_label, question_of_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from forecast.evaluation.backtest import Backtest
    from forecast.evaluation.metrics import Scores
    from forecast.evaluation.significance import Comparison

_WORTH = "worth its training"
_NOT_SHOWN = f"not shown to be {_WORTH}"

NAIVE = VALUE.plain_baseline
"""The row that repeats the last value: it needs no choice, and on a random walk nothing beats it."""


@dataclass(frozen=True)
class Verdict:
    """The sentence, and whether it claims that the network won."""

    sentence: str
    won: bool


class Judged(NamedTuple):
    """Networks against the baseline to beat, as in `Evaluation`."""

    baseline: str | None
    tests: dict[str, Comparison]
    leaderboard: pd.DataFrame
    verdict: Verdict | None


def judge_networks(
    test: Backtest,
    validation: Backtest | None,
    validation_scores: Scores | None,
    *,
    by_model: pd.DataFrame,
    recommended: str | None,
    significance: float,
) -> Judged:
    """Choose the baseline to beat and the network on validation, and compare them on the test."""
    if validation is None or validation_scores is None:
        baseline = unchosen_baseline(test.attempts)
    else:
        baseline = baseline_to_beat(validation_scores.by_model, validation.attempts)
    networks = test.of_kind("network")
    losses, overlap = losses_to_compare(test.results, test.scales, test.question)
    tests = compare(losses, overlap, networks, baseline) if baseline is not None and baseline in losses else {}
    table = leaderboard(by_model, test.attempts, baseline, tests, recommended)
    best = best_network(test if validation is None else validation, validation_scores)
    if not best:
        return Judged(baseline, tests, table, None)
    sentence = verdict(
        table,
        best,
        baseline,
        tests.get(best),
        significance,
        against_naive=against_naive(losses, overlap, networks, baseline, test.question.plain_baseline),
        spread=_member_spread(test, best) if best in test.members else "",
        trained=best != lender_of(test),
    )
    return Judged(baseline, tests, table, sentence)


def _member_spread(test: Backtest, network: str) -> str:
    """Say between which scores the members of an ensemble lie by themselves, on the test split."""
    rows = test.results[test.results["model"] == network]
    column = test.question.scored_column
    tables = [
        score(rows.assign(**{column: forecast.ravel()}), test.scales, test.question).by_model
        for forecast in test.members[network]  # (origin, step)
    ]
    metric = ranking_metric(tables[0])
    scores = [float(table.loc[network, metric]) for table in tables]  # type: ignore[arg-type]  # a number, as all metrics are
    what = "score in bits a symbol" if metric == "bits" else metric_label(metric)
    return spread_of(scores, f"the {what} of its {len(scores)} members alone")


def best_network(validation: Backtest, scores: Scores | None) -> str | None:
    """Return the network with the best validation score; one that failed where all did, None where there is none.

    Without scores it is the first that did not fail.
    """
    networks = validation.of_kind("network")
    if networks and scores is None:
        return networks[0]
    if networks and scores is not None:
        return min(networks, key=lambda name: objective(scores, name))
    return next((attempt.name for attempt in validation.attempts if attempt.kind == "network"), None)


def verdict(
    leaderboard: pd.DataFrame,
    network: str,
    baseline: str | None,
    test: Comparison | None,
    significance: float = 0.05,
    *,
    against_naive: Mapping[str, Comparison] | None = None,
    spread: str = "",
    trained: bool = True,
) -> Verdict:
    """Say whether a network beats the baseline to beat.

    It does where its MASE is better, and the p-value of `test` (after Holm's correction) lies below `significance` with
    the difference on the same side. `against_naive` are the tests of network and baseline against naive, by name,
    where naive is not the baseline; `spread` is appended, it says how far the members of an ensemble lie apart.
    One that was not `trained` on these data can be no more than better.
    """
    rows = leaderboard.set_index("model")
    result = _both_right(rows, network, baseline) or _verdict(
        rows, network, baseline, test, significance=significance, against_naive=against_naive or {}
    )
    if not trained:
        result = replace(result, sentence=result.sentence.replace(_WORTH, "better"))
    return replace(result, sentence=f"{result.sentence}; {spread}") if spread else result


def _both_right(rows: pd.DataFrame, network: str, baseline: str | None) -> Verdict | None:
    """Say so where network and baseline are right every time."""
    if baseline is None or "accuracy" not in rows or not rows["accuracy"][[network, baseline]].ge(1).all():
        return None
    metric = ranking_metric(rows)
    pair = _score_pair(float(rows[metric][network]), float(rows[metric][baseline]), digits=4)
    figures = f"{metric_label(metric)} {pair}"
    rival = _display_name(rows, baseline)
    return Verdict(f"{network} is right every time, as {rival} is: nothing can be better ({figures})", won=False)


def _verdict(
    rows: pd.DataFrame,
    network: str,
    baseline: str | None,
    test: Comparison | None,
    *,
    significance: float,
    against_naive: Mapping[str, Comparison],
) -> Verdict:
    if rows["status"][network] != OK:
        return Verdict(f"{network} failed ({rows['status'][network]!s})", won=False)
    metric = ranking_metric(rows)
    score, label = float(rows[metric][network]), metric_label(metric)
    if baseline is None or rows["status"][baseline] != OK or test is None:
        return Verdict(f"{network} has nothing to be compared with ({label} {_number(score)})", won=False)
    rival, rival_score = _display_name(rows, baseline), float(rows[metric][baseline])
    figures = f"{label} {_score_pair(score, rival_score)}"
    if question_of_scores(rows).forecasts_probabilities:
        figures = f"{label} {_score_pair(score, rival_score, digits=4)}, {_relative_to(score, rival_score)}"
    naive_unbeaten = _naive_unbeaten(rows, against_naive, significance)
    if not (score < rival_score and test.difference < 0):
        chance = f"no p: {test.reason}" if math.isnan(test.p_adjusted) else _p_text(test)
        outcome = f"{network} does not beat {rival} ({figures}, {chance})"
        return _lost(outcome, rival, naive_unbeaten.get(baseline))
    ahead = f"{network} is ahead of {rival} ({figures}), but"
    if math.isnan(test.p_adjusted):
        return Verdict(f"{ahead} whether that is chance cannot be said: {test.reason}", won=False)
    if test.p_adjusted >= significance:
        outcome = f"{ahead} that may be chance ({_p_text(test)})"
        return _lost(outcome, rival, naive_unbeaten.get(baseline))
    beats = f"{network} beats {rival} ({figures}, {_p_text(test)})"
    return _beats_baseline(rows, network, beats, naive_unbeaten.get(network))


def _naive_unbeaten(rows: pd.DataFrame, against_naive: Mapping[str, Comparison], significance: float) -> dict[str, str]:
    """Name naive with its figures for each model that does not beat it; where there is no p the figures decide."""
    metric, naive = ranking_metric(rows), _plain_baseline(rows)
    unbeaten = {}
    for name, test in against_naive.items():
        no_p = math.isnan(test.p_adjusted)
        if test.difference < 0 and (no_p or test.p_adjusted < significance):
            continue
        p = "" if no_p else f", {_p_text(test)}"
        figures = f"{metric_label(metric)} {_number(float(rows[metric][naive]))}{p}"
        unbeaten[name] = f"{_display_name(rows, naive)} ({figures})"
    return unbeaten


def _lost(outcome: str, rival: str, naive_unbeaten: str | None) -> Verdict:
    """Claim nothing; say where the baseline to beat does not beat naive."""
    not_beaten = f", and {rival} does not beat {naive_unbeaten}" if naive_unbeaten else ""
    return Verdict(f"{outcome}{not_beaten}: {_NOT_SHOWN}", won=False)


def _beats_baseline(rows: pd.DataFrame, network: str, beats: str, naive_unbeaten: str | None) -> Verdict:
    """Claim the win, unless a plainer row does better still or naive is not beaten."""
    metric = ranking_metric(rows)
    better = rows[~rows["kind"].isin(["network", "combination"]) & (rows[metric] < rows[metric][network])]
    if not better.empty:
        best = str(better[metric].idxmin())
        name, figure = _display_name(rows, best), _number(float(better[metric][best]))
        still = f"but {name}, not chosen on validation, does better still ({figure})"
        return Verdict(f"{beats}, {still}: {_NOT_SHOWN}", won=False)
    if naive_unbeaten is not None:
        return Verdict(f"{beats}, but not {naive_unbeaten}: {_NOT_SHOWN}", won=False)
    return Verdict(f"{beats}: on these data it is {_WORTH}", won=True)


def against_naive(
    losses: pd.DataFrame, overlap: int | None, networks: tuple[str, ...], baseline: str | None, plain: str = NAIVE
) -> dict[str, Comparison]:
    """Test networks and baseline against the plain baseline; empty where that is the baseline, or did not forecast."""
    if baseline in (None, plain) or plain not in losses or baseline not in losses:
        return {}
    return compare(losses, overlap, (*networks, baseline), plain)


def seed_spread(scores: Sequence[float], metric: str = "validation MASE") -> str:
    """Say how far the scores of runs that differ in their seed alone lie apart.

    >>> seed_spread([1.02, 0.98, 1.05])
    'over 3 seeds the validation MASE lies between 0.98 and 1.05'
    """
    return spread_of(scores, f"over {len(scores)} seeds the {metric}")


def spread_of(scores: Sequence[float], what: str) -> str:
    """Say between which values scores lie.

    >>> spread_of([1.02, 0.98, 1.05], "the MASE of its 3 members alone")
    'the MASE of its 3 members alone lies between 0.98 and 1.05'
    """
    lowest, highest = _distinct(min(scores), max(scores))
    return f"{what} lies between {lowest} and {highest}"


def _display_name(rows: pd.DataFrame, baseline: str) -> str:
    """Name a baseline in a sentence: a reference is the network untrained."""
    if question_of_scores(rows).forecasts_probabilities:
        return "the base rate" if baseline == BASE_RATE else baseline
    return f"the untrained {baseline}" if rows["kind"][baseline] == "reference" else baseline


def _plain_baseline(rows: pd.DataFrame) -> str:
    return question_of_scores(rows).plain_baseline


def _relative_to(score: float, other: float) -> str:
    """Say by what share of the other a score lies below or above it.

    >>> _relative_to(0.24, 0.25), _relative_to(0.2501, 0.25), _relative_to(0.5, 0.25), _relative_to(0.25, 1e-9)
    ('4.0 % below', 'less than 0.1 % above', '100 % above', 'more than ten times')
    """
    if score > 10 * other:
        return "more than ten times"
    share = abs(score - other) / other if other else 0.0
    part = "less than 0.1 %" if share < 0.001 else f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
    return f"{part} {'below' if score < other else 'above'}"


def _score_pair(score: float, other: float, digits: int = 3) -> str:
    return " against ".join(_distinct(score, other, digits))


def _distinct(first: float, second: float, fewest: int = 3) -> tuple[str, str]:
    """Write two numbers with as many digits as tell them apart, six at most."""
    pairs = [(_number(first, digits), _number(second, digits)) for digits in range(fewest, 7)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def _number(value: float, digits: int = 3) -> str:
    """Two decimals from 0.1 on, else `digits` significant digits, six decimals at most.

    >>> _number(1.0), _number(0.9871), _number(0.00123456), _number(1234.567), _number(0.0000712), _number(3e-9)
    ('1.00', '0.99', '0.00123', '1234.57', '0.000071', '<0.000001')
    """
    if 0 < abs(value) < 1e-6:
        return "<0.000001"
    if 0 < abs(value) < 1e-3:
        return f"{value:.{min(digits - 1 - math.floor(math.log10(abs(value))), 6)}f}"
    if abs(value) >= 0.1 or value == 0:
        return f"{value:.{digits - 1}f}"
    return f"{value:#.{digits}g}"


def _p_text(test: Comparison) -> str:
    """Write the p-value, and the number of series where the test is paired over them."""
    return _p_value(test.p_adjusted) + (f", paired over {test.series} series" if test.series else "")


def _p_value(p: float) -> str:
    """Two decimals, three where the second might cross a threshold, never zero.

    >>> _p_value(0.41), _p_value(0.0478), _p_value(0.00002)
    ('p = 0.41', 'p = 0.048', 'p < 0.001')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
