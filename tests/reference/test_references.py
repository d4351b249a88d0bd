"""References, causal features and scale against loops that look up each value by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of, random_walk
from oracles.regression import blend_weights as drawn_together
from scipy.optimize import linprog

from forecast.errors import ForecastError
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, rolling_origins
from forecast.reference.blends import CRITERIA, SEASON_LAGS
from forecast.reference.causal_features import PanelFeatures
from forecast.reference.fit import fit_reference, validation_error
from forecast.reference.references import NAMES
from forecast.reference.scaling import fit_percentage, fit_scale

M, H = 6, 8
PROBLEM = Problem(horizon=H, context_steps=12, season_steps=M)


@pytest.fixture(name="panel")
def make_panel():
    return panel_of(noisy_sine(90, 0.3, period=M), random_walk(70), noisy_sine(120, 0.1, 2, period=M) + 5)


def every_origin(panel, horizon):
    return rolling_origins(panel, np.ones(len(panel), dtype=int), panel.lengths, horizon)


def every_origin_after(panel, train_steps):
    return rolling_origins(panel, train_steps, panel.lengths, H)


def season_value(y, t, h, seasons):
    """Walk back from t + h in whole seasons until the past is reached, then `seasons` - 1 seasons more."""
    at = t + h
    while at > t:
        at -= M
    if at < 0:
        return y[t]
    for _ in range(seasons - 1):
        if at - M >= 0:
            at -= M
    return y[at]


def by_hand(name, y, t, h, *, train, smoothing):
    if name == "last":
        return y[t]
    if name == "seasonal":
        return season_value(y, t, h, 1)
    if name == "mean":
        return sum(y[: t + 1]) / (t + 1)
    if name == "none":
        return sum(y[:train]) / train
    level = y[0]
    for value in y[1 : t + 1]:
        level += smoothing * (value - level)
    return level


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*CRITERIA, "calendar")])
def test_closed_forms_are_what_their_names_say(panel, name):
    train_steps = np.array([60, 50, 90])
    reference = fit_reference(name, panel, train_steps, PROBLEM)
    origins = every_origin(panel, H)
    forecasts = reference.forecast(panel, origins)
    for k in range(0, len(origins), 7):
        i, t = int(origins.series[k]), int(origins.steps[k])
        y = panel.target[panel.offsets[i] : panel.offsets[i + 1]]
        known = {"train": train_steps[i], "smoothing": reference.smoothing}
        expected = [by_hand(name, y, t, h, **known) for h in range(1, H + 1)]
        np.testing.assert_allclose(forecasts[k], expected, atol=1e-9)


def test_the_smoothing_is_the_best_on_observed_targets_of_training():
    """A loop over candidates, origins and three steps ahead. Holes repeat the value before: they would choose 0.8."""
    train_steps = np.array([300, 300])
    rng = np.random.default_rng(0)
    noise, seen = rng.normal(size=(2, 400)), rng.random((2, 400)) < 0.3
    seen[:, 0] = True
    latest = np.maximum.accumulate(np.where(seen, np.arange(400), 0), axis=1)
    panel = panel_of(*np.take_along_axis(noise, latest, axis=1), observed=list(seen))
    scale = fit_scale(panel, train_steps, M)
    errors = {}
    for smoothing in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8):
        residuals = []
        for i, (_, rows) in enumerate(panel.series()):
            y, seen = panel.target[rows][: train_steps[i]], panel.target_observed[rows]
            for t in range(len(y) - H):
                level = by_hand("level", y, t, 1, train=1, smoothing=smoothing)
                residuals += [abs(y[t + h] - level) / scale[i] for h in (1, 4, H) if seen[t] and seen[t + h]]
        errors[smoothing] = np.mean(residuals)
    assert fit_reference("level", panel, train_steps, PROBLEM).smoothing == min(errors, key=errors.get)


def blend_terms(y, t, h, smoothing):
    """The terms of a blend less the last value, looked up one by one."""
    phases, at = [], t + h
    while at > t:
        at -= M
    while at >= 0:
        phases.append(y[at])
        at -= M
    terms = [season_value(y, t, h, seasons) for seasons in SEASON_LAGS]
    terms.append(np.mean(phases) if phases else y[t])
    terms += [np.mean(y[max(t + 1 - M, 0) : t + 1]), np.mean(y[max(t + 1 - 7 * M, 0) : t + 1])]
    terms.append(by_hand("level", y, t, h, train=1, smoothing=smoothing))
    terms += [y[t - steps] if t >= steps else y[t] for steps in (1, 2, M)]
    return np.array(terms) - y[t]


def test_a_blend_is_ridge_regression_on_terms_looked_up_one_by_one(panel):
    train_steps = np.array([60, 50, 90])
    reference = fit_reference("blend", panel, train_steps, PROBLEM)
    values = [panel.target[rows] for _, rows in panel.series()]
    for h in (1, 5, H):
        designs = []
        for y, train in zip(values, train_steps.tolist(), strict=True):
            rows = range(min(7 * M, train // 2) - 1, train - H)
            x = np.array([blend_terms(y, t, h, reference.smoothing) for t in rows])
            designs.append((x, np.array([y[t + h] - y[t] for t in rows])))
        weights = drawn_together(designs, fit_scale(panel, train_steps, M), reference.ridge)
        np.testing.assert_allclose(reference.weights[:, h - 1], weights, rtol=1e-6, atol=1e-8)
        for i, y in enumerate(values):
            t = len(y) - 9
            forecasts = reference.forecast(panel, Origins(np.array([i]), np.array([t])))[0, h - 1]
            assert forecasts == pytest.approx(y[t] + weights[i] @ blend_terms(y, t, h, reference.smoothing))


def test_a_short_series_borrows_the_weights_of_the_others():
    """Of a season of its own and noise, nothing forecasts better than the mean of its phase so far.

    To find that alone a series has some thirty rows for fourteen weights; forty series find it together.
    """
    rng = np.random.default_rng(0)
    panel = panel_of(*(np.tile(rng.normal(size=M) * 3, 10) + rng.normal(size=10 * M) for _ in range(40)))
    train_steps = np.full(40, 40)
    origins = every_origin_after(panel, train_steps)
    truth = panel.target[origins.rows(panel)[:, None] + np.arange(1, H + 1)]
    features = PanelFeatures(panel, 0.2, M)
    best = np.mean((truth - features.phases(origins.rows(panel), np.arange(1, H + 1), M).means()) ** 2)
    together = fit_reference("blend", panel, train_steps, PROBLEM).forecast(panel, origins)
    panels = [panel.take(np.array([i])) for i in range(40)]
    alone = np.concatenate(
        [
            fit_reference("blend", one, train_steps[:1], PROBLEM).forecast(
                one, every_origin_after(one, train_steps[:1])
            )
            for one in panels
        ]
    )
    assert np.mean((truth - together) ** 2) < 1.04 * best
    assert np.mean((truth - alone) ** 2) > 1.2 * best


@pytest.mark.parametrize("name", NAMES)
def test_no_reference_looks_past_its_origin_or_past_its_training_split(panel, name):
    train_steps = np.array([60, 50, 90])
    cut = np.array([75, 60, 100])
    reference = fit_reference(name, panel, train_steps, PROBLEM)
    again = fit_reference(name, panel.cut(train_steps + H + 1), train_steps, PROBLEM)
    np.testing.assert_array_equal(again.centre, reference.centre)
    assert again.smoothing == reference.smoothing
    origins = Origins(np.arange(3), cut - 1)
    whole = reference.forecast(panel, origins)
    np.testing.assert_allclose(reference.forecast(panel.cut(cut), origins), whole, rtol=1e-13)
    known, short = reference.causal_features(panel), reference.causal_features(panel.cut(cut))
    inputs = reference.inputs(known, origins.rows(panel))
    np.testing.assert_allclose(reference.inputs(short, origins.rows(panel.cut(cut))), inputs, atol=1e-12)
    assert inputs.shape[1] == reference.input_size
    if name in CRITERIA:  # the last of them are the course that it expects; with so short a horizon all of it
        np.testing.assert_allclose(inputs[:, -H:] + panel.target[origins.rows(panel)][:, None], whole, atol=1e-9)


def jumping(steps, seed):
    """A season on a level of 20, that now and then is far off."""
    rng = np.random.default_rng(seed)
    jumps = rng.standard_t(2, size=steps) * (rng.random(steps) < 0.1) * 8
    return np.abs(20 + 5 * np.sin(2 * np.pi * np.arange(steps) / M) + rng.normal(size=steps) + jumps) + 1


def errors_in_training(panel, train_steps, name):
    """Absolute and percentage errors of a blend over the forecasts that it was fitted on, (series, horizon, origin).

    With a ridge constant that hardly counts.
    """
    origins = rolling_origins(panel, np.full(len(panel), 7 * M), train_steps, H)
    reference = replace(fit_reference(name, panel, train_steps, PROBLEM), ridge=1e-9).refit(panel, train_steps)
    forecasts = reference.forecast(panel, origins)
    y = panel.target[origins.rows(panel)[:, None] + np.arange(1, H + 1)]
    error = np.abs(y - forecasts)
    shape = (len(panel), -1, H)
    return error.reshape(shape).swapaxes(1, 2), (2 * error / (np.abs(y) + np.abs(forecasts))).reshape(shape).swapaxes(
        1, 2
    )


def test_a_blend_of_least_absolute_errors_comes_near_the_optimum_of_a_linear_program():
    """min sum(u + v) with x w + u - v = y, u, v >= 0, whose optimum is the least absolute error that there is."""
    panel, train_steps = panel_of(jumping(330, 0), jumping(330, 1)), np.array([300, 300])
    error, _ = errors_in_training(panel, train_steps, "blend_mae")
    squares, _ = errors_in_training(panel, train_steps, "blend")
    reference = fit_reference("blend_mae", panel, train_steps, PROBLEM)
    for i, h in ((0, 1), (1, H)):
        y = panel.target[panel.offsets[i] : panel.offsets[i + 1]]
        rows = range(7 * M - 1, 300 - H)
        x = np.array([blend_terms(y, t, h, reference.smoothing) for t in rows])
        target = np.array([y[t + h] - y[t] for t in rows])
        eye = np.eye(len(target))
        cost = np.concatenate([np.zeros(x.shape[1]), np.ones(2 * len(target))])
        bounds = [(None, None)] * x.shape[1] + [(0, None)] * (2 * len(target))
        best = linprog(cost, A_eq=np.hstack([x, eye, -eye]), b_eq=target, bounds=bounds).fun
        assert best <= error[i, h - 1].sum() < best * 1.02
        assert error[i, h - 1].sum() < squares[i, h - 1].sum()


def test_a_blend_is_better_than_the_others_by_its_own_criterion():
    """Squares, absolute errors in units of the scale, and these plus percentages in units of the seasonal ones."""
    series = [np.exp(jumping(330, seed) / 8) * size for seed, size in ((0, 1), (1, 30), (2, 900))]
    panel, train_steps = panel_of(*series), np.array([300, 300, 300])
    scale = fit_scale(panel, train_steps, M)
    shares = [2 * np.abs(y[M:] - y[:-M]) / (y[M:] + y[:-M]) for y in (one[:300] for one in series)]
    percentage = np.mean([share.mean() for share in shares])
    assert fit_percentage(panel, train_steps, M) == pytest.approx(percentage)
    totals = {}
    for name in ("blend", "blend_mae", "blend_owa"):  # of the same terms
        error, share = errors_in_training(panel, train_steps, name)
        scaled = error / scale[:, None, None]
        totals[name] = {"blend": np.mean(scaled**2), "blend_mae": np.mean(scaled)}
        totals[name]["blend_owa"] = np.mean(scaled) + np.mean(share) / percentage
    for name in ("blend", "blend_owa"):
        assert min(totals, key=lambda other: totals[other][name]) == name
    assert totals["blend_mae"]["blend_mae"] < totals["blend"]["blend_mae"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "blend_owa"])  # percentages know where zero is
def test_a_series_moved_and_stretched_moves_and_stretches_its_reference(panel, name):
    train_steps = np.array([60, 50, 90])
    moved = panel_of(*(panel.target[rows] * 1000 + 5000 for _, rows in panel.series()))
    origins = every_origin(panel, H)
    forecasts = fit_reference(name, moved, train_steps, PROBLEM).forecast(moved, origins)
    unmoved = fit_reference(name, panel, train_steps, PROBLEM).forecast(panel, origins)
    np.testing.assert_allclose(forecasts, unmoved * 1000 + 5000, rtol=1e-7)


def four_steps_back(steps):
    y, noise = np.zeros(steps), np.random.default_rng(0).normal(size=steps)
    for t in range(4, steps):
        y[t] = 0.5 * y[t - 1] - 0.8 * y[t - 4] + noise[t]
    return y


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (random_walk(900), "last"),
        (noisy_sine(900, 0.0, period=M), "seasonal"),
        (noisy_sine(900, 0.5, period=M), "blend"),
        (np.random.default_rng(0).normal(size=900), "mean"),
        (four_steps_back(900), "ridge"),
    ],
    ids=["walk", "clean sine", "noisy sine", "noise", "autoregression"],
)
def test_auto_takes_what_fits_the_series_and_the_simpler_of_two_as_good(y, expected):
    panel = panel_of(y)
    train_steps = np.array([700])
    season = M if "sine" in expected or expected in ("seasonal", "blend") else 1
    problem = Problem(H, 12, season)
    chosen = fit_reference("auto", panel, train_steps, problem)
    assert chosen.name == expected
    others = [n for n in NAMES if n not in ("none", "calendar") and (n != "seasonal" or season > 1)]
    errors = [validation_error(fit_reference(n, panel, train_steps, problem), panel, train_steps) for n in others]
    assert validation_error(chosen, panel, train_steps) <= 1.01 * min(errors)


def test_a_walk_has_four_tries_to_look_like_something_else():
    """Of 60 short walks none leaves the last value; with 99 % for each of the four others two of them did."""
    problem = Problem(5, 12, 1)
    chosen = [fit_reference("auto", panel_of(random_walk(160, i)), np.array([120]), problem) for i in range(80, 140)]
    assert {reference.name for reference in chosen} == {"last"}


def test_a_blend_of_one_walk_is_not_drawn_so_near_to_the_last_value_that_chance_makes_it_sure():
    """Of 60 walks none leaves the last value; with ridge constants up to 100, as panels have them, one of them did."""
    problem = Problem(5, 12, 1)
    chosen = [fit_reference("auto", panel_of(random_walk(200, i)), np.array([160]), problem) for i in range(60)]
    assert {reference.name for reference in chosen} == {"last"}


def test_seasonal_without_a_season_and_unknown_names_are_refused(panel):
    with pytest.raises(ForecastError, match="season_steps"):
        fit_reference("seasonal", panel, np.array([60, 50, 90]), Problem(H, 12, 1))
    with pytest.raises(ForecastError, match="one of last"):
        fit_reference("lasst", panel, np.array([60, 50, 90]), PROBLEM)


def test_the_scale_is_the_seasonal_difference_of_observed_training_values():
    y = np.array([1.0, 2.0, 4.0, 9.0, 3.0, 99.0])
    seen = np.array([True, True, True, False, True, True])
    panel = panel_of(y, y * 0 + 7, observed=[seen, np.ones(6, dtype=bool)])
    scale = fit_scale(panel, np.array([5, 5]), 2)
    assert scale.tolist() == [pytest.approx((abs(4 - 1) + abs(3 - 4)) / 2), 1.0]


def test_an_exactly_seasonal_series_has_a_scale_all_the_same():
    panel = panel_of(np.tile([0.0, 1.0, 0.0, -1.0], 10))
    assert fit_scale(panel, np.array([40]), 4).tolist() == [0.1]


def test_means_of_phases_and_of_windows():
    panel = panel_of([9.0], [1.0, 2.0, 3.0, 5.0, 8.0, 0.0, 1.0])
    known = PanelFeatures(panel, 0.5, 3)
    np.testing.assert_allclose(known.phase_mean[1:], [1, 2, 3, 3, 5, 1.5, 7 / 3])
    np.testing.assert_allclose(known.moving_mean(np.array([2, 7]), 4), [1.5, 3.5])
    np.testing.assert_allclose(known.before(np.array([1, 3]), 2), [1.0, 1.0])


def test_a_reference_that_is_multiplied_is_not_near_zero():
    rng = np.random.default_rng(0)
    demand = np.where(rng.random(300) < 0.2, rng.integers(1, 12, 300), 0).astype(float)
    past, steps, problem = panel_of(demand), np.array([250]), Problem(horizon=5, context_steps=10)
    assert fit_reference("auto", past, steps, problem).name == "last"  # its median error is least: most days are zero
    multiplied = fit_reference("auto", past, steps, problem, multiplied=True)
    forecasts = multiplied.at(multiplied.causal_features(past), np.arange(20, 300))
    assert np.mean(forecasts > 0.1 * demand.mean()) >= 0.9
    with pytest.raises(
        ForecastError, match=r"`model.reference=last` is near zero at [78]\d\.\d % .* `model.reference=mean`"
    ):
        fit_reference("last", past, steps, problem, multiplied=True)
    assert fit_reference("last", panel_of(demand + 3), steps, problem, multiplied=True).name == "last"
