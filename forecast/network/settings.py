"""What can be said of a network, one class a cell, so that no key is there that its cell does not use."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from forecast.settings import Settings

if TYPE_CHECKING:
    from forecast.series.problem import Asks

ReferenceName: TypeAlias = Literal[
    "last", "seasonal", "mean", "level", "blend", "blend_mae", "blend_owa", "none", "auto"
]
Loss: TypeAlias = Literal["mae", "mse", "huber", "owa"]
StrategyName: TypeAlias = Literal["direct", "recursive", "seq2seq"]
HeadName: TypeAlias = Literal["point", "quantile", "gaussian", "student_t", "negative_binomial", "direction"]


def asked_by(head: str) -> Asks:
    """Return the question that a head answers."""
    return "direction" if head == "direction" else "value"


class BackboneSettings(Settings):
    """What every recurrent network has."""

    layers: int = Field(1, ge=1, le=64)
    hidden_size: int = Field(32, ge=1, le=65536)
    segment_steps: int = Field(1, ge=1, le=65536)
    """Steps that are read at once, and that the recurrence goes back at each step (a season, say); 1: step by step."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of features silenced while training: between layers, and before the head."""
    reference: ReferenceName = "auto"
    """The simple forecast that the network's output is added to; `auto` takes the best on validation."""
    head: HeadName = "point"
    """What is forecast of each step: a number, a distribution, or how likely it is higher than at the origin."""
    quantiles: tuple[float, ...] = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
    """head=quantile: the levels that are learnt, 0.5 among them."""
    loss: Loss = "mae"
    """head=point: the error that training makes small; `owa`: absolute and percentage errors together."""
    strategy: StrategyName = "direct"
    """How the steps of the horizon are forecast: all at once; one step, which is fed back; one after the other."""
    cross_fit: int = Field(0, ge=0, le=20)
    fork_ensemble: int = Field(1, ge=1, le=10_000)
    """The forecast for a date is the mean of those that this many latest origins make for it; 1: of the last alone."""
    id_embedding: int = Field(0, ge=0, le=1024)
    """Numbers that are learnt for each series and read at each of its steps; 0: none."""

    @field_validator("quantiles")
    @classmethod
    def _levels(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        increasing = all(low < high for low, high in pairwise((0.0, *value, 1.0)))
        if not increasing or 0.5 not in value or len(value) < 2:
            raise ValueError("at least two levels between 0 and 1, increasing, with 0.5 among them")
        return value


class RnnSettings(BackboneSettings):
    """Elman's network: h_t = activation(W x_t + U h_{t-1} + b)."""

    name: Literal["rnn"] = "rnn"
    activation: Literal["tanh", "relu"] = "tanh"


class LstmSettings(BackboneSettings):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

    name: Literal["lstm"] = "lstm"


class GruSettings(BackboneSettings):
    """Gated recurrent unit (Cho et al. 2014), in cuDNN's form: the reset gate acts after the matrix product."""

    name: Literal["gru"] = "gru"


NetworkSettings: TypeAlias = Annotated[RnnSettings | LstmSettings | GruSettings, Field(discriminator="name")]
