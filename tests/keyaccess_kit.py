"""A founded partnership of three whose nodes answer over HTTP in this process, at real time, for clients of all makes.

The code is that of served nodes; only the loop that fetches from the others is left out: `world.sync()` does it.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import uvicorn
from world import World

from relto import acts
from relto.acts import RecipientClass
from relto.demo import cast
from relto.demo.stage import free_ports
from relto.keys import ProofKey
from relto.node import login
from relto.node.app import Service
from relto.node.client import Client, Session
from relto.node.config import Config
from relto.node.home import init
from relto.node.people import add_person, publish_roster

MEMBERS = ("gbr", "usa", "aus")
ITEM = cast.ITEM_A
ANY_ONE = acts.ReleaseRule(rule="one")


class Live(World):
    """`url[party]`: where a node answers while `serving()` is open.

    The founding runs on the world's own clock, begun a few minutes ago; from then on time is the machine's, and waiting
    for it is waiting.
    """

    real = False

    def __init__(self, directory: Path):
        super().__init__(directory)
        self._time = now_ms() - 300_000
        self.url = dict(zip(MEMBERS, (f"http://127.0.0.1:{port}" for port in free_ports(len(MEMBERS))), strict=True))
        self.services = {}
        self._servers = {}
        self._clients = []

    @property
    def time(self):
        return now_ms() if self.real else self._time

    @time.setter
    def time(self, later):
        if self.real:
            time.sleep(max(0, later - now_ms()) / 1000)
        self._time = later

    def clock(self):
        if self.real:
            return now_ms()
        self._time += 1
        return self._time

    def random(self, size):
        return os.urandom(size)

    def start(self, party, name):
        config = Config(
            party=party,
            partnership="aukus",
            name=name,
            url=self.url[party],
            origin=f"{party}.localhost/aukus/0",
            demo=True,
        )
        node = init(self.directory / party, config, clock=self.clock, random=self.random, root=(1, 1), authority=(1, 1))
        self.nodes[party] = node
        return node

    def up(self, party):
        host, port = "127.0.0.1", int(self.url[party].rpartition(":")[2])
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        service = self.services.setdefault(party, Service(self.nodes[party]))
        server = uvicorn.Server(
            uvicorn.Config(service.public(), log_level="error", access_log=False, lifespan="off", backlog=256)
        )
        server.install_signal_handlers = lambda: None
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        self._servers[party] = (server, thread, listener)

    def down(self, party):
        server, thread, listener = self._servers.pop(party)
        server.should_exit = True
        thread.join(10)
        listener.close()

    @contextlib.contextmanager
    def serving(self, *parties):
        for party in parties or MEMBERS:
            self.up(party)
        try:
            yield self
        finally:
            for party in list(self._servers):
                self.down(party)
            for client in self._clients:
                client.http.close()

    # ---- people

    def session(self, party, alias):
        """A logged-in person's client, without the file that `relto login` leaves."""
        key = ProofKey.generate("EdDSA", self.random)
        node = self.nodes[party]
        service = self.services.setdefault(party, Service(node))
        held = login.login(node, service.sessions, "127.0.0.1", {"alias": alias, "jkt": key.jkt})
        self._clients.append(Client(Session(**held, key=key.to_text())))
        return self._clients[-1]

    def set(self, party, **changes):
        """Settings of a node, changed as by an edit and a restart."""
        self.nodes[party].save_config(**changes)


# The high-water mark of this process alone: what `wait4` tells begins with that of the process that started it.
WEIGHED = """
import sys
from relto.cli import run
status = run(sys.argv[1:])
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
sys.exit(f"{status} {peak}")
"""


def weighed(*arguments):
    """A command in a process of its own: the most memory that it held, in MiB, shared libraries included."""
    done = subprocess.run(
        [sys.executable, "-c", WEIGHED, *map(str, arguments)], check=False, capture_output=True, text=True
    )
    status, peak = done.stderr.split()[-2:]
    assert status == "0", done.stderr
    return int(peak) / 1024


def now_ms():
    return time.time_ns() // 1_000_000


def found(directory, owners=("gbr",), rule=ANY_ONE, charter=None):
    """Founded, laws adopted, people known, `ITEM` registered with these owners and permitted to Ada of `aus`."""
    live = Live(directory)
    live.charter = charter or live.charter
    for party in MEMBERS:
        live.start(party, cast.PARTIES[party])
    live.founding = live.found(*MEMBERS)
    live.adopt_laws()
    for one in cast.PEOPLE:
        if one.party in MEMBERS:
            facts = msgspec.convert(one.facts(cast.day(live.time, 365)), RecipientClass)
            add_person(live.nodes[one.party], one.alias, one.name, "", facts, one.party.upper())
    for party in MEMBERS:
        for fields in cast.attestations(party, live.time):
            live.act(party, "attest", **fields)
        publish_roster(live.nodes[party])
    opaque = live.random(16).hex()
    fields = cast.items(live.time, {ITEM: opaque, cast.ITEM_B: opaque, cast.ITEM_C: opaque})[ITEM]
    live.act("gbr", "register", **{**fields, "owners": owners, "release": rule})
    live.act("gbr", "determine", **cast.determination_a(live.register("gbr").item(ITEM).label_act))
    live.opaque = opaque
    live.sync()
    assert live.time < now_ms()
    live.real = True
    return live
