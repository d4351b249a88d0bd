"""What every forecaster promises, asked of everything that is registered.

Baselines (`conf/baseline`), references, cells and heads of values come out of their tables; to put another network
under the contract, add a line to `NETWORKS` or `ENSEMBLES`. Those of directions and of symbols have contracts of their
own (`test_direction`, `test_symbol_forecasters`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from forecast.forecasters import model_search
from forecast.forecasters.baselines import BaselineSettings, build_baseline, refusal
from forecast.forecasters.combination import Combination
from forecast.forecasters.ensemble import Ensemble, ensemble
from forecast.forecasters.interface import QUANTILES, Fitted, Forecaster, Forecasts, Kind
from forecast.forecasters.naive import NaiveRule, UntrainedReference, last_value, straight_line
from forecast.forecasters.pretrained import Pretrained
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.regression import Regression
from forecast.forecasters.transformed import Transformed
from forecast.network.settings import CELLS, EsnSettings, GruSettings, LstmSettings, MinGruSettings, RnnSettings
from forecast.questions.kinds import VALUE, Problem
from forecast.questions.split import Origins
from forecast.reference.references import NAMES
from forecast.series.calendar import Calendar
from forecast.series.panel import Panel, single_series
from forecast.training.settings import TrainingSettings

# A horizon longer than the season: a rule that goes back one season only reads what it may not know.
PROBLEM = Problem(horizon=5, context_steps=9, season_steps=4)
TRAIN, VALIDATION = np.array([60, 85]), np.array([20, 20])
TRAINING = TrainingSettings(chunk_steps=16, lanes=4, max_epochs=2, accelerator="cpu", threads=1)
WINDOWS = TRAINING.model_copy(update={"regime": "windows", "batches_per_epoch": 5})


def settings_of(path: Path) -> BaselineSettings:
    values = yaml.safe_load(path.read_text(encoding="utf-8").replace("${model.reference}", "auto"))
    values |= {"max_steps": 32} if "max_steps" in values else {}  # a likelihood of fewer takes less time
    return TypeAdapter(BaselineSettings).validate_python(values)


def baseline(path: Path) -> Forecaster:
    return build_baseline(settings_of(path), seed=0)


YAMLS = sorted(
    path
    for path in (Path(__file__).parents[2] / "conf" / "baseline").glob("*.yaml")
    if not refusal(settings_of(path), VALUE)  # the others: test_direction, test_symbol_forecasters
)
HEADS = {f"head {head}": Recurrent(GruSettings(hidden_size=4, head=head), TRAINING) for head in VALUE.heads}
NETWORKS: dict[str, Recurrent] = {
    **{cell: Recurrent(CELLS[cell].settings(hidden_size=20 if cell == "esn" else 4), TRAINING) for cell in CELLS},
    **HEADS,
    "gru of two layers": Recurrent(GruSettings(hidden_size=4, layers=2, dropout=0.2), TRAINING),
    "sigmoid": Recurrent(RnnSettings(hidden_size=4, activation="sigmoid", recurrent_init="orthogonal"), TRAINING),
    "deep": Recurrent(
        GruSettings(hidden_size=4, layers=2, dilations=(1, 6), residual=True, layer_norm=True, dropout=0.2), TRAINING
    ),
    "mingru recursive": Recurrent(MinGruSettings(hidden_size=4, strategy="recursive", dilations=(2,)), TRAINING),
    "bidirectional": Recurrent(LstmSettings(hidden_size=4, bidirectional=True), WINDOWS),
    "esn recursive": Recurrent(EsnSettings(hidden_size=20, strategy="recursive", fork_ensemble=3), TRAINING),
    "lstm windows": Recurrent(LstmSettings(hidden_size=4), WINDOWS),
    "recursive": Recurrent(LstmSettings(hidden_size=4, layers=2, strategy="recursive"), TRAINING),
    "recursive gaussian": Recurrent(RnnSettings(hidden_size=4, strategy="recursive", head="gaussian"), TRAINING),
    "recursive windows": Recurrent(GruSettings(hidden_size=4, strategy="recursive"), WINDOWS),
    "seq2seq": Recurrent(RnnSettings(hidden_size=4, strategy="seq2seq"), TRAINING),
    "forks": Recurrent(LstmSettings(hidden_size=4, fork_ensemble=3, head="quantile"), TRAINING),
    "forks windows": Recurrent(GruSettings(hidden_size=4, strategy="recursive", fork_ensemble=9), WINDOWS),
}


def learning(settings):
    """Return a network that learns in two epochs: on a reference that is hard to better it stays untrained."""
    training = TRAINING.model_copy(update={"learning_rate": 0.03})
    return Recurrent(settings.model_copy(update={"reference": "last"}), training)


ENSEMBLES: dict[str, Ensemble] = {
    "median of points": ensemble(learning(RnnSettings(hidden_size=4)), 3, "median"),
    "mean of points": ensemble(learning(EsnSettings(hidden_size=20)), 3, "mean"),
    "median of distributions": ensemble(learning(GruSettings(hidden_size=4, head="gaussian")), 3, "median"),
    "mean of distributions": ensemble(learning(GruSettings(hidden_size=4, head="quantile")), 2, "mean"),
}
FORECASTERS: dict[str, Forecaster] = {
    **{path.stem: baseline(path) for path in YAMLS},
    **{f"reference {name}": UntrainedReference(reference=name) for name in NAMES},
    **NETWORKS,
    **ENSEMBLES,
    "pretrained network": Pretrained(kind="network"),
    "combination": Combination((NaiveRule("drift", straight_line), NaiveRule("naive", last_value)), (0.75, 0.25)),
}
LOGS = {f"log {name}": Transformed(FORECASTERS[name]) for name in ("drift", "ridge", "lstm", "median of distributions")}
EVERY = {**FORECASTERS, **LOGS}
COUNTS = "head negative_binomial"

every = pytest.mark.parametrize("name", EVERY)
every_network = pytest.mark.parametrize("name", [name for name in EVERY if EVERY[name].kind == "network"])
every_other = pytest.mark.parametrize("name", [name for name in EVERY if EVERY[name].kind != "network"])


def make_panel() -> Panel:
    """Two noisy series above zero with two seasons each, of other levels, units and lengths, and with missing values.

    Some are masked, others filled. Values are multiples of 2^-20, so that changing their unit by a power of two and
    their level by a whole number loses no digit.
    """
    rng = np.random.default_rng(11)
    lengths = np.array([100, 130])
    t = np.concatenate([np.arange(n) for n in lengths])
    seasons = np.sin(2 * np.pi * t / 4) + np.sin(2 * np.pi * t / 12)
    y = seasons + 0.3 * rng.standard_normal(230) + 0.1 * rng.standard_normal(230).cumsum()
    y = np.repeat([40.0, 9.0], lengths) + y * np.repeat([4.0, 0.5], lengths)
    panel = single_series(np.round(y * 2**20) / 2**20, t, Calendar(freq=None))
    masked = np.zeros((230, 1), dtype=np.bool_)
    masked[[12, 30, 31, 70, 84, 100 + 20, 100 + 95, 100 + 118, 100 + 119]] = True  # training, validation, origins
    observed = ~masked
    observed[[45, 90, 91, 100 + 50, 100 + 110]] = False
    panel = replace(panel, offsets=np.array([0, 100, 230]), ids=("a", "b"), observed=observed, masked=masked)
    for array in (panel.values, panel.observed, panel.offsets, panel.times, panel.masked):
        array.setflags(write=False)  # whoever changes what it is handed fails
    return panel


PANEL = make_panel()
ORIGINS = Origins(np.repeat([0, 1], [20, 25]), np.concatenate([np.arange(79, 99), np.arange(104, 129)]))


def panel_for(name: str) -> Panel:
    """The panel that a forecaster is fitted on: of whole numbers where it forecasts counts."""
    return replace(PANEL, values=np.round(PANEL.values)) if name == COUNTS else PANEL


def fit(forecaster: Forecaster, panel: Panel) -> Fitted:
    return forecaster.fit(panel.cut(TRAIN + VALIDATION), TRAIN, PROBLEM)


@cache
def fitted(name: str) -> Fitted:
    return fit(EVERY[name], panel_for(name))


@cache
def forecasts(name: str) -> Forecasts:
    return fitted(name).forecast(panel_for(name), ORIGINS)


def values_of(forecast: Forecasts) -> np.ndarray:
    """All that is forecast in the target's units, (origin, horizon, point | quantile | member ...)."""
    parts = [forecast.y_hat[..., None]]
    parts += [] if forecast.quantiles is None else [forecast.quantiles]
    parts += [] if forecast.members is None else [np.moveaxis(forecast.members, 0, -1)]
    return np.concatenate(parts, axis=-1)


def tolerance(name: str) -> float:
    """Rounding alone: networks calculate in single precision."""
    return 2e-5 if EVERY[name].kind in ("network", "pretrained") else 1e-9


def assert_equal(name: str, forecast: Forecasts, which: object = slice(None)) -> None:
    """The same forecasts as those at some of `ORIGINS`, up to rounding."""
    np.testing.assert_allclose(values_of(forecast), values_of(forecasts(name))[which], rtol=tolerance(name))


def changed_after(panel: Panel, steps: np.ndarray, series: int | None = None) -> Panel:
    """Other values from step `steps[i]` of every series on, or of one."""
    values = panel.values.copy()
    for i in range(len(panel)):
        if series is None or i == series:
            rest = values[panel.offsets[i] + steps[i] : panel.offsets[i + 1]]
            rest[:] = 3.0 * rest[::-1] + 7.0
    return replace(panel, values=values)


@pytest.fixture(scope="module", autouse=True)
def search_few_orders():
    """Let ARIMA try a few of its forms: what it promises holds of each, and `test_statistical` has the whole search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_search, "_MOST_MODELS", 8)
        yield


@every
def test_shape_type_kind_and_notes(name):
    forecast, (origins, horizon) = forecasts(name), (len(ORIGINS), PROBLEM.horizon)
    assert (forecast.y_hat.shape, forecast.y_hat.dtype) == ((origins, horizon), np.float64)
    assert forecast.quantiles is None or forecast.quantiles.shape == (origins, horizon, len(QUANTILES))
    members = len(ENSEMBLES[name.removeprefix("log ")].members) if name.removeprefix("log ") in ENSEMBLES else 0
    assert (forecast.members is None) == (members == 0)
    assert forecast.members is None or forecast.members.shape == (members, origins, horizon)
    assert np.isfinite(values_of(forecast)).all()
    assert EVERY[name].kind in get_args(Kind)
    assert EVERY[name].name
    notes = fitted(name).notes
    assert isinstance(notes, tuple)
    assert all(note and "\n" not in note for note in notes)


@pytest.mark.parametrize(
    "name",
    [*HEADS, "recursive gaussian", "forks", "median of distributions", "mean of distributions"],
)
def test_a_distribution_has_quantiles_in_order_around_its_point(name):
    forecast = forecasts(name)
    if name == "head point":
        assert forecast.quantiles is None
        return
    steps = np.diff(forecast.quantiles, axis=-1)
    assert (steps >= 0).all() if name == COUNTS else (steps > 0).all()
    assert (forecast.quantiles[..., 0] < forecast.y_hat).all()
    assert (forecast.y_hat < forecast.quantiles[..., -1]).all()
    if name not in (COUNTS, "recursive gaussian"):  # the mean of counts, and of sample trajectories
        np.testing.assert_allclose(forecast.quantiles[..., QUANTILES.index(0.5)], forecast.y_hat, rtol=1e-5)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_each_member_is_the_network_of_its_own_seed_and_they_are_combined_one_by_one(name):
    members = EVERY[name].members
    assert len({member.seed for member in members}) == len(members)
    alone = [fit(member, PANEL).forecast(PANEL, ORIGINS) for member in members]
    for first, second in combinations(alone, 2):
        assert np.abs(first.y_hat - second.y_hat).max() > 1e-4
    forecast = forecasts(name)
    np.testing.assert_array_equal(forecast.members, [one.y_hat for one in alone])
    combine = {"median": np.median, "mean": np.mean}[EVERY[name].combine]
    for i, h in np.ndindex(forecast.y_hat.shape):
        assert forecast.y_hat[i, h] == combine([one.y_hat[i, h] for one in alone])
    if forecast.quantiles is not None:
        expected = combine(np.stack([one.quantiles for one in alone], axis=-1), axis=-1)
        np.testing.assert_allclose(forecast.quantiles, expected, rtol=1e-12)


@every
def test_no_origin_gives_no_forecast(name):
    none = Origins(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    forecast = fitted(name).forecast(panel_for(name), none)
    assert values_of(forecast).shape == (0, *values_of(forecasts(name)).shape[1:])


@every
def test_fitting_again_gives_the_same_forecasts(name):
    again = fit(EVERY[name], panel_for(name)).forecast(panel_for(name), ORIGINS)
    np.testing.assert_array_equal(values_of(again), values_of(forecasts(name)))


@every
def test_forecasting_leaves_the_fitted_object_as_it_was(name):
    before = forecasts(name)
    fitted(name).forecast(changed_after(panel_for(name), np.array([30, 30])), ORIGINS[5:9])
    np.testing.assert_array_equal(values_of(fitted(name).forecast(panel_for(name), ORIGINS)), values_of(before))


@every
def test_a_forecast_does_not_depend_on_the_other_origins(name):
    order = np.random.default_rng(0).permutation(len(ORIGINS))
    assert_equal(name, fitted(name).forecast(panel_for(name), ORIGINS[order]), order)
    for i in (0, 19, 20, 44):
        assert_equal(name, fitted(name).forecast(panel_for(name), ORIGINS[i : i + 1]), [i])


@every
def test_forecasts_are_the_same_from_data_cut_at_the_origin(name):
    for i in (0, 5, 7, 19, 20, 33, 34, 44):  # 5 and 34 lie at missing values
        cut = panel_for(name).cut(ORIGINS[i : i + 1].last_known(len(PANEL)))
        assert_equal(name, fitted(name).forecast(cut, ORIGINS[i : i + 1]), [i])


@every
def test_nothing_after_an_origin_reaches_its_forecast(name):
    for steps in (79, 90):
        early = ORIGINS.steps < np.array([steps, steps + 25])[ORIGINS.series]
        other = changed_after(panel_for(name), np.array([steps, steps + 25]))
        assert_equal(name, fitted(name).forecast(other, ORIGINS[early]), early)


@every
def test_no_series_reaches_the_forecasts_of_another(name):
    second = ORIGINS.series == 1
    other = changed_after(panel_for(name), np.array([0, 0]), series=0)
    assert_equal(name, fitted(name).forecast(other, ORIGINS[second]), second)


@every
def test_nothing_that_stands_at_a_masked_value_is_read(name):
    """Of what forecasts without inputs, nor what fills any other value that was not observed."""
    panel = panel_for(name)
    unread = ~panel.observed if EVERY[name].kind in ("naive", "statistical") else panel.masked
    other = replace(panel, values=np.where(unread, 3.0 * panel.values + 100.0, panel.values))
    assert_equal(name, fitted(name).forecast(other, ORIGINS))
    assert_equal(name, fit(EVERY[name], other).forecast(other, ORIGINS))


@every
def test_what_was_chosen_is_all_that_the_validation_split_decides(name):
    """With everything fixed that validation chose, scale, reference and weights know the training split alone."""
    final = fitted(name).chosen()
    assert (final.name, final.kind) == (EVERY[name].name, EVERY[name].kind)
    elsewhere = fit(final, changed_after(panel_for(name), TRAIN))
    assert_equal(name, elsewhere.forecast(panel_for(name), ORIGINS))


@every_other
def test_a_target_that_was_not_observed_is_not_fitted_on(name):
    """The last training step can only be a target; a network's targets are looked at one by one in its own tests."""
    last = PANEL.offsets[:-1] + TRAIN - 1
    observed, values = PANEL.observed.copy(), PANEL.values.copy()
    observed[last] = False
    values[last] *= 3.0
    actual, expected = (
        EVERY[name].fit(panel.cut(TRAIN), TRAIN, PROBLEM).forecast(PANEL, ORIGINS).y_hat
        for panel in (replace(PANEL, observed=observed, values=values), replace(PANEL, observed=observed))
    )
    np.testing.assert_allclose(actual, expected, rtol=tolerance(name))


@every
def test_what_was_chosen_can_be_fitted_on_all_rows(name):
    final = fitted(name).chosen().fit(panel_for(name), PANEL.lengths, PROBLEM)
    y_hat = final.forecast(panel_for(name), Origins(np.array([0, 1]), PANEL.lengths - 1)).y_hat
    assert y_hat.shape == (2, PROBLEM.horizon)
    assert np.isfinite(y_hat).all()


@every_network
def test_row_by_row_it_forecasts_the_same(name):
    panel, past = panel_for(name), np.array([80, 114])
    rows = panel.offsets[:-1] + past
    live = fitted(name).start(panel.cut(past))
    for step in range(6):  # missing values at the fourth and fifth
        forecast = live.forecast()
        whole = fitted(name).forecast(panel, Origins(np.array([0, 1]), past + step - 1))
        np.testing.assert_allclose(forecast.y_hat, whole.y_hat, rtol=1e-4)
        if whole.quantiles is not None:
            np.testing.assert_allclose(forecast.quantiles, whole.quantiles, rtol=1e-4)
        live.update(np.where(panel.masked[rows + step, 0], np.nan, panel.target[rows + step]))


@pytest.mark.parametrize("name", [name for name in EVERY if name != COUNTS])
def test_another_unit_of_the_data_is_that_of_the_forecasts(name):
    other = replace(PANEL, values=PANEL.values * 1024.0)
    forecast = fit(EVERY[name], other).forecast(other, ORIGINS)
    rtol = 1e-4 if EVERY[name].kind in ("network", "pretrained") else 1e-7 if name in LOGS else 1e-12
    np.testing.assert_allclose(values_of(forecast), values_of(forecasts(name)) * 1024.0, rtol=rtol)


@pytest.mark.parametrize(
    "name",
    [
        name for name in FORECASTERS if not any(part in name for part in ("owa", "pretrained", "fine_tuned", COUNTS))
    ],  # they know a zero
)
def test_another_level_of_the_data_is_that_of_the_forecasts(name):
    forecaster, expected = FORECASTERS[name], forecasts(name)
    if isinstance(forecaster, Regression):
        # Differences to the last value are exact; to a blend they are rounded, and a tree's threshold makes that large.
        forecaster = replace(forecaster, reference="last")
        expected = fit(forecaster, PANEL).forecast(PANEL, ORIGINS)
    other = replace(PANEL, values=PANEL.values + 4096.0)
    forecast = fit(forecaster, other).forecast(other, ORIGINS)
    np.testing.assert_allclose(values_of(forecast) - 4096.0, values_of(expected), rtol=tolerance(name))
