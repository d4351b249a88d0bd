"""`resume` and `task=clean` on the command line; the tasks themselves are stand-ins."""

import json

import numpy as np
import pytest

from forecast.app.arguments import read_command_line
from forecast.app.composition import compose_job, plain_values
from forecast.runs import files
from forecast.runs.unfinished import staging_of, write_started
from forecast.series.calendar import Calendar
from forecast.series.panel import Source, single_series
from forecast.tasks.settings import check_job


@pytest.fixture
def interrupted(tmp_path):
    """A run of `model=gru seed=3` that was killed."""
    job = check_job(plain_values(compose_job(read_command_line(["model=gru", "seed=3"]))))
    final = tmp_path / "outputs" / "day" / "time"
    staging_of(final).mkdir(parents=True)
    panel = single_series(np.arange(30.0), np.arange(30), Calendar(freq=None))
    write_started(staging_of(final), job.model_dump(mode="json"), Source(panel, {}, (), "a"))
    (staging_of(final) / files.CHECKPOINT).write_text("")
    return final


@pytest.mark.parametrize("typed", [[], ["model=gru"], ["model=gru", "seed=3", "training.checkpoint_s=5"]])
def test_a_run_is_resumed_with_its_own_settings_in_its_own_folder(command, tasks, interrupted, typed):
    for resume in ("resume=latest", "resume=outputs/day/time"):
        printed = command(resume, *typed)
        assert (printed.status, printed.out.splitlines()[0]) == (0, "resuming outputs/day/time")
        (interrupted / files.RECORD).unlink()
    (job, folder), _ = tasks.trained
    assert (job.model.name, job.seed, job.resume, folder) == ("gru", 3, None, interrupted)
    assert tasks.resumed == [True, True]


@pytest.mark.parametrize(
    ("typed", "difference"),
    [
        ("model=lstm", "`model.name` was gru and is lstm now"),
        ("seed=4", "`seed` was 3 and is 4 now"),
        ("training.max_epochs=5", "`training.max_epochs` was 200 and is 5 now"),
        ("baseline=[naive]", "`baseline.seasonal_naive.name` was seasonal_naive and is None now"),
        ("task=predict", "cannot be set with task=predict"),
        ("task=check", "goes on with a training, and this is `task=check`"),
        ("-m seed=1,2", "`-m` begins several"),
    ],
)
def test_other_settings_are_refused_and_the_difference_named(command, tasks, interrupted, typed, difference):
    printed = command("resume=latest", *typed.split())
    assert printed.status == 2
    assert difference in printed.err
    assert printed.err.count("\n") == 1
    assert tasks.trained == []


def test_a_finished_run_says_so(command, tasks, tmp_path):
    (tmp_path / "outputs" / "run").mkdir(parents=True)
    (tmp_path / "outputs" / "run" / files.RECORD).write_text(json.dumps({}))
    printed = command("resume=outputs/run")
    assert (printed.status, printed.out) == (0, "the run outputs/run is finished: there is nothing to resume\n")
    assert tasks.trained == []


def test_clean_lists_and_removes(command, tasks, interrupted, tmp_path):
    printed = command("task=clean")
    assert printed.status == 0
    assert printed.out.startswith("removed outputs/day/.time.unfinished (0.0 MB)\n")
    assert not staging_of(interrupted).exists()
