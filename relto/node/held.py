"""What a node holds: its own ledger, what it mirrors of the others, the texts they name, and the register that follows.

Memory is read from the store once and then grows with it. An opening that does not fit its leaf stays out and is shown:
it is evidence, not an act.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, UnsetType

from relto import acts
from relto.acts import Entry, Register
from relto.errors import Forged, Malformed, NotFound, Refused, ReltoError
from relto.keys import OpeningKey, PublicKey, Random, SecretKey, Unwrapper
from relto.ledger import (
    Cosigner,
    Log,
    OpenCheckpoint,
    Tree,
    Verifier,
    is_tagged,
    open_published,
    tree_of,
    witness_name,
)
from relto.node.config import Config
from relto.store import Objects, Sqlite

READ_MAX = 4096  # entries read or fetched at once

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
    def publish(self) -> Cosigner: ...
    @property
    def witness(self) -> Cosigner: ...
    @property
    def opening(self) -> OpeningKey: ...
    @property
    def access(self) -> tuple[Unwrapper, ...]: ...
    @property
    def pseudonyms(self) -> bytes: ...


class Pinned(Struct, frozen=True, kw_only=True):
    """A party whose inception this node knows to be its own. envelope: entry 0 of the ledger that it writes now."""

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
        assert isinstance(act, acts.Inception | acts.Epoch)
        return act.keys


class Held:
    """See the module. `register` is what holds now, of everything stored, acknowledged or not."""

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
        self._trees: dict[str, Tree] = {}
        self._cosigned_at: dict[str, int] = {}  # party -> size of ours that its witness is known to have cosigned last
        self._register: Register | None = None
        self._peers: dict[str, Pinned] | None = None
        self._channel_keys: dict[str, bytes] = {}  # reader -> the key by which this ledger's leaves are tagged for it
        self._held: dict[str, bytes] = {}
        self._names: set[str] = set()
        self._problems: dict[str, str] = {}
        self._disclosed: dict[str, set[int]] = defaultdict(set)  # reader -> own entries that a disclose opens to it
        self._sights: list[acts.Seen] = []  # what partners acknowledge, not yet compared with what is here
        self._evidence: dict[str, str] = {}  # openings that are not what their leaves commit to
        self.recovering = ""  # why nothing may be signed; relto/node/recovery.py
        self._read_all()

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

    @property
    def settled(self) -> bool:
        """Whether `register` is at hand: nothing has come since it was derived. Taken without the lock."""
        return self._register is not None

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

    # ---- peers

    def peers(self) -> dict[str, Pinned]:
        """By party. Kept from the first reading on: they change where one is pinned, or goes on in another ledger."""
        if self._peers is None:
            self._peers = self._read_peers()
        return dict(self._peers)

    def _read_peers(self) -> dict[str, Pinned]:
        rows = self.store.query("select party, inception, origin, address, envelope, how from peers order by party")
        return {
            row[0]: Pinned(
                party=row[0], inception=row[1], origin=row[2], address=row[3], envelope=bytes(row[4]), how=row[5]
            )
            for row in rows
        }

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

    def verifier(self, pinned: Pinned) -> Verifier:
        return log_verifier(pinned.origin, pinned.keys)

    def entry(self, origin: str, index: int) -> Entry:
        """An entry of a ledger as it is held here, open or not. Raises: NotFound."""
        for one in self._entries.get(origin, ()):
            if one.index == index:
                return one
        raise NotFound(f"there is no entry {index} of `{origin}` here", hint="`relto ledger show` lists them")

    def tree(self, origin: str) -> Tree:
        """The tree of a ledger that is held whole; what it has computed of full tiles is kept."""
        if origin not in self._trees:
            self._trees[origin] = tree_of(self.store, origin)
        return self._trees[origin]

    def head_keys(self, pinned: Pinned) -> tuple[Verifier | None, tuple[Verifier, ...]]:
        """What a checkpoint of this party is checked with beside `verifier`.

        The ML-DSA-44 half of its log key, which must have signed, and the witness keys of all whose lines are kept.
        """
        known = [(self.origin, self.register.scans[self.origin].keys)] if self.origin != pinned.origin else []
        known += [(one.origin, self.keys_of(one)) for one in self.peers().values() if one.origin != pinned.origin]
        cosigners = [key for origin, keys in known if keys is not None for key in witness_verifiers(origin, keys)]
        return post_quantum(pinned.origin, pinned.keys), tuple(cosigners)

    def open_head(self, pinned: Pinned, note: bytes) -> OpenCheckpoint:
        """A checkpoint that a party's node shows, signed by both halves of its log key where its chain has both.

        Raises: Forged, Malformed.
        """
        opened = open_published(note, self.verifier(pinned), *self.head_keys(pinned))
        if opened.checkpoint.origin != pinned.origin:
            raise Forged(f"`{pinned.party}` shows the checkpoint of another ledger, `{opened.checkpoint.origin}`")
        return opened

    def problems(self) -> dict[str, str]:
        """origin -> what its ledger did wrong, as last seen here."""
        return {**self._problems, **self._evidence}

    def held_entries(self, origin: str) -> Sequence[Entry]:
        """What is held of a ledger, in order."""
        return self._entries.get(origin, ())

    def held_size(self, pinned: Pinned) -> int:
        """The size of the newest checkpoint that is held of a party's ledger; 0 before the first."""
        head = self.store.head(pinned.origin)
        if head is not None and head.note:
            return head.size
        rows = self.store.query("SELECT size FROM part_heads WHERE origin = $1", (pinned.origin,))
        return int(rows[0][0]) if rows else 0

    def note_refusal(self, party: str, at: int, size: int, problem: str) -> None:
        """What a party says it refused of this ledger; an empty problem takes it back."""
        if not problem:
            self.store.execute("DELETE FROM refusals WHERE party = $1 AND at <= $2", (party, at))
            return
        self.store.execute(
            "INSERT INTO refusals (party, at, size, problem) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (party) DO UPDATE SET at = $2, size = $3, problem = $4 WHERE refusals.at <= $2",
            (party, at, size, problem),
        )

    # ---- from the store into memory

    def _read_all(self) -> None:
        for origin in self.store.origins():
            self._read_log(origin)
        for (origin,) in self.store.query("SELECT DISTINCT origin FROM parts ORDER BY origin"):
            self._read_parts(origin)
        # What a ledger did wrong stays an alarm until its node was fetched well again; a fork stands in the ledgers.
        self._problems |= {
            str(origin): str(problem)
            for origin, problem in self.store.query(
                "SELECT a.origin, a.problem FROM alarms a LEFT JOIN peers p ON p.origin = a.origin"
                " LEFT JOIN contacts c ON c.party = p.party WHERE c.kind IS NULL OR c.kind <> '' ORDER BY a.at"
            )
            if not self._over(str(origin))  # of a ledger that its party has left behind
        }
        for (why,) in self.store.query("SELECT why FROM recovering WHERE origin = $1", (self.origin,)):
            self.recovering = str(why)

    def _over(self, origin: str) -> bool:
        """Whether another ledger of the same place is the one that its party writes now."""
        return any(acts.is_later(one, origin) for one in (self.origin, *(p.origin for p in self.peers().values())))

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

    def _read_parts(self, origin: str) -> None:
        self._entries[origin] = []
        self._tag_keys.pop(origin, None)
        for index, leaf, salt, envelope in self.store.query(
            "SELECT idx, leaf, salt, envelope FROM parts WHERE origin = $1 ORDER BY idx", (origin,)
        ):
            self._take(origin, index, leaf, (salt, envelope))
        self._register = None

    def _take(self, origin: str, index: int, leaf: bytes, opening: tuple[bytes, bytes] | None) -> Entry:
        """One more entry into memory; an opening that does not hold is kept out and shown."""
        try:
            one = acts.entry(origin, index, leaf, opening, mine=self._is_mine(origin, leaf))
        except (Malformed, Forged) as error:
            self._evidence[origin] = f"entry {index}: {error.message}"
            one = acts.entry(origin, index, leaf, None, mine=True)
        self._entries[origin].append(one)
        if origin == self.origin and isinstance(one.act, acts.Disclose):
            self._disclosed[one.act.to] |= set(one.act.entries)
        self._names |= texts_of(one.act)
        if origin != self.origin and isinstance(one.act, acts.Acknowledge):
            self._sights += one.act.heads
        if (
            isinstance(one.act, acts.Channel)
            and one.act.reader == self.me
            and self.keys is not None
            and origin != self.origin
        ):
            try:
                self._tag_keys[origin].append(
                    self.keys.opening.open(channel_info(one.act.author, self.me), one.act.sealed)
                )
            except ReltoError as error:
                self._evidence[origin] = f"entry {index}: its tag key does not open: {error.message}"
        return one

    def _is_mine(self, origin: str, leaf: bytes) -> bool:
        own = origin == self.origin or acts.is_later(self.origin, origin)
        return own or any(is_tagged(leaf, key) for key in self._tag_keys.get(origin, ()))

    def _grow(self, added: Sequence[Entry]) -> None:
        """The register after more entries; anew when an opening came late or a text arrived."""
        if self._register is not None and all(
            one.index >= self._register.scans[one.origin].size for one in added if one.origin in self._register.scans
        ):
            self._register = acts.extend(self._register, added, self._texts())
        else:
            self._register = None

    def _texts(self) -> dict[str, bytes]:
        """All texts by digest. They are few (charters, packs, lists), never change, and the fold reads them."""
        for digest in self._named() - self._held.keys():
            if self.objects.has(bytes.fromhex(digest)):
                self._held[digest] = self.objects.get(bytes.fromhex(digest))
        return self._held

    def _named(self) -> set[str]:
        """Digests of the texts that acts name."""
        return self._names

    def begin_recovering(self, why: str) -> None:
        """From here on nothing is signed until the partners have said what they hold of this ledger."""
        self.store.execute(
            "INSERT INTO recovering (origin, since, why) VALUES ($1, $2, $3) ON CONFLICT (origin) DO NOTHING",
            (self.origin, self.clock(), why),
        )
        self.recovering = self.recovering or why

    def recovering_since(self) -> int | None:
        """When this node began to recover (ms); None while it does not."""
        rows = self.store.query("SELECT since FROM recovering WHERE origin = $1", (self.origin,))
        return int(rows[0][0]) if rows else None

    def must_not_recover(self) -> None:
        """Raises: Refused while this node is recovering."""
        if self.recovering:
            raise Refused(
                f"this node is recovering and signs nothing: {self.recovering}",
                hint="`relto node recover` says what is missing",
            )

    def _alarm(self, origin: str, problem: str) -> None:
        self._problems[origin] = problem
        self.store.execute(
            "insert into alarms (origin, at, problem) values ($1, $2, $3) on conflict do nothing",
            (origin, self.clock(), problem),
        )


def log_verifier(origin: str, keys: acts.KeySet) -> Verifier:
    """The key that a ledger's commits are signed by."""
    return Verifier.of_log(PublicKey(name=origin, ed25519=keys.log.ed25519))


def post_quantum(origin: str, keys: acts.KeySet) -> Verifier | None:
    """The key that signs beside it whatever that ledger publishes, where the party's chain has one."""
    second = keys.log.mldsa44
    return None if isinstance(second, UnsetType) else Verifier.of_post_quantum(origin, second)


def witness_verifiers(origin: str, keys: acts.KeySet) -> tuple[Verifier, ...]:
    """The keys by which the party with this ledger cosigns others' ledgers."""
    second = keys.witness.mldsa44
    return Verifier.of_witness(
        witness_name(origin), keys.witness.ed25519, None if isinstance(second, UnsetType) else second
    )


def texts_of(act: acts.Act | None) -> set[str]:
    """Digests of the texts that an act names."""
    if isinstance(act, acts.Propose) and isinstance(act.what, acts.CharterText | acts.Admission | acts.Expulsion):
        return {act.what.charter, act.what.parties}
    if isinstance(act, acts.Catalogue):
        return {act.table}
    return {act.pack} if isinstance(act, acts.Adopt) else set()


def channel_info(author: str, reader: str) -> bytes:
    return f"relto channel v1\0{author}\0{reader}".encode()


def day_of(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).date().isoformat()
