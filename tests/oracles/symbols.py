"""Small panels of symbols made for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from oracles.panels import panel_of

from forecast.series.panel import Channel


def symbols_panel(*texts, alphabet=None):
    """Pack some texts, a character a step; "?" was not observed."""
    alphabet = sorted(set("".join(texts)) - {"?"}) if alphabet is None else alphabet
    codes = [[0 if c == "?" else alphabet.index(c) for c in text] for text in texts]
    panel = panel_of(*codes, observed=[np.array([c != "?" for c in text], dtype=bool) for text in texts])
    return replace(panel, channels=(Channel("symbol", "target", categories=tuple(alphabet)),))


def markov_text(steps, seed=0, symbols="abcd"):
    """A walk of one chain of the second order: which symbol is likeliest follows from the last two."""
    n, rng = len(symbols), np.random.default_rng(seed)
    table = np.random.default_rng(0).dirichlet(np.full(n, 0.3), size=(n, n))
    codes = [0, 1]
    for _ in range(steps - 2):
        codes.append(int(rng.choice(n, p=table[codes[-2], codes[-1]])))
    return "".join(symbols[code] for code in codes)


def with_covariates(panel, seed=0):
    """Two past covariates beside the target, a category and a number, and nothing else changed."""
    rng = np.random.default_rng(seed)
    n = len(panel.target)
    beside = np.column_stack([rng.integers(0, 3, n), rng.normal(size=n)])
    return replace(
        panel,
        values=np.column_stack([panel.values, beside]),
        observed=np.column_stack([panel.observed, np.ones((n, 2), dtype=bool)]),
        channels=(*panel.channels, Channel("word", "past", categories=("x", "y", "z")), Channel("size", "past")),
    )
