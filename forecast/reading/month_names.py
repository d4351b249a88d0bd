"""Months, quarters and days of the week by name, in the languages of the files that people have.

`month_numbers` reads the words of a column in one language, since "mar" is March in most and November in Finnish;
`month_words` goes the other way: the twelve texts with which the file would write them. Names of months and days are
CLDR's, by babel; English needs no babel, whose import and tables take a third of a second.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeAlias

from forecast.series.calendar import DAY_NAMES, MONTH_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from babel import Locale

Words: TypeAlias = "tuple[str, ...]"
_LANGUAGES = (
    *("en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "nb", "pl", "cs", "ru", "tr", "ro", "hu", "fi", "id"),
    *("uk", "el", "de_AT"),
)
"""In the order in which they are tried; of languages that know the same words the first is taken."""
_FIRST_LETTERS = (
    "jan jän ene gen ian oca sty led tam янв січ ιαν feb fév fev şub sub lut úno uno hel фев лют φεβ mar mär mrz mrt "
    "maa már bře bre мар бер μάρ μαρ apr avr abr nis kwi dub huh ápr апр кві απρ may mai mag maj mei máj kvě kve "
    "tou май мая тра μάι μαΐ jun juin jui giu haz iun jún cze čer cer čvn kes июн чер ιου ιού jul lug tem iul júl "
    "lip čvc hei июл лип aug aoû aou ago agu ağu sie srp elo авг сер αυγ αύγ sep set eyl sze wrz zář zar syy сен "
    "вер σεπ oct okt ott out eki paź paz říj rij lok окт жов οκτ nov noi kas lis noy ноя лис νοέ νοε dec dez déc "
    "dic des ara gru pro jou дек гру δεκ"
)
BEGINNINGS = frozenset(_FIRST_LETTERS.split())
"""First letters of the months' names in these languages: a word that begins otherwise is none, which needs no babel."""
_QUARTER_NAMES = (
    ("I", "II", "III", "IV"),
    ("First", "Second", "Third", "Fourth"),
    ("Jan-Mar", "Apr-Jun", "Jul-Sep", "Oct-Dec"),
    ("Jan-Mär", "Apr-Jun", "Jul-Sep", "Okt-Dez"),
    ("JFM", "AMJ", "JAS", "OND"),
)
QUARTER_WORDS = {name.lower(): i for names in _QUARTER_NAMES for i, name in enumerate(names, start=1)}
"""Quarters that are named, not numbered."""
_CASES: tuple[Callable[[str], str], ...] = (str, str.lower, str.upper, str.capitalize)
_CONTEXTS, _WIDTHS = ("format", "stand-alone"), ("abbreviated", "wide")


def month_numbers(words: Sequence[str]) -> list[int]:
    """Months that words mean, 1 to 12, all in the language that knows most of them; -1: no month is called so.

    >>> month_numbers(["mars", "Okt.", "Monday"]), month_numbers(["fev", "out"])
    ([3, 10, -1], [2, 10])
    """
    of_language = _best(words, _month_of)
    by_word = {word: number for word in words if (number := _month_of(word, of_language))}
    return [by_word.get(word) or next((n for name in _LANGUAGES if (n := _month_of(word, name))), -1) for word in words]


def is_day(word: str) -> bool:
    """Whether a word is a day of the week in one of the languages.

    >>> is_day("Tue"), is_day("Mittwoch"), is_day("lun."), is_day("Stand")
    (True, True, True, False)
    """
    return any(_day_of(word, language) for language in _LANGUAGES)


def month_words(words: Iterable[str]) -> Words:
    """The texts that write the months as `words` do, from January on.

    >>> month_words(["janv.", "mars", "févr."])[3:8]
    ('avr.', 'mai', 'juin', 'juil.', 'août')
    """
    return _as_written(words, _month_of, _tables, 12)


def day_words(words: Iterable[str]) -> Words:
    """The texts that write the days of the week as `words` do, from Monday on."""
    return _as_written(words, _day_of, _day_tables, 7)


def quarter_words(words: Iterable[str]) -> Words:
    """The texts that write the quarters as `words` do, from the first on; each word is a key of `QUARTER_WORDS`.

    >>> quarter_words(["III", "IV"])
    ('I', 'II', 'III', 'IV')
    """
    seen = {QUARTER_WORDS[word.lower()]: word for word in words}
    number, word = next(iter(seen.items()))
    table = next(names for names in _QUARTER_NAMES if names[number - 1].lower() == word.lower())
    case = {word.lower(): str.lower, word.upper(): str.upper}.get(word, str)
    return tuple(seen.get(i) or case(name) for i, name in enumerate(table, start=1))


def _as_written(
    words: Iterable[str],
    number_of: Callable[[str, str], int],
    tables_of: Callable[[str], tuple[Words, ...]],
    count: int,
) -> Words:
    """Take the table that most of the words are from, and of each number that occurs its word in the file."""
    different = sorted(set(words))
    language = _best(different, number_of)
    seen = {number: word for word in different if (number := number_of(word, language))}
    candidates = [tuple(case(text) for text in table) for table in _spellings(tables_of(language)) for case in _CASES]

    def alike(table: Words) -> int:
        return sum(table[number - 1] == word for number, word in seen.items())

    table = max(candidates, key=alike)
    return tuple(seen.get(number, table[number - 1]) for number in range(1, count + 1))


def _spellings(tables: Sequence[Words]) -> Iterator[Words]:
    """Tables as they are, without points, as their first three letters, and each without accents."""
    for table in tables:
        bare = tuple(text.rstrip(".") for text in table)
        for texts in (table, bare, tuple(text[:3] for text in bare), tuple(f"{text[:3]}." for text in bare)):
            yield texts
            yield tuple(_folded(text) for text in texts)


def _best(words: Iterable[str], number_of: Callable[[str, str], int]) -> str:
    """Return the language that knows most of the words."""
    known = {word for word in words if word}
    best, most = "en", 0
    for language in _LANGUAGES:
        count = sum(number_of(word, language) > 0 for word in known)
        if count > most:
            best, most = language, count
        if most == len(known):
            break
    return best


@lru_cache(1 << 12)
def _month_of(word: str, language: str) -> int:
    """Number of a month by its name in a language or the beginning of it, three letters at least; 0: none."""
    if word[:3].lower() not in BEGINNINGS:
        return 0
    return _meaning(word, _by_name(language), 3)


@lru_cache(1 << 12)
def _day_of(word: str, language: str) -> int:
    return _meaning(word, _by_day_name(language), 3)


def _meaning(word: str, numbers: Mapping[str, int], shortest: int) -> int:
    plain = _plain(word)
    if plain in numbers:
        return numbers[plain]
    longer = {number for name, number in numbers.items() if len(plain) >= shortest and name.startswith(plain)}
    return longer.pop() if len(longer) == 1 else 0


@cache
def _by_name(language: str) -> dict[str, int]:
    names = {form: i for table in _tables(language) for i, name in enumerate(table, start=1) for form in _forms(name)}
    return names | ({"mrz": 3} if language.startswith("de") else {})  # as spreadsheets write it, and CLDR does not


@cache
def _by_day_name(language: str) -> dict[str, int]:
    return {
        form: i for table in _day_tables(language) for i, name in enumerate(table, start=1) for form in _forms(name)
    }


def _forms(name: str) -> tuple[str, str]:
    return _plain(name), _folded(_plain(name))


@cache
def _tables(language: str) -> tuple[Words, ...]:
    """Names of the months in a language, abbreviated and whole, a table of twelve each."""
    if language == "en":
        return tuple(name[:3] for name in MONTH_NAMES), MONTH_NAMES
    months = _locale(language).months
    return tuple(tuple(months[c][w][i] for i in range(1, 13)) for w in _WIDTHS for c in _CONTEXTS)


@cache
def _day_tables(language: str) -> tuple[Words, ...]:
    if language == "en":
        return tuple(name[:3] for name in DAY_NAMES), DAY_NAMES
    days = _locale(language).days
    return tuple(tuple(days[c][w][i] for i in range(7)) for w in _WIDTHS for c in _CONTEXTS)


def _locale(language: str) -> Locale:
    from babel import Locale as Known  # noqa: PLC0415 - see the module's docstring

    return Known.parse(language)


def _plain(word: str) -> str:
    return unicodedata.normalize("NFC", word).strip(". ").lower()


def _folded(word: str) -> str:
    """Leave out the accents."""
    return re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFD", word.replace("ı", "i")))
