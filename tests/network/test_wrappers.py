"""Dilations and patches against a loop, in pieces of every length, and one step at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles.segments import segmented

from forecast.network.cells import build_backbone
from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings

SETTINGS = [
    RnnSettings(hidden_size=5, segment_steps=4),
    LstmSettings(hidden_size=5, segment_steps=4),
    GruSettings(hidden_size=5, layers=2, segment_steps=4),
]


def cell(settings):
    return settings.name


def backbone_of(settings, inputs=3):
    torch.manual_seed(0)
    return build_backbone(settings, input_size=inputs)


def layer_weights(core, layer):
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [getattr(core, f"{name}_l{layer}").detach().numpy() for name in names]


@pytest.mark.parametrize("settings", SETTINGS, ids=cell)
@pytest.mark.parametrize("steps", [1, 3, 4, 16, 18])
def test_features_are_those_of_a_loop(settings, steps):
    backbone = backbone_of(settings).double()
    x = np.random.default_rng(1).normal(size=(2, steps, 3))
    reader = [part.detach().numpy() for part in (backbone.reader.weight, backbone.reader.bias)]
    layers = [layer_weights(backbone.inner.core, layer) for layer in range(settings.depth)]
    features, _ = backbone(torch.from_numpy(x), backbone.initial_state(2))
    for lane in range(2):
        expected = segmented(settings.name, x[lane], reader, layers, hidden=5, segment_steps=4)
        np.testing.assert_allclose(features[lane].detach().numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS, ids=cell)
@pytest.mark.parametrize("pieces", [[1] * 30, [7, 1, 13, 9], [2, 2, 3, 3, 20], [24, 6]], ids=str)
def test_in_pieces_with_the_state_carried_it_is_the_whole(settings, pieces):
    backbone = backbone_of(settings)
    x = torch.randn(3, 30, 3)
    whole, end = backbone(x, backbone.initial_state(3))
    state, parts = backbone.initial_state(3), []
    for piece in torch.split(x, pieces, dim=1):
        part, state = backbone(piece, state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-6)
    for ours, theirs in zip(state, end, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_a_lane_that_begins_within_a_chunk_knows_nothing_of_what_was_before():
    torch.manual_seed(0)
    network = Network(GruSettings(hidden_size=5, segment_steps=4), InputSpec(inputs=3, horizon=2))
    x, series = torch.randn(2, 30, 3), torch.zeros(2, 30, dtype=torch.int64)
    _, used = network.features(x, series, network.initial_state(2))
    starts = torch.tensor([7, -1])
    features, _ = network.features_with_resets(x, series, used, starts, reset_steps=(7,))
    fresh, _ = network.features(x[:1, 7:], series[:1, 7:], network.initial_state(1))
    torch.testing.assert_close(features[:1, 7:], fresh, rtol=0, atol=1e-6)
    goes_on, _ = network.features(x, series, used)
    torch.testing.assert_close(features[1], goes_on[1], rtol=0, atol=1e-6)


def test_a_step_reads_its_segment_and_the_state_a_segment_ago():
    """The gradient of the last of 12 steps reaches every input that one of its segments holds, and no later one."""
    backbone = backbone_of(GruSettings(hidden_size=8, segment_steps=4), inputs=1)
    x = torch.randn(1, 14, 1, requires_grad=True)
    features, _ = backbone(x, backbone.initial_state(1))
    features[0, 11].sum().backward()
    reached = x.grad[0, :, 0] != 0
    assert reached.tolist() == [True] * 12 + [False] * 2


def test_dropout_silences_features_while_training_alone():
    backbone = backbone_of(GruSettings(hidden_size=64, segment_steps=4, dropout=0.5))
    x = torch.randn(1, 9, 3)
    assert 0.3 < (backbone(x, backbone.initial_state(1))[0] == 0).float().mean() < 0.7
    assert not (backbone.eval()(x, backbone.initial_state(1))[0] == 0).any()
