"""The loss of absolute and percentage errors together, against metrics of the ecosystem and a loop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from utilsforecast.losses import smape

from forecast.network.head import Level
from forecast.network.heads import build_head, needs_level
from forecast.network.inputs import InputSpec
from forecast.network.settings import LstmSettings

HORIZON = 3


@pytest.fixture(name="forks")
def make_forks():
    """Differences, which of them exist, reference and scale of 50 forks of series of very different size."""
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 200, (50, 1))
    reference = scale * rng.uniform(2, 20, (50, HORIZON))
    return rng.normal(size=(50, HORIZON)), rng.random((50, HORIZON)) < 0.7, reference, scale


def head_of(forks):
    differences, exists, reference, scale = (torch.from_numpy(part) for part in forks)
    head, level = build_head(LstmSettings(loss="owa"), InputSpec(inputs=1, horizon=HORIZON)), Level(reference, scale)
    head.begin(differences, exists, level)
    return head, differences, exists, level


def shares(y, y_hat):
    """Symmetric percentage errors one by one, by utilsforecast, whose percentages are of |y| + |y_hat|."""
    table = pd.DataFrame({"unique_id": range(y.size), "y": y.ravel(), "forecast": y_hat.ravel()})
    return 2 * smape(table, models=["forecast"])["forecast"].to_numpy().reshape(y.shape)


def test_both_errors_of_the_untrained_reference_are_the_same_size(forks):
    head, differences, exists, level = head_of(forks)
    losses = head.loss(torch.zeros(50, HORIZON, 1, dtype=torch.float64), differences, level)
    there = exists.numpy()
    absolute = np.abs(forks[0])[there].mean()
    assert float(losses[exists].mean()) == pytest.approx(2 * absolute)
    percentage = shares(forks[2] + forks[0] * forks[3], forks[2])[there].mean()
    assert float(head.exchange) == pytest.approx(absolute / percentage)


def test_the_loss_is_scaled_plus_percentage_error(forks):
    head, differences, _, level = head_of(forks)
    raw = torch.randn(50, HORIZON, 1, dtype=torch.float64)
    point = head.point(raw, level).numpy()
    y, y_hat = forks[2] + forks[0] * forks[3], forks[2] + point * forks[3]
    expected = np.abs(y - y_hat) / forks[3] + float(head.exchange) * shares(y, y_hat)
    np.testing.assert_allclose(head.loss(raw, differences, level).numpy(), expected, rtol=1e-6)


def test_where_everything_is_zero_there_is_no_error_and_a_finite_gradient():
    head = build_head(LstmSettings(loss="owa"), InputSpec(inputs=1, horizon=HORIZON))
    zero = torch.zeros(2, HORIZON)
    level = Level(zero, torch.ones(2, 1))
    head.begin(zero, torch.ones(2, HORIZON), level)
    raw = torch.zeros(2, HORIZON, 1, requires_grad=True)
    losses = head.loss(raw, zero, level)
    losses.sum().backward()
    assert losses.tolist() == [[0.0] * HORIZON] * 2
    assert torch.isfinite(raw.grad).all()


def test_other_losses_need_not_know_where_the_series_stand():
    assert needs_level(LstmSettings(loss="owa"))
    assert not needs_level(LstmSettings(loss="mae"))
