"""What the pretrained network weighs: which of the bank's forecasts make up its own, at each step ahead.

Its forecast is a weighted mean of some sixty closed forms, and a correction (`network.pretrained`). Weights are read
off at the last origins of the series, and shown by what a closed form follows: a level, a trend, a season.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.curves import Axis, Curve, panel
from forecast.inspection.page import Section
from forecast.reference.smoothers import AUTOREGRESSIONS, CANDIDATES, RULES, SMOOTHERS, VALUE_RULES
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    from forecast.forecasters.pretrained import FittedPretrained
    from forecast.series.panel import FloatArray, IntArray, Panel

ORIGINS = 20
"""Of the end of the series that are looked at, at most."""
_NAMED = 3
_LEAST = 0.05
_LEVEL, _TREND, _SEASON, _SEASON2 = "levels", "trends", "a season", "two seasons"
_RULE, _DEMAND, _REGRESSED, _POOLED = "drift and Theta", "rare demand", "autoregression", "the mean of all"
FAMILIES = (_LEVEL, _TREND, _SEASON, _SEASON2, _RULE, _REGRESSED, _DEMAND, _POOLED)


@dataclass(frozen=True, eq=False)
class PretrainedSystem:
    """The pretrained network of a run on one series; `past` holds that series alone."""

    fitted: FittedPretrained
    past: Panel


@dataclass(frozen=True, eq=False)
class Weighing:
    """Weights and corrections, means over the last origins but for `corrections`.

    Attributes
    ----------
    steps : (step,) ahead
    weights : (candidate, step)
    families : (family, step) in the order of `FAMILIES`
    logarithms : (step,) weight of closed forms on logarithms
    corrections : (step,) mean size of the correction, in the target's unit
    change : mean size of the series' own changes from step to step, in the target's unit
    origins : how many were looked at

    """

    steps: IntArray
    weights: FloatArray
    families: FloatArray
    logarithms: FloatArray
    corrections: FloatArray
    change: float
    origins: int


def candidate_names() -> list[tuple[str, str, bool]]:
    """Family, name and whether on logarithms, of each candidate in the order of the bank."""
    both = []
    for smoother in SMOOTHERS:
        seasons = [gamma for gamma in (smoother.seasonal, smoother.seasonal2) if gamma is not None]
        family = (_TREND if smoother.trend else _LEVEL, _SEASON, _SEASON2)[len(seasons)]
        parts = [f"level {smoother.level:g}" if smoother.level else "mean"]
        parts += [f"trend {smoother.trend:g}"] if smoother.trend else []
        parts += [f"damped {smoother.damping:g}"] if smoother.damping < 1 else []
        parts += [f"season {gamma:g}" for gamma in seasons]
        both.append((family, ", ".join(parts)))
    both += [(_SEASON if "season" in rule else _RULE, rule) for rule in RULES]
    both += [(_REGRESSED, "autoregression")] * (AUTOREGRESSIONS // 2)
    named = [(family, name, False) for family, name in both]
    named += [(family, f"{name}, of logarithms", True) for family, name in both]
    for rule in VALUE_RULES:
        family = _DEMAND if "intermittent" in rule else _SEASON2 if "second" in rule else _SEASON
        named.append((family, rule, False))
    named += [(_POOLED, f"mean by {errors}", False) for errors in ("recent errors", "errors several steps ahead")]
    if len(named) != CANDIDATES:
        raise RuntimeError(f"{len(named)} names for {CANDIDATES} candidates")
    return named


def weighing_of(system: PretrainedSystem) -> Weighing:
    """Follow the series to its end, and read the weights off at the last origins."""
    past, length = system.past, int(system.past.lengths[0])
    first = max(length - ORIGINS + 1, 1)
    live = system.fitted.start(past.cut(np.array([first])))
    weighings = [live.weighing()]
    for row in range(first, length):
        live.update([past.target[row] if past.target_observed[row] else np.nan])
        weighings.append(live.weighing())
    weights = np.concatenate([of_one for of_one, _ in weighings]).mean(axis=0).T  # (candidate, step)
    corrections = np.abs(np.concatenate([correction for _, correction in weighings])).mean(axis=0)
    names = candidate_names()
    season, season2 = system.fitted.seasons
    follows = {_SEASON2: _SEASON} if season2 == 1 else {}  # what there is none of changes nothing
    follows |= {_SEASON: _LEVEL, _SEASON2: _LEVEL} if season == 1 else {}
    family = np.array([FAMILIES.index(follows.get(part, part)) for part, _, _ in names])
    y = past.target[past.target_observed]
    return Weighing(
        steps=np.arange(1, weights.shape[1] + 1),
        weights=weights,
        families=np.stack([weights[family == i].sum(axis=0) for i in range(len(FAMILIES))]),
        logarithms=weights[[log for _, _, log in names]].sum(axis=0),
        corrections=corrections,
        change=float(np.abs(np.diff(y)).mean()) if len(y) > 1 else 0.0,
        origins=len(weighings),
    )


def _share(weight: float) -> str:
    return f"{100 * weight:.0f} %"


def _makes_up(weighing: Weighing, step: int) -> str:
    """Name the families that make up a forecast so many steps ahead."""
    shares = weighing.families[:, step - 1]
    order = [i for i in np.argsort(-shares) if shares[i] >= _LEAST][: _NAMED + 1]
    return listed([f"{FAMILIES[i]} ({_share(float(shares[i]))})" for i in order])


def _says(weighing: Weighing, system: PretrainedSystem) -> str:
    last = int(weighing.steps[-1])
    ends = f"The next step is made of {_makes_up(weighing, 1)}"
    if last > 1:
        ends += f"; that {counted(last, 'step')} ahead of {_makes_up(weighing, last)}"
    best = np.argsort(-weighing.weights.mean(axis=1))[:_NAMED]
    names = candidate_names()
    heaviest = listed([f"{names[i][1]} ({_share(float(weighing.weights[i].mean()))})" for i in best])
    of_logs = float(weighing.logarithms.mean())
    logs = f"; those of logarithms have {_share(of_logs)}" if of_logs >= 0.005 else ""
    return f"{ends}. The heaviest closed forms over the horizon are {heaviest}{logs}."


def _correction_says(weighing: Weighing, system: PretrainedSystem) -> str:
    mean = float(weighing.corrections.mean())
    of_change = (
        f", {number(mean / weighing.change, 2)} times its mean change from row to row" if weighing.change > 0 else ""
    )
    return f"It corrects their weighted mean by {number(mean)} on average{of_change}."


def _read_says(system: PretrainedSystem) -> str:
    past, (season, season2) = system.past, system.fitted.seasons
    seen = past.target_observed
    missing = int(np.count_nonzero(~seen))
    seasons = [counted(steps, "step") for steps in (season, season2) if steps > 1]
    parts = [f"{counted(len(seen), 'row')}{f', {missing} of them missing' if missing else ''}"]
    parts.append(f"a season of {listed(seasons)}" if seasons else "no season")
    positive = bool((past.target[seen] > 0).all())
    parts.append("values above zero, and so their logarithms too" if positive else "values alone, not all above zero")
    effects = system.fitted.effects
    parts += [f"after the effects of {listed(list(effects.names))} were taken off"] if effects else []
    return f"It read {'; '.join(parts)}."


def _figures(weighing: Weighing, system: PretrainedSystem) -> tuple[Figure, ...]:
    """Draw the weight of each family that has any, by step ahead, all on one scale."""
    used = [i for i in range(len(FAMILIES)) if weighing.families[i].max() >= _LEAST / 2]
    top = min(1.0, float(weighing.families.max()) * 1.1)
    dots = len(weighing.steps) < 2
    weights = tuple(
        panel(
            [Curve(FAMILIES[i], LIGHT.network, weighing.steps, weighing.families[i], 2.2)],
            Axis("steps ahead"),
            Axis("weight", written=".0%", limits=(0.0, top)),
            title=FAMILIES[i],
            dots=dots,
        )
        for i in used
    )
    corrected = panel(
        [Curve("correction", LIGHT.network, weighing.steps, weighing.corrections, 2.2)],
        Axis("steps ahead"),
        Axis("mean size, in the target's unit"),
        title="correction",
        dots=dots,
    )
    at = f"Means over the last {counted(weighing.origins, 'origin')}."
    return (
        Figure("weighing", "What it weighs", f"{_says(weighing, system)} {at}", weights, columns=2),
        Figure("correction", "How much it corrects", _correction_says(weighing, system), (corrected,)),
    )


SECTION: Section[PretrainedSystem, Weighing] = Section(
    "weighing",
    measure=weighing_of,
    figures=_figures,
    sentences=lambda weighing, system: (
        _read_says(system),
        _says(weighing, system),
        _correction_says(weighing, system),
    ),
    numbers=lambda weighing: {"weighing": weighing},
    headline=lambda weighing, system, name, series: (
        f"{name} makes its forecast of {series} of {_makes_up(weighing, 1)}"
    ),
)
