"""What a charter answers by itself: who decides what, by when, on what terms; each answer with the clause it rests on.

These are the questions of the cases beside a charter that are no releases (`asks: vote`, `date`, …). What follows from
acts is not asked here: votes and attestations are given with the question.

    answer(charter, Asked(kind="vote", given={"act": "engage", "votes": {"aus": "consent"}}))   # "open", by clause 4.2
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from relto.charter.model import Charter, Criterion, Duty, later, stage_of
from relto.charter.rules import Matter, Voice, poll, rule_for
from relto.charter.text import Amount, Date
from relto.errors import NotFound
from relto.label import Level, expand


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `given` holds what its kind needs: spec/charter.md, "Cases"."""

    kind: str
    given: Mapping[str, Any] = {}


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer in one word or line, what is missing or fails, and the clauses that say so."""

    answer: str
    fails: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()


def answer(charter: Charter, asked: Asked) -> Answered:
    """What the charter says. Where it says nothing of it the answer is `nothing`, which no case expects."""
    try:
        return _KINDS[asked.kind](charter, dict(asked.given))
    except NotFound as error:
        return Answered(answer="nothing", fails=(error.message,))


# ---- decisions -------------------------------------------------------------------------------------------------------


def _vote(charter: Charter, given: dict[str, Any]) -> Answered:
    """`in_force`, `dead` or `open` by these votes; fails: who is asked and has not voted."""
    matter = matter_of(charter, given)
    asked = poll(charter, matter)
    if "call" in given and not 1 <= given["call"] <= len(asked.rule.later_calls) + 1:
        raise NotFound(f"clause `{asked.rule.clause}` knows no call {given['call']}")
    asked = asked.call(given.get("call", 1))
    votes: Mapping[str, Voice] = given.get("votes", {})
    # Whoever has no vote, and whoever may not give one on that day, is not counted.
    said: dict[str, Voice] = {}
    clauses = [asked.rule.clause]
    for party, voice in votes.items():
        window = charter.closed(party, given["day"]) if "day" in given and voice == "consent" else None
        if window is not None:
            clauses.append(window.clause)
        elif party in asked.everyone:
            said[party] = voice
    clauses += [one.clause for one in charter.suspended_votes if one.party not in asked.everyone]
    missing = tuple(one for one in asked.everyone if one not in said)
    state = asked.verdict(said)
    return Answered(answer=state, fails=missing if state == "open" else (), clauses=tuple(clauses))


def matter_of(charter: Charter, given: Mapping[str, Any]) -> Matter:
    """What a case asks about. Raises: NotFound for a project that the charter does not have."""
    name, act = given.get("project", ""), given["act"]
    project = charter.project(name) if name else None
    pillar = charter.pillar(project.pillar if project else given["pillar"]).id if project or "pillar" in given else ""
    return Matter(
        act=act,
        project=name,
        pillar=pillar,
        participants=project.participants if project else tuple(given.get("participants", ())),
        ends=given.get("ends", ""),
        grade=given.get("grade", ""),
        sections=frozenset(given.get("sections", ())),
        concerned=(given["concerned"],) if "concerned" in given else (),
        bound=(given["bound"],) if "bound" in given else (),
    )


def _suspend(charter: Charter, given: dict[str, Any]) -> Answered:
    """May this party suspend an engagement in this project, proposed by that one?"""
    asked = poll(charter, matter_of(charter, {"act": "engage", "project": given["project"], "bound": given["bound"]}))
    who: Mapping[str, tuple[str, ...]] = {
        "any_member": charter.members,
        "owner": (given.get("proposed_by", ""),),
        "those_whose_consent_was_required": asked.everyone,
    }
    entitled = given["party"] in who[charter.suspension.by]
    return Answered(answer="yes" if entitled else "no", clauses=(charter.suspension.clause,))


def _officers(charter: Charter, given: dict[str, Any]) -> Answered:
    """How many officers sign what grants; one where the charter says nothing."""
    act = given["act"]
    clauses = tuple(one.clause for one in charter.approvals if one.act == act)
    return Answered(answer=str(charter.officers(act)), clauses=clauses)


def _adopts(charter: Charter, given: dict[str, Any]) -> Answered:
    """May this party adopt the law of this jurisdiction?"""
    law = charter.jurisdiction(given["law"])
    return Answered(answer="yes" if law.adopter == given["party"] else "no", clauses=(law.clause,))


def _grade(charter: Charter, given: dict[str, Any]) -> Answered:
    """What a party is on a day, and what its grade votes on; `none` when it is no party then."""
    party = charter.party(given["party"])
    grade = party.grade_on(given["day"])
    clauses = [party.clause, *(one.clause for one in charter.grades or () if one.id == grade)]
    votes = next((one.votes for one in charter.grades or () if one.id == grade), "all" if grade == "member" else "none")
    signs = "signs" if party.id in charter.signatories else "does not sign"
    words = f"{grade}, votes {votes}, {signs}" if charter.grades is not None and grade else grade or "none"
    return Answered(answer=words, clauses=tuple(clauses))


# ---- admission -------------------------------------------------------------------------------------------------------


def _admission(charter: Charter, given: dict[str, Any]) -> Answered:
    """`met` when nothing fails, as far as texts and attestations go; fails: criteria, of pairs with the member."""
    code, day, attested = given["candidate"], given["day"], given.get("attested", ())
    fails: list[str] = []
    clauses: list[str] = []
    for one in charter.admission:
        wrong = list(_lacks(charter, one, code, day, attested))
        fails += wrong
        clauses.append(one.clause)
    codes = {charter.party(member).code for member in charter.members}
    used = [one.clause for one in charter.instruments if code in one.between and codes & set(one.between)]
    judged = [one.id for one in charter.admission if one.kind == "judged"]
    words = f"judged: {', '.join(judged)}" if judged else "met"
    return Answered(answer="not met" if fails else words, fails=tuple(fails), clauses=(*clauses, *used))


def _lacks(charter: Charter, one: Criterion, code: str, day: Date, attested: tuple[str, ...]) -> Iterator[str]:
    if one.kind == "attested" and one.claim not in attested:
        yield one.id
    if one.kind == "all_pairs":
        for member in charter.members:
            pair = tuple(sorted((code, charter.party(member).code)))
            if not any(
                held.kind == one.instrument and held.between == pair and held.holds_on(day)
                for held in charter.instruments
            ):
                yield f"{one.id}:{member}"


def _stage(charter: Charter, given: dict[str, Any]) -> Answered:
    """How far evidence alone brings a candidate."""
    candidate = charter.candidate(given["candidate"])
    return Answered(answer=stage_of(candidate, given.get("day"))[0], clauses=(candidate.clause,))


# ---- dates -----------------------------------------------------------------------------------------------------------


def _date(charter: Charter, given: dict[str, Any]) -> Answered:
    """The day that a period of the charter leads to: `withdrawal`, `recall`, `exit/KIND`, `duty/ID`, `effect/ACT`."""
    day, (what, _, name) = given["day"], given["of"].partition("/")
    if what == "withdrawal":
        return Answered(answer=charter.withdrawal.effective(day), clauses=(charter.withdrawal.clause,))
    if what == "recall":
        order = charter.on_suspend
        due = later(day, Amount(number=order.answer_days, unit="days")) if order.recall else "never"
        return Answered(answer=due, clauses=(order.clause,))
    if what == "effect":
        rule = rule_for(charter, matter_of(charter, {**given, "act": name}))
        waits = rule.takes_effect.day(day) if rule.takes_effect is not None else day
        return Answered(answer=max(waits, charter.in_force_from), clauses=(rule.clause,))
    if what == "exit":
        exit_ = charter.exit(name)
        decided = f" after {exit_.decided_by}" if exit_.decided_by else ""
        return Answered(answer=exit_.effective(day) + decided, clauses=(exit_.clause,))
    duty = _duty(charter, given.get("exit", ""), name)
    return Answered(answer=duty.last_day(day) or "without end", clauses=(duty.clause,))


def _duty(charter: Charter, kind: str, name: str) -> Duty:
    held = (*charter.exit(kind).keeps, *charter.exit(kind).owes) if kind else charter.withdrawal.duties
    found = next((one for one in held if one.id == name), None)
    if found is None:
        raise NotFound(f"the charter has no duty `{name}`")
    return found


def _window(charter: Charter, given: dict[str, Any]) -> Answered:
    """What is next for a party after a day, and whether it may bind itself on that day."""
    party, day = charter.party(given["party"]).id, given["day"]
    closed = charter.closed(party, day)
    coming = [one for one in charter.windows if one.party == party and one.date >= day]
    if closed is not None:
        return Answered(answer=f"closed until {closed.caretaker.last}", clauses=(closed.clause,))
    if not coming:
        return Answered(answer="none")
    one = min(coming, key=lambda window: window.date)
    words = f"{one.what}{' by' if one.latest else ''} {one.date}"
    return Answered(answer=words, clauses=(one.clause,))


# ---- labels ----------------------------------------------------------------------------------------------------------


def _level(text: str) -> Level:
    system, _, level = text.partition(" ")
    return Level(system=system, level=level)


def _clearance(charter: Charter, given: dict[str, Any]) -> Answered:
    """Does a clearance cover a level? `not needed` where the level's own system does not classify it."""
    table, level, held = charter.equivalence, _level(given["level"]), _level(given["clearance"])
    clauses = [one.clause for one in table.systems if one.name == level.system]
    if not table.needs_clearance(level):
        return Answered(answer="not needed", clauses=tuple(clauses))
    clauses += [one.clause for one in table.clearances if (one.system, one.name) == (held.system, held.level)]
    hold = table.hold(level, held.system)
    clauses += [hold.clause] if hold is not None else []
    return Answered(answer=table.covers(held, level), clauses=tuple(clauses))


def _hold(charter: Charter, given: dict[str, Any]) -> Answered:
    """As what a level of one system is held in another."""
    level, system = _level(given["level"]), given["in"]
    hold = charter.equivalence.hold(level, system)
    if hold is None:
        return Answered(answer="not written")
    return Answered(answer=hold.hold_as or hold.action, clauses=(hold.clause,))


def _group(charter: Charter, given: dict[str, Any]) -> Answered:
    """Who stands behind the name of several states on a day."""
    name, day = given["group"], given["day"]
    clauses = tuple(one.clause for one in charter.groups if one.id == name)
    if not any(one.id == name and one.holds_on(day) for one in charter.groups):
        return Answered(answer="not known", clauses=clauses)
    return Answered(answer=" ".join(expand([name], charter.groups, day)), clauses=clauses)


def _freshness(charter: Charter, given: dict[str, Any]) -> Answered:
    """How old the sight of a party's ledger may be for a label with these levels."""
    levels = [_level(one) for one in given.get("levels", ())]
    limit, clause = charter.freshness_limit(levels, given["party"])
    hours = limit // 3_600_000
    asks = ", asked first" if charter.asks_first(levels) else ""
    return Answered(answer=f"{hours} hours{asks}", clauses=(clause,))


def _carried(charter: Charter, given: dict[str, Any]) -> Answered:
    """How long and how often a carried key for a label with these levels opens; `no` where no clause allows one."""
    found = charter.carried_key([_level(one) for one in given["levels"]])
    if found is None:
        return Answered(answer="no")
    days, times = (
        f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((found.days, "day"), (found.openings, "opening"))
    )
    return Answered(answer=f"{days}, {times}", clauses=(found.clause,))


def _project(charter: Charter, given: dict[str, Any]) -> Answered:
    """Who takes part in a project on a day; `does not run` outside its term."""
    one = charter.project(given["project"])
    running = one.holds_on(given["day"])
    return Answered(answer=" ".join(one.participants) if running else "does not run", clauses=(one.clause,))


def _area(charter: Charter, given: dict[str, Any]) -> Answered:
    """The pillar that an area belongs to, and whether outsiders can be engaged there."""
    area = charter.area(given["area"])
    pillar = charter.pillar(area.pillar)
    return Answered(answer=f"{pillar.id}, {pillar.access}", clauses=(area.clause, pillar.clause))


def _share(charter: Charter, given: dict[str, Any]) -> Answered:
    """A party's share in a project, in parts of all of its kind."""
    project = charter.project(given["project"])
    parts = [(one.party, one.parts) for one in project.shares if one.of == given["of"]]
    own = sum(part for party, part in parts if party == given["party"])
    return Answered(answer=f"{own} of {sum(part for _, part in parts)}", clauses=(project.clause,))


def _attribute(charter: Charter, given: dict[str, Any]) -> Answered:
    """Does a party bear a word, and what does the word mean?"""
    party = charter.party(given["party"])
    meant = next((one for one in charter.attributes if one.id == given["attribute"]), None)
    if meant is None:
        raise NotFound(f"the charter declares no attribute `{given['attribute']}`")
    return Answered(answer="yes" if meant.id in party.attributes else "no", clauses=(meant.clause, party.clause))


def _layer(charter: Charter, given: dict[str, Any]) -> Answered:
    """Under which layers a limit stands, lowest first."""
    limit = next((one for one in charter.limits if one.id == given["limit"]), None)
    if limit is None:
        raise NotFound(f"the charter has no limit `{given['limit']}`")
    names, clauses = [], []
    name = limit.layer
    while name:
        one = charter.layer(name)
        names.append(one.id)
        clauses.append(one.clause)
        name = one.under if one.under not in names else ""
    return Answered(answer=" under ".join(names) or "none", clauses=tuple(clauses))


_KINDS: Final[Mapping[str, Callable[[Charter, dict[str, Any]], Answered]]] = {
    "vote": _vote,
    "suspend": _suspend,
    "officers": _officers,
    "adopts": _adopts,
    "grade": _grade,
    "admission": _admission,
    "stage": _stage,
    "date": _date,
    "window": _window,
    "clearance": _clearance,
    "hold": _hold,
    "group": _group,
    "freshness": _freshness,
    "carried": _carried,
    "project": _project,
    "area": _area,
    "share": _share,
    "attribute": _attribute,
    "layer": _layer,
}
KINDS: Final = tuple(_KINDS)


# ---- striking out ----------------------------------------------------------------------------------------------------

_LISTS: Final = (
    *("parties", "pillars", "areas", "projects", "purposes", "decisions", "freshness", "approvals", "jurisdictions"),
    *("groups", "instruments", "admission", "windows", "candidates", "grades", "attributes", "suspended_votes"),
    *("layers", "limits", "background", "exits", "carried_keys"),
)
_SINGLE: Final = ("aim", "standing", "suspension", "on_suspend", "releases", "withdrawal", "equivalence")
STRUCK: Final = "struck-out"


def struck(charter: Charter, clause: str) -> Charter:
    """The charter without a clause: its entry is gone.

    What a charter cannot be without (its purpose, how releases go) keeps its words and loses the clause, so that an
    answer that rests on it rests on nothing.
    """
    replace = msgspec.structs.replace
    for name in _LISTS:
        entries = getattr(charter, name) or ()
        if any(one.clause == clause for one in entries):
            return replace(charter, **{name: tuple(one for one in entries if one.clause != clause)})
    for name in _SINGLE:
        if getattr(charter, name).clause == clause:
            return replace(charter, **{name: replace(getattr(charter, name), clause=STRUCK)})
    table = charter.equivalence
    for name in ("systems", "holds", "clearances"):
        if any(one.clause == clause for one in getattr(table, name)):
            left = tuple(one for one in getattr(table, name) if one.clause != clause)
            return replace(charter, equivalence=replace(table, **{name: left}))
    if any(one.clause == clause for one in charter.withdrawal.duties):
        left = tuple(one for one in charter.withdrawal.duties if one.clause != clause)
        return replace(charter, withdrawal=replace(charter.withdrawal, duties=left))
    return replace(charter, exits=tuple(_without(one, clause) for one in charter.exits))


def _without(entry: Any, clause: str) -> Any:
    kept = {key: tuple(one for one in getattr(entry, key) if one.clause != clause) for key in ("keeps", "owes")}
    return msgspec.structs.replace(entry, **kept)
