"""How often one address may call in a minute: counted in the database, so that two processes on it share one count.

A process takes calls from the count some at a time and spends them from memory: one write in twenty calls. What it has
taken and not spent is lost with it, to the caller's disadvantage, never to the node's.
"""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from relto.errors import Fatal, ReltoError, Unavailable
from relto.node.config import Config
from relto.node.node import Clock
from relto.store import Sqlite

STEP: Final = 20  # calls taken from the count at once
PARTNERS: Final = 10  # times as many for calls that come as a node's: catching up is many small ones
KEPT_MAX: Final = 100_000  # addresses in memory; beyond that all is taken from the count anew

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class Rates:
    """See the module. most: calls in a minute."""

    def __init__(self, store: Sqlite, clock: Clock) -> None:
        self._store, self._clock, self._lock = store, clock, threading.Lock()
        self._minute, self._left = 0, dict[str, int]()

    def take(self, client: str, most: int) -> int:
        """0 when this call may go on; else the seconds until the next minute. Raises: Unavailable, Fatal."""
        now = self._clock()
        minute = now // 60_000
        with self._lock:
            if minute != self._minute or len(self._left) > KEPT_MAX:
                self._minute, self._left = minute, {}
            left = self._left.get(client, 0)
            if not left:
                left = self._draw(client, minute, most)
            if not left:
                return 60 - now // 1000 % 60
            self._left[client] = left - 1
            return 0

    def _draw(self, client: str, minute: int, most: int) -> int:
        step = min(STEP, most)
        with self._store.transaction("rates"):
            self._store.execute("DELETE FROM rates WHERE minute < $1", (minute,))
            rows = self._store.execute(
                "INSERT INTO rates (client, minute, taken) VALUES ($1, $2, $3)"
                " ON CONFLICT (client, minute) DO UPDATE SET taken = rates.taken + $3 WHERE rates.taken + $3 <= $4",
                (client, minute, step, most),
            )
        return step if rows else 0


def client_of(scope: Scope, proxy: str) -> str:
    """The address that a call comes from; behind the named proxy, the last one that it forwards for.

    An IPv6 caller owns a network of 64 bits, and is counted by it.
    """
    host = str((scope.get("client") or ("", 0))[0])
    if proxy and host == proxy:
        said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        host = said[-1].decode("latin-1").rpartition(",")[2].strip() if said else host
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def limited(app: App, config: Config, rates: Rates) -> App:
    """The application behind the limit that the settings name; 0 is none."""
    most = config.rate_per_minute
    host, _ = config.address
    own = not config.proxy and host in {"127.0.0.1", "::1"} and not config.listen

    async def edge(scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] != "http" or not most:
            await app(scope, receive, send)
            return
        client = client_of(scope, config.proxy)
        if own and client in {"127.0.0.1", "::/64"}:
            await app(scope, receive, send)  # a node for this machine alone: the demonstration, a test
            return
        node = any(name == b"authorization" and value[:6].lower() == b"relto " for name, value in scope["headers"])
        try:
            wait = await run_in_threadpool(
                rates.take, f"node {client}" if node else client, most * (PARTNERS if node else 1)
            )
        except Fatal:
            raise
        except ReltoError as error:
            await _answer(send, error.http_status, error, 0)
            return
        if wait:
            await _answer(send, 429, Unavailable("too many requests from one address", hint=f"again in {wait} s"), wait)
            return
        await app(scope, receive, send)

    return edge


async def _answer(send: Callable[[Any], Awaitable[None]], status: int, error: ReltoError, wait: int) -> None:
    body = json.dumps({"error": error.as_dict()}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if wait:
        headers.append((b"retry-after", str(wait).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
