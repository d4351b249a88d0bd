"""One label per series: read into a row of its own, the only one that is forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from oracles.panels import panel_of

from forecast.errors import ForecastError
from forecast.questions.kinds import SYMBOL
from forecast.questions.split import last_origins, rolling_origins, split_panel
from forecast.questions.task import check_labels, forecast_task
from forecast.reading.covariates import check_known_ahead
from forecast.reading.frames import make_panel
from forecast.reading.labels import with_labels_at_end
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.reference.fit import fit_reference
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, KnownAhead

LENGTHS = (4, 1, 6, 3, 5, 2)
CODES = (2, 0, 1, 1, 0, 2)


def read_panel(lengths=LENGTHS, codes=CODES, seen=None):
    """Labels in every row, with one covariate of numbers and one of categories."""
    rng = np.random.default_rng(0)
    panel = panel_of(*(np.full(n, code) for n, code in zip(lengths, codes, strict=True)), observed=seen)
    covariates = np.column_stack([rng.normal(size=len(panel.target)), rng.integers(0, 2, len(panel.target))])
    return replace(
        panel,
        values=np.column_stack([panel.values, covariates]),
        observed=np.column_stack([panel.observed, np.ones(covariates.shape, dtype=bool)]),
        channels=(
            Channel("y", "target", ("ant", "bee", "cow")),
            Channel("x", "past"),
            Channel("kind", "past", ("p", "q")),
        ),
    )


def test_the_label_is_one_more_row_and_nothing_else_of_the_target_is_there():
    panel = read_panel()
    labelled = with_labels_at_end(panel)
    assert labelled.at_end
    assert labelled.channels[0] == Channel("y", "target", ("ant", "bee", "cow"), at_end=True)
    assert labelled.lengths.tolist() == [n + 1 for n in LENGTHS]
    for i, (name, rows) in enumerate(labelled.series()):
        before = panel.values[panel.offsets[i] : panel.offsets[i + 1]]
        assert name == panel.ids[i]
        assert labelled.values[rows, 0].tolist() == [*[0] * LENGTHS[i], CODES[i]]
        assert labelled.observed[rows, 0].tolist() == [*[False] * LENGTHS[i], True]
        assert labelled.masked[rows, 0].tolist() == [*[True] * LENGTHS[i], False]
        assert labelled.values[rows, 1:].tolist() == [*before[:, 1:].tolist(), [0, 0]]
        assert labelled.observed[rows, 1:].tolist() == [*[[True, True]] * LENGTHS[i], [False, False]]
        assert labelled.masked[rows, 1:].tolist() == [*[[False, False]] * LENGTHS[i], [True, True]]
        assert labelled.times[rows].tolist() == list(range(LENGTHS[i] + 1))


def test_times_go_on_by_the_calendar():
    panel = read_panel()
    days = np.arange("2024-02-27", "2024-03-19", dtype="datetime64[D]").astype("datetime64[ns]")
    labelled = with_labels_at_end(replace(panel, times=days, calendar=Calendar("D")))
    assert labelled.times[labelled.offsets[1:] - 1].astype("datetime64[D]").astype(str).tolist() == [
        "2024-03-02", "2024-03-03", "2024-03-09", "2024-03-12", "2024-03-17", "2024-03-19",
    ]  # fmt: skip
    two = with_labels_at_end(replace(panel, calendar=Calendar(freq=None, step=2)))
    assert two.times[:5].tolist() == [0, 1, 2, 3, 5]


def test_what_is_known_ahead_reaches_the_label_masked_where_it_did_not():
    panel = read_panel((2, 3), (0, 1))
    ahead = KnownAhead(
        np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]]),
        np.zeros((6, 1), dtype=bool),
        np.array([0, 2, 6]),
        (Channel("z", "future"),),
    )
    labelled = with_labels_at_end(replace(panel, ahead=ahead))
    assert labelled.ahead.offsets.tolist() == [0, 3, 7]
    assert labelled.ahead.values[:, 0].tolist() == [1, 2, 0, 3, 4, 5, 6]
    assert labelled.ahead.masked[:, 0].tolist() == [False, False, True, False, False, False, False]
    check_known_ahead(labelled, 1)  # a label has nothing after it


def test_labels_may_stand_in_some_rows_but_there_may_not_be_two():
    seen = [np.ones(n, dtype=bool) for n in LENGTHS]
    seen[0][:] = [False, True, False, False]
    seen[2][:] = False
    labelled = with_labels_at_end(read_panel(seen=seen), unlabelled=["s4"])
    at_end = labelled.offsets[1:] - 1
    assert labelled.target_observed[at_end].tolist() == [True, True, False, True, False, True]
    assert labelled.target[at_end].tolist() == [2, 0, 0, 1, 0, 2]
    assert labelled.masked[at_end, 0].tolist() == [False, False, True, False, True, False]
    two = read_panel()
    two.values[two.offsets[3], 0] = 2
    with pytest.raises(ForecastError, match=r"series 's3' has the labels 'bee' and 'cow'.* takes one a series"):
        with_labels_at_end(two)


@pytest.mark.parametrize("stride", [1, 2])
def test_origins_are_the_rows_before_labels(stride):
    labelled = with_labels_at_end(read_panel(), unlabelled=["s2"])
    origins = rolling_origins(labelled, np.zeros(6, dtype=np.int64), labelled.lengths, 1, stride)
    expected = [(0, 3), (1, 0), (3, 2), (4, 4), (5, 1)][::stride]
    assert list(zip(origins.series.tolist(), origins.steps.tolist(), strict=True)) == expected
    after = last_origins(labelled)
    assert list(zip(after.series.tolist(), after.steps.tolist(), strict=True)) == [(2, 5)]
    assert len(last_origins(with_labels_at_end(read_panel()))) == 0


def test_series_without_a_label_are_counted_nowhere():
    labelled = with_labels_at_end(read_panel(), unlabelled=["s0", "s4"])
    split = split_panel(labelled, 1, 1, 1, 1, over="series")
    assert split.train.tolist() == [0, 2, 7, 0, 0, 0]
    assert split.validation.tolist() == [0, 0, 0, 4, 0, 0]
    tested = rolling_origins(labelled, split.before_test, labelled.lengths, 1)
    assert list(zip(tested.series.tolist(), tested.steps.tolist(), strict=True)) == [(5, 1)]
    with pytest.raises(ForecastError, match="found 4 series with a label, of which 2 for validation and 2 for the"):
        split_panel(labelled, 2, 2, 1, 1, over="series")


def test_the_question_reads_as_much_as_the_shortest_training_series_has():
    labelled = with_labels_at_end(read_panel((9, 6, 5, 1), (0, 1, 2, 0)))
    task = forecast_task(labelled, 1, validation=1, test=1, target_type="symbol", over="series")
    assert (task.problem.context_steps, task.problem.season_steps) == (6, 1)
    assert task.split.train.tolist() == [10, 7, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 3}, r"found `horizon=3`: set `horizon=1`"),
        ({"target_type": "value"}, r"set `model\.head=categorical`"),
        ({"over": "time"}, r"set `split\.over=series`"),
    ],
)
def test_other_questions_are_refused(change, message):
    settings = {"horizon": 1, "target_type": "symbol", "over": "series", "validation": 1, "test": 1, **change}
    with pytest.raises(ForecastError, match=r"`data\.target_at=end`.*" + message):
        forecast_task(with_labels_at_end(read_panel()), settings.pop("horizon"), **settings)


def test_numbers_and_labels_with_nothing_to_read_or_to_tell_apart_are_refused():
    labelled = with_labels_at_end(read_panel())
    alike = replace(labelled, channels=(replace(labelled.channels[0], categories=("ant",)), *labelled.channels[1:]))
    with pytest.raises(ForecastError, match=r"all series have the label 'ant': there is nothing to forecast"):
        check_labels(alike, 1, SYMBOL, "series")
    numbers = replace(labelled, channels=(replace(labelled.channels[0], categories=()), *labelled.channels[1:]))
    with pytest.raises(ForecastError, match=r"'y' holds numbers: set `data\.symbols=true`"):
        check_labels(numbers, 1, SYMBOL, "series")
    with pytest.raises(ForecastError, match=r"name columns with `data\.past`"):
        check_labels(labelled.target_alone(), 1, SYMBOL, "series")


def test_no_reference_reads_a_label_before_its_row():
    labelled = with_labels_at_end(read_panel())
    other = with_labels_at_end(read_panel(codes=(0, 1, 2, 0, 1, 1)))
    problem = forecast_task(labelled, 1, validation=1, test=1, target_type="symbol", over="series").problem
    before = np.flatnonzero(~labelled.target_observed)
    for name in ("last", "mean", "level", "none"):
        references = [fit_reference(name, panel, panel.lengths, problem) for panel in (labelled, other)]
        panels = (labelled, other)
        features = [reference.causal_features(of) for reference, of in zip(references, panels, strict=True)]
        both = list(zip(references, features, strict=True))
        assert np.array_equal(*(reference.at(causal, before) for reference, causal in both))
        assert np.array_equal(*(reference.inputs(causal, before) for reference, causal in both))


def table(**columns):
    rows = [(name, t) for name in "abcd" for t in range(1 if name == "d" else 3)]
    frame = pd.DataFrame(rows, columns=["unique_id", "ds"])
    frame["y"] = frame["unique_id"].map({"a": 1.0, "b": 2.0, "c": np.nan, "d": 1.0})
    frame["x"] = np.arange(len(rows)) / 2
    return frame.assign(**columns)


def test_a_table_says_the_label_in_some_rows_or_in_none():
    frame = table()
    frame.loc[[0, 2], "y"] = np.nan  # said once, in the middle: no row is cut off
    labelled = make_panel(frame, past=["x"], target_at="end")
    assert labelled.lengths.tolist() == [4, 4, 4, 2]
    assert labelled.target[labelled.offsets[1:] - 1].tolist() == [1, 2, 0, 1]
    assert labelled.target_observed.nonzero()[0].tolist() == [3, 7, 13]
    assert labelled.values[:3, 1].tolist() == [0, 0.5, 1]
    frame.loc[4, "y"] = 7.0
    with pytest.raises(ForecastError, match=r"series 'b' has the labels 2 and 7"):
        make_panel(frame, past=["x"], target_at="end")


def test_series_of_one_row_each_are_enough():
    frame = table().drop_duplicates("unique_id")
    labelled = make_panel(frame, past=["x"], target_at="end")
    assert labelled.lengths.tolist() == [2, 2, 2, 2]
    assert labelled.times.tolist() == [0, 1] * 4


def test_gaps_are_settled_as_ever(tmp_path):
    frame = table().drop(index=[4])
    with pytest.raises(ForecastError, match="'b' has 1 missing step"):
        make_panel(frame, past=["x"], target_at="end")
    labelled = make_panel(frame, past=["x"], target_at="end", on_gaps="mask")
    assert labelled.lengths.tolist() == [4, 4, 4, 2]
    assert labelled.target[7] == 2
    assert labelled.masked[4:8].tolist() == [[True, False], [True, True], [True, False], [False, True]]


@pytest.mark.parametrize("on_short_series", ["error", "drop"])
def test_a_file_of_labels(tmp_path, on_short_series):
    path = tmp_path / "labels.csv"
    table().to_csv(path, index=False)
    source = load_source(
        CsvSettings(path=str(path), target="y", past="x", target_at="end", on_short_series=on_short_series)
    )
    assert source.panel.ids == ("a", "b", "c", "d")
    assert source.panel.lengths.tolist() == [4, 4, 4, 2]
    assert (
        "1 of 4 series have no label: 'c'; they are neither trained on nor scored, and the forecast after the data "
        "says what they are."
    ) in source.notes
