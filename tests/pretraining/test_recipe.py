"""The recipe: batches that hold together, losses that fall, weights that are the same again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from forecast.errors import ForecastError
from forecast.network.pretrained import LEVELS, PretrainedNetwork
from forecast.pretraining import recipe
from forecast.pretraining.generator import fingerprint
from forecast.pretraining.settings import PretrainSettings
from forecast.runs.run import open_weights
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
            at = recipe.Scaled(batch.at.differences[row : row + 1], batch.at.place)
            quantiles = network.decode(encoded[i : i + 1, batch.origins[origin]], at)[0].numpy()
            candidates = batch.at.differences[row].numpy()
            pooled = candidates[:, -1]
            scale = 0.5 + np.mean(np.abs(candidates - pooled[:, None]).mean(axis=1) + 0.5 * np.abs(pooled))
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
