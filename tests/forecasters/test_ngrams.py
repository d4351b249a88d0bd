"""n-grams against dictionaries, by hand, and what they count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.ngrams import counts_of, probabilities_of
from oracles.symbols import markov_text, symbols_panel

from forecast.forecasters.ngrams import DEFAULT_ORDER, LONGEST_ORDER, Ngram
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins

TEXTS = (markov_text(120, seed=1), markov_text(90, seed=2).replace("a", "?", 3), "a", markov_text(40, seed=3))
PANEL = symbols_panel(*TEXTS)
TRAIN, KNOWN = np.array([70, 60, 1, 0]), np.array([95, 75, 1, 20])


def problem(horizon=1):
    return Problem(horizon, 8, target_type="symbol")


def said(ngram, panel, train, origins, horizon=1):
    return ngram.fit(panel, np.atleast_1d(train), problem(horizon)).forecast(panel, origins).probabilities


def at(series, *steps):
    return Origins(np.full(len(steps), series), np.array(steps))


def test_hello_by_hand():
    """After "l" came l and o once each; l twice, e and o once among the targets; four symbols."""
    panel = symbols_panel("hello", alphabet=list("ehlo"))
    uniform = np.full(4, 0.25)
    alone = (np.array([1, 0, 2, 1]) + 3 * uniform) / (4 + 3)
    after_l = (np.array([0, 0, 1, 1]) + 2 * alone) / (2 + 2)
    after_el = (np.array([0, 0, 1, 0]) + after_l) / (1 + 1)
    np.testing.assert_allclose(said(Ngram("n", 1), panel, 5, at(0, 3))[0, 0], alone)
    np.testing.assert_allclose(said(Ngram("n", 2), panel, 5, at(0, 3))[0, 0], after_l)
    np.testing.assert_allclose(said(Ngram("n", 3), panel, 5, at(0, 2))[0, 0], after_el)
    np.testing.assert_allclose(said(Ngram("n", 3), panel, 5, at(0, 4))[0, 0], alone)  # nothing came after "o"


def test_it_is_what_dictionaries_count():
    names = dict(enumerate("abcd"))
    codes = {name: code for code, name in names.items()}
    train = [[codes.get(c) for c in text[:n]] for text, n in zip(TEXTS, TRAIN, strict=True)]
    origins = Origins(np.repeat([0, 1, 2, 3], [119, 89, 1, 39]), np.r_[0:119, 0:89, 0, 0:39])
    for order in (1, 2, 3, 5, 16):
        forecast = said(Ngram("n", order), PANEL, TRAIN, origins, horizon=3)
        for h in (1, 2, 3):
            counts = counts_of(train, order - 1, h)
            slow = [
                probabilities_of(counts, [codes.get(c) for c in TEXTS[i][: t + 1]], order - 1, 4)
                for i, t in zip(origins.series, origins.steps, strict=True)
            ]
            np.testing.assert_allclose(forecast[:, h - 1], slow, rtol=1e-12)


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_order_is_the_one_with_the_fewest_bits_on_validation(horizon):
    fitted = Ngram("n").fit(PANEL.cut(KNOWN), TRAIN, problem(horizon))
    bits = []
    for order in range(1, LONGEST_ORDER + 1):
        trained = Ngram("n", order).fit(PANEL, TRAIN, problem(horizon))
        lost = []
        for i, (first, end) in enumerate(zip(TRAIN, KNOWN, strict=True)):
            for step in range(first, end):
                row = PANEL.offsets[i] + step
                for h in range(1, min(step, horizon) + 1):
                    if PANEL.target_observed[row]:
                        probabilities = trained.forecast(PANEL, at(i, step - h)).probabilities[0, h - 1]
                        lost.append(-np.log2(probabilities[int(PANEL.target[row])]))
        bits.append(np.mean(lost))
    assert fitted.order == np.argmin(bits) + 1
    assert f"order {fitted.order} chosen on the validation split: {min(bits):.3f} bits" in fitted.notes[1]
    if horizon == 1:
        assert fitted.order == 3  # that is how the texts were made


def test_what_was_chosen_is_kept_and_nothing_to_choose_on_leaves_the_default():
    fitted = Ngram("n").fit(PANEL.cut(KNOWN), TRAIN, problem())
    assert fitted.chosen() == Ngram("n", fitted.order)
    whole = Ngram("n").fit(PANEL, PANEL.lengths, problem())
    assert (whole.order, len(whole.notes)) == (DEFAULT_ORDER, 1)


def test_it_says_how_many_contexts_it_knows():
    (note,) = Ngram("n", 3).fit(symbols_panel("hello"), np.array([5]), problem()).notes
    assert note == "an n-gram of order 3: reads 9 contexts of up to 2 symbols"  # "", h e l o, he el ll lo
    (note,) = Ngram("n", 1).fit(symbols_panel("hello"), np.array([5]), problem()).notes
    assert note == "an n-gram of order 1: reads no symbol before"
    (note,) = Ngram("n", 2).fit(symbols_panel("hello"), np.array([5]), problem()).notes
    assert note == "an n-gram of order 2: reads 5 contexts of up to 1 symbol"


def test_a_masked_symbol_is_read_by_nobody():
    masked = np.zeros((len(PANEL.target), 1), dtype=bool)
    masked[[20, 50, 130]] = True
    hidden = replace(PANEL, masked=masked)
    unseen = replace(PANEL, observed=PANEL.observed & ~masked)
    origins = at(0, 20, 21, 22, 80)
    np.testing.assert_array_equal(
        said(Ngram("n", 4), hidden, TRAIN, origins), said(Ngram("n", 4), unseen, TRAIN, origins)
    )


def test_a_large_alphabet_takes_no_table_of_all_pairs():
    """50,000 symbols: a dense table of pairs would hold 2.5 billion counts."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 50_000, 3_000)
    panel = symbols_panel("ab" * 1_500)
    channel = replace(panel.channels[0], categories=tuple(map(str, range(50_000))))
    panel = replace(panel, values=codes[:, None].astype(float), channels=(channel,))
    probabilities = said(Ngram("n", 4), panel, 3_000, at(0, 10, 2_998))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-12)
    assert probabilities[1, 0].argmax() == codes[2_999]
