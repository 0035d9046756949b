"""Keys: sign and verify, seal to a party, wrap a key share.

What a key holder must do stands here; where keys live is `store`'s affair.

Four kinds of key, one class each, none of which can be used as another:

    SecretKey   signs: Ed25519, and ML-DSA-65 beside it for what must last. With two halves BOTH signatures must hold
    OpeningKey  opens what is addressed to a party: HPKE (RFC 9180) base mode, ML-KEM-768 with X25519, HKDF-SHA256,
                AES-256-GCM
    AccessKey   unwraps shares of package keys: RSA-OAEP, or P-256 with HKDF (the wrappings of OpenTDF 4.3.0)
    ProofKey    a client's own: proves possession of a token (RFC 9449), signs its requests; Ed25519 or P-256

Rules
* Ed25519 is verified strictly: the 14 encodings of low order are refused as key and as R, so that every library
  gives the same verdict.
* ML-DSA signs with randomness of its own. A signature is checked, never hashed, compared or used as a name.
* Randomness is handed in. Three things the libraries draw themselves, and nothing here can set them: the primes of RSA,
  what hedges a signature of ML-DSA, what ML-KEM encapsulates.
* A key file is one line of JSON in one spelling; its field `relto` says which kind it is. `repr` shows no secret.
* A key id is a 32-bit hint for looking a key up (C2SP signed-note); it decides nothing.

A session:

    >>> import os
    >>> key = SecretKey.generate("gbr/disclosure-1", os.urandom)
    >>> signatures = key.sign(b"engage acme")
    >>> key.public.verify(b"engage acme", signatures)
    True
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final, Protocol, Self, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, padding, rsa, utils, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import UNSET, Struct, UnsetType

from relto.errors import Forged, Malformed, Refused

__all__ = [
    "AccessKey",
    "Opener",
    "OpeningKey",
    "OpeningPublic",
    "ProofKey",
    "PublicKey",
    "Random",
    "SecretKey",
    "Signer",
    "Wrapped",
    "Wrapping",
    "from_base64",
    "jwk_thumbprint",
    "key_id",
    "pae",
    "to_base64",
    "verify_ed25519",
    "wrap_share",
]

Random = Callable[[int], bytes]

SEED_SIZE: Final = 32
SHARE_SIZE: Final = 32
KEY_TEXT_MAX: Final = 16 * 1024
PEM_MAX: Final = 4096
RSA_BITS: Final = (2048, 3072, 4096)

KIND_ED25519: Final = b"\x01"
# Signed-note types: 0xff is for private use, followed by an identifier of one's own.
KIND_MLDSA65: Final = b"\xff" + b"relto/ml-dsa-65"

_NAME = re.compile(r"[a-z0-9][a-z0-9./-]{0,127}")

# The seven values, each also with the top bit of the last byte set. OpenSSL, Go and Node accept some of them, libsodium
# none: with such a key a party could make one partner see a valid signature and another an invalid one.
_LOW_ORDER_VALUES = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
LOW_ORDER: Final = frozenset(
    value[:31] + bytes([value[31] | top]) for value in map(bytes.fromhex, _LOW_ORDER_VALUES) for top in (0, 0x80)
)


# ── text ──


def to_base64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str | bytes, *, where: str = "") -> bytes:
    """Standard base64 in its one spelling; anything else is `Malformed`."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        data = base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not standard base64", where=where) from error
    # The decoder ignores unused bits (`QUJ=` and `QUI=` are both AB), so the text is compared with what it should be.
    if base64.b64encode(data) != raw:
        raise Malformed("base64 in another than its one spelling", where=where)
    return data


def pae(payload_type: str, body: bytes) -> bytes:
    """DSSE 1.0 pre-authentication encoding: what is signed for a payload with a type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


@lru_cache(maxsize=4096)
def key_id(name: str, kind: bytes, public: bytes) -> str:
    """`name+hex8` as C2SP signed-note computes it."""
    digest = hashlib.sha256(name.encode() + b"\n" + kind + public).digest()
    return f"{name}+{digest[:4].hex()}"


def _named(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Malformed(
            f"`{name}` is not a key name", hint="use a-z, 0-9, `.`, `/` and `-`, at most 128, a letter or digit first"
        )


def _drawn(random: Random, size: int) -> bytes:
    data = random(size)
    if len(data) != size:
        raise Malformed(f"the source of random bytes gave {len(data)} instead of {size}")
    return data


# ── signing ──


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 signature holds, by the strict rule."""
    if len(public) != 32 or len(signature) != 64 or public in LOW_ORDER or signature[:32] in LOW_ORDER:
        return False
    try:
        _ed25519(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_es256(x: bytes, y: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the ECDSA signature by the P-256 key with this point holds; r and s side by side (RFC 7518, 3.4)."""
    if len(x) != 32 or len(y) != 32 or len(signature) != 64:
        return False
    value = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)
        public.verify(value, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=512)
def _ed25519(public: bytes) -> ed25519.Ed25519PublicKey:
    return ed25519.Ed25519PublicKey.from_public_bytes(public)


def _verify_mldsa65(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        mldsa.MLDSA65PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class PublicKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that verifies, as it stands in acts. When `mldsa65` is there, both signatures must hold."""

    name: str
    ed25519: bytes
    mldsa65: bytes | UnsetType = UNSET

    def __post_init__(self) -> None:
        _named(self.name)
        if len(self.ed25519) != 32:
            raise Malformed(f"the Ed25519 half of `{self.name}` has {len(self.ed25519)} bytes instead of 32")
        if self.ed25519 in LOW_ORDER:
            raise Malformed(f"the Ed25519 half of `{self.name}` has low order")
        if self.mldsa65 is not UNSET and len(self.mldsa65) != 1952:
            raise Malformed(f"the ML-DSA-65 half of `{self.name}` has {len(self.mldsa65)} bytes instead of 1952")

    @property
    def key_ids(self) -> tuple[str, ...]:
        """One per half: Ed25519 first."""
        first = key_id(self.name, KIND_ED25519, self.ed25519)
        return (first,) if self.mldsa65 is UNSET else (first, key_id(self.name, KIND_MLDSA65, self.mldsa65))

    def verify(self, message: bytes, signatures: Mapping[str, bytes]) -> bool:
        """Whether every half has signed; signatures under other key ids are not looked at."""
        ids = self.key_ids
        if not verify_ed25519(self.ed25519, message, signatures.get(ids[0], b"")):
            return False
        return self.mldsa65 is UNSET or _verify_mldsa65(self.mldsa65, message, signatures.get(ids[1], b""))


class Signer(Protocol):
    """Whoever can sign with a party's key: a key file, a token, a person with a machine of its own."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes) -> dict[str, bytes]:
        """One signature per half, under its key id."""
        ...


class _SigningText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="relto", tag="signing-key"):
    v: int
    name: str
    ed25519: bytes
    mldsa65: bytes | UnsetType = UNSET


class SecretKey:
    """A signing key held as seeds; a `Signer`."""

    __slots__ = ("_ed25519", "_ids", "_mldsa65", "_text", "public")

    public: PublicKey

    def __init__(self, name: str, ed25519_seed: bytes, mldsa65_seed: bytes | None = None) -> None:
        for seed in (ed25519_seed, mldsa65_seed):
            if seed is not None and len(seed) != SEED_SIZE:
                raise Malformed(f"a seed of `{name}` has {len(seed)} bytes instead of {SEED_SIZE}")
        self._ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        self._mldsa65 = None if mldsa65_seed is None else mldsa.MLDSA65PrivateKey.from_seed_bytes(mldsa65_seed)
        self._text = _SigningText(
            v=1, name=name, ed25519=ed25519_seed, mldsa65=UNSET if mldsa65_seed is None else mldsa65_seed
        )
        self.public = PublicKey(
            name=name,
            ed25519=self._ed25519.public_key().public_bytes_raw(),
            mldsa65=UNSET if self._mldsa65 is None else self._mldsa65.public_key().public_bytes_raw(),
        )
        self._ids = self.public.key_ids

    @classmethod
    def generate(cls, name: str, random: Random, hybrid: bool = True) -> Self:  # noqa: FBT001, FBT002 - one flag, always named
        """A new key; with `hybrid` it has both halves."""
        return cls(name, _drawn(random, SEED_SIZE), _drawn(random, SEED_SIZE) if hybrid else None)

    def sign(self, message: bytes) -> dict[str, bytes]:
        """Sign with every half."""
        ids = self._ids
        signatures = {ids[0]: self._ed25519.sign(message)}
        if self._mldsa65 is not None:
            signatures[ids[1]] = self._mldsa65.sign(message)
        return signatures

    def to_text(self) -> str:
        """The key file: one line, secret."""
        return _format_key(self._text)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a key file."""
        held = _parse_key(text, _SigningText)
        return cls(held.name, held.ed25519, None if held.mldsa65 is UNSET else held.mldsa65)

    def __repr__(self) -> str:
        return f"SecretKey({self.public.name!r})"


# ── key files ──

_T = TypeVar("_T", bound=Struct)


def _format_key(held: Struct) -> str:
    return msgspec.json.encode(held).decode() + "\n"


def _parse_key(text: str, kind: type[_T]) -> _T:
    if len(text) > KEY_TEXT_MAX:
        raise Malformed(f"a key file has at most {KEY_TEXT_MAX} bytes")
    try:
        held = msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(
            f"not a {kind.__struct_config__.tag} of relto", hint="is it another kind of key file?"
        ) from error
    # INVARIANT: format(parse(x)) == x. It catches repeated keys, white space and every second spelling at once.
    if _format_key(held) != text:
        raise Malformed("a key file is one line of JSON exactly as relto writes it")
    if getattr(held, "v", None) != 1:
        raise Malformed("a key file of a version that this relto does not know", hint="use the relto that wrote it")
    return held


# ── opening: HPKE, single shot ──

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class OpeningPublic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What others seal to; stands in a party's chain."""

    mlkem768: bytes
    x25519: bytes

    def __post_init__(self) -> None:
        self._keys()

    def _keys(self) -> hpke.MLKEM768X25519PublicKey:
        try:
            return hpke.MLKEM768X25519PublicKey(
                mlkem.MLKEM768PublicKey.from_public_bytes(self.mlkem768),
                x25519.X25519PublicKey.from_public_bytes(self.x25519),
            )
        except ValueError as error:
            raise Malformed("an opening key is an ML-KEM-768 key of 1184 bytes and an X25519 key of 32") from error

    def seal(self, info: bytes, text: bytes) -> bytes:
        """Seal to the holder; `info` says what for and must be given again to open."""
        try:
            return _SUITE.encrypt(text, self._keys(), info)
        except ValueError as error:
            raise Malformed("nothing can be sealed to this opening key") from error


class Opener(Protocol):
    """Whoever can open what is addressed to a party."""

    @property
    def public(self) -> OpeningPublic: ...

    def open(self, info: bytes, sealed: bytes) -> bytes:
        """The text; `Forged` when it does not open."""
        ...


class _OpeningText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="relto", tag="opening-key"):
    v: int
    mlkem768: bytes
    x25519: bytes


class OpeningKey:
    """A party's opening key; an `Opener`."""

    __slots__ = ("_key", "_text", "public")

    public: OpeningPublic

    def __init__(self, mlkem768_seed: bytes, x25519_secret: bytes) -> None:
        try:
            first = mlkem.MLKEM768PrivateKey.from_seed_bytes(mlkem768_seed)
            second = x25519.X25519PrivateKey.from_private_bytes(x25519_secret)
        except ValueError as error:
            raise Malformed("an opening key is a seed of 64 bytes and one of 32") from error
        self._key = hpke.MLKEM768X25519PrivateKey(first, second)
        self._text = _OpeningText(v=1, mlkem768=mlkem768_seed, x25519=x25519_secret)
        self.public = OpeningPublic(
            mlkem768=first.public_key().public_bytes_raw(), x25519=second.public_key().public_bytes_raw()
        )

    @classmethod
    def generate(cls, random: Random) -> Self:
        """A new key."""
        return cls(_drawn(random, 64), _drawn(random, 32))

    def open(self, info: bytes, sealed: bytes) -> bytes:
        """The text; `Forged` when it does not open, whatever the reason."""
        try:
            return _SUITE.decrypt(sealed, self._key, info)
        except (InvalidTag, ValueError) as error:
            raise Forged("this was not sealed to this opening key, or was altered since") from error

    def to_text(self) -> str:
        """The key file: one line, secret."""
        return _format_key(self._text)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a key file."""
        held = _parse_key(text, _OpeningText)
        return cls(held.mlkem768, held.x25519)

    def __repr__(self) -> str:
        return "OpeningKey()"


# ── key access: OpenTDF 4.3.0 wrappings ──

# OpenTDF: RSA-OAEP with SHA-1 and MGF1-SHA-1, empty label. SHA-1 does no harm inside OAEP (no collision is at stake)
# and no released reader takes another hash.
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303
_HKDF_SALT = hashlib.sha256(b"TDF").digest()
_CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, int]]] = {
    # name in OpenSSL's spelling -> curve, order of the base point (SEC 2)
    "secp256r1": (ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "secp384r1": (
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    "secp521r1": (
        ec.SECP521R1(),
        int("01FF" + "F" * 62 + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
    ),
}


# The composite of ML-KEM-768 and P-256 of draft-ietf-lamps-pq-composite-kem-14, section 6. Every field has one length,
# so that its DER is a fixed frame: what differs from it is refused without being parsed.
HYBRID: Final = "hpqt:secp256r1-mlkem768"
_HYBRID_LABEL: Final = b"MLKEM768-P256"
_MLKEM_PUBLIC, _MLKEM_CIPHERTEXT, _MLKEM_SEED, _POINT = 1184, 1088, 64, 65
_HYBRID_OID: Final = bytes.fromhex("300a06082b0601050507063b")  # AlgorithmIdentifier: 1.3.6.1.5.5.7.6.59
_HYBRID_SPKI: Final = bytes.fromhex("308204f2") + _HYBRID_OID + bytes.fromhex("038204e200")
_P256_SPKI: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")  # the point follows
# OpenTDF: SEQUENCE { [0] OCTET STRING ciphertext of the KEM, [1] OCTET STRING IV, sealed share, tag }
_HYBRID_HEAD: Final = bytes.fromhex("308204c380820481")
_HYBRID_MIDDLE: Final = bytes.fromhex("813c")
_HYBRID_WRAPPED = len(_HYBRID_HEAD) + _MLKEM_CIPHERTEXT + _POINT + len(_HYBRID_MIDDLE) + 12 + SHARE_SIZE + 16


def _share_key(secret: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=hashes.SHA256(), length=32, salt=_HKDF_SALT, info=b"").derive(secret))


def _hybrid_key(mlkem_secret: bytes, ecdh_secret: bytes, fresh_point: bytes, node_point: bytes) -> AESGCM:
    """The combiner of the composite (draft, 3.4): both secrets count, bound to the points and to the suite."""
    text = mlkem_secret + ecdh_secret + fresh_point + node_point + _HYBRID_LABEL
    return AESGCM(hashlib.sha3_256(text).digest())


def _point(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


class _HybridPublic:
    __slots__ = ("curve", "mlkem", "point")

    def __init__(self, raw: bytes) -> None:
        try:
            self.mlkem = mlkem.MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC])
            self.point = raw[_MLKEM_PUBLIC:]
            self.curve = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.point)
        except ValueError as error:
            raise Malformed("a hybrid key is one of ML-KEM-768 and a point on P-256") from error

    @property
    def der(self) -> bytes:
        return _HYBRID_SPKI + self.mlkem.public_bytes_raw() + self.point

    def wrap(self, share: bytes, iv: bytes, fresh: ec.EllipticCurvePrivateKey) -> bytes:
        secret, ciphertext = self.mlkem.encapsulate()
        point = _point(fresh.public_key())
        aead = _hybrid_key(secret, fresh.exchange(ec.ECDH(), self.curve), point, self.point)
        return _HYBRID_HEAD + ciphertext + point + _HYBRID_MIDDLE + iv + aead.encrypt(iv, share, None)


class _HybridSecret:
    __slots__ = ("_curve", "_mlkem", "public")

    def __init__(self, seed: bytes, curve: ec.EllipticCurvePrivateKey) -> None:
        self._mlkem, self._curve = mlkem.MLKEM768PrivateKey.from_seed_bytes(seed), curve
        self.public = _HybridPublic(self._mlkem.public_key().public_bytes_raw() + _point(curve.public_key()))

    @property
    def pkcs8(self) -> bytes:
        """RFC 5958 around seed and ECPrivateKey (draft, 4.2): what other software reads."""
        inner = self._curve.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        raw = self._mlkem.private_bytes_raw() + inner
        body = bytes.fromhex("020100") + _HYBRID_OID + bytes((0x04, 0x81, len(raw))) + raw
        return bytes((0x30, 0x81, len(body))) + body

    @classmethod
    def of_pkcs8(cls, der: bytes) -> _HybridSecret:
        start = der.find(_HYBRID_OID) + len(_HYBRID_OID) + 3
        raw = der[start:]
        curve = serialization.load_der_private_key(raw[_MLKEM_SEED:], password=None)
        if not isinstance(curve, ec.EllipticCurvePrivateKey) or not isinstance(curve.curve, ec.SECP256R1):
            raise Malformed("the key file holds a private key of another algorithm")
        made = cls(raw[:_MLKEM_SEED], curve)
        if made.pkcs8 != der:
            raise Malformed("the key file does not say what it holds")
        return made

    def unwrap(self, wrapped: bytes) -> bytes:
        start, middle = len(_HYBRID_HEAD), len(_HYBRID_HEAD) + _MLKEM_CIPHERTEXT + _POINT
        sealed = middle + len(_HYBRID_MIDDLE)
        if (
            len(wrapped) != _HYBRID_WRAPPED
            or wrapped[:start] != _HYBRID_HEAD
            or wrapped[middle:sealed] != _HYBRID_MIDDLE
        ):
            raise Refused("wrapped for another kind of key")
        point = wrapped[middle - _POINT : middle]
        fresh = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        secret = self._mlkem.decapsulate(wrapped[start : start + _MLKEM_CIPHERTEXT])
        aead = _hybrid_key(secret, self._curve.exchange(ec.ECDH(), fresh), point, self.public.point)
        return aead.decrypt(wrapped[sealed : sealed + 12], wrapped[sealed + 12 :], None)


def _pem_of(der: bytes) -> str:
    text = base64.b64encode(der).decode("ascii")
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"


def _read_hybrid(text: str) -> _HybridPublic | None:
    """The hybrid key in a PEM; None when the PEM is of another kind. The algorithm inside tells, not the marker."""
    body = "".join(line for line in text.split("\n") if line and not line.startswith("-----"))
    try:
        der = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return None
    size = len(_HYBRID_SPKI)
    if der[:size] != _HYBRID_SPKI or len(der) != size + _MLKEM_PUBLIC + _POINT:
        return None
    return _HybridPublic(der[size:])


def _read_p256(text: str) -> ec.EllipticCurvePublicKey | None:
    """The P-256 key in a PEM of the one spelling that `_pem` writes; None for any other text, which may be one too."""
    try:
        der = base64.b64decode("".join(text.split("\n")[1:-2]), validate=True)
    except (binascii.Error, ValueError):
        return None
    size = len(_P256_SPKI)
    if der[:size] != _P256_SPKI or len(der) != size + _POINT or _pem_of(der) != text:
        return None
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), der[size:])
    except ValueError:
        return None


def _pem(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode(
        "ascii"
    )


def _read_pem(text: str) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey | _HybridPublic:
    if len(text) > PEM_MAX:
        raise Malformed(f"a public key in PEM has at most {PEM_MAX} bytes")
    if (hybrid := _read_hybrid(text)) is not None:
        return hybrid
    if (plain := _read_p256(text)) is not None:
        return plain
    try:
        public = serialization.load_pem_public_key(text.encode("ascii"))
    except (ValueError, UnicodeError) as error:
        raise Malformed("not a public key in PEM") from error
    except Exception as error:  # cryptography raises UnsupportedAlgorithm for a curve or type that it does not know
        raise Refused("a public key of an unknown algorithm") from error
    if isinstance(public, rsa.RSAPublicKey) and public.key_size in RSA_BITS:
        return public
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return public
    raise Refused(
        "a share is wrapped only to RSA of 2048, 3072 or 4096 bits, to P-256, P-384 or P-521, or to ML-KEM-768 with P-256"
    )


class Wrapped(Struct, frozen=True, kw_only=True):
    """A wrapped share as a key access object carries it."""

    kind: str
    wrapped: bytes
    ephemeral_pem: str | None = None


class Wrapping:
    """Wraps any number of shares to one public key.

    For an elliptic curve they all stand under one fresh key, as a re-wrap answer wants it. A hybrid key gets a fresh
    pair of secrets for each share, which travel with it.
    """

    __slots__ = ("_aead", "_hybrid", "_random", "_rsa", "ephemeral_pem", "kind")

    kind: str
    ephemeral_pem: str | None

    def __init__(self, public_pem: str, random: Random) -> None:
        public = _read_pem(public_pem)
        self._random, self._rsa, self._aead, self._hybrid = random, None, None, None
        if isinstance(public, rsa.RSAPublicKey):
            self.kind, self.ephemeral_pem, self._rsa = "wrapped", None, public
            return
        if isinstance(public, _HybridPublic):
            self.kind, self.ephemeral_pem, self._hybrid = "hybrid-wrapped", None, public
            return
        fresh = _scalar(random, public.curve.name)
        self.kind, self.ephemeral_pem = "ec-wrapped", _pem(fresh.public_key())
        self._aead = _share_key(fresh.exchange(ec.ECDH(), public))

    def wrap(self, share: bytes) -> bytes:
        """The wrapped share."""
        if len(share) != SHARE_SIZE:
            raise Malformed(f"a share has {SHARE_SIZE} bytes, not {len(share)}")
        if self._rsa is not None:
            return self._rsa.encrypt(share, _OAEP)
        iv = _drawn(self._random, 12)
        if self._hybrid is not None:
            return self._hybrid.wrap(share, iv, _scalar(self._random, "secp256r1"))
        assert self._aead is not None
        return iv + self._aead.encrypt(iv, share, None)


def _scalar(random: Random, name: str) -> ec.EllipticCurvePrivateKey:
    curve, order = _CURVES[name]
    # 16 bytes more than the order has: the remainder is then even enough (FIPS 186-5, A.2.1).
    drawn = int.from_bytes(_drawn(random, (order.bit_length() + 7) // 8 + 16), "big")
    return ec.derive_private_key(drawn % (order - 1) + 1, curve)


def wrap_share(public_pem: str, share: bytes, random: Random) -> Wrapped:
    """Wrap one share to one public key."""
    wrapping = Wrapping(public_pem, random)
    return Wrapped(kind=wrapping.kind, wrapped=wrapping.wrap(share), ephemeral_pem=wrapping.ephemeral_pem)


class Unwrapper(Protocol):
    """A node's key access key, wherever its private half is: a file, a token."""

    @property
    def kid(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def public_pem(self) -> str: ...
    def unwrap(self, kind: str, wrapped: bytes, ephemeral_pem: str | None = None) -> bytes:
        """The share; `Forged` whatever the reason."""
        ...


class PublicHalf(Struct, frozen=True, kw_only=True):
    """The public half of an access key of RSA or P-256 whose private half somebody else holds.

    point: of P-256, uncompressed; empty for RSA.
    """

    kind: str
    kid: str
    pem: str
    point: bytes

    @classmethod
    def of_rsa_pkcs1(cls, der: bytes) -> Self:
        """From RSAPublicKey (RFC 8017, A.1.1)."""
        return cls._of(serialization.load_der_public_key(der))

    @classmethod
    def of_spki(cls, der: bytes) -> Self:
        """From a SubjectPublicKeyInfo."""
        return cls._of(serialization.load_der_public_key(der))

    @classmethod
    def of_pem(cls, text: str) -> Self:
        """Raises: Malformed, Refused."""
        return cls._of(_read_pem(text))

    @classmethod
    def _of(cls, public: object) -> Self:
        if isinstance(public, rsa.RSAPublicKey) and public.key_size == 2048:
            kind, point = "rsa:2048", b""
        elif isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
            kind, point = "ec:secp256r1", _point(public)
        else:
            raise Refused("a key access key in a token is RSA of 2048 bits or P-256")
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(kind=kind, kid=hashlib.sha256(der).hexdigest()[:16], pem=_pem(public), point=point)


def opened_by_secret(secret: bytes, wrapped: bytes) -> bytes:
    """The share of an `ec-wrapped` key, by the x-coordinate that somebody else worked out. Raises: Forged."""
    if len(wrapped) != 12 + SHARE_SIZE + 16:
        raise Forged("this share does not unwrap with this key")
    try:
        return _share_key(secret).decrypt(wrapped[:12], wrapped[12:], None)
    except InvalidTag as error:
        raise Forged("this share does not unwrap with this key") from error


class _AccessText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="relto", tag="access-key"):
    v: int
    kind: str
    pkcs8: bytes


class AccessKey:
    """A node's key access key, or a client's session key.

    `kid` is 16 hex digits of SHA-256 over the SubjectPublicKeyInfo.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("rsa:2048", "ec:secp256r1", HYBRID)

    __slots__ = ("_key", "kid", "kind", "public_pem")

    kind: str
    kid: str
    public_pem: str

    def __init__(self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | _HybridSecret) -> None:
        self._key = key
        if isinstance(key, _HybridSecret):
            self.kind, der = HYBRID, key.public.der
            self.kid, self.public_pem = hashlib.sha256(der).hexdigest()[:16], _pem_of(der)
            return
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size == 2048:
            self.kind = "rsa:2048"
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            self.kind = "ec:secp256r1"
        else:
            raise Refused("a key access key is RSA of 2048 bits, P-256, or ML-KEM-768 with P-256")
        public = key.public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.kid, self.public_pem = hashlib.sha256(der).hexdigest()[:16], _pem(public)

    @classmethod
    def generate(cls, kind: str, random: Random | None = None) -> Self:
        """A new key, drawn from `random`; without one from the library's own source, as the primes of RSA always are."""
        if kind == "rsa:2048":
            return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        if kind == "ec:secp256r1":
            return cls(ec.generate_private_key(ec.SECP256R1()) if random is None else _scalar(random, "secp256r1"))
        if kind == HYBRID:
            if random is None:
                seed = mlkem.MLKEM768PrivateKey.generate().private_bytes_raw()
                return cls(_HybridSecret(seed, ec.generate_private_key(ec.SECP256R1())))
            return cls(_HybridSecret(_drawn(random, _MLKEM_SEED), _scalar(random, "secp256r1")))
        raise Refused(f"`{kind}` is not a kind of key access key", hint=f"use one of {', '.join(cls.KINDS)}")

    def unwrap(self, kind: str, wrapped: bytes, ephemeral_pem: str | None = None) -> bytes:
        """The share. Every way to fail is the same `Forged`: a caller that could tell them apart would be an oracle."""
        try:
            share = self._unwrap(kind, wrapped, ephemeral_pem)
        except (InvalidTag, ValueError, Malformed, Refused) as error:
            raise Forged("this share does not unwrap with this key") from error
        if len(share) != SHARE_SIZE:
            raise Forged("this share does not unwrap with this key")
        return share

    def _unwrap(self, kind: str, wrapped: bytes, ephemeral_pem: str | None) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            if kind != "wrapped" or ephemeral_pem is not None:
                raise Refused("wrapped for another kind of key")
            return self._key.decrypt(wrapped, _OAEP)
        if isinstance(self._key, _HybridSecret):
            if kind != "hybrid-wrapped" or ephemeral_pem is not None:
                raise Refused("wrapped for another kind of key")
            return self._key.unwrap(wrapped)
        if kind != "ec-wrapped" or ephemeral_pem is None or len(wrapped) != 12 + SHARE_SIZE + 16:
            raise Refused("wrapped for another kind of key")
        other = _read_pem(ephemeral_pem)
        if not isinstance(other, ec.EllipticCurvePublicKey) or other.curve.name != self._key.curve.name:
            raise Refused("wrapped on another curve")
        return _share_key(self._key.exchange(ec.ECDH(), other)).decrypt(wrapped[:12], wrapped[12:], None)

    def to_text(self) -> str:
        """The key file: one line, secret."""
        if isinstance(self._key, _HybridSecret):
            return _format_key(_AccessText(v=1, kind=self.kind, pkcs8=self._key.pkcs8))
        der = self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _format_key(_AccessText(v=1, kind=self.kind, pkcs8=der))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a key file."""
        held = _parse_key(text, _AccessText)
        try:
            if held.kind == HYBRID:
                return cls(_HybridSecret.of_pkcs8(held.pkcs8))
            key = serialization.load_der_private_key(held.pkcs8, password=None)
        except (ValueError, TypeError) as error:
            raise Malformed("the key file holds no private key") from error
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise Malformed("the key file holds a private key of another algorithm")
        made = cls(key)
        if made.to_text() != text:
            raise Malformed("the key file does not say what it holds")
        return made

    def __repr__(self) -> str:
        return f"AccessKey({self.kind!r}, kid={self.kid!r})"


# ── a client's proof of possession ──


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def jwk_thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638, for the two key types that relto's clients use, and RSA, which others' do."""
    members = {"OKP": ("crv", "kty", "x"), "EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}.get(
        str(jwk.get("kty"))
    )
    if members is None or any(not isinstance(jwk.get(name), str) for name in members):
        raise Malformed("not a public key in JWK")
    return _url64(hashlib.sha256(msgspec.json.encode({name: jwk[name] for name in members})).digest())


class _ProofText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="relto", tag="proof-key"):
    v: int
    alg: str
    secret: bytes


class ProofKey:
    """A client's key: `alg` EdDSA (Ed25519) or ES256 (P-256), `jwk` the public half, `jkt` its thumbprint."""

    __slots__ = ("_key", "_text", "alg", "jkt", "jwk")

    alg: str
    jwk: dict[str, str]
    jkt: str

    def __init__(self, alg: str, secret: bytes) -> None:
        self._text = _ProofText(v=1, alg=alg, secret=secret)
        self._key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
        if len(secret) != SEED_SIZE:
            raise Malformed(f"a proof key has {SEED_SIZE} secret bytes, not {len(secret)}")
        if alg == "EdDSA":
            self._key = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
            self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": _url64(self._key.public_key().public_bytes_raw())}
        elif alg == "ES256":
            curve, order = _CURVES["secp256r1"]
            scalar = int.from_bytes(secret, "big")
            if not 0 < scalar < order:
                raise Malformed("the secret of a P-256 key is out of range")
            self._key = ec.derive_private_key(scalar, curve)
            point = self._key.public_key().public_numbers()
            self.jwk = {
                "crv": "P-256",
                "kty": "EC",
                "x": _url64(point.x.to_bytes(32, "big")),
                "y": _url64(point.y.to_bytes(32, "big")),
            }
        else:
            raise Refused(f"`{alg}` is not an algorithm of a proof key", hint="use EdDSA or ES256")
        self.alg, self.jkt = alg, jwk_thumbprint(self.jwk)

    @classmethod
    def generate(cls, alg: str, random: Random) -> Self:
        """A new key."""
        if alg != "ES256":
            return cls(alg, _drawn(random, SEED_SIZE))
        order = _CURVES["secp256r1"][1]
        scalar = int.from_bytes(_drawn(random, 48), "big") % (order - 1) + 1
        return cls(alg, scalar.to_bytes(32, "big"))

    def sign(self, message: bytes) -> bytes:
        """A JWS signature value (RFC 7518, 3.4: r and s side by side, not DER)."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = utils.decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def to_text(self) -> str:
        """The key file: one line, secret."""
        return _format_key(self._text)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a key file."""
        held = _parse_key(text, _ProofText)
        return cls(held.alg, held.secret)

    def __repr__(self) -> str:
        return f"ProofKey({self.alg!r}, jkt={self.jkt!r})"
