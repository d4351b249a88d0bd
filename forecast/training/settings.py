"""How a network is trained, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator

from forecast.errors import ForecastError
from forecast.settings import OneOf, Settings

if TYPE_CHECKING:
    from typing import TypeAlias

    from forecast.network.settings import ModelSettings


def check_regime(network: ModelSettings, training: TrainingSettings) -> None:
    """Refuse what cannot be streamed, and gradients where there are none that go from step to step.

    Raises
    ------
    ForecastError
        A network that reads windows from both ends, with `training.regime=stream`; `training.record_gradients` with it,
        or with a network that no gradient trains.

    """
    both_ends = getattr(network, "bidirectional", False)
    untrained = {"esn": "has its read-out fitted in closed form", "pretrained": "is not trained here"}
    if training.record_gradients and (both_ends or network.name in untrained):
        why = "reads each window as a whole" if both_ends else untrained[network.name]
        raise ForecastError(
            f"`training.record_gradients=true` follows gradients from step to step, and this network {why}: "
            f"set it to false, or choose another network"
        )
    if training.regime == "stream" and both_ends:
        raise ForecastError(
            "`model.bidirectional=true` needs `training.regime=windows`, found `stream`: what reads backwards would "
            "know the steps after an origin, and has no state that goes on from chunk to chunk"
        )


class TrainingSettings(Settings):
    """Settings of the training loop; lengths are in steps, times in seconds."""

    regime: Literal["stream", "windows"] = "stream"
    """`stream`: truncated back-propagation through time, every step forks. `windows`: sampled at random."""

    chunk_steps: int | None = Field(None, ge=1, le=10_000_000)
    """stream: steps that the gradient can travel back; one chunk of every lane is one batch. Null: by the rows to train
    on (`training.sizes`)."""
    lanes: int | None = Field(None, ge=1, le=10_000_000)
    """stream: parallel streams, at most; null: by the rows to train on."""
    warmup_steps: int | None = Field(None, ge=0, le=10_000_000)
    """stream: steps without loss at the head of a segment cut out of a longer series; null takes a chunk."""

    batch_size: int = Field(32, ge=1, le=10_000_000)
    """windows: windows in a batch."""
    batches_per_epoch: int = Field(50, ge=1, le=10_000_000)
    """windows: batches that count as one epoch, at most."""

    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta"] = "adam"
    learning_rate: float = Field(0.005, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine", "plateau"] = "plateau"
    """The learning rate: `cosine` falls to zero over max_epochs, `plateau` halves when validation stalls."""
    gradient_clip: float | None = Field(1.0, gt=0)
    """Largest norm of a gradient; null leaves it alone."""

    max_epochs: int = Field(200, ge=1, le=10_000_000)
    patience: int = Field(20, ge=1, le=10_000_000)
    """Epochs without a better validation loss until training stops."""
    time_limit_s: float | None = Field(None, gt=0)

    checkpoint_s: float | None = Field(30.0, gt=0)
    """Seconds from one checkpoint to the next, at least: a run that is stopped goes on from it; null: none."""

    record_gradients: bool = False
    """Measure how gradients travel back in time: of the network as initialised and as trained."""

    refit: bool = True
    """After the backtest, train once more on all rows for the chosen number of epochs."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1, le=1024)
    """GPUs, or processes on the CPU, that train together, each on some of the lanes."""
    strategy: Literal["auto", "ddp"] = "auto"
    """How several devices train together; `auto` is `ddp`, Lightning's data parallelism, where there are several."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """As Lightning calls it: in which numbers a step is computed; weights, validation and forecasts stay in 32 bits."""
    threads: int | None = Field(None, ge=1, le=1024)
    """Threads that torch may use on the CPU; null chooses by the size of the network."""

    @property
    def chunk(self) -> int:
        """Steps of a chunk; the usual number where none was said or settled."""
        return 64 if self.chunk_steps is None else self.chunk_steps

    @property
    def streams(self) -> int:
        """Lanes; the usual number where none was said or settled."""
        return 8 if self.lanes is None else self.lanes


class FileLogger(Settings):
    """Where the course of a training is written beside the run folder's own tables: into `logs/` there, or nowhere."""

    name: Literal["none", "csv", "tensorboard"] = "none"


class MlflowLogger(Settings):
    """An MLflow server that is told the course of a training."""

    name: Literal["mlflow"] = "mlflow"
    uri: str | None = None
    """Address of the server; null: that in the environment's MLFLOW_TRACKING_URI."""
    experiment: str = Field("forecast", min_length=1)
    """The experiment there to which runs are added."""

    @field_validator("uri")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        if value is not None and "@" in value.partition("://")[2].partition("/")[0]:
            raise ValueError(
                "without a name and a password, which the run folder would keep (the environment's "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are not kept)"
            )
        return value


LOGGERS = OneOf("name", {"none": FileLogger, "csv": FileLogger, "tensorboard": FileLogger, "mlflow": MlflowLogger})
"""What can be set of a logger, by its name in `logger.name`."""

if TYPE_CHECKING:
    LoggerSettings: TypeAlias = FileLogger | MlflowLogger
else:
    LoggerSettings = Annotated[SerializeAsAny[Settings], BeforeValidator(LOGGERS.check), LOGGERS]
