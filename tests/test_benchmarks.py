"""What the scripts of `benchmarks/`, which no test runs, take from the package is there."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_script_imports_from_the_package_is_there(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("forecast"):
            module = import_module(node.module)
            for imported in node.names:
                assert hasattr(module, imported.name) or import_module(f"{node.module}.{imported.name}")
