"""The size of a network and of its batches where nobody said it: by the rows to train on, from a table.

The table was measured once on made-up series (docs/models.md), it is not searched in every run. A chunk of all lanes
is one step of the optimizer: with few rows small chunks make more steps of an epoch, with many rows large ones are
quicker. Series without a season, whose next value depends on where they stand, are worth more units, and so are those
whose network adds to nothing; a season's reference leaves less to be learnt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from forecast.network.settings import BackboneSettings
from forecast.wording import counted, listed

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.series.panel import IntArray
    from forecast.settings import Settings
    from forecast.training.settings import TrainingSettings

    SettingsType = TypeVar("SettingsType", bound=Settings)


class Size(NamedTuple):
    """From so many rows to train on, of all series together."""

    rows: int
    hidden_size: int
    chunk_steps: int
    lanes: int


_USUAL = (Size(0, 32, 64, 8),)
_WITHOUT_SEASON = (Size(0, 32, 64, 8), Size(400, 64, 32, 4), Size(6_000, 64, 64, 8))
"""Of values; symbols and directions have no seasons to be found."""


def size_for(rows: int, problem: Problem, reference: str) -> Size:
    """Return the last line of the table that does not ask for more rows."""
    sizes = _WITHOUT_SEASON if problem.unseasonal_values or reference == "none" else _USUAL
    return [size for size in sizes if size.rows <= rows][-1]


def sized(
    network: SettingsType, training: TrainingSettings, train_steps: IntArray, problem: Problem, reference: str
) -> tuple[SettingsType, TrainingSettings, str]:
    """Settle what was left open (null) of a network and its training; what was said stays. Say what was settled.

    Only where it is not the usual size something is said; `train_steps` is (series,), `reference` what the network adds
    to, as far as it is known.
    """
    if not isinstance(network, BackboneSettings):
        return network, training, ""
    rows = int(train_steps.sum())
    size = size_for(rows, problem, reference)
    of_network = ("hidden_size",)
    of_training = ("chunk_steps", "lanes") if training.regime == "stream" else ()
    model_update, training_update = (
        {name: getattr(size, name) for name in names if getattr(settings, name) is None}
        for names, settings in ((of_network, network), (of_training, training))
    )
    settled = [
        f"{name} {value}"
        for name, value in {**model_update, **training_update}.items()
        if value != getattr(_USUAL[0], name)
    ]
    why = "without a season" if problem.unseasonal_values else "without a reference"
    said = f"{listed(settled)}: by the {counted(rows, 'row')} to train on, {why}" if settled else ""
    return network.model_copy(update=model_update), training.model_copy(update=training_update), said
