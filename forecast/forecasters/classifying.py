"""Classifiers of scikit-learn on windows of symbols: global over the panel, one a step of the horizon.

What they read is said in `symbol_windows`. A classifier knows only the symbols that it was fitted on; with the base
rates mixed in, weighing as much as one window more, none is impossible.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from forecast.errors import ForecastError
from forecast.forecasters.estimators import by_category, candidates, copied, first_line, one_thread
from forecast.forecasters.interface import Forecasts, Kind, of_probabilities
from forecast.forecasters.symbol_windows import BagOfSteps, LastSymbols, fit_inputs
from forecast.forecasters.windows import thin
from forecast.questions.outcomes import alphabet_size, symbol_base_rates, symbol_codes, target_rows

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

_ORIGINS_AT_ONCE = 8192
"""Forecasts are made in blocks, so that windows never take more memory than this many of them."""


@dataclass(frozen=True)
class Classifier:
    """A classifier under a name.

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
        """Read at some origins what the classifier is given of a step, (origin, column), sparse unless `dense`."""
        columns = inputs.inputs(panel, rows, step)
        return columns.toarray() if self.dense else columns


@dataclass(frozen=True, eq=False)
class FittedClassifier:
    """Fitted models, one a step of the horizon, with the parameters that were chosen for all of them."""

    forecaster: Classifier
    inputs: LastSymbols | BagOfSteps
    steps: tuple[_Step, ...]
    params: dict[str, Any]

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what it reads, what it was fitted on, what was chosen, and what it warned of."""
        used, there = self.steps[0].windows, self.steps[0].available
        notes = [f"reads {self.inputs.reads}"] + ([f"fitted on {used} of {there} windows"] if used < there else [])
        notes += [f"{key} {value} chosen on the validation split" for key, value in self.params.items()]
        return (*notes, *by_category([one for step in self.steps for one in step.caught]))

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
    caught : what it warned of

    """

    model: Any
    symbols: IntArray
    rates: FloatArray
    windows: int
    available: int
    caught: tuple[warnings.WarningMessage, ...] = ()

    def probabilities(self, x: Any) -> FloatArray:
        """Uniforms of all symbols, (window, symbol)."""
        told = np.zeros((x.shape[0], len(self.rates)))
        told[:, self.symbols] = 1.0 if self.model is None else self.model.predict_proba(x)
        mixed = self.windows * told + self.rates
        probabilities: FloatArray = mixed / mixed.sum(axis=1, keepdims=True)
        return probabilities


@dataclass(frozen=True, eq=False)
class _Fitting:
    """What models are fitted on and compared by; `rates`, (horizon, symbol), are those of the training split."""

    forecaster: Classifier
    inputs: LastSymbols | BagOfSteps
    train: Panel
    past: Panel
    train_steps: IntArray
    rates: FloatArray

    def choose(self) -> tuple[dict[str, Any], dict[int, _Step]]:
        """Take the candidates with the fewest bits a symbol on the validation split, and the models fitted for it."""
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
        """Mean -log2 of the chance given to what came."""
        probabilities = fitted.probabilities(self.forecaster.read(self.inputs, self.past, rows, step))
        came = symbol_codes(self.past)[rows + step]
        return float(-np.log2(probabilities[np.arange(len(rows)), came]).mean())
