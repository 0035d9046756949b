"""What lapses or falls due next, whose answer is awaited, and what is at risk at each window: one list, by date.

Everything is read from the register; nothing here decides or predicts. A date without a year that an act or a text
states is not in the list, and a window is a date by which an answer is wanted, not one on which anything ends by
itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, UnsetType

from relto.acts import act as a
from relto.acts.pipeline import pipeline
from relto.acts.register import Register
from relto.acts.votes.ballot import day_of

Kind = Literal["lapses", "ends", "due", "overdue", "awaited", "window", "leaves"]


class Coming(Struct, frozen=True, kw_only=True):
    """One date. day: empty for what is awaited without a deadline. whose: the parties that must act, if any.

    at_risk: at a window, what still waits for that party, or ends before its next government could renew it.
    """

    day: str
    kind: Kind
    subject: str
    what: str
    whose: tuple[str, ...] = ()
    act: str = ""
    clause: str = ""
    at_risk: tuple[str, ...] = ()


def outlook(register: Register, day: str, until: str = "") -> tuple[Coming, ...]:
    """Sorted by day; what has none comes first, since it waits already. until: the last day that is asked for."""
    parts = (
        _engagements, _licences, _attestations, _packs, _projects, _proposals, _orders, _withdrawals, _windows,
    )  # fmt: skip
    found = [one for part in parts for one in part(register, day)]
    kept = [one for one in found if not until or one.day <= until]
    return tuple(sorted(kept, key=lambda one: (one.day, one.kind, one.subject, one.act)))


def _end(term: object) -> str:
    return term.until if isinstance(term, a.Term) and not isinstance(term.until, UnsetType) else ""


def _after(last: str) -> str:
    """Texts name the last day on which they hold; this list names the first on which a thing is over."""
    return (dt.date.fromisoformat(last) + dt.timedelta(days=1)).isoformat()


def _engagements(register: Register, day: str) -> Iterator[Coming]:
    for one in register.engagements.values():
        end = one.ended or _end(one.term)
        if end and end >= day:
            verb = "ends" if one.ended else "lapses"
            yield Coming(
                day=end,
                kind="ends" if one.ended else "lapses",
                subject=f"engagement/{one.id}",
                what=f"{one.terms.party} in {one.terms.project} {verb}",
                act=one.proposal,
            )


def _licences(register: Register, day: str) -> Iterator[Coming]:
    for one in register.licences.values():
        end = _end(one.terms.term)
        if end and end >= day and not one.revoked:
            left = "" if isinstance(one.terms.quantity, UnsetType) else f", {one.terms.quantity - one.used} uses left"
            yield Coming(
                day=end,
                kind="lapses",
                subject=f"licence/{one.terms.licence}",
                what=f"{one.terms.authority} for {one.terms.holder}{left}",
                whose=(one.party,),
                act=one.act,
            )


def _attestations(register: Register, day: str) -> Iterator[Coming]:
    for one in register.attestations:
        end = _end(one.terms.term)
        if end and end >= day and not one.revoked:
            yield Coming(
                day=end,
                kind="lapses",
                subject=f"attestation/{one.terms.about}",
                what=f"{one.terms.claim} of {one.terms.about}",
                whose=(one.party,),
                act=one.act,
            )


def _packs(register: Register, day: str) -> Iterator[Coming]:
    for jurisdiction, adopted in register.packs.items():
        one = register.pack_on(jurisdiction, day)
        if one is None or one.pack is None or not one.pack.valid.last:
            continue
        over = _after(one.pack.valid.last)
        if not any(other.pack is not None and other.pack.valid.holds(over) for other in adopted):
            yield Coming(
                day=over,
                kind="lapses",
                subject=f"law/{jurisdiction}",
                what=f"the text {one.pack.id} of the law of {jurisdiction}; without one every answer is undetermined",
                whose=(one.party,),
                act=one.act,
            )


def _projects(register: Register, day: str) -> Iterator[Coming]:
    for one in register.charter.projects if register.charter else ():
        if one.term.last and one.term.last >= day:
            yield Coming(
                day=_after(one.term.last),
                kind="lapses",
                subject=f"project/{one.id}",
                what=f"the term of {one.name}",
                clause=one.clause,
            )


def _proposals(register: Register, day: str) -> Iterator[Coming]:
    """Open ones, with a deadline or without."""
    for one in register.slots.values():
        act = one.stated.act
        if one.state != "open" or not isinstance(act, a.Propose):
            continue
        deadline = "" if isinstance(act.by, UnsetType) else day_of(act.by)
        whose = one.missing or one.waiting
        need = "answer" if one.missing else "acknowledgement"
        yield Coming(
            day=deadline,
            kind="overdue" if deadline and deadline < day else "awaited",
            subject=one.subject,
            what=f"{need} of {', '.join(whose) or 'nobody'}",
            whose=whose,
            act=one.id,
        )


def _orders(register: Register, day: str) -> Iterator[Coming]:
    """Copies to return or destroy, unanswered."""
    for one in register.recalls.values():
        state = one.state(day)
        if state == "answered":
            continue
        release = register.releases[one.release].terms
        yield Coming(
            day=one.by,
            kind="overdue" if state == "overdue" else "due",
            subject=f"recall/{one.release[:8]}",
            what=f"{one.order} {release.item}@{release.version}, ordered by {one.party}",
            whose=(one.holder,),
            act=one.because,
        )


def _withdrawals(register: Register, day: str) -> Iterator[Coming]:
    for one in register.parties.values():
        if one.withdraws:
            yield Coming(
                day=one.withdraws,
                kind="leaves",
                subject=f"party/{one.id}",
                what=f"the notice of {one.id} has run" if one.withdraws <= day else f"{one.id} is out",
                whose=(one.id,),
            )


def _windows(register: Register, day: str) -> Iterator[Coming]:
    stages = pipeline(register, day)
    for one in register.charter.windows if register.charter else ():
        if one.date < day:
            continue
        risk = [
            f"{stage.party}: consent of {one.party} missing"
            for stage in stages
            if stage.stage == "proposed" and one.party in stage.missing
        ]
        risk += [
            f"{engaged.id} lapses on {_end(engaged.term)}, after it"
            for engaged in register.engagements.values()
            if engaged.state(day) == "in_force"
            and _end(engaged.term) > one.date
            and any(member.party == one.party for member in engaged.terms.members)
        ]
        yield Coming(
            day=one.date,
            kind="window",
            subject=f"party/{one.party}",
            what=f"{one.what}{' (at the latest)' if one.latest else ''}",
            whose=(one.party,),
            clause=one.clause,
            at_risk=tuple(risk),
        )
