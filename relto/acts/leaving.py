"""A party's departure, from its notice to the certificate: what has ended, what was asked back, and who has answered.

Rehearsing one is `release.rehearse_withdrawal`; here is what acts have made of a real one. Nothing is asked back by
itself: an owner asks by `recall`, for each release, and the holder answers by `answer` (charter, duties of an exit).
What nobody asked for stays listed as not asked.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from relto.acts import act as a
from relto.acts.register import Register
from relto.acts.votes.ballot import day_of
from relto.errors import NotFound

CopyState = Literal["not_asked", "outstanding", "overdue", "returned", "destroyed", "kept"]
_FIRST: Final = ("destroyed", "returned", "overdue", "outstanding", "kept")


class Copy(Struct, frozen=True, kw_only=True):
    """What one release handed out across the border between the leaving party and the others.

    asked: the act that orders it back; answered: the act that answers. by: the day on which the answer is due.
    """

    release: str
    item: str
    owner: str
    holder: str
    state: CopyState
    order: str = ""
    by: str = ""
    asked: str = ""
    answered: str = ""
    reason: str = ""


class Departure(Struct, frozen=True, kw_only=True):
    """A notice and what follows from it on a day.

    given: the day of the notice; effective: the day from which the party is out. certified: it is out, and whatever
    was asked back is answered. not_asked copies do not stand in its way, for no owner wanted them.
    """

    party: str
    act: str
    given: str
    effective: str
    reason: str
    out: bool
    certified: bool
    copies: tuple[Copy, ...]
    engagements: tuple[str, ...]
    attestations: tuple[str, ...]
    licences: tuple[str, ...]
    items: tuple[str, ...]
    duties: tuple[tuple[str, str], ...]  # (clause, words)

    @property
    def overdue(self) -> tuple[Copy, ...]:
        return tuple(one for one in self.copies if one.state == "overdue")

    def count(self, state: CopyState) -> int:
        return sum(one.state == state for one in self.copies)


def departure(register: Register, party: str, day: str) -> Departure:
    """Raises: NotFound for a party that has given no notice."""
    notices = [
        one
        for one in register.stated.values()
        if isinstance(one.act, a.Withdraw) and one.act.author == party and one.act.partnership == register.partnership
    ]
    effective = register.party(party).withdraws
    if not notices or not effective:
        raise NotFound(
            f"`{party}` has given no notice of withdrawal here",
            hint=f"`relto impact --withdraw {party} --on DATE` rehearses one; `relto act withdraw` gives it",
        )
    first = min(notices, key=lambda one: (one.index, one.id))
    assert isinstance(first.act, a.Withdraw)
    copies = tuple(
        sorted(_copies(register, party, day), key=lambda one: (one.owner, one.holder, one.item, one.release))
    )
    out = effective <= day
    charter = register.charter
    return Departure(
        party=party,
        act=first.id,
        given=day_of(first.time),
        effective=effective,
        reason=first.act.reason,
        out=out,
        certified=out and not any(one.state in {"outstanding", "overdue"} for one in copies),
        copies=copies,
        engagements=tuple(
            sorted(
                name
                for name, one in register.engagements.items()
                if party == one.terms.party or any(member.party == party for member in one.terms.members)
            )
        ),
        attestations=tuple(one.act for one in register.attestations if one.party == party and not one.revoked),
        licences=tuple(one.act for one in register.licences.values() if one.party == party and not one.revoked),
        items=tuple(sorted({one.id for held in register.items.values() for one in held if party in one.facts.owners})),
        duties=tuple((duty.clause, duty.says) for duty in charter.withdrawal.duties) if charter else (),
    )


def _copies(register: Register, party: str, day: str) -> list[Copy]:
    """Releases by the leaving party to others, and by others to it.

    What is returned or destroyed is gone, whoever asked; *kept* answers the order that it answers and no later one.
    """
    found = []
    for release in register.releases.values():
        holder = release.terms.to.party
        if (release.party == party) == (holder == party):
            continue
        orders = [one for one in register.recalls.values() if one.release == release.act]
        states: dict[str, Copy] = {}
        base = Copy(
            release=release.act,
            item=f"{release.terms.item}@{release.terms.version}",
            owner=release.party,
            holder=holder,
            state="not_asked",
        )
        for order in orders:
            final = next((answer for answer in reversed(order.answers) if answer[2] != "acknowledged"), None)
            asked: dict[str, str] = {"order": order.order, "by": order.by, "asked": order.because}
            if final is None:
                state: CopyState = "overdue" if order.state(day) == "overdue" else "outstanding"
                states[state] = _with(base, state, asked)
            else:
                _, act, answer, _ = final
                said = register.stated[act].act
                reason = said.reason if isinstance(said, a.Answer) and isinstance(said.reason, str) else ""
                kind: CopyState = "kept" if answer == "kept" else "destroyed" if answer == "destroyed" else "returned"
                states[kind] = _with(base, kind, {**asked, "answered": act, "reason": reason})
        found.append(next((states[state] for state in _FIRST if state in states), base))
    return found


def _with(base: Copy, state: CopyState, fields: dict[str, str]) -> Copy:
    return Copy(
        release=base.release, item=base.item, owner=base.owner, holder=base.holder, state=state,
        order=fields["order"], by=fields["by"], asked=fields["asked"],
        answered=fields.get("answered", ""), reason=fields.get("reason", ""),
    )  # fmt: skip
