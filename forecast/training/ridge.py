"""Ridge regression of every horizon step on the features at a fork, from sums over forks alone.

For each horizon step h, over the forks t of which the target y_th exists,

    sum over h of [ sum over t of (y_th - w_h z_t - a u_th - b_h)^2 + r n_h |w_h|^2 ]  +  r n |a|^2

is made as small as it can be: z the features, u what is known ahead of the step, n_h the forks with a target, n their
sum over h, r the penalty. The intercept b_h is not penalised; a is the same for all steps, so that an effect that is
seen at one of them is known at the others. All sums are of double precision and are added up piece by piece, so that
memory does not grow with the length of the data.

Forks of which every target exists share one Gram matrix. The others (at the end of the stretch, around holes) are kept
as they are while they are few, and corrections of low rank (Woodbury 1950); beyond that each horizon step has a matrix
of its own for them. Both are exact.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from forecast.errors import ForecastError

_MOST_ROWS = 256
"""Forks that are kept as they are, at most; of half as many as there are features a correction no longer pays."""
_MOST_BYTES = 4 * 2**30
"""Of the matrices that horizon steps have of their own, at most."""


class Solution(NamedTuple):
    """What a ridge regression found.

    Attributes
    ----------
    weights : (horizon, feature)
    bias : (horizon,)
    ahead : (known column,) weights of what is known ahead
    squares : (horizon,) squared errors that are left, summed over the forks that it was fitted on

    """

    weights: Tensor
    bias: Tensor
    ahead: Tensor
    squares: Tensor


class SufficientStatistics:
    """Sums over forks, in double precision.

    Attributes
    ----------
    count : (horizon,) forks of which the target exists
    features, cross : (horizon, feature) sums of z, and of z y
    targets, squares : (horizon,) sums of y, and of its square
    known, known_target : (horizon, known column) sums of u, and of u y
    known_cross, known_gram : (horizon, feature or known column, known column) sums of z u', and of u u'
    gram, centre, complete : sum of z z' (feature, feature), sum of z (feature,) and number of the forks that share them
    rest : the other forks, z (fork, feature) and which targets exist (fork, horizon); empty where there is `own`
    own : (horizon, feature, feature) what z z' is more, or less, than `gram`; None while there are few other forks

    """

    def __init__(self, features: int, horizon: int, known: int, device: torch.device | None = None) -> None:
        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device)

        self.count, self.targets, self.squares = zeros(horizon), zeros(horizon), zeros(horizon)
        self.features, self.cross = zeros(horizon, features), zeros(horizon, features)
        self.known, self.known_target = zeros(horizon, known), zeros(horizon, known)
        self.known_cross, self.known_gram = zeros(horizon, features, known), zeros(horizon, known, known)
        self.gram, self.centre, self.complete = zeros(features, features), zeros(features), 0
        self.rest = zeros(0, features), zeros(0, horizon)
        self.own: Tensor | None = None

    def add(self, features: Tensor, target: Tensor, exists: Tensor, known: Tensor) -> None:
        """Add forks: (fork, feature), (fork, horizon) twice, and (fork, horizon, known column)."""
        z, there = features.double(), exists.double()
        y = target.double() * there
        self.count += there.sum(dim=0)
        self.features += there.T @ z
        self.cross += y.T @ z
        self.targets += y.sum(dim=0)
        self.squares += y.square().sum(dim=0)
        if known.shape[2]:
            self._add_known(z, y, known.double() * there[..., None])
        complete = exists.bool().all(dim=1)
        whole = z[complete]
        self.gram += whole.T @ whole
        self.centre += whole.sum(dim=0)
        self.complete += len(whole)
        partial = exists.bool().any(dim=1) & ~complete
        self._add_rest(z[partial], there[partial])

    def _add_known(self, z: Tensor, y: Tensor, u: Tensor) -> None:
        self.known += u.sum(dim=0)
        self.known_target += (u * y[..., None]).sum(dim=0)
        self.known_cross += (z.T @ u.flatten(1)).view(-1, *u.shape[1:]).transpose(0, 1)
        by_step = u.transpose(0, 1)
        self.known_gram += by_step.transpose(1, 2) @ by_step

    def _add_rest(self, z: Tensor, there: Tensor) -> None:
        if self.own is None:
            self.rest = torch.cat([self.rest[0], z]), torch.cat([self.rest[1], there])
            if len(self.rest[0]) <= min(len(self.centre) // 2, _MOST_ROWS):
                return
            self.own = self._room_of_their_own()
            z, there = self.rest
            self.rest = z[:0], there[:0]
        mostly = there.mean(dim=1) >= 0.5  # of these it is less work to take away what is not there
        self.gram += z[mostly].T @ z[mostly]
        for step, here in enumerate(there.T.bool()):
            more, less = z[here & ~mostly], z[~here & mostly]
            self.own[step] += more.T @ more - less.T @ less

    def _room_of_their_own(self) -> Tensor:
        horizon, size = self.features.shape
        needed = 8 * horizon * size**2
        if needed > _MOST_BYTES:
            raise ForecastError(
                f"where targets are missing, a read-out of {size} features and {horizon} horizon steps needs "
                f"{needed / 2**30:.1f} GB, more than {_MOST_BYTES / 2**30:.0f}: lower `model.hidden_size` or "
                f"`horizon`, or say `model.strategy=recursive`"
            )
        return self.gram.new_zeros(horizon, size, size)


class Ridge:
    """Solves for any penalty what was summed up."""

    def __init__(self, moments: SufficientStatistics) -> None:
        m = moments
        self.forks = max(int(m.count.sum()), 1)
        self._count = m.count.cpu().clamp(min=1)
        n = self._count[:, None]
        self._centre, self._known, self._level = m.features.cpu() / n, m.known.cpu() / n, m.targets.cpu() / n[:, 0]
        self._square = m.squares.cpu() - n[:, 0] * self._level**2
        cross = m.cross.cpu() - n * self._centre * self._level[:, None]
        self._known_cross = m.known_cross.cpu() - n[..., None] * self._centre[:, :, None] * self._known[:, None, :]
        self._known_gram = m.known_gram.cpu() - n[..., None] * self._known[:, :, None] * self._known[:, None, :]
        self._known_target = m.known_target.cpu() - n * self._known * self._level[:, None]
        self._sides = torch.cat([cross[..., None], self._known_cross], dim=2)  # (horizon, feature, 1 + known column)
        self._inverse = _Corrected(m, self._sides) if m.own is None else _Factored(m, m.own, self._centre, self._sides)

    def solve(self, penalty: float) -> Solution:
        """Minimise the sum of squares with a penalty."""
        shrunk = penalty * self._count
        solved = self._inverse.solve(shrunk)
        of_target, of_known = solved[..., 0], solved[..., 1:]
        ahead = self._known.new_zeros(self._known.shape[1])
        if len(ahead):
            left = self._known_gram - self._known_cross.transpose(1, 2) @ of_known
            side = self._known_target - (self._known_cross * of_target[..., None]).sum(dim=1)
            total = left.sum(dim=0) + shrunk.sum() * torch.eye(len(ahead), dtype=torch.float64)
            ahead = torch.linalg.solve(total, side.sum(dim=0))
        weights = of_target - of_known @ ahead
        bias = self._level - (weights * self._centre).sum(dim=1) - self._known @ ahead
        return Solution(weights, bias, ahead, self._left_over(weights, ahead, shrunk))

    def _left_over(self, weights: Tensor, ahead: Tensor, shrunk: Tensor) -> Tensor:
        """Squared errors: by the normal equations, (G + r) w = c - P a, without the Gram matrix."""
        explained = (weights * self._sides[..., 0]).sum(dim=1) + 2 * self._known_target @ ahead
        shared = ((self._known_cross @ ahead) * weights).sum(dim=1) + (self._known_gram @ ahead) @ ahead
        return (self._square - explained + shared - shrunk * weights.square().sum(dim=1)).clamp(min=0)


class _Corrected:
    """Inverses of one matrix, with a correction of low rank for each horizon step."""

    def __init__(self, m: SufficientStatistics, sides: Tensor) -> None:
        mean = m.centre.cpu() / max(m.complete, 1)
        values, self._vectors = torch.linalg.eigh(m.gram.cpu() - m.complete * torch.outer(mean, mean))
        self._values = values.clamp(min=0)[:, None]
        self._sides = self._vectors.T @ sides
        z, there = (part.cpu() for part in m.rest)
        self._rows = _spread(z, there.T, mean, m.complete) @ self._vectors  # (horizon, row, feature)

    def solve(self, more: Tensor) -> Tensor:
        """Solve for all sides of each horizon step, with `more` on its diagonal: (horizon, feature, side)."""
        each = self._values + more[:, None, None]  # (horizon, feature, 1)
        solved = self._sides / each
        scaled = self._rows.transpose(1, 2) / each
        core = self._rows @ scaled
        core.diagonal(dim1=1, dim2=2).add_(1)
        back: Tensor = self._vectors @ (solved - scaled @ torch.linalg.solve(core, self._rows @ solved))
        return back


def _spread(z: Tensor, there: Tensor, mean: Tensor, count: int) -> Tensor:
    """Rows whose squares are what some forks add to the squared deviations of `count` others of this mean.

    (row, feature), and which there are, (horizon, row) -> (horizon, row + 1, feature), zero where there is none.
    """
    mine = there.sum(dim=1, keepdim=True)
    own = (there @ z) / mine.clamp(min=1)  # (horizon, feature)
    between = (count * mine / (count + mine).clamp(min=1)).sqrt() * (own - mean)
    return torch.cat([(z - own[:, None]) * there[..., None], between[:, None]], dim=1)


class _Factored:
    """Inverses of a matrix for each horizon step."""

    def __init__(self, m: SufficientStatistics, own: Tensor, centre: Tensor, sides: Tensor) -> None:
        self._gram, self._own = m.gram.cpu(), own.cpu()
        self._count, self._centre, self._sides = m.count.cpu(), centre, sides

    def solve(self, more: Tensor) -> Tensor:
        """Solve for all sides of each horizon step, with `more` on its diagonal: (horizon, feature, side)."""
        return torch.stack([self._solve(step, float(one)) for step, one in enumerate(more)])

    def _solve(self, step: int, more: float) -> Tensor:
        centre = self._centre[step]
        matrix = self._gram + self._own[step] - self._count[step] * torch.outer(centre, centre)
        matrix.diagonal().add_(more)
        solved: Tensor = torch.cholesky_solve(self._sides[step], torch.linalg.cholesky(matrix))
        return solved
