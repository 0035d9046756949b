"""The same rules asked backwards, and for many pairs at once.

Items that agree in every fact that rules read are one class, recipients likewise; rules run once for each pair of
classes. A class is computed, never listed: rules and adopted packs declare the facts they read, and the class of an
item is the digest of exactly those facts of it. A rule that reads a new fact splits classes by itself.

Answers name people of other parties only as declared classes with head counts: complete means complete over declared
rosters.

Source: contracts of the design, sections 3 and 12; spec/decision.md, "Classes".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto.acts import ItemState, RecipientClass, Register
from relto.errors import NotFound
from relto.law import Fact
from relto.release.decide import judge
from relto.release.facts import ITEM_SIDE, RECIPIENT_SIDE, Someone, Thing, code_of, law_reads
from relto.release.question import Answer, Decision, Question, canonical
from relto.release.rules import BEFORE_LAW, DENIED, FRESH, OWNER, Rule
from relto.release.world import world_of


class Declared(Struct, frozen=True, kw_only=True):
    """A class of recipients as its party's roster declares it."""

    recipient: RecipientClass
    heads: int
    day: str  # of the declaration
    name: str = ""  # of one's own people only

    @property
    def id(self) -> str:
        return _digest(canonical(self.recipient))[:12]


class Row(Struct, frozen=True, kw_only=True):
    """One line of a reverse answer."""

    item: str
    version: int
    to: Declared
    answer: Answer
    until: str = ""


def rosters(register: Register) -> tuple[Declared, ...]:
    """All declared classes, by party and then by class. A party declares its own people and nobody else's."""
    found = [
        Declared(recipient=one.recipient, heads=one.heads, day=roster.terms.day)
        for party, roster in sorted(register.rosters.items())
        for one in roster.terms.classes
        if one.recipient.party == party
    ]
    return tuple(sorted(found, key=lambda d: (d.recipient.party, d.recipient.organisation, d.id)))


def usual(
    register: Register, item: ItemState, to: RecipientClass, day: int, purpose: str = "", place: str = ""
) -> Question:
    """The question one asks when nobody said more: the project's first purpose, at the recipient party's own place."""
    charter = register.charter
    if not purpose and charter is not None:
        purpose = next((p.id for p in charter.purposes if p.fits(item.facts.project)), "")
    code = code_of(charter, to.party) if charter is not None else ""
    return Question(
        to=to,
        item=item.id,
        version=item.version,
        purpose=purpose,
        place=place or code or "ZZZ",  # a place that no rule names
        place_says="party",
        day=day,
    )


class Kernel:
    """Decisions remembered by pair of classes, for one register. more: further conjuncts, after all others."""

    def __init__(self, register: Register, more: Sequence[Rule] = ()) -> None:
        if register.charter is None:
            raise NotFound("no partnership is founded in this register", hint="`relto act list` shows what is missing")
        self.register, self.charter, self.more = register, register.charter, tuple(more)
        self.world = world_of(register)
        self._known: dict[tuple[str, str, str], Decision] = {}
        self._reads: dict[str, tuple[str, ...]] = {}
        self._classes: dict[tuple[str, int, str], str] = {}

    def answer(self, question: Question, item: ItemState) -> Decision:
        """The decision for a pair of classes; only its answer and its end carry over to another item of the class."""
        rest = msgspec.structs.replace(question, to=_NOBODY, item="", version=0)
        key = (self.item_class(item, question.date), self.recipient_class(question.to, question.date), _digest(rest))
        if key not in self._known:
            self._known[key] = judge(self.register, question, more=self.more).decision
        return self._known[key]

    def item_class(self, item: ItemState, day: str) -> str:
        """Digest of the facts of an item that a rule or an adopted pack of the day reads."""
        key = (item.id, item.version, day)
        if key not in self._classes:
            thing = Thing(self.world, self.charter, item, day)
            self._classes[key] = self._class(thing.fact, ITEM_SIDE, day)
        return self._classes[key]

    def recipient_class(self, to: RecipientClass, day: str) -> str:
        """The same of a recipient."""
        return self._class(Someone(self.world, self.charter, to, day).fact, RECIPIENT_SIDE, day)

    def reads(self, day: str) -> tuple[str, ...]:
        """The one-sided facts that something reads on this day."""
        if day not in self._reads:
            sides = set(DENIED).union(*(rule.sides for rule in (*BEFORE_LAW, FRESH, OWNER, *self.more)))
            for law in self.charter.jurisdictions:
                sides |= law_reads(self.world, law.id, day)
            self._reads[day] = tuple(sorted(sides))
        return self._reads[day]

    def _class(self, fact: Callable[[str], Fact], sides: tuple[str, ...], day: str) -> str:
        return _digest([self._view(fact(name)) for name in self.reads(day) if name.startswith(sides)])

    def _view(self, fact: Fact) -> list[object]:
        """What rules can tell of a fact: not on which act it rests, but whether the key of that act is disputed."""
        under = not isinstance(fact.rests_on, UnsetType) and self.world.disputed(fact.rests_on)
        known = [] if fact.value is UNSET else [fact.value]
        return [fact.name, known, fact.says, fact.by, fact.until or "", under]


_NOBODY = RecipientClass(party="nobody", organisation="nobody/nobody")


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def live(register: Register) -> Iterator[ItemState]:
    """Every version of every item that is not retired: an older one may still be handed out."""
    for versions in register.items.values():
        yield from (one for one in versions if not one.retired)


def newest(register: Register) -> Iterator[ItemState]:
    """The newest version of every item, unless it is retired."""
    for versions in register.items.values():
        if not versions[-1].retired:
            yield versions[-1]


def pairs(
    register: Register, items: Iterable[ItemState], to: Iterable[Declared], day: int, purpose: str = ""
) -> tuple[Row, ...]:
    """Every item against every declared class, decided by the kernel."""
    kernel, people, rows = Kernel(register), tuple(to), []
    for item in items:
        for one in people:
            decision = kernel.answer(usual(register, item, one.recipient, day, purpose), item)
            until = "" if isinstance(decision.valid_until, UnsetType) else decision.valid_until
            rows.append(Row(item=item.id, version=item.version, to=one, answer=decision.answer, until=until))
    return tuple(rows)


def who(register: Register, item: str, day: int, purpose: str = "", version: int | None = None) -> tuple[Row, ...]:
    """Everyone who may have this item, its newest version unless one is named: declared classes with a permit.

    Raises: NotFound.
    """
    rows = pairs(register, [register.item(item, version)], rosters(register), day, purpose)
    return tuple(row for row in rows if row.answer == "permit")


def what(register: Register, to: Declared, day: int, purpose: str = "") -> tuple[Row, ...]:
    """Everything that this class may have, every version, of what this register may know of."""
    return tuple(row for row in pairs(register, live(register), [to], day, purpose) if row.answer == "permit")


def heads(rows: Iterable[Row]) -> int:
    """People, each declared class counted once."""
    counted: Mapping[str, int] = {row.to.id: row.to.heads for row in rows}
    return sum(counted.values())
