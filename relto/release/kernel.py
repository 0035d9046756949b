"""Decisions by class, for whole catalogues at once: behind check, bulk, who, what, impact and as-of.

Every rule declares the facts it reads. For one rule, items that agree in exactly those facts are one class, and so are
recipients; the rule runs once for each pair of such classes, and what it found is kept (`Cell`). All else is gathering:
an item class is the tuple of its classes under every rule, an answer the least of what the rules found. A law is asked
leaf by leaf in the same way, and its tests put together over whole columns.

* One truth: a cell runs the very rule that `judge` runs, on one item and one recipient of the class.
* A cell remembers what it read of the register (`World`). `after(register)` keeps every cell whose readings are as they
  were, and so one act touches only the classes that it concerns.
* Items have dense numbers in label order: those of one class lie side by side. Their names stand apart, in order, with
  one permutation each way.

Arrays: `int8` answers (0 deny, 1 undetermined, 2 permit), `int32` classes and numbers.

Source: contracts of the design, sections 4, 11, 12; facts of the design on attainable limits; spec/decision.md,
"Classes".
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from relto.acts import ItemState, LicenceState, RecipientClass, Register, RegisterItem
from relto.charter import Charter
from relto.errors import NotFound
from relto.law import Fact, Finding, Need, Three, outline
from relto.law.condition import AllOf, AnyOf, ClearOf, Not, See, Test
from relto.release.catalogue import Part, Rows, name_of
from relto.release.decide import OfLaw, conclude, ends_of, judge, of_law, run_denied, run_rule, terms_of
from relto.release.facts import (
    ITEM_SIDE,
    Case,
    Someone,
    Thing,
    charter_of,
    gone_from,
    is_gone,
    law_reads,
    made_of,
    text_on,
)
from relto.release.limits import limited_by, rules_of
from relto.release.question import (
    Answer,
    Decision,
    Method,
    Question,
    date_of,
    day_before,
    fact_row,
    id_text,
    is_conjunct,
)
from relto.release.rules import (
    BEFORE_LAW,
    DENIED,
    FRESH,
    LEDGERS,
    OWNER,
    SUSPENSIONS,
    Rule,
    Stop,
    ledgers,
    recalls,
    retired,
    suspensions,
)
from relto.release.search import place_of, usual, usual_purpose
from relto.release.world import Reading, World, world_of

Bytes = NDArray[np.int8]
Numbers = NDArray[np.int32]
ANSWERS: Final[tuple[Answer, ...]] = ("deny", "undetermined", "permit")
RANK: Final = {Three.NO: 0, Three.UNKNOWN: 1, Three.YES: 2}
NOT_YET: Final = 127  # a cell nobody has asked for
PERMIT: Final = 2
THINGS: Final = 1024  # items whose facts are kept at hand
DECIDED: Final = 4096  # explained decisions that are kept whole
PINNED: Final = 256  # classes that hold on to earlier registers, before all is computed anew
PLACE, PURPOSE = "place.access", "transfer.purpose"


class Asking(NamedTuple):
    """How a question is put for many pairs. Empty: the project's first purpose, the recipient party's own place."""

    purpose: str = ""
    place: str = ""
    method: Method = "key"


class Cell(NamedTuple):
    """What one rule found for one pair of classes, and what it read of the register to find it."""

    value: int
    readings: tuple[Reading, ...]
    found: Any = None


Run = Callable[[Case], tuple[int, Any]]
Key = tuple[int, int, int]  # item class and recipient class under a rule, whose law reaches


class Split:
    """The classes of a catalogue under some facts of items.

    subs: class of the catalogue -> class under these facts; firsts: a class of the catalogue for each of these.
    """

    def __init__(self, names: tuple[str, ...], subs: Numbers, firsts: Numbers) -> None:
        self.names, self.subs, self.firsts = names, subs, firsts

    def widened(self, columns: Mapping[str, Numbers]) -> Split:
        """For one class that was added to the catalogue, the last."""
        same = np.ones(len(self.subs), dtype=bool)
        for name in self.names:
            column = columns[name]
            same &= column[: len(same)] == column[-1]
        at = int(np.argmax(same)) if len(same) else 0
        if len(same) and same[at]:
            return Split(self.names, np.append(self.subs, self.subs[at]), self.firsts)
        subs = np.append(self.subs, np.int32(len(self.firsts)))
        return Split(self.names, subs, np.append(self.firsts, np.int32(len(self.subs))))


class Factor:
    """One rule over item classes and recipient classes, each by the facts that the rule reads.

    rows: class of recipient -> what the rule found, by item class under it.
    """

    def __init__(self, id_: str, sides: Iterable[str], run: Run, usual: bool) -> None:  # noqa: FBT001
        sides = tuple(dict.fromkeys(sides))
        self.id, self.run = id_, run
        self.of_item = tuple(one for one in sides if _of_item(one, usual=usual))
        self.of_rest = tuple(one for one in sides if not _of_item(one, usual=usual))
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


def _of_item(name: str, *, usual: bool) -> bool:
    return name.startswith(ITEM_SIDE) or (usual and name == PURPOSE)


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
        self.columns: dict[str, Numbers] = {name: np.zeros(0, np.int32) for name in names}
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
            self.columns = {name: np.concatenate((self.columns[name], more[:, n])) for n, name in enumerate(self.names)}
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
            key, top = key.reshape(-1) * size + self.columns[name], top * size
        _, firsts, subs = np.unique(key, return_index=True, return_inverse=True)
        return Split(names, subs.astype(np.int32).reshape(-1), firsts.astype(np.int32))

    def fork(self) -> Classes:
        made = Classes(self.names)
        made.views = {name: dict(numbers) for name, numbers in self.views.items()}
        made.known, made.items, made.columns = dict(self.known), list(self.items), self.columns
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


class Law(NamedTuple):
    """One jurisdiction in a kernel: its text's tests put together from leaves, or None where no text is held."""

    id: str
    tree: tuple[Any, Any, Any] | None  # reach, general, any of the grounds
    whole: Factor
    licensed: tuple[tuple[str, Factor], ...]
    names: tuple[str, ...]  # facts of recipients that it reads


class Known(NamedTuple):
    """What is kept of a rule for a pair of classes: for other items of the class only the acts are exchanged.

    text: the rows of the decision id, cut where acts of the item stand. slots: by finding, which of its facts are
    which of `facts`. Numbers in `text` and `facts` are places in `tokens`.
    """

    value: int
    findings: tuple[Finding, ...]
    tokens: tuple[Token, ...]  # which acts of the item it rests on
    facts: tuple[tuple[Fact, int], ...]
    slots: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    text: tuple[bytes | int, ...]
    ends: tuple[str, ...]
    named: str  # the item that its words name, if they name one
    law: OfLaw | None = None


# What a law's own answer reads, whatever its text does.
EVERY_LAW: Final = frozenset({"item.owner", "transferor.organisation", "recipient.organisation", "recipient.party"})


class Kernel:
    """Decisions for one register on one day, asked in one way. `after` gives the same for a later register.

    more: further conjuncts, after all others. rows: items that tables register, besides those of the register.
    """

    def __init__(
        self,
        register: Register,
        day: int,
        asking: Asking = Asking(),  # noqa: B008 - it is never changed
        more: Sequence[Rule] = (),
        rows: Rows | None = None,
    ) -> None:
        self.register, self.charter, self.world = register, charter_of(register), world_of(register)
        self.day, self.date, self.asking, self.more, self.table = day, date_of(day), asking, tuple(more), rows
        last = (OWNER, *rules_of(self.charter), *self.more)
        self.rules = {one.id: one for one in (*BEFORE_LAW, FRESH, *last)}
        usual = not asking.purpose
        sides = set(DENIED).union(*(rule.sides for rule in self.rules.values()))
        for one in self.charter.jurisdictions:
            sides |= law_reads(self.world, one.id, self.date) | EVERY_LAW
        reads = tuple(sorted(sides))
        self.classes = Classes(tuple(one for one in reads if _of_item(one, usual=usual)))
        rest = tuple(one for one in reads if not _of_item(one, usual=usual))
        self.recipients = Recipients(self.world, self.charter, asking, self.date, rest)
        self.factors: dict[str, Factor] = {}
        for rule in (*BEFORE_LAW, *last):
            self._factor(rule.id, rule.sides, _by_rule(rule))
        self.shown_plain = tuple(self.factors.values())
        self.plain = self.shown_plain
        self.stopping = tuple(
            self._factor(f"denied {n}", sides, _by_stops(stops)) for n, (sides, stops) in enumerate(STOPS)
        )
        self.plain += self.stopping
        clause = self.charter.suspension.clause
        nothing = Finding(rule="denied", clause=clause, value=Three.YES)
        self._unstopped = _keep_plain(nothing)
        self._factor("denied", DENIED, _by_denied)
        self._factor("ledgers", LEDGERS, _by_stops(ledgers))
        self._factor("fresh", FRESH.sides, _by_rule(FRESH))
        self.laws = tuple(self._law(one) for one in sorted(one.id for one in self.charter.jurisdictions))
        self.pinned: dict[int, Thing] = {}  # classes whose item was of them in an earlier register
        self.behind: dict[Reading, set[tuple[Reading, ...]]] = {}  # the sets of readings that a reading is part of
        self.resting: dict[tuple[Reading, ...], dict[tuple[str, Any], None]] = {}  # the cells that rest on such a set
        self.line = object()  # shared with kernels of later registers that number classes alike
        self._answers: dict[int, Bytes] = {}
        self._open: set[int] = set()  # recipients some of whose answers are to be found again
        self._plain: dict[int, bytes] = {}
        self._decided: dict[tuple[str, int, int], tuple[RecipientClass, Decision]] = {}
        self._laws: dict[tuple[str, int], tuple[int, Bytes, NDArray[np.bool_]]] = {}
        self._laws_open: set[tuple[str, int]] = set()
        self._known: dict[tuple[Any, ...], Known] = {}
        self._things: dict[int, Thing] = {}
        self._load()

    def _factor(self, id_: str, sides: Iterable[str], run: Run) -> Factor:
        return self.factors.setdefault(id_, Factor(id_, sorted(sides), run, not self.asking.purpose))

    # ---- items

    def _load(self) -> None:
        """Classes of all items; then columns, and each rule's own classes."""
        self.singles: dict[bytes, tuple[ItemState, int]] = {}
        for item in _every(self.register, self.register.items):
            self._single(item)
        kinds = [self._class_of(one) for one in (self.table.kinds if self.table else ())]
        self._in_label_order(kinds)
        self.splits = {names: self.classes.split(names) for names in {one.of_item for one in self.factors.values()}}
        for factor in self.factors.values():
            factor.over(self.splits[factor.of_item])
        self.direct = self._marked()
        self.small = self._part()
        self.large = None
        if self.table is not None:
            self.large = Part(self.table.names, np.array(kinds, np.int32)[self.table.like], len(self.classes))
            self.large = self.large.without(list(self.singles))

    def _marked(self) -> NDArray[np.bool_]:
        """Classes of items under orders or with approvals: their decisions name acts of the pair, and are not kept."""
        found = np.zeros(len(self.classes), dtype=bool)
        for name in ("item.recalled", "item.approved"):
            if name in self.classes.views:
                empty = [n for view, n in self.classes.views[name].items() if view[0] == ((),)]
                found |= ~np.isin(self.classes.columns[name], empty)
        return found

    def thing(self, number: int) -> Thing:
        """The facts of one item of a class."""
        if number in self.pinned:
            return self.pinned[number]
        held = self._things.get(number)
        if held is None:
            if len(self._things) >= THINGS:
                self._things.clear()
            held = self._things[number] = self._thing(self.classes.items[number])
        return held

    def _thing(self, item: ItemState) -> Thing:
        return Thing(self.world, self.charter, item, self.date)

    def _class_of(self, item: ItemState) -> int:
        purpose = "" if self.asking.purpose else usual_purpose(self.charter, item.facts.project)
        return self.classes.of(self._thing(item), item, purpose)

    def _single(self, item: ItemState) -> None:
        self.singles[name_of(item.id, item.version)] = (item, self._class_of(item))

    def _in_label_order(self, kinds: list[int]) -> None:
        """Renumbers classes: project, then label, then in the order in which they were found."""
        classes = self.classes
        classes.close()
        columns = []
        for name in ("item.project", "item.levels", "item.releasable", "item.tags"):
            words = {number: repr(view) for view, number in classes.views[name].items()}
            rank = {number: n for n, number in enumerate(sorted(words, key=words.__getitem__))}
            columns.append([rank[int(number)] for number in classes.columns[name]])
        order = sorted(range(len(classes)), key=lambda c: (*(column[c] for column in columns), c))
        new = {old: number for number, old in enumerate(order)}
        classes.reorder(order)
        self.singles = {name: (item, new[old]) for name, (item, old) in self.singles.items()}
        kinds[:] = [new[old] for old in kinds]

    def _part(self) -> Part:
        self.shown = {name: number for name, (item, number) in self.singles.items() if not item.retired}
        names = sorted(self.shown)
        classes = np.array([self.shown[name] for name in names], dtype=np.int32)
        return Part(np.array(names, dtype=np.bytes_) if names else np.zeros(0, "S1"), classes, len(self.classes))

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.small,) if self.large is None else (self.small, self.large)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many items there are of each class."""
        found = self.small.sizes
        return found if self.large is None else found + self.large.sizes

    def class_of(self, item: str, version: int) -> int:
        """Raises: NotFound."""
        name = name_of(item, version)
        if name in self.singles:
            return self.singles[name][1]
        rank = self.large.rank(name) if self.large is not None else -1
        if self.large is None or rank < 0:
            raise NotFound(f"no item `{item}@{version}`", hint="`relto item list` shows the catalogue")
        return int(self.large.class_by_rank[rank])

    # ---- cells

    def case(self, item: int, to: int, used: tuple[str, ...] | None = None, name: str = "") -> Case:
        """One question for a pair of classes, put about one item of the class."""
        thing = self.thing(item)
        question = self._question(item, to, self.recipients.firsts[to], name or thing.id, thing.version)
        return Case(self.register, question, thing=thing, used=used, world=self.world)

    def _question(self, item: int, to: int, asked: RecipientClass, name: str, version: int) -> Question:
        project = self.classes.items[item].facts.project
        return Question(
            to=asked,
            item=name,
            version=version,
            purpose=self.asking.purpose or usual_purpose(self.charter, project),
            place=self.recipients.places[to],
            place_says="party",
            method=self.asking.method,
            day=self.day,
        )

    def cell(self, factor: Factor, item: int, to: int, code: int = 0) -> Cell:
        """What a rule finds for a pair of classes. code: whose law reaches, for the rules that ask it."""
        key = (int(factor.subs[item]), self.sub(factor, to), code)
        known = factor.cells.get(key)
        return known if known is not None else self._run(factor, key, item, to)

    def _run(self, factor: Factor, key: Key, item: int, to: int) -> Cell:
        case = self.case(item, to, self._used(key[2]) if factor.id in WITH_USED else None)
        value, found = factor.run(case)
        factor.own()
        made = factor.cells[key] = Cell(value, self._rests(case, (factor.id, key)), found)
        return made

    def _rests(self, case: Case, cell: tuple[str, Any]) -> tuple[Reading, ...]:
        """Notes on which readings a cell rests."""
        readings = tuple(case.readings)
        if readings not in self.resting:
            self.resting[readings] = {}
            for reading in readings:
                self.behind.setdefault(reading, set()).add(readings)
        self.resting[readings][cell] = None
        return readings

    def _used(self, code: int) -> tuple[str, ...]:
        reached = [law.id for n, law in enumerate(self.laws) if code >> n & 1]
        return tuple(dict.fromkeys(self.charter.jurisdiction(one).adopter for one in reached))

    def _row(self, factor: Factor, to: int) -> Bytes:
        """What a rule finds for a recipient, by item class under it."""
        sub = self.sub(factor, to)
        row = factor.rows.get(sub)
        if row is not None and sub not in factor.open:
            return row
        factor.own()
        # Never filled in place: kernels of other registers may hold the one before.
        row = np.full(len(factor.firsts), NOT_YET, dtype=np.int8) if row is None else row.copy()
        for at in np.flatnonzero(row == NOT_YET):
            key = (int(at), sub, 0)
            known = factor.cells.get(key) or self._run(factor, key, int(factor.firsts[at]), to)
            row[at] = known.value
        factor.rows[sub] = row
        factor.open.discard(sub)
        return row

    # ---- the law, over columns

    def _law(self, id_: str) -> Law:
        adopted = text_on(self.world.read(("adopted", id_)), self.date)
        sides = law_reads(self.world, id_, self.date)
        pack = adopted.pack if adopted is not None else None
        granted = tuple(name for name in (pack.facts if pack else ()) if name.startswith("licensed."))
        licensed = tuple(
            (name, self._factor(f"{id_}/{name}", made_of(name, id_), _by_licence(id_, name))) for name in granted
        )
        plain = {
            side for name in (pack.facts if pack else ()) if name not in granted for side in made_of(name, id_)
        } | EVERY_LAW
        whole = self._factor(f"law.{id_}", plain, _by_nothing)
        tree = None
        if pack is not None:
            says = outline(pack, self.date)
            tree = (
                self._compiled(id_, says.reach),
                self._compiled(id_, says.general),
                self._compiled(id_, AnyOf(parts=says.grounds)),
            )
        return Law(id_, tree, whole, licensed, tuple(sorted(one for one in sides if not one.startswith(ITEM_SIDE))))

    def _compiled(self, law: str, test: Test) -> Any:
        """A tree of ("all" | "any" | "not" | "leaf", parts), its leaves asked as rules of their own."""
        if isinstance(test, AllOf | AnyOf):
            return ("all" if isinstance(test, AllOf) else "any", [self._compiled(law, part) for part in test.parts])
        if isinstance(test, Not):
            return ("not", self._compiled(law, test.part))
        if isinstance(test, ClearOf):
            return self._compiled(law, test.whole)
        sides = {side for name in test.names() for side in made_of(name, law)}
        id_ = f"{law}/{len(self.factors)}"
        return ("leaf", self._factor(id_, sides, _by_test(law, test)))

    def _column(self, tree: Any, to: int, at: NDArray[np.intp] | None) -> Any:
        """Values of a compiled test for item classes: an array, or one number for all."""
        kind, part = tree
        if kind == "leaf":
            row = self._row(part, to)
            if len(row) == 1:
                return int(row[0])
            return row[part.subs if at is None else part.subs[at]]
        if kind == "not":
            return 2 - self._column(part, to, at)
        found: Any = 2 if kind == "all" else 0
        combine = np.minimum if kind == "all" else np.maximum
        for one in part:
            value = self._column(one, to, at)
            found = combine(found, value) if found is not None else value
        return found

    def _of_law(self, law: Law, to: int, at: NDArray[np.intp] | None = None) -> tuple[Any, Any]:
        """(value, whether it reaches or may) of a law, over item classes."""
        if law.tree is None:
            return 1, True
        key = (law.id, self.recipients.sub(law.names, to))
        known = self._laws.get(key)
        if known is None:
            known = self._laws[key] = (to, *self._asked(law, to, None))
        elif key in self._laws_open:
            _, value, reaches = known
            stale = np.flatnonzero(value == NOT_YET)
            value, reaches = value.copy(), reaches.copy()
            value[stale], reaches[stale] = self._asked(law, to, stale)
            known = self._laws[key] = (to, value, reaches)
            self._laws_open.discard(key)
        _, value, reaches = known
        return (value, reaches) if at is None else (value[at], reaches[at])

    def _asked(self, law: Law, to: int, at: NDArray[np.intp] | None) -> tuple[Bytes, NDArray[np.bool_]]:
        """A law's tests over columns."""
        assert law.tree is not None
        reach, general, grounds = (self._column(tree, to, at) for tree in law.tree)
        value = np.where(np.equal(reach, 0), 2, np.where(np.equal(reach, 1), 1, np.minimum(general, grounds)))
        count = len(self.classes) if at is None else len(at)
        return (
            np.broadcast_to(value.astype(np.int8), (count,)).copy(),
            np.broadcast_to(np.not_equal(reach, 0), (count,)).copy(),
        )

    # ---- answers

    def answers(self, to: RecipientClass) -> Bytes:
        """The answer for a recipient, by item class: 0 deny, 1 undetermined, 2 permit."""
        return self._of(self.recipients.number(to))

    def _of(self, to: int) -> Bytes:
        known = self._answers.get(to)
        if known is None:
            known = self._answers[to] = self._combined(to, None)
        elif to in self._open:
            known = self._answers[to] = known.copy()
            open_ = np.flatnonzero(known == NOT_YET)
            known[open_] = self._combined(to, open_)
            self._open.discard(to)
        return known

    def _combined(self, to: int, at: NDArray[np.intp] | None) -> Bytes:
        if self.world.disputes:
            return self._one_by_one(to, at)
        count = len(self.classes) if at is None else len(at)
        found = np.full(count, PERMIT, dtype=np.int8)
        for factor in self.plain:
            row = self._row(factor, to)
            if row.min(initial=PERMIT) < PERMIT:
                np.minimum(found, row[factor.subs if at is None else factor.subs[at]], out=found)
        code = np.zeros(count, dtype=np.int32)
        for n, law in enumerate(self.laws):
            value, reaches = self._of_law(law, to, at)
            np.minimum(found, np.asarray(value, np.int8), out=found)
            code |= np.asarray(reaches, dtype=np.int32) << n
        for name in ("ledgers", "fresh"):
            np.minimum(found, self._with_used(self.factors[name], to, code, at), out=found)
        return found

    def _with_used(self, factor: Factor, to: int, code: Numbers, at: NDArray[np.intp] | None) -> Bytes:
        """A rule that also asks whose law reaches."""
        subs = factor.subs if at is None else factor.subs[at]
        wide = 1 << len(self.laws)
        key = subs * wide + code
        values = np.full(len(factor.firsts) * wide, PERMIT, dtype=np.int8)
        seen = np.zeros(len(values), dtype=bool)
        seen[key] = True
        sub = self.sub(factor, to)
        for one in np.flatnonzero(seen):
            which = (int(one) // wide, sub, int(one) % wide)
            known = factor.cells.get(which) or self._run(factor, which, int(factor.firsts[which[0]]), to)
            values[one] = known.value
        found: Bytes = values[key]
        return found

    def _one_by_one(self, to: int, at: NDArray[np.intp] | None) -> Bytes:
        """Where a key is disputed, what an answer rests on decides, and every pair of classes is judged by itself."""
        wanted = range(len(self.classes)) if at is None else at
        cases = (self.case(int(one), to).question for one in wanted)
        answers = [judge(self.register, one, more=self.more).decision.answer for one in cases]
        return np.array([ANSWERS.index(one) for one in answers], dtype=np.int8)

    # ---- one decision, explained

    def answer(self, question: Question, item: ItemState) -> Decision:
        """The decision, explained, about an item of this kernel's register, as this kernel asks.

        Equal to `judge` of the same question; without what would change it.
        """
        return self.explain(item.id, item.version, question.to)

    def plain_answer(self, item: int, to: int) -> Answer:
        """By numbers: of an item class, and of a recipient as `recipients.number` gives it."""
        held = self._plain.get(to)
        if held is None:
            held = self._plain[to] = self._of(to).tobytes()
        return ANSWERS[held[item]]

    def explain(self, item: str, version: int, to: RecipientClass) -> Decision:
        """The decision about any item, rows of tables included. Raises: NotFound."""
        held = self._decided.get((item, version, id(to)))
        if held is not None and held[0] is to:
            return held[1]
        decision = self._decide(item, version, to)
        if len(self._decided) >= DECIDED:
            self._decided.clear()
        self._decided[item, version, id(to)] = (to, decision)
        return decision

    def _decide(self, item: str, version: int, to: RecipientClass) -> Decision:
        name = name_of(item, version)
        if name in self.singles:
            single, number = self.singles[name]
            first = self.classes.items[number] is single
            thing = self.thing(number) if first and number not in self.pinned else self._thing(single)
            return self._explained(number, self.recipients.number(to), to, thing)
        rank = self.large.rank(name) if self.large is not None else -1
        if self.large is None or self.table is None or rank < 0:
            raise NotFound(f"no item `{item}@{version}`", hint="`relto item list` shows the catalogue")
        number = int(self.large.class_by_rank[rank])
        return self._explained(number, self.recipients.number(to), to, _Row(self.table, rank, item, version))

    def _explained(self, item: int, to: int, asked: RecipientClass, thing: Thing | _Row) -> Decision:
        if self.world.disputes or self.direct[item]:
            return self._judged(asked, to, thing)
        founds = [self._kept(one, item, to, 0) for one in self.shown_plain]
        laws = [self._kept_law(law, item, to) for law in self.laws]
        code = sum(
            (one.law.law.judgement.reached is not Three.NO) << n
            for n, one in enumerate(laws)
            if one.law and one.law.law
        )
        stopped = self._kept_denied(item, to, code)
        seen = self._kept(self.factors["fresh"], item, to, code)
        cut = len(BEFORE_LAW)
        filling = _Filling(self, item, to, thing)
        for one in (*founds[:cut], stopped, seen, *laws, *founds[cut:]):
            filling.add(one)
        return filling.decision(
            self._question(item, to, asked, thing.id, thing.version), [one.law for one in laws if one.law]
        )

    def _judged(self, asked: RecipientClass, to: int, thing: Thing | _Row) -> Decision:
        assert isinstance(thing, Thing), "a row with orders or approvals of its own is held as an item"
        place = self.recipients.places[to]
        item = self.register.item(thing.id, thing.version)
        question = usual(self.register, item, asked, self.day, self.asking.purpose, place, self.asking.method)
        return judge(self.register, question, more=self.more).decision

    def _kept(self, factor: Factor, item: int, to: int, code: int) -> Known:
        key = (factor.id, int(factor.subs[item]), self.sub(factor, to), code)
        known = self._known.get(key)
        if known is None:
            case = self.case(item, to, self._used(code) if factor.id in WITH_USED else None)
            rule = self.rules.get(factor.id)
            found = ((run_denied(case, ()) if rule is None else run_rule(case, rule)).finding,)
            self._rests(case, ("", key))
            known = self._known[key] = _keep(found, tuple(ends_of(found)), case.thing, case.thing.id)
        return known

    def _kept_denied(self, item: int, to: int, code: int) -> Known:
        """Where nothing stops it, there is one finding for all."""
        parts = [self.cell(one, item, to).value for one in self.stopping]
        if min(*parts, self.cell(self.factors["ledgers"], item, to, code).value) == PERMIT:
            return self._unstopped
        return self._kept(self.factors["denied"], item, to, code)

    def _kept_law(self, law: Law, item: int, to: int) -> Known:
        key: tuple[Any, ...] = (law.id, int(law.whole.subs[item]), self.sub(law.whole, to))
        for _, factor in law.licensed:
            cell = self.cell(factor, item, to)
            key = (*key, cell.value if cell.found[2] else (cell.value, int(factor.subs[item])))
        known = self._known.get(key)
        if known is None:
            case = self.case(item, to)
            says = of_law(case, law.id)
            self._rests(case, ("", key))
            known = self._known[key] = _keep(says.findings, says.ends, case.thing, "", says)
        return known

    def sub(self, factor: Factor, to: int) -> int:
        """The class of a recipient under a rule."""
        known = factor.people.get(to)
        if known is None:
            known = factor.people[to] = self.recipients.sub(factor.of_rest, to)
        return known

    def forget(self) -> None:
        """Drops every decision of a pair of classes. What single rules found is kept."""
        self._answers, self._open, self._plain, self._decided = {}, set(), {}, {}

    # ---- lists

    def items(self, to: RecipientClass, answer: Answer = "permit") -> Listed:
        """What a recipient has this answer for."""
        return Listed(self, np.flatnonzero(self.answers(to) == ANSWERS.index(answer)))

    def to(self, item: str, version: int, people: Iterable[RecipientClass]) -> list[Answer]:
        """The answer of each for one item. Raises: NotFound."""
        number = self.class_of(item, version)
        return [ANSWERS[self.answers(one)[number]] for one in people]

    def bulk(self, items: NDArray[np.integer], people: Sequence[RecipientClass], to: NDArray[np.integer]) -> Bytes:
        """Answers for pairs: numbers of items of the large part (of the small one where there is no other), and of
        people."""
        part = self.parts[-1]
        table = np.stack([self.answers(one) for one in people])
        found: Bytes = table.ravel()[to.astype(np.int64) * table.shape[1] + part.class_of[items]]
        return found

    # ---- a later register

    def after(self, register: Register, day: int | None = None) -> Kernel:
        """The kernel of another register. What nothing has changed is kept; this one stays as it is."""
        day = self.day if day is None else day
        world = world_of(register)
        changed = {one for one, held in self.world.held.items() if (new := world.read(one)) is not held and new != held}
        same = register.charter is self.register.charter or register.charter == self.register.charter
        if not same or register.me != self.register.me or date_of(day) != self.date or any(
            one[0] in {"party", "adopted", "disputes"} for one in changed
        ) or len(self.pinned) > PINNED:  # fmt: skip
            return Kernel(register, day, self.asking, self.more, self.table)
        made = self._fork(register, world, day)
        for reading in changed:
            for readings in self.behind.get(reading, ()):
                made._forget(self.resting[readings])
        if day != self.day:
            made._forget([("fresh", key) for key in self.factors["fresh"].cells])
            made._forget([("", key) for key in self._known if key[0] == "fresh"])
        made._touch(_touched(self.register, register), self)
        return made

    def _fork(self, register: Register, world: World, day: int) -> Kernel:
        made = object.__new__(Kernel)
        made.__dict__.update(self.__dict__)
        made.register, made.world, made.day = register, world, day
        made.factors = {name: one.fork() for name, one in self.factors.items()}
        made.plain = tuple(made.factors[one.id] for one in self.plain)
        made.stopping = tuple(made.factors[one.id] for one in self.stopping)
        made.shown_plain = tuple(made.factors[one.id] for one in self.shown_plain)
        made.laws = tuple(
            one._replace(
                tree=made._moved(one.tree) if one.tree else None,
                whole=made.factors[one.whole.id],
                licensed=tuple((name, made.factors[factor.id]) for name, factor in one.licensed),
            )
            for one in self.laws
        )
        made._answers, made._laws = dict(self._answers), dict(self._laws)
        made._open, made._plain, made._decided = set(self._open), {}, {}
        made._laws_open = set(self._laws_open)
        made._known, made.singles, made._things = dict(self._known), dict(self.singles), {}
        return made

    def _moved(self, tree: Any) -> Any:
        """The same tests over this kernel's own leaves."""
        if isinstance(tree, Factor):
            return self.factors[tree.id]
        if isinstance(tree, tuple | list):
            return type(tree)(self._moved(one) for one in tree)
        return tree

    def _forget(self, cells: Iterable[tuple[str, Any]]) -> None:
        """Cells whose reading is another; and every answer that they are part of."""
        stale: dict[tuple[str, int], list[int]] = {}
        for id_, key in cells:
            if not id_:
                self._known.pop(key, None)
                continue
            if key not in self.factors[id_].cells:
                continue  # of a kernel that has gone another way from here
            self._known.pop((id_, *key), None)
            self.factors[id_].forget((key,))
            stale.setdefault((id_, key[1]), []).append(key[0])
        for (id_, sub), items in stale.items():
            factor, hit = self.factors[id_], np.zeros(len(self.factors[id_].firsts), dtype=bool)
            hit[items] = True
            where = hit[factor.subs]
            if "/" in id_:  # a leaf of a law
                law = id_.partition("/")[0]
                for known, (person, value, reaches) in self._laws.items():
                    if known[0] == law and self.sub(factor, person) == sub:
                        self._laws[known] = (person, np.where(where, np.int8(NOT_YET), value), reaches)
                        self._laws_open.add(known)
            for to, row in self._answers.items():
                if self.sub(factor, to) == sub:
                    self._answers[to] = np.where(where, np.int8(NOT_YET), row)
                    self._open.add(to)

    def _touch(self, names: set[str], before: Kernel) -> None:
        """Items of which something else is stated by now, and what is made of them."""
        if not names:
            return
        names |= {item.id for item, _ in self.singles.values() if item.facts.derived}
        gone = [name_of(one.id, one.version) for one in _every(before.register, names)]
        for name in gone:
            self.singles.pop(name, None)
        held = {n: before.thing(n) for n, item in enumerate(self.classes.items) if item.id in names}
        self.pinned = {**held, **self.pinned}
        was = len(self.classes)
        self.classes = self.classes.fork()
        for item in _every(self.register, names):
            count = len(self.classes)
            self._single(item)
            if len(self.classes) > count:
                self.classes.close()
                self.splits = {names: one.widened(self.classes.columns) for names, one in self.splits.items()}
        for factor in self.factors.values():
            factor.over(self.splits[factor.of_item])
        more = len(self.classes) - was
        if more:
            fill, some = np.full(more, NOT_YET, dtype=np.int8), np.zeros(more, dtype=bool)
            self._laws = {
                key: (to, np.concatenate((value, fill)), np.concatenate((reaches, some)))
                for key, (to, value, reaches) in self._laws.items()
            }
            self._laws_open = set(self._laws)
            self._answers = {to: np.concatenate((row, fill)) for to, row in self._answers.items()}
            self._open = set(self._answers)
        self.direct = self._marked()
        self.small = self._part()
        if self.large is not None:
            self.large = (self.large.widened(len(self.classes)) if more else self.large).without(
                [name_of(one.id, one.version) for one in _every(self.register, names)]
            )


class _Row:
    """A row of a table, where an explanation asks an item for its acts."""

    def __init__(self, table: Rows, row: int, item: str, version: int) -> None:
        self.table, self.row, self.id, self.version = table, row, item, version

    def act(self, token: Token) -> str:
        return self.table.own_act(token, self.row) or self.table.registered_by(self.row)


Token = tuple[str, ...]  # which act of an item: ("register",), ("judged", law, authority, condition, n) …
_OF_LABEL: Final = frozenset({"item.levels", "item.releasable", "item.tags", "item.classified"})


def _token(fact: Fact, rule: str, thing: Thing) -> Token | None:
    """Which act of the item a fact rests on; None where it rests on something else."""
    name = fact.name
    if isinstance(fact.rests_on, UnsetType) or ".attested." in name:
        return None
    if name in _OF_LABEL:
        return ("label",)
    if name == "item.retired":
        return ("retired",)
    if name.startswith(ITEM_SIDE) or name == "transfer.value":
        return ("register",)
    law = rule.removeprefix("law.").partition("/")[0]
    if name.startswith("determined."):
        authority, _, condition = name.removeprefix("determined.").rpartition(".")
        acts = [one.act for one in thing.judged(law, authority, condition)]
        return ("judged", law, authority, condition, str(acts.index(fact.rests_on)))
    if name.startswith("limited."):
        law, authority, condition = limited_by(name)
        acts = [one.act for one in thing.judged(law, authority, condition)]
        return ("judged", law, authority, condition, str(acts.index(fact.rests_on)))
    if name.startswith("licensed."):
        return ("licensed", law, name)
    return None


def act_of_thing(thing: Thing, token: Token) -> str:
    """The act itself, for an item."""
    kind, *words = token
    if kind == "judged":
        law, authority, condition, n = words
        return thing.judged(law, authority, condition)[int(n)].act
    if kind == "licence":
        law, authority, n = words
        return licences_of(thing, law, authority)[int(n)].act
    return thing.act(kind)


def _keep(
    findings: tuple[Finding, ...], ends: tuple[str, ...], first: Thing, item: str, law: OfLaw | None = None
) -> Known:
    """Findings about an item of a class, cut where they speak of its own acts."""
    tokens: dict[Token, int] = {}
    facts: dict[int, tuple[int, Fact, int]] = {}  # by identity: (place, fact, token)
    slots: list[tuple[int, tuple[tuple[int, int], ...]]] = []
    text: list[bytes | int] = []
    buffer = b""
    for n, one in enumerate(findings):
        marks: dict[int, int] = {}
        for k, fact in enumerate(one.facts):
            token = _token(fact, one.rule, first)
            if token is not None:
                marks[k] = tokens.setdefault(token, len(tokens))
                facts.setdefault(id(fact), (len(facts), fact, marks[k]))
        if marks:
            slots.append((n, tuple((k, facts[id(one.facts[k])][0]) for k in marks)))
        buffer += (b"," if n else b"") + msgspec.json.encode([one.rule, one.value.value])[:-1] + b",["
        rows = sorted((fact_row(fact), marks.get(k, -1)) for k, fact in enumerate(one.facts))
        for k, (row, at) in enumerate(rows):
            buffer += b"," if k else b""
            if at < 0:
                buffer += msgspec.json.encode(row)
            else:
                text += [buffer + msgspec.json.encode(row[:2])[:-1] + b',"', at]
                buffer = b'"]'
        buffer += b"]]"
    return Known(
        value=min(RANK[one.value] for one in findings if is_conjunct(one)),
        findings=findings,
        tokens=tuple(tokens),
        facts=tuple((fact, at) for _, fact, at in facts.values()),
        slots=tuple(slots),
        text=(*text, buffer),
        ends=ends,
        named=item if item and any(item in need.needs for one in findings for need in one.needs) else "",
        law=law,
    )


def _keep_plain(finding: Finding) -> Known:
    """A finding without facts."""
    text = msgspec.json.encode([finding.rule, finding.value.value, []])
    return Known(RANK[finding.value], (finding,), (), (), (), (text,), (), "")


def _renamed(finding: Finding, old: str, new: str) -> Finding:
    """The same needs, about another item of the class."""
    needs = tuple(
        Need(
            needs=one.needs.replace(old, new),
            of=one.of,
            kind=one.kind,
            detail={key: new if word == old else word for key, word in one.detail.items()},
        )
        for one in finding.needs
    )
    return msgspec.structs.replace(finding, needs=needs)


class _Filling:
    """One decision, put together from what is kept of its rules."""

    def __init__(self, kernel: Kernel, item: int, to: int, thing: Thing | _Row) -> None:
        self.kernel, self.item, self.to, self.thing = kernel, item, to, thing
        self.findings: list[Finding] = []
        self.text: list[bytes] = []
        self.ends: list[str] = []
        self.value = PERMIT
        self._acts: dict[Token, str] = {}

    def _act(self, token: Token) -> str:
        known = self._acts.get(token)
        if known is None:
            real = token
            if token[0] == "licensed":
                _, law, name = token
                n = self.kernel.cell(self.kernel.factors[f"{law}/{name}"], self.item, self.to).found[1]
                real = ("licence", law, name.removeprefix("licensed."), str(n))
            held = self.thing
            known = self._acts[token] = held.act(real) if isinstance(held, _Row) else act_of_thing(held, real)
        return known

    def add(self, known: Known) -> None:
        if known.named and known.named != self.thing.id:
            known = known._replace(findings=tuple(_renamed(one, known.named, self.thing.id) for one in known.findings))
        self.value = min(self.value, known.value)
        self.ends += known.ends
        if not known.tokens:
            self.findings += known.findings
            self.text.append(known.text[0])  # type: ignore[arg-type]
            return
        acts = [self._act(token) for token in known.tokens]
        self.text.append(b"".join([one if isinstance(one, bytes) else acts[one].encode() for one in known.text]))
        made = [
            Fact(
                name=one.name, value=one.value, says=one.says, by=one.by, rests_on=acts[at], until=one.until, why=one.why
            )
            for one, at in known.facts
        ]  # fmt: skip
        findings = list(known.findings)
        for n, marks in known.slots:
            one, facts = findings[n], list(findings[n].facts)
            for k, at in marks:
                facts[k] = made[at]
            findings[n] = Finding(
                rule=one.rule, clause=one.clause, value=one.value, facts=tuple(facts),
                deny_code=one.deny_code, cite=one.cite, needs=one.needs,
            )  # fmt: skip
        self.findings += findings

    def decision(self, question: Question, laws: Sequence[OfLaw]) -> Decision:
        answer = ANSWERS[self.value]
        gone = gone_from(self.kernel.world, self.kernel.classes.items[self.item].party) if answer == "permit" else ""
        ends = [*self.ends, *([day_before(gone)] if gone else [])]
        text = id_text(question, answer, b",".join(self.text), self.kernel.charter.engine)
        digest = hashlib.sha256(text).hexdigest()
        owed = terms_of(self.kernel.charter, question.purpose)
        return conclude(answer, tuple(self.findings), [one.law for one in laws], ends, digest, owed)


# ---- how a rule runs in a cell --------------------------------------------------------------------------------------


# The parts of `denied` that ask for less than the whole: an answer over columns is the least of them.
STOPS: Final[tuple[tuple[tuple[str, ...], Callable[[Case], Iterable[Stop]]], ...]] = (
    (SUSPENSIONS, suspensions),
    (("item.recalled", "item.owner", "recipient.party"), recalls),
    (("item.retired", "item.owner"), retired),
)
WITH_USED: Final = frozenset({"denied", "ledgers", "fresh"})  # these ask whose law reaches


def _by_rule(rule: Rule) -> Run:
    """The value only: the words are found when they are asked for."""

    def run(case: Case) -> tuple[int, None]:
        return RANK[run_rule(case, rule).finding.value], None

    return run


def _by_denied(case: Case) -> tuple[int, None]:
    """Without disputed keys: where there are any, every pair is judged by itself."""
    return RANK[run_denied(case, ()).finding.value], None


def _by_stops(stops: Callable[[Case], Iterable[Stop]]) -> Run:
    def run(case: Case) -> tuple[int, None]:
        return (RANK[Three.NO] if any(True for _ in stops(case)) else RANK[Three.YES]), None

    return run


def _by_nothing(case: Case) -> tuple[int, None]:
    raise AssertionError("a whole law is asked leaf by leaf")


def _by_test(law: str, test: Test) -> Callable[[Case], tuple[int, Any]]:
    def run(case: Case) -> tuple[int, None]:
        return RANK[See(lambda name: case.fact(name, law)).value(test)], None

    return run


def _by_licence(law: str, name: str) -> Run:
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


def _every(register: Register, names: Iterable[str]) -> Iterator[ItemState]:
    """All versions, retired ones too: they may be asked about, and are listed nowhere."""
    for name in names:
        yield from register.items.get(name, ())


def _touched(old: Register, new: Register) -> set[str]:
    """Items of which the two registers state different things."""
    found: set[str] = set()
    if old.items is not new.items:
        found |= {
            name
            for name in old.items.keys() | new.items.keys()
            if (one := old.items.get(name)) is not (other := new.items.get(name)) and one != other
        }
    if old.determinations is not new.determinations:
        found |= {one.terms.item for one in _unlike(old.determinations, new.determinations)}
    if old.licences is not new.licences:
        found |= {name for one in _unlike(old.licences.values(), new.licences.values()) for name in one.terms.items}
    if old.recalls is not new.recalls:
        for mine, others in ((old, new), (new, old)):
            for id_, order in mine.recalls.items():
                if others.recalls.get(id_) != order:
                    found.add(mine.releases[order.release].terms.item)
    return found


def _unlike(old: Iterable[Any], new: Iterable[Any]) -> Iterator[Any]:
    before, after = {one.act: one for one in old}, {one.act: one for one in new}
    for act in before.keys() | after.keys():
        one, other = before.get(act), after.get(act)
        if one is not other and one != other:
            yield from (each for each in (one, other) if each is not None)


# ---- lists ----------------------------------------------------------------------------------------------------------


class Listed:
    """The items of some classes: counted at once, named page by page in the order of names."""

    def __init__(self, kernel: Kernel, classes: NDArray[np.intp]) -> None:
        self.kernel, self.classes = kernel, classes
        self._numbers: list[Numbers | None] = [None, None]

    def __len__(self) -> int:
        return sum(int(part.sizes[self.classes].sum()) for part in self.kernel.parts)

    def numbers(self, n: int = -1) -> Numbers:
        """Dense numbers, ascending: in label order. n: of which part; the last is the largest."""
        held = self._numbers[n]
        if held is None:
            held = self._numbers[n] = self.kernel.parts[n].numbers(self.classes)
        return held

    def page(self, limit: int, after: bytes = b"") -> list[bytes]:
        """At most so many names, in their order, beyond one of them."""
        found: list[bytes] = []
        for n, part in enumerate(self.kernel.parts):
            beyond = int(np.searchsorted(part.names, np.bytes_(after), side="right")) - 1 if after else -1
            ranks = part.page(self.numbers(n), beyond, limit)
            found += part.names[ranks].tolist()
        return sorted(found)[:limit]


# ---- kernels that are kept ------------------------------------------------------------------------------------------

KEPT: Final = 4
_kept: dict[tuple[str, str, Asking], Kernel] = {}


def kernel_of(register: Register, day: int, asking: Asking = Asking()) -> Kernel:  # noqa: B008 - it is never changed
    """The kernel of a register. The last few are kept, and one register after another forgets only what has changed."""
    partnership = f"{register.partnership} {date_of(day)}"
    key = (register.me, partnership, asking)
    known = _kept.pop(key, None)
    if known is None:
        known = Kernel(register, day, asking)
    elif known.register is not register or known.day != day:
        known = known.after(register, day)
    _kept[key] = known
    for old in list(_kept)[:-KEPT]:
        _kept.pop(old, None)
    return known
