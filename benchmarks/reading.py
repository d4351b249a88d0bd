"""Read large files: five million rows, 20,000 series, 8,000 columns, against `pandas.read_csv` of the same file.

    python benchmarks/reading.py

Each reading has a process of its own; times, of the clock and of the processor, are medians of three, taken in turn.
Memory is the most that a process ever held beyond what it held before it read, in times of the file's size; to have the
libraries' code in memory it read a small file before.
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


def measure(reader: str, name: str, path: Path, small: Path | None) -> None:
    """Read once and print seconds, those of the processor, and bytes; `small` is a file that is read before."""
    if reader == "pandas":
        import pandas as pd

        def read(path: Path) -> object:
            return pd.read_csv(path)
    else:
        from forecast.reading.settings import CsvSettings
        from forecast.reading.sources import load_source

        def read(path: Path) -> object:
            return load_source(CsvSettings(path=str(path), **CASES[name]))

    if small is not None:
        read(small)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, worked = time.perf_counter(), time.process_time()
    kept = read(path)
    seconds, of_cpu = time.perf_counter() - began, time.process_time() - worked
    print(seconds, of_cpu, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
    del kept


def main() -> None:
    """Write the files, read each in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the size")
    parser.add_argument("--only", choices=tuple(CASES), help="one of the files")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        write(asked.write[0], Path(asked.write[1]), float(asked.write[2]))
        return
    if asked.measure:
        reader, name, path, *small = asked.measure
        measure(reader, name, Path(path), Path(small[0]) if small else None)
        return
    columns = ("pandas s", "forecast s", "times", "pandas cpu", "forecast cpu", "times", "pandas x", "forecast x")
    print(f"{'file':<10}{'MB':>6}" + "".join(f"{column:>14}" for column in columns))
    with tempfile.TemporaryDirectory() as folder:
        for name in (asked.only,) if asked.only else CASES:
            path, small = Path(folder) / f"{name}.csv", Path(folder) / "small.csv"
            # In processes of their own: what they held would count as held by those that are measured.
            for file, scale in ((path, asked.scale), (small, 0.001)):
                subprocess.run([sys.executable, __file__, "--write", name, str(file), str(scale)], check=True)
            size = path.stat().st_size
            found: dict[str, list[list[float]]] = {"pandas": [], "forecast": []}
            for _ in range(REPEATS):
                for reader, results in found.items():
                    wall, cpu, _ = _one(reader, name, path)
                    results.append([wall, cpu, _one(reader, name, path, small)[2] / size])
            pandas, ours = ([statistics.median(of) for of in zip(*results, strict=True)] for results in found.values())
            cells = [
                pandas[0],
                ours[0],
                ours[0] / pandas[0],
                pandas[1],
                ours[1],
                ours[1] / pandas[1],
                pandas[2],
                ours[2],
            ]
            print(f"{name:<10}{size / 1e6:>6.0f}" + "".join(f"{cell:>14.2f}" for cell in cells), flush=True)


def _one(*asked: object) -> list[float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", *map(str, asked)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return [float(number) for number in said]


if __name__ == "__main__":
    main()
