"""The same arithmetic as the project's training, as a plain loop that imports torch alone.

What it is given was computed beforehand: the inputs and targets of every row, and for each batch the rows of its lanes,
where segments begin, and which steps carry loss. What is timed is what nobody can leave out: gathering, forward,
loss, backward, clipping, Adam.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Bare(nn.Module):
    """One layer and a linear head."""

    def __init__(self, cell: str, inputs: int, hidden: int, horizon: int) -> None:
        super().__init__()
        self.core = CELLS[cell](inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, horizon)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=0.005)

    def step(self, forecast: Tensor, target: Tensor, exists: Tensor) -> float:
        """One optimizer step on the mean absolute error of what exists."""
        loss = ((forecast - target).abs() * exists).sum() / exists.sum().clamp(min=1)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


def stream_epoch(net: Bare, inputs: Tensor, target: Tensor, exists: Tensor, chunks: list[tuple[Tensor, ...]]) -> float:
    """Chunks of all lanes with the state carried: (rows, walked, trained, begins) each; the mean loss."""
    lstm = isinstance(net.core, nn.LSTM)
    state: Tensor | tuple[Tensor, ...] | None = None
    losses = []
    for rows, walked, trained, begins in chunks:
        x = inputs[rows] * walked[..., None]
        pieces = sorted({0, *begins[begins >= 0].tolist()})
        outputs = []
        for start, end in zip(pieces, [*pieces[1:], x.shape[1]], strict=True):
            if state is not None and (begins == start).any():
                keep = (begins != start).float()[None, :, None]
                state = tuple(part * keep for part in state) if lstm else state * keep  # type: ignore[operator]
            output, state = net.core(x[:, start:end], state)
            outputs.append(output)
        loss = net.step(net.head(torch.cat(outputs, dim=1)), target[rows], exists[rows] * trained[..., None])
        losses.append(loss)
        state = tuple(part.detach() for part in state) if lstm else state.detach()  # type: ignore[union-attr]
    return sum(losses) / len(losses)


def window_epoch(net: Bare, inputs: Tensor, target: Tensor, exists: Tensor, windows: list[Tensor]) -> float:
    """Batches of windows, (window, step) rows each, from a zero state; the mean loss."""
    losses = []
    for rows in windows:
        output, _ = net.core(inputs[rows])
        losses.append(net.step(net.head(output[:, -1]), target[rows[:, -1]], exists[rows[:, -1]]))
    return sum(losses) / len(losses)


@torch.no_grad()
def every_origin(net: Bare, inputs: Tensor, first: int) -> Tensor:
    """Forecasts from every row from `first` on, in one pass over the series, (origin, horizon)."""
    output, _ = net.core(inputs[None])
    return net.head(output[0, first:])
