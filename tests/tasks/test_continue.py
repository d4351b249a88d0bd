"""`task=continue`: what a run on symbols writes after a beginning, and which runs have nothing to go on with."""

from __future__ import annotations

import json
import shutil

import pytest
from small_jobs import small_job

from forecast.app import main
from forecast.errors import ForecastError
from forecast.forecasters.settings import ContinuationSettings
from forecast.reading.symbols import decompose_jamo
from forecast.reporting.settings import ReportSettings
from forecast.runs import files
from forecast.tasks.continuation import continue_run, put_together, split_beginning
from forecast.tasks.probe import probe
from forecast.tasks.terminal import silent
from forecast.tasks.train import train
from forecast.wording import printable

ONE = {"horizon": 1, "model__head": "categorical", "baseline": {}, "training__max_epochs": 1}
LEARNT = {**ONE, "training__max_epochs": 40, "training__learning_rate": 0.05, "training__chunk_steps": 20}
WEATHER = "\n".join(["y", *(["sunny"] * 6 + ["rain"] * 3) * 12, ""])


def run_on(folder, data, **changes):
    return train(small_job(data=data, **{**ONE, **changes}), folder / "run", silent())


@pytest.fixture(scope="module")
def hello(tmp_path_factory):
    data = {"name": "text", "text": "hello", "repeat": 60}
    return run_on(tmp_path_factory.mktemp("hello"), data, **LEARNT)


@pytest.fixture(scope="module")
def weather(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    (folder / "days.csv").write_text(WEATHER)
    return run_on(folder, {"name": "csv", "path": str(folder / "days.csv")})


def asked(beginning=None, **more):
    return ContinuationSettings(**{"steps": 12, "beginning": beginning, **more})


def test_after_h_e_l_comes_the_rest(hello, tmp_path):
    continued = continue_run(hello.folder, tmp_path / "out", settings=asked("hel", temperature=0.0))
    assert continued.text == "hellohellohello"
    assert (continued.folder / files.CONTINUATION).read_bytes() == b"hellohellohello"
    assert continued.lines[1] == continued.text
    assert "wrote 12 symbols after 3 symbols given, temperature 0, seed 0" in continued.sentence
    assert sorted(path.name for path in continued.folder.iterdir()) == [files.CONTINUATION]
    assert not (hello.folder / files.CONTINUATION).exists()


def test_without_a_beginning_the_data_go_on(hello, tmp_path):
    continued = continue_run(hello.folder, tmp_path / "out", settings=asked(temperature=0.0))
    assert continued.text == "hellohellohe"
    after = continue_run(
        hello.folder, tmp_path / "more", data={"text": "hellohe", "repeat": 1}, settings=asked("l", temperature=0.0)
    )
    assert after.text == "l" + "lohellohello"


def test_the_report_gets_a_sample(hello, weather):
    assert len(hello.finished.continuation) == 300
    assert hello.finished.continuation[:5] == "hello"
    assert set(weather.finished.continuation.split()) == {"sunny", "rain"}


def test_the_command(hello, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = ["task=continue", f"run={hello.folder}", "continuation.beginning=hel", "continuation.steps=5", "seed=3"]
    assert main([*line, "continuation.temperature=0"]) == 0
    sentence, text = capsys.readouterr().out.splitlines()
    assert sentence.endswith("continuation.txt")
    assert text == "hellohel"
    with pytest.raises(SystemExit):
        main([*line, "horizon=3"])
    assert "`horizon=3` cannot be set with task=continue" in capsys.readouterr().err


def test_longer_symbols_are_a_list(weather, tmp_path):
    continued = continue_run(weather.folder, tmp_path / "out", settings=asked(("sunny", "rain")))
    assert continued.text.split()[:2] == ["sunny", "rain"]
    assert len(continued.text.split()) == 14
    with pytest.raises(ForecastError, match="'suny' is none of them: near it are 'sunny'"):
        continue_run(weather.folder, tmp_path / "no", settings=asked(("suny",)))
    with pytest.raises(ForecastError, match=r"'sunny rain' is none of them.*; several are a list, as in \[a,b\]"):
        continue_run(weather.folder, tmp_path / "no", settings=asked("sunny rain"))
    assert not (tmp_path / "no").exists()


def test_syllables_are_broken_and_put_together_again(tmp_path):
    data = {"name": "text", "text": "하하한글 가", "repeat": 30, "jamo": True}
    run = run_on(tmp_path, data, **LEARNT, training__refit=False)
    continued = continue_run(run.folder, tmp_path / "out", settings=asked("하하한", steps=3, temperature=0.0))
    assert continued.beginning == tuple(decompose_jamo("하하한"))
    assert continued.text == "하하한글"
    assert "하하한글" in run.finished.continuation


def test_a_run_on_numbers_has_nothing_to_go_on_with(run_folder, tmp_path):
    with pytest.raises(ForecastError, match="forecasts no symbols"):
        continue_run(run_folder, tmp_path / "out")


def test_a_run_that_reads_the_open_future_has_nothing_to_go_on_with(tmp_path):
    rows = [f"{'ab'[i % 2]},{i % 3}" for i in range(90)]
    (tmp_path / "file.csv").write_text("\n".join(["y,x", *rows, ""]))
    data = {"name": "csv", "path": str(tmp_path / "file.csv"), "target": "y", "past": "x"}
    run = run_on(tmp_path, data)
    assert run.finished.continuation is None
    with pytest.raises(ForecastError, match="reads 'x' as well, and nobody knows how these go on"):
        continue_run(run.folder, tmp_path / "out", settings=asked("ab"))


def test_what_follows_from_the_date_goes_on(tmp_path):
    days = [f"2024-{1 + i // 28:02d}-{1 + i % 28:02d},{'ab'[i % 2]}" for i in range(120)]
    (tmp_path / "file.csv").write_text("\n".join(["t,y", *days, ""]))
    data = {"name": "csv", "path": str(tmp_path / "file.csv"), "calendar": "weekday", "on_gaps": "previous"}
    run = run_on(tmp_path, data, horizon=2)
    assert len(run.finished.continuation) == 300
    for beginning in (None, "ab"):
        continued = continue_run(run.folder, tmp_path / "out", settings=asked(beginning))
        assert len(continued.drawn) == 12


def test_beginnings_in_symbols():
    assert split_beginning("hi", ("h", "i")) == ("h", "i")
    assert split_beginning(["h", "i"], ("h", "i")) == ("h", "i")
    assert split_beginning("dry", ("dry", "w")) == ("dry",)
    assert split_beginning("a\r\nb", ("\n", "a", "b")) == ("a", "\n", "b")
    assert put_together(("dry", "w"), ("dry", "w")) == "dry w"


def test_what_would_colour_the_terminal_is_written_out():
    assert printable("a\x1b[31m\tb\n한\x07") == "a\\x1b[31m\tb\n한\\x07"


def test_a_run_on_symbols_is_probed(hello, tmp_path):
    folder = shutil.copytree(hello.folder, tmp_path / "run")
    result = probe(folder, show=ReportSettings(png=False))
    page = result.path.read_text(encoding="utf-8")
    for name in ("memory", "units", "unit_effects", "unit_text", "unit_symbols"):
        assert f'<section id="{name}">' in page
    content = json.loads((folder / files.PROBE_NUMBERS).read_text(encoding="utf-8"))
    assert content["headline"] in page
    assert content["memory_steps"]["data"] == result.measured["memory"].cut.length
    assert len(content["units"]["added_bits"]) == 4
    assert "sections on sine waves" in page
    with pytest.raises(ForecastError, match="there is one, 'text'"):
        probe(folder, show=ReportSettings(png=False, series="txt"))


def test_a_run_whose_symbols_were_taken_away_is_refused_in_one_line(weather, tmp_path, recwarn):
    copied = shutil.copytree(weather.folder, tmp_path / "run")
    record = json.loads((copied / files.RECORD).read_text())
    record["data"]["channels"][0]["categories"] = []
    (copied / files.RECORD).write_text(json.dumps(record))
    with pytest.raises(ForecastError, match=r"run folder .*`model\.head=categorical` forecasts symbols, .* has none"):
        continue_run(copied, tmp_path / "out")
    assert not recwarn.list
