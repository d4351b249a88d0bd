"""How gradients travel back in time through a network as it was initialised and as it was trained, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from forecast.inspection.copies import doubled, with_random_head
from forecast.inspection.excerpt import excerpt
from forecast.inspection.lags import lag_shares, state_norms
from forecast.inspection.saturation import saturation
from forecast.training.job import initial_network

if TYPE_CHECKING:
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.inspection.excerpt import Excerpt
    from forecast.network.network import Network
    from forecast.series.panel import IntArray, Panel

COLUMNS = ("network", "measure", "of", "lag", "value")


def record_gradients(fitted: FittedNetwork, past: Panel, train_steps: IntArray) -> pd.DataFrame:
    """Measure a trained network, and what it was before its first step, on spans of its training split.

    `past` is what it was fitted on. Columns: `network` (initialised or trained), `measure`, `of`, `lag`, `value`:

    state_norm       how much is left of a change of the state `lag` steps later (`lags.state_norms`)
    gradient_share   share of a lag in the gradient of the recurrent weights (`lags.lag_shares`); the network as
                     initialised has a random head for it, since behind its own, which is zero, there is no gradient
    saturation       share of gates and activations that are saturated, by what they are `of` (`saturation`); no lag

    Everything is computed in double precision, on copies. No row where no step has a target.
    """
    _, job = fitted.chosen().training_job(past, train_steps, fitted.problem)
    taken = excerpt(job)
    if taken is None:
        return pd.DataFrame(columns=list(COLUMNS))
    networks = {"initialised": with_random_head(initial_network(job), job.seed), "trained": fitted.network}
    rows = [(name, *row) for name, network in networks.items() for row in _measured(doubled(network), taken, job.seed)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"lag": "Int64"})


def _measured(network: Network, taken: Excerpt, seed: int) -> list[tuple[str, str, int | None, float]]:
    state = taken.state(network)
    lanes = range(len(taken.batch.x))
    states = [tuple(part[lane : lane + 1] for part in state) for lane in lanes]
    norms = state_norms(network, taken.batch, state, seed)
    shares = lag_shares(network, [taken.lane(lane) for lane in lanes], states)
    return [
        *(("state_norm", "state", lag, value) for lag, value in enumerate(norms.tolist())),
        *(("gradient_share", "recurrent weights", lag, value) for lag, value in enumerate(shares.tolist())),
        *(("saturation", of, None, value) for of, value in saturation(network, taken.batch, state).items()),
    ]
