"""Where Chromium lies."""

import shutil
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_browser(playwright):
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None and Path(playwright.chromium.executable_path).exists():
        browser_path = playwright.chromium.executable_path
    if browser_path is None:
        pytest.fail("the report's tests need Chromium: `apt-get install chromium` or `playwright install chromium`")
    return browser_path
