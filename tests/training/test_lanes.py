"""What a streamed epoch walks through, against counting step by step."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.series.panel import draw_windows, whole_windows, window_rows
from forecast.training.lanes import cut_at, cut_segments, draw_offsets, lane_chunks, with_replay

STARTS = np.array([0, 500, 540, 2000])
ENDS = np.array([480, 530, 1990, 2001])  # rows between are validation: they are never walked


def chunks(seed=0, lanes=3, chunk_steps=32, warmup_steps=20):
    segments = cut_segments(STARTS, ENDS, lanes, chunk_steps, warmup_steps)
    return segments, list(lane_chunks(segments, lanes, chunk_steps, np.random.default_rng(seed)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lanes", [1, 3, 50])
def test_every_training_step_is_trained_exactly_once_an_epoch(seed, lanes):
    _, batches = chunks(seed, lanes)
    count = np.zeros(2100, dtype=int)
    for chunk in batches:
        np.add.at(count, chunk.rows[chunk.trained], 1)
    expected = np.zeros(2100, dtype=int)
    for start, end in zip(STARTS, ENDS, strict=True):
        expected[start:end] = 1
    np.testing.assert_array_equal(count, expected)


def test_a_lane_walks_without_a_gap_until_a_segment_begins():
    segments, batches = chunks()
    for lane in range(batches[0].rows.shape[0]):
        previous = None
        begun = []
        for chunk in batches:
            for step in range(chunk.rows.shape[1]):
                row, walked = int(chunk.rows[lane, step]), bool(chunk.inside[lane, step])
                starts = chunk.resets[lane] == step
                if starts:
                    begun.append(row)
                    assert walked
                elif walked:
                    assert row == previous + 1
                if walked:
                    previous = row
        assert set(begun) <= set(segments.first.tolist())


def test_a_segment_begins_at_a_chunk_whose_steps_before_it_are_empty():
    _, batches = chunks()
    starts = [(chunk, lane) for chunk in batches for lane in np.flatnonzero(chunk.resets > 0)]
    assert starts
    for chunk, lane in starts:
        assert not chunk.inside[lane, : chunk.resets[lane]].any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lanes", [1, 3])
def test_no_chunk_begins_or_ends_with_steps_that_no_lane_walks(seed, lanes):
    segments, batches = chunks(seed, lanes)
    for chunk in batches:
        assert chunk.inside[:, 0].any()
        assert chunk.inside[:, -1].any()
    if lanes == 1:  # one lane's chunks have nothing before a segment and nothing after it
        assert sum(chunk.inside.size for chunk in batches) == (segments.end - segments.first).sum()


def test_warm_up_carries_no_loss_and_is_only_where_a_series_was_cut():
    segments, batches = chunks()
    warm = segments.trained_from - segments.first
    assert set(warm.tolist()) == {0, 20}
    assert warm[np.isin(segments.first, STARTS)].tolist() == [0] * len(STARTS)
    walked_untrained = sum(int((chunk.inside & ~chunk.trained).sum()) for chunk in batches)
    assert walked_untrained == warm.sum()


def test_truncation_points_move_from_epoch_to_epoch_except_where_nothing_is_cut():
    segments, _ = chunks()
    draws = [draw_offsets(segments, 32, np.random.default_rng(seed)) for seed in range(40)]
    long = segments.end - segments.first > 32
    assert (np.ptp(draws, axis=0)[long] > 0).all()
    assert (np.array(draws)[:, ~long] == 0).all()


def test_one_series_a_lane_and_a_chunk_as_long_is_full_back_propagation():
    segments = cut_segments(STARTS, ENDS, lanes=4, chunk_steps=1450, warmup_steps=20)
    batches = list(lane_chunks(segments, 4, 1450, np.random.default_rng(0)))
    assert len(batches) == 1
    assert sorted(batches[0].rows[:, 0].tolist()) == STARTS.tolist()
    assert batches[0].resets.tolist() == [0] * 4


def test_lanes_are_of_about_equal_length():
    starts = np.cumsum([0, *([300, 20, 700] * 30)])
    segments = cut_segments(starts[:-1], starts[1:], lanes=8, chunk_steps=16, warmup_steps=16)
    batches = list(lane_chunks(segments, 8, 16, np.random.default_rng(0)))
    walked = sum(int(chunk.inside.sum()) for chunk in batches)
    assert walked / (len(batches) * 8 * 16) > 0.9


def test_windows_end_at_their_origin_and_stay_in_their_series():
    origins = whole_windows(np.array([0, 10]), np.array([8, 15]), context_steps=3)
    assert origins.tolist() == [2, 3, 4, 5, 6, 12, 13]
    assert window_rows(origins[:1], 3).tolist() == [[0, 1, 2]]
    drawn = np.concatenate(list(draw_windows(origins, 3, 10, np.random.default_rng(0))))
    assert sorted(drawn.tolist()) == origins.tolist()
    assert len(list(draw_windows(origins, 2, 2, np.random.default_rng(0)))) == 2


def test_cut_at_a_border_each_row_is_trained_once_and_none_on_both_sides():
    starts, borders, ends = np.array([0, 50, 80]), np.array([37, 80, 80]), np.array([50, 80, 100])
    segments, new = cut_at(borders, starts, ends, 3, 4, warmup_steps=4)
    rows = [np.arange(a, b) for a, b in zip(segments.trained_from, segments.end, strict=True)]
    assert sorted(np.concatenate(rows)) == list(range(100))
    assert {row for rows, is_new in zip(rows, new, strict=True) if is_new for row in rows} == {
        *range(37, 50),
        *range(80, 100),
    }
    first_new = np.flatnonzero(new)[0]
    assert (segments.first[first_new], segments.trained_from[first_new]) == (33, 37)  # warmed before the border
    assert set(segments.first) >= {0, 50, 80}  # but not across series


def test_replay_has_all_that_is_new_and_as_many_rows_of_the_rest():
    segments, new = cut_at(np.array([900]), np.array([0]), np.array([1000]), 10, 8, warmup_steps=8)
    drawn = [with_replay(segments, new, np.random.default_rng(seed)) for seed in range(5)]
    for one in drawn:
        rows = one.end - one.trained_from
        is_new = one.trained_from >= 900
        assert rows[is_new].sum() == 100
        assert 100 <= rows[~is_new].sum() < 100 + rows.max()
    assert len({tuple(one.trained_from) for one in drawn}) > 1
