"""DSSE envelopes in one strict profile, and who signed one.

Exactly `{"payload":"…","payloadType":"…","signatures":[{"keyid":"…","sig":"…"}]}` without white space, standard padded
base64, signatures sorted by key id, each once, 1 to 32 of them (a hybrid signer leaves two). Anything else is refused,
so that an envelope has one spelling.

Source: DSSE 1.0.2; spec/acts.md, "Envelope".
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from relto.acts.act import PAYLOAD_TYPE, Act, KeyId, KeySet, Quorum, act_id, read, write
from relto.errors import Malformed, Refused
from relto.keys import PublicKey, Signer, pae

ENVELOPE_MAX = 65_535  # bytes
SIGNATURES_MAX = 32


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    keyid: KeyId
    sig: Annotated[bytes, Meta(min_length=64, max_length=4627)]


class Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    """payload: the act's bytes; signatures: over the pre-authentication encoding of exactly these bytes."""

    payload: bytes
    payloadType: str  # noqa: N815  (the name is DSSE's)
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1, max_length=SIGNATURES_MAX)]

    @property
    def key_ids(self) -> tuple[str, ...]:
        return tuple(one.keyid for one in self.signatures)


_decoder = msgspec.json.Decoder(Envelope, strict=True)


def parse(data: bytes) -> Envelope:
    """Raises: Malformed."""
    if len(data) > ENVELOPE_MAX:
        raise Malformed(f"an envelope of {len(data)} bytes is over the limit of {ENVELOPE_MAX}")
    try:
        envelope = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("not a signed envelope") from error
    if envelope.payloadType != PAYLOAD_TYPE:
        raise Malformed(f"payload type `{envelope.payloadType[:80]}` is not an act")
    ids = envelope.key_ids
    if list(ids) != sorted(set(ids)):
        raise Malformed("signatures must be sorted by key id, each once", where="signatures")
    if msgspec.json.encode(envelope) != data:
        raise Malformed("not the canonical form of this envelope")
    return envelope


def format(payload: bytes, signatures: Mapping[str, bytes]) -> bytes:  # noqa: A001  (pairs with parse)
    ordered = tuple(Signature(keyid=name, sig=signatures[name]) for name in sorted(signatures))
    return msgspec.json.encode(Envelope(payload=payload, payloadType=PAYLOAD_TYPE, signatures=ordered))


def sign(act: Act, signers: Iterable[Signer]) -> bytes:
    """An act under one or several signers, as envelope bytes. Read back first: what we would refuse we do not sign.

    Raises: Malformed.
    """
    payload = write(act)
    read(payload)
    message = pae(PAYLOAD_TYPE, payload)
    signatures: dict[str, bytes] = {}
    for signer in signers:
        signatures.update(signer.sign(message))
    return format(payload, signatures)


def merge(first: bytes, second: bytes) -> bytes:
    """Two envelopes over the same payload, with the signatures of both.

    Raises: Refused when they are over different bytes.
    """
    one, two = parse(first), parse(second)
    if one.payload != two.payload:
        raise Refused("these signatures are over different bytes", hint="sign the same signing request")
    return format(one.payload, {s.keyid: s.sig for s in (*one.signatures, *two.signatures)})


@functools.lru_cache(maxsize=512)  # at most 32 MiB; a node reads each envelope several times between arrival and fold
def open_act(data: bytes) -> tuple[Act, str, Envelope]:
    """Envelope bytes to (act, id, envelope). Nothing is verified here but the form.

    Raises: Malformed.
    """
    envelope = parse(data)
    return read(envelope.payload), act_id(envelope.payload), envelope


VERIFIED_MAX = 1 << 20  # verdicts on signatures that are remembered: about 120 MiB
_verified: dict[bytes, bool] = {}


@functools.lru_cache(maxsize=4096)
def _ids(key: PublicKey) -> tuple[tuple[str, ...], bytes]:
    return key.key_ids, hashlib.sha256(msgspec.json.encode(key)).digest()


def signed_by(envelope: Envelope, key: PublicKey) -> bool:
    """Whether this key (both halves when it has two) signed. Remembered: the answer is a pure function of the bytes.

    By a digest over key, payload and signatures with their lengths, so that what is remembered does not hold the bytes.
    """
    names, print_ = _ids(key)
    mine = {one.keyid: one.sig for one in envelope.signatures if one.keyid in names}
    if len(mine) != len(names):
        return False
    parts = (print_, envelope.payload, *mine.values())
    digest = hashlib.sha256(b"".join([len(part).to_bytes(4) + part for part in parts])).digest()
    verdict = _verified.get(digest)
    if verdict is None:
        if len(_verified) >= VERIFIED_MAX:
            _verified.clear()
        verdict = _verified[digest] = key.verify(pae(PAYLOAD_TYPE, envelope.payload), mine)
    return verdict


def reaches(envelope: Envelope, quorum: Quorum) -> bool:
    """Whether `threshold` distinct keys signed; distinct by public bytes, never by key id."""
    return count(envelope, quorum.keys) >= quorum.threshold


def count(envelope: Envelope, keys: Sequence[PublicKey]) -> int:
    return len({key.ed25519 for key in keys if signed_by(envelope, key)})


def satisfied(envelope: Envelope, keys: KeySet, signer: str | frozenset[str], officers: int = 1) -> bool:
    """Whether the signatures are those that this kind of act needs, under this key set."""
    if signer == "root":
        return reaches(envelope, keys.root)
    if signer == "authority":
        return reaches(envelope, keys.authority)
    if signer == "node":
        return signed_by(envelope, keys.node)
    return count(envelope, [officer.key for officer in keys.officers if officer.office in signer]) >= officers
