"""What classifiers of symbols read at an origin, as sparse columns: most of them are places in an alphabet.

    LastSymbols   the last symbols, one column each of the alphabet
    BagOfSteps    the mean over all steps so far of each column of the past covariates: of words their relative counts.
                  Where a series is asked for one symbol, its label, there is no symbol before it to read, and it is
                  the series that says which it is

Beside them stand the past covariates of the origin itself, what is known ahead of the step asked for, and what
describes the series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from forecast.forecasters.contexts import observed_run
from forecast.questions.outcomes import alphabet_size, symbol_codes
from forecast.reference.encoding import CovariateEncoding, ahead_shifts, fit_encoding

if TYPE_CHECKING:
    import numpy.typing as npt

    from forecast.series.panel import FloatArray, IntArray, Panel

    Columns: TypeAlias = "sparse.csr_array[np.float64]"

MOST_WEIGHTS = 500_000
"""What a linear classifier may learn of the last symbols, one weight a pair of symbols and a lag: of more it takes
minutes a step."""

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
        """What is read, in words."""
        return f"the last {self.lags} symbols" if self.lags > 1 else "the last symbol"

    def inputs(self, past: Panel, rows: IntArray, step: int) -> Columns:
        """What is known at some origins of a step of the horizon, (origin, column)."""
        codes, first = symbol_codes(past), past.offsets[_series_of(past, rows)]
        parts = []
        for lag in range(self.lags):
            there = np.flatnonzero(rows - lag >= first)
            there = there[codes[rows[there] - lag] >= 0]
            places = (np.ones(len(there)), (there, codes[rows[there] - lag]))
            parts.append(sparse.csr_array(places, shape=(len(rows), self.size)))
        return _beside(parts, _covariates(self.encoding, past, rows, step))


@dataclass(frozen=True, eq=False)
class BagOfSteps:
    """The mean of the columns of all steps of a series up to an origin, and covariates."""

    encoding: CovariateEncoding

    @property
    def reads(self) -> str:
        """What is read, in words."""
        return "the mean of the covariates over all steps so far"

    def inputs(self, past: Panel, rows: IntArray, step: int) -> Columns:
        """What is known at some origins of a step of the horizon, (origin, column)."""
        first = past.offsets[_series_of(past, rows)]
        ends = np.cumsum(rows - first + 1)
        blocks = np.flatnonzero(np.diff(ends // _STEPS_AT_ONCE)) + 1
        parts = [self._means(past, f, r) for f, r in zip(np.split(first, blocks), np.split(rows, blocks), strict=True)]
        return _beside([sparse.vstack(parts, format="csr")], _covariates(self.encoding, past, rows, step))

    def _means(self, past: Panel, first: IntArray, rows: IntArray) -> Columns:
        """Mean of the columns from each first row to each last, (origin, column)."""
        steps = rows - first + 1
        starts = np.cumsum(steps) - steps
        every = np.repeat(first - starts, steps) + np.arange(steps.sum())
        columns = sparse.csr_array(self.encoding.past_columns(past, every), dtype=np.float64)
        weights = (np.repeat(1.0 / steps, steps), np.arange(len(every)), np.append(starts, len(every)))
        return sparse.csr_array(sparse.csr_array(weights, shape=(len(rows), len(every))) @ columns)


def fit_inputs(train: Panel, context_steps: int, lags: int | None) -> LastSymbols | BagOfSteps:
    """Choose what is read, and measure covariates on training.

    Without a number these are the last 8 symbols, fewer where a context is shorter or the alphabet so large that there
    would be more than `MOST_WEIGHTS`.

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
    """Covariates at some origins, known ahead of a step of the horizon, and of their series, (origin, column)."""
    series = _series_of(past, rows)
    parts: list[npt.NDArray[np.float32]] = [
        encoding.past_columns(past, rows),
        _ahead_columns(encoding, past, rows, step),
        encoding.static_columns(past)[series],
    ]
    return np.concatenate(parts, axis=1).astype(np.float64)


def _ahead_columns(encoding: CovariateEncoding, past: Panel, rows: IntArray, step: int) -> npt.NDArray[np.float32]:
    """What is known ahead of a step after some origins, (origin, column)."""
    if past.ahead is None:
        return np.zeros((len(rows), encoding.ahead_columns(past).shape[1]), dtype=np.float32)
    series = _series_of(past, rows)
    at = np.minimum(rows + ahead_shifts(past)[series] + step, past.ahead.offsets[series + 1] - 1)
    return encoding.ahead.encode(past.ahead.values[at], past.ahead.masked[at], past.ahead.channels)


def _series_of(panel: Panel, rows: IntArray) -> IntArray:
    """Numbers of the series that some rows belong to, as many."""
    return np.searchsorted(panel.offsets, rows, side="right") - 1


def _beside(parts: list[Columns], covariates: FloatArray) -> Columns:
    columns = sparse.csr_array(sparse.hstack([*parts, sparse.csr_array(covariates)], format="csr"))
    # Trees of scikit-learn take no longer indices.
    columns.indices, columns.indptr = columns.indices.astype(np.int32), columns.indptr.astype(np.int32)
    return columns
