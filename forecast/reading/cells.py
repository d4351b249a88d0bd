"""Cells: a missing value, a number in any notation, a time or text; and columns of numbers as floats.

A number is read exactly as Python's `float` reads it in plain notation. Whether a comma is a decimal comma or groups
thousands is decided for a whole column (with the other columns of the file where the column itself does not tell),
never for a single cell: "1,234" alone could be either.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.reading.time_forms import is_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from forecast.series.panel import BoolArray, FloatArray


# What may follow a number or a time without being part of it: footnotes; the flags of statistical offices (p:
# provisional, b: break, ...), which follow a blank or are in brackets; A and B of an hour that comes twice.
_FLAG = (
    r"\s?(?P<flag>[*†‡]{1,3}|[¹²³⁴⁵]|\([a-z0-9]{1,2}\)|\[[a-z0-9]{1,2}\])"
    r"|\s(?P<letters>[bcdefinprsuz]{1,3}|[AB]|\d{1,2}\))"
)
_FLAGGED = re.compile(rf"(.*\w)(?:{_FLAG})", re.ASCII)
# Lower case. The errors of a spreadsheet (#DIV/0!, #VALUE!) are not missing values: the user should look at them.
MISSING = frozenset(
    {
        *["", "na", "n/a", "n.a.", "n.a", "#n/a", "#n/a n/a", "#na", "#nv", "nan", "-nan", "null", "none", "nil"],
        *["nat", "<na>", ":", "-", "--", "---", "***", "–", "—", ".", "..", "...", "?", "*"],
        *["missing", "k.a.", "nd", "n.d."],
        *["결측", "없음"],
    }
)
_BEGIN_NUMBERS = "0123456789"
_CURRENCY = (  # a backslash: the won sign of Korean code pages
    r"[$€£¥₩￦₹₺₽฿\\]|R\$|US\$|EUR|USD|GBP|JPY|KRW|CNY|INR|CHF|SEK|NOK|DKK|PLN|CZK|BRL|MXN|AUD|CAD|Rs\.?|kr\.?|S?Fr\."
)
_ANY_CURRENCY = re.compile(_CURRENCY)
_GROUPING = " '’_"
_BLANKS = str.maketrans("\u00a0\u2009\u202f", "   ")
_UNITS = (
    rf"[%‰]|{_CURRENCY}|원|円|元|zł|Kč|Ft|[KkMB]|[Mm]io\.?|[Mm]rd\.?|[Tt]sd\.?|mn|bn|pp|bps?"
    r"|[kMGT]Wh?|Wh|[kM]V|[°º][CF]|[kmµ]g|lbs?|[kcm]m|m[²³23]|[mh][lL]|hPa|[mk]?bar|ppm|[kM]?Hz|[kMGT]i?B|km/h|m/s|mph"
    r"|[µm]g/m[³3]|m[³3]/[sh]|lx|dB|pcs|St(?:k|ck)?\.?|Stück|units?|명|개|건|대|톤|min|ms|days?|(?<=\s)[CFVWtglLmsh]"
)
"""After a number; single letters after a blank alone, as 3F may be a floor."""
_DIGITS = rf"(?:\d[\d.,{_GROUPING}]*|[.,]\d+)"
_NUMBER = re.compile(
    rf"(?:[-+−(]|\s|{_CURRENCY}){{0,5}}(?P<digits>{_DIGITS})"
    rf"(?P<cents>[.,:](?:--?|[–—]))?(?P<exponent>[eE][-+]?\d+)?\s?(?P<unit>{_UNITS})?(?:(?<![.,:])-)?\)?",
    re.ASCII,
)
"""`cents` is a dash in the place of none, as in 1.250,- and 40.–; a minus may follow digits alone."""
_SIMPLE = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
PLAIN_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_MANY = {"K": "e3", "k": "e3", "M": "e6", "B": "e9"}
_NO_VALUE = re.compile(r":\s?[a-z]{1,3}")  # as Eurostat writes it, with a flag that says why
_LOOKED_AT = 20_000  # cells of a column on which its notation is decided


def is_missing(cell: str) -> bool:
    """Whether a cell stands for no value."""
    if cell[:1] in _BEGIN_NUMBERS:  # or there is no cell
        return not cell
    return cell.strip().lower() in MISSING or (cell[0] == ":" and _NO_VALUE.fullmatch(cell) is not None)


def are_missing(cells: pa.StringArray, words: Iterable[str] = ()) -> BoolArray:
    """Whether texts stand for no value, (row,); `words` do so too."""
    missing = pa.array(sorted(MISSING | {text.strip().lower() for text in words}), pa.string())
    return np.asarray(pc.is_in(pc.utf8_lower(cells), value_set=missing).to_numpy(zero_copy_only=False))


@lru_cache(1 << 14)
def is_number(cell: str) -> bool:
    """Whether a cell is a number in some notation (infinity included)."""
    cell = cell.strip()
    if _SIMPLE.fullmatch(cell):
        return True
    cell = cell.translate(_BLANKS)
    if _NUMBER.fullmatch(cell):
        return not is_time(cell)
    bare, flag = without_flag(cell)
    return bool(flag and _NUMBER.fullmatch(bare)) or cell.lower().lstrip("+-") in {"inf", "infinity"}


def without_flag(cell: str) -> tuple[str, str]:
    """Take off what follows a number or a time: the rest, and the flag ("": there is none).

    >>> without_flag("101.8 p"), without_flag("2019-05*"), without_flag("12")
    (('101.8', 'p'), ('2019-05', '*'), ('12', ''))
    """
    match = _FLAGGED.fullmatch(cell)
    return (match[1], match["flag"] or match["letters"]) if match else (cell, "")


def is_data(cell: str) -> bool:
    """Whether a cell is a number or a time, as below a header and not in it: "10 m" may be the name of a column."""
    if _SIMPLE.fullmatch(cell):
        return True
    return is_time(cell.strip()) or (is_number(cell) and not _unit_of(cell) and not without_flag(cell)[1])


@dataclass(frozen=True)
class Notation:
    """How numbers are written: the decimal mark, and the mark that groups thousands ("": none)."""

    decimal: str = "."
    thousands: str = ""


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers.

    Attributes
    ----------
    values : (row,), NaN where missing
    bad : (row,) whether the cell is no number
    flags, units : what stood after numbers and is no part of them, and how often
    currencies : the different ones beside numbers

    """

    values: FloatArray
    bad: BoolArray
    flags: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    currencies: tuple[str, ...] = ()


def find_notation(cells: Iterable[str], semicolons: bool) -> tuple[Notation | None, bool]:
    """Return the notation that cells prove, None if they prove none; and whether it is only the more likely one.

    `semicolons`: the file is separated by semicolons, as where commas are decimal.
    """
    seen = Counter(kind for cell in cells for kind in _evidence(cell))
    grouping = next((mark for mark in _GROUPING if seen[f"group{mark}"]), "")
    comma, point = seen["decimal,"], seen["decimal."]
    if comma > point:
        return Notation(",", "." if seen["group."] or seen["either."] else grouping), False
    if point or seen["group,"]:
        return Notation(".", "," if seen["group,"] or seen["either,"] else grouping), False
    if seen["group."]:
        return Notation(",", "."), False
    if seen["either,"]:
        # Three digits after every comma: decimals of fixed length, unless small whole numbers stand among them.
        decimal = semicolons and not seen["whole"]
        return (Notation(",", grouping) if decimal else Notation(".", ",")), True
    if seen["either."] and not seen["long"]:
        # 824, 1.024: a point before three digits in some numbers and none in those of three digits groups thousands.
        groups = (semicolons and seen["whole"]) or 2 * seen["hundreds"] > seen["whole"]
        if groups or semicolons:
            return (Notation(",", ".") if groups else Notation()), True
    return (Notation(".", grouping), False) if grouping else (None, False)


def _evidence(cell: str) -> list[str]:
    """What one cell proves: a mark that must be decimal, one that must group thousands, or one that may be either."""
    match = _NUMBER.fullmatch(cell.strip())
    if match is None:
        return []
    digits = match["digits"].strip()
    marks = [char for char in digits if not char.isdigit()]
    if not marks and not match["cents"]:
        return ["long"] if len(digits) > 3 else ["whole", "hundreds"][: 1 + (len(digits) == 3)]
    if match["cents"]:
        return [f"decimal{match['cents'][0]}", *(f"group{mark}" for mark in marks[:1])]
    last = marks[-1]
    others = [mark for mark in marks if mark != last]
    if last not in _GROUPING and others:  # 1.234,5: the last of two marks is decimal
        return [f"decimal{last}", f"group{others[0]}"]
    if last in _GROUPING or len(marks) > 1:  # 1 234 or 1.234.567: a mark that occurs twice groups
        grouped = re.fullmatch(rf"\d{{1,3}}(\{last}\d{{2,3}})*\{last}\d{{3}}", digits)
        return [f"group{last}"] if grouped else []
    before, _, after = digits.partition(last)
    # 1,234 may be 1.234 or 1234; 0,234 and 12,34 can only be decimals.
    three = len(after) == 3 and 1 <= len(before) <= 3 and not before.startswith("0") and not match["exponent"]
    return [f"either{last}" if three else f"decimal{last}"]


def read_numbers(cells: pa.Array, notation: Notation, missing: Iterable[str] = ()) -> Numbers:
    """Read a column of trimmed cells, or of numbers as Parquet has them."""
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        values = pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return Numbers(np.array(values, dtype=np.float64), np.zeros(len(values), dtype=np.bool_))
    cells = pc.if_else(pa.array(are_missing(cells, missing)), None, cells)
    if notation == Notation():
        try:
            return _as_floats(cells)
        except pa.ArrowInvalid:
            pass
    return _read_carefully(cells, notation)


def _as_floats(cells: pa.StringArray) -> Numbers:
    values = pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
    return Numbers(np.array(values, dtype=np.float64), np.zeros(len(values), dtype=np.bool_))


def _read_carefully(cells: pa.StringArray, notation: Notation) -> Numbers:
    """Read cells in the notation at once, and the rest (currencies, units, brackets) one by one."""
    plain = pc.match_substring_regex(cells, f"^{_shape(notation)}$")
    pointed = cells
    if notation.thousands:
        pointed = pc.replace_substring(pointed, notation.thousands, "")
    if notation.decimal != ".":
        pointed = pc.replace_substring(pointed, notation.decimal, ".")
    values, bad = _as_floats(pc.if_else(plain, pointed, None)).values, np.zeros(len(cells), dtype=np.bool_)
    left = pc.fill_null(pc.invert(plain), False).to_numpy(zero_copy_only=False)
    shape = re.compile(_shape(notation), re.ASCII)
    flags: Counter[str] = Counter()
    units: Counter[str] = Counter()
    currencies: dict[str, None] = {}
    for row, cell in zip(np.flatnonzero(left), cells.filter(pa.array(left)).to_pylist(), strict=True):
        number, flag = _plain_number(cell, notation, shape), ""
        if number is None:
            bare, flag = without_flag(cell.translate(_BLANKS))
            number = _plain_number(bare, notation, shape) if flag else None
        no_value = number is None and _NO_VALUE.fullmatch(cell) is not None
        bad[row] = number is None and not no_value
        values[row] = np.nan if number is None else float(number)
        flags[cell if no_value else flag] += not bad[row]
        units[_unit_of(cell)] += 1
        if number is not None and (currency := _ANY_CURRENCY.search(cell)):
            currencies[currency[0].removeprefix("US").rstrip(".")] = None
    del flags[""], units[""]
    return Numbers(values, bad, +flags, units, tuple(currencies))


def _unit_of(cell: str) -> str:
    match = _NUMBER.fullmatch(without_flag(cell)[0])
    unit = match["unit"] if match else None
    return "" if unit is None or unit in _MANY or re.fullmatch(rf"%|{_CURRENCY}|원|円|元", unit) else unit


def _shape(notation: Notation) -> str:
    """Regular expression of a number in a notation."""
    decimal = re.escape(notation.decimal)
    whole = r"\d+"
    if notation.thousands:
        # Groups of two before the last one are the Indian way: 1,23,456.
        group = re.escape(notation.thousands)
        whole = rf"(?:\d+|\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}})"
    return rf"[-+]?(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][-+]?\d+)?"


def _plain_number(cell: str, notation: Notation, shape: re.Pattern[str]) -> str | None:
    """Write a number with a currency, a unit, brackets or a trailing sign as `float` reads it; None: no number.

    >>> _plain_number("(1,234.50 $)", Notation(".", ","), re.compile(_shape(Notation(".", ","))))
    '-1234.50'
    """
    if cell.lower().lstrip("+-") in {"inf", "infinity"}:
        return cell
    match = _NUMBER.fullmatch(cell)
    if match is None or not shape.fullmatch(match["digits"].strip()):
        return None
    around = re.sub(_CURRENCY, "", cell).replace(match["digits"] + (match["cents"] or ""), " ", 1)
    minuses = around.count("-") + around.count("−") + around.count("(") - (match["exponent"] or "").count("-")
    if ("(" in around) != (")" in around) or minuses > 1:
        return None
    digits = match["digits"].strip()
    if notation.thousands:
        digits = digits.replace(notation.thousands, "")
    exponent = (match["exponent"] or "") + _MANY.get(match["unit"] or "", "")
    number = "-" * minuses + digits.replace(notation.decimal, ".") + exponent
    return number if PLAIN_NUMBER.fullmatch(number) else None


def spelled_numbers(cells: pa.StringArray) -> tuple[Numbers, str] | None:
    """Read durations, or yes and no, as numbers; also how, in words. None: not all cells are such.

    A duration counts in the unit of what stands before its first colon (1:30:00 is 1.5), or in hours.
    """
    coded = pc.dictionary_encode(cells)
    texts = coded.dictionary.to_pylist()
    for read, words in (
        (_as_duration, "durations such as {!r} were read as {:g}"),
        (_as_truth, "{!r} was read as {:g}"),
    ):
        numbers = {text: read(text) for text in texts if not is_missing(text)}
        if numbers and None not in numbers.values():
            values = np.array([numbers.get(text, np.nan) for text in texts], dtype=np.float64)
            text, number = max(numbers.items(), key=lambda item: item[1] or 0.0)
            return (
                Numbers(values[np.asarray(coded.indices)], np.zeros(len(cells), dtype=np.bool_)),
                words.format(text, number),
            )
    return None


_CLOCK = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d+) days?,? )?(?P<first>\d+):(?P<second>[0-5]\d)(?::(?P<third>[0-5]\d(?:\.\d+)?))?"
)
_HOURS = re.compile(
    r"(?P<sign>-?)(?:P(?:(?P<days>\d+)D)?T?)?(?:(?P<first>\d+)\s?(?:h|H|hrs?|Std\.?|시간)\s?)?"
    r"(?:(?P<second>\d+)\s?(?:m|M|min|Min\.?|분)\s?)?(?:(?P<third>\d+(?:\.\d+)?)\s?(?:s|S|sec|초))?"
)
_TRUTH = {
    **dict.fromkeys(("true", "yes", "y", "ja", "oui", "sí", "si", "sim", "wahr", "vrai", "on", "참", "예"), 1.0),
    **dict.fromkeys(("false", "no", "n", "nein", "non", "não", "falsch", "faux", "off", "거짓", "아니오"), 0.0),
}


def _as_duration(text: str) -> float | None:
    match = _CLOCK.fullmatch(text) or (
        _HOURS.fullmatch(text) if text[-1:].isalpha() and re.search(r"\d", text) else None
    )
    if match is None:
        return None
    days, first, second, third = (float(match[part] or 0) for part in ("days", "first", "second", "third"))
    return (24 * days + first + second / 60 + third / 3600) * (-1 if match["sign"] else 1)


def _as_truth(text: str) -> float | None:
    return _TRUTH.get(text.lower())


def notation_of(column: pa.StringArray, sample: Iterable[str], semicolons: bool) -> tuple[Notation | None, bool]:
    """Detect the notation of one column by its cells that are no plain numbers, and a sample of the others."""
    odd = pc.match_substring_regex(column, r"[^0-9.eE+-]|\..*\.")
    some = pc.filter(column, pc.fill_null(odd, False)).slice(0, _LOOKED_AT).to_pylist()
    return find_notation([*some, *sample], semicolons)
