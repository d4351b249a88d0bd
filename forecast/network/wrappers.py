"""Reading a window from both of its ends (Schuster and Paliwal 1997).

What reads backwards begins at the origin, so a step's features know the steps after it: only the last step of a window
may be forecast from, and no state can be carried on.
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


class Bidirectional(nn.Module):
    """Features of a window: where both directions end, at each of its steps; there is no state.

    `core` is bidirectional, batches first.
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
        """Run over (lane, step, input) -> (lane, step, 2 hidden)."""
        out, _ = self.core(x)
        size = self.core.hidden_size
        both = torch.cat([out[:, -1, :size], out[:, 0, size:]], dim=-1)
        return self.dropout(both)[:, None].expand(-1, x.shape[1], -1), state


class Dilated(nn.Module):
    """A backbone that goes on from its state S steps ago.

    The state is every part of the inner one after each of the last S steps, (lane, S, ...), oldest first.
    """

    def __init__(self, inner: Backbone, steps: int) -> None:
        super().__init__()
        self.inner = inner
        self.steps = steps
        self.feature_size = inner.feature_size

    def initial_state(self, lanes: int) -> State:
        """Return the inner state's own zeros at each of the steps before."""
        before = self.inner.initial_state(lanes)
        return tuple(part[:, None].expand(-1, self.steps, *part.shape[1:]) for part in before)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        whole = x.shape[1] - x.shape[1] % self.steps
        features, after = self._side_by_side(x[:, :whole], state)
        rest, after = self._side_by_side(x[:, whole:], after)
        return torch.cat([features, rest], dim=1), after

    def _side_by_side(self, x: Tensor, before: State) -> tuple[Tensor, State]:
        """Run over a whole number of times S steps, or less than S: (lane, step, input).

        Step t goes on from the state S steps before it, so the steps t, t + S, ... are a recurrence of their own.
        """
        lanes, steps = x.shape[:2]
        if not steps:
            return x.new_zeros(lanes, 0, self.feature_size), before
        phases = min(steps, self.steps)
        own = x.reshape(lanes, -1, phases, x.shape[2]).transpose(1, 2).flatten(0, 1)  # (lane * phase, turn, input)
        state = tuple(part[:, :phases].flatten(0, 1) for part in before)
        features, after = self.inner(own, state)
        in_order = features.reshape(lanes, phases, -1, self.feature_size).transpose(1, 2).flatten(1, 2)
        moved = tuple(
            torch.cat([old[:, phases:], new.reshape(lanes, phases, *new.shape[1:])], dim=1)
            for old, new in zip(before, after, strict=True)
        )
        return in_order, moved


class Patched(Dilated):
    """A backbone that reads the last S = `segment_steps` inputs at each step, and goes on from its state S steps ago.

    `inner` reads what is made of a segment, `inner.feature_size` numbers. The state is the last S - 1 inputs,
    (lane, step, input), and then that of a dilated recurrence.
    """

    def __init__(self, inner: Backbone, segment_steps: int, input_size: int) -> None:
        super().__init__(inner, segment_steps)
        self.input_size = input_size
        self.reader = nn.Linear(segment_steps * input_size, inner.feature_size)

    def initial_state(self, lanes: int) -> State:
        """Zeros: no inputs, and the inner state's own zeros at each of the steps before."""
        inputs = self.reader.weight.new_zeros(lanes, self.steps - 1, self.input_size)
        return (inputs, *super().initial_state(lanes))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        inputs, *before = state
        seen = torch.cat([inputs, x], dim=1)
        segments = seen.unfold(1, self.steps, 1).transpose(2, 3).flatten(2)  # (lane, step, S * input)
        features, after = super().forward(torch.relu(self.reader(segments)), tuple(before))
        return features, (seen[:, x.shape[1] :], *after)


class Stack(nn.Module):
    """Backbones one after the other; the state is all of theirs, one after the other."""

    def __init__(self, layers: Sequence[Backbone], *, residual: bool, layer_norm: bool, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)  # type: ignore[arg-type]  # backbones are modules
        self.feature_size = layers[-1].feature_size
        self.residual = residual
        self.norms = nn.ModuleList(nn.LayerNorm(one.feature_size) if layer_norm else nn.Identity() for one in layers)
        self.dropout = nn.Dropout(dropout)
        parts = (len(one.initial_state(1)) for one in layers)
        self._borders = tuple(pairwise(accumulate(parts, initial=0)))

    def initial_state(self, lanes: int) -> State:
        """Return the layers' own states, one after the other."""
        layers: Iterable[Backbone] = self.layers  # type: ignore[assignment]
        return tuple(part for layer in layers for part in layer.initial_state(lanes))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (lane, step, input)."""
        after: list[Tensor] = []
        for layer, norm, (first, end) in zip(self.layers, self.norms, self._borders, strict=True):
            out, own = layer(x, state[first:end])
            y: Tensor = norm(out)
            x = self.dropout(x + y if self.residual and x.shape == y.shape else y)
            after += own
        return x, tuple(after)
