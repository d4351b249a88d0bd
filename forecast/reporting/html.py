"""Summary and figures to one HTML file that opens without a network, with the same charts as PNG beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from forecast.reporting.charts import draw_choices, draw_each
from forecast.reporting.leaderboard import table_columns, table_rows
from forecast.reporting.library import read_library
from forecast.reporting.painting import Painters, painters_here
from forecast.reporting.render import ask_for_picture, page_spec, renderer
from forecast.reporting.summary import Summary, build_summary
from forecast.reporting.theme import DARK, LIGHT, PAGE_FONT, colour_name, css_variables, dark_twins, shade_variables

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from forecast.reporting.marks import Figure, Panel

GRIDS = {1: "one", 2: "two", 3: "three"}
TEMPLATES = Environment(
    loader=PackageLoader("forecast", "reporting/templates"),
    autoescape=True,
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
    # Painters need a second to get ready: they begin before there is anything to paint.
    with Painters(painters_here() if png else 0) as painters:
        summary = source if isinstance(source, Summary) else build_summary(results=source)
        figures = []
        for figure in draw_each(summary):
            figures.append(figure)
            if png and figure.panels:
                ask_for_picture(painters, figure, folder / "figures")
        page = report_html(summary, figures)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "report.html"
        path.write_text(page, encoding="utf-8")
        painters.finish()
    return path


def report_html(summary: Summary, figures: Iterable[Figure]) -> str:
    """Return the page of a run."""
    return render_page(
        "report.html",
        figures,
        title=summary.title,
        summary=summary,
        columns=table_columns(summary.leaderboard),
        rows=table_rows(summary.leaderboard, summary.roles),
        choices=(drawn := draw_choices(summary)),
        chosen=next((one.label for one in summary.choices if one.name == summary.series), None),
        series_count=0 if summary.spread is None else len(summary.spread.ids),
        exchange=script_json(drawn),
    )


def render_page(template: str, figures: Iterable[Figure], **values: Any) -> str:
    """Fill a template that draws `figures`."""
    described, panels = [], {}
    for figure in figures:
        described.append(_described(figure))
        for i, panel in enumerate(_on_page(figure)):
            panels[f"{figure.name}-{i}"] = {"spec": page_spec(panel), "renderer": renderer(panel)}
    return TEMPLATES.get_template(template).render(
        figures=described,
        panels=script_json(panels),
        twins=script_json(dark_twins()),
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
    """Panels that a page draws: none where it writes."""
    return () if figure.tokens or figure.text is not None else figure.panels


def _described(figure: Figure) -> dict[str, Any]:
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
        "grid": GRIDS[max(min(figure.columns, len(panels)), 1)],
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


def script_json(value: Any) -> Markup:
    r"""Write JSON so that it can stand inside a script element, whatever names are in it.

    >>> print(script_json({"of": "</script><!--"}))
    {"of":"\u003c/script\u003e\u003c!--"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 - escaped above
