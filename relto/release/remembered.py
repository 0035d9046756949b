"""Permits that are kept and given again to the same question, as long as nothing they rest on has changed.

*The same question*: every member of it, the class of the recipient, item, version, part, purpose, place, who says where
that is, method and value; also the exact request where the charter wants an officer to approve each. Only the time is
left out, and for that there are two bounds.

A permit is given again when all of these hold, and is else decided anew:

* the register has the same `basis`: nothing has come since but releases that draw on no licence, and receipts;
* it is the same UTC day, since terms, law and authorities are compared with the day;
* no ledger that it depends on has become older than the charter allows meanwhile.

What is no permit is never kept: a refusal is looked at anew each time.

Source: contracts of the design, sections 6 and 14; facts of the design, peers, 6.1 ("decision cache reused for a
different question").
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from relto.acts import Register
from relto.release.decide import judge
from relto.release.facts import Case
from relto.release.question import Decision, Question
from relto.release.rules import freshness_limit, relied_on

KEPT_MAX: Final = 4096  # permits; beyond that all are decided anew
FOREVER: Final = 2**62


class Judgement(NamedTuple):
    """A decision, the acts that are stated here among those it rests on, and the digests of the law of the day."""

    decision: Decision
    rests_on: tuple[str, ...]
    packs: tuple[str, ...]


class _Kept(NamedTuple):
    judgement: Judgement
    date: str
    since: int
    until: int


class Memory:
    """See the module. For one node; used by one thread at a time."""

    def __init__(self) -> None:
        self._basis: object = None
        self._kept: dict[bytes, _Kept] = {}

    def judge(self, register: Register, question: Question) -> Judgement:
        """Equal to `judge` of the same question. Raises: as `judge`."""
        if register.basis is not self._basis or len(self._kept) >= KEPT_MAX:
            self._basis, self._kept = register.basis, {}
        key = _key(register, question)
        held = self._kept.get(key)
        # The day of an earlier question may be later, when the clock went back: then nothing is known of this one.
        if held is not None and held.since <= question.day <= held.until and held.date == question.date:
            return held.judgement
        decision = judge(register, question).decision
        rests_on = tuple(act for act in decision.rests_on if act in register.stated)
        made = Judgement(decision, rests_on, packs_of(register, question.date))
        if decision.answer == "permit":
            self._kept[key] = _Kept(made, question.date, question.day, _fresh_until(register, question))
        return made


def _key(register: Register, question: Question) -> bytes:
    """One text for one question: JSON of all members, in which no value can run into the next."""
    charter = register.charter
    approved = charter is not None and charter.releases.approval
    return msgspec.json.encode(
        msgspec.structs.replace(question, day=0, request=question.request if approved else UNSET), order="sorted"
    )


def _fresh_until(register: Register, question: Question) -> int:
    """The last moment (ms) at which every ledger behind the answer is as recent as the charter asks."""
    case = Case(register, question)
    ends = [FOREVER]
    for party in relied_on(case):
        if party == case.me:
            continue
        state = register.parties.get(party)
        seen = None if state is None else state.seen
        ends.append(question.day if seen is None else seen + freshness_limit(case, party))
    return min(ends)


def packs_of(register: Register, date: str) -> tuple[str, ...]:
    """The texts that are the law on a day, by digest."""
    held = (register.pack_on(jurisdiction, date) for jurisdiction in register.packs)
    return tuple(sorted({one.digest for one in held if one is not None}))
