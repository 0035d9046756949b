"""Replay: every past release decided again from the ledgers as they stood, and compared.

    full    all inputs are held here and the decision id is equal
    part    something it rested on is out of sight; listed, with whose it is
    order   the entry stands in the ledger, unopened
    differs all inputs are held and the id is another: the first finding that is not what the release says

The owner can always do `full`. Source: contracts of the design, sections 4 and 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from relto import acts
from relto.acts import Register, ReleaseState
from relto.errors import ReltoError
from relto.release.decide import decide
from relto.release.question import Decision, Question


class Audited(Struct, frozen=True, kw_only=True):
    """One release as replayed. `missing`: act id or digest -> whose it is and why it is not here."""

    release: str
    origin: str
    index: int
    result: Literal["full", "part", "order", "differs"]
    answer: str = ""
    decision: str = ""
    recorded: str = ""
    item: str = ""
    to: str = ""
    missing: tuple[tuple[str, str], ...] = ()
    why: str = ""


def question_of(release: acts.Release) -> Question:
    """The question that a release answered."""
    return Question(
        to=release.to,
        item=release.item,
        version=release.version,
        part=release.part,
        purpose=release.purpose,
        place=release.place,
        place_says=release.place_says,
        method=release.method,
        value=release.value,
        day=release.day,
        request=release.request,
    )


def audit(
    register: Register, at: Callable[[Mapping[str, int], str], Register], known: Literal["then", "now"] = "then"
) -> tuple[Audited, ...]:
    """Every release and every unopened entry of every ledger in this register.

    at: the register of given ledger prefixes, folded as the given party: how fresh a sight was is the deciding node's
    own affair. known: `now` decides each release with today's sight: what should have been answered.
    """
    found = [_replay(register, one, at, known) for one in register.releases.values()]
    opened = {(one.origin, one.index) for one in register.stated.values()} | {
        (one.origin, one.index) for one in register.void
    }
    for origin, scan in sorted(register.scans.items()):
        if not scan.sparse:
            found += [
                Audited(release="", origin=origin, index=index, result="order", why="not addressed to this party")
                for index in range(scan.size) if (origin, index) not in opened
            ]  # fmt: skip
    return tuple(sorted(found, key=lambda a: (a.origin, a.index)))


def _replay(
    register: Register, one: ReleaseState, at: Callable[[Mapping[str, int], str], Register], known: str
) -> Audited:
    terms = one.terms
    base = Audited(
        release=one.act,
        origin=one.origin,
        index=one.index,
        result="part",
        recorded=terms.decision,
        item=f"{terms.item}@{terms.version}",
        to=terms.to.party,
    )
    missing = _out_of_sight(register, one)
    if missing:
        return msgspec.structs.replace(base, missing=tuple(missing))
    stated = register.stated[terms.sight]
    sight = stated.act
    if not isinstance(sight, acts.Acknowledge) or (stated.origin, stated.index < one.index) != (one.origin, True):
        why = f"a release names an acknowledge of its own ledger before it; this is none of {one.party}"
        return msgspec.structs.replace(base, missing=((terms.sight, why),))
    limits = {head.origin: head.size for head in sight.heads} | {one.origin: one.index}
    lacking = [
        (origin, f"held here up to {register.scans[origin].size if origin in register.scans else 0} of {size} entries")
        for origin, size in sorted(limits.items())
        if origin not in register.scans or register.scans[origin].size < size or register.scans[origin].sparse
    ]  # fmt: skip
    if lacking:
        return msgspec.structs.replace(base, missing=tuple(lacking))
    then = register if known == "now" else at(limits, one.party)
    try:
        decision = decide(then, question_of(terms))
    except ReltoError as error:
        return msgspec.structs.replace(base, missing=((terms.item, error.message),))
    result: Literal["full", "differs"] = "full" if decision.id == terms.decision else "differs"
    if known == "now":
        result = "full" if decision.answer == "permit" else "differs"
    why = "" if result == "full" else _first_difference(decision, terms)
    return msgspec.structs.replace(base, result=result, answer=decision.answer, decision=decision.id, why=why)


def _out_of_sight(register: Register, one: ReleaseState) -> list[tuple[str, str]]:
    terms = one.terms
    found = [
        (act, "an act that is not open here") for act in (*terms.rests_on, terms.sight) if act not in register.stated
    ]
    found += [(pack, "a law pack that is not held here") for pack in terms.packs if pack not in register.objects]
    found += [
        (use.licence, "a licence that is not open here") for use in terms.uses if use.licence not in register.stated
    ]
    if terms.item not in register.items:
        found.append((terms.item, f"the register act of {one.party}"))
    return found


def _first_difference(decision: Decision, terms: acts.Release) -> str:
    if decision.answer != "permit":
        first = decision.failing[0]
        return f"{first.rule} is {first.value.value}: {first.deny_code or 'see its facts'}"
    unlike = sorted(set(decision.rests_on) ^ set(terms.rests_on))
    return f"rests on other acts: {', '.join(one[:8] for one in unlike)}" if unlike else "a fact has another value"
