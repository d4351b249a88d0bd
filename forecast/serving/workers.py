"""Processes that compute, so that what takes too long can be stopped and what crashes takes nothing along."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

_READY_S = 300.0
"""Seconds that a new process may take to import what it needs."""


class BusyError(Exception):
    """All workers are taken, and enough requests wait already."""


class WorkerError(Exception):
    """A fault of ours in a worker, or its end; the traceback, where there is one, is its text."""


class Workers:
    """Some processes, each of which answers one question at a time.

    Parameters
    ----------
    functions
        What can be asked, by name; functions of a module, which a new process imports.
    count
        Processes.
    time_limit_s
        Seconds that an answer may take; then its process is replaced.
    max_waiting
        Questions that wait for a process; further ones are refused.

    """

    def __init__(
        self, functions: Mapping[str, Callable[..., Any]], count: int, time_limit_s: float, max_waiting: int
    ) -> None:
        self._most, self._asked = count + max_waiting, 0
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="worker")  # each waits for a process
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._all = [_Worker(dict(functions), time_limit_s) for _ in range(count)]
        for worker in self._all:
            self._idle.put(worker)

    async def ask(self, function: str, *arguments: Any) -> Any:
        """Return what a function makes of its arguments, in some process.

        Raises
        ------
        ForecastError
            The function's own, or it took too long.
        BusyError
            Too many others wait.
        WorkerError
            Anything else.

        """
        if self._asked >= self._most:
            raise BusyError
        self._asked += 1
        answer = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, function, arguments)
        answer.add_done_callback(self._answered)  # and not when whoever asked has gone away
        return await answer

    def _answered(self, answer: asyncio.Future[Any]) -> None:
        self._asked -= 1
        if not answer.cancelled():
            answer.exception()  # looked at: nobody else may be there to do it

    def _ask(self, function: str, arguments: tuple[Any, ...]) -> Any:
        worker = self._idle.get()
        try:
            return worker.ask(function, arguments)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all processes; what they were asked is not answered."""
        for worker in self._all:
            worker.stop()
        self._threads.shutdown(cancel_futures=True)


class _Worker:
    """One process and the connection to it."""

    def __init__(self, functions: dict[str, Callable[..., Any]], time_limit_s: float) -> None:
        self._functions, self._time_limit_s, self._stopped = functions, time_limit_s, False
        self._start()

    def _start(self) -> None:
        # Not a plain fork: threads of ours would be cut off in the middle of what they hold.
        context: Any = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
        if sys.platform != "win32":
            context.set_forkserver_preload(sorted({function.__module__ for function in self._functions.values()}))
        self._ready = False
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_answer, args=(theirs, self._functions), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, function: str, arguments: tuple[Any, ...]) -> Any:
        try:
            self._wait_until_ready()
            self._connection.send((function, arguments))
            if not self._connection.poll(self._time_limit_s):
                self._replace()
                raise ForecastError(
                    f"this took longer than `serve.time_limit_s={self._time_limit_s:g}` and was stopped: "
                    f"send fewer rows or series"
                )
            kind, answer = self._connection.recv()
        except (EOFError, OSError):
            self._replace()
            raise WorkerError("a worker has died, and another one has taken its place") from None
        if kind == "mistake":
            raise ForecastError(answer)
        if kind == "fault":
            raise WorkerError(answer)
        return answer

    def _wait_until_ready(self) -> None:
        if not self._ready and not (self._connection.poll(_READY_S) and self._connection.recv()):
            raise EOFError
        self._ready = True

    def _replace(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()
        if not self._stopped:
            self._start()

    def stop(self) -> None:
        self._stopped = True
        self._process.kill()
        self._process.join()


def _answer(connection: Connection, functions: Mapping[str, Callable[..., Any]]) -> None:
    """Answer questions until nobody is left to ask any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's, which ends us in order
    try:
        connection.send(True)
        while True:
            function, arguments = connection.recv()
            connection.send(_outcome(functions[function], arguments))
    except (EOFError, OSError):
        return


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "answer", function(*arguments)
    except ForecastError as error:
        return "mistake", error.line
    except Exception:  # a fault of ours must not take the worker along
        return "fault", traceback.format_exc()
