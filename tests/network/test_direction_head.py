"""The head of direction against scikit-learn: its loss, and where it begins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles.panels import panel_of
from sklearn.metrics import log_loss

from forecast.network.head import mean_where
from forecast.network.heads import DirectionHead
from forecast.network.network import Network
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import DIRECTION, Problem
from forecast.questions.outcomes import rise_rates, risen
from forecast.reference.encoding import fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale
from forecast.training.data import begin, network_data

RATES = np.array([0.5, 0.62, 0.97])


def begun():
    head = DirectionHead(3)
    head.begin_at(RATES)
    return head


def test_the_loss_is_scikit_learn_s_log_loss_of_the_forks_that_exist():
    rng = np.random.default_rng(0)
    raw = torch.from_numpy(rng.normal(size=(50, 3, 1))).float()
    rose = torch.from_numpy((rng.random((50, 3)) < 0.6).astype(np.float32))
    exists = torch.from_numpy((rng.random((50, 3)) < 0.8).astype(np.float32))
    logits = raw[..., 0].numpy().astype(float) + np.log(RATES / (1 - RATES))
    there = exists.numpy() == 1
    expected = log_loss(rose.numpy()[there], 1 / (1 + np.exp(-logits[there])))
    head = begun()
    assert mean_where(head.loss(raw, rose, None), exists).item() == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(head.point(raw, None), 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_untrained_it_is_the_base_rate():
    np.testing.assert_allclose(begun().point(torch.zeros(4, 3, 1), None), np.tile(RATES, (4, 1)), rtol=1e-6)


@pytest.mark.parametrize("reference", ["last", "blend"])
def test_a_fresh_network_learns_the_outcomes_and_says_their_base_rates(reference):
    """Whatever its reference; a value that is not observed is neither origin nor target."""
    rng = np.random.default_rng(1)
    seen = rng.random(300) > 0.1
    past = panel_of(np.round(rng.normal(0.1, 1, 300).cumsum(), 1), observed=[seen])
    steps, problem = np.array([250]), Problem(4, 10, 1, target_type="direction")
    settings = LstmSettings(hidden_size=4, head="direction")
    data = network_data(
        past,
        fit_reference(reference, past, steps, problem),
        fit_scale(past, steps, 1),
        fit_encoding(past, steps),
        question=DIRECTION,
    )
    rows = np.arange(200)
    target, exists = data.differences(rows, past.offsets[:-1] + steps)
    outcome = risen(past, rows, 4)
    np.testing.assert_array_equal(exists, ~np.isnan(outcome))
    np.testing.assert_array_equal(target[exists], outcome[exists])
    network = Network(settings, data.input_spec)
    begin(network, data, past.offsets[:-1] + steps)
    with torch.no_grad():
        features = torch.randn(5, network.backbone.feature_size)
        said = network.head.point(network.forecast(features, None), None)
    np.testing.assert_allclose(said, np.tile(rise_rates(past, steps, 4), (5, 1)), rtol=1e-6)
