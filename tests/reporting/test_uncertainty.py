"""What the report draws and says of intervals, against the tables that it was given."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_runs import LEVELS, long_results, made_up_run, with_intervals

from forecast.reporting.charts import TRUTH
from forecast.reporting.html import report_html, write_report
from forecast.reporting.leaderboard import table_columns, table_rows
from forecast.reporting.pictures import write_pictures
from forecast.reporting.prediction_intervals import errors_needed, levels_of, pairs, points_and_quantiles
from forecast.reporting.sections import draw
from forecast.reporting.sections.calibration import coverage_of, pit_of
from forecast.reporting.settings import ReportSettings
from forecast.reporting.summary import build_summary
from forecast.reporting.theme import LIGHT

SHARES = {"95 %": (0.025, 0.975), "90 %": (0.05, 0.95), "80 %": (0.1, 0.9), "50 %": (0.25, 0.75)}


@pytest.fixture(scope="module")
def run():
    return with_intervals(made_up_run("walk"), wide=0.08)


def figures_of(run, **show):
    return {figure.name: figure for figure in draw(build_summary(**run, show=ReportSettings(**show)))}


def bands(panel):
    """The bands of a panel by their label: rows of low and high, without the place where they start."""
    table = pd.DataFrame(panel.tables["bands"])
    start = panel.tables["origin"][0]["t"]
    return {label: rows[rows["t"] > start][["low", "high"]].to_numpy() for label, rows in table.groupby("of")}


def test_bands_from_test_origins_are_the_quantiles_of_the_network(run):
    figure = figures_of(run, origins=3)["forecasts"]
    cutoffs = np.sort(run["results"]["cutoff"].unique())
    places = [0, round((len(cutoffs) - 1) / 2), len(cutoffs) - 1]
    assert len(figure.panels) == 3
    for panel, place in zip(figure.panels, places, strict=True):
        drawn = bands(panel)
        assert list(drawn) == sorted(SHARES)
        quantiles = run["intervals"].quantiles["lstm"][place]
        for label, ends in SHARES.items():
            assert drawn[label] == pytest.approx(quantiles[:, [LEVELS.index(end) for end in ends]], rel=1e-5)


def test_bands_start_at_the_last_known_value(run):
    panel = figures_of(run, origins=1)["forecasts"].panels[0]
    start = panel.tables["origin"][0]["t"]
    known = next(row["y"] for row in panel.tables["lines"] if row["of"] == TRUTH and row["t"] == start)
    starts = [row for row in panel.tables["bands"] if row["t"] == start]
    assert [(row["low"], row["high"]) for row in starts] == [(known, known)] * 4


def test_the_future_has_a_panel_for_each_model_in_its_own_hue(run):
    figure = figures_of(run)["future"]
    assert [panel.title for panel in figure.panels] == ["intervals of lstm", "intervals of naive"]
    for panel, model, colour in zip(figure.panels, ("lstm", "naive"), (LIGHT.network, LIGHT.baseline), strict=True):
        ahead = run["forecast"][run["forecast"]["model"] == model]
        for label, (low, high) in SHARES.items():
            assert bands(panel)[label] == pytest.approx(ahead[[f"q{low:g}", f"q{high:g}"]].to_numpy(), rel=1e-5)
        areas = [layer["mark"] for layer in panel.spec["layer"] if layer["mark"]["type"] == "area"]
        assert [area["color"] for area in areas] == [colour]
    first, second = (panel.spec["layer"][0]["encoding"]["y"]["scale"] for panel in figure.panels)
    assert first == second


def test_legend_and_words_say_what_the_bands_are(run):
    figures = figures_of(run)
    keys = [(key.label, key.colour) for key in figures["forecasts"].keys if key.area]
    assert keys == [(label, LIGHT.network) for label in ("50 % interval", "80 %", "90 %", "95 %")]
    strengths = [key.strength for key in figures["forecasts"].keys if key.area]
    assert strengths == sorted(strengths, reverse=True)
    sentence = "Shaded are the intervals of {} that should cover 50, 80, 90 and 95 % of what comes"
    assert sentence.format("lstm") in figures["forecasts"].says
    assert sentence.format("lstm and naive") in figures["future"].says


def test_an_infinite_interval_has_no_band_and_a_reason():
    figures = figures_of(with_intervals(made_up_run("walk"), infinite=(0.025, 0.05)))
    for panel in (*figures["forecasts"].panels, *figures["future"].panels):
        assert set(bands(panel)) == {"50 %", "80 %"}
    assert [key.label for key in figures["future"].keys if key.area] == ["50 % interval", "80 %"]
    assert "that should cover 50 and 80 % of what comes" in figures["future"].says
    assert "The 90 and 95 % intervals of lstm and naive are infinite and have no band" in figures["future"].says
    assert "it takes 19 and 39 errors at each step" in figures["future"].says


def test_where_all_intervals_are_infinite_there_is_no_fan_at_all():
    figures = figures_of(with_intervals(made_up_run("walk"), infinite=(0.025, 0.05, 0.1, 0.25)))
    assert len(figures["future"].panels) == 1
    for figure in (figures["forecasts"], figures["future"]):
        assert all("bands" not in panel.tables for panel in figure.panels)
        assert not [key for key in figure.keys if key.area]
        assert "Shaded" not in figure.says
        assert "are infinite and have no band" in figure.says


def test_an_infinite_interval_is_no_point_of_the_coverage():
    figure = figures_of(with_intervals(made_up_run("walk"), infinite=(0.025, 0.05)))["calibration"]
    assert {row["x"] for row in figure.panels[0].tables["dots"]} == {50, 80}
    assert len(figure.panels) == 1
    assert "The 90 % intervals of lstm are infinite: the calibration split has too few origins." in figure.says
    none = figures_of(with_intervals(made_up_run("walk"), infinite=(0.025, 0.05, 0.1, 0.25)))
    assert none["calibration"].panels[0].tables["dots"] == []


def test_a_band_is_parted_where_it_is_infinite(run):
    ahead = run["forecast"].copy()
    step = ahead.groupby("model").cumcount()
    ahead.loc[step == 4, "q0.975"] = np.inf
    panel = figures_of({**run, "forecast": ahead})["future"].panels[0]
    rows = [row for row in panel.tables["bands"] if row["of"] == "95 %"]
    assert [row["part"] for row in rows] == [0] * 5 + [1] * 3
    assert (
        "The 95 % intervals of lstm and naive are infinite at some steps"
        in figures_of({**run, "forecast": ahead})["future"].says
    )


def test_a_conformal_interval_needs_as_many_errors_as_its_rank():
    for share in (0.5, 0.8, 0.9, 0.95):
        level = (1 + share) / 2
        fewest = next(n for n in range(1, 100) if np.ceil(round((n + 1) * level, 9)) <= n)
        assert errors_needed(share) == fewest


def test_wide_intervals_do_not_squash_the_truth(run):
    wild = with_intervals(made_up_run("walk"), wide=1e6)
    section = build_summary(**wild).sections["future"]
    truth = np.array(section.views[0].truth.y)
    low, high = section.views[0].limits
    assert high - low < 5 * np.ptp(truth)
    assert all(view.cut for view in section.views)
    assert "Where an interval of lstm and an interval of naive leave the picture, they are cut off." in section.says


def test_coverage_and_pit_are_drawn_as_they_stand_in_the_tables(run):
    cover, pit = figures_of(run)["calibration"].panels
    table = run["intervals"].coverage.set_index(["model", "nominal"])
    assert len(cover.tables["dots"]) == len(table)
    for row in cover.tables["dots"]:
        of = table.loc[(row["of"], row["x"] / 100)]
        assert row["y"] == pytest.approx(100 * of["coverage"], abs=1e-3)
        assert float(row["at"]) == pytest.approx(of["width"], rel=1e-3)
    assert cover.tables["dots"][-1]["of"] == "lstm"
    shares = run["intervals"].pit.query("model == 'lstm'")["share"]
    assert [row["y"] for row in pit.tables["bars"]] == pytest.approx((100 * shares).tolist(), abs=1e-3)
    assert pit.tables["right"] == [{"y": 10.0}]


def test_the_page_says_whether_intervals_are_too_narrow():
    run = with_intervals(made_up_run("walk", steps=1200, models={"lstm": 1.0, "naive": None, "ridge": 1.1}), wide=0.1)
    says = build_summary(**run).sections["calibration"].says
    for name in ("lstm", "naive"):
        sentence = run["intervals"].sentences[name]
        assert sentence[0].upper() + sentence[1:] + "." in says
    assert "too narrow" in run["intervals"].sentences["lstm"]
    assert "ridge" not in says
    assert "Of the 90 % intervals of 1 other model, 1 is too narrow." in says
    assert "about as wide as those of naive" in says
    pit = run["intervals"].pit.query("model == 'lstm'")["share"].to_numpy()
    assert f"{round(100 * (pit[0] + pit[-1]))} of 100 values came to lie in the lowest or the highest tenth" in says


@pytest.mark.parametrize(
    ("judged", "says"),
    [
        (("about right", "not known", "not known"), "1 is about right; for 2 there are too few origins to say."),
        (("too narrow", "wider than need be", "too narrow"), "models, 2 are too narrow and 1 is wider than need be."),
        (("about right",) * 3, "The 90 % intervals of 3 other models are about right."),
    ],
)
def test_all_other_models_are_called_right_only_where_all_are(judged, says):
    models = {"lstm": 1.0, "naive": None, "ridge": 1.1, "mlp": 1.2, "drift": 1.3}
    run = with_intervals(made_up_run("walk", models=models))
    table = run["intervals"].coverage
    others = dict(zip(("ridge", "mlp", "drift"), judged, strict=True))
    coverage = table.assign(judged=table["model"].map(others).fillna("about right"))
    run["intervals"] = replace(run["intervals"], coverage=coverage)
    assert says in build_summary(**run).sections["calibration"].says


def test_a_results_table_with_quantiles_is_enough(run, tmp_path):
    long = long_results(run).sample(frac=1, random_state=0)
    summary = build_summary(results=long, network="lstm", baseline="naive")
    given = build_summary(results=run["results"], intervals=run["intervals"], network="lstm", baseline="naive")
    drawn, expected = ([view.intervals for view in of.sections["origins"].views] for of in (summary, given))
    assert drawn == expected
    assert summary.sections["calibration"].nominal == given.sections["calibration"].nominal
    for model, expected in zip(
        summary.sections["calibration"].models, given.sections["calibration"].models, strict=True
    ):
        assert model.coverage == pytest.approx(expected.coverage, rel=1e-5)
    assert summary.sections["calibration"].pit == pytest.approx(given.sections["calibration"].pit, rel=1e-5)
    page = write_report(long, tmp_path, png=False).read_text(encoding="utf-8")
    assert "How sure the forecasts are" in page
    calibration = next(figure for figure in draw(summary) if figure.name == "calibration")
    assert write_pictures([calibration], tmp_path)[0].stat().st_size > 10_000


def test_coverage_and_pit_of_a_table_against_a_loop(run):
    rows = points_and_quantiles(long_results(run))
    assert tuple(levels_of(rows)) == LEVELS
    assert len(rows) == len(run["results"])
    naive = rows[rows["model"] == "naive"].to_dict("records")
    coverage = coverage_of(rows).set_index(["model", "nominal"])
    for low, high in pairs(LEVELS):
        inside = [row[f"q{low:g}"] <= row["y"] <= row[f"q{high:g}"] for row in naive]
        assert coverage.loc[("naive", round(high - low, 9)), "coverage"] == pytest.approx(sum(inside) / len(inside))
    shares = pit_of(rows).set_index(["model", "bin"])["share"]
    assert shares.groupby("model").sum().tolist() == pytest.approx([1.0] * 4)
    below = [row["y"] < row["q0.1"] for row in naive]
    assert shares[("naive", 0)] == pytest.approx(sum(below) / len(below))


def test_without_intervals_nothing_is_said_of_them():
    summary = build_summary(**made_up_run())
    assert "calibration" not in summary.sections
    views = (*summary.sections["origins"].views, *summary.sections["future"].views)
    assert all(view.intervals is None for view in views)
    page = report_html(summary, draw(summary))
    assert "interval" not in page.split('<script type="application/json"')[0]
    assert {"wql", "crps", "coverage_90", "width_90", "revision"}.isdisjoint(table_columns(summary.leaderboard))


def test_scores_of_intervals_stand_in_the_table_with_what_they_mean(run):
    leaderboard = run["leaderboard"].assign(wql=0.0321, crps=1.25, coverage_90=0.8812, width_90=2.5, revision=0.75)
    leaderboard.loc[1, "width_90"] = np.inf
    leaderboard.loc[4, ["wql", "crps", "coverage_90", "width_90", "revision"]] = np.nan
    summary = build_summary(**{**run, "leaderboard": leaderboard})
    names = list(table_columns(summary.leaderboard))
    cells = [
        dict(zip(names[1:], (cell.text for cell in row.cells), strict=True))
        for row in table_rows(summary.leaderboard, summary.roles)
    ]
    assert [row["coverage_90"] for row in cells] == ["88.1 %"] * 4 + ["–"]
    assert [row["width_90"] for row in cells] == ["2.50", "∞", "2.50", "2.50", "–"]
    assert {row["revision"] for row in cells[:4]} == {"0.750"}
    endless = build_summary(**{**run, "leaderboard": leaderboard.assign(width_90=np.inf)})
    assert list(table_columns(endless.leaderboard)) == names
    page = report_html(summary, draw(summary))
    assert "What the columns mean" in page
    for column in table_columns(summary.leaderboard).values():
        assert page.count(column.means.replace(" %", "\u00a0%")) >= 2 or not column.means
    json.dumps(summary.as_dict(), allow_nan=False)


def test_the_calibration_split_is_shaded_and_counted(run):
    series = run["series"].copy()
    series.loc[series.index[220:240], "split"] = "calibration"
    figure = figures_of({**run, "series": series})["data"]
    assert "25 for validation, 20 for calibration and 60 for the test" in figure.says
    assert [key.label for key in figure.keys] == [TRUTH, "validation", "calibration", "test"]
    assert [row["of"] for row in figure.panels[0].tables["ranges"]] == ["validation", "calibration", "test"]
