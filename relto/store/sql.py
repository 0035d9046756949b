"""One database: the ledgers' rows and the node's, in SQLite. A `Shelf`.

What it is not: it judges nothing. What it is handed has been verified; what it hands back is verified again by
whoever loads a log.

Rules
* SQL is one text for SQLite and PostgreSQL: `$1` placeholders, plain statements, no sequences, no advisory locks.
* Writes are serialised: `transaction()` takes the write lock at once. Another process may read meanwhile.
* An error before the commit means that nothing changed (`Unavailable`, `Conflict`). An error at the commit means that
  nobody knows (`Fatal`): the object then refuses everything until `reopen()`, which is what a restart does.
* A database is made explicitly (`create=True`), with mode 0600: it holds salts and openings.

    >>> with Sqlite(":memory:") as db:
    ...     db.query("SELECT count(*) FROM heads")
    [(0,)]
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from relto.errors import Conflict, Fatal, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.ledger import Beside, Frontier, Head, Opening, leaf_hash
from relto.ledger.merkle import HASH_SIZE
from relto.store import bundles
from relto.store.objects import sync_directory

Row = tuple[Any, ...]  # SQL is an edge: what a column holds is known to whoever wrote the SELECT
Fault = Callable[[str], None]

BUSY_S: Final = 10.0
MEMORY: Final = ":memory:"

ROWS: Final = 128  # leaves in one statement

_PLACEHOLDER = re.compile(r"\$([1-9][0-9]{0,3})")
# Primary result codes that say something about the machine; the others are mistakes of the statement and must be seen
# as such.
_MACHINE: Final = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
})  # fmt: skip


@lru_cache(maxsize=1024)
def _numbered(sql: str) -> str:
    # SQLite takes `$1` for a *name*; `?1` is the same thing by number.
    return _PLACEHOLDER.sub(r"?\1", sql)


@lru_cache(maxsize=8)
def _leaves_sql(rows: int) -> str:
    """Inserts so many leaves of one origin."""
    values = ", ".join(f"($1, ${3 * at + 2}, ${3 * at + 3}, ${3 * at + 4})" for at in range(rows))
    return f"INSERT INTO leaves (origin, idx, leaf, hash) VALUES {values}"  # noqa: S608 - numbers of placeholders only


def migrations() -> list[tuple[int, str]]:
    """The numbered files of the schema, in order."""
    found = [one for one in (resources.files("relto.store") / "schema").iterdir() if one.name.endswith(".sql")]
    numbered = sorted((int(one.name.removesuffix(".sql")), one.read_text("utf-8")) for one in found)
    assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1)), "schema files are 0001, 0002, …"
    return numbered


def statements(text: str) -> Iterator[str]:
    """The statements of a schema file."""
    held = ""
    for line in text.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held.strip()
            held = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in held.splitlines()):
        raise Malformed(f"a schema file ends inside a statement: `{held.strip()[:60]}`")


class Sqlite:
    """A SQLite database; one connection, usable from several threads, one at a time.

    fault: called before and after each commit with a site such as `append:before-commit`; what it raises is treated
    like an error of the disk at that place. For tests.
    """

    def __init__(
        self, path: str | Path, *, read_only: bool = False, create: bool = False, fault: Fault | None = None
    ) -> None:
        self.path, self.read_only, self.fault = str(path), read_only, fault
        self._lock, self._inside, self._unknown = threading.RLock(), False, False
        if self.path != MEMORY:
            self._make() if create and not read_only else self._must_exist()
        elif read_only:
            raise Refused("a database in memory has nothing to be read")
        self._connection = self._connect()
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    # ── opening ──

    def _must_exist(self) -> None:
        if not Path(self.path).is_file():
            raise NotFound(
                f"there is no database `{self.path}`",
                hint="name the node's directory with --node, or make a node with `relto node init`",
            )

    def _make(self) -> None:
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            sync_directory(Path(self.path).absolute().parent)
        except FileExistsError:
            return
        except OSError as error:
            raise Unavailable(f"the database `{self.path}` cannot be made: {error.strerror}") from error

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self.read_only else "rw"
        name = MEMORY if self.path == MEMORY else f"{Path(self.path).absolute().as_uri()}?mode={mode}"
        with self._machine("opened"):
            # isolation_level None: the module begins no transaction of its own.
            connection = sqlite3.connect(
                name, uri=name != MEMORY, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._machine("opened"):
                self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        if not self.read_only:
            kept = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if kept not in {"wal", "memory"}:
                raise Unavailable(f"`{self.path}` lies where SQLite cannot share it", hint="keep it on a local disk")
        # FULL: in WAL mode NORMAL would lose the last commits with the power, and a release is durable before its key
        # leaves.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA trusted_schema=OFF")

    def _prepare(self) -> None:
        newest = migrations()
        if self.read_only:
            if self._version() != len(newest):
                raise Refused(
                    f"the database `{self.path}` has another schema than this relto",
                    hint="start the node once, or use its relto",
                )
            return
        if self._version() == len(newest):
            return
        with self.transaction("migrate"):
            # Read again under the lock: another process may have been here.
            done = self._version()
            if done > len(newest):
                raise Refused(
                    f"the database `{self.path}` was written by a newer relto", hint="update relto on this machine"
                )
            before = bundles.ledgers(self.query) if done else []
            for number, text in newest[done:]:
                for statement in statements(text):
                    self.execute(statement)
                self.execute("INSERT INTO schema_version (version) VALUES ($1)", (number,))
            # Oak 2022: a migration dropped rows of leaves, and the log signed what was left.
            if done and bundles.ledgers(self.query) != before:
                raise Refused(
                    f"moving `{self.path}` to the schema of this relto would change its ledgers: nothing was moved",
                    hint="use the relto that wrote it, and `relto ledger verify`",
                )

    def _version(self) -> int:
        if not self.query("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'"):
            return 0
        found: int = self.query("SELECT coalesce(max(version), 0) FROM schema_version")[0][0]
        return found

    def reopen(self) -> None:
        """What a restart does: forget the connection and read the truth.

        A database in memory keeps what it had committed.
        """
        with self._lock:
            if self.path == MEMORY:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            else:
                self._connection.close()
                self._connection = self._connect()
            self._inside = self._unknown = False

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── statements ──

    @contextlib.contextmanager
    def _machine(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._tell(error, done)
            raise

    def _tell(self, error: Exception, done: str) -> None:
        """Raises what an error says about the rows or the machine; returns for a mistake in the statement."""
        if isinstance(error, sqlite3.IntegrityError):
            raise Conflict(f"a row is there already, or breaks a rule of its table: {error}") from error
        if _is_machine(error):
            raise self._unavailable(error, done) from error

    def _unavailable(self, error: Exception, done: str) -> Unavailable:
        hints = {
            sqlite3.SQLITE_BUSY: "another process holds it; is `relto node serve` running?",
            sqlite3.SQLITE_FULL: "make room on the disk",
            sqlite3.SQLITE_CORRUPT: "restore the node; nothing signed is lost that a partner has mirrored",
        }
        return Unavailable(
            f"the database `{self.path}` cannot be {done}: {error}", hint=hints.get(_primary(error), "look at the disk")
        )

    def _usable(self) -> sqlite3.Connection:
        if self._unknown:
            raise Fatal(
                f"what became of the last commit to `{self.path}` is unknown", hint="restart, which reads the truth"
            )
        return self._connection

    def query(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """All rows of a SELECT."""
        with self._lock, self._machine("read"):
            return self._usable().execute(_numbered(sql), tuple(params)).fetchall()

    def execute(self, sql: str, params: Sequence[object] = ()) -> int:
        """How many rows a statement changed; alone it is a transaction of its own."""
        with self._lock:
            if not self._inside:
                with self.transaction("execute"):
                    return self.execute(sql, params)
            self._usable()
            return self._run(sql, tuple(params))

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """One statement for many rows, within a transaction."""
        with self._lock:
            assert self._inside, "many rows want a transaction"
            self._usable()
            self._run_many(sql, rows)

    # Not by `_machine`: in the path of every append its generator costs as much as a statement.

    def _run(self, sql: str, params: tuple[object, ...]) -> int:
        """Within a transaction."""
        try:
            return self._connection.execute(_numbered(sql), params).rowcount
        except (sqlite3.Error, OSError) as error:
            self._tell(error, "written")
            raise

    def _run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Within a transaction."""
        try:
            self._connection.executemany(_numbered(sql), rows)
        except (sqlite3.Error, OSError) as error:
            self._tell(error, "written")
            raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Self]:
        """Several queries that see one state."""
        with self._lock:
            if self._inside:
                yield self
                return
            with self._machine("read"):
                self._usable().execute("BEGIN")
            self._inside = True
            try:
                yield self
            finally:
                self._inside = False
                self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def transaction(self, site: str = "transaction") -> Iterator[Self]:
        """All or nothing, durable when it ends. Not nested."""
        with self._lock:
            self._begin()
            try:
                yield self
                self._reach(f"{site}:before-commit")
            except BaseException:
                self._abort()
                raise
            self._commit(site)

    # Its three steps, which `append` takes without the generator.

    def _begin(self) -> None:
        assert not self._inside, "a transaction inside another would commit its beginning"
        try:
            self._usable().execute("BEGIN IMMEDIATE")
        except (sqlite3.Error, OSError) as error:
            self._tell(error, "written")
            raise
        self._inside = True

    def _reach(self, site: str) -> None:
        if self.fault is not None:
            with self._machine("written"):
                self.fault(site)

    def _abort(self) -> None:
        # A crash here leaves nothing: SQLite drops what has no commit mark.
        self._inside = False
        self._roll_back()

    def _commit(self, site: str) -> None:
        # From here to the end nobody can say which of the two it is: a commit that failed may still be read back after
        # a restart.
        self._inside, self._unknown = False, True
        try:
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            if _primary(error) != sqlite3.SQLITE_FULL:
                raise self._doubtful(error) from error
            # The one failure whose outcome is known: no room for a frame of the log means that its commit mark, the
            # last to be written, is not there; and SQLite has rolled back.
            self._unknown = False
            raise self._unavailable(error, "written") from error
        if self.fault is not None:
            try:
                self.fault(f"{site}:after-commit")
            except (sqlite3.Error, OSError) as error:
                raise self._doubtful(error) from error
        self._unknown = False

    def _doubtful(self, error: Exception) -> Fatal:
        return Fatal(f"whether `{self.path}` was written is unknown: {error}", hint="restart, which reads the truth")

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._unknown = True

    # ── the shelf ──

    def head(self, origin: str) -> Head | None:
        """As `Shelf.head`."""
        rows = self.query("SELECT size, root, note, frontier, seen FROM heads WHERE origin = $1", (origin,))
        if not rows:
            return None
        size, root, note, frontier, seen = rows[0]
        cut = tuple(frontier[at : at + HASH_SIZE] for at in range(0, len(frontier), HASH_SIZE))
        return Head(origin=origin, size=size, root=root, note=note, frontier=cut, seen=seen)

    def origins(self) -> list[str]:
        """As `Shelf.origins`."""
        return [str(row[0]) for row in self.query("SELECT origin FROM heads ORDER BY origin")]

    def leaves(self, origin: str, start: int, stop: int) -> list[bytes]:
        """As `Shelf.leaves`."""
        return self._column("leaf", origin, start, stop)

    def hashes(self, origin: str, start: int, stop: int) -> list[bytes]:
        """As `Shelf.hashes`."""
        return self._column("hash", origin, start, stop)

    def _column(self, column: str, origin: str, start: int, stop: int) -> list[bytes]:
        sql = f"SELECT {column} FROM leaves WHERE origin = $1 AND idx >= $2 AND idx < $3 ORDER BY idx"  # noqa: S608 - one of two
        values = [value for (value,) in self.query(sql, (origin, start, stop))]
        # Ascending, each once and as many as there are places: none is missing.
        if len(values) == stop - start:
            return values
        rows = self.query(sql.replace("SELECT ", "SELECT idx, ", 1), (origin, start, stop)) if values else []
        packed = bundles.leaves_of if column == "leaf" else bundles.hashes_of
        return bundles.joined(rows, packed(self.query, origin, start, stop), start, stop)

    def find(self, origin: str, leaf_hash: bytes) -> int | None:
        """The first entry with this leaf hash; None when there is none."""
        rows = self.query("SELECT min(idx) FROM leaves WHERE origin = $1 AND hash = $2", (origin, leaf_hash))
        found = [int(index) for (index,) in rows if index is not None]
        for first, hashes in self.query(
            "SELECT first, hashes FROM bundles WHERE origin = $1 ORDER BY first", (origin,)
        ):
            at = next((i for i in range(0, len(hashes), HASH_SIZE) if hashes.startswith(leaf_hash, i)), None)
            if at is not None:
                found.append(first + at // HASH_SIZE)
                break
        return min(found, default=None)

    def staged(self, origin: str) -> Head | None:
        """As `Shelf.staged`."""
        rows = self.query("SELECT size, frontier, note FROM growing WHERE origin = $1", (origin,))
        if not rows:
            return None
        size, row, note = rows[0]
        cut = tuple(row[at : at + HASH_SIZE] for at in range(0, len(row), HASH_SIZE))
        # A damaged edge has no root; whoever goes on from it says so.
        root = Frontier(size=size, hashes=cut).root() if len(cut) == size.bit_count() else b""
        return Head(origin=origin, size=size, root=root, note=note, frontier=cut)

    def openings(self, origin: str, start: int, stop: int) -> list[Opening]:
        """As `Shelf.openings`."""
        sql = "SELECT idx, salt, envelope FROM openings WHERE origin = $1 AND idx >= $2 AND idx < $3 ORDER BY idx"
        return [(index, salt, envelope) for index, salt, envelope in self.query(sql, (origin, start, stop))]

    def create(self, head: Head) -> None:
        """As `Shelf.create`."""
        if head.size:
            raise Refused(f"`{head.origin}` is created with {head.size} entries that nobody handed over")
        try:
            with self.transaction("create"):
                self.execute(
                    "INSERT INTO heads (origin, size, root, note, frontier, seen) VALUES ($1, 0, $2, $3, $4, $5)",
                    (head.origin, head.root, head.note, b"", head.seen),
                )
        except Conflict as error:
            raise Conflict(f"there is a log `{head.origin}` already", hint="a log is made once") from error

    def append(
        self,
        head: Head,
        expected_size: int,
        leaves: Sequence[bytes],
        openings: Sequence[Opening],
        beside: Beside,
        hashes: Sequence[bytes] | None = None,
    ) -> None:
        """As `Shelf.append`."""
        # A mirror may have more than its head: then the leaves are what came after that.
        if head.size - len(leaves) < expected_size or (head.size - len(leaves) > expected_size and hashes is None):
            raise Malformed(f"{len(leaves)} leaves do not lead from size {expected_size} to {head.size}")
        if hashes is not None and len(hashes) != len(leaves):
            raise Malformed(f"{len(hashes)} hashes are not those of {len(leaves)} leaves")
        with self._lock:
            self._begin()
            try:
                self._write(head, expected_size, leaves, openings, beside, hashes)
                self._reach("append:before-commit")
            except BaseException:
                self._abort()
                raise
            self._commit("append")

    def _write(
        self,
        head: Head,
        expected_size: int,
        leaves: Sequence[bytes],
        openings: Sequence[Opening],
        beside: Beside,
        hashes: Sequence[bytes] | None,
    ) -> None:
        origin = head.origin
        # Compare and swap. On a shared database this one statement is also the lock between processes.
        swapped = self._run(
            "UPDATE heads SET size = $1, root = $2, note = $3, frontier = $4, seen = $5 "
            "WHERE origin = $6 AND size = $7",
            (head.size, head.root, head.note, b"".join(head.frontier), head.seen, origin, expected_size),
        )
        if swapped != 1:
            raise self._moved(origin, expected_size)
        start = head.size - len(leaves)
        if hashes is None:
            self._add_leaves(origin, start, leaves, list(map(leaf_hash, leaves)))
        else:
            if head.size > expected_size:
                self._leave_stage(origin, expected_size, start)
            self._add_packed(origin, start, leaves, hashes)
        self._add_openings(origin, head.size, openings)
        for sql, params in beside:
            self._run(sql, tuple(params))

    def stage(
        self, head: Head, expected_size: int, leaves: Sequence[bytes], openings: Sequence[Opening],
        hashes: Sequence[bytes],
    ) -> None:  # fmt: skip
        """As `Shelf.stage`."""
        if expected_size + len(leaves) != head.size or len(hashes) != len(leaves):
            raise Malformed(f"{len(leaves)} leaves do not lead from size {expected_size} to {head.size}")
        with self.transaction("stage"):
            row = (head.origin, head.size, b"".join(head.frontier), head.note)
            stood = self.staged(head.origin)
            if stood is None:
                held = self.head(head.origin)
                if held is None or held.size != expected_size:
                    raise self._moved(head.origin, expected_size)
                self._run("INSERT INTO growing (origin, size, frontier, note) VALUES ($1, $2, $3, $4)", row)
            elif not self._run(
                "UPDATE growing SET size = $2, frontier = $3, note = $4 WHERE origin = $1 AND size = $5",
                (*row, expected_size),
            ):
                raise self._moved(head.origin, expected_size, stood.size)
            self._add_packed(head.origin, expected_size, leaves, hashes)
            self._add_openings(head.origin, head.size, openings)

    def _leave_stage(self, origin: str, expected_size: int, start: int) -> None:
        """What was stored beyond the head now stands under it."""
        stood = self.staged(origin)
        if (stood.size if stood else expected_size) != start:
            raise self._moved(origin, start, stood.size if stood else expected_size)
        if stood:
            self._run("DELETE FROM growing WHERE origin = $1", (origin,))

    def _add_openings(self, origin: str, size: int, openings: Sequence[Opening]) -> None:
        if any(index >= size for index, _, _ in openings):
            raise Conflict(f"an opening for `{origin}` belongs to none of its {size} entries")
        if openings:
            self._run_many(
                "INSERT INTO openings (origin, idx, salt, envelope) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                [(origin, *opening) for opening in openings],
            )

    def _add_packed(self, origin: str, start: int, leaves: Sequence[bytes], hashes: Sequence[bytes]) -> None:
        """Full bundles as one row each, what lies before and behind them as a row an entry."""
        first, last = bundles.whole_runs(start, len(leaves))
        self._add_leaves(origin, start, leaves[: first - start], hashes[: first - start])
        self._run_many(bundles.INSERT, bundles.packed(origin, start, leaves, hashes, (first, last)))
        self._add_leaves(origin, last, leaves[last - start :], hashes[last - start :])

    def _add_leaves(self, origin: str, start: int, leaves: Sequence[bytes], hashes: Sequence[bytes]) -> None:
        """Many rows in one statement: a mirror that is filled spends its time there."""
        whole = len(leaves) - len(leaves) % ROWS
        if not whole:
            rest = [(origin, start + at, leaf, hashes[at]) for at, leaf in enumerate(leaves)]
            if rest:
                self._run_many(_leaves_sql(1), rest)
            return

        def rows() -> Iterator[list[object]]:
            for first in range(0, whole, ROWS):
                row: list[object] = [origin]
                for at in range(first, first + ROWS):
                    row += (start + at, leaves[at], hashes[at])
                yield row

        self._run_many(_leaves_sql(ROWS), rows())
        if whole < len(leaves):
            self._add_leaves(origin, start + whole, leaves[whole:], hashes[whole:])

    def _moved(self, origin: str, expected_size: int, staged: int | None = None) -> ReltoError:
        head = self.head(origin)
        if head is None:
            return NotFound(
                f"there is no log `{origin}` here", hint="a log is made once, by `relto node init` or `relto node join`"
            )
        return Conflict(
            f"`{origin}` stands at size {head.size if staged is None else staged}, not {expected_size}",
            hint="another process wrote: load it again",
        )


def _primary(error: Exception) -> int:
    # The lower byte is the primary result code. An error without one comes from a fault that a test put in place of
    # the disk.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF


def _is_machine(error: Exception) -> bool:
    # ProgrammingError and its like carry no code either, and are mistakes in a statement's use.
    return isinstance(error, sqlite3.DatabaseError | OSError) and (
        not isinstance(error, sqlite3.ProgrammingError) and _primary(error) in _MACHINE
    )
