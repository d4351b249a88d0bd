"""Effects of covariates that are known ahead, and of holidays: taken off a series before a forecast, put back after it.

A univariate forecaster knows nothing of a promotion. With covariates x_t of each step, the target (or its logarithm)
is

    y_t = b . x_t + n_t,    F n_t = e_t white

where n_t is what the forecaster forecasts: a series with a level that wanders and seasons that drift. F is the
one-step error of an exponential smoother of the season and, after it, of the level; it is linear, so that trend and
seasons need no columns: F y_t = b . F x_t + e_t is a regression with white errors, in closed form (generalised least
squares by whitening; Cochrane and Orcutt 1949). F is chosen among a few by its likelihood, additive or multiplicative
effects too.

A covariate is taken in only where it lowers the criterion of Schwarz (1978) by itself, the one that lowers it most
first, alone or with the steps around it; its coefficients are then shrunk by 1 - 1 / F of its test (as James and Stein
1961), so that noise is left out, and what slips in is small. Series of a panel share the choice, and each one's
coefficients are drawn towards those of all.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forecast.errors import ForecastError
from forecast.reference.calendar_regression import exponential_mean
from forecast.reference.encoding import ahead_rows, empty_encoding, fit_encoding, restore_encoding
from forecast.series.date_features import HOLIDAYS
from forecast.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from forecast.questions.kinds import Problem
    from forecast.reference.encoding import CovariateEncoding
    from forecast.series.panel import Channel, FloatArray, IntArray, Panel

    _Members = tuple[IntArray, ...]
    Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]

_LEVELS = (0.1, 0.3, 0.6, 1.0)
"""Smoothing constants of the level that are tried; 1: differences."""
_SEASONS = (None, 0.3)
"""Of the season; None: it is not smoothed away."""
_LEAST_ROWS = 10
_MOST_SERIES = 200
"""Of a panel that the choice is made on."""
_POOLED_ROWS = 30.0
"""Rows that the coefficients of all series count for in those of one."""
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects of each column on each series.

    Attributes
    ----------
    weights : (series, lag and column), lags from `-leads` to `lags`, 0 of what is left out; in the target's units, or
        those of its logarithm
    log : whether effects multiply
    encoding : of all channels known ahead

    """

    weights: FloatArray
    log: bool
    encoding: CovariateEncoding

    @property
    def shifts(self) -> range:
        """Steps that a covariate lies before the step that it acts on."""
        return range(-self.encoding.leads, self.encoding.lags + 1)

    def at(self, panel: Panel, beyond: int) -> list[FloatArray]:
        """Effect at each step of each series and `beyond` steps after it, (step + beyond,)."""
        return [x @ w for x, w in zip(_columns(panel, self.encoding, beyond), self.weights, strict=True)]

    def of_span(self, span: FloatArray) -> FloatArray:
        """Effects over a horizon, (series, step), from columns (series, span, column) of it and the steps around it."""
        steps = span.shape[1] - self.encoding.lags - self.encoding.leads
        first = self.encoding.lags
        columns = [span[:, first - shift : first - shift + steps] for shift in self.shifts]
        effects: FloatArray = np.einsum("ntk,nk->nt", np.concatenate(columns, axis=2), self.weights)
        return effects

    def take_off(self, values: FloatArray, effect: FloatArray) -> FloatArray:
        """Values without their effects."""
        return values * np.exp(-effect) if self.log else values - effect

    def put_back(self, forecasts: FloatArray, effect: FloatArray) -> FloatArray:
        """Forecasts (..., horizon or more) with effects that fit them."""
        return forecasts * np.exp(effect) if self.log else forecasts + effect

    def of_series(self, i: int) -> Effects:
        """Effects on one of the series."""
        return replace(self, weights=self.weights[i : i + 1])

    @property
    def names(self) -> tuple[str, ...]:
        """What has an effect."""
        used = (self.weights.reshape(len(self.weights), len(self.shifts), -1) != 0).any(axis=(0, 1))
        return tuple(dict.fromkeys(itertools.compress(_channel_of_columns(self.encoding), used)))

    def arrays(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that `restore_effects` needs, beside the channels."""
        encoded = {f"encoding.{name}": array for name, array in self.encoding.arrays().items()}
        return {**encoded, "weights": self.weights, "log": np.array([self.log], dtype=np.int64)}


def restore_effects(channels: Sequence[Channel], problem: Problem, series: int, arrays: Arrays) -> Effects:
    """Put saved arrays, as `Effects.arrays` gave them, together again.

    Raises
    ------
    ForecastError
        An array that is missing, is not known, or has another shape or type.

    """
    ahead = tuple(channel for channel in channels if channel.role == "future")
    wanted = {f"encoding.{name}": array for name, array in empty_encoding(ahead).arrays().items()}
    wanted["log"] = np.zeros(1, dtype=np.int64)
    _check(wanted, {name: array for name, array in arrays.items() if name != "weights"})
    saved = {name.removeprefix("encoding."): a for name, a in arrays.items() if name.startswith("encoding.")}
    encoding = restore_encoding(ahead, saved).with_lags(problem.lags, problem.leads)
    empty = Effects(np.zeros((series, 0)), log=bool(arrays["log"][0]), encoding=encoding)
    width = len(empty.shifts) * encoding.ahead.size
    weights = {"weights": np.zeros((series, width))}
    _check(weights, {name: array for name, array in arrays.items() if name == "weights"})
    return replace(empty, weights=np.array(arrays["weights"]))


def _check(wanted: Arrays, found: Arrays) -> None:
    for name in sorted(wanted.keys() | found.keys()):
        want, have = (f"{a[name].dtype} {a[name].shape}" if name in a else "nothing" for a in (wanted, found))
        if want != have:
            raise ForecastError(
                f"saved array 'effects.{name}' should be {want}, found {have}: the weights do not belong to these data"
            )


def known_ahead_alone(panel: Panel) -> Panel:
    """Drop covariates that are known up to a row only, and those of a series."""
    return replace(
        panel,
        values=panel.values[:, :1],
        observed=panel.observed[:, :1],
        channels=panel.channels[:1],
        masked=None,
        static=None,
    )


def fit_effects(past: Panel, train_steps: IntArray, problem: Problem) -> Effects | None:
    """Fit the effects on the first `train_steps[i]` steps of each series; None where none is shown."""
    if past.ahead is None or not _groups(past.ahead.channels):
        return None
    panel = known_ahead_alone(past)
    encoding = fit_encoding(panel, train_steps, problem.lags, problem.leads)
    empty = Effects(np.zeros((len(panel), 0)), log=False, encoding=encoding)
    groups = _column_groups(empty)
    every = max(-(-len(panel) // _MOST_SERIES), 1)
    some = range(0, len(panel), every)
    tables = [
        (np.where(panel.target_observed[rows], panel.target[rows], np.nan)[:n], x[:n])
        for (_, rows), x, n in zip(
            panel.series(), _columns(panel, encoding, problem.horizon), train_steps.tolist(), strict=True
        )
    ]
    seen = np.concatenate([y[~np.isnan(y)] for y, _ in tables]) if tables else np.empty(0)
    positive = bool(len(seen)) and bool((seen > 0).all())
    found: list[_Found] = []
    for log, alpha, gamma in itertools.product((False, True) if positive else (False,), _LEVELS, _SEASONS):
        whitening = Whitening(alpha, gamma, problem.season_steps, log=log)
        moments = [m for i in some if (m := whitening.moments(*tables[i])) is not None]
        if moments:
            found.append(_choose(moments, groups, whitening))
    best = min(found, key=lambda one: one.criterion, default=None)
    if best is None or not len(best.columns):
        return None
    weights = np.zeros((len(panel), len(empty.shifts) * encoding.ahead.size))
    for i, table in enumerate(tables):
        weights[i, best.columns] = _of_series(best, best.whitening.moments(*table))
    return Effects(weights, best.whitening.log, encoding)


class _Moments(NamedTuple):
    """Sums over the whitened rows of a series: squares of y, of y with x, of x, in units of its own errors."""

    rows: int
    unit: float
    yy: float
    xy: FloatArray
    xx: FloatArray
    jacobian: float


class _Found(NamedTuple):
    columns: IntArray
    shrink: FloatArray
    criterion: float
    pooled: FloatArray
    mean_xx: FloatArray
    whitening: Whitening


@dataclass(frozen=True)
class Whitening:
    """One-step errors of exponential smoothers with fixed constants: of the season, then of the level."""

    level: float
    season: float | None
    season_steps: int
    log: bool

    def moments(self, y: FloatArray, x: FloatArray) -> _Moments | None:
        """Whiten y (step,) and x (step, column); None where too few rows are left."""
        known = np.flatnonzero(~np.isnan(y))
        if len(known) < _LEAST_ROWS:
            return None
        seen = ~np.isnan(y)
        filled = np.interp(np.arange(len(y)), known, y[known])
        table = np.column_stack([np.log(filled) if self.log else filled, x])
        seasonal = self.season is not None and self.season_steps > 1
        if seasonal and len(y) < 2 * self.season_steps + _LEAST_ROWS:
            return None
        burnt = self.season_steps if seasonal else 0
        if seasonal:
            table = _seasonal_errors(table, self.season_steps, float(self.season or 0.0))[burnt:]
        start = min(math.ceil(1 / self.level), max(len(table) // 4, 1))
        errors = _level_errors(table, self.level, start)[start:]
        used = seen[burnt + start :]
        errors = errors[used]
        if len(errors) < _LEAST_ROWS:
            return None
        errors = errors - errors.mean(axis=0)
        unit = float(errors[:, 0].std()) or 1.0
        e, z = errors[:, 0] / unit, errors[:, 1:] / (unit if self.log else 1.0)
        jacobian = 2 * float(np.log(y[burnt + start :][used]).sum()) if self.log else 0.0
        return _Moments(len(e), unit, float(e @ e), e @ z, z.T @ z, jacobian)


def _seasonal_errors(table: FloatArray, season: int, gamma: float) -> FloatArray:
    """Errors of an exponential mean of each phase of the season, (step, column); zero in the first season."""
    steps, columns = table.shape
    cycles = -(-steps // season)
    padded = np.concatenate([table, np.zeros((cycles * season - steps, columns))]).reshape(cycles, season, columns)
    return _level_errors(padded, gamma, 1).reshape(-1, columns)[:steps]


def _level_errors(table: FloatArray, alpha: float, start: int) -> FloatArray:
    """Errors of an exponential mean along the first axis that begins at the mean of the first rows; zero in these."""
    level = table[:start].mean(axis=0)
    before = np.concatenate([level[None], exponential_mean(table[start:], alpha, level)[:-1]])
    return np.concatenate([np.zeros_like(table[:start]), table[start:] - before])


def _choose(moments: Sequence[_Moments], groups: Sequence[_Members], whitening: Whitening) -> _Found:
    """Take groups in as long as one lowers the criterion of Schwarz; the criterion of what comes of it."""
    rows = sum(m.rows for m in moments)
    yy = sum(m.yy for m in moments)
    xy, xx = np.sum([m.xy for m in moments], axis=0), np.sum([m.xx for m in moments], axis=0)
    penalty = math.log(rows)
    many = 2 * math.log(max(len(groups), 1))
    taken = np.zeros(0, dtype=np.int64)
    left, open_groups = yy, list(range(len(groups)))
    while open_groups:
        best: tuple[float, int, IntArray, float] | None = None
        for g in open_groups:
            for columns in groups[g]:
                both = np.union1d(taken, columns)
                if len(both) > rows // 5:
                    continue
                rest = _left(yy, xy, xx, both)
                gain = rows * math.log(left / max(rest, _TINY * yy)) - penalty * len(columns) - many
                if gain > 0 and (best is None or gain > best[0]):
                    best = gain, g, both, rest
        if best is None:
            break
        _, g, taken, left = best
        open_groups.remove(g)
    mean_xx = xx / rows
    pooled = _solve(xx, xy, taken)
    shrink = np.ones(len(taken))
    for members in groups:
        own = np.intersect1d(taken, np.concatenate(members))
        if len(own):
            without = _left(yy, xy, xx, np.setdiff1d(taken, own))
            f = (without - left) / len(own) / max(left / max(rows - len(taken), 1), _TINY * yy)
            shrink[np.isin(taken, own)] = max(1 - 1 / max(f, 1.0), 0.0)
    criterion = sum(2 * m.rows * math.log(m.unit) + m.jacobian for m in moments)
    criterion += rows * math.log(max(left, _TINY * yy) / rows) + penalty * len(taken)
    return _Found(taken, shrink, criterion, pooled, mean_xx[np.ix_(taken, taken)], whitening)


def _left(yy: float, xy: FloatArray, xx: FloatArray, columns: IntArray) -> float:
    """Sum of squares that a regression on some columns leaves over."""
    return yy - float(xy[columns] @ _solve(xx, xy, columns)) if len(columns) else yy


def _solve(xx: FloatArray, xy: FloatArray, columns: IntArray) -> FloatArray:
    """Coefficients (column,) of some columns; of those that say the same, the smallest."""
    if not len(columns):
        return np.zeros(0)
    gram = xx[np.ix_(columns, columns)]
    ridge = 1e-8 * np.trace(gram) / len(columns) + 1e-300
    solved: FloatArray = np.linalg.solve(gram + ridge * np.eye(len(columns)), xy[columns])
    return solved


def _of_series(found: _Found, moments: _Moments | None) -> FloatArray:
    """Coefficients of one series, drawn towards those of all, in the target's units or those of its logarithm."""
    log = found.whitening.log
    if moments is None:  # too short: those of all, in its own unit if that is known
        return found.pooled * found.shrink if log else np.zeros(len(found.columns))
    own = np.ix_(found.columns, found.columns)
    prior = _POOLED_ROWS * found.mean_xx
    gram = moments.xx[own] + prior
    gram += (1e-8 * np.trace(gram) / len(gram) + 1e-300) * np.eye(len(gram))
    solved = np.linalg.solve(gram, moments.xy[found.columns] + prior @ found.pooled)
    return np.asarray(solved * found.shrink * (1.0 if log else moments.unit), dtype=np.float64)


def _groups(channels: Sequence[Channel]) -> list[str]:
    """Name the covariates that are looked at: the user's, and holidays."""
    return [channel.name for channel in channels if channel.computed is None or channel.computed.startswith(HOLIDAYS)]


def _channel_of_columns(encoding: CovariateEncoding) -> list[str]:
    """Name of the channel that each column belongs to; holidays are one."""
    ahead = encoding.ahead
    names = []
    for channel, width, mark in zip(ahead.channels, ahead.widths, ahead.marked, strict=True):
        of_holidays = channel.computed is not None and channel.computed.startswith(HOLIDAYS)
        names += ["holidays" if of_holidays else channel.name] * (width + int(mark))
    return names


def _column_groups(effects: Effects) -> list[_Members]:
    """Columns of each covariate among all lags, (lag and column,): of the step itself, and with the steps around it."""
    encoding, shifts = effects.encoding, effects.shifts
    names, size = _channel_of_columns(encoding), encoding.ahead.size
    looked_at = {*_groups(encoding.ahead.channels), "holidays"}
    now = list(shifts).index(0) * size
    members: list[_Members] = []
    for name in dict.fromkeys(names):
        if name not in looked_at:
            continue
        columns = np.array([j for j, other in enumerate(names) if other == name])
        alone = now + columns
        around = np.concatenate([k * size + columns for k in range(len(shifts))])
        lagged = name != "holidays" and len(shifts) > 1
        members.append((alone, around) if lagged else (alone,))
    return members


def _columns(panel: Panel, encoding: CovariateEncoding, beyond: int) -> Iterator[FloatArray]:
    """Columns of each series at its steps and some beyond, (step + beyond, lag and column)."""
    ahead = encoding.ahead_columns(known_ahead_alone(panel))
    rows_ahead = ahead_rows(panel, lambda rows: np.searchsorted(panel.offsets, rows, side="right") - 1)
    for _, rows in panel.series():
        steps = np.arange(rows.stop - rows.start + beyond)
        shifts = range(-encoding.leads, encoding.lags + 1)
        parts = [ahead[rows_ahead(np.array([rows.start]), steps - shift)[0]] for shift in shifts]
        yield np.concatenate(parts, axis=1).astype(np.float64)


def note_of(effects: Effects | None, channels: Sequence[Channel]) -> str:
    """Say which covariates have an effect, and which none that could be told from chance; "" where there are none."""
    looked_at = list(
        dict.fromkeys("holidays" if c.computed else c.name for c in channels if c.name in _groups(channels))
    )
    if not looked_at:
        return ""
    used = effects.names if effects else ()
    left_out = [name for name in looked_at if name not in used]
    parts = [f"taken off before and put back after: {listed(list(used))}"] if used else []
    parts += [f"no effect of {listed(left_out)} was found"] if left_out else []
    return "; ".join(parts)
