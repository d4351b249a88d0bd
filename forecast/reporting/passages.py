"""A stretch of the test written out, each symbol with the bits it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.reporting.characters import written
from forecast.reporting.lines import moments
from forecast.reporting.losses import losses
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from forecast.reporting.lines import Array
    from forecast.reporting.sections import Roles

MOST_SYMBOLS = 700
_MOST_WIDTH = 900
"""In characters, of symbols that are written with several: fewer of them make a stretch."""

LEVELS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Bits from which a symbol has the next deeper colour: chances below 71, 50, 25, 6.3 and 0.4 %."""


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
    """A stretch of one series, one step ahead."""

    says: str
    tokens: tuple[Token, ...]


def passage_section(
    mine: pd.DataFrame, truth: pd.DataFrame, symbols: Sequence[str], roles: Roles, name: str
) -> PassageSection | None:
    """Show the first of what came in the test split of one series; None where fewer than two symbols did.

    `mine` holds the results of the series, `truth` its times and stretches.
    """
    first = mine[(mine["step"] == mine["step"].min()) & mine["y"].notna()]
    tables = {model: first[first["model"] == model].sort_values("ds") for model in roles.named()}
    known, theirs = tables[roles.network], tables.get(roles.baseline or "")
    if len(known) < 2:
        return None
    steps = np.searchsorted(moments(truth["ds"]), moments(known["ds"]))
    gaps = np.concatenate([[False], np.diff(steps) > 1])
    beside = None if theirs is None or len(theirs) != len(known) else losses(theirs).tolist()
    tokens = _tokens(known, beside, gaps, symbols)
    right = int((known["y"] == known["y_hat"]).iloc[: len(tokens)].sum())
    count = int((truth["y"].notna() & (truth["split"] == "test")).sum())
    return PassageSection(_in_words(tokens, max(count, len(known)), right, roles, name), tokens)


def _tokens(known: pd.DataFrame, beside: list[float] | None, gaps: Array, symbols: Sequence[str]) -> tuple[Token, ...]:
    """Write as many of the rows as a picture has room for, with the bits `beside` them of the baseline."""
    codes, guesses = (known[column].to_numpy().astype(np.int64).tolist() for column in ("y", "y_hat"))
    tokens: list[Token] = []
    width = 0
    for i, bits in enumerate(losses(known).tolist()[:MOST_SYMBOLS]):
        symbol = symbols[codes[i]]
        token = Token(
            " " if symbol == " " else written(symbol),
            _plain(bits),
            None if beside is None else _plain(beside[i]),
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


def _plain(value: float) -> float:
    return float(f"{value:.4g}") + 0.0  # no negative zero


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
        f"colour of one, the less chance {roles.network} gave it one step ahead, and the more bits it cost: 1 bit is a "
        f"chance of one half, 4 bits one of a sixteenth. Here a symbol cost "
        f"{number(float(np.mean([token.bits for token in tokens])))} bits on average"
    )
    told = [token.baseline for token in tokens if token.baseline is not None]
    if told:
        says += f" ({roles.baseline}: {number(float(np.mean(told)))})"
    return f"{says}, and {100 * right / len(tokens):.0f} % were the likeliest."
