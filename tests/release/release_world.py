"""A small invented partnership as a register made of structs: no ledgers, no signatures, only what decisions read.

Three members (arda, bree, cora), one party of a lesser grade (pern), two outsiders (dun, a candidate of the charter;
elm, of whom the charter says nothing), one closed pillar and one open, two laws. `World` is filled by the test and
turned into a `Register` by `register()`.
"""

from __future__ import annotations

import functools
import hashlib
from types import SimpleNamespace
from typing import Any

import msgspec
from msgspec import UNSET

from relto import acts
from relto.acts import (
    AdoptedPack,
    Attestation,
    Clearance,
    Denial,
    Determination,
    EngagementState,
    ItemState,
    LicenceState,
    PartyState,
    Proposal,
    RecallState,
    RecipientClass,
    Register,
    ReleaseState,
    Stated,
    Term,
)
from relto.acts.envelope import Envelope, Signature
from relto.acts.register import RosterState
from relto.acts.scan import KeySpan
from relto.charter import Charter, load, read
from relto.label import Label, Level
from relto.law import Pack, load_pack
from relto.release import Question

DAY, HOUR = 86_400_000, 3_600_000
NOW = 1_790_035_200_000  # 2026-09-22T00:00:00Z
TODAY = "2026-09-22"

CHARTER = """\
charter: lamp
title: The lamp
engine: 1
confirm: 3
purpose: {clause: "1.1", says: States build a lighthouse.}
standing: {clause: "1.2"}
parties:
- {id: arda, name: Arda, code: ARD, grade: member, since: 2020-01-01, clause: "2.1"}
- {id: bree, name: Bree, code: BRE, grade: member, since: 2020-01-01, clause: "2.2"}
- {id: cora, name: Cora, code: COR, grade: member, since: 2020-01-01, clause: "2.3"}
- {id: pern, name: Pern, code: PER, grade: participant, since: 2020-01-01, clause: "2.4"}
pillars:
- {id: outer, name: Outer works, access: open_per_project, clause: "3.1"}
- {id: inner, name: Inner works, access: closed, members: [arda, bree, cora], clause: "3.2"}
areas:
- {id: lens, name: Lenses, pillar: outer, clause: "3.3"}
- {id: wick, name: Wicks, pillar: outer, clause: "3.4"}
projects:
- {id: lamp, name: The lamp, pillar: outer, areas: [lens, wick], participants: [arda, bree, cora],
   term: 2025-01-01..2027-12-31, clause: "3.5"}
- {id: oil, name: The oil, pillar: outer, areas: [wick], participants: [arda, bree, pern], clause: "3.6"}
- {id: vault, name: The vault, pillar: inner, participants: [arda, bree], term: 2025-01-01..2026-12-31, clause: "3.7"}
purposes:
- {id: study, name: Study, clause: "4.1"}
- {id: repair, name: Repair, projects: [lamp], clause: "4.2"}
decisions:
- {act: charter, rule: unanimity, voters: members, clause: "5.1"}
- {act: project, rule: unanimity, voters: members, clause: "5.2"}
- {act: engage, rule: unanimity, voters: members, party_to_be_bound: consents, clause: "5.3"}
- {act: renew, rule: unanimity, voters: members, clause: "5.4"}
- {act: end, rule: unanimity, voters: members, party_to_be_bound: is_told, clause: "5.5"}
- {act: admit, rule: unanimity, voters: members, clause: "5.6"}
- {act: expel, rule: unanimity, voters: other_members, party_to_be_bound: is_told, clause: "5.7"}
suspension: {by: those_whose_consent_was_required, clause: "5.8"}
on_suspend: {recall: true, answer_within: 14 days, clause: "5.9"}
releases: {rule: all, clause: "6.1"}
freshness:
- {ledgers: all, limit: 7 days, clause: "7.1"}
- {ledgers: all, levels: [ARD closed], limit: 24 hours, clause: "7.2"}
- {ledgers: [cora], limit: 2 days, clause: "7.3"}
jurisdictions:
- {id: BRE, adopter: bree, clause: "8.2"}
- {id: ARD, adopter: arda, clause: "8.1"}
labels:
  clause: "9.1"
  systems:
  - {id: ARD, levels: [open, guarded, closed, sealed], classified_from: closed, clause: "9.2"}
  - {id: BRE, levels: [open, black], classified_from: black, clause: "9.3"}
  - {id: DUN, levels: [public, hidden], classified_from: hidden, clause: "9.4"}
  holds:
  - {from: ARD, level: closed, in: BRE, as: black, clause: "9.5"}
  - {from: ARD, level: closed, in: DUN, as: hidden, clause: "9.6"}
  - {from: ARD, level: sealed, in: BRE, action: refuse, clause: "9.7"}
  clearances:
  - {system: ARD, name: Key, covers: closed, clause: "9.8"}
  - {system: ARD, name: Latch, covers: guarded, clause: "9.9"}
withdrawal: {notice: 1 month, clause: "12.1"}
candidates:
- {id: dun, name: Dun, code: DUN, clause: "14.1"}
"""

ARD_LAW = """\
pack: ard-law
jurisdiction: ARD
title: Law of Arda
source: Gazette
valid: 2024-01-01..2028-12-31
reaches:
  any: [{fact: item.origins, has: ARD}, {not: {fact: item.entries.ARD, none: true}}, {fact: transferor.code, is: ARD}]
attestations:
- {id: trusted, says: Trusted}
- {id: listed, says: Listed}
obligations:
- {id: record, cite: "9", says: Keep a record}
general:
- {id: listed, cite: "1", rule: The sender is listed, deny_code: NOT_LISTED, said_by: own_party,
   test: {any: [{fact: item.entries.ARD, none: true}, {attested: listed, of: transferor}]}}
authorities:
- id: ard-open
  kind: open_licence
  title: Open licence
  cite: "2"
  obligations: [record]
  conditions:
  - {id: trusted, cite: "2.1", rule: The recipient is trusted, deny_code: NOT_TRUSTED, said_by: own_party,
     test: {attested: trusted, of: recipient}}
  - {id: there, cite: "2.2", rule: At home in a member, deny_code: PLACE,
     test: {all: [{fact: place.access, in: [ARD, BRE, COR]},
       {fact: recipient.nationalities, within: [ARD, BRE, COR]}]}}
  - {id: clear, cite: "2.3", rule: Not on the list, deny_code: EXCLUDED, said_by: transferor_officer,
     test: {determined: true}}
- id: ard-licence
  kind: licence
  title: Licence
  cite: "3"
  conditions:
  - {id: held, cite: "3", rule: Held, deny_code: NO_LICENCE, test: {licensed: true}}
- id: ard-free
  kind: not_controlled
  title: Not controlled
  cite: "4"
  conditions:
  - {id: none, cite: "4.1", rule: No entry, deny_code: CONTROLLED, test: {fact: item.entries.ARD, none: true}}
  - {id: judged, cite: "4.2", rule: Judged, deny_code: NOT_JUDGED, said_by: transferor_officer,
     test: {determined: true}}
"""

BRE_LAW = """\
pack: bre-law
jurisdiction: BRE
title: Law of Bree
source: Gazette
valid: 2024-01-01..2027-06-30
reaches:
  any: [{fact: item.origins, has: BRE}, {not: {fact: item.entries.BRE, none: true}}, {fact: transferor.code, is: BRE}]
attestations:
- {id: trusted, says: Trusted}
obligations: []
authorities:
- id: bre-named
  kind: exemption
  title: Named by Bree
  cite: "1"
  conditions:
  - {id: named, cite: "1.1", rule: Bree has named the item, deny_code: NOT_NAMED, said_by: state,
     test: {determined: true}}
  - {id: worth, cite: "1.2", rule: Not worth too much, deny_code: VALUE,
     test: {any: [{not: {fact: item.flags, has: DEAR}}, {fact: transfer.value, at_most: 100 USD}]}}
- id: bre-licence
  kind: licence
  title: Licence
  cite: "2"
  conditions:
  - {id: held, cite: "2", rule: Held, deny_code: NO_LICENCE, test: {licensed: true}}
"""

CODES = {"arda": "ARD", "bree": "BRE", "cora": "COR", "pern": "PER", "dun": "DUN", "elm": "ELM"}
MEMBERS = ("arda", "bree", "cora")


@functools.cache
def charter() -> Charter:
    return load(read(CHARTER.encode(), "charter"))


@functools.cache
def law(source: str) -> Pack:
    return load_pack(read(source.encode(), "pack"))


def hexed(*words: object) -> str:
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()


def level(text: str) -> Level:
    system, _, name = text.partition(" ")
    return Level(system=system, level=name)


def label(*levels: str, rel: Any = UNSET, tags: Any = (), display: Any = ()) -> Label:
    return Label.of(map(level, levels), rel=rel, tags=tags, display=display)


def someone(party: str = "bree", *, says: str = "party", **fields: Any) -> RecipientClass:
    """A class of people of whom everything is stated; what is given as UNSET is not."""
    facts: dict[str, Any] = {
        "organisation": f"{party}/works",
        "employment": "regular",
        "nationalities": (CODES.get(party, party.upper()),),
        "clearance": UNSET,
        **fields,
    }
    return RecipientClass(party=party, says=dict.fromkeys(("employment", "nationalities", "clearance"), says), **facts)


def forced(one: Any, **fields: Any) -> Any:
    """The same with values that no act would carry: what rules must withstand although reading refuses it."""
    new = msgspec.structs.replace(one)
    for name, value in fields.items():
        msgspec.structs.force_setattr(new, name, value)
    return new


def clearance(text: str, until: Any = UNSET) -> Clearance:
    system, _, name = text.partition(" ")
    return Clearance(system=system, level=name, until=until)


class World:
    """Everything that a register holds, open to the test."""

    def __init__(self, **changes: Any) -> None:
        self.charter = charter()
        self.me = "arda"
        self.known = ["arda", "bree", "cora", "pern", "dun", "elm"]
        self.seen: dict[str, int | None] = {}
        self.frozen: dict[str, str] = {}
        self.shared: dict[str, int] = {}  # party -> up to where a frozen ledger counts
        self.halted: dict[str, str] = {}
        self.withdraws: dict[str, str] = {}
        self.packs: dict[str, list[AdoptedPack]] = {}
        self.items: dict[str, list[ItemState]] = {}
        self.attestations: list[Attestation] = []
        self.determinations: list[Determination] = []
        self.licences: list[LicenceState] = []
        self.engagements: list[EngagementState] = []
        self.slots: dict[str, Proposal] = {}
        self.releases: list[ReleaseState] = []
        self.recalls: list[RecallState] = []
        self.denials: set[Denial] = set()
        self.owed: dict[str, tuple[int, ...]] = {}
        self.rosters: dict[str, RosterState] = {}
        self.stated: dict[str, Stated] = {}
        self.objects: dict[str, bytes] = {}
        for name, value in changes.items():
            setattr(self, name, value)

    # ---- what a test says -----------------------------------------------------------------------

    def adopt(self, jurisdiction: str, source: str | None, party: str = "") -> str:
        adopter = party or {"ARD": "arda", "BRE": "bree"}[jurisdiction]
        held = self.packs.setdefault(jurisdiction, [])
        pack = law(source) if source else None
        act = hexed("adopt", jurisdiction, source, len(held))
        held.append(AdoptedPack(act=act, party=adopter, digest=pack.digest.hex() if pack else hexed(source), pack=pack))
        return act

    def laws(self) -> World:
        self.adopt("ARD", ARD_LAW)
        self.adopt("BRE", BRE_LAW)
        return self

    def item(self, name: str = "arda/lens", version: int = 1, **fields: Any) -> ItemState:
        party = name.partition("/")[0]
        retired = fields.pop("retired", "")
        facts: dict[str, Any] = {
            "organisation": f"{party}/works",
            "owners": (party,),
            "release": acts.ReleaseRule(rule="one"),
            "project": "lamp",
            "areas": ("lens",),
            "label": label("ARD guarded", rel=("ARD", "BRE", "COR")),
            "nature": "technical_data",
            "origins": (CODES.get(party, "ELM"),),
            "entries": {"ARD": (), "BRE": ()},
            "flags": (),
            **fields,
        }
        act = acts.RegisterItem(
            author=party,
            log=f"{party}.example/lamp/0",
            at=0,
            item=name,
            version=version,
            opaque=hexed(name, version)[:32],
            title="",
            **facts,
        )
        id_ = hexed("register", name, version)
        state = ItemState(
            id=name,
            version=version,
            act=id_,
            facts=act,
            label=act.label,
            label_act=id_,
            party=party,
            index=0,
            retired=retired,
        )
        versions = self.items.setdefault(name, [])
        versions[:] = sorted([one for one in versions if one.version != version] + [state], key=lambda one: one.version)
        return state

    def relabel(self, name: str, new: Label, version: int = 1) -> None:
        versions = self.items[name]
        act = hexed("relabel", name, version, new)
        versions[:] = [
            msgspec.structs.replace(one, label=new, label_act=act) if one.version == version else one
            for one in versions
        ]

    def attest(
        self, about: str, claim: str = "organisation", term: Any = None, *, revoked: str = "", other: Any = UNSET
    ) -> str:
        party = about.partition("/")[0]
        act = hexed("attest", about, claim, term, other, len(self.attestations))
        terms = acts.Attest(
            author=party,
            log=f"{party}.example/lamp/0",
            at=0,
            about=about,
            claim=claim,
            term=term or Term(since="2026-01-01", until="2027-01-01"),
            other=other,
        )
        self.attestations.append(Attestation(act=act, party=party, terms=terms, revoked=revoked))
        return act

    def determine(
        self,
        item: str,
        authority: str,
        condition: str,
        *,
        by: str = "arda",
        jurisdiction: str = "ARD",
        holds: bool = True,
        on: str = "",
        revoked: str = "",
        version: int = 1,
        request: Any = UNSET,
    ) -> str:
        state = next(one for one in self.items[item] if one.version == version)
        act = hexed("determine", item, version, authority, condition, by, holds, len(self.determinations))
        terms = acts.Determine(
            author=by,
            log=f"{by}.example/lamp/0",
            at=0,
            item=item,
            version=version,
            on=on or state.label_act,
            jurisdiction=jurisdiction,
            authority=authority,
            condition=condition,
            holds=holds,
            reason="seen",
            request=request,
        )
        self.determinations.append(Determination(act=act, party=by, terms=terms, revoked=revoked))
        return act

    def licence(
        self, *items: str, by: str = "arda", jurisdiction: str = "ARD", authority: str = "ard-licence", **fields: Any
    ) -> str:
        state = {name: fields.pop(name) for name in ("revoked", "used", "spent", "draws") if name in fields}
        terms: dict[str, Any] = {
            "holder": "arda/works",
            "recipients": ("bree/works",),
            "term": Term(since="2026-01-01", until="2027-01-01"),
            **fields,
        }
        act = hexed("licence", *items, by, authority, len(self.licences))
        made = acts.Licence(
            author=by,
            log=f"{by}.example/lamp/0",
            at=0,
            licence=f"l-{len(self.licences)}",
            jurisdiction=jurisdiction,
            authority=authority,
            items=items,
            **terms,
        )
        self.licences.append(LicenceState(act=act, party=by, terms=made, **state))
        return act

    def engagement_terms(self, party: str = "dun", **fields: Any) -> acts.Engagement:
        terms: dict[str, Any] = {
            "project": "lamp",
            "role": "participant",
            "areas": ("lens",),
            "ceiling": (level("ARD guarded"),),
            "term": Term(since="2026-01-01", until="2027-01-01"),
            **fields,
        }
        return acts.Engagement(
            party=party,
            inception=hexed("inception", party),
            origin=f"{party}.example/lamp/0",
            address=f"https://{party}.example",
            members=tuple(
                acts.Member(
                    party=one,
                    inception=hexed("inception", one),
                    origin=f"{one}.example/lamp/0",
                    address=f"https://{one}.example",
                )
                for one in self.charter.members
            ),
            confirm=min(3, len(self.charter.members)),
            recall_days=14,
            **terms,
        )

    def engage(self, party: str = "dun", name: str = "", **fields: Any) -> EngagementState:
        name = name or f"{party}-{len(self.engagements)}"
        state = {key: fields.pop(key) for key in ("ended", "suspended") if key in fields}
        terms = self.engagement_terms(party, **fields)
        proposal = hexed("propose", name)
        votes = tuple(sorted(hexed("consent", name, one) for one in (*MEMBERS, party)))
        made = EngagementState(id=name, proposal=proposal, terms=terms, term=terms.term, by=(proposal, *votes), **state)
        self.engagements.append(made)
        self.slots[proposal] = self.slot(name, terms, state="in_force")
        return made

    def slot(
        self,
        name: str,
        terms: Any,
        *,
        missing: tuple[str, ...] = (),
        state: Any = "open",
        subject: str = "",
        n: int = 1,
        by: Any = UNSET,
    ) -> Proposal:
        subject = subject or f"engagement/{name}"
        act = acts.Propose(author="arda", log="arda.example/lamp/0", at=0, subject=subject, n=n, what=terms, by=by)
        id_ = hexed("propose", name)
        voters = (*MEMBERS, terms.party) if isinstance(terms, acts.Engagement) else MEMBERS
        stated = self.state(id_, act, 0, "arda/disclosure")
        return Proposal(id=id_, subject=subject, n=n, stated=stated, state=state, voters=voters, missing=missing)

    def propose(
        self,
        party: str = "dun",
        name: str = "",
        missing: tuple[str, ...] = ("cora", "dun"),
        by: Any = UNSET,
        **fields: Any,
    ) -> str:
        name = name or f"{party}-open"
        made = self.slot(name, self.engagement_terms(party, **fields), missing=missing, by=by)
        self.slots[made.id] = made
        return made.id

    def state(self, id_: str, act: acts.Act, index: int, *keys: str) -> Stated:
        """An act as it stands in its ledger, under these key names."""
        signatures = tuple(Signature(keyid=f"{key}+00000000", sig=b"\0" * 64) for key in keys)
        found = Stated(act, id_, act.log, index, 0, Envelope(payload=b"", payloadType="", signatures=signatures))
        self.stated[id_] = found
        return found

    def dispute(self, party: str, key: str, index: int = 0, by: str = "bree") -> str:
        act = acts.Dispute(
            author=by, log=f"{by}.example/lamp/0", at=0, party=party, key=key, index=index, reason="lost"
        )
        id_ = hexed("dispute", party, key, index, by)
        self.state(id_, act, 9, f"{by}/safety")
        self.denials.add(Denial(author=by, subject=key, kind="dispute", act=id_))
        return id_

    def recall(self, holder: str, item: str = "arda/lens", version: int = 1, because: str = "") -> str:
        party = item.partition("/")[0]
        release = hexed("release", item, version, holder, len(self.releases))
        self.releases.append(
            ReleaseState(
                act=release,
                party=party,
                origin=f"{party}.example/lamp/0",
                index=5,
                time=0,
                terms=self.release_terms(item, version, holder),
            )
        )
        because = because or hexed("recall", release)
        self.recalls.append(
            RecallState(release=release, because=because, party=party, holder=holder, order="return", by="2026-10-01")
        )
        return because

    def release_terms(self, item: str, version: int, holder: str, **fields: Any) -> acts.Release:
        party = item.partition("/")[0]
        return acts.Release(
            author=party,
            log=f"{party}.example/lamp/0",
            at=0,
            request="0" * 64,
            item=item,
            version=version,
            project="lamp",
            method="key",
            to=someone(holder),
            person="p-" + "a" * 26,
            purpose="study",
            place="ARD",
            place_says="party",
            authorities=(),
            rests_on=(),
            packs=(),
            decision="0" * 64,
            day=0,
            sight="0" * 64,
            evidence="0" * 64,
            **fields,
        )

    def roster(self, party: str, *classes: tuple[RecipientClass, int]) -> None:
        rows = tuple(acts.RosterClass(recipient=one, heads=heads) for one, heads in classes)
        terms = acts.Roster(author=party, log=f"{party}.example/lamp/0", at=0, day=TODAY, classes=rows)
        self.rosters[party] = RosterState(act=hexed("roster", party), party=party, terms=terms)

    # ---- what decisions read --------------------------------------------------------------------

    def party(self, name: str) -> PartyState:
        named = {one.id: one for one in self.charter.parties}
        keys: Any = SimpleNamespace(officers=())
        return PartyState(
            id=name,
            grade=named[name].grade if name in named else "introduced",
            name=name.capitalize(),
            code=CODES.get(name, name.upper()[:3]),
            origin=f"{name}.example/lamp/0",
            address=f"https://{name}.example",
            inception=hexed("inception", name),
            chain=(KeySpan(keys, 0, hexed("inception", name)),),
            size=10,
            seen=self.seen.get(name, NOW),
            confirmed=10,
            frozen=self.frozen.get(name, ""),
            frozen_at=self.shared.get(name),
            withdraws=self.withdraws.get(name, ""),
        )

    def register(self) -> Register:
        releases = {one.act: one for one in self.releases}
        return Register(
            me=self.me,
            sight={},
            partnership=hexed("founding"),
            charter=self.charter,
            charter_id=hexed("founding"),
            directory=None,
            packs={name: tuple(packs) for name, packs in self.packs.items()},
            parties={name: self.party(name) for name in self.known},
            slots=dict(self.slots),
            projects={},
            engagements={one.id: one for one in self.engagements},
            items={name: tuple(versions) for name, versions in self.items.items()},
            licences={one.act: one for one in self.licences},
            attestations=tuple(self.attestations),
            determinations=tuple(self.determinations),
            rosters=dict(self.rosters),
            releases=releases,
            recalls={one.id: one for one in self.recalls},
            denials=frozenset(self.denials),
            evidence=(),
            owed=dict(self.owed),
            void=(),
            alarms=(),
            halted=dict(self.halted),
            acks={},
            stated=dict(self.stated),
            missing=frozenset(),
            scans={},
            objects=dict(self.objects),
        )


def good(**fields: Any) -> World:
    """arda/lens, releasable to the members, with all that bree's people need."""
    world = World().laws()
    world.item(**fields)
    for name in ("arda/works", "bree/works", "cora/works", "dun/works", "pern/works"):
        world.attest(name)
    world.attest("bree/works", "trusted")
    world.attest("arda/works", "listed")
    world.determine("arda/lens", "ard-open", "clear")
    return world


def ask(to: RecipientClass | None = None, item: str = "arda/lens", **fields: Any) -> Question:
    who = to or someone()
    facts: dict[str, Any] = {
        "version": 1,
        "purpose": "study",
        "place": CODES.get(who.party, "ELM"),
        "place_says": "party",
        "day": NOW,
        **fields,
    }
    return Question(to=who, item=item, **facts)
