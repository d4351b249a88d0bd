"""Scores of probabilities against scikit-learn, and the test of significance on their squared errors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from toys import HORIZON, Answers, a_panel, a_split

from forecast.evaluation.backtest import backtest
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.evaluation.metrics import METRICS_OF, ranking_metric, score
from forecast.evaluation.results import results_table
from forecast.evaluation.scales import fit_scales
from forecast.evaluation.significance import losses_to_compare
from forecast.forecasters.interface import Forecasts
from forecast.forecasters.naive import BASE_RATE, BaseRate, NaiveRule, last_value
from forecast.questions.kinds import DIRECTION, Problem, metric_label
from forecast.questions.split import rolling_origins

PROBLEM = Problem(HORIZON, 6, 3, target_type="direction")


def by_step(metric):
    """Mean over the horizon steps at which both outcomes came."""

    def mean(y, p, step):
        there = [h for h in np.unique(step) if len(set(y[step == h])) == 2]
        return np.mean([metric(y[step == h], p[step == h]) for h in there]) if there else np.nan

    return mean


ORACLES = {
    "brier": lambda y, p, step: sklearn_metrics.brier_score_loss(y, p),
    "accuracy": lambda y, p, step: sklearn_metrics.accuracy_score(y, p > 0.5),
    "auc": by_step(sklearn_metrics.roc_auc_score),
    "log_loss": lambda y, p, step: sklearn_metrics.log_loss(y, p, labels=[0, 1]),
}


def scored_directions(missing=0.0, lengths=(60, 45, 50)):
    panel = a_panel(lengths=lengths, missing=missing)
    split = a_split(panel)
    origins = rolling_origins(panel, split.before_test, panel.lengths, HORIZON)
    rng = np.random.default_rng(5)
    shape = len(origins), HORIZON
    forecasts = {
        "sharp": Forecasts(np.round(rng.random(shape), 1)),  # with ties, zeros and ones
        "half": Forecasts(np.full(shape, 0.5)),
    }
    return panel, results_table(panel, origins, forecasts, HORIZON, DIRECTION), fit_scales(panel.cut(split.train), 3)


def test_every_metric_has_an_oracle():
    assert set(METRICS_OF["direction"]) == set(ORACLES)


@pytest.mark.parametrize("metric", ORACLES)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_metrics_are_scikit_learn_s(metric, missing):
    panel, results, scales = scored_directions(missing)
    scores = score(results, scales, DIRECTION)
    for model in ("sharp", "half"):
        each = []
        for name in panel.ids:
            rows = results[(results["model"] == model) & (results["unique_id"] == name)].dropna()
            y, p, step = (rows[column].to_numpy() for column in ("y", "y_hat", "step"))
            each.append(ORACLES[metric](y, p, step))
            assert scores.by_series.loc[(model, name), metric] == pytest.approx(each[-1], nan_ok=True)
        assert scores.by_model.loc[model, metric] == pytest.approx(np.nanmean(each))


def test_the_outcomes_are_one_where_the_target_rose():
    panel, results, _ = scored_directions(lengths=(60,))
    rows = results[results["model"] == "half"]
    at = np.searchsorted(panel.times, rows["cutoff"].to_numpy())
    expected = panel.target[at + rows["step"].to_numpy()] > panel.target[at]
    np.testing.assert_array_equal(rows["y"].to_numpy(), expected)


def test_they_are_ranked_by_the_brier_score_which_is_what_is_tested():
    _, results, scales = scored_directions()
    scores = score(results, scales, DIRECTION)
    assert ranking_metric(scores.by_model) == "brier"
    assert metric_label("brier") == "Brier score"
    losses, _ = losses_to_compare(results, scales, DIRECTION)
    seen = results[results["model"] == "sharp"].dropna()
    squares = ((seen["y"] - seen["y_hat"]) ** 2).groupby([seen["unique_id"], seen["cutoff"]], observed=True).mean()
    np.testing.assert_allclose(losses["sharp"], squares.groupby("cutoff").mean(), rtol=1e-12)


def test_outcomes_that_are_all_the_same_have_no_auc_and_the_reason_is_said():
    _, results, scales = scored_directions(lengths=(60,))
    scores = score(results.assign(y=1.0), scales, DIRECTION)
    assert np.isnan(scores.by_model["auc"]).all()
    assert scores.empty == (
        "AUC of series 's0' is missing: all outcomes of the test split are the same; compare the Brier score",
    )


def judged(panel, probability):
    """A network that says a probability at every origin of the panel, evaluated beside the base rate."""
    split = a_split(panel, validation=30, test=80)
    fits = fit_all([OfTheOrigin(probability), BaseRate()], panel, split, PROBLEM)
    return evaluate(fits, panel, split, PROBLEM)


class OfTheOrigin(Answers):
    """Says a function of the value at the origin."""

    def forecast(self, past, origins):
        level = past.target[origins.rows(past)][:, None]
        return Forecasts(np.repeat(self.y_hat(level), HORIZON, axis=1))


def test_the_verdict_speaks_of_the_brier_score_and_the_base_rate():
    panel = a_panel(lengths=(300,))  # independent values around 5: from above it falls, from below it rises
    verdict = judged(panel, lambda level: 1 / (1 + np.exp(level - 5.0)))
    brier, base = (verdict.scores.by_model.loc[name, "brier"] for name in ("answers", BASE_RATE))
    below = 100 * (1 - brier / base)
    assert verdict.verdict.won
    assert verdict.verdict.sentence == (
        f"answers beats the base rate (Brier score {brier:.3f} against {base:.3f}, {below:.0f} % below, p < 0.001): "
        f"on these data it is worth its training"
    )
    assert list(verdict.leaderboard["model"]) == ["answers", BASE_RATE]
    assert verdict.leaderboard["skill"][0] == pytest.approx(1 - brier / base)
    assert verdict.intervals is None
    assert verdict.copy_tests == {}


def test_one_that_says_the_wrong_way_round_is_not_recommended():
    verdict = judged(a_panel(lengths=(300,)), lambda level: 1 / (1 + np.exp(5.0 - level)))
    assert not verdict.verdict.won
    assert verdict.verdict.sentence.startswith("answers does not beat the base rate (Brier score 0.")
    assert verdict.verdict.sentence.endswith("above, p < 0.001): not shown to be worth its training")


def test_a_forecaster_of_values_is_no_answer():
    panel = a_panel(lengths=(80,))
    tested = backtest([BaseRate(), Answers(np.full((12, HORIZON), 5.0))], panel, a_split(panel), PROBLEM)
    assert "forecasts values" in tested.failures["answers"]
    assert BASE_RATE not in tested.failures


def test_a_rule_that_never_says_up_is_the_base_rate():
    panel = a_panel(lengths=(80,))
    tested = backtest([BaseRate(), NaiveRule("naive", last_value)], panel, a_split(panel), PROBLEM)
    one, other = (tested.results.loc[tested.results["model"] == name, "y_hat"] for name in (BASE_RATE, "naive"))
    np.testing.assert_array_equal(one, other)
