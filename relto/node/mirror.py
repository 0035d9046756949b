"""Taking in another party's ledger: fetched, verified, then stored.

Members mirror each other entry by entry; an outsider takes the entries open to it, each proven against the head. A
rewind, a fork or damage is kept as an alarm and nothing of it is stored; a fork is written with its proof into our own
ledger.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Final, Protocol, runtime_checkable

from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.errors import Forged, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.keys import verify_ed25519
from relto.ledger import (
    EMPTY_ROOT,
    Checkpoint,
    Fork,
    Head,
    Note,
    Opening,
    Signature,
    Tree,
    Verifier,
    add_openings,
    create_mirror,
    extend_mirror,
    grow_mirror,
    last_shared,
    leaf_hash,
    open_checkpoint,
    prove_fork,
    tree_of,
    verify_consistency,
    verify_inclusion,
)
from relto.ledger.log import EXTEND_MAX
from relto.node import growth, joining
from relto.node.author import Author
from relto.node.held import READ_MAX, Pinned

OPENINGS_BYTES_MAX: Final = 512 * 1024 * 1024  # of the openings for one step, as they travel


class Delivered(Struct, frozen=True, kw_only=True):
    """An opening as it travels: with its leaf and, for a reader without the whole ledger, proof that it is there."""

    index: int
    leaf: bytes
    salt: bytes
    envelope: bytes
    proof: tuple[bytes, ...] = ()


class Peer(Protocol):
    """Another party's node, however it is reached. Every answer is verified by the caller."""

    party: str
    at: int | None  # ms; when its maker stated what a carried file says; None for a node that answers now

    def head(self) -> bytes: ...
    def leaves(self, start: int, stop: int) -> list[bytes]: ...
    def openings(self, since: int, also: Sequence[int], size: int) -> list[Delivered]: ...
    def consistency(self, old: int, new: int) -> list[bytes]: ...
    def object(self, digest: str) -> bytes: ...


@runtime_checkable
class Reachable(Protocol):
    """A peer that can be asked which ledger it writes now; a carried file cannot."""

    def inception(self) -> bytes: ...
    def follow(self, pinned: Pinned) -> None: ...


def _tree_of(peer: Peer, size: int) -> Tree:
    """The tree that a node serves; only its hashes are kept."""
    hashes: list[bytes] = []
    while len(hashes) < size:
        got = peer.leaves(len(hashes), min(size, len(hashes) + READ_MAX))
        if not got:
            raise Unavailable(f"`{peer.party}` shows size {size} and serves entries up to {len(hashes)}")
        hashes += [leaf_hash(leaf) for leaf in got]
    return Tree(lambda start, stop: hashes[start:stop])


def _kind_of(error: Forged) -> str:
    """The word for what a ledger did wrong."""
    if "two histories" in error.message or "signed two trees" in error.message:
        return "forked"
    return "rewound" if "never shrinks" in error.message else "damaged"


class Mirror(Author):
    """See the module. The lock is not held while the network answers."""

    @cached_property
    def _ahead(self) -> dict[str, list[tuple[int, str, bytes]]]:
        """origin -> heads that partners acknowledge and that are larger than what is here, the smallest first."""
        return defaultdict(list)

    def whole(self) -> bool:
        """Whether this node mirrors others entry by entry: who signed the charter does, an outsider gets parts."""
        if self.me in self.register.signatories or self._invited():
            return True
        return self.register.charter is None and not self.config.pin

    def _invited(self) -> bool:
        return joining.invited(self.register, self.me, self._charters_proposed())

    def _ingest(self, peer: Peer, pinned: Pinned) -> int:
        try:
            return self._ingest_from(peer, pinned)
        except ReltoError:
            # It may write another ledger by now; whatever else is wrong is wrong with the one that is pinned.
            later = self._successor(peer, pinned)
            if later is None or not isinstance(peer, Reachable):
                raise
            peer.follow(later)
            return self._ingest_from(peer, later)

    def _successor(self, peer: Peer, pinned: Pinned) -> Pinned | None:
        """The ledger in which a party goes on, pinned in place of the one before; None when its node shows no other.

        Raises: Forged for one that is not its, or that leaves out what it must not.
        """
        if not isinstance(peer, Reachable):
            return None
        try:
            envelope = peer.inception()
            act, _, signed = acts.open_act(envelope)
        except ReltoError:
            return None
        if not isinstance(act, acts.Epoch) or act.former.origin != pinned.origin:
            return None
        with self.lock:
            why = acts.epoch_fault(act, self.register.scans.get(pinned.origin))
            if not acts.satisfied(signed, act.keys, "root") or not acts.is_later(act.log, pinned.origin):
                why = why or "it is not signed by the root keys that it names"
            why = why or self._left_out(pinned, act.former.size)
            if why:
                raise Forged(f"`{pinned.party}` would go on in `{act.log}`: {why}")
            renewed = self.keys_of(pinned).opening != act.keys.opening
            self.store.execute(
                "UPDATE peers SET origin = $2, address = $3, envelope = $4 WHERE party = $1",
                (pinned.party, act.log, act.address, envelope),
            )
            self._peers = None
            self._problems.pop(pinned.origin, None)
            later = self.peers()[pinned.party]
            if renewed:
                self.store.execute("DELETE FROM channels WHERE reader = $1", (pinned.party,))
                self._open_channel(later.party, later.inception, act.keys.opening)
            return later

    def _left_out(self, pinned: Pinned, size: int) -> str:
        """Why a ledger that takes over so much must not be acknowledged: docs/decisions/0088-epochs.md."""
        state = self.register.parties.get(pinned.party)
        if state is not None and state.confirmed > size:
            return f"it leaves out entries from {size} on, and the members have confirmed {state.confirmed}"
        frozen = None if state is None else state.frozen_at
        held = self.held_size(pinned)
        if held > size and (frozen is None or frozen > size):
            return f"it leaves out entries from {size} on, and {held} are here"
        return ""

    def _ingest_from(self, peer: Peer, pinned: Pinned) -> int:
        if not self.whole():
            return self._ingest_parts(peer, pinned)
        try:
            return self._ingest_whole(peer, pinned)
        except NotFound:
            # Who is to come in is served whole by those who have agreed to it, and in parts by the others.
            head = self.store.head(pinned.origin)
            if not self._invited() or (head is not None and head.size):
                raise
            return self._ingest_parts(peer, pinned)

    def ingest(self, peer: Peer) -> int:
        """Fetches, verifies, stores; returns the number of new entries and openings.

        Raises: Forged (rewind, fork, damage: kept as an alarm, nothing stored), Unavailable.
        """
        pinned = self.peers().get(peer.party)
        if pinned is None:
            raise Refused(f"`{peer.party}` is not pinned here", hint="`relto node join` pins a party")
        try:
            count = self._ingest(peer, pinned)
        except Forged as error:
            with self.lock:
                self._alarm(pinned.origin, error.message)
                self._note_contact(peer, _kind_of(error), error.message)
            raise
        except ReltoError as error:
            # A file that cannot be used says nothing about its maker's node.
            if peer.at is None:
                with self.lock:
                    self._note_contact(
                        peer, "damaged" if isinstance(error, Malformed | Refused) else "silent", error.message
                    )
            raise
        with self.lock:
            self._note_contact(peer, "", "")
            self._problems.pop(
                self.peers()[peer.party].origin, None
            )  # it stands in `alarms`; a fork also in the ledgers
            self._compare_sights()
        self._fetch_texts(peer)
        return count

    def _note_contact(self, peer: Peer, kind: str, problem: str) -> None:
        """What became of the last fetch, for every surface that shows partners (relto/node/watch.py)."""
        tried = self._sighted(peer.at)
        self.store.execute(
            "INSERT INTO contacts (party, tried, answered, kind, problem) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (party) DO UPDATE SET tried = $2, kind = $4, problem = $5,"
            " answered = CASE WHEN $3 > contacts.answered THEN $3 ELSE contacts.answered END"
            " WHERE contacts.tried <= $2",
            (peer.party, tried, 0 if kind == "silent" else tried, kind, problem[:500]),
        )

    def _ingest_whole(self, peer: Peer, pinned: Pinned) -> int:
        verifier, origin = self.verifier(pinned), pinned.origin
        with self.lock:
            if self.store.head(origin) is None:
                create_mirror(self.store, origin)
                self._entries.setdefault(origin, [])
            head = self.store.head(origin)
            parts = head is not None and not head.size and bool(self._entries[origin])
            also = self._unopened(origin)
        assert head is not None
        note = peer.head()
        to = self.open_head(pinned, note).checkpoint
        if to.size < head.size or (to.size == head.size and to.root != head.root):
            self._look_for_fork(peer, verifier, head, note, to)
        if to.size < head.size:
            # Whatever became of the search for a proof: only an older file that fits what is here is no rewind.
            if peer.at is None:
                raise Forged(f"`{origin}` shows size {to.size} after size {head.size}: a ledger never shrinks")
            if self.tree(origin).root(to.size) != to.root:
                raise Forged(f"`{origin}` signed two histories (sizes {head.size} and {to.size})")
            return self._late_openings(peer, pinned, head, also)
        if to.size == head.size and peer.at is not None and self.store.staged(origin) is not None:
            return self._late_openings(peer, pinned, head, also)
        note, to, newer = self._first_goal(peer, pinned, note, to)
        if to.size == head.size and not also:
            with self.lock:
                self._store(pinned, note, [], [], peer.at)
            return 0
        taken, leaves = self._approach(peer, pinned, note, to)
        if leaves is None:
            return taken
        stood = growth.stood(self.store, head)
        if stood.edge.extend([leaf_hash(leaf) for leaf in leaves]).root() != to.root:
            self._look_for_fork(peer, verifier, head, note, to)  # only now is it worth fetching everything
        opened = [(one.index, one.salt, one.envelope) for one in peer.openings(stood.size, also, to.size)]
        fresh = [one for one in opened if one[0] >= stood.size or one[0] in also]
        with self.lock:
            now = self.store.head(origin)
            if now is None or now.size != head.size or growth.stood(self.store, now).size != stood.size:
                return 0  # another round stored it meanwhile
            self._store(pinned, note, leaves, fresh, peer.at)
            if parts:
                self._forget_parts(origin)
            if parts or stood.size > head.size or any(index < head.size for index, _, _ in fresh):
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
        return taken + len(leaves) + len(fresh) + (self._ingest_whole(peer, pinned) if newer else 0)

    def _first_goal(self, peer: Peer, pinned: Pinned, note: bytes, to: Checkpoint) -> tuple[bytes, Checkpoint, bool]:
        """Where a mirror goes first, and whether there is a newer checkpoint after that.

        Raises: Forged when what its ledger shows now contradicts what it set out for.
        """
        staged = self.store.staged(pinned.origin)
        if staged is None:
            return note, to, False
        first = self.open_head(pinned, staged.note).checkpoint
        if to == first:
            return note, to, False
        if to.size > first.size:
            return staged.note, first, True
        if to.size == first.size:
            proof = prove_fork(self.verifier(pinned), staged.note, note, self.tree(pinned.origin))
            if proof is not None:
                self._accuse(pinned.origin, proof)
            raise Forged(
                f"`{pinned.origin}` signed two histories (sizes {first.size} and {to.size}):"
                " a fork, and the proof is in our ledger"
            )
        if peer.at is not None:
            raise Refused(
                f"`{pinned.origin}` is on its way to size {first.size} here, and this bundle ends at {to.size}",
                hint="ask for a newer one",
            )
        raise Forged(f"`{pinned.origin}` shows size {to.size} after size {first.size}: a ledger never shrinks")

    def _approach(self, peer: Peer, pinned: Pinned, note: bytes, to: Checkpoint) -> tuple[int, list[bytes] | None]:
        """Stores all of the way to a checkpoint but its last step; how many entries these were, and the last step's.

        None instead of those when the round is over before, or another one stores the same meanwhile.
        """
        second, cosigners = self.head_keys(pinned)
        prove, taken = growth.prover(peer, self.store, to), 0
        for _ in range(growth.STEPS_MAX):
            held = self.store.head(pinned.origin)
            assert held is not None
            stood = growth.stood(self.store, held)
            leaves = growth.fetch_step(peer, stood.size, to.size)
            stop = stood.size + len(leaves)
            if stop == to.size:
                return taken, leaves
            proof = prove(stop, to.size)
            opened = [
                (one.index, one.salt, one.envelope)
                for one in peer.openings(stood.size, (), stop)
                if stood.size <= one.index < stop
            ]
            with self.lock:
                now = self.store.head(pinned.origin)
                if now is None or growth.stood(self.store, now) != stood:
                    return taken, None
                try:
                    grow_mirror(
                        self.store, self.verifier(pinned), note, leaves, proof, opened,
                        post_quantum=second, cosigners=cosigners,
                    )  # fmt: skip
                except Forged:
                    self._look_for_fork(peer, self.verifier(pinned), held, note, to)
                    raise
            taken += len(leaves)
        return taken, None

    def _forget_parts(self, origin: str) -> None:
        """What was held of a ledger before it was held whole; all of it is there again."""
        with self.store.transaction("parts"):
            self.store.execute("DELETE FROM parts WHERE origin = $1", (origin,))
            self.store.execute("DELETE FROM part_heads WHERE origin = $1", (origin,))

    def _late_openings(self, peer: Peer, pinned: Pinned, head: Head, also: Sequence[int]) -> int:
        """A carried file that is older than what is here: nothing is wrong with it, and openings may still be new."""
        wanted = set(also)
        fresh = [
            (one.index, one.salt, one.envelope)
            for one in peer.openings(head.size, also, head.size)
            if one.index in wanted
        ]
        if fresh:
            with self.lock:
                add_openings(self.store, pinned.origin, fresh)
                self._read_log(pinned.origin)
                self._register = None
        return len(fresh)

    def _store(
        self,
        pinned: Pinned,
        note: bytes,
        leaves: Sequence[bytes],
        openings: Sequence[Opening],
        at: int | None = None,
    ) -> None:
        """Verified once more, then stored; with nothing new the age of a sight still counts from here.

        at: when a carried file was made; it makes a sight no younger than that.
        """
        second, cosigners = self.head_keys(pinned)
        extend_mirror(
            self.store,
            self.verifier(pinned),
            note,
            leaves,
            openings,
            seen=self._sighted(at),
            post_quantum=second,
            cosigners=cosigners,
        )

    def _sighted(self, at: int | None) -> int:
        return self.clock() if at is None else max(0, min(at, self.clock()))

    def _ingest_parts(self, peer: Peer, pinned: Pinned) -> int:
        """What an outsider is served: a head proven to extend the last one, and openings proven to stand under it."""
        origin = pinned.origin
        with self.lock:
            rows = self.store.query("SELECT size, root FROM part_heads WHERE origin = $1", (origin,))
            old_size, old_root = (int(rows[0][0]), bytes(rows[0][1])) if rows else (0, EMPTY_ROOT)
            held = {one.index for one in self._entries.get(origin, ())}
            also = [index for index in self._unopened(origin) if index not in held]
        opened = self.open_head(pinned, peer.head())
        to, note = opened.checkpoint, opened.note()
        if to.size < old_size and peer.at is not None:
            return 0  # an older file; without the tree there is nothing to compare it with
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
                    "INSERT INTO parts (origin, idx, leaf, salt, envelope)"
                    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                    (origin, one.index, one.leaf, one.salt, one.envelope),
                )
            self.store.execute(
                "INSERT INTO part_heads (origin, size, root, note, seen) VALUES ($1, $2, $3, $4, $5)"
                " ON CONFLICT (origin) DO UPDATE SET size = $2, root = $3, note = $4,"
                " seen = CASE WHEN part_heads.seen > $5 THEN part_heads.seen ELSE $5 END"
                " WHERE part_heads.size <= $2",
                (origin, to.size, to.root, note, self._sighted(peer.at)),
            )
        if fresh:
            with self.lock:
                self._read_parts(origin)
        return len(fresh)

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

    # ---- forks

    def _look_for_fork(self, peer: Peer, verifier: Verifier, head: Head, note: bytes, new: Checkpoint) -> None:
        """Two checkpoints by one ledger that contradict each other become a fork proof in our own ledger.

        Raises: Forged for a fork, and for a size that shrank in a node that answers now.
        """
        if not head.note:
            return
        old, own = open_checkpoint(head.note, verifier).checkpoint, tree_of(self.store, head.origin)
        try:
            if new.size <= old.size:
                proof = prove_fork(verifier, head.note, note, own)
            elif new.size > EXTEND_MAX:
                return  # too much to fetch for a proof; that it does not fit is refused all the same
            else:
                other = _tree_of(peer, new.size)
                proof = prove_fork(verifier, head.note, note, other) if other.root(old.size) != old.root else None
        except ReltoError:
            return
        if proof is not None:
            with contextlib.suppress(ReltoError):  # without the other history nobody can say how far they agree
                other = _tree_of(peer, new.size)
                trees = (own, other) if open_checkpoint(proof.first, verifier).checkpoint == old else (other, own)
                proof = last_shared(proof, verifier, *trees)
            self._accuse(head.origin, proof)
            raise Forged(
                f"`{head.origin}` signed two histories (sizes {old.size} and {new.size}):"
                " a fork, and the proof is in our ledger"
            )
        if new.size < old.size and peer.at is None:
            raise Forged(f"`{head.origin}` shows size {new.size} after size {old.size}: a ledger never shrinks")

    def _compare_sights(self) -> None:
        """What partners acknowledge of the others' ledgers, against what is mirrored of these here.

        A ledger may show each of its readers another history and never contradict itself to any of them. Its own
        signature stands in each acknowledge: with the checkpoint that is held here it makes the proof.
        """
        for seen in self._sights:
            heapq.heappush(self._ahead[seen.origin], (seen.size, seen.root, seen.signature))
        self._sights.clear()
        for origin, ahead in self._ahead.items():
            scan = self.register.scans.get(origin)
            while scan is not None and ahead and ahead[0][0] <= scan.size:
                size, root, signature = heapq.heappop(ahead)
                own = scan.root_at(size)  # None for a ledger that is held in parts
                if origin != self.origin and own is not None and own.hex() != root:
                    self._contradict(Checkpoint(origin=origin, size=size, root=bytes.fromhex(root)), signature)

    def _contradict(self, other: Checkpoint, signature: bytes) -> None:
        verifier, head = self.verifier(self.peer_by_origin(other.origin)), self.store.head(other.origin)
        if head is None or not verify_ed25519(verifier.public, other.text, signature):
            return  # nobody's word
        line = Signature(name=verifier.name, key_id=verifier.key_id, value=signature)
        note = Note(text=other.text, signatures=(line,)).encode()
        proof = prove_fork(verifier, note, head.note, tree_of(self.store, other.origin))
        if proof is not None:
            self._alarm(
                other.origin,
                f"`{other.origin}` signed two histories (sizes {other.size} and {head.size}): a partner was shown another",
            )
            if not self.recovering:
                self._accuse(other.origin, proof)

    def _accuse(self, origin: str, proof: Fork) -> None:
        """Once, and once more when it can be said how far both histories agree."""
        said = [one.act for one in self.register.scans[self.origin].stated if isinstance(one.act, acts.Fork)]
        if any(
            one.origin == origin and (proof.shared is None or not isinstance(one.shared, UnsetType)) for one in said
        ):
            return
        root = UNSET if proof.root is None else proof.root.hex()
        at = proof.shared
        shared: acts.Shared | UnsetType = UNSET
        if at is not None:
            shared = acts.Shared(size=at.size, root=at.root.hex(), to_first=at.first, to_second=at.second)
        self.write(
            self.draft(
                "fork",
                origin=origin,
                first=proof.first,
                second=proof.second,
                root=root,
                proof=proof.proof,
                shared=shared,
            )
        )

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
