"""How long the command takes to answer, the package to import, and the default command from start to report.

    python benchmarks/startup.py [--json FILE]

Medians of several fresh interpreters. Stated in the README: `--help`, `--cfg job` and a misspelt override within 1 s,
`import forecast` within 0.3 s beyond the interpreter's own start. The default command is to be done within 20 s, 6 of
them imports. These are what `-X importtime` adds up to in a run of its own, which the log itself makes slower; modules
that are imported while something else is done count as well.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Row:
    """What took how long, in seconds: the median, the shortest and the longest; and what is aimed at."""

    what: str
    median: float
    shortest: float
    longest: float
    limit: float

    @property
    def text(self) -> str:
        """A line."""
        return f"{self.median:6.2f} s of {self.limit:.1f} s  {self.what} ({self.shortest:.2f} to {self.longest:.2f})"


def row_of(what: str, taken: list[float], limit: float) -> Row:
    """Sum up several runs."""
    return Row(what, statistics.median(taken), min(taken), max(taken), limit)


def seconds(arguments: tuple[str, ...], repeats: int, *, check: bool = False) -> list[float]:
    """Return the wall times of fresh interpreters, in seconds."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):  # the first one writes byte code and fills caches
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=check)
            taken.append(time.perf_counter() - began)
    return taken[1:]


def import_seconds(arguments: tuple[str, ...]) -> dict[str, float]:
    """Return the seconds that the modules of each package take to import."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-X", "importtime", *arguments]
        log = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stderr
    taken: dict[str, float] = {}
    for line in log.splitlines():
        if found := re.fullmatch(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)\S*", line):
            taken[found[2]] = taken.get(found[2], 0.0) + int(found[1]) / 1e6
    return taken


def main() -> int:
    """Print a row a case; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3, help="of the default command, after one that is not counted")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    own = statistics.median(seconds(INTERPRETER, options.repeats))
    print(f"{platform.machine()}, Python {platform.python_version()}, interpreter alone {own:.2f} s")
    rows = []
    for name, (command, limit) in CASES.items():
        taken = seconds(command, options.repeats)
        rows.append(row_of(name, [one - own for one in taken] if name.startswith("import") else taken, limit))
    rows.append(row_of(f"python {' '.join(DEFAULT)}", seconds(DEFAULT, options.runs, check=True), LIMIT))
    imports = import_seconds(DEFAULT)
    rows.append(row_of("of it imports", [sum(imports.values())], IMPORT_LIMIT))
    print(*(row.text for row in rows), sep="\n")
    most = sorted(imports, key=lambda name: -imports[name])[:6]
    print("most of them:", ", ".join(f"{name} {imports[name]:.1f}" for name in most))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0 if all(row.median <= row.limit for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
