"""Windows for regressors: inputs and targets as differences to the reference, in units of the series' scale.

The same differences that a network learns, so that the two can be compared: with L = `context_steps`, an input is
(y[t-L+1..t] - anchor_t) / scale and a target (y[t+1..t+H] - reference_t) / scale. Scale and reference know nothing
after the training split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.reference.encoding import CovariateEncoding, ahead_shifts, fit_encoding
from forecast.reference.references import Reference, fit_reference
from forecast.reference.scaling import fit_scale

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.reference.causal_features import CausalFeatures
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import FloatArray, IntArray, Panel


@dataclass(frozen=True, eq=False)
class Read:
    """What windows of a past are made of, row by row.

    Attributes
    ----------
    known : what the reference reads
    past : where covariates known up to a row stand, and whether its target is masked
    ahead : (ahead row, column) covariates known ahead
    ahead_shift : (series,) how many rows later than its own the same step is in `ahead`
    static : (series, column)

    """

    known: CausalFeatures
    past: Panel
    ahead: Float32Array
    ahead_shift: IntArray
    static: Float32Array


@dataclass(frozen=True, eq=False)
class Differences:
    """What turns the steps around an origin into a window, and a prediction back into a forecast.

    Attributes
    ----------
    scale : (series,) > 0, in the target's units

    """

    problem: Problem
    reference: Reference
    scale: FloatArray
    encoding: CovariateEncoding

    def read(self, past: Panel) -> Read:
        """What windows of a past are made of."""
        return Read(
            known=self.reference.causal_features(past),
            past=past,
            ahead=self.encoding.ahead_columns(past),
            ahead_shift=ahead_shifts(past),
            static=self.encoding.static_columns(past),
        )

    def inputs(self, read: Read, rows: IntArray) -> FloatArray:
        """What is known at each origin, (origin, column): the context, oldest first, then covariates.

        Where a series is younger than a context its first value stands for what was before it. Covariates are those
        known up to each step of the context, those known ahead of each step of the horizon, and those of the series.
        Of what follows from the date the first step of the horizon says it all: places at later steps are turned by
        angles that are always the same, and a hundred columns of them would drown the rest in a distance.
        """
        known = read.known
        lags = np.arange(1 - self.problem.context_steps, 1)
        context = np.maximum(rows[:, None] + lags, known.starts(rows)[:, None])
        anchor = self.reference.anchor(known, rows)
        inputs: FloatArray = (known.y[context] - anchor[:, None]) / self._unit(known, rows)
        covariates = self._covariates(read, rows, context)
        return np.concatenate([inputs, *covariates], axis=1) if covariates else inputs

    def _covariates(self, read: Read, rows: IntArray, context: IntArray) -> list[FloatArray]:
        parts = []
        if self.encoding.past.size or self.encoding.target_marked:
            flat = context.reshape(-1)
            columns = [self.encoding.past_columns(read.past, flat), self.encoding.mark_columns(read.past, flat)]
            parts.append(np.concatenate(columns, axis=1).reshape(len(rows), -1))
        if read.ahead.shape[1]:
            steps = (rows + read.ahead_shift[read.known.series(rows)])[:, None] + np.arange(1, self.problem.horizon + 1)
            ahead = read.ahead[np.minimum(steps, len(read.ahead) - 1)]  # (origin, horizon, column)
            computed = self.encoding.ahead.computed_columns
            parts += [ahead[:, 0, computed], ahead[:, :, ~computed].reshape(len(rows), -1)]
        if read.static.shape[1]:
            parts.append(read.static[read.known.series(rows)])
        return [part.astype(np.float64) for part in parts]

    def targets(self, read: Read, rows: IntArray) -> FloatArray:
        """What has come after each origin, (origin, horizon)."""
        known = read.known
        ahead = rows[:, None] + np.arange(1, self.problem.horizon + 1)
        targets: FloatArray = (known.y[ahead] - self.reference.at(known, rows)) / self._unit(known, rows)
        return targets

    def restore(self, read: Read, rows: IntArray, predicted: FloatArray) -> FloatArray:
        """Forecasts in the target's units from predicted targets, both (origin, horizon)."""
        return self.reference.at(read.known, rows) + predicted * self._unit(read.known, rows)

    def loss(self, predicted: FloatArray, targets: FloatArray) -> FloatArray:
        """Error by which fits are compared: absolute, (origin, horizon)."""
        error: FloatArray = np.abs(predicted - targets)
        return error

    def _unit(self, known: CausalFeatures, rows: IntArray) -> FloatArray:
        unit: FloatArray = self.scale[known.series(rows)]
        return unit[:, None]


class Directions(Differences):
    """The same windows, asked for the direction: targets are 1/2 where the series has risen, else -1/2.

    A regressor of an outcome predicts its probability as far as it is right about means; what it says beyond 0 and 1
    is cut off.
    """

    def targets(self, read: Read, rows: IntArray) -> FloatArray:
        """What has come after each origin, (origin, horizon)."""
        return self.problem.question.outcomes(read.past, rows, self.problem.horizon) - 0.5

    def restore(self, read: Read, rows: IntArray, predicted: FloatArray) -> FloatArray:
        """Uniforms from predicted targets, both (origin, horizon)."""
        probability: FloatArray = np.clip(predicted + 0.5, 0.0, 1.0)
        return probability

    def loss(self, predicted: FloatArray, targets: FloatArray) -> FloatArray:
        """Error by which fits are compared: squared, as the absolute one is least for a probability of 0 or 1."""
        error: FloatArray = (np.clip(predicted, -0.5, 0.5) - targets) ** 2
        return error


def fit_windows(reference: str | Reference, past: Panel, train_steps: IntArray, problem: Problem) -> Differences:
    """Fit scale and reference on the training split; a reference that is fitted already keeps its constants."""
    kind = Directions if problem.question.binary else Differences
    return kind(
        problem=problem,
        reference=reference.refit(past, train_steps)
        if isinstance(reference, Reference)
        else fit_reference(reference, past, train_steps, problem),
        scale=fit_scale(past, train_steps, problem.season_steps),
        encoding=fit_encoding(past, train_steps),
    )


def window_rows(past: Panel, first: IntArray, ends: IntArray, problem: Problem) -> IntArray:
    """Rows of origins with a whole context before them and all targets observed, (origin,).

    The targets lie in the steps `first[i] <= step < ends[i]` of series i. Before a label at the end no target was
    observed and a series may be younger than a context: there is no other origin of it.
    """
    n, horizon = len(past.target), problem.horizon
    step = np.arange(n) - np.repeat(past.offsets[:-1], past.lengths)
    series = np.repeat(np.arange(len(past)), past.lengths)
    holes = np.concatenate([[0], np.cumsum(~past.target_observed)])
    targets_end = np.minimum(np.arange(n) + 1 + horizon, n)
    context_steps = 1 if past.at_end else problem.context_steps
    from_here = holes[1:] if past.at_end else holes[:-1]
    whole = holes[targets_end] == from_here  # no hole from the origin to its last target
    inside = (step >= np.maximum(first[series], context_steps) - 1) & (step + horizon < ends[series])
    return np.flatnonzero(whole & inside)


def thin(rows: IntArray, count: int, seed: int) -> IntArray:
    """At most `count` of the rows, drawn at random: every k-th would always meet the same phase of a season."""
    if len(rows) <= count:
        return rows
    drawn: IntArray = np.random.default_rng(seed).choice(rows, size=count, replace=False)
    return np.sort(drawn)
