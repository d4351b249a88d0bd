"""Which inputs, at which lags, the forecasts at some origins rest on: integrated gradients through time.

Inputs x are the past values of the target, by lag, and the covariates; F is the forecast, with the reference that the
network's output is added to and the differences to it that the network reads. The baseline x' is the series held at its
mean of the training split, at every step since its first, with each covariate at its mean of training (a category:
none). What describes the series and never changes, its embedding too, is the same on both ends.

Where rises are forecast F is the logit of a rise, to which no reference is added: it takes part in what is read alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.inspection.answers import VALUES, AnswerKind, answer_kind
from forecast.inspection.integrated_gradients import READ_STEPS, Attributor, enough_steps, forecasts_after
from forecast.inspection.page import Section, season_name, seasons_back
from forecast.inspection.past_values import SEASONS, lag_edges
from forecast.questions.split import Origins
from forecast.reporting import charts
from forecast.reporting.charts import Figure, Key
from forecast.reporting.lines import axis_times, find_clock
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed, number, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.inspection.system import System
    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.series.panel import FloatArray, IntArray, TimeArray
    from forecast.series.panel import Panel as SeriesPanel


@dataclass(frozen=True, eq=False)
class Attribution:
    """What forecasts rest on, in the target's units, or in logits of a rise.

    Attributes
    ----------
    origins : where they are made
    times : (origin,) of the origins
    past_times : (step,) of the series of the first origin, as far as any of its origins knows
    ahead : (ahead,) which steps of the horizon, from 1 on
    edges : (range + 1,) of lags: range r is of the lags `edges[r]` to `edges[r + 1] - 1`; lag 0 is the origin itself
    by_lag : (origin, ahead, range) of past values of the target
    by_reference : (origin, ahead, range) the part of it that goes through the reference's forecast alone
    covariates : names of the groups of columns that the network reads in addition to the target
    by_covariate : (origin, ahead, group)
    forecast, baseline : (origin, ahead) the forecasts that are compared
    with_whole_past : (origin, ahead) forecast of the network that has read the whole past
    held : (origin,) the value at which the baseline holds the series
    read_steps : (origin,) steps that the network has read, the origin's the last, from a state of zero
    points : of a path that gradients were taken at, at most
    season_steps : of the reference
    streamed : whether the network could have read more than it was let
    fed_back : whether the network forecasts the next step alone, and longer forecasts are its own fed back
    kind : what of a forecast is attributed

    """

    origins: Origins
    times: TimeArray
    past_times: TimeArray
    ahead: IntArray
    edges: IntArray
    by_lag: FloatArray
    by_reference: FloatArray
    covariates: tuple[str, ...]
    by_covariate: FloatArray
    forecast: FloatArray
    baseline: FloatArray
    with_whole_past: FloatArray
    held: FloatArray
    read_steps: IntArray
    points: int
    season_steps: int
    streamed: bool
    fed_back: bool
    kind: AnswerKind = VALUES

    @property
    def left_over(self) -> FloatArray:
        """Forecast less the forecast at the baseline less all attributions, (origin, ahead)."""
        attributed: FloatArray = self.by_lag.sum(axis=-1) + self.by_covariate.sum(axis=-1)
        return self.forecast - self.baseline - attributed


def _attribution_of(system: System) -> Attribution:
    """Attribute forecasts from the first, the middle and the last origin on the test split."""
    steps = system.origins[[0, len(system.origins) // 2, -1]]
    return attribute(system.single, system.past, Origins(np.zeros(len(steps), dtype=np.int64), steps))


def attribute(
    fitted: FittedNetwork,
    past: SeriesPanel,
    origins: Origins,
    ahead: Sequence[int] | None = None,
    read_steps: Sequence[int] = READ_STEPS,
) -> Attribution:
    """Attribute the forecasts `ahead` steps after each origin; None: the first, the middle and the last step.

    Of a network whose forecasts are fed back it is the next step alone. Forecasts are those of each origin by itself,
    without `model.fork_ensemble`. A network on streams reads the least of `read_steps` after which it forecasts as
    after the whole past, the most of them if none does; one on windows reads its context.

    Raises
    ------
    ForecastError
        No origin, one with too short a past for a network on windows, or a step beyond the horizon.

    """
    steps = _steps_ahead(fitted.reference.horizon, ahead)
    windows = fitted.forecaster.training.regime == "windows"
    _check_origins(origins, fitted.problem.context_steps if windows else 1)
    past = past.cut(origins.last_known(len(past)))
    data = fitted.data(past)
    with_whole_past = forecasts_after(fitted, data, origins, None)
    enough = (
        fitted.problem.context_steps if windows else enough_steps(fitted, data, origins, with_whole_past, read_steps)
    )
    edges = lag_edges(int(origins.steps.max()) + 1, fitted.reference.season_steps, steps)
    attributor = Attributor(fitted, data, steps, edges, enough)
    each = [
        attributor.attribute(i, step) for i, step in zip(origins.series.tolist(), origins.steps.tolist(), strict=True)
    ]
    return Attribution(
        origins=origins,
        times=past.times[origins.rows(past)],
        past_times=past.times[past.offsets[origins.series[0]] : past.offsets[origins.series[0] + 1]],
        ahead=steps,
        edges=edges,
        by_lag=np.stack([origin.by_lag for origin in each]),
        by_reference=np.stack([origin.by_reference for origin in each]),
        covariates=attributor.groups.names,
        by_covariate=np.stack([origin.by_covariate for origin in each]),
        forecast=np.stack([origin.forecast for origin in each]),
        baseline=np.stack([origin.baseline for origin in each]),
        with_whole_past=with_whole_past[:, steps - 1],
        held=fitted.reference.centre[origins.series],
        read_steps=np.minimum(origins.steps + 1, enough),
        points=max(origin.points for origin in each),
        season_steps=fitted.reference.season_steps,
        streamed=not windows,
        fed_back=fitted.reference.horizon < fitted.problem.horizon,
        kind=answer_kind(fitted),
    )


def _steps_ahead(horizon: int, ahead: Sequence[int] | None) -> IntArray:
    """Steps of the horizon, increasing."""
    steps = np.unique(np.array((1, (horizon + 1) // 2, horizon) if ahead is None else tuple(ahead), dtype=np.int64))
    if not len(steps) or steps[0] < 1 or steps[-1] > horizon:
        raise ForecastError(
            f"forecasts can be attributed from 1 to {horizon} steps ahead, as far as the network itself forecasts, "
            f"found {steps.tolist()}: ask for steps of the horizon"
        )
    return steps


def _check_origins(origins: Origins, needed: int) -> None:
    if not len(origins):
        raise ForecastError("there is no origin whose forecast could be attributed: hand at least one")
    if (shortest := int(origins.steps.min()) + 1) < needed:
        raise ForecastError(
            f"a network trained on windows needs {needed} steps before an origin, found {shortest}: "
            f"ask about later origins"
        )


_NAMED, _SMALLEST = 3, 0.05
"""Groups that a sentence names, at most, and the least share that it does so for."""

_LAST, _EARLIER = "the last value", "earlier values"


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of the sizes of all attributions, the mean over the origins, of the forecasts for one step ahead.

    Attributes
    ----------
    groups : what is attributed to: ranges of the past, covariates
    of_each : (group,) adding up to 1, or all 0 where nothing is attributed

    """

    ahead: int
    groups: tuple[str, ...]
    of_each: Array


def shares(attribution: Attribution) -> tuple[Shares, ...]:
    """Sum attributions over groups, for each step ahead."""
    season = season_name(attribution.season_steps, attribution.past_times)
    starts, lengths = attribution.edges[:-1].tolist(), np.diff(attribution.edges).tolist()
    result = []
    for i, ahead in enumerate(attribution.ahead.tolist()):
        # (origin, range) and (origin, group), as shares of all of an origin
        by_lag, by_covariate = np.abs(attribution.by_lag[:, i]), np.abs(attribution.by_covariate[:, i])
        total = by_lag.sum(axis=1) + by_covariate.sum(axis=1)
        scale = np.where(total > 0, total, 1.0)[:, None]
        of_lags, of_covariates = (by_lag / scale).mean(axis=0), (by_covariate / scale).mean(axis=0)
        named = [
            _recent(lag)
            if attribution.season_steps == 1
            else _seasonal(lag, steps, ahead, attribution.season_steps, season)
            for lag, steps in zip(starts, lengths, strict=True)
        ]
        sums: dict[str, float] = {}
        for name, share in zip((*named, *attribution.covariates), (*of_lags, *of_covariates), strict=True):
            sums[name] = sums.get(name, 0.0) + float(share)
        result.append(Shares(ahead, tuple(sums), np.array(list(sums.values()))))
    return tuple(result)


def _recent(lag: int) -> str:
    """Name what a range of lags belongs to that begins at this one, in a series without a season."""
    if lag == 0:
        return _LAST
    return next(
        (name for below, name in ((10, "the 9 values before it"), (100, "10 to 99 steps back")) if lag < below),
        _EARLIER,
    )


def _seasonal(lag: int, steps: int, ahead: int, season_steps: int, season: str) -> str:
    """Name what a range of so many lags from this one on belongs to, of a forecast so many steps ahead."""
    seasons, off = divmod(lag + ahead, season_steps)
    latest = -(-ahead // season_steps)
    if off == 0 and seasons == latest:  # the latest value of that phase
        before = seasons_back(seasons, season)
        return f"{_LAST} ({before})" if lag == 0 else f"the value {before}"
    if off == 0 and steps == 1 and lag > 0:
        return f"the same place in earlier {season}s"
    names = (
        f"the rest of the last {season}",
        f"the rest of the {season} before",
        *[f"{season}s 3 to {SEASONS} back"] * (SEASONS - 2),
    )
    return _LAST if lag == 0 else (*names, _EARLIER)[min(lag // season_steps, SEASONS)]


def _shares_say(of_steps: tuple[Shares, ...], kind: AnswerKind) -> str:
    """Say what the forecasts rest on."""
    return " ".join(_rests(step, kind.name) for step in of_steps)


def _rests(step: Shares, answer: str) -> str:
    order = np.argsort(-step.of_each, kind="stable")[:_NAMED]
    parts = [f"for {100 * step.of_each[i]:.0f} % on {step.groups[i]}" for i in order if step.of_each[i] >= _SMALLEST]
    if not parts:
        return f"The {answer} {counted(step.ahead, 'step')} ahead rests on nothing that was read."
    return f"The {answer} {counted(step.ahead, 'step')} ahead rests {listed(parts)}."


def method_says(attribution: Attribution) -> str:
    """Say what was compared, and how well it adds up."""
    noun = attribution.kind.noun
    held = listed([number(value, 4) for value in dict.fromkeys(attribution.held.tolist())])
    covariates = ", covariates at their means" if attribution.covariates else ""
    reference = (
        "no reference is added to it"
        if attribution.kind.binary
        else "the reference's path from the past to the forecast is in it"
    )
    read = ""
    if attribution.streamed and bool((attribution.read_steps <= attribution.origins.steps).any()):
        gap = float(np.abs(attribution.forecast - attribution.with_whole_past).max())
        read = (
            f" The network has read {counted(int(attribution.read_steps.max()), 'step')} from an empty state; after "
            f"the whole past its {noun}s are others by {number(gap)} at most."
        )
    fed_back = " The network forecasts the next step alone; longer forecasts are its own, fed back."
    return (
        f"Integrated gradients: what each input adds to the {noun}'s difference from the {noun} at a baseline, the "
        f"series held at its training mean ({held}){covariates}; {reference}. {_adds_up(attribution)} Shares are of "
        f"the sizes of all contributions, means over {counted(len(attribution.origins), 'origin')}.{read}"
        f"{fed_back if attribution.fed_back else ''}"
    )


def _adds_up(attribution: Attribution) -> str:
    difference, left_over = np.abs(attribution.forecast - attribution.baseline), np.abs(attribution.left_over)
    worst = float(np.max(left_over / np.where(difference > 0, difference, np.inf), initial=0.0))
    if worst <= 0.01:
        return f"They add up to that difference within {max(100 * worst, 0.01):.2f} %."
    return f"They add up to that difference within {number(float(left_over.max()))}; it is small, and they cancel."


_LOW = 150
_COVERED = 0.98
"""Of the sizes of all attributions to lags: so much is drawn at least, what lies further back is left out."""

_FEWEST_LAGS, _MOST_LAGS = 12, 100
"""That are drawn, or as many seasons as a reference looks back: many old values that add next to nothing each may add
up to more than the rest, and would leave no room for what can be seen."""

_BARS = 10
_SHOWN, _VISIBLE = 0.005, 0.01


def attribution_figures(attribution: Attribution) -> tuple[Figure, ...]:
    """Draw the shares of what forecasts rest on, and what each lag adds."""
    of_steps = shares(attribution)
    return _share_figure(of_steps, _shares_say(of_steps, attribution.kind)), _lag_figure(attribution)


def _share_figure(of_steps: tuple[Shares, ...], says: str) -> Figure:
    top = max(float(step.of_each.max()) for step in of_steps)
    panels = tuple(_share_panel(step, top) for step in of_steps)
    return Figure("attribution", "What the forecasts rest on", says, panels, columns=len(panels))


def _share_panel(step: Shares, top: float) -> Panel:
    kept = np.sort(np.argsort(-step.of_each, kind="stable")[:_BARS])
    shown = [(step.groups[i], float(step.of_each[i])) for i in kept if step.of_each[i] >= _SHOWN]
    rows: Values = [{"of": shortened(name, 44), "y": round(100 * share, 1)} for name, share in shown]
    names = alt.Y("of:N", title=None, sort=None, axis=None)
    x = alt.X("y:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 100 * (top or 1.0)], nice=False))
    tips = [charts.tip("of", "rests on"), charts.tip("y", "%", ".1f")]
    bars = charts.chart("rows").mark_bar(color=LIGHT.network, height=9, yOffset=7).encode(x=x, y=names, tooltip=tips)
    labels = (
        charts.chart("rows")
        .transform_calculate(label="format(datum.y, '.0f') + ' % ' + datum.of")
        .mark_text(align="left", baseline="bottom", color=LIGHT.ink, fontSize=11, dy=1)
        .encode(x=alt.value(0), y=names, text="label:N")
    )
    return charts.panel(
        charts.layered(bars, labels), {"rows": rows}, 32 * len(rows), title=f"{counted(step.ahead, 'step')} ahead"
    )


def _lag_figure(attribution: Attribution) -> Figure:
    clock, ranges = find_clock(pd.Series(attribution.past_times)), _drawn_ranges(attribution)
    # (2, origin, ahead, range): in all, and by way of the reference
    drawn = np.stack([part[..., :ranges] for part in (attribution.by_lag, attribution.by_reference)])
    per_step = drawn / np.diff(attribution.edges)[:ranges]
    low, high = min(float(per_step.min()), 0.0), max(float(per_step.max()), 0.0)
    margin = 0.04 * ((high - low) or 1.0)
    limits = (low - margin, high + margin)
    panels = []
    for i, t in enumerate(axis_times(pd.Series(attribution.times)).tolist()):
        for j, ahead in enumerate(attribution.ahead.tolist()):
            title = f"from {clock.write(t)}, {counted(ahead, 'step')} ahead"
            panels.append(
                _lag_panel(_lag_rows(attribution, i, j, ranges), limits, title, _note(attribution, i, j, ranges))
            )
    alone = () if attribution.kind.binary else (Key("by way of the reference alone", LIGHT.baseline, area=True),)
    keys = (Key("in all", LIGHT.network, area=True), *alone)
    says, columns = method_says(attribution), len(attribution.ahead)
    return Figure("attribution_lags", "What each past value adds", says, tuple(panels), keys, columns=columns)


def _note(attribution: Attribution, origin: int, ahead: int, ranges: int) -> str:
    """Write the forecast and what is not drawn of it."""
    forecast, baseline = attribution.forecast[origin, ahead], attribution.baseline[origin, ahead]
    note = f"{attribution.kind.noun.capitalize()} {number(forecast, 4)}, at the baseline {number(baseline, 4)}"
    if ranges < attribution.by_lag.shape[-1]:
        note += f"; further back {number(float(attribution.by_lag[origin, ahead, ranges:].sum()))}"
    if attribution.covariates:
        note += f"; covariates {number(float(attribution.by_covariate[origin, ahead].sum()))}"
    return f"{note}."


def _drawn_ranges(attribution: Attribution) -> int:
    """How many ranges of lags are drawn, in all panels alike."""
    edges, season = attribution.edges, attribution.season_steps
    size = np.abs(attribution.by_lag).reshape(-1, len(edges) - 1)
    # share of all attributions to lags that lies up to each range
    behind = size.cumsum(axis=1) / np.maximum(size.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    needed = int((behind < _COVERED).sum(axis=1).max()) + 1
    most = int(np.searchsorted(edges, max(_MOST_LAGS, SEASONS * season)))
    least = int(np.searchsorted(edges, max(_FEWEST_LAGS, season if season < 100 else 0)))
    return min(max(needed, least), max(most, 1), size.shape[1])


def _lag_rows(attribution: Attribution, origin: int, ahead: int, ranges: int) -> Values:
    """One bar a range; of a range of several lags it is as high as each adds on average."""
    return [
        {
            "from": -high + 0.5,
            "to": -low + 0.5,
            "y": _plain(whole / (high - low)),
            "r": _plain(alone / (high - low)),
            "of": str(low) if high == low + 1 else f"{low} to {high - 1}",
            "all": _plain(whole),
        }
        for low, high, whole, alone in zip(
            attribution.edges[:ranges].tolist(),
            attribution.edges[1 : ranges + 1].tolist(),
            attribution.by_lag[origin, ahead].tolist(),
            attribution.by_reference[origin, ahead].tolist(),
            strict=False,
        )
    ]


def _plain(value: float) -> float:
    return float(f"{value:.4g}")


def _lag_panel(rows: Values, limits: tuple[float, float], title: str, note: str) -> Panel:
    x = _back("from", rows)
    scale = alt.Scale(domain=list(limits), nice=False)
    tips = [
        charts.tip("of", "steps back"),
        charts.tip("all", "adds", ".4~g"),
        charts.tip("r", "by the reference alone, a step", ".4~g"),
    ]
    y = alt.Y("y:Q", title=None, scale=scale)
    bars = charts.chart("rows").mark_rect(color=LIGHT.network)
    bars = bars.encode(x=x, x2="to", y=y, y2=alt.datum(0), tooltip=tips)
    # What is next to nothing would lie on the zero line as a line of its own.
    visible = f"abs(datum.r) > {_VISIBLE * (limits[1] - limits[0])}"
    alone = charts.chart("rows").transform_filter(visible).transform_calculate(mid="(datum.from + datum.to) / 2")
    alone = alone.mark_point(color=LIGHT.baseline, filled=True, opacity=1, size=14)
    alone = alone.encode(x=_back("mid", rows), y=alt.Y("r:Q", title=None, scale=scale), tooltip=tips)
    zero = charts.rule("zero", dashed=False).encode(y="y:Q")
    tables: dict[str, Values] = {"rows": rows, "zero": [{"y": 0}]}
    return charts.panel(charts.layered(bars, zero, alone), tables, _LOW, title=title, note=note)


def _back(field: str, rows: Values) -> alt.X:
    """Steps back, the past on the left."""
    return alt.X(
        f"{field}:Q",
        title="steps back",
        scale=alt.Scale(domain=[rows[-1]["from"], 0.5], nice=False, zero=False),
        axis=alt.Axis(labelExpr="format(-datum.value, 'd')", tickMinStep=1, tickCount=5),
    )


SECTION: Section[System, Attribution] = Section(
    "attribution", measure=_attribution_of, figures=lambda attribution, _: attribution_figures(attribution)
)
