import re
import struct
import subprocess
from dataclasses import asdict
from itertools import pairwise

import altair as alt
import pandas as pd
import pytest
from made_up_runs import NASTY, made_up_run

from forecast.reporting.charts import Panel, spread_apart
from forecast.reporting.html import page_spec
from forecast.reporting.pictures import picture_spec, write_pictures
from forecast.reporting.sections import draw
from forecast.reporting.settings import ReportSettings
from forecast.reporting.summary import build_summary
from forecast.reporting.theme import DARK, LIGHT, dark_twins

NAMES = ["data", "forecasts", "future", "error_by_step", "learning_curve", "residuals", "copy_test"]


@pytest.fixture(scope="module", params=["sine", "walk"])
def figures(request):
    return tuple(draw(build_summary(**made_up_run(request.param, uid=NASTY), show=ReportSettings(origins=2))))


def _walk(node):
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _walk(child)


def test_every_section_has_its_figure(figures):
    assert [figure.name for figure in figures] == NAMES
    assert [len(figure.panels) for figure in figures] == [1, 2, 1, 1, 1, 3, 2]


def test_every_chart_holds_to_the_schema_of_vega_lite():
    figures = draw(build_summary(**made_up_run("walk", uid=NASTY), show=ReportSettings(origins=1)))
    for figure in figures:
        # Rows are left out, which the schema has nothing to say about and takes long over.
        alt.Chart.from_dict({**page_spec(figure.panels[0]), "datasets": {}}, validate=True)
        alt.ConcatChart.from_dict({**picture_spec(figure), "datasets": {}}, validate=True)


def test_penalties_are_drawn_where_there_are_no_epochs():
    history = pd.DataFrame({"penalty": [0.1, 1.0], "train_loss": [0.3, 0.4], "validation_loss": [0.5, 0.4]})
    figures = {figure.name: figure for figure in draw(build_summary(**made_up_run() | {"history": history}))}
    assert "learning_curve" not in figures
    (panel,) = figures["penalties"].panels
    alt.Chart.from_dict({**page_spec(panel), "datasets": {}}, validate=True)
    assert panel.tables["chosen"] == [{"t": 1.0, "of": "1 kept"}]
    assert [row["y"] for row in panel.tables["lines"]] == [0.3, 0.4, 0.5, 0.4]


def test_fields_have_fixed_names_whatever_the_data_are_called(figures):
    fields = {
        node["field"]
        for figure in figures
        for panel in figure.panels
        for node in _walk(panel.spec)
        if isinstance(node, dict) and isinstance(node.get("field"), str)
    }
    assert fields <= {"t", "y", "x", "of", "when", "ink", "wide", "at", "from", "to", "count", "low", "high", "end"}


def test_every_colour_has_a_dark_twin(figures):
    twins = dark_twins()
    assert len(set(asdict(LIGHT).values())) == len(set(asdict(DARK).values())) == len(twins)
    colours = {
        node
        for figure in figures
        for panel in figure.panels
        for node in _walk(page_spec(panel))
        if isinstance(node, str) and re.fullmatch("#[0-9a-f]{6}", node)
    }
    assert LIGHT.network in colours
    assert colours <= set(twins)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_text_and_lines_stand_out_from_the_paper(palette):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(colour):
        lighter, darker = sorted([luminance(colour), luminance(palette.paper)], reverse=True)
        return (lighter + 0.05) / (darker + 0.05)

    assert min(contrast(palette.ink), contrast(palette.quiet)) >= 4.5
    assert min(contrast(palette.truth), contrast(palette.network), contrast(palette.baseline)) >= 3


def test_a_thing_has_one_colour_all_over_the_page(figures):
    keys = {(key.label, key.colour) for figure in figures for key in figure.keys}
    colours = {}
    for label, colour in keys:
        assert colours.setdefault(label, colour) == colour
    assert colours["truth"] == LIGHT.truth
    assert colours["lstm"] == LIGHT.network
    assert colours["naive"] == LIGHT.baseline


def test_labels_that_would_overlap_are_moved_apart_in_order():
    places = [50.0, 52.0, 51.0, 200.0, 3.0, 3.0]
    moved = spread_apart(places, 13, 260)
    order = sorted(range(6), key=lambda i: moved[i])
    assert [places[i] for i in order] == sorted(places)
    gaps = [moved[b] - moved[a] for a, b in pairwise(order)]
    assert min(gaps) >= 13 - 1e-9
    assert min(moved) >= 0
    assert moved[3] == 200


def test_pictures_come_out_with_nothing_said(tmp_path, capfd):
    figures = draw(build_summary(**made_up_run("walk", uid=NASTY), show=ReportSettings(origins=2)))
    paths = write_pictures(figures, tmp_path)
    assert [path.name for path in paths] == [f"{name}.png" for name in NAMES]
    for path in paths:
        content = path.read_bytes()
        width, height = struct.unpack(">II", content[16:24])
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert width > 1600
        assert height > 400
    assert capfd.readouterr() == ("", "")


def test_hangul_is_drawn_in_pictures(tmp_path):
    import vl_convert

    if not subprocess.run(["fc-list", ":lang=ko"], capture_output=True, text=True, check=False).stdout:
        pytest.skip("no font with Hangul is installed, so that a picture cannot show any")
    pictures = []
    for title in ("삼성전자", "한국전력"):
        figure = draw(build_summary(**made_up_run(uid=title)))[0]
        small = {**picture_spec(figure), "title": title, "concat": []}
        pictures.append(vl_convert.vegalite_to_png(small))
    # Four boxes for missing letters would look the same for both names.
    assert pictures[0] != pictures[1]


def test_a_panel_of_one_point_is_seen():
    run = made_up_run(horizon=1)
    figures = {figure.name: figure for figure in draw(build_summary(**run))}
    (panel,) = figures["error_by_step"].panels
    assert isinstance(panel, Panel)
    assert any(isinstance(n, dict) and n.get("point", {}).get("opacity") == 1 for n in _walk(panel.spec))


def test_an_axis_that_spans_next_to_nothing_says_so():
    run = made_up_run("walk")
    flat = run | {name: run[name].assign(y=1000 + 1e-3 * run[name]["y"]) for name in ("results", "series")}
    flat["results"] = flat["results"].assign(y_hat=1000 + 1e-3 * run["results"]["y_hat"])

    notes = [panel.note for figure in draw(build_summary(**flat)) if figure.name == "data" for panel in figure.panels]
    assert len(notes) == 1
    assert notes[0].startswith("This axis spans 0.")
    plain = [panel.note for figure in draw(build_summary(**run)) if figure.name == "data" for panel in figure.panels]
    assert plain == [None]
