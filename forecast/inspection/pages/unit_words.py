"""What there is to say of the hidden units of a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.following import FOLLOWED, THRESHOLD
from forecast.inspection.pages.spans import season_name
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    from forecast.inspection.units import UnitMap

KEEPING = ("forget", "update")
"""Gates that say how much of what a unit holds it keeps."""

TOLD = 3
"""Units whose effect is told, and whose gates are drawn, at most."""


def what_is_followed(units: UnitMap) -> dict[str, str]:
    """Say what each of `FOLLOWED` means."""
    season = season_name(units.season_steps, units.times)
    return {
        "level": f"the level (the mean of the last {units.level_steps} values)",
        "season": "the season" if season == "season" else f"the season (the place in the {season})",
        "change": "the last change",
        "nothing": "none of these",
    }


def map_says(units: UnitMap, drawn: int) -> str:
    """Say how many units follow what, and how the map is to be read."""
    following, names = units.following, what_is_followed(units)
    counts = {kind: following.what.count(kind) for kind in FOLLOWED}
    parts = [f"{counts[kind]} {'follows' if counts[kind] == 1 else 'follow'} {names[kind]}" for kind in FOLLOWED[:3]]
    if not np.isfinite(following.fits[:, 1]).any():
        parts.pop(1)
    silent = int(following.silent.sum())
    still = f" ({counted(silent, 'unit')} never {'moves' if silent == 1 else 'move'} at all)" if silent else ""
    total = len(following.what)
    shown = "" if drawn == total else f" {drawn} of them are drawn, evenly from all kinds."
    half = total // 2
    ways = (
        f" Units 1 to {half} have read the window up to the origin, units {half + 1} to {total} from the origin "
        f"backwards; each step is the end of a window of its own. Gates are not shown where both ways are read."
        if units.both_ends
        else ""
    )
    return (
        f"Of {counted(total, 'hidden unit')}, {listed(parts)}; {counts['nothing']} "
        f"{'follows' if counts['nothing'] == 1 else 'follow'} none of these{still}. A unit follows what explains most "
        f"of its variance over the stretch, if that is at least {100 * THRESHOLD:.0f} %. A row "
        f"is one unit, about its mean in units of its spread.{shown}{ways}"
    )


def effects_say(units: UnitMap) -> str:
    """Say which units matter most, and how that was found."""
    effects = units.effects
    first, *others = zip(effects.units[:TOLD].tolist(), effects.change.tolist(), effects.error.tolist(), strict=False)
    forecasts, error = ("probabilities of a rise", "Brier score") if units.rises else ("forecasts", "error")
    told = (
        f"Without {units.name(first[0])} ({units.following.what[first[0]]}) {forecasts} move by {number(first[1])} on "
        f"average and their {error} goes from {number(effects.error_of_all)} to {number(first[2])}"
    )
    then = "".join(f"; without {units.name(unit)} they move by {number(moved)}" for unit, moved, _ in others)
    ahead = "the next step, which alone the network forecasts" if units.fed_back else counted(effects.horizon, "step")
    measured = "absolute changes, and Brier scores," if units.rises else "absolute changes and errors"
    which = "Units of the last layer are" if units.activity.layer[-1] > 1 else "A unit is"
    return (
        f"{told}{then}. Without all of them they move by {number(effects.change_without_any)}, and the {error} is "
        f"{number(effects.error_without_any)}. {which} switched off where the decoder reads: held at the mean over the "
        f"stretch, with the network's memory left as it is. Mean {measured} over "
        f"{counted(effects.origins, 'origin')} and {ahead}."
    )


def gates_say(units: UnitMap, shown: list[int]) -> str:
    """Say how open the gates of some units are, and how long what they hold lasts."""
    gates = units.activity.gates
    parts = []
    for unit in shown:
        opened = listed([f"{name} {gate[:, unit].mean():.2f}" for name, gate in gates.items() if name != "candidate"])
        keeps = next((kept_steps(gates[name][:, unit]) for name in KEEPING if name in gates), None)
        half = "" if keeps is None else f", so that half of what it holds is left after {number(keeps, 2)} steps"
        parts.append(f"{units.name(unit)} ({opened}{half})")
    return (
        f"How open the gates of these units stand, from 0, shut, to 1, open. On average over the stretch: "
        f"{listed(parts)}."
    )


def kept_steps(gate: np.ndarray) -> float:
    """Steps until half is left of what is multiplied by a gate at each step.

    >>> kept_steps(np.array([0.25, 1.0]))
    1.0
    """
    lost = -float(np.log(np.maximum(gate, 1e-12)).mean())
    return math.log(2) / lost if lost > 0 else math.inf
