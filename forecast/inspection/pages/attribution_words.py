"""What there is to say of an attribution: how much of a forecast rests on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.affine import SEASONS
from forecast.inspection.pages.spans import season_name, seasons_back
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    from forecast.inspection.attribution import Attribution
    from forecast.reporting.lines import Array

_TOLD, _SMALLEST = 3, 0.05
"""Groups that a sentence names, at most, and the least share that it does so for."""


_LAST, _EARLIER = "the last value", "earlier values"


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of the sizes of all attributions, the mean over the origins, of the forecasts for one step ahead.

    Attributes
    ----------
    groups : what is attributed to: ranges of the past, covariates
    of_each : (group,) adding up to 1, or all 0 where nothing is attributed

    """

    ahead: int
    groups: tuple[str, ...]
    of_each: Array


def shares(found: Attribution) -> tuple[Shares, ...]:
    """Sum attributions over groups, for each step ahead."""
    season = season_name(found.season_steps, found.past_times)
    result = []
    for i, ahead in enumerate(found.ahead.tolist()):
        by_lag, by_covariate = np.abs(found.by_lag[:, i]), np.abs(found.by_covariate[:, i])
        total = by_lag.sum(axis=1) + by_covariate.sum(axis=1)
        scale = np.where(total > 0, total, 1.0)[:, None]
        of_lags, of_covariates = (by_lag / scale).mean(axis=0), (by_covariate / scale).mean(axis=0)
        ranges = zip(found.edges[:-1].tolist(), np.diff(found.edges).tolist(), strict=True)
        named = [
            _recent(lag) if found.season_steps == 1 else _seasonal(lag, steps, ahead, found.season_steps, season)
            for lag, steps in ranges
        ]
        sums: dict[str, float] = {}
        for name, share in zip((*named, *found.covariates), (*of_lags, *of_covariates), strict=True):
            sums[name] = sums.get(name, 0.0) + float(share)
        result.append(Shares(ahead, tuple(sums), np.array(list(sums.values()))))
    return tuple(result)


def _recent(lag: int) -> str:
    """Name what a range of lags belongs to that begins at this one, in a series without a season."""
    if lag == 0:
        return _LAST
    return next(
        (name for below, name in ((10, "the 9 values before it"), (100, "10 to 99 steps back")) if lag < below),
        _EARLIER,
    )


def _seasonal(lag: int, steps: int, ahead: int, season_steps: int, season: str) -> str:
    """Name what a range of so many lags from this one on belongs to, of a forecast so many steps ahead."""
    seasons, off = divmod(lag + ahead, season_steps)
    latest = -(-ahead // season_steps)
    if off == 0 and seasons == latest:  # the latest value of that phase
        before = seasons_back(seasons, season)
        return f"{_LAST} ({before})" if lag == 0 else f"the value {before}"
    if off == 0 and steps == 1 and lag > 0:
        return f"the same place in earlier {season}s"
    names = (
        f"the rest of the last {season}",
        f"the rest of the {season} before",
        *[f"{season}s 3 to {SEASONS} back"] * (SEASONS - 2),
    )
    return _LAST if lag == 0 else (*names, _EARLIER)[min(lag // season_steps, SEASONS)]


def attribution_says(of_steps: tuple[Shares, ...], *, rises: bool = False) -> str:
    """Say what the forecasts rest on, or with `rises` the logits of a rise."""
    return " ".join(_rests(one, "logit of a rise" if rises else "forecast") for one in of_steps)


def _rests(one: Shares, answer: str) -> str:
    order = np.argsort(-one.of_each, kind="stable")[:_TOLD]
    told = [f"for {100 * one.of_each[i]:.0f} % on {one.groups[i]}" for i in order if one.of_each[i] >= _SMALLEST]
    if not told:
        return f"The {answer} {counted(one.ahead, 'step')} ahead rests on nothing that was seen."
    return f"The {answer} {counted(one.ahead, 'step')} ahead rests {listed(told)}."


def method_says(found: Attribution) -> str:
    """Say what was compared, and how well it adds up."""
    held = listed([number(value, 4) for value in dict.fromkeys(found.held.tolist())])
    walked = int(found.walked_steps.max())
    short = bool((found.walked_steps <= found.origins.steps).any())
    gap = float(np.abs(found.forecast - found.whole_walk).max())
    read = f" The network has read {counted(walked, 'step')} from an empty state" if found.streamed and short else ""
    if read:
        answers = "logits" if found.rises else "forecasts"
        read += f"; after the whole past its {answers} are others by {number(gap)} at most."
    alone = (
        " The network forecasts the next step alone; longer forecasts are its own, fed back." if found.fed_back else ""
    )
    beside = ", covariates at their means" if found.covariates else ""
    difference, reference = "the logit's difference from the logit", "no reference is added to it"
    if not found.rises:
        difference = "the forecast's difference from the forecast"
        reference = "the reference's own way from the past to the forecast is in it"
    return (
        f"Integrated gradients: what each input adds to {difference} at a baseline, the series held at its training "
        f"mean ({held}){beside}; {reference}. {_adds_up(found)} Shares are of the sizes of all contributions, means "
        f"over {counted(len(found.origins), 'origin')}.{read}{alone}"
    )


def _adds_up(found: Attribution) -> str:
    difference, left_over = np.abs(found.forecast - found.baseline), np.abs(found.left_over)
    worst = float(np.max(left_over / np.where(difference > 0, difference, np.inf), initial=0.0))
    if worst <= 0.01:
        return f"They add up to that difference within {max(100 * worst, 0.01):.2f} %."
    return f"They add up to that difference within {number(float(left_over.max()))}; it is small, and they cancel."
