"""A trained network that goes on learning: from its own weights, on new rows and some of the old ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from forecast.forecasters.ensemble import Ensemble, FittedEnsemble
from forecast.forecasters.fitted_network import FittedNetwork, data_of
from forecast.forecasters.recurrent import Recurrent
from forecast.training.job import TrainingJob

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.reference.references import Reference
    from forecast.series.panel import IntArray, Panel


@dataclass(frozen=True, eq=False)
class Start:
    """A trained network, and the steps of each series before those that are new to it, (series,)."""

    network: FittedNetwork
    new_steps: IntArray


@dataclass(frozen=True)
class Continued(Recurrent):
    """A network that begins as another one ended: with its weights, reference, scale and encoding.

    It is trained for as many epochs as there are learning rates; with none it stays what it was. Each epoch has all new
    rows, and as many old ones drawn at random, so that what was learnt is not forgotten.
    """

    start: Start | None = None

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedNetwork:
        """Train; of the correction is used what the new validation bears out, and what that of the start did."""
        fitted = super().fit(past, train_steps, problem)
        if self.start is not None and self.correction is None:
            correction = fitted.network.correction
            correction.copy_(torch.maximum(correction, self.start.network.network.correction))
        return fitted

    def training_job(self, past: Panel, train_steps: IntArray, problem: Problem) -> tuple[Reference, TrainingJob]:
        """Return the reference as it was, and the rest of the training."""
        if self.start is None:
            return super().training_job(past, train_steps, problem)
        begun = self.start.network
        job = TrainingJob(
            data=data_of(self.settings, past, begun.reference, begun.scale, begun.encoding),
            train_steps=train_steps,
            network=self.settings,
            training=self.training,
            context_steps=problem.context_steps,
            seed=self.seed,
            repeated=self.learning_rates or (),
            on_epoch=self.on_epoch,
            weights=begun.network.state_dict(),
            new_steps=self.start.new_steps,
        )
        return begun.reference, job


def continued(
    network: FittedNetwork | FittedEnsemble, learning_rates: tuple[float, ...], new_steps: IntArray
) -> Recurrent | Ensemble:
    """Return the forecaster that goes on from a trained network, or from each member of an ensemble."""
    members = tuple(
        Continued(
            settings=member.forecaster.settings,
            training=member.forecaster.training,
            seed=member.forecaster.seed,
            reference=member.reference,
            learning_rates=learning_rates,
            correction=None if learning_rates else tuple(member.network.correction.tolist()),
            copula=member.copula,
            start=Start(member, new_steps),
        )
        for member in network.members
    )
    if isinstance(network, FittedNetwork):
        return members[0]
    return replace(network.forecaster, members=members)
