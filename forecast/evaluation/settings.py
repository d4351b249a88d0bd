"""Settings of the backtest (`backtest.*`)."""

from __future__ import annotations

from pydantic import Field

from forecast.settings import Settings


class BacktestSettings(Settings):
    """The origins that forecasts are made from, and the level of significance."""

    stride: int | None = Field(
        default=None,
        ge=1,
        description="steps from one origin to the next; null: 1, and more where origins are very many",
    )
    refit_every: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="steps after which all models are fitted again as the origins go on, networks anew; null: one fit",
    )
    significance: float = Field(
        default=0.05, gt=0, lt=1, description="a network wins where the test's p-value lies below this"
    )
