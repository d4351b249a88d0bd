"""n-grams: how likely each symbol is after the last n - 1 ones, counted in training.

The classical model of a language, and what a network has to beat on text. Smoothed after Witten and Bell (`contexts`),
it is never certain of anything. h steps on it counts directly: the same contexts, and the symbols h steps after them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.forecasters.contexts import Contexts, Followers, count_followers, learn_contexts, probabilities_after
from forecast.forecasters.interface import Forecasts, Kind, of_probabilities
from forecast.questions.outcomes import alphabet_size, symbol_codes, target_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

MOST_TRIED = 6
"""The longest order that is tried where none is said."""

UNCHOSEN = 3
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
        contexts, numbers = learn_contexts(train, size, (self.order or MOST_TRIED) - 1)
        counted = [_count(train, contexts, numbers, h) for h in range(1, problem.horizon + 1)]
        bits = np.zeros(0) if self.order else _bits(contexts, counted, past, train_steps)
        order = self.order or (int(bits.argmin()) + 1 if len(bits) else UNCHOSEN)
        kept = contexts.up_to(order - 1)
        before = f"{order - 1} symbol{'s' * (order > 2)}"
        reads = f"reads {len(kept)} contexts of up to {before}" if order > 1 else "reads no symbol before"
        notes = [f"an n-gram of order {order}: {reads}"]
        if len(bits):
            notes.append(f"order {order} chosen on the validation split: {bits[order - 1]:.3f} bits a symbol there")
        return FittedNgram(self, order, kept, tuple(one[:order] for one in counted), tuple(notes))


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
            probabilities[:, h] = probabilities_after(followers, numbers, self.contexts.size)
        return of_probabilities(probabilities)

    def chosen(self) -> Ngram:
        """Return the n-gram of the order that was chosen."""
        return replace(self.forecaster, order=self.order)


def _count(train: Panel, contexts: Contexts, numbers: Sequence[IntArray], step: int) -> tuple[Followers, ...]:
    """Count the symbols `step` steps after the contexts of each length."""
    rows = target_rows(train, np.zeros_like(train.lengths), step)
    symbols, sizes = symbol_codes(train)[rows], (1, *(len(keys) for keys in contexts.keys))
    return tuple(
        count_followers(number[rows - step], symbols, many, contexts.size)
        for number, many in zip(numbers, sizes, strict=True)
    )


def _bits(contexts: Contexts, counted: Sequence[Sequence[Followers]], past: Panel, train_steps: IntArray) -> FloatArray:
    """Mean -log2 of the chance given to what came in the validation split, of each order, (order,), or none."""
    codes, total, seen = symbol_codes(past), np.zeros(len(counted[0])), 0
    for h, followers in enumerate(counted, start=1):
        rows = target_rows(past, train_steps, h)
        symbols, numbers = codes[rows], contexts.numbers(past, rows - h)
        probabilities = np.full(len(rows), 1.0 / contexts.size)
        for k, (one, number) in enumerate(zip(followers, numbers, strict=True)):
            probabilities = one.mix_one(probabilities, number, symbols)
            total[k] -= np.log2(probabilities).sum()
        seen += len(rows)
    return total / seen if seen else np.zeros(0)
