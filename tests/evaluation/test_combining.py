"""The weights of a combination: against a slow oracle, and earned by those who are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import PROBLEM, LastValue, a_panel, a_split

from forecast.evaluation.backtest import fit_all
from forecast.evaluation.combining import combination_weights, greedy_weights
from forecast.evaluation.evaluate import evaluate
from forecast.forecasters.combination import COMBINATION, combined
from forecast.forecasters.interface import QUANTILES, Forecasts


def slow_greedy(forecasts, y, cost, prior, horizons):
    """Every candidate of every round from scratch, by loops."""

    def expected(chosen):
        error = sum(
            c * abs(np.mean([row[m] for m in chosen]) - target)
            for row, target, c in zip(forecasts, y, cost, strict=True)
        )
        shares = [chosen.count(m) / len(chosen) for m in range(len(prior))]
        known = sum(s * p for s, p in zip(shares, prior, strict=True)) - 0.02 * (1 - sum(s * s for s in shares))
        return (horizons * np.log(error) + 15 * known) / (horizons + 15)

    chosen, best = [], None
    for _ in range(10):
        chosen.append(min(range(len(prior)), key=lambda m: expected([*chosen, m])))
        if best is None or expected(chosen) < best[0] - 1e-9:
            best = expected(chosen), list(chosen)
    return np.array([best[1].count(m) / len(best[1]) for m in range(len(prior))])


@pytest.mark.parametrize("horizons", [2.0, 30.0, 400.0])
def test_the_weights_are_those_of_the_oracle(horizons):
    rng = np.random.default_rng(int(horizons))
    y, cost = rng.normal(size=60), rng.uniform(0.5, 2.0, 60)
    forecasts = y[:, None] + rng.normal(size=(60, 5)) * [0.5, 0.6, 0.7, 1.0, 3.0] + [0.3, -0.3, 0.0, 0.0, 0.0]
    prior = np.array([0.3, 0.2, 0.0, 0.25, 0.0])
    actual = greedy_weights(forecasts, y, cost, prior, horizons)
    np.testing.assert_allclose(actual, slow_greedy(forecasts.tolist(), y.tolist(), cost, prior, horizons), atol=1e-12)


def test_two_that_err_to_opposite_sides_are_combined_and_few_horizons_do_not_tell():
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    forecasts = np.column_stack([y + 1.0, y - 1.0, y + 3 * rng.normal(size=500)]) + 0.1 * rng.normal(size=(500, 3))
    prior, cost = np.array([0.0, 0.3, 0.3]), np.ones(500)
    np.testing.assert_allclose(greedy_weights(forecasts, y, cost, prior, 100.0), [0.5, 0.5, 0.0])
    small = 1.0 + 0.02 * forecasts  # all nearly alike: what is known decides
    np.testing.assert_allclose(greedy_weights(small, np.zeros(500), cost, prior, 2.0), [1.0, 0.0, 0.0])


def evaluated(*forecasters, lengths=(400, 300)):
    panel = a_panel(lengths=lengths)
    split = replace(a_split(panel, validation=120, test=60), calibration=np.full(len(lengths), 0))
    return evaluate(fit_all(forecasters, panel, split, PROBLEM), panel, split, PROBLEM)


def test_the_combination_is_a_row_of_its_own_and_can_be_recommended():
    above, below = LastValue("above", "scikit-learn", bias=2.5), LastValue("below", "scikit-learn", bias=-2.5)
    evaluation = evaluated(above, below)
    assert evaluation.recommendation.model == COMBINATION
    assert evaluation.recommendation.weights == {"above": 0.5, "below": 0.5}
    assert "use combination, the weighted mean of above (50 %) and below (50 %): typically" in (
        evaluation.recommendation.sentence
    )
    rows = {name: part["y_hat"].to_numpy() for name, part in evaluation.test.results.groupby("model", observed=True)}
    np.testing.assert_allclose(rows[COMBINATION], (rows["above"] + rows["below"]) / 2)
    assert evaluation.baseline != COMBINATION
    assert any(note == "combination: the weighted mean of above (50 %) and below (50 %)" for note in evaluation.notes)


def test_one_that_is_best_by_itself_stays_alone():
    evaluation = evaluated(LastValue(), LastValue("far", bias=9.0))
    assert COMBINATION not in set(evaluation.leaderboard["model"])
    assert evaluation.recommendation.model == "naive"


def test_where_nothing_can_be_measured_a_few_have_equal_weights():
    kinds = {"naive": "naive", "pretrained": "pretrained", "auto_ets": "statistical"}
    assert combination_weights((None, None), kinds, 30) == {"pretrained": 0.5, "auto_ets": 0.5}
    assert combination_weights((None, None), {"naive": "naive", "pretrained": "pretrained"}, 30) == {}


def test_quantiles_are_combined_as_quantiles_and_points_borrow_the_spread_of_the_others():
    rng = np.random.default_rng(3)
    y = rng.normal(size=(3, 4, 2))
    spread = np.sort(rng.normal(size=(2, 4, 2, len(QUANTILES))), axis=3)
    first, second = (Forecasts(y[i], y[i][:, :, None] + spread[i]) for i in (0, 1))
    both = combined([first, second], [0.25, 0.75])
    np.testing.assert_allclose(both.y_hat, 0.25 * y[0] + 0.75 * y[1])
    np.testing.assert_allclose(both.quantiles, 0.25 * first.quantiles + 0.75 * second.quantiles)
    three = combined([first, second, Forecasts(y[2])], [0.1, 0.3, 0.6])
    np.testing.assert_allclose(three.y_hat, 0.1 * y[0] + 0.3 * y[1] + 0.6 * y[2])
    np.testing.assert_allclose(three.quantiles - three.y_hat[:, :, None], 0.25 * spread[0] + 0.75 * spread[1])
    assert (np.diff(three.quantiles, axis=2) >= 0).all()
    assert combined([Forecasts(y[0]), Forecasts(y[1])], [0.5, 0.5]).quantiles is None
