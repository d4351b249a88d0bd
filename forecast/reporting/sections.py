"""What each picture of the report shows, computed from tables into plain values.

Every section carries `says`: the sentence under its heading, which tells what is seen. Where a table holds several
series, pictures over time are of one of them, and the sentences say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.reporting.lines import Clock, Line, line, moments
from forecast.reporting.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.lines import Array

STRETCHES = ("training", "validation", "test")
SPAN_BEYOND_TRUTH = 1.5
"""A picture reaches this many times the height of the truth beyond it; a forecast that leaves it is cut off there."""


@dataclass(frozen=True)
class Roles:
    """The models that have a colour of their own; everything else is one of the others."""

    network: str
    baseline: str | None

    def named(self) -> tuple[str, ...]:
        """Return the models that have a colour, the network first."""
        return (self.network,) if self.baseline is None else (self.network, self.baseline)


@dataclass(frozen=True)
class Stretch:
    """A part of the data in time, from `start` to `end` of the time axis."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class DataSection:
    """One series with the stretches that it is cut into."""

    says: str
    truth: Line
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class Track:
    """A model's line."""

    model: str
    path: Line


@dataclass(frozen=True)
class View:
    """Forecasts made at one origin, with what was known and what came.

    `limits` bound the value axis; where a forecast leaves them the view is `cut`.
    """

    label: str
    origin: float
    truth: Line
    tracks: tuple[Track, ...]
    limits: tuple[float, float]
    cut: bool


@dataclass(frozen=True)
class ForecastSection:
    """Forecasts from several origins, or the one after the end of the data."""

    says: str
    views: tuple[View, ...]


def data_section(series: pd.DataFrame, clock: Clock, points: int, name: str) -> DataSection:
    """Show a series (`ds, y, stretch`) whole, thinned to `points`."""
    t, y = moments(series["ds"]), series["y"].to_numpy(dtype=np.float64)
    stretches, sizes = [], []
    label = series["stretch"].astype(str).to_numpy() if "stretch" in series else np.full(len(t), "training")
    starts = [(stretch, np.flatnonzero(label == stretch)) for stretch in (*STRETCHES, "train")]
    found = [(("training" if s == "train" else s), rows) for s, rows in starts if len(rows)]
    found.sort(key=lambda item: int(item[1][0]))
    for i, (stretch, rows) in enumerate(found):
        end = t[found[i + 1][1][0]] if i + 1 < len(found) else t[-1]
        stretches.append(Stretch(stretch, float(t[rows[0]]), float(end)))
        sizes.append(f"{len(rows):,} for {'the ' if stretch == 'test' else ''}{stretch}")
    says = f"{name}: {counted(len(t), 'step')} from {clock.write(t[0])} to {clock.write(t[-1])}"
    if "stretch" in series:
        says += f": {listed(sizes)}"
    says += "."
    if len(t) > points:
        says += " Thinned for drawing; every peak is kept."
    return DataSection(says, line(t, y, points), tuple(stretches))


def origins_section(
    truth: pd.DataFrame, results: pd.DataFrame, roles: Roles, clock: Clock, count: int
) -> ForecastSection:
    """Show what was forecast from `count` origins spread evenly over the test stretch of one series."""
    cutoffs = np.sort(results["cutoff"].unique())
    chosen = cutoffs[np.unique(np.linspace(0, len(cutoffs) - 1, count).round().astype(np.int64))]
    steps = int(results["step"].max())
    views, beyond = [], []
    for cutoff in chosen:
        made = results[results["cutoff"] == cutoff]
        last = truth["ds"] <= made["ds"].max()
        known = truth[last].tail(steps * 3)
        forecasts = {model: made[made["model"] == model] for model in roles.named()}
        view, cut_off = _view(known, forecasts, float(moments(made["cutoff"])[0]), clock)
        views.append(view)
        beyond += cut_off
    says = (
        f"{counted(len(views), 'origin')}, spread evenly over the {len(cutoffs):,} of the test stretch "
        f"and not picked by result; each forecast looks {counted(steps, 'step')} ahead from the vertical line."
    )
    return ForecastSection(says + _leaves(beyond), tuple(views))


def future_section(truth: pd.DataFrame, forecast: pd.DataFrame, roles: Roles, clock: Clock) -> ForecastSection:
    """Show the forecast after the end of one series, with its recent past."""
    forecasts = {model: forecast[forecast["model"] == model] for model in roles.named()}
    forecasts = {model: rows for model, rows in forecasts.items() if len(rows)}
    steps = max(len(rows) for rows in forecasts.values())
    known = truth[truth["ds"] < forecast["ds"].min()].tail(max(steps * 5, 60))
    end = float(moments(known["ds"])[-1])
    view, beyond = _view(known, forecasts, end, clock)
    says = f"{counted(steps, 'step')} after the last observation, {clock.write(end)}, for which no truth is known yet."
    return ForecastSection(says + _leaves(beyond), (view,))


def _view(
    known: pd.DataFrame, forecasts: dict[str, pd.DataFrame], origin: float, clock: Clock
) -> tuple[View, list[str]]:
    t, y = moments(known["ds"]), known["y"].to_numpy(dtype=np.float64)
    at_origin = y[t == origin]
    tracks, values = [], []
    for model, rows in forecasts.items():
        rows_in_order = rows.sort_values("ds")
        y_hat = rows_in_order["y_hat"].to_numpy(dtype=np.float64)
        values.append(y_hat)
        # The line starts at the last known value, so that the eye sees where the forecast sets out from.
        path_t = np.concatenate([[origin] * len(at_origin), moments(rows_in_order["ds"])])
        tracks.append(Track(model, line(path_t, np.concatenate([at_origin, y_hat]))))
    limits = limits_around(y, np.concatenate(values))
    beyond = [
        model
        for model, y_hat in zip(forecasts, values, strict=True)
        if bool(((y_hat < limits[0]) | (y_hat > limits[1]) | ~np.isfinite(y_hat)).any())
    ]
    return View(f"from {clock.write(origin)}", origin, line(t, y), tuple(tracks), limits, bool(beyond)), beyond


def limits_around(truth: Array, forecasts: Array) -> tuple[float, float]:
    """Bound a value axis so that all of the truth and every sane forecast is in it.

    >>> limits_around(np.array([0.0, 1.0]), np.array([0.5, 1e9]))
    (-0.125, 2.625)
    """
    known = truth[np.isfinite(truth)]
    sane = forecasts[np.isfinite(forecasts)]
    known = known if len(known) else sane if len(sane) else np.zeros(1)
    low, high = float(known.min()), float(known.max())
    span = (high - low) or abs(high) * 0.1 or 1.0
    if len(sane):
        low = min(low, max(float(sane.min()), low - SPAN_BEYOND_TRUTH * span))
        high = max(high, min(float(sane.max()), high + SPAN_BEYOND_TRUTH * span))
    margin = 0.05 * (high - low or span)
    return low - margin, high + margin


def _leaves(models: list[str]) -> str:
    if not models:
        return ""
    return f" Where {listed(sorted(set(models)))} leaves the picture, the line is cut off."
