"""A network in use: what was handed out stays as it was, and nothing that happens elsewhere changes what it says."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.panels import hidden, noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import ensemble
from forecast.forecasters.pretrained import Pretrained
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.transformed import transformed
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.training.settings import TrainingSettings

CELLS = {
    "lstm": LstmSettings(hidden_size=5, layers=2),
    "gru": GruSettings(hidden_size=5),
    "relu": RnnSettings(hidden_size=5, activation="relu"),
    "sigmoid": RnnSettings(hidden_size=5, activation="sigmoid"),
    "gaussian": LstmSettings(hidden_size=5, head="gaussian"),
    "averaged": GruSettings(hidden_size=5, fork_ensemble=3),
}
PROBLEM = Problem(horizon=4, context_steps=12, season_steps=6)


def fitted_on(settings):
    y = np.sin(np.arange(200) / 3) + 0.1 * np.random.default_rng(0).normal(size=200)
    panel = single_series(y, np.arange(200), Calendar(freq=None))
    training = TrainingSettings(lanes=4, chunk_steps=12, threads=1, accelerator="cpu")
    forecaster = replace(Recurrent(settings, training), learning_rates=(0.02,))
    return forecaster.fit(panel, panel.lengths, PROBLEM), panel


def all_of(live, rows):
    return [live.update(row).y_hat.copy() for row in rows]


ROWS, OTHERS = np.random.default_rng(1).normal(size=(2, 40)).tolist()


@pytest.mark.parametrize("settings", CELLS.values(), ids=CELLS)
def test_forecasts_that_were_handed_out_never_change(settings):
    fitted, panel = fitted_on(settings)
    live = fitted.start(panel)
    predicted = [live.forecast(), *(live.update(row) for row in ROWS[:20])]
    before = [copy.deepcopy((one.y_hat, one.quantiles)) for one in predicted]
    all_of(live, OTHERS)
    for one, (y_hat, quantiles) in zip(predicted, before, strict=True):
        np.testing.assert_array_equal(one.y_hat, y_hat)
        assert quantiles is None or np.array_equal(one.quantiles, quantiles)
    assert len({one.y_hat.tobytes() for one in predicted}) == len(predicted)


@pytest.mark.parametrize("settings", CELLS.values(), ids=CELLS)
def test_two_of_them_and_new_weights_do_not_disturb_each_other(settings):
    fitted, panel = fitted_on(settings)
    alone = all_of(fitted.start(panel), ROWS)
    one, other = fitted.start(panel), fitted.start(panel)
    together = []
    for row, another in zip(ROWS, OTHERS, strict=True):
        together.append(one.update(row).y_hat)
        other.update(another)
    np.testing.assert_array_equal(together, alone)
    if settings.head == "point":  # other heads are asked anew
        late = fitted.start(panel)
        with torch.no_grad():
            for part in fitted.network.parameters():
                part.zero_()
        np.testing.assert_array_equal(all_of(late, ROWS), alone)


@pytest.mark.parametrize("settings", [*CELLS.values(), "ensemble", "log", "windows", "pretrained"], ids=str)
def test_a_state_that_is_put_back_goes_on_bit_for_bit_however_rows_are_cut(settings):
    fitted, panel = fitted_as(settings)
    rows = np.abs(ROWS) + 0.1
    whole = fitted.start(panel).update_many(rows)
    one_by_one = fitted.start(panel)
    np.testing.assert_array_equal(whole.y_hat[:, None], [one_by_one.update(row).y_hat for row in rows.tolist()])
    live = fitted.start(panel)
    parts = [live.update_many(rows[:7]).y_hat]
    memory = {name: np.array(array) for name, array in live.memory().items()}
    live.update_many(rows[20:])
    other = fitted.of_series(0).start(panel.cut(np.array([PROBLEM.context_steps])))
    other.remember(memory)
    parts += [other.update_many(rows[7:8]).y_hat, other.update_many(rows[8:]).y_hat]
    np.testing.assert_array_equal(np.concatenate(parts), whole.y_hat)


def fitted_as(kind):
    """Something that is fitted on the panel of `fitted_on`, which is moved above zero."""
    if not isinstance(kind, str):
        return fitted_on(kind)
    _, panel = fitted_on(CELLS["lstm"])
    panel = replace(panel, values=panel.values + 3)
    regime = "windows" if kind == "windows" else "stream"
    training = TrainingSettings(lanes=4, chunk_steps=12, threads=1, accelerator="cpu", max_epochs=1, regime=regime)
    network = Recurrent(CELLS["lstm"], training)
    forecaster = {
        "ensemble": ensemble(network, 2),
        "log": transformed(network, "log"),
        "windows": network,
        "pretrained": Pretrained(),
    }[kind]
    return forecaster.fit(panel, panel.lengths, PROBLEM), panel


def test_a_number_is_a_number_however_it_is_handed_over():
    fitted, panel = fitted_on(CELLS["lstm"])
    predicted = [fitted.start(panel).update(row).y_hat for row in (2.0, 2, [2.0], np.float64(2.0), np.array(2.0))]
    for one in predicted[1:]:
        np.testing.assert_array_equal(one, predicted[0])


@pytest.mark.parametrize("row", [float("nan"), float("inf"), -float("inf"), [1.0, 2.0], []])
def test_what_is_no_finite_number_is_refused_and_changes_nothing(row):
    fitted, panel = fitted_on(CELLS["lstm"])
    live = fitted.start(panel)
    with pytest.raises(ForecastError, match="takes one finite number for each of 1 series, found"):
        live.update(row)
    np.testing.assert_array_equal(all_of(live, ROWS), all_of(fitted.start(panel), ROWS))


MASKED = np.isin(np.arange(120), [4, 5, 6, 12, 13, 30, 32, 70, *range(45, 60), *range(90, 95)])
"""Of seasons of 6: single steps, steps of the first season, and a gap of more than two."""


@pytest.mark.parametrize("marked", [True, False], ids=["gaps in training", "none"])
@pytest.mark.parametrize("kind", ["lstm", "gaussian", "averaged", "log"])
def test_through_gaps_it_forecasts_as_from_the_whole_past(kind, marked):
    """From the first steps of two series on, one after the other and many at once."""
    panel = panel_of(5 + noisy_sine(120, period=6), 9 + noisy_sine(120, period=6, seed=1))
    both = np.concatenate([MASKED, MASKED[::-1]])
    holed = hidden(panel, both)
    network = replace(
        Recurrent(CELLS.get(kind, CELLS["lstm"]), TrainingSettings(lanes=4, chunk_steps=12, threads=1)),
        learning_rates=(0.02,),
    )
    forecaster = transformed(network, "log") if kind == "log" else network
    fitted = forecaster.fit(holed if marked else panel, panel.lengths, PROBLEM)
    for i, steps in enumerate((3, 40)):
        one = holed.take(np.array([i]))
        y = np.where(one.masked[:, 0], np.nan, panel.target[120 * i : 120 * (i + 1)])
        alone = fitted.of_series(i)
        whole = alone.forecast(one, Origins(np.zeros(120 - steps, dtype=int), np.arange(steps, 120))).y_hat
        at_once = alone.start(one.cut(np.array([steps]))).update_many(y[steps:]).y_hat
        np.testing.assert_allclose(at_once, whole, rtol=1e-4)
        if marked:
            live = alone.start(one.cut(np.array([steps])))
            np.testing.assert_array_equal([live.update(row).y_hat[0] for row in y[steps:]], at_once)
    if marked:
        live = fitted.start(holed.cut(np.array([40, 40])))
        rows = np.where(both, np.nan, panel.target).reshape(2, 120).T[40:]
        *_, last = (live.update(row).y_hat for row in rows)
        np.testing.assert_allclose(
            last, fitted.forecast(holed, Origins(np.arange(2), np.array([119, 119]))).y_hat, 1e-4
        )


def test_blocks_that_are_missing_of_a_strong_season_cost_a_network_little(monkeypatch):
    """Read as the value before, as where no season is known, they cost it much more."""
    steps, season, horizon = 900, 24, 24
    y = 10 * np.sin(2 * np.pi * np.arange(steps) / season) + noisy_sine(steps, noise=0.5, period=168)
    masked = np.zeros(steps, dtype=bool)
    for start in np.random.default_rng(0).choice(np.arange(24, 880), 8, replace=False):
        masked[start : start + 12] = True
    whole, panel = panel_of(y), hidden(panel_of(y), masked)
    origins = Origins(np.zeros(176, dtype=int), np.arange(700, 876))
    origins = origins[~masked[origins.steps]]
    ahead = y[origins.steps[:, None] + np.arange(1, horizon + 1)]
    network = Recurrent(LstmSettings(hidden_size=16), TrainingSettings(threads=1, accelerator="cpu"))

    def error_on(data):
        fitted = network.fit(data.cut(np.array([700])), np.array([550]), Problem(horizon, 48, season))
        return np.abs(fitted.forecast(data, origins).y_hat - ahead).mean()

    complete, read_by_season = error_on(whole), error_on(panel)
    monkeypatch.setattr("forecast.reference.causal_features.in_place", lambda latest, *_: latest)
    read_as_before = error_on(panel)
    assert read_by_season < 1.15 * complete < 0.8 * read_as_before
