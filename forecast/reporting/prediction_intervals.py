"""Prediction intervals around forecasts: quantiles in a table's columns, and the bands that are drawn of them.

A quantile stands in a column named after its level, "q0.05". Two quantiles whose levels add up to 1 bound a band, which
should cover its share of what comes; an infinite interval has no band, and is said in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import Key
from forecast.reporting.lines import axis_times, rounded
from forecast.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from forecast.reporting.charts import Values
    from forecast.reporting.lines import Array, Clock

_KEYS = ["model", "unique_id", "cutoff", "step"]
_OPACITY = 0.17
"""Of one band; where four lie over each other 0.53 of the hue is seen, on paper as in dark mode."""


@dataclass(frozen=True)
class Band:
    """An interval over time that should cover `share` (0 to 1) of what comes; None where it is infinite."""

    share: float
    t: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]

    @property
    def label(self) -> str:
        """Name the band as all figures do.

        >>> Band(0.9, (), (), ()).label
        '90 %'
        """
        return percent(self.share)

    @property
    def visible(self) -> bool:
        """Whether there is anything to draw; a band may start at the origin, where it has no width."""
        return any(low is not None for low in self.low[1:])


@dataclass(frozen=True)
class ModelIntervals:
    """The bands of one forecast of a model, the widest first."""

    model: str
    bands: tuple[Band, ...]

    @property
    def visible(self) -> bool:
        """Whether there is anything to draw."""
        return any(band.visible for band in self.bands)


def percent(share: float) -> str:
    """Write a share as the figures do.

    >>> percent(0.95), percent(0.125)
    ('95 %', '12.5 %')
    """
    return f"{round(100 * share, 4):g} %"


def _column_of(level: float) -> str:
    """Name the column of a quantile.

    >>> _column_of(0.05), _column_of(0.975)
    ('q0.05', 'q0.975')
    """
    return f"q{level:g}"


def levels_of(table: pd.DataFrame) -> dict[float, str]:
    """Find the columns of quantiles in a table, by level."""
    names = [name for name in map(str, table.columns) if re.fullmatch(r"q0?\.\d+", name)]
    return dict(sorted((float(name[1:]), name) for name in names))


def pairs(levels: Iterable[float]) -> tuple[tuple[float, float], ...]:
    """Pair levels that add up to 1, the widest interval first.

    >>> pairs([0.05, 0.25, 0.5, 0.75, 0.95])
    ((0.05, 0.95), (0.25, 0.75))
    """
    known = sorted(levels)
    return tuple(
        (low, high) for low in known if low < 0.5 for high in known if high > 0.5 and abs(low + high - 1) < 1e-9
    )


def with_quantiles(rows: pd.DataFrame, quantiles: Mapping[str, Array], levels: Sequence[float]) -> pd.DataFrame:
    """Add the columns of quantiles to forecasts; `quantiles` (row, ..., level) by model, in the order of its rows."""
    values = np.full((len(rows), len(levels)), np.nan)  # (row, level)
    models = rows["model"].astype(str).to_numpy()
    for model, of_model in quantiles.items():
        is_model = models == model
        if is_model.any():
            values[is_model] = of_model.reshape(-1, len(levels))
    return rows.assign(**{_column_of(level): values[:, i] for i, level in enumerate(levels)})


def points_and_quantiles(results: pd.DataFrame) -> pd.DataFrame:
    """Put the quantiles of a table with a column `quantile` (null: the point forecast) into columns of their own."""
    if "quantile" not in results:
        return results
    points = results[results["quantile"].isna()].drop(columns="quantile").reset_index(drop=True)
    for level, rows in results.dropna(subset=["quantile"]).groupby("quantile", sort=True):
        column = rows[[*_KEYS, "y_hat"]].rename(columns={"y_hat": _column_of(float(str(level)))})
        points = points.merge(column, on=_KEYS, how="left", validate="one_to_one")
    return points


def model_intervals(rows: pd.DataFrame, model: str, origin: float, last: Array) -> ModelIntervals:
    """Return the bands of one forecast, `rows` in the order of time; they start at the last known value, (0 or 1,)."""
    columns = levels_of(rows)
    t = np.concatenate([[origin] * len(last), axis_times(rows["ds"])])
    quantiles = rows[[*columns.values()]].to_numpy(dtype=np.float64)  # (step, level)
    places = {level: i for i, level in enumerate(columns)}
    bands = []
    for low, high in pairs(columns):
        ends = quantiles[:, [places[low], places[high]]]  # (step, lower and upper end)
        if np.isnan(ends).all():
            continue
        ends[~np.isfinite(ends).all(axis=1)] = np.nan
        ends = np.concatenate([np.repeat(last[:, None], 2, axis=1), ends])
        bands.append(Band(round(high - low, 9), tuple(t.tolist()), rounded(ends[:, 0]), rounded(ends[:, 1])))
    return ModelIntervals(model, tuple(bands))


def intervals_in_words(forecasts: Sequence[ModelIntervals]) -> str:
    """Say what the bands are, and which intervals are infinite and why; nothing where there are no intervals."""
    forecasts = [intervals for intervals in forecasts if intervals.bands]
    if not forecasts:
        return ""
    shares = sorted({band.share for intervals in forecasts for band in intervals.bands if band.visible})
    says = ""
    if shares:
        models = listed(list(dict.fromkeys(intervals.model for intervals in forecasts if intervals.visible)))
        strongest = ", the narrowest in the strongest colour" if len(shares) > 1 else ""
        says = f" Shaded are the intervals of {models} that should cover {_percents(shares)} of what comes{strongest}."
    return says + _infinite_in_words(forecasts)


def _infinite_in_words(forecasts: Sequence[ModelIntervals]) -> str:
    infinite = [(of.model, band) for of in forecasts for band in of.bands if None in band.low]
    if not infinite:
        return ""
    shares = sorted({band.share for _, band in infinite})
    whose = listed(list(dict.fromkeys(model for model, _ in infinite)))
    # A band starts at the last known value, which has no width and is never infinite.
    everywhere = all(band.low.count(None) >= len(band.low) - 1 for _, band in infinite)
    needed = [errors_needed(share) for share in shares]
    return (
        f" The {_percents(shares)} intervals of {whose} are infinite{'' if everywhere else ' at some steps'} and have "
        f"no band{'' if everywhere else ' there'}: it takes {listed([str(count) for count in needed])} errors at each "
        f"step to tell how wide they are, and the backtest has fewer."
    )


def _percents(shares: Sequence[float]) -> str:
    return listed([percent(share).removesuffix(" %") for share in shares]) + " %"


def errors_needed(share: float) -> int:
    """Return how many errors a conformal interval of this share takes to be finite.

    >>> errors_needed(0.5), errors_needed(0.9), errors_needed(0.95)
    (3, 19, 39)
    """
    return int(np.ceil(2 / (1 - share) - 1e-6)) - 1


def band_rows(intervals: ModelIntervals) -> Values:
    """Return the table of bands, widest first; a step whose interval is infinite splits a band into two parts."""
    rows = []
    for band in intervals.bands:
        if not band.visible:
            continue
        part = 0
        for t, low, high in zip(band.t, band.low, band.high, strict=True):
            if low is None or high is None:
                part += 1
            else:
                rows.append({"t": t, "low": low, "high": high, "of": band.label, "part": part})
    return rows


def band_layers(colour: str, clock: Clock) -> tuple[alt.Chart, ...]:
    """Draw the table `bands`: areas in one hue that lie over each other, and invisible rules for the tooltips."""
    y = charts.value_axis(None, field="low")
    areas = charts.chart("bands").mark_area(color=colour, opacity=_OPACITY, line=False, clip=True)
    detail = [alt.Detail("of:N"), alt.Detail("part:N")]
    tips = [
        charts.tip("of", "interval"),
        charts.tip("when", "time" if clock.kind == "date" else "step"),
        charts.tip("low", "from", ",.5~g"),
        charts.tip("high", "to", ",.5~g"),
    ]
    rules = charts.chart("bands").transform_calculate(when=charts.written_time(clock))
    rules = rules.mark_rule(color=colour, opacity=0, strokeWidth=8, clip=True)
    return (
        areas.encode(x=charts.time_axis(clock), y=y, y2="high", detail=detail),
        rules.encode(x=charts.time_axis(clock), y=y, y2="high", tooltip=tips),
    )


def band_keys(forecasts: list[ModelIntervals], colour: str) -> tuple[Key, ...]:
    """Return the legend of the bands, the narrowest and darkest first."""
    labels = {band.share: band.label for intervals in forecasts for band in intervals.bands if band.visible}
    strengths = [1 - (1 - _OPACITY) ** (i + 1) for i in range(len(labels))]
    shown = zip(sorted(labels), reversed(strengths), strict=True)
    return tuple(
        Key(f"{labels[share]} interval" if i == 0 else labels[share], colour, area=True, strength=round(strength, 2))
        for i, (share, strength) in enumerate(shown)
    )
