"""From a CSV to an honest recurrent-network forecast, in a notebook as on the command line.

    import forecast as fc

    run = fc.fit(fc.read("sales.csv"), horizon=30)
    run.forecast()

What is imported from here is looked up when it is first used: `import forecast` alone loads neither torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module

from forecast import version as _version

__version__ = _version.__version__

TYPE_CHECKING = False  # `typing` would be loaded before `__main__` heeds Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from forecast.errors import ForecastError as ForecastError
    from forecast.evaluation.backtest import Backtest as Backtest
    from forecast.evaluation.backtest import backtest as backtest
    from forecast.evaluation.evaluate import Evaluation as Evaluation
    from forecast.evaluation.evaluate import evaluate as evaluate
    from forecast.evaluation.metrics import score as score
    from forecast.forecasters.baselines import build_baseline as build_baseline
    from forecast.forecasters.baselines import register_baseline as register_baseline
    from forecast.forecasters.generation import continue_from as continue_from
    from forecast.forecasters.generation import past_of as past_of
    from forecast.forecasters.interface import Fitted as Fitted
    from forecast.forecasters.interface import Forecaster as Forecaster
    from forecast.forecasters.interface import Forecasts as Forecasts
    from forecast.forecasters.live import Forecast as Forecast
    from forecast.forecasters.live import Live as Live
    from forecast.forecasters.pretrained import Pretrained as Pretrained
    from forecast.forecasters.recurrent import Recurrent as Recurrent
    from forecast.forecasters.settings import ReferenceSettings as ReferenceSettings
    from forecast.forecasters.settings import RegressionSettings as RegressionSettings
    from forecast.forecasters.settings import RuleSettings as RuleSettings
    from forecast.forecasters.settings import WindowMeanSettings as WindowMeanSettings
    from forecast.network.settings import EsnSettings as EsnSettings
    from forecast.network.settings import GruSettings as GruSettings
    from forecast.network.settings import LstmSettings as LstmSettings
    from forecast.network.settings import RnnSettings as RnnSettings
    from forecast.network.settings import register_cell as register_cell
    from forecast.notebook import Run as Run
    from forecast.notebook import fit as fit
    from forecast.notebook import from_frame as from_frame
    from forecast.notebook import load as load
    from forecast.notebook import read as read
    from forecast.questions.kinds import Problem as Problem
    from forecast.questions.split import Split as Split
    from forecast.questions.split import last_origins as last_origins
    from forecast.questions.split import split_panel as split_panel
    from forecast.questions.task import forecast_task as forecast_task
    from forecast.reading.frames import make_panel as make_panel
    from forecast.reading.generators import make_sinewave as make_sinewave
    from forecast.reading.settings import SinewaveSettings as SinewaveSettings
    from forecast.reading.sources import read_csv as read_csv
    from forecast.reading.sources import read_text as read_text
    from forecast.reading.symbols import compose_jamo as compose_jamo
    from forecast.reporting.html import write_report as write_report
    from forecast.runs.run import open_run as open_run
    from forecast.series.panel import Panel as Panel
    from forecast.tasks.stream_state import Stream as Stream
    from forecast.training.settings import TrainingSettings as TrainingSettings

_WHERE = {
    "errors": ("ForecastError",),
    "evaluation.backtest": ("Backtest", "backtest"),
    "evaluation.evaluate": ("Evaluation", "evaluate"),
    "evaluation.metrics": ("score",),
    "forecasters.generation": ("continue_from", "past_of"),
    "forecasters.interface": ("Fitted", "Forecaster", "Forecasts"),
    "forecasters.live": ("Forecast", "Live"),
    "forecasters.pretrained": ("Pretrained",),
    "forecasters.recurrent": ("Recurrent",),
    "forecasters.settings": ("ReferenceSettings", "RegressionSettings", "RuleSettings", "WindowMeanSettings"),
    "forecasters.baselines": ("build_baseline", "register_baseline"),
    "network.settings": ("EsnSettings", "GruSettings", "LstmSettings", "RnnSettings", "register_cell"),
    "reporting.html": ("write_report",),
    "notebook": ("Run", "fit", "from_frame", "load", "read"),
    "tasks.stream_state": ("Stream",),
    "runs.run": ("open_run",),
    "reading.frames": ("make_panel",),
    "reading.generators": ("make_sinewave",),
    "series.panel": ("Panel",),
    "questions.kinds": ("Problem",),
    "questions.task": ("forecast_task",),
    "reading.symbols": ("compose_jamo",),
    "reading.settings": ("SinewaveSettings",),
    "reading.sources": ("read_csv", "read_text"),
    "questions.split": ("Split", "last_origins", "split_panel"),
    "training.settings": ("TrainingSettings",),
}
_MODULE = {name: f"forecast.{module}" for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULE:
        raise AttributeError(f"module 'forecast' has no attribute {name!r}")
    value = getattr(import_module(_MODULE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted({*globals(), *_MODULE})
