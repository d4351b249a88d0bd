"""Compiled layers against torch's own: outputs, states and every gradient, with a gradient and without one."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch
from torch import nn

from forecast.network.cells import build_backbone
from forecast.network.compiled import layers as compiled_layers
from forecast.network.compiled import modules, sources_stamp
from forecast.network.compiled.modules import FusedGru, FusedLstm, FusedRnn, compile_lstms
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings


@pytest.fixture(autouse=True)
def an_lstm_wins(monkeypatch):
    """Compiled layers are compared with torch's on processors too where an LSTM is trained by torch's."""
    monkeypatch.setattr(modules, "lstm_trains_faster", lambda: True)


RULE = modules.lstm_trains_faster

KINDS = {
    "lstm": (nn.LSTM, FusedLstm, {}),
    "gru": (nn.GRU, FusedGru, {}),
    "tanh": (nn.RNN, FusedRnn, {"nonlinearity": "tanh"}),
    "relu": (nn.RNN, FusedRnn, {"nonlinearity": "relu"}),
}


def pair(kind, layers=1, hidden=16, inputs=3, **options):
    plain, ours, own = KINDS[kind]
    torch.manual_seed(0)
    theirs = plain(inputs, hidden, num_layers=layers, batch_first=True, **own, **options)
    our = ours(inputs, hidden, num_layers=layers, batch_first=True, **own, **options)
    our.load_state_dict(theirs.state_dict())
    compile_lstms(our)
    return theirs, our


def states(kind, layers, lanes, hidden=16):
    """A state that is not zero, as torch wants it: (layer, lane, hidden), of an LSTM two."""
    parts = 0.5 * torch.randn(2, layers, lanes, hidden)
    return tuple(parts) if kind == "lstm" else parts[0]


def parts_of(state):
    """The tensors of a state."""
    return list(state) if isinstance(state, tuple) else [state]


def everything(core, x, state, through_outputs):
    """Outputs, last states, and gradients of a random sum of them, or of the states, by inputs, states, parameters."""
    x, *before = (part.clone().requires_grad_() for part in (x, *parts_of(state)))
    out, last = core(x, tuple(before) if isinstance(state, tuple) else before[0])
    torch.manual_seed(2)
    ends = [out, *parts_of(last)] if through_outputs else parts_of(last)
    sum((part * torch.randn_like(part)).sum() for part in ends).backward()
    gradients = [part.grad for part in (x, *before, *core.parameters())]
    return [part.detach() for part in (out, *parts_of(last))] + gradients


@pytest.fixture
def compiled(monkeypatch):
    """Layers that were run compiled, with a gradient."""
    used, run = [], compiled_layers._run
    monkeypatch.setattr(compiled_layers, "_run", lambda *args: used.append(1) or run(*args))
    return used


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("through_outputs", [True, False])
@pytest.mark.parametrize("shape", [(1, 2, 1), (5, 33, 1), (8, 20, 3), (70, 5, 1)])
def test_numbers_and_gradients_are_torch_s(kind, shape, through_outputs, compiled):
    lanes, steps, layers = shape
    theirs, our = pair(kind, layers)
    x, h = torch.randn(lanes, steps, 3), states(kind, layers, lanes)
    for ours, expected in zip(
        everything(our, x, h, through_outputs), everything(theirs, x, h, through_outputs), strict=True
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))
    assert len(compiled) == layers


@pytest.mark.parametrize("kind", KINDS)
def test_large_inputs_saturate_as_torch_s_do(kind, compiled):
    theirs, our = pair(kind)
    x, h = 300.0 * torch.randn(4, 10, 3), states(kind, 1, 4)
    (ours, _), (expected, _) = our(x, h), theirs(x, h)
    rounding = 300 * torch.finfo(torch.float32).eps  # of a sum of what inputs bring, in whatever order
    torch.testing.assert_close(ours, expected, rtol=2e-6, atol=rounding * float(expected.detach().abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_number_is_not_hidden(kind, compiled):
    _, ours = pair(kind)
    x = torch.zeros(2, 6, 3)
    x[0, 3, 1] = torch.nan
    out, _ = ours(x, states(kind, 1, 2))
    assert torch.isfinite(out[0, :3]).all()
    assert torch.isnan(out[0, 3:]).all()
    assert torch.isfinite(out[1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers_silences_in_training_alone(kind, compiled):
    _, ours = pair(kind, layers=2, dropout=0.5)
    x, h = torch.randn(4, 12, 3), states(kind, 2, 4)
    torch.manual_seed(1)
    assert not torch.equal(ours(x, h)[0], ours(x, h)[0])
    ours.eval()
    assert torch.equal(ours(x, h)[0], ours(x, h)[0])


ELSEWHERE = {
    "double": {"dtype": torch.float64},
    "one step": {"steps": 1},
    "large, and two threads": {"lanes": 2000, "threads": 2},
    "very large": {"lanes": 70, "hidden": 130},
    "without numba": {"available": False},
}


@pytest.fixture
def threads():
    """Set how many threads torch has, until the test is over."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("where", ELSEWHERE)
def test_elsewhere_it_is_torch_itself(where, kind, compiled, threads, monkeypatch):
    asked = {"lanes": 8, "steps": 3, "hidden": 16, "dtype": torch.float32, "available": True, "threads": 1}
    asked |= ELSEWHERE[where]
    lanes, hidden, dtype = asked["lanes"], asked["hidden"], asked["dtype"]
    threads(asked["threads"])
    monkeypatch.setattr(modules, "AVAILABLE", asked["available"])
    theirs, ours = (core.to(dtype) for core in pair(kind, hidden=hidden))
    x, *parts = (
        part.to(dtype) for part in (torch.randn(lanes, asked["steps"], 3), *parts_of(states(kind, 1, lanes, hidden)))
    )
    state = tuple(parts) if kind == "lstm" else parts[0]
    assert torch.equal(ours(x, state)[0], theirs(x, state)[0])
    assert not compiled


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_with_one_thread_many_lanes_are_compiled_too(kind, compiled, threads):
    threads(1)
    theirs, our = pair(kind, hidden=64)
    x, state = torch.randn(200, 4, 3), states(kind, 1, 200, 64)
    for ours, expected in zip(everything(our, x, state, True), everything(theirs, x, state, True), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))
    assert compiled


@pytest.mark.parametrize(("steps", "pays"), [(59, False), (60, True), (None, True)])
def test_an_lstm_is_compiled_for_so_many_steps_that_it_pays(steps, pays, compiled, monkeypatch):
    monkeypatch.setattr(modules, "_STEPS_THAT_PAY", 60)
    core = FusedLstm(3, 16, batch_first=True)
    compile_lstms(core, steps)
    core(torch.zeros(2, 10, 3), states("lstm", 1, 2))
    assert bool(compiled) is pays


PROCESSORS = {
    "Intel with AVX-512": ("emeraldrapids", "AVX512", True),
    "AMD with AVX-512": ("znver5", "AVX512", False),
    "AVX2 alone": ("haswell", "AVX2", False),
    "no x86": ("apple-m1", "DEFAULT", True),  # which was not measured
}


@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_processor_says_whose_layers_train_an_lstm(processor, compiled, inferred, monkeypatch):
    name, vectors, wins = PROCESSORS[processor]
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: vectors)
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: name)
    monkeypatch.setattr(modules, "lstm_trains_faster", RULE.__wrapped__)
    theirs, ours = pair("lstm")
    x, before = torch.randn(2, 10, 3), states("lstm", 1, 2)
    out, _ = ours(x, before)
    assert bool(compiled) is wins
    assert ours.can_reset(x) is wins
    if not wins:
        assert torch.equal(out, theirs(x, before)[0])
    with torch.no_grad():  # that is faster everywhere
        ours(x, before)
    assert inferred


def test_a_blas_has_its_threads_back_after_it(compiled):
    blas = compiled_layers._blas()
    before = [library["num_threads"] for library in blas.info()]
    _, ours = pair("gru")
    ours(torch.randn(4, 9, 3), states("gru", 1, 4))
    assert compiled
    assert before == [library["num_threads"] for library in blas.info()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2])
def test_lanes_begin_anew_in_the_middle(kind, layers, compiled):
    """As if each lane were run in two parts, the second from zero; one begins at once, one does not."""
    theirs, our = pair(kind, layers)
    x, state, starts = torch.randn(5, 12, 3), states(kind, layers, 5), torch.tensor([4, -1, 0, 11, 4])

    def lane_by_lane(x, *before):
        features, ends = [], []
        for lane, step in enumerate(starts.tolist()):
            here = slice(lane, lane + 1)
            carried = tuple(part[:, here] for part in before)
            parts = []
            for piece in [x[here]] if step < 0 else [x[here, :step], x[here, step:]]:
                if piece.shape[1]:
                    out, carried = theirs(piece, carried if kind == "lstm" else carried[0])
                    carried = tuple(parts_of(carried))
                    parts.append(out)
                if step >= 0 and piece.shape[1] == step:
                    carried = tuple(torch.zeros_like(part) for part in carried)
            features.append(torch.cat(parts, dim=1))
            ends.append(carried)
        return torch.cat(features), *(torch.cat(part, dim=1) for part in zip(*ends, strict=True))

    def at_once(x, *before):
        assert our.can_reset(x)
        out, after = our(x, before if kind == "lstm" else before[0], starts)
        return out, *parts_of(after)

    told = []
    for run, core in ((at_once, our), (lane_by_lane, theirs)):
        given = [part.clone().requires_grad_() for part in (x, *parts_of(state))]
        torch.manual_seed(3)
        completed = run(*given)
        sum((part * torch.randn(part.shape)).sum() for part in completed).backward()
        told.append([*completed, *(part.grad for part in (*given, *core.parameters()))])
    for ours, expected in zip(*told, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * float(expected.detach().abs().max()))
    assert len(compiled) == layers


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_a_last_piece_of_one_step_begins_anew_as_well(name, compiled, monkeypatch):
    """Long chunks are run in pieces, and a single step is else left to torch, which cannot begin anew."""
    torch.manual_seed(0)
    backbone = build_backbone({"lstm": LstmSettings, "gru": GruSettings, "rnn": RnnSettings}[name](hidden_size=4), 3)
    compile_lstms(backbone)
    x, starts = torch.randn(5, 10, 3), torch.tensor([9, -1, 3, 0, 9])
    state = tuple(torch.rand_like(part) for part in backbone.initial_state(5))
    expected, after = backbone(x, state, starts)
    monkeypatch.setattr("forecast.network.cells._BYTES_AT_ONCE_COMPILED", 32 * 4 * 5 * 3)  # three steps
    features, ends = backbone(x, state, starts)
    torch.testing.assert_close(features, expected)
    torch.testing.assert_close(ends, after)
    assert len(compiled) == 1 + 4


# Without a gradient: a loop of its own for an LSTM of few lanes.


@pytest.fixture
def inferred(monkeypatch):
    """Layers that were run by the loop without a gradient."""
    used, layer = [], compiled_layers.lstm_inference_layer
    monkeypatch.setattr(compiled_layers, "lstm_inference_layer", lambda *args: used.append(1) or layer(*args))
    return used


def ends(answer):
    """Outputs, h and c."""
    outputs, (h, c) = answer
    return outputs, h, c


SHAPES = [(1, 2, 1, 16, 3), (1, 500, 1, 64, 3), (2, 40, 2, 64, 7), (5, 33, 3, 10, 1), (3, 12, 2, 7, 6), (4, 9, 1, 1, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_without_a_gradient_numbers_are_torch_s(shape, inferred):
    lanes, steps, layers, hidden, inputs = shape
    theirs, our = pair("lstm", layers, hidden, inputs=inputs)
    x, state = 2.0 * torch.randn(lanes, steps, inputs), tuple(torch.randn(2, layers, lanes, hidden))
    given = [part.clone() for part in (x, *state)]
    for ours, expected in zip(ends(our(x, state)), ends(theirs(x, state)), strict=True):
        assert ours.shape == expected.shape
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))
    assert len(inferred) == layers
    assert all(torch.equal(part, before) for part, before in zip((x, *state), given, strict=True))


@torch.no_grad()
def test_without_a_gradient_a_state_in_another_order_of_memory_and_inputs_seen_through_a_view(inferred):
    theirs, our = pair("lstm", hidden=8)
    x = torch.randn(30, 3, 5)[..., 1:4].transpose(0, 1)
    state = tuple(torch.randn(3, 1, 8).transpose(0, 1) for _ in range(2))
    for ours, expected in zip(ends(our(x, state)), ends(theirs(x, state)), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)
    assert inferred


@torch.no_grad()
def test_without_a_gradient_large_inputs_saturate_as_torch_s_do(inferred):
    theirs, our = pair("lstm")
    x, state = 300.0 * torch.randn(4, 10, 3), (torch.zeros(1, 4, 16),) * 2
    for ours, expected in zip(ends(our(x, state)), ends(theirs(x, state)), strict=True):
        torch.testing.assert_close(ours, expected, rtol=2e-6, atol=2e-6 * float(expected.abs().max()))
    assert inferred


@torch.no_grad()
def test_without_a_gradient_what_is_not_a_number_is_not_hidden(inferred):
    _, ours = pair("lstm")
    x = torch.zeros(2, 6, 3)
    x[0, 3, 1] = torch.nan
    outputs, _ = ours(x, (torch.zeros(1, 2, 16),) * 2)
    assert torch.isfinite(outputs[0, :3]).all()
    assert torch.isnan(outputs[0, 3:]).all()
    assert torch.isfinite(outputs[1]).all()
    assert inferred


@torch.no_grad()
def test_without_a_gradient_dropout_silences_in_training_alone(inferred):
    _, ours = pair("lstm", 2, dropout=0.5)
    x, state = torch.randn(4, 12, 3), (torch.zeros(2, 4, 16),) * 2
    assert not torch.equal(ours(x, state)[0], ours(x, state)[0])
    ours.eval()
    assert torch.equal(ours(x, state)[0], ours(x, state)[0])
    assert inferred


NOT_INFERRED = {
    "double": {"dtype": torch.float64},
    "one step": {"steps": 1},
    "many lanes": {"lanes": 100},
    "without numba": {"available": False},
    "before it pays to load numba": {"may_compile": False},
}


@pytest.mark.parametrize("where", NOT_INFERRED)
@torch.no_grad()
def test_without_a_gradient_elsewhere_it_is_torch_itself(where, inferred, monkeypatch):
    asked = {"lanes": 2, "steps": 9, "dtype": torch.float32, "available": True, "may_compile": True}
    asked |= NOT_INFERRED[where]
    monkeypatch.setattr(modules, "AVAILABLE", asked["available"])
    theirs, ours = (core.to(asked["dtype"]) for core in pair("lstm"))
    ours.may_compile = asked["may_compile"]
    x = torch.randn(asked["lanes"], asked["steps"], 3, dtype=asked["dtype"])
    state = (torch.zeros(1, asked["lanes"], 16, dtype=asked["dtype"]),) * 2
    assert all(map(torch.equal, ends(ours(x, state)), ends(theirs(x, state))))
    assert not inferred


def test_with_a_gradient_the_loop_without_one_is_not_used(inferred):
    _, ours = pair("lstm")
    outputs, _ = ours(torch.randn(2, 9, 3), (torch.zeros(1, 2, 16),) * 2)
    assert outputs.requires_grad
    assert not inferred


def test_what_was_compiled_is_compiled_again_when_a_source_has_changed(tmp_path, monkeypatch):
    """A constant of another module is a part of what is compiled: with the old one a stream went on as before."""
    (tmp_path / "network").mkdir()
    (tmp_path / "reference").mkdir()
    constants, user = tmp_path / "reference" / "constants.py", tmp_path / "network" / "user.py"
    user.write_text(
        "from forecast.network.compiled import cached\nfrom constants import TWICE\n\n"
        "@cached(error_model='numpy')\ndef times(x):\n    return TWICE * x\n"
    )
    monkeypatch.setattr("forecast.network.compiled._PACKAGE", tmp_path)
    for path in (tmp_path / "reference", tmp_path / "network"):
        monkeypatch.syspath_prepend(str(path))
    found = []
    for value in (2.0, 2.0, 3.0):
        constants.write_text(f"TWICE = {value}\n")
        sources_stamp.cache_clear()
        for name in ("constants", "user"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        times = importlib.import_module("user").times
        found.append((times(5.0), sum(times.stats.cache_hits.values())))
    for name in ("constants", "user"):
        del sys.modules[name]
    assert found == [(10.0, 0), (10.0, 1), (15.0, 0)]
