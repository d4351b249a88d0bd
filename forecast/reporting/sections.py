"""What each picture of the report shows, computed from tables into plain values.

Every section carries `says`: the sentence under its heading, which tells what is seen. Where a table holds several
series, pictures over time are of one of them, and the sentences say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.reporting.fans import Fan, fan, fans_in_words
from forecast.reporting.lines import Clock, Line, line, moments
from forecast.wording import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from forecast.reporting.lines import Array

STRETCHES = ("training", "validation", "calibration", "test")
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
class SplitName:
    """A part of the data in time, from `start` to `end` of the time axis."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class DataSection:
    """One series with the splits that it is cut into."""

    says: str
    truth: Line
    parts: tuple[SplitName, ...]


@dataclass(frozen=True)
class Track:
    """A model's line."""

    model: str
    path: Line


@dataclass(frozen=True)
class View:
    """Forecasts made at one origin, with what was known and what came.

    `limits` bound the value axis; where a forecast leaves them the view is `cut`. At most one model has its `fan`
    drawn: two over each other could not be told apart.
    """

    label: str
    origin: float
    truth: Line
    tracks: tuple[Track, ...]
    limits: tuple[float, float]
    cut: bool
    fan: Fan | None = None


@dataclass(frozen=True)
class ForecastSection:
    """Forecasts from several origins, or the one after the end of the data."""

    says: str
    views: tuple[View, ...]


def data_section(series: pd.DataFrame, clock: Clock, points: int, name: str) -> DataSection:
    """Show a series (`ds, y, part`) whole, thinned to `points`."""
    t, y = moments(series["ds"]), series["y"].to_numpy(dtype=np.float64)
    parts, sizes = [], []
    label = series["split"].astype(str).to_numpy() if "split" in series else np.full(len(t), "training")
    starts = [(part, np.flatnonzero(label == part)) for part in (*STRETCHES, "train")]
    found = [(("training" if s == "train" else s), rows) for s, rows in starts if len(rows)]
    found.sort(key=lambda item: int(item[1][0]))
    for i, (part, rows) in enumerate(found):
        end = t[found[i + 1][1][0]] if i + 1 < len(found) else t[-1]
        parts.append(SplitName(part, float(t[rows[0]]), float(end)))
        sizes.append(f"{len(rows):,} for {'the ' if part == 'test' else ''}{part}")
    says = f"{name}: {counted(len(t), 'step')} from {clock.write(t[0])} to {clock.write(t[-1])}"
    if "split" in series:
        says += f": {listed(sizes)}"
    says += "."
    if len(t) > points:
        says += " Thinned for drawing; every peak is kept."
    return DataSection(says, line(t, y, points), tuple(parts))


def origins_section(
    truth: pd.DataFrame, results: pd.DataFrame, roles: Roles, clock: Clock, count: int
) -> ForecastSection:
    """Show what was forecast from `count` origins spread evenly over the test split of one series."""
    cutoffs = np.sort(results["cutoff"].unique())
    chosen = cutoffs[np.unique(np.linspace(0, len(cutoffs) - 1, count).round().astype(np.int64))]
    steps = int(results["step"].max())
    made = [_forecasts_from(cutoff, truth, results, roles) for cutoff in chosen]
    views = tuple(_view(one, clock, fan_of=roles.network) for one in made)
    says = (
        f"{counted(len(views), 'origin')}, spread evenly over the {len(cutoffs):,} of the test split "
        f"and not picked by result; each forecast looks {counted(steps, 'step')} ahead from the vertical line."
    )
    fans = [one.fans[roles.network] for one in made if roles.network in one.fans]
    return ForecastSection(says + fans_in_words(fans) + _leaves(made, (roles.network,)), views)


def future_section(truth: pd.DataFrame, forecast: pd.DataFrame, roles: Roles, clock: Clock) -> ForecastSection:
    """Show the forecast after the end of one series, with its recent past; once for each model that has intervals."""
    tables = {model: forecast[forecast["model"] == model].sort_values("ds") for model in roles.named()}
    tables = {model: rows for model, rows in tables.items() if len(rows)}
    steps = max(len(rows) for rows in tables.values())
    known = truth[truth["ds"] < forecast["ds"].min()].tail(max(steps * 5, 60))
    end = float(moments(known["ds"])[-1])
    made = _forecasts(known, tables, end)
    with_fans = [model for model, one in made.fans.items() if one.drawn]
    views = tuple(_view(made, clock, fan_of=model) for model in with_fans or [roles.network])
    says = f"{counted(steps, 'step')} after the last observation, {clock.write(end)}, for which no truth is known yet."
    return ForecastSection(says + fans_in_words(list(made.fans.values())) + _leaves([made], with_fans), views)


@dataclass(frozen=True)
class _Forecasts:
    """What was forecast at one origin, and what is drawn beside it."""

    origin: float
    steps: int
    truth: Line
    tracks: tuple[Track, ...]
    fans: dict[str, Fan]
    limits: tuple[float, float]

    def beyond(self, fan_of: Iterable[str]) -> list[str]:
        """Name what leaves the limits: lines of models, and the fans that are drawn."""
        low, high = self.limits
        ahead = {track.model: track.path.y[-self.steps :] for track in self.tracks}
        lines = [model for model, path in ahead.items() if any(y is None or not low <= y <= high for y in path)]
        bands = {model: self.fans[model].bands for model in fan_of if model in self.fans}
        return lines + [
            f"an interval of {model}"
            for model, mine in bands.items()
            if any(y is not None and not low <= y <= high for band in mine for y in (*band.low, *band.high))
        ]


def _forecasts_from(cutoff: Any, truth: pd.DataFrame, results: pd.DataFrame, roles: Roles) -> _Forecasts:
    made = results[results["cutoff"] == cutoff].sort_values("ds")
    known = truth[truth["ds"] <= made["ds"].max()].tail(int(results["step"].max()) * 3)
    tables = {model: made[made["model"] == model] for model in roles.named()}
    return _forecasts(known, tables, float(moments(made["cutoff"])[0]))


def _forecasts(known: pd.DataFrame, tables: dict[str, pd.DataFrame], origin: float) -> _Forecasts:
    """Bring together the truth and each model's rows, which are in the order of time."""
    t, y = moments(known["ds"]), known["y"].to_numpy(dtype=np.float64)
    at_origin = y[t == origin]
    tracks, fans, values = [], {}, []
    for model, rows in tables.items():
        y_hat = rows["y_hat"].to_numpy(dtype=np.float64)
        # The line starts at the last known value, so that the eye sees where the forecast sets out from.
        path_t = np.concatenate([[origin] * len(at_origin), moments(rows["ds"])])
        tracks.append(Track(model, line(path_t, np.concatenate([at_origin, y_hat]))))
        fans[model] = fan(rows, model, origin, at_origin)
        values += [y_hat, *(np.array(ends, dtype=np.float64) for b in fans[model].bands for ends in (b.low, b.high))]
    steps = max(len(rows) for rows in tables.values())
    return _Forecasts(origin, steps, line(t, y), tuple(tracks), fans, limits_around(y, np.concatenate(values)))


def _view(made: _Forecasts, clock: Clock, fan_of: str) -> View:
    drawn = made.fans.get(fan_of)
    return View(
        label=f"from {clock.write(made.origin)}",
        origin=made.origin,
        truth=made.truth,
        tracks=made.tracks,
        limits=made.limits,
        cut=bool(made.beyond([fan_of])),
        fan=drawn if drawn is not None and drawn.drawn else None,
    )


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


def _leaves(made: Iterable[_Forecasts], fan_of: Sequence[str]) -> str:
    beyond = sorted({what for one in made for what in one.beyond(fan_of)})
    if not beyond:
        return ""
    leave, are = ("leaves", "it is") if len(beyond) == 1 else ("leave", "they are")
    return f" Where {listed(beyond)} {leave} the picture, {are} cut off."
