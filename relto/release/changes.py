"""What would change an answer: sets of steps, each set tried on the register before it is shown.

A step is an act by somebody (attest, relabel, consent, determine, license …) or a fact that somebody states. Rules say
which steps would satisfy them; here they are put together, smallest sets first, applied to register and question as
drafts, and kept when the rules then permit and no step of the set can be left out. What a relabel undoes, such as a
determination on the old label, shows up by itself and is added. Steps stand in the order in which they are done.

* What only people can say is taken to come out well: that a determination holds, that a fact is stated so that the rule
  is met, that a text of law still to be adopted allows it, that entries still to be opened hold nothing against it. The
  words of a step say what it is tried with.
* Not offered: what nothing here can try (an introduction), and what would take another charter.

Source: contracts of the design, section 11; spec/decision.md, "Changes".
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from relto import acts
from relto.acts import Money, Register
from relto.errors import NotFound, ReltoError
from relto.label import Label, Level
from relto.law import Need
from relto.release.decide import Judged, judge
from relto.release.facts import APPROVED, Case, clause_authority
from relto.release.impact import assume
from relto.release.question import Change, Question
from relto.release.rules import Way, distinct, key_of, levels

SETS_MAX: Final = 5  # alternatives shown
STEPS_MAX: Final = 8  # in one set
WAYS_MAX: Final = 24  # combinations of ways kept at each step; the smallest stay
TRIES_MAX: Final = 96  # sets tried on the register for one question

Key = tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]


def changes(register: Register, question: Question, first: Judged) -> tuple[Change, ...]:
    """At most five sets, smallest first; none when no conjunct that fails can be satisfied."""
    search = _Search(register, question)
    sets = search.run(first)
    return tuple(
        Change(
            needs=one.needs + search.tried_with(one),
            of=one.of,
            kind=one.kind,
            by=one.detail.get("by", UNSET),
            set=number,
            detail=one.detail,
        )
        for number, way in enumerate(sets, 1)
        for one in way
    )


class _Search:
    """Smallest sets first. A set that does not do yet grows by what is then still missing."""

    def __init__(self, register: Register, question: Question) -> None:
        self.register, self.question = register, question
        self.tries = 0
        self._known: dict[Key, Judged | None] = {}

    def run(self, first: Judged) -> list[Way]:
        found: list[Way] = []
        ahead: list[tuple[int, Key, Way]] = []
        seen: set[Key] = set()
        self._push(ahead, seen, (), first)
        while ahead and len(found) < SETS_MAX and self.tries < TRIES_MAX:
            _, key, way = heapq.heappop(ahead)
            if any(set(_key(other)) <= set(key) for other in found):
                continue
            judged = self.tried(way)
            if judged is None:
                continue
            if judged.decision.answer != "permit":
                self._push(ahead, seen, way, judged)
            elif (fewer := self._fewer(way)) is not None:
                heapq.heappush(ahead, (len(fewer), _key(fewer), fewer))
            else:
                found.append(way)
        return found

    def _push(self, ahead: list[tuple[int, Key, Way]], seen: set[Key], way: Way, judged: Judged) -> None:
        for more in _together(judged):
            new = _in_order((*way, *more))
            key = _key(new)
            if len(way) < len(new) <= STEPS_MAX and key not in seen:
                seen.add(key)
                heapq.heappush(ahead, (len(new), key, new))

    def _fewer(self, way: Way) -> Way | None:
        """The same without one step, if that does as well."""
        for n in range(len(way)):
            fewer = way[:n] + way[n + 1 :]
            judged = self.tried(fewer) if fewer else None
            if judged is not None and judged.decision.answer == "permit":
                return fewer
        return None

    def tried(self, way: Way) -> Judged | None:
        """The answer if these steps were done; None when they cannot be."""
        key = _key(way)
        if key not in self._known:
            self.tries += 1
            try:
                made = suppose(self.register, self.question, way)
                self._known[key] = judge(made.register, made.question, made.satisfied)
            except ReltoError:
                self._known[key] = None
        return self._known[key]

    def tried_with(self, one: Need) -> str:
        """What a step is tried with, where its words leave it open."""
        if one.kind == "determine":
            return ", and it holds"
        if one.kind == "adopt law":
            return ", and it allows this"
        if "." not in one.kind:
            return ""
        try:
            made = suppose(self.register, self.question, (one,)).question
        except ReltoError:
            return ""
        return f" (tried with: {_shown(made, one.kind)})" if _shown(made, one.kind) else ""


def _shown(question: Question, fact: str) -> str:
    to = question.to
    if fact == "recipient.nationalities":
        return "" if isinstance(to.nationalities, UnsetType) else ", ".join(to.nationalities)
    if fact == "recipient.clearance":
        return "" if isinstance(to.clearance, UnsetType) else f"{to.clearance.system} {to.clearance.level}"
    if fact == "transfer.value":
        return "" if isinstance(question.value, UnsetType) else f"{question.value.amount} {question.value.currency}"
    if fact.startswith("item."):
        return "the owner's state alone" if fact == "item.origins" else "none"
    asked = {
        "recipient.employment": str(to.employment),
        "transfer.purpose": question.purpose,
        "transfer.method": question.method,
        "place.access": question.place,
    }
    return asked.get(fact, "")


def _together(judged: Judged) -> Iterator[Way]:
    """Ways that satisfy every conjunct that fails, the smallest first; nothing where one of them has no way."""
    options = [judged.ways.get(one.rule, ()) for one in judged.decision.failing]
    merged: list[Way] = [()]
    for ways in options:
        pairs = (tuple(distinct((*one, *more))) for one, more in itertools.product(merged, ways))
        merged = sorted({_key(one): one for one in pairs}.values(), key=lambda one: (len(one), _key(one)))[:WAYS_MAX]
    yield from merged


def _key(way: Way) -> Key:
    return tuple(sorted(map(key_of, way)))


# ---- doing a step ---------------------------------------------------------------------------------------------------


class Supposed(NamedTuple):
    register: Register
    question: Question
    satisfied: frozenset[str] = frozenset()


# A determination counts for a label, and an engagement for the item as it then is: what they stand on comes first.
ORDER: Final = (
    *("sync", "opening", "attest", "relabel", "propose", "consent", "acknowledge"),
    *("lift", "licence", "determine", "adopt law"),
)


def _in_order(way: Iterable[Need]) -> Way:
    rank = {kind: n for n, kind in enumerate(ORDER, 1)}
    return tuple(sorted(distinct(way), key=lambda one: (rank.get(one.kind, 0), key_of(one))))


def suppose(register: Register, question: Question, way: Iterable[Need]) -> Supposed:
    """Register and question as if these steps were done.

    Raises: ReltoError for a step that cannot be tried.
    """
    steps = _in_order(way)
    made = Supposed(register, _stated(register, question, [one for one in steps if "." in one.kind]))
    for one in steps:
        if one.kind.startswith("item."):
            made = made._replace(register=_stated_of_item(made, one))
        elif one.kind == "adopt law":
            made = made._replace(satisfied=made.satisfied | {one.detail["law"]})
        elif "." not in one.kind:
            if one.kind not in _STEPS:
                raise NotFound(f"`{one.kind}` cannot be tried here")
            made = _STEPS[one.kind](made, one)
    return made


def _stated(register: Register, question: Question, needs: Sequence[Need]) -> Question:
    """The question with facts of recipient and transfer stated as the needs ask, all of them together."""
    asked = {one.kind for one in needs if not one.kind.startswith("item.")}
    for fact in sorted(asked):
        if fact not in _FACTS:
            raise NotFound(f"`{fact}` is nobody's to state")
        wanted = [one for one in needs if one.kind == fact]
        question = _FACTS[fact](register, question, wanted)
    return question


def _said(question: Question, **facts: Any) -> Question:
    says: dict[Any, Any] = {**question.to.says, **dict.fromkeys(facts, "party")}
    return msgspec.structs.replace(question, to=msgspec.structs.replace(question.to, says=says, **facts))


def _with_employment(_register: Register, question: Question, _needs: Sequence[Need]) -> Question:
    return _said(question, employment="regular")


def _with_nationality(register: Register, question: Question, _needs: Sequence[Need]) -> Question:
    """That of the own party: whoever else it may be, the party says."""
    code = Case(register, question).fact("recipient.code").value
    if not isinstance(code, str):
        raise NotFound(f"no letters are known for {question.to.party}")
    return _said(question, nationalities=(code,))


def _with_clearance(register: Register, question: Question, _needs: Sequence[Need]) -> Question:
    """The least of the own system that covers the levels; where none of it does, nothing can be said."""
    case = Case(register, question)
    code, table = case.fact("recipient.code").value, case.charter.equivalence
    wanted = [level for level in levels(case) if table.needs_clearance(level)]
    own = [one.levels for one in table.systems if one.name == code]
    names = [one.name for one in table.clearances if one.system == code]
    ladder = list(own[0]) if own else []
    top = {one.name: one.covers for one in table.clearances if one.system == code}
    height = {level: n for n, level in enumerate(ladder)}
    by_rank = sorted(names, key=lambda name: height.get(top[name], len(ladder)))
    for name in (*by_rank, *ladder):
        held = Level(system=str(code), level=name)
        if all(table.covers(held, level) == "yes" for level in wanted):
            return _said(question, clearance=acts.Clearance(system=held.system, level=held.level))
    raise NotFound(f"no clearance of {code} covers {', '.join(map(str, wanted))}")


def _with_value(_register: Register, question: Question, needs: Sequence[Need]) -> Question:
    """Nothing, in the currency that the rule counts in."""
    currencies = {one.detail.get("at_most", "0 USD").split()[1] for one in needs}
    if len(currencies) > 1:
        raise NotFound("two rules count in two currencies")
    return msgspec.structs.replace(question, value=Money(amount=0, currency=currencies.pop()))


def _with_choice(field: str, prefer: str = "") -> Callable[[Register, Question, Sequence[Need]], Question]:
    """A fact that the parties choose: one that every need allows."""

    def choose(register: Register, question: Question, needs: Sequence[Need]) -> Question:
        lists = [one.detail["in"].split() for one in needs if "in" in one.detail]
        barred = {word for one in needs for word in one.detail.get("not_in", "").split()}
        words = [word for word in (lists[0] if lists else ()) if all(word in one for one in lists[1:])]
        free = [word for word in words if word not in barred]
        if not free:
            raise NotFound(f"no {field} meets every rule")
        first = prefer and str(Case(register, question).fact(prefer).value)
        fields: dict[str, Any] = {field: first if first in free else free[0]}
        if field == "place":
            fields["place_says"] = "party"
        return msgspec.structs.replace(question, **fields)

    return choose


_FACTS: Final[Mapping[str, Callable[[Register, Question, Sequence[Need]], Question]]] = {
    "recipient.employment": _with_employment,
    "recipient.nationalities": _with_nationality,
    "recipient.clearance": _with_clearance,
    "transfer.value": _with_value,
    "transfer.purpose": _with_choice("purpose"),
    "transfer.method": _with_choice("method"),
    "place.access": _with_choice("place", "recipient.code"),
}


def _stated_of_item(made: Supposed, one: Need) -> Register:
    """A fact of the item, as the register act of a further version would state it.

    No control entry, no flag, content of the owner's own state alone.
    """
    register, question = made.register, made.question
    item = register.item(question.item, question.version)
    if one.kind == "item.flags":
        facts = msgspec.structs.replace(item.facts, flags=())
    elif one.kind == "item.origins":
        code = Case(register, question).fact("transferor.code").value
        facts = msgspec.structs.replace(item.facts, origins=(str(code),))
    elif one.kind.startswith("item.entries.") and one.kind.removeprefix("item.entries.") not in item.facts.entries:
        entries = {**item.facts.entries, one.kind.removeprefix("item.entries."): ()}
        facts = msgspec.structs.replace(item.facts, entries=entries)
    else:
        raise NotFound(f"`{one.kind}` is stated already")
    new = msgspec.structs.replace(item, facts=facts)
    versions = tuple(new if old.version == item.version else old for old in register.items[item.id])
    return msgspec.structs.replace(register, items={**register.items, item.id: versions})


def draft(made: Supposed, one: Need, **fields: Any) -> acts.Act:
    """The act that a need asks for, as its author would draft it.

    Raises: NotFound when the author is not known here.
    """
    kind = acts.KINDS[one.kind]
    author = fields.pop("author", one.of)
    return kind(author=author, log=made.register.party(author).origin, at=made.question.day, **fields)


def _assumed(made: Supposed, act: acts.Act) -> Supposed:
    return made._replace(register=assume(made.register, [act], made.question.day))


def _sync(made: Supposed, one: Need) -> Supposed:
    party = one.detail["party"]
    state = msgspec.structs.replace(made.register.party(party), seen=made.question.day)
    parties = {**made.register.parties, party: state}
    return made._replace(register=msgspec.structs.replace(made.register, parties=parties))


def _opening(made: Supposed, one: Need) -> Supposed:
    owed = {party: indexes for party, indexes in made.register.owed.items() if party != one.of}
    return made._replace(register=msgspec.structs.replace(made.register, owed=owed))


def _attest(made: Supposed, one: Need) -> Supposed:
    about, term = one.detail["about"], acts.Term(since=made.question.date)
    author = about.partition("/")[0]
    return _assumed(made, draft(made, one, author=author, about=about, claim=one.detail["claim"], term=term))


def _relabel(made: Supposed, one: Need) -> Supposed:
    case = Case(made.register, made.question)
    item = made.register.item(made.question.item, made.question.version)
    rel = {*case.words("item.releasable"), *one.detail["add"].split()}
    label = Label.of(item.label.levels, rel=rel, tags=item.label.tags, display=set(item.label.display) - rel)
    fields: dict[str, Any] = {"item": item.id, "version": item.version, "prev": item.label_act, "label": label}
    return _assumed(made, draft(made, one, reason="supposed", **fields))


def _propose(made: Supposed, one: Need) -> Supposed:
    register, charter = made.register, made.register.charter
    assert charter is not None
    proposer = charter.members[0]
    if "renews" in one.detail:
        old = register.engagements[one.detail["renews"]]
        term = acts.Term(since=old.term.since)
        what_for, renewal = f"engagement/{old.id}", acts.Renewal(of=old.proposal, term=term)
        return _assumed(made, draft(made, one, author=proposer, subject=what_for, n=2, what=renewal))
    to = register.party(one.detail["party"])
    case = Case(register, made.question)
    days = charter.on_suspend.answer_days if charter.on_suspend.recall else UNSET
    what = acts.Engagement(
        party=to.id,
        inception=to.inception,
        origin=to.origin,
        address=to.address,
        project=one.detail["project"],
        role="participant",
        areas=case.words("item.areas"),
        ceiling=levels(case),
        term=acts.Term(since=made.question.date),
        members=tuple(_member(register, name) for name in charter.members),
        confirm=charter.confirm,
        recall_days=days,
    )
    taken = {one.subject for one in register.slots.values()}
    name = next(name for n in itertools.count() if f"engagement/{(name := f'supposed-{n}')}" not in taken)
    return _assumed(made, draft(made, one, author=proposer, subject=f"engagement/{name}", n=1, what=what))


def _member(register: Register, name: str) -> acts.Member:
    party = register.party(name)
    return acts.Member(party=name, inception=party.inception, origin=party.origin, address=party.address)


def _consent(made: Supposed, one: Need) -> Supposed:
    return _assumed(made, draft(made, one, proposal=one.detail["proposal"]))


def _acknowledge(made: Supposed, one: Need) -> Supposed:
    """The members confirm votes that are all there: the proposal stands."""
    return _assumed(made, made.register.slots[one.detail["proposal"]].stated.act)


def _lift(made: Supposed, one: Need) -> Supposed:
    return _assumed(made, draft(made, one, suspend=one.detail["suspend"], reason="supposed"))


def _determine(made: Supposed, one: Need) -> Supposed:
    question, charter = made.question, made.register.charter
    assert charter is not None
    item = made.register.item(question.item, question.version)
    request: str | UnsetType = UNSET
    authority = one.detail.get("authority", "")
    if one.detail["condition"] == APPROVED and not authority:
        request = "0" * 64 if isinstance(question.request, UnsetType) else question.request
        made = made._replace(question=msgspec.structs.replace(question, request=request))
        authority = clause_authority(charter.releases.clause)
    law = one.detail.get("law", Case(made.register, question).fact("transferor.code").value)
    terms = {
        "item": item.id,
        "version": item.version,
        "on": item.label_act,
        "jurisdiction": str(law),
        "authority": authority,
        "condition": one.detail["condition"],
        "holds": True,
        "reason": "supposed",
        "request": request,
    }
    return _assumed(made, draft(made, one, **terms))


def _licence(made: Supposed, one: Need) -> Supposed:
    item, to = made.register.item(made.question.item, made.question.version), made.question.to
    terms = {
        "licence": "supposed",
        "jurisdiction": one.detail["law"],
        "authority": one.detail["authority"],
        "holder": item.facts.organisation,
        "recipients": (to.organisation,),
        "items": (item.id,),
        "term": acts.Term(since=made.question.date),
    }
    return _assumed(made, draft(made, one, **terms))


_STEPS: Final[Mapping[str, Callable[[Supposed, Need], Supposed]]] = {
    "sync": _sync,
    "opening": _opening,
    "attest": _attest,
    "relabel": _relabel,
    "propose": _propose,
    "consent": _consent,
    "acknowledge": _acknowledge,
    "lift": _lift,
    "determine": _determine,
    "licence": _licence,
}
