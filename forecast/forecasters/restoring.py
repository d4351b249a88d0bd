"""A trained network out of saved arrays: our own code builds the skeleton, and the arrays have to fit it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.copula import Copula, keeps_copula
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.recursion import own_problem
from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import EsnSettings
from forecast.reference.encoding import (
    SYMBOLS_READ,
    SYMBOLS_UNREAD,
    empty_encoding,
    make_label_encoding,
    restore_encoding,
)
from forecast.reference.references import Reference, term_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.forecasters.recurrent import Recurrent
    from forecast.questions.kinds import Problem
    from forecast.series.panel import Channel


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
    reference = _empty_reference(forecaster, problem, len(ids), facts)
    encoding = restore_encoding(channels, _encoding_arrays(channels, tensors))
    interface = InputSpec(
        inputs=reference.input_size + encoding.input_size,
        horizon=reference.horizon,
        ahead=encoding.ahead.size,
        static=encoding.static.size,
        series=len(ids),
        symbols=len(problem.question.symbols(channels[0].categories)),
        reads_symbols=reference.name == SYMBOLS_READ,
    )
    with torch.device("meta"):  # its own weights would be drawn for nothing
        network = Network(forecaster.settings, interface)
    network.to_empty(device="cpu")
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


def _empty_reference(forecaster: Recurrent, problem: Problem, series: int, facts: Mapping[str, Any]) -> Reference:
    """Make the reference that the facts tell of, before its arrays are there."""
    own = own_problem(forecaster.settings.strategy, problem)
    if facts["horizon"] != own.horizon:
        raise ForecastError(
            f"the reference should forecast {own.horizon} steps, found {facts['horizon']}: it is not of these settings"
        )
    if problem.question.categorical != (facts["name"] in (SYMBOLS_READ, SYMBOLS_UNREAD)):
        raise ForecastError(f"the reference {facts['name']!r} does not answer `model.head={forecaster.settings.head}`")
    if problem.question.categorical:
        return make_label_encoding(series, own.horizon, read=facts["name"] == SYMBOLS_READ)
    terms = term_count(facts["name"], problem.season_steps)
    return Reference(**facts, centre=np.zeros(series), weights=np.zeros((series, own.horizon, terms)))


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
