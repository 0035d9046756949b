"""The conjuncts of a decision, in their order. Each reads the facts that it declares and finds one value.

    standing.person ∧ standing.organisation ∧ standing.party ∧ scope ∧ purpose ∧ label.level ∧ label.release
    ∧ label.tags ∧ denied ∧ fresh ∧ law.J for each jurisdiction ∧ owner

A rule that is not yes says what would satisfy it and who can supply that: `ways`, sets of needs of which one is enough.
Where nothing can, there is none, and no change is offered.

Source: contracts of the design, section 11; spec/decision.md, "Rules".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto.acts import Ending as EndingTerms
from relto.acts import EngagementState, ProjectTerms, Propose
from relto.charter import Charter, Pillar
from relto.charter.text import Span
from relto.errors import Malformed, NotFound
from relto.label import Level, must_hold
from relto.law import UNKNOWN, Fact, Finding, Need, Says, Three, all_of, any_of
from relto.release.facts import FAR, Case, made_of
from relto.release.leaving import READS as RIGHTS_READ
from relto.release.leaving import keeps_access, right_of
from relto.release.question import date_of, day_before

MS_PER_HOUR: Final = 3_600_000
Way = tuple[Need, ...]


class Found(NamedTuple):
    finding: Finding
    ways: tuple[Way, ...]


class Rule(Struct, frozen=True, kw_only=True):
    """A conjunct: `reads` are the facts it may read of item, recipient and question."""

    id: str
    reads: tuple[str, ...]
    run: Callable[[Case], Found]

    @property
    def sides(self) -> frozenset[str]:
        return frozenset(side for name in self.reads for side in made_of(name))


def found(
    rule: str, value: Three, clause: str, facts: Iterable[Fact] = (), *, code: str = "", ways: Sequence[Way] = ()
) -> Found:
    kept = () if value is Three.YES else tuple(ways)
    finding = Finding(
        rule=rule,
        clause=clause,
        value=value,
        facts=tuple(facts),
        deny_code="" if value is Three.YES else code,
        needs=tuple(distinct(need for way in kept for need in way)),
    )
    return Found(finding, kept)


def need(needs: str, of: str, kind: str, **detail: str) -> Need:
    return Need(needs=needs, of=of, kind=kind, detail=detail)


def lasting(fact: Fact) -> Fact:
    """A fact of the past: that it ended ends nothing."""
    return msgspec.structs.replace(fact, until=None)


def key_of(one: Need) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """What makes two needs the same: who does or states what, not in which words."""
    return one.kind, one.of, tuple(sorted(one.detail.items()))


def distinct(needs: Iterable[Need]) -> Iterable[Need]:
    return {key_of(one): one for one in needs}.values()


# ---- standing -------------------------------------------------------------------------------------------------------


def standing_person(case: Case) -> Found:
    """The own party vouches for the person as one of its organisation's people."""
    fact, to = case.fact("recipient.employment"), case.text("recipient.party")
    clause = case.charter.standing.clause
    if fact.value is UNKNOWN:
        way = (need(f"{to} states the person's employment", to, "recipient.employment"),)
        return found("standing.person", Three.UNKNOWN, clause, [fact], code="PERSON_UNKNOWN", ways=[way])
    return found("standing.person", Three.of(fact.value != "none"), clause, [fact], code="PERSON_NOT_EMPLOYED")


def standing_organisation(case: Case) -> Found:
    """The recipient's party attests the organisation. It speaks for its own and for nobody else's."""
    fact, clause = case.fact("recipient.attested.organisation"), case.charter.standing.clause
    to, organisation = case.text("recipient.party"), case.text("recipient.organisation")
    if organisation.partition("/")[0] != to:
        code = "ORGANISATION_OF_ANOTHER_PARTY"
        return found("standing.organisation", Three.NO, clause, [fact], code=code)
    way = (need(f"{to} attests {organisation}", to, "attest", about=organisation, claim="organisation"),)
    code, value = "ORGANISATION_NOT_ATTESTED", Three.of(fact.value is True)
    return found("standing.organisation", value, clause, [fact], code=code, ways=[way])


def standing_party(case: Case) -> Found:
    """The recipient's party is known here by its own ledger and has not left."""
    fact, clause = case.fact("recipient.ledger"), case.charter.standing.clause
    right = right_of(case) if fact.value == "left" else None
    if right is not None:
        return found("standing.party", Three.YES, right.duty.clause, [lasting(fact), right.fact])
    if fact.value == "left":
        return found("standing.party", Three.NO, clause, [fact], code="PARTY_WITHDRAWN")
    to, owner = case.text("recipient.party"), case.text("item.owner")
    way = (need(f"{to} is introduced, and its ledger fetched", owner, "introduce", party=to),)
    return found("standing.party", Three.of(fact.value == "held"), clause, [fact], code="PARTY_UNKNOWN", ways=[way])


# ---- scope ----------------------------------------------------------------------------------------------------------


class Work(NamedTuple):
    """A project of the charter, or one that the members began by an act."""

    clause: str
    pillar: Pillar | None
    participants: tuple[str, ...]
    term: Span
    act: str = ""


def work_of(case: Case, name: str) -> Work | None:
    """Raises nothing: a project that no text and no act knows is None."""
    work = _work_of_charter(case, name)
    for one in case.read("work", name):
        what = one.stated.act.what if isinstance(one.stated.act, Propose) else None
        if isinstance(what, ProjectTerms) and what.project == name:
            term = Span(first=what.term.since, last=what.term.last)
            clause = case.charter.decision("project").clause
            work = Work(clause, _pillar(case, what.pillar), what.participants, term, one.id)
        elif isinstance(what, EndingTerms) and work is not None:
            last = min(work.term.last or FAR, day_before(what.on))
            work = work._replace(term=Span(first=work.term.first, last=last), act=one.id)
    return work


def _work_of_charter(case: Case, name: str) -> Work | None:
    try:
        project = case.charter.project(name)
    except NotFound:
        return None
    return Work(project.clause, _pillar(case, project.pillar), project.participants, project.access)


def _pillar(case: Case, name: str) -> Pillar | None:
    try:
        return case.charter.pillar(name)
    except NotFound:
        return None


def owns(case: Case, to: str) -> bool:
    """The owner itself: in whose ledger the item stands, or a co-owner that it names.

    A co-owner that is no member owns where a part stands in its own ledger: no outsider comes in by another's word.
    """
    if to == case.text("item.owner"):
        return True
    own_part = any(one.startswith(f"{to}/") for one in case.words("item.parts"))
    return to in case.words("item.owners") and (to in case.charter.members or own_part)


def scope(case: Case) -> Found:
    """The owner itself, a member that takes part, or an engagement that covers project, areas, ceiling and day.

    A closed pillar is closed to all others, whatever else holds.
    """
    to, work = case.text("recipient.party"), work_of(case, case.text("item.project"))
    facts = [case.fact("item.project"), case.fact("item.areas")]
    if work is not None and work.pillar is not None and work.pillar.access == "closed":
        facts.append(Fact(name="pillar.members", value=work.pillar.members, says=Says.CHARTER))
        if to not in work.pillar.members:
            return found("scope", Three.NO, work.pillar.clause, facts, code="PILLAR_CLOSED")
    if owns(case, to):
        clause = work.clause if work is not None else case.charter.releases.clause
        return found("scope", Three.YES, clause, [*facts, case.fact("item.owners")])
    if work is None or work.pillar is None:
        return found("scope", Three.NO, case.charter.decision("project").clause, facts, code="NO_SUCH_PROJECT")
    act = work.act or UNSET
    facts.append(
        Fact(
            name="project.participants",
            value=work.participants,
            says=Says.ACT if work.act else Says.CHARTER,
            rests_on=act,
            until=work.term.last,
        )
    )
    if not work.term.holds(case.day):
        return found("scope", Three.NO, work.clause, facts, code="PROJECT_NOT_RUNNING")
    takes_part = to in work.participants and (to in case.charter.insiders or right_of(case) is not None)
    if to in case.charter.members or takes_part:
        return found("scope", Three.of(takes_part), work.clause, facts, code="NOT_A_PARTICIPANT")
    return _scope_of_outsider(case, facts)


class Carrier(NamedTuple):
    """An engagement of the recipient's party in the item's project, and the first thing by which it does not cover."""

    one: EngagementState
    fault: str
    value: Three

    @property
    def last(self) -> str:
        """The last day on which it can hold."""
        return min(self.one.term.last or FAR, day_before(self.one.ended) if self.one.ended else FAR)


# Nearest to holding comes first: that is the one to speak of when none holds.
_NEARNESS: Final = (
    *("", "OVER_CEILING", "AREA_NOT_COVERED", "OBSERVER_ONLY"),
    *("ENGAGEMENT_NOT_BEGUN", "ENGAGEMENT_LAPSED", "ENGAGEMENT_ENDED"),
)


def carriers(case: Case) -> list[Carrier]:
    """The nearest first; of those that cover, one that nobody suspended, then the one that lasts longest."""
    held = case.read("engagements", case.text("recipient.party"), case.text("item.project"))
    every = [_carrier(case, one) for one in held]
    every.sort(key=lambda c: c.one.id)
    every.sort(key=lambda c: c.last, reverse=True)
    return sorted(every, key=lambda c: (_rank(c), bool(c.one.suspended)))


def _rank(one: Carrier) -> tuple[int, int]:
    return {Three.YES: 0, Three.UNKNOWN: 1, Three.NO: 2}[one.value], _NEARNESS.index(one.fault)


def _carrier(case: Case, one: EngagementState) -> Carrier:
    if one.ended and one.ended <= case.day:
        return Carrier(one, "ENGAGEMENT_ENDED", Three.NO)
    if not one.term.holds(case.day):
        begun = one.term.since <= case.day
        return Carrier(one, "ENGAGEMENT_LAPSED" if begun else "ENGAGEMENT_NOT_BEGUN", Three.NO)
    return _cover(case, one)


def _cover(case: Case, one: EngagementState) -> Carrier:
    """Whether it covers the item, its days apart."""
    if one.terms.role != "participant":
        return Carrier(one, "OBSERVER_ONLY", Three.NO)
    areas = set(case.words("item.areas"))
    if not areas or areas - set(one.terms.areas):  # an item of no area lies in none that is covered
        return Carrier(one, "AREA_NOT_COVERED", Three.NO)
    value = all_of([_under(case, level, one.terms.ceiling) for level in levels(case)])
    return Carrier(one, "" if value is Three.YES else "OVER_CEILING", value)


def _under(case: Case, level: Level, ceiling: Iterable[Level]) -> Three:
    """The ceiling may be written in several systems; one that settles the level is enough."""
    return any_of([Three(case.charter.equivalence.at_most(level, one)) for one in ceiling])


def levels(case: Case) -> tuple[Level, ...]:
    """The levels that the item is held at, as its labels write them."""
    words = (text.partition(" ") for text in case.words("item.levels"))
    return tuple(Level(system=system, level=level) for system, _, level in words)


def _scope_of_outsider(case: Case, facts: list[Fact]) -> Found:
    clause, every = case.charter.decision("engage").clause, carriers(case)
    best = every[0] if every else None
    if best is not None and best.value is Three.YES:
        held = [_engagement_fact(best), *_votes(best.one)]
        return found("scope", Three.YES, clause, [*facts, *held])
    return found(
        "scope",
        Three.NO if best is None else best.value,
        clause,
        [*facts, *(_engagement_fact(one) for one in every)],
        code=best.fault if best is not None else "NOT_ENGAGED",
        ways=_ways_to_engage(case, every),
    )


def _engagement_fact(carrier: Carrier) -> Fact:
    return Fact(
        name=f"engagement.{carrier.one.id}",
        value=carrier.fault or "in_force",
        says=Says.ACT,
        rests_on=carrier.one.proposal,
        until=carrier.last if carrier.last != FAR else None,
    )


def _votes(one: EngagementState) -> list[Fact]:
    """The other acts that an engagement rests on: its consents, and what renewed or ended it."""
    name = f"engagement.{one.id}.act"
    return [Fact(name=name, value=True, says=Says.ACT, rests_on=act) for act in one.by if act != one.proposal]


def _ways_to_engage(case: Case, every: Sequence[Carrier]) -> list[Way]:
    """The votes that an open proposal lacks; else a renewal of what has lapsed; else a new engagement."""
    to, project = case.text("recipient.party"), case.text("item.project")
    votes = list(_missing_votes(case, to, project))
    if votes:
        return votes
    votes_of = f"proposed by a member and consented to by all members and {to}"
    lapsed = [one for one in every if one.fault == "ENGAGEMENT_LAPSED" and _cover(case, one.one).value is Three.YES]
    if lapsed:
        name = lapsed[0].one.id
        words = f"a renewal of {name}, {votes_of}"
        return [(need(words, "members", "propose", renews=name, party=to),)]
    words = f"an engagement of {to} in {project} that covers this item, {votes_of}"
    return [(need(words, "members", "propose", party=to, project=project),)]


def _missing_votes(case: Case, to: str, project: str) -> Iterable[Way]:
    for one in case.read("proposals", to, project):
        act = one.stated.act
        what = act.what
        made = EngagementState(id=one.subject.partition("/")[2], proposal=one.id, terms=what, term=what.term)
        if _carrier(case, made).value is not Three.YES:
            continue
        late = {} if isinstance(act.by, UnsetType) else {"by": date_of(act.by)}
        if one.missing:
            yield tuple(
                need(f"consent of {party} to {one.subject}", party, "consent", proposal=one.id, **late)
                for party in one.missing
            )
        else:
            words = f"the ledgers of the members acknowledge the votes on {one.subject}"
            yield (need(words, "members", "acknowledge", proposal=one.id),)


def purpose(case: Case) -> Found:
    """A purpose that the charter declares and that the item's project allows."""
    fact, project = case.fact("transfer.purpose"), case.text("item.project")
    declared = {one.id: one for one in case.charter.purposes}
    allowed = [one.id for one in case.charter.purposes if one.fits(project)]
    words = f"it is asked for one of the purposes that the project allows: {', '.join(allowed)}"
    ways = [(need(words, "person", "transfer.purpose", **{"in": " ".join(allowed)}),)]
    asked = declared.get(str(fact.value))
    if asked is None:
        clause = case.charter.aim.clause
        return found("purpose", Three.NO, clause, [fact], code="PURPOSE_NOT_DECLARED", ways=ways)
    value = Three.of(asked.id in allowed)
    return found("purpose", value, asked.clause, [fact], code="PURPOSE_NOT_FOR_PROJECT", ways=ways)


# ---- label ----------------------------------------------------------------------------------------------------------


def label_level(case: Case) -> Found:
    """Each level held is covered by the clearance; a level that its own system does not classify needs none."""
    table, marked = case.charter.equivalence, case.fact("item.levels")
    wanting = [level for level in levels(case) if table.needs_clearance(level)]
    if not wanting:
        return found("label.level", Three.YES, table.clause, [marked])
    fact, to, named = case.fact("recipient.clearance"), case.text("recipient.party"), ", ".join(map(str, wanting))
    ways = [(need(f"{to} states a clearance that covers {named}", to, "recipient.clearance", levels=named),)]
    value, code = _clearance_value(case, fact, wanting)
    return found("label.level", value, table.clause, [marked, fact], code=code, ways=ways)


def _clearance_value(case: Case, fact: Fact, wanting: Sequence[Level]) -> tuple[Three, str]:
    stated = case.question.to.clearance
    if fact.value is UNKNOWN or isinstance(stated, UnsetType):
        return Three.UNKNOWN, "CLEARANCE_UNKNOWN"
    if not isinstance(stated.until, UnsetType) and stated.until <= case.day:
        return Three.NO, "CLEARANCE_EXPIRED"
    try:
        held = Level(system=stated.system, level=stated.level)
    except Malformed:  # a word that is no level of any system
        return Three.UNKNOWN, "CLEARANCE_NOT_COMPARABLE"
    value = all_of([Three(case.charter.equivalence.covers(held, level)) for level in wanting])
    return value, "CLEARANCE_TOO_LOW" if value is Three.NO else "CLEARANCE_NOT_COMPARABLE"


def label_release(case: Case) -> Found:
    """The recipient's party and every nationality stand in REL TO; unmarked: the owners only; the empty set: nobody."""
    clause, marked = case.charter.equivalence.clause, case.fact("item.releasable")
    allowed, code = frozenset(case.words("item.releasable")), case.fact("recipient.code")
    nations, held = case.fact("recipient.nationalities"), case.words("recipient.nationalities")
    to, owner = case.text("recipient.party"), case.text("item.owner")
    letters = {code.value} if isinstance(code.value, str) else set()
    outside = sorted((letters | set(held)) - allowed)
    facts, ways = [marked, code, nations], []
    if outside or not allowed:
        wanted = outside or sorted(letters)
        words = f"{owner} relabels {case.question.item} so that it is releasable to {', '.join(wanted)}"
        if wanted:
            ways = [(need(words, owner, "relabel", item=case.question.item, add=" ".join(wanted)),)]
        why = "NOT_RELEASABLE" if allowed else "RELEASABLE_TO_NOBODY"
        return found("label.release", Three.NO, clause, facts, code=why, ways=ways)
    if not letters or not held:
        why = "NATIONALITY_UNKNOWN" if letters else "LETTERS_UNKNOWN"
        if letters:
            ways = [(need(f"{to} states all nationalities of the person", to, "recipient.nationalities"),)]
        return found("label.release", Three.UNKNOWN, clause, facts, code=why, ways=ways)
    return found("label.release", Three.YES, clause, facts)


def label_tags(case: Case) -> Found:
    """Compartments. Nobody is stated to hold one: others are refused, and of the owner's own people it is unknown."""
    clause, fact = case.charter.equivalence.clause, case.fact("item.tags")
    if not any(map(must_hold, case.words("item.tags"))):
        return found("label.tags", Three.YES, clause, [fact])
    value = Three.UNKNOWN if owns(case, case.text("recipient.party")) else Three.NO
    return found("label.tags", value, clause, [fact], code="TAG_NOT_HELD")


# ---- denied and fresh -----------------------------------------------------------------------------------------------


def relied_on(case: Case) -> tuple[str, ...]:
    """The parties whose ledgers an answer depends on.

    The owners, the recipient's, those whose law is used, and for one that is no member every member that may suspend.
    """
    to, members = case.text("recipient.party"), case.charter.members
    outsider = to not in members and case.charter.suspension.by != "owner"
    parties = (case.text("item.owner"), *case.words("item.owners"), to, *case.used(), *(members if outsider else ()))
    return tuple(sorted(set(parties)))


class Stop(NamedTuple):
    code: str
    fact: Fact
    needs: Way | None = None  # None: nothing undoes it


def denied(case: Case, acts: Sequence[tuple[str, bool]]) -> Found:
    """Nothing suspends, recalls, retires, freezes, disputes or is owed. Denials count on sight.

    acts: the ids of those that everything else relies on, and whether the key of each is disputed.
    """
    stops = [_disputed(act) for act, under in acts if under]
    stops += [*suspensions(case), *recalls(case), *retired(case), *ledgers(case)]
    ways = (
        []
        if any(one.needs is None for one in stops)
        else [tuple(distinct(n for one in stops for n in one.needs or ()))]
    )
    return found(
        "denied",
        Three.of(not stops),
        case.charter.suspension.clause,
        [one.fact for one in stops],
        code=stops[0].code if stops else "",
        ways=ways,
    )


def _disputed(act: str) -> Stop:
    return Stop("DISPUTED", Fact(name=f"disputed.{act[:16]}", value=True, says=Says.ACT, rests_on=act))


def suspensions(case: Case) -> Iterable[Stop]:
    """What a suspension takes away is the engagement that it names: it stops what nothing else carries."""
    to = case.text("recipient.party")
    if to in case.charter.members or owns(case, to):
        return
    every = carriers(case)
    if not every or every[0].value is Three.NO:
        return
    best = every[0].one  # of those that cover, one that nobody suspended stands first
    for author, act in best.suspended:
        fact = Fact(name=f"suspended.{best.id}", value=author, says=Says.ACT, rests_on=act)
        # A key under one of its votes is disputed: nobody lifts that.
        yield Stop("SUSPENDED", fact, None if case.read("for good", act) else (_lift(author, act, best.id),))


def _lift(author: str, act: str, name: str) -> Need:
    return need(f"{author} lifts its suspension of {name}", author, "lift", suspend=act)


def recalls(case: Case) -> Iterable[Stop]:
    for recall in case.thing.recalls(case.text("recipient.party")):
        fact = Fact(name="recalled", value=recall.party, says=Says.ACT, rests_on=recall.because)
        by = case.read("lifts").get(recall.because)
        yield Stop("RECALLED", fact, (_lift(by[0], recall.because, by[1]),) if by else None)


def retired(case: Case) -> Iterable[Stop]:
    if case.fact("item.retired").value is True:
        yield Stop("RETIRED", case.fact("item.retired"))
    owner = case.text("item.owner")
    gone = case.gone_from(owner)
    if gone and gone <= case.day:
        yield Stop("WITHDRAWN", Fact(name=f"withdrawn.{owner}", value=gone, says=Says.ACT))


def ledgers(case: Case) -> Iterable[Stop]:
    near = {case.text("item.owner"), *case.words("item.owners"), case.text("recipient.party")}
    for party in relied_on(case):
        # Who gives or receives must be able to write; of others what stood before the fork is enough, while it is fresh.
        if (why := case.read("frozen", party)) and (party in near or not case.read("shared", party)):
            yield Stop("FROZEN", Fact(name=f"frozen.{party}", value=True, says=Says.NODE, why=why))
    for name in (f"project/{case.text('item.project')}", *(f"party/{party}" for party in sorted(near))):
        if act := case.read("halted", name):
            yield Stop("DISPUTED", Fact(name=f"halted.{name}", value=True, says=Says.ACT, rests_on=act))
    for party in relied_on(case):
        owed = case.read("owed", party)
        if owed and party != case.me:
            why = f"{owed} entries that are addressed to {case.me} are not opened"
            fact = Fact(name=f"owed.{party}", value=True, says=Says.NODE, why=why)
            yield Stop("OWED", fact, (need(f"{party} opens its entries to {case.me}", party, "opening"),))


def fresh(case: Case) -> Found:
    """No ledger that the answer depends on was seen longer ago than the charter allows for it and for this label."""
    held = levels(case)
    facts: list[Fact] = []
    needs: list[Need] = []
    clauses: list[tuple[int, str]] = []
    settled = True
    for party in relied_on(case):
        if party == case.me:
            continue
        limit, clause = _limit(case, held, party)
        clauses.append((limit, clause))
        why = _stale(case, party, limit)
        if why:
            facts.append(Fact(name=f"seen.{party}", value=UNKNOWN, says=Says.NODE, why=why))
            settled = settled and not case.read("frozen", party)  # fetching it again makes nothing younger
            words = f"the ledger of {party} is fetched again, or a bundle of it is imported"
            needs.append(need(words, case.me, "sync", party=party))
    clause = min(clauses)[1] if clauses else _least(case)
    value = Three.UNKNOWN if facts else Three.YES
    return found("fresh", value, clause, facts, code="STALE", ways=[tuple(needs)] if settled else [])


def _least(case: Case) -> str:
    """The clause that says how old a view may be; where a text has none left, the one that says who counts."""
    return case.charter.freshness[0].clause if case.charter.freshness else case.charter.standing.clause


def freshness_limit(case: Case, party: str) -> int:
    """How old the sight of a ledger may be for this item, in ms."""
    return max(_limit(case, levels(case), party)[0], 0)


def _limit(case: Case, held: Sequence[Level], party: str) -> tuple[int, str]:
    try:
        return case.charter.freshness_limit(held, party)
    except NotFound:
        return -1, _least(case)  # no limit is stated for this ledger: none is recent enough


def _stale(case: Case, party: str, limit: int) -> str:
    """Why a ledger is not recent enough, or empty."""
    known = case.read("seen", party)
    if known is None:
        return "no ledger of this party is held here"
    (seen,) = known
    if seen is None:
        return f"never seen, limit {limit // MS_PER_HOUR} h"
    age = case.question.day - seen
    return f"seen {age // MS_PER_HOUR} h ago, limit {limit // MS_PER_HOUR} h" if age > limit else ""


# ---- owner ----------------------------------------------------------------------------------------------------------


def owner(case: Case) -> Found:
    """The owners' own rule: all are named, and where the charter asks, an officer has approved this request."""
    clause, owners = case.charter.releases.clause, case.fact("item.owners")
    parts, left_out = case.fact("item.parts"), case.fact("item.left_out")
    facts = [owners, parts, *_part_facts(case)]
    if case.text("item.owner") not in case.words("item.owners"):
        return found("owner", Three.NO, clause, facts, code="OWNER_LEFT_OUT")
    if left_out.value is UNKNOWN:
        return found("owner", Three.UNKNOWN, clause, [*facts, left_out], code="PART_UNKNOWN")
    if left_out.value != ():
        return found("owner", Three.NO, clause, [*facts, left_out], code="CO_OWNER_LEFT_OUT")
    if not case.charter.releases.approval:
        return found("owner", Three.YES, clause, facts)
    value, fact = _approval(case)
    item, by = case.question.item, case.text("item.owner")
    way = (need(f"{by} approves this request for {item}", by, "determine", condition="approved"),)
    code = "NOT_APPROVED" if value is Three.UNKNOWN else "REFUSED"
    return found("owner", value, clause, [*facts, fact], code=code, ways=[way] if value is Three.UNKNOWN else [])


def _approval(case: Case) -> tuple[Three, Fact]:
    """What the owner's officers said about this very request; about another it says nothing."""
    request, _ = case.question.request, case.fact("item.approved")
    told = None if isinstance(request, UnsetType) else case.thing.approvals().get(request)
    if told is None:
        return Three.UNKNOWN, Fact(name="approved", why="no officer of the owner has decided about this request")
    by = ("transferor_officer",)
    fact = Fact(name="approved", value=told.terms.holds, says=Says.ACT, by=by, rests_on=told.act)
    return Three.of(told.terms.holds), fact


def _part_facts(case: Case) -> list[Fact]:
    return [
        Fact(name=f"part.{one.id}@{one.version}", value=one.facts.owners, says=Says.ACT, rests_on=one.act)
        for one in case.thing.parts or ()
    ]


_SCOPE: Final = (
    "item.project", "item.areas", "item.levels", "item.owner", "item.owners", "item.parts", "recipient.party"
)  # fmt: skip
BEFORE_LAW: Final = (
    Rule(id="standing.person", reads=("recipient.employment", "recipient.party"), run=standing_person),
    Rule(id="standing.organisation", reads=("recipient.attested.organisation",), run=standing_organisation),
    Rule(id="standing.party", reads=("recipient.ledger", "recipient.party", "item.owner"), run=standing_party),
    Rule(id="scope", reads=_SCOPE, run=scope),
    Rule(id="purpose", reads=("item.project", "transfer.purpose"), run=purpose),
    Rule(id="label.level", reads=("item.levels", "recipient.clearance", "recipient.party"), run=label_level),
    Rule(
        id="label.release",
        reads=("item.releasable", "item.owner", "recipient.code", "recipient.nationalities", "recipient.party"),
        run=label_release,
    ),
    Rule(
        id="label.tags",
        reads=("item.tags", "item.owner", "item.owners", "item.parts", "recipient.party"),
        run=label_tags,
    ),
)
_WITH_RIGHTS: Final = tuple(
    msgspec.structs.replace(one, reads=(*one.reads, *RIGHTS_READ)) if one.id in {"standing.party", "scope"} else one
    for one in BEFORE_LAW
)


def before_law(charter: Charter) -> tuple[Rule, ...]:
    """The conjuncts before the law; where an exit leaves rights, they are asked of standing and scope."""
    return _WITH_RIGHTS if keeps_access(charter) else BEFORE_LAW


FRESH: Final = Rule(id="fresh", reads=("item.levels", "item.owner", "item.owners", "recipient.party"), run=fresh)
OWNER: Final = Rule(
    id="owner", reads=("item.owner", "item.owners", "item.parts", "item.left_out", "item.approved"), run=owner
)
LEDGERS: Final = ("item.owner", "item.owners", "recipient.party")
SUSPENSIONS: Final = _SCOPE
DENIED: Final = frozenset((*_SCOPE, "item.recalled", "item.retired"))
