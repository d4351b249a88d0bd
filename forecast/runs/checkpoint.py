"""The checkpoint of an unfinished run: what was done so far, stage by stage, as JSON and arrays in one file.

A *stage* is a training of a network, or a baseline with its forecasts. The file is written aside, flushed and renamed,
and the one before is kept: a kill at any moment leaves one that is whole, which its digest shows. It is written every
so many seconds, more rarely where that would take more than a hundredth of the time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from forecast.forecasters.interface import Forecasts
from forecast.runs import files

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.forecasters.interface import Fitted, Forecaster, Kind
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import IntArray, Panel

_SHARE = 0.01  # of the time that checkpoints may take
_PART = "checkpoint.part"
_ARRAY = "$"  # the only key of what stands for an array in the JSON


class Checkpoint:
    """Stages of a run in a folder; those that an earlier process left are taken from `load_checkpoint`.

    Examples
    --------
    >>> checkpoint = Checkpoint(None)
    >>> stage = checkpoint.stage("training")
    >>> stage.keep({"epoch": 3})
    >>> checkpoint.stages
    {'training 0': {'epoch': 3}}

    """

    def __init__(self, folder: Path | None, every_s: float | None = None, stages: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.every_s = math.inf if every_s is None or folder is None else every_s
        self.stages: dict[str, Any] = stages or {}
        self.problem = ""
        """Why the last checkpoint could not be written, "" where it could."""
        path = None if folder is None else folder / files.STARTED
        self._started = path.read_bytes() if path is not None and path.exists() else b""
        self._counts: dict[str, int] = {}
        self._unwritten = False
        self._next = time.monotonic() + self.every_s

    def stage(self, kind: str) -> Stage:
        """Return the next stage of a kind: they come in the same order in every process of a run."""
        number = self._counts.get(kind, 0)
        self._counts[kind] = number + 1
        return Stage(self, f"{kind} {number}")

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() >= self._next

    def keep(self, name: str, state: Any, *, now: bool) -> None:
        """Keep a copy of the state of a stage; write all of them if it is time, or `now`."""
        self.stages[name] = _copied(state)
        self._unwritten = True
        if now or self.due:
            self.write()

    def write(self) -> None:
        """Write what has not been written; where the disk refuses, the one before stays and training goes on."""
        if self.folder is None or not self._unwritten:
            return
        began = time.monotonic()
        part, current = self.folder / _PART, self.folder / files.CHECKPOINT
        try:
            if self._started and not self.folder.exists():  # somebody has removed it
                self.folder.mkdir(parents=True)
                (self.folder / files.STARTED).write_bytes(self._started)
            with part.open("wb") as file:
                file.write(_packed(self.stages))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                current.replace(self.folder / files.EARLIER_CHECKPOINT)
            part.replace(current)
            self.problem, self._unwritten = "", False
        except OSError as error:
            self.problem = error.strerror or str(error)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        ended = time.monotonic()
        self._next = ended + max(self.every_s, (ended - began) / _SHARE)

    @property
    def notes(self) -> list[str]:
        """Say that the last checkpoint could not be written."""
        return [f"the last checkpoint could not be written ({self.problem})"] if self.problem else []


@dataclass(frozen=True)
class Stage:
    """One stage of a checkpoint, by its name."""

    checkpoint: Checkpoint
    name: str

    @property
    def state(self) -> Any:
        """What was kept of it last, None: nothing."""
        return self.checkpoint.stages.get(self.name)

    @property
    def due(self) -> bool:
        """Whether it is time to write: what takes time to gather is gathered only then."""
        return self.checkpoint.due

    def keep(self, state: Any, *, now: bool = False) -> None:
        """Keep a state: dicts, lists, tensors, arrays and plain values; write it if it is time, or `now`."""
        self.checkpoint.keep(self.name, state, now=now)


def load_checkpoint(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the stages of the newest checkpoint that is whole, and a sentence where that is not the last one."""
    torn = False
    for name in (files.CHECKPOINT, files.EARLIER_CHECKPOINT):
        path = folder / name
        if not path.is_file() or path.is_symlink():
            continue
        try:
            return _unpacked(path), "the last checkpoint is torn: the one before is taken" if torn else ""
        except (OSError, SafetensorError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
            torn = True
    return {}, "no checkpoint is whole: the run begins anew" if torn else ""


def _packed(stages: dict[str, Any]) -> bytes:
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    text = json.dumps(_with_names(stages, arrays))
    return save(arrays, metadata={"stages": text, "digest": _digest(text, arrays)})


def _unpacked(path: Path) -> dict[str, Any]:
    """Read a checkpoint; ValueError and its like where it is not whole."""
    if path.stat().st_size > files.MAX_WEIGHTS_BYTES:
        raise ValueError("too large")
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    text, arrays = header["__metadata__"]["stages"], load(content)
    if header["__metadata__"]["digest"] != _digest(text, arrays):
        raise ValueError("another digest")
    stages: dict[str, Any] = _with_arrays(json.loads(text), arrays)
    return stages


def _digest(text: str, arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _copied(tree: Any) -> Any:
    """Copy tensors and arrays to arrays of their own: what is kept does not change with the training."""
    if isinstance(tree, dict):
        return {name: _copied(part) for name, part in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_copied(part) for part in tree]
    if isinstance(tree, torch.Tensor):
        return tree.detach().cpu().numpy().copy()
    return tree.copy() if isinstance(tree, np.ndarray) else tree


def _with_names(tree: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Replace each array by its name, and put it among `arrays`."""
    if isinstance(tree, dict):
        return {name: _with_names(part, arrays) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_with_names(part, arrays) for part in tree]
    if isinstance(tree, np.ndarray):
        arrays[name := str(len(arrays))] = np.ascontiguousarray(tree).reshape(tree.shape)
        return {_ARRAY: name}
    return tree


def _with_arrays(tree: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(tree, dict):
        if tree.keys() == {_ARRAY}:
            return arrays[tree[_ARRAY]].copy()  # `load` gives views that cannot be written to
        return {name: _with_arrays(part, arrays) for name, part in tree.items()}
    return [_with_arrays(part, arrays) for part in tree] if isinstance(tree, list) else tree


@dataclass(frozen=True)
class Kept:
    """A forecaster whose forecasts stand in the checkpoint; where they do already, it is fitted only when asked more.

    Fitted forecasters cannot be stored as plain data; they come out the same when they are fitted again. What is kept
    is found by a digest of the data that were asked about: other data, or the same ones changed, are forecast anew.
    """

    forecaster: Forecaster
    stage: Stage

    @property
    def name(self) -> str:
        """The forecaster's own."""
        return self.forecaster.name

    @property
    def kind(self) -> Kind:
        """The forecaster's own."""
        return self.forecaster.kind

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> KeptFitted:
        """Fit the forecaster, or leave it until something is asked that is not kept."""
        fitted = KeptFitted(self, (past, train_steps, problem), [])
        digest = _digest_of_data(past, problem, train_steps)
        if self.stage.state is None or self.stage.state["fitted_on"] != digest:
            self.stage.keep({"fitted_on": digest, "notes": list(fitted.again().notes), "forecasts": {}})
        return fitted


@dataclass(frozen=True, eq=False)
class KeptFitted:
    """What `Kept` fits; `fitted` is empty, or holds it."""

    kept: Kept
    fitted_on: tuple[Panel, IntArray, Problem]
    fitted: list[Fitted]

    @property
    def notes(self) -> tuple[str, ...]:
        """The forecaster's own."""
        return tuple(self.kept.stage.state["notes"])

    def again(self) -> Fitted:
        """Fit the forecaster if it has not been."""
        if not self.fitted:
            self.fitted.append(self.kept.forecaster.fit(*self.fitted_on))
        return self.fitted[0]

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast, or return what was forecast from these origins of the same data before."""
        state = self.kept.stage.state
        key = _digest_of_data(past, self.fitted_on[2], origins.series, origins.steps)
        if key in state["forecasts"]:
            return replace(Forecasts(np.zeros(0)), **state["forecasts"][key])
        forecasts = self.again().forecast(past, origins)
        arrays = {name: part for name, part in vars(forecasts).items() if part is not None}
        self.kept.stage.keep({**state, "forecasts": {**state["forecasts"], key: arrays}})
        return forecasts

    def chosen(self) -> Forecaster:
        """Return the forecaster with everything fixed that was chosen on validation."""
        return self.again().chosen()


def _digest_of_data(panel: Panel, *others: Problem | IntArray) -> str:
    """Return a digest of everything that a forecaster reads: the panel with its covariates, and `others`."""
    digest = hashlib.blake2b(digest_size=16)
    arrays = [panel.values, panel.observed, panel.masked, panel.offsets, panel.times]
    arrays += [None] * 3 if panel.ahead is None else [panel.ahead.values, panel.ahead.masked, panel.ahead.offsets]
    arrays += [None] * 2 if panel.static is None else [panel.static.values, panel.static.masked]
    for part in (panel.ids, panel.channels, panel.calendar, *arrays, *others):
        if isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()
