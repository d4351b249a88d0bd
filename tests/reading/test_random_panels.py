"""Random panels, written in random dialects, are read back equal or refused in one line: never silently different.

`FORECAST_PANELS=5000 python -m pytest tests/reading/test_random_panels.py` tries more of them.
"""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from babel.dates import format_date

from forecast.errors import ForecastError
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.settings import check_settings

EXAMPLES = int(os.environ.get("FORECAST_PANELS", "500"))
GROUPS = 20
NAMES = {"en": ("date", "shop", "value"), "de": ("Datum", "Filiale", "Wert"), "ko": ("날짜", "지점", "값")}
NAMES |= {"fr": ("date", "magasin", "valeur"), "es": ("fecha", "tienda", "valor"), "pt": ("data", "loja", "valor")}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "cp949")
DAYS = {
    "iso": lambda t, _: f"{t:%Y-%m-%d}",
    "dotted": lambda t, _: f"{t:%d.%m.%Y}",
    "american": lambda t, _: f"{t:%m/%d/%Y}",
    "british": lambda t, _: f"{t:%d/%m/%Y}",
    "compact": lambda t, _: f"{t:%Y%m%d}",
    "words": lambda t, language: format_date(t, "long" if language == "ko" else "d. MMM yyyy", locale=language),
    "long": lambda t, language: format_date(t, "long" if language == "ko" else "d MMMM yyyy", locale=language),
    "clock": lambda t, _: f"{t:%Y-%m-%d} 00:00:00",
}
MONTHS = {
    "iso": lambda t, _: f"{t:%Y-%m-%d}",
    "short": lambda t, _: f"{t:%Y-%m}",
    "words": lambda t, language: f"{t:%Y년 %m월}" if language == "ko" else format_date(t, "MMM yyyy", locale=language),
    "two digits": lambda t, language: f"{t:%Y-%m}" if language == "ko" else format_date(t, "MMM/yy", locale=language),
}
HOURS = {
    "iso": lambda t, _: f"{t:%Y-%m-%dT%H:%M:%S}",
    "plain": lambda t, _: f"{t:%Y-%m-%d %H:%M}",
    "dotted": lambda t, _: f"{t:%d.%m.%Y %H:%M}",
    "american": lambda t, _: f"{t:%m/%d/%Y %I:%M %p}",
    "epoch": lambda t, _: str(int(t.timestamp())),
}
FORMS = {"D": DAYS, "MS": MONTHS, "h": HOURS}


@dataclass
class Example:
    """A panel, the text of its file, and the settings that a user has to give."""

    values: dict[str, pd.Series]
    content: bytes
    settings: dict[str, object] = field(default_factory=dict)
    words: str = ""


def make(random: np.random.Generator) -> Example:
    """Draw a panel and a dialect."""

    def one_of(*options: str) -> str:
        return options[random.integers(len(options))]

    freq, language = one_of(*FORMS), one_of(*NAMES)
    form = one_of(*FORMS[freq])
    write_time = FORMS[freq][form]
    layout = one_of("single", "long", "columns")
    names = ["a"] if layout == "single" else [f"{one_of('north', 'x-', 'S')}{i}" for i in range(random.integers(2, 5))]
    start = pd.Timestamp("2019-01-01") + pd.Timedelta(days=int(random.integers(0, 900)))
    times = pd.date_range(start.to_period("M").to_timestamp() if freq == "MS" else start, periods=45, freq=freq)
    digits, scale = int(random.integers(0, 4)), 10.0 ** random.integers(0, 6)
    decimal = one_of(".", ",")
    thousands = one_of("", {",": ".", ".": ","}[decimal], " ") if scale >= 1e3 else ""
    delimiter = one_of(",", ";", "\t", "|")
    if thousands == "." and delimiter != ";":
        digits = max(digits, 1)  # 86.961 alone may be either, and nobody can tell
    values = {
        name: pd.Series(np.round(random.normal(scale, scale / 4, len(times)), digits), index=times) for name in names
    }
    settings: dict[str, object] = {}
    if random.random() < 0.4:  # missing values, and rows that are not there
        settings["on_gaps"] = "mask"
        for series in values.values():
            series.iloc[random.integers(1, 44, 2)] = np.nan
        if layout != "columns" and random.random() < 0.5:
            values = {name: series.drop(series.index[random.integers(1, 44, 2)]) for name, series in values.items()}
    nothing = one_of("", "NA", "-")

    def number(value: float) -> str:
        if np.isnan(value):
            return nothing
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans({",": thousands, ".": decimal}))

    heads = NAMES[language]
    if layout == "columns":
        settings["layout"] = "columns"
        rows = [[write_time(t, language), *(number(values[name][t]) for name in names)] for t in times]
        header = [heads[0], *names]
    else:
        rows = [
            [write_time(t, language), name, number(y)] for name, series in values.items() for t, y in series.items()
        ]
        header = list(heads)
        if layout == "single":
            header, rows = [heads[0], heads[2]], [[row[0], row[2]] for row in rows]
            values = {heads[2]: values["a"]}
    order = one_of("ascending", "ascending", "descending", "shuffled")
    if order == "descending":
        rows.reverse()
    elif order == "shuffled":
        rows = [rows[i] for i in random.permutation(len(rows))]
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if random.random() < 0.2 else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=one_of("\n", "\r\n"))
    writer.writerows([header, *rows])
    encodings = [name for name in ENCODINGS if name[:3] == "utf" or _fits(text.getvalue(), name)]
    encoding = one_of(*encodings)
    words = f"{freq} {form} {language} {layout} {delimiter!r} {decimal} {thousands!r} {order} {encoding} {settings}"
    return Example(values, text.getvalue().encode(encoding), settings, words)


def _fits(text: str, encoding: str) -> bool:
    try:
        return text.encode(encoding).decode(encoding) == text
    except UnicodeError:
        return False


def silent_difference(example: Example, path: Path) -> str:
    """What differs without a word; "": nothing, or it is refused or doubted in one line."""
    path.write_bytes(example.content)
    try:
        source = load_source(check_settings(CsvSettings, {"path": str(path), **example.settings}, "data."))
    except ForecastError as error:
        return "several lines" if "\n" in str(error) else ""
    if any("which no row proves" in note or "which no cell proves" in note for note in source.notes):
        return ""
    panel = source.panel
    if set(panel.ids) != set(example.values):
        return f"ids {panel.ids}"
    for name, rows in panel.series():
        target = np.where(panel.target_observed[rows], panel.target[rows], np.nan)  # a masked step holds a stand-in
        read = pd.Series(target, index=pd.DatetimeIndex(panel.times[rows])).dropna()
        truth = example.values[name].dropna().sort_index()
        if not (len(read) == len(truth) and (read.index == truth.index).all() and (read == truth).all()):
            return f"series {name}: {read.head(3).to_dict()} and not {truth.head(3).to_dict()}"
    return ""


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_random_panel_comes_back_or_is_refused(group: int, tmp_path: Path) -> None:
    random = np.random.default_rng(group)
    for _ in range(EXAMPLES // GROUPS):
        example = make(random)
        difference = silent_difference(example, tmp_path / "random.csv")
        assert not difference, f"{example.words}\n{difference}\n{example.content[:400]!r}"


def test_most_random_panels_are_read(tmp_path: Path) -> None:
    random, refused = np.random.default_rng(99), []
    for _ in range(EXAMPLES // 4):
        example = make(random)
        (tmp_path / "random.csv").write_bytes(example.content)
        try:
            load_source(check_settings(CsvSettings, {"path": str(tmp_path / "random.csv"), **example.settings}))
        except ForecastError as error:
            refused.append(f"{example.words}: {error}")
    assert len(refused) <= 0.1 * (EXAMPLES // 4), refused
