"""What is trained where whole series are held back, and where the only fork of a series is before its label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.evaluation.backtest import forecast_all
from forecast.evaluation.fits import fit_all
from forecast.evaluation.leaks import find_leaks
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.regression import whole_window_rows
from forecast.network.network import Network
from forecast.network.settings import EsnSettings, GruSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import split_panel
from forecast.questions.task import forecast_task
from forecast.reading.labels import with_labels_at_end
from forecast.reference.encoding import fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale
from forecast.series.panel import Channel
from forecast.tasks.final import final_fit, future
from forecast.training.batches import chunk_batch, training_epochs
from forecast.training.data import begin, network_data
from forecast.training.job import TrainingJob, validation_split
from forecast.training.lanes import full_last_chunks, lane_chunks, whole_segments
from forecast.training.settings import TrainingSettings

LENGTHS = (70, 1, 16, 33, 5, 120, 17, 48, 9, 64)
ONE = Problem(horizon=1, context_steps=5)
STREAM = TrainingSettings(chunk_steps=16, lanes=3)


def labelled(lengths=LENGTHS, unlabelled=("s3",)):
    """A label is whether the first value that is read was positive; another covariate says which value was first."""
    rng = np.random.default_rng(0)
    read = [np.column_stack([rng.normal(size=n), np.arange(n) == 0]) for n in lengths]
    panel = panel_of(*(np.full(len(x), float(x[0, 0] > 0)) for x in read))
    panel = replace(
        panel,
        values=np.column_stack([panel.values, np.concatenate(read)]),
        observed=np.ones((len(panel.target), 3), dtype=bool),
        channels=(*panel.channels, Channel("x", "past"), Channel("first", "past")),
    )
    return with_labels_at_end(panel, unlabelled)


def data_of(past, train_steps, problem=ONE, name="none"):
    reference = fit_reference(name, past, train_steps, problem)
    return network_data(past, reference, fit_scale(past, train_steps, 1), fit_encoding(past, train_steps))


def epoch_of(monkeypatch, data, train_steps, settings=STREAM):
    """Batches of one epoch with the chunks that they were made of."""
    result = []

    def spy(data, targets, chunk):
        result.append((chunk_batch(data, targets, chunk), chunk))
        return result[-1][0]

    monkeypatch.setattr("forecast.training.batches.chunk_batch", spy)
    list(training_epochs(data, data.past.offsets[:-1] + train_steps, settings, context_steps=5, seed=1))
    return result


def forks_of(made):
    """Every fork that carries loss: row, step ahead and target."""
    return sorted(
        (int(chunk.rows[lane, step]), int(h) + 1, float(batch.target[lane, step, h]))
        for batch, chunk in made
        for lane, step, h in np.argwhere(batch.exists.numpy() > 0)
    )


@pytest.mark.parametrize("chunk_steps", [1, 7, 16, 500])
def test_each_labelled_training_series_has_one_fork_an_epoch(monkeypatch, chunk_steps):
    panel = labelled()
    train = split_panel(panel, 2, 2, 1, 1, over="series").train
    assert (train > 0).tolist() == [True, True, True, False, True, True, False, False, False, False]
    result = epoch_of(monkeypatch, data_of(panel, train), train, replace_settings(chunk_steps=chunk_steps))
    assert forks_of(result) == [
        (int(panel.offsets[i + 1]) - 2, 1, float(panel.target[panel.offsets[i + 1] - 1])) for i in (0, 1, 2, 4, 5)
    ]
    assert sum(batch.forks for batch, _ in result) == 5


def replace_settings(**said):
    return STREAM.model_copy(update=said)


@pytest.mark.parametrize("chunk_steps", [7, 16])
def test_a_series_is_walked_uncut_and_its_last_chunk_is_nearly_full(monkeypatch, chunk_steps):
    panel = labelled()
    result = epoch_of(
        monkeypatch, data_of(panel, panel.lengths), panel.lengths, replace_settings(chunk_steps=chunk_steps, lanes=8)
    )
    walked = {i: [] for i in range(len(LENGTHS))}
    begun = []
    for _, chunk in result:
        for lane in range(len(chunk.rows)):
            rows = chunk.rows[lane][chunk.inside[lane]]
            begun += chunk.rows[lane, chunk.resets[lane]][None].tolist() if chunk.resets[lane] >= 0 else []
            if len(rows):
                walked[int(np.searchsorted(panel.offsets, rows[0], side="right")) - 1].append(rows.tolist())
    for i, length in enumerate(LENGTHS):
        if i == 3:  # it has no label, and nothing to train on
            assert not walked[i]
            continue
        assert np.concatenate(walked[i]).tolist() == list(range(panel.offsets[i], panel.offsets[i] + length))
        grain = -(-chunk_steps // 8)
        assert len(walked[i][-1]) == length or len(walked[i][-1]) > chunk_steps - grain
    assert sorted(begun) == [int(panel.offsets[i]) for i in range(len(LENGTHS)) if i != 3]


def test_full_last_chunks_add_no_chunk_and_keep_few_different_offsets():
    lengths = np.arange(1, 400)
    segments = whole_segments(np.cumsum(lengths) - lengths, np.cumsum(lengths))
    offsets = full_last_chunks(segments, 64)
    assert (-(-(lengths + offsets) // 64) == -(-lengths // 64)).all()
    assert len(np.unique(offsets)) <= 8
    last = (lengths + offsets - 1) % 64 + 1
    assert last[lengths > 64].min() == 57


def test_segments_leave_out_series_without_rows():
    segments = whole_segments(np.array([0, 5, 5, 9]), np.array([5, 5, 9, 9]))
    assert (segments.first.tolist(), segments.end.tolist()) == ([0, 5], [5, 9])
    chunks = list(lane_chunks(segments, 8, 4, np.random.default_rng(0), np.zeros(2, dtype=np.int64)))
    assert sorted(np.concatenate([chunk.rows[chunk.inside] for chunk in chunks]).tolist()) == list(range(9))


@pytest.mark.parametrize("horizon", [1, 3])
def test_held_back_series_are_in_no_batch(monkeypatch, horizon):
    panel = panel_of(*(noisy_sine(n, seed=n) for n in LENGTHS if n > 3))
    split = split_panel(panel, 2, 3, 1, horizon, over="series")
    past = panel.cut(split.fitted)
    data = data_of(past, split.train, Problem(horizon=horizon, context_steps=5), "last")
    result = epoch_of(monkeypatch, data, split.train)
    expected = sorted(
        (int(past.offsets[i]) + t, h)
        for i in np.flatnonzero(split.train)
        for t in range(past.lengths[i])
        for h in range(1, horizon + 1)
        if t + h < past.lengths[i]
    )
    assert [fork[:2] for fork in forks_of(result)] == expected
    walked = np.concatenate([chunk.rows[chunk.inside] for _, chunk in result])
    assert set(walked.tolist()) == set(range(int(past.offsets[4])))


def job_of(panel, split, problem=ONE, training=STREAM):
    past = panel.cut(split.fitted)
    network = GruSettings(hidden_size=4)
    return TrainingJob(data_of(past, split.train, problem), split.train, network, training, problem.context_steps, 0)


def test_validation_walks_whole_series_from_their_first_row():
    panel = labelled()
    split = split_panel(panel, 3, 2, 1, 1, over="series")
    actual = validation_split(job_of(panel, split))
    assert actual.series.tolist() == [5, 6, 7]
    assert actual.rows.tolist() == [int(panel.offsets[i + 1]) - 2 - 34 for i in (5, 6, 7)]  # s3 is not in the past
    assert actual.starts[[5, 6, 7]].tolist() == [int(panel.offsets[i]) - 34 for i in (5, 6, 7)]
    assert actual.target[:, 0].tolist() == panel.target[panel.offsets[[6, 7, 8]] - 1].tolist()
    assert actual.exists.tolist() == [[1.0]] * 3


def test_a_network_begins_with_all_labels(monkeypatch):
    monkeypatch.setattr("forecast.training.data._SAMPLED_ROWS", 7)
    panel = labelled()
    data = data_of(panel, panel.lengths)
    network = Network(GruSettings(hidden_size=4), data.input_spec)
    begin(network, data, panel.offsets[1:])
    labels = panel.target[panel.target_observed]
    assert len(labels) == 9
    assert float(network.head.unit[0]) == pytest.approx(np.sqrt(np.mean(labels**2)), rel=1e-6)


def test_windows_end_before_labels_and_nowhere_else():
    panel = labelled()
    windows = TrainingSettings(regime="windows", batch_size=4)
    epochs = training_epochs(data_of(panel, panel.lengths), panel.offsets[1:], windows, context_steps=9, seed=0)
    at_least = [i for i, n in enumerate(LENGTHS) if n >= 9 and i != 3]
    assert sorted(epochs.origin_rows.tolist()) == [int(panel.offsets[i + 1]) - 2 for i in at_least]
    every = whole_window_rows(panel, np.zeros(10, dtype=np.int64), panel.lengths, ONE)
    assert every.tolist() == [int(panel.offsets[i + 1]) - 2 for i in range(10) if i != 3]
    short = split_panel(panel, 7, 1, 1, 1, over="series")
    with pytest.raises(ForecastError, match=r"needs 20 steps up to an origin, found 1 in validation"):
        validation_split(job_of(panel, short, replace(ONE, context_steps=20), windows))


@pytest.mark.parametrize("settings", [GruSettings(hidden_size=4), EsnSettings(hidden_size=8)], ids=["gru", "esn"])
@pytest.mark.parametrize("at_end", [False, True])
def test_from_the_fit_to_the_forecast_after_the_data(settings, at_end):
    panel = labelled() if at_end else panel_of(*(noisy_sine(n, seed=n) for n in LENGTHS if n > 3))
    split = split_panel(panel, 2, 3, 1, 1, calibration=1, over="series")
    settings = settings.model_copy(update={"reference": "none"})
    network = Recurrent(settings, TrainingSettings(chunk_steps=16, lanes=3, max_epochs=2))
    fits = fit_all([network], panel, split, ONE)
    tested = {}
    for part in ("validation", "calibration", "test"):
        tested[part] = forecast_all(fits, panel, split, ONE, part=part)
        assert not tested[part].failures
    counts = [len(result.results) for result in tested.values()]
    assert counts == ([2, 1, 3] if at_end else [4 + 119, 16, 47 + 8 + 63])
    assert find_leaks(fits.fitted, panel, split, ONE) == ()
    final = {name: final_fit(fitted, panel, ONE) for name, fitted in fits.fitted.items()}
    ahead = future(final, panel, 1, widths=None, scale=np.ones(len(panel)))
    assert ahead["unique_id"].tolist() == (["s3"] if at_end else list(panel.ids))
    assert ahead["ds"].tolist() == ([33] if at_end else panel.lengths.tolist())
    assert np.isfinite(ahead["y_hat"]).all()


def test_nothing_comes_after_the_data_where_every_label_is_known():
    panel = labelled(unlabelled=())
    assert future({}, panel, 1, widths=None, scale=np.ones(10)).to_dict("list") == {
        "unique_id": [], "ds": [], "model": [], "symbol": [], "y_hat": [],
    }  # fmt: skip


def test_a_label_is_learnt_from_the_first_of_many_chunks():
    """The state carries what was read first over several chunks to the only fork."""
    lengths = np.random.default_rng(1).integers(1, 24, 180)
    panel = labelled(lengths.tolist(), unlabelled=())
    panel = replace(panel, channels=(replace(panel.channels[0], categories=("minus", "plus")), *panel.channels[1:]))
    asked = forecast_task(panel, 1, validation=40, test=40, target_type="symbol", over="series")
    training = TrainingSettings(chunk_steps=8, lanes=8, max_epochs=12, learning_rate=0.02)
    network = Recurrent(GruSettings(hidden_size=8, head="categorical"), training)
    fits = fit_all([network], panel, asked.split, asked.problem)
    tested = forecast_all(fits, panel, asked.split, asked.problem).results
    assert len(tested) == 40
    assert tested["unique_id"].cat.categories.tolist() == [f"s{i}" for i in range(140, 180)]
    assert (tested["y_hat"] == tested["y"]).mean() > 0.9
    assert find_leaks(fits.fitted, panel, asked.split, asked.problem) == ()
