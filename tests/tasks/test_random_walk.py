"""On a random walk nothing beats the last value: the whole way with the real network says so."""

from __future__ import annotations

import numpy as np
from oracles.panels import panel_of, random_walk

from forecast.app import main
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.forecasters.naive import NaiveRule, UntrainedReference, last_value, straight_line, window_mean
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings
from forecast.questions.task import forecast_task
from forecast.runs.run import open_record
from forecast.training.settings import TrainingSettings

WALKS = 20


def test_the_command_with_its_default_baselines_says_use_naive(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "walk.csv").write_text("\n".join(["price", *(f"{y:.6f}" for y in 100 + random_walk(1000, seed=7)), ""]))
    main(("data=csv", "data.path=walk.csv", "report.png=false", "hydra.run.dir=run"))
    record = open_record(tmp_path / "run")
    assert {row["model"] for row in record.metrics} > {"lstm", "reference", "naive", "drift", "ridge", "random_forest"}
    assert record.verdict.endswith("not shown to be worth its training")
    mase = {row["model"]: row["mase"] for row in record.metrics}
    assert mase[record.recommendation.model] <= 1.05 * mase["naive"]
    assert record.verdict in capsys.readouterr().out


def test_hardly_any_verdict_on_a_real_network_claims_a_win():
    rules = [NaiveRule("naive", last_value), NaiveRule("drift", straight_line), window_mean(), UntrainedReference()]
    network = Recurrent(LstmSettings(), TrainingSettings(accelerator="cpu", threads=1, patience=4))
    won, ratios = 0, []
    for seed in range(WALKS):
        panel = panel_of(random_walk(500, 100 + seed))
        asked = forecast_task(panel, horizon=10)
        fits = fit_all([network, *rules], panel, asked.split, asked.problem)
        evaluation = evaluate(fits, panel, asked.split, asked.problem)
        won += evaluation.verdict.won
        mase = evaluation.leaderboard.set_index("model")["mase"]
        ratios.append(mase[evaluation.recommendation.model] / mase["naive"])
    assert won <= 0.05 * WALKS
    assert np.mean(ratios) <= 1.03
