"""How a forecast answers a series that stops moving, and where its answer ends.

The constant comes after the data themselves, at a height above their last values. Where rises are forecast the answer
is the logit of a rise; shown is how likely a rise is called where nothing moves any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.inspection.curves import NETWORK, Axis, Curve, both, panel
from forecast.inspection.page import Section
from forecast.reference.causal_features import filled_target
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.answers import AnswerKind
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
    y = filled_target(system.past, system.season_steps) if before is None else before
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


def _says(constant: Constant, kind: AnswerKind) -> str:
    """Say what the forecast does with a series that stops moving."""
    course = {
        "damps": f"damps to a fixed point within {counted(constant.settled or 0, 'step')}",
        "rings": f"rings ({counted(constant.crossings, 'crossing')}) and settles after {constant.settled} steps",
        "drifts": "drifts on and finds no fixed point in the steps that were tried",
        "swings": "keeps swinging and finds no fixed point in the steps that were tried",
    }[constant.course]
    ends = "the mean of its last quarter" if constant.settled is None else "the fixed point"
    level = number(float(kind.to_forecast(np.array(constant.fixed_point))), 3 if kind.binary else 4)
    if kind.binary:
        return f"Fed a constant after the data, the probability of a rise in the next step {course}; {ends} is {level}."
    alone = "; so does the reference alone" if constant.course_of_reference == constant.course else ""
    held = number(constant.height, 4)
    return f"Fed a constant after the data, the forecast {course}{alone}; {ends} is {level} for a constant {held}."


def _figure(constant: Constant, kind: AnswerKind) -> Figure:
    """Draw the forecasts of a series that stops moving; of values with the last ones that there were."""
    since = np.arange(len(constant.network))
    given, y = [], Axis("probability of a rise", limits=(0.0, 1.0))
    if not kind.binary:
        before, y = np.arange(-len(constant.before), 0), Axis("value")
        values = np.concatenate([constant.before, np.full(len(since), constant.height)])
        given = [Curve("given", LIGHT.truth, np.concatenate([before, since]), values, 1.2)]
    network, untrained = (kind.to_forecast(answers) for answers in (constant.network, constant.reference))
    panels = tuple(
        panel(
            [*given, *both(since, network[:, i], untrained[:, i], kind.untrained)],
            Axis("steps since it stopped"),
            y,
            title=f"{counted(step, 'step')} ahead",
        )
        for i, step in enumerate(constant.steps)
    )
    says = f"The data go on as a constant {number(constant.height, 4)}, a spread above the mean of their last values."
    says += (
        " Nothing rises there: how likely a rise is called is what the network makes of standing still."
        if kind.binary
        else " Each forecast stands at the step at which it is made."
    )
    colours = {curve.of: curve.colour for curve in given} | {NETWORK: LIGHT.network, kind.untrained: LIGHT.baseline}
    title = "What it says when nothing moves" if kind.binary else "What it does when nothing moves"
    return Figure("constant", title, says, panels, charts.keys(colours), columns=2)


SECTION: Section[System, Constant] = Section(
    "constant",
    measure=constant_of,
    figures=lambda constant, system: (_figure(constant, system.kind),),
    sentences=lambda constant, system: (_says(constant, system.kind),),
    numbers=lambda constant: {"found": {"constant": constant}},
)
