"""A node as a process: one writer, two doors (HTTP, and a socket for the own machine), one loop that keeps up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from relto.errors import EXIT_ERROR, Fatal, Malformed, ReltoError, Unavailable
from relto.node import config as settings
from relto.node import hearing, home
from relto.node.app import Service
from relto.node.config import Config
from relto.node.desk import SOCKET
from relto.node.node import Node, Pinned
from relto.node.peers import ask_witness, fetch, http_client, look_back, reach_by, recover_all
from relto.node.rates import Rates, limited
from relto.node.tokens import sign_request
from relto.node.watch import standings

LEAVE_S = 2.0
CONCURRENT_MAX = 512  # connections and calls at once; more get 503
HINT_PATH = "/api/v1/hints"

Web = Callable[[Service], list[BaseRoute]]


def serve(directory: Path, *, quiet: bool, web: Web | None = None) -> int:
    """Serves until it is told to stop (SIGINT, SIGTERM).

    Raises: Conflict while another process holds the directory; Unavailable for a taken port.
    """
    with home.locked(directory):
        node = home.open_node(directory, write=True)
        _ = node.log.head  # verifies the stored ledger before anything is signed or served
        host, port = node.config.address
        if node.config.demo and host not in {"127.0.0.1", "::1"}:
            raise Malformed(
                f"a demo node answers on loopback only, not on `{host}`", hint="`relto node init` without --demo"
            )
        tls = tls_options(node.config, directory)
        with http_client(home.trusted(node.config, directory)) as client:
            look_back(node, client)
        with contextlib.suppress(KeyboardInterrupt):
            fatal = asyncio.run(_serve(node, directory, host, port, tls=tls, quiet=quiet, web=web))
            _leave(fatal)
            if fatal:
                raise Fatal(fatal, hint="start it again: it reads the truth from the disk")
    return 0


def _leave(fatal: str) -> None:
    """Ends the process although a thread still waits for another machine, which may take it as long as its time-out.

    Nothing is lost by it: what a thread had not committed was told to nobody.
    """
    deadline = time.monotonic() + LEAVE_S
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                if fatal:
                    print(f"relto: error: {fatal}", file=sys.stderr)
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(EXIT_ERROR if fatal else 0)


def tls_options(config: Config, directory: Path) -> tuple[str | None, str | None]:
    """How the public door speaks TLS: the two files, or nothing when a proxy does it or nobody.

    Raises: Malformed when the settings contradict each other; Unavailable when the files cannot be used.
    """
    if bool(config.tls_cert) != bool(config.tls_key):
        raise Malformed("`tls_cert` and `tls_key` go together", where=settings.FILE)
    if not config.tls_cert:
        if config.url.startswith("https:") and not config.listen:
            raise Malformed(
                f"`{config.url}` asks for TLS, and no certificate is given",
                hint="set `tls_cert` and `tls_key`, or `listen` when a proxy stands before the node",
                where=settings.FILE,
            )
        return None, None
    files = str(directory / config.tls_cert), str(directory / config.tls_key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(
            f"the TLS files cannot be used: {(error.strerror or str(error)).lower()}",
            hint="both are PEM, the key without a pass phrase, relative to the node's directory",
        ) from error
    return files


async def _serve(
    node: Node,
    directory: Path,
    host: str,
    port: int,
    *,
    tls: tuple[str | None, str | None],
    quiet: bool,
    web: Web | None,
) -> str:
    """Why it had to stop, or an empty text when it was told to."""
    service = Service(node, home.trusted(node.config, directory))
    listener = _listen(host, port)
    rates = Rates(node.store, node.clock)
    door = directory / SOCKET
    door.unlink(missing_ok=True)
    old = os.umask(0o177)  # the socket is its owner's alone
    local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    local.bind(str(door))
    os.umask(old)
    servers = [
        uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="error",
                access_log=False,
                lifespan="off",
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=2,
                limit_concurrency=CONCURRENT_MAX,
                ssl_certfile=files[0],
                ssl_keyfile=files[1],
            )
        )
        for app, files in ((limited(service.public(web), node.config, rates), tls), (service.local(), (None, None)))
    ]
    for server in servers:
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    stop, loop = service.ended, asyncio.get_running_loop()
    service.loop = loop
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    tasks = [
        asyncio.create_task(servers[0].serve([listener])),
        asyncio.create_task(servers[1].serve([local])),
        asyncio.create_task(_kept_up(service)),
    ]
    if not quiet:
        print(f"relto: {node.me} at {node.config.url}, ledger {node.origin} size {node.log.head.size}", flush=True)
    await stop.wait()
    for server in servers:
        server.should_exit = True
    tasks[2].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        ended = await asyncio.gather(*tasks, return_exceptions=bool(service.fatal))
        for error in ended:
            if isinstance(error, Exception):
                traceback.print_exception(error)
    door.unlink(missing_ok=True)
    return service.fatal


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise Unavailable(
            f"port {port} on `{host}` cannot be used: {(error.strerror or '').lower()}",
            hint="is another node running there?",
        ) from error
    return listener


async def _kept_up(service: Service) -> None:
    """`keep_up`, and the end of the process when what became of a write is unknown."""
    try:
        await keep_up(service)
    except Fatal as error:
        service.failed(error)
    except Exception as error:
        # A node that serves and no longer keeps up looks well and is not: better that somebody notices.
        service.failed(Fatal(f"keeping up with the others failed: {type(error).__name__}: {error}"))
        raise


async def keep_up(service: Service) -> None:
    """Fetches when hinted or when the interval has passed, writes what is owed, hints the others when the ledger grew.

    A partner that is down costs its own time-out and nothing else; a hint may be lost, the interval catches up.
    """
    node, told = service.node, 0
    shown: dict[str, str] = {}
    with http_client(service.ca) as client:
        service.hear = hearing.by(node, client)
        while True:
            service.wake.clear()
            moved = 0
            if node.recovering:
                await run_in_threadpool(_recover, node, client)
            pinned = await run_in_threadpool(node.peers)
            fetched = await asyncio.gather(*(run_in_threadpool(_fetch, node, one, client) for one in pinned.values()))
            moved += sum(fetched)
            moved += await run_in_threadpool(_tend, node, client, shown)
            size = node.log.head.size
            if size != told:
                told = size
                await asyncio.gather(*(run_in_threadpool(_hint, node, one, client) for one in pinned.values()))
            await run_in_threadpool(_tell, node, shown)
            async with service.synced:
                service.synced.notify_all()
            if not moved:
                # Once for all that came together: a checkpoint is of use without cosignatures too.
                witnesses = [] if node.recovering else await run_in_threadpool(node.witnesses)
                await asyncio.gather(*(run_in_threadpool(_cosign, node, party, client) for party in witnesses))
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(service.wake.wait(), node.config.sync_s)


def _tell(node: Node, shown: dict[str, str]) -> None:
    """One log line for each partner whose standing changed. shown: what was told last, by party."""
    for one in standings(node):
        words = "" if one.state == "current" else f"{one.state}: {one.words}"
        words = "; ".join(filter(None, (words, one.tells)))
        key = f"{one.state} {one.tells}"
        if shown.get(one.party, "current ") != key and not (one.state == "unheard" and one.party not in shown):
            print(f"relto: {one.party}: {words or 'current again'}", file=sys.stderr, flush=True)
        shown[one.party] = key


def _fetch(node: Node, pinned: Pinned, client: httpx.Client) -> int:
    try:
        return fetch(node, pinned, client)
    except Fatal:
        raise
    except ReltoError:
        return 0  # kept as an alarm where it is one; a silent partner shows by the age of its head


def _cosign(node: Node, party: str, client: httpx.Client) -> bool:
    try:
        return ask_witness(node, party, client)
    except Fatal:
        raise
    except ReltoError:
        return False  # an alarm where it is one; else asked again next time


def _recover(node: Node, client: httpx.Client) -> None:
    try:
        step = recover_all(node, {}, client)
    except ReltoError as error:
        print(f"relto: still recovering: {error}", file=sys.stderr, flush=True)
        return
    words = "recovered" if step.done else f"still recovering: {step.problem}"
    print(f"relto: {words}; {step.size} entries, {step.refilled} of them from partners", file=sys.stderr, flush=True)


def _tend(node: Node, client: httpx.Client, shown: dict[str, str]) -> int:
    if node.recovering:
        return 0
    try:
        return node.tend(reach_by(client))
    except Fatal:
        raise
    except ReltoError as error:
        if shown.get("") != error.message:
            print(f"relto: what is owed cannot be written: {error}", file=sys.stderr, flush=True)
        shown[""] = error.message
        return 0


def _hint(node: Node, pinned: Pinned, client: httpx.Client) -> None:
    assert node.keys is not None
    signed = sign_request(
        node.keys.node,
        origin=node.origin,
        audience=pinned.origin,
        method="POST",
        path=HINT_PATH,
        body=b"",
        now=node.clock() // 1000,
        random=node.random,
    )
    with contextlib.suppress(httpx.HTTPError):
        client.post(pinned.address + HINT_PATH, headers={"authorization": signed}, timeout=2.0)
