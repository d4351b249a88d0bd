"""`task=gradcheck`: whether gradients of the chosen network are right, on data of the user's own.

The network is as it is before training, but with a random head: behind a head of zeros no weight has a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.forecasters.transformed import log_target
from forecast.inspection.gradcheck import MOST_STEPS, check_gradients, gradcheck_in_words, print_gradcheck
from forecast.inspection.gradients import with_random_head
from forecast.network.settings import BackboneSettings
from forecast.tasks.candidates import recurrent
from forecast.tasks.prepare import prepare
from forecast.training.job import initial_network

if TYPE_CHECKING:
    from rich.console import Console

    from forecast.inspection.gradcheck import Checked
    from forecast.series.panel import Source
    from forecast.tasks.settings import JobSettings


@dataclass(frozen=True)
class GradientsChecked:
    """The verdict on every parameter tensor, and the outcome in a sentence."""

    checked: Checked
    sentence: str

    @property
    def exit_status(self) -> int:
        """What the command leaves with: 1 where a gradient is wrong, or nothing could be decided."""
        return int(any(tensor.verdict != "ok" for tensor in self.checked.tensors))


def gradcheck(job: JobSettings, source: Source | None = None, console: Console | None = None) -> GradientsChecked:
    """Check gradients through time against finite differences and print the table; nothing is written.

    Raises
    ------
    ForecastError
        The job cannot be run at all, nothing in its training split has a target, or no gradient trains the network.

    """
    if not isinstance(job.model, BackboneSettings):
        raise ForecastError(
            f"`model={job.model.name}` has nothing to check: no gradient trains it here; take another, as `model=gru`"
        )
    prepared = prepare(job, source)
    split, problem = prepared.task.split, prepared.task.problem
    past = prepared.panel.cut(split.fitted)
    transformed = log_target(past) if job.data.transform == "log" else past
    _, training = recurrent(job).training_job(transformed, split.train, problem)
    network = with_random_head(initial_network(training), job.seed)
    shorter = training.training.model_copy(update={"chunk_steps": min(training.training.chunk, MOST_STEPS)})
    checked = check_gradients(network, replace(training, training=shorter).epochs(), job.seed)
    if checked is None:
        raise ForecastError(
            f"no step of the training split has an observed value within {problem.horizon} steps after it, so there "
            f"is no loss: shorten `horizon` or lengthen the series"
        )
    sentence = gradcheck_in_words(checked, job.model.name)
    print_gradcheck(checked.tensors, sentence, console)
    return GradientsChecked(checked, sentence)
