"""What the owner signs about a package: everything that the format itself leaves open.

The root signature of OpenTDF covers the segments' hashes, under a key that everyone who ever opened the package has.
Media type, policy, label, the list of assertions and the nodes that may be asked stand unprotected beside it. So the
owner signs them, and the signed text travels as an assertion: other readers check its binding like any other's and pass
it by.
"""

from __future__ import annotations

import re
from typing import Final, Self, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto.errors import Forged, Malformed, Refused
from relto.keys import PublicKey, Signer, pae
from relto.package.manifest import Assertion, Manifest, Statement

ASSERTION_ID: Final = "relto-manifest"
LABEL_ID: Final = "label"
SCHEMA: Final = "urn:relto:manifest:1"
LABEL_FORMAT: Final = "json+stanag5636"
LABEL_SCHEMA: Final = "urn:nato:stanag:5636:A:1:elements:json"
PAYLOAD_TYPE: Final = "application/vnd.relto.package+json"
STATEMENT_MAX: Final = 48 * 1024
SIGNATURES_MAX: Final = 8

_PARTY = re.compile(r"[a-z0-9-]{1,64}")
_ORIGIN = re.compile(r"([a-z0-9][a-z0-9.:-]{0,259})/[a-z0-9-]{1,64}/(?:0|[1-9][0-9]{0,8})")
_ITEM = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

_T = TypeVar("_T", bound=Struct)


class Asserted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An assertion that belongs to the package. The owner's own has no hash: it cannot hold its own."""

    id: str
    hash: str | UnsetType = UNSET


class Access(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node that holds a share. The wrapped key is not signed: it is wrapped anew when the node's key changes."""

    url: str
    sid: str


class Owned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signed text: canonical JSON (RFC 8785) of this.

    `payload` is SHA-256 over the sealed payload. The table alone would not do: its hashes are GCM tags, and whoever has
    the key, as everyone has who ever opened the package, can make other ciphertexts with the same tags. `names` is the
    HMAC of the file name and title under the key: a plain digest of so short a text could be guessed.
    """

    v: int
    party: str
    origin: str
    item: str
    policy: str
    segments: str
    payload: str
    names: str
    mime: str
    access: tuple[Access, ...]
    assertions: tuple[Asserted, ...]
    label: str
    sealed_at: int

    def __post_init__(self) -> None:
        if self.v != 1:
            raise Malformed(f"the owner's statement is of version {self.v}, which this relto does not know")
        if not (_PARTY.fullmatch(self.party) and _ORIGIN.fullmatch(self.origin) and _ITEM.fullmatch(self.item)):
            raise Malformed("the owner's statement names no party, origin or item")
        if not all(map(_DIGEST.fullmatch, (self.policy, self.segments, self.payload, self.names))):
            raise Malformed("the owner's statement holds a digest that is none")
        if not 0 <= self.sealed_at <= 2**53 - 1:
            raise Malformed("the owner's statement names no time")

    @property
    def host(self) -> str:
        """Of the origin; the policy's attribute stands under it."""
        return self.origin.split("/", 1)[0]


class _Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keyid: str
    sig: bytes


class _Envelope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payload: bytes
    payload_type: str = msgspec.field(name="payloadType")
    signatures: tuple[_Signature, ...]


_canonical = msgspec.json.Encoder(order="sorted")


class OwnerStatement(Struct, frozen=True, kw_only=True):
    """The owner's statement as it was found: read, and not verified before `verify`."""

    says: Owned
    payload: bytes
    signatures: dict[str, bytes]

    @classmethod
    def sign(cls, says: Owned, signer: Signer) -> Self:
        """Sign with every half of the key."""
        payload = _canonical.encode(says)
        return cls(says=says, payload=payload, signatures=signer.sign(pae(PAYLOAD_TYPE, payload)))

    def to_assertion(self, *, dek: bytes, aggregate: bytes) -> Assertion:
        """A DSSE envelope as an assertion's value, in a string: each reader hashes an object in its own way."""
        envelope = _Envelope(
            payload=self.payload,
            payload_type=PAYLOAD_TYPE,
            signatures=tuple(_Signature(keyid=name, sig=value) for name, value in self.signatures.items()),
        )
        statement = Statement(format="json", schema=SCHEMA, value=_canonical.encode(envelope).decode())
        return Assertion.make(ASSERTION_ID, "other", statement, dek=dek, aggregate=aggregate)

    @classmethod
    def find(cls, manifest: Manifest) -> Self | None:
        """The statement in a manifest, or None when it has none."""
        found = [part for part in manifest.assertions if part.id == ASSERTION_ID or part.statement.schema == SCHEMA]
        if not found:
            return None
        if len(found) > 1 or (found[0].id, found[0].kind, found[0].statement.format) != (ASSERTION_ID, "other", "json"):
            raise Malformed("the package holds something that only looks like an owner's statement")
        raw = found[0].statement.value.encode("utf-8", "surrogatepass")
        envelope = _read(raw, _Envelope)
        if envelope.payload_type != PAYLOAD_TYPE or not 0 < len(envelope.signatures) <= SIGNATURES_MAX:
            raise Malformed("the owner's statement is of another type, or has no signature or too many")
        signatures = {part.keyid: part.sig for part in envelope.signatures}
        if len(signatures) != len(envelope.signatures):
            raise Malformed("the owner's statement is signed twice by one key")
        return cls(says=_read(envelope.payload, Owned), payload=envelope.payload, signatures=signatures)

    def verify(self, manifest: Manifest, public_key: PublicKey) -> Owned:
        """Signed by this key, and about exactly this manifest. The caller has looked the key up for `says.party`."""
        if not public_key.verify(pae(PAYLOAD_TYPE, self.payload), self.signatures):
            raise Forged(
                f"the owner's statement is not signed by `{public_key.name}`",
                hint="the package was altered, or was sealed with a key that its party no longer has",
            )
        says = self.says
        for what, said, found in (
            ("policy", says.policy, manifest.policy.digest),
            ("item", (says.host, says.item), manifest.policy.item),
            ("segment table", says.segments, manifest.table_digest),
            ("media type", says.mime, manifest.mime),
            ("list of nodes", says.access, accesses(manifest)),
            ("list of assertions", says.assertions, asserted(manifest.assertions)),
        ):
            if said != found:
                raise Forged(f"the {what} of the package is not the one that its owner signed")
        label_of(manifest)
        return says


def accesses(manifest: Manifest) -> tuple[Access, ...]:
    """Who holds a share, in order."""
    return tuple(Access(url=access.url, sid=access.sid) for access in manifest.key_access)


def asserted(assertions: tuple[Assertion, ...]) -> tuple[Asserted, ...]:
    """All assertions with their hashes, in order."""
    return tuple(
        Asserted(id=part.id) if part.id == ASSERTION_ID else Asserted(id=part.id, hash=part.hash) for part in assertions
    )


def label_of(manifest: Manifest) -> str:
    """The value of the label assertion; there must be exactly one that could be taken for it."""
    found = [part for part in manifest.assertions if part.kind == "handling" or part.id == LABEL_ID]
    if len(found) != 1 or found[0].id != LABEL_ID or found[0].kind != "handling":
        raise Refused("the package has no label, or more than one")
    statement = found[0].statement
    if (statement.format, statement.schema) != (LABEL_FORMAT, LABEL_SCHEMA):
        raise Refused(f"the label of the package is in `{statement.format[:64]}`, which is not known")
    return statement.value


def label_assertion(value: str, *, dek: bytes, aggregate: bytes) -> Assertion:
    """The label in STANAG 5636 JSON, as other readers know it."""
    statement = Statement(format=LABEL_FORMAT, schema=LABEL_SCHEMA, value=value)
    return Assertion.make(LABEL_ID, "handling", statement, dek=dek, aggregate=aggregate)


def _read(raw: bytes, kind: type[_T]) -> _T:
    if len(raw) > STATEMENT_MAX:
        raise Malformed(f"the owner's statement has {len(raw)} bytes; at most {STATEMENT_MAX} are read")
    try:
        held = msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the owner's statement is not as it must be: {error}") from error
    # INVARIANT: format(parse(x)) == x, which refuses repeated keys and every second spelling.
    if _canonical.encode(held) != raw:
        raise Malformed("the owner's statement is not in canonical form")
    return held
