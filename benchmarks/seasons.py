"""How often the season of a simulated series is found, and how often one where there is none.

    python benchmarks/seasons.py [--series 200]

A row for each season that a calendar suggests and each number of cycles: the share of 100 seasonal series (a sine,
random patterns, with noise of half the season's standard deviation, on a trend) in which it is found, and the largest
share of series without a season, of any kind below, in which any season is.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from forecast.questions.season import find_season
from forecast.series.calendar import Calendar
from forecast.series.panel import FloatArray, single_series

CALENDARS = {"QS-OCT": (4,), "B": (5,), "D": (7, 365), "MS": (12,), "h": (24, 168), "W-SUN": (52,)}
EXACT = {52: 365.25 / 7}
CYCLES = (2, 3, 4, 6, 12)
MOST_STEPS = 1_500
AUTOREGRESSIONS = {
    "AR 0.5": [1, -0.5],
    "AR 0.9": [1, -0.9],
    "AR -0.5": [1, 0.5],
    "AR 1.3 -0.6": [1, -1.3, 0.6],
    "AR 0.5 0.3": [1, -0.5, -0.3],
    "AR 1.6 -0.62": [1, -1.6, 0.62],
}
_BURN_IN = 100


def detected(values: FloatArray, freq: str, horizon: int = 1) -> int:
    """Steps of the season that is found in a series of this frequency."""
    times = pd.date_range("2015-01-01", periods=len(values), freq=freq).to_numpy().astype("datetime64[ns]")
    return find_season(single_series(values, times, Calendar(freq)), horizon).steps


def without_season(rng: np.random.Generator, steps: int) -> dict[str, FloatArray]:
    """Series without a season, one of each kind."""
    noise = rng.normal(size=steps + _BURN_IN)
    kinds = {
        "noise": noise[:steps],
        "heavy-tailed noise": rng.standard_t(3, steps),
        "random walk": np.cumsum(noise[:steps]),
        "random walk and noise": np.cumsum(0.4 * noise[:steps]) + rng.normal(size=steps),
    }
    return kinds | {name: lfilter([1], a, noise)[_BURN_IN:] for name, a in AUTOREGRESSIONS.items()}


def with_season(rng: np.random.Generator, steps: int, season: int, noise: float = 0.5) -> dict[str, FloatArray]:
    """Seasonal series of unit variance with noise, one of each kind."""
    t = np.arange(steps)
    period = EXACT.get(season, season)
    patterns = {
        "sine": np.sin(2 * np.pi * (t / period + rng.uniform())),
        "pattern": rng.normal(size=season)[np.int64(t % period) % season],
    }
    standard = {name: (s - s.mean()) / s.std() + noise * rng.normal(size=steps) for name, s in patterns.items()}
    return standard | {"sine on a trend": standard["sine"] + np.linspace(0, 5, steps)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--series", type=int, default=100, help="series of each kind")
    parser.add_argument("--noise", type=float, default=0.5, help="in units of the season's standard deviation")
    options = parser.parse_args()
    print("freq    season  cycles  steps  found: sine  pattern  on a trend   most without: share, kind")
    for freq, seasons in CALENDARS.items():
        for season in seasons:
            for cycles in CYCLES:
                if season * cycles <= MOST_STEPS:
                    print(row(freq, season, cycles, options.series, options.noise), flush=True)


def row(freq: str, season: int, cycles: int, series: int, noise: float) -> str:
    """One line of the table."""
    rng = np.random.default_rng(season * 100 + cycles)
    steps = round(EXACT.get(season, season) * cycles + 0.49)
    found: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for _ in range(series):
        for name, y in with_season(rng, steps, season, noise).items():
            found[name] = found.get(name, 0) + (detected(y, freq) == season)
        for name, y in without_season(rng, steps).items():
            wrong[name] = wrong.get(name, 0) + (detected(y, freq) > 1)
    shares = "".join(f"{100 * count / series:9.0f} %" for count in found.values())
    worst = max(wrong, key=wrong.__getitem__)
    mean = 100 * sum(wrong.values()) / len(wrong) / series
    return (
        f"{freq:8}{season:6}{cycles:8}{steps:7}  {shares}   {100 * wrong[worst] / series:.0f} % ({worst}), "
        f"mean {mean:.1f} %"
    )


if __name__ == "__main__":
    main()
