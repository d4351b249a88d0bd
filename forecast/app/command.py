"""The command: read the line, compose, check, and only then make a folder and run."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import hydra
from hydra._internal.hydra import Hydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forecast.app.arguments import CommandLine, read_command_line
from forecast.app.composition import (
    added_folders,
    compose_job,
    compose_sweep,
    conf_dir,
    count_jobs,
    plain_values,
)
from forecast.app.diagnosis import first_line
from forecast.app.failures import NOT_WRITTEN, full_errors, report_error, report_refusal
from forecast.app.folders import Claim, claim_folder
from forecast.app.jobs import begin_outcomes, run_job
from forecast.app.overrides import overridden_keys
from forecast.app.signals import ended_line, goes_on_with, heeded
from forecast.app.streams import forgiving_output, is_closed_pipe
from forecast.app.sweep import check_one_question, clear_sweep, finish_sweep, keep_interrupted, swept_questions
from forecast.errors import ForecastError, Stopped
from forecast.tasks.settings import check_job
from forecast.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from omegaconf import DictConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    0: done; 1: a check found something, or a fault of ours with its traceback; 2: a mistake of the user's, in one
    line; 74: something could not be written, or what is printed was lost; 130: interrupted; 143: ended by SIGTERM.
    """
    # Threads that wait for each other awake make training ten times slower as soon as another program wants a core.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    if by_torchrun and os.environ.get("RANK") != "0":  # it only trains, with the process of rank 0
        from forecast.training.ranks import work

        return work()
    with forgiving_output() as output:
        status = _answered(arguments)
        if by_torchrun and status == 0:
            from forecast.training.ranks import release

            release()
        output.flush()
        if output.error is None:
            return status
        if is_closed_pipe(output.error):
            return status or 1
        lost = f"what was to be printed is lost ({output.error.strerror}); what was to be written is written"
        print(f"forecast: {lost}", file=sys.stderr)
        return status or NOT_WRITTEN


def _answered(arguments: Sequence[str] | None) -> int:
    """Run the command; turn what ends it early into a line and an exit status."""
    try:
        with heeded():
            return _run(read_command_line(sys.argv[1:] if arguments is None else arguments))
    except ForecastError as error:
        return report_error(error)
    except (HydraException, OmegaConfBaseException) as error:
        return report_error(ForecastError(first_line(error)))
    except (KeyboardInterrupt, Stopped) as error:
        line, status = ended_line(error)
        print(f"\n{line}", file=sys.stderr)
        return status
    except OSError as error:
        return report_refusal(error)


def _run(line: CommandLine) -> int:
    if "--version" in line.flags:
        print(f"forecast {__version__} (Hydra {hydra.__version__})")
    elif {"--help", "-h"} & set(line.flags):
        print(_help_text(line))
    elif line.shows:
        _show(line)
    elif line.sweeps:
        _run_sweep(line)
    else:
        _run_one(line)
    return 0


def _show(line: CommandLine) -> None:
    """`--cfg`, `--info`, ...: Hydra's own, with our errors."""
    try:
        _call_hydra(line)
    except (HydraException, OmegaConfBaseException):
        compose_job(line)
        raise


def _run_one(line: CommandLine) -> None:
    config = compose_job(line)
    if config.hydra.mode == RunMode.MULTIRUN:  # an experiment that is a sweep
        _run_sweep(line)
        return
    check_job(plain_values(config))
    claim = _claim(line, "hydra.run.dir", config.hydra.run.dir)
    goes_on = goes_on_with(_again(line, "hydra.run.dir", claim.folder)) if config.task == "tune" else nullcontext()
    try:
        with goes_on:
            _call_hydra(line.with_override("hydra.run.dir", str(claim.folder)), config)
    finally:
        claim.release()


def _run_sweep(line: CommandLine) -> None:
    if "resume" in overridden_keys(line.overrides):
        raise ForecastError("`resume` goes on with one run, and `-m` begins several: leave one of them out")
    check_one_question(swept_questions(line.overrides))
    from forecast.runs.unfinished import locked

    config = compose_sweep(line)
    claim = _claim(line, "hydra.sweep.dir", config.hydra.sweep.dir)
    try:
        with locked(claim.folder), goes_on_with(_again(line, "hydra.sweep.dir", claim.folder)):
            _sweep_inside(line, config, claim.folder)
    finally:
        claim.release()


def _sweep_inside(line: CommandLine, config: DictConfig, folder: Path) -> None:
    """Run a sweep in a folder that is this process's."""
    try:
        begin_outcomes(folder, count_jobs(line, config))
        _call_hydra(line.with_override("hydra.sweep.dir", str(folder)), config)
        finish_sweep(folder)
    except (KeyboardInterrupt, Stopped) as error:
        keep_interrupted(folder, page=not isinstance(error, Stopped))
        raise
    finally:
        clear_sweep(folder)


def _again(line: CommandLine, key: str, folder: Path) -> str:
    """Return the command that goes on in the folder of a study or a sweep."""
    from forecast.runs.folder import shown

    overridden = zip(overridden_keys(line.overrides), line.overrides, strict=True)
    others = [override for name, override in overridden if name != key]
    return f"python -m forecast {shlex.join([*line.flags, *others, f'{key}={shown(folder)}'])}"


def _claim(line: CommandLine, key: str, folder: str) -> Claim:
    chosen = key in overridden_keys(line.overrides)
    if "${" in str(Path(folder).absolute()):
        raise ForecastError(
            f"the output folder {str(Path(folder).absolute())!r} has '${{' in its name, which the configuration takes "
            f"for a reference: choose another with `{key}=/tmp/run`, or start from another folder"
        )
    return claim_folder(Path(folder).absolute(), chosen=chosen)


def _call_hydra(line: CommandLine, config: DictConfig | None = None) -> None:
    """Call Hydra as if the line had been typed the way that it wants it; `config` is what it means, where known."""
    decorate = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    with ExitStack() as stack:
        stack.enter_context(_replaced(sys, "argv", [sys.argv[0], *line.flags, *line.overrides]))
        # Since Python 3.14 argparse reads each help at once, and one of Hydra 1.3's is no text until shown.
        if hasattr(argparse.ArgumentParser, "_check_help"):
            stack.enter_context(_replaced(argparse.ArgumentParser, "_check_help", lambda *_: None))
        if config is not None:  # Hydra would compose everything once more, for this one key
            stack.enter_context(_replaced(Hydra, "get_mode", lambda *_, **__: config.hydra.mode))
        stack.enter_context(full_errors())
        decorate(run_job)()


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    """Put something in the place of an attribute for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _help_text(line: CommandLine) -> str:
    """Fill the template of `conf/hydra/help` with the choices of each group and every key as it now stands.

    Hydra itself takes most of a second to list the groups.
    """
    config = compose_job(line)
    template = Template(str(config.hydra.help.template))
    ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return template.safe_substitute(
        APP_CONFIG_GROUPS=_choices([conf_dir(), *added_folders(line)]), CONFIG=OmegaConf.to_yaml(ours)
    )


def _choices(folders: list[Path]) -> str:
    """One line a group with the names of its options."""
    options: dict[str, set[str]] = {}
    for path in (path for folder in folders for path in folder.glob("*/*.yaml")):
        options.setdefault(path.parent.name, set()).add(path.stem)
    lines = [f"{group}: {', '.join(sorted(names))}" for group, names in sorted(options.items()) if group != "hydra"]
    return "\n".join(lines) + "\n"
