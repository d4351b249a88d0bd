"""Numbers, counts and lists as a reader wants them in a sentence, a table or a tooltip."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING
from unicodedata import category

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

SMALLEST = 1e-4
"""Numbers below are written with an exponent."""
_MOST_DECIMALS = 6


def number(value: float | None, digits: int = 3, decimals: int | None = None) -> str:
    """Write a number with `digits` significant digits (or as many decimals as said), "–" where there is none.

    >>> number(1234.56), number(0.012345), number(2.0), number(float("nan")), number(4.2e-9)
    ('1,235', '0.0123', '2.00', '–', '4.20e−9')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0:
        return "0"
    if size >= (1e7 if decimals is None else 10.0 ** (9 - decimals)) or (size < SMALLEST and decimals is None):
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    if decimals is None:
        decimals = decimals_for(size, digits)
    written = f"{size:,.{decimals}f}"
    return f"−{written}" if value < 0 and float(written.replace(",", "")) > 0 else written


def decimals_for(size: float, digits: int = 3) -> int:
    """Return how many decimals a number of this size needs to show `digits` significant digits.

    >>> decimals_for(0.0123), decimals_for(12.3), decimals_for(12345)
    (4, 1, 0)
    """
    return min(max(digits - 1 - math.floor(math.log10(size)), 0), 8)


def decimals_of(values: NDArray[np.float64]) -> int:
    """Return with how many decimals values are written: as many as the data have, and three digits at least.

    Values that were computed have any number of them, and are written with five digits; NaNs do not count.
    """
    import numpy as np  # noqa: PLC0415 - the command line writes counts before it needs numbers

    values = values[~np.isnan(values)]
    size = float(np.median(np.abs(values[values != 0]))) if values.any() else 1.0
    tolerance = 1e-9 * np.maximum(np.abs(values), 1)
    for decimals in range(_MOST_DECIMALS + 1):
        if (np.abs(values - np.round(values, decimals)) <= tolerance).all():
            return min(max(decimals, decimals_for(size)), 8)
    return decimals_for(size, 5)


def percentage(share: float) -> str:
    """Write a share from 0 to 1 in percent.

    >>> percentage(0.12345)
    '12.3 %'
    """
    return f"{100 * share:.1f} %"


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def name_some(texts: list[str], count: int) -> str:
    """Join the first of some texts; `count` is how many there would be.

    >>> name_some(["a", "b"], 7)
    'a, b and 5 more'
    """
    more = f" and {count - len(texts):,} more" if count > len(texts) else ""
    return ", ".join(texts) + more


def quote_some(names: Sequence[str], most: int = 5) -> str:
    """Quote the first of some names.

    >>> quote_some(["a", "b", "c", "d"], 2)
    "'a', 'b' and 2 more"
    """
    return name_some([repr(name) for name in names[:most]], len(names))


def did_you_mean(name: str, known: Iterable[str], otherwise: str, written: str = "`{}`") -> str:
    """Ask whether the known name was meant that `name` resembles most, as it is `written`; `otherwise` if none does.

    >>> did_you_mean("lstn", ["gru", "lstm"], "see --help"), did_you_mean("x", ["gru"], "see --help")
    ('did you mean `lstm`?', 'see --help')
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {written.format(near[0])}?" if near else otherwise


def duration(seconds: float) -> str:
    """Write a time as a person says it.

    >>> duration(41.3), duration(400), duration(9000)
    ('41 s', '7 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def shortened(name: str, length: int = 18) -> str:
    """Cut a name that would push a picture aside.

    >>> shortened("seasonal_naive"), shortened("a_very_long_name_indeed", 10)
    ('seasonal_naive', 'a_very_lo…')
    """
    return name if len(name) <= length else name[: length - 1] + "…"


def counted(count: int, thing: str) -> str:
    """Write a count with its noun.

    >>> counted(1, "row"), counted(2000, "row"), counted(2, "series")
    ('1 row', '2,000 rows', '2 series')
    """
    plural = thing if count == 1 or thing.endswith("s") else thing + "s"
    return f"{count:,} {plural}"


def printable(text: str) -> str:
    r"""Write out characters that a terminal would obey, such as those that move its cursor or turn text around.

    >>> print(printable("a\x1b[2J b\u202e"))
    a\x1b[2J b\u202e
    """
    return "".join(_written_out(each) if not each.isprintable() else each for each in text)


def _written_out(character: str) -> str:
    if character in "\n\t\u200c\u200d" or category(character) == "Zs":  # joiners and blanks are parts of words
        return character
    return character.encode("unicode_escape").decode()
