"""All keys that the command line can say, read off the composed configuration: one list, so that none is forgotten."""

from forecast.app.arguments import read_command_line
from forecast.app.composition import compose_job, conf_dir, plain_values


def config_keys(*overrides):
    """Dotted keys of all plain values of a composed job; what lies in an empty dict or a list is one value."""
    return list(_dotted(plain_values(compose_job(read_command_line(overrides)))))


def all_config_keys():
    """Keys over every option of every group, each with the override that brings it in ("" where none is needed)."""
    actual = dict.fromkeys(config_keys(), "")
    for group in ("data", "model", "training"):
        for path in sorted((conf_dir() / group).glob("*.yaml")):
            choice = f"{group}={path.stem}"
            also = ["data.path=my.csv"] if choice in ("data=csv", "data=text") else []
            also += ["model.head=categorical"] if choice in ("data=text", "data=addition") else []
            for key in config_keys(choice, *also):
                actual.setdefault(key, choice)
    baselines = sorted(path.stem for path in (conf_dir() / "baseline").glob("*.yaml"))
    for key in config_keys(f"baseline=[{','.join(baselines)}]"):
        if key.startswith("baseline."):
            actual.setdefault(key, f"baseline=[{key.split('.')[1]}]")
    return actual


def _dotted(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
