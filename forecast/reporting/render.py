"""Figures as a page draws them, and as PNG."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from forecast.reporting.painting import Painters, painters_here
from forecast.reporting.theme import PAGE_FONT, chart_config, picture_font

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from forecast.reporting.marks import Figure, Panel

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
PICTURE_WIDTH = 900
LINE_LENGTH = 140
GAP = 60
MANY_ROWS = 900


def page_spec(panel: Panel) -> dict[str, Any]:
    """Return a panel as a page draws it."""
    return {**(_zooming(panel.spec) if panel.zooms else panel.spec), "datasets": panel.tables, **page_frame()}


def page_frame() -> dict[str, Any]:
    """Return what all charts of a page share: as wide as their places, titles and legends left to the page."""
    config = chart_config(PAGE_FONT)
    config["legend"] = {"disable": True}
    return {
        "$schema": SCHEMA,
        "width": "container",
        # The last label of an axis stands half beyond its end.
        "padding": {"left": 0, "top": 4, "right": 16, "bottom": 4},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": config,
    }


def _zooming(spec: dict[str, Any]) -> dict[str, Any]:
    """Let drag and wheel move the time axis; the wheel alone still scrolls the page, a pinch counts as Ctrl + wheel."""
    select = {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.ctrlKey || event.metaKey]"}
    zoom = {"name": "zoom", "select": select, "bind": "scales"}
    if "layer" not in spec:
        return {**spec, "params": [zoom]}
    return {**spec, "layer": [*spec["layer"][:-1], {**spec["layer"][-1], "params": [zoom]}]}


def renderer(panel: Panel) -> str:
    """Choose how a browser draws: thousands of SVG nodes are slow to zoom, few are sharper and can be searched."""
    return "canvas" if sum(map(len, panel.tables.values())) > MANY_ROWS else "svg"


def picture_spec(figure: Figure) -> dict[str, Any]:
    """Return a figure as one picture, panels side by side under its title."""
    columns = min(figure.columns, len(figure.panels))
    width = (PICTURE_WIDTH - GAP * (columns - 1)) // columns
    tables = [rows for panel in figure.panels for rows in panel.tables.values()]
    symbols = [str(row["text"]) for rows in tables for row in rows if "text" in row]
    texts = json.dumps([figure.says, symbols, *(panel.spec for panel in figure.panels)], ensure_ascii=False)
    return {
        "$schema": SCHEMA,
        "title": {"text": figure.title, "subtitle": wrapped(figure.says), "fontSize": 16, "offset": 14},
        "concat": [
            {**_keyed(_still(panel, str(i)), figure), "width": width, **_heading(panel, width)}
            for i, panel in enumerate(figure.panels)
        ],
        "columns": columns,
        "spacing": 24,
        "datasets": {
            f"{i}{name}": rows for i, panel in enumerate(figure.panels) for name, rows in panel.tables.items()
        },
        "config": chart_config(picture_font(texts)),
        "padding": 16,
    }


def _heading(panel: Panel, width: int) -> dict[str, Any]:
    if panel.title is None:
        return {}
    note = {"subtitle": wrapped(panel.note, width * LINE_LENGTH // PICTURE_WIDTH)} if panel.note else {}
    return {"title": {"text": panel.title, **note}}


def _still(panel: Panel, prefix: str) -> dict[str, Any]:
    """Return a panel for a picture: its tables under names of its own, without what only a pointer can find.

    Clipping goes too where nothing is cut off; a picture cannot be zoomed, and clipping is slow.
    """

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        hidden = {key for key, value in node.items() if key == "point" and value.get("opacity") == 0}
        hidden |= set() if panel.cut else {"clip"}
        if "layer" in node:
            node = {**node, "layer": [one for one in node["layer"] if one["mark"].get("opacity") != 0]}
        return {
            key: {"name": prefix + value["name"]} if key == "data" else walk(value)
            for key, value in node.items()
            if key not in hidden
        }

    still: dict[str, Any] = walk(panel.spec)
    return still


def _keyed(spec: dict[str, Any], figure: Figure) -> dict[str, Any]:
    """Let lines that bring their own colour take it from the figure's legend, so that a picture has one, too.

    A page writes the legend itself. Only where every line is in it.
    """
    drawn = {row["of"] for panel in figure.panels for rows in panel.tables.values() for row in rows if "ink" in row}
    labels = [key.label for key in figure.keys]
    if not drawn <= set(labels):
        return spec
    scale = {"domain": labels, "range": [key.colour for key in figure.keys]}
    named = {"field": "of", "type": "nominal", "scale": scale}

    def with_names(view: dict[str, Any]) -> dict[str, Any]:
        own = view.get("encoding", {}).get("color", {})
        if own.get("field") != "ink":
            return view
        return {**view, "encoding": {**view["encoding"], "color": named}}

    return {**with_names(spec), **({"layer": [with_names(one) for one in spec["layer"]]} if "layer" in spec else {})}


def wrapped(text: str, length: int = LINE_LENGTH) -> list[str]:
    """Break a text into lines that a picture has room for.

    >>> wrapped("one two three", 8)
    ['one two', 'three']
    """
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > length:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def write_pictures(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Write each figure that has panels as a PNG named after it."""
    drawn = [figure for figure in figures if figure.panels]
    with Painters(painters_here() if len(drawn) > 1 else 0) as painters:
        paths = [ask_for_picture(painters, figure, folder) for figure in drawn]
        painters.finish()
    return paths


def ask_for_picture(painters: Painters, figure: Figure, folder: Path) -> Path:
    """Have a figure painted as a PNG named after it, which is there once the painters have finished."""
    path = folder / f"{figure.name}.png"
    painters.forecast_task(json.dumps(picture_spec(figure), ensure_ascii=False, allow_nan=False), path)
    return path
