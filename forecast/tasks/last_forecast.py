"""The run's own forecast against what has come since: its scores, and whether the run still fits the data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.evaluation.metrics import score
from forecast.evaluation.scales import fit_scales
from forecast.runs.files import QUANTILE_COLUMNS
from forecast.runs.run import iterate_forecast
from forecast.wording import counted, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from forecast.questions.kinds import Question
    from forecast.runs.files import ForecastRow
    from forecast.runs.run import Run
    from forecast.series.panel import FloatArray, IntArray, Panel

_BLOCK = 50_000
"""Rows of `forecasts.csv` that are objects at a time."""
_ROWS = 4_000_000
"""Rows of the panel that are looked at in one piece."""


@dataclass(frozen=True, eq=False)
class LastForecast:
    """What of the run's own forecast has come true.

    Attributes
    ----------
    results : columns `model`, `unique_id`, `cutoff` (the last time before it), `ds` (times as in the panel), `step`,
        `y`, `y_hat` and the quantiles, or `chance` of symbols
    scores : columns `model`, `steps`, and two metrics, the first sorts
    first_rows : row of the panel where the forecast of each series began; that of its end where nothing of it came

    """

    results: pd.DataFrame
    scores: pd.DataFrame
    first_rows: IntArray


def _shown_scores(question: Question) -> tuple[str, str]:
    """Name the two metrics of a run's own forecast, the first sorts: of values the error in their unit."""
    pair = (question.ranked_by, question.shown_beside)
    return pair if question.forecasts_probabilities else pair[::-1]


def last_forecast(run: Run, panel: Panel) -> LastForecast | None:
    """Score the run's own `forecasts.csv` on what the data hold of its times; None where they hold nothing of it.

    The denominator of the MASE is measured on all steps before the forecast began; directions are compared with
    the step before it, which was its origin.
    """
    rows = iterate_forecast(run.folder)
    parts = [_frame(block) for block in iter(lambda: list(islice(rows, _BLOCK)), [])]
    if not parts:
        return None
    forecast = pd.concat(parts, ignore_index=True)
    actual = _actuals(run, panel, forecast["ds"].unique())
    matched = forecast.merge(actual, on=["unique_id", "ds"], how="inner", validate="many_to_one")
    question = run.problem.question
    if question.categorical:
        matched = _of_observed_symbols(matched, panel.symbols)
    first_rows = matched.groupby("unique_id")["row"].min().reindex(panel.ids)
    if question.binary:
        matched["y"] = _risen(
            panel, first_rows[matched["unique_id"]].to_numpy(dtype=np.int64), matched["row"].to_numpy()
        )
    matched = matched[matched["y"].notna()]
    if matched.empty:
        return None
    results = matched.assign(
        unique_id=pd.Categorical(matched["unique_id"], categories=list(panel.ids)),
        cutoff=panel.times[np.maximum(first_rows[matched["unique_id"]].to_numpy(dtype=np.int64) - 1, 0)],
        ds=panel.times[matched["row"].to_numpy()],
        step=matched.groupby(["model", "unique_id"]).cumcount() + 1,
    )
    known_steps = (first_rows - panel.offsets[:-1]).fillna(0).to_numpy(dtype=np.int64)
    by_model = score(results, fit_scales(panel.cut(known_steps), run.problem.season_steps), question).by_model
    columns = list(_shown_scores(question))
    scores = by_model[columns].reset_index()
    scores.insert(1, "steps", matched.groupby("model").size().reindex(scores["model"]).to_numpy())
    began = first_rows.fillna(pd.Series(panel.offsets[1:], index=panel.ids)).to_numpy(dtype=np.int64)
    return LastForecast(results, scores.sort_values(columns[0], kind="stable", ignore_index=True), began)


def _risen(panel: Panel, first_rows: IntArray, rows: IntArray) -> FloatArray:
    """Whether the target is higher at some rows than before their forecasts first_rows, (row,); NaN where not known."""
    origins = first_rows - 1
    known = ~np.isin(first_rows, panel.offsets[:-1]) & panel.target_observed[origins] & panel.target_observed[rows]
    return np.where(known, panel.target[rows] > panel.target[origins], np.nan)


def _of_observed_symbols(forecast: pd.DataFrame, symbols: tuple[str, ...]) -> pd.DataFrame:
    """Keep the rows of observed symbols: `chance` is the probability given to it, `y_hat` the code of the likeliest."""
    keys = ["model", "unique_id", "ds"]
    codes = forecast["symbol"].map({symbol: code for code, symbol in enumerate(symbols)})
    likeliest = forecast.assign(code=codes).sort_values("y_hat", kind="stable").groupby(keys)["code"].last()
    observed = forecast[codes == forecast["y"]].rename(columns={"y_hat": "chance"})
    return observed.assign(y_hat=likeliest.reindex(pd.MultiIndex.from_frame(observed[keys])).to_numpy(dtype=np.float64))


def _frame(rows: list[ForecastRow]) -> pd.DataFrame:
    """Return rows of `forecasts.csv` as a table, quantiles as columns of their own."""
    table = pd.DataFrame([vars(row) for row in rows])
    quantiles = table.pop("quantiles")
    if quantiles.map(len).all():
        table[list(QUANTILE_COLUMNS)] = np.array(quantiles.tolist())
    return table


def _actuals(run: Run, panel: Panel, wanted: NDArray[Any]) -> pd.DataFrame:
    """Rows of the panel at wanted times, as the run writes them: columns `unique_id`, `ds`, `y`, `row`."""
    blocks = [slice(begin, begin + _ROWS) for begin in range(0, len(panel.times), _ROWS)]
    every = np.unique(np.concatenate([np.unique(panel.times[block]) for block in blocks]))
    texts = np.array(run.calendar.write(every), dtype=object)
    is_wanted = np.isin(texts, wanted)
    rows = np.concatenate(
        [np.isin(panel.times[block], every[is_wanted]).nonzero()[0] + block.start for block in blocks]
    )
    series = np.searchsorted(panel.offsets, rows, side="right") - 1
    table = pd.DataFrame(
        {
            "unique_id": np.array(panel.ids, dtype=object)[series],
            "ds": texts[np.searchsorted(every, panel.times[rows])],
            "y": panel.target_or_nan(rows),
            "row": rows,
        }
    )
    return table.drop_duplicates(["unique_id", "ds"])


def drift_lines(run: Run, panel: Panel, last: LastForecast, model: str) -> tuple[str, ...]:
    """Say where the live error of a model leaves what nine in ten origins of the backtest had, and values their range.

    Nothing is said of probabilities, nor where all is as it was.
    """
    band = run.record.error_band.get(model)
    live = last.scores.set_index("model").get("mae", pd.Series(dtype=np.float64)).get(model)
    lines = []
    if band is not None and live is not None and not band[0] <= live <= band[1]:
        more, do = ("more", ": train again") if live > band[1] else ("less", "")
        lines.append(
            f"{model} was {number(float(live))} off since the run, and {number(band[0])} to {number(band[1])} from "
            f"nine in ten origins of its backtest: it errs {more} than it did{do}"
        )
    return (*lines, *_new_range(panel, last.first_rows))


def _new_range(panel: Panel, first_rows: IntArray) -> tuple[str, ...]:
    """Say how many values since the run lie beyond all before in their series, of the target and of past covariates."""
    lines = []
    parts = zip(panel.offsets[:-1].tolist(), first_rows.tolist(), panel.offsets[1:].tolist(), strict=True)
    grown = [(slice(begin, first), slice(first, end)) for begin, first, end in parts if begin < first < end]
    for j, channel in enumerate(panel.channels):
        if channel.categories:
            continue
        values, seen = panel.values[:, j], panel.observed[:, j]  # noqa: PD011 - no frame
        count = of_all = 0
        for before, since in grown:
            known, new = values[before][seen[before]], values[since][seen[since]]
            if len(known):
                of_all += len(new)
                count += int(((new < known.min()) | (new > known.max())).sum())
        if count:
            name = "the target" if j == 0 else repr(channel.name)
            lines.append(
                f"{counted(count, 'value')} of {name} since the run, of {of_all:,}, "
                f"{'lies' if count == 1 else 'lie'} beyond all that it was trained on"
            )
    return tuple(lines)
