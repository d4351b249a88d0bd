"""`task=continue`: open a run on symbols and let its network go on with a beginning, or with the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forecast.errors import ForecastError
from forecast.forecasters.generation import continue_from, empty_past, encode_symbols, past_of, why_not_continued
from forecast.forecasters.pretrained import FittedPretrained
from forecast.forecasters.settings import ContinuationSettings
from forecast.forecasters.transformed import FittedTransformed
from forecast.reading.files import plain_line_ends
from forecast.reading.symbols import compose_jamo, decompose_jamo
from forecast.runs import files
from forecast.runs.folder import new_folder
from forecast.runs.run import channels_of, open_run
from forecast.series.date_features import features_of, with_features
from forecast.tasks.newer import fitting_panel, newer_job, newer_source, series_number
from forecast.wording import counted, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from forecast.forecasters.ensemble import FittedEnsemble
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.runs.run import Run
    from forecast.series.panel import Panel


_SAMPLED = 300
"""Symbols that a report shows."""

_MOST_SERIES = 256
"""With more series no sample is drawn: the network is unrolled over each."""


@dataclass(frozen=True, eq=False)
class Continued:
    """What a network wrote.

    Attributes
    ----------
    beginning, drawn : symbols that it was given, and that it drew after them
    text : both as one text, Hangul put together where it had been broken into letters
    sentence : what it is, and where it lies

    """

    run: Run
    beginning: tuple[str, ...]
    drawn: tuple[str, ...]
    text: str
    folder: Path
    sentence: str

    @property
    def lines(self) -> tuple[str, ...]:
        """What it is, and the text as a terminal can show it."""
        return (self.sentence, printable(self.text))


def continue_run(
    run: str | Path,
    folder: str | Path,
    *,
    data: Mapping[str, Any] | None = None,
    settings: ContinuationSettings | None = None,
    seed: int = 0,
    series: str | None = None,
    outputs: str | Path = "outputs",
) -> Continued:
    """Draw what may come after a beginning, and write both as `continuation.txt` into a new folder.

    Without a beginning the data of the run are continued after their end. `data` are settings of `data.*` that are
    new: the beginning then comes after these data. `series` names one of several (None: the first).

    Raises
    ------
    ForecastError
        No such run, one that is not on symbols or reads covariates, a beginning with a symbol that it does not know, or
        data that do not fit it.

    """
    opened, settings, data = open_run(run, outputs), settings or ContinuationSettings(), data or {}
    network = _continued_network(opened)
    ids = opened.record.data.ids
    target, jamo = channels_of(opened.record)[0], _reads_jamo(opened.record.settings)
    beginning = () if settings.beginning is None else split_beginning(settings.beginning, target.categories, jamo=jamo)
    which = series_number(ids, series)
    with new_folder(folder) as draft:
        past, fed = _past(opened, beginning, data)
        drawn = continue_from(
            network, past, fed, steps=settings.steps, temperature=settings.temperature, seed=seed, series=which
        )
        text = put_together((*beginning, *drawn), target.categories, jamo=jamo)
        path = draft.staging / files.CONTINUATION
        path.write_text(text, encoding="utf-8", newline="")
    after = "the end of the data" if settings.beginning is None else f"{counted(len(beginning), 'symbol')} given"
    what = f"{counted(len(drawn), 'symbol')} after {after}, temperature {settings.temperature:g}, seed {seed}"
    sentence = f"{opened.record.network.name} of the run {opened.folder} wrote {what}: "
    return Continued(opened, beginning, drawn, text, draft.final, f"{sentence}{draft.final / files.CONTINUATION}")


def sample(
    fitted: FittedNetwork | FittedEnsemble | FittedPretrained, panel: Panel, settings: Mapping[str, Any], seed: int
) -> str | None:
    """Draw some symbols that may come after the end of the data, the first series', at temperature 1, as one text.

    None where they do not follow from the symbols before, or a network on windows has too short a past.
    """
    if isinstance(fitted, FittedPretrained):
        return None
    network = fitted.members[0]
    windows = network.forecaster.training.regime == "windows"
    if why_not_continued(fitted, panel) or len(panel) > _MOST_SERIES:
        return None
    if windows and panel.lengths.min() < network.problem.context_steps:
        return None
    drawn = continue_from(fitted, panel, steps=_SAMPLED, seed=seed)
    return put_together(drawn, panel.symbols, jamo=_reads_jamo(settings))


def _continued_network(run: Run) -> FittedNetwork | FittedEnsemble:
    """Return the network of a run on symbols; whatever it reads beside them is looked at as well.

    Raises
    ------
    ForecastError
        It is on numbers, on labels, or reads what nobody knows of the symbols to come.

    """
    target, *others = channels_of(run.record)
    like = empty_past(target, run.record.data.ids, run.calendar)
    if isinstance(run.network, FittedTransformed):
        raise ForecastError("task=continue goes on with symbols, and this run's network forecasts logarithms")
    if isinstance(run.network, FittedPretrained):
        raise ForecastError("task=continue goes on with symbols, and this run's network forecasts numbers")
    why = why_not_continued(run.network, like)
    given = [channel.name for channel in others if channel.computed is None and channel.role != "static"]
    if given and not why:
        why = f"the network reads {', '.join(map(repr, given))} as well, and nobody knows how these go on"
    if why:
        raise ForecastError(f"task=continue has nothing to go on with in the run {run.folder}: {why}")
    return run.network


def split_beginning(beginning: str | Sequence[str], symbols: tuple[str, ...], *, jamo: bool = False) -> tuple[str, ...]:
    """Break a beginning into symbols: a text into its characters where all symbols are such; a list is in symbols.

    Raises
    ------
    ForecastError
        One of them is none of the symbols.

    """
    single = all(len(symbol) == 1 for symbol in symbols)
    if isinstance(beginning, str):
        text = plain_line_ends(beginning)
        text = decompose_jamo(text) if jamo else text
        parts = tuple(text) if single else (text,)
    else:
        parts = tuple(beginning)
    try:
        encode_symbols(parts, symbols)
    except ForecastError as error:
        several = "" if single or not isinstance(beginning, str) else "; several are a list, as in [a,b]"
        raise ForecastError(f"`continuation.beginning`: {error}{several}") from None
    return parts


def put_together(drawn: Sequence[str], symbols: tuple[str, ...], *, jamo: bool = False) -> str:
    """Make one text: characters one after the other, longer symbols with blanks between them.

    >>> put_together(["h", "i"], ("h", "i")), put_together(["dry", "wet"], ("dry", "wet"))
    ('hi', 'dry wet')
    """
    text = ("" if all(len(symbol) == 1 for symbol in symbols) else " ").join(drawn)
    return compose_jamo(text) if jamo else text


def _reads_jamo(settings: Mapping[str, Any]) -> bool:
    """Whether a job with these settings breaks Hangul syllables into letters."""
    return bool(settings.get("data", {}).get("jamo", False))


def _past(run: Run, beginning: tuple[str, ...], data: Mapping[str, Any]) -> tuple[Panel, tuple[str, ...]]:
    """What is known before the first symbol is drawn, and what of the beginning is still to be fed."""
    target, *others = channels_of(run.record)
    if beginning and not data and not others:
        return past_of(beginning, empty_past(target, run.record.data.ids, run.calendar)), ()
    panel = fitting_panel(run, newer_source(run, newer_job(run, data, "continue"), data).panel)
    panel = with_features(panel, features_of(channels_of(run.record)), run.problem.horizon)
    if beginning and not data:
        return past_of(beginning, panel, run.problem.horizon), ()
    return panel, beginning
