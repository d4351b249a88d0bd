"""Networks on symbols looked at inside: measures against loops, and a network whose memory is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles.symbols import chain_text, symbols_panel

from forecast.forecasters.recurrent import Recurrent
from forecast.inspection.sections import SYMBOL_SECTIONS
from forecast.inspection.symbol_units import explained_by, holding_steps, symbol_units_of
from forecast.inspection.symbols import SymbolSystem, headline, symbol_memory_of
from forecast.network.settings import LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.training.settings import TrainingSettings

TRAINING = TrainingSettings(max_epochs=2, chunk_steps=16, lanes=2, accelerator="cpu", threads=1)
PANEL = symbols_panel(chain_text(400))
DELAY = 3


@pytest.fixture(scope="module")
def fitted():
    settings = LstmSettings(hidden_size=5, head="categorical")
    return Recurrent(settings, TRAINING).fit(
        PANEL.cut(np.array([300])), np.array([250]), Problem(2, 9, target_type="symbol")
    )


@pytest.fixture(scope="module")
def system(fitted):
    return SymbolSystem(fitted, PANEL, 0, 300, 400)


@pytest.fixture(scope="module")
def units(system):
    return symbol_units_of(system)


@pytest.fixture(scope="module")
def memory(system):
    return symbol_memory_of(system)


def bits_of(probabilities, came):
    return -np.log2(probabilities[np.arange(len(came)), came]).mean()


def test_bits_of_the_whole_are_those_of_the_forecasts(fitted, units, memory):
    steps = np.arange(300, 399)
    probabilities = fitted.forecast(PANEL, Origins(np.zeros(99, dtype=np.int64), steps)).probabilities[:, 0]
    assert units.bits == pytest.approx(bits_of(probabilities, PANEL.target[steps + 1].astype(int)), rel=1e-5)
    assert memory.origins == 99


def test_bits_with_the_past_cut_off_are_those_of_short_panels(fitted, memory):
    for i, lag in ((0, 0), (2, 2)):
        costs = []
        for step in range(300, 399):
            tail = symbols_panel("".join("abc"[int(c)] for c in PANEL.target[step - lag : step + 1]), alphabet="abc")
            forecast = fitted.forecast(tail, Origins(np.array([0]), np.array([lag]))).probabilities[0, 0]
            costs.append(-np.log2(forecast[int(PANEL.target[step + 1])]))
        assert memory.cut.lags[i] == lag
        assert memory.bits[i] == pytest.approx(np.mean(costs), rel=1e-5)


def test_base_rates_are_those_of_training(memory):
    counts = np.bincount(PANEL.target[1:250].astype(int), minlength=3) + 0.5
    came = PANEL.target[301:400].astype(int)
    assert memory.base == pytest.approx(-np.log2((counts / counts.sum())[came]).mean(), rel=1e-5)


def test_a_unit_that_is_switched_off_is_held_at_its_mean(fitted, units):
    outputs = units.outputs[:-1].astype(np.float32)
    for unit in (0, 3):
        held = torch.from_numpy(outputs.copy())
        held[:, unit] = float(units.outputs[:, unit].mean())
        with torch.no_grad():
            raw = fitted.network.forecast(held, None)
        probabilities = fitted.network.head.probabilities(raw)[:, 0].numpy()
        without = bits_of(probabilities, PANEL.target[301:400].astype(int))
        assert units.added[unit] == pytest.approx(without - units.bits, abs=1e-6)
    assert sorted(units.order.tolist()) == list(range(5))
    assert (np.diff(units.added[units.order]) <= 0).all()


def test_what_the_symbol_explains_against_a_loop():
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 3, 200)
    outputs = np.column_stack([codes * 2.0, rng.normal(size=200), codes + rng.normal(size=200), np.ones(200)])
    mean, explained = explained_by(outputs, codes, 4)
    seen = codes >= 0
    for unit in range(3):
        values = outputs[seen, unit]
        groups = [values[codes[seen] == code] for code in range(3)]
        between = sum(len(group) * (group.mean() - values.mean()) ** 2 for group in groups)
        assert explained[unit] == pytest.approx(between / ((values - values.mean()) ** 2).sum())
        assert mean[:3, unit] == pytest.approx([group.mean() for group in groups])
    assert explained[[0, 3]] == pytest.approx([1.0, 0.0])
    assert np.isnan(mean[3]).all()


def test_how_long_a_unit_holds():
    """An autoregression of coefficient a falls to 1/e after -1 / log a steps; a switch every 20 after some 6."""
    rng = np.random.default_rng(0)
    slow = np.zeros(20_000)
    for t in range(1, len(slow)):
        slow[t] = 0.9 * slow[t - 1] + rng.normal()
    switched = np.sign(np.sin(np.pi * (np.arange(20_000) + 0.5) / 20))
    holds = holding_steps(np.column_stack([slow, rng.normal(size=20_000), switched]))
    assert holds[0] == pytest.approx(-1 / np.log(0.9), abs=2)
    assert holds[1] == 1
    assert holds[2] == 7  # 1 - 2 k / 20 <= 1/e


def delaying():
    """A network that remembers a symbol for DELAY steps and then says it again: its weights are set by hand."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 2, 600)
    for t in range(DELAY + 1, 600):
        codes[t] = codes[t - DELAY - 1] if rng.random() < 0.9 else codes[t]
    panel = symbols_panel("".join("ab"[code] for code in codes))
    settings = RnnSettings(hidden_size=DELAY + 1, head="categorical", embedding_size=1)
    network = Recurrent(settings, TRAINING.model_copy(update={"max_epochs": 1}))
    fitted = network.fit(panel.cut(np.array([400])), np.array([400]), Problem(1, 9, target_type="symbol"))
    inner = fitted.network
    with torch.no_grad():
        for part in inner.parameters():
            part.zero_()
        inner.symbols.embedding.weight[:2, 0] = torch.tensor([0.1, -0.1])
        inner.backbone.core.weight_ih_l0[0, 0] = 1.0
        for unit in range(DELAY):
            inner.backbone.core.weight_hh_l0[unit + 1, unit] = 1.0
        inner.decoder.out.weight[0, DELAY] = 20.0
    return fitted, panel


def test_the_memory_of_a_delay_is_found():
    fitted, panel = delaying()
    system = SymbolSystem(fitted, panel, 0, 400, 600)
    memory, units = symbol_memory_of(system), symbol_units_of(system)
    assert memory.cut.length == DELAY
    assert memory.gradient.peak == DELAY
    assert memory.bits[DELAY] == pytest.approx(memory.whole, abs=1e-6)
    assert units.order[0] == DELAY  # what is read is the last of the line
    assert units.added[:DELAY] == pytest.approx(0, abs=1e-9)
    assert units.explained[0] == pytest.approx(1.0)
    assert "remembers 3 symbols" in headline(memory, "rnn", "text")


def test_windows_remember_no_more_than_they_read():
    training = TRAINING.model_copy(update={"regime": "windows", "batches_per_epoch": 3})
    settings = LstmSettings(hidden_size=3, head="categorical")
    fitted = Recurrent(settings, training).fit(
        PANEL.cut(np.array([300])), np.array([250]), Problem(1, 9, target_type="symbol")
    )
    memory = symbol_memory_of(SymbolSystem(fitted, PANEL, 0, 300, 400))
    assert memory.cut.walked == 8
    assert memory.bits[-1] == pytest.approx(memory.whole, abs=1e-6)


def test_every_section_is_drawn(system, units):
    measured = [(section, section.measure(system)) for section in SYMBOL_SECTIONS]
    figures = [figure for section, part in measured for figure in section.figures(part, system)]
    names = ["memory", "units", "unit_effects", "unit_text", "unit_symbols"]
    assert [figure.name for figure in figures] == names
    cells = figures[3].panels[0].tables["cells"]
    assert "".join(cell["text"] for cell in cells) == "".join("abc"[int(c)] for c in PANEL.target[300:400])
    unit = units.order[0]
    values = units.outputs[:, unit]
    assert cells[7]["z"] == pytest.approx((values[7] - values.mean()) / values.std(), abs=0.051)
    sentences = [words for section, part in measured for words in section.sentences(part, system)]
    assert len(sentences) == 3
    assert all(len(words) > 20 for words in sentences)
