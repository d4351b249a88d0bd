"""A stretch of the test as a figure: a page writes it as text, a picture sets it in cells."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import altair as alt

from forecast.reporting import marks
from forecast.reporting.marks import Figure, Key, Written
from forecast.reporting.passages import LEVELS
from forecast.reporting.theme import LIGHT, SHADES, shade
from forecast.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reporting.marks import Panel, Values
    from forecast.reporting.passages import PassageSection, Token
    from forecast.reporting.sections import Roles

_COLUMNS = 72
"""Letters in a row of a picture."""

_HIGH = 24


def passage_figure(section: PassageSection, roles: Roles) -> Figure:
    """Write a stretch of the test, each symbol in the shade of its bits."""
    reached = max(token.level for token in section.tokens)
    keys = [Key(_label(0), LIGHT.paper, area=True)]
    keys += [Key(_label(level), LIGHT.network, area=True, strength=SHADES[level]) for level in range(1, reached + 1)]
    tokens = tuple(
        Written(token.text, _tip(token, roles), token.level, token.pill, token.breaks, token.after_gap)
        for token in section.tokens
    )
    panels = (_cells(section.tokens, reached),)
    title = "What came, and how surprising it was"
    return Figure("surprise", title, section.says, panels, tuple(keys), tokens=tokens)


def _tip(token: Token, roles: Roles) -> str:
    text = "␣" if token.text == " " else token.text
    beside = "" if token.baseline is None else f", {roles.baseline} {number(token.baseline)}"
    return f"‘{text}’: {number(token.bits)} bits{beside}; likeliest was ‘{token.guess}’"


def _label(level: int) -> str:
    """Say what bits a shade stands for.

    >>> _label(0), _label(2), _label(5)
    ('under 0.5 bits', '1 to 2', '8 and more')
    """
    if level == 0:
        return f"under {LEVELS[0]:g} bits"
    return f"{LEVELS[level - 1]:g} to {LEVELS[level]:g}" if level < len(LEVELS) else f"{LEVELS[-1]:g} and more"


def _cells(tokens: Sequence[Token], reached: int) -> Panel:
    rows: Values = []
    at = line = 0
    for token in tokens:
        wide = _wide(token.text) + token.pill
        at += 2 * token.after_gap
        if at and at + wide > _COLUMNS:
            at, line = 0, line + 1
        rows.append(
            {
                "from": at + 0.1 * token.pill,
                "to": at + wide - 0.1 * token.pill,
                "x": at + wide / 2,
                "low": line + 0.05,
                "high": line + 0.95,
                "y": line + 0.5,
                "text": token.text,
                "of": _label(token.level),
            }
        )
        at += wide
    x, y = alt.Scale(domain=[0, _COLUMNS], nice=False), alt.Scale(domain=[line + 1, 0], nice=False)
    shades = {_label(level): shade(LIGHT, level) for level in range(reached + 1)}
    legend = alt.Legend(symbolStrokeColor=LIGHT.rule, symbolStrokeWidth=1)
    ink = alt.Color("of:N", scale=alt.Scale(domain=list(shades), range=list(shades.values())), legend=legend)
    cells = marks.chart("cells").mark_rect()
    cells = cells.encode(
        x=alt.X("from:Q", scale=x, axis=None), x2="to", y=alt.Y("low:Q", scale=y, axis=None), y2="high", color=ink
    )
    texts = marks.chart("cells").mark_text(color=LIGHT.ink, fontSize=13)
    texts = texts.encode(x=alt.X("x:Q", scale=x), y=alt.Y("y:Q", scale=y), text="text:N")
    return marks.panel(marks.layered(cells, texts), {"cells": rows}, _HIGH * (line + 1))


def _wide(text: str) -> int:
    """Count the columns that a text takes: two for a letter of Chinese, Japanese or Korean."""
    marked = sum(unicodedata.category(letter).startswith("M") for letter in text)
    return max(len(text) - marked + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text), 1)
