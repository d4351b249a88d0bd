"""Series of symbols whose laws are known, and what the best forecast of them costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, single_series


def panel_of_texts(*texts, symbols=None):
    """Series of characters side by side; `symbols` are those that occur where nothing else is said."""
    symbols = tuple(sorted(set("".join(texts)))) if symbols is None else symbols
    codes = np.array([symbols.index(one) for one in "".join(texts)], dtype=np.float64)
    steps = np.concatenate([np.arange(len(text)) for text in texts])
    return replace(
        single_series(codes, steps, Calendar(freq=None)),
        offsets=np.concatenate([[0], np.cumsum([len(text) for text in texts])]),
        ids=tuple(f"text {i}" for i in range(len(texts))),
        channels=(Channel("text", "target", categories=symbols),),
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
