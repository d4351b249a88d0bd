"""Other libraries' recurrent networks, as near to ours as each can be set: an LSTM of one layer and 64 units.

Context 168 steps, horizon 24, Adam at 1e-3, mean absolute error where it can be chosen, no logging, no checkpoints,
one process. Where they differ: neuralforecast decodes with a linear layer more; darts carries no state between windows
either and forecasts the block at once; pytorch-forecasting forecasts by feeding itself, embeds nothing here, and its
windows come with an item a target, encoder and decoder lengths. None of them scales the series here.
"""

from __future__ import annotations

import contextlib
import io
import logging
import time
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.series.panel import FloatArray

CONTEXT, HORIZON, HIDDEN = 168, 24, 64
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
}


class Library(Protocol):
    """A library that trains on one series."""

    name: str

    def fit(self, y: FloatArray, steps: int, batch_size: int) -> None:
        """Train so many optimizer steps."""
        ...

    def forecast_origins(self, y: FloatArray, origins: int) -> int:
        """Forecast from the last origins of a series, at least so many; how many they were."""
        ...

    def forecast_next(self, y: FloatArray) -> None:
        """Forecast after the last row of a series, given its context."""
        ...


def neural_forecast(horizon: int = HORIZON, **settings: Any) -> Any:
    """Make a `NeuralForecast` of one LSTM, not recurrent in its decoder."""
    from neuralforecast import NeuralForecast  # noqa: PLC0415
    from neuralforecast.models import LSTM  # noqa: PLC0415

    model = LSTM(
        h=horizon,
        input_size=CONTEXT,
        encoder_n_layers=1,
        encoder_hidden_size=HIDDEN,
        decoder_layers=1,
        decoder_hidden_size=HIDDEN,
        recurrent=False,
        val_check_steps=10**6,
        **settings,
        **QUIET,
    )
    return NeuralForecast(models=[model], freq=1)


def block_rnn(steps: int, horizon: int = HORIZON, **settings: Any) -> Any:
    """Make a `BlockRNNModel` that trains so many optimizer steps."""
    from darts.models import BlockRNNModel  # noqa: PLC0415

    return BlockRNNModel(
        model="LSTM",
        hidden_dim=HIDDEN,
        n_rnn_layers=1,
        input_chunk_length=CONTEXT,
        output_chunk_length=horizon,
        n_epochs=1_000,  # the steps end it
        random_state=0,
        pl_trainer_kwargs={"max_steps": steps, **QUIET},
        **settings,
    )


class NeuralForecastLstm:
    """`neuralforecast.models.LSTM`."""

    name = "neuralforecast"

    def fit(self, y: FloatArray, steps: int, batch_size: int) -> None:
        """Train so many optimizer steps."""
        self._fitted = neural_forecast(
            max_steps=steps, batch_size=1, windows_batch_size=batch_size, scaler_type="identity"
        )
        self._fitted.fit(_frame(y))

    def forecast_origins(self, y: FloatArray, origins: int) -> int:
        """Forecast from every origin of training: it takes no part of it."""
        return len(self._fitted.predict_insample(step_size=1)) // HORIZON

    def forecast_next(self, y: FloatArray) -> None:
        """Forecast after the last row."""
        self._fitted.predict(_frame(y[-CONTEXT:]))


class DartsLstm:
    """`darts.models.BlockRNNModel`."""

    name = "darts"

    def fit(self, y: FloatArray, steps: int, batch_size: int) -> None:
        """Train so many optimizer steps."""
        self._model = block_rnn(steps, batch_size=batch_size)
        self._model.fit(self._series(y))

    def forecast_origins(self, y: FloatArray, origins: int) -> int:
        """Forecast from the last origins."""
        forecasts = self._model.historical_forecasts(
            self._series(y),
            start=len(y) - origins,
            start_format="position",
            forecast_horizon=HORIZON,
            retrain=False,
            last_points_only=False,
            overlap_end=True,
        )
        return len(forecasts)

    def forecast_next(self, y: FloatArray) -> None:
        """Forecast after the last row."""
        self._model.predict(HORIZON, series=self._series(y[-CONTEXT:]), verbose=False)

    @staticmethod
    def _series(y: FloatArray) -> Any:
        from darts import TimeSeries  # noqa: PLC0415

        return TimeSeries.from_values(y.astype(np.float32))


class PytorchForecastingLstm:
    """`pytorch_forecasting.RecurrentNetwork`."""

    name = "pytorch-forecasting"

    def fit(self, y: FloatArray, steps: int, batch_size: int) -> None:
        """Train so many optimizer steps."""
        import lightning.pytorch as pl  # noqa: PLC0415
        from pytorch_forecasting import RecurrentNetwork  # noqa: PLC0415

        data = self._data(y)
        self._model = RecurrentNetwork.from_dataset(
            data, cell_type="LSTM", hidden_size=HIDDEN, rnn_layers=1, dropout=0.0, log_interval=-1
        )
        trainer = pl.Trainer(max_steps=steps, **QUIET)
        trainer.fit(self._model, data.to_dataloader(train=True, batch_size=batch_size, num_workers=0))

    def forecast_origins(self, y: FloatArray, origins: int) -> int:
        """Forecast from the last origins."""
        return self._forecast(y[-origins - CONTEXT - HORIZON + 1 :])

    def forecast_next(self, y: FloatArray) -> None:
        """Forecast after the last row: it wants rows to put the forecast into."""
        self._forecast(np.concatenate([y[-CONTEXT:], np.zeros(HORIZON)]))

    def _forecast(self, y: FloatArray) -> int:
        loader = self._data(y).to_dataloader(train=False, batch_size=128)
        # a copy: the library leaves its callbacks in what it is handed
        return len(self._model.predict(loader, trainer_kwargs=dict(QUIET)))

    @staticmethod
    def _data(y: FloatArray) -> Any:
        from pytorch_forecasting import TimeSeriesDataSet  # noqa: PLC0415

        return TimeSeriesDataSet(
            pd.DataFrame({"unique_id": "a", "ds": np.arange(len(y)), "y": y.astype(np.float32)}),
            time_idx="ds",
            target="y",
            group_ids=["unique_id"],
            min_encoder_length=CONTEXT,
            max_encoder_length=CONTEXT,
            max_prediction_length=HORIZON,
            time_varying_unknown_reals=["y"],
        )


MODULES = {"neuralforecast": NeuralForecastLstm, "darts": DartsLstm, "pytorch_forecasting": PytorchForecastingLstm}


def installed() -> list[Library]:
    """Make those that there are."""
    return [build() for module, build in MODULES.items() if find_spec(module) is not None]


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what libraries have to say while they are timed."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def training_rate(library: Library, y: FloatArray, batch_size: int, steps: tuple[int, int] = (10, 60)) -> float:
    """Trained windows a second: of two trainings of different length the difference, so that no start counts."""
    seconds = []
    with hushed():
        library.fit(y, 2, batch_size)  # imports, compiles
        for count in steps:
            began = time.perf_counter()
            library.fit(y, count, batch_size)
            seconds.append(time.perf_counter() - began)
    return (steps[1] - steps[0]) * batch_size / (seconds[1] - seconds[0])


def _frame(y: FloatArray) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": "a", "ds": np.arange(len(y)), "y": y})
