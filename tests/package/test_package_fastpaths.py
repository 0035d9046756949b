"""What is read the quick way is read as the slow way reads it, and refused where that refuses."""

import base64
import json
import os

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from relto import keys
from relto.errors import Malformed
from relto.package import manifest, strict

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def slowly(raw, monkey):
    with monkey.context() as patch:
        patch.setattr(strict, "_canonical_value", lambda raw: None)
        return read(raw)


def read(raw):
    try:
        return repr(strict.read_json(raw, limit=10**6, what="text"))
    except Malformed:
        return Malformed


@pytest.mark.parametrize("raw", [
    b'{"a":1,"a":1}', b'{"a":1,"b":{"c":2,"c":3}}', b"9007199254740991", b"9007199254740992", b"-9007199254740992",
    b"123456789012345678901234567890", b"-0", b"-0.0", b"1.0", b"1e400", b"1e2", b"NaN", b"Infinity", b"[1,]", b"",
    b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\u0041"', b'"\\n"', b'"\x7f"', b'"\xff"', b"\xef\xbb\xbf{}", b"null", b"[null]",
    b'{"a":"1234567890123456"}', b"[" * 2000 + b"]" * 2000, b' {"a":1}', b'{"a": 1}', b'{"a":1}\n', b"true", b'{"\\u0061":1,"a":2}',
])  # fmt: skip
def test_a_text_means_the_same_both_ways(raw, monkeypatch):
    assert read(raw) == slowly(raw, monkeypatch)


@given(VALUES)
def test_every_value_means_the_same_both_ways(value):
    with pytest.MonkeyPatch.context() as monkey:
        for raw in (json.dumps(value).encode(), msgspec.json.encode(value)):
            assert read(raw) == slowly(raw, monkey)


@given(VALUES)
def test_nulls_are_left_out_wherever_they_stand(value):
    def without(part):
        if isinstance(part, dict):
            return {key: without(inner) for key, inner in part.items() if inner is not None}
        return [without(inner) for inner in part] if isinstance(part, list) else part

    assert manifest.present(value) == without(value)


def test_a_p256_key_in_pem_is_the_one_that_the_library_reads():
    for _ in range(20):
        pem = keys.AccessKey.generate("ec:secp256r1").public_pem
        quick, full = keys._read_p256(pem), serialization.load_pem_public_key(pem.encode())
        assert quick.public_numbers() == full.public_numbers()
    for other in (pem + "\n", pem.replace("\n", "\r\n"), pem[:-1], pem.replace("PUBLIC", "PRIVATE"), "x", "", "\n\n\n"):
        assert keys._read_p256(other) is None
    der = base64.b64decode("".join(pem.split("\n")[1:-2]))
    off = keys._pem_of(der[:-1] + bytes([der[-1] ^ 1]))
    with pytest.raises(Malformed):
        keys._read_pem(off)


def test_an_ecdsa_signature_holds_for_its_key_and_text_alone():
    key, text = ec.generate_private_key(ec.SECP256R1()), b"text"
    numbers = key.public_key().public_numbers()
    x, y = (value.to_bytes(32, "big") for value in (numbers.x, numbers.y))
    r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    good = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert keys.verify_es256(x, y, text, good)
    for arguments in (
        (x, y, b"other", good), (y, x, text, good), (x, y, text, good[:-1]), (x, y, text, good + b"\0"),
        (x, y, text, bytes(64)), (x, y, text, good[32:] + good[:32]), (x[1:], y, text, good), (x, y + b"\0", text, good),
        (bytes(32), bytes(32), text, good), (x, os.urandom(32), text, good), (x, y, text, b"\xff" * 64),
    ):  # fmt: skip
        assert not keys.verify_es256(*arguments)
