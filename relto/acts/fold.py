"""The fold: ledgers in, register out. Pure, total, deterministic; no clock, no locale, no order of arrival.

1. each ledger is scanned alone (`scan.py`);
2. confirmation: how far the members' ledgers acknowledge each ledger, on this reader's own branch;
3. slots in chain order: the charter first, then what stands under it (`votes`);
4. what parties state alone: rights from their own acts, denials united (`effects.py`).

Steps 1 and 4 commute, so `extend` and `fold` agree. *Deny on sight, permit on confirmation.*

Source: spec/register.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from relto.acts import act as a
from relto.acts.effects import Effects
from relto.acts.register import PartyState, Register
from relto.acts.scan import Entry, Scan
from relto.acts.votes.ballot import Ballot, engagement_fault
from relto.acts.votes.doubt import Freeze
from relto.acts.votes.epochs import Link, claims, fault
from relto.acts.votes.slots import Slots

_NOTHING: Mapping[str, bytes] = {}


def fold(
    logs: Mapping[str, Sequence[Entry]], me: str, objects: Mapping[str, bytes] = _NOTHING, pin: str = ""
) -> Register:
    """Registers what `me` may know of these ledger prefixes.

    objects: texts by hex digest (charters, party lists, packs). pin: the founding id, for a reader that is no founder.
    """
    scans = {}
    for origin in sorted(one for one in logs if logs[one]):
        scans[origin] = Scan(origin)
        for one in logs[origin]:
            scans[origin].push(one)
    return _derive(scans, me, objects, pin)


def extend(register: Register, entries: Iterable[Entry], objects: Mapping[str, bytes] | None = None) -> Register:
    """The register after more entries at the ends of ledgers; equal to a fold of everything.

    Raises: ValueError for an entry before the end of its ledger (an opening that came late): fold that ledger anew.
    """
    scans = dict(register.scans)
    texts = register.objects if objects is None else objects
    fresh: set[str] = set()
    for one in entries:
        if one.origin not in fresh:
            scans[one.origin] = scans[one.origin].copy() if one.origin in scans else Scan(one.origin)
            fresh.add(one.origin)
        scans[one.origin].push(one)
    return _follow(register, scans, texts) or _derive(scans, register.me, texts, register.pin)


def could_engage(register: Register, what: a.Engagement) -> str:
    """Why these terms could never be agreed under the charter in force, or an empty text."""
    if register.charter is None:
        return "no charter is in force"
    homes = [one for one in register.charter.projects if one.id == what.project]
    begun = register.projects.get(what.project)
    homes += [begun] if begun is not None and begun not in homes else []
    return engagement_fault(register.charter, register.directory, what, homes)


def _derive(scans: Mapping[str, Scan], me: str, objects: Mapping[str, bytes], pin: str) -> Register:
    return _register(Effects(_decided(scans, me, objects, pin)))


def _decided(scans: Mapping[str, Scan], me: str, objects: Mapping[str, bytes], pin: str) -> Slots:
    """Joint decisions, by ledgers of which some go on after others: each that is accepted may let another be accepted."""
    slots = Slots(scans, me, objects, pin).ran()
    open_ = [link for link in claims(scans) if not fault(link, scans)]
    while more := next((link for link in open_ if _may_follow(link, slots) and slots.accepts(link)), None):
        slots = Slots(scans, me, objects, pin, (*slots.links, more)).ran()
    return slots


def _may_follow(link: Link, slots: Slots) -> bool:
    """Whether a ledger could go on after the last one that speaks for its party."""
    first = slots.scans[link.former].inception
    speaks = not isinstance(first, a.Epoch) or any(one.later == link.former for one in slots.links)
    return speaks and all(one.former != link.former for one in slots.links)


def _follow(register: Register, scans: Mapping[str, Scan], objects: Mapping[str, bytes]) -> Register | None:
    """The register after entries that only add. None when all must be derived anew."""
    before = register.kept
    if not isinstance(before, Effects) or scans.keys() != register.scans.keys():
        return None
    if len(claims(scans)) > len(before.slots.links):
        return None  # a ledger that waits may be accepted by what came
    if before.missing - {one for one in before.missing if one not in objects}:
        return None  # a text that was missing is here
    fresh = {
        origin: scan.stated[len(register.scans[origin].stated) :]
        for origin, scan in scans.items()
        if scan is not register.scans[origin]
    }
    slots = before.slots.follow(scans, fresh, objects)
    after = before.follow(slots, [one for more in fresh.values() for one in more])
    return _register(after) if after is not None else _register(Effects(slots))


def _register(effects: Effects) -> Register:
    slots, version = effects.slots, effects.version
    return Register(
        me=slots.me,
        sight={o: (s.size, (s.root_at(s.size) or b"").hex()) for o, s in sorted(slots.scans.items())},
        pin=slots.pin,
        partnership=slots.partnership,
        charter=effects.charter,
        charter_id=version.id if version else "",
        directory=version.directory if version else None,
        packs=effects.packs,
        parties=_parties(effects),
        slots=dict(sorted(slots.proposals.items())),
        projects=effects.projects,
        engagements=effects.engagements,
        items=effects.items,
        licences=effects.licences,
        attestations=effects.attestations.values(),
        determinations=effects.determinations.values(),
        rosters=effects.rosters,
        releases=effects.releases,
        recalls=effects.recalls,
        denials=effects.denials,
        evidence=effects.evidence.values(),
        owed=effects.owed(),
        owed_before=effects.owed_before(),
        void=effects.void(),
        alarms=tuple(effects.alarms),
        freezes=effects.freezes,
        halted=effects.halted,
        acks=effects.acks,
        stated=effects.stated,
        missing=frozenset(effects.missing),
        scans=slots.scans,
        objects=slots.objects,
        coming=tuple((one.id, one.since) for one in slots.decided[len(slots.versions) :]),
        kept=effects,
    )


def _parties(effects: Effects) -> dict[str, PartyState]:
    charter, version = effects.charter, effects.version
    leaving, introduced = effects.leaving, effects.introduced
    mine = effects.acks.get(effects.me)
    seen = {head.origin: head.seen for head in mine[1].heads} if mine else {}
    named = {one.id: one for one in charter.parties} if charter else {}
    codes = {one.id: one.code for one in charter.candidates} if charter else {}
    codes |= {party: one.code for party, one in named.items()}
    addresses = {one.id: one.address for one in version.directory.parties} if version else {}
    reach = _reach(effects)
    found = {}
    for party, scan in effects.by_party.items():
        assert scan.inception is not None
        freeze = effects.freezes.get(scan.origin)
        line, before = effects.slots.place(scan.origin, 0)
        found[party] = PartyState(
            id=party,
            grade=named[party].grade if party in named else ("introduced" if party in introduced else "known"),
            name=named[party].name if party in named else scan.inception.name,
            # A party chooses its own id: letters that markings know are the charter's to give.
            code=codes.get(party, ""),
            origin=scan.origin,
            address=addresses.get(party, scan.inception.address),
            inception=scan.inception_id,
            chain=tuple(scan.chain),
            size=scan.size,
            seen=seen.get(scan.origin) if freeze is None or freeze.size is None else _sure(effects, freeze),
            confirmed=max(0, reach.get(line, 0) - before),
            frozen=freeze.words if freeze is not None else "",
            frozen_at=freeze.size if freeze is not None else None,
            withdraws=leaving.get(party, ""),
        )
    return found


def _sure(effects: Effects, freeze: Freeze) -> int | None:
    """When this reader last had a frozen ledger that was no longer than what both its histories share.

    What stood there has aged since as if its party had fallen silent: nobody can say what the other history took back.
    """
    found = None
    own = effects.by_party.get(effects.me)
    for one in own.stated if own is not None else ():
        for head in one.act.heads if isinstance(one.act, a.Acknowledge) else ():
            if head.origin == freeze.origin and head.size <= (freeze.size or 0):
                found = head.seen
    return found


def _reach(effects: Effects) -> Mapping[str, int]:
    """How far the members' ledgers acknowledge each ledger, by the charter in force."""
    version, slots = effects.version, effects.slots
    if version is None:
        return {}
    members = version.charter.members
    one = slots.stated[version.id]
    return slots.confirmed(
        Ballot(
            one=one,
            partnership=slots.partnership,
            charter=version.charter,
            confirmers=members,
            quorum=slots.quorum(members, version.charter.confirm),
            ledgers=version.ledgers,
        )
    )
