"""Peak memory of training a network on a panel with covariates, against the data packed as float32.

    python benchmarks/memory.py [--series 10000] [--steps 1000] [--covariates 3] [--json FILE]
    python benchmarks/memory.py --series 100000 --by-file 50 --limit 60
    python benchmarks/memory.py --series 100000 --by-file 50 --limit 10 --command

Series are made here, with covariates that are known so far. Peaks are of this process (its resident set), at the end
of each stage: nothing but the imports, the panel, and one epoch of the network trained and validated, or as much of it
as fits into `--limit` seconds. With `--by-file` the series, without covariates, stand in so many Parquet files, which
another process writes and `data.by_file=true` reads; the peak then counts mapped pages that the system could take back.
With `--command` the whole command and a prediction read these files, and the peak is that of all their processes
(Linux), without and with such pages.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import Problem
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, Panel
from forecast.training import fit  # noqa: F401  # what training imports is part of the first stage
from forecast.training.settings import TrainingSettings

MEGABYTE = 2**20
TIMES, BESIDE = 3, 700
"""What is aimed at: so many times the packed data and so many megabytes beside them."""


def peak() -> float:
    """Largest resident set of this process so far, in megabytes."""
    counted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return counted / (MEGABYTE if sys.platform == "darwin" else 1024)


def make_panel(series: int, steps: int, covariates: int) -> Panel:
    """Random walks, each with covariates that are known so far."""
    rng = np.random.default_rng(0)
    values = np.empty((series * steps, 1 + covariates))
    for i in range(series):
        values[i * steps : (i + 1) * steps] = rng.standard_normal((steps, 1 + covariates)).cumsum(axis=0)
    return Panel(
        values=values,
        observed=np.ones(values.shape, dtype=np.bool_),
        offsets=np.arange(series + 1) * steps,
        times=np.tile(np.arange(steps), series),
        ids=tuple(f"s{i}" for i in range(series)),
        channels=(Channel("y", "target"), *(Channel(f"x{j}", "past") for j in range(covariates))),
        calendar=Calendar(freq=None),
    )


def write_files(folder: Path, series: int, steps: int, files: int) -> None:
    """Write random walks by day, whole series in each file."""
    rng = np.random.default_rng(0)
    days = (np.datetime64("2020-01-01") + np.arange(steps)).astype("datetime64[ns]")
    for file, mine in enumerate(np.array_split(np.arange(series), files)):
        columns = {
            "unique_id": np.repeat([f"s{i}" for i in mine], steps),
            "ds": np.tile(days, len(mine)),
            "y": rng.standard_normal((len(mine), steps)).cumsum(axis=1).ravel(),
        }
        parquet.write_table(pyarrow.table(columns), folder / f"{file:04d}.parquet")


def read_files(series: int, steps: int, files: int) -> Panel:
    """Read such files one by one."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        writer = multiprocessing.get_context("spawn").Process(
            target=write_files, args=(Path(folder), series, steps, files)
        )
        writer.start()
        writer.join()
        return load_source(CsvSettings(path=folder, by_file=True)).panel


def held_by(root: int) -> tuple[float, float]:
    """Megabytes that a process and all its children hold, and the same with pages of files, shared ones by share."""
    held, processes = np.zeros(2), [root]
    for process in processes:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                processes += [int(child) for child in (task / "children").read_text().split()]
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:  # it has ended
            continue
        kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        held += kilobytes["Pss_Anon"] + kilobytes["Pss_Shmem"], kilobytes["Pss"]
    return held[0] / 1024, held[1] / 1024


def run_command(options: argparse.Namespace) -> None:
    """Train, compare and report on files of series, then predict from them, and print the peaks of both commands."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as parent:
        folder, run = Path(parent) / "files", Path(parent) / "run"
        folder.mkdir()
        write_files(folder, options.series, options.steps, options.by_file)
        read = (f"data.path={folder}/*.parquet", "data.by_file=true")
        train = (
            "data.target=y",
            "data.calendar=none",
            "horizon=7",
            "model=lstm",
            f"model.reference={options.reference}",
        )
        train += ("baseline=[naive]", "training.max_epochs=1", f"training.time_limit_s={options.limit or 'null'}")
        for name, command in (
            ("task=train", (*read, *train, f"hydra.run.dir={run}")),
            ("task=predict", ("task=predict", f"run={run}", *read, f"hydra.run.dir={parent}/ahead")),
        ):
            began, peaks = time.perf_counter(), np.zeros(2)
            process = subprocess.Popen([sys.executable, "-m", "forecast", *command], stdout=subprocess.DEVNULL)
            while process.poll() is None:
                peaks = np.maximum(peaks, held_by(process.pid))
                time.sleep(0.25)
            seconds = time.perf_counter() - began
            print(
                f"{name:14} status {process.returncode}, {peaks[0]:.0f} MB, with mapped pages {peaks[1]:.0f} MB; ",
                end="",
            )
            print(f"{seconds:.0f} s", flush=True)


def main() -> None:
    """Print the peak after each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--covariates", type=int, default=3)
    parser.add_argument("--reference", default="last")
    parser.add_argument("--by-file", type=int, default=0)
    parser.add_argument("--limit", type=float)
    parser.add_argument("--command", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.command:
        run_command(options)
        return
    stages = {"imports": peak()}
    if options.by_file:
        panel = read_files(options.series, options.steps, options.by_file)
    else:
        panel = make_panel(options.series, options.steps, options.covariates)
    packed = panel.values.size * 4 / MEGABYTE
    stages["panel"] = peak()
    network = LstmSettings(hidden_size=64, reference=options.reference)
    training = TrainingSettings(lanes=32, chunk_steps=168, max_epochs=1, refit=False, time_limit_s=options.limit)
    forecaster = Recurrent(network, training, seed=0)
    began = time.perf_counter()
    problem = Problem(horizon=24, context_steps=168, season_steps=24)
    forecaster.fit(panel, panel.lengths - 100, problem)
    seconds = time.perf_counter() - began
    stages["one epoch, validated"] = peak()
    for stage, megabytes in stages.items():
        print(f"{stage:22} {megabytes:6.0f} MB")
    print(f"{'aimed at':22} {TIMES * packed + BESIDE:6.0f} MB   {TIMES} x the packed data ({packed:.0f}) + {BESIDE} MB")
    print(f"{seconds:.0f} s")
    if options.json:
        size = {"series": options.series, "steps": options.steps, "covariates": options.covariates}
        found = {**size, "packed_mb": packed, "seconds": seconds, "peak_mb": stages}
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
