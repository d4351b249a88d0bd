"""Recurrent networks written out step by step and unit by unit, in float64."""

from __future__ import annotations

import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def rnn(x, weights, hidden, activation=np.tanh):
    """Elman's network: x (step, input) -> h (step, hidden); `weights` are W, U, b, b'."""
    w, u, b, b2 = weights
    h, out = np.zeros(hidden), []
    for x_t in x:
        h = activation(w @ x_t + u @ h + b + b2)
        out.append(h)
    return np.array(out)


def reservoir(x, weights, leak):
    """Leaky units: x (step, input) -> h (step, hidden); `weights` are V, W, b."""
    v, w, b = weights
    h, out = np.zeros(len(b)), []
    for x_t in x:
        h = (1 - leak) * h + leak * np.tanh(v @ x_t + w @ h + b)
        out.append(h)
    return np.array(out)


def lstm(x, weights, hidden):
    """Gates in torch's order: input, forget, cell, output."""
    w, u, b, b2 = weights
    h, c, out = np.zeros(hidden), np.zeros(hidden), []
    for x_t in x:
        i, f, g, o = np.split(w @ x_t + u @ h + b + b2, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def mingru(x, weight, bias, hidden):
    """Gate and candidate read the input alone."""
    h, out = np.zeros(hidden), []
    for x_t in x:
        z, n = np.split(weight @ x_t + bias, 2)
        h = (1 - sigmoid(z)) * h + sigmoid(z) * n
        out.append(h)
    return np.array(out)


def dilated(cell, x, steps):
    """A recurrence that goes back several steps: as many recurrences of their own as there are steps, one by one."""
    out = [None] * len(x)
    for phase in range(steps):
        for t, h in zip(range(phase, len(x), steps), cell(x[phase::steps]), strict=True):
            out[t] = h
    return np.array(out)


def normalised(x):
    """Layer normalisation with weights 1 and biases 0."""
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)


def gru(x, weights, hidden):
    """Gates in torch's order: reset, update, new."""
    w, u, b, b2 = weights
    h, out = np.zeros(hidden), []
    for x_t in x:
        from_x, from_h = w @ x_t + b, u @ h + b2
        r = sigmoid(from_x[:hidden] + from_h[:hidden])
        z = sigmoid(from_x[hidden : 2 * hidden] + from_h[hidden : 2 * hidden])
        n = np.tanh(from_x[2 * hidden :] + r * from_h[2 * hidden :])
        h = (1 - z) * n + z * h
        out.append(h)
    return np.array(out)
