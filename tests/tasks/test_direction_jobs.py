"""`model.head=direction` the whole way: backtest, verdict, page, run folder, newer data, panels, sweeps."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from oracles.panels import panel_of, random_walk
from small_jobs import small_job

from forecast.app import main
from forecast.errors import ForecastError
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.evaluation.metrics import score
from forecast.forecasters.baselines import SHIPPED, build_baseline
from forecast.forecasters.naive import BaseRate, NaiveRule, last_change
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import DIRECTION
from forecast.questions.split import last_origins
from forecast.questions.task import forecast_task
from forecast.runs.run import open_forecast, open_record, open_run
from forecast.tasks.check import check
from forecast.tasks.predict import SCORES, predict
from forecast.tasks.prepare import prepare
from forecast.tasks.terminal import silent
from forecast.tasks.train import train, validate
from forecast.training.settings import TrainingSettings

OF_DIRECTION = tuple(SHIPPED[name] for name in DIRECTION.baselines)

DAYS = pd.date_range("2024-01-01", periods=230, freq="D")


def write_csv(path, days):
    step = (days - DAYS[0]).days.to_numpy()
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(2, len(DAYS)))[:, : len(days)]
    columns = {
        "north": np.round(20 + 3 * np.sin(2 * np.pi * step / 7) + noise[0], 2),
        "south": np.round(90 + 5 * np.cos(2 * np.pi * step / 7) + noise[1], 2),
    }
    pd.DataFrame({"day": days.strftime("%Y-%m-%d"), **columns}).to_csv(path, index=False)
    return str(path)


def direction_job(**changes):
    return small_job(**{"model__head": "direction", **changes})


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """A run on two shops, an ensemble of two on their logarithms."""
    folder = tmp_path_factory.mktemp("shops")
    path = write_csv(folder / "shops.csv", DAYS[:220])
    data = {"name": "csv", "path": path, "target": ["north", "south"], "transform": "log"}
    job = direction_job(data=data, ensemble=2, horizon=5)
    return train(job, folder / "run", silent())


def test_the_results_are_outcomes_and_probabilities(shops):
    results = pd.read_parquet(shops.folder / "results.parquet")
    assert set(results["y"].dropna()) == {0.0, 1.0}
    assert results["y_hat"].between(0, 1).all()
    assert results["quantile"].isna().all()
    assert set(results["model"]) == {"lstm", "base_rate", "ridge", "momentum", "closed_form", "logistic"}
    panel = shops.prepared.panel
    for name, rows in panel.series():
        y = pd.Series(panel.target[rows], index=panel.times[rows])
        ours = results[(results["unique_id"] == name) & (results["model"] == "lstm")]
        expected = [y[ds] > y[cutoff] for ds, cutoff in zip(ours["ds"], ours["cutoff"], strict=True)]
        np.testing.assert_array_equal(ours["y"], expected)


def test_the_leaderboard_is_ranked_by_the_brier_score(shops):
    table = pd.read_csv(shops.folder / "leaderboard.csv")
    assert list(table.columns[:6]) == ["model", "kind", "brier", "accuracy", "auc", "log_loss"]
    assert table["brier"].is_monotonic_increasing
    assert "mase" not in table
    base = table.set_index("model").loc["base_rate"]
    assert base["auc"] == 0.5
    assert "Brier score" in shops.verdict
    assert "its 2 members alone" in shops.verdict


def test_the_forecast_holds_probabilities_and_no_intervals(shops):
    table = pd.read_csv(shops.folder / "forecasts.csv")
    assert list(table.columns) == ["unique_id", "ds", "model", "y_hat"]
    assert table["y_hat"].between(0, 1).all()
    assert len(table) == 2 * 5 * len(shops.leaderboard)
    record = open_record(shops.folder)
    assert record.intervals.offsets == {}
    assert record.validation["base_rate"] == pytest.approx(
        shops.evaluation.validation_scores.by_model.loc["base_rate", "brier"]
    )
    assert not any("interval" in note for note in record.notes)


def test_an_opened_run_says_the_same(shops):
    run = open_run(shops.folder)
    panel = shops.prepared.panel
    told, before = (one.forecast(panel, last_origins(panel)) for one in (run.network, shops.final["lstm"]))
    np.testing.assert_allclose(told.y_hat, before.y_hat, atol=1e-6)
    assert run.problem.target_type == "direction"
    assert {row.quantiles for row in open_forecast(shops.folder)} == {()}


def test_what_was_left_out_is_said(shops):
    (said,) = [note for note in shops.finished.notes if "left out" in note]
    assert said == "naive left out of the direction: repeats the last value, which is never higher than itself"


def test_the_page_tells_of_probabilities(shops):
    html = (shops.folder / "report.html").read_text(encoding="utf-8")
    for told in ("Do the probabilities come true?", "Brier score at each step ahead", "How likely", "will be higher"):
        assert told in html
    for untold in ("Forecasts against the truth", "The forecast ahead", "How sure the forecasts are", "copies the"):
        assert untold not in html


def test_newer_data_say_whether_the_probabilities_came_true(shops, tmp_path):
    path = write_csv(tmp_path / "newer.csv", DAYS)
    prediction = predict(shops.folder, {"path": path}, tmp_path / "out")
    file = pd.read_csv(path, index_col="day")
    before = pd.read_csv(shops.folder / "forecasts.csv")
    for model, rows in before.groupby("model"):
        errors, right = [], []
        for row in rows.to_dict("records"):
            rose = file.loc[row["ds"], row["unique_id"]] > file[row["unique_id"]].iloc[219]
            errors.append((row["y_hat"] - rose) ** 2)
            right.append((row["y_hat"] > 0.5) == rose)
        ours = prediction.scores.set_index("model").loc[model]
        assert ours["brier"] == pytest.approx(np.mean(errors))
        assert ours["accuracy"] == pytest.approx(np.mean(right))
        assert ours["steps"] == 10
    assert "Brier score" in prediction.sentence
    assert list(pd.read_csv(prediction.folder / SCORES).columns) == ["model", "steps", "brier", "accuracy"]
    ahead = pd.read_csv(prediction.folder / "forecasts.csv")
    assert list(ahead.columns) == ["unique_id", "ds", "model", "y_hat"]
    assert ahead["ds"].min() > "2024-08-16"


def test_a_run_on_newer_data_that_do_not_hold_its_origin_cannot_be_scored(shops, tmp_path):
    path = write_csv(tmp_path / "newer.csv", DAYS)
    rows = (tmp_path / "newer.csv").read_text().splitlines()
    (tmp_path / "newer.csv").write_text("\n".join([rows[0], *rows[221:]]) + "\n")
    assert predict(shops.folder, {"path": path}, tmp_path / "out").scores is None


def test_the_tripwire_is_set_for_it(tmp_path):
    checked = check(direction_job(baseline={}))
    assert checked.exit_status == 0


def test_a_sweep_minimises_the_brier_score():
    job = direction_job(training__max_epochs=1)
    prepared = prepare(job)
    asked = prepared.task
    network = Recurrent(job.model, job.training, job.seed)
    fits = fit_all([network], prepared.panel, asked.split, asked.problem)
    evaluation = evaluate(fits, prepared.panel, asked.split, asked.problem)
    scores = score(evaluation.validation.results, evaluation.validation.scales, DIRECTION).by_model
    assert validate(job).score == pytest.approx(scores.loc["lstm", "brier"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split__calibration": 0.1}, r"split\.calibration"),
        ({"model__strategy": "recursive"}, r"model\.strategy=direct"),
        ({"model__fork_ensemble": 3}, r"model\.fork_ensemble=1"),
        ({"report__paths": 5}, r"found `model\.head=direction`"),
        ({"baseline__base_rate": {"name": "base_rate", "method": "naive"}}, r"baseline\.base_rate"),
        (
            {"model__head": "point", "baseline__logistic": OF_DIRECTION[-1].model_dump()},
            "'logistic' says how likely a rise is, and is asked for the value: set `model.head=direction`",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(changes, said):
    with pytest.raises(ForecastError, match=said):
        prepare(direction_job(**changes))


def test_baselines_of_the_direction_are_only_added_to_others():
    def asked(**changes):
        from forecast.tasks.candidates import chosen_baselines

        return [one.name for one in chosen_baselines(direction_job(**changes))]

    own = [one.name for one in OF_DIRECTION]
    assert asked() == ["ridge", *own]
    assert asked(baseline={}) == []
    assert asked(baseline={"logistic": OF_DIRECTION[-1].model_dump()}) == ["logistic"]


def test_the_yaml_of_the_logistic_regression_is_what_is_added():
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from forecast.app.composition import conf_dir
    from forecast.tasks.settings import check_job

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", ["baseline=[momentum,logistic]"])
    values = OmegaConf.to_container(config, resolve=True)
    job = check_job({key: value for key, value in values.items() if key not in ("hydra", "experiment")})
    assert {OF_DIRECTION[0].name: OF_DIRECTION[0], "logistic": OF_DIRECTION[-1]} == dict(job.baseline)


WALKS = 20


def test_on_random_walks_hardly_any_verdict_claims_a_win():
    training = TrainingSettings(accelerator="cpu", threads=1, patience=2)
    rows = [BaseRate(), NaiveRule("momentum", last_change), build_baseline(OF_DIRECTION[-1], 0)]
    won = 0
    for seed in range(WALKS):
        panel = panel_of(random_walk(400, 300 + seed))
        asked = forecast_task(panel, horizon=5, target_type="direction")
        network = Recurrent(LstmSettings(hidden_size=4, head="direction"), training)
        fits = fit_all([network, *rows], panel, asked.split, asked.problem)
        won += evaluate(fits, panel, asked.split, asked.problem).verdict.won
    assert won <= 0.05 * WALKS  # what chance alone may claim


SHORT = ("horizon=3", "baseline=[]", "training.max_epochs=2", "data.duration=1", "report.png=false")


def test_the_command_knows_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(("model.head=direction", *SHORT, "hydra.run.dir=run")) == 0
    said = capsys.readouterr().out
    assert "forecast is the probability that the target will be higher" in said
    assert "Brier" in said
    assert json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["model"]["head"] == "direction"
    assert main(("task=predict", "run=run", "hydra.run.dir=out")) == 0
    assert (tmp_path / "out" / "forecasts.csv").exists()


def test_a_sweep_compares_brier_scores_and_never_two_questions(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(("-m", "model.head=direction", "seed=0,1", *SHORT, "hydra.sweep.dir=sweep")) == 0
    assert "validation Brier score" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "sweep" / "sweep.csv")
    assert list(table.columns) == ["job", "seed", "validation_brier", "seconds", "graph_mb", "status"]
    assert "Brier score" in (tmp_path / "sweep" / "sweep.html").read_text()
    shutil.rmtree(tmp_path / "sweep")
    assert main(("-m", "model.head=point,direction", *SHORT, "hydra.sweep.dir=sweep")) == 2
    assert "cannot be compared" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()
