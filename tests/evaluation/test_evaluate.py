from __future__ import annotations

import numpy as np
import pytest
from toys import PROBLEM, LastValue, Raises, a_panel, a_split, with_target

from forecast.errors import ForecastError
from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.evaluation.metrics import objective
from forecast.evaluation.settings import BacktestSettings
from forecast.evaluation.verdict import best_network
from forecast.forecasters.interface import Forecasts
from forecast.settings import check_settings


def evaluated(forecasters, settings=None, lengths=(90, 70)):
    panel = a_panel(lengths=lengths)
    split = a_split(panel, validation=20, test=25)
    return evaluate(fit_all(forecasters, panel, split, PROBLEM), panel, split, PROBLEM, settings)


def test_everything_from_the_fits_to_the_verdict():
    evaluation = evaluated([LastValue("lstm", "network", bias=30.0), LastValue(), LastValue("far", "naive", bias=9.0)])
    assert evaluation.baseline == "naive"
    assert list(evaluation.leaderboard["model"]) == ["naive", "far", "lstm"]
    assert evaluation.verdict.sentence.startswith("lstm does not beat naive (MASE ")
    assert evaluation.tests["lstm"].p < 0.05
    assert evaluation.tests["lstm"].overlap == 4
    assert set(evaluation.copy_tests) == {"lstm"}
    assert evaluation.validation.part == "validation"
    assert evaluation.test.part == "test"


def test_the_baseline_is_chosen_on_validation_and_not_on_the_test():
    """A forecaster that is right on the validation split alone is the one to beat."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(90)
    panel = with_target(a_panel(lengths=(90,)), slice(None), np.where(np.arange(90) < 65, 5.0, 105.0) + noise)
    split = a_split(panel, validation=20, test=25)

    class Five(LastValue):
        def forecast(self, past, origins):
            forecasts = super().forecast(past, origins)
            return type(forecasts)(np.full_like(forecasts.y_hat, 5.0))

    fits = fit_all([LastValue("lstm", "network"), LastValue(), Five("five", "naive")], panel, split, PROBLEM)
    evaluation = evaluate(fits, panel, split, PROBLEM)
    assert evaluation.baseline == "five"
    assert evaluation.leaderboard["model"].iloc[-1] == "five"


def test_a_network_equal_to_its_baseline_has_p_one_and_does_not_win():
    evaluation = evaluated([LastValue("lstm", "network"), LastValue()])
    assert evaluation.tests["lstm"].p == 1.0
    assert not evaluation.verdict.won
    assert "p = 1.00" in evaluation.verdict.sentence
    assert evaluation.copy_tests["lstm"].copy is True


def test_several_networks_are_corrected_and_the_best_on_validation_is_judged():
    evaluation = evaluated([LastValue("a", "network", bias=6.0), LastValue("b", "network", bias=3.0), LastValue()])
    assert best_network(evaluation.validation, evaluation.validation_scores) == "b"
    assert evaluation.verdict.sentence.startswith("b does not beat naive")
    assert evaluation.tests["b"].p_adjusted >= evaluation.tests["b"].p
    assert objective(evaluation.validation_scores, "b") == evaluation.validation_scores.by_model.loc["b", "mase"]


def test_failures_and_notes_are_carried_along():
    broken = Raises(ValueError("the loss is not finite"), name="lstm")
    evaluation = evaluated([broken, LastValue(notes=("thinned",))])
    assert evaluation.verdict.sentence == "lstm failed (ValueError: the loss is not finite)"
    assert evaluation.leaderboard["status"].tolist() == ["ok", "ValueError: the loss is not finite"]
    assert evaluation.notes[0].startswith(
        "wQL and CRPS, scores of prediction intervals, are missing for all models: fewer than 39 forecasts in the "
    )
    assert evaluation.notes[1:] == ("naive: thinned",)
    nothing = evaluated([broken])
    assert nothing.baseline is None
    assert nothing.verdict.sentence == "lstm failed (ValueError: the loss is not finite)"
    assert evaluated([LastValue()]).verdict is None


def test_every_setting_changes_what_comes_out():
    networks = [LastValue("lstm", "network", bias=0.4), LastValue(bias=1.2)]
    one = evaluated(networks, lengths=(90,))
    strided = evaluated(networks, BacktestSettings(stride=2), lengths=(90,))
    assert strided.test.results["cutoff"].nunique() == -(-one.test.results["cutoff"].nunique() // 2)
    assert strided.tests["lstm"].overlap == 2
    p = one.tests["lstm"].p_adjusted
    assert one.leaderboard["model"].iloc[0] == "lstm"
    verdicts = [evaluated(networks, BacktestSettings(significance=s), lengths=(90,)).verdict for s in (p / 2, p * 1.5)]
    assert [actual.won for actual in verdicts] == [False, True]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stride": 0}, "`backtest.stride` should be greater than or equal to 1, found 0"),
        ({"significance": 1.0}, "`backtest.significance` should be less than 1, found 1.0"),
        ({"strde": 2}, "`backtest.strde` is not a setting: did you mean `backtest.stride`?"),
    ],
)
def test_a_wrong_setting_is_one_line(values, message):
    with pytest.raises(ForecastError) as error:
        check_settings(BacktestSettings, values, prefix="backtest.")
    assert str(error.value) == message


def test_very_many_origins_are_thinned_and_the_notes_say_so(monkeypatch):
    monkeypatch.setattr("forecast.evaluation.split_origins.MOST_ORIGINS", 4)
    whole = evaluated([LastValue("lstm", "network")], BacktestSettings(stride=1), lengths=(90,))
    thinned = evaluated([LastValue("lstm", "network")], BacktestSettings(), lengths=(90,))
    count = whole.test.results["cutoff"].nunique()
    kept, every = (sorted(one.test.results["cutoff"].unique()) for one in (thinned, whole))
    assert 1 < len(kept) <= 4
    assert kept == every[:: -(-count // 4)]
    assert f"{len(kept)} of {count} origins" in thinned.notes[0]
    assert not any("origins, evenly" in note for note in whole.notes)


def test_of_very_many_series_an_even_part_is_forecast_and_the_notes_say_so(monkeypatch):
    lengths = tuple(range(70, 90, 2))
    networks = [LastValue("lstm", "network", bias=1.0), LastValue()]
    whole = evaluated(networks, BacktestSettings(stride=1), lengths=lengths)
    monkeypatch.setattr("forecast.evaluation.split_origins.MOST_ORIGINS", 4)
    monkeypatch.setattr("forecast.evaluation.scales._BLOCK_ROWS", 100)
    part = evaluated(networks, BacktestSettings(), lengths=lengths)
    kept = list(part.test.known["unique_id"].unique())
    assert 2 <= len(kept) <= 4 == len(part.test.known)
    assert set(part.test.results["unique_id"].cat.categories) == set(kept)
    assert set(part.validation.results["unique_id"]) == set(kept)
    assert part.notes[0].startswith("the backtest forecasts from 4 of ")
    rows = whole.test.results
    same = rows.merge(part.test.known[["unique_id", "cutoff"]], on=["unique_id", "cutoff"])
    errors = (same["y"] - same["y_hat"]).abs().groupby(same["model"]).mean()
    assert part.scores.by_model["mae"].to_dict() == pytest.approx(errors.to_dict())
    np.testing.assert_array_equal(part.test.scales.absolute, whole.test.scales.absolute)  # in blocks and at once
    np.testing.assert_array_equal(part.test.scales.squared, whole.test.scales.squared)


def test_the_spread_over_an_ensemble_s_members_stands_beside_the_verdict():
    """Members that are off by 0, 2 and 4 score as three forecasters of their own that are off so far."""

    class Three(LastValue):
        def forecast(self, past, origins):
            y_hat = super().forecast(past, origins).y_hat
            return Forecasts(y_hat + 2.0, members=np.stack([y_hat, y_hat + 2.0, y_hat + 4.0]))

    alone = [LastValue("lstm", "network", bias=bias) for bias in (0.0, 4.0)]
    lowest, highest = (evaluated([one, LastValue()]).scores.by_model.loc["lstm", "mase"] for one in alone)
    sentence = evaluated([Three("lstm", "network"), LastValue()]).verdict.sentence
    assert sentence.endswith(f"; the MASE of its 3 members alone lies between {lowest:.2f} and {highest:.2f}")
