"""A service without networks, and a client of it."""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from answering import describe, forecast

from forecast.serving.service import Answers, make_service
from forecast.serving.settings import ServeSettings


@contextmanager
def served(app, **client):
    """Listen with an application; a client of it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=120, **client) as ours:
            yield ours
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


class Counting:
    """A stream that says how many rows it has taken, and their sum."""

    def __init__(self, run, state):
        self.rows = json.loads(state.read_text()) if state is not None and state.exists() else []

    def update(self, row):
        if row.y == "fault":
            raise ZeroDivisionError("1/0")
        self.rows.append(row.y)
        return {"unique_id": "y", "ds": str(len(self.rows)), "y_hat": [sum(self.rows)]}

    def save(self, path):
        path.write_text(json.dumps(self.rows))


def service(token=None, **settings):
    """A service of two runs that need no network; its workers answer as `answering` says."""
    facts = {"created": "now", "model": "lstm", "series": 1, "ids": ["y"], "horizon": 1, "frequency": "D"}
    names = ("first", "second")
    answers = Answers(
        runs={name: {**facts, "season_steps": 7, "recommended": "naive", "verdict": "yes"} for name in names},
        folders={name: f"/runs/{name}" for name in names},
        functions={"forecast": forecast, "describe": describe},
        report=lambda name: f"<h1>{name}</h1>".encode(),
        start=Counting,
        values_of=lambda path, asked: {"path": path, **asked.model_dump()},
        command=lambda folder: [sys.executable, str(Path(__file__).with_name("working.py")), str(folder)],
    )
    settings.setdefault("folder", tempfile.mkdtemp())
    return make_service(answers, ServeSettings(**settings), token)
