"""Forecast symbols: how often each comes, which cost most, what is taken for what, and what comes after the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.reporting.characters import named, written
from forecast.reporting.losses import losses
from forecast.reporting.sections import STRETCHES
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reporting.lines import Array
    from forecast.reporting.passages import PassageSection
    from forecast.reporting.sections import Roles

MOST_SHOWN, MOST_AHEAD, MOST_STEPS, MOST_PAIRS = 15, 10, 6, 10
LARGEST_MATRIX = 12
"""Symbols that a table of what came against the likeliest has room for."""


@dataclass(frozen=True)
class ShareSection:
    """How often each of the most frequent symbols stands in training and test, in shares of 1."""

    says: str
    symbols: tuple[str, ...]
    training: tuple[float, ...]
    test: tuple[float, ...]


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


@dataclass(frozen=True)
class Matrix:
    """What came (row) against what a model held likeliest (column); each row's shares add up to 1, or all are 0."""

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


@dataclass(frozen=True)
class StepProbabilities:
    """Chances of the likeliest symbols one step after the data, the likeliest of the network first."""

    step: int
    symbols: tuple[str, ...]
    network: tuple[float, ...]
    baseline: tuple[float, ...]


@dataclass(frozen=True)
class AheadSection:
    """What comes after the data of one series."""

    says: str
    steps: tuple[StepProbabilities, ...]


@dataclass(frozen=True)
class SymbolSections:
    """All that a page shows of symbols alone; a section that the tables cannot fill is None."""

    shares: ShareSection
    passage: PassageSection | None
    costs: CostSection | None
    confusions: ConfusionSection | None
    ahead: AheadSection | None


def share_section(series: pd.DataFrame, symbols: Sequence[str], name: str) -> ShareSection:
    """Count the symbols of all series (`unique_id, ds, y, part`)."""
    known = series[series["y"].notna()]
    label = known["split"].astype(str).replace("train", "training")
    counts = {
        part: np.bincount(known["y"][label == part].to_numpy().astype(np.int64), minlength=len(symbols))
        for part in STRETCHES
    }
    every = np.sum(list(counts.values()), axis=0)
    order = np.argsort(-every, kind="stable")[:MOST_SHOWN]
    order = order[every[order] > 0]
    shares = {part: count / max(count.sum(), 1) for part, count in counts.items()}
    sizes = [
        f"{count.sum():,} for {'the ' if part == 'test' else ''}{part}" for part, count in counts.items() if count.sum()
    ]
    says = f"{name}: {counted(int(every.sum()), 'symbol')}, {len(symbols):,} different: {listed(sizes)}. "
    says += f"Most frequent is {named(symbols[order[0]])}, {_percent(every[order[0]] / every.sum())} of all."
    if counts["training"].sum():
        says += _new_ones(counts, symbols)
    if len(order) < int((every > 0).sum()):
        says += f" The {len(order)} most frequent are drawn."
    told = [tuple(_plain(share) for share in shares[part][order]) for part in ("training", "test")]
    return ShareSection(says, tuple(written(symbols[code]) for code in order), told[0], told[1])


def _new_ones(counts: dict[str, Array], symbols: Sequence[str]) -> str:
    new = np.flatnonzero((counts["test"] > 0) & (counts["training"] == 0))
    if not len(new):
        return ""
    share = counts["test"][new].sum() / counts["test"].sum()
    some = listed([named(symbols[code]) for code in new[:5]]) if len(new) <= 5 else counted(len(new), "symbol")
    return f" Of the test {some} never came in training, {_percent(share)} of it."


def cost_section(results: pd.DataFrame, symbols: Sequence[str], roles: Roles) -> CostSection | None:
    """Add up the bits of each symbol over all series and steps ahead; None where none came."""
    seen = results[results["y"].notna()]
    tables = {model: _costs(seen[seen["model"] == model], len(symbols)) for model in roles.named()}
    count, total = tables[roles.network]
    if not count.sum():
        return None
    order = np.argsort(-total, kind="stable")[: min(MOST_SHOWN, int((count > 0).sum()))]
    shares = total[order] / (total.sum() or 1.0)
    means = {model: (bits / np.maximum(many, 1))[order] for model, (many, bits) in tables.items() if many.sum()}
    beside = means.get(roles.baseline or "")
    texts = [symbols[code] for code in order]
    return CostSection(
        says=_costs_in_words(texts, int(count[order[0]]), shares, (means[roles.network], beside), roles),
        symbols=tuple(map(written, texts)),
        count=tuple(int(many) for many in count[order]),
        share=tuple(map(_plain, shares)),
        network=tuple(map(_plain, means[roles.network])),
        baseline=() if beside is None else tuple(map(_plain, beside)),
    )


def _costs_in_words(
    texts: list[str], count: int, shares: Array, means: tuple[Array, Array | None], roles: Roles
) -> str:
    mine, theirs = means
    says = (
        f"Most bits of {roles.network} go to {named(texts[0])}, {_percent(shares[0])} of all: it came "
        f"{counted(count, 'time')}, for {number(float(mine[0]))} bits each"
    )
    if theirs is None:
        says += "."
    else:
        ahead = [named(text) for text, a, b in zip(texts, mine, theirs, strict=True) if b < a]
        says += f" ({roles.baseline}: {number(float(theirs[0]))})."
        says += f" {roles.baseline} is ahead on {listed(ahead)}." if ahead else ""
    return says if len(texts) == 1 else f"{says} The {len(texts)} drawn take {_percent(shares.sum())}."


def _costs(rows: pd.DataFrame, size: int) -> tuple[Array, Array]:
    """How many of each symbol came, and their bits in all, both (symbol,)."""
    codes = rows["y"].to_numpy().astype(np.int64)
    bits = losses(rows).to_numpy(dtype=np.float64)
    return np.bincount(codes, minlength=size), np.bincount(codes, weights=bits, minlength=size)


def confusion_section(results: pd.DataFrame, symbols: Sequence[str], roles: Roles) -> ConfusionSection | None:
    """Hold what came against the likeliest, over all series and steps ahead; None where nothing came."""
    seen = results[results["y"].notna()]
    counts = {model: _confusions(seen[seen["model"] == model], len(symbols)) for model in roles.named()}
    mine = counts[roles.network]
    if not mine.sum():
        return None
    places = _mistakes(mine)
    says = f"{_percent(float(np.trace(mine) / mine.sum()))} of what came was what {roles.network} held likeliest."
    if places:
        told = [
            f"{named(symbols[j])} where {named(symbols[i])} came ({_percent(mine[i, j] / mine[i].sum())} of the time)"
            for i, j in places[:3]
        ]
        says += f" Its most frequent mistake{'s' if len(told) > 1 else ''}: {listed(told)}."
    small = len(symbols) <= LARGEST_MATRIX
    pairs = (
        Pair(written(symbols[i]), written(symbols[j]), int(mine[i, j]), _plain(mine[i, j] / mine[i].sum()))
        for i, j in places
    )
    return ConfusionSection(
        says,
        tuple(written(symbol) for symbol in symbols) if small else (),
        tuple(_matrix(model, count) for model, count in counts.items() if count.sum()) if small else (),
        () if small else tuple(pairs),
    )


def _confusions(rows: pd.DataFrame, size: int) -> Array:
    codes = [rows[column].to_numpy().astype(np.int64) for column in ("y", "y_hat")]
    return np.bincount(codes[0] * size + codes[1], minlength=size * size).reshape(size, size)


def _matrix(model: str, count: Array) -> Matrix:
    shares = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    return Matrix(
        model,
        tuple(tuple(_plain(share) for share in row) for row in shares),
        tuple(tuple(int(number) for number in row) for row in count),
    )


def _mistakes(count: Array) -> list[tuple[int, int]]:
    """Name what came and what was the likeliest, the most frequent of unequal ones first."""
    wrong = count.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    return [divmod(int(place), len(count)) for place in order if wrong.flat[place]]


def ahead_section(forecast: pd.DataFrame, truth: pd.DataFrame, symbols: Sequence[str], roles: Roles) -> AheadSection:
    """Show the chances after the end of one series (`ds, model, symbol, y_hat`), of at most six steps."""
    times = np.sort(forecast["ds"].unique())
    tables = [_probabilities(forecast[forecast["ds"] == ds], roles) for ds in times[:MOST_STEPS]]
    made = []
    for step, (mine, theirs) in enumerate(tables, start=1):
        beside = () if theirs is None else tuple(_plain(theirs.get(one, 0.0)) for one in mine.index)
        made.append(StepProbabilities(step, tuple(map(written, mine.index)), tuple(map(_plain, mine)), beside))
    known = truth.loc[truth["y"].notna(), "y"]
    after = f"After {named(symbols[int(known.iloc[-1])])}, the last symbol" if len(known) else "After the data"
    likely = [f"{named(str(one))} ({_percent(share)})" for one, share in tables[0][0].head(3).items()]
    says = f"{after}, {roles.network} holds {listed(likely)} likeliest"
    if made[0].baseline:
        shares = [_percent(share) for share in made[0].baseline[: len(likely)]]
        says += f"; {roles.baseline} gives {'it' if len(likely) == 1 else 'them'} {listed(shares)}"
    says += "."
    if len(times) > 1:
        says += f" {counted(len(times), 'step')} ahead are forecast, each without knowing what comes between."
        says += f" The first {MOST_STEPS} are drawn." if len(times) > MOST_STEPS else ""
    return AheadSection(says, tuple(made))


def _probabilities(rows: pd.DataFrame, roles: Roles) -> tuple[pd.Series, pd.Series | None]:
    """Chances of the network's likeliest symbols, and of all of the baseline; by symbol."""
    told = [rows[rows["model"] == model] for model in roles.named()]
    mine, *others = (one.set_index(one["symbol"].astype(str))["y_hat"] for one in told)
    likeliest = mine.sort_values(ascending=False, kind="stable").head(MOST_AHEAD)
    return likeliest, others[0] if others and len(others[0]) else None


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _plain(value: float) -> float:
    return float(f"{value:.6g}")
