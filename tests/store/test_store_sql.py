"""The database: readers beside a writer, faults before and after a commit, kills, full disks, migrations."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from relto.errors import Conflict, Fatal, Malformed, NotFound, Refused, Unavailable
from relto.keys import SecretKey
from relto.ledger import EMPTY_ROOT, Frontier, Head, Log, New, Verifier, commit, leaf_hash, make_leaf, verify_log
from relto.store import Sqlite
from relto.store import sql as sql_module
from relto.store.sql import migrations, statements

ORIGIN = "relto.example/au/0"
KEY = SecretKey(ORIGIN, bytes(range(32)))
VERIFIER = Verifier.of_log(KEY.public)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "node.db"


@pytest.fixture
def db(path):
    with Sqlite(path, create=True) as made:
        made.execute("CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)")
        yield made


def entry(number: int) -> New:
    salt, envelope = number.to_bytes(32, "big"), b"envelope %d" % number
    drawn = random.Random(number)
    return New(leaf=make_leaf(commit(salt, envelope), [], 16, drawn.randbytes), salt=salt, envelope=envelope)


def head(size: int, note: bytes = b"note") -> Head:
    edge = Frontier.empty().extend(leaf_hash(entry(i).leaf) for i in range(size))
    return Head(origin=ORIGIN, size=size, root=edge.root(), note=note, frontier=edge.hashes)


# ── opening ──


def test_a_missing_database_is_named(path):
    for read_only in (True, False):
        with pytest.raises(NotFound, match=str(path)) as caught:
            Sqlite(path, read_only=read_only)
        assert "--node" in caught.value.hint
        assert not path.exists()
    with pytest.raises(NotFound):
        Sqlite(path, read_only=True, create=True)
    with pytest.raises(Unavailable):
        Sqlite(path.parent / "nowhere" / "node.db", create=True)


def test_a_database_is_for_its_owner_alone(path):
    with Sqlite(path, create=True) as db:
        Log.create(db, KEY)
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_create_opens_what_is_there(path):
    with Sqlite(path, create=True) as db:
        Log.create(db, KEY)
    with Sqlite(path, create=True) as db:
        assert db.origins() == [ORIGIN]


def test_settings_that_durability_rests_on(db, path):
    assert db.query("PRAGMA journal_mode") == [("wal",)]
    assert db.query("PRAGMA synchronous") == [(2,)]
    assert db.query("PRAGMA foreign_keys") == [(1,)]


@pytest.mark.parametrize("name", ["a b.db", "a?b#c%41.db", "ü.db"])
def test_any_file_name(tmp_path, name):
    with Sqlite(tmp_path / name, create=True) as db:
        Log.create(db, KEY)
    with Sqlite(tmp_path / name, read_only=True) as db:
        assert db.origins() == [ORIGIN]
    assert name in {file.name for file in tmp_path.iterdir()}


def test_what_is_no_database(path):
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    for read_only in (True, False):
        with pytest.raises(Unavailable, match="not a database"):
            Sqlite(path, read_only=read_only)


def test_memory(tmp_path):
    with Sqlite(":memory:") as db:
        Log.create(db, KEY).append([entry(0)])
        assert verify_log(db, ORIGIN, VERIFIER).sound
    with pytest.raises(Refused):
        Sqlite(":memory:", read_only=True)


# ── schema ──


def test_each_migration_is_applied_once(path, monkeypatch):
    newest = len(migrations())
    with Sqlite(path, create=True) as db:
        assert db.query("SELECT version FROM schema_version ORDER BY version") == [(i + 1,) for i in range(newest)]
        Log.create(db, KEY).append([entry(0)])
    more = [
        *migrations(),
        (
            newest + 1,
            "CREATE TABLE extra (a TEXT);\n-- a remark; with a semicolon\nINSERT INTO extra VALUES ('x;y');\n",
        ),
    ]
    monkeypatch.setattr(sql_module, "migrations", lambda: more)
    for _ in range(2):
        with Sqlite(path) as db:
            assert db.query("SELECT a FROM extra") == [("x;y",)]
            assert verify_log(db, ORIGIN, VERIFIER).sound


def test_a_failing_migration_leaves_the_old_schema(path, monkeypatch):
    newest = len(migrations())
    Sqlite(path, create=True).close()
    broken = [*migrations(), (newest + 1, "CREATE TABLE extra (a TEXT);\nCREATE TABLE heads (again TEXT);\n")]
    monkeypatch.setattr(sql_module, "migrations", lambda: broken)
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        Sqlite(path)
    monkeypatch.undo()
    with Sqlite(path) as db:
        assert db.query("SELECT max(version) FROM schema_version") == [(newest,)]
        assert not db.query("SELECT 1 FROM sqlite_master WHERE name = 'extra'")


def test_other_versions_of_the_schema(path, monkeypatch):
    newest = len(migrations())
    with Sqlite(path, create=True) as db:
        db.execute("INSERT INTO schema_version (version) VALUES ($1)", (newest + 1,))
    with pytest.raises(Refused, match="newer relto"):
        Sqlite(path)
    with pytest.raises(Refused, match="another schema"):
        Sqlite(path, read_only=True)


def test_schema_files_end_with_a_whole_statement():
    assert list(statements("-- remark\nSELECT 1;\n\nSELECT\n 2;\n-- end\n")) == ["-- remark\nSELECT 1;", "SELECT\n 2;"]
    with pytest.raises(Malformed):
        list(statements("SELECT 1;\nSELECT 2"))


# ── statements and transactions ──


def test_placeholders_by_number(db):
    db.execute("INSERT INTO t (n, k) VALUES ($2, $1)", ("k", 5))
    assert db.query("SELECT n FROM t WHERE k = $1 AND $1 = k AND n > $2", ("k", 4)) == [(5,)]
    assert db.execute("UPDATE t SET n = n + $1", (1,)) == 1
    assert db.query("SELECT $10", tuple(range(10))) == [(9,)]


def test_a_transaction_is_all_or_nothing(db):
    with pytest.raises(Conflict, match="UNIQUE"), db.transaction():
        db.execute("INSERT INTO t (k) VALUES ('a')")
        db.execute("INSERT INTO t (k) VALUES ('a')")
    assert db.query("SELECT * FROM t") == []
    with pytest.raises(ZeroDivisionError), db.transaction():
        db.execute("INSERT INTO t (k) VALUES ('a')")
        _ = 1 / 0
    assert db.query("SELECT * FROM t") == []
    with db.transaction():
        db.execute_many("INSERT INTO t (k, n) VALUES ($1, $2)", [("a", 1), ("b", 2)])
    assert db.query("SELECT k, n FROM t ORDER BY k") == [("a", 1), ("b", 2)]


def test_transactions_do_not_nest(db):
    with pytest.raises(AssertionError), db.transaction(), db.transaction():
        pass
    with pytest.raises(AssertionError):
        db.execute_many("INSERT INTO t (k) VALUES ($1)", [("a",)])
    assert db.query("SELECT * FROM t") == []


def test_mistakes_in_statements_are_not_the_disk(db):
    for sql, params in (("SELECT * FROM nowhere", ()), ("SELEC 1", ())):
        with pytest.raises(sqlite3.OperationalError):
            db.query(sql, params)
    with pytest.raises(sqlite3.ProgrammingError):
        db.query("SELECT $1", (1, 2))


# ── readers beside a writer ──


def test_a_reader_sees_whole_commits(path, db):
    log = Log.create(db, KEY)
    with Sqlite(path, read_only=True) as reader:
        log.append([entry(0)])
        assert reader.head(ORIGIN).size == 1
        with db.transaction():
            db.execute("INSERT INTO t (k) VALUES ('a')")
            assert reader.query("SELECT * FROM t") == []
        assert reader.query("SELECT k FROM t") == [("a",)]
        with reader.snapshot():
            assert reader.head(ORIGIN).size == 1
            log.append([entry(1)])
            assert reader.head(ORIGIN).size == 1
        assert reader.head(ORIGIN).size == 2
        assert verify_log(reader, ORIGIN, VERIFIER).sound


def test_a_reader_does_not_write(path, db):
    with Sqlite(path, read_only=True) as reader:
        with pytest.raises(Unavailable):
            reader.execute("INSERT INTO t (k) VALUES ('a')")
        assert reader.query("SELECT * FROM t") == []


READER = """
import sys
from relto.ledger import Verifier, verify_log
from relto.keys import SecretKey
from relto.store import Sqlite
key = SecretKey(sys.argv[2], bytes(range(32)))
with Sqlite(sys.argv[1], read_only=True) as db:
    for line in sys.stdin:
        report = verify_log(db, sys.argv[2], Verifier.of_log(key.public))
        print(report.size, report.sound, flush=True)
"""


def test_another_process_reads_while_this_one_writes(path, db):
    log = Log.create(db, KEY)
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(path), ORIGIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        for size in (3, 6):
            log.append([entry(size + i) for i in range(3)])
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"{size} True\n"
        reader.stdin.close()
    assert reader.returncode == 0


def test_a_second_writer_waits_and_then_says_who_holds_it(path, db, monkeypatch):
    monkeypatch.setattr(sql_module, "BUSY_S", 0.05)
    with Sqlite(path) as other:
        with db.transaction():
            with pytest.raises(Unavailable, match="locked") as caught:
                other.execute("INSERT INTO t (k) VALUES ('a')")
            assert "another process" in caught.value.hint
        assert other.execute("INSERT INTO t (k) VALUES ('a')") == 1


# ── faults ──


def test_sites_around_each_commit(path):
    sites = []
    with Sqlite(path, create=True, fault=sites.append) as db:
        sites.clear()
        Log.create(db, KEY).append([entry(0)])
        db.execute("CREATE TABLE t (k TEXT)")
        with db.transaction("mine"):
            pass
    assert sites == [
        f"{site}:{when}-commit" for site in ("create", "append", "execute", "mine") for when in ("before", "after")
    ]


@pytest.mark.parametrize("where", [":memory:", "file"])
def test_after_a_doubtful_commit_nothing_goes_on(path, where):
    def fault(site):
        if site == broken:
            raise OSError(5, "Input/output error")

    broken = ""
    with Sqlite(path if where == "file" else where, create=True, fault=fault) as db:
        db.execute("CREATE TABLE t (k TEXT)")
        broken = "execute:before-commit"
        with pytest.raises(Unavailable, match="Input/output"):
            db.execute("INSERT INTO t (k) VALUES ('lost')")
        assert db.query("SELECT * FROM t") == []
        broken = "execute:after-commit"
        with pytest.raises(Fatal, match="unknown"):
            db.execute("INSERT INTO t (k) VALUES ('kept')")
        broken = ""
        for use in (lambda: db.query("SELECT 1"), lambda: db.execute("DELETE FROM t"), lambda: db.head(ORIGIN)):
            with pytest.raises(Fatal):
                use()
        db.reopen()
        assert db.query("SELECT k FROM t") == [("kept",)]


def test_a_full_disk_changes_nothing(path):
    with Sqlite(path, create=True) as db:
        log = Log.create(db, KEY)
        log.append([entry(i) for i in range(10)])
        (pages,) = db.query("PRAGMA page_count")[0]
        db.query(f"PRAGMA max_page_count = {pages + 2}")
        appended = 10
        with pytest.raises(Unavailable, match="full") as caught:
            for i in range(10, 2000):
                log.append([entry(i)])
                appended += 1
        assert caught.value.hint == "make room on the disk"
        assert verify_log(db, ORIGIN, VERIFIER).size == appended
        db.query("PRAGMA max_page_count = 100000")
        assert log.append([entry(5000)]).size == appended + 1
        assert verify_log(db, ORIGIN, VERIFIER).sound


WRITER = """
import os, random, sys
sys.path.insert(0, sys.argv[3])
from test_store_sql import KEY, ORIGIN, entry
from relto.ledger import Log
from relto.store import Sqlite
with Sqlite(sys.argv[1]) as db:
    log = Log.load(db, ORIGIN, KEY)
    for batch in range(int(sys.argv[2])):
        size = log.head.size
        log.append([entry(size + i) for i in range(1 + batch % 5)])
        print(log.head.size, flush=True)
"""


def writer(path, batches, *before):
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [*before, sys.executable, "-c", WRITER, str(path), str(batches), here],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def acknowledged(output: str) -> int:
    whole = output[: output.rfind("\n") + 1].split()
    return int(whole[-1]) if whole else 0


def test_what_was_acknowledged_survives_kill_9(path):
    with Sqlite(path, create=True) as db:
        Log.create(db, KEY)
    size = 0
    for seed in range(4):
        with writer(path, 10_000) as process:
            first = process.stdout.readline()
            time.sleep(random.Random(seed).uniform(0.0, 0.05))
            process.send_signal(signal.SIGKILL)
            said = acknowledged(first + process.stdout.read())
        with Sqlite(path) as db:
            report = verify_log(db, ORIGIN, VERIFIER)
            assert report.sound, report.problem
            assert report.size >= said > size
            # Each one is there once, in its place.
            assert db.leaves(ORIGIN, 0, report.size) == [entry(i).leaf for i in range(report.size)]
            size = report.size


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(("call", "when"), [("fdatasync", 3), ("pwrite64", 9), ("pwrite64", 12)])
@pytest.mark.parametrize("what", ["error=EIO", "error=ENOSPC", "signal=KILL"])
def test_a_failing_system_call(path, call, when, what):
    """As Tessera does it: the kernel refuses one call, or kills the process at it; then everything is recomputed."""
    with Sqlite(path, create=True) as db:
        Log.create(db, KEY)
    trace = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={when}"]
    with writer(path, 12, *trace) as process:
        output, errors = process.communicate(timeout=30)
    if "ptrace" in errors.lower() or "not permitted" in errors.lower():
        pytest.skip("this machine does not allow tracing")
    assert process.returncode != 0, "the fault was not reached"
    if what.startswith("error"):
        kind = "Unavailable" if what == "error=ENOSPC" and call == "pwrite64" else "Fatal"
        assert f"relto.errors.{kind}" in errors, errors
    said = acknowledged(output)
    with Sqlite(path) as db:
        report = verify_log(db, ORIGIN, VERIFIER)
        assert report.sound, report.problem
        assert report.size >= said
        if "relto.errors.Unavailable" in errors:
            assert report.size == said, "what was said to have changed nothing has changed something"
        assert db.leaves(ORIGIN, 0, report.size) == [entry(i).leaf for i in range(report.size)]
        log = Log.load(db, ORIGIN, KEY)
        assert log.append([entry(report.size)]).size == report.size + 1


# ── the shelf ──


def test_a_head_reads_back(db):
    assert db.head(ORIGIN) is None
    empty = Head(origin=ORIGIN, size=0, root=EMPTY_ROOT, note=b"", frontier=(), seen=7)
    db.create(empty)
    assert db.head(ORIGIN) == empty
    with pytest.raises(Conflict):
        db.create(empty)
    with pytest.raises(Refused):
        db.create(head(1))


def test_compare_and_swap(db):
    db.create(head(0, b""))
    db.append(head(2), 0, [entry(0).leaf, entry(1).leaf], [], [])
    assert db.head(ORIGIN) == head(2)
    for expected, size in ((0, 1), (1, 3), (3, 5)):
        with pytest.raises(Conflict, match=rf"stands at size 2, not {expected}"):
            db.append(head(size), expected, [entry(9).leaf] * (size - expected), [], [])
    with pytest.raises(Malformed):
        db.append(head(5), 2, [entry(2).leaf], [], [])
    with pytest.raises(NotFound):
        db.append(Head(origin="another", size=1, root=bytes(32), note=b"", frontier=(bytes(32),)), 0, [b"x"], [], [])
    assert db.leaves(ORIGIN, 0, 10) == [entry(0).leaf, entry(1).leaf]
    assert db.hashes(ORIGIN, 1, 10) == [leaf_hash(entry(1).leaf)]


def test_ranges_end_before_what_is_missing(db):
    db.create(head(0, b""))
    db.append(head(5), 0, [entry(i).leaf for i in range(5)], [], [])
    assert db.leaves(ORIGIN, 5, 9) == db.leaves(ORIGIN, 3, 3) == db.leaves("another", 0, 9) == []
    db.execute("DELETE FROM leaves WHERE idx = 2")
    assert len(db.leaves(ORIGIN, 0, 5)) == 2
    assert len(db.leaves(ORIGIN, 3, 5)) == 2
    assert db.hashes(ORIGIN, 2, 5) == []


def test_openings_belong_to_entries(db):
    db.create(head(0, b""))
    db.append(head(2), 0, [entry(0).leaf, entry(1).leaf], [(1, bytes(32), b"first")], [])
    db.append(head(2), 2, [], [(1, bytes(32), b"second"), (0, bytes(32), b"other")], [])
    assert db.openings(ORIGIN, 0, 9) == [(0, bytes(32), b"other"), (1, bytes(32), b"first")]
    for opening in ((2, bytes(32), b"beyond"), (0, bytes(31), b"short")):
        with pytest.raises(Conflict):
            db.append(head(2), 2, [], [opening], [])


def test_logs_are_kept_apart(db):
    other = SecretKey("relto.example/uk/0", bytes(32))
    first, second = Log.create(db, KEY), Log.create(db, other)
    first.append([entry(0), entry(1)])
    second.append([entry(7)])
    assert db.origins() == [ORIGIN, other.public.name]
    assert db.leaves(other.public.name, 0, 9) == [entry(7).leaf]
    assert verify_log(db, ORIGIN, VERIFIER).size == 2
