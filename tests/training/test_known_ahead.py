"""Where training begins for what is known ahead, against a regression on the very columns that made the series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import Problem
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, KnownAhead, single_series
from forecast.training.job import initial_network

PROBLEM = Problem(horizon=4, context_steps=8, lags=2, leads=0)
TRAIN = np.array([700])


def begun(effect, settings=None):
    """The untrained network on y = 0.5 y of the step before + `effect` of c at the step before + noise, and c."""
    rng = np.random.default_rng(2)
    c = rng.standard_normal(800 + PROBLEM.horizon)
    y = np.zeros(800)
    for t in range(1, 800):
        y[t] = 0.5 * y[t - 1] + effect(c[t - 1]) + 0.3 * rng.standard_normal()
    panel = single_series(y, np.arange(800), Calendar(None))
    hidden = np.zeros((len(c), 1), dtype=bool)
    known = KnownAhead(c[:, None], hidden, np.array([0, len(c)]), (Channel("c", "future"),))
    panel = replace(panel, ahead=known)
    _, job = Recurrent(settings or LstmSettings(hidden_size=3, reference="mean")).training_job(panel, TRAIN, PROBLEM)
    return initial_network(job), job.data, c


def read_off(network, data):
    """What is added for c at 60 origins after the training split, features being zero: (origin, horizon, size)."""
    rows = np.arange(705, 765)
    features = network.decoder.out.weight.new_zeros(len(rows), network.backbone.feature_size)
    return network.forecast(features, data.inputs.known_ahead(rows, PROBLEM.horizon)).detach().numpy()


@pytest.mark.parametrize("head", ["point", "gaussian"])
def test_it_begins_with_the_effects_of_a_regression(head):
    """What is added for c: its echo, 2 sin(c_{t+h-1}) + 0.5 (2 sin(c_{t+h-2})) + ... up to the origin."""
    network, data, c = begun(lambda x: 2 * np.sin(x), LstmSettings(hidden_size=3, reference="mean", head=head))
    raw = read_off(network, data)[..., network.head.location] * network.head.unit.numpy() * data.scale[0]
    for h in range(PROBLEM.horizon):
        at = np.arange(705, 765) + h + 1
        expected = sum(0.5**k * 2 * np.sin(c[at - 1 - k]) for k in range(h + 1))
        error = raw[:, h] - expected
        assert np.std(error) < 0.15 * np.std(expected)


def test_an_effect_one_step_later_is_recovered_within_5_percent():
    """y_t = 0.5 y_{t-1} + 2 c_{t-1} + noise: the slope on the value one step before, that of its echo after two."""
    network, data, c = begun(lambda x: 2 * x)
    raw = read_off(network, data)[..., 0] * network.head.unit.numpy() * data.scale[0]
    for h in range(1, PROBLEM.horizon):  # at the first step it is known at the origin
        at = np.arange(705, 765) + h + 1
        known = np.stack([c[at - 1 - k] for k in range(h + 1)] + [np.ones(60)], axis=1)
        slopes = np.linalg.lstsq(known, raw[:, h], rcond=None)[0]
        assert abs(slopes[0] / 2 - 1) < 0.05
        assert abs(slopes[1] - 1) < 0.1


def test_without_any_effect_it_begins_as_its_reference():
    network, data, _ = begun(lambda x: 0.0)
    np.testing.assert_array_equal(read_off(network, data), 0.0)
