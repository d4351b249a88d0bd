"""What the README and the pages of `docs/` tell people to type runs, and what they name exists.

A fenced block of `bash` or `python` is run, with one epoch, one baseline and no pictures. Comments in the lines before
it change that: `<!-- not run: reason -->` skips it, `<!-- run with: key=value ... -->` adds settings for speed, and
`<!-- output -->` before a block of text says that the Python block above prints just that.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from oracles.panels import noisy_sine

import forecast
from forecast.app import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

QUICK = {
    "train": ["training.max_epochs=1", "report.png=false"],
    "probe": ["report.png=false"],
    "continue": ["continuation.steps=20"],
    "pretrain": ["pretrain.steps=1"],
    "update": ["update.epochs=1", "report.png=false"],
    "tune": ["tune.trials=2", "tune=quick", "training.max_epochs=1", "baseline=[naive]", "report.png=false"],
}
"""What is added to a command of a task."""

HELD_BACK = 15
"""Blocks that may be skipped: who writes one more thinks about it here."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, and the comments right before it."""

    language: str
    lines: list[str]
    comments: list[str]

    @property
    def is_run(self):
        return self.language in {"bash", "python"} and not any(note.startswith("not run:") for note in self.comments)

    @property
    def added(self):
        """Settings of `run with:`."""
        notes = [note.removeprefix("run with:") for note in self.comments if note.startswith("run with:")]
        return shlex.split(" ".join(notes))

    @property
    def commands(self):
        text = "\n".join(self.lines).replace("\\\n", " ")
        return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


def blocks_of(page):
    actual = re.finditer(
        r"(?P<notes>(?:^<!--[^\n]*-->\n)*)^```(?P<language>\S*)\n(?P<text>.*?)^```$",
        page.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    return [
        Block(one["language"], one["text"].splitlines(), re.findall(r"<!-- (.*?) -->", one["notes"])) for one in actual
    ]


def has_python(name):
    return any(one.language == "python" for one in blocks_of(ROOT / name))


def block(page, marker):
    return next(one for one in blocks_of(ROOT / page) if marker in one.comments)


@pytest.fixture(scope="module", name="folder")
def make_folder(tmp_path_factory):
    """A folder with the files that the pages speak of; `newer.csv` goes on where `my.csv` ends."""
    folder = tmp_path_factory.mktemp("pages")
    days = pd.date_range("2023-01-02", periods=330, freq="D")
    table = pd.DataFrame({"date": days, "close": noisy_sine(330, period=7) + 20})
    table.iloc[:300].to_csv(folder / "my.csv", index=False)
    table.to_csv(folder / "newer.csv", index=False)
    rng = np.random.default_rng(0)
    states = rng.choice(["idle", "busy", "down"], 300, p=[0.6, 0.3, 0.1])
    pd.DataFrame({"date": days[:300], "state": states}).to_csv(folder / "states.csv", index=False)
    reviews = [
        (i, word, "negative" if i % 2 else "positive") for i in range(60) for word in rng.choice(list("abcd"), 5)
    ]
    pd.DataFrame(reviews, columns=["review", "word", "label"]).to_csv(folder / "reviews.csv", index=False)
    sales = pd.concat(
        [
            pd.DataFrame(
                {
                    "date": days[:157],
                    "shop": shop,
                    "sales": [*(noisy_sine(150, period=7, seed=seed) + 9).round(3), *[None] * 7],
                    "temperature": [*noisy_sine(150, period=30, seed=seed), *[None] * 7],
                    "promotion": rng.integers(0, 2, 157),
                }
            )
            for seed, shop in enumerate(["north", "south"])
        ]
    )
    sales.to_csv(folder / "sales.csv", index=False)
    (folder / "book.txt").write_text("The hare and the tortoise ran a race. " * 40)
    return folder


class Typist:
    """Types the commands of pages in one folder; what was typed before is not typed again."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys
        self.runs = {}  # command: the run folder that it left, and what it printed

    def type(self, overrides, latest):
        """Run a command after one that left the folder `latest`: the folder that it leaves, if any, and its output."""
        key = (*overrides, latest if "run=latest" in overrides else None)
        if key not in self.runs:
            before = self._folders()
            literal = not before or latest == max(before, key=lambda one: (one / "run.json").stat().st_mtime_ns)
            typed = overrides if literal else [one.replace("run=latest", f"run={latest}") for one in overrides]
            try:
                status = main(typed)
            except SystemExit as ended:  # --help
                status = ended.code or 0
            printed = self.capsys.readouterr()
            assert status == 0, (overrides, printed.err)
            self.runs[key] = max(self._folders() - before, default=latest), printed.out
        return self.runs[key]

    def _folders(self):
        return {path.parent for path in self.folder.glob("outputs/**/run.json")}


@pytest.fixture(scope="module", name="typed")
def make_typed():
    """What was typed before, by any page."""
    return {}


@pytest.fixture(name="typist")
def make_typist(folder, typed, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    typist = Typist(folder, capsys)
    typist.runs = typed
    return typist


def quick(command, added):
    """Overrides of a command, with what makes it quick and is not said in it."""
    assert command[:3] == ["python", "-m", "forecast"], command
    overrides = command[3:]
    if {"--help", "--cfg"} & set(overrides):
        return overrides
    keys = {one.partition("=")[0] for one in overrides}
    task = next((one.removeprefix("task=") for one in overrides if one.startswith("task=")), "train")
    symbols = "model.head=categorical" in overrides or {"experiment"} & keys
    baselines = [] if symbols or "baseline" in keys or task not in {"train", "check"} else ["baseline=[naive]"]
    return [*overrides, *baselines, *QUICK.get(task, []), *(added if task == "train" else [])]


def type_all(page, typist):
    """Type the commands of a page one after the other; return what they printed."""
    latest, outputs = None, []
    for one in blocks_of(ROOT / page):
        if one.language == "bash" and one.is_run:
            for command in one.commands:
                latest, printed = typist.type(quick(command, one.added), latest)
                outputs.append(printed)
    return "".join(outputs)


SENTENCES = {
    "README.md": (
        "use ",
        "best on validation",
        "no forecast moved",
        "20 steps after",
        "(MASE",
        "sweep.csv",
    ),
    "docs/symbols.md": ("forecast is the probability of each label",),
}
"""What commands of a page print."""


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_page_runs(name, typist):
    printed = type_all(name, typist)
    for sentence in SENTENCES.get(name, ()):
        assert sentence in printed, sentence
    for path in re.findall(r"\S+/sweep\.csv", printed):
        assert len(pd.read_csv(path)) == 4  # a row for each combination


@pytest.mark.parametrize("name", [name for name in NAMES if has_python(name)])
def test_every_python_block_runs(name, typist, capsys):
    if name == "docs/api.md":  # it opens a run
        typist.type(quick(["python", "-m", "forecast", "data.path=my.csv"], []), None)
    if name == "docs/export.md":  # it opens what was exported
        type_all(name, typist)
    blocks = blocks_of(ROOT / name)
    for one, following in pairwise([*blocks, Block("", [], [])]):
        if one.language == "python" and one.is_run:
            capsys.readouterr()
            names = {}
            source = "\n".join(one.lines).replace("LstmSettings())", "LstmSettings(hidden_size=4))")
            quickly = 'model="lstm", baselines=["naive"], settings={"training.max_epochs": 1})'
            source = source.replace('model="lstm")', quickly)
            exec(compile(source, name, "exec"), names)
            printed = capsys.readouterr().out
            assert printed
            if "output" in following.comments:
                assert printed.splitlines() == following.lines
            if "notebook" in one.comments:
                assert len([line for line in one.lines if line.strip()]) <= 10
                assert np.isfinite(names["run"].forecast()["y_hat"]).all()


def test_blocks_that_are_not_run_say_why():
    blocks = [one for page in PAGES for one in blocks_of(page)]
    assert {one.language for one in blocks} <= {"bash", "python", "text", "{eval-rst}", "{toctree}", "{include}"}
    skipped = [one for one in blocks if one.language in {"bash", "python"} and not one.is_run]
    assert len(skipped) <= HELD_BACK
    for one in skipped:
        (reason,) = [note for note in one.comments if note.startswith("not run:")]
        assert len(reason.split()) > 4, reason
    for page in PAGES:
        rest = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        assert len(re.findall(r"^\s*(?:python|pip|forecast) -", rest, re.MULTILINE)) == 0


def test_the_readme_is_short_and_explains_its_five_words():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert len(block("README.md", "commands").commands) == 6
    for word in ("MASE", "origin", "horizon", "prediction interval", "p"):
        assert f"- **{word}**: " in text


def keys_of(table, prefix=""):
    for key, value in (table or {}).items():  # a preset may change nothing
        yield prefix + key
        if isinstance(value, dict):
            yield from keys_of(value, f"{prefix}{key}.")


def configured():
    """Every key of the configuration, with those of all its groups."""
    conf = ROOT / "conf"
    keys = {"data", "model", "training", "baseline", "tune", "experiment"}
    keys |= set(keys_of(yaml.safe_load((conf / "config.yaml").read_text(encoding="utf-8"))))
    for path in conf.glob("*/*.yaml"):
        group = f"baseline.{path.stem}" if path.parent.name == "baseline" else path.parent.name
        keys |= {f"{group}.{key}" for key in keys_of(yaml.safe_load(path.read_text(encoding="utf-8")))}
    return keys


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_that_a_page_names_exists(name):
    text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    known = configured()
    groups = {key.partition(".")[0] for key in known if "." in key}
    for code in re.findall(r"`([^`\n]+)`", text):
        for key in re.findall(r"(?:^|\s)([a-z_]+(?:\.[a-z_]+)*)=", code):
            assert key in known or "." not in key, (code, key)
        if re.fullmatch(r"[a-z_]+\.[a-z_]+", code) and code.partition(".")[0] in groups and code not in FILES:
            assert code in known, code


FILES = {"data.py", "model.py", "report.html", "report.md", "probe.html", "probe.json"}


def slug(heading):
    """The anchor that GitHub and MyST give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_every_link_to_a_page_or_a_picture_leads_there(name):
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in map(slug, headings), link


def test_the_page_on_python_has_every_public_name_once():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"auto\w+:: forecast\.(\w+)", text)) == sorted(forecast._MODULE)


def test_the_way_of_a_row_leads_through_ten_rooms_each_named_once():
    text = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\d+\. \*\*(\w+)/\*\*", text, re.MULTILINE)
    assert len(rooms) == len(set(rooms)) <= 10
    assert all((ROOT / "forecast" / room / "__init__.py").exists() for room in rooms)
