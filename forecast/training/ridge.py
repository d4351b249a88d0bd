"""Ridge regression of every horizon step on the features at a fork, from sums over forks alone.

For each horizon step h, over the forks t of which the target y_th exists,

    sum over h of [ sum over t of (y_th - w_h z_t - a u_th - b_h)^2 + r n_h |w_h|^2 ]  +  r n |a|^2

is minimised: z the features, u what is known ahead of the step, n_h the number of forks with a target, n their sum over
h, r the penalty. The intercept b_h is not penalised; a is the same for all steps, so that an effect that is seen at one
of them is known at the others. The sums (sufficient statistics) are of double precision and are added up piece by
piece, so that memory does not grow with the length of the data.

Forks of which every target exists share one Gram matrix. The others (at the end of the split, around missing values)
are corrections of low rank (Woodbury 1950) while they are few; beyond that each horizon step has its own Gram matrix.
Both are exact.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from forecast.errors import ForecastError

_MOST_ROWS = 256
"""Incomplete forks that are corrections, at most; beyond half the number of features they no longer pay either."""
_MOST_BYTES = 4 * 2**30
"""Of the horizon steps' own Gram matrices, at most."""


class Solution(NamedTuple):
    """Weights of the ridge regression.

    Attributes
    ----------
    weights : (horizon, feature)
    bias : (horizon,)
    ahead : (known column,) weights of what is known ahead
    squares : (horizon,) sum of squared errors over the forks that it was fitted on

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
    gram, centre, complete : of complete forks sum of z z' (feature, feature), sum of z (feature,), and their number
    rest : incomplete forks, z (fork, feature) and which targets exist (fork, horizon); empty beside `gram_by_step`
    gram_by_step : (horizon, feature, feature) each step's sum of z z' less `gram`; None while such forks are few

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
        self.gram_by_step: Tensor | None = None

    def add(self, features: Tensor, target: Tensor, exists: Tensor, known: Tensor) -> None:
        """Add forks: (fork, feature), (fork, horizon) twice, and (fork, horizon, known column)."""
        z, mask = features.double(), exists.double()  # (fork, feature), (fork, horizon) 1 or 0
        y = target.double() * mask
        self.count += mask.sum(dim=0)
        self.features += mask.T @ z  # sum of z, by horizon step
        self.cross += y.T @ z  # sum of y z
        self.targets += y.sum(dim=0)
        self.squares += y.square().sum(dim=0)
        if known.shape[2]:
            self._add_known(z, y, known.double() * mask[..., None])
        complete = exists.bool().all(dim=1)
        complete_rows = z[complete]  # (complete fork, feature)
        self.gram += complete_rows.T @ complete_rows
        self.centre += complete_rows.sum(dim=0)
        self.complete += len(complete_rows)
        partial = exists.bool().any(dim=1) & ~complete
        self._add_rest(z[partial], mask[partial])

    def _add_known(self, z: Tensor, y: Tensor, u: Tensor) -> None:
        self.known += u.sum(dim=0)
        self.known_target += (u * y[..., None]).sum(dim=0)
        self.known_cross += (z.T @ u.flatten(1)).view(-1, *u.shape[1:]).transpose(0, 1)  # z u', by horizon step
        by_step = u.transpose(0, 1)  # (horizon, fork, known column)
        self.known_gram += by_step.transpose(1, 2) @ by_step

    def _add_rest(self, z: Tensor, there: Tensor) -> None:
        if self.gram_by_step is None:
            self.rest = torch.cat([self.rest[0], z]), torch.cat([self.rest[1], there])
            if len(self.rest[0]) <= min(len(self.centre) // 2, _MOST_ROWS):
                return
            self.gram_by_step = self._matrices_of_steps()
            z, there = self.rest
            self.rest = z[:0], there[:0]
        mostly = there.mean(dim=1) >= 0.5  # (fork,) added to the shared matrix, and subtracted where missing: less work
        self.gram += z[mostly].T @ z[mostly]
        for step, at_step in enumerate(there.T.bool()):
            more, less = z[at_step & ~mostly], z[~at_step & mostly]
            self.gram_by_step[step] += more.T @ more - less.T @ less

    def _matrices_of_steps(self) -> Tensor:
        horizon, size = self.features.shape
        needed = 8 * horizon * size**2
        if needed > _MOST_BYTES:
            raise ForecastError(
                f"where targets are missing, a read-out of {size} features and {horizon} horizon steps needs "
                f"{needed / 2**30:.1f} GB, more than {_MOST_BYTES / 2**30:.0f}: lower `model.hidden_size` or "
                f"`horizon`, or set `model.strategy=recursive`"
            )
        return self.gram.new_zeros(horizon, size, size)


class Ridge:
    """Solves the regression for any penalty."""

    def __init__(self, statistics: SufficientStatistics) -> None:
        """Centre all sums by horizon step: sum (z - mean z)(y - mean y) = sum z y - n mean z mean y."""
        m = statistics
        self.forks = max(int(m.count.sum()), 1)
        self._count = m.count.cpu().clamp(min=1)
        n = self._count[:, None]
        self._centre, self._known, self._level = m.features.cpu() / n, m.known.cpu() / n, m.targets.cpu() / n[:, 0]
        # sum (y - mean y)^2 and sum (z - mean z)(y - mean y), by horizon step
        self._square = m.squares.cpu() - n[:, 0] * self._level**2
        cross = m.cross.cpu() - n * self._centre * self._level[:, None]
        self._known_cross = m.known_cross.cpu() - n[..., None] * self._centre[:, :, None] * self._known[:, None, :]
        self._known_gram = m.known_gram.cpu() - n[..., None] * self._known[:, :, None] * self._known[:, None, :]
        self._known_target = m.known_target.cpu() - n * self._known * self._level[:, None]
        self._sides = torch.cat([cross[..., None], self._known_cross], dim=2)  # (horizon, feature, 1 + known column)
        self._inverse = (
            _Corrected(m, self._sides)
            if m.gram_by_step is None
            else _Factored(m, m.gram_by_step, self._centre, self._sides)
        )

    def solve(self, penalty: float) -> Solution:
        """Minimise the penalised sum of squares.

        w_h = (G_h + r n_h)^-1 (c_h - P_h a), with centred Gram matrix G_h, cross products c_h of the target and P_h of
        what is known ahead; put into the normal equations of `a` this leaves a system as small as `a`.
        """
        shrunk = penalty * self._count  # r n_h, (horizon,)
        solved = self._inverse.solve(shrunk)  # (horizon, feature, 1 + known column)
        of_target, of_known = solved[..., 0], solved[..., 1:]
        ahead = self._known.new_zeros(self._known.shape[1])
        if len(ahead):
            # The normal equations of a, summed over the horizon: K_h - P_h' (G_h + r n_h)^-1 P_h
            left = self._known_gram - self._known_cross.transpose(1, 2) @ of_known
            side = self._known_target - (self._known_cross * of_target[..., None]).sum(dim=1)
            total = left.sum(dim=0) + shrunk.sum() * torch.eye(len(ahead), dtype=torch.float64)
            ahead = torch.linalg.solve(total, side.sum(dim=0))
        weights = of_target - of_known @ ahead  # (horizon, feature)
        bias = self._level - (weights * self._centre).sum(dim=1) - self._known @ ahead
        return Solution(weights, bias, ahead, self._left_over(weights, ahead, shrunk))

    def _left_over(self, weights: Tensor, ahead: Tensor, shrunk: Tensor) -> Tensor:
        """Squared errors: by the normal equations, (G + r) w = c - P a, without the Gram matrix."""
        explained = (weights * self._sides[..., 0]).sum(dim=1) + 2 * self._known_target @ ahead
        shared = ((self._known_cross @ ahead) * weights).sum(dim=1) + (self._known_gram @ ahead) @ ahead
        return (self._square - explained + shared - shrunk * weights.square().sum(dim=1)).clamp(min=0)


class _Corrected:
    """Inverses of the shared Gram matrix, with a correction of low rank for each horizon step."""

    def __init__(self, m: SufficientStatistics, sides: Tensor) -> None:
        mean = m.centre.cpu() / max(m.complete, 1)
        centred = m.gram.cpu() - m.complete * torch.outer(mean, mean)
        values, self._vectors = torch.linalg.eigh(centred)  # once for all penalties
        self._values = values.clamp(min=0)[:, None]
        self._sides = self._vectors.T @ sides  # (horizon, eigenvector, side)
        z, there = (part.cpu() for part in m.rest)
        self._rows = _spread(z, there.T, mean, m.complete) @ self._vectors  # (horizon, row, feature)

    def solve(self, more: Tensor) -> Tensor:
        """Solve for all sides of each horizon step, with `more` on its diagonal: (horizon, feature, side)."""
        # Woodbury: (D + V'V)^-1 s = D^-1 s - D^-1 V' (1 + V D^-1 V')^-1 V D^-1 s, in the basis of eigenvectors
        diagonal = self._values + more[:, None, None]  # D, (horizon, feature, 1)
        solved = self._sides / diagonal
        scaled = self._rows.transpose(1, 2) / diagonal  # D^-1 V', (horizon, feature, row)
        core = self._rows @ scaled  # V D^-1 V', (horizon, row, row)
        core.diagonal(dim1=1, dim2=2).add_(1)
        back: Tensor = self._vectors @ (solved - scaled @ torch.linalg.solve(core, self._rows @ solved))
        return back


def _spread(z: Tensor, there: Tensor, mean: Tensor, count: int) -> Tensor:
    """Rows V such that V'V is what some forks add to the centred Gram matrix of `count` others of this mean.

    (row, feature), and which exist, (horizon, row) -> (horizon, row + 1, feature), zero where a row does not exist. The
    last row is the distance of the two means, as in the parallel formula of the variance (Chan et al. 1979).
    """
    rows = there.sum(dim=1, keepdim=True)
    rows_mean = (there @ z) / rows.clamp(min=1)  # (horizon, feature)
    between = (count * rows / (count + rows).clamp(min=1)).sqrt() * (rows_mean - mean)
    return torch.cat([(z - rows_mean[:, None]) * there[..., None], between[:, None]], dim=1)


class _Factored:
    """Inverses of each horizon step's own Gram matrix, by Cholesky factors."""

    def __init__(self, m: SufficientStatistics, gram_by_step: Tensor, centre: Tensor, sides: Tensor) -> None:
        self._gram, self._gram_by_step = m.gram.cpu(), gram_by_step.cpu()
        self._count, self._centre, self._sides = m.count.cpu(), centre, sides

    def solve(self, more: Tensor) -> Tensor:
        """Solve for all sides of each horizon step, with `more` on its diagonal: (horizon, feature, side)."""
        return torch.stack([self._solve(step, float(shrunk)) for step, shrunk in enumerate(more)])

    def _solve(self, step: int, more: float) -> Tensor:
        centre = self._centre[step]
        # sum (z - mean z)(z - mean z)' = sum z z' - n mean z mean z'
        matrix = self._gram + self._gram_by_step[step] - self._count[step] * torch.outer(centre, centre)
        matrix.diagonal().add_(more)
        solved: Tensor = torch.cholesky_solve(self._sides[step], torch.linalg.cholesky(matrix))
        return solved
