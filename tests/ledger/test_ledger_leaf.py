"""Leaves: the vector to the byte, tags that only their reader knows, and every other form refused."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto.errors import Forged, Malformed, ReltoError
from relto.ledger import (
    check_opening,
    commit,
    encode_openings,
    is_tagged,
    leaf_hash,
    make_leaf,
    parse_leaf,
    parse_openings,
    slots_for,
    tag_for,
)


def test_published_leaf(vectors):
    row = vectors("leaf")
    salt, envelope, leaf = (bytes.fromhex(row[name]) for name in ("salt", "envelope", "leaf"))
    commitment = commit(salt, envelope)
    assert commitment.hex() == row["commitment"]
    tags = [tag_for(bytes.fromhex(reader["key"]), commitment) for reader in row["readers"]]
    assert [tag.hex() for tag in tags] == [reader["tag"] for reader in row["readers"]]
    filler = iter([bytes.fromhex(one) for one in row["filler"]])
    assert make_leaf(commitment, tags, 16, lambda size: next(filler)) == leaf
    assert leaf_hash(leaf).hex() == row["leaf_hash"]
    assert parse_leaf(leaf).encode() == leaf
    assert all(is_tagged(leaf, bytes.fromhex(reader["key"])) for reader in row["readers"])
    assert not is_tagged(leaf, bytes(32))
    check_opening(leaf, salt, envelope)


def test_published_refusals(vectors):
    for row in vectors("leaf")["refused"]:
        with pytest.raises(Malformed):
            parse_leaf(bytes.fromhex(row["leaf"]))
            pytest.fail(row["why"])


def test_published_slots(vectors):
    for row in vectors("leaf")["slots"]:
        assert slots_for(row["parties"]) == row["slots"]
    with pytest.raises(Malformed):
        slots_for(241)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 16), st.sampled_from([16, 32, 240]))
def test_a_made_leaf_reads_back_and_shows_no_count(salt, readers, slots):
    commitment = commit(salt, b"envelope")
    keys = [bytes([i]) * 32 for i in range(readers)]
    leaf = make_leaf(commitment, [tag_for(key, commitment) for key in keys], slots, os.urandom)
    read = parse_leaf(leaf)
    assert read.encode() == leaf
    assert len(read.tags) == slots
    assert len(leaf) == 34 + 16 * slots
    assert all(is_tagged(read, key) for key in keys)


@given(st.binary(max_size=600))
def test_what_is_accepted_is_what_would_be_written(data):
    for candidate in (data, b"\x01" + data, b"\x01" + data[:32].ljust(32, b"x") + b"\x10" + data[:256]):
        try:
            read = parse_leaf(candidate)
        except ReltoError:
            continue
        assert read.encode() == candidate


@given(st.integers(0, 290 * 8 - 1))
def test_a_flipped_bit_is_refused_or_another_leaf(vectors, bit):
    row = vectors("leaf")
    leaf = bytearray.fromhex(row["leaf"])
    leaf[bit // 8] ^= 1 << bit % 8
    try:
        read = parse_leaf(bytes(leaf))
    except Malformed:
        return
    assert read.encode() == bytes(leaf)
    if bit // 8 in range(1, 33):
        with pytest.raises(Forged):
            check_opening(bytes(leaf), bytes.fromhex(row["salt"]), bytes.fromhex(row["envelope"]))


@pytest.mark.parametrize("salt", [b"", b"x" * 31, b"x" * 33])
def test_a_salt_has_32_bytes(salt):
    # Otherwise one commitment would open in two ways: the boundary between salt and envelope could move.
    with pytest.raises(Malformed):
        commit(salt, b"envelope")


def test_an_envelope_has_bounds():
    commit(bytes(32), b"x" * 65_535)
    for envelope in (b"", b"x" * 65_536):
        with pytest.raises(Malformed):
            commit(bytes(32), envelope)


def test_an_opening_fits_one_leaf_only():
    leaf = make_leaf(commit(bytes(32), b"envelope"), [], 16, os.urandom)
    check_opening(leaf, bytes(32), b"envelope")
    for salt, envelope in ((b"x" * 32, b"envelope"), (bytes(32), b"envelopE")):
        with pytest.raises(Forged, match="entry 7"):
            check_opening(leaf, salt, envelope, where="log entry 7")


def test_a_leaf_that_cannot_be_made():
    commitment = commit(bytes(32), b"envelope")
    for tags, slots in (
        ([b"t" * 16, b"t" * 16], 16),
        ([i.to_bytes(16, "big") for i in range(17)], 16),
        ([], 15),
        ([], 0),
        ([], 256),
        ([b"short"], 16),
    ):
        with pytest.raises(Malformed):
            make_leaf(commitment, tags, slots, os.urandom)
    with pytest.raises(Malformed, match="repeats itself"):
        make_leaf(commitment, [], 16, bytes)
    with pytest.raises(Malformed):
        make_leaf(commitment[:-1], [], 16, os.urandom)
    with pytest.raises(Malformed):
        tag_for(b"short", commitment)


# ── openings on their way ──


def test_published_openings(vectors):
    row = vectors("leaf")["openings"]
    openings = [(one["index"], bytes.fromhex(one["salt"]), bytes.fromhex(one["envelope"])) for one in row["openings"]]
    assert encode_openings(openings).hex() == row["bytes"]
    assert parse_openings(bytes.fromhex(row["bytes"])) == openings


@given(
    st.dictionaries(
        st.integers(0, 2**63 - 2),
        st.tuples(st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=50)),
        max_size=5,
    ),
    st.data(),
)
def test_openings_read_back_and_nothing_else_does(held, data):
    openings = [(index, *held[index]) for index in sorted(held)]
    encoded = encode_openings(openings)
    assert parse_openings(encoded) == openings
    if not openings:
        return
    with pytest.raises(Malformed):
        encode_openings([openings[0], *openings])
    for wrong in (encoded[:-1], encoded + b"\x00", encoded + encoded):
        with pytest.raises(Malformed):
            parse_openings(wrong)
    changed = bytearray(encoded)
    changed[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = parse_openings(bytes(changed))
    except Malformed:
        return
    assert encode_openings(read) == bytes(changed)


def test_openings_that_are_none():
    salt = bytes(32)
    for openings in (
        [(2, salt, b"x"), (1, salt, b"x")],
        [(-1, salt, b"x")],
        [(2**63 - 1, salt, b"x")],
        [(1, salt, b"")],
        [(1, salt[:-1], b"x")],
        [(i, salt, b"x") for i in range(4097)],
    ):
        with pytest.raises(Malformed):
            encode_openings(openings)
    one = (7).to_bytes(8, "big") + salt
    for data in (one + b"\x00\x00", one + b"\x00\x02x", one, b"\xff" * 8 + salt + b"\x00\x01x"):
        with pytest.raises(Malformed):
            parse_openings(data)
    with pytest.raises(Malformed):
        parse_openings(b"".join(i.to_bytes(8, "big") + salt + b"\x00\x01x" for i in range(4097)))


@given(st.binary(min_size=0, max_size=300) | st.builds(bytes, st.just(290)), st.integers(0, 289), st.integers(0, 255))
def test_the_short_way_to_a_commitment_accepts_what_the_long_one_does(data, at, value):
    from relto.ledger.leaf import commitment_of

    count = iter(range(1, 99))
    leaf = make_leaf(bytes(32), [], 16, lambda size: next(count).to_bytes(size, "big"))
    changed = bytearray(leaf)
    changed[at] = value
    for one in (data, leaf, bytes(changed), leaf[:-1], leaf + b"\0"):
        try:
            wanted = parse_leaf(one).commitment
        except Malformed:
            with pytest.raises(Malformed):
                commitment_of(one)
        else:
            assert commitment_of(one) == wanted
