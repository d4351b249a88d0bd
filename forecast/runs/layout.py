"""The names in a run folder; other tools read them, so they never change."""

from __future__ import annotations

from forecast.forecasters.interface import QUANTILES

LEADERBOARD = "leaderboard.csv"
RESULTS = "results.parquet"
FORECAST = "forecast.csv"
PATHS = "paths.parquet"
HISTORY = "history.csv"
GRADIENTS = "gradients.csv"
RECORD = "run.json"
WEIGHTS = "weights.safetensors"
FIGURES = "figures"
REPORT = "report.html"
PROBE = "probe.html"
PROBE_NUMBERS = "probe.json"
PROBE_FIGURES = "probe"
CONTINUATION = "continuation.txt"

QUANTILE_COLUMNS = tuple(f"q{level:g}" for level in QUANTILES)
POINT_COLUMNS = ("unique_id", "ds", "model", "y_hat")
"""Of a forecast without intervals: how likely the target rises."""

SYMBOL_COLUMNS = ("unique_id", "ds", "model", "symbol", "chance")
"""Of a forecast of symbols, a line each."""

FORECAST_COLUMNS = (*POINT_COLUMNS, *QUANTILE_COLUMNS)
