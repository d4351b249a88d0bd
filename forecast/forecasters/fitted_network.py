"""A trained network as a forecaster: forecasts, sample trajectories, going on row by row, and its saved arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.covariate_stream import CovariateStream
from forecast.forecasters.live import Live
from forecast.forecasters.strategies import (
    Recursion,
    earlier_forecasts,
    forecast_by_forks,
    level_of,
    read_forecasts,
    starting_point,
)
from forecast.forecasters.trajectories import (
    MOST_SCORES,
    Copula,
    check_trajectories,
    fit_copula,
    independent_uniforms,
    keeps_copula,
    sample_from_copula,
)
from forecast.network.heads import needs_level
from forecast.network.inference import (
    forecast_by_unrolling,
    forecast_by_windows,
    head_on_cpu,
    states_by_unrolling,
    states_by_windows,
)
from forecast.questions.kinds import question_of_head
from forecast.questions.split import rolling_origins
from forecast.training.data import network_data
from forecast.training.job import Epoch
from forecast.wording import percentage, quote_some

if TYPE_CHECKING:
    from forecast.forecasters.interface import Forecasts
    from forecast.forecasters.recurrent import Recurrent
    from forecast.forecasters.strategies import StartingPoint
    from forecast.network.network import Network
    from forecast.network.settings import NetworkSettings
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.reference.cross_fitting import CrossFitted
    from forecast.reference.encoding import CovariateEncoding
    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray, Panel
    from forecast.training.data import NetworkData
    from forecast.training.readout import Trial


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A trained network and all that it needs to forecast.

    Attributes
    ----------
    ids : the series that it was fitted on, in their order
    scale : (series,)
    reference : of as many steps as the network itself forecasts
    history : the epochs of training, or the penalties that were tried; empty in one that was opened from a run folder
    epochs : how many of them trained the weights that were kept
    penalty : of the ridge regression that fitted the read-out; None of a network that was trained by its gradient
    copula : dependence between the steps of the horizon; None where the head is no distribution of values
    graph_bytes : memory that the graph of a training step took; 0 in one that was opened from a run folder

    """

    forecaster: Recurrent
    problem: Problem
    ids: tuple[str, ...]
    reference: Reference
    scale: FloatArray
    encoding: CovariateEncoding
    network: Network
    history: tuple[Epoch, ...] | tuple[Trial, ...]
    epochs: int
    stop_reason: str
    penalty: float | None = None
    copula: Copula | None = None
    graph_bytes: int = 0

    @property
    def members(self) -> tuple[FittedNetwork, ...]:
        """Itself, as an ensemble of one."""
        return (self,)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say which reference it adds to, and how training ended."""
        ended = f"kept the weights of epoch {self.epochs} of {len(self.history)}: {self.stop_reason}"
        if self.epochs == 0 and self.history:
            ended = f"stayed untrained: none of {len(self.history)} epochs was better on validation"
        if self.penalty is not None:
            ended = f"fitted its read-out with the penalty {self.penalty:g}: {self.stop_reason}"
        share = float(self.network.correction.mean())
        if self.epochs and share < 1:
            ended += f"; of what it learnt {percentage(share)} are used, as much as validation bears out"
        if self.problem.question.binary:
            return (
                f"starts from how often the target rose, reads differences to the reference {self.reference.name!r}",
                ended,
            )
        if self.problem.question.categorical:
            return (f"starts from how often each symbol came, reads {self.reference.name} before", ended)
        depth = getattr(self.forecaster.settings, "depth", 1)
        deep = f" in {depth} layers" if depth > 1 else ""
        learnt = "what a simple forecast leaves over"
        if self.reference.name == "none":
            units = self.forecaster.settings.units
            learnt = f"with {units} units all that it forecasts beside the mean, as no simple forecast is added"
        return (f"learns{deep} {learnt}: the reference {self.reference.name!r}", ended)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast from each origin; a streamed network is unrolled over each series once, from its first step.

        Raises
        ------
        ForecastError
            Other series than it was fitted on; with `training.regime=windows`, an origin with too short a past.

        """
        if self.forecaster.training.regime == "windows":
            self._check_windows(origins)
        forks, first_step = self.forecaster.settings.fork_ensemble, self._first_step
        return forecast_by_forks(partial(self._forecast, self.data(past)), origins, forks, first_step)

    @property
    def _first_step(self) -> int:
        """The first step of a series that can be an origin."""
        return self.problem.context_steps - 1 if self.forecaster.training.regime == "windows" else 0

    def _forecast(self, data: NetworkData, origins: Origins) -> Forecasts:
        """Forecast from each origin alone, without forks: at once, or fed back where the network forecasts one step."""
        if self.reference.horizon < self.problem.horizon:
            recursion, start = self._recursion(data, origins)
            return recursion.forecast(start)
        rows = origins.rows(data.past)
        reference, scale = self.reference.at(data.known, rows), self.scale[data.known.series(rows)]
        return read_forecasts(head_on_cpu(self.network), self._raw(data, origins), reference, scale)

    def _raw(self, data: NetworkData, origins: Origins) -> torch.Tensor:
        """Raw numbers of the head, (origin, horizon, size)."""
        rows = origins.rows(data.past)
        if self.forecaster.training.regime == "windows":
            raw = forecast_by_windows(self.network, data.inputs, self.problem.context_steps, rows)
        else:
            raw = forecast_by_unrolling(self.network, data.inputs, data.past.offsets[:-1], origins.series, rows)
        return torch.from_numpy(raw)

    def _recursion(self, data: NetworkData, origins: Origins) -> tuple[Recursion, StartingPoint]:
        """Return what feeds forecasts back, and where it begins."""
        rows = origins.rows(data.past)
        if self.forecaster.training.regime == "windows":
            reached = states_by_windows(self.network, data.inputs, self.problem.context_steps, rows)
        else:
            reached = states_by_unrolling(self.network, data.inputs, data.past.offsets[:-1], origins.series, rows)
        recursion = Recursion(self.network, self.reference, self.scale, self.problem.horizon)
        return recursion, starting_point(data.known, data.inputs, rows, reached, self.problem.horizon)

    def sample_trajectories(self, past: Panel, origins: Origins, count: int, seed: int = 0) -> FloatArray:
        """Sample trajectories after each origin, (origin, trajectory, horizon), in the target's units.

        They follow the forecast that each origin makes alone, without `model.fork_ensemble`. Those of two series, or of
        two origins, share no random numbers.

        Raises
        ------
        ForecastError
            A head that is no distribution of values, or a horizon too long.

        """
        check_trajectories(self.forecaster.settings, self.problem.horizon)
        if self.forecaster.training.regime == "windows":
            self._check_windows(origins)
        data = self.data(past)
        if self.copula is None:
            recursion, start = self._recursion(data, origins)
            return recursion.sample_trajectories(start, count, seed)
        rows = origins.rows(past)
        level = level_of(self.reference.at(data.known, rows), self.scale[data.known.series(rows)])
        uniforms = independent_uniforms(origins, count, self.problem.horizon, seed)
        return sample_from_copula(head_on_cpu(self.network), self._raw(data, origins), level, self.copula, uniforms)

    def fitted_copula(self, past: Panel, train_steps: IntArray) -> Copula | None:
        """Estimate the dependence between steps on the validation split or, where there is none, in training."""
        if not keeps_copula(self.forecaster.settings, self.problem.horizon):
            return None
        first = np.where(train_steps.sum() < past.lengths.sum(), train_steps, 0)
        origins = rolling_origins(past, np.maximum(first, self._first_step + 1), past.lengths, self.problem.horizon)
        origins = origins[:: max(-(-len(origins) * self.problem.horizon // MOST_SCORES), 1)]
        data, rows = self.data(past), origins.rows(past)
        target, exists = data.differences(rows, past.offsets[1:])  # (origin, horizon)
        with torch.no_grad():
            raw = self._raw(data, origins)
            scores = head_on_cpu(self.network).scores(raw, torch.from_numpy(target), data.level(rows))
        return fit_copula(scores.numpy().astype(np.float64), exists)

    def start(self, past: Panel) -> Live:
        """Warm the state over a past, to go on one row at a time."""
        data = self.data(past)
        windows = self.forecaster.training.regime == "windows"
        context_steps = self.problem.context_steps if windows else None
        earlier = earlier_forecasts(
            partial(self._forecast, data), past.lengths, self.forecaster.settings.fork_ensemble, self._first_step
        )
        return Live.warmed(
            self.network,
            data,
            self.reference,
            covariates=CovariateStream(self.encoding, past),
            context_steps=context_steps,
            horizon=self.problem.horizon,
            earlier=earlier,
        )

    def of_series(self, i: int) -> FittedNetwork:
        """Return the network for one of its series alone."""
        return replace(
            self,
            ids=self.ids[i : i + 1],
            reference=self.reference.of_series(np.array([i])),
            scale=self.scale[i : i + 1],
            network=self.network.of_series(i),
        )

    def chosen(self) -> Recurrent:
        """Return the forecaster with its reference fixed, and its epochs and learning rates, or its penalty."""
        correction = tuple(self.network.correction.tolist())
        fixed = replace(self.forecaster, reference=self.reference, correction=correction, copula=self.copula)
        if self.penalty is not None:
            return replace(fixed, penalty=self.penalty)
        epochs = (epoch for epoch in self.history[: self.epochs] if isinstance(epoch, Epoch))
        return replace(fixed, learning_rates=tuple(epoch.learning_rate for epoch in epochs))

    def tensors(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Every array that `load_network` needs: weights and units (float32), scale and reference (float64)."""
        weights = {f"network.{name}": part.cpu().numpy() for name, part in self.network.state_dict().items()}
        reference = {f"reference.{name}": array for name, array in self.reference.arrays().items()}
        encoding = {f"encoding.{name}": array for name, array in self.encoding.arrays().items()}
        copula = {} if self.copula is None else {"copula.factor": self.copula.factor}
        penalty = {} if self.penalty is None else {"readout.penalty": np.array([self.penalty])}
        return {**weights, **reference, **encoding, **copula, **penalty, "scale": self.scale}

    def data(self, past: Panel) -> NetworkData:
        """Turn a past into what the network reads, after a check of its series."""
        if past.ids != self.ids:
            new = [name for name in past.ids if name not in self.ids] or list(past.ids)
            raise ForecastError(
                f"the network was fitted on the series {quote_some(self.ids, 3)} and cannot forecast "
                f"{quote_some(new, 3)}: hand it the same series in the same order, or train on these"
            )
        return data_of(self.forecaster.settings, past, self.reference, self.scale, self.encoding)

    def _check_windows(self, origins: Origins) -> None:
        shortest = int(origins.steps.min(initial=self.problem.context_steps)) + 1
        if shortest < self.problem.context_steps:
            raise ForecastError(
                f"a network trained on windows needs {self.problem.context_steps} steps before an origin, found "
                f"{shortest}: forecast from later origins, or train with `training.regime=stream`"
            )


def data_of(
    settings: NetworkSettings,
    past: Panel,
    reference: Reference | CrossFitted,
    scale: FloatArray,
    encoding: CovariateEncoding,
) -> NetworkData:
    """Turn a past into what a network of these settings reads, and its targets."""
    return network_data(
        past,
        reference,
        scale,
        encoding,
        needs_level=needs_level(settings),
        question=question_of_head(settings.head),
    )
