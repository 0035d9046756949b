"""What went wrong in logs that others ran, each kept reproducible: the same must be noticed, or cannot happen, here."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3

import pytest
from test_store_sql import KEY, ORIGIN, VERIFIER, entry

from relto.errors import Conflict, Fatal, Forged, Refused
from relto.ledger import (
    Frontier,
    Log,
    create_mirror,
    extend_mirror,
    largest_seen,
    leaf_hash,
    prove_fork,
    verify_log,
)
from relto.ledger import log as log_module
from relto.ledger import merkle as merkle_module
from relto.store import Sqlite
from relto.store import sql as sql_module
from relto.store.sql import migrations, statements


def log_of(path, size):
    db = Sqlite(path, create=True)
    log = Log.create(db, KEY)
    if size:
        log.append([entry(i) for i in range(size)])
    return db, log


def test_trustasia_2021_two_inconsistent_heads(tmp_path):
    """A log signed two trees. Two processes on one store cannot; a copy of the store can, and is convicted by it."""
    db, log = log_of(tmp_path / "a", 4)
    second = Log.load(db, ORIGIN, KEY)
    log.append([entry(4)])
    with pytest.raises(Conflict):
        second.append([entry(5)])
    shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-copy")
    with Sqlite(tmp_path.parent / f"{tmp_path.name}-copy" / "a") as copy:
        other = Log.load(copy, ORIGIN, KEY)
        other.append([entry(7), entry(8)])
        log.append([entry(5)])
        proof = prove_fork(VERIFIER, log.head.note, other.head.note, other.tree)
        assert proof is not None
        assert proof.verify(VERIFIER)[0].size == 6
        # Asked before it signs, the copy learns that it is one.
        with pytest.raises(Forged, match="another tree"):
            largest_seen(copy, VERIFIER, [log.head.note])
    db.close()


@pytest.mark.parametrize(
    ("module", "name", "count"),
    [(log_module, "leaf_hash", 3), (merkle_module, "node_hash", 3), (merkle_module, "paired", 8)],
    ids=["leaf", "node", "level"],
)
def test_yeti_2022_a_bit_flips_on_its_way_into_the_tree(tmp_path, monkeypatch, module, name, count):
    """One bit of one leaf hash; signed, it could never be repaired. Here two computations must agree first."""
    db, log = log_of(tmp_path / "a", 5)
    good = getattr(module, name)

    def flipping(*parts):
        made = good(*parts)
        if isinstance(made, list):
            return [*made[:-1], bytes([made[-1][0] ^ 1]) + made[-1][1:]] if made else made
        return bytes([made[0] ^ 1]) + made[1:]

    monkeypatch.setattr(module, name, flipping)
    with pytest.raises(Fatal, match="two computations"):
        log.append([entry(5 + i) for i in range(count)])
    monkeypatch.undo()
    assert verify_log(db, ORIGIN, VERIFIER).size == 5
    db.close()


def test_nimbus_2018_a_bit_flips_in_the_stored_data(tmp_path):
    """The tree is right and the entry is not: it is named, and a mirror has the bytes that fit its hash."""
    db, log = log_of(tmp_path / "a", 300)
    with Sqlite(":memory:") as mirror:
        create_mirror(mirror, ORIGIN)
        extend_mirror(mirror, VERIFIER, log.head.note, db.leaves(ORIGIN, 0, 300))
        damaged = bytearray(db.leaves(ORIGIN, 271, 272)[0])
        damaged[100] ^= 64
        db.execute("UPDATE leaves SET leaf = $1 WHERE idx = 271", (bytes(damaged),))
        report = verify_log(db, ORIGIN, VERIFIER)
        assert (report.sound, report.index) == (False, 271)
        with pytest.raises(Forged, match="entry 271"):
            Log.load(db, ORIGIN, KEY)
        again = mirror.leaves(ORIGIN, 271, 272)[0]
        assert leaf_hash(again) == db.hashes(ORIGIN, 271, 272)[0]
        db.execute("UPDATE leaves SET leaf = $1 WHERE idx = 271", (again,))
        assert Log.load(db, ORIGIN, KEY).append([entry(300)]).size == 301
    db.close()


def of_version(path, version, source):
    """A database as an older relto left it, with the ledgers of a newer one: its schema, a row an entry."""
    connection = sqlite3.connect(path, isolation_level=None)
    for number, text in migrations()[:version]:
        for statement in statements(text):
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
    for origin in source.origins():
        head = source.head(origin)
        connection.execute(
            "INSERT INTO heads (origin, size, root, note, frontier, seen) VALUES (?, ?, ?, ?, ?, ?)",
            (origin, head.size, head.root, head.note, b"".join(head.frontier), head.seen),
        )
        leaves, hashes = source.leaves(origin, 0, head.size), source.hashes(origin, 0, head.size)
        rows = [(origin, i, leaf, hashes[i]) for i, leaf in enumerate(leaves)]
        connection.executemany("INSERT INTO leaves (origin, idx, leaf, hash) VALUES (?, ?, ?, ?)", rows)
        rows = [(origin, *one) for one in source.openings(origin, 0, head.size)]
        connection.executemany("INSERT INTO openings (origin, idx, salt, envelope) VALUES (?, ?, ?, ?)", rows)
    connection.close()
    path.chmod(0o600)


@pytest.mark.parametrize("version", range(1, len(migrations())))
def test_oak_2022_each_migration_leaves_every_ledger_as_it_was(tmp_path, version):
    db, log = log_of(tmp_path / "now", 260)
    before = verify_log(db, ORIGIN, VERIFIER)
    assert before.sound
    of_version(tmp_path / "a", version, db)
    with pytest.raises(Refused, match="another schema"):
        Sqlite(tmp_path / "a", read_only=True)
    with Sqlite(tmp_path / "a") as again:
        assert verify_log(again, ORIGIN, VERIFIER) == before
        assert again.head(ORIGIN) == log.head
        assert again.openings(ORIGIN, 0, 260) == db.openings(ORIGIN, 0, 260)
        assert Log.load(again, ORIGIN, KEY).append([entry(260)]).size == 261
        assert verify_log(again, ORIGIN, VERIFIER).openings == 261
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM openings WHERE idx = 3;\nDELETE FROM leaves WHERE idx = 3;",
        "DELETE FROM openings WHERE idx = 9;",
        "UPDATE heads SET size = 9;",
        "UPDATE leaves SET leaf = x'00' WHERE idx = 5;",
    ],
)
def test_oak_2022_a_migration_that_drops_rows_is_not_applied(tmp_path, monkeypatch, statement):
    log_of(tmp_path / "a", 10)[0].close()
    monkeypatch.setattr(sql_module, "migrations", lambda: [*migrations(), (len(migrations()) + 1, statement)])
    with pytest.raises(Refused, match="would change its ledgers"):
        Sqlite(tmp_path / "a")
    monkeypatch.undo()
    with Sqlite(tmp_path / "a") as db:
        assert verify_log(db, ORIGIN, VERIFIER).size == 10
        assert verify_log(db, ORIGIN, VERIFIER).openings == 10


def test_oak_2022_an_incremental_check_begins_where_the_last_one_ended(tmp_path):
    """Entries that were verified may not be gone, nor replaced with a shorter history."""
    db, log = log_of(tmp_path / "a", 20)
    first = Frontier(size=20, hashes=log.head.frontier)
    log.append([entry(i) for i in range(20, 27)])
    assert verify_log(db, ORIGIN, VERIFIER, first).since == 20
    assert verify_log(db, ORIGIN, VERIFIER, first).openings == 7
    other, shorter = log_of(tmp_path / "b", 19)
    assert "had 20 entries when" in verify_log(other, ORIGIN, VERIFIER, first).problem
    shorter.append([entry(i) for i in range(50, 60)])
    found = verify_log(other, ORIGIN, VERIFIER, first)
    assert "beginning from the 20 verified last" in found.problem
    assert verify_log(other, ORIGIN, VERIFIER).sound, "by itself the other history is sound: only memory tells"
    db.close()
    other.close()


def test_an_empty_disk_is_no_new_log(tmp_path):
    """A missing state must never begin a second log under the same key."""
    from relto.errors import NotFound

    with pytest.raises(NotFound):
        Sqlite(tmp_path / "a")
    with Sqlite(tmp_path / "a", create=True) as db:
        with pytest.raises(NotFound):
            Log.load(db, ORIGIN, KEY)
        assert db.origins() == []


def test_a_cursor_does_not_run_ahead_of_what_was_stored(tmp_path):
    """Monitors saved the checkpoint before the entries: a failure in between skipped them. Here it is one commit."""
    db, log = log_of(tmp_path / "a", 3)
    broken = ""

    def fault(site):
        if site == broken:
            raise OSError(5, "Input/output error")

    with Sqlite(tmp_path / "m", create=True, fault=fault) as mirror:
        create_mirror(mirror, ORIGIN)
        broken = "append:before-commit"
        with pytest.raises(Exception, match="Input/output"):
            extend_mirror(mirror, VERIFIER, log.head.note, db.leaves(ORIGIN, 0, 3))
        assert mirror.head(ORIGIN).size == 0
        assert mirror.leaves(ORIGIN, 0, 9) == []
        broken = ""
        assert extend_mirror(mirror, VERIFIER, log.head.note, db.leaves(ORIGIN, 0, 3)).size == 3
        assert hashlib.sha256(b"").digest() != mirror.head(ORIGIN).root
    db.close()
