"""A paired test over series, for panels whose test split has too few origins for one over time.

Let d_i, i = 1..n, be the difference of two forecasters' mean losses on series i, over all its origins and horizon
steps, in units of the series' MASE denominator. The test is Student's paired t: mean(d) / (s / sqrt(n)) against t of
n - 1 degrees of freedom. What is tested is the mean over series, by which the leaderboard ranks; ranks or signs of
the d_i (as Demsar 2006, "Statistical comparisons of classifiers over multiple data sets", recommends for scores in
different units) would say whether more series gain than lose, which many small gains and one large loss answer
otherwise. Competitions have been judged over their series alike (Koning, Franses, Hibon and Stekler 2005, "The M3
competition: statistical tests of the results").

It takes series as independent draws: series that share their surprises (shops on one holiday) count as more than they
are, and p is then too small. Hence it is used only where the test over origins has no p. Simulated size at nominal 5 %
and independent series, heavy tails and moderate skew included: 3 to 7 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.evaluation.significance import (
    FEWEST_SERIES,
    cosine_count,
    horizon_overlap,
    origin_losses,
    scaled_errors,
)
from forecast.questions.kinds import VALUE

if TYPE_CHECKING:
    import pandas as pd

    from forecast.evaluation.scales import Scales
    from forecast.questions.kinds import Question


def losses_to_compare(
    results: pd.DataFrame, scales: Scales, question: Question = VALUE
) -> tuple[pd.DataFrame, int | None]:
    """Losses by origin and the overlap of their horizons; or by series, and None, where origins are too few.

    The typical series decides what is few: origins that only some series have are no repetition of the others.
    """
    overlap = horizon_overlap(results)
    by_series = series_losses(results, scales, question)
    first = results[results["model"] == results["model"].iloc[0]] if len(results) else results
    origins = first.groupby("unique_id", observed=True)["cutoff"].nunique()
    typical = int(origins.median()) if len(origins) else 0
    if len(by_series) >= FEWEST_SERIES and cosine_count(typical, overlap) == 0:
        return by_series, None
    return origin_losses(results, scales, question), overlap


def series_losses(results: pd.DataFrame, scales: Scales, question: Question = VALUE) -> pd.DataFrame:
    """Mean absolute error of each model on each series, in units of its MASE denominator: (unique_id, model).

    Of directions the Brier score, of symbols the bits.
    """
    return (
        scaled_errors(results, scales, question)
        .groupby(["unique_id", "model"], observed=True)["error"]
        .mean()
        .reset_index()
        .pivot_table(index="unique_id", columns="model", values="error", observed=True)
    )
