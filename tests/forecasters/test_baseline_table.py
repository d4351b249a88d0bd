from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from forecast.errors import ForecastError
from forecast.forecasters.baselines import REGRESSORS, BaselineSettings, build_baseline
from forecast.forecasters.settings import RegressionSettings
from forecast.questions.kinds import Problem, TargetType
from forecast.questions.split import rolling_origins
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series

YAMLS = sorted((Path(__file__).parents[2] / "conf" / "baseline").glob("*.yaml"))
FAST = {
    "ada_boost": {"n_estimators": 3},
    "extra_trees": {"n_estimators": 5},
    "gradient_boosting": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 3},
    "random_forest": {"n_estimators": 5},
    "mlp": {"max_iter": 5},
}


def settings_from(values: dict[str, object]) -> BaselineSettings:
    return TypeAdapter(BaselineSettings).validate_python(values)


def forecasts(settings: BaselineSettings, seed: int = 0, target_type: TargetType = "value") -> np.ndarray:
    """Forecasts of a noisy season of 6 steps, fitted on 60 of 90 steps."""
    rng = np.random.default_rng(1)
    y = np.sin(np.arange(90) / 6 * 2 * np.pi) + 0.3 * rng.standard_normal(90) + 0.02 * np.arange(90)
    panel = single_series(y, np.arange(90), Calendar(freq=None))
    fitted = build_baseline(settings, seed).fit(
        panel.cut(np.array([75])), np.array([60]), Problem(3, 8, 6, target_type)
    )
    return fitted.forecast(panel, rolling_origins(panel, np.array([75]), np.array([90]), 3)).y_hat


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_every_yaml_describes_a_baseline_of_its_own_name(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# @package baseline.{path.stem}\n")
    values = yaml.safe_load(text.replace("${model.reference}", "auto"))
    settings = settings_from(values)
    assert set(values) == set(type(settings).model_fields)  # every key can be found and changed in the file
    assert build_baseline(settings, 0).name == path.stem


@pytest.mark.parametrize(
    ("name", "target_type"), [(name, kind) for name, one in REGRESSORS.items() for kind in one.answers]
)
def test_every_regressor_learns_every_step_of_the_horizon(name, target_type):
    settings = RegressionSettings(name="r", method="regression", regressor=name, params=FAST.get(name, {}))
    y_hat = forecasts(settings, target_type=target_type)
    assert y_hat.shape == (13, 3)
    assert np.isfinite(y_hat).all()
    assert not np.array_equal(y_hat[:, 0], y_hat[:, 1])


FOREST = {"method": "regression", "name": "f", "regressor": "random_forest", "params": {"n_estimators": 3}}


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ({"method": "naive", "name": "n"}, {"method": "seasonal_naive"}),
        ({"method": "naive", "name": "n"}, {"method": "drift"}),
        ({"method": "window_mean", "name": "w"}, {"window_steps": 3}),
        ({"method": "reference", "name": "r", "reference": "last"}, {"reference": "blend"}),
        (FOREST, {"regressor": "extra_trees"}),
        (FOREST, {"params": {"n_estimators": 4}}),
        (FOREST, {"choose": {"max_depth": [1]}}),
        (FOREST, {"reference": "mean"}),
        (FOREST, {"max_windows": 10}),
    ],
    ids=str,
)
def test_every_key_changes_the_forecasts(values, change):
    before, after = settings_from(values), settings_from({**values, **change})
    assert not np.array_equal(forecasts(before), forecasts(after))


def test_the_name_is_that_of_the_row_and_the_seed_counts():
    forest = settings_from(FOREST)
    assert build_baseline(forest, 0).name == "f"
    assert not np.array_equal(forecasts(forest, seed=0), forecasts(forest, seed=1))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"regressor": "ridg"}, "`baseline.r.regressor` does not know 'ridg': did you mean 'ridge'?"),
        ({"params": {"alhpa": 1}}, "`baseline.r.params.alhpa`: Ridge does not know 'alhpa': did you mean 'alpha'?"),
        (
            {"choose": {"alphas": [1]}},
            "`baseline.r.choose.alphas`: Ridge does not know 'alphas': did you mean 'alpha'?",
        ),
        ({"choose": {"alpha": []}}, "`baseline.r.choose.alpha` should list at least one value, found none"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_with_the_nearest_name(change, line):
    settings = RegressionSettings(**{"name": "r", "method": "regression", "regressor": "ridge", **change})
    with pytest.raises(ForecastError) as caught:
        build_baseline(settings, 0)
    assert str(caught.value) == line


def test_a_name_without_a_near_one_lists_what_is_known():
    settings = RegressionSettings(name="r", method="regression", regressor="???")
    with pytest.raises(ForecastError, match=r"known are ada_boost, bayesian_ridge, .*support_vector"):
        build_baseline(settings, 0)


def test_a_key_that_the_method_does_not_use_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        settings_from({"name": "n", "method": "naive", "max_windows": 10})


def test_building_a_naive_rule_imports_no_scikit_learn():
    code = (
        "import sys; from forecast.forecasters.settings import RuleSettings as R;"
        "assert not {'sklearn', 'numpy', 'pandas', 'torch', 'pytorch_lightning'} & set(sys.modules);"
        "from forecast.forecasters.baselines import build_baseline;"
        "build_baseline(R(name='n', method='naive'), 0);"
        "assert not {'sklearn', 'pandas', 'torch', 'pytorch_lightning'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_settings_are_not_changed_by_building_and_fitting():
    settings = settings_from({**FOREST, "choose": {"max_depth": [1, 2]}})
    before = settings.model_dump_json()
    forecaster = build_baseline(settings, 0)
    forecasts(settings)
    assert settings.model_dump_json() == before
    assert replace(forecaster, seed=3).seed == 3
