"""Load a trained network from saved arrays: our own code builds the skeleton, and the arrays have to fit it.

Nothing else comes from a run folder: no code, no class path, no array of another name, shape or type.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import FittedEnsemble
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.strategies import network_problem
from forecast.forecasters.trajectories import Copula, keeps_copula
from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import EsnSettings
from forecast.reference.calendar_reference import empty_calendar
from forecast.reference.encoding import empty_encoding, restore_encoding
from forecast.reference.label_encoding import SYMBOLS_READ, SYMBOLS_UNREAD, make_label_encoding
from forecast.reference.references import CALENDAR, Reference, term_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.forecasters.ensemble import Ensemble
    from forecast.network.settings import NetworkSettings
    from forecast.questions.kinds import Problem
    from forecast.reference.encoding import CovariateEncoding
    from forecast.series.panel import Channel


def load_network(
    forecaster: Recurrent,
    problem: Problem,
    ids: tuple[str, ...],
    *,
    channels: tuple[Channel, ...],
    facts: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]],
    epochs: int,
) -> FittedNetwork:
    """Load a network: put saved arrays into the skeleton that the settings describe.

    `channels` are all of the panel that was fitted on, `facts` is what `Reference.facts` gave.

    Raises
    ------
    ForecastError
        An array that is missing, is not known, or has another shape or type than the settings ask for.

    """
    # Runs of before have no factor of the correction, all of it was used, and did not read the value itself.
    steps = network_problem(forecaster.settings.strategy, problem).horizon
    before: dict[str, np.ndarray[Any, np.dtype[Any]]] = {"network.correction": np.ones(steps, dtype=np.float32)}
    tensors = {**before, "reference.bounds": np.zeros((len(ids), 0)), **tensors}
    encoding = restore_encoding(channels, _encoding_arrays(channels, tensors)).with_lags(problem.lags, problem.leads)
    reference = _empty_reference(forecaster, problem, len(ids), encoding, facts)
    reference = replace(reference, bounds=np.zeros((len(ids), 2 if tensors["reference.bounds"].size else 0)))
    symbols = len(problem.question.symbols(channels[0].categories))
    network = _empty_network(forecaster.settings, reference, encoding, series=len(ids), symbols=symbols)
    kept = keeps_copula(forecaster.settings, problem.horizon)
    skeleton = FittedNetwork(
        forecaster=forecaster,
        problem=problem,
        ids=ids,
        reference=reference,
        scale=np.ones(len(ids)),
        encoding=encoding,
        network=network,
        history=(),
        epochs=epochs,
        stop_reason="",
        penalty=1.0 if isinstance(forecaster.settings, EsnSettings) else None,
        copula=Copula(np.eye(problem.horizon)) if kept else None,
    )
    _check_arrays(skeleton.tensors(), tensors)
    saved = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items() if name.startswith("network.")}
    network.load_state_dict({name.removeprefix("network."): part for name, part in saved.items()})
    network.eval()
    fitted: dict[str, Any] = {name: np.array(tensors[f"reference.{name}"]) for name in reference.arrays()}
    copula = Copula(np.array(tensors["copula.factor"])) if kept else None
    scale = np.array(tensors["scale"])
    penalty = None if skeleton.penalty is None else float(tensors["readout.penalty"][0])
    return replace(skeleton, scale=scale, reference=replace(reference, **fitted), penalty=penalty, copula=copula)


def _empty_network(
    settings: NetworkSettings, reference: Reference, encoding: CovariateEncoding, *, series: int, symbols: int
) -> Network:
    """Make the network that reads and forecasts this, its weights not set."""
    input_spec = InputSpec(
        inputs=reference.input_size + encoding.input_size,
        horizon=reference.horizon,
        ahead=encoding.ahead.size,
        given=encoding.given,
        lags=encoding.lags,
        leads=encoding.leads,
        static=encoding.static.size,
        series=series,
        symbols=symbols,
        reads_symbols=reference.name == SYMBOLS_READ,
    )
    with torch.device("meta"):  # initial weights would be drawn for nothing
        network = Network(settings, input_spec)
    return network.to_empty(device="cpu")


def _empty_reference(
    forecaster: Recurrent, problem: Problem, series: int, encoding: CovariateEncoding, facts: Mapping[str, Any]
) -> Reference:
    """Make the reference that the facts describe, with zeros in its arrays."""
    answered = network_problem(forecaster.settings.strategy, problem)
    if facts["horizon"] != answered.horizon:
        raise ForecastError(
            f"the reference should forecast {answered.horizon} steps, found {facts['horizon']}: "
            "it does not belong to these settings"
        )
    if problem.question.categorical != (facts["name"] in (SYMBOLS_READ, SYMBOLS_UNREAD)):
        raise ForecastError(f"the reference {facts['name']!r} does not answer `model.head={forecaster.settings.head}`")
    if problem.question.categorical:
        return make_label_encoding(series, answered.horizon, read=facts["name"] == SYMBOLS_READ)
    count = len(encoding.past.channels) if facts["name"] == "ridge_channels" else 0
    terms = term_count(facts["name"], problem.season_steps, facts["lags"], count)
    weights, bounds = np.zeros((series, answered.horizon, terms)), np.zeros((series, 0))
    units = np.zeros((series, count, 2))
    plain = {name: fact for name, fact in facts.items() if name != CALENDAR}
    reference = Reference(**plain, centre=np.zeros(series), weights=weights, bounds=bounds, channels=units)
    return empty_calendar(reference, facts[CALENDAR], encoding) if facts["name"] == CALENDAR else reference


def _encoding_arrays(
    channels: tuple[Channel, ...], tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]]
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return the arrays of the encoding, which the size of the network depends on, after a check of their shapes."""
    empty = {f"encoding.{name}": array for name, array in empty_encoding(channels).arrays().items()}
    saved = {name: array for name, array in tensors.items() if name.startswith("encoding.")}
    _check_arrays(empty, saved)
    return {name.removeprefix("encoding."): array for name, array in saved.items()}


def _check_arrays(
    expected: Mapping[str, np.ndarray[Any, np.dtype[Any]]], saved: Mapping[str, np.ndarray[Any, np.dtype[Any]]]
) -> None:
    """Demand the same names, types and shapes."""
    for name in sorted(expected.keys() | saved.keys()):
        want, have = (
            f"{side[name].dtype} {side[name].shape}" if name in side else "nothing" for side in (expected, saved)
        )
        if want != have:
            raise ForecastError(
                f"saved array {name!r} should be {want}, found {have}: the weights do not belong to these settings"
            )


def load_ensemble(
    forecaster: Recurrent | Ensemble,
    problem: Problem,
    ids: tuple[str, ...],
    *,
    channels: tuple[Channel, ...],
    facts: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]],
    epochs: Sequence[int],
) -> FittedNetwork | FittedEnsemble:
    """Load an ensemble, or the network alone; `epochs` has one number a member.

    Raises
    ------
    ForecastError
        As `load_network`.

    """
    if isinstance(forecaster, Recurrent):
        return load_network(forecaster, problem, ids, channels=channels, facts=facts, tensors=tensors, epochs=epochs[0])
    members = tuple(
        load_network(
            member, problem, ids, channels=channels, facts=facts, tensors=_arrays_of(tensors, i, len(epochs)), epochs=n
        )
        for i, (member, n) in enumerate(zip(forecaster.members, epochs, strict=True))
    )
    return FittedEnsemble(forecaster, members)


def _arrays_of(
    tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]], member: int, members: int
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return the arrays that all members share, with those of one."""
    prefixes = tuple(f"member{i}." for i in range(members))
    shared = {name: array for name, array in tensors.items() if not name.startswith(prefixes)}
    prefix = prefixes[member]
    return shared | {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
