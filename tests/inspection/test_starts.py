"""States that forget where they began, and states that do not."""

from __future__ import annotations

import numpy as np
import pytest
from known_networks import LINEAR, leaky, made_system, reservoir_of, white

from forecast.inspection.starts import starts_of, starts_says
from forecast.network.reservoir import spectral_radius


def test_a_contraction_forgets_where_it_began():
    starts = starts_of(leaky(0.9, white(700)))
    steps = np.arange(len(starts.widest))
    assert starts.apart == 0
    assert starts.forgotten is not None
    assert starts.forgotten <= np.log(1e-3) / np.log(0.9) + 1  # tanh shrinks no less than its slope of 1
    assert (starts.widest <= 0.9**steps + 1e-6).all()


def test_a_bistable_unit_is_found_out():
    """tanh(2 h) has fixed points at 0.9575 and -0.9575: half of all states end at one, half at the other."""
    starts = starts_of(made_system(white(700), [[2.0]], [1.0], [[1.0]]))
    assert starts.forgotten is None
    assert 8 < starts.apart <= 32
    zero = starts_of(made_system(np.zeros(700), [[2.0]], [1.0], [[LINEAR]]))
    assert zero.apart == 32  # the state that begins at zero stays there, all others leave


def test_a_spectral_radius_of_0_9_is_no_proof():
    """The second unit holds the first back at rest; where its input is strong it is full, and the first has two states.

    Then h_1 = tanh(2 h_1), as above, though both eigenvalues of the weights have the size 0.9.
    """
    across = np.sqrt(1.81)
    carried = np.array([[2.0, -across], [across, -0.5]])
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(carried)), 0.9)
    at_rest = starts_of(made_system(white(700), 0.5 * carried, [1.0, 0.0], [[1.0, 0.0]]))
    assert at_rest.apart == 0
    driven = starts_of(made_system(white(700), carried, [1.0, 0.0], [[1.0, 0.0]], bias=[across, 10.0]))
    assert driven.forgotten is None
    assert 0 < driven.apart < 32


def test_a_reservoir_of_spectral_radius_0_9_without_the_echo_state_property_is_found_out():
    """The weights of above as a reservoir's: not its radius tells, but what it does with its inputs."""
    across = np.sqrt(1.81)
    carried = np.array([[2.0, -across], [across, -0.5]])
    driven = reservoir_of(white(700), carried, [LINEAR, 0.0], [across, 10.0])
    assert spectral_radius(driven.fitted.network.backbone.weight) == pytest.approx(0.9)
    starts = starts_of(driven)
    assert starts.forgotten is None
    assert 0 < starts.apart < 32
    assert "does not forget where it began" in starts_says(starts)
    calm = starts_of(reservoir_of(white(700), 0.5 * carried, [LINEAR, 0.0], [across, 10.0]))
    assert (calm.apart, calm.forgotten is None) == (0, False)
