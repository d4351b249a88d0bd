"""Usual names of columns in the languages of the users: lower case, without blanks and punctuation."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_THIRDS = frozenset(["tertial", "tertiaal", "cuatrimestre", "quadrimestre", "quadrimestro"])
# Names that say which period a cell stands for.
SPANS = {
    "year": frozenset(["year", "jahr", "annee", "année", "fy", "fiscal", "연도", "년도"]),
    "half": frozenset(["half", "halfyear", "semester", "semestre", "halbjahr", "반기"]),
    "quarter": frozenset(["quarter", "qtr", "quartal", "yearquarter", "yq", "trimestre", "분기"]),
    "tertial": _THIRDS,
    "month": frozenset(["month", "yearmonth", "yyyymm", "monat", "mois", "mes", "년월", "연월", "월"]),
    "week": frozenset(
        [
            *["week", "wk", "yearweek", "yrwk", "yyyyww", "isoweek", "calendarweek", "cw", "kw", "kalenderwoche"],
            *["woche", "semaine", "semana", "settimana", "주", "주차"],
        ]
    ),
}
TIME = frozenset().union(*SPANS.values()) | frozenset(
    [
        *["date", "datetime", "time", "timestamp", "ts", "ds", "day", "dt", "period", "month", "week", "quarter"],
        *["year", "yearmonth", "yyyymm", "yyyymmdd", "when", "timeperiod", "utctimestamp", "datum", "zeit", "epoch"],
        *["zeitstempel", "zeitpunkt", "tag", "monat", "jahr", "fecha", "jour", "mois", "annee", "année", "unix"],
        *["날짜", "일자", "일시", "시간", "시각", "기간", "년월", "연월", "연도", "년도", "년", "월", "기준일"],
    ]
)
INDEX = frozenset(
    ["", "id", "unnamed0", "index", "idx", "step", "t", "n", "no", "nr", "row", "rownames", "번호", "순번"]
)
STEPS = INDEX | {"ds", "time", "timeidx", "timestep", "period"}
ID = ("uniqueid", "itemid", "seriesid", "tsid")
# Only where times repeat without it.
ID_OR_NUMBER = frozenset(
    [
        *["id", "store", "shop", "item", "product", "sku", "symbol", "ticker", "code", "name", "region", "country"],
        *["station", "sensor", "site", "meter", "plant", "building", "device", "series", "group", "zone", "city"],
        *["dept", "department", "customer", "client", "branch", "brand", "category", "family", "filiale", "artikel"],
        *["county", "state", "province", "district", "location", "machine"],
        *["종목", "종목코드", "지역", "매장", "상품", "지점", "점포", "설비"],
    ]
)
# In order: the first that a file has is taken.
TARGET = (
    *("y", "target", "close", "value", "values", "종가", "값", "adjclose", "price", "sales", "demand", "load", "count"),
    *("last", "schlusskurs", "wert", "valeur", "valor", "수치", "판매량", "매출", "수요", "obsvalue", "ot"),
)
TOTALS = frozenset(
    [
        *["total", "totals", "sum", "mean", "average", "avg", "annual", "year", "yearly", "alltotal", "grandtotal"],
        *[
            "summe",
            "gesamt",
            "mittel",
            "mittelwert",
            "jahr",
            "moyenne",
            "media",
            "promedio",
            "合计",
            "합계",
            "평균",
            "계",
        ],
    ]
)
TOTAL_WORDS = frozenset(
    [
        *["total", "totals", "subtotal", "sub-total", "sum", "average", "mean", "summe", "gesamt", "zwischensumme"],
        *["gesamtsumme", "gesamtergebnis", "ergebnis", "totale", "somme", "moyenne", "promedio", "razem", "итого"],
        *["합계", "총계", "소계", "평균", "合计", "总计", "小计", "合計"],
    ]
)
"""Words in a label of a row that sums up others: "Total 2019", "2019 Total", "Grand total"."""
KNOWN_AHEAD = frozenset(
    [
        *[
            "promo",
            "promotion",
            "holiday",
            "isholiday",
            "feiertag",
            "schoolholiday",
            "stateholiday",
            "event",
            "campaign",
        ],
        *["weekday", "dayofweek", "dow", "weekend", "open", "closed", "price", "discount", "planned", "schedule"],
        *["휴일", "공휴일", "프로모션", "요일", "행사"],
    ]
)
QUOTES = frozenset(["high", "low"])
"""Columns of a table of prices, beside "open" and "close"."""
_FISCAL_YEARS = frozenset(["fiscalyear", "fy", "financialyear", "geschäftsjahr", "exercice", "ejercicio"])
_PERIODS = frozenset(["period", "periode", "fiscalperiod", "fiscalmonth", "accountingperiod", "buchungsperiode"])
"""Names of months in accounts, beside a column of (fiscal) years."""
FIELDS = {
    "year": frozenset(
        ["year", "yr", "yyyy", "jahr", "annee", "année", "año", "ano", "anno", "년", "연도", "년도", "연"]
    )
    | _FISCAL_YEARS,
    "tertial": _THIRDS,
    "quarter": frozenset(["quarter", "qtr", "q", "quartal", "trimestre", "trimester", "trim", "분기"]),
    "month": frozenset(["month", "mon", "mm", "mo", "mth", "monat", "mois", "mes", "mese", "월"]) | _PERIODS,
    "week": frozenset(["week", "wk", "kw", "woche", "semaine", "semana", "weekno", "weeknumber", "isoweek", "주"]),
    "day": frozenset(["day", "dd", "dy", "dom", "mday", "dayofmonth", "tag", "jour", "dia", "día", "giorno", "일"]),
    "yearday": frozenset(["doy", "dayofyear", "yday", "yearday"]),
    "hour": frozenset(["hour", "hr", "hh", "he", "hourending", "stunde", "heure", "hora", "ora", "시", "시간"]),
    "minute": frozenset(["minute", "min", "mi", "minuten", "분"]),
    "second": frozenset(["second", "sec", "ss", "sekunde", "초"]),
}
CLOCK = frozenset(
    [
        "time",
        "uhrzeit",
        "zeit",
        "heure",
        "hora",
        "시각",
        "시간",
        "clock",
        "timeofday",
        "hour",
        "hr",
        "he",
        "stunde",
        "hhmm",
        "hhmmss",
    ]
)
PERIODS_A_DAY = {
    **dict.fromkeys(("settlementperiod", "tradingperiod", "halfhour"), 48),
    **dict.fromkeys(("qh", "quarterhour", "viertelstunde"), 96),
}
"""Names of numbered parts of a day, of which a day has so many."""
PERIODS_OF_DAY = frozenset(PERIODS_A_DAY) | frozenset(
    [
        *["period", "periodid", "periode", "periodo", "período", "interval", "slot", "timeslot"],
        *["sp", "tp", "hh", "ptu", "isp", "mtu"],
    ]
)
"""Names of numbered hours, half-hours and quarters of an hour, beside a column of dates."""


@lru_cache(1 << 14)
def plain(name: str) -> str:
    """Reduce a name to its letters and digits: "Adj Close" -> "adjclose", "<DATE>" -> "date"."""
    return re.sub(r"[^\w]|_", "", unicodedata.normalize("NFC", name)).lower()


def is_called_id(name: str) -> bool:
    """Whether a column is called like an id and nothing else ("Store", "store_nbr"; not "store sales").

    >>> is_called_id("Store"), is_called_id("store_nbr"), is_called_id("store sales")
    (True, True, False)
    """
    words = {plain(word) for word in re.split(r"[\s_/(),\[\].-]+", name)} - _OF_IDS - {""}
    return bool(words) and words <= ID_OR_NUMBER


_OF_IDS = {"id", "nr", "nbr", "no", "num", "number", "key", "code"}


def is_named(name: str, names: frozenset[str]) -> bool:
    """Whether a column is called like that, alone or with something in brackets or more words ("Date (UTC)")."""
    return plain(name) in names or not names.isdisjoint(_words(name))


@lru_cache(1 << 14)
def _words(name: str) -> frozenset[str]:
    return frozenset(plain(word) for word in re.split(r"[\s_/(),\[\].-]+", name)) - {""}
