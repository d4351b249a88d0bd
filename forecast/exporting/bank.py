"""The pretrained network and its bank of smoothers as a graph of one step.

The arithmetic of `reference.bank`, in double precision, of a batch of series of any ages: what stands at place
`steps % season` there is first in a row that turns by one at each step here, and what begins otherwise than at zero is
kept as its difference from there, or told by counts. There is no graph of a context: it is read step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from forecast.network.pretrained import ALWAYS_THE_SAME, FARTHEST, Scaled, place_in_horizon
from forecast.reference import smoothers
from forecast.reference.discounted import MEMORIES, discounted

if TYPE_CHECKING:
    from forecast.exporting.graphs import Answer
    from forecast.forecasters.pretrained import FittedPretrained
    from forecast.series.panel import FloatArray, IntArray

    State: TypeAlias = dict[str, Tensor]

_S, _FIRST = len(smoothers.SMOOTHERS), smoothers.FIRST_SEASONAL
_R = smoothers.REGRESSORS


class BankGraph(nn.Module):
    """The pretrained network, one step at a time: a `Graph` without a context."""

    def __init__(self, fitted: FittedPretrained, answer: Answer) -> None:
        super().__init__()
        self.network, self.answer, self.horizon = fitted.network, answer, fitted.problem.horizon
        self.log, self.offsets = answer.log, None if answer.offsets is None else answer.offsets.numpy()
        self.bare, self.fewest = True, 4
        self.window: int | None = None
        self.may_miss, self.reach, self.ahead_marks = True, 0, np.zeros(0, dtype=np.int64)
        self.unit: FloatArray = answer.scale.numpy() if not self.log else np.full(len(answer.scale), 0.1)
        self.centre = 5 * self.unit
        m = self.m = fitted.problem.season_steps
        m2 = self.m2 = smoothers.second_season(m)
        self.lags, self.path = smoothers.lags_of(m, m2).tolist(), smoothers.path_of(m)
        self.memory = max(2 * m, m2 + m) + 3
        self.lengths: tuple[int, ...] = (min(2 * m + m2, 300) + 10,)
        alpha, beta, phi, gamma, gamma2 = (
            torch.from_numpy(part[:, :, 0]) for part in smoothers.CONSTANTS
        )  # (smoother, 1)
        self.alpha, self.beta, self.phi, self.gamma, self.gamma2 = alpha, alpha * beta, phi, gamma, gamma2
        self.trend, self.seasonal2 = beta > 0, torch.from_numpy(smoothers.SEASONAL2)[:, None].double()
        curves = discounted(m)
        self.turn, self.now, self.gains, self.curves_ahead = (
            torch.from_numpy(part) for part in (*curves, curves.ahead(max(self.horizon, self.path)))
        )
        self.ridge = torch.eye(_R, dtype=torch.float64)[..., None] / smoothers.PENALTY
        self.place = place_in_horizon(self.horizon, m)

    def begin(self, batch: int) -> State:
        """State before the first row: zeros."""
        m, m2, seasonal = self.m, self.m2, (_S - _FIRST, 2)
        shapes: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("steps", "path_steps", *_COUNTS), (1,)),
            **dict.fromkeys(("first", "last", "first_season", "chance", "demand"), (2,)),
            **dict.fromkeys(("level", "slope"), (_S, 2)),
            **({"seasonal": (m, *seasonal)} if m > 1 else {}),
            **({"seasonal2": (m2, *seasonal)} if m2 > 1 else {}),
            "recent": (self.memory, 2),
            "observed": (self.memory,),
            **dict.fromkeys(("error_sum", "recent_error"), (_S + 1, 2)),
            **dict.fromkeys(("weights", "regressors"), (_R, 2)),
            "covariance": (_R, _R, 2),
            "curves": (len(MEMORIES), len(self.now), 2),
            "path": (self.path, smoothers.CANDIDATES),
            "path_error": (2, smoothers.CANDIDATES),
        }
        hidden = self.network.rnn.hidden_size
        zeros = {name: torch.zeros(batch, *shape, dtype=torch.float64) for name, shape in shapes.items()}
        return {**zeros, "network_h": torch.zeros(batch, hidden), "network_c": torch.zeros(batch, hidden)}

    def over_context(self, given: State) -> State:
        """There is none."""
        raise NotImplementedError

    def over_step(self, given: State, state: State) -> State:
        """Forecast after one value more, (batch, 1), and the state before it."""
        y = given["values"].log() if self.log else given["values"]
        series = given.get("series", torch.zeros_like(y[:, 0]).long())
        observed = ~y.isnan()
        after, features, candidates = self._update(torch.where(observed, y, torch.zeros_like(y)), observed, state)
        hidden = (state["network_h"][None], state["network_c"][None])
        context, (h, c) = self.network.encode(features[:, None], hidden)
        after = after | {"network_h": h[0], "network_c": c[0]}
        last, unit = after["last"][:, :1, None], after["unit"][..., None]
        differences = ((candidates[:, : self.horizon] - last) / unit).clamp(-FARTHEST, FARTHEST)
        errors = self._log_path_error(after).clamp(-8, 8)
        at = Scaled(differences.float(), errors.float(), self.place)
        same = (after["changes"] == 0) & (after["seen"] >= ALWAYS_THE_SAME)
        spread = torch.where(same[..., None], torch.zeros_like(unit), unit)
        quantiles = last + spread * self.network.forecast(context[:, 0], at).double()
        outputs = self.answer(quantiles[..., quantiles.shape[-1] // 2], quantiles, series)
        whole: State = outputs | {f"{name}_after": after[name] for name in state}
        return whole

    def _update(self, y: Tensor, observed: Tensor, s: State) -> tuple[State, Tensor, Tensor]:
        """Read a value of every series, as `Bank.update`.

        Returns the state after it, the features, (batch, feature), and candidates, (batch, horizon or path, candidate).
        """
        m, t, started = self.m, s["steps"], s["seen"] > 0
        positive = observed & (y > 0) & (~started | (s["lowest"] > 0))
        known = torch.cat([observed, positive], dim=1)  # (batch, value or logarithm)
        z = torch.cat([y, torch.where(positive, y, torch.ones_like(y)).log()], dim=1)
        old_unit = torch.where(t > 0, s["unit"], torch.ones_like(t))
        was_positive = started & (s["lowest"] > 0)
        units = torch.cat([old_unit, old_unit / torch.where(was_positive, s["last"][:, :1], old_unit)], dim=1)
        later = known & started
        after, error = self._smooth(z, later, s)
        regressed, regression = self._regress(z, later, units, s)
        after |= regression | self._fit_curves(z, known, started, s)
        error = torch.cat([error, regressed[:, None]], dim=1)  # (batch, smoother, 2)
        begun = (known & ~started)[:, None]
        after["level"] = torch.where(begun, z[:, None], after["level"])
        old = t >= m
        before = torch.where(old, s["recent"][:, -m], s["last"])
        value = torch.where(known, z, torch.where(observed, z[:, :1], before))
        after["recent"] = torch.cat([s["recent"][:, 1:], value[:, None]], dim=1)
        after["observed"] = torch.cat([s["observed"][:, 1:], observed.double()], dim=1)
        grown = torch.where(observed, z, s["last"])
        after["first_season"] = s["first_season"] + torch.where(t < m, grown, torch.zeros_like(grown))
        paired = observed & old & (s["observed"][:, -m, None] > 0)
        after |= self._sums(value, observed, (y - before[:, :1]).abs(), paired, s)
        after["steps"] = t + 1
        if m > 1:
            after = self._begin_season(after, 1)
            after = self._begin_season(after, 2)
        recent = after["recent"]
        after["regressors"] = self._regressors(
            [recent[:, -lag] for lag in self.lags], recent[:, -1], after["level"][:, smoothers.MEANS], after["steps"]
        )
        unit, positive = after["unit"], (after["lowest"] > 0) & (after["seen"] > 0)
        share = torch.cat([torch.ones_like(y), torch.where(positive, y, torch.zeros_like(y))], dim=1)
        scaled = (error * share[:, None] / unit[..., None]).clamp(-16, 16)
        size = scaled.abs()
        after["error_sum"] = s["error_sum"] + size
        moved = smoothers.FAST * (size - s["recent_error"])
        after["recent_error"] = s["recent_error"] + torch.where(observed[..., None], moved, torch.zeros_like(moved))
        after |= self._follow_path(y, observed, s)
        turned = torch.cat([s["path"][:, 1:], s["path"][:, :1]], dim=1)
        ended = (torch.fmod(after["steps"], self.path) == 0)[..., None]
        candidates = self._candidates(after, max(self.horizon, self.path))
        after["path"] = torch.where(ended, candidates[:, : self.path], turned)
        return after, self._features(scaled, observed, positive, after), candidates

    def _follow_path(self, y: Tensor, observed: Tensor, s: State) -> State:
        """Compare a value with what was forecast of it, as `Bank._follow_path`."""
        compared = (observed & (s["steps"] >= self.path)).double()
        count = s["path_steps"] + compared
        gain = 1 / count.clamp(min=1.0)
        gains = torch.stack([gain, gain.clamp(min=1 / (4 * self.path))], dim=1) * compared[..., None]
        error = (s["path"][:, :1] - y[..., None]).abs()
        return {"path_steps": count, "path_error": s["path_error"] + gains * (error - s["path_error"])}

    def _log_path_error(self, s: State) -> Tensor:
        """As `candidates.log_path_error`, (batch, mean or recent mean, candidate)."""
        return (s["path_error"] / s["unit"][..., None] + smoothers.LEAST_ERROR).log()

    def _smooth(self, z: Tensor, known: Tensor, s: State) -> tuple[State, Tensor]:
        """Do a step of the recursions, as `Bank._smooth`; errors are (batch, smoother, 2)."""
        t, n, m, m2, after = s["steps"], s["seen"] + 1, self.m, self.m2, {}
        one = (1 / n)[..., None]
        alpha = torch.maximum(self.alpha, one)
        line = torch.maximum(self.alpha, (2 * (2 * n - 1) / (n * (n + 1))).clamp(max=1.0)[..., None])
        alpha = torch.where(self.trend, line, alpha)
        beta = torch.where(self.trend, torch.maximum(self.beta, (6 / (n * (n + 1)))[..., None]), torch.zeros_like(one))
        if m > 1:
            grown = (t >= m).double()[..., None]
            alpha = torch.cat([alpha[:, :_FIRST], torch.maximum(self.alpha[_FIRST:], one)], dim=1)
            beta = torch.cat([beta[:, :_FIRST], self.beta[_FIRST:] * grown], dim=1)
        trended = s["level"] + self.phi * s["slope"]
        expected, season = trended, [s[name][:, 0] for name in ("seasonal", "seasonal2") if name in s]
        if season:
            expected = torch.cat([trended[:, :_FIRST], trended[:, _FIRST:] + sum(season)], dim=1)
        error = torch.where(known[:, None], z[:, None] - expected, torch.zeros_like(expected))
        after["level"], after["slope"] = trended + alpha * error, self.phi * s["slope"] + beta * error
        rest = (1 - alpha[:, _FIRST:]) * error[:, _FIRST:]
        if m > 1:
            gain = torch.maximum(self.gamma[_FIRST:], (1 / (torch.floor(t / m) + 1))[..., None])
            learnt = s["seasonal"][:, 0] + (t >= m).double()[..., None] * gain * rest
            after["seasonal"] = torch.cat([s["seasonal"][:, 1:], learnt[:, None]], dim=1)
        if m2 > 1:
            gain = torch.maximum(self.gamma2[_FIRST:], (1 / (torch.floor(t / m2) + 1))[..., None])
            learnt = s["seasonal2"][:, 0] + (t >= 2 * m).double()[..., None] * self.seasonal2[_FIRST:] * gain * rest
            after["seasonal2"] = torch.cat([s["seasonal2"][:, 1:], learnt[:, None]], dim=1)
        return after, error

    def _regress(self, z: Tensor, known: Tensor, unit: Tensor, s: State) -> tuple[Tensor, State]:
        """Bring the autoregression up to date, as `Bank._regress`; its errors are (batch, 2)."""
        x = s["regressors"] / unit[:, None]
        nothing = torch.zeros_like(z)
        error = torch.where(known, z - s["last"], nothing) - unit * (x * s["weights"]).sum(dim=1)
        covariance = s["covariance"] + self.ridge
        towards = (covariance * x[:, None]).sum(dim=2)
        gain = towards / (1 + (x * towards).sum(dim=1, keepdim=True)) * known[:, None].double()
        return torch.where(known, error, nothing), {
            "weights": s["weights"] + gain * (error / unit).clamp(-9, 9)[:, None],
            "covariance": s["covariance"] - gain[:, :, None] * towards[:, None],
        }

    def _fit_curves(self, z: Tensor, known: Tensor, started: Tensor, s: State) -> State:
        """Bring lines and waves up to date, as `Bank._fit_curves`."""
        curves = self.turn @ s["curves"]  # (batch, regression, coefficient, 2)
        error = z[:, None] - (self.now[:, None] * curves).sum(dim=2)
        error = torch.where((known & started)[:, None], error, torch.zeros_like(error))
        gain = self.gains[s["seen"][:, 0].clamp(max=len(self.gains) - 1.0).long()]  # (batch, regression, coefficient)
        fitted = curves + gain[..., None] * error[:, :, None]
        begun = (known & ~started)[:, None, None] & (torch.arange(len(self.now)) == 0)[:, None]
        return {"curves": torch.where(begun, z[:, None, None], fitted)}

    def _sums(self, filled: Tensor, observed: Tensor, moved: Tensor, paired: Tensor, s: State) -> State:
        """As `Sums.with_value`; what begins at infinity is told by `seen`, what begins at one by `steps`."""
        y, seen, nothing = filled[:, :1], s["seen"], torch.zeros_like(s["seen"])
        started = seen > 0
        later = observed & started
        change = torch.where(later, y - s["last"][:, :1], nothing)
        count = seen + observed.double()
        n = count.clamp(min=1.0)
        low = torch.where(started, torch.minimum(s["lowest"], y), y)
        high = torch.where(started, torch.maximum(s["highest"], y), y)
        size = s["size"] + torch.where(observed, (y.abs() - s["size"]) / n, nothing)
        changes, seasonal = s["changes"] + change.abs(), s["season_changes"] + torch.where(paired, moved, nothing)
        pairs = s["season_count"] + paired.double()
        per_step, per_season = changes / (count - 1).clamp(min=1.0), seasonal / pairs.clamp(min=1.0)
        by_season = (per_season > 0) & ((per_season < per_step) | (per_step == 0))
        unit = torch.maximum(torch.where(by_season, per_season, per_step), per_step / smoothers.MOST_UNITS)
        unit = torch.where(unit > 0, unit, torch.where(size > 0, size, torch.ones_like(size)))
        gains = torch.maximum(torch.from_numpy(smoothers.TSB_GAINS[:, 0]), 1 / n)  # (batch, gain)
        product = (change / unit * (s["change"] / unit)).clamp(-9, 9)
        demanded = observed & (y != 0)
        demand = torch.where(s["demand"] == 0, y, s["demand"] + gains * (y - s["demand"]))
        chance = torch.where(s["steps"] > 0, s["chance"], torch.ones_like(s["chance"]))
        return {
            "first": torch.where(observed & ~started, filled, s["first"]),
            "last": torch.where(observed, filled, s["last"]),
            "seen": count,
            "lowest": torch.where(observed, low, s["lowest"]),
            "highest": torch.where(observed, high, s["highest"]),
            "mean": s["mean"] + torch.where(observed, (y - s["mean"]) / n, nothing),
            "size": size,
            "changes": changes,
            "season_changes": seasonal,
            "season_count": pairs,
            "autocorrelation": s["autocorrelation"] + torch.where(later, (product - s["autocorrelation"]) / n, nothing),
            "change": torch.where(observed, change, s["change"]),
            "chance": chance + torch.where(observed, gains * (demanded.double() - chance), torch.zeros_like(chance)),
            "demand": torch.where(demanded, demand, s["demand"]),
            "unit": unit,
        }

    def _begin_season(self, s: State, cycles: int) -> State:
        """Begin the seasonal terms after so many cycles, as `Bank._begin_season`."""
        m, now = self.m, (s["steps"] == cycles * self.m)[..., None]
        values = s["recent"][:, -cycles * m :].reshape(-1, cycles, m, 2)
        mean = values.mean(dim=2)  # (batch, cycle, 2)
        slope = (mean[:, -1] - mean[:, 0]) / m
        middle = (cycles * m - 1) / 2
        place = torch.arange(cycles * m, dtype=torch.float64).reshape(cycles, m, 1) - middle
        detrended = values - (mean.mean(dim=1)[:, None, None] + slope[:, None, None] * place)
        seasonal = detrended.mean(dim=1)  # (batch, phase, 2)
        level = (mean.mean(dim=1) + slope * ((cycles - 1) * m - 1 - middle))[:, None]
        trend = torch.where(self.trend[_FIRST:], slope[:, None], torch.zeros_like(slope[:, None]))
        begun = [torch.from_numpy(part) for part in _responses(m, cycles)]  # to level, to trend: (smoother, input)
        learnt = values[:, -1] - seasonal
        level, trend = (to[:, :1] * level + to[:, 1:2] * trend + to[:, 2:] @ learnt for to in begun)
        whole = torch.cat([s["level"][:, :_FIRST], level], dim=1), torch.cat([s["slope"][:, :_FIRST], trend], dim=1)
        return s | {
            "level": torch.where(now, whole[0], s["level"]),
            "slope": torch.where(now, whole[1], s["slope"]),
            "seasonal": torch.where(
                now[..., None], seasonal[:, :, None].expand(-1, -1, _S - _FIRST, -1), s["seasonal"]
            ),
        }

    def _regressors(self, lagged: list[Tensor], now: Tensor, means: Tensor, steps: Tensor) -> Tensor:
        """As `bank._regressors`, (batch, regressor, 2); `lagged` are values so many steps before the next."""
        known = torch.tensor(self.lags, dtype=torch.float64)[:, None] <= steps[..., None]
        differences = torch.stack(lagged, dim=1) - now[:, None]
        return torch.cat([torch.where(known, differences, torch.zeros_like(differences)), means - now[:, None]], dim=1)

    def _features(self, error: Tensor, observed: Tensor, positive: Tensor, s: State) -> Tensor:
        """As `bank.features`, (batch, feature)."""
        n, unit, m, m2 = s["seen"].clamp(min=1.0), s["unit"], self.m, self.m2
        change, seasonal = (
            s["changes"] / (s["seen"] - 1).clamp(min=1.0),
            s["season_changes"] / s["season_count"].clamp(min=1.0),
        )
        one, nothing = torch.ones_like(n), torch.zeros_like(n)
        low, high = (torch.where(positive, s[name], one) for name in ("lowest", "highest"))
        known = [
            n.log(),
            (n / m).log(),
            one * float(np.log(m)),
            (n / m2).clamp(min=0.02).log() if m2 > 1 else one * -4.0,
            one * float(np.log(m2)),
            observed.double(),
            positive.double(),
            ((s["lowest"] >= 0) | (s["seen"] == 0)).double(),
            torch.where(positive, (unit / torch.where(s["size"] > 0, s["size"], one) + 1e-4).log(), nothing),
            _asinh((s["last"][:, :1] - s["mean"]) / unit),
            torch.where(s["season_count"] > 0, ((seasonal + 0.05 * unit) / (change + 0.05 * unit)).log(), nothing),
            s["autocorrelation"],
            s["chance"][:, :1],
            (high / low).log() / 4,
        ]
        mean_error = (s["error_sum"] / n[..., None] + smoothers.LEAST_ERROR).log()
        recent = (s["recent_error"] + smoothers.LEAST_ERROR).log()
        parts = [error / 4, mean_error - mean_error[:, :1], recent - recent[:, :1], self._log_path_error(s)]
        every = torch.cat([*(part.flatten(1) for part in parts), *known], dim=1)
        return every.clamp(-8, 8).float()

    def _candidates(self, s: State, horizon: int) -> Tensor:
        """As `candidates.candidates`, (batch, horizon, candidate)."""
        h = np.arange(1, horizon + 1, dtype=np.int64)
        phi = self.phi[:, 0].numpy()
        damped = np.where(phi == 1, h[:, None], phi * (1 - phi ** h[:, None]) / np.where(phi == 1, 1, 1 - phi))
        smoothed = s["level"][:, None] + torch.from_numpy(damped)[..., None] * s["slope"][:, None]
        season = [s[name][:, (h - 1) % m] for name, m in (("seasonal", self.m), ("seasonal2", self.m2)) if name in s]
        if season:
            smoothed = torch.cat([smoothed[:, :, :_FIRST], smoothed[:, :, _FIRST:] + sum(season)], dim=2)
        rules, on_values = self._rules(s, smoothed, h)
        both = torch.cat([smoothed, rules, self._autoregression(s, horizon)[:, :, None]], dim=2)
        positive = ((s["lowest"] > 0) & (s["seen"] > 0))[..., None]
        highest = torch.where(positive, s["highest"][..., None], torch.ones_like(s["highest"][..., None]))
        top = (highest.log() + smoothers.LOG_REACH).clamp(max=709.0)
        logs = torch.where(positive, torch.minimum(both[..., 1].clamp(min=-700.0), top).exp(), both[..., 0])
        weight = 1 / (s["recent_error"][:, :-1] + smoothers.LEAST_ERROR) ** 2
        weight = torch.cat([weight[..., :1], weight[..., 1:] * positive.double()], dim=2)
        pooled = (weight[:, None, :, 0] * both[:, :, :_S, 0] + weight[:, None, :, 1] * logs[:, :, :_S]).sum(dim=2)
        pooled = pooled / weight.sum(dim=(1, 2))[:, None]
        every = torch.cat([both[..., 0], logs, on_values, pooled[..., None]], dim=2)
        error = s["path_error"][:, :1, :-1] / s["unit"][..., None] + smoothers.LEAST_ERROR
        power = (s["path_steps"].sqrt() / 2).clamp(*smoothers.POWERS)[..., None]
        weight = (error.amin(dim=2, keepdim=True) / error) ** power
        by_path = torch.where(s["path_steps"] > 0, (weight * every).sum(dim=2) / weight.sum(dim=2), pooled)
        return torch.cat([every, by_path[..., None]], dim=2)

    def _rules(self, s: State, smoothed: Tensor, h: IntArray) -> tuple[Tensor, Tensor]:
        """As `candidates._rules`: (batch, horizon, rule, 2) and (batch, horizon, rule)."""
        m, m2, window, steps = self.m, self.m2, s["recent"], s["steps"]
        now, ahead, last = self.memory - 1, torch.from_numpy(h.astype(np.float64))[:, None], s["last"][:, None]
        drift = ((s["last"] - s["first"]) / (s["seen"] - 1).clamp(min=1.0))[:, None]
        cycles = -(-h // m)
        place = torch.from_numpy((now + h - cycles * m).astype(np.float64))
        earliest = now + 1.0 - steps  # (batch, 1)
        latest = torch.maximum(place, earliest)  # (batch, horizon)
        one = self._at(window, latest)
        two = self._at(window, torch.where(place - m >= earliest, place - m, latest))
        recent, before = window[:, -m:].mean(dim=1), window[:, -2 * m : -m].mean(dim=1)
        grown = steps >= 2 * m
        growth = torch.where(grown, recent - before, torch.zeros_like(recent))[:, None]
        seasons = (steps / m - 1).clamp(min=1.0)
        since_first = (recent - s["first_season"] / m) / (seasons * m)
        long_growth = torch.where(grown[..., None], since_first[:, None], drift)
        rules = [
            last + ahead * drift,
            smoothed[:, :, smoothers.THETA] + 0.5 * ahead * drift,
            (one + two) / 2,
            one + torch.from_numpy(cycles.astype(np.float64))[:, None] * growth,
            smoothed[:, :, smoothers.SEASONAL_THETA] + 0.5 * ahead * long_growth,
            *(self.curves_ahead[: len(h)] @ s["curves"]).unbind(dim=1),
        ]
        second = levelled = one[..., 0]
        if m2 > 1:
            far = window[:, now + h - -(-h // m2) * m2, 0]
            second = torch.where(steps >= m2, far, second)
            then = window[:, now - m2 - m + 1 : now - m2 + 1, 0].mean(dim=1, keepdim=True)
            levelled = torch.where(steps >= m2 + m, far + recent[:, :1] - then, levelled)
        demand = (s["chance"] * s["demand"])[:, None].expand(-1, len(h), -1)
        on_values = torch.cat([torch.stack([one[..., 0], second, levelled], dim=2), demand], dim=2)
        return torch.stack(rules, dim=2), on_values

    @staticmethod
    def _at(window: Tensor, places: Tensor) -> Tensor:
        """Values at places that differ by series, (batch, horizon) -> (batch, horizon, 2)."""
        return window.gather(1, places.long()[..., None].expand(-1, -1, 2))

    def _autoregression(self, s: State, horizon: int) -> Tensor:
        """As `candidates._autoregression`, (batch, horizon, 2)."""
        positive, seen = (s["lowest"] > 0) & (s["seen"] > 0), s["seen"]
        ends = torch.cat([s["lowest"], s["highest"]], dim=1)  # zero where nothing was seen
        logs = torch.where(positive, torch.where(positive, ends, torch.ones_like(ends)).log(), ends)
        low, high = (torch.stack([ends[:, i], logs[:, i]], dim=1) for i in (0, 1))
        reach = 0.5 * (high - low)
        low, high = low - reach, high + reach
        path = [s["recent"][:, -back] for back in range(1, max(self.lags) + 1)]  # newest first
        means = s["level"][:, smoothers.MEANS]
        for h in range(horizon):
            x = self._regressors([path[lag - 1] for lag in self.lags], path[0], means, s["steps"] + h)
            step = path[0] + (x * s["weights"]).sum(dim=1)
            path.insert(0, torch.minimum(torch.maximum(step, low), high))
            gain = torch.cat(
                [torch.full_like(seen, float(self.alpha[smoothers.MEANS[0], 0])), 1 / (seen + h + 1)], dim=1
            )
            means = means + gain[..., None] * (path[0][:, None] - means)
        return torch.stack(path[:horizon][::-1], dim=1)


_COUNTS = (
    "seen",
    "lowest",
    "highest",
    "mean",
    "size",
    "changes",
    "season_changes",
    "season_count",
    "autocorrelation",
    "change",
    "unit",
)
"""Parts of the state that are a number for each series."""


def _asinh(x: Tensor) -> Tensor:
    """Onnxruntime has it in single precision alone."""
    return torch.sign(x) * (x.abs() + (x * x + 1).sqrt()).log()


def _responses(m: int, cycles: int) -> tuple[FloatArray, FloatArray]:
    """What a cycle of `Bank._begin_season` makes of level, trend and values, to level and trend, (smoother, m + 2)."""
    alpha, beta, phi = (part[_FIRST:, :, 0] for part in smoothers.CONSTANTS[:3])
    alpha, beta = np.maximum(alpha, 1 / (cycles * m)), alpha * beta
    unit = np.eye(m + 2)
    level, trend = np.repeat(unit[:1], len(alpha), axis=0), np.repeat(unit[1:2], len(alpha), axis=0)
    for j in range(m):
        trended = level + phi * trend
        error = unit[2 + j] - trended
        level, trend = trended + alpha * error, phi * trend + beta * error
    return level, trend
