"""Settings of the split (`split.*`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from forecast.settings import Settings


class SplitSettings(Settings):
    """Sizes of the splits; what is in none of them is training.

    Attributes
    ----------
    over : time: every series is cut in time; series: whole series are training, validation or test, in their order
    validation, test : a share below 1, or whole steps; over series, a share or a number of the series
    calibration : the same, after the validation split, or 0; null: the last half of the validation split, where
        both halves keep a horizon

    """

    over: Literal["time", "series"] = "time"
    validation: float = Field(default=0.15, gt=0, le=1e9)
    calibration: float | None = Field(default=None, ge=0, le=1e9)
    test: float = Field(default=0.2, gt=0, le=1e9, validate_default=True)

    @field_validator("validation", "calibration", "test")
    @classmethod
    def _share_or_steps(cls, value: float | None) -> float | None:
        if value is not None and value >= 1 and value != int(value):
            raise ValueError("a share below 1 or whole steps")
        return value

    @field_validator("test")
    @classmethod
    def _leaves_training(cls, value: float, info: ValidationInfo) -> float:
        others = {name: info.data.get(name) or 0.0 for name in ("validation", "calibration")}
        shares = {name: share for name, share in others.items() if 0 < share < 1}
        if value < 1 <= sum(shares.values()) + value:
            named = " and ".join(f"`split.{name}` ({share:g})" for name, share in shares.items())
            raise ValueError(f"less than 1 together with {named}")
        return value
