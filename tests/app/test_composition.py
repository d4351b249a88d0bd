"""Every YAML that we ship composes, holds exactly the keys of its settings class, and survives run.json."""

import json
from functools import cache

import pytest
from omegaconf import OmegaConf

from forecast.app.arguments import read_command_line
from forecast.app.composition import compose_job, conf_dir, plain_values
from forecast.errors import ForecastError
from forecast.tasks.settings import check_job


def options(group):
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


CHOICES = [
    *(f"data={one}" for one in options("data")),
    *(f"model={one}" for one in options("model")),
    *(f"training={one}" for one in options("training")),
    *(f"logger={one}" for one in options("logger")),
    *(f"baseline=[{one}]" for one in options("baseline")),
]
STUDIES = [f"tune={one}" for one in options("tune")]
PRESETS = [f"preset={one}" for one in options("preset")]
EXPERIMENTS = [f"experiment={one}" for one in options("experiment")]
OF_A_FILE = [
    f"experiment={one}"
    for one in options("experiment")
    if "override /data: csv" in (conf_dir() / "experiment" / f"{one}.yaml").read_text(encoding="utf-8")
]


@cache
def composed(*overrides):
    return plain_values(compose_job(read_command_line(overrides)))


FILES = ("data=csv", "data=text")
OF_SYMBOLS = ("data=text", "data=addition")


def with_path(choice):
    """The choice, and what it cannot do without: a file, and of a text a head for symbols."""
    path = ("data.path=my.csv",) if choice in FILES or choice in OF_A_FILE else ()
    return (choice, *path, *(("model.head=categorical",) if choice in OF_SYMBOLS else ()))


def test_every_yaml_belongs_to_a_group():
    known = {conf_dir() / "config.yaml", *(conf_dir() / "hydra").rglob("*.yaml")}
    known |= {
        conf_dir() / group / f"{one}.yaml"
        for group, one in (
            c.replace("[", "").strip("]").split("=") for c in [*CHOICES, *STUDIES, *PRESETS, *EXPERIMENTS]
        )
    }
    assert set(conf_dir().rglob("*.yaml")) == known


@pytest.mark.parametrize("choice", ["horizon=20", *CHOICES, *STUDIES, *EXPERIMENTS])
def test_composes_and_round_trips(choice):
    job = check_job(composed(*with_path(choice)))
    stored = json.loads(json.dumps(job.model_dump(mode="json")))
    assert check_job(stored) == job


@pytest.mark.parametrize("choice", [one for one in [*CHOICES, *STUDIES] if not one.startswith("baseline")])
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


VARIANTS = {f"model=rnn_{activation}": {"activation": activation} for activation in ("relu", "sigmoid")}
VARIANTS |= {f"logger={name}": {"name": name} for name in ("csv", "tensorboard")}


@pytest.mark.parametrize("choice", CHOICES)
def test_the_values_of_a_yaml_are_the_defaults_of_its_class(choice):
    """Who builds settings in Python gets what who says nothing on the command line gets."""
    group, _, option = choice.partition("=")
    job = check_job(composed(*with_path(choice)))
    if group == "baseline":
        return
    section = getattr(job, group)
    said = VARIANTS.get(choice, {"path": "my.csv"} if choice in FILES else {})
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
    with pytest.raises(ForecastError, match=r"^`model.hidden_sizes` is not a setting: did you"):
        composed("model=tiny", "model.hidden_sizes=8", "--config-dir", str(tmp_path))


def test_an_experiment_says_several_keys_and_what_is_said_beside_it_wins():
    job = check_job(composed("experiment=m4_hourly", "data.path=my.csv", "model.hidden_size=8"))
    assert (job.data.name, job.data.path, job.data.layout, job.data.season_steps) == ("csv", "my.csv", "rows", 24)
    assert (job.horizon, job.split.validation, job.split.test) == (48, 48, 48)
    assert (job.model.reference, job.model.hidden_size) == ("blend_owa", 8)
    assert list(job.baseline) == ["naive", "seasonal_naive", "pretrained", "fine_tuned"]
    other = check_job(composed("experiment=m4_hourly", "data.path=my.csv", "model=gru", "baseline=[ridge]"))
    assert (other.model.name, other.model.reference, list(other.baseline)) == ("gru", "blend_owa", ["ridge"])


def test_an_experiment_without_its_file_says_what_is_missing():
    with pytest.raises(ForecastError, match=r"`data\.path` is missing"):
        composed("experiment=m4_hourly")
