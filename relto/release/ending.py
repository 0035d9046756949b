"""What would end a permit, and what stands between somebody and a project.

An ending is a day on which something runs out, or an act by which one party alone ends it. Each act is tried on the
register before it is shown: what another authority would carry all the same is not listed.

What is missing for a project is asked class by class: for each class of its items the smallest set of steps that would
make it a permit (`changes`), gathered over all items by who can do the step.

Source: contracts of the design, sections 2 and 11; spec/decision.md, "What would end it", "What is missing".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.acts import Act, ItemState, Register
from relto.errors import Refused, ReltoError
from relto.label import Label
from relto.release.decide import decide, judge
from relto.release.facts import Case, Thing, charter_of
from relto.release.impact import assume, assume_withdrawn
from relto.release.question import Decision, Question, date_of
from relto.release.rules import freshness_limit, relied_on
from relto.release.search import Declared, place_of, rosters, usual, who
from relto.release.world import world_of

CLASSES_MAX: Final = 200  # item classes of a project for which steps are searched
FEW: Final = 50  # declared classes up to which an audience is asked one by one


class Ending(Struct, frozen=True, kw_only=True):
    """One thing after which the permit no longer holds. on: the last day that it can hold, where a day ends it."""

    needs: str
    of: str
    kind: str  # of the act; `time`, or `sync` where a ledger must be seen again
    on: str | UnsetType = UNSET
    act: str | UnsetType = UNSET  # what would be revoked or suspended


def endings(register: Register, question: Question, decision: Decision) -> tuple[Ending, ...]:
    """Days first, the nearest first; then acts, by who does them. Empty for an answer that is no permit."""
    if decision.answer != "permit":
        return ()
    days = sorted(_days(register, question, decision), key=lambda one: (str(one.on), one.kind, one.of, one.needs))
    tried = [one for one, made in _by_acts(register, question, decision) if not _permits(made, question)]
    found = (*days, *sorted(tried, key=lambda one: (one.of, one.kind, str(one.act))))
    return tuple({(one.kind, one.of, one.on, one.act): one for one in found}.values())


def _permits(register: Register, question: Question) -> bool:
    return judge(register, question).decision.answer == "permit"


Granted = acts.Attestation | acts.Determination | acts.LicenceState


def _days(register: Register, question: Question, decision: Decision) -> Iterator[Ending]:
    named: dict[str, Granted] = {one.act: one for one in _granted(register)}
    listed: set[str] = set()
    for finding in decision.findings:
        if finding.deny_code or "/" in finding.rule:
            continue
        for fact in finding.facts:
            if fact.until:
                act = fact.rests_on
                one = named.get(act) if isinstance(act, str) else None
                words = f"the {_what(one)} ends" if one is not None else f"{fact.name} ends"
                listed.add(fact.until)
                yield Ending(needs=words, of=_speaker(register, act), kind="time", on=fact.until, act=act)
    for ref in decision.authorities:
        if not isinstance(ref.until, UnsetType):
            words = f"{ref.cite} no longer covers it as it does"
            of = register.charter.jurisdiction(ref.jurisdiction).adopter if register.charter else ref.jurisdiction
            listed.add(ref.until)
            yield Ending(needs=words, of=of, kind="time", on=ref.until, act=ref.act)
    if not isinstance(decision.valid_until, UnsetType) and decision.valid_until not in listed:
        yield Ending(needs="the first of what it rests on ends", of="", kind="time", on=decision.valid_until)
    case = Case(register, question)
    for party in relied_on(case):
        state = register.parties.get(party)
        if party != register.me and state is not None and state.seen is not None:
            last = date_of(state.seen + freshness_limit(case, party))
            words = f"the ledger of {party} is not seen again"
            yield Ending(needs=words, of=register.me, kind="sync", on=last)


def _speaker(register: Register, act: str | UnsetType) -> str:
    stated = None if isinstance(act, UnsetType) else register.stated.get(act)
    return stated.act.author if stated is not None else ""


def _by_acts(register: Register, question: Question, decision: Decision) -> Iterator[tuple[Ending, Register]]:
    """Each act that could end it, and the register in which it stands."""
    for words, draft, act in _drafts(register, question, decision):
        try:
            made = assume(register, [draft], question.day)
        except ReltoError:
            continue
        yield Ending(needs=words, of=draft.author, kind=acts.kind_of(draft), act=act), made
    charter = register.charter
    assert charter is not None
    adopters = {one.adopter for one in charter.jurisdictions}
    for party in sorted({register.item(question.item).party, question.to.party, *adopters} & register.parties.keys()):
        on = charter.withdrawal.effective(question.date)
        words = f"{party} withdraws: declared today it counts from {on}"
        yield Ending(needs=words, of=party, kind="withdraw"), assume_withdrawn(register, party, question.date)


def _drafts(register: Register, question: Question, decision: Decision) -> Iterator[tuple[str, Act, str | UnsetType]]:
    def draft(kind: str, author: str, **fields: Any) -> Act:
        return acts.KINDS[kind](author=author, log=register.party(author).origin, at=question.day, **fields)

    used = set(decision.rests_on)
    for one in _granted(register):
        if one.act in used and one.party in register.parties:
            words = f"{one.party} revokes its {_what(one)}"
            yield words, draft("revoke", one.party, act=one.act, reason="supposed"), one.act
    for engagement in register.engagements.values():
        if engagement.proposal in used:
            slot = register.slots.get(engagement.proposal)
            for party in slot.voters if slot is not None else register.members:
                if party in register.parties:
                    words = f"{party} suspends {engagement.id}"
                    yield (
                        words,
                        draft("suspend", party, engagement=engagement.proposal, reason="supposed"),
                        engagement.proposal,
                    )
    item = register.item(question.item, question.version)
    name: dict[str, Any] = {"item": item.id, "version": item.version, "prev": item.label_act, "reason": "supposed"}
    yield f"{item.party} retires the item", draft("retire", item.party, **name), UNSET
    nobody = Label.of(item.label.levels, rel=(), tags=item.label.tags)
    yield f"{item.party} relabels the item", draft("relabel", item.party, label=nobody, **name), UNSET


def _granted(register: Register) -> tuple[Granted, ...]:
    return (*register.attestations, *register.determinations, *register.licences.values())


def _what(one: Granted) -> str:
    terms = one.terms
    if isinstance(terms, acts.Attest):
        return f"attestation `{terms.claim}` of {terms.about}"
    if isinstance(terms, acts.Determine):
        return f"determination of `{terms.condition}` under {terms.authority}"
    return f"licence {terms.licence}"


# ---- what is missing ------------------------------------------------------------------------------------------------


class Step(Struct, frozen=True, kw_only=True):
    """One step, and how many items it stands before. alone: of how many it is all that is missing."""

    needs: str
    of: str
    kind: str
    items: int
    alone: int


class Missing(Struct, frozen=True, kw_only=True):
    """What a recipient lacks for a project.

    barred: items that no step of a party would open, by the rule that fails; looked_at: items for which steps were
    searched (all of them where `complete`).
    """

    project: str
    items: int
    permitted: int
    steps: tuple[Step, ...]
    barred: tuple[tuple[str, int], ...]
    looked_at: int
    complete: bool


def missing(register: Register, to: Declared, project: str, day: int) -> Missing:
    """What stands between a recipient and the items of a project, and who gives each.

    Raises: NotFound for a partnership that is not founded.
    """
    from relto.release.kernel import PERMIT, kernel_of  # which needs numpy

    kernel = kernel_of(register, day)
    answers = kernel.answers(to.recipient)
    sizes = kernel.sizes
    mine = [n for n, item in enumerate(kernel.classes.items) if item.facts.project == project and sizes[n]]
    lacking = sorted((n for n in mine if answers[n] != PERMIT), key=lambda n: (-int(sizes[n]), n))
    counted: dict[tuple[str, str, str], list[int]] = {}
    barred: dict[str, int] = {}
    for n in lacking[:CLASSES_MAX]:
        item, many = kernel.classes.items[n], int(sizes[n])
        place = place_of(kernel.charter, to.recipient.party)
        decision = decide(register, usual(register, item, to.recipient, day, place=place))
        first = [one for one in decision.changes if one.set == 1]
        for one in first:
            words = one.needs.replace(item.id, "the item") if many > 1 else one.needs
            row = counted.setdefault((words, one.of, one.kind), [0, 0])
            row[0] += many
            row[1] += many if len(first) == 1 else 0
        if not first:
            rule = decision.failing[0].deny_code or decision.failing[0].rule
            barred[rule] = barred.get(rule, 0) + many
    steps = [
        Step(needs=words, of=of, kind=kind, items=row[0], alone=row[1]) for (words, of, kind), row in counted.items()
    ]
    return Missing(
        project=project,
        items=int(sum(sizes[n] for n in mine)),
        permitted=int(sum(sizes[n] for n in mine if answers[n] == PERMIT)),
        steps=tuple(sorted(steps, key=lambda one: (-one.items, one.of, one.kind, one.needs))),
        barred=tuple(sorted(barred.items())),
        looked_at=int(sum(sizes[n] for n in mine if answers[n] == PERMIT))
        + int(sum(sizes[n] for n in lacking[:CLASSES_MAX])),
        complete=len(lacking) <= CLASSES_MAX,
    )


# ---- the audience sheet ---------------------------------------------------------------------------------------------


class Audience(Struct, frozen=True, kw_only=True):
    """Who may have an item: all of them, who of them gains it by what is drafted, and who would be given something of
    this owner for the first time.
    """

    item: str
    version: int
    to: tuple[Declared, ...]
    gains: tuple[Declared, ...]
    first: tuple[Declared, ...]
    people: int


def audience(register: Register, item: str, version: int, drafts: tuple[Act, ...], day: int) -> Audience:
    """The sheet that is shown before a seal or a new label. drafts: what would be signed; none before a seal.

    Raises: NotFound; Refused for a draft that could never count, and for a label that releases to nobody.
    """
    after = assume(register, drafts, day)
    held = after.item(item, version)
    owner = held.party
    if Thing(world_of(after), charter_of(after), held, date_of(day)).fact("item.releasable").value == ():
        raise Refused(
            f"the label of {item}@{version} releases it to nobody",
            hint="name the states that it is releasable to, or retire the item",
        )
    may = _permitted(after, held, day)
    had = {(one.recipient.party, one.id) for one in _may_now(register, item, version, day)} if drafts else set()
    given = {
        msgspec.json.encode(release.terms.to, order="sorted")
        for release in register.releases.values()
        if release.party == owner
    }
    return Audience(
        item=item,
        version=version,
        to=tuple(may),
        gains=tuple(one for one in may if (one.recipient.party, one.id) not in had),
        first=tuple(
            one
            for one in may
            if one.recipient.party != owner and msgspec.json.encode(one.recipient, order="sorted") not in given
        ),
        people=sum({one.id: one.heads for one in may}.values()),
    )


def _may_now(register: Register, item: str, version: int, day: int) -> list[Declared]:
    known = [one for one in register.items.get(item, ()) if one.version == version]
    return _permitted(register, known[0], day) if known else []


def _permitted(register: Register, item: ItemState, day: int) -> list[Declared]:
    """As `who` finds them. Few classes are asked one by one: arrays would take longer to load, and 13 MiB."""
    people = rosters(register)
    if len(people) > FEW:
        return [row.to for row in who(register, item.id, day, version=item.version)]
    return [one for one in people if _permits(register, usual(register, item, one.recipient, day))]
