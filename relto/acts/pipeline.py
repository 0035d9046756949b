"""How far an engagement has come: stages computed from acts and evidence, what is missing, from whom, and by when.

A stage is never set. Acts make *proposed*, *in force*, *suspended*, *lapsed*, *ended*; without a proposal that is
alive, evidence makes *floated*, *considered*, *consulting*. Evidence moves opinion and gives no right.

* `pipeline` says where every candidate stands on a day, with its criteria, consents and deadlines.
* `path` answers "can this still be in force by that day, and what must happen by when". What it counts are consents,
  instruments and dates that are known; how long a parliament takes is not, and no duration is guessed.

Source: contracts of the design, section 20, "Stages"; charter clauses as cited in each result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, cast

from msgspec import Struct, UnsetType
from msgspec.structs import replace

from relto import charter as charters
from relto.acts import act as a
from relto.acts.register import EngagementState, Proposal, Register
from relto.acts.votes.ballot import day_of
from relto.errors import NotFound

Answer = Literal["yes", "no", "unknown"]
StageName = Literal[
    "none", "floated", "considered", "consulting", "proposed", "not_begun", "in_force", "suspended", "lapsed", "ended"
]


class Said(Struct, frozen=True, kw_only=True):
    """One piece of evidence. act: the act that states it, empty when the charter's text does."""

    date: str
    standing: str
    status: str
    says: str
    source: str
    act: str = ""


class Pair(Struct, frozen=True, kw_only=True):
    """One member against one candidate under an all-pairs criterion, or one member's own judgement."""

    member: str
    holds: Answer
    why: str


class CriterionState(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    clause: str
    kind: str
    holds: Answer
    pairs: tuple[Pair, ...] = ()


class Deadline(Struct, frozen=True, kw_only=True):
    """A date from outside by which somebody's answer is wanted. latest: it comes no later than this, maybe before."""

    party: str
    what: str
    date: str
    clause: str
    latest: bool = False


class Stage(Struct, frozen=True, kw_only=True):
    """Where one candidate stands, with one engagement of its or with none yet.

    opinion: what evidence alone makes of it. consents, missing, waiting: parties; waiting: voted, not yet confirmed.
    deadlines: of those whose consent is missing; before a proposal, of everybody who would be asked.
    """

    party: str
    name: str
    code: str
    engagement: str = ""
    project: str = ""
    proposal: str = ""
    stage: StageName
    opinion: StageName
    why: str
    evidence: tuple[Said, ...] = ()
    remarks: tuple[Said, ...] = ()
    criteria: tuple[CriterionState, ...] = ()
    consents: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    by: str = ""  # day on which the proposal's deadline falls
    since: str = ""
    until: str = ""
    deadlines: tuple[Deadline, ...] = ()


class Step(Struct, frozen=True, kw_only=True):
    """One thing that must happen. by: the last day on which it still serves; because: what sets that day."""

    what: str
    of: str
    kind: str
    by: str
    because: str
    late: bool


class Path(Struct, frozen=True, kw_only=True):
    """reachable: nothing known forbids it. blocked: what does. steps: in the order in which they are due."""

    party: str
    engagement: str
    day: str
    reachable: bool
    blocked: tuple[str, ...]
    steps: tuple[Step, ...]


def pipeline(register: Register, day: str) -> tuple[Stage, ...]:
    """Every candidate of the charter, and every party that evidence or an engagement names, by party and engagement."""
    found = []
    for one in sorted(_candidates(register, day), key=lambda named: named.id):
        engaged = _engagements(register, one.id)
        found += [_stage(register, one, subject, day) for subject in engaged] or [_stage(register, one, "", day)]
    return tuple(found)


def stage(register: Register, party: str, day: str, engagement: str = "") -> Stage:
    """Raises: NotFound for a party that no evidence, charter or proposal names as a candidate."""
    found = [one for one in pipeline(register, day) if one.party == party and engagement in {"", one.engagement}]
    if not found:
        raise NotFound(f"`{party[:64]}` is no candidate here", hint="`relto engagement pipeline` shows who is")
    return found[0]


# ---- who is a candidate, and what is said of it ----------------------------------------------------------------------


def _candidates(register: Register, day: str) -> Iterator[charters.Candidate]:
    """The charter's, with the evidence that acts add; then parties that only evidence or a proposal names."""
    charter = register.charter
    told: dict[str, list[charters.Evidence]] = {}
    for stated in register.evidence:
        terms = stated.terms
        told.setdefault(terms.candidate, []).append(
            charters.Evidence(
                date=terms.date,
                standing=terms.standing,
                status=cast(charters.Status, terms.status),
                what=terms.says,
                source=terms.source,
            )
        )
    named = {one.id: one for one in charter.candidates} if charter else {}
    for one in named.values():
        yield replace(one, evidence=(*one.evidence, *told.pop(one.id, ())))
    engaged = {what.party for _, what in _terms(register)}
    for party in sorted({*told, *engaged} - set(named) - set(register.members)):
        state = register.parties.get(party)
        yield charters.Candidate(
            id=party,
            name=state.name if state else party,
            code=state.code if state else "",
            clause="",
            evidence=tuple(told.get(party, ())),
        )


def _terms(register: Register) -> Iterator[tuple[Proposal, a.Engagement]]:
    for one in register.slots.values():
        if isinstance(one.stated.act, a.Propose) and isinstance(one.stated.act.what, a.Engagement):
            yield one, one.stated.act.what


def _engagements(register: Register, party: str) -> list[str]:
    """Engagement ids of a party, each once: those that stand, and those of which a proposal is open."""
    found = {name for name, one in register.engagements.items() if one.terms.party == party}
    found |= {one.subject.partition("/")[2] for one, what in _terms(register) if what.party == party and _alive(one)}
    return sorted(found)


def _alive(one: Proposal) -> bool:
    return one.state == "open"


def _evidence(register: Register, one: charters.Candidate, day: str) -> tuple[tuple[Said, ...], tuple[Said, ...]]:
    """What moves the stage, and what is a remark, each in order of its date."""
    acts = {
        (stated.terms.date, stated.terms.says, stated.terms.source): stated.act
        for stated in register.evidence
        if stated.terms.candidate == one.id
    }
    remarks = {id(said) for said in charters.remarks_of(one)}
    moving: list[Said] = []
    others: list[Said] = []
    for said in sorted(one.evidence, key=lambda told: told.date):
        if said.date > day:
            continue
        shown = Said(
            date=said.date,
            standing=said.standing,
            status=said.status,
            says=said.what,
            source=said.source,
            act=acts.get((said.date, said.what, said.source), ""),
        )
        (others if id(said) in remarks else moving).append(shown)
    return tuple(moving), tuple(others)


# ---- stages ----------------------------------------------------------------------------------------------------------


def _stage(register: Register, one: charters.Candidate, engagement: str, day: str) -> Stage:
    opinion, why = charters.stage_of(one, day)
    evidence, remarks = _evidence(register, one, day)
    base = Stage(
        party=one.id,
        name=one.name,
        code=one.code,
        engagement=engagement,
        stage=opinion,
        opinion=opinion,
        why=why,
        evidence=evidence,
        remarks=remarks,
        criteria=criteria(register, one.id, one.code, day),
        deadlines=_deadlines(register, register.members, day),
    )
    held = register.engagements.get(engagement)
    proposal = _newest(register, engagement)
    if proposal is not None and (held is None or proposal.state == "open"):
        base = _proposed(register, base, proposal, day)
    if held is not None:
        base = _agreed(base, held, day)
    elif proposal is None:
        base = replace(base, why=_why_refused(register, one.id) or why)
    return base


def _newest(register: Register, engagement: str) -> Proposal | None:
    """The proposal that is alive in the last slot of this engagement."""
    found = [
        one for one in register.slots.values() if one.subject == f"engagement/{engagement}" and one.state == "open"
    ]
    return max(found, key=lambda one: (one.n, one.id), default=None) if engagement else None


def _proposed(register: Register, base: Stage, one: Proposal, day: str) -> Stage:
    act = one.stated.act
    assert isinstance(act, a.Propose)
    term = getattr(act.what, "term", None)
    given = tuple(sorted(vote.party for vote in one.votes if vote.vote == "consent" and not vote.void))
    waits = f"missing: {', '.join(one.missing)}" if one.missing else f"to be confirmed: {', '.join(one.waiting)}"
    return replace(
        base,
        stage="proposed",
        why=f"proposed by {act.author}; {waits}",
        project=getattr(act.what, "project", base.project),
        proposal=one.id,
        consents=given,
        missing=one.missing,
        waiting=one.waiting,
        by="" if isinstance(act.by, UnsetType) else day_of(act.by),
        since=term.since if isinstance(term, a.Term) else "",
        until=_until(term),
        deadlines=_deadlines(register, one.missing, day),
    )


def _agreed(base: Stage, held: EngagementState, day: str) -> Stage:
    """An open proposal beside what is in force renews or ends it: the stage is that of what is in force."""
    state = held.state(day)
    why = f"agreed; {held.term.since}..{_until(held.term)}"
    if state == "suspended":
        why = f"suspended by {', '.join(sorted({party for party, _ in held.suspended}))}"
    elif state == "ended":
        why = f"ended on {held.ended}"
    return replace(
        base,
        stage=cast(StageName, state),
        why=why if base.stage != "proposed" else f"{why}; {base.why}",
        project=held.terms.project,
        proposal=base.proposal or held.proposal,
        since=held.term.since,
        until=_until(held.term),
        deadlines=base.deadlines if base.missing else (),
    )


def _until(term: object) -> str:
    return term.until if isinstance(term, a.Term) and not isinstance(term.until, UnsetType) else ""


def _why_refused(register: Register, party: str) -> str:
    """A proposal that died leaves no stage behind, only what was said of it."""
    dead = [one for one, what in _terms(register) if what.party == party and one.state in {"dead", "void"}]
    if not dead:
        return ""
    last = max(dead, key=lambda one: (one.stated.time, one.id))
    refused = sorted({vote.party for vote in last.votes if vote.vote == "refuse" and not vote.void})
    return f"the last proposal is {last.state}" + (f", refused by {', '.join(refused)}" if refused else "")


# ---- criteria --------------------------------------------------------------------------------------------------------


def criteria(register: Register, party: str, code: str, day: str) -> tuple[CriterionState, ...]:
    """Each admission criterion of the charter for one candidate, with the pairs that fail it."""
    if register.charter is None:
        return ()
    return tuple(_criterion(register, one, party, code, day) for one in register.charter.admission)


def _criterion(register: Register, one: charters.Criterion, party: str, code: str, day: str) -> CriterionState:
    if one.kind == "all_pairs":
        pairs = tuple(_pair(register, one.instrument, party, code, member, day) for member in register.members)
    elif one.kind == "attested":
        pairs = (_own_word(register, party, one.claim, day),)
    else:
        pairs = tuple(_judgement(register, party, member) for member in register.members)
    return CriterionState(
        id=one.id,
        name=one.name,
        clause=one.clause,
        kind=one.kind,
        holds=_all(pair.holds for pair in pairs),
        pairs=pairs,
    )


def _all(answers: Iterable[Answer]) -> Answer:
    found = set(answers)
    return "no" if "no" in found else "unknown" if "unknown" in found or not found else "yes"


def _pair(register: Register, kind: str, party: str, code: str, member: str, day: str) -> Pair:
    """An instrument found in the charter's text, or both halves attested by the two parties themselves.

    That the text names none means that none was looked up, not that there is none: unknown, never no. One that is over
    is a no.
    """
    charter = register.charter
    assert charter is not None
    other = charter.party(member).code
    between = tuple(sorted((code, other)))
    written = [one for one in charter.instruments if (one.kind, one.between) == (kind, between)]
    held = next((one for one in written if one.holds_on(day)), None)
    if held is not None:
        return Pair(member=member, holds="yes", why=f"{held.name}, signed {held.signed} (charter {held.clause})")
    halves = {
        one.party: one.act
        for one in register.attestations
        if one.terms.claim == kind
        and (one.terms.about, one.terms.other) in {(party, member), (member, party)}
        and not one.revoked
        and one.terms.term.holds(day)
    }
    if len(halves) == 2:
        return Pair(member=member, holds="yes", why=f"attested by both: {', '.join(a[:8] for a in halves.values())}")
    if halves:
        lacking = next(iter({party, member} - set(halves)))
        return Pair(member=member, holds="unknown", why=f"{lacking} has not attested its half")
    if written:
        return Pair(member=member, holds="no", why=f"{written[-1].name} is not in force on {day}")
    return Pair(member=member, holds="unknown", why=f"no {kind} with {member} is on record here")


def _own_word(register: Register, party: str, claim: str, day: str) -> Pair:
    """What a candidate attests of itself. No act, so it does not hold."""
    for one in register.attestations:
        about = one.terms.about in {party, f"{party}/{party}"}
        if one.party == party and about and one.terms.claim == claim and not one.revoked and one.terms.term.holds(day):
            return Pair(member=party, holds="yes", why=f"attested by {party} ({one.act[:8]})")
    return Pair(member=party, holds="no", why=f"{party} has not attested `{claim}` of itself")


def _judgement(register: Register, party: str, member: str) -> Pair:
    """What each party judges for itself is judged by its vote, and nowhere else."""
    for one, what in _terms(register):
        if what.party != party or one.state not in {"open", "in_force"}:
            continue
        for vote in one.votes:
            if vote.party == member and not vote.void and not vote.silent:
                holds: Answer = "yes" if vote.vote == "consent" else "no"
                return Pair(member=member, holds=holds, why=f"{vote.vote} ({vote.act[:8]})")
    return Pair(member=member, holds="unknown", why=f"{member} judges it by its vote")


# ---- deadlines -------------------------------------------------------------------------------------------------------


def _deadlines(register: Register, parties: Iterable[str], day: str) -> tuple[Deadline, ...]:
    """The next window of each of these parties, soonest first."""
    if register.charter is None:
        return ()
    found = []
    for party in parties:
        coming = [one for one in register.charter.windows if one.party == party and one.date >= day]
        if coming:
            one = min(coming, key=lambda window: window.date)
            found.append(Deadline(party=party, what=one.what, date=one.date, clause=one.clause, latest=one.latest))
    return tuple(sorted(found, key=lambda one: (one.date, one.party)))


# ---- the critical path -----------------------------------------------------------------------------------------------


def path(register: Register, one: Stage, target: str, day: str) -> Path:
    """Can this candidate's engagement be in force on `target`, and what must happen by when, as of `day`.

    A step is due on the earliest of the target, the window of who must take it and the proposal's own deadline. A
    window that has passed forbids nothing: another government can still consent; only a step that is late does.
    """
    blocked = list(_blocked(one, target, day))
    steps = [*_lifts(register, one, target)]
    if one.stage not in {"in_force", "suspended", "not_begun"} or (one.until and one.until <= target) or one.missing:
        steps += _agreement(register, one, target)
    dated = tuple(
        replace(step, late=step.by < day) for step in sorted(steps, key=lambda s: (s.by, _ORDER.get(s.kind, 9), s.of))
    )
    blocked += [f"{step.what}: was due on {step.by}" for step in dated if step.late]
    return Path(
        party=one.party,
        engagement=one.engagement,
        day=target,
        reachable=not blocked,
        blocked=tuple(blocked),
        steps=dated,
    )


def _agreement(register: Register, one: Stage, target: str) -> Iterator[Step]:
    """What a new proposal, or the one that is open, still needs."""
    yield from _instruments(one, target)
    windows = {deadline.party: deadline for deadline in one.deadlines}
    open_ = one.stage == "proposed" or bool(one.missing)
    missing = one.missing if open_ else (*register.members, one.party)
    votes = [_vote(party, windows, one.by, target) for party in missing]
    if not open_:
        first = min(votes, key=lambda step: step.by)
        because = f"before the first consent: {first.because}"
        yield from _introduction(register, one, first.by, because)
        what = "propose a renewal" if one.engagement else "propose the engagement"
        yield Step(what=what, of="any member", kind="propose", by=first.by, because=because, late=False)
    yield from votes
    if votes or one.waiting:
        ledgers = register.charter.confirm if register.charter else 0
        yield Step(
            what=f"acknowledge the votes in {ledgers} ledgers",
            of=", ".join(one.waiting or register.members),
            kind="acknowledge",
            by=target,
            because=_ASKED,
            late=False,
        )


_ASKED = "the day asked for"
_ORDER: Mapping[str, int] = {"lift": 0, "introduce": 0, "attest": 1, "propose": 2, "consent": 3, "acknowledge": 4}


def _blocked(one: Stage, target: str, day: str) -> Iterator[str]:
    if target < day:
        yield f"{target} is past"
    if one.since and one.since > target:
        yield f"its term begins on {one.since}"
    if one.stage == "proposed" and one.until and one.until <= target:
        yield f"its term ends on {one.until}"
    if one.stage == "proposed" and one.by and one.by < day:
        yield f"the proposal's deadline was {one.by}"
    for criterion in one.criteria:
        for pair in criterion.pairs:
            if pair.holds == "no":
                yield f"{criterion.name} (charter {criterion.clause}), {pair.member}: {pair.why}"


def _lifts(register: Register, one: Stage, target: str) -> Iterator[Step]:
    held = register.engagements.get(one.engagement)
    for party in sorted({party for party, _ in held.suspended}) if held is not None else ():
        yield Step(
            what=f"lift the suspension by {party}, which nobody else can do",
            of=party,
            kind="lift",
            by=target,
            because=_ASKED,
            late=False,
        )


def _instruments(one: Stage, target: str) -> Iterator[Step]:
    for criterion in one.criteria:
        if criterion.kind != "all_pairs":
            continue
        for pair in criterion.pairs:
            if pair.holds == "unknown":
                yield Step(
                    what=f"{criterion.name} (charter {criterion.clause}): {pair.why}",
                    of=f"{pair.member} and {one.party}",
                    kind="attest",
                    by=target,
                    because=_ASKED,
                    late=False,
                )


def _introduction(register: Register, one: Stage, due: str, because: str) -> Iterator[Step]:
    if one.party not in register.parties:
        yield Step(
            what=f"introduce {one.party}, so that the nodes know each other",
            of="any member",
            kind="introduce",
            by=due,
            because=because,
            late=False,
        )


def _vote(party: str, windows: Mapping[str, Deadline], by: str, target: str) -> Step:
    due = [(target, _ASKED)]
    if by:
        due.append((by, "the proposal's deadline"))
    if party in windows:
        window = windows[party]
        due.append(
            (window.date, f"its {window.what} (charter {window.clause}{', at the latest' if window.latest else ''})")
        )
    day, because = min(due)
    return Step(what=f"consent of {party}", of=party, kind="consent", by=day, because=because, late=False)
