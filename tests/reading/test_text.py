"""A text as a series of symbols: characters, encodings, line ends, and Hangul as jamo."""

from __future__ import annotations

import gzip
import unicodedata
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecast.errors import ForecastError
from forecast.reading.settings import TextSettings
from forecast.reading.sources import found_line, load_source, read_text
from forecast.reading.symbols import compose_jamo, decompose_jamo
from forecast.series.panel import Source
from forecast.settings import check_settings

TEXT = "Wer reitet so spät durch Nacht und Wind?\n바람 부는 밤에 🐎, 'ja'\t한글\n"
SYLLABLES = [chr(0xAC00 + n) for n in range(11_172)]


def load(folder: Path, data: str | bytes, known: tuple[str, ...] = (), **settings: Any) -> Source:
    path = folder / "some text (1).txt"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return load_source(check_settings(TextSettings, {"path": str(path), **settings}, "data."), known)


def characters(source: Source) -> str:
    """The slow way back: each code looked up on its own."""
    alphabet = source.panel.channels[0].categories
    return "".join(alphabet[int(code)] for code in source.panel.target)


def jamo_by_arithmetic(syllable: str) -> str:
    """Unicode, section 3.12: the index of a syllable is (lead * 21 + vowel) * 28 + tail."""
    index = ord(syllable) - 0xAC00
    lead, vowel, tail = index // 588, index % 588 // 28, index % 28
    return chr(0x1100 + lead) + chr(0x1161 + vowel) + (chr(0x11A7 + tail) if tail else "")


def test_a_step_is_a_character(tmp_path: Path) -> None:
    source = load(tmp_path, TEXT)
    panel = source.panel
    assert characters(source) == TEXT
    assert panel.channels[0].categories == tuple(sorted(set(TEXT)))
    assert panel.target.dtype == np.float64
    assert panel.times.tolist() == list(range(len(TEXT)))
    assert panel.calendar.freq is None
    assert panel.calendar.write(panel.calendar.after(panel.times[-1], 2)) == [str(len(TEXT)), str(len(TEXT) + 1)]
    assert panel.ids == ("text",)
    assert panel.target_observed.all()
    assert panel.masked is None
    assert source.notes == ()
    assert source.fingerprint == sha256(TEXT.encode()).hexdigest()
    line = f"encoding utf-8; characters {len(TEXT)}; symbols {len(set(TEXT))}: '\\t', '\\n', ' ', \"'\", ',', ?, N, W"
    assert found_line(source).startswith(line)
    assert read_text(tmp_path / "some text (1).txt").target.tolist() == panel.target.tolist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp949", "cp1252"])
def test_the_encoding_is_found_or_said_and_a_mark_is_dropped(tmp_path: Path, encoding: str) -> None:
    text = {"cp949": "바람 부는 밤에 한글을 읽는다\n", "cp1252": "spät für Häuser\n"}.get(encoding, TEXT)
    text = "Das ist ein Text, überall lesbar\n" if encoding == "utf-16-le" else text
    assert characters(load(tmp_path, text.encode(encoding))) == text
    assert characters(load(tmp_path, text.encode(encoding), encoding=encoding)) == text


def test_line_ends_become_newlines_and_that_is_said(tmp_path: Path) -> None:
    source = load(tmp_path, b"a\r\nb\rc\n\r\n")
    assert characters(source) == "a\nb\nc\n\n"
    assert source.notes == ("line ends are read as \\n, which some were not",)
    assert load(tmp_path, b"a\nb\n").notes == ()


def test_blanks_and_what_a_table_calls_missing_are_characters(tmp_path: Path) -> None:
    text = "  -- ?? ..  \n\n\x1b[0m<html>{}"
    assert characters(load(tmp_path, text)) == text


def test_a_packed_text(tmp_path: Path) -> None:
    source = load(tmp_path, gzip.compress(TEXT.encode()))
    assert characters(source) == TEXT
    assert found_line(source).startswith("compression gzip; ")


def test_jamo_of_every_syllable_by_arithmetic_and_back() -> None:
    broken = [decompose_jamo(syllable) for syllable in SYLLABLES]
    assert broken == [jamo_by_arithmetic(syllable) for syllable in SYLLABLES]
    assert [compose_jamo(jamo) for jamo in broken] == SYLLABLES
    assert len(set("".join(broken))) == 19 + 21 + 27
    together = "".join(SYLLABLES)
    assert compose_jamo(decompose_jamo(together)) == together


def test_syllables_in_any_order_come_back() -> None:
    random = np.random.default_rng(0)
    others = [" ", "\n", "a", "e\u0301", "é", "ㄱ", "ㅏ", "漢", "🐎", "\u1100x", "Å", "①"]
    for _ in range(200):
        text = "".join(random.choice([*SYLLABLES[:: random.integers(1, 500)], *others]) for _ in range(40))
        assert compose_jamo(decompose_jamo(text)) == text


def test_everything_but_syllables_stays_as_it_is() -> None:
    for text in ("é", "e\u0301", "Å", "ㄱㅏ", "한"[:0], "ﬁ①漢", "\u2126"):
        assert decompose_jamo(text) == text
        assert compose_jamo(text) == text
    assert unicodedata.normalize("NFD", "é한") != decompose_jamo("é한") == "é" + unicodedata.normalize("NFD", "한")


def test_a_text_read_as_jamo(tmp_path: Path) -> None:
    source = load(tmp_path, TEXT, jamo=True)
    expected = "".join(jamo_by_arithmetic(one) if "가" <= one <= "힣" else one for one in TEXT)
    assert characters(source) == expected
    assert compose_jamo(characters(source)) == TEXT
    assert f"characters {len(TEXT)} ({len(expected)} with syllables as jamo)" in found_line(source)
    assert read_text(tmp_path / "some text (1).txt", jamo=True).target.tolist() == source.panel.target.tolist()


def test_another_text_is_read_in_the_alphabet_of_the_training(tmp_path: Path) -> None:
    known = tuple(sorted({*TEXT, "z"}))
    source = load(tmp_path, "Wind und Nacht", known)
    assert source.panel.channels[0].categories == known
    assert characters(source) == "Wind und Nacht"
    with pytest.raises(ForecastError, match=r"the data hold 2 symbols 'q', 'é', which training did not know"):
        load(tmp_path, "qéWind", known)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "is empty: expected a text"),
        (b"\xef\xbb\xbf", "holds no character"),
        (b"aaaa", "holds nothing but 'a' \\(4 times\\)"),
        (b"ab\x00\x01cd", "is binary, no text: name a text file"),
        (bytes(np.random.default_rng(0).integers(1, 256, 3000, dtype=np.uint8)), "is binary, no text"),
        (b"%PDF-1.7 and so on", "is a PDF, no text: save it as plain text"),
        (b"\x89PNG\r\n\x1a\n", "is a picture, no text: name a text file"),
    ],
)
def test_what_is_no_text(tmp_path: Path, data: bytes, line: str) -> None:
    with pytest.raises(ForecastError, match=line) as error:
        load(tmp_path, data)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_a_folder_and_another_encoding(tmp_path: Path) -> None:
    load(tmp_path, "spät".encode("cp1252"))
    with pytest.raises(ForecastError, match=r"is not utf-8 at line 1 \(byte 2\): leave `data.encoding` out"):
        load(tmp_path, "spät".encode("cp1252"), encoding="utf-8")
    with pytest.raises(ForecastError, match=r"`data.encoding` 'utf8x' is not known"):
        load(tmp_path, "abc", encoding="utf8x")
    with pytest.raises(ForecastError, match=r"did you mean '.*some text \(1\)\.txt'"):
        read_text(tmp_path / "some text.txt")
    with pytest.raises(ForecastError, match=r"is a directory: name the file in it, such as 'some text \(1\)\.txt'"):
        read_text(tmp_path)


def test_a_text_has_no_season_and_no_logarithm() -> None:
    assert TextSettings(path="a.txt").season_steps == 1
    for wrong in ({"season_steps": None}, {"transform": "log"}):
        with pytest.raises(ForecastError):
            check_settings(TextSettings, {"path": "a.txt", **wrong})
