"""Generation of symbols: each is drawn from what a network forecasts of the next step, and fed back to it.

The probabilities p of the next symbol are sharpened or flattened by a temperature T: p_i^(1/T) / sum_j p_j^(1/T). At
T = 1 symbols are drawn as often as they are forecast, at T = 0 the likeliest comes each time, and the larger T is, the
more alike all become. Each symbol costs one step of the cell (`Live`).
"""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.series.date_features import features_of, with_features
from forecast.series.panel import Panel
from forecast.wording import name_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.ensemble import FittedEnsemble, LiveEnsemble
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.forecasters.live import Live
    from forecast.series.calendar import Calendar
    from forecast.series.panel import Channel, FloatArray, TimeArray


def continue_from(
    fitted: FittedNetwork | FittedEnsemble,
    past: Panel,
    beginning: Sequence[str] = (),
    *,
    steps: int,
    temperature: float = 1.0,
    seed: int = 0,
    series: int = 0,
) -> tuple[str, ...]:
    """Draw `steps` symbols that may come after a past and, after that, a beginning.

    `past` is handed over as to `FittedNetwork.start`; to begin with nothing but the beginning, make it of that
    (`past_of`). What is drawn for one of its series, number `series`, is fed to all of them. The same seed draws the
    same.

    Raises
    ------
    ForecastError
        A network that cannot be continued (`why_not_continued`), a symbol that is not in its alphabet, a temperature
        below 0, or, for a network on windows, a past that is shorter than one.

    """
    if why := why_not_continued(fitted, past):
        raise ForecastError(f"there is nothing to continue: {why}")
    if not (temperature >= 0 and np.isfinite(temperature)):
        raise ForecastError(f"a temperature is a number from 0 on, found {temperature!r}")
    live = fitted.start(past)
    for code in encode_symbols(beginning, past.symbols):
        live.update(np.full(len(past), float(code)))
    drawn = _generate(live, steps, temperature, np.random.default_rng(seed), series)
    return tuple(past.symbols[code] for code in drawn)


def _generate(
    live: Live | LiveEnsemble, steps: int, temperature: float, rng: np.random.Generator, series: int
) -> list[int]:
    """Draw codes one after the other, and feed each back, the last one too."""
    drawn: list[int] = []
    forecast = live.forecast()
    for _ in range(steps):
        if forecast.probabilities is None:
            raise ForecastError(
                "this network forecasts no symbols: take one that was trained with `model.head=categorical`"
            )
        code = sample_code(forecast.probabilities[series, 0], temperature, rng)  # (series, horizon, symbol)
        drawn.append(code)
        forecast = live.update(np.full(len(forecast.ids), float(code)))
    return drawn


def sample_code(probabilities: FloatArray, temperature: float, rng: np.random.Generator) -> int:
    """Draw a code by the probabilities of all symbols, (symbol,); at temperature 0 the likeliest, of equals the first.

    >>> sample_code(np.array([0.2, 0.5, 0.3]), 0.0, np.random.default_rng(0))
    1
    """
    if temperature == 0:
        return int(probabilities.argmax())
    if temperature != 1:
        probabilities = tempered(probabilities, temperature)
    sums = np.cumsum(probabilities)  # of the distribution function; its last place is not 1 to the last digit
    return min(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")), len(probabilities) - 1)


def tempered(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Probabilities to the power 1 / T, adding up to 1, (symbol,); T is above 0.

    >>> tempered(np.array([0.2, 0.8]), 0.5).round(4).tolist()
    [0.0588, 0.9412]
    """
    relative = probabilities / probabilities.max()  # the largest is 1: nothing overflows
    powers: FloatArray = relative ** (1 / temperature)
    powers /= powers.sum()
    return powers


def past_of(beginning: Sequence[str], like: Panel, steps_ahead: int = 1) -> Panel:
    """Make a past of a beginning alone: each series of a panel consists of it.

    Its times are those after the end of the panel, or from 0 on where that has no rows (`empty_past`); features of the
    date are computed for them, and for `steps_ahead` more.

    Raises
    ------
    ForecastError
        No beginning at all, or a symbol that is not in the panel's alphabet.

    """
    if not beginning:
        raise ForecastError("a beginning without data before it needs at least one symbol")
    codes = encode_symbols(beginning, like.symbols)
    count = len(like)
    panel = replace(
        like.target_alone(),
        values=np.tile(np.array(codes, dtype=np.float64), count)[:, None],
        observed=np.ones((count * len(codes), 1), dtype=np.bool_),
        offsets=np.arange(count + 1) * len(codes),
        times=np.concatenate([like.calendar.after(last, len(codes)) for last in _last_times(like)]),
        masked=None,
        static=like.static,
    )
    computed = () if like.ahead is None else features_of(like.ahead.channels)
    return with_features(panel, computed, steps_ahead)


def empty_past(channel: Channel, ids: tuple[str, ...], calendar: Calendar) -> Panel:
    """Make a panel of series that have no rows yet, of symbols alone."""
    times = np.zeros(0, dtype=np.int64 if calendar.freq is None else "datetime64[ns]")
    return Panel(
        values=np.zeros((0, 1)),
        observed=np.zeros((0, 1), dtype=np.bool_),
        offsets=np.zeros(len(ids) + 1, dtype=np.int64),
        times=times,
        ids=ids,
        channels=(channel,),
        calendar=calendar,
    )


def _last_times(panel: Panel) -> TimeArray:
    """Time of the last row of each series, (series,); a step before 0, or some date, where there is none."""
    if len(panel.times):
        return panel.times[panel.offsets[1:] - 1]
    calendar = panel.calendar
    before: Any = np.int64(-calendar.step) if calendar.freq is None else np.datetime64("2000-01-01", "ns")
    times: TimeArray = np.full(len(panel), before)
    return times


def why_not_continued(fitted: FittedNetwork | FittedEnsemble, past: Panel) -> str | None:
    """Say why a network cannot generate from symbols alone; None where it can.

    Features of the date are known for every step; other covariates are not.
    """
    network = fitted.members[0]
    if not network.problem.question.categorical:
        return "the network forecasts no symbols (`model.head=categorical`)"
    if past.at_end:
        return "the network forecasts one label a series, and labels are not followed by others"
    if not network.network.symbols.reads:
        return "the network does not read the symbols before (`model.autoregressive=false`)"
    ahead = () if past.ahead is None else past.ahead.channels
    given = [channel.name for channel in (*past.channels[1:], *ahead) if channel.computed is None]
    if given:
        return f"the network reads {', '.join(map(repr, given))} as well, and nobody knows how these go on"
    return None


def encode_symbols(symbols: Sequence[str], alphabet: tuple[str, ...]) -> list[int]:
    """Encode symbols as their places in the alphabet.

    Raises
    ------
    ForecastError
        A symbol that is not in it, with the nearest ones.

    """
    code_of = {symbol: code for code, symbol in enumerate(alphabet)}
    for symbol in symbols:
        if symbol not in code_of:
            raise ForecastError(
                f"the network was trained on {len(alphabet)} symbols, and {symbol!r} is none of them"
                f"{_near_symbols(symbol, alphabet)}"
            )
    return [code_of[symbol] for symbol in symbols]


def _near_symbols(text: str, symbols: Sequence[str]) -> str:
    """Name the nearest symbols, or the first of all, as the end of a sentence.

    >>> _near_symbols("é", ("a", "e", "E")), _near_symbols("suny", ("rain", "sunny"))
    (": near it are 'e', 'E'", ": near it are 'sunny'")
    """
    same = [symbol for symbol in symbols if _without_accents(symbol) == _without_accents(text)]
    near = same or difflib.get_close_matches(text, symbols, n=3)
    if near:
        return f": near it are {', '.join(map(repr, near[:3]))}"
    return f": it knows {name_some([repr(symbol[:20]) for symbol in symbols[:10]], len(symbols))}"


def _without_accents(text: str) -> str:
    """Strip accents and case."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
