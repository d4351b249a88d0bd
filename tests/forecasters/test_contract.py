"""What every forecaster promises, asked of everything that is registered.

To put a new one under the contract, add a line to `FORECASTERS`; a YAML in `conf/baseline` is under it by itself.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from forecast.forecasters.baselines import BaselineSettings, build_baseline, refusal
from forecast.forecasters.interface import QUANTILES, Fitted, Forecaster, Kind
from forecast.forecasters.naive import UntrainedReference
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.regression import Regression
from forecast.forecasters.transformed import Transformed
from forecast.network.settings import EsnSettings, GruSettings, LstmSettings, MinGruSettings, RnnSettings
from forecast.questions.kinds import VALUE, Problem
from forecast.questions.split import Origins
from forecast.reference.references import NAMES
from forecast.series.calendar import Calendar
from forecast.series.panel import Panel, single_series
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=5, context_steps=9, season_steps=6)
TRAIN, VALIDATION = np.array([60, 85]), np.array([20, 20])
TRAINING = TrainingSettings(chunk_steps=16, lanes=4, max_epochs=3, accelerator="cpu", threads=1)
WINDOWS = TRAINING.model_copy(update={"regime": "windows", "batches_per_epoch": 5})


def settings_of(path: Path) -> BaselineSettings:
    values = yaml.safe_load(path.read_text(encoding="utf-8").replace("${model.reference}", "auto"))
    return TypeAdapter(BaselineSettings).validate_python(values)


def baseline(path: Path) -> Forecaster:
    return build_baseline(settings_of(path), seed=0)


YAMLS = sorted(
    path
    for path in (Path(__file__).parents[2] / "conf" / "baseline").glob("*.yaml")
    if not refusal(settings_of(path), VALUE)  # the others: test_direction, test_symbol_forecasters
)
FORECASTERS: dict[str, Forecaster] = {
    **{path.stem: baseline(path) for path in YAMLS},
    **{f"reference {name}": UntrainedReference(reference=name) for name in NAMES},
    "rnn": Recurrent(RnnSettings(hidden_size=4), TRAINING),
    "lstm": Recurrent(LstmSettings(hidden_size=4), TRAINING),
    "gru": Recurrent(GruSettings(hidden_size=4, layers=2, dropout=0.2), TRAINING),
    "sigmoid": Recurrent(RnnSettings(hidden_size=4, activation="sigmoid", recurrent_init="orthogonal"), TRAINING),
    "mingru": Recurrent(MinGruSettings(hidden_size=4, layers=2), TRAINING),
    "deep": Recurrent(
        GruSettings(hidden_size=4, layers=2, dilations=(1, 6), residual=True, layer_norm=True, dropout=0.2), TRAINING
    ),
    "mingru recursive": Recurrent(MinGruSettings(hidden_size=4, strategy="recursive", dilations=(2,)), TRAINING),
    "bidirectional": Recurrent(LstmSettings(hidden_size=4, bidirectional=True), WINDOWS),
    "esn": Recurrent(EsnSettings(hidden_size=20), TRAINING),
    "esn recursive": Recurrent(EsnSettings(hidden_size=20, strategy="recursive", fork_ensemble=3), TRAINING),
    "lstm quantile": Recurrent(LstmSettings(hidden_size=4, head="quantile"), TRAINING),
    "gru gaussian": Recurrent(GruSettings(hidden_size=4, head="gaussian"), TRAINING),
    "rnn student_t": Recurrent(RnnSettings(hidden_size=4, head="student_t"), TRAINING),
    "lstm windows": Recurrent(LstmSettings(hidden_size=4), WINDOWS),
    "recursive": Recurrent(LstmSettings(hidden_size=4, layers=2, strategy="recursive"), TRAINING),
    "recursive windows": Recurrent(GruSettings(hidden_size=4, strategy="recursive"), WINDOWS),
    "seq2seq": Recurrent(RnnSettings(hidden_size=4, strategy="seq2seq"), TRAINING),
    "forks": Recurrent(LstmSettings(hidden_size=4, fork_ensemble=3), TRAINING),
    "forks windows": Recurrent(GruSettings(hidden_size=4, strategy="recursive", fork_ensemble=9), WINDOWS),
}
LOGS = {f"log {name}": Transformed(FORECASTERS[name]) for name in ("drift", "ridge", "lstm")}
EVERY = {**FORECASTERS, **LOGS}

every = pytest.mark.parametrize("name", EVERY)


def make_panel() -> Panel:
    """Two noisy seasonal series above zero, of other levels, units and lengths.

    Values are multiples of 2^-20, so that changing their unit by a power of two and their level by a whole number
    loses no digit.
    """
    rng = np.random.default_rng(11)
    lengths = np.array([100, 130])
    t = np.concatenate([np.arange(n) for n in lengths])
    y = np.sin(2 * np.pi * t / 6) + 0.3 * rng.standard_normal(230) + 0.1 * rng.standard_normal(230).cumsum()
    y = np.repeat([40.0, 9.0], lengths) + y * np.repeat([4.0, 0.5], lengths)
    panel = single_series(np.round(y * 2**20) / 2**20, t, Calendar(freq=None))
    panel = replace(panel, offsets=np.array([0, 100, 230]), ids=("a", "b"))
    for array in (panel.values, panel.observed, panel.offsets, panel.times):
        array.setflags(write=False)  # whoever changes what it is handed fails
    return panel


PANEL = make_panel()
ORIGINS = Origins(np.repeat([0, 1], [20, 25]), np.concatenate([np.arange(79, 99), np.arange(104, 129)]))


def fit(forecaster: Forecaster, panel: Panel = PANEL) -> Fitted:
    return forecaster.fit(panel.cut(TRAIN + VALIDATION), TRAIN, PROBLEM)


@cache
def fitted(name: str) -> Fitted:
    return fit(EVERY[name])


@cache
def forecasts(name: str) -> np.ndarray:
    return fitted(name).forecast(PANEL, ORIGINS).y_hat


def assert_close(name: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to rounding: networks calculate in single precision."""
    network = EVERY[name].kind == "network"
    np.testing.assert_allclose(found, expected, rtol=2e-5 if network else 1e-9)


def changed_after(panel: Panel, steps: np.ndarray, series: int | None = None) -> Panel:
    """Other values from step `steps[i]` of every series on, or of one."""
    values = panel.values.copy()
    for i in range(len(panel)):
        if series is None or i == series:
            rest = values[panel.offsets[i] + steps[i] : panel.offsets[i + 1]]
            rest[:] = 3.0 * rest[::-1] + 7.0
    return replace(panel, values=values)


@every
def test_shape_type_kind_and_notes(name):
    y_hat = forecasts(name)
    assert (y_hat.shape, y_hat.dtype) == ((len(ORIGINS), PROBLEM.horizon), np.float64)
    assert np.isfinite(y_hat).all()
    assert EVERY[name].kind in get_args(Kind)
    assert EVERY[name].name
    notes = fitted(name).notes
    assert isinstance(notes, tuple)
    assert all(note and "\n" not in note for note in notes)


@pytest.mark.parametrize("name", ["lstm quantile", "gru gaussian", "rnn student_t"])
def test_a_distribution_has_quantiles_in_order_around_its_point(name):
    told = fitted(name).forecast(PANEL, ORIGINS)
    assert told.quantiles.shape == (*told.y_hat.shape, len(QUANTILES))
    assert (np.diff(told.quantiles, axis=-1) > 0).all()
    np.testing.assert_allclose(told.quantiles[..., QUANTILES.index(0.5)], told.y_hat, rtol=1e-5)


@every
def test_no_origin_gives_no_forecast(name):
    none = Origins(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert fitted(name).forecast(PANEL, none).y_hat.shape == (0, PROBLEM.horizon)


@every
def test_fitting_again_gives_the_same_forecasts(name):
    np.testing.assert_array_equal(fit(EVERY[name]).forecast(PANEL, ORIGINS).y_hat, forecasts(name))


@every
def test_forecasting_leaves_the_fitted_object_as_it_was(name):
    before = forecasts(name)
    fitted(name).forecast(changed_after(PANEL, np.array([30, 30])), ORIGINS[5:9])
    np.testing.assert_array_equal(fitted(name).forecast(PANEL, ORIGINS).y_hat, before)


@every
def test_a_forecast_does_not_depend_on_the_other_origins(name):
    order = np.random.default_rng(0).permutation(len(ORIGINS))
    assert_close(name, fitted(name).forecast(PANEL, ORIGINS[order]).y_hat, forecasts(name)[order])
    for i in (0, 19, 20, 44):
        alone = fitted(name).forecast(PANEL, ORIGINS[i : i + 1]).y_hat
        assert_close(name, alone, forecasts(name)[i : i + 1])


@every
def test_forecasts_are_the_same_from_data_cut_at_the_origin(name):
    for i in (0, 7, 19, 20, 33, 44):
        origin = ORIGINS[i : i + 1]
        cut = PANEL.cut(origin.last_known(len(PANEL)))
        assert_close(name, fitted(name).forecast(cut, origin).y_hat, forecasts(name)[i : i + 1])


@every
def test_nothing_after_an_origin_reaches_its_forecast(name):
    for steps in (79, 90):
        early = ORIGINS[(ORIGINS.steps < np.array([steps, steps + 25])[ORIGINS.series])]
        other = changed_after(PANEL, np.array([steps, steps + 25]))
        kept = fitted(name).forecast(other, early).y_hat
        assert_close(name, kept, fitted(name).forecast(PANEL, early).y_hat)


@every
def test_no_series_reaches_the_forecasts_of_another(name):
    mine = ORIGINS.series == 1
    other = changed_after(PANEL, np.array([0, 0]), series=0)
    assert_close(name, fitted(name).forecast(other, ORIGINS[mine]).y_hat, forecasts(name)[mine])


@every
def test_what_was_chosen_is_all_that_the_validation_split_decides(name):
    """With everything fixed that validation chose, scale, reference and weights know the training split alone."""
    final = fitted(name).chosen()
    assert (final.name, final.kind) == (EVERY[name].name, EVERY[name].kind)
    assert_close(name, fit(final).forecast(PANEL, ORIGINS).y_hat, forecasts(name))
    elsewhere = fit(final, changed_after(PANEL, TRAIN))
    assert_close(name, elsewhere.forecast(PANEL, ORIGINS).y_hat, forecasts(name))


@pytest.mark.parametrize("name", [name for name, one in EVERY.items() if one.kind != "network"])
def test_a_target_that_was_not_observed_is_not_fitted_on(name):
    """The last training step can only be a target; a network's targets are looked at one by one in its own tests."""
    last = PANEL.offsets[:-1] + TRAIN - 1
    observed, values = PANEL.observed.copy(), PANEL.values.copy()
    observed[last] = False
    values[last] *= 3.0
    found, expected = (
        EVERY[name].fit(panel.cut(TRAIN), TRAIN, PROBLEM).forecast(PANEL, ORIGINS).y_hat
        for panel in (replace(PANEL, observed=observed, values=values), replace(PANEL, observed=observed))
    )
    assert_close(name, found, expected)


@every
def test_what_was_chosen_can_be_fitted_on_all_rows(name):
    final = fitted(name).chosen().fit(PANEL, PANEL.lengths, PROBLEM)
    y_hat = final.forecast(PANEL, Origins(np.array([0, 1]), PANEL.lengths - 1)).y_hat
    assert y_hat.shape == (2, PROBLEM.horizon)
    assert np.isfinite(y_hat).all()


@every
def test_another_unit_of_the_data_is_that_of_the_forecasts(name):
    other = replace(PANEL, values=PANEL.values * 1024.0)
    y_hat = fit(EVERY[name], other).forecast(other, ORIGINS).y_hat
    tolerance = 1e-4 if EVERY[name].kind == "network" else 1e-7 if name in LOGS else 1e-12
    np.testing.assert_allclose(y_hat, forecasts(name) * 1024.0, rtol=tolerance)


@pytest.mark.parametrize("name", [name for name in FORECASTERS if "owa" not in name])  # percentages know a zero
def test_another_level_of_the_data_is_that_of_the_forecasts(name):
    forecaster = FORECASTERS[name]
    if isinstance(forecaster, Regression):
        # Differences to the last value are exact; to a blend they are rounded, and a tree's threshold makes that large.
        forecaster = replace(forecaster, reference="last")
    other = replace(PANEL, values=PANEL.values + 4096.0)
    y_hat = fit(forecaster, other).forecast(other, ORIGINS).y_hat
    assert_close(name, y_hat - 4096.0, fit(forecaster).forecast(PANEL, ORIGINS).y_hat)
