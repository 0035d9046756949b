"""How another ledger is taken in when it has grown by more than one step: each step fetched, proven, stored.

A step is small enough that nothing its author may have written makes it too large to hold, openings included; a round
takes so many and leaves the rest to the next, so that one large ledger does not keep the others waiting. Whatever
stops it, it goes on where it was. The head moves when a checkpoint is reached, and to the one first that it set out for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from relto.errors import Unavailable
from relto.ledger import TILE_WIDTH, Checkpoint, Head, Shelf, Tree, leaf_hash
from relto.node.held import READ_MAX

STEP_MAX: Final = READ_MAX  # entries in one step of a mirror that is far behind
STEP_BYTES_MAX: Final = 64 * 1024 * 1024  # of entries in one step
STEPS_MAX: Final = 256  # of one ledger in one round

Prove = Callable[[int, int], Sequence[bytes]]


class Source(Protocol):
    """Where a ledger comes from; `at` is None for a node that answers now."""

    party: str
    at: int | None

    def leaves(self, start: int, stop: int) -> list[bytes]: ...
    def consistency(self, old: int, new: int) -> list[bytes]: ...


def fetch_step(peer: Source, start: int, size: int) -> list[bytes]:
    """Entries from `start` on, to the size that a checkpoint names or as far as one step goes.

    A step that does not reach it ends at a full bundle. Raises: Unavailable when nothing comes.
    """
    leaves: list[bytes] = []
    held, stop = 0, min(size, start + STEP_MAX - start % TILE_WIDTH)
    while start + len(leaves) < stop and held < STEP_BYTES_MAX:
        at = start + len(leaves)
        got = peer.leaves(at, min(stop, at + TILE_WIDTH - at % TILE_WIDTH))
        if not got:
            raise Unavailable(f"`{peer.party}` shows size {size} and serves entries up to {at}")
        held += sum(map(len, got))
        leaves += got
    end = start + len(leaves)
    return leaves if end == size else leaves[: len(leaves) - end % TILE_WIDTH] or leaves


def prover(peer: Source, shelf: Shelf, to: Checkpoint) -> Prove:
    """Proofs that a smaller tree begins a checkpoint's: the node's own, or made from what a carried file holds.

    Nobody is trusted in either: the checkpoint is signed, and the proof leads to its root or does not.
    """
    if peer.at is None:
        return peer.consistency

    def hashes(start: int, stop: int) -> list[bytes]:
        held = shelf.hashes(to.origin, start, stop)
        rest = peer.leaves(start + len(held), stop) if len(held) < stop - start else []
        return held + [leaf_hash(leaf) for leaf in rest]

    return Tree(hashes).consistency


def stood(shelf: Shelf, head: Head) -> Head:
    """How far the entries of a mirror go."""
    return shelf.staged(head.origin) or head
