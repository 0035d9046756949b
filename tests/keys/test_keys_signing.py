"""Signing keys: vectors, the strict Ed25519 rule, both halves."""

import os
import re

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from relto import keys
from relto.errors import Malformed
from relto.keys import PublicKey, SecretKey, from_base64, key_id, pae, to_base64, verify_ed25519

LOG_SEED = bytes(range(32))


def seeds(*values):
    rest = list(values)
    return lambda size: rest.pop(0)[:size]


HYBRID = SecretKey.generate("gbr/disclosure-1", seeds(bytes(range(32)), bytes(range(32, 64))))
PLAIN = SecretKey("relto.example/au/log1", LOG_SEED)


def test_log_key_has_the_published_vkey_id():
    assert PLAIN.public.key_ids == ("relto.example/au/log1+bb8808d0",)
    assert to_base64(b"\x01" + PLAIN.public.ed25519) == "AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    assert key_id("relto.example/au/log1", b"\x04", PLAIN.public.ed25519) == "relto.example/au/log1+e4adfd4e"


def test_dsse_vector():
    message = pae("application/vnd.relto.act+json", b'{"v":1}')
    assert message == b'DSSEv1 30 application/vnd.relto.act+json 7 {"v":1}'
    (signature,) = PLAIN.sign(message).values()
    assert to_base64(signature) == (
        "3zmfzt3o1AfOUaTjWmuOPYNTIuW5Q2bZ4Ptne7rASnuM8oy+q8QqyUesM290lHJ39BXMsTN/GrkUCw4gQk25Bg=="
    )


def test_a_checkpoint_body_signed_by_the_log_key():
    body = b"relto.example/au/log1\n7\no+I7Msy2v5bQktFl2KpUbgmCnejwOw6JV1gdHha5K98=\n"
    line = from_base64("u4gI0PaPoCii3wcGm3ncmEQ348pWLxAKCfC+F0nDsmcATlewgf0V2+Q99AkXL+LL4p8as99xU8SCNV6BA5XJ5Dn9QQc=")
    assert PLAIN.sign(body)["relto.example/au/log1+bb8808d0"] == line[4:]


def test_fourteen_low_order_encodings():
    assert len(keys.LOW_ORDER) == 14


@pytest.mark.parametrize("point", sorted(keys.LOW_ORDER))
def test_low_order_is_refused_as_key_and_as_r(point):
    with pytest.raises(Malformed, match="low order"):
        PublicKey(name="a", ed25519=point)
    assert not verify_ed25519(point, b"any", point + bytes(32))
    assert not verify_ed25519(PLAIN.public.ed25519, b"any", point + bytes(32))


def test_the_library_alone_would_accept_a_low_order_key():
    # Key and R the neutral element, S = 0: a signature over everything. This is why the rule exists.
    neutral = b"\x01" + bytes(31)
    ed25519.Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), b"whatever")
    assert not verify_ed25519(neutral, b"whatever", neutral + bytes(32))


def test_s_plus_the_group_order_is_another_spelling_and_refused():
    (signature,) = PLAIN.sign(b"x").values()
    order = 2**252 + 27742317777372353535851937790883648493
    other = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert verify_ed25519(PLAIN.public.ed25519, b"x", signature)
    assert not verify_ed25519(PLAIN.public.ed25519, b"x", other)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), bytes(64)])
def test_wrong_lengths_are_no_signatures(signature):
    assert not verify_ed25519(PLAIN.public.ed25519, b"x", signature)
    assert not verify_ed25519(b"", b"x", signature)


def test_both_halves_must_hold():
    first, second = HYBRID.public.key_ids
    good = HYBRID.sign(b"x")
    assert HYBRID.public.verify(b"x", good)
    assert HYBRID.public.verify(b"x", good | {"someone+00000000": b"?"})
    assert not HYBRID.public.verify(b"y", good)
    assert not HYBRID.public.verify(b"x", {first: good[first]})
    assert not HYBRID.public.verify(b"x", {second: good[second]})
    assert not HYBRID.public.verify(b"x", good | {first: HYBRID.sign(b"y")[first]})
    assert not HYBRID.public.verify(b"x", good | {second: HYBRID.sign(b"y")[second]})
    assert not HYBRID.public.verify(b"x", {first: good[second], second: good[first]})
    assert not HYBRID.public.verify(b"x", {})


def test_a_plain_key_needs_one():
    assert PLAIN.public.verify(b"x", PLAIN.sign(b"x"))
    assert not PLAIN.public.verify(b"x", {"other+bb8808d0": next(iter(PLAIN.sign(b"x").values()))})


def test_key_ids_differ_by_half_and_by_name():
    first, second = HYBRID.public.key_ids
    assert first != second
    assert re.fullmatch(r"gbr/disclosure-1\+[0-9a-f]{8}", second)
    assert SecretKey("gbr/disclosure-2", LOG_SEED).public.key_ids[0][-8:] != first[-8:]


@pytest.mark.parametrize("name", ["", "A", "a+b", "-a", "a b", "a\n", "é", "a" * 129])
def test_names(name):
    with pytest.raises(Malformed, match="not a key name"):
        SecretKey(name, LOG_SEED)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_lengths_of_keys(length):
    with pytest.raises(Malformed):
        PublicKey(name="a", ed25519=bytes(length))
    with pytest.raises(Malformed):
        PublicKey(name="a", ed25519=PLAIN.public.ed25519, mldsa65=bytes(length))
    with pytest.raises(Malformed):
        SecretKey("a", bytes(length))


def test_public_key_as_json():
    text = msgspec.json.encode(HYBRID.public)
    assert msgspec.json.decode(text, type=PublicKey) == HYBRID.public
    assert b"mldsa65" not in msgspec.json.encode(PLAIN.public)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text[:-1] + b',"more":1}', type=PublicKey)


def test_a_bad_key_inside_json_is_malformed_too():
    with pytest.raises(Malformed, match="low order"):
        msgspec.json.decode(b'{"name":"a","ed25519":"' + b"A" * 43 + b'="}', type=PublicKey)


def test_the_random_source_must_give_what_was_asked():
    with pytest.raises(Malformed, match="31 instead of 32"):
        SecretKey.generate("a", lambda size: bytes(size - 1))


@given(st.binary(max_size=80))
def test_base64_round_trip(data):
    assert from_base64(to_base64(data)) == data


@pytest.mark.parametrize(
    "text", ["QUI", "QUJ=", "QUI=\n", " QUI=", "QUI==", "-_-_", "Q", "=", "é", "\udcff", "QUI=QUI="]
)
def test_base64_has_one_spelling(text):
    with pytest.raises(Malformed):
        from_base64(text)


def test_no_repr_shows_a_secret():
    for key in (
        HYBRID,
        keys.OpeningKey.generate(os.urandom),
        keys.AccessKey.generate("ec:secp256r1"),
        keys.ProofKey.generate("ES256", os.urandom),
    ):
        assert len(repr(key)) < 100
        assert to_base64(LOG_SEED)[:12] not in repr(key)
        assert not hasattr(key, "__dict__")
