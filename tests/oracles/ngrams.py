"""Witten-Bell smoothing as it is written down: dictionaries of tuples, one target after the other."""

from __future__ import annotations

from collections import Counter, defaultdict


def counts_of(series, longest, step):
    """How often each symbol came `step` steps after each tuple of symbols; None in a series was not observed."""
    counts = defaultdict(Counter)
    for symbols in series:
        for t in range(len(symbols) - step):
            if symbols[t + step] is None:
                continue
            for k in range(longest + 1):
                context = tuple(symbols[t - k + 1 : t + 1]) if k <= t + 1 else None
                if context is not None and None not in context:
                    counts[context][symbols[t + step]] += 1
    return counts


def probabilities_of(counts, past, longest, size):
    """Chances of all symbols after the last `longest` symbols of a past, or as many as there are without a None."""
    known = []
    for symbol in reversed(past):
        if symbol is None or len(known) == longest:
            break
        known.insert(0, symbol)
    probabilities = [1 / size] * size
    for k in range(len(known) + 1):
        after = counts.get(tuple(known[len(known) - k :]), Counter())
        total, kinds = sum(after.values()), len(after)
        if total:
            probabilities = [(after[w] + kinds * p) / (total + kinds) for w, p in enumerate(probabilities)]
    return probabilities
