"""Seasons that are there are found, and none where there is none."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from oracles.seasons import phase_means_test
from oracles.seasons import repetition as slow_repetition
from scipy.signal import lfilter

from forecast.questions.season import Season, autocovariance, find_season, seasonal_autocorrelation
from forecast.questions.seasonal_test import seasonal_test
from forecast.reading.frames import make_panel
from forecast.reading.settings import SinewaveSettings, StockSettings
from forecast.reading.sources import load_source
from forecast.series.calendar import Calendar
from forecast.series.panel import Panel, single_series

STEPS = np.arange(2_000)


@cache
def times_of(freq: str, count: int) -> np.ndarray:
    return pd.date_range("2015-01-01", periods=count, freq=freq).to_numpy().astype("datetime64[ns]")


def panel_of(values: np.ndarray, freq: str | None = None) -> Panel:
    if freq is None:
        return single_series(values, np.arange(len(values)), Calendar(freq=None))
    return single_series(values, times_of(freq, len(values)), Calendar(freq))


def season(values: np.ndarray, freq: str | None = None) -> Season:
    return find_season(panel_of(values, freq))


def noise(seed: int, steps: int = 2_000) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=steps)


def wave(period: float, steps: int = 2_000) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(steps) / period)


@pytest.mark.parametrize("steps", [5, 12, 24, 31])
def test_repetition_is_the_textbook_s(steps: int) -> None:
    y = np.cumsum(noise(steps, 200)) + 3 * wave(steps, 200)
    r, chance = seasonal_autocorrelation([y], steps)
    slow_r, slow_probability = slow_repetition(y.tolist(), steps)
    assert r == pytest.approx(slow_r, abs=1e-9)
    assert chance == pytest.approx(slow_probability, abs=1e-9)


@pytest.mark.parametrize(("steps", "length"), [(4, 40), (7, 60), (12, 50)])
def test_the_test_is_an_f_test_of_whole_regressions(steps: int, length: int) -> None:
    spikes = 3.0 * (np.arange(length) % steps == 1)  # of all forms means of phases fit them best
    y = spikes + lfilter([1], [1, -0.6], noise(steps, length))
    test = seasonal_test([y], steps)
    lags = min((length - steps) // 6, 8, steps - 1)
    assert (test.score, test.share) == pytest.approx(phase_means_test(y.tolist(), steps, lags), abs=1e-6)


def test_autocovariance_by_fft_is_that_by_loops() -> None:
    y = noise(0, 50)
    rest = y - y.mean()
    slow = [50 / (50 - k) * sum(rest[t] * rest[t + k] for t in range(50 - k)) for k in range(20)]
    assert np.allclose(autocovariance(y, 19), slow)


def test_several_series_speak_together_unless_they_say_the_same() -> None:
    weak = [0.4 * wave(12, 60) + noise(seed, 60) for seed in range(20)]
    assert seasonal_test(weak, 12).score > 2 * np.mean([seasonal_test([y], 12).score for y in weak])
    alike = [weak[0] + 1e-3 * noise(seed, 60) for seed in range(20)]
    assert seasonal_test(alike, 12).score == pytest.approx(seasonal_test(weak[:1], 12).score, abs=0.2)


@pytest.mark.parametrize("period", [4, 7, 20, 37, 100, 250])
def test_a_sine_has_its_period_and_no_multiple(period: int) -> None:
    assert season(wave(period)).steps == period


@pytest.mark.parametrize("steps", [500, 1_400, 2_000])
def test_a_sine_under_noise_as_strong_as_itself_has_its_period(steps: int) -> None:
    seasons = [season(wave(20, steps) + noise(seed, steps)).steps for seed in range(20)]
    assert seasons.count(20) >= 19


def test_the_default_sine_wave_has_20_steps() -> None:
    detected = find_season(load_source(SinewaveSettings()).panel.cut(np.array([1_300])))
    assert detected.steps == 20
    assert detected.evidence.startswith("found: a pattern of 20 steps explains")


def test_a_pattern_without_a_sine_s_shape() -> None:
    for seed in range(5):
        pattern = np.tile(noise(seed, 37), 40)
        assert season(pattern + 0.5 * noise(seed + 100, len(pattern))).steps == 37
    assert season((STEPS % 20 == 0) + 0.1 * noise(1)).steps == 20


def test_a_wave_on_a_walk_and_on_a_trend() -> None:
    assert season(3 * wave(20) + np.cumsum(0.3 * noise(0))).steps == 20
    assert season(wave(50) + 0.01 * STEPS + 0.5 * noise(0)).steps == 50


@pytest.mark.parametrize("freq", [None, "h", "B", "D", "MS", "W-SUN"])
@pytest.mark.parametrize("kind", ["walk", "noise", "autoregression"])
def test_what_has_no_season_mostly_gets_none(freq: str | None, kind: str) -> None:
    make = {"walk": np.cumsum, "noise": lambda e: e, "autoregression": lambda e: lfilter([1], [1, -0.9], e)}[kind]
    seasons = [season(make(noise(seed, 600)), freq).steps for seed in range(25)]
    assert seasons.count(1) >= 22


def garch_price(seed: int, steps: int = 1_500) -> np.ndarray:
    e = np.random.default_rng(seed).standard_t(5, steps) * np.sqrt(3 / 5)
    returns = np.empty(steps)
    variance = 1e-4
    for t in range(steps):
        returns[t] = np.sqrt(variance) * e[t]
        variance = 3e-6 + 0.09 * returns[t] ** 2 + 0.88 * variance
    return 50 * np.exp(np.cumsum(returns))


def test_prices_have_no_season() -> None:
    seasons = [season(garch_price(seed), freq).steps for seed in range(20) for freq in ("B", None)]
    assert seasons.count(1) >= 38
    stock = find_season(load_source(StockSettings()).panel)
    assert stock.steps == 1
    assert stock.evidence.startswith("none: a weekly pattern (5 steps) explains 0.2 % of the ups and downs")
    assert "data.season_steps" in stock.evidence


def test_hours_with_days_and_days_with_weeks() -> None:
    hours = np.arange(24 * 7 * 20)
    daily = wave(24, len(hours))
    assert season(daily + noise(0, len(hours)), "h").steps == 24
    weekend = 2.0 * (hours // 24 % 7 > 4)
    assert season(daily + weekend + 0.1 * noise(0, len(hours)), "h").steps == 168
    assert season((STEPS % 7 > 4) + 0.5 * noise(0), "D").steps == 7
    weather = lfilter([1], [1, -0.75], 2.6 * noise(0))
    assert season(10 * wave(365.25) + weather, "D").steps == 365
    assert season(0.1 * np.arange(60) + wave(12, 60) + 0.3 * noise(0, 60), "MS").steps == 12
    assert season(0.1 * np.arange(40) + wave(4, 40) + 0.3 * noise(0, 40), "QE").steps == 4


def test_too_short_for_a_season_says_so() -> None:
    evidence = season(wave(24, 40), "h").evidence
    assert evidence.startswith("none: a daily pattern (24 steps) needs 48 steps, there are 40; a weekly pattern (168")
    assert season(np.arange(5.0)).steps == 1
    assert season(np.ones(100), "h").steps == 1


@pytest.mark.parametrize(("freq", "steps"), [("QS", 4), ("D", 7), ("MS", 12), ("W-SUN", 52)])
def test_of_three_cycles_under_half_their_size_of_noise_95_of_100_are_found(freq: str, steps: int) -> None:
    """`benchmarks/seasons.py` has the whole table."""
    count = steps * 3 + (steps == 52)
    rng = np.random.default_rng(steps)
    waves = [np.sqrt(2) * np.sin(2 * np.pi * (np.arange(count) / steps + rng.uniform())) for _ in range(100)]
    seasons = [season(y + 0.5 * rng.normal(size=count), freq).steps for y in waves]
    assert seasons.count(steps) >= 95
    assert season(waves[0], freq).steps == steps  # nor does a season without any noise escape


@pytest.mark.parametrize(("freq", "steps", "cycles"), [("D", 7, 3), ("h", 24, 2), ("MS", 12, 3), ("W-SUN", 52, 3)])
def test_of_random_patterns_95_of_100_are_found_wherever_the_series_begins(freq: str, steps: int, cycles: int) -> None:
    rng = np.random.default_rng(steps)
    period = 365.25 / 7 if steps == 52 else steps
    count = 0
    for _ in range(100):
        t = np.arange(np.ceil(period * cycles)) + rng.uniform(0, period)
        pattern = rng.normal(size=steps)[(t % period).astype(np.int64) % steps]
        y = pattern / pattern.std() + 0.5 * rng.normal(size=len(t))
        count += season(y, freq).steps == steps
    assert count >= 95


@pytest.mark.parametrize(("freq", "count"), [("QS", 12), ("D", 21), ("MS", 36), ("MS", 47)])
def test_of_a_hundred_without_a_season_95_get_none(freq: str, count: int) -> None:
    makers = (np.cumsum, lambda e: e, lambda e: lfilter([1], [1, -0.8], e))  # walk, noise, autoregression
    seasons = [season(makers[seed % 3](noise(seed, count)), freq).steps for seed in range(100)]
    assert seasons.count(1) >= 95


@pytest.mark.parametrize(("steps", "cycles"), [(7, 6), (12, 3), (12, 6), (24, 4)])
def test_many_series_without_a_season_do_not_make_one_together(steps: int, cycles: int) -> None:
    kinds = (lambda e: e, np.cumsum, lambda e: lfilter([1], [1, -0.5], e), lambda e: lfilter([1], [1, 0.5], e))
    passed = 0
    for panel in range(40):
        series = [kinds[panel % 4](noise(1_000 * panel + i, steps * cycles)) for i in range(20)]
        passed += seasonal_test([(y - y.mean()) / y.std() for y in series], steps).passed
    assert passed <= 3  # in the mean 2


def test_a_long_season_is_taken_where_repeating_it_errs_less() -> None:
    days = np.arange(3 * 365)
    weekly, yearly = 6.0 * (days % 7 > 4), 10 * wave(365, len(days))
    y = weekly + yearly + 0.1 * noise(0, len(days))
    near, far = find_season(panel_of(y, "D"), horizon=7), find_season(panel_of(y, "D"), horizon=60)
    assert (near.steps, far.steps) == (7, 365)
    assert "a weekly pattern (7 steps) explains" in far.evidence
    assert "repeating it errs" in far.evidence


def test_data_can_overrule_the_calendar_but_years_have_no_season() -> None:
    y = wave(30, 600) + 0.5 * noise(0, 600)
    assert season(y, "D").steps == 30
    assert season(y[:120], "YS").steps == 1


def test_many_series_speak_together() -> None:
    rng = np.random.default_rng(0)
    frame = pd.concat(
        pd.DataFrame(
            {
                "unique_id": f"s{i}",
                "ds": pd.date_range("2024-01-01", periods=80 + i, freq="h"),
                "y": wave(24, 80 + i) * rng.uniform(0.5, 50) + rng.normal(size=80 + i) + 100 * i,
            }
        )
        for i in range(30)
    )
    assert find_season(make_panel(frame)).steps == 24


def test_a_panel_in_which_few_series_have_a_season_has_none_and_says_so() -> None:
    rng, months = np.random.default_rng(7), pd.date_range("2018-01-01", periods=72, freq="MS")
    frames = []
    for i in range(12):
        y = rng.normal(size=72) + (1.2 * wave(12, 72) if i < 2 else 0.0)
        frames.append(pd.DataFrame({"unique_id": f"s{i}", "ds": months, "y": y}))
    found = find_season(make_panel(pd.concat(frames)))
    assert found.steps == 1
    assert "15.9 % of the ups and downs" in found.evidence
    assert "chance alone up to 14.1 %, but in too few of the series" in found.evidence
