"""Many-to-one from a file: the word of each series is learnt, scored on whole series, and said of those without one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.tasks.check import check
from forecast.tasks.predict import predict
from forecast.tasks.prepare import prepare
from forecast.tasks.terminal import silent
from forecast.tasks.train import train


def write(path, words):
    """A series begins with 1 or -1 and goes on with noise; its word is in the first of its rows, or nowhere."""
    rng = np.random.default_rng(0)
    rows = []
    for i, word in enumerate(words):
        first = 1.0 if i % 2 else -1.0
        for t in range(int(rng.integers(1, 9))):
            said = ("rise" if i % 2 else "fall") if word and t == 0 else ""
            rows.append((f"n{i:02d}", t, first if t == 0 else 0.1 * rng.normal(), "first" if t == 0 else "later", said))
    pd.DataFrame(rows, columns=["id", "t", "x", "place", "word"]).to_csv(path, index=False)


def job_of(path, **said):
    data = {"name": "csv", "path": str(path), "target": "word", "id": "id", "target_at": "end", "past": ["x", "place"]}
    over = {"over": "series", "validation": 8, "test": 8}
    given = {"data": data, "split": over, "horizon": 1, "model__head": "categorical", "baseline": {}, **said}
    return small_job(training__learning_rate=0.03, training__max_epochs=20, **given)


@pytest.fixture(name="path")
def make_path(tmp_path):
    write(tmp_path / "words.csv", [True] * 40 + [False] * 3)
    return tmp_path / "words.csv"


def test_from_a_file_of_words_to_the_words_of_new_series(path, tmp_path):
    result = train(job_of(path), tmp_path / "run", silent())
    assert result.prepared.panel.symbols == ("fall", "rise")
    tested = result.evaluation.test.results
    network = tested[tested["model"] == "lstm"]
    assert network["unique_id"].astype(str).tolist() == [f"n{i}" for i in range(32, 40)]
    assert (network["y_hat"] == network["y"]).all()
    ahead = pd.read_csv(tmp_path / "run" / "forecasts.csv")
    likeliest = ahead[ahead["model"] == "lstm"].groupby("unique_id").first()
    assert likeliest["symbol"].to_dict() == {"n40": "fall", "n41": "rise", "n42": "fall"}
    assert any("no label: 'n40', 'n41', 'n42'" in note for note in result.prepared.source.notes)
    write(path, [True] * 43)  # now they are known
    prediction = predict(tmp_path / "run", {"path": str(path)}, tmp_path / "later")
    assert prediction.future.empty
    assert prediction.scores.set_index("model").loc["lstm", "steps"] == 3
    assert " predict 43 labels: " in prediction.sentence
    assert (
        "of the run's own forecast 3 labels can be compared with what came: lstm bits a symbol" in prediction.sentence
    )


def test_the_tripwire_is_not_set_off(path):
    assert check(job_of(path)).exit_status == 0


def test_a_horizon_of_several_steps_is_refused_before_anything_is_cut(path):
    with pytest.raises(ForecastError, match=r"found `horizon=4`: set `horizon=1`"):
        prepare(job_of(path, horizon=4))
