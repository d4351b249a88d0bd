import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_runs import made_up_run

from forecast.errors import ForecastError
from forecast.reporting.material import Roles, mean_losses
from forecast.reporting.pictures import picture_spec
from forecast.reporting.sections.forecasts import limits_around
from forecast.reporting.sections.last_value import copy_section, draw
from forecast.reporting.sections.residuals import autocorrelation
from forecast.reporting.sections.steps import step_section
from forecast.reporting.settings import ReportSettings
from forecast.reporting.summary import build_summary


@pytest.fixture(scope="module")
def run():
    return made_up_run("walk")


def test_a_summary_is_plain_json(run):
    summary = build_summary(**run)
    text = json.dumps(summary.as_dict(), allow_nan=False)
    assert json.loads(text)["verdict"] == run["verdict"]


def test_results_alone_give_all_that_they_can(run):
    summary = build_summary(results=run["results"])
    assert summary.verdict is None
    assert "future" not in summary.sections
    assert "learning" not in summary.sections
    assert summary.leaderboard[0].model == "lstm"
    rows = run["results"][run["results"]["model"] == "lstm"]
    assert summary.leaderboard[0].measures["mae"] == pytest.approx(float((rows["y"] - rows["y_hat"]).abs().mean()))
    assert summary.roles == Roles("lstm", "ridge")


def test_the_splits_meet_and_are_counted(run):
    data = build_summary(**run).sections["data"]
    assert [s.name for s in data.splits] == ["training", "validation", "test"]
    assert data.splits[0].end == data.splits[1].start
    assert data.splits[1].end == data.splits[2].start
    assert "195 for training, 45 for validation and 60 for the test" in data.says


def test_origins_are_spread_over_the_test_split(run):
    section = build_summary(**run, show=ReportSettings(origins=3)).sections["origins"]
    assert len(section.views) == 3
    cutoffs = np.sort(run["results"]["cutoff"].unique())
    ends = [pd.Timestamp(view.origin, unit="ms") for view in section.views]
    assert ends[0] == cutoffs[0]
    assert ends[-1] == cutoffs[-1]


def test_a_forecast_sets_out_from_the_last_known_value(run):
    view = build_summary(**run).sections["origins"].views[0]
    series = run["series"].set_index("ds")["y"]
    known = series[pd.Timestamp(view.origin, unit="ms")]
    for track in view.tracks:
        assert track.line.t[0] == view.origin
        assert track.line.y[0] == pytest.approx(known, rel=1e-5)
        assert len(track.line.t) == 9


def test_an_explosion_does_not_squash_the_picture(run):
    results = run["results"].copy()
    results.loc[results["model"] == "naive", "y_hat"] *= 1e6
    section = build_summary(**{**run, "results": results}).sections["origins"]
    truth = run["series"]["y"]
    for view in section.views:
        assert view.cut
        assert view.limits[1] - view.limits[0] < 6 * (truth.max() - truth.min())
    assert "Where naive leaves the picture" in section.says


def test_limits_hold_all_of_the_truth_and_every_sane_forecast():
    assert limits_around(np.array([1.0, 2.0]), np.array([np.nan]))[0] < 1.0
    low, high = limits_around(np.array([5.0, 5.0]), np.array([5.2]))
    assert low < 5.0
    assert high > 5.2
    assert limits_around(np.array([np.nan]), np.array([np.inf])) == (-0.05, 0.05)


def test_errors_by_step_are_means_over_origins_and_series(run):
    table = mean_losses(run["results"], ["model", "step"])
    rows = run["results"].to_dict("records")
    for model, step, mae in table.itertuples(index=False):
        errors = [abs(r["y"] - r["y_hat"]) for r in rows if r["model"] == model and r["step"] == step]
        assert mae == pytest.approx(sum(errors) / len(errors))


def test_a_model_far_above_the_others_is_named_not_drawn_to_scale():
    by_step = pd.DataFrame({"model": ["net"] * 2 + ["base"] * 2 + ["wild"] * 2, "step": [1, 2] * 3})
    section = step_section(by_step.assign(mase=[0.5, 0.6, 0.7, 0.8, 0.9, 1e9]), Roles("net", "base"))
    assert section.metric == "MASE"
    assert section.top < 3
    assert "wild rises above the picture" in section.says
    assert "net is ahead of base at all of the 2 steps" in section.says
    assert [m.model for m in section.models] == ["net", "base", "wild"]


def test_autocorrelation_against_its_definition():
    x = np.cumsum(np.random.default_rng(0).normal(size=60))
    mean = sum(x) / len(x)
    energy = sum((v - mean) ** 2 for v in x)
    slow = [sum((x[t] - mean) * (x[t - k] - mean) for t in range(k, len(x))) / energy for k in range(1, 6)]
    assert autocorrelation(x, 5) == pytest.approx(slow)
    assert autocorrelation(np.ones(10), 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("model", "shift"), [("naive", 1), ("lstm", 0)])
def test_the_copy_picture_tells_a_copy_from_a_forecast(model, shift):
    run = made_up_run("walk", models={"lstm": 1e-9, "naive": None})
    section = copy_section(run["series"], run["results"], model, None)
    distances = dict(zip(section.shifts, section.distances, strict=True))
    assert distances[shift] == pytest.approx(0, abs=1e-6)
    assert min(distances, key=distances.get) == shift
    assert max(map(abs, section.forecast_changes)) == pytest.approx(0 if shift else max(map(abs, section.true_changes)))


def test_changes_that_are_forecast_far_off_are_cut_off_in_the_picture(run):
    """Dots drawn far outside the axes make a picture of terabytes."""
    section = copy_section(run["series"], run["results"], "lstm", None)
    far = replace(section, forecast_changes=tuple(1e27 * change for change in section.true_changes))
    dots = picture_spec(draw(far, build_summary(**run)))["concat"][1]["layer"][-1]
    assert dots["mark"]["type"] == "point"
    assert dots["mark"]["clip"]


def test_the_kept_epoch_is_said_as_it_was(run):
    summary = build_summary(**run)
    assert summary.sections["learning"].chosen == 7
    assert "epoch 7 were kept, where the validation loss is lowest" in summary.sections["learning"].says
    other = build_summary(**run, chosen_epoch=3).sections["learning"]
    assert other.chosen == 3
    assert "lowest" not in other.says


def of_penalties(*losses):
    penalties = [1e-3, 0.1, 10.0][: len(losses)]
    return pd.DataFrame({"penalty": penalties, "train_loss": [0.2, 0.3, 0.4][: len(losses)], "validation_loss": losses})


@pytest.mark.parametrize(
    ("losses", "kept", "message"),
    [
        (
            (0.5, 0.4, 0.6),
            0.1,
            "once for each of 3 penalties; that of 0.1 was kept, where the validation loss is lowest.",
        ),
        (
            (0.5, 0.4, 0.3),
            10.0,
            "is lowest. It is the largest of them: the less is added to the reference, the better.",
        ),
        ((0.3, 0.4, 0.5), 1e-3, "It is the smallest of them: still smaller ones (model.penalties) may be better."),
        ((0.5,), 1e-3, "with the penalty 0.001."),
        ((float("nan"),), 1e-3, "with the penalty 0.001."),
    ],
)
def test_a_read_out_in_closed_form_shows_its_penalties_instead_of_epochs(run, losses, kept, message):
    summary = build_summary(**run | {"history": of_penalties(*losses)}, chosen_epoch=1)
    assert summary.sections["learning"].chosen == kept
    assert summary.sections["learning"].says.endswith(message)
    json.dumps(summary.as_dict(), allow_nan=False)


def test_the_series_drawn_is_the_one_of_median_error():
    noise = {"a": 0.3, "b": 0.01, "c": 0.1}
    runs = [made_up_run(uid=uid, models={"lstm": n, "naive": None}, seed=7) for uid, n in noise.items()]
    results = pd.concat([one["results"].astype({"unique_id": str}) for one in runs])
    series = pd.concat([one["series"] for one in runs])
    summary = build_summary(results=results, series=series, network="lstm")
    assert summary.series == "c"
    assert "one of 3 series" in summary.sections["data"].says
    assert summary.facts[0] == "3 series"
    assert build_summary(results=results, network="lstm", show=ReportSettings(series="b")).series == "b"


def test_ids_that_are_numbers_work():
    run = made_up_run(uid=7)
    assert build_summary(**run).series == "7"


def test_holes_in_the_truth_are_drawn_as_holes_and_not_scored():
    run = made_up_run("walk")
    series, results = run["series"].copy(), run["results"].copy()
    series.loc[280, "y"] = np.nan
    results.loc[results["ds"] == series.loc[280, "ds"], "y"] = np.nan
    summary = build_summary(**{**run, "series": series, "results": results})
    assert None in summary.sections["data"].truth.y
    assert "residuals" in summary.sections
    json.dumps(summary.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: {"results": run["results"].drop(columns="step")}, "step missing"),
        (lambda run: {"results": run["results"].iloc[:0]}, "the results table is empty"),
        (lambda run: {"network": "gru"}, "model 'gru' is not in the results: there are lstm"),
        (lambda run: {"show": ReportSettings(series="z")}, "no series is called 'z'; there are y"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(run, change, message):
    with pytest.raises(ForecastError, match=r"^[^\n]*$") as error:
        build_summary(**{**run, **change(run)})
    assert message in str(error.value)
