"""The list of sections: what stands in it stands on the page."""

from __future__ import annotations

import json

import pytest
from made_up_runs import made_up_run
from made_up_symbols import made_up_symbols
from test_direction_page import a_run

from forecast.reporting import sections
from forecast.reporting.charts import Figure
from forecast.reporting.html import report_html
from forecast.reporting.sections import SECTIONS, Section, draw
from forecast.reporting.summary import build_summary

RUNS = {"value": made_up_run, "direction": a_run, "symbol": lambda: made_up_symbols()[0]}


def test_a_section_that_is_added_to_the_list_stands_on_the_page(monkeypatch):
    count = Section(
        "count",
        lambda material: {"series": material.series_count},
        lambda contents, _: Figure("count", "How many series", f"{contents['series']} series", ()),
    )
    monkeypatch.setattr(sections, "SECTIONS", (*SECTIONS, count))
    summary = build_summary(**made_up_run())
    assert json.loads(json.dumps(summary.as_dict()))["sections"]["count"] == {"series": 1}
    page = report_html(summary, draw(summary))
    assert "<h2>How many series</h2>" in page
    assert "1 series" in page


@pytest.mark.parametrize("question", RUNS)
def test_sections_come_in_the_order_of_the_list_and_no_two_figures_share_a_file(question):
    summary = build_summary(**RUNS[question]())
    names = [section.name for section in SECTIONS]
    assert len(set(names)) == len(names)
    assert list(summary.sections) == [name for name in names if name in summary.sections]
    figures = [figure.name for figure in draw(summary)]
    assert len(figures) == len(set(figures)) == len(summary.sections)
