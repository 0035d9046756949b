"""What rules may read of one question against one register: facts, each with who states it and the act it rests on.

* Closed world for what an act creates: no act, so false. Open world for facts about things and people: not stated, so
  unknown.
* Every fact is of the item (`Thing`), of the recipient (`Someone`), of the question, or of a pair; a fact of a pair is
  made of facts of the others, and `made_of` says which. So the class of an item is the digest of the facts that rules
  and adopted packs declare to read, and nobody lists what a class is made of.
* An act speaks in the role that its author has *here*: the transferor's officer is an officer of the party in whose
  ledger the item stands, the state is the party that adopts the law in question, and a determination or licence counts
  under the law that it names.

Source: contracts of the design, sections 2, 5 and 12; spec/decision.md, "Facts".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from relto.acts import Attestation, Determination, ItemState, LicenceState, RecallState, RecipientClass, Register
from relto.acts import Money as Amount
from relto.acts.register import AdoptedPack
from relto.charter import Charter
from relto.charter.text import Money, Span
from relto.errors import NotFound, Refused
from relto.label import Label, Level
from relto.law import UNKNOWN, Fact, Judgement, Says, Three, Used, Value, absent, activity_of, evaluate
from relto.law import Licence as LawLicence
from relto.law import covers as licence_covers
from relto.release.question import ENGINES, Question, date_of, day_before
from relto.release.world import Reading, World, world_of

SUFFICIENT: Final = ("party", "node")  # `person` never suffices for nationality, clearance or employment
PARTS_MAX: Final = 4096  # parts of parts that are followed
LICENCES_NAMED_MAX: Final = 3  # licences that do not cover a release and are named with their reasons
FAR: Final = "9999-12-31"
APPROVED, GIVEN_UP = (
    "approved",
    "control-given-up",
)  # conditions under a clause of the charter, determined like any other

ITEM_SIDE: Final = ("item.", "transferor.", "place.origin")
RECIPIENT_SIDE: Final = ("recipient.", "place.destination")
_LETTERS: Final = re.compile(r"[a-z]{3}", re.ASCII)


# ---- the register, read by name -------------------------------------------------------------------------------------


def gone_from(world: World, party: str) -> str:
    """The day from which a party that declared its withdrawal is out, its notice included; empty while it has not."""
    known = world.read(("party", party))
    return "" if known is None else str(known[1])


def is_gone(world: World, party: str, day: str) -> bool:
    gone = gone_from(world, party)
    return bool(gone) and gone <= day


def left_by(world: World, charter: Charter, party: str, day: str) -> tuple[str, str] | None:
    """How a party left, and the first day on which it is none: by the text, or by its own notice. None: it has not."""
    told, gone = charter.left(party), gone_from(world, party)
    kind, first = told if told is not None else ("own_wish", gone)
    first = min(filter(None, (first, gone)), default="")
    return (kind, first) if first and first <= day else None


def code_of(charter: Charter, party: str) -> str:
    """The letters of a party in markings: the charter's word, else its own three where they are nobody's; else empty.

    A party chooses its own name, so it must not come by another's letters: `usa-2` is not `USA`.
    """
    named = {one.id: one.code for one in charter.candidates} | {one.id: one.code for one in charter.parties}
    code = party.upper()
    free = bool(_LETTERS.fullmatch(party)) and code not in named.values()
    return named.get(party, code if free else "")


def clause_authority(clause: str) -> str:
    """What a determination names that the charter asks for and not a law. No authority of a pack has a space in it."""
    return f"charter {clause}"


def judges(one: Determination, item: ItemState, condition: tuple[str, str]) -> bool:
    """Whether it is about this condition (authority, name) for this version under its label in force, and stands."""
    terms = one.terms
    about = (terms.item, terms.version, terms.on, terms.authority, terms.condition)
    return about == (item.id, item.version, item.label_act, *condition) and not one.revoked


def judged(
    world: World, item: ItemState, condition: tuple[str, str], day: str, law: str = ""
) -> tuple[Determination, ...]:
    """What each party determined last about one condition for this item; under this law, where it is one of a law."""
    newest: dict[str, Determination] = {}
    for one in world.determinations(item.id, item.version):
        under = not law or one.terms.jurisdiction == law
        if under and judges(one, item, condition) and not is_gone(world, one.party, day):
            newest[one.party] = one
    return tuple(newest[party] for party in sorted(newest))


# ---- the item -------------------------------------------------------------------------------------------------------


class Thing:
    """An item as rules may read it. Nothing here depends on who asks."""

    def __init__(self, world: World, charter: Charter, item: ItemState, day: str) -> None:
        self.world, self.charter, self.day = world, charter, day
        self.id, self.version, self.party = item.id, item.version, item.party
        self._item = item
        self._facts: dict[str, Fact] = {}

    @property
    def project(self) -> str:
        return self._item.facts.project

    def act(self, kind: str) -> str:
        """The act by which it is registered, labelled or retired."""
        return {"register": self._item.act, "label": self._item.label_act, "retired": self._item.retired}[kind]

    def fact(self, name: str) -> Fact:
        if name not in self._facts:
            self._facts[name] = self._find(name)
        return self._facts[name]

    def _find(self, name: str) -> Fact:
        if name in _OF_ITEM:
            return _OF_ITEM[name](self)
        head, _, rest = name.partition("/")
        if head == "item.judged":
            law, authority, condition = rest.split("/")
            told = self.judged(law, authority, condition)
            return self.stated(name, tuple(f"{d.party} {d.terms.holds} {self.world.disputed(d.act)}" for d in told))
        if head == "item.licences":
            law, authority = rest.split("/")
            return self.stated(name, tuple(sorted(one.act for one in self.licences(law, authority))))
        if name.startswith("item.entries."):
            code = name.removeprefix("item.entries.")
            return self._over_parts(name, lambda one: one.facts.entries.get(code, UNSET))
        raise NotFound(f"no fact is called `{name}`")

    @functools.cached_property
    def parts(self) -> tuple[ItemState, ...] | None:
        """What it is made of, parts of parts included, each once; None when one of them is not known here."""
        found: dict[tuple[str, int], ItemState] = {}
        ahead = list(self._item.facts.derived)
        while ahead:
            ref = ahead.pop()
            key = (ref.item, ref.version)
            if key in found or key == (self.id, self.version):
                continue
            part = next(
                (one for one in self.world.register.items.get(ref.item, ()) if one.version == ref.version), None
            )
            if part is None or len(found) == PARTS_MAX:
                return None
            found[key] = part
            ahead += part.facts.derived
        return tuple(found[key] for key in sorted(found))

    def licences(self, law: str, authority: str) -> tuple[LicenceState, ...]:
        """Licences under this law that name the item, granted by the party whose law it is."""
        adopter = self.charter.jurisdiction(law).adopter
        return tuple(
            one
            for one in self.world.licences(self.id)
            if (one.party, one.terms.jurisdiction, one.terms.authority) == (adopter, law, authority)
        )

    def judged(self, law: str, authority: str, condition: str) -> tuple[Determination, ...]:
        return judged(self.world, self._item, (authority, condition), self.day, law)

    def approvals(self) -> dict[str, Determination]:
        """Request -> what its own party's officers decided about it last."""
        what, found = (clause_authority(self.charter.releases.clause), APPROVED), {}
        for one in self.world.determinations(self.id, self.version):
            if one.party == self.party and isinstance(one.terms.request, str) and judges(one, self._item, what):
                found[one.terms.request] = one
        return found

    def recalls(self, holder: str = "") -> tuple[RecallState, ...]:
        """Orders over this item, or over a part of it, that this holder is under; every holder where none is named."""
        names = {(one.id, one.version) for one in (self._item, *(self.parts or ()))}
        found = [one for name in names for one in self.world.recalls(*name) if holder in {"", one.holder}]
        return tuple(sorted(found, key=lambda one: one.id))

    def stated(
        self, name: str, value: Value | UnsetType, why: str = "the owner has not stated it", act: str = ""
    ) -> Fact:
        """A fact that the owner's act states, or does not."""
        if isinstance(value, UnsetType):
            return _unknown(name, why)
        by = ("transferor_officer", "transferor_party", "owner")
        return Fact(name=name, value=value, says=Says.ACT, by=by, rests_on=act or self._item.act)

    def of_label(self, name: str, value: Value) -> Fact:
        return self.stated(name, value, act=self._item.label_act)

    @functools.cached_property
    def labels(self) -> tuple[tuple[Label, frozenset[str]], ...]:
        """Its own label, and that of every part of which another party has kept control, each with its owners' codes.

        INVARIANT: nobody widens by a label of his own what is another's.
        """
        bound = [part for part in self.parts or () if self.keepers(part) - {self.party}]
        return tuple((one.label, self._codes(one)) for one in (self._item, *bound))

    def keepers(self, part: ItemState) -> set[str]:
        """The owners of a part who have not given up control of it by an act of their own."""
        rule = (clause_authority(self.charter.releases.clause), GIVEN_UP)
        given_up = {one.party for one in judged(self.world, part, rule, self.day) if one.terms.holds}
        return {*part.facts.owners, part.party} - given_up

    def _codes(self, item: ItemState) -> frozenset[str]:
        return frozenset(filter(None, (code_of(self.charter, one) for one in item.facts.owners)))

    def levels(self) -> tuple[Level, ...]:
        every = {level for label, _ in self.labels for level in label.levels}
        return tuple(sorted(every, key=lambda level: (level.system, level.level)))

    def draws(self) -> tuple[tuple[str, str], ...]:
        """(licence, organisation) for which this version has been drawn already."""
        return self.world.draws(self.id, self.version)

    def _over_parts(
        self, name: str, read: Callable[[ItemState], tuple[str, ...] | UnsetType], *, some: bool = False
    ) -> Fact:
        """A derived item reaches wherever one of its parts reaches. some: an empty list is not stated."""
        if self.parts is None:
            return _unknown(name, "a part of it is not known here")
        found: set[str] = set()
        for one in (self._item, *self.parts):
            words = read(one)
            if isinstance(words, UnsetType) or (some and not words):
                whose = "the owner has not stated it" if one is self._item else f"not stated of {one.id}@{one.version}"
                return _unknown(name, whose)
            found |= set(words)
        return self.stated(name, tuple(sorted(found)) if self.parts else read(self._item))


def _releasable(thing: Thing) -> Fact:
    """The states in every label; unmarked means those of the owners."""
    allowed = frozenset.intersection(*(label.released_to(owners) for label, owners in thing.labels))
    return thing.of_label("item.releasable", tuple(sorted(allowed)))


def _left_out(thing: Thing) -> Fact:
    """Who keeps control of a part and is no owner of the whole."""
    if thing.parts is None:
        return _unknown("item.left_out", "a part of it is not known here")
    kept = {party for part in thing.parts for party in thing.keepers(part)}
    return thing.stated("item.left_out", tuple(sorted(kept - set(thing._item.facts.owners))))


def _approved(thing: Thing) -> Fact:
    words = (f"{'yes' if one.terms.holds else 'no'} {request}" for request, one in thing.approvals().items())
    return thing.stated("item.approved", tuple(sorted(words)))


def _parts_named(thing: Thing) -> Fact:
    parts = thing.parts
    named: Value | UnsetType = UNSET if parts is None else tuple(f"{one.id}@{one.version}" for one in parts)
    return thing.stated("item.parts", named, "a part of it is not known here")


def _money(value: Amount | UnsetType) -> Money | UnsetType:
    return UNSET if isinstance(value, UnsetType) else Money(amount=value.amount, currency=value.currency)


def _classified(thing: Thing) -> Fact:
    return thing.of_label("item.classified", any(map(thing.charter.equivalence.needs_clearance, thing.levels())))


def _listed(thing: Thing) -> Fact:
    """Its name where the charter's list of background has it; empty where it has not."""
    listed = {one.item for one in thing.charter.background or ()}
    return Fact(name="item.listed", value=thing.id if thing.id in listed else "", says=Says.CHARTER)


def _recalled(thing: Thing) -> Fact:
    held = {one.holder for one in thing.recalls()}
    return thing.stated("item.recalled", tuple(sorted(held)))


_OF_ITEM: Final[Mapping[str, Callable[[Thing], Fact]]] = {
    "item.owner": lambda t: t.stated("item.owner", t.party),
    "item.owners": lambda t: t.stated("item.owners", t._item.facts.owners),
    "item.project": lambda t: t.stated("item.project", t._item.facts.project),
    "item.areas": lambda t: t.stated("item.areas", t._item.facts.areas),
    "item.kind": lambda t: t.stated("item.kind", t._item.facts.nature),
    "item.flags": lambda t: t.stated("item.flags", t._item.facts.flags),
    "item.value": lambda t: t.stated("item.value", _money(t._item.facts.value)),
    "item.origins": lambda t: t._over_parts("item.origins", lambda one: one.facts.origins, some=True),
    "item.parts": _parts_named,
    "item.left_out": _left_out,
    "item.approved": _approved,
    "item.classified": _classified,
    "item.levels": lambda t: t.of_label("item.levels", tuple(map(str, t.levels()))),
    "item.releasable": _releasable,
    "item.tags": lambda t: t.of_label("item.tags", tuple(sorted({tag for one, _ in t.labels for tag in one.tags}))),
    "item.recalled": _recalled,
    "item.background": lambda t: t.stated("item.background", t._item.facts.background),
    "item.listed": _listed,
    "item.registered": lambda t: t.stated("item.registered", date_of(t._item.facts.at)),
    "item.draws": lambda t: t.stated("item.draws", tuple(sorted(" ".join(one) for one in t.draws()))),
    "item.retired": lambda t: t.stated("item.retired", bool(t._item.retired), act=t._item.retired),
    "transferor.party": lambda t: t.stated("transferor.party", t.party),
    "transferor.organisation": lambda t: t.stated("transferor.organisation", t._item.facts.organisation),
    "transferor.code": lambda t: _code("transferor.code", t.charter, t.party),
    "place.origin": lambda t: _code("place.origin", t.charter, t.party),
}


# ---- the recipient and the question ---------------------------------------------------------------------------------


class Someone:
    """A class of recipients as rules may read it. Nothing here depends on what is asked for."""

    def __init__(self, world: World, charter: Charter, to: RecipientClass, day: str) -> None:
        self.world, self.charter, self.to, self.day = world, charter, to, day

    @property
    def known(self) -> tuple[str, str] | None:
        """Inception and day of leaving; None while no ledger of its party is held here."""
        found: tuple[str, str] | None = self.world.read(("party", self.to.party))
        return found

    def fact(self, name: str) -> Fact:
        if name not in _OF_RECIPIENT:
            raise NotFound(f"no fact is called `{name}`")
        return _OF_RECIPIENT[name](self)

    def said(self, what: str, value: Value | UnsetType, until: str | None = None) -> Fact:
        """It counts only in the words of the own party or of a node. An empty list states nothing."""
        name, says = f"recipient.{what}", self.to.says.get(what)  # type: ignore[call-overload]
        if isinstance(value, UnsetType) or value == () or says not in SUFFICIENT:
            why = "only the person says so" if says == "person" else f"{self.to.party} has not stated it"
            return _unknown(name, why)
        return Fact(name=name, value=value, says=Says(says), by=("recipient_party",), until=until)


def _nationalities(one: Someone) -> Fact:
    held = one.to.nationalities
    return one.said("nationalities", held if isinstance(held, UnsetType) else tuple(sorted(set(held))))


def _clearance(one: Someone) -> Fact:
    held = one.to.clearance
    if isinstance(held, UnsetType):
        return one.said("clearance", UNSET)
    if isinstance(held.until, UnsetType):
        return one.said("clearance", f"{held.system} {held.level}")
    return one.said("clearance", f"{held.system} {held.level} until {held.until}", until=day_before(held.until))


def _cleared(one: Someone) -> Fact:
    """The clearance as laws compare it: by its name alone, its end beside it."""
    held = one.to.clearance
    if isinstance(held, UnsetType):
        return msgspec.structs.replace(one.said("clearance", UNSET), name="recipient.cleared")
    until = None if isinstance(held.until, UnsetType) else day_before(held.until)
    fact = one.said("clearance", f"{held.system} {held.level}", until=until)
    if until is not None and until < one.day:
        return _unknown("recipient.cleared", f"the clearance ended on {held.until}")
    return msgspec.structs.replace(fact, name="recipient.cleared")


def _ledger(one: Someone) -> Fact:
    known, name = one.known, "recipient.ledger"
    if known is None:
        return Fact(name=name, value="none", says=Says.NONE, why=f"no ledger of {one.to.party} is held here")
    inception, gone = known
    told = one.charter.left(one.to.party)
    gone = min(filter(None, (gone, told[1] if told is not None else "")), default="")
    value = "left" if gone and gone <= one.day else "held"
    until = day_before(gone) if gone else None
    return Fact(name=name, value=value, says=Says.ACT, rests_on=inception, until=until)


_OF_RECIPIENT: Final[Mapping[str, Callable[[Someone], Fact]]] = {
    "recipient.party": lambda s: _asked("recipient.party", s.to.party),
    "recipient.organisation": lambda s: _asked("recipient.organisation", s.to.organisation),
    "recipient.code": lambda s: _code("recipient.code", s.charter, s.to.party if s.known else ""),
    "recipient.employment": lambda s: s.said("employment", s.to.employment),
    "recipient.nationalities": _nationalities,
    "recipient.clearance": _clearance,
    "recipient.cleared": _cleared,
    "recipient.ledger": _ledger,
    "place.destination": lambda s: _code("place.destination", s.charter, s.to.party if s.known else ""),
}

_OF_QUESTION: Final[Mapping[str, Callable[[Question], Fact]]] = {
    # Where a person is, its party or its node may know; then they say it.
    "place.access": lambda q: _asked(
        "place.access", q.place, (q.place_says, *(("recipient_party",) if q.place_says in SUFFICIENT else ()))
    ),
    "transfer.purpose": lambda q: _asked("transfer.purpose", q.purpose, ("person",)),
    "transfer.method": lambda q: _asked("transfer.method", q.method),
    "question.value": lambda q: (
        _unknown("question.value", "no value is stated")
        if isinstance(value := _money(q.value), UnsetType)
        else _asked("question.value", value, ("transferor_officer",))
    ),
}


def _unknown(name: str, why: str) -> Fact:
    return Fact(name=name, value=UNKNOWN, says=Says.NONE, why=why)


def _asked(name: str, value: Value, by: tuple[str, ...] = ()) -> Fact:
    return Fact(name=name, value=value, says=Says.QUESTION, by=by)


def _code(name: str, charter: Charter, party: str) -> Fact:
    code = code_of(charter, party)
    why = "no text says by which letters markings name this party" if party else "this party is not known here"
    return Fact(name=name, value=code, says=Says.CHARTER) if code else _unknown(name, why)


# ---- pairs ----------------------------------------------------------------------------------------------------------


class Law(NamedTuple):
    """What one law says, the act that adopted its text, and the last day on which that text is the one adopted."""

    judgement: Judgement
    digest: str
    adopted: str
    until: str


@functools.lru_cache(maxsize=4096)
def made_of(name: str, law: str = "") -> tuple[str, ...]:
    """The one-sided facts behind a fact."""
    if ".attested." in name:
        return ("item.owner", "recipient.party", f"{name.partition('.')[0]}.organisation")
    if name.startswith("determined."):
        authority, _, condition = name.removeprefix("determined.").rpartition(".")
        return ("item.owner", "item.owners", "recipient.party", f"item.judged/{law}/{authority}/{condition}")
    if name.startswith("licensed."):
        authority = name.removeprefix("licensed.")
        named = f"item.licences/{law}/{authority}"
        value = made_of("transfer.value")
        return ("transferor.organisation", "recipient.organisation", *value, named, "item.draws")
    if name == "transfer.value":
        return ("item.value", "question.value")
    if name == "transfer.activity":
        return ("place.origin", "place.access")
    return (name,)


_read: dict[bytes, frozenset[str]] = {}  # by digest of the text


def law_reads(world: World, law: str, day: str) -> frozenset[str]:
    """The one-sided facts that the adopted text of a law declares to read."""
    adopted = text_on(world.read(("adopted", law)), day)
    if adopted is None or adopted.pack is None:
        return frozenset()
    key = adopted.pack.digest
    if key not in _read:
        _read[key] = frozenset(side for name in adopted.pack.facts for side in made_of(name, law))
    return _read[key]


def charter_of(register: Register) -> Charter:
    """Raises: NotFound before a partnership is founded; Refused for a charter of another engine."""
    if register.charter is None:
        raise NotFound("no partnership is founded in this register", hint="`relto act list` shows what is missing")
    if register.charter.engine not in ENGINES:
        known = ", ".join(map(str, ENGINES))
        raise Refused(f"the charter asks for engine {register.charter.engine}, and known here are {known}")
    return register.charter


def text_on(texts: tuple[AdoptedPack, ...], day: str) -> AdoptedPack | None:
    """The last adopted text whose validity holds the day."""
    held = [one for one in texts if one.pack is None or one.pack.valid.holds(day)]
    return held[-1] if held else None


class Case:
    """One question against one register. `fact` answers once and remembers.

    satisfied: jurisdictions whose law is taken as met, for the cases of a charter and for texts that are still to come.
    """

    def __init__(
        self,
        register: Register,
        question: Question,
        satisfied: frozenset[str] = frozenset(),
        thing: Thing | None = None,
        used: tuple[str, ...] | None = None,
        world: World | None = None,
    ) -> None:
        charter = charter_of(register)
        self.question, self.charter = question, charter
        self.world = world or world_of(register)
        self.me, self.day, self.satisfied = register.me, question.date, satisfied
        self.thing = thing or Thing(self.world, charter, register.item(question.item, question.version), self.day)
        self.someone = Someone(self.world, charter, question.to, self.day)
        self.readings: dict[Reading, None] = {}
        self._facts: dict[tuple[str, str], Fact] = {}
        self._laws: dict[str, Law] = {}
        self._used = used
        self._speakers: dict[str, Mapping[str, frozenset[str]]] = {}
        self._open: frozenset[str] | None = None

    def read(self, *reading: str) -> Any:
        """What the register holds under a name. Nothing else of it is seen by rules; what was read is remembered."""
        self.readings[reading] = None
        return self.world.read(reading)

    # ---- facts

    def reading(self, names: Iterable[str] | None) -> None:
        """From here on only these one-sided facts may be read (None: any). What is not declared is not seen."""
        self._open = None if names is None else frozenset(names)

    def fact(self, name: str, law: str = "") -> Fact:
        sides = made_of(name, law)
        if self._open is not None:
            undeclared = [side for side in sides if side not in self._open]
            assert not undeclared, f"{undeclared} is read without being declared"
        key = (name, law if len(sides) > 1 else "")
        if key not in self._facts:
            self._facts[key] = self._find(name, law)
        return self._facts[key]

    def text(self, name: str) -> str:
        value = self.fact(name).value
        assert isinstance(value, str), name
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """A list; empty also where nothing is stated."""
        value = self.fact(name).value
        return value if isinstance(value, tuple) else ()

    def _find(self, name: str, law: str) -> Fact:
        if ".attested." in name:
            return self._attested(name, law)
        if name.startswith("determined."):
            return self._determined(name, law)
        if name.startswith("licensed."):
            return self._licensed(name, law)
        if name == "transfer.value":
            return self._value()
        if name == "transfer.activity":
            return self._activity(law)
        if name in _OF_QUESTION:
            return _OF_QUESTION[name](self.question)
        return self.thing.fact(name) if name.startswith(ITEM_SIDE) else self.someone.fact(name)

    # ---- the law

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        return tuple(sorted(one.id for one in self.charter.jurisdictions))

    def law(self, jurisdiction: str) -> Law:
        if jurisdiction not in self._laws:
            before, self._open = self._open, law_reads(self.world, jurisdiction, self.day)
            self._laws[jurisdiction] = self._judge(jurisdiction)
            self._open = before
        return self._laws[jurisdiction]

    def used(self) -> tuple[str, ...]:
        """The parties whose law reaches this, or may."""
        if self._used is not None:
            return self._used
        reached = [one for one in self.jurisdictions if self.law(one).judgement.reached is not Three.NO]
        return tuple(dict.fromkeys(self.charter.jurisdiction(one).adopter for one in reached))

    def _judge(self, jurisdiction: str) -> Law:
        texts = self.read("adopted", jurisdiction)
        adopted = text_on(texts, self.day)
        if adopted is None:
            adopter = self.charter.jurisdiction(jurisdiction).adopter
            why = f"{adopter} has adopted no text that is the law on {self.day}"
            return Law(absent(jurisdiction, why), "", "", FAR)
        if adopted.pack is None:
            why = f"the text that {adopted.party} adopted is not held here, or was altered"
            return Law(absent(jurisdiction, why), "", "", FAR)
        judgement = evaluate(adopted.pack, self.day, lambda name: self.fact(name, jurisdiction))
        return self.law_with(jurisdiction, judgement)

    def law_with(self, jurisdiction: str, judgement: Judgement) -> Law:
        """A judgement by the text that is adopted, with the act that adopted it and its last day."""
        texts = self.read("adopted", jurisdiction)
        adopted = text_on(texts, self.day)
        assert adopted is not None
        later = [one.pack.valid.first for one in texts[texts.index(adopted) + 1 :] if one.pack is not None]
        until = min((day_before(first) for first in later if first is not None and first > self.day), default=FAR)
        return Law(judgement, adopted.digest, adopted.act, until)

    def speakers(self, jurisdiction: str) -> Mapping[str, frozenset[str]]:
        if jurisdiction not in self._speakers:
            adopted = text_on(self.read("adopted", jurisdiction), self.day)
            pack = adopted.pack if adopted is not None else None
            self._speakers[jurisdiction] = pack.speakers(self.day) if pack is not None else {}
        return self._speakers[jurisdiction]

    # ---- facts of a pair

    def _value(self) -> Fact:
        """What the owner's act says it is worth; else what is asked with. Who asks does not lower it."""
        for fact in (self.fact("item.value"), self.fact("question.value")):
            if fact.value is not UNKNOWN:
                return msgspec.structs.replace(fact, name="transfer.value")
        return _unknown("transfer.value", "no value is stated")

    def _activity(self, law: str) -> Fact:
        """What the transfer is under this law, by where it begins and where the thing is looked at."""
        origin, access = (self.fact(side).value for side in made_of("transfer.activity"))
        word = activity_of(law, origin, access)
        if isinstance(word, UnsetType):
            return _unknown("transfer.activity", "it is not known where it begins or where it is looked at")
        return Fact(name="transfer.activity", value=word, says=Says.QUESTION)

    def _attested(self, name: str, law: str) -> Fact:
        side, _, claim = name.partition(".attested.")
        owner, to = self.text("item.owner"), self.text("recipient.party")
        party, other = (owner, to) if side == "transferor" else (to, owner)
        about = self.text(f"{side}.organisation")
        by = (f"{side}_party", *(("state",) if self._adopts(party, law) else ()))
        held = [one for one in self.read("attestations", about, claim) if self._assures(one, party, other)]
        if not held:
            why = f"{party} has no attestation `{claim}` of {about} in force"
            return Fact(name=name, value=False, says=Says.ACT, by=by, why=why)
        one = max(held, key=lambda one: self._until(one.party, one.terms.term.last))
        until = self._until(one.party, one.terms.term.last)
        return Fact(
            name=name, value=True, says=Says.ACT, by=by, rests_on=one.act, until=until if until != FAR else None
        )

    def _assures(self, one: Attestation, party: str, other: str) -> bool:
        """A party vouches for its own organisations, each by name; for itself where it is asked about as such."""
        return (
            one.party == party
            and (isinstance(one.terms.other, UnsetType) or one.terms.other == other)
            and one.terms.term.holds(self.day)
            and (not self.is_gone(party) or self.keeps_access(party))
        )

    def gone_from(self, party: str) -> str:
        self.readings["party", party] = None
        return gone_from(self.world, party)

    def is_gone(self, party: str) -> bool:
        gone = self.gone_from(party)
        return bool(gone) and gone <= self.day

    def left(self, party: str) -> tuple[str, str] | None:
        self.gone_from(party)
        return left_by(self.world, self.charter, party, self.day)

    def keeps_access(self, party: str) -> bool:
        """Whether a party that asks and has left goes on speaking for its organisations, for what it still receives."""
        return self.access_kept(party) >= self.day

    def access_kept(self, party: str) -> str:
        """The last day on which a party that has left still receives anything; empty where it does not."""
        left = self.left(party) if party == self.question.to.party and self.charter.keeps_access else None
        if left is None:
            return ""
        return max((one.last_day(left[1]) or FAR for one in self.charter.kept(left[0])), default="")

    def _until(self, party: str, last: str | None) -> str:
        """The last day of something that a party grants: its own, or the party's last day in the partnership."""
        gone = self.access_kept(party) or self.gone_from(party)
        return min(last or FAR, day_before(gone) if gone else FAR)

    def _adopts(self, party: str, law: str) -> bool:
        return bool(law) and self.charter.jurisdiction(law).adopter == party

    def _determined(self, name: str, law: str) -> Fact:
        """What those say whom the law asks; the no of one of them stands."""
        authority, _, condition = name.removeprefix("determined.").rpartition(".")
        for side in made_of(name, law):
            self.fact(side)
        wanted = self.speakers(law).get(name, frozenset())
        told = [one for one in self.thing.judged(law, authority, condition) if self._roles(one.party, law) & wanted]
        if not told:
            return _unknown(name, "nobody whom the law asks has determined it for the item under its label")
        said = next((one for one in told if not one.terms.holds), told[0])
        agreed = [one for one in told if one.terms.holds == said.terms.holds]
        by = sorted({role for one in agreed for role in self._roles(one.party, law)})
        # The reason travels with the answer: "not controlled" is recorded with the same care as a permit.
        why = f"{said.party}: {said.terms.reason.splitlines()[0][:200]}"
        if against := [one for one in told if one.terms.holds != said.terms.holds]:
            why += "; contradicted by " + ", ".join(f"{one.party} ({one.act[:8]})" for one in against)
        return Fact(name=name, value=said.terms.holds, says=Says.ACT, by=tuple(by), rests_on=said.act, why=why)

    def _roles(self, party: str, law: str) -> frozenset[str]:
        """In whose name a party speaks about this item under this law."""
        roles: set[str] = set()
        if party == self.text("item.owner"):
            roles |= {"transferor_officer", "transferor_party", "owner"}
        if party in self.words("item.owners"):
            roles.add("owner")
        if party == self.text("recipient.party"):
            roles.add("recipient_party")
        if self._adopts(party, law):
            roles.add("state")
        return frozenset(roles)

    def _licensed(self, name: str, law: str) -> Fact:
        """The licence drawn on already comes first, then the one that lasts longest."""
        for side in made_of(name, law):
            self.fact(side)
        found: list[tuple[bool, str, str]] = []
        against: list[tuple[bool, bool, str]] = []  # what is open comes first, what is revoked last
        for one in sorted(self.thing.licences(law, name.removeprefix("licensed.")), key=lambda one: one.act):
            value, words, drawn = self._covers(one)
            if value is Three.YES:
                found.append((drawn, self._until(one.party, one.terms.term.last), one.act))
            else:
                against.append((value is not Three.UNKNOWN, bool(one.revoked), words))
        if found:
            _, until, act = max(found, key=lambda row: row[:2])
            return Fact(
                name=name, value=True, says=Says.ACT, by=("state",), rests_on=act, until=until if until != FAR else None
            )
        why = "; ".join(words for _, _, words in sorted(against)[:LICENCES_NAMED_MAX])
        if any(not settled for settled, _, _ in against):
            return _unknown(name, why)
        return Fact(
            name=name,
            value=False,
            says=Says.ACT,
            by=("state",),
            why=why or "no licence that names the item is granted",
        )

    def _covers(self, one: LicenceState) -> tuple[Three, str, bool]:
        if one.revoked or self.is_gone(one.party):
            return Three.NO, f"licence {one.terms.licence} is revoked, replaced, or of a party that has left", False
        organisation = self.text("recipient.organisation")
        drawn = (one.act, organisation) in self.thing.draws()
        # Quantity and value are drawn once per licence, item version and organisation: opening again uses up nothing.
        used = Used(quantity=one.used + (0 if drawn else 1), value=self._value_used(one, drawn=drawn))
        name = f"{self.thing.id}@{self.thing.version}"
        holder = self.text("transferor.organisation")
        value, words = licence_covers(_licence(one), holder, organisation, name, self.day, used)
        return value, f"licence {one.terms.licence}: {', '.join(words)}", drawn

    def _value_used(self, one: LicenceState, *, drawn: bool) -> Money | None:
        """The value drawn so far and by this release; None where it is not stated in the licence's currency."""
        limit, value = one.terms.value, self.fact("transfer.value").value
        if isinstance(limit, UnsetType) or drawn:
            return None if isinstance(limit, UnsetType) else Money(amount=one.spent, currency=limit.currency)
        if not isinstance(value, Money) or value.currency != limit.currency:
            return None
        return Money(amount=one.spent + value.amount, currency=limit.currency)


def _licence(one: LicenceState) -> LawLicence:
    terms = one.terms
    return LawLicence(
        id=terms.licence,
        jurisdiction=terms.jurisdiction,
        authority=terms.authority,
        holder=terms.holder,
        recipients=terms.recipients,
        items=terms.items,
        valid=Span(first=terms.term.since, last=terms.term.last),
        quantity=None if isinstance(terms.quantity, UnsetType) else terms.quantity,
        value=None
        if isinstance(terms.value, UnsetType)
        else Money(amount=terms.value.amount, currency=terms.value.currency),
        provisos=terms.provisos,
    )
