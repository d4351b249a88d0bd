"""Uniforms that the target rises: whether what is said is what comes, and what is said of the steps ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.reporting.diagnostics import Bars, ModelSteps
from forecast.reporting.lines import moments, rounded
from forecast.wording import counted, number

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.lines import Array, Clock
    from forecast.reporting.sections import Roles

PARTS = 10
"""A model's forecasts are cut into so many parts of about as many each, from the least likely rise on."""

_HISTOGRAM = 25


@dataclass(frozen=True)
class Reliability:
    """What a model said on average in each part of its forecasts, and what share of these rose; shares of 1."""

    model: str
    said: tuple[float, ...]
    came: tuple[float, ...]
    count: tuple[int, ...]

    @property
    def miscalibration(self) -> float:
        """Mean squared distance of what was said from what came: that part of the Brier score (Murphy 1973)."""
        return self._weighted([(said - came) ** 2 for said, came in zip(self.said, self.came, strict=True)])

    @property
    def resolution(self) -> float:
        """How far the parts differ in what came, mean squared: what telling them apart takes off the Brier score."""
        rate = self._weighted(self.came)
        return self._weighted([(came - rate) ** 2 for came in self.came])

    def _weighted(self, values: list[float] | tuple[float, ...]) -> float:
        return float(np.average(values, weights=self.count))


@dataclass(frozen=True)
class ReliabilitySection:
    """Reliability of network and baseline, and how often the network says what."""

    says: str
    models: tuple[Reliability, ...]
    histogram: Bars


@dataclass(frozen=True)
class ProbabilitySection:
    """How likely the target is higher at each step after the data than at their end."""

    says: str
    steps: tuple[int, ...]
    times: tuple[str, ...]
    models: tuple[ModelSteps, ...]


def reliability_section(results: pd.DataFrame, roles: Roles) -> ReliabilitySection | None:
    """Hold the probabilities of `results` against what came; None where nothing came."""
    seen = results.dropna(subset=["y", "y_hat"])
    tables = {name: seen[seen["model"] == name] for name in roles.named()}
    made = tuple(reliability(name, _column(t, "y_hat"), _column(t, "y")) for name, t in tables.items() if len(t))
    if not made or made[0].model != roles.network:
        return None
    counts, edges = np.histogram(_column(tables[roles.network], "y_hat"), bins=_HISTOGRAM, range=(0.0, 1.0))
    bars = Bars(tuple(float(f"{edge:.6g}") for edge in edges), tuple(int(count) for count in counts))
    return ReliabilitySection(" ".join(_in_words(one) for one in made), made, bars)


def reliability(model: str, said: Array, came: Array) -> Reliability:
    """Cut forecasts (forecast,) at the quantiles of what was said, and compare with what came of each part."""
    inner = np.unique(np.quantile(said, np.linspace(0, 1, PARTS + 1)[1:-1]))
    part = np.searchsorted(inner, said, side="left")
    parts = [part == k for k in np.unique(part)]
    return Reliability(
        model,
        said=tuple(float(said[here].mean()) for here in parts),
        came=tuple(float(came[here].mean()) for here in parts),
        count=tuple(int(here.sum()) for here in parts),
    )


def _in_words(one: Reliability) -> str:
    said, came = ([f"{100 * share:.1f} %" for share in shares] for shares in (one.said, one.came))
    if len(said) == 1:
        return f"{one.model} always says {said[0]}, and {came[0]} rose."
    return (
        f"Where {one.model} gives a rise the least chance, it says {said[0]} on average and {came[0]} rose; where it "
        f"gives it the most, {said[-1]} and {came[-1]}. Of its Brier score {number(one.miscalibration)} is that what "
        f"it says is not what comes; that it tells rises apart takes {number(one.resolution)} off."
    )


def probability_section(truth: pd.DataFrame, forecast: pd.DataFrame, roles: Roles, clock: Clock) -> ProbabilitySection:
    """Show the probabilities after the end of one series (`ds, model, y_hat`)."""
    tables = {name: forecast[forecast["model"] == name].sort_values("ds") for name in roles.named()}
    tables = {name: rows for name, rows in tables.items() if len(rows)}
    first = next(iter(tables.values()))
    end = float(moments(truth["ds"])[truth["y"].notna().to_numpy()][-1])
    return ProbabilitySection(
        says=(
            f"How likely it is higher than {number(float(truth['y'].dropna().iloc[-1]))}, its last value "
            f"({clock.write(end)}), at each of {counted(len(first), 'step')} after it."
        ),
        steps=tuple(range(1, len(first) + 1)),
        times=tuple(clock.write(float(t)) for t in moments(first["ds"])),
        models=tuple(ModelSteps(name, rounded(_column(rows, "y_hat"))) for name, rows in tables.items()),
    )


def _column(rows: pd.DataFrame, name: str) -> Array:
    return rows[name].to_numpy(dtype=np.float64)
