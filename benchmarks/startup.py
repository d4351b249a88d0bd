"""How long the command takes to answer, the package to import, and the default command from start to report.

    python benchmarks/startup.py

Medians of several fresh interpreters. Stated in the README: `--help`, `--cfg job` and a misspelt override within 1 s,
`import forecast` within 0.3 s beyond the interpreter's own start. The default command is to be done within 20 s, 6 of
them imports. These are what `-X importtime` adds up to in a run of its own, which the log itself makes slower; modules
that are imported while something else is done count as well.
"""

from __future__ import annotations

import argparse
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

INTERPRETER = ("-c", "")
CASES = {
    "import forecast": (("-c", "import forecast"), 0.3),
    "python -m forecast --help": (("-m", "forecast", "--help"), 1.0),
    "python -m forecast --cfg job": (("-m", "forecast", "--cfg", "job"), 1.0),
    "python -m forecast modl=lstm": (("-m", "forecast", "modl=lstm"), 1.0),
    "python -m forecast data=sinewave data.path=x": (("-m", "forecast", "data=sinewave", "data.path=x"), 1.0),
}
DEFAULT = ("-m", "forecast", "model=lstm")
LIMIT, IMPORT_LIMIT = 20.0, 6.0


def seconds(arguments: tuple[str, ...], repeats: int) -> float:
    """Return the median wall time of a fresh interpreter, in seconds."""
    return statistics.median(all_seconds(arguments, repeats))


def all_seconds(arguments: tuple[str, ...], repeats: int, *, check: bool = False) -> list[float]:
    """Return the wall times of fresh interpreters, in seconds."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):  # the first one writes byte code and fills caches
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=check)
            taken.append(time.perf_counter() - began)
    return taken[1:]


def import_seconds(arguments: tuple[str, ...]) -> tuple[float, dict[str, float]]:
    """Return the seconds that all imports take together, and those of the modules of each package."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-X", "importtime", *arguments]
        log = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stderr
    taken: dict[str, float] = {}
    for line in log.splitlines():
        if found := re.fullmatch(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)\S*", line):
            taken[found[2]] = taken.get(found[2], 0.0) + int(found[1]) / 1e6
    return sum(taken.values()), taken


def time_default(repeats: int) -> bool:
    """Print a row of the default command and one of its imports; return whether they keep their limits."""
    taken = all_seconds(DEFAULT, repeats, check=True)
    median = statistics.median(taken)
    spread = f"{min(taken):.1f} to {max(taken):.1f}"
    print(f"{median:6.2f} s of {LIMIT:.1f} s  python {' '.join(DEFAULT)} ({spread} s in {repeats} runs)")
    imports, each = import_seconds(DEFAULT)
    most = sorted(each, key=lambda name: -each[name])[:6]
    print(f"{imports:6.2f} s of {IMPORT_LIMIT:.1f} s  of it imports: {', '.join(f'{n} {each[n]:.1f}' for n in most)}")
    return median <= LIMIT and imports <= IMPORT_LIMIT


def main() -> int:
    """Print a row a case; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3, help="of the default command, after one that is not counted")
    arguments = parser.parse_args()
    repeats = arguments.repeats
    own = seconds(INTERPRETER, repeats)
    print(f"{platform.machine()}, Python {platform.python_version()}, interpreter alone {own:.2f} s")
    kept = True
    for name, (command, limit) in CASES.items():
        taken = seconds(command, repeats) - (own if name.startswith("import") else 0.0)
        kept &= taken <= limit
        print(f"{taken:6.2f} s of {limit:.1f} s  {name}")
    kept &= time_default(arguments.runs)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
