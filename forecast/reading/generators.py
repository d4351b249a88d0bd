"""Series that are made rather than read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from forecast.series.calendar import Calendar
from forecast.series.panel import Panel, single_series

if TYPE_CHECKING:
    from forecast.reading.data_settings import SinewaveSettings


def make_sinewave(settings: SinewaveSettings) -> Panel:
    """Sample a sine wave and add normal noise to every step.

    Step k is `amplitude sin(2 pi frequency k / sampling_rate + phase) + noise e_k`. Times are the step numbers k: the
    series has no calendar, and a step is 1 / sampling_rate seconds.

    Examples
    --------
    >>> from forecast.reading.data_settings import SinewaveSettings
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
