"""Three real nodes as processes, and what happens to machines: killed, stopped, out of room, restored from yesterday.

After each: every act whose acceptance was told stands in its ledger once, every ledger is what its head signs, mirrors
are prefixes, no party accuses another, and the partnership goes on.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from world import World

from relto import acts
from relto.cli import run
from relto.demo.stage import free_ports
from relto.errors import ReltoError
from relto.ledger import verify_log
from relto.node import config as settings
from relto.node import officer
from relto.node.config import Config
from relto.node.desk import Served
from relto.node.held import log_verifier
from relto.node.home import init, open_node
from relto.node.watch import standings

pytestmark = [
    pytest.mark.slow,
    # The HTTP library leaves the socket of a call whose server was killed to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

MEMBERS = ("gbr", "usa", "aus")


class Served3:
    """Three founded members, each a process of its own in a directory of its own."""

    def __init__(self, root):
        self.root, self.processes, self.limits = root, {}, {}
        self.directories = {party: root / party for party in MEMBERS}
        self.accepted = {party: [] for party in MEMBERS}
        self.number = 0
        ports = dict(zip(MEMBERS, free_ports(len(MEMBERS)), strict=True))
        world = World(root)
        world.time = int(time.time() * 1000) - 60_000

        def start(party, name):
            config = Config(
                party=party,
                partnership="aukus",
                name=name,
                url=f"http://127.0.0.1:{ports[party]}",
                origin=f"{party}.localhost/aukus/0",
                demo=True,
                sync_s=0.5,
            )
            node = init(root / party, config, clock=world.clock, random=os.urandom, root=(1, 1), authority=(2, 2))
            world.nodes[party] = node

        for party in MEMBERS:
            start(party, party)
        world.found(*MEMBERS)
        for node in world.nodes.values():
            node.store.close()

    def up(self, *parties, file_limit=None):
        for party in parties or MEMBERS:
            log = (self.root / f"{party}.log").open("ab")
            self.processes[party] = subprocess.Popen(
                [
                    sys.executable,
                    "-X",
                    "faulthandler",
                    "-m",
                    "relto",
                    "node",
                    "serve",
                    "--node",
                    str(self.directories[party]),
                ],
                stdout=log,
                stderr=log,
            )
            log.close()
            if file_limit is not None:
                resource.prlimit(self.processes[party].pid, resource.RLIMIT_FSIZE, (file_limit, file_limit))
        for party in parties or MEMBERS:
            self.wait(lambda party=party: self.alive(party), f"{party} does not start: {self.log(party)}")

    def log(self, party):
        return (self.root / f"{party}.log").read_text()[-12000:]

    def alive(self, party):
        desk = Served(self.directories[party])
        try:
            return desk.alive()
        finally:
            desk.close()

    def kill(self, party, number=signal.SIGKILL):
        process = self.processes.pop(party)
        process.send_signal(number)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it then says where each of its threads stands
            process.wait(timeout=20)
            raise AssertionError(f"{party} does not stop: {self.log(party)}") from None

    def down(self):
        for party in list(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.processes[party].pid, signal.SIGCONT)
            self.kill(party, signal.SIGTERM)

    def wait(self, done, words, seconds=60):
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, words
            time.sleep(0.1)

    def draft(self, party):
        self.number += 1
        node = open_node(self.directories[party])
        try:
            term = acts.Term(since=f"2026-{self.number // 28 % 12 + 1:02}-{self.number % 28 + 1:02}")
            draft = node.draft("attest", about=f"{party}/works-{self.number}", claim="facility", term=term)
            keys = node.register.scans[node.origin].keys
        finally:
            node.store.close()
        request = officer.request(draft, keys)
        signers = officer.offline_signers(self.root / party, request)
        return officer.envelope(officer.sign(request, signers))

    def write(self, party):
        """One act through the served node's door; noted as accepted once the door has said so."""
        envelope, desk = self.draft(party), Served(self.directories[party])
        try:
            self.accepted[party].append(desk.submit(envelope))
        finally:
            desk.close()

    def sizes(self):
        found = {}
        for party in MEMBERS:
            node = open_node(self.directories[party])
            found[party] = {origin: head.size for origin in node.store.origins() if (head := node.store.head(origin))}
            node.store.close()
        return found

    def converged(self):
        """Everybody holds all that everybody has written."""
        sizes = self.sizes()
        return all(
            sizes[one][f"{other}.localhost/aukus/0"] == sizes[other][f"{other}.localhost/aukus/0"]
            for one in MEMBERS
            for other in MEMBERS
        )

    def check(self):
        """The invariants, from the bytes on the disks, nobody running."""
        nodes = {party: open_node(self.directories[party]) for party in MEMBERS}
        try:
            for party, node in nodes.items():
                for origin in node.store.origins():
                    keys = nodes[origin.partition(".")[0]].register.scans[origin].keys
                    report = verify_log(node.store, origin, log_verifier(origin, keys))
                    assert report.sound, (party, report.problem)
                    owner = nodes[origin.partition(".")[0]].store
                    size = node.store.head(origin).size
                    assert node.store.leaves(origin, 0, size) == owner.leaves(origin, 0, size), (party, origin)
                ids = [one.id for one in node.held_entries(node.origin)]
                for act in self.accepted[party]:
                    assert ids.count(act) == 1, (party, act)
                assert node.problems() == {}, party
                assert node.register.alarms == (), party
                assert not any(isinstance(one.act, acts.Fork) for one in node.register.stated.values())
                assert not node.recovering
        finally:
            for node in nodes.values():
                node.store.close()


@pytest.fixture
def three(tmp_path):
    made = Served3(tmp_path)
    yield made
    made.down()


def test_a_node_killed_again_and_again_loses_nothing_that_it_accepted(three):
    three.up()
    chance = random.Random(7)
    for _ in range(6):
        stop = threading.Event()

        def flood(stop=stop):
            while not stop.is_set():
                with contextlib.suppress(ReltoError):
                    three.write("gbr")

        writer = threading.Thread(target=flood)
        writer.start()
        time.sleep(0.4 + chance.random())
        three.kill("gbr")
        stop.set()
        writer.join(timeout=60)
        three.up("gbr")
    three.write("gbr")
    assert len(three.accepted["gbr"]) > 6
    three.wait(three.converged, "the others do not catch up")
    three.down()
    three.check()


def test_a_node_that_is_stopped_for_half_a_minute_is_missed_and_catches_up(three):
    three.up()
    three.wait(three.converged, "no beginning")
    os.kill(three.processes["usa"].pid, signal.SIGSTOP)
    began = time.monotonic()
    while time.monotonic() - began < 30:
        three.write("gbr")
        three.write("aus")
        time.sleep(1)
    node = open_node(three.directories["gbr"])
    usa = next(one for one in standings(node) if one.party == "usa")
    node.store.close()
    assert usa.state == "silent", "ten seconds without an answer, three times"
    assert "relto: usa: silent" in three.log("gbr")
    os.kill(three.processes["usa"].pid, signal.SIGCONT)
    three.write("usa")
    three.wait(three.converged, "it does not catch up")
    three.wait(lambda: "relto: usa: current again" in three.log("gbr"), "nobody says that it is back")
    three.down()
    three.check()


def test_yesterdays_file_comes_back_by_itself_and_forks_nothing(three):
    three.up()
    three.write("gbr")
    file = three.root / "gbr.backup"
    assert run(["node", "backup", str(file), "--node", str(three.directories["gbr"])]) == 0
    for _ in range(5):
        three.write("gbr")
    three.wait(three.converged, "no beginning")
    three.kill("gbr")
    old = three.directories["gbr"]
    three.directories["gbr"] = three.root / "gbr-again"
    key = old / "keys" / "offline" / "backup.key"
    assert run(["node", "restore", str(file), "--key", str(key), "--node", str(three.directories["gbr"])]) == 0
    # One partner is away: the node serves nobody and signs nothing.
    three.kill("aus")
    three.up("gbr")
    with pytest.raises(ReltoError, match="recovering"):
        three.write("gbr")
    url = settings.load(three.directories["gbr"]).url
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(url + "/readyz", timeout=10)
    assert answer.value.code == 503
    answer.value.close()
    three.up("aus")
    three.wait(lambda: "relto: recovered" in three.log("gbr"), three.log("gbr"))
    three.write("gbr")
    three.wait(three.converged, "the others do not go on with it")
    three.down()
    three.check()


def test_the_same_file_restored_over_a_running_ledger_is_stopped_at_the_start(three):
    """Not `restore`: somebody copies yesterday's database back, and starts the node."""
    three.up()
    three.wait(three.converged, "no beginning")
    three.down()
    shutil.copytree(three.directories["gbr"], three.root / "yesterday")
    three.up()
    for _ in range(3):
        three.write("gbr")
    three.wait(three.converged, "no growth")
    three.kill("gbr")
    shutil.rmtree(three.directories["gbr"])
    shutil.copytree(three.root / "yesterday", three.directories["gbr"])
    three.up("gbr")
    three.wait(lambda: "relto: recovered" in three.log("gbr"), three.log("gbr"))
    three.write("gbr")
    three.wait(three.converged, "the others do not go on with it")
    three.down()
    three.check()


def test_a_full_disk_accepts_nothing_and_loses_nothing(three):
    three.up("usa", "aus")
    room = max(path.stat().st_size for path in three.directories["gbr"].glob("node.sqlite*")) + 200_000
    three.up("gbr", file_limit=room)
    refused = None
    for _ in range(400):
        try:
            three.write("gbr")
        except ReltoError as error:
            refused = error
            break
    assert refused is not None, "the limit was never met"
    assert refused.message
    accepted = len(three.accepted["gbr"])
    for _ in range(3):  # and the next ones neither succeed by half nor take the node's reason away
        with contextlib.suppress(ReltoError):
            three.write("gbr")
    if three.processes["gbr"].poll() is None:
        three.kill("gbr")
    else:
        three.processes.pop("gbr")
    assert "Traceback" not in three.log("gbr")
    three.up("gbr")
    three.write("gbr")
    assert len(three.accepted["gbr"]) > accepted
    three.wait(three.converged, "the others do not catch up")
    three.down()
    three.check()


def test_a_backup_of_a_node_under_load_is_one_state_that_can_be_restored(three):
    three.up()
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            with contextlib.suppress(ReltoError):
                three.write("gbr")

    writer = threading.Thread(target=flood)
    writer.start()
    key = three.directories["gbr"] / "keys" / "offline" / "backup.key"
    try:
        for number in range(5):
            time.sleep(0.5)
            file = three.root / f"{number}.backup"
            before = list(three.accepted["gbr"])
            assert run(["node", "backup", str(file), "--node", str(three.directories["gbr"])]) == 0
            target = three.root / f"restored-{number}"
            assert run(["node", "restore", str(file), "--key", str(key), "--node", str(target)]) == 0
            node = open_node(target)
            keys = node.register.scans[node.origin].keys
            assert verify_log(node.store, node.origin, log_verifier(node.origin, keys)).sound
            ids = {one.id for one in node.held_entries(node.origin)}
            assert set(before) <= ids, "what was accepted before the backup began is in it"
            node.store.close()
    finally:
        stop.set()
        writer.join(timeout=60)
    three.down()
    three.check()


def test_a_node_that_waits_for_another_machine_still_stops(three):
    """Regression: a thread in a call to a partner that hangs kept the process for the call's time-out."""
    three.up()
    three.wait(three.converged, "no beginning")
    os.kill(three.processes["usa"].pid, signal.SIGSTOP)
    three.write("gbr")
    time.sleep(1.5)  # it has begun to ask usa
    began = time.monotonic()
    three.kill("gbr", signal.SIGTERM)
    assert time.monotonic() - began < 8
