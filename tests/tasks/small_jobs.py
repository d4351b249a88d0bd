"""The smallest job that still is one."""

from __future__ import annotations

from copy import deepcopy

from forecast.tasks.settings import check_job

SMALL = {
    "horizon": 4,
    "seed": 0,
    "data": {"name": "sinewave", "duration": 1.0, "noise": 0.1},
    "split": {},
    "model": {"name": "lstm", "hidden_size": 4},
    "training": {"max_epochs": 3, "chunk_steps": 32, "lanes": 2, "accelerator": "cpu", "threads": 1},
    "baseline": {
        "naive": {"name": "naive", "method": "naive"},
        "ridge": {"name": "ridge", "method": "regression", "regressor": "ridge", "choose": {"alpha": [0.1, 10.0]}},
    },
    "backtest": {},
    "report": {"png": False},
}


def small_job(**changes):
    """The small job with some keys said otherwise, dotted names with two underscores (`model__layers=2`)."""
    return check_job(small_values(**changes))


def small_values(**changes):
    values = deepcopy(SMALL)
    for name, value in changes.items():
        *parents, last = name.split("__")
        part = values
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = value
    return values
