"""What the measurements of a trained network mean, a sentence or two each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.inspection.pages.direction_probe import probability_says, waves_say
from forecast.inspection.pages.probe_terms import RISES, VALUES, Terms, terms_of
from forecast.questions.kinds import QUESTIONS
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.examination import Examination
    from forecast.inspection.frequency import Frequencies
    from forecast.inspection.memory import Cut, Fall
    from forecast.inspection.noise import Noise
    from forecast.inspection.responses import Constant, Response
    from forecast.inspection.smoothing import Smoothing
    from forecast.inspection.starts import Starts

_HARDLY = 0.01
_SMOOTHS, _AMPLIFIES = 0.7, 1.1
_MOSTLY = 0.5


def headline(found: Examination, name: str, series: str) -> str:
    """The memory length from data."""
    cut = found.memory.cut
    whose = f"{name} on {series}"
    worth = ", and hardly anything hangs on it" if _lost(cut, terms_of(QUESTIONS[found.asks])) < _HARDLY else ""
    if cut.fall.length is None:
        return f"{whose} remembers more than {counted(cut.fall.walked, 'step')}{worth}"
    if not cut.fall.length:
        return f"{whose} remembers nothing that makes its forecasts better"
    return f"{whose} remembers {counted(cut.fall.length, 'step')}{worth}"


def sentences(found: Examination) -> tuple[str, ...]:
    """One sentence a topic, for the head of the page and the terminal."""
    terms = terms_of(QUESTIONS[found.asks])
    return (
        cut_says(found.memory.cut, terms),
        f"{echo_says(found.memory.echo)} {gradient_says(found.memory.gradient, terms)}",
        waves_say(found.frequencies) if terms is RISES else smoother_says(found.frequencies),
        probability_says(found.constant) if terms is RISES else constant_says(found.constant),
        lasting_says(found.impulse, "impulse", terms),
        noise_says(found.noise, terms),
        *([] if found.starts is None else [starts_says(found.starts)]),
    )


def _lost(cut: Cut, terms: Terms = VALUES) -> float:
    """What all of the past is worth, as a share of the error with it."""
    bare, whole = float(terms.errors(cut.rmse[0])), float(terms.errors(cut.whole))
    return bare / whole - 1 if whole > 0 else 0.0


def cut_says(cut: Cut, terms: Terms = VALUES) -> str:
    """Say what cutting the past off costs."""
    bare, whole = float(terms.errors(cut.rmse[0])), float(terms.errors(cut.whole))
    alone = f"{terms.error} {number(bare, 4)} where only the origin's own row is read"
    errors = f"{alone}, {number(whole, 4)} with the whole past"
    if not cut.fall.length and cut.fall.length is not None:
        return f"With its past cut off at the origin the network errs no more than with all of it ({errors})."
    ends = (
        f"is still more than 1/e of that after {counted(cut.fall.walked, 'step')}"
        if cut.fall.length is None
        else f"has fallen to 1/e of that when the last {counted(cut.fall.length, 'step')} before the origin are left"
    )
    hardly = " It is hardly anything." if _lost(cut, terms) < _HARDLY else ""
    root = ", as a root," if terms.squared else ""
    again = f" It rises above 1/e once more up to lag {cut.fall.again}." if cut.fall.again is not None else ""
    return f"Losing all of its past adds to the network's error ({errors}); what is added{root} {ends}.{again}{hardly}"


def echo_says(echo: Fall | None) -> str:
    """Say how long a disturbance stays in the state."""
    if echo is None:
        return "Each window is read anew and from both ends: no state is carried on in which anything could echo."
    return f"A disturbance of what is read at one step echoes in the state for {_length(echo)}."


def gradient_says(gradient: Fall, terms: Terms = VALUES) -> str:
    """Say how far back the forecast depends on what was read."""
    if not gradient.values.max() > 0:
        return f"The {terms.answer} does not depend on anything that the network reads."
    return f"The slope of the {terms.answer} to what was read falls to 1/e within {_length(gradient)}."


def _length(fall: Fall) -> str:
    told = f"more than {counted(fall.walked, 'step')}" if fall.length is None else counted(fall.length, "step")
    if fall.again is not None:
        return f"{told} (it does not fall steadily: above 1/e once more up to lag {fall.again})"
    if not fall.monotone and fall.peak > 0:
        return f"{told} (it does not fall steadily: it is largest at lag {fall.peak})"
    return told if fall.monotone else f"{told} (it does not fall steadily)"


def smoother_says(found: Frequencies) -> str:
    """Say whether it smooths, and what it answers to half its frequency."""
    high = found.high_gain()
    kind = "a smoother" if high < _SMOOTHS else "louder than what it hears" if high > _AMPLIFIES else "no smoother"
    told = f"To fast waves it is {kind}: one step ahead their mean gain is {number(high, 2)}."
    if found.season is None:
        return told
    return f"{told} {_season_says(found, found.season)}"


def _season_says(found: Frequencies, season: float) -> str:
    period = round(1 / season)
    own, _ = found.at(season)
    parts = []
    for word, wave in (("half", season / 2), ("twice", 2 * season)):
        if wave > found.frequencies.max():
            continue
        gain, answered = found.at(wave)
        what = f"a period of {number(1 / answered, 2)} steps" if answered > 0 else "nothing that moves"
        parts.append(f"fed {word} that frequency it answers with {what} and gain {number(gain, 2)}")
    return f"A wave of its season ({period} steps) comes out with gain {number(own, 2)}; {'; '.join(parts)}."


def constant_says(found: Constant) -> str:
    """Say what it does with a series that stops moving."""
    course = {
        "damps": f"damps to a fixed point within {counted(found.settled or 0, 'step')}",
        "rings": f"rings ({counted(found.crossings, 'crossing')}) and settles after {found.settled} steps",
        "drifts": "drifts on and finds no fixed point in what was walked",
        "swings": "keeps swinging and finds no fixed point in what was walked",
    }[found.course]
    where = f"{number(found.fixed_point, 4)} for a constant {number(found.height, 4)}"
    ends = f"the fixed point is {where}" if found.settled is not None else f"the mean of its last quarter is {where}"
    alone = "; so does the reference alone" if found.course_of_reference == found.course else ""
    return f"Fed a constant after the data the forecast {course}{alone}; {ends}."


def lasting_says(found: Response, what: str, terms: Terms = VALUES) -> str:
    """Say how long an answer lasts."""
    walked = len(found.network) - 1
    peak = float(abs(found.network[:, 0]).max())
    if not peak > 0:
        return f"To an {what} there is no answer."
    e, small = (
        f"not within {counted(walked, 'step')}" if steps is None else f"after {counted(steps, 'step')}"
        for steps in (found.to_e, found.to_small)
    )
    if what == "step":
        return f"After a step the answer is within 1/e of its way from where it ends {e}, within 5 % {small}."
    moved = "logits of a rise one step ahead" if terms is RISES else "next forecasts"
    return (
        f"An impulse of one spread moves the {moved} by {number(peak, 2)} {terms.unit}s at most; the answer stays "
        f"below 1/e of that {e}, below 5 % {small}."
    )


def noise_says(found: Noise, terms: Terms = VALUES) -> str:
    """Compare the growth of the error with that of the linear filter."""
    i = len(found.strengths) - 1
    network, linear, quiet = (
        float(terms.errors(one)) for one in (found.network[i, 0], found.linear[i, 0], found.network[0, 0])
    )
    grown = network / quiet if quiet > 0 else float("inf")
    beside = "less than" if network < 0.98 * linear else "more than" if network > 1.02 * linear else "as much as"
    return (
        f"Noise of {number(float(found.strengths[i]), 2)} spread on what is read makes the error one step ahead "
        f"{number(grown, 2)} times as large ({terms.error} {number(network)}), {beside} the {terms.linear} of "
        f"{found.lags} lags errs there ({number(linear)})."
    )


def starts_says(found: Starts) -> str:
    """Say whether the state forgets where it began."""
    starts, steps = found.starts, len(found.widest)
    if found.forgotten is None:
        return (
            f"The state does not forget where it began: {found.apart} of {starts} other starting states, driven by the "
            f"same data, are still apart from it after {counted(steps - 1, 'step')}."
        )
    return (
        f"The state forgets where it began within {counted(found.forgotten, 'step')}: {starts} other starting states, "
        f"driven by the same data, come to less than a thousandth of their distance."
    )


def smoothing_says(found: Smoothing) -> str:
    """Say which factor moves the gain of noise most."""
    ranges = {name: float(max(points.gains) - min(points.gains)) for name, points in found.factors.items()}
    most = max(ranges, key=lambda name: ranges[name])
    others = ", ".join(f"{name} {number(size, 2)}" for name, size in ranges.items() if name != most)
    return (
        f"How much of white noise comes out again in the forecast of the next step (1: all, as from the last value), "
        f"for small {found.cell} networks on sine waves, one thing changed at a time. {most} governs it: over its "
        f"values the share moves by {number(ranges[most], 2)} ({others})."
    )
