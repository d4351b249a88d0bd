"""How many of what comes adaptive intervals hold on series that change, against those of a backtest; and the picture.

    python benchmarks/online.py docs/online.png

Exponential smoothing forecasts one step ahead; after 2,000 of 5,000 steps the series jumps by ten standard deviations,
or its noise doubles.
"""

from __future__ import annotations

import sys
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
from scipy.stats import norm

from forecast.evaluation.online import Backtested, OnlineIntervals
from forecast.forecasters.interface import QUANTILES, Forecasts

STEPS, CHANGE, WINDOW = 5_000, 2_000, 250
LEVELS = (0.05, 0.95)
WEIGHT = 0.1
SPREAD = (2 / (2 - WEIGHT)) ** 0.5
"""Standard deviation of the errors of the smoothing on standard normal noise."""


def smoothed(y: np.ndarray) -> np.ndarray:
    """Forecast of the next step after each, (step, 1)."""
    level, forecasts = 0.0, []
    for value in y:
        level += WEIGHT * (value - level)
        forecasts.append(level)
    return np.array(forecasts)[:, None]


def hits(y: np.ndarray, forecasts: np.ndarray) -> dict[str, np.ndarray]:
    """Whether each step lies within the interval that the step before gave, by the kind of interval."""
    backtested = Backtested(SPREAD * norm.ppf(QUANTILES)[None], 1.0)
    online = OnlineIntervals(backtested, Forecasts(np.zeros((1, 1))), LEVELS).update(y, Forecasts(forecasts))
    fixed = forecasts[:, None] + SPREAD * norm.ppf(LEVELS)[None, :, None]
    kinds = {"of the backtest": fixed, "adaptive": online}
    return {name: (ends[:-1, 0, 0] <= y[1:]) & (y[1:] <= ends[:-1, 1, 0]) for name, ends in kinds.items()}


def main() -> None:
    """Print coverages, and draw their running means."""
    noise = np.random.default_rng(0).normal(size=STEPS)
    after = np.arange(STEPS) >= CHANGE
    series = {"the level jumps": noise + 10 * after, "the noise doubles": noise * np.where(after, 2, 1)}
    tables = []
    for change, y in series.items():
        for kind, held in hits(y, smoothed(y)).items():
            print(f"{change}, {kind}: {held.mean():.1%} in all, {held[CHANGE:].mean():.1%} after the change")
            running = pd.Series(held.astype(float)).rolling(WINDOW).mean()
            tables.append(pd.DataFrame({"step": running.index + 1, "share": running, "kind": kind, "change": change}))
    table = pd.concat(tables).dropna().iloc[::10]
    lines = (
        alt.Chart(table)
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y(
                "share:Q",
                title=f"held, of the last {WINDOW}",
                scale=alt.Scale(domain=[0.5, 1]),
                axis=alt.Axis(format="%"),
            ),
            color=alt.Color("kind:N", title="90 % intervals", scale=alt.Scale(range=["#1f6f8b", "#c44536"])),
        )
    )
    rule = alt.Chart(table).mark_rule(strokeDash=[4, 4], color="#555").encode(y=alt.datum(0.9))
    chart = alt.layer(lines, rule).properties(width=330, height=190).facet(column=alt.Column("change:N", title=None))
    chart.save(Path(sys.argv[1]), scale_factor=2)


if __name__ == "__main__":
    main()
