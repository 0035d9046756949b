"""A charter as values: what the parties agreed, each entry with the clause that decisions cite.

Values only: `draft` reads them from a text, `check` judges whether they fit one another. Nothing here knows a real
partnership.

* Ids are unique within their section, clauses in the whole text; every entry has one.
* Engines 1, 2 and 3 are languages of one shape: what only a later one knows has a value that says nothing in texts of
  an earlier one (spec/charter.md, "Engine 2" and "Engine 3").
* `says` is the clause in plain words, `source` where it comes from, `basis` what kind of source that is (`assumption`:
  ours, no text found).
* A lookup of something that is not there raises `errors.NotFound`.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeVar, get_args

import msgspec

from relto.charter.text import Amount, Date, Span
from relto.errors import NotFound
from relto.label import Equivalence, Group, Level

ENGINES: Final = (1, 2, 3)
# The decision rules that each engine can evaluate: each has its line in `relto.charter.rules`.
EVALUATED: Final[dict[int, tuple[str, ...]]] = {
    1: ("unanimity", "owner", "k_of_n", "majority", "all_affected"),
    2: ("unanimity", "owner", "k_of_n", "majority", "all_affected", "fraction", "double_majority", "weighted"),
    3: ("unanimity", "owner", "k_of_n", "majority", "all_affected", "fraction", "double_majority", "weighted"),
}

T = TypeVar("T")

GRADES: Final = ("member", "participant", "observer")  # where a text declares none
Access = Literal["closed", "open_per_project"]
JointAct = Literal["charter", "project", "engage", "renew", "end", "admit", "expel"]
Rule = Literal["unanimity", "owner", "k_of_n", "majority", "all_affected", "fraction", "double_majority", "weighted"]
Voters = Literal["members", "other_members", "participants", "owners"]
Of = Literal["all", "cast"]
Silence = Literal["refuses", "consents", "abstains"]
Votes = Literal["all", "own_projects", "none"]
Receives = Literal["own_projects", "by_engagement"]
ExitKind = Literal["own_wish", "default", "excluded", "project_only", "whole"]
ShareOf = Literal["money", "work"]
Whom = Literal["all", "members", "outsiders"]
Made = Literal["all", "background", "results"]
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


class Grade(Entry, frozen=True, kw_only=True):
    """What a grade of party carries.

    votes: on everything (a member), on matters of the projects it takes part in, or on nothing. signs: it consents to
    the charter and to what changes it for itself. receives: what belongs to the projects it takes part in, or nothing
    without an engagement.
    """

    id: str
    votes: Votes = "none"
    signs: bool = False
    receives: Receives = "by_engagement"


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """A grade that a party had before, and for which days."""

    grade: str
    term: Span


class Party(Entry, frozen=True, kw_only=True):
    """until: its last day, where it has one. votes: its weight under rule `weighted`. attributes: declared words.

    left_by: how it left, after its last day; it has no vote and signs nothing any more, and keeps what that exit says.
    """

    id: str
    name: str
    code: str  # as markings write it
    grade: str
    since: Date
    offices: str = ""
    until: Date | None = None
    formerly: tuple[Former, ...] = ()
    votes: int = 1
    attributes: tuple[str, ...] = ()
    left_by: ExitKind | Literal[""] = ""

    def grade_on(self, day: Date) -> str:
        """The grade on a day; empty before the first and after the last one."""
        if self.since <= day and (self.until is None or day <= self.until):
            return self.grade
        return next((one.grade for one in self.formerly if one.term.holds(day)), "")


class Attribute(Entry, frozen=True, kw_only=True):
    """A word that may stand at a party, and what it means: funded, established in a member state, in default."""

    id: str


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


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """A share in a project, in parts of whatever the shares add up to."""

    party: str
    of: ShareOf
    parts: int


class Project(Entry, frozen=True, kw_only=True):
    id: str
    name: str
    pillar: str
    areas: tuple[str, ...]
    participants: tuple[str, ...]
    lead: str = ""
    instrument: str = ""
    term: Span = Span()
    within: str = ""  # the project that it is a part of: it runs only while that one runs
    shares: tuple[Contribution, ...] = ()
    access_lasts: Amount | None = None  # how long after its last day access is still given

    @property
    def access(self) -> Span:
        """The days on which something of it may be received."""
        if self.access_lasts is None or self.term.last is None:
            return self.term
        return Span(first=self.term.first, last=later(self.term.last, self.access_lasts))

    def holds_on(self, day: Date) -> bool:
        return self.term.holds(day)


class Purpose(Entry, frozen=True, kw_only=True):
    """A declared purpose. `projects`: those that allow it; empty: all of them. `terms`: on what terms it is given."""

    id: str
    name: str
    projects: tuple[str, ...] = ()
    terms: str = ""

    def fits(self, project: str) -> bool:
        return not self.projects or project in self.projects


class Fraction(msgspec.Struct, frozen=True, kw_only=True):
    """`2/3`. A part reaches it when it is at least so much of the whole."""

    part: int
    whole: int

    def reached(self, have: int, of: int) -> bool:
        return have * self.whole >= self.part * of

    def __str__(self) -> str:
        return f"{self.part}/{self.whole}"


class Assent(msgspec.Struct, frozen=True, kw_only=True):
    """A party whose consent is needed besides the vote: a funder. silence: what its silence means at the deadline."""

    party: str
    silence: Silence = "refuses"


class Veto(msgspec.Struct, frozen=True, kw_only=True):
    """A reasoned veto: a refusal by one of the voters whose reason begins with one of these grounds and a colon."""

    grounds: tuple[str, ...]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A later call, where the one before missed its quorum: made how long after its deadline, and with which quorum."""

    within: Amount
    quorum: Fraction | None = None  # None: it decides without one


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """When a decision takes effect: so long after it, at the end of the year in which that would be."""

    after: Amount
    year_ends: str = ""

    def day(self, decided: Date) -> Date:
        return counts_from(decided, self.after, self.year_ends)


class Decision(Entry, frozen=True, kw_only=True):
    """How one kind of joint act is decided.

    `bound_consents`: the party to be bound consents too, besides the voters. What follows it is of engine 2. `pillars`,
    `projects`, `grades`, `sections`, `of`: the entry is about these matters only, and stands before the general one.
    """

    act: JointAct
    rule: Rule
    voters: Voters
    k: int = 0
    bound_consents: bool = True
    counted: Of = "all"
    share: Fraction | None = None
    contributions: Fraction | None = None
    blocked_by: int = 0
    quorum: Fraction | None = None
    silence: Silence = "refuses"
    open_days: int = 0
    later_calls: tuple[Call, ...] = ()
    takes_effect: Effect | None = None
    assent: tuple[Assent, ...] = ()
    veto: Veto | None = None
    pillars: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    ends: Literal["", "project", "engagement"] = ""
    save_for: tuple[
        str, ...
    ] = ()  # clauses of the narrower entries; without one of them nothing is decided by this one

    @property
    def by_all(self) -> bool:
        """Whether everybody who is asked must consent in words, so that the last consent is the decision."""
        every = self.rule in {"unanimity", "all_affected", "owner"} and self.counted == "all"
        return every and self.silence == "refuses" and all(one.silence == "refuses" for one in self.assent)

    @property
    def general(self) -> bool:
        return not (self.pillars or self.projects or self.grades or self.sections or self.ends)


class SuspendedVote(Entry, frozen=True, kw_only=True):
    """A party that has no vote for now: on everything, or on matters of these projects. It is not counted either."""

    party: str
    projects: tuple[str, ...] = ()


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
    limits: tuple[str, ...] = ()  # that every release must meet; one that is named and not there is met by nothing


class Freshness(Entry, frozen=True, kw_only=True):
    """How old the sight of a ledger may be.

    `parties` empty: every ledger; `levels` empty: every label, else from these levels up.
    """

    parties: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    limit_ms: int
    ask_first: bool = False


class CarriedKey(Entry, frozen=True, kw_only=True):
    """A key may be carried to a device that no network reaches, for labels with none but these levels and lower ones.

    days, openings: how long such a key lasts, and how often it opens, at most.
    """

    levels: tuple[Level, ...]
    days: int
    openings: int


class Approval(Entry, frozen=True, kw_only=True):
    act: OfficerAct
    officers: int


class Jurisdiction(Entry, frozen=True, kw_only=True):
    """A law that may reach a transfer, and the party whose adoption makes a pack of it count."""

    id: str
    adopter: str


class Layer(Entry, frozen=True, kw_only=True):
    """A text above or below this one, or one party's own: its limits narrow what the others leave."""

    id: str
    name: str
    under: str = ""


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a limit asks for. Exactly one member says something.

    attested: the recipient's party attests this of its organisation. agreed: owner's and recipient's party each attest
    it with the other. instrument: a listed one of this kind between the two states is in force. determined: an officer
    of the owner, or of the party that adopts the law `by`, judged that it holds of the item.
    attribute: the recipient's party bears this word. until: the last day. after_project: so long after the project's
    last day. asked_in: the states from which it may be asked. never: nothing meets it.
    """

    attested: str = ""
    agreed: str = ""
    instrument: str = ""
    determined: str = ""
    by: str = ""
    attribute: str = ""
    until: Date = ""
    after_project: Amount | None = None
    asked_in: tuple[str, ...] = ()
    never: bool = False
    any: tuple[Test, ...] = ()


class Limit(Entry, frozen=True, kw_only=True):
    """A condition on releases that holds beside everything else: it can narrow and nothing more.

    It is about those releases that agree with all of `to` (kinds of party) or `parties`, `pillars`, `projects`,
    `purposes`, `owners` and `made`; empty means every one.
    """

    id: str
    layer: str = ""
    to: Whom = "all"
    parties: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    pillars: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    made: Made = "all"
    needs: tuple[Test, ...] = ()


class Background(Entry, frozen=True, kw_only=True):
    """An item of background that its owner listed, and the purposes for which it is not to be had."""

    item: str
    except_for: tuple[str, ...] = ()


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
    """`judged`: each party judges for itself. `all_pairs`: an instrument of this kind in force with each member.
    `attested`: the candidate attests this of itself."""

    id: str
    name: str
    kind: Literal["judged", "all_pairs", "attested"]
    instrument: str = ""
    claim: str = ""


class KeptAccess(msgspec.Struct, frozen=True, kw_only=True):
    """What a leaver may still receive: of what it could receive before, and of items registered no later than the day of
    its exit, those of this making, in these projects and for these purposes (empty: every one)."""

    made: Made = "results"
    projects: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()

    def covers(self, project: str, purpose: str, *, background: bool) -> bool:
        return (
            (self.made == "all" or background == (self.made == "background"))
            and (not self.projects or project in self.projects)
            and (not self.purposes or purpose in self.purposes)
        )


class Duty(Entry, frozen=True, kw_only=True):
    """A duty or a right that survives an exit; `lasts`: for so long after it, else without end.

    access: of what a leaver keeps, the releases that it is.
    """

    id: str
    lasts: Amount | None = None
    access: KeptAccess | None = None

    def last_day(self, left: Date) -> Date | None:
        """Its last day, counted from the day of the exit; None: it has no end."""
        return None if self.lasts is None else later(left, self.lasts)


class Withdrawal(Entry, frozen=True, kw_only=True):
    """year_ends: `12-31`; the notice then runs on to the end of the year in which it would end."""

    notice: Amount
    duties: tuple[Duty, ...]
    year_ends: str = ""

    def effective(self, on: Date) -> Date:
        """The day from which a withdrawal declared on `on` counts."""
        return counts_from(on, self.notice, self.year_ends)


class Exit(Entry, frozen=True, kw_only=True):
    """One way out: its notice, the joint act that decides it if one does, what the leaver keeps and owes."""

    kind: ExitKind
    notice: Amount | None = None
    year_ends: str = ""
    decided_by: str = ""
    keeps: tuple[Duty, ...] = ()
    owes: tuple[Duty, ...] = ()

    def effective(self, on: Date) -> Date:
        """The day from which it counts when it is declared or decided on `on`."""
        return on if self.notice is None else counts_from(on, self.notice, self.year_ends)


class Window(Entry, frozen=True, kw_only=True):
    """Something outside that sets a date: an election. `latest`: it comes no later than the date, maybe before.

    caretaker: days in which the party's government binds it to nothing new: a consent dated in them is void.
    """

    party: str
    what: str
    date: Date
    latest: bool = False
    caretaker: Span = Span()

    def closed(self, day: Date) -> bool:
        return self.caretaker != Span() and self.caretaker.holds(day)


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
    in_force_from: Date = ""  # of an amendment: not before this day
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
    grades: tuple[Grade, ...] | None = None  # None: the text declares none
    attributes: tuple[Attribute, ...] = ()
    suspended_votes: tuple[SuspendedVote, ...] = ()
    layers: tuple[Layer, ...] = ()
    limits: tuple[Limit, ...] = ()
    background: tuple[Background, ...] | None = None  # None: the charter asks for no list
    exits: tuple[Exit, ...] = ()
    carried_keys: tuple[CarriedKey, ...] = ()
    clauses: tuple[Clause, ...]
    digest: bytes

    @property
    def members(self) -> tuple[str, ...]:
        """The parties that vote on everything, in the order of the text."""
        return self._of_grade(lambda one: one.votes == "all")

    @property
    def signatories(self) -> tuple[str, ...]:
        """The members, and the parties of lesser grades that consent to the charter."""
        return self._of_grade(lambda one: one.signs)

    @property
    def project_voters(self) -> tuple[str, ...]:
        """The parties that have a vote in the projects they take part in."""
        return self._of_grade(lambda one: one.votes != "none")

    @property
    def insiders(self) -> tuple[str, ...]:
        """The parties that receive what belongs to the projects they take part in, without an engagement."""
        return self._of_grade(lambda one: one.receives == "own_projects")

    def _of_grade(self, which: Callable[[Grade], bool]) -> tuple[str, ...]:
        """The parties of such grades, but for those that have left."""
        grades = self._graded(which)
        return tuple(one.id for one in self.parties if one.grade in grades and not one.left_by)

    def left(self, party: str) -> tuple[str, Date] | None:
        """How a party of the text has left, and the first day on which it is none."""
        one = next((each for each in self.parties if each.id == party and each.left_by), None)
        if one is None or one.until is None:
            return None
        return one.left_by, later(one.until, Amount(number=1, unit="days"))

    def kept(self, kind: str) -> tuple[Duty, ...]:
        """What who leaves in this way may still receive."""
        return tuple(duty for one in self.exits if one.kind == kind for duty in one.keeps if duty.access is not None)

    @property
    def keeps_access(self) -> bool:
        """Whether some way out leaves a right to receive."""
        return any(duty.access is not None for one in self.exits for duty in one.keeps)

    def _graded(self, which: Callable[[Grade], bool]) -> set[str]:
        """The grades of this kind. Where the text declares none, a member is everything and the others are nothing."""
        if self.grades is None:
            return {"member"}
        return {one.id for one in self.grades if which(one)}

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
        """The general rule for an act; what stands beside it for some matters only, `rules.rule_for` finds."""
        return _find("decision rule for", act, ((one.act, one) for one in self.decisions if one.general))

    def jurisdiction(self, name: str) -> Jurisdiction:
        return _find("jurisdiction", name, ((one.id, one) for one in self.jurisdictions))

    def layer(self, name: str) -> Layer:
        return _find("layer", name, ((one.id, one) for one in self.layers))

    def exit(self, kind: str) -> Exit:
        return _find("kind of exit", kind, ((one.kind, one) for one in self.exits))

    def closed(self, party: str, day: Date) -> Window | None:
        """The caretaker period of a party that holds a day."""
        return next((one for one in self.windows if one.party == party and one.closed(day)), None)

    def candidate(self, name: str) -> Candidate:
        return _find("candidate", name, ((one.id, one) for one in self.candidates))

    def clause(self, name: str) -> Clause:
        return _find("clause", name, ((one.id, one) for one in self.clauses))

    def voters(self, act: str, *, project: str = "", concerned: str = "") -> tuple[str, ...]:
        """Who votes on a joint act by the general rule for it.

        `project`: the one it is about; `concerned`: the party to be expelled, or the owner.
        """
        taking_part = self.project(project).participants if self.decision(act).voters == "participants" else ()
        return self.electorate(self.decision(act), participants=taking_part, concerned=(concerned,))

    def electorate(self, rule: Decision, *, participants: Iterable[str], concerned: Iterable[str]) -> tuple[str, ...]:
        """Who votes by this rule; suspended votes are not taken away here."""
        left_out = set(concerned)
        if rule.voters == "participants":
            return tuple(one for one in participants if one in self.project_voters)
        if rule.voters == "owners":
            return tuple(concerned)
        return tuple(one for one in self.members if rule.voters == "members" or one not in left_out)

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
        return bool(self.asking_clause(levels))

    def asking_clause(self, levels: Iterable[Level]) -> str:
        """The clause that wants them asked; empty when none does."""
        held = tuple(levels)
        return next((one.clause for one in self.freshness if one.ask_first and self._fits(one, held, None)), "")

    def carried_key(self, levels: Iterable[Level]) -> CarriedKey | None:
        """The first clause by which a key for such a label may be carried; None when no clause allows it."""
        held, systems = tuple(levels), self.equivalence.by_name

        def below(level: Level, ceiling: Level) -> bool:
            known = level.system == ceiling.system and level.system in systems
            return known and systems[level.system].at_most(level.level, ceiling.level) == "yes"

        def covers(one: CarriedKey) -> bool:
            return all(any(below(level, ceiling) for ceiling in one.levels) for level in held)

        return next((one for one in self.carried_keys if covers(one)), None)

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
            if member.id in self.members
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


def counts_from(on: Date, notice: Amount, year_ends: str = "") -> Date:
    """The day from which a notice given on `on` counts; with `year_ends`, the day after the end of that year."""
    day = later(on, notice)
    if not year_ends:
        return day
    last = f"{day[:4]}-{year_ends}"
    if last < day:
        last = f"{int(day[:4]) + 1:04d}-{year_ends}"
    return later(last, Amount(number=1, unit="days"))
