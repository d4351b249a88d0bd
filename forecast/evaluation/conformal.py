"""Split conformal intervals: errors on the calibration split say how wide intervals have to be.

For each level tau and horizon step the conformity scores s = (y - q_tau) / scale are collected over the origins of the
calibration split and over all series; q_tau is the forecaster's own quantile, or its point forecast where it has none
(Romano, Patterson and Candes 2019, "Conformalized quantile regression", each level by itself; Vovk, Gammerman and
Shafer 2005 for points). The quantile that is forecast is q_tau + scale * offset, where the offset is the k-th smallest
of n scores, k = ceil((n + 1) tau) above the median and floor((n + 1) tau) below it. On exchangeable scores a share of
at least tau, and at most tau + 1 / (n + 1), lies below it; an interval between two levels thus covers its nominal share
and at most 2 / (n + 1) more. Where k is not in 1..n so few scores allow no finite offset: the quantile of a point
forecast is infinite then, and one that the forecaster gave itself stays as it is. The median stays the forecaster's.

Neighbouring origins share most of their horizon, so that their scores are dependent, and n counts more than there are
independent ones: the coverage of a single run scatters more widely than n says. A series that changes after the
calibration split is covered as it was before.

How many there are is counted in whole horizons n. Where the pretrained network runs, whose quantiles were right on
series of all kinds before it saw these, few of them do not have the word alone: a model without quantiles of its own
borrows the spread that the pretrained network forecasts, times the ratio of their errors to the power of n / (n + 1),
which a few horizons tell well enough where it is large. Of every spread, own or borrowed, the errors of all steps and
levels together say by which factor it would have had the least pinball loss: a single number, which few errors tell
better than one for each step and level, and which counts to the power of s = n / (n + 5). A spread that is known from
elsewhere has to be wider: of steps of a quarter by 0.5 (1 - s), of years and of steps without dates by 0.35 (1 - s).
Offsets count for a share n / (n + 20). So no interval is infinite, and with many horizons they are the conformal ones.
Otherwise, after the end of the data, where offsets would be infinite they are Student's quantiles of the scores.

Where intervals are judged on the test split, offsets come from the calibration split alone. After the end of the data
nothing is judged any more, and the scores of both splits are pooled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from forecast.evaluation.evidence import evidence_of
from forecast.forecasters.interface import QUANTILES, Forecasts
from forecast.forecasters.pretrained import FittedPretrained
from forecast.forecasters.transformed import FittedTransformed
from forecast.questions.value_range import ANY_VALUE, ValueRange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.backtest import Backtest
    from forecast.forecasters.interface import Fitted, Forecasts
    from forecast.series.panel import FloatArray, IntArray

_MEDIAN = 0.5
_LENT_HORIZONS, _OFFSET_HORIZONS = 5.0, 20.0
"""Horizons that what the pretrained network knows of spreads counts for, against a factor and against offsets."""
_LEAST_FACTOR, _LARGEST_FACTOR = 0.25, 4.0
"""Of a spread: what lies beyond is the luck of a few errors."""
_QUARTER, _YEAR = np.timedelta64(80, "D"), np.timedelta64(300, "D")
_QUARTER_WIDENED, _YEAR_WIDENED, _UNDATED_WIDENED = 0.5, 0.35, 0.35
"""By how much a spread that is known from elsewhere is widened where a step lasts at least that long, as what moves a
series is then seldom in its past. On M1 the pretrained network's own 90 % intervals hold 91.5 of 100 monthly values,
and 78 and 80 of 100 quarterly and yearly ones. How long steps without dates last nobody knows."""
_LEAST_RATIO = 1e-6
_LEAST_FREEDOM = 4
"""Of Student's distribution: with fewer, intervals from a few scores would be as wide as anything."""
_ROUNDING_DIGITS = 9
"""Before (n + 1) tau is rounded up or down: 0.07 * 100 is 7.000000000000001 in floating point."""


@dataclass(frozen=True, eq=False)
class Widths:
    """What makes quantiles of forecasts.

    Attributes
    ----------
    offsets : (step, level) by model, in units of a series' scale
    spreads : by model, what the spread about its median, its own or a borrowed one, is multiplied by
    lender : the model whose spread is borrowed by those without one; None: none is
    widened : share by which spreads of models that are not among `spreads` are widened

    """

    offsets: Mapping[str, FloatArray] = field(default_factory=dict)
    spreads: Mapping[str, float] = field(default_factory=dict)
    lender: str | None = None
    widened: float = 0.0

    def quantiles(self, name: str, forecasts: Forecasts, scale: FloatArray, lent: FloatArray | None) -> FloatArray:
        """Quantiles (origin, step, level) of a model's forecasts; `scale` (origin,), `lent` as `spread_of` gave it.

        Without offsets they are infinite about points without a spread, except for the median.
        """
        base = self.base(name, forecasts, lent)
        return conformal_quantiles(base, scale, self.offsets.get(name, no_offsets(*base.shape[1:])))

    def base(self, name: str, forecasts: Forecasts, lent: FloatArray | None) -> FloatArray:
        """Quantiles before the offsets, (origin, step, level); of points without a spread (origin, step, 1)."""
        spread = lent if forecasts.quantiles is None else forecasts.quantiles - forecasts.y_hat[:, :, None]
        if spread is None:
            return forecasts.y_hat[:, :, None]
        widened = self.spreads.get(name, 1 + self.widened if self.lender else 1.0)
        return forecasts.y_hat[:, :, None] + widened * spread


def spread_of(forecasts: Forecasts | None) -> FloatArray | None:
    """Quantiles less points, (origin, step, level); None where there are none."""
    if forecasts is None or forecasts.quantiles is None:
        return None
    return forecasts.quantiles - forecasts.y_hat[:, :, None]


def with_intervals(test: Backtest, calibration: Backtest | None, value_range: ValueRange = ANY_VALUE) -> Backtest:
    """Return the backtest with conformal quantiles of all its models, within the range of values that there can be.

    Without a calibration split they are those that models forecast, or borrow; else infinite except for the median.
    """
    widths = widths_of(calibration) if calibration is not None else Widths({}, {}, lender_of(test), widening(test))
    scale, forecasts = _scale(test), _forecasts(test)
    lent = spread_of(forecasts.get(widths.lender or ""))
    quantiles = {
        name: value_range.keep_quantiles(widths.quantiles(name, of_model, scale, lent), QUANTILES)
        for name, of_model in forecasts.items()
    }
    return replace(test, quantiles=quantiles, levels=QUANTILES)


def no_offsets(steps: int, levels: int = 1) -> FloatArray:
    """Offsets (step, level) of a model without conformity scores, which forecasts `levels` quantiles or 1 point.

    Quantiles of its own stay; around a point they are infinite except for the median.
    """
    return conformal_offsets(np.empty((0, steps, levels)), QUANTILES)


def widths_of(*backtests: Backtest, finite: bool = False, lent: bool = True) -> Widths:
    """Widths of each model from the conformity scores of all splits, relative to what it forecasts itself, or borrows.

    `finite` replaces offsets that would be infinite; where `lent` is False nothing is borrowed.
    """
    lender, evidence = lender_of(backtests[-1]) if lent else None, evidence_of(*backtests)
    horizons = evidence.horizons if evidence else 0.0
    means = dict(zip(evidence.models, evidence.means().tolist(), strict=True)) if evidence else {}
    split_forecasts = [_forecasts(backtest) for backtest in backtests]
    names = [name for name in split_forecasts[0] if all(name in of_split for of_split in split_forecasts)]

    def scores_of(name: str, widths: Widths) -> FloatArray:  # (origin, step, level)
        bases = [widths.base(name, of[name], spread_of(of.get(lender or ""))) for of in split_forecasts]
        scores = [
            conformity_scores(_of_model(backtest, name, "y"), base, _scale(backtest))
            for backtest, base in zip(backtests, bases, strict=True)
        ]
        return np.concatenate(scores)

    spreads: dict[str, float] = {}
    share, widened = horizons / (horizons + _LENT_HORIZONS), widening(backtests[-1])
    for name in names if lender else ():
        borrows = split_forecasts[0][name].quantiles is None
        ratio = means[name] / means[lender] if borrows and lender in means and means[lender] > 0 else 1.0
        ratio = max(ratio, _LEAST_RATIO) ** (horizons / (horizons + 1))
        points, scores = (scores_of(name, Widths(spreads={name: spread}, lender=lender)) for spread in (0.0, ratio))
        factor = spread_factor(points[:, :, :1], points - scores, QUANTILES)
        spreads[name] = (1 + widened * (1 - share)) * ratio * factor**share
    widths, offsets = Widths({}, spreads, lender, widened), {}
    for name in names:
        scores = scores_of(name, widths)
        offsets[name] = conformal_offsets(scores, QUANTILES)
        offsets[name] *= horizons / (horizons + _OFFSET_HORIZONS) if lender else 1.0
        if finite:
            offsets[name] = np.where(np.isfinite(offsets[name]), offsets[name], student_offsets(scores, QUANTILES))
    return replace(widths, offsets=offsets)


def spread_factor(errors: FloatArray, spread: FloatArray, levels: Sequence[float]) -> float:
    """Factor c by which a spread has the least pinball loss: sum rho_tau(e - c s), a weighted quantile of e / s.

    `errors` e are (origin, step, 1), NaN where not observed, `spread` s (origin, step, level). The slope of the loss in
    c rises by |s| at each e / s; where it changes its sign the loss is least. From 0.25 to 4; 1 where nothing is known.
    """
    known = ~np.isnan(errors) & (spread != 0)
    s, e, tau = (part[known] for part in np.broadcast_arrays(spread, errors, np.asarray(levels)))
    if not len(s):
        return 1.0
    order = np.argsort(e / s)
    slopes = np.minimum(s, 0.0).sum() - (tau * s).sum() + np.abs(s[order]).cumsum()
    at = order[min(int(np.searchsorted(slopes, 0.0)), len(s) - 1)]
    return float(np.clip(e[at] / s[at], _LEAST_FACTOR, _LARGEST_FACTOR))


def widening(backtest: Backtest) -> float:
    """By how much spreads that are known from elsewhere are widened, by the length of a step."""
    ds, cutoff, step = (backtest.results[name].to_numpy()[:1] for name in ("ds", "cutoff", "step"))
    return widening_of((ds - cutoff) / step)


def widening_of(lasting: Any) -> float:
    """As `widening`, by how long steps last, (step,) of timedelta64; numbers where rows have no dates."""
    if lasting.dtype.kind != "m" or not len(lasting):
        return _UNDATED_WIDENED
    typical = np.median(lasting)
    if typical >= _YEAR:
        return _YEAR_WIDENED
    return _QUARTER_WIDENED if typical >= _QUARTER else 0.0


def student_offsets(scores: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Offsets (step, level) from few scores (origin, step, 1): Student's quantiles times their root mean square.

    A step without a score has that of all steps, which grows with the root of the step.
    """
    steps = np.arange(1, scores.shape[1] + 1)
    squares, known = np.where(np.isnan(scores[:, :, 0]), 0.0, scores[:, :, 0]) ** 2, ~np.isnan(scores[:, :, 0])
    counts = known.sum(axis=0)
    growing = (squares / steps).sum() / max(int(counts.sum()), 1) * steps  # (step,)
    deviation = np.sqrt(np.where(counts > 0, squares.sum(axis=0) / np.maximum(counts, 1), growing))
    freedom = max(int(counts.min()), _LEAST_FREEDOM)
    offsets: FloatArray = deviation[:, None] * special.stdtrit(freedom, np.asarray(levels))
    return offsets


def lender_of(backtest: Backtest) -> str | None:
    """Name the pretrained network, as a baseline or as the network of the job; None where it did not forecast."""
    for attempt in backtest.attempts:
        known = attempt.kind == "pretrained" or is_pretrained(backtest.fitted.get(attempt.name))
        if known and attempt.name in backtest.quantiles and attempt.name not in backtest.failures:
            return attempt.name
    return None


def is_pretrained(fitted: Fitted | None) -> bool:
    """Whether a fitted network is the pretrained one, also where it is the job's own network."""
    return isinstance(fitted.fitted if isinstance(fitted, FittedTransformed) else fitted, FittedPretrained)


def conformity_scores(y: FloatArray, forecast: FloatArray, scale: FloatArray) -> FloatArray:
    """Conformity scores (y - q_tau) / scale, (origin, step, level).

    `y` (origin, step) is NaN where it was not observed, `forecast` is (origin, step, level), with one level for point
    forecasts, and `scale` (origin,).
    """
    scores: FloatArray = (y[:, :, None] - forecast) / scale[:, None, None]
    return scores


def conformal_offsets(scores: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Offsets (step, level) in units of the scale, from scores (origin, step, level or 1); NaNs are not counted.

    Where there are too few scores the offset is infinite, or 0 where the scores are of quantiles (one a level).

    >>> conformal_offsets(np.arange(1.0, 20.0)[:, None, None], (0.05, 0.5, 0.9, 0.975)).tolist()
    [[1.0, 0.0, 18.0, inf]]
    """
    ordered = np.sort(scores, axis=0)  # NaNs come last
    n = np.sum(~np.isnan(scores), axis=0)  # (step, level or 1)
    steps, score_levels = n.shape
    offsets = np.zeros((steps, len(levels)))
    for i, level in enumerate(levels):
        if level == _MEDIAN:
            continue
        j = i if score_levels == len(levels) else 0
        offsets[:, i] = _order_statistic(ordered[:, :, j], n[:, j], level)
    if score_levels == len(levels):
        offsets[~np.isfinite(offsets)] = 0.0
    return offsets


def conformal_quantiles(forecast: FloatArray, scale: FloatArray, offsets: FloatArray) -> FloatArray:
    """Quantiles (origin, step, level) from forecasts (origin, step, level or 1) and offsets (step, level).

    They are sorted, so that levels never cross: where all scores have one sign, a level above the median may come out
    below it (Chernozhukov, Fernandez-Val and Galichon 2010).
    """
    return np.sort(forecast + scale[:, None, None] * offsets, axis=2)


def calibrated(
    forecasts: Forecasts, scale: FloatArray, offsets: FloatArray, value_range: ValueRange = ANY_VALUE
) -> FloatArray:
    """Quantiles (origin, step, level) around points, or of quantiles moved by offsets (step, level), within the range.

    `scale` is (origin,).
    """
    centre = forecasts.y_hat[:, :, None] if forecasts.quantiles is None else forecasts.quantiles
    return value_range.keep_quantiles(conformal_quantiles(centre, scale, offsets), QUANTILES)


def _order_statistic(ordered: FloatArray, n: IntArray, level: float) -> FloatArray:
    """Take the k-th smallest of n scores at each step, (step,); infinite where k is not in 1..n.

    `ordered` is (origin, step), `n` (step,).
    """
    exact = np.round((n + 1) * level, _ROUNDING_DIGITS)
    k = (np.ceil(exact) if level > _MEDIAN else np.floor(exact)).astype(np.int64)
    if len(ordered) == 0:
        kth = np.zeros(len(n))
    else:
        kth = np.take_along_axis(ordered, np.clip(k - 1, 0, len(ordered) - 1)[None, :], axis=0)[0]
    offset: FloatArray = np.where((k >= 1) & (k <= n), kth, np.inf if level > _MEDIAN else -np.inf)
    return offset


def _forecasts(backtest: Backtest) -> dict[str, Forecasts]:
    """What each model forecasts by itself."""
    models = [attempt.name for attempt in backtest.attempts if attempt.name not in backtest.failures]
    return {name: Forecasts(_of_model(backtest, name, "y_hat"), backtest.quantiles.get(name)) for name in models}


def _of_model(backtest: Backtest, name: str, column: str) -> FloatArray:
    """A column of a model's rows in the results table, (origin, step)."""
    is_model = (backtest.results["model"] == name).to_numpy()
    return backtest.results[column].to_numpy(dtype=np.float64)[is_model].reshape(len(backtest.known), -1)


def _scale(backtest: Backtest) -> FloatArray:
    """Scale of each origin's series, (origin,)."""
    scale: FloatArray = backtest.units[backtest.known["unique_id"].cat.codes.to_numpy()]
    return scale
