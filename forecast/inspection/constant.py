"""How a forecast answers a series that stops moving, and where its answer ends.

The constant comes after the data themselves, at a height above their last values. Where rises are forecast the answer
is the logit of a rise; shown is how likely a rise is called where nothing moves any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.inspection.answers import RISES, probabilities
from forecast.inspection.curves import NETWORK, REFERENCE, Axis, Curve, both, panel
from forecast.inspection.page import Section
from forecast.reference.causal_features import filled_target
from forecast.reporting import charts as marks
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.series.panel import FloatArray

Course: TypeAlias = Literal["damps", "rings", "drifts", "swings"]

_SMALL = 0.05
_MOST_BEFORE = 20_000
_RINGING = 3
"""Changes of sign, beyond a twentieth of the largest distance, from which on an answer is said to ring."""


@dataclass(frozen=True, eq=False)
class Constant:
    """The answer to a series that stops moving.

    Attributes
    ----------
    steps : horizon steps that are looked at
    height : at which it stands, in the target's units
    before : the last values that there were
    network, reference : (step since, horizon step), in the target's units or in logits
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


def constant_of(system: System, before: FloatArray | None = None) -> Constant:
    """Let the series stand still, a spread above its mean, after the data or what is handed over as `before`."""
    y = filled_target(system.past) if before is None else before
    y = y[-_MOST_BEFORE:]
    height = system.centre + system.spread if before is not None else float(y[-system.warmup :].mean()) + system.spread
    steps = max(2 * system.span, system.warmup)
    start = max(len(system.past.target) - len(y), 0) if before is None else 0
    answers = system.answers(np.concatenate([y, np.full(steps, height)])[None], len(y), start)  # one lane
    network, reference = (answer[0] for answer in answers)  # (step since, horizon step)
    course, fixed_point, settled, crossings = _course(network[:, 0], system.answer_unit)
    alone, *_ = _course(reference[:, 0], system.answer_unit)
    shown = y[-min(len(y), steps // 3) :]
    return Constant(system.steps, height, shown, network, reference, course, fixed_point, settled, crossings, alone)


def _course(answer: FloatArray, unit: float) -> tuple[Course, float, int | None, int]:
    """Tell damping, ringing, drifting and swinging apart: course, fixed point, steps until settled, crossings."""
    last = answer[-max(len(answer) // 4, 2) :]
    fixed_point = float(last.mean())
    apart = answer - fixed_point
    largest = max(float(np.abs(apart).max()), unit)
    outside = np.flatnonzero(np.abs(apart) > _SMALL * largest)
    settled = int(outside[-1]) + 1 if len(outside) else 0
    sides = np.sign(apart[outside])
    crossings = int((np.diff(sides) != 0).sum())
    if settled <= len(answer) - len(last):
        return ("rings" if crossings >= _RINGING else "damps"), fixed_point, settled, crossings
    half = len(last) // 2
    moved = abs(float(last[half:].mean() - last[:half].mean()))  # half the range where it moves on evenly
    return ("drifts" if moved > float(np.ptp(last)) / 4 else "swings"), fixed_point, None, crossings


def _values_say(constant: Constant) -> str:
    """Say what the forecast does with a series that stops moving."""
    course = {
        "damps": f"damps to a fixed point within {counted(constant.settled or 0, 'step')}",
        "rings": f"rings ({counted(constant.crossings, 'crossing')}) and settles after {constant.settled} steps",
        "drifts": "drifts on and finds no fixed point in the steps that were tried",
        "swings": "keeps swinging and finds no fixed point in the steps that were tried",
    }[constant.course]
    where = f"{number(constant.fixed_point, 4)} for a constant {number(constant.height, 4)}"
    settled = constant.settled is not None
    ends = f"the fixed point is {where}" if settled else f"the mean of its last quarter is {where}"
    alone = "; so does the reference alone" if constant.course_of_reference == constant.course else ""
    return f"Fed a constant after the data the forecast {course}{alone}; {ends}."


def _values_figure(constant: Constant) -> Figure:
    """Draw the forecasts of a series that stops moving, with its last values."""
    before = np.arange(-len(constant.before), 0)
    since = np.arange(len(constant.network))
    values = np.concatenate([constant.before, np.full(len(since), constant.height)])
    given = Curve("given", LIGHT.truth, np.concatenate([before, since]), values, 1.2)
    panels = tuple(
        panel(
            [given, *both(since, constant.network[:, i], constant.reference[:, i])],
            Axis("steps since it stopped"),
            Axis("value"),
            title=f"{counted(step, 'step')} ahead",
        )
        for i, step in enumerate(constant.steps)
    )
    keys = marks.keys({"given": LIGHT.truth, NETWORK: LIGHT.network, REFERENCE: LIGHT.baseline})
    says = (
        "The data go on as a constant, a spread above the mean of their last values. Each forecast stands at the step "
        "at which it is made."
    )
    return Figure("constant", "What it does when nothing moves", says, panels, keys, columns=2)


def _rises_say(constant: Constant) -> str:
    """Say how likely a rise is called where the series stands still."""
    ends = {
        "damps": f"settles within {counted(constant.settled or 0, 'step')} at",
        "rings": f"rings ({counted(constant.crossings, 'crossing')}) and settles after {constant.settled} steps at",
        "drifts": "drifts on without a fixed point, lately about",
        "swings": "keeps swinging without a fixed point, about",
    }[constant.course]
    return (
        f"Fed a constant after the data, the probability of a rise in the next step {ends} "
        f"{number(float(probabilities(np.array(constant.fixed_point))), 3)}."
    )


def _rises_figure(constant: Constant) -> Figure:
    """Draw the probability of a rise after the series has stopped moving."""
    since = np.arange(len(constant.network))
    limits = Axis("probability of a rise", limits=(0.0, 1.0))
    panels = tuple(
        panel(
            [
                Curve(NETWORK, LIGHT.network, since, probabilities(constant.network[:, j]), 2.4),
                Curve(RISES.untrained, LIGHT.baseline, since, probabilities(constant.reference[:, j]), 1.3),
            ],
            Axis("steps since it stopped"),
            limits,
            title=f"{counted(step, 'step')} ahead",
        )
        for j, step in enumerate(constant.steps)
    )
    says = (
        f"The data go on as a constant {number(constant.height, 4)}, a spread above the mean of their last values. "
        f"Nothing rises there: how likely a rise is called is what the network makes of standing still."
    )
    keys = marks.keys({NETWORK: LIGHT.network, RISES.untrained: LIGHT.baseline})
    return Figure("constant", "What it says when nothing moves", says, panels, keys, columns=2)


def _figures(constant: Constant, system: System) -> tuple[Figure, ...]:
    return (_rises_figure(constant) if system.kind.binary else _values_figure(constant),)


def _sentences(constant: Constant, system: System) -> tuple[str, ...]:
    return (_rises_say(constant) if system.kind.binary else _values_say(constant),)


SECTION: Section[System, Constant] = Section(
    "constant",
    measure=constant_of,
    figures=_figures,
    sentences=_sentences,
    numbers=lambda constant: {"found": {"constant": constant}},
)
