"""Summary and figures to one HTML file that opens without a network, with the same charts as PNG beside it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altair.utils.schemapi import debug_mode
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from forecast.reporting.leaderboard import table_columns, table_rows
from forecast.reporting.pictures import SCHEMA, Painters, painter_count
from forecast.reporting.sections import answer, data, draw, forecasts
from forecast.reporting.summary import Summary, build_summary
from forecast.reporting.theme import (
    DARK,
    LIGHT,
    PAGE_FONT,
    chart_config,
    colour_name,
    css_variables,
    dark_twins,
    shade_variables,
)
from forecast.reporting.vega import read_library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from forecast.reporting.charts import Figure, Panel, Values
    from forecast.reporting.sections.series import Choice

_GRIDS = {1: "one", 2: "two", 3: "three"}
_TRUST = ("forecasts", "calibration")
"""Figures that stand between the recommendation and the leaderboard."""
_MANY_ROWS = 900
"""Rows of a chart from which a browser draws it on a canvas."""
_MOST_BYTES = 1_600_000
"""Of charts of series to choose from; with Vega a page stays below 3 MB."""
_PACKED_TABLES, _NUMBERS = ("lines", "bands"), ("t", "y", "low", "high")


def _unbroken(value: Any) -> Any:
    r"""Keep a number and its "%" on one line, in texts that are not HTML already; files and terminals break none.

    >>> _unbroken("25 % better")
    '25\xa0% better'
    """
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return re.sub(r"(?<=\d) (?=%)", "\u00a0", value) if plain else value


_TEMPLATES = Environment(
    loader=PackageLoader("forecast", "reporting/templates"),
    autoescape=True,
    finalize=_unbroken,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_report(source: Summary | pd.DataFrame, folder: str | Path, *, png: bool = True) -> Path:
    """Write `report.html`, and `figures/*.png` unless `png` is False, into `folder`; return the page's path.

    `source` is a summary, or a results table alone (`model, unique_id, cutoff, ds, step, y, y_hat`), from which all
    is computed that can be.

    Examples
    --------
    >>> path = write_report(results, "report")  # doctest: +SKIP

    """
    folder = Path(folder)
    # Painters need a second to get ready: they start before there is anything to paint.
    with Painters(painter_count() if png else 0) as painters:
        summary = source if isinstance(source, Summary) else build_summary(results=source)
        figures = []
        for figure in draw(summary):
            figures.append(figure)
            if png and figure.panels:
                painters.submit_figure(figure, folder / "figures")
        page = report_html(summary, figures)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "report.html"
        path.write_text(page, encoding="utf-8")
        painters.finish()
    return path


def report_html(summary: Summary, figures: Iterable[Figure]) -> str:
    """Return the page of a run: what to use, then why to trust it, then all models, then the details."""
    spread, figures = summary.sections.get("spread"), list(figures)
    trust = [figure.name for figure in figures if figure.name in _TRUST] if "answer" in summary.sections else []
    return render_page(
        "report.html",
        figures,
        title=summary.title,
        summary=summary,
        columns=table_columns(summary.leaderboard),
        rows=table_rows(summary.leaderboard, summary.roles),
        answer=summary.sections.get("answer"),
        above_leaderboard=trust[-1] if trust else None,
        choices=(drawn := draw_choices(summary)),
        chosen=next((choice.label for choice in summary.choices if choice.name == summary.series), None),
        series_count=0 if spread is None else len(spread.ids),
        exchange=_script_json(drawn),
    )


def render_page(template: str, figures: Iterable[Figure], **values: Any) -> str:
    """Fill a template that draws `figures`."""
    described, panels = [], {}
    for figure in figures:
        described.append(_described(figure))
        for i, panel in enumerate(_on_page(figure)):
            panels[f"{figure.name}-{i}"] = {"spec": page_spec(panel), "renderer": _renderer(panel)}
    return _TEMPLATES.get_template(template).render(
        figures=described,
        panels=_script_json(panels),
        twins=_script_json(dark_twins()),
        library=Markup(read_library()),  # noqa: S704 - our own file
        css=_source("page.css"),
        js=_source("page.js"),
        font=Markup(PAGE_FONT),  # noqa: S704 - a constant
        light=css_variables(LIGHT) | shade_variables(LIGHT),
        dark=css_variables(DARK) | shade_variables(DARK),
        zooms=any(panel["zooms"] for figure in described for panel in figure["panels"]),
        **values,
    )


def _on_page(figure: Figure) -> tuple[Panel, ...]:
    """Return the panels that a page draws: none where it writes a text instead."""
    return () if figure.tokens or figure.text is not None else figure.panels


def _described(figure: Figure) -> dict[str, Any]:
    """Return what the template says of a figure; its charts come as JSON."""
    panels = _on_page(figure)
    return {
        "name": figure.name,
        "title": figure.title,
        "says": figure.says,
        "keys": [
            {"label": k.label, "colour": colour_name(k.colour), "area": k.area, "strength": k.strength}
            for k in figure.keys
        ],
        "tokens": figure.tokens,
        "text": figure.text,
        "grid": _GRIDS[max(min(figure.columns, len(panels)), 1)],
        "panels": [
            {
                "id": f"{figure.name}-{i}",
                "title": panel.title,
                "note": panel.note,
                "height": panel.height,
                "zooms": panel.zooms,
            }
            for i, panel in enumerate(panels)
        ],
    }


def _source(name: str) -> Markup:
    return Markup(Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8"))  # noqa: S704


def _script_json(value: Any) -> Markup:
    r"""Write JSON so that it can stand inside a script element, whatever names are in it.

    >>> print(_script_json({"of": "</script><!--"}))
    {"of":"\u003c/script\u003e\u003c!--"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 - escaped above


# Charts as a page draws them


def page_spec(panel: Panel) -> dict[str, Any]:
    """Return a panel as a page draws it."""
    return {**(_zooming(panel.spec) if panel.zooms else panel.spec), "datasets": panel.tables, **_page_frame()}


def _page_frame() -> dict[str, Any]:
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


def _renderer(panel: Panel) -> str:
    """Choose how a browser draws: thousands of SVG nodes are slow to zoom, few are sharper and can be searched."""
    return "canvas" if sum(map(len, panel.tables.values())) > _MANY_ROWS else "svg"


# Series to choose from


def draw_choices(summary: Summary) -> dict[str, dict[str, Any]]:
    """Draw what the page exchanges when another series is chosen, by its label; the one shown at first comes as well.

    Where all of them would make the page too large, fewer are taken, evenly.
    """
    with debug_mode(False):  # see `sections.draw`
        drawn = {choice.label: _exchange_of(choice, summary) for choice in summary.choices}
    size = sum(len(json.dumps(of_series, ensure_ascii=False)) for of_series in drawn.values())
    every = max(-(-size // _MOST_BYTES), 1)
    shown = next((choice.label for choice in summary.choices if choice.name == summary.series), None)
    kept = (0, (len(drawn) - 1) // 2, len(drawn) - 1, *range(0, len(drawn), every))
    return {label: of_series for i, (label, of_series) in enumerate(drawn.items()) if i in kept or label == shown}


def _figures_of(choice: Choice, summary: Summary) -> Iterator[Figure]:
    if choice.answer is not None:
        yield answer.draw(choice.answer, summary)
    yield data.draw(choice.data, summary)
    yield forecasts.draw_origins(choice.origins, summary)
    if choice.future is not None:
        yield forecasts.draw_future(choice.future, summary)


def _exchange_of(choice: Choice, summary: Summary) -> dict[str, Any]:
    steps = None if choice.answer is None else choice.answer.steps
    return _exchange(_figures_of(choice, summary)) | {"steps": None if steps is None else asdict(steps)}


def _exchange(figures: Iterable[Figure]) -> dict[str, Any]:
    """Return what a page puts into the places of some figures: sentences by figure, panels by place.

    What all charts of a page share stays out, and the tables of lines and bands are packed: rows that differ in
    numbers alone become `all` that they share and an array for each number. Written out they are three times as long.
    """
    says, panels = {}, {}
    shared = _page_frame()
    for figure in figures:
        says[figure.name] = _unbroken(figure.says)
        for i, panel in enumerate(figure.panels):
            spec = {key: value for key, value in page_spec(panel).items() if key not in shared}
            spec["datasets"] = {name: rows for name, rows in panel.tables.items() if name not in _PACKED_TABLES}
            panels[f"{figure.name}-{i}"] = {
                "spec": spec,
                "renderer": _renderer(panel),
                "title": panel.title,
                "packed": {name: _packed(panel.tables[name]) for name in _PACKED_TABLES if name in panel.tables},
            }
    return {"says": says, "panels": panels}


def _packed(rows: Values) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        shared = {key: value for key, value in row.items() if key not in _NUMBERS}
        group = groups.setdefault(tuple(shared.values()), {"all": shared})
        for key, value in row.items():  # in the order of the row, so that a page is the same each time
            if key in _NUMBERS:
                group.setdefault(key, []).append(value)
    return list(groups.values())
