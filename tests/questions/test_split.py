"""Whole series in training, validation and test: counted by hand, and by a slow loop over all steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.questions.settings import SplitSettings
from forecast.questions.split import rolling_origins, split_panel
from forecast.questions.task import forecast_task, without_short
from forecast.reference.encoding import fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale
from forecast.series.panel import Channel, Statics

LENGTHS = (40, 7, 90, 12, 3, 55, 33, 60, 5, 21)


def symbols(*lengths):
    """Codes of three symbols."""
    rng = np.random.default_rng(0)
    panel = panel_of(*(rng.integers(0, 3, n) for n in lengths))
    return replace(panel, channels=(Channel("y", "target", ("a", "b", "c")),))


def splits_of(split, lengths):
    """Steps of each split, by series."""
    ends = np.stack([split.train, split.fitted, split.before_test, np.array(lengths)])
    return np.diff(ends, axis=0, prepend=0).T.tolist()


def whole(*counts):
    """What `splits_of` gives where the first `counts[0]` series are training, the next validation, ..."""
    which = np.repeat(np.arange(len(counts)), counts)
    return [[length if k == part else 0 for k in range(4)] for length, part in zip(LENGTHS, which, strict=True)]


@pytest.mark.parametrize(
    ("validation", "calibration", "test", "counts"),
    [
        (0.2, 0, 0.3, (5, 2, 0, 3)),
        (1, 0, 4, (5, 1, 0, 4)),
        (0.2, 3, 0.1, (4, 2, 3, 1)),
        (0.01, 0.01, 0.01, (7, 1, 1, 1)),  # at least one each
        (3, None, 2, (5, 2, 1, 2)),
        (1, None, 2, (7, 1, 0, 2)),
        (4, 0, 5, (1, 4, 0, 5)),
    ],
)
def test_series_are_counted_off_in_their_order(validation, calibration, test, counts):
    panel = symbols(*LENGTHS)
    split = split_panel(panel, validation, test, 99, 2, calibration=calibration, over="series")
    assert splits_of(split, LENGTHS) == whole(*counts)


def test_each_split_needs_a_series():
    message = r"at least 1 series for training, found 10 series, of which 5 for validation, 2 for cal.* and 3 for the"
    with pytest.raises(ForecastError, match=message):
        split_panel(symbols(*LENGTHS), 5, 3, 1, 2, calibration=2, over="series")


def test_a_series_needs_one_step_before_a_horizon():
    assert split_panel(symbols(*LENGTHS), 2, 2, 1, 2, over="series").train.sum() > 0
    with pytest.raises(ForecastError, match=r"series 's4' has 3 steps.* horizon 3 and one more: set `horizon=2` or le"):
        split_panel(symbols(*LENGTHS), 2, 2, 1, 3, over="series")
    kept, notes = without_short(symbols(*LENGTHS), 5, SplitSettings(over="series"), context_steps=50)
    assert kept.ids == ("s0", "s1", "s2", "s3", "s5", "s6", "s7", "s9")
    assert notes == (
        "2 of 10 series left out as too short for horizon 5 and one more step: 's4' (3 steps), 's8' (5 steps).",
    )
    with pytest.raises(ForecastError, match="all 10 series are too short"):
        without_short(symbols(*LENGTHS), 90, SplitSettings(over="series"))


@pytest.mark.parametrize("horizon", [1, 2])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_origins_begin_at_the_first_row_of_a_series(horizon, part):
    panel = symbols(*LENGTHS)
    hole = panel.observed.copy()
    hole[panel.offsets[8] + 1] = False
    panel = replace(panel, observed=hole)
    split = split_panel(panel, 2, 3, 1, horizon, over="series")
    first, ends, series = {
        "validation": (split.train, split.fitted, (5, 6)),
        "test": (split.before_test, panel.lengths, (7, 8, 9)),
    }[part]
    origins = rolling_origins(panel, first, ends, horizon)
    expected = [
        (i, t)
        for i in series
        for t in range(LENGTHS[i])
        if t + horizon < LENGTHS[i] and panel.observed[panel.offsets[i] + t, 0]
    ]
    assert list(zip(origins.series.tolist(), origins.steps.tolist(), strict=True)) == expected


def test_a_panel_is_cut_down_to_the_series_of_a_split():
    panel = symbols(*LENGTHS)
    split = split_panel(panel, 2, 3, 1, 1, over="series")
    training = panel.cut(split.train)
    assert training.lengths.tolist() == [40, 7, 90, 12, 3, 0, 0, 0, 0, 0]
    assert training.target.tolist() == panel.target[:152].tolist()
    again = training.cut(np.minimum(split.train, 5))
    assert again.lengths.tolist() == [5, 5, 5, 5, 3, 0, 0, 0, 0, 0]


def test_the_context_is_of_the_shortest_training_series():
    lengths = (200, 150, 30, 100, 20)
    panel = symbols(*lengths)
    task = forecast_task(panel, 4, validation=1, test=2, target_type="symbol", over="series")
    assert (task.problem.season_steps, task.problem.context_steps) == (1, 64)
    assert splits_of(task.split, lengths)[1:] == [[150, 0, 0, 0], [0, 30, 0, 0], [0, 0, 0, 100], [0, 0, 0, 20]]
    assert (
        forecast_task(panel, 4, validation=1, test=1, target_type="symbol", over="series").problem.context_steps == 17
    )  # of 30 steps
    given = forecast_task(panel, 4, validation=1, test=1, target_type="symbol", over="series", context_steps=500)
    assert given.problem.context_steps == 500  # nothing before a series' first row is needed


@pytest.mark.parametrize("target_type", ["value", "direction"])
def test_values_are_refused(target_type):
    with pytest.raises(ForecastError, match=r"`split\.over=series` is for symbols .* own training split"):
        forecast_task(symbols(*LENGTHS), 2, target_type=target_type, over="series")


def test_another_word_is_refused():
    with pytest.raises(ForecastError, match=r"`split\.over` should be"):
        forecast_task(symbols(*LENGTHS), 2, target_type="symbol", over="time,series")


@pytest.mark.parametrize("name", ["last", "mean", "level", "none", "blend", "auto"])
def test_scales_and_references_are_finite_where_a_series_has_no_training(name):
    panel = panel_of(*(noisy_sine(n, seed=n) for n in LENGTHS))
    split = split_panel(panel, 2, 3, 1, 2, over="series")
    past = panel.cut(split.fitted)
    question = forecast_task(panel_of(noisy_sine(100)), 2).problem
    reference = fit_reference(name, past, split.train, question)
    known = reference.causal_features(past)
    assert np.isfinite(reference.at(known, np.arange(len(past.target)))).all()
    assert np.isfinite(reference.inputs(known, np.arange(len(past.target)))).all()
    assert fit_scale(past, split.train, 1)[5:].tolist() == [1.0] * 5


def test_what_describes_a_series_is_measured_on_training_series_alone():
    panel = symbols(*LENGTHS)
    size = np.arange(10.0)[:, None] ** 2
    panel = replace(panel, static=Statics(size, np.zeros((10, 1), dtype=bool), (Channel("size", "static"),)))
    encoding = fit_encoding(panel, split_panel(panel, 2, 3, 1, 1, over="series").train)
    assert encoding.static.centre[0] == size[:5].mean()
    assert encoding.static.spread[0] == size[:5].std()
