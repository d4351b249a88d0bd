"""What units follow, on made-up outputs; and what forecasts are without a unit, against sums by hand."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.panels import noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.forecasters.recurrent import Recurrent
from forecast.inspection.following import follow
from forecast.inspection.units import map_units
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import rolling_origins, split_panel
from forecast.training.settings import TrainingSettings

SEASON = 12
PROBLEM = Problem(horizon=3, context_steps=24, season_steps=SEASON)
QUICK = TrainingSettings(max_epochs=2, batches_per_epoch=8)
STEPS = 240


def made_up():
    """A series' level, change and phase, and the outputs of units of which each follows one thing."""
    rng = np.random.default_rng(1)
    level, change = rng.normal(size=STEPS).cumsum(), rng.normal(size=STEPS)
    phase = np.arange(STEPS) % SEASON
    little = 0.3 * rng.normal(size=(STEPS, 8))
    outputs = np.stack(
        [
            rng.normal(size=STEPS),
            np.sin(2 * np.pi * phase / SEASON),
            change,
            -level / level.std(),
            0.7 - little[:, 4],  # never moves
            (phase == 9) * 3.0,
            level / level.std(),
            0.1 - little[:, 7],
        ],
        axis=1,
    )
    return outputs + little, level, change, phase


def test_units_are_sorted_by_what_they_follow():
    outputs, level, change, phase = made_up()
    found = follow(outputs, level, change, phase, size=float(np.ptp(level)))
    assert found.what == ("nothing", "season", "change", "level", "nothing", "season", "level", "nothing")
    assert found.silent.tolist() == [False] * 4 + [True] + [False] * 2 + [True]
    order = found.order().tolist()
    assert order[:5] == [6, 3, 1, 5, 2]  # with the level, against it; season by its peak; change
    assert order[5] == 0
    assert set(order[6:]) == {4, 7}
    assert found.peak[[1, 5]].tolist() == [3, 9]


def test_fits_are_the_squares_of_correlations():
    outputs, level, change, phase = made_up()
    found = follow(outputs, level, change, phase, size=float(np.ptp(level)))
    for unit in (0, 1, 2, 3, 5, 6):
        for column, quantity in ((0, level), (2, change)):
            r = np.corrcoef(outputs[:, unit], quantity)[0, 1]
            assert found.fits[unit, column] == pytest.approx(r**2)
            assert found.signs[unit, column] == np.sign(r)
        shape = np.zeros((STEPS, SEASON))
        shape[np.arange(STEPS), phase] = 1.0
        fitted, *_ = np.linalg.lstsq(shape, outputs[:, unit], rcond=None)
        left = ((outputs[:, unit] - shape @ fitted) ** 2).sum() / (STEPS - SEASON)
        assert found.fits[unit, 1] == pytest.approx(max(1 - left / outputs[:, unit].var(ddof=1), 0.0))


def test_a_season_of_many_phases_does_not_explain_noise_and_one_that_is_not_there_explains_nothing():
    rng = np.random.default_rng(0)
    outputs, other = rng.normal(size=(120, 30)), rng.normal(size=120)
    many = follow(outputs, other, other, np.arange(120) % 50, size=1.0)
    assert set(many.what) == {"nothing"}
    assert np.isfinite(many.fits[:, 1]).all()
    none = follow(outputs, other, other, np.zeros(120, dtype=np.int64), size=1.0)
    assert np.isnan(none.fits[:, 1]).all()
    too_short = follow(outputs[:60], other[:60], other[:60], np.arange(60) % 50, size=1.0)
    assert np.isnan(too_short.fits[:, 1]).all()
    still = follow(outputs, np.full(120, 5.0), other, np.zeros(120, dtype=np.int64), size=1.0)
    assert np.isnan(still.fits[:, 0]).all()


def fitted_on(panel, settings, training=QUICK):
    split = split_panel(panel, 0.15, 0.2, PROBLEM.context_steps, PROBLEM.horizon)
    return Recurrent(settings, training).fit(panel.cut(split.before_test), split.train, PROBLEM)


@pytest.fixture(scope="module")
def panel():
    return panel_of(noisy_sine(150, seed=2, period=SEASON), 50 + 5 * noisy_sine(220, seed=3, period=SEASON))


def features_by_hand(fitted, panel, series, step, context):
    """Features after a step: of a walk from the first, or of a window."""
    data = fitted._data(panel)
    end = int(panel.offsets[series]) + step + 1
    start = int(panel.offsets[series]) if context is None else end - context
    x = torch.from_numpy(data.inputs.at(np.arange(start, end)))[None]
    with torch.no_grad():
        features, state = fitted.network.features(x, torch.full(x.shape[:2], series), fitted.network.initial_state(1))
    return features[0, -1].numpy(), state


@pytest.mark.parametrize("regime", ["stream", "windows"])
@pytest.mark.parametrize(
    "settings",
    [LstmSettings(hidden_size=4, layers=2), GruSettings(hidden_size=3, segment_steps=3), RnnSettings(hidden_size=3)],
    ids=["lstm", "segmented", "rnn"],
)
def test_the_map_shows_what_the_network_does(panel, regime, settings):
    fitted = fitted_on(panel, settings, QUICK.model_copy(update={"regime": regime}))
    units = map_units(fitted, panel, 1, 150, 220)
    assert units.activity.outputs.shape == (70, settings.hidden_size * (2 if settings.layers == 2 else 1))
    for step in (150, 183, 219):
        features, state = features_by_hand(fitted, panel, 1, step, 24 if regime == "windows" else None)
        mine = units.activity.outputs[step - 150]
        np.testing.assert_allclose(mine[-len(features) :], features, atol=1e-5)
        if settings.layers == 2:
            np.testing.assert_allclose(mine[:4], state[0][0, 0].numpy(), atol=1e-5)
            assert units.activity.layer.tolist() == [1] * 4 + [2] * 4
            assert units.name(5) == "unit 2 of layer 2"
    gates = {"lstm": {"input", "forget", "output", "candidate"}, "gru": {"reset", "update", "candidate"}, "rnn": set()}
    assert set(units.activity.gates) == gates[settings.name]
    np.testing.assert_array_equal(units.y, panel.target[panel.offsets[1] + 150 :])


@pytest.mark.parametrize("strategy", ["direct", "seq2seq"])
def test_errors_of_the_whole_network_are_those_of_its_forecasts(panel, strategy):
    fitted = fitted_on(panel, GruSettings(hidden_size=4, reference="last", strategy=strategy))
    effects = map_units(fitted, panel, 0, 100, 150).effects
    origins = rolling_origins(panel, np.array([101, 220]), np.array([150, 220]), PROBLEM.horizon)
    ahead = origins.rows(panel)[:, None] + np.arange(1, 4)
    error = np.abs(panel.target[ahead] - fitted.forecast(panel, origins).y_hat).mean()
    assert effects.origins == len(origins)
    assert effects.error_of_all == pytest.approx(error, rel=1e-5)
    assert effects.change_without_any > 0
    assert (np.diff(effects.change) <= 0).all()


def test_a_unit_that_nothing_reads_changes_nothing_and_one_that_alone_is_read_changes_all(panel):
    fitted = fitted_on(panel, LstmSettings(hidden_size=4, reference="last"))
    network, weights = copy.deepcopy(fitted.network), np.array([1.5, -0.5, 2.0])
    with torch.no_grad():
        network.decoder.out.weight.zero_()
        network.decoder.out.weight[:, 2] = torch.from_numpy(weights)
    units = map_units(replace(fitted, network=network), panel, 1, 150, 220)
    effects = units.effects
    assert effects.units[0] == 2
    assert effects.change[1:].tolist() == [0.0] * 3
    np.testing.assert_array_equal(effects.error[1:], effects.error_of_all)
    assert effects.change[0] == effects.change_without_any
    assert effects.error[0] == effects.error_without_any
    output = units.activity.outputs[:, 2]
    away = (output[:67] - output.mean())[:, None] * weights  # of the 70 steps 67 have their horizon in the stretch
    expected = np.abs(away * network.head.unit.numpy() * fitted.scale[1]).mean()
    assert effects.change[0] == pytest.approx(expected, rel=1e-4)


def test_a_network_that_is_fed_back_is_judged_by_the_next_step(panel):
    fitted = fitted_on(panel, GruSettings(hidden_size=3, reference="last", strategy="recursive"))
    units = map_units(fitted, panel, 0, 100, 150)
    assert units.fed_back
    assert units.effects.horizon == 1


def test_the_latest_steps_of_a_long_split_are_looked_at(panel, monkeypatch):
    monkeypatch.setattr("forecast.inspection.units.MOST_STEPS", 40)
    units = map_units(fitted_on(panel, RnnSettings(hidden_size=3)), panel, 1, 0, 220)
    assert units.times.tolist() == list(range(180, 220))


def test_too_short_a_split_is_refused(panel):
    fitted = fitted_on(panel, RnnSettings(hidden_size=3))
    with pytest.raises(ForecastError, match="at least 5 steps, found steps 147 to 151"):
        map_units(fitted, panel, 0, 147, 151)
    with pytest.raises(ForecastError, match="at least 5 steps"):
        map_units(fitted, panel, 0, 147, 150)
