"""Symbols as codes: a code is the place of a symbol in the alphabet of a panel, which is in the order of the texts."""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.series.panel import Panel

_SHOWN = 10
_LONGEST = 20


def in_alphabet(panel: Panel, symbols: tuple[str, ...]) -> Panel:
    """Write the target's codes in another alphabet, which holds all symbols that occur.

    Raises
    ------
    ForecastError
        A symbol that it lacks.

    """
    target, *others = panel.channels
    places = {text: place for place, text in enumerate(symbols)}
    table = np.array([places.get(text, -1) for text in target.categories], dtype=np.int64)
    codes = table[panel.target.astype(np.int64)]
    if (codes < 0).any():
        used = np.unique(panel.target[codes < 0].astype(np.int64))
        raise ForecastError(
            f"the data hold {name_unknown([target.categories[code] for code in used])}, which training did not know: "
            f"correct the data, or train again"
        )
    values = np.column_stack([codes.astype(np.float64), panel.values[:, 1:]])
    return replace(panel, values=values, channels=(replace(target, categories=symbols), *others))


def without_unused(panel: Panel) -> Panel:
    """Leave symbols out of the alphabet that occur in no row of a panel, because their rows were left out."""
    used = np.unique(panel.target.astype(np.int64))
    symbols = panel.channels[0].categories
    return panel if len(used) == len(symbols) else in_alphabet(panel, tuple(symbols[code] for code in used))


def describe_symbols(symbols: Sequence[str]) -> str:
    r"""Count and name symbols, the first of them; what cannot be seen is written as Python does.

    >>> describe_symbols(["\n", " ", "a", "b"])
    "4: '\\n', ' ', a, b"
    """
    return f"{len(symbols):,}: {name_some([_quoted(text) for text in symbols[:_SHOWN]], len(symbols))}"


def _quoted(text: str) -> str:
    """Quote a symbol as Python does where it could be misread in a list; a picture marks it (reporting.characters).

    A message stands in a terminal, beside settings in the same quotes, and a mark such as ␣ may be a symbol itself.
    """
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    plain = short and short.isprintable() and not set(",'") & set(short) and short == short.strip()
    return short if plain else repr(short)


def name_unknown(texts: Sequence[str], lines: Mapping[str, int] | None = None) -> str:
    """Name symbols, the first of them, each with its line where lines are known.

    >>> name_unknown(["x"], {"x": 7})
    "1 symbol 'x' (line 7)"
    """
    shown = [f"{text[:_LONGEST]!r}" + (f" (line {lines[text]})" if lines else "") for text in texts[:_SHOWN]]
    return f"{counted(len(texts), 'symbol')} {name_some(shown, len(texts))}"


def near_symbols(text: str, symbols: Sequence[str]) -> str:
    """Name the symbols that a text may have been meant for, or the first of all, as the end of a sentence.

    >>> near_symbols("é", ("a", "e", "E")), near_symbols("suny", ("rain", "sunny"))
    (": near it are 'e', 'E'", ": near it are 'sunny'")
    """
    same = [one for one in symbols if _plain(one) == _plain(text)]
    near = same or difflib.get_close_matches(text, symbols, n=3)
    if near:
        return f": near it are {', '.join(map(repr, near[:3]))}"
    return f": it knows {name_some([repr(one[:_LONGEST]) for one in symbols[:_SHOWN]], len(symbols))}"


def _plain(text: str) -> str:
    """Without accents, and in small letters."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(one for one in parts if not unicodedata.combining(one)).casefold()
