"""Doubt: from a place on, what a ledger says is not to be relied upon. A proven fork, or a key that is in dispute.

* A fork proof that shows how far both histories agree freezes the ledger there: what stands below keeps its meaning. One
  that does not show it (version 1) freezes the whole ledger.
* Of one pair of contradicting checkpoints the largest size that anybody shows counts: it is as true as a smaller one.
  Of several pairs the smallest: each of them is a fork of its own.
* Doubt takes rights away at once, like every denial. What was decided before it was known stays decided (`confirming.py`).

Source: spec/register.md, "Doubt"; docs/decisions/0087-doubt.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from msgspec import Struct, UnsetType

from relto.acts import act as a
from relto.acts.scan import Scan, Stated
from relto.errors import ReltoError
from relto.keys import PublicKey
from relto.ledger import Fork, Shared, Verifier

Pair = tuple[tuple[int, bytes], tuple[int, bytes]]  # two checkpoints of one ledger, by size and root


class Freeze(Struct, frozen=True, kw_only=True):
    """A ledger of which two histories are proven. size: up to there both are known to agree; None: not known."""

    origin: str
    size: int | None
    act: str  # the proof that says so
    author: str

    @property
    def words(self) -> str:
        told = f"{self.author} proved that this ledger signed two histories (act {self.act[:8]})"
        return told if self.size is None else f"{told}; only its entries below {self.size} count"


class Doubt(Struct, frozen=True, kw_only=True):
    """What an act casts doubt on. said: it and others that say the same, by id, each with its place.

    key: of a dispute; empty for a fork.
    """

    act: str
    said: tuple[tuple[str, str, int], ...]
    author: str
    of: str  # a ledger's origin, or the party whose key it is
    since: int
    key: str = ""

    def covers(self, one: Stated) -> bool:
        """Whether an act lies in doubt by it."""
        if not self.key:
            return one.origin == self.of and one.index >= self.since
        return one.act.author == self.of and one.index >= self.since and self.key in one.signed.key_ids

    def known_to(self, ack: Stated) -> bool:
        """Whether an acknowledge shows that its author knows of it: it says so, or stands behind the act itself."""
        assert isinstance(ack.act, a.Acknowledge)
        listed = () if isinstance(ack.act.doubts, UnsetType) else ack.act.doubts
        return any(act in listed or (ack.origin == origin and ack.index > index) for act, origin, index in self.said)


def fork_fault(act: a.Fork, scan: Scan) -> str:
    """Why a proof does not hold under any log key that this ledger ever had."""
    why = ""
    for span in scan.chain:
        why = _judge(act, span.keys.log.ed25519)[1]
        if not why:
            return ""
    return why


def proven(forks: Iterable[Stated], scans: Mapping[str, Scan]) -> dict[str, list[Stated]]:
    """origin -> the proofs among these that hold."""
    found: dict[str, list[Stated]] = {}
    for one in forks:
        assert isinstance(one.act, a.Fork)
        scan = scans.get(one.act.origin)
        if scan is not None and _pair(one.act, scan) is not None:
            found.setdefault(scan.origin, []).append(one)
    return found


def freezes(forks: Iterable[Stated], scans: Mapping[str, Scan]) -> dict[str, Freeze]:
    """origin -> how far it counts, by the proofs among these that hold. Their order does not matter."""
    found = {}
    for origin, proofs in sorted(proven(forks, scans).items()):
        pairs: dict[Pair | None, Freeze] = {}
        for one in sorted(proofs, key=lambda one: (one.act.author, one.origin, one.index)):
            assert isinstance(one.act, a.Fork)
            pair, size = _pair(one.act, scans[origin]), _shared_with(one.act, scans[origin])
            held = pairs.get(pair)
            if held is None or _depth(held.size) < _depth(size):
                pairs[pair] = Freeze(origin=origin, size=size, act=one.id, author=one.act.author)
        found[origin] = min(pairs.values(), key=lambda one: _depth(one.size))
    return found


def _depth(size: int | None) -> int:
    return -1 if size is None else size


def _shared_with(act: a.Fork, scan: Scan) -> int | None:
    """The size up to which both histories agree with what is held here; None when that is not known."""
    if isinstance(act.shared, UnsetType):
        return None
    own = scan.root_at(act.shared.size)
    # A reader that holds a third history has no part of it in common with these two that anybody has shown.
    return act.shared.size if own is None or own.hex() == act.shared.root else None


def _pair(act: a.Fork, scan: Scan) -> Pair | None:
    for span in scan.chain:
        pair, why = _judge(act, span.keys.log.ed25519)
        if not why:
            return pair
    return None


@lru_cache(maxsize=256)
def _judge(act: a.Fork, key: bytes) -> tuple[Pair | None, str]:
    """The two checkpoints of a proof under one log key, or why it does not hold."""
    shared = None
    if not isinstance(act.shared, UnsetType):
        at = act.shared
        shared = Shared(size=at.size, root=bytes.fromhex(at.root), first=at.to_first, second=at.to_second)
    root = None if isinstance(act.root, UnsetType) else bytes.fromhex(act.root)
    proof = Fork(first=act.first, second=act.second, root=root, proof=act.proof, shared=shared)
    try:
        first, second = proof.verify(Verifier.of_log(PublicKey(name=act.origin, ed25519=key)))
    except ReltoError as error:
        return None, error.message
    return ((first.size, first.root), (second.size, second.root)), ""
