"""The echo-state property: a state that forgets where it began (Jaeger 2001, "The echo state approach").

Different starting states are driven by the same inputs, those of the data. Where the distance between each of them and
the state that began at zero falls to nothing, the state is a function of the inputs alone; where it does not, forecasts
depend on how the network was started, for ever. A spectral radius below 1 is no proof of it, so it is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.inspection.curves import Axis, Curve, panel
from forecast.inspection.memory import distance
from forecast.inspection.page import Section
from forecast.network.cpu import threads_for
from forecast.network.trace import trace
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.series.panel import FloatArray


_NOTHING = 1e-3
"""Share of the first distance that counts as none."""

_STARTS = 32
_MOST_STEPS = 600


@dataclass(frozen=True, eq=False)
class Starts:
    """Distances of states that began elsewhere from the one that began at zero.

    Attributes
    ----------
    starts : how many there are
    widest, median : over them after each step, (step,), in units of each one's first distance; step 0 is the start
    forgotten : steps until all of them stay below a thousandth; None where one does not
    apart : how many do not

    """

    starts: int
    widest: FloatArray
    median: FloatArray
    forgotten: int | None
    apart: int


@torch.no_grad()
def starts_of(system: System, seed: int = 0) -> Starts:
    """Drive the state by the data from many starting states, as large as it becomes or 1, whatever is more."""
    network, length = system.single.network, len(system.past.target)
    steps = min(max(4 * system.span, _MOST_STEPS), length)
    x = torch.from_numpy(system.data.inputs.at(np.arange(length - steps, length)[None]))
    zero = network.initial_state(1)
    with threads_for(_STARTS, network.backbone.feature_size):
        series = torch.zeros((1, steps), dtype=torch.int64)
        from_zero = trace(network, x, series, zero).states
        rng = np.random.default_rng(seed)
        others = tuple(_elsewhere(part, states, rng) for part, states in zip(zero, from_zero, strict=True))
        driven = trace(network, x.expand(_STARTS, -1, -1), series.expand(_STARTS, -1), others).states
    after = distance(driven, tuple(part.expand(_STARTS, *part.shape[1:]) for part in from_zero))
    first = distance(tuple(part[:, None] for part in others), tuple(part[:, None] for part in zero))
    distances = np.concatenate([first, after], axis=1) / first  # (start, step)
    above = distances > _NOTHING
    lasting = int(above[:, -max(steps // 20, 1) :].any(axis=1).sum())  # still apart in the last twentieth
    forgotten = None if lasting else int(np.flatnonzero(above.any(axis=0))[-1]) + 1
    return Starts(_STARTS, distances.max(axis=0), np.median(distances, axis=0), forgotten, lasting)


def _elsewhere(part: torch.Tensor, states: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random starting states for a part of the state, (start, ...)."""
    size = max(float(states.abs().max()), 1.0) if states.numel() else 1.0
    drawn = rng.uniform(-size, size, size=(_STARTS, *part.shape[1:]))
    return torch.from_numpy(drawn).to(part.dtype)


def starts_says(starts: Starts) -> str:
    """Say whether the state forgets where it began."""
    if starts.forgotten is None:
        return (
            f"The state does not forget where it began: {starts.apart} of {starts.starts} other starting states, "
            f"driven by the same data, are still apart from it after {counted(len(starts.widest) - 1, 'step')}."
        )
    return (
        f"The state forgets where it began within {counted(starts.forgotten, 'step')}: {starts.starts} other starting "
        f"states, driven by the same data, come to less than a thousandth of their distance."
    )


def _starts_figure(starts: Starts) -> Figure:
    """Draw how the distances to other starting states shrink."""
    steps = np.arange(len(starts.widest))
    shown = len(steps) if starts.forgotten is None else min(max(2 * starts.forgotten, 24), len(steps))
    floor = 1e-7  # of single precision
    colours = {"farthest of all": LIGHT.network, "median": LIGHT.truth}
    lines = {"farthest of all": starts.widest, "median": starts.median}
    curves = [Curve(of, colours[of], steps[:shown], np.maximum(y[:shown], floor)) for of, y in lines.items()]
    apart = panel(
        curves,
        Axis("steps on the same data"),
        Axis("share of the first distance", log=True, written=".0e"),
        title="distance to the state that began at zero (dashed: a thousandth)",
        across=_NOTHING,
    )
    says = (
        f"The echo-state property, tried on these data rather than proved: {starts.starts} starting states, as large "
        f"as the state becomes, are driven by the same inputs as the one that began at zero."
    )
    return Figure("starts", "Whether it forgets where it began", says, (apart,), charts.keys(colours))


SECTION: Section[System, Starts] = Section(
    "starts",
    measure=starts_of,
    figures=lambda starts, _: (_starts_figure(starts),),
    sentences=lambda starts, _: (starts_says(starts),),
    numbers=lambda starts: {"found": {"starts": starts}},
    wanted=lambda system, _: system.carries_state,
)
