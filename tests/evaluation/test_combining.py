"""The weights of a combination: against a slow oracle, and earned by those who are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import PROBLEM, LastValue, a_panel, a_split

from forecast.evaluation.combining import combination_weights, greedy_weights, needed_gain
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.forecasters.combination import COMBINATION, combined
from forecast.forecasters.interface import QUANTILES, Forecasts


def slow_greedy(errors, cost, expected, horizons):
    """Every candidate of every round from scratch, by loops."""
    models = range(len(expected))
    sizes = [sum(c * abs(row[m]) for row, c in zip(errors, cost, strict=True)) for m in models]
    stretched = [[row[m] * np.exp(expected[m]) / sizes[m] for m in models] for row in errors]

    def value(chosen):
        error = sum(c * abs(np.mean([row[m] for m in chosen])) for row, c in zip(stretched, cost, strict=True))
        shares = [chosen.count(m) / len(chosen) for m in models]
        known = sum(s * e for s, e in zip(shares, expected, strict=True)) - 0.12 * (1 - sum(s * s for s in shares))
        return (horizons * np.log(error) + 8 * known) / (horizons + 8)

    chosen, best = [], None
    for _ in range(4):
        chosen.append(min(models, key=lambda m: value([*chosen, m])))
        if best is None or value(chosen) < best[0] - 1e-3:
            best = value(chosen), list(chosen)
    return np.array([best[1].count(m) / len(best[1]) for m in models]), best[0]


@pytest.mark.parametrize("horizons", [2.0, 30.0, 400.0])
def test_the_weights_are_those_of_the_oracle(horizons):
    rng = np.random.default_rng(int(horizons))
    cost = rng.uniform(0.5, 2.0, 60)
    errors = rng.normal(size=(60, 5)) * [0.5, 0.6, 0.7, 1.0, 3.0] + [0.3, -0.3, 0.0, 0.0, 0.0]
    expected = np.array([0.05, 0.1, 0.0, 0.15, 0.2])
    weights, value = greedy_weights(errors, cost, expected, horizons)
    slow_weights, slow_value = slow_greedy(errors.tolist(), cost.tolist(), expected.tolist(), horizons)
    np.testing.assert_allclose(weights, slow_weights, atol=1e-12)
    assert value == pytest.approx(slow_value)


def test_two_that_err_to_opposite_sides_are_combined_and_two_that_err_alike_are_not():
    rng = np.random.default_rng(0)
    noise, cost, level = 0.1 * rng.normal(size=(500, 2)), np.ones(500), np.zeros(2)
    weights, value = greedy_weights(noise + np.array([1.0, -1.0]), cost, level, 100.0)
    np.testing.assert_allclose(weights, [0.5, 0.5])
    assert value < -1
    weights, value = greedy_weights(noise[:, [0, 0]], cost, np.array([0.0, 0.02]), 1000.0)
    assert weights.tolist() == [1.0, 0.0], "one of them adds nothing to the other"
    assert value == pytest.approx(0.0)


def test_how_large_errors_are_is_as_expected_whatever_they_were_where_something_was_chosen():
    rng = np.random.default_rng(1)
    errors = rng.normal(size=(300, 2)) * [1.0, 0.01]  # the second was chosen by them
    weights, _ = greedy_weights(errors, np.ones(300), np.array([0.0, 0.0]), 50.0)
    np.testing.assert_allclose(weights, [0.5, 0.5], atol=0.1)


def evaluated(*forecasters, lengths=(400, 300)):
    panel = a_panel(lengths=lengths)
    split = replace(a_split(panel, validation=120, test=60), calibration=np.full(len(lengths), 0))
    return evaluate(fit_all(forecasters, panel, split, PROBLEM), panel, split, PROBLEM)


def test_the_combination_is_a_row_of_its_own_and_can_be_recommended():
    above, below = LastValue("above", "scikit-learn", bias=2.5), LastValue("below", "scikit-learn", bias=-2.5)
    found = evaluated(above, below)
    assert found.recommendation.model == COMBINATION
    assert found.recommendation.weights == {"above": 0.5, "below": 0.5}
    assert "use combination, the weighted mean of above (50 %) and below (50 %): typically" in (
        found.recommendation.sentence
    )
    rows = {name: part["y_hat"].to_numpy() for name, part in found.test.results.groupby("model", observed=True)}
    np.testing.assert_allclose(rows[COMBINATION], (rows["above"] + rows["below"]) / 2)
    assert found.baseline != COMBINATION
    assert any(note == "combination: the weighted mean of above (50 %) and below (50 %)" for note in found.notes)


def test_one_that_is_best_by_itself_stays_alone():
    found = evaluated(LastValue(), LastValue("far", bias=9.0))
    assert COMBINATION not in set(found.leaderboard["model"])
    assert found.recommendation.model == "naive"


def test_a_mean_has_to_gain_less_where_many_horizons_judge():
    assert [needed_gain(horizons) for horizons in (0.0, 1.0, 100.0)] == [0.02] * 3
    assert needed_gain(400.0) == pytest.approx(0.01)


def test_where_nothing_can_be_measured_those_that_are_expected_to_err_least_have_equal_weights():
    expected = {"naive": 0.35, "pretrained": 0.0, "auto_ets": 0.0}
    weights, value = combination_weights((None, None), expected)
    assert weights == {"pretrained": 0.5, "auto_ets": 0.5}
    assert value == pytest.approx(-0.06)
    assert combination_weights((None, None), {"naive": 0.35, "pretrained": 0.0}) == ({}, 0.0)


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
