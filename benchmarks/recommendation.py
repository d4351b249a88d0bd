"""What following the recommendation is worth: against AutoETS, against the best model in hindsight, on random walks.

    python benchmarks/recommendation.py short m1.csv --files 60    series of the M-competition of 1982, 16 rows and more
    python benchmarks/recommendation.py shipped --ends 4           the series that statsmodels ships, with earlier ends
    python benchmarks/recommendation.py walks --files 200          random walks of 40 to 199 rows
    python benchmarks/recommendation.py made --files 30            the generator of the pretrained network, other seeds

Of each file the last horizon is held back. The job runs on the rest as the command does, and what it recommends is
scored on what was held back; so are all other models, AutoETS among them (extra [statistical]), which a job can be
recommended only with `--statistical`. `--json` keeps a line a file, and a file that has its line is not run again.
With `--skip` a part of M1 is left out, on which something was chosen.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from forecast.app.arguments import CommandLine
from forecast.app.composition import compose_job, plain_values
from forecast.forecasters.baselines import build_baseline
from forecast.forecasters.settings import StatisticalSettings
from forecast.pretraining.generator import generate
from forecast.tasks.final import final_fit, future, refit
from forecast.tasks.settings import JobSettings, check_job
from forecast.tasks.terminal import silent, working
from forecast.tasks.train import fit, judge, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.series.panel import FloatArray

DEFAULTS = (
    "naive",
    "seasonal_naive",
    "drift",
    "window_mean",
    "calendar_regression",
    "pretrained",
    "ridge",
    "k_neighbors",
    "random_forest",
    "mlp",
)
_M1 = {"yearly": (4, "YS"), "quarterly": (6, "QS"), "monthly": (12, "MS")}
_FEWEST = 16


def short(path: str, count: int, skipped: int = 0) -> Iterator[tuple[str, FloatArray, int, str]]:
    """Series of the M-competition, as many of each period, with name, horizon and frequency; some are `skipped`."""
    table, rng = pd.read_csv(path), np.random.default_rng(7)
    for period, (horizon, freq) in _M1.items():
        groups = table[table["period"] == period].groupby("unique_id")["y"]
        series = [(f"{name}", y.to_numpy(float)) for name, y in groups if len(y) - horizon >= _FEWEST]
        for i in rng.permutation(len(series))[skipped // len(_M1) :][: count // len(_M1)]:
            yield (*series[i], horizon, freq)


def shipped(ends: int) -> Iterator[tuple[str, FloatArray, int, str]]:
    """Series that come with statsmodels, whole and cut at some `ends` before.

    Six of them end in the same recession: their last horizons alone are one event.
    """
    for name, y, horizon, freq in _whole_series():
        for end in range(ends):
            known = y[: len(y) - end * max(2 * horizon, len(y) // 8)]
            if len(known) - horizon >= _FEWEST:
                yield f"{name}, end {end}" if end else name, known, horizon, freq


def _whole_series() -> Iterator[tuple[str, FloatArray, int, str]]:
    from statsmodels import datasets  # noqa: PLC0415

    def of(name: str) -> pd.DataFrame:
        return getattr(datasets, name).load_pandas().data

    yield "nile", of("nile")["volume"].to_numpy(float), 8, "YS"
    yield "sunspots", of("sunspots")["SUNACTIVITY"].to_numpy(float), 12, "YS"
    for column in ("realgdp", "cpi", "unemp", "infl", "realinv", "tbilrate"):
        yield column, of("macrodata")[column].to_numpy(float), 8, "QS"
    yield "elnino", of("elnino").iloc[:, 1:].to_numpy(float).ravel(), 12, "MS"
    yield "co2", of("co2")["co2"].interpolate().to_numpy(float), 26, "W"
    for column in ("lrm", "lry", "ibo"):
        yield column, of("danish_data")[column].to_numpy(float), 6, "QS"
    for column in ("R", "Dp"):
        yield column, of("interest_inflation")[column].to_numpy(float), 6, "QS"


def walks(count: int) -> Iterator[tuple[str, FloatArray, int, str]]:
    """Random walks."""
    rng = np.random.default_rng(5)
    for i in range(count):
        yield f"walk{i}", 100 + rng.standard_normal(int(rng.integers(40, 200)) + 12).cumsum(), 12, "D"


def made(count: int) -> Iterator[tuple[str, FloatArray, int, str]]:
    """Made-up monthly series, with seeds that no training saw."""
    rng = np.random.default_rng([2**31, 77])
    for i in range(count):
        values, _ = generate(rng, 1, int(rng.integers(30, 200)) + 12, 12)
        yield f"made{i}", np.nan_to_num(values[0]), 12, "MS"


def job_of(path: Path, horizon: int, *, statistical: bool) -> JobSettings:
    """Return the default job on a file."""
    asked = [f"data.path={path}", "data=csv", f"horizon={horizon}", "model=auto"]
    asked += ["training.accelerator=cpu", "training.threads=1", "report.png=false"]
    if statistical:
        asked += [f"baseline=[{','.join((*DEFAULTS, 'auto_ets', 'auto_theta'))}]"]
    return check_job(plain_values(compose_job(CommandLine((), tuple(asked)))))


def scored(y: FloatArray, horizon: int, freq: str, *, statistical: bool) -> dict[str, Any]:
    """Run a job on all but the last horizon, and score every model on that."""
    known, actual = y[:-horizon], y[-horizon:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.csv"
        days = pd.date_range("1950-01-01", periods=len(known), freq=freq)
        pd.DataFrame({"day": days, "y": known}).to_csv(path, index=False)
        prepared = prepare(job_of(path, horizon, statistical=statistical))
    panel, task = prepared.panel, prepared.task
    with working(silent(), 1) as work:
        fits = fit(prepared, work)
        evaluation = judge(prepared, fits, work)
        final = refit(prepared, evaluation, work).fitted
    if not statistical:
        ets = build_baseline(StatisticalSettings(name="auto_ets", method="auto_ets"), 0)
        first = ets.fit(panel.cut(task.split.fitted), task.split.train, task.problem)
        final = {**final, "auto_ets": final_fit(first, panel, task.problem)}
    after = future(final, panel, horizon, widths=evaluation.widths, scale=evaluation.test.units)
    unit = evaluation.test.units[0]
    use = evaluation.recommendation
    mine = after[after["model"] == use.model] if use else after.iloc[:0]
    ends = mine[["q0.1", "q0.9", "q0.05", "q0.95"]].to_numpy()
    board = evaluation.leaderboard.set_index("model")["mae"]
    return {
        "use": use.model if use else None,
        "rows": len(known),
        "odds": use.odds if use else None,
        "mase": {
            str(name): float(np.abs(rows["y_hat"].to_numpy() - actual).mean() / unit)
            for name, rows in after.groupby("model")
        },
        "test": {str(name): float(error / unit) for name, error in board.dropna().items()},
        "held": [float(((actual >= ends[:, i]) & (actual <= ends[:, i + 1])).mean()) for i in (0, 2)],
        "infinite": not np.isfinite(ends).all(),
    }


def told(found: list[dict[str, Any]]) -> str:
    """Sum up some files in a few lines."""
    mine = np.array([one["mase"][one["use"]] for one in found])
    ratios = {
        name: np.array([one["mase"][one["use"]] / max(one["mase"][name], 1e-9) for one in found])
        for name in ("auto_ets", "naive")
    }
    models = set.intersection(*(set(one["mase"]) for one in found))
    mean = {name: float(np.mean([one["mase"][name] for one in found])) for name in models}
    best = min(mean, key=lambda name: mean[name])
    regret = [one["test"][one["use"]] / max(min(one["test"].values()), 1e-9) for one in found]
    geometric = {name: float(np.exp(np.log(np.clip(r, 0.02, 50)).mean())) for name, r in ratios.items()}
    hindsight, fixed = lucky(found)
    held = 100 * np.mean([one["held"] for one in found], axis=0)
    walked = np.mean([one["mase"][one["use"]] for one in found]) / max(mean["naive"], 1e-9)
    return (
        f"{len(found)} files: MASE of the recommended forecast {mine.mean():.3f}, of auto_ets {mean['auto_ets']:.3f}, "
        f"of naive {mean['naive']:.3f}, of {best}, the best on average, {mean[best]:.3f}\n"
        f"error over that of auto_ets {geometric['auto_ets']:.3f}, of naive {geometric['naive']:.3f} (geometric means; "
        f"ratio of means to naive {walked:.3f}); regret on the test split: median {np.median(regret):.3f}, geometric "
        f"mean {np.exp(np.mean(np.log(np.clip(regret, 1e-3, 50)))):.3f}; of the best single row {fixed:.3f}; on what "
        f"was held back the best of the test split errs {hindsight:.3f} times as much as pretrained\n"
        f"without a recommendation {sum(one['use'] is None for one in found)}, with infinite intervals "
        f"{sum(one['infinite'] for one in found)}; 80 and 90 % intervals hold {held[0]:.1f} and {held[1]:.1f} %\n"
        f"recommended: {pd.Series([one['use'] for one in found]).value_counts().to_dict()}"
    )


def lucky(found: list[dict[str, Any]]) -> tuple[float, float]:
    """Say how much of the regret is luck: what the best of the test errs on what was held back, and the best row.

    The first is the error of each file's best in hindsight over that of the pretrained network, on rows that neither
    saw; the second the regret of the one model that has least on average. Both are geometric means.
    """
    models = sorted(set.intersection(*(set(one["test"]) & set(one["mase"]) for one in found)))
    test, held = (
        np.log(np.clip([[one[of][m] for m in models] for one in found], 1e-6, None)) for of in ("test", "mase")
    )
    best = test.argmin(axis=1)
    over = held[np.arange(len(found)), best] - held[:, models.index("pretrained")]
    regret = np.clip(test - test.min(axis=1, keepdims=True), None, np.log(50)).mean(axis=0)
    return float(np.exp(np.clip(over, -np.log(50), np.log(50)).mean())), float(np.exp(regret.min()))


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("short", "shipped", "walks", "made"))
    parser.add_argument("path", nargs="?", help="short: the table of series, unique_id, period, part, step, y")
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--skip", type=int, default=0, help="short: files of the sample that are left out")
    parser.add_argument("--ends", type=int, default=1, help="shipped: how often each series is cut")
    parser.add_argument("--statistical", action="store_true", help="AutoETS and AutoTheta can be recommended as well")
    parser.add_argument("--json", type=Path, help="where a line a file is kept")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    files = {
        "short": lambda: short(asked.path, asked.files, asked.skip),
        "shipped": lambda: shipped(asked.ends),
        "walks": lambda: walks(asked.files),
        "made": lambda: made(asked.files),
    }[asked.part]()
    kept = asked.json.read_text().splitlines() if asked.json and asked.json.exists() else []
    done = {line["file"]: line for line in map(json.loads, kept)}
    for name, y, horizon, freq in files:
        if name in done:
            continue
        done[name] = {"file": name, **scored(y, horizon, freq, statistical=asked.statistical)}
        if asked.json:
            with asked.json.open("a") as lines:
                lines.write(json.dumps(done[name]) + "\n")
    print(told(list(done.values())))


if __name__ == "__main__":
    main()
