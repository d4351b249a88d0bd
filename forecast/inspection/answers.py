"""What of a forecast is examined: its value, or, where rises are forecast, the logit of their probability.

A probability is pressed together near 0 and 1; its logit log(p / (1 - p)) is what the decoder puts out, so that answers
can grow and contributions add up; the base rate is part of it. All that differs between the two, arithmetic and words,
stands in the two classes below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.strategies import read_forecasts

if TYPE_CHECKING:
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.network.head import Head, Level
    from forecast.network.heads import DirectionHead
    from forecast.series.panel import BoolArray, FloatArray

_NEAREST = 1e-15
"""Probabilities are kept this far from 0 and 1, so that their logits stay finite."""


class AnswerKind:
    """Forecasts of values, in the target's units.

    Attributes
    ----------
    name, noun : what is examined of a step ahead, in full and in short
    unit : of answers to made-up series
    error, added : what errors on data are called, and what is measured of those that are added
    squared : whether errors are shown as squares of the measured roots
    untrained : what is compared with the network
    linear : the best linear forecast
    forecasts, forecasts_in_full : what the network puts out, in short and in full
    moved : what an impulse moves
    unit_error, unit_measures : the error of forecasts without a hidden unit, and what is measured of them
    reference_role : what the reference is for
    note : what a reader has to know about how it was examined
    binary : whether the outcome is a rise

    """

    name: ClassVar[str] = "forecast"
    noun: ClassVar[str] = "forecast"
    unit: ClassVar[str] = "spread"
    error: ClassVar[str] = "RMSE"
    added: ClassVar[str] = "the root of the mean squared error"
    squared: ClassVar[bool] = False
    untrained: ClassVar[str] = "reference alone"
    linear: ClassVar[str] = "best linear filter"
    forecasts: ClassVar[str] = "forecasts"
    forecasts_in_full: ClassVar[str] = "forecasts"
    moved: ClassVar[str] = "next forecasts"
    unit_error: ClassVar[str] = "error"
    unit_measures: ClassVar[str] = "absolute changes and errors"
    reference_role: ClassVar[str] = ""
    note: ClassVar[str] = ""
    binary: ClassVar[bool] = False

    def answer(self, head: Head, raw: torch.Tensor, level: Level | None) -> torch.Tensor:
        """Answers of the network alone, (..., horizon, size) -> (..., horizon); gradients go through.

        Of values: differences to the reference in units of the scale.
        """
        return head.point(raw, level)

    def with_reference(self, answer: torch.Tensor, reference: torch.Tensor, scale: float) -> torch.Tensor:
        """Add the reference to answers of the network, both (..., horizon)."""
        return reference + answer * scale

    def read(self, head: Head, raw: torch.Tensor, reference: FloatArray, scale: FloatArray) -> FloatArray:
        """Answers with the reference, (origin, horizon)."""
        return read_forecasts(head, raw, reference, scale).y_hat

    def from_forecast(self, y_hat: FloatArray) -> FloatArray:
        """Answers, of forecasts."""
        return y_hat

    def to_forecast(self, answers: FloatArray) -> FloatArray:
        """Forecasts, of answers."""
        return answers

    def without_network(self, head: Head, reference: FloatArray) -> FloatArray:
        """What an untrained network forecasts, (origin, horizon), where the reference forecasts this."""
        return reference

    def unit_size(self, spread: float) -> float:
        """The unit of answers to a series of this spread."""
        return spread

    def errors(self, roots: FloatArray | float) -> FloatArray:
        """Errors as they are shown, of root mean squared ones."""
        return np.asarray(roots, dtype=np.float64)

    def absolute_error(self, differences: FloatArray) -> FloatArray:
        """What is averaged of absolute differences between forecasts and outcomes."""
        return differences

    def perfect(self, ahead: FloatArray) -> FloatArray:
        """The perfect answer to exp(iwt), divided by it, where exp(iwh) is `ahead`."""
        return ahead

    def linear_target(self, later: FloatArray, now: FloatArray) -> FloatArray:
        """What the best linear forecast is fitted to: the value, some steps after each origin."""
        return later

    def bounded(self, forecasts: FloatArray) -> FloatArray:
        """Keep linear forecasts to what can be."""
        return forecasts


class _Rises(AnswerKind):
    """Logits of a rise; errors on data are Brier scores, and there is no reference in the answer but the base rate."""

    name = "logit of a rise"
    noun = "logit"
    unit = "logit"
    error = "Brier score"
    added = "the root of the Brier score that is added"
    squared = True
    untrained = "base rate"
    linear = "best linear probability"
    forecasts = "probabilities"
    forecasts_in_full = "probabilities of a rise"
    moved = "logits of a rise one step ahead"
    unit_error = "Brier score"
    unit_measures = "absolute changes, and Brier scores,"
    reference_role = "reads differences to the "
    note = (
        "The network forecasts rises: answers to made-up series are logits of a rise, log(p / (1 - p)), errors on the "
        "data are Brier scores, and they are compared with the base rate, which an untrained network forecasts."
    )
    binary = True

    def answer(self, head: Head, raw: torch.Tensor, level: Level | None) -> torch.Tensor:
        """Logits, with the base rate in them."""
        return cast("DirectionHead", head).logit(raw)

    def with_reference(self, answer: torch.Tensor, reference: torch.Tensor, scale: float) -> torch.Tensor:
        """Logits as they are: the reference takes part in what is read alone."""
        return answer

    def read(self, head: Head, raw: torch.Tensor, reference: FloatArray, scale: FloatArray) -> FloatArray:
        """Logits, (origin, horizon)."""
        return cast("DirectionHead", head).logit(raw).numpy()

    def from_forecast(self, y_hat: FloatArray) -> FloatArray:
        """Logits, of probabilities."""
        return logits(y_hat)

    def to_forecast(self, answers: FloatArray) -> FloatArray:
        """Probabilities, of logits."""
        return probabilities(answers)

    def without_network(self, head: Head, reference: FloatArray) -> FloatArray:
        """The base rates, at every origin."""
        # A decoder of zeros leaves the head's base rates, (1, horizon).
        rates = head.point(torch.zeros(1, reference.shape[-1], head.size), None).numpy()
        return np.repeat(rates, len(reference), axis=0)

    def unit_size(self, spread: float) -> float:
        """One logit."""
        return 1.0

    def errors(self, roots: FloatArray | float) -> FloatArray:
        """Brier scores, of their roots."""
        return np.asarray(roots, dtype=np.float64) ** 2

    def absolute_error(self, differences: FloatArray) -> FloatArray:
        """Squares, whose mean is the Brier score."""
        return differences**2

    def perfect(self, ahead: FloatArray) -> FloatArray:
        """Of the change that is to come: exp(iw(t + h)) - exp(iwt), divided by exp(iwt)."""
        return ahead - 1

    def linear_target(self, later: FloatArray, now: FloatArray) -> FloatArray:
        """Whether the value is higher some steps after each origin: 1 or 0."""
        higher: BoolArray = later > now
        return higher.astype(np.float64)

    def bounded(self, forecasts: FloatArray) -> FloatArray:
        """Probabilities lie between 0 and 1."""
        return np.clip(forecasts, 0.0, 1.0)


VALUES, RISES = AnswerKind(), _Rises()
_KINDS = {"value": VALUES, "direction": RISES}


def answer_kind(fitted: FittedNetwork) -> AnswerKind:
    """Return what is examined of a network.

    Raises
    ------
    ForecastError
        Measurements are not made for what it forecasts.

    """
    if fitted.problem.target_type not in _KINDS:
        raise ForecastError(
            f"task=probe examines forecasts of values and of rises, and this run's network forecasts something else "
            f"(model.head={fitted.forecaster.settings.head}): probe a run with another head"
        )
    return _KINDS[fitted.problem.target_type]


def logits(p: FloatArray) -> FloatArray:
    """Logits of probabilities.

    >>> logits(np.array([0.5, 1 / (1 + np.exp(-2.0))])).round(6).tolist()
    [0.0, 2.0]
    """
    p = np.clip(p, _NEAREST, 1 - _NEAREST)
    return np.log(p) - np.log1p(-p)  # log(p / (1 - p))


def probabilities(logit: FloatArray) -> FloatArray:
    """Probabilities of logits.

    >>> probabilities(np.array([0.0])).tolist()
    [0.5]
    """
    return 1 / (1 + np.exp(-logit))
