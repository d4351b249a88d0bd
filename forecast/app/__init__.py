"""The edge: the only place that knows Hydra and OmegaConf.

arguments -> composition (diagnosis) -> folders -> jobs -> run_task -> a task
                                                -> sweep, over the outcomes of many jobs
"""

from __future__ import annotations

from forecast.app.command import main

__all__ = ["main"]
