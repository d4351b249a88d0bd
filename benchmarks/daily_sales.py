"""The regression on the calendar against Prophet, on daily sales with promotions and holidays that are made up here.

    python benchmarks/daily_sales.py --prophet /path/to/python      # of an environment that has prophet and holidays

Each kind of series differs in how effects add up, in noise, in how the trend bends and in what holidays do. All rows up
to an origin are known, the next 30 days are forecast, promotions and holidays known ahead; three origins a series, a
month apart. Both get the same rows: Prophet with the country's holidays by name with a day before and after, promotion
and price as regressors, additive and multiplicative (`seasonality_mode`), of which each kind's better is shown, though
nobody would know it before; ours chooses on its validation split. Errors are mean absolute, in percent of mean sales;
seconds those of the processor, its child processes included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from forecast.forecasters.calendar_regression import CalendarRegression
from forecast.questions.split import last_origins
from forecast.questions.task import forecast_task
from forecast.series.calendar import Calendar
from forecast.series.date_features import public_holidays, with_features
from forecast.series.panel import Channel, KnownAhead, single_series

STEPS, HORIZON, ORIGINS = 1095, 30, 3
KINDS = {
    "factors": {"log": True},
    "sums": {"log": False},
    "much noise": {"log": True, "noise": 0.2},
    "a level that wanders": {"log": True, "walk": 0.02},
    "each holiday its own": {"log": True, "own": 0.3},
    "echoes of promotions": {"log": True, "echo": -0.15},
}

PROPHET = """
import json, os, sys, warnings, logging
import pandas as pd
logging.disable(logging.CRITICAL); warnings.simplefilter("ignore")
from prophet import Prophet
from prophet.make_holidays import make_holidays_df
out = []
for job in json.load(sys.stdin):
    frame = pd.DataFrame({"ds": pd.to_datetime(job["ds"]), "promotion": job["promotion"], "price": job["price"]})
    known = len(job["y"])
    began = sum(os.times()[:4])
    years = sorted(set(frame.ds.dt.year))
    days = make_holidays_df(years, "DE").assign(lower_window=-1, upper_window=1)
    model = Prophet(seasonality_mode=job["mode"], holidays=days)
    model.add_regressor("promotion"); model.add_regressor("price")
    model.fit(frame[:known].assign(y=job["y"]))
    y_hat = model.predict(frame[known:]).yhat.tolist()
    out.append({"y_hat": y_hat, "seconds": sum(os.times()[:4]) - began})
json.dump(out, sys.stdout)
"""


def sales(seed: int, *, log: bool, noise: float = 0.06, walk: float = 0.0, own: float = 0.0, echo: float = 0.0):
    """Days, sales around 500, whether there is a promotion, and the price."""
    rng, steps = np.random.default_rng(seed), STEPS + HORIZON
    days = pd.date_range("2021-01-01", periods=steps)
    t, year = np.arange(steps), days.day_of_year.to_numpy() / 365.25
    promotion = (rng.random(steps // 7 + 2) < 0.25).repeat(7)[:steps].astype(float)
    price = 10 + rng.normal(0, 0.5, steps)
    parts = rng.normal(0, 3e-4) * t + rng.normal(0, 6e-4) * np.maximum(t - rng.integers(200, 800), 0)
    parts += np.append(rng.normal(0, 0.1, 5), [0.3, -0.2])[days.day_of_week]
    parts += 0.2 * np.sin(2 * np.pi * (year + rng.random())) + 0.08 * np.sin(4 * np.pi * (year + rng.random()))
    free = public_holidays(days.to_numpy().astype("datetime64[ns]"), "DE")
    effects = {name: rng.normal(-0.5, own) for name in sorted(set(free.values()))}
    parts += np.array([effects.get(free.get(day.date(), ""), 0.0) for day in days])
    parts += np.array([0.3 if (day + pd.Timedelta(days=1)).date() in free else 0.0 for day in days])
    parts += 0.3 * promotion - 0.1 * (price - 10) + echo * np.append(0.0, promotion[:-1]) * (1 - promotion)
    parts += walk * rng.standard_normal(steps).cumsum() + noise * rng.standard_normal(steps)
    return days, 500 * (np.exp(parts) if log else 1 + 0.5 * parts), promotion, price


def ours(days, y, promotion, price, known: int) -> tuple[np.ndarray, float]:
    """Forecast the 30 days after the first `known`; and processor seconds, with the choice on validation."""
    began, whole = time.process_time(), known + HORIZON
    panel = single_series(y[:known], days[:known].to_numpy().astype("datetime64[ns]"), Calendar("D"))
    columns = np.column_stack([promotion, price])[:whole]
    channels = (Channel("promotion", "future"), Channel("price", "future"))
    ahead = KnownAhead(columns, np.zeros(columns.shape, bool), np.array([0, whole]), channels)
    panel = with_features(replace(panel, ahead=ahead), ("weekday", "yearday", "holidays DE"), HORIZON)
    task = forecast_task(panel, HORIZON)
    fitted = CalendarRegression("c").fit(panel.cut(task.split.fitted), task.split.train, task.problem)
    final = fitted.chosen().fit(panel, panel.lengths, task.problem)
    return final.forecast(panel, last_origins(panel)).y_hat[0], time.process_time() - began


def main() -> None:
    """Print a row a kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prophet", help="a Python that has prophet; without it ours runs alone")
    parser.add_argument("--series", type=int, default=4, help="of each kind")
    arguments = parser.parse_args()
    print("| kind | ours | Prophet, additive | Prophet, multiplicative | ours, s | Prophet, s |")
    print("|---|---|---|---|---|---|")
    for kind, settings in KINDS.items():
        errors, seconds, jobs, truths = [], [], [], []
        for seed in range(arguments.series):
            days, y, promotion, price = sales(seed, **settings)
            for back in range(ORIGINS):
                known = STEPS - HORIZON * back
                after = slice(known, known + HORIZON)
                y_hat, took = ours(days, y, promotion, price, known)
                truths.append(y[after])
                errors.append(np.abs(y_hat - y[after]).mean() / y.mean())
                seconds.append(took)
                rows = slice(0, known + HORIZON)
                jobs.append({"ds": days[rows].astype(str).tolist(), "y": y[:known].tolist()})
                jobs[-1] |= {"promotion": promotion[rows].tolist(), "price": price[rows].tolist()}
        cells, took = [], []
        for mode in ("additive", "multiplicative") if arguments.prophet else ():
            asked = json.dumps([job | {"mode": mode} for job in jobs])
            command = [arguments.prophet, "-c", PROPHET]
            told = json.loads(subprocess.run(command, input=asked, capture_output=True, check=True, text=True).stdout)
            took += [one["seconds"] for one in told]
            apart = [np.abs(one["y_hat"] - y).mean() / y.mean() for one, y in zip(told, truths, strict=True)]
            cells.append(f"{100 * np.mean(apart):.1f} %")
        prophet = [*cells, "-", "-"][:2]
        total = f"{np.mean(took):.2f}" if took else "-"
        print(
            f"| {kind} | {100 * np.mean(errors):.1f} % | {' | '.join(prophet)} | {np.mean(seconds):.3f} | {total} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
