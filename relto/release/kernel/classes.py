"""The classes of items and of recipients: what rules can tell of one, as numbers of views."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from msgspec import UnsetType
from numpy.typing import NDArray

from relto.acts import ItemState, LicenceState, RecipientClass, RegisterItem
from relto.charter import Charter
from relto.release.facts import Someone, Thing, is_gone
from relto.release.kernel.shape import PLACE, PURPOSE, THINGS, Asking, Numbers
from relto.release.search import place_of
from relto.release.world import World


def smallest(numbers: NDArray[np.integer], count: int) -> NDArray[np.integer]:
    """The same in the smallest unsigned type that holds so many."""
    return numbers.astype(np.min_scalar_type(max(count - 1, 0)), copy=False)


class Split:
    """The classes of a catalogue under some facts of items.

    subs: class of the catalogue -> class under these facts; firsts: a class of the catalogue for each of these.
    """

    def __init__(self, names: tuple[str, ...], subs: NDArray[np.integer], firsts: Numbers) -> None:
        self.names, self.subs, self.firsts = names, subs, firsts
        self._known: dict[bytes, int] = {}  # facts of a class under these -> its number

    def widened(self, columns: Mapping[str, NDArray[np.integer]]) -> Split:
        """For classes that were added to the catalogue, behind all others."""
        made = Split(self.names, self.subs, self.firsts)
        made._known = self._known or dict(zip(self._rows(columns, self.firsts), range(len(self.firsts)), strict=True))
        more = np.arange(len(self.subs), len(next(iter(columns.values()))), dtype=np.int32)
        subs: list[int] = []
        firsts: list[int] = []
        for number, row in zip(more.tolist(), self._rows(columns, more), strict=True):
            sub = made._known.get(row)
            if sub is None:
                if not firsts:
                    made._known = dict(made._known)
                sub = made._known[row] = len(self.firsts) + len(firsts)
                firsts.append(number)
            subs.append(sub)
        made.subs = smallest(np.append(self.subs, np.array(subs, dtype=np.int32)), len(self.firsts) + len(firsts))
        made.firsts = np.append(self.firsts, np.array(firsts, dtype=np.int32)) if firsts else self.firsts
        return made

    def _rows(self, columns: Mapping[str, NDArray[np.integer]], of: Numbers) -> Iterator[bytes]:
        rows = np.empty((len(of), len(self.names)), dtype=np.int32)
        for n, name in enumerate(self.names):
            rows[:, n] = columns[name][of]
        text, width = rows.tobytes(), 4 * len(self.names)
        return (text[at * width : (at + 1) * width] for at in range(len(of)))


class Classes:
    """Item classes as columns: for each fact that something reads, the number of its view."""

    def __init__(self, names: tuple[str, ...]) -> None:
        groups = _grouped(names)
        self.names = tuple(name for held, _ in groups for name in held)
        self._groups, self._plain = groups, frozenset(groups[0][0]) if groups else frozenset()
        self._alike: dict[Any, list[int]] = {}
        self.views: dict[str, dict[Any, int]] = {name: {} for name in names}
        self.known: dict[bytes, int] = {}
        self.items: list[ItemState] = []  # one of each
        self.columns: dict[str, NDArray[np.integer]] = {name: np.zeros(0, np.uint8) for name in names}
        self._rows: list[list[int]] = []  # since the columns were made

    def __len__(self) -> int:
        return len(self.items)

    def of(self, thing: Thing, item: ItemState, purpose: str) -> int:
        """The class of an item, a new one if no item was like it."""
        stated = alike(thing.world, item)
        row: list[int] = []
        for names, named in self._groups:
            # What no act names has the same facts as all that are stated alike.
            key = (
                None
                if stated is None or named(thing.world, item)
                else (names[:1], stated if names[0] in self._plain else ())
            )
            part = self._alike.get(key) if key is not None else None
            if part is None:
                part = [self._number(thing, name, purpose) for name in names]
                if key is not None:
                    self._alike[key] = part
            row += part
        packed = hashlib.blake2b(np.array(row, dtype=np.int32).tobytes(), digest_size=16).digest()
        if packed not in self.known:
            self.known[packed] = len(self.items)
            self.items.append(item)
            self._rows.append(row)
        return self.known[packed]

    def _number(self, thing: Thing, name: str, purpose: str) -> int:
        view = purpose if name == PURPOSE else view_of(thing, name)
        numbers = self.views[name]
        return numbers.setdefault(view, len(numbers))

    def close(self) -> None:
        """Columns from rows; again after classes were added."""
        if self._rows:
            more = np.array(self._rows, dtype=np.int32)
            self.columns = {
                name: np.concatenate((self.columns[name], smallest(more[:, n], len(self.views[name]))))
                for n, name in enumerate(self.names)
            }
            self._rows = []

    def reorder(self, order: Sequence[int]) -> None:
        """order: for each new number the old one."""
        new = {old: number for number, old in enumerate(order)}
        self.items = [self.items[old] for old in order]
        self.known = {key: new[old] for key, old in self.known.items()}
        self.columns = {name: column[np.array(order, dtype=np.int32)] for name, column in self.columns.items()}

    def split(self, names: tuple[str, ...]) -> Split:
        """Classes under these facts only."""
        key, top = np.zeros(len(self), dtype=np.int64), 1
        for name in names:
            size = max(len(self.views[name]), 1)
            if top > 2**62 // size:
                found, key = np.unique(key, return_inverse=True)
                top = len(found)
            key, top = key.reshape(-1) * size + self.columns[name].astype(np.int64), top * size
        _, firsts, subs = np.unique(key, return_index=True, return_inverse=True)
        return Split(names, smallest(subs.reshape(-1), len(firsts)), firsts.astype(np.int32))

    def fork(self) -> Classes:
        made = Classes(self.names)
        made.views = {name: dict(numbers) for name, numbers in self.views.items()}
        made.known, made.items, made.columns = dict(self.known), list(self.items), self.columns
        made._alike = dict(self._alike)
        return made


# Of two items that agree in all but these no fact of `Thing` differs, as long as no act names one of them.
_IDENTITY: Final = frozenset(
    {"v", "author", "log", "at", "readers", "partnership", "under", "item", "version", "opaque", "title", "label"}
)
_STATED: Final = tuple(name for name in RegisterItem.__struct_fields__ if name not in _IDENTITY)


def alike(world: World, item: ItemState) -> Any:
    """What is stated of an item; None where more than that and the acts that name it makes up its facts."""
    facts = item.facts
    if world.disputes or item.retired or facts.derived:
        return None
    stated = [getattr(facts, name) for name in _STATED]
    return (item.party, item.label, *(tuple(sorted(one.items())) if isinstance(one, dict) else one for one in stated))


Named = Callable[[World, ItemState], bool]
_NAMED: Final[tuple[tuple[tuple[str, ...], Named], ...]] = (
    (("item.judged/", "item.approved"), lambda world, item: bool(world.determinations(item.id, item.version))),
    (("item.licences/", "item.draws"), lambda world, item: bool(world.licences(item.id))),
    (("item.recalled",), lambda world, item: bool(world.recalls(item.id, item.version))),
    (("item.registered",), lambda world, item: True),
    (("item.listed",), lambda world, item: item.facts.background is True and world.lists(item.id)),  # by name
)


def _grouped(names: Iterable[str]) -> list[tuple[tuple[str, ...], Named]]:
    """Facts by the acts that make them: first those that are stated."""
    by_act = tuple(start for starts, _ in _NAMED for start in starts)
    groups: list[tuple[tuple[str, ...], Named]] = [
        (tuple(name for name in names if not name.startswith(by_act)), lambda world, item: False)
    ]
    groups += [(tuple(name for name in names if name.startswith(starts)), named) for starts, named in _NAMED]
    return [(held, named) for held, named in groups if held]


def view_of(thing: Thing, name: str) -> Any:
    """What rules can tell of a fact of an item: not on which act it rests, but whether the key of that is disputed."""
    fact = thing.fact(name)
    value: Any = None if isinstance(fact.value, UnsetType) else (fact.value,)
    if name.startswith("item.licences/"):
        law, authority = name.removeprefix("item.licences/").split("/")
        value = tuple(_terms(thing, one) for one in licences_of(thing, law, authority))
    elif name == "item.draws":
        named = sorted(one.act for one in thing.world.licences(thing.id))
        value = tuple(sorted((named.index(act), organisation) for act, organisation in thing.draws()))
    elif name == "item.parts" and thing.parts:
        value = tuple((one.act, one.id, one.version, one.facts.owners) for one in thing.parts)
    under = not isinstance(fact.rests_on, UnsetType) and thing.world.disputed(fact.rests_on)
    return (value, fact.says, fact.by, fact.until, fact.why, under)


def licences_of(thing: Thing, law: str, authority: str) -> tuple[LicenceState, ...]:
    return tuple(sorted(thing.licences(law, authority), key=lambda one: one.act))


def _terms(thing: Thing, one: LicenceState) -> Any:
    """What a licence says, apart from the items it names and the act that grants it."""
    terms, world = one.terms, thing.world
    drawn = tuple(sorted(who for act, who in thing.draws() if act == one.act))
    stopped = bool(one.revoked) or is_gone(world, one.party, thing.day)
    what = (one.party, terms.holder, terms.recipients, terms.term, terms.quantity, terms.value, terms.provisos)
    return (what, one.used, one.spent, drawn, terms.licence, stopped, world.disputed(one.act))


class Recipients:
    """Recipient classes: what rules can tell of a recipient, and where it reads."""

    def __init__(self, world: World, charter: Charter, asking: Asking, date: str, names: tuple[str, ...]) -> None:
        self.world, self.charter, self.asking, self.date, self.names = world, charter, asking, date, names
        # Several may ask at once. A number is given away by `setdefault` after all that belongs to it is written; one
        # that another was faster with is a hole.
        self._count = itertools.count()
        self.known: dict[tuple[Any, ...], int] = {}
        self.firsts: dict[int, RecipientClass] = {}
        self.places: dict[int, str] = {}
        self._views: dict[int, dict[str, Any]] = {}
        self._subs: dict[tuple[Any, ...], int] = {}
        self._by_id: dict[int, tuple[RecipientClass, int]] = {}

    def number(self, to: RecipientClass) -> int:
        """The class of a recipient; asked again with the same object it is found by that."""
        held = self._by_id.get(id(to))
        if held is not None and held[0] is to:
            return held[1]
        place = self.asking.place or place_of(self.charter, to.party)
        views = self._view(to, place)
        key = tuple(views.values())
        number = self.known.get(key)
        if number is None:
            mine = next(self._count)
            self.firsts[mine], self.places[mine], self._views[mine] = to, place, views
            number = self.known.setdefault(key, mine)
        if len(self._by_id) >= THINGS:
            self._by_id.clear()
        self._by_id[id(to)] = (to, number)
        return number

    def fork(self, world: World) -> Recipients:
        """The same in a register in which something of a party is another: who is told apart by it gets a new number."""
        made = object.__new__(Recipients)
        made.__dict__.update(self.__dict__)
        made.world, made._by_id = world, {}
        return made

    def _view(self, to: RecipientClass, place: str) -> dict[str, Any]:
        someone = Someone(self.world, self.charter, to, self.date)
        found: dict[str, Any] = {}
        for name in self.names:
            if name == PLACE:
                found[name] = place
            elif name.startswith(("recipient.", "place.")):
                fact = someone.fact(name)
                value: Any = None if isinstance(fact.value, UnsetType) else (fact.value,)
                found[name] = (value, fact.says, fact.by, fact.until, fact.why, fact.rests_on)
        return found

    def sub(self, names: tuple[str, ...], number: int) -> int:
        """The class under a rule that reads these facts of recipients."""
        views = self._views[number]
        key = (names, *(views.get(name) for name in names))
        known = self._subs.get(key)
        return self._subs.setdefault(key, next(self._count)) if known is None else known
