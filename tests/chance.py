"""Everything that libraries draw for themselves, fixed: with it a seed is one history, to the byte, in any process.

The product takes its randomness at construction (`init(random=)`, `open_node(random=)`), and a seeded stream there fixes
keys, salts, tags, ids and nonces. Three things no library lets anybody set, and the product has no door for them
either. Inside `fixed()`, and nowhere else, the simulator puts something in their place:

    ML-DSA          a keyed hash of the right sizes; anybody could forge it, which nobody in the simulator tries
    HPKE            its X25519 half alone, ephemeral key from a hash of what is sealed
    RSA primes      eight that lie in tests/vectors/simulator

Ed25519 is deterministic (RFC 8032) and stays what it is, so every act, head and request is still signed and verified.
The real ones are tested in tests/keys, tests/ledger and by every other test that makes a `World`.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relto import keys
from relto.errors import Forged
from relto.ledger import note

PRIMES = Path(__file__).parent / "vectors" / "simulator" / "primes.txt"


def _hash(size: int, *parts: bytes) -> bytes:
    return hashlib.shake_256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest(size)


class _Public:
    """An ML-DSA key that verifies, by sizes of FIPS 204."""

    sizes: ClassVar[tuple[int, int]]

    def __init__(self, raw: bytes) -> None:
        if len(raw) != self.sizes[0]:
            raise ValueError("a key of another size")
        self.raw = raw

    @classmethod
    def from_public_bytes(cls, raw: bytes) -> _Public:
        return cls(raw)

    def public_bytes_raw(self) -> bytes:
        return self.raw

    def verify(self, signature: bytes, message: bytes) -> None:
        if signature != _hash(self.sizes[1], b"signed", self.raw, message):
            raise InvalidSignature


class _Public44(_Public):
    sizes = (1312, 2420)


class _Public65(_Public):
    sizes = (1952, 3309)


class _Secret:
    of: ClassVar[type[_Public]]

    def __init__(self, seed: bytes) -> None:
        self.public = self.of(_hash(self.of.sizes[0], b"public", seed))

    @classmethod
    def from_seed_bytes(cls, seed: bytes) -> _Secret:
        return cls(seed)

    def public_key(self) -> _Public:
        return self.public

    def sign(self, message: bytes) -> bytes:
        return _hash(self.of.sizes[1], b"signed", self.public.raw, message)


class _Secret44(_Secret):
    of = _Public44


class _Secret65(_Secret):
    of = _Public65


MLDSA = SimpleNamespace(
    MLDSA44PublicKey=_Public44, MLDSA44PrivateKey=_Secret44, MLDSA65PublicKey=_Public65, MLDSA65PrivateKey=_Secret65
)


def _sealed(secret: bytes, ephemeral: bytes, info: bytes) -> AESGCM:
    return AESGCM(_hash(32, b"sealed", secret, ephemeral, info))


def _seal(public: keys.OpeningPublic, info: bytes, text: bytes) -> bytes:
    drawn = x25519.X25519PrivateKey.from_private_bytes(_hash(32, b"ephemeral", public.x25519, info, text))
    ephemeral = drawn.public_key().public_bytes_raw()
    secret = drawn.exchange(x25519.X25519PublicKey.from_public_bytes(public.x25519))
    return ephemeral + _sealed(secret, ephemeral, info).encrypt(bytes(12), text, None)


def _open(key: keys.OpeningKey, info: bytes, sealed: bytes) -> bytes:
    own = x25519.X25519PrivateKey.from_private_bytes(key._text.x25519)
    try:
        secret = own.exchange(x25519.X25519PublicKey.from_public_bytes(sealed[:32]))
        return _sealed(secret, sealed[:32], info).decrypt(bytes(12), sealed[32:], None)
    except Exception as error:
        raise Forged("this was not sealed to this opening key, or was altered since") from error


def rsa_keys() -> Iterator[rsa.RSAPrivateKey]:
    """28 keys from the eight primes, always in the same order."""
    primes = [int(line, 16) for line in PRIMES.read_text().splitlines() if not line.startswith("#")]
    for p, q in itertools.combinations(primes, 2):
        d = pow(65537, -1, (p - 1) * (q - 1))
        numbers = rsa.RSAPrivateNumbers(
            p=p, q=q, d=d, dmp1=d % (p - 1), dmq1=d % (q - 1), iqmp=pow(q, -1, p),
            public_numbers=rsa.RSAPublicNumbers(65537, p * q),
        )  # fmt: skip
        yield numbers.private_key(unsafe_skip_rsa_key_validation=True)


@contextmanager
def fixed() -> Iterator[None]:
    """Until it ends the libraries draw nothing. See the module."""
    made = rsa_keys()
    fixed_rsa: Any = SimpleNamespace(**{**vars(rsa), "generate_private_key": lambda **_: next(made)})
    with (
        mock.patch.object(keys, "mldsa", MLDSA),
        mock.patch.object(note, "mldsa", MLDSA),
        mock.patch.object(keys, "rsa", fixed_rsa),
        mock.patch.object(keys.OpeningPublic, "seal", _seal),
        mock.patch.object(keys.OpeningKey, "open", _open),
    ):
        yield
