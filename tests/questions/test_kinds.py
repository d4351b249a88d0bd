"""Every question is told apart by its heads and its ranking metric, and is registered wherever one is looked up."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from forecast.evaluation.metrics import METRICS_OF
from forecast.forecasters.trajectories import keeps_copula
from forecast.network.heads import HEADS as HEAD_CLASSES
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import (
    DIRECTION,
    HEADS,
    QUESTIONS,
    RANKING_METRICS,
    TargetType,
    metric_label,
    question_of_head,
)


def test_heads_and_ranking_metrics_name_one_question_each():
    assert len(set(HEADS)) == len(HEADS)
    assert len(set(RANKING_METRICS)) == len(RANKING_METRICS)
    assert set(QUESTIONS) == set(get_args(TargetType))


def test_a_question_is_registered_wherever_one_is_looked_up():
    assert set(HEAD_CLASSES) == set(HEADS)
    assert set(METRICS_OF) == set(QUESTIONS)
    for question in QUESTIONS.values():
        assert {question.ranked_by, question.shown_beside} <= set(METRICS_OF[question.name])


def test_a_question_says_how_its_ranking_metric_is_written():
    assert [metric_label(question.ranked_by) for question in QUESTIONS.values()] == [
        "MASE",
        "Brier score",
        "bits a symbol",
    ]
    assert metric_label("mae") == "MAE"


@pytest.mark.parametrize("head", HEADS)
def test_only_distributions_of_values_have_a_copula(head):
    distribution = head != "point" and question_of_head(head) is QUESTIONS["value"]
    assert keeps_copula(LstmSettings(head=head), 7) == distribution


def test_a_forecast_of_values_implies_a_rise_where_it_lies_above_the_origin():
    implied = DIRECTION.implied(np.array([[1.0, 2.0, 3.0], [5.0, 4.0, 6.0]]), np.array([2.0, 5.0]))
    assert implied.tolist() == [[False, False, True], [False, False, True]]
