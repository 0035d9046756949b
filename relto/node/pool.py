"""Entries that wait for one commit: durable together or not at all, and what of memory is taken back with them.

Inside a pool the register shows what was written already, but for releases on which nothing that is decided rests:
these come in at its end. The lock is held meanwhile, so that nobody else sees what may still not be.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from relto import acts
from relto.acts import Entry, Register
from relto.errors import Fatal, ReltoError
from relto.ledger import Frontier, Grown, New, leaf_hash
from relto.node.held import Held
from relto.node.turns import Turns

Statement = tuple[str, tuple[object, ...]]


class Written:
    """One commit, for whoever wrote into it: filled when it is durable, and until then empty."""

    def __init__(self) -> None:
        self.note = b""
        self._grown: Grown | None = None

    def fill(self, before: Frontier, entries: Sequence[New], note: bytes) -> None:
        """before: the edge that these entries were added to. note: a checkpoint of the size behind them."""
        self._grown, self.note = Grown(before, [leaf_hash(one.leaf) for one in entries]), note

    def proof(self, index: int) -> tuple[bytes, ...]:
        """The inclusion proof of one of its entries under `note`."""
        assert self._grown is not None, "nothing is proven before it is durable"
        return tuple(self._grown.inclusion(index))


class Entered(Struct, frozen=True, kw_only=True):
    """An entry and the commit that it went into."""

    index: int
    new: New
    written: Written


class _Pool:
    """noted: what later work in the same commit must find, though the store does not show it yet. late: entries that
    the register does not hold yet; time: of the newest. commits: how often it had to be emptied before its end.
    rekeyed: whether a reader gets a new tag key. proven: whether somebody wants proofs of its entries.
    """

    def __init__(self, register: Register, held: int) -> None:
        self.entries: list[New] = []
        self.beside: list[Statement] = []
        self.noted: dict[Hashable, Any] = {}
        self.late: list[Entry] = []
        self.time, self.commits, self.rekeyed, self.proven = 0, 0, False, False
        self.written = Written()
        self.register, self.held = register, held  # as they were when all that was written was durable


class Pooled(Held):
    """See the module."""

    _pool: _Pool | None = None

    @functools.cached_property
    def turns(self) -> Turns:
        """Where several that want to write at the same time share one commit."""
        return Turns(self)

    def now(self) -> int:
        """The time of a new entry: the clock, never behind the own ledger."""
        scan = self.register.scans.get(self.origin)
        late = self._pool.time if self._pool is not None else 0
        return max(self.clock(), scan.time if scan else 0, late)

    @property
    def size(self) -> int:
        """The entries of the own ledger; inside `pooled` with those that wait."""
        return self.log.head.size + (len(self._pool.entries) if self._pool is not None else 0)

    @contextlib.contextmanager
    def pooled(self) -> Iterator[None]:
        """What is written inside becomes durable together, in one commit at its end, or not at all.

        Raises: those of the commit; the register is then what is stored.
        """
        with self.lock:
            assert self._pool is None, "a pool inside another would not be durable when it ends"
            pool = self._pool = _Pool(self.register, len(self._entries.get(self.origin, ())))
            try:
                yield
                self.caught_up()
                self._commit(pool)
            except BaseException as error:
                self._forget_unwritten(pool.held, pool.register)
                if isinstance(error, Fatal):
                    self._register = None
                    with contextlib.suppress(ReltoError):  # a store in doubt is read by the next start
                        self._read_log(self.origin)
                raise
            finally:
                self._pool = None
                if pool.rekeyed:
                    self._channel_keys.clear()

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Inside `pooled`: a part of it that an exception takes back, and nothing else with it."""
        pool = self._pool
        assert pool is not None, "outside of a pool everything stands by itself"
        entries, rows, late, noted = len(pool.entries), len(pool.beside), list(pool.late), dict(pool.noted)
        time, commits = pool.time, pool.commits
        held, register = len(self._entries.get(self.origin, ())), self.register
        try:
            yield
        except BaseException:
            # What had to be committed on the way stays: the pool was over the limit of one commit.
            if pool.commits == commits:
                del pool.entries[entries:], pool.beside[rows:]
                pool.late = late
                self._forget_unwritten(held, register)
            pool.noted, pool.time = noted, time
            raise

    def _forget_unwritten(self, held: int, register: Register) -> None:
        """Memory as it was before entries that were not written."""
        entries = self._entries.get(self.origin, [])
        gone = entries[held:]
        del entries[held:]
        self._register = register
        self._channel_keys.clear()
        if any(isinstance(one.act, acts.Disclose) for one in gone):
            # INVARIANT: what is open to a reader follows from the entries that stand, at their places.
            self._disclosed.clear()
            for one in entries:
                if isinstance(one.act, acts.Disclose):
                    self._disclosed[one.act.to] |= set(one.act.entries)

    def caught_up(self) -> Register:
        """The register with everything that was written, also inside `pooled`."""
        pool = self._pool
        if pool is not None and pool.late:
            late, pool.late = pool.late, []
            self._grow(late)
        return self.register

    def noted(self, key: Hashable) -> Any:
        """What earlier work in this commit has noted under this key; None outside, and where there is nothing."""
        return None if self._pool is None else self._pool.noted.get(key)

    def note_for_pool(self, key: Hashable, value: Any = "") -> None:
        """For later work in this commit."""
        if self._pool is not None:
            self._pool.noted[key] = value

    def entered(self) -> Entered:
        """The last entry that was written inside `pooled`, and the commit that will prove it."""
        pool = self._pool
        assert pool is not None
        pool.proven = True
        return Entered(index=self.size - 1, new=pool.entries[-1], written=pool.written)

    def beside(self, statements: Sequence[Statement]) -> None:
        """Rows without an entry: part of the commit inside `pooled`, else one of their own."""
        if self._pool is not None:
            self._pool.beside += statements
        elif statements:
            self._write_rows(statements)

    def _write_rows(self, statements: Sequence[Statement]) -> None:
        with self.store.transaction("rows"):
            for sql, values in statements:
                self.store.execute(sql, values)

    def _commit(self, pool: _Pool) -> None:
        if pool.entries:
            before = self.log.head.edge
            head = self.log.append(pool.entries, pool.beside)
            if pool.proven:
                pool.written.fill(before, pool.entries, self._shown_note() or head.note)
        elif pool.beside:
            self._write_rows(pool.beside)
        pool.entries, pool.beside, pool.written, pool.proven = [], [], Written(), False

    def _shown_note(self) -> bytes:
        """The published checkpoint when it is the head's, which may be made for that now; else empty."""
        return b""

    def _empty(self, pool: _Pool) -> None:
        """A pool over the limit of one commit is cut there."""
        self.caught_up()
        self._commit(pool)
        pool.commits += 1
        pool.register, pool.held = self.register, len(self._entries[self.origin])
