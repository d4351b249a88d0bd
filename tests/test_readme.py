"""What the README tells people to type runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles.panels import noisy_sine

from forecast.app import main

README = Path(__file__).parents[1] / "README.md"


def block(marker):
    """The lines of the fenced block behind an HTML comment."""
    text = README.read_text(encoding="utf-8")
    return re.search(rf"<!-- {marker} -->\n```\w+\n(.*?)```", text, re.DOTALL).group(1).splitlines()


def commands():
    return [line.split("#")[0].strip() for line in block("commands")]


@pytest.fixture(scope="module", name="folder")
def make_folder(tmp_path_factory):
    """A folder with the files that the README speaks of; `newer.csv` goes on where `my.csv` ends."""
    folder = tmp_path_factory.mktemp("readme")
    days = pd.date_range("2023-01-02", periods=430, freq="D")
    table = pd.DataFrame({"date": days, "close": noisy_sine(430, period=7) + 20})
    table.iloc[:400].to_csv(folder / "my.csv", index=False)
    table.to_csv(folder / "newer.csv", index=False)
    rng = np.random.default_rng(0)
    states = rng.choice(["idle", "busy", "down"], 300, p=[0.6, 0.3, 0.1])
    pd.DataFrame({"date": days[:300], "state": states}).to_csv(folder / "states.csv", index=False)
    reviews = [
        (i, word, "negative" if i % 2 else "positive") for i in range(60) for word in rng.choice(list("abcd"), 5)
    ]
    pd.DataFrame(reviews, columns=["review", "word", "label"]).to_csv(folder / "reviews.csv", index=False)
    return folder


def test_the_commands_are_those_that_are_promised():
    assert len(commands()) >= 8
    assert all(command.startswith("python -m forecast ") for command in commands())


def test_every_command_runs_one_after_the_other(folder, monkeypatch, capsys):
    """With fewer epochs and no pictures, which change how long they take and nothing else of what they do."""
    monkeypatch.chdir(folder)
    for command in commands():
        overrides = shlex.split(command)[3:]
        if "task=probe" in overrides:
            overrides = [*overrides, "report.png=false"]
        elif "run=latest" not in overrides:
            overrides = [*overrides, "training.max_epochs=2", "report.png=false"]
        assert main(overrides) == 0, (command, capsys.readouterr().err)
    said = capsys.readouterr().out
    for sentence in ("on these data use", "best on validation", "no forecast moved", "20 steps after", "(MASE"):
        assert sentence in said, sentence
    sweeps = list(folder.glob("outputs/*/*/sweep.csv"))
    assert len(pd.read_csv(sweeps[0])) == 6


def test_labels_are_learnt_by_the_command_that_is_told(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    overrides = shlex.split("\n".join(block("labels")).replace("\\\n", ""))[3:]
    assert main([*overrides, "training.max_epochs=2", "report.png=false"]) == 0, capsys.readouterr().err
    assert "forecast is the probability of each label" in capsys.readouterr().out


def test_the_notebook_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    source = "\n".join(block("notebook"))
    assert len([line for line in block("notebook") if line.strip()]) <= 10
    quick = source.replace("LstmSettings())", "LstmSettings(hidden_size=4))")
    names = {}
    exec(compile(quick, "README.md", "exec"), names)
    assert (folder / "report" / "report.html").exists()
    assert np.isfinite(names["live"].forecast().y_hat).all()
    assert "[[" in capsys.readouterr().out
