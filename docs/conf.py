"""Sphinx builds the pages of this folder into a searchable site: `sphinx-build -W docs site`."""

from __future__ import annotations

import re
from typing import Any

project = "forecast"
html_title = "forecast"
copyright = "the authors of forecast, Apache-2.0"  # noqa: A001  # Sphinx's own name

napoleon_use_ivar = True
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3  # a heading can be linked to, as on GitHub
default_role = "code"  # `name` in a docstring
copybutton_exclude = ".linenos, .gp, .go"

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
python_use_unqualified_type_names = True

# `name : what it is` under these headings of our docstrings; numpydoc would read the words as a type.
_ITEM = re.compile(r"^(\w[\w, ]*) : (.+)$")
_SECTIONS = {"Attributes", "Parameters"}


def split_items(_app: Any, what: str, *rest: Any) -> None:
    """Put the words of `name : words` on a line of their own, as numpydoc writes a description."""
    lines: list[str] = rest[-1]
    section, rewritten = "", []
    if what == "attribute":
        lines[:] = [line.replace(": ", " – ") for line in lines]  # napoleon takes what stands before a colon for a type
        return
    for number, line in enumerate(lines):
        if number + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[number + 1]):
            section = line
        item = _ITEM.match(line) if section in _SECTIONS else None
        rewritten += [item[1], f"    {item[2]}"] if item else [line]
    lines[:] = rewritten


def setup(app: Any) -> None:
    """Run before napoleon reads the docstrings."""
    app.connect("autodoc-process-docstring", split_items, priority=100)
