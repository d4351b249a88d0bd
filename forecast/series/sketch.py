"""A panel in a few words and a line, and a forecast as a short table, for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.wording import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from forecast.series.panel import FloatArray, Panel

_WIDTH, _HEIGHT, _POINTS = 520, 90, 400
_MOST_ROWS = 30


class ForecastTable(pd.DataFrame):
    """A data frame that a notebook shows as a short table: time, forecast, and between what nine in ten values lie.

    Whatever is made of it, such as a part of its rows, is an ordinary data frame.
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        several = len(self["unique_id"].unique()) > 1
        names = {"unique_id": "series"} if several else {}
        names |= {"ds": "time", "y_hat": "forecast", "q0.05": "90 % from", "q0.95": "to"}
        names = {column: heading for column, heading in names.items() if column in self}
        head = "".join(f"<th>{escape(heading)}</th>" for heading in names.values())
        rows = [
            "".join(
                f"<td>{escape(number(value, 4) if isinstance(value, float) else _plain_time(value))}</td>"
                for value in row
            )
            for row in self[list(names)].head(_MOST_ROWS).itertuples(index=False)
        ]
        more = f"<p>and {len(self) - len(rows):,} more rows</p>" if len(self) > len(rows) else ""
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _plain_time(value: object) -> str:
    """Write a time without a midnight that says nothing; other things as they are."""
    return str(value).removesuffix(" 00:00:00")


def facts_of(panel: Panel) -> dict[str, str]:
    """What a panel holds, a few words each: what was found as it was read, or what it tells by itself."""
    if panel.origin is not None and panel.origin.found:
        return dict(panel.origin.found)
    ordered: Any = np.sort(panel.times)
    first, last = panel.calendar.write(ordered[:: max(len(ordered) - 1, 1)])
    others = [*panel.channels[1:], *(() if panel.ahead is None else panel.ahead.channels)]
    missing = int(np.count_nonzero(~panel.target_observed))
    return {
        "series": f"{len(panel):,}",
        "rows": f"{len(panel.target):,} ({first} to {last})",
        "frequency": panel.calendar.freq or "steps",
        **({"missing": f"{missing:,}"} if missing else {}),
        **({"covariates": ", ".join(channel.name for channel in others)} if others else {}),
    }


def html_of(panel: Panel) -> str:
    """What was found, a sparkline of the first series, and its first rows, as HTML."""
    rows = slice(int(panel.offsets[0]), int(panel.offsets[1]))
    y = panel.target_or_nan(rows)
    head = list(zip(panel.calendar.write(panel.times[rows][:5]), y[:5], strict=True))
    return "".join(
        [
            table_of(facts_of(panel)),
            f"<p>{escape(panel.ids[0])}</p>",
            sparkline(y),
            "<table>",
            *(f"<tr><td>{escape(time)}</td><td>{value:g}</td></tr>" for time, value in head),
            "</table>",
        ]
    )


def table_of(facts: Mapping[str, str]) -> str:
    """Facts as a table of HTML."""
    cells = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{''.join(cells)}</table>"


def sparkline(y: FloatArray, ahead: Sequence[FloatArray] = ()) -> str:
    """Draw a series, (step,), NaN where missing, and what follows it: the forecast and, if known, both ends."""
    follows = [np.asarray(one, dtype=np.float64) for one in ahead]
    steps = len(y) + (len(follows[0]) if follows else 0)
    known = np.concatenate([y, *follows])
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return ""
    low, high = float(known.min()), float(known.max())

    def points(values: FloatArray, first: int) -> str:
        kept = np.flatnonzero(np.isfinite(values))[:: max(len(values) // _POINTS, 1)]
        x = 2 + (kept + first) / max(steps - 1, 1) * (_WIDTH - 4)
        heights = _HEIGHT - 2 - (values[kept] - low) / ((high - low) or 1.0) * (_HEIGHT - 4)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, heights, strict=True))

    drawn = [f'<polyline points="{points(y, 0)}" fill="none" stroke="#555"/>']
    if len(follows) == 3:
        band = points(follows[1], len(y)) + " " + " ".join(reversed(points(follows[2], len(y)).split()))
        drawn.append(f'<polygon points="{band}" fill="#1f6f8b" opacity="0.2"/>')
    if follows:
        drawn.append(f'<polyline points="{points(follows[0], len(y))}" fill="none" stroke="#1f6f8b" stroke-width="2"/>')
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{"".join(drawn)}</svg>'
