"""The pretrained network on public data, on noise, in time, and against the length of a series.

    python benchmarks/pretrained.py m1 m1.csv              M-competition of 1982, sMAPE and MASE, all quantiles
    python benchmarks/pretrained.py hourly m4-hourly.csv   the last 48 steps of M4-Hourly's training part
    python benchmarks/pretrained.py pure                   random walks and white noise against the best simple rule
    python benchmarks/pretrained.py speed                  1,000 monthly series of 100 steps, 18 ahead, one core
    python benchmarks/pretrained.py cold > cold.csv        by length and kind, made-up series that nothing has seen
    python benchmarks/pretrained.py cold m1.csv > m1-cold.csv          the series of M1, cut to their last rows
    python benchmarks/pretrained.py figure cold.csv --png docs/cold-start.png
    python benchmarks/pretrained.py families               families of the generator, against weighing by errors alone
    python benchmarks/pretrained.py left-out               the same by networks that are trained here, each without one
    python benchmarks/pretrained.py trained-on [m4-hourly.csv]         as it is, and trained on on the series
    python benchmarks/pretrained.py covariates             a promotion and two columns that say nothing, by length

Where the files come from stands in docs/pretrained.md. `--weights` takes other weights than the package's.
"""

from __future__ import annotations

import argparse
import time
from copy import deepcopy
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING
from unittest.mock import patch

import altair as alt
import numpy as np
import pandas as pd
import torch

from forecast.forecasters.baselines import build_baseline
from forecast.forecasters.naive import NaiveRule, last_season, last_value
from forecast.forecasters.pretrained import Pretrained, Tuning, shipped_network
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.settings import RegressionSettings, StatisticalSettings
from forecast.network.pretrained import LEVELS, PretrainedNetwork, spread_of
from forecast.network.settings import LstmSettings
from forecast.pretraining.generator import FAMILIES, Batch, generate
from forecast.pretraining.recipe import Learner, draw_batch
from forecast.questions.kinds import Problem
from forecast.questions.split import last_origins
from forecast.questions.task import context_for
from forecast.runs.run import open_weights
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, KnownAhead, Panel
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from forecast.forecasters.interface import Forecaster, Forecasts
    from forecast.pretraining.recipe import TrainingBatch
    from forecast.series.panel import FloatArray, IntArray

LENGTHS = (8, 12, 16, 24, 36, 60, 100, 200, 500)
KINDS = {
    "yearly": (1, 6),
    "quarterly": (4, 8),
    "monthly": (12, 12),
    "weekly": (52, 13),
    "daily": (7, 14),
    "hourly": (24, 24),
}


def panel_of(series: Sequence[FloatArray]) -> Panel:
    """Pack series of several lengths; NaN is not observed."""
    values = np.concatenate(series)
    offsets = np.concatenate([[0], np.cumsum([len(y) for y in series])])
    return Panel(
        values=np.nan_to_num(values)[:, None],
        observed=~np.isnan(values)[:, None],
        offsets=offsets,
        times=np.concatenate([np.arange(len(y)) for y in series]),
        ids=tuple(f"s{i}" for i in range(len(series))),
        channels=(Channel("y", "target"),),
        calendar=Calendar(freq=None),
    )


def forecast(forecaster: Forecaster, series: Sequence[FloatArray], season: int, horizon: int) -> Forecasts:
    """Fit on all that is given, and forecast what comes after it; a tenth of it, a horizon at least, validates."""
    panel = panel_of(series)
    shortest = int(panel.lengths.min())
    context = context_for(season, horizon, shortest)
    season = season if shortest > season else 1
    problem = Problem(horizon=horizon, context_steps=context, season_steps=season)
    validation = np.maximum(panel.lengths // 8, horizon)
    train = np.where(panel.lengths - validation >= context + horizon, panel.lengths - validation, panel.lengths)
    return forecaster.fit(panel, train, problem).forecast(panel, last_origins(panel))


def scores(y_hat: FloatArray, y: FloatArray, past: Sequence[FloatArray], season: int) -> tuple[FloatArray, FloatArray]:
    """Return sMAPE in percent and MASE of each series; the latter's scale is that of its own past."""
    smape = 200 * np.mean(np.abs(y - y_hat) / (np.abs(y) + np.abs(y_hat) + 1e-12), axis=1)
    steps = [season if len(before) > season else 1 for before in past]
    unit = [np.mean(np.abs(before[m:] - before[:-m])) for before, m in zip(past, steps, strict=True)]
    return smape, np.mean(np.abs(y - y_hat), axis=1) / np.maximum(unit, 1e-9)


def coverage(forecasts: Forecasts, y: FloatArray) -> tuple[float, float]:
    """Return the share of targets within the 80 and the 90 % interval."""
    q = forecasts.quantiles
    return tuple(float(np.mean((y >= q[:, :, i]) & (y <= q[:, :, 8 - i]))) for i in (2, 1))


def line_of(smape: FloatArray, mase: FloatArray, covered: Sequence[float] | FloatArray) -> str:
    """Return means over series, and the shares that the 80 and 90 % intervals hold."""
    held = " and ".join(f"{100 * share:.1f} %" for share in covered)
    return f"sMAPE {smape.mean():.2f}  MASE {mase.mean():.3f}  80 and 90 % intervals hold {held}"


def m1(pretrained: Forecaster, path: str) -> None:
    """Forecast the series of the M-competition."""
    table, every = pd.read_csv(path), []
    for period, (season, horizon) in {"yearly": (1, 6), "quarterly": (4, 8), "monthly": (12, 18)}.items():
        parts = [group for _, group in table[table["period"] == period].groupby("unique_id")]
        past, ahead = ([g.loc[g["part"] == part, "y"].to_numpy(float) for g in parts] for part in ("train", "test"))
        forecasts = forecast(pretrained, past, season, horizon)
        smape, mase = scores(forecasts.y_hat, np.array(ahead), past, season)
        covered = coverage(forecasts, np.array(ahead))
        print(f"{period:10} {len(past):4} series  {line_of(smape, mase, covered)}")
        every.append((smape, mase, np.full(len(past), horizon), np.tile(covered, (len(past), 1))))
    smape, mase, weight, covered = (np.concatenate(part) for part in zip(*every, strict=True))
    shares = np.average(covered, axis=0, weights=weight)
    print(f"all        {len(mase):4} series  {line_of(smape, mase, shares)}")


def hourly(pretrained: Forecaster, path: str) -> None:
    """Forecast the last 48 steps of the training part of M4-Hourly."""
    table = pd.read_csv(path, index_col=0).to_numpy(dtype=float)
    series = [row[~np.isnan(row)] for row in table]
    past, y = [row[:-48] for row in series], np.array([row[-48:] for row in series])
    started = time.perf_counter()
    forecasts = forecast(pretrained, past, 24, 48)
    smape, mase = scores(forecasts.y_hat, y, past, 24)
    seconds = time.perf_counter() - started
    print(f"hourly  {line_of(smape, mase, coverage(forecasts, y))}  {seconds:.1f} s")


def trained_on(path: str | None) -> None:
    """Train on on series, forecast what comes after; as it is, as validation chose, and with its rows as well."""
    rng = np.random.default_rng(3)
    hours = generate(rng, 12, 1224, 24, 168)[0]
    x, maps = rng.uniform(0.2, 0.8, 8), []
    for _ in range(605):
        x = 3.8 * x * (1 - x)
        maps.append(100 + 20 * x)
    walks = 20 + np.cumsum(rng.standard_normal((2, 405)), axis=1)
    cases = {
        "hours": (list(hours), 24, 24),
        "logistic maps": (list(np.array(maps).T), 1, 5),
        "walks": (list(walks), 1, 5),
    }
    if path:
        table = pd.read_csv(path, index_col=0).to_numpy(dtype=float)
        cases["m4-hourly"] = [row[~np.isnan(row)] for row in table], 24, 48
    for name, (series, season, horizon) in cases.items():
        past, y = [one[:-horizon] for one in series], np.array([one[-horizon:] for one in series])
        panel = panel_of(past)
        problem = Problem(horizon=horizon, context_steps=1, season_steps=season)
        train = panel.lengths - np.maximum(panel.lengths // 8, horizon)
        began = time.perf_counter()
        judged = Pretrained(tuning=Tuning()).fit(panel, train, problem)
        seconds = time.perf_counter() - began
        final = judged.chosen().fit(panel, panel.lengths, problem)
        for row, fitted in (("as it is", Pretrained().fit(panel, train, problem)), ("trained on", judged), ("", final)):
            found = fitted.forecast(panel, last_origins(panel))
            smape, mase = scores(found.y_hat, y, past, season)
            print(f"{name:14} {row or 'validation rows too':20} {line_of(smape, mase, coverage(found, y))}", flush=True)
        print(f"{name:14} {judged.epochs} epochs, {seconds:.0f} s")


def pure(pretrained: Forecaster) -> None:
    """Compare with naive on random walks and with the mean on white noise, 200 each, of 40 to 400 rows."""
    rng = np.random.default_rng(99)
    for name in ("walk", "noise"):
        shocks = [rng.standard_normal(int(rng.integers(40, 401)) + 12) for _ in range(200)]
        series = [20 + (np.cumsum(one) if name == "walk" else one) for one in shocks]
        past, y = [one[:-12] for one in series], np.array([one[-12:] for one in series])
        best = np.array([[one[-1] if name == "walk" else one.mean()] for one in past]) * np.ones((1, 12))
        for season in (1, 12):
            y_hat = forecast(pretrained, past, season, 12).y_hat
            ratio = scores(y_hat, y, past, 1)[1].mean() / scores(best, y, past, 1)[1].mean()
            print(f"{name:6} season {season:2}: MASE {ratio:.3f} of the best simple rule")


def drawn_by_family(rng: np.random.Generator) -> tuple[TrainingBatch, IntArray]:
    """Draw a batch as `draw_batch` does, and the number of each series' family in `FAMILIES`."""
    counts = np.zeros(0, int)

    def in_turn(rng: np.random.Generator, series: int, *kind: int) -> Batch:
        nonlocal counts
        counts = rng.multinomial(series, [share for share, _ in FAMILIES])
        parts = []
        for count, (_, family) in zip(counts.tolist(), FAMILIES, strict=True):
            with patch("forecast.pretraining.generator.FAMILIES", ((1.0, family),)):
                parts += [generate(rng, count, *kind)] if count else []
        return Batch(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    with patch("forecast.pretraining.recipe.generate", in_turn):
        batch = draw_batch(rng)
    return batch, np.repeat(np.arange(len(FAMILIES)), counts)


def of_series(batch: TrainingBatch, which: IntArray) -> TrainingBatch:
    """Take some series of a batch."""
    rows = (np.arange(len(batch.origins))[:, None] * len(batch.features) + which).ravel()
    at = batch.at._replace(differences=batch.at.differences[rows], errors=batch.at.errors[rows])
    return batch._replace(features=batch.features[which], at=at, targets=batch.targets[rows], known=batch.known[rows])


def networks_without(steps: int) -> list[PretrainedNetwork]:
    """Train networks side by side on the same batches, each without one of `FAMILIES`, and the last one on all.

    Batches are smaller than those of the recipe, for the sake of time.
    """
    torch.manual_seed(1)
    untrained = PretrainedNetwork()
    learners = [Learner(deepcopy(untrained)) for _ in range(len(FAMILIES) + 1)]
    for step in range(steps):
        with patch("forecast.pretraining.recipe.POINTS", 4_000):
            batch, family = drawn_by_family(np.random.default_rng([1, step]))
        for left_out, learner in enumerate(learners):
            if (family != left_out).any():
                learner.learn(of_series(batch, np.flatnonzero(family != left_out)), step, step / steps)
    return [learner.averaged for learner in learners]


def families(network: PretrainedNetwork, which: Sequence[int] = range(len(FAMILIES))) -> None:
    """Judge a network on families of the generator, alone and as forecasts are made: with a share of plain weighing.

    Prints errors of medians in those of weighing the bank by its errors along paths, quantile losses, and the shares
    that 80 and 90 % intervals hold.
    """
    levels = torch.tensor(LEVELS)
    for share, family in [FAMILIES[i] for i in which]:
        batches = []
        for seed in range(24):
            rng = np.random.default_rng([2**32, seed])  # seeds of training are below
            with patch("forecast.pretraining.generator.FAMILIES", ((share, family),)):
                batch = draw_batch(rng)
            known, scale = batch.known, spread_of(batch.at).mean(dim=-1, keepdim=True)
            y, unit = batch.targets[known][:, None], scale.expand_as(known)[known]
            with torch.no_grad():
                encoded, _ = network.encode(batch.features)
                context = encoded[:, batch.origins].transpose(0, 1).flatten(0, 1)
                alone, mixed = network.decode(context, batch.at)[known], network.forecast(context, batch.at)[known]
            medians = torch.cat([alone[:, 4:5], mixed[:, 4:5], batch.at.differences[known][:, -2:]], dim=1)
            errors = (y - medians).abs() / unit[:, None]
            losses = [
                2 * torch.maximum(levels * (y - q), (levels - 1) * (y - q)).mean(dim=1) / unit for q in (alone, mixed)
            ]
            held = [((y[:, 0] >= q[:, i]) & (y[:, 0] <= q[:, 8 - i])).float() for q in (alone, mixed) for i in (2, 1)]
            batches.append([*errors.mean(dim=0).tolist(), *(float(part.mean()) for part in (*losses, *held))])
        ours, forecasts, by_step, by_path, loss, loss_mixed, *held = np.mean(batches, axis=0)
        of = [f"{100 * held[i]:.1f} and {100 * held[i + 1]:.1f} %" for i in (0, 2)]
        print(
            f"{family.__name__:10}  alone {ours / by_path:.3f}, loss {loss:.3f}, holds {of[0]}  "
            f"forecast {forecasts / by_path:.3f}, loss {loss_mixed:.3f}, holds {of[1]}  by step {by_step / by_path:.3f}"
        )


def left_out(steps: int) -> None:
    """Train networks without each family in turn, and on all of them, and judge them by what `families` prints."""
    *without, with_all = networks_without(steps)
    for i, network in enumerate(without):
        print("without it", end="   ")
        families(network, [i])
        print("with it   ", end="   ")
        families(with_all, [i])


def speed(pretrained: Forecaster) -> None:
    """Forecast 1,000 monthly series of 100 steps, 18 ahead; AutoETS of the extra [statistical] on 20 of them."""
    started = time.process_time()
    values, _ = generate(np.random.default_rng(1), 1_000, 100, 12)
    print(f"generator  {values.size / (time.process_time() - started):,.0f} points a second")
    for name, forecaster, count in (
        ("pretrained", pretrained, 1_000),
        ("auto_ets", build_baseline(StatisticalSettings(name="auto_ets", method="auto_ets", time_limit_s=600), 0), 20),
    ):
        started = time.perf_counter()
        forecast(forecaster, list(values[:count]), 12, 18)
        seconds = time.perf_counter() - started
        print(f"{name:10} {count:5} series {seconds:7.2f} s, {1_000 * seconds / count:7.1f} s for 1,000")


def promoted(rng: np.random.Generator, kind: int, steps: int, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Draw a series of one of five kinds, and what a promotion of `size`, (step,) in noises, makes of it."""
    t, noise = np.arange(steps), rng.normal(size=steps)
    bare = [
        100 + noise,
        100 + 0.1 * t + noise,
        100 + 5 * rng.normal(size=7)[t % 7] + noise,
        100 + 0.3 * rng.normal(size=steps).cumsum() + noise,
        100 * np.exp(0.005 * t + 0.05 * rng.normal(size=7)[t % 7] + 0.01 * noise),
    ][kind]
    return bare, bare * np.exp(0.01 * size) if kind == 4 else bare + size


def covariates(pretrained: Forecaster, count: int) -> None:
    """Find the effect of a promotion, on every fifth day, among two columns that say nothing; a week ahead.

    And of effects that grow to twice their size on the way: what those of the first rows are worth later.
    """
    horizon, problem = 7, Problem(horizon=7, context_steps=7, season_steps=7)
    for rows, fitted_on, size, grown in (
        *((rows, rows, size, 1.0) for size in (3.0, 0.0) for rows in (40, 60, 120)),
        *((400, 100, 3.0, grown) for grown in (1.0, 2.0)),
    ):
        found, errors = [], []
        for i in range(count):
            rng = np.random.default_rng([7, rows, i])
            x = np.column_stack([rng.random(rows + horizon) < 0.2, rng.normal(size=(rows + horizon, 2))]).astype(float)
            x[-horizon:, 0] = np.arange(horizon) % 3 == 1
            swelling = np.where(np.arange(rows + horizon) < 100, 1.0, grown)
            bare, y = promoted(rng, i % 5, rows + horizon, size * swelling * x[:, 0])
            plain, on = panel_of([y[:rows]]), x[:rows, 0] > 0
            channels = tuple(Channel(name, "future") for name in ("promotion", "a", "b"))
            panel = replace(plain, ahead=KnownAhead(x, np.isnan(x), np.array([0, len(x)]), channels))
            first = panel.cut(np.array([fitted_on]))
            fits = [pretrained.fit(p, p.lengths, problem) for p in (plain, panel, first)]
            read = [plain, panel, panel]
            y_hat = [fit.forecast(p, last_origins(p)).y_hat[0] for fit, p in zip(fits, read, strict=True)]
            unit = np.abs(np.diff(bare)).mean()
            errors.append([np.abs(one - y[rows:]).mean() / unit for one in y_hat])
            effect = y[:rows] - fits[1].without_effects(panel)[0].target
            if size:
                found.append((effect[on].mean() - effect[~on].mean()) / (y - bare)[:rows][on].mean())
        mean = np.mean(errors, axis=0)
        parts = [
            f"{rows} rows, a promotion of {size:g} noises: errors {mean[1] / mean[0]:.3f} of those without columns"
        ]
        if fitted_on < rows:
            parts.append(f"effects of the first {fitted_on} rows, later {grown:g} times that: {mean[2] / mean[0]:.3f}")
        if size:
            off = np.abs(np.array(found) - 1)
            parts.append(f"effect {np.median(found):.3f} of the true one, {np.mean(off < 0.1):.0%} within 10 %")
        print("; ".join(parts), flush=True)


def models_of(pretrained: Forecaster) -> dict[str, Forecaster]:
    """Return what is compared at each length."""
    training = TrainingSettings(accelerator="cpu", threads=1, time_limit_s=60)
    ridge = RegressionSettings(
        name="ridge", method="regression", regressor="ridge", choose={"alpha": [1.0, 100.0, 1e4]}
    )
    return {
        "naive": NaiveRule("naive", last_value),
        "seasonal_naive": NaiveRule("seasonal_naive", last_season),
        **{
            name: build_baseline(StatisticalSettings(name=name, method=name, time_limit_s=600), 0)
            for name in ("auto_ets", "auto_theta")
        },
        "pretrained": pretrained,
        "ridge": build_baseline(ridge, 0),
        "lstm": Recurrent(LstmSettings(), training),
    }


def made_up(count: int, lengths: Sequence[int]) -> Iterator[tuple[str, int, FloatArray]]:
    """Yield kind, length, and a series that goes on for a horizon."""
    for place, (kind, (season, horizon)) in enumerate(KINDS.items()):
        for length in lengths:
            rng = np.random.default_rng([2**31, place, length])  # seeds of training are below
            values, _ = generate(rng, count, length + horizon, season, {24: 168}.get(season, 1))
            yield from ((kind, length, y) for y in values)


def cut(path: str, count: int, lengths: Sequence[int]) -> Iterator[tuple[str, int, FloatArray]]:
    """Yield kind, length, and the last rows before a test of M1 with it: of the same series for all lengths."""
    table = pd.read_csv(path)
    for kind, (season, horizon) in {"yearly": (1, 6), "quarterly": (4, 8), "monthly": (12, 18)}.items():
        series = [group["y"].to_numpy(float) for _, group in table[table["period"] == kind].groupby("unique_id")]
        longest = max(length for length in lengths if length <= {1: 16, 4: 36, 12: 60}[season])
        enough = [y for y in series if len(y) >= longest + horizon]
        for length, i in product(lengths, np.random.default_rng(0).permutation(len(enough))[:count]):
            if length <= longest:
                yield kind, length, enough[i][-length - horizon :]


def cold(models: dict[str, Forecaster], series: Iterator[tuple[str, int, FloatArray]]) -> None:
    """Score every model on every series, by kind and length; an LSTM takes seconds a series."""
    print("kind,length,series,model,mase")
    for i, (kind, length, y) in enumerate(series):
        season, horizon = KINDS[kind][0], len(y) - length
        past, ahead = [y[:length]], y[None, length:]
        for name, forecaster in models.items():
            try:
                y_hat = forecast(forecaster, past, season, horizon).y_hat
            except Exception as error:  # a model that cannot take so few rows has no score there
                print(f"# {kind} {length} {name}: {error}"[:150])
                continue
            print(f"{kind},{length},{i},{name},{scores(y_hat, ahead, past, season)[1][0]:.4f}", flush=True)


def relative(paths: Sequence[str]) -> pd.DataFrame:
    """Geometric means by length of the MASE over seasonal naive's, over series that all models there could take."""
    table = pd.concat([pd.read_csv(path, comment="#") for path in paths])
    wide = table.pivot_table("mase", ["kind", "length", "series"], "model").clip(lower=0.01)
    means = {}
    for length, scored in wide.groupby("length"):
        able = scored.loc[:, scored.notna().mean() > 0.5].dropna()
        means[length] = np.exp(np.log(able.div(able["seasonal_naive"], axis=0)).mean())
    return pd.DataFrame(means).T.rename_axis("length")


def figure(tables: Sequence[str], path: str | None) -> None:
    """Print what `cold` printed, as `relative` sums it up, and draw it."""
    summed = relative(tables)
    print(summed.round(3).to_string())
    if path is None:
        return
    scored = summed.reset_index().melt("length", var_name="model", value_name="ratio")
    order = ["pretrained", "auto_ets", "auto_theta", "lstm", "ridge", "naive", "seasonal_naive"]
    colours = ["#c2410c", "#1d4ed8", "#60a5fa", "#15803d", "#86efac", "#9ca3af", "#4b5563"]
    rows = alt.X(
        "length:Q",
        title="rows",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(values=list(LENGTHS), format="d"),
    )
    error = alt.Y("ratio:Q", title="error, seasonal naive = 1", scale=alt.Scale(type="log", domain=[0.5, 1.5]))
    lines = (
        alt.Chart(scored)
        .mark_line(point=True)
        .encode(
            x=rows,
            y=error,
            color=alt.Color("model:N", sort=order, scale=alt.Scale(domain=order, range=colours), title=None),
            strokeWidth=alt.condition(alt.datum.model == "pretrained", alt.value(3), alt.value(1.5)),
        )
        .properties(width=520, height=280, background="white")
    )
    lines.save(path, scale_factor=1.5)


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("m1", "hourly", "pure", "speed", "families", "left-out", "trained-on", "covariates", "cold", "figure")
    parser.add_argument("part", choices=parts)
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--weights")
    parser.add_argument("--png", help="figure: where the picture of what `cold` printed is written")
    parser.add_argument("--series", type=int, default=30, help="series, for cold of each kind and length")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="cold: rows")
    parser.add_argument("--models", nargs="+", help="cold: some of the models alone")
    parser.add_argument("--steps", type=int, default=300, help="left-out: steps that each network is trained")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pretrained = Pretrained(network=open_weights(asked.weights, "--weights") if asked.weights else None)
    if asked.part in ("m1", "hourly"):
        {"m1": m1, "hourly": hourly}[asked.part](pretrained, asked.paths[0])
    elif asked.part == "families":
        families(pretrained.network or shipped_network())
    elif asked.part == "left-out":
        left_out(asked.steps)
    elif asked.part == "trained-on":
        trained_on(asked.paths[0] if asked.paths else None)
    elif asked.part == "figure":
        figure(asked.paths, asked.png)
    elif asked.part == "covariates":
        covariates(pretrained, asked.series)
    elif asked.part == "cold":
        models = models_of(pretrained)
        which = (
            cut(asked.paths[0], asked.series, asked.lengths) if asked.paths else made_up(asked.series, asked.lengths)
        )
        cold({name: models[name] for name in asked.models or models}, which)
    else:
        {"pure": pure, "speed": speed}[asked.part](pretrained)


if __name__ == "__main__":
    main()
