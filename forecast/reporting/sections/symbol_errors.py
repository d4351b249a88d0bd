"""Where forecasts of symbols err: which symbols cost most bits, and what is taken for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from forecast.reporting import charts
from forecast.reporting.characters import named, written
from forecast.reporting.charts import Figure
from forecast.reporting.lines import significant
from forecast.reporting.material import losses
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed, number, percentage, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.summary import Summary

MOST_SHOWN, MOST_PAIRS = 15, 10
_LARGEST_MATRIX = 12
"""Symbols that a table of what came against the likeliest has room for."""
_ROW = 22
_DEEPEST = 0.55
"""Opacity behind a text that still stands out."""


@dataclass(frozen=True)
class CostSection:
    """The symbols that cost the network the most bits in all: how many came, and their mean bits.

    `share` is what each adds to all bits of the network; `baseline` is empty where there is none.
    """

    says: str
    symbols: tuple[str, ...]
    count: tuple[int, ...]
    share: tuple[float, ...]
    network: tuple[float, ...]
    baseline: tuple[float, ...]


def build_costs(material: Material) -> CostSection | None:
    """Add up the bits of each symbol on the test split, over all series and steps ahead; None where none came."""
    if not material.question.categorical:
        return None
    results, symbols, roles = material.results, material.symbols, material.roles
    known = results[results["y"].notna()]
    tables = {model: _costs(known[known["model"] == model], len(symbols)) for model in roles.named()}
    count, total = tables[roles.network]
    if not count.sum():
        return None
    order = np.argsort(-total, kind="stable")[: min(MOST_SHOWN, int((count > 0).sum()))]
    shares = total[order] / (total.sum() or 1.0)
    means = {model: (bits / np.maximum(times, 1))[order] for model, (times, bits) in tables.items() if times.sum()}
    baseline = means.get(roles.baseline or "")
    texts = [symbols[code] for code in order]
    return CostSection(
        says=_costs_in_words(texts, int(count[order[0]]), shares, (means[roles.network], baseline), roles),
        symbols=tuple(map(written, texts)),
        count=tuple(map(int, count[order])),
        share=tuple(map(significant, shares)),
        network=tuple(map(significant, means[roles.network])),
        baseline=() if baseline is None else tuple(map(significant, baseline)),
    )


def _costs_in_words(
    texts: list[str], count: int, shares: Array, means: tuple[Array, Array | None], roles: Roles
) -> str:
    network, baseline = means
    says = (
        f"Most bits of {roles.network} go to {named(texts[0])}, {percentage(shares[0])} of all: it came "
        f"{counted(count, 'time')}, for {number(float(network[0]))} bits each"
    )
    if baseline is None:
        says += "."
    else:
        ahead = [named(text) for text, a, b in zip(texts, network, baseline, strict=True) if b < a]
        says += f" ({roles.baseline}: {number(float(baseline[0]))})."
        says += f" {roles.baseline} is ahead on {listed(ahead)}." if ahead else ""
    return says if len(texts) == 1 else f"{says} The {len(texts)} drawn take {percentage(shares.sum())}."


def _costs(rows: pd.DataFrame, size: int) -> tuple[Array, Array]:
    """Return how often each symbol came, and its bits in all, both (symbol,)."""
    codes = rows["y"].to_numpy().astype(np.int64)
    bits = losses(rows).to_numpy(dtype=np.float64)
    return np.bincount(codes, minlength=size), np.bincount(codes, weights=bits, minlength=size)


def draw_costs(section: CostSection, summary: Summary) -> Figure:
    """Draw the mean bits of the symbols that cost most, and what share of all bits each takes."""
    roles, paired = summary.roles, bool(section.baseline)
    baseline: Sequence[float | None] = section.baseline or [None] * len(section.symbols)
    columns = zip(
        charts.distinct(section.symbols), section.count, section.share, section.network, baseline, strict=True
    )
    rows: Values = [
        {"text": text, "count": count, "share": charts.in_percent(share), "x": of_network, "y": of_baseline}
        for text, count, share, of_network, of_baseline in columns
    ]
    panels = (_dumbbells(rows, roles, paired=paired), _bit_shares(rows, roles))
    keys = charts.area_keys(charts.model_inks(roles, paired=paired))
    return Figure("costs", "Which symbols cost most", section.says, panels, keys, columns=2)


def _dumbbells(rows: Values, roles: Roles, *, paired: bool) -> Panel:
    inks = charts.model_inks(roles, paired=paired)
    names, title = charts.symbol_axis(), "bits a symbol, lower is better"
    tips = [charts.tip("text", "symbol"), charts.tip("count", "came", ",d"), charts.tip("x", roles.network, ".3~g")]
    tips += [charts.tip("y", str(roles.baseline), ".3~g")] if paired else []
    dots = charts.chart("rows").mark_point(filled=True, opacity=1, size=70)
    layers = [dots.encode(x=charts.bar_axis("x", title), y=names, color=charts.colour(inks), tooltip=tips)]
    if paired:
        bars = charts.chart("rows").mark_rule(color=LIGHT.rule, strokeWidth=2)
        dots = charts.chart("rows").mark_point(filled=True, opacity=1, size=45)
        dots = dots.encode(x=charts.bar_axis("y", title), y=names, color=charts.colour(inks, "beside"), tooltip=tips)
        layers = [bars.encode(x=charts.bar_axis("x", title), x2="y", y=names), dots, *layers]
    tables = {"rows": charts.paired_rows(rows, inks)}
    return charts.panel(charts.layered(*layers), tables, _ROW * len(rows), title="mean bits of each")


def _bit_shares(rows: Values, roles: Roles) -> Panel:
    tips = [charts.tip("text", "symbol"), charts.tip("count", "came", ",d"), charts.tip("share", "% of bits", ".3~g")]
    title = f"% of all bits of {shortened(roles.network)}"
    bars = charts.chart("rows").mark_bar(size=12, color=LIGHT.network)
    bars = bars.encode(x=charts.bar_axis("share", title), y=charts.symbol_axis(), tooltip=tips)
    return charts.panel(bars, {"rows": rows}, _ROW * len(rows), title="what each takes in all")


# Confusions


@dataclass(frozen=True)
class Matrix:
    """Confusion matrix: the symbol that came (row) against the likeliest (column); rows add up to 1, or all are 0."""

    model: str
    shares: tuple[tuple[float, ...], ...]
    count: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Pair:
    """How often `came` when `likeliest` was held likeliest, and what share of all that came of it."""

    came: str
    likeliest: str
    count: int
    share: float


@dataclass(frozen=True)
class ConfusionSection:
    """What came and what was the likeliest: whole of a small alphabet, of a larger one what is mistaken most."""

    says: str
    symbols: tuple[str, ...]
    matrices: tuple[Matrix, ...]
    pairs: tuple[Pair, ...]


def build_confusions(material: Material) -> ConfusionSection | None:
    """Compare the symbols that came on the test split with the likeliest."""
    if not material.question.categorical:
        return None
    results, symbols, roles = material.results, material.symbols, material.roles
    known = results[results["y"].notna()]
    counts = {model: _confusions(known[known["model"] == model], len(symbols)) for model in roles.named()}
    count = counts[roles.network]  # (came, likeliest)
    small = len(symbols) <= _LARGEST_MATRIX
    mistakes = _mistakes(count)
    if not count.sum() or not (small or mistakes):
        return None
    shares = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    says = f"{percentage(float(np.trace(count) / count.sum()))} of what came was what {roles.network} held likeliest."
    if mistakes:
        listing = [
            f"{named(symbols[j])} where {named(symbols[i])} came ({percentage(shares[i, j])} of the time)"
            for i, j in mistakes[:3]
        ]
        says += f" Its most frequent mistake{'s' if len(listing) > 1 else ''}: {listed(listing)}."
    pairs = (
        Pair(written(symbols[i]), written(symbols[j]), int(count[i, j]), significant(shares[i, j])) for i, j in mistakes
    )
    return ConfusionSection(
        says,
        tuple(map(written, symbols)) if small else (),
        tuple(_matrix_of(model, count) for model, count in counts.items() if count.sum()) if small else (),
        () if small else tuple(pairs),
    )


def _confusions(rows: pd.DataFrame, size: int) -> Array:
    codes = [rows[column].to_numpy().astype(np.int64) for column in ("y", "y_hat")]
    return np.bincount(codes[0] * size + codes[1], minlength=size * size).reshape(size, size)


def _matrix_of(model: str, count: Array) -> Matrix:
    shares = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    return Matrix(
        model,
        tuple(tuple(significant(share) for share in row) for row in shares),
        tuple(tuple(int(number) for number in row) for row in count),
    )


def _mistakes(count: Array) -> list[tuple[int, int]]:
    """Return the codes of what came and of what was the likeliest, the most frequent mistakes first."""
    wrong = count.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    return [divmod(int(place), len(count)) for place in order if wrong.flat[place]]


def draw_confusions(section: ConfusionSection, _: Summary) -> Figure:
    """Draw a table of what came against the likeliest, or of a large alphabet the most frequent mistakes."""
    if not section.matrices:
        return Figure("confusions", "What is taken for what", section.says, (_mistakes_panel(section),))
    panels = tuple(_matrix_panel(matrix, section.symbols) for matrix in section.matrices)
    return Figure("confusions", "What came, and what was the likeliest", section.says, panels, columns=2)


def _matrix_panel(matrix: Matrix, symbols: Sequence[str]) -> Panel:
    names = charts.distinct(symbols)
    rows: Values = [
        {
            "text": came,
            "of": likeliest,
            "y": charts.in_percent(share),
            "count": count,
            "z": f"{100 * share:.0f}" if count else "",
        }
        for came, shares, counts in zip(names, matrix.shares, matrix.count, strict=True)
        for likeliest, share, count in zip(names, shares, counts, strict=True)
    ]
    axis: dict[str, Any] = {"ticks": False, "domain": False, "grid": False, "labelOverlap": False}
    x = alt.X("of:N", title="likeliest", sort=None, axis=alt.Axis(labelAngle=0, orient="top", labelLimit=60, **axis))
    y = alt.Y("text:N", title="came", sort=None, axis=alt.Axis(labelLimit=110, **axis))
    tips = [
        charts.tip("text", "came"),
        charts.tip("of", "likeliest"),
        charts.tip("count", "times", ",d"),
        charts.tip("y", "% of what came", ".3~g"),
    ]
    depth = alt.Opacity("y:Q", legend=None, scale=alt.Scale(domain=[0, 100], range=[0, _DEEPEST]))
    cells = charts.chart("rows").mark_rect(color=LIGHT.network).encode(x=x, y=y, opacity=depth, tooltip=tips)
    texts = charts.chart("rows").mark_text(color=LIGHT.ink, fontSize=11).encode(x=x, y=y, text="z:N")
    height = max(26 * len(names), 110) + 40
    title = f"{matrix.model}: % of each row"
    return charts.panel(charts.layered(cells, texts), {"rows": rows}, height, title=title)


def _mistakes_panel(section: ConfusionSection) -> Panel:
    rows: Values = [
        {"text": text, "y": pair.count, "x": charts.in_percent(pair.share), "came": pair.came, "of": pair.likeliest}
        for text, pair in zip(
            charts.distinct([f"{pair.came} → {pair.likeliest}" for pair in section.pairs]), section.pairs, strict=True
        )
    ]
    tips = [
        charts.tip("came", "came"),
        charts.tip("of", "likeliest"),
        charts.tip("y", "times", ",d"),
        charts.tip("x", "% of what came", ".3~g"),
    ]
    bars = charts.chart("rows").mark_bar(size=12, color=LIGHT.network)
    bars = bars.encode(x=charts.bar_axis("y", "times"), y=charts.symbol_axis(), tooltip=tips)
    return charts.panel(bars, {"rows": rows}, _ROW * len(rows), title="what came → what was the likeliest")
