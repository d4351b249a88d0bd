"""Jobs that hold back whole series: what is refused, and what is said of the split."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from oracles.panels import panel_of
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.questions.task import forecast_task
from forecast.reading.labels import with_labels_at_end
from forecast.runs.record import ChannelRecord
from forecast.series.panel import Channel, Source
from forecast.tasks.contradictions import check_whole_series
from forecast.tasks.prepare import Prepared, prepare
from forecast.tasks.train import split_counts

OVER = {"over": "series", "validation": 1, "test": 2}


def symbols(*lengths):
    panel = panel_of(*(np.arange(n) % 3 for n in lengths))
    return replace(panel, channels=(Channel("y", "target", ("a", "b", "c")),))


def labelled(*lengths, unlabelled=()):
    panel = panel_of(*(np.full(n, i % 2) for i, n in enumerate(lengths)))
    panel = replace(
        panel,
        values=np.column_stack([panel.values, panel.values]),
        observed=np.ones((len(panel.target), 2), dtype=bool),
        channels=(Channel("y", "target", ("a", "b")), Channel("x", "past")),
    )
    return with_labels_at_end(panel, unlabelled)


def question_of_scores(panel, **said):
    return forecast_task(panel, 1, target_type="symbol", over="series", validation=1, test=2, **said)


def test_values_are_refused_before_anything_is_cut():
    with pytest.raises(ForecastError, match=r"`split\.over=series` is for symbols"):
        prepare(small_job(split=OVER))


def test_an_embedding_of_series_is_refused():
    panel = symbols(30, 40, 50, 60, 70)
    with pytest.raises(ForecastError, match=r"`model\.id_embedding=2` learns something of each series"):
        check_whole_series(small_job(split=OVER, model__id_embedding=2), panel, question_of_scores(panel))
    check_whole_series(small_job(split=OVER), panel, question_of_scores(panel))
    check_whole_series(small_job(model__id_embedding=2), panel, forecast_task(panel, 1, target_type="symbol"))


def test_refits_as_time_goes_on_are_refused():
    panel = symbols(30, 40, 50, 60, 70)
    with pytest.raises(ForecastError, match=r"`backtest\.refit_every=9` .* all series of the test begin at once"):
        check_whole_series(small_job(split=OVER, backtest__refit_every=9), panel, question_of_scores(panel))


def test_windows_are_refused_where_an_origin_has_no_context():
    job = small_job(split=OVER, training__regime="windows")
    panel = symbols(30, 40, 50, 60, 70)
    with pytest.raises(ForecastError, match=r"needs 5 steps up to an origin .* 's0' has its first origin after 1: set"):
        check_whole_series(job, panel, question_of_scores(panel, context_steps=5))


def test_windows_are_taken_before_labels_of_series_that_are_long_enough():
    job = small_job(split=OVER, training__regime="windows")
    panel = labelled(30, 40, 50, 20, 25)
    check_whole_series(job, panel, question_of_scores(panel, context_steps=20))
    with pytest.raises(ForecastError, match=r"'s3' has its only origin after 20: .* or `data\.context_steps=20`"):
        check_whole_series(job, panel, question_of_scores(panel))


def test_series_are_counted_where_whole_ones_are_held_back():
    panel = labelled(30, 40, 50, 20, 25, unlabelled=["s1"])
    prepared = Prepared(small_job(split=OVER), Source(panel, {}, (), ""), question_of_scores(panel))
    assert split_counts(prepared) == [1, 1, 0, 2]
    panel = symbols(30, 40)
    prepared = Prepared(
        small_job(), Source(panel, {}, (), ""), forecast_task(panel, 1, target_type="symbol", validation=3, test=4)
    )
    assert split_counts(prepared) == [56, 6, 0, 8]


def test_a_run_remembers_that_its_label_stands_at_the_end():
    channel = labelled(3, 4).channels[0]
    assert Channel(**ChannelRecord(**asdict(channel)).model_dump()) == channel
