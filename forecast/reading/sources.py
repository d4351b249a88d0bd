"""From the settings `data.*` to a panel: one table from the name of a source to the function that loads it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.assemble import assemble
from forecast.reading.by_file import load_by_file
from forecast.reading.generators import fingerprint_panel, make_addition, make_sinewave
from forecast.reading.progress import said_to_be_read
from forecast.reading.settings import CsvSettings, RowSettings, TextSettings, check_not_averaged
from forecast.reading.symbols import describe_symbols, in_alphabet, name_unknown, read_characters, without_unused
from forecast.reading.tables import read_table
from forecast.series.panel import Source
from forecast.settings import check_settings
from forecast.wording import name_some

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.reading.raw_table import RawTable
    from forecast.reading.settings import AdditionSettings, DataSettings, SinewaveSettings, StockSettings
    from forecast.series.panel import Panel


def load_source(settings: DataSettings, symbols: tuple[str, ...] = ()) -> Source:
    """Load or generate the data that the settings name.

    `symbols` is the alphabet of a training, whose indices are the codes of symbols; empty: that of the data.

    Examples
    --------
    >>> from forecast.reading.settings import SinewaveSettings
    >>> len(load_source(SinewaveSettings()).panel.target)
    2000

    """
    with said_to_be_read(getattr(settings, "path", None)):
        return SOURCES[settings.name](settings, symbols)


def found_line(source: Source) -> str:
    """Put what was detected into one line.

    >>> from forecast.reading.settings import SinewaveSettings
    >>> found_line(load_source(SinewaveSettings(duration=1)))
    'wave 10 Hz sampled at 200 Hz, noise 0.1; rows 200 (20 a period)'
    """
    return "; ".join(f"{name} {value}" for name, value in source.found.items())


def read_csv(path: str | Path, **settings: Any) -> Panel:
    """Read a table (CSV, Parquet, a workbook, a folder of files, ...) into a panel; `settings` as with `data=csv`."""
    values = {"path": str(path), **settings}
    return load_source(check_settings(CsvSettings, values)).panel


def read_text(path: str | Path, *, jamo: bool = False, encoding: str | None = None) -> Panel:
    """Read a text file into a panel of one series of symbols, a step a character; settings as with `data=text`."""
    values = {"path": str(path), "jamo": jamo, "encoding": encoding}
    return load_source(check_settings(TextSettings, values)).panel


def stock_path() -> Path:
    """Where the bundled prices lie."""
    return _bundled("stock.csv", "prices")


def _bundled(file: str, what: str) -> Path:
    """Where a bundled file lies: inside the package if installed from a wheel, next to it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    places = (package / "data" / file, package.parent / "data" / file)
    for place in places:
        if place.is_file():
            return place
    raise ForecastError(f"the bundled {what} should be at {places[0]}, found nothing there: install the package again")


def _load_sinewave(settings: SinewaveSettings, _symbols: tuple[str, ...]) -> Source:
    panel = make_sinewave(settings)
    facts = {
        "wave": f"{settings.frequency:g} Hz sampled at {settings.sampling_rate:g} Hz, noise {settings.noise:g}",
        "rows": f"{len(panel.target):,} ({settings.sampling_rate / settings.frequency:g} a period)",
    }
    return Source(panel, facts, (), fingerprint_panel(panel))


def _load_stock(settings: StockSettings, _symbols: tuple[str, ...]) -> Source:
    """Read the prices as any CSV with the columns of the bundled one."""
    rows = {name: getattr(settings, name) for name in RowSettings.model_fields}
    path = settings.path or str(stock_path())
    return _load_csv(CsvSettings(path=path, time="Date", target=settings.target, **rows), (), offers=False)


def _load_csv(settings: CsvSettings, symbols: tuple[str, ...], *, offers: bool = True) -> Source:
    """Read files; with `offers` a note says how columns that are not used could be."""
    if settings.by_file:
        return load_by_file(settings, partial(_load_csv, symbols=(), offers=offers))
    if settings.symbols:
        check_not_averaged(settings)
    raw = read_table(settings.path, settings, symbols)
    if raw.unknown:
        raw = _without_unknown(raw, settings)
    if settings.on_short_series == "drop" and settings.target_at == "every":
        raw = _without_empty(raw)
    assembled = assemble(raw, settings, settings.timezone, target_at=settings.target_at)
    facts, notes = {**raw.found, **assembled.found}, (*raw.notes, *assembled.notes)
    if offers and raw.unused:
        notes += (raw.unused,)
    source = Source(assembled.panel, facts, notes, raw.fingerprint, raw.form)
    return _of_symbols(source, symbols) if settings.symbols else source


def _load_text(settings: TextSettings, symbols: tuple[str, ...]) -> Source:
    text = read_characters(settings, _bundled("text.txt", "text"))
    return _of_symbols(Source(text.panel(), text.found, text.notes, text.fingerprint), symbols)


def _load_addition(settings: AdditionSettings, _symbols: tuple[str, ...]) -> Source:
    panel = make_addition(settings)
    facts = {
        "sums": f"{settings.sums:,} of {settings.shortest} to {settings.longest} binary digits, then "
        f"{settings.longer_sums:,} of {settings.longer}",
        "rows": f"{len(panel.target):,}",
    }
    return Source(panel, facts, (), fingerprint_panel(panel))


def _of_symbols(source: Source, symbols: tuple[str, ...]) -> Source:
    """Write codes in the alphabet of a training, or in that of the symbols that occur, and report the alphabet."""
    panel = in_alphabet(source.panel, symbols) if symbols else without_unused(source.panel)
    return replace(
        source, panel=panel, found={**source.found, "symbols": describe_symbols(panel.channels[0].categories)}
    )


def _without_unknown(raw: RawTable, settings: CsvSettings) -> RawTable:
    """Report symbols that training did not know: missing values, unless gaps are an error."""
    named = name_unknown(list(raw.unknown), raw.unknown)
    if settings.on_gaps in ("auto", "error"):
        raise ForecastError(
            f"{settings.path!r} holds {named}, which training did not know: set `data.on_gaps=mask` to leave them "
            "open, correct the file, or train again"
        )
    return replace(raw, notes=(*raw.notes, f"{named}, which training did not know, are missing values."))


def _without_empty(raw: RawTable) -> RawTable:
    """Leave out series without any value; whether another is too short depends on context and horizon."""
    kept = tuple(series for series in raw.series if not np.isnan(series.values).all())
    if len(kept) in (0, len(raw.series)):
        return raw
    empty = [repr(series.id) for series in raw.series if np.isnan(series.values).all()]
    note = f"{len(empty)} series without any value left out: {name_some(empty[:5], len(empty))}."
    return replace(raw, series=kept, notes=(*raw.notes, note))


SOURCES: dict[str, Callable[[Any, tuple[str, ...]], Source]] = {
    "sinewave": _load_sinewave,
    "stock": _load_stock,
    "csv": _load_csv,
    "text": _load_text,
    "addition": _load_addition,
}
