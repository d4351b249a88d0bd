"""Reports on several series: the spread of scores, and what a page lets its reader choose."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up_runs import NASTY, made_up_run, with_intervals

from forecast.reporting.html import draw_choices, report_html
from forecast.reporting.material import Roles
from forecast.reporting.sections import draw
from forecast.reporting.sections.series import MOST_CHOICES, chosen_ranks, spread_section
from forecast.reporting.settings import ReportSettings
from forecast.reporting.summary import build_summary


def many(count, first=NASTY):
    """A run over series whose network errs the more the later they come; each series one origin more than the next."""
    names = [first, *(f"H{i}" for i in range(1, count))]
    runs = [
        made_up_run(uid=name, steps=120 + i % 5, seed=i, models={"lstm": 0.02 * (i + 1), "naive": None})
        for i, name in enumerate(names)
    ]
    both = {key: pd.concat([run[key] for run in runs], ignore_index=True) for key in ("results", "series", "forecast")}
    both["results"] = both["results"].astype({"model": "category", "unique_id": "category"})
    return {**runs[0], **both}, names


def scores(rng, count):
    ids = [f"s{i}" for i in range(count)]
    table = pd.DataFrame({"lstm": rng.gamma(2.0, size=count), "naive": rng.gamma(2.0, size=count)}, index=ids)
    long = table.rename_axis("unique_id").reset_index().melt("unique_id", var_name="model", value_name="mase")
    return table, long


def test_the_spread_is_sorted_and_said():
    table, long = scores(np.random.default_rng(0), 101)
    spread = spread_section(long, Roles("lstm", "naive"))
    order = table["lstm"].sort_values().index
    assert spread.ids == tuple(order)
    assert spread.network == pytest.approx(sorted(table["lstm"]), rel=1e-5)
    assert spread.baseline == pytest.approx(table["naive"][order].tolist(), rel=1e-5)
    ahead = int((table["lstm"] < table["naive"]).sum())
    assert f"median {np.median(table['lstm']):.3g}"[:9] in spread.says
    assert f"Best on {order[0]}" in spread.says
    assert f"worst on {order[-1]}" in spread.says
    assert spread.says.endswith(f"Ahead of naive on {ahead} of them.")


def test_one_series_has_no_spread_and_no_choice():
    summary = build_summary(**made_up_run())
    assert "spread" not in summary.sections
    assert summary.choices == ()
    page = report_html(summary, draw(summary))
    assert "<select" not in page
    assert 'id="exchange"' not in page


def test_series_of_a_bare_results_table_can_be_chosen_whatever_their_ids_are():
    results = many(3)[0]["results"]
    numbered = results.assign(unique_id=results["unique_id"].cat.codes.astype(int) + 7)
    choices = build_summary(results=numbered).choices
    assert {one.name for one in choices} == {"7", "8", "9"}
    assert all(one.origins.views for one in choices)


@pytest.mark.parametrize("count", [2, 3, 29, 30, 31, 414])
def test_best_median_and_worst_can_always_be_chosen(count):
    ranks = chosen_ranks(count)
    assert len(ranks) == min(count, MOST_CHOICES)
    assert {0, (count - 1) // 2, count - 1} <= set(ranks)
    assert max(np.diff(ranks)) <= 1.6 * np.ceil(count / len(ranks))


def test_a_choice_draws_its_own_series():
    run, names = many(5)
    summary = build_summary(**run)
    assert [one.name for one in summary.choices] == list(summary.sections["spread"].ids)
    assert {one.name for one in summary.choices} == set(names)
    for one in summary.choices:
        of_series = run["series"][run["series"]["unique_id"] == one.name]
        assert one.data.truth.y == pytest.approx(of_series["y"].tolist(), rel=1e-5)
        ahead = run["forecast"]
        forecast = ahead[(ahead["unique_id"] == one.name) & (ahead["model"] == "lstm")]["y_hat"]
        assert one.future.views[0].tracks[0].line.y[1:] == pytest.approx(forecast.tolist(), rel=1e-5)
    assert ", the best)" in summary.choices[0].label
    assert ", the worst)" in summary.choices[-1].label
    json.dumps(summary.as_dict())


def test_what_is_exchanged_is_what_would_have_been_drawn():
    run, _ = many(4)
    summary = build_summary(**with_intervals(run), show=ReportSettings(origins=3, points=400))
    figures = {figure.name: figure for figure in draw(summary)}
    label = next(one.label for one in summary.choices if one.name == summary.series)
    drawn = draw_choices(summary)[label]
    for name in ("data", "forecasts", "future"):
        for i, panel in enumerate(figures[name].panels):
            exchanged = drawn["panels"][f"{name}-{i}"]
            assert set(exchanged["packed"]) == set(panel.tables) & {"lines", "bands"}
            assert ("bands" in panel.tables) == (name != "data")
            for table, packed in exchanged["packed"].items():
                rows = [
                    {**group["all"], **dict(zip(group.keys() - {"all"}, numbers, strict=True))}
                    for group in packed
                    for numbers in zip(*(group[key] for key in group.keys() - {"all"}), strict=True)
                ]
                assert rows == panel.tables[table]
            assert exchanged["title"] == panel.title


def test_a_page_of_hundreds_of_series_stays_below_3_mb():
    run, _ = many(120)
    summary = build_summary(**with_intervals(run))
    page = report_html(summary, draw(summary))
    assert len(page.encode()) < 3e6
    assert page.count("<option") == MOST_CHOICES
    assert "30 of 120 series are in this page" in page
    assert "</script><script>alert" not in page
