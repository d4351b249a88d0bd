"""Ensembles: networks that differ in their seed alone, and whose forecasts are combined.

Each learns the same data from other weights and another order of batches; the median or mean of their forecasts errs
less than one of them does on average (Breiman 1996, "Bagging predictors", without the bags; Lakshminarayanan et al.
2017, "deep ensembles"). They are trained one after the other: batched over members the LSTM would lose its fused kernel
(five members at the default sizes: 18 ms a step one after the other, 80 to 100 batched, `benchmarks/ensembles.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.interface import Forecasts, Kind, of_probabilities
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import EsnSettings
from forecast.questions.kinds import question_of_head

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from forecast.forecasters.live import Forecast, Live
    from forecast.forecasters.settings import Combine
    from forecast.network.settings import NetworkSettings
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray, Panel


@dataclass(frozen=True)
class Ensemble:
    """Several untrained networks, at least one, and how their forecasts are combined.

    Examples
    --------
    >>> from forecast.network.settings import GruSettings
    >>> ensemble(Recurrent(GruSettings()), 3).name
    'gru'

    """

    members: tuple[Recurrent, ...]
    combine: Combine = "median"

    @property
    def name(self) -> str:
        """The name of the members."""
        return self.members[0].name

    @property
    def kind(self) -> Kind:
        """The sort of forecaster."""
        return "network"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedEnsemble:
        """Train the members one after the other, all on the reference and in the layers that the first chooses."""
        first = self.members[0].fit(past, train_steps, problem)
        others = (
            member
            if member.reference
            else replace(member, reference=first.reference, settings=first.forecaster.settings)
            for member in self.members[1:]
        )
        return FittedEnsemble(self, (first, *(member.fit(past, train_steps, problem) for member in others)))


@dataclass(frozen=True, eq=False)
class FittedEnsemble:
    """Trained networks on the same reference and scale."""

    forecaster: Ensemble
    members: tuple[FittedNetwork, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Say which reference was taken, and how many members there are."""
        first, *_ = self.members[0].notes
        together = f"the {self.forecaster.combine} of {len(self.members)} networks that differ in their seed"
        penalties = ", ".join(f"{member.penalty:g}" for member in self.members if member.penalty is not None)
        if penalties:
            return (first, f"{together}, their read-outs fitted with the penalties {penalties}")
        epochs = ", ".join(str(member.epochs) for member in self.members)
        return (first, f"{together}, with the weights of epochs {epochs}")

    @property
    def reference(self) -> Reference:
        """The reference that all members add to: nothing in it depends on the seed."""
        return self.members[0].reference

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Combine what the members forecast at each origin; `members` of the result has them one by one."""
        by_member = [member.forecast(past, origins) for member in self.members]
        probabilities = [forecasts.probabilities for forecasts in by_member if forecasts.probabilities is not None]
        if probabilities:  # (member, origin, horizon, symbol)
            return replace(of_probabilities(np.mean(probabilities, axis=0)), members=np.stack(probabilities))
        y_hat = np.stack([forecasts.y_hat for forecasts in by_member])  # (member, origin, horizon)
        quantiles = [forecasts.quantiles for forecasts in by_member if forecasts.quantiles is not None]
        return Forecasts(
            self._combined(y_hat), self._combined(np.stack(quantiles)) if quantiles else None, members=y_hat
        )

    def sample_trajectories(self, past: Panel, origins: Origins, count: int, seed: int = 0) -> FloatArray:
        """Sample trajectories of all members in turn, (origin, trajectory, horizon): which of them is right is open."""
        each = -(-count // len(self.members))
        by_member = [
            member.sample_trajectories(past, origins, each, _member_seed(seed, i))
            for i, member in enumerate(self.members)
        ]
        shape = len(origins), each * len(self.members), -1
        return np.stack(by_member, axis=2).reshape(shape)[:, :count]  # (origin, each, member, horizon) -> ...

    def start(self, past: Panel) -> LiveEnsemble:
        """Warm the members over a past, to go on one row at a time."""
        return LiveEnsemble(tuple(member.start(past) for member in self.members), self._combined)

    def of_series(self, i: int) -> FittedEnsemble:
        """Return the networks for one of their series alone."""
        return replace(self, members=tuple(member.of_series(i) for member in self.members))

    def chosen(self) -> Ensemble:
        """Return the ensemble with everything fixed that was chosen on validation, for each member its own."""
        return replace(self.forecaster, members=tuple(member.chosen() for member in self.members))

    def tensors(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Every array that `load_ensemble` needs: what the members share once, then the weights of each."""
        shared = {name: array for name, array in self.members[0].tensors().items() if not _differs(name)}
        per_member = {
            f"member{i}.{name}": array
            for i, member in enumerate(self.members)
            for name, array in member.tensors().items()
            if _differs(name)
        }
        return {**shared, **per_member}

    def _combined(self, by_member: FloatArray) -> FloatArray:
        """(member, ...) -> (...)."""
        combined: FloatArray = (np.median if self.forecaster.combine == "median" else np.mean)(by_member, axis=0)
        return combined


@dataclass(frozen=True, eq=False)
class LiveEnsemble:
    """An ensemble in use: a row comes in, the combined forecast of its members goes out."""

    members: tuple[Live, ...]
    combine: Callable[[FloatArray], FloatArray]

    def update(self, row: npt.ArrayLike, past: Sequence[Sequence[Any]] | None = None) -> Forecast:
        """Take the next value of every series, with covariates as `Live.update` does, and forecast."""
        return self._combined([member.update(row, past) for member in self.members])

    def forecast(self) -> Forecast:
        """Forecast from where the series stand now."""
        return self._combined([member.forecast() for member in self.members])

    def update_many(self, values: FloatArray, pasts: Sequence[Any] | None = None) -> Forecasts:
        """Take some next values of the only series in turn, as `Live.update_many` does."""
        last, by_member = self.forecast(), [member.update_many(values, pasts) for member in self.members]
        combined = self._combined([_as_forecast(last, forecasts) for forecasts in by_member])
        return Forecasts(combined.y_hat, combined.quantiles, probabilities=combined.probabilities)

    @property
    def known_steps(self) -> int | None:
        """Steps ahead that covariates are known of; None: as many as are asked for."""
        return self.members[0].known_steps

    def learn(self, steps_ahead: int, given: Mapping[str, Any], series: int = 0) -> None:
        """Take what is known of a step ahead, as `Live.learn` does."""
        for member in self.members:
            member.learn(steps_ahead, given, series)

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes from row to row, by name."""
        return {
            f"member{i}.{name}": array
            for i, member in enumerate(self.members)
            for name, array in member.memory().items()
        }

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        for i, member in enumerate(self.members):
            prefix = f"member{i}."
            member.remember({name.removeprefix(prefix): a for name, a in memory.items() if name.startswith(prefix)})

    def _combined(self, by_member: Sequence[Forecast]) -> Forecast:
        first = by_member[0]
        probabilities = [forecast.probabilities for forecast in by_member if forecast.probabilities is not None]
        if probabilities:
            mean = of_probabilities(np.mean(probabilities, axis=0))
            return replace(first, y_hat=mean.y_hat, probabilities=mean.probabilities)
        y_hat = self.combine(np.stack([forecast.y_hat for forecast in by_member]))
        quantiles = [forecast.quantiles for forecast in by_member if forecast.quantiles is not None]
        return replace(first, y_hat=y_hat, quantiles=self.combine(np.stack(quantiles)) if quantiles else None)


def _as_forecast(like: Forecast, forecasts: Forecasts) -> Forecast:
    return replace(like, y_hat=forecasts.y_hat, quantiles=forecasts.quantiles, probabilities=forecasts.probabilities)


def ensemble(network: Recurrent, members: int, combine: Combine = "median") -> Recurrent | Ensemble:
    """Make an ensemble of `members` networks; the first is the network itself, and a single one stays alone.

    Raises
    ------
    ForecastError
        Reservoirs that would all be the same.

    """
    if members == 1:
        return network
    if isinstance(network.settings, EsnSettings) and network.settings.reservoir_seed is not None:
        raise ForecastError(
            f"`ensemble={members}` networks differ in their seed alone, and with "
            f"`model.reservoir_seed={network.settings.reservoir_seed}` all of them are the same: set "
            f"`model.reservoir_seed=null`, or `ensemble=1`"
        )
    return Ensemble(tuple(replace(network, seed=_member_seed(network.seed, i)) for i in range(members)), combine)


def combined_by(combine: Combine | None, settings: NetworkSettings) -> Combine:
    """Return how members are combined; by default values by the median, probabilities by the mean.

    The mean of probabilities is that of a mixture of the members. For symbols it is always taken: medians of
    probabilities do not add up to one.
    """
    return combine or ("mean" if question_of_head(settings.head).forecasts_probabilities else "median")


def _member_seed(seed: int, member: int) -> int:
    """Return the seed of a member, counted from 0; another seed of the ensemble has other members."""
    return seed if member == 0 else int(np.random.SeedSequence((seed, member)).generate_state(1)[0])


def _differs(name: str) -> bool:
    """Whether a saved array differs between members."""
    return name.startswith(("network.", "copula.", "readout."))
