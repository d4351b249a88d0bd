"""What can be asked of a network: the question that its head answers, and nothing that makes no sense of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.network.settings import asked_by

if TYPE_CHECKING:
    from forecast.network.settings import NetworkSettings
    from forecast.questions.problem import Asks, Problem

_NOT_FED_BACK: dict[Asks, str] = {
    "direction": "says of each step whether it is higher, which is nothing to be read as its value",
    "symbol": "says of each step how likely each symbol is, which is no symbol to be read",
}
_NOT_AVERAGED: dict[Asks, str] = {
    "direction": "compares with each origin's own value, so that forecasts of several origins are of different "
    "questions",
    "symbol": "says the probabilities of all symbols, which the origin that knows most says best",
}


def check_asked(settings: NetworkSettings, problem: Problem) -> None:
    """Refuse a problem that the network's head does not answer, and what makes no sense of its answer.

    Raises
    ------
    ForecastError
        The head answers another question; a strategy that feeds forecasts back, or forecasts of several origins that
        are averaged, with a head that answers with probabilities.

    """
    if asked_by(settings.head) != problem.asks:
        raise ForecastError(
            f"the problem asks for the {problem.asks}, and `model.head={settings.head}` answers the "
            f"{asked_by(settings.head)}: ask for that (`ask(panel, horizon, asks=...)`), or say another head"
        )
    check_head(settings)


def check_head(settings: NetworkSettings) -> None:
    """Refuse what cannot be done with probabilities, of a rise since the origin or of symbols."""
    asks = asked_by(settings.head)
    if asks == "value":
        return
    if settings.strategy != "direct":
        raise ForecastError(
            f"`model.head={settings.head}` {_NOT_FED_BACK[asks]}, found `model.strategy={settings.strategy}`: say "
            f"`model.strategy=direct`"
        )
    if settings.fork_ensemble > 1:
        raise ForecastError(
            f"`model.head={settings.head}` {_NOT_AVERAGED[asks]}, found `model.fork_ensemble="
            f"{settings.fork_ensemble}`: say `model.fork_ensemble=1`"
        )
