"""Rules over classes of items and of recipients: what each found for each pair, and several taken together.

A `Factor` is one rule, a `Joint` several: the tests of a law, a law, all that is no law, and what ends in an answer.
Each has classes of its own, by the facts that it reads and no others, so that the many classes of a catalogue are few
nearly everywhere. A row is what one of them found for one recipient class. A row that was found again and is the same
stays the same object, and so a change goes no further up than it changes anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from relto.law import Three
from relto.law.condition import AllOf, AnyOf, ClearOf, Not, See, Test
from relto.release.decide import run_denied, run_rule
from relto.release.facts import Case
from relto.release.kernel.classes import Split, licences_of
from relto.release.kernel.shape import NOT_YET, RANK, Bytes, Numbers, of_item
from relto.release.rules import SUSPENSIONS, Rule, Stop, recalls, retired, suspensions
from relto.release.world import Reading


class Cell(NamedTuple):
    """What one rule found for one pair of classes, and what it read of the register to find it."""

    value: int
    readings: tuple[Reading, ...]
    found: Any = None


Run = Callable[[Case], tuple[int, Any]]
Key = tuple[int, int, int]  # item class and recipient class under a rule, whose law reaches


class Factor:
    """One rule over item classes and recipient classes, each by the facts that the rule reads.

    rows: class of recipient -> what the rule found, by item class under it.
    """

    def __init__(self, id_: str, sides: Iterable[str], run: Run, usual: bool) -> None:  # noqa: FBT001
        sides = tuple(dict.fromkeys(sides))
        self.id, self.run = id_, run
        self.of_item = tuple(one for one in sides if of_item(one, usual=usual))
        self.of_rest = tuple(one for one in sides if not of_item(one, usual=usual))
        self.cells: dict[Key, Cell] = {}
        self.rows: dict[int, Bytes] = {}
        self.open: dict[int, Bytes | None] = {}  # rows with something still to be found, and what they were before
        self.stamp = object()  # another one after cells were forgotten
        self.shared = False  # with the kernel of another register, until one of them writes
        self.people: dict[int, int] = {}  # class of each recipient under this rule
        self.split = Split((), np.zeros(0, np.int32), np.zeros(0, np.int32))

    @property
    def subs(self) -> NDArray[np.integer]:
        return self.split.subs

    @property
    def firsts(self) -> Numbers:
        return self.split.firsts

    def over(self, split: Split) -> None:
        """The same rule over the classes of a later catalogue."""
        more = len(split.firsts) - len(self.split.firsts)
        self.split = split
        if more and self.rows:
            self.own()
            fill = np.full(more, NOT_YET, dtype=np.int8)
            self.rows = {key: np.concatenate((row, fill)) for key, row in self.rows.items()}
            self.open = dict.fromkeys(self.rows)
            self.stamp = object()

    def fork(self) -> Factor:
        """The same for another register: what both hold is copied when one of them writes."""
        made = object.__new__(Factor)
        made.__dict__.update(self.__dict__)
        made.shared = self.shared = True
        return made

    def own(self) -> None:
        if self.shared:
            self.cells, self.rows, self.open = self.cells.copy(), self.rows.copy(), self.open.copy()
            self.shared = False

    def forget(self, keys: Iterable[Key]) -> bool:
        """Whether anything was forgotten."""
        stale: dict[int, list[int]] = {}
        for key in keys:
            if key in self.cells:
                self.own()
                del self.cells[key]
                stale.setdefault(key[1], []).append(key[0])
        for sub in stale.keys() & self.rows.keys():
            self.open.setdefault(sub, self.rows[sub])
            row = self.rows[sub] = self.rows[sub].copy()
            row[stale[sub]] = NOT_YET
        if stale:
            self.stamp = object()
        return bool(stale)

    def close(self, sub: int, row: Bytes) -> Bytes:
        """A row whose cells are found: the one before, where they are what they were."""
        before = self.open.pop(sub, None)
        kept = before if before is not None and np.array_equal(before, row) else row
        self.rows[sub] = kept
        return kept


class Joint:
    """Rules taken together. kind: `all` and `any` of the parts, `not` the one, `law` (reach, general, grounds), `used`
    (laws, then rules that ask whose law reaches); a row of a law has 4 added where it reaches or may.

    rows: class of recipient -> the row, and the rows of the parts that it was made of.
    """

    def __init__(self, id_: str, kind: str, parts: Sequence[Factor | Joint]) -> None:
        self.id, self.kind, self.parts = id_, kind, tuple(parts)
        self.of_item: tuple[str, ...] = tuple(sorted({name for one in parts for name in one.of_item}))
        self.of_rest: tuple[str, ...] = tuple(sorted({name for one in parts for name in one.of_rest}))
        self.rows: dict[int, tuple[Bytes, tuple[object, ...]]] = {}
        self.suspect: set[int] = set()  # rows of which a part may be another by now
        self.shared = False
        self.people: dict[int, int] = {}
        self.split = Split((), np.zeros(0, np.int32), np.zeros(0, np.int32))
        self._at: tuple[NDArray[np.intp], ...] = ()

    @property
    def subs(self) -> NDArray[np.integer]:
        return self.split.subs

    @property
    def firsts(self) -> Numbers:
        return self.split.firsts

    @property
    def at(self) -> tuple[NDArray[np.intp], ...]:
        """For each part the classes under it of the classes under these."""
        if not self._at:
            self._at = tuple(one.subs[self.firsts].astype(np.intp) for one in self.parts)
        return self._at

    def over(self, split: Split) -> None:
        if len(split.firsts) != len(self.split.firsts):
            self._at = ()
            self.doubt()
        self.split = split

    def doubt(self) -> None:
        self.own()
        self.suspect = set(self.rows)

    def fork(self, known: Mapping[str, Factor | Joint]) -> Joint:
        made = object.__new__(Joint)
        made.__dict__.update(self.__dict__)
        made.parts = tuple(known[one.id] for one in self.parts)
        made.shared = self.shared = True
        return made

    def own(self) -> None:
        if self.shared:
            self.rows, self.suspect, self.shared = self.rows.copy(), set(self.suspect), False

    def keep(self, sub: int, row: Bytes, inputs: tuple[object, ...]) -> Bytes:
        before = self.rows.get(sub)
        if before is not None and np.array_equal(before[0], row):
            row = before[0]
        self.own()
        self.rows[sub] = (row, inputs)
        self.suspect.discard(sub)
        return row

    def combined(self, rows: Sequence[Bytes]) -> Bytes:
        """A row from those of the parts."""
        if not rows:
            return np.full(len(self.firsts), 2 if self.kind == "all" else 0, dtype=np.int8)
        parts = [row[at] for row, at in zip(rows, self.at, strict=True)]
        if self.kind == "not":
            parts[0] = np.subtract(2, parts[0])
        if self.kind == "law":
            reach, general, grounds = parts
            value = np.where(reach == 0, 2, np.where(reach == 1, 1, np.minimum(general, grounds)))
            encoded: Bytes = (value + 4 * (reach != 0)).astype(np.int8)
            return encoded
        combine = np.minimum if self.kind == "all" else np.maximum
        found: Bytes = parts[0]
        for one in parts[1:]:
            combine(found, one, out=found)
        return found


def compiled(test: Test, leaf: Callable[[Test], Factor], made: Callable[[str, list[Any]], Joint]) -> Factor | Joint:
    """A test of a law as a tree, its leaves asked as rules of their own."""
    if isinstance(test, AllOf | AnyOf):
        parts = [compiled(part, leaf, made) for part in test.parts]
        return parts[0] if len(parts) == 1 else made("all" if isinstance(test, AllOf) else "any", parts)
    if isinstance(test, Not):
        return made("not", [compiled(test.part, leaf, made)])
    return compiled(test.whole, leaf, made) if isinstance(test, ClearOf) else leaf(test)


# ---- how a rule runs in a cell --------------------------------------------------------------------------------------


# The parts of `denied` that ask for less than the whole: an answer over columns is the least of them.
STOPS: Final[tuple[tuple[tuple[str, ...], Callable[[Case], Iterable[Stop]]], ...]] = (
    (SUSPENSIONS, suspensions),
    (("item.recalled", "item.owner", "recipient.party"), recalls),
    (("item.retired", "item.owner"), retired),
)
WITH_USED: Final = frozenset({"denied", "ledgers", "fresh"})  # these ask whose law reaches


def by_rule(rule: Rule) -> Run:
    """The value only: the words are found when they are asked for."""

    def run(case: Case) -> tuple[int, None]:
        return RANK[run_rule(case, rule).finding.value], None

    return run


def by_denied(case: Case) -> tuple[int, None]:
    """Without disputed keys: where there are any, every pair is judged by itself."""
    return RANK[run_denied(case, ()).finding.value], None


def by_stops(stops: Callable[[Case], Iterable[Stop]]) -> Run:
    def run(case: Case) -> tuple[int, None]:
        return (RANK[Three.NO] if any(True for _ in stops(case)) else RANK[Three.YES]), None

    return run


def by_absent(case: Case) -> tuple[int, None]:
    """Of a law without a text: unknown, and it may reach."""
    return RANK[Three.UNKNOWN] + 4, None


def by_nothing(case: Case) -> tuple[int, None]:
    raise AssertionError("a whole law is asked leaf by leaf")


def by_test(law: str, test: Test) -> Callable[[Case], tuple[int, Any]]:
    def run(case: Case) -> tuple[int, None]:
        return RANK[See(lambda name: case.fact(name, law)).value(test)], None

    return run


def by_licence(law: str, name: str) -> Run:
    """The number of what a law hears about licences, the one that counts, and whether that settles it."""
    views: dict[Any, int] = {}
    count = itertools.count()

    def run(case: Case) -> tuple[int, Any]:
        fact = case.fact(name, law)
        held = [one.act for one in licences_of(case.thing, law, name.removeprefix("licensed."))]
        n = held.index(fact.rests_on) if fact.rests_on in held else -1
        view = (str(fact.value), fact.says, fact.by, fact.until, fact.why)
        return views.setdefault(view, next(count)), (fact, n, fact.value is not UNSET)

    return run
