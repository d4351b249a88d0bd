"""What the report says and draws of gradients, of made-up numbers."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import pytest

from forecast.reporting.html import page_spec
from forecast.reporting.sections.gradients import draw, gradient_section, reach


def recorded(norms, shares, first=None, saturation=()):
    """The table of a trained network, with another of it as initialised; shares are made to sum to one."""
    rows = []
    for name, (own_norms, own_shares) in {"initialised": first or (norms, shares), "trained": (norms, shares)}.items():
        whole = sum(own_shares) or 1.0
        rows += [(name, "state_norm", "state", lag, value) for lag, value in enumerate(own_norms)]
        rows += [(name, "gradient_share", "recurrent weights", k, value / whole) for k, value in enumerate(own_shares)]
    rows += [("trained", "saturation", of, None, share) for of, share in saturation]
    table = pd.DataFrame(rows, columns=["network", "measure", "of", "lag", "value"])
    return table.astype({"lag": "Int64"})


def history(norms, clipped):
    epochs = range(1, len(norms) + 1)
    return pd.DataFrame(
        {
            "epoch": epochs,
            "gradient_norm": norms,
            "largest_gradient_norm": np.array(norms) * 2,
            "clipped_share": clipped,
        }
    )


FADING = recorded(0.5 ** np.arange(11), 0.5 ** np.arange(11), first=(0.1 ** np.arange(11), 0.1 ** np.arange(11)))


def test_how_far_back_it_reaches_is_said():
    says = gradient_section(FADING, None).says
    assert says.startswith("The loss at a step hardly reaches further back than 3 steps (0 as initialised), of the 10")
    assert "Gradients vanish: on its way back through 10 steps of the trained network one shrinks to 0.00098" in says
    assert "by a factor of 0.500 a step on average; 1/e is left after 2 steps" in says
    assert "as initialised it comes to 1.0e−10 of its size" in says
    assert "clipped" not in says


@pytest.mark.parametrize(
    ("norms", "message"),
    [
        (
            1.5 ** np.arange(11),
            "Gradients explode: on its way back through 10 steps of the trained network one",
        ),
        (np.ones(11), "Gradients neither vanish nor explode: on its way back through 10 steps"),
        ([1.0, 0.5, *[0.0] * 9], "Gradients vanish: nothing of one is left 2 steps back"),
    ],
)
def test_whether_gradients_vanish_or_explode_is_said(norms, message):
    assert message in gradient_section(recorded(norms, np.ones(11)), None).says


def test_a_gradient_that_is_cut_off_is_not_said_to_fade():
    says = gradient_section(recorded(np.ones(11), np.ones(11)), None).says
    assert says.startswith("The loss at a step reaches back to where the gradient is cut off: nine tenths of what it")
    assert "come from the last 9 steps (9 as initialised), of the 10" in says


def test_a_network_that_learnt_nothing_is_said_to_have_no_gradient():
    table = recorded(np.ones(4), np.zeros(4), first=(np.ones(4), np.ones(4)))
    assert gradient_section(table, None).says.startswith("The trained network has no gradient")


@pytest.mark.parametrize(
    ("clipped", "clip", "message"),
    [
        ([1.0, 0.5, 0.0], 1.0, "Of all updates 50 % were clipped to a norm of 1, in the last epoch 0 %."),
        ([0.0, 0.0, 0.0], 2.5, "No update was clipped: no gradient was larger than 2.5."),
        ([0.0, 0.0, 0.0], None, "Gradients were not clipped (training.gradient_clip=null)."),
    ],
)
def test_how_often_clipping_acted_is_said(clipped, clip, message):
    assert gradient_section(FADING, history([3.0, 2.0, 1.0], clipped), clip).says.endswith(message)


def test_the_panels_hold_the_numbers():
    table = pd.concat([FADING, recorded([], [], saturation=[("forget gate open", 0.25)])])
    section = gradient_section(table, history([3.0, 2.0], [1.0, 0.5]), 1.0)
    norms, reached, steps, saturated = draw(section, None).panels
    trained = [row["y"] for row in norms.tables["lines"] if row["of"] == "trained"]
    assert trained == pytest.approx(0.5 ** np.arange(11), rel=1e-4)
    shares = [row["y"] for row in reached.tables["lines"] if row["of"] == "trained"]
    assert shares[:2] == pytest.approx([0.5, 0.75], rel=1e-3)
    assert shares[-1] == pytest.approx(1.0)
    assert [row["y"] for row in steps.tables["lines"]] == [6.0, 4.0, 3.0, 2.0]
    assert steps.tables["clip"] == [{"y": 1.0}]
    for panel in (norms, reached, steps, saturated):
        alt.Chart.from_dict({**page_spec(panel), "datasets": {}}, validate=True)
    assert saturated.tables["bars"] == [{"of": "forget gate open", "which": "trained", "y": 0.25}]


def test_what_is_too_small_to_be_drawn_ends_the_line():
    section = gradient_section(recorded([1.0, 1e-5, 1e-30], [1.0, 1.0, 1.0]), None)
    assert [row["t"] for row in draw(section, None).panels[0].tables["lines"]] == [0, 1, 0, 1]


def test_without_anything_recorded_there_is_no_section():
    assert gradient_section(FADING.iloc[:0], None) is None


def test_reach_is_the_lag_with_nine_tenths():
    assert [reach(np.array(one)) for one in ([1.0], [0.9, 0.1], [0.89, 0.1, 0.01], [0.0])] == [0, 0, 1, None]
