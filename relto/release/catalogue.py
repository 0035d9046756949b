"""Items as columns: names in order, dense numbers in label order, one permutation each way.

A `Part` holds items of which each has a class. Numbers are given class by class, so that what one recipient may have is
a few ranges of numbers; names stand apart, sorted, so that lists come in the order of names and a page can begin after
any name. A catalogue of ten million items is one part; the items that an engine works on singly are another.

`Rows` are items that tables register by the hundred thousand: each row is like one of a few thousand items (`like`),
apart from its name and from the acts that it rests on.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from relto.acts import ItemState
from relto.release.names import Names

Numbers = NDArray[np.int32]
Classes = NDArray[np.generic]  # the smallest unsigned type that holds them
_VERSION: Final = b"\x01"  # below every character of a name, so that versions of one item stand together
ID_BYTES: Final = 32


def name_of(item: str, version: int) -> bytes:
    """One spelling of item and version that sorts by item and then by version. Bytes: nothing is folded or normalised."""
    return item.encode() + (b"" if version == 1 else _VERSION + b"%06d" % version)


def item_of(name: bytes) -> tuple[str, int]:
    item, found, version = name.partition(_VERSION)
    return item.decode(), int(version) if found else 1


class Own(NamedTuple):
    """Acts that only some rows have: the rows, ascending, and the id of the act of each (32 bytes)."""

    rows: NDArray[np.uint32]
    acts: NDArray[np.uint8]


class Rows(Struct, frozen=True, kw_only=True):
    """Items of tables. names: sorted, each once; like: which of `kinds` each is like; act: of each table's registration.

    tables: first row of each table, with the act that registers it. own: acts of single rows, by what they are.
    """

    names: Names
    like: Numbers
    kinds: Sequence[ItemState]
    tables: tuple[tuple[int, str], ...]
    own: Mapping[tuple[str, ...], Own] = {}

    def registered_by(self, row: int) -> str:
        return self.tables[bisect.bisect_right(self.tables, row, key=lambda one: one[0]) - 1][1]

    def own_act(self, token: tuple[str, ...], row: int) -> str:
        """Empty where this row has none."""
        own = self.own.get(token)
        if own is None:
            return ""
        at = int(np.searchsorted(own.rows, np.uint32(row)))
        return own.acts[at].tobytes().hex() if at < len(own.rows) and int(own.rows[at]) == row else ""


class Part:
    """Items with a class each. `classes` by row of `names`; how many classes there are in all: `count`."""

    def __init__(self, names: Names, classes: Numbers, count: int) -> None:
        self.names = names
        self.rank_of = np.argsort(classes, kind="stable").astype(np.int32)  # by number
        self.sizes = np.bincount(classes, minlength=count).astype(np.int64)
        self.starts = np.concatenate(([0], np.cumsum(self.sizes)[:-1])) if count else np.zeros(0, np.int64)
        kind = np.uint16 if count < 2**16 else np.uint32
        self.class_by_rank = classes.astype(kind)
        self.class_of = np.repeat(np.arange(count, dtype=kind), self.sizes)  # by number
        self.hidden = np.zeros(0, dtype=np.int32)  # numbers of what stands elsewhere by now

    def __len__(self) -> int:
        return len(self.names)

    def widened(self, count: int) -> Part:
        """The same where there are more classes by now."""
        made = object.__new__(Part)
        made.__dict__.update(self.__dict__)
        more = count - len(self.sizes)
        made.sizes = np.concatenate((self.sizes, np.zeros(more, np.int64)))
        made.starts = np.concatenate((self.starts, np.full(more, len(self.names), np.int64)))
        return made

    def without(self, names: Sequence[bytes]) -> Part:
        """The same without some of its items."""
        ranks = [rank for name in names if (rank := self.rank(name)) >= 0]
        numbers = np.setdiff1d(np.array([self.number(rank) for rank in ranks], np.int32), self.hidden)
        if not len(numbers):
            return self
        made = object.__new__(Part)
        made.__dict__.update(self.__dict__)
        made.sizes = self.sizes - np.bincount(self.class_of[numbers], minlength=len(self.sizes))
        made.hidden = np.sort(np.concatenate((self.hidden, numbers)))
        return made

    def rank(self, name: bytes) -> int:
        """Where a name stands, or -1. Compared by bytes."""
        return self.names.rank(name)

    def number(self, rank: int) -> int:
        """The dense number of an item: within its class items stand in the order of names."""
        of = int(self.class_by_rank[rank])
        first, count = int(self.starts[of]), int(self.starts[of + 1] if of + 1 < len(self.starts) else len(self.names))
        return first + int(np.searchsorted(self.rank_of[first:count], rank))

    def numbers(self, classes: NDArray[np.intp]) -> Numbers:
        """All items of these classes (ascending), by number."""
        sizes = np.diff(np.append(self.starts, len(self.names)))[classes]
        total = int(sizes.sum())
        if not total:
            return np.zeros(0, np.int32)
        ends = np.cumsum(sizes)
        first = np.repeat((self.starts[classes] - ends + sizes).astype(np.int32), sizes)
        found: Numbers = first + np.arange(total, dtype=np.int32)
        return found[~np.isin(found, self.hidden)] if len(self.hidden) else found

    def page(self, numbers: Numbers, after: int, limit: int) -> Numbers:
        """The first so many ranks among these items, ascending, beyond a rank."""
        ranks = self.rank_of[numbers]
        if after >= 0:
            ranks = ranks[ranks > after]
        if len(ranks) > 4 * limit:  # guess how far one must look; double until it is far enough
            reach, low = 2 * limit * len(self.names) // len(ranks), after + 1
            while True:
                near = ranks[ranks < low + reach]
                if len(near) >= limit or low + reach >= len(self.names):
                    break
                reach *= 2
            ranks = near
        return np.sort(ranks)[:limit]
