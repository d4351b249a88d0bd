"""The Diebold-Mariano test again, by other means: a discrete cosine transform and the incomplete beta function."""

from __future__ import annotations

import numpy as np
from scipy import fft, special


def cosine_test(d, overlap):
    """p of a two-sided test that d, (origin,), has mean zero; NaN where fewer than two cosines fit."""
    n, h = len(d), overlap
    cosines = int(min(np.floor(0.4 * np.cbrt(n) ** 2), np.floor(n / h / 2)))
    if cosines < 2:
        return float("nan")
    spectrum = fft.dct(d, type=2, norm="ortho")  # coefficient 0 is sqrt(n) mean(d), the rest are the L_j
    t = spectrum[0] / np.sqrt(np.mean(spectrum[1 : cosines + 1] ** 2))
    t *= np.sqrt(1 - 2 * h / n + 1 / n + h * (h - 1) / n**2)
    return float(special.betainc(cosines / 2, 0.5, cosines / (cosines + t**2)))


def holm(p):
    """Adjusted p-values, (test,): the smallest level at which Holm's step-down procedure rejects each."""
    levels = sorted({min(1.0, value * k) for value in p for k in range(1, len(p) + 1)})
    return [next(level for level in levels if i in _rejected(p, level)) for i in range(len(p))]


def _rejected(p, level):
    rejected = set()
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if level < 1 and p[i] * (len(p) - rank) > level:
            break
        rejected.add(i)
    return rejected


def overlapping(origins, horizon, stride):
    """The most successive origins of which each horizon shares a step with the first one's."""
    steps = range(0, origins * stride, stride)
    targets = [set(range(s + 1, s + horizon + 1)) for s in steps]
    return max(sum(bool(targets[i] & later) for later in targets[i:]) for i in range(origins))
