"""Parties with real ledgers and signatures in one process, on one clock that moves by a second an act.

A `Party` writes; `Kit.fold(me)` reads what `me` may open, up to given sizes. Keys come from names: every run is equal.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from relto import acts
from relto.acts import Act, Entry, Register
from relto.acts.envelope import format as format_envelope
from relto.charter import Pin, format_parties
from relto.keys import OpeningKey, SecretKey, pae
from relto.label import Label, Level
from relto.ledger import Frontier, commit, leaf_hash, make_leaf, tag_for

START = 1_790_000_000_000  # 2026-09-21
MEMBERS = ("arda", "bree", "cora")
CODES = {"arda": "ARD", "bree": "BRE", "cora": "COR", "dune": "DUN", "elm": "ELM"}
OFFICES = ("disclosure", "licensing", "registrar", "safety")

PACK = """\
pack: ard-law
jurisdiction: ARD
title: The law of Arda
source: invented
valid: 2020-01-01..
reaches: {fact: transferor.code, is: ARD}
authorities:
- id: ard-free
  kind: open_licence
  title: Free by judgement
  cite: § 1
  conditions:
  - id: judged
    cite: § 1(a)
    rule: An officer of the transferor has judged it
    said_by: transferor_officer
    deny_code: NOT_JUDGED
    test: {determined: true}
  - id: wanted
    cite: § 1(b)
    rule: The recipient has judged it
    said_by: recipient_party
    deny_code: NOT_WANTED
    test: {determined: true}
"""


def charter_text(
    members: tuple[str, ...] = MEMBERS,
    confirm: int = 3,
    officers: int = 1,
    suspends: str = "those_whose_consent_was_required",
) -> bytes:
    """A charter among these members, with an open and a closed pillar."""
    named = ", ".join(members)
    laws = "".join(f'- {{id: {CODES[one]}, adopter: {one}, clause: "8.{n}"}}\n' for n, one in enumerate(members, 1))
    candidates = (
        "candidates: []\n"
        if "dune" in members
        else 'candidates:\n- {id: dune, name: Dune, code: DUN, clause: "14.1"}\n'
    )
    parties = "".join(
        f'- {{id: {one}, name: {one.title()}, code: {CODES[one]}, grade: member, since: 2020-01-01, clause: "2.{n}"}}\n'
        for n, one in enumerate(members, 1)
    )
    return f"""\
charter: lamp
title: The lamp
engine: 1
confirm: {confirm}
purpose: {{clause: "1.1", says: States build a lighthouse.}}
standing: {{clause: "1.2"}}
parties:
{parties}pillars:
- {{id: outer, name: Outer works, access: open_per_project, clause: "3.1"}}
- {{id: inner, name: Inner works, access: closed, members: [{named}], clause: "3.2"}}
areas:
- {{id: lens, name: Lenses, pillar: outer, clause: "3.3"}}
- {{id: wick, name: Wicks, pillar: outer, clause: "3.4"}}
projects:
- {{id: lamp, name: The lamp, pillar: outer, areas: [lens, wick], participants: [{named}], clause: "3.5"}}
- {{id: vault, name: The vault, pillar: inner, participants: [{named}], clause: "3.6"}}
purposes:
- {{id: study, name: Study, clause: "4.1"}}
decisions:
- {{act: charter, rule: unanimity, voters: members, clause: "5.1"}}
- {{act: project, rule: unanimity, voters: members, clause: "5.2"}}
- {{act: engage, rule: unanimity, voters: members, party_to_be_bound: consents, clause: "5.3"}}
- {{act: renew, rule: unanimity, voters: members, clause: "5.4"}}
- {{act: end, rule: unanimity, voters: members, party_to_be_bound: is_told, clause: "5.5"}}
- {{act: admit, rule: unanimity, voters: members, clause: "5.6"}}
- {{act: expel, rule: unanimity, voters: other_members, party_to_be_bound: is_told, clause: "5.7"}}
suspension: {{by: {suspends}, clause: "5.8"}}
on_suspend: {{recall: true, answer_within: 14 days, clause: "5.9"}}
releases: {{rule: all, clause: "6.1"}}
approvals:
- {{act: determine, officers: {officers}, clause: "6.2"}}
- {{act: relabel, officers: {officers}, clause: "6.3"}}
- {{act: licence, officers: {officers}, clause: "6.4"}}
freshness:
- {{ledgers: all, limit: 7 days, clause: "7.1"}}
jurisdictions:
{laws}labels:
  clause: "9.1"
  systems:
  - {{id: ARD, levels: [open, closed], classified_from: closed, clause: "9.2"}}
  holds: []
  clearances: []
groups: []
instruments: []
admission:
- {{id: means, name: Means, kind: judged, clause: "11.1"}}
withdrawal:
  notice: 1 year
  clause: "12.1"
  duties:
  - {{id: give-back, clause: "12.2", says: Give it back.}}
windows: []
{candidates}""".encode()


def secret(name: str, *, hybrid: bool = False) -> SecretKey:
    """A key whose seeds are SHA-256 of its name."""
    seed = hashlib.sha256(name.encode()).digest()
    return SecretKey(name, seed, hashlib.sha256(seed).digest() if hybrid else None)


@functools.cache
def opening() -> OpeningKey:
    return OpeningKey(bytes(range(64)), bytes(range(32)))


class Keys:
    """A party's secret keys of one generation."""

    def __init__(self, party: str, generation: int = 0, *, threshold: int = 1, hybrid: bool = False) -> None:
        def make(title: str, *, both: bool = hybrid) -> SecretKey:
            return secret(f"{party}/{title}{f'-g{generation}' if generation else ''}", hybrid=both)

        # The next root keys keep their names in the next generation: they are what was committed to.
        self.root, self.next = (
            [secret(f"{party}/root-{g}-{n}", hybrid=hybrid) for n in range(threshold)]
            for g in (generation, generation + 1)
        )
        self.authority = [make(f"authority-{n}") for n in range(threshold)]
        self.officers = {office: make(office) for office in OFFICES}
        self.second = make("disclosure-2")
        self.node, self.vouch, self.seal, self.log, self.witness = (
            make(title, both=False) for title in ("node", "vouch", "seal", "log", "witness")
        )

    def public(self) -> acts.KeySet:
        officers = [acts.Officer(office=office, key=key.public) for office, key in self.officers.items()]
        return acts.KeySet(
            root=acts.Quorum(threshold=len(self.root), keys=tuple(key.public for key in self.root)),
            next_root=acts.Successors(
                threshold=len(self.next), digests=tuple(acts.key_digest(key.public) for key in self.next)
            ),
            authority=acts.Quorum(threshold=len(self.authority), keys=tuple(key.public for key in self.authority)),
            officers=(*officers, acts.Officer(office="disclosure", key=self.second.public)),
            node=self.node.public,
            vouch=self.vouch.public,
            seal=self.seal.public,
            log=acts.LogKey(ed25519=self.log.public.ed25519),
            witness=acts.LogKey(ed25519=self.witness.public.ed25519),
            opening=opening().public,
            access=(),
        )

    def for_kind(self, kind: str) -> list[SecretKey]:
        signer = acts.SIGNERS[kind]
        if isinstance(signer, frozenset):
            return [self.officers[min(signer)]]
        return {"root": self.root, "authority": self.authority, "node": [self.node]}[signer]


class Party:
    """One ledger and the keys that write it."""

    def __init__(self, kit: Kit, name: str, origin: str = "") -> None:
        self.kit, self.name, self.keys = kit, name, Keys(name)
        self.origin = origin or f"{name}.example/lamp/0"
        self.entries: list[Entry] = []
        self.roots = [Frontier.empty().root()]
        self.frontier = Frontier.empty()
        self.act(
            acts.Inception(
                author=name,
                log=self.origin,
                at=kit.tick(),
                name=name.title(),
                address=f"http://{name}.example",
                keys=self.keys.public(),
            )
        )

    @property
    def inception(self) -> str:
        assert self.entries[0].id is not None
        return self.entries[0].id

    @property
    def size(self) -> int:
        return len(self.entries)

    def draft(self, kind: str, /, **fields: Any) -> Act:
        """With what every act carries; `readers` are all the kit knows to be members, unless given."""
        cls = acts.KINDS[kind]
        common: dict[str, Any] = {"author": self.name, "log": self.origin, "at": self.kit.tick()}
        if not issubclass(cls, acts.PARTY_CHAIN):
            common["readers"] = tuple(sorted({*self.kit.members, self.name}))
            if not issubclass(cls, acts.Introduce) and "what" not in fields:
                common["partnership"] = self.kit.partnership or UNSET
            if "what" in fields and self.kit.charter_id:
                common["partnership"] = self.kit.partnership
            if common.get("partnership", UNSET) is not UNSET and self.name in self.kit.members and self.kit.charter_id:
                common["under"] = self.kit.charter_id
        return cls(**{**common, **fields})

    def act(self, act: Act, *signers: SecretKey, tagged: bool | None = None) -> str:
        """Signs as the kind asks, or by these keys, and appends. tagged: whether the leaf carries the common tag."""
        payload = acts.write(act)
        return self.put(payload, list(signers) or self.keys.for_kind(acts.kind_of(act)), tagged=tagged)

    def put(self, payload: bytes, signers: list[SecretKey], *, tagged: bool | None = None) -> str:
        signatures: dict[str, bytes] = {}
        for one in signers:
            signatures |= one.sign(pae(acts.PAYLOAD_TYPE, payload))
        return self.append(format_envelope(payload, signatures), tagged=tagged)

    def append(self, envelope: bytes, *, tagged: bool | None = None) -> str:
        salt = hashlib.sha256(f"{self.origin} {self.size}".encode()).digest()
        act, id_, _ = acts.open_act(envelope)
        commitment = commit(salt, envelope)
        tags = acts.common_tags(act, commitment, self.kit.members or (self.name,))
        if tagged is not None:
            tags = (tag_for(acts.COMMON_KEY, commitment),) if tagged else ()
        leaf = make_leaf(commitment, tags, 16, stream(f"{self.origin} {self.size} leaf"))
        self.entries.append(acts.entry(self.origin, self.size, leaf, (salt, envelope)))
        self.frontier = self.frontier.push(leaf_hash(leaf))
        self.roots.append(self.frontier.root())
        return id_

    def say(self, kind: str, /, *signers: SecretKey, tagged: bool | None = None, **fields: Any) -> str:
        return self.act(self.draft(kind, **fields), *signers, tagged=tagged)

    def ack(self, common: str = "0" * 64, owed: tuple[acts.Owed, ...] = (), **sizes: int) -> str:
        """Acknowledges every other party's ledger, up to these sizes."""
        heads = []
        for other in self.kit.parties.values():
            if other is not self:
                size = sizes.get(other.name, other.size)
                root, seen = other.roots[size].hex(), self.kit.time
                heads.append(acts.Seen(origin=other.origin, size=size, root=root, seen=seen, signature=bytes(64)))
        known = {id_ for one in self.entries for id_ in getattr(one.act, "doubts", UNSET) or ()}
        held = [
            one.id
            for other in self.kit.parties.values()
            for one in other.entries[: sizes.get(other.name, other.size)]
            if isinstance(one.act, acts.Fork | acts.Dispute) and one.id not in known and one.act.v == 3
        ]
        more = {"v": 3, "doubts": tuple(held[: acts.DOUBTS_MAX])} if held else {}
        return self.say("acknowledge", heads=tuple(heads), common=common, owed=owed, **more)

    @property
    def newest_ack(self) -> str:
        return next(one.id for one in reversed(self.entries) if isinstance(one.act, acts.Acknowledge) and one.id)


class Kit:
    """Parties, texts, a clock. `members` and `charter_id` are what drafts are filled in with."""

    def __init__(self, *names: str, members: tuple[str, ...] = MEMBERS, **charter: Any) -> None:
        self.time = START
        self.members: tuple[str, ...] = members
        self.partnership = self.charter_id = ""
        self.objects: dict[str, bytes] = {}
        self.parties: dict[str, Party] = {}
        for name in names or members:
            self.parties[name] = Party(self, name)
        self.charter = charter_text(members, **charter)

    def __getattr__(self, name: str) -> Party:
        try:
            return self.__dict__["parties"][name]
        except KeyError:
            raise AttributeError(name) from None

    def tick(self, ms: int = 1000) -> int:
        self.time += ms
        return self.time

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.objects[digest] = data
        return digest

    def texts(self, charter: bytes | None = None, names: tuple[str, ...] = ()) -> dict[str, str]:
        pins = [
            Pin(id=one.name, inception=one.inception, origin=one.origin, address=f"http://{one.name}.example")
            for one in (self.parties[name] for name in names or self.members)
        ]
        return {"charter": self.put(charter or self.charter), "parties": self.put(format_parties("lamp", pins))}

    def found(self) -> Kit:
        """Proposal, consents, acknowledges: founded."""
        first = self.parties[self.members[0]]
        self.partnership = first.say("propose", subject="charter", n=1, what=acts.CharterText(**self.texts()))
        for name in self.members:
            self.parties[name].say("consent", proposal=self.partnership)
        self.acks()
        self.charter_id = self.partnership
        return self

    def acks(self, *names: str) -> None:
        for name in names or self.members:
            self.parties[name].ack()

    def member_shapes(self) -> tuple[acts.Member, ...]:
        return tuple(
            acts.Member(
                party=name,
                inception=self.parties[name].inception,
                origin=self.parties[name].origin,
                address=f"http://{name}.example",
            )
            for name in self.members
        )

    def terms(self, party: str = "dune", **changes: Any) -> acts.Engagement:
        outsider = self.parties[party]
        return replace(
            acts.Engagement(
                party=party,
                inception=outsider.inception,
                origin=outsider.origin,
                address=f"http://{party}.example",
                project="lamp",
                role="participant",
                areas=("lens",),
                ceiling=(Level(system="ARD", level="open"),),
                term=TERM,
                members=self.member_shapes(),
                confirm=3,
                recall_days=14,
            ),
            **changes,
        )

    def propose(self, name: str, /, subject: str, n: int, what: acts.What, **fields: Any) -> str:
        bound = {what.party} if isinstance(what, acts.Engagement) else set()
        readers = tuple(sorted({*self.members, *bound}))
        return self.parties[name].say(
            "propose", **{"subject": subject, "n": n, "what": what, "readers": readers, **fields}
        )

    def consent(self, name: str, proposal: str, **fields: Any) -> str:
        one = self.parties[name]
        readers = self.act_of(proposal).readers
        assert readers is not UNSET
        sight = one.newest_ack if any(isinstance(e.act, acts.Acknowledge) for e in one.entries) else UNSET
        return one.say(
            "consent", **{"proposal": proposal, "sight": sight, "readers": tuple(sorted({*readers, name})), **fields}
        )

    def refuse(self, name: str, proposal: str, **fields: Any) -> str:
        readers = self.act_of(proposal).readers
        assert readers is not UNSET
        return self.parties[name].say(
            "refuse", **{"proposal": proposal, "reason": "no", "readers": tuple(sorted({*readers, name})), **fields}
        )

    def engage(self, party: str = "dune", name: str = "dune-lamp") -> str:
        """An engagement in force."""
        self.acks()
        proposal = self.propose(self.members[0], f"engagement/{name}", 1, self.terms(party))
        if not any(isinstance(one.act, acts.Acknowledge) for one in self.parties[party].entries):
            self.parties[party].ack()
        for voter in (*self.members, party):
            self.consent(voter, proposal)
        self.acks()
        return proposal

    def act_of(self, id_: str) -> Act:
        return next(
            one.act for party in self.parties.values() for one in party.entries if one.id == id_ and one.act is not None
        )

    # ---- reading

    def logs(self, me: str, *hidden: str, **sizes: int) -> dict[str, list[Entry]]:
        """What `me` holds: every leaf up to these sizes, opened where the act names `me`, but for the hidden acts."""
        found = {}
        for party in self.parties.values():
            held = [seen_by(one, me, hidden) for one in party.entries[: sizes.get(party.name, party.size)]]
            # An outsider is served its openings and no other leaf.
            found[party.origin] = [one for one in held if me in self.members or party.name == me or one.act is not None]
        return found

    def fold(self, me: str, *hidden: str, pin: str = "", **sizes: int) -> Register:
        return acts.fold(self.logs(me, *hidden, **sizes), me, self.objects, pin)


TERM = acts.Term(since="2026-01-01", until="2027-01-01")


def seen_by(one: Entry, me: str, hidden: tuple[str, ...] = ()) -> Entry:
    assert one.act is not None
    if acts.open_to(one.act, me) and one.id not in hidden:
        return one
    return acts.entry(one.origin, one.index, one.leaf, mine=acts.open_to(one.act, me) or me == one.act.author)


def stream(seed: str) -> Any:
    """A source of bytes that gives the same each time."""
    count = 0

    def read(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return read


def label(*rel: str, level: str = "open") -> Label:
    return Label(levels=(Level(system="ARD", level=level),), rel=tuple(sorted(rel)))


def why(register: Register, id_: str) -> str:
    """Why an act is void; empty when it is not."""
    return next((one.why for one in register.void if one.id == id_), "")


def item_fields(item: str = "arda/glass", **changes: Any) -> dict[str, Any]:
    party, _, name = item.partition("/")
    return {
        "item": item,
        "version": 1,
        "opaque": hashlib.sha256(item.encode()).hexdigest()[:32],
        "title": name.title(),
        "organisation": f"{party}/works",
        "owners": (party,),
        "release": acts.ReleaseRule(rule="one"),
        "project": "lamp",
        "areas": ("lens",),
        "label": label("ARD", "BRE", "COR"),
        "nature": "technical_data",
        **changes,
    }


def release_fields(kit: Kit, item: str, to: str, sight: str, **changes: Any) -> dict[str, Any]:
    return {
        "request": "1" * 64,
        "item": item,
        "version": 1,
        "project": "lamp",
        "method": "key",
        "to": acts.RecipientClass(party=to, organisation=f"{to}/works"),
        "person": "p-" + "a" * 26,
        "purpose": "study",
        "place": CODES[to],
        "place_says": "party",
        "authorities": (),
        "rests_on": (),
        "packs": (),
        "decision": "2" * 64,
        "day": kit.time,
        "sight": sight,
        "evidence": "3" * 64,
        **changes,
    }
