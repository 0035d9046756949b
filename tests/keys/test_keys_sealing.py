"""HPKE, share wrapping, proof keys and key files."""

import base64
import hashlib
import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed448, mlkem, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey

from relto import keys
from relto.errors import Forged, Malformed, Refused
from relto.keys import AccessKey, OpeningKey, OpeningPublic, ProofKey, SecretKey, Wrapping, wrap_share

DEK = bytes(range(32))
OPENING = OpeningKey(bytes(64), bytes(32))
RSA = AccessKey.generate("rsa:2048")
EC = AccessKey.generate("ec:secp256r1")
PQ = AccessKey.generate(keys.HYBRID)


def pem(key):
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_is_sealed_opens(text, info):
    sealed = OPENING.public.seal(info, text)
    assert OPENING.open(info, sealed) == text
    assert len(sealed) == len(text) + 1120 + 16


def test_what_is_altered_does_not_open():
    sealed = OPENING.public.seal(b"salt", b"text")
    for bad in (
        b"",
        sealed[:-1],
        sealed + b"\0",
        b"\1" + sealed[1:],
        sealed[:1100] + bytes([sealed[1100] ^ 1]) + sealed[1101:],
    ):
        with pytest.raises(Forged):
            OPENING.open(b"salt", bad)
    with pytest.raises(Forged):
        OPENING.open(b"other", sealed)
    with pytest.raises(Forged):
        OpeningKey.generate(os.urandom).open(b"salt", sealed)


@pytest.mark.parametrize(
    ("first", "second"), [(b"", bytes(32)), (b"\xff" * 1184, bytes(32)), (None, b""), (None, bytes(33))]
)
def test_an_opening_key_is_checked_when_read(first, second):
    with pytest.raises(Malformed):
        OpeningPublic(mlkem768=OPENING.public.mlkem768 if first is None else first, x25519=second)


def test_a_useless_x25519_half_is_an_error_not_a_crash():
    with pytest.raises(Malformed, match="nothing can be sealed"):
        OpeningPublic(mlkem768=OPENING.public.mlkem768, x25519=bytes(32)).seal(b"", b"text")


def test_ec_wrap_vector():
    # The node's scalar is 1234567, the fresh one 7654321 (one less is drawn), the IV 00..09.
    node = AccessKey(ec.derive_private_key(1234567, ec.SECP256R1()))
    draws = [(7654320).to_bytes(48, "big"), bytes(11) + b"\x09"]
    wrapped = wrap_share(node.public_pem, DEK, lambda size: draws.pop(0))
    assert keys.to_base64(wrapped.wrapped) == (
        "AAAAAAAAAAAAAAAJ6lJIXp738ih3yIoofMHQthB6w/Ji705Uh3JggzD1YGZLH/bvcUIkOOzx39rmrrdL"
    )
    assert wrapped.ephemeral_pem == pem(ec.derive_private_key(7654321, ec.SECP256R1()).public_key())
    assert node.unwrap("ec-wrapped", wrapped.wrapped, wrapped.ephemeral_pem) == DEK


@pytest.mark.parametrize(
    ("key", "form"),
    [(RSA, ("wrapped", True)), (EC, ("ec-wrapped", False)), (PQ, ("hybrid-wrapped", True))],
    ids=["rsa", "ec", "hybrid"],
)
def test_wrap_and_unwrap(key, form):
    wrapped = wrap_share(key.public_pem, DEK, os.urandom)
    assert key.unwrap(wrapped.kind, wrapped.wrapped, wrapped.ephemeral_pem) == DEK
    assert (wrapped.kind, wrapped.ephemeral_pem is None) == form


def test_hybrid_layout_from_its_parts():
    """Put together from the two algorithms by hand, as the draft of the composite and OpenTDF's envelope say."""
    seed, curve = bytes(range(64)), ec.derive_private_key(1234567, ec.SECP256R1())
    key = AccessKey(keys._HybridSecret(seed, curve))
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(seed)
    point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    der = base64.b64decode("".join(key.public_pem.splitlines()[1:-1]))
    assert der[:21].hex() == "308204f2300a06082b0601050507063b038204e200"
    assert der[21:] == lattice.public_key().public_bytes_raw() + point
    assert key.kid == hashlib.sha256(der).hexdigest()[:16]

    wrapped = wrap_share(key.public_pem, DEK, os.urandom).wrapped
    assert len(wrapped) == 1223
    assert (wrapped[:8].hex(), wrapped[8 + 1153 : 8 + 1153 + 2].hex()) == ("308204c380820481", "813c")
    ciphertext, fresh, box = wrapped[8 : 8 + 1088], wrapped[8 + 1088 : 8 + 1153], wrapped[8 + 1155 :]
    other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), fresh)
    secrets = lattice.decapsulate(ciphertext) + curve.exchange(ec.ECDH(), other)
    combined = hashlib.sha3_256(secrets + fresh + point + b"MLKEM768-P256").digest()
    assert AESGCM(combined).decrypt(box[:12], box[12:], None) == DEK
    # Either half alone gives nothing.
    for half in (secrets[:32], secrets[32:]):
        with pytest.raises(InvalidTag):
            AESGCM(hashlib.sha3_256(half + fresh + point + b"MLKEM768-P256").digest()).decrypt(box[:12], box[12:], None)


def test_a_hybrid_key_file_is_read_back():
    again = AccessKey.from_text(PQ.to_text())
    assert (again.kind, again.kid, again.public_pem) == (PQ.kind, PQ.kid, PQ.public_pem)
    wrapped = wrap_share(again.public_pem, DEK, os.urandom)
    assert PQ.unwrap(wrapped.kind, wrapped.wrapped) == DEK


def test_one_wrapping_serves_several_shares_under_one_fresh_key():
    wrapping = Wrapping(EC.public_pem, os.urandom)
    first, second = wrapping.wrap(DEK), wrapping.wrap(bytes(32))
    assert first[:12] != second[:12]
    assert EC.unwrap("ec-wrapped", first, wrapping.ephemeral_pem) == DEK
    assert EC.unwrap("ec-wrapped", second, wrapping.ephemeral_pem) == bytes(32)


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
def test_other_curves_can_be_wrapped_to(curve):
    node = ec.generate_private_key(curve)
    wrapped = wrap_share(pem(node.public_key()), DEK, os.urandom)
    other = keys._read_pem(wrapped.ephemeral_pem)
    aead = keys._share_key(node.exchange(ec.ECDH(), other))
    assert aead.decrypt(wrapped.wrapped[:12], wrapped.wrapped[12:], None) == DEK


def unwrap_refusals():
    rsa_wrapped, ec_wrapped = (wrap_share(key.public_pem, DEK, os.urandom) for key in (RSA, EC))
    p384 = pem(ec.generate_private_key(ec.SECP384R1()).public_key())
    other = pem(ec.generate_private_key(ec.SECP256R1()).public_key())
    flipped = bytes([ec_wrapped.wrapped[0] ^ 1]) + ec_wrapped.wrapped[1:]
    short = RSA._key.public_key().encrypt(b"short", keys._OAEP)
    hybrid = wrap_share(PQ.public_pem, DEK, os.urandom).wrapped
    yield from {
        "rsa-other-kind": (RSA, "ec-wrapped", rsa_wrapped.wrapped, None),
        "rsa-with-ephemeral": (RSA, "wrapped", rsa_wrapped.wrapped, other),
        "rsa-altered": (RSA, "wrapped", bytes(256), None),
        "rsa-short": (RSA, "wrapped", b"", None),
        "rsa-not-32-bytes": (RSA, "wrapped", short, None),
        "ec-other-kind": (EC, "wrapped", ec_wrapped.wrapped, ec_wrapped.ephemeral_pem),
        "ec-no-ephemeral": (EC, "ec-wrapped", ec_wrapped.wrapped, None),
        "ec-other-ephemeral": (EC, "ec-wrapped", ec_wrapped.wrapped, other),
        "ec-other-curve": (EC, "ec-wrapped", ec_wrapped.wrapped, p384),
        "ec-rsa-ephemeral": (EC, "ec-wrapped", ec_wrapped.wrapped, RSA.public_pem),
        "ec-not-pem": (EC, "ec-wrapped", ec_wrapped.wrapped, "x"),
        "ec-long-pem": (EC, "ec-wrapped", ec_wrapped.wrapped, "x" * 5000),
        "ec-altered": (EC, "ec-wrapped", flipped, ec_wrapped.ephemeral_pem),
        "hybrid-other-kind": (PQ, "ec-wrapped", hybrid, None),
        "hybrid-with-ephemeral": (PQ, "hybrid-wrapped", hybrid, other),
        "hybrid-other-key": (AccessKey.generate(keys.HYBRID), "hybrid-wrapped", hybrid, None),
        "hybrid-frame": (PQ, "hybrid-wrapped", b"\x31" + hybrid[1:], None),
        "hybrid-middle": (PQ, "hybrid-wrapped", hybrid[:1161] + b"\x82" + hybrid[1162:], None),
        "hybrid-ciphertext": (PQ, "hybrid-wrapped", hybrid[:20] + bytes([hybrid[20] ^ 1]) + hybrid[21:], None),
        "hybrid-point": (PQ, "hybrid-wrapped", hybrid[:1096] + b"\x05" + hybrid[1097:], None),
        "hybrid-long": (PQ, "hybrid-wrapped", hybrid + b"\0", None),
        "hybrid-empty": (PQ, "hybrid-wrapped", b"", None),
        "ec-short": (EC, "ec-wrapped", ec_wrapped.wrapped[:-1], ec_wrapped.ephemeral_pem),
    }.items()


UNWRAP = dict(unwrap_refusals())


@pytest.mark.parametrize("case", UNWRAP)
def test_every_failed_unwrap_looks_the_same(case):
    key, *arguments = UNWRAP[case]
    with pytest.raises(Forged, match=r"^this share does not unwrap with this key$"):
        key.unwrap(*arguments)


@pytest.mark.parametrize(
    "public",
    [
        pem(rsa.generate_private_key(65537, 1024).public_key()),
        pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
        pem(x25519.X25519PrivateKey.generate().public_key()),
        pem(ed448.Ed448PrivateKey.generate().public_key()),
        "",
        "é",
        RSA.public_pem.replace("M", "!"),
        PQ.public_pem.replace("GOwOC", "GPAOC", 1),
        PQ.public_pem[:-100] + PQ.public_pem[-96:],
        "x" * 5000,
    ],
    ids=[
        "rsa-1024",
        "secp256k1",
        "x25519",
        "ed448",
        "empty",
        "accent",
        "rsa-broken",
        "hybrid-other",
        "hybrid-short",
        "long",
    ],
)
def test_keys_that_are_not_wrapped_to(public):
    with pytest.raises((Malformed, Refused)):
        wrap_share(public, DEK, os.urandom)


def test_a_share_has_32_bytes():
    with pytest.raises(Malformed, match="32 bytes, not 31"):
        wrap_share(EC.public_pem, bytes(31), os.urandom)


def test_kinds():
    with pytest.raises(Refused, match="`rsa:1024`"):
        AccessKey.generate("rsa:1024")
    with pytest.raises(Refused):
        AccessKey(ec.generate_private_key(ec.SECP384R1()))
    assert RSA.kid != EC.kid
    assert len(RSA.kid) == 16


@pytest.mark.parametrize("alg", ["EdDSA", "ES256"])
def test_a_proof_key_signs_and_names_itself(alg):
    key = ProofKey.generate(alg, os.urandom)
    jose = (OKPKey if alg == "EdDSA" else ECKey).import_key(key.jwk)
    assert jose.thumbprint() == key.jkt
    assert len(key.sign(b"x")) == 64
    if alg == "EdDSA":
        assert keys.verify_ed25519(jose.public_key.public_bytes_raw(), b"x", key.sign(b"x"))


def test_rfc7638_vector():
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4"
        "Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI"
        "4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    assert keys.jwk_thumbprint({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}) == (
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


@pytest.mark.parametrize(
    "jwk", [{}, {"kty": "oct", "k": "AA"}, {"kty": "OKP", "crv": "Ed25519"}, {"kty": "OKP", "crv": 1, "x": "a"}]
)
def test_a_thumbprint_needs_a_public_key(jwk):
    with pytest.raises(Malformed):
        keys.jwk_thumbprint(jwk)


@pytest.mark.parametrize(("alg", "secret"), [("EdDSA", bytes(31)), ("ES256", bytes(32)), ("ES256", b"\xff" * 32)])
def test_proof_keys_out_of_range(alg, secret):
    with pytest.raises(Malformed):
        ProofKey(alg, secret)
    with pytest.raises(Refused):
        ProofKey.generate("none", os.urandom)


FILES = {
    "signing": (SecretKey, SecretKey("a", DEK)),
    "signing-hybrid": (SecretKey, SecretKey("a", DEK, DEK)),
    "opening": (OpeningKey, OPENING),
    "access-rsa": (AccessKey, RSA),
    "access-ec": (AccessKey, EC),
    "proof-eddsa": (ProofKey, ProofKey("EdDSA", DEK)),
    "proof-es256": (ProofKey, ProofKey("ES256", DEK)),
}


@pytest.mark.parametrize("case", FILES)
def test_key_files(case):
    kind, key = FILES[case]
    text = key.to_text()
    assert text.count("\n") == 1
    assert text.endswith("}\n")
    again = kind.from_text(text)
    assert again.to_text() == text
    for name in ("public", "public_pem", "jwk"):
        assert getattr(again, name, None) == getattr(key, name, None)
    for bad in (
        "",
        "{}\n",
        text[:-1],
        text + "\n",
        " " + text,
        text.replace('"v":1', '"v":2'),
        text.replace('"v":1', '"v":true'),
        text.replace('"v":1', '"v":1,"v":1'),
        text.replace('"v":1', '"v":1,"w":1'),
        text.replace('"relto":"', '"relto":"x'),
        text.replace("{", "{" + " " * 20_000, 1),
        "[" * 10_000,
        "\udcff",
    ):
        with pytest.raises(Malformed):
            kind.from_text(bad)
    for other, _ in FILES.values():
        if other is not kind:
            with pytest.raises(Malformed):
                other.from_text(text)


def test_an_access_key_file_must_not_lie_about_its_kind():
    with pytest.raises(Malformed, match="does not say what it holds"):
        AccessKey.from_text(EC.to_text().replace("ec:secp256r1", "rsa:2048"))
    junk = '{"relto":"access-key","v":1,"kind":"ec:secp256r1","pkcs8":"AAAA"}\n'
    with pytest.raises(Malformed, match="no private key"):
        AccessKey.from_text(junk)


def test_hkdf_salt_vector():
    salt = hashlib.sha256(b"TDF").hexdigest()
    assert keys._HKDF_SALT.hex() == salt
    assert salt == "aa17cf44585fe15fd634c27b9512d842b42af1bac6178d92161edb4e2abf8197"
