"""Heads against scipy: densities, quantiles, where they begin, and what they learn of distributions that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from forecast.network.head import Level
from forecast.network.heads import HEADS, build_head
from forecast.network.inputs import InputSpec
from forecast.network.settings import GruSettings
from forecast.questions.kinds import question_of_head

HORIZON = 3
PROBABILITIES = (0.01, 0.025, 0.1, 0.5, 0.8, 0.975, 0.999)
DISTRIBUTIONS = ["quantile", "gaussian", "student_t", "negative_binomial"]

OF_NUMBERS = [name for name in HEADS if not question_of_head(name).categorical]


def head_of(name, horizon=HORIZON, **settings):
    return build_head(GruSettings(head=name, **settings), InputSpec(inputs=1, horizon=horizon, symbols=4))


def begun(name, seed=0, **settings):
    """A head that has begun on 400 forks of counts around a reference, with the level of 7 of them."""
    rng = np.random.default_rng(seed)
    reference = rng.uniform(3.0, 20.0, (400, HORIZON))
    y = rng.negative_binomial(4.0, 4.0 / (4.0 + reference))
    scale = np.full((400, 1), 2.0)
    level = Level(torch.from_numpy(reference).float(), torch.from_numpy(scale).float())
    head = head_of(name, **settings)
    differences = torch.from_numpy((y - reference) / scale).float()
    head.begin(differences, torch.ones(400, HORIZON, dtype=torch.bool), level)
    return head, differences[:7], Level(level.reference[:7], level.scale[:7])


def raw_of(head, seed=1, size=0.7):
    return size * torch.from_numpy(np.random.default_rng(seed).standard_normal((7, HORIZON, head.size))).float()


def positive(raw):
    """Softplus with its shift, in the plainest way."""
    return np.log1p(np.exp(raw.numpy().astype(float) + np.log(np.e - 1)))


def scipy_distribution(name, head, raw, level):
    """The distribution that the raw numbers stand for, in units of the scale (counts: as counts)."""
    unit = head.unit.numpy().astype(float)
    location = raw[..., 0].numpy() * unit
    if name == "gaussian":
        return stats.norm(location, unit * positive(raw[..., 1]))
    if name == "student_t":
        freedom = 2 + 4 * positive(raw[..., 2])
        return stats.t(freedom, location, unit * np.sqrt(4 / 6) * positive(raw[..., 1]))
    mean = level.reference.numpy() * np.exp(raw[..., 0].numpy())
    r = 1 / (head.dispersion.numpy() * positive(raw[..., 1]))
    return stats.nbinom(r, r / (r + mean))


@pytest.mark.parametrize("name", ["gaussian", "student_t"])
def test_density_and_quantiles_are_scipy_s(name):
    head, target, level = begun(name)
    raw = raw_of(head)
    oracle = scipy_distribution(name, head, raw, level)
    np.testing.assert_allclose(head.loss(raw, target, level), -oracle.logpdf(target), rtol=2e-4, atol=2e-4)
    expected = np.stack([oracle.ppf(p) for p in PROBABILITIES], axis=-1)
    np.testing.assert_allclose(head.quantiles(raw, PROBABILITIES, level), expected, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(head.point(raw, level), oracle.mean(), rtol=1e-5, atol=1e-6)


def test_counts_are_scipy_s():
    head, target, level = begun("negative_binomial")
    raw = raw_of(head)
    oracle = scipy_distribution("negative_binomial", head, raw, level)
    y = (level.reference + target * level.scale).round().numpy()
    np.testing.assert_allclose(head.loss(raw, target, level), -oracle.logpmf(y), rtol=2e-4, atol=2e-4)
    told = level.reference[..., None] + head.quantiles(raw, PROBABILITIES, level) * level.scale[..., None]
    expected = np.stack([oracle.ppf(p) for p in PROBABILITIES], axis=-1)
    assert (np.abs(told.numpy() - expected) < 1e-3).mean() > 0.99  # a probability at the edge of a count may round
    mean = level.reference + head.point(raw, level) * level.scale
    np.testing.assert_allclose(mean, oracle.mean(), rtol=1e-4)


@pytest.mark.parametrize("levels", [(0.1, 0.5, 0.9), (0.5, 0.9), (0.05, 0.5), (0.025, 0.1, 0.25, 0.5, 0.75, 0.975)])
def test_the_pinball_loss_is_that_of_its_levels(levels):
    head, target, level = begun("quantile", quantiles=levels)
    raw = raw_of(head)
    told = head.quantiles(raw, levels, level).numpy()
    np.testing.assert_allclose(told, head.own_quantiles(raw), rtol=1e-4, atol=1e-5)
    expected = np.zeros((7, HORIZON))
    for k, tau in enumerate(levels):
        miss = target.numpy() - told[..., k]
        expected += 2 / len(levels) * np.where(miss > 0, tau * miss, (tau - 1) * miss)
    np.testing.assert_allclose(head.loss(raw, target, level), expected, rtol=1e-4, atol=1e-5)


def test_between_and_beyond_levels_quantiles_are_straight_in_normal_scores():
    """Levels whose gaps are those of a normal distribution give a normal distribution everywhere."""
    head = head_of("quantile")
    levels = head.levels
    head.gaps.copy_(torch.from_numpy(np.diff(stats.norm.ppf(levels))).expand(HORIZON, -1))
    asked = (0.001, 0.03, 0.4, 0.5, 0.77, 0.999)
    told = head.quantiles(torch.zeros(2, HORIZON, head.size), asked, None)
    np.testing.assert_allclose(told[0, 0], stats.norm.ppf(asked), atol=1e-5)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_quantiles_never_cross(name):
    head, _, level = begun(name)
    probabilities = np.linspace(0.001, 0.999, 41)
    for size in (0.1, 1.0, 10.0, 100.0):
        told = head.quantiles(raw_of(head, size=size), probabilities, level)
        assert torch.isfinite(told).all()
        assert (told.diff(dim=-1) >= -1e-5 * told.abs().amax(dim=-1, keepdim=True)).all()
    if name == "quantile":
        assert (head.own_quantiles(raw_of(head, size=5.0)).diff(dim=-1) > 0).all()


@pytest.mark.parametrize("name", [name for name in HEADS if not question_of_head(name).forecasts_probabilities])
def test_untrained_it_lies_at_the_reference(name):
    head, _, level = begun(name)
    np.testing.assert_allclose(head.point(torch.zeros(7, HORIZON, head.size), level), 0.0, atol=1e-6)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_untrained_it_spreads_as_the_reference_errs_in_training(name):
    """Errors of a size that depends on the step; one never errs, and is still finite."""
    rng = np.random.default_rng(3)
    spread = np.array([0.5, 2.0, 6.0])
    reference, scale = np.full((20_000, HORIZON), 40.0), np.ones((20_000, 1))
    level = Level(torch.from_numpy(reference).float(), torch.from_numpy(scale).float())
    if name == "negative_binomial":
        y = rng.negative_binomial(
            1 / np.array([0.1, 0.4, 1.0]), 1 / (1 + np.array([0.1, 0.4, 1.0]) * 40.0), (20_000, 3)
        )
        errors = y - reference
    else:
        errors = rng.standard_normal((20_000, 3)) * spread
    exists = rng.random((20_000, HORIZON)) < 0.8
    head = head_of(name)
    head.begin(torch.from_numpy(np.where(exists, errors, 0.0)).float(), torch.from_numpy(exists), level)
    here = Level(level.reference[:1], level.scale[:1])
    told = head.quantiles(torch.zeros(1, HORIZON, head.size), (0.1, 0.9), here)[0].numpy()
    expected = np.quantile(errors, (0.1, 0.9), axis=0).T
    tolerance = 0.15 if name == "student_t" else 0.08  # a t of the same deviation is narrower there
    np.testing.assert_allclose(np.diff(told), np.diff(expected), rtol=tolerance)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_a_reference_that_never_errs_leaves_everything_finite(name):
    head = head_of(name)
    level = Level(torch.full((50, HORIZON), 5.0), torch.ones(50, 1))
    zero = torch.zeros(50, HORIZON)
    head.begin(zero, torch.ones(50, HORIZON, dtype=torch.bool), level)
    raw = torch.zeros(50, HORIZON, head.size, requires_grad=True)
    loss = head.loss(raw, zero, level).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_losses_and_gradients_stay_finite_far_out(name):
    head, target, level = begun(name)
    for size in (1.0, 30.0, 1000.0):
        raw = raw_of(head, size=size).requires_grad_()
        head.loss(raw, target, level).sum().backward()
        assert torch.isfinite(raw.grad).all(), size


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_what_makes_the_loss_smallest_is_the_distribution_itself(name):
    """Raw numbers alone, stepped until the loss is small, find the quantiles of the data."""
    rng = np.random.default_rng(5)
    y = rng.negative_binomial(3.0, 3.0 / (3.0 + 12.0), 4000).astype(np.float32)
    level = Level(torch.full((4000, 1), 9.0), torch.full((4000, 1), 4.0))
    target = torch.from_numpy((y[:, None] - 9.0) / 4.0)
    head = head_of(name, horizon=1)
    head.begin(target, torch.ones(4000, 1, dtype=torch.bool), level)
    raw = torch.zeros(1, 1, head.size, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(raw.expand(4000, 1, -1), target, level).mean().backward()
        optimizer.step()
    here = Level(level.reference[:1], level.scale[:1])
    told = 9.0 + 4.0 * head.quantiles(raw.detach(), (0.1, 0.5, 0.9), here)[0, 0].numpy()
    expected = np.quantile(y, (0.1, 0.5, 0.9))
    loose = {"quantile": 0.7, "negative_binomial": 1.01}.get(name, 3.0)  # the symmetric ones cannot be skewed
    np.testing.assert_allclose(told, expected, atol=loose)


@pytest.mark.parametrize("levels", [(0.1, 0.9), (0.5,), (0.9, 0.5, 0.1), (0.5, 1.0), (0.0, 0.5), (0.5, 0.5)])
def test_levels_have_to_make_sense(levels):
    with pytest.raises(ValidationError, match=r"increasing, with 0\.5 among them"):
        GruSettings(quantiles=levels)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_scores_are_the_quantiles_turned_round(name):
    """What is drawn at a probability has that probability's normal score."""
    head, _, level = begun(name)
    raw = raw_of(head)
    for p in (0.01, 0.2, 0.5, 0.9, 0.999):
        target = head.quantile(raw, torch.full(raw.shape[:-1], p), level)
        if name == "negative_binomial":
            oracle = scipy_distribution(name, head, raw, level)
            y = (level.reference + target * level.scale).round().numpy()
            expected = stats.norm.ppf((oracle.cdf(y) + oracle.cdf(y - 1)) / 2)
        else:
            expected = np.full(target.shape, stats.norm.ppf(p))
        np.testing.assert_allclose(head.scores(raw, target, level), expected, atol=5e-3)
