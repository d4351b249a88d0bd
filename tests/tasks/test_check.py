from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.forecasters.interface import Forecasts
from forecast.tasks import check as module
from forecast.tasks.candidates import forecasters
from forecast.tasks.check import check
from forecast.tasks.prepare import settle


@dataclass(frozen=True)
class Leaking:
    """The last value, with a thousandth of the next one."""

    name: str = "leaking"
    kind: str = "naive"
    notes: tuple[str, ...] = ()

    def fit(self, past, train_steps, problem):
        return self

    def forecast(self, past, origins):
        rows = origins.rows(past)
        ahead = np.minimum(rows + 1, past.offsets[origins.series + 1] - 1)
        return Forecasts(np.repeat((past.target[rows] + 1e-3 * past.target[ahead])[:, None], 4, axis=1))


@pytest.mark.parametrize("regime", ["stream", "windows"])
@pytest.mark.parametrize("reference", ["auto", "blend", "mean"])
def test_our_own_forecasters_do_not_move(regime, reference):
    checked = check(small_job(training__regime=regime, training__batches_per_epoch=2, model__reference=reference))
    assert checked.leaks == ()
    assert checked.exit_status == 0
    assert checked.sentence.startswith("no forecast moved: 4 forecasters")


def test_a_planted_leak_is_found_and_named(monkeypatch):
    monkeypatch.setattr(module, "forecasters", lambda job: (*forecasters(job), Leaking()))
    checked = check(small_job())
    assert [leak.model for leak in checked.leaks] == ["leaking"]
    assert checked.exit_status == 1
    assert checked.sentence.startswith("leaking knows its future: for series")
    assert "\n" not in checked.sentence


def test_a_season_that_was_found_on_all_data_is_found_out(monkeypatch):
    def on_all(job, panel, *, shortened):
        actual = settle(job, panel, shortened=shortened)
        season = int(np.abs(panel.target).sum()) % 97 + 1
        return type(actual)(actual.split, type(actual.problem)(4, 8, season), actual.season)

    monkeypatch.setattr(module, "settle", on_all)
    assert "season and context" in check(small_job()).sentence


def test_a_baseline_that_cannot_be_fitted_is_said():
    checked = check(small_job(baseline__ridge__params={"alpha": "much"}, baseline__ridge__choose={}))
    assert "ridge could not be fitted" in checked.sentence
    assert checked.exit_status == 0


def test_a_network_that_cannot_be_trained_is_an_error():
    with pytest.raises(ForecastError, match="epoch"):
        check(small_job(training__learning_rate=1e30, training__optimizer="sgd"))
