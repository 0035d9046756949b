"""A charter in plain sentences, clause by clause, and what an amendment changes in them: a review page as values.

* `sentences` says every clause in words made from its values, not from its `says`: what the engine will do, so that a
  reader can hold the words of the lawyers against it.
* `amendment` compares two charters by clause. A clause that only got another number is moved, not removed and added; a
  new comment or another order of the lines is no change.

    for one in amendment(old, new):
        print(one.kind, one.clause, one.was, one.now)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from relto.charter import model as m
from relto.charter.model import Charter
from relto.charter.text import Span
from relto.label import Clearance, Group, Hold, System

Kind = Literal["added", "removed", "changed", "moved"]
HEAD: Final = "head"  # stands for a clause where a charter's first lines are meant


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """A clause in plain words. `of`: its entry, `projects/hyflite`; `says`: the words of the text itself."""

    clause: str
    of: str
    words: str
    says: str = ""
    basis: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What an amendment does to one clause. `was` and `now` are sentences; empty where there is none."""

    kind: Kind
    clause: str
    of: str
    was: str = ""
    now: str = ""
    formerly: str = ""  # the number that it had


def sentences(charter: Charter) -> tuple[Sentence, ...]:
    """Every clause, in the order of the text, after the first lines."""
    told = {entry.clause: words for entry, words in _told(charter)}
    whose = f"{charter.title} ({charter.id}) is decided by engine {charter.engine}"
    since = f" from {charter.in_force_from} on" if charter.in_force_from else ""
    whose += since
    head = f"{whose}; a vote counts when the ledgers of {charter.confirm} members acknowledge it."
    found = [Sentence(clause=HEAD, of="charter", words=head)]
    found += [
        Sentence(clause=one.id, of=one.of, words=told.get(one.id, ""), says=one.says, basis=one.basis)
        for one in charter.clauses
    ]
    return tuple(found)


def amendment(before: Charter, after: Charter) -> tuple[Change, ...]:
    """The clauses that a text changes in another one, in the order of the new text; what is gone stands last."""
    old, new = ({one.clause: one for one in sentences(charter)} for charter in (before, after))
    by_entry = {(one.of, one.words): one for one in old.values() if one.clause not in new}
    moved: set[str] = set()
    found = []
    for one in new.values():
        was = old.get(one.clause)
        if was is None:
            was = by_entry.get((one.of, one.words))
            if was is None:
                found.append(Change(kind="added", clause=one.clause, of=one.of, now=_whole(one)))
            else:
                moved.add(was.clause)
                found.append(Change(kind="moved", clause=one.clause, of=one.of, now=_whole(one), formerly=was.clause))
        elif (was.of, _whole(was), was.basis) != (one.of, _whole(one), one.basis):
            found.append(Change(kind="changed", clause=one.clause, of=one.of, was=_whole(was), now=_whole(one)))
    gone = [one for one in old.values() if one.clause not in new and one.clause not in moved]
    found += [Change(kind="removed", clause=one.clause, of=one.of, was=_whole(one)) for one in gone]
    return tuple(found)


def _whole(one: Sentence) -> str:
    return f"{one.words} It says: {one.says}".strip() if one.says else one.words


def _told(charter: Charter) -> Iterator[tuple[Any, str]]:
    for name in (
        *("aim", "standing", "suspension", "on_suspend", "releases", "withdrawal", "equivalence"),
        *charter.__struct_fields__,
    ):
        value = getattr(charter, name)
        for entry in value if isinstance(value, tuple) else (value,):
            yield from _of(entry, charter)
    table = charter.equivalence
    for part in (*table.systems, *table.holds, *table.clearances):
        yield from _of(part, charter)


def _of(entry: Any, charter: Charter) -> Iterator[tuple[Any, str]]:
    told = _WORDS.get(type(entry))
    if getattr(entry, "clause", "") and told is not None:
        yield entry, told(entry, charter)
    for key in ("duties", "keeps", "owes"):
        for inner in getattr(entry, key, ()):
            yield inner, _duty(inner, charter, kept=key == "keeps")


# ---- words -----------------------------------------------------------------------------------------------------------


def _list(names: Any, last: str = "and") -> str:
    words = [str(one) for one in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "nobody"


def _span(span: Span) -> str:
    first, last = f" from {span.first}" if span.first else "", f" to {span.last}" if span.last else ""
    return first + last


def _party(one: m.Party, charter: Charter) -> str:
    left = f", when it left by {one.left_by.replace('_', ' ')}" if one.left_by else ""
    until = f" until {one.until}{left}" if one.until else ""
    before = "".join(f", {former.grade}{_span(former.term)} before" for former in one.formerly)
    bears = f" It is {_list(one.attributes)}." if one.attributes else ""
    votes = f" It has {one.votes} votes where votes are weighed." if one.votes != 1 else ""
    return f"{one.name} ({one.id}, {one.code}) is a party of grade {one.grade} since {one.since}{until}{before}.{bears}{votes}"


def _grade(one: m.Grade, _: Charter) -> str:
    votes = {
        "all": "votes on everything",
        "own_projects": "votes in the projects it takes part in",
        "none": "has no vote",
    }
    gets = {
        "own_projects": "receives what belongs to its projects",
        "by_engagement": "receives by an engagement only",
    }
    signs = "consents to the charter" if one.signs else "does not consent to the charter"
    return f"A party of grade {one.id} {votes[one.votes]}, {signs} and {gets[one.receives]}."


def _pillar(one: m.Pillar, _: Charter) -> str:
    if one.access == "closed":
        return f"{one.name} ({one.id}) is closed to all but {_list(one.members)}."
    return f"{one.name} ({one.id}) is open to others, project by project."


def _project(one: m.Project, _: Charter) -> str:
    areas = f", in {_list(one.areas)}" if one.areas else ""
    lead = f", led by {one.lead}" if one.lead else ""
    part = f" It is a part of {one.within} and runs only while that runs." if one.within else ""
    part += f" Access lasts {one.access_lasts} after its end." if one.access_lasts else ""
    shares = f" Shares: {', '.join(f'{s.party} {s.parts} ({s.of})' for s in one.shares)}." if one.shares else ""
    under = f" Under: {one.instrument}." if one.instrument else ""
    runs = f", runs{_span(one.term)}" if one.term != Span() else ""
    return f"{one.name} ({one.id}) of {one.pillar}{areas}: {_list(one.participants)} take part{lead}{runs}.{part}{shares}{under}"


def _purpose(one: m.Purpose, _: Charter) -> str:
    where = f"in {_list(one.projects)}" if one.projects else "in every project"
    return f"{one.name} ({one.id}) is a purpose {where}{f', on terms {one.terms}' if one.terms else ''}."


def decision_words(one: m.Decision) -> str:
    """A rule of decision in one sentence."""
    voters = {
        "members": "the members", "other_members": "the members it does not concern",
        "participants": "those who take part in the project", "owners": "its author alone",
    }[one.voters]  # fmt: skip
    of = "votes cast" if one.counted == "cast" else "all"
    how = {
        "unanimity": f"all of {voters}" if one.counted == "all" else f"{voters}, none of them against",
        "all_affected": f"every one of {voters}",
        "owner": voters,
        "k_of_n": f"{one.k} of {voters}",
        "majority": f"more than half ({of}) of {voters}",
        "fraction": f"{one.share} ({of}) of {voters}",
        "double_majority": f"{one.share} ({of}) of {voters}, who bear {one.contributions} of the money",
        "weighted": f"{voters}, unless {one.blocked_by} votes are against",
    }[one.rule]
    parts = [how]
    if one.bound_consents and one.act in {"engage", "renew", "admit", "end", "charter"}:
        parts.append("by whom it binds")
    parts += [
        f"by {each.party}{', whose silence is consent' if each.silence == 'consents' else ''}" for each in one.assent
    ]
    more = f" At least {one.quorum} must vote." if one.quorum else ""
    more += f" It is open for {one.open_days} days at least." if one.open_days else ""
    for each in one.later_calls:
        who = f"{each.quorum} must vote" if each.quorum else "any number may decide"
        more += f" If too few vote, it may be called again within {each.within}, and {who}."
    if one.takes_effect is not None:
        since = "the last consent" if one.by_all else "its deadline"
        wait = f"{one.takes_effect.after} after {since}" if one.takes_effect.after.number else f"from {since}"
        end = f", at the end of the year ({one.takes_effect.year_ends})" if one.takes_effect.year_ends else ""
        more += f" It takes effect {wait}{end}."
    silence = {"refuses": "", "consents": " Silence is consent.", "abstains": " Silence is not counted."}[one.silence]
    veto = f" One of them may veto it for {_list(one.veto.grounds, 'or')}." if one.veto else ""
    save = f" Save for clause {_list(one.save_for)}." if one.save_for else ""
    return f"{_matter(one)} is decided by {_list(parts)}.{silence}{veto}{more}{save}"


def _matter(one: m.Decision) -> str:
    what = {
        "charter": "An amendment", "project": "To begin a project", "engage": "To engage another state", "renew": "To renew an engagement",
        "end": f"To end {'an ' + one.ends if one.ends == 'engagement' else 'a project' if one.ends else 'a project or engagement'}",
        "admit": "To admit a party", "expel": "To exclude a party",
    }[one.act]  # fmt: skip
    about = [f"in {_list(one.projects)}"] if one.projects else []
    about += [f"of pillar {_list(one.pillars)}"] if one.pillars else []
    about += [f"of grade {_list(one.grades)}"] if one.grades else []
    about += [f"of {_list(one.sections)} alone"] if one.sections else []
    return " ".join((what, *about))


def _decision(one: m.Decision, _: Charter) -> str:
    return decision_words(one)


def _suspended(one: m.SuspendedVote, _: Charter) -> str:
    where = f"in {_list(one.projects)}" if one.projects else "on anything"
    return f"{one.party} has no vote {where} for now, and is not counted."


def _suspension(one: m.Suspension, _: Charter) -> str:
    who = {
        "those_whose_consent_was_required": "Whoever had to consent to an engagement",
        "any_member": "Any member", "owner": "Who proposed an engagement",
    }  # fmt: skip
    return f"{who[one.by]} may suspend it, alone and at once."


def _on_suspend(one: m.OnSuspend, _: Charter) -> str:
    if not one.recall:
        return "A suspension orders nothing back."
    return f"A suspension orders back what was received; answered within {one.answer_days} days."


def _releases(one: m.Releases, _: Charter) -> str:
    owners = {"one": "One owner", "all": "All owners", "k_of_n": f"{one.k} of the owners"}[one.rule]
    verb = "release" if one.rule != "one" else "releases"
    approval = ", and an officer approves each time" if one.approval else ""
    limits = f" Every release meets {_list(one.limits)}." if one.limits else ""
    return f"{owners} {verb} an item that says nothing else{approval}.{limits}"


def _layer(one: m.Layer, _: Charter) -> str:
    return f"{one.name} ({one.id}) sets limits of its own{f', under {one.under}' if one.under else ''}."


def asked_words(one: m.Test) -> str:
    """What a limit asks for, in words."""
    found = {
        "attested": f"the recipient's party attests {one.attested}",
        "agreed": f"both parties attest {one.agreed} with each other",
        "instrument": f"an instrument of kind {one.instrument} between the two states is in force",
        "determined": f"an officer of {one.by or 'the owner'} has determined {one.determined}",
        "attribute": f"the recipient's party is {one.attribute}",
        "until": f"it is no later than {one.until}",
        "after_project": f"it is no later than {one.after_project} after the project's end",
        "asked_in": f"it is asked for in {_list(one.asked_in, 'or')}",
        "never": "never",
        "any": " or ".join(asked_words(each) for each in one.any),
    }
    return next(words for key, words in found.items() if getattr(one, key))


def _limit(one: m.Limit, _: Charter) -> str:
    to = {"all": "anybody else", "members": "another member", "outsiders": "others than members"}[one.to]
    to = (
        _list((*one.parties, *(f"parties of grade {grade}" for grade in one.grades)), "or")
        if one.parties or one.grades
        else to
    )
    made = {"all": "What", "background": "Background that", "results": "Results that"}[one.made]
    where = [f"in {_list(one.projects, 'or')}"] if one.projects else []
    where += [f"of pillar {_list(one.pillars, 'or')}"] if one.pillars else []
    where += [f"owned by {_list(one.owners, 'or')}"] if one.owners else []
    where += [f"for {_list(one.purposes, 'or')}"] if one.purposes else []
    scope = f" {' '.join(where)}" if where else ""
    layer = f" ({one.layer})" if one.layer else ""
    if any(need.never for need in one.needs):
        return f"{made} never goes to {to}{scope}{layer}."
    return f"{made} goes to {to}{scope} only if {_list(map(asked_words, one.needs))}{layer}."


def _background(one: m.Background, _: Charter) -> str:
    kept = f", but not for {_list(one.except_for, 'or')}" if one.except_for else ""
    return f"{one.item} is on the list of background{kept}."


def _freshness(one: m.Freshness, _: Charter) -> str:
    hours = one.limit_ms // 3_600_000
    whose = f"the ledger of {_list(one.parties, 'or')}" if one.parties else "any ledger"
    what = f" for {_list(one.levels, 'or')} and above" if one.levels else ""
    asked = ", and the members are asked first" if one.ask_first else ""
    return f"The sight of {whose}{what} is {hours} hours old at most{asked}."


def _carried(one: m.CarriedKey, _: Charter) -> str:
    days, times = (f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((one.days, "day"), (one.openings, "opening")))
    return f"A key for {_list(one.levels, 'or')} and below may be carried to a device, for {days} and {times} at most."


def _duty(one: m.Duty, _: Charter, *, kept: bool = False) -> str:
    lasts = f"for {one.lasts} after it" if one.lasts else "without end"
    got = one.access
    if got is None:
        return f"Who leaves {'keeps' if kept else 'owes'} {one.id}, {lasts}."
    made = {"all": "items", "background": "background", "results": "results"}[got.made]
    where = f" of {_list(got.projects, 'or')}" if got.projects else ""
    what = f" for {_list(got.purposes, 'or')}" if got.purposes else ""
    return f"Who leaves keeps {one.id}, {lasts}: {made}{where} registered by the day of its exit still go to it{what}."


def _notice(notice: object, year_ends: str) -> str:
    return f"{notice} after notice{f', at the end of the year ({year_ends})' if year_ends else ''}"


def _exit(one: m.Exit, _: Charter) -> str:
    when = f" {_notice(one.notice, one.year_ends)}" if one.notice else " at once"
    by = f", decided as `{one.decided_by}`" if one.decided_by else ""
    return f"A party leaves by {one.kind.replace('_', ' ')}{when}{by}."


def _window(one: m.Window, _: Charter) -> str:
    when = f"no later than {one.date}" if one.latest else f"on {one.date}"
    closed = f" It consents to nothing{_span(one.caretaker)}." if one.caretaker != Span() else ""
    return f"{one.party}: {one.what} {when}.{closed}"


def _criterion(one: m.Criterion, _: Charter) -> str:
    how = {
        "judged": "each member judges it",
        "all_pairs": f"an instrument of kind {one.instrument} with each member",
        "attested": f"the candidate attests {one.claim}",
    }
    return f"Who comes in is asked for {one.name} ({one.id}): {how[one.kind]}."


def _candidate(one: m.Candidate, _: Charter) -> str:
    stage, why = m.stage_of(one)
    return f"{one.name} ({one.id}, {one.code}) is no party; as far as words go: {stage} ({why})."


def _hold(one: Hold, _: Charter) -> str:
    to = {"hold": f"as {one.hold_as}", "refuse": "not at all", "refer": "as its originator says"}[one.action]
    return f"{one.level} is held in {one.system} {to}{'' if one.exact or one.action != 'hold' else ', which is not the same'}."


def _system(one: System, _: Charter) -> str:
    ladders = "; ".join(" < ".join(ladder) for ladder in one.ladders)
    return f"{one.name}: {ladders}; a clearance is needed from {one.classified_from or 'the lowest'} on."


_WORDS: Final[Mapping[type, Callable[[Any, Charter], str]]] = {
    m.Party: _party,
    m.Grade: _grade,
    m.Attribute: lambda one, _: f"A party may be {one.id}.",
    m.Pillar: _pillar,
    m.Area: lambda one, _: f"{one.name} ({one.id}) is an area of {one.pillar}.",
    m.Project: _project,
    m.Purpose: _purpose,
    m.Decision: _decision,
    m.SuspendedVote: _suspended,
    m.Suspension: _suspension,
    m.OnSuspend: _on_suspend,
    m.Releases: _releases,
    m.Layer: _layer,
    m.Limit: _limit,
    m.Background: _background,
    m.Freshness: _freshness,
    m.CarriedKey: _carried,
    m.Approval: lambda one, _: f"To {one.act} takes {one.officers} officer{'s' if one.officers > 1 else ''}.",
    m.Jurisdiction: lambda one, _: f"The law of {one.id} counts as {one.adopter} adopts it.",
    m.Instrument: lambda one, _: (
        f"{one.name} ({one.kind}) between {_list(one.between)}, signed {one.signed}{_span(one.term)}."
    ),
    m.Criterion: _criterion,
    m.Withdrawal: lambda one, _: f"A party leaves {_notice(one.notice, one.year_ends)}.",
    m.Exit: _exit,
    m.Window: _window,
    m.Candidate: _candidate,
    System: _system,
    Hold: _hold,
    Clearance: lambda one, _: f"A clearance {one.system} {one.name} covers {one.covers}.",
    Group: lambda one, _: (
        f"{one.id} means {_list(one.members)}{_span(Span(first=one.first or None, last=one.last or None))}."
    ),
}
