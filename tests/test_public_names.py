"""What `from forecast import ...` gives, and that type checkers see the same names."""

import ast
from pathlib import Path

import forecast

SOURCE = Path(forecast.__file__).read_text(encoding="utf-8")


def names_for_type_checkers():
    imports = [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if node.module.startswith("forecast.")]
    return {alias.asname: node.module for node in ours for alias in node.names}


def test_type_checkers_and_readers_find_the_same():
    assert names_for_type_checkers() == forecast._MODULE


def test_every_public_name_is_there():
    for name, module in forecast._MODULE.items():
        assert getattr(forecast, name).__module__ == module
        assert name in dir(forecast)


def test_another_name_is_not():
    assert not hasattr(forecast, "nothing")
