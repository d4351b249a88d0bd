from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.fits import Attempt
from forecast.evaluation.leaderboard import (
    baseline_to_beat,
    columns_of,
    leaderboard,
    shown_columns,
    skill_is_empty,
)
from forecast.evaluation.metrics import METRICS, Column, Metric
from forecast.evaluation.significance import Comparison
from forecast.evaluation.verdict import seed_spread, verdict
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
    contract = f"model,kind,{points},{intervals},skill,dm_p,fit_seconds,forecast_seconds,status,recommended"
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


NEXT_TO_NOTHING = (
    "it divides by the error of naive, which on the test split is next to nothing or could not be measured; compare "
    "the errors themselves"
)


@pytest.mark.parametrize(
    ("baseline", "error", "reason"),
    [
        (None, 0.5, "no baseline could forecast; `baseline=[naive]` adds one"),
        ("naive", 0.0, NEXT_TO_NOTHING),
        ("naive", 1e-14, NEXT_TO_NOTHING),
    ],
)
def test_skill_is_empty_without_a_baseline_or_against_a_perfect_one(baseline, error, reason):
    by_model = scores(lstm=0.9, reference=1.0, naive=error, ridge=0.8)
    assert leaderboard(by_model, ATTEMPTS, baseline, {})["skill"].isna().all()
    assert skill_is_empty(by_model, baseline) == f"the column skill has no numbers: {reason}"
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


KINDS = {"lstm": "network", "naive": "naive", "reference": "reference", "ridge": "scikit-learn"}


def judged(mase, p, baseline="naive", *, metric="mase", difference=None, reason="", significance=0.05, naive=None):
    """`naive` are the tests against naive, (difference, p) by model."""
    by_model = pd.DataFrame({name: dict.fromkeys(mase, math.nan) for name in METRICS})
    by_model[metric] = pd.Series(mase)
    if difference is None:
        difference = mase["lstm"] - mase[baseline]
    test = Comparison(difference, p, p, 100, 5, reason)
    table = leaderboard(by_model, [Attempt(name, KINDS[name]) for name in mase], baseline, {"lstm": test})
    against_naive = {name: Comparison(d, p, p, 100, 5) for name, (d, p) in (naive or {}).items()}
    return verdict(table, "lstm", baseline, test, significance, against_naive=against_naive)


@pytest.mark.parametrize(
    ("mase", "p", "sentence"),
    [
        (
            1.03,
            0.41,
            "lstm does not beat naive (MASE 1.03 against 1.00, p = 0.41): not shown to be worth its training",
        ),
        (
            1.0,
            1.0,
            "lstm does not beat naive (MASE 1.00 against 1.00, p = 1.00): not shown to be worth its training",
        ),
        (
            1.3,
            0.0001,
            "lstm does not beat naive (MASE 1.30 against 1.00, p < 0.001): not shown to be worth its training",
        ),
        (
            0.97,
            0.23,
            "lstm is ahead of naive (MASE 0.97 against 1.00), but that may be chance (p = 0.23): "
            "not shown to be worth its training",
        ),
        (
            0.999,
            0.05,
            "lstm is ahead of naive (MASE 0.999 against 1.000), but that may be chance (p = 0.050): "
            "not shown to be worth its training",
        ),
    ],
)
def test_a_network_that_did_not_win_is_said_plainly(mase, p, sentence):
    verdict = judged({"lstm": mase, "naive": 1.0}, p)
    assert (verdict.sentence, verdict.won) == (sentence, False)


def test_a_win_needs_the_better_mase_and_a_small_p():
    verdict = judged({"lstm": 0.71, "naive": 1.0}, 0.002)
    assert verdict.won
    assert verdict.sentence == (
        "lstm beats naive (MASE 0.71 against 1.00, p = 0.002): on these data it is worth its training"
    )
    assert not judged({"lstm": 0.71, "naive": 1.0}, 0.002, significance=0.001).won
    assert not judged({"lstm": 0.71, "naive": 1.0}, 0.002, difference=0.1).won
    assert not judged({"lstm": 1.71, "naive": 1.0}, 0.002, difference=-0.1).won


def test_an_empty_p_says_why():
    reason = "19 origins are too few for a test, which needs 80 as their horizons overlap"
    ahead = judged({"lstm": 0.71, "naive": 1.0}, math.nan, reason=reason)
    assert (ahead.won, ahead.sentence) == (
        False,
        f"lstm is ahead of naive (MASE 0.71 against 1.00), but whether that is chance cannot be said: {reason}",
    )
    behind = judged({"lstm": 1.71, "naive": 1.0}, math.nan, reason=reason)
    assert behind.sentence == (
        f"lstm does not beat naive (MASE 1.71 against 1.00, no p: {reason}): not shown to be worth its training"
    )


def test_where_a_plainer_row_does_better_still_it_is_named():
    verdict = judged({"lstm": 0.71, "naive": 1.0, "ridge": 0.65}, 0.002)
    assert (verdict.won, verdict.sentence) == (
        False,
        "lstm beats naive (MASE 0.71 against 1.00, p = 0.002), but ridge, not chosen on validation, "
        "does better still (0.65): not shown to be worth its training",
    )


@pytest.mark.parametrize(
    ("lstm", "p", "naive", "sentence"),
    [
        (
            3.22,
            0.88,
            {"ridge": (-0.1, 0.3)},
            "lstm does not beat ridge (MASE 3.22 against 3.00, p = 0.88), and ridge does not beat naive "
            "(MASE 3.10, p = 0.30): not shown to be worth its training",
        ),
        (
            2.9,
            0.19,
            {"ridge": (-0.1, 0.3)},
            "lstm is ahead of ridge (MASE 2.90 against 3.00), but that may be chance (p = 0.19), and ridge does not "
            "beat naive (MASE 3.10, p = 0.30): not shown to be worth its training",
        ),
        (
            2.9,
            0.01,
            {"ridge": (-0.1, 0.3), "lstm": (-0.2, 0.2)},
            "lstm beats ridge (MASE 2.90 against 3.00, p = 0.010), but not naive (MASE 3.10, p = 0.20): "
            "not shown to be worth its training",
        ),
        (
            2.9,
            0.01,
            {"ridge": (-0.1, 0.3), "lstm": (-0.2, 0.02)},
            "lstm beats ridge (MASE 2.90 against 3.00, p = 0.010): on these data it is worth its training",
        ),
        (
            3.22,
            0.88,
            {"ridge": (-0.1, 0.01)},
            "lstm does not beat ridge (MASE 3.22 against 3.00, p = 0.88): not shown to be worth its training",
        ),
        (
            3.22,
            0.88,
            {"ridge": (0.1, math.nan)},
            "lstm does not beat ridge (MASE 3.22 against 3.00, p = 0.88), and ridge does not beat naive "
            "(MASE 3.10): not shown to be worth its training",
        ),
        (
            3.22,
            0.88,
            {"ridge": (-0.1, math.nan)},
            "lstm does not beat ridge (MASE 3.22 against 3.00, p = 0.88): not shown to be worth its training",
        ),
    ],
)
def test_a_baseline_that_does_not_beat_naive_is_not_recommended(lstm, p, naive, sentence):
    verdict = judged({"lstm": lstm, "ridge": 3.0, "naive": 3.1}, p, "ridge", naive=naive)
    assert verdict.sentence == sentence
    assert verdict.won == sentence.endswith("it is worth its training")


def test_the_reference_is_called_untrained():
    verdict = judged({"lstm": 1.01, "reference": 0.99}, 0.5, baseline="reference")
    assert verdict.sentence == (
        "lstm does not beat the untrained reference (MASE 1.01 against 0.99, p = 0.50): "
        "not shown to be worth its training"
    )


def test_without_a_mase_the_verdict_is_on_the_mae():
    verdict = judged({"lstm": 0.0123, "naive": 1.5}, 0.01, metric="mae")
    assert verdict.sentence == (
        "lstm beats naive (MAE 0.0123 against 1.50, p = 0.010): on these data it is worth its training"
    )


def test_a_network_that_failed_or_stands_alone():
    by_model = pd.DataFrame({name: {"naive": 1.0} for name in METRICS})
    attempts = [Attempt("lstm", "network", status="ForecastError: no"), Attempt("naive", "naive")]
    table = leaderboard(by_model, attempts, "naive", {})
    assert verdict(table, "lstm", "naive", None).sentence == "lstm failed (ForecastError: no)"
    alone = leaderboard(by_model.rename({"naive": "lstm"}), [Attempt("lstm", "network")], None, {})
    assert verdict(alone, "lstm", None, None).sentence == "lstm has nothing to be compared with (MASE 1.00)"


def test_seeds_are_said_with_their_spread():
    assert seed_spread([0.913, 1.02]) == "over 2 seeds the validation MASE lies between 0.91 and 1.02"
    assert seed_spread([0.7391, 0.7402]).endswith("lies between 0.739 and 0.740")
