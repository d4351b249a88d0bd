"""Cross-fitted blends against weights solved by hand without the block in question."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of
from oracles.regression import blend_weights

from forecast.questions.kinds import Problem
from forecast.reference.blends import terms
from forecast.reference.cross_fitting import CrossFitted, cross_fitted
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale

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


def weights_by_hand(panel, reference, left_out):
    """Weights from all origins of each series' training split but those with a target that a block's origins have.

    `left_out` is the first and the end of each series' block, or None; the weights are (series, horizon, term).
    """
    rows = []
    for series, train in enumerate(TRAIN):
        oldest = reference.lags + 1 if reference.lags else 7 * M
        block = range(*left_out[series]) if left_out else ()
        targets_left_out = {step + h for step in block for h in range(1, H + 1)}
        origins = [
            step
            for step in range(min(oldest, train // 2) - 1, train - H)
            if not targets_left_out & {step + h for h in range(1, H + 1)}
        ]
        rows.append(panel.offsets[series] + np.array(origins))
    terms = [np.stack(terms_by_hand(panel, reference, of_series), axis=2) for of_series in rows]
    units = fit_scale(panel, TRAIN, M)
    weights = []
    for h in range(H):
        designs = [
            (x[:, h] - panel.target[at][:, None], panel.target[at + h + 1] - panel.target[at])
            for x, at in zip(terms, rows, strict=True)
        ]
        weights.append(blend_weights(designs, units, reference.ridge))
    return np.stack(weights, axis=1)


@pytest.mark.parametrize("name", ["blend", "ridge"])
def test_rows_of_a_block_get_the_weights_of_the_others(panel, name):
    reference = fit_reference(name, panel, TRAIN, PROBLEM)
    crossed = cross_fitted(reference, panel, TRAIN, BLOCKS)
    known = crossed.causal_features(panel)
    np.testing.assert_allclose(reference.weights, weights_by_hand(panel, reference, None), rtol=1e-5, atol=1e-8)
    borders = np.arange(BLOCKS + 1) * TRAIN[:, None] // BLOCKS
    for block in range(BLOCKS):
        left_out = borders[:, block : block + 2]
        for series, weights in enumerate(weights_by_hand(panel, reference, left_out.tolist())):
            for step in (left_out[series, 0], left_out[series, 1] - 1):
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

    def errors(seed):
        """Of the fitted blend and of the cross-fitted one on the training split, and of the former after it."""
        panel = panel_of(np.random.default_rng(seed).normal(size=240))
        train = np.array([120])
        reference = replace(fit_reference("blend", panel, train, PROBLEM), ridge=0.1).refit(panel, train)
        crossed = cross_fitted(reference, panel, train, 10)
        known = reference.causal_features(panel)
        spans = (reference, np.arange(30, 115)), (crossed, np.arange(30, 115)), (reference, np.arange(120, 236))
        ahead = np.arange(1, H + 1)
        return [np.mean((panel.target[rows[:, None] + ahead] - one.at(known, rows)) ** 2) for one, rows in spans]

    fitted, honest, later = np.mean([errors(seed) for seed in range(30)], axis=0)
    assert fitted < 0.93 * later
    assert abs(honest / later - 1) < 0.02


def test_references_without_weights_stay_as_they_are(panel):
    for name in ("last", "seasonal", "mean", "level", "none"):
        reference = fit_reference(name, panel, TRAIN, PROBLEM)
        assert cross_fitted(reference, panel, TRAIN, 5) is reference
    assert not isinstance(cross_fitted(fit_reference("blend", panel, TRAIN, PROBLEM), panel, TRAIN, 0), CrossFitted)
