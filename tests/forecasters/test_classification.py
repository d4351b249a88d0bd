"""Classifiers of symbols against scikit-learn on windows made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.symbols import markov_text, symbols_panel, with_covariates
from sklearn.linear_model import LogisticRegression

from forecast.errors import ForecastError
from forecast.forecasters.baselines import CLASSIFIERS, build_baseline
from forecast.forecasters.classification import MOST_WEIGHTS, BagOfSteps, Classifier, LastSymbols, fit_inputs
from forecast.forecasters.settings import ClassifierSettings
from forecast.questions.kinds import Problem
from forecast.questions.outcomes import symbol_base_rates
from forecast.questions.split import Origins
from forecast.series.panel import Channel, KnownAhead, Panel, Statics

LOGISTIC = LogisticRegression(C=2.0, max_iter=1000)


def problem(horizon=1, context=6):
    return Problem(horizon, context, target_type="symbol")


def at(*steps):
    return Origins(np.zeros(len(steps), dtype=int), np.array(steps))


def one_hot(code, size):
    return [float(code == k) for k in range(size)]


def windows(codes, steps, lags, size):
    """One column each of the alphabet for the last symbols, the latest first; None was not observed."""
    rows = []
    for t in steps:
        past = [codes[t - lag] if t >= lag else None for lag in range(lags)]
        rows.append([x for code in past for x in one_hot(code, size)])
    return np.array(rows)


def mixed(model, x, rates, fitted_on):
    predicted = np.zeros((len(x), len(rates)))
    predicted[:, model.classes_] = model.predict_proba(x)
    return (fitted_on * predicted + rates) / (fitted_on + 1)


def test_it_is_scikit_learn_s_step_by_step_with_the_base_rates_as_one_window_more():
    text = markov_text(140, 3).replace("c", "?", 5)
    panel, train = symbols_panel(text, alphabet=list("abcde")), np.array([100])
    codes = [None if c == "?" else "abcde".index(c) for c in text]
    fitted = Classifier("softmax", LOGISTIC, lags=3).fit(panel, train, problem(2))
    predicted = fitted.forecast(panel, at(*range(100, 138))).probabilities
    for h in (1, 2):
        steps = [t for t in range(100 - h) if codes[t + h] is not None]
        model = LogisticRegression(C=2.0, max_iter=1000)
        model.fit(windows(codes, steps, 3, 5), [codes[t + h] for t in steps])
        rates = symbol_base_rates(panel, train, 2, 5)[h - 1]
        expected = mixed(model, windows(codes, range(100, 138), 3, 5), rates, len(steps))
        np.testing.assert_allclose(predicted[:, h - 1], expected, atol=2e-4)
        np.testing.assert_allclose(predicted[:, h - 1, 4], rates[4] / (len(steps) + 1))  # "e" never came
    assert fitted.notes == ("reads the last 3 symbols",)


def test_the_penalty_with_the_fewest_bits_at_both_ends_of_the_horizon_is_taken():
    panel, train, known = symbols_panel(markov_text(160, 3)), np.array([100]), np.array([130])
    tried = (1e-3, 0.1, 1.0, 100.0)
    chosen = Classifier("softmax", LOGISTIC, {"C": tried}, lags=3).fit(panel.cut(known), train, problem(3))
    bits = []
    for c in tried:
        trained = Classifier("softmax", LogisticRegression(C=c, max_iter=1000), lags=3).fit(panel, train, problem(3))
        lost = []
        for h in (1, 3):
            probabilities = trained.forecast(panel, at(*range(100 - h, 130 - h))).probabilities[:, h - 1]
            lost.append(-np.log2(probabilities[np.arange(30), panel.target[100:130].astype(int)]).mean())
        bits.append(sum(lost))
    best = tried[int(np.argmin(bits))]
    assert best in (0.1, 1.0)
    assert chosen.params == {"C": best}
    assert f"C {best} chosen on the validation split" in chosen.notes
    assert (chosen.chosen().classifier.C, chosen.chosen().choose) == (best, {})


def label_panel(texts, labels):
    """Words in a past covariate, and one label a series in the row after the last word."""
    words = "".join(text + "x" for text in texts)
    panel = symbols_panel(
        *("?" * len(text) + label for text, label in zip(texts, labels, strict=True)), alphabet=["-", "+"]
    )
    values = np.column_stack([panel.values, [["x", "g", "b"].index(c) for c in words]])
    return replace(
        panel,
        values=values,
        observed=np.column_stack([panel.observed, np.ones(len(values), dtype=bool)]),
        channels=(*panel.channels, Channel("word", "past", categories=("x", "g", "b"))),
    )


TEXTS, LABELS = ["ggbg", "b", "bbgbx", "gxgx", "xbb", "gg"] * 3, ["+", "-", "-", "+", "-", "+"] * 3


def test_a_label_of_a_series_is_read_off_the_relative_counts_of_its_words():
    panel = label_panel(TEXTS, LABELS)
    train = np.where(np.arange(18) < 12, panel.lengths, 0)  # the other series are asked alone
    fitted = Classifier("softmax", LOGISTIC).fit(panel, train, problem())
    assert fitted.notes == ("reads the mean of the covariates over all steps so far",)
    x = [[text.count(w) / len(text) for w in "xgb"] + [float(text[-1] == w) for w in "xgb"] for text in TEXTS]
    model = LogisticRegression(C=2.0, max_iter=1000).fit(x[:12], [label == "+" for label in LABELS[:12]])
    origins = Origins(np.arange(12, 18), panel.lengths[12:] - 2)
    predicted = fitted.forecast(panel, origins).probabilities[:, 0]
    np.testing.assert_allclose(predicted, (12 * model.predict_proba(x[12:]) + 0.5) / 13, atol=1e-4)
    assert (predicted.argmax(axis=1) == [label == "+" for label in LABELS[12:]]).all()


def test_means_are_the_same_in_blocks(monkeypatch):
    panel = label_panel(TEXTS, LABELS)
    rows = panel.offsets[1:] - 2
    whole = fit_inputs(panel, 4, None).inputs(panel, rows, 1).toarray()
    monkeypatch.setattr("forecast.forecasters.classification._STEPS_AT_ONCE", 7)
    np.testing.assert_array_equal(fit_inputs(panel, 4, None).inputs(panel, rows, 1).toarray(), whole)
    assert fit_inputs(panel, 4, None).inputs(panel, rows[:0], 1).shape == (0, whole.shape[1])


def test_covariates_stand_beside_the_last_symbols():
    panel = with_covariates(symbols_panel("abab", "bba", alphabet=["a", "b"]))
    ahead = KnownAhead(
        values=np.array([[0], [1], [0], [1], [1], [0], [0], [1], [1.0]]),
        masked=np.zeros((9, 1), dtype=bool),
        offsets=np.array([0, 5, 9]),
        channels=(Channel("open", "future", categories=("no", "yes")),),
    )
    static = Statics(np.array([[0.0], [1.0]]), np.zeros((2, 1), dtype=bool), (Channel("of", "static", ("p", "q")),))
    panel = replace(panel, ahead=ahead, static=static)
    rows = np.array([0, 2, 6])
    read = fit_inputs(panel, 2, None)
    assert isinstance(read, LastSymbols)
    x = read.inputs(panel, rows, 2).toarray()
    number = (panel.values[:, 2] - panel.values[:, 2].mean()) / panel.values[:, 2].std()
    expected = []
    for row, now, before, known, series in ((0, 0, None, 0, 0), (2, 0, 1, 1, 0), (6, 0, 1, 1, 1)):
        word = [*one_hot(panel.values[row, 1], 3), 0.0]  # beside each past covariate: whether it is masked
        of = one_hot(known, 2) + one_hot(series, 2)
        expected.append(one_hot(now, 2) + one_hot(before, 2) + word + [number[row], 0.0] + of)
    np.testing.assert_allclose(x, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "context", "said", "lags"),
    [(10, 64, None, 8), (10, 3, None, 3), (10, 3, 20, 20), (300, 64, None, 5), (3000, 64, None, 1)],
)
def test_how_many_symbols_are_read(size, context, said, lags):
    panel = symbols_panel("abba")
    panel = replace(panel, channels=(replace(panel.channels[0], categories=tuple(map(str, range(size)))),))
    assert fit_inputs(panel, context, said).lags == lags
    assert said or lags == 1 or size**2 * lags <= MOST_WEIGHTS


def test_of_more_windows_as_many_are_drawn():
    fitted = Classifier("softmax", LOGISTIC, max_windows=20).fit(symbols_panel("abcb" * 30), np.array([100]), problem())
    assert fitted.notes == ("reads the last 6 symbols", "fitted on 20 of 99 windows")


@pytest.mark.parametrize("text", ["aaaaaaaaab", "a", "?????a????"])
def test_where_there_is_nothing_to_tell_apart_the_base_rates_remain(text):
    panel = symbols_panel(text, alphabet=["a", "b"])
    predicted = (
        Classifier("softmax", LOGISTIC, lags=2)
        .fit(panel, np.array([9]), problem(2))
        .forecast(panel, at(0))
        .probabilities
    )
    rates = symbol_base_rates(panel, np.array([9]), 2, 2)
    seen = [sum(c != "?" for c in text[h:9]) for h in (1, 2)]
    expected = [(n * np.array([n > 0, 0]) + r) / (n + 1) for n, r in zip(seen, rates, strict=True)]
    np.testing.assert_allclose(predicted[0], expected)


def test_what_it_warns_of_is_a_note():
    hasty = Classifier("softmax", LogisticRegression(C=1e6, max_iter=1), lags=3)
    notes = hasty.fit(symbols_panel(markov_text(200)), np.array([150]), problem(2)).notes
    assert any("failed to converge" in note and note.endswith("(2 times)") for note in notes)


def test_a_parameter_that_scikit_learn_refuses_is_the_user_s_mistake():
    settings = ClassifierSettings(name="softmax", method="classifier", params={"C": -1.0})
    with pytest.raises(ForecastError, match="baseline 'softmax': The 'C' parameter"):
        build_baseline(settings, 0).fit(symbols_panel("abcb" * 9), np.array([30]), problem())


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"classifier": "logistc"}, "`baseline.s.classifier` does not know 'logistc': did you mean 'logistic'?"),
        ({"params": {"c": 1}}, "`baseline.s.params.c`: LogisticRegression does not know 'c'"),
        ({"choose": {"C": []}}, "`baseline.s.choose.C` should list at least one value, found none"),
    ],
    ids=str,
)
def test_a_name_that_is_not_there_is_one_line(change, line):
    with pytest.raises(ForecastError) as caught:
        build_baseline(ClassifierSettings(**{"name": "s", "method": "classifier", **change}), 0)
    assert str(caught.value).startswith(line)


def test_numbers_are_no_symbols():
    panel = symbols_panel("abab")
    numbers: Panel = replace(panel, channels=(Channel("price", "target"),))
    with pytest.raises(ForecastError, match="'price' should be a column of symbols, found numbers"):
        Classifier("softmax", LOGISTIC).fit(numbers, np.array([4]), problem())


def test_symbols_that_are_there_are_read_even_where_there_are_covariates():
    assert isinstance(fit_inputs(with_covariates(symbols_panel("ab", "a")), 4, None), LastSymbols)
    assert isinstance(fit_inputs(with_covariates(symbols_panel("?b", "a")), 4, None), BagOfSteps)
    assert isinstance(fit_inputs(symbols_panel("?b", "a"), 4, None), LastSymbols)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_is_chosen_by_its_name_alone(name):
    panel, train = symbols_panel("abcb" * 9), np.array([24])
    fitted = build_baseline(ClassifierSettings(name="s", method="classifier", classifier=name), 0).fit(
        panel, train, problem()
    )
    assert fitted.forecast(panel, at(30)).probabilities.shape == (1, 1, 3)


def test_what_is_said_of_a_classifier_comes_before_what_its_line_of_the_table_says():
    usual, tuned = (
        build_baseline(ClassifierSettings(name="s", method="classifier", params=params), 0)
        for params in ({}, {"C": 3.0, "max_iter": 7})
    )
    assert usual.classifier.max_iter == 300
    assert usual.choose == {"C": [0.1, 1.0, 10.0]}
    assert (tuned.classifier.C, tuned.classifier.max_iter, tuned.choose) == (3.0, 7, {})
