"""Random panels, written in random dialects, are read back equal or refused in one line: never silently different.

`FORECAST_PANELS=5000 python -m pytest tests/reading/test_random_panels.py` tries more of them.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
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
NAMES |= {"it": ("data", "negozio", "valore"), "nl": ("datum", "winkel", "waarde"), "pl": ("data", "sklep", "wartość")}
NAMES |= {"sv": ("datum", "butik", "värde")}
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
QUARTERS = {
    "iso": lambda t, _: f"{t:%Y-%m-%d}",
    "letter": lambda t, _: f"{t.year}-Q{t.quarter}",
    "letter first": lambda t, _: f"Q{t.quarter} {t.year}",
    "colon": lambda t, _: f"{t.year}:{t.quarter}",
    "roman": lambda t, _: f"{('I', 'II', 'III', 'IV')[t.quarter - 1]} {t.year}",
    "roman last": lambda t, _: f"{t.year}/{('I', 'II', 'III', 'IV')[t.quarter - 1]}",
}
WEEKS = {
    "iso": lambda t, _: f"{t:%Y-%m-%d}",
    "week": lambda t, _: f"{t:%G-W%V}",
    "german": lambda t, _: f"KW {t:%V/%G}",
    "interval": lambda t, _: f"{t:%d.%m.%Y} - {t + pd.Timedelta(days=6):%d.%m.%Y}",
}
FORMS = {"D": DAYS, "MS": MONTHS, "h": HOURS, "QS": QUARTERS, "W-MON": WEEKS}


DOUBTS = ("which no row proves", "which no cell proves")


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
    layout = one_of("single", "long", "two ids", "blocks", "columns")
    names = ["a"] if layout == "single" else [f"{one_of('north', 'x-', 'S')}{i}" for i in range(random.integers(2, 5))]
    if layout == "two ids":
        names = ["north/x", "north/y", "south/x", "south/y"][: random.integers(3, 5)]
    start = pd.Timestamp("2019-01-01") + pd.Timedelta(days=int(random.integers(0, 900)))
    start = {"MS": start.to_period("M").to_timestamp(), "QS": start.to_period("Q").to_timestamp()}.get(freq, start)
    times = pd.date_range(start, periods=45, freq=freq)
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

    before, after, flags = one_of("", "", "", "€", "$ "), one_of("", "", "", " kg", " MWh"), random.random() < 0.15

    def number(value: float) -> str:
        if np.isnan(value):
            return nothing
        text = f"{value:,.{digits}f}".translate(str.maketrans({",": thousands, ".": decimal}))
        flag = one_of(" p", "*", " b", "(r)") if flags and random.random() < 0.1 else ""
        return before + text + ("" if before else after) + flag

    heads = NAMES[language]
    if layout == "columns":
        settings["layout"] = "columns"
        rows = [[write_time(t, language), *(number(values[name][t]) for name in names)] for t in times]
        header = [heads[0], *names]
    else:
        header, rows = _long_rows(layout, heads, values, lambda t: write_time(t, language), number)
        values = {heads[2]: values["a"]} if layout == "single" else values
    order = "ascending" if layout == "blocks" else one_of("ascending", "ascending", "descending", "shuffled")
    if order == "descending":
        rows.reverse()
    elif order == "shuffled":
        rows = [rows[i] for i in random.permutation(len(rows))]
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if random.random() < 0.2 else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=one_of("\n", "\r\n"))
    title, note = one_of("", "", "", "Report of the north"), one_of("", "", "", "Source: the office")
    writer.writerows([*([[title]] if title else []), header, *rows, *([[note]] if note else [])])
    encoding = one_of(*_encodings(text.getvalue(), language))
    words = f"{freq} {form} {language} {layout} {delimiter!r} {decimal} {thousands!r} {order} {encoding} {settings} "
    words += f"{before!r} {after!r} {flags} {title!r} {note!r}"
    return Example(values, text.getvalue().encode(encoding), settings, words)


def _long_rows(
    layout: str,
    heads: tuple[str, str, str],
    values: dict[str, pd.Series],
    write_time: Callable[[pd.Timestamp], str],
    number: Callable[[float], str],
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a long table: a row a value."""
    rows = [[write_time(t), name, number(y)] for name, series in values.items() for t, y in series.items()]
    if layout == "single":
        return [heads[0], heads[2]], [[t, y] for t, _, y in rows]
    if layout == "two ids":
        return [heads[0], heads[1], "item", heads[2]], [[t, *name.split("/"), y] for t, name, y in rows]
    if layout == "blocks":  # the id once, in the first row of its series
        starts = {name: next(i for i, row in enumerate(rows) if row[1] == name) for name in values}
        return [heads[1], heads[0], heads[2]], [
            [name if starts[name] == i else "", t, y] for i, (t, name, y) in enumerate(rows)
        ]
    return list(heads), rows


def _encodings(text: str, language: str) -> list[str]:
    """Encodings that hold a text; nobody can tell Korean by a sign of the euro alone."""
    encodings = [name for name in ENCODINGS if name[:3] == "utf" or _fits(text, name)]
    return [name for name in encodings if name != "cp949" or language == "ko"]


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
    if any(doubt in note for note in source.notes for doubt in DOUBTS):
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
