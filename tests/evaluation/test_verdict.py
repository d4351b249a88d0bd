from __future__ import annotations

import math

import pandas as pd
import pytest

from forecast.evaluation.backtest import Attempt
from forecast.evaluation.leaderboard import leaderboard, seed_spread, verdict
from forecast.evaluation.metrics import METRICS
from forecast.evaluation.significance import Comparison

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
        (1.03, 0.41, "lstm does not beat naive (MASE 1.03 against 1.00, p = 0.41): on these data use naive"),
        (1.0, 1.0, "lstm does not beat naive (MASE 1.00 against 1.00, p = 1.00): on these data use naive"),
        (1.3, 0.0001, "lstm does not beat naive (MASE 1.30 against 1.00, p < 0.001): on these data use naive"),
        (
            0.97,
            0.23,
            "lstm is ahead of naive (MASE 0.97 against 1.00), but that may be chance (p = 0.23): "
            "on these data use naive",
        ),
        (
            0.999,
            0.05,
            "lstm is ahead of naive (MASE 0.999 against 1.000), but that may be chance (p = 0.050): "
            "on these data use naive",
        ),
    ],
)
def test_a_network_that_did_not_win_is_said_plainly(mase, p, sentence):
    found = judged({"lstm": mase, "naive": 1.0}, p)
    assert (found.sentence, found.won) == (sentence, False)


def test_a_win_needs_the_better_mase_and_a_small_p():
    found = judged({"lstm": 0.71, "naive": 1.0}, 0.002)
    assert found.won
    assert found.sentence == (
        "lstm beats naive (MASE 0.71 against 1.00, p = 0.002): on these data it is worth its training"
    )
    assert not judged({"lstm": 0.71, "naive": 1.0}, 0.002, significance=0.001).won
    assert not judged({"lstm": 0.71, "naive": 1.0}, 0.002, difference=0.1).won
    assert not judged({"lstm": 1.71, "naive": 1.0}, 0.002, difference=-0.1).won


def test_an_empty_p_says_why():
    reason = "19 origins are too few for a test, their overlapping horizons need 80"
    ahead = judged({"lstm": 0.71, "naive": 1.0}, math.nan, reason=reason)
    assert (ahead.won, ahead.sentence) == (
        False,
        f"lstm is ahead of naive (MASE 0.71 against 1.00), but whether that is chance cannot be said: {reason}",
    )
    behind = judged({"lstm": 1.71, "naive": 1.0}, math.nan, reason=reason)
    assert behind.sentence == (
        f"lstm does not beat naive (MASE 1.71 against 1.00, no p: {reason}): on these data use naive"
    )


def test_where_a_plainer_row_does_better_still_it_is_named():
    found = judged({"lstm": 0.71, "naive": 1.0, "ridge": 0.65}, 0.002)
    assert (found.won, found.sentence) == (
        False,
        "lstm beats naive (MASE 0.71 against 1.00, p = 0.002), but ridge, passed over on validation, "
        "does better still (0.65): on these data use ridge",
    )


@pytest.mark.parametrize(
    ("lstm", "p", "naive", "sentence"),
    [
        (
            3.22,
            0.88,
            {"ridge": (-0.1, 0.3)},
            "lstm does not beat ridge (MASE 3.22 against 3.00, p = 0.88), and ridge does not beat naive "
            "(MASE 3.10, p = 0.30): on these data use naive",
        ),
        (
            2.9,
            0.19,
            {"ridge": (-0.1, 0.3)},
            "lstm is ahead of ridge (MASE 2.90 against 3.00), but that may be chance (p = 0.19), and ridge does not "
            "beat naive (MASE 3.10, p = 0.30): on these data use naive",
        ),
        (
            2.9,
            0.01,
            {"ridge": (-0.1, 0.3), "lstm": (-0.2, 0.2)},
            "lstm beats ridge (MASE 2.90 against 3.00, p = 0.010), but not naive (MASE 3.10, p = 0.20): "
            "on these data use naive",
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
            "lstm does not beat ridge (MASE 3.22 against 3.00, p = 0.88): on these data use ridge",
        ),
        (
            3.22,
            0.88,
            {"ridge": (0.1, math.nan)},
            "lstm does not beat ridge (MASE 3.22 against 3.00, p = 0.88), and ridge does not beat naive "
            "(MASE 3.10): on these data use naive",
        ),
        (
            3.22,
            0.88,
            {"ridge": (-0.1, math.nan)},
            "lstm does not beat ridge (MASE 3.22 against 3.00, p = 0.88): on these data use ridge",
        ),
    ],
)
def test_a_baseline_that_does_not_beat_naive_is_not_recommended(lstm, p, naive, sentence):
    found = judged({"lstm": lstm, "ridge": 3.0, "naive": 3.1}, p, "ridge", naive=naive)
    assert found.sentence == sentence
    assert found.won == sentence.endswith("worth its training")


def test_the_reference_is_called_untrained():
    found = judged({"lstm": 1.01, "reference": 0.99}, 0.5, baseline="reference")
    assert found.sentence == (
        "lstm does not beat the untrained reference (MASE 1.01 against 0.99, p = 0.50): "
        "on these data use the untrained reference"
    )


def test_without_a_mase_the_verdict_is_on_the_mae():
    found = judged({"lstm": 0.0123, "naive": 1.5}, 0.01, metric="mae")
    assert found.sentence == (
        "lstm beats naive (MAE 0.0123 against 1.50, p = 0.010): on these data it is worth its training"
    )


def test_a_network_that_failed_or_stands_alone():
    by_model = pd.DataFrame({name: {"naive": 1.0} for name in METRICS})
    attempts = [Attempt("lstm", "network", status="ForecastError: no"), Attempt("naive", "naive")]
    table = leaderboard(by_model, attempts, "naive", {})
    assert verdict(table, "lstm", "naive", None).sentence == "lstm failed (ForecastError: no): use naive"
    alone = leaderboard(by_model.rename({"naive": "lstm"}), [Attempt("lstm", "network")], None, {})
    assert verdict(alone, "lstm", None, None).sentence == "lstm has nothing to be compared with (MASE 1.00)"


def test_seeds_are_said_with_their_spread():
    assert seed_spread([0.913, 1.02]) == "over 2 seeds the validation MASE lies between 0.91 and 1.02"
    assert seed_spread([0.7391, 0.7402]).endswith("lies between 0.739 and 0.740")
