"""`--help`: Hydra's template, filled here; Hydra itself takes most of a second to list the groups."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from forecast.app.composition import compose_job, conf_dir

if TYPE_CHECKING:
    from forecast.app.arguments import CommandLine


def help_text(line: CommandLine) -> str:
    """Fill the template of `conf/hydra/help` with the choices of each group and every key as it now stands."""
    config = compose_job(line)
    template = Template(str(config.hydra.help.template))
    ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    added = line.flag("--config-dir", "-cd")
    folders = [conf_dir()] if added is None else [conf_dir(), Path(added)]
    return template.safe_substitute(APP_CONFIG_GROUPS=_choices(folders), CONFIG=OmegaConf.to_yaml(ours))


def _choices(folders: list[Path]) -> str:
    """One line a group with the names of its options."""
    options: dict[str, set[str]] = {}
    for path in (path for folder in folders for path in folder.glob("*/*.yaml")):
        options.setdefault(path.parent.name, set()).add(path.stem)
    lines = [f"{group}: {', '.join(sorted(names))}" for group, names in sorted(options.items()) if group != "hydra"]
    return "\n".join(lines) + "\n"
