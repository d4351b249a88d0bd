"""The headline of the probe does not make much of a memory on which nothing hangs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from forecast.inspection.pages.probe_words import headline


@pytest.mark.parametrize(
    ("length", "bare", "said"),
    [
        (3, 1.5, "gru on y remembers 3 steps"),
        (3, 1.009, "gru on y remembers 3 steps, and hardly anything hangs on it"),
        (None, 1.5, "gru on y remembers more than 96 steps"),
        (0, 0.999, "gru on y remembers nothing that makes its forecasts better"),
    ],
)
def test_the_headline(length, bare, said):
    cut = SimpleNamespace(fall=SimpleNamespace(length=length, walked=96), rmse=[bare, 1.0], whole=1.0)
    assert headline(SimpleNamespace(target_type="value", memory=SimpleNamespace(cut=cut)), "gru", "y") == said
