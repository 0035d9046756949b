"""The cases beside a charter, run: a world without ledgers is built from the text, and each case is decided in it.

What the text takes as given is given: every ledger is fresh, every vote that stands there is confirmed, every
organisation attested, and the law of every jurisdiction is met, for packs have cases of their own.

Source: spec/charter.md, "Cases"; spec/decision.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from msgspec import UNSET, Struct

from relto import acts
from relto.acts import (
    Attestation,
    Determination,
    EngagementState,
    ItemState,
    PartyState,
    Proposal,
    RecipientClass,
    Register,
    Stated,
)
from relto.acts.envelope import Envelope
from relto.charter import Charter, Matter, Poll, Text, Voice, poll
from relto.charter.asking import answer, struck
from relto.charter.cases import Attested, Case, Cases, Engaged, Judged, Person, Thing, load_cases
from relto.errors import NotFound, ReltoError
from relto.law import Three
from relto.release.decide import judge
from relto.release.facts import clause_authority
from relto.release.question import Decision, Question, is_conjunct


class Result(Struct, frozen=True, kw_only=True):
    """One case as it came out; `problems` is empty where it came out as expected."""

    id: str
    where: str
    expected: str
    got: str
    problems: tuple[str, ...]


class Uncovered(Struct, frozen=True, kw_only=True):
    """A clause that could be struck out and every case would come out as before. why: as the text of cases says."""

    clause: str
    of: str
    why: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came out of one case, with its reasons: two that are equal tell nothing apart."""

    answer: str
    fails: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()


def run_charter_cases(charter: Charter, text: Text, names: Sequence[str] = ()) -> tuple[Result, ...]:
    """The cases of the text whose id fits one of the names, in which `*` stands for anything; without names, all.

    Raises: Malformed for a text that is not understood, or that is about another charter.
    """
    cases = load_cases(text, charter)
    wanted = [one for one in cases.cases if not names or any(fnmatchcase(one.id, name) for name in names)]
    return tuple(_result(one, outcome(charter, cases, one)) for one in wanted)


def coverage(charter: Charter, text: Text) -> tuple[Uncovered, ...]:
    """The clauses of which no case can tell whether they are there, in the order of the charter.

    Each clause is struck out in turn and the cases are asked again: those first that named it.

    Raises: Malformed, as above.
    """
    cases = load_cases(text, charter)
    before = {one.id: outcome(charter, cases, one) for one in cases.cases}
    found = []
    for clause in charter.clauses:
        left = struck(charter, clause.id)
        first = sorted(cases.cases, key=lambda one: (clause.id not in before[one.id].clauses, one.asked is None))
        if not any(_changed(left, cases, one, before[one.id]) for one in first):
            found.append(Uncovered(clause=clause.id, of=clause.of, why=cases.uncovered.get(clause.id, "")))
    return tuple(found)


def _changed(left: Charter, cases: Cases, case: Case, before: Outcome) -> bool:
    try:
        return outcome(left, cases, case) != before
    except ReltoError:  # what the case is about is gone, or makes no sense any more
        return True


def outcome(charter: Charter, cases: Cases, case: Case) -> Outcome:
    """The answer to a case under this charter. Raises: NotFound for what the charter does not have."""
    if case.asked is not None:
        found = answer(charter, case.asked)
        return Outcome(answer=found.answer, fails=found.fails, clauses=found.clauses)
    decision = _decided(charter, cases, case)
    fails = _fails(decision)
    shown = [one for one in decision.findings if is_conjunct(one) and (one.value is not Three.YES or not fails)]
    return Outcome(answer=decision.answer, fails=fails, clauses=tuple(one.clause for one in shown))


def _decided(charter: Charter, cases: Cases, case: Case) -> Decision:
    day = _midnight(case.day)
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
    return judge(_Stage(charter, cases, day).register(), question, satisfied=every_law).decision


def _result(case: Case, found: Outcome) -> Result:
    return Result(
        id=case.id,
        where=case.where,
        expected=_words(case.answer, case.fails),
        got=_words(found.answer, found.fails),
        problems=tuple(_problems(case, found)),
    )


def _fails(decision: Decision) -> tuple[str, ...]:
    """Deny: the rules that are no. Undetermined: those that are unknown."""
    wanted = Three.NO if decision.answer == "deny" else Three.UNKNOWN
    return tuple(one.rule for one in decision.failing if one.value is wanted)


def _words(answer: str, fails: tuple[str, ...]) -> str:
    return f"{answer} ({', '.join(sorted(fails))})" if fails else answer


def _problems(case: Case, found: Outcome) -> Iterator[str]:
    if found.answer != case.answer:
        yield f"the answer is {found.answer}"
    got, wanted = set(found.fails), set(case.fails)
    if got - wanted:
        yield f"fails too: {', '.join(sorted(got - wanted))}"
    if wanted - got:
        yield f"does not fail: {', '.join(sorted(wanted - got))}"
    uncited = sorted(set(case.clauses) - set(found.clauses))
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

    @property
    def me(self) -> str:
        """Whose register it is: the first member's; where a text is left without one, anybody's."""
        return (*self.charter.members, *self.codes)[0]

    def register(self) -> Register:
        engagements = [self._engagement(one) for one in self.cases.engagements if self._stands(one)]
        slots = [self._slot(one) for one in self.cases.engagements]
        nothing: Any = {}
        return Register(
            me=self.me,
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
            attestations=(
                *(self._organisation(one) for one in self.cases.people),
                *(self._attested(one) for one in self.cases.attested),
            ),
            determinations=tuple(self._judged(n, one) for n, one in enumerate(self.cases.judged)),
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
            withdraws=self.cases.withdrawn.get(name, ""),
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
            confirm=max(min(self.charter.confirm, len(members)), 1),
        )

    def _poll(self, one: Engaged) -> Poll:
        """By whom and how the engagement is decided; in a project that is struck out, by nobody."""
        project = self.charter.project(one.project)
        matter = Matter(
            act="engage",
            project=project.id,
            pillar=project.pillar,
            participants=project.participants,
            bound=(one.party,),
        )
        return poll(self.charter, matter)

    def _voters(self, one: Engaged) -> tuple[str, ...]:
        try:
            return self._poll(one).everyone
        except NotFound:
            return (one.party,)

    def _stands(self, one: Engaged) -> bool:
        said: dict[str, Voice] = dict.fromkeys(one.consents, "consent")
        try:
            return self._poll(one).verdict(said) == "in_force"
        except NotFound:
            return False

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
        author = self.me
        act = acts.Propose(author=author, log=_origin(author), at=0, subject=subject, n=1, what=self._terms(one))
        nothing = Envelope(payload=b"", payloadType="", signatures=())
        return Proposal(
            id=_id("propose", one.id),
            subject=subject,
            n=1,
            stated=Stated(act, _id("propose", one.id), _origin(author), 0, 0, nothing),
            state="in_force" if self._stands(one) else "open",
            voters=self._voters(one),
            missing=missing,
        )

    def _item(self, one: Thing) -> ItemState:
        party = one.id.partition("/")[0]
        facts = acts.RegisterItem(
            author=party,
            log=_origin(party),
            at=_midnight(one.registered) if one.registered else 0,
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
            background=one.background,
        )
        act = _id("register", one.id)
        return ItemState(
            id=one.id, version=1, act=act, facts=facts, label=one.label, label_act=act, party=party, index=0
        )

    def _organisation(self, person: Person) -> Attestation:
        return self._attested(Attested(about=person.organisation, claim="organisation"))

    def _attested(self, one: Attested) -> Attestation:
        party = one.about.partition("/")[0]
        terms = acts.Attest(
            author=party,
            log=_origin(party),
            at=0,
            about=one.about,
            claim=one.claim,
            term=acts.Term(since="1900-01-01"),
            other=one.other or UNSET,
        )
        return Attestation(act=_id("attest", one.about, one.claim, one.other), party=party, terms=terms)

    def _judged(self, n: int, one: Judged) -> Determination:
        terms = acts.Determine(
            author=one.by,
            log=_origin(one.by),
            at=0,
            item=one.item,
            version=1,
            on=_id("register", one.item),
            jurisdiction=one.law or self.codes.get(one.by, "ZZZ"),
            authority=clause_authority(one.clause),
            condition=one.condition,
            holds=one.holds,
            reason="given",
        )
        return Determination(act=_id("determine", str(n)), party=one.by, terms=terms)


def _midnight(day: str) -> int:
    return int(dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC).timestamp() * 1000)


def _origin(party: str) -> str:
    return f"{party}.case/case/0"


def _id(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()
