"""Kill a training with SIGKILL at random moments, resume it, and compare its files with those of an undisturbed one.

    python benchmarks/kills.py --kills 20

Each job is a process of its own, forked from one that has imported everything, so that moments fall into the training
and what follows it. A job is resumed, and may be killed again, until it is finished; checkpoints are written after
every step, where a run of the command waits `training.checkpoint_s` and keeps to a hundredth of the time.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from forecast.app import main as command
from forecast.runs import checkpoint

COMPARED = ("weights.safetensors", "forecast.csv", "results.parquet")
JOB = (
    *("model.hidden_size=6", "model.dropout=0.1", "model.layers=2", "training.max_epochs=6", "training.chunk_steps=32"),
    *("data.duration=2", "horizon=4", "baseline=[naive,ridge]", "report.png=false", "training.accelerator=cpu"),
    *("training.threads=1", "training.checkpoint_s=0.001"),
)


def started(*arguments: str) -> int:
    """Fork a process that runs the command; return its number."""
    if (child := os.fork()) > 0:
        return child
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    checkpoint._SHARE = 1.0
    try:
        os._exit(command(arguments))
    finally:
        os._exit(70)


def ended(child: int) -> int:
    """Wait for a process; return its exit status, below 0 where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_until_finished(folder: Path, seconds: float, most_kills: int) -> int:
    """Run the job, and resume it; return how often it was killed."""
    kills, resumable = 0, False
    for attempt in range(50):
        child = started(*((f"resume={folder}",) if resumable else (*JOB, f"hydra.run.dir={folder}")))
        if kills < most_kills:
            time.sleep(random.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
        status = ended(child)
        kills += status == -signal.SIGKILL
        if status == 0:
            return kills
        if status not in (-signal.SIGKILL, 0):
            raise SystemExit(f"attempt {attempt}: exit status {status}")
        resumable = (folder.parent / f".{folder.name}.unfinished" / "started.json").exists()
    raise SystemExit("it is never finished")


def main() -> None:
    """Kill, resume, compare, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as parent:
        os.chdir(parent)
        command([*JOB, f"hydra.run.dir={Path(parent) / 'undisturbed'}"])  # here, so that all is imported
        began = time.monotonic()
        if status := ended(started(*JOB, f"hydra.run.dir={Path(parent) / 'again'}")):
            sys.exit(f"an undisturbed run ended with {status}")
        seconds = time.monotonic() - began
        kills = runs = equal = 0
        while kills < arguments.kills:
            folder = Path(parent) / f"killed-{runs}"
            kills += killed_until_finished(folder, seconds, most_kills=min(3, arguments.kills - kills))
            same = filecmp.cmpfiles(Path(parent) / "undisturbed", folder, COMPARED, shallow=False)[0]
            runs, equal = runs + 1, equal + (set(same) == set(COMPARED))
        print(f"{kills} kills in {runs} runs of {seconds:.1f} s: {equal} of {runs} end with the same bytes in ", end="")
        print(", ".join(COMPARED))
        sys.exit(equal < runs)


if __name__ == "__main__":
    main()
