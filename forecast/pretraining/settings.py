"""How the pretrained network is trained again."""

from __future__ import annotations

from pydantic import Field

from forecast.settings import Settings


class PretrainSettings(Settings):
    """Settings of `task=pretrain`."""

    time_limit_s: float = Field(2700.0, gt=0, le=1e7)
    """Seconds that it trains; the learning rate falls to zero over them."""
    steps: int | None = Field(None, ge=1)
    """Steps that it trains instead, whatever they take: the same weights on any machine of one kind."""
    start: str | None = None
    """Weights to go on from, `weights.safetensors` of another pretraining; null: random ones."""
    data: str | None = None
    """Series of one's own to train on as well, a file, a folder or a pattern of files; null: made-up ones alone."""
    share: float = Field(0.5, gt=0, le=1)
    """Share of the training that has series of `data`; 1: no made-up ones."""
