"""The same rules asked backwards, and for many pairs at once.

Items that agree in every fact that rules read are one class, recipients likewise; rules run once for each pair of classes. A class is computed from
facts, never listed: `item_class` reads exactly what the rules and the adopted packs read, so a rule that reads a new fact splits classes by itself.

Answers name people of other parties only as declared classes with head counts: complete means complete over declared rosters.

Source: contracts of the design, sections 3 and 12; spec/decision.md, "Classes".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import UNSET, Struct

from relto.acts import ItemState, RecipientClass, Register
from relto.release.decide import decide
from relto.release.question import Answer, Decision, Question


class Declared(Struct, frozen=True, kw_only=True):
    """A class of recipients as its party's roster declares it."""

    recipient: RecipientClass
    heads: int
    day: str  # of the declaration
    name: str = ""  # of one's own people only

    @property
    def id(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self.recipient, order="sorted")).hexdigest()[:12]


class Row(Struct, frozen=True, kw_only=True):
    """One line of a reverse answer."""

    item: str
    version: int
    to: Declared
    answer: Answer
    decision: str
    until: str = ""


def rosters(register: Register) -> tuple[Declared, ...]:
    """All declared classes, by party and then by class."""
    found = [
        Declared(recipient=one.recipient, heads=one.heads, day=roster.terms.day)
        for _, roster in sorted(register.rosters.items())
        for one in roster.terms.classes
    ]
    return tuple(sorted(found, key=lambda d: (d.recipient.party, d.recipient.organisation, d.id)))


def usual(
    register: Register, item: ItemState, to: RecipientClass, day: int, purpose: str = "", place: str = ""
) -> Question:
    """The question one asks when nobody said more: the project's first purpose, at the recipient party's own place."""
    party = register.parties.get(to.party)
    charter = register.charter
    if not purpose and charter is not None:
        purpose = next((p.id for p in charter.purposes if not p.projects or item.facts.project in p.projects), "")
    return Question(
        to=to,
        item=item.id,
        version=item.version,
        purpose=purpose,
        place=place or (party.code if party else to.party.upper()[:3]),
        place_says="party",
        day=day,
    )


class Kernel:
    """Decisions remembered by pair of classes, for one register."""

    def __init__(self, register: Register) -> None:
        self.register = register
        self._known: dict[tuple[str, str, str], Decision] = {}
        self._classes: dict[str, str] = {}

    def answer(self, question: Question, item: ItemState) -> Decision:
        """The decision for a pair of classes; only its answer and its end carry over to another item of the class."""
        rest = f"{question.purpose}|{question.place}|{question.place_says}|{question.method}|{question.day}"
        key = (
            self.item_class(item),
            hashlib.sha256(msgspec.json.encode(question.to, order="sorted")).hexdigest(),
            rest,
        )
        if key not in self._known:
            self._known[key] = decide(self.register, question)
        return self._known[key]

    def item_class(self, item: ItemState) -> str:
        """Digest of the facts of an item that a rule or an adopted pack reads. An id is among them only where an act names the item."""
        name = f"{item.id}@{item.version}"
        if name not in self._classes:
            register, facts = self.register, item.facts
            view = {
                "owner": [item.party, facts.owners, facts.organisation, facts.release, facts.project, facts.areas, facts.nature, bool(item.retired)],
                "label": item.label,
                "stated": [
                    facts.origins if facts.origins is not UNSET else "unknown", facts.flags if facts.flags is not UNSET else "unknown", facts.entries,
                ],
                "determined": sorted(
                    (d.party, d.terms.authority, d.terms.condition, d.terms.holds, d.terms.jurisdiction) for d in register.determinations
                    if not d.revoked and (d.terms.item, d.terms.version) == (item.id, item.version) and d.terms.on == item.label_act
                ),
                "licences": sorted(one.act for one in register.licences.values() if item.id in one.terms.items),
                "recalled": sorted(
                    one.id for one in register.recalls.values()
                    if (register.releases[one.release].terms.item, register.releases[one.release].terms.version) == (item.id, item.version)
                ),
            }  # fmt: skip
            self._classes[name] = hashlib.sha256(msgspec.json.encode(view, order="sorted")).hexdigest()
        return self._classes[name]


def newest(register: Register) -> Iterator[ItemState]:
    for versions in register.items.values():
        if not versions[-1].retired:
            yield versions[-1]


def pairs(
    register: Register, items: Iterable[ItemState], to: Iterable[Declared], day: int, purpose: str = ""
) -> tuple[Row, ...]:
    """Every item against every declared class, decided by the kernel."""
    kernel = Kernel(register)
    people = tuple(to)
    rows = []
    for item in items:
        for one in people:
            decision = kernel.answer(usual(register, item, one.recipient, day, purpose), item)
            until = "" if decision.valid_until is UNSET else str(decision.valid_until)
            rows.append(
                Row(
                    item=item.id,
                    version=item.version,
                    to=one,
                    answer=decision.answer,
                    decision=decision.id,
                    until=until,
                )
            )
    return tuple(rows)


def who(register: Register, item: str, day: int, purpose: str = "") -> tuple[Row, ...]:
    """Everyone who may have this item: declared classes for which the answer is a permit.

    Raises: NotFound.
    """
    return tuple(
        row for row in pairs(register, [register.item(item)], rosters(register), day, purpose) if row.answer == "permit"
    )


def what(register: Register, to: Declared, day: int, purpose: str = "") -> tuple[Row, ...]:
    """Everything that this class may have, of what this register may know of."""
    return tuple(row for row in pairs(register, newest(register), [to], day, purpose) if row.answer == "permit")


def heads(rows: Iterable[Row]) -> int:
    """People, each declared class counted once."""
    counted: Mapping[str, int] = {row.to.id: row.to.heads for row in rows}
    return sum(counted.values())
