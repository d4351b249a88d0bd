from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.backtest import Attempt
from forecast.evaluation.columns import Column, Metric
from forecast.evaluation.leaderboard import (
    baseline_to_beat,
    columns_of,
    leaderboard,
    shown_columns,
    skill_is_empty,
)
from forecast.evaluation.metrics import METRICS
from forecast.evaluation.significance import Comparison
from forecast.questions.kinds import QUESTIONS, VALUE

ATTEMPTS = (
    Attempt("lstm", "network", fit_seconds=2.0, forecast_seconds=0.1),
    Attempt("gru", "network", status="ValueError: loss is not finite"),
    Attempt("reference", "reference", fit_seconds=0.0, forecast_seconds=0.0),
    Attempt("naive", "naive", fit_seconds=0.0, forecast_seconds=0.0),
    Attempt("ridge", "scikit-learn", fit_seconds=0.5, forecast_seconds=0.0),
)


def scores(**mase):
    table = pd.DataFrame({metric: dict.fromkeys(mase, 2.0) for metric in METRICS})
    table["mase"] = pd.Series(mase)
    table["mae"] = pd.Series(mase) * 10
    return table


def test_columns_are_the_contract_and_rows_are_sorted_with_failures_last():
    by_model = scores(lstm=0.9, reference=1.0, naive=1.2, ridge=0.8)
    table = leaderboard(by_model, ATTEMPTS, "naive", {"lstm": Comparison(-0.3, 0.01, 0.02, 100, 5)})
    points, intervals = "mae,rmse,smape,mase,rmsse,r2", "wql,crps,coverage_90,width_90,revision"
    contract = f"model,kind,{points},{intervals},skill,dm_p,fit_seconds,forecast_seconds,status"
    assert ",".join(table.columns) == contract
    assert list(table["model"]) == ["ridge", "lstm", "reference", "naive", "gru"]
    assert list(table["status"]) == ["ok"] * 4 + ["ValueError: loss is not finite"]
    rows = table.set_index("model")
    assert rows["skill"].drop("gru").tolist() == pytest.approx([1 - 0.8 / 1.2, 1 - 0.9 / 1.2, 1 - 1 / 1.2, 0.0])
    assert rows.loc["lstm", "dm_p"] == 0.02
    assert rows["dm_p"].drop("lstm").isna().all()
    assert rows.loc["gru", ["mae", "mase", "skill", "dm_p", "fit_seconds"]].isna().all()
    assert rows.loc["lstm", ["fit_seconds", "forecast_seconds"]].tolist() == [2.0, 0.1]


def test_without_a_mase_the_mae_sorts_and_gives_the_skill():
    by_model = scores(lstm=0.9, reference=1.0, naive=1.2, ridge=0.8)
    by_model["mase"] = np.nan
    table = leaderboard(by_model, ATTEMPTS, "naive", {})
    assert list(table["model"])[:2] == ["ridge", "lstm"]
    assert table["skill"][0] == pytest.approx(1 - 8 / 12)


@pytest.mark.parametrize(
    ("baseline", "error", "reason"),
    [
        (None, 0.5, "skill is empty: there is no baseline to compare with"),
        ("naive", 0.0, "skill is empty: naive has no score on the test split, or makes no error there"),
        ("naive", 1e-14, "skill is empty: naive has no score on the test split, or makes no error there"),
    ],
)
def test_skill_is_empty_without_a_baseline_or_against_a_perfect_one(baseline, error, reason):
    by_model = scores(lstm=0.9, reference=1.0, naive=error, ridge=0.8)
    assert leaderboard(by_model, ATTEMPTS, baseline, {})["skill"].isna().all()
    assert skill_is_empty(by_model, baseline) == reason
    assert skill_is_empty(by_model, "ridge") == ""


def test_the_baseline_to_beat_is_the_best_that_is_no_network():
    assert baseline_to_beat(scores(lstm=0.1, reference=1.0, naive=1.2, ridge=1.1), ATTEMPTS) == "reference"
    assert baseline_to_beat(scores(lstm=0.1, reference=1.0, naive=1.2, ridge=0.9), ATTEMPTS) == "ridge"
    assert baseline_to_beat(scores(lstm=0.1, reference=math.nan, naive=1.2, ridge=math.nan), ATTEMPTS) == "naive"
    assert baseline_to_beat(scores(lstm=0.1), ATTEMPTS[:2]) is None


def test_of_equal_baselines_the_plainest_is_named():
    assert baseline_to_beat(scores(lstm=0.1, reference=1.0, naive=1.0 + 1e-9, ridge=1.0), ATTEMPTS) == "naive"


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=str)
def test_the_report_and_the_terminal_show_the_columns_of_the_file(question):
    shown = shown_columns(question)
    assert set(shown) == set(columns_of(question))
    assert list(shown)[:5] == ["model", "kind", question.ranked_by, "skill", "dm_p"]
    assert all(column.label for column in shown.values())
    assert all(column.means for column in shown.values() if column.form != "text")


def test_a_metric_that_is_added_to_its_table_is_shown_everywhere(monkeypatch):
    monkeypatch.setitem(METRICS, "bias", Metric(lambda groups: groups.absolute, "bias", "mean error", percent=True))
    assert "bias" in columns_of(VALUE)
    assert shown_columns(VALUE)["bias"] == Column("bias", "mean error", "percent", terminal="bias")
