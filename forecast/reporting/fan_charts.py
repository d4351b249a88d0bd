"""Fans as layers of a chart: bands in one hue that lie over each other, so that the likeliest is the darkest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from forecast.reporting import marks
from forecast.reporting.marks import Key

if TYPE_CHECKING:
    from forecast.reporting.fans import Band, Fan
    from forecast.reporting.lines import Clock
    from forecast.reporting.marks import Values

_OPACITY = 0.17
"""Of one band; where four lie over each other 0.53 of the hue is seen, on paper as in dark mode."""


def fan_rows(fan: Fan) -> Values:
    """Return the table of bands, widest first; a step whose interval is infinite parts a band in two."""
    return [row for band in fan.bands if band.drawn for row in _band_rows(band)]


def _band_rows(band: Band) -> Values:
    rows, part = [], 0
    for t, low, high in zip(band.t, band.low, band.high, strict=True):
        if low is None or high is None:
            part += 1
        else:
            rows.append({"t": t, "low": low, "high": high, "of": band.label, "part": part})
    return rows


def fan_layers(colour: str, clock: Clock) -> tuple[alt.Chart, ...]:
    """Draw the table `bands`: its areas, and over them what a pointer finds, the innermost on top."""
    y = marks.value_axis(None, field="low")
    areas = marks.chart("bands").mark_area(color=colour, opacity=_OPACITY, line=False, clip=True)
    detail = [alt.Detail("of:N"), alt.Detail("part:N")]
    tips = [
        marks.tip("of", "interval"),
        marks.tip("when", "time" if clock.kind == "date" else "step"),
        marks.tip("low", "from", ",.5~g"),
        marks.tip("high", "to", ",.5~g"),
    ]
    found = marks.chart("bands").transform_calculate(when=marks.written_time(clock))
    found = found.mark_rule(color=colour, opacity=0, strokeWidth=8, clip=True)
    return (
        areas.encode(x=marks.time_axis(clock), y=y, y2="high", detail=detail),
        found.encode(x=marks.time_axis(clock), y=y, y2="high", tooltip=tips),
    )


def fan_keys(fans: list[Fan], colour: str) -> tuple[Key, ...]:
    """Return the legend of the bands, the narrowest and darkest first."""
    labels = {band.share: band.label for fan in fans for band in fan.bands if band.drawn}
    strengths = [1 - (1 - _OPACITY) ** (i + 1) for i in range(len(labels))]
    shown = zip(sorted(labels), reversed(strengths), strict=True)
    return tuple(
        Key(f"{labels[share]} interval" if i == 0 else labels[share], colour, area=True, strength=round(strength, 2))
        for i, (share, strength) in enumerate(shown)
    )
