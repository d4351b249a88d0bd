"""Make data/stock.csv: ten years and a half of daily prices of a company that does not exist.

    python data/make_stock.py            writes stock.csv beside this file, byte for byte the same every time

The log return of a day is r_t = mu + s_t e_t, where e_t is Student-t with 5 degrees of freedom, scaled to variance 1,
and s_t^2 follows GJR-GARCH(1,1) (Glosten, Jagannathan and Runkle 1993): s_t^2 = omega + (alpha + gamma [e_{t-1} < 0])
(s_{t-1} e_{t-1})^2 + beta s_{t-1}^2. So tails are fat, volatility comes in clusters, and it rises more after a fall
than after a rise; the returns themselves cannot be forecast. Within a day the price walks in small steps from the
close of the day before, over a jump at the opening, to the close: this gives open, high and low. Log volume goes back
to its mean and is higher on days that move much.

Random numbers are the bit generator's own, turned into normals and Student-t by arithmetic that is written down here
and rounded to the cent, so that the file does not depend on a library's sampling methods.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

SEED = 6
FIRST, LAST = date(2015, 1, 5), date(2025, 6, 30)
START_PRICE = 48.0
MU = 0.00025
OMEGA, ALPHA, GAMMA, BETA = 3.5e-6, 0.05, 0.12, 0.865
DEGREES = 5
OVERNIGHT = 0.25  # share of a day's variance that comes at the opening
WALK_STEPS = 39  # ten minutes each, in a session of six hours and a half


def trading_days() -> list[date]:
    """Weekdays less the holidays of an exchange that is closed on the usual days."""
    closed = {day for year in range(FIRST.year, LAST.year + 1) for day in holidays(year)}
    days = (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))
    return [day for day in days if day.weekday() < 5 and day not in closed]


def holidays(year: int) -> list[date]:
    """Holidays of the made-up exchange; those on a weekend are not made up for."""
    easter = easter_sunday(year)
    return [
        date(year, 1, 1),
        easter - timedelta(days=2),
        easter + timedelta(days=1),
        date(year, 5, 1),
        date(year, 12, 24),
        date(year, 12, 25),
        date(year, 12, 26),
    ]


def easter_sunday(year: int) -> date:
    """Easter of the Gregorian calendar (the anonymous algorithm printed in Nature, 1876)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    shift = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * shift) // 451
    month, day = divmod(h + shift - 7 * m + 114, 31)
    return date(year, month, day + 1)


def normals(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.float64]:
    """Draw standard normals by Box and Muller (1958)."""
    u, v = rng.random((2, *shape))
    drawn: npt.NDArray[np.float64] = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)
    return drawn


def student_t(rng: np.random.Generator, days: int) -> npt.NDArray[np.float64]:
    """Draw Student-t with `DEGREES` degrees of freedom, scaled to variance 1."""
    chi_squared = (normals(rng, DEGREES, days) ** 2).sum(axis=0)
    drawn: npt.NDArray[np.float64] = normals(rng, days) * np.sqrt((DEGREES - 2) / chi_squared)
    return drawn


def volatilities(e: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give s_t of GJR-GARCH(1,1) under the innovations e_t, both (day,)."""
    s2 = np.empty(len(e))
    s2[0] = OMEGA / (1 - ALPHA - GAMMA / 2 - BETA)
    for t in range(1, len(e)):
        s2[t] = OMEGA + ((ALPHA + GAMMA * (e[t - 1] < 0)) * e[t - 1] ** 2 + BETA) * s2[t - 1]
    return np.sqrt(s2)


def days_of_prices(rng: np.random.Generator, days: int) -> npt.NDArray[np.float64]:
    """Open, high, low, close and volume of every day, (day, 5)."""
    e = student_t(rng, days)
    s = volatilities(e)
    log_close = np.log(START_PRICE) + np.cumsum(MU + s * e)
    log_before = np.concatenate([[np.log(START_PRICE)], log_close[:-1]])
    log_open = log_before + OVERNIGHT * (log_close - log_before) + np.sqrt(0.1) * s * normals(rng, days)
    walk = np.cumsum(normals(rng, days, WALK_STEPS), axis=1) / np.sqrt(WALK_STEPS)
    share = np.arange(1, WALK_STEPS + 1) / WALK_STEPS
    bridge = 0.7 * s[:, None] * (walk - share * walk[:, -1:])  # zero at the close
    path = np.exp(log_open[:, None] + share * (log_close - log_open)[:, None] + bridge)
    opened, closed = np.exp(log_open), np.exp(log_close)
    high = np.maximum(path.max(axis=1), np.maximum(opened, closed))
    low = np.minimum(path.min(axis=1), np.minimum(opened, closed))
    return np.column_stack([opened, high, low, closed, volumes(rng, e * s, s)])


def volumes(
    rng: np.random.Generator, moves: npt.NDArray[np.float64], s: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Shares traded, (day,): a slow wave, more on days that move more than usual and in wild times."""
    shocks = 0.25 * normals(rng, len(moves))
    slow = np.empty(len(moves))
    slow[0] = 0.0
    for t in range(1, len(moves)):
        slow[t] = 0.85 * slow[t - 1] + shocks[t]
    drawn: npt.NDArray[np.float64] = np.exp(14.3 + slow + 0.25 * np.abs(moves) / s.mean() + 0.4 * np.log(s / s.mean()))
    return drawn


def make_rows() -> list[str]:
    """Write the header and the rows of the file."""
    days = trading_days()
    prices = days_of_prices(np.random.Generator(np.random.PCG64(SEED)), len(days))
    lines = ["Date,Open,High,Low,Close,Volume"]
    for day, (opened, high, low, closed, volume) in zip(days, prices, strict=True):
        quotes = ",".join(f"{price:.2f}" for price in (opened, high, low, closed))
        lines.append(f"{day.isoformat()},{quotes},{100 * round(volume / 100)}")
    return lines


def main() -> None:
    """Write the file."""
    Path(__file__).with_name("stock.csv").write_bytes(("\n".join(make_rows()) + "\n").encode("ascii"))


if __name__ == "__main__":
    main()
