import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from made_up_runs import NASTY, made_up_run

from forecast.reporting.html import write_report
from forecast.reporting.summary import build_summary
from forecast.reporting.vega import bundle_library, read_library


class Page(HTMLParser):
    """Collects what a browser would see: texts, tags, and scripts by id."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.texts, self.scripts, self.open = [], [], {}, None
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.open = dict(attrs).get("id", f"{tag}{len(self.scripts)}")
            self.scripts[self.open] = ""

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.open = None

    def handle_data(self, data):
        if self.open is not None:
            self.scripts[self.open] += data
        elif data.strip():
            self.texts.append(data.strip())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    run = made_up_run("walk", uid=NASTY)
    run["notes"].append("</script><!-- <b>bold</b>")
    run["leaderboard"].loc[0, "model"] = "lstm"
    summary = build_summary(**run)
    return write_report(summary, tmp_path_factory.mktemp("page"), png=False).read_text(encoding="utf-8")


def test_names_from_the_data_are_text_and_nothing_else(source):
    page = Page(source)
    assert {tag for tag, _ in page.tags}.isdisjoint({"b", "img", "iframe", "object", "link", "base"})
    assert sum(tag == "script" for tag, _ in page.tags) == 4
    assert f"Forecast of {NASTY}" in page.texts
    assert "ValueError: <b>infs</b> or NaNs" in page.texts
    assert "</script><!-- <b>bold</b>" in page.texts
    assert NASTY[:39] in json.dumps(json.loads(page.scripts["panels"]), ensure_ascii=False).replace('\\"', '"')


def test_the_page_needs_no_network(source):
    page = Page(source)
    assert not [
        attrs
        for _, attrs in page.tags
        if {"src", "href", "action", "data"} & set(attrs) and attrs.get("href") != "#notes"
    ]
    assert "url(" not in page.scripts["style0"]
    assert "@import" not in page.scripts["style0"]
    assert "default-src 'none'" in source
    assert source.count(read_library()) == 1
    assert len(source) < 1_300_000


def test_the_page_says_what_the_issue_asks_for(source):
    texts = " ".join(Page(source).texts)
    for text in (
        "lstm beats naive (MASE 0.40 against 1.00, p = 0.001)",
        "Leaderboard",
        "The data and its split",
        "Forecasts against the truth",
        "The forecast ahead",
        "Error by horizon step",
        "Learning curve",
        "Errors of lstm",
        "Is it a copy of the last value?",
        "Date (day first)",
        "ridge was fitted on 5,000 of 25,180 windows",
        "data.name",
    ):
        assert text in texts


def test_no_line_of_the_page_ends_between_a_number_and_its_percent_sign(tmp_path):
    run = made_up_run("walk")
    run["notes"].append("the latest 25 % of the rows")
    page = Page(write_report(build_summary(**run), tmp_path, png=False).read_text(encoding="utf-8"))
    assert "the latest 25\u00a0% of the rows" in page.texts
    assert not [text for text in page.texts if re.search(r"\d %", text)]


def test_all_numbers_of_the_leaderboard_are_there(source):
    rows = re.findall(r'<tr class="([a-z]*)">\s*<th scope="row">(.*?)</th>', source)
    assert ("network", "lstm") in rows
    assert ("baseline", "naive") in rows
    assert ("failed", "support_vector") in rows


def test_a_results_table_alone_makes_a_page(tmp_path):
    path = write_report(made_up_run()["results"], tmp_path / "new" / "folder", png=False)
    assert path == tmp_path / "new" / "folder" / "report.html"
    assert "Forecasts against the truth" in path.read_text(encoding="utf-8")
    assert not (path.parent / "figures").exists()


def test_a_million_steps_make_a_small_page(tmp_path):
    steps = 1_000_000
    run = made_up_run(horizon=24, steps=2000)
    start = 1_000_000 - 2000
    for table in ("results", "forecast"):
        for column in {"ds", "cutoff"} & set(run[table].columns):
            run[table][column] = run[table][column] + start
    y = np.sin(np.arange(steps) / 50)
    long = pd.DataFrame({"unique_id": "y", "ds": np.arange(steps), "y": y, "split": "training"})
    path = write_report(build_summary(**{**run, "series": long}), tmp_path, png=False)
    assert path.stat().st_size < 1_500_000


def test_the_script_is_what_the_installed_vl_convert_bundles():
    assert read_library() == bundle_library()
    assert "</script" not in read_library().lower()
    assert "<!--" not in read_library()
