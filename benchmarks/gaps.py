"""How much forecasts suffer from missing steps, by their share: what the bound of `data.on_gaps=auto` rests on.

    python benchmarks/gaps.py m1.csv [--series 100] [--models pretrained closed_form]
    python benchmarks/gaps.py --trained m4-hourly-train.csv ETTh1.csv [--seeds 3]

Of each series, made up or of the M-competition, a share of the steps before the horizon is taken out, scattered or in
blocks no longer than half a season, but for the last one, and masked as `data.on_gaps=mask` does. Printed is the
geometric mean over series of the mean absolute error, as a ratio to that on the same series with nothing missing; and
how far that ratio is known (one standard error).

`--trained` trains the default LSTM on each of nine series, with holes in all of its splits, and compares the errors
from the same origins of the last fifth; a line is a series and a seed: ratios of three shares, scattered and in blocks.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import torch
from pretrained import KINDS, made_up

from forecast.forecasters.baselines import build_baseline
from forecast.forecasters.pretrained import Pretrained
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.settings import ReferenceSettings
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import last_origins, rolling_origins
from forecast.questions.task import context_for
from forecast.reading.gaps import fill
from forecast.reading.generators import make_sinewave
from forecast.reading.settings import SinewaveSettings
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, FloatArray, Panel
from forecast.training.settings import TrainingSettings

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
LENGTHS = {"monthly": (60, 120), "quarterly": (40,), "daily": (200, 400), "hourly": (500,)}


def models() -> dict[str, object]:
    """Forecasters that are compared."""
    return {
        "pretrained": Pretrained(),
        "closed_form": build_baseline(ReferenceSettings(name="closed_form", method="reference"), 0),
    }


def with_holes(rng: np.random.Generator, y: FloatArray, share: float, season: int, *, blocks: bool) -> FloatArray:
    """Take out a share of the steps, NaN, but the first and the last."""
    holed = y.copy()
    inner = np.arange(1, len(y) - 1)
    wanted = max(round(share * len(y)), 1)
    longest = max(season // 2, 2) if blocks else 1
    while np.isnan(holed).sum() < wanted:
        start = int(rng.choice(inner))
        length = min(longest, wanted - int(np.isnan(holed).sum()))
        holed[start : min(start + length, len(y) - 1)] = np.nan
    return holed


def panel_of(series: list[FloatArray]) -> Panel:
    """Pack series as the reader does with `data.on_gaps=mask`."""
    values = np.concatenate(series)
    filled = np.concatenate([fill(y, "previous") for y in series])
    return Panel(
        values=filled[:, None],
        observed=~np.isnan(values)[:, None],
        offsets=np.concatenate([[0], np.cumsum([len(y) for y in series])]),
        times=np.concatenate([np.arange(len(y)) for y in series]),
        ids=tuple(f"s{i}" for i in range(len(series))),
        channels=(Channel("y", "target"),),
        calendar=Calendar(freq=None),
        masked=np.isnan(values)[:, None],
    )


def errors(model: object, series: list[FloatArray], ahead: FloatArray, season: int) -> FloatArray:
    """Mean absolute error of each series' forecast after its end, (series,)."""
    horizon = ahead.shape[1]
    panel = panel_of(series)
    context = context_for(season, horizon, int(panel.lengths.min()))
    problem = Problem(horizon=horizon, context_steps=context, season_steps=season)
    validation = np.maximum(panel.lengths // 8, horizon)
    train = np.where(panel.lengths - validation >= context + horizon, panel.lengths - validation, panel.lengths)
    y_hat = model.fit(panel, train, problem).forecast(panel, last_origins(panel)).y_hat  # type: ignore[attr-defined]
    missed: FloatArray = np.abs(y_hat - ahead).mean(axis=1)
    return missed


def groups(path: str, count: int) -> list[tuple[str, int, list[FloatArray], FloatArray]]:
    """Series that are alike: their name, season, past and what came."""
    result = []
    for kind, lengths in LENGTHS.items():
        season, horizon = KINDS[kind]
        for length in lengths:
            every = [y for name, at, y in made_up(count, [length]) if (name, at) == (kind, length)]
            result.append((f"{kind} {length}", season, [y[:-horizon] for y in every], np.array(every)[:, -horizon:]))
    table = pd.read_csv(path)
    for kind, season, horizon in (("quarterly", 4, 8), ("monthly", 12, 18)):
        parts = [group for _, group in table[table["period"] == kind].groupby("unique_id")]
        past, ahead = ([g.loc[g["part"] == part, "y"].to_numpy(float) for g in parts] for part in ("train", "test"))
        long = [i for i, y in enumerate(past) if len(y) >= 3 * season + horizon][:count]
        result.append((f"M1 {kind}", season, [past[i] for i in long], np.array([ahead[i] for i in long])))
    return result


def long_series(m4: str, etth1: str) -> dict[str, tuple[int, int, FloatArray]]:
    """Series on which a network is trained: season, horizon, values."""
    hourly = pd.read_csv(m4, index_col=0).to_numpy(float)
    series = {"sine": (20, 20, make_sinewave(SinewaveSettings()).target)}
    series |= {f"M4 H{i + 1}": (24, 48, hourly[i][~np.isnan(hourly[i])]) for i in (0, 150, 300)}
    series["ETTh1 OT"] = (24, 24, pd.read_csv(etth1)["OT"].to_numpy(float)[-2_000:])
    for kind in ("daily", "hourly"):
        alike = [y for name, _, y in made_up(2, [800]) if name == kind]
        series |= {f"made-up {kind} {i}": (*KINDS[kind], y) for i, y in enumerate(alike)}
    return series


def trained_errors(seed: int, holed: FloatArray, y: FloatArray, season: int, horizon: int) -> FloatArray:
    """Mean absolute error from each origin of the last fifth, (step,); NaN where there is none."""
    panel, test = panel_of([holed]), len(y) // 5
    past = panel.cut(np.array([len(y) - test]))
    train = past.lengths - len(y) * 15 // 100
    problem = Problem(horizon, context_for(season, horizon, int(train[0])), season)
    network = Recurrent(LstmSettings(), TrainingSettings(accelerator="cpu", threads=1), seed).fit(past, train, problem)
    origins = rolling_origins(panel, past.lengths, panel.lengths, horizon)
    ahead = y[origins.steps[:, None] + np.arange(1, horizon + 1)]
    missed = np.full(len(y), np.nan)
    missed[origins.steps] = np.abs(network.forecast(panel, origins).y_hat - ahead).mean(axis=1)
    return missed


def train_all(m4: str, etth1: str, seeds: int) -> None:
    """Print the ratios of a trained network, and their geometric means and medians."""
    every = []
    for name, (season, horizon, y) in long_series(m4, etth1).items():
        for seed in range(seeds):
            whole, ratios = trained_errors(seed, y, y, season, horizon), []
            for blocks in (False, True):
                for share in (0.02, 0.05, 0.1):
                    rng = np.random.default_rng([seed, round(1000 * share), blocks, len(name)])
                    holed = with_holes(rng, y, share, season, blocks=blocks)
                    missed = trained_errors(seed, holed, y, season, horizon)
                    ratios.append(np.nanmean(missed) / whole[~np.isnan(missed)].mean())
            every.append(ratios)
            print(f"{name:18}{seed:3}", *(f"{ratio:7.3f}" for ratio in ratios), flush=True)
    print("geometric mean      ", *(f"{ratio:7.3f}" for ratio in np.exp(np.log(every).mean(axis=0))))
    print("median              ", *(f"{ratio:7.3f}" for ratio in np.median(every, axis=0)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?")
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--models", nargs="+", default=["pretrained", "closed_form"])
    parser.add_argument("--trained", nargs=2, metavar=("M4_HOURLY", "ETTH1"))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.trained:
        train_all(asked.trained[0], asked.trained[1], asked.seeds)
        return
    kinds = groups(asked.path, asked.series)
    for name, model in models().items():
        if name not in asked.models:
            continue
        whole = [np.maximum(errors(model, past, ahead, season), 1e-9) for _, season, past, ahead in kinds]
        for blocks in (False, True):
            for share in SHARES:
                ratios = []
                for place, ((_, season, past, ahead), before) in enumerate(zip(kinds, whole, strict=True)):
                    rng = np.random.default_rng([place, round(1000 * share), blocks])
                    holed = [with_holes(rng, y, share, season, blocks=blocks) for y in past]
                    ratios.append(np.log(np.maximum(errors(model, holed, ahead, season), 1e-9) / before))
                every = np.concatenate(ratios)
                each = "  ".join(f"{kind[0]} {np.exp(r.mean()):.3f}" for kind, r in zip(kinds, ratios, strict=True))
                spread = every.std() / np.sqrt(len(every))
                where = "blocks" if blocks else "scattered"
                print(
                    f"{name:12} {where:10} {share:5.0%}  {np.exp(every.mean()):.3f} +- {spread:.3f}   {each}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
