"""Durable appends: our log against bare SQLite that inserts the same rows in the same transactions.

The peer signs nothing, hashes nothing and checks nothing; it is the floor on which a log in one database stands.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from relto.keys import SecretKey
from relto.ledger import Log, New, Verifier, commit, leaf_hash, make_leaf, slots_for, tag_for, tree_of, verify_log
from relto.store import Sqlite
from relto.store.sql import migrations, statements

ORIGIN = "relto.example/bench/0"
KEY = SecretKey(ORIGIN, bytes(range(32)))
READERS = [bytes([i]) * 32 for i in range(3)]
ENVELOPE_BYTES = 1200  # a release with one hybrid signature, about
ROUNDS = 5
BATCHES = ((1, 150), (16, 25), (256, 4))  # entries in a commit, commits in a round


def entries(count):
    made = []
    for _ in range(count):
        salt, envelope = os.urandom(32), os.urandom(ENVELOPE_BYTES)
        commitment = commit(salt, envelope)
        leaf = make_leaf(commitment, [tag_for(key, commitment) for key in READERS], slots_for(3), os.urandom)
        made.append(New(leaf=leaf, salt=salt, envelope=envelope))
    return made


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


def run():
    rows = []
    # Not in the system's temporary directory, which may be in memory.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as where:
        path = Path(where) / "ours.db"
        with Sqlite(path, create=True) as db:
            log, bare = Log.create(db, KEY), Bare(Path(where) / "bare.db")
            for size, commits in BATCHES:
                rates = []
                for turn in range(ROUNDS):
                    batches = [entries(size) for _ in range(commits)]
                    pair = {}
                    # Turn by turn, and each first every second time.
                    for which in ("ours", "peer") if turn % 2 else ("peer", "ours"):
                        pair[which] = ours(log, batches) if which == "ours" else theirs(bare, batches)
                    rates.append((size * commits / pair["ours"], size * commits / pair["peer"]))
                mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
                rows.append(
                    {
                        "measure": f"durable append, {size} per commit (entries/s)",
                        "ours": mine,
                        "peer": other,
                        "ratio": statistics.median(one / two for one, two in rates),
                        "reach": "1.0: bare SQLite inserts of the same rows, unsigned",
                    }
                )
            bare.connection.close()
            rows += reading(path, db, log)
    return rows


def reading(path, db, log):
    """The check of a whole log, against reading the same rows and hashing each once; and proofs."""
    connection = sqlite3.connect(path)
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        for (leaf,) in connection.execute("SELECT leaf FROM leaves ORDER BY origin, idx"):
            leaf_hash(leaf)
        for salt, envelope in connection.execute("SELECT salt, envelope FROM openings ORDER BY origin, idx"):
            hashlib.sha256(salt + envelope).digest()
        between = time.perf_counter()
        assert verify_log(db, ORIGIN, Verifier.of_log(KEY.public)).sound
        rates.append((log.head.size / (time.perf_counter() - between), log.head.size / (between - began)))
    connection.close()
    mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
    tree, count = tree_of(db, ORIGIN), 200
    tree.root(log.head.size)
    began = time.perf_counter()
    for i in range(count):
        tree.inclusion(i * log.head.size // count, log.head.size)
    proofs = count / (time.perf_counter() - began)
    return [
        {
            "measure": "whole log verified from disk (entries/s)",
            "ours": mine,
            "peer": other,
            "ratio": mine / other,
            "reach": "1.0: the same rows read and hashed, without tree or checks",
        },
        {
            "measure": "inclusion proofs from the database (per s)",
            "ours": proofs,
            "peer": "",
            "ratio": "",
            "reach": "two tiles of 256 hashes are read for each",
        },
    ]
