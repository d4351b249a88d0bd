"""The curves of gates, compiled for single precision: one number each, to be used in loops that numba compiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

FAST = {"contract", "nsz", "arcp", "afn"}
"""a*b + c in one operation, divisions as the compiler likes, and nothing that changes what NaN means."""

_HALF = np.float32(0.5)
_END = np.float32(7.90531110763549805)
"""Where the tangent is 1 to single precision."""

_P1, _P3, _P5 = np.float32(4.89352455891786e-3), np.float32(6.37261928875436e-4), np.float32(1.48572235717979e-5)
_P7, _P9, _P11 = np.float32(5.12229709037114e-8), np.float32(-8.60467152213735e-11), np.float32(2.00018790482477e-13)
_P13 = np.float32(-2.76076847742355e-16)
_Q0, _Q2 = np.float32(4.89352518554385e-3), np.float32(2.26843463243900e-3)
_Q4, _Q6 = np.float32(1.18534705686654e-4), np.float32(1.19825839466702e-6)


@njit(inline="always", fastmath=FAST)
def tanh(x: Any) -> Any:
    """Hyperbolic tangent, a quotient of polynomials (as in Eigen's `ptanh_float`): faster than by an exponential."""
    x = _END if x > _END else x  # what is not a number stays so
    x = -_END if x < -_END else x
    s = x * x
    p = ((((((_P13 * s + _P11) * s + _P9) * s + _P7) * s + _P5) * s + _P3) * s + _P1) * x
    return p / (((_Q6 * s + _Q4) * s + _Q2) * s + _Q0)


@njit(inline="always", fastmath=FAST)
def sigmoid(x: Any) -> Any:
    """Logistic function: (tanh(x / 2) + 1) / 2."""
    return tanh(x * _HALF) * _HALF + _HALF
