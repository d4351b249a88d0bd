"""One series with the splits that it is cut into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import TRUTH, Figure, Key
from forecast.reporting.lines import Line, axis_times, line
from forecast.reporting.material import SPLITS
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.lines import Clock
    from forecast.reporting.material import Material
    from forecast.reporting.summary import Summary


_UNEXPECTED = "not expected"


@dataclass(frozen=True)
class SplitRange:
    """A split of the data, from `start` to `end` of the time axis."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class DataSection:
    """The series called `series`, its splits, and the rows that were not expected; None where none were sought."""

    says: str
    series: str
    truth: Line
    splits: tuple[SplitRange, ...]
    unexpected: Line | None = None


def build(material: Material) -> DataSection | None:
    """Show the series that is drawn; symbols have shares instead of a line."""
    if material.question.categorical:
        return None
    truth, points = material.truth, material.show.points
    return data_section(truth, material.clock, points, material.uid, material.name, anomalies=material.anomalies)


def data_section(
    truth: pd.DataFrame, clock: Clock, points: int, uid: str, name: str, *, anomalies: pd.DataFrame | None = None
) -> DataSection:
    """Show a series (`ds, y, split`) whole, thinned to `points`; sentences call it `name`."""
    t, y = axis_times(truth["ds"]), truth["y"].to_numpy(dtype=np.float64)
    label = np.full(len(t), "training")
    if "split" in truth:
        label = truth["split"].astype(str).replace("train", "training").to_numpy()
    rows_by_split = {split: rows for split in SPLITS if len(rows := np.flatnonzero(label == split))}
    in_time = sorted(rows_by_split.items(), key=lambda item: int(item[1][0]))
    starts = [float(t[rows[0]]) for _, rows in in_time]
    ends = [*starts[1:], float(t[-1])]  # a split ends where the next one starts
    says = f"{name}: {counted(len(t), 'step')} from {clock.write(t[0])} to {clock.write(t[-1])}"
    if "split" in truth:
        says += f": {listed([f'{len(rows):,} for {_with_article(split)}' for split, rows in in_time])}"
    says += "."
    if len(t) > points:
        says += " Thinned for drawing; every peak is kept."
    ranges = (SplitRange(split, *range_) for (split, _), *range_ in zip(in_time, starts, ends, strict=True))
    unexpected = None
    if anomalies is not None:
        of_series = anomalies[anomalies["unique_id"].astype(str) == uid]
        unexpected = Line(tuple(axis_times(of_series["ds"]).tolist()), tuple(of_series["y"].tolist()))
        if len(of_series):
            says += f" {counted(len(of_series), 'row')} outside the band of 99 % one step ahead (anomalies.csv)."
    return DataSection(says, uid, line(t, y, points), tuple(ranges), unexpected)


def _with_article(split: str) -> str:
    return "the test" if split == "test" else split


def draw(section: DataSection, summary: Summary) -> Figure:
    """Draw the series over its splits."""
    clock = summary.clock
    tints = {"validation": LIGHT.validation, "calibration": LIGHT.calibration, "test": LIGHT.test}
    ranges: charts.Values = [{"t": s.start, "end": s.end, "of": s.name} for s in section.splits if s.name in tints]
    tables = {"lines": charts.track_rows([(TRUTH, section.truth)]), "ranges": ranges}
    truth = charts.lines("lines", clock).encode(
        y=charts.value_axis(section.series), color=charts.colour({TRUTH: LIGHT.truth}), strokeWidth=alt.value(1.4)
    )
    view: charts.View = truth
    if ranges:
        shown: dict[str, str] = {r["of"]: tints[r["of"]] for r in ranges}
        fill = alt.Fill("of:N", scale=alt.Scale(domain=list(shown), range=list(shown.values())))
        shades = charts.chart("ranges").mark_rect(clip=True).encode(x=charts.time_axis(clock), x2="end", fill=fill)
        view = charts.layered(shades, truth)
    if section.unexpected is not None:
        tables["unexpected"] = charts.track_rows([(_UNEXPECTED, section.unexpected)])
        marks = charts.chart("unexpected").transform_calculate(when=charts.written_time(clock))
        tips = [charts.tip("of", "row"), charts.tip("when", "time"), charts.tip("y", "value", ",.5~g")]
        dots = marks.mark_circle(size=28, color=LIGHT.recommended, clip=True)
        dots = dots.encode(x=charts.time_axis(clock), y=charts.value_axis(section.series), tooltip=tips)
        view = charts.layered(*(view.layer if isinstance(view, alt.LayerChart) else [view]), dots)
    keys = (Key(TRUTH, LIGHT.truth), *(Key(r["of"], tints[r["of"]], area=True) for r in ranges))
    if section.unexpected is not None and section.unexpected.t:
        keys += (Key(_UNEXPECTED, LIGHT.recommended, area=True),)
    values = [y for y in section.truth.y if y is not None]
    note = charts.stretched_note(min(values), max(values)) if values else None
    panel = charts.panel(view, tables, 240, zooms=True, note=note)
    return Figure("data", "The data and its split", section.says, (panel,), keys)
