"""Presets, and a run that keeps to a limit of its time."""

from __future__ import annotations

import pytest
from small_jobs import small_job

from forecast.app.arguments import read_command_line
from forecast.app.composition import compose_job, plain_values
from forecast.network.settings import PretrainedSettings
from forecast.runs.run import open_record
from forecast.tasks.budget import Budget, expected_seconds, plan, within_limit
from forecast.tasks.candidates import forecasters
from forecast.tasks.predict import predict
from forecast.tasks.prepare import prepare
from forecast.tasks.settings import check_job
from forecast.tasks.terminal import silent, working
from forecast.tasks.train import fit, judge, train


def preset(name, *overrides):
    return check_job(plain_values(compose_job(read_command_line([f"preset={name}", *overrides]))))


def test_a_preset_says_several_keys_and_what_is_said_beside_it_wins():
    fast, best = preset("fast"), preset("best")
    assert isinstance(fast.model, PretrainedSettings)
    assert not {"mlp", "random_forest", "auto_ets"} & set(fast.baseline)
    assert {"auto_ets", "extra_trees", "lstm_small", "lstm_large", "gru", "esn"} <= set(best.baseline)
    assert best.time_limit_s == 600
    assert preset("best", "time_limit_s=60", "model=gru").time_limit_s == 60
    assert preset("balanced") == check_job(plain_values(compose_job(read_command_line([]))))
    assert preset("fast", "data.path=x.csv").model.name == "pretrained"
    assert preset("balanced", "data.path=x.csv").model.name == "auto"


def test_a_seasonal_rule_without_a_season_is_not_shown_beside_naive():
    rules = {name: {"name": name, "method": name} for name in ("naive", "seasonal_naive")}
    names = {}
    for season in (1, 20):
        prepared = prepare(small_job(baseline=rules, data__season_steps=season))
        names[season] = list(prepared.job.baseline)
    assert names == {1: ["naive"], 20: ["naive", "seasonal_naive"]}
    alone = small_job(baseline={"seasonal_naive": rules["seasonal_naive"]}, data__season_steps=1)
    assert "seasonal_naive" in prepare(alone).job.baseline


def test_the_limit_bounds_each_network_and_each_statistical_model():
    job = within_limit(preset("best", "ensemble=2"), 100.0)
    assert job.training.time_limit_s == pytest.approx(0.3 * 100 / 6)
    assert job.baseline["auto_ets"].time_limit_s == pytest.approx(5.0)
    unlimited = preset("balanced")
    assert within_limit(unlimited, None) is unlimited


def test_a_larger_job_is_expected_to_take_longer_and_the_plan_says_so():
    small = prepare(small_job())
    assert expected_seconds(small.job, small.panel) < expected_seconds(preset("best"), small.panel)
    names = [one.name for one in forecasters(small.job)]
    said = plan(small.job, names, small.panel)
    assert said.startswith("4 models to fit and compare (lstm, reference, naive, ridge): about ")
    limited = small.job.model_copy(update={"time_limit_s": 1.0})
    assert plan(limited, names, small.panel).endswith("at most 1 s (`time_limit_s`)")


def test_where_no_time_is_left_models_are_left_out_and_the_run_is_whole(tmp_path):
    result = train(small_job(time_limit_s=1e-6), tmp_path / "run", silent())
    rows = result.leaderboard.set_index("model")
    assert rows.loc[["lstm", "naive", "reference"], "status"].tolist() == ["ok"] * 3
    assert rows.loc["ridge", "status"] == "left out: no time was left for it (`time_limit_s`)"
    assert "no time was left for a fit on all rows" in result.finished.notes[-1]
    assert open_record(result.folder).recommendation.model != "ridge"
    assert Budget(None).has(1e9)


def test_as_much_time_as_the_start_took_is_kept_for_the_report():
    quick, slow = Budget(100.0, 0.0, 2.0), Budget(100.0, 0.0, 30.0)
    assert (quick.work_ends, slow.work_ends) == (90.0, 70.0)
    assert slow.started < slow.fits_end < slow.forecasts_end < slow.work_ends
    assert slow.working_s == 40.0
    assert Budget(10.0, 0.0, 30.0).working_s == 0.0, "a start that took all of it leaves nothing to share"
    assert Budget(None).working_s is None


def test_forecasts_are_left_out_when_their_time_is_over():
    prepared = prepare(small_job())
    with working(silent(), 1) as work:
        fits = fit(prepared, work)
        late = judge(prepared, fits, work, Budget(1e-9)).leaderboard.set_index("model")["status"]
    assert late[["lstm", "reference", "naive"]].tolist() == ["ok"] * 3
    assert late["ridge"] == "left out: no time was left for it (`time_limit_s`)"


def test_a_second_network_is_a_row_and_predicts_again(tmp_path):
    gru = {"name": "second", "method": "network", "cell": "gru", "hidden_size": 3}
    job = small_job(baseline={"second": gru}, recommend="second", training__max_epochs=1)
    result = train(job, tmp_path / "run", silent())
    rows = result.leaderboard.set_index("model")
    assert rows.loc["second", "kind"] == "network"
    second = next(one for one in forecasters(job) if one.name == "second").network
    assert (second.settings.name, second.settings.hidden_size, second.training.max_epochs) == ("gru", 3, 1)
    ahead = predict(result.folder, {}, tmp_path / "again").future
    assert {"lstm", "second"} <= set(ahead["model"])
