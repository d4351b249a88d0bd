"""Symbols: how often each comes in the data, and which are likely after its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from forecast.reporting import charts
from forecast.reporting.characters import named, written
from forecast.reporting.charts import Figure
from forecast.reporting.lines import significant
from forecast.reporting.material import SPLITS
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed, percentage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.summary import Summary

MOST_SHOWN, MOST_AHEAD, MOST_STEPS = 15, 10, 6
_ROW = 22
"""Height of a symbol's row in pixels."""


@dataclass(frozen=True)
class ShareSection:
    """How often each of the most frequent symbols stands in training and test, in shares of 1."""

    says: str
    symbols: tuple[str, ...]
    training: tuple[float, ...]
    test: tuple[float, ...]


def build_shares(material: Material) -> ShareSection | None:
    """Count the symbols of all series, or of what the results hold of them."""
    if not material.question.categorical:
        return None
    series = material.rows()
    if series is None:
        targets = material.results[["unique_id", "ds", "y"]]
        series = targets.drop_duplicates(["unique_id", "ds"]).assign(split="test")
    count = series["unique_id"].nunique()
    symbols, name = material.symbols, material.uid if count == 1 else f"{count:,} series"
    known = series[series["y"].notna()]
    label = known["split"].astype(str).replace("train", "training")
    counts = {
        split: np.bincount(known["y"][label == split].to_numpy().astype(np.int64), minlength=len(symbols))
        for split in SPLITS
    }  # each (symbol,)
    total = np.sum(list(counts.values()), axis=0)
    order = np.argsort(-total, kind="stable")[:MOST_SHOWN]
    order = order[total[order] > 0]
    sizes = [
        f"{count.sum():,} for {'the ' if split == 'test' else ''}{split}"
        for split, count in counts.items()
        if count.sum()
    ]
    says = f"{name}: {counted(int(total.sum()), 'symbol')}, {len(symbols):,} different: {listed(sizes)}. "
    says += f"Most frequent is {named(symbols[order[0]])}, {percentage(total[order[0]] / total.sum())} of all."
    if counts["training"].sum():
        says += _unknown_in_words(counts, symbols)
    if len(order) < int((total > 0).sum()):
        says += f" The {len(order)} most frequent are drawn."
    shares = {split: count / max(count.sum(), 1) for split, count in counts.items()}
    return ShareSection(
        says,
        symbols=tuple(written(symbols[code]) for code in order),
        training=tuple(map(significant, shares["training"][order])),
        test=tuple(map(significant, shares["test"][order])),
    )


def _unknown_in_words(counts: dict[str, Array], symbols: Sequence[str]) -> str:
    new = np.flatnonzero((counts["test"] > 0) & (counts["training"] == 0))
    if not len(new):
        return ""
    share = counts["test"][new].sum() / counts["test"].sum()
    some = listed([named(symbols[code]) for code in new[:5]]) if len(new) <= 5 else counted(len(new), "symbol")
    return f" Of the test {some} never came in training, {percentage(share)} of it."


def draw_shares(section: ShareSection, _: Summary) -> Figure:
    """Draw the shares of the most frequent symbols."""
    rows: Values = [
        {"text": text, "y": charts.in_percent(training), "x": charts.in_percent(test)}
        for text, training, test in zip(charts.distinct(section.symbols), section.training, section.test, strict=True)
    ]
    names, title = charts.symbol_axis(), "% of all symbols"
    tips = [charts.tip("text", "symbol"), charts.tip("y", "training, %", ".3~g"), charts.tip("x", "test, %", ".3~g")]
    bars = charts.chart("rows").mark_bar(size=12)
    inks = {"training": LIGHT.other, "test (dot)": LIGHT.truth}
    bars = bars.encode(x=charts.bar_axis("y", title), y=names, color=charts.colour(inks), tooltip=tips)
    dots = charts.chart("rows").mark_point(filled=True, opacity=1, size=55)
    dots = dots.encode(x=charts.bar_axis("x", title), y=names, color=charts.colour(inks, "beside"), tooltip=tips)
    view = charts.layered(bars, dots)
    keys = charts.area_keys(inks)
    panel = charts.panel(view, {"rows": charts.paired_rows(rows, inks)}, _ROW * len(rows))
    return Figure("data", "The data and its split", section.says, (panel,), keys)


# After the data


@dataclass(frozen=True)
class StepProbabilities:
    """Probabilities of the likeliest symbols one step after the data, the likeliest of the network first."""

    step: int
    symbols: tuple[str, ...]
    network: tuple[float, ...]
    baseline: tuple[float, ...]


@dataclass(frozen=True)
class AheadSection:
    """Probabilities of symbols at the steps after the data of one series."""

    says: str
    steps: tuple[StepProbabilities, ...]


def build_ahead(material: Material) -> AheadSection | None:
    """Show the probabilities of symbols after the end of the data, where there is a forecast of them."""
    if not material.question.categorical or material.ahead is None:
        return None
    forecast, truth, symbols, roles = material.ahead, material.truth, material.symbols, material.roles
    times = np.sort(forecast["ds"].unique())
    tables = [_likeliest(forecast[forecast["ds"] == ds], roles) for ds in times[:MOST_STEPS]]
    steps = []
    for step, (network, baseline) in enumerate(tables, start=1):
        symbols_shown, probabilities = tuple(map(written, network.index)), tuple(map(significant, network))
        of_baseline = () if baseline is None else tuple(significant(baseline.get(name, 0.0)) for name in network.index)
        steps.append(StepProbabilities(step, symbols_shown, probabilities, of_baseline))
    known = truth.loc[truth["y"].notna(), "y"]
    after = f"After {named(symbols[int(known.iloc[-1])])}, the last symbol" if len(known) else "After the data"
    likely = [f"{named(str(name))} ({percentage(share)})" for name, share in tables[0][0].head(3).items()]
    says = f"{after}, {roles.network} holds {listed(likely)} likeliest"
    if steps[0].baseline:
        shares = [percentage(share) for share in steps[0].baseline[: len(likely)]]
        says += f"; {roles.baseline} gives {'it' if len(likely) == 1 else 'them'} {listed(shares)}"
    says += "."
    if len(times) > 1:
        says += f" {counted(len(times), 'step')} ahead are forecast, each without knowing what comes between."
        says += f" The first {MOST_STEPS} are drawn." if len(times) > MOST_STEPS else ""
    return AheadSection(says, tuple(steps))


def _likeliest(rows: pd.DataFrame, roles: Roles) -> tuple[pd.Series, pd.Series | None]:
    """Probabilities of the network's likeliest symbols, and of all symbols of the baseline; by symbol."""
    tables = [rows[rows["model"] == model] for model in roles.named()]
    network, *others = (table.set_index(table["symbol"].astype(str))["y_hat"] for table in tables)
    likeliest = network.sort_values(ascending=False, kind="stable").head(MOST_AHEAD)
    return likeliest, others[0] if others and len(others[0]) else None


def draw_ahead(section: AheadSection, summary: Summary) -> Figure:
    """Draw the probabilities of the likeliest symbols at each step after the data."""
    roles = summary.roles
    several = len(section.steps) > 1
    top = max(share for step in section.steps for share in (*step.network, *step.baseline))
    panels = tuple(_panel(step, roles, charts.in_percent(top), titled=several) for step in section.steps)
    keys = charts.area_keys(charts.model_inks(roles, paired=bool(section.steps[0].baseline)))
    return Figure("future", "What comes after the data", section.says, panels, keys, columns=3 if several else 1)


def _panel(step: StepProbabilities, roles: Roles, top: float, *, titled: bool) -> Panel:
    inks = charts.model_inks(roles, paired=bool(step.baseline))
    baselines: Sequence[float | None] = [None] * len(step.symbols)
    if step.baseline:
        baselines = [charts.in_percent(share) for share in step.baseline]
    rows: Values = [
        {"text": text, "y": charts.in_percent(network), "x": baseline}
        for text, network, baseline in zip(charts.distinct(step.symbols), step.network, baselines, strict=True)
    ]
    scale = alt.Scale(domain=[0, top])
    tips = [charts.tip("text", "symbol"), charts.tip("y", f"{roles.network}, %", ".3~g")]
    tips += [charts.tip("x", f"{roles.baseline}, %", ".3~g")] if step.baseline else []
    y, title = charts.symbol_axis(), "% likely"
    bars = charts.chart("rows").mark_bar(size=12)
    layers = [bars.encode(x=charts.bar_axis("y", title, scale), y=y, color=charts.colour(inks), tooltip=tips)]
    if step.baseline:
        dots, ink = charts.chart("rows").mark_point(filled=True, opacity=1, size=55), charts.colour(inks, "beside")
        layers.append(dots.encode(x=charts.bar_axis("x", title, scale), y=y, color=ink, tooltip=tips))
    tables = {"rows": charts.paired_rows(rows, inks)}
    heading = f"{counted(step.step, 'step')} ahead" if titled else None
    return charts.panel(charts.layered(*layers), tables, _ROW * len(rows), title=heading)
