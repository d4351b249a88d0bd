"""The check at an export: made-up series through the graphs in onnxruntime and through the network itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from forecast.errors import ForecastError
from forecast.evaluation.conformal import calibrated
from forecast.exporting.covariates import is_dated
from forecast.forecasters.interface import within_range
from forecast.questions.split import Origins
from forecast.runs.run import channels_of
from forecast.series.calendar import Calendar
from forecast.series.date_features import feature_values, features_of
from forecast.series.panel import KnownAhead, Panel, Statics
from forecast.wording import number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forecast.exporting.graphs import Graph
    from forecast.runs.run import Run
    from forecast.series.panel import BoolArray, Channel, FloatArray, IntArray, TimeArray

    Feed: TypeAlias = dict[str, np.ndarray[Any, np.dtype[Any]]]
    Session: TypeAlias = Callable[[Feed], Feed]

TOLERANCE = 1e-5
"""In units of a series' scale (`reference.scaling`), of logarithms of the value; of probabilities, as they are."""

_BATCHES = (1, 2, 5)
_MOST_STEPS = 600
"""Steps of the longest context and of the longest row of single steps, at most."""
_MISSING = 0.1
"""Share of values that are missing, where some may be."""


@dataclass(frozen=True, eq=False)
class _Batch:
    """Made-up series, what the graphs read of all their steps, and what the network forecasts after each.

    Attributes
    ----------
    feed : inputs by name
    expected : outputs by name, (batch, step, horizon, ...); after `first` steps and more
    unit : (batch,)

    """

    feed: Feed
    expected: Feed
    first: int
    unit: FloatArray

    def part(self, begin: int, end: int, horizon: int) -> Feed:
        """Inputs of some of the steps, and so many steps further of what is known ahead."""
        reach = {"values": 0, "past": 0, "ahead": horizon, "times": horizon}
        return {n: part[:, begin : end + reach[n]] if n in reach else part for n, part in self.feed.items()}


def check(run: Run, graph: Graph, context: Session | None, step: Session | None) -> float:
    """Compare graphs with the network over batch sizes and lengths; return the largest difference.

    Raises
    ------
    ForecastError
        A difference above the tolerance: nothing may be written then.

    """
    rng, worst = np.random.default_rng(0), 0.0
    lengths = [min(length, _MOST_STEPS) for length in graph.lengths]
    horizon, longest = graph.reach, max(lengths)
    for i, length in enumerate(lengths):
        if context is None:
            break
        batch = _made_up(run, graph, _BATCHES[i % len(_BATCHES)], length, rng)
        outputs = context(batch.part(0, length, horizon))
        worst = max(worst, _difference(graph, batch, outputs, length, f"a context of {length} steps"))
    if step is None:
        return worst
    batch = _made_up(run, graph, 3, longest + 2, rng)
    outputs = {f"{name}_after": part.numpy() for name, part in graph.begin(3).items()}
    for t in range(longest):
        outputs = step({**batch.part(t, t + 1, horizon), **_state(outputs)})
        if t + 1 >= graph.fewest:
            worst = max(worst, _difference(graph, batch, outputs, t + 1, f"step {t + 1}"))
    if context is None:
        return worst
    outputs = context(batch.part(0, longest, horizon))
    for t in range(longest, longest + 2):
        outputs = step({**batch.part(t, t + 1, horizon), **_state(outputs)})
        worst = max(worst, _difference(graph, batch, outputs, t + 1, f"a context and step {t + 1}"))
    return worst


def channels_read(run: Run, graph: Graph) -> tuple[Channel, ...]:
    """Return the channels of a run's data that a graph reads, the target first."""
    return channels_of(run.record)[: 1 if graph.bare else None]


def _state(outputs: Feed) -> Feed:
    """Return the state after a step as that before the next."""
    return {f"{name.removesuffix('_after')}_before": part for name, part in outputs.items() if name.endswith("_after")}


def _difference(graph: Graph, batch: _Batch, outputs: Feed, steps: int, where: str) -> float:
    """Return the largest difference of the outputs after so many steps; refuse one that is too large."""
    worst = 0.0
    for name, expected in batch.expected.items():
        given, forecast = outputs[name], expected[:, steps - batch.first]
        if given.shape != forecast.shape:
            raise ForecastError(f"the ONNX graph was not written: its {name} has the shape {given.shape} after {where}")
        unit = batch.unit.reshape(-1, *[1] * (given.ndim - 1))
        if graph.log:  # shares of the value: of quantiles that widths have moved, of the forecast
            middle = outputs["forecast"].reshape(*outputs["forecast"].shape, *[1] * (given.ndim - 2))
            unit = np.maximum(np.abs(forecast), middle)
        if name == "quantiles":  # of one far out, shares of how far
            far = np.abs(forecast - outputs["forecast"][..., None])
            unit = np.maximum(unit, np.where(np.isfinite(far), far, 0.0))
        with np.errstate(invalid="ignore"):  # infinite quantiles
            apart = np.where(given == forecast, 0.0, np.abs(given - forecast)) / unit
        largest = float(np.max(np.where(np.isnan(apart), np.inf, apart)))
        if largest > TOLERANCE:
            raise ForecastError(
                f"the ONNX graph was not written: after {where} its {name} is {number(largest)} units of the series "
                f"away from the network's, and {TOLERANCE:g} is allowed: forecast with task=predict instead, and "
                f"report it with the run's run.json"
            )
        worst = max(worst, largest)
    return worst


def _made_up(run: Run, graph: Graph, size: int, steps: int, rng: np.random.Generator) -> _Batch:
    """Make up a batch of series of the run, and let its network forecast after every step that it can."""
    count = len(run.record.data.ids)
    each = min(size, count)
    batches = []
    for begin in range(0, size, each):
        chosen = np.sort(rng.choice(count, min(each, size - begin), replace=False))
        batches.append(_of_panel(run, graph, chosen, steps, rng))
    return _Batch(
        feed={name: np.concatenate([batch.feed[name] for batch in batches]) for name in batches[0].feed},
        expected={name: np.concatenate([batch.expected[name] for batch in batches]) for name in batches[0].expected},
        first=batches[0].first,
        unit=np.concatenate([batch.unit for batch in batches]),
    )


def _of_panel(run: Run, graph: Graph, chosen: IntArray, steps: int, rng: np.random.Generator) -> _Batch:
    """Make up some series of the run; all others have a single step, which is never forecast from."""
    channels = channels_read(run, graph)
    y = _values(graph, channels[0], (len(chosen), steps), rng, chosen)
    if graph.may_miss:
        y[:, 1:][rng.random((len(chosen), steps - 1)) < _MISSING] = np.nan
    feed: Feed = {"values": y, "series": chosen}
    for name, role, reach, marks in (("past", "past", 0, 1), ("ahead", "future", graph.reach, graph.ahead_marks)):
        of_role = tuple(channel for channel in channels if channel.role == role)
        feed[name] = _covariates(of_role, (len(chosen), steps + reach), rng, marks)
    times, dated = _times((len(chosen), steps + graph.reach), rng), is_dated(of_role)
    if dated.any():
        names = features_of([channel for channel, is_one in zip(of_role, dated, strict=True) if is_one])
        feed["ahead"][..., dated] = feature_values(names, times.ravel(), Calendar("h")).reshape(*times.shape, -1)
    first = graph.window or 1
    origins = Origins(np.repeat(chosen, steps - first + 1), np.tile(np.arange(first - 1, steps), len(chosen)))
    expected = _expected(run, graph, _panel(run, channels, feed), origins, len(chosen))
    if len(run.record.data.ids) == 1:
        del feed["series"]
    if dated.any():
        feed["times"] = times.astype("datetime64[s]").astype(np.int64)
    feed["ahead"] = feed["ahead"][..., ~dated]
    unit = np.ones(len(chosen)) if run.problem.question.forecasts_probabilities else graph.unit[chosen]
    return _Batch({name: part for name, part in feed.items() if part.size}, expected, first, unit)


def _expected(run: Run, graph: Graph, panel: Panel, origins: Origins, size: int) -> Feed:
    """Forecast as `task=predict` does, outputs by name, (batch, step, ...)."""
    forecasts = within_range(run.network.forecast(panel, origins), run.problem.value_range)
    outputs = {"forecast": forecasts.y_hat}
    if forecasts.probabilities is not None:
        outputs = {"probabilities": forecasts.probabilities}
    elif graph.offsets is not None:
        scale = np.array(run.record.intervals.scale)[origins.series]
        outputs["quantiles"] = calibrated(forecasts, scale, graph.offsets, run.problem.value_range)
    return {name: part.reshape(size, -1, *part.shape[1:]) for name, part in outputs.items()}


def _values(
    graph: Graph, target: Channel, shape: tuple[int, int], rng: np.random.Generator, chosen: IntArray
) -> FloatArray:
    """Make up targets of some series, (chosen, step): a random walk with a cycle about the level of each."""
    if target.categories:
        return rng.integers(len(target.categories), size=shape).astype(np.float64)
    moves = 0.5 * rng.normal(size=shape).cumsum(axis=1) + rng.normal(size=shape) + 2 * np.sin(np.arange(shape[1]))
    y: FloatArray = graph.centre[chosen, None] + graph.unit[chosen, None] * moves
    return np.exp(y) if graph.log else y


def _times(shape: tuple[int, int], rng: np.random.Generator) -> TimeArray:
    """Make up times of steps, (series, step), over some years."""
    starts = rng.integers(0, 60 * 365 * 86_400, size=(shape[0], 1))
    seconds = starts + np.arange(shape[1]) * rng.integers(3_600, 40 * 86_400, size=(shape[0], 1))
    return seconds.astype("datetime64[s]").astype("datetime64[ns]")


def _covariates(
    channels: Sequence[Channel], shape: tuple[int, int], rng: np.random.Generator, marks: int | IntArray
) -> FloatArray:
    """Make up covariates, (series, step, channel), NaN where one is missing; `marks` is 1 where some may be."""
    values: FloatArray = rng.normal(size=(*shape, len(channels)))
    for j, channel in enumerate(channels):
        if channel.categories:
            values[..., j] = rng.integers(len(channel.categories), size=shape)
    return np.where((rng.random(values.shape) < _MISSING) & (np.asarray(marks) > 0), np.nan, values)


def _panel(run: Run, channels: tuple[Channel, ...], feed: Feed) -> Panel:
    """Put made-up series into a panel of all series of the run."""
    ids = run.record.data.ids
    future, static = (tuple(c for c in channels if c.role == role) for role in ("future", "static"))
    chosen, count = feed["series"], len(ids)
    values, masked, offsets = _packed(np.concatenate([feed["values"][..., None], feed["past"]], axis=2), chosen, count)
    known, known_masked, known_offsets = _packed(feed["ahead"], chosen, count)
    nothing = np.zeros((count, len(static)))
    times = np.arange(len(values))
    return Panel(
        values=values,
        observed=~masked,
        offsets=offsets,
        times=times if run.calendar.freq is None else times.astype("datetime64[ns]"),
        ids=ids,
        channels=tuple(c for c in channels if c.role in ("target", "past")),
        calendar=run.calendar,
        masked=masked if masked.any() else None,
        ahead=KnownAhead(known, known_masked, known_offsets, future) if future else None,
        static=Statics(nothing, nothing > 0, static) if static else None,
    )


def _packed(table: FloatArray, chosen: IntArray, count: int) -> tuple[FloatArray, BoolArray, IntArray]:
    """Pack (chosen, step, channel) with a row for each other series: values, which are missing (NaN), offsets."""
    lengths = np.ones(count, dtype=np.int64)
    lengths[chosen] = table.shape[1]
    offsets = np.concatenate([[0], lengths.cumsum()])
    rows = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in chosen])
    values = np.ones((offsets[-1], table.shape[2]))
    values[rows] = table.reshape(len(rows), -1)
    return np.where(np.isnan(values), 1.0, values), np.isnan(values), offsets
