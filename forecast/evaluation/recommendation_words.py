"""The recommendation in a sentence: what to use, how far off it is, how much better than a plain rule, how sure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from forecast.evaluation.expected_error import PLAINEST_FIRST
from forecast.forecasters.combination import weights_in_words
from forecast.questions.kinds import BASE_RATE, metric_label
from forecast.wording import listed, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from forecast.evaluation.expected_error import Sort
    from forecast.evaluation.recommendation import Recommendation
    from forecast.series.panel import Panel

_MOST_ODDS, _EVEN = 50, 0.8


def sentence_of(
    advice: Recommendation, kinds: Mapping[str, Sort], panel: Panel, by_model: pd.DataFrame, on: str = ""
) -> str:
    """Say what to use, how far off it is, how much better than the plain rule, and how sure that is.

    `on` are the rows that it was measured on, where they are few.
    """
    asked = ", as asked for" if advice.why == "asked for" else ""
    made_of = f", the weighted mean of {weights_in_words(advice.weights)}" if advice.weights else ""
    parts = [f"use {_called(advice.model, kinds)}{made_of}{asked}: {_how_far(advice, panel, by_model, on)}"]
    if not math.isnan(advice.gain):
        parts.append(_gain_in_words(advice))
    return f"{', '.join(parts)}; {_how_sure(advice, kinds)}"


def _how_far(advice: Recommendation, panel: Panel, by_model: pd.DataFrame, on: str) -> str:
    if "accuracy" in by_model and advice.model in by_model.index:
        return f"right in {in_100(float(by_model['accuracy'][advice.model])).replace(' in ', ' of ')}"
    if math.isnan(advice.error):
        return "how far off it is cannot be said, as no value of the test was observed"
    if advice.error == 0:
        return "not off at all on the test"
    of = panel.ids[0] if len(panel) == 1 else "the values"
    share = f", {in_100(advice.error_share)} of {of}" if advice.error_share < 1 else ""
    return f"{number(advice.error)} off {on}{share}" if on else f"typically {number(advice.error)} off{share}"


def _gain_in_words(advice: Recommendation) -> str:
    """Compare with the plain rule.

    >>> from forecast.evaluation.recommendation import Recommendation
    >>> blank = dict.fromkeys(Recommendation.__dataclass_fields__)
    >>> for gain in (0.31, 0.002, -0.07, -12.0):
    ...     print(_gain_in_words(Recommendation(**blank | {"plain": "the last value", "gain": gain})))
    31 % less than repeating the last value
    as repeating the last value
    on the test 7 % more than repeating the last value
    on the test more than ten times as much as repeating the last value
    >>> _gain_in_words(Recommendation(**blank | {"plain": "the base rate", "gain": 0.2}))
    'with 20 % less error than giving the same probability every time'
    """
    of_values = advice.plain != "the base rate"
    rule = f"repeating {advice.plain}" if of_values else "giving the same probability every time"
    share = abs(advice.gain)
    if share < 0.005:
        return f"as {rule}" if of_values else f"no better than {rule}"
    less = "less" if of_values else "less error"
    if advice.gain > 0:
        return f"{'' if of_values else 'with '}{100 * share:.0f} % {less} than {rule}"
    size = (
        f"{100 * share:.0f} % {less.replace('less', 'more')} than" if share < 10 else "more than ten times as much as"
    )
    return f"on the test {'' if of_values else 'with '}{size} {rule}"


def _how_sure(advice: Recommendation, kinds: Mapping[str, Sort]) -> str:
    if advice.why == "nothing beats it":  # nor do those that forecast the same
        return "nothing was shown to beat it on data like these"
    same = _alike_in_words(advice.model, advice.alike, kinds)
    if advice.runner_up is None:
        sure = "" if same else "there is no other to compare it with"
    elif advice.why == "known of its kind":
        other = _called(advice.runner_up, kinds)
        sure = f"no rows were left to choose on, and on other data as short as these it erred least, before {other}"
    else:
        sure = f"{' '.join(odds_against(advice.odds, _called(advice.runner_up, kinds)))} on data like these"
    return "; ".join(filter(None, (sure, same)))


def _alike_in_words(model: str, others: Sequence[str], kinds: Mapping[str, Sort]) -> str:
    """Say which models forecast the same, and which is the plainest of them.

    >>> kinds = {"naive": "repeating", "reference": "reference", "lstm": "network", "gru": "network"}
    >>> _alike_in_words("naive", ["reference", "lstm"], kinds)
    'the untrained reference and lstm forecast practically the same, and naive is the plainest'
    >>> _alike_in_words("lstm", ["reference"], kinds), _alike_in_words("lstm", ["gru"], kinds)
    ('the untrained reference forecasts practically the same and is plainer', 'gru forecasts practically the same')
    """
    if not others:
        return ""
    verb = "forecasts" if len(others) == 1 else "forecast"
    says = f"{listed([_called(name, kinds) for name in others])} {verb} practically the same"
    plainest = min((model, *others), key=lambda name: PLAINEST_FIRST.index(kinds[name]))
    if all(kinds[name] == kinds[model] for name in others):
        return says
    if len(others) > 1 or plainest == model:
        return f"{says}, and {_called(plainest, kinds)} is the {'plainest' if len(others) > 1 else 'plainer'}"
    return f"{says} and is plainer"


def odds_against(odds: float, other: str) -> tuple[str, str]:
    """Say the odds against another model, and that of which of the two they are.

    >>> odds_against(11.7, "ridge"), odds_against(0.5, "ridge")
    (('about 12 to 1', 'that it beats ridge'), ('about 2 to 1', 'that ridge beats it'))
    """
    if odds < _EVEN:
        return _odds_in_words(1 / max(odds, 1e-9)), f"that {other} beats it"
    return _odds_in_words(odds), f"that it beats {other}"


def _odds_in_words(odds: float) -> str:
    """Round odds as people say them.

    >>> [_odds_in_words(odds) for odds in (1.1, 1.6, 2.4, 11.7, 43.0, 1e6)]
    ['about even chances', 'about 3 to 2', 'about 2 to 1', 'about 12 to 1', 'about 40 to 1', 'more than 50 to 1']
    """
    if odds > _MOST_ODDS:
        return f"more than {_MOST_ODDS} to 1"
    if odds < 1.25:
        return "about even chances"
    if odds < 1.75:
        return "about 3 to 2"
    return f"about {round(odds) if odds < 20 else round(odds, -1):.0f} to 1"


def second_sentence(advice: Recommendation, kinds: Mapping[str, Sort], by_model: pd.DataFrame) -> str:
    """Say that the test, had it counted, would have changed the choice."""
    if advice.turned is None:
        return ""
    metric = "mae" if "mae" in by_model else next(iter(by_model))
    here, there = (number(float(by_model[metric][name])) for name in (advice.turned, advice.model))
    errors = f"{here} off against {there}" if metric == "mae" else f"{metric_label(str(metric))} {here} against {there}"
    return (
        f"had the test had a say, which it must not, {_called(advice.turned, kinds)} would be chosen ({errors} there)"
    )


def _called(model: str, kinds: Mapping[str, Sort]) -> str:
    """Name a model in a sentence: a reference is the network untrained."""
    if model == BASE_RATE:
        return "the base rate"
    return f"the untrained {model}" if kinds.get(model) == "reference" else model


def in_100(share: float) -> str:
    """Write a share as a count of a hundred.

    >>> in_100(0.087), in_100(0.002), in_100(1.0)
    ('9 in 100', '0.2 in 100', '100 in 100')
    """
    return f"{100 * share:.0f} in 100" if share >= 0.0095 else f"{100 * share:.1g} in 100"
