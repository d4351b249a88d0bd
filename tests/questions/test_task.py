"""What is left open in a forecast task is settled; what cannot be forecast is refused or left out by name."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.questions.kinds import QUESTIONS
from forecast.questions.settings import SplitSettings
from forecast.questions.task import context_for, forecast_task, split_as_asked, without_short
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.series.calendar import Calendar
from forecast.series.panel import Panel, single_series


def seasonal(steps=400, season=12):
    rng = np.random.default_rng(0)
    y = np.tile(rng.normal(0, 3, season), steps // season + 1)[:steps] + rng.standard_normal(steps)
    return single_series(y, np.arange(steps), Calendar(freq=None))


def several(*lengths):
    longest = seasonal(max(lengths))
    return Panel(
        values=np.concatenate([longest.values[:steps] for steps in lengths]),
        observed=np.ones((sum(lengths), 1), dtype=np.bool_),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([longest.times[:steps] for steps in lengths]),
        ids=tuple(f"s{i}" for i in range(len(lengths))),
        channels=longest.channels,
        calendar=longest.calendar,
    )


def test_what_is_not_said_is_found():
    task = forecast_task(seasonal(), horizon=10)
    assert (task.problem.horizon, task.problem.season_steps, task.problem.context_steps) == (10, 12, 24)
    parts = (task.split.train, task.split.validation, task.split.calibration)
    assert [steps.tolist() for steps in parts] == [[260], [30], [30]]


def test_only_values_are_calibrated_without_being_told():
    """However often a run splits its data: a prediction chooses its baseline on the same steps as the training did."""
    panel = seasonal()
    for target_type in ("value", "direction"):
        task = forecast_task(panel, 10, target_type=target_type)
        again = split_as_asked(panel, SplitSettings(), QUESTIONS[target_type], task.problem.context_steps, 10)
        assert (again.train, again.validation, again.calibration) == (
            task.split.train,
            task.split.validation,
            task.split.calibration,
        )
        assert again.validation.tolist() == [30 if target_type == "value" else 60]
    given = SplitSettings(calibration=20)
    assert split_as_asked(panel, given, QUESTIONS["direction"], 1, 10).calibration.tolist() == [20]


def test_what_is_said_holds():
    task = forecast_task(seasonal(), 10, context_steps=7, season_steps=5, validation=30, test=0.25)
    assert (task.problem.context_steps, task.problem.season_steps) == (7, 5)
    assert (task.split.train.tolist(), task.split.validation.tolist()) == ([270], [15])
    assert task.season.evidence == "given as data.season_steps"


def test_the_season_is_found_without_what_comes_after_validation():
    panel = seasonal()
    y = panel.target.copy()
    y[290:] = np.random.default_rng(1).normal(0, 50, 110)
    assert forecast_task(single_series(y, panel.times, panel.calendar), 10).problem.season_steps == 12


@pytest.mark.parametrize(
    ("season_steps", "horizon", "train_steps", "context"),
    [(24, 12, 1000, 48), (1, 20, 1000, 20), (100, 10, 100, 60), (1, 10, 11, 1), (1440, 20, 9000, 512)],
)
def test_context_is_two_seasons_or_a_horizon_as_far_as_training_goes(season_steps, horizon, train_steps, context):
    assert context_for(season_steps, horizon, train_steps) == context


def test_a_season_as_long_as_training_is_the_users_mistake():
    with pytest.raises(ForecastError, match=r"`data\.season_steps=260` should be less than the training split"):
        forecast_task(seasonal(), 10, season_steps=260)


def test_too_short_a_series_is_told_the_horizon_that_would_fit():
    with pytest.raises(ForecastError, match=r"need at least 301, 300 and 300: set `horizon=199` or less, or change"):
        forecast_task(seasonal(), 300)
    assert forecast_task(seasonal(), 199).problem.horizon == 199
    with pytest.raises(ForecastError, match=r"`horizon=199` or less"):
        forecast_task(seasonal(), 200)


def test_shares_give_way_before_a_series_does():
    """400 steps: shares are at least a horizon long, and where that leaves too little there is no validation split."""
    steps = {horizon: forecast_task(seasonal(), horizon, calibration=0).split for horizon in (20, 100, 150)}
    parts = {h: (int(s.train[0]), int(s.validation[0]), 400 - int(s.before_test[0])) for h, s in steps.items()}
    assert parts == {20: (260, 60, 80), 100: (200, 100, 100), 150: (250, 0, 150)}
    with pytest.raises(ForecastError, match="60 for validation"):  # what is said in steps does not
        forecast_task(seasonal(), 100, validation=60)


def test_of_several_series_it_is_said_how_many_are_too_short():
    with pytest.raises(
        ForecastError, match=r"series 's1' has 30 steps.*leave out the 2 of 3 series that are too short"
    ):
        forecast_task(several(300, 30, 20), 20)
    forecast_task(several(300), 20)


def test_no_horizon_fits_where_the_context_takes_everything():
    with pytest.raises(ForecastError, match=r"260 for training.*: shorten `horizon`, shorten `data.context_steps`, or"):
        forecast_task(seasonal(), 10, context_steps=300)


@pytest.mark.parametrize("lengths", [{"horizon": 0}, {"horizon": -3}, {"context_steps": 0}, {"season_steps": 0}])
def test_a_length_below_one_step_is_the_users_mistake(lengths):
    (name, steps), *_ = lengths.items()
    with pytest.raises(ForecastError, match=f"`{name}` should be at least 1 step, found {steps}"):
        forecast_task(seasonal(), **{"horizon": 10, **lengths})


@pytest.mark.parametrize(
    "settings",
    [{"test": -1}, {"validation": 0.0}, {"validation": 2.5}, {"test": 0.9}, {"calibration": 1.5}, {"calibration": -1}],
)
def test_splits_are_checked_in_a_notebook_too(settings):
    (name, _), *_ = settings.items()
    with pytest.raises(ForecastError, match=rf"`split\.{name}` should be"):
        forecast_task(seasonal(), 10, **settings)


def test_calibration_takes_half_of_validation_where_both_keep_a_horizon():
    both = [
        forecast_task(several(400, 300), 10, validation=steps, test=20, context_steps=5).split for steps in (20, 19)
    ]
    assert [split.validation.tolist() for split in both] == [[10, 10], [19, 19]]
    assert [split.calibration.tolist() for split in both] == [[10, 10], [0, 0]]
    assert [split.before_test.tolist() for split in both] == [[380, 280], [380, 280]]


def test_calibration_may_be_said_and_lies_between_validation_and_test():
    split = forecast_task(several(400, 300), 10, validation=20, calibration=30, test=0.1, context_steps=5).split
    assert split.train.tolist() == [310, 220]
    assert split.fitted.tolist() == [330, 240]
    assert split.before_test.tolist() == [360, 270]
    none = forecast_task(several(400, 300), 10, validation=20, calibration=0, test=20, context_steps=5).split
    assert (none.before_test - none.fitted).tolist() == [0, 0]


def test_a_calibration_split_shorter_than_the_horizon_is_the_users_mistake():
    with pytest.raises(ForecastError, match=r"9 for calibration and 20 for the test; .* 11, 10, 10 and 10: set `horiz"):
        forecast_task(several(400, 300), 10, validation=20, calibration=9, test=20, context_steps=5)
    with pytest.raises(ForecastError, match=r"`split.test` should be less than 1 together with `split.validation` \(0"):
        forecast_task(several(400, 300), 10, validation=0.5, calibration=0.3, test=0.2)


def test_a_short_series_is_refused_with_the_setting_that_leaves_it_out():
    panel = panel_of(np.arange(300.0), np.arange(9.0))
    with pytest.raises(ForecastError, match=r"series 's1' has 9 steps.* 1 of 2 series .*data\.on_short_series=drop"):
        forecast_task(panel, 5)


def test_short_series_are_left_out_and_named():
    panel = panel_of(noisy_sine(300), np.arange(9.0), noisy_sine(200, seed=1), np.arange(20.0))
    kept, notes = without_short(panel, 5, SplitSettings(), context_steps=10)
    assert kept.ids == ("s0", "s2")
    assert kept.target.tolist() == [*panel.target[:300], *panel.target[309:509]]
    assert notes == (
        "2 of 4 series left out as too short for context 10 + horizon 5 in training and 5 steps each for validation "
        "and test: 's1' (9 steps), 's3' (20 steps).",
    )
    assert forecast_task(kept, 5, context_steps=10).problem.context_steps == 10


def test_one_short_series_does_not_shorten_the_context_of_all():
    panel = panel_of(*(noisy_sine(300, seed=i) for i in range(5)), noisy_sine(40, seed=9))
    assert forecast_task(panel, 5).problem.context_steps < 40
    kept, notes = without_short(panel, 5, SplitSettings())
    assert len(kept) == 5
    assert "'s5' (40 steps)" in notes[0]
    assert forecast_task(kept, 5).problem.context_steps == 40


def test_long_series_stay_as_they_are():
    panel = panel_of(noisy_sine(300), noisy_sine(200, seed=1))
    kept, notes = without_short(panel, 5, SplitSettings())
    assert kept is panel
    assert notes == ()


def test_a_season_that_was_said_has_to_fit_as_well():
    panel = panel_of(noisy_sine(300), noisy_sine(60, seed=1))
    assert without_short(panel, 5, SplitSettings(), context_steps=5, season_steps=100)[0].ids == ("s0",)
    with pytest.raises(ForecastError, match="all 2 series are too short"):
        without_short(panel, 5, SplitSettings(), context_steps=500)


def test_constant_and_empty_series_among_living_ones(tmp_path):
    path = tmp_path / "shops.csv"
    rows = [f"{n},{n % 7},3,{n if n < 4 else ''}," for n in range(1, 80)]
    path.write_text("\n".join(["t,living,dead,young,empty", *rows, ""]))
    targets = ("living", "dead", "young", "empty")
    with pytest.raises(ForecastError, match="'empty'"):
        load_source(CsvSettings(path=str(path), layout="columns", target=targets))
    source = load_source(CsvSettings(path=str(path), layout="columns"))
    assert source.panel.ids == ("dead", "living", "young")
    assert source.panel.lengths.tolist() == [79, 79, 3]
    notes = "\n".join(source.notes)
    assert "left out: 'empty'" in notes
    assert "series without any change: 'dead'" in notes
    assert "75 rows" in notes or "76 rows" in notes


def test_an_empty_series_of_a_long_file(tmp_path):
    path = tmp_path / "shops.csv"
    rows = [f"{n},{name},{n % 7 if name == 'a' else ''}" for n in range(40) for name in "ab"]
    path.write_text("\n".join(["t,unique_id,y", *rows, ""]))
    with pytest.raises(ForecastError, match=r"series 'b' has no value at all.*data\.on_short_series=drop"):
        load_source(CsvSettings(path=str(path)))
    source = load_source(CsvSettings(path=str(path), on_short_series="drop"))
    assert source.panel.ids == ("a",)
    assert "1 series without any value left out: 'b'." in source.notes
