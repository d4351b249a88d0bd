"""The pages in a real browser, offline: drawn, silent, readable on a phone and in dark mode."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import NASTY, made_up_run, with_intervals
from made_up_symbols import STRANGE, made_up_symbols
from oracles.browser import find_browser
from playwright.sync_api import sync_playwright
from test_answer import recommended
from test_several import many

from forecast.reporting.html import write_report
from forecast.reporting.settings import ReportSettings
from forecast.reporting.summary import build_summary
from forecast.reporting.sweep import write_sweep_page
from forecast.reporting.theme import DARK, LIGHT, shade

SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PANELS = 10


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(playwright), args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    summary = build_summary(**made_up_run("walk", uid=NASTY), show=ReportSettings(origins=1))
    return write_report(summary, tmp_path_factory.mktemp("한글 report"), png=False)


class Opened:
    """A page that was opened, and everything that it complained of or asked for."""

    def __init__(self, browser, path, width=1200, scheme="light", zone="UTC"):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, timezone_id=zone
        )
        self.page = self.context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]", state="attached")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    @property
    def drawn(self):
        return int(self.page.evaluate("document.documentElement.dataset.drawn"))

    def sizes(self):
        """Width and height of every chart's drawing."""
        return self.page.eval_on_selector_all(
            ".chart", "all => all.map(c => c.querySelector('svg, canvas')?.getBoundingClientRect() ?? {})"
        )

    def labels(self, chart):
        """All texts of a chart, sorted: a chart that is drawn again may hold them in another order."""
        return sorted(self.page.locator(f"#{chart} svg text").all_text_contents())

    def wait_for_labels(self, chart, wanted):
        """Wait until `wanted` holds of the labels of a chart, which is drawn a moment after it was asked to."""
        for _ in range(100):
            if wanted(self.labels(chart)):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"{chart} still shows {self.labels(chart)}")

    def middle(self, chart):
        """Scroll to a chart; return a point in it."""
        place = self.page.locator(f"#{chart}")
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + 80


@pytest.fixture(scope="module")
def sure(tmp_path_factory):
    run, _ = many(3)
    return write_report(build_summary(**with_intervals(run, wide=0.3)), tmp_path_factory.mktemp("sure"), png=False)


@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn_in_silence_and_fits(browser, report, width, scheme):
    with Opened(browser, report, width, scheme) as opened:
        assert opened.complaints == []
        assert opened.requests == [report.as_uri()]
        assert opened.drawn == PANELS
        assert opened.page.evaluate("document.documentElement.scrollWidth") == width
        for size in opened.sizes():
            assert 150 < size["width"] <= width
            assert size["height"] > 100
        marks = opened.page.eval_on_selector_all(".chart svg", "all => all.map(s => s.querySelectorAll('path').length)")
        assert min(marks) > 5


def test_names_of_the_data_are_shown_as_they_are(browser, report):
    with Opened(browser, report) as opened:
        assert NASTY in opened.page.locator("h1").inner_text()
        assert any("삼성전자" in text for text in opened.labels("future-0"))
        assert opened.page.locator("b").count() == 0


def test_dark_mode_changes_page_and_charts_at_once(browser, report):
    def colours(opened):
        page = opened.page
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        html = page.locator("#future-0 svg").inner_html()
        return paper, {name for name in ("network", "baseline", "truth") if getattr(LIGHT, name) in html}, html

    with Opened(browser, report) as opened:
        light = colours(opened)
        opened.page.emulate_media(color_scheme="dark")
        opened.page.wait_for_function(f"document.querySelector('#future-0 svg').innerHTML.includes('{DARK.network}')")
        dark = colours(opened)
        assert opened.complaints == []
    assert light[1] == {"network", "baseline", "truth"}
    assert dark[1] == set()
    assert all(getattr(DARK, name) in dark[2] for name in ("network", "baseline", "truth", "quiet"))
    assert (light[0], dark[0]) == ("rgb(255, 255, 255)", "rgb(23, 28, 35)")


def test_a_chart_zooms_and_the_wheel_alone_scrolls(browser, report):
    with Opened(browser, report) as opened:
        page = opened.page
        before = opened.labels("future-0")

        def whole(labels):
            return labels == before

        def zoomed(labels):
            return labels != before

        page.mouse.move(*opened.middle("future-0"))
        page.mouse.wheel(0, 30)
        page.wait_for_timeout(150)
        assert whole(opened.labels("future-0"))
        page.mouse.move(*opened.middle("future-0"))
        page.keyboard.down("Control")
        page.mouse.wheel(0, -600)
        page.keyboard.up("Control")
        opened.wait_for_labels("future-0", zoomed)
        page.mouse.dblclick(*opened.middle("future-0"))
        opened.wait_for_labels("future-0", whole)
        panel = page.locator("[data-panel=future-0]")
        panel.locator("[data-zoom=in]").click()
        opened.wait_for_labels("future-0", zoomed)
        panel.locator("[data-zoom=all]").click()
        opened.wait_for_labels("future-0", whole)
        assert opened.complaints == []


def test_a_pointer_reads_a_value_as_text(browser, report):
    with Opened(browser, report) as opened:
        x, y = opened.middle("copy_test-0")
        opened.page.mouse.move(x, y + 60)
        for right in range(-60, 60, 4):
            opened.page.mouse.move(x + right, y + 60)
            if opened.page.locator("#tip").is_visible():
                break
        assert "mean distance" in opened.page.locator("#tip").inner_text()


def test_dates_do_not_move_with_the_readers_time_zone(browser, report):
    with Opened(browser, report) as at_home, Opened(browser, report, zone="America/Los_Angeles") as away:
        assert away.labels("future-0") == at_home.labels("future-0")


def test_another_series_is_chosen(browser, tmp_path):
    run, names = many(4)
    summary = build_summary(**run, show=ReportSettings(origins=4))
    page = write_report(summary, tmp_path, png=False)
    others = [one for one in summary.choices if one.name != summary.series]
    assert NASTY in names
    for width in (1200, 400):
        with Opened(browser, page, width) as opened:
            assert opened.complaints == []
            assert opened.page.evaluate("document.documentElement.scrollWidth") == width
            before = opened.labels("future-0")
            for one in others:
                opened.page.select_option("#chosen", label=one.label)
                opened.wait_for_labels(
                    "future-0", lambda labels, name=one.name: any(name[:4] in text for text in labels)
                )
                assert opened.page.locator("#data .says").text_content() == one.data.says
                assert opened.page.locator("#forecasts .panel:visible").count() == 3
            assert opened.labels("future-0") != before
            opened.page.emulate_media(color_scheme="dark")
            opened.page.wait_for_selector("html[data-drawn]", state="attached")
            assert opened.complaints == []
            assert opened.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [1200, 400])
def test_fans_are_drawn_and_read(browser, sure, width):
    with Opened(browser, sure, width, "dark" if width == 400 else "light") as opened:
        page, palette = opened.page, DARK if width == 400 else LIGHT
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for chart, colour in (("forecasts-0", "network"), ("future-0", "network"), ("future-1", "baseline")):
            areas = page.locator(f"#{chart} svg .mark-area path")
            assert areas.count() == 4
            assert areas.first.get_attribute("fill") == getattr(palette, colour)
            assert page.locator(f"#{chart}").get_attribute("aria-label")
        page.locator("#future-0").scroll_into_view_if_needed()
        box = page.locator("#future-0 svg .mark-area path").first.bounding_box()
        for down in range(2, int(box["height"]), 2):
            page.mouse.move(box["x"] + box["width"] - 1, box["y"] + down)
            if "interval" in page.locator("#tip").inner_text():
                break
        assert "95 %" in page.locator("#tip").inner_text()
        before = page.locator("#future-1 svg .mark-area path").first.get_attribute("d")
        page.select_option("#chosen", index=0 if page.locator("#chosen").input_value().endswith("worst)") else 2)
        page.wait_for_function(
            "before => document.querySelector('#future-1 svg .mark-area path')?.getAttribute('d') !== before",
            arg=before,
        )
        page.wait_for_selector("html[data-drawn]", state="attached")
        assert page.locator("#future-1 svg .mark-area path").count() == 4
        assert page.locator("#calibration svg").count() == 2
        assert opened.complaints == []
        assert opened.requests == [sure.as_uri()]


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_symbols_are_written_and_drawn(browser, tmp_path, width, scheme):
    run, _ = made_up_symbols((*STRANGE, "of many letters " * 20), ids=("y", NASTY))
    text = "it goes on\n" + "without_a_single_space" * 20
    report = write_report(build_summary(**run, continuation=text), tmp_path, png=False)
    with Opened(browser, report, width, scheme) as opened:
        page = opened.page
        assert opened.complaints == []
        assert opened.requests == [report.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert opened.drawn == 11  # 2 of series, data, 2 of costs, mistakes, 3 steps after the data, steps, learning
        assert page.locator("#surprise .chart").count() == 0
        written = page.locator("#surprise .passage span")
        assert written.count() > 30
        assert "<script>alert(1)</scrip…" in written.all_text_contents()
        assert page.locator("#continuation pre").inner_text() == text
        deep = page.locator("#surprise .s4").first
        shown = deep.evaluate("one => getComputedStyle(one).backgroundColor")
        palette = DARK if scheme == "dark" else LIGHT
        assert shown == f"rgb({', '.join(str(part) for part in bytes.fromhex(shade(palette, 4)[1:]))})"
        deep.click()
        assert "likeliest was" in page.locator("#tip").inner_text()


def test_the_page_of_a_sweep_is_drawn_too(browser, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "job": range(12),
            "model": ["rnn", "gru", "lstm"] * 4,
            "model.hidden[0]": [16, 16, 16, 32, 32, 32] * 2,
            "training.learning_rate": np.geomspace(1e-4, 1e-1, 12),
            "seed": [0] * 6 + [1] * 6,
            "validation_mase": rng.uniform(0.7, 0.9, 12),
            "seconds": 2.0,
            "status": "ok",
        }
    )
    for width in (1200, 400):
        with Opened(browser, write_sweep_page(table, tmp_path), width) as opened:
            assert opened.complaints == []
            assert opened.drawn == 6  # axes side by side, score and seconds by learning rate, the others, against time
            assert opened.page.evaluate("document.documentElement.scrollWidth") == width


def test_no_name_against_time_lies_on_another_or_on_a_dot_on_a_telephone(browser, tmp_path):
    """Settings that none beats in both, the last ones close together, with names half as long as the picture."""
    better = np.linspace(0, 1, 14)
    table = pd.DataFrame(
        {
            "job": range(14),
            "model.name": ["peephole_lstm", "gru"] * 7,
            "training.learning_rate": [f"0.00{i:02d}9" for i in range(14)],
            "validation_mase": 0.9 - 0.05 * better + 0.1 * (1 - better) ** 4,
            "seconds": 3 + 6 * better + 8 * better**4,
            "status": "ok",
        }
    ).iloc[::-1]
    box = "all => all.map(e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"
    with Opened(browser, write_sweep_page(table, tmp_path), 390) as opened:
        page = opened.page
        texts = np.array(page.eval_on_selector_all("#time-0 svg .mark-text.role-mark.layer_4_marks text", box))
        dots = np.array(page.eval_on_selector_all("#time-0 svg .mark-symbol.role-mark.layer_3_marks path", box))
        plot = page.locator("#time-0 svg .mark-rule.role-axis-grid").first.bounding_box()
    assert len(dots) == 14
    assert len(texts) >= 8
    assert plot["width"] > 290
    for i, text in enumerate(texts):
        for other in (*texts[:i], *dots):
            across = min(text[2], other[2]) - max(text[0], other[0])
            along = min(text[3], other[3]) - max(text[1], other[1])
            assert min(across, along) < 3  # of the empty edge of a line of text


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_says_what_to_use_and_shows_it(browser, tmp_path, width, scheme):
    run, _ = many(3)
    command = "python -m forecast task=predict run='outputs/a folder' data.path=newer.csv"
    summary = build_summary(**with_intervals(run), recommendation=recommended("lstm"), next_command=command)
    report = write_report(summary, tmp_path, png=False)
    with Opened(browser, report, width, scheme) as opened:
        page = opened.page
        assert opened.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".verdict").inner_text() == "Use lstm: typically 56 off."
        assert page.locator(".tiles li").count() == 3
        assert page.locator(".next code").inner_text() == command
        headings = page.locator("h2").all_inner_texts()
        places = [headings.index(one) for one in ("The forecast", "Forecasts against the truth", "Leaderboard")]
        assert places == sorted(places)
        top = page.locator("#answer").bounding_box()
        assert top["y"] < 900  # on the first screen
        before = page.locator("#steps tbody tr").first.inner_text()
        other = next(one for one in summary.choices if one.name != summary.series)
        page.select_option("#chosen", label=other.label)
        opened.wait_for_labels("answer-0", lambda labels: any(other.name[:4] in text for text in labels))
        assert page.locator("#steps tbody tr").first.inner_text() != before
        assert page.locator("#steps tbody tr").count() == len(other.answer.steps.rows)
        assert opened.complaints == []
