"""Scores of probabilities of symbols against scikit-learn, the test on their bits, and what a run folder says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from oracles.symbols import symbols_panel
from sklearn import metrics as sklearn_metrics

from forecast.errors import ForecastError
from forecast.evaluation.backtest import backtest
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.evaluation.metrics import METRICS_OF, ranking_metric, score
from forecast.evaluation.results import results_table
from forecast.evaluation.scales import fit_scales
from forecast.evaluation.significance import losses_to_compare
from forecast.forecasters.interface import Forecasts, of_probabilities
from forecast.questions.kinds import SYMBOL, Problem, metric_label, question_of_scores
from forecast.questions.split import Split, rolling_origins
from forecast.runs.files import ForecastRow, format_forecast, parse_forecast
from forecast.runs.saving import with_symbol_texts

HORIZON, SYMBOLS = 2, 3
PROBLEM = Problem(HORIZON, 4, 1, target_type="symbol")

ORACLES = {
    "bits": lambda y, p: sklearn_metrics.log_loss(y, p, labels=range(SYMBOLS)) / np.log(2),
    "accuracy": lambda y, p: sklearn_metrics.accuracy_score(y, p.argmax(axis=1)),
    "perplexity": lambda y, p: np.exp(sklearn_metrics.log_loss(y, p, labels=range(SYMBOLS))),
}


def a_panel(lengths=(60, 45), seed=0):
    rng = np.random.default_rng(seed)
    return symbols_panel(*("".join(rng.choice(list("abc"), n)) for n in lengths))


def a_split(panel, validation=12, test=15):
    return Split(panel.lengths - validation - test, np.full(len(panel), validation))


def probabilities_of(origins, seed):
    result = np.random.default_rng(seed).random((len(origins), HORIZON, SYMBOLS)) + 0.01
    return result / result.sum(axis=-1, keepdims=True)


def scored_symbols():
    panel = a_panel()
    split = a_split(panel)
    origins = rolling_origins(panel, split.before_test, panel.lengths, HORIZON)
    probabilities = {name: probabilities_of(origins, seed) for seed, name in enumerate(("one", "other"))}
    results = results_table(
        panel, origins, {name: of_probabilities(result) for name, result in probabilities.items()}, HORIZON, SYMBOL
    )
    return panel, origins, probabilities, results, fit_scales(panel.cut(split.train), 1)


def test_every_metric_has_an_oracle():
    assert set(METRICS_OF["symbol"]) == set(ORACLES)


@pytest.mark.parametrize("metric", ORACLES)
def test_metrics_are_scikit_learn_s(metric):
    panel, origins, probabilities, results, scales = scored_symbols()
    scores = score(results, scales, SYMBOL)
    rows = origins.rows(panel)
    for model, result in probabilities.items():
        each = []
        for i, name in enumerate(panel.ids):
            of_series = origins.series == i
            y = panel.target[rows[of_series][:, None] + [1, 2]].ravel().astype(int)
            each.append(ORACLES[metric](y, result[of_series].reshape(-1, SYMBOLS)))
            assert scores.by_series.loc[(model, name), metric] == pytest.approx(each[-1])
        assert scores.by_model.loc[model, metric] == pytest.approx(np.mean(each))


def test_they_are_ranked_by_bits_which_are_what_is_tested():
    _, _, _, results, scales = scored_symbols()
    scores = score(results, scales, SYMBOL)
    assert ranking_metric(scores.by_model) == "bits"
    assert question_of_scores(scores.by_model) is SYMBOL
    assert metric_label("bits") == "bits a symbol"
    losses, _ = losses_to_compare(results, scales, SYMBOL)
    rows = results[results["model"] == "one"]
    bits = (-np.log2(rows["chance"])).groupby([rows["unique_id"], rows["cutoff"]], observed=True).mean()
    np.testing.assert_allclose(losses["one"], bits.groupby("cutoff").mean(), rtol=1e-12)


@dataclass(frozen=True)
class Says:
    """Gives each symbol the same probability at every origin; its own fitted object."""

    probabilities: tuple[float, ...]
    name: str = "says"
    kind: str = "network"
    notes: tuple[str, ...] = ()

    def fit(self, past, train_steps, problem):
        return self

    def chosen(self):
        return self

    def forecast(self, past, origins):
        return of_probabilities(np.tile(self.probabilities, (len(origins), HORIZON, 1)))


def judged(*forecasters):
    text = "".join(np.random.default_rng(0).choice(list("abc"), 400, p=[0.7, 0.2, 0.1]))
    panel = symbols_panel(text)
    split = a_split(panel, 60, 120)
    return evaluate(fit_all(forecasters, panel, split, PROBLEM), panel, split, PROBLEM)


def test_where_all_are_right_every_time_nothing_can_be_better_and_the_words_say_so():
    panel = symbols_panel("b" + "a" * 399)
    split = a_split(panel, 60, 120)
    sure, surer = Says((0.99, 0.01)), Says((0.9999, 0.0001), "surer", "naive")
    evaluation = evaluate(
        fit_all([sure, surer, Says((0.5, 0.5), "coin", "naive")], panel, split, PROBLEM), panel, split, PROBLEM
    )
    assert evaluation.verdict.sentence.startswith(
        "says is right every time, as surer is: nothing can be better (bits a symbol"
    )
    assert evaluation.leaderboard["skill"].isna().all()


def test_the_verdict_speaks_of_bits():
    verdict = judged(Says((0.7, 0.2, 0.1)), Says((1 / 3, 1 / 3, 1 / 3), "uniform", "naive"))
    bits = verdict.scores.by_model.loc["says", "bits"]
    assert verdict.scores.by_model.loc["uniform", "bits"] == pytest.approx(np.log2(3))
    assert verdict.verdict.won
    assert verdict.verdict.sentence == (
        f"says beats uniform (bits a symbol {bits:.3f} against 1.585, {100 * (1 - bits / np.log2(3)):.0f} % below, "
        f"p < 0.001): on these data it is worth its training"
    )
    assert list(verdict.leaderboard.columns[:5]) == ["model", "kind", "bits", "accuracy", "perplexity"]
    assert verdict.intervals is None
    assert verdict.copy_tests == {}


@pytest.mark.parametrize(
    ("probabilities", "reason"),
    [((0.5, 0.5, 0.0), "above 0"), ((0.5, 0.5, 0.5), "add up to 1"), ((0.5, 0.5), r"found \(15, 2, 2\)")],
)
def test_chances_that_are_none_fail_with_their_reason(probabilities, reason):
    panel = a_panel((80,))
    tested = backtest([Says(probabilities), Says((0.5, 0.3, 0.2), "fine")], panel, a_split(panel, test=16), PROBLEM)
    assert re.search(reason, tested.failures["says"])
    assert "fine" not in tested.failures


def test_a_forecaster_of_values_is_no_answer():
    class Values(Says):
        def forecast(self, past, origins):
            return Forecasts(np.zeros((len(origins), HORIZON)))

    panel = a_panel((80,))
    assert "found none" in backtest([Values((), "values")], panel, a_split(panel), PROBLEM).failures["values"]


def test_a_results_table_is_written_with_the_symbols_themselves():
    panel, _, _, results, _ = scored_symbols()
    written = with_symbol_texts(results.assign(y=results["y"].where(results.index != 3)), panel.symbols)
    assert written["y_hat"].tolist() == [panel.symbols[int(code)] for code in results["y_hat"]]
    assert pd.isna(written["y"][3])
    assert written["y"][4] == panel.symbols[int(results["y"][4])]
    assert with_symbol_texts(results, ()) is results


def test_a_forecast_of_symbols_comes_back_as_it_was_written():
    rows = [
        ForecastRow("a", "2024-01-01", "lstm", 0.75, (), '",\n'),
        ForecastRow("a", "2024-01-01", "lstm", 0.25, (), ""),
    ]
    text = format_forecast(rows)
    assert text.splitlines()[0] == "unique_id,ds,model,symbol,chance"
    assert list(parse_forecast(text.encode(), "run")) == list(rows)


@pytest.mark.parametrize("line", ["a,b,lstm,x,0", "a,b,lstm,x,1.5", "a,b,lstm,x", "a,b,lstm,x,nan"])
def test_a_chance_that_is_none_is_refused(line):
    with pytest.raises(ForecastError, match=r"run folder run: forecasts\.csv cannot be used"):
        list(parse_forecast(f"unique_id,ds,model,symbol,chance\n{line}\n".encode(), "run"))


def test_what_was_certain_and_came_costs_nothing_and_no_negative_zero():
    *_, results, scales = scored_symbols()
    certain = score(results.assign(chance=1.0), scales, SYMBOL).by_model["bits"]
    assert (certain == 0).all()
    assert not np.signbit(certain).any()
