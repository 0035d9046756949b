"""What would change before anybody signs: acts assumed to be in force, decided before and after.

`assume` answers "if these acts stood and every vote on them were confirmed". It invents no rights of its own: a draft
that could never count is refused (a proposal that the charter makes void, a word about what is another's, a term that
is over), and so is one whose effect on access is not rehearsed here.

Source: spec/decision.md, "Impact".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.acts import Act, EngagementState, LicenceState, Register
from relto.acts.effects import load_pack
from relto.acts.envelope import Envelope
from relto.acts.register import AdoptedPack, Attestation, Denial, Determination, ItemState, Proposal, RosterState
from relto.acts.scan import Stated
from relto.charter import Charter, load, read
from relto.errors import NotFound, Refused
from relto.law import Pack
from relto.release.question import date_of
from relto.release.search import Declared, newest, rosters

if TYPE_CHECKING:
    from relto.release.compare import Compared, Flip

replace = msgspec.structs.replace
PAIRS_MAX: Final = 10_000  # pairs that are listed without being asked for


class Pair(Struct, frozen=True, kw_only=True):
    """One item class against one recipient class, before and after."""

    item: str
    version: int
    to: Declared
    before: str
    after: str


class Rectangle(Struct, frozen=True, kw_only=True):
    """Some items, and classes of people who gain or lose every one of them. `of`: what the items are, by project and
    label, with how many of each.
    """

    gained: bool
    items: int
    of: tuple[tuple[str, str, int], ...]
    to: tuple[Declared, ...]
    before: str
    after: str

    @property
    def pairs(self) -> int:
        return self.items * len(self.to)


class Impact(Struct, frozen=True, kw_only=True):
    """Exact over this register's items and declared rosters.

    rectangles say all of it; `gained` and `lost` are their pairs, and where `complete` is false there are too many
    pairs to list without being asked (`pairs=True`).
    """

    gained: tuple[Pair, ...]
    lost: tuple[Pair, ...]
    unchanged: int
    assumed: tuple[str, ...]  # in words
    rectangles: tuple[Rectangle, ...] = ()
    count: int = 0  # of pairs gained and lost
    complete: bool = True


def impact(register: Register, drafts: Sequence[Act], day: int, purpose: str = "", *, pairs: bool = False) -> Impact:
    """What drafted acts would change.

    Raises: Refused for a draft that could never count; NotFound for one that names nothing.
    """
    after = assume(register, drafts, day)
    return difference((register, day), (after, day), purpose, tuple(words(d) for d in drafts), pairs=pairs)


def difference(
    before: tuple[Register, int],
    after: tuple[Register, int],
    purpose: str = "",
    assumed: tuple[str, ...] = (),
    *,
    pairs: bool = False,
) -> Impact:
    """What one register on one day permits and another does not, and the other way round."""
    from relto.release.catalogue import item_of
    from relto.release.compare import Compared
    from relto.release.kernel import Asking, Kernel, kernel_of

    asking = Asking(purpose=purpose)
    old = kernel_of(*before, asking)
    same = before[1] == after[1]
    new = old.after(after[0]) if same else Kernel(*after, asking)
    people = rosters(before[0])
    found = Compared(old, new, people, people if after[0].rosters is before[0].rosters else rosters(after[0]))
    count = found.count(gained=True) + found.count(gained=False)
    complete = pairs or count <= PAIRS_MAX
    listed: dict[bool, list[Pair]] = {True: [], False: []}
    for flip in found.flips if complete else ():
        names = [item_of(name) for name in found.names(flip)]
        listed[flip.gained] += [
            Pair(item=item, version=version, to=found.people[n], before=flip.before, after=flip.after)
            for item, version in names
            for n in flip.people
        ]
    return Impact(
        gained=tuple(sorted(listed[True], key=_order)),
        lost=tuple(sorted(listed[False], key=_order)),
        unchanged=found.pairs - count,
        assumed=assumed,
        rectangles=tuple(_rectangle(found, flip) for flip in found.flips),
        count=count,
        complete=complete,
    )


def _order(pair: Pair) -> tuple[str, int, str, str]:
    return (pair.item, pair.version, pair.to.recipient.party, pair.to.id)


def _rectangle(found: Compared, flip: Flip) -> Rectangle:
    counted: dict[tuple[str, str], int] = {}
    for at in flip.cohorts:
        which, kernel = (found.now, found.new) if found.now[at] >= 0 else (found.was, found.old)
        item = kernel.classes.items[int(which[at])]
        key = (item.facts.project, str(item.label))
        counted[key] = counted.get(key, 0) + int(found.sizes[at])
    return Rectangle(
        gained=flip.gained,
        items=flip.items,
        of=tuple((project, label, n) for (project, label), n in sorted(counted.items())),
        to=tuple(found.people[n] for n in flip.people),
        before=flip.before,
        after=flip.after,
    )


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
    if isinstance(what, acts.CharterText):
        data = register.objects.get(what.charter)
        if data is None:
            raise NotFound(f"no charter with digest `{what.charter[:16]}` is held here")
        return with_charter(register, load(read(data, "charter")))
    if isinstance(what, acts.ProjectTerms):
        return _begun(register, draft, id_)
    raise Refused(
        "the effect of this proposal on access cannot be rehearsed here",
        hint="charters, projects, engagements, renewals and endings can",
    )


def _begun(register: Register, draft: acts.Propose, id_: str) -> Register:
    """A project begun or changed by act, as rules read it: from its slot."""
    nothing = Envelope(payload=b"", payloadType="", signatures=())
    stated = Stated(draft, id_, draft.log, 2**53 - 1, draft.at, nothing)
    made = Proposal(id=id_, subject=draft.subject, n=draft.n, stated=stated, state="in_force")
    return replace(register, slots={**register.slots, id_: made})


def with_charter(register: Register, text: Charter) -> Register:
    """The register under another text. What was engaged, licensed and attested under the one before stays."""
    return replace(register, charter=text)


def with_law(register: Register, pack: Pack) -> Register:
    """The register as if the state whose law it is had adopted this text, after all it has adopted.

    Raises: NotFound for a law that the charter does not know.
    """
    adopter = _charter(register).jurisdiction(pack.jurisdiction).adopter
    digest = pack.digest.hex()
    made = AdoptedPack(act=digest, party=adopter, digest=digest, pack=pack)
    packs = (*register.packs.get(pack.jurisdiction, ()), made)
    return replace(register, packs={**register.packs, pack.jurisdiction: packs})


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


def _catalogue(register: Register, draft: acts.Catalogue, id_: str) -> Register:
    _speaks_for(draft.author, draft.organisation)
    text = register.objects.get(draft.table)
    if text is None:
        raise Refused("its table is not held here", hint="rehearse it at the node that drafted it")
    items = dict(register.items)
    for one in acts.registered(draft, id_, 2**53 - 1, text):
        held = items.get(one.id, ())
        if any(before.version == one.version for before in held):
            raise Refused(f"`{one.id}@{one.version}` is registered already", hint="register the next version")
        items[one.id] = tuple(sorted((*held, one), key=lambda item: item.version))
    return replace(register, items=items)


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
    acts.Catalogue: _catalogue,
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
    people: int  # that lose something, by declared head counts
    kept: int  # permits that go on
    lapses: int  # of the lost ones: would have ended by themselves before the notice is over
    engagements: tuple[str, ...]  # that need the party's consent no more, or end
    attestations: tuple[str, ...]
    licences: tuple[str, ...]
    items: tuple[str, ...]  # of its own, that stop being given out
    keys: tuple[str, ...]  # packages, by digest, of which its node has given keys and will give no more
    returns: tuple[tuple[str, str, str], ...]  # (release, item, holder)
    duties: tuple[tuple[str, str], ...]  # (clause, words)


def rehearse_withdrawal(register: Register, party: str, on: str, day: int) -> Withdrawal:
    """Against what holds today: what ends by itself before the notice is over is counted apart, and nobody knows how
    old a sight will be then.

    Raises: NotFound for a party that is none of the partnership's.
    """
    from relto.release.kernel import kernel_of

    if register.charter is None or party not in register.charter.members:
        raise NotFound(f"`{party}` is not a member", hint="`relto party list` shows the members")
    effective = register.charter.withdrawal.effective(
        max(on, date_of(day))
    )  # no notice is given for a day that is past
    after = assume_withdrawn(register, party, date_of(day))  # as if its notice were over: what it keeps goes on
    people = rosters(register)
    now, then = _fresh_at(register, day), _fresh_at(after, day)
    lost = difference((now, day), (then, day), pairs=True).lost
    before_kernel, after_kernel = (kernel_of(one, day) for one in (now, then))
    ends = [before_kernel.explain(one.item, one.version, one.to.recipient).valid_until for one in lost]
    return Withdrawal(
        party=party,
        on=on,
        effective=effective,
        lost=lost,
        people=sum({one.to.id: one.to.heads for one in lost}.values()),
        kept=sum(len(after_kernel.items(one.recipient)) for one in people),
        lapses=sum(isinstance(end, str) and end < effective for end in ends),
        engagements=tuple(
            name for name, one in register.engagements.items() if any(m.party == party for m in one.terms.members)
        ),
        attestations=tuple(one.act for one in register.attestations if one.party == party and not one.revoked),
        licences=tuple(one.act for one in register.licences.values() if one.party == party and not one.revoked),
        items=tuple(one.id for one in newest(register) if one.party == party),
        keys=tuple(
            sorted(
                {
                    one.terms.package
                    for one in register.releases.values()
                    if one.party == party and isinstance(one.terms.package, str)
                }
            )
        ),
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
    if isinstance(draft, acts.Catalogue):
        return f"{draft.rows} items of {draft.project} are registered"
    if isinstance(draft, acts.Licence):
        return f"licence {draft.licence} for {', '.join(draft.recipients)}"
    return acts.kind_of(draft)
