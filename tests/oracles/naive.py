"""Naive rules, one origin and one step at a time; `seen` says which values of a series were observed."""

from __future__ import annotations


def last_value(y, seen, origin, horizon):
    for t in range(origin, -1, -1):
        if seen[t]:
            return [y[t]] * horizon
    return [y[0]] * horizon


def last_season(y, seen, origin, horizon, season):
    forecasts = last_value(y, seen, origin, horizon)
    for h in range(1, horizon + 1):
        t = origin + h
        while t > origin or (t >= 0 and not seen[t]):
            t -= season
        if t >= 0:
            forecasts[h - 1] = y[t]
    return forecasts


def straight_line(y, seen, origin, horizon):
    known = [t for t in range(origin + 1) if seen[t]] or [0]
    first, last = known[0], known[-1]
    slope = (y[last] - y[first]) / (last - first) if last > first else 0.0
    return [y[last] + slope * (origin + h - last) for h in range(1, horizon + 1)]


def mean_of_window(y, seen, origin, horizon, window):
    known = [y[t] for t in range(max(origin - window + 1, 0), origin + 1) if seen[t]]
    return [sum(known) / len(known)] * horizon if known else last_value(y, seen, origin, horizon)
