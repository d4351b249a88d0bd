"""How many rows a second go through the pipe of `task=stream`, and whether that depends on the length of the history.

    python benchmarks/streaming.py [--model lstm] [--rows 60000] [--repeats 5] [--json FILE]

The default LSTM, or another network, a forecast of 20 steps with its 90 % interval after each row, on one core: rows
come from a pipe, as CSV and as JSON lines, and answers go into one. The start of the program is measured with a single
row and taken off. The first 2,000 rows of `pretrained` are slow; its long history is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
PER_SECOND = 200
AIM = 20_000


def rows_of(form: str, first: int, count: int) -> bytes:
    """Rows that go on with the embedded sine wave."""
    step = np.arange(first, first + count)
    noise = 0.1 * np.random.default_rng(1).normal(size=count)
    values = (np.sin(2 * np.pi * 10 * step / PER_SECOND) + noise).tolist()
    if form == "csv":
        return "".join(["ds,y\n", *(f"{i},{y!r}\n" for i, y in zip(step, values, strict=True))]).encode()
    return "".join(f'{{"ds": {i}, "y": {y!r}}}\n' for i, y in zip(step, values, strict=True)).encode()


def seconds(folder: str, rows: bytes, *settings: str) -> tuple[float, float]:
    """Wall time, and time of the processor, of a stream of rows; all of them are answered."""
    command = [sys.executable, "-m", "forecast", "task=stream", f"run={folder}", *settings]
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, input=rows, capture_output=True, env=ENVIRONMENT, check=True)
    wall, after = time.perf_counter() - began, os.times()
    assert len(done.stdout.splitlines()) >= rows.count(b"\n") - 1
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Train a network, and measure streams of both forms after a short and a long history."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = {}
    with tempfile.TemporaryDirectory() as folder:
        run = f"{folder}/run"
        trained = [f"model={options.model}", "baseline=[naive]", "report.png=false", f"hydra.run.dir={run}"]
        subprocess.run([sys.executable, "-m", "forecast", *trained], check=True, capture_output=True)
        cases = (("csv", 10), ("json", 10), ("csv", 1_000))
        for form, history in cases[:2] if options.model == "pretrained" else cases:
            count = history * PER_SECOND
            settings = (f"data.duration={history}",)
            rates = []
            for _ in range(options.repeats):
                _, start = seconds(run, rows_of(form, count, 1), *settings)
                _, whole = seconds(run, rows_of(form, count, options.rows), *settings)
                rates.append(options.rows / (whole - start))
            key = f"{form}, after {count:,} rows"
            table[key] = {"median": statistics.median(rates), "least": min(rates), "most": max(rates)}
            print(f"{table[key]['median']:8,.0f} rows a second ({min(rates):,.0f} to {max(rates):,.0f}): {key}")
    if options.json:
        options.json.write_text(json.dumps({"machine": platform.processor(), "aim": AIM, "rows": table}, indent=1))


if __name__ == "__main__":
    main()
