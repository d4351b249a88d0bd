"""Sizes by the rows to train on, and references and layers that are chosen by short trainings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of, random_walk

from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import EsnSettings, GruSettings, LstmSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import rolling_origins
from forecast.training.job import INTERRUPTED, Epoch, Training
from forecast.training.settings import TrainingSettings
from forecast.training.sizes import sized

PROBLEM = Problem(horizon=3, context_steps=6)
SEASONAL = Problem(horizon=3, context_steps=12, season_steps=6)


def settled(rows, problem=PROBLEM, network=None, reference="auto", **training):
    model, trained, said = sized(
        network or LstmSettings(), TrainingSettings(**training), np.array([rows]), problem, reference
    )
    return (model.hidden_size, trained.chunk_steps, trained.lanes), said


@pytest.mark.parametrize(
    ("rows", "problem", "expected"),
    [
        (399, PROBLEM, (32, 64, 8)),
        (400, PROBLEM, (64, 32, 4)),
        (6_000, PROBLEM, (64, 64, 8)),
        (1_000, SEASONAL, (32, 64, 8)),
        (1_000, Problem(3, 6, target_type="direction"), (32, 64, 8)),
    ],
)
def test_the_table_goes_by_rows_and_season(rows, problem, expected):
    sizes, said = settled(rows, problem)
    assert sizes == expected
    assert bool(said) == (expected != (32, 64, 8))


def test_what_is_not_usual_is_said_with_its_reason():
    said = settled(1_200)[1]
    assert said == "hidden_size 64, chunk_steps 32 and lanes 4: by the 1,200 rows to train on, without a season"


def test_rows_of_all_series_count():
    assert sized(GruSettings(), TrainingSettings(), np.array([300, 300]), PROBLEM, "auto")[0].hidden_size == 64


def test_a_network_that_adds_to_nothing_has_the_size_of_one_without_a_season():
    assert settled(1_200, SEASONAL, reference="blend") == ((32, 64, 8), "")
    sizes, said = settled(1_200, SEASONAL, reference="none")
    assert sizes == (64, 32, 4)
    assert said == "hidden_size 64, chunk_steps 32 and lanes 4: by the 1,200 rows to train on, without a reference"


def test_what_was_said_stays():
    assert settled(1_200, network=LstmSettings(hidden_size=32)) == (
        (32, 32, 4),
        "chunk_steps 32 and lanes 4: by the 1,200 rows to train on, without a season",
    )
    assert settled(1_200, network=LstmSettings(hidden_size=8), chunk_steps=64, lanes=8) == ((8, 64, 8), "")
    assert settled(1_200, regime="windows")[0] == (64, None, None)
    assert settled(1_200, network=EsnSettings()) == ((150, None, None), "")


def test_a_fitted_network_keeps_its_size_when_it_is_fitted_on_more_rows():
    y = random_walk(440)
    training = TrainingSettings(max_epochs=1)
    fitted = Recurrent(LstmSettings(reference="last"), training).fit(panel_of(y[:420]), np.array([380]), PROBLEM)
    again = fitted.chosen().fit(panel_of(y), np.array([440]), PROBLEM)
    for one in (fitted, again):
        assert (one.forecaster.settings.hidden_size, one.forecaster.training.chunk_steps) == (32, 64)
        assert one.network.backbone.feature_size == 32


def cycle(rows, seed=0):
    """y_t = 0.5 y_{t-1} - 0.8 y_{t-4} + noise, which an autoregression forecasts best."""
    rng, y = np.random.default_rng(seed), np.zeros(rows)
    for t in range(4, rows):
        y[t] = 0.5 * y[t - 1] - 0.8 * y[t - 4] + 0.3 * rng.normal()
    return y


class Trials:
    """In place of trainings: each has the validation loss that its reference is given, or its layers; it is noted."""

    def __init__(self, losses, reason="reached", deeper=1e4):
        self.losses, self.reason, self.deeper, self.seen = losses, reason, deeper, []

    def __call__(self, job):
        name = job.data.reference.name if hasattr(job.data.reference, "name") else job.data.reference.reference.name
        deep = job.network.depth > 1
        self.seen.append((f"{name}, {job.network.depth} layers" if deep else name, job.training.max_epochs))
        history = (Epoch(1, 0.1, self.deeper if deep else self.losses[name], 0.005, 0.0),)
        return Training(None, history, 1, self.reason)


def tried(monkeypatch, trials, y, settings=None, train=1_100):
    monkeypatch.setattr("forecast.forecasters.recurrent._train", trials)
    forecaster = Recurrent(settings or LstmSettings(hidden_size=4), TrainingSettings(max_epochs=9))
    return forecaster.training_job(panel_of(y), np.array([train]), PROBLEM)[0].name


def test_the_better_half_trains_on(monkeypatch):
    trials = Trials({"ridge": 0.03, "none": 0.05, "blend": 0.02})
    assert tried(monkeypatch, trials, cycle(1_300)) == "blend"
    shallow = [("ridge", 4), ("none", 4), ("blend", 4), ("blend", 9), ("ridge", 9)]
    assert trials.seen == [*shallow, ("blend, 2 layers", 9)]


@pytest.mark.parametrize(
    ("settings", "loss", "depth"),
    [
        (LstmSettings(hidden_size=4), 0.019, 2),
        (LstmSettings(hidden_size=4), 0.02, 1),
        (LstmSettings(hidden_size=4, layers=1), 0.019, 1),
        (LstmSettings(hidden_size=4, dilations=(2,)), 0.019, 1),
    ],
    ids=["better", "as good", "one said", "dilation said"],
)
def test_a_second_layer_is_added_where_validation_is_better_with_it(monkeypatch, settings, loss, depth):
    trials = Trials({"ridge": 0.03, "none": 0.05, "blend": 0.02}, deeper=loss)
    monkeypatch.setattr("forecast.forecasters.recurrent._train", trials)
    reference, job = Recurrent(settings).training_job(panel_of(cycle(1_300)), np.array([1_100]), PROBLEM)
    assert (reference.name, job.network.depth) == ("blend", depth)


def test_an_interrupt_while_a_second_layer_is_tried_leaves_one(monkeypatch):
    class Interrupted(Trials):
        def __call__(self, job):
            done = super().__call__(job)
            return replace(done, reason=INTERRUPTED) if job.network.depth > 1 else done

    trials = Interrupted({"ridge": 0.03, "none": 0.05, "blend": 0.02}, deeper=0.01)
    monkeypatch.setattr("forecast.forecasters.recurrent._train", trials)
    _, job = Recurrent(LstmSettings(hidden_size=4)).training_job(panel_of(cycle(1_300)), np.array([1_100]), PROBLEM)
    assert job.network.depth == 1
    assert len(trials.seen) == 6


def test_where_none_beats_the_first_untrained_that_one_is_taken(monkeypatch):
    assert tried(monkeypatch, Trials({"ridge": 1e3, "none": 1e3 - 1, "blend": 1e3 - 2}), cycle(1_300)) == "ridge"


def test_an_interrupt_ends_the_choice(monkeypatch):
    trials = Trials({"ridge": 0.03, "none": 0.01, "blend": 0.02}, INTERRUPTED)
    assert tried(monkeypatch, trials, cycle(1_300)) == "ridge"
    assert len(trials.seen) == 1


@pytest.mark.parametrize(
    ("y", "settings", "train"),
    [
        (random_walk(1_300), None, 1_100),
        (cycle(1_300), LstmSettings(hidden_size=4, reference="ridge"), 1_100),
        (cycle(1_300), LstmSettings(hidden_size=4, level_input=False), 1_100),
        (cycle(1_300), LstmSettings(hidden_size=4, loss="owa"), 1_100),
        (cycle(1_300), LstmSettings(hidden_size=4), 900),
        (cycle(1_300), LstmSettings(hidden_size=4), 1_300),
    ],
    ids=["walk", "told", "no level", "owa", "few rows", "no validation"],
)
def test_elsewhere_nothing_is_tried(monkeypatch, y, settings, train):
    trials = Trials({})
    tried(monkeypatch, trials, y, settings, train)
    assert trials.seen == []


def test_the_network_adds_to_what_was_chosen():
    fitted = Recurrent(LstmSettings(hidden_size=4), TrainingSettings(max_epochs=2, chunk_steps=64, lanes=8)).fit(
        panel_of(cycle(1_200)), np.array([1_050]), PROBLEM
    )
    assert fitted.notes[0].endswith(f"the reference {fitted.reference.name!r}")
    chosen = fitted.chosen().fit(panel_of(cycle(1_200)), np.array([1_200]), PROBLEM)
    assert chosen.reference.name == fitted.reference.name
    assert chosen.reference.lags == fitted.reference.lags


def tried_with_a_season(monkeypatch, trials, settings=None):
    monkeypatch.setattr("forecast.forecasters.recurrent._train", trials)
    panel = panel_of(noisy_sine(1_300, 0.3, period=6))
    return Recurrent(settings or LstmSettings()).training_job(panel, np.array([1_100]), SEASONAL)


def test_a_season_keeps_its_reference_where_a_network_without_one_is_far_behind(monkeypatch):
    trials = Trials({"none": 1e3})
    reference, job = tried_with_a_season(monkeypatch, trials)
    assert trials.seen == [("none", 4)]
    assert reference.name == "blend"
    assert (job.network.units, job.network.depth, job.training.lanes) == (32, 1, 8)


class Learning(Trials):
    """Losses by the number of epochs: {(reference, epochs): loss}."""

    def __call__(self, job):
        name = job.data.reference.name if hasattr(job.data.reference, "name") else job.data.reference.reference.name
        self.losses[name] = self.losses.get((name, job.training.max_epochs))
        return super().__call__(job)


@pytest.mark.parametrize(
    ("at_12", "at_36", "taken", "epochs"),
    [
        ((0.98, 0.96), (), "blend", [4, 12]),
        ((0.98, 0.94), (), "blend", [4, 12, 12]),
        ((0.98, 0.92), (), "none", [4, 12, 12, 12]),
        ((1.2, 0.94), (), "none", [4, 12, 12, 12]),
        ((0.9, 0.88), (0.8, 0.79), "blend", [4, 12, 12, 36, 36]),
        ((0.9, 0.88), (0.8, 0.7), "none", [4, 12, 12, 36, 36, 36]),
    ],
    ids=["untrained", "4 % less", "6 % less", "6 % less than untrained", "never worth it", "worth it later"],
)
def test_none_is_taken_where_a_network_learns_more_without_the_season(monkeypatch, at_12, at_36, taken, epochs):
    monkeypatch.setattr("forecast.forecasters.recurrent.untrained_loss", lambda job: 1.0)
    trials = Learning({("none", 4): 1.2})
    for count, losses in ((12, at_12), (36, at_36)):
        trials.losses.update({(name, count): loss for name, loss in zip(("blend", "none"), losses, strict=False)})
    reference, job = tried_with_a_season(monkeypatch, trials)
    assert [count for _, count in trials.seen] == epochs
    assert reference.name == taken
    size = (32, 64, 8) if taken == "blend" else (64, 32, 4)
    assert (job.network.units, job.training.chunk, job.training.lanes) == size


@pytest.mark.parametrize(
    "settings",
    [LstmSettings(head="gaussian"), LstmSettings(loss="owa"), LstmSettings(level_input=False)],
    ids=["likelihood", "owa", "no level"],
)
def test_a_season_is_left_to_its_reference_where_losses_or_inputs_do_not_suit(monkeypatch, settings):
    trials = Trials({})
    tried_with_a_season(monkeypatch, trials, settings)
    assert trials.seen == []


@pytest.mark.parametrize(("horizon", "tried"), [(50, True), (51, False)])
def test_four_horizons_of_validation_at_least_say_whether_a_season_is_one(monkeypatch, horizon, tried):
    trials = Trials({"none": 1e3})
    monkeypatch.setattr("forecast.forecasters.recurrent._train", trials)
    problem, panel = Problem(horizon, 60, season_steps=6), panel_of(noisy_sine(1_300, 0.3, period=6))
    Recurrent(LstmSettings(hidden_size=4)).training_job(panel, np.array([1_100]), problem)
    assert trials.seen == ([("none", 4)] if tried else [])


def test_dynamics_that_look_like_a_season_are_learnt_as_dynamics():
    """Mackey and Glass's equation, read every 3 units of time, goes round in about 16.5 steps."""
    x = np.full(1_500 * 30 + 3_000, 1.2)
    for t in range(170, len(x)):
        x[t] = x[t - 1] + (0.2 * x[t - 170] / (1 + x[t - 170] ** 10) - 0.1 * x[t - 1]) / 10
    y = x[3_000::30]
    problem, known, train = Problem(10, 66, 33), panel_of(y[:1_300]), np.array([1_100])
    fitted, beside_season = (
        Recurrent(LstmSettings(reference=reference), TrainingSettings(max_epochs=30)).fit(known, train, problem)
        for reference in ("auto", "ridge")
    )
    assert fitted.reference.name == "none"
    assert "with 64 units all that it forecasts beside the mean, as no simple forecast is added" in fitted.notes[0]
    origins = rolling_origins(panel_of(y), np.array([1_300]), np.array([1_500]), 10)
    truth = y[origins.steps[:, None] + np.arange(1, 11)]
    errors = [np.abs(one.forecast(panel_of(y), origins).y_hat - truth).mean() for one in (fitted, beside_season)]
    assert errors[0] < 0.6 * errors[1]
