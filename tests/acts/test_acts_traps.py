"""One test for each known trap of JSON in what is signed, named after it."""

import json
import sys

import pytest
from acts_kit import Keys

from relto import acts
from relto.errors import Malformed


@pytest.fixture(scope="module")
def payload():
    keys = Keys("gbr")
    return acts.write(
        acts.Inception(
            author="gbr", log="gbr.example/lamp/0", at=5, name="Gbr", address="http://gbr.example", keys=keys.public()
        )
    )


@pytest.fixture(scope="module")
def envelope(payload):
    return acts.sign(acts.read(payload), Keys("gbr").root)


def refused(payload):
    with pytest.raises(Malformed):
        acts.read(payload)


def test_trap_json_takes_repeated_keys_the_last_wins(payload, envelope):
    assert acts.read(payload)
    refused(payload[:-1] + b',"name":"Usa"}')
    refused(payload.replace(b'"name":"Gbr"', b'"name":"Usa","name":"Gbr"'))
    refused(payload.replace(b'"name":"Gbr"', b'"name":"Usa","n\\u0061me":"Gbr"'))
    again = envelope.replace(b'"payloadType"', b'"payload":"QQ==","payloadType"')
    for data in (again, envelope[:-1] + b',"signatures":[]}', envelope + b" ", b" " + envelope, envelope + b"\n"):
        with pytest.raises(Malformed):
            acts.open_act(data)


def test_trap_json_takes_nan_huge_ints_floats_and_negative_zero(payload):
    """`NaN`, `1e21`, `1.0`, `-0`, ints of any size: no floats in acts, and |int| at most 2^53-1."""
    at = b'"at":5'
    assert at in payload
    for value in (b"NaN", b"Infinity", b"5.0", b"5e0", b"-0", b"05", b"+5", b'"5"', b"true", b"null", b"9" * 30):
        refused(payload.replace(at, b'"at":' + value))
    refused(payload.replace(at, b'"at":' + b"9" * (sys.get_int_max_str_digits() + 1)))


def test_trap_json_lone_surrogates_other_encodings_and_a_bom(payload):
    refused(payload.replace(b'"Gbr"', b'"\\ud800"'))
    refused(payload.replace(b'"Gbr"', b'"\xed\xa0\x80"'))
    refused(payload.replace(b'"Gbr"', b'"G\\u0062r"'))
    refused(b"\xef\xbb\xbf" + payload)
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        refused(payload.decode().encode(encoding))


def test_trap_json_depth_white_space_unknown_fields_and_key_order(payload):
    """Sorted by code point or by UTF-16 unit: only ASCII keys, so there is no difference."""
    refused(b"[" * 100_000)
    refused(b'{"a":' * 100_000)
    refused(payload.replace(b'","', b'", "', 1))
    refused(payload + b" ")
    refused(payload[:-1] + b',"zz":1}')
    refused(payload[:-1] + ',"\U0001f600":1,"\uffff":1}'.encode())
    swapped = json.dumps(dict(reversed(json.loads(payload).items())), separators=(",", ":")).encode()
    refused(swapped)


def test_trap_unicode_has_two_spellings_of_one_name(payload):
    """`é` and `e` with U+0301 are both valid, and not equal: only the composed one is taken."""
    assert acts.read(payload.replace(b'"Gbr"', '"Gbré"'.encode()))
    refused(payload.replace(b'"Gbr"', '"Gbre\u0301"'.encode()))
