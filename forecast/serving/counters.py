"""What `/metrics` says, in the text form that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds up to which requests are counted together."""


class Counters:
    """Requests by route and status, their seconds by route, and gauges that are read when somebody looks."""

    def __init__(self, gauges: Mapping[str, tuple[str, Callable[[], int]]]) -> None:
        self._gauges = gauges  # by name: what it is, and where its value comes from
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._within: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[method, route, status] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]  # a sum of seconds, which Counter adds as well
        self._within[route, next((bound for bound in _BOUNDS if seconds <= bound), float("inf"))] += 1

    def text(self) -> str:
        """Return all of it, a metric a line."""
        lines = _head("forecast_requests_total", "counter", "Requests that were answered.")
        for (method, route, status), number in sorted(self._requests.items()):
            lines.append(f'forecast_requests_total{{method="{method}",route="{route}",status="{status}"}} {number}')
        lines += _head("forecast_request_seconds", "histogram", "Seconds until a request was answered.")
        for route, seconds in sorted(self._seconds.items()):
            number = 0
            for bound in (*_BOUNDS, float("inf")):
                number += self._within[route, bound]
                shown = "+Inf" if bound == float("inf") else f"{bound:g}"
                lines.append(f'forecast_request_seconds_bucket{{route="{route}",le="{shown}"}} {number}')
            lines.append(f'forecast_request_seconds_sum{{route="{route}"}} {seconds:.6f}')
            lines.append(f'forecast_request_seconds_count{{route="{route}"}} {number}')
        for name, (meaning, value) in self._gauges.items():
            lines += [*_head(name, "gauge", meaning), f"{name} {value()}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
