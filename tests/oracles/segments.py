"""A recurrence over segments written out step by step, in float64: what comes before the first step is zero."""

from __future__ import annotations

import numpy as np
from oracles.recurrence import gru, lstm, rnn

CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}


def segmented(name, x, reader, layers, *, hidden, segment_steps):
    """(step, input) -> (step, hidden): each step's segment is read, then every S-th step is a series of its own."""
    weight, bias = reader
    padded = np.concatenate([np.zeros((segment_steps - 1, x.shape[1])), x])
    read = np.array([np.maximum(weight @ padded[t : t + segment_steps].ravel() + bias, 0) for t in range(len(x))])
    out = np.zeros((len(x), hidden))
    for phase in range(min(segment_steps, len(x))):
        own = read[phase::segment_steps]
        for weights in layers:
            own = CELLS[name](own, weights, hidden)
        out[phase::segment_steps] = own
    return out
