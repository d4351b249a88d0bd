"""`data.minimum`, `data.maximum`, `data.integer`: every forecast and quantile of every model lies where values can."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.forecasters.interface import QUANTILES
from forecast.questions.kinds import VALUE
from forecast.questions.value_range import ANY_VALUE, ValueRange
from forecast.runs.run import open_forecast, open_run
from forecast.tasks.finish import _range_offer
from forecast.tasks.predict import predict
from forecast.tasks.prepare import prepare
from forecast.tasks.terminal import silent
from forecast.tasks.train import train

DRIFT = {"name": "drift", "method": "drift"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Counts that fall towards zero, so that a trend goes on below it."""
    path = tmp_path_factory.mktemp("counts") / "counts.csv"
    y = np.random.default_rng(0).poisson(np.linspace(9, 0.4, 120))
    pd.DataFrame({"day": pd.date_range("2024-01-01", periods=120, freq="D"), "y": y}).to_csv(path, index=False)
    return {"name": "csv", "path": str(path), "calendar": "none", "season_steps": 1}


def job_of(data, **said):
    return small_job(data={**data, **said}, baseline__drift=DRIFT, horizon=8)


def test_values_are_moved_and_whole_quantiles_rounded_outwards():
    kept = ValueRange(0.0, 5.0, integer=True)
    assert kept.keep(np.array([-1.0, 2.4, 2.6, 9.0])).tolist() == [0, 2, 3, 5]
    quantiles = np.array([[-3.0, 0.2, 0.4, 1.5, 2.4, 2.6, 3.1, 4.2, 8.0]])
    assert kept.keep_quantiles(quantiles, QUANTILES).tolist() == [[0, 0, 0, 1, 2, 3, 4, 5, 5]]
    assert ANY_VALUE.keep(np.array([-1.5])).tolist() == [-1.5]


@pytest.mark.parametrize(("model", "offers"), [("drift", True), ("naive", False)])
def test_a_minimum_is_offered_for_what_is_recommended_not_for_other_rows(model, offers):
    after = pd.DataFrame({"model": ["drift", "naive"], "y_hat": [-5.0, 3.0], "q0.05": [-9.0, 1.0]})
    panel = SimpleNamespace(target=np.array([1.0, 4.0]), target_observed=np.array([True, True]))
    problem = SimpleNamespace(question=VALUE, value_range=ANY_VALUE)
    prepared = SimpleNamespace(panel=panel, task=SimpleNamespace(problem=problem))
    offered = _range_offer(prepared, after, SimpleNamespace(model=model))
    assert bool(offered) == offers
    assert not offers or "down to \u22129" in offered[0]


def test_everything_that_a_run_writes_lies_in_the_range(data, tmp_path):
    free = train(job_of(data), tmp_path / "free", silent())
    assert any("`data.minimum=0` keeps" in note for note in free.finished.notes)
    kept = train(job_of(data, minimum=0, maximum=20, integer=True), tmp_path / "kept", silent())
    assert not any("`data.minimum=0` keeps" in note for note in kept.finished.notes)
    assert min(row.quantiles[0] for row in open_forecast(free.folder) if row.model == "lstm") < 0
    results = [kept.evaluation.test.results["y_hat"].to_numpy(), *kept.evaluation.test.quantiles.values()]
    rows = [value for row in open_forecast(kept.folder) for value in (row.y_hat, *row.quantiles)]
    for values in (*results, np.array(rows)):
        finite = values[np.isfinite(values)]
        assert finite.min() >= 0
        assert finite.max() <= 20
        np.testing.assert_array_equal(finite, np.rint(finite))
    loose, tight = (run.evaluation.test.results.query("model == 'drift'")["y_hat"] for run in (free, kept))
    np.testing.assert_array_equal(tight, np.clip(np.rint(loose), 0, 20))
    assert open_run(kept.folder).problem.value_range == ValueRange(0, 20, integer=True)
    again = predict(kept.folder, {}, tmp_path / "again")
    assert again.future["y_hat"].min() >= 0


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"minimum": 3}, r"`data.minimum=3` keeps forecasts where all values are, and \d+ values of the data are not"),
        ({"maximum": 3}, r"`data.maximum=3` keeps .* first 9 at 2024-01-02 in series 'y'"),
        ({"minimum": 3, "maximum": 2}, "minimum should be less than maximum"),
    ],
)
def test_data_outside_of_the_range_are_named(data, said, line):
    with pytest.raises(ForecastError, match=line):
        prepare(job_of(data, **said))


def test_probabilities_have_no_such_range(data):
    with pytest.raises(ForecastError, match=r"`model.head=direction` forecasts probabilities"):
        prepare(small_job(data={**data, "minimum": 0}, model__head="direction"))
