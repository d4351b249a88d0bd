"""Where the error lies: by horizon step, by epoch, over time, and whether the forecast is a copy of the last value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.questions.kinds import RANKING_METRICS, metric_label
from forecast.reporting.lines import Line, line, moments, rounded
from forecast.reporting.losses import mean_losses
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.lines import Array
    from forecast.reporting.sections import Roles

MOST_LAGS = 40
MOST_CHANGES = 600
SHIFTS = range(-3, 7)
WORSE_THAN_SHOWN = 2.5
"""An error more than this many times the worse of network and baseline does not stretch the axis."""


@dataclass(frozen=True)
class ModelSteps:
    """A model's error at each horizon step."""

    model: str
    errors: tuple[float | None, ...]


@dataclass(frozen=True)
class StepSection:
    """Error by horizon step; `metric` is the name of what is ranked by, `bottom` and `top` bound the axis."""

    says: str
    metric: str
    steps: tuple[int, ...]
    models: tuple[ModelSteps, ...]
    top: float
    bottom: float = 0.0


@dataclass(frozen=True)
class LearningSection:
    """Losses by epoch, in `unit`; the weights of `chosen` were kept."""

    says: str
    epochs: tuple[int, ...]
    train: tuple[float | None, ...]
    validation: tuple[float | None, ...]
    chosen: int | None
    logarithmic: bool
    unit: str = "loss"


@dataclass(frozen=True)
class PenaltySection:
    """Losses by penalty of a read-out that was fitted in closed form; `chosen` was kept."""

    says: str
    penalties: tuple[float, ...]
    train: tuple[float | None, ...]
    validation: tuple[float | None, ...]
    chosen: float
    logarithmic: bool


@dataclass(frozen=True)
class Bars:
    """A histogram: `counts[i]` values lie between `edges[i]` and `edges[i + 1]`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ResidualSection:
    """The network's errors (truth less forecast) at the first horizon step of one series."""

    says: str
    over_time: Line
    histogram: Bars
    correlation: tuple[float | None, ...]
    band: float


@dataclass(frozen=True)
class CopySection:
    """How far the one-step forecast lies from the truth shifted by k steps, and forecast against true changes."""

    says: str
    shifts: tuple[int, ...]
    distances: tuple[float | None, ...]
    true_changes: tuple[float | None, ...]
    forecast_changes: tuple[float | None, ...]


def errors_by_step(results: pd.DataFrame) -> pd.DataFrame:
    """Mean loss of each model at each horizon step: `model, step`, and `mae`, of symbols `bits`."""
    return mean_losses(results, ["model", "step"])


def step_section(by_step: pd.DataFrame, roles: Roles) -> StepSection:
    """Show `by_step` (`model, step`, and what models are ranked by, or else `mae`)."""
    metric = error_measure(by_step)
    label = metric_label(metric)
    table = by_step.assign(model=by_step["model"].astype(str)).pivot_table(index="step", columns="model", values=metric)
    order = [*roles.named(), *sorted(set(table.columns) - set(roles.named()))]
    models = tuple(ModelSteps(name, rounded(table[name].to_numpy())) for name in order if name in table)
    named = table[[name for name in roles.named() if name in table]].to_numpy()
    finite = table.to_numpy()[np.isfinite(table.to_numpy())]
    top = float(finite.max()) if len(finite) else 1.0
    if np.isfinite(named).any() and np.nanmax(named) > 0:
        top = min(top, WORSE_THAN_SHOWN * float(np.nanmax(named)))
    bottom = 0.0
    if metric in ("brier", "bits") and len(finite):  # all lie close to one another, and far from zero
        bottom = max(float(finite.min()) - 0.1 * (top - float(finite.min())), 0.0)
    top = bottom + ((top - bottom) or 1.0) * 1.05
    says = _steps_in_words(table, roles, label)
    outside = [m.model for m in models if any(e is not None and e > top for e in m.errors)]
    if outside:
        says += f" {listed(outside)} {'rises' if len(outside) == 1 else 'rise'} above the picture."
    return StepSection(says, label, tuple(int(s) for s in table.index), models, top, bottom)


def error_measure(table: pd.DataFrame) -> str:
    """Name the measure that pictures show: what models are ranked by, or MAE where no series has a MASE."""
    return next((name for name in RANKING_METRICS if name in table and table[name].notna().any()), "mae")


def _steps_in_words(table: pd.DataFrame, roles: Roles, metric: str) -> str:
    if roles.baseline is None or roles.baseline not in table or roles.network not in table:
        return f"{metric} at each step ahead; lower is better."
    better = int((table[roles.network] < table[roles.baseline]).sum())
    where = "none" if better == 0 else "all" if better == len(table) else f"{better}"
    return (
        f"{metric} at each step ahead; lower is better. {roles.network} is ahead of {roles.baseline} "
        f"at {where} of the {counted(len(table), 'step')}."
    )


def penalty_section(history: pd.DataFrame) -> PenaltySection:
    """Show the losses of `history` (`penalty, train_loss, validation_loss`)."""
    train, validation, logarithmic = _losses(history)
    penalties = history["penalty"].to_numpy(dtype=np.float64)
    judged = bool(np.isfinite(validation).any())
    best = int(np.nanargmin(validation)) if judged else 0
    says = "The read-out is fitted in closed form, in one pass over the training split"
    if judged and len(penalties) > 1:
        says += (
            f", once for each of {len(penalties)} penalties; "
            f"that of {penalties[best]:g} was kept, where the validation loss is lowest"
        )
        if best == len(penalties) - 1:
            says += ". It is the largest of them: the less is added to the reference, the better"
        elif best == 0:
            says += ". It is the smallest of them: still smaller ones (model.penalties) may be better"
    else:
        says += f", with the penalty {penalties[best]:g}"
    kept = float(penalties[best])
    return PenaltySection(says + ".", tuple(penalties.tolist()), rounded(train), rounded(validation), kept, logarithmic)


def _losses(history: pd.DataFrame) -> tuple[Array, Array, bool]:
    """Training and validation loss, and whether they differ so much that only a logarithmic axis shows them."""
    train = history["train_loss"].to_numpy(dtype=np.float64)
    validation = history["validation_loss"].to_numpy(dtype=np.float64)
    losses = np.concatenate([train, validation])
    losses = losses[np.isfinite(losses)]
    return train, validation, bool(len(losses) and losses.min() > 0 and losses.max() / losses.min() > 30)


def learning_section(history: pd.DataFrame, chosen: int | None, unit: str = "loss") -> LearningSection:
    """Show the losses of `history` (`epoch, train_loss, validation_loss`), which are in `unit`."""
    train, validation, logarithmic = _losses(history)
    lowest = int(history["epoch"].iloc[int(np.nanargmin(validation))]) if np.isfinite(validation).any() else None
    chosen = lowest if chosen is None else chosen
    says = f"{counted(len(history), 'epoch')} of training"
    if chosen is not None:
        says += f"; the weights of epoch {chosen} were kept"
        says += ", where the validation loss is lowest" if chosen == lowest else ""
    epochs = tuple(int(e) for e in history["epoch"])
    says += "." if unit == "loss" else f". Losses are in {unit}."
    return LearningSection(says, epochs, rounded(train), rounded(validation), chosen, logarithmic, unit)


def residual_section(results: pd.DataFrame, network: str, points: int) -> ResidualSection | None:
    """Show the network's first-step errors in `results` of one series; None where there are fewer than three."""
    t, error = _first_step(results, network, "residual")
    if len(error) < 3:
        return None
    correlation = autocorrelation(error, min(MOST_LAGS, len(error) // 3))
    band = 1.96 / float(np.sqrt(len(error)))
    counts, edges = np.histogram(error, bins=min(max(int(np.sqrt(len(error))), 8), 40))
    return ResidualSection(
        says=_residuals_in_words(error, correlation, band),
        over_time=line(t, error, points),
        histogram=Bars(tuple(float(f"{e:.6g}") for e in edges), tuple(int(c) for c in counts)),
        correlation=rounded(correlation),
        band=band,
    )


def autocorrelation(values: Array, lags: int) -> Array:
    """Autocorrelation of (step,) values at the lags 1 to `lags`, (lag,); zeros for a constant."""
    centred = values - values.mean()
    energy = float(centred @ centred)
    if energy == 0:
        return np.zeros(lags)
    return np.array([float(centred[lag:] @ centred[:-lag]) / energy for lag in range(1, lags + 1)])


def _residuals_in_words(error: Array, correlation: Array, band: float) -> str:
    says = (
        f"Truth less forecast, one step ahead, {counted(len(error), 'origin')}: "
        f"on average {number(float(error.mean()))}, standard deviation {number(float(error.std()))}."
    )
    outside = np.abs(correlation) > band
    # One lag in twenty leaves the band by chance alone.
    if outside.mean() <= 0.1:
        return says + " Errors at neighbouring origins are unrelated: little is left to learn from them."
    lag = int(np.argmax(np.abs(correlation)))
    return says + (
        f" Errors are related over time (autocorrelation {number(float(correlation[lag]), 2)} at lag {lag + 1}): "
        f"something in the data is left unused."
    )


def copy_section(truth: pd.DataFrame, results: pd.DataFrame, network: str, verdict: str | None) -> CopySection | None:
    """Compare the network's first-step forecasts with the truth shifted along; None where there are too few."""
    known = truth.dropna(subset=["y"]).sort_values("ds")
    y = known["y"].to_numpy(dtype=np.float64)
    t, y_hat = _first_step(results, network, "y_hat")
    at = np.searchsorted(moments(known["ds"]), t)
    inside = (at > max(SHIFTS)) & (at < len(y) + min(SHIFTS))
    at, y_hat = at[inside], y_hat[inside]
    if len(at) < 3:
        return None
    distances = np.array([float(np.abs(y_hat - y[at - shift]).mean()) for shift in SHIFTS])
    every = max(len(at) // MOST_CHANGES, 1)
    last = y[at - 1]
    says = _copy_in_words(SHIFTS[int(np.argmin(distances))], verdict)
    return CopySection(
        says,
        tuple(SHIFTS),
        rounded(distances),
        rounded((y[at] - last)[::every]),
        rounded((y_hat - last)[::every]),
    )


def _copy_in_words(nearest: int, verdict: str | None) -> str:
    if nearest == 0:
        where = "what came, not to the last known value"
    elif nearest == 1:
        where = "the last known value, not to what came: much like a copy of it"
    else:
        where = (
            f"the truth {abs(nearest)} {'step' if abs(nearest) == 1 else 'steps'} {'before' if nearest > 0 else 'on'}"
        )
    says = f"One step ahead the forecast lies nearest to {where}."
    return says if verdict is None else f"{verdict.rstrip('.')}. {says}"


def _first_step(results: pd.DataFrame, model: str, what: str) -> tuple[Array, Array]:
    rows = results[(results["model"] == model) & (results["step"] == results["step"].min())]
    rows = rows.dropna(subset=["y", "y_hat"]).sort_values("ds")
    y, y_hat = rows["y"].to_numpy(dtype=np.float64), rows["y_hat"].to_numpy(dtype=np.float64)
    finite = np.isfinite(y_hat)
    values = y_hat if what == "y_hat" else y - y_hat
    return moments(rows["ds"])[finite], values[finite]
