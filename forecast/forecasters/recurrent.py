"""Recurrent networks as forecasters: a reference, and what a network has learnt to add to it."""

from __future__ import annotations

from collections.abc import Callable  # at run time too: a dataclass field is typed with it
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.beside import Beside
from forecast.forecasters.forks import earlier_forecasts, forecast_by_forks
from forecast.forecasters.interface import Forecasts, Kind
from forecast.forecasters.live import Live, read_forecasts
from forecast.forecasters.recursion import Recursion, check_fed_back, own_problem, standing_at
from forecast.network.heads import needs_level
from forecast.network.inference import forecast_by_walk, forecast_by_windows, head_on_cpu
from forecast.network.network import Network
from forecast.network.reached import reach_by_walk, reach_by_windows
from forecast.network.readings import Interface
from forecast.network.settings import LstmSettings, NetworkSettings
from forecast.series.encoding import Encoding, empty_encoding, fit_encoding, restore_encoding
from forecast.series.references import Reference, fit_reference, term_count
from forecast.series.scaling import fit_scale
from forecast.training.callbacks import Epoch
from forecast.training.data import network_data
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.forecasters.recursion import Standing
    from forecast.series.encoding import Float32Array
    from forecast.series.panel import Channel, FloatArray, IntArray, Panel
    from forecast.series.problem import Problem
    from forecast.series.split import Origins
    from forecast.training.data import NetworkData


@dataclass(frozen=True)
class Recurrent:
    """An RNN, LSTM or GRU that forecasts the whole horizon, at once or step by step.

    `reference` and `learning_rates` are None until something has been chosen on validation; a forecaster that
    `FittedNetwork.chosen` returns has them, and trains exactly as many epochs as there are learning rates.

    Examples
    --------
    >>> from forecast.network.settings import GruSettings
    >>> Recurrent(GruSettings(hidden_size=16)).name
    'gru'

    """

    settings: NetworkSettings = field(default_factory=LstmSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    seed: int = 0
    on_epoch: Callable[[Epoch], None] | None = None
    reference: Reference | None = None
    learning_rates: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        """The name of the cell."""
        return self.settings.name

    @property
    def kind(self) -> Kind:
        """What it is."""
        return "network"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedNetwork:
        """Fit scale and reference in closed form, then train the network; what lies after `train_steps` stops it."""
        # Lightning takes seconds to import; opening a run and forecasting do without it.
        from forecast.training.fit import TrainingJob, fit_network  # noqa: PLC0415

        if self.reference is None:
            asked = own_problem(self.settings.strategy, problem)
            reference = fit_reference(self.settings.reference, past, train_steps, asked)
        else:
            reference = self.reference.refit(past, train_steps)
        if self.settings.head == "negative_binomial":
            _check_counts(past)
        scale = fit_scale(past, train_steps, problem.season_steps)
        encoding = fit_encoding(past, train_steps)
        if self.settings.strategy == "recursive":
            check_fed_back(encoding)
        training = fit_network(
            TrainingJob(
                data=network_data(past, reference, scale, encoding, needs_level=needs_level(self.settings)),
                train_steps=train_steps,
                network=self.settings,
                training=self.training,
                context_steps=problem.context_steps,
                seed=self.seed,
                repeated=self.learning_rates,
                on_epoch=self.on_epoch,
            )
        )
        return FittedNetwork(
            forecaster=self,
            problem=problem,
            ids=past.ids,
            reference=reference,
            scale=scale,
            encoding=encoding,
            network=training.network,
            history=training.history,
            epochs=training.epochs,
            stop_reason=training.reason,
        )


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A trained network with all that its forecasts need.

    Attributes
    ----------
    ids : the series that it was fitted on, in their order
    scale : (series,)
    reference : of as many steps as the network itself forecasts
    history : the epochs of training; empty in one that was opened from a run folder
    epochs : how many of them the weights have seen

    """

    forecaster: Recurrent
    problem: Problem
    ids: tuple[str, ...]
    reference: Reference
    scale: FloatArray
    encoding: Encoding
    network: Network
    history: tuple[Epoch, ...]
    epochs: int
    stop_reason: str

    @property
    def members(self) -> tuple[FittedNetwork, ...]:
        """Itself: as an ensemble it would be one of one."""
        return (self,)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which reference was taken, and how training ended."""
        ended = f"kept the weights of epoch {self.epochs} of {len(self.history)}: {self.stop_reason}"
        return (f"adds to the reference {self.reference.name!r}", ended)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast from each origin; a streamed network walks each series once from its first step.

        Raises
        ------
        ForecastError
            Other series than those that were fitted on; in the regime `windows`, an origin with too short a past.

        """
        if self.forecaster.training.regime == "windows":
            self._check_windows(origins)
        forks, first_step = self.forecaster.settings.fork_ensemble, self._first_step
        return forecast_by_forks(partial(self._forecast, self._data(past)), origins, forks, first_step)

    @property
    def _first_step(self) -> int:
        """The first step of a series that can be an origin."""
        return self.problem.context_steps - 1 if self.forecaster.training.regime == "windows" else 0

    def _forecast(self, data: NetworkData, origins: Origins) -> Forecasts:
        """Forecast from each origin alone: at once, or fed back where the network itself forecasts fewer steps."""
        if self.reference.horizon < self.problem.horizon:
            recursion, standing = self._fed_back(data, origins)
            return recursion.forecast(standing)
        rows = origins.rows(data.past)
        if self.forecaster.training.regime == "windows":
            raw = forecast_by_windows(self.network, data.readings, self.problem.context_steps, rows)
        else:
            raw = forecast_by_walk(self.network, data.readings, data.past.offsets[:-1], origins.series, rows)
        return self._read(raw, data, rows)

    def _fed_back(self, data: NetworkData, origins: Origins) -> tuple[Recursion, Standing]:
        """Give what feeds forecasts back, and where it begins."""
        rows = origins.rows(data.past)
        if self.forecaster.training.regime == "windows":
            reached = reach_by_windows(self.network, data.readings, self.problem.context_steps, rows)
        else:
            reached = reach_by_walk(self.network, data.readings, data.past.offsets[:-1], origins.series, rows)
        recursion = Recursion(self.network, self.reference, self.scale, self.problem.horizon)
        return recursion, standing_at(data.known, data.readings, rows, reached, self.problem.horizon)

    def _read(self, raw: Float32Array, data: NetworkData, rows: IntArray) -> Forecasts:
        """Forecasts in the target's units from raw numbers of the head, (origin, horizon, size)."""
        reference, scale = self.reference.at(data.known, rows), self.scale[data.known.series[rows]]
        return read_forecasts(head_on_cpu(self.network), torch.from_numpy(raw), reference, scale)

    def start(self, past: Panel) -> Live:
        """Warm the state over a past, to go on one row at a time."""
        data = self._data(past)
        windows = self.forecaster.training.regime == "windows"
        context_steps = self.problem.context_steps if windows else None
        earlier = earlier_forecasts(
            partial(self._forecast, data), past.lengths, self.forecaster.settings.fork_ensemble, self._first_step
        )
        return Live.warmed(
            self.network,
            data,
            beside=Beside(self.encoding, past),
            context_steps=context_steps,
            horizon=self.problem.horizon,
            earlier=earlier,
        )

    def chosen(self) -> Recurrent:
        """Return the forecaster with its reference, number of epochs and learning rates fixed."""
        rates = tuple(epoch.learning_rate for epoch in self.history[: self.epochs])
        return replace(self.forecaster, reference=self.reference, learning_rates=rates)

    def tensors(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Every array that `restore` needs: weights and units (float32), scale and reference (float64)."""
        weights = {f"network.{name}": part.cpu().numpy() for name, part in self.network.state_dict().items()}
        reference = {f"reference.{name}": array for name, array in self.reference.arrays().items()}
        encoding = {f"encoding.{name}": array for name, array in self.encoding.arrays().items()}
        return {**weights, **reference, **encoding, "scale": self.scale}

    def _data(self, past: Panel) -> NetworkData:
        """What the network reads of a past."""
        leveled = needs_level(self.forecaster.settings)
        return network_data(self._known(past), self.reference, self.scale, self.encoding, needs_level=leveled)

    def _known(self, past: Panel) -> Panel:
        if past.ids != self.ids:
            new = [name for name in past.ids if name not in self.ids] or list(past.ids)
            raise ForecastError(
                f"the network was fitted on the series {_listed(self.ids)} and cannot forecast {_listed(tuple(new))}: "
                f"hand it the same series in the same order, or train on these"
            )
        return past

    def _check_windows(self, origins: Origins) -> None:
        shortest = int(origins.steps.min(initial=self.problem.context_steps)) + 1
        if shortest < self.problem.context_steps:
            raise ForecastError(
                f"a network trained on windows needs {self.problem.context_steps} steps before an origin, found "
                f"{shortest}: forecast from later origins, or train with `training.regime=stream`"
            )


def restore(
    forecaster: Recurrent,
    problem: Problem,
    ids: tuple[str, ...],
    *,
    channels: tuple[Channel, ...],
    facts: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]],
    epochs: int,
) -> FittedNetwork:
    """Put saved arrays into the skeleton that the settings describe.

    `channels` are all of the panel that was fitted on, `facts` is what `Reference.facts` gave.

    Raises
    ------
    ForecastError
        An array that is missing, is not known, or has another shape or type than the settings ask for.

    """
    own = own_problem(forecaster.settings.strategy, problem)
    if facts["horizon"] != own.horizon:
        raise ForecastError(
            f"the reference should forecast {own.horizon} steps, found {facts['horizon']}: it is not of these settings"
        )
    terms = term_count(facts["name"], problem.season_steps)
    shapes = {"centre": (len(ids),), "weights": (len(ids), own.horizon, terms)}
    empty: dict[str, Any] = {name: np.zeros(shape) for name, shape in shapes.items()}
    reference = Reference(**facts, **empty)
    encoding = restore_encoding(channels, _encoding_arrays(channels, tensors))
    interface = Interface(
        inputs=reference.input_size + encoding.input_size,
        horizon=own.horizon,
        ahead=encoding.ahead.size,
        static=encoding.static.size,
        series=len(ids),
    )
    network = Network(forecaster.settings, interface)
    skeleton = FittedNetwork(forecaster, problem, ids, reference, np.ones(len(ids)), encoding, network, (), epochs, "")
    _check_arrays(skeleton.tensors(), tensors)
    saved = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items() if name.startswith("network.")}
    network.load_state_dict({name.removeprefix("network."): part for name, part in saved.items()})
    network.eval()
    fitted: dict[str, Any] = {name: np.array(tensors[f"reference.{name}"]) for name in shapes}
    return replace(skeleton, scale=np.array(tensors["scale"]), reference=replace(reference, **fitted))


def _encoding_arrays(
    channels: tuple[Channel, ...], tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]]
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Take the arrays of the encoding, of which the size of the network depends, after a check of their shapes."""
    empty = {f"encoding.{name}": array for name, array in empty_encoding(channels).arrays().items()}
    mine = {name: array for name, array in tensors.items() if name.startswith("encoding.")}
    _check_arrays(empty, mine)
    return {name.removeprefix("encoding."): array for name, array in mine.items()}


def _check_arrays(
    expected: Mapping[str, np.ndarray[Any, np.dtype[Any]]], found: Mapping[str, np.ndarray[Any, np.dtype[Any]]]
) -> None:
    for name in sorted(expected.keys() | found.keys()):
        want, have = (
            f"{side[name].dtype} {side[name].shape}" if name in side else "nothing" for side in (expected, found)
        )
        if want != have:
            raise ForecastError(
                f"saved array {name!r} should be {want}, found {have}: the weights do not belong to these settings"
            )


def _check_counts(past: Panel) -> None:
    """Refuse targets that are no counts."""
    wrong = past.target_observed & ((past.target < 0) | (past.target != np.round(past.target)))
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    series = past.ids[int(np.searchsorted(past.offsets, row, side="right")) - 1]
    when = past.calendar.write(past.times[row : row + 1])[0]
    raise ForecastError(
        f"`model.head=negative_binomial` forecasts counts (0, 1, 2, ..., without a `data.transform`), and series "
        f"{series!r} has {past.target[row]:g} at {when}: say `model.head=gaussian`, `student_t` or `quantile`"
    )


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
