"""A run folder is data: whatever a stranger plants in it, opening it executes nothing and reads nothing else."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from forecast.errors import ForecastError
from forecast.runs import files
from forecast.runs.files import pack, unpack
from forecast.runs.run import open_run
from forecast.tasks.predict import predict

EXECUTES = (
    *("exec", "compile", "import", "pickle.find_class", "marshal.loads", "code.__new__", "ctypes.dlopen"),
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.startfile", "subprocess.Popen"),
    *("socket.connect", "socket.getaddrinfo", "urllib.Request", "shutil.unpack_archive", "webbrowser.open"),
)

_watching: list[list[tuple[str, tuple]]] = []


def _hook(event, arguments):
    if _watching:
        _watching[-1].append((event, arguments))


sys.addaudithook(_hook)  # can never be taken out again; it only listens within `watched`


@contextmanager
def watched():
    """Gather every audit event of the block; warm the block up before, so that our own imports are done."""
    events = []
    _watching.append(events)
    try:
        yield events
    finally:
        _watching.pop()


def opened_within(events, folder):
    paths = [
        Path(os.fsdecode(args[0])) for event, args in events if event == "open" and isinstance(args[0], (str, bytes))
    ]
    return {str(path.relative_to(folder)) for path in paths if path.is_absolute() and path.is_relative_to(folder)}


def executed(events):
    return [(event, args) for event, args in events if event.startswith(EXECUTES)]


class Payload:
    """Unpickled, it leaves a folder behind."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def plant(folder, canary):
    """Everything that some other program would execute on opening such a folder."""
    bomb = pickle.dumps(Payload(canary))
    for name in ("weights.pt", "model.pkl", "last.ckpt", "resume/last.ckpt", "scaler.joblib", "weights.bin"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(bomb)
    with zipfile.ZipFile(folder / "model.pt", "w") as archive:
        archive.writestr("archive/data.pkl", bomb)
    (folder / files.RESULTS).write_bytes(bomb)
    yaml = f"a: !!python/object/apply:os.mkdir ['{canary}']\n_target_: os.mkdir\n"
    for name in ("config.yaml", "hparams.yaml", ".hydra/config.yaml", ".hydra/hydra.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(yaml)
    for name in ("__init__.py", "sitecustomize.py", "conftest.py", "torch.py", "forecast.py", "config.py"):
        (folder / name).write_text(f"import os; os.mkdir({str(canary)!r})\n")


def edit(folder, change):
    path = folder / files.RECORD
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def put(*keys):
    """A change of one entry of run.json: names on the way, and the value."""
    *parents, last, value = keys

    def change(record):
        for name in parents:
            record = record[name]
        record[last] = value

    return change


def test_the_watch_sees_what_it_is_to_see(tmp_path):
    plant(tmp_path, tmp_path / "canary")
    with watched() as events:
        pickle.loads((tmp_path / "weights.pt").read_bytes())
        exec("1")
        eval(compile("1", "x", "eval"))
    assert {event for event, _ in executed(events)} >= {"pickle.find_class", "exec", "compile"}
    assert opened_within(events, tmp_path) == {"weights.pt"}
    assert (tmp_path / "canary").exists()


def test_opening_executes_nothing_and_reads_two_files(run_folder, tmp_path, monkeypatch):
    plant(run_folder, tmp_path / "canary")
    monkeypatch.chdir(run_folder)
    open_run(run_folder)
    with watched() as events:
        open_run(run_folder)
    assert executed(events) == []
    assert opened_within(events, run_folder) == {files.RECORD, files.WEIGHTS}
    assert not (tmp_path / "canary").exists()


def test_predicting_reads_the_old_forecast_as_well(run_folder, tmp_path, monkeypatch):
    plant(run_folder, tmp_path / "canary")
    monkeypatch.chdir(run_folder)
    predict(run_folder, {}, tmp_path / "first")
    with watched() as events:
        predict(run_folder, {}, tmp_path / "second")
    assert [event for event in executed(events) if event[0] not in ("exec", "compile", "import")] == []
    assert opened_within(events, run_folder) == {files.RECORD, files.WEIGHTS, files.FORECASTS}
    assert not (tmp_path / "canary").exists()


def test_planting_changes_no_forecast(run_folder, trained, tmp_path):
    before = open_run(trained.folder).network.tensors()
    plant(run_folder, tmp_path / "canary")
    after = open_run(run_folder).network.tensors()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


@pytest.mark.parametrize(
    "change",
    [
        put("settings", "model", "_target_", "os.system"),
        put("settings", "model", {"_target_": "os.system", "_args_": ["true"]}),
        put("settings", "model", "name", "os.system"),
        put("settings", "model", "name", "forecast.network.cells.Lstm"),
        put("settings", "model", {"py/object": "os.system"}),
        put("settings", "training", "_target_", "os.system"),
        put("settings", "training", "optimizer", "torch.optim.Adam"),
        put("settings", "training", "regime", ["stream"]),
        put("settings", "data", "transform", "exp"),
        put("settings", "data", "!!python/object/apply:os.system ['true']"),
        put("network", "reference", "name", "posix.system"),
        put("network", "reference", "_target_", "os.system"),
        put("data", "calendar", "_target_", "os.system"),
        put("data", "calendar", "freq", {"py/reduce": ["os.system"]}),
        put("data", "calendar", "freq", "import os"),
        put("data", "calendar", "timezone", "../../etc/passwd"),
        put("data", "calendar", "style", {"_target_": "os.system"}),
        put("data", "calendar", "style", 7),
        put("data", "calendar", "step", "os.system"),
        lambda record: record["data"]["calendar"].update(freq="B", holidays=["os.system"]),
        lambda record: record["data"]["calendar"].update(freq="B", weekmask="os.system"),
        put("_target_", "os.system"),
        put("callbacks", [{"_target_": "os.system"}]),
    ],
)
def test_a_class_path_is_a_wrong_value_and_nothing_more(run_folder, change):
    edit(run_folder, change)
    with watched() as events, pytest.raises(ForecastError) as caught:
        open_run(run_folder)
    assert not {event for event, _ in executed(events)} & {
        "pickle.find_class",
        "os.system",
        "subprocess.Popen",
        "import",
    }
    assert "\n" not in str(caught.value)
    assert str(run_folder) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        put("settings", "data", "_target_", "os.system"),
        put("settings", "callbacks", [{"_target_": "os.system"}]),
        put("settings", "baseline", "ridge", "regressor", "os.system"),
        put("settings", "baseline", "ridge", "params", {"__class__": "os.system"}),
        put("settings", "task", "os.system"),
    ],
)
def test_settings_that_only_a_prediction_reads_are_checked_there(run_folder, tmp_path, change):
    edit(run_folder, change)
    with pytest.raises(ForecastError) as caught:
        predict(run_folder, {}, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def tensors(change):
    """A change of weights.safetensors, from the arrays by name to arrays or bytes."""

    def apply(folder):
        path = folder / files.WEIGHTS
        changed = change(unpack(path.read_bytes(), ""))
        path.write_bytes(changed if isinstance(changed, bytes) else pack(changed))

    return apply


def header(text, data=b""):
    return struct.pack("<Q", len(text)) + text + data


WEIGHT = "network.backbone.core.weight_hh_l0"


@pytest.mark.parametrize(
    "change",
    [
        tensors(lambda a: {**a, WEIGHT: a[WEIGHT].reshape(-1)}),
        tensors(lambda a: {**a, WEIGHT: a[WEIGHT].T}),
        tensors(lambda a: {**a, WEIGHT: a[WEIGHT].astype(np.float64)}),
        tensors(lambda a: {**a, WEIGHT: a[WEIGHT] * np.nan}),
        tensors(lambda a: {name: array for name, array in a.items() if name != WEIGHT}),
        tensors(lambda a: {name: array for name, array in a.items() if name != "scale"}),
        tensors(lambda a: {**a, "network.surprise": np.zeros(2)}),
        tensors(lambda a: {**a, "os.system": np.zeros(2)}),
        tensors(lambda a: {**a, "scale": np.zeros(2)}),
        tensors(lambda a: {**a, "scale": np.zeros(())}),
        tensors(lambda a: {**a, "scale": np.ones(1, np.float32)}),
        tensors(lambda a: {**a, "reference.weights": np.zeros((1, 4, 9))}),
        tensors(lambda _: {}),
        tensors(lambda _: pickle.dumps({"a": 1})),
        tensors(lambda _: struct.pack("<Q", 2**62) + b"{}"),
        tensors(lambda _: header(b" " * (6 << 20))),
        tensors(lambda _: header(b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}')),
        lambda folder: (folder / files.WEIGHTS).unlink(),
    ],
)
def test_arrays_that_do_not_belong_to_the_settings_are_refused(run_folder, change):
    change(run_folder)
    with pytest.raises(ForecastError, match="run folder") as caught:
        open_run(run_folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        put("settings", "model", "hidden_size", 65536),
        put("settings", "model", "layers", 64),
        put("settings", "model", "hidden_size", 10**18),
        put("settings", "model", "hidden_size", -1),
        put("data", "ids", [str(i) for i in range(1000)]),
    ],
)
def test_settings_of_a_huge_network_are_refused_before_it_is_made(run_folder, change):
    import resource

    edit(run_folder, change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ForecastError, match="run folder"):
        open_run(run_folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize("horizon", [10**9, 100_000])
def test_a_huge_horizon_is_refused_before_anything_is_made(run_folder, horizon):
    def change(record):
        record["problem"]["horizon"] = record["network"]["reference"]["horizon"] = horizon

    edit(run_folder, change)
    with pytest.raises(ForecastError, match="run folder"):
        open_run(run_folder)


@pytest.mark.parametrize("name", [files.RECORD, files.WEIGHTS])
def test_a_link_to_outside_is_not_followed(run_folder, tmp_path, name):
    shutil.move(run_folder / name, tmp_path / "elsewhere")
    (run_folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForecastError, match=f"{name} is a link to outside"):
        open_run(run_folder)


def test_a_link_within_the_folder_and_to_the_folder_are_fine(run_folder, tmp_path):
    shutil.move(run_folder / files.WEIGHTS, run_folder / "w")
    (run_folder / files.WEIGHTS).symlink_to("w")
    (tmp_path / "link").symlink_to(run_folder)
    assert open_run(tmp_path / "link").record.format == 1


@pytest.mark.parametrize("name", [files.RECORD, files.WEIGHTS])
def test_what_is_no_ordinary_file_is_not_read(run_folder, name):
    (run_folder / name).unlink()
    os.mkfifo(run_folder / name)  # reading it would wait for ever
    with pytest.raises(ForecastError):
        open_run(run_folder)
    (run_folder / name).unlink()
    (run_folder / name).mkdir()
    with pytest.raises(ForecastError):
        open_run(run_folder)


@pytest.mark.parametrize(("name", "size"), [(files.RECORD, 1 << 30), (files.WEIGHTS, 1 << 40)])
def test_absurd_sizes_are_refused_before_reading(run_folder, name, size):
    with (run_folder / name).open("r+b") as file:
        file.truncate(size)  # a sparse file: it takes no room
    with pytest.raises(ForecastError, match="expected at most"):
        open_run(run_folder)


def test_a_folder_that_is_not_there_or_no_run(tmp_path):
    with pytest.raises(ForecastError, match="no such folder"):
        open_run(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ForecastError, match=r"holds no run\.json"):
        open_run(tmp_path / "empty")
    with pytest.raises(ForecastError, match="found no run"):
        open_run("latest", tmp_path)
