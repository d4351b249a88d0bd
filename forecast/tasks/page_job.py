"""The process of one job of the page: `python -m forecast.tasks.page_job FOLDER` trains what `job.json` there asks for.

It ends when its input does, which is when the service that started it is gone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path

from forecast.errors import ForecastError
from forecast.importing import importing
from forecast.serving.jobs import JOB, PROGRESS, RUN


def run(folder: Path) -> int:
    """Train; return the exit status, 2 after a mistake of the user's, whose line is printed as the command does."""
    with importing():
        from forecast.runs.unfinished import holds_checkpoint, staging_of  # noqa: PLC0415
        from forecast.tasks.settings import check_job  # noqa: PLC0415
        from forecast.tasks.terminal import WatchedConsole  # noqa: PLC0415
        from forecast.tasks.train import train  # noqa: PLC0415

    def watch(said: str, share: float | None) -> None:
        staged = folder / f".{PROGRESS}"
        staged.write_text(json.dumps({"said": said, "share": share}), encoding="utf-8")
        staged.replace(folder / PROGRESS)

    unfinished = staging_of(folder / RUN)
    resumed = holds_checkpoint(unfinished)  # of a process that the service, or the machine, took along
    if not resumed:
        shutil.rmtree(unfinished, ignore_errors=True)
    try:
        watch("reading the file", None)
        job = check_job(json.loads((folder / JOB).read_text(encoding="utf-8")))
        train(job, folder / RUN, WatchedConsole(watch), resumed=resumed)
    except ForecastError as error:
        line = error.line.replace(f"{folder}{os.sep}", "")
        sys.stderr.write(f"forecast: {line}\n")
        return 2
    return 0


def _end_with_the_service() -> None:
    while os.read(0, 1):  # and not by `sys.stdin`, which would be held on to at our own end
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    raise SystemExit(run(Path(sys.argv[1])))
