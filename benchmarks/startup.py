"""How long the command takes to answer, and the package to import: medians of several fresh interpreters.

    python benchmarks/startup.py

Stated in the README: `--help`, `--cfg job` and a misspelt override within 1 s, `import forecast` within 0.3 s beyond
the interpreter's own start.
"""

from __future__ import annotations

import argparse
import platform
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


def seconds(arguments: tuple[str, ...], repeats: int) -> float:
    """Return the median wall time of a fresh interpreter, in seconds."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):  # the first one writes byte code and fills caches
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
            taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def main() -> int:
    """Print a row a case; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    own = seconds(INTERPRETER, repeats)
    print(f"{platform.machine()}, Python {platform.python_version()}, interpreter alone {own:.2f} s")
    kept = True
    for name, (arguments, limit) in CASES.items():
        taken = seconds(arguments, repeats) - (own if name.startswith("import") else 0.0)
        kept &= taken <= limit
        print(f"{taken:6.2f} s of {limit:.1f} s  {name}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
