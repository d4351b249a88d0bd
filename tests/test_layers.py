"""Imports go down only, and what answers at once imports nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "pytorch_lightning", "lightning", "pandas", "sklearn", "scipy", "pyarrow", "altair")


def heavy_after(code):
    """Names of heavy packages that are imported once the code has run, in an interpreter of its own."""
    names = f"[name for name in {HEAVY!r} if name in sys.modules]"
    told = f"import atexit, sys\natexit.register(lambda: print('\\nHEAVY', *{names}))\n{code}"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    return ran.stdout.rpartition("HEAVY")[2].split()


def test_imports_go_down_only():
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert linted.returncode == 0, linted.stdout


def test_only_the_edge_knows_hydra():
    for path in (ROOT / "forecast").rglob("*.py"):
        if (ROOT / "forecast" / "app") not in path.parents:
            text = path.read_text(encoding="utf-8")
            assert "import hydra" not in text, path
            assert "from hydra" not in text, path
            assert "omegaconf" not in text.lower(), path


def test_only_training_and_network_know_lightning():
    for path in (ROOT / "forecast").rglob("*.py"):
        if path.parent.name != "training":
            text = path.read_text(encoding="utf-8")
            assert "import pytorch_lightning" not in text, path
            assert "from pytorch_lightning" not in text, path


@pytest.mark.parametrize(
    "code",
    [
        "import forecast",
        "import forecast.app",
        "from forecast.app import main; main(['--help'])",
        "from forecast.app import main; main(['--cfg', 'job'])",
        "from forecast.app import main; main(['modl=lstm'])",
    ],
)
def test_nothing_heavy_is_imported(code):
    assert heavy_after(code) == []


def test_settings_import_nothing_heavy():
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("forecast/**/settings.py")]
    assert len(modules) > 5
    assert heavy_after("import " + ", ".join(modules)) == []


def test_a_network_is_opened_and_forecasts_without_lightning():
    heavy = heavy_after("import forecast.forecasters.recurrent, forecast.runs.run, forecast.tasks.predict")
    assert "torch" in heavy
    assert "pytorch_lightning" not in heavy


FIT_A_RESERVOIR = """
import forecast as fc

panel = fc.make_sinewave(fc.SinewaveSettings(duration=2))
asked = fc.forecast_task(panel, 5)
past = panel.cut(asked.split.fitted)
fitted = fc.Recurrent(fc.EsnSettings(hidden_size=10)).fit(past, asked.split.train, asked.problem)
assert fitted.penalty > 0
"""


def test_a_reservoir_is_fitted_without_lightning():
    heavy = heavy_after(FIT_A_RESERVOIR)
    assert "torch" in heavy
    assert "pytorch_lightning" not in heavy
    assert "lightning" not in heavy
