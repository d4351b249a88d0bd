"""A run's forecaster as two torch modules: raw values in, forecasts and quantiles out.

    context   values (batch, step) of series from their first step on  -> forecast after the last, and the state there
    step      one value more (batch, 1) and the state before it        -> forecast after it, and the state after it

Each part of the state is a tensor (batch, ...), zero before the first row. Reference, scale, covariates, transform,
members of an ensemble, the range of values and conformal widths are inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor, nn

from forecast.errors import ForecastError
from forecast.exporting.backbones import exportable, looped
from forecast.exporting.bank import BankGraph
from forecast.exporting.covariates import Covariates
from forecast.exporting.references import ReferenceGraph
from forecast.forecasters.interface import QUANTILES
from forecast.forecasters.pretrained import FittedPretrained
from forecast.forecasters.transformed import FittedTransformed
from forecast.network.distributions import GaussianHead, QuantileHead
from forecast.network.heads import CategoricalHead, DirectionHead, PointHead
from forecast.reference.causal_features import PERSISTENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.network.head import Head
    from forecast.network.network import Network
    from forecast.questions.value_range import ValueRange
    from forecast.runs.run import Run
    from forecast.series.panel import FloatArray, IntArray

    State: TypeAlias = dict[str, Tensor]


class Answer(nn.Module):
    """What comes after the forecasts of a network: transform, range of values, conformal widths.

    Parameters
    ----------
    offsets : (step, level) in units of `scale` (series,); None: no intervals

    """

    def __init__(self, *, log: bool, value_range: ValueRange, scale: FloatArray, offsets: FloatArray | None) -> None:
        super().__init__()
        self.log, self.range = log, value_range
        self.scale: Tensor
        self.offsets: Tensor | None
        self.register_buffer("scale", torch.from_numpy(scale))
        self.register_buffer("offsets", None if offsets is None else torch.from_numpy(offsets))

    def forward(self, forecast: Tensor, quantiles: Tensor | None, series: Tensor) -> dict[str, Tensor]:
        """(batch, horizon) and (batch, horizon, level) -> the outputs by name."""
        if self.log:
            forecast, quantiles = forecast.exp(), None if quantiles is None else quantiles.exp()
        forecast, quantiles = self._kept(forecast), None if quantiles is None else self._kept_quantiles(quantiles)
        if self.offsets is None:
            return {"forecast": forecast}
        centre = forecast[..., None] if quantiles is None else quantiles
        moved = torch.sort(centre + self.scale[series][:, None, None] * self.offsets, dim=-1).values
        return {"forecast": forecast, "quantiles": self._kept_quantiles(moved)}

    def _kept(self, values: Tensor) -> Tensor:
        bounded = self._bounded(values)
        return bounded.round() if self.range.integer else bounded

    def _kept_quantiles(self, quantiles: Tensor) -> Tensor:
        if not self.range.integer:
            return self._bounded(quantiles)
        below, above = (torch.tensor(levels) for levels in zip(*((p < 0.5, p > 0.5) for p in QUANTILES), strict=True))
        away = torch.where(below, quantiles.floor(), torch.where(above, quantiles.ceil(), quantiles.round()))
        return self._bounded(away)

    def _bounded(self, values: Tensor) -> Tensor:
        if self.range.minimum is None and self.range.maximum is None:
            return values
        return values.clamp(self.range.minimum, self.range.maximum)


class Graph(Protocol):
    """What is exported: forecasts after a context, and after one step more.

    Attributes
    ----------
    window : steps that are read, where a network reads windows from a state of zeros; None: it carries a state
    log : whether it forecasts logarithms, inside
    may_miss : whether values may be missing (NaN)
    reach : steps after a row of which covariates known ahead are read
    ahead_marks : (channel,) 1 where a covariate that is known ahead may be missing
    offsets : (step, level) of intervals; None where there are none
    centre, unit : (series,) level and scale of each series, of logarithms where it forecasts these
    fewest : steps of a series from which on it forecasts
    lengths : of contexts that are worth a check
    bare : whether it reads values alone, and step by step alone: no covariates, and no context at once

    """

    horizon: int
    window: int | None
    log: bool
    may_miss: bool
    reach: int
    ahead_marks: IntArray
    offsets: FloatArray | None
    centre: FloatArray
    unit: FloatArray
    lengths: tuple[int, ...]
    bare: bool
    fewest: int

    def begin(self, batch: int) -> State:
        """State before the first row, zeros; empty where none is carried."""
        ...

    def over_context(self, given: State) -> State:
        """Forecast after a context, (batch, step): inputs by name -> outputs and the state after it by name."""
        ...

    def over_step(self, given: State, state: State) -> State:
        """Forecast after one value more, (batch, 1), and the state before it."""
        ...


def graph_of(run: Run) -> Graph:
    """Return the forecaster of a run as a graph.

    Raises
    ------
    ForecastError
        One line that says why it cannot be one.

    """
    network: Any = run.network
    log = isinstance(network, FittedTransformed)
    inner = network.fitted if log else network
    question, name = run.problem.question, run.record.network.name
    offsets = None if question.forecasts_probabilities else run.record.intervals.arrays().get(name)
    if run.record.data.channels[0].at_end:
        raise ForecastError(
            "one label a series (`data.target_at=end`) cannot be exported: a graph forecasts the next steps; use "
            "task=predict"
        )
    pretrained = isinstance(inner, FittedPretrained)
    if offsets is None and (pretrained or inner.members[0].network.head.is_distribution):
        offsets = np.zeros((run.problem.horizon, len(QUANTILES)))  # its own quantiles stay as they are
    answer = Answer(
        log=log, value_range=run.problem.value_range, scale=np.array(run.record.intervals.scale), offsets=offsets
    )
    if pretrained and inner.effects:
        raise ForecastError(
            "a pretrained network with effects of covariates cannot be exported: the graph of its smoothers reads the "
            "series alone; leave `data.future` and `data.country` out, or train a network (`model=lstm`)"
        )
    if pretrained:
        return BankGraph(inner, answer).eval()
    combine = getattr(inner.forecaster, "combine", "mean")
    return _NetworkGraph(inner.members, combine, answer).eval()


class _NetworkGraph(nn.Module):
    """The networks of a run, over a context and over a step more: a `Graph`."""

    def __init__(self, members: tuple[FittedNetwork, ...], combine: str, answer: Answer) -> None:
        super().__init__()
        first = members[0]
        _check_known(first)
        self.combine, self.answer, self.horizon = combine, answer, first.problem.horizon
        self.symbols = first.problem.question.categorical
        self.window = first.problem.context_steps if first.forecaster.training.regime == "windows" else None
        self.reference = ReferenceGraph(first.reference)
        self.covariates = Covariates(first.encoding, self.horizon)
        self.scale: Tensor
        self.register_buffer("scale", torch.from_numpy(first.scale))
        self.networks = nn.ModuleList(exportable(member.network) for member in members)
        self.log, self.offsets = answer.log, None if answer.offsets is None else answer.offsets.numpy()
        self.may_miss, self.ahead_marks = first.encoding.target_marked, first.encoding.ahead.marked
        self.reach, self.bare, self.fewest = self.covariates.reach, False, self.window or 1
        self.centre, self.unit = first.reference.centre, first.scale
        season, width = first.problem.season_steps, self.reference.width
        lengths = {1, 2, season, season + 1, 2 * season + 1, width - 1, width, width + 3}
        self.lengths = tuple(sorted(lengths)) if self.window is None else tuple(self.window + i for i in (0, 1, season))

    def begin(self, batch: int) -> State:
        """State before the first row, zeros; empty where none is carried."""
        if self.window is not None:
            return {}
        lags, columns = self.covariates.lags, self.covariates.encoding.ahead.size
        known = {"known": torch.zeros(batch, lags, columns)} if lags else {}
        return {**self.reference.begin(batch), **known, **self._begin_networks(torch.zeros(batch, 1))}

    def over_context(self, given: State) -> State:
        """Forecast after a context, (batch, step): inputs by name -> outputs and the state after it by name."""
        values = given["values"].log() if self.log else given["values"]
        y, missing = _filled(values, self.reference.season) if self.may_miss else (values, None)
        series = self._series(given)
        differences, reference, after = self.reference.over_context(y, series)
        known = self.covariates.ahead(given)
        inputs = self._inputs(given, series, differences, missing, known)
        if known is not None:  # the first row stands for those before it
            known = torch.cat([known[:, :1].expand(-1, self.covariates.lags, -1), known], dim=1)
        if self.window is not None:
            inputs = inputs[:, -self.window :]
        return self._outputs(series, inputs, reference, known, (self._begin_networks(y), after))

    def over_step(self, given: State, state: State) -> State:
        """Forecast after one value more, (batch, 1), and the state before it."""
        y, missing = given["values"].log() if self.log else given["values"], None
        if self.may_miss:
            missing = y.isnan()
            y = torch.where(missing, self.reference.next_if_missing(state), y)
        series = self._series(given)
        differences, reference, after = self.reference.over_step(y, series, state)
        known = self.covariates.ahead(given)
        inputs = self._inputs(given, series, differences, missing, known)
        if known is not None and "known" in state:
            before = torch.where(state["steps"][..., None] == 0.0, known[:, :1], state["known"])
            known = torch.cat([before, known], dim=1)
        return self._outputs(series, inputs, reference, known, (state, after))

    def _outputs(
        self, series: Tensor, inputs: Tensor, reference: Tensor, known: Tensor | None, states: tuple[State, State]
    ) -> State:
        """Outputs and state after rows of inputs, (batch, step, input).

        `known` has the columns known ahead, from `lags` rows before the inputs on. `states` are that before the rows
        and, without what this adds, that after them.
        """
        before, after = states
        lags, reach = self.covariates.lags, self.reach
        ahead = None if known is None else known[:, -(lags + reach) :]
        if known is not None and lags:
            after = after | {"known": known[:, :-reach][:, -lags:]}
        scale, by_member = self.scale[series][:, None], []
        numbers = series[:, None].expand(-1, inputs.shape[1])
        for i, network in enumerate(self._networks()):
            names = [name for name in before if name.startswith(f"network{i}_")]
            features, state = network.features(inputs, numbers, tuple(before[name] for name in names))
            after = after | dict(zip(names, state, strict=True))
            by_member.append(_read(network.head, network.forecast(features[:, -1], ahead), reference, scale))
        forecast = _combined([forecast for forecast, _ in by_member], "mean" if self.symbols else self.combine)
        quantiles = [quantiles for _, quantiles in by_member if quantiles is not None]
        if self.symbols:
            outputs = {"probabilities": forecast}
        else:
            outputs = self.answer(forecast, _combined(quantiles, self.combine) if quantiles else None, series)
        return outputs if self.window is not None else outputs | {f"{name}_after": part for name, part in after.items()}

    def _inputs(
        self, given: State, series: Tensor, differences: Tensor, missing: Tensor | None, known: Tensor | None
    ) -> Tensor:
        """Inputs of the networks: differences in units of the scale, and columns of covariates."""
        columns = [(differences / self.scale[series][:, None, None]).float()]
        if "past" in given:
            columns.append(self.covariates.past(given["past"]))
        if known is not None:
            columns.append(known[:, : -self.reach])
        if missing is not None:
            columns.append(missing[..., None].float())
        return torch.cat(columns, dim=-1)

    def _begin_networks(self, y: Tensor) -> State:
        """Zeros for each series of a batch, (batch, step): their number is not fixed in a graph."""
        zero, parts = torch.zeros_like(y[:, :1]).float(), {}
        for i, network in enumerate(self._networks()):
            for j, part in enumerate(network.initial_state(1)):
                parts[f"network{i}_{j}"] = part + zero.reshape(-1, *[1] * (part.dim() - 1))
        return parts

    def _networks(self) -> Iterator[Network]:
        networks: Any = self.networks
        yield from networks

    @staticmethod
    def _series(given: State) -> Tensor:
        return given["series"] if "series" in given else torch.zeros_like(given["values"][:, 0]).long()


def _check_known(member: FittedNetwork) -> None:
    """Refuse what a graph cannot do.

    Raises
    ------
    ForecastError
        One line that says what, and what to train instead.

    """
    settings, head = member.forecaster.settings, member.network.head
    if settings.strategy == "recursive":
        raise ForecastError(
            "`model.strategy=recursive` cannot be exported: its graph would run a network and a reference once a step "
            "of the horizon and trajectory; train with `model.strategy=direct`"
        )
    if settings.fork_ensemble > 1:
        raise ForecastError(
            f"`model.fork_ensemble={settings.fork_ensemble}` cannot be exported: it averages forecasts of several "
            f"origins; train with `model.fork_ensemble=1`"
        )
    if head.question.categorical and member.encoding.target_marked:
        raise ForecastError(
            "a network on symbols some of which are missing cannot be exported: fill them in, and train"
        )
    if not isinstance(head, HEADS):
        raise ForecastError(
            f"`model.head={settings.head}` cannot be exported: ONNX has no function for its quantiles; train with "
            f"`model.head=quantile`"
        )


HEADS = (PointHead, QuantileHead, GaussianHead, DirectionHead, CategoricalHead)
"""Heads whose forecasts and quantiles are operations of ONNX."""


def _filled(values: Tensor, season: int) -> tuple[Tensor, Tensor]:
    """Fill missing values, (batch, step), as `causal_features.filled_target`; return which are missing, too."""
    missing, nothing = values.isnan(), torch.zeros_like(values)
    known = (~missing).double().cumsum(dim=1).long()  # known values so far
    place = torch.where(missing, torch.zeros_like(known), known)  # place 0 is never read
    table = torch.cat([nothing[:, :1], nothing], dim=1).scatter(1, place, torch.where(missing, nothing, values))
    forward = table.gather(1, known.clamp(min=1))  # (batch, 1 + known value) -> (batch, step)
    if season == 1:
        return forward, missing
    step = torch.ones_like(forward[:1]).cumsum(dim=1) - 1.0  # (1, step)
    before = forward[:, :1].expand(-1, season + 1)
    return looped(_by_season, forward)(forward, missing & (step > season), before, PERSISTENCE), missing


def _by_season(y: Tensor, missing: Tensor, before: Tensor, persistence: float) -> Tensor:
    """As `causal_features.in_place` where values are missing, (batch, step); `before` are the values of a season."""
    steps: list[Tensor] = []
    for t in range(y.shape[1]):
        read = before[:, 1] + persistence * (before[:, -1] - before[:, 0])
        now = torch.where(missing[:, t], read, y[:, t])
        before = torch.cat([before[:, 1:], now[:, None]], dim=1)
        steps.append(now)
    return torch.stack(steps, dim=1)


def _read(head: Head, raw: Tensor, reference: Tensor, scale: Tensor) -> tuple[Tensor, Tensor | None]:
    """What `strategies.read_forecasts` makes of raw numbers, (batch, horizon, size)."""
    if isinstance(head, CategoricalHead):
        return head.probabilities(raw), None
    point = head.point(raw, None).double()
    if isinstance(head, DirectionHead):
        return point, None
    if not head.is_distribution:
        return reference + point * scale, None
    quantiles = reference[..., None] + _quantiles(head, raw).double() * scale[..., None]
    return reference + point * scale, torch.sort(quantiles, dim=-1).values


def _quantiles(head: Head, raw: Tensor) -> Tensor:
    """Quantiles at `QUANTILES`, (batch, horizon, size) -> (batch, horizon, level)."""
    scores = _normal_scores(QUANTILES)
    if isinstance(head, GaussianHead):
        return head.point(raw, None)[..., None] + head.spread(raw)[..., None] * scores
    if not isinstance(head, QuantileHead):
        raise TypeError(f"no quantiles of a {type(head).__name__}")
    own = _normal_scores(head.levels)
    left = (torch.searchsorted(own, scores) - 1).clamp(0, head.size - 2)  # level below each probability
    share = (scores - own[left]) / (own[left + 1] - own[left])  # straight in normal scores
    quantiles = head.own_quantiles(raw)
    low, high = quantiles[..., left], quantiles[..., left + 1]
    return low + share * (high - low)


def _normal_scores(levels: Sequence[float]) -> Tensor:
    return torch.from_numpy(ndtri(np.array(levels, dtype=np.float32).astype(np.float64)).astype(np.float32))


def _combined(by_member: Sequence[Tensor], combine: str) -> Tensor:
    """Mean or median of forecasts, (...) each -> (...)."""
    count = len(by_member)
    if count == 1:
        return by_member[0]
    if combine == "mean":
        return torch.stack(list(by_member)).mean(dim=0)
    ordered = torch.sort(torch.stack(list(by_member), dim=-1), dim=-1).values  # (..., member)
    return (ordered[..., (count - 1) // 2] + ordered[..., count // 2]) / 2
