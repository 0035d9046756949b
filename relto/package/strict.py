"""JSON read strictly and written canonically; base64url and compact JWS on top of it.

A repeated key, an ill-formed text or an unpaired surrogate means one thing to one reader and another to the next, so
none is let in. Unknown keys are the caller's affair: this file reads values, not formats.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from msgspec import UNSET

from relto.errors import Forged, Malformed
from relto.keys import PublicKey, verify_ed25519, verify_es256

INT_MAX: Final = 2**53 - 1
DEPTH_MAX: Final = 32
CONTAINERS_MAX: Final = 300_000
TOKEN_MAX: Final = 128 * 1024

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_DIGITS, _LONG = bytes.maketrans(b"123456789", b"000000000"), b"0" * 16
_plain = msgspec.json.Decoder()


def read_json(raw: bytes, *, limit: int, what: str) -> Any:
    """The value of a JSON text: UTF-8, no repeated key, no NaN, integers within ±(2^53-1), bounded."""
    if len(raw) > limit:
        raise Malformed(f"the {what} has {len(raw)} bytes; at most {limit} are read")
    # A text of nothing but `[],[],` grows thirtyfold in memory; the longest honest one stays far below this count.
    if raw.count(b"{") + raw.count(b"[") > CONTAINERS_MAX or raw.count(b",") > 4 * CONTAINERS_MAX:
        raise Malformed(f"the {what} has more parts than any honest one")
    try:
        if (value := _canonical_value(raw)) is not None:
            return value
        value = _reader.decode(raw.decode("utf-8"))
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _NotStrictError) else "not JSON in UTF-8"
        raise Malformed(f"the {what} is refused: {reason}") from error
    return value


def _canonical_value(raw: bytes) -> Any:
    """The value of a text that is written as msgspec writes it; None for any other, which says nothing about it.

    What comes out as it went in repeats no key and has no second spelling. Long numbers are left to the slow way.
    """
    if _LONG in raw.translate(_DIGITS):  # in a text or not
        return None
    try:
        value = _plain.decode(raw)
    except (ValueError, RecursionError):
        return None
    return value if msgspec.json.encode(value) == raw else None


class _NotStrictError(ValueError):
    pass


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _NotStrictError(f"the key `{again[:64]}` stands there twice")
    return made


def _bounded(digits: str) -> int:
    if len(digits) > 17 or abs(number := int(digits)) > INT_MAX:
        raise _NotStrictError("an integer is too large")
    if digits == "-0":
        raise _NotStrictError("an integer is minus zero")
    return number


def _no_constant(name: str) -> None:
    raise _NotStrictError(f"{name} is not JSON")


_reader = json.JSONDecoder(object_pairs_hook=_unrepeated, parse_int=_bounded, parse_constant=_no_constant)


def canonical(value: Any, depth: int = 0) -> bytes:
    """RFC 8785, without fractions: nothing that is hashed here holds any."""
    if depth > DEPTH_MAX:
        raise Malformed(f"a value is nested more than {DEPTH_MAX} deep")
    match value:
        case dict():
            # RFC 8785, 3.2.3: keys in the order of their UTF-16 units.
            keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
            parts = (msgspec.json.encode(key) + b":" + canonical(value[key], depth + 1) for key in keys)
            return b"{" + b",".join(parts) + b"}"
        case list() | tuple():
            return b"[" + b",".join(canonical(part, depth + 1) for part in value) + b"]"
        case None | bool() | int() | str():
            return msgspec.json.encode(value)
    raise Malformed("a value that is hashed holds a fraction")


def to_base64url(data: bytes) -> str:
    """RFC 7515, 2: without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The bytes, from the one spelling."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not base64url") from error
    if to_base64url(data) != text:
        raise Malformed("base64url in another than its one spelling")
    return data


# ── compact JWS ──

Key = PublicKey | Mapping[str, Any] | bytes


class _Registry(jws.JWSRegistry):
    max_header_length = 8 * 1024
    max_payload_length = TOKEN_MAX
    max_signature_length = 1024


def sign_jws(header: Mapping[str, Any], payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """A compact JWS over the payload as it is."""
    text = f"{to_base64url(msgspec.json.encode(header))}.{to_base64url(payload)}"
    return f"{text}.{to_base64url(sign(text.encode()))}"


def peek_jws(token: str, *, what: str, limit: int = TOKEN_MAX) -> tuple[dict[str, Any], bytes]:
    """Header and payload, unverified: for finding out which key to ask for, and for nothing else."""
    if len(token) > limit:
        raise Malformed(f"the {what} has {len(token)} bytes; at most {limit} are read")
    parts = token.split(".")
    if len(parts) != 3:
        raise Malformed(f"the {what} is not a compact JWS")
    header = read_json(from_base64url(parts[0]), limit=8 * 1024, what=f"header of the {what}")
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise Malformed(f"the {what} names no algorithm")
    # RFC 7515, 4.1.11: what is critical and not understood is refused; nothing of it is understood here.
    if "crit" in header or "b64" in header:
        raise Malformed(f"the {what} asks for an extension of JWS")
    return header, from_base64url(parts[1])


def verify_jws(
    token: str, key: Key, *, allowed: Collection[str], what: str, limit: int = TOKEN_MAX
) -> tuple[dict[str, Any], bytes]:
    """Header and payload, verified with the key handed in. A key named in the header is never looked at.

    `key` is a party's key (EdDSA), a public JWK of a client (EdDSA, ES256, RS256) or the secret of an HMAC (HS256).
    """
    header, payload = peek_jws(token, what=what, limit=limit)
    check_jws(token, header, key, allowed=allowed, what=what)
    return header, payload


def check_jws(token: str, header: Mapping[str, Any], key: Key, *, allowed: Collection[str], what: str) -> None:
    """The signature of a token whose header `peek_jws` has read, as `verify_jws` checks it. Raises: Forged."""
    alg = header["alg"]
    text, _, last = token.rpartition(".")
    # The algorithm has to be one that was asked for AND the one that the key is for: never "whatever the header says".
    if alg not in allowed or alg != _alg_of(key):
        raise Forged(f"the {what} is signed with another algorithm than it must be")
    if not _holds(alg, key, text.encode(), last, token):
        raise Forged(f"the signature of the {what} does not hold")


def _alg_of(key: Key) -> str:
    if isinstance(key, bytes):
        return "HS256"
    if isinstance(key, PublicKey):
        # Of a key with two halves both must hold (`keys`), and a JWS has room for one.
        return "EdDSA" if key.mldsa65 is UNSET else ""
    kind = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256"}.get((str(key.get("kty")), str(key.get("crv"))))
    return kind or ("RS256" if key.get("kty") == "RSA" else "")


def _holds(alg: str, key: Key, text: bytes, last: str, token: str) -> bool:
    signature = from_base64url(last)
    if isinstance(key, bytes):
        return hmac.compare_digest(hmac.digest(key, text, hashlib.sha256), signature)
    if isinstance(key, PublicKey):
        return verify_ed25519(key.ed25519, text, signature)
    if alg == "EdDSA":
        return verify_ed25519(from_base64url(str(key.get("x"))), text, signature)
    if alg == "ES256":
        x, y = (from_base64url(str(key.get(name))) for name in ("x", "y"))
        return verify_es256(x, y, text, signature)
    if not 256 <= len(from_base64url(str(key.get("n"))).lstrip(b"\0")) <= 512:
        return False
    # Only the public members are handed on, so that a private or symmetric one in the text can have no effect.
    try:
        public = RSAKey.import_key({name: str(key.get(name)) for name in ("kty", "n", "e")})
        jws.deserialize_compact(
            token, public, algorithms=[alg], registry=_Registry(algorithms=[alg], strict_check_header=False)
        )
    except (JoseError, ValueError, TypeError):
        return False
    return True
