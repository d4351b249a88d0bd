"""Who is asked for symbols, who is left out and why, and what makes no sense of the question."""

from __future__ import annotations

import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.forecasters.baselines import SHIPPED, refusal
from forecast.forecasters.naive import SymbolRates
from forecast.forecasters.recurrent import check_answered
from forecast.forecasters.settings import ClassifierSettings, NgramSettings
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import DIRECTION, SYMBOL, Problem
from forecast.tasks.candidates import chosen_baselines, forecasters, omitted_baselines, reference
from forecast.tasks.contradictions import check_question
from forecast.tasks.settings import check_job

OF_SYMBOLS = tuple(SHIPPED[name] for name in SYMBOL.baselines)

OF_DIRECTION = tuple(SHIPPED[name] for name in DIRECTION.baselines)

BIGRAM = {"name": "bigram", "method": "ngram", "order": 2}
FOREST = {"name": "forest", "method": "classifier", "classifier": "random_forest"}
OF_VALUES = {
    "naive": {"name": "naive", "method": "naive"},
    "drift": {"name": "drift", "method": "drift"},
    "level": {"name": "level", "method": "reference", "reference": "level"},
    "ridge": {"name": "ridge", "method": "regression", "regressor": "ridge"},
    "logistic": OF_DIRECTION[-1].model_dump(),
    "theta": {"name": "theta", "method": "auto_theta"},
}


def job_of(**changes):
    return small_job(**{"model__head": "categorical", "data": {"name": "text", "text": "ab" * 90}, **changes})


def names(job):
    return [one.name for one in chosen_baselines(job)]


def test_symbols_have_baselines_of_their_own_beside_those_that_are_chosen():
    own = ["trigram", "ngram", "softmax"]
    assert names(job_of()) == own
    assert names(job_of(baseline={"forest": FOREST})) == ["forest", *own]
    assert names(job_of(baseline={})) == []
    assert names(job_of(baseline={"ngram": {"name": "ngram", "method": "ngram"}})) == ["ngram"]
    assert names(job_of(baseline=OF_VALUES)) == own


def test_before_a_label_there_is_no_symbol_for_an_n_gram_to_read():
    labels = {"name": "csv", "path": "a.csv", "target_at": "end", "past": ["x"]}
    assert names(job_of(data=labels)) == ["softmax"]
    assert names(job_of(data=labels, baseline={"bigram": BIGRAM})) == ["bigram", "softmax"]


def test_the_base_rate_stands_in_the_place_of_the_untrained_reference():
    job = job_of(baseline={"bigram": BIGRAM})
    assert reference(job) == SymbolRates()
    assert [one.name for one in forecasters(job)] == ["lstm", "base_rate", "bigram", "trigram", "ngram", "softmax"]


def test_baselines_of_values_are_left_out_with_the_reason():
    said = omitted_baselines(job_of(baseline=OF_VALUES))
    assert said == (
        "naive, drift, level, ridge and theta left out of the symbols: for values, and symbols have none",
        "logistic left out of the symbols: says how likely a rise is: of symbols `baseline=[softmax]` says it",
    )
    assert omitted_baselines(job_of(baseline={"bigram": BIGRAM, "forest": FOREST})) == ()


@pytest.mark.parametrize("one", [BIGRAM, FOREST], ids=lambda one: one["name"])
def test_baselines_of_symbols_are_asked_for_nothing_else(one):
    job = small_job(**{f"baseline__{one['name']}": one})
    with pytest.raises(
        ForecastError, match=f"'{one['name']}' says how likely each symbol is, and is asked for the value"
    ):
        check_question(job)
    direction = small_job(model__head="direction", **{f"baseline__{one['name']}": one})
    check_question(direction)
    assert one["name"] not in names(direction)
    assert any(
        line.startswith(f"naive and {one['name']}") or one["name"] in line for line in omitted_baselines(direction)
    )


def test_what_answers_symbols():
    assert all(not refusal(one, SYMBOL) for one in OF_SYMBOLS)
    assert all(refusal(one, DIRECTION) for one in OF_SYMBOLS)
    assert refusal(OF_DIRECTION[0], SYMBOL)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split__calibration": 0.1}, r"`split\.calibration` is for .* `model\.head=categorical` has none"),
        ({"model__strategy": "recursive"}, r"`model\.head=categorical` says of each step .*model\.strategy=direct"),
        ({"model__fork_ensemble": 3}, r"`model\.head=categorical` says the probabilities .*model\.fork_ensemble=1"),
        ({"baseline__base_rate": {**BIGRAM, "name": "base_rate"}}, r"`baseline\.base_rate` is the row"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, said):
    check_question(job_of())
    with pytest.raises(ForecastError, match=said):
        check_question(job_of(**changes))


def test_a_network_is_asked_what_its_head_answers():
    check_answered(LstmSettings(head="categorical"), Problem(2, 4, target_type="symbol"))
    with pytest.raises(ForecastError, match=r"asks for the symbol, and `model.head=direction` answers the direction"):
        check_answered(LstmSettings(head="direction"), Problem(2, 4, target_type="symbol"))


def test_the_files_are_what_is_added():
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from forecast.app.composition import conf_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", ["baseline=[trigram,ngram,softmax]"])
    values = OmegaConf.to_container(config, resolve=True)
    job = check_job({key: value for key, value in values.items() if key not in ("hydra", "experiment")})
    assert tuple(job.baseline.values()) == OF_SYMBOLS


def test_what_is_said_in_python_is_what_the_files_say():
    assert NgramSettings(name="ngram", method="ngram") == OF_SYMBOLS[1]
    assert ClassifierSettings(name="softmax", method="classifier") == OF_SYMBOLS[2]
