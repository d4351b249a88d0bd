"""What a network makes of series that are worth one, and what harm it does to those that are not.

    python benchmarks/network_kinds.py [--only logistic,walks] [--seeds 3] [name=gru hidden_size=64 max_epochs=100]

All series are made here from known equations. With dynamics to be learnt (3,000 rows, of which the last 1,000 judge)
shown is the MASE of a network with the program's defaults, the median over the seeds, beside that of its reference;
where the best possible forecast can be computed, by the true equations, the goal is a multiple of its MASE.
Of random walks (100 to 400 rows) and of short files with a season that is told many are made, and shown is the
network's error as a multiple of the last value's, or of its reference's: the middle, the ninth decile, the worst.
A line that misses its goal is marked. Settings of the network or of training can be named.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import NETWORKS
from forecast.questions.split import rolling_origins
from forecast.questions.task import forecast_task
from forecast.reference.scaling import fit_scale
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.settings import check_settings
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.series.panel import FloatArray, IntArray

    Made = Callable[[np.random.Generator, int], FloatArray]


def mackey_glass(rng: np.random.Generator, rows: int, noise: float = 0.0, every: int = 6) -> FloatArray:
    """dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x (Mackey and Glass 1977), read every so many units of time."""
    per_unit, delay = 10, 170
    x = np.empty((rows + 100) * every * per_unit + delay)
    x[:delay] = 1.2 + 0.1 * rng.normal()
    for t in range(delay, len(x)):
        late = x[t - delay]
        x[t] = x[t - 1] + (0.2 * late / (1 + late**10) - 0.1 * x[t - 1]) / per_unit
    y = x[delay + 100 * every * per_unit :: every * per_unit][:rows]
    return y + noise * rng.normal(size=rows)


def logistic(rng: np.random.Generator, rows: int) -> FloatArray:
    """y_{t+1} = 3.9 y_t (1 - y_t)."""
    y = np.empty(rows)
    y[0] = rng.uniform(0.1, 0.9)
    for t in range(1, rows):
        y[t] = 3.9 * y[t - 1] * (1 - y[t - 1])
    return y


def henon(rng: np.random.Generator, rows: int) -> FloatArray:
    """y_{t+1} = 1 - 1.4 y_t^2 + 0.3 y_{t-1} (Henon 1976)."""
    y = np.empty(rows + 100)
    y[:2] = rng.uniform(-0.1, 0.1, 2)
    for t in range(2, len(y)):
        y[t] = 1 - 1.4 * y[t - 1] ** 2 + 0.3 * y[t - 2]
    return y[100:]


def threshold_ar(rng: np.random.Generator, rows: int) -> FloatArray:
    """Two autoregressions, one below zero and one above (Tong 1978)."""
    y, noise = np.zeros(rows), 0.3 * rng.normal(size=rows)
    for t in range(2, rows):
        low = y[t - 1] <= 0
        y[t] = (1.5 + 0.9 * y[t - 1] if low else -1.0 - 0.6 * y[t - 1] + 0.3 * y[t - 2]) + noise[t]
    return y


def regimes(rng: np.random.Generator, rows: int) -> FloatArray:
    """A mean of -1 or 1 that stays for 20 steps on average, with AR(1) noise around it."""
    state = np.cumsum(rng.random(rows) < 1 / 20) % 2 * 2.0 - 1
    noise, y = rng.normal(size=rows), np.zeros(rows)
    for t in range(1, rows):
        y[t] = 0.5 * y[t - 1] + 0.6 * noise[t]
    return state + y


def best_of_threshold_ar(y: FloatArray, rows: IntArray, horizon: int) -> FloatArray:
    """Median of 1,001 futures by the true equations, (row, horizon)."""
    rng, result = np.random.default_rng(0), np.empty((len(rows), horizon))
    now, before = (np.repeat(y[rows - back][:, None], 1001, axis=1) for back in (0, 1))
    for step in range(horizon):
        after = np.where(now <= 0, 1.5 + 0.9 * now, -1.0 - 0.6 * now + 0.3 * before) + 0.3 * rng.normal(size=now.shape)
        now, before = after, now
        result[:, step] = np.median(now, axis=1)
    return result


def best_of_regimes(y: FloatArray, rows: IntArray, horizon: int) -> FloatArray:
    """Median of 1,001 futures by the true equations from the regimes' probabilities (Hamilton 1989), (row, horizon)."""
    means, stays = np.array([-1.0, 1.0]), np.array([[0.95, 0.05], [0.05, 0.95]])
    filtered = np.full((len(y), 2), 0.5)
    for t in range(1, len(y)):
        surprise = y[t] - means - 0.5 * (y[t - 1] - means[:, None])  # (before, now)
        joint = filtered[t - 1][:, None] * stays * np.exp(-((surprise / 0.6) ** 2) / 2)
        filtered[t] = joint.sum(axis=0) / joint.sum()
    rng, result = np.random.default_rng(0), np.empty((len(rows), horizon))
    state = np.where(rng.random((len(rows), 1001)) < filtered[rows, 1][:, None], 1.0, -1.0)
    around = y[rows][:, None] - state
    for step in range(horizon):
        state = np.where(rng.random(state.shape) < 1 / 20, -state, state)
        around = 0.5 * around + 0.6 * rng.normal(size=state.shape)
        result[:, step] = np.median(state + around, axis=1)
    return result


class Kind(NamedTuple):
    """Dynamics that can be learnt: how a series is made, the horizon, the MASE to stay below.

    `best` is what the true equations forecast; with it the goal is a multiple of its MASE.
    """

    make: Made
    horizon: int
    goal: float
    best: Callable[[FloatArray, IntArray, int], FloatArray] | None = None


KINDS = {
    "mackey_glass": Kind(mackey_glass, 10, 0.025),
    # 1.05 times what scikit-learn's MLP of two layers of 64 has on 24 lags
    "mackey_glass_noise": Kind(lambda rng, rows: mackey_glass(rng, rows, 0.02), 10, 0.163),
    # read so often it seems to have a season of 33 steps; a third of what an LSTM has on the closed form for that
    "mackey_glass_season": Kind(lambda rng, rows: mackey_glass(rng, rows, every=3), 10, 0.043),
    "logistic": Kind(logistic, 3, 0.020),
    "henon": Kind(henon, 3, 0.013),
    "threshold_ar": Kind(threshold_ar, 5, 1.02, best_of_threshold_ar),
    "regimes": Kind(regimes, 5, 1.054, best_of_regimes),
}


def walk(rng: np.random.Generator) -> tuple[FloatArray, int, int]:
    """A random walk of 100 to 400 rows, with its horizon and season; every fourth has heavy tails."""
    rows = int(rng.integers(100, 401))
    steps = rng.standard_t(3, rows) if rng.random() < 0.25 else rng.normal(size=rows)
    return 50 + np.cumsum(steps), int(rng.choice([1, 5, 10])), 1


def short_season(rng: np.random.Generator) -> tuple[FloatArray, int, int]:
    """A short file with a season: its trend, shape, growth and noise differ from file to file."""
    season = int(rng.choice([4, 7, 12, 24]))
    rows = int(season * rng.integers(8, 16))
    t = np.arange(rows)
    shape = rng.normal(size=season)
    trend = rng.normal() * 3 * t / rows + np.cumsum(rng.normal(size=rows)) * rng.uniform(0, 0.3)
    y = 10 + trend + shape[t % season] * rng.uniform(0.3, 2) + rng.uniform(0.1, 0.8) * rng.normal(size=rows)
    return (np.exp(y / 8) if rng.random() < 0.5 else y), season, season


MANY = {"walks": (walk, 200, (1.00, 1.02, 1.10)), "short_season": (short_season, 60, (0.99, 1.10, 1.10))}
"""Of which many are made: how, how many, and goals of the middle, the ninth decile and the worst."""


def judged(
    y: FloatArray,
    horizon: int,
    season: int | None,
    *,
    test: float,
    network: Callable[[int], Recurrent],
    seed: int,
    best: Callable[[FloatArray, IntArray, int], FloatArray] | None = None,
) -> tuple[float, float, float, float, FittedNetwork]:
    """MASE of the network, its reference, the last value and the best (0: unknown), and the fitted network."""
    panel = single_series(y, np.arange(len(y)), Calendar(freq=None))
    task = forecast_task(panel, horizon, season_steps=season, test=test)
    split, problem = task.split, task.problem
    fitted = network(seed).fit(panel.cut(split.fitted), split.train, problem)
    origins = rolling_origins(panel, split.before_test, panel.lengths, horizon)
    rows = origins.rows(panel)
    truth = panel.target[rows[:, None] + np.arange(1, horizon + 1)]
    forecasts = [fitted.forecast(panel, origins).y_hat, fitted.reference.forecast(panel, origins), y[rows][:, None]]
    forecasts.append(truth if best is None else best(y, rows, horizon))
    scale = float(fit_scale(panel, split.fitted, problem.season_steps)[0])
    errors = [float(np.abs(truth - made).mean()) / scale for made in forecasts]
    return errors[0], errors[1], errors[2], errors[3], fitted


def main() -> None:
    """Print a line a kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="kinds, with commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, help="so many walks and short files")
    parser.add_argument("settings", nargs="*", help="of the network or of training, as name=value")
    options = parser.parse_args()
    torch.set_num_threads(1)
    import_module("forecast.training.fit")  # Lightning, which else would be imported by the first training
    given = dict(setting.split("=", 1) for setting in options.settings)
    of_training = {name: value for name, value in given.items() if name in TrainingSettings.model_fields}
    of_model = {"name": "lstm"} | {name: value for name, value in given.items() if name not in of_training}
    model, training = NETWORKS.check(of_model), check_settings(TrainingSettings, {"threads": 1, **of_training})
    untrained = partial(Recurrent, model, training)
    wanted = options.only.split(",") if options.only else [*KINDS, *MANY]
    for name in (name for name in KINDS if name in wanted):
        kind, began = KINDS[name], time.process_time()
        scores = []
        for seed in range(options.seeds):
            y = kind.make(np.random.default_rng(seed), 3000)
            *errors, fitted = judged(y, kind.horizon, None, test=1000, network=untrained, seed=seed, best=kind.best)
            scores.append([*errors, fitted.epochs, float(fitted.network.correction.mean())])
        network, reference, last, best, epochs, factor = np.median(scores, axis=0)
        seconds = (time.process_time() - began) / options.seeds
        goal = kind.goal * (best or 1.0)
        said = f"{fitted.reference.name} {reference:.4f}, last value {last:.4f}, best possible {best:.4f}"
        missed = "" if network <= goal else " missed"
        print(
            f"{name:20} {network:.4f} (goal {goal:.3f}{missed}); reference {said}; "
            f"{epochs:.0f} epochs, factor {factor:.2f}, {seconds:.1f} s",
            flush=True,
        )
    for name in (name for name in MANY if name in wanted):
        make, count, goals = MANY[name]
        ratios, references, names = [], [], []
        for number in range(options.count or count):
            y, horizon, season = make(np.random.default_rng([7, number]))
            network, reference, last, _, fitted = judged(y, horizon, season, test=0.2, network=untrained, seed=number)
            ratios.append(network / (last if name == "walks" else reference))
            references.append(reference / last)
            names.append(fitted.reference.name)
        middle = np.median(ratios) if name == "walks" else np.mean(ratios)
        found = (middle, np.quantile(ratios, 0.9), np.max(ratios))
        shown = ", ".join(
            f"{value:.3f} (goal {goal:.2f}{'' if value <= goal else ' missed'})"
            for value, goal in zip(found, goals, strict=True)
        )
        taken = ", ".join(f"{names.count(one)} {one}" for one in dict.fromkeys(names))
        print(f"{name:20} {shown}; reference / last value {np.mean(references):.3f}: {taken}", flush=True)


if __name__ == "__main__":
    main()
