"""What a single cell may be: nothing, a number in anybody's notation, a time, or text."""

from __future__ import annotations

import re
from functools import lru_cache

from forecast.reading.time_forms import is_time

# Lower case; the errors of a spreadsheet (#DIV/0!, #VALUE!) are no missing values, somebody should look at them.
MISSING = frozenset(
    {
        *["", "na", "n/a", "n.a.", "n.a", "#n/a", "#n/a n/a", "#na", "#nv", "nan", "-nan", "null", "none", "nil"],
        *["nat", "<na>", "-", "--", "---", "–", "—", ".", "..", "...", "?", "*", "missing", "k.a.", "nd", "n.d."],
        *["결측", "없음"],
    }
)

CURRENCY = "$€£¥₩￦₹"
GROUPING = " '’_"
_BLANKS = str.maketrans("\u00a0\u2009\u202f", "   ")
_UNITS = rf"[%{CURRENCY}]|원|円|元|kr\.?|zł|EUR|USD|KRW|CHF|[KkMB]"
_DIGITS = rf"(?:\d[\d.,{GROUPING}]*|[.,]\d+)"
NUMBER = re.compile(
    rf"\(?[-+−]?\s?(?:[{CURRENCY}]|EUR|USD|KRW|CHF)?\s?[-+−]?(?P<digits>{_DIGITS})"
    rf"(?P<exponent>[eE][-+]?\d+)?\s?(?P<unit>{_UNITS})?-?\)?",
    re.ASCII,
)

_PLAIN = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


def is_missing(cell: str) -> bool:
    """Whether a cell stands for no value."""
    return cell.strip().lower() in MISSING


@lru_cache(1 << 14)
def is_number(cell: str) -> bool:
    """Whether a cell is a number in some notation (infinity included)."""
    cell = cell.strip()
    if _PLAIN.fullmatch(cell):
        return True
    cell = cell.translate(_BLANKS)
    if NUMBER.fullmatch(cell):
        return not is_time(cell)
    return cell.lower().lstrip("+-") in {"inf", "infinity"}


def is_data(cell: str) -> bool:
    """Whether a cell is what stands below a header and not in it."""
    return is_number(cell) or is_time(cell.strip())
