"""Tables of runs that never took place: a noisy sine wave over steps, a random walk over dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from forecast.evaluation.intervals import score_intervals
from forecast.evaluation.scales import Scales

LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
NASTY = '삼성전자 </script><script>alert("1")</script> a.b[0]:"c" <!--'


def made_up_run(kind="sine", *, steps=300, horizon=8, uid="y", stride=1, models=None, seed=0, season=20):
    """Return the keyword arguments of `build_summary` for one series."""
    rng = np.random.default_rng(seed)
    y, ds, ahead = (_sine if kind == "sine" else _walk)(rng, steps, horizon, season)
    test, validation = int(steps * 0.2), int(steps * 0.15)
    train = steps - test - validation
    part = np.repeat(["training", "validation", "test"], [train, validation, test])
    origins = np.arange(steps - test - 1, steps - horizon, stride)
    targets = origins[:, None] + np.arange(1, horizon + 1)
    models = models or {"lstm": 0.05, "naive": None, "ridge": 0.1, "window_mean": 0.6}
    results = [
        pd.DataFrame(
            {
                "model": model,
                "unique_id": uid,
                "cutoff": np.repeat(ds[origins], horizon),
                "ds": ds[targets].ravel(),
                "step": np.tile(np.arange(1, horizon + 1), len(origins)),
                "y": y[targets].ravel(),
                "y_hat": _forecast(rng, y, origins, targets, noise).ravel(),
            }
        )
        for model, noise in models.items()
    ]
    results = pd.concat(results, ignore_index=True).astype({"model": "category", "unique_id": "category"})
    names = list(models)
    return {
        "results": results,
        "series": pd.DataFrame({"unique_id": uid, "ds": ds, "y": y, "split": part}),
        "leaderboard": made_up_leaderboard(results),
        "forecast": pd.concat(
            [
                pd.DataFrame({"unique_id": uid, "ds": ahead, "model": name, "y_hat": y[-1] + 0.01 * np.arange(horizon)})
                for name in names[:2]
            ]
        ),
        "history": pd.DataFrame(
            {
                "epoch": np.arange(1, 13),
                "train_loss": 1 / np.arange(1, 13),
                "validation_loss": 1.1 - 0.1 * np.minimum(np.arange(1, 13), 14 - np.arange(1, 13)),
            }
        ),
        "verdict": "lstm beats naive (MASE 0.40 against 1.00, p = 0.001): on these data it is worth its training",
        "network": "lstm",
        "baseline": "naive",
        "found": {"delimiter": "semicolon", "time": "Date (day first)"},
        "notes": ["ridge was fitted on 5,000 of 25,180 windows"],
        "settings": {"data": {"name": kind}, "seed": 0},
    }


def with_intervals(run, *, wide=1.0, infinite=()):
    """Add Gaussian quantiles that widen from step to step; those at the levels `infinite` and their mirrors are."""
    run = {**run, "results": run["results"].sort_values("model", kind="stable").reset_index(drop=True)}
    results, ahead = run["results"], run["forecast"]
    horizon = int(results["step"].max())
    all_quantiles = _quantiles(results["y_hat"], results["step"], wide, infinite)
    steps = ahead.groupby(["model", "unique_id"], sort=False).cumcount() + 1
    names = list(dict.fromkeys(results["model"]))
    ids = tuple(map(str, results["unique_id"].cat.categories))
    scales = Scales(ids, np.full(len(ids), 0.5), np.full(len(ids), 0.5), {})
    quantiles = {
        name: all_quantiles[(results["model"] == name).to_numpy()].reshape(-1, horizon, len(LEVELS)) for name in names
    }
    columns = zip(LEVELS, _quantiles(ahead["y_hat"], steps, wide, infinite).T, strict=True)
    return {
        **run,
        "forecast": ahead.assign(**{f"q{level:g}": values for level, values in columns}),
        "intervals": score_intervals(results, quantiles, LEVELS, scales),
    }


def long_results(run):
    """Return the table that a run folder holds: quantiles as rows, the point forecast's level null."""
    results, intervals = run["results"], run["intervals"]
    quantiles = np.concatenate(
        [intervals.quantiles[name].reshape(-1, len(LEVELS)) for name in results["model"].unique()]
    )
    tables = [results.assign(y_hat=quantiles[:, i], quantile=level) for i, level in enumerate(LEVELS)]
    return pd.concat([results.assign(quantile=np.nan), *tables], ignore_index=True)


def _quantiles(y_hat, steps, wide, infinite):
    deviations = wide * np.sqrt(np.asarray(steps, dtype=float))[:, None] * norm.ppf(LEVELS)
    for i, level in enumerate(LEVELS):
        if level in infinite or round(1 - level, 3) in infinite:
            deviations[:, i] = np.inf * np.sign(level - 0.5)
    return np.asarray(y_hat, dtype=float)[:, None] + deviations


def made_up_leaderboard(results):
    error = results["y"] - results["y_hat"]
    mae = error.abs().groupby(results["model"], observed=True).mean()
    rmse = np.sqrt((error**2).groupby(results["model"], observed=True).mean())
    rows = pd.DataFrame(
        {"model": mae.index.astype(str), "kind": "naive", "mae": mae.to_numpy(), "rmse": rmse.to_numpy()}
    )
    rows["smape"], rows["mase"], rows["rmsse"], rows["r2"] = 12.5, rows["mae"] / 0.5, rows["rmse"] / 0.5, 0.5
    rows["skill"], rows["dm_p"] = 1 - rows["mae"] / rows["mae"].max(), np.nan
    rows.loc[rows["model"] == "lstm", ["kind", "dm_p"]] = ["network", 0.001]
    rows["fit_seconds"], rows["forecast_seconds"], rows["status"] = 1.25, 0.05, "ok"
    failed = {"model": "support_vector", "kind": "scikit-learn", "status": "ValueError: <b>infs</b> or NaNs"}
    rows = rows.sort_values("mase").to_dict("records")
    return pd.DataFrame([*rows, failed])


def _sine(rng, steps, horizon, season):
    y = np.sin(2 * np.pi * np.arange(steps) / season) + rng.normal(0, 0.1, steps)
    return y, np.arange(steps), np.arange(steps, steps + horizon)


def _walk(rng, steps, horizon, season):
    y = 100 + np.cumsum(rng.normal(size=steps))
    days = pd.bdate_range("2020-01-01", periods=steps + horizon).to_numpy()
    return y, days[:steps], days[steps:]


def _forecast(rng, y, origins, targets, noise):
    if noise is None:
        return np.repeat(y[origins][:, None], targets.shape[1], axis=1)
    return y[targets] + rng.normal(0, noise, targets.shape)
