"""The configuration that a command line means, composed by Hydra without running anything."""

from __future__ import annotations

import math
import runpy
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forecast.app.diagnosis import explain
from forecast.app.overrides import parse_override
from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from omegaconf import DictConfig

    from forecast.app.arguments import CommandLine

_LOADED: set[Path] = set()
"""Files of `load_extensions` that have been run."""


def conf_dir() -> Path:
    """Return the folder of our YAML: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def load_extensions(folders: Iterable[Path]) -> None:
    """Run `extensions.py` of configuration folders of the user's own, once: cells and baselines register themselves.

    Raises
    ------
    ForecastError
        It fails, with its own reason.

    """
    for folder in folders:
        file = (folder / "extensions.py").resolve()
        if file in _LOADED or not file.is_file():
            continue
        _LOADED.add(file)
        try:
            runpy.run_path(str(file), run_name="forecast_extensions")
        except Exception as error:
            raise ForecastError(f"`{file}` fails: {type(error).__name__}: {error}") from error


def added_folders(line: CommandLine) -> tuple[Path, ...]:
    """Return the folder of `--config-dir`, if it is given."""
    added = line.flag("--config-dir", "-cd")
    return () if added is None else (Path(added),)


@contextmanager
def configuration(line: CommandLine) -> Iterator[str]:
    """Let Hydra find our YAML and that of `--config-dir`; gives the name of the primary one."""
    for added in added_folders(line):
        if not added.is_dir():
            raise ForecastError(f"`--config-dir {added}` should be a folder with YAML, and there is no such folder")
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir()), job_name="forecast"):
        loader: Any = GlobalHydra.instance().config_loader()
        for added in added_folders(line):  # before Hydra's own schemas, which have to stay the last
            loader.get_search_path().prepend("command-line", f"file://{added.absolute()}", anchor="schema")
        loader.repository.initialize_sources(loader.get_search_path())
        yield line.flag("--config-name", "-cn") or "config"


def compose_job(line: CommandLine) -> DictConfig:
    """Compose the configuration of a single job, Hydra's own part included.

    Raises
    ------
    ForecastError
        An override that fits nothing, with the nearest name.

    """
    with configuration(line) as name:
        return _composed(name, line.overrides)


def compose_sweep(line: CommandLine) -> DictConfig:
    """Compose the first job of a sweep, after trying every value of every key that is swept over.

    Every combination would be a product where this is a sum: what is unknown is unknown in each of them.
    """
    choices = [_values(override) for override in line.overrides]
    first = tuple(options[0] for options in choices)
    with configuration(line) as name:
        for i, options in enumerate(choices):
            for option in options[1:]:
                _composed(name, (*first[:i], option, *first[i + 1 :]))
        return _composed(name, first)


def count_jobs(line: CommandLine, config: DictConfig) -> int:
    """Return how many jobs a sweep has: the combinations of all values, of the command line and the configuration."""
    overridden = {override.partition("=")[0]: override for override in line.overrides}
    swept = {str(key): f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()}
    return math.prod(len(_values(override)) for override in {**swept, **overridden}.values())


def plain_values(config: DictConfig) -> dict[str, Any]:
    """Return the settings of a composed configuration as plain values, Hydra's part left out.

    Raises
    ------
    ForecastError
        A value that has to be set and was not, or a reference to something that is not there.

    """
    ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        missing = sorted(OmegaConf.missing_keys(ours))
        values: Any = OmegaConf.to_container(ours, resolve=True)
    except OmegaConfBaseException as error:
        raise ForecastError(f"`{error.full_key}` cannot be worked out: {str(error).splitlines()[0]}") from error
    if missing:
        raise ForecastError(f"`{missing[0]}` is missing: set it, as in `{missing[0]}=...`")
    return dict(values)


def _composed(name: str, overrides: Sequence[str]) -> DictConfig:
    try:
        return compose(name, list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: a number in place of an option
        raise ForecastError(explain(error, name, overrides)) from error


def _values(override: str) -> list[str]:
    """Return one override for every value that a sweep gives it."""
    parsed = parse_override(override)
    if parsed is None or not parsed.is_sweep_override() or not parsed.is_discrete_sweep():
        return [override]
    key = parsed.get_key_element()
    return [f"{key}={value}" for value in parsed.sweep_string_iterator()] or [override]
