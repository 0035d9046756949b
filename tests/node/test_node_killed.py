"""Key releases under load while the owner's node is killed again and again: no key without an earlier durable act."""

import contextlib
import io
import random
import subprocess
import sys
import threading
import time

import keyaccess_kit as kit
import pytest

from relto.errors import ReltoError
from relto.keys import PublicKey
from relto.ledger import Verifier, verify_log
from relto.node import home
from relto.node.custody import custody
from relto.node.desk import Served
from relto.node.sealing import seal_item
from relto.package import read

CLIENTS, KILLS = 8, 4


class Process:
    """The owner's node as a process of its own."""

    def __init__(self, directory):
        self.directory, self.desk = directory, Served(directory)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "relto", "node", "serve", "--quiet", "--node", str(self.directory)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not self.desk.alive():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.desk.close()


@pytest.mark.slow
def test_every_key_that_was_received_has_one_earlier_durable_act(tmp_path):
    live = kit.found(tmp_path / "world")
    gbr = live.nodes["gbr"]
    seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"depth"), tmp_path / "f.tdf", name="f")
    package, origin, directory = read(tmp_path / "f.tdf"), gbr.origin, live.directory / "gbr"
    gbr.store.close()
    received, stop = [], threading.Event()

    def client():
        while not stop.is_set():
            # Another key each time, so that none of the calls is a retry of another.
            one = live.session("aus", "ada")
            with contextlib.suppress(ReltoError):
                presentation = one.present(origin, package.policy.item[1], "evaluation", "AUS")
                answer = one.ask(presentation, live.url["gbr"], origin, package.policy, package.key_access)
                if answer.shares.get("kao-0"):
                    assert package.policy.binding(answer.shares["kao-0"]) == package.key_access[0].binding
                    received.append(answer.release)
            one.http.close()

    with live.serving("aus"):
        process = Process(directory)
        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for one in threads:
            one.start()
        chance = random.Random(7)
        for _ in range(KILLS):
            before = len(received)
            while len(received) < before + 5:
                time.sleep(0.05)
            time.sleep(chance.random() / 2)
            process.kill()
            process.start()
        stop.set()
        for one in threads:
            one.join()
        process.stop()

    node = home.open_node(directory)
    keys = node.register.scans[origin].keys
    report = verify_log(node.store, origin, Verifier.of_log(PublicKey(name=origin, ed25519=keys.log.ed25519)))
    assert report.sound, report.problem
    released = set(node.register.releases)
    assert len(received) == len(set(received)), "two keys stand under one act"
    assert set(received) <= released, "a key was handed out without an act"
    rows = custody(node, kit.ITEM, package.policy.digest)
    assert {one["release"] for one in rows} == released
    # Nobody has reported yet: everything is unfetched as far as this ledger knows; then those that were received are told.
    assert {one["stage"] for one in rows} == {"unfetched"}
    live.nodes["gbr"] = home.open_node(directory, write=True, clock=live.clock, random=live.random)
    live.sync()
    for release in received:
        live.nodes["aus"].opened(release)
    live.sync()
    rows = custody(live.nodes["gbr"], kit.ITEM, package.policy.digest)
    unfetched = {one["release"] for one in rows if one["stage"] != "opened"}
    assert unfetched == released - set(received), "the difference is listed"
