"""200 clients at the service on loopback: nothing lost, nothing mixed up between their streams, and how long it takes.

    python benchmarks/service.py [--clients 200] [--seconds 60] [--pause 0.5]

Trains a small LSTM on the sine wave, serves it in a process of its own, and lets every client feed a stream of its own
with values that no other has. Each checks that every answer is of its stream and counts its rows, and at the end that
the forecasts are those of a network that was fed its values alone. `--pause` is what a client waits between rows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from forecast.runs.run import open_run
from forecast.serving.forms import Row
from forecast.tasks.serve import RunStream
from forecast.tasks.settings import StreamSettings
from forecast.tasks.stream_state import Stream

CHECKED = 20
"""Clients whose forecasts are made once more, each row by a network of its own."""


@dataclass
class Client:
    """One client: what it sent, what came back, and how long that took."""

    name: str
    sent: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    latest: dict = field(default_factory=dict)
    wrong: int = 0

    async def feed(self, port: int, until: float, pause: float, seed: int) -> None:
        """Send rows one after the other and check each answer; one at least, which begins the stream."""
        rng = np.random.default_rng((seed, len(self.sent)))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not self.sent or time.perf_counter() < until:
            value = float(np.sin(len(self.sent) / 3 + seed) + 0.1 * rng.standard_normal())
            body = json.dumps({"y": value}).encode()
            head = (
                f"POST /stream/{self.name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            began = time.perf_counter()
            writer.write(head.encode() + body)
            status, answer = await read_answer(reader)
            self.seconds.append(time.perf_counter() - began)
            self.sent.append(value)
            made = json.loads(answer)
            if status != 200 or made["id"] != self.name or made["rows"] != len(self.sent) or made["dropped"]:
                self.wrong += 1
            self.latest = made.get("forecast", {})
            await asyncio.sleep(pause * rng.uniform(0.5, 1.5))
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer of HTTP: its status and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length: ")[1].split("\r\n")[0])
    return int(head.split(" ")[1]), await reader.readexactly(length)


def check(run: Path, clients: list[Client]) -> int:
    """Count the clients whose last forecast is not that of a network that read their values alone."""
    opened = open_run(run)
    differing = 0
    for client in clients[:: max(len(clients) // CHECKED, 1)]:
        alone = RunStream(Stream(opened, None, StreamSettings().interval))
        for value in client.sent:
            expected = alone.update(Row(y=value))
        same = np.allclose(expected["y_hat"], client.latest["y_hat"], rtol=0, atol=1e-9)
        differing += not (same and expected["ds"] == client.latest["ds"])
    return differing


async def feed_all(clients: list[Client], port: int, seconds: float, pause: float) -> None:
    """Let all clients send for so long."""
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client.feed(port, until, pause, seed) for seed, client in enumerate(clients)))


def main() -> None:
    """Train, serve, feed, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "forecast"]
        train = ["model=lstm", "baseline=[naive]", "training.max_epochs=3", "report.png=false", f"hydra.run.dir={run}"]
        subprocess.run([*command, *train], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        serve = ["task=serve", f"run={run}", "serve.port=0", "stream.history=false"]
        service = subprocess.Popen([*command, *serve], cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            port = int(service.stdout.readline().rsplit(":", 1)[1])
            clients = [Client(f"client-{i}") for i in range(asked.clients)]
            asyncio.run(feed_all(clients, port, 0, asked.pause))
            beginnings = np.concatenate([client.seconds for client in clients])
            for client in clients:
                client.seconds.clear()
            began = time.perf_counter()
            asyncio.run(feed_all(clients, port, asked.seconds, asked.pause))
            took = time.perf_counter() - began
        finally:
            service.terminate()
            service.wait()
        seconds = np.concatenate([client.seconds for client in clients])
        p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1e3
        wrong, differing = sum(client.wrong for client in clients), check(run, clients)
    print(f"{len(clients)} clients, {took:.0f} s: {len(seconds):,} rows, {len(seconds) / took:,.0f} a second")
    print(f"all streams had begun after {beginnings.max():.1f} s")
    print(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {seconds.max() * 1e3:.0f} ms")
    print(f"answers that were wrong: {wrong}; clients whose forecasts are not their own: {differing}")


if __name__ == "__main__":
    main()
