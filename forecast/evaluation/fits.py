"""Forecasters fitted once, before any split is forecast: one that raises is a row with its reason, the others go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from forecast.errors import ForecastError
from forecast.questions.split import Split

if TYPE_CHECKING:
    from forecast.forecasters.interface import Fitted, Forecaster, Kind
    from forecast.questions.kinds import Problem
    from forecast.series.panel import Panel


_logger = logging.getLogger(__name__)

_T = TypeVar("_T")

OnProgress: TypeAlias = Callable[[Literal["fit", "forecast"], str], None]
"""Called with a stage and a forecaster's name before the stage begins."""

OK = "ok"
LEFT_OUT = "left out: no time was left for it (`time_limit_s`)"
AT_ONCE = ("naive", "reference", "pretrained")
"""Kinds that take next to no time: they are fitted and forecast even where none is left."""


@dataclass(frozen=True)
class Attempt:
    """How one forecaster fared: `status` is "ok" or the reason of its failure."""

    name: str
    kind: Kind
    status: str = OK
    notes: tuple[str, ...] = ()
    fit_seconds: float = float("nan")
    forecast_seconds: float = float("nan")
    error: Exception | None = None


@dataclass(frozen=True, eq=False)
class Fits:
    """Forecasters after fitting: `attempts` of all of them, `fitted` of those that did not fail."""

    attempts: tuple[Attempt, ...]
    fitted: dict[str, Fitted]


def fit_all(
    forecasters: Iterable[Forecaster] | Mapping[str, Forecaster],
    panel: Panel,
    split: Split,
    problem: Problem,
    *,
    on_progress: OnProgress | None = None,
    until: float | None = None,
) -> Fits:
    """Fit each forecaster on training and validation split; the data that it receives end there.

    The keys of a mapping are the names in all tables; without one the forecasters' own names are. After `until`, a time
    of `time.perf_counter`, only the first is begun and those that are fitted at once.
    """
    past = panel.cut(split.fitted)
    attempts: list[Attempt] = []
    fitted: dict[str, Fitted] = {}
    for name, forecaster in _named(forecasters).items():
        late = until is not None and time.perf_counter() > until
        if attempts and late and forecaster.kind not in AT_ONCE:
            attempts.append(Attempt(name, forecaster.kind, status=LEFT_OUT))
            continue
        if on_progress:
            on_progress("fit", name)
        outcome, seconds = timed(partial(forecaster.fit, past, split.train, problem))
        if isinstance(outcome, Exception):
            attempts.append(Attempt(name, forecaster.kind, status=reason_of(outcome), error=outcome))
        else:
            attempts.append(Attempt(name, forecaster.kind, notes=tuple(outcome.notes), fit_seconds=seconds))
            fitted[name] = outcome
    return Fits(tuple(attempts), fitted)


def _named(forecasters: Iterable[Forecaster] | Mapping[str, Forecaster]) -> dict[str, Forecaster]:
    if isinstance(forecasters, Mapping):
        return dict(forecasters)
    in_order = tuple(forecasters)
    names = [forecaster.name for forecaster in in_order]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ForecastError(f"{names.count(twice[0])} forecasters are called {twice[0]!r}: give each its own name")
    return dict(zip(names, in_order, strict=True))


def timed(call: Callable[[], _T]) -> tuple[_T | Exception, float]:
    """Return the result of a call, or the exception that it raised, and its seconds; Ctrl-C is not caught."""
    begin = time.perf_counter()
    try:
        return call(), time.perf_counter() - begin
    except Exception as error:  # whatever a forecaster raises is the status of its row
        _logger.debug("a forecaster failed", exc_info=True)
        return error, time.perf_counter() - begin


def reason_of(error: Exception) -> str:
    """Write an exception in one line, for the leaderboard."""
    message = " ".join(str(error).split())
    if isinstance(error, ForecastError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
