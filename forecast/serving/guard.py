"""What stands before every request: who may ask, how large a request may be, and a fault that is answered."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
import sys
import time
import traceback
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COOKIE = "forecast_token"
_OPEN = ("/health",)
"""What is answered to anybody: whoever starts containers asks whether this one lives."""
_SAFE = ("GET", "HEAD", "OPTIONS")


class RefusedError(Exception):
    """A request that is refused with a status and one line."""

    def __init__(self, status: int, line: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(line)
        self.status, self.headers = status, headers or {}


def _is_local(host: str) -> bool:
    """Whether an address is reached from this machine alone.

    >>> _is_local("127.0.0.1"), _is_local("localhost"), _is_local("::1"), _is_local("0.0.0.0"), _is_local("box.example")
    (True, True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks every request before it is looked at, and counts it when it is answered.

    Without a token the service is this machine's own, and a page of another site that a browser shows here must not
    reach it under a name of its own (DNS rebinding) nor change anything (a request from elsewhere).
    """

    def __init__(
        self, app: ASGIApp, token: str | None, max_bytes: int, count: Callable[[str, str, int, float], None]
    ) -> None:
        self._app, self._token, self._max_bytes, self._count = app, token, max_bytes, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            if (welcome := self._signed_in(scope)) is not None:
                await _answer(noting, 303, "", welcome)
            else:
                self._check(scope, headers)
                await self._app(scope, receive, noting)
        except RefusedError as error:
            await _answer(noting, error.status, str(error), error.headers)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            if not status:
                await _answer(noting, 500, FAULT)
            elif status != 500:  # half an answer cannot be taken back
                raise
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._count(scope["method"], route, status, time.perf_counter() - began)

    def _signed_in(self, scope: Scope) -> dict[str, str] | None:
        """Exchange the token in the address of the page (`/?token=...`) for a cookie: headers of the answer."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not (self._token and given and scope["path"] == "/" and _same(given, self._token)):
            return None
        kept = f"{_COOKIE}={quote(given, safe='')}; HttpOnly; SameSite=Strict; Path=/"
        return {"location": "/", "set-cookie": kept}

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        if scope["path"] in _OPEN:
            return
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if self._token is None and not _is_local(host):
            raise RefusedError(403, f"this service answers to this machine alone, and was asked for as {host[:80]!r}")
        origin = headers.get("origin")
        if scope["method"] not in _SAFE and origin is not None and urlsplit(origin).netloc != headers.get("host"):
            raise RefusedError(403, f"a page of {origin[:80]!r} asks, and only the service's own may")
        if self._token is not None and not _same(_token_of(headers), self._token):
            message = "a token is needed: send it as `Authorization: Bearer ...`, or open the page as `/?token=...`"
            raise RefusedError(401, message, {"www-authenticate": "Bearer"})
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise _too_large(self._max_bytes)


FAULT = "this is a fault of the service and not yours; what happened stands where the service was started"


def _same(given: str, token: str) -> bool:
    """Compare in a time that does not tell how much of it is right."""
    return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _token_of(headers: dict[str, str]) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except Exception:  # whatever cookie a browser holds of another service
        return ""
    return unquote(cookie.value) if cookie else ""


def _too_large(max_bytes: int) -> RefusedError:
    return RefusedError(413, f"a request may have {max_bytes / 1e6:g} MB (`serve.max_mb`): send fewer rows")


async def read_body(request: Request, max_bytes: int, limit_s: float) -> bytes:
    """Return the body of a request.

    Raises
    ------
    RefusedError
        It is too large, or does not come.

    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(limit_s):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                parts.append(part)
    except TimeoutError:
        raise RefusedError(408, f"the body of the request did not come within {limit_s:g} seconds") from None
    return b"".join(parts)


async def _answer(send: Send, status: int, line: str, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"error": line}).encode() if line else b""
    sent = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})


def check_token(host: str, token: str | None) -> None:
    """Refuse to listen where others can ask without a token.

    Raises
    ------
    ForecastError
        Another address than this machine's own, and no token.

    """
    if token is None and not _is_local(host):
        raise ForecastError(
            f"`serve.host={host}` can be reached from other machines, and there is no token: set `serve.token=...` or "
            f"the environment's FORECAST_TOKEN, or listen at `serve.host=127.0.0.1`"
        )
    if token is not None and not (token.isascii() and token.isprintable() and len(token) >= 8):
        raise ForecastError("the token should have at least 8 characters, all of ASCII: set `serve.token=...`")


def one_line(error: Any) -> str:
    """Return an error of FastAPI's own checks in one line."""
    where = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path"))
    return f"`{where}`: {error['msg'][0].lower()}{error['msg'][1:]}" if where else str(error["msg"])
