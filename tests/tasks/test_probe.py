"""`task=probe` on runs of every kind of data: a page, pictures and numbers in the run folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job

from forecast.app import main
from forecast.errors import ForecastError
from forecast.inspection import smoothing
from forecast.inspection.smoothing import Points, Smoothing
from forecast.questions.split import Origins
from forecast.reporting.settings import ProbeSettings, ReportSettings
from forecast.runs import files
from forecast.runs.run import open_run
from forecast.tasks.probe import probe
from forecast.tasks.terminal import silent
from forecast.tasks.train import train

NASTY = "<script>alert(1)</script>"
BARE = ReportSettings(png=False)
SECTIONS = ("memory", "frequency", "constant", "responses", "noise", "starts", "units", "unit_effects", "unit_gates")
SECTIONS += ("attribution", "attribution_lags")
HOURS = pd.date_range("2024-01-01", periods=300, freq="h")


def hourly(path, names=("y",), **columns):
    rng = np.random.default_rng(0)
    day = 10 + np.sin(2 * np.pi * np.arange(300) / 24)
    parts = [
        pd.DataFrame({"t": HOURS, "id": name, "y": (day * (i + 1) + 0.1 * rng.normal(size=300)).round(3), **columns})
        for i, name in enumerate(names)
    ]
    pd.concat(parts).to_csv(path, index=False)
    return {"name": "csv", "path": str(path), "target": "y", "id": "id"}


def quick(tmp_path, **changes):
    return train(small_job(training__max_epochs=1, baseline={}, **changes), tmp_path / "run", silent()).folder


def numbers(folder):
    return json.loads((folder / files.PROBE_NUMBERS).read_text(encoding="utf-8"))


def test_a_sine_wave(run_folder):
    probed = probe(run_folder, show=BARE)
    page = probed.path.read_text(encoding="utf-8")
    for name in SECTIONS:
        assert f'<section id="{name}">' in page
    assert "lane 0" not in page
    written = numbers(run_folder)
    assert written["series"] == "sinewave"
    assert written["headline"] in page
    assert written["memory_steps"]["data"] == probed.measured["memory"].cut.fall.length
    assert written["found"]["frequencies"]["steps"] == [1, 4]
    assert written["found"]["noise"]["strengths"][0] == 0
    assert len(written["sentences"]) == 7
    assert not [path for path in run_folder.iterdir() if path.name.startswith(".")]


def test_the_error_with_the_whole_past_is_that_of_the_network_in_use(trained, run_folder):
    probed = probe(run_folder, show=BARE)
    panel, steps = trained.prepared.panel, probed.system.origins
    forecasts = trained.final["lstm"].forecast(panel, Origins(np.zeros_like(steps), steps)).y_hat
    errors = forecasts - panel.target[steps[:, None] + np.arange(1, 5)]
    assert probed.measured["memory"].cut.whole == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
    assert steps.max() == 200 - 1 - 4  # the last with all its targets


def test_answers_to_the_data_are_the_forecasts_of_the_data(trained, run_folder):
    """Fed the series itself the made-up panel is the panel."""
    system = probe(run_folder, show=BARE).system
    panel = trained.prepared.panel
    steps = np.arange(100, 140)
    answers = system.answers(np.stack([panel.target[:140]] * 2), 100)
    expected = trained.final["lstm"].forecast(panel, Origins(np.zeros_like(steps), steps)).y_hat
    np.testing.assert_allclose(answers.network[1], expected[:, [0, 3]], atol=1e-6)


KINDS = {
    "reservoir": {"model": {"name": "esn", "hidden_size": 12}},
    "dilated": {"model__layers": 2, "model__dilations": [1, 4], "model__residual": True, "model__layer_norm": True},
    "minimal, segmented": {"model__name": "mingru", "model__segment_steps": 2},
    "recursive": {"model__strategy": "recursive", "model__head": "gaussian"},
    "seq2seq quantiles": {"model__strategy": "seq2seq", "model__head": "quantile"},
    "segmented": {"model__name": "gru", "model__segment_steps": 3},
    "windows": {"training__regime": "windows", "training__batches_per_epoch": 2, "training__batch_size": 8},
    "forks, stacked": {"model__fork_ensemble": 2, "model__layers": 2},
    "relu": {"model__name": "rnn", "model__activation": "relu", "model__reference": "none"},
    "one step": {"horizon": 1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network(kind, tmp_path):
    folder = quick(tmp_path, **KINDS[kind])
    probed = probe(folder, show=BARE)
    assert probed.path.is_file()
    notes = " ".join(probed.page.notes)
    assert ("feeds it back" in notes) == (kind == "recursive")
    assert ("windows of" in notes) == (kind == "windows")
    assert ("fork_ensemble" in notes) == kind.startswith("forks")


def test_a_panel_names_the_series_that_it_examines_and_escapes_it(tmp_path):
    data = hourly(tmp_path / "panel.csv", (NASTY, "b"), static=[1] * 300)
    folder = quick(tmp_path, data={**data, "static": "static"}, ensemble=2, model__id_embedding=2)
    probed = probe(folder, show=BARE)
    page = probed.path.read_text(encoding="utf-8")
    assert NASTY not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert any("One of 2 series was examined" in note and "the first" in note for note in probed.page.notes)
    assert any("Of the ensemble's 2 networks the first" in note for note in probed.page.notes)
    assert any("Covariates stayed" in note for note in probed.page.notes)
    other = probe(folder, show=ReportSettings(series="b", png=False))
    assert (other.system.number, numbers(folder)["series"]) == (1, "b")
    assert other.system.centre == pytest.approx(20, abs=1)


@pytest.mark.parametrize("embedded", [0, 2])
def test_the_second_series_of_a_panel_is_answered_as_in_the_panel(tmp_path, embedded):
    """Scale, reference and embedding of the examined series, and its own calendar and covariates."""
    hot = (np.arange(300) % 7).tolist()
    data = hourly(tmp_path / "panel.csv", ("a", "b"), heat=hot, wind=hot[::-1])
    settings = {**data, "past": "wind", "future": "heat", "calendar": "hour"}
    known = pd.read_csv(data["path"])
    beyond = [{"t": HOURS[-1] + pd.Timedelta(hours=k), "id": i, "heat": 1} for i in ("a", "b") for k in range(1, 5)]
    pd.concat([known, pd.DataFrame(beyond)]).to_csv(data["path"], index=False)
    result = train(
        small_job(training__max_epochs=1, baseline={}, data=settings, model__id_embedding=embedded),
        tmp_path / "run",
        silent(),
    )
    system = probe(result.folder, show=ReportSettings(series="b", png=False)).system
    panel, steps = result.prepared.panel, np.arange(200, 230)
    answers = system.answers(panel.target[300:][None, :230], 200)
    expected = result.final["lstm"].forecast(panel, Origins(np.ones_like(steps), steps)).y_hat
    np.testing.assert_allclose(answers.network[0], expected[:, [0, 3]], atol=1e-5)


def test_logarithms_are_examined_as_logarithms(tmp_path):
    folder = quick(tmp_path, data={**hourly(tmp_path / "y.csv"), "transform": "log"})
    probed = probe(folder, show=BARE)
    assert probed.system.centre == pytest.approx(np.log(10), abs=0.05)
    assert any("logarithms" in note for note in probed.page.notes)


def test_the_bundled_prices(tmp_path):
    probed = probe(quick(tmp_path, data={"name": "stock"}, horizon=2, model__hidden_size=2), show=BARE)
    assert "Close" in probed.page.headline


def test_the_command(run_folder, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run_folder / files.PROBE_FIGURES).mkdir()
    (run_folder / files.PROBE_FIGURES / "old.png").touch()  # of a probe before, which is replaced as a whole
    main(["task=probe", f"run={run_folder}"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == numbers(run_folder)["headline"] + "."
    assert printed[-1] == f"page: {run_folder / files.PROBE}"
    assert {path.name for path in (run_folder / files.PROBE_FIGURES).iterdir()} == {f"{n}.png" for n in SECTIONS}


def test_a_network_that_is_asked_for_rises(tmp_path):
    """Errors on the data are the Brier scores of its forecasts, answers are logits, and the page says so."""
    learns = {"data__duration": 2.0, "training__learning_rate": 0.05, "training__max_epochs": 6}
    result = train(small_job(baseline={}, model__head="direction", **learns), tmp_path / "run", silent())
    probed = probe(result.folder, show=BARE)
    panel, steps = result.prepared.panel, probed.system.origins
    probabilities = result.final["lstm"].forecast(panel, Origins(np.zeros_like(steps), steps)).y_hat
    rose = panel.target[steps[:, None] + np.arange(1, 5)] > panel.target[steps][:, None]
    assert probed.measured["memory"].cut.whole ** 2 == pytest.approx(np.mean((probabilities - rose) ** 2), rel=1e-5)
    answers = probed.system.answers(np.stack([panel.target[:140]] * 2), 100)
    at = np.arange(100, 140)
    expected = result.final["lstm"].forecast(panel, Origins(np.zeros_like(at), at)).y_hat[:, [0, 3]]
    np.testing.assert_allclose(answers.network[1], np.log(expected / (1 - expected)), atol=1e-5)
    page = probed.path.read_text(encoding="utf-8")
    for words in ("Brier score", "logit of a rise", "probability of a rise", "it is right about a rise", "base rate"):
        assert words in page
    for words in ("RMSE", "smoother", "by way of the reference alone"):
        assert words not in page
    assert {name for name in SECTIONS if f'<section id="{name}">' in page} == set(SECTIONS)
    assert numbers(result.folder)["found"]["asks"] == "direction"


@pytest.mark.parametrize(
    "changes", [{}, {"model__name": "gru", "model__layers": 2, "model__head": "direction"}], ids=["value", "direction"]
)
def test_a_network_that_reads_windows_from_both_ends(tmp_path, changes):
    windows = {"training__regime": "windows", "training__batches_per_epoch": 2, "training__batch_size": 8}
    folder = quick(tmp_path, model__bidirectional=True, **windows, **changes)
    probed = probe(folder, show=BARE)
    page = probed.path.read_text(encoding="utf-8")
    left_out = {"starts", "unit_gates"}
    assert {name for name in SECTIONS if f'<section id="{name}">' in page} == set(SECTIONS) - left_out
    for words in (
        "no state is carried on",
        "both measures are left out",
        "Gates are not shown where both ways are read",
    ):
        assert words in page
    assert numbers(folder)["memory_steps"]["echo"] is None
    assert probed.measured["starts"] is None


def test_questions_without_measurements_are_refused(run_folder, monkeypatch):
    opened = open_run(run_folder)
    other = replace(opened.network, problem=replace(opened.problem, target_type="symbol"))
    monkeypatch.setattr("forecast.tasks.probe.open_run", lambda *_: replace(opened, network=other))
    with pytest.raises(ForecastError, match="of values and of rises"):
        probe(run_folder, show=BARE)
    assert not (run_folder / files.PROBE).exists()


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["run=nowhere"], "there is no such folder"),
        (["run=empty"], "holds no run.json"),
        (["run=RUN", "report.series=wave"], "there is one, 'sinewave'"),
        (
            ["run=RUN", "model=gru"],
            "only `data.*` and `report.series` and `report.png` and `probe.smoothing` may be new",
        ),
        (["run=RUN", "data.season_steps=3"], "cannot be set with task=probe: the network was trained with"),
        (["run=RUN", "data.duration=0.5"], "give the data that it was trained on"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(run_folder, capsys, monkeypatch, typed, answer):
    monkeypatch.chdir(run_folder.parent)
    (run_folder.parent / "empty").mkdir()
    before = sorted(run_folder.iterdir())
    with pytest.raises(SystemExit) as end:
        main(["task=probe", *(one.replace("RUN", str(run_folder)) for one in typed)])
    printed = capsys.readouterr()
    assert end.value.code == 2
    assert answer in printed.err
    assert printed.err.count("\n") == 1
    assert sorted(run_folder.iterdir()) == before


def test_what_goes_wrong_in_the_middle_leaves_nothing(run_folder, monkeypatch):
    def fail(*_):
        raise ForecastError("no room")

    monkeypatch.setattr("forecast.tasks.probe.write_numbers", fail)
    before = sorted(run_folder.iterdir())
    with pytest.raises(ForecastError, match="no room"):
        probe(run_folder, show=BARE)
    assert sorted(run_folder.iterdir()) == before


def test_a_link_in_the_folder_is_replaced_and_not_followed(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("forecast.reporting.pictures.painter_count", lambda: 0)
    monkeypatch.setattr("forecast.reporting.pictures.png", lambda _: b"drawn")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "memory.png").write_text("mine")
    (run_folder / files.PROBE_FIGURES).symlink_to(theirs)
    (run_folder / files.PROBE).symlink_to(theirs / "memory.png")
    probe(run_folder)
    assert (theirs / "memory.png").read_text() == "mine"
    assert sorted(path.name for path in theirs.iterdir()) == ["memory.png"]
    assert not (run_folder / files.PROBE).is_symlink()
    assert (run_folder / files.PROBE_FIGURES / "memory.png").read_bytes() == b"drawn"
    shutil.rmtree(run_folder / files.PROBE_FIGURES)


def test_the_grid_is_trained_on_request(run_folder, monkeypatch):
    trained_cells = []

    def grid(settings):
        trained_cells.append(settings.name)
        return Smoothing("lstm", smoothing.Case(), {"noise": Points("sd", (0.0, 1.0), (0.9, 0.3))})

    monkeypatch.setattr("forecast.inspection.smoothing.smoothing_of", grid)
    assert '<section id="smoothing">' not in probe(run_folder, show=BARE).path.read_text(encoding="utf-8")
    probed = probe(run_folder, show=BARE, settings=ProbeSettings(smoothing=True))
    assert '<section id="smoothing">' in probed.path.read_text(encoding="utf-8")
    assert trained_cells == ["lstm"]
    assert numbers(run_folder)["smoothing"]["factors"]["noise"]["gains"] == [0.9, 0.3]
