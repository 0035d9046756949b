"""The fold: ledgers in, register out. Pure, total, deterministic; no clock, no locale, no order of arrival.

1. each ledger is scanned alone (`scan.py`);
2. confirmation: how far the members' ledgers acknowledge each ledger, on this reader's own branch;
3. slots in chain order: the charter first, then what stands under it (`slots.py`);
4. what parties state alone: rights from their own acts, denials united (`effects.py`).

Steps 1 and 4 commute, so `extend` and `fold` agree. *Deny on sight, permit on confirmation.*

Source: spec/register.md.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from relto.acts import act as a
from relto.acts.effects import Effects
from relto.acts.register import AdoptedPack, PartyState, Register
from relto.acts.scan import Entry, Scan
from relto.acts.slots import Ballot, Slots, engagement_fault, hidden_from

_NOTHING: Mapping[str, bytes] = {}


def fold(
    logs: Mapping[str, Sequence[Entry]], me: str, objects: Mapping[str, bytes] = _NOTHING, pin: str = ""
) -> Register:
    """Registers what `me` may know of these ledger prefixes.

    objects: texts by hex digest (charters, party lists, packs). pin: the founding id, for a reader that is no founder.
    """
    scans = {}
    for origin in sorted(logs):
        scans[origin] = Scan(origin)
        for one in logs[origin]:
            scans[origin].push(one)
    return _derive(scans, me, objects, pin)


def extend(register: Register, entries: Iterable[Entry], objects: Mapping[str, bytes] | None = None) -> Register:
    """The register after more entries at the ends of ledgers; equal to a fold of everything.

    Raises: ValueError for an entry before the end of its ledger (an opening that came late): fold that ledger anew.
    """
    scans = dict(register.scans)
    fresh: set[str] = set()
    for one in entries:
        if one.origin not in fresh:
            scans[one.origin] = scans[one.origin].copy() if one.origin in scans else Scan(one.origin)
            fresh.add(one.origin)
        scans[one.origin].push(one)
    return _derive(scans, register.me, register.objects if objects is None else objects, register.pin)


def could_engage(register: Register, what: a.Engagement) -> str:
    """Why these terms could never be agreed under the charter in force, or an empty text."""
    if register.charter is None:
        return "no charter is in force"
    homes = [one for one in register.charter.projects if one.id == what.project]
    begun = register.projects.get(what.project)
    homes += [begun] if begun is not None and begun not in homes else []
    return engagement_fault(register.charter, register.directory, what, homes)


def _derive(scans: Mapping[str, Scan], me: str, objects: Mapping[str, bytes], pin: str) -> Register:
    slots = Slots(scans, me, objects, pin)
    slots.run()
    return _register(Effects(slots))


def _register(effects: Effects) -> Register:
    slots, version = effects.slots, effects.version
    packs = effects.packs()
    determinations = effects.determinations(packs)
    effects.check_answers()
    register = Register(
        me=slots.me,
        sight={o: (s.size, "" if s.sparse else s.roots[s.size].hex()) for o, s in sorted(slots.scans.items())},
        pin=slots.pin,
        partnership=slots.partnership,
        charter=effects.charter,
        charter_id=version.id if version else "",
        directory=version.directory if version else None,
        packs=packs,
        parties=_parties(effects),
        slots=dict(sorted(slots.proposals.items())),
        projects=effects.projects,
        engagements=effects.engagements,
        items=effects.items,
        licences=effects.licences(),
        attestations=effects.attestations(),
        determinations=determinations,
        rosters=effects.rosters(),
        releases=effects.releases,
        recalls=effects.recalls(),
        denials=effects.denials,
        evidence=effects.evidence(),
        owed=effects.owed(),
        void=(),
        alarms=(),
        acks=_newest_acks(effects),
        stated={one.id: one for scans in effects.speakers.values() for scan in scans for one in scan.stated},
        missing=frozenset(effects.missing),
        common="",
        own="",
        scans=slots.scans,
        objects=slots.objects,
    )
    first = {(one.origin, one.index): one for one in reversed(effects.void)}  # one reason is enough
    void = tuple(first[place] for place in sorted(first))
    alarms = tuple(sorted({*effects.alarms, *_unlike(effects)}))
    register = msgspec.structs.replace(register, void=void, alarms=alarms, common=_common(effects, packs))
    return msgspec.structs.replace(register, own=_own(register))


def _newest_acks(effects: Effects) -> dict[str, tuple[str, a.Acknowledge]]:
    return {
        one.act.author: (one.id, one.act) for one in effects.live["acknowledge"] if isinstance(one.act, a.Acknowledge)
    }


def _parties(effects: Effects) -> dict[str, PartyState]:
    charter, version = effects.charter, effects.version
    frozen, leaving, introduced = effects.frozen(), effects.leaving(), effects.introduced()
    mine = _newest_acks(effects).get(effects.me)
    seen = {head.origin: head.seen for head in mine[1].heads} if mine else {}
    named = {one.id: one for one in charter.parties} if charter else {}
    codes = {one.id: one.code for one in charter.candidates} if charter else {}
    codes |= {party: one.code for party, one in named.items()}
    addresses = {one.id: one.address for one in version.directory.parties} if version else {}
    reach = _reach(effects)
    found = {}
    for party, scan in effects.by_party.items():
        assert scan.inception is not None
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
            seen=seen.get(scan.origin),
            confirmed=reach.get(scan.origin, 0),
            frozen=frozen.get(scan.origin, ""),
            withdraws=leaving.get(party, ""),
        )
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
            confirmers=members,
            quorum=slots.quorum(members, version.charter.confirm),
            ledgers=version.ledgers,
        )
    )


# ---- digests --------------------------------------------------------------------------------------------------------


def _unlike(effects: Effects) -> list[str]:
    """Equal vectors with unequal common digests: the software of two members disagrees."""
    words: dict[tuple[tuple[str, int, str], ...], dict[str, str]] = defaultdict(dict)
    for one in effects.live["acknowledge"]:
        assert isinstance(one.act, a.Acknowledge)
        root = effects.slots.scans[one.origin].root_at(one.index)
        if root is None or one.act.owed or one.act.author not in effects.members:
            continue
        heads = {(head.origin, head.size, head.root) for head in one.act.heads}
        words[tuple(sorted(heads | {(one.origin, one.index, root.hex())}))][one.act.author] = one.act.common
    return [
        f"members derive different common registers from the same ledgers: {', '.join(sorted(said))}"
        for said in words.values()
        if len(set(said.values())) > 1
    ]


def _common(effects: Effects, packs: Mapping[str, tuple[AdoptedPack, ...]]) -> str:
    """Digest over what is for all members: party chains, charters, slots, acknowledgements, forks, adopted law."""
    slots, members = effects.slots, effects.members
    view = {
        "parties": {p: [span.id for span in effects.by_party[p].chain] for p in members if p in effects.by_party},
        "charter": [one.id for one in slots.versions],
        "slots": {
            id_: [one.state, sorted((v.party, v.vote, v.act) for v in one.votes if not v.void and v.confirmed)]
            for id_, one in slots.proposals.items()
        },
        "acks": sorted(
            one.id
            for one in effects.live["acknowledge"]
            if one.act.author in members and not hidden_from(one.act, members)
        ),
        "forks": sorted(one.id for one in effects.live["fork"] if not hidden_from(one.act, members)),
        "packs": {name: [one.digest for one in adopted] for name, adopted in packs.items()},
    }
    return hashlib.sha256(msgspec.json.encode(view, order="sorted")).hexdigest()


def _own(register: Register) -> str:
    """Digest over everything derived, so that two folds can be compared."""
    skipped = {"stated", "scans", "objects", "charter", "directory", "own"}
    view = {name: getattr(register, name) for name in register.__struct_fields__ if name not in skipped}
    view["denials"] = sorted((one.author, one.subject, one.kind, one.act) for one in register.denials)
    view["missing"] = sorted(register.missing)
    view["packs"] = {name: [(one.act, one.digest) for one in packs] for name, packs in register.packs.items()}
    view["parties"] = {name: _plain(one, "chain") for name, one in register.parties.items()}
    view["slots"] = {name: _plain(one, "stated") for name, one in register.slots.items()}
    view["licences"] = {
        name: (one.revoked, one.used, one.spent, sorted(one.draws)) for name, one in register.licences.items()
    }
    return hashlib.sha256(msgspec.json.encode(view, order="sorted")).hexdigest()


def _plain(one: msgspec.Struct, without: str) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__ if name != without}
