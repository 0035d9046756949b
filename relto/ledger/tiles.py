"""Tiles: how a tree and its entries are cut into files that never change (C2SP tlog-tiles).

What it is not: a store. Tiles are rendered from rows whenever somebody asks; a full one may be kept by any cache for
ever.

Rules
* Level 0 holds leaf hashes; hash i of tile (L, n) is the root over the *full* tile (L-1, 256n+i). A partial tile is
  never hashed into the level above.
* A partial tile or bundle is a prefix of the full one, so slicing serves all of them.
* An entry has at most 65,535 bytes.

    >>> [tile.path() for tile in tiles_of(257)]
    ['tile/0/000', 'tile/0/001.p/1', 'tile/1/000.p/1']
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from relto.errors import Forged, Malformed, NotFound
from relto.ledger.merkle import (
    HASH_SIZE,
    SIZE_MAX,
    Frontier,
    Range,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    paired,
    tree_root,
)

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
ENTRY_MAX: Final = 65_535
LEVEL_MAX: Final = 63
TILES_MAX: Final = 1024  # full tiles whose inner hashes a tree keeps: 16 KB each
EDGES_MAX: Final = 4096  # ranges on the right edge whose roots a tree keeps
ENTRIES: Final = "entries"

# tlog-tiles, "Merkle Tree": groups of three digits, all but the last prefixed x; no group in front that is all zero;
# widths 1..255 in `.p/`.
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tile(Struct, frozen=True, kw_only=True):
    """One tile of hashes, or with `level=None` one bundle of entries; `width` below 256 means partial."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= LEVEL_MAX:
            raise Malformed(f"tile level {self.level} is outside 0..{LEVEL_MAX}")
        if not 1 <= self.width <= TILE_WIDTH:
            raise Malformed(f"tile width {self.width} is outside 1..{TILE_WIDTH}")
        if self.index < 0 or (self.index * TILE_WIDTH + self.width) << (TILE_HEIGHT * (self.level or 0)) > SIZE_MAX:
            raise Malformed(f"tile {self.index} lies outside of any tree")

    @property
    def start(self) -> int:
        """The first hash (of its level) or entry."""
        return self.index * TILE_WIDTH

    def path(self) -> str:
        """Below the log's prefix."""
        groups, rest = [f"{self.index % 1000:03}"], self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{ENTRIES if self.level is None else self.level}/{'/'.join(reversed(groups))}{partial}"


def parse_path(path: str) -> Tile:
    """The tile that a path names, in its one spelling."""
    match = _PATH.fullmatch(path) if len(path) <= 64 else None
    if match is None:
        raise Malformed(f"`{path[:80]}` is not the path of a tile")
    level, groups, width = match.groups()
    index = int(groups.replace("x", "").replace("/", ""))
    tile = Tile(
        level=None if level == ENTRIES else int(level), index=index, width=TILE_WIDTH if width is None else int(width)
    )
    if tile.path() != path:
        raise Malformed(f"`{path}` is not the one spelling of a tile's path")
    return tile


def tiles_of(size: int) -> Iterator[Tile]:
    """Every hash tile of a tree of this size, the partial ones of exactly this size among them."""
    level, count = 0, size
    while count:
        for index in range(count // TILE_WIDTH):
            yield Tile(level=level, index=index)
        if count % TILE_WIDTH:
            yield Tile(level=level, index=count // TILE_WIDTH, width=count % TILE_WIDTH)
        level, count = level + 1, count // TILE_WIDTH


def bundles_of(start: int, size: int) -> Iterator[Tile]:
    """The bundles that a reader who has `start` entries of `size` still needs; the first may begin before `start`."""
    for index in range(start // TILE_WIDTH, -(-size // TILE_WIDTH) if start < size else 0):
        yield Tile(level=None, index=index, width=min(TILE_WIDTH, size - index * TILE_WIDTH))


def is_servable(tile: Tile, size: int) -> bool:
    """Whether a log of this size has all that the tile holds."""
    return tile.start + tile.width <= size >> (TILE_HEIGHT * (tile.level or 0))


# ── entry bundles ──


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """uint16 length ‖ bytes, for each entry."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise Malformed(f"a bundle has 1..{TILE_WIDTH} entries, not {len(entries)}")
    check_entries(entries)
    lengths = set(map(len, entries))
    if len(lengths) == 1:
        # As the leaves of one charter are.
        length = lengths.pop().to_bytes(2, "big")
        return length + length.join(entries)
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle that must hold exactly `width`."""
    # Leaves of one charter have one length: then all length fields are equal, and slices do the work.
    step = 2 + int.from_bytes(data[:2], "big")
    if width and len(data) == step * width and data[::step] == data[:1] * width and data[1::step] == data[1:2] * width:
        return [data[at + 2 : at + step] for at in range(0, len(data), step)]
    entries, at = list[bytes](), 0
    for _ in range(width):
        stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if stop > len(data):
            raise Malformed(f"a bundle of {width} entries ends inside entry {len(entries)}")
        entries.append(data[at + 2 : stop])
        at = stop
    if at != len(data):
        raise Malformed(f"a bundle of {width} entries has {len(data) - at} bytes too many")
    return entries


def parse_hashes(data: bytes, width: int) -> list[bytes]:
    """The hashes of a hash tile that must hold exactly `width`."""
    if len(data) != width * HASH_SIZE:
        raise Malformed(f"a tile of {width} hashes has {width * HASH_SIZE} bytes, not {len(data)}")
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]


def check_entries(entries: Sequence[bytes]) -> None:
    """Refuses entries of which one does not fit into a bundle."""
    longest = max(map(len, entries), default=0)
    if longest > ENTRY_MAX:
        raise Malformed(f"an entry has at most {ENTRY_MAX} bytes, not {longest}")


# ── a whole log as files ──


def verify_tiles(read: Callable[[str], bytes], size: int, root: bytes) -> int:
    """Every bundle and tile of a log as somebody serves it, recomputed from the entries. Returns how many there are.

    read: the resource at a path; NotFound where there is none. A partial one may be missing where the full one is there.
    Raises: Forged naming the path; what `read` raises.
    """
    rows, edge, count = list[list[bytes]](), Frontier.empty(), 0

    def check(level: int, index: int) -> None:
        row = rows[level]
        tile = Tile(level=level, index=index, width=len(row))
        data, width = _resource(read, tile)
        if parse_hashes(data, width)[: len(row)] != row:
            raise Forged(f"the tile does not hold the hashes of its entries: `{tile.path()}`")

    done = dict[int, int]()
    for bundle in bundles_of(0, size):
        data, width = _resource(read, bundle)
        row, level = [leaf_hash(entry) for entry in parse_bundle(data, width)[: bundle.width]], 0
        edge, count = edge.extend(row), count + 1
        while row:
            if level == len(rows):
                rows.append([])
            rows[level] += row
            row = []
            if len(rows[level]) == TILE_WIDTH:
                check(level, done.get(level, 0))
                done[level], count = done.get(level, 0) + 1, count + 1
                row, rows[level], level = [tree_root(rows[level])], [], level + 1
    for level, rest in enumerate(rows):
        if rest:
            check(level, done.get(level, 0))
            count += 1
    if edge.root() != root:
        raise Forged(f"the entries do not give the root that the checkpoint of size {size} signs")
    return count


def _resource(read: Callable[[str], bytes], tile: Tile) -> tuple[bytes, int]:
    """The content and how many hashes or entries it must hold."""
    try:
        return read(tile.path()), tile.width
    except NotFound:
        # tlog-tiles, "Partial Tiles": they may be deleted once the full one is there.
        if tile.width == TILE_WIDTH:
            raise
        return read(Tile(level=tile.level, index=tile.index).path()), TILE_WIDTH


# ── a tree over rows ──

Hashes = Callable[[int, int], Sequence[bytes]]


class Tree:
    """A tree whose leaf hashes are read when needed: roots, proofs and tiles for any size up to what is stored.

    What never changes is kept: the roots of full tiles, 32 bytes for each 256 leaves, and all hashes inside the full
    tiles that were used last. The first proof reads every leaf hash once, later ones a tile or two.
    """

    __slots__ = ("_edges", "_full", "_inside", "_read")

    def __init__(self, read: Hashes) -> None:
        self._read = read
        self._full: dict[Range, bytes] = {}  # (level, index) -> root over the full tile
        self._edges: dict[Range, bytes] = {}  # range of leaves -> root
        # The same as of `_full` -> its hashes, level by level, root apart; used last stands last. Threads may share a tree.
        self._inside: OrderedDict[Range, list[Sequence[bytes]]] = OrderedDict()

    def root(self, size: int) -> bytes:
        """The root at this size."""
        return self._range_root(0, size, size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """As `merkle.inclusion_proof`."""
        return [self._range_root(*one, size) for one in inclusion_ranges(index, size)]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """As `merkle.consistency_proof`."""
        return [self._range_root(*one, new) for one in consistency_ranges(old, new)]

    def tile(self, tile: Tile) -> bytes:
        """The content of a hash tile; the caller has asked `is_servable`."""
        if tile.level is None:
            raise Malformed("a bundle holds entries, not hashes")
        return b"".join(self._row(tile.level, tile.start, tile.start + tile.width))

    def _row(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Hashes of one level."""
        if level:
            return [self._tile_root(level - 1, index) for index in range(start, stop)]
        row = self._read(start, stop)
        if len(row) != stop - start:
            raise Malformed(f"leaf hashes {start + len(row)}..{stop - 1} are not stored")
        return row

    def _tile_root(self, level: int, index: int) -> bytes:
        found = self._full.get((level, index))
        if found is None:
            found = tree_root(self._row(level, index * TILE_WIDTH, (index + 1) * TILE_WIDTH))
            self._full[level, index] = found
        return found

    def _tile_rows(self, level: int, index: int) -> list[Sequence[bytes]]:
        """A full tile's hashes and all that are joined from them below its root."""
        rows = self._inside.pop((level, index), None)
        if rows is None:
            rows = [self._row(level, index * TILE_WIDTH, (index + 1) * TILE_WIDTH)]
            while len(rows[-1]) > 2:
                rows.append(paired(rows[-1]))
            self._full.setdefault((level, index), node_hash(*rows[-1]))
            if len(self._inside) >= TILES_MAX:
                self._inside.popitem(last=False)
        self._inside[level, index] = rows
        return rows

    def _range_root(self, start: int, stop: int, size: int) -> bytes:
        """The root over leaves [start, stop), a subtree as `merkle` cuts them: perfect, or on the right edge of `size`."""
        if start == stop:
            return tree_root(())
        key = (start, stop)
        if key in self._edges:
            return self._edges[key]
        parts, edge = list[bytes](), False
        while start < stop:
            # The largest perfect subtree that begins here and fits; sizes fall from left to right.
            height = (stop - start).bit_length() - 1
            level, inside = divmod(height, TILE_HEIGHT)
            first = start >> (TILE_HEIGHT * level)
            tile = first >> TILE_HEIGHT
            if (tile + 1) << (TILE_HEIGHT * (level + 1)) <= size:
                parts.append(self._tile_rows(level, tile)[inside][(first % TILE_WIDTH) >> inside])
            else:
                parts.append(tree_root(self._row(level, first, first + (1 << inside))))
                edge = True
            start += 1 << height
        folded = parts.pop()
        while parts:
            folded = node_hash(parts.pop(), folded)
        if edge:
            # Most proofs of one size end in the same ranges on its right edge.
            if len(self._edges) >= EDGES_MAX:
                self._edges.clear()
            self._edges[key] = folded
        return folded
