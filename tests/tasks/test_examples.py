"""The examples on symbols that come with the program, run by the configuration that a user says."""

from __future__ import annotations

import pytest

from forecast.app.arguments import read_command_line
from forecast.app.composition import compose_job, plain_values
from forecast.evaluation.backtest import forecast_all
from forecast.evaluation.fits import fit_all
from forecast.evaluation.metrics import score
from forecast.questions.kinds import SYMBOL
from forecast.tasks.candidates import baselines, network
from forecast.tasks.prepare import prepare
from forecast.tasks.settings import check_job


def scores_of(*overrides, beside=()):
    """Scores on the test split of the network of an experiment, and of some of its baselines, by model."""
    job = check_job(plain_values(compose_job(read_command_line([*overrides, "training.accelerator=cpu"]))))
    prepared = prepare(job)
    asked = [network(job), *(one for one in baselines(job) if one.name in beside)]
    panel, split, problem = prepared.panel, prepared.task.split, prepared.task.problem
    tested = forecast_all(fit_all(asked, panel, split, problem), panel, split, problem)
    assert not tested.failures
    return score(tested.results, tested.scales, SYMBOL).by_model, tested


def test_hello():
    """Every letter of the test is the likeliest at its place: after h, e, l, l comes e, l, l, o."""
    by_model, tested = scores_of("experiment=hello")
    assert by_model.loc["rnn", "accuracy"] == 1.0
    assert by_model.loc["rnn", "bits"] < 0.1
    came = "".join("ehlo"[int(code)] for code in tested.results["y"])
    assert {came[i : i + 5] for i in range(0, len(came) - 4, 5)} == {came[:5]}
    assert came[:5] in "hellohello"


def test_a_text_costs_fewer_bits_than_a_trigram_needs():
    by_model, _ = scores_of("experiment=characters", "training.max_epochs=3", beside=("trigram",))
    assert by_model.loc["lstm", "bits"] < by_model.loc["trigram", "bits"]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_sums_of_thirty_digits_are_right_where_ten_were_trained(cell):
    by_model, tested = scores_of("experiment=addition", f"model={cell}")
    lengths = tested.results.groupby("unique_id", observed=True)["step"].size()
    assert set(lengths) == {31}  # each digit, and the last carry
    assert by_model.loc[cell, "accuracy"] >= 0.99
