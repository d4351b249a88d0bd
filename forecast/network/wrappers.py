"""What lies around and between cells: stacks of layers, dilations, patches, and reading a window from both ends.

Each is a backbone itself, a pure function (inputs, state) -> (features, state); equations stand at the classes.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from forecast.network.cells import Backbone
    from forecast.network.state import State


class Stack(nn.Module):
    """Backbones one after the other; the state is all of theirs, one after the other.

        y = norm(cell_l(x)),   x <- x + y where both are of one size and `residual`, else x <- y

    Normalisation is over the features of a step (Ba et al. 2016, "Layer Normalization"), residual connections are as in
    deep LSTMs (Wu et al. 2016, "Google's Neural Machine Translation System").
    """

    def __init__(self, layers: Sequence[Backbone], *, residual: bool, layer_norm: bool, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)  # type: ignore[arg-type]  # backbones are modules
        self.feature_size = layers[-1].feature_size
        self.residual = residual
        norms = (nn.LayerNorm(layer.feature_size) if layer_norm else nn.Identity() for layer in layers)
        self.norms = nn.ModuleList(norms)
        self.dropout = nn.Dropout(dropout)
        parts = (len(layer.initial_state(1)) for layer in layers)
        self._borders = tuple(pairwise(accumulate(parts, initial=0)))  # of the parts of each layer in the state

    def initial_state(self, lanes: int) -> State:
        """Return the layers' own states, one after the other."""
        layers: Iterable[Backbone] = self.layers  # type: ignore[assignment]
        return tuple(part for layer in layers for part in layer.initial_state(lanes))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        after: list[Tensor] = []
        for layer, norm, (first, end) in zip(self.layers, self.norms, self._borders, strict=True):
            out, layer_after = layer(x, state[first:end])
            y: Tensor = norm(out)
            x = self.dropout(x + y if self.residual and x.shape == y.shape else y)
            after += layer_after
        return x, tuple(after)


class Dilated(nn.Module):
    """A backbone that goes on from its state S steps ago.

        features_t, state_t = cell(x_t, state_{t-S})        S = `steps`

    Stacked with S growing from layer to layer this is the Dilated RNN (Chang et al. 2017, arXiv 1710.02224): a gradient
    over n recurrent steps reaches n S steps back. The S recurrences are independent of each other: they run side by
    side as lanes, a chunk of T steps in T / S calls of the cell. The state is every part of the inner one after each of
    the last S steps, (lane, S, ...), oldest first.
    """

    def __init__(self, inner: Backbone, steps: int) -> None:
        super().__init__()
        self.inner = inner
        self.steps = steps
        self.feature_size = inner.feature_size

    def initial_state(self, lanes: int) -> State:
        """Return the inner state's own zeros at each of the last S steps."""
        before = self.inner.initial_state(lanes)
        return tuple(part[:, None].expand(-1, self.steps, *part.shape[1:]) for part in before)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        whole = x.shape[1] - x.shape[1] % self.steps
        features, after = self._side_by_side(x[:, :whole], state)
        rest, after = self._side_by_side(x[:, whole:], after)
        return torch.cat([features, rest], dim=1), after

    def _side_by_side(self, x: Tensor, before: State) -> tuple[Tensor, State]:
        """Run over a multiple of S steps, or fewer than S: (lane, step, input).

        Step t goes on from the state S steps before it, so the steps t, t + S, ... are a recurrence of their own.
        """
        lanes, steps = x.shape[:2]
        if not steps:
            return x.new_zeros(lanes, 0, self.feature_size), before
        phases = min(steps, self.steps)
        by_phase = x.reshape(lanes, -1, phases, x.shape[2]).transpose(1, 2).flatten(0, 1)  # (lane * phase, turn, input)
        state = tuple(part[:, :phases].flatten(0, 1) for part in before)  # (lane * phase, ...)
        features, after = self.inner(by_phase, state)
        in_order = features.reshape(lanes, phases, -1, self.feature_size).transpose(1, 2).flatten(1, 2)
        moved = tuple(  # (lane, S, ...), the oldest leave
            torch.cat([old[:, phases:], new.reshape(lanes, phases, *new.shape[1:])], dim=1)
            for old, new in zip(before, after, strict=True)
        )
        return in_order, moved


class Patched(Dilated):
    """A backbone that reads a patch of S steps at once, and goes on from its state S steps ago.

        u_t = relu(W [x_{t-S+1}, ..., x_t] + b),   features_t, state_t = cell(u_t, state_{t-S})   S = `segment_steps`

    A GRU over patches of a window was proposed by Lin et al. 2023, "SegRNN" (arXiv 2308.11200). Here every step reads
    the patch that ends at it, so that every step forks as in any other backbone. `inner` reads `inner.feature_size`
    numbers u_t. The state is the last S - 1 inputs, (lane, step, input), and then that of a dilated recurrence.
    """

    def __init__(self, inner: Backbone, patch_steps: int, input_size: int) -> None:
        super().__init__(inner, patch_steps)
        self.input_size = input_size
        self.reader = nn.Linear(patch_steps * input_size, inner.feature_size)

    def initial_state(self, lanes: int) -> State:
        """Zeros: no inputs, and the inner state's own zeros at each of the last S steps."""
        inputs = self.reader.weight.new_zeros(lanes, self.steps - 1, self.input_size)
        return (inputs, *super().initial_state(lanes))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        inputs, *before = state
        read = torch.cat([inputs, x], dim=1)  # (lane, S - 1 + step, input)
        patches = read.unfold(1, self.steps, 1).transpose(2, 3).flatten(2)  # (lane, step, S * input)
        features, after = super().forward(torch.relu(self.reader(patches)), tuple(before))
        return features, (read[:, x.shape[1] :], *after)


class Bidirectional(nn.Module):
    """A window read from both of its ends (Schuster and Paliwal 1997); there is no state.

    What reads backwards begins at the origin, so a step's features know the steps after it: only the last step of a
    window may be forecast from. `core` is bidirectional, batches first.
    """

    def __init__(self, core: nn.RNNBase, dropout: float) -> None:
        super().__init__()
        self.core = core
        self.dropout = nn.Dropout(dropout)
        self.feature_size = 2 * core.hidden_size

    def initial_state(self, lanes: int) -> State:
        """Nothing is carried."""
        return ()

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input) -> (lane, step, 2 hidden): both ends, the same at each step."""
        out, _ = self.core(x)  # (lane, step, 2 hidden), forwards and backwards
        size = self.core.hidden_size
        both = torch.cat([out[:, -1, :size], out[:, 0, size:]], dim=-1)
        return self.dropout(both)[:, None].expand(-1, x.shape[1], -1), state
