"""The section that says what each thing does, and the rows of the data that were not expected."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from forecast.evaluation.effects import EFFECT_COLUMNS
from forecast.reporting.lines import find_clock
from forecast.reporting.sections.data import data_section
from forecast.reporting.sections.effects import build

ROWS = [
    ("calendar_regression", "a", "trend", "over the last year", -40.0, -50.0, -30.0, 0.9, 0.88, 0.92),
    ("calendar_regression", "a", "covariate", "promotion", 181.0, 160.0, 202.0, 1.362, 1.312, 1.413),
    ("calendar_regression", "b", "covariate", "promotion", 5.0, 1.0, 9.0, 1.1, 1.0, 1.2),
    ("lstm", "", "covariate", "price, per 1 more", 1.0, -3.0, 5.0, np.nan, np.nan, np.nan),
]


def test_the_drawn_series_has_its_effects_with_sign_factor_and_interval():
    table = pd.DataFrame(ROWS, columns=list(EFFECT_COLUMNS))
    section = build(SimpleNamespace(effects=table, uid="a"))
    assert [title for title, _ in section.groups] == ["covariates (calendar_regression)", "covariates (lstm)"]
    (promotion,), (price,) = (effects for _, effects in section.groups)
    assert promotion.written == "+181, ×1.36 (90 %: 1.31 to 1.41)"
    assert price.written == "+1.00 (90 %: −3.00 to 5.00)"
    assert (
        "By calendar_regression: promotion: +181, ×1.36 (90 %: 1.31 to 1.41); trend over the last year" in section.says
    )
    assert "By lstm" not in section.says  # its only effect may be none
    assert build(SimpleNamespace(effects=None, uid="a")) is None


def test_rows_that_were_not_expected_are_marked_in_their_own_series():
    days = pd.date_range("2024-01-01", periods=50)
    truth = pd.DataFrame({"ds": days, "y": np.arange(50.0)})
    odd = pd.DataFrame({"unique_id": ["a", "b"], "ds": days[[3, 9]], "y": [3.0, 9.0]})
    section = data_section(truth, find_clock(truth["ds"]), 100, "a", "a", anomalies=odd)
    assert section.unexpected.y == (3.0,)
    assert "1 row outside the band of 99 %" in section.says
    assert data_section(truth, find_clock(truth["ds"]), 100, "a", "a").unexpected is None
