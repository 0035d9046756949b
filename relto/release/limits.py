"""The conjuncts that a charter of engine 2 adds: its limits, and the days of its parties and projects.

Each limit is one conjunct, `limit.<id>`, and so are `party_days`, `within` and `background` where the charter has them.
They stand beside every other conjunct, so they can narrow and nothing more; what a limit is not about it lets pass.

Source: spec/charter.md, "Limits"; spec/decision.md, "Rules".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from msgspec import UNSET

from relto.charter import Charter, Limit
from relto.charter import Test as Asked
from relto.charter.model import later
from relto.charter.text import Date
from relto.law import UNKNOWN, Fact, Says, Three, all_of
from relto.release.facts import FAR, SUFFICIENT, Case, clause_authority
from relto.release.leaving import READS as RIGHTS_READ
from relto.release.leaving import keeps_access, right_of
from relto.release.rules import Found, Rule, Way, Work, found, lasting, need, owns, work_of

ABOUT: Final = ("item.project", "item.owner", "item.owners", "item.parts", "item.background", "recipient.party")


class Tested(NamedTuple):
    """What one test found, and what would satisfy it; `ways` empty: nothing that anybody could do."""

    value: Three
    facts: tuple[Fact, ...]
    ways: tuple[Way, ...] = ()


def rules_of(charter: Charter, day: Date) -> tuple[Rule, ...]:
    """The conjuncts that this charter adds on a day; none for one of engine 1."""
    if charter.engine == 1:
        return ()
    known = {one.id: one for one in charter.limits}
    rules = [
        Rule(id=f"limit.{name}", reads=(*ABOUT, *_reads(known[name])), run=partial(_limit, one=known[name]))
        if name in known
        else Rule(id=f"limit.{name}", reads=(), run=partial(_lost, name=name))
        for name in charter.releases.limits
    ]
    if any(one.until or one.formerly or day < one.since for one in charter.parties):
        rights = RIGHTS_READ if keeps_access(charter) else ()
        rules.append(Rule(id="party_days", reads=("recipient.party", "item.owner", *rights), run=_party_days))
    if any(one.within for one in charter.projects):
        rules.append(Rule(id="within", reads=("item.project",), run=_within))
    if charter.background is not None:
        rules.append(Rule(id="background", reads=(*ABOUT, "item.listed", "transfer.purpose"), run=_background))
    return tuple(rules)


def _reads(one: Limit) -> tuple[str, ...]:
    found = ["transfer.purpose"] if one.purposes else []
    for test in _every(one.needs):
        if test.attested:
            found.append(f"recipient.attested.{test.attested}")
        elif test.instrument:
            found += ["transferor.code", "recipient.code"]
        elif test.determined:
            found.append(_word_on(one, test))
        elif test.asked_in:
            found.append("place.access")
    return tuple(found)


def _every(tests: tuple[Asked, ...]) -> list[Asked]:
    return [inner for one in tests for inner in (one, *_every(one.any))]


def _word_on(one: Limit, test: Asked) -> str:
    """The name of the fact that says who determined this of the item."""
    return f"item.judged/{test.by}/{clause_authority(one.clause)}/{test.determined}"


def limited_by(name: str) -> tuple[str, str, str]:
    """Law, authority and condition of a fact `limited.LAW.AUTHORITY.CONDITION`."""
    law, _, rest = name.removeprefix("limited.").partition(".")
    authority, _, condition = rest.rpartition(".")
    return law.strip("-"), authority, condition


# ---- what a limit is about -------------------------------------------------------------------------------------------


def _lost(case: Case, name: str) -> Found:
    """A limit that releases must meet and that is not in the text: nothing meets it."""
    fact = Fact(name=f"limit.{name}", value=UNKNOWN, says=Says.NONE, why="the charter names it and does not have it")
    return found(f"limit.{name}", Three.UNKNOWN, case.charter.releases.clause, [fact], code="LIMIT")


def _limit(case: Case, one: Limit) -> Found:
    rule = f"limit.{one.id}"
    if not _about(case, one):
        return found(rule, Three.YES, one.clause, [Fact(name=rule, value="not about this", says=Says.CHARTER)])
    tested = [_test(case, one, test) for test in one.needs]
    value = all_of([each.value for each in tested])
    facts = [fact for each in tested for fact in each.facts]
    ways: list[Way] = [()]
    for each in tested:
        if each.value is not Three.YES:
            ways = [(*way, *more) for way in ways for more in each.ways]
    return found(rule, value, one.clause, facts, code="LIMIT", ways=[way for way in ways if way])


def _about(case: Case, one: Limit) -> bool:
    to, charter, work = case.text("recipient.party"), case.charter, work_of(case, case.text("item.project"))
    if owns(case, to):
        return False  # what it keeps for itself
    member = to in charter.members
    left = charter.left(to) is not None or (charter.engine > 2 and case.left(to) is not None)
    if not left and (one.to, member) in {("members", False), ("outsiders", True)}:
        return False
    # Who has left is under what bound it as a party, and under what binds others.
    grade = next((party.grade if left else party.grade_on(case.day) for party in charter.parties if party.id == to), "")
    background = case.fact("item.background").value is True
    return (
        (not one.parties or to in one.parties)
        and (not one.grades or grade in one.grades)
        and (not one.projects or case.text("item.project") in one.projects)
        and (not one.pillars or _pillar(work) in one.pillars)
        and (not one.purposes or case.text("transfer.purpose") in one.purposes)
        and (not one.owners or bool(set(one.owners) & set(case.words("item.owners"))))
        and (one.made == "all" or background == (one.made == "background"))
    )


def _pillar(work: Work | None) -> str:
    return work.pillar.id if work is not None and work.pillar is not None else ""


# ---- tests -----------------------------------------------------------------------------------------------------------


def _test(case: Case, one: Limit, test: Asked) -> Tested:
    for said, run in _TESTS.items():
        if getattr(test, said):
            return run(case, one, test)
    raise AssertionError("drafting refuses a test that asks for nothing")


def _attested(case: Case, _: Limit, test: Asked) -> Tested:
    fact = case.fact(f"recipient.attested.{test.attested}")
    about, to = case.question.to.organisation, case.text("recipient.party")
    way = (need(f"{to} attests `{test.attested}` of {about}", to, "attest", about=about, claim=test.attested),)
    return Tested(Three.of(fact.value is True), (fact,), (way,))


def _agreed(case: Case, _: Limit, test: Asked) -> Tested:
    """Each side's half: both attest it with the other."""
    owner, to = case.text("item.owner"), case.text("recipient.party")
    halves = (_half(case, owner, to, test.agreed), _half(case, to, owner, test.agreed))
    return Tested(all_of([Three.of(half.value is True) for half in halves]), halves)


def _half(case: Case, party: str, other: str, claim: str) -> Fact:
    name = f"agreed.{claim}.{party}"
    held = [
        one
        for one in case.read("attestations", f"{party}/{party}", claim)
        if one.terms.other == other and one.terms.term.holds(case.day) and not case.is_gone(party)
    ]
    if not held:
        return Fact(name=name, value=False, says=Says.ACT, why=f"{party} has not attested `{claim}` with {other}")
    one = max(held, key=lambda one: one.terms.term.last or FAR)
    return Fact(name=name, value=True, says=Says.ACT, rests_on=one.act, until=one.terms.term.last)


def _instrument(case: Case, _: Limit, test: Asked) -> Tested:
    codes = sorted(str(case.fact(name).value) for name in ("transferor.code", "recipient.code"))
    name = f"instrument.{test.instrument}"
    for one in case.charter.instruments:
        if one.kind == test.instrument and sorted(one.between) == codes and one.holds_on(case.day):
            return Tested(Three.YES, (Fact(name=name, value=one.id, says=Says.CHARTER, until=one.term.last),))
    why = f"no `{test.instrument}` between {' and '.join(codes)} is in force"
    return Tested(Three.NO, (Fact(name=name, value=False, says=Says.CHARTER, why=why),))


def _determined(case: Case, one: Limit, test: Asked) -> Tested:
    """The last word of an officer of the owner, or of the party whose law it is."""
    by = case.charter.jurisdiction(test.by).adopter if test.by else case.text("item.owner")
    case.fact(_word_on(one, test))
    authority = clause_authority(one.clause)
    told = [said for said in case.thing.judged(test.by, authority, test.determined) if said.party == by]
    name = f"limited.{test.by or '-'}.{authority}.{test.determined}"
    if not told:
        words = f"{by} determines `{test.determined}` of {case.question.item}"
        detail = {"condition": test.determined, "authority": authority} | ({"law": test.by} if test.by else {})
        why = f"no officer of {by} has determined it"
        unknown = Fact(name=name, value=UNKNOWN, says=Says.NONE, why=why)
        return Tested(Three.UNKNOWN, (unknown,), ((need(words, by, "determine", **detail),),))
    holds = told[-1].terms.holds
    fact = Fact(name=name, value=holds, says=Says.ACT, by=("transferor_officer",), rests_on=told[-1].act)
    return Tested(Three.of(holds), (fact,))


def _attribute(case: Case, _: Limit, test: Asked) -> Tested:
    to = case.text("recipient.party")
    borne = next((party.attributes for party in case.charter.parties if party.id == to), ())
    fact = Fact(name=f"attribute.{test.attribute}", value=test.attribute in borne, says=Says.CHARTER)
    return Tested(Three.of(test.attribute in borne), (fact,))


def _until(case: Case, _: Limit, test: Asked) -> Tested:
    fact = Fact(name="last_day", value=test.until, says=Says.CHARTER, until=test.until)
    return Tested(Three.of(case.day <= test.until), (fact,))


def _after_project(case: Case, _: Limit, test: Asked) -> Tested:
    name = case.text("item.project")
    work = work_of(case, name)
    if work is None or work.term.last is None or test.after_project is None:
        return Tested(Three.YES, (Fact(name="last_day", value="not known", says=Says.CHARTER),))
    written = next((one.term.last for one in case.charter.projects if one.id == name and not work.act), None)
    last = later(written or work.term.last, test.after_project)
    rests_on = work.act or UNSET
    fact = Fact(name="last_day", value=last, says=Says.ACT if work.act else Says.CHARTER, rests_on=rests_on, until=last)
    return Tested(Three.of(case.day <= last), (fact,))


def _asked_in(case: Case, _: Limit, test: Asked) -> Tested:
    fact = case.fact("place.access")
    inside = fact.value in test.asked_in
    value = Three.of(inside)
    if inside and case.question.place_says not in SUFFICIENT:
        value = Three.UNKNOWN
    words = f"it is asked for from {' or '.join(test.asked_in)}"
    return Tested(value, (fact,), ((need(words, "person", "place.access", **{"in": " ".join(test.asked_in)}),),))


def _never(_: Case, one: Limit, __: Asked) -> Tested:
    return Tested(Three.NO, (Fact(name=f"limit.{one.id}", value="never", says=Says.CHARTER),))


def _any(case: Case, one: Limit, test: Asked) -> Tested:
    """The first that holds; else what one of them would take, unknown where one of them is."""
    tested = [_test(case, one, inner) for inner in test.any]
    holds = next((each for each in tested if each.value is Three.YES), None)
    if holds is not None:
        return holds
    value = Three.UNKNOWN if any(each.value is Three.UNKNOWN for each in tested) else Three.NO
    facts = tuple(fact for each in tested for fact in each.facts)
    return Tested(value, facts, tuple(way for each in tested for way in each.ways))


_TESTS: Final[dict[str, Callable[[Case, Limit, Asked], Tested]]] = {
    "attested": _attested,
    "agreed": _agreed,
    "instrument": _instrument,
    "determined": _determined,
    "attribute": _attribute,
    "until": _until,
    "after_project": _after_project,
    "asked_in": _asked_in,
    "never": _never,
    "any": _any,
}


# ---- days and lists --------------------------------------------------------------------------------------------------


def _party_days(case: Case) -> Found:
    """A party of the charter receives on its own days."""
    to, clause = case.text("recipient.party"), case.charter.standing.clause
    party = next((one for one in case.charter.parties if one.id == to), None)
    if party is None:
        return found("party_days", Three.YES, clause)
    fact = Fact(name="grade", value=party.grade_on(case.day), says=Says.CHARTER, until=party.until)
    right = right_of(case) if fact.value != party.grade else None
    if right is not None:
        return found("party_days", Three.YES, right.duty.clause, [lasting(fact), right.fact])
    return found("party_days", Three.of(fact.value == party.grade), party.clause, [fact], code="NOT_A_PARTY_ON_THE_DAY")


def _within(case: Case) -> Found:
    """A project within another one runs only while that one runs."""
    known = {one.id: one for one in case.charter.projects}
    name, facts, clause = case.text("item.project"), [], case.charter.decision("project").clause
    while name in known and known[name].within:
        name = known[name].within
        whole = work_of(case, name)
        clause = known[name].clause if name in known else clause
        last = whole.term.last if whole is not None else None
        running = whole is not None and whole.term.holds(case.day)
        facts.append(Fact(name=f"project.{name}", value=running, says=Says.CHARTER, until=last))
        if not running:
            return found("within", Three.NO, clause, facts, code="PROJECT_NOT_RUNNING")
    return found("within", Three.YES, clause, facts)


def _background(case: Case) -> Found:
    """Background that its owner did not list, or keeps from this purpose, gives nobody a right."""
    clause = case.charter.releases.clause
    if case.fact("item.background").value is not True or owns(case, case.text("recipient.party")):
        return found("background", Three.YES, clause, [case.fact("item.background")])
    name = str(case.fact("item.listed").value)
    listed = next((one for one in case.charter.background or () if one.item == name), None)
    if listed is None:
        return found("background", Three.NO, clause, [case.fact("item.listed")], code="BACKGROUND_NOT_LISTED")
    kept = case.text("transfer.purpose") in listed.except_for
    facts = [case.fact("item.listed"), case.fact("transfer.purpose")]
    return found("background", Three.of(not kept), listed.clause, facts, code="BACKGROUND_KEPT_BACK")
