"""One party's node: its own ledger, what it mirrors of the others, and what follows from both.

Synchronous and with one writer: the server calls it through one thread, the command line holds the directory's lock. It takes the time from one
`Clock` given at construction and randomness from one source, so that the in-process world of the tests runs the very same code.

* `draft` fills in what every act carries; `submit` takes a signed act and refuses what would be void; nothing here holds a key of a person.
* `ingest` fetches another party's ledger, verifies, then stores. `tend` writes what the node itself owes: channels, receipts, settle, disclose,
  acknowledge.
* A node never acknowledges what it has not durably stored, and never acknowledges for acknowledgements alone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.acts import Act, Entry, Register
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.keys import AccessKey, OpeningKey, OpeningPublic, PublicKey, Random, SecretKey
from relto.ledger import (
    EMPTY_ROOT,
    Checkpoint,
    Fork,
    Head,
    Log,
    New,
    Tree,
    Verifier,
    commit,
    create_mirror,
    extend_mirror,
    is_tagged,
    leaf_hash,
    make_leaf,
    open_checkpoint,
    parse_note,
    prove_fork,
    slots_for,
    tag_for,
    tree_of,
    verify_consistency,
    verify_inclusion,
)
from relto.node.config import Config
from relto.store import Objects, Sqlite

HOUR_MS = 3_600_000
AHEAD_MS_MAX = 300_000  # a partner's clock further ahead than this is not acknowledged
READ_MAX = 4096  # entries fetched at once

Clock = Callable[[], int]  # ms UTC


class Keys(Protocol):
    """The online keys: each able to do one thing. `pseudonyms` names people, `access` unwraps shares."""

    @property
    def node(self) -> SecretKey: ...
    @property
    def vouch(self) -> SecretKey: ...
    @property
    def seal(self) -> SecretKey: ...
    @property
    def log(self) -> SecretKey: ...
    @property
    def opening(self) -> OpeningKey: ...
    @property
    def access(self) -> tuple[AccessKey, ...]: ...
    @property
    def pseudonyms(self) -> bytes: ...


class Delivered(Struct, frozen=True, kw_only=True):
    """An opening as it travels: with its leaf, and for a reader that holds no tiles with the proof that it stands in the tree of `size`."""

    index: int
    leaf: bytes
    salt: bytes
    envelope: bytes
    proof: tuple[bytes, ...] = ()


class Peer(Protocol):
    """Another party's node, however it is reached. Every answer is verified by the caller."""

    party: str

    def head(self) -> bytes: ...
    def leaves(self, start: int, stop: int) -> list[bytes]: ...
    def openings(self, since: int, also: Sequence[int], size: int) -> list[Delivered]: ...
    def consistency(self, old: int, new: int) -> list[bytes]: ...
    def object(self, digest: str) -> bytes: ...


class Pinned(Struct, frozen=True, kw_only=True):
    """A party whose inception this node knows to be its own."""

    party: str
    inception: str
    origin: str
    address: str
    envelope: bytes
    how: str

    @property
    def keys(self) -> acts.KeySet:
        """The keys that its inception names: enough until its ledger is here."""
        act = acts.open_act(self.envelope)[0]
        assert isinstance(act, acts.Inception)
        return act.keys


class Node:
    """See the module. `register` is what holds now; every write goes through `_append`."""

    def __init__(
        self, config: Config, store: Sqlite, objects: Objects, keys: Keys | None, clock: Clock, random: Random
    ) -> None:
        self.config, self.store, self.objects, self.keys, self.clock, self.random = (
            config,
            store,
            objects,
            keys,
            clock,
            random,
        )
        self.lock = threading.RLock()
        self.me = config.party
        self.origin = config.origin
        self._log: Log | None = None
        self._entries: dict[str, list[Entry]] = {}
        self._tag_keys: dict[str, list[bytes]] = defaultdict(list)  # origin -> keys by which its author tags for us
        self._register: Register | None = None
        self._held: dict[str, bytes] = {}
        self._problems: dict[str, str] = {}
        self._read_all()

    # ---- reading ---------------------------------------------------------------------------------------------------------

    @property
    def log(self) -> Log:
        if self._log is None:
            if self.keys is None:
                raise Refused(
                    "this node is open for reading only", hint="stop here, or write through the serving process"
                )
            self._log = Log.load(self.store, self.origin, self.keys.log)
        return self._log

    @property
    def register(self) -> Register:
        """What holds at this node's sight of now: everything that is stored, whether acknowledged or not."""
        with self.lock:
            if self._register is None:
                self._register = acts.fold(self._entries, self.me, self._texts(), self.config.pin)
            return self._register

    def register_at(self, limits: Mapping[str, int], me: str = "") -> Register:
        """The register of these ledger prefixes, folded as another party for a replay of its releases."""
        cut = {
            origin: [one for one in entries if one.index < limits[origin]]
            for origin, entries in self._entries.items()
            if limits.get(origin, 0) > 0
        }
        return acts.fold(cut, me or self.me, self._texts(), self.config.pin)

    def sight_of(self, release_or_time: int | str) -> dict[str, int]:
        """Ledger sizes behind a time (the last own acknowledge by then) or behind a release of this node.

        Raises: NotFound before the first own acknowledge.
        """
        own = self.register.scans[self.origin]
        if isinstance(release_or_time, str):
            stated = self.register.act(release_or_time)
            assert isinstance(stated.act, acts.Release)
            ack, end = self.register.act(stated.act.sight), stated.index
        else:
            end = own.size_at(release_or_time)
            acked = [one for one in own.stated if one.index < end and isinstance(one.act, acts.Acknowledge)]
            if not acked:
                raise NotFound(
                    "this node had acknowledged nothing by then",
                    hint="ask for a day after its first acknowledge, or with `--known now`",
                )
            ack = acked[-1]
        assert isinstance(ack.act, acts.Acknowledge)
        return {head.origin: head.size for head in ack.act.heads} | {self.origin: end}

    def _texts(self) -> dict[str, bytes]:
        """All texts by digest. They are few (charters, packs, lists), never change, and a fold is a function of them."""
        for digest in self._named():
            if digest not in self._held and self.objects.has(bytes.fromhex(digest)):
                self._held[digest] = self.objects.get(bytes.fromhex(digest))
        return self._held

    def _named(self) -> set[str]:
        found: set[str] = set()
        for entries in self._entries.values():
            for one in entries:
                if isinstance(one.act, acts.Propose) and isinstance(
                    one.act.what, acts.CharterText | acts.Admission | acts.Expulsion
                ):
                    found |= {one.act.what.charter, one.act.what.parties}
                elif isinstance(one.act, acts.Adopt):
                    found.add(one.act.pack)
        return found

    def _read_all(self) -> None:
        for origin in self.store.origins():
            self._read_log(origin)
        for (origin,) in self.store.query("SELECT DISTINCT origin FROM parts ORDER BY origin"):
            self._read_parts(origin)
        self._problems = {row[0]: row[1] for row in self.store.query("select origin, problem from alarms order by at")}

    def _read_log(self, origin: str) -> None:
        head = self.store.head(origin)
        self._entries[origin] = []
        self._tag_keys.pop(origin, None)
        size = head.size if head else 0
        for start in range(0, size, READ_MAX):
            stop = min(start + READ_MAX, size)
            opened = {index: (salt, envelope) for index, salt, envelope in self.store.openings(origin, start, stop)}
            for index, leaf in enumerate(self.store.leaves(origin, start, stop), start):
                self._take(origin, index, leaf, opened.get(index))

    def _take(self, origin: str, index: int, leaf: bytes, opening: tuple[bytes, bytes] | None) -> Entry:
        """One more entry into memory. An opening that does not hold is kept out and shown: a wrong one is evidence, not an act."""
        try:
            one = acts.entry(origin, index, leaf, opening, mine=self._is_mine(origin, leaf))
        except (Malformed, Forged) as error:
            self._problems[origin] = f"entry {index}: {error.message}"
            one = acts.entry(origin, index, leaf, None, mine=True)
        self._entries[origin].append(one)
        if (
            isinstance(one.act, acts.Channel)
            and one.act.reader == self.me
            and self.keys is not None
            and origin != self.origin
        ):
            try:
                self._tag_keys[origin].append(
                    self.keys.opening.open(_channel_info(one.act.author, self.me), one.act.sealed)
                )
            except ReltoError as error:
                self._problems[origin] = f"entry {index}: its tag key does not open: {error.message}"
        return one

    def _is_mine(self, origin: str, leaf: bytes) -> bool:
        return origin == self.origin or any(is_tagged(leaf, key) for key in self._tag_keys.get(origin, ()))

    # ---- writing own acts --------------------------------------------------------------------------------------------------

    def now(self) -> int:
        """The time of a new entry: the clock, never behind the own ledger."""
        scan = self.register.scans.get(self.origin)
        return max(self.clock(), scan.time if scan else 0)

    def draft(self, kind: str, /, **fields: Any) -> Act:
        """An act of this party with what every act carries filled in. Raises: Malformed for a field that the kind does not have."""
        cls = acts.KINDS.get(kind)
        if cls is None:
            raise Malformed(f"`{kind}` is no kind of act", hint=f"one of {', '.join(sorted(acts.KINDS))}")
        founding = self._founding()
        common: dict[str, Any] = {"author": self.me, "log": self.origin, "at": self.now()}
        if not issubclass(cls, (*acts.PARTY_CHAIN, acts.Introduce)) and not (
            kind == "propose" and not self.register.partnership
        ):
            common["partnership"] = self.register.partnership or founding or UNSET
        if self.register.charter_id and "partnership" in common:
            common["under"] = self.register.charter_id
        try:
            act = cls(**{**common, **fields})
        except TypeError as error:
            raise Malformed(
                f"`{kind}`: {str(error).replace('Missing required argument', 'needs').replace(chr(39), chr(96))}"
            ) from error
        if act.readers is UNSET and not isinstance(act, acts.PARTY_CHAIN):
            act = msgspec.structs.replace(act, readers=self.readers(act))
        return acts.read(acts.write(act))

    def _founding(self) -> str:
        """The founding that is still open, when there is exactly one."""
        open_ = [
            one.id
            for one in self.register.slots.values()
            if one.subject == "charter" and one.n == 1 and one.state == "open"
        ]
        return open_[0] if len(open_) == 1 else ""

    def members(self) -> tuple[str, ...]:
        """Whom an act for all members is addressed to: the charter's, the engagement's, or, before either, all that are pinned."""
        if self.register.members:
            return self.register.members
        for one in self.register.slots.values():
            what = one.stated.act.what if isinstance(one.stated.act, acts.Propose) else None
            if isinstance(what, acts.Engagement) and what.party == self.me:
                return tuple(member.party for member in what.members)
        return tuple(sorted(self.peers()))

    def readers(self, act: Act) -> tuple[str, ...]:
        """Who must be able to read it, by the table of kinds (spec/acts.md, "Readers")."""
        register, members = self.register, set(self.members())
        found: set[str] = {self.me}
        answered = _answered(act)
        if answered is not None:
            target = register.act(answered)
            found |= set(members if isinstance(target.act.readers, UnsetType) else target.act.readers)
            if isinstance(act, acts.Suspend | acts.Return | acts.Settle):
                found |= set(() if isinstance(target.act.readers, UnsetType) else target.act.readers)
        elif isinstance(act, acts.Introduce):
            found |= members | {act.party}
        elif isinstance(act, acts.Propose):
            bound = {act.what.party} if isinstance(act.what, acts.Engagement) else set()
            if isinstance(act.what, acts.Renewal | acts.Ending):
                before = register.act(act.what.of).act.readers
                bound = set(() if isinstance(before, UnsetType) else before)
            found |= members | bound
        elif isinstance(act, acts.RegisterItem):
            found |= self._audience(act.item, act.project, act.areas, act.label, act.owners)
        elif isinstance(act, acts.Relabel | acts.Retire):
            item = register.item(act.item, act.version)
            before = register.stated[item.label_act].act.readers
            found |= set(() if isinstance(before, UnsetType) else before)
            label = act.label if isinstance(act, acts.Relabel) else item.label
            found |= self._audience(act.item, item.facts.project, item.facts.areas, label, item.facts.owners)
        elif isinstance(act, acts.Determine):
            found |= set(register.item(act.item, act.version).facts.owners)
        elif isinstance(act, acts.Licence):
            found |= {act.holder.partition("/")[0], *(one.partition("/")[0] for one in act.recipients)}
        elif isinstance(act, acts.Release):
            owners = register.item(act.item, act.version).facts.owners
            adopters = (
                {
                    j.adopter
                    for j in register.charter.jurisdictions
                    for one in act.authorities
                    if j.id == one.jurisdiction
                }
                if register.charter
                else set()
            )
            found |= {act.to.party, *owners, *adopters}
        elif isinstance(act, acts.Disclose):
            found |= {act.to}
        elif isinstance(
            act, acts.Roster | acts.Acknowledge | acts.Withdraw | acts.Dispute | acts.Fork | acts.Attest | acts.Adopt
        ):
            found |= members
            if isinstance(act, acts.Withdraw | acts.Attest | acts.Adopt):
                found |= {
                    one.terms.party
                    for one in register.engagements.values()
                    if one.state(_day(self.clock())) == "in_force"
                }
        reachable = set(self.peers()) | {self.me}
        return tuple(
            sorted(
                found & reachable
                if isinstance(act, acts.Attest | acts.Roster | acts.Adopt | acts.Acknowledge)
                else found
            )
        )

    def _audience(self, item: str, project: str, areas: Sequence[str], label: Any, owners: Sequence[str]) -> set[str]:
        """Participants in force of the item's project; of a closed pillar the named members. An outsider only when the label already names it, since
        the register act tells that the item exists."""
        charter = self.register.charter
        if charter is None:
            raise Refused("no partnership is founded yet", hint="`relto act list` shows whose consent is missing")
        there = charter.project(project)
        pillar = charter.pillar(there.pillar)
        found = set(pillar.members if pillar.access == "closed" else there.participants)
        rel = set() if isinstance(label.rel, UnsetType) else set(label.rel)
        for one in self.register.engagements.values():
            party = self.register.parties.get(one.terms.party)
            covered = (
                one.terms.project == project
                and not set(areas) - set(one.terms.areas)
                and one.state(_day(self.clock())) == "in_force"
            )
            if party is not None and covered and party.code in rel:
                found.add(party.id)
        return found | set(owners)

    def submit(self, envelope: bytes, beside: Sequence[tuple[str, tuple[object, ...]]] = ()) -> str:
        """A signed act into the own ledger; returns its id. The same act twice is one act.

        Raises: Malformed, Refused (it would be void: why), Conflict, Unavailable; nothing was written then.
        """
        with self.lock:
            act, id_, _ = acts.open_act(envelope)
            if id_ in self.register.scans[self.origin].ids:
                return id_
            if act.author != self.me or act.log != self.origin:
                raise Refused(
                    f"this act was written for `{act.log}`, not for `{self.origin}`",
                    hint="submit it at its author's node",
                )
            self._check_readers(act)
            self._try(envelope, id_)
            self._append([envelope], beside)
            return id_

    def _check_readers(self, act: Act) -> None:
        if isinstance(act.readers, UnsetType):
            return
        wanted = set(self.readers(act)) if not isinstance(act, acts.Evidence) else {self.me}
        hidden = wanted - set(act.readers)
        if hidden and not (isinstance(act, acts.RegisterItem) and set(act.owners) <= set(act.readers)):
            raise Refused(
                f"it is not open to {', '.join(sorted(hidden))}, who must be able to read it", hint="draft it anew"
            )
        unknown = set(act.readers) - set(self.peers()) - {self.me}
        if unknown:
            raise Refused(
                f"this node has no channel to {', '.join(sorted(unknown))}", hint="`relto node join` pins a party first"
            )

    def _try(self, envelope: bytes, id_: str) -> None:
        """Folds the act in on a copy: what would be void is refused with the reason."""
        salt = bytes(32)
        leaf = self._leaf(envelope, salt, ())
        size = self.log.head.size
        trial = acts.extend(self.register, [acts.entry(self.origin, size, leaf, (salt, envelope))], self._texts())
        for void in trial.void:
            if void.id == id_:
                raise Refused(f"this act would have no effect: {void.why}")
        slot = trial.slots.get(id_)
        if slot is not None and slot.state == "void":
            raise Refused(f"this proposal could never be in force: {slot.why}")
        for proposal in trial.slots.values():
            for vote in proposal.votes:
                if vote.act == id_ and vote.void:
                    raise Refused(f"this vote would not count: it {vote.void}")
        act = trial.stated[id_].act if id_ in trial.stated else None
        if isinstance(act, acts.Consent | acts.Refuse):
            proposal_ = trial.slots.get(act.proposal)
            mine = [] if proposal_ is None else [vote for vote in proposal_.votes if vote.party == self.me]
            if not any(vote.act == id_ for vote in mine):
                why = "it is cast already" if mine else "this party has no vote on it"
                raise Refused(
                    f"this vote would not count: {why}", hint=f"`relto act show {act.proposal[:8]}` shows the votes"
                )

    def _leaf(self, envelope: bytes, salt: bytes, readers: Iterable[str]) -> bytes:
        commitment = commit(salt, envelope)
        tags = [tag_for(self._channel(reader), commitment) for reader in readers if reader != self.me]
        tags += acts.common_tags(acts.open_act(envelope)[0], commitment, self._all_members())
        charter = self.register.charter
        return make_leaf(commitment, tags, slots_for(len(charter.parties) if charter else 1), self.random)

    def _all_members(self) -> tuple[str, ...]:
        """To whom an act must be open for its leaf to say that it is for all: nobody knows, until this node knows the members."""
        if self.register.members or not self.config.pin:
            return self.register.members or tuple(self.peers())
        for stated in self.register.stated.values():
            if isinstance(stated.act, acts.Introduce) and stated.act.party == self.me and stated.act.members:
                return tuple(member.party for member in stated.act.members)
        return self.members() if any(self._names_me(one.stated.act) for one in self.register.slots.values()) else ()

    def _names_me(self, act: Act) -> bool:
        return isinstance(act, acts.Propose) and isinstance(act.what, acts.Engagement) and act.what.party == self.me

    def _channel(self, reader: str) -> bytes:
        rows = self.store.query(
            "select c.key from channels c join peers p on p.party = c.reader and p.inception = c.inception where c.reader = $1",
            (reader,),
        )
        if not rows:
            raise Refused(f"this node has no channel to `{reader}`", hint="`relto sync` opens one")
        return bytes(rows[0][0])

    def _append(
        self,
        envelopes: Sequence[bytes],
        beside: Sequence[tuple[str, tuple[object, ...]]] = (),
        salts: Sequence[bytes] = (),
    ) -> Head:
        """Durable when it returns: leaves, openings, signed head and `beside` in one transaction."""
        fresh = []
        for position, envelope in enumerate(envelopes):
            salt = salts[position] if salts else self.random(32)
            readers = acts.open_act(envelope)[0].readers
            leaf = self._leaf(envelope, salt, () if isinstance(readers, UnsetType) else readers)
            fresh.append(New(leaf=leaf, salt=salt, envelope=envelope))
        start = self.log.head.size
        head = self.log.append(fresh, beside)
        self._entries.setdefault(self.origin, [])
        added = [self._take(self.origin, start + n, one.leaf, (one.salt, one.envelope)) for n, one in enumerate(fresh)]
        self._grow(added)
        return head

    def _grow(self, added: Sequence[Entry]) -> None:
        """The register after more entries; anew when an opening came late or a text arrived."""
        if self._register is not None and all(
            one.index >= self._register.scans[one.origin].size for one in added if one.origin in self._register.scans
        ):
            self._register = acts.extend(self._register, added, self._texts())
        else:
            self._register = None

    def write(self, *drafts: Act, beside: Sequence[tuple[str, tuple[object, ...]]] = ()) -> Head:
        """Acts by the node's own key."""
        assert self.keys is not None
        return self._append([acts.sign(one, [self.keys.node]) for one in drafts], beside)

    # ---- peers -----------------------------------------------------------------------------------------------------------------

    def peers(self) -> dict[str, Pinned]:
        rows = self.store.query("select party, inception, origin, address, envelope, how from peers order by party")
        return {
            row[0]: Pinned(
                party=row[0], inception=row[1], origin=row[2], address=row[3], envelope=bytes(row[4]), how=row[5]
            )
            for row in rows
        }

    def pin(self, envelope: bytes, how: str, inception: str = "") -> Pinned:
        """A party by its entry 0. inception: the id that someone vouches for; words compared on the telephone otherwise.

        Raises: Malformed, Forged when it is not a sound inception or not the one expected; Conflict when another one is pinned.
        """
        with self.lock:
            act, id_, signed = acts.open_act(envelope)
            if not isinstance(act, acts.Inception) or not acts.satisfied(signed, act.keys, "root"):
                raise Forged("this is not an inception signed by its own root keys")
            if inception and id_ != inception:
                raise Forged(
                    f"`{act.author}` shows another inception than the one introduced",
                    hint="compare the words by telephone",
                )
            known = self.peers().get(act.author)
            if known is not None and known.inception != id_:
                raise Conflict(
                    f"another inception of `{act.author}` is pinned here",
                    hint="a new one needs the charter's party list",
                )
            if act.author == self.me:
                raise Refused("a node does not pin itself")
            if known is None:
                self.store.execute(
                    "insert into peers (party, inception, origin, address, envelope, how) values ($1, $2, $3, $4, $5, $6)",
                    (act.author, id_, act.log, act.address, envelope, how),
                )
                self._open_channel(act.author, id_, act.keys.opening)
            return self.peers()[act.author]

    def _open_channel(self, reader: str, inception: str, opening: OpeningPublic) -> None:
        """A tag key for a reader, published sealed in our chain; the private row and the act are one transaction."""
        key = self.random(32)
        sealed = opening.seal(_channel_info(self.me, reader), key)
        row = ("insert into channels (reader, inception, key) values ($1, $2, $3)", (reader, inception, key))
        self.write(self.draft("channel", reader=reader, inception=inception, sealed=sealed), beside=[row])

    def verifier(self, pinned: Pinned) -> Verifier:
        return Verifier.of_log(PublicKey(name=pinned.origin, ed25519=pinned.keys.log.ed25519))

    def members_named(self) -> tuple[acts.Member, ...]:
        """The members as an introduction or an engagement names them to an outsider."""
        register = self.register
        return tuple(
            acts.Member(
                party=p,
                inception=register.party(p).inception,
                origin=register.party(p).origin,
                address=register.party(p).address,
            )
            for p in register.members
        )

    def whole(self, party: str) -> bool:
        """Whether this node mirrors that party's ledger entry by entry: members mirror members and introduced outsiders; an outsider gets parts."""
        if self.register.charter is not None:
            return self.me in self.register.members
        return not self.config.pin

    def peer_by_origin(self, origin: str) -> Pinned:
        """Raises: NotFound."""
        for pinned in self.peers().values():
            if pinned.origin == origin:
                return pinned
        raise NotFound("this ledger is not pinned here", hint="`relto node join` pins a party")

    def keys_of(self, pinned: Pinned) -> acts.KeySet:
        """A party's keys as its own chain has them at this node's sight."""
        scan = self.register.scans.get(pinned.origin)
        return scan.chain[-1].keys if scan is not None and scan.chain else pinned.keys

    def serves_whole(self, party: str) -> bool:
        """Whether that party gets this ledger entry by entry: members of each other, anyone pinned before a founding, members from an outsider."""
        if self.register.charter is None:
            return True
        return party in self.register.members

    # ---- taking in another ledger -------------------------------------------------------------------------------------------------

    def ingest(self, peer: Peer) -> int:
        """Fetches, verifies, stores; returns the number of new entries and openings. The lock is not held while the network answers.

        Raises: Forged (rewind, fork, damage: kept as an alarm, nothing stored), Unavailable.
        """
        pinned = self.peers().get(peer.party)
        if pinned is None:
            raise Refused(f"`{peer.party}` is not pinned here", hint="`relto node join` pins a party")
        try:
            count = self._ingest_whole(peer, pinned) if self.whole(peer.party) else self._ingest_parts(peer, pinned)
        except Forged as error:
            with self.lock:
                self._alarm(pinned.origin, error.message)
            raise
        self._fetch_texts(peer)
        return count

    def _ingest_whole(self, peer: Peer, pinned: Pinned) -> int:
        verifier, origin = self.verifier(pinned), pinned.origin
        with self.lock:
            if self.store.head(origin) is None:
                create_mirror(self.store, origin)
                self._entries[origin] = []
            head = self.store.head(origin)
            also = self._unopened(origin)
        assert head is not None
        note = peer.head()
        to = open_checkpoint(note, verifier).checkpoint
        if to.origin != origin:
            raise Forged(f"`{peer.party}` shows the checkpoint of another ledger, `{to.origin}`")
        if to.size == head.size and to.root == head.root and not also:
            with self.lock:
                self._touch(origin, verifier, note)
            return 0
        self._look_for_fork(peer, verifier, head, note)
        leaves: list[bytes] = []
        while head.size + len(leaves) < to.size:
            got = peer.leaves(head.size + len(leaves), min(to.size, head.size + len(leaves) + READ_MAX))
            if not got:
                raise Unavailable(
                    f"`{peer.party}` shows size {to.size} and serves entries up to {head.size + len(leaves)}"
                )
            leaves += got
        opened = [(one.index, one.salt, one.envelope) for one in peer.openings(head.size, also, to.size)]
        fresh = [one for one in opened if one[0] >= head.size or one[0] in also]
        with self.lock:
            now = self.store.head(origin)
            if now is None or now.size != head.size:
                return 0  # another round stored it meanwhile
            extend_mirror(self.store, verifier, note, leaves, fresh, seen=self.clock())
            if any(index < head.size for index, _, _ in fresh):
                self._read_log(origin)
                self._register = None
            else:
                by_index = {index: (salt, envelope) for index, salt, envelope in fresh}
                self._grow(
                    [
                        self._take(origin, head.size + n, leaf, by_index.get(head.size + n))
                        for n, leaf in enumerate(leaves)
                    ]
                )
        return len(leaves) + len(fresh)

    def _touch(self, origin: str, verifier: Verifier, note: bytes) -> None:
        """Nothing new, but seen again: the age of a sight counts from here."""
        extend_mirror(self.store, verifier, note, [], [], seen=self.clock())

    def _unopened(self, origin: str) -> list[int]:
        """Entries that are ours to read and not open yet: tagged, or disclosed to us."""
        disclosed = {
            index
            for one in self._entries.get(origin, ())
            if isinstance(one.act, acts.Disclose) and one.act.to == self.me
            for index in one.act.entries
        }
        entries = self._entries.get(origin, ())
        held = {one.index for one in entries if one.act is not None}
        return sorted(({one.index for one in entries if one.mine} | disclosed) - held)

    def _look_for_fork(self, peer: Peer, verifier: Verifier, head: Head, note: bytes) -> None:
        """Two checkpoints by one ledger that contradict each other become a fork proof in our own ledger."""
        if not head.note:
            return
        old, new = open_checkpoint(head.note, verifier).checkpoint, open_checkpoint(note, verifier).checkpoint
        if old.size == new.size and old.root == new.root:
            return
        try:
            if new.size < old.size or new.size == old.size:
                proof = prove_fork(verifier, head.note, note, tree_of(self.store, head.origin))
            else:
                leaves = peer.leaves(0, new.size)
                hashes = [leaf_hash(leaf) for leaf in leaves]
                proof = (
                    prove_fork(verifier, head.note, note, Tree(lambda start, stop: hashes[start:stop]))
                    if self._contradicts(old, hashes)
                    else None
                )
        except ReltoError:
            return
        if proof is not None:
            self._accuse(head.origin, proof)
            raise Forged(
                f"`{head.origin}` signed two histories (sizes {old.size} and {new.size}): a fork, and the proof is in our ledger"
            )
        if new.size < old.size:
            raise Forged(f"`{head.origin}` shows size {new.size} after size {old.size}: a ledger never shrinks")

    @staticmethod
    def _contradicts(old: Checkpoint, hashes: Sequence[bytes]) -> bool:
        return len(hashes) >= old.size and Tree(lambda start, stop: hashes[start:stop]).root(old.size) != old.root

    def _accuse(self, origin: str, proof: Fork) -> None:
        if any(
            isinstance(one.act, acts.Fork) and one.act.origin == origin
            for one in self.register.scans[self.origin].stated
        ):
            return
        root = UNSET if proof.root is None else proof.root.hex()
        self.write(
            self.draft("fork", origin=origin, first=proof.first, second=proof.second, root=root, proof=proof.proof)
        )

    def _ingest_parts(self, peer: Peer, pinned: Pinned) -> int:
        """What an outsider is served: a head proven to extend the last one, and openings proven to stand under it."""
        verifier, origin = self.verifier(pinned), pinned.origin
        with self.lock:
            rows = self.store.query("SELECT size, root FROM part_heads WHERE origin = $1", (origin,))
            old_size, old_root = (int(rows[0][0]), bytes(rows[0][1])) if rows else (0, EMPTY_ROOT)
            held = {one.index for one in self._entries.get(origin, ())}
            also = [index for index in self._unopened(origin) if index not in held]
        note = peer.head()
        to = open_checkpoint(note, verifier).checkpoint
        if to.origin != origin:
            raise Forged(f"`{peer.party}` shows the checkpoint of another ledger, `{to.origin}`")
        if to.size < old_size:
            raise Forged(f"`{origin}` shows size {to.size} after size {old_size}: a ledger never shrinks")
        verify_consistency(
            old_size, old_root, to.size, to.root, peer.consistency(old_size, to.size) if 0 < old_size < to.size else []
        )
        fresh = [one for one in peer.openings(old_size, also, to.size) if one.index not in held]
        for one in fresh:
            verify_inclusion(leaf_hash(one.leaf), one.index, to.size, to.root, one.proof)
            acts.entry(origin, one.index, one.leaf, (one.salt, one.envelope))
        with self.lock, self.store.transaction("parts"):
            for one in fresh:
                self.store.execute(
                    "INSERT INTO parts (origin, idx, leaf, salt, envelope) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                    (origin, one.index, one.leaf, one.salt, one.envelope),
                )
            self.store.execute(
                "INSERT INTO part_heads (origin, size, root, note, seen) VALUES ($1, $2, $3, $4, $5)"
                " ON CONFLICT (origin) DO UPDATE SET size = $2, root = $3, note = $4, seen = $5 WHERE part_heads.size <= $2",
                (origin, to.size, to.root, note, self.clock()),
            )
        if fresh:
            with self.lock:
                self._read_parts(origin)
        return len(fresh)

    def _read_parts(self, origin: str) -> None:
        self._entries[origin] = []
        self._tag_keys.pop(origin, None)
        for index, leaf, salt, envelope in self.store.query(
            "SELECT idx, leaf, salt, envelope FROM parts WHERE origin = $1 ORDER BY idx", (origin,)
        ):
            self._take(origin, index, leaf, (salt, envelope))
        self._register = None

    def _fetch_texts(self, peer: Peer) -> None:
        for digest in sorted(self._named()):
            if self.objects.has(bytes.fromhex(digest)):
                continue
            try:
                data = peer.object(digest)
            except ReltoError:
                continue  # another party may hold it; the register says what is missing
            if hashlib.sha256(data).hexdigest() == digest:
                self.objects.put(data)
                self._register = None

    def _alarm(self, origin: str, problem: str) -> None:
        self._problems[origin] = problem
        self.store.execute(
            "insert into alarms (origin, at, problem) values ($1, $2, $3) on conflict do nothing",
            (origin, self.clock(), problem),
        )

    def problems(self) -> dict[str, str]:
        """origin -> what its ledger did wrong, as last seen here."""
        return dict(self._problems)

    # ---- what the node owes -----------------------------------------------------------------------------------------------------------

    def tend(self, reach: Callable[[str, str], bytes] | None = None) -> int:
        """Writes what this node owes after new entries; returns how many acts. reach(address, origin) fetches a stranger's entry 0."""
        with self.lock:
            before = self.log.head.size
            if reach is not None:
                self._meet(reach)
            self._receive()
            self._settle()
            self._disclose()
            if self._uncovered():
                self.acknowledge()
            return self.log.head.size - before

    def _meet(self, reach: Callable[[str, str], bytes]) -> None:
        """Pins whom a member introduced and whom the charter or an engagement names, by the inception given there."""
        named: dict[str, tuple[str, str, str]] = {}
        register = self.register
        for one in register.directory.parties if register.directory else ():
            named[one.id] = (one.inception, one.origin, one.address)
        for stated in register.stated.values():
            act = stated.act
            if isinstance(act, acts.Introduce) and (act.author in register.members or act.author == self.me):
                named.setdefault(act.party, (act.inception, act.origin, act.address))
            if isinstance(act, acts.Introduce) and act.party == self.me:
                for member in act.members:  # the introducer was compared in words; it names the others
                    named.setdefault(member.party, (member.inception, member.origin, member.address))
            if isinstance(act, acts.Propose) and isinstance(act.what, acts.Engagement) and act.what.party == self.me:
                for member in act.what.members:
                    named.setdefault(member.party, (member.inception, member.origin, member.address))
        for party, (inception, origin, address) in sorted(named.items()):
            if party != self.me and party not in self.peers():
                try:
                    self.pin(reach(address, origin), "introduced", inception)
                except (Unavailable, NotFound):
                    continue  # next time

    def _receive(self) -> None:
        """A receipt for each release to our people: it matches what we vouched for, or it is disputed. One more when the package opened."""
        opened = {str(row[0]) for row in self.store.query("SELECT release FROM opened")}
        for release in list(self.register.releases.values()):
            if release.terms.to.party != self.me or release.party == self.me:
                continue
            mine = [self.register.stated[act].act for party, act, _ in release.receipts if party == self.me]
            told = any(isinstance(one, acts.Receipt) and one.opened for one in mine)
            if mine and (told or release.act not in opened):
                continue
            rows = self.store.query("SELECT class FROM vouched WHERE pseudonym = $1", (release.terms.person,))
            matches = msgspec.json.encode(release.terms.to, order="sorted") in {bytes(row[0]) for row in rows}
            why: str | UnsetType = UNSET if matches else "this node vouched for no such person or class"
            self.write(
                self.draft(
                    "receipt",
                    release=release.act,
                    outcome="matches" if matches else "disputed",
                    opened=release.act in opened,
                    why=why,
                )
            )

    def opened(self, release: str) -> None:
        """The own person's client says that the package of this release opened."""
        self.store.execute(
            "INSERT INTO opened (release, at) VALUES ($1, $2) ON CONFLICT DO NOTHING", (release, self.clock())
        )

    def _settle(self) -> None:
        """Each member tells the outsider bound by a proposal how it came out."""
        for proposal in list(self.register.slots.values()):
            if (
                not proposal.subject.startswith("engagement/")
                or self.me not in self.register.members
                or proposal.state not in {"in_force", "dead"}
            ):
                continue
            if self.me not in proposal.settled:
                self.write(
                    self.draft("settle", proposal=proposal.id, outcome=proposal.state, common=self.register.common)
                )

    def _disclose(self) -> None:
        """What was registered before an engagement is opened to the engaged party once its label names it."""
        register, day = self.register, _day(self.clock())
        own = register.scans[self.origin]
        told: dict[str, set[int]] = defaultdict(set)
        for one in own.stated:
            if isinstance(one.act, acts.Disclose):
                told[one.act.to] |= set(one.act.entries)
        for engagement in register.engagements.values():
            party = register.parties.get(engagement.terms.party)
            if party is None or engagement.state(day) != "in_force" or self.me not in register.members:
                continue
            wanted: list[int] = []
            for versions in register.items.values():
                for item in versions:
                    if item.party != self.me or party.id not in self._audience(
                        item.id, item.facts.project, item.facts.areas, item.label, item.facts.owners
                    ):
                        continue
                    for one in own.stated:
                        if not isinstance(one.act, acts.RegisterItem | acts.Relabel):
                            continue
                        if (one.act.item, one.act.version) != (item.id, item.version):
                            continue
                        if not acts.open_to(one.act, party.id) and one.index not in told[party.id]:
                            wanted.append(one.index)
            if wanted:
                self.write(self.draft("disclose", to=party.id, entries=tuple(sorted(wanted))))

    def _uncovered(self) -> bool:
        """Whether a mirrored ledger holds something that is no acknowledgement and that our newest acknowledge does not cover, or an hour has passed."""
        if not (self.register.partnership or self._founding()):
            return False
        last = self.register.acks.get(self.me)
        covered = {head.origin: head.size for head in last[1].heads} if last else {}
        for pinned in self.peers().values():
            entries = self._entries.get(pinned.origin, ())
            if any(
                one.index >= covered.get(pinned.origin, 0) and not isinstance(one.act, acts.Acknowledge)
                for one in entries[-READ_MAX:]
            ):
                return True
        return last is not None and self.clock() - last[1].at > HOUR_MS

    def acknowledge(self) -> str:
        """What this node has durably ingested of each ledger, and the common digest at that sight; returns the act's id."""
        with self.lock:
            heads = []
            for pinned in sorted(self.peers().values(), key=lambda p: p.origin):
                head = self._held_head(pinned)
                if head is None or self._clock_ahead(pinned.origin):
                    continue
                size, root, note, seen = head
                signature = _log_signature(note, self.verifier(pinned))
                heads.append(
                    acts.Seen(origin=pinned.origin, size=size, root=root.hex(), seen=seen, signature=signature)
                )
            owed = tuple(
                acts.Owed(origin=self.register.party(party).origin, entries=rows)
                for party, rows in sorted(self.register.owed.items())
            )
            draft = self.draft("acknowledge", heads=tuple(heads), owed=owed, common=self.register.common)
            self.write(draft)
            return acts.act_id(acts.write(draft))

    def _held_head(self, pinned: Pinned) -> tuple[int, bytes, bytes, int] | None:
        head = self.store.head(pinned.origin)
        if head is not None and head.note:
            return head.size, head.root, head.note, head.seen
        rows = self.store.query("select size, root, note, seen from part_heads where origin = $1", (pinned.origin,))
        return (int(rows[0][0]), bytes(rows[0][1]), bytes(rows[0][2]), int(rows[0][3])) if rows else None

    def _clock_ahead(self, origin: str) -> bool:
        """One wrong clock must not drag all: a ledger dated far ahead is not acknowledged until our clock has reached it."""
        scan = self.register.scans.get(origin)
        return scan is not None and scan.time > self.clock() + AHEAD_MS_MAX

    def sight(self) -> str:
        """An own acknowledge that covers everything stored: what a release may name. Written when the last one is behind or its sight is old."""
        with self.lock:
            last = self.register.acks.get(self.me)
            current = {p.origin: held for p in self.peers().values() if (held := self._held_head(p)) is not None}
            named = {head.origin: head for head in last[1].heads} if last else {}
            for origin, (size, _, _, seen) in current.items():
                if origin not in named or named[origin].size != size or seen - named[origin].seen > HOUR_MS:
                    return self.acknowledge()
            return last[0] if last else self.acknowledge()

    # ---- what the node serves --------------------------------------------------------------------------------------------------------

    def openings_for(self, reader: str, since: int, also: Sequence[int], size: int, *, proofs: bool) -> list[Delivered]:
        """Entries of the own ledger that this reader may open: from `since` on, and of `also` those that are its."""
        entries = self._entries.get(self.origin, [])
        disclosed = {
            index
            for one in self.register.scans[self.origin].stated
            if isinstance(one.act, acts.Disclose) and one.act.to == reader
            for index in one.act.entries
        }
        wanted = set(also)
        found = []
        for one in entries[: min(size, len(entries))]:
            if (
                (one.index < since and one.index not in wanted)
                or one.act is None
                or one.salt is None
                or one.envelope is None
            ):
                continue
            if acts.open_to(one.act, reader) or one.index in disclosed:
                proof = tuple(self.log.tree.inclusion(one.index, size)) if proofs else ()
                found.append(
                    Delivered(index=one.index, leaf=one.leaf, salt=one.salt, envelope=one.envelope, proof=proof)
                )
        return found

    def inception(self) -> bytes:
        """Entry 0 as its envelope: what an invitation carries."""
        first = self._entries[self.origin][0]
        assert first.envelope is not None
        return first.envelope

    def put_text(self, data: bytes) -> str:
        """A text by its digest."""
        return self.objects.put(data).hex()

    def save_config(self, **changes: Any) -> None:
        self.config = msgspec.structs.replace(self.config, **changes)
        self._register = None


def _answered(act: Act) -> str | None:
    """The act that this one amends, revokes, suspends or answers: its readers must be able to read this one too."""
    match act:
        case acts.Consent() | acts.Refuse() | acts.Return() | acts.Settle():
            return act.proposal
        case acts.Suspend():
            return act.engagement
        case acts.Lift():
            return act.suspend
        case acts.Revoke():
            return act.act
        case acts.Receipt() | acts.Recall() | acts.Answer():
            return act.release
        case _:
            return None


def _channel_info(author: str, reader: str) -> bytes:
    return f"relto channel v1\0{author}\0{reader}".encode()


def _log_signature(note: bytes, verifier: Verifier) -> bytes:
    """The log's own Ed25519 signature out of a checkpoint note."""
    for signature in parse_note(note).signatures:
        if (signature.name, signature.key_id) == (verifier.name, verifier.key_id):
            return bytes(signature.value)
    raise Forged("the checkpoint does not carry its ledger's signature")


def _day(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).date().isoformat()
