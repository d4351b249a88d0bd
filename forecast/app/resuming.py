"""What the command line says of unfinished runs: which is resumed, with which settings, and what is cleaned away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.app.overrides import overridden_keys
from forecast.errors import ForecastError
from forecast.settings import dotted
from forecast.tasks.settings import check_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from forecast.tasks.settings import JobSettings

_MAY_DIFFER = ("resume", "training.checkpoint_s")


def interrupted_job(job: JobSettings, overrides: Sequence[str]) -> tuple[JobSettings, Path] | None:
    """Return the settings and the folder of the run that `resume` names; None, and a line, where it is finished.

    Raises
    ------
    ForecastError
        There is no such run, another task is asked for, or settings are given again and differ.

    """
    from forecast.runs.folder import shown
    from forecast.runs.trust import check_data_path
    from forecast.runs.unfinished import find_interrupted, read_started

    if job.task not in ("train", "pretrain"):
        raise ForecastError(f"`resume` goes on with a training, and this is `task={job.task}`: leave it out")
    interrupted = find_interrupted(job.resume or "latest")
    if interrupted.staging is None:
        print(f"the run {shown(interrupted.final)} is finished: there is nothing to resume")
        return None
    started = read_started(interrupted.staging)
    _check_same(job.model_dump(mode="json"), started.settings, overrides)
    given = {key.removeprefix("data."): None for key in overridden_keys(overrides)}
    check_data_path(started.settings, started.mark, given, interrupted.staging)
    print(f"resuming {shown(interrupted.final)}")
    return check_job(started.settings), interrupted.final


def _check_same(now: Mapping[str, Any], then: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Refuse settings that are given again with `resume`, and differ."""
    for key in overridden_keys(overrides):
        section = "" if key == "experiment" else key.lstrip("+~").partition("@")[0]
        if section.partition(".")[0] in ("resume", "task", "hydra"):
            continue
        was, new = (
            {
                name: value
                for name, value in dotted(values).items()
                if value != {} and f"{name}.".startswith(f"{section}." * bool(section))
            }
            for values in (then, now)
        )
        for name in {**was, **new}:
            if was.get(name) != new.get(name) and name not in _MAY_DIFFER:
                raise ForecastError(
                    f"a run is resumed with the settings that it began with, and `{name}` was {was.get(name)} and is "
                    f"{new.get(name)} now: leave it out, or train anew without `resume`"
                )


def clean_lines(folder: Path) -> Iterator[str]:
    """Remove what unfinished runs left, here and in `outputs`; say of each folder what became of it."""
    from forecast.runs.folder import shown
    from forecast.runs.unfinished import clean

    for left in clean([Path("outputs"), folder.parent]):
        size = f"{left.size / 1e6:.1f} MB"
        kept = f"kept {shown(left.folder)} ({size}): {left.owner} is at work in it"
        yield kept if left.owner else f"removed {shown(left.folder)} ({size})"
    yield "nothing else of unfinished runs is left under outputs"
