"""References brought on step by step against the same ones asked about the whole past."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of

from forecast.questions.kinds import Problem
from forecast.reference.fit import fit_reference
from forecast.reference.history_buffer import HistoryBuffer, StepwiseReference
from forecast.reference.references import NAMES

BEGIN = np.array([40, 90, 12])
STEPS = 130


@pytest.mark.parametrize("longest", [1_500, 0], ids=["matrix", "asked"])
@pytest.mark.parametrize(
    ("name", "season_steps"), [(name, m) for name in NAMES for m in (1, 6) if (name, m) != ("seasonal", 1)]
)
def test_forecasts_and_inputs_are_those_of_the_whole_past(name, season_steps, longest, monkeypatch):
    """Of young series and of old ones, across several lengths of what is remembered."""
    monkeypatch.setattr("forecast.reference.history_buffer._LONGEST", longest)
    panel = panel_of(*(1e3 * i + noisy_sine(int(n) + STEPS, seed=i) for i, n in enumerate(BEGIN)))
    reference = fit_reference(name, panel, panel.lengths - 20, Problem(5, 10, season_steps))
    known = reference.causal_features(panel)
    rows = panel.offsets[:-1] + BEGIN - 1
    stepwise = StepwiseReference(reference, HistoryBuffer(known, rows, BEGIN, reference, room=7))
    np.testing.assert_allclose(stepwise.forecast, reference.at(known, rows), rtol=0, atol=1e-8)
    for step in range(1, STEPS + 1):
        channels = known.channels[rows + step] if reference.channel_count else None
        inputs = stepwise.push(panel.target[rows + step], channels)
        np.testing.assert_allclose(stepwise.forecast, reference.at(known, rows + step), rtol=0, atol=1e-8)
        np.testing.assert_allclose(inputs, reference.inputs(known, rows + step), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["blend", "mean", "seasonal"])
def test_one_series_is_as_one_of_several(name):
    panel = panel_of(noisy_sine(200))
    reference = fit_reference(name, panel, panel.lengths, Problem(5, 10, 6))
    known = reference.causal_features(panel)
    start = np.array([20])
    one = StepwiseReference(reference, HistoryBuffer(known, start, start + 1, reference, room=50))
    two = StepwiseReference(reference, HistoryBuffer(known, start.repeat(2), start.repeat(2) + 1, reference, room=50))
    for step in range(21, 200):
        inputs, others = one.push(panel.target[[step]]), two.push(panel.target[[step, step]])
        np.testing.assert_allclose(others, inputs.repeat(2, axis=0), rtol=0, atol=1e-12)
        np.testing.assert_allclose(inputs, reference.inputs(known, np.array([step])), rtol=0, atol=1e-9)
        np.testing.assert_allclose(one.forecast, reference.at(known, np.array([step])), rtol=0, atol=1e-9)
