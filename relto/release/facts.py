"""What rules may ask of one question against one register, each fact with who states it and the act it rests on.

Closed world for what an act creates: no act, so `False`. Open world for facts about things and people: not stated, so unknown.

Source: contracts of the design, sections 2 and 5; spec/decision.md, "Facts".
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET, UnsetType

from relto.acts import Determination, EngagementState, ItemState, LicenceState, PartyState, RecipientClass, Register
from relto.charter import Pillar, Project
from relto.charter.text import Money, Span
from relto.errors import NotFound, ReltoError
from relto.law import UNKNOWN, Fact, Says, Three, Used, Value
from relto.law import Licence as LawLicence
from relto.law import covers as licence_covers
from relto.release.question import Question

SUFFICIENT = ("party", "node")  # `person` never suffices for nationality, clearance or employment


class Case:
    """One question against one register. `fact(name)` answers once and remembers."""

    def __init__(self, register: Register, question: Question) -> None:
        if register.charter is None:
            raise NotFound("no partnership is founded in this register", hint="`relto act list` shows what is missing")
        self.register, self.question, self.charter = register, question, register.charter
        self.item: ItemState = register.item(question.item, question.version)
        self.day = question.date
        self._facts: dict[str, Fact] = {}

    @property
    def owner(self) -> PartyState:
        return self.register.party(self.item.party)

    @property
    def recipient(self) -> PartyState | None:
        return self.register.parties.get(self.question.to.party)

    @property
    def project(self) -> Project | None:
        try:
            return self.charter.project(self.item.facts.project)
        except ReltoError:
            return None

    @property
    def pillar(self) -> Pillar | None:
        return self.charter.pillar(self.project.pillar) if self.project else None

    @property
    def owners_codes(self) -> frozenset[str]:
        return frozenset(
            self.register.party(one).code for one in self.item.facts.owners if one in self.register.parties
        )

    def engagements(self) -> tuple[EngagementState, ...]:
        return self.register.engagement_of(self.question.to.party, self.item.facts.project)

    def fact(self, name: str) -> Fact:
        if name not in self._facts:
            self._facts[name] = self._find(name)
        return self._facts[name]

    def _find(self, name: str) -> Fact:
        if name in _PLAIN:
            return _PLAIN[name](self)
        head, _, rest = name.partition(".")
        if head == "item" and rest.startswith("entries."):
            return self._entries(rest.removeprefix("entries."))
        if rest.startswith("attested.") and head in {"transferor", "recipient"}:
            return self._attested(name, head, rest.removeprefix("attested."))
        if head == "determined":
            authority, _, condition = rest.rpartition(".")
            return self._determined(name, authority, condition)
        if head == "licensed":
            return self._licensed(name, rest)
        raise NotFound(f"no fact is called `{name}`")

    # ---- facts with a parameter ------------------------------------------------------------------------------------------

    def _entries(self, jurisdiction: str) -> Fact:
        entries = self.item.facts.entries.get(jurisdiction)
        name = f"item.entries.{jurisdiction}"
        if entries is None:
            return _unknown(name, f"the owner has not stated control entries under the law of {jurisdiction}")
        return Fact(name=name, value=entries, says=Says.ACT, by=("transferor_officer", "owner"), rests_on=self.item.act)

    def _attested(self, name: str, role: str, claim: str) -> Fact:
        about = self.item.facts.organisation if role == "transferor" else self.question.to.organisation
        party = about.partition("/")[0]
        for one in self.register.attestations:
            if (
                (one.party, one.terms.claim) == (party, claim)
                and one.terms.about in {about, party}
                and not one.revoked
                and one.terms.term.holds(self.day)
            ):
                return Fact(
                    name=name, value=True, says=Says.ACT, by=_side(role), rests_on=one.act, until=one.terms.term.last
                )
        return Fact(
            name=name,
            value=False,
            says=Says.ACT,
            by=_side(role),
            why=f"{party} has no attestation `{claim}` of {about} in force",
        )

    def _determined(self, name: str, authority: str, condition: str) -> Fact:
        found = [
            one
            for one in self.register.determinations
            if not one.revoked and (one.terms.item, one.terms.version, one.terms.authority, one.terms.condition) == (self.item.id, self.item.version, authority, condition)
        ]  # fmt: skip
        live = [one for one in found if one.terms.on == self.item.label_act]
        if not live:
            why = "the determination ended when the item was relabelled" if found else "nobody has determined it"
            return _unknown(name, why)
        one = live[-1]
        return Fact(name=name, value=one.terms.holds, says=Says.ACT, by=self._judge(one), rests_on=one.act)

    def _judge(self, one: Determination) -> tuple[str, ...]:
        """In whose name a determination speaks."""
        roles = []
        if one.party in self.item.facts.owners:
            roles += ["transferor_officer", "transferor_party", "owner"]
        if any(j.id == one.terms.jurisdiction and j.adopter == one.party for j in self.charter.jurisdictions):
            roles.append("state")
        if one.party == self.question.to.party:
            roles.append("recipient_party")
        return tuple(roles)

    def _licensed(self, name: str, authority: str) -> Fact:
        why = "no licence is granted"
        for one in self.register.licences.values():
            if one.terms.authority != authority or self.item.id not in one.terms.items:
                continue
            yes, words = self._covered(one)
            if yes:
                return Fact(
                    name=name, value=True, says=Says.ACT, by=("state",), rests_on=one.act, until=one.terms.term.last
                )
            why = words
        return Fact(name=name, value=False, says=Says.ACT, by=("state",), why=why)

    def _covered(self, one: LicenceState) -> tuple[bool, str]:
        if one.revoked:
            return False, f"licence {one.terms.licence} is revoked or replaced"
        terms = one.terms
        drawn = (self.item.id, self.item.version, self.question.to.organisation) in one.draws
        licence = LawLicence(
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
        # Drawn once per licence, item version and recipient organisation: opening again uses up nothing.
        used = Used(quantity=one.used + (0 if drawn else 1), value=self._value())
        name = f"{self.item.id}@{self.item.version}"
        value, words = licence_covers(
            licence, self.item.facts.organisation, self.question.to.organisation, name, self.day, used
        )
        return value is Three.YES, "; ".join(words)

    def _value(self) -> Money | None:
        value = self.question.value
        return None if isinstance(value, UnsetType) else Money(amount=value.amount, currency=value.currency)


def _side(role: str) -> tuple[str, ...]:
    return ("transferor_party", "state") if role == "transferor" else ("recipient_party",)


def _unknown(name: str, why: str) -> Fact:
    return Fact(name=name, value=UNKNOWN, says=Says.NONE, why=why)


def _said(case: Case, what: str, value: Value | UnsetType) -> Fact:
    """A fact about the recipient: it counts only in the words of the own party or of a node."""
    to: RecipientClass = case.question.to
    name = f"recipient.{what}"
    says = to.says.get(what)  # type: ignore[call-overload]
    if isinstance(value, UnsetType) or value == () or says not in SUFFICIENT:
        return _unknown(name, f"{to.party} has not stated it" if says != "person" else "only the person says so")
    return Fact(name=name, value=value, says=Says(says), by=("recipient_party",))


def _act_fact(name: str, value: Value, case: Case, act: str = "") -> Fact:
    return Fact(
        name=name, value=value, says=Says.ACT, by=("transferor_officer", "owner"), rests_on=act or case.item.act
    )


def _stated(name: str, case: Case, value: Value | UnsetType) -> Fact:
    return (
        _unknown(name, "the owner has not stated it") if isinstance(value, UnsetType) else _act_fact(name, value, case)
    )


def _classified(case: Case) -> Fact:
    needs = any(case.charter.equivalence.needs_clearance(level) for level in case.item.label.levels)
    return _act_fact("item.classified", needs, case, case.item.label_act)


def _charter(name: str, value: Value) -> Fact:
    return Fact(name=name, value=value, says=Says.CHARTER)


def _asked(name: str, value: Value, by: str = "") -> Fact:
    return Fact(name=name, value=value, says=Says.QUESTION, by=(by,) if by else ())


def _code(name: str, party: PartyState | None) -> Fact:
    return _charter(name, party.code) if party else _unknown(name, "this party is not known here")


_PLAIN: dict[str, Callable[[Case], Fact]] = {
    "item.owner": lambda c: _act_fact("item.owner", c.item.party, c),
    "item.owners": lambda c: _act_fact("item.owners", c.item.facts.owners, c),
    "item.organisation": lambda c: _act_fact("item.organisation", c.item.facts.organisation, c),
    "item.project": lambda c: _act_fact("item.project", c.item.facts.project, c),
    "item.areas": lambda c: _act_fact("item.areas", c.item.facts.areas, c),
    "item.label": lambda c: _act_fact("item.label", _label_words(c), c, c.item.label_act),
    "item.origins": lambda c: _stated("item.origins", c, c.item.facts.origins),
    "item.flags": lambda c: _stated("item.flags", c, c.item.facts.flags),
    "item.kind": lambda c: _act_fact("item.kind", c.item.facts.nature, c),
    "item.classified": _classified,
    "transferor.party": lambda c: _act_fact("transferor.party", c.item.party, c),
    "transferor.organisation": lambda c: _act_fact("transferor.organisation", c.item.facts.organisation, c),
    "transferor.code": lambda c: _code("transferor.code", c.owner),
    "recipient.party": lambda c: _asked("recipient.party", c.question.to.party),
    "recipient.organisation": lambda c: _asked("recipient.organisation", c.question.to.organisation),
    "recipient.code": lambda c: _code("recipient.code", c.recipient),
    "recipient.nationalities": lambda c: _said(c, "nationalities", c.question.to.nationalities),
    "recipient.employment": lambda c: _said(c, "employment", c.question.to.employment),
    "recipient.clearance": lambda c: _said(c, "clearance", _clearance_words(c)),
    "place.origin": lambda c: _code("place.origin", c.owner),
    "place.destination": lambda c: _code("place.destination", c.recipient),
    "place.access": lambda c: _asked("place.access", c.question.place, c.question.place_says),
    "transfer.purpose": lambda c: _asked("transfer.purpose", c.question.purpose),
    "transfer.method": lambda c: _asked("transfer.method", c.question.method),
    "transfer.value": lambda c: (
        _unknown("transfer.value", "no value is stated")
        if isinstance(c.question.value, UnsetType)
        else _asked("transfer.value", Money(amount=c.question.value.amount, currency=c.question.value.currency))
    ),
}


def _label_words(case: Case) -> tuple[str, ...]:
    label = case.item.label
    rel = (
        ("unmarked",)
        if isinstance(label.rel, UnsetType)
        else tuple(f"rel:{one}" for one in label.rel) or ("rel:nobody",)
    )
    return (*(str(level) for level in label.levels), *rel, *(f"tag:{one}" for one in label.tags))


def _clearance_words(case: Case) -> str | UnsetType:
    held = case.question.to.clearance
    return (
        UNSET
        if isinstance(held, UnsetType)
        else f"{held.system} {held.level}" + ("" if isinstance(held.until, UnsetType) else f" until {held.until}")
    )
