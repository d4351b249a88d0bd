"""Where the series stand, as heads that need it are told it in training."""

from __future__ import annotations

import numpy as np
from oracles.panels import noisy_sine, panel_of

from forecast.questions.kinds import Problem
from forecast.reference.encoding import fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale
from forecast.training.batches import training_epochs
from forecast.training.data import network_data
from forecast.training.settings import TrainingSettings

HORIZON = 4
TRAIN_STEPS = np.array([100, 60])


def test_a_batch_tells_reference_and_scale_wherever_a_target_exists():
    past = panel_of(noisy_sine(120, 0.2) * 5 + 50, noisy_sine(80, 0.2, 1) * 300)
    reference = fit_reference("blend", past, TRAIN_STEPS, Problem(HORIZON, 12, 20))
    scale, encoding = fit_scale(past, TRAIN_STEPS, 20), fit_encoding(past, TRAIN_STEPS)
    data = network_data(past, reference, scale, encoding, needs_level=True)
    ends = past.offsets[:-1] + TRAIN_STEPS
    for regime in ("stream", "windows"):
        settings = TrainingSettings(regime=regime, chunk_steps=16, lanes=2, batch_size=8, batches_per_epoch=2)
        for batch in training_epochs(data, ends, settings, 12, seed=0):
            there = batch.exists.numpy() > 0
            expected = scale[batch.series.numpy()[:, -there.shape[1] :]]
            np.testing.assert_allclose(batch.level.scale.numpy()[..., 0], expected, rtol=1e-6)
            y = batch.level.reference + batch.target * batch.level.scale  # an observed value of the series' own
            assert np.abs(y.numpy()[there][:, None] - past.target).min(axis=1).max() < 1e-3
    rows = np.arange(20, 90)
    target, exists = data.differences(rows, ends)
    ours, truth = data.level_of(rows, target), data.level(rows)
    np.testing.assert_allclose(ours.reference.numpy()[exists], truth.reference.numpy()[exists], rtol=1e-5)
