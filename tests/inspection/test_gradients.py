"""How far back gradients reach, against matrices and differences worked out by hand, and what is saturated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from forecast.inspection.gradients import lag_shares, recurrent_weights, saturation, state_norms, step_gradients
from forecast.network.head import mean_where
from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.training.batches import Batch

INPUTS, HORIZON = 2, 3


def network_of(settings, seed=0):
    torch.manual_seed(seed)
    network = Network(settings, InputSpec(INPUTS, HORIZON)).double().eval()
    for name, one in network.decoder.named_parameters():
        if name.startswith("out"):
            torch.nn.init.normal_(one)
    return network


def batch_of(lanes, steps, seed=0):
    """Spans of which only the last step forks."""
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        x=torch.rand(lanes, steps, INPUTS, generator=generator, dtype=torch.float64),
        series=torch.zeros(lanes, steps, dtype=torch.int64),
        resets=torch.zeros(lanes, dtype=torch.int64),
        reset_steps=(0,),
        target=torch.randn(lanes, 1, HORIZON, generator=generator, dtype=torch.float64),
        exists=torch.ones(lanes, 1, HORIZON, dtype=torch.float64),
        ahead=None,
        level=None,
        forks=lanes * HORIZON,
        rows=tuple(range(lanes)),
        carried=False,
    )


def state_of(network, lanes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    zero = network.initial_state(lanes)
    return tuple(0.3 * torch.rand(part.shape, generator=generator, dtype=torch.float64) for part in zero)


def test_a_linear_recurrence_has_the_powers_of_its_matrix():
    """ReLU with positive weights, biases and inputs is never off: d state_t / d state_{t-k} = U^k."""
    network = network_of(RnnSettings(hidden_size=3, activation="relu"))
    with torch.no_grad():
        for one in network.backbone.parameters():
            one.copy_(one.abs())
    matrix = network.backbone.core.weight_hh_l0.detach().numpy()
    actual = state_norms(network, batch_of(1, 6), state_of(network, 1), vectors=20_000)
    expected = [np.linalg.norm(np.linalg.matrix_power(matrix, k)) / np.sqrt(3) for k in range(6)]
    assert actual[0] == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(actual, expected, rtol=0.02)


def whole_jacobians(network, batch, state, first):
    """||d state_T / d state_{T-k}|| / sqrt(n) of every k by torch's own Jacobian of the rest of the walk."""
    steps, sizes = batch.x.shape[1], [part.shape for part in state[first:]]
    read = network.read(batch.x, batch.series)

    def go_on(flat, fixed, start):
        parts = torch.split(flat, [shape.numel() for shape in sizes])
        carried = (*fixed, *(part.view(shape) for part, shape in zip(parts, sizes, strict=True)))
        _, after = network.backbone(read[:, start:], carried)
        return torch.cat([part.flatten() for part in after[first:]])

    norms = []
    carried = state
    for step in range(steps):
        _, carried = network.backbone(read[:, step : step + 1], carried)
        flat = torch.cat([part.detach().flatten() for part in carried[first:]])
        if step + 1 == steps:
            matrix = torch.eye(len(flat))
        else:
            fixed = tuple(part.detach() for part in carried[:first])
            matrix = torch.autograd.functional.jacobian(lambda f, c=fixed, s=step: go_on(f, c, s + 1), flat)
        norms.append(float(matrix.norm()) / np.sqrt(len(flat)))
    return norms[::-1]


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        (RnnSettings(hidden_size=4), 0),
        (LstmSettings(hidden_size=3), 0),
        (GruSettings(hidden_size=3, layers=2), 0),
        (GruSettings(hidden_size=3, segment_steps=2), 1),
        (LstmSettings(hidden_size=2, layers=2, segment_steps=3), 1),
    ],
    ids=["rnn", "lstm", "stacked", "segmented", "segmented and stacked"],
)
def test_the_norms_are_those_of_the_whole_jacobian(settings, first):
    network, batch = network_of(settings), batch_of(1, 7)
    state = state_of(network, 1)
    actual = state_norms(network, batch, state, vectors=20_000)
    np.testing.assert_allclose(actual, whole_jacobians(network, batch, state, first), rtol=0.03)


def test_the_norms_are_the_root_mean_square_over_lanes():
    network, batch = network_of(GruSettings(hidden_size=3)), batch_of(2, 4)
    state = state_of(network, 2)
    alone = [
        state_norms(
            network,
            batch._replace(x=batch.x[i : i + 1], series=batch.series[i : i + 1]),
            (state[0][i : i + 1],),
            vectors=20_000,
        )
        for i in range(2)
    ]
    both = state_norms(network, batch, state, vectors=20_000)
    np.testing.assert_allclose(both, torch.sqrt((alone[0] ** 2 + alone[1] ** 2) / 2), rtol=0.02)


def loss_with_own_weights(network, batch, state, weights):
    """A tanh recurrence written out, with another matrix at each step."""
    core = network.backbone.core
    h = state[0][:, 0]
    x = batch.x / network.input_unit
    for step, matrix in enumerate(weights):
        h = torch.tanh(x[:, step] @ core.weight_ih_l0.T + core.bias_ih_l0 + h @ matrix.T + core.bias_hh_l0)
    raw = network.forecast(h[:, None], None)
    return mean_where(network.head.loss(raw, batch.target, None), batch.exists)


def test_the_gradient_of_each_step_is_that_of_finite_differences():
    network, batch = network_of(RnnSettings(hidden_size=2, loss="mse")), batch_of(2, 3)
    state = state_of(network, 2)
    (actual,) = step_gradients(network, batch, state).values()
    shared = network.backbone.core.weight_hh_l0.detach()
    for step in range(3):
        for entry in np.ndindex(2, 2):
            slopes = []
            for by in (1e-6, -1e-6):
                weights = [shared.clone() for _ in range(3)]
                weights[step][entry] += by
                with torch.no_grad():
                    slopes.append(float(loss_with_own_weights(network, batch, state, weights)))
            assert float(actual[step][entry]) == pytest.approx((slopes[0] - slopes[1]) / 2e-6, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    "settings",
    [
        RnnSettings(hidden_size=4),
        LstmSettings(hidden_size=3, layers=2),
        GruSettings(hidden_size=3),
        GruSettings(hidden_size=3, segment_steps=2),
        GruSettings(hidden_size=3, strategy="seq2seq"),
    ],
    ids=["rnn", "stacked", "gru", "segmented", "seq2seq"],
)
def test_the_gradients_of_all_steps_add_up_to_that_of_the_shared_weights(settings):
    network, batch = network_of(settings), batch_of(3, 6)
    state = state_of(network, 3)
    actual = step_gradients(network, batch, state)
    features, _ = network.features(batch.x, batch.series, state)
    raw = network.forecast(features[:, -1:], None)
    mean_where(network.head.loss(raw, batch.target, None), batch.exists).backward()
    weights = dict(network.backbone.named_parameters())
    assert len(actual) == settings.depth
    for name, gradients in actual.items():
        assert gradients.shape[0] == 6
        torch.testing.assert_close(gradients.sum(dim=0), weights[name].grad, rtol=1e-9, atol=1e-12)


def test_shares_are_norms_by_lag_averaged_over_splits():
    network = network_of(RnnSettings(hidden_size=2, loss="mse"))
    batches, states = [batch_of(1, 3, seed) for seed in range(2)], [state_of(network, 1, seed) for seed in range(2)]
    norms = [
        next(iter(step_gradients(network, batch, state).values())).flatten(1).norm(dim=1)
        for batch, state in zip(batches, states, strict=True)
    ]
    by_lag = ((norms[0] + norms[1]) / 2).flip(0)
    actual = lag_shares(network, batches, states)
    torch.testing.assert_close(actual, by_lag / by_lag.sum())
    assert float(actual.sum()) == pytest.approx(1.0)


def test_a_network_whose_head_is_zero_has_no_shares():
    network = network_of(GruSettings(hidden_size=2))
    torch.nn.init.zeros_(network.decoder.out.weight)
    assert not lag_shares(network, [batch_of(1, 3)], [state_of(network, 1)]).any()


def test_a_backbone_without_recurrent_weights_is_looked_at_as_a_whole():
    assert recurrent_weights(torch.nn.Linear(2, 3)) == ("weight", "bias")
    assert recurrent_weights(torch.nn.GRU(2, 3, num_layers=2)) == ("weight_hh_l0", "weight_hh_l1")


def set_to_zero(network):
    with torch.no_grad():
        for one in network.backbone.parameters():
            one.zero_()
    return network.backbone.core.bias_ih_l0


def shares(network):
    return saturation(network, batch_of(2, 5), tuple(torch.zeros_like(part) for part in state_of(network, 2)))


def test_gates_of_an_lstm_are_counted_by_name():
    network = network_of(LstmSettings(hidden_size=4))
    bias = set_to_zero(network)
    with torch.no_grad():
        bias[0:3] = -9.0  # three of four input gates shut
        bias[4:6] = 9.0  # half of the forget gates open
        bias[8:9] = 9.0  # one candidate at its end, whose gate is shut
    assert shares(network) == {
        "input gate shut": 0.75,
        "input gate open": 0.0,
        "forget gate shut": 0.0,
        "forget gate open": 0.5,
        "output gate shut": 0.0,
        "output gate open": 0.0,
        "candidate at its end": 0.25,
        "cell at its end": 0.0,
    }


def test_units_of_a_relu_that_are_off_and_states_of_a_tanh_at_its_end():
    off = network_of(RnnSettings(hidden_size=4, activation="relu"))
    bias = set_to_zero(off)
    with torch.no_grad():
        bias[:] = torch.tensor([1.0, -1.0, 1.0, 1.0])
    assert shares(off) == {"units off": 0.25}
    at_end = network_of(RnnSettings(hidden_size=4))
    bias = set_to_zero(at_end)
    with torch.no_grad():
        bias[:] = torch.tensor([5.0, -5.0, 1.0, 5.0])
    assert shares(at_end) == {"state at its end": 0.75}


@pytest.mark.parametrize(
    ("settings", "name"),
    [(LstmSettings(hidden_size=4, segment_steps=2), "cell"), (GruSettings(hidden_size=4, segment_steps=2), "state")],
    ids=["lstm", "gru"],
)
def test_where_segments_are_read_state_and_gates_are_known_too(settings, name):
    actual = list(shares(network_of(settings)))
    assert actual[-1] == f"{name} at its end"
    assert actual[:2] == (
        ["input gate shut", "input gate open"] if name == "cell" else ["reset gate shut", "reset gate open"]
    )
