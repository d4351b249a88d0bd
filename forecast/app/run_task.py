"""From the settings of a job to its task: what is read first, what is imported when, and what is printed at the end.

Whatever is wrong with the data or the run is answered before torch and Lightning are imported, which takes seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra

from forecast.app.composition import plain_values
from forecast.app.overrides import overridden_keys
from forecast.app.resuming import clean_lines, interrupted_job
from forecast.app.signals import said_when_ended
from forecast.errors import ForecastError
from forecast.importing import importing
from forecast.wording import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from forecast.series.panel import Source
    from forecast.tasks.settings import JobSettings

_PIECE_BYTES = 1 << 16
"""Of a pipe that are read at once, at most; what has come is never waited on."""


def run_task(job: JobSettings, overrides: Sequence[str], folder: Path) -> None:
    """Run a task to its end and print its outcome.

    Raises
    ------
    ForecastError
        The user's mistake.
    SystemExit
        The task ended in order, and its answer is bad news.

    """
    if job.task in _ON_A_RUN:
        from forecast.runs.folder import find_run

        do, may_be_set = _ON_A_RUN[job.task]
        data = _data_overrides(job, overrides, *may_be_set)
        do(find_run(job.run or "latest"), job, data, folder)
    elif job.task in _SERVING:
        serve, may_be_set = _SERVING[job.task]
        serve(job, _data_overrides(job, overrides, *may_be_set))
    elif job.task == "clean":
        print(printable("\n".join(clean_lines(folder))))
    elif job.resume is not None:
        _resume(job, overrides)
    elif job.task == "pretrain":
        _pretrain(job, folder)
    elif job.again is not None:
        _again(job, _data_overrides(job, overrides, "again", "report.*"), folder)
    else:
        _run_on_data(job, overrides, folder)


def _run_on_data(job: JobSettings, overrides: Sequence[str], folder: Path) -> None:
    """Read the data, and run one of the tasks that begin with them."""
    from forecast.training.tracking import check_tracker

    check_tracker(job.logger)
    if job.training.devices > 1 or job.training.precision != "32-true" or "TORCHELASTIC_RUN_ID" in os.environ:
        from forecast.training.ranks import check_devices

        check_devices(job.training)
    began = time.perf_counter()
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
        _train(job, folder, source, overrides, began)


def _again(job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Run a training anew; that it comes to something else is bad news."""
    from forecast.runs.folder import find_run

    if job.task != "train":
        raise ForecastError(f"`again` runs a training anew, and this is `task={job.task}`: leave it out")
    run = find_run(job.again or "latest")
    with importing():
        from forecast.tasks.again import again

    repeated = again(run, folder, data, report=job.report)
    print(repeated.sentence)
    if not repeated.same:
        raise SystemExit(1)


def _train(
    job: JobSettings, folder: Path, source: Source, overrides: Sequence[str], began: float, *, resumed: bool = False
) -> None:
    """Train; what other runs left is swept before, and a run that has to be ended says how it goes on."""
    from forecast.runs.folder import how_to_go_on
    from forecast.runs.unfinished import sweep

    sweep([Path("outputs"), folder.parent], resumed=folder if resumed else None)
    with said_when_ended(lambda: how_to_go_on(folder)):
        with importing():
            from forecast.tasks.train import train

        train(job, folder, source=source, resumed=resumed, command=overrides, began=began)


def _resume(job: JobSettings, overrides: Sequence[str]) -> None:
    """Go on with an interrupted run under its own settings; say so where it is finished."""
    interrupted = interrupted_job(job, overrides)
    if interrupted is not None:
        began, (job, folder) = time.perf_counter(), interrupted
        if job.task == "pretrain":
            _pretrain(job, folder, resumed=True)
        else:
            _train(job, folder, _read_first(job), overrides, began, resumed=True)


def _pretrain(job: JobSettings, folder: Path, *, resumed: bool = False) -> None:
    with importing():
        from forecast.tasks.pretrain import pretrain

    print(printable(pretrain(job.pretrain, folder, job.seed, job=job, resumed=resumed).sentence))


def _predict(run: Path, job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    if job.predict.by_file:
        with importing():
            from forecast.tasks.partitions import predict_parts

        predicted = predict_parts(run, data, folder, job.predict, lambda line: print(printable(line), flush=True))
        print(printable(predicted.sentence))
        return
    with importing():
        from forecast.tasks.predict import predict

    print(printable("\n".join(predict(run, data, folder).lines)))


def _probe(run: Path, job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    with importing():
        from forecast.tasks.probe import probe

    print(printable("\n".join(probe(run, data, show=job.report, settings=job.probe).lines)))


def _update(run: Path, job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    with importing():
        from forecast.tasks.update import update

    update(run, data, folder, job.update, report=job.report)


def _export(run: Path, job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    if data:
        raise ForecastError(f"`data.{next(iter(data))}` cannot be set with task=export: it reads no data; drop it")
    with importing():
        from forecast.tasks.export import export

    print(printable("\n".join(export(run).lines)))


def _continue(run: Path, job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    with importing():
        from forecast.tasks.continuation import continue_run

    continued = continue_run(run, folder, data=data, settings=job.continuation, seed=job.seed, series=job.report.series)
    print(printable("\n".join(continued.lines)))


def _serve(job: JobSettings, data: Mapping[str, Any]) -> None:
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


def _mcp(job: JobSettings, data: Mapping[str, Any]) -> None:
    """Answer an assistant: standard output is its own."""
    with importing():
        from forecast.tasks.assistant import serve_tools

    serve_tools(job.mcp.folder, _settings_of_a_file())


def _stream(run: Path, job: JobSettings, data: Mapping[str, Any], folder: Path) -> None:
    """Answer the rows of the standard input; Ctrl-C and a request to end are an end in order."""
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


_ON_A_RUN: dict[str, tuple[Callable[[Path, JobSettings, Mapping[str, Any], Path], None], tuple[str, ...]]] = {
    "predict": (_predict, ("predict.*",)),
    "probe": (_probe, ("report.series", "report.png", "probe.smoothing")),
    "continue": (_continue, ("continuation.*", "seed", "report.series")),
    "update": (_update, ("update.*", "report.*")),
    "stream": (_stream, ("stream.*",)),
    "export": (_export, ("format",)),
}
"""Tasks that open a run, and what may be overridden with each, besides `data.*`."""

_SERVING: dict[str, tuple[Callable[[JobSettings, Mapping[str, Any]], None], tuple[str, ...]]] = {
    "serve": (_serve, ("serve.*", "stream.history", "stream.interval")),
    "app": (_serve, ("serve.*",)),
    "mcp": (_mcp, ("mcp.*",)),
}
"""Tasks that answer others until they are ended, from several runs or none, and what may be overridden likewise."""


def _read_first(job: JobSettings) -> Source:
    """Read the data before the tasks are imported: a mistake in them is answered before torch is there."""
    from forecast.questions.kinds import question_of_head
    from forecast.questions.task import check_splits, suggested_horizon
    from forecast.reading.sources import load_source
    from forecast.tasks.settings import splits_fit_of

    source = load_source(job.data)
    question = question_of_head(job.model.head)
    horizon = job.horizon or suggested_horizon(source.panel)
    check_splits(source.panel, horizon, question, job.split.over)
    refused = getattr(job.data, "on_short_series", "error") == "error"  # only files have it
    if refused or len(source.panel) == 1:
        splits_fit_of(job, source.panel, horizon)
    return source


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
