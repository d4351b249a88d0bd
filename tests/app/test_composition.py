"""Every YAML that we ship composes, holds exactly the keys of its settings class, and survives run.json."""

import json
from functools import cache

import pytest
from omegaconf import OmegaConf

from forecast.app.arguments import read_command_line
from forecast.app.composition import compose_job, conf_dir, plain_values
from forecast.tasks.settings import check_job


def options(group):
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


CHOICES = [
    *(f"data={one}" for one in options("data")),
    *(f"model={one}" for one in options("model")),
    *(f"training={one}" for one in options("training")),
    *(f"baseline=[{one}]" for one in options("baseline")),
]


@cache
def composed(*overrides):
    return plain_values(compose_job(read_command_line(overrides)))


def with_path(choice):
    return (choice, "data.path=my.csv") if choice == "data=csv" else (choice,)


def test_every_yaml_belongs_to_a_group():
    known = {conf_dir() / "config.yaml", *(conf_dir() / "hydra").rglob("*.yaml")}
    known |= {
        conf_dir() / group / f"{one}.yaml" for group, one in (c.replace("[", "").strip("]").split("=") for c in CHOICES)
    }
    assert set(conf_dir().rglob("*.yaml")) == known


@pytest.mark.parametrize("choice", ["horizon=20", *CHOICES])
def test_composes_and_round_trips(choice):
    job = check_job(composed(*with_path(choice)))
    stored = json.loads(json.dumps(job.model_dump(mode="json")))
    assert check_job(stored) == job


@pytest.mark.parametrize("choice", [one for one in CHOICES if not one.startswith("baseline")])
def test_a_yaml_holds_exactly_the_keys_of_its_class(choice):
    group = choice.partition("=")[0]
    values = composed(*with_path(choice))
    job = check_job(values)
    assert set(values[group]) == set(type(getattr(job, group)).model_fields)


@pytest.mark.parametrize("section", ["split", "backtest", "report"])
def test_the_primary_yaml_holds_exactly_the_keys_of_each_section(section):
    values = composed()
    job = check_job(values)
    assert set(values[section]) == set(type(getattr(job, section)).model_fields)
    assert set(values) == set(type(job).model_fields)


@pytest.mark.parametrize("choice", CHOICES)
def test_the_values_of_a_yaml_are_the_defaults_of_its_class(choice):
    """Who builds settings in Python gets what who says nothing on the command line gets."""
    group, _, option = choice.partition("=")
    job = check_job(composed(*with_path(choice)))
    if group == "baseline":
        return
    section = getattr(job, group)
    said = {"path": "my.csv"} if choice == "data=csv" else {}
    assert type(section)(**said) == section, option


def test_baselines_keep_their_order():
    values = composed("baseline=[drift,naive]")
    assert list(values["baseline"]) == ["drift", "naive"]
    assert composed("baseline=[]").get("baseline") in (None, {})


def test_a_users_own_folder_adds_a_choice(tmp_path):
    (tmp_path / "model").mkdir()
    lstm = OmegaConf.load(conf_dir() / "model" / "lstm.yaml")
    lstm.hidden_size = 7
    OmegaConf.save(lstm, tmp_path / "model" / "tiny.yaml")
    assert composed("model=tiny", "--config-dir", str(tmp_path))["model"]["hidden_size"] == 7
