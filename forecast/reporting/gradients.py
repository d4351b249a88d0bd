"""How gradients travel back in time, for the report: from tables to plain values and sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.reporting.lines import rounded
from forecast.wording import counted, number

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.lines import Array

NETWORKS = ("initialised", "trained")
MOST_OF_IT = 0.9
"""A gradient reaches as far back as the lags that hold this share of it."""
_NEAR_THE_END = 0.8
"""A gradient that reaches further than this part of the lags there are was cut off rather than faded."""
_VANISHED, _EXPLODED = 0.1, 10.0
"""What a gradient has shrunk or grown to, where it is said to vanish or explode."""
_LOG_FLOOR = 1e-9


@dataclass(frozen=True)
class LagCurve:
    """Of one network, by lag: what is left of a gradient on its way back, and the share of it from lag 0 up to this."""

    network: str
    norms: tuple[float | None, ...]
    reached: tuple[float | None, ...]


@dataclass(frozen=True)
class StepNorms:
    """By epoch: mean and largest norm of a step's gradient before clipping, and the share of steps clipped."""

    epochs: tuple[int, ...]
    mean: tuple[float | None, ...]
    largest: tuple[float | None, ...]
    clip: float | None


@dataclass(frozen=True)
class Saturated:
    """A share of what is saturated, as initialised and as trained; None where it was not measured."""

    of: str
    initialised: float | None
    trained: float | None


@dataclass(frozen=True)
class GradientSection:
    """Everything that `training.record_gradients` recorded."""

    says: str
    curves: tuple[LagCurve, ...]
    saturated: tuple[Saturated, ...]
    steps: StepNorms | None


def gradient_section(
    recorded: pd.DataFrame, history: pd.DataFrame | None, clip: float | None = None
) -> GradientSection | None:
    """Show `recorded` (`network, measure, of, lag, value`) and the norms in `history`; None where nothing is there.

    `clip` is the largest norm that a gradient may have.
    """
    by_lag = {name: _by_lag(recorded, name) for name in NETWORKS}
    by_lag = {name: pair for name, pair in by_lag.items() if len(pair[0])}
    if not by_lag:
        return None
    steps = None if history is None or "gradient_norm" not in history else _step_norms(history, clip)
    sentences = [
        *_reach_in_words({name: shares for name, (_, shares) in by_lag.items()}),
        *_travel_in_words({name: norms for name, (norms, _) in by_lag.items()}),
        *([] if history is None or steps is None else [_clipping_in_words(history, clip)]),
    ]
    curves = tuple(
        LagCurve(name, rounded(np.where(norms >= _LOG_FLOOR, norms, np.nan)), rounded(np.cumsum(shares)))
        for name, (norms, shares) in by_lag.items()
    )
    return GradientSection(" ".join(sentences), curves, _saturated(recorded), steps)


def _by_lag(recorded: pd.DataFrame, network: str) -> tuple[Array, Array]:
    """Norms and shares of a network, each (lag,)."""
    mine = recorded[recorded["network"] == network].sort_values("lag", kind="stable")
    norms, shares = (
        mine.loc[mine["measure"] == measure, "value"].to_numpy(dtype=np.float64)
        for measure in ("state_norm", "gradient_share")
    )
    return norms, shares


def _step_norms(history: pd.DataFrame, clip: float | None) -> StepNorms:
    mean, largest = (
        rounded(history[name].to_numpy(dtype=np.float64)) for name in ("gradient_norm", "largest_gradient_norm")
    )
    return StepNorms(tuple(int(epoch) for epoch in history["epoch"]), mean, largest, clip)


def _saturated(recorded: pd.DataFrame) -> tuple[Saturated, ...]:
    rows = recorded[recorded["measure"] == "saturation"]
    known = {(str(row["network"]), str(row["of"])): float(row["value"]) for row in rows.to_dict("records")}
    names = dict.fromkeys(of for _, of in known)
    return tuple(Saturated(of, known.get(("initialised", of)), known.get(("trained", of))) for of in names)


def reach(shares: Array) -> int | None:
    """Return the lag up to which nine tenths of a gradient lie, of its shares (lag,); None where there is none.

    >>> reach(np.array([0.5, 0.3, 0.15, 0.05]))
    2
    """
    if not shares.sum() > 0:
        return None
    return int(np.argmax(np.cumsum(shares) >= MOST_OF_IT * shares.sum() * (1 - 1e-12)))


def _reach_in_words(shares: dict[str, Array]) -> list[str]:
    found = {name: reach(one) for name, one in shares.items()}
    trained = found.get("trained")
    if trained is None:
        return ["The trained network has no gradient: its head is zero, it forecasts what its reference does."]
    lags = len(shares["trained"])
    before = found.get("initialised")
    beside = "" if before is None else f" ({before} as initialised)"
    if trained >= _NEAR_THE_END * (lags - 1) and lags > 1:
        return [
            f"The loss at a step reaches back to where the gradient is cut off: nine tenths of what it says to the "
            f"recurrent weights come from the last {counted(trained, 'step')}{beside}, of the {lags - 1} that the "
            f"gradient may travel. Steps further back may have more to say."
        ]
    return [
        f"The loss at a step hardly reaches further back than {counted(trained, 'step')}{beside}, of the {lags - 1} "
        f"that the gradient may travel: nine tenths of what it says to the recurrent weights come from there."
    ]


def _travel_in_words(norms: dict[str, Array]) -> list[str]:
    if "trained" not in norms or len(norms["trained"]) < 2:
        return []
    said = _fate(norms["trained"], "the trained network")
    if "initialised" not in norms:
        return [said]
    last = norms["initialised"][-1]
    return [said, f"In the network as initialised it comes to {number(float(last), 2)} of its size."]


def _fate(norms: Array, network: str) -> str:
    """Say what becomes of a gradient on its way through all the lags."""
    lags, last = len(norms) - 1, float(norms[-1])
    through = f"on its way back through {counted(lags, 'step')} of {network}"
    if last == 0:
        gone = int(np.argmax(norms == 0))
        return f"Gradients vanish: nothing of one is left {counted(gone, 'step')} back in {network}."
    rate = math.exp(math.log(last) / lags)
    by = f"a factor of {number(rate)} a step on average"
    if last < _VANISHED:
        fallen = np.flatnonzero(norms < 1 / math.e)
        third = f"; 1/e is left after {counted(int(fallen[0]), 'step')}" if len(fallen) else ""
        return f"Gradients vanish: {through} one shrinks to {number(last, 2)} of its size, by {by}{third}."
    if last > _EXPLODED:
        return f"Gradients explode: {through} one grows to {number(last, 2)} times its size, by {by}."
    return f"Gradients neither vanish nor explode: {through} one keeps {number(last, 2)} of its size, {by}."


def _clipping_in_words(history: pd.DataFrame, clip: float | None) -> str:
    if clip is None:
        return "Gradients were not clipped (training.gradient_clip=null)."
    shares = history["clipped_share"].to_numpy(dtype=np.float64)
    mean, last = float(np.nanmean(shares)), float(shares[-1])
    if mean == 0:
        return f"No update was clipped: no gradient was larger than {clip:g}."
    return f"Of all updates {_percent(mean)} were clipped to a norm of {clip:g}, in the last epoch {_percent(last)}."


def _percent(share: float) -> str:
    return f"{number(100 * share, 2)} %"
