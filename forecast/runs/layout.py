"""The names in a run folder; other tools read them, so they never change."""

from __future__ import annotations

LEADERBOARD = "leaderboard.csv"
RESULTS = "results.parquet"
FORECAST = "forecast.csv"
HISTORY = "history.csv"
RECORD = "run.json"
WEIGHTS = "weights.safetensors"
FIGURES = "figures"
REPORT = "report.html"

FORECAST_COLUMNS = ("unique_id", "ds", "model", "y_hat")
