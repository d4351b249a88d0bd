"""Generated series: a sine wave with noise, and sums of binary numbers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, KnownAhead, Panel, single_series

if TYPE_CHECKING:
    from forecast.reading.settings import AdditionSettings, SinewaveSettings
    from forecast.series.panel import FloatArray, IntArray


_BEYOND = 16
"""Steps after the end of a sum for which the digits a and b are known: zeros."""


def make_sinewave(settings: SinewaveSettings) -> Panel:
    """Sample a sine wave and add normal noise to every step.

    Step k is `amplitude sin(2 pi frequency k / sampling_rate + phase) + noise e_k`. Times are the step numbers k: the
    series has no calendar, and a step is 1 / sampling_rate seconds.

    Examples
    --------
    >>> from forecast.reading.settings import SinewaveSettings
    >>> make_sinewave(SinewaveSettings(frequency=1, sampling_rate=4, duration=1, noise=0)).target.round(6)
    array([ 0.,  1.,  0., -1.])

    """
    steps = np.arange(round(settings.duration * settings.sampling_rate), dtype=np.int64)
    angle = 2 * np.pi * settings.frequency / settings.sampling_rate * steps + settings.phase
    noise = np.random.default_rng(settings.seed).normal(size=len(steps))
    values = settings.amplitude * np.sin(angle) + settings.noise * noise
    return single_series(values, steps, Calendar(freq=None), name="sinewave")


def fingerprint_panel(panel: Panel) -> str:
    """SHA-256 of a panel's times and values, hexadecimal; the byte order is fixed."""
    digest = hashlib.sha256()
    for array in (panel.times.astype("<i8"), panel.values.astype("<f8"), panel.observed, panel.offsets.astype("<i8")):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def make_addition(settings: AdditionSettings) -> Panel:
    """Draw binary sums as series: `sums` of `shortest` to `longest` digits, then `longer_sums` of `longer` digits.

    A series is one sum, a step a binary digit, the lowest first: two digits a and b that are known ahead, and the digit
    of their sum as the target. Whether 1 + 0 makes 1 or 0 depends on the carry, which a recurrent network has to
    remember and which may come from any digit before. A sum begins with a step 0 + 0 = 0, so that each of its digits is
    forecast, and ends with the last carry.

    Examples
    --------
    >>> from forecast.reading.settings import AdditionSettings
    >>> panel = make_addition(AdditionSettings(sums=3, shortest=3, longest=3, longer_sums=1, longer=8))
    >>> panel.lengths.tolist(), panel.symbols
    ([5, 5, 5, 10], ('0', '1'))

    """
    rng = np.random.default_rng(settings.seed)
    short = rng.integers(settings.shortest, settings.longest + 1, settings.sums)
    digits = np.concatenate([short, np.full(settings.longer_sums, settings.longer)])
    terms = [_terms(rng, int(count)) for count in digits]
    lengths = digits + 2  # with the first step and the last carry
    offsets = _offsets(lengths)
    known = np.concatenate([np.concatenate([term, np.zeros((_BEYOND, 2))]) for term in terms])
    return Panel(
        values=np.concatenate([_add(term) for term in terms])[:, None],
        observed=np.ones((int(offsets[-1]), 1), dtype=np.bool_),
        offsets=offsets,
        times=np.concatenate([np.arange(length) for length in lengths]),
        ids=tuple(f"sum {i}" for i in range(1, len(terms) + 1)),
        channels=(Channel("sum", "target", categories=("0", "1")),),
        calendar=Calendar(freq=None),
        ahead=KnownAhead(
            values=known,
            masked=np.zeros(known.shape, dtype=np.bool_),
            offsets=_offsets(lengths + _BEYOND),
            channels=(Channel("a", "future"), Channel("b", "future")),
        ),
    )


def _add(terms: FloatArray) -> FloatArray:
    """Add two numbers digit by digit, (digit, 2), the lowest first -> (digit,); a last carry is dropped."""
    total, carry = np.empty(len(terms)), 0
    for step, (a, b) in enumerate(terms.astype(np.int64).tolist()):
        total[step], carry = (a + b + carry) % 2, (a + b + carry) // 2
    return total


def _terms(rng: np.random.Generator, digits: int) -> FloatArray:
    """Digits of two numbers with a 0 before them and one after, (digit + 2, 2)."""
    terms = np.zeros((digits + 2, 2))
    terms[1:-1] = rng.integers(0, 2, (digits, 2))
    return terms


def _offsets(lengths: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
