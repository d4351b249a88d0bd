"""A wheel brings its configuration and its data, and its console script works from any folder."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import forecast

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build without isolation: hatchling is a requirement of the tests, and no index has to be asked."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_configuration_and_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "forecast/network/pretrained.safetensors" in names
    expected = {f"forecast/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    expected |= {"forecast/data/stock.csv", "forecast/py.typed"}
    sources = [path for path in (ROOT / "forecast").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected |= {path.relative_to(ROOT).as_posix() for path in sources}
    assert names >= expected
    assert not [name for name in names if name.startswith(("tests/", "outputs/", "conf/"))]


def test_the_console_script_of_the_wheel_works_from_another_folder(wheel, tmp_path):
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    settings = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}
    script = [sys.executable, site / "bin" / "forecast"]
    shown = subprocess.run(
        [*script, "--cfg", "job"], cwd=here, env=settings, capture_output=True, text=True, check=True
    )
    assert "hidden_size:" in shown.stdout
    where = "import forecast; from forecast.app.composition import conf_dir; print(conf_dir())"
    completed = subprocess.run(
        [sys.executable, "-c", where], cwd=here, env=settings, capture_output=True, text=True, check=True
    )
    assert Path(completed.stdout.strip()) == site / "forecast" / "conf"
    refused = subprocess.run(
        [*script, "modl=lstm"], cwd=here, env=settings, capture_output=True, text=True, check=False
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert list(here.iterdir()) == []


def test_the_constraints_fit_every_machine():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    names = [line.partition("==")[0] for line in lines]
    assert len(set(zip(names, lines, strict=True))) == len(lines)
    assert "torch==2.13.0" in lines
    for line in lines:
        assert "==" in line
        assert not any(word in line for word in ("nvidia", "cuda", "triton", "file:", "http:", "https:", "+", " @ "))


def test_errors_name_the_distribution_that_has_the_extras():
    """What `pip install forecast` fetches is somebody else's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", *(ROOT / "forecast").rglob("*.py")]
    named = [actual for page in pages for actual in re.findall(r"pip install '([\w-]+)\[", page.read_text("utf-8"))]
    assert set(named) == {project["name"]}
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == forecast.__version__


def test_every_dependency_is_constrained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    # What the benchmarks compare with wants older versions of what the project needs: an environment of its own.
    extras = {name: extra for name, extra in project["optional-dependencies"].items() if name != "bench"}
    wanted = [*project["dependencies"], *(one for extra in extras.values() for one in extra)]
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    names = {one.split(">")[0].split("[")[0].split("<")[0].lower().replace("_", "-") for one in wanted}
    assert names <= pinned
