from __future__ import annotations

import signal
import threading

import pytest
from small_jobs import small_job

from forecast.tasks import train as module
from forecast.tasks.train import validate


def test_an_interrupt_during_training_ends_a_sweep_instead_of_scoring_half_a_network(monkeypatch):
    """In a run of its own the best weights go on to the evaluation; among others they would be compared unfairly."""
    network = module.network

    def interrupted_after_the_first_epoch(job, *told):
        forecaster = network(job, *told)
        interrupt = threading.main_thread().ident
        object.__setattr__(forecaster, "on_epoch", lambda epoch: signal.pthread_kill(interrupt, signal.SIGINT))
        return forecaster

    monkeypatch.setattr(module, "network", interrupted_after_the_first_epoch)
    with pytest.raises(KeyboardInterrupt):
        validate(small_job(training__max_epochs=50, training__patience=50))
