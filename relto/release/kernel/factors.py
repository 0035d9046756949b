"""One rule over classes of items and of recipients: what it found for each pair, and how it runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import UNSET

from relto.law import Three
from relto.law.condition import See, Test
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
        self.open: set[int] = set()  # rows with something still to be found
        self.shared = False  # with the kernel of another register, until one of them writes
        self.people: dict[int, int] = {}  # class of each recipient under this rule
        self.split = Split((), np.zeros(0, np.int32), np.zeros(0, np.int32))

    @property
    def subs(self) -> Numbers:
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
            self.open = set(self.rows)

    def fork(self) -> Factor:
        """The same for another register: what both hold is copied when one of them writes."""
        made = object.__new__(Factor)
        made.__dict__.update(self.__dict__)
        made.shared = self.shared = True
        return made

    def own(self) -> None:
        if self.shared:
            self.cells, self.rows, self.open, self.shared = self.cells.copy(), self.rows.copy(), set(self.open), False

    def forget(self, keys: Iterable[Key]) -> None:
        self.own()
        for key in keys:
            if self.cells.pop(key, None) is not None and key[1] in self.rows:
                row = self.rows[key[1]] = self.rows[key[1]].copy()
                row[key[0]] = NOT_YET
                self.open.add(key[1])


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
