"""Small panels made for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, Panel


def panel_of(*series, observed=None):
    """Pack some series of integer times; `observed` is one mask a series, all True where it is not given."""
    values = np.concatenate([np.asarray(y, dtype=float) for y in series])
    seen = np.ones(len(values), dtype=bool) if observed is None else np.concatenate(observed)
    return Panel(
        values=values[:, None],
        observed=seen[:, None],
        offsets=np.cumsum([0, *(len(y) for y in series)]),
        times=np.concatenate([np.arange(len(y)) for y in series]),
        ids=tuple(f"s{i}" for i in range(len(series))),
        channels=(Channel("y", "target"),),
        calendar=Calendar(freq=None),
    )


def hidden(panel, masked):
    """The panel with targets masked, (row,); what stands there is not to be read."""
    values = np.where(masked[:, None], 1e6, panel.values)
    return replace(panel, values=values, observed=panel.observed & ~masked[:, None], masked=masked[:, None])


def with_masked_read(y, masked, season):
    """A series, (step,), with what masked values are read as: a system of equations, solved at once.

    z_t = y_t where it is known, else z_t = z_{t-m} + 7/8 (z_{t-1} - z_{t-m-1}); z_{t-1} within the first season, and
    the first known value before that.
    """
    equations, known, first = np.eye(len(y)), np.where(masked, 0.0, y), np.argmin(masked)
    for t in np.flatnonzero(masked):
        if t < first:
            equations[t, first] -= 1
        elif t <= season or season == 1:
            equations[t, t - 1] -= 1
        else:
            equations[t, [t - season, t - 1, t - season - 1]] += [-1, -7 / 8, 7 / 8]
    return np.linalg.solve(equations, known)


def noisy_sine(steps, noise=0.1, seed=0, period=20):
    rng = np.random.default_rng(seed)
    return np.sin(2 * np.pi * np.arange(steps) / period) + noise * rng.normal(size=steps)


def random_walk(steps, seed=0):
    return np.random.default_rng(seed).normal(size=steps).cumsum()


def autoregression(steps, phi, seed=0):
    """y_t = phi y_{t-1} + e_t from y_0 = 0, with normal e of spread 1."""
    noise = np.random.default_rng(seed).normal(size=steps)
    y = np.zeros(steps)
    for t in range(1, steps):
        y[t] = phi * y[t - 1] + noise[t]
    return y
