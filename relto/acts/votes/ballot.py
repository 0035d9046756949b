"""Who decides one proposal, in which ledgers, and what is wrong with it or with a vote by themselves.

What needs no other vote to be seen stands here: by the bytes of an act, the charter that rules it and the party list.

Source: spec/register.md, "Slots".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct, UnsetType

from relto import charter as charters
from relto.acts import act as a
from relto.acts.scan import Stated
from relto.acts.votes.epochs import Ledger
from relto.acts.votes.tally import Outcome, outcome
from relto.charter import Matter, Poll, Voice
from relto.errors import ReltoError

MS_PER_DAY = 86_400_000

Slot = tuple[str, str, int, str]
Ledgers = Mapping[str, Ledger]  # party -> the ledger that speaks for it, or several as one line


class Version(Struct, frozen=True, kw_only=True):
    """A charter in force: its text, its party list, and the ledgers that this list names, as far as they are held."""

    id: str
    charter: charters.Charter
    directory: charters.Parties
    ledgers: Ledgers
    since: str = ""  # the day from which it is in force, where it was not at once


class Ballot(Struct, frozen=True, kw_only=True):
    """Who decides one proposal, whose ledgers confirm, and in which ledgers all of them speak."""

    one: Stated
    partnership: str
    voters: tuple[str, ...] = ()  # all who are asked
    poll: Poll | None = None  # None: all of them must consent
    charter: charters.Charter | None = None  # the one that rules
    confirmers: tuple[str, ...] = ()
    quorum: int = 0
    ledgers: Ledgers = {}
    calls: tuple[str, ...] = ()  # earlier calls of the same, by the same author, oldest first
    fault: str = ""  # why it is void whatever anybody votes
    waits: str = ""  # why it cannot be judged here yet
    frozen: str = ""  # why it is not decided although it can be judged

    @property
    def act(self) -> a.Propose:
        assert isinstance(self.one.act, a.Propose)
        return self.one.act

    def outcome(self, voices: Mapping[str, Voice], calls: tuple[int, int] = (1, 1)) -> Outcome:
        """What these votes decide. calls: the first and the last call that it may be, as far as that is known."""
        if self.poll is None or calls == (1, 1):
            return outcome(self.poll, self.voters, voices)
        strict, mild = (outcome(self.poll.call(one), self.voters, voices) for one in calls)
        return "in_force" if strict == "in_force" else "dead" if mild == "dead" else "open"

    def caretaker(self, party: str, at: int) -> charters.Window | None:
        """The caretaker period of a party that a time lies in, by the charter that rules."""
        return self.charter.closed(party, day_of(at)) if self.charter is not None else None


class Said(Struct, frozen=True, kw_only=True):
    """One vote as it stands in its ledger. silent: the deadline passed there; voice: what the rule makes of it."""

    proposal: str
    voice: Voice
    stated: Stated
    silent: bool = False
    void: str = ""

    @property
    def consent(self) -> bool:
        return self.voice == "consent"


def day_of(time: int) -> str:
    return dt.datetime.fromtimestamp(time / 1000, dt.UTC).date().isoformat()


# ---- faults that the bytes and the charter alone show ---------------------------------------------------------------


def slot_of(act: a.Propose) -> Slot:
    """(partnership, subject, n, prev), empty for what is absent."""
    partnership = "" if isinstance(act.partnership, UnsetType) else act.partnership
    return partnership, act.subject, act.n, "" if isinstance(act.prev, UnsetType) else act.prev


def hidden_from(act: a.Act, parties: Iterable[str]) -> str:
    """Which of these parties cannot open an act that they must be able to open."""
    if isinstance(act.readers, UnsetType):
        return ""
    hidden = sorted(set(parties) - set(act.readers))
    return f"is not addressed to {', '.join(hidden)}" if hidden else ""


def hides(answer: a.Act, answered: a.Act) -> str:
    """Audience closure: whoever may open an act may open what answers it."""
    if isinstance(answered.readers, UnsetType) or isinstance(answer.readers, UnsetType):
        return ""
    hidden = sorted(set(answered.readers) - set(answer.readers))
    return f"is not open to {', '.join(hidden)}, who may open what it answers" if hidden else ""


def voice_of(one: Stated, ballot: Ballot) -> Voice:
    if isinstance(one.act, a.Consent):
        return "consent"
    assert isinstance(one.act, a.Refuse)
    return "veto" if ballot.poll is not None and ballot.poll.is_veto(one.act.reason) else "refuse"


def deadline_fault(act: a.Propose, asked: Poll) -> str:
    """A rule by which silence speaks, or that leaves time, asks for a deadline, and for one that leaves that time."""
    if not asked.needs_deadline:
        return ""
    if isinstance(act.by, UnsetType):
        return f"names no deadline, and clause {asked.rule.clause} asks for one"
    if act.by - act.at < asked.rule.open_days * MS_PER_DAY:
        return f"leaves less than the {asked.rule.open_days} days of clause {asked.rule.clause}"
    return ""


def vote_fault(one: Stated, ballot: Ballot) -> str:
    """What is wrong with a vote by itself."""
    act, proposal = one.act, ballot.act
    assert isinstance(act, a.Consent | a.Refuse)
    founding = isinstance(proposal.partnership, UnsetType)
    if act.partnership != (ballot.one.id if founding else proposal.partnership):
        return "names another partnership"
    if hides(act, proposal):
        return hides(act, proposal)
    if isinstance(act, a.Consent):
        if isinstance(act.sight, UnsetType) and not founding:
            return "does not say what it had seen"
        if not isinstance(act.under, UnsetType) and act.under != proposal.under:
            return "is given under another charter version than the proposal"
        if not isinstance(proposal.by, UnsetType) and act.at > proposal.by:
            return "comes after the proposal's deadline"
        window = ballot.caretaker(act.author, act.at)
        if window is not None:
            return f"is dated in the caretaker period of {act.author} (clause {window.clause})"
    return ""


def unlisted(members: Iterable[str], directory: charters.Parties) -> str:
    left = sorted(set(members) - {pin.id for pin in directory.parties})
    return f"the party list does not name {', '.join(left)}" if left else ""


def membership_fault(what: a.What, before: Sequence[str], after: Sequence[str]) -> str:
    """An admission admits this party and nobody else, an expulsion expels it and nobody else."""
    old, new = set(before), set(after)
    if isinstance(what, a.Admission) and new != old | {what.party}:
        return f"its charter does more or less than admit {what.party}"
    if isinstance(what, a.Expulsion) and (new != old - {what.party} or what.party not in old):
        return f"its charter does more or less than expel {what.party}"
    return ""


def kind_of_what(what: a.What) -> str:
    """The charter's word for the rule that decides this proposal."""
    return {
        a.CharterText: "charter",
        a.Admission: "admit",
        a.Expulsion: "expel",
        a.ProjectTerms: "project",
        a.Engagement: "engage",
        a.Renewal: "renew",
        a.Ending: "end",
    }[type(what)]


def subject_fault(act: a.Propose) -> str:
    wanted = {
        "charter": (a.CharterText, a.Admission, a.Expulsion),
        "project": (a.ProjectTerms, a.Ending),
        "engagement": (a.Engagement, a.Renewal, a.Ending),
    }[act.subject.partition("/")[0]]
    fits = isinstance(act.what, wanted)
    return "" if fits else f"a {kind_of_what(act.what)} proposal does not belong under {act.subject}"


def terms_of(what: a.What, root: Stated | None) -> a.Engagement | a.ProjectTerms | None:
    """The terms that a proposal states, renews or ends."""
    if isinstance(what, a.Engagement | a.ProjectTerms):
        return what
    named = root.act.what if root is not None and isinstance(root.act, a.Propose) else None
    return named if isinstance(named, a.Engagement | a.ProjectTerms) else None


def chain_fault(act: a.Propose, root: Stated | None, *, ended: bool) -> str:
    """What renews or ends names the terms in force, and is open to whoever reads those."""
    if not isinstance(act.what, a.Renewal | a.Ending):
        return ""
    if root is None or act.what.of != root.id:
        return "does not name the terms that it renews or ends"
    return "what it names has ended" if ended else hides(act, root.act)


def amendment(what: a.What, before: charters.Charter, after: charters.Charter) -> Matter:
    """What a change of the charter is about."""
    expelled = (what.party,) if isinstance(what, a.Expulsion) else ()
    admitted = what.party if isinstance(what, a.Admission) else ""
    return Matter(
        act=kind_of_what(what),
        grade=next((one.grade for one in after.parties if one.id == admitted), ""),
        sections=charters.sections_touched(before, after),
        concerned=(*expelled, *charters.newly_suspended(before, after)),
    )


def project_of(one: Stated, what: a.ProjectTerms) -> charters.Project:
    """A project that an act begins, in the charter's own shape. Its clause is the act."""
    return charters.Project(
        id=what.project,
        name=what.name,
        pillar=what.pillar,
        areas=what.areas,
        participants=what.participants,
        instrument="" if isinstance(what.instrument, UnsetType) else what.instrument,
        term=charters.Span(first=what.term.since, last=what.term.last),
        clause=one.id,
    )


def homes_of(
    charter: charters.Charter, project: str, begun: Sequence[charters.Project]
) -> tuple[charters.Project, ...]:
    """What the charter and acts in force say a project is."""
    return (*(one for one in charter.projects if one.id == project), *begun)


def engagement_fault(
    charter: charters.Charter,
    directory: charters.Parties | None,
    what: a.Engagement,
    homes: Sequence[charters.Project],
) -> str:
    """Why these terms cannot be agreed under this charter and party list.

    homes: what the project is or has been: one of them has the areas, in a pillar that is open.
    """
    if what.party in charter.members:
        return f"{what.party} is a member and needs no engagement"
    if not homes:
        return f"there is no project {what.project}"
    open_ = {pillar.id for pillar in charter.pillars if pillar.access != "closed"}
    entered = [one for one in homes if one.pillar in open_]
    if not entered:
        return f"pillar {homes[0].pillar} is closed to outsiders"
    if not what.areas or all(set(what.areas) - set(one.areas) for one in entered):
        return "its areas are not areas of the project"
    days = charter.on_suspend.answer_days if charter.on_suspend.recall else None
    repeated = None if isinstance(what.recall_days, UnsetType) else what.recall_days
    if (what.confirm, repeated) != (charter.confirm, days):
        return "it repeats confirmation or recall otherwise than the charter"
    if tuple(one.party for one in what.members) != charter.members:
        return "it repeats the members otherwise than the charter"
    if directory is None:
        return ""
    pins = {pin.id: (pin.inception, pin.origin) for pin in directory.parties}
    if any(pins.get(one.party) != (one.inception, one.origin) for one in what.members):
        return "it names another ledger of a member than the party list"
    if pins.get(what.party, (what.inception, what.origin)) != (what.inception, what.origin):
        return f"it names another ledger of {what.party} than the party list"
    return ""


# ---- texts ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def load_charter(data: bytes) -> charters.Charter | None:
    try:
        return charters.load(charters.read(data, "charter"))
    except ReltoError:
        return None


@lru_cache(maxsize=64)
def load_parties(data: bytes) -> charters.Parties | None:
    try:
        return charters.load_parties(charters.read(data, "parties"))
    except ReltoError:
        return None
