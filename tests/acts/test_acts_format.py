"""Bytes to acts: one spelling, nothing hidden in it, nothing that a reader could find out to be wrong later."""

from __future__ import annotations

import base64
import json
import unicodedata

import msgspec
import pytest
from acts_kit import Kit, Party, opening, secret
from acts_samples import ABOUT, CLASS, ENGAGEMENT, FIELDS, ONE, SECOND, TERM, TWO, common, every, proposals, sample
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relto import acts
from relto.acts.envelope import ENVELOPE_MAX, parse, reaches, signed_by
from relto.acts.envelope import format as format_envelope
from relto.errors import Malformed, Refused, ReltoError
from relto.keys import SecretKey, pae

ARDA = secret("arda/disclosure")


def name_of(act) -> str:
    return acts.kind_of(act)


# ---- every kind -----------------------------------------------------------------------------------------------------


def test_the_samples_hold_every_kind_and_every_field():
    assert set(FIELDS) == set(acts.KINDS)
    for kind, cls in acts.KINDS.items():
        named = {info.name for info in msgspec.structs.fields(cls)}
        second = set(SECOND.get(kind, {}))
        assert named == set(common(kind)) | set(FIELDS[kind][0]) | second | {"v", "readers", "partnership", "under"}
    assert {type(one) for one in ABOUT.values()} == set(acts.What.__args__)


@pytest.mark.parametrize("act", every(), ids=name_of)
def test_every_kind_goes_through_bytes(act):
    payload = acts.write(act)
    assert acts.read(payload) == act
    assert acts.write(acts.read(payload)) == payload
    assert list(json.loads(payload)) == sorted(json.loads(payload))
    assert not set(payload) & set(b"\n\t\r")


@pytest.mark.parametrize("act", every(), ids=name_of)
def test_another_spelling_is_another_act_or_none(act):
    """Whatever byte changes, what is read then is what stands there then, and has another id."""
    payload = acts.write(act)
    step = max(1, len(payload) // 400)
    for at in range(0, len(payload), step):
        for mask in (0x01, 0x20, 0x80):
            changed = bytearray(payload)
            changed[at] ^= mask
            try:
                other = acts.read(bytes(changed))
            except Malformed:
                continue
            assert acts.write(other) == bytes(changed)
            assert acts.act_id(bytes(changed)) != acts.act_id(payload)


@pytest.mark.parametrize("act", every(), ids=name_of)
def test_what_is_cut_or_goes_on_is_refused(act):
    payload = acts.write(act)
    for other in (
        payload[:-1],
        payload[: len(payload) // 2],
        payload + b"\n",
        payload + b"{}",
        b"\xef\xbb\xbf" + payload,
        b" " + payload,
    ):
        with pytest.raises(Malformed):
            acts.read(other)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_refused_in_our_own_words(data):
    with pytest.raises(Malformed):
        acts.read(data)
    with pytest.raises(Malformed):
        parse(data)


# ---- traps of JSON --------------------------------------------------------------------------------------------------


def respelled(change) -> bytes:
    return change(acts.write(sample("dispute")))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: b.replace(b'"index":4,', b'"index":4,"index":4,'), "canonical"),
        (lambda b: b.replace(b'"index":4,', b'"index":9,"\\u0069ndex":4,'), "canonical"),
        (lambda b: b.replace(b'"index":4,', b'"index":-0,'), "canonical"),
        (lambda b: b.replace(b'"index":4,', b'"index":4.0,'), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":4e0,'), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":"4",'), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":true,'), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":null,'), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":NaN,'), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":-1,'), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":9007199254740992,'), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":' + b"9" * 400 + b","), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":' + b"9" * 5000 + b","), "not an act"),
        (lambda b: b.replace(b'"index":4,', b'"index":4, '), "canonical"),
        (lambda b: b.replace(b'"index":4,"key"', b'"key"').replace(b'"kind"', b'"index":4,"kind"'), "canonical"),
        (lambda b: b.replace(b'"stolen"', b'"stol\\u0065n"'), "canonical"),
        (lambda b: b.replace(b'"stolen"', b'"\\ud800"'), "not an act"),
        (lambda b: b.replace(b'"stolen"', b'"\xff"'), "not an act"),
        (lambda b: b.replace(b'"stolen"', b'"a\\/b"'), "canonical"),
        (lambda b: b.replace(b'"v":1', b'"v":2'), "this act is one of version 1"),
        (lambda b: b.replace(b'"v":1', b'"v":3'), "this act is one of version 1"),
        (lambda b: b.replace(b'"v":1', b'"v":4'), "not an act"),
        (lambda b: b.replace(b'"v":1', b'"v":1,"x":1'), "not an act"),
        (lambda b: b.replace(b'"kind":"dispute"', b'"kind":"pardon"'), "not an act"),
        (lambda b: b.replace(b'"kind":"dispute",', b""), "not an act"),
        (lambda b: b[:-1] + b',"z":' + b"[" * 5000 + b"]" * 5000 + b"}", "not an act"),
        (lambda b: b.replace(b'"stolen"', b'"' + b"x" * 50_000 + b'"'), "over the limit"),
        (lambda b: b.decode().encode("utf-16"), "not an act"),
    ],
)
def test_traps(change, says):
    assert respelled(lambda b: b) != respelled(change)
    with pytest.raises(Malformed, match=says):
        acts.read(respelled(change))


@pytest.mark.parametrize("text", ["QUI=", "QUJ", "QU_=", "QU\\nI=", "QUI=="])
def test_base64_has_one_spelling(text):
    payload = acts.write(sample("fork", full=False))
    assert base64.b64decode("QUI=") == b"AB"
    good = payload.replace(base64.b64encode(b"one"), b"QUI=")
    acts.read(good)
    if text != "QUI=":
        with pytest.raises(Malformed):
            acts.read(payload.replace(base64.b64encode(b"one"), text.encode()))
    with pytest.raises(Malformed):
        acts.read(payload.replace(base64.b64encode(b"one"), b"QUJ="))  # the same bytes to a decoder that is not strict


def said(reason: str) -> bytes:
    return acts.write(replace(sample("refuse"), reason=reason))


CONTROLS = "\t\x00\r\x7f\x85"
DIRECTIONS = "\u200e\u202e\u2066\u061c\u2028\u2029"
UNSEEN = "\u200b\u200d\u2060\ufeff\u00ad\u180e\u034f\u115f\u3164\uffa0\ufe0f\u180b\U000e0041\ufff9"
NOT_OF_3_2 = "\u0378\u1ab0\U0001f600\ue000\u20b9"


@pytest.mark.parametrize(
    "text", [*(f"a{mark}b" for mark in CONTROLS + DIRECTIONS + UNSEEN + NOT_OF_3_2), "e\u0301", "\u2126"], ids=ascii
)
def test_nothing_hides_in_a_text(text):
    with pytest.raises(Malformed, match="text "):
        acts.read(said(text))


@pytest.mark.parametrize(
    "text", ["café", "two\nlines", "日本語　です", "Ελλάδα", "𠮷野", 'quotes " and \\', "soft – dash €"]
)
def test_people_can_write_their_languages(text):
    assert acts.read(said(text)).reason == text


@given(st.text(min_size=1, max_size=40))
def test_what_is_readable_does_not_depend_on_the_unicode_of_this_python(text):
    """Every text that is read is one that all versions of Unicode from 3.2 on take the same way."""
    try:
        acts.read(said(text))
    except Malformed:
        return
    assert unicodedata.is_normalized("NFC", text)
    assert unicodedata.ucd_3_2_0.is_normalized("NFC", text)
    assert all(unicodedata.ucd_3_2_0.category(mark) != "Cn" for mark in text)


# ---- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "good"),
    [
        ("2026-02-28", True),
        ("2024-02-29", True),
        ("2000-02-29", True),
        ("1900-01-01", True),
        ("2999-12-31", True),
        ("2026-02-29", False),
        ("2026-02-30", False),
        ("2100-02-29", False),
        ("2026-04-31", False),
        ("2026-13-01", False),
        ("2026-00-10", False),
        ("0001-01-01", False),
        ("3000-01-01", False),
        ("2026-1-1", False),
        ("2026-01-01\n", False),
        ("２０２６-01-01", False),
    ],
)
def test_a_day_is_in_the_calendar(day, good):
    payload = acts.write(replace(sample("withdraw"), on=day))
    if good:
        acts.read(payload)
    else:
        with pytest.raises(Malformed):
            acts.read(payload)


@pytest.mark.parametrize("at", [-1, 32_503_680_000_000, 2**53, 2**63])
def test_a_time_is_one_that_days_can_be_made_of(at):
    with pytest.raises(Malformed, match="not an act"):
        acts.read(acts.write(replace(sample("withdraw"), at=at)))


BAD = {
    "author": ("", "Arda", "arda\n", "a" * 65, "-arda", "ärda", "arda/x"),
    "log": (
        "arda.example",
        "arda.example/lamp/00",
        "arda.example/lamp/-1",
        "Arda.example/lamp/0",
        "arda.example/lamp/0\n",
    ),
    "readers": ((), ("arda", "arda"), ("bree", "arda"), ("bree", "cora"), tuple(f"p{n:03}" for n in range(65))),
    "partnership": ("1" * 63, "1" * 65, "G" * 64, "1" * 64 + "\n", "A" * 64),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_common_fields_are_strict(field, value):
    with pytest.raises(Malformed):
        acts.read(acts.write(replace(sample("withdraw"), **{field: value})))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda: replace(sample("channel"), readers=("arda",)), "`readers` stands in every act but"),
        (lambda: replace(sample("withdraw"), readers=msgspec.UNSET), "`readers` stands in every act but"),
        (lambda: replace(sample("rotate"), partnership=ONE), "belongs to no partnership"),
        (lambda: replace(sample("introduce"), partnership=ONE), "belongs to no partnership"),
        (lambda: replace(sample("withdraw"), partnership=msgspec.UNSET, under=msgspec.UNSET), "names its partnership"),
        (lambda: replace(sample("fork"), partnership=msgspec.UNSET), "`under` stands beside"),
        (lambda: replace(sample("propose"), prev=msgspec.UNSET), "`prev` stands in"),
        (lambda: replace(sample("propose"), n=1), "`prev` stands in"),
        (
            lambda: replace(sample("propose", full=False), partnership=msgspec.UNSET, under=msgspec.UNSET),
            "first charter founds",
        ),
        (lambda: replace(proposals()[-1], partnership=ONE), "first charter founds"),
        (lambda: replace(proposals()[-1], what=ABOUT["charter+admit"]), "first charter founds"),
        (lambda: replace(sample("disclose"), entries=(4, 4)), "holds the same thing twice"),
        (lambda: replace(sample("register"), owners=("arda", "arda")), "holds the same thing twice"),
        (lambda: replace(sample("release"), rests_on=(ONE, ONE)), "holds the same thing twice"),
        (lambda: replace(sample("register"), title="two\nlines"), "not an act"),
        (lambda: replace(sample("introduce"), address="http://dune.example/path"), "not an act"),
        (lambda: replace(sample("introduce"), address="http://u@dune.example"), "not an act"),
        (lambda: replace(sample("introduce"), address="HTTP://dune.example"), "not an act"),
        (lambda: replace(sample("dispute"), key="bree/node"), "not an act"),
    ],
)
def test_what_stands_where(change, says):
    with pytest.raises(Malformed, match=says):
        acts.read(acts.write(change()))


def test_a_fork_may_be_proved_before_there_is_a_partnership():
    early = replace(sample("fork"), partnership=msgspec.UNSET, under=msgspec.UNSET)
    assert acts.read(acts.write(early)) == early


HEAD = FIELDS["acknowledge"][0]["heads"][0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: acts.Term(since="2026-01-01", until="2026-01-01"), "never holds"),
        (lambda: acts.Quorum(threshold=2, keys=(ARDA.public,)), "cannot be reached"),
        (
            lambda: acts.Quorum(threshold=2, keys=(ARDA.public, SecretKey("arda/other-name", _seed(ARDA)).public)),
            "cannot be reached",
        ),
        (lambda: acts.Successors(threshold=3, digests=(ONE, TWO)), "cannot be reached"),
        (lambda: replace(_keys(), node=_keys().vouch).__post_init__(), "two roles"),
        (lambda: replace(_keys(), log=acts.LogKey(ed25519=_keys().node.ed25519)).__post_init__(), "two roles"),
        (
            lambda: replace(_keys(), officers=(acts.Officer(office="safety", key=_keys().node),)).__post_init__(),
            "two roles",
        ),
        (lambda: acts.ReleaseRule(rule="k_of_n"), "`k` stands beside"),
        (lambda: acts.ReleaseRule(rule="all", k=1), "`k` stands beside"),
        (lambda: replace(sample("register"), owners=("arda",)).__post_init__(), "owners cannot release"),
        (lambda: replace(ENGAGEMENT, confirm=2).__post_init__(), "cannot confirm"),
        (
            lambda: replace(
                ENGAGEMENT, members=(*ENGAGEMENT.members, replace(ENGAGEMENT.members[0], origin="x/y/0"))
            ).__post_init__(),
            "twice",
        ),
        (lambda: replace(sample("acknowledge"), heads=(HEAD, replace(HEAD, size=9))).__post_init__(), "twice"),
        (lambda: replace(sample("release"), uses=(USE, replace(USE, quantity=2))).__post_init__(), "twice"),
    ],
)
def test_what_one_act_alone_shows_to_be_wrong(make, says):
    with pytest.raises(Malformed, match=says):
        make()


USE = acts.LicenceUse(licence=TWO, quantity=1)


def _seed(key: SecretKey) -> bytes:
    return base64.b64decode(json.loads(key.to_text())["ed25519"])


def _keys() -> acts.KeySet:
    return FIELDS["inception"][0]["keys"]


def test_one_person_may_hold_several_offices():
    keys = _keys()
    both = tuple(acts.Officer(office=office, key=ARDA.public) for office in ("disclosure", "safety"))
    assert replace(keys, officers=both).__post_init__() is None


def test_the_last_day_of_a_term():
    assert TERM.last == "2026-12-31"
    assert (TERM.holds("2025-12-31"), TERM.holds("2026-01-01"), TERM.holds("2026-12-31"), TERM.holds("2027-01-01")) == (
        False,
        True,
        True,
        False,
    )
    assert acts.Term(since="2026-01-01").last is None


def test_a_class_that_mixes_parties_is_seen():
    assert not CLASS.mixed
    assert replace(CLASS, organisation="arda/works").mixed


# ---- envelopes ------------------------------------------------------------------------------------------------------


def envelope(kind: str = "refuse", *keys: SecretKey) -> bytes:
    return acts.sign(sample(kind), keys or [ARDA])


def test_an_envelope_is_what_dsse_says_in_one_spelling():
    data = envelope()
    read = json.loads(data)
    assert list(read) == ["payload", "payloadType", "signatures"]
    assert read["payloadType"] == acts.PAYLOAD_TYPE
    act, id_, signed = acts.open_act(data)
    assert base64.b64decode(read["payload"]) == acts.write(act) == signed.payload
    assert id_ == acts.act_id(signed.payload)
    assert format_envelope(signed.payload, {one.keyid: one.sig for one in signed.signatures}) == data


def test_the_id_does_not_depend_on_signatures():
    assert acts.open_act(envelope())[1] == acts.open_act(envelope("refuse", ARDA, secret("bree/node")))[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda e: b" " + e,
        lambda e: e + b"\n",
        lambda e: e.replace(b'"payload":', b'"payload": '),
        lambda e: e.replace(b'"payloadType":"application/vnd.relto.act+json",', b""),
        lambda e: e.replace(b"vnd.relto.act", b"vnd.in-toto"),
        lambda e: e[:-1] + b',"more":1}',
        lambda e: e.replace(b'"keyid":"arda/disclosure', b'"keyid":"Arda/disclosure'),
        lambda e: e.replace(b'{"keyid"', b'{"more":1,"keyid"'),
        lambda e: e.replace(b'"signatures":[', b'"signatures":[],"x":['),
        lambda e: (
            b'{"signatures":'
            + e.partition(b'"signatures":')[2][:-1]
            + b","
            + e.partition(b'"signatures":')[0][1:-1]
            + b"}"
        ),
    ],
)
def test_an_envelope_with_another_spelling_is_refused(change):
    with pytest.raises(Malformed):
        parse(change(envelope()))


def test_signatures_are_sorted_once_each_and_not_too_many():
    two = json.loads(envelope("refuse", ARDA, secret("bree/node")))
    for signatures in (two["signatures"][::-1], two["signatures"][:1] * 2, []):
        with pytest.raises(Malformed):
            parse(msgspec.json.encode({**two, "signatures": signatures}))
    many = [secret(f"k/{n:02}") for n in range(33)]
    with pytest.raises(Malformed):
        parse(envelope("refuse", *many))
    parse(envelope("refuse", *many[:32]))


def test_an_envelope_of_any_length_is_not_read():
    with pytest.raises(Malformed, match="over the limit"):
        parse(b"x" * (ENVELOPE_MAX + 1))


@pytest.mark.parametrize("key", [ARDA, secret("arda/hybrid", hybrid=True)], ids=["ed25519", "hybrid"])
def test_no_flipped_byte_of_an_envelope_is_a_signed_act(key):
    data = envelope("refuse", key)
    step = max(1, len(data) // 600)
    assert signed_by(parse(data), key.public)
    for at in range(0, len(data), step):
        changed = bytearray(data)
        changed[at] ^= 0x01
        try:
            _, _, signed = acts.open_act(bytes(changed))
        except ReltoError:
            continue
        assert not signed_by(signed, key.public)


def test_both_halves_of_a_key_must_have_signed():
    key = secret("arda/hybrid", hybrid=True)
    payload = acts.write(sample("refuse"))
    both = key.sign(pae(acts.PAYLOAD_TYPE, payload))
    assert signed_by(parse(format_envelope(payload, both)), key.public)
    for name in both:
        assert not signed_by(parse(format_envelope(payload, {name: both[name]})), key.public)


def test_a_quorum_counts_keys_and_not_names():
    seed = _seed(ARDA)
    twice = [SecretKey("arda/one", seed), SecretKey("arda/two", seed)]
    third = secret("arda/three")
    quorum = acts.Quorum(threshold=2, keys=(twice[0].public, twice[1].public, third.public))
    act = sample("consent")
    assert not reaches(parse(acts.sign(act, twice)), quorum)
    assert reaches(parse(acts.sign(act, [twice[0], third])), quorum)
    with pytest.raises(Malformed, match="two roles"):
        replace(_keys(), authority=quorum)


def test_what_would_be_refused_is_not_signed():
    with pytest.raises(Malformed):
        acts.sign(replace(sample("refuse"), reason="e\u0301"), [ARDA])


def test_signatures_of_the_same_request_merge():
    one, two = envelope("refuse", ARDA), envelope("refuse", secret("bree/node"))
    assert acts.merge(one, two) == acts.merge(two, one) == envelope("refuse", ARDA, secret("bree/node"))
    with pytest.raises(Refused, match="different bytes"):
        acts.merge(one, envelope("lift"))


# ---- leaves ---------------------------------------------------------------------------------------------------------


def test_an_opening_opens_only_its_leaf():
    one = Party(Kit("arda", members=("arda",)), "elm").entries[0]
    other = Party(Kit("arda", members=("arda",)), "oak").entries[0]
    assert one.salt is not None
    assert one.envelope is not None
    assert acts.entry(one.origin, 0, one.leaf, (one.salt, one.envelope)) == one
    for opening_ in ((bytes(32), one.envelope), (one.salt, other.envelope), (one.salt, one.envelope[:-1])):
        with pytest.raises(ReltoError):
            acts.entry(one.origin, 0, one.leaf, opening_)
    assert opening().public == _keys().opening


def test_what_is_no_leaf_is_for_everybody_and_never_opens():
    assert acts.entry("arda.example/lamp/0", 3, b"junk").mine
    with pytest.raises(Malformed):
        acts.entry("arda.example/lamp/0", 3, b"junk", (bytes(32), b"{}"))
