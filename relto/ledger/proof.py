"""Proofs that travel: the receipt that opens anywhere, what a witness is asked, what convicts a log.

The first two are C2SP tlog-proof and tlog-witness; the fork proof is ours.

What it is not: no network, no state. `AddCheckpoint.check` is the whole judgement of a witness about one request;
storing the result before answering, and doing check and store in one atomic step, is up to the caller.

    >>> parse_proof(proof.encode()).verify(leaf, log)                                    # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relto.errors import Conflict, Forged, Malformed, Refused
from relto.keys import from_base64, to_base64
from relto.ledger.merkle import (
    PROOF_MAX,
    SIZE_MAX,
    check_hash,
    leaf_hash,
    verify_consistency,
    verify_fork,
    verify_inclusion,
)
from relto.ledger.note import (
    NOTE_MAX,
    Checkpoint,
    OpenCheckpoint,
    Verifier,
    open_checkpoint,
    parse_checkpoint,
    parse_decimal,
    parse_hash_line,
    parse_note,
)
from relto.ledger.tiles import Tree

EXTRA_MAX: Final = 40_000  # its line then stays below the 64 KiB of Go's line scanner
WITNESS_PROOF_MAX: Final = 63  # tlog-witness, "add-checkpoint"
_MAGIC: Final = b"c2sp.org/tlog-proof@v1"


def _checked_note(data: bytes) -> bytes:
    """The note itself when it is one and holds a checkpoint."""
    parse_checkpoint(parse_note(data).text)
    return data


def _hash_lines(lines: Sequence[bytes]) -> tuple[bytes, ...]:
    if len(lines) > PROOF_MAX:
        raise Malformed(f"a proof has at most {PROOF_MAX} hashes")
    return tuple(parse_hash_line(line) for line in lines)


def _format_hashes(hashes: Sequence[bytes]) -> bytes:
    return b"".join(to_base64(check_hash(value)).encode() + b"\n" for value in hashes)


class Proof(Struct, frozen=True, kw_only=True):
    """An entry stands in a log: index, inclusion proof, signed checkpoint. `extra` is not authenticated by anything."""

    index: int
    hashes: tuple[bytes, ...]
    note: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """The bytes of a `.tlog-proof`."""
        if len(self.extra) > EXTRA_MAX:
            raise Malformed(f"extra data has at most {EXTRA_MAX} bytes")
        extra = b"extra " + to_base64(self.extra).encode() + b"\n" if self.extra else b""
        return b"%b\n%bindex %d\n%b\n%b" % (
            _MAGIC,
            extra,
            self.index,
            _format_hashes(self.hashes),
            _checked_note(self.note),
        )

    def verify(self, leaf: bytes, log: Verifier, cosigners: Sequence[Verifier] = ()) -> OpenCheckpoint:
        """The checkpoint under which the leaf stands at `index`, else `Forged`.

        Which cosigners are enough is the caller's policy.
        """
        opened = open_checkpoint(self.note, log, cosigners)
        head = opened.checkpoint
        verify_inclusion(leaf_hash(leaf), self.index, head.size, head.root, self.hashes)
        return opened


def parse_proof(data: bytes) -> Proof:
    """A `.tlog-proof`; `parse_proof(x).encode() == x`."""
    if len(data) > NOTE_MAX + EXTRA_MAX * 2:
        raise Malformed("a proof of that length cannot be")
    head, separator, note = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if not separator or lines.pop(0) != _MAGIC:
        raise Malformed("not a tlog-proof of version 1")
    extra = b""
    if lines and lines[0].startswith(b"extra "):
        extra = from_base64(lines.pop(0).removeprefix(b"extra "))
        if not 1 <= len(extra) <= EXTRA_MAX:
            raise Malformed(f"extra data has 1..{EXTRA_MAX} bytes")
    if not lines or not lines[0].startswith(b"index "):
        raise Malformed("a tlog-proof without an index")
    index = parse_decimal(lines.pop(0).removeprefix(b"index "), "the index of a proof", SIZE_MAX - 1)
    return Proof(index=index, hashes=_hash_lines(lines), note=_checked_note(note), extra=extra)


class AddCheckpoint(Struct, frozen=True, kw_only=True):
    """What a witness is asked: from the size you cosigned last, `old`, here is the proof to this checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The body of `POST …/add-checkpoint`."""
        return b"old %d\n%b\n%b" % (self.old, _format_hashes(self.proof), _checked_note(self.note))

    @property
    def checkpoint(self) -> Checkpoint:
        """As stated; signed by nobody until `check`. A witness looks its log up by this origin."""
        return parse_checkpoint(parse_note(self.note).text)

    def check(self, log: Verifier, last_size: int, last_root: bytes) -> Checkpoint:
        """The checkpoint to cosign, for a witness that cosigned (last_size, last_root) last; (0, EMPTY_ROOT) if never.

        Each error is one answer of tlog-witness:

        Raises: Malformed (400); Refused (403: not signed by the log); Conflict (409: answer with last_size); Forged
        (422: the proof).
        """
        try:
            head = open_checkpoint(self.note, log).checkpoint
        except Forged as error:
            raise Refused(error.message) from error
        if self.old > head.size:
            raise Malformed(f"old size {self.old} is larger than the checkpoint's {head.size}")
        if self.old != last_size:
            raise Conflict(f"the last size cosigned for `{head.origin}` is {last_size}, not {self.old}")
        verify_consistency(last_size, last_root, head.size, head.root, self.proof)
        return head


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """The body of `POST …/add-checkpoint`; `parse_add_checkpoint(x).encode() == x`."""
    head, separator, note = body.partition(b"\n\n")
    lines = head.split(b"\n")
    first = lines.pop(0)
    if not separator or not first.startswith(b"old "):
        raise Malformed("the body begins with `old` and a size, and an empty line ends the proof")
    if len(lines) > WITNESS_PROOF_MAX:
        raise Malformed(f"a proof for a witness has at most {WITNESS_PROOF_MAX} hashes")
    asked = AddCheckpoint(
        old=parse_decimal(first.removeprefix(b"old "), "the old size"),
        proof=_hash_lines(lines),
        note=_checked_note(note),
    )
    if asked.old > asked.checkpoint.size:
        raise Malformed(f"old size {asked.old} is larger than the checkpoint's {asked.checkpoint.size}")
    return asked


class Shared(Struct, frozen=True, kw_only=True):
    """A size up to which both histories are the same, with the consistency proof from it to each of the checkpoints."""

    size: int
    root: bytes
    first: tuple[bytes, ...] = ()
    second: tuple[bytes, ...] = ()


class Fork(Struct, frozen=True, kw_only=True):
    """A log signed two histories. `first` is the smaller checkpoint, or either of two of equal size.

    `root` is what the tree of `second` has at the size of `first`, and `proof` shows that it does; both stay empty
    for equal sizes. shared: where both still agree, as far as the accuser can show it.
    """

    first: bytes
    second: bytes
    root: bytes | None = None
    proof: tuple[bytes, ...] = ()
    shared: Shared | None = None

    def verify(self, log: Verifier) -> tuple[Checkpoint, Checkpoint]:
        """The two checkpoints, else `Forged`: the accusation does not hold."""
        first, second = (open_checkpoint(note, log).checkpoint for note in (self.first, self.second))
        verify_fork(first.size, first.root, second.size, second.root, self.root, self.proof)
        if self.shared is not None:
            at = self.shared
            if at.size >= first.size:
                raise Forged(f"two histories of size {first.size} and {second.size} do not share {at.size} entries")
            verify_consistency(at.size, at.root, first.size, first.root, at.first)
            verify_consistency(at.size, at.root, second.size, second.root, at.second)
        return first, second


def prove_fork(log: Verifier, one: bytes, other: bytes, tree: Tree) -> Fork | None:
    """The proof that these two notes of a log contradict each other, or None when they do not.

    `tree` holds the entries under the larger note: one's own mirror when that is the one stored, else what the log
    served with it.
    """
    heads = sorted((open_checkpoint(note, log) for note in (one, other)), key=lambda head: head.checkpoint.size)
    first, second = (head.checkpoint for head in heads)
    notes = [head.note() for head in heads]
    if first.size == second.size:
        return Fork(first=notes[0], second=notes[1]) if first.root != second.root else None
    root = tree.root(first.size)
    if root == first.root:
        return None
    fork = Fork(first=notes[0], second=notes[1], root=root, proof=tuple(tree.consistency(first.size, second.size)))
    fork.verify(log)
    return fork


def last_shared(fork: Fork, log: Verifier, one: Tree, other: Tree) -> Fork:
    """The same proof with the largest size that both histories have in common.

    one, other: the trees under its two checkpoints, in its order. Where they do not lead to these roots, `Forged`.
    """
    first, second = fork.verify(log)
    if one.root(first.size) != first.root or other.root(second.size) != second.root:
        raise Forged("these entries do not stand under the two checkpoints")
    low, high = 0, first.size  # they agree at `low`, and not at `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one.root(middle) == other.root(middle) else (low, middle)
    at = Shared(
        size=low,
        root=one.root(low),
        first=tuple(one.consistency(low, first.size)),
        second=tuple(other.consistency(low, second.size)),
    )
    found = replace(fork, shared=at)
    found.verify(log)
    return found
