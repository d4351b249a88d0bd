"""The sine wave is what its settings say, and binary sums are those of Python's integers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forecast.errors import ForecastError
from forecast.reading.generators import fingerprint_panel, make_addition, make_sinewave
from forecast.reading.settings import AdditionSettings, SinewaveSettings
from forecast.reading.sources import found_line, load_source
from forecast.settings import check_settings


def test_without_noise_it_is_the_formula() -> None:
    settings = SinewaveSettings(frequency=3, sampling_rate=50, duration=2, amplitude=2.5, phase=0.7, noise=0)
    expected = [2.5 * math.sin(2 * math.pi * 3 * k / 50 + 0.7) for k in range(100)]
    panel = make_sinewave(settings)
    assert np.allclose(panel.target, expected)
    assert panel.times.tolist() == list(range(100))
    assert panel.calendar.after(panel.times[-1], 2).tolist() == [100, 101]
    assert panel.target_observed.all()


def test_the_default_has_two_thousand_steps_of_ten_hertz_and_a_little_noise() -> None:
    y = make_sinewave(SinewaveSettings()).target
    spectrum = np.abs(np.fft.rfft(y))
    assert len(y) == 2_000
    assert np.fft.rfftfreq(2_000, 1 / 200)[spectrum.argmax()] == 10.0
    assert 2 * spectrum.max() / 2_000 == pytest.approx(1.0, abs=0.02)
    clean = make_sinewave(SinewaveSettings(noise=0)).target
    assert (y - clean).std() == pytest.approx(0.1, abs=0.01)
    assert abs((y - clean).mean()) < 0.01


def test_a_seed_is_a_series() -> None:
    assert np.array_equal(make_sinewave(SinewaveSettings()).target, make_sinewave(SinewaveSettings()).target)
    assert not np.array_equal(make_sinewave(SinewaveSettings()).target, make_sinewave(SinewaveSettings(seed=1)).target)


CHANGES = {"frequency": 9, "sampling_rate": 100, "duration": 9, "amplitude": 2, "phase": 1, "noise": 0.2, "seed": 1}


@pytest.mark.parametrize("change", [{name: value} for name, value in CHANGES.items()])
def test_every_setting_changes_the_series(change: dict[str, float]) -> None:
    changed = load_source(check_settings(SinewaveSettings, change))
    assert changed.fingerprint != load_source(SinewaveSettings()).fingerprint
    assert changed.fingerprint == fingerprint_panel(changed.panel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frequency": 101}, r"`data\.sampling_rate` should be at least twice `data\.frequency` \(here 202\)"),
        ({"sampling_rate": 10}, r"`data\.sampling_rate` should be at least twice"),
        ({"duration": 0.001}, r"`data\.duration` should be such that"),
        ({"duration": 1e9}, r"`data\.duration` should be such that"),
        ({"noise": -1}, r"`data\.noise` should be greater than or equal to 0"),
        ({"amplitude": 0}, r"`data\.amplitude` should be greater than 0"),
        ({"amplitude": "loud"}, r"`data\.amplitude` should be a valid number"),
        ({"freqency": 3}, r"did you mean `data\.frequency`"),
    ],
)
def test_a_wave_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ForecastError, match=message):
        check_settings(SinewaveSettings, change, "data.")


def test_what_was_made_is_said_in_one_line() -> None:
    line = found_line(load_source(SinewaveSettings()))
    assert line == "wave 10 Hz sampled at 200 Hz, noise 0.1; rows 2,000 (20 a period)"


SUMS = AdditionSettings(sums=40, shortest=2, longest=9, longer_sums=5, longer=100, seed=3)


def number(digits):
    """Whole number of binary digits, the lowest first."""
    return sum(int(digit) << place for place, digit in enumerate(digits))


def test_each_series_is_a_sum():
    panel = make_addition(SUMS)
    assert len(panel) == 45
    for i, (_, rows) in enumerate(panel.series()):
        known = panel.ahead.values[panel.ahead.offsets[i] : panel.ahead.offsets[i + 1]]
        digits = known[: rows.stop - rows.start]
        assert number(digits[:, 0]) + number(digits[:, 1]) == number(panel.target[rows])
        assert not digits[[0, -1]].any()
        assert panel.target[rows][0] == 0
        assert not known[len(digits) :].any()


def test_the_longer_ones_come_last_and_lengths_are_as_said():
    lengths = make_addition(SUMS).lengths - 2
    assert set(lengths[:40]) <= set(range(2, 10))
    assert {2, 9} <= set(lengths[:40])
    assert set(lengths[40:]) == {100}


def test_another_seed_draws_other_sums_and_the_same_the_same():
    first, again = make_addition(SUMS), make_addition(SUMS)
    np.testing.assert_array_equal(first.values, again.values)
    other = make_addition(SUMS.model_copy(update={"seed": 4}))
    assert not np.array_equal(first.ahead.values, other.ahead.values)
