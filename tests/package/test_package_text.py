"""Strict JSON, canonical JSON, JWS, policies and bindings."""

import json
import os
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from relto.errors import Forged, Malformed, Refused
from relto.keys import ProofKey, SecretKey
from relto.package import KeyAccess, Policy
from relto.package.manifest import Binding, parse_access
from relto.package.strict import canonical, from_base64url, peek_jws, read_json, sign_jws, to_base64url, verify_jws

ITEM = "00112233445566778899aabbccddeeff"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def b64(text):
    return b64encode(text.encode()).decode()


@given(VALUES)
def test_canonical_text_reads_back(value):
    text = canonical(value)
    assert read_json(text, limit=10_000, what="text") == value
    assert canonical(read_json(text, limit=10_000, what="text")) == text


def test_rfc8785_examples():
    # RFC 8785, 3.2.2 (strings and literals) and 3.2.3 (order of keys).
    assert canonical({"string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "literals": [None, True, False]}) == (
        b'{"literals":[null,true,false],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7}
    assert list(json.loads(canonical(keys)).values()) == [2, 4, 6, 7, 1, 5, 3]


def test_canonical_refuses():
    with pytest.raises(Malformed, match="fraction"):
        canonical({"a": [1.0]})
    deep = []
    for _ in range(40):
        deep = [deep]
    with pytest.raises(Malformed, match="deep"):
        canonical(deep)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a":1,"a":1}',
        b"9007199254740992",
        b"-9007199254740992",
        b"-0",
        b"NaN",
        b"Infinity",
        b"\xff",
        b"1 2",
    ],
)
def test_json_refused(text):
    with pytest.raises(Malformed):
        read_json(text, limit=100, what="text")


def test_json_taken():
    assert read_json(b' {"a":[1.5,"\\ud83d\\ude00",9007199254740991]} ', limit=100, what="text") == {
        "a": [1.5, "\U0001f600", 9007199254740991]
    }


@given(st.binary(max_size=50))
def test_base64url(data):
    assert from_base64url(to_base64url(data)) == data


@pytest.mark.parametrize("text", ["QUI=", "QUJ", "+-", "Q", "é", " QUI", "QUI\n"])
def test_base64url_has_one_spelling(text):
    with pytest.raises(Malformed):
        from_base64url(text)


# ── JWS ──

PARTY = SecretKey("gbr/vouch-1", bytes(range(32)))
ED, EC = ProofKey("EdDSA", bytes(range(32))), ProofKey("ES256", bytes(range(32)))
RSA = RSAKey.generate_key(2048, auto_kid=False)


def party_sign(text):
    return next(iter(PARTY.sign(text).values()))


def rs256(key=RSA):
    return jws.serialize_compact({"alg": "RS256"}, b"{}", key, algorithms=["RS256"])


ALL = ("EdDSA", "ES256", "RS256", "HS256")
SIGNED = {
    "party": (sign_jws({"alg": "EdDSA"}, b"{}", party_sign), PARTY.public),
    "eddsa": (sign_jws({"alg": "EdDSA"}, b"{}", ED.sign), ED.jwk),
    "es256": (sign_jws({"alg": "ES256"}, b"{}", EC.sign), EC.jwk),
    "rs256": (rs256(), RSA.as_dict(private=False)),
    "hs256": (jws.serialize_compact({"alg": "HS256"}, b"{}", OctKey.import_key(b"k" * 32)), b"k" * 32),
}


@pytest.mark.parametrize("case", SIGNED)
def test_jws_holds(case):
    token, key = SIGNED[case]
    header, payload = verify_jws(token, key, allowed=ALL, what="token")
    assert payload == b"{}"
    with pytest.raises(Forged, match="another algorithm"):
        verify_jws(token, key, allowed=[alg for alg in ALL if alg != header["alg"]], what="token")
    head, body, last = token.split(".")
    flipped = to_base64url(bytes([from_base64url(last)[0] ^ 1]) + from_base64url(last)[1:])
    for bad in (f"{head}.{body}.{flipped}", f"{head}.{body}.", f"{head}.{to_base64url(b'[]')}.{last}"):
        with pytest.raises(Forged):
            verify_jws(bad, key, allowed=ALL, what="token")
    for other, (_, other_key) in SIGNED.items():
        if other != case and not {other, case} <= {"party", "eddsa"}:
            with pytest.raises(Forged):
                verify_jws(token, other_key, allowed=ALL, what="token")


def test_es256_is_what_others_read():
    token = SIGNED["es256"][0]
    assert jws.deserialize_compact(token, ECKey.import_key(EC.jwk), algorithms=["ES256"]).payload == b"{}"


def test_a_public_key_is_no_hmac_secret():
    # The classic confusion: HS256 with the bytes of a public key.
    token = jws.serialize_compact({"alg": "HS256"}, b"{}", OctKey.import_key(PARTY.public.ed25519))
    with pytest.raises(Forged, match="another algorithm"):
        verify_jws(token, PARTY.public, allowed=ALL, what="token")


def token_with(header, payload="e30", last=""):
    return f"{to_base64url(header)}.{payload}.{last}"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        token_with(b"{}"),
        token_with(b"[]"),
        token_with(b'{"alg":1}'),
        token_with(b'{"alg":"EdDSA","alg":"EdDSA"}'),
        token_with(b'{"alg":"EdDSA","crit":["exp"]}'),
        token_with(b'{"alg":"EdDSA","b64":false}'),
        token_with(b'{"alg":"EdDSA"}', "e30="),
        token_with(b'{"alg":"EdDSA"}', last="*"),
        token_with(b'{"alg":"EdDSA","x":"' + b"x" * 9000 + b'"}'),
        "x" * 200_000,
    ],
)
def test_jws_malformed(token):
    with pytest.raises(Malformed):
        verify_jws(token, PARTY.public, allowed=ALL, what="token")


@pytest.mark.parametrize("alg", ["none", "None", "", "HS256", "EdDSA ", "eddsa", "Ed25519", "ES512"])
def test_jws_algorithm_of_the_header_decides_nothing(alg):
    with pytest.raises(Forged, match="another algorithm"):
        verify_jws(sign_jws({"alg": alg}, b"{}", party_sign), PARTY.public, allowed=("EdDSA",), what="token")


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP", "crv": "X25519", "x": ED.jwk["x"]},
        {"kty": "OKP", "crv": "Ed448", "x": ED.jwk["x"]},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA"},
    ],
)
@pytest.mark.parametrize("case", ["eddsa", "es256", "rs256"])
def test_keys_that_verify_nothing(case, key):
    with pytest.raises((Forged, Malformed)):
        verify_jws(SIGNED[case][0], key, allowed=ALL, what="token")


def test_peeking_verifies_nothing():
    assert peek_jws(token_with(b'{"alg":"none","kid":"x"}'), what="token") == ({"alg": "none", "kid": "x"}, b"{}")


# ── policy ──


def test_policy_of_an_item():
    policy = Policy.for_item("node.gbr.example:8443", ITEM, lambda size: bytes(range(size)))
    assert policy.item == ("node.gbr.example:8443", ITEM)
    assert policy.uuid == "00010203-0405-4607-8809-0a0b0c0d0e0f"
    assert Policy.parse(policy.text) == policy
    assert policy.dissem == ()


@pytest.mark.parametrize(
    ("host", "item"),
    [
        ("Node.example", ITEM),
        ("", ITEM),
        ("a/b", ITEM),
        ("a b", ITEM),
        ("a", ITEM.upper()),
        ("a", ITEM[1:]),
        ("a", ITEM + "\n"),
    ],
)
def test_items_that_are_none(host, item):
    with pytest.raises(Malformed):
        Policy.for_item(host, item, os.urandom)


def policy_text(attributes, dissem="[]", uuid="00000000-0000-0000-0000-000000000001"):
    return b64(f'{{"uuid":"{uuid}","body":{{"dataAttributes":{attributes},"dissem":{dissem}}}}}')


GOOD = f'{{"attribute":"https://n.example/attr/item/value/{ITEM}"}}'


def test_a_policy_by_other_software():
    assert Policy.parse(policy_text(f"[{GOOD}]", "null")).item == ("n.example", ITEM)
    upper = GOOD.replace("n.example/attr", "N.Example/Attr")
    assert Policy.parse(policy_text(f'[{upper[:-1]},"displayName":"x","isDefault":false}}]')).item == (
        "n.example",
        ITEM,
    )


@pytest.mark.parametrize(
    "text",
    [
        policy_text("[]"),
        policy_text("null"),
        policy_text(f"[{GOOD},{GOOD}]"),
        policy_text(f"[{GOOD}]", '["a@b.example"]'),
        policy_text('[{"attribute":"https://n.example/attr/level/value/secret"}]'),
        policy_text('[{"attribute":""}]'),
        policy_text(f'[{GOOD[:-3]}\\n"}}]'),
        policy_text(f'[{{"attribute":"http://n.example/attr/item/value/{ITEM}"}}]'),
        b64('{"uuid":"00000000-0000-0000-0000-000000000001","body":{}}'),
    ],
)
def test_policies_that_name_no_item(text):
    with pytest.raises(Refused):
        _ = Policy.parse(text).item


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!",
        b64("[]"),
        b64("{}"),
        b64('{"uuid":"x","body":{}}'),
        policy_text(f"[{','.join([GOOD] * 65)}]"),
        policy_text("[1]"),
        policy_text(f"[{GOOD}]") + "=",
        policy_text(f"[{GOOD}]") + "\n",
        b64('{"uuid":"00000000-0000-0000-0000-000000000001","uuid":"00000000-0000-0000-0000-000000000001","body":{}}'),
        b64(" " * 70_000),
    ],
)
def test_policies_that_are_none(text):
    with pytest.raises(Malformed):
        Policy.parse(text)


def test_a_policy_string_is_kept_as_it_is():
    text = b64(' { "body" : {}, "uuid" : "00000000-0000-0000-0000-00000000000A" } ')
    policy = Policy.parse(text)
    assert policy.text == text
    assert policy.binding(bytes(32)) != Policy.parse(
        b64('{"uuid":"00000000-0000-0000-0000-00000000000A","body":{}}')
    ).binding(bytes(32))


ACCESS = {
    "type": "wrapped",
    "url": "https://n.example/kas",
    "protocol": "kas",
    "wrappedKey": b64encode(bytes(256)).decode(),
    "policyBinding": {"alg": "HS256", "hash": Binding.of(bytes(32)).hash},
}


def test_bindings_in_three_spellings():
    for held in (
        ACCESS["policyBinding"],
        ACCESS["policyBinding"]["hash"],
        {"alg": "HS256", "hash": b64encode(bytes(32)).decode()},
    ):
        assert parse_access(ACCESS | {"policyBinding": held}).binding == bytes(32)
    assert isinstance(parse_access(ACCESS | {"sid": None, "ephemeralPublicKey": None}), KeyAccess)


@pytest.mark.parametrize(
    "hash_", ["", "AA", b64("A" * 64), b64("0" * 63), b64("0" * 66), Binding.of(bytes(32)).hash + "\n"]
)
def test_bindings_that_are_none(hash_):
    with pytest.raises(Malformed):
        parse_access(ACCESS | {"policyBinding": {"alg": "HS256", "hash": hash_}})


@pytest.mark.parametrize(
    "change",
    [
        {"url": None},
        {"url": 1},
        {"url": "https://n.example/kas?x=1"},
        {"url": "https://n.example/" + "x" * 1100},
        {"url": "https://N.example/kas"},
        {"protocol": "http"},
        {"type": "hybrid-wrapped"},
        {"kid": "x" * 129},
        {"sid": "x" * 129},
        {"kid": "é"},
        {"encryptedMetadata": "x" * 70_000},
        {"wrappedKey": "?"},
    ],
)
def test_key_access_refused(change):
    with pytest.raises((Malformed, Refused)):
        parse_access(ACCESS | change)
