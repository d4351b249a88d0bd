"""Binary addition as series: what a recurrent network has to carry in mind is the carry.

A series is one sum, a step a binary digit, the lowest first: two digits a and b that are known ahead, and the digit of
their sum as the target. Whether 1 + 0 makes 1 or 0 depends on the carry, which may have come from any digit before. A
sum begins with a step 0 + 0 = 0, so that each of its digits is forecast, and ends with the last carry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, KnownAhead, Panel

if TYPE_CHECKING:
    from forecast.reading.data_settings import AdditionSettings
    from forecast.series.panel import FloatArray, IntArray

_BEYOND = 16
"""Steps after the end of a sum at which its digits are known: they are zero."""


def make_addition(settings: AdditionSettings) -> Panel:
    """Draw sums: `sums` of `shortest` to `longest` digits, then `longer_sums` of `longer` digits.

    Examples
    --------
    >>> from forecast.reading.data_settings import AdditionSettings
    >>> panel = make_addition(AdditionSettings(sums=2, shortest=3, longest=3, longer_sums=1, longer=8))
    >>> panel.lengths.tolist(), panel.symbols
    ([5, 5, 10], ('0', '1'))

    """
    rng = np.random.default_rng(settings.seed)
    short = rng.integers(settings.shortest, settings.longest + 1, settings.sums)
    digits = np.concatenate([short, np.full(settings.longer_sums, settings.longer)])
    terms = [_terms(rng, int(count)) for count in digits]
    lengths = digits + 2
    offsets = _offsets(lengths)
    known = np.concatenate([np.concatenate([term, np.zeros((_BEYOND, 2))]) for term in terms])
    return Panel(
        values=np.concatenate([add(term) for term in terms])[:, None],
        observed=np.ones((int(offsets[-1]), 1), dtype=np.bool_),
        offsets=offsets,
        times=np.concatenate([np.arange(length) for length in lengths]),
        ids=tuple(f"sum {i}" for i in range(1, len(terms) + 1)),
        channels=(Channel("sum", "target", categories=("0", "1")),),
        calendar=Calendar(freq=None),
        ahead=KnownAhead(
            values=known,
            masked=np.zeros(known.shape, dtype=np.bool_),
            offsets=_offsets(lengths + _BEYOND),
            channels=(Channel("a", "future"), Channel("b", "future")),
        ),
    )


def add(terms: FloatArray) -> FloatArray:
    """Add two numbers digit by digit, (digit, 2), the lowest first -> (digit,); a last carry is left out."""
    total, carry = np.empty(len(terms)), 0
    for step, (a, b) in enumerate(terms.astype(np.int64).tolist()):
        total[step], carry = (a + b + carry) % 2, (a + b + carry) // 2
    return total


def _terms(rng: np.random.Generator, digits: int) -> FloatArray:
    """Digits of two numbers with a 0 before them and one after, (digit + 2, 2)."""
    terms = np.zeros((digits + 2, 2))
    terms[1:-1] = rng.integers(0, 2, (digits, 2))
    return terms


def _offsets(lengths: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
