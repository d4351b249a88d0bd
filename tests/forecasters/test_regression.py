from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles import regression as oracle
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from forecast.errors import ForecastError
from forecast.forecasters.regression import Regression
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, last_origins
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale
from forecast.series.calendar import Calendar
from forecast.series.panel import Panel, single_series

CONTEXT, HORIZON, SEASON = 8, 3, 5
PROBLEM = Problem(HORIZON, CONTEXT, SEASON)
ALPHAS = (0.01, 1.0, 30.0, 1000.0, 1e5)


def two_series() -> tuple[Panel, np.ndarray]:
    """Two noisy seasonal series of other levels and units, the second with holes; and their training steps."""
    rng = np.random.default_rng(5)
    lengths = np.array([70, 90])
    t = np.concatenate([np.arange(n) for n in lengths])
    y = np.sin(2 * np.pi * t / SEASON) + 0.4 * rng.standard_normal(160)
    y = np.repeat([100.0, -3.0], lengths) + y * np.repeat([20.0, 0.5], lengths)
    panel = single_series(y, t, Calendar(freq=None))
    observed = panel.observed.copy()
    observed[[85, 86, 120]] = False
    return replace(panel, observed=observed, offsets=np.array([0, 70, 160]), ids=("a", "b")), np.array([50, 65])


def loop_windows(panel: Panel, firsts, ends):
    inputs, targets = [], []
    for i, (_, rows) in enumerate(panel.series()):
        y, seen = panel.target[rows], panel.target_observed[rows]
        scale = loop_scale(panel, i)
        x, z = oracle.windows(y, seen, scale, firsts[i], ends[i], context=CONTEXT, horizon=HORIZON)
        inputs, targets = inputs + x, targets + z
    return inputs, targets


def loop_scale(panel: Panel, i: int) -> float:
    y = panel.target[panel.offsets[i] : panel.offsets[i] + (50, 65)[i]]
    seen = panel.target_observed[panel.offsets[i] :][: len(y)]
    pairs = [abs(y[t] - y[t - SEASON]) for t in range(SEASON, len(y)) if seen[t] and seen[t - SEASON]]
    return sum(pairs) / len(pairs)


def test_ridge_equals_normal_equations_on_windows_built_one_by_one():
    panel, train = two_series()
    forecaster = Regression("ridge", Ridge(alpha=2.0), reference="last")
    inputs, targets = loop_windows(panel, (0, 0), train)
    weights = oracle.ridge(inputs, targets, 2.0)
    origins = Origins(np.array([0, 0, 1, 1, 1]), np.array([60, 69, 64, 80, 89]))
    y_hat = forecaster.fit(panel.cut(train + 10), train, PROBLEM).forecast(panel, origins).y_hat
    for row, i, t in zip(y_hat, origins.series, origins.steps, strict=True):
        y = panel.target[panel.offsets[i] : panel.offsets[i + 1]]
        np.testing.assert_allclose(row, oracle.forecast(weights, y, loop_scale(panel, i), t, CONTEXT), rtol=1e-9)


def test_the_constant_with_the_least_validation_error_is_chosen_and_handed_on():
    panel, train = two_series()
    past = panel.cut(train + 15)
    x, y = loop_windows(past, (0, 0), train)
    vx, vy = loop_windows(past, train, past.lengths)
    errors = [np.abs(np.column_stack([vx, np.ones(len(vx))]) @ oracle.ridge(x, y, a) - vy).mean() for a in ALPHAS]
    best = ALPHAS[int(np.argmin(errors))]
    assert 0 < ALPHAS.index(best) < len(ALPHAS) - 1  # the choice is a real one

    fitted = Regression("ridge", Ridge(), choose={"alpha": ALPHAS}, reference="last").fit(past, train, PROBLEM)
    assert fitted.notes == (f"alpha {best} chosen on the validation split",)
    final = fitted.chosen()
    assert (final.choose, final.regressor.alpha, final.reference.name) == ({}, best, "last")
    everything = final.fit(panel, panel.lengths, PROBLEM).forecast(panel, last_origins(panel)).y_hat
    direct = Regression("ridge", Ridge(alpha=best), reference="last").fit(panel, panel.lengths, PROBLEM)
    np.testing.assert_array_equal(everything, direct.forecast(panel, last_origins(panel)).y_hat)


def test_without_a_validation_split_the_regressors_own_constant_holds():
    panel, _ = two_series()
    tried = Regression("ridge", Ridge(alpha=7.0), choose={"alpha": ALPHAS}).fit(panel, panel.lengths, PROBLEM)
    plain = Regression("ridge", Ridge(alpha=7.0)).fit(panel, panel.lengths, PROBLEM)
    origins = last_origins(panel)
    np.testing.assert_array_equal(tried.forecast(panel, origins).y_hat, plain.forecast(panel, origins).y_hat)
    assert tried.notes == ()


def test_every_combination_of_parameters_is_tried():
    panel, train = two_series()
    choose = {"strategy": ["quantile"], "quantile": [0.0, 0.5, 1.0]}
    fitted = Regression("d", DummyRegressor(), choose=choose, reference="last").fit(panel, train, PROBLEM)
    assert fitted.best.params == {"strategy": "quantile", "quantile": 0.5}


def test_a_large_training_set_is_thinned_and_says_so():
    panel, train = two_series()
    fitted = Regression("dummy", DummyRegressor(), reference="last", max_windows=20).fit(panel, train, PROBLEM)
    whole = len(loop_windows(panel, (0, 0), train)[0])
    assert fitted.notes == (f"fitted on 20 of {whole} windows",)
    other = Regression("dummy", DummyRegressor(), reference="last", max_windows=20, seed=1).fit(panel, train, PROBLEM)
    origins = last_origins(panel)
    assert not np.array_equal(fitted.forecast(panel, origins).y_hat, other.forecast(panel, origins).y_hat)


def test_thinned_windows_are_drawn_from_all_of_the_training_split():
    panel, train = two_series()

    class Recording(DummyRegressor):
        def fit(self, x, y):
            seen.append(np.asarray(x))
            return super().fit(x, y)

    seen: list[np.ndarray] = []
    Regression("r", Recording(), reference="last", max_windows=30).fit(panel, train, PROBLEM)
    every = np.array(loop_windows(panel, (0, 0), train)[0])
    where = [int(np.flatnonzero(np.isclose(every, x).all(axis=1))[0]) for x in seen[0]]
    assert len(set(where)) == 30
    assert min(where) < len(every) / 5
    assert max(where) > len(every) * 4 / 5


def test_one_output_at_a_time_equals_all_at_once():
    panel, train = two_series()
    origins = last_origins(panel)
    at_once = Regression("r", Ridge(), multi_output=True).fit(panel, train, PROBLEM).forecast(panel, origins)
    one_by_one = Regression("r", Ridge(), multi_output=False).fit(panel, train, PROBLEM).forecast(panel, origins)
    np.testing.assert_allclose(one_by_one.y_hat, at_once.y_hat, rtol=1e-10)


@pytest.mark.parametrize(
    "regressor", [RandomForestRegressor(n_estimators=5), BayesianRidge(), MLPRegressor(max_iter=3)]
)
def test_a_horizon_of_one_step(regressor):
    panel, train = two_series()
    fitted = Regression("one", regressor).fit(panel, train, Problem(1, CONTEXT, SEASON))
    y_hat = fitted.forecast(panel, last_origins(panel)).y_hat
    assert y_hat.shape == (2, 1)
    assert np.isfinite(y_hat).all()


def test_any_estimator_of_the_users_own_and_it_stays_unfitted():
    panel, train = two_series()
    ours = make_pipeline(StandardScaler(), Ridge(alpha=0.5))
    fitted = Regression("mine", ours, choose={"ridge__alpha": (0.1, 10.0)}).fit(panel.cut(train + 15), train, PROBLEM)
    assert np.isfinite(fitted.forecast(panel, last_origins(panel)).y_hat).all()
    assert not hasattr(ours[-1], "coef_")
    assert ours[-1].alpha == 0.5


def test_what_a_regressor_warns_of_is_a_note_once_a_kind():
    panel, train = two_series()
    fitted = Regression("mlp", MLPRegressor(max_iter=2), multi_output=False).fit(panel, train, PROBLEM)
    assert len(fitted.notes) == 1
    assert "Maximum iterations (2) reached" in fitted.notes[0]
    assert fitted.notes[0].endswith("(3 times)")


def test_the_seed_reaches_the_regressor():
    panel, train = two_series()
    origins = last_origins(panel)

    def forest(seed: int) -> np.ndarray:
        forecaster = Regression("forest", RandomForestRegressor(n_estimators=3), seed=seed)
        return forecaster.fit(panel, train, PROBLEM).forecast(panel, origins).y_hat

    np.testing.assert_array_equal(forest(1), forest(1))
    assert not np.array_equal(forest(1), forest(2))


def test_an_origin_younger_than_a_context_sees_the_first_value_before_the_series():
    panel, train = two_series()
    padded = single_series(
        np.concatenate([np.full(5, panel.target[0]), panel.target[:70]]), np.arange(75), panel.calendar
    )
    alone = single_series(panel.target[:70], np.arange(70), panel.calendar)
    fitted = Regression("ridge", Ridge(), reference="last").fit(alone, train[:1], PROBLEM)
    young = fitted.forecast(alone, Origins(np.array([0]), np.array([3]))).y_hat
    old = fitted.forecast(padded, Origins(np.array([0]), np.array([8]))).y_hat
    np.testing.assert_allclose(young, old, rtol=1e-12)


def test_a_young_origin_sees_nothing_of_the_series_before():
    panel, train = two_series()
    fitted = Regression("ridge", Ridge(), reference="last").fit(panel, train, PROBLEM)
    young = Origins(np.array([1, 1]), np.array([0, 3]))
    other = replace(panel, values=np.concatenate([panel.values[:70] + 50.0, panel.values[70:]]))
    np.testing.assert_array_equal(fitted.forecast(other, young).y_hat, fitted.forecast(panel, young).y_hat)


@pytest.mark.parametrize("name", ["blend", "mean", "level"])
def test_the_reference_is_the_one_that_a_network_has(name):
    panel, train = two_series()
    past = panel.cut(train + 15)
    differences = Regression("ridge", Ridge(), reference=name).fit(past, train, PROBLEM).differences
    truth = fit_reference(name, past, train, PROBLEM)
    assert (differences.reference.name, differences.reference.ridge) == (name, truth.ridge)
    np.testing.assert_array_equal(differences.reference.weights, truth.weights)
    np.testing.assert_array_equal(differences.scale, fit_scale(past, train, SEASON))


def test_many_origins_are_forecast_in_blocks(monkeypatch):
    panel, train = two_series()
    fitted = Regression("ridge", Ridge()).fit(panel, train, PROBLEM)
    origins = Origins(np.repeat([0, 1], 30), np.tile(np.arange(30, 60), 2))
    whole = fitted.forecast(panel, origins).y_hat
    monkeypatch.setattr("forecast.forecasters.regression._ORIGINS_AT_ONCE", 7)
    np.testing.assert_allclose(fitted.forecast(panel, origins).y_hat, whole, rtol=1e-10)


def test_no_window_at_all_is_said_in_one_line():
    panel, _ = two_series()
    with pytest.raises(ForecastError, match=r"'ridge' has no window to fit on: .* context 8 \+ horizon 3 steps"):
        Regression("ridge", Ridge()).fit(panel, np.array([10, 10]), PROBLEM)


def test_a_parameter_out_of_range_is_said_in_one_line():
    panel, train = two_series()
    with pytest.raises(ForecastError, match="baseline 'r': The 'alpha' parameter of Ridge must be"):
        Regression("r", Ridge(alpha="much")).fit(panel, train, PROBLEM)


@pytest.mark.parametrize(
    ("regressor", "note"),
    [
        (KNeighborsRegressor(n_neighbors=20), "n_neighbors 6 instead of 20: there are 6 windows"),
        (PLSRegression(n_components=9), "n_components 4 instead of 9: there are 6 windows"),
        (
            MLPRegressor(hidden_layer_sizes=[4], early_stopping=True),
            "not stopped early: of 6 windows none can be spared",
        ),
    ],
)
def test_what_asks_for_more_windows_than_there_are_gives_way_and_says_so(regressor, note):
    panel = single_series([3.0, 5.0, 4.0, 6.0, 8.0, 5.0, 7.0, 9.0, 8.0, 9.0, 11.0], np.arange(11), Calendar(freq=None))
    fitted = Regression("it", regressor).fit(panel, np.array([11]), Problem(2, 4, 1))
    assert fitted.notes == (note,)
    y_hat = fitted.forecast(panel, last_origins(panel)).y_hat
    assert np.isfinite(y_hat).all()
    if isinstance(regressor, KNeighborsRegressor):  # all of them: the mean of what followed
        z = fitted.differences.targets(fitted.differences.windows(panel), np.arange(3, 9)).mean(axis=0)
        reference = fitted.differences.forecasts(fitted.differences.windows(panel), np.array([10]), z[None])
        np.testing.assert_allclose(y_hat, reference)
