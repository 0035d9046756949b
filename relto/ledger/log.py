"""The write path of a party's own log, mirrors of the others', and the check of either from stored bytes.

What it is not: a database. `Shelf` says what one must promise; `relto.store` keeps the promise.

Rules
* One transaction is the log: leaves, openings, the signed head and the node's own rows of the same decision become
  durable together or not at all. There is no staging area and no order of files to recover.
* A log is created explicitly, once. A missing one is never a new one: that is how restored machines fork their logs.
* Two kinds of failure. Before the commit nothing has changed (`Unavailable`, `Conflict`): tell the caller, go on. At
  the commit the outcome is unknown (`Fatal`): this `Log` refuses to go on, and `Log.load` reads the truth.
* Every leaf hash is computed twice, in two ways, before it is signed for: a flipped bit in a signed tree can never be
  repaired.
* What a mirror stores it has verified: signature, growth from its own stored edge, each opening against its leaf.

    >>> log = Log.create(shelf, key)                                                     # doctest: +SKIP
    >>> head = log.append([New(leaf=leaf, salt=salt, envelope=envelope)])                # doctest: +SKIP
    >>> extend_mirror(partners_shelf, Verifier.of_log(key.public), head.note, [leaf])    # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol, Self

from msgspec import Struct

from relto.errors import Conflict, Fatal, Forged, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.keys import Signer
from relto.ledger.leaf import Opening, check_opening, commit, commitment_of
from relto.ledger.merkle import EMPTY_ROOT, SIZE_MAX, Frontier, leaf_hash, leaf_hashes, verify_consistency
from relto.ledger.note import Checkpoint, Verifier, check_origin, open_checkpoint, open_published, sign_checkpoint
from relto.ledger.tiles import TILE_WIDTH, Tree, check_entries

APPEND_MAX: Final = 4096  # entries in one commit of a log
EXTEND_MAX: Final = 1 << 20  # entries that a mirror takes in one commit
_CHUNK: Final = 4096

Beside = Sequence[tuple[str, tuple[object, ...]]]


class Head(Struct, frozen=True, kw_only=True):
    """Where a log stands on a shelf.

    note: the signed checkpoint; empty in a mirror that has seen none yet. seen: when a mirror last had this head from
    the log itself (ms UTC).
    """

    origin: str
    size: int
    root: bytes
    note: bytes
    frontier: tuple[bytes, ...]
    seen: int = 0

    @property
    def edge(self) -> Frontier:
        """The frontier with its size."""
        return Frontier(size=self.size, hashes=self.frontier)


class Shelf(Protocol):
    """What must hold a log. Every method may raise `Unavailable`: nothing changed."""

    def head(self, origin: str) -> Head | None:
        """The last committed head."""
        ...

    def origins(self) -> list[str]:
        """Every log that was created here, sorted."""
        ...

    def leaves(self, origin: str, start: int, stop: int) -> list[bytes]:
        """Entries [start, stop); they end early where the first one is missing."""
        ...

    def hashes(self, origin: str, start: int, stop: int) -> list[bytes]:
        """Their leaf hashes, as the shelf computed them when it stored them."""
        ...

    def openings(self, origin: str, start: int, stop: int) -> list[Opening]:
        """The openings held for entries [start, stop), ascending."""
        ...

    def create(self, head: Head) -> None:
        """A log that is not there yet, with no entries; else `Conflict`."""
        ...

    def append(
        self,
        head: Head,
        expected_size: int,
        leaves: Sequence[bytes],
        openings: Sequence[Opening],
        beside: Beside,
        hashes: Sequence[bytes] | None = None,
    ) -> None:
        """Replace the head and add leaves from `expected_size` on, openings and statements: all or nothing.

        Durable when this returns. An opening that is there already is left alone. hashes: the leaf hashes that another
        party's head has proven, so that a mirror need not compute them again; None: the shelf computes its own. In a
        mirror that has staged entries the leaves are those after them, and the stage ends.

        Raises: Conflict when the stored size is not `expected_size`, an opening belongs to no entry, or a statement
        meets a constraint; Fatal when the outcome is unknown.
        """
        ...

    def staged(self, origin: str) -> Head | None:
        """What a mirror holds beyond its head; `note` is the checkpoint that it is on its way to."""
        ...

    def stage(
        self,
        head: Head,
        expected_size: int,
        leaves: Sequence[bytes],
        openings: Sequence[Opening],
        hashes: Sequence[bytes],
    ) -> None:
        """Add to what a mirror holds beyond its head, from `expected_size` on; otherwise as `append`."""
        ...


class New(Struct, frozen=True, kw_only=True):
    """An entry to append: the leaf, and the opening that its author keeps."""

    leaf: bytes
    salt: bytes
    envelope: bytes


class Report(Struct, frozen=True, kw_only=True):
    """What `verify_log` found.

    `problem` is empty when all is well; `index` is the first bad entry, None where no single one is to blame. since: how
    many entries were verified before and not again.
    """

    origin: str
    size: int
    since: int = 0
    openings: int = 0
    problem: str = ""
    index: int | None = None

    @property
    def sound(self) -> bool:
        """Whether the log is what its head says."""
        return not self.problem


def tree_of(shelf: Shelf, origin: str) -> Tree:
    """The tree of a stored log: roots, proofs and tiles up to its size."""
    return Tree(lambda start, stop: shelf.hashes(origin, start, stop))


# ── the own log ──


class Log:
    """A party's own log: one writer. `head` is what is durable."""

    __slots__ = ("_settled", "_shelf", "_signer", "head", "tree", "verifier")

    head: Head
    tree: Tree
    verifier: Verifier

    def __init__(self, shelf: Shelf, signer: Signer, head: Head) -> None:
        """Used by `create` and `load`, which know the head to be true."""
        self._shelf, self._signer, self.head = shelf, signer, head
        self.verifier, self.tree = Verifier.of_log(signer.public), tree_of(shelf, head.origin)
        self._settled = True

    @property
    def origin(self) -> str:
        """The log's name, which is its key's."""
        return self.head.origin

    @classmethod
    def create(cls, shelf: Shelf, signer: Signer) -> Self:
        """A new log, named like its key. Only a party that starts its ledger does this.

        Raises: Conflict when it exists.
        """
        origin = signer.public.name
        note = sign_checkpoint(Checkpoint(origin=origin, size=0, root=EMPTY_ROOT), signer)
        head = Head(origin=origin, size=0, root=EMPTY_ROOT, note=note, frontier=())
        shelf.create(head)
        return cls(shelf, signer, head)

    @classmethod
    def load(cls, shelf: Shelf, origin: str, signer: Signer) -> Self:
        """The log as it stands, its edge checked: signature, root, frontier, and the last bundle from its stored bytes.

        That is what appending rests on, and costs the same for any size; `verify_log` reads everything.
        Raises: NotFound; Refused when the key is another log's; Forged when the stored edge is not what its head says.
        """
        if signer.public.name != origin:
            raise Refused(f"`{signer.public.name}` is not the log key of `{origin}`")
        head = _head(shelf, origin)
        report = _check_edge(shelf, head, Verifier.of_log(signer.public))
        if not report.sound:
            raise Forged(report.problem, hint="let nothing sign for this log; restore it from a partner's mirror")
        return cls(shelf, signer, head)

    def append(self, entries: Sequence[New], beside: Beside = ()) -> Head:
        """Order these entries; they are durable when this returns.

        Raises: Malformed, Unavailable, Conflict: nothing has changed. Fatal: unknown; load again.
        """
        if not self._settled:
            raise Fatal(
                f"what became of the last append to `{self.origin}` is unknown",
                hint="load the log again, which reads the truth",
            )
        if not 1 <= len(entries) <= APPEND_MAX:
            raise Malformed(f"one append takes 1..{APPEND_MAX} entries, not {len(entries)}")
        for entry in entries:
            # Nobody could ever read a leaf of another form, nor take it out again.
            if commitment_of(entry.leaf) != commit(entry.salt, entry.envelope):
                raise Malformed("the opening of a new entry is not what its leaf commits to")
        old, leaves = self.head, [entry.leaf for entry in entries]
        before = old.edge
        edge = before.extend([leaf_hash(leaf) for leaf in leaves])
        # INVARIANT: two computations from the stored bytes agree before anything is signed (Yeti 2022: one bit of one
        # leaf hash flipped on its way into the tree; the log had to be retired).
        if _push_again(before, leaves) != edge:
            raise Fatal(
                "two computations of one tree differ: this machine cannot be trusted",
                hint="move the node to another machine",
            )
        checkpoint = Checkpoint(origin=old.origin, size=edge.size, root=edge.root())
        head = Head(
            origin=old.origin,
            size=edge.size,
            root=checkpoint.root,
            note=sign_checkpoint(checkpoint, self._signer),
            frontier=edge.hashes,
            seen=old.seen,
        )
        openings = [(old.size + i, entry.salt, entry.envelope) for i, entry in enumerate(entries)]
        # Whatever else leaves this call, a signal between commit and return among them, leaves the outcome unknown.
        self._settled = False
        try:
            self._shelf.append(head, old.size, leaves, openings, beside)
        except (Conflict, Unavailable):
            self._settled = True
            raise
        self.head, self._settled = head, True
        return head

    def proof(self, index: int) -> tuple[bytes, ...]:
        """The inclusion proof of an entry under the present head."""
        return tuple(self.tree.inclusion(index, self.head.size))


def _push_again(edge: Frontier, leaves: Sequence[bytes]) -> Frontier:
    """The new edge, leaf by leaf and with running hashes: shares nothing with `leaf_hash` and `Frontier.extend`."""
    row, size = list(edge.hashes), edge.size
    for leaf in leaves:
        running = hashlib.sha256(b"\x00")
        running.update(leaf)
        level = size
        while level & 1:
            running = hashlib.sha256(b"\x01" + row.pop() + running.digest())
            level >>= 1
        row.append(running.digest())
        size += 1
    return Frontier(size=size, hashes=tuple(row))


def _head(shelf: Shelf, origin: str) -> Head:
    head = shelf.head(origin)
    if head is None:
        raise NotFound(
            f"there is no log `{origin}` here", hint="a log is made once, by `relto node init` or `relto node join`"
        )
    return head


# ── mirrors ──


def create_mirror(shelf: Shelf, origin: str) -> Head:
    """An empty mirror of another party's log, at first contact.

    Raises: Conflict when there is one.
    """
    head = Head(origin=check_origin(origin), size=0, root=EMPTY_ROOT, note=b"", frontier=())
    shelf.create(head)
    return head


def extend_mirror(
    shelf: Shelf,
    verifier: Verifier,
    checkpoint_note: bytes,
    new_leaves: Sequence[bytes],
    openings: Sequence[Opening] = (),
    beside: Beside = (),
    *,
    hashes: Sequence[bytes] | None = None,
    seen: int = 0,
    post_quantum: Verifier | None = None,
    cosigners: Sequence[Verifier] = (),
) -> Head:
    """Store what a log has grown by, once it is proven to have only grown.

    new_leaves: all entries from the stored size, or from where `grow_mirror` came to, to the checkpoint's; hashes:
    their leaf hashes as the log's level 0 tiles give them, by which a damaged entry can be named; seen: the time of now
    (ms UTC); post_quantum: the ML-DSA-44 half of the log key, which must have signed too; cosigners: whose lines are
    kept. With an equal size only openings, cosignatures and `seen` are new. Also refills an own log that was lost.

    Raises: Forged naming origin and sizes, nothing stored; NotFound when there is no such mirror; Malformed; those of
    `Shelf.append`.
    """
    opened = open_published(checkpoint_note, verifier, post_quantum, cosigners)
    to, origin = opened.checkpoint, opened.checkpoint.origin
    head = _head(shelf, origin)
    if to.size < head.size:
        raise Forged(f"`{origin}` shows size {to.size} after size {head.size}: a log never shrinks")
    if to.size == head.size and to.root != head.root:
        raise Forged(
            f"`{origin}` signed two trees of size {to.size}", hint="keep both checkpoints: they are a fork proof"
        )
    stood = head if to.size == head.size else _stood(shelf, head)
    if len(new_leaves) > EXTEND_MAX or stood.size + len(new_leaves) != to.size:
        raise Malformed(f"{len(new_leaves)} entries do not lead `{origin}` from size {stood.size} to {to.size}")
    computed, edge = _extended(stood, new_leaves)
    if edge.root() != to.root:
        raise _differs(stood, to, computed, hashes)
    _check_each(shelf, stood, new_leaves, openings)
    stored = Head(
        origin=origin, size=to.size, root=to.root, note=opened.note(), frontier=edge.hashes, seen=max(seen, head.seen)
    )
    shelf.append(stored, head.size, new_leaves, openings, beside, computed)
    return stored


def grow_mirror(
    shelf: Shelf,
    verifier: Verifier,
    checkpoint_note: bytes,
    new_leaves: Sequence[bytes],
    proof: Sequence[bytes],
    openings: Sequence[Opening] = (),
    *,
    post_quantum: Verifier | None = None,
    cosigners: Sequence[Verifier] = (),
) -> Head:
    """Store a part of what a log has grown by, on the way to a checkpoint that is further than one commit.

    The head stays where it is until `extend_mirror` takes the last part. new_leaves: the entries after those that are
    here; proof: that the tree which ends with them begins the checkpoint's. One goes to the first checkpoint that one
    set out for, so that no checkpoint which a log signed is passed over. Returns where the mirror stands now.

    Raises: as `extend_mirror`.
    """
    opened = open_published(checkpoint_note, verifier, post_quantum, cosigners)
    to, origin = opened.checkpoint, opened.checkpoint.origin
    stood = _stood(shelf, _head(shelf, origin))
    if stood.note and shelf.staged(origin) is not None:
        first = open_checkpoint(stood.note, verifier).checkpoint
        if first != to:
            raise Conflict(f"the mirror of `{origin}` is on its way to size {first.size}", hint="go there first")
    size = stood.size + len(new_leaves)
    if not 0 < len(new_leaves) <= EXTEND_MAX or size >= to.size:
        raise Malformed(f"{len(new_leaves)} entries are no part of the way of `{origin}` to size {to.size}")
    computed, edge = _extended(stood, new_leaves)
    try:
        verify_consistency(edge.size, edge.root(), to.size, to.root, proof)
    except Forged as error:
        raise Forged(
            f"the entries {stood.size}..{size - 1} of `{origin}` do not stand under its checkpoint of size {to.size}:"
            " damaged on the way, or a fork"
        ) from error
    _check_each(shelf, stood, new_leaves, openings)
    staged = Head(origin=origin, size=size, root=edge.root(), note=opened.note(), frontier=edge.hashes)
    shelf.stage(staged, stood.size, new_leaves, openings, computed)
    return staged


def _stood(shelf: Shelf, head: Head) -> Head:
    """How far the entries of a mirror go: to its head, or beyond it while it grows."""
    return shelf.staged(head.origin) or head


def _extended(stood: Head, new_leaves: Sequence[bytes]) -> tuple[list[bytes], Frontier]:
    """The hashes of the new entries, and the edge after them."""
    if len(stood.frontier) != stood.size.bit_count() or stood.edge.root() != stood.root:
        raise Forged(
            f"the stored mirror of `{stood.origin}` is damaged at size {stood.size}",
            hint="`relto ledger verify` says where",
        )
    check_entries(new_leaves)
    computed = leaf_hashes(new_leaves)
    return computed, stood.edge.extend(computed)


def _check_each(shelf: Shelf, stood: Head, new_leaves: Sequence[bytes], openings: Sequence[Opening]) -> None:
    """Each opening against its leaf, new or stored. Raises: Forged; NotFound where there is no such entry."""
    stop = stood.size + len(new_leaves)
    for index, salt, envelope in openings:
        leaf = new_leaves[index - stood.size] if stood.size <= index < stop else _leaf(shelf, stood, index)
        check_opening(leaf, salt, envelope, where=f"{stood.origin} entry {index}")


def _differs(head: Head, to: Checkpoint, computed: Sequence[bytes], hashes: Sequence[bytes] | None) -> ReltoError:
    """Why the entries do not lead from a stored head to a checkpoint."""
    span = f"`{to.origin}` from size {head.size} to {to.size}"
    if hashes is None or len(hashes) != len(computed):
        return Forged(f"the entries {head.size}..{to.size - 1} do not lead {span}: damaged on the way, or a fork")
    if head.edge.extend(hashes).root() != to.root:
        return Forged(
            f"the tiles do not lead {span}: a fork, or damaged on the way",
            hint="ask for a consistency proof, and keep it",
        )
    index = next(head.size + i for i, pair in enumerate(zip(computed, hashes, strict=True)) if pair[0] != pair[1])
    return Forged(
        f"entry {index} of `{to.origin}` is damaged: its bytes are not those in the tree", hint="fetch it again"
    )


def add_openings(shelf: Shelf, origin: str, openings: Sequence[Opening], beside: Beside = ()) -> None:
    """Store openings that arrive after their leaves. One that is there already changes nothing.

    Raises: Forged when one is not what its leaf commits to.
    """
    head = _head(shelf, origin)
    for index, salt, envelope in openings:
        check_opening(_leaf(shelf, head, index), salt, envelope, where=f"{origin} entry {index}")
    shelf.append(head, head.size, (), openings, beside)


def _leaf(shelf: Shelf, head: Head, index: int) -> bytes:
    if not 0 <= index < head.size:
        raise NotFound(f"`{head.origin}` has no entry {index} here", hint="fetch the entries first")
    return shelf.leaves(head.origin, index, index + 1)[0]


# ── checks from stored bytes ──


def verify_log(shelf: Shelf, origin: str, verifier: Verifier, since: Frontier | None = None) -> Report:
    """The whole log recomputed from its stored bytes: signature, every leaf, the edge, every opening.

    since: the edge that was found at the last time; then only what came after is read again, and what came before is
    held by the root: an altered entry under it is not noticed, an altered history is.
    Raises: NotFound; Unavailable. What is wrong with the log is in the report.
    """
    found = _check(shelf, _head(shelf, origin), verifier, since or Frontier.empty())
    return _check_openings(shelf, found) if found.sound else found


def _check_edge(shelf: Shelf, head: Head, verifier: Verifier) -> Report:
    """As `_check`, of the head and of the entries in the last bundle, the one that grows or was filled last."""
    origin, size = head.origin, head.size

    def bad(problem: str, index: int | None = None) -> Report:
        return Report(origin=origin, size=size, problem=problem, index=index)

    if problem := _unsigned(head, verifier):
        return bad(problem)
    if len(head.frontier) != size.bit_count() or head.edge.root() != head.root:
        return bad(f"the stored edge of `{origin}` does not give the root that its checkpoint signs")
    start = max(0, size - 1) // TILE_WIDTH * TILE_WIDTH
    computed, damaged = _computed(shelf, origin, start, size)
    if damaged is not None:
        return bad(*damaged)
    # The subtrees of the edge that lie within this bundle. The root of a full one may be joined with others already:
    # then only reading those would tell.
    inner = Frontier.empty().extend(computed).hashes
    joined = size - start == TILE_WIDTH and not size & TILE_WIDTH
    if not joined and inner != head.frontier[len(head.frontier) - len(inner) :]:
        return bad(f"the stored edge of `{origin}` is not that of its last {size - start} entries")
    if shelf.leaves(origin, size, size + 1) and _head(shelf, origin).size == size:
        return bad(f"entry {size} of `{origin}` lies beyond its head", size)
    return Report(origin=origin, size=size)


def _unsigned(head: Head, verifier: Verifier) -> str:
    """What is wrong with the checkpoint of a stored head, or an empty text."""
    if not head.note and not head.size:
        return ""
    try:
        signed = open_checkpoint(head.note, verifier).checkpoint
    except (Forged, Malformed) as error:
        return f"the stored checkpoint of `{head.origin}` does not hold: {error.message}"
    if signed != Checkpoint(origin=head.origin, size=head.size, root=head.root):
        return f"the stored head of `{head.origin}` is not the one that its checkpoint signs"
    return ""


def _computed(shelf: Shelf, origin: str, start: int, stop: int) -> tuple[list[bytes], tuple[str, int] | None]:
    """The leaf hashes of stored entries, from their bytes; and what is wrong with the first that is, with its index."""
    leaves, kept = shelf.leaves(origin, start, stop), shelf.hashes(origin, start, stop)
    computed = leaf_hashes(leaves)
    if computed != kept:
        index = next((start + i for i, (own, one) in enumerate(zip(computed, kept, strict=False)) if own != one), None)
        if index is not None:
            return computed, (
                f"entry {index} of `{origin}` is not what was stored: its bytes and its hash differ", index
            )  # fmt: skip
    if min(len(computed), len(kept)) != stop - start:
        index = start + min(len(computed), len(kept))
        return computed, (f"entry {index} of `{origin}` is missing", index)
    return computed, None


def _check(shelf: Shelf, head: Head, verifier: Verifier, since: Frontier) -> Report:
    origin, size = head.origin, head.size

    def bad(problem: str, index: int | None = None) -> Report:
        return Report(origin=origin, size=size, since=since.size, problem=problem, index=index)

    if problem := _unsigned(head, verifier):
        return bad(problem)
    if size < since.size:
        return bad(f"`{origin}` had {since.size} entries when it was verified last, and has {size}")
    # What a growing mirror holds beyond its head is checked with it, from where the head ends.
    staged = shelf.staged(origin)
    last = size if staged is None else max(size, staged.size)
    edge = since
    for start in _starts(since.size, size, last):
        stop = min(start + _CHUNK, size if start < size else last)
        computed, damaged = _computed(shelf, origin, start, stop)
        if damaged is not None:
            return bad(*damaged)
        edge = edge.extend(computed)
        if stop == size and (problem := _off_the_head(head, edge, since)):
            return bad(problem)
    if size == since.size and (problem := _off_the_head(head, since, since)):
        return bad(problem)
    if staged is not None and last > size and edge.hashes != staged.frontier:
        return bad(f"the entries of `{origin}` beyond its head are not those that were proven")
    # A writer may have committed since the head was read; if it has not, no commit accounts for this entry.
    if shelf.leaves(origin, last, last + 1) and _head(shelf, origin).size == size and shelf.staged(origin) == staged:
        return bad(f"entry {last} of `{origin}` lies beyond its head", last)
    return Report(origin=origin, size=size, since=since.size)


def _starts(since: int, size: int, last: int) -> list[int]:
    """Where the pieces of entries [since, size) and [size, last) begin."""
    return [*range(since, size, _CHUNK), *range(size, last, _CHUNK)]


def _off_the_head(head: Head, edge: Frontier, since: Frontier) -> str:
    """What is wrong with a head whose entries end in this edge, or an empty text."""
    if edge.root() != head.root:
        from_where = f"the entries of `{head.origin}` do not give the root that its checkpoint signs"
        return from_where if not since.size else f"{from_where}, beginning from the {since.size} verified last"
    return f"the stored edge of `{head.origin}` is not that of its entries" if edge.hashes != head.frontier else ""


def _check_openings(shelf: Shelf, sound: Report) -> Report:
    origin, size, since, count = sound.origin, sound.size, sound.since, 0
    for start in range(since, size, _CHUNK):
        openings = shelf.openings(origin, start, min(start + _CHUNK, size))
        leaves = shelf.leaves(origin, start, min(start + _CHUNK, size)) if openings else []
        for index, salt, envelope in openings:
            try:
                check_opening(leaves[index - start], salt, envelope)
            except (Forged, Malformed) as error:
                problem = f"the opening of entry {index} of `{origin}` does not hold: {error.message}"
                return Report(origin=origin, size=size, since=since, problem=problem, index=index)
        count += len(openings)
    beyond = shelf.openings(origin, _stood(shelf, _head(shelf, origin)).size, SIZE_MAX)
    if beyond and _head(shelf, origin).size == size:
        problem = f"the opening of entry {beyond[0][0]} of `{origin}` belongs to no entry"
        return Report(origin=origin, size=size, since=since, problem=problem, index=beyond[0][0])
    return Report(origin=origin, size=size, since=since, openings=count)


def largest_seen(shelf: Shelf, verifier: Verifier, notes: Sequence[bytes]) -> Checkpoint | None:
    """The largest head of the own log that partners have seen, when that is larger than what is stored.

    Then nothing may be signed before `extend_mirror` has refilled the log. None when nobody has seen more.

    Raises: Forged when one of them saw another tree: then this log is forked, and only a new epoch helps.
    """
    head = _head(shelf, verifier.name)
    tree, largest = tree_of(shelf, head.origin), None
    for note in notes:
        seen = open_checkpoint(note, verifier).checkpoint
        known = tree.root(seen.size) if seen.size <= head.size else seen.root
        if largest is not None and largest.size == seen.size:
            known = largest.root
        if seen.root != known:
            raise Forged(
                f"a partner has seen another tree of `{head.origin}` at size {seen.size}", hint="begin a new epoch"
            )
        if seen.size > max(head.size, largest.size if largest else 0):
            largest = seen
    return largest
