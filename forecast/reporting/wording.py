"""Numbers and lists as a reader wants them in a sentence, a table or a tooltip."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with `digits` significant digits, "–" where there is none.

    >>> number(1234.56), number(0.012345), number(2.0), number(float("nan")), number(4.2e-9)
    ('1,235', '0.0123', '2.00', '–', '4.2e-09')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-4 or size >= 1e9:
        return f"{value:.{digits - 1}g}".replace("e+", "e")
    decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
    return f"{value:,.{decimals}f}"


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shortened(name: str, length: int = 18) -> str:
    """Cut a name that would push a picture aside.

    >>> shortened("seasonal_naive"), shortened("a_very_long_name_indeed", 10)
    ('seasonal_naive', 'a_very_lo…')
    """
    return name if len(name) <= length else name[: length - 1] + "…"


def counted(count: int, thing: str) -> str:
    """Write a count with its noun, "1 origin", "2,000 origins", "2 series"."""
    plural = thing if count == 1 or thing.endswith("s") else thing + "s"
    return f"{count:,} {plural}"
