"""Layers on top of each other, with what makes deep recurrences learn.

    y = norm(cell_l(x)),   x <- x + y where both are of one size and `residual`, else x <- y

Normalisation is over the features of a step (Ba et al. 2016, "Layer Normalization"), residual connections as in deep
LSTMs (Wu et al. 2016, "Google's Neural Machine Translation System"); layer l goes back `dilations[l]` steps.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from forecast.network.cells import Backbone
    from forecast.network.state import State


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
