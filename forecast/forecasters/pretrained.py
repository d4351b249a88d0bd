"""The pretrained network as a forecaster: it is not trained on the series at all, and needs only a few rows of them.

The bank of smoothers runs over each series from its first step, the network reads what comes of it, and every origin
is decoded on the way: one pass for all origins, and a step costs the same after ten rows and after ten thousand.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import torch
from safetensors.numpy import load

from forecast.errors import ForecastError
from forecast.forecasters.covariate_effects import fit_effects, note_of, restore_effects
from forecast.forecasters.interface import Forecasts, Kind
from forecast.forecasters.live_pretrained import LivePretrained
from forecast.network.pretrained import LEVELS, PretrainedNetwork
from forecast.questions.split import Origins
from forecast.reference.bank import Bank, features
from forecast.reference.running import joined
from forecast.reference.smoothers import second_season
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.forecasters.covariate_effects import Effects
    from forecast.network.pretrained import State
    from forecast.questions.kinds import Problem
    from forecast.series.panel import BoolArray, Channel, FloatArray, IntArray, Panel
    from forecast.training.job import Epoch

    Arrays: TypeAlias = Mapping[str, np.ndarray[Any, np.dtype[Any]]]

NAME = "pretrained"
_WEIGHTS = "pretrained.safetensors"
_EFFECTS = "effects."
"""What the names of saved arrays of the effects begin with."""
_SERIES_AT_ONCE = 512
_STEPS_AT_ONCE = 256
_DECODED_AT_ONCE = 50_000
"""Origins times steps of the horizon that are decoded in one go."""


@cache
def shipped_network() -> PretrainedNetwork:
    """Return the network with the weights of the package."""
    packed = resources.files("forecast.network").joinpath(_WEIGHTS).read_bytes()
    return network_of(load(packed))


def tensors_of(network: PretrainedNetwork) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Every array that `network_of` needs."""
    return {f"network.{name}": part.numpy() for name, part in network.state_dict().items()}


def network_of(tensors: Arrays) -> PretrainedNetwork:
    """Put saved arrays, as `tensors_of` gave them, into the network.

    Raises
    ------
    ForecastError
        An array that is missing, is not known, or has another shape or type than the network has.

    """
    with torch.device("meta"):
        skeleton = PretrainedNetwork()
    expected = {f"network.{name}": (str(part.dtype), tuple(part.shape)) for name, part in skeleton.state_dict().items()}
    for name in sorted(expected.keys() | tensors.keys()):
        saved = (f"torch.{tensors[name].dtype}", tensors[name].shape) if name in tensors else None
        if expected.get(name) != saved:
            raise ForecastError(
                f"saved array {name!r} should be {expected.get(name, 'nothing')}, found {saved or 'nothing'}: "
                f"the weights do not belong to the pretrained network of this version"
            )
    network = PretrainedNetwork()
    network.load_state_dict(
        {name.removeprefix("network."): torch.from_numpy(np.array(a)) for name, a in tensors.items()}
    )
    return network.eval().requires_grad_(requires_grad=False)


def load_pretrained(
    forecaster: Pretrained, problem: Problem, ids: tuple[str, ...], channels: tuple[Channel, ...], tensors: Arrays
) -> FittedPretrained:
    """Put saved arrays, as `FittedPretrained.tensors` gave them, together again.

    Raises
    ------
    ForecastError
        An array that is missing, is not known, or has another shape or type.

    """
    own = {name.removeprefix(_EFFECTS): array for name, array in tensors.items() if name.startswith(_EFFECTS)}
    effects = restore_effects(channels, problem, len(ids), own) if own else None
    network = network_of({name: array for name, array in tensors.items() if not name.startswith(_EFFECTS)})
    return FittedPretrained(replace(forecaster, network=network), problem, network, effects)


def _tuned(fitted: FittedPretrained, tuning: Tuning, past: Panel, train_steps: IntArray) -> FittedPretrained:
    """Train the network on, on what is left without the effects of covariates; kept where validation says so."""
    from forecast.pretraining.fine_tuning import fine_tune  # noqa: PLC0415  # its generator takes long to import

    rest, _ = fitted.without_effects(past)
    values, observed = _side_by_side(rest, np.arange(len(past)), past.lengths)
    lengths, problem = (train_steps, past.lengths), fitted.problem
    if tuning.epochs == 0:
        return fitted
    found = fine_tune(
        fitted.network,
        values,
        observed,
        lengths,
        problem,
        seed=tuning.seed,
        epochs=tuning.epochs,
        time_limit_s=tuning.time_limit_s,
    )
    losses = f"validation loss {number(found.after)} instead of {number(found.before)}"
    tuned = f"trained on for {counted(found.epochs, 'epoch')} on these data"
    if tuning.epochs is None:
        tuned += f": {losses}" if found.epochs else ""
        tuned = tuned if found.epochs else "taken as it is: a training on these data gained nothing on validation"
    return replace(fitted, network=found.network, tuned=tuned, epochs=found.epochs)


class _Reached(NamedTuple):
    """Values that were read, (series, step), and the states after them."""

    values: FloatArray
    observed: BoolArray
    bank: Bank
    state: State | None


@dataclass(frozen=True)
class Tuning:
    """How the network is trained on, on the series; `epochs` are those that validation chose, None: it is to choose."""

    seed: int = 0
    time_limit_s: float | None = None
    epochs: int | None = None


@dataclass(frozen=True)
class Pretrained:
    """The pretrained network under a name; with the weights of the package, and as it is, where nothing else is said.

    >>> Pretrained().name
    'pretrained'
    """

    name: str = NAME
    kind: Kind = "pretrained"
    network: PretrainedNetwork | None = field(default=None, compare=False)
    tuning: Tuning | None = None

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedPretrained:
        """Fit the effects of covariates that are known ahead, in closed form; with `tuning`, train the network on."""
        effects = fit_effects(past, train_steps, problem)
        channels = () if past.ahead is None else past.ahead.channels
        said = note_of(effects, channels)
        fitted = FittedPretrained(self, problem, self.network or shipped_network(), effects, said)
        return fitted if self.tuning is None else _tuned(fitted, self.tuning, past, train_steps)


@dataclass(frozen=True, eq=False)
class FittedPretrained:
    """The network, the season that its bank runs with, and the effects of covariates that are known ahead.

    `effects` are None where there are none; `said` is what there is to say of them. `tuned` says what came of a
    training on the data, and `epochs` how many epochs of it were kept.
    """

    forecaster: Pretrained
    problem: Problem
    network: PretrainedNetwork
    effects: Effects | None = None
    said: str = ""
    tuned: str = ""
    epochs: int = 0

    # What a run records of a network that it trained.
    reference: ClassVar[None] = None
    history: ClassVar[tuple[Epoch, ...]] = ()
    graph_bytes: ClassVar[int] = 0

    _reached: list[_Reached] = field(default_factory=list, init=False, repr=False)
    """What the last call has read, at most one; it saves time and changes no forecast."""

    @property
    def stop_reason(self) -> str:
        """Say why it has learnt no more."""
        return self.tuned or "it was trained before"

    @property
    def members(self) -> tuple[FittedPretrained, ...]:
        """Itself, as an ensemble of one."""
        return (self,)

    @property
    def seasons(self) -> tuple[int, int]:
        """Steps of the season, and of the longer one above it; 1: there is none."""
        return self.problem.season_steps, second_season(self.problem.season_steps)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what it was trained on, and which covariates count."""
        nothing = "" if self.effects or self.tuned else "; nothing was fitted to these data"
        return (f"trained before, on made-up series alone{nothing}", *filter(None, [self.said, self.tuned]))

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast medians and quantiles from each origin, in one pass over each series."""
        horizon = self.problem.horizon
        quantiles = np.empty((len(origins), horizon, len(LEVELS)))
        lengths = origins.last_known(len(past))
        past, by_series = self.without_effects(past)
        shortest_first = np.argsort(lengths, kind="stable")[np.count_nonzero(lengths == 0) :]
        for first in range(0, len(shortest_first), _SERIES_AT_ONCE):
            which = shortest_first[first : first + _SERIES_AT_ONCE]
            place = np.full(len(past), -1)
            place[which] = np.arange(len(which))
            rows = np.flatnonzero(place[origins.series] >= 0)
            rows = rows[np.argsort(origins.steps[rows], kind="stable")]
            local = Origins(place[origins.series[rows]], origins.steps[rows])
            quantiles[rows] = self._unrolled(*_side_by_side(past, which, lengths[which]), local)
        if self.effects:
            steps = origins.steps[:, None] + np.arange(1, horizon + 1)  # (origin, step)
            ahead = [by_series[i][of_origin] for i, of_origin in zip(origins.series.tolist(), steps, strict=True)]
            quantiles = self.effects.put_back(quantiles, np.array(ahead).reshape(*steps.shape, 1))
        return Forecasts(quantiles[:, :, LEVELS.index(0.5)], quantiles)

    def without_effects(self, past: Panel) -> tuple[Panel, list[FloatArray]]:
        """Take effects off the target; and the effects of each series, of its steps and a horizon after them."""
        if self.effects is None:
            return past, []
        by_series = self.effects.at(past, self.problem.horizon)
        effect = np.concatenate([e[:steps] for e, steps in zip(by_series, past.lengths.tolist(), strict=True)])
        values = self.effects.take_off(past.target, effect)[:, None]
        return replace(past, values=values, observed=past.observed[:, :1]), by_series

    def chosen(self) -> Pretrained:
        """Return the forecaster, with as many epochs on the series as validation chose."""
        tuning = self.forecaster.tuning
        if tuning is None or tuning.epochs is not None:
            return self.forecaster
        return replace(self.forecaster, tuning=replace(tuning, epochs=self.epochs))

    def start(self, past: Panel) -> LivePretrained:
        """Read a past, to go on one row at a time."""
        return LivePretrained(self, past)

    def of_series(self, i: int) -> FittedPretrained:
        """Return it for one of the series alone: of them it knows effects at most."""
        return replace(self, effects=self.effects.of_series(i)) if self.effects else self

    def tensors(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Every array that `network_of` needs, and those of the effects."""
        own = self.effects.arrays() if self.effects else {}
        return tensors_of(self.network) | {f"{_EFFECTS}{name}": array for name, array in own.items()}

    def _unrolled(self, values: FloatArray, observed: BoolArray, origins: Origins) -> FloatArray:
        """Run over all steps of some series, (series, step); quantiles (origin, horizon, level), origins by step."""
        horizon, seasons = self.problem.horizon, self.seasons
        unread, bank, state = self._go_on(values, observed, origins)
        quantiles = np.empty((len(origins), horizon, len(LEVELS)))
        bounds = np.searchsorted(origins.steps, np.arange(values.shape[1] + 1))
        at_once = int(np.clip(_DECODED_AT_ONCE // (len(values) * horizon), 1, _STEPS_AT_ONCE))
        for begin in range(unread, values.shape[1], at_once):
            end = min(begin + at_once, values.shape[1])
            steps, snapshots = [], []
            for t in range(begin, end):
                steps.append(bank.update(values[:, t], observed[:, t]))
                which = origins.series[bounds[t] : bounds[t + 1]]
                if len(which):
                    snapshots.append(bank.snapshot(horizon, which))
            context, state = self.network.read(features(steps, *seasons), state)  # (series, step, width)
            if snapshots:
                now = slice(bounds[begin], bounds[end])
                reached = context[origins.series[now], origins.steps[now] - begin]
                quantiles[now] = self.network.quantiles(reached, joined(snapshots), horizon, seasons)
        self._reached[:] = [_Reached(values, observed, bank, state)]
        return quantiles

    def _go_on(self, values: FloatArray, observed: BoolArray, origins: Origins) -> tuple[int, Bank, State | None]:
        """Return the first step that is still to be read, and the state before it.

        A backtest asks for validation, calibration and test one after the other, each time with a longer past: where
        the last call has read the same values already, its state is gone on from, and the forecasts are the same.
        """
        for last in self._reached:
            steps = last.values.shape[1]
            same_series = len(last.values) == len(values) and steps <= origins.steps.min(initial=values.shape[1])
            if same_series and all(
                np.array_equal(before, now[:, :steps])
                for before, now in ((last.values, values), (last.observed, observed))
            ):
                return steps, deepcopy(last.bank), last.state
        return 0, Bank(len(values), *self.seasons), None


def _side_by_side(past: Panel, which: IntArray, steps: IntArray) -> tuple[FloatArray, BoolArray]:
    """Lay the first steps of some series side by side: values and whether they were observed, (series, step)."""
    values = np.zeros((len(which), int(steps.max())))
    observed = np.zeros(values.shape, dtype=np.bool_)
    for i, (series, length) in enumerate(zip(which.tolist(), steps.tolist(), strict=True)):
        rows = slice(past.offsets[series], past.offsets[series] + length)
        values[i, :length], observed[i, :length] = past.target[rows], past.target_observed[rows]
    return values, observed
