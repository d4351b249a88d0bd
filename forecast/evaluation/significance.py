"""Can a difference between two forecasters be chance: over origins (Diebold-Mariano), or paired over series.

Over origins. Let d_t, t = 1..n, be the difference of two forecasters' losses at origin t, a loss being the absolute
error averaged over the horizon (and over series), and h the number of successive origins whose horizons overlap,
ceil(H / stride). Errors within one horizon share their surprises, so that d_t is correlated over h - 1 origins even
where both forecasters are perfect. The statistic is (Diebold and Mariano 1995; Harvey, Leybourne and Newbold 1997,
eq. 9)

    S = sqrt((n + 1 - 2h + h (h - 1) / n) / n) * sqrt(n) * mean(d) / sqrt(V)

The usual V, a truncated sum of autocovariances, can be negative and claims far too much where n is a few h. Here V is
the equal-weighted cosine (EWC) estimate of the long-run variance (Lazarus, Lewis, Stock and Watson 2018, "HAR
inference: recommendations for practice"; for forecasts Coroneo and Iacone 2020, "Comparing predictive accuracy in small
samples using fixed-smoothing asymptotics"), a mean of squares that cannot be negative:

    V = 1/B sum_{j=1..B} L_j^2,   L_j = sqrt(2/n) sum_t d_t cos(pi j (t - 1/2) / n)

and S is compared with Student's t of B degrees of freedom. B is 0.4 n^(2/3) as recommended there, but at most
n / (2h): the cosines have to be slower than the correlation over h origins. Where that leaves fewer than two cosines,
that is for fewer than 4 h origins or fewer than 12, no p is given. Simulated size at nominal 5 %: 3 to 6 %.

Over series, for panels with too few origins. Let d_i, i = 1..n, be the difference of the mean losses on series i, over
all its origins and horizon steps, in units of the series' MASE denominator. The test is Student's paired t,
mean(d) / (s / sqrt(n)) with n - 1 degrees of freedom. It tests the mean over series, by which the leaderboard ranks;
ranks or signs of the d_i (Demsar 2006, "Statistical comparisons of classifiers over multiple data sets", for scores in
different units) would say whether more series gain than lose, which many small gains and one large loss answer
otherwise. Competitions have been judged over their series alike (Koning, Franses, Hibon and Stekler 2005, "The M3
competition: statistical tests of the results"). Series are taken as independent draws: series that share their
surprises (shops on one holiday) count as more than they are, and p is then too small. Hence it is used only where the
test over origins has no p. Simulated size at nominal 5 % and independent series, heavy tails and moderate skew
included: 3 to 7 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from forecast.questions.kinds import VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from forecast.evaluation.scales import Scales
    from forecast.questions.kinds import Question
    from forecast.series.panel import FloatArray

FEWEST_SERIES = 20
"""Series that a test paired over series needs."""

_ROUNDING = 1e-6
"""Losses that differ by less than this share, the rounding of 32-bit forecasts, are the same."""


@dataclass(frozen=True)
class Comparison:
    """A two-sided test of whether two forecasters have the same expected loss.

    Attributes
    ----------
    difference : mean loss of the first less that of the second; negative where the first is better
    p : NaN where there are too few origins
    p_adjusted : p after Holm's correction for several networks
    origins : number of origins (n); 0 where the test is paired over series
    overlap : number of successive origins whose horizons overlap (h)
    reason : why p is empty, else ""
    series : number of series where the test is paired over them, else 0

    """

    difference: float
    p: float
    p_adjusted: float
    origins: int
    overlap: int
    reason: str = ""
    series: int = 0


def compare(losses: pd.DataFrame, overlap: int | None, models: tuple[str, ...], baseline: str) -> dict[str, Comparison]:
    """Test each model against the baseline, with Holm's correction over all of them.

    `losses` and `overlap` are those of `losses_to_compare`.
    """
    tests = {}
    for model in models:
        first, second = losses[[model, baseline]].dropna().to_numpy().T
        tests[model] = paired_over_series(first, second) if overlap is None else diebold_mariano(first, second, overlap)
    adjusted = holm({model: test.p for model, test in tests.items()})
    return {model: replace(test, p_adjusted=adjusted[model]) for model, test in tests.items()}


def diebold_mariano(first: FloatArray, second: FloatArray, overlap: int) -> Comparison:
    """Test whether two forecasters' losses, (origin,) each, have the same mean.

    >>> diebold_mariano(np.ones(50), np.ones(50), overlap=5).p
    1.0
    """
    d = first - second  # (origin,)
    n, h = len(d), overlap
    mean = float(d.mean()) if n else math.nan
    cosines = cosine_count(n, h)  # B
    if n and _indistinguishable(first, second):
        return Comparison(mean, 1.0, 1.0, n, h)
    if cosines == 0:
        return Comparison(mean, math.nan, math.nan, n, h, _too_few(n, h))
    variance = long_run_variance(d, cosines)  # V
    correction = (n + 1 - 2 * h + h * (h - 1) / n) / n  # of Harvey, Leybourne and Newbold
    statistic = math.inf if variance == 0 else abs(mean) * math.sqrt(correction * n / variance)  # |S|
    p = _two_sided(statistic, cosines)
    return Comparison(mean, p, p, n, h)


def paired_over_series(first: FloatArray, second: FloatArray) -> Comparison:
    """Test whether two forecasters' losses, (series,) each, have the same mean.

    >>> paired_over_series(np.arange(30.0), np.arange(30.0)).p
    1.0
    """
    d = first - second  # (series,)
    n = len(d)
    mean = float(d.mean()) if n else math.nan
    if n and _indistinguishable(first, second):
        return Comparison(mean, 1.0, 1.0, 0, 0, series=n)
    if n < FEWEST_SERIES:
        reason = f"{n} series are too few for a paired test, which needs {FEWEST_SERIES}"
        return Comparison(mean, math.nan, math.nan, 0, 0, reason, series=n)
    s = float(d.std(ddof=1))
    statistic = math.inf if s == 0 else abs(mean) / s * math.sqrt(n)  # |t| = |mean(d)| / (s / sqrt(n))
    p = _two_sided(statistic, n - 1)
    return Comparison(mean, p, p, 0, 0, series=n)


def _two_sided(statistic: float, freedom: int) -> float:
    """Two-sided p of Student's t; `scipy.stats` takes long to import.

    >>> round(_two_sided(2.228, 10), 3)
    0.05
    """
    return float(2 * special.stdtr(freedom, -abs(statistic)))


def _indistinguishable(first: FloatArray, second: FloatArray) -> bool:
    """Whether losses differ by rounding alone."""
    return bool(np.abs(first - second).max() <= _ROUNDING * max(np.abs(first).max(), np.abs(second).max()))


def cosine_count(origins: int, overlap: int) -> int:
    """Cosines B = min(0.4 n^(2/3), n / (2h)); 0 where they are fewer than two."""
    count = min(math.floor(0.4 * origins ** (2 / 3)), origins // (2 * overlap))
    return count if count >= 2 else 0


def long_run_variance(d: FloatArray, cosines: int) -> float:
    """EWC estimate V of the long-run variance of d, (origin,). The cosines sum to zero: the mean of d drops out."""
    n = len(d)
    j = np.arange(1, cosines + 1)[:, None]
    weights = math.sqrt(2 / n) * np.cos(math.pi * j * (np.arange(n) + 0.5) / n)  # (cosine, origin)
    return float(np.mean((weights @ (d - d.mean())) ** 2))  # 1/B sum L_j^2


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values for the number of tests (Holm 1979); an empty p is no test and stays empty.

    >>> holm({"rnn": 0.04, "gru": 0.01, "lstm": float("nan")})
    {'rnn': 0.04, 'gru': 0.02, 'lstm': nan}
    """
    ordered = sorted((value, name) for name, value in p.items() if not math.isnan(value))
    adjusted, highest = dict(p), 0.0
    for rank, (value, name) in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ordered) - rank) * value))  # max over k <= rank of (m - k + 1) p_(k)
        adjusted[name] = highest
    return adjusted


def _too_few(origins: int, overlap: int) -> str:
    needed = next(n for n in range(4 * overlap, 4 * overlap + 13) if cosine_count(n, overlap))
    few = "1 origin is" if origins == 1 else f"{origins} origins are"
    return f"{few} too few for a test, which needs {needed} as their horizons overlap"


# Losses


def losses_to_compare(
    results: pd.DataFrame, scales: Scales, question: Question = VALUE
) -> tuple[pd.DataFrame, int | None]:
    """Losses by origin and the overlap h of their horizons; or by series, and None, where origins are too few.

    The typical series decides what is few: origins that only some series have do not repeat the others.
    """
    overlap = horizon_overlap(results)
    by_series = series_losses(results, scales, question)
    first = results[results["model"] == results["model"].iloc[0]] if len(results) else results
    origins = first.groupby("unique_id", observed=True)["cutoff"].nunique()
    typical = int(origins.median()) if len(origins) else 0
    if len(by_series) >= FEWEST_SERIES and cosine_count(typical, overlap) == 0:
        return by_series, None
    return origin_losses(results, scales, question), overlap


def horizon_overlap(results: pd.DataFrame) -> int:
    """Count the successive origins whose horizons overlap: ceil(H / stride) where no origin is missing."""
    ends = results.groupby("cutoff", observed=True)["ds"].max().sort_index()
    cutoffs = ends.index.to_numpy()
    if len(cutoffs) == 0:
        return 1
    return int((np.searchsorted(cutoffs, ends.to_numpy(), side="left") - np.arange(len(cutoffs))).max())


def origin_losses(results: pd.DataFrame, scales: Scales, question: Question = VALUE) -> pd.DataFrame:
    """Losses (`_scaled_errors`) averaged over the horizon, then over series: (cutoff, model)."""
    errors = _scaled_errors(results, scales, question)
    per_origin = errors.groupby(["model", "unique_id", "cutoff"], observed=True)["error"].mean()
    return (
        per_origin.groupby(["cutoff", "model"], observed=True)
        .mean()
        .reset_index()
        .pivot_table(index="cutoff", columns="model", values="error", observed=True)
    )


def series_losses(results: pd.DataFrame, scales: Scales, question: Question = VALUE) -> pd.DataFrame:
    """Losses (`_scaled_errors`) averaged over the origins and steps of each series: (unique_id, model)."""
    return (
        _scaled_errors(results, scales, question)
        .groupby(["unique_id", "model"], observed=True)["error"]
        .mean()
        .reset_index()
        .pivot_table(index="unique_id", columns="model", values="error", observed=True)
    )


def _scaled_errors(results: pd.DataFrame, scales: Scales, question: Question) -> pd.DataFrame:
    """Loss (`Question.loss`) of each observed target, columns `model, unique_id, cutoff, error`.

    Absolute errors of several series are in units of each series' MASE denominator, so that tests and MASE weigh series
    alike; NaN for series without one.
    """
    observed = results[results["y"].notna()]
    error = question.loss(observed)
    # Losses of probabilities have no unit, and weigh all series alike as they are.
    if not question.forecasts_probabilities and len(scales.ids) > 1 and not np.isnan(scales.absolute).all():
        codes = observed["unique_id"].cat.codes.to_numpy()
        unit, _ = scales.of(observed["unique_id"].cat.categories.to_series())
        error = error / unit[codes]
    return observed[["model", "unique_id", "cutoff"]].assign(error=error)
