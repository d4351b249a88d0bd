"""The final models, fitted once more on all rows, and the forecast after the end of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.evaluation.conformal import Widths, spread_of, widening_of
from forecast.evaluation.evaluate import Evaluation
from forecast.forecasters.combination import COMBINATION, FittedCombination
from forecast.forecasters.departure import departure
from forecast.forecasters.ensemble import FittedEnsemble
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.interface import QUANTILES, within_range
from forecast.forecasters.pretrained import NAME, FittedPretrained, Pretrained
from forecast.forecasters.transformed import FittedTransformed, HasTrajectories, transformed
from forecast.questions.split import last_origins
from forecast.questions.value_range import ANY_VALUE, ValueRange
from forecast.runs import files
from forecast.tasks.budget import Budget
from forecast.tasks.prepare import Prepared
from forecast.tasks.terminal import Work
from forecast.wording import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from forecast.forecasters.interface import Fitted
    from forecast.forecasters.transformed import HasTrajectories, Transform
    from forecast.questions.kinds import Problem
    from forecast.series.panel import FloatArray, Panel, TimeArray

_NO_TIME = "no time was left for a fit on all rows (`time_limit_s`)"


def final_fit(fitted: Fitted, panel: Panel, problem: Problem) -> Fitted:
    """Fit once more on all rows, with everything as it was chosen on validation."""
    return fitted.chosen().fit(panel, panel.lengths, problem)


@dataclass(frozen=True, eq=False)
class Final:
    """All models that forecast the future, by name: fitted again on all rows, or as they were backtested."""

    fitted: dict[str, Fitted]
    refitted: bool
    note: str


def refit(prepared: Prepared, evaluation: Evaluation, work: Work, budget: Budget | None = None) -> Final:
    """Fit network, baseline to beat and recommended model once more, on all rows, with everything as it was chosen.

    With `training.refit=false`, or where that is broken off or departs wildly, they stay as the backtest judged them;
    and so does one for which the budget has no time.
    """
    name = prepared.job.model.name
    use = evaluation.recommendation
    wanted = (name, evaluation.baseline, *((use.weights or [use.model]) if use else ()))
    names = [model for model in dict.fromkeys(wanted) if model]
    every = {model: evaluation.test.fitted[model] for model in evaluation.scores.by_model.index}
    judged = {model: every[model] for model in names}
    kept = f"the saved weights and the forecast after the data are of {listed(names)}"
    if not prepared.job.training.refit:
        return Final(every, refitted=False, note=f"{kept} as backtested (training.refit=false)")
    work.epochs = max(member.epochs for member in network_in(judged[name]).members)
    final, failed = _fit_again(judged, prepared, evaluation, work, budget)
    if why := failed.get(name) or _departs(judged[name], final[name], prepared):
        return Final(every, refitted=False, note=f"{kept} as backtested: {why}")
    if COMBINATION in every and use is not None and use.weights:
        together = tuple(final[model] for model in use.weights)
        final[COMBINATION] = FittedCombination(together, tuple(use.weights), tuple(use.weights.values()))
    again = f"{kept} fitted again on all rows"
    network = network_in(final[name])
    if isinstance(network, FittedPretrained) and not network.epochs:
        others = f", {listed(names[1:])} fitted again on all rows" if names[1:] else ""
        again = f"{kept}: {name} as it was trained before{others}"
    failures = [f"; {model} as backtested, since {why}" for model, why in failed.items()]
    others_as_backtested = f"; {files.FORECASTS} has the others as backtested" if every.keys() - final.keys() else ""
    return Final(every | final, refitted=True, note="".join((again, *failures, others_as_backtested)))


def _fit_again(
    judged: Mapping[str, Fitted], prepared: Prepared, evaluation: Evaluation, work: Work, budget: Budget | None
) -> tuple[dict[str, Fitted], dict[str, str]]:
    """Fit models on all rows; those that cannot be are as they were judged, and why: without the network none are."""
    final, failed = dict(judged), dict[str, str]()
    longer = float(prepared.panel.lengths.sum() / prepared.task.split.train.sum())
    took = evaluation.leaderboard.set_index("model")["fit_seconds"]
    for model, fitted in judged.items():
        is_network = model == prepared.job.model.name
        if budget is not None and not budget.has(longer * float(took.get(model, 0.0))):
            failed[model] = _NO_TIME
            if is_network:
                break
            continue
        work.stage("fit", f"{model} on all rows")
        try:
            final[model] = final_fit(fitted, prepared.panel, prepared.task.problem)
        except Exception as error:  # as in the backtest, what a baseline raises is not the end of the job
            if is_network:
                raise
            failed[model] = f"that failed ({error})"
    return final, failed


def _departs(judged: Fitted, final: Fitted, prepared: Prepared) -> str:
    """Say why a network that was fitted on all rows should not be used, "" where it should."""
    members: tuple[FittedNetwork | FittedPretrained, ...] = network_in(judged).members
    refits: tuple[FittedNetwork | FittedPretrained, ...] = network_in(final).members
    for refitted, chosen in zip(refits, members, strict=True):
        if refitted.epochs != chosen.epochs:
            return f"{refitted.stop_reason} after {refitted.epochs} of {chosen.epochs} epochs of the fit on all rows"
    return departure(judged, final, prepared.panel, prepared.task.split.train, prepared.task.problem)


def network_in(fitted: Fitted) -> FittedNetwork | FittedEnsemble | FittedPretrained:
    """Return the network itself, out of what transforms its target."""
    inner = fitted.fitted if isinstance(fitted, FittedTransformed) else fitted
    if not isinstance(inner, (FittedNetwork, FittedEnsemble, FittedPretrained)):
        raise TypeError(f"expected a fitted network, found {type(inner).__name__}")
    return inner


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
    widths = Widths(lender=NAME, widened=widening_of(np.diff(short.times[: short.lengths[0]])))
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
