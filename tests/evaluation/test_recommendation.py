"""Which forecast to use: on made-up tables whose best model is known, with few and many origins."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from toys import PROBLEM, LastValue, Raises, a_panel, a_split

from forecast.evaluation.backtest import forecast_split
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.evidence import Evidence, evidence_of
from forecast.evaluation.expected_error import (
    alike,
    cautious_choice,
    choose,
    expected_errors,
    known_of,
    odds_between,
    walk_probability,
)
from forecast.evaluation.fits import fit_all
from forecast.questions.split import Split

KINDS = {"naive": "repeating", "forest": "scikit-learn", "pretrained": "pretrained", "lstm": "network"}


def apart_as(losses):
    """How far forecasts lie apart, (model, model), where all of them err to the same side."""
    return np.nanmean(np.abs(losses[:, :, None] - losses[:, None]), axis=0) / np.nanmean(losses, axis=0)[:, None]


def evidence(horizons, noise=0.0, **means):
    """Losses at so many origins whose horizons do not overlap."""
    scatter = 1 + noise * np.random.default_rng(1).standard_normal((horizons, len(means)))
    origin = np.arange(horizons)
    chosen = np.zeros(scatter.shape, dtype=bool)
    losses = scatter * np.array([*means.values()])
    return Evidence(losses, tuple(means), 0 * origin, origin, origin * 0 + 1.0, chosen, apart_as(losses))


def chosen(found, rows=100):
    return choose(expected_errors(found, KINDS, rows), KINDS)


def test_three_horizons_do_not_crown_a_forest_and_three_hundred_do():
    few, many = (evidence(count, naive=1.2, forest=0.9, pretrained=1.0, lstm=1.3) for count in (3, 300))
    assert chosen(few) == "pretrained"
    assert chosen(many) == "forest"


def test_without_evidence_what_is_known_of_the_kinds_decides():
    assert chosen(None, rows=30) == "pretrained"
    assert chosen(None, rows=5_000) == "lstm"


def test_the_expected_error_is_the_weighted_mean_of_what_was_measured_and_what_is_known():
    found = evidence(24, naive=2.0, forest=1.1, pretrained=1.0, lstm=0.5)
    assert walk_probability(found, KINDS) < 1e-9
    much = expected_errors(found, KINDS, 100)
    for name, measured in (("naive", math.log(2)), ("pretrained", 0.0), ("lstm", math.log(0.5))):
        assert much[name] == pytest.approx((24 * measured + 15 * known_of(KINDS[name], 100)) / 39)


def test_what_is_known_is_that_of_random_walks_as_far_as_it_may_be_one():
    walks = evidence(60, 0.1, naive=1.0, forest=1.1, pretrained=1.04, lstm=1.05)
    short = evidence(2, naive=1.0, forest=1.1, pretrained=1.04, lstm=1.05)
    structured = evidence(60, 0.1, naive=1.5, forest=1.1, pretrained=1.0, lstm=1.05)
    assert walk_probability(None, KINDS) == 0.3
    assert 0.3 < walk_probability(short, KINDS) < walk_probability(walks, KINDS)
    assert walk_probability(walks, KINDS) > 0.8
    assert walk_probability(structured, KINDS) < 1e-6
    rows = 5_000  # on which a network is expected to be ahead, but not of a walk
    assert expected_errors(walks, KINDS, rows)["lstm"] > expected_errors(walks, KINDS, rows)["naive"]
    without = {name: kind for name, kind in KINDS.items() if name != "pretrained"}
    assert walk_probability(walks.of([*without]), without) > 0.8, "the best of the others stands in for it"


def test_errors_by_which_something_was_chosen_are_charged_and_too_few_of_them_do_not_count():
    rng = np.random.default_rng(2)
    losses = np.column_stack([np.ones(40), rng.lognormal(-0.1, 0.4, 40)])
    origin = np.arange(40)
    chosen = np.column_stack([np.zeros(40, dtype=bool), origin < 16])
    found = Evidence(losses, ("pretrained", "lstm"), 0 * origin, origin, np.ones(40), chosen, apart_as(losses))
    logs, counts = found.ratios("pretrained")
    charged = np.log(losses[:16, 1]).std(ddof=1) / 4
    expected = (16 * (np.log(losses[:16, 1].mean()) + charged) + 24 * np.log(losses[16:, 1].mean())) / 40
    np.testing.assert_allclose(logs, [0.0, expected])
    assert counts.tolist() == [40, 40]
    few = Evidence(
        losses, ("pretrained", "lstm"), 0 * origin, origin // 8, np.full(40, 1 / 8), chosen, apart_as(losses)
    )
    logs, counts = few.ratios("pretrained")
    np.testing.assert_allclose(logs, [0.0, np.log(losses[16:, 1].mean())])
    assert counts.tolist() == [5, 3]


def test_a_model_that_was_not_asked_somewhere_is_compared_where_it_was():
    losses = np.array([[1.0, np.nan], [3.0, 6.0], [1.0, 1.0]])
    origin = np.arange(3)
    nothing = np.zeros((3, 2), dtype=bool)
    found = Evidence(losses, ("pretrained", "lstm"), 0 * origin, origin, np.ones(3), nothing, apart_as(losses))
    logs, counts = found.ratios("pretrained")
    np.testing.assert_allclose(logs, [0.0, np.log(7 / 4)])
    assert counts.tolist() == [3, 2]
    np.testing.assert_allclose(found.means(), [5 / 3, 3.5])


def test_a_network_that_stayed_untrained_is_no_network():
    found = evidence(400, naive=1.0, forest=1.3, pretrained=1.1, lstm=1.0 + 1e-9)
    assert expected_errors(None, KINDS, 5_000)["lstm"] < expected_errors(None, KINDS, 5_000)["naive"]
    assert chosen(found, rows=5_000) == "naive"


def test_of_equals_the_plainest_is_recommended():
    found = evidence(10_000, naive=1.0, forest=1.0, pretrained=1.0, lstm=0.9999)
    assert chosen(found) == "naive"


def test_on_what_looks_like_a_random_walk_the_last_value_is_recommended():
    expected = {"naive": 0.0, "forest": 0.1, "pretrained": -0.05, "lstm": -0.1}
    assert cautious_choice(expected, KINDS, walk=0.9) == "naive"
    assert cautious_choice(expected, KINDS, walk=0.2) is None, "the lead of the network is larger than the doubt"
    assert cautious_choice(expected | {"lstm": -0.5}, KINDS, walk=1.0) is None
    assert cautious_choice({"pretrained": 0.0}, KINDS, walk=1.0) is None


def test_where_a_walk_is_not_certain_the_pretrained_network_is_as_safe_as_a_rule():
    expected = {"naive": 0.0, "forest": 0.1, "pretrained": -0.05, "lstm": -0.1}
    assert cautious_choice(expected, KINDS, walk=0.6) == "pretrained"
    assert cautious_choice(expected | {"naive": -0.05}, KINDS, walk=0.6) == "naive", "of equals the plainer"
    assert cautious_choice(expected | {"lstm": -0.5}, KINDS, walk=0.6) is None


def test_odds_grow_with_the_lead_and_with_the_evidence_and_shrink_with_the_scatter():
    def odds(found):
        return odds_between(found, expected_errors(found, KINDS, 500), "lstm", "naive")

    means = {"naive": 1.0, "forest": 1.0, "pretrained": 1.0, "lstm": 0.9}
    assert odds(evidence(400, 0.3, **means)) > odds(evidence(40, 0.3, **means)) > 1
    assert odds(evidence(400, 0.3, **means | {"lstm": 0.7})) > odds(evidence(400, 0.3, **means))
    assert odds(evidence(400, 0.01, **means)) > odds(evidence(400, 0.3, **means))
    level = dict.fromkeys(means, 0.0)
    level_evidence = evidence(40, **dict.fromkeys(means, 1.0))
    assert odds_between(level_evidence, level, "lstm", "naive") == pytest.approx(1.0)


def test_odds_are_those_of_the_measured_difference_where_two_models_go_along():
    """What is expected of kinds, and charged, counts in proportion to how far single horizons scatter."""
    rng = np.random.default_rng(3)
    level = rng.lognormal(0.0, 0.5, 300)
    ratios = rng.normal(0.0, 0.02, 300)
    losses = np.column_stack([level, level * np.exp(ratios - ratios.mean())])
    origin, nothing = np.arange(300), np.zeros((300, 2), dtype=bool)
    found = Evidence(losses, ("ridge", "lstm"), 0 * origin, origin, np.ones(300), nothing, apart_as(losses))
    v = (5 * 0.36 + 300 * np.var(ratios)) / 305
    r = np.log(losses[:, 1].mean() / losses[:, 0].mean())
    k = 15 * v / 0.1
    mean = (300 * r + k * 0.05) / (300 + k)
    share = statistics.NormalDist().cdf(mean / np.sqrt(2 * v / 301))
    odds = odds_between(found, {"ridge": 0.0, "lstm": 0.05}, "ridge", "lstm")
    assert odds == pytest.approx(share / (1 - share))
    assert odds < 1.3, "by what is expected alone they were more than 50 to 1"


def test_a_network_that_forecasts_as_its_reference_is_not_held_against_it():
    """Its evidence is of fewer origins, and charged: neither says that two equal models differ."""
    panel = a_panel(lengths=(600,))
    split = a_split(panel, validation=200, test=100)
    forecasters = [LastValue("lstm", "network"), LastValue("reference", "reference"), LastValue("far", bias=0.5)]
    use = evaluate(fit_all(forecasters, panel, split, PROBLEM), panel, split, PROBLEM).recommendation
    assert (use.model, use.alike, use.runner_up) == ("reference", ("lstm",), "far")
    assert use.expected["lstm"] == use.expected["reference"]
    assert "combination" not in use.expected, "a mean of two equal models is none"
    assert "that it beats far on data like these; lstm forecasts practically the same" in use.sentence
    assert use.sentence.endswith("and the untrained reference is the plainer")
    wanted = fit_all(forecasters[:2], panel, split, PROBLEM)
    use = evaluate(wanted, panel, split, PROBLEM, recommended="lstm").recommendation
    assert (use.model, use.alike, use.runner_up) == ("lstm", ("reference",), None)
    assert use.sentence.endswith("; the untrained reference forecasts practically the same and is plainer")


@pytest.mark.parametrize(("bias", "same"), [(0.0, True), (0.009, True), (0.02, False), (-0.02, False)])
def test_forecasts_are_practically_the_same_within_a_hundredth_of_their_errors(bias, same):
    panel = a_panel(lengths=(90,))
    split = a_split(panel, validation=20, test=25)

    def validated(bias):
        fits = fit_all([LastValue(), LastValue("far", bias=bias)], panel, split, PROBLEM)
        return forecast_split(fits, panel, split, PROBLEM, part="validation")

    results = validated(0.0).results.query("model == 'naive'")
    found = evidence_of(validated(bias * (results.y - results.y_hat).abs().mean()))
    np.testing.assert_allclose(found.apart[0], [0.0, abs(bias)], atol=1e-12)
    assert alike("naive", found) == (("far",) if same else ())


def test_one_horizon_on_which_two_models_err_the_same_does_not_make_them_the_same():
    panel = a_panel(lengths=(30,))
    split = Split(np.array([24]), np.array([0]))
    above, below = (LastValue(name, bias=bias) for name, bias in (("above", 9.0), ("below", -9.0)))
    level = replace(panel, values=np.full((30, 1), 5.0))
    fits = fit_all([above, below], level, split, PROBLEM)
    found = evidence_of(forecast_split(fits, level, split, PROBLEM, part="test"))
    assert found.losses[:, 0] == pytest.approx(found.losses[:, 1])
    assert alike("above", found) == ()


def test_evidence_counts_horizons_and_weighs_series_alike():
    panel = a_panel(lengths=(90, 70))
    split = Split(*(np.array(steps) for steps in ([40, 30], [16, 12], [12, 8])))
    fits = fit_all([LastValue(), LastValue("far", bias=9.0)], panel, split, PROBLEM)
    backtests = [forecast_split(fits, panel, split, PROBLEM, part=part) for part in ("validation", "calibration")]
    found = evidence_of(*backtests)
    assert found.horizons == (16 + 12 + 12 + 8) / PROBLEM.horizon
    means = []
    for i in range(2):
        rows = [b.results[(b.results.unique_id == f"s{i}") & (b.results.model == "far")] for b in backtests]
        errors = np.concatenate([np.abs(part.y - part.y_hat) for part in rows])
        means.append(errors.mean() / backtests[0].units[i])
    assert found.means()[found.models.index("far")] == pytest.approx(np.mean(means))


def recommended(forecasters, asked=None, panel=None):
    panel = panel or a_panel(lengths=(90,))
    split = a_split(panel, validation=20, test=25)
    return evaluate(fit_all(forecasters, panel, split, PROBLEM), panel, split, PROBLEM, recommended=asked)


def test_the_sentence_says_what_to_use_how_far_off_how_much_better_and_how_sure():
    found = recommended([LastValue("lstm", "network", bias=3.0), LastValue()])
    use = found.recommendation
    error = found.scores.by_model.loc["naive", "mae"]
    assert use.model == "naive"
    assert use.error == pytest.approx(error)
    assert use.gain == pytest.approx(0.0)
    y = found.test.results.query("model == 'naive'")["y"]
    assert math.isnan(use.error_share) == bool((y < 0).any())
    assert use.sentence.startswith(f"use naive: typically {error:.2f} off, ")
    assert "as repeating the " in use.sentence
    assert use.sentence.endswith(" to 1 that it beats lstm on data like these")
    assert found.leaderboard.set_index("model")["recommended"].to_dict() == {"naive": True, "lstm": False}


def test_a_model_that_is_asked_for_is_recommended_and_the_sentence_says_so():
    use = recommended([LastValue("lstm", "network", bias=30.0), LastValue()], asked="lstm").recommendation
    assert (use.model, use.why, use.runner_up, use.turned) == ("lstm", "asked for", "naive", None)
    assert use.odds < 1
    assert use.sentence.startswith("use lstm, as asked for: typically ")
    assert " to 1 that naive beats it on data like these" in use.sentence


def test_one_that_was_asked_for_and_fails_is_not_recommended_and_a_note_says_why():
    broken = Raises(ValueError("infinite"), name="lstm")
    found = recommended([broken, LastValue()], asked="lstm")
    assert found.recommendation.model == "naive"
    assert found.recommendation.sentence.endswith("there is no other to compare it with")
    assert any("`recommend=lstm` could not be followed" in note and "infinite" in note for note in found.notes)
    assert recommended([broken]).recommendation is None


def test_a_combination_that_is_asked_for_and_that_no_member_earned_is_not_made_up():
    found = recommended([LastValue("lstm", "network", bias=30.0), LastValue()], asked="combination")
    assert found.recommendation.model == "naive"
    assert any("no mean of models is expected to be better than the best" in note for note in found.notes)


def test_the_test_may_change_its_mind_and_never_the_choice():
    """Right before the test and wrong on it, by a step of the level that one of the two knows."""
    panel = a_panel(lengths=(600,))
    level = np.where(np.arange(600) < 400, 5.0, 25.0) + 0.1 * np.random.default_rng(0).standard_normal(600)
    panel = replace(panel, values=level[:, None])

    class Five(LastValue):
        def forecast(self, past, origins):
            made = super().forecast(past, origins)
            return type(made)(np.full_like(made.y_hat, 5.0))

    split = a_split(panel, validation=200, test=200)
    fits = fit_all([Five("five", "naive"), LastValue()], panel, split, PROBLEM)
    use = evaluate(fits, panel, split, PROBLEM).recommendation
    assert use.model == "five"
    assert use.turned == "naive"
    assert "had the test had a say, which it must not, naive would be chosen (" in use.second


def test_a_split_without_validation_still_has_a_recommendation():
    panel = a_panel(lengths=(30,))
    split = Split(np.array([24]), np.array([0]))
    fits = fit_all([LastValue("pretrained", "pretrained", bias=0.1), LastValue()], panel, split, PROBLEM)
    use = evaluate(fits, panel, split, PROBLEM).recommendation
    assert (use.model, use.why, use.horizons) == ("pretrained", "measured", 3.0)
    assert "3 to 2 that it beats naive" in use.sentence


def test_a_safe_choice_that_others_lead_by_little_is_said_to_be_unbeaten(monkeypatch):
    monkeypatch.setattr("forecast.evaluation.recommendation.walk_probability", lambda evidence, kinds: 0.6)
    panel = a_panel(lengths=(30,))
    split = Split(np.array([24]), np.array([0]))
    models = [LastValue("pretrained", "pretrained", bias=0.1), LastValue(), LastValue("forest", "scikit-learn")]
    fits = fit_all(models, panel, split, PROBLEM)
    expected = {"pretrained": 0.0, "naive": 0.05, "forest": -0.1}
    monkeypatch.setattr("forecast.evaluation.evaluate.expected_errors", lambda evidence, kinds, rows: dict(expected))
    use = evaluate(fits, panel, split, PROBLEM).recommendation
    assert (use.model, use.why, use.runner_up) == ("pretrained", "nothing beats it", None)
    assert use.sentence.endswith("; nothing was shown to beat it on data like these")
    expected = {"naive": 0.0, "ridge": 0.0, "forest": -0.1}
    models = [LastValue(), LastValue("ridge", "scikit-learn"), LastValue("forest", "scikit-learn", bias=0.1)]
    use = evaluate(fit_all(models, panel, split, PROBLEM), panel, split, PROBLEM).recommendation
    assert (use.model, use.why, use.alike) == ("naive", "nothing beats it", ("ridge",))
    assert use.sentence.endswith("; nothing was shown to beat it on data like these")


def test_where_no_row_is_left_to_choose_on_what_is_known_decides():
    panel = a_panel(lengths=(11,))
    split = Split(np.array([5]), np.array([0]))
    fits = fit_all([LastValue("pretrained", "pretrained", bias=0.1), LastValue()], panel, split, PROBLEM)
    use = evaluate(fits, panel, split, PROBLEM).recommendation
    assert (use.model, use.why, use.horizons) == ("pretrained", "known of its kind", 0.0)
    assert "no rows were left to choose on" in use.sentence


def test_sentences_on_edge_cases_are_understood_and_never_fail():
    level = replace(a_panel(lengths=(90,)), values=np.full((90, 1), 5.0))
    perfect = recommended([LastValue("lstm", "network"), LastValue(bias=1.0)], panel=level).recommendation
    assert perfect.sentence.startswith("use lstm: not off at all on the test; more than 50 to 1 that it beats naive")
    alone = recommended([LastValue("lstm", "network", bias=1.0)]).recommendation
    assert " off, 44 in 100 of s0, on the test 5 % more than repeating the last value; there is no other" in (
        alone.sentence
    )
    huge = replace(a_panel(lengths=(90,)), values=a_panel(lengths=(90,)).values * 1e100)
    assert "typically 2.11e100 off, 42 in 100 of s0" in recommended([LastValue()], panel=huge).recommendation.sentence
    panel = a_panel(lengths=(90,))
    unseen = replace(panel, observed=np.arange(90)[:, None] < 65)
    assert "how far off it is cannot be said, as no value of the test was observed" in (
        recommended([LastValue(), LastValue("lstm", "network", bias=1.0)], panel=unseen).recommendation.sentence
    )
