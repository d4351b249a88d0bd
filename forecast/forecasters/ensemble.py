"""Networks that differ in their seed alone, and forecast together.

Each learns the same data from other weights and another order of batches; the median or mean of their forecasts errs
less than one of them does on average (Breiman 1996, "Bagging predictors", without the bags; Lakshminarayanan et al.
2017, "deep ensembles"). They are trained one after the other: in a batched call the LSTM would lose its fused kernel
(five members at the default sizes: 18 ms a step one after the other, 80 to 100 batched, `benchmarks/ensembles.py`). A
GRU, which has none on a CPU, would win (137 ms against 75); what it lacks is a kernel, and a batch would hide that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.interface import Forecasts, Kind, of_probabilities
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.restoring import restore
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
    from forecast.series.panel import Channel, FloatArray, IntArray, Panel


@dataclass(frozen=True)
class Ensemble:
    """Several untrained networks, at least one; `combine` makes one forecast of theirs.

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
        """What they are."""
        return "network"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedEnsemble:
        """Train the members one after the other; what the first chooses for its reference holds for all."""
        first = self.members[0].fit(past, train_steps, problem)
        others = (replace(member, reference=member.reference or first.reference) for member in self.members[1:])
        return FittedEnsemble(self, (first, *(member.fit(past, train_steps, problem) for member in others)))


@dataclass(frozen=True, eq=False)
class FittedEnsemble:
    """Trained networks on the same reference and scale."""

    forecaster: Ensemble
    members: tuple[FittedNetwork, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Which reference was taken, and how many members there are."""
        first, *_ = self.members[0].notes
        together = f"the {self.forecaster.combine} of {len(self.members)} networks that differ in their seed"
        penalties = ", ".join(f"{member.penalty:g}" for member in self.members if member.penalty is not None)
        if penalties:
            return (first, f"{together}, their read-outs fitted with the penalties {penalties}")
        epochs = ", ".join(str(member.epochs) for member in self.members)
        return (first, f"{together}, with the weights of epochs {epochs}")

    @property
    def reference(self) -> Reference:
        """The reference that all members add to: it has no chance in it."""
        return self.members[0].reference

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Combine what the members forecast at each origin; `members` of the result has them one by one."""
        told = [member.forecast(past, origins) for member in self.members]
        probabilities = [one.probabilities for one in told if one.probabilities is not None]
        if probabilities:
            return replace(of_probabilities(np.mean(probabilities, axis=0)), members=np.stack(probabilities))
        y_hat = np.stack([one.y_hat for one in told])
        own = [one.quantiles for one in told if one.quantiles is not None]
        return Forecasts(self._combined(y_hat), self._combined(np.stack(own)) if own else None, members=y_hat)

    def paths(self, past: Panel, origins: Origins, count: int, seed: int = 0) -> FloatArray:
        """Draw paths of all members in turn, (origin, path, horizon): which of them is right is open as well."""
        each = -(-count // len(self.members))
        drawn = [member.paths(past, origins, each, member_seed(seed, i)) for i, member in enumerate(self.members)]
        shape = len(origins), each * len(self.members), -1
        return np.stack(drawn, axis=2).reshape(shape)[:, :count]

    def start(self, past: Panel) -> LiveEnsemble:
        """Warm the members over a past, to go on one row at a time."""
        return LiveEnsemble(tuple(member.start(past) for member in self.members), self._combined)

    def chosen(self) -> Ensemble:
        """Return the ensemble with everything fixed that was chosen on validation, for each member its own."""
        return replace(self.forecaster, members=tuple(member.chosen() for member in self.members))

    def tensors(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Every array that `restore_ensemble` needs: what the members share once, then the weights of each."""
        shared = {name: array for name, array in self.members[0].tensors().items() if not _is_own(name)}
        own = {
            f"member{i}.{name}": array
            for i, member in enumerate(self.members)
            for name, array in member.tensors().items()
            if _is_own(name)
        }
        return {**shared, **own}

    def _combined(self, told: npt.NDArray[np.float64]) -> FloatArray:
        """(member, ...) -> (...)."""
        together: FloatArray = (np.median if self.forecaster.combine == "median" else np.mean)(told, axis=0)
        return together


@dataclass(frozen=True, eq=False)
class LiveEnsemble:
    """An ensemble in use: a row comes in, the members' combined forecast goes out."""

    members: tuple[Live, ...]
    combine: Callable[[npt.NDArray[np.float64]], FloatArray]

    def update(self, row: npt.ArrayLike, past: Sequence[Sequence[Any]] | None = None) -> Forecast:
        """Take the next value of every series, with covariates as `Live.update` does, and forecast."""
        return self._together([member.update(row, past) for member in self.members])

    def forecast(self) -> Forecast:
        """Forecast from where the series stand now."""
        return self._together([member.forecast() for member in self.members])

    def _together(self, told: Sequence[Forecast]) -> Forecast:
        probabilities = [one.probabilities for one in told if one.probabilities is not None]
        if probabilities:
            together = of_probabilities(np.mean(probabilities, axis=0))
            return replace(told[0], y_hat=together.y_hat, probabilities=together.probabilities)
        own = [one.quantiles for one in told if one.quantiles is not None]
        quantiles = self.combine(np.stack(own)) if own else None
        return replace(told[0], y_hat=self.combine(np.stack([one.y_hat for one in told])), quantiles=quantiles)


def ensemble(network: Recurrent, members: int, combine: Combine = "median") -> Recurrent | Ensemble:
    """Make `members` networks of one; the first is the network itself, and a single one stays alone.

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
            f"`model.reservoir_seed={network.settings.reservoir_seed}` all of them are the same: say "
            f"`model.reservoir_seed=null`, or `ensemble=1`"
        )
    return Ensemble(tuple(replace(network, seed=member_seed(network.seed, i)) for i in range(members)), combine)


def combined_by(combine: Combine | None, settings: NetworkSettings) -> Combine:
    """Return how members are combined; where nothing is said values by the median, probabilities by the mean.

    The mean of probabilities is what a mixture of the members says; of those of symbols it is always taken, since
    medians do not add up to one.
    """
    return combine or ("mean" if question_of_head(settings.head).forecasts_probabilities else "median")


def member_seed(seed: int, member: int) -> int:
    """Seed of a member, counted from 0; other seeds have other members."""
    return seed if member == 0 else int(np.random.SeedSequence((seed, member)).generate_state(1)[0])


def restore_ensemble(
    forecaster: Recurrent | Ensemble,
    problem: Problem,
    ids: tuple[str, ...],
    *,
    channels: tuple[Channel, ...],
    facts: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]],
    epochs: Sequence[int],
) -> FittedNetwork | FittedEnsemble:
    """Put saved arrays into the skeleton that the settings describe; `epochs` has one number a member.

    Raises
    ------
    ForecastError
        As `restore`.

    """
    if isinstance(forecaster, Recurrent):
        return restore(forecaster, problem, ids, channels=channels, facts=facts, tensors=tensors, epochs=epochs[0])
    members = tuple(
        restore(
            member, problem, ids, channels=channels, facts=facts, tensors=_arrays_of(tensors, i, len(epochs)), epochs=n
        )
        for i, (member, n) in enumerate(zip(forecaster.members, epochs, strict=True))
    )
    return FittedEnsemble(forecaster, members)


def _arrays_of(
    tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]], member: int, members: int
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Arrays that all members share, with those of one."""
    prefixes = tuple(f"member{i}." for i in range(members))
    shared = {name: array for name, array in tensors.items() if not name.startswith(prefixes)}
    mine = prefixes[member]
    return shared | {name.removeprefix(mine): array for name, array in tensors.items() if name.startswith(mine)}


def _is_own(name: str) -> bool:
    return name.startswith(("network.", "copula.", "readout."))
