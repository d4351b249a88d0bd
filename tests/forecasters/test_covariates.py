"""Covariates and holes in every forecaster: what reaches a forecast, what must not, and what it is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from oracles.saved import saved_parts
from sklearn.linear_model import Ridge
from test_contract import COUNTS, FORECASTERS

from forecast.errors import ForecastError
from forecast.forecasters.loading import load_network
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.regression import Regression
from forecast.network.settings import GruSettings, LstmSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, last_origins
from forecast.reference.encoding import fit_encoding
from forecast.series.calendar import Calendar
from forecast.series.date_features import with_features
from forecast.series.panel import Channel, KnownAhead, Panel, Statics
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=4, context_steps=8, season_steps=7)
QUICK = TrainingSettings(chunk_steps=16, lanes=4, max_epochs=3, accelerator="cpu", threads=1)
LENGTHS = np.array([90, 120])
TRAIN = np.array([60, 80])
BEYOND = 6
"""Steps that are known ahead after the end."""

NETWORKS = {
    "gru": Recurrent(GruSettings(hidden_size=6, id_embedding=2), QUICK),
    "lstm windows": Recurrent(
        LstmSettings(hidden_size=6), QUICK.model_copy(update={"regime": "windows", "batches_per_epoch": 5}), seed=2
    ),  # with this seed an epoch is kept
    "seq2seq": Recurrent(GruSettings(hidden_size=6, strategy="seq2seq", head="gaussian"), QUICK),
}
ON_CHANNELS = {
    "on all channels": Recurrent(LstmSettings(hidden_size=6, reference="ridge_channels"), QUICK),
    "on the calendar": Recurrent(LstmSettings(hidden_size=6, reference="calendar"), QUICK),
}
RIDGE = Regression("ridge", Ridge(alpha=1.0))
READERS = {**NETWORKS, "ridge": RIDGE}
AROUND = replace(PROBLEM, lags=2, leads=1)
PROBLEMS = {"each step": PROBLEM, "around": AROUND}


def make_panel(seed=0) -> Panel:
    """Two series of days with a number and a category known so far, a price ahead, and two static columns; holes."""
    rng = np.random.default_rng(seed)
    rows, ahead = int(LENGTHS.sum()), int((LENGTHS + BEYOND).sum())
    y = 10 + 2 * rng.standard_normal(rows)
    values = np.column_stack([y, rng.normal(20.0, 5.0, rows), rng.integers(0, 3, rows)])
    masked = np.zeros(values.shape, dtype=bool)
    masked[5:8, 0] = masked[40, 0] = masked[100:103, 0] = True
    masked[rng.integers(0, rows, 20), 1] = True
    masked[rng.integers(0, rows, 20), 2] = True
    days = [pd.date_range("2024-01-01", periods=n).to_numpy().astype("datetime64[ns]") for n in LENGTHS]
    panel = Panel(
        values=np.where(masked, 0.0, values),
        observed=~masked,
        offsets=np.array([0, *np.cumsum(LENGTHS)]),
        times=np.concatenate(days),
        ids=("a", "b"),
        channels=(
            Channel("y", "target"),
            Channel("temperature", "past"),
            Channel("sky", "past", ("sun", "rain", "fog")),
        ),
        calendar=Calendar("D"),
        masked=masked,
        ahead=KnownAhead(
            values=rng.normal(3.0, 1.0, (ahead, 1)),
            masked=np.zeros((ahead, 1), dtype=bool),
            offsets=np.array([0, *np.cumsum(LENGTHS + BEYOND)]),
            channels=(Channel("price", "future"),),
        ),
        static=Statics(
            values=np.array([[100.0, 0.0], [300.0, 1.0]]),
            masked=np.zeros((2, 2), dtype=bool),
            channels=(Channel("size", "static"), Channel("kind", "static", ("shop", "kiosk"))),
        ),
    )
    return with_features(panel, ("weekday",), BEYOND)


PANEL = make_panel()
ORIGINS = Origins(np.array([0, 0, 1, 1]), np.array([70, 84, 90, 114]))


@pytest.fixture(name="fitted", scope="module", params=[(name, of) for of in PROBLEMS for name in READERS], ids="-".join)
def fit(request):
    name, of = request.param
    result = READERS[name].fit(PANEL.cut(TRAIN + 10), TRAIN, PROBLEMS[of])
    if name in NETWORKS:  # noise cannot bear out what it has learnt: here all of it is used
        result.network.correction.fill_(1.0)
    return result


def predicted(fitted, panel=PANEL, origins=ORIGINS):
    return fitted.forecast(panel, origins).y_hat


def test_what_comes_after_an_origin_reaches_its_forecast_only_where_it_is_known_ahead(fitted):
    before = predicted(fitted)
    row = int(ORIGINS.rows(PANEL)[0])
    values = PANEL.values.copy()
    values[row + 1 : int(LENGTHS[0])] += 50.0
    values[row + 1 : int(LENGTHS[0]), 2] = 1.0
    np.testing.assert_allclose(predicted(fitted, replace(PANEL, values=values))[0], before[0], rtol=1e-5)

    known = PANEL.ahead.values.copy()
    known[row + PROBLEM.horizon + AROUND.leads + 1 : LENGTHS[0] + BEYOND] += 50.0  # beyond the horizon
    beyond = predicted(fitted, replace(PANEL, ahead=replace(PANEL.ahead, values=known)))
    np.testing.assert_allclose(beyond[0], before[0], rtol=1e-5)
    known[row + 1 : row + PROBLEM.horizon + 1, 0] += 5.0  # the price of each step of the horizon
    moved = np.abs(predicted(fitted, replace(PANEL, ahead=replace(PANEL.ahead, values=known)))[0] - before[0])
    assert (moved > 1e-4).all()
    cut = PANEL.cut(ORIGINS[:1].last_known(2))
    np.testing.assert_allclose(predicted(fitted, cut, ORIGINS[:1]), before[:1], rtol=1e-5)


def test_what_is_known_up_to_an_origin_reaches_its_forecast(fitted):
    before = predicted(fitted)
    row = int(ORIGINS.rows(PANEL)[0])
    for channel, value in ((1, 60.0), (2, 2.0 if PANEL.values[row, 2] != 2 else 0.0)):
        values, masked = PANEL.values.copy(), PANEL.masked.copy()
        values[row, channel], masked[row, channel] = value, False
        other = predicted(fitted, replace(PANEL, values=values, masked=masked))
        assert np.abs(other[0] - before[0]).max() > 1e-5


def without_past(panel):
    return replace(
        panel,
        values=panel.values[:, :1],
        observed=panel.observed[:, :1],
        masked=panel.masked[:, :1],
        channels=panel.channels[:1],
    )


@pytest.mark.parametrize("name", [name for name in FORECASTERS | READERS if name != COUNTS])  # the panel has no counts
def test_filling_a_hole_with_any_value_changes_nothing(name):
    forecaster = (FORECASTERS | READERS)[name]
    results = []
    for seed in (0, 1):
        noise = np.random.default_rng(seed).normal(0.0, 100.0, PANEL.values.shape)
        noise[:, 2] = 0.0
        panel = replace(PANEL, values=np.where(PANEL.masked, noise, PANEL.values))
        if isinstance(forecaster, Recurrent) and forecaster.settings.strategy == "recursive":
            panel = without_past(panel)  # which nobody could feed back
        results.append(predicted(forecaster.fit(panel.cut(TRAIN + 10), TRAIN, PROBLEM), panel))
    np.testing.assert_array_equal(*results)


def test_a_hole_is_marked_and_not_taken_for_a_value(fitted):
    """The same value, once observed and once put there by whoever fills holes, is not the same input."""
    row = int(ORIGINS.rows(PANEL)[0]) - 1
    values, masked = PANEL.values.copy(), PANEL.masked.copy()
    values[row, 0] = values[row - 1, 0]
    seen = predicted(fitted, replace(PANEL, values=values))
    masked[row, 0] = True
    assert np.abs(predicted(fitted, replace(PANEL, values=values, masked=masked))[0] - seen[0]).max() > 1e-6


@pytest.mark.parametrize("of", PROBLEMS)
@pytest.mark.parametrize("name", NETWORKS | ON_CHANNELS)
def test_saved_and_opened_it_says_the_same(name, of):
    fitted = (NETWORKS | ON_CHANNELS)[name].fit(PANEL.cut(TRAIN + 10), TRAIN, PROBLEMS[of])
    parts = saved_parts(fitted, PANEL)
    opened = load_network(fitted.forecaster, PROBLEMS[of], PANEL.ids, **parts)
    np.testing.assert_array_equal(predicted(opened), predicted(fitted))
    with pytest.raises(ForecastError, match="should be"):
        load_network(fitted.forecaster, PROBLEMS[of], PANEL.ids, **(parts | {"channels": PANEL.channels}))


@pytest.mark.parametrize("of", PROBLEMS)
@pytest.mark.parametrize("name", NETWORKS | ON_CHANNELS)
def test_row_by_row_it_is_what_it_is_on_the_whole_past(name, of):
    fitted = (NETWORKS | ON_CHANNELS)[name].fit(PANEL.cut(TRAIN + 10), TRAIN, PROBLEMS[of])
    begin = np.array([80, 110])
    live = fitted.start(PANEL.cut(begin))
    for i in range(10):
        rows = PANEL.offsets[:-1] + begin + i
        y = np.where(PANEL.masked[rows, 0], np.nan, PANEL.target[rows])
        y[0] = np.nan if i == 4 else y[0]
        past = [
            [None if PANEL.masked[r, 1] else PANEL.values[r, 1], PANEL.channels[2].categories[int(PANEL.values[r, 2])]]
            for r in rows
        ]
        past[1][1] = None if PANEL.masked[rows[1], 2] else past[1][1]
        past[0][1] = None if PANEL.masked[rows[0], 2] else past[0][1]
        now = live.update(y, past)
    masked = PANEL.masked.copy()
    masked[84, 0] = True
    whole = predicted(fitted, replace(PANEL, masked=masked), last_origins(PANEL))
    np.testing.assert_allclose(now.y_hat, whole, rtol=1e-4)
    with pytest.raises(ForecastError, match=r"takes the covariates temperature, sky of each of 2 series as `past=`"):
        live.update(y)
    np.testing.assert_array_equal(live.forecast().y_hat, now.y_hat)
    live.update(y, past)
    live.update(y, past)
    with pytest.raises(ForecastError, match=r"known ahead \(price\) of series 'a' end .* steps ahead"):
        live.update(y, past)


def test_other_covariates_than_in_training_are_refused(fitted):
    renamed = replace(PANEL, channels=(PANEL.channels[0], Channel("wind", "past"), PANEL.channels[2]))
    with pytest.raises(ForecastError, match="should be temperature, sky, as in training, found wind, sky"):
        predicted(fitted, renamed)
    with pytest.raises(
        ForecastError, match=r"should be price, sin\(weekday\), cos\(weekday\), as in training, found none"
    ):
        predicted(fitted, replace(PANEL, ahead=None))


def test_columns_are_those_of_pandas():
    """Numbers standardised on the training split, a column a category, marks; a new category is none of them."""
    encoding = fit_encoding(PANEL, TRAIN)
    columns = encoding.past_columns(PANEL, np.arange(len(PANEL.times)))
    frame = pd.DataFrame(np.where(PANEL.masked, np.nan, PANEL.values)[:, 1:], columns=["temperature", "sky"])
    trained = np.concatenate([np.arange(60), 90 + np.arange(80)])
    known = frame["temperature"].iloc[trained].dropna()
    number = ((frame["temperature"] - known.mean()) / known.std(ddof=0)).fillna(0.0)
    sky = pd.get_dummies(frame["sky"]).reindex(columns=[0.0, 1.0, 2.0], fill_value=False)
    expected = pd.concat([number, frame["temperature"].isna(), sky, frame["sky"].isna()], axis=1).astype(float)
    np.testing.assert_allclose(columns, expected, atol=1e-6)
    named = Channel("sky", "past", ("snow", "fog", "sun"))
    other = replace(PANEL, channels=(*PANEL.channels[:2], named))
    again = encoding.past_columns(other, np.arange(len(PANEL.times)))[:, 2:5]
    np.testing.assert_array_equal(again[:, 0], sky[2.0])  # what was written as 2 now means sun, the first of training
    np.testing.assert_array_equal(again[:, 1], 0.0)  # no rain in the new list
    np.testing.assert_array_equal(again[:, 2], sky[1.0])
    np.testing.assert_allclose(encoding.static_columns(PANEL), [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])


def flags(y, promo):
    """One series with a flag that is known ahead."""
    n = len(y)
    return replace(
        make_panel().take(np.array([0])),
        values=y[:, None],
        observed=np.ones((n, 1), dtype=bool),
        offsets=np.array([0, n]),
        times=np.arange(n),
        channels=(Channel("y", "target"),),
        calendar=Calendar(None),
        masked=None,
        static=None,
        ahead=KnownAhead(
            promo[:, None], np.zeros((len(promo), 1), dtype=bool), np.array([0, len(promo)]), (Channel("p", "future"),)
        ),
    )


@pytest.mark.parametrize("leads", [0, 1])
def test_effects_before_and_after_their_time_are_recovered(leads):
    """y = 2 promo + 3 of the step before, and with leads - 1 of the step after: by a network and by ridge, within 5 %.

    The effect is measured on forecasts, with a promotion on one day of the horizon less without.
    """
    rng = np.random.default_rng(4)
    n, horizon, day = 1500, 5, 2
    promo = (rng.random(n + horizon + 1) < 0.3).astype(float)
    y = 2 * promo[1 : n + 1] + 3 * promo[:n] - leads * promo[2 : n + 2] + 0.3 * rng.standard_normal(n)
    panel = flags(y, promo[1:])
    training = TrainingSettings(max_epochs=6, learning_rate=0.01, lanes=8, accelerator="cpu", threads=1)
    network = Recurrent(LstmSettings(hidden_size=4, loss="mse", reference="mean"), training)
    for forecaster in (network, Regression("ridge", Ridge(alpha=1.0), reference="mean")):
        problem = Problem(horizon, 10, lags=2, leads=leads)
        fitted = forecaster.fit(panel.cut(np.array([1300])), np.array([1100]), problem)
        origins = Origins(np.zeros(15, dtype=int), np.arange(1320, 1470, 10))
        effects = []
        for i in range(len(origins)):
            both = []
            for on in (1.0, 0.0):
                known = panel.ahead.values.copy()
                known[origins.steps[i] + 1 + day] = on
                other = replace(panel, ahead=replace(panel.ahead, values=known))
                both.append(fitted.forecast(other, origins[i : i + 1]).y_hat[0])
            effects.append(both[0] - both[1])
        expected = np.array([0.0, -leads, 2.0, 3.0, 0.0])
        np.testing.assert_allclose(np.mean(effects, axis=0), expected, atol=0.05 * 3)


def test_an_effect_that_is_known_ahead_is_learnt():
    """y = 3 promo + noise of 1: with the covariate the error is that of the noise, without it 1.8 times as much."""
    rng = np.random.default_rng(4)
    n, horizon = 2500, 5
    promo = (rng.random(n + horizon) < 0.5).astype(float)
    y = 3 * promo[:n] + rng.standard_normal(n)
    known = flags(y, promo)
    problem, train = Problem(horizon, 10), np.array([1800])
    origins = Origins(np.zeros(480, dtype=int), np.arange(2010, 2490))
    truth = y[origins.steps[:, None] + np.arange(1, horizon + 1)]
    training = TrainingSettings(max_epochs=40, learning_rate=0.01, accelerator="cpu", threads=1)
    network = Recurrent(LstmSettings(hidden_size=8, loss="mse", reference="mean"), training)
    for forecaster in (network, Regression("ridge", Ridge(alpha=1.0), reference="mean")):
        errors = []
        for panel in (known, known.target_alone()):
            fitted = forecaster.fit(panel.cut(np.array([2000])), train, problem)
            errors.append(np.sqrt(np.mean((fitted.forecast(panel, origins).y_hat - truth) ** 2)))
        noise = np.sqrt(np.mean((truth - 3 * promo[origins.steps[:, None] + np.arange(1, horizon + 1)]) ** 2))
        assert errors[0] < 1.05 * noise
        assert errors[1] > 1.6 * noise
