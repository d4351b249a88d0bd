from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest
from toys import HORIZON, PROBLEM, Answers, LastValue, Raises, a_panel, a_split, after_training

from forecast.errors import ForecastError
from forecast.evaluation.backtest import backtest, forecast_all, forecast_training, successive_results
from forecast.evaluation.fits import fit_all
from forecast.evaluation.split_origins import split_origins
from forecast.forecasters.interface import Forecasts, of_probabilities
from forecast.forecasters.pretrained import Pretrained
from forecast.questions.split import Split
from forecast.questions.task import forecast_task
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, single_series


@dataclass(frozen=True)
class Peeks:
    """Forecasts the truth if it is anywhere in the data that it is given; notes what it was given."""

    name: str = "peeks"
    kind: str = "network"
    notes: tuple[str, ...] = ()
    given: dict = field(default_factory=dict)

    def fit(self, past, train_steps, problem):
        self.given["fit"] = (past.lengths, train_steps)
        return self

    def forecast(self, past, origins):
        self.given["forecast"] = past.lengths
        targets = origins.rows(past)[:, None] + np.arange(1, HORIZON + 1)
        ends = past.offsets[origins.series + 1][:, None]
        inside = targets < ends
        return Forecasts(np.where(inside, past.target[np.minimum(targets, len(past.target) - 1)], 1e6))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_forecaster_is_given_nothing_after_the_last_origin(part):
    panel = a_panel()
    split = a_split(panel)
    peeks = Peeks()
    backtested = backtest([peeks], panel, split, PROBLEM, part=part)
    ends = split.before_test if part == "validation" else panel.lengths
    fitted_on, train_steps = peeks.given["fit"]
    np.testing.assert_array_equal(fitted_on, split.before_test)
    np.testing.assert_array_equal(train_steps, split.train)
    np.testing.assert_array_equal(peeks.given["forecast"], ends - HORIZON)
    last = backtested.results[backtested.results["cutoff"] == backtested.results["cutoff"].max()]
    assert (last["y_hat"] == 1e6).all()


@pytest.mark.parametrize(("part", "first"), [("validation", 33), ("test", 45)])
def test_origins_cover_their_split_and_no_other(part, first):
    panel = a_panel(lengths=(60,))
    origins = split_origins(panel, a_split(panel), HORIZON, part)
    end = {"validation": 45, "test": 60}[part]
    assert origins.steps.tolist() == list(range(first - 1, end - HORIZON))
    assert split_origins(panel, a_split(panel), HORIZON, part, stride=3).steps.tolist() == list(
        range(first - 1, end - HORIZON, 3)
    )


def test_one_fit_serves_both_splits():
    panel, fitted = a_panel(), []

    @dataclass(frozen=True)
    class Counted(LastValue):
        def fit(self, past, train_steps, problem):
            fitted.append(self.name)
            return self

    split = a_split(panel)
    fits = fit_all([Counted("a"), Counted("b")], panel, split, PROBLEM)
    validation = forecast_all(fits, panel, split, PROBLEM, part="validation")
    test = forecast_all(fits, panel, split, PROBLEM, part="test")
    assert fitted == ["a", "b"]
    assert (validation.results["ds"].max(), test.results["ds"].max()) == (panel.times[44], panel.times[59])
    composed = backtest([LastValue("a"), LastValue("b")], panel, split, PROBLEM)
    assert composed.results.equals(test.results)


@pytest.mark.parametrize("at", ["fit", "forecast"])
def test_a_forecaster_that_raises_is_a_row_with_its_reason(at):
    panel = a_panel()
    error = ZeroDivisionError("nothing\nto divide")
    backtested = backtest([Raises(error, at), LastValue()], panel, a_split(panel), PROBLEM)
    assert backtested.failures == {"broken": "ZeroDivisionError: nothing to divide"}
    assert backtested.attempts[0].error is error
    assert list(backtested.results["model"].unique()) == ["naive"]
    assert backtested.of_kind("network", "naive") == ("naive",)
    failed = backtest([Raises(ForecastError("too short"))], panel, a_split(panel), PROBLEM)
    assert failed.failures == {"broken": "too short"}
    assert failed.results.empty


def test_an_interrupt_goes_through():
    panel = a_panel()
    for at in ("fit", "forecast"):
        with pytest.raises(KeyboardInterrupt):
            backtest([Raises(KeyboardInterrupt(), at)], panel, a_split(panel), PROBLEM)


def test_forecasts_of_the_wrong_shape_or_not_finite_are_failures():
    panel = a_panel(lengths=(60,))
    good = np.zeros((12, HORIZON))
    holed = good.copy()
    holed[3, 1] = np.nan
    given = [Answers(good, "good"), Answers(good[:, :-1], "short"), Answers(holed, "holed")]
    backtested = backtest(given, panel, a_split(panel), PROBLEM)
    assert backtested.failures == {
        "short": "ValueError: the forecast has shape (12, 3), expected (origin, step) = (12, 4)",
        "holed": "ValueError: the forecast is not finite at 1 of 12 origins",
    }


def test_names_are_the_keys_of_a_mapping_and_never_shared():
    panel = a_panel()
    backtested = backtest({"mine": LastValue(), "yours": LastValue()}, panel, a_split(panel), PROBLEM)
    assert list(backtested.results["model"].cat.categories) == ["mine", "yours"]
    assert set(backtested.fitted) == {"mine", "yours"}
    with pytest.raises(ForecastError, match="2 forecasters are called 'naive': give each its own name"):
        backtest([LastValue(), LastValue()], panel, a_split(panel), PROBLEM)


def test_a_split_without_an_origin_is_the_users_mistake():
    panel = a_panel(lengths=(60,))
    split = Split(train=np.array([57]), validation=np.array([0]))
    with pytest.raises(ForecastError, match="no step of the test split, which has 3, has a value and"):
        backtest([LastValue()], panel, split, PROBLEM)


def test_times_notes_and_progress_are_kept():
    panel, seen = a_panel(), []
    noted = replace(LastValue(), notes=("fitted on 3 of 9 windows",))
    backtested = backtest(
        [noted], panel, a_split(panel), PROBLEM, on_progress=lambda stage, name: seen.append((stage, name))
    )
    attempt = backtested.attempts[0]
    assert seen == [("fit", "naive"), ("forecast", "naive")]
    assert attempt.notes == ("fitted on 3 of 9 windows",)
    assert attempt.fit_seconds >= 0
    assert attempt.forecast_seconds >= 0


def test_scales_come_from_the_training_split():
    panel = a_panel()
    split = a_split(panel)
    changed = after_training(panel, split, 50.0)
    first, second = (backtest([LastValue()], p, split, PROBLEM) for p in (panel, changed))
    np.testing.assert_array_equal(first.scales.absolute, second.scales.absolute)


LENGTH, SYMBOL_HORIZON = 300, 2


@dataclass(frozen=True)
class Bigram:
    """Counts what followed what in training."""

    name: str = "bigram"
    kind: str = "naive"
    notes: tuple = ()
    shares: object = None

    def fit(self, past, train_steps, problem):
        size = len(past.symbols)
        counts = np.ones((problem.horizon, size, size))
        for (_, rows), steps in zip(past.series(), train_steps, strict=True):
            y = past.target[rows][:steps].astype(int)
            for h in range(problem.horizon):
                np.add.at(counts[h], (y[: -h - 1], y[h + 1 :]), 1)
        return replace(self, shares=counts / counts.sum(axis=-1, keepdims=True))

    def forecast(self, past, origins):
        codes = past.target[origins.rows(past)].astype(int)
        return of_probabilities(self.shares[:, codes].transpose(1, 0, 2))

    def chosen(self):
        return self


def test_successive_results_are_those_of_the_first_of_all_origins():
    rng = np.random.default_rng(0)
    ids = ("a", "b")
    one = single_series(np.zeros(LENGTH), np.arange(LENGTH), Calendar(freq=None), "s")
    panel = replace(
        one,
        values=rng.integers(0, 3, (2 * LENGTH, 1)).astype(float),
        observed=np.ones((2 * LENGTH, 1), dtype=bool),
        offsets=np.array([0, LENGTH, 2 * LENGTH]),
        times=np.tile(one.times, 2),
        ids=ids,
        channels=(Channel("s", "target", categories=("x", "y", "z")),),
    )
    task = forecast_task(panel, SYMBOL_HORIZON, target_type="symbol")
    fits = fit_all([Bigram()], panel, task.split, task.problem)
    thin = forecast_all(fits, panel, task.split, task.problem, stride=7)
    every = forecast_all(fits, panel, task.split, task.problem, stride=1).results
    for uid in ids:
        actual = successive_results(thin, panel, task.split, task.problem, models=["bigram"], uid=uid, most=20)
        expected = every[every["unique_id"] == uid].head(20 * SYMBOL_HORIZON).reset_index(drop=True)
        pd.testing.assert_frame_equal(actual, expected)
    none = successive_results(thin, panel, task.split, task.problem, models=["bigram"], uid="c", most=20)
    assert none.columns.tolist() == every.columns.tolist()
    assert none.empty


def test_the_training_split_is_forecast_by_all_but_networks_and_by_the_pretrained_one_too():
    panel = a_panel(lengths=(120,))
    split = a_split(panel)
    calls = []

    class Watched(LastValue):
        def fit(self, past, train_steps, problem):
            calls.append((self.name, past.lengths.tolist(), train_steps.tolist()))
            return self

    network = Watched("lstm", "network")
    pretrained = Pretrained()
    fits = fit_all({"naive": Watched(), "lstm": network, "mine": pretrained}, panel, split, PROBLEM)
    fits = replace(fits, attempts=tuple(replace(a, kind="network") if a.name == "mine" else a for a in fits.attempts))
    calls.clear()
    training = forecast_training(fits, panel, split, PROBLEM)
    train = int(split.train[0])
    assert calls == [("naive", [train // 2], [train // 2])]
    assert training.part == "training"
    assert set(training.results["model"].cat.categories) == {"naive", "mine"}
    assert training.results["ds"].min() == panel.times[train // 2]
    assert training.results["ds"].max() == panel.times[train - 1]
    assert forecast_training(fits, a_panel(lengths=(40,)), a_split(a_panel(lengths=(40,)), 12, 22), PROBLEM) is None
