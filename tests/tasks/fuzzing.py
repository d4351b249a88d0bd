"""Run folders with something changed in them, at random: each opens, or is refused in one line.

    python tests/tasks/fuzzing.py --cases 10000 [--seed 0]

A case changes `run.json`, the header or the numbers of `weights.safetensors`, or a table of a small run, and then does
with it what one does with a run. It may take 10 s and 2 GB more than the process had, and end in a `ForecastError` of
one line or in order; all else is a fault. A test does a few hundred of them.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

import forecast as fc
from forecast.errors import ForecastError
from forecast.runs.run import open_run
from forecast.tasks.export import export
from forecast.tasks.predict import predict
from forecast.tasks.stream_state import begin_stream

MOST_BYTES = 2 << 30
MOST_S = 10.0
DEEPEST = 20
TABLES = ("forecasts.csv", "leaderboard.csv", "components.csv")
NUMBERS = (0, -1, 1, 2, 3, 0.5, -0.0, 1e308, 1e-308, 10**6, 10**9, 2**31, 2**63, 10**30, -(10**18), 99_999, 1_000_000)
TEXTS = ("", "x", "\x1b[31m", "\x00", "a\nb", "=1+1", "../../etc/passwd", "9" * 5000, "가", "None", "-", "\udc80")
BITS = (b"\x00", b'"', b",", b"\n", b"\xff", b"9" * 400, b"[" * 100, b"1e999")
HISTORY = pd.DataFrame(
    {
        "ds": pd.date_range("2024-01-01", periods=90),
        "y": 20 + np.sin(2 * np.pi * np.arange(90) / 7) + np.random.default_rng(0).normal(0, 0.2, 90),
    }
)


def make_run(folder):
    """Train the run that is changed."""
    settings = {"model.hidden_size": 4, "training.max_epochs": 2, "training.threads": 1, "training.accelerator": "cpu"}
    return fc.fit(HISTORY, 5, "lstm", baselines=["naive"], settings=settings, folder=folder)


def places(value, path=()):
    """Paths of all values in JSON, the root first; of what is nested deeper than anything in a run, the upper ones."""
    yield path
    if len(path) > DEEPEST:
        return
    listed = enumerate(value[:40]) if isinstance(value, list) else ()
    for key, one in value.items() if isinstance(value, dict) else listed:
        yield from places(one, (*path, key))


def instead(value, rng, words):
    """Something else for a value of JSON."""
    nested = [[]]
    for _ in range(rng.choice((3, 200, 100_000 if rng.random() < 0.02 else 50))):
        nested = [nested]
    anything = [None, True, [], {}, {"x": 1}, [value], rng.choice(NUMBERS), _text(rng), rng.choice(words), nested]
    if isinstance(value, bool) or value is None:
        return rng.choice(anything)
    if isinstance(value, (int, float)):
        scaled = [value * 10, value * 1000, value * 10**9, -value, value + 1, value / 3, float("nan"), float("inf")]
        return rng.choice([*scaled, *NUMBERS, *(rng.choice(anything) for _ in range(5))])
    if isinstance(value, str):
        return rng.choice([rng.choice(words), rng.choice(words), _text(rng), value[:-1], value * 50, *anything])
    if isinstance(value, list):
        longer = value * rng.choice((2, 1000, 100_000 // max(len(value), 1)))
        return rng.choice([longer, value[:-1], value[::-1], [*value, *value[-1:]], sorted(value, key=str), *anything])
    return rng.choice([dict(list(value.items())[:-1]), {**value, "more": 1}, *anything])


def _text(rng):
    return rng.choice(TEXTS)


def changed_json(value, rng, words, times):
    """JSON with so many of its values replaced, taken out or exchanged."""
    value = json.loads(json.dumps(value))
    for _ in range(times):
        path = rng.choice(list(places(value)))
        if not path:
            continue
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        how = rng.random()
        if how < 0.15:
            del parent[path[-1]]
        else:
            parent[path[-1]] = instead(parent[path[-1]], rng, words)
    return value


def _written(value):
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"[" * 100_000


def changed_bytes(content, rng):
    """Bytes with some flipped, taken out, doubled or put in."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20))):
        place = rng.randrange(len(content) + 1)
        match rng.randrange(6):
            case 0:
                content[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del content[place : place + rng.choice((1, 10, 1000))]
            case 2:
                content[place:place] = content[place : place + rng.choice((1, 50, 2000))]
            case 3:
                content[place:place] = rng.choice(BITS)
            case 4:
                del content[place:]
            case _:
                content[place : place + 1] = rng.choice((b"-", b"0", b"9", b" ", b";", b"\r"))
    return bytes(content)


def changed_tensors(content, rng):
    """A file of weights with another header, other numbers, or both."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    if rng.random() < 0.3:
        numbers = bytearray(data)
        for _ in range(rng.choice((1, 5, 100))):
            place = rng.randrange(len(numbers) // 4) * 4
            numbers[place : place + 4] = np.float32(rng.choice((np.nan, np.inf, 3e38, -3e38, 1e-40, 0, 7))).tobytes()
        data = bytes(numbers)
    else:
        words = ["F16", "F32", "F64", "I64", "BF16", "U8", *header]
        header = changed_json(header, rng, words, rng.choice((1, 1, 2)))
    text = _written(header)
    length = rng.choice((len(text),) * 9 + (0, 1 << 20, 1 << 62, len(text) - 1))
    return length.to_bytes(8, "little") + text + data


class Fuzzer:
    """Cases of one run folder; the same seed makes the same ones."""

    def __init__(self, folder, scratch, source):
        self.scratch = Path(scratch)
        self.files = {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
        self.record = json.loads(self.files["run.json"])
        text = [value for value in map(self._at, places(self.record)) if isinstance(value, str)]
        self.words = sorted({*text, *(key for path in places(self.record) for key in path if isinstance(key, str))})
        self.source = source

    def _at(self, path):
        value = self.record
        for key in path:
            value = value[key]
        return value

    def write(self, seed):
        """Write the folder of a case; return it, and the generator with which the case goes on."""
        rng = random.Random(seed)
        files = {name: self.files[name] for name in ("run.json", "weights.safetensors", *TABLES) if name in self.files}
        what = rng.choice(("json", "json", "json", "json", "text", "weights", "weights", "table"))
        if what == "json":
            changed = changed_json(self.record, rng, self.words, rng.choice((1, 1, 1, 2, 5)))
            files["run.json"] = _written(changed)
        elif what == "text":
            files["run.json"] = changed_bytes(files["run.json"], rng)
        elif what == "weights":
            raw = files["weights.safetensors"]
            files["weights.safetensors"] = changed_bytes(raw, rng) if rng.random() < 0.3 else changed_tensors(raw, rng)
        else:
            name = rng.choice([name for name in TABLES if name in files])
            files[name] = changed_bytes(files[name], rng)
        folder = self.scratch / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder, rng

    def use(self, folder, rng, much):
        """Do with a folder what one does with a run; `much` is the share of the cases that take longer."""
        out = self.scratch / "made"
        shutil.rmtree(out, ignore_errors=True)
        run = open_run(folder)
        face = fc.load(folder)
        face.leaderboard.to_string()
        face.components()
        face.forecast()
        repr(face)
        if rng.random() < much:
            match rng.choices(("predict", "stream", "page", "export"), (8, 6, 2, 1))[0]:
                case "predict":
                    predict(folder, {}, out, source=self.source)
                case "stream":
                    begin_stream(run, {}, source=self.source).update(21.0)
                case "page":
                    face._repr_html_()
                case _:
                    export(folder)

    def fault(self, seed, much=1.0):
        """Run a case; return what is wrong with it, "" where nothing is."""
        folder, rng = self.write(seed)
        began = time.process_time()
        try:
            with bounded(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # weights of 1e38 overflow
                self.use(folder, rng, much)
        except ForecastError as error:
            if "\n" in str(error) or len(str(error)) > 2000:
                return f"not one short line: {str(error)[:300]!r}"
        except Exception:
            return traceback.format_exc()
        took = time.process_time() - began
        return f"took {took:.1f} s" if took > MOST_S else ""


@contextmanager
def bounded():
    """Let the process have so much more address space, and no more, while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def main():
    """Run cases and print those that end otherwise, each sort of fault once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    faulthandler.enable()
    seen, faults = set(), 0
    with tempfile.TemporaryDirectory() as scratch:
        base = make_run(Path(scratch) / "base")
        fuzzer = Fuzzer(base.folder, scratch, base._source(HISTORY))
        for seed in range(asked.seed, asked.seed + asked.cases):
            faulthandler.dump_traceback_later(120, exit=True)
            sys.stderr.write(f"\r{seed}") if seed % 100 == 0 else None
            if fault := fuzzer.fault(seed):
                faults += 1
                lines = fault.strip().splitlines()
                sort = tuple(line for line in lines if line.startswith("  File"))[-1:] or (lines[-1][:80],)
                if sort not in seen:
                    seen.add(sort)
                    print(f"--- case {seed}\n" + "\n".join(lines[-12:]), flush=True)
    print(f"{asked.cases} cases, {faults} faults of {len(seen)} sorts")


if __name__ == "__main__":
    main()
