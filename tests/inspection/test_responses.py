"""Impulse, step, constant and sine waves of a leaky integrator against the closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from known_networks import leaky, made_system, rising, white

from forecast.inspection.constant import constant_of
from forecast.inspection.frequency import frequencies_of
from forecast.inspection.responses import impulse_of, step_of

A = np.exp(-1 / 8)


@pytest.fixture(scope="module")
def integrator():
    """Forecasts the next three steps as s, s and -2 s with s = sum a^k y_{t-k}."""
    return made_system(white(900), [[A]], [1.0], [[1.0], [1.0], [-2.0]], horizon=3)


def test_an_impulse(integrator):
    impulse = impulse_of(integrator)
    since = np.arange(integrator.span + 1)
    assert impulse.steps == (1, 3)
    np.testing.assert_allclose(impulse.network[:, 0], A**since, rtol=0.01, atol=2e-3)
    np.testing.assert_allclose(impulse.network[:, 1], -2 * A**since, rtol=0.01, atol=2e-3)
    assert not impulse.reference.any()
    assert impulse.to_e in {8, 9}  # at 8 it is 1/e itself, and rounding decides
    assert impulse.to_small == 24  # 8 log 20 = 23.97


def test_a_step(integrator):
    step = step_of(integrator)
    since = np.arange(integrator.span + 1)
    np.testing.assert_allclose(step.network[:, 0], (1 - A ** (since + 1)) / (1 - A), rtol=0.01)
    assert step.to_small == 24


def test_a_constant_damps_to_its_fixed_point(integrator):
    constant = constant_of(integrator, before=np.zeros(50))
    since = np.arange(len(constant.network))
    np.testing.assert_allclose(constant.network[:, 0], (1 - A ** (since + 1)) / (1 - A), rtol=0.01)
    assert constant.course == "damps"
    assert constant.fixed_point == pytest.approx(1 / (1 - A), rel=0.01)
    assert constant.crossings == 0
    assert constant.height == 1.0


@pytest.mark.parametrize(
    ("angle", "size", "course"),
    [(np.pi / 5, 0.9, "rings"), (np.pi / 5, 1.0, "swings"), (0.0, 1.0, "drifts"), (0.0, 0.5, "damps")],
)
def test_what_is_called_ringing_swinging_drifting(angle, size, course):
    """Two units that turn by an angle and shrink by a size each step."""
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    system = made_system(white(900), turn, [1.0, 0.0], [[1.0, 0.0]])
    assert constant_of(system, before=np.zeros(50)).course == course


def test_the_bode_plot_of_a_leaky_integrator():
    frequencies = frequencies_of(leaky(A, white(900)))
    w = 2 * np.pi * frequencies.frequencies
    ideal = 1 / (1 - A * np.exp(-1j * w))
    np.testing.assert_allclose(frequencies.network.gain[:, 0], np.abs(ideal), rtol=0.01)
    late = np.angle(np.exp(1j * (np.angle(ideal) - w)))  # the perfect forecast is one step ahead
    np.testing.assert_allclose(frequencies.network.phase[:, 0], late, atol=0.02)
    np.testing.assert_allclose(frequencies.network.share, 1.0, atol=0.01)
    np.testing.assert_allclose(frequencies.network.answered[:, 0], frequencies.frequencies, rtol=0.05)
    assert frequencies.season is None
    assert not frequencies.reference.gain.any()


def test_the_last_value_has_gain_one_and_comes_late():
    """No memory, out = w: the forecast is the last value, at each horizon step."""
    system = made_system(white(900), [[0.0]], [1.0], [[1.0], [1.0]], horizon=2)
    frequencies = frequencies_of(system)
    np.testing.assert_allclose(frequencies.network.gain, 1.0, rtol=0.01)
    turned = -2 * np.pi * np.outer(frequencies.frequencies, [1, 2])
    np.testing.assert_allclose(np.exp(1j * frequencies.network.phase), np.exp(1j * turned), atol=0.02)


def test_a_straightened_wave_is_answered_at_twice_its_frequency():
    """Two units with a bias see plus and minus the value: their sum is even, so a wave comes out twice as fast."""
    system = made_system(white(900), np.zeros((2, 2)), [1e3, -1e3], [[1.0, 1.0]], bias=[1.0, 1.0])
    waves = np.array([0.03, 0.07, 0.11])
    frequencies = frequencies_of(system, waves)
    np.testing.assert_allclose(frequencies.network.answered[:, 0], 2 * waves, rtol=0.02)
    assert frequencies.network.share.max() < 0.05


def test_a_logit_answers_impulse_and_constant_in_logits():
    system = replace(rising(white(900), [[A]], [1.0], [[1.0]]), spread=2.0)
    actual, since = impulse_of(system), np.arange(system.span + 1)
    np.testing.assert_allclose(actual.network[:, 0], 2.0 * A**since, rtol=0.02, atol=4e-3)
    still = constant_of(system, before=np.zeros(50))
    assert still.course == "damps"
    assert still.fixed_point == pytest.approx(2.0 / (1 - A), rel=0.02)
    assert not still.reference.any()  # a half


def test_a_logit_that_is_the_last_change_is_right_about_slow_waves_and_early_or_late_by_what_it_should():
    """Units see y and the y before it: logit y_t - y_{t-1}. The wave's change to come is half a step and more away."""
    system = rising(white(900), [[0.0, 0.0], [1.0, 0.0]], [1.0, 0.0], [[1.0, -1.0]] * 2, horizon=2)
    waves = np.array([1 / 40, 1 / 8, 0.29])
    frequencies = frequencies_of(system, waves)
    past = 1 - np.exp(-2j * np.pi * waves)
    for j, step in enumerate((1, 2)):
        come = np.exp(2j * np.pi * waves * step) - 1
        np.testing.assert_allclose(frequencies.network.phase[:, j], np.angle(past / come), atol=0.02)
        np.testing.assert_allclose(frequencies.network.gain[:, j] / np.sqrt(2), np.abs(past), rtol=0.02)
        t = system.warmup + np.arange(120)
        sine = np.sin(2 * np.pi * np.outer(waves, t)), np.sin(2 * np.pi * np.outer(waves, t - 1))
        later = np.sin(2 * np.pi * np.outer(waves, t + step))
        right = [(((a - b) > 0) == (c > a))[np.abs(c - a) > 1e-9].mean() for a, b, c in zip(*sine, later, strict=True)]
        np.testing.assert_allclose(frequencies.right[:, j], right, atol=0.01)
