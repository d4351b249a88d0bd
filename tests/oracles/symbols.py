"""Series of symbols whose laws are known, and what the best forecast of them costs."""

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


CHAIN = np.array([[0.8, 0.15, 0.05], [0.1, 0.1, 0.8], [0.3, 0.6, 0.1]])
"""P(next | now) of a chain of the symbols a, b, c."""


def chain_text(steps, seed=0):
    """A text of the chain."""
    rng = np.random.default_rng(seed)
    now, text = 0, []
    for _ in range(steps):
        now = int(rng.choice(3, p=CHAIN[now]))
        text.append("abc"[now])
    return "".join(text)


def entropy_rate():
    """Bits a symbol that the chain costs whoever knows it: sum_i pi_i H(P_i), pi its stationary distribution."""
    values, vectors = np.linalg.eig(CHAIN.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    return float(-(stationary[:, None] * CHAIN * np.log2(CHAIN)).sum())
