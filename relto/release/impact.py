"""What would change before anybody signs: acts assumed to be in force, decided before and after.

`assume` answers "if these acts stood and every vote on them were confirmed". It invents no rights of its own: drafts go through the same readers as
real acts, and a draft that could never count (a proposal that the charter makes void, an item of somebody else) is refused.

Source: spec/decision.md, "Impact".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, Struct

from relto import acts
from relto.acts import Act, EngagementState, LicenceState, Register
from relto.acts.fold import _Fold
from relto.acts.register import Attestation, Denial, Determination, ItemState, RosterState
from relto.errors import NotFound, Refused
from relto.release.search import Declared, Row, newest, pairs, rosters


class Pair(Struct, frozen=True, kw_only=True):
    """One item class against one recipient class, before and after."""

    item: str
    version: int
    to: Declared
    before: str
    after: str
    decision: str


class Impact(Struct, frozen=True, kw_only=True):
    """Exact pairs over this register's items and declared rosters."""

    gained: tuple[Pair, ...]
    lost: tuple[Pair, ...]
    unchanged: int
    assumed: tuple[str, ...]  # in words


def impact(register: Register, drafts: Sequence[Act], day: int, purpose: str = "") -> Impact:
    """Raises: Refused for a draft that could never count; NotFound for one that names nothing."""
    after = assume(register, drafts, day)
    old = {_pair(row): row for row in pairs(register, newest(register), rosters(register), day, purpose)}
    new = {_pair(row): row for row in pairs(after, newest(after), rosters(after), day, purpose)}
    gained: list[Pair] = []
    lost: list[Pair] = []
    for key in sorted(set(old) | set(new)):
        one = new.get(key) or old[key]
        before = old[key].answer if key in old else "absent"
        now = new[key].answer if key in new else "absent"
        if (before == "permit") == (now == "permit"):
            continue
        pair = Pair(item=one.item, version=one.version, to=one.to, before=before, after=now, decision=one.decision)
        (gained if now == "permit" else lost).append(pair)
    return Impact(
        gained=tuple(gained),
        lost=tuple(lost),
        unchanged=len(set(old) | set(new)) - len(gained) - len(lost),
        assumed=tuple(words(d) for d in drafts),
    )


def _pair(row: Row) -> tuple[str, int, str, str]:
    return (row.item, row.version, row.to.recipient.party, row.to.id)


def assume(register: Register, drafts: Iterable[Act], day: int) -> Register:
    """The register as if these acts stood, each vote given and confirmed, in the order given."""
    for draft in drafts:
        register = _assume(register, draft, day)
    return register


def _assume(register: Register, draft: Act, day: int) -> Register:
    id_ = acts.act_id(acts.write(draft))
    replace = msgspec.structs.replace
    if isinstance(draft, acts.Propose):
        return _assume_proposal(register, draft, id_)
    if isinstance(draft, acts.RegisterItem):
        _owns(draft.author, draft.item)
        item = ItemState(
            id=draft.item,
            version=draft.version,
            act=id_,
            facts=draft,
            label=draft.label,
            label_act=id_,
            party=draft.author,
            index=2**53 - 1,
        )
        return replace(register, items={**register.items, draft.item: (*register.items.get(draft.item, ()), item)})
    if isinstance(draft, acts.Relabel | acts.Retire):
        _owns(draft.author, draft.item)
        known = register.item(draft.item, draft.version)
        new = (
            replace(known, label=draft.label, label_act=id_)
            if isinstance(draft, acts.Relabel)
            else replace(known, retired=id_)
        )
        versions = tuple(new if one.version == draft.version else one for one in register.items[draft.item])
        return replace(register, items={**register.items, draft.item: versions})
    if isinstance(draft, acts.Determine):
        # A judgement drafted beside a relabel is meant for the label that the relabel sets.
        on = register.item(draft.item, draft.version).label_act
        made = Determination(act=id_, party=draft.author, terms=replace(draft, on=on))
        return replace(register, determinations=(*register.determinations, made))
    if isinstance(draft, acts.Licence):
        if register.charter is None or register.charter.jurisdiction(draft.jurisdiction).adopter != draft.author:
            raise Refused(f"`{draft.author}` grants no licences of {draft.jurisdiction}")
        return replace(
            register, licences={**register.licences, id_: LicenceState(act=id_, party=draft.author, terms=draft)}
        )
    if isinstance(draft, acts.Attest):
        return replace(
            register, attestations=(*register.attestations, Attestation(act=id_, party=draft.author, terms=draft))
        )
    if isinstance(draft, acts.Roster):
        return replace(
            register, rosters={**register.rosters, draft.author: RosterState(act=id_, party=draft.author, terms=draft)}
        )
    if isinstance(draft, acts.Revoke):
        return _assume_revoked(register, draft, id_)
    if isinstance(draft, acts.Suspend):
        return _assume_suspended(register, draft, id_)
    if isinstance(draft, acts.Lift):
        kept = frozenset(one for one in register.denials if one.act != draft.suspend)
        engagements = {
            name: replace(one, suspended=tuple(s for s in one.suspended if s[1] != draft.suspend))
            for name, one in register.engagements.items()
        }
        return replace(register, denials=kept, engagements=engagements)
    if isinstance(draft, acts.Withdraw):
        return assume_withdrawn(register, draft.author, draft.on)
    raise Refused(
        f"the effect of `{acts.kind_of(draft)}` on access cannot be rehearsed",
        hint="propose, register, relabel, determine, licence, attest, suspend … can",
    )


def _owns(author: str, item: str) -> None:
    if item.partition("/")[0] != author:
        raise Refused(f"`{author}` does not speak for `{item}`")


def _assume_proposal(register: Register, draft: acts.Propose, id_: str) -> Register:
    replace = msgspec.structs.replace
    what, name = draft.what, draft.subject.partition("/")[2]
    if isinstance(what, acts.Engagement):
        fold = _Fold(register.scans, register.me, register.objects, register.partnership)
        fold.charter = register.charter
        fault = fold._engagement_faults(what) if register.charter else "no charter is in force"
        if fault:
            raise Refused(f"this proposal could never be in force: {fault}")
        made = EngagementState(id=name, proposal=id_, terms=what, term=what.term, by=(id_,))
        slots = {
            key: one
            for key, one in register.slots.items()
            if key != id_ and not (one.state == "open" and one.subject == draft.subject)
        }
        return replace(register, engagements={**register.engagements, name: made}, slots=slots)
    if isinstance(what, acts.Renewal | acts.Ending):
        known = next((one for one in register.engagements.values() if one.id == name), None)
        if known is None:
            raise NotFound(f"no engagement `{name}` is in force")
        new = replace(known, term=what.term) if isinstance(what, acts.Renewal) else replace(known, ended=what.on)
        return replace(register, engagements={**register.engagements, name: new})
    raise Refused(
        "the effect of this proposal on access cannot be rehearsed here", hint="engagements, renewals and endings can"
    )


def _assume_revoked(register: Register, draft: acts.Revoke, id_: str) -> Register:
    replace = msgspec.structs.replace
    target = register.act(draft.act).id
    return replace(
        register,
        attestations=tuple(replace(one, revoked=id_) if one.act == target else one for one in register.attestations),
        determinations=tuple(
            replace(one, revoked=id_) if one.act == target else one for one in register.determinations
        ),
        licences={
            name: replace(one, revoked=id_) if name == target else one for name, one in register.licences.items()
        },
    )


def _assume_suspended(register: Register, draft: acts.Suspend, id_: str) -> Register:
    replace = msgspec.structs.replace
    found = [name for name, one in register.engagements.items() if one.proposal == draft.engagement]
    if not found:
        raise NotFound(f"no engagement rests on proposal `{draft.engagement[:16]}`")
    one = register.engagements[found[0]]
    denial = Denial(author=draft.author, subject=draft.engagement, kind="suspend", act=id_)
    stopped = replace(one, suspended=(*one.suspended, (draft.author, id_)))
    return replace(
        register, denials=register.denials | {denial}, engagements={**register.engagements, found[0]: stopped}
    )


def assume_withdrawn(register: Register, party: str, on: str) -> Register:
    """A party gone from a day on: its ledger stays, its standing ends, and what only it assured or granted ends with it."""
    replace = msgspec.structs.replace
    known = register.party(party)
    return replace(
        register,
        parties={**register.parties, party: replace(known, withdraws=on)},
        attestations=tuple(
            replace(one, revoked="withdrawal") if one.party == party else one for one in register.attestations
        ),
        licences={
            name: replace(one, revoked="withdrawal") if one.party == party else one
            for name, one in register.licences.items()
        },
    )


class Withdrawal(Struct, frozen=True, kw_only=True):
    """A rehearsal: what stops, what goes on, what must come back, and what survives by which clause."""

    party: str
    on: str
    effective: str
    lost: tuple[Pair, ...]
    kept: int  # permits that go on
    engagements: tuple[str, ...]  # that need the party's consent no more, or end
    attestations: tuple[str, ...]
    licences: tuple[str, ...]
    items: tuple[str, ...]  # of its own, that stop being given out
    returns: tuple[tuple[str, str, str], ...]  # (release, item, holder)
    duties: tuple[tuple[str, str], ...]  # (clause, words)


def rehearse_withdrawal(register: Register, party: str, on: str, day: int) -> Withdrawal:
    """Raises: NotFound for a party that is none of the partnership's."""
    if register.charter is None or party not in register.charter.members:
        raise NotFound(f"`{party}` is not a member", hint="`relto party list` shows the members")
    effective = register.charter.withdrawal.effective(on)
    after = assume_withdrawn(register, party, effective)
    instant = max(day, int(dt.datetime.fromisoformat(effective).replace(tzinfo=dt.UTC).timestamp() * 1000))
    people = rosters(register)
    # Freshness is judged at the day asked: nobody knows how old a sight will be then.
    before_rows = {_pair(row): row for row in pairs(_fresh_at(register, instant), newest(register), people, instant)}
    after_rows = {_pair(row): row for row in pairs(_fresh_at(after, instant), newest(after), people, instant)}
    lost = tuple(
        Pair(item=row.item, version=row.version, to=row.to, before=row.answer, after=after_rows[key].answer, decision=after_rows[key].decision)
        for key, row in sorted(before_rows.items()) if row.answer == "permit" and after_rows[key].answer != "permit"
    )  # fmt: skip
    returns = tuple(
        (one.act, one.terms.item, one.terms.to.party)
        for one in register.releases.values()
        if (one.party == party) != (one.terms.to.party == party)
    )
    return Withdrawal(
        party=party,
        on=on,
        effective=effective,
        lost=lost,
        kept=sum(row.answer == "permit" for row in after_rows.values()),
        engagements=tuple(
            name for name, one in register.engagements.items() if any(m.party == party for m in one.terms.members)
        ),
        attestations=tuple(one.act for one in register.attestations if one.party == party and not one.revoked),
        licences=tuple(one.act for one in register.licences.values() if one.party == party and not one.revoked),
        items=tuple(one.id for one in newest(register) if one.party == party),
        returns=returns,
        duties=tuple((duty.clause, duty.says) for duty in register.charter.withdrawal.duties),
    )


def _fresh_at(register: Register, day: int) -> Register:
    replace = msgspec.structs.replace
    return replace(register, parties={name: replace(one, seen=day) for name, one in register.parties.items()})


def words(draft: Act) -> str:
    """An act in one line."""
    if isinstance(draft, acts.Propose) and isinstance(draft.what, acts.Engagement):
        return f"{draft.what.party} takes part in {draft.what.project} ({', '.join(draft.what.areas)}) up to {', '.join(map(str, draft.what.ceiling))}"
    if isinstance(draft, acts.Relabel | acts.RegisterItem):
        rel = "the owners" if draft.label.rel is UNSET else ", ".join(draft.label.rel) or "nobody"
        return f"{draft.item}@{draft.version} is releasable to {rel}"
    if isinstance(draft, acts.Licence):
        return f"licence {draft.licence} for {', '.join(draft.recipients)}"
    return acts.kind_of(draft)
