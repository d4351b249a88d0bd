"""Why Hydra refused to compose, in one line that names the override and what was probably meant.

Hydra says it in seven to eleven lines and from its own point of view. Here every override is held against what the
configuration knows: the groups, their options, and the keys that a composition without the overrides has.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forecast.app.overrides import parse_override
from forecast.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_LAUNCHERS = {"joblib": "parallel", "submitit_local": "slurm", "submitit_slurm": "slurm"}
"""Launchers of Hydra's jobs, and the extras that bring them."""

_SYNONYMS = {
    **dict.fromkeys(("lr", "rate", "step_size"), "training.learning_rate"),
    **dict.fromkeys(("epochs", "num_epochs", "n_epochs", "iterations"), "training.max_epochs"),
    **dict.fromkeys(("batch", "batchsize"), "training.batch_size"),
    **dict.fromkeys(("gpu", "gpus", "device", "cuda"), "training.accelerator"),
    **dict.fromkeys(("units", "hidden", "hidden_dim", "hidden_units", "num_units"), "model.hidden_size"),
    **dict.fromkeys(("num_layers", "n_layers"), "model.layers"),
    **dict.fromkeys(("lookback", "window", "window_size", "input_size", "seq_len", "context"), "data.context_steps"),
    **dict.fromkeys(("season", "seasonality", "season_length", "period", "periods"), "data.season_steps"),
    **dict.fromkeys(("h", "fh", "steps_ahead", "prediction_length", "n_ahead", "forecast_horizon"), "horizon"),
    **dict.fromkeys(("random_state", "random_seed"), "seed"),
    **dict.fromkeys(("y", "column", "value"), "data.target"),
    **dict.fromkeys(("date", "timestamp", "index", "ds"), "data.time"),
}
"""What other programs call a setting."""


def explain(error: Exception, name: str, overrides: Sequence[str]) -> str:
    """Say which override is to blame; `name` is the primary configuration. Call it while Hydra is initialised."""
    try:
        culprits = _culprits(name, overrides)
        return next(culprits, None) or first_line(error)
    except (HydraException, OmegaConfBaseException):
        return first_line(error)


def _culprits(name: str, overrides: Sequence[str]) -> Iterator[str]:
    choices, settings = [], []
    for override in overrides:
        parsed = parse_override(override)
        if parsed is None:
            yield _unreadable(override)
        elif parsed.is_sweep_override():
            yield f"`{override}` gives several values: add `-m` to run each of them"
        elif options := _options(parsed.key_or_group):
            yield from _unknown_options(parsed, options)
            choices.append(override)
        else:
            settings.append(parsed)
    composed = compose(name, choices, return_hydra_config=True)
    known = _keys(composed)
    for parsed in settings:
        key = parsed.key_or_group
        if not parsed.is_add() and not parsed.is_force_add() and key not in known:
            yield _of_another_option(name, key, choices, composed) or _unknown_key(key, known)


def _unreadable(override: str) -> str:
    key, equals, _ = override.partition("=")
    if equals:
        return f"`{override}` cannot be read: put quotes around its value, as in {key}=\\'...\\'"
    for group in _groups():
        if key in _options(group):
            return f"`{key}` is not `key=value`: did you mean `{group}={key}`?"
    return f"`{key}` is not `key=value`: see `--help` for the keys"


def _unknown_options(parsed: Any, options: Sequence[str]) -> Iterator[str]:
    """Name a choice that its group does not have."""
    group, value = parsed.key_or_group, parsed.value()
    chosen = value if isinstance(value, list) else [value]
    for option in (str(name) for name in chosen if name is not None):
        if option not in options and not parsed.is_delete():
            if group == "hydra/launcher" and option in _LAUNCHERS:
                yield f"`{group}={option}` is not installed: pip install 'recurrent-forecast[{_LAUNCHERS[option]}]'"
            hint = did_you_mean(option, options, f"choose among {', '.join(options)}", f"`{group}={{}}`")
            yield f"`{group}={option}` is not there: {hint}"


def _of_another_option(name: str, key: str, choices: Sequence[str], composed: Any) -> str | None:
    """Say which options of its group know a key that the chosen one does not."""
    group, _, rest = key.partition(".")
    if group not in _groups() or not rest:
        return None
    chosen = composed.hydra.runtime.choices.get(group)
    if chosen is None:  # a group of which several are chosen; each option brings a key of its own name
        others = [choice for choice in choices if not choice.startswith(f"{group}=")]
        everything = compose(name, [*others, f"{group}=[{','.join(_options(group))}]"])
        current = f"[{','.join(composed.get(group) or ())}]"
        fitting = [rest.partition(".")[0]] if key in _keys(everything) else []
    else:
        added = [f"+{group}@_options.{option}={option}" for option in _options(group)]  # composing takes 0.1 s: once
        options = compose(name, [*choices, *added])._options
        current, fitting = chosen, [option for option in _options(group) if rest in _keys(options[option])]
    if not fitting:
        return None
    where = " and ".join(f"`{group}={option}`" for option in fitting)
    return f"`{key}` is a setting of {where}, and this is `{group}={current}`: choose another or drop `{key}`"


def _unknown_key(key: str, known: Sequence[str]) -> str:
    ours = [other for other in known if not other.startswith("hydra") or key.startswith("hydra")]
    synonym = [other for other in ours if other == _SYNONYMS.get(key.rpartition(".")[2])]
    by_end = [other for other in ours if other.rpartition(".")[2] == key.rpartition(".")[2]]
    near = difflib.get_close_matches(key, ours, n=1, cutoff=0.85) or synonym or by_end or _similar_ends(key, ours)
    return f"`{key}` is not a setting: " + (f"did you mean `{near[0]}`?" if near else "see `--help` for all of them")


def _similar_ends(key: str, known: Sequence[str]) -> list[str]:
    """Keys whose last part resembles that of `key`, whatever section it was looked for in."""
    ends = {other.rpartition(".")[2]: other for other in reversed(known)}
    return [ends[end] for end in difflib.get_close_matches(key.rpartition(".")[2], ends, n=1)]


def _groups() -> list[str]:
    groups = GlobalHydra.instance().config_loader().list_groups("")
    return [group for group in groups if group != "hydra"]


def _options(group: str) -> list[str]:
    return list(GlobalHydra.instance().config_loader().get_group_options(group, ObjectType.CONFIG))


def _keys(config: Any) -> list[str]:
    return list(_dotted(OmegaConf.to_container(config, resolve=False)))


def _dotted(values: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")


def first_line(error: Exception) -> str:
    """Return the first line of an error's text that says something."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
