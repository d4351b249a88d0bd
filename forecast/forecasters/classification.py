"""Classifiers of scikit-learn of symbols: global over the panel, one a step of the horizon.

What they read at an origin are sparse columns, of which most are places in an alphabet:

    LastSymbols   the last symbols, one column each of the alphabet
    BagOfSteps    the mean over all steps so far of each column of the past covariates: of words their relative counts.
                  Where each series has one symbol, its label, there is no symbol before it to read

and, with both, the past covariates of the origin itself, those known ahead of the step that is forecast, and those of
the series. A classifier knows only the symbols that it was fitted on; with the base rates mixed in, weighing as much as
one window more, none is impossible.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.base import clone

from forecast.errors import ForecastError
from forecast.forecasters.estimators import by_category, candidates, copied, first_line, one_thread, thin
from forecast.forecasters.interface import Forecasts, Kind, of_probabilities
from forecast.forecasters.ngrams import observed_run
from forecast.questions.outcomes import alphabet_size, symbol_base_rates, symbol_codes, target_rows
from forecast.reference.encoding import CovariateEncoding, ahead_rows, fit_encoding

if TYPE_CHECKING:
    import numpy.typing as npt

    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

    Columns: TypeAlias = "sparse.csr_array[np.float64]"


_ORIGINS_AT_ONCE = 8192
"""Forecasts are made in blocks, so that windows never take more memory than this many of them."""


@dataclass(frozen=True)
class Classifier:
    """An unfitted classifier under a name.

    Attributes
    ----------
    classifier : unfitted estimator with the conventions of scikit-learn and probabilities; it is copied, never fitted
    choose : values of its parameters that are tried on the validation split, all combinations: those with the fewest
        bits a symbol at the first and the last step of the horizon are taken
    lags : symbols that are read; None: at most 8 (`fit_inputs`)
    max_windows : windows fitted on at each step, at most; of more, as many are drawn at random
    dense : whether it takes no sparse columns

    """

    name: str
    classifier: Any
    choose: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    lags: int | None = None
    max_windows: int = 5_000
    dense: bool = False
    seed: int = 0
    kind: Kind = "scikit-learn"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedClassifier:
        """Fit on the windows of the training split.

        Raises
        ------
        ForecastError
            A target of numbers, or the classifier refuses a parameter.

        """
        train = past.cut(train_steps)
        inputs = fit_inputs(train, problem.context_steps, self.lags)
        rates = symbol_base_rates(past, train_steps, problem.horizon, alphabet_size(past))
        fitting = _Fitting(self, inputs, train, past, train_steps, rates)
        with one_thread():
            params, tried = fitting.choose()
            steps = tuple(tried.get(h) or fitting.fit(params, h) for h in range(1, problem.horizon + 1))
        return FittedClassifier(self, inputs, steps, params)

    def read(self, inputs: LastSymbols | BagOfSteps, panel: Panel, rows: IntArray, step: int) -> Any:
        """Inputs of the classifier at some origins for a step, (origin, column), sparse unless `dense`."""
        columns = inputs.inputs(panel, rows, step)
        return columns.toarray() if self.dense else columns


@dataclass(frozen=True, eq=False)
class FittedClassifier:
    """Fitted models, one for each step of the horizon, with the parameters that were chosen for all of them."""

    forecaster: Classifier
    inputs: LastSymbols | BagOfSteps
    steps: tuple[_Step, ...]
    params: dict[str, Any]

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what it reads, what it was fitted on, what was chosen, and its warnings."""
        used, available = self.steps[0].windows, self.steps[0].available
        notes = [f"reads {self.inputs.reads}"]
        notes += [f"fitted on {used} of {available} windows"] if used < available else []
        notes += [f"{key} {value} chosen on the validation split" for key, value in self.params.items()]
        return (*notes, *by_category([warning for step in self.steps for warning in step.caught]))

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Classify what comes after each origin."""
        rows = origins.rows(past)
        probabilities = np.empty((len(rows), len(self.steps), len(self.steps[0].rates)))
        for i in range(0, len(rows), _ORIGINS_AT_ONCE):
            block = slice(i, i + _ORIGINS_AT_ONCE)
            for h, step in enumerate(self.steps, start=1):
                with one_thread():
                    x = self.forecaster.read(self.inputs, past, rows[block], h)
                    probabilities[block, h - 1] = step.probabilities(x)
        return of_probabilities(probabilities)

    def chosen(self) -> Classifier:
        """Return the forecaster with everything fixed that was chosen on validation, to fit on all rows."""
        fixed = clone(self.forecaster.classifier).set_params(**self.params)
        return replace(self.forecaster, classifier=fixed, choose={})


@dataclass(frozen=True, eq=False)
class _Step:
    """A model of one step of the horizon.

    Attributes
    ----------
    model : fitted; None where its windows have fewer than two symbols among them
    symbols : (class,) codes of those that it knows
    rates : (symbol,) base rates
    windows, available : how many it was fitted on, of how many
    caught : its warnings

    """

    model: Any
    symbols: IntArray
    rates: FloatArray
    windows: int
    available: int
    caught: tuple[warnings.WarningMessage, ...] = ()

    def probabilities(self, x: Any) -> FloatArray:
        """Probabilities of all symbols, (window, symbol): (n P(symbol | x) + base rate) / (n + 1), of n windows."""
        predicted = np.zeros((x.shape[0], len(self.rates)))
        predicted[:, self.symbols] = 1.0 if self.model is None else self.model.predict_proba(x)
        mixed = self.windows * predicted + self.rates
        probabilities: FloatArray = mixed / mixed.sum(axis=1, keepdims=True)
        return probabilities


@dataclass(frozen=True, eq=False)
class _Fitting:
    """What models are fitted on and compared by; `rates`, (horizon, symbol), are base rates of the training split."""

    forecaster: Classifier
    inputs: LastSymbols | BagOfSteps
    train: Panel
    past: Panel
    train_steps: IntArray
    rates: FloatArray

    def choose(self) -> tuple[dict[str, Any], dict[int, _Step]]:
        """Return the parameters with the fewest bits a symbol on the validation split, and their models by step."""
        ends = {h: self._validation_rows(h) for h in sorted({1, len(self.rates)})}
        ends = {h: rows for h, rows in ends.items() if len(rows)}
        tried = candidates(self.forecaster.choose if ends else {})
        if len(tried) == 1:
            return tried[0], {}
        fits = [{h: self.fit(params, h) for h in ends} for params in tried]
        bits = [sum(self._bits(fitted[h], h, rows) for h, rows in ends.items()) for fitted in fits]
        best = int(np.argmin(bits))
        return tried[best], fits[best]

    def fit(self, params: Mapping[str, Any], step: int) -> _Step:
        """Fit one model."""
        available = target_rows(self.train, np.zeros_like(self.train_steps), step) - step
        rows = thin(available, self.forecaster.max_windows, self.forecaster.seed)
        codes = symbol_codes(self.train)[rows + step]
        fitted = _Step(None, np.unique(codes), self.rates[step - 1], len(rows), len(available))
        if len(fitted.symbols) < 2:
            return fitted
        model = copied(self.forecaster.classifier, params, self.forecaster.seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model.fit(self.forecaster.read(self.inputs, self.train, rows, step), codes)
            except (TypeError, ValueError) as error:
                raise ForecastError(f"baseline {self.forecaster.name!r}: {first_line(error)}") from error
        return replace(fitted, model=model, caught=tuple(caught))

    def _validation_rows(self, step: int) -> IntArray:
        """Rows of origins with their target at a step in the validation split, (origin,)."""
        rows = target_rows(self.past, self.train_steps, step) - step
        return thin(rows, self.forecaster.max_windows, self.forecaster.seed)

    def _bits(self, fitted: _Step, step: int, rows: IntArray) -> float:
        """Mean -log2 P of the symbols that came."""
        probabilities = fitted.probabilities(self.forecaster.read(self.inputs, self.past, rows, step))
        outcomes = symbol_codes(self.past)[rows + step]
        return float(-np.log2(probabilities[np.arange(len(rows)), outcomes]).mean())


MOST_WEIGHTS = 500_000
"""Weights of a linear classifier at most, one a pair of symbols and a lag: more take minutes a step."""

_STEPS_AT_ONCE = 8192
"""Steps that are encoded at once for a mean: a vocabulary is thousands of columns."""


@dataclass(frozen=True, eq=False)
class LastSymbols:
    """The last `lags` symbols of an alphabet of `size`, and covariates; one that was not observed has no column."""

    size: int
    lags: int
    encoding: CovariateEncoding

    @property
    def reads(self) -> str:
        """The inputs, in words."""
        return f"the last {self.lags} symbols" if self.lags > 1 else "the last symbol"

    def inputs(self, past: Panel, rows: IntArray, step: int) -> Columns:
        """Inputs at some origins for a step of the horizon, (origin, column)."""
        codes, first = symbol_codes(past), past.offsets[_series_of(past, rows)]
        parts = []
        for lag in range(self.lags):
            known = np.flatnonzero(rows - lag >= first)
            known = known[codes[rows[known] - lag] >= 0]  # origins whose symbol at the lag was observed
            places = (np.ones(len(known)), (known, codes[rows[known] - lag]))
            parts.append(sparse.csr_array(places, shape=(len(rows), self.size)))
        return _side_by_side(parts, _covariates(self.encoding, past, rows, step))


@dataclass(frozen=True, eq=False)
class BagOfSteps:
    """The mean of the columns of all steps of a series up to an origin, and covariates."""

    encoding: CovariateEncoding

    @property
    def reads(self) -> str:
        """The inputs, in words."""
        return "the mean of the covariates over all steps so far"

    def inputs(self, past: Panel, rows: IntArray, step: int) -> Columns:
        """Inputs at some origins for a step of the horizon, (origin, column)."""
        first = past.offsets[_series_of(past, rows)]
        ends = np.cumsum(rows - first + 1)  # steps to be encoded up to each origin
        blocks = np.flatnonzero(np.diff(ends // _STEPS_AT_ONCE)) + 1
        parts = [self._means(past, f, r) for f, r in zip(np.split(first, blocks), np.split(rows, blocks), strict=True)]
        return _side_by_side([sparse.vstack(parts, format="csr")], _covariates(self.encoding, past, rows, step))

    def _means(self, past: Panel, first: IntArray, rows: IntArray) -> Columns:
        """Mean of the columns from each first row to each last, (origin, column)."""
        steps = rows - first + 1
        starts = np.cumsum(steps) - steps
        # All rows from each first to each last, one origin after the other; a sparse matrix of 1/n averages them.
        every = np.repeat(first - starts, steps) + np.arange(steps.sum())
        columns = sparse.csr_array(self.encoding.past_columns(past, every), dtype=np.float64)
        weights = (np.repeat(1.0 / steps, steps), np.arange(len(every)), np.append(starts, len(every)))
        return sparse.csr_array(sparse.csr_array(weights, shape=(len(rows), len(every))) @ columns)


def fit_inputs(train: Panel, context_steps: int, lags: int | None) -> LastSymbols | BagOfSteps:
    """Choose what is read, and fit the encoding of covariates on training.

    `lags` None takes the last 8 symbols, fewer where a context is shorter or the alphabet so large that there would be
    more than `MOST_WEIGHTS`.

    Raises
    ------
    ForecastError
        A target of numbers.

    """
    size, encoding = alphabet_size(train), fit_encoding(train, train.lengths)
    if encoding.past.size and _one_symbol_each(train):
        return BagOfSteps(encoding)
    return LastSymbols(size, lags or max(min(context_steps, 8, MOST_WEIGHTS // size**2), 1), encoding)


def _one_symbol_each(train: Panel) -> bool:
    """Whether no series has more than one symbol."""
    counts = np.bincount(_series_of(train, np.flatnonzero(observed_run(train) > 0)), minlength=1)
    return bool(counts.max() <= 1)


def _covariates(encoding: CovariateEncoding, past: Panel, rows: IntArray, step: int) -> FloatArray:
    """Covariates of some origins, those known ahead of a step of the horizon, and of the series, (origin, column)."""
    series = _series_of(past, rows)
    parts: list[npt.NDArray[np.float32]] = [
        encoding.past_columns(past, rows),
        _ahead_columns(encoding, past, rows, step),
        encoding.static_columns(past)[series],
    ]
    return np.concatenate(parts, axis=1).astype(np.float64)


def _ahead_columns(encoding: CovariateEncoding, past: Panel, rows: IntArray, step: int) -> npt.NDArray[np.float32]:
    """Covariates known ahead of a step after some origins, (origin, column)."""
    if past.ahead is None:
        return np.zeros((len(rows), encoding.ahead_columns(past).shape[1]), dtype=np.float32)
    at = ahead_rows(past, partial(_series_of, past))(rows, np.array([step]))[:, 0]
    return encoding.ahead.encode(past.ahead.values[at], past.ahead.masked[at], past.ahead.channels)


def _series_of(panel: Panel, rows: IntArray) -> IntArray:
    """Numbers of the series that some rows belong to, (row,)."""
    return np.searchsorted(panel.offsets, rows, side="right") - 1


def _side_by_side(parts: list[Columns], covariates: FloatArray) -> Columns:
    columns = sparse.csr_array(sparse.hstack([*parts, sparse.csr_array(covariates)], format="csr"))
    # Trees of scikit-learn take no longer indices.
    columns.indices, columns.indptr = columns.indices.astype(np.int32), columns.indptr.astype(np.int32)
    return columns
