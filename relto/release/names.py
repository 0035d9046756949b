"""Names in order, each block of them without what all of it begin with.

Ten million ids of one party differ in their last few characters. A block keeps the common beginning once and of each
name the rest, all of one width (a name has no NUL); blocks of one form lie in one array, so that many names are written
out by a few copies of columns.
"""

from __future__ import annotations

import bisect
from typing import Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 1024
WORD: Final = 4
Text = NDArray[np.bytes_]


class _Form(NamedTuple):
    """All blocks of one form: their beginnings, and the rests of their names, in words of four bytes."""

    starts: NDArray[np.uint32]
    rests: NDArray[np.uint32]


class Names:
    """Sorted names, each once; asked by rank, and for the rank of a name. Compared by bytes."""

    def __init__(self, names: Text) -> None:
        self._size = len(names)
        self._wide = -(-max(names.dtype.itemsize, 1) // WORD)
        self._firsts: list[bytes] = names[::BLOCK].tolist()
        blocks = [names[n : n + BLOCK].astype(f"S{WORD * self._wide}") for n in range(0, self._size, BLOCK)]
        forms: dict[tuple[int, int], list[int]] = {}
        for n, block in enumerate(blocks):
            start = len(_common(bytes(block[0]), bytes(block[-1]))) // WORD
            longest = -(-int(np.char.str_len(block).max()) // WORD)
            forms.setdefault((start, longest), []).append(n)
        self._form = np.zeros(len(blocks), dtype=np.int32)
        self._base = np.zeros(len(blocks), dtype=np.int64)  # of each block: its first row in its form
        self._at = np.zeros(len(blocks), dtype=np.int32)  # its place among the beginnings of its form
        self._forms: list[_Form] = []
        for (start, end), held in forms.items():
            sizes = np.array([len(blocks[n]) for n in held], dtype=np.int64)
            self._form[held] = len(self._forms)
            self._base[held] = np.cumsum(sizes) - sizes
            self._at[held] = np.arange(len(held))
            words = [blocks[n].view(np.uint32).reshape(-1, self._wide) for n in held]
            starts = np.stack([one[0, :start] for one in words])
            self._forms.append(_Form(starts, np.concatenate([one[:, start:end] for one in words])))

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, rank: int) -> bytes: ...
    @overload
    def __getitem__(self, rank: NDArray[np.integer]) -> Text: ...
    def __getitem__(self, rank: int | NDArray[np.integer]) -> bytes | Text:
        """One name, or the names of these ranks as one column."""
        if isinstance(rank, np.ndarray):
            return self._column(rank)
        block, row = divmod(int(rank), BLOCK)
        form = self._forms[self._form[block]]
        rest = form.rests[self._base[block] + row].tobytes()
        found: bytes = form.starts[self._at[block]].tobytes() + rest
        return found.rstrip(b"\0")

    def _column(self, ranks: NDArray[np.integer]) -> Text:
        blocks = ranks // BLOCK
        rows = self._base[blocks] + ranks % BLOCK
        which = self._form[blocks]
        counts = np.bincount(which, minlength=len(self._forms))
        most = int(np.argmax(counts)) if len(ranks) else 0
        found = np.empty((len(ranks), self._wide), dtype=np.uint32)
        for n in np.flatnonzero(counts).tolist():
            if n == most:  # written over all, and what is of another form is written again
                others = which != n
                self._write(found, n, np.where(others, 0, rows), np.where(others, 0, self._at[blocks]))
        for n in np.flatnonzero(counts).tolist():
            if n != most:
                where = np.flatnonzero(which == n)
                some = np.empty((len(where), self._wide), dtype=np.uint32)
                self._write(some, n, rows[where], self._at[blocks[where]])
                found[where] = some
        return found.reshape(-1).view(f"S{WORD * self._wide}")

    def _write(
        self, out: NDArray[np.uint32], form: int, rows: NDArray[np.integer], blocks: NDArray[np.integer]
    ) -> None:
        starts, rests = self._forms[form]
        start, end = starts.shape[1], starts.shape[1] + rests.shape[1]
        for n in range(start):
            out[:, n] = starts[:, n][blocks]
        for n in range(start, end):
            out[:, n] = rests[:, n - start][rows]
        out[:, end:] = 0

    def beyond(self, name: bytes) -> int:
        """How many names are not greater than this one."""
        block = bisect.bisect_right(self._firsts, name) - 1
        if block < 0:
            return 0
        low, high = block * BLOCK, min((block + 1) * BLOCK, self._size)
        return bisect.bisect_right(range(high), name, low, high, key=self.__getitem__)

    def rank(self, name: bytes) -> int:
        """Where a name stands, or -1."""
        block = bisect.bisect_right(self._firsts, name) - 1
        if block < 0:
            return -1
        starts, rests = self._forms[self._form[block]]
        start = starts[self._at[block]].tobytes()
        low, size = int(self._base[block]), min(BLOCK, self._size - block * BLOCK)
        if not name.startswith(start.rstrip(b"\0")) or len(name) > len(start) + WORD * rests.shape[1]:
            return -1
        if not rests.shape[1]:
            return block * BLOCK
        column = rests[low : low + size].view(f"S{WORD * rests.shape[1]}").reshape(-1)
        rest = name[len(start) :]
        at = int(np.searchsorted(column, np.array(rest, dtype=column.dtype)))
        return block * BLOCK + at if at < size and column[at] == rest else -1


def _common(one: bytes, other: bytes) -> bytes:
    """What two names begin with; of sorted names that is what all between them begin with."""
    n = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:n]
