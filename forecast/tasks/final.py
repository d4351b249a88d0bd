"""The final models, and the forecast after the end of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.evaluation.conformal import Widths, spread_of
from forecast.forecasters.interface import QUANTILES, within_range
from forecast.forecasters.pretrained import NAME, Pretrained
from forecast.forecasters.transformed import transformed
from forecast.questions.split import last_origins
from forecast.questions.value_range import ANY_VALUE, ValueRange
from forecast.runs import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from forecast.forecasters.interface import Fitted
    from forecast.forecasters.transformed import HasTrajectories, Transform
    from forecast.questions.kinds import Problem
    from forecast.series.panel import FloatArray, Panel, TimeArray


def final_fit(fitted: Fitted, panel: Panel, problem: Problem) -> Fitted:
    """Fit once more on all rows, with everything as it was chosen on validation."""
    return fitted.chosen().fit(panel, panel.lengths, problem)


def future(
    final: Mapping[str, Fitted],
    panel: Panel,
    horizon: int,
    *,
    widths: Widths | None,
    scale: FloatArray,
    value_range: ValueRange = ANY_VALUE,
) -> pd.DataFrame:
    """Forecast the steps after the end of the data: columns `unique_id`, `ds`, `model`, `y_hat` and the quantiles.

    Where labels stand at the end, the unknown labels are forecast; there may be none.
    Quantiles ("q0.025" to "q0.975") are made by `widths`, whose offsets are in units of `scale` (series,); there are
    none at all where it is None. Where symbols are forecast there is a row for each, with its text as `symbol` and its
    probability as `y_hat`. Values and quantiles are moved into `value_range`.
    """
    origins = last_origins(panel)
    if len(origins) == 0:
        none = np.empty(0, dtype=object)  # of labels, which are symbols
        return pd.DataFrame(
            {"unique_id": none, "ds": panel.times[:0], "model": none, "symbol": none, "y_hat": np.zeros(0)}
        )
    known = origins.last_known(len(panel))
    panel = panel.cut(np.where(known > 0, known, panel.lengths))
    ds = np.concatenate([panel.calendar.after(panel.times[row], horizon) for row in origins.rows(panel)])
    ids = np.repeat(np.array(panel.ids, dtype=object)[origins.series], horizon)
    tables = []
    every = {name: within_range(fitted.forecast(panel, origins), value_range) for name, fitted in final.items()}
    lent = spread_of(every.get(widths.lender or "")) if widths else None
    for name, forecasts in every.items():
        if forecasts.probabilities is not None:
            tables.append(_of_symbols(name, forecasts.probabilities, panel.symbols, (ids, ds)))
            continue
        table = pd.DataFrame({"unique_id": ids, "ds": ds, "model": name, "y_hat": forecasts.y_hat.ravel()})
        tables.append(table)
        if widths is None:
            continue
        quantiles = value_range.keep_quantiles(widths.quantiles(name, forecasts, scale, lent), QUANTILES)
        table[list(files.QUANTILE_COLUMNS)] = quantiles.reshape(-1, len(QUANTILES))
    return pd.concat(tables, ignore_index=True)


def short_future(short: Panel | None, problem: Problem, transform: Transform) -> pd.DataFrame | None:
    """Forecast series that are too short for the comparison by the pretrained network, with quantiles of its own."""
    if short is None:
        return None
    fitted = transformed(Pretrained(), transform).fit(short, short.lengths, problem)
    scale = np.ones(len(short))
    widths = Widths(lender=NAME)
    return future({NAME: fitted}, short, problem.horizon, widths=widths, scale=scale, value_range=problem.value_range)


def _of_symbols(
    model: str, probabilities: FloatArray, symbols: tuple[str, ...], where: tuple[NDArray[Any], TimeArray]
) -> pd.DataFrame:
    """Give every symbol a row with its probability, the likeliest of each step first; `where` are ids and times."""
    by_step = probabilities.reshape(-1, len(symbols))  # (series and step, symbol)
    order = np.argsort(-by_step, axis=1, kind="stable")
    ids, ds = (np.repeat(part, len(symbols)) for part in where)
    names = np.array(symbols, dtype=object)[order.ravel()]
    y_hat = np.take_along_axis(by_step, order, axis=1).ravel()
    return pd.DataFrame({"unique_id": ids, "ds": ds, "model": model, "symbol": names, "y_hat": y_hat})


def future_paths(
    name: str, fitted: HasTrajectories, panel: Panel, count: int, seed: int, *, value_range: ValueRange = ANY_VALUE
) -> pd.DataFrame:
    """Draw sample trajectories after the end of the data: columns `unique_id`, `ds`, `model`, `path`, `y_hat`."""
    origins = last_origins(panel)
    drawn = value_range.keep(fitted.sample_trajectories(panel, origins, count, seed))  # (series, path, horizon)
    horizon = drawn.shape[2]
    ds = np.stack([panel.calendar.after(panel.times[row], horizon) for row in origins.rows(panel)])
    series = np.repeat(np.arange(len(panel)), count * horizon)
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(series, categories=pd.Index(panel.ids)),
            "ds": np.repeat(ds, count, axis=0).ravel(),
            "model": pd.Categorical.from_codes(np.zeros(len(series), dtype=np.int8), categories=pd.Index([name])),
            "path": np.tile(np.repeat(np.arange(count), horizon), len(panel)),
            "y_hat": drawn.ravel(),
        }
    )
