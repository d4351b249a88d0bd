"""Conformal quantiles and scores of quantiles, value by value."""

from __future__ import annotations

import math

import numpy as np


def conformal_quantile(told, scale, calibration, level):
    """One quantile; `calibration` has a truth, what was told and the scale of its series, for each origin."""
    if level == 0.5:
        return told
    missed = sorted((y - q) / s for y, q, s in calibration if not math.isnan(y))
    n = len(missed)
    if level > 0.5:
        rank = next(k for k in range(1, n + 3) if k >= (n + 1) * level - 1e-9)
        return told + scale * missed[rank - 1] if rank <= n else math.inf
    rank = max(k for k in range(n + 2) if k <= (n + 1) * level + 1e-9)
    return told + scale * missed[rank - 1] if rank >= 1 else -math.inf


def pinball(y, q, tau):
    return tau * (y - q) if y >= q else (1 - tau) * (q - y)


def interval_scores(y, told, levels, series, unit):
    """Scores of one model: y (origin, step), told (origin, step, level); means over series."""
    rows = {"wql": [], "crps": [], "coverage_90": [], "width_90": []}
    ends = [0.0, *levels, 1.0]
    for s in sorted(set(series)):
        cells = [(y[o, h], told[o, h]) for o, h in np.ndindex(y.shape) if series[o] == s and not math.isnan(y[o, h])]
        lost = [[pinball(value, q, tau) for q, tau in zip(qs, levels, strict=True)] for value, qs in cells]
        per_level = [
            2 * sum(row[i] for row in lost) / sum(abs(value) for value, _ in cells) for i in range(len(levels))
        ]
        rows["wql"].append(sum(per_level) / len(levels))
        integrals = []
        for row in lost:
            heights = [0.0, *row, 0.0]
            integrals.append(
                sum((ends[i + 1] - ends[i]) * (heights[i] + heights[i + 1]) / 2 for i in range(len(ends) - 1))
            )
        rows["crps"].append(2 * sum(integrals) / len(integrals))
        low, high = levels.index(0.05), levels.index(0.95)
        rows["coverage_90"].append(sum(qs[low] <= value <= qs[high] for value, qs in cells) / len(cells))
        rows["width_90"].append(sum(qs[high] - qs[low] for _, qs in cells) / len(cells) / unit[s])
    return {name: float(np.mean(values)) for name, values in rows.items()}


def probability(y, qs, levels):
    """The PIT of one value, by looking for the place of y among increasing quantiles that all differ."""
    if y < qs[0]:
        return levels[0] / 2
    if y > qs[-1]:
        return (1 + levels[-1]) / 2
    for low, high, below, above in zip(qs, qs[1:], levels, levels[1:], strict=False):
        if low <= y <= high:
            return below + (above - below) * (y - low) / (high - low)
    raise AssertionError
