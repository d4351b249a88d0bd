"""The examples in docstrings of the reading and series rooms give what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "forecast"
MODULES = [f"{room}.{path.stem}" for room in ("reading", "series") for path in (PACKAGE / room).glob("[a-z]*.py")]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_examples_of_docstrings(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"forecast.{module}")).failed == 0
