"""The stage: four nodes as four processes, and what the driver may do with them.

The driver acts as the officers and people of all parties on one machine, by key files, which is what a demonstration
is. Whatever it checks it reads from a node's files or over HTTP, never from what it remembers having done.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from relto.acts import Act, Register
from relto.demo import cast
from relto.errors import ReltoError
from relto.ledger import tree_of
from relto.node import home, officer
from relto.node.config import Config
from relto.node.desk import Served
from relto.node.node import Delivered, Node

PATIENCE_S = 30.0


class Failed(Exception):
    pass


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Actor:
    """One party: its directory, its serving process, its officers' key files."""

    def __init__(self, party: str, directory: Path, port: int) -> None:
        self.party, self.directory, self.url = party, directory, f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.desk = Served(directory)
        self._seen: tuple[object, ...] = ()
        self._node: Node | None = None

    def begin(self) -> str:
        config = Config(
            party=self.party,
            partnership="aukus",
            name=cast.PARTIES[self.party],
            url=self.url,
            origin=f"{self.party}.localhost/aukus/0",
            demo=True,
            sync_s=2.0,
        )
        node = home.init(self.directory, config)
        return node.register.scans[node.origin].inception_id

    def serve(self) -> None:
        log = (self.directory / "serve.log").open("ab")
        self.process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "relto", "node", "serve", "--node", str(self.directory), "--quiet"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )

    def wait_up(self) -> None:
        until(self.desk.alive, f"the node of {self.party} answers")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)
            if self.process.poll() is None:
                self.process.kill()
            self.process = None

    def node(self) -> Node:
        """The node as its files are now, opened anew when they changed."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self.directory / 'node.sqlite'}?mode=ro", uri=True)
        ) as database:
            seen: tuple[object, ...] = tuple(
                tuple(database.execute(sql).fetchall())
                for sql in (
                    "select origin, size, seen from heads",
                    "select origin, size, seen from part_heads",
                    "select count(*) from openings",
                    "select count(*) from parts",
                    "select count(*) from alarms",
                    "select count(*) from peers",
                    "select count(*) from people",
                )
            )
        seen += (len(list((self.directory / "objects").glob("*/*"))),)
        if self._node is None or seen != self._seen:
            # The former one is left to whoever still reads it.
            self._node, self._seen = home.open_node(self.directory), seen
        return self._node

    def register(self) -> Register:
        return self.node().register

    def draft(self, kind: str, /, **fields: Any) -> Act:
        return self.node().draft(kind, **fields)

    def sign(self, draft: Act) -> bytes:
        node = self.node()
        keys = node.register.scans[node.origin].keys
        assert keys is not None
        request = officer.request(draft, keys)
        return officer.envelope(officer.sign(request, officer.offline_signers(self.directory, request)))

    def act(self, kind: str, /, **fields: Any) -> str:
        """An officer's act: drafted by the node, signed by key files, submitted through the socket."""
        return self.desk.submit(self.sign(self.draft(kind, **fields)))

    def submit(self, draft: Act) -> str:
        """A draft made earlier, at its place in the ledger of now."""
        return self.desk.submit(self.sign(msgspec.structs.replace(draft, at=self.node().now())))

    def consent(self, proposal: str) -> str:
        register = self.register()
        sight = (
            {"sight": register.acks[self.party][0]}
            if self.party in register.acks and register.stated[proposal].act.partnership is not msgspec.UNSET
            else {}
        )
        return self.act("consent", proposal=proposal, **sight)


class Stage:
    """All four. `directory` is kept when the caller gave it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ports = free_ports(len(cast.PARTIES))
        self.actors = {
            party: Actor(party, directory / party, port) for party, port in zip(cast.PARTIES, ports, strict=True)
        }

    def __getitem__(self, party: str) -> Actor:
        return self.actors[party]

    def stop(self) -> None:
        for actor in self.actors.values():
            actor.stop()

    def copy(self, party: str, name: str) -> Path:
        """A node's directory as it is now, elsewhere: what step 10 damages is never the real one."""
        source, target = self.directory / party, self.directory / "copies" / name
        target.mkdir(parents=True, mode=0o700)
        for part in ("relto.toml",):
            shutil.copy2(source / part, target / part)
        shutil.copytree(source / "objects", target / "objects")
        shutil.copytree(source / "keys", target / "keys")
        with (
            contextlib.closing(sqlite3.connect(source / "node.sqlite")) as one,
            contextlib.closing(sqlite3.connect(target / "node.sqlite")) as other,
        ):
            one.backup(other)
        (target / "node.sqlite").chmod(0o600)
        return target


def until(ready: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> float:
    """Waits for what another process does; returns the seconds it took. Raises: Failed naming what did not come."""
    begun = time.monotonic()
    problem = ""
    while time.monotonic() - begun < patience_s:
        try:
            if ready():
                return time.monotonic() - begun
        except (ReltoError, OSError, sqlite3.Error) as error:
            problem = f" ({error})"
        time.sleep(0.05)
    raise Failed(f"did not happen within {patience_s:.0f} s: {what}{problem}")


class Beside:
    """A node in this process as another one reaches it, without a network: for copies only."""

    at: int | None = None

    def __init__(self, target: Node, caller: str) -> None:
        self.target, self.caller, self.party = target, caller, target.me

    def head(self) -> bytes:
        time.sleep(self.target.publish_in_ms() / 1000)
        return self.target.published()

    def leaves(self, start: int, stop: int) -> list[bytes]:
        return self.target.store.leaves(self.target.origin, start, stop)

    def openings(self, since: int, also: Any, size: int) -> list[Delivered]:
        return self.target.openings_for(self.caller, since, also, size, proofs=False)

    def consistency(self, old: int, new: int) -> list[bytes]:
        return tree_of(self.target.store, self.target.origin).consistency(old, new)

    def object(self, digest: str) -> bytes:
        return self.target.objects.get(bytes.fromhex(digest))
