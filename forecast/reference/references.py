"""References: simple forecasts in closed form; a network forecasts the difference to one.

`last`, `seasonal`, `mean` and `level` have at most one constant to fit; the blends are, for each series and horizon
step, a weighted sum of these and more, fitted on the training split (`blends`), and `ridge` one of the latest values.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.reference.blends import CRITERIA, SEASON_LAGS, BlendFit, batches, blend_terms, lag_terms, terms
from forecast.reference.causal_features import CausalFeatures, PanelFeatures

if TYPE_CHECKING:
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

CALENDAR = "calendar"

CANDIDATES = ("last", "seasonal", "mean", "level", "blend", "ridge", CALENDAR)
"""Candidates of `auto`, simplest first: it leaves one for a later one where that is assured to be better."""

READ_COVARIATES = ("ridge_channels", CALENDAR)

NAMES = (*CANDIDATES, "ridge_channels", "blend_mae", "blend_owa", "none")
"""Every value of `model.reference` but `auto`."""

_COURSE_STEPS = 12
"""At most so many steps of a blend's forecast are inputs of the network that corrects it."""

_FAR_OUT = 3.0
"""Quartile ranges beyond the quartiles from which on a value does not widen the range that a network reads."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A fitted reference: forecasts, and the inputs of a network that corrects them.

    Attributes
    ----------
    smoothing : weight of a new value in the exponential mean, alpha
    ridge : ridge constant of a blend, relative to the mean square of its terms
    centre : (series,) training mean, the forecast of `none`
    weights : (series, horizon, term) of a blend; the others have no terms
    bounds : (series, 2) within which a network reads the value itself; (series, 0): it reads differences alone
    lags : values before the last that `ridge` reads; the others read none of them one by one
    channels : (series, channel, 2) mean and factor of the covariates that `ridge_channels` reads; others read none

    """

    name: str
    horizon: int
    season_steps: int
    smoothing: float
    ridge: float
    centre: FloatArray
    weights: FloatArray
    bounds: FloatArray
    lags: int = 0
    channels: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 2)))

    def causal_features(self, past: Panel) -> CausalFeatures:
        """Causal features of every row of a past: what `at`, `anchor` and `inputs` read."""
        return PanelFeatures(past, self.smoothing, self.season_steps, self.channels)

    def at(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Forecasts made at some rows, (row, horizon)."""
        if self.name == "seasonal":
            return features.seasons_before(rows, self.horizon, self.season_steps, 1)
        if self.reads_course:
            return self._blend(features, rows, np.arange(1, self.horizon + 1))
        return np.repeat(self.anchor(features, rows)[:, None], self.horizon, axis=1)

    def forecast(self, past: Panel, origins: Origins) -> FloatArray:
        """Forecasts made at some origins, (origin, horizon)."""
        return self.at(self.causal_features(past), origins.rows(past))

    def anchor(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Level that is subtracted from windows ending at some rows, (row,)."""
        if self.name == "none":
            return self.centre[features.series(rows)]
        if self.name == "mean":
            return features.mean[rows]
        if self.name == "level":
            return features.level[rows]
        return features.y[rows]

    def inputs(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Network inputs at some rows, (row, input): differences of the value to causal features and the reference.

        The last is the value itself (`level_of`), where the network reads it.
        """
        y = features.y[rows]
        differences = [y - features.before(rows, 1), y - features.level[rows]]
        if self.season_steps > 1:
            differences.append(y - features.before(rows, self.season_steps))
        if self._reads_anchor:
            differences.append(y - self.anchor(features, rows))
        if self.reads_course:
            differences.append(y - self._previous_forecast(features, rows))  # error of the blend one step ahead
            differences.extend(self._course(features, rows).T)
        if self.reads_level:
            differences.append(self.level_of(y, features.series(rows)))
        return np.stack(differences, axis=1)  # (row, input)

    @property
    def input_size(self) -> int:
        """Number of inputs."""
        course = len(self.course_steps) if self.reads_course else 0
        reference = self._reads_anchor or self.reads_course
        return 2 + (self.season_steps > 1) + reference + course + self.reads_level

    @property
    def reads_course(self) -> bool:
        """Whether inputs are what it forecasts, and how far it was off."""
        return self.name in CRITERIA or self.name == CALENDAR

    @property
    def channel_count(self) -> int:
        """Numbers that are read at a row beside the target."""
        return int(self.channels.shape[1])

    def of_series(self, which: IntArray) -> Reference:
        """Return the reference of some of its series, of which one may occur more than once."""
        arrays: dict[str, Any] = {name: array[which] for name, array in self.arrays().items()}
        return replace(self, **arrays)

    @property
    def reads_level(self) -> bool:
        """Whether the last input is the value itself."""
        return bool(self.bounds.size)

    @property
    def _reads_anchor(self) -> bool:
        """Whether the difference to the anchor is an input; that to the centre is the level, without bounds."""
        return self.name == "mean" or (self.name == "none" and not self.reads_level)

    def level_of(self, y: FloatArray, series: IntArray) -> FloatArray:
        """Values within the bounds of their series, about the middle of these, (row,)."""
        low, high = self.bounds[series].T
        level: FloatArray = np.minimum(np.maximum(y, low), high) - (low + high) / 2
        return level

    @property
    def expected_input(self) -> int | None:
        """Position of the input that is the reference's one-step error, None where there is none."""
        return 2 + (self.season_steps > 1) if self.reads_course else None

    @property
    def memory_steps(self) -> int:
        """Steps up to an origin whose values are read one by one; running means summarise all before."""
        return max(max(SEASON_LAGS) * self.season_steps, self.lags) + 2

    def refit(self, past: Panel, train_steps: IntArray, left_out: IntArray | None = None) -> Reference:
        """Fit centres and weights on another training split; the chosen smoothing and ridge constant stay.

        Weights of a blend are fitted without the steps `left_out`, (series, 2) first and end.
        """
        past = past if self.channels.size else past.target_alone()
        bounds = value_bounds(past, train_steps) if self.reads_level else self.bounds
        channels = channel_units(past, train_steps) if self.channels.size else self.channels
        refitted = replace(self, centre=centres(past, train_steps), bounds=bounds, channels=channels)
        if self.name not in CRITERIA:
            return refitted
        return replace(refitted, weights=blend_weights(refitted, past, train_steps, left_out))

    def _blend(self, features: CausalFeatures, rows: IntArray, ahead: IntArray) -> FloatArray:
        """Forecasts of the steps t + `ahead`, y_t + sum_j w_j (term_j - y_t), (row, step)."""
        y = features.y[rows][:, None]
        series = features.series(rows)
        if self.lags:
            return y + self._weighted_lags(lag_terms(features, rows, self.lags), series, ahead)
        total = np.repeat(y, len(ahead), axis=1)
        by_term = np.ascontiguousarray(np.moveaxis(self.weights[:, ahead - 1], 2, 0))  # (term, series, step)
        for weights, term in zip(by_term, terms(features, rows, ahead, self.season_steps), strict=True):
            total += weights[series] * (term - y)
        return total

    def _weighted_lags(self, lagged: FloatArray, series: IntArray, ahead: IntArray) -> FloatArray:
        """Sum of w_j (term_j - y_t) over the terms of `ridge`, (row, term) -> (row, step)."""
        total = np.empty((len(lagged), len(ahead)))
        for i in np.unique(series):
            of_series = series == i
            total[of_series] = lagged[of_series] @ self.weights[i, ahead - 1].T
        return total

    def _previous_forecast(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Forecast of each row's value made one row earlier; the value itself at a series' first row, (row,)."""
        first = rows == features.starts(rows)
        earlier = np.where(first, rows, rows - 1)
        return np.where(first, features.y[rows], self._blend(features, earlier, np.array([1]))[:, 0])

    @property
    def course_steps(self) -> IntArray:
        """Steps of the horizon, evenly spread, whose forecasts are inputs, (step,)."""
        return np.unique(np.linspace(1, self.horizon, _COURSE_STEPS).round().astype(np.int64))

    def _course(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Forecasts at `course_steps` less the last value, (row, step)."""
        steps = self.course_steps
        course = np.empty((len(rows), len(steps)))
        for part in batches(np.arange(len(rows)), len(steps)):
            course[part] = self._blend(features, rows[part], steps) - features.y[rows[part]][:, None]
        return course

    def facts(self) -> dict[str, Any]:
        """Fields of plain values, for JSON; `arrays` holds the others."""
        return {
            "name": self.name,
            "horizon": self.horizon,
            "season_steps": self.season_steps,
            "smoothing": self.smoothing,
            "ridge": self.ridge,
            "lags": self.lags,
        }

    def arrays(self) -> dict[str, FloatArray]:
        """Fitted arrays by name."""
        channels = {"channels": self.channels} if self.channels.size else {}
        return {"centre": self.centre, "weights": self.weights, "bounds": self.bounds, **channels}


def term_count(name: str, season_steps: int, lags: int, channels: int = 0) -> int:
    """Return the number of a blend's terms, without the last value; 0 for other references."""
    return blend_terms(season_steps, lags, channels) if name in CRITERIA else 0


def centres(past: Panel, train_steps: IntArray) -> FloatArray:
    """Mean of the observed training values, (series,); of all training values if none was observed, 0 without any.

    Where the target is one label at the end of each series it has no level: 0.
    """
    if past.at_end:
        return np.zeros(len(past))
    means = []
    for (_, rows), steps in zip(past.series(), train_steps.tolist(), strict=True):
        trained = slice(rows.start, rows.start + steps)
        y, seen = past.target[trained], past.target_observed[trained]
        means.append((y[seen] if seen.any() else y).mean() if len(y) else 0.0)
    return np.array(means)


def channel_units(past: Panel, train_steps: IntArray) -> FloatArray:
    """Mean of each past covariate, pooled, and its factor to the spread of each series' values, (series, channel, 2).

    Of the training split; the factor is 0 where a covariate is a category or never changes.
    """
    trained = past.first_rows(train_steps)
    units = np.zeros((len(past), len(past.channels) - 1, 2))
    known = trained & past.target_observed
    spread = np.array([past.target[rows][known[rows]].std() if known[rows].any() else 0.0 for _, rows in past.series()])
    for j, channel in enumerate(past.channels[1:]):
        seen = trained if past.masked is None else trained & ~past.masked[:, 1 + j]
        values = past.values[seen, 1 + j]
        if len(values) and not channel.categories and (own := values.std()) > 0:
            units[:, j] = np.stack([np.full(len(past), values.mean()), spread / own], axis=1)
    return units


def value_bounds(past: Panel, train_steps: IntArray) -> FloatArray:
    """Range of the observed training values, without those far out (Tukey 1977: 3 quartile ranges), (series, 2)."""
    bounds = np.zeros((len(past), 2))
    for i, ((_, rows), steps) in enumerate(zip(past.series(), train_steps.tolist(), strict=True)):
        trained = slice(rows.start, rows.start + steps)
        y = past.target[trained][past.target_observed[trained]]
        if len(y):
            low, high = np.quantile(y, (0.25, 0.75))
            far = _FAR_OUT * (high - low)
            bounds[i] = max(y.min(), low - far), min(y.max(), high + far)
    return bounds


def blend_fit(reference: Reference, past: Panel, train_steps: IntArray, left_out: IntArray | None = None) -> BlendFit:
    """Return what fits the weights of a blend on a training split without the steps `left_out`."""
    train = past.cut(train_steps)
    features = reference.causal_features(train)
    return BlendFit(train, features, reference.horizon, reference.season_steps, reference.lags, left_out)


def blend_weights(
    reference: Reference, past: Panel, train_steps: IntArray, left_out: IntArray | None = None
) -> FloatArray:
    """Fit the weights with the reference's ridge constant, without the steps `left_out`, (series, horizon, term)."""
    fit = blend_fit(reference, past, train_steps, left_out)
    (weights,) = fit.least_squares((reference.ridge,))
    return fit.reweighted(weights, CRITERIA[reference.name], reference.ridge)
