"""References and the causal features that they read, as torch operations that a graph can hold.

The same arithmetic as `reference.causal_features` and `reference.references`, in double precision, of a batch of series
side by side: of a whole context at once, every row of it, and of one row more after a state. A state is a dictionary of
tensors (batch, ...), all zero before the first row, so that a server may begin a sequence with zeros.

Whatever differs from the arithmetic that it repeats is found by the check at the export (`exporting.files`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from forecast.errors import ForecastError
from forecast.reference.blends import CRITERIA, RECENT_STEPS, SEASON_LAGS
from forecast.reference.causal_features import PERSISTENCE
from forecast.reference.label_encoding import SYMBOLS_READ, SYMBOLS_UNREAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reference.references import Reference
    from forecast.series.panel import IntArray

    State: TypeAlias = dict[str, Tensor]

_WRITTEN = tuple(name for name in CRITERIA if name != "ridge_channels")
KNOWN = ("last", "seasonal", "mean", "level", "none", *_WRITTEN, SYMBOLS_READ, SYMBOLS_UNREAD)
"""References that are written here once more."""

_BLOCK = 32
"""Steps whose changes one product with a matrix sums up, as `exponential_mean` does."""


@dataclass(frozen=True)
class _Rows:
    """What is known at some rows of a batch of series; everything (batch, row), steps so far (batch or 1, row).

    Attributes
    ----------
    table : (batch, place) of values, zero before a series, in which a row stands at its `place`, (row,) int64
    phase_means : the same of phase means, where they are read

    """

    y: Tensor
    steps: Tensor
    level: Tensor
    mean: Tensor
    table: Tensor
    phase_means: Tensor | None
    place: Tensor

    def before(self, steps: Sequence[int]) -> Tensor:
        """Values so many steps before each row, the row's own where the series is too young, (batch, row, step)."""
        back = torch.tensor(steps, dtype=torch.float64)
        return self._at(self.table, torch.where(self.steps[..., None] > back, back, torch.zeros_like(back)))

    def seasons_before(self, phases: Tensor, season: int) -> Tensor:
        """Values whole seasons before future steps, (batch, row, season back, step); fewer where a series is younger.

        `phases` is (step,), how many steps before a row the latest one of each future step's phase lies.
        """
        older = self.steps[..., None, None] - 1.0 - phases  # steps before the latest, (batch, row, 1, step)
        seasons = torch.arange(len(SEASON_LAGS), dtype=torch.float64)[:, None]
        back = phases + season * torch.minimum(seasons, torch.floor(older / season))
        back = torch.where(older >= 0, back, torch.zeros_like(back))
        values = self._at(self.table, back.flatten(2))
        return values.reshape(values.shape[0], -1, len(SEASON_LAGS), len(phases))

    def phase_mean(self, phases: Tensor) -> Tensor:
        """Mean over all seasons before future steps, the row's own value where there is none, (batch, row, step)."""
        if self.phase_means is None:
            raise ValueError("a reference without phase means")
        means = self.phase_means[:, self.place[:, None] - phases.long()]
        return torch.where(self.steps[..., None] > phases, means, self.y[..., None])

    def moving_mean(self, steps: int) -> Tensor:
        """Mean of the last so many values, of fewer where the series is younger."""
        sums = torch.cat([torch.zeros_like(self.table[:, :1]), self.table.cumsum(dim=1)], dim=1)
        ends, starts = self.place + 1, self.place + 1 - steps
        return (sums[:, ends] - sums[:, starts]) / self.steps.clamp(max=float(steps))

    def _at(self, table: Tensor, back: Tensor) -> Tensor:
        """What a table holds so many steps before each row, (batch or 1, row, step) -> (batch, row, step)."""
        places = self.place[:, None] - back.long() + torch.zeros_like(self.y).long()[..., None]
        return table.gather(1, places.flatten(1)).reshape(places.shape)


class ReferenceGraph(nn.Module):
    """A fitted reference: inputs of the network at each row, and forecasts after the last.

    Attributes
    ----------
    carries : parts of the state, by name
    width : values that the state holds

    """

    def __init__(self, reference: Reference) -> None:
        super().__init__()
        if reference.name not in KNOWN:
            raise ForecastError(
                f"the reference {reference.name!r} cannot be exported: its arithmetic is not known to the graphs; "
                f"train with `model.reference` as one of {', '.join(KNOWN[:5])} or a blend"
            )
        self.reference = reference
        self.symbols = reference.name in (SYMBOLS_READ, SYMBOLS_UNREAD)
        self.blended, self.season = reference.name in CRITERIA, reference.season_steps
        seasonal = self.blended and self.season > 1 and not reference.lags
        self.width = max(SEASON_LAGS) * self.season + 1 if seasonal else max(self.season, reference.lags) + 1
        self.carries = ["steps", "values"]
        self.carries += [] if self.symbols else ["level"]
        self.carries += ["mean"] if reference.name == "mean" or (self.blended and not seasonal) else []
        self.carries += ["phase_means"] if seasonal else []
        self.carries += ["expected"] if self.blended else []
        self.centre: Tensor
        self.weights: Tensor
        self.decay: Tensor
        self.bounds: Tensor
        self.register_buffer("centre", torch.from_numpy(reference.centre))
        self.register_buffer("bounds", torch.from_numpy(reference.bounds))
        self.register_buffer("weights", torch.from_numpy(reference.weights).transpose(1, 2))  # (series, term, step)
        age = np.arange(_BLOCK) - np.arange(_BLOCK)[:, None]
        kept = np.where(age >= 0, (1 - reference.smoothing) ** (np.maximum(age, 0) + 1.0), 0.0)
        self.register_buffer("decay", torch.from_numpy(kept))

    def begin(self, batch: int) -> State:
        """State before the first row."""
        sizes = {"values": self.width, "phase_means": self.season}
        return {name: torch.zeros(batch, sizes.get(name, 1), dtype=torch.float64) for name in self.carries}

    def over_context(self, y: Tensor, series: Tensor) -> tuple[Tensor, Tensor, State]:
        """Run over series that begin with the context, (batch, row).

        Inputs of every row, (batch, row, input), forecasts after the last, (batch, horizon), and the state there.
        """
        count = torch.ones_like(y[:1]).cumsum(dim=1)  # (1, row)
        before = torch.zeros_like(y[:, :1]).expand(-1, self.width - 1)
        uses, nothing = self.carries, torch.zeros_like(y)
        phase_means = torch.cat([before, self._phase_means(y)], dim=1) if "phase_means" in uses else None
        rows = _Rows(
            y=y,
            steps=count,
            level=self._levels(y) if "level" in uses else nothing,
            mean=y.cumsum(dim=1) / count if "mean" in uses else nothing,
            table=torch.cat([before, y], dim=1),
            phase_means=phase_means,
            place=torch.arange(y.shape[1]) + self.width - 1,
        )
        after = {
            "steps": count[:, -1:] + nothing[:, -1:],
            "values": rows.table[:, -self.width :],
            "level": rows.level[:, -1:],
            "mean": rows.mean[:, -1:],
        }
        if phase_means is not None:
            after["phase_means"] = phase_means[:, -self.season :]
        course = expected = None
        if self.blended:
            course = self._blend(rows, series, self.reference.course_steps)  # its first step is the next
            expected = torch.cat([y[:, :1], course[:, :-1, 0]], dim=1)
            after["expected"] = course[:, -1:, 0]
        forecast = self._forecast(self._row(after), series)[:, 0]
        return self._inputs(rows, series, expected, course), forecast, {name: after[name] for name in uses}

    def over_step(self, y: Tensor, series: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Run over one row more, (batch, 1): its inputs, (batch, 1, input), forecasts after it, and the state there."""
        steps = state["steps"] + 1.0
        first = steps == 1.0
        after = {"steps": steps, "values": torch.cat([state["values"][:, 1:], y], dim=1)}
        if "level" in self.carries:
            level = state["level"]
            after["level"] = torch.where(first, y, level + self.reference.smoothing * (y - level))
        if "mean" in self.carries:
            after["mean"] = state["mean"] + (y - state["mean"]) / steps
        if "phase_means" in self.carries:
            oldest = state["phase_means"][:, :1]
            mean = oldest + (y - oldest) / torch.ceil(steps / float(self.season))
            after["phase_means"] = torch.cat([state["phase_means"][:, 1:], mean], dim=1)
        rows, course, expected = self._row(after), None, None
        forecast = self._forecast(rows, series)
        if self.blended:
            course = forecast[..., torch.from_numpy(self.reference.course_steps) - 1]
            expected = torch.where(first, y, state["expected"])
            after["expected"] = forecast[..., 0]
        return self._inputs(rows, series, expected, course), forecast[:, 0], after

    def next_if_missing(self, state: State) -> Tensor:
        """What the next value is read as where it is missing, (batch, 1)."""
        latest, season = state["values"][:, -1:], self.season
        if season == 1:
            return latest
        ago, before = (state["values"][:, self.width - back : self.width - back + 1] for back in (season, season + 1))
        return torch.where(state["steps"] > season, ago + PERSISTENCE * (latest - before), latest)

    def _row(self, state: State) -> _Rows:
        """Return the row that a state stands at, as rows: (batch, 1)."""
        phase_means = state.get("phase_means")
        if phase_means is not None:  # at the same places as the values
            ahead = torch.zeros_like(phase_means[:, :1]).expand(-1, self.width - self.season)
            phase_means = torch.cat([ahead, phase_means], dim=1)
        return _Rows(
            y=state["values"][:, -1:],
            steps=state["steps"],
            level=state.get("level", state["steps"]),
            mean=state.get("mean", state["steps"]),
            table=state["values"],
            phase_means=phase_means,
            place=torch.tensor([self.width - 1]),
        )

    def _forecast(self, rows: _Rows, series: Tensor) -> Tensor:
        """What `Reference.at` computes, (batch, row, horizon)."""
        horizon = self.reference.horizon
        if self.symbols:
            return torch.zeros_like(rows.y)[..., None].expand(-1, -1, horizon)
        if self.reference.name == "seasonal":
            return rows.before([self.season - 1 - h % self.season for h in range(horizon)])
        if self.blended:
            return self._blend(rows, series, np.arange(1, horizon + 1))
        return self._anchor(rows, series)[..., None].expand(-1, -1, horizon)

    def _inputs(self, rows: _Rows, series: Tensor, expected: Tensor | None, course: Tensor | None) -> Tensor:
        """What `Reference.inputs` computes, (batch, row, input)."""
        y = rows.y[..., None]
        if self.symbols:
            return y[..., : self.reference.input_size]
        differences = [y - rows.before([1]), y - rows.level[..., None]]
        if self.season > 1:
            differences.append(y - rows.before([self.season]))
        if self.reference.name == "mean" or (self.reference.name == "none" and not self.reference.reads_level):
            differences.append(y - self._anchor(rows, series)[..., None])
        if expected is not None and course is not None:
            differences += [y - expected[..., None], course - y]
        if self.reference.reads_level:
            low, high = (self.bounds[series][:, None, side : side + 1] for side in (0, 1))  # (batch, 1, 1)
            differences.append(torch.minimum(torch.maximum(y, low), high) - (low + high) / 2)
        return torch.cat(differences, dim=-1)

    def _anchor(self, rows: _Rows, series: Tensor) -> Tensor:
        """What `Reference.anchor` computes, (batch, row)."""
        if self.reference.name == "none":
            return self.centre[series][:, None] + torch.zeros_like(rows.y)
        return {"mean": rows.mean, "level": rows.level}.get(self.reference.name, rows.y)

    def _blend(self, rows: _Rows, series: Tensor, ahead: IntArray) -> Tensor:
        """Forecasts of some steps ahead by weighted terms (`blends.terms`), (batch, row, step)."""
        y = rows.y[..., None, None]
        weights = self.weights[..., torch.from_numpy(ahead) - 1][series][:, None]  # (batch, 1, term, step)
        if self.reference.lags:
            lagged = rows.before(range(1, self.reference.lags + 1))
            terms = torch.cat([lagged, rows.mean[..., None]], dim=-1)[..., None]
            return rows.y[..., None] + ((terms - y) * weights).sum(dim=2)
        if self.season == 1:
            terms = torch.stack([rows.level, rows.mean], dim=-1)[..., None]
            return rows.y[..., None] + ((terms - y) * weights).sum(dim=2)
        phases = torch.from_numpy(self.season - 1.0 - (ahead - 1) % self.season)
        seasonal = torch.cat([rows.seasons_before(phases, self.season), rows.phase_mean(phases)[:, :, None]], dim=2)
        means = [rows.moving_mean(seasons * self.season) for seasons in (1, max(SEASON_LAGS))]
        same = torch.stack([*means, rows.level], dim=-1)
        same = torch.cat([same, rows.before([*RECENT_STEPS, self.season])], dim=-1)[..., None]  # for all steps ahead
        first = len(SEASON_LAGS) + 1
        total = rows.y[..., None] + ((seasonal - y) * weights[:, :, :first]).sum(dim=2)
        return total + ((same - y) * weights[:, :, first:]).sum(dim=2)

    def _levels(self, y: Tensor) -> Tensor:
        """Exponential mean at every row, (batch, row), block by block as `exponential_mean`."""
        changes = torch.cat([torch.zeros_like(y[:, :1]), y[:, 1:] - y[:, :-1]], dim=1)
        lag = _blocks(changes, _BLOCK) @ self.decay  # (batch, block, step)
        place = torch.ones_like(lag[0, :, 0]).cumsum(dim=0)  # (block,)
        blocks_ago = place - place[:, None] - 1.0  # (from, to)
        carried = torch.where(blocks_ago >= 0, torch.pow(self.decay[0, -1], blocks_ago.clamp(min=0.0)), 0.0)
        lag = lag + (lag[:, :, -1] @ carried)[..., None] * self.decay[0]
        return y - lag.flatten(1)[:, : y.shape[1]]

    def _phase_means(self, y: Tensor) -> Tensor:
        """Mean of each value and those whole seasons before it, (batch, row)."""
        seasons = _blocks(y, self.season)
        means = seasons.cumsum(dim=1) / torch.ones_like(seasons).cumsum(dim=1)
        return means.flatten(1)[:, : y.shape[1]]


def _blocks(y: Tensor, steps: int) -> Tensor:
    """Cut rows into blocks, the last filled with zeros, (batch, row) -> (batch, block, step)."""
    filled = torch.cat([y, torch.zeros_like(y[:, :1]).expand(-1, steps - 1)], dim=1)
    end = (y.shape[1] + steps - 1) // steps * steps
    return filled[:, :end].reshape(y.shape[0], -1, steps)
