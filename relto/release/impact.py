"""What would change before anybody signs: acts assumed to be in force, decided before and after.

`assume` answers "if these acts stood and every vote on them were confirmed". It invents no rights of its own: a draft
that could never count is refused (a proposal that the charter makes void, a word about what is another's, a term that
is over), and so is one whose effect on access is not rehearsed here.

Source: spec/decision.md, "Impact".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.acts import Act, EngagementState, LicenceState, Register
from relto.acts.effects import load_pack
from relto.acts.register import AdoptedPack, Attestation, Denial, Determination, ItemState, Proposal, RosterState
from relto.charter import Charter
from relto.errors import NotFound, Refused
from relto.release.question import date_of
from relto.release.search import Declared, Row, live, newest, pairs, rosters

replace = msgspec.structs.replace
LONG_AGO: Final = "1900-01-01"


class Pair(Struct, frozen=True, kw_only=True):
    """One item class against one recipient class, before and after."""

    item: str
    version: int
    to: Declared
    before: str
    after: str


class Impact(Struct, frozen=True, kw_only=True):
    """Exact pairs over this register's items and declared rosters."""

    gained: tuple[Pair, ...]
    lost: tuple[Pair, ...]
    unchanged: int
    assumed: tuple[str, ...]  # in words


def impact(register: Register, drafts: Sequence[Act], day: int, purpose: str = "") -> Impact:
    """Raises: Refused for a draft that could never count; NotFound for one that names nothing."""
    after = assume(register, drafts, day)
    old = {_pair(row): row for row in pairs(register, live(register), rosters(register), day, purpose)}
    new = {_pair(row): row for row in pairs(after, live(after), rosters(after), day, purpose)}
    gained: list[Pair] = []
    lost: list[Pair] = []
    for key in sorted(set(old) | set(new)):
        one = new.get(key) or old[key]
        before = old[key].answer if key in old else "absent"
        now = new[key].answer if key in new else "absent"
        if (before == "permit") != (now == "permit"):
            pair = Pair(item=one.item, version=one.version, to=one.to, before=before, after=now)
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
    """The register as if these acts stood, each vote given and confirmed, in the order given.

    day: today, in ms.

    Raises: Refused, NotFound.
    """
    for draft in drafts:
        if type(draft) not in _EFFECTS:
            raise Refused(
                f"the effect of `{acts.kind_of(draft)}` on access cannot be rehearsed",
                hint="propose, consent, register, relabel, determine, licence, attest, suspend … can",
            )
        _not_over(draft, date_of(day))
        register = _EFFECTS[type(draft)](register, draft, acts.act_id(acts.write(draft)))
    return register


def _not_over(draft: Act, today: str) -> None:
    """A term that is over by today gives nothing from now on."""
    holder = draft.what if isinstance(draft, acts.Propose) else draft
    term = getattr(holder, "term", None)
    if isinstance(term, acts.Term) and not isinstance(term.until, UnsetType) and term.until <= today:
        raise Refused(f"its term ended on {term.last}, so it would change nothing")


def _charter(register: Register) -> Charter:
    if register.charter is None:
        raise Refused("no charter is in force")
    return register.charter


def _speaks_for(author: str, name: str) -> None:
    if name.partition("/")[0] != author:
        raise Refused(f"`{author}` does not speak for `{name}`")


# ---- proposals and votes --------------------------------------------------------------------------------------------


def _proposal(register: Register, draft: acts.Propose, id_: str) -> Register:
    what, name = draft.what, draft.subject.partition("/")[2]
    if isinstance(what, acts.Engagement):
        return _engagement(register, what, name, id_, draft.subject)
    if isinstance(what, acts.Renewal | acts.Ending):
        known = register.engagements.get(name)
        if known is None:
            raise NotFound(f"no engagement `{name}` is in force")
        new = replace(known, by=(*known.by, id_))
        new = replace(new, term=what.term) if isinstance(what, acts.Renewal) else replace(new, ended=what.on)
        return replace(register, engagements={**register.engagements, name: new})
    raise Refused(
        "the effect of this proposal on access cannot be rehearsed here", hint="engagements, renewals and endings can"
    )


def _engagement(register: Register, what: acts.Engagement, name: str, id_: str, subject: str) -> Register:
    fault = acts.could_engage(register, what)
    if fault:
        raise Refused(f"this proposal could never be in force: {fault}")
    made = EngagementState(id=name, proposal=id_, terms=what, term=what.term, by=(id_,))
    slots = {
        key: one
        for key, one in register.slots.items()
        if key != id_ and not (one.state == "open" and one.subject == subject)
    }
    return replace(register, engagements={**register.engagements, name: made}, slots=slots)


def _open_slot(register: Register, proposal: str) -> Proposal:
    slot = register.slots.get(proposal)
    if slot is None or slot.state != "open":
        raise NotFound(f"no proposal `{proposal[:16]}` is open")
    return slot


def _consent(register: Register, draft: acts.Consent, _id: str) -> Register:
    """One vote more. With the last of them the proposal is in force, for confirmation is assumed."""
    slot = _open_slot(register, draft.proposal)
    if draft.author not in slot.missing:
        raise Refused(f"`{draft.author}` has no vote left on this proposal")
    missing = tuple(party for party in slot.missing if party != draft.author)
    if missing:
        return replace(register, slots={**register.slots, slot.id: replace(slot, missing=missing)})
    assert isinstance(slot.stated.act, acts.Propose)
    return _proposal(register, slot.stated.act, slot.id)


def _refuse(register: Register, draft: acts.Refuse, _id: str) -> Register:
    slot = _open_slot(register, draft.proposal)
    if draft.author not in slot.missing:
        raise Refused(f"`{draft.author}` has no vote left on this proposal")
    return replace(register, slots={**register.slots, slot.id: replace(slot, state="dead")})


# ---- items ----------------------------------------------------------------------------------------------------------


def _register(register: Register, draft: acts.RegisterItem, id_: str) -> Register:
    _speaks_for(draft.author, draft.item)
    _speaks_for(draft.author, draft.organisation)
    held = register.items.get(draft.item, ())
    if any(one.version == draft.version for one in held):
        raise Refused(f"`{draft.item}@{draft.version}` is registered already", hint="register the next version")
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
    versions = tuple(sorted((*held, item), key=lambda one: one.version))
    return replace(register, items={**register.items, draft.item: versions})


def _relabel(register: Register, draft: acts.Relabel, id_: str) -> Register:
    return _on_item(register, draft, label=draft.label, label_act=id_)


def _retire(register: Register, draft: acts.Retire, id_: str) -> Register:
    return _on_item(register, draft, retired=id_)


def _on_item(register: Register, draft: acts.Relabel | acts.Retire, **fields: Any) -> Register:
    _speaks_for(draft.author, draft.item)
    known = register.item(draft.item, draft.version)
    if known.retired:
        raise Refused(f"`{draft.item}@{draft.version}` is retired")
    if draft.prev != known.label_act:
        raise Refused(f"this does not follow the newest label of `{draft.item}@{draft.version}`", hint="draft it again")
    versions = tuple(replace(one, **fields) if one is known else one for one in register.items[draft.item])
    return replace(register, items={**register.items, draft.item: versions})


# ---- what parties state alone ---------------------------------------------------------------------------------------


def _determine(register: Register, draft: acts.Determine, id_: str) -> Register:
    # A judgement drafted beside a relabel is meant for the label that the relabel sets.
    on = register.item(draft.item, draft.version).label_act
    made = Determination(act=id_, party=draft.author, terms=replace(draft, on=on))
    return replace(register, determinations=(*register.determinations, made))


def _licence(register: Register, draft: acts.Licence, id_: str) -> Register:
    if _charter(register).jurisdiction(draft.jurisdiction).adopter != draft.author:
        raise Refused(f"`{draft.author}` grants no licences of {draft.jurisdiction}")
    held = {
        name: replace(one, revoked=one.revoked or id_) if name == draft.amends else one
        for name, one in register.licences.items()
    }
    return replace(register, licences={**held, id_: LicenceState(act=id_, party=draft.author, terms=draft)})


def _attest(register: Register, draft: acts.Attest, id_: str) -> Register:
    _speaks_for(draft.author, draft.about)
    made = Attestation(act=id_, party=draft.author, terms=draft)
    return replace(register, attestations=(*register.attestations, made))


def _adopt(register: Register, draft: acts.Adopt, id_: str) -> Register:
    if _charter(register).jurisdiction(draft.jurisdiction).adopter != draft.author:
        raise Refused(f"`{draft.author}` may not adopt the law of {draft.jurisdiction}")
    data = register.objects.get(draft.pack)
    pack = load_pack(data) if data is not None else None
    if pack is None or pack.jurisdiction != draft.jurisdiction:
        raise NotFound(f"no text of the law of {draft.jurisdiction} with digest `{draft.pack[:16]}` is held here")
    made = AdoptedPack(act=id_, party=draft.author, digest=draft.pack, pack=pack)
    packs = (*register.packs.get(draft.jurisdiction, ()), made)
    return replace(register, packs={**register.packs, draft.jurisdiction: packs})


def _roster(register: Register, draft: acts.Roster, id_: str) -> Register:
    made = RosterState(act=id_, party=draft.author, terms=draft)
    return replace(register, rosters={**register.rosters, draft.author: made})


def _revoke(register: Register, draft: acts.Revoke, id_: str) -> Register:
    """Only its author revokes, and only what is his."""
    granted = {one.act: one.party for one in register.attestations}
    granted |= {one.act: one.party for one in register.determinations}
    granted |= {one.act: one.party for one in register.licences.values()}
    target = draft.act if draft.act in granted else register.act(draft.act).id
    if granted.get(target) != draft.author:
        raise Refused(f"`{draft.author}` has granted nothing by act `{target[:16]}`")
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


def _suspend(register: Register, draft: acts.Suspend, id_: str) -> Register:
    one = next((one for one in register.engagements.values() if one.proposal == draft.engagement), None)
    if one is None:
        raise NotFound(f"no engagement rests on proposal `{draft.engagement[:16]}`")
    slot = register.slots.get(draft.engagement)
    if slot is not None and slot.voters and draft.author not in slot.voters:
        raise Refused(f"`{draft.author}` was not asked for its consent to {one.id}, and cannot suspend it")
    denial = Denial(author=draft.author, subject=draft.engagement, kind="suspend", act=id_)
    stopped = replace(one, suspended=tuple(sorted((*one.suspended, (draft.author, id_)))))
    return replace(register, denials=register.denials | {denial}, engagements={**register.engagements, one.id: stopped})


def _lift(register: Register, draft: acts.Lift, _id: str) -> Register:
    """Only who suspended lifts; the orders to return that the suspension opened go with it."""
    held = {act: author for one in register.engagements.values() for author, act in one.suspended}
    if held.get(draft.suspend) != draft.author:
        raise Refused(f"`{draft.author}` has suspended nothing by act `{draft.suspend[:16]}`")
    engagements = {
        name: replace(one, suspended=tuple(s for s in one.suspended if s[1] != draft.suspend))
        for name, one in register.engagements.items()
    }
    return replace(
        register,
        denials=frozenset(one for one in register.denials if one.act != draft.suspend),
        engagements=engagements,
        recalls={name: one for name, one in register.recalls.items() if one.because != draft.suspend},
    )


def _withdraw(register: Register, draft: acts.Withdraw, _id: str) -> Register:
    """Notice cannot be given for a day that is past."""
    declared = max(draft.on, date_of(draft.at))
    return assume_withdrawn(register, draft.author, _charter(register).withdrawal.effective(declared))


_EFFECTS: Final[Mapping[type[Act], Callable[[Register, Any, str], Register]]] = {
    acts.Propose: _proposal,
    acts.Consent: _consent,
    acts.Refuse: _refuse,
    acts.RegisterItem: _register,
    acts.Relabel: _relabel,
    acts.Retire: _retire,
    acts.Determine: _determine,
    acts.Licence: _licence,
    acts.Attest: _attest,
    acts.Adopt: _adopt,
    acts.Roster: _roster,
    acts.Revoke: _revoke,
    acts.Suspend: _suspend,
    acts.Lift: _lift,
    acts.Withdraw: _withdraw,
}


# ---- leaving --------------------------------------------------------------------------------------------------------


def assume_withdrawn(register: Register, party: str, effective: str) -> Register:
    """A party that is out from a day on. What ends with that is for the rules to say."""
    known = register.party(party)
    return replace(register, parties={**register.parties, party: replace(known, withdraws=effective)})


class Withdrawal(Struct, frozen=True, kw_only=True):
    """A rehearsal: what stops, what goes on, what must come back, and what survives by which clause."""

    party: str
    on: str
    effective: str
    lost: tuple[Pair, ...]
    kept: int  # permits that go on
    lapses: int  # of the lost ones: would have ended by themselves before the notice is over
    engagements: tuple[str, ...]  # that need the party's consent no more, or end
    attestations: tuple[str, ...]
    licences: tuple[str, ...]
    items: tuple[str, ...]  # of its own, that stop being given out
    returns: tuple[tuple[str, str, str], ...]  # (release, item, holder)
    duties: tuple[tuple[str, str], ...]  # (clause, words)


def rehearse_withdrawal(register: Register, party: str, on: str, day: int) -> Withdrawal:
    """Against what holds today: what ends by itself before the notice is over is counted apart, and nobody knows how
    old a sight will be then.

    Raises: NotFound for a party that is none of the partnership's.
    """
    if register.charter is None or party not in register.charter.members:
        raise NotFound(f"`{party}` is not a member", hint="`relto party list` shows the members")
    effective = register.charter.withdrawal.effective(on)
    after = assume_withdrawn(register, party, LONG_AGO)
    people = rosters(register)
    before_rows = {_pair(row): row for row in pairs(_fresh_at(register, day), live(register), people, day)}
    after_rows = {_pair(row): row for row in pairs(_fresh_at(after, day), live(after), people, day)}
    stopped = [
        row for key, row in sorted(before_rows.items()) if row.answer == "permit" and after_rows[key].answer != "permit"
    ]
    lost = tuple(
        Pair(item=row.item, version=row.version, to=row.to, before=row.answer, after=after_rows[_pair(row)].answer)
        for row in stopped
    )
    return Withdrawal(
        party=party,
        on=on,
        effective=effective,
        lost=lost,
        kept=sum(row.answer == "permit" for row in after_rows.values()),
        lapses=sum(bool(row.until) and row.until < effective for row in stopped),
        engagements=tuple(
            name for name, one in register.engagements.items() if any(m.party == party for m in one.terms.members)
        ),
        attestations=tuple(one.act for one in register.attestations if one.party == party and not one.revoked),
        licences=tuple(one.act for one in register.licences.values() if one.party == party and not one.revoked),
        items=tuple(one.id for one in newest(register) if one.party == party),
        returns=tuple(
            (one.act, one.terms.item, one.terms.to.party)
            for one in register.releases.values()
            if (one.party == party) != (one.terms.to.party == party)
        ),
        duties=tuple((duty.clause, duty.says) for duty in register.charter.withdrawal.duties),
    )


def _fresh_at(register: Register, day: int) -> Register:
    return replace(register, parties={name: replace(one, seen=day) for name, one in register.parties.items()})


def words(draft: Act) -> str:
    """An act in one line."""
    if isinstance(draft, acts.Propose) and isinstance(draft.what, acts.Engagement):
        what, top = draft.what, ", ".join(map(str, draft.what.ceiling))
        return f"{what.party} takes part in {what.project} ({', '.join(what.areas)}) up to {top}"
    if isinstance(draft, acts.Relabel | acts.RegisterItem):
        rel = "the owners" if draft.label.rel is UNSET else ", ".join(draft.label.rel) or "nobody"
        return f"{draft.item}@{draft.version} is releasable to {rel}"
    if isinstance(draft, acts.Licence):
        return f"licence {draft.licence} for {', '.join(draft.recipients)}"
    return acts.kind_of(draft)
