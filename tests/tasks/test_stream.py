"""Rows through a pipe: forecasts as of task=predict, a state that goes on bit for bit, bad rows that harm nothing."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.runs.run import open_run
from forecast.tasks.predict import predict
from forecast.tasks.settings import StreamSettings
from forecast.tasks.stream import stream
from forecast.tasks.stream_state import Stream
from forecast.tasks.terminal import silent
from forecast.tasks.train import train

DAYS = pd.date_range("2024-01-01", periods=170, freq="D")
KNOWN, HORIZON = 150, 4
STEP = np.arange(len(DAYS))
SHOPS = {
    name: np.round(level + np.sin(2 * np.pi * STEP / 7) + 0.1 * np.cos(STEP**1.5), 3)
    for name, level in (("Nord", 10), ("Süd", 50))
}
PROMOTION = (STEP % 5 == 0).astype(int)
BAD = {
    "01.01.2024;Nord;5": "before its latest row",
    "30.05.2024;Nord;viel": "'viel' is no number",
    "30.05.2024;West;5": "does not know the series 'West'",
    "30.05.2024;5": "has 2 cells, expected 3",
    "gestern;Nord;5": "the time 'gestern' cannot be read",
    "01.01.2094;Nord;5": "steps after the latest row",
}


def table_of(steps, shops=SHOPS, **columns):
    rows = [
        {
            "Tag": DAYS[i].strftime("%d.%m.%Y"),
            "Laden": name,
            "Umsatz": y[i],
            **{key: c[i] for key, c in columns.items()},
        }
        for i in steps
        for name, y in shops.items()
    ]
    return pd.DataFrame(rows)


def written(table):
    return table.to_csv(index=False, sep=";", decimal=",")


def streamed(run, lines, pieces=1, data=None, **settings):
    """What a stream answers to a text that comes in so many pieces, and what it says."""
    content = lines.encode()
    cuts = [len(content) * i // pieces for i in range(pieces + 1)]
    answers, sentences = [], []
    source = [content[a:b] for a, b in pairwise(cuts)]
    stream(run, data or {}, StreamSettings(**settings), source=source, write=answers.append, say=sentences.append)
    return b"".join(answers).decode(), sentences


def last_forecasts(answers, name="y_hat"):
    """The forecasts after the last row of each series, (series, step)."""
    table = pd.DataFrame(
        [line.split(",") for line in answers.splitlines()[1:]], columns=answers.split("\n")[0].split(",")
    )
    numbers = table[[f"{name}+{i}" for i in range(1, HORIZON + 1)]].astype(float)
    return numbers.groupby(table["unique_id"]).last()


def predicted(run, table, folder):
    path = folder / "all.csv"
    path.write_text(written(table), encoding="utf-8")
    future = predict(run, {"path": str(path)}, folder / "predicted").future
    return np.stack([one.y_hat.to_numpy() for _, one in future[future.model == "lstm"].groupby("unique_id")])


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """A run on two shops, as a German spreadsheet has them, and the rows that came later."""
    folder = tmp_path_factory.mktemp("shops")
    (folder / "alt.csv").write_text(written(table_of(range(KNOWN))), encoding="utf-8")
    data = {"name": "csv", "path": str(folder / "alt.csv"), "id": "Laden"}
    trained = train(small_job(data=data, horizon=HORIZON, baseline={}), folder / "run", silent())
    return trained.folder, written(table_of(range(KNOWN, len(DAYS))))


def test_the_forecasts_are_those_of_a_prediction_from_the_whole_history(shops, tmp_path):
    run, rows = shops
    answers, sentences = streamed(run, rows)
    assert len(answers.splitlines()) == 1 + 2 * (len(DAYS) - KNOWN)
    assert answers.splitlines()[1].startswith("Nord,30.05.2024,")
    expected = predicted(run, table_of(range(len(DAYS))), tmp_path)
    np.testing.assert_allclose(last_forecasts(answers), expected, rtol=0, atol=1e-5)
    assert sentences == ["goes on after 300 rows of the data, the last of 29.05.2024"]


def test_how_rows_come_changes_no_bit(shops, tmp_path):
    run, rows = shops
    whole, _ = streamed(run, rows)
    assert streamed(run, rows, pieces=len(rows) // 3)[0] == whole
    table = pd.read_csv(pd.io.common.StringIO(rows), sep=";", decimal=",")
    objects = [
        {"ds": str(pd.Timestamp(r.Tag[6:] + r.Tag[3:5] + r.Tag[:2]).date()), "unique_id": r.Laden, "y": r.Umsatz}
        for r in table.itertuples()
    ]
    lines, _ = streamed(run, "".join(json.dumps(o) + "\n" for o in objects), output="csv")
    assert lines.replace("2024-05-30", "30.05.2024").splitlines()[:3] == whole.splitlines()[:3]
    assert [line.split(",")[2:] for line in lines.splitlines()] == [line.split(",")[2:] for line in whole.splitlines()]
    first = json.loads(streamed(run, rows, output="json", steps=[1, 3])[0].splitlines()[0])
    cells = dict(zip(whole.splitlines()[0].split(","), whole.splitlines()[1].split(","), strict=True))
    assert first["y_hat"] == [float(cells["y_hat+1"]), float(cells["y_hat+3"])]
    assert first["q0.05"][1] == float(cells["q0.05+3"]) < first["y_hat"][1] < first["q0.95"][1]


@pytest.mark.parametrize("cut", [1, 6, 21])
def test_a_saved_state_goes_on_bit_for_bit(shops, tmp_path, cut):
    run, rows = shops
    state = str(tmp_path / "state.safetensors")
    header, *lines = rows.splitlines(keepends=True)
    whole = streamed(run, rows)[0].splitlines()
    before, _ = streamed(run, "".join([header, *lines[:cut]]), state=state)
    after, sentences = streamed(run, "".join([header, *lines[cut:]]), state=state)
    assert [*before.splitlines(), *after.splitlines()[1:]] == whole
    assert sentences[0] == f"goes on from {state}"


def test_the_state_is_saved_on_request_and_belongs_to_its_run(shops, trained, tmp_path):
    run, rows = shops
    state = tmp_path / "state.safetensors"
    lines = rows.splitlines(keepends=True)
    _, sentences = streamed(run, "".join([*lines[:5], "save\n", *lines[5:9]]), state=str(state))
    assert [f"the state after {n} rows is in {state}" for n in (4, 8)] == sentences[-2:]
    with pytest.raises(ForecastError, match="is of another run"):
        streamed(trained.folder, "", state=str(state))
    with pytest.raises(ForecastError, match="has other intervals"):
        streamed(run, "", state=str(state), interval=0.8)
    with pytest.raises(ForecastError, match="has no use beside the state"):
        streamed(run, "", state=str(state), data={"path": "x.csv"})
    state.write_bytes(b"nothing")
    with pytest.raises(ForecastError, match="cannot be read"):
        streamed(run, "", state=str(state))


def test_bad_rows_are_answered_and_harm_nothing(shops):
    run, rows = shops
    whole, _ = streamed(run, rows)
    header, first, second, *others = rows.splitlines(keepends=True)
    lines = [header, *(f"{line}\n" for line in BAD), first, second, first, *others]
    answers, sentences = streamed(run, "".join(lines))
    assert answers == whole
    for number, (sentence, words) in enumerate(zip(sentences[1:], BAD.values(), strict=False), start=2):
        assert sentence.startswith(f"row {number}: ")
        assert words in sentence
    assert "has a row for 30.05.2024 already" in sentences[len(BAD) + 1]


def test_missing_steps_and_values_are_masked_as_a_prediction_masks_them(shops, tmp_path):
    run, _ = shops
    assert open_run(run).problem.season_steps == 7  # by which they are read
    later = [i for i in range(KNOWN, len(DAYS)) if i not in (153, 154)]
    holes = table_of(range(len(DAYS)))
    no_value = (holes["Tag"] == DAYS[160].strftime("%d.%m.%Y")) & (holes["Laden"] == "Nord")
    hidden = holes["Tag"].isin(DAYS[[153, 154]].strftime("%d.%m.%Y")) | no_value
    rows = table_of(later).merge(holes[~no_value], how="left", on=["Tag", "Laden"], suffixes=("_", ""))
    answers, sentences = streamed(run, written(rows[["Tag", "Laden", "Umsatz"]]))
    expected = predicted(run, holes.assign(Umsatz=holes["Umsatz"].where(~hidden)), tmp_path)
    np.testing.assert_allclose(last_forecasts(answers), expected, rtol=0, atol=1e-5)
    assert "series 'Nord': 2 missing steps (02.06.2024 to 03.06.2024), read as masked" in sentences


def test_series_begin_with_their_first_row_and_need_no_times(shops):
    run, rows = shops
    lines = [line.split(";")[1:] for line in rows.splitlines()]
    timeless = "".join(";".join(cells) + "\n" for cells in lines)
    assert [line.split(",")[2:] for line in streamed(run, timeless)[0].splitlines()] == [
        line.split(",")[2:] for line in streamed(run, rows)[0].splitlines()
    ]
    answers, sentences = streamed(run, rows, history=False)
    assert len(answers.splitlines()) == 1 + 2 * (len(DAYS) - KNOWN)
    assert all("its errors are" in sentence for sentence in sentences)
    table = last_forecasts(answers)
    assert np.isfinite(table).all(axis=None)
    assert table.loc["Süd"].mean() > 40 > table.loc["Nord"].mean()


def test_a_network_of_logarithms_refuses_what_has_none_and_goes_on(tmp_path):
    (tmp_path / "alt.csv").write_text(written(table_of(range(KNOWN), {"Nord": SHOPS["Nord"]})), encoding="utf-8")
    data = {"name": "csv", "path": str(tmp_path / "alt.csv"), "target": "Umsatz", "transform": "log"}
    run = train(small_job(data=data, horizon=HORIZON, baseline={}), tmp_path / "run", silent()).folder
    state = str(tmp_path / "state.safetensors")
    first, sentences = streamed(run, "30.05.2024;10,3\n31.05.2024;-1\n31.05.2024;10,5\n", state=state)
    assert "row 2: the value -1 is not above zero" in sentences[1]
    assert len(first.splitlines()) == 3
    assert len(streamed(run, "01.06.2024;10,2\n", state=state)[0].splitlines()) == 2


def test_covariates_known_ahead_come_in_the_row(tmp_path):
    (tmp_path / "alt.csv").write_text(
        written(table_of(range(KNOWN), {"Nord": SHOPS["Nord"]}, Aktion=PROMOTION, Wetter=PROMOTION[::-1])),
        encoding="utf-8",
    )
    ahead = table_of(range(KNOWN, KNOWN + HORIZON), {"Nord": np.full(len(DAYS), np.nan)}, Aktion=PROMOTION)
    with (tmp_path / "alt.csv").open("a", encoding="utf-8") as file:
        file.write(ahead.assign(Wetter=np.nan).to_csv(index=False, header=False, sep=";", decimal=","))
    data = {"name": "csv", "path": str(tmp_path / "alt.csv"), "target": "Umsatz", "id": "Laden"}
    data |= {"future": ["Aktion"], "past": ["Wetter"]}
    trained = train(small_job(data=data, horizon=HORIZON, baseline={}), tmp_path / "run", silent())
    run, used = open_run(trained.folder), range(KNOWN, KNOWN + 8)
    one = Stream(run, trained.prepared.source.panel)
    with pytest.raises(ForecastError, match="needs 'Aktion' 4 steps ahead, and it is known 3 ahead"):
        one.update(1.0, Wetter=0)
    for i in used:
        updated = one.update(
            SHOPS["Nord"][i], Wetter=PROMOTION[::-1][i], **{f"Aktion+{HORIZON}": PROMOTION[i + HORIZON]}
        )
    everything = table_of(range(used.stop), {"Nord": SHOPS["Nord"]}, Aktion=PROMOTION, Wetter=PROMOTION[::-1])
    later = table_of(range(used.stop, used.stop + HORIZON), {"Nord": np.full(len(DAYS), np.nan)}, Aktion=PROMOTION)
    expected = predicted(trained.folder, pd.concat([everything, later]), tmp_path)[0]
    np.testing.assert_allclose(updated.y_hat, expected, rtol=0, atol=1e-5)
    assert updated.time == DAYS[used.stop - 1].strftime("%d.%m.%Y")
