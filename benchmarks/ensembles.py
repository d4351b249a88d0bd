"""Members of an ensemble one after another, against all in one batched call.

    python benchmarks/ensembles.py

One optimizer step's forward and backward pass of five networks at the default sizes: torch's own layers one after
another, against one cell of all members, whose matrices are multiplied in a batch (`torch.bmm`), step by step.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBERS, LANES, STEPS, HIDDEN, INPUTS = 5, 8, 64, 32, 3
REPEATS = 20


def one_after_another(layers: list[nn.RNNBase], x: Tensor) -> None:
    """Forward and backward of each member by itself."""
    for layer in layers:
        layer(x)[0].sum().backward()


class BatchedLstm:
    """All members at once; equations as in `forecast.network.cells`."""

    gates = 4

    def __init__(self) -> None:
        size = self.gates * HIDDEN
        self.w = torch.randn(MEMBERS, INPUTS, size, requires_grad=True)
        self.u = torch.randn(MEMBERS, HIDDEN, size, requires_grad=True)
        self.b = torch.zeros(MEMBERS, 1, size, requires_grad=True)

    def __call__(self, x: Tensor) -> None:
        """Forward and backward of all members; `x` is (lane, step, input)."""
        lanes, steps, inputs = x.shape
        own = (x.reshape(1, lanes * steps, inputs) @ self.w + self.b).view(MEMBERS, lanes, steps, -1)
        h = c = torch.zeros(MEMBERS, lanes, HIDDEN)
        total = torch.zeros(())
        for step in range(steps):
            h, c = self.cell(own[:, :, step], h, c)
            total = total + h.sum()
        total.backward()

    def cell(self, own: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        i, f, g, o = (own + torch.bmm(h, self.u)).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class BatchedGru(BatchedLstm):
    """The same for a GRU."""

    gates = 3

    def cell(self, own: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        r, z, n = own.chunk(3, dim=-1)
        hr, hz, hn = torch.bmm(h, self.u).chunk(3, dim=-1)
        gate = (z + hz).sigmoid()
        return (1 - gate) * (n + (r + hr).sigmoid() * hn).tanh() + gate * h, c


def milliseconds(run: Callable[[], None]) -> float:
    """Median time of a call, the first left out."""
    run()
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        spent.append(time.perf_counter() - began)
    return 1000 * statistics.median(spent)


def main() -> None:
    """Print a line for each cell."""
    torch.set_num_threads(1)
    x = torch.randn(LANES, STEPS, INPUTS)
    for name, kind, batched in (("lstm", nn.LSTM, BatchedLstm()), ("gru", nn.GRU, BatchedGru())):
        layers: list[nn.RNNBase] = [kind(INPUTS, HIDDEN, batch_first=True) for _ in range(MEMBERS)]
        alone, together = milliseconds(lambda: one_after_another(layers, x)), milliseconds(lambda: batched(x))  # noqa: B023
        print(f"{name}: {MEMBERS} members one after another {alone:.1f} ms, batched {together:.1f} ms")


if __name__ == "__main__":
    main()
