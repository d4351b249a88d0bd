"""Intervals from the fits to the words: what they are made of, their scores, and when they are called too narrow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from oracles.intervals import conformal_quantile, interval_scores, pinball, probability
from scipy import stats
from toys import HORIZON, PROBLEM, LastValue, Raises, a_panel, with_target

from forecast.evaluation.backtest import backtest
from forecast.evaluation.coverage import CoverageTest, coverage_sentence, coverage_test
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.evaluation.intervals import (
    BINS,
    crps,
    pinball_loss,
    probability_transform,
    score_intervals,
    trapezoid_weights,
    weighted_quantile_loss,
)
from forecast.forecasters.interface import QUANTILES, Forecasts
from forecast.questions.split import Split, rolling_origins
from forecast.reference.scaling import fit_scale

LENGTHS = (200, 170)


@dataclass(frozen=True)
class Ladder(LastValue):
    """The last value with quantiles at even distances around it."""

    rung: float = 0.5

    def forecast(self, past, origins):
        y_hat = super().forecast(past, origins).y_hat
        return Forecasts(y_hat, y_hat[:, :, None] + self.rung * np.arange(-4, 5))


def split_of(panel, calibration=60):
    steps = np.full(len(panel), 1, dtype=np.int64)
    return Split(panel.lengths - 20 - calibration - 40, 20 * steps, calibration * steps)


def evaluated(*forecasters, panel=None, calibration=60):
    panel = panel or a_panel(lengths=LENGTHS, missing=0.05)
    split = split_of(panel, calibration)
    return evaluate(fit_all(forecasters, panel, split, PROBLEM), panel, split, PROBLEM)


def targets(panel, first, ends):
    """What an origin's quantiles are made of: (origin, step) targets and last values, (origin,) series."""
    origins = rolling_origins(panel, first, ends, HORIZON)
    rows = origins.rows(panel)
    ahead = rows[:, None] + np.arange(1, HORIZON + 1)
    return np.where(panel.target_observed[ahead], panel.target[ahead], np.nan), panel.target[rows], origins.series


@pytest.mark.parametrize("forecaster", [LastValue(), Ladder(rung=0.3)])
def test_quantiles_of_the_test_are_made_of_the_misses_on_calibration(forecaster):
    panel = a_panel(lengths=LENGTHS, missing=0.05)
    split = split_of(panel)
    backtested = backtest([forecaster], panel, split, PROBLEM)
    y, last, series = targets(panel, split.train + split.validation, split.before_test)
    _, new, new_series = targets(panel, split.before_test, panel.lengths)
    scale = fit_scale(panel, split.train, PROBLEM.season_steps)
    rung = getattr(forecaster, "rung", 0.0)
    for o in (0, 11, len(new) - 1):
        for h in range(HORIZON):
            each = [
                conformal_quantile(
                    new[o] + rung * k,
                    scale[new_series[o]],
                    zip(y[:, h], last + rung * k, scale[series], strict=True),
                    level,
                )
                for k, level in zip(range(-4, 5), QUANTILES, strict=True)
            ]
            assert backtested.quantiles[forecaster.name][o, h].tolist() == pytest.approx(sorted(each), rel=1e-9)


def test_calibration_is_no_part_of_validation_or_test():
    """What happens in the calibration split moves the intervals and nothing else; the test moves no interval."""
    panel = a_panel(lengths=(200,))
    split = split_of(panel)
    first, end = int(split.fitted[0]), int(split.before_test[0])
    assert (split.fitted >= split.train).all()

    def changed(start, stop):
        return evaluated(LastValue(), panel=with_target(panel, slice(start, stop), 9 * panel.target[start:stop]))

    before, wilder, later = evaluated(LastValue(), panel=panel), changed(first, end - 1), changed(end, 200)
    np.testing.assert_array_equal(wilder.validation.results["y"], before.validation.results["y"])
    np.testing.assert_array_equal(wilder.test.results["y_hat"], before.test.results["y_hat"])
    assert wilder.leaderboard["mase"].tolist() == before.leaderboard["mase"].tolist()
    assert (wilder.intervals.scores["width_90"] > 2 * before.intervals.scores["width_90"]).all()
    widths = [one.test.quantiles["naive"] - one.test.quantiles["naive"][:, :, 4:5] for one in (before, later)]
    np.testing.assert_allclose(widths[0], widths[1], atol=1e-9)


def test_nothing_that_is_fitted_sees_the_calibration_split():
    panel, seen = a_panel(lengths=LENGTHS), []
    split = split_of(panel)

    class Sees(LastValue):
        def fit(self, past, train_steps, problem):
            seen.append(past.lengths.tolist())
            return self

    fit_all([Sees()], panel, split, PROBLEM)
    assert seen == [(split.train + split.validation).tolist()]


def test_scores_are_those_of_the_loop():
    evaluation = evaluated(LastValue(), Ladder("ladder"))
    steps = HORIZON
    rows = evaluation.test.results[evaluation.test.results["model"] == "naive"]
    y = rows["y"].to_numpy().reshape(-1, steps)
    series = rows["unique_id"].cat.codes.to_numpy()[::steps]
    for name, quantiles in evaluation.test.quantiles.items():
        expected = interval_scores(y, quantiles, list(QUANTILES), series.tolist(), evaluation.test.scales.absolute)
        row = evaluation.leaderboard.set_index("model").loc[name]
        for score, value in expected.items():
            assert row[score] == pytest.approx(value, rel=1e-9), score
    assert evaluation.intervals.coverage["nominal"].tolist() == [0.5, 0.8, 0.9, 0.95] * len(evaluation.test.quantiles)
    assert evaluation.intervals.pit.groupby("model", sort=False)["share"].sum().to_numpy() == pytest.approx(1.0)
    assert evaluation.intervals.pit["bin"].tolist() == list(range(BINS)) * len(evaluation.test.quantiles)


def test_without_calibration_intervals_are_infinite_and_said_to_be():
    evaluation = evaluated(LastValue(), Ladder("ladder"), calibration=0)
    rows = evaluation.leaderboard.set_index("model")
    assert np.isinf(rows["width_90"]["naive"])
    assert rows.loc["naive", ["wql", "crps"]].isna().all()
    assert evaluation.intervals.sentences["naive"].startswith(
        "the 90 % intervals of naive are infinite: the calibration"
    )
    assert any("are missing for naive: fewer than" in note for note in evaluation.notes)
    own = evaluation.test.quantiles["ladder"]
    np.testing.assert_allclose(np.diff(own, axis=2), 0.5, rtol=1e-9)
    assert np.isfinite(rows.loc["ladder", ["wql", "crps", "coverage_90", "width_90"]].astype(float)).all()
    assert np.isfinite(evaluation.offsets["naive"]).all()  # after the data: from the residuals of the test


def test_a_failure_has_no_intervals_and_takes_none_away():
    evaluation = evaluated(Raises(ValueError("broken"), at="forecast"), LastValue())
    assert list(evaluation.intervals.quantiles) == ["naive"]
    assert evaluated(Raises(ValueError("broken"))).intervals is None


def test_quantiles_of_another_shape_are_a_failure():
    class Short(LastValue):
        def forecast(self, past, origins):
            y_hat = super().forecast(past, origins).y_hat
            return Forecasts(y_hat, y_hat[:, :, None])

    evaluation = evaluated(Short("short"), LastValue())
    assert "its quantiles have shape" in evaluation.test.failures["short"]


def judged(hits, series=None, overlap=1, nominal=0.9, width=1.0):
    series = np.zeros(len(hits), dtype=np.int64) if series is None else series
    return coverage_test(nominal, hits.astype(float), np.ones(hits.shape, dtype=bool), series, overlap, width=width)


@pytest.mark.parametrize("nominal", [0.5, 0.9, 0.95])
def test_intervals_that_are_right_are_seldom_called_wrong(nominal):
    """With horizons that overlap as well: origins next to one another hit together."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        noise = rng.normal(size=240)
        ahead = np.stack([noise[i : i + 8].cumsum()[3:6] for i in range(200)])  # a sum of up to 6 steps ahead
        sizes = np.sqrt(np.arange(4, 7))
        hits = np.abs(ahead / sizes) <= stats.norm.ppf((1 + nominal) / 2)
        wrong += judged(hits, overlap=6, nominal=nominal).judged in {"too narrow", "too wide"}
    assert wrong / 400 < 0.06


def test_intervals_that_are_half_as_wide_as_they_should_be_are_called_too_narrow():
    rng = np.random.default_rng(1)
    hits = np.abs(rng.normal(size=(300, 4))) <= 1.645 / 2
    verdict = judged(hits, overlap=4)
    assert verdict.judged == "too narrow"
    assert verdict.coverage == pytest.approx(hits.mean())
    assert judged(np.ones((300, 4)), overlap=4).judged == "too wide"
    assert judged(hits[4:10], overlap=4).judged == "not known"
    assert judged(hits, overlap=4, width=np.inf).judged == "infinite"


def test_a_few_horizons_can_tell_that_half_is_not_90_percent_and_not_that_90_is():
    """56 of 100 targets in a dozen horizons of eight: too narrow; 88 of 100 in three: too few to say."""
    rng = np.random.default_rng(4)
    verdict = judged((rng.random((97, 8)) < 0.56), overlap=8)
    assert verdict.judged == "too narrow"
    few = judged(np.repeat([[1.0] * 7 + [0.0]], 17, axis=0), overlap=8)
    assert few.effective == pytest.approx(3.0)
    assert few.judged == "not known"
    assert coverage_sentence("gru", [few]).endswith("held 88 of 100; it should be 90: too few origins to say")


def test_series_count_alike_in_a_coverage():
    hits = np.repeat([[1.0], [0.0]], [30, 10], axis=0)
    assert judged(hits, series=np.repeat([0, 1], [30, 10])).coverage == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("every", "excess", "expected"),
    [
        (12, 0.0, "about right"),  # 92 of 100
        (12, 0.1, "about right"),
        (60, 0.0, "too wide"),  # 98 of 100
        (60, 0.02, "too wide"),
        (60, 0.1, "wider than need be"),
    ],
)
def test_more_coverage_than_nominal_is_expected_of_few_origins_and_never_called_right(every, excess, expected):
    hits = np.ones((600, 1))
    hits[::every] = 0.0
    given = (0.9, hits, np.ones(hits.shape, dtype=bool), np.zeros(600, dtype=np.int64), 1)
    assert coverage_test(*given, width=1.0, excess=excess).judged == expected


@pytest.mark.parametrize("held", [0.98, 0.82])
def test_as_far_above_as_below_few_origins_say_nothing(held):
    """Of windows that all miss alike, however much few calibration origins allow above."""
    hits = np.zeros((86, 50))
    hits[:, : round(50 * held)] = 1.0
    given = (0.9, hits, np.ones(hits.shape, dtype=bool), np.zeros(86, dtype=np.int64), 50)
    assert coverage_test(*given, width=1.0, excess=0.1).judged == "not known"


def test_sentences_speak_of_90_percent_or_of_what_is_off():
    def all_of(*kinds):
        off = {"too narrow": 0.1}
        shares = zip((0.5, 0.8, 0.9, 0.95), kinds, strict=True)
        return [CoverageTest(share, share - off.get(kind, 0.0), 1.0, 0.02, kind) for share, kind in shares]

    right, narrow = "about right", "too narrow"
    assert (
        coverage_sentence("gru", all_of(right, right, right, right))
        == "the 90 % intervals of gru held 90 of 100; it should be 90: about right"
    )
    assert coverage_sentence("gru", all_of(right, narrow, narrow, narrow)) == (
        "the 90 % intervals of gru held 80 of 100; it should be 90: too narrow, and so are those of 80 %, 95 %"
    )
    assert (
        coverage_sentence("gru", all_of(narrow, right, right, right))
        == "the 50 % intervals of gru held 40 of 100; it should be 50: too narrow"
    )
    assert "too few origins to say" in coverage_sentence("gru", all_of(*["not known"] * 4))


def test_no_forecast_has_no_intervals():
    evaluation = evaluated(LastValue())
    assert score_intervals(evaluation.test.results, {}, QUANTILES, evaluation.test.scales) is None


DENSE = tuple(np.arange(1, 1000) / 1000)


def test_pinball_is_that_of_the_loop():
    rng = np.random.default_rng(0)
    y, q = rng.normal(size=20), rng.normal(size=(20, 9))
    expected = [[pinball(y[i], q[i, j], tau) for j, tau in enumerate(QUANTILES)] for i in range(20)]
    np.testing.assert_allclose(pinball_loss(y, q, QUANTILES), expected)
    assert pinball_loss(np.array(0.0), np.array([-np.inf, np.inf]), (0.1, 0.9)).tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_crps_of_a_gaussian_is_its_closed_form(spread):
    """Gneiting and Raftery (2007), "Strictly proper scoring rules", equation 21."""
    y = np.linspace(-3, 3, 25)
    z = (y - 0.5) / spread
    exact = spread * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    for levels, closeness in ((DENSE, 1e-3), (QUANTILES, 0.08)):
        q = np.broadcast_to(stats.norm.ppf(levels, 0.5, spread), (25, len(levels)))
        np.testing.assert_allclose(crps(pinball_loss(y, q, levels), levels), exact, atol=closeness * spread)


def test_crps_of_a_point_is_its_absolute_error():
    y = np.array([1.0, -2.0])
    q = np.zeros((2, len(DENSE)))
    np.testing.assert_allclose(crps(pinball_loss(y, q, DENSE), DENSE), np.abs(y), rtol=2e-3)


def test_the_weights_are_those_of_the_trapezoid_rule():
    height = np.sin(np.pi * np.array(QUANTILES))
    corners = list(zip([0.0, *QUANTILES, 1.0], [0.0, *height, 0.0], strict=True))
    expected = sum((t - s) * (v + u) / 2 for (s, u), (t, v) in pairwise(corners))
    assert height @ trapezoid_weights(QUANTILES) == pytest.approx(expected)


def test_weighted_quantile_loss_has_no_unit_and_none_where_all_targets_are_zero():
    y, q = np.array([2.0, -4.0]), np.array([[1.0, 3.0], [-5.0, -1.0]])
    losses = pinball_loss(y, q, (0.25, 0.75)).sum(axis=0)
    by_hand = (2 * (0.25 + 0.25) / 6 + 2 * (0.25 + 0.75) / 6) / 2
    for unit in (1.0, 10.0):
        assert weighted_quantile_loss(unit * losses[None], np.array([unit * 6.0])).tolist() == pytest.approx([by_hand])
    assert np.isnan(weighted_quantile_loss(losses[None], np.array([0.0]))).all()


def test_the_probability_transform_is_that_of_the_loop():
    rng = np.random.default_rng(3)
    q = np.sort(rng.normal(size=(200, 9)), axis=1)
    y = rng.normal(scale=2, size=200)
    expected = [probability(value, row.tolist(), QUANTILES) for value, row in zip(y, q, strict=True)]
    np.testing.assert_allclose(probability_transform(y, q, QUANTILES), expected, rtol=1e-9)


def test_the_probability_transform_of_right_quantiles_is_uniform():
    y = np.random.default_rng(4).normal(size=40_000)
    q = np.broadcast_to(stats.norm.ppf(QUANTILES), (40_000, 9))
    shares = np.histogram(probability_transform(y, q, QUANTILES), 10, (0, 1))[0] / 40_000
    np.testing.assert_allclose(shares, 0.1, atol=0.015)  # linear between levels, where a Gaussian is not


def test_quantiles_that_coincide_or_are_infinite():
    q = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.0, 1.0, 2.0], [-np.inf, 1.0, np.inf]])
    actual = probability_transform(np.array([1.0, 1.0, 1.0, 1.5]), q, (0.25, 0.5, 0.75))
    assert actual[:3].tolist() == pytest.approx([0.5, 0.625, 0.5])
    assert np.isnan(actual[3])


def test_a_coverage_far_off_is_not_called_right_however_few_origins_excuse_it():
    hits = np.ones((200, 30))
    hits[:6, :20] = 0.0  # 98 of 100 held where 90 should
    observed, series = np.ones((200, 30), dtype=bool), np.zeros(200, dtype=np.int64)

    test = coverage_test(0.9, hits, observed, series, 30, width=1.0)
    assert round(test.coverage, 2) == 0.98
    assert test.judged == "not known"
