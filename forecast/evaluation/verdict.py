"""One sentence in plain words: was the network worth it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.evaluation.backtest import OK

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from forecast.evaluation.significance import Comparison


@dataclass(frozen=True)
class Verdict:
    """The sentence, and whether it claims that the network won."""

    sentence: str
    won: bool


def verdict(
    leaderboard: pd.DataFrame, network: str, baseline: str | None, test: Comparison | None, significance: float = 0.05
) -> Verdict:
    """Say whether a network beats the baseline to beat.

    It does where its MASE is better, and the test's p-value (after Holm's correction) lies below `significance` with
    the difference on the same side.
    """
    rows = leaderboard.set_index("model")
    if rows["status"][network] != OK:
        instead = f": use {_called(rows, baseline)}" if baseline else ""
        return Verdict(f"{network} failed ({rows['status'][network]!s}){instead}", won=False)
    metric = "mae" if rows["mase"].isna().all() else "mase"
    mine = float(rows[metric][network])
    if baseline is None or rows["status"][baseline] != OK or test is None:
        return Verdict(f"{network} has nothing to be compared with ({metric.upper()} {_number(mine)})", won=False)
    theirs = float(rows[metric][baseline])
    figures = f"{metric.upper()} {_against(mine, theirs)}"
    better = mine < theirs and test.difference < 0
    return _judge(network, _called(rows, baseline), figures, test, better=better, significance=significance)


def _judge(
    network: str, baseline: str, figures: str, test: Comparison, *, better: bool, significance: float
) -> Verdict:
    p = test.p_adjusted
    if not better:
        chance = f"no p: {test.reason}" if math.isnan(p) else _p(p)
        return Verdict(
            f"{network} does not beat {baseline} ({figures}, {chance}): on these data use {baseline}", won=False
        )
    if math.isnan(p):
        return Verdict(
            f"{network} is ahead of {baseline} ({figures}), but whether that is chance cannot be said: {test.reason}",
            won=False,
        )
    if p >= significance:
        return Verdict(
            f"{network} is ahead of {baseline} ({figures}), but that may be chance ({_p(p)}): "
            f"on these data use {baseline}",
            won=False,
        )
    return Verdict(f"{network} beats {baseline} ({figures}, {_p(p)}): on these data it is worth its training", won=True)


def seed_spread(scores: Sequence[float], metric: str = "validation MASE") -> str:
    """Say how far runs that differ in their seed alone lie apart, to stand beside a verdict.

    >>> seed_spread([1.02, 0.98, 1.05])
    'over 3 seeds the validation MASE lies between 0.98 and 1.05'
    """
    lowest, highest = min(scores), max(scores)
    return f"over {len(scores)} seeds the {metric} lies between {_number(lowest)} and {_number(highest)}"


def _called(rows: pd.DataFrame, baseline: str) -> str:
    """Say that a reference is what the network starts from; other names speak for themselves."""
    return f"the untrained {baseline}" if rows["kind"][baseline] == "reference" else baseline


def _against(mine: float, theirs: float) -> str:
    """Two numbers with as many digits as tell them apart, six at most."""
    for digits in range(3, 7):
        first, second = _number(mine, digits), _number(theirs, digits)
        if first != second:
            break
    return f"{first} against {second}"


def _number(value: float, digits: int = 3) -> str:
    """Two decimals from 0.1 on, else `digits` significant digits.

    >>> _number(1.0), _number(0.9871), _number(0.00123456), _number(1234.567)
    ('1.00', '0.99', '0.00123', '1234.57')
    """
    if abs(value) >= 0.1 or value == 0:
        return f"{value:.{digits - 1}f}"
    return f"{value:#.{digits}g}"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
