"""Continuations of a beginning: going on symbol by symbol, and drawing what comes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from oracles.symbols import chain_text, symbols_panel
from scipy.stats import chisquare

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import combined_by, ensemble
from forecast.forecasters.generation import continue_from, empty_past, encode_symbols, past_of, sample_code, tempered
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings, LstmSettings, MinGruSettings, RnnSettings
from forecast.network.single_step import CellSteps, TorchSteps, steps_from
from forecast.network.state import StateAtOrigin
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.series.date_features import with_features
from forecast.series.panel import Channel, KnownAhead
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=2, context_steps=9, target_type="symbol")
TRAINING = TrainingSettings(chunk_steps=16, lanes=4, max_epochs=3, accelerator="cpu", threads=1, learning_rate=0.05)
WINDOWS = TRAINING.model_copy(update={"regime": "windows", "batches_per_epoch": 5})
LSTM = LstmSettings(hidden_size=4, head="categorical")
PANEL = symbols_panel(chain_text(100), chain_text(130, seed=1))
TRAIN, VALIDATION = np.array([60, 85]), np.array([20, 20])

FORECASTERS = {
    "lstm": Recurrent(LSTM, TRAINING),
    "gru": Recurrent(GruSettings(hidden_size=4, head="categorical", embedding_size=2), TRAINING),
    "rnn": Recurrent(RnnSettings(hidden_size=4, head="categorical", id_embedding=2), TRAINING),
    "stacked": Recurrent(LstmSettings(hidden_size=4, layers=2, residual=True, head="categorical"), TRAINING),
    "two_layers": Recurrent(GruSettings(hidden_size=4, layers=2, head="categorical"), TRAINING),
    "mingru": Recurrent(MinGruSettings(hidden_size=4, head="categorical"), TRAINING),
    "windows": Recurrent(LSTM, WINDOWS),
    "ensemble": ensemble(Recurrent(LSTM, TRAINING), 2, combined_by(None, LSTM)),
}
DAY = np.timedelta64(86_400 * 10**9, "ns")
every = pytest.mark.parametrize("name", FORECASTERS)


def fit(name, panel, train=TRAIN, seen=TRAIN + VALIDATION):
    return FORECASTERS[name].fit(panel.cut(seen), train, PROBLEM)


@cache
def fitted(name):
    return fit(name, PANEL)


@cache
def of_one_text(name):
    return fit(name, symbols_panel(chain_text(100)), np.array([60]), np.array([80]))


@every
def test_symbol_by_symbol_it_forecasts_as_from_the_whole_past(name):
    network, first = fitted(name), 10 if name == "windows" else 1
    live = network.start(PANEL.cut(np.full(2, first)))
    steps = np.arange(first, 100)
    predicted = [live.update(PANEL.target[PANEL.offsets[:-1] + step]).probabilities for step in steps]
    origins = Origins(np.tile([0, 1], len(steps)), np.repeat(steps, 2))
    expected = network.forecast(PANEL, origins).probabilities.reshape(len(steps), 2, 2, 3)
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-6)


def test_a_symbol_that_is_missing_is_handed_over_as_missing():
    text = list(chain_text(100))
    for gap in (0, 20, 21, 50, 90, 91):
        text[gap] = "?"
    panel = symbols_panel("".join(text))
    panel = replace(panel, masked=~panel.observed)
    for name in ("lstm", "mingru"):
        network = fit(name, panel, np.array([60]), np.array([80]))
        live = network.start(panel.cut(np.array([1])))
        predicted = [
            live.update([None if text[step] == "?" else text[step]]).probabilities[0] for step in range(1, 100)
        ]
        expected = network.forecast(panel, Origins(np.zeros(99, dtype=np.int64), np.arange(1, 100))).probabilities
        np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-6)
        assert len(continue_from(network, past_of("ab", panel), steps=5)) == 5


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "two_layers"])
def test_the_cells_equations_look_symbols_up_as_torch_does(name):
    network = fitted(name).network
    state = tuple(0.3 * torch.randn(part.shape, generator=torch.manual_seed(1)) for part in network.initial_state(2))
    reached = StateAtOrigin(torch.zeros(2, network.backbone.feature_size), state)
    fast, slow = steps_from(network, reached), TorchSteps(network, reached)
    assert isinstance(fast, CellSteps)
    for codes in ([0.0, 2.0], [3.0, 1.0], [2.0, 2.0]):  # 3 stands for none
        x = np.array(codes, dtype=np.float32)[:, None]
        fast.advance(x)
        slow.advance(x)
        np.testing.assert_allclose(fast.features, slow.features, rtol=0, atol=1e-6)
    for one, other in zip(fast.at_origin.state, slow.at_origin.state, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-6)


def alternating():
    """A network that says a after b and b after a: its weights are set by hand."""
    panel = symbols_panel("abacab" * 20)
    settings = RnnSettings(hidden_size=2, head="categorical", embedding_size=2)
    one = TRAINING.model_copy(update={"max_epochs": 1})
    trained = Recurrent(settings, one).fit(panel, np.array([100]), Problem(1, 5, target_type="symbol"))
    network = trained.network
    with torch.no_grad():
        for part in network.parameters():
            part.zero_()
        network.head.base.zero_()
        network.symbols.embedding.weight[0] = torch.tensor([5.0, 0.0])  # a switches the first unit on
        network.symbols.embedding.weight[1] = torch.tensor([0.0, 5.0])  # b the second
        network.backbone.core.weight_ih_l0.copy_(torch.eye(2))
        network.decoder.out.weight.copy_(torch.tensor([[0.0, 2.0], [2.0, 0.0], [0.0, 0.0]]))
    return trained, panel


def test_a_network_that_alternates_goes_on_alternating():
    network, panel = alternating()
    nothing = empty_past(panel.channels[0], panel.ids, panel.calendar)
    assert "".join(continue_from(network, past_of("a", nothing), steps=6, temperature=0)) == "bababa"
    assert "".join(continue_from(network, past_of("ab", nothing), steps=3, temperature=0)) == "aba"
    assert "".join(continue_from(network, panel, steps=4, temperature=0)) == "abab"  # after the b of its end
    assert "".join(continue_from(network, panel, "a", steps=3, temperature=0)) == "bab"


def test_symbols_come_as_often_as_they_are_forecast():
    """After a the logits are 0, 2 and 0 times the first unit: probabilities of 1, e^u and 1 over their sum."""
    network, panel = alternating()
    nothing = empty_past(panel.channels[0], panel.ids, panel.calendar)
    logits = np.array([0.0, 2.0 * np.tanh(5.0), 0.0])
    for temperature in (1.0, 0.5, 2.0):
        drawn = [
            continue_from(network, past_of("a", nothing), steps=1, temperature=temperature, seed=seed)[0]
            for seed in range(800)
        ]
        counts = [drawn.count(symbol) for symbol in "abc"]
        probabilities = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        assert chisquare(counts, 800 * probabilities).pvalue > 0.01


def test_draws_follow_the_chances_at_a_temperature():
    rng = np.random.default_rng(0)
    probabilities = np.array([0.05, 0.6, 0.0, 0.35])
    drawn = np.bincount([sample_code(probabilities, 1.0, rng) for _ in range(20_000)], minlength=4)
    assert drawn[2] == 0
    assert chisquare(drawn[[0, 1, 3]], 20_000 * probabilities[[0, 1, 3]]).pvalue > 0.01
    np.testing.assert_allclose(tempered(probabilities, 0.5), probabilities**2 / (probabilities**2).sum(), rtol=1e-12)
    assert tempered(probabilities, 1e-6).tolist() == [0, 1, 0, 0]
    assert sample_code(np.array([0.4, 0.4, 0.2]), 0.0, rng) == 0
    assert {sample_code(np.array([0.0, 1.0]), 5.0, rng) for _ in range(100)} == {1}


@every
def test_the_same_seed_draws_the_same_and_another_does_not(name):
    network, panel = of_one_text(name), symbols_panel(chain_text(100))
    predicted = [continue_from(network, panel, steps=40, seed=seed) for seed in (1, 1, 2)]
    assert predicted[0] == predicted[1] != predicted[2]
    assert len(predicted[0]) == 40
    assert set(predicted[0]) <= set("abc")


@pytest.mark.parametrize("name", ["lstm", "ensemble"])
def test_what_is_drawn_is_what_the_network_says_of_its_own_text(name):
    """At temperature 0 each symbol is the likeliest after all before it, forecast anew from the whole."""
    network, panel = of_one_text(name), symbols_panel(chain_text(100))
    drawn = "".join(continue_from(network, past_of("cab", panel), steps=20, temperature=0))
    whole = symbols_panel("cab" + drawn, alphabet="abc")
    predicted = network.forecast(whole, Origins(np.zeros(20, dtype=np.int64), np.arange(2, 22))).y_hat[:, 0]
    assert drawn == "".join("abc"[int(code)] for code in predicted)


def test_of_several_series_one_is_drawn_for():
    drawn = [continue_from(fitted("rnn"), PANEL, steps=30, seed=3, series=series) for series in (0, 1)]
    assert drawn[0] != drawn[1]


def test_what_follows_from_the_date_goes_on_and_other_covariates_do_not():
    panel = replace(symbols_panel(chain_text(90)), times=np.datetime64("2024-01-01", "ns") + np.arange(90) * DAY)
    panel = with_features(replace(panel, calendar=replace(panel.calendar, freq="D")), ("weekday",), 2)
    network = fit("lstm", panel, np.array([60]), np.array([80]))
    began = past_of("ab", panel, 2)
    assert began.times[0] == panel.times[-1] + DAY
    assert len(continue_from(network, began, steps=5)) == 5
    known = KnownAhead(np.zeros((102, 1)), np.zeros((102, 1), bool), np.array([0, 102]), (Channel("x", "future"),))
    given = replace(symbols_panel(chain_text(100)), ahead=known)
    with pytest.raises(ForecastError, match="reads 'x' as well, and nobody knows how these go on"):
        continue_from(fit("lstm", given, np.array([60]), np.array([80])), given, steps=5)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"beginning": "abx"}, r"3 symbols, and 'x' is none of them: it knows 'a', 'b', 'c'"),
        ({"beginning": "aB"}, r"'B' is none of them: near it are 'b'"),
        ({"temperature": -1.0}, "a number from 0 on, found -1.0"),
    ],
)
def test_what_cannot_be_is_refused(change, expected):
    with pytest.raises(ForecastError, match=expected):
        continue_from(fitted("lstm"), PANEL, **{"steps": 3, **change})


def test_windows_need_a_whole_context():
    with pytest.raises(ForecastError, match="starts from 9 steps, found 2"):
        continue_from(fitted("windows"), past_of("ab", PANEL), steps=3)
    assert len(continue_from(fitted("windows"), past_of("abcabcabc", PANEL), steps=3)) == 3


def test_networks_that_read_no_symbols_are_not_continued():
    settings = LstmSettings(hidden_size=4, head="categorical", autoregressive=False)
    times = np.datetime64("2024-01-01", "ns") + np.arange(100) * DAY
    panel = replace(symbols_panel(chain_text(100)), times=times)
    panel = with_features(replace(panel, calendar=replace(panel.calendar, freq="D")), ("weekday",), 2)
    network = Recurrent(settings, TRAINING).fit(panel.cut(np.array([80])), np.array([60]), PROBLEM)
    with pytest.raises(ForecastError, match="does not read the symbols before"):
        continue_from(network, panel, steps=3)


def test_codes_are_places():
    assert encode_symbols(["rain", "dry", "rain"], ("dry", "rain")) == [1, 0, 1]
