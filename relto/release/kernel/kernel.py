"""Decisions for one register on one day, asked in one way; and the kernels that are kept."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from relto.acts import ItemState, RecipientClass, Register
from relto.acts.grown import unlike, unlike_in
from relto.errors import NotFound
from relto.law import Finding, Pack, Three, joined, outline, part_of, sections
from relto.law import Part as LawPart
from relto.law.condition import AnyOf, Test
from relto.release.catalogue import Part, Rows, name_of
from relto.release.decide import ends_of, judge, of_law, run_denied, run_rule
from relto.release.facts import Case, Thing, charter_of, is_gone, law_reads, made_of, text_on
from relto.release.facts import Law as OneLaw
from relto.release.kernel.classes import Classes, Recipients
from relto.release.kernel.explained import Filling, Known, RowItem, keep, keep_plain, merged
from relto.release.kernel.factors import (
    STOPS,
    WITH_USED,
    Cell,
    Factor,
    Joint,
    Key,
    Run,
    by_absent,
    by_denied,
    by_licence,
    by_nothing,
    by_rule,
    by_stops,
    by_test,
    compiled,
)
from relto.release.kernel.lists import Listed
from relto.release.kernel.shape import ANSWERS, NOT_YET, PERMIT, THINGS, Asking, Bytes, Numbers, of_item
from relto.release.limits import rules_of
from relto.release.names import Names
from relto.release.question import Answer, Decision, Question, date_of
from relto.release.rules import BEFORE_LAW, DENIED, FRESH, LEDGERS, OWNER, Rule, before_law, ledgers
from relto.release.search import usual, usual_purpose
from relto.release.world import Reading, World, world_of

DECIDED: Final = 4096  # explained decisions that are kept whole
PINNED: Final = 256  # classes that hold on to earlier registers, before all is computed anew


class Law(NamedTuple):
    """One jurisdiction in a kernel: its text's tests put together from leaves, and what findings about it go by."""

    id: str
    answer: Factor | Joint
    whole: Factor  # all that it reads, licences apart
    head: Factor  # what its own answer reads, whatever its text does
    licensed: tuple[tuple[str, Factor], ...]
    pack: Pack | None = None
    sections: tuple[tuple[str, Factor, tuple[Factor, ...]], ...] = ()  # with what each reads, licences apart


def _of_law(law: Law, known: Mapping[str, Factor | Joint], factors: Mapping[str, Factor]) -> Law:
    """The same over other factors of the same names."""
    return Law(
        law.id, known[law.answer.id], factors[law.whole.id], factors[law.head.id],
        tuple((name, factors[one.id]) for name, one in law.licensed), law.pack,
        tuple((id_, factors[one.id], tuple(factors[each.id] for each in held)) for id_, one, held in law.sections),
    )  # fmt: skip


# What a law's own answer reads, whatever its text does.
EVERY_LAW: Final = frozenset({"item.owner", "transferor.organisation", "recipient.organisation", "recipient.party"})


def _bare(law: OneLaw | None) -> OneLaw | None:
    """What is needed of a judgement beside its findings."""
    return law and law._replace(judgement=msgspec.structs.replace(law.judgement, findings=(), ways=()))


def _above(joints: Iterable[Joint]) -> dict[str, set[str]]:
    """What each rule and joint is part of, all the way up."""
    found: dict[str, set[str]] = {}
    for one in reversed(tuple(joints)):
        for part in one.parts:
            found.setdefault(part.id, set()).update({one.id}, found.get(one.id, ()))
    return found


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
        last = (OWNER, *rules_of(self.charter, self.date), *self.more)
        first = before_law(self.charter)
        self.rules = {one.id: one for one in (*first, FRESH, *last)}
        usual = not asking.purpose
        sides = set(DENIED).union(*(rule.sides for rule in self.rules.values()))
        for one in self.charter.jurisdictions:
            sides |= law_reads(self.world, one.id, self.date) | EVERY_LAW
        reads = tuple(sorted(sides))
        self.classes = Classes(tuple(one for one in reads if of_item(one, usual=usual)))
        rest = tuple(one for one in reads if not of_item(one, usual=usual))
        self.recipients = Recipients(self.world, self.charter, asking, self.date, rest)
        self.factors: dict[str, Factor] = {}
        self.joints: dict[str, Joint] = {}  # parts before what they are part of
        for rule in (*first, *last):
            self._factor(rule.id, rule.sides, by_rule(rule))
        self.shown_plain = tuple(self.factors.values())
        self.plain = self.shown_plain
        self.stopping = tuple(
            self._factor(f"denied {n}", sides, by_stops(stops)) for n, (sides, stops) in enumerate(STOPS)
        )
        self.plain += self.stopping
        clause = self.charter.suspension.clause
        nothing = Finding(rule="denied", clause=clause, value=Three.YES)
        self._unstopped = keep_plain(nothing)
        self._factor("denied", DENIED, by_denied)
        self._factor("ledgers", LEDGERS, by_stops(ledgers))
        self._factor("fresh", FRESH.sides, by_rule(FRESH))
        self.laws = tuple(self._law(one) for one in sorted(one.id for one in self.charter.jurisdictions))
        used = [self.factors["ledgers"], self.factors["fresh"]]
        self._plainly = self._joint("plain", "all", self.plain)
        self._lawful = self._joint("used", "used", [*(law.answer for law in self.laws), *used])
        self.above = _above(self.joints.values())
        self.pinned: dict[int, Thing] = {}  # classes whose item was of them in an earlier register
        self.behind: dict[Reading, set[tuple[Reading, ...]]] = {}  # the sets of readings that a reading is part of
        self.resting: dict[tuple[Reading, ...], dict[tuple[str, Any], None]] = {}  # the cells that rest on such a set
        self.outcomes: dict[bytes, int] = {}  # what sections of laws come to
        self._outcome = itertools.count()
        self.line = object()  # shared with kernels of later registers that number classes alike
        self._answers: dict[int, tuple[Bytes, Bytes, Bytes]] = {}  # whole, plain and lawful
        self._open: set[int] = set()  # recipients some of whose answers may be others by now
        self._plain: dict[int, bytes] = {}
        self._decided: dict[tuple[str, int, int], tuple[RecipientClass, Decision]] = {}
        self._known: dict[tuple[Any, ...], Known] = {}
        self._things: dict[int, Thing] = {}
        self._load()

    def _factor(self, id_: str, sides: Iterable[str], run: Run) -> Factor:
        return self.factors.setdefault(id_, Factor(id_, sorted(sides), run, not self.asking.purpose))

    def _joint(self, id_: str, kind: str, parts: Sequence[Factor | Joint]) -> Joint:
        return self.joints.setdefault(id_, Joint(id_, kind, parts))

    def _every_one(self) -> Iterator[Factor | Joint]:
        yield from self.factors.values()
        yield from self.joints.values()

    # ---- items

    def _load(self) -> None:
        """Classes of all items; then columns, and each rule's own classes."""
        self.singles: dict[bytes, tuple[ItemState, int]] = {}
        for item in _every(self.register, self.register.items):
            self._single(item)
        kinds = [self._class_of(one) for one in (self.table.kinds if self.table else ())]
        self._in_label_order(kinds)
        self.splits = {names: self.classes.split(names) for names in {one.of_item for one in self._every_one()}}
        for one in self._every_one():
            one.over(self.splits[one.of_item])
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
        return Part(Names(np.array(names, dtype=np.bytes_) if names else np.zeros(0, "S1")), classes, len(self.classes))

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
        return self._rest_on(tuple(case.readings), cell)

    def _rest_on(self, readings: tuple[Reading, ...], cell: tuple[str, Any]) -> tuple[Reading, ...]:
        if readings not in self.resting:
            self.resting[readings] = {}
            for reading in readings:
                self.behind.setdefault(reading, set()).add(readings)
        self.resting[readings][cell] = None
        return readings

    def _used(self, code: int) -> tuple[str, ...]:
        reached = [law.id for n, law in enumerate(self.laws) if code >> n & 1]
        return tuple(dict.fromkeys(self.charter.jurisdiction(one).adopter for one in reached))

    def row(self, one: Factor | Joint, to: int) -> Bytes:
        """What rules find for a recipient, by item class under them."""
        if isinstance(one, Factor):
            return self._row(one, to)
        sub = self.sub(one, to)
        held = one.rows.get(sub)
        if held is not None and sub not in one.suspect:
            return held[0]
        if one.kind == "used":
            return self._used_row(one, sub, to)
        inputs = tuple(self.row(part, to) for part in one.parts)
        if held is not None and all(map(operator.is_, inputs, held[1])) and len(held[0]) == len(one.firsts):
            one.own()
            one.suspect.discard(sub)
            return held[0]
        return one.keep(sub, one.combined(inputs), inputs)

    def _row(self, factor: Factor, to: int) -> Bytes:
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
        return factor.close(sub, row)

    def _used_row(self, one: Joint, sub: int, to: int) -> Bytes:
        """The laws, and the rules that also ask whose law reaches."""
        laws = [self.row(law.answer, to) for law in self.laws]
        asking = (self.factors["ledgers"], self.factors["fresh"])
        inputs = (*laws, *(factor.stamp for factor in asking))
        held = one.rows.get(sub)
        if held is not None and all(map(operator.is_, inputs, held[1])) and len(held[0]) == len(one.firsts):
            one.own()
            one.suspect.discard(sub)
            return held[0]
        found = np.full(len(one.firsts), PERMIT, dtype=np.int8)
        code = np.zeros(len(found), dtype=np.int32)
        for n, (row, at) in enumerate(zip(laws, one.at, strict=False)):
            value = row[at]
            np.minimum(found, value & 3, out=found)
            code |= (value >> 2).astype(np.int32) << n
        for factor, at in zip(asking, one.at[len(laws) :], strict=True):
            np.minimum(found, self._with_used(factor, to, code, at), out=found)
        return one.keep(sub, found, inputs)

    def _with_used(self, factor: Factor, to: int, code: Numbers, at: NDArray[np.intp]) -> Bytes:
        """A rule that also asks whose law reaches: at classes under it, with the codes of those laws."""
        wide = 1 << len(self.laws)
        key = at * wide + code
        values = np.full(len(factor.firsts) * wide, NOT_YET, dtype=np.int8)
        values[key] = PERMIT
        sub = self.sub(factor, to)
        for one in np.flatnonzero(values != NOT_YET).tolist():
            which = (one // wide, sub, one % wide)
            known = factor.cells.get(which) or self._run(factor, which, int(factor.firsts[which[0]]), to)
            values[one] = known.value
        found: Bytes = values[key]
        return found

    # ---- the law

    def _law(self, id_: str) -> Law:
        adopted = text_on(self.world.read(("adopted", id_)), self.date)
        pack = adopted.pack if adopted is not None else None
        granted = tuple(name for name in (pack.facts if pack else ()) if name.startswith("licensed."))
        licensed = tuple(
            (name, self._factor(f"{id_}/{name}", made_of(name, id_), by_licence(id_, name))) for name in granted
        )
        plain = {
            side for name in (pack.facts if pack else ()) if name not in granted for side in made_of(name, id_)
        } | EVERY_LAW
        whole, head = self._factor(f"law.{id_}", plain, by_nothing), self._factor(f"law.{id_}/", EVERY_LAW, by_nothing)
        if pack is None:
            return Law(id_, self._factor(f"{id_}/absent", (), by_absent), whole, head, licensed)
        says = outline(pack, self.date)
        tests = (says.reach, says.general, AnyOf(parts=says.grounds))
        parts = [compiled(test, partial(self._leaf, id_), partial(self._branch, id_)) for test in tests]
        read, known = [], dict(licensed)
        for one in sections(pack, self.date):
            sides = {side for name in one.names if name not in known for side in made_of(name, id_)}
            factor = self._factor(f"law.{id_}/{one.id}", sides, by_nothing)
            read.append((one.id, factor, tuple(known[name] for name in one.names if name in known)))
        return Law(id_, self._branch(id_, "law", parts), whole, head, licensed, pack, tuple(read))

    def _leaf(self, law: str, test: Test) -> Factor:
        sides = {side for name in test.names() for side in made_of(name, law)}
        return self._factor(f"{law}/{len(self.factors)}", sides, by_test(law, test))

    def _branch(self, law: str, kind: str, parts: Sequence[Factor | Joint]) -> Joint:
        return self._joint(f"{law}/{kind} {len(self.joints)}", kind, parts)

    # ---- answers

    def answers(self, to: RecipientClass) -> Bytes:
        """The answer for a recipient, by item class: 0 deny, 1 undetermined, 2 permit."""
        return self._of(self.recipients.number(to))

    def _of(self, to: int) -> Bytes:
        held = self._answers.get(to)
        if held is not None and to not in self._open:
            return held[0]
        if self.world.disputes:
            found = self._one_by_one(to)
            self._answers[to] = (found, found, found)
            return found
        plain, lawful = self.row(self._plainly, to), self.row(self._lawful, to)
        if held is None or held[1] is not plain or held[2] is not lawful or len(held[0]) != len(self.classes):
            found = np.minimum(plain[self._plainly.subs], lawful[self._lawful.subs])
            same = held is not None and np.array_equal(held[0], found)
            held = (held[0] if held is not None and same else found, plain, lawful)
        self._answers[to] = held
        self._open.discard(to)
        return held[0]

    def _one_by_one(self, to: int) -> Bytes:
        """Where a key is disputed, what an answer rests on decides, and every pair of classes is judged by itself."""
        cases = (self.case(one, to).question for one in range(len(self.classes)))
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
        return self._explained(number, self.recipients.number(to), to, RowItem(self.table, rank, item, version))

    def _explained(self, item: int, to: int, asked: RecipientClass, thing: Thing | RowItem) -> Decision:
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
        filling = Filling(self, item, to, thing)
        for one in (*founds[:cut], stopped, seen, *laws, *founds[cut:]):
            filling.add(one)
        return filling.decision(
            self._question(item, to, asked, thing.id, thing.version), [one.law for one in laws if one.law]
        )

    def _judged(self, asked: RecipientClass, to: int, thing: Thing | RowItem) -> Decision:
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
            known = self._known[key] = keep(found, tuple(ends_of(found)), case.thing, case.thing.id)
        return known

    def _kept_denied(self, item: int, to: int, code: int) -> Known:
        """Where nothing stops it, there is one finding for all."""
        parts = [self.cell(one, item, to).value for one in self.stopping]
        if min(*parts, self.cell(self.factors["ledgers"], item, to, code).value) == PERMIT:
            return self._unstopped
        return self._kept(self.factors["denied"], item, to, code)

    def _kept_law(self, law: Law, item: int, to: int) -> Known:
        key: tuple[Any, ...] = (law.id, int(law.whole.subs[item]), self.sub(law.whole, to))
        key += self._granted(law, item, to)
        known = self._known.get(key)
        if known is None:
            known = self._from_sections(law, item, to) or self._whole(law, item, to)
            self._known[key] = known
            self._rest_on(known.readings, ("", key))
        return known

    def _granted(self, law: Law, item: int, to: int) -> tuple[Any, ...]:
        """What it hears about licences; where that is open, the terms count too."""
        found: tuple[Any, ...] = ()
        for _, factor in law.licensed:
            cell = self.cell(factor, item, to)
            found += (cell.value if cell.found[2] else (cell.value, int(factor.subs[item])),)
        return found

    def _whole(self, law: Law, item: int, to: int) -> Known:
        case = self.case(item, to)
        says = of_law(case, law.id)
        return keep(says.findings, says.ends, case.thing, "", says)._replace(readings=tuple(case.readings))

    def _from_sections(self, law: Law, item: int, to: int) -> Known | None:
        """What a law says from what is kept of its sections; None where that does not do."""
        if law.pack is None:
            return None
        held: dict[str, Known] = {}
        parts: dict[str, LawPart] = {}
        for id_, factor, licences in law.sections:
            one = held[id_] = self._section(law, id_, factor, licences, item, to)
            assert one.part is not None
            parts[id_] = one.part
            if id_ == "reach" and one.part.value is Three.NO:
                break
        outcomes = tuple(one.outcome for one in held.values())
        key = (f"{law.id}/", outcomes, int(law.head.subs[item]), self.sub(law.head, to), self._granted(law, item, to))
        head = self._known.get(key)
        if head is None:
            judgement = joined(law.pack, self.date, parts)
            if judgement is None:
                return None
            case = self.case(item, to)
            says = of_law(case, law.id, case.law_with(law.id, judgement))
            short = says._replace(findings=says.findings[:1], law=_bare(says.law))
            head = keep(short.findings, says.ends, case.thing, "", short)
            head = self._known[key] = head._replace(readings=self._rests(case, ("", key)))
        return merged([head, *held.values()])

    def _section(self, law: Law, id_: str, factor: Factor, licences: Sequence[Factor], item: int, to: int) -> Known:
        key: tuple[Any, ...] = (factor.id, int(factor.subs[item]), self.sub(factor, to))
        key += tuple(self.cell(one, item, to).value for one in licences)
        known = self._known.get(key)
        if known is None:
            case = self.case(item, to)
            assert law.pack is not None
            part = part_of(law.pack, self.date, id_, lambda name: case.fact(name, law.id))
            said = msgspec.json.encode((part.value, part.ways, part.ends, part.ref), order="sorted")
            known = keep(part.findings, (), case.thing, "")
            known = known._replace(part=part, outcome=self.outcomes.setdefault(said, next(self._outcome)))
            known = self._known[key] = known._replace(readings=self._rests(case, ("", key)))
        return known

    def sub(self, factor: Factor | Joint, to: int) -> int:
        """The class of a recipient under a rule."""
        known = factor.people.get(to)
        if known is None:
            known = factor.people[to] = self.recipients.sub(factor.of_rest, to)
        return known

    def forget(self) -> None:
        """Drops every decision of a pair of classes. What single rules found is kept."""
        self._answers, self._open, self._plain, self._decided = {}, set(), {}, {}
        for one in (self._plainly, self._lawful):
            one.own()
            one.rows.clear()

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
        world = world_of(register, self.world)
        changed = {one for one, held in self.world.held.items() if (new := world.read(one)) is not held and new != held}
        if self._is_another(register, world, changed) or date_of(day) != self.date or len(self.pinned) > PINNED:
            return Kernel(register, day, self.asking, self.more, self.table)
        made = self._fork(register, world, day)
        for reading in changed:
            for readings in self.behind.get(reading, ()):
                made._forget(self.resting[readings])
        if day != self.day:
            made._forget([("fresh", key) for key in self.factors["fresh"].cells])
            made._forget([("", key) for key in self._known if key[0] == "fresh"])
        if any(one[0] == "party" for one in changed):
            made.recipients = self.recipients.fork(world)
            made._open = set(made._answers)
        made._touch(_touched(self.register, register), self)
        if made.world.disputes and made.pinned:  # each class is judged by its item, and one of these is not here
            return Kernel(register, day, self.asking, self.more, self.table)
        if made.world.disputes:
            made._answers = {}
        return made

    def _is_another(self, register: Register, world: World, changed: Iterable[Reading]) -> bool:
        """Whether what classes are made of, or the rules themselves, may be others than before."""
        if register.me != self.register.me:
            return True
        if register.charter is not self.register.charter and register.charter != self.register.charter:
            return True
        parts = {one[0] for one in changed}
        left = [party for part, party in (one for one in changed if one[0] == "party")
                if is_gone(self.world, party, self.date) != is_gone(world, party, self.date)]  # fmt: skip
        return bool(left) or bool(parts & {"adopted", "disputes"})

    def _fork(self, register: Register, world: World, day: int) -> Kernel:
        made = object.__new__(Kernel)
        made.__dict__.update(self.__dict__)
        made.register, made.world, made.day = register, world, day
        made.factors = {name: one.fork() for name, one in self.factors.items()}
        made.joints, known = {}, dict[str, Factor | Joint](made.factors)
        for name, joint in self.joints.items():
            known[name] = made.joints[name] = joint.fork(known)
        made.plain = tuple(made.factors[one.id] for one in self.plain)
        made.stopping = tuple(made.factors[one.id] for one in self.stopping)
        made.shown_plain = tuple(made.factors[one.id] for one in self.shown_plain)
        made._plainly, made._lawful = made.joints[self._plainly.id], made.joints[self._lawful.id]
        made.laws = tuple(_of_law(one, known, made.factors) for one in self.laws)
        made._answers, made._open, made._plain, made._decided = dict(self._answers), set(self._open), {}, {}
        made._known, made.singles, made._things = dict(self._known), dict(self.singles), {}
        return made

    def _forget(self, cells: Iterable[tuple[str, Any]]) -> None:
        """Cells whose reading is another; what they are part of is looked at again when it is asked for."""
        stale: dict[str, list[Key]] = {}
        for id_, key in cells:
            if not id_:
                self._known.pop(key, None)
                continue
            self._known.pop((id_, *key), None)
            stale.setdefault(id_, []).append(key)
        doubted = {id_ for id_, keys in stale.items() if self.factors[id_].forget(keys)}
        if doubted:
            self._doubt(doubted)

    def _doubt(self, parts: Iterable[str]) -> None:
        for id_ in set().union(*(self.above.get(one, ()) for one in parts)):
            self.joints[id_].doubt()
        self._open = set(self._answers)

    def _touch(self, names: set[str], before: Kernel) -> None:
        """Items of which something else is stated by now, and what is made of them."""
        if not names:
            return
        names |= {item.id for item, _ in self.singles.values() if item.facts.derived}
        gone = [name_of(one.id, one.version) for one in _every(before.register, names)]
        self.pinned = {**before._led_by(names, gone), **self.pinned}
        for name in gone:
            self.singles.pop(name, None)
        was = len(self.classes)
        self.classes = self.classes.fork()
        for item in _every(self.register, names):
            self._single(item)
        if len(self.classes) > was:
            self.classes.close()
            self.splits = {names: one.widened(self.classes.columns) for names, one in self.splits.items()}
            for one in self._every_one():
                one.over(self.splits[one.of_item])
            self._open = set(self._answers)
        self.direct = self._marked()
        self.small = self._part()
        if self.large is not None:
            self.large = self.large.widened(len(self.classes)).without(
                [name_of(one.id, one.version) for one in _every(self.register, names)]
            )

    def _led_by(self, names: set[str], found: Sequence[bytes]) -> dict[int, Thing]:
        """The classes of which one of these items stands for all."""
        items = self.classes.items
        if len(found) >= len(names):  # all are items of the register
            classes = {self.singles[name][1] for name in found if name in self.singles}
        else:
            classes = set(range(len(items)))
        return {n: self.thing(n) for n in classes if items[n].id in names}


def _every(register: Register, names: Iterable[str]) -> Iterator[ItemState]:
    """All versions, retired ones too: they may be asked about, and are listed nowhere."""
    for name in names:
        yield from register.items.get(name, ())


def _touched(old: Register, new: Register) -> set[str]:
    """Items of which the two registers state different things."""
    found = {name for name, _, _ in unlike(old.items, new.items)}
    for pair in unlike_in(old.determinations, new.determinations, lambda one: one.act):
        found |= {one.terms.item for one in pair if one is not None}
    for _, *sides in unlike(old.licences, new.licences):
        found |= {name for one in sides if one is not None for name in one.terms.items}
    for _, was, now in unlike(old.recalls, new.recalls):
        found |= {side.releases[one.release].terms.item for one, side in ((was, old), (now, new)) if one is not None}
    return found


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
