"""A charter as values: what the parties agreed, each entry with the clause that decisions cite.

Values only: `draft` reads them from a text, `check` judges whether they fit one another. Nothing here knows a real
partnership.

* Ids are unique within their section, clauses in the whole text; every entry has one.
* `says` is the clause in plain words, `source` where it comes from, `basis` what kind of source that is (`assumption`:
  ours, no text found).
* A lookup of something that is not there raises `errors.NotFound`.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable
from typing import Final, Literal, TypeVar, get_args

import msgspec

from relto.charter.text import Amount, Date, Span
from relto.errors import NotFound
from relto.label import Equivalence, Group, Level

ENGINES: Final = (1,)
# The decision rules that engine 1 can evaluate: each has its line in `relto.acts.tally`.
EVALUATED: Final = ("unanimity", "owner", "k_of_n", "majority", "all_affected")

T = TypeVar("T")

Grade = Literal["member", "participant", "observer"]
Access = Literal["closed", "open_per_project"]
JointAct = Literal["charter", "project", "engage", "renew", "end", "admit", "expel"]
Rule = Literal["unanimity", "owner", "k_of_n", "majority", "all_affected"]
Voters = Literal["members", "other_members", "participants", "owners"]
Suspends = Literal["those_whose_consent_was_required", "any_member", "owner"]
Share = Literal["one", "all", "k_of_n"]
OfficerAct = Literal["determine", "relabel", "licence"]
Standing = Literal["joint_statement", "official", "press", "unnamed"]
Basis = Literal["", "official", "press", "analysis", "general", "assumption"]
Status = Literal[
    "considered", "consulting", "exploring", "floated", "no_plans", "not_member", "recommended", "concern", "law"
]
Stage = Literal["none", "floated", "considered", "consulting"]

JOINT_ACTS: Final[tuple[JointAct, ...]] = get_args(JointAct)


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """A clause in words: what a decision cites by id. `of` is the entry it belongs to: `projects/hyflite`."""

    id: str
    of: str
    says: str = ""
    source: str = ""
    basis: Basis = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What every entry of a charter has."""

    clause: str
    says: str = ""
    source: str = ""
    basis: Basis = ""


class Party(Entry, frozen=True, kw_only=True):
    id: str
    name: str
    code: str  # as markings write it
    grade: Grade
    since: Date
    offices: str = ""


class Pillar(Entry, frozen=True, kw_only=True):
    """`closed`: no one but `members`, ever. `open_per_project`: outsiders may be engaged in a project of it."""

    id: str
    name: str
    access: Access
    members: tuple[str, ...] = ()


class Area(Entry, frozen=True, kw_only=True):
    id: str
    name: str
    pillar: str


class Project(Entry, frozen=True, kw_only=True):
    id: str
    name: str
    pillar: str
    areas: tuple[str, ...]
    participants: tuple[str, ...]
    lead: str = ""
    instrument: str = ""
    term: Span = Span()

    def holds_on(self, day: Date) -> bool:
        return self.term.holds(day)


class Purpose(Entry, frozen=True, kw_only=True):
    """A declared purpose. `projects`: those that allow it; empty: all of them."""

    id: str
    name: str
    projects: tuple[str, ...] = ()

    def fits(self, project: str) -> bool:
        return not self.projects or project in self.projects


class Decision(Entry, frozen=True, kw_only=True):
    """How one kind of joint act is decided.

    `bound_consents`: the party to be bound consents too, besides the voters.
    """

    act: JointAct
    rule: Rule
    voters: Voters
    k: int = 0
    bound_consents: bool = True


class Suspension(Entry, frozen=True, kw_only=True):
    """Who may suspend an engagement, at once and alone."""

    by: Suspends


class OnSuspend(Entry, frozen=True, kw_only=True):
    """What a suspension sets off: orders to return what was received, answered within days of it."""

    recall: bool
    answer_days: int


class Releases(Entry, frozen=True, kw_only=True):
    """The owner's own rule, where an item names none:

    how many of its owners, and whether an officer approves each time.
    """

    rule: Share
    k: int = 0
    approval: bool = False


class Freshness(Entry, frozen=True, kw_only=True):
    """How old the sight of a ledger may be.

    `parties` empty: every ledger; `levels` empty: every label, else from these levels up.
    """

    parties: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    limit_ms: int
    ask_first: bool = False


class Approval(Entry, frozen=True, kw_only=True):
    act: OfficerAct
    officers: int


class Jurisdiction(Entry, frozen=True, kw_only=True):
    """A law that may reach a transfer, and the party whose adoption makes a pack of it count."""

    id: str
    adopter: str


class Instrument(Entry, frozen=True, kw_only=True):
    """A treaty or arrangement between two states, by their codes. It is evidence for admission, not a right."""

    id: str
    kind: str
    between: tuple[str, ...]
    name: str
    signed: Date
    term: Span = Span()

    def holds_on(self, day: Date) -> bool:
        return self.signed <= day and self.term.holds(day)


class Criterion(Entry, frozen=True, kw_only=True):
    """`judged`: each party judges for itself. `all_pairs`: an instrument of this kind in force with each member."""

    id: str
    name: str
    kind: Literal["judged", "all_pairs"]
    instrument: str = ""


class Duty(Entry, frozen=True, kw_only=True):
    """A duty that survives an exit."""

    id: str


class Withdrawal(Entry, frozen=True, kw_only=True):
    notice: Amount
    duties: tuple[Duty, ...]

    def effective(self, on: Date) -> Date:
        """The day from which a withdrawal declared on `on` counts."""
        return later(on, self.notice)


class Window(Entry, frozen=True, kw_only=True):
    """Something outside that sets a date: an election. `latest`: it comes no later than the date, maybe before."""

    party: str
    what: str
    date: Date
    latest: bool = False


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said about a candidate. The date is as exact as its source: a year, a month or a day."""

    date: str
    standing: Standing
    status: Status
    what: str = ""
    source: str = ""


class Candidate(Entry, frozen=True, kw_only=True):
    """A state that is no party and may come to take part. Evidence moves opinion; it gives no right."""

    id: str
    name: str
    code: str
    evidence: tuple[Evidence, ...] = ()


# Contracts 20: what an official word makes of a candidate. Everything else is a remark on the time line.
_STAGES: Final[dict[Status, Stage]] = {
    "floated": "floated",
    "considered": "considered",
    "consulting": "consulting",
    "exploring": "consulting",
}


def stage_of(candidate: Candidate, day: Date | None = None) -> tuple[Stage, str]:
    """The opinion part of a candidate's stage on a day (today's text without one), and what it rests on.

    The newest joint or official word counts. Press and unnamed sources alone make `floated`, never more.
    """
    moving = [one for one in candidate.evidence if one.status in _STAGES and (day is None or one.date <= day)]
    told = [one for one in moving if one.standing in {"joint_statement", "official"}]
    if told:
        newest = max(told, key=lambda one: one.date)
        return _STAGES[newest.status], _why(newest)
    if moving:
        return "floated", _why(max(moving, key=lambda one: one.date))
    return "none", "no evidence but remarks" if candidate.evidence else "no evidence"


def remarks_of(candidate: Candidate) -> tuple[Evidence, ...]:
    """The evidence that moves no stage, in order."""
    return tuple(one for one in candidate.evidence if one.status not in _STAGES)


def _why(one: Evidence) -> str:
    return f"{one.date}, {one.standing.replace('_', ' ')}{f': {one.source}' if one.source else ''}"


class Charter(msgspec.Struct, frozen=True, kw_only=True):
    """One charter text. `digest` is over the bytes that were signed."""

    id: str
    title: str
    engine: int
    confirm: int
    aim: Entry
    standing: Entry
    parties: tuple[Party, ...]
    pillars: tuple[Pillar, ...]
    areas: tuple[Area, ...]
    projects: tuple[Project, ...]
    purposes: tuple[Purpose, ...]
    decisions: tuple[Decision, ...]
    suspension: Suspension
    on_suspend: OnSuspend
    releases: Releases
    freshness: tuple[Freshness, ...]
    approvals: tuple[Approval, ...]
    jurisdictions: tuple[Jurisdiction, ...]
    equivalence: Equivalence
    groups: tuple[Group, ...]
    instruments: tuple[Instrument, ...]
    admission: tuple[Criterion, ...]
    withdrawal: Withdrawal
    windows: tuple[Window, ...]
    candidates: tuple[Candidate, ...]
    clauses: tuple[Clause, ...]
    digest: bytes

    @property
    def members(self) -> tuple[str, ...]:
        """The parties that vote, in the order of the text."""
        return tuple(one.id for one in self.parties if one.grade == "member")

    def party(self, name: str) -> Party:
        return _find("party", name, ((one.id, one) for one in self.parties))

    def party_by_code(self, code: str) -> Party:
        return _find("party", code, ((one.code, one) for one in self.parties))

    def pillar(self, name: str) -> Pillar:
        return _find("pillar", name, ((one.id, one) for one in self.pillars))

    def area(self, name: str) -> Area:
        return _find("area", name, ((one.id, one) for one in self.areas))

    def project(self, name: str) -> Project:
        return _find("project", name, ((one.id, one) for one in self.projects))

    def purpose(self, name: str) -> Purpose:
        return _find("purpose", name, ((one.id, one) for one in self.purposes))

    def decision(self, act: str) -> Decision:
        return _find("decision rule for", act, ((one.act, one) for one in self.decisions))

    def jurisdiction(self, name: str) -> Jurisdiction:
        return _find("jurisdiction", name, ((one.id, one) for one in self.jurisdictions))

    def candidate(self, name: str) -> Candidate:
        return _find("candidate", name, ((one.id, one) for one in self.candidates))

    def clause(self, name: str) -> Clause:
        return _find("clause", name, ((one.id, one) for one in self.clauses))

    def voters(self, act: str, *, project: str = "", concerned: str = "") -> tuple[str, ...]:
        """Who votes on a joint act.

        `project`: the one it is about; `concerned`: the party to be expelled, or the owner.
        """
        whose = self.decision(act).voters
        if whose == "participants":
            return tuple(one for one in self.project(project).participants if one in self.members)
        if whose == "owners":
            return (concerned,)
        return tuple(one for one in self.members if whose == "members" or one != concerned)

    def officers(self, act: str) -> int:
        """How many officers sign what such an act grants."""
        return next((one.officers for one in self.approvals if one.act == act), 1)

    def freshness_limit(self, levels: Iterable[Level], party: str | None = None) -> tuple[int, str]:
        """The shortest limit that a label with these levels has, in milliseconds, and its clause.

        With a party, the limits stated for other ledgers are left out; without one, every limit counts.
        """
        held = tuple(levels)
        fitting = [one for one in self.freshness if self._fits(one, held, party)]
        shortest = min(fitting, key=lambda one: one.limit_ms, default=None)
        if shortest is None:
            raise NotFound(f"the charter states no freshness for the ledger of `{party or 'every party'}`")
        return shortest.limit_ms, shortest.clause

    def asks_first(self, levels: Iterable[Level]) -> bool:
        """Does the charter want the members asked for their heads before something with these levels leaves?"""
        held = tuple(levels)
        return any(one.ask_first and self._fits(one, held, None) for one in self.freshness)

    def _fits(self, one: Freshness, held: tuple[Level, ...], party: str | None) -> bool:
        if party is not None and one.parties and party not in one.parties:
            return False
        # Within one system the order says what lies above; what is not comparable gets the stricter limit.
        systems = self.equivalence.by_name
        return not one.levels or any(
            level.system == low.system
            and (level.system not in systems or systems[level.system].at_most(low.level, level.level) != "no")
            for level in held
            for low in one.levels
        )

    def pairs(self, code: str, day: Date) -> tuple[tuple[Criterion, str, Instrument | None], ...]:
        """The all-pairs criteria for a candidate:

        per criterion and member, the instrument in force, or None: not found.
        """
        return tuple(
            (criterion, member.id, self._instrument(criterion.instrument, code, member.code, day))
            for criterion in self.admission
            if criterion.kind == "all_pairs"
            for member in self.parties
            if member.grade == "member"
        )

    def _instrument(self, kind: str, one: str, other: str, day: Date) -> Instrument | None:
        pair = tuple(sorted((one, other)))
        return next((i for i in self.instruments if (i.kind, i.between) == (kind, pair) and i.holds_on(day)), None)


def _find(what: str, name: str, entries: Iterable[tuple[str, T]]) -> T:
    known: list[str] = []
    for key, entry in entries:
        if key == name:
            return entry
        known.append(key)
    hint = f"known: {', '.join(f'`{one}`' for one in known[:12])}" if known else ""
    raise NotFound(f"the charter has no {what} `{name[:64]}`", hint=hint)


def later(day: Date, by: Amount) -> Date:
    """A day some days, months or years on. The last day of a shorter month stands for one that it lacks."""
    start = dt.date.fromisoformat(day)
    if by.unit == "days":
        try:
            return (start + dt.timedelta(days=by.number)).isoformat()
        except OverflowError:
            return dt.date.max.isoformat()
    months = start.year * 12 + start.month - 1 + by.number * (12 if by.unit == "years" else 1)
    year, month = divmod(months, 12)
    if year > dt.MAXYEAR:
        return dt.date.max.isoformat()
    return dt.date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1])).isoformat()
