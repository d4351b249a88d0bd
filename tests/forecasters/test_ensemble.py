"""Ensembles: what they forecast of their members' forecasts, what is saved, and how they go on row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import Ensemble, FittedEnsemble, ensemble
from forecast.forecasters.loading import load_ensemble
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=4, context_steps=12, season_steps=20)
TRAINING = TrainingSettings(chunk_steps=16, lanes=2, max_epochs=2, accelerator="cpu", threads=1)
NETWORK = Recurrent(GruSettings(hidden_size=4, reference="last"), TRAINING, seed=5)
PANEL = panel_of(noisy_sine(150), 3 + noisy_sine(130, seed=1))
TRAIN = np.array([120, 100])
ORIGINS = Origins(np.array([0, 0, 1]), np.array([125, 140, 120]))


@pytest.fixture(name="fitted", scope="module", params=[("median", "point"), ("mean", "gaussian")], ids=" of ".join)
def fit(request) -> FittedEnsemble:
    combine, head = request.param
    network = replace(NETWORK, settings=GruSettings(hidden_size=4, reference="last", head=head))
    return ensemble(network, 4, combine).fit(PANEL, TRAIN, PROBLEM)


def test_an_ensemble_of_one_is_the_network_itself():
    assert ensemble(NETWORK, 1) is NETWORK


def test_the_first_member_is_the_network_itself(fitted):
    assert fitted.forecaster.members[0].seed == NETWORK.seed
    assert len({member.seed for member in fitted.forecaster.members}) == 4  # what they forecast: test_contract


def test_another_seed_has_other_members():
    first, second = (ensemble(Recurrent(GruSettings(), TRAINING, seed=seed), 5) for seed in (0, 1))
    assert isinstance(first, Ensemble)
    assert isinstance(second, Ensemble)
    assert not {m.seed for m in first.members} & {m.seed for m in second.members}


def test_what_was_saved_is_restored_to_the_same_numbers(fitted):
    parts = {
        "channels": PANEL.channels,
        "facts": fitted.reference.facts(),
        "tensors": fitted.tensors(),
        "epochs": [member.epochs for member in fitted.members],
    }
    opened = load_ensemble(fitted.forecaster, PROBLEM, PANEL.ids, **parts)
    again, expected = opened.forecast(PANEL, ORIGINS), fitted.forecast(PANEL, ORIGINS)
    np.testing.assert_array_equal(again.y_hat, expected.y_hat)
    np.testing.assert_array_equal(again.quantiles, expected.quantiles)
    assert sum(name == "scale" for name in parts["tensors"]) == 1
    for spoilt in (
        {k: v for k, v in parts["tensors"].items() if not k.startswith("member3.")},
        parts["tensors"] | {"member4.network.input_unit": np.ones(3, dtype=np.float32)},
    ):
        with pytest.raises(ForecastError, match="should be"):
            load_ensemble(fitted.forecaster, PROBLEM, PANEL.ids, **(parts | {"tensors": spoilt}))


def test_row_by_row_it_is_what_it_is_on_the_whole_past(fitted):
    live = fitted.start(PANEL.cut(np.array([140, 120])))
    for i in range(10):
        predicted = live.update(np.array([PANEL.target[140 + i], PANEL.target[150 + 120 + i]]))
    whole = fitted.forecast(PANEL, Origins(np.array([0, 1]), np.array([149, 129])))
    np.testing.assert_allclose(predicted.y_hat, whole.y_hat, rtol=1e-5)
    np.testing.assert_array_equal(live.forecast().y_hat, predicted.y_hat)
    assert (predicted.quantiles is None) == (whole.quantiles is None)
    if whole.quantiles is not None:
        np.testing.assert_allclose(predicted.quantiles, whole.quantiles, rtol=1e-4)


def test_fitted_again_every_member_repeats_its_own_epochs(fitted):
    chosen = fitted.chosen()
    assert [len(member.learning_rates) for member in chosen.members] == [m.epochs for m in fitted.members]
    again = chosen.fit(PANEL, PANEL.lengths, PROBLEM)
    assert [m.epochs for m in again.members] == [m.epochs for m in fitted.members]
