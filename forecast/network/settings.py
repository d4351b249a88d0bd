"""What can be said of a network, one class a cell, so that no key is there that its cell does not use."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Self, TypeAlias

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from forecast.questions.kinds import HEADS
from forecast.settings import OneOf, Settings
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.network.cells import Backbone

FittedReferenceName: TypeAlias = Literal[
    "last",
    "seasonal",
    "mean",
    "level",
    "blend",
    "blend_mae",
    "blend_owa",
    "ridge",
    "ridge_channels",
    "calendar",
    "none",
]
ReferenceName: TypeAlias = Literal[FittedReferenceName, "auto"]
Loss: TypeAlias = Literal["mae", "mse", "huber", "owa"]
StrategyName: TypeAlias = Literal["direct", "recursive", "seq2seq"]

if TYPE_CHECKING:
    HeadName: TypeAlias = str
else:
    HeadName = Literal[HEADS]


class CommonSettings(Settings):
    """What every network has, however it is trained."""

    reference: ReferenceName = "auto"
    """The simple forecast that the network's output is added to; `auto` takes the best on validation."""
    cross_fit: int = Field(0, ge=0, le=20)
    fork_ensemble: int = Field(1, ge=1, le=10_000)
    """The forecast for a date is the mean of those that this many latest origins make for it; 1: of the last alone."""


class BackboneSettings(CommonSettings):
    """What every network has that is trained by its gradient."""

    layers: int | None = Field(None, ge=1, le=64)
    """Layers, each reading the one before; null: one a dilation, else one, or two where short trainings say so."""
    hidden_size: int | None = Field(None, ge=1, le=65536)
    """Units of each layer; null: by the rows to train on (`training.sizes`)."""
    segment_steps: int = Field(1, ge=1, le=65536)
    """Steps that are read at once, and that the recurrence goes back at each step (a season, say); 1: step by step."""
    residual: bool = False
    """Whether a layer adds to what it reads, from the second on."""
    layer_norm: bool = False
    """Whether the features of a step are normalised after each layer."""
    dilations: tuple[Annotated[int, Field(ge=1, le=65536)], ...] | None = None
    """Steps that the recurrence of each layer goes back; null: 1 in all."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of features silenced while training: between layers, and before the head."""
    head: HeadName = "point"
    """What is forecast of each step: a number, a distribution, how likely it is higher than at the origin, or how
    likely each symbol is."""
    quantiles: tuple[float, ...] = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
    """head=quantile: the levels that are learnt, 0.5 among them."""
    loss: Loss = "mae"
    """head=point: the error that training makes small; `owa`: absolute and percentage errors together."""
    level_input: bool | None = None
    """Whether the value itself is read beside differences, within the range of the training split; null: where values
    are forecast that have no season, or series are long."""
    strategy: StrategyName = "direct"
    """How the steps of the horizon are forecast: all at once; one step, which is fed back; one after the other."""
    id_embedding: int = Field(0, ge=0, le=1024)
    """Numbers that are learnt for each series and read at each of its steps; 0: none."""
    embedding_size: int | None = Field(None, ge=1, le=4096)
    """head=categorical: numbers that are learnt for each symbol and read in its place; null: one a symbol, up to 32."""
    autoregressive: bool = True
    """head=categorical: whether the symbols before are read; if not, what is known beside them alone."""

    @property
    def units(self) -> int:
        """Units of each layer; the usual number where none was said or settled."""
        return 32 if self.hidden_size is None else self.hidden_size

    @property
    def depth(self) -> int:
        """Layers; one a dilation, or one alone, where none were said or chosen."""
        return len(self.dilations or (1,)) if self.layers is None else self.layers

    @field_validator("quantiles")
    @classmethod
    def _levels(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        increasing = all(low < high for low, high in pairwise((0.0, *value, 1.0)))
        if not increasing or 0.5 not in value or len(value) < 2:
            raise ValueError("at least two levels between 0 and 1, increasing, with 0.5 among them")
        return value

    @model_validator(mode="after")
    def _of_symbols(self) -> Self:
        if self.head == "categorical":
            if self.reference != "auto" or self.cross_fit:
                raise ValueError(
                    f"head=categorical forecasts no difference to a reference, found reference={self.reference} and "
                    f"cross_fit={self.cross_fit}: leave them at auto and 0"
                )
            if self.embedding_size is not None and not self.autoregressive:
                raise ValueError("embedding_size is of the symbols that are read, and autoregressive=false reads none")
        elif self.embedding_size is not None or not self.autoregressive:
            raise ValueError(
                f"embedding_size and autoregressive are of symbols, found head={self.head}: say head=categorical"
            )
        return self

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if self.dilations is not None and len(self.dilations) != self.depth:
            raise ValueError(
                f"dilations are one number a layer: found {len(self.dilations)} of them for "
                f"{counted(self.depth, 'layer')}"
            )
        if self.residual and self.depth == 1:
            raise ValueError("residual connections lie between layers, found 1: set layers to 2 or more")
        return self


class CellSettings(BackboneSettings):
    """What cells have whose gates read the state."""

    recurrent_init: Literal["uniform", "xavier", "kaiming", "orthogonal"] = "uniform"
    """The first values of the recurrent weights."""
    bidirectional: bool = False
    """Whether a window is read from both of its ends: where training samples windows."""

    @model_validator(mode="after")
    def _both_ends(self) -> Self:
        if not self.bidirectional:
            return self
        excluded = {"residual": self.residual, "layer_norm": self.layer_norm, "dilations": self.dilations is not None}
        excluded |= {"segment_steps": self.segment_steps > 1, "strategy=recursive": self.strategy == "recursive"}
        excluded["activation=sigmoid"] = getattr(self, "activation", None) == "sigmoid"
        chosen = [name for name, is_set in excluded.items() if is_set]
        if chosen:
            raise ValueError(f"bidirectional=true does not go together with {', '.join(chosen)}: choose one of them")
        return self


class RnnSettings(CellSettings):
    """Elman's network: h_t = activation(W x_t + U h_{t-1} + b)."""

    name: Literal["rnn"] = "rnn"
    activation: Literal["tanh", "relu", "sigmoid"] = "tanh"


class LstmSettings(CellSettings):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

    name: Literal["lstm"] = "lstm"
    forget_bias: float = 1.0
    """Bias that the forget gate begins with: above 0 it remembers."""


class GruSettings(CellSettings):
    """Gated recurrent unit (Cho et al. 2014), in cuDNN's form: the reset gate acts after the matrix product."""

    name: Literal["gru"] = "gru"
    forget_bias: float | None = None
    """Bias that the update gate begins with: above 0 it remembers; null: a random one, as torch's."""


class MinGruSettings(BackboneSettings):
    """A GRU whose gates do not read the state, so that all steps are computed in parallel (Feng et al. 2024)."""

    name: Literal["mingru"] = "mingru"
    forget_bias: float = 1.0
    """Bias towards remembering that the gate begins with."""


class EsnSettings(CommonSettings):
    """Echo state network (Jaeger 2001): a fixed random reservoir, its read-out fitted in closed form (`reservoir`).

    What is not said here is settled: points of least squares, and nothing is learnt of a series but the read-out.
    """

    name: Literal["esn"] = "esn"
    hidden_size: int = Field(150, ge=1, le=4096)
    """Units of the reservoir."""
    sparsity: float = Field(0.9, ge=0, lt=1)
    """Share of the units that a unit does not read, at least one is left."""
    spectral_radius: float = Field(0.9, ge=0, le=100)
    """Largest size of an eigenvalue of the weights between units."""
    leak: float = Field(0.3, gt=0, le=1)
    """Share of a unit's state that each step renews."""
    input_scale: float = Field(0.1, gt=0, le=1e6)
    """Weights of inputs and bias lie within this much of zero; inputs are about 1 in size."""
    reservoir_seed: int | None = Field(None, ge=0, lt=2**32)
    """Of the random weights; null takes the job's seed."""
    penalties: tuple[float, ...] = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0)
    """What a fork's mean squared error, in units of the reference's, is worth against squared weights: the best on
    validation is taken, and the middle one where nothing validates."""
    strategy: Literal["direct", "recursive"] = "direct"

    @property
    def units(self) -> int:
        """Units of the reservoir."""
        return self.hidden_size

    head: ClassVar[HeadName] = "point"
    quantiles: ClassVar[tuple[float, ...]] = ()
    loss: ClassVar[Loss] = "mse"
    level_input: ClassVar[bool] = False
    id_embedding: ClassVar[int] = 0
    embedding_size: ClassVar[int | None] = None
    autoregressive: ClassVar[bool] = True

    @field_validator("penalties")
    @classmethod
    def _increasing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or not all(low < high for low, high in pairwise((0.0, *value, math.inf))):
            raise ValueError("at least one finite number above 0, increasing")
        return value


class PretrainedSettings(Settings):
    """The network that was trained before, on generated series (`network.pretrained`): it is taken as it is."""

    name: Literal["pretrained"] = "pretrained"
    reference: ReferenceName = "auto"
    """The closed form that is a row of the leaderboard beside it, and that the regressors of windows begin from."""
    weights: str | None = None
    """A file of weights that `task=pretrain` wrote; null: those of the package."""
    start: Literal["pretrained"] | None = None
    """`pretrained`: these weights are where a training on the series begins; null: they are taken as they are."""

    head: ClassVar[HeadName] = "point"
    strategy: ClassVar[StrategyName] = "direct"
    fork_ensemble: ClassVar[int] = 1
    id_embedding: ClassVar[int] = 0


class AutoSettings(PretrainedSettings):
    """The pretrained network where series have too few rows to train one, else an LSTM (`tasks.prepare`)."""

    name: Literal["auto"] = "auto"  # type: ignore[assignment]  # it stands in for the one or the other


class Cell(NamedTuple):
    """What can be set of a cell, and what builds a layer of it.

    Attributes
    ----------
    build : (settings, input size) -> a backbone of one layer, or the name of such a function ("module:function"), which
        is imported when it is built
    layers_in_one : it takes the number of layers and the dropout between them as well, and has a kernel for all at once

    """

    settings: type[CommonSettings]
    build: str | Callable[..., Backbone]
    layers_in_one: bool = False


CELLS: dict[str, Cell] = {
    "rnn": Cell(RnnSettings, "forecast.network.cells:rnn", layers_in_one=True),
    "lstm": Cell(LstmSettings, "forecast.network.cells:lstm", layers_in_one=True),
    "gru": Cell(GruSettings, "forecast.network.cells:gru", layers_in_one=True),
    "mingru": Cell(MinGruSettings, "forecast.network.cells:mingru"),
    "esn": Cell(EsnSettings, "forecast.network.cells:Reservoir"),
}
"""Every cell by its name in `model.name`."""

NETWORKS = OneOf(
    "name",
    {**{name: cell.settings for name, cell in CELLS.items()}, "pretrained": PretrainedSettings, "auto": AutoSettings},
)

if TYPE_CHECKING:
    NetworkSettings: TypeAlias = RnnSettings | LstmSettings | GruSettings | MinGruSettings | EsnSettings
    ModelSettings: TypeAlias = NetworkSettings | PretrainedSettings
else:
    ModelSettings = NetworkSettings = Annotated[SerializeAsAny[Settings], BeforeValidator(NETWORKS.check), NETWORKS]


def register_cell(name: str, settings: type[BackboneSettings], build: Callable[..., Backbone]) -> None:
    """Make a recurrent cell of one's own known, as `model.name`.

    `settings` is a subclass of `BackboneSettings` with `name: Literal["..."]`; `build(settings, input_size)` returns a
    `network.cells.Backbone` of one layer. Layers, residual connections, normalisation, dilations and dropout are put
    around it as around every other. A registered name can be registered again.
    """
    CELLS[name] = Cell(settings, build)
    NETWORKS.kinds[name] = settings
