"""What a training leaves of each of its epochs; apart from the callbacks, so that reading it needs no Lightning."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Epoch:
    """One line of the training history; losses are the head's own, `seconds` since training began.

    Attributes
    ----------
    gradient_norm, largest_gradient_norm : mean and largest norm of the gradient before clipping
    clipped_share : share of the steps whose gradient was clipped

    The last three are None unless gradients are recorded.

    """

    epoch: int
    train_loss: float
    validation_loss: float
    learning_rate: float
    seconds: float
    gradient_norm: float | None = None
    largest_gradient_norm: float | None = None
    clipped_share: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Plain values, by column of history.csv; what was not recorded has none."""
        return {name: value for name, value in asdict(self).items() if value is not None}
