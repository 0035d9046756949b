"""The conjuncts of a decision, in their order. Each is a function of facts to one finding; none stops the next.

    standing.person ∧ standing.organisation ∧ standing.party ∧ scope ∧ purpose ∧ label.level ∧ label.release ∧ label.tags
    ∧ denied ∧ fresh ∧ law.J for each jurisdiction ∧ owner

A rule says what would satisfy it and who can supply that (`needs`). Where nothing can, it says nothing, and no change is offered.

Source: contracts of the design, section 11; spec/decision.md, "Rules".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from msgspec import UnsetType

from relto.acts import EngagementState, Proposal, Propose
from relto.acts import Engagement as Terms
from relto.errors import NotFound
from relto.label import Level, must_hold
from relto.law import UNKNOWN, Fact, Finding, Need, Says, Three
from relto.release.facts import Case

MS_PER_HOUR = 3_600_000


def day_before(day: str) -> str:
    return (dt.date.fromisoformat(day) - dt.timedelta(days=1)).isoformat()


def standing_person(case: Case) -> Finding:
    """The own party vouches for the person as one of its organisation's people."""
    fact = case.fact("recipient.employment")
    clause = case.charter.standing.clause
    needs = (
        Need(
            needs=f"{case.question.to.party} states the person's employment",
            of=case.question.to.party,
            kind="recipient.employment",
        ),
    )
    if fact.value is UNKNOWN:
        return Finding(
            rule="standing.person",
            clause=clause,
            value=Three.UNKNOWN,
            facts=(fact,),
            deny_code="PERSON_UNKNOWN",
            needs=needs,
        )
    value = Three.NO if fact.value == "none" else Three.YES
    return Finding(
        rule="standing.person",
        clause=clause,
        value=value,
        facts=(fact,),
        deny_code="" if value is Three.YES else "PERSON_NOT_EMPLOYED",
    )


def standing_organisation(case: Case) -> Finding:
    fact, clause = case.fact("recipient.attested.organisation"), case.charter.standing.clause
    if fact.value is True:
        return Finding(rule="standing.organisation", clause=clause, value=Three.YES, facts=(fact,))
    to = case.question.to
    needs = (
        _need(f"{to.party} attests {to.organisation}", to.party, "attest", about=to.organisation, claim="organisation"),
    )
    return Finding(
        rule="standing.organisation",
        clause=clause,
        value=Three.NO,
        facts=(fact,),
        deny_code="ORGANISATION_NOT_ATTESTED",
        needs=needs,
    )


def standing_party(case: Case) -> Finding:
    """The recipient's party is known here by its own ledger and has not left."""
    party, clause = case.recipient, case.charter.standing.clause
    name = case.question.to.party
    if party is None:
        fact = Fact(name="recipient.ledger", value=False, says=Says.NONE, why=f"no ledger of {name} is held here")
        needs = (_need(f"{name} is introduced to this node", case.item.party, "introduce", party=name),)
        return Finding(
            rule="standing.party", clause=clause, value=Three.NO, facts=(fact,), deny_code="PARTY_UNKNOWN", needs=needs
        )
    fact = Fact(name="recipient.ledger", value=True, says=Says.CHARTER, rests_on=party.inception)
    if party.withdraws and party.withdraws <= case.day:
        gone = Fact(name="recipient.withdrawn", value=party.withdraws, says=Says.ACT)
        return Finding(
            rule="standing.party", clause=clause, value=Three.NO, facts=(fact, gone), deny_code="PARTY_WITHDRAWN"
        )
    return Finding(rule="standing.party", clause=clause, value=Three.YES, facts=(fact,))


def scope(case: Case) -> Finding:
    """The owner itself; a member, in an open pillar or in a closed one that names it; or an engagement that covers project, areas, ceiling and day."""
    to, owners = case.question.to.party, case.item.facts.owners
    project, pillar = case.project, case.pillar
    facts = [case.fact("item.project"), case.fact("item.areas")]
    if to in owners:
        return Finding(rule="scope", clause=project.clause if project else "", value=Three.YES, facts=tuple(facts))
    if project is None or pillar is None:
        return Finding(rule="scope", clause="", value=Three.NO, facts=tuple(facts), deny_code="NO_SUCH_PROJECT")
    if pillar.access == "closed":
        inside = to in pillar.members
        facts.append(Fact(name="pillar.members", value=pillar.members, says=Says.CHARTER))
        return Finding(
            rule="scope",
            clause=pillar.clause,
            value=Three.YES if inside else Three.NO,
            facts=tuple(facts),
            deny_code="" if inside else "PILLAR_CLOSED",
        )
    if not project.holds_on(case.day):
        return Finding(
            rule="scope", clause=project.clause, value=Three.NO, facts=tuple(facts), deny_code="PROJECT_NOT_RUNNING"
        )
    if to in case.charter.members:
        facts.append(Fact(name="project.participants", value=project.participants, says=Says.CHARTER))
        inside = to in project.participants
        return Finding(
            rule="scope",
            clause=project.clause,
            value=Three.YES if inside else Three.NO,
            facts=tuple(facts),
            deny_code="" if inside else "NOT_A_PARTICIPANT",
        )
    return _scope_of_outsider(case, facts)


def _scope_of_outsider(case: Case, facts: list[Fact]) -> Finding:
    clause = case.charter.decision("engage").clause
    best = "NOT_ENGAGED"
    for one in case.engagements():
        fault, value = _engagement_fault(case, one)
        fact = Fact(
            name=f"engagement.{one.id}",
            value=one.state(case.day) if not fault else fault,
            says=Says.ACT,
            rests_on=one.proposal,
            until=_end(one),
        )
        if not fault:
            return Finding(rule="scope", clause=clause, value=Three.YES, facts=(*facts, fact))
        facts.append(fact)
        best = fault
        if value is Three.UNKNOWN:
            needs = (
                _need(f"{case.item.party} says how {case.item.id} stands to the ceiling", case.item.party, "determine"),
            )
            return Finding(
                rule="scope", clause=clause, value=Three.UNKNOWN, facts=tuple(facts), deny_code=fault, needs=needs
            )
    return Finding(
        rule="scope", clause=clause, value=Three.NO, facts=tuple(facts), deny_code=best, needs=_engage_needs(case, best)
    )


def _end(one: EngagementState) -> str | None:
    """The last day on which it can hold."""
    ends = [day for day in (one.term.last, day_before(one.ended) if one.ended else None) if day]
    return min(ends) if ends else None


def _engagement_fault(case: Case, one: EngagementState) -> tuple[str, Three]:
    """The first thing by which an engagement fails to cover this question, as a code."""
    state = one.state(case.day)
    if state in {"ended", "lapsed", "not_begun"}:
        return f"ENGAGEMENT_{state.upper()}", Three.NO
    if one.terms.role != "participant":
        return "OBSERVER_ONLY", Three.NO
    if set(case.item.facts.areas) - set(one.terms.areas):
        return "AREA_NOT_COVERED", Three.NO
    worst = Three.YES
    for level in case.item.label.levels:
        # The ceiling may be written in several systems; one that settles the level is enough.
        words = [case.charter.equivalence.at_most(level, ceiling) for ceiling in one.terms.ceiling]
        if "yes" not in words:
            worst = min(worst, Three.NO if "unknown" not in words else Three.UNKNOWN, key=_strength)
    return ("", Three.YES) if worst is Three.YES else ("OVER_CEILING", worst)


def _strength(value: Three) -> int:
    return {Three.NO: 0, Three.UNKNOWN: 1, Three.YES: 2}[value]


def _engage_needs(case: Case, code: str) -> tuple[Need, ...]:
    """Without an open proposal: the engagement itself; with one: the votes that are missing, by name."""
    to, project = case.question.to.party, case.item.facts.project
    if code in {"AREA_NOT_COVERED", "OVER_CEILING", "OBSERVER_ONLY"}:
        return (
            _need(
                f"an engagement of {to} in {project} that covers this item",
                "members",
                "propose",
                party=to,
                project=project,
            ),
        )
    needs: list[Need] = []
    for one in open_engagements(case, to, project):
        for party in one.missing:
            needs.append(_need(f"consent of {party} to {one.subject}", party, "consent", proposal=one.id))
        if not one.missing:
            needs.append(
                _need(
                    f"the ledgers of the members acknowledge the votes on {one.subject}",
                    "members",
                    "acknowledge",
                    proposal=one.id,
                )
            )
        return tuple(needs)
    return (
        _need(
            f"an engagement of {to} in {project}, proposed by a member and consented to by all members and {to}",
            "members",
            "propose",
            party=to,
            project=project,
        ),
    )


def open_engagements(case: Case, party: str, project: str) -> list[Proposal]:
    found = []
    for one in case.register.slots.values():
        act = one.stated.act
        if (
            one.state == "open"
            and isinstance(act, Propose)
            and isinstance(act.what, Terms)
            and (act.what.party, act.what.project) == (party, project)
        ):
            found.append(one)
    return found


def purpose(case: Case) -> Finding:
    fact = case.fact("transfer.purpose")
    project = case.project
    try:
        declared = case.charter.purpose(case.question.purpose)
    except NotFound:
        declared = None
    if declared is None:
        return Finding(rule="purpose", clause="", value=Three.NO, facts=(fact,), deny_code="PURPOSE_NOT_DECLARED")
    fits = project is not None and declared.fits(project.id)
    return Finding(
        rule="purpose",
        clause=declared.clause,
        value=Three.YES if fits else Three.NO,
        facts=(fact,),
        deny_code="" if fits else "PURPOSE_NOT_FOR_PROJECT",
    )


def label_level(case: Case) -> Finding:
    """Each level held is covered by the clearance; a level that its own system does not classify needs none."""
    clause, label = case.charter.equivalence.clause, case.fact("item.label")
    wanting = [level for level in case.item.label.levels if case.charter.equivalence.needs_clearance(level)]
    if not wanting:
        return Finding(rule="label.level", clause=clause, value=Three.YES, facts=(label,))
    held, fact, to = case.question.to.clearance, case.fact("recipient.clearance"), case.question.to.party
    needs = (_need(f"{to} states a clearance that covers {', '.join(map(str, wanting))}", to, "recipient.clearance"),)
    if fact.value is UNKNOWN or isinstance(held, UnsetType):
        return Finding(
            rule="label.level",
            clause=clause,
            value=Three.UNKNOWN,
            facts=(label, fact),
            deny_code="CLEARANCE_UNKNOWN",
            needs=needs,
        )
    if not isinstance(held.until, UnsetType) and held.until <= case.day:
        return Finding(
            rule="label.level",
            clause=clause,
            value=Three.NO,
            facts=(label, fact),
            deny_code="CLEARANCE_EXPIRED",
            needs=needs,
        )
    words = [case.charter.equivalence.covers(Level(system=held.system, level=held.level), level) for level in wanting]
    value = Three.NO if "no" in words else Three.UNKNOWN if "unknown" in words else Three.YES
    code = {Three.NO: "CLEARANCE_TOO_LOW", Three.UNKNOWN: "CLEARANCE_NOT_COMPARABLE", Three.YES: ""}[value]
    return Finding(
        rule="label.level",
        clause=clause,
        value=value,
        facts=(label, fact),
        deny_code=code,
        needs=() if value is Three.YES else needs,
    )


def label_release(case: Case) -> Finding:
    """The recipient's party and every nationality stand in REL TO; unmarked means the owners only; the empty set is nobody."""
    clause, label = case.charter.equivalence.clause, case.fact("item.label")
    nations, code = case.fact("recipient.nationalities"), case.fact("recipient.code")
    allowed = case.item.label.released_to(case.owners_codes)
    relabel = _need(
        f"{case.item.party} relabels {case.item.id} so that it is releasable to {code.value}",
        case.item.party,
        "relabel",
        item=case.item.id,
        code=str(code.value),
    )
    if not allowed:
        return Finding(
            rule="label.release",
            clause=clause,
            value=Three.NO,
            facts=(label,),
            deny_code="RELEASABLE_TO_NOBODY",
            needs=(relabel,),
        )
    outside = {str(code.value)} - allowed if code.value is not UNKNOWN else set()
    if nations.value is not UNKNOWN:
        assert isinstance(nations.value, tuple)
        outside |= set(nations.value) - allowed
    if outside:
        return Finding(
            rule="label.release",
            clause=clause,
            value=Three.NO,
            facts=(label, code, nations),
            deny_code="NOT_RELEASABLE",
            needs=(relabel,),
        )
    if UNKNOWN in (nations.value, code.value):
        needs = (
            _need(
                f"{case.question.to.party} states all nationalities of the person",
                case.question.to.party,
                "recipient.nationalities",
            ),
        )
        return Finding(
            rule="label.release",
            clause=clause,
            value=Three.UNKNOWN,
            facts=(label, code, nations),
            deny_code="NATIONALITY_UNKNOWN",
            needs=needs,
        )
    return Finding(rule="label.release", clause=clause, value=Three.YES, facts=(label, code, nations))


def label_tags(case: Case) -> Finding:
    """Compartments: nobody is stated to hold one, so a label that carries one goes to the owners only."""
    held = tuple(tag for tag in case.item.label.tags if must_hold(tag))
    value = Three.YES if not held or case.question.to.party in case.item.facts.owners else Three.NO
    shown = (
        case.item.label.display
        and case.question.method == "key"
        and case.recipient is not None
        and case.recipient.code in case.item.label.display
    )
    if (
        shown
        and case.recipient is not None
        and case.recipient.code not in case.item.label.released_to(case.owners_codes)
    ):
        value = Three.NO  # DISPLAY ONLY never permits a key
    return Finding(
        rule="label.tags", clause=case.charter.equivalence.clause, value=value, facts=(case.fact("item.label"),), deny_code="" if value is Three.YES else "TAG_NOT_HELD"
    )  # fmt: skip


def denied(case: Case) -> Finding:
    """Nothing suspends, recalls, freezes, retires or is owed. Denials count on sight."""
    register, to = case.register, case.question.to.party
    clause = case.charter.suspension.clause
    facts: list[Fact] = []
    needs: list[Need] = []
    for engagement in case.engagements():
        for author, act in engagement.suspended:
            facts.append(Fact(name=f"suspended.{engagement.id}", value=author, says=Says.ACT, rests_on=act))
            needs.append(_need(f"{author} lifts its suspension of {engagement.id}", author, "lift", suspend=act))
    for recall in register.recalls.values():
        release = register.releases[recall.release].terms
        if recall.holder == to and (release.item, release.version) == (case.item.id, case.item.version):
            facts.append(Fact(name="recalled", value=recall.party, says=Says.ACT, rests_on=recall.because))
    for party in dict.fromkeys((case.item.party, to, *_jurisdiction_parties(case))):
        state = register.parties.get(party)
        if state is not None and state.frozen:
            facts.append(Fact(name=f"frozen.{party}", value=state.frozen, says=Says.NODE))
        if party in register.owed and party != register.me:
            facts.append(Fact(name=f"owed.{party}", value=len(register.owed[party]), says=Says.NODE))
            needs.append(
                _need(
                    f"{party} opens {len(register.owed[party])} entries that are addressed to {register.me}",
                    party,
                    "opening",
                )
            )
    leaving = case.owner.withdraws
    if leaving and leaving <= case.day:
        facts.append(Fact(name=f"withdrawn.{case.item.party}", value=leaving, says=Says.ACT))
    if case.item.retired:
        facts.append(Fact(name="item.retired", value=True, says=Says.ACT, rests_on=case.item.retired))
    if not facts:
        return Finding(rule="denied", clause=clause, value=Three.YES)
    code = (
        "SUSPENDED" if any(f.name.startswith("suspended") for f in facts) else facts[0].name.partition(".")[0].upper()
    )
    return Finding(
        rule="denied",
        clause=clause,
        value=Three.NO,
        facts=tuple(facts),
        deny_code=code,
        needs=tuple(needs) if len(needs) == len(facts) else (),
    )


def _jurisdiction_parties(case: Case) -> tuple[str, ...]:
    return tuple(j.adopter for j in case.charter.jurisdictions)


def fresh(case: Case) -> Finding:
    """No ledger that the answer depends on is seen longer ago than the charter allows for this label. Depends on: the owners, the recipient's party,
    and, for a release to an engaged outsider, every member entitled to suspend."""
    to = case.question.to.party
    limit, clause = case.charter.freshness_limit(case.item.label.levels)
    outsider = to not in case.charter.members
    wanted = sorted({*case.item.facts.owners, to, *(case.charter.members if outsider else ())} - {case.register.me})
    facts: list[Fact] = []
    needs: list[Need] = []
    stale = False
    for party in wanted:
        state = case.register.parties.get(party)
        if state is None:
            continue  # `standing.party` says it
        old = state.seen is None or case.question.day - state.seen > limit
        if old:
            stale = True
            age = "never" if state.seen is None else f"{(case.question.day - state.seen) // MS_PER_HOUR} h ago"
            facts.append(
                Fact(
                    name=f"seen.{party}",
                    value=UNKNOWN,
                    says=Says.NODE,
                    why=f"last seen {age}, limit {limit // MS_PER_HOUR} h",
                )
            )
            needs.append(
                _need(
                    f"the ledger of {party} is fetched again, or a bundle of it is imported",
                    case.register.me,
                    "sync",
                    party=party,
                )
            )
    return Finding(
        rule="fresh",
        clause=clause,
        value=Three.UNKNOWN if stale else Three.YES,
        facts=tuple(facts),
        deny_code="STALE" if stale else "",
        needs=tuple(needs),
    )


def owner(case: Case) -> Finding:
    """The owner's own rule: permitted by the charter's clause."""
    return Finding(
        rule="owner", clause=case.charter.releases.clause, value=Three.YES, facts=(case.fact("item.owners"),)
    )


def _need(needs: str, of: str, kind: str, **detail: str) -> Need:
    return Need(needs=needs, of=of, kind=kind, detail=detail)


BEFORE_LAW: Sequence[Callable[[Case], Finding]] = (
    standing_person, standing_organisation, standing_party, scope, purpose, label_level, label_release, label_tags, denied, fresh,
)  # fmt: skip
AFTER_LAW: Sequence[Callable[[Case], Finding]] = (owner,)
