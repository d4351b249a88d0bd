"""From a network's output to a forecast of the whole horizon: at once, fed back step by step, or averaged over forks.

    direct      the head says all steps at once: its raw numbers are brought into the target's units (`read_forecasts`)
    recursive   a network of one step reads its own forecast as if it had been observed (`Recursion`); of a
                distribution samples are fed back, many trajectories side by side (DeepAR, Salinas et al. 2020)
    forks       the forecast for a date is the mean of those that the latest origins make for it (`forecast_by_forks`;
                "Forking-Sequences", arXiv 2510.04487): it is revised less from origin to origin

Everywhere forecast = reference + scale * output of the head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.interface import QUANTILES, Forecasts, of_probabilities
from forecast.forecasters.trajectories import common_uniforms, in_blocks, independent_uniforms
from forecast.network.distributions import QuantileHead
from forecast.network.head import Level
from forecast.network.heads import CategoricalHead
from forecast.network.inference import head_on_cpu
from forecast.questions.split import Origins
from forecast.reference.history_buffer import HistoryBuffer
from forecast.reference.references import CALENDAR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forecast.forecasters.trajectories import Uniforms
    from forecast.network.head import Head
    from forecast.network.inputs import NetworkInputs
    from forecast.network.network import Network
    from forecast.network.settings import StrategyName
    from forecast.network.state import StateAtOrigin
    from forecast.questions.kinds import Problem
    from forecast.reference.causal_features import CausalFeatures
    from forecast.reference.encoding import CovariateEncoding, Float32Array
    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray

_TRAJECTORIES = 256
"""Sample trajectories that quantiles of a recursive forecast are taken from."""

_SEED = 0
_NUMBERS_AT_ONCE = 2_000_000
"""Trajectories x remembered steps that are computed in one block (about 120 MB)."""


# Direct: all steps of the horizon at once.


@torch.no_grad()
def read_forecasts(head: Head, raw: torch.Tensor, reference: FloatArray, scale: FloatArray) -> Forecasts:
    """Turn raw numbers of a head, (origin, horizon, size), into forecasts in the target's units, or probabilities.

    `reference` is (origin, horizon), `scale` (origin,).
    """
    if head.question.binary:
        return Forecasts(head.point(raw, None).numpy())
    if isinstance(head, CategoricalHead):
        return of_probabilities(head.probabilities(raw).numpy())
    unit, level = scale[:, None], level_of(reference, scale) if head.needs_level else None  # unit: (origin, 1)
    y_hat = head.point(raw, level).double().numpy()  # (origin, horizon)
    y_hat *= unit
    y_hat += reference
    if not head.is_distribution:
        return Forecasts(y_hat)
    # (origin, horizon, quantile)
    quantiles = reference[..., None] + head.quantiles(raw, QUANTILES, level).numpy() * unit[..., None]
    return Forecasts(y_hat, np.sort(quantiles, axis=-1))  # rounding alone could cross them


def level_of(reference: FloatArray, scale: FloatArray) -> Level:
    """Return the reference's forecasts, (origin, horizon), and the scale, (origin,), as a head takes them."""
    return Level(*(torch.from_numpy(part.astype(np.float32)) for part in (reference, scale[:, None])))


# Recursive: a network of one step reads its own forecasts.


@dataclass(frozen=True, eq=False)
class StartingPoint:
    """Where recursive forecasts begin.

    Attributes
    ----------
    known : what the reference reads of the past
    rows : (origin,) rows of `known`
    lived : (origin,) steps from a series' first to the origin
    reached : features and state of the network there
    ahead : (origin, span, column) covariates known around the horizon; None where there are none

    """

    known: CausalFeatures
    rows: IntArray
    lived: IntArray
    reached: StateAtOrigin
    ahead: Float32Array | None

    def take(self, which: IntArray) -> StartingPoint:
        """Return some of the origins; one may occur more than once."""
        ahead = None if self.ahead is None else self.ahead[which]
        return StartingPoint(self.known, self.rows[which], self.lived[which], self.reached.take(which), ahead)


def starting_point(
    known: CausalFeatures, inputs: NetworkInputs, rows: IntArray, reached: StateAtOrigin, horizon: int
) -> StartingPoint:
    """Begin at some rows of a panel, (origin,)."""
    ahead = inputs.known_ahead(rows, horizon)
    lived = rows - known.starts(rows) + 1
    return StartingPoint(known, rows, lived, reached, None if ahead is None else ahead.numpy())


@dataclass(frozen=True, eq=False)
class Recursion:
    """A network of one step that forecasts `horizon` steps.

    At each step its forecast takes the place of the observation: the reference's causal features go on with it
    (`HistoryBuffer`), and the cell takes one step more. Covariates that are known ahead are read as they are.

    Attributes
    ----------
    reference : of one step
    scale : (series,)

    """

    network: Network
    reference: Reference
    scale: FloatArray
    horizon: int

    def forecast(self, start: StartingPoint) -> Forecasts:
        """Forecast each origin; a head that is a distribution by sample trajectories, which give its quantiles too."""
        if not self.network.head.is_distribution:
            return Forecasts(self._trajectories(start, _same_for_all(1, self.horizon))[:, 0])
        uniforms = _same_for_all(_TRAJECTORIES, self.horizon)
        summaries = [
            self._summary(start.take(which), self._trajectories(start.take(which), uniforms))
            for which in in_blocks(len(start.rows), _TRAJECTORIES * self.horizon, _NUMBERS_AT_ONCE)
        ]
        if not summaries:
            return Forecasts(np.empty((0, self.horizon)), np.empty((0, self.horizon, len(QUANTILES))))
        y_hat, quantiles = (np.concatenate(parts) for parts in zip(*summaries, strict=True))
        return Forecasts(y_hat, quantiles)

    def sample_trajectories(self, start: StartingPoint, count: int, seed: int) -> FloatArray:
        """Sample trajectories, each step from the distribution that its own steps before lead to.

        (origin, trajectory, horizon). Those of two origins share no random numbers.
        """
        origins = Origins(start.known.series(start.rows), start.lived - 1)
        return self._trajectories(start, independent_uniforms(origins, count, self.horizon, seed))

    def _trajectories(self, start: StartingPoint, uniforms: Uniforms) -> FloatArray:
        """Trajectories at some uniforms, (origin, trajectory, horizon); of one origin: all share them."""
        origins, count = len(start.rows), uniforms.shape[1]
        trajectories = np.empty((origins, count, self.horizon))
        uniforms = np.broadcast_to(uniforms, trajectories.shape)
        for which in in_blocks(origins, count * (self.reference.memory_steps + self.horizon), _NUMBERS_AT_ONCE):
            # One origin a trajectory: (origin * trajectory, horizon).
            repeated = start.take(np.repeat(which, count))
            unrolled = self._unroll(repeated, uniforms[which].reshape(-1, self.horizon))
            trajectories[which] = unrolled.reshape(-1, count, self.horizon)
        return trajectories

    @torch.no_grad()
    def _summary(self, start: StartingPoint, trajectories: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Points (origin, horizon) and quantiles (origin, horizon, quantile) of sample trajectories.

        Those of the first step are the head's own, without sampling error.
        """
        middle = np.median if isinstance(self.network.head, QuantileHead) else np.mean
        y_hat = middle(trajectories, axis=1)
        quantiles = np.moveaxis(np.quantile(trajectories, QUANTILES, axis=1), 0, -1)  # (origin, horizon, quantile)
        head, raw = head_on_cpu(self.network), self._raw(start.reached, start.ahead, 0)
        reference = self.reference.at(start.known, start.rows)  # (origin, 1)
        scale = self.scale[start.known.series(start.rows)]
        level, unit = level_of(reference, scale), scale[:, None]
        y_hat[:, :1] = reference + head.point(raw, level).numpy() * unit
        quantiles[:, :1] = reference[..., None] + head.quantiles(raw, QUANTILES, level).numpy() * unit[..., None]
        return y_hat, quantiles

    @torch.no_grad()
    def _unroll(self, start: StartingPoint, uniforms: Uniforms) -> FloatArray:
        """Unroll the horizon from each origin; a step's quantile is taken at its uniform, both (origin, horizon)."""
        buffer = HistoryBuffer(start.known, start.rows, start.lived, self.reference, self.horizon)
        head, reached = head_on_cpu(self.network), start.reached
        scale = self.scale[buffer.features.series(buffer.rows)]
        forecasts = np.empty((len(scale), self.horizon))
        for step in range(self.horizon):
            if step:
                buffer.push(forecasts[:, step - 1])
                reached = self._advance(buffer, reached, scale, start.ahead, step - 1)
            raw = self._raw(reached, start.ahead, step)
            reference = self.reference.at(buffer.features, buffer.rows)  # (origin, 1)
            level = level_of(reference, scale)
            if head.is_distribution:
                output = head.quantile(raw, torch.from_numpy(uniforms[:, [step]]), level)
            else:
                output = head.point(raw, level)
            forecasts[:, step] = reference[:, 0] + output.numpy()[:, 0] * scale
        return forecasts

    def _raw(self, reached: StateAtOrigin, ahead: Float32Array | None, step: int) -> torch.Tensor:
        """Raw numbers of the head for a step, (origin, 1, size)."""
        known, spec = None, self.network.input_spec
        if ahead is not None:
            known = torch.from_numpy(ahead[:, step : step + spec.lags + 1 + spec.leads]).to(self.network.device)
        return self.network.forecast(reached.features, known).cpu()

    def _advance(
        self, buffer: HistoryBuffer, reached: StateAtOrigin, scale: FloatArray, ahead: Float32Array | None, step: int
    ) -> StateAtOrigin:
        """Take a step of the cell, which reads the forecast that was made for it."""
        differences = self.reference.inputs(buffer.features, buffer.rows) / scale[:, None]
        # Columns: differences, covariates known ahead, and the mark of a missing value, 0: a forecast is never missing.
        x = np.zeros((len(scale), self.network.input_spec.inputs), dtype=np.float32)
        x[:, : differences.shape[1]] = differences
        if ahead is not None:
            known = ahead[:, self.network.input_spec.lags + step]  # (origin, column)
            x[:, differences.shape[1] : differences.shape[1] + known.shape[1]] = known
        series = torch.from_numpy(buffer.features.series(buffer.rows))
        features, state = self.network.features(  # (origin, 1 step, column)
            torch.from_numpy(x)[:, None].to(self.network.device), series[:, None].to(self.network.device), reached.state
        )
        return reached._replace(features=features[:, -1], state=state)


def network_problem(strategy: StrategyName, problem: Problem) -> Problem:
    """Return what the network itself forecasts: the next step alone where its forecasts are fed back."""
    return replace(problem, horizon=1) if strategy == "recursive" else problem


def check_fed_back(encoding: CovariateEncoding, reference: Reference) -> None:
    """Refuse covariates that are not known ahead: a forecast that is fed back has none of them; nor a calendar's dates.

    Raises
    ------
    ForecastError
        There are such.

    """
    if reference.name == CALENDAR:
        raise ForecastError(
            "`model.strategy=recursive` feeds forecasts back, and `model.reference=calendar` reads the dates of the "
            "whole horizon: set `model.strategy=direct` or `seq2seq`, or another reference"
        )
    if encoding.past.size:
        names = ", ".join(repr(channel.name) for channel in encoding.past.channels[:3])
        raise ForecastError(
            f"`model.strategy=recursive` feeds forecasts of the target back and has no forecast of the covariates that "
            f"are known up to the origin alone, found {names}: set `model.strategy=direct` or `seq2seq`, or leave them "
            f"out"
        )


def _same_for_all(count: int, horizon: int) -> Uniforms:
    """Uniforms that all origins share, (1, trajectory, horizon).

    A forecast then depends on no other origin that is asked for, and differs between origins by nothing random.
    """
    return common_uniforms(count, horizon, _SEED)[None]


# Forks: the mean over the latest origins. A recurrent network forecasts at every step anyway, so one pass gives all.


def forecast_by_forks(
    forecast: Callable[[Origins], Forecasts], origins: Origins, forks: int, first_step: int = 0
) -> Forecasts:
    """Average forecasts over the latest `forks` origins that reach a date, quantile by quantile.

    With F(t, h) the forecast of step h that is made at step t of a series, it is the mean of F(t - j, h + j) over
    j = 0 ... forks - 1 for which h + j is within the horizon and t - j not before `first_step`.
    """
    if forks == 1:
        return forecast(origins)
    ages = np.arange(forks)
    steps = origins.steps[:, None] - ages  # (origin, age)
    exists = (steps >= first_step) | (ages == 0)
    series = np.broadcast_to(origins.series[:, None], steps.shape)
    # Each (series, step) once, however many origins average over it.
    pairs, place = np.unique(np.stack([series[exists], steps[exists]], axis=1), axis=0, return_inverse=True)
    forecasts = forecast(Origins(pairs[:, 0], pairs[:, 1]))
    places = np.full(steps.shape, -1)
    places[exists] = place.reshape(-1)
    return averaged([_at(forecasts, age) for age in places.T])  # places.T: (age, origin)


def earlier_forecasts(
    forecast: Callable[[Origins], Forecasts], lengths: IntArray, forks: int, first_step: int = 0
) -> tuple[Forecasts, ...]:
    """Forecasts of the `forks` - 1 origins before the end of each series, newest first, an origin a series each.

    NaN where a series of `lengths`, (series,), has no such origin.
    """
    if forks == 1:
        return ()
    steps = lengths[:, None] - 1 - np.arange(1, forks)  # (series, age)
    series, ages = np.nonzero(steps >= first_step)
    forecasts = forecast(Origins(series, steps[series, ages]))
    places = np.full(steps.shape, -1)
    places[series, ages] = np.arange(len(series))
    return tuple(_at(forecasts, age) for age in places.T)


def averaged(by_age: Sequence[Forecasts]) -> Forecasts:
    """Average forecasts of the latest origins, newest first, quantile by quantile; NaN where there is none."""
    quantiles = [forecasts.quantiles for forecasts in by_age if forecasts.quantiles is not None]
    points = _mean_over_forks([forecasts.y_hat for forecasts in by_age])
    return Forecasts(points, _mean_over_forks(quantiles) if quantiles else None)


def _mean_over_forks(by_age: Sequence[FloatArray]) -> FloatArray:
    """Average forecasts of the latest origins, newest first; each (origin, horizon, ...), NaN where there is none."""
    total, count = by_age[0].copy(), np.ones(by_age[0].shape)
    horizon = total.shape[1]
    for age, forecasts in enumerate(by_age[1:horizon], start=1):
        reaching = forecasts[:, age:]  # step h + age of an origin `age` steps earlier is step h of the newest
        exists = ~np.isnan(reaching)
        total[:, : horizon - age] += np.where(exists, reaching, 0.0)
        count[:, : horizon - age] += exists
    mean: FloatArray = total / count
    return mean


def _at(forecasts: Forecasts, places: IntArray) -> Forecasts:
    """Forecasts at some places, NaN where the place is -1."""
    quantiles = None if forecasts.quantiles is None else _rows_at(forecasts.quantiles, places)
    return Forecasts(_rows_at(forecasts.y_hat, places), quantiles)


def _rows_at(table: FloatArray, places: IntArray) -> FloatArray:
    rows = np.full((len(places), *table.shape[1:]), np.nan)
    rows[places >= 0] = table[places[places >= 0]]
    return rows
