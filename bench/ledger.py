"""Durable appends, foreign logs, proofs over HTTP and one change among a million, each against a peer or a floor.

The floor of an append is bare SQLite that inserts the same rows in the same transactions: it signs nothing, hashes
nothing and checks nothing. The floor of a foreign log is SHA-256 of the same entries in this interpreter.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from relto.keys import SecretKey
from relto.ledger import (
    Checkpoint,
    Frontier,
    Log,
    New,
    Verifier,
    bundles_of,
    commit,
    create_mirror,
    encode_bundle,
    encode_openings,
    extend_mirror,
    leaf_hash,
    make_leaf,
    open_checkpoint,
    parse_bundle,
    parse_openings,
    parse_proof,
    sign_checkpoint,
    slots_for,
    tag_for,
    verify_log,
)
from relto.ledger.merkle import leaf_hashes
from relto.store import Sqlite
from relto.store.sql import migrations, statements

ORIGIN = "relto.example/bench/0"
KEY = SecretKey(ORIGIN, bytes(range(32)))
VERIFIER = Verifier.of_log(KEY.public)
READERS = [bytes([i]) * 32 for i in range(3)]
ENVELOPE_BYTES = 1200  # a release with one hybrid signature, about
ROUNDS = 7
BATCHES = ((1, 150, 0.65), (16, 25, 0.65), (256, 4, 0.45))  # entries in a commit, commits in a round, ratio to reach
FOREIGN = 1_000_000
SERVED = 10_000_000
ASKED = 2_000


def entries(count):
    made = []
    for _ in range(count):
        salt, envelope = os.urandom(32), os.urandom(ENVELOPE_BYTES)
        commitment = commit(salt, envelope)
        leaf = make_leaf(commitment, [tag_for(key, commitment) for key in READERS], slots_for(3), os.urandom)
        made.append(New(leaf=leaf, salt=salt, envelope=envelope))
    return made


def row(measure, ours, peer, ratio, reach):
    return {"measure": measure, "ours": ours, "peer": peer, "ratio": ratio, "reach": reach}


@contextlib.contextmanager
def space():
    """A directory on this disk: the system's temporary one may be in memory."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as where:
        yield Path(where)


# ── durable appends ──


class Bare:
    """What anybody would write: the same schema, settings and rows."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self.connection.execute(f"PRAGMA {pragma}")
        for _, text in migrations():
            for statement in statements(text):
                self.connection.execute(statement)
        self.connection.execute("INSERT INTO heads VALUES (?, 0, ?, ?, ?, 0)", (ORIGIN, bytes(32), b"", b""))
        self.size = 0

    def append(self, leaves, openings, note, frontier):
        run, many = self.connection.execute, self.connection.executemany
        run("BEGIN IMMEDIATE")
        run(
            "UPDATE heads SET size = ?, root = ?, note = ?, frontier = ? WHERE origin = ? AND size = ?",
            (self.size + len(leaves), bytes(32), note, frontier, ORIGIN, self.size),
        )
        many("INSERT INTO leaves VALUES (?, ?, ?, ?)", leaves)
        many("INSERT INTO openings VALUES (?, ?, ?, ?)", openings)
        run("COMMIT")
        self.size += len(leaves)


def ours(log, batches):
    began = time.perf_counter()
    for batch in batches:
        log.append(batch)
    return time.perf_counter() - began


def theirs(bare, batches):
    note, frontier = bytes(200), bytes(32 * 8)
    prepared, at = [], bare.size
    for batch in batches:
        leaves = [(ORIGIN, at + i, one.leaf, leaf_hash(one.leaf)) for i, one in enumerate(batch)]
        openings = [(ORIGIN, at + i, one.salt, one.envelope) for i, one in enumerate(batch)]
        prepared.append((leaves, openings, note, frontier))
        at += len(batch)
    began = time.perf_counter()
    for one in prepared:
        bare.append(*one)
    return time.perf_counter() - began


def appends(where):
    rows = []
    with Sqlite(where / "ours.db", create=True) as db:
        log, bare = Log.create(db, KEY), Bare(where / "bare.db")
        for size, commits, reach in BATCHES:
            rates = []
            for turn in range(ROUNDS):
                batches = [entries(size) for _ in range(commits)]
                pair = {}
                # Turn by turn, and each first every second time.
                for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
                    pair[which] = ours(log, batches) if which == "ours" else theirs(bare, batches)
                rates.append((size * commits / pair["ours"], size * commits / pair["peer"]))
            mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
            ratio = statistics.median(one / two for one, two in rates)
            rows.append(
                row(
                    f"durable append, {size} per commit (entries/s)",
                    mine,
                    other,
                    ratio,
                    f">= {reach}: bare SQLite, unsigned",
                )
            )
        bare.connection.close()
        rows += whole(where / "ours.db", db, log)
    return rows


def pymerkle(where):
    """One entry, one commit, with its settings as they come."""
    try:
        from pymerkle import SqliteTree
    except ImportError:
        return []
    batch, rates = entries(120), []
    with Sqlite(where / "single.db", create=True) as db, SqliteTree(str(where / "pymerkle.db")) as tree:
        log = Log.create(db, KEY)
        for _ in range(3):
            began = time.perf_counter()
            for one in batch:
                tree.append_entry(one.leaf)
            between = time.perf_counter()
            for one in batch:
                log.append([one])
            rates.append((len(batch) / (time.perf_counter() - between), len(batch) / (between - began)))
    mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(one / two for one, two in rates)
    return [row("append one by one (entries/s)", mine, other, ratio, ">= 5: pymerkle on SQLite")]


def whole(path, db, log):
    """The check of a whole log, against reading the same rows and hashing each once."""
    connection = sqlite3.connect(path)
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        for (leaf,) in connection.execute("SELECT leaf FROM leaves ORDER BY origin, idx"):
            leaf_hash(leaf)
        for salt, envelope in connection.execute("SELECT salt, envelope FROM openings ORDER BY origin, idx"):
            hashlib.sha256(salt + envelope).digest()
        between = time.perf_counter()
        assert verify_log(db, ORIGIN, VERIFIER).sound
        rates.append((log.head.size / (time.perf_counter() - between), log.head.size / (between - began)))
    connection.close()
    mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
    return [
        row(
            "whole log verified from disk (entries/s)",
            mine,
            other,
            mine / other,
            "the same rows read and hashed, without tree or checks",
        )
    ]


# ── a million foreign entries ──


def foreign_log():
    """What another party serves: bundles of leaves as they are, and the note over them."""
    leaves = []
    for number in range(FOREIGN):
        tags = hashlib.shake_256(b"%d" % number).digest(32 + 256)
        leaves.append(b"\x01" + tags[:32] + b"\x10" + tags[32:])
    edge = Frontier.empty().extend(leaf_hash(leaf) for leaf in leaves)
    note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=FOREIGN, root=edge.root()), KEY)
    bundles = [encode_bundle(leaves[one.start : one.start + one.width]) for one in bundles_of(0, FOREIGN)]
    return leaves, bundles, note


def fetched(bundles):
    found = []
    for tile, data in zip(bundles_of(0, FOREIGN), bundles, strict=True):
        found += parse_bundle(data, tile.width)
    return found


def verified(bundles, note):
    """Parsed, hashed and joined to the root that the checkpoint signs."""
    head = open_checkpoint(note, VERIFIER).checkpoint
    leaves = fetched(bundles)
    assert Frontier.empty().extend(leaf_hashes(leaves)).root() == head.root
    return leaves


def timed(call, *words):
    began = time.perf_counter()
    call(*words)
    return time.perf_counter() - began


def foreign(where):
    leaves, bundles, note = foreign_log()
    checked, kept = [], []

    def floor():
        sha256 = hashlib.sha256
        for leaf in leaves:
            sha256(leaf).digest()

    def stored(number):
        with Sqlite(where / f"foreign-{number}.db", create=True) as db:
            create_mirror(db, ORIGIN)
            extend_mirror(db, VERIFIER, note, fetched(bundles), seen=1)

    for number in range(3):
        least = timed(floor)
        checked.append((timed(verified, bundles, note), least))
        least = timed(floor)
        kept.append((timed(stored, number), least))
        (where / f"foreign-{number}.db").unlink()
    return [
        row(
            f"{FOREIGN:,} foreign entries {what} (s)",
            statistics.median(one for one, _ in times),
            statistics.median(two for _, two in times),
            statistics.median(one / two for one, two in times),
            f"<= {reach}: SHA-256 of each entry, here",
        )
        for what, times, reach in (("verified", checked, 3.5), ("verified and stored durably", kept, 8))
    ]


# ── one change among many ──


def synchronised(where, size):
    """Bytes and seconds from one new entry at the author to the partner's durable mirror, with its opening."""
    with (
        Sqlite(where / f"author-{size}.db", create=True) as author,
        Sqlite(where / f"partner-{size}.db", create=True) as partner,
    ):
        Log.create(author, KEY)
        create_mirror(partner, ORIGIN)
        # Ends a few entries into a bundle, whatever the size: a bundle is what travels.
        count = size - size % 256 + 16
        leaves = [b"\x01" + hashlib.sha256(b"%d" % i).digest() + b"\x10" + bytes(range(256)) for i in range(count)]
        edge = Frontier.empty().extend(map(leaf_hash, leaves))
        note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=count, root=edge.root()), KEY)
        for db in (author, partner):
            extend_mirror(db, VERIFIER, note, leaves, seen=1)
        log = Log(author, KEY, author.head(ORIGIN))
        carried, times = [], []
        for one in entries(9):
            at = log.head.size
            began = time.perf_counter()
            head = log.append([one])
            parts = [head.note, encode_openings(author.openings(ORIGIN, at, at + 1))]
            got = []
            for tile in bundles_of(at, head.size):
                parts.append(encode_bundle(author.leaves(ORIGIN, tile.start, tile.start + tile.width)))
                got += parse_bundle(parts[-1], tile.width)[max(0, at - tile.start) :]
            extend_mirror(partner, VERIFIER, head.note, got, parse_openings(parts[1]), seen=2)
            times.append(time.perf_counter() - began)
            carried.append(sum(map(len, parts)))
        assert partner.head(ORIGIN).root == log.head.root
    return statistics.median(carried), statistics.median(times)


def one_change(where):
    few, many = synchronised(where, 1_000), synchronised(where, FOREIGN)
    reach = "1: of what changed, not of what exists (the same among 1,000)"
    return [
        row(f"one change among {FOREIGN:,} synchronised (bytes)", many[0], few[0], many[0] / few[0], reach),
        row(f"one change among {FOREIGN:,} synchronised (ms)", many[1] * 1e3, few[1] * 1e3, many[1] / few[1], reach),
    ]


# ── proofs from a large log, over HTTP ──


def fill(path):
    """A log of small entries, straight into its tables; the note is signed as a node's would be."""
    with Sqlite(path, create=True) as db:
        Log.create(db, KEY)
        edge, step = Frontier.empty(), 250_000
        for start in range(0, SERVED, step):
            hashes = [(i, b"%d" % i) for i in range(start, start + step)]
            hashes = [(i, leaf, leaf_hash(leaf)) for i, leaf in hashes]
            edge = edge.extend(digest for _, _, digest in hashes)
            with db.transaction("fill"):
                db.execute_many(
                    "INSERT INTO leaves (origin, idx, leaf, hash) VALUES ($1, $2, $3, $4)",
                    [(ORIGIN, *one) for one in hashes],
                )
        note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=SERVED, root=edge.root()), KEY)
        with db.transaction("fill"):
            db.execute(
                "UPDATE heads SET size = $1, root = $2, note = $3, frontier = $4",
                (SERVED, edge.root(), note, b"".join(edge.hashes)),
            )
            db.execute(
                "INSERT INTO published (origin, size, note, cosigned, at) VALUES ($1, $2, $3, 0, 0)",
                (ORIGIN, SERVED, note),
            )


def serve(path, port):
    """A node's routes over a database without a register: what is measured is the way of a proof."""
    import threading

    import uvicorn

    from relto.node.app import Service
    from relto.node.config import Config
    from relto.node.node import Node

    node = object.__new__(Node)
    node.config = Config(
        party="bench",
        partnership="bench",
        name="Bench",
        url=f"http://127.0.0.1:{port}",
        origin=ORIGIN,
        open_ledger=True,
    )
    node.store, node.origin, node.keys, node.lock = Sqlite(path, read_only=True), ORIGIN, None, threading.RLock()
    node._trees = {}
    node.proof(0)  # reads the leaf hashes once
    config = uvicorn.Config(Service(node).public(), port=port, log_level="error", access_log=False, lifespan="off")
    uvicorn.Server(config).run()


def proofs(where):
    from relto.demo.stage import free_ports

    path, (port,) = where / "served.db", free_ports(1)
    fill(path)
    server = subprocess.Popen([sys.executable, "-m", "bench.ledger", "serve", str(path), str(port)])
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        for _ in range(3000):
            try:
                connection.connect()
                break
            except OSError:
                time.sleep(0.1)
        times, bare = [], []
        for number in range(ASKED):
            index = number * 7_919_317 % SERVED
            began = time.perf_counter()
            connection.request("GET", f"/api/v1/proofs/{index}")
            data = connection.getresponse().read()
            times.append(time.perf_counter() - began)
            if number % 50 == 0:
                parse_proof(data).verify(b"%d" % index, VERIFIER)
            began = time.perf_counter()
            connection.request("GET", "/nothing")
            connection.getresponse().read()
            bare.append(time.perf_counter() - began)
    finally:
        server.terminate()
        server.wait(timeout=30)
    mine, other = statistics.median(times) * 1e3, statistics.median(bare) * 1e3
    return [
        row(
            f"inclusion proof from {SERVED:,} entries over HTTP, p50 (ms)",
            mine,
            other,
            mine / other,
            "<= 1 ms (the peer is a 404 of the same server)",
        )
    ]


def run():
    rows = []
    for part in (appends, pymerkle, foreign, one_change, proofs):
        with space() as where:
            rows += part(where)
    return rows


if __name__ == "__main__" and sys.argv[1:2] == ["serve"]:
    serve(sys.argv[2], int(sys.argv[3]))
