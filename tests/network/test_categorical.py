"""Symbols in and out of a network, against scipy and hand-written lookups."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from forecast.network.heads import CategoricalHead
from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import GruSettings, LstmSettings

HORIZON, SYMBOLS = 3, 5
RATES = np.array([[0.4, 0.3, 0.2, 0.05, 0.05], [0.1, 0.1, 0.1, 0.1, 0.6], [0.2, 0.2, 0.2, 0.2, 0.2]])


def head_at(rates=RATES):
    head = CategoricalHead(HORIZON, SYMBOLS)
    head.begin_at(rates)
    return head


def test_an_untrained_head_says_the_base_rates():
    told = head_at().probabilities(torch.zeros(7, HORIZON, SYMBOLS)).numpy()
    np.testing.assert_allclose(told, np.broadcast_to(RATES, (7, HORIZON, SYMBOLS)), rtol=1e-6)


def test_loss_and_chances_are_scipy_s():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(4, 6, HORIZON, SYMBOLS)).astype(np.float32)
    target = rng.integers(SYMBOLS, size=(4, 6, HORIZON))
    head = head_at()
    logits = raw.astype(np.float64) + np.log(RATES)
    expected = -np.take_along_axis(log_softmax(logits, axis=-1), target[..., None], axis=-1)[..., 0]
    loss = head.loss(torch.from_numpy(raw), torch.from_numpy(target.astype(np.float32)), None)
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(head.probabilities(torch.from_numpy(raw)).numpy(), softmax(logits, axis=-1), rtol=1e-6)
    assert (head.point(torch.from_numpy(raw), None).numpy() == logits.argmax(axis=-1)).all()


def test_losses_and_gradients_stay_finite_far_out():
    target = torch.zeros(2, HORIZON)
    for size in (30.0, 1000.0):
        raw = (size * torch.randn(2, HORIZON, SYMBOLS, generator=torch.manual_seed(0))).requires_grad_()
        head_at().loss(raw, target, None).sum().backward()
        assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize(("size", "expected"), [(None, 5), (3, 3)])
def test_a_symbol_is_read_as_its_row_of_the_table(size, expected):
    settings = LstmSettings(head="categorical", hidden_size=4, embedding_size=size)
    network = Network(settings, InputSpec(inputs=2, horizon=1, symbols=SYMBOLS, reads_symbols=True))
    network.input_unit.copy_(torch.tensor([1.0, 4.0]))
    codes = torch.tensor([[0.0, 4.0, 5.0]])  # the last stands for none
    x = torch.stack([codes, torch.tensor([[8.0, 4.0, 0.0]])], dim=-1)
    read = network.read(x, torch.zeros(1, 3, dtype=torch.long))
    table = network.symbols.embedding.weight
    assert table.shape == (SYMBOLS + 1, expected)
    for step, (code, beside) in enumerate([(0, 2.0), (4, 1.0), (5, 0.0)]):
        assert torch.equal(read[0, step], torch.cat([table[code], torch.tensor([beside])]))


def test_a_network_that_reads_no_symbols_has_no_table():
    settings = GruSettings(head="categorical", hidden_size=4, autoregressive=False)
    network = Network(settings, InputSpec(inputs=2, horizon=1, symbols=SYMBOLS))
    assert not [name for name, _ in network.named_parameters() if name.startswith("symbols.")]
    assert network.backbone.core.input_size == 2


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"embedding_size": 3}, "head=categorical"),
        ({"autoregressive": False}, "head=categorical"),
        ({"head": "categorical", "reference": "last"}, "no difference to a reference"),
        ({"head": "categorical", "autoregressive": False, "embedding_size": 3}, "reads none"),
    ],
)
def test_what_makes_no_sense_is_refused(said, expected):
    with pytest.raises(ValueError, match=expected):
        LstmSettings(**said)
