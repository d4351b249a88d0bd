"""Regressors of scikit-learn on windows: global over the panel, direct over the horizon.

One model learns all series, from the same differences that a network learns, so that the two can be compared. With
L = `context_steps` and H the horizon, at an origin t

    input   (y[t-L+1..t] - anchor_t) / scale       and covariates
    target  (y[t+1..t+H] - reference_t) / scale

Scale and reference are fitted on the training split. A regressor of one output is fitted once a horizon step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import get_tags

from forecast.errors import ForecastError
from forecast.forecasters.estimators import (
    by_category,
    candidates,
    copied,
    first_line,
    one_thread,
    suited_to,
    thin,
)
from forecast.forecasters.interface import Forecasts, Kind
from forecast.reference.encoding import CovariateEncoding, ahead_rows, fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.references import CANDIDATES, Reference
from forecast.reference.scaling import fit_scale

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem, TargetType
    from forecast.questions.split import Origins
    from forecast.reference.causal_features import CausalFeatures
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import FloatArray, IntArray, Panel


_ORIGINS_AT_ONCE = 8192
"""Forecasts are made in blocks, so that windows never take more memory than this many of them."""

_CANDIDATES = CANDIDATES[: CANDIDATES.index("ridge")]


@dataclass(frozen=True)
class Regression:
    """An unfitted regressor under a name.

    Attributes
    ----------
    regressor : unfitted estimator with the conventions of scikit-learn; it is copied, never fitted itself
    choose : values of its parameters that are tried on the validation split, all combinations
    reference : name of the reference that windows are differences to, or one whose constants have been chosen
    max_windows : windows fitted on, at most; of more, as many are drawn at random
    multi_output : whether it predicts several outputs by itself; None asks its tags
    answers : the questions that it can be asked

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> Regression("ridge", Ridge(), choose={"alpha": (0.1, 1.0, 10.0)}).kind
    'scikit-learn'

    """

    name: str
    regressor: Any
    choose: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    reference: str | Reference = "auto"
    max_windows: int = 20_000
    multi_output: bool | None = None
    answers: tuple[TargetType, ...] = ("value", "direction")
    seed: int = 0
    kind: Kind = "scikit-learn"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedRegression:
        """Fit on the windows of the training split; with `choose`, once for each combination, judged on validation.

        Raises
        ------
        ForecastError
            No series has a whole window, the regressor refuses a parameter, or does not answer the question.

        """
        if problem.target_type not in self.answers:
            raise ForecastError(
                f"baseline {self.name!r} forecasts the {self.answers[0]}, and asked for is the {problem.target_type}: "
                "leave it out, or choose another `model.head`"
            )
        rows = whole_window_rows(past, np.zeros_like(train_steps), train_steps, problem)
        if not len(rows):
            raise ForecastError(
                f"baseline {self.name!r} has no window to fit on: no series has context {problem.context_steps} + "
                f"horizon {problem.horizon} steps with observed targets in its training split; "
                f"shorten `data.context_steps` or `horizon`"
            )
        differences = _fit_differences(self.reference, past, train_steps, problem)
        windows = differences.windows(past)
        used = thin(rows, self.max_windows, self.seed)
        x, y = differences.inputs(windows, used), differences.targets(windows, used)
        validation = thin(whole_window_rows(past, train_steps, past.lengths, problem), self.max_windows, self.seed)
        with one_thread():
            fits = [self._fit_one(params, x, y) for params in candidates(self.choose if len(validation) else {})]
            best = fits[0] if len(fits) == 1 else _least_error(fits, differences, windows, validation)
        notes = [] if len(used) == len(rows) else [f"fitted on {len(used)} of {len(rows)} windows"]
        notes += [f"{key} {value} chosen on the validation split" for key, value in best.params.items()]
        return FittedRegression(self, best, differences, (*notes, *best.warnings))

    def _fit_one(self, params: Mapping[str, Any], x: FloatArray, y: FloatArray) -> _Fit:
        model = copied(self.regressor, params, self.seed)
        gave_way = suited_to(model, *x.shape)
        many = get_tags(model).target_tags.multi_output if self.multi_output is None else self.multi_output
        model = model if many else MultiOutputRegressor(model)
        # Warnings of a regressor (no convergence, ill-conditioned) become notes beside its score.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if gave_way:  # so few windows are learnt by heart, however long that takes
                warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                model.fit(x, y[:, 0] if y.shape[1] == 1 and not isinstance(model, MultiOutputRegressor) else y)
            except (TypeError, ValueError) as error:
                raise ForecastError(f"baseline {self.name!r}: {first_line(error)}") from error
        return _Fit(model, dict(params), (*gave_way, *by_category(caught)))


@dataclass(frozen=True, eq=False)
class FittedRegression:
    """A fitted regressor with the differences that it was fitted on."""

    forecaster: Regression
    best: _Fit
    differences: Differences
    notes: tuple[str, ...]

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast the differences at each origin, and add the reference."""
        windows, rows = self.differences.windows(past), origins.rows(past)
        y_hat = np.empty((len(rows), self.differences.problem.horizon))
        for i in range(0, len(rows), _ORIGINS_AT_ONCE):
            block = rows[i : i + _ORIGINS_AT_ONCE]
            with one_thread():
                predicted = self.best.predict(self.differences.inputs(windows, block))
            y_hat[i : i + _ORIGINS_AT_ONCE] = self.differences.forecasts(windows, block, predicted)
        return Forecasts(y_hat)

    def chosen(self) -> Regression:
        """Return the forecaster with everything fixed that was chosen on validation, to fit on all rows."""
        regressor = clone(self.forecaster.regressor).set_params(**self.best.params)
        return replace(self.forecaster, regressor=regressor, choose={}, reference=self.differences.reference)


@dataclass(frozen=True, eq=False)
class _Fit:
    """A fitted model, the parameters tried with it, and what it warned of."""

    model: Any
    params: dict[str, Any]
    warnings: tuple[str, ...]

    def predict(self, x: FloatArray) -> FloatArray:
        """Predict targets, (window, horizon)."""
        return np.asarray(self.model.predict(x), dtype=np.float64).reshape(len(x), -1)


def _least_error(fits: Sequence[_Fit], differences: Differences, windows: Windows, validation: IntArray) -> _Fit:
    """Take the fit with the least mean loss over the validation split, the first of equals."""
    x, y = differences.inputs(windows, validation), differences.targets(windows, validation)
    return min(fits, key=lambda fit: float(differences.loss(fit.predict(x), y).mean()))


@dataclass(frozen=True, eq=False)
class Windows:
    """A past that windows are taken from, row by row.

    Attributes
    ----------
    known : what the reference reads of the target
    past : covariates known up to a row, and whether its target is masked
    ahead : (ahead row, column) covariates known ahead
    ahead_of : function of rows and steps after them to rows of `ahead`
    static : (series, column)

    """

    known: CausalFeatures
    past: Panel
    ahead: Float32Array
    ahead_of: Callable[[IntArray, IntArray], IntArray]
    static: Float32Array


@dataclass(frozen=True, eq=False)
class Differences:
    """Turns the steps around an origin into inputs and targets, and a prediction back into a forecast.

    Attributes
    ----------
    scale : (series,) > 0, in the target's units

    """

    problem: Problem
    reference: Reference
    scale: FloatArray
    encoding: CovariateEncoding

    def windows(self, past: Panel) -> Windows:
        """Prepare a past to take windows from."""
        known = self.reference.causal_features(past)
        return Windows(
            known=known,
            past=past,
            ahead=self.encoding.ahead_columns(past),
            ahead_of=ahead_rows(past, known.series),
            static=self.encoding.static_columns(past),
        )

    def inputs(self, windows: Windows, rows: IntArray) -> FloatArray:
        """Inputs at each origin, (origin, column): the context, oldest first, then covariates.

        Where a series is younger than a context its first value stands for what was before it. Covariates are those
        known up to each step of the context, those known ahead of each step of the horizon (the user's of some steps
        around it as well), and those of the series. Positions in day, week and year are taken at the first step of the
        horizon alone: those of later steps are turned by angles that are always the same, and a hundred columns of them
        would outweigh the rest in a distance.
        """
        known = windows.known
        lags = np.arange(1 - self.problem.context_steps, 1)
        context = np.maximum(rows[:, None] + lags, known.starts(rows)[:, None])  # (origin, lag)
        anchor = self.reference.anchor(known, rows)
        inputs: FloatArray = (known.y[context] - anchor[:, None]) / self._unit(known, rows)
        covariates = self._covariates(windows, rows, context)
        return np.concatenate([inputs, *covariates], axis=1) if covariates else inputs

    def _covariates(self, windows: Windows, rows: IntArray, context: IntArray) -> list[FloatArray]:
        """Covariates of the context, of the horizon and of the series, (origin, column) each."""
        parts = []
        if self.encoding.past.size or self.encoding.target_marked:
            flat = context.reshape(-1)  # (origin * lag,)
            columns = [self.encoding.past_columns(windows.past, flat), self.encoding.mark_columns(windows.past, flat)]
            parts.append(np.concatenate(columns, axis=1).reshape(len(rows), -1))  # (origin, lag * column)
        if windows.ahead.shape[1]:
            lags, leads, horizon = self.encoding.lags, self.encoding.leads, self.problem.horizon
            around = windows.ahead_of(rows, np.arange(1 - lags, horizon + leads + 1))  # (origin, span)
            ahead = windows.ahead[around]  # (origin, span, column)
            given, positions = ~self.encoding.ahead.computed_columns, self.encoding.ahead.positions
            others = ahead[:, lags : lags + horizon, ~(given | positions)]
            parts += [
                ahead[:, lags, positions],
                *(part.reshape(len(rows), -1) for part in (ahead[:, :, given], others)),
            ]
        if windows.static.shape[1]:
            parts.append(windows.static[windows.known.series(rows)])
        return [part.astype(np.float64) for part in parts]

    def targets(self, windows: Windows, rows: IntArray) -> FloatArray:
        """Differences to the reference after each origin, (origin, horizon)."""
        known = windows.known
        ahead = rows[:, None] + np.arange(1, self.problem.horizon + 1)  # (origin, horizon)
        targets: FloatArray = (known.y[ahead] - self.reference.at(known, rows)) / self._unit(known, rows)
        return targets

    def forecasts(self, windows: Windows, rows: IntArray, predicted: FloatArray) -> FloatArray:
        """Forecasts in the target's units from predicted targets, both (origin, horizon)."""
        return self.reference.at(windows.known, rows) + predicted * self._unit(windows.known, rows)

    def loss(self, predicted: FloatArray, targets: FloatArray) -> FloatArray:
        """Error by which fits are compared: absolute, (origin, horizon)."""
        error: FloatArray = np.abs(predicted - targets)
        return error

    def _unit(self, known: CausalFeatures, rows: IntArray) -> FloatArray:
        unit: FloatArray = self.scale[known.series(rows)]
        return unit[:, None]  # (origin, 1)


class Directions(Differences):
    """The same windows with the direction as target: 1/2 where the series has risen, else -1/2.

    A regressor of an outcome estimates its mean, which is its probability; predictions beyond 0 and 1 are clipped.
    """

    def targets(self, windows: Windows, rows: IntArray) -> FloatArray:
        """Outcomes after each origin, (origin, horizon)."""
        return self.problem.question.outcomes(windows.past, rows, self.problem.horizon) - 0.5

    def forecasts(self, windows: Windows, rows: IntArray, predicted: FloatArray) -> FloatArray:
        """Probabilities from predicted targets, both (origin, horizon)."""
        probability: FloatArray = np.clip(predicted + 0.5, 0.0, 1.0)
        return probability

    def loss(self, predicted: FloatArray, targets: FloatArray) -> FloatArray:
        """Error by which fits are compared: squared, as the absolute one is least for a probability of 0 or 1."""
        error: FloatArray = (np.clip(predicted, -0.5, 0.5) - targets) ** 2
        return error


def _fit_differences(reference: str | Reference, past: Panel, train_steps: IntArray, problem: Problem) -> Differences:
    """Fit scale and reference on the training split; a reference that is fitted already keeps its constants.

    Candidates of `auto` are no regressions (`ridge`, `calendar`): lags and covariates are what the regressors read.
    """
    kind = Directions if problem.question.binary else Differences
    return kind(
        problem=problem,
        reference=reference.refit(past, train_steps)
        if isinstance(reference, Reference)
        else fit_reference(reference, past, train_steps, problem, candidates=_CANDIDATES),
        scale=fit_scale(past, train_steps, problem.season_steps),
        encoding=fit_encoding(past, train_steps, problem.lags, problem.leads),
    )


def whole_window_rows(past: Panel, first: IntArray, ends: IntArray, problem: Problem) -> IntArray:
    """Rows of origins with a whole context before them and all targets observed, (origin,).

    The targets lie in the steps `first[i] <= step < ends[i]` of series i. Before a label at the end no target was
    observed and a series may be younger than a context: there is no other origin of it.
    """
    n, horizon = len(past.target), problem.horizon
    step = np.arange(n) - np.repeat(past.offsets[:-1], past.lengths)
    series = np.repeat(np.arange(len(past)), past.lengths)
    holes = np.concatenate([[0], np.cumsum(~past.target_observed)])  # before each row
    targets_end = np.minimum(np.arange(n) + 1 + horizon, n)
    context_steps = 1 if past.at_end else problem.context_steps
    at_origin = holes[1:] if past.at_end else holes[:-1]
    whole = holes[targets_end] == at_origin  # no hole from the origin to its last target
    inside = (step >= np.maximum(first[series], context_steps) - 1) & (step + horizon < ends[series])
    return np.flatnonzero(whole & inside)
