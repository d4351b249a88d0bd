"""What a network says of rises when it is fed waves or a series that stands still, in words and figures.

Gain 1 and a fixed point in the target's units mean nothing for a probability. Told is instead how often the right side
is taken, how far the logit swings and how early, and how likely a rise is called where nothing moves any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.answer import probabilities
from forecast.inspection.pages.curves import NETWORK, Axis, Curve, panel
from forecast.reporting import charts as marks
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.frequency import Frequencies
    from forecast.inspection.responses import Constant
    from forecast.series.panel import FloatArray

_PERFECT, _BASE = "perfect forecast", "base rate"


def _right(found: Frequencies) -> FloatArray:
    """Share of steps at which the right side is taken, (frequency, horizon step)."""
    if found.right is None:
        raise ValueError("how often the right side is taken is known where rises are asked for")
    return found.right


def waves_say(found: Frequencies) -> str:
    """Say how often it is right about waves, and to which it answers most."""
    right = _right(found)[:, 0]
    most = int(np.argmax(found.network.gain[:, 0]))
    if not found.network.gain[most, 0] > 0:
        return f"Whatever wave it is fed, it says the same; that is right in {_percent(right)} of the steps."
    strongest = (
        f"its logit swings most, by {number(float(found.network.gain[most, 0]), 2)} to each side, at a period of "
        f"{number(1 / float(found.frequencies[most]), 2)} steps"
    )
    overall = f"Fed waves of all frequencies it is right about a rise in the next step {_percent(right)} of the time"
    if found.season is None:
        return f"{overall}; {strongest}."
    own = int(np.argmin(np.abs(found.frequencies - found.season)))
    season = f"{_percent(right[[own]])} with a wave of its season ({round(1 / found.season)} steps)"
    return f"{overall}, {season}; {strongest}."


def _percent(shares: FloatArray) -> str:
    known = shares[~np.isnan(shares)]
    return f"{100 * known.mean():.0f} %" if len(known) else "no known share"


def probability_says(found: Constant) -> str:
    """Say how likely it calls a rise where the series stands still."""
    ends = {
        "damps": f"settles within {counted(found.settled or 0, 'step')} at",
        "rings": f"rings ({counted(found.crossings, 'crossing')}) and settles after {found.settled} steps at",
        "drifts": "drifts on without a fixed point, lately about",
        "swings": "keeps swinging without a fixed point, about",
    }[found.course]
    return (
        f"Fed a constant after the data, the probability of a rise in the next step {ends} "
        f"{number(float(probabilities(np.array(found.fixed_point))), 3)}."
    )


def rises_figure(found: Frequencies) -> Figure:
    """Draw, over the frequency of waves, how often the right side is taken, how far the logit swings and when."""
    waves, right = found.frequencies, _right(found)
    x = Axis("cycles a step of the input", log=True, limits=(float(waves[0]), float(waves[-1])))
    share = Axis("share of steps", limits=(0.0, 1.0))
    turn = Axis("degrees", limits=(-180, 180), ticks=(-180, -90, 0, 90, 180))
    panels = []
    for j, step in enumerate(found.steps):
        ahead = counted(step, "step") + " ahead"
        told = [Curve(NETWORK, LIGHT.network, waves, column, 2.4) for column in (right[:, j], found.network.gain[:, j])]
        phase = Curve(NETWORK, LIGHT.network, waves, np.degrees(found.network.phase[:, j]), 2.4)
        perfect = Curve(_PERFECT, LIGHT.truth, waves[[0, -1]], np.zeros(2), 1.0)
        panels += [
            panel(told[:1], x, share, title=f"on the right side, {ahead} (dashed: half)", across=0.5),
            panel(told[1:], x, Axis("logits"), title=f"swing of the logit, {ahead}", down=found.season),
            panel([perfect, phase], x, turn, title=f"phase less that of the change, {ahead}", down=found.season),
        ]
    dashed = "" if found.season is None else " Dashed upright: the season."
    says = (
        "Fed sine waves around the series' mean that are as lively as the series itself. A probability has no gain to "
        "be compared with 1: drawn is how often it lies on the right side of a half, how far its logit swings to each "
        "side at the wave's frequency, and by how much that comes before (above 0) or after the wave's own change over "
        f"these steps. A wave that stands where it stood so many steps ago leaves a gap.{dashed}"
    )
    keys = marks.keys({NETWORK: LIGHT.network, _PERFECT: LIGHT.truth})
    return Figure("frequency", "What it says of waves", says, tuple(panels), keys, columns=3)


def probability_figure(found: Constant) -> Figure:
    """Draw the probability of a rise after the series has stopped moving."""
    since = np.arange(len(found.network))
    limits = Axis("probability of a rise", limits=(0.0, 1.0))
    panels = tuple(
        panel(
            [
                Curve(NETWORK, LIGHT.network, since, probabilities(found.network[:, j]), 2.4),
                Curve(_BASE, LIGHT.baseline, since, probabilities(found.reference[:, j]), 1.3),
            ],
            Axis("steps since it stopped"),
            limits,
            title=counted(step, "step") + " ahead",
        )
        for j, step in enumerate(found.steps)
    )
    says = (
        f"The data go on as a constant {number(found.height, 4)}, a spread above the mean of their last values. "
        f"Nothing rises there: how likely a rise is called is what the network makes of standing still."
    )
    keys = marks.keys({NETWORK: LIGHT.network, _BASE: LIGHT.baseline})
    return Figure("constant", "What it says when nothing moves", says, panels, keys, columns=2)
