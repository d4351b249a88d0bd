"""Read large files: five million rows, 20,000 series, 8,000 columns, against `pandas.read_csv` of the same file.

    python benchmarks/reading.py

Each reading has a process of its own; times are medians of three, taken in turn. Memory is the most that the process
ever held beyond what it held before it read, in times of the file's size.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 3
CASES = {"rows": {}, "series": {"id": "unique_id"}, "columns": {"layout": "columns"}}


def write(name: str, path: Path, scale: float) -> None:
    """Write one of the files; `scale` 1 is the size that the page states."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    if name == "rows":
        rows = int(5_000_000 * scale)
        times = pd.date_range("2015-01-01", periods=rows, freq="min")
        frame = pd.DataFrame({"time": times, "load": random.normal(100, 10, rows).round(2)})
    elif name == "series":
        series, steps = int(20_000 * scale), 50
        days = np.tile(pd.date_range("2024-01-01", periods=steps).to_numpy(), series)
        ids = np.repeat([f"shop-{i:05d}" for i in range(series)], steps)
        frame = pd.DataFrame({"unique_id": ids, "ds": days, "y": random.normal(100, 10, series * steps).round(2)})
    else:
        columns, steps = int(8_000 * scale), 1_000
        frame = pd.DataFrame(
            random.normal(100, 10, (steps, columns)).round(2), columns=[f"s{i}" for i in range(columns)]
        )
        frame.insert(0, "date", pd.date_range("2020-01-01", periods=steps))
    frame.to_csv(path, index=False)


def measure(reader: str, name: str, path: Path) -> None:
    """Read once and print seconds and bytes."""
    if reader == "pandas":
        import pandas as pd

        def read() -> object:
            return pd.read_csv(path)
    else:
        from forecast.reading.settings import CsvSettings
        from forecast.reading.sources import load_source

        def read() -> object:
            return load_source(CsvSettings(path=str(path), **CASES[name]))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    kept = read()
    seconds = time.perf_counter() - began
    print(seconds, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
    del kept


def main() -> None:
    """Write the files, read each in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the size")
    parser.add_argument("--only", choices=tuple(CASES), help="one of the files")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure[0], asked.measure[1], Path(asked.measure[2]))
        return
    print(f"{'file':<10}{'MB':>8}{'pandas s':>10}{'forecast s':>12}{'times':>8}{'pandas x':>10}{'memory x':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for name in (asked.only,) if asked.only else CASES:
            path = Path(folder) / f"{name}.csv"
            write(name, path, asked.scale)
            size = path.stat().st_size
            found: dict[str, list[tuple[float, float]]] = {"pandas": [], "forecast": []}
            for _ in range(REPEATS):
                for reader, results in found.items():
                    command = [sys.executable, __file__, "--measure", reader, name, str(path)]
                    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                    results.append((float(said[0]), float(said[1]) / size))
            (pandas_s, pandas_x), (ours_s, ours_x) = (
                [statistics.median(values) for values in zip(*results, strict=True)] for results in found.values()
            )
            print(
                f"{name:<10}{size / 1e6:>8.0f}{pandas_s:>10.2f}{ours_s:>12.2f}{ours_s / pandas_s:>8.2f}"
                f"{pandas_x:>10.1f}{ours_x:>10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
