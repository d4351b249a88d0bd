"""Forecast the hourly series of the M4 competition by the shipped experiment, and score them as the competition did.

    python benchmarks/m4_hourly.py --train m4-hourly-train.csv --test m4-hourly-test.csv [--out FOLDER] [key=value ...]

The experiment sees the training file alone: it trains, chooses and judges inside of it, fits again on all rows and
writes the 48 steps after them. Only then is the test file read, once. Keys go to the experiment, as on its own command
line. sMAPE in percent and MASE are means over series; OWA is the mean of both in units of Naive2's (Makridakis et al.
2020). Shown are what the job recommends, the network, and the network's own reference, untrained, as it was fitted on
all rows, and how many of the true values lie in the intervals of 90 %.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecast.forecasters.transformed import FittedTransformed
from forecast.questions.split import last_origins
from forecast.reading.sources import read_csv
from forecast.runs.run import open_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Array = npt.NDArray[np.float64]

HORIZON, SEASON = 48, 24
NAIVE2_SMAPE, NAIVE2_MASE = 18.383, 2.395


def read_rows(path: Path) -> dict[str, Array]:
    """Read a file of the competition: a header, then a series a row, padded with empty cells."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {row[0]: np.array([float(cell) for cell in row[1:] if cell]) for row in rows}


def smape(y: Array, y_hat: Array) -> float:
    """Symmetric percentage error, in percent."""
    return float(np.mean(200 * np.abs(y - y_hat) / (np.abs(y) + np.abs(y_hat))))


def mase(y: Array, y_hat: Array, past: Array) -> float:
    """Absolute error in units of the seasonal naive error over the whole past."""
    return float(np.mean(np.abs(y - y_hat)) / np.mean(np.abs(past[SEASON:] - past[:-SEASON])))


def scores(truth: Mapping[str, Array], past: Mapping[str, Array], forecasts: Mapping[str, Array]) -> dict[str, float]:
    """Both errors as means over series, and OWA."""
    percentage = float(np.mean([smape(y, forecasts[name]) for name, y in truth.items()]))
    scaled = float(np.mean([mase(y, forecasts[name], past[name]) for name, y in truth.items()]))
    return {"sMAPE": percentage, "MASE": scaled, "OWA": (percentage / NAIVE2_SMAPE + scaled / NAIVE2_MASE) / 2}


def run_experiment(train: Path, out: Path, keys: Sequence[str]) -> None:
    """Run the experiment in a process of its own, and say how long it took, start-up included."""
    command = [sys.executable, "-m", "forecast", "experiment=m4_hourly", f"data.path={train}", f"hydra.run.dir={out}"]
    started = time.perf_counter()
    subprocess.run([*command, *keys], check=True)
    print(f"{time.perf_counter() - started:.0f} s with start-up, backtest, fit on all rows and report")


def reference_forecasts(train: Path, out: Path) -> dict[str, Array]:
    """What the network's reference alone forecasts after all rows."""
    run = open_run(out)
    network = run.network
    if isinstance(network, FittedTransformed):
        raise SystemExit("the reference of a network on logarithms is not shown: leave data.transform alone")
    panel = read_csv(train, layout="rows", season_steps=SEASON)
    panel = panel.take(np.array([panel.ids.index(name) for name in run.record.data.ids]))
    return dict(zip(panel.ids, network.reference.forecast(panel, last_origins(panel)), strict=True))


def coverage(table: pd.DataFrame, truth: Mapping[str, Array]) -> float | None:
    """Share of the true values that lie in the intervals of 90 %, in percent; None where there are none."""
    if not {"q0.05", "q0.95"} <= set(table.columns) or table["q0.05"].isna().all():
        return None
    low, high = (by_series(table, column) for column in ("q0.05", "q0.95"))
    return 100 * float(np.mean([(low[name] <= y) & (y <= high[name]) for name, y in truth.items()]))


def by_series(table: pd.DataFrame, column: str) -> dict[str, Array]:
    """Values of a column of forecasts.csv, by series."""
    return {str(name): part.to_numpy() for name, part in table.groupby("unique_id")[column]}


def main() -> None:
    """Run, score, and say it in one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="the run folder; one that is there is scored as it is")
    parser.add_argument("keys", nargs="*", help="keys of the experiment, as model.reference=blend_owa")
    asked = parser.parse_args()
    out = (asked.out or Path(tempfile.mkdtemp()) / "m4_hourly").resolve()
    if not out.exists():
        run_experiment(asked.train.resolve(), out, asked.keys)
    table = pd.read_csv(out / "forecasts.csv")
    network = json.loads((out / "run.json").read_text())["settings"]["model"]["name"]
    leaderboard = pd.read_csv(out / "leaderboard.csv")
    recommended = str(leaderboard.loc[leaderboard["recommended"].astype(bool), "model"].iloc[0])
    past, truth = read_rows(asked.train), read_rows(asked.test)
    rows = {}
    for name in dict.fromkeys([recommended, network]):
        of_model = table[table["model"] == name]
        forecasts, inside = by_series(of_model, "y_hat"), coverage(of_model, truth)
        if {len(y) for y in (*truth.values(), *forecasts.values())} != {HORIZON} or forecasts.keys() != truth.keys():
            raise SystemExit(f"the files should have the same series, with {HORIZON} steps each in the test")
        rows[name] = {**scores(truth, past, forecasts), "in 90 %": inside}
    rows["its reference, untrained"] = scores(truth, past, reference_forecasts(asked.train, out))
    print(f"recommended: {recommended}")
    print(pd.DataFrame(rows).T.round(4).to_string())
    print(f"run folder {out}")


if __name__ == "__main__":
    main()
