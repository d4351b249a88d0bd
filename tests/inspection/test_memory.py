"""Memory lengths of networks that are known by construction, from all three sides, and the headline."""

from __future__ import annotations

import numpy as np
import pytest
from known_networks import both_ways, delay_line, leaky, rising, white

from forecast.inspection.answers import VALUES
from forecast.inspection.memory import Cut, Fall, cut_of, echo_of, fall_of, gradient_of, headline, memory_of


@pytest.mark.parametrize("tau", [5.9, 12.0, 30.0, 80.0])
def test_a_leaky_integrator_remembers_its_time_constant(tau):
    a = np.exp(-1 / tau)
    system = leaky(a, white(1500))
    for fall in (echo_of(system), gradient_of(system)):
        np.testing.assert_allclose(fall.values / fall.values[0], a**fall.lags, rtol=0.01, atol=1e-5)
        assert fall.length == pytest.approx(tau, rel=0.1)
        assert fall.monotone
        assert fall.again is None


@pytest.mark.parametrize("tau", [6.9, 12.0, 30.0])
def test_what_a_cut_adds_to_the_error_falls_with_the_time_constant_too(tau):
    """The exponential mean of a constant is the constant: with k + 1 values read it lacks a^(k + 1) of it."""
    a = np.exp(-1 / tau)
    cut = cut_of(leaky(a, np.ones(1500), gain=1 - a))
    np.testing.assert_allclose(cut.fall.values, a ** (cut.fall.lags + 1), atol=0.01)
    assert cut.fall.length == pytest.approx(tau, rel=0.1)
    assert cut.whole == pytest.approx(0, abs=0.01)
    assert cut.reference == 1.0


def test_errors_of_a_cut_are_those_of_the_integrator_over_fewer_values():
    a, gain, y = np.exp(-1 / 5), 0.3, white(1500)
    system = leaky(a, y, gain=gain)
    cut = cut_of(system)
    for lag, rmse in zip(cut.fall.lags, cut.rmse, strict=True):
        weights = gain * a ** np.arange(lag + 1)
        forecasts = [weights @ y[t - np.arange(lag + 1)] for t in system.origins]
        assert rmse == pytest.approx(np.sqrt(np.mean((y[system.origins + 1] - forecasts) ** 2)), rel=1e-4)
    assert cut.reference == pytest.approx(np.sqrt(np.mean(y[system.origins + 1] ** 2)))
    assert cut.origins == len(system.origins) > 300


def test_a_delay_line_remembers_its_length():
    steps, y = 20, white(1200)
    y[steps + 1 :] = 0
    for t in range(steps + 1, len(y)):
        y[t] = y[t - steps - 1]  # it repeats itself, and the line is a perfect forecast
    line = delay_line(steps, y)
    cut = cut_of(line)
    assert cut.fall.length == steps
    assert cut.whole == pytest.approx(0.0, abs=1e-4)
    np.testing.assert_allclose(cut.rmse[cut.fall.lags < steps], cut.rmse[0], rtol=1e-3)
    echo = echo_of(line)
    assert echo.length == steps + 1
    np.testing.assert_allclose(echo.values[: steps + 1], echo.values[0], rtol=1e-3)
    gradient = gradient_of(line)
    assert gradient.peak == steps  # nothing at lag 0: the measure falls from its peak
    assert gradient.length == steps + 1
    assert not gradient.monotone
    assert gradient_of(delay_line(steps, y, taps=1.0)).length == steps + 1


def test_a_memory_that_never_ends_is_longer_than_what_was_walked():
    system = leaky(1.0, white(600))
    for fall in (echo_of(system), gradient_of(system)):
        assert fall.length is None
        assert fall.walked == system.span == 96


def test_a_window_holds_no_more_than_its_steps():
    system = leaky(np.exp(-1 / 30), white(900), regime="windows", context_steps=20)
    assert system.span == 19
    assert echo_of(system).length is None
    assert gradient_of(system).walked == 19
    assert cut_of(system).rmse[-1] == cut_of(system).whole  # the whole window


def test_a_network_that_says_nothing_has_no_memory():
    system = leaky(0.9, white(600))
    system.fitted.network.state_dict()["decoder.out.weight"].zero_()
    assert gradient_of(system).length == 0
    cut = cut_of(system)
    assert cut.fall.length == 0
    np.testing.assert_allclose(cut.rmse, cut.whole)


@pytest.mark.parametrize(
    ("values", "length", "again"),
    [
        ([1, 0.5, 0.36, 0.1], 2, None),
        ([1, 0.2, 0.9, 0.1], 1, 2),
        ([1, 0.9, 0.8], None, None),
        ([0, 2, 1, 0.5], 3, None),
    ],
)
def test_the_first_lag_at_which_it_has_fallen(values, length, again):
    fall = fall_of(np.arange(len(values)), np.array(values, dtype=float))
    assert (fall.length, fall.again) == (length, again)


def test_one_that_begins_at_zero_has_nothing_to_lose():
    assert fall_of(np.arange(3), np.array([0.0, 1.0, 0.5]), from_peak=False).length == 0


@pytest.mark.parametrize("tau", [10.0, 25.0])
def test_the_logit_of_a_leaky_integrator_remembers_as_its_forecast_does(tau):
    a, y = np.exp(-1 / tau), white(1500)
    system = rising(y, [[a]], [1.0], [[1 - a]])
    for fall in (echo_of(system), gradient_of(system)):
        np.testing.assert_allclose(fall.values / fall.values[0], a**fall.lags, rtol=0.01, atol=1e-5)
        assert fall.length == pytest.approx(tau, rel=0.1)
    cut = cut_of(system)
    rose = y[system.origins + 1] > y[system.origins]
    for lag, rmse in zip(cut.fall.lags, cut.rmse, strict=True):
        logit = np.array([(1 - a) * a ** np.arange(lag + 1) @ y[t - np.arange(lag + 1)] for t in system.origins])
        assert rmse**2 == pytest.approx(np.mean((1 / (1 + np.exp(-logit)) - rose) ** 2), rel=1e-3)
    assert cut.reference == pytest.approx(0.5)


def test_of_a_window_read_from_both_ends_gradients_come_from_both():
    """Of T values the newest counts 1 + b^(T - 1), the one k steps before a^k + b^(T - 1 - k)."""
    a, b, steps = 0.5, 0.8, 30
    memory = memory_of(both_ways(white(900), a, b, steps))
    assert memory.echo is None
    lags = memory.gradient.lags
    assert lags[-1] == steps - 1
    np.testing.assert_allclose(memory.gradient.values, a**lags + b ** (steps - 1 - lags), rtol=1e-3)
    assert memory.gradient.length == 2
    assert memory.gradient.again == steps - 1
    assert memory.cut.rmse[-1] == memory.cut.whole


def test_a_long_window_is_read_whole_where_fewer_lags_are_looked_at():
    """What is read backwards ends at the window's oldest value: left out, the newest would weigh more."""
    b, steps = 0.99, 200
    gradient = gradient_of(both_ways(white(1200), 0.0, b, steps))
    assert gradient.walked == 96
    expected = b ** (steps - 1 - gradient.lags) + (gradient.lags == 0)
    np.testing.assert_allclose(gradient.values, expected, rtol=0.02)  # tanh of a long sum is no straight line


@pytest.mark.parametrize(
    ("length", "bare", "expected"),
    [
        (3, 1.5, "gru on y remembers 3 steps"),
        (3, 1.009, "gru on y remembers 3 steps, and hardly anything hangs on it"),
        (None, 1.5, "gru on y remembers more than 96 steps"),
        (0, 0.999, "gru on y remembers nothing that makes its forecasts better"),
    ],
)
def test_the_headline_does_not_make_much_of_a_memory_on_which_nothing_hangs(length, bare, expected):
    fall = Fall(np.array([0, 96]), np.array([1.0, 0.0]), length, 96, 0, None)
    cut = Cut(fall, np.array([bare, 1.0]), whole=1.0, reference=2.0, origins=10)
    assert headline(cut, VALUES, "gru", "y") == expected
