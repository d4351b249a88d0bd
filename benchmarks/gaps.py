"""How much forecasts suffer from missing steps, by their share: what the bound of `data.on_gaps=auto` rests on.

    python benchmarks/gaps.py m1.csv [--series 100] [--models pretrained closed_form gru]

Of each series, made up or of the M-competition, a share of the steps before the horizon is taken out, scattered or in
blocks no longer than half a season, but for the last one, and masked as `data.on_gaps=mask` does. Printed is the
geometric mean over series of the mean absolute error, as a ratio to that on the same series with nothing missing; and
how far that ratio is known (one standard error).
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
from forecast.network.settings import GruSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import last_origins
from forecast.questions.task import context_for
from forecast.reading.gaps import fill
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, FloatArray, Panel
from forecast.training.settings import TrainingSettings

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
LENGTHS = {"monthly": (60, 120), "quarterly": (40,), "daily": (200, 400), "hourly": (500,)}


def models() -> dict[str, object]:
    """Forecasters that are compared."""
    training = TrainingSettings(accelerator="cpu", threads=1, time_limit_s=60)
    return {
        "pretrained": Pretrained(),
        "closed_form": build_baseline(ReferenceSettings(name="closed_form", method="reference"), 0),
        "gru": Recurrent(GruSettings(), training),
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--models", nargs="+", default=["pretrained", "closed_form", "gru"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
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
