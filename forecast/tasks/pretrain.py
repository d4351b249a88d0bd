"""`task=pretrain`: the recipe of the pretrained network, for anyone who wants the weights again, or others."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from rich.console import Console

from forecast.forecasters.pretrained import tensors_of
from forecast.network.pretrained import PretrainedNetwork
from forecast.pretraining.generator import fingerprint
from forecast.pretraining.recipe import train
from forecast.runs import files
from forecast.runs.files import pack
from forecast.runs.folder import new_folder
from forecast.runs.record import package_versions
from forecast.runs.run import open_weights
from forecast.runs.saving import write_table
from forecast.tasks.terminal import working
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.pretraining.settings import PretrainSettings

RECORD = "pretraining.json"
LOSSES = "losses.csv"


@dataclass(frozen=True, eq=False)
class Pretraining:
    """What a pretraining made: the average of the weights on the way, and the loss of each report."""

    network: PretrainedNetwork
    losses: pd.DataFrame
    folder: Path
    sentence: str


def pretrain(
    settings: PretrainSettings, folder: str | Path, seed: int = 0, console: Console | None = None
) -> Pretraining:
    """Train the network on generated series, and leave its weights in a folder.

    Raises
    ------
    ForecastError
        Weights to start from that cannot be read, or are of another network.

    """
    network = None
    if settings.start:
        network = PretrainedNetwork()
        network.load_state_dict(open_weights(settings.start, "pretrain.start").state_dict())
    losses: list[dict[str, float]] = []
    began = time.monotonic()
    with new_folder(folder) as draft, working(console or Console(highlight=False), 0) as work:

        def report(step: int, loss: float) -> None:
            losses.append({"step": step, "seconds": round(time.monotonic() - began, 1), "loss": loss})
            left = f", {max(settings.time_limit_s - losses[-1]['seconds'], 0):.0f} s left" if not settings.steps else ""
            work.stage("fit", f"the network on generated series: step {step}, loss {number(loss)}{left}")

        threads = torch.get_num_threads()
        trained = train(seed, seconds=settings.time_limit_s, steps=settings.steps, network=network, report=report)
        (draft.staging / files.WEIGHTS).write_bytes(pack(tensors_of(trained)))
        table = pd.DataFrame(losses, columns=["step", "seconds", "loss"])
        write_table(table, draft.staging / LOSSES)
        record = {
            "seed": seed,
            "steps": int(table["step"].iloc[-1]),
            "seconds": float(table["seconds"].iloc[-1]),
            "start": settings.start,
            "threads": threads,
            "generator": fingerprint(),
            "versions": package_versions(),
        }
        (draft.staging / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    steps, last = counted(int(table["step"].iloc[-1]), "step"), number(float(table["loss"].iloc[-1]))
    sentence = (
        f"trained {steps} on generated series, loss {last} at the end; to forecast with these weights: "
        f"model=pretrained model.weights={draft.final / files.WEIGHTS}"
    )
    return Pretraining(trained, table, draft.final, sentence)
