"""`task=pretrain`: the recipe of the pretrained network, for anyone who wants the weights again, or others."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from rich.console import Console

from forecast.errors import ForecastError
from forecast.forecasters.pretrained import tensors_of
from forecast.network.cpu import threads_for
from forecast.network.pretrained import PretrainedNetwork
from forecast.pretraining.collection import Collection
from forecast.pretraining.generator import fingerprint
from forecast.pretraining.recipe import train
from forecast.questions.season import find_season
from forecast.questions.task import suggested_horizon
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.runs import files
from forecast.runs.checkpoint import Checkpoint, load_checkpoint
from forecast.runs.files import pack
from forecast.runs.folder import new_folder
from forecast.runs.record import package_versions
from forecast.runs.run import open_weights
from forecast.runs.saving import write_table
from forecast.runs.unfinished import read_started, write_begun
from forecast.tasks.terminal import working
from forecast.training.ranks import gathered
from forecast.training.settings import TrainingSettings
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forecast.pretraining.settings import PretrainSettings
    from forecast.runs.checkpoint import Stage
    from forecast.series.panel import Source
    from forecast.tasks.settings import JobSettings
    from forecast.tasks.terminal import Work
    from forecast.training.ranks import Ranks

RECORD = "pretraining.json"
LOSSES = "losses.csv"


@dataclass(frozen=True, eq=False)
class Pretraining:
    """What a pretraining made: the average of the weights on the way, and the loss of each report."""

    network: PretrainedNetwork
    losses: pd.DataFrame
    folder: Path
    sentence: str


@dataclass(frozen=True, eq=False)
class _Training:
    """What every process of a pretraining is told; each draws batches of its own.

    `state` is what an earlier process left of it, None: it begins.
    """

    settings: PretrainSettings
    training: TrainingSettings
    seed: int
    network: PretrainedNetwork | None
    collection: Collection | None
    state: Any

    def join(
        self,
        ranks: Ranks,
        report: Callable[[int, float], None] | None = None,
        keep: Callable[[Callable[[], dict[str, Any]]], None] | None = None,
    ) -> PretrainedNetwork:
        """Train in step with the others; `report` and `keep` follow it, as in `train`."""
        with threads_for(1, 1, self.training.threads or max(torch.get_num_threads() // ranks.size, 1)):
            return train(
                self.seed,
                seconds=self.settings.time_limit_s,
                steps=self.settings.steps,
                network=self.network,
                draw=self.collection.draw if self.collection else None,
                fabric=ranks.fabric(self.training),
                state=self.state,
                report=report,
                keep=keep,
            )


def pretrain(
    settings: PretrainSettings,
    folder: str | Path,
    seed: int = 0,
    console: Console | None = None,
    *,
    job: JobSettings | None = None,
    resumed: bool = False,
) -> Pretraining:
    """Train the network on generated series, or those of a collection as well, and leave its weights in a folder.

    `job` says how the collection is read (`data.*`, `horizon`), and that checkpoints are written, from which `resumed`
    goes on.

    Raises
    ------
    ForecastError
        Weights to start from that cannot be read, or are of another network; a collection that cannot be read, or has
        no series to learn from; a training to go on with whose generator, or collection, was another.

    """
    network = None
    if settings.start:
        network = PretrainedNetwork()
        network.load_state_dict(open_weights(settings.start, "pretrain.start").state_dict())
    source = _collection_source(settings, job)
    collection = collection_of(settings, source, job)
    with new_folder(folder, resumed=resumed) as draft, working(console or Console(highlight=False), 0) as work:
        checkpoint = _checkpoint(job, draft.staging, _facts(source), resumed=resumed)
        draft.on_failure.append(checkpoint.write)
        stage = checkpoint.stage("pretraining")
        training = job.training if job else TrainingSettings(accelerator="cpu")
        before = stage.state or {"training": None, "reported": []}
        told = _Training(settings, training, seed, network, collection, before["training"])
        trained, table = _trained(told, before["reported"], stage, work)
        for name in (files.CHECKPOINT, files.EARLIER_CHECKPOINT, files.STARTED):
            (draft.staging / name).unlink(missing_ok=True)
        (draft.staging / files.WEIGHTS).write_bytes(pack(tensors_of(trained)))
        write_table(table, draft.staging / LOSSES)
        record = _record(told, table) | _facts(source) | {"versions": package_versions()}
        (draft.staging / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    steps, last = counted(int(table["step"].iloc[-1]), "step"), number(float(table["loss"].iloc[-1]))
    sentence = (
        f"trained {steps} on {_trained_on(settings)}, loss {last} at the end; to forecast with these weights: "
        f"model=pretrained model.weights={draft.final / files.WEIGHTS}"
    )
    return Pretraining(trained, table, draft.final, sentence)


def _trained(
    told: _Training, reported: Sequence[dict[str, float]], stage: Stage, work: Work
) -> tuple[PretrainedNetwork, pd.DataFrame]:
    """Train, and say so on the way; returns the average of the weights, and the loss of each report."""
    settings, losses = told.settings, [*reported]
    began = time.monotonic() - (told.state["seconds"] if told.state else 0.0)

    def report(step: int, loss: float) -> None:
        losses.append({"step": step, "seconds": round(time.monotonic() - began, 1), "loss": loss})
        left = f", {max(settings.time_limit_s - losses[-1]['seconds'], 0):.0f} s left" if not settings.steps else ""
        work.stage("fit", f"the network on {_trained_on(settings)}: step {step}, loss {number(loss)}{left}")

    def keep(gather: Callable[[], dict[str, Any]]) -> None:
        if stage.due:
            stage.keep({"training": gather(), "reported": losses})

    ranks = gathered(told.training)
    with ranks.in_step(told):
        trained = told.join(ranks, report=report, keep=keep)
    return trained, pd.DataFrame(losses, columns=["step", "seconds", "loss"])


def _record(told: _Training, losses: pd.DataFrame) -> dict[str, Any]:
    settings = told.settings
    return {
        "seed": told.seed,
        "steps": int(losses["step"].iloc[-1]),
        "seconds": float(losses["seconds"].iloc[-1]),
        "start": settings.start,
        "data": settings.data,
        "share": settings.share if settings.data else 0.0,
        "threads": torch.get_num_threads(),
        "devices": told.training.devices,
    }


def _trained_on(settings: PretrainSettings) -> str:
    if settings.data is None:
        return "generated series"
    return f"series of {settings.data}" if settings.share == 1 else f"generated series and those of {settings.data}"


def _collection_source(settings: PretrainSettings, job: JobSettings | None) -> Source | None:
    """Read the collection, as the job's `data.*` say where they are of files."""
    if settings.data is None:
        return None
    if job is not None and isinstance(job.data, CsvSettings):
        return load_source(job.data.model_copy(update={"path": settings.data}))
    return load_source(CsvSettings(path=settings.data))


def collection_of(settings: PretrainSettings, source: Source | None, job: JobSettings | None) -> Collection | None:
    """Pose a task on a collection: its season and a horizon, found where the job says none."""
    if source is None:
        return None
    panel = source.panel
    if panel.symbols:
        raise ForecastError(f"`pretrain.data={settings.data}` holds symbols, and the network forecasts numbers")
    horizon = (job.horizon if job else 0) or suggested_horizon(panel)
    said = job.data.season_steps if job is not None and isinstance(job.data, CsvSettings) else None
    return Collection(panel, said or find_season(panel, horizon).steps, horizon, settings.share)


def _facts(source: Source | None) -> dict[str, str]:
    """What the batches follow from, beside the seed."""
    return {"generator": fingerprint(), **({} if source is None else {"collection": source.fingerprint})}


def _checkpoint(job: JobSettings | None, folder: Path, facts: dict[str, str], *, resumed: bool) -> Checkpoint:
    """Begin the checkpoint of a pretraining, or open the one that an earlier process left."""
    if job is None:
        return Checkpoint(None)
    if not resumed:
        write_begun(folder, job.model_dump(mode="json"), json.dumps(facts), facts)
        return Checkpoint(folder, job.training.checkpoint_s)
    if (before := read_started(folder).data) != facts:
        other = next(name for name in {**before, **facts} if before.get(name) != facts.get(name))
        raise ForecastError(f"a pretraining is resumed on what it began with, and the {other} differs: begin anew")
    return Checkpoint(folder, job.training.checkpoint_s, load_checkpoint(folder)[0])
