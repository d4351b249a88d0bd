"""The families of made-up series, each against the moments that its process has."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.pretraining import generator
from forecast.pretraining.generator import FAMILIES, generate


def random():
    return np.random.default_rng(12)


class Fixed(np.random.Generator):
    """Makes the same choices for every series: all chances fall on `share`, ranges give their middle."""

    share = 0.5

    def random(self, size=None):
        of_steps = np.ndim(size) and size[-1] > 1
        return super().random(size) if of_steps else self.share if size is None else np.full(size, self.share)

    def uniform(self, low, high, size=None):
        return (low + high) / 2 if size is None else np.full(size, (low + high) / 2)


def fixed(share):
    rng = Fixed(np.random.PCG64(12))
    rng.share = share
    return rng


def correlation(values, lag):
    """Autocorrelation of each series about its mean, averaged over series, (series, step)."""
    centred = values - values.mean(axis=1, keepdims=True)
    pairs = (centred[:, lag:] * centred[:, :-lag]).mean(axis=1)
    return float((pairs / (centred**2).mean(axis=1)).mean())


def test_the_same_state_makes_the_same_series_and_families_stand_side_by_side():
    first, again = (generate(np.random.default_rng([5, 1]), 200, 50, 12) for _ in range(2))
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.observed, again.observed)
    other = generate(np.random.default_rng([5, 2]), 200, 50, 12)
    assert not np.array_equal(first.values, other.values)
    whole = (first.values == np.round(first.values)).all(axis=1).mean()
    assert 0.03 < whole < 0.2  # counts and what was rounded among them
    assert sum(share for share, _ in FAMILIES) == pytest.approx(1)
    assert {family.__name__: share for share, family in FAMILIES}["pure"] >= 0.15


@pytest.mark.parametrize("family", [family for _, family in FAMILIES], ids=lambda family: family.__name__)
@pytest.mark.parametrize(("steps", "season", "season2"), [(8, 1, 1), (60, 12, 1), (400, 24, 168)])
def test_every_family_is_finite_and_as_long_as_asked(family, steps, season, season2):
    values = family(random(), 40, steps, season, season2)
    assert values.shape == (40, steps)
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 1e5


def test_pure_series_have_white_changes_or_are_white():
    values = generator.pure(random(), 3000, 200, 12, 1)
    positive = (values > 0).all(axis=1)
    walks = np.where(positive[:, None], np.log(np.abs(values) + 1e-300), values)
    by_lag_one = np.array([np.corrcoef(y[1:], y[:-1])[0, 1] for y in walks])
    white = by_lag_one < 0.5
    assert 0.28 < white.mean() < 0.40  # a third is white noise
    changes = np.diff(walks[~white], axis=1)
    for lag in (1, 2, 12):
        assert abs(correlation(changes, lag)) < 0.03
        assert abs(correlation(walks[white], lag)) < 0.03


def test_noise_has_unit_size_and_the_correlation_of_its_process():
    values = generator._noise(random(), 4000, 300)
    assert np.median(values[:, 50:].std(axis=1)) == pytest.approx(1, abs=0.05)
    shocks = generator._innovations(random(), 4000, 300)
    assert shocks.std() == pytest.approx(1, abs=0.03)
    assert abs(correlation(shocks, 1)) < 0.02
    clustered = correlation(shocks**2, 1)
    assert clustered > 0.01  # variances of some follow each other (GARCH)


def test_an_autoregression_has_the_moments_of_its_pole(monkeypatch):
    monkeypatch.setattr(generator, "_level", lambda rng, parts: parts)
    monkeypatch.setattr(generator, "_pole", lambda rng: np.array([0.7]))
    stationary = generator.arma(fixed(0.9), 2000, 100, 12, 1)  # one pole, no zero, Laplace shocks of unit size
    assert stationary.var() == pytest.approx(1 / (1 - 0.7**2), rel=0.05)
    lagged = [(stationary[:, lag:] * stationary[:, : 100 - lag]).mean() / stationary.var() for lag in (1, 5)]
    np.testing.assert_allclose(lagged, [0.7, 0.7**5], atol=0.02)
    # two poles of 0.7 and a zero of 0, summed up: the changes are the process
    integrated = np.diff(generator.arma(fixed(0.2), 2000, 100, 12, 1), axis=1)
    assert correlation(integrated, 1) == pytest.approx(2 * 0.7 / (1 + 0.7**2), abs=0.03)
    # over a season: changes from season to season are half the process
    monkeypatch.setattr(generator, "_pole", lambda rng: np.array([0.0]))
    seasonal = generator.arma(fixed(0.35), 2000, 100, 12, 1)
    assert (seasonal[:, 12:] - seasonal[:, :-12]).std() == pytest.approx(0.5, rel=0.05)
    assert correlation(seasonal, 12) > 0.6


def test_a_trend_walks_or_grows_as_its_parts_say():
    walk = generator._trend(fixed(0.65), 3000, 80)  # a level that walks, no slope, no break
    size = np.sqrt(1e-3)  # the middle of what its steps range over
    assert np.diff(walk, axis=1).std() == pytest.approx(size, rel=0.03)
    assert (walk[:, 79] - walk[:, 15]).std() == pytest.approx(size * 8, rel=0.06)
    grown = generator._trend(fixed(0.45), 3000, 80)  # a slope that stays beside it
    per_step = np.sqrt(0.3 * 30) / 80
    assert (grown[:, 79] - grown[:, 0]).std() == pytest.approx(np.hypot(79 * per_step, size * np.sqrt(79)), rel=0.05)


def test_growth_lasts_at_its_rate_around_which_it_swings(monkeypatch):
    for part in ("_noise", "_seasons"):
        monkeypatch.setattr(generator, part, lambda rng, n, steps, *season: np.zeros((n, steps)))
    changes = np.diff(np.log(generator.growth(fixed(0.5), 3000, 80, 4, 1)), axis=1)  # upwards, multiplied, unbroken
    rate = np.sqrt(0.005 * 0.12) / 4
    assert changes.mean() == pytest.approx(rate, rel=0.02)
    swings, phi = changes[:, 20:] - rate, (0.3 + 0.97) / 2
    assert swings.std() == pytest.approx(np.sqrt(0.05 * 3) * rate, rel=0.02)
    assert (swings[:, 1:] * swings[:, :-1]).mean() / swings.var() == pytest.approx(phi, abs=0.02)


def test_a_structural_series_is_level_times_or_plus_its_parts(monkeypatch):
    for part in ("_trend", "_seasons", "_cycle"):
        monkeypatch.setattr(generator, part, lambda rng, n, steps, *season: np.zeros((n, steps)))
    multiplied = generator.structural(fixed(0.3), 500, 200, 1, 1)
    # 0.1, the middle of what noise ranges over, is left of normal noise about a level of 1
    np.testing.assert_allclose(np.log(multiplied).std(axis=1), 0.1, rtol=1e-6)
    added = generator.structural(fixed(0.5), 500, 200, 1, 1)
    np.testing.assert_allclose(added.mean(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(added.std(axis=1), 0.1, rtol=1e-6)


def test_a_pair_of_poles_swings_with_its_period(monkeypatch):
    monkeypatch.setattr(generator, "_pole", lambda rng: 0.95 * np.exp(2j * np.pi / 10 * np.array([1, -1])))
    monkeypatch.setattr(generator, "_level", lambda rng, parts: parts)
    values = generator.arma(random(), 300, 400, 1, 1)
    stationary = values[values.std(axis=1) < 30]
    power = np.abs(np.fft.rfft(stationary - stationary.mean(axis=1, keepdims=True), axis=1)) ** 2
    assert np.median(np.argmax(power[:, 5:], axis=1) + 5) == pytest.approx(40, abs=1)  # 400 steps / 10


@pytest.mark.parametrize(("season", "coarse"), [(12, 1), (24, 1), (168, 24)])
def test_a_season_returns_and_has_unit_size(season, coarse):
    values = generator._season(random(), 400, 6 * season, season, coarse)
    values = values[values.std(axis=1) > 0]  # profiles of free values may hold none
    assert np.median(values.std(axis=1)) == pytest.approx(1, abs=0.15)
    same, other = correlation(values, season), correlation(values, season // 2 + 1)
    assert same > 0.6
    assert other < 0.3
    if coarse > 1:  # constant over a day, for most
        assert (np.abs(np.diff(values, axis=1)) < 1e-9).mean() < 1


def test_counts_are_whole_and_half_of_them_are_intermittent():
    values = generator.counts(random(), 1000, 150, 12, 1)
    assert (values == np.round(values)).all()
    assert (values >= 0).all()
    zeros = (values == 0).mean(axis=1)
    assert 0.2 < (zeros > 0.3).mean() < 0.8


@pytest.mark.parametrize(("share", "chance"), [(0.9, 1.0), (0.1, 0.55)])
def test_counts_have_the_moments_of_a_negative_binomial(share, chance, monkeypatch):
    for part in ("_trend", "_seasons"):
        monkeypatch.setattr(generator, part, lambda rng, n, steps, *season: np.zeros((n, steps)))
    values = generator.counts(fixed(share), 3000, 100, 12, 1)
    mean, shape = np.exp(2.0), 5.0  # the middles of what both range over
    assert values.mean() == pytest.approx(chance * mean, rel=0.01)
    assert (values**2).mean() == pytest.approx(chance * (mean + mean**2 * (1 + 1 / shape)), rel=0.02)
    assert (values == 0).mean() == pytest.approx(1 - chance * (1 - (1 + mean / shape) ** -shape), abs=0.005)


def test_smooth_series_have_the_covariance_of_their_kernel(monkeypatch):
    for part in ("_noise", "_seasons"):
        monkeypatch.setattr(generator, part, lambda rng, n, steps, *season: np.zeros((n, steps)))
    monkeypatch.setattr(generator, "_level", lambda rng, parts: parts)
    rng = fixed(0.4)
    monkeypatch.setattr(Fixed, "integers", lambda self, high, size: np.zeros(size, dtype=int), raising=False)
    values = generator.smooth(rng, 4000, 60, 1, 1)  # twice a squared exponential, as long as the middle of its range
    apart, length = np.arange(60) / 59, np.sqrt(0.03)
    expected = 2 * np.exp(-0.5 * (apart / length) ** 2)
    np.testing.assert_allclose((values[:, :1] * values).mean(axis=0), expected, atol=0.12)


def test_smooth_series_change_slowly():
    values = generator.smooth(random(), 64, 200, 1, 1)
    jumps = np.abs(np.diff(values, axis=1)).mean(axis=1) / values.std(axis=1)
    assert np.median(jumps) < 0.3


def test_the_unit_spans_magnitudes_and_holes_are_few():
    batch = generate(random(), 2000, 40, 12)
    sizes = np.log10(np.abs(batch.values).mean(axis=1) + 1e-12)
    assert np.quantile(sizes, 0.05) < 0
    assert np.quantile(sizes, 0.95) > 3
    holes = (~batch.observed).any(axis=1).mean()
    assert 0.05 < holes < 0.15
    assert batch.observed[:, 0].all()


def test_of_two_seasons_some_have_days_of_another_shape_that_return_with_the_week():
    values = generator._seasons(random(), 1000, 336, 24, 168).reshape(1000, 14, 24)
    days = values - values.mean(axis=2, keepdims=True)
    days /= np.sqrt((days**2).sum(axis=2, keepdims=True)) + 1e-12
    among = np.einsum("nih,njh->nij", days[:, :7], days[:, :7]).min(axis=(1, 2))
    returns = np.einsum("nih,nih->ni", days[:, :7], days[:, 7:]).min(axis=1)
    share = ((among < 0.5) & (returns > 0.8)).mean()
    assert 0.31 < share < 0.42  # 0.27 without them: shapes drift, too
