"""Entries of a mirror: full bundles as one row each, the rest as one row an entry.

A mirror that is filled spends its time in the database, and a row for each of a million entries costs three times what
verifying them does. What is read is the same from either table.

Rules
* A run is packed when it is whole, begins at a multiple of 256 and comes in one commit. Nothing is packed later:
  a stored entry is never moved.
* What of a bundle cannot be read any more is missing, and so is everything behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from relto.errors import Malformed
from relto.ledger import encode_bundle, parse_bundle
from relto.ledger.merkle import HASH_SIZE
from relto.ledger.tiles import TILE_WIDTH

Query = Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]]

INSERT: Final = "INSERT INTO bundles (origin, first, hashes, entries) VALUES ($1, $2, $3, $4)"
_NEAR: Final = "FROM bundles WHERE origin = $1 AND first > $2 AND first < $3 ORDER BY first"


def whole_runs(start: int, count: int) -> tuple[int, int]:
    """Of entries [start, start + count): the first and the last of those that come as full bundles, as [from, to)."""
    first = -(-start // TILE_WIDTH) * TILE_WIDTH
    last = (start + count) // TILE_WIDTH * TILE_WIDTH
    return (first, last) if first < last else (start, start)


def packed(
    origin: str, start: int, leaves: Sequence[bytes], hashes: Sequence[bytes], run: tuple[int, int]
) -> Iterator[tuple[object, ...]]:
    """The rows of the full bundles in a run of entries [start, …)."""
    for first in range(*run, TILE_WIDTH):
        at = first - start
        stop = at + TILE_WIDTH
        yield origin, first, b"".join(hashes[at:stop]), encode_bundle(leaves[at:stop])


def leaves_of(query: Query, origin: str, start: int, stop: int) -> list[tuple[int, list[bytes]]]:
    """The packed entries around [start, stop), by the index of the first of each bundle."""
    rows = query(f"SELECT first, entries {_NEAR}", (origin, start - TILE_WIDTH, stop))
    return [(first, _readable(entries)) for first, entries in rows]


def hashes_of(query: Query, origin: str, start: int, stop: int) -> list[tuple[int, list[bytes]]]:
    """Their leaf hashes."""
    rows = query(f"SELECT first, hashes {_NEAR}", (origin, start - TILE_WIDTH, stop))
    return [(first, [row[at : at + HASH_SIZE] for at in range(0, len(row), HASH_SIZE)]) for first, row in rows]


def _readable(data: bytes) -> list[bytes]:
    """The entries of a stored bundle; of a damaged one those before the damage, and never all of them."""
    try:
        return parse_bundle(data, TILE_WIDTH)
    except Malformed:
        found, at = list[bytes](), 0
        while len(found) < TILE_WIDTH - 1:
            stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
            if stop > len(data) or at + 2 > len(data):
                break
            found.append(data[at + 2 : stop])
            at = stop
        return found


def joined(
    rows: Sequence[tuple[int, bytes]], runs: Sequence[tuple[int, list[bytes]]], start: int, stop: int
) -> list[bytes]:
    """Entries [start, stop) of both, up to the first that is missing."""
    single = dict(rows)
    bundled = dict(runs)
    found, at = list[bytes](), start
    while at < stop:
        if at in single:
            found.append(single[at])
            at += 1
            continue
        first = at - at % TILE_WIDTH
        part = bundled.get(first, ())[at - first : stop - first]
        if not part:
            break
        found += part
        at += len(part)
    return found


def ledgers(query: Query) -> list[tuple[Any, ...]]:
    """What a change of the schema must leave alone: each head, and how many entries, bytes and openings there are.

    The same whether entries are packed or not.
    """
    rows = query(
        "SELECT h.origin, h.size, h.root, h.note, h.frontier,"
        " (SELECT count(*) FROM openings o WHERE o.origin = h.origin), count(l.idx), min(l.idx), max(l.idx),"
        " sum(length(l.leaf)) FROM heads h LEFT JOIN leaves l ON l.origin = h.origin"
        " GROUP BY h.origin, h.size, h.root, h.note, h.frontier ORDER BY h.origin",
        (),
    )
    if not query("SELECT 1 FROM sqlite_master WHERE name = 'bundles'", ()):
        return rows
    packed = query(
        "SELECT origin, 256 * count(*), min(first), max(first) + 255, sum(length(entries)) - 512 * count(*)"
        " FROM bundles GROUP BY origin",
        (),
    )
    return [_with(row, *(one[1:] for one in packed if one[0] == row[0])) for row in rows]


def _with(row: tuple[Any, ...], *packed: tuple[int, int, int, int]) -> tuple[Any, ...]:
    """A ledger's row with the count, first, last and bytes of its bundles added to those of its single entries."""
    count, least, most, size = row[6:]
    for more in packed:
        single = (count, least, most, size) if count else (0, more[1], more[2], 0)
        count, size = single[0] + more[0], single[3] + more[3]
        least, most = min(single[1], more[1]), max(single[2], more[2])
    return (*row[:6], count, least, most, size)
