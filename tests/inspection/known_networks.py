"""Networks whose memory is known because their weights were set by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.recurrent import Recurrent
from forecast.inspection.system import System
from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import EsnSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.reference.encoding import fit_encoding
from forecast.reference.fit import fit_reference
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.training.settings import TrainingSettings

LINEAR = 1e-3
"""Weights of the input so small that tanh is a straight line."""

HIDDEN, OUT = "backbone.core.", "decoder.out."


def white(steps, seed=0):
    return np.random.default_rng(seed).normal(size=steps)


def made_system(values, carried, read, out, *, bias=None, horizon=1, regime="stream", context_steps=40):
    """An rnn of tanh units that reads the value itself: h_t = tanh(U h + LINEAR w y_t + b), forecast = out h / LINEAR.

    `carried` is U, (unit, unit), `read` w, (unit,), `out` (horizon, unit); the reference is the mean, which is zero.
    """
    y = np.asarray(values, dtype=np.float64)
    panel = single_series(y, np.arange(len(y)), Calendar(freq=None))
    train = np.array([len(y) // 2])
    problem = Problem(horizon, context_steps, season_steps=1)
    settings = RnnSettings(hidden_size=len(read), reference="none")
    reference = fit_reference("none", panel, train, problem)
    reference.centre[:] = 0.0
    network = Network(settings, InputSpec(reference.input_size, horizon)).eval()
    weights = {name: torch.zeros_like(part) for name, part in network.state_dict().items()}
    weights |= {
        "input_unit": torch.ones(reference.input_size),
        "head.unit": torch.ones(horizon),
        "correction": torch.ones(horizon),
    }
    weights[HIDDEN + "weight_hh_l0"] = torch.tensor(carried, dtype=torch.float32)
    weight_in = torch.zeros(len(read), reference.input_size)
    weight_in[:, -1] = LINEAR * torch.tensor(read, dtype=torch.float32)  # the difference to the mean
    weights[HIDDEN + "weight_ih_l0"] = weight_in
    if bias is not None:
        weights[HIDDEN + "bias_hh_l0"] = torch.tensor(bias, dtype=torch.float32)
    weights[OUT + "weight"] = torch.tensor(np.array(out), dtype=torch.float32).reshape(horizon, -1) / LINEAR
    network.load_state_dict(weights)
    fitted = FittedNetwork(
        forecaster=Recurrent(settings, TrainingSettings(regime=regime)),
        problem=problem,
        ids=panel.ids,
        reference=reference,
        scale=np.ones(1),
        encoding=fit_encoding(panel, train),
        network=network,
        history=(),
        epochs=0,
        stop_reason="",
    )
    alone = replace(panel, ids=("lane 0",))  # as `system_of` calls it
    return System(fitted, 0, alone, 0.0, 1.0, int(train[0]), int(len(y) * 0.7))


def rising(values, carried, read, out, **more):
    """The same network, asked for rises: out h / LINEAR is the logit of a rise, and the base rate is a half."""
    system = made_system(values, carried, read, out, **more)
    settings = system.fitted.forecaster.settings.model_copy(update={"head": "direction"})
    network = Network(settings, system.fitted.network.input_spec).eval()
    weights = {name: part for name, part in system.fitted.network.state_dict().items() if name in network.state_dict()}
    network.load_state_dict({**network.state_dict(), **weights})
    fitted = replace(
        system.fitted,
        forecaster=replace(system.fitted.forecaster, settings=settings),
        problem=replace(system.fitted.problem, target_type="direction"),
        network=network,
    )
    return replace(system, fitted=fitted)


def both_ways(values, forwards, backwards, context_steps):
    """A network of two units that reads windows from both ends: forecast = forwards * oldest-to-newest sum + ...

    The unit that reads forwards adds up all values of a window, decayed by `forwards` a step, the newest last; the one
    that reads backwards ends at the oldest. Both are weighted by 1.
    """
    y = np.asarray(values, dtype=np.float64)
    base = made_system(y, [[forwards]], [1.0], [[1.0]], regime="windows", context_steps=context_steps)
    settings = base.fitted.forecaster.settings.model_copy(update={"bidirectional": True})
    network = Network(settings, base.fitted.network.input_spec).eval()
    weights = {name: torch.zeros_like(part) for name, part in network.state_dict().items()}
    weights |= {
        "input_unit": torch.ones_like(weights["input_unit"]),
        "head.unit": torch.ones(1),
        "correction": torch.ones(1),
    }
    for suffix, decay in (("", forwards), ("_reverse", backwards)):
        weights[f"{HIDDEN}weight_hh_l0{suffix}"] = torch.tensor([[decay]])
        weights[f"{HIDDEN}weight_ih_l0{suffix}"][0, -1] = LINEAR
    weights[OUT + "weight"] = torch.ones(1, 2) / LINEAR
    network.load_state_dict(weights)
    fitted = replace(base.fitted, forecaster=replace(base.fitted.forecaster, settings=settings), network=network)
    return replace(base, fitted=fitted)


def reservoir_of(values, carried, read, bias):
    """A reservoir of tanh units without a leak, whose weights are set by hand; its read-out says nothing."""
    base = made_system(values, carried, read, [[0.0] * len(read)])
    settings = EsnSettings(hidden_size=len(read), leak=1.0, sparsity=0.0, reference="none")
    network = Network(settings, base.fitted.network.input_spec).eval()
    reservoir = network.backbone
    reservoir.weight.copy_(torch.tensor(carried, dtype=torch.float32))
    reservoir.bias.copy_(torch.tensor(bias, dtype=torch.float32))
    reservoir.weight_in.zero_()
    reservoir.weight_in[:, -1] = torch.tensor(read, dtype=torch.float32)
    fitted = replace(base.fitted, forecaster=replace(base.fitted.forecaster, settings=settings), network=network)
    return replace(base, fitted=fitted)


def leaky(a, values, gain=1.0, **more):
    """Forecast gain sum a^k y_{t-k}, a leaky integrator."""
    return made_system(values, [[a]], [1.0], [[gain]], **more)


def delay_line(steps, values, taps=None):
    """Forecast y_{t - steps}, or with `taps` the sum of all values up to then: a state that shifts."""
    units = steps + 1
    shift = np.eye(units, k=-1)
    out = np.eye(units)[-1] if taps is None else np.full(units, taps)
    return made_system(values, shift, np.eye(units)[0], [out])
