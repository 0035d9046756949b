"""The Merkle tree of RFC 6962, section 2.1 (the same in RFC 9162): hashes, the growing edge, proofs.

What it is not: it stores nothing and knows no file. Proof *makers* take the leaf hashes as a sequence; `tiles.Tree`
makes the same proofs from cached subtrees, over the same ranges.

Rules
* Every hash that comes in is 32 bytes, checked before it is used. Verifiers that skip this accept an empty root for
  an empty leaf.
* `verify_*` return nothing and raise `Forged`; nobody can forget to look at a result.
* Sizes end at 2^63-1, as in tlog-checkpoint.

    >>> hashes = [leaf_hash(b"%d" % i) for i in range(7)]
    >>> verify_inclusion(hashes[5], 5, 7, tree_root(hashes), inclusion_proof(hashes, 5, 7))
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, Self

from msgspec import Struct

from relto.errors import Forged, Malformed

HASH_SIZE: Final = 32
SIZE_MAX: Final = 2**63 - 1
_FEW: Final = 4  # leaves that are joined one by one: fewer steps than level by level
PROOF_MAX: Final = 64  # no proof in a tree of up to 2^63-1 leaves is longer
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_hash(value: bytes, what: str = "a hash") -> bytes:
    """The value itself when it is 32 bytes."""
    if len(value) != HASH_SIZE:
        raise Malformed(f"{what} has {len(value)} bytes instead of {HASH_SIZE}")
    return value


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of each; a million of them are worth a loop of their own."""
    sha256 = hashlib.sha256
    return [sha256(b"\x00" + leaf).digest() for leaf in leaves]


def paired(row: Sequence[bytes]) -> list[bytes]:
    """The hashes one level up; an odd last one is left out."""
    sha256, one_by_one = hashlib.sha256, iter(row)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(one_by_one, one_by_one, strict=False)]


def tree_root(hashes: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    row = list(hashes)
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        # Joining level by level and carrying an odd last one up gives the same tree as RFC 6962's split at the
        # largest power of two.
        row = [*paired(row), row[-1]] if len(row) % 2 else paired(row)
    return row[0]


class Frontier(Struct, frozen=True, kw_only=True):
    """The right edge of a tree: the roots of its perfect subtrees, largest first. Appending needs nothing else.

    Frozen: `push` and `extend` give a new one.
    """

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX:
            raise Malformed(f"a tree of size {self.size} cannot be")
        if len(self.hashes) != self.size.bit_count():
            raise Malformed(
                f"a frontier at size {self.size} has {self.size.bit_count()} hashes, not {len(self.hashes)}"
            )
        if any(len(value) != HASH_SIZE for value in self.hashes):
            raise Malformed(f"a hash of a frontier has other than {HASH_SIZE} bytes")

    @classmethod
    def empty(cls) -> Self:
        """The edge of the empty tree."""
        return cls(size=0, hashes=())

    def push(self, leaf_hash: bytes) -> Frontier:
        """The edge after one more leaf."""
        joined, size, row = check_hash(leaf_hash), self.size, list(self.hashes)
        while size & 1:
            joined, size = node_hash(row.pop(), joined), size >> 1
        return Frontier(size=self.size + 1, hashes=(*row, joined))

    def extend(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The edge after many more leaves, joined level by level: faster than `push`, and another way to its result."""
        row = list(leaf_hashes)
        if not set(map(len, row)) <= {HASH_SIZE}:
            raise Malformed(f"a leaf hash has other than {HASH_SIZE} bytes")
        size, level, edge, kept = self.size + len(row), self.size, list(self.hashes), list[bytes]()
        if len(row) < _FEW:
            for joined in row:
                odd, sofar = level, joined
                while odd & 1:
                    sofar, odd = node_hash(edge.pop(), sofar), odd >> 1
                edge.append(sofar)
                level += 1
            return Frontier(size=size, hashes=tuple(edge))
        while row:
            if level & 1:
                row.insert(0, edge.pop())
            if len(row) % 2:
                kept.append(row.pop())
            row, level = paired(row), level >> 1
        return Frontier(size=size, hashes=(*edge, *reversed(kept)))

    def root(self) -> bytes:
        """The root of the tree that ends here."""
        if not self.hashes:
            return EMPTY_ROOT
        folded = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            folded = node_hash(left, folded)
        return folded


# ── which subtrees a proof consists of ──

Range = tuple[int, int]


def _split(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges of leaves whose roots prove leaf `index` of `size`, from the leaf upward."""
    if not 0 <= index < size <= SIZE_MAX:
        raise Malformed(f"there is no leaf {index} in a tree of size {size}")
    start, stop, ranges = 0, size, list[Range]()
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The ranges of leaves whose roots prove that the tree of size `new` begins with that of size `old`."""
    if not 0 <= old <= new <= SIZE_MAX:
        raise Malformed(f"a tree of size {new} cannot extend one of size {old}")
    if old in {0, new}:
        return []
    start, stop, ranges = 0, new, list[Range]()
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    # RFC 6962, 2.1.2: where the old tree is itself a subtree, on the left edge, the reader holds that root already.
    if start:
        ranges.append((start, stop))
    return ranges[::-1]


def inclusion_proof(hashes: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """The proof for leaf `index` in the tree over the first `size` of these leaf hashes."""
    _enough(hashes, size)
    return [tree_root(hashes[start:stop]) for start, stop in inclusion_ranges(index, size)]


def consistency_proof(hashes: Sequence[bytes], old: int, new: int) -> list[bytes]:
    """The proof that the tree over the first `new` of these leaf hashes begins with the one over the first `old`."""
    _enough(hashes, new)
    return [tree_root(hashes[start:stop]) for start, stop in consistency_ranges(old, new)]


def _enough(hashes: Sequence[bytes], size: int) -> None:
    if len(hashes) < size:
        raise Malformed(f"{len(hashes)} leaf hashes are too few for a tree of size {size}")


class Grown:
    """Inclusion proofs for the leaves by which a tree has just grown, from its edge before and their hashes alone.

    Nothing is read: what lies to the left of them comes into their proofs as the roots that the edge consists of.
    """

    __slots__ = ("_fresh", "_known", "_start", "size")

    def __init__(self, before: Frontier, fresh: Sequence[bytes]) -> None:
        self._start, self._fresh, self.size = before.size, fresh, before.size + len(fresh)
        self._known: dict[Range, bytes] = {}
        at = 0
        for root in before.hashes:
            width = 1 << ((before.size - at).bit_length() - 1)
            self._known[at, at + width] = root
            at += width

    def inclusion(self, index: int) -> list[bytes]:
        """As `inclusion_proof` of all leaves at the new size. Raises: Malformed for a leaf that is not one of these."""
        if index < self._start:
            raise Malformed(f"leaf {index} stood there before the tree grew from {self._start}")
        return [self._root(*one) for one in inclusion_ranges(index, self.size)]

    def _root(self, start: int, stop: int) -> bytes:
        if start + 1 == stop and start >= self._start:
            return self._fresh[start - self._start]
        known = self._known.get((start, stop))
        if known is None:
            middle = start + _split(stop - start)
            known = self._known[start, stop] = node_hash(self._root(start, middle), self._root(middle, stop))
        return known


# ── verification ──


def verify_inclusion(leaf_hash: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """The leaf stands at `index` in the tree of this size and root (RFC 9162, 2.1.3.2), else `Forged`."""
    _check_all(leaf_hash, root, *proof)
    if not 0 <= index < size <= SIZE_MAX:
        raise Forged(f"there is no leaf {index} in a tree of size {size}")
    position, last, folded = index, size - 1, leaf_hash
    for value in proof:
        if last == 0:
            raise Forged(f"the inclusion proof for leaf {index} of {size} is too long")
        if position & 1 or position == last:
            folded = node_hash(value, folded)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            folded = node_hash(folded, value)
        position, last = position >> 1, last >> 1
    if last or folded != root:
        raise Forged(f"the inclusion proof for leaf {index} of {size} does not lead to the root")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """The tree (new, new_root) begins with (old, old_root) (RFC 9162, 2.1.4.2), else `Forged`."""
    _check_all(old_root, new_root, *proof)
    if not 0 <= old <= new <= SIZE_MAX:
        raise Forged(f"a tree of size {new} cannot extend one of size {old}")
    wrong = Forged(f"the consistency proof from size {old} to {new} does not hold")
    if old in {0, new}:
        # The empty tree is the beginning of every tree; it has one root, though.
        if proof or (old == new and old_root != new_root) or (old == 0 and old_root != EMPTY_ROOT):
            raise wrong
        return
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not hashes:
        raise wrong
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    left = right = hashes[0]
    for value in hashes[1:]:
        if last == 0:
            raise wrong
        if position & 1 or position == last:
            left, right = node_hash(value, left), node_hash(value, right)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            right = node_hash(right, value)
        position, last = position >> 1, last >> 1
    if last or left != old_root or right != new_root:
        raise wrong


def verify_fork(
    old: int, old_root: bytes, new: int, new_root: bytes, other_root: bytes | None = None, proof: Sequence[bytes] = ()
) -> None:
    """Two roots signed by one log belong to two histories, else `Forged`: the accusation does not hold.

    Equal sizes need no more than the two roots. Otherwise `other_root` is what the tree (new, new_root) has at size
    `old`, and `proof` shows that it does. A consistency proof that merely fails proves nothing.
    """
    if old == new:
        _check_all(old_root, new_root)
        if other_root is not None or proof:
            raise Forged("two heads of equal size need no further root and no proof")
        if old_root == new_root:
            raise Forged(f"the two heads of size {old} are the same")
        return
    if other_root is None:
        raise Forged(f"heads of sizes {old} and {new} need a second root at size {old}")
    if other_root == old_root:
        raise Forged(f"the second root at size {old} is the first: no fork")
    verify_consistency(old, other_root, new, new_root, proof)


def _check_all(*values: bytes) -> None:
    if len(values) > PROOF_MAX + 2:
        raise Forged(f"a proof has at most {PROOF_MAX} hashes")
    for value in values:
        if len(value) != HASH_SIZE:
            raise Forged(f"a hash has {len(value)} bytes instead of {HASH_SIZE}")
