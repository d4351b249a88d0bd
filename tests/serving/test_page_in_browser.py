"""The page in a real browser, from a workbook that is dropped to the report of its forecast."""

from __future__ import annotations

import io
import re

import pandas as pd
import pytest
from oracles.browser import find_browser
from playwright.sync_api import expect, sync_playwright
from small_service import served

from forecast.serving.service import make_service
from forecast.serving.settings import ServeSettings
from forecast.tasks.serve import open_answers

BASE = {
    "data": {"name": "csv", "path": "file"},
    "split": {},
    "model": {"name": "auto"},
    "training": {"accelerator": "cpu", "threads": 1},
    "baseline": {"naive": {"name": "naive", "method": "naive"}},
    "backtest": {},
    "report": {},
}
DROP = """(content) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([content], "dropped <b>.csv"));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true}));
}"""


def workbook():
    """Two columns of numbers, neither of them called like a target, as a spreadsheet holds them."""
    months = pd.date_range("2021-01-01", periods=40, freq="MS")
    table = {"Month": months, "ice cream": [i % 12 + 0.1 * i for i in range(40)], "sorbet": [i % 5 for i in range(40)]}
    buffer = io.BytesIO()
    pd.DataFrame(table).to_excel(buffer, index=False, engine="openpyxl")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    app = make_service(open_answers([], base=BASE), ServeSettings(folder=str(folder), time_limit_s=120))
    with served(app) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(playwright), args=["--no-sandbox"])
        yield browser
        browser.close()


def test_from_a_file_to_a_forecast(browser, address, tmp_path):
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.set_default_timeout(120_000)
    expect.set_options(timeout=120_000)
    complaints, requests = [], []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)

    page.set_input_files("#file", {"name": "여름 1.xlsx", "mimeType": "", "buffer": workbook()})
    page.wait_for_selector("#found", state="visible")
    assert "which column is to be forecast? 2 hold numbers: 'ice cream', 'sorbet'" in page.inner_text("#error")
    assert page.is_disabled("#go")
    assert page.locator("#correct").get_attribute("open") is not None
    page.fill("#more", '`"data.target=ice cream"`')  # the remedy as a message writes it
    page.locator("#more").blur()
    page.wait_for_selector("#error", state="hidden")
    expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile("^ice cream from 2021-01"))
    page.fill("#more", "")
    page.select_option("#target", label="sorbet")
    expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile("^sorbet from 2021-01"))
    summary = page.inner_text("#summary")
    assert summary.startswith("40 rows (2021-01")
    assert "frequency MS (months)" in summary
    assert page.locator("#others label").all_inner_texts() == ["ice cream"]
    labelled = page.eval_on_selector_all("form :is(input, select, textarea)", "all => all.every(e => e.labels.length)")
    assert labelled
    page.fill("#more", "data.on_gasp=mask")
    page.locator("#more").blur()
    expect(page.locator("#error")).to_contain_text("`data.on_gasp` is not a setting")
    page.fill("#more", "")
    page.locator("#more").blur()
    page.wait_for_selector("#error", state="hidden")
    page.fill("#horizon", "3")
    page.locator("#horizon").press("Enter")

    page.wait_for_selector("#working", state="visible")
    page.wait_for_selector("#result", state="visible")
    assert "is ready" in page.inner_text("#status")
    assert page.inner_text("#sentence")
    report = page.frame_locator("#report")
    report.locator("#future-0 svg").wait_for(state="attached")
    link = page.get_by_role("link", name="Download as CSV").get_attribute("href")
    table = pd.read_csv(io.BytesIO(page.request.get(address + link).body()))
    assert table["Month"].tolist() == ["2024-05-01", "2024-06-01", "2024-07-01"]
    assert table["forecast"].notna().all()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.reload()
    page.wait_for_selector("#result", state="visible")

    page.evaluate(DROP, "ds,y\n" + "".join(f"2024-01-{day:02d},{day % 7}\n" for day in range(1, 31)))
    expect(page.locator("#name")).to_have_text("dropped b.csv")
    page.wait_for_selector("#found", state="visible")
    page.click("#go")
    page.click("#cancel")
    expect(page.locator("#status")).to_have_text("Cancelled.")
    for left in (1, 0):
        page.locator("#earlier button").first.click()
        expect(page.locator("#earlier li")).to_have_count(left)
    same = tmp_path / "same.csv"
    same.write_text("ds,y\n2024-01-01,1\n")
    for _ in range(2):  # a file that was mended is chosen once more
        with page.expect_request(lambda request: "/jobs?file=same.csv" in request.url, timeout=20_000):
            with page.expect_file_chooser() as chooser:
                page.click("#file")
            chooser.value.set_files(same)
        expect(page.locator("#name")).to_have_text("same.csv")
    assert len(complaints) == 1  # the browser's own, on the setting that is none
    assert "422" in complaints[0]
    assert all(url.startswith((address, "data:", "blob:")) for url in requests)
    page.close()
