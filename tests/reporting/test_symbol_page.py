"""What the page says of symbols, against slow loops over the table, and symbols that want to be something else."""

import io
import json
import math
import re
from collections import Counter
from html.parser import HTMLParser

import altair as alt
import numpy as np
import pandas as pd
import pytest
from made_up_symbols import STRANGE, made_up_symbols
from rich.console import Console

from forecast.errors import ForecastError
from forecast.reporting.characters import named, readable, written
from forecast.reporting.html import page_spec, report_html, write_report
from forecast.reporting.leaderboard import print_leaderboard
from forecast.reporting.pictures import picture_spec
from forecast.reporting.sections import draw
from forecast.reporting.sections.passage import MOST_SYMBOLS
from forecast.reporting.summary import build_summary
from forecast.reporting.theme import DARK, LIGHT, SHADES, dark_twins, shade


@pytest.fixture(scope="module")
def run():
    return made_up_symbols()[0]


@pytest.fixture(scope="module")
def summary(run):
    return build_summary(**run, continuation="<b>and</b> so\non \x07 \ud800 &amp;")


@pytest.fixture(scope="module")
def page(summary):
    return report_html(summary, draw(summary))


def rows_of(run, model="lstm", step=None):
    """Rows with an outcome, as dictionaries."""
    known = run["results"].dropna(subset=["y"]).to_dict("records")
    return [row for row in known if row["model"] == model and step in (None, row["step"])]


def test_costs_add_up_the_bits_of_each_symbol(run, summary):
    bits = {model: {} for model in ("lstm", "bigram")}
    for model, by_code in bits.items():
        for row in rows_of(run, model):
            by_code.setdefault(int(row["y"]), []).append(-math.log2(row["chance"]))
    order = sorted(bits["lstm"], key=lambda code: -sum(bits["lstm"][code]))
    every = sum(map(sum, bits["lstm"].values()))
    costs = summary.sections["costs"]
    assert costs.symbols == tuple(written(STRANGE[code]) for code in order)
    assert costs.count == tuple(len(bits["lstm"][code]) for code in order)
    np.testing.assert_allclose(costs.network, [np.mean(bits["lstm"][code]) for code in order], rtol=1e-5)
    np.testing.assert_allclose(costs.baseline, [np.mean(bits["bigram"][code]) for code in order], rtol=1e-5)
    np.testing.assert_allclose(costs.share, [sum(bits["lstm"][code]) / every for code in order], rtol=1e-5)
    ahead = [named(STRANGE[c]) for c in order if np.mean(bits["bigram"][c]) < np.mean(bits["lstm"][c])]
    assert all(name in costs.says for name in ahead)
    assert f"it came {costs.count[0]} times" in costs.says


def test_a_small_alphabet_has_a_table_of_what_came_against_the_likeliest(run, summary):
    for model, matrix in zip(("lstm", "bigram"), summary.sections["confusions"].matrices, strict=True):
        pairs = Counter((int(row["y"]), int(row["y_hat"])) for row in rows_of(run, model))
        for i in range(len(STRANGE)):
            came = sum(pairs[i, j] for j in range(len(STRANGE)))
            assert matrix.count[i] == tuple(pairs[i, j] for j in range(len(STRANGE)))
            np.testing.assert_allclose(matrix.shares[i], [pairs[i, j] / came for j in range(len(STRANGE))], rtol=1e-5)
    right = np.mean([row["y"] == row["y_hat"] for row in rows_of(run)])
    assert summary.sections["confusions"].says.startswith(f"{100 * right:.1f} % of what came")
    assert summary.sections["confusions"].pairs == ()


def test_of_a_large_alphabet_the_most_frequent_mistakes_are_named():
    symbols = tuple("abcdefghijklmnop")
    run, _ = made_up_symbols(symbols, origins=300)
    confusions = build_summary(**run).sections["confusions"]
    pairs = Counter((int(r["y"]), int(r["y_hat"])) for r in rows_of(run) if r["y"] != r["y_hat"])
    came = Counter(int(row["y"]) for row in rows_of(run))
    best = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:10]
    assert confusions.matrices == ()
    assert [(p.came, p.likeliest, p.count) for p in confusions.pairs] == [
        (symbols[i], symbols[j], pairs[i, j]) for i, j in best
    ]
    np.testing.assert_allclose([p.share for p in confusions.pairs], [pairs[i, j] / came[i] for i, j in best], rtol=1e-5)
    i, j = best[0]
    assert (
        f"‘{symbols[j]}’ where ‘{symbols[i]}’ came ({100 * pairs[i, j] / came[i]:.1f} % of the time)" in confusions.says
    )


def test_the_passage_holds_the_bits_one_step_ahead(run, summary):
    network, baseline = rows_of(run, step=1), rows_of(run, "bigram", step=1)
    tokens = summary.sections["passage"].tokens
    assert 10 < len(tokens) <= len(network)
    for token, row, other in zip(tokens, network, baseline, strict=False):
        bits = -math.log2(row["chance"])
        assert token.bits == pytest.approx(bits, rel=1e-3, abs=1e-9)
        assert token.baseline == pytest.approx(-math.log2(other["chance"]), rel=1e-3, abs=1e-9)
        assert token.level == sum(bits >= edge for edge in (0.5, 1, 2, 4, 8))
        assert token.guess == written(STRANGE[int(row["y_hat"])])
        assert token.breaks == (STRANGE[int(row["y"])] == "\n")
        assert token.after_gap == (row["ds"] == 704)  # what came at 703 was not observed
    mean = np.mean([token.bits for token in tokens])
    assert f"Here a symbol cost {mean:.2f} bits on average" in summary.sections["passage"].says


def test_letters_fill_a_passage_and_origins_left_out_are_seen_as_gaps():
    run, _ = made_up_symbols(tuple("abc"), steps=1, origins=900)
    passage = build_summary(**run).sections["passage"]
    assert len(passage.tokens) == MOST_SYMBOLS
    assert "700 of the 900 symbols" in passage.says
    assert sum(token.after_gap for token in passage.tokens) == 1
    thin, _ = made_up_symbols(tuple("abc"), steps=1, origins=50, stride=3)
    tokens = build_summary(**thin).sections["passage"].tokens
    assert [token.after_gap for token in tokens] == [False] + [True] * (len(tokens) - 1)
    given = build_summary(**thin, passage=run["results"]).sections["passage"]
    assert len(given.tokens) == MOST_SYMBOLS
    assert "passage" not in build_summary(**thin, passage=run["results"].iloc[:0]).sections


def test_shares_are_counted_in_training_and_test(run, summary):
    shares = summary.sections["shares"]
    series = run["series"].dropna()
    for split, shown in (("training", shares.training), ("test", shares.test)):
        counts = Counter(STRANGE[int(y)] for y in series.loc[series["split"] == split, "y"])
        expected = {written(symbol): count / sum(counts.values()) for symbol, count in counts.items()}
        assert dict(zip(shares.symbols, shown, strict=True)) == pytest.approx(expected, rel=1e-5)
    assert "500 for training, 200 for validation and" in shares.says


def test_a_symbol_that_never_came_in_training_is_named():
    run, _ = made_up_symbols(tuple("abcd"))
    series = run["series"]
    series.loc[(series["split"] == "training") & (series["y"] == 3), "y"] = 2.0
    share = (series.loc[series["split"] == "test", "y"].dropna() == 3).mean()
    assert (
        f"Of the test ‘d’ never came in training, {100 * share:.1f} % of it."
        in build_summary(**run).sections["shares"].says
    )


def test_probabilities_after_the_data_are_those_of_the_forecast(run, summary):
    for step in summary.sections["ahead"].steps:
        rows = run["forecast"][run["forecast"]["ds"] == run["series"]["ds"].max() + step.step]
        given = {
            m: dict(zip(rows["symbol"][rows["model"] == m], rows["y_hat"][rows["model"] == m], strict=True))
            for m in ("lstm", "bigram")
        }
        likeliest = sorted(given["lstm"], key=lambda symbol: -given["lstm"][symbol])[:10]
        assert step.symbols == tuple(map(written, likeliest))
        np.testing.assert_allclose(step.network, [given["lstm"][symbol] for symbol in likeliest], rtol=1e-5)
        np.testing.assert_allclose(step.baseline, [given["bigram"][symbol] for symbol in likeliest], rtol=1e-5)


def test_the_table_of_results_alone_is_scored_by_bits(run):
    for results in (
        run["results"],
        run["results"].assign(
            **{
                name: pd.Categorical.from_codes(run["results"][name].fillna(-1).astype(int), pd.Index(STRANGE))
                for name in ("y", "y_hat")
            }
        ),
    ):
        alone = build_summary(results=results)
        bits = np.mean([-math.log2(row["chance"]) for row in rows_of(run)])
        network = next(row for row in alone.leaderboard if row.model == "lstm")
        assert network.measures["bits"] == pytest.approx(bits)
        assert network.measures["perplexity"] == pytest.approx(2**bits)
        assert alone.sections["steps"].metric == "bits a symbol"
        at = [np.mean([-math.log2(row["chance"]) for row in rows_of(run, step=h)]) for h in (1, 2, 3)]
        network = next(model for model in alone.sections["steps"].models if model.model == "lstm")
        np.testing.assert_allclose(network.errors, at, rtol=1e-5)
    assert alone.sections["costs"].symbols[0] in map(written, STRANGE)


def test_losses_are_in_bits(summary):
    assert summary.sections["learning"].unit == "bits a symbol"
    assert summary.sections["learning"].validation[-1] == 2.0
    assert summary.sections["learning"].says.endswith("Losses are in bits a symbol.")


def test_the_sections_of_values_are_not_there_and_all_others_are(run, summary):
    json.dumps(summary.as_dict(), allow_nan=False)
    assert {"data", "origins", "future", "residuals", "copy"}.isdisjoint(summary.sections)
    names = [figure.name for figure in draw(summary)]
    together = ["data", "surprise", "costs", "confusions", "future", "continuation", "error_by_step", "learning_curve"]
    assert names == together
    one, _ = made_up_symbols(tuple("ab"), steps=1)
    assert "error_by_step" not in [figure.name for figure in draw(build_summary(**one))]


def test_texts_that_are_too_few_are_refused(run):
    with pytest.raises(ForecastError, match="found 3 texts, and codes up to 11"):
        build_summary(**{**run, "symbols": ("a", "b", "c")})


def test_symbols_are_written_so_that_they_are_seen():
    texts = ["<script>alert(1)</scrip…", "&", "\"'", "U+0007", "ㅏ", "◌\u0301", "U+202E", "U+2028", "한", "⏎", "␣", "a"]
    assert [written(symbol) for symbol in STRANGE] == texts
    assert [written(f"{chr(0x1112)}"), written(chr(0x11AB)), written(""), written(chr(0xD800))] == [
        "ㅎ",
        "ㄴ",
        "nothing",
        "U+D800",
    ]
    blanks = {chr(0xA0): "U+00A0", chr(0x3000): "U+3000", chr(0x200C): "U+200C", "\r": "␍"}
    assert {symbol: written(symbol) for symbol in blanks} == blanks
    assert written("a" + chr(0x200C) + "b") == "a" + chr(0x200C) + "b"
    assert written("a" * 30) == "a" * 23 + "…"
    assert written("a" * 30, 16) == "a" * 15 + "…"
    assert readable("a\tb\n\x00\u202e한") == "a\tb\nU+0000U+202E한"


class _Seen(HTMLParser):
    def __init__(self, source):
        super().__init__()
        self.tags, self.titles, self.texts, self.within = [], [], [], None
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.within = dict(attrs).get("class", "")
        if tag == "span" and "title" in dict(attrs):
            self.titles.append(dict(attrs)["title"])

    def handle_data(self, data):
        self.texts.append(data)


def test_symbols_are_text_and_nothing_else(page, summary):
    page.encode("utf-8")
    seen = _Seen(page)
    assert page.count("<script") == 4
    assert "b" not in seen.tags
    assert not set(re.findall("[\x00-\x08\u202e\u2028\ud800]", page))
    passage = page[page.index('<p class="passage">') :]
    passage = _Seen(passage[: passage.index("</p>")])
    assert len(passage.titles) == len(summary.sections["passage"].tokens)
    assert "<script>alert(1)</scrip…" in passage.texts
    first = summary.sections["passage"].tokens[0]
    assert passage.titles[0].startswith(f"‘{first.text}’: ")
    assert passage.titles[0].endswith(f"likeliest was ‘{first.guess}’")
    assert "<b>and</b> so\non U+0007 U+D800 &amp;" in [text.strip() for text in seen.texts]


def test_charts_hold_to_the_schema_and_have_dark_twins(summary):
    for figure in draw(summary):
        if not figure.panels:
            continue
        alt.ConcatChart.from_dict({**picture_spec(figure), "datasets": {}}, validate=True)
        if figure.tokens:  # drawn in pictures only, which are light
            continue
        alt.Chart.from_dict({**page_spec(figure.panels[0]), "datasets": {}}, validate=True)
        spec = json.dumps([page_spec(panel) for panel in figure.panels])
        assert set(re.findall('"(#[0-9a-f]{6})"', spec)) <= set(dark_twins())


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_text_can_be_read_on_every_shade(palette):
    def luminance(colour):
        parts = [part / 255 for part in bytes.fromhex(colour[1:])]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    contrasts = []
    for level in range(len(SHADES)):
        lighter, darker = sorted([luminance(palette.ink), luminance(shade(palette, level))], reverse=True)
        contrasts.append((lighter + 0.05) / (darker + 0.05))
    assert min(contrasts) >= 4.5
    assert contrasts == sorted(contrasts, reverse=True)


def test_pictures_come_out_with_nothing_said(summary, tmp_path, capfd):
    write_report(summary, tmp_path)
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert names == {"data", "surprise", "costs", "confusions", "future", "error_by_step", "learning_curve"}
    assert all(path.stat().st_size > 10_000 for path in (tmp_path / "figures").iterdir())
    assert capfd.readouterr() == ("", "")


def test_the_leaderboard_fits_a_terminal_and_has_its_columns_on_the_page(run):
    board = pd.DataFrame(
        {
            "model": ["a_network_with_a_long_name", "bigram"],
            "kind": ["network", "naive"],
            "bits": [2.9, 13.868],
            "accuracy": [0.4625, 0.1],
            "perplexity": [7.46, 14937.2],
            "skill": [0.25, 0.0],
            "dm_p": [1e-9, np.nan],
            "fit_seconds": [12345.6, 0.1],
            "forecast_seconds": [0.3, 0.1],
            "status": "ok",
        }
    )
    console = Console(width=80, file=io.StringIO())
    print_leaderboard(board, ["verdict"], console, network="lstm", baseline="bigram")
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in lines[0]
    assert lines[0].split() == ["model", "bits", "skill", "p", "right", "perplexity", "seconds"]
    board["model"] = ["lstm", "bigram"]
    summary = build_summary(**run, leaderboard=board)
    html = report_html(summary, ())
    assert all(f">{heading}</th>" in html for heading in ("bits", "right", "perplexity", "skill"))
