"""Cross-fitted blends against weights solved by hand without the block in question."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of

from forecast.questions.kinds import Problem
from forecast.reference.blends import terms
from forecast.reference.cross_fitting import CrossFitted, cross_fitted
from forecast.reference.fit import fit_reference

M, H, BLOCKS = 4, 3, 3
PROBLEM = Problem(horizon=H, context_steps=8, season_steps=M)
TRAIN = np.array([150, 210])


@pytest.fixture(name="panel")
def make_panel():
    return panel_of(noisy_sine(180, 0.3, period=M), noisy_sine(240, 0.3, 1, period=M) + 5)


def terms_by_hand(panel, reference, rows):
    """Terms of a blend, or the values before and the mean so far, each (row, horizon)."""
    if not reference.lags:
        features = reference.causal_features(panel)
        return [np.broadcast_to(term, (len(rows), H)) for term in terms(features, rows, np.arange(1, H + 1), M)]
    starts = panel.offsets[np.searchsorted(panel.offsets, rows, side="right") - 1]
    lagged = [
        [panel.target[row - lag if row - lag >= start else row] for row, start in zip(rows, starts, strict=True)]
        for lag in range(1, reference.lags + 1)
    ]
    mean = [panel.target[start : row + 1].mean() for start, row in zip(starts, rows, strict=True)]
    return [np.repeat(np.array(one)[:, None], H, axis=1) for one in (*lagged, mean)]


def weights_by_hand(panel, reference, series, left_out):
    """Ridge on all origins of a series' training split but those with a target that a block's origins have."""
    start = panel.offsets[series]
    oldest = reference.lags + 1 if reference.lags else 7 * M
    targets_left_out = {step + h for step in range(*left_out) for h in range(1, H + 1)} if left_out else set()
    origins = [
        step
        for step in range(min(oldest, TRAIN[series] // 2) - 1, TRAIN[series] - H)
        if not targets_left_out & {step + h for h in range(1, H + 1)}
    ]
    rows = start + np.array(origins)
    x = np.stack(terms_by_hand(panel, reference, rows), axis=2)
    y = panel.target[rows]
    weights = []
    for h in range(H):
        a, b = x[:, h] - y[:, None], panel.target[rows + h + 1] - y
        penalty = reference.ridge * np.mean((a**2).sum(axis=0))
        weights.append(np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ b))
    return np.array(weights)


@pytest.mark.parametrize("name", ["blend", "ridge"])
def test_rows_of_a_block_get_the_weights_of_the_others(panel, name):
    reference = fit_reference(name, panel, TRAIN, PROBLEM)
    crossed = cross_fitted(reference, panel, TRAIN, BLOCKS)
    known = crossed.causal_features(panel)
    for series in range(2):
        np.testing.assert_allclose(
            reference.weights[series], weights_by_hand(panel, reference, series, None), rtol=1e-6
        )
        borders = np.arange(BLOCKS + 1) * TRAIN[series] // BLOCKS
        for block in range(BLOCKS):
            left_out = int(borders[block]), int(borders[block + 1])
            weights = weights_by_hand(panel, reference, series, left_out)
            for step in (left_out[0], left_out[1] - 1):
                row = np.array([panel.offsets[series] + step])
                y = panel.target[row[0]]
                x = np.concatenate(terms_by_hand(panel, reference, row)).T
                np.testing.assert_allclose(crossed.at(known, row)[0], y + (weights * (x - y)).sum(axis=1), rtol=1e-6)
    after = panel.offsets[:-1] + TRAIN + 5
    np.testing.assert_array_equal(crossed.at(known, after), reference.at(known, after))
    np.testing.assert_array_equal(crossed.inputs(known, after), reference.inputs(known, after))
    mixed = np.sort(np.concatenate([after, panel.offsets[:-1] + 40, panel.offsets[:-1] + 100]))
    one_by_one = np.concatenate([crossed.inputs(known, mixed[[i]]) for i in range(len(mixed))])
    np.testing.assert_array_equal(crossed.inputs(known, mixed), one_by_one)


def test_in_training_it_errs_as_it_will_later():
    """Of noise that nothing foresees a blend of many terms seems to foresee a part, where it was fitted."""
    panel = panel_of(*(np.random.default_rng(i).normal(size=240) for i in range(30)))
    train = np.full(30, 120)
    reference = fit_reference("blend", panel, train, PROBLEM)
    crossed = cross_fitted(reference, panel, train, 4)
    known = reference.causal_features(panel)

    def error(at, first, end):
        rows = (panel.offsets[:-1, None] + np.arange(first, end)).reshape(-1)
        truth = panel.target[rows[:, None] + np.arange(1, H + 1)]
        return np.mean((truth - at(known, rows)) ** 2)

    fitted, honest, later = (
        error(reference.at, 30, 115),
        error(crossed.at, 30, 115),
        error(reference.at, 120, 236),
    )
    assert fitted < 0.93 * later
    assert abs(honest / later - 1) < 0.02


def test_references_without_weights_stay_as_they_are(panel):
    for name in ("last", "seasonal", "mean", "level", "none"):
        reference = fit_reference(name, panel, TRAIN, PROBLEM)
        assert cross_fitted(reference, panel, TRAIN, 5) is reference
    assert not isinstance(cross_fitted(fit_reference("blend", panel, TRAIN, PROBLEM), panel, TRAIN, 0), CrossFitted)
