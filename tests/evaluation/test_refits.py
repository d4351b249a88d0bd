"""Refits as the origins go on, against a loop that fits and forecasts origin by origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of
from toys import HORIZON, PROBLEM, a_panel

from forecast.evaluation.backtest import backtest, forecast_split
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.evaluation.refits import Refits
from forecast.evaluation.settings import BacktestSettings
from forecast.forecasters.baselines import build_baseline
from forecast.forecasters.interface import Forecasts
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.settings import RegressionSettings
from forecast.network.settings import LstmSettings
from forecast.questions.split import Origins, Split
from forecast.training.settings import TrainingSettings

EVERY = 5
SPLIT = Split(*(np.array(steps) for steps in ([60, 40], [14, 12], [13, 11])))
LENGTHS = (110, 75)


@dataclass(frozen=True)
class MeanOfAll:
    """Forecasts the mean of all rows that it was fitted on, and their number as the 0.975 quantile."""

    name: str = "mean"
    kind: str = "naive"
    notes: tuple[str, ...] = ()
    means: tuple[float, ...] = ()

    def fit(self, past, train_steps, problem):
        return MeanOfAll(self.name, means=tuple(float(past.target[rows].mean()) for _, rows in past.series()))

    def chosen(self):
        return MeanOfAll(self.name)

    def forecast(self, past, origins):
        of_origin = np.array(self.means)[origins.series]
        y_hat = np.repeat(of_origin[:, None], HORIZON, axis=1)
        return Forecasts(y_hat, np.repeat(y_hat[:, :, None], 9, axis=2), np.stack([y_hat, y_hat + 1]))


RIDGE = build_baseline(RegressionSettings(name="ridge", method="regression", regressor="ridge"), 0)
NETWORK = Recurrent(
    LstmSettings(hidden_size=3),
    TrainingSettings(accelerator="cpu", threads=1, max_epochs=3, chunk_steps=16, lanes=2, learning_rate=0.05),
)


def by_hand(forecaster, panel, first, ends):
    """Go through the origins one by one; fit anew wherever rows since the first fit are a multiple of `EVERY`."""
    rows = []
    fits = {0: forecaster.fit(panel.cut(SPLIT.fitted), SPLIT.train, PROBLEM)}
    for i in range(len(panel)):
        for known in range(first[i], ends[i] - HORIZON + 1):
            turns = (known - SPLIT.fitted[i]) // EVERY
            if turns not in fits:
                past = panel.cut(SPLIT.fitted + turns * EVERY)
                fits[turns] = fits[0].chosen().fit(past, past.lengths, PROBLEM)
            origin = Origins(np.array([i]), np.array([known - 1]))
            lengths = np.where(np.arange(len(panel)) == i, known, SPLIT.train)
            rows.append(fits[turns].forecast(panel.cut(lengths), origin).y_hat[0])
    return np.array(rows)


@pytest.mark.parametrize("forecaster", [MeanOfAll(), RIDGE, NETWORK], ids=["closed form", "ridge", "network"])
def test_refits_are_those_of_a_loop_over_the_origins(forecaster):
    panel = panel_of(*(noisy_sine(steps, seed=seed) for seed, steps in enumerate(LENGTHS)))
    fits = fit_all([forecaster], panel, SPLIT, PROBLEM)
    calibration = forecast_split(fits, panel, SPLIT, PROBLEM, part="calibration", refits=Refits(EVERY))
    test = backtest([forecaster], panel, SPLIT, PROBLEM, refit_every=EVERY)
    for actual, first, ends in (
        (calibration, SPLIT.fitted, SPLIT.before_test),
        (test, SPLIT.before_test, panel.lengths),
    ):
        y_hat = actual.results["y_hat"].to_numpy().reshape(-1, HORIZON)
        np.testing.assert_allclose(y_hat, by_hand(forecaster, panel, first, ends), rtol=1e-5, atol=1e-6)
    once = backtest([forecaster], panel, SPLIT, PROBLEM)
    assert not np.allclose(once.results["y_hat"], test.results["y_hat"])


def test_quantiles_and_members_keep_the_order_of_the_origins():
    panel = a_panel(lengths=LENGTHS)
    actual = evaluate(
        fit_all([MeanOfAll()], panel, SPLIT, PROBLEM), panel, SPLIT, PROBLEM, BacktestSettings(refit_every=EVERY)
    ).test
    y_hat = actual.results["y_hat"].to_numpy().reshape(-1, HORIZON)
    np.testing.assert_array_equal(actual.members["mean"][0], y_hat)
    np.testing.assert_array_equal(actual.members["mean"][1], y_hat + 1)
    assert len(np.unique(y_hat[:, 0])) == sum(
        len({(known - SPLIT.fitted[i]) // EVERY for known in range(SPLIT.before_test[i], n - HORIZON + 1)})
        for i, n in enumerate(LENGTHS)
    )


def test_no_refit_sees_a_row_behind_its_origin_and_none_is_begun_late():
    panel = a_panel(lengths=LENGTHS)
    seen = []

    class Watched(MeanOfAll):
        def fit(self, past, train_steps, problem):
            seen.append(past.lengths.tolist())
            return super().fit(past, train_steps, problem)

        def chosen(self):
            return self

    fits = fit_all([Watched()], panel, SPLIT, PROBLEM)
    forecast_split(fits, panel, SPLIT, PROBLEM, part="calibration", refits=Refits(EVERY, until=0.0))
    assert seen == [SPLIT.fitted.tolist()]
