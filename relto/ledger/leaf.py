"""Leaves and openings: what stands in a log, and what makes it readable.

A leaf commits to an envelope without showing it, and carries one keyed tag for each reader, hidden among random ones:

    leaf        0x01 ‖ commitment[32] ‖ count ‖ count × tag[16]
    commitment  SHA-256("relto leaf v1" ‖ 0x00 ‖ salt[32] ‖ envelope)
    tag         HMAC-SHA-256(K, commitment)[:16], K being the 32 bytes that author and reader share
    openings    for each: uint64 index ‖ salt[32] ‖ uint16 length ‖ envelope

What it is not: it does not know what an envelope says, nor who may read it.

Rules
* count is 16, or the next multiple of 16 not below the number of parties of the charter; so it tells nobody how many
  read.
* Tags ascend, no two equal; so their order tells nothing either.
* An opening is (index, salt, envelope); only the one whose commitment stands in the leaf opens it. Openings of one log
  travel together with ascending indices; they are secret, and the road they take is somebody else's care.

    >>> import os
    >>> salt, key = os.urandom(32), os.urandom(32)
    >>> commitment = commit(salt, b"an envelope")
    >>> leaf = make_leaf(commitment, [tag_for(key, commitment)], slots_for(3), os.urandom)
    >>> is_tagged(leaf, key), is_tagged(leaf, os.urandom(32))
    (True, False)
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from relto.errors import Forged, Malformed
from relto.keys import Random
from relto.ledger.merkle import SIZE_MAX, check_hash

LEAF_V1: Final = 0x01
SALT_SIZE: Final = 32
TAG_SIZE: Final = 16
TAG_KEY_SIZE: Final = 32
SLOTS_STEP: Final = 16
SLOTS_MAX: Final = 240  # the largest multiple of 16 that one byte holds
ENVELOPE_MAX: Final = 65_535

OPENINGS_MAX: Final = 4096

Opening = tuple[int, bytes, bytes]

_COMMIT = b"relto leaf v1\x00"
_HEAD_SIZE = 1 + 32 + 1
_OPENING = struct.Struct("!Q32sH")
# By the number of tags: one call instead of 16 slices, in the path of every append and of every leaf that is read.
_TAGS = {count: struct.Struct(f"{TAG_SIZE}s" * count) for count in range(SLOTS_STEP, SLOTS_MAX + 1, SLOTS_STEP)}
_DRAWS_MAX = 64


class Leaf(Struct, frozen=True, kw_only=True):
    """A leaf that is understood."""

    commitment: bytes
    tags: tuple[bytes, ...]

    def __post_init__(self) -> None:
        check_hash(self.commitment, "a commitment")
        _check_slots(len(self.tags))
        if set(map(len, self.tags)) != {TAG_SIZE}:
            raise Malformed(f"a tag has {TAG_SIZE} bytes")
        if sorted(set(self.tags)) != list(self.tags):
            raise Malformed("the tags of a leaf ascend, no two equal")

    def encode(self) -> bytes:
        """The bytes that enter the log."""
        return bytes((LEAF_V1,)) + self.commitment + bytes((len(self.tags),)) + b"".join(self.tags)


def parse_leaf(data: bytes) -> Leaf:
    """A leaf from the bytes of an entry."""
    if len(data) < _HEAD_SIZE or data[0] != LEAF_V1:
        raise Malformed("not a leaf of version 1", hint="a newer relto may have written it")
    count = data[_HEAD_SIZE - 1]
    _check_slots(count)
    if len(data) != _HEAD_SIZE + count * TAG_SIZE:
        raise Malformed(f"a leaf with {count} tags has {_HEAD_SIZE + count * TAG_SIZE} bytes, not {len(data)}")
    return Leaf(commitment=data[1:33], tags=_TAGS[count].unpack_from(data, _HEAD_SIZE))


def commitment_of(data: bytes) -> bytes:
    """The commitment in the bytes of an entry that is a leaf; refuses what `parse_leaf` refuses, with fewer steps."""
    count = data[_HEAD_SIZE - 1] if len(data) >= _HEAD_SIZE else 0
    if count not in _TAGS or data[0] != LEAF_V1 or len(data) != _HEAD_SIZE + count * TAG_SIZE:
        return parse_leaf(data).commitment
    tags = _TAGS[count].unpack_from(data, _HEAD_SIZE)
    if sorted(set(tags)) != list(tags):
        return parse_leaf(data).commitment
    return data[1:33]


def slots_for(parties: int) -> int:
    """How many tags a leaf carries under a charter of so many parties."""
    slots = max(1, -(-parties // SLOTS_STEP)) * SLOTS_STEP
    _check_slots(slots)
    return slots


def _check_slots(count: int) -> None:
    if count % SLOTS_STEP or not SLOTS_STEP <= count <= SLOTS_MAX:
        raise Malformed(f"a leaf has 16, 32, … or {SLOTS_MAX} tags, not {count}")


def _check_parts(salt: bytes, envelope: bytes) -> None:
    # Without the salt's fixed length another split of the same bytes would open the same commitment.
    if len(salt) != SALT_SIZE:
        raise Malformed(f"a salt has {len(salt)} bytes instead of {SALT_SIZE}")
    if not 1 <= len(envelope) <= ENVELOPE_MAX:
        raise Malformed(
            f"an envelope has 1..{ENVELOPE_MAX} bytes, not {len(envelope)}",
            hint="send long texts as objects, by digest",
        )


def commit(salt: bytes, envelope: bytes) -> bytes:
    """The commitment to an envelope."""
    _check_parts(salt, envelope)
    return hashlib.sha256(_COMMIT + salt + envelope).digest()


def tag_for(key: bytes, commitment: bytes) -> bytes:
    """The tag by which the reader who shares this key knows the leaf."""
    if len(key) != TAG_KEY_SIZE:
        raise Malformed(f"a tag key has {len(key)} bytes instead of {TAG_KEY_SIZE}")
    return hmac.digest(key, check_hash(commitment, "a commitment"), hashlib.sha256)[:TAG_SIZE]


def make_leaf(commitment: bytes, tags: Sequence[bytes], slots: int, random: Random) -> bytes:
    """The leaf with its readers' tags and as many random ones as it takes to fill `slots`."""
    held = set(tags)
    if len(held) != len(tags):
        raise Malformed("two readers of a leaf have the same tag", hint="does one reader stand there twice?")
    if len(held) > slots:
        raise Malformed(f"{len(held)} readers do not fit into {slots} tags")
    for _ in range(_DRAWS_MAX + slots):
        if len(held) == slots:
            return Leaf(commitment=commitment, tags=tuple(sorted(held))).encode()
        held.add(random(TAG_SIZE))
    raise Malformed("the source of random bytes repeats itself")


def is_tagged(leaf: Leaf | bytes, key: bytes) -> bool:
    """Whether the leaf is addressed to the holder of this key."""
    read = parse_leaf(leaf) if isinstance(leaf, bytes) else leaf
    return tag_for(key, read.commitment) in read.tags


def check_opening(leaf: bytes, salt: bytes, envelope: bytes, where: str = "") -> None:
    """The opening is what the leaf commits to, else `Forged`."""
    if commit(salt, envelope) != parse_leaf(leaf).commitment:
        raise Forged("the opening is not what the leaf commits to", where=where, hint="keep it: it is evidence")


def encode_openings(openings: Sequence[Opening]) -> bytes:
    """Openings of one log, as they travel."""
    _check_openings([index for index, _, _ in openings])
    for _, salt, envelope in openings:
        _check_parts(salt, envelope)
    return b"".join(_OPENING.pack(index, salt, len(envelope)) + envelope for index, salt, envelope in openings)


def parse_openings(data: bytes) -> list[Opening]:
    """Openings of one log; `encode_openings(parse_openings(x)) == x`."""
    found, at = list[Opening](), 0
    while at < len(data):
        if len(found) == OPENINGS_MAX or len(data) - at < _OPENING.size:
            raise Malformed(f"at most {OPENINGS_MAX} openings travel together, each one whole")
        index, salt, length = _OPENING.unpack_from(data, at)
        at += _OPENING.size + length
        if at > len(data):
            raise Malformed(f"the opening of entry {index} ends early")
        _check_parts(salt, envelope := data[at - length : at])
        found.append((index, salt, envelope))
    _check_openings([index for index, _, _ in found])
    return found


def _check_openings(indices: Sequence[int]) -> None:
    if len(indices) > OPENINGS_MAX or sorted(set(indices)) != list(indices):
        raise Malformed(f"openings travel with ascending indices, each once, at most {OPENINGS_MAX}")
    if indices and not 0 <= indices[0] <= indices[-1] < SIZE_MAX:
        raise Malformed("an opening is of an entry that no log can have")
