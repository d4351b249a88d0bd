"""Peak memory of training a network on a panel with covariates, against the data packed as float32.

    python benchmarks/memory.py [--series 10000] [--steps 1000] [--covariates 3] [--json FILE]

Series are made here, with covariates that are known so far. Peaks are of this process (its resident set), at the end
of each stage: nothing but the imports, the panel, and one epoch of the network trained and validated.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import Problem
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


def main() -> None:
    """Print the peak after each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--covariates", type=int, default=3)
    parser.add_argument("--reference", default="last")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    stages = {"imports": peak()}
    panel = make_panel(options.series, options.steps, options.covariates)
    packed = panel.values.size * 4 / MEGABYTE
    stages["panel"] = peak()
    network = LstmSettings(hidden_size=64, reference=options.reference)
    forecaster = Recurrent(network, TrainingSettings(lanes=32, chunk_steps=168, max_epochs=1, refit=False), seed=0)
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
