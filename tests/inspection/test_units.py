"""What units follow, what forecasts are without a unit against sums by hand, and what is said and drawn of both."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.panels import noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.forecasters.recurrent import Recurrent
from forecast.inspection.hidden_units import Activity, Effects, follow
from forecast.inspection.units import UnitMap, kept_steps, map_units, unit_figures
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import rolling_origins, split_panel
from forecast.reporting.charts import Figure
from forecast.reporting.pictures import write_pictures
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
    following = follow(outputs, level, change, phase, size=float(np.ptp(level)))
    assert following.what == ("nothing", "season", "change", "level", "nothing", "season", "level", "nothing")
    assert following.silent.tolist() == [False] * 4 + [True] + [False] * 2 + [True]
    order = following.order().tolist()
    assert order[:5] == [6, 3, 1, 5, 2]  # with the level, against it; season by its peak; change
    assert order[5] == 0
    assert set(order[6:]) == {4, 7}
    assert following.peak[[1, 5]].tolist() == [3, 9]


def test_fits_are_the_squares_of_correlations():
    outputs, level, change, phase = made_up()
    following = follow(outputs, level, change, phase, size=float(np.ptp(level)))
    for unit in (0, 1, 2, 3, 5, 6):
        for column, quantity in ((0, level), (2, change)):
            r = np.corrcoef(outputs[:, unit], quantity)[0, 1]
            assert following.fits[unit, column] == pytest.approx(r**2)
            assert following.signs[unit, column] == np.sign(r)
        shape = np.zeros((STEPS, SEASON))
        shape[np.arange(STEPS), phase] = 1.0
        fitted, *_ = np.linalg.lstsq(shape, outputs[:, unit], rcond=None)
        left = ((outputs[:, unit] - shape @ fitted) ** 2).sum() / (STEPS - SEASON)
        assert following.fits[unit, 1] == pytest.approx(max(1 - left / outputs[:, unit].var(ddof=1), 0.0))


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
    fitted = Recurrent(settings, training).fit(panel.cut(split.before_test), split.train, PROBLEM)
    fitted.network.correction.fill_(1.0)  # after a few epochs, yet all of it is looked at
    return fitted


@pytest.fixture(scope="module")
def panel():
    return panel_of(noisy_sine(150, seed=2, period=SEASON), 50 + 5 * noisy_sine(220, seed=3, period=SEASON))


def features_by_hand(fitted, panel, series, step, context):
    """Features after a step: of a walk from the first, or of a window."""
    data = fitted.data(panel)
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
        outputs = units.activity.outputs[step - 150]
        np.testing.assert_allclose(outputs[-len(features) :], features, atol=1e-5)
        if settings.layers == 2:
            np.testing.assert_allclose(outputs[:4], state[0][0, 0].numpy(), atol=1e-5)
            assert units.activity.layer.tolist() == [1] * 4 + [2] * 4
            assert units.name(5) == "unit 2 of layer 2"
    gates = {"lstm": {"input", "forget", "output", "candidate"}, "gru": {"reset", "update", "candidate"}, "rnn": set()}
    assert set(units.activity.gates) == gates[settings.name]
    np.testing.assert_array_equal(units.y, panel.target[panel.offsets[1] + 150 :])


@pytest.mark.parametrize("strategy", ["direct", "seq2seq"])
def test_errors_of_the_whole_network_are_those_of_its_forecasts(panel, strategy):
    fitted = fitted_on(panel, GruSettings(hidden_size=4, reference="last", strategy=strategy))
    fitted.network.decoder.out.weight.data.add_(0.1)  # it may have stayed untrained
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
    away = (output[:67] - output.mean())[:, None] * weights  # of the 70 steps 67 have their horizon within them
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


def made_map(units=4, steps=96, *, gates=True, layers=1):
    hours = np.datetime64("2024-01-01", "ns") + np.arange(steps) * np.timedelta64(3600, "s")
    phase = np.arange(steps) % 24
    level = np.linspace(-1, 1, steps)
    kinds = [np.sin(2 * np.pi * phase / 24), level, np.random.default_rng(0).normal(size=steps), np.full(steps, 0.3)]
    outputs = np.stack([kinds[i % 4] for i in range(units)], axis=1)
    opened = {
        name: np.full((steps, units), value) for name, value in (("input", 0.2), ("forget", 0.5), ("candidate", -1))
    }
    return UnitMap(
        series="load <script>",
        times=hours,
        y=np.where(phase == 3, np.nan, level + phase),
        activity=Activity(outputs, opened if gates else {}, np.repeat(np.arange(1, layers + 1), units // layers)),
        following=follow(outputs, level, np.cos(np.arange(steps)), phase, size=2.0),
        effects=Effects(
            units=np.array([units - 4, units - 3, units - 2, units - 1]),
            change=np.array([2.0, 1.0, 0.5, 0.0]),
            error=np.array([4.0, 3.5, 3.0, np.nan]),
            error_of_all=3.25,
            change_without_any=2.5,
            error_without_any=5.0,
            origins=50,
            horizon=6,
        ),
        season_steps=24,
        level_steps=24,
        fed_back=False,
    )


def test_words_tell_what_was_found():
    seen, effects, gates = unit_figures(made_map())
    assert seen.says.startswith(
        "Of 4 hidden units, 1 follows the level (the mean of the last 24 values), 1 follows the season (the place in "
        "the day) and 0 follow the last change; 2 follow none of these (1 unit never moves at all)."
    )
    assert effects.says.startswith(
        "Without unit 1 (season) forecasts move by 2.00 on average and their error goes from 3.25 to 4.00; without "
        "unit 2 they move by 1.00; without unit 3 they move by 0.500. Without all of them they move by 2.50, and the "
        "error is 5.00."
    )
    assert "50 origins and 6 steps" in effects.says
    assert "unit 1 (input 0.20 and forget 0.50, so that half of what it holds is left after 1.0 steps)" in gates.says
    assert [panel.title for panel in gates.panels] == [
        "unit 1, follows season",
        "unit 2, follows level",
        "unit 3, follows nothing",
    ]


def test_rows_of_the_map_are_units_by_what_they_follow():
    seen = unit_figures(made_map())[0]
    cells, names = seen.panels[1].tables["cells"], seen.panels[1].tables["names"]
    assert [row["of"] for row in names] == ["unit 2", "unit 1", "unit 3", "unit 4"]
    assert names[0]["is"] == "level, 100 % of its variance"
    assert len(cells) == 4 * 96
    of_level = [row["z"] for row in cells if row["u"] == 0]
    level = np.linspace(-1, 1, 96)
    np.testing.assert_allclose(of_level, level / level.std(), atol=0.051)
    assert {row["z"] for row in cells if row["u"] == 3} == {0.0}
    assert [row["y"] for row in seen.panels[1].tables["ends"]] == [1, 2]


def test_many_units_and_long_splits_are_drawn_in_part():
    seen = unit_figures(made_map(units=400, steps=500))[0]
    assert "128 of them are drawn, evenly from all kinds." in seen.says
    assert len(seen.panels[1].tables["cells"]) == 128 * 96
    assert len(json.dumps(seen.panels[1].tables["cells"])) < 700_000
    times = [row["t"] for row in seen.panels[0].tables["lines"]]
    assert times[-2] == 1704067200000 + 499 * 3_600_000


@pytest.mark.parametrize("gates", [True, False])
def test_pictures_are_made(tmp_path, gates):
    figures = unit_figures(made_map(gates=gates, layers=2))
    assert [figure.name for figure in figures] == ["units", "unit_effects", "unit_gates"][: 3 if gates else 2]
    assert "Units of the last layer are switched off" in figures[1].says
    for figure in figures:
        assert isinstance(figure, Figure)
    assert min(path.stat().st_size for path in write_pictures(figures, tmp_path)) > 10_000


def test_half_is_left_after_the_steps_that_a_gate_says():
    assert kept_steps(np.full(5, 0.5**0.25)) == pytest.approx(4)
    assert kept_steps(np.ones(5)) == float("inf")
