"""Sequences and maps that only grow: a version costs what it adds, and no version sees what another adds.

A register is a value, and a ledger grows by one entry at a time; copying a list of a million for each would make the
cost of an act that of the whole history. `Trail` shares full chunks, `Map` shares layers.

    more = trail.plus(one)             # `trail` is as it was
    more = known.plus({key: value})    # `known` is as it was
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

CHUNK = 512  # entries that one more entry may copy


class Trail(Sequence[V]):
    """A list by chunks. `push` moves this one; `copy` is another one that moves by itself."""

    __slots__ = ("_chunks", "_shared", "_size")

    def __init__(self, values: Iterable[V] = ()) -> None:
        self._chunks: list[list[V]] = []
        self._size = 0
        self._shared = False  # whether the last chunk may belong to another one too
        for one in values:
            self.push(one)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> list[V]: ...
    def __getitem__(self, index: int | slice) -> V | list[V]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self._size))]
        at = index + self._size if index < 0 else index
        if not 0 <= at < self._size:
            raise IndexError(index)
        return self._chunks[at // CHUNK][at % CHUNK]

    def __iter__(self) -> Iterator[V]:
        for chunk in self._chunks:
            yield from chunk

    def __reversed__(self) -> Iterator[V]:
        for chunk in reversed(self._chunks):
            yield from reversed(chunk)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(other) == self._size and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> Trail[V]:
        other: Trail[V] = Trail()
        other._chunks, other._size, other._shared = self._chunks[:], self._size, True
        self._shared = True
        return other

    def push(self, value: V) -> None:
        if self._size % CHUNK == 0:
            self._chunks.append([value])
        else:
            if self._shared:
                self._chunks[-1] = self._chunks[-1][:]
            self._chunks[-1].append(value)
        self._shared = False
        self._size += 1

    def plus(self, *values: V) -> Trail[V]:
        other = self.copy()
        for one in values:
            other.push(one)
        return other

    def where(self, index: int, value: V) -> Trail[V]:
        """The same with another value at one place."""
        other = self.copy()
        chunk = other._chunks[index // CHUNK][:]
        chunk[index % CHUNK] = value
        other._chunks[index // CHUNK] = chunk
        return other


def _same(one: object, other: object) -> bool:
    return one == other


class Map(Mapping[K, V], Generic[K, V]):
    """A dict by layers, the largest first; a later layer wins. Iterated in the order of its keys, or of `order`.

    `push` moves this one; `copy` is another one that moves by itself. Every layer but the newest is more than twice as
    long as the next: a look-up asks few, and a value is copied few times.
    """

    __slots__ = ("_keys", "_layers", "_order", "_owned", "_size")

    def __init__(self, values: Mapping[K, V] | None = None, order: Any = None) -> None:
        self._layers: list[dict[K, V]] = [dict(values)] if values else []
        self._owned = bool(values)  # whether the newest layer is this one's alone
        self._order = order  # of a value; None: by key
        self._size = len(values) if values else 0
        self._keys: list[K] | None = None

    def __getitem__(self, key: K) -> V:
        for layer in reversed(self._layers):
            if key in layer:
                return layer[key]
        raise KeyError(key)

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V | T) -> V | T: ...
    def get(self, key: K, default: Any = None) -> Any:
        for layer in reversed(self._layers):
            if key in layer:
                return layer[key]
        return default

    def __contains__(self, key: object) -> bool:
        for layer in reversed(self._layers):  # noqa: SIM110  (a generator costs more than the look-up)
            if key in layer:
                return True
        return False

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        if self._keys is None:
            flat: dict[K, V] = {}
            for layer in self._layers:
                flat |= layer
            order = self._order
            self._keys = sorted(flat) if order is None else sorted(flat, key=lambda key: order(flat[key]))  # type: ignore[type-var]
        return iter(self._keys)

    def copy(self) -> Map[K, V]:
        other: Map[K, V] = Map(order=self._order)
        other._layers, other._size, other._keys = self._layers[:], self._size, self._keys
        self._owned = False
        return other

    def push(self, key: K, value: V) -> None:
        if not self._owned:
            layers = self._layers
            while len(layers) > 1 and len(layers[-2]) <= 2 * len(layers[-1]):
                newest = layers.pop()
                layers[-1] = {**layers[-1], **newest}
            layers.append({})
            self._owned = True
        if key not in self:
            self._size += 1
        self._layers[-1][key] = value
        self._keys = None

    def plus(self, changes: Mapping[K, V]) -> Map[K, V]:
        other = self.copy()
        for key, value in changes.items():
            other.push(key, value)
        return other


class Listed(Sequence[V]):
    """A sequence that is made when somebody asks for it. trails: what it is made of, where it is made of those."""

    __slots__ = ("_listed", "_make", "trails")

    def __init__(self, make: Callable[[], Iterable[V]], trails: Mapping[Any, Trail[V]] | None = None) -> None:
        self._make, self.trails = make, trails
        self._listed: tuple[V, ...] | None = None

    def _all(self) -> tuple[V, ...]:
        if self._listed is None:
            self._listed = tuple(self._make())
        return self._listed

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[V]: ...
    def __getitem__(self, index: int | slice) -> V | Sequence[V]:
        return self._all()[index]

    def __iter__(self) -> Iterator[V]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(other) == len(self) and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment]


class Sorted(Generic[K, V]):
    """Trails by key: what each ledger adds goes to the end of its own, and all are read in the order of the keys."""

    __slots__ = ("_trails",)

    def __init__(self, trails: Mapping[K, Trail[V]] | None = None) -> None:
        self._trails: Mapping[K, Trail[V]] = trails or {}

    def size(self, key: K) -> int:
        return len(self._trails.get(key, ()))

    def at(self, key: K, index: int) -> V:
        return self._trails[key][index]

    def plus(self, key: K, value: V) -> Sorted[K, V]:
        return Sorted({**self._trails, key: self._trails.get(key, Trail()).plus(value)})

    def where(self, key: K, index: int, value: V) -> Sorted[K, V]:
        return Sorted({**self._trails, key: self._trails[key].where(index, value)})

    def values(self) -> Listed[V]:
        return Listed(lambda: (one for key in sorted(self._trails) for one in self._trails[key]), self._trails)  # type: ignore[type-var]


# ---- two versions of one thing -------------------------------------------------------------------------------------


def unlike(old: Mapping[K, V], new: Mapping[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    """What two maps hold unlike, by key; of two versions of one `Map` only the layers that they do not share are read."""
    if old is new:
        return
    if isinstance(old, Map) and isinstance(new, Map):
        shared = {id(one) for one in old._layers} & {id(one) for one in new._layers}
        keys = {key for side in (old, new) for layer in side._layers if id(layer) not in shared for key in layer}
    else:
        keys = {*old.keys(), *new.keys()}
    for key in keys:
        one, other = old.get(key), new.get(key)
        if one is not other and one != other:
            yield key, one, other


def unlike_in(old: Sequence[V], new: Sequence[V], name: Callable[[V], object]) -> Iterator[tuple[V | None, V | None]]:
    """The same of two sequences whose values have names; of two versions of one `Listed` only what they do not share."""
    if old is new:
        return
    if isinstance(old, Listed) and isinstance(new, Listed) and old.trails is not None and new.trails is not None:
        before, after = old.trails, new.trails
        for key in before.keys() | after.keys():
            yield from _unlike_trails(before.get(key, Trail()), after.get(key, Trail()))
        return
    start, least = 0, min(len(old), len(new))
    while start < least and old[start] is new[start]:
        start += 1
    end = 0
    while end < least - start and old[-1 - end] is new[-1 - end]:
        end += 1
    one, other = ({name(each): each for each in side[start : len(side) - end]} for side in (old, new))
    yield from ((was, now) for _, was, now in unlike(one, other))


def _unlike_trails(old: Trail[V], new: Trail[V]) -> Iterator[tuple[V | None, V | None]]:
    for n in range(max(len(old._chunks), len(new._chunks))):
        some, others = (side._chunks[n] if n < len(side._chunks) else [] for side in (old, new))
        if some is not others:
            for one, other in itertools.zip_longest(some, others):
                if one is not other and one != other:
                    yield one, other
