"""The manifest of a package (OpenTDF 4.3.0): read with bounds, written in the one form that every reader takes.

Unknown fields are tolerated; an unknown algorithm is refused, and so is all that would let two readers see two things.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any, ClassVar, Final, Self, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from relto.errors import Malformed, Refused
from relto.keys import Random, from_base64, to_base64
from relto.package.container import MANIFEST_MAX
from relto.package.strict import canonical, read_json, sign_jws, verify_jws

VERSION: Final = "4.3.0"
LEGACY_VERSION: Final = "4.2.2"
OVERHEAD: Final = 28  # of a segment: IV and tag
SEGMENT_MAX: Final = 4 * 1024 * 1024  # sealed; the Java reader takes no more
SEGMENTS_MAX: Final = 110_000
ACCESS_MAX: Final = 64
ASSERTIONS_MAX: Final = 16
ATTRIBUTES_MAX: Final = 64
POLICY_MAX: Final = 64 * 1024
TEXT_MAX: Final = 64 * 1024
URL_MAX: Final = 1024
WRAPPED_MAX: Final = 512  # by RSA of 4096 bits
HYBRID_SIZE: Final = 1223

_HOST = r"[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[1-9][0-9]{0,4})?"
_ITEM = re.compile(rf"https://({_HOST})/attr/item/value/([0-9a-f]{{32}})")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_URL = re.compile(r"https?://[a-z0-9.\-:\[\]]{1,255}(?:/[A-Za-z0-9._~/-]*)?")
_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:; ?[\x20-\x7e]{1,200})?|unknown")

_T = TypeVar("_T")


def _typed(value: Any, kind: type[_T], what: str) -> _T:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed(f"the {what} is not as it must be: {error}") from error


def present(value: Any) -> Any:
    """Without nulls: the Python client writes them where the others leave a field out."""
    return _without_nulls(value) if b"null" in msgspec.json.encode(value) else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def parse_access(value: Any) -> KeyAccess:
    """One key access object, from the JSON of a request.

    The JavaScript client loses the binding's `alg` on its way into the request; what is bound is compared all the same.
    """
    held = present(value)
    if isinstance(held, dict) and isinstance(held.get("policyBinding"), dict):
        held = held | {"policyBinding": {"alg": "HS256"} | held["policyBinding"]}
    return _typed(held, KeyAccess, "key access object").check()


def check_mime(mime: str) -> str:
    """A media type as it may stand in a manifest."""
    if not _MIME.fullmatch(mime):
        raise Malformed(f"`{mime[:80]}` is not a media type", hint="for example `application/pdf`")
    return mime


# ── policy ──


class _Attribute(Struct, frozen=True):
    attribute: str


class _Body(Struct, frozen=True):
    data_attributes: tuple[_Attribute, ...] = field(name="dataAttributes", default=())
    dissem: tuple[str, ...] = ()


class _PolicyText(Struct, frozen=True):
    uuid: str
    body: _Body


class Policy(Struct, frozen=True, kw_only=True):
    """What a package says about who may open it. `text` is the base64 string, untouched: bindings are over it."""

    text: str
    uuid: str
    attributes: tuple[str, ...]
    dissem: tuple[str, ...]

    @classmethod
    def for_item(cls, host: str, item: str, random: Random) -> Self:
        """The only policy that relto writes: one registered item, named by an opaque id."""
        attribute = f"https://{host}/attr/item/value/{item}"
        if not _ITEM.fullmatch(attribute):
            raise Malformed(
                f"`{host}` and `{item}` do not name an item", hint="a host in lower case, and 32 hex digits"
            )
        # RFC 9562, 5.4: a random uuid. It names this policy and nothing else.
        raw = bytearray(random(16))
        raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
        digits = raw.hex()
        uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        body = {"uuid": uuid, "body": {"dataAttributes": [{"attribute": attribute}], "dissem": []}}
        return cls.parse(to_base64(msgspec.json.encode(body)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the base64 string; whether the policy is one of ours is asked by `item`."""
        if len(text) > POLICY_MAX:
            raise Malformed(f"the policy has {len(text)} bytes; at most {POLICY_MAX} are read")
        raw = from_base64(text, where="policy")
        held = _typed(present(read_json(raw, limit=POLICY_MAX, what="policy")), _PolicyText, "policy")
        attributes = tuple(part.attribute for part in held.body.data_attributes)
        if len(attributes) > ATTRIBUTES_MAX or not _UUID.fullmatch(held.uuid.lower()):
            raise Malformed("the policy has too many attributes, or its uuid is not one")
        return cls(text=text, uuid=held.uuid, attributes=attributes, dissem=held.body.dissem)

    @property
    def digest(self) -> str:
        """SHA-256 over the base64 string, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def item(self) -> tuple[str, str]:
        """Host and opaque id of the one item. An empty policy, which others read as "anyone", is refused here."""
        if len(self.attributes) != 1 or self.dissem:
            raise Refused("the policy does not name exactly one registered item and nothing else")
        # Attribute names are compared in lower case (OpenTDF, "Attribute FQN").
        found = _ITEM.fullmatch(self.attributes[0].lower())
        if found is None:
            raise Refused("the policy does not name a registered item")
        return found[1], found[2]

    def binding(self, share: bytes) -> bytes:
        """HMAC-SHA256 of the string under a key share."""
        return hmac.digest(share, self.text.encode(), hashlib.sha256)


# ── key access ──


class Binding(Struct, frozen=True):
    """`hash` in hex form as we write it, or raw as the specification says."""

    alg: str
    hash: str

    @classmethod
    def of(cls, mac: bytes) -> Self:
        """The hex form: base64 of the lower-case hex text; released servers take no other."""
        return cls(alg="HS256", hash=to_base64(mac.hex().encode()))

    @property
    def mac(self) -> bytes:
        """The 32 bytes, from either form."""
        if self.alg != "HS256":
            raise Refused(f"a policy is bound by `{self.alg[:32]}`", hint="only HS256 is known")
        raw = from_base64(self.hash, where="policyBinding")
        if len(raw) == 64 and re.fullmatch(rb"[0-9a-f]{64}", raw):
            return bytes.fromhex(raw.decode())
        if len(raw) == 32:
            return raw
        raise Malformed("a policy binding is neither 32 bytes nor 64 hex digits")


class KeyAccess(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wrapped share: `kind` wrapped (RSA), ec-wrapped (elliptic curve) or hybrid-wrapped, `url` of the node that can unwrap it."""

    KINDS: ClassVar[tuple[str, ...]] = ("wrapped", "ec-wrapped", "hybrid-wrapped")

    kind: str = field(name="type")
    url: str
    protocol: str
    wrapped_key: str = field(name="wrappedKey")
    policy_binding: Binding | str = field(name="policyBinding")
    kid: str = ""
    sid: str = ""
    encrypted_metadata: str = field(name="encryptedMetadata", default="")
    ephemeral_pem: str | UnsetType = field(name="ephemeralPublicKey", default=UNSET)
    version: str | UnsetType = field(name="schemaVersion", default=UNSET)

    def check(self) -> Self:
        """Refuse what is not understood; nothing is unwrapped."""
        if self.kind not in self.KINDS or self.protocol != "kas":
            raise Refused(
                f"a key is wrapped by `{self.kind[:32]}` over `{self.protocol[:32]}`, which is not known here"
            )
        if len(self.url) > URL_MAX or not _URL.fullmatch(self.url):
            raise Malformed(f"`{self.url[:120]}` is not the address of a node")
        if not (self.kid + self.sid).isascii() or not (self.kid + self.sid).isprintable():
            raise Malformed("a key or share has a name that is not plain text")
        if len(self.kid) > 128 or len(self.sid) > 128 or len(self.encrypted_metadata) > TEXT_MAX:
            raise Malformed("a key access object is larger than any honest one")
        if (self.kind == "ec-wrapped") != (self.ephemeral_pem is not UNSET):
            raise Malformed("a key access object has a fresh key that it must not have, or none where it must")
        size = len(self.wrapped)
        if not (size == HYBRID_SIZE if self.kind == "hybrid-wrapped" else 32 < size <= WRAPPED_MAX):
            raise Malformed("a wrapped key has a length that none can have")
        if len(self.binding) != 32:
            raise Malformed("a policy binding has not 32 bytes")
        return self

    @property
    def wrapped(self) -> bytes:
        return from_base64(self.wrapped_key, where="wrappedKey")

    @property
    def binding(self) -> bytes:
        """The policy binding's 32 bytes. Old files have the bare string."""
        held = self.policy_binding
        return (Binding(alg="HS256", hash=held) if isinstance(held, str) else held).mac


# ── assertions ──


class Statement(Struct, frozen=True):
    format: str
    value: str
    schema: str = ""


class _JwsBinding(Struct, frozen=True):
    method: str
    signature: str


class _AssertionText(Struct, frozen=True, kw_only=True):
    id: str
    kind: str = field(name="type")
    scope: str
    state: str = field(name="appliesToState", default="")
    statement: Statement
    binding: _JwsBinding


class Assertion(Struct, frozen=True, kw_only=True):
    """A statement bound to the package. `hash` is over everything but the binding, unknown fields too."""

    id: str
    kind: str
    statement: Statement
    body: bytes
    signature: str

    @classmethod
    def make(cls, id: str, kind: str, statement: Statement, *, dek: bytes, aggregate: bytes) -> Self:  # noqa: A002
        """With the default binding: a JWS under the package's own key, which every reader of the format checks."""
        body = canonical(
            {
                "id": id,
                "type": kind,
                "scope": "tdo",
                "appliesToState": "encrypted",
                "statement": {"format": statement.format, "schema": statement.schema, "value": statement.value},
            }
        )
        digest = hashlib.sha256(body)
        claims = {"assertionHash": digest.hexdigest(), "assertionSig": to_base64(aggregate + digest.digest())}
        signature = sign_jws(
            {"alg": "HS256"}, msgspec.json.encode(claims), lambda text: hmac.digest(dek, text, hashlib.sha256)
        )
        return cls(id=id, kind=kind, statement=statement, body=body, signature=signature)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """From the manifest's JSON."""
        held = _typed(value, _AssertionText, "assertion")
        if held.binding.method.lower() != "jws":
            raise Refused(
                f"the assertion `{held.id[:64]}` is bound by `{held.binding.method[:32]}`, which is not known"
            )
        if (
            held.kind not in {"handling", "other"}
            or held.scope not in {"tdo", "payload"}
            or not 0 < len(held.id) <= 128
        ):
            raise Refused(f"the assertion `{held.id[:64]}` is of a kind or scope that is not known")
        body = canonical({key: part for key, part in value.items() if key != "binding"})
        if len(body) > TEXT_MAX:
            raise Malformed(f"the assertion `{held.id[:64]}` is longer than {TEXT_MAX} bytes")
        return cls(id=held.id, kind=held.kind, statement=held.statement, body=body, signature=held.binding.signature)

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def verify(self, dek: bytes, aggregate: bytes, *, legacy: bool = False) -> None:
        """The binding holds: this statement, on this payload, by someone who had the key."""
        what = f"assertion `{self.id}`"
        header, payload = verify_jws(self.signature, dek, allowed=("HS256",), what=what, limit=4 * MANIFEST_MAX)
        # Others take the verification key out of these fields; here they have no place at all.
        if not header.keys() <= {"alg", "typ"}:
            raise Refused(f"the {what} brings a key of its own")
        claims = read_json(payload, limit=4 * MANIFEST_MAX, what=what)
        own = self.hash.encode() if legacy else bytes.fromhex(self.hash)
        expected = {"assertionHash": self.hash, "assertionSig": to_base64(aggregate + own)}
        if claims != expected:
            raise Refused(f"the {what} belongs to another package, or was altered")

    def _wire(self) -> dict[str, Any]:
        held: dict[str, Any] = msgspec.json.decode(self.body)
        return held | {"binding": {"method": "jws", "signature": self.signature}}


# ── the whole ──


class Segment(Struct, frozen=True, array_like=True):
    """One row of the segment table; `hash` is base64, `size` of the plaintext."""

    hash: str
    size: int
    sealed: int


class _SegmentText(Struct, frozen=True):
    hash: str
    size: int | UnsetType = field(name="segmentSize", default=UNSET)
    sealed: int | UnsetType = field(name="encryptedSegmentSize", default=UNSET)


class _RootText(Struct, frozen=True):
    alg: str
    sig: str


class _IntegrityText(Struct, frozen=True, kw_only=True):
    root: _RootText = field(name="rootSignature")
    algorithm: str = field(name="segmentHashAlg")
    size: int = field(name="segmentSizeDefault")
    sealed: int = field(name="encryptedSegmentSizeDefault")
    segments: tuple[_SegmentText, ...]


class _MethodText(Struct, frozen=True, kw_only=True):
    algorithm: str
    streamable: bool = field(name="isStreamable", default=True)
    iv: str = ""


class _EncryptionText(Struct, frozen=True, kw_only=True):
    kind: str = field(name="type")
    key_access: tuple[KeyAccess, ...] = field(name="keyAccess")
    method: _MethodText
    policy: str
    integrity: _IntegrityText = field(name="integrityInformation")


class _PayloadText(Struct, frozen=True, kw_only=True):
    kind: str = field(name="type")
    url: str
    protocol: str
    encrypted: bool = field(name="isEncrypted")
    mime: str = field(name="mimeType", default="unknown")


class _ManifestText(Struct, frozen=True, kw_only=True):
    version: str = field(name="schemaVersion", default="")
    old_version: str | UnsetType = field(name="tdf_spec_version", default=UNSET)
    payload: _PayloadText
    encryption: _EncryptionText = field(name="encryptionInformation")
    assertions: tuple[Any, ...] | None = None


class Manifest(Struct, frozen=True, kw_only=True):
    """What a manifest says, checked in itself and not yet verified: that needs the key and the owner's signature.

    legacy: of format 4.2.2, whose hashes are over hex text; here they are bytes as in 4.3.0.
    """

    mime: str
    policy: Policy
    key_access: tuple[KeyAccess, ...]
    algorithm: str
    segment_size: int
    segments: tuple[Segment, ...]
    root: bytes
    assertions: tuple[Assertion, ...]
    legacy: bool = False

    @property
    def aggregate(self) -> bytes:
        """The segments' hashes, one after another: what the root signature is over."""
        raw = b"".join(from_base64(segment.hash, where="segments") for segment in self.segments)
        return raw.hex().encode() if self.legacy else raw

    @property
    def size(self) -> int:
        """Of the plaintext."""
        return sum(segment.size for segment in self.segments)

    @property
    def sealed_size(self) -> int:
        return sum(segment.sealed for segment in self.segments)

    @property
    def table_digest(self) -> str:
        """SHA-256 in hex over the canonical segment table: what the owner signs in the place of the payload."""
        table = {
            "algorithm": self.algorithm,
            "root": to_base64(self.root),
            "segment_size": self.segment_size,
            "segments": [[segment.hash, segment.size, segment.sealed] for segment in self.segments],
        }
        return hashlib.sha256(canonical(table)).hexdigest()


def format_manifest(manifest: Manifest) -> bytes:
    """The bytes as we write them: exactly the fields that the strictest reader knows."""
    held = _ManifestText(
        version=VERSION,
        payload=_PayloadText(kind="reference", url="0.payload", protocol="zip", encrypted=True, mime=manifest.mime),
        encryption=_EncryptionText(
            kind="split",
            key_access=manifest.key_access,
            method=_MethodText(algorithm="AES-256-GCM"),
            policy=manifest.policy.text,
            integrity=_IntegrityText(
                root=_RootText(alg="HS256", sig=to_base64(manifest.root)),
                algorithm=manifest.algorithm,
                size=manifest.segment_size,
                sealed=manifest.segment_size + OVERHEAD,
                segments=tuple(
                    _SegmentText(hash=part.hash, size=part.size, sealed=part.sealed) for part in manifest.segments
                ),
            ),
        ),
        assertions=tuple(assertion._wire() for assertion in manifest.assertions),
    )
    return msgspec.json.encode(held)


def parse_manifest(raw: bytes) -> Manifest:
    """Read a manifest, bounded. The caller compares `sealed_size` with the payload that is really there."""
    tree = read_json(raw, limit=MANIFEST_MAX, what="manifest")
    if not isinstance(tree, dict):
        raise Malformed("the manifest is not an object")
    # Assertions are hashed with everything that is in them, so they stay as they are.
    held = _typed(
        {key: part if key == "assertions" else present(part) for key, part in tree.items()}, _ManifestText, "manifest"
    )
    # Without the field it is 4.2.2, whose hashes are over hex text: a format of its own.
    version = held.version or ("" if held.old_version is UNSET else held.old_version) or LEGACY_VERSION
    if version not in {VERSION, LEGACY_VERSION}:
        raise Refused(f"the package is of format `{version[:16]}`", hint=f"{VERSION} and {LEGACY_VERSION} are read")
    legacy = version == LEGACY_VERSION
    outer, inner = held.payload, held.encryption
    if (outer.kind, outer.url, outer.encrypted) != ("reference", "0.payload", True):
        raise Refused("the payload is not the encrypted member `0.payload`")
    if outer.protocol not in {"zip", "zipstream"} or inner.kind != "split":
        raise Refused("the payload is laid out or the key split in a way that is not known")
    if inner.method.algorithm != "AES-256-GCM":
        raise Refused(f"the payload is encrypted by `{inner.method.algorithm[:32]}`", hint="only AES-256-GCM is known")
    given = held.assertions or ()
    if not 0 < len(inner.key_access) <= ACCESS_MAX or len(given) > ASSERTIONS_MAX:
        raise Malformed("the manifest has no key access object, or too many of them or of assertions")
    assertions = tuple(Assertion.parse(value) for value in given)
    if len({assertion.id for assertion in assertions}) != len(assertions):
        raise Malformed("two assertions have the same id")
    return Manifest(
        mime=check_mime(outer.mime),
        policy=Policy.parse(inner.policy),
        key_access=tuple(access.check() for access in inner.key_access),
        algorithm=inner.integrity.algorithm,
        segment_size=inner.integrity.size,
        segments=_segments(inner.integrity, legacy=legacy),
        root=_root(inner.integrity.root, legacy=legacy),
        assertions=assertions,
        legacy=legacy,
    )


def _unhexed(text: str, where: str) -> bytes:
    """The bytes behind base64 of hex text, as 4.2.2 writes hashes."""
    try:
        raw = from_base64(text, where=where).decode("ascii")
        made = bytes.fromhex(raw)
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed("a hash of format 4.2.2 is not hex text") from error
    if made.hex() != raw:
        raise Malformed("a hash of format 4.2.2 is not hex text in lower case")
    return made


def _root(root: _RootText, *, legacy: bool) -> bytes:
    # `GMAC` as a root is the last tag once more: no key is in it, so anyone can cut a file and write it anew.
    if root.alg != "HS256":
        raise Refused(f"the root of the segment table is `{root.alg[:32]}`, not a signature", hint="only HS256 is one")
    raw = _unhexed(root.sig, "rootSignature") if legacy else from_base64(root.sig, where="rootSignature")
    if len(raw) != 32:
        raise Malformed("the root signature has not 32 bytes")
    return raw


def _segments(held: _IntegrityText, *, legacy: bool) -> tuple[Segment, ...]:
    lengths = {"GMAC": 24, "HS256": 44}
    if held.algorithm not in lengths:
        raise Refused(f"segments are hashed by `{held.algorithm[:32]}`", hint="only GMAC and HS256 are known")
    if not 0 < held.size <= SEGMENT_MAX or held.sealed != held.size + OVERHEAD or len(held.segments) > SEGMENTS_MAX:
        raise Malformed("the segment sizes are none that a package can have")
    segments, last = [], len(held.segments) - 1
    for number, part in enumerate(held.segments):
        # The JavaScript writer leaves a size out when it is the default.
        size = held.size if part.size is UNSET else part.size
        sealed = held.sealed if part.sealed is UNSET else part.sealed
        full = size == held.size if number < last else 0 <= size <= held.size
        if not full or sealed != size + OVERHEAD:
            raise Malformed(f"segment {number} has sizes that disagree")
        found = to_base64(_unhexed(part.hash, "segments")) if legacy else part.hash
        if len(found) != lengths[held.algorithm]:
            raise Malformed(f"segment {number} has a hash of another algorithm")
        segments.append(Segment(found, size, sealed))
    return tuple(segments)
