"""A passage of the test split written out, each symbol with the bits it cost; and a text that the network generated."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.characters import readable, written
from forecast.reporting.charts import Figure, Key, Shaded
from forecast.reporting.lines import axis_times, significant
from forecast.reporting.material import losses, rows_of
from forecast.reporting.theme import LIGHT, SHADES, shade
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.summary import Summary

MOST_SYMBOLS = 700
_MOST_WIDTH = 900
"""In characters: of symbols that are written with several, fewer make a passage."""

LEVELS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Bits from which a symbol has the next deeper colour: probabilities below 71, 50, 25, 6.3 and 0.4 %."""

_COLUMNS, _LINE_HEIGHT = 72, 24
"""Letters in a line of a picture, and its height in pixels."""


@dataclass(frozen=True)
class Token:
    """A symbol that came: as it is written, its bits of network and baseline, and what the network held likeliest.

    `level` counts the `LEVELS` that its bits reach; `breaks` says that the line ends with it; `after_gap` that what
    came before it was not forecast.
    """

    text: str
    bits: float
    baseline: float | None
    guess: str
    level: int
    breaks: bool = False
    after_gap: bool = False

    @property
    def pill(self) -> bool:
        """Whether it is written apart from its neighbours: it has several letters."""
        return len(self.text) > 1 and not (len(self.text) == 2 and self.text[0] == "◌")


@dataclass(frozen=True)
class PassageSection:
    """Successive symbols of one series, forecast one step ahead."""

    says: str
    tokens: tuple[Token, ...]


def build(material: Material) -> PassageSection | None:
    """Show the beginning of the test split of the series that is drawn; None where fewer than two symbols came."""
    if not material.question.categorical:
        return None
    results = rows_of(material.results if material.passage is None else material.passage, material.uid)
    truth, symbols, roles = material.truth, material.symbols, material.roles
    one_step = results[(results["step"] == results["step"].min()) & results["y"].notna()]
    tables = {model: one_step[one_step["model"] == model].sort_values("ds") for model in roles.named()}
    network, baseline = tables[roles.network], tables.get(roles.baseline or "")
    if len(network) < 2:
        return None
    steps = np.searchsorted(axis_times(truth["ds"]), axis_times(network["ds"]))
    gaps = np.concatenate([[False], np.diff(steps) > 1])  # (row,): origins were left out before it
    baseline_bits = None if baseline is None or len(baseline) != len(network) else losses(baseline).tolist()
    tokens = _tokens(network, baseline_bits, gaps, symbols)
    right = int((network["y"] == network["y_hat"]).iloc[: len(tokens)].sum())
    count = int((truth["y"].notna() & (truth["split"] == "test")).sum())
    return PassageSection(_in_words(tokens, max(count, len(network)), right, roles, material.name), tokens)


def _tokens(
    network: pd.DataFrame, baseline_bits: list[float] | None, gaps: Array, symbols: Sequence[str]
) -> tuple[Token, ...]:
    """Write as many rows of the network as a picture has room for."""
    codes, guesses = (network[column].to_numpy().astype(np.int64).tolist() for column in ("y", "y_hat"))
    tokens: list[Token] = []
    width = 0
    for i, bits in enumerate(losses(network).tolist()[:MOST_SYMBOLS]):
        symbol = symbols[codes[i]]
        token = Token(
            " " if symbol == " " else written(symbol),
            significant(bits, 4) + 0.0,  # no negative zero
            None if baseline_bits is None else significant(baseline_bits[i], 4) + 0.0,
            written(symbols[guesses[i]]),
            level_of(bits),
            breaks=symbol == "\n",
            after_gap=bool(gaps[i]),
        )
        width += len(token.text) + 2 * token.pill
        if width > _MOST_WIDTH and i > 1:
            break
        tokens.append(token)
    return tuple(tokens)


def level_of(bits: float) -> int:
    """Count the levels that some bits reach.

    >>> level_of(0.1), level_of(1.0), level_of(12.0)
    (0, 2, 5)
    """
    return sum(bits >= level for level in LEVELS)


def _in_words(tokens: Sequence[Token], count: int, right: int, roles: Roles, name: str) -> str:
    which = "All" if len(tokens) == count else f"{len(tokens):,} of the"
    where = "" if len(tokens) == count else ", from its beginning and not picked by result"
    says = (
        f"{which} {counted(count, 'symbol')} of the test split of {name}{where}. The deeper the "
        f"colour of one, the less probable {roles.network} held it one step ahead, and the more bits it cost: 1 bit is "
        f"a probability of one half, 4 bits one of a sixteenth. Here a symbol cost "
        f"{number(float(np.mean([token.bits for token in tokens])))} bits on average"
    )
    of_baseline = [token.baseline for token in tokens if token.baseline is not None]
    if of_baseline:
        says += f" ({roles.baseline}: {number(float(np.mean(of_baseline)))})"
    return f"{says}, and {100 * right / len(tokens):.0f} % were the likeliest."


def draw(section: PassageSection, summary: Summary) -> Figure:
    """Write the passage, each symbol in the shade of its bits: a page writes it as text, a picture sets it in cells."""
    reached = max(token.level for token in section.tokens)
    keys = [Key(_label(0), LIGHT.paper, area=True)]
    keys += [Key(_label(level), LIGHT.network, area=True, strength=SHADES[level]) for level in range(1, reached + 1)]
    tokens = tuple(
        Shaded(token.text, _tip(token, summary.roles), token.level, token.pill, token.breaks, token.after_gap)
        for token in section.tokens
    )
    panels = (_cells(section.tokens, reached),)
    title = "What came, and how surprising it was"
    return Figure("surprise", title, section.says, panels, tuple(keys), tokens=tokens)


def _tip(token: Token, roles: Roles) -> str:
    text = "␣" if token.text == " " else token.text
    baseline = "" if token.baseline is None else f", {roles.baseline} {number(token.baseline)}"
    return f"‘{text}’: {number(token.bits)} bits{baseline}; likeliest was ‘{token.guess}’"


def _label(level: int) -> str:
    """Say what bits a shade stands for.

    >>> _label(0), _label(2), _label(5)
    ('under 0.5 bits', '1 to 2', '8 and more')
    """
    if level == 0:
        return f"under {LEVELS[0]:g} bits"
    return f"{LEVELS[level - 1]:g} to {LEVELS[level]:g}" if level < len(LEVELS) else f"{LEVELS[-1]:g} and more"


def _cells(tokens: Sequence[Token], reached: int) -> Panel:
    """Set the tokens in lines of `_COLUMNS` letters."""
    rows: Values = []
    column = line = 0
    for token in tokens:
        width = _width(token.text) + token.pill
        column += 2 * token.after_gap
        if column and column + width > _COLUMNS:
            column, line = 0, line + 1
        rows.append(
            {
                "from": column + 0.1 * token.pill,
                "to": column + width - 0.1 * token.pill,
                "x": column + width / 2,
                "low": line + 0.05,
                "high": line + 0.95,
                "y": line + 0.5,
                "text": token.text,
                "of": _label(token.level),
            }
        )
        column += width
    x, y = alt.Scale(domain=[0, _COLUMNS], nice=False), alt.Scale(domain=[line + 1, 0], nice=False)
    shades = {_label(level): shade(LIGHT, level) for level in range(reached + 1)}
    legend = alt.Legend(symbolStrokeColor=LIGHT.rule, symbolStrokeWidth=1)
    ink = alt.Color("of:N", scale=alt.Scale(domain=list(shades), range=list(shades.values())), legend=legend)
    cells = charts.chart("cells").mark_rect()
    cells = cells.encode(
        x=alt.X("from:Q", scale=x, axis=None), x2="to", y=alt.Y("low:Q", scale=y, axis=None), y2="high", color=ink
    )
    texts = charts.chart("cells").mark_text(color=LIGHT.ink, fontSize=13)
    texts = texts.encode(x=alt.X("x:Q", scale=x), y=alt.Y("y:Q", scale=y), text="text:N")
    return charts.panel(charts.layered(cells, texts), {"cells": rows}, _LINE_HEIGHT * (line + 1))


def _width(text: str) -> int:
    """Count the columns that a text takes: two for a letter of Chinese, Japanese or Korean."""
    marked = sum(unicodedata.category(letter).startswith("M") for letter in text)
    return max(len(text) - marked + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text), 1)


def build_continuation(material: Material) -> str | None:
    """Return the text that the network generated after the data."""
    return None if material.continuation is None else readable(material.continuation)


def draw_continuation(text: str, summary: Summary) -> Figure:
    """Show the text as it is."""
    says = (
        f"Drawn from {summary.roles.network} symbol by symbol, each by its probability, and read as if it had come: "
        f"one of many ways in which the data might go on, not the likeliest."
    )
    return Figure("continuation", "It goes on like this", says, (), text=text)
