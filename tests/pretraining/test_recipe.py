"""The recipe: batches that hold together, losses that fall, weights that are the same again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_utilities import apply_to_collection
from rich.console import Console
from tasks.small_jobs import small_job

from forecast.errors import ForecastError
from forecast.network.pretrained import LEVELS, PretrainedNetwork
from forecast.pretraining import recipe
from forecast.pretraining.collection import Collection
from forecast.pretraining.generator import fingerprint
from forecast.pretraining.settings import PretrainSettings
from forecast.reading.sources import load_source
from forecast.runs.checkpoint import _copied
from forecast.runs.run import open_weights
from forecast.tasks.pretrain import collection_of as pretraining_of
from forecast.tasks.pretrain import pretrain


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(recipe, "POINTS", 600)
    monkeypatch.setattr(recipe, "KINDS", (recipe.Kind(0.6, 4, 1, 6, 40), recipe.Kind(0.4, 0, 1, 6, 40)))


def test_targets_are_the_steps_after_each_origin_in_its_units(monkeypatch):
    result = {}
    generate = recipe.generate
    monkeypatch.setattr(recipe, "generate", lambda *args: result.setdefault("batch", generate(*args)))
    batch = recipe.draw_batch(np.random.default_rng(4))
    values, observed = result["batch"]
    horizon = batch.targets.shape[1]
    n = len(values)
    first = batch.origins[0]
    for i in (0, n - 1):
        seen = np.flatnonzero(observed[i, : first + 1])
        last = values[i, seen[-1]]
        ahead = values[i, first + 1 : first + 1 + horizon] - last
        ratio = batch.targets[i].numpy() / np.where(ahead == 0, np.nan, ahead)
        ratio = ratio[np.isfinite(ratio) & (np.abs(batch.targets[i].numpy()) < 299)]
        np.testing.assert_allclose(ratio, ratio[:1].repeat(len(ratio)), rtol=1e-4)
    assert batch.features.shape[:2] == (n, values.shape[1] - horizon)
    assert len(batch.at.differences) == len(batch.origins) * n


def test_the_loss_is_that_of_pinballs_in_units_known_at_the_origin():
    batch = recipe.draw_batch(np.random.default_rng(1))
    network = PretrainedNetwork()
    with torch.no_grad():
        loss = recipe.batch_loss(network, batch).item()
        encoded, _ = network.encode(batch.features)
        total, count = 0.0, 0
        n = len(batch.features)
        for row in range(len(batch.targets)):
            origin, i = divmod(row, n)
            at = recipe.Scaled(batch.at.differences[row : row + 1], batch.at.errors[row : row + 1], batch.at.place)
            quantiles = network.decode(encoded[i : i + 1, batch.origins[origin]], at)[0].numpy()
            candidates = batch.at.differences[row].numpy()
            so_far = np.exp(batch.at.errors[row, 0].numpy())
            apart = np.abs(candidates - candidates[:, -1:]) @ so_far**-2 / (so_far**-2).sum()
            scale = 0.3 + so_far[-1] + apart.mean()
            for h in range(batch.targets.shape[1]):
                if not batch.known[row, h]:
                    continue
                y = float(batch.targets[row, h])
                errors = [
                    2 * max(tau * (y - q), (tau - 1) * (y - q)) for tau, q in zip(LEVELS, quantiles[h], strict=True)
                ]
                total += (np.mean(errors) + 0.5 * abs(y - quantiles[h, 4])) / scale
                count += 1
    assert loss == pytest.approx(total / count, rel=1e-4)


def test_the_loss_is_computed_where_the_network_and_the_batch_are():
    """On a device that has nothing but shapes: as on a GPU, what is left on the CPU is an error."""
    batch, network = recipe.draw_batch(np.random.default_rng(1)), PretrainedNetwork().to("meta")
    moved = apply_to_collection(batch, torch.Tensor, lambda part: part.to("meta"))
    assert recipe.batch_loss(network, moved).device.type == "meta"


def test_training_lowers_the_loss_of_series_that_it_did_not_see(monkeypatch):
    monkeypatch.setattr(recipe, "_AVERAGING", 0.5)
    torch.manual_seed(0)
    untrained = PretrainedNetwork()
    trained = recipe.train(3, seconds=1e6, steps=30)
    batches = [recipe.draw_batch(np.random.default_rng([9, i])) for i in range(6)]
    with torch.no_grad():
        before, after = (
            np.mean([recipe.batch_loss(network, batch).item() for batch in batches]) for network in (untrained, trained)
        )
    assert after < 0.995 * before


def test_the_task_leaves_weights_that_can_be_taken_and_gone_on_from(tmp_path):
    quiet = Console(quiet=True)
    done = pretrain(PretrainSettings(steps=3), tmp_path / "one", 5, quiet)
    again = pretrain(PretrainSettings(steps=3), tmp_path / "two", 5, quiet)
    record = json.loads((tmp_path / "one" / "pretraining.json").read_text())
    assert (record["steps"], record["seed"], record["generator"]) == (3, 5, fingerprint())
    assert str(done.folder / "weights.safetensors") in done.sentence
    weights = open_weights(str(tmp_path / "one" / "weights.safetensors"), "model.weights").state_dict()
    for name, part in again.network.state_dict().items():
        assert torch.equal(part, weights[name])
    start = str(tmp_path / "one" / "weights.safetensors")
    further = pretrain(PretrainSettings(steps=1, start=start), tmp_path / "three", 6, quiet).network.state_dict()
    assert any(not torch.equal(part, further[name]) for name, part in weights.items())


def test_a_training_that_was_stopped_comes_to_the_same_weights():
    states = []
    whole = recipe.train(5, seconds=1e6, steps=5)
    recipe.train(5, seconds=1e6, steps=5, keep=lambda gather: states.append(_copied(gather())))
    torch.manual_seed(99)
    again = recipe.train(5, seconds=1e6, steps=5, state=states[2])
    assert states[2]["step"] == 3
    for name, part in whole.state_dict().items():
        assert torch.equal(part, again.state_dict()[name])


class StoppedError(Exception):
    """What ends a training from outside."""


def test_a_pretraining_is_taken_up_again_from_its_checkpoint(tmp_path, monkeypatch):
    quiet = Console(quiet=True)
    job = small_job(task="pretrain", pretrain={"steps": 5}, seed=4, training__checkpoint_s=1e-9)
    expected = pretrain(job.pretrain, tmp_path / "whole", 4, quiet).network.state_dict()
    draw, drawn = recipe.draw_batch, []

    def stopped(rng):
        drawn.append(0)
        if len(drawn) == 4:
            raise StoppedError
        return draw(rng)

    monkeypatch.setattr(recipe, "draw_batch", stopped)
    with pytest.raises(StoppedError) as stop:
        pretrain(job.pretrain, tmp_path / "run", 4, quiet, job=job)
    assert "resume=" in stop.value.__notes__[0]
    monkeypatch.setattr(recipe, "draw_batch", draw)
    done = pretrain(job.pretrain, tmp_path / "run", 4, quiet, job=job, resumed=True)
    for name, part in done.network.state_dict().items():
        assert torch.equal(part, expected[name])
    written = sorted(path.name for path in done.folder.iterdir())
    assert written == ["losses.csv", "pretraining.json", "weights.safetensors"]


def test_a_collection_of_ones_own_is_trained_on(tmp_path):
    rng, quiet = np.random.default_rng(0), Console(quiet=True)
    t = np.arange(60)
    rows = []
    for store in "abc":
        y = 50 + rng.normal(0, 1, 60) + 9 * np.sin(2 * np.pi * t / 12)
        months = np.datetime_as_string(np.datetime64("2015-01") + t)
        rows += [f"{store},{when},{value:.2f}" for when, value in zip(months, y, strict=True)]
    path = tmp_path / "stores.csv"
    path.write_text("store,month,sales\n" + "\n".join(rows) + "\n")
    data = {"name": "csv", "path": "unused.csv", "id": "store"}
    job = small_job(task="pretrain", data=data, horizon=6, pretrain={"steps": 2, "data": str(path), "share": 1.0})
    done = pretrain(job.pretrain, tmp_path / "out", 1, quiet, job=job)
    record = json.loads((done.folder / "pretraining.json").read_text())
    assert record["data"] == str(path)
    assert record["share"] == 1.0
    assert len(record["collection"]) == 64
    collection = pretraining_of(job.pretrain, load_source(job.data.model_copy(update={"path": str(path)})), job)
    assert (collection.season, collection.horizon) == (12, 6)
    panel = collection.panel
    batch = collection.draw(np.random.default_rng(3))
    known = {round(float(value), 2) for value in panel.target}
    values, observed = collection._stretches(np.random.default_rng(0), np.array([0, 2, 2]), 20)
    assert {round(float(value), 2) for value in values.ravel()} <= known
    assert observed.all()
    assert batch.targets.shape[1] <= 6
    with pytest.raises(ForecastError, match="no series of 5 rows"):
        Collection(panel.cut(np.array([4, 4, 4])), 1, 2)


def test_the_model_card_names_the_generator_that_is_there():
    card = (Path(__file__).parents[2] / "docs" / "pretrained.md").read_text(encoding="utf-8")
    assert f"SHA-256 `{fingerprint()[:16]}" in card


def test_weights_that_are_none_are_named_with_their_setting(tmp_path):
    (tmp_path / "text").write_text("no weights")
    for path, actual in ((tmp_path / "none", "there is none"), (tmp_path / "text", "header")):
        with pytest.raises(ForecastError, match=actual) as error:
            pretrain(PretrainSettings(steps=1, start=str(path)), tmp_path / "out", 0, Console(quiet=True))
        assert "pretrain.start=" in str(error.value)
    assert not (tmp_path / "out").exists()
