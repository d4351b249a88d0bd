"""n-grams: how likely each symbol is after the last n - 1 ones, counted in training; the classical model of a language.

Smoothed by Witten and Bell (1991; method C of Bell, Cleary and Witten 1990, interpolated): with c(context, w) how often
symbol w came after a context, and T(context) how many different symbols came after it,

    P(w | context) = (c(context, w) + T(context) P(w | context one shorter)) / (c(context) + T(context))

The shortest context has no symbol, and below it all symbols are equally likely, so that nothing is ever impossible.
h steps ahead it counts directly: the same contexts, and the symbols h steps after them.

A context of k symbols is one of k - 1 symbols and the symbol before it, and has a number by (number of the shorter one,
symbol). Only those that training has seen are kept, in increasing order: memory goes with the length of the training
split, whatever the alphabet. No context reaches across the start of a series or a symbol that was not observed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.interface import Forecasts, Kind, of_probabilities
from forecast.questions.outcomes import alphabet_size, symbol_codes, target_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel


LONGEST_ORDER = 6
"""The longest order that is tried where none is set."""

DEFAULT_ORDER = 3
"""The order where there is no validation split to choose one."""


@dataclass(frozen=True)
class Ngram:
    """An n-gram under a name; `order` is n, the symbols that it knows together: None chooses 1 to 6 on validation.

    >>> Ngram("trigram", 3).kind
    'statistical'
    """

    name: str
    order: int | None = None
    kind: Kind = "statistical"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedNgram:
        """Count over the training splits of all series.

        Raises
        ------
        ForecastError
            A target of numbers.

        """
        size, train = alphabet_size(past), past.cut(train_steps)
        contexts, numbers = _learn_contexts(train, size, (self.order or LONGEST_ORDER) - 1)
        counted = [_count(train, contexts, numbers, h) for h in range(1, problem.horizon + 1)]
        bits = np.zeros(0) if self.order else _bits(contexts, counted, past, train_steps)
        order = self.order or (int(bits.argmin()) + 1 if len(bits) else DEFAULT_ORDER)
        kept = contexts.up_to(order - 1)
        before = f"{order - 1} symbol{'s' * (order > 2)}"
        reads = f"reads {len(kept)} contexts of up to {before}" if order > 1 else "reads no symbol before"
        notes = [f"an n-gram of order {order}: {reads}"]
        if len(bits):
            notes.append(f"order {order} chosen on the validation split: {bits[order - 1]:.3f} bits a symbol there")
        return FittedNgram(self, order, kept, tuple(followers[:order] for followers in counted), tuple(notes))


@dataclass(frozen=True, eq=False)
class FittedNgram:
    """What was counted: `followers` of each step of the horizon and each length of a context."""

    forecaster: Ngram
    order: int
    contexts: Contexts
    followers: tuple[tuple[Followers, ...], ...]
    notes: tuple[str, ...]

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Look up the symbols up to each origin."""
        numbers = self.contexts.numbers(past, origins.rows(past))
        probabilities = np.empty((len(origins), len(self.followers), self.contexts.size))
        for h, followers in enumerate(self.followers):
            probabilities[:, h] = _probabilities_after(followers, numbers, self.contexts.size)
        return of_probabilities(probabilities)

    def chosen(self) -> Ngram:
        """Return the n-gram of the order that was chosen."""
        return replace(self.forecaster, order=self.order)


def _count(train: Panel, contexts: Contexts, numbers: Sequence[IntArray], step: int) -> tuple[Followers, ...]:
    """Count the symbols `step` steps after the contexts of each length."""
    rows = target_rows(train, np.zeros_like(train.lengths), step)
    symbols, sizes = symbol_codes(train)[rows], (1, *(len(keys) for keys in contexts.keys))
    return tuple(
        _count_followers(number[rows - step], symbols, many, contexts.size)
        for number, many in zip(numbers, sizes, strict=True)
    )


def _bits(contexts: Contexts, counted: Sequence[Sequence[Followers]], past: Panel, train_steps: IntArray) -> FloatArray:
    """Mean -log2 P of the symbols that came in the validation split, of each order, (order,); empty without a split."""
    codes, total, seen = symbol_codes(past), np.zeros(len(counted[0])), 0
    for h, followers in enumerate(counted, start=1):
        rows = target_rows(past, train_steps, h)
        symbols, numbers = codes[rows], contexts.numbers(past, rows - h)
        probabilities = np.full(len(rows), 1.0 / contexts.size)
        for k, (counts, number) in enumerate(zip(followers, numbers, strict=True)):
            probabilities = counts.mix_one(probabilities, number, symbols)
            total[k] -= np.log2(probabilities).sum()
        seen += len(rows)
    return total / seen if seen else np.zeros(0)


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
        numbers = [np.zeros(len(rows), dtype=np.int64)]  # the empty context
        for length, keys in enumerate(self.keys, start=1):
            known = np.flatnonzero((seen >= length) & (numbers[-1] >= 0))
            key = numbers[-1][known] * self.size + codes[rows[known] - length + 1]
            number = np.full(len(rows), -1)
            number[known] = _places(keys, key)
            numbers.append(number)
        return numbers

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
        """Replace probabilities after shorter contexts by those after some contexts, in place, (context, symbol)."""
        rows = np.flatnonzero(numbers >= 0)
        first, end = self.starts[numbers[rows]], self.starts[numbers[rows] + 1]
        kinds, total = end - first, self.before[end] - self.before[first]  # T(context), c(context)
        rows, first, kinds, total = (part[kinds > 0] for part in (rows, first, kinds, total))
        probabilities[rows] *= (kinds / (total + kinds))[:, None]  # T P(w | shorter) / (c + T)
        # Places of the pairs of all contexts, one context after the other.
        pairs = np.repeat(first - np.cumsum(kinds) + kinds, kinds) + np.arange(kinds.sum())
        counts = self.before[pairs + 1] - self.before[pairs]
        probabilities[np.repeat(rows, kinds), self.pairs[pairs] % self.size] += counts / np.repeat(total + kinds, kinds)

    def mix_one(self, probabilities: FloatArray, numbers: IntArray, symbols: IntArray) -> FloatArray:
        """Probability of one symbol after each context, from that after the shorter ones; all (context,)."""
        first, end = self.starts[numbers], self.starts[numbers + 1]
        kinds, total = end - first, self.before[end] - self.before[first]
        pair = _places(self.pairs, numbers * self.size + symbols)
        count = np.where(pair >= 0, self.before[pair + 1] - self.before[pair], 0)
        known = (numbers >= 0) & (kinds > 0)
        mixed: FloatArray = np.where(
            known, (count + kinds * probabilities) / np.maximum(total + kinds, 1), probabilities
        )
        return mixed


def _learn_contexts(train: Panel, size: int, longest: int) -> tuple[Contexts, list[IntArray]]:
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


def _count_followers(numbers: IntArray, symbols: IntArray, contexts: int, size: int) -> Followers:
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


def _probabilities_after(followers: Sequence[Followers], numbers: Sequence[IntArray], size: int) -> FloatArray:
    """Probabilities of all symbols after contexts, given their number at each length, (context, symbol)."""
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
