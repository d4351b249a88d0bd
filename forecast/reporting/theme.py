"""Colours and type of every picture, in light and in dark.

A thing has one colour all over the page: the truth, the network, the baseline to beat, and what is recommended where it
is neither, after Okabe and Ito (2008), so that they can be told apart by colour-blind readers and by their lightness;
everything else stays grey. Charts are drawn in the light colours; a page in dark mode exchanges each for its twin, so
that there is one definition of a chart.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

PAGE_FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans KR', 'Noto Sans CJK KR', "
    "'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif"
)
_PICTURE_FONT = "Arial, sans-serif"
_EAST_ASIAN_FONT = "Noto Sans CJK KR, Noto Sans KR, Apple SD Gothic Neo, Malgun Gothic, Arial, sans-serif"
"""Fonts of pictures: vl-convert brings one like Arial; one with Hangul makes a picture take twice as long."""


@dataclass(frozen=True)
class Palette:
    """Hexadecimal colours; no two fields of a palette are the same, so that a colour names its twin."""

    paper: str
    ink: str
    quiet: str
    rule: str
    grid: str
    truth: str
    network: str
    baseline: str
    recommended: str
    other: str
    validation: str
    calibration: str
    test: str


LIGHT = Palette(
    paper="#ffffff",
    ink="#1c2430",
    quiet="#5c6773",
    rule="#c9d0d8",
    grid="#edf0f3",
    truth="#3d4754",
    network="#0072b2",
    baseline="#d55e00",
    recommended="#00805c",
    other="#a9b2bc",
    validation="#f6ecd2",
    calibration="#ece4f5",
    test="#dfecf5",
)
DARK = Palette(
    paper="#171c23",
    ink="#e8ecf1",
    quiet="#a3adb9",
    rule="#46505c",
    grid="#262d36",
    truth="#cfd6df",
    network="#56b4e9",
    baseline="#f59a4b",
    recommended="#2fbf8f",
    other="#66717e",
    validation="#3b3320",
    calibration="#342a47",
    test="#1d3244",
)


def dark_twins() -> dict[str, str]:
    """Map each light colour to the dark one that stands for the same thing."""
    dark = asdict(DARK)
    return {colour: dark[name] for name, colour in asdict(LIGHT).items()}


def colour_name(colour: str) -> str:
    """Return what a light colour stands for, the name of its variable in a style sheet."""
    return next(name for name, value in asdict(LIGHT).items() if value == colour)


def css_variables(palette: Palette) -> dict[str, str]:
    """Name the colours for a style sheet."""
    return {f"--{field.name}": getattr(palette, field.name) for field in fields(palette)}


SHADES = (0.0, 0.12, 0.22, 0.32, 0.42, 0.52)
"""How much of the network's colour is mixed into the paper behind a text; more, and it could not be read."""


def shade(palette: Palette, level: int) -> str:
    """Mix a colour for behind a text.

    >>> shade(LIGHT, 0), shade(LIGHT, 5)
    ('#ffffff', '#7ab6d7')
    """
    share = SHADES[level]
    inks, papers = (bytes.fromhex(colour[1:]) for colour in (palette.network, palette.paper))
    mixed = (round(share * ink + (1 - share) * paper) for ink, paper in zip(inks, papers, strict=True))
    return "#" + bytes(mixed).hex()


def shade_variables(palette: Palette) -> dict[str, str]:
    """Name the shades for a style sheet."""
    return {f"--shade-{level}": shade(palette, level) for level in range(1, len(SHADES))}


def picture_font(texts: str) -> str:
    """Choose the font that has the letters of `texts`.

    >>> picture_font("Close (−3 %)") == _PICTURE_FONT, picture_font("종가") == _EAST_ASIAN_FONT
    (True, True)
    """
    east_asian = any("\u1100" <= letter <= "\u11ff" or letter >= "\u2e80" for letter in texts)
    return _EAST_ASIAN_FONT if east_asian else _PICTURE_FONT


def chart_config(font: str) -> dict[str, Any]:
    """Return the Vega-Lite configuration that all charts share: few lines, quiet axes, room for the data."""
    return {
        "background": LIGHT.paper,
        "font": font,
        "view": {"stroke": None},
        "axis": {
            "labelColor": LIGHT.quiet,
            "titleColor": LIGHT.quiet,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "gridColor": LIGHT.grid,
            "domainColor": LIGHT.rule,
            "tickColor": LIGHT.rule,
            "tickSize": 4,
            "labelPadding": 4,
            "labelOverlap": True,
            "labelSeparation": 6,
        },
        "axisX": {"grid": False},
        # The title of a value axis lies above it: a sideways one has to be read with the head tilted.
        "axisY": {
            "domain": False,
            "ticks": False,
            "tickCount": 5,
            "titleAngle": 0,
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleBaseline": "bottom",
            "titleX": -28,
            "titleY": -9,
        },
        "legend": {
            "orient": "top",
            "title": None,
            "labelColor": LIGHT.ink,
            "labelFontSize": 12,
            "symbolStrokeWidth": 2.5,
            "labelLimit": 240,
        },
        "title": {
            "anchor": "start",
            "color": LIGHT.ink,
            "fontSize": 12,
            "fontWeight": 600,
            "subtitleColor": LIGHT.quiet,
            "subtitleFontSize": 12,
            "offset": 6,
        },
        "line": {"strokeJoin": "round"},
    }
