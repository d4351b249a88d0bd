"""The system under examination: a reference and what a network adds to it, on one series, fed any made-up series.

A made-up series takes the place of the target; covariates stay what they were in the data at the same steps, and after
the data's end the user's own stand still while those of the date go on. Several made-up series are unrolled side by
side, as lanes. Where the network was trained on logarithms all numbers here are logarithms.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

from forecast.forecasters.strategies import read_forecasts
from forecast.inspection.answers import answer_kind
from forecast.network.inference import head_on_cpu, states_by_unrolling, states_by_windows
from forecast.questions.split import Origins, rolling_origins
from forecast.reference.causal_features import filled_target
from forecast.series.date_features import features_of, with_features
from forecast.series.panel import KnownAhead, Panel, Statics

if TYPE_CHECKING:
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.inspection.answers import AnswerKind
    from forecast.network.network import Network
    from forecast.network.state import StateAtOrigin
    from forecast.series.panel import FloatArray, IntArray
    from forecast.training.data import NetworkData

_NUMBERS_AT_ONCE = 4_000_000
"""lanes x origins x horizon that are forecast in one piece."""

_SHORTEST_SPAN, _LONGEST_SPAN = 96, 600
_FEWEST_ORIGINS, _MOST_ORIGINS = 50, 500
_LOCAL_STEPS = 32


class Answers(NamedTuple):
    """Answers to made-up series, each (lane, origin, examined step), in the target's units or in logits.

    Attributes
    ----------
    reference : what an untrained network answers: the reference's forecast, or the base rate

    """

    network: FloatArray
    reference: FloatArray


@dataclass(frozen=True, eq=False)
class System:
    """A trained network on one of its series.

    Attributes
    ----------
    fitted : as it was trained, on all its series
    number : of the examined series
    past : this series alone, as the network sees it
    centre, spread : mean and deviation of made-up series, in the target's units
    train_steps : steps of the training split
    seen_steps : steps before the test split

    """

    fitted: FittedNetwork
    number: int
    past: Panel
    centre: float
    spread: float
    train_steps: int
    seen_steps: int

    @property
    def season_steps(self) -> int:
        """Steps of a season, 1 where there is none."""
        return self.fitted.problem.season_steps

    @property
    def horizon(self) -> int:
        """Steps that the network itself forecasts: one where its forecasts are fed back."""
        return self.fitted.reference.horizon

    @property
    def steps(self) -> tuple[int, ...]:
        """Horizon steps that are looked at: the first and the last."""
        return (1,) if self.horizon == 1 else (1, self.horizon)

    @property
    def window_steps(self) -> int | None:
        """Steps of the windows that the network reads; None where its state is carried on."""
        windows = self.fitted.forecaster.training.regime == "windows"
        return self.fitted.problem.context_steps if windows else None

    @property
    def kind(self) -> AnswerKind:
        """What of its forecasts is examined: values, or logits of a rise."""
        return answer_kind(self.fitted)

    @property
    def carries_state(self) -> bool:
        """Whether the network carries a state from step to step: one that reads both ways has none."""
        return bool(self.fitted.network.initial_state(1))

    @property
    def answer_unit(self) -> float:
        """Unit of answers: a spread, or one logit."""
        return self.kind.unit_size(self.spread)

    @property
    def span(self) -> int:
        """Lags that are measured on the data: four seasons, in bounds, and at most a third of the series."""
        longest = min(max(4 * self.season_steps, _SHORTEST_SPAN), _LONGEST_SPAN, len(self.past.target) // 3)
        longest = max(longest, 1)
        return longest if self.window_steps is None else min(longest, self.window_steps - 1)

    @property
    def warmup(self) -> int:
        """Steps after which a made-up series has filled what the reference and the state read of it."""
        wanted = min(8 * self.season_steps, 4 * _LONGEST_SPAN)
        return max(wanted, 2 * _SHORTEST_SPAN, self.window_steps or 0)

    @cached_property
    def single(self) -> FittedNetwork:
        """The network on the examined series alone."""
        return self.lanes(1)

    @cached_property
    def data(self) -> NetworkData:
        """What the network reads of the data."""
        return self.single.data(self.past)

    @cached_property
    def origins(self) -> IntArray:
        """Steps of the data from which forecasts are judged, (origin,): on the test split, or before it if short."""
        length = int(self.past.lengths[0])
        first = min(self.seen_steps, max(self.span + 1, length - self.horizon - _FEWEST_ORIGINS))
        first = max(first, self.span + 1, self.window_steps or 0)
        steps = rolling_origins(self.past, np.array([first]), np.array([length]), self.horizon).steps
        stride = max(-(-len(steps) // _MOST_ORIGINS), 1)
        while stride > 1 and np.gcd(stride, self.season_steps) > 1:  # so that every phase of the season is met
            stride += 1
        return steps[::stride]

    def lanes(self, count: int) -> FittedNetwork:
        """The network on so many copies of the examined series."""
        which = np.full(count, self.number)  # (lane,)
        fitted = self.fitted
        settings = fitted.forecaster.settings.model_copy(update={"fork_ensemble": 1})
        reference = replace(
            fitted.reference, **{name: array[which] for name, array in fitted.reference.arrays().items()}
        )
        return replace(
            fitted,
            forecaster=replace(fitted.forecaster, settings=settings),
            problem=replace(fitted.problem, horizon=self.horizon),
            ids=_lane_ids(count),
            reference=reference,
            scale=fitted.scale[which],
            network=_with_statics(fitted.network, which),
            copula=None,
        )

    def made_up(self, values: FloatArray, start: int = 0) -> Panel:
        """Put made-up targets, (lane, step), into the place of the data's, from step `start` of them on."""
        lanes, steps = values.shape
        length = len(self.past.target)
        rows = np.tile(np.minimum(np.arange(start, start + steps), length - 1), lanes)  # of the data, (lane * step,)
        beyond = self.past.calendar.after(self.past.times[-1], max(start + steps - length, 0))
        ahead = self.horizon + self.fitted.problem.leads  # steps after the last one that may be read
        panel = Panel(
            values=np.column_stack([values.reshape(-1), self.past.values[rows, 1:]]),
            observed=np.column_stack([np.ones(len(rows), dtype=np.bool_), self.past.observed[rows, 1:]]),
            offsets=np.arange(lanes + 1) * steps,
            times=np.tile(np.concatenate([self.past.times, beyond])[start : start + steps], lanes),
            ids=_lane_ids(lanes),
            channels=self.past.channels,
            calendar=self.past.calendar,
            masked=None
            if self.past.masked is None
            else np.column_stack([np.zeros(len(rows), dtype=np.bool_), self.past.masked[rows, 1:]]),
            ahead=self._given_ahead(lanes, start, steps + ahead),
            static=_repeated(self.past.static, lanes),
        )
        computed = () if self.past.ahead is None else features_of(self.past.ahead.channels)
        return with_features(panel, computed, ahead)

    def _given_ahead(self, lanes: int, start: int, steps: int) -> KnownAhead | None:
        """The user's own covariates that are known ahead, standing still after their end."""
        known = self.past.ahead
        given = [] if known is None else [j for j, channel in enumerate(known.channels) if channel.computed is None]
        if known is None or not given:
            return None
        rows = np.tile(np.minimum(np.arange(start, start + steps), len(known.values) - 1), lanes)
        return KnownAhead(
            values=known.values[rows][:, given],
            masked=known.masked[rows][:, given],
            offsets=np.arange(lanes + 1) * steps,
            channels=tuple(known.channels[j] for j in given),
        )

    def answers(self, values: FloatArray, first: int, start: int = 0) -> Answers:
        """Forecasts of made-up series, (lane, step), from each origin from step `first` on.

        Their covariates are those of the data from step `start` on.
        """
        steps = np.arange(first, values.shape[1])
        at_once = max(_NUMBERS_AT_ONCE // max(len(steps) * self.horizon, 1), 1)
        parts = [self._answers(values[at : at + at_once], steps, start) for at in range(0, len(values), at_once)]
        return Answers(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _answers(self, values: FloatArray, steps: IntArray, start: int) -> Answers:
        lanes, panel = len(values), self.made_up(values, start)
        fitted = self.lanes(lanes)
        origins = Origins(np.repeat(np.arange(lanes), len(steps)), np.tile(steps, lanes))
        y_hat = fitted.forecast(panel, origins).y_hat  # (lane * origin, horizon)
        reference = self.kind.without_network(
            head_on_cpu(self.fitted.network), fitted.reference.forecast(panel, origins)
        )
        examined, shape = np.array(self.steps) - 1, (lanes, len(steps), len(self.steps))
        network, untrained = (self.kind.from_forecast(part[:, examined]).reshape(shape) for part in (y_hat, reference))
        return Answers(network, untrained)

    def untrained(self, rows: IntArray) -> FloatArray:
        """What an untrained network forecasts from some rows of the data, (origin, horizon)."""
        reference = self.data.reference.at(self.data.known, rows)
        return self.kind.without_network(head_on_cpu(self.fitted.network), reference)

    def outcomes(self, rows: IntArray) -> FloatArray:
        """What came after some rows of the data, (origin, horizon): values, or 1 for a rise; NaN where not observed."""
        return self.fitted.problem.question.outcomes(self.past, rows, self.horizon)

    def reach(self, rows: IntArray) -> StateAtOrigin:
        """What the network carries after some rows of the data, as it does in use."""
        if self.window_steps is not None:
            return states_by_windows(self.single.network, self.data.inputs, self.window_steps, rows)
        series = np.zeros(len(rows), dtype=np.int64)
        return states_by_unrolling(self.single.network, self.data.inputs, self.past.offsets[:-1], series, rows)

    def forecast_from(self, reached: StateAtOrigin, rows: IntArray) -> FloatArray:
        """Forecasts from states at some rows of the data, (origin, horizon): values or probabilities."""
        network, data = self.single.network, self.data
        ahead = data.inputs.known_ahead(rows, self.horizon)
        with torch.no_grad():
            raw = network.forecast(reached.features, ahead)
        scale = self.single.scale[data.known.series(rows)]
        return read_forecasts(head_on_cpu(network), raw, data.reference.at(data.known, rows), scale).y_hat


def system_of(fitted: FittedNetwork, panel: Panel, number: int, train_steps: int, seen_steps: int) -> System:
    """Take one series of a panel to examine a network on; centre and spread are those of its first `train_steps`.

    The spread is the standard deviation about a moving mean of two seasons, at least 32 steps: how far a series strays
    within the past that matters, also where it wanders off in the long run.
    """
    past = panel.take(np.array([number]))
    past = replace(past, ids=_lane_ids(1))
    known = filled_target(past, fitted.problem.season_steps)[:train_steps]
    steps = min(max(2 * fitted.problem.season_steps, _LOCAL_STEPS), len(known))
    running = np.concatenate([[0.0], np.cumsum(known - known[0])])
    local = known[0] + (running[steps:] - running[:-steps]) / steps  # moving mean, by differences of running sums
    middle = known[steps // 2 : steps // 2 + len(local)]
    spread = float(np.sqrt(np.mean((middle - local) ** 2)))
    return System(fitted, number, past, float(known.mean()), spread or 1.0, train_steps, seen_steps)


def _lane_ids(count: int) -> tuple[str, ...]:
    return tuple(f"lane {i}" for i in range(count))


def _repeated(static: Statics | None, lanes: int) -> Statics | None:
    return None if static is None else static.take(np.zeros(lanes, dtype=np.int64))


def _with_statics(network: Network, which: IntArray) -> Network:
    """Copy a network, for series that are copies of some of its own, (lane,)."""
    copied = copy.deepcopy(network).cpu().eval()
    rows = torch.from_numpy(which)
    copied.statics.table = copied.statics.table[rows]
    if copied.statics.own is not None:
        learnt = copied.statics.own.weight.detach()[rows]  # (lane, number of the embedding)
        copied.statics.own = nn.Embedding(len(learnt), learnt.shape[1], _weight=learnt)
    return copied
