"""How a forecast answers an impulse, a step and a constant, and how long its answer lasts.

Impulse and step come after a flat series, and their answer is the forecast less that of the flat series. The constant
comes after the data themselves, as a series that stops moving, at a height above the last values. Where rises are asked
for the answer is the logit of a rise: it is told as it is, what else would be in spreads or in the target's units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.reference.causal_features import filled_target

if TYPE_CHECKING:
    from forecast.inspection.system import Answers, System
    from forecast.series.panel import FloatArray

Course: TypeAlias = Literal["damps", "rings", "drifts", "swings"]

SMALL = 0.05
_MOST_BEFORE = 20_000
_RINGING = 3
"""Changes of sign, beyond a twentieth of the largest distance, from which on an answer is said to ring."""


@dataclass(frozen=True, eq=False)
class Response:
    """The answer to an impulse or a step, in spreads, by steps since then.

    Attributes
    ----------
    steps : horizon steps that are looked at
    network, reference : (step since, horizon step)
    to_e, to_small : steps until the first horizon step's answer stays below 1/e and 5 % of its peak, for a step of its
        largest distance from where it ends; None where it never does

    """

    steps: tuple[int, ...]
    network: FloatArray
    reference: FloatArray
    to_e: int | None
    to_small: int | None


@dataclass(frozen=True, eq=False)
class Constant:
    """The answer to a series that stops moving.

    Attributes
    ----------
    height : at which it stands, in the target's units
    before : the last values that there were
    network, reference : (step since, horizon step), in the target's units
    course : what the first horizon step does: it damps to a fixed point, rings down to it, drifts on, or keeps swinging
    fixed_point : mean over the last quarter
    settled : steps until it stays within a twentieth of its largest distance from there, or of a spread; None where it
        does not
    crossings : how often it crosses the fixed point before
    course_of_reference : what the reference does alone

    """

    steps: tuple[int, ...]
    height: float
    before: FloatArray
    network: FloatArray
    reference: FloatArray
    course: Course
    fixed_point: float
    settled: int | None
    crossings: int
    course_of_reference: Course


def impulse_of(system: System) -> Response:
    """One value stands a spread above a flat series."""
    told = _after_flat(system, np.eye(1, system.span + 1)[0])
    lasting = np.abs(told.network[1, :, 0] - told.network[0, :, 0])
    return _response(system, told, lasting)


def step_of(system: System) -> Response:
    """From one step on all values stand a spread above what was flat before."""
    told = _after_flat(system, np.ones(system.span + 1))
    moved = told.network[1, :, 0] - told.network[0, :, 0]
    return _response(system, told, np.abs(moved - moved[-1]))


def _after_flat(system: System, course: FloatArray) -> Answers:
    """Answers to a flat series and to one that goes on with a course in spreads, (lane, step since, horizon step)."""
    values = np.full((2, system.warmup + len(course)), system.centre)
    values[1, system.warmup :] += system.spread * course
    return system.answers(values, system.warmup)


def _response(system: System, told: Answers, lasting: FloatArray) -> Response:
    network, reference = ((answer[1] - answer[0]) / system.answer_unit for answer in told)
    return Response(system.steps, network, reference, _stays_below(lasting, 1 / np.e), _stays_below(lasting, SMALL))


def _stays_below(values: FloatArray, share: float) -> int | None:
    """Steps until values stay below a share of the largest; None where even the last is above."""
    above = np.flatnonzero(values > share * values.max())
    if not len(above):
        return 0
    return int(above[-1]) + 1 if above[-1] + 1 < len(values) else None


def constant_of(system: System, before: FloatArray | None = None) -> Constant:
    """Let the series stand still, a spread above its mean, after the data or what is handed over as `before`."""
    y = filled_target(system.past) if before is None else before
    y = y[-_MOST_BEFORE:]
    height = system.centre + system.spread if before is not None else float(y[-system.warmup :].mean()) + system.spread
    steps = max(2 * system.span, system.warmup)
    start = max(len(system.past.target) - len(y), 0) if before is None else 0
    told = system.answers(np.concatenate([y, np.full(steps, height)])[None], len(y), start)
    network, reference = (answer[0] for answer in told)
    course, fixed_point, settled, crossings = _course(network[:, 0], system.answer_unit)
    alone, *_ = _course(reference[:, 0], system.answer_unit)
    shown = y[-min(len(y), steps // 3) :]
    return Constant(system.steps, height, shown, network, reference, course, fixed_point, settled, crossings, alone)


def _course(answer: FloatArray, unit: float) -> tuple[Course, float, int | None, int]:
    """Tell damping, ringing, drifting and swinging apart."""
    last = answer[-max(len(answer) // 4, 2) :]
    fixed_point = float(last.mean())
    apart = answer - fixed_point
    largest = max(float(np.abs(apart).max()), unit)
    outside = np.flatnonzero(np.abs(apart) > SMALL * largest)
    settled = int(outside[-1]) + 1 if len(outside) else 0
    sides = np.sign(apart[outside])
    crossings = int((np.diff(sides) != 0).sum())
    if settled <= len(answer) - len(last):
        return ("rings" if crossings >= _RINGING else "damps"), fixed_point, settled, crossings
    half = len(last) // 2
    moved = abs(float(last[half:].mean() - last[:half].mean()))  # half the range where it moves on evenly
    return ("drifts" if moved > float(np.ptp(last)) / 4 else "swings"), fixed_point, None, crossings
