"""What can be asked of a network: the question that its head answers, and nothing that makes no sense of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.questions.kinds import question_of_head

if TYPE_CHECKING:
    from forecast.network.settings import NetworkSettings
    from forecast.questions.kinds import Problem


def check_asked(settings: NetworkSettings, problem: Problem) -> None:
    """Refuse a problem that the network's head does not answer, and what makes no sense of its answer.

    Raises
    ------
    ForecastError
        The head answers another question; a strategy that feeds forecasts back, or forecasts of several origins that
        are averaged, with a head that answers with probabilities.

    """
    answered = question_of_head(settings.head).name
    if answered != problem.target_type:
        raise ForecastError(
            f"the problem asks for the {problem.target_type}, and `model.head={settings.head}` answers the {answered}: "
            f"say so in the task (`forecast_task(panel, horizon, target_type={answered!r})`), or say another head"
        )
    check_head(settings)


def check_head(settings: NetworkSettings) -> None:
    """Refuse what cannot be done with probabilities, of a rise since the origin or of symbols."""
    question = question_of_head(settings.head)
    if question.not_fed_back and settings.strategy != "direct":
        raise ForecastError(
            f"`model.head={settings.head}` {question.not_fed_back}, found `model.strategy={settings.strategy}`: say "
            f"`model.strategy=direct`"
        )
    if question.not_averaged and settings.fork_ensemble > 1:
        raise ForecastError(
            f"`model.head={settings.head}` {question.not_averaged}, found `model.fork_ensemble="
            f"{settings.fork_ensemble}`: say `model.fork_ensemble=1`"
        )
