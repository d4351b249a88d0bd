"""One job: from Hydra's configuration to a task, and what Hydra gets back.

Hydra calls `run_job`, once for a run and once for every job of a sweep, there perhaps in a process of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from forecast.app.composition import load_extensions, plain_values
from forecast.app.outcomes import Outcome, known_outcomes, progress, write_outcome
from forecast.app.overrides import overridden_keys
from forecast.app.resuming import clean_lines, interrupted_job
from forecast.app.signals import said_when_ended
from forecast.app.streams import is_closed_pipe
from forecast.errors import ForecastError
from forecast.importing import importing
from forecast.network.settings import BackboneSettings
from forecast.tasks.settings import JobSettings, check_job
from forecast.wording import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from omegaconf import DictConfig

    from forecast.series.panel import Source

NOT_WRITTEN = 74  # EX_IOERR of sysexits.h
FULL_ERROR = "HYDRA_FULL_ERROR"
_MARK = "FORECAST_SET_FULL_ERROR"
"""Set together with FULL_ERROR where we set it for Hydra, so that it is not taken for the user's own wish."""


_SILENT_S, _SAY_AGAIN_S = 3.0, 10.0
"""Seconds of reading until the first line that says so, and from line to line."""

_PIECE_BYTES = 1 << 16
"""Of a pipe that are read at once, at most; what has come is never waited on."""


def run_job(config: DictConfig) -> float | None:
    """Run the task of a job; return its validation MASE where it has one, which is what a sweep minimises.

    In a sweep nothing is raised: what fails is an outcome with its reason, and its score is infinite.
    """
    load_extensions(Path(source.path) for source in HydraConfig.get().runtime.config_sources if source.schema == "file")
    with _without_our_full_error():
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            return _run_in_sweep(config)
        try:
            run_task(_job(config), _overrides(), _folder())
        except ForecastError as error:
            raise SystemExit(report_error(error)) from error
        except OSError as error:  # Hydra would add lines of its own
            raise SystemExit(report_refusal(error)) from error
    return None


def run_task(job: JobSettings, overrides: Sequence[str], folder: Path) -> None:
    """Run a task to its end and print its outcome.

    Raises
    ------
    ForecastError
        The user's mistake.
    SystemExit
        The task ended in order, and its answer is bad news.

    """
    if job.task in _ON_RUNS:
        do, may_be_set = _ON_RUNS[job.task]
        do(job, _data_overrides(job, overrides, *may_be_set), folder)
    elif job.task == "pretrain":
        with importing():
            from forecast.tasks.pretrain import pretrain

        print(printable(pretrain(job.pretrain, folder, job.seed).sentence))
    elif job.task == "clean":
        print(printable("\n".join(clean_lines(folder))))
    elif job.resume is not None:
        _resume(job, overrides)
    elif job.again is not None:
        _again(job, _data_overrides(job, overrides, "again", "report.*"), folder)
    else:
        _run_on_data(job, overrides, folder)


def _run_on_data(job: JobSettings, overrides: Sequence[str], folder: Path) -> None:
    """Read the data, and run one of the tasks that begin with them."""
    source = _read_first(job)
    if job.task == "check":
        with importing():
            from forecast.tasks.check import check

        checked = check(job, source)
        print(checked.sentence)
        if checked.exit_status:
            raise SystemExit(checked.exit_status)
    elif job.task == "gradcheck":
        with importing():
            from forecast.tasks.gradcheck import gradcheck

        if status := gradcheck(job, source).exit_status:
            raise SystemExit(status)
    elif job.task == "tune":
        with importing():
            from forecast.tasks.tune import tune

        tune(job, folder, overrides, source)
    else:
        _train(job, folder, source, overrides)


def _again(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Run a training anew; that it comes to something else is bad news."""
    from forecast.runs.folder import find_run

    if job.task != "train":
        raise ForecastError(f"`again` runs a training anew, and this is `task={job.task}`: leave it out")
    run = find_run(job.again or "latest")
    with importing():
        from forecast.tasks.again import again

    found = again(run, folder, data, report=job.report)
    print(found.sentence)
    if not found.same:
        raise SystemExit(1)


def _train(job: JobSettings, folder: Path, source: Source, overrides: Sequence[str], *, resumed: bool = False) -> None:
    """Train; what other runs left is swept before, and a run that has to be ended says how it goes on."""
    from forecast.runs.folder import how_to_go_on
    from forecast.runs.unfinished import sweep

    sweep([Path("outputs"), folder.parent], resumed=folder if resumed else None)
    with said_when_ended(lambda: how_to_go_on(folder)):
        with importing():
            from forecast.tasks.train import train

        train(job, folder, source=source, resumed=resumed, command=overrides)


def _resume(job: JobSettings, overrides: Sequence[str]) -> None:
    """Go on with an interrupted run under its own settings; say so where it is finished."""
    found = interrupted_job(job, overrides)
    if found is not None:
        job, folder = found
        _train(job, folder, _read_first(job), overrides, resumed=True)


def _predict(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Look for the run before the task is imported: that there is none is answered before torch is there."""
    from forecast.runs.folder import find_run

    run = find_run(job.run or "latest")
    with importing():
        from forecast.tasks.predict import predict

    print(printable("\n".join(predict(run, data, folder).lines)))


def _probe(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Look for the run before the task is imported, as for a prediction."""
    from forecast.runs.folder import find_run

    run = find_run(job.run or "latest")
    with importing():
        from forecast.tasks.probe import probe

    print(printable("\n".join(probe(run, data, show=job.report, settings=job.probe).lines)))


def _update(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Look for the run before the task is imported, as for a prediction."""
    from forecast.runs.folder import find_run

    run = find_run(job.run or "latest")
    with importing():
        from forecast.tasks.update import update

    update(run, data, folder, job.update, report=job.report)


def _export(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Look for the run before the task is imported, as for a prediction."""
    from forecast.runs.folder import find_run

    if data:
        raise ForecastError(f"`data.{next(iter(data))}` cannot be set with task=export: it reads no data; drop it")
    run = find_run(job.run or "latest")
    with importing():
        from forecast.tasks.export import export

    print(printable("\n".join(export(run).lines)))


def _continue(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Look for the run before the task is imported, as for a prediction."""
    from forecast.runs.folder import find_run

    run = find_run(job.run or "latest")
    with importing():
        from forecast.tasks.continuation import continue_run

    continued = continue_run(run, folder, data=data, asked=job.continuation, seed=job.seed, series=job.report.series)
    print(printable("\n".join(continued.lines)))


def _serve(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Look for the runs before the task is imported, as for a prediction; the page alone needs none."""
    from forecast.runs.folder import find_run

    wanted = job.serve.runs or tuple(filter(None, (job.run or ("latest" if job.task == "serve" else None),)))
    runs = [find_run(run) for run in wanted]
    with importing():
        from forecast.tasks.serve import serve

    def ready(address: str) -> None:
        print(f"serving {', '.join(map(str, runs)) or 'the page'} at {address}", flush=True)
        if job.task == "app" and job.serve.browser:
            import webbrowser

            webbrowser.open(address)

    serve(job.serve, runs, data, base=_settings_of_a_file(), streamed=job.stream, ready=ready)


def _settings_of_a_file() -> dict[str, Any]:
    """Return what a job on any file has set, as plain values."""
    from forecast.app.arguments import read_command_line
    from forecast.app.composition import compose_job

    GlobalHydra.instance().clear()  # it has composed this job, and composes another
    return plain_values(compose_job(read_command_line(["data.path=file"])))


def _mcp(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Answer an assistant: standard output is its own."""
    with importing():
        from forecast.tasks.assistant import serve_tools

    serve_tools(job.mcp.folder, _settings_of_a_file())


def _stream(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Answer the rows of the standard input; Ctrl-C and a request to end are an end in order."""
    from forecast.runs.folder import find_run

    run = find_run(job.run or "latest")
    with importing():
        from forecast.tasks.stream import stream

    def write(lines: bytes) -> None:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()

    def say(sentence: str) -> None:
        print(f"forecast: {sentence}", file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        pieces = iter(lambda: os.read(sys.stdin.fileno(), _PIECE_BYTES), b"")
        stream(run, data, job.stream, source=pieces, write=write, say=say)
    finally:
        signal.signal(signal.SIGTERM, before)


_ON_RUNS: dict[str, tuple[Callable[[JobSettings, Mapping[str, Any], Path], None], tuple[str, ...]]] = {
    "predict": (_predict, ()),
    "probe": (_probe, ("report.series", "report.png", "probe.smoothing")),
    "continue": (_continue, ("continuation.*", "seed", "report.series")),
    "update": (_update, ("update.*", "report.*")),
    "stream": (_stream, ("stream.*",)),
    "serve": (_serve, ("serve.*", "stream.history", "stream.interval")),
    "app": (_serve, ("serve.*",)),
    "mcp": (_mcp, ("mcp.*",)),
    "export": (_export, ("format",)),
}
"""Tasks that open a run, and what may be overridden with each, besides `data.*`."""


def _read_first(job: JobSettings) -> Source:
    """Read the data before the tasks are imported: a mistake in them is answered before torch is there."""
    from forecast.questions.kinds import question_of_head
    from forecast.questions.task import check_splits, split_as_asked, suggested_horizon
    from forecast.reading.sources import load_source

    with _said_to_be_read(getattr(job.data, "path", None)):
        source = load_source(job.data)
    question = question_of_head(job.model.head)
    horizon = job.horizon or suggested_horizon(source.panel)
    check_splits(source.panel, horizon, question, job.split.over)
    refused = getattr(job.data, "on_short_series", "error") == "error"  # only files have it
    if refused or len(source.panel) == 1:
        split_as_asked(source.panel, job.split, question, job.data.context_steps or 1, horizon)
    return source


@contextmanager
def _said_to_be_read(path: str | tuple[str, ...] | None) -> Iterator[None]:
    """Say from the third second on, and then every ten, that the data are still being read."""
    began, done = time.monotonic(), threading.Event()

    def say() -> None:
        pause = _SILENT_S
        while not done.wait(pause):
            what = path if isinstance(path, str) else "the data"
            print(f"reading {what} ({time.monotonic() - began:.0f} s so far) ...", file=sys.stderr, flush=True)
            pause = _SAY_AGAIN_S

    sayer = threading.Thread(target=say, daemon=True)
    sayer.start()
    try:
        yield
    finally:
        done.set()
        sayer.join()


def _data_overrides(job: JobSettings, overrides: Sequence[str], *others: str) -> dict[str, Any]:
    """Return the overridden settings of the data; of a trained run only they and `others` may be overridden.

    Raises
    ------
    ForecastError
        Anything else is overridden.

    """
    data: dict[str, Any] = {}
    for override, key in zip(overrides, overridden_keys(overrides), strict=True):
        if key == "data":
            data["name"] = job.data.name
        elif key.startswith("data."):
            name = key.removeprefix("data.")
            data[name] = getattr(job.data, name)
        elif key not in ("task", "run") and not any(fnmatch(key, other) for other in others):
            new = " and ".join(f"`{name}`" for name in ("data.*", *others))
            raise ForecastError(
                f"`{override}` cannot be set with task={job.task}: a trained run keeps its settings, "
                f"only {new} may be new; drop it, or train again"
            )
    return data


def report_error(error: ForecastError) -> int:
    """Print the one line that a user's mistake gets; return the exit status."""
    if _user_wants_traceback():
        raise error
    print("forecast: " + printable(" ".join(str(error).split("\n"))), file=sys.stderr)
    return 2


def report_refusal(error: OSError) -> int:
    """Print the one line that a disk which is full, a folder that is gone and the like get; return the exit status.

    Whoever closes a pipe has read enough, and is told nothing.
    """
    if _user_wants_traceback():
        raise error
    if is_closed_pipe(error):
        return 1
    what = f" {str(error.filename)!r}" if error.filename else ""
    why = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
    try:
        Path.cwd()
    except OSError:
        why += " (the working directory has been removed: change into one that is there)"
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    print(printable(f"forecast: cannot read or write{what}: {why}{notes}"), file=sys.stderr)
    return NOT_WRITTEN


def _user_wants_traceback() -> bool:
    """Whether the user, and not we, set HYDRA_FULL_ERROR=1."""
    return os.environ.get(FULL_ERROR) == "1" and _MARK not in os.environ


@contextmanager
def full_errors() -> Iterator[None]:
    """Make Hydra raise its errors instead of printing them and leaving with status 1."""
    if _user_wants_traceback():
        yield
        return
    before = os.environ.get(FULL_ERROR)
    os.environ |= {FULL_ERROR: "1", _MARK: "1"}
    try:
        yield
    finally:
        _restore(before)


def _restore(before: str | None) -> None:
    os.environ.pop(_MARK, None)
    os.environ.pop(FULL_ERROR, None)
    if before is not None:
        os.environ[FULL_ERROR] = before


@contextmanager
def _without_our_full_error() -> Iterator[None]:
    """Take it out again while a task runs, so that no child process inherits it."""
    if _MARK not in os.environ:
        yield
        return
    _restore(None)
    try:
        yield
    finally:
        os.environ |= {FULL_ERROR: "1", _MARK: "1"}


def _run_in_sweep(config: DictConfig) -> float:
    hydra = HydraConfig.get()
    folder, number = Path(hydra.sweep.dir), int(hydra.job.num)
    settings: dict[str, Any] = {}
    score, memory, fingerprint, seconds, status = None, None, None, 0.0, "ok"
    try:
        job = _job(config)
        settings = job.model_dump(mode="json")
        if (done := next((one for one in known_outcomes(folder) if one.settings == settings), None)) is not None:
            done = replace(done, job=number, overrides=_overrides())
            write_outcome(done, folder)
            print(f"{done.line()}, done before{progress(folder)}")
            return float("inf") if done.validation_mase is None else done.validation_mase
        score, memory, fingerprint, seconds = _timed_score(job)
    except (ForecastError, SystemExit) as error:
        status = str(error) or "failed"
    except Exception as error:  # one job's fault must not take the others' results along
        traceback.print_exc()
        status = f"{type(error).__name__}: {error}"
    outcome = Outcome(
        number, _overrides(), settings, score, seconds, " ".join(status.split()), memory, fingerprint, time.time()
    )
    write_outcome(outcome, folder)
    print(f"{outcome.line()}{progress(folder)}")
    return float("inf") if score is None else score


def _timed_score(job: JobSettings) -> tuple[float | None, float | None, str | None, float]:
    """Return the validation MASE of a job, the MB that a training step holds, which data it was, and its seconds.

    The first three are None of a task that does not train.

    Imports count for nobody: they would all fall to the first job.
    """
    if job.task == "train":
        with importing():
            if isinstance(job.model, BackboneSettings):
                import forecast.training.fit  # noqa: F401
            from forecast.tasks.train import validate

        began = time.perf_counter()
        return *validate(job), time.perf_counter() - began
    began = time.perf_counter()
    run_task(job, _overrides(), _folder())
    return None, None, None, time.perf_counter() - began


def _job(config: DictConfig) -> JobSettings:
    return check_job(plain_values(config))


def _overrides() -> tuple[str, ...]:
    return tuple(HydraConfig.get().overrides.task)


def _folder() -> Path:
    return Path(HydraConfig.get().runtime.output_dir)
