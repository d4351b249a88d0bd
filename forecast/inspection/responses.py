"""How a forecast answers an impulse and a step, and how long its answer lasts.

Both come after a flat series, and their answer is the forecast less that of the flat series: in spreads, or in logits
where rises are forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.answers import AnswerKind
from forecast.inspection.curves import NETWORK, REFERENCE, Axis, both, panel
from forecast.inspection.page import Section
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.system import Answers, System
    from forecast.series.panel import FloatArray

_SMALL = 0.05


@dataclass(frozen=True, eq=False)
class Response:
    """The answer to an impulse or a step, in spreads or in logits, by steps since then.

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
class Responses:
    """The answers to both."""

    impulse: Response
    step: Response


def impulse_of(system: System) -> Response:
    """One value stands a spread above a flat series."""
    answers = _after_flat(system, np.eye(1, system.span + 1)[0])
    lasting = np.abs(answers.network[1, :, 0] - answers.network[0, :, 0])
    return _response(system, answers, lasting)


def step_of(system: System) -> Response:
    """From one step on all values stand a spread above what was flat before."""
    answers = _after_flat(system, np.ones(system.span + 1))
    moved = answers.network[1, :, 0] - answers.network[0, :, 0]
    return _response(system, answers, np.abs(moved - moved[-1]))


def _after_flat(system: System, course: FloatArray) -> Answers:
    """Answers to a flat series and to one that goes on with a course in spreads, (lane, step since, horizon step)."""
    values = np.full((2, system.warmup + len(course)), system.centre)
    values[1, system.warmup :] += system.spread * course
    return system.answers(values, system.warmup)


def _response(system: System, answers: Answers, lasting: FloatArray) -> Response:
    network, reference = ((answer[1] - answer[0]) / system.answer_unit for answer in answers)
    return Response(system.steps, network, reference, _stays_below(lasting, 1 / np.e), _stays_below(lasting, _SMALL))


def _stays_below(values: FloatArray, share: float) -> int | None:
    """Steps until values stay below a share of the largest; None where even the last is above."""
    above = np.flatnonzero(values > share * values.max())
    if not len(above):
        return 0
    return int(above[-1]) + 1 if above[-1] + 1 < len(values) else None


def _impulse_says(impulse: Response, kind: AnswerKind) -> str:
    """Say how large the answer to an impulse is, and how long it lasts."""
    peak = float(abs(impulse.network[:, 0]).max())
    if not peak > 0:
        return "To an impulse there is no answer."
    return (
        f"An impulse of one spread moves the {kind.moved} by {number(peak, 2)} {kind.unit}s at most; the answer stays "
        f"below 1/e of that {_after(impulse, impulse.to_e)}, below 5 % {_after(impulse, impulse.to_small)}."
    )


def _step_says(step: Response) -> str:
    """Say how long the answer to a step needs."""
    if not float(abs(step.network[:, 0]).max()) > 0:
        return "To a step there is no answer."
    return (
        f"After a step the answer is within 1/e of its way from where it ends {_after(step, step.to_e)}, within 5 % "
        f"{_after(step, step.to_small)}."
    )


def _after(response: Response, steps: int | None) -> str:
    longest = len(response.network) - 1
    return f"not within {counted(longest, 'step')}" if steps is None else f"after {counted(steps, 'step')}"


def _responses_figure(responses: Responses, kind: AnswerKind) -> Figure:
    """Draw the answers to an impulse and to a step."""
    # An untrained network forecasts the base rate of rises whatever comes: a line at zero that shows nothing.
    lines = 1 if kind.binary else 2
    panels = tuple(
        panel(
            both(np.arange(len(response.network)), response.network[:, 0], response.reference[:, 0])[:lines],
            Axis("steps since"),
            Axis(f"{kind.unit}s"),
            title=f"{name}, 1 step ahead",
        )
        for name, response in (("an impulse", responses.impulse), ("a step", responses.step))
    )
    says = (
        f"{_step_says(responses.step)} Both, of one spread, come after a flat series; drawn is the {kind.name} less "
        f"that of the flat series."
    )
    keys = charts.keys({NETWORK: LIGHT.network, REFERENCE: LIGHT.baseline})[:lines]
    return Figure("responses", "Impulse and step", says, panels, keys, columns=2)


SECTION: Section[System, Responses] = Section(
    "responses",
    measure=lambda system: Responses(impulse_of(system), step_of(system)),
    figures=lambda responses, system: (_responses_figure(responses, system.kind),),
    sentences=lambda responses, system: (_impulse_says(responses.impulse, system.kind),),
    numbers=lambda responses: {"found": {"impulse": responses.impulse, "step": responses.step} if responses else {}},
)
