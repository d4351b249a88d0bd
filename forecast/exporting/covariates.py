"""Covariates in a graph: encoded as `CovariateEncoding` does, and features of the date out of times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from forecast.series.date_features import FEATURES

if TYPE_CHECKING:
    from forecast.reference.encoding import ChannelEncoding, CovariateEncoding
    from forecast.series.panel import BoolArray, Channel

_SECONDS_PER_DAY = 86_400
_DAYS_BEFORE_1970 = 719_468
"""Since March 1st of the year 0: a year that begins in March ends with its leap day."""


def is_dated(channels: tuple[Channel, ...]) -> BoolArray:
    """Whether a graph computes a channel out of times, (channel,)."""
    return np.array([channel.computed in FEATURES for channel in channels], dtype=np.bool_)


class Covariates(nn.Module):
    """Covariates as columns of numbers, (batch, row, channel) -> (batch, row, column); a missing value is NaN.

    Attributes
    ----------
    reach : steps after a row of which covariates known ahead are read
    lags : steps up to a row that a forecast after it reads as well

    """

    def __init__(self, encoding: CovariateEncoding, horizon: int) -> None:
        super().__init__()
        self.encoding = encoding
        self.lags = encoding.lags
        self.reach = horizon + encoding.leads
        self.dated = is_dated(encoding.ahead.channels)

    def past(self, values: Tensor) -> Tensor:
        """Columns of what is known up to a row."""
        return _columns(self.encoding.past, values)

    def ahead(self, given: dict[str, Tensor]) -> Tensor | None:
        """Columns of what is known ahead, (batch, row + reach, column); None where there is nothing.

        `given` has the channels that are no features of the date as `ahead`, and `times`, (batch, row + reach) seconds.
        """
        channels = self.encoding.ahead.channels
        if not channels:
            return None
        features, parts, place = {}, [], 0
        for j, channel in enumerate(channels):
            if self.dated[j]:
                name = str(channel.computed)
                if name not in features:
                    features[name] = 2 * np.pi * _places(given["times"], name)
                wave = torch.sin if channel.name.startswith("sin") else torch.cos
                parts.append(wave(features[name])[..., None])
            else:
                parts.append(given["ahead"][..., place : place + 1])
                place += 1
        return _columns(self.encoding.ahead, torch.cat(parts, dim=-1))


def _columns(encoding: ChannelEncoding, values: Tensor) -> Tensor:
    columns = []
    for j, channel in enumerate(encoding.channels):
        value = values[..., j : j + 1]
        missing = value.isnan()
        if channel.categories:
            columns.append(value == torch.arange(len(channel.categories), dtype=torch.float64))
        else:
            scaled = (value - float(encoding.centre[j])) / float(encoding.spread[j])
            columns.append(torch.where(missing, torch.zeros_like(scaled), scaled))
        if encoding.marked[j]:
            columns.append(missing)
    return torch.cat([column.float() for column in columns], dim=-1)


def _places(seconds: Tensor, name: str) -> Tensor:
    """Share of a period that has passed (`date_features.FEATURES`), of seconds since 1970 on the wall clock."""
    seconds = seconds + _DAYS_BEFORE_1970 * _SECONDS_PER_DAY  # none is negative, so that division rounds down
    days = seconds // _SECONDS_PER_DAY
    if name == "hour":
        return (seconds - days * _SECONDS_PER_DAY).double() / _SECONDS_PER_DAY
    if name == "weekday":
        since_monday = days + 2
        return (since_monday - since_monday // 7 * 7).double() / 7
    # The Gregorian calendar in cycles of 400 years (Hinnant, "chrono-compatible low-level date algorithms").
    of_cycle = days - days // 146_097 * 146_097
    year = (of_cycle - of_cycle // 1_460 + of_cycle // 36_524 - of_cycle // 146_096) // 365  # of the cycle
    day = of_cycle - (365 * year + year // 4 - year // 100)  # since March 1st
    month = (5 * day + 2) // 153  # since March
    if name == "month":
        return torch.where(month < 10, month + 2, month - 10).double() / 12
    year = torch.where(month < 10, year, year + 1)
    leap = ((year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))).long()
    return torch.where(month < 10, day + 59 + leap, day - 306).double() / (365 + leap).double()
