"""Seconds of training until more of it no longer pays, and the error that is reached: this project and libraries.

    python benchmarks/quality.py --case panel|series [--budgets 25,50,...] [--json FILE]
    python benchmarks/quality.py --case m4 --train m4-hourly-train.csv --test m4-hourly-test.csv

Three data sets: 400 generated hourly series of 700 to 960 steps with a day, a week, a drifting level and noise, judged
from one origin each (MASE, horizon 24); a generated one of 17,420 steps, judged from 50 origins a day apart; and the
hourly series of the M4 competition, judged by the official test (OWA, horizon 48). An LSTM of 64 units, context 168,
one thread. Each has three settings: here those of `SETTINGS`, for a library three learning rates.

Here training runs as a user's does, and its time is that until the weights which early stopping keeps are final. A
library trains from nothing for each number of optimizer steps in `--budgets` (batches of 128 windows), which takes most
of an hour for each of its rates; `--rates` and `--budgets` can be asked for one after the other with the same `--json`,
and trainings that stand there are not repeated.

Of all trainings of one contender the quickest counts whose validation error is less than 2 % above its lowest, and with
that one the test origins are scored, once. Beside it stands by how much ten times its budget lowered the validation
error, where that was tried (`--settle` does it here). Imports and a first warm-up are not timed. Seconds are the
processor's, of one thread: waiting for other programs does not count.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from cases import SEASON, Case, M4Hourly, generated_panel
from libraries import CONTEXT, HIDDEN, block_rnn, hushed, neural_forecast
from throughput import hourly_series, processor

from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import Problem
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray
    from forecast.training.job import Epoch

_AS_IT_COMES: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
_OWA = {"reference": "blend_owa", "loss": "owa"}
SETTINGS: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "generated": {
        "as it comes": _AS_IT_COMES,
        "mean, 4 forks": ({"reference": "mean", "fork_ensemble": 4}, {"schedule": "cosine", "max_epochs": 30}),
        "mean, 32 lanes": (
            {"reference": "mean", "fork_ensemble": 4},
            {"schedule": "cosine", "max_epochs": 20, "lanes": 32, "learning_rate": 0.01},
        ),
    },
    "m4": {
        "as it comes": _AS_IT_COMES,
        "for OWA, 8 epochs": (_OWA, {"schedule": "cosine", "max_epochs": 8, "lanes": 32, "learning_rate": 0.01}),
        "for OWA, 2 epochs": (_OWA, {"schedule": "cosine", "max_epochs": 2, "lanes": 32, "learning_rate": 0.01}),
    },
}
"""What is tried here: (model, training), each beside the defaults."""

_ENOUGH = 0.02


@dataclass(frozen=True)
class Point:
    """A training: its budget (optimizer steps or epochs), seconds, and errors from the two stretches' origins."""

    setting: str
    budget: int
    seconds: float
    validation: float
    test: float


@dataclass(frozen=True)
class Found:
    """What came out for one who forecasts.

    Attributes
    ----------
    points : all trainings
    gained : what ten times as long takes off the chosen one's validation error, as a share; None: was not tried

    """

    who: str
    setting: str
    points: list[Point]
    chosen: Point
    measure: str
    gained: float | None

    @property
    def text(self) -> str:
        """A line."""
        reached = f"{self.chosen.seconds:8.1f} s  test {self.measure} {self.chosen.test:.3f}"
        return f"{self.who:16} {self.setting:18} {reached}  {after(self.gained)}"


def after(gained: float | None) -> str:
    """What ten times as long brought."""
    return "ten times as long was not tried" if gained is None else f"ten times as long: {gained:.1%} less"


def quickest(errors: list[float], seconds: list[float]) -> int:
    """Return which training is the quickest of those that are good enough."""
    good = [i for i, error in enumerate(errors) if (1 - _ENOUGH) * error < min(errors)]
    return min(good, key=lambda i: seconds[i])


class Ours:
    """A network of this project on a case, with some settings."""

    def __init__(self, case: Case, setting: str, model: dict[str, Any], training: dict[str, Any]) -> None:
        self.case = case
        self.setting = setting
        self._network = LstmSettings(hidden_size=HIDDEN, **model)
        self._training = TrainingSettings(threads=1, accelerator="cpu", refit=False, **training)
        self._problem = Problem(horizon=case.horizon, context_steps=CONTEXT, season_steps=SEASON)

    def train(self, **training: Any) -> tuple[FittedNetwork, list[Point]]:
        """Train once, by other settings of training where they are said; each epoch is a point."""
        case, finished = self.case, list[float]()
        began = time.process_time()

        def on_epoch(epoch: Epoch) -> None:
            finished.append(time.process_time() - began)

        settings = self._training.model_copy(update=training)
        fitted = Recurrent(self._network, settings, on_epoch=on_epoch).fit(case.known, case.train, self._problem)
        timed = zip(fitted.history, finished, strict=True)
        return fitted, [Point(self.setting, one.epoch, took, one.validation_loss, np.nan) for one, took in timed]

    def score(self, fitted: FittedNetwork, part: int) -> float:
        """Error from the origins of a stretch."""
        origins = self.case.origins(part)
        return self.case.score(fitted.forecast(self.case.panel, origins).y_hat, origins)

    def gained(self, kept: Point) -> float:
        """By how much ten times the epochs lower the validation error that training goes by."""
        longest = 10 * kept.budget
        _, points = self.train(max_epochs=longest, patience=longest)
        return max(1 - min(point.validation for point in points) / kept.validation, 0.0)


def found_here(case: Case, *, settle: bool) -> Found:
    """Three settings, the quickest that is good enough; scored once on the test."""
    asked = SETTINGS["m4" if isinstance(case, M4Hourly) else "generated"]
    tried = [Ours(case, name, *settings) for name, settings in asked.items()]
    fitted, kept = [], []
    for one in tried:
        network, epochs = one.train()
        fitted.append(network)
        kept.append(epochs[network.epochs - 1])
    judged = [replace(k, validation=one.score(f, 0)) for one, f, k in zip(tried, fitted, kept, strict=True)]
    i = quickest([one.validation for one in judged], [one.seconds for one in judged])
    chosen = replace(judged[i], test=tried[i].score(fitted[i], 1))
    gained = tried[i].gained(kept[i]) if settle else None
    return Found("forecast", tried[i].setting, judged, chosen, case.measure, gained)


def neuralforecast(case: Case, budget: int, rate: float) -> Point:
    """`neuralforecast.models.LSTM`, scaled by window."""
    fitted = neural_forecast(
        horizon=case.horizon,
        max_steps=budget,
        batch_size=32,
        windows_batch_size=128,
        learning_rate=rate,
        scaler_type="standard",
    )
    began = time.process_time()
    fitted.fit(_frame(case.parts()))
    seconds = time.process_time() - began

    def forecast(origins: Origins) -> FloatArray:
        made = fitted.predict(_frame([past[-2 * CONTEXT :] for past in case.pasts(origins)]))
        by_id = {name: part.to_numpy() for name, part in made.groupby("unique_id")["LSTM"]}
        return np.stack([by_id[name] for name in range(len(by_id))])

    return _point(case, budget, seconds, forecast)


def darts(case: Case, budget: int, rate: float) -> Point:
    """`darts.models.BlockRNNModel`, each series standardised by its training split."""
    from darts import TimeSeries  # noqa: PLC0415

    model = block_rnn(budget, horizon=case.horizon, batch_size=128, optimizer_kwargs={"lr": rate})
    known = case.parts()
    centre, spread = (np.array([of(y) for y in known]) for of in (np.mean, np.std))

    def scaled(values: list[FloatArray], series: IntArray) -> list[Any]:
        numbers = ((y - centre[i]) / spread[i] for y, i in zip(values, series, strict=True))
        return [TimeSeries.from_values(y.astype(np.float32)) for y in numbers]

    trained_on = scaled(known, np.arange(len(known)))
    began = time.process_time()
    model.fit(trained_on)
    seconds = time.process_time() - began

    def forecast(origins: Origins) -> FloatArray:
        pasts = [past[-2 * CONTEXT :] for past in case.pasts(origins)]
        made = model.predict(case.horizon, series=scaled(pasts, origins.series), verbose=False)
        unit, level = spread[origins.series][:, None], centre[origins.series][:, None]
        return np.stack([one.values()[:, 0] for one in made]) * unit + level

    return _point(case, budget, seconds, forecast)


LIBRARIES: dict[str, Callable[[Case, int, float], Point]] = {"neuralforecast": neuralforecast, "darts": darts}


def found_by_library(name: str, case: Case, budgets: list[int], rates: list[float], had: list[Point]) -> Found:
    """Some learning rates, each with all budgets, and the quickest training that is good enough.

    Those of `had` count as well, and are not repeated.
    """
    done = {(point.setting, point.budget) for point in had}
    asked = [(f"rate {rate:g}", budget, rate) for rate in rates for budget in budgets]
    missing = [one for one in asked if one[:2] not in done]
    points = list(had)
    with hushed():
        if missing:
            LIBRARIES[name](case, 2, rates[0])
        for setting, budget, rate in missing:
            points.append(replace(LIBRARIES[name](case, budget, rate), setting=setting))
    chosen = points[quickest([one.validation for one in points], [one.seconds for one in points])]
    longer = [one for one in points if one.setting == chosen.setting and one.budget > chosen.budget]
    tenfold = any(one.budget >= 10 * chosen.budget for one in longer)
    gained = max(1 - min(one.validation for one in longer) / chosen.validation, 0.0) if tenfold else None
    return Found(name, chosen.setting, points, chosen, case.measure, gained)


def main() -> None:
    """Print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=("panel", "series", "m4"), default="panel")
    parser.add_argument("--train", type=Path, help="m4: the competition's training file")
    parser.add_argument("--test", type=Path, help="m4: its test file")
    parser.add_argument("--budgets", default="25,50,100,200,400,800,1600,4000,8000")
    parser.add_argument("--rates", default="0.001,0.003,0.01", help="learning rates of the libraries")
    parser.add_argument("--only", help="who to run, with commas; all that are installed if not said")
    parser.add_argument("--settle", action="store_true", help="train ten times as long here, too")
    parser.add_argument(
        "--json", type=Path, help="where it goes; trainings of libraries that stand there are not repeated"
    )
    options = parser.parse_args()
    if options.case == "m4" and not (options.train and options.test):
        parser.error("--case m4 needs --train and --test, the competition's two files of hourly series")
    torch.set_num_threads(1)
    import_module("forecast.training.fit")  # Lightning, which else would be imported by the first training
    case = case_of(options)
    budgets = [int(budget) for budget in options.budgets.split(",")]
    rates = [float(rate) for rate in options.rates.split(",")]
    names = options.only.split(",") if options.only else ["forecast", *filter(find_spec, LIBRARIES)]
    print(f"{options.case}, {processor()}, one thread", flush=True)
    found = earlier(options.json, options.case)
    for name in names:
        if name == "forecast":
            found[name] = found_here(case, settle=options.settle)
        else:
            had = found[name].points if name in found else []
            found[name] = found_by_library(name, case, budgets, rates, had)
        print(found[name].text, flush=True)
        if options.json:
            told = {"case": options.case, "machine": processor(), "found": [asdict(one) for one in found.values()]}
            options.json.write_text(json.dumps(told, indent=1))


def earlier(path: Path | None, case: str) -> dict[str, Found]:
    """Read what a run before this one found on a case, by who forecasts."""
    if path is None or not path.exists():
        return {}
    told = json.loads(path.read_text())
    if (told["case"], told["machine"]) != (case, processor()):
        raise SystemExit(f"{path} holds {told['case']} on {told['machine']}, not {case} on {processor()}")
    found = [
        Found(**{**one, "points": [Point(**p) for p in one["points"]], "chosen": Point(**one["chosen"])})
        for one in told["found"]
    ]
    return {one.who: one for one in found}


def case_of(options: argparse.Namespace) -> Case:
    """Make the case that is asked for."""
    if options.case == "m4":
        return M4Hourly(options.train, options.test)
    return Case(generated_panel(), 1) if options.case == "panel" else Case(hourly_series(), 50)


def _point(case: Case, budget: int, seconds: float, forecast: Callable[[Origins], FloatArray]) -> Point:
    validation, test = (case.score(forecast(origins), origins) for origins in map(case.origins, (0, 1)))
    return Point("", budget, seconds, validation, test)


def _frame(series: list[FloatArray]) -> pd.DataFrame:
    lengths = [len(y) for y in series]
    times = np.concatenate([np.arange(n) for n in lengths])
    return pd.DataFrame(
        {"unique_id": np.repeat(np.arange(len(series)), lengths), "ds": times, "y": np.concatenate(series)}
    )


if __name__ == "__main__":
    main()
