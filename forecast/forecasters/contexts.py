"""Contexts, the last symbols up to a row, and how often each symbol came after them: what an n-gram is made of.

A context of k symbols is one of k - 1 symbols and the symbol before it, and so has a number by (number of the shorter
one, symbol). Only those that training has seen are kept, in increasing order: memory goes with the length of the
training split, whatever the alphabet. No context reaches across the start of a series or a symbol that was not
observed.

The chance of symbol w after a context (Witten and Bell 1991; method C of Bell, Cleary and Witten 1990, interpolated):

    P(w | context) = (c(context, w) + T(context) P(w | context one shorter)) / (c(context) + T(context))

with c how often it was seen and T how many different symbols came after it; the shortest context has no symbol, and
below it all symbols are equally likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.questions.outcomes import symbol_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import FloatArray, IntArray, Panel


@dataclass(frozen=True, eq=False)
class Contexts:
    """Contexts that training has seen.

    Attributes
    ----------
    size : of the alphabet
    keys : of each length from 1 on, (context,) increasing: number of the context one shorter * size + the symbol
        before it; the place is the context's own number

    """

    size: int
    keys: tuple[IntArray, ...]

    def __len__(self) -> int:
        """Return how many there are, the empty one with them."""
        return 1 + sum(len(keys) for keys in self.keys)

    def numbers(self, panel: Panel, rows: IntArray) -> list[IntArray]:
        """Number of the context of each length from 0 on that ends at some rows; -1: too short, or never seen."""
        codes, seen = symbol_codes(panel), observed_run(panel)[rows]
        found = [np.zeros(len(rows), dtype=np.int64)]
        for length, keys in enumerate(self.keys, start=1):
            there = np.flatnonzero((seen >= length) & (found[-1] >= 0))
            key = found[-1][there] * self.size + codes[rows[there] - length + 1]
            number = np.full(len(rows), -1)
            number[there] = _places(keys, key)
            found.append(number)
        return found

    def up_to(self, length: int) -> Contexts:
        """Keep those of at most so many symbols."""
        return Contexts(self.size, self.keys[:length])


@dataclass(frozen=True, eq=False)
class Followers:
    """What came so many steps after each context of one length.

    Attributes
    ----------
    size : of the alphabet
    pairs : (pair,) increasing: number of the context * size + symbol, of those that were seen together
    before : (pair + 1,) how often all pairs before each were seen
    starts : (context + 1,) where the pairs of each context begin

    """

    size: int
    pairs: IntArray
    before: IntArray
    starts: IntArray

    def mix(self, probabilities: FloatArray, numbers: IntArray) -> None:
        """Put the chances after some contexts in the place of those after shorter ones, (context, symbol)."""
        rows = np.flatnonzero(numbers >= 0)
        first, end = self.starts[numbers[rows]], self.starts[numbers[rows] + 1]
        kinds, total = end - first, self.before[end] - self.before[first]
        rows, first, kinds, total = (part[kinds > 0] for part in (rows, first, kinds, total))
        probabilities[rows] *= (kinds / (total + kinds))[:, None]
        pairs = np.repeat(first - np.cumsum(kinds) + kinds, kinds) + np.arange(kinds.sum())
        counts = self.before[pairs + 1] - self.before[pairs]
        probabilities[np.repeat(rows, kinds), self.pairs[pairs] % self.size] += counts / np.repeat(total + kinds, kinds)

    def mix_one(self, probabilities: FloatArray, numbers: IntArray, symbols: IntArray) -> FloatArray:
        """Chance of one symbol after each of some contexts, from its chance after the shorter ones; all (context,)."""
        first, end = self.starts[numbers], self.starts[numbers + 1]
        kinds, total = end - first, self.before[end] - self.before[first]
        pair = _places(self.pairs, numbers * self.size + symbols)
        count = np.where(pair >= 0, self.before[pair + 1] - self.before[pair], 0)
        known = (numbers >= 0) & (kinds > 0)
        mixed: FloatArray = np.where(
            known, (count + kinds * probabilities) / np.maximum(total + kinds, 1), probabilities
        )
        return mixed


def learn_contexts(train: Panel, size: int, longest: int) -> tuple[Contexts, list[IntArray]]:
    """Find all contexts of at most `longest` symbols, and the number of that of each length at each row, (row,)."""
    codes, seen = symbol_codes(train), observed_run(train)
    keys, numbers = [], [np.zeros(len(codes), dtype=np.int64)]
    for length in range(1, longest + 1):
        there = np.flatnonzero(seen >= length)
        key, number = np.unique(numbers[-1][there] * size + codes[there - length + 1], return_inverse=True)
        keys.append(key)
        numbers.append(np.full(len(codes), -1))
        numbers[-1][there] = number
    return Contexts(size, tuple(keys)), numbers


def count_followers(numbers: IntArray, symbols: IntArray, contexts: int, size: int) -> Followers:
    """Count which symbols came after which of so many contexts; -1 is none, both (pair,)."""
    seen = numbers >= 0
    pairs, counts = np.unique(numbers[seen] * size + symbols[seen], return_counts=True)
    return Followers(
        size=size,
        pairs=pairs,
        before=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        starts=np.searchsorted(pairs, np.arange(contexts + 1) * size),
    )


def observed_run(panel: Panel) -> IntArray:
    """How many symbols were observed without a break up to each row of its series, (row,)."""
    rows, missing = np.arange(len(panel.target)), symbol_codes(panel) < 0
    starts = np.repeat(panel.offsets[:-1], panel.lengths)
    broken = np.maximum.accumulate(np.where(missing, rows, -1)) if len(rows) else rows
    return rows - np.maximum(broken, starts - 1)


def probabilities_after(followers: Sequence[Followers], numbers: Sequence[IntArray], size: int) -> FloatArray:
    """Chances of all symbols after contexts, given their number at each length, (context, symbol)."""
    probabilities = np.full((len(numbers[0]), size), 1.0 / size)
    for counted, number in zip(followers, numbers, strict=True):
        counted.mix(probabilities, number)
    return probabilities


def _places(keys: IntArray, wanted: IntArray) -> IntArray:
    """Place of each in increasing keys, -1 where it is not there."""
    if not len(keys):
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)
