"""Numbers as people write them."""

from __future__ import annotations

from collections.abc import Sequence

from corpus.case import Case


def _case(name: str, texts: Sequence[str], values: list[float | None], delimiter: str = ";", **more: object) -> Case:
    rows = [f"2024-01-{10 + i}{delimiter}{text}" for i, text in enumerate(texts)]
    data = "\n".join([f"date{delimiter}value", *rows]) + "\n"
    return Case(name, data, series={"value": values}, **more)  # type: ignore[arg-type]  # one table of keywords


_DOUBT = "which no cell proves"

NUMERALS = (
    _case("decimal points in a file with semicolons", ["1.5", "2.25", "10"], [1.5, 2.25, 10]),
    _case("decimal commas", ["1,5", "2,25", "10"], [1.5, 2.25, 10], found={"decimal": "comma"}),
    _case("german", ["1.234,5", "999,25", "12"], [1234.5, 999.25, 12], found={"thousands": "point"}),
    _case("german whole numbers", ["1.234", "999", "1.234.567"], [1234, 999, 1234567], found={"thousands": "point"}),
    _case(
        "german whole numbers that could be decimals",
        ["1.234", "999", "12.345"],
        [1234, 999, 12345],
        notes=(_DOUBT,),
        quiet=False,
    ),
    _case("decimals with three digits", ["1.234", "0.999", "12.345"], [1.234, 0.999, 12.345]),
    _case(
        "decimal commas with three digits",
        ["1,234", "2,345", "3,456"],
        [1.234, 2.345, 3.456],
        notes=(_DOUBT,),
        quiet=False,
    ),
    _case("three digits, set by hand", ["1,234", "2,345", "3,456"], [1234, 2345, 3456], settings={"decimal": "."}),
    _case("french", ["1 234,5", "999,25", "12"], [1234.5, 999.25, 12], found={"thousands": "space"}),
    _case("narrow blanks", ["1\u202f234,5", "999,25", "1\u00a0000"], [1234.5, 999.25, 1000], panel=None),
    _case("swiss", ["1'234.5", "999.25", "12"], [1234.5, 999.25, 12], found={"thousands": "apostrophe"}),
    _case(
        "american, quoted",
        ['"1,234.50"', '"999.25"', '"1,000,000"'],
        [1234.5, 999.25, 1000000],
        ",",
        found={"thousands": "comma"},
    ),
    _case(
        "american whole numbers, quoted",
        ['"1,234"', "999", '"12,345"'],
        [1234, 999, 12345],
        ",",
        quiet=False,
        notes=(_DOUBT,),
    ),
    _case("indian", ['"1,23,456.5"', '"99,999"', "5"], [123456.5, 99999, 5], ","),
    _case("currencies", ['"$1,234.50"', "$-9.25", "-$3"], [1234.5, -9.25, -3], ","),
    _case("euros behind", ["1.234,50 €", "9,25 €", "-3,00 €"], [1234.5, 9.25, -3]),
    _case(
        "a dash for no cents is no minus",
        ["1.250,- €", "980,-", "-12,--"],
        [1250, 980, -12],
        found={"decimal": "comma"},
    ),
    _case("swiss prices", ["40.–", "Fr. 35.50", "1'200.-"], [40, 35.5, 1200], found={"thousands": "apostrophe"}),
    _case("swedish prices", ["1 250:-", "980:-", "12:-"], [1250, 980, 12], panel=None),
    _case("won", ['"₩71,000"', '"₩70,500"', "₩900"], [71000, 70500, 900], ",", quiet=False, notes=(_DOUBT,)),
    _case("quoted decimal commas", ['"1,5"', '"2,25"', "3"], [1.5, 2.25, 3], ",", found={"delimiter": "comma"}),
    _case(
        "quoted decimal commas, set by hand", ['"1,5"', '"2,25"', "3"], [1.5, 2.25, 3], ",", settings={"decimal": ","}
    ),
    _case("percent", ["1.5%", "2.25 %", "-3%"], [1.5, 2.25, -3], ","),
    _case("brackets of accountants", ['"(1,234.50)"', "12.5", "(3)"], [-1234.5, 12.5, -3], ","),
    _case("thousands and millions", ["1.5K", "2.25M", "3B"], [1500, 2250000, 3000000000], ","),
    _case("exponents", ["1.5e3", "2E-2", "+3"], [1500, 0.02, 3], ","),
    _case("exponents with commas", ["1,5E+03", "2,5E-02", "3,0E+00"], [1500, 0.025, 3]),
    _case("another minus", ["−1.5", "2", "3"], [-1.5, 2, 3], ","),
    _case("a minus behind", ["1.5-", "2", "3"], [-1.5, 2, 3], ","),
    _case("no zero before the point", [".5", "-.25", "3."], [0.5, -0.25, 3], ","),
    _case(
        "exactly as python reads them",
        ["0.1", "2.2250738585072011e-308", "1.7976931348623157e308", "9007199254740993", "0.30000000000000004"],
        [0.1, 2.2250738585072011e-308, 1.7976931348623157e308, 9007199254740992, 0.30000000000000004],
        ",",
        panel=None,
    ),
    _case(
        "missing values in any spelling",
        ["1", "", "NA", "n/a", "NaN", "null", "None", "-", "#N/A", "?", "2"],
        [1, None, None, None, None, None, None, None, None, None, 2],
        ",",
        panel=None,
    ),
    _case("a number that means missing", ["1", "-999", "2"], [1, None, 2], ",", settings={"missing": -999}, panel=None),
    _case("excel's missing values in german", ["1,5", "#NV", "2,5"], [1.5, None, 2.5], panel=None),
    Case(
        "another column shows the decimal comma",
        "date;value;price\n2024-01-10;1.234;1,5\n2024-01-11;12.345;2,25\n2024-01-12;9.876;3,5\n",
        series={"value": [1234, 12345, 9876]},
        settings={"target": "value"},
        found={"thousands": "point"},
    ),
    Case(
        "whole numbers with points in a german table",
        "Datum;Menge\n02.01.2023;1.460\n03.01.2023;1.747\n04.01.2023;1.878\n05.01.2023;2.001\n",
        series={"Menge": [1460, 1747, 1878, 2001]},
        notes=("read as thousands, which no cell proves",),
        quiet=False,
    ),
    Case(
        "won as a Korean code page writes it",
        '일자,매출액\n2023-01-02,"\\1,459"\n2023-01-03,"\\1,747"\n2023-01-04,\\978\n'.encode("cp949"),
        series={"매출액": [1459, 1747, 978]},
        quiet=False,
    ),
    _case("a colon for nothing, as Eurostat writes it", ["1.5", ":", "2.5"], [1.5, None, 2.5], ",", panel=None),
)
