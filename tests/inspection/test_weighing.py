"""What the probe says of the pretrained network: its weights and its correction make up its forecast."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forecast.forecasters.pretrained import Pretrained
from forecast.inspection.weighing import FAMILIES, PretrainedSystem, candidate_names, weighing_of
from forecast.questions.kinds import Problem
from forecast.questions.split import last_origins
from forecast.reference.bank import Bank
from forecast.reference.candidates import candidates
from forecast.reference.smoothers import CANDIDATES, second_season
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series


def system(season=12, n=60):
    rng, t = np.random.default_rng(0), np.arange(n)
    y = 100 + t + 10 * np.sin(2 * np.pi * t / 12) + rng.normal(0, 2, n)
    panel = single_series(y, t, Calendar(freq=None))
    return PretrainedSystem(Pretrained().fit(panel, panel.lengths, Problem(6, 1, season)), panel)


def test_weights_and_correction_make_up_the_forecast():
    one = system()
    weights, correction = one.fitted.start(one.past).weighing()
    bank = Bank(1, 12, second_season(12))
    for value in one.past.target:
        bank.update(np.array([value]), np.array([True]))
    made = (weights[0] * candidates(bank.snapshot(6), 6, 12, second_season(12))[0]).sum(axis=-1) + correction[0]
    y_hat = one.fitted.forecast(one.past, last_origins(one.past)).y_hat[0]
    np.testing.assert_allclose(made, y_hat, rtol=1e-5)


def test_every_candidate_belongs_to_a_family_and_weights_add_up_to_one():
    assert len(candidate_names()) == CANDIDATES
    found = weighing_of(system())
    np.testing.assert_allclose(found.families.sum(axis=0), 1, rtol=1e-5)
    assert found.origins == 20
    seasonal = [FAMILIES.index("a season"), FAMILIES.index("two seasons")]
    assert found.families[seasonal[0]].mean() > 0.2
    assert found.families[seasonal[1]].max() == 0  # months have none above the year
    flat = weighing_of(system(season=1))
    assert flat.families[seasonal].max() == 0
    short = weighing_of(system(n=4))
    assert short.origins == 4


def test_the_effect_of_a_change_in_units_is_none_but_in_the_correction():
    one = system()
    panel = single_series(one.past.target * 1000, one.past.times, Calendar(freq=None))
    tall = weighing_of(PretrainedSystem(one.fitted, panel))
    found = weighing_of(one)
    np.testing.assert_allclose(tall.families, found.families, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(tall.corrections, 1000 * found.corrections, rtol=1e-3)
    assert tall.change == pytest.approx(1000 * found.change)
    assert json.dumps(found.families.tolist())
