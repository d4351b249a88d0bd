"""The pretrained network: what it promises before and after its training, and what it says in the package's weights.

That it ignores the future, is the same row by row, and follows the unit is asked by the contract (`test_contract`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from forecast.errors import ForecastError
from forecast.forecasters import live_pretrained
from forecast.forecasters.baselines import build_baseline
from forecast.forecasters.interface import QUANTILES
from forecast.forecasters.pretrained import Pretrained, Tuning, network_of, shipped_network, tensors_of
from forecast.forecasters.settings import PretrainedBaselineSettings
from forecast.network.pretrained import LEVELS, PretrainedNetwork, scaled, spread_of
from forecast.pretraining import fine_tuning
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, last_origins
from forecast.reference.bank import Bank
from forecast.reference.candidates import candidates
from forecast.reference.running import joined
from forecast.reference.smoothers import second_season
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series


def series(y):
    y = np.asarray(y, dtype=float)
    return single_series(y, np.arange(len(y)), Calendar(freq=None))


def forecast(y, horizon=6, season=1, network=None):
    """Quantiles after the end of one series, (horizon, level)."""
    panel = series(y)
    problem = Problem(horizon=horizon, context_steps=1, season_steps=season)
    fitted = Pretrained(network=network).fit(panel, panel.lengths, problem)
    return fitted.forecast(panel, Origins(np.array([0]), np.array([len(y) - 1]))).quantiles[0]


def monthly(n=60, seed=0):
    rng, t = np.random.default_rng(seed), np.arange(n)
    return (100 + 2 * t) * (1 + 0.2 * np.sin(2 * np.pi * t / 12)) + rng.normal(0, 4, n)


def test_untrained_it_is_the_mean_of_its_candidates_and_plain_weighing():
    y = monthly()
    torch.manual_seed(0)
    bank = Bank(1, 12)
    for value in y:
        bank.update(np.array([value]), np.array([True]))
    every = candidates(bank.snapshot(6), 6, 12, 1)[0]
    quantiles = forecast(y, 6, 12, PretrainedNetwork())
    expected = 0.6 * every.mean(axis=-1) + 0.4 * every[:, -1]
    np.testing.assert_allclose(quantiles[:, LEVELS.index(0.5)], expected, rtol=1e-5)
    # untrained, widths are those of a normal distribution
    ratio = (quantiles[:, 8] - quantiles[:, 0]) / (quantiles[:, 5] - quantiles[:, 3])
    np.testing.assert_allclose(ratio, norm.ppf(0.975) / norm.ppf(0.75), rtol=1e-3)


def test_trusting_errors_so_far_it_weighs_candidates_by_powers_of_them():
    y, network = monthly(), PretrainedNetwork()
    torch.nn.init.constant_(network.trust.bias, 0.5)
    bank = Bank(1, 12)
    for value in y:
        bank.update(np.array([value]), np.array([True]))
    at = bank.snapshot(6)
    mean, recent = at.path_error[:, :, 0] / at.sums.unit + 0.05
    weights = mean**-2.0 * recent**-2.0
    every = candidates(at, 6, 12, 1)[0]
    expected = 0.6 * every @ weights / weights.sum() + 0.4 * every[:, -1]
    quantiles = forecast(y, 6, 12, network)
    np.testing.assert_allclose(quantiles[:, LEVELS.index(0.5)], expected, rtol=1e-4)


def test_a_later_call_goes_on_from_where_the_last_one_ended(monkeypatch):
    """A backtest asks for three splits in turn: each value is read once."""
    y = monthly(120)
    panel, read = series(y), []
    update = Bank.update
    monkeypatch.setattr(Bank, "update", lambda self, *args: (read.append(1), update(self, *args))[1])
    fitted = Pretrained().fit(panel, panel.lengths, Problem(horizon=4, context_steps=1, season_steps=12))
    fitted.forecast(panel, Origins(np.zeros(10, dtype=np.int64), np.arange(60, 70)))
    later = fitted.forecast(panel, Origins(np.zeros(20, dtype=np.int64), np.arange(80, 100)))
    assert len(read) == 100
    np.testing.assert_allclose(later.quantiles[-1], forecast(y[:100], 4, 12), rtol=1e-6)


def test_its_quantiles_are_those_of_all_models_and_never_cross():
    assert LEVELS == QUANTILES
    rng = np.random.default_rng(1)
    for y in (monthly(), rng.normal(size=9), rng.normal(size=200).cumsum(), rng.poisson(0.4, 50), [7.0, 7.0, 7.0, 7.0]):
        quantiles = forecast(y, 18, 12)
        assert np.isfinite(quantiles).all()
        assert (np.diff(quantiles, axis=-1) > 0).all()


def test_four_rows_are_enough_and_a_horizon_may_be_longer_than_them():
    quantiles = forecast([3.0, 5.0, 4.0, 6.0], 30)
    assert quantiles.shape == (30, len(LEVELS))
    assert 1 < quantiles[0, 4] < 9
    width = quantiles[:, -1] - quantiles[:, 0]
    assert width[-1] > width[0]


def test_intervals_of_a_random_walk_widen_with_the_root_of_the_steps():
    widths = []
    for seed in range(12):
        quantiles = forecast(np.random.default_rng(seed).normal(size=80).cumsum(), 9)
        widths.append(quantiles[:, 7] - quantiles[:, 1])  # of 90 %
    one, nine = np.mean(widths, axis=0)[[0, 8]]
    assert one == pytest.approx(2 * norm.ppf(0.95), rel=0.2)
    assert nine / one == pytest.approx(3, rel=0.15)


def test_the_level_of_a_series_that_crosses_zero_changes_nothing_but_the_level():
    y = np.random.default_rng(3).normal(size=48).cumsum()
    y[0] = -10.0  # below zero from the first value on, on both levels: no logarithms are read
    np.testing.assert_allclose(forecast(y + 3.0) - 3.0, forecast(y), rtol=1e-4, atol=1e-4)


def test_upside_down_closed_forms_are_upside_down_and_forecasts_nearly():
    y = np.random.default_rng(3).normal(size=48).cumsum()
    y[0] = 0.0  # neither it nor its mirror image begins above zero: no logarithms are read
    both = Bank(2, 4)
    for value in y:
        both.update(np.array([value, -value]), np.array([True, True]))
    up, down = candidates(both.snapshot(6), 6, 4, 1)
    np.testing.assert_allclose(down, -up, rtol=1e-9, atol=1e-9)
    quantiles, mirrored = forecast(y, 6, 4), -forecast(-y, 6, 4)[:, ::-1]
    width = quantiles[:, 6] - quantiles[:, 2]
    assert (np.abs(quantiles[:, 4] - mirrored[:, 4]) < 0.1 * width).all()


def test_series_of_many_lengths_are_forecast_together_as_alone():
    parts = [monthly(n, seed=n) for n in (9, 60, 31, 60, 14)]
    panel = series(np.concatenate(parts))
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    panel = replace(panel, offsets=offsets, ids=tuple("abcde"))
    problem = Problem(horizon=5, context_steps=1, season_steps=12)
    fitted = Pretrained().fit(panel, panel.lengths, problem)
    together = fitted.forecast(panel, Origins(np.arange(5), panel.lengths - 1)).quantiles
    for i, part in enumerate(parts):
        np.testing.assert_allclose(together[i], forecast(part, 5, 12), rtol=1e-5)


def test_what_a_fitted_network_forecasts_of_many_origins_it_forecasts_of_each():
    y = monthly(400)
    panel, problem = series(y), Problem(horizon=4, context_steps=1, season_steps=12)
    fitted = Pretrained().fit(panel, panel.lengths, problem)
    steps = np.arange(3, 400)
    every = fitted.forecast(panel, Origins(np.zeros_like(steps), steps)).quantiles
    for step in (3, 255, 256, 399):
        np.testing.assert_allclose(every[step - 3], forecast(y[: step + 1], 4, 12), rtol=1e-5)


HOURS = np.arange(24 * 21)
STORED = {  # the 2.5 % quantile, the median and the 97.5 % quantile one and six steps ahead
    "monthly": (
        monthly(),
        12,
        [[196.75674, 210.21649, 226.10303], [210.34386, 243.06083, 279.62495]],
    ),
    "walk": (
        np.random.default_rng(1).normal(size=40).cumsum(),
        1,
        [[-1.77803, 0.16166, 2.26498], [-4.16153, 0.38936, 6.05182]],
    ),
    "hourly, with a week": (
        50
        + 10 * np.sin(2 * np.pi * HOURS / 24)
        + 5 * (HOURS // 24 % 7 >= 5)
        + np.random.default_rng(2).normal(0, 1, len(HOURS)),
        24,
        [[48.83657, 51.21984, 53.96286], [55.43728, 59.90545, 64.80121]],
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_the_weights_of_the_package_give_the_forecasts_that_were_stored(name):
    y, season, expected = STORED[name]
    np.testing.assert_allclose(forecast(y, 6, season)[np.ix_([0, 5], [0, 4, 8])], expected, atol=2e-4)


def test_weights_of_a_stranger_have_to_fit():
    tensors = tensors_of(shipped_network())
    again = network_of(tensors)
    for name, part in shipped_network().state_dict().items():
        assert torch.equal(part, again.state_dict()[name])
    shape = tensors["network.encoder.bias"].shape
    for wrong, actual in (
        ({**tensors, "network.encoder.bias": np.zeros(shape[0] + 1, dtype=np.float32)}, "encoder.bias"),
        ({**tensors, "network.encoder.bias": np.zeros(shape)}, "float64"),
        ({**tensors, "other": np.zeros(3)}, "other"),
        ({name: part for name, part in tensors.items() if "rnn" not in name}, "nothing"),
    ):
        with pytest.raises(ForecastError, match=actual):
            network_of(wrong)


def test_it_is_as_small_as_promised():
    parameters = sum(part.numel() for part in shipped_network().parameters())
    assert parameters <= 300_000
    assert 4 * parameters < 1_500_000


def test_snapshots_of_many_steps_are_forecast_as_one_by_one():
    bank, snapshots = Bank(2, 7, second_season(7)), []
    rng = np.random.default_rng(0)
    for t in range(400):
        bank.update(rng.normal(20, 3, 2), np.array([True, t % 5 > 0]))
        if t in (0, 6, 13, 200, 363, 399):
            snapshots.append(bank.snapshot(9))
    together = candidates(joined(snapshots), 9, 7, 364)
    alone = np.concatenate([candidates(snapshot, 9, 7, 364) for snapshot in snapshots])
    np.testing.assert_allclose(together, alone, rtol=1e-12)


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-3])
def test_a_season_that_repeats_exactly_is_repeated(noise):
    """Changes from season to season are no unit where they are nothing beside those from step to step."""
    t = np.arange(72)
    y = 10 + np.sin(2 * np.pi * t / 12) + noise * np.random.default_rng(0).normal(size=72)
    past = single_series(y[:60], t[:60], Calendar(freq=None))
    fitted = Pretrained().fit(past, past.lengths, Problem(horizon=12, context_steps=12, season_steps=12))
    forecasts = fitted.forecast(past, last_origins(past))
    assert np.abs(forecasts.y_hat[0] - y[60:]).max() < 0.05  # of a wave of height 1


def test_a_season_that_rises_far_above_its_changes_is_reached():
    """In units, changes from season to season, an evening may be hundreds away from the hour before it."""
    rng, t = np.random.default_rng(0), np.arange(24 * 30)
    y = np.where(t % 24 < 12, 0.0, 1000.0) + rng.normal(size=len(t))
    past, problem = series(y[: -24 - 18]), Problem(horizon=24, context_steps=1, season_steps=24)
    forecasts = Pretrained().fit(past, past.lengths, problem).forecast(past, last_origins(past))
    assert np.abs(forecasts.y_hat[0] - y[-24 - 18 : -18]).max() < 30


@pytest.mark.parametrize("value", [0.0, 5.0, -3e6])
def test_what_never_changed_is_taken_to_stay_as_it_is(value):
    past = series(np.full(24, value))
    forecasts = Pretrained().fit(past, past.lengths, Problem(8, 4, 4)).forecast(past, last_origins(past))
    assert (forecasts.y_hat == value).all()
    assert (forecasts.quantiles == value).all()
    once = series(np.append(np.full(23, value), value + 1))
    changed = Pretrained().fit(once, once.lengths, Problem(8, 4, 4)).forecast(once, last_origins(once))
    assert (np.diff(changed.quantiles[0], axis=-1) > 0).all()


def logistic_maps(count=4, steps=420, seed=0):
    """Series that no smoother foresees and a network can: x' = 3.8 x (1 - x)."""
    x = np.random.default_rng(seed).uniform(0.2, 0.8, count)
    rows = []
    for _ in range(steps):
        x = 3.8 * x * (1 - x)
        rows.append(x)
    y = 100 + 20 * np.array(rows).T
    panel = series(y.ravel())
    return replace(panel, offsets=np.arange(count + 1) * steps, ids=tuple(f"s{i}" for i in range(count)))


def test_a_network_that_is_trained_on_errs_less_where_validation_says_so():
    panel = logistic_maps()
    problem = Problem(horizon=2, context_steps=1, season_steps=1)
    train, fitted_on = np.full(4, 300), panel.cut(np.full(4, 360))
    tuned = Pretrained(tuning=Tuning()).fit(fitted_on, train, problem)
    assert tuned.epochs > 0
    assert "trained on for" in tuned.notes[-1]
    plain = Pretrained().fit(fitted_on, train, problem)
    steps = np.arange(360, 417)
    origins = Origins(np.repeat(np.arange(4), len(steps)), np.tile(steps, 4))
    rows = origins.rows(panel)[:, None] + np.arange(1, 3)
    errors = [np.abs(one.forecast(panel, origins).y_hat - panel.target[rows]).mean() for one in (tuned, plain)]
    assert errors[0] < 0.95 * errors[1]
    again = tuned.chosen()
    assert again.tuning == Tuning(epochs=tuned.epochs)
    final = again.fit(panel, panel.lengths, problem)
    assert final.epochs == tuned.epochs
    learnt = {id(part) for part in final.network.decoder_parameters()}
    assert sum(part.numel() for part in final.network.decoder_parameters()) > 50_000
    for part, shipped in zip(final.network.parameters(), shipped_network().parameters(), strict=True):
        assert not part.requires_grad
        assert torch.equal(part, shipped) == (id(part) not in learnt)  # what it reads of a series stays as it is


def test_as_a_baseline_it_is_trained_on_as_well():
    panel, train = logistic_maps().cut(np.full(4, 360)), np.full(4, 300)
    problem = Problem(horizon=2, context_steps=1, season_steps=1)
    settings = PretrainedBaselineSettings(name="fine_tuned", method="pretrained", start="pretrained")
    built = build_baseline(settings, seed=3)
    assert (built.name, built.kind) == ("fine_tuned", "network")
    alone = Pretrained(tuning=Tuning(seed=3)).fit(panel, train, problem).forecast(panel, last_origins(panel))
    np.testing.assert_array_equal(
        built.fit(panel, train, problem).forecast(panel, last_origins(panel)).y_hat, alone.y_hat
    )
    as_it_is = build_baseline(settings.model_copy(update={"start": None}), seed=3)
    assert (as_it_is.kind, as_it_is.tuning) == ("pretrained", None)


def test_intervals_of_a_network_that_was_trained_on_are_a_fifth_wider_than_it_learnt(monkeypatch):
    panel, problem = logistic_maps(), Problem(horizon=2, context_steps=1, season_steps=1)
    forecaster = Pretrained(tuning=Tuning(epochs=2))
    widened = forecaster.fit(panel, panel.lengths, problem).forecast(panel, last_origins(panel))
    monkeypatch.setattr(fine_tuning, "WIDER", 1.0)
    learnt = forecaster.fit(panel, panel.lengths, problem).forecast(panel, last_origins(panel))
    np.testing.assert_array_equal(widened.y_hat, learnt.y_hat)
    median = learnt.y_hat[..., None]
    np.testing.assert_allclose(widened.quantiles - median, 1.2 * (learnt.quantiles - median), rtol=1e-4, atol=1e-4)


def test_a_training_on_the_series_judges_the_whole_forecast_plain_weighing_included(monkeypatch):
    monkeypatch.setattr(fine_tuning, "EPOCHS", 1)
    y, problem = monthly(66), Problem(horizon=6, context_steps=1, season_steps=12)
    lengths = np.array([60]), np.array([66])
    judged = fine_tuning.fine_tune(shipped_network(), y[None], np.ones((1, 66), dtype=bool), lengths, problem)
    bank, levels = Bank(1, 12), np.array(LEVELS)
    for value in y[:60]:
        bank.update(np.array([value]), np.array([True]))
    at = bank.snapshot(6)
    spread = at.sums.unit[0] * spread_of(scaled(candidates(at, 6, 12, 1), at, 12)).numpy().mean()
    error = y[60:, None] - forecast(y[:60], 6, 12)
    pinball = np.maximum(levels * error, (levels - 1) * error).mean(axis=1)
    assert judged.before == pytest.approx(np.mean(2 * pinball + 0.5 * np.abs(error[:, 4])) / spread, rel=1e-4)


def test_what_gains_nothing_leaves_the_network_as_it_is():
    rng = np.random.default_rng(5)
    panel = series(rng.normal(size=260).cumsum())
    problem = Problem(horizon=4, context_steps=1, season_steps=1)
    fitted = Pretrained(tuning=Tuning()).fit(panel, np.array([220]), problem)
    unvalidated = Pretrained(tuning=Tuning()).fit(panel, panel.lengths, problem)
    for one in (fitted, unvalidated):
        assert one.network is shipped_network()
        assert "gained nothing on validation" in one.notes[-1]
        assert one.chosen().fit(panel, panel.lengths, problem).network is shipped_network()


def streamed(y, start, season, horizon=7):
    """The network in use after the first rows, and the batch's forecasts after each other one, (row, step, level)."""
    panel = series(np.nan_to_num(y))
    panel = replace(panel, observed=~np.isnan(y)[:, None])
    problem = Problem(horizon=horizon, context_steps=1, season_steps=season)
    fitted = Pretrained().fit(panel, panel.lengths, problem)
    steps = np.arange(start, len(y))
    batch = fitted.forecast(panel, Origins(np.zeros_like(steps), steps)).quantiles
    return fitted.start(panel.cut(np.array([start]))), batch


@pytest.mark.parametrize(("kind", "season"), [("positive", 7), ("signed", 1), ("counts", 12), ("constant", 4)])
def test_compiled_each_row_has_the_forecasts_of_the_batch(kind, season, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(live_pretrained, "_ROWS_THAT_PAY", 5)
    rng = np.random.default_rng(6)
    t = np.arange(170 + (375 if season == 7 else 0))
    y = {
        "positive": 60 + 9 * np.sin(2 * np.pi * t / season) + rng.normal(size=len(t)).cumsum(),
        "signed": rng.normal(size=len(t)).cumsum(),
        "counts": rng.poisson(0.7, len(t)).astype(float),
        "constant": np.full(len(t), 3.0),
    }[kind]
    if kind == "positive":
        y[[-60, -31, -30, -3]] = np.nan
        y[-20] = -1.0  # logarithms end here
    start = len(y) - 62
    live, batch = streamed(y, start, season)
    for row, value in enumerate(y[start:]):
        forecasts = live.update(value).quantiles[0]
        width = 1e-9 + np.ptp(batch[row])  # the network is in single precision: some ten roundings
        np.testing.assert_allclose(forecasts / width, batch[row] / width, rtol=1e-6, atol=4e-6)
    assert live._compiled
    kept = live.memory()
    again, _ = streamed(y, start, season)
    again.remember(kept)
    assert again._compiled
    np.testing.assert_array_equal(again.forecast().quantiles, live.forecast().quantiles)
    np.testing.assert_array_equal(again.update_many(y[:9]).quantiles[-1], live.update_many(y[:9]).quantiles[-1])
    monkeypatch.setattr(live_pretrained, "AVAILABLE", False)
    plain, _ = streamed(y, start, season)
    for value in y[start:]:
        expected = plain.update(value)
    assert not plain._compiled
    np.testing.assert_allclose(expected.quantiles[0] / width, batch[-1] / width, rtol=1e-6, atol=2e-6)
    for name, array in plain.memory().items():
        of_bank = name.startswith("bank")  # in double precision, its forecasts along paths among it
        accuracy = {"rtol": 1e-8, "atol": 1e-9} if of_bank else {"rtol": 1e-4, "atol": 1e-6}  # 545 roundings
        np.testing.assert_allclose(kept[name], array, err_msg=name, **accuracy)


def test_a_young_series_is_compiled_once_all_its_seasons_lie_behind_it(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(live_pretrained, "_ROWS_THAT_PAY", 5)
    y = monthly(140)
    live, batch = streamed(y, 4, 12)
    compiled = []
    for row, value in enumerate(y[4:]):
        width = np.ptp(batch[row])
        np.testing.assert_allclose(live.update(value).quantiles[0] / width, batch[row] / width, rtol=1e-6, atol=2e-6)
        compiled.append(bool(live._compiled))
    assert compiled.index(True) == 101 - 5  # from 101 values on gains are the constants
