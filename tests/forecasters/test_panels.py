"""Panels: a panel of one is a single series, and in which order a file has its series changes no forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracles.panels import noisy_sine, panel_of, random_walk

from forecast.forecasters.baselines import build_baseline
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.settings import ReferenceSettings, RegressionSettings, RuleSettings
from forecast.network.settings import LstmSettings
from forecast.questions.split import last_origins
from forecast.questions.task import forecast_task
from forecast.reading.frames import make_panel
from forecast.reading.sources import read_csv
from forecast.training.settings import TrainingSettings

CLOSED = (
    RuleSettings(name="naive", method="naive"),
    RuleSettings(name="seasonal_naive", method="seasonal_naive"),
    RuleSettings(name="drift", method="drift"),
    ReferenceSettings(name="level", method="reference", reference="level"),
    ReferenceSettings(name="blend", method="reference", reference="blend"),
)
RIDGE = RegressionSettings(name="ridge", method="regression", regressor="ridge", max_windows=50)
FOREST = RegressionSettings(name="forest", method="regression", regressor="random_forest", params={"n_estimators": 3})


def network(regime="stream"):
    training = TrainingSettings(max_epochs=2, chunk_steps=16, lanes=2, regime=regime, batches_per_epoch=3)
    return Recurrent(LstmSettings(hidden_size=4, reference="blend"), training)


def everything():
    return [*(build_baseline(one, 0) for one in (*CLOSED, RIDGE, FOREST)), network(), network("windows")]


def forecasts(forecaster, panel):
    question = forecast_task(panel, 6, season_steps=10, validation=20, test=20)
    past = panel.cut(question.split.before_test)
    return forecaster.fit(past, question.split.train, question.problem).forecast(past, last_origins(past)).y_hat


def table(*names, steps=120):
    parts = [
        pd.DataFrame({"unique_id": name, "ds": np.arange(steps + 7 * i), "y": noisy_sine(steps + 7 * i, 0.3, seed=i)})
        for i, name in enumerate(names)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("forecaster", everything(), ids=lambda one: one.name)
def test_a_panel_of_one_is_a_single_series(forecaster):
    long = table("shop 7")
    one, single = make_panel(long), make_panel(long.drop(columns="unique_id"))
    assert (one.ids, single.ids) == (("shop 7",), ("y",))
    np.testing.assert_array_equal(forecasts(forecaster, one), forecasts(forecaster, single))


@pytest.fixture(scope="module")
def two_orders(tmp_path_factory):
    """The same series in two files: one after the other, and with all rows shuffled."""
    folder = tmp_path_factory.mktemp("orders")
    long = table("H1", "H2", "H10", "b", "a")
    long.to_csv(folder / "as it is.csv", index=False)
    backwards = pd.concat([rows for _, rows in list(long.groupby("unique_id", sort=False))[::-1]])
    backwards.to_csv(folder / "backwards.csv", index=False)
    return read_csv(folder / "as it is.csv"), read_csv(folder / "backwards.csv"), make_panel(long.iloc[::-1])


@pytest.mark.parametrize("forecaster", everything(), ids=lambda one: one.name)
def test_the_order_of_a_file_changes_no_forecast(forecaster, two_orders):
    """Exactly: series are put in the order of their ids as they are read."""
    first, *others = (forecasts(forecaster, panel) for panel in two_orders)
    assert {panel.ids for panel in two_orders} == {("H1", "H2", "H10", "a", "b")}
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize("settings", CLOSED, ids=lambda one: one.name)
def test_closed_forms_know_no_order_of_a_panel_either(settings):
    panel = panel_of(*(random_walk(120 + 9 * i, seed=i) for i in range(4)))
    order = np.array([2, 0, 3, 1])
    forecaster = build_baseline(settings, 0)
    actual = forecasts(forecaster, panel.take(order))
    np.testing.assert_allclose(actual, forecasts(forecaster, panel)[order], rtol=1e-9, atol=1e-9)


def test_a_row_a_series_and_a_row_a_step_are_the_same_panel(tmp_path):
    long = table("H1", "H2", "H10")
    wide = long.pivot_table(index="unique_id", columns="ds", values="y", sort=False)
    wide.columns = [f"V{j + 2}" for j in range(wide.shape[1])]
    wide.reset_index(names="V1").to_csv(tmp_path / "rows.csv", index=False)
    panel, expected = read_csv(tmp_path / "rows.csv"), make_panel(long)
    assert panel.ids == expected.ids
    np.testing.assert_array_equal(panel.offsets, expected.offsets)
    np.testing.assert_array_equal(panel.target, expected.target)
    columns = long.pivot_table(index="ds", columns="unique_id", values="y").reset_index()
    columns.to_csv(tmp_path / "columns.csv", index=False)
    np.testing.assert_array_equal(read_csv(tmp_path / "columns.csv", layout="columns").target, expected.target)


@pytest.mark.parametrize("regime", ["stream", "windows"])
def test_row_by_row_over_several_series_is_what_the_walk_gives(regime):
    """A series forecasts from its own past alone, however long the others are."""
    steps = 5
    panel = panel_of(*(noisy_sine(150 + 20 * i, 0.3, seed=i) * 10.0**i for i in range(3)))
    question = forecast_task(panel, 6, season_steps=10, validation=20, test=20)
    past = panel.cut(question.split.before_test)
    fitted = network(regime).fit(past, question.split.train, question.problem)
    live = fitted.start(past)
    for i in range(steps):
        now = live.update(panel.target[panel.offsets[:-1] + past.lengths + i])
        known = panel.cut(past.lengths + i + 1)
        expected = fitted.forecast(known, last_origins(known)).y_hat
        np.testing.assert_allclose(now.y_hat, expected, rtol=1e-5, atol=1e-5)
    assert now.ids == panel.ids
