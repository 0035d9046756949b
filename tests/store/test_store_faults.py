"""What a disk can do to one append: each write refused, each system call refused or the last, unsynced writes lost.

After each of them the log is recomputed from its bytes: every acknowledged entry is there once, the head is signed and
is that of the entries, and the log goes on. Where strace is not installed or tracing is forbidden the tests that need it
are skipped and say so.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from test_store_sql import KEY, ORIGIN, VERIFIER, entry

from relto.errors import Fatal, ReltoError, Unavailable
from relto.ledger import Log, verify_log
from relto.store import Sqlite

EDGES = [(254, 3), (255, 1), (0, 256)]  # entries before, entries in the append: within, at and across a tile's end
PLACE = ("INSERT INTO t (k) VALUES ($1)", ("beside",))


def begun(path, before):
    """A database with a log of so many entries and a table of the node's own."""
    with Sqlite(path, create=True) as db:
        db.execute("CREATE TABLE t (k TEXT)")
        log = Log.create(db, KEY)
        if before:
            log.append([entry(i) for i in range(before)])


def examine(db, least, *sizes):
    """The size, after everything was recomputed; it is one of those that may be."""
    report = verify_log(db, ORIGIN, VERIFIER)
    assert report.sound, report.problem
    assert report.size >= least, "an acknowledged entry is gone"
    assert not sizes or report.size in sizes, f"{report.size}: half an append"
    assert report.openings == report.size
    assert db.leaves(ORIGIN, 0, report.size) == [entry(i).leaf for i in range(report.size)]
    return report.size


# ── each write of one append, refused before or after it is done ──


class Failing(Sqlite):
    """Counts the statements that write; at the one whose turn it is, the disk fails before or after it."""

    turn, count, persists = -1, 0, False

    def _strike(self, done):
        self.count += not done
        if self.count == self.turn and done == self.persists:
            self.turn = -1
            raise OSError(5, "Input/output error")

    def _run(self, sql, params):
        with self._machine("written"):
            self._strike(done=False)
        changed = super()._run(sql, params)
        with self._machine("written"):
            self._strike(done=True)
        return changed

    def _run_many(self, sql, rows):
        with self._machine("written"):
            self._strike(done=False)
        super()._run_many(sql, rows)
        with self._machine("written"):
            self._strike(done=True)


@pytest.mark.parametrize("persists", [False, True], ids=["fail", "fail-but-persist"])
@pytest.mark.parametrize(("before", "batch"), EDGES)
def test_each_write_of_an_append_fails_in_turn(tmp_path, before, batch, persists):
    begun(tmp_path / "db", before)
    with Failing(tmp_path / "db") as db:
        log = Log.load(db, ORIGIN, KEY)
        db.persists = persists
        for turn in range(1, 5):  # head, leaves, openings, beside
            db.count, db.turn = 0, turn
            with pytest.raises(Unavailable):
                log.append([entry(before + i) for i in range(batch)], [PLACE])
            assert db.turn == -1, "the write was not reached"
            assert db.query("SELECT * FROM t") == []
            examine(db, before, before)
            assert Log.load(db, ORIGIN, KEY).head == log.head
        db.count, db.turn = 0, -1
        # The same again, and more of it: both succeed after any failure.
        assert log.append([entry(before + i) for i in range(batch)], [PLACE]).size == before + batch
        assert db.count == 4, "an append has another number of writes: let the loop above reach them all"
        assert log.append([entry(before + batch + i) for i in range(batch + 2)]).size == before + 2 * batch + 2
        examine(db, before + 2 * batch + 2)
    with Sqlite(tmp_path / "db", read_only=True) as db:
        examine(db, before + 2 * batch + 2)


# ── strace: a process that makes one append, and stops between its steps ──

CHILD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_store_sql import KEY, ORIGIN, entry
from relto.ledger import Log
from relto.store import Sqlite
say = lambda text: os.write(1, f"{text}\\n".encode())
def line():
    held = b""
    while not held.endswith(b"\\n"):
        held += os.read(0, 1) or b"\\n"
    return held[:-1].decode()
while path := line():
    before, batch = map(int, line().split())
    child = os.fork()
    if not child:
        try:
            with Sqlite(path) as db:
                log = Log.load(db, ORIGIN, KEY)
                say(f"ready {os.getpid()}")
                line()
                log.append([entry(before + i) for i in range(batch)], [("INSERT INTO t (k) VALUES ('beside')", ())])
                say("done")
                line()
        except BaseException as error:
            say(f"failed {type(error).__name__}")
        os._exit(0)
    os.waitpid(child, 0)
    say("ended")
"""


class Forks:
    """Processes that append once, forked from one that has everything loaded."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(Path(__file__).parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def say(self, text):
        self.process.stdin.write(f"{text}\n".encode())
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().decode().split()

    def close(self):
        self.say("")
        self.process.communicate(timeout=30)

    def append(self, path, before, batch, *options):
        """What the child said, and what strace wrote, of one append under strace with these options."""
        self.say(path)
        self.say(f"{before} {batch}")
        ready, child = self.hear()
        assert ready == "ready"
        trace = path.parent / "trace"
        strace = subprocess.Popen(
            ["strace", "-qq", "-p", child, "-o", str(trace), *options], stderr=subprocess.PIPE, text=True
        )
        try:
            if not attached(int(child)):
                os.kill(int(child), signal.SIGKILL)
                self.hear()
                pytest.skip(
                    f"TRACING IS FORBIDDEN HERE, so no system call was tried: {strace.communicate()[1].strip()}"
                )
            self.say("go")
            heard = self.hear()
            if heard[0] == "done":
                self.say("bye")
            if heard[0] != "ended":
                assert self.hear() == ["ended"]
        finally:
            strace.wait(timeout=30)
            strace.stderr.close()
        return heard[-1], trace.read_text(errors="replace") if trace.exists() else ""


def attached(process):
    """Whether a tracer is there; waits for it a moment."""
    import time

    for _ in range(500):
        status = Path(f"/proc/{process}/status").read_text()
        if not re.search(r"^TracerPid:\t0$", status, re.MULTILINE):
            return True
        time.sleep(0.005)
    return False


@pytest.fixture(scope="module")
def forks():
    if shutil.which("strace") is None:
        pytest.skip("STRACE IS NOT INSTALLED, so no system call was tried")
    made = Forks()
    yield made
    made.close()


SILENT = {
    "exit_group",
    "rt_sigaction",
    "rt_sigprocmask",
    "getpid",
    "gettid",
    "munmap",
    "mmap",
    "brk",
    "restart_syscall",
}


def calls_of_an_append(forks, path, before, batch):
    """How often each system call is made between the word to begin and the answer."""
    begun(path, before)
    said, trace = forks.append(path, before, batch)
    assert said == "done"
    made = [(found[1], line) for line in trace.splitlines() if (found := re.match(r"(\w+)\(", line))]
    end = next(place for place, (_, line) in enumerate(made) if line.startswith('write(1, "done'))
    begin = 1 + max(place for place, (_, line) in enumerate(made[:end]) if line.startswith("read(0,"))
    counted: Counter[str] = Counter()
    found = []
    for place, (name, _) in enumerate(made[:end]):
        counted[name] += 1
        if place >= begin and name not in SILENT:
            found.append((name, counted[name]))
    return found


def strike(forks, directory, before, batch, call, what):
    """One append with one system call refused or the last; then everything is recomputed and goes on."""
    name, when = call
    path = directory / f"{name}-{when}-{what.replace('=', '-')}" / "db"
    path.parent.mkdir()
    begun(path, before)
    said, _ = forks.append(path, before, batch, "-e", f"trace={name}", "-e", f"inject={name}:{what}:when={when}")
    with Sqlite(path) as db:
        size = examine(db, before + (batch if said == "done" else 0), before, before + batch)
        assert len(db.query("SELECT * FROM t")) == (size > before), "what was decided and what was written differ"
        if said == Unavailable.__name__:
            assert size == before, "what was said to have changed nothing has changed something"
        log = Log.load(db, ORIGIN, KEY)
        assert log.append([entry(size + i) for i in range(batch + 1)]).size == size + batch + 1
        examine(db, size + batch + 1)
    shutil.rmtree(path.parent)
    return said


KNOWN = {"done", "ended", Fatal.__name__, Unavailable.__name__}


def test_a_sample_of_the_system_calls_of_an_append(forks, tmp_path):
    """`make soak` tries all of them."""
    calls = calls_of_an_append(forks, tmp_path / "count", 254, 3)
    assert {name for name, _ in calls} >= {"pwrite64", "fdatasync"}, calls
    dice = random.Random(254)
    chosen = dice.sample(calls, 4) + [call for call in calls if call[0] == "fdatasync"][-1:]
    for call in chosen:
        for what in ("error=EIO", "signal=KILL"):
            said = strike(forks, tmp_path, 254, 3, call, what)
            assert said in KNOWN, (call, what, said)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "batch"), EDGES)
def test_every_system_call_of_an_append(forks, tmp_path, before, batch):
    """Each refused with EIO and with ENOSPC, and each the last of its process."""
    calls = calls_of_an_append(forks, tmp_path / "count", before, batch)
    said = Counter()
    for call in calls:
        for what in ("error=EIO", "error=ENOSPC", "signal=KILL"):
            word = strike(forks, tmp_path, before, batch, call, what)
            said[what, word] += 1
            assert word in KNOWN, (call, what, word)
    print(f"{len(calls)} system calls in an append of {batch} after {before}: {dict(said)}")
    assert said["signal=KILL", "ended"] == len(calls)
    assert said["error=EIO", Fatal.__name__], "no refused call left the outcome unknown"


# ── unsynced writes that a power cut loses ──

WRITE = re.compile(r'pwrite64\(\d+<([^>]*)>, "((?:\\x[0-9a-f]{2})*)", \d+, (\d+)\)\s+= (\d+)')
SYNC = re.compile(r"f(?:data)?sync\(\d+<([^>]*)>\)\s+= 0")
CUT = re.compile(r"ftruncate\(\d+<([^>]*)>, (\d+)\)\s+= 0")
SAID = re.compile(r'write\(1<[^>]*>, "((?:\\x[0-9a-f]{2})*)"')
SECTOR = 512


class Disk:
    """Files whose unsynced writes are kept apart, sector by sector, until they are synced."""

    def __init__(self, files):
        self.files = {name: bytearray(data) for name, data in files.items()}
        self.pending = {name: [] for name in files}

    def write(self, name, offset, data):
        self.pending.setdefault(name, []).append((offset, data))
        self.files.setdefault(name, bytearray())

    def sync(self, name):
        for offset, data in self.pending.get(name, ()):
            self._put(self.files[name], offset, data)
        self.pending[name] = []

    @staticmethod
    def _put(held, offset, data):
        held.extend(bytes(max(0, offset + len(data) - len(held))))
        held[offset : offset + len(data)] = data

    def after_a_power_cut(self, dice):
        """A random subset of the unsynced sectors has arrived, in any order, each whole."""
        found = {}
        for name, data in self.files.items():
            held = bytearray(data)
            pieces = []
            for offset, written in self.pending.get(name, ()):
                for at in range(0, len(written), SECTOR):
                    pieces.append((offset + at, written[at : at + SECTOR]))
            chance = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
            for offset, written in pieces:
                if dice.random() < chance:
                    self._put(held, offset, written)
            found[name] = bytes(held)
        return found


def unescaped(text):
    return bytes.fromhex(text.replace("\\x", ""))


@pytest.mark.parametrize("cuts", [20, pytest.param(600, marks=pytest.mark.slow)])
def test_unsynced_writes_are_lost_with_the_power(forks, tmp_path, cuts):
    """At any moment between the calls of an append, for appends within and across a tile."""
    dice = random.Random(cuts)
    for number, (before, batch) in enumerate(EDGES):
        where = tmp_path / str(number)
        where.mkdir()
        path = where / "db"
        begun(path, before)
        files = {one.name: one.read_bytes() for one in where.iterdir()}
        said, trace = forks.append(
            path, before, batch, "-y", "-xx", "-s", "1000000", "-e", "trace=pwrite64,fdatasync,fsync,ftruncate,write"
        )
        assert said == "done"
        moments = steps(trace, files)
        assert sum(kind == "sync" for kind, *_ in moments) >= 1, "nothing was synced before the answer"
        for _ in range(cuts // len(EDGES)):
            stop = dice.randrange(len(moments) + 1)
            disk, acknowledged = Disk(files), before
            for kind, name, *rest in moments[:stop]:
                if kind == "write":
                    disk.write(name, *rest)
                elif kind == "sync":
                    disk.sync(name)
                else:
                    acknowledged = before + batch
            again = where / "again"
            again.mkdir()
            for name, data in disk.after_a_power_cut(dice).items():
                if not name.endswith("-shm"):  # shared memory: made anew
                    (again / name).write_bytes(data)
            with Sqlite(again / "db") as db:
                size = examine(db, acknowledged, before, before + batch)
                assert len(db.query("SELECT * FROM t")) == (size > before)
                assert Log.load(db, ORIGIN, KEY).append([entry(size)]).size == size + 1
            shutil.rmtree(again)


def steps(trace, files):
    """What the traced process did to these files, and when it said that it was done."""
    found = []
    for line in trace.splitlines():
        if match := WRITE.search(line):
            name = Path(bytes.fromhex(match[1].replace("\\x", "")).decode() if "\\x" in match[1] else match[1]).name
            data = unescaped(match[2])
            assert len(data) == int(match[4]), "strace cut the data off"
            if not name.endswith("-shm"):
                found.append(("write", name, int(match[3]), data))
        elif match := SYNC.search(line):
            name = Path(bytes.fromhex(match[1].replace("\\x", "")).decode() if "\\x" in match[1] else match[1]).name
            found.append(("sync", name))
        elif match := CUT.search(line):
            assert match[1].endswith("-shm"), line
        elif (match := SAID.search(line)) and unescaped(match[1]) == b"done\n":
            found.append(("said", ""))
            break  # what follows closes the database
    assert found[-1] == ("said", "")
    return found


def test_the_model_of_a_disk_loses_what_was_not_synced():
    """The tool above is able to fail: without the sync, an acknowledged entry may be gone."""
    disk = Disk({"db": b"old"})
    disk.write("db", 0, b"new")
    outcomes = {disk.after_a_power_cut(random.Random(seed))["db"] for seed in range(50)}
    assert outcomes == {b"old", b"new"}
    disk.sync("db")
    assert {disk.after_a_power_cut(random.Random(seed))["db"] for seed in range(50)} == {b"new"}


def test_without_a_sync_acknowledged_entries_are_lost(forks, tmp_path):
    """The same with `synchronous` off: the check must notice, else it proves nothing."""
    path = tmp_path / "db"
    begun(path, 5)
    files = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    said, trace = forks.append(
        path, 5, 3, "-y", "-xx", "-s", "1000000", "-e", "trace=pwrite64,fdatasync,fsync,ftruncate,write"
    )
    assert said == "done"
    lost = 0
    for seed in range(20):
        disk = Disk(files)
        for kind, name, *rest in steps(trace, files):
            if kind == "write":
                disk.write(name, *rest)  # and no sync
        again = tmp_path / "again"
        again.mkdir()
        for name, data in disk.after_a_power_cut(random.Random(seed)).items():
            (again / name).write_bytes(data)
        try:
            with Sqlite(again / "db") as db:
                examine(db, 8)
        except (AssertionError, ReltoError):
            lost += 1
        shutil.rmtree(again)
    assert lost
