"""The cases beside a charter, run: a world without ledgers is built from the text, and each case is decided in it.

What the text takes as given is given: every ledger is fresh, every vote that stands there is confirmed, every
organisation attested, and the law of every jurisdiction is met, for packs have cases of their own.

Source: spec/charter.md, "Cases"; spec/decision.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct

from relto import acts
from relto.acts import Attestation, EngagementState, ItemState, PartyState, Proposal, RecipientClass, Register, Stated
from relto.acts.envelope import Envelope
from relto.charter import Charter, Text
from relto.charter.cases import Case, Cases, Engaged, Person, Thing, load_cases
from relto.law import Three
from relto.release.decide import judge
from relto.release.question import Decision, Question, is_conjunct


class Result(Struct, frozen=True, kw_only=True):
    """One case as it came out; `problems` is empty where it came out as expected."""

    id: str
    where: str
    expected: str
    got: str
    problems: tuple[str, ...]


def run_charter_cases(charter: Charter, text: Text) -> tuple[Result, ...]:
    """Every case of the text.

    Raises: Malformed for a text that is not understood, or that is about another charter.
    """
    cases = load_cases(text, charter)
    return tuple(_run(charter, cases, case) for case in cases.cases)


def _run(charter: Charter, cases: Cases, case: Case) -> Result:
    day = int(dt.datetime.fromisoformat(case.day).replace(tzinfo=dt.UTC).timestamp() * 1000)
    person = cases.person(case.who)
    question = Question(
        to=_recipient(person),
        item=case.what,
        version=1,
        purpose=case.purpose,
        place=person.place,
        place_says="party",
        day=day,
    )
    every_law = frozenset(one.id for one in charter.jurisdictions)
    decision = judge(_Stage(charter, cases, day).register(), question, satisfied=every_law).decision
    return Result(
        id=case.id,
        where=case.where,
        expected=_words(case.answer, case.fails),
        got=_words(decision.answer, _fails(decision)),
        problems=tuple(_problems(case, decision)),
    )


def _fails(decision: Decision) -> tuple[str, ...]:
    """Deny: the rules that are no. Undetermined: those that are unknown."""
    wanted = Three.NO if decision.answer == "deny" else Three.UNKNOWN
    return tuple(one.rule for one in decision.failing if one.value is wanted)


def _words(answer: str, fails: tuple[str, ...]) -> str:
    return f"{answer} ({', '.join(sorted(fails))})" if fails else answer


def _problems(case: Case, decision: Decision) -> Iterator[str]:
    if decision.answer != case.answer:
        yield f"the answer is {decision.answer}"
    got, wanted = set(_fails(decision)), set(case.fails)
    if got - wanted:
        yield f"fails too: {', '.join(sorted(got - wanted))}"
    if wanted - got:
        yield f"does not fail: {', '.join(sorted(wanted - got))}"
    shown = [one for one in decision.findings if is_conjunct(one) and (one.value is not Three.YES or not got)]
    uncited = sorted(set(case.clauses) - {one.clause for one in shown})
    if uncited:
        yield f"does not cite: {', '.join(uncited)}"


def _recipient(person: Person) -> RecipientClass:
    held = person.clearance
    return RecipientClass(
        party=person.party,
        organisation=person.organisation,
        employment="regular",
        nationalities=person.nationalities or UNSET,
        clearance=acts.Clearance(system=held.system, level=held.level) if held is not None else UNSET,
        says={"employment": "party", "nationalities": "party", "clearance": "party"},
    )


class _Stage:
    """The world of a text of cases, as a member's register would hold it on a day."""

    def __init__(self, charter: Charter, cases: Cases, day: int) -> None:
        self.charter, self.cases, self.day = charter, cases, day
        self.codes = {one.id: one.code for one in charter.parties} | {one.id: one.code for one in cases.outsiders}

    def register(self) -> Register:
        engagements = [self._engagement(one) for one in self.cases.engagements if not self._missing(one)]
        slots = [self._slot(one) for one in self.cases.engagements]
        nothing: Any = {}
        return Register(
            me=self.charter.members[0],
            sight=nothing,
            partnership=_id("founding"),
            charter=self.charter,
            charter_id=_id("founding"),
            directory=None,
            packs=nothing,
            parties={name: self._party(name) for name in self.codes},
            slots={one.id: one for one in slots},
            projects={one.id: one for one in self.charter.projects},
            engagements={one.id: one for one in engagements},
            items={one.id: (self._item(one),) for one in self.cases.items},
            licences=nothing,
            attestations=tuple(self._attested(one) for one in self.cases.people),
            determinations=(),
            rosters=nothing,
            releases=nothing,
            recalls=nothing,
            denials=frozenset(),
            evidence=(),
            owed=nothing,
            void=(),
            alarms=(),
            acks=nothing,
            stated=nothing,
            missing=frozenset(),
            scans=nothing,
            objects=nothing,
        )

    def _party(self, name: str) -> PartyState:
        grades = {one.id: one.grade for one in self.charter.parties}
        return PartyState(
            id=name,
            grade=grades.get(name, "introduced"),
            name=name,
            code=self.codes[name],
            origin=_origin(name),
            address="",
            inception=_id("inception", name),
            chain=(),
            size=1,
            seen=self.day,
            confirmed=1,
        )

    def _terms(self, one: Engaged) -> acts.Engagement:
        last = dt.date.fromisoformat(one.term.last) + dt.timedelta(days=1) if one.term.last else None
        members = tuple(
            acts.Member(party=name, inception=_id("inception", name), origin=_origin(name), address="http://case")
            for name in self.charter.members
        )
        return acts.Engagement(
            party=one.party,
            inception=_id("inception", one.party),
            origin=_origin(one.party),
            address="http://case",
            project=one.project,
            role="participant",
            areas=one.areas,
            ceiling=one.ceiling,
            term=acts.Term(since=one.term.first or "1900-01-01", until=last.isoformat() if last else UNSET),
            members=members,
            confirm=self.charter.confirm,
        )

    def _voters(self, one: Engaged) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.charter.members, one.party)))

    def _missing(self, one: Engaged) -> tuple[str, ...]:
        return tuple(party for party in self._voters(one) if party not in one.consents)

    def _engagement(self, one: Engaged) -> EngagementState:
        terms, voters = self._terms(one), self._voters(one)
        stops = tuple((party, _id("suspend", one.id, party)) for party in one.suspended_by if party in voters)
        votes = tuple(_id("consent", one.id, party) for party in voters)
        proposal = _id("propose", one.id)
        return EngagementState(
            id=one.id, proposal=proposal, terms=terms, term=terms.term, suspended=stops, by=(proposal, *votes)
        )

    def _slot(self, one: Engaged) -> Proposal:
        missing, subject = self._missing(one), f"engagement/{one.id}"
        author = self.charter.members[0]
        act = acts.Propose(author=author, log=_origin(author), at=0, subject=subject, n=1, what=self._terms(one))
        nothing = Envelope(payload=b"", payloadType="", signatures=())
        return Proposal(
            id=_id("propose", one.id),
            subject=subject,
            n=1,
            stated=Stated(act, _id("propose", one.id), _origin(author), 0, 0, nothing),
            state="open" if missing else "in_force",
            voters=self._voters(one),
            missing=missing,
        )

    def _item(self, one: Thing) -> ItemState:
        party = one.id.partition("/")[0]
        facts = acts.RegisterItem(
            author=party,
            log=_origin(party),
            at=0,
            item=one.id,
            version=1,
            opaque=_id(one.id)[:32],
            title=one.id,
            organisation=f"{party}/{party}",
            owners=tuple(dict.fromkeys((party, *one.owners))),
            release=acts.ReleaseRule(rule="one"),
            project=one.project,
            areas=one.areas,
            label=one.label,
            nature="technical_data",
        )
        act = _id("register", one.id)
        return ItemState(
            id=one.id, version=1, act=act, facts=facts, label=one.label, label_act=act, party=party, index=0
        )

    def _attested(self, person: Person) -> Attestation:
        terms = acts.Attest(
            author=person.party,
            log=_origin(person.party),
            at=0,
            about=person.organisation,
            claim="organisation",
            term=acts.Term(since="1900-01-01"),
        )
        return Attestation(act=_id("attest", person.organisation), party=person.party, terms=terms)


def _origin(party: str) -> str:
    return f"{party}.case/case/0"


def _id(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()
