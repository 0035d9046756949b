"""Proof files, witness requests, fork proofs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto.errors import Conflict, Forged, Malformed, Refused, ReltoError
from relto.keys import SecretKey
from relto.ledger import (
    EMPTY_ROOT,
    AddCheckpoint,
    Checkpoint,
    Fork,
    Proof,
    Tree,
    Verifier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    open_checkpoint,
    parse_add_checkpoint,
    parse_proof,
    prove_fork,
    sign_checkpoint,
    tree_root,
)


@pytest.fixture(scope="module")
def published(vectors):
    return vectors("notes")


@pytest.fixture(scope="module")
def note(published) -> bytes:
    return published["checkpoint"]["note"].encode()


@pytest.fixture(scope="module")
def proof(published, note, decimal_hashes) -> Proof:
    return Proof(index=5, hashes=tuple(inclusion_proof(decimal_hashes, 5, 7)), note=note)


@pytest.fixture(scope="module")
def asked(note, log_verifier, decimal_hashes) -> AddCheckpoint:
    bare = open_checkpoint(note, log_verifier).note()
    return AddCheckpoint(old=3, proof=tuple(consistency_proof(decimal_hashes, 3, 7)), note=bare)


# ── tlog-proof ──


def test_published_proof(published, proof, log_verifier):
    data = proof.encode()
    assert hashlib.sha256(data).hexdigest() == published["proof"]["sha256"]
    assert parse_proof(data) == proof
    witness = Verifier.parse(published["witness"]["vkey"])
    opened = parse_proof(data).verify(b"5", log_verifier, [witness])
    assert (opened.checkpoint.size, [one.at for one in opened.cosigned]) == (7, [1767225600])
    for leaf in (b"6", b""):
        with pytest.raises(Forged):
            parse_proof(data).verify(leaf, log_verifier)


def test_extra_data_travels_unread(proof, log_verifier):
    more = Proof(index=5, hashes=proof.hashes, note=proof.note, extra=b"anything\x00")
    assert parse_proof(more.encode()) == more
    more.verify(b"5", log_verifier)
    with pytest.raises(Malformed):
        Proof(index=5, hashes=proof.hashes, note=proof.note, extra=b"x" * 40_001).encode()


def test_proofs_that_are_none(proof):
    data = proof.encode()
    for wrong in (
        data.replace(b"@v1", b"@v2"),
        data.replace(b"index 5", b"index 05"),
        data.replace(b"index 5", b"index 5 "),
        data.replace(b"index 5\n", b""),
        data.replace(b"index 5\n", b"index 5\nextra YQ==\n"),
        data.replace(b"index 5\n", b"extra \nindex 5\n"),
        data.replace(b"index 5\n", b"extra YR==\nindex 5\n"),
        data.replace(b"index 5\n", b"index 9223372036854775807\n"),
        data.replace(b"\n", b"\r\n"),
        data.partition(b"\n")[2],
        data[:-1],
        data.replace(b"index 5\n", b"index 5\n" + b"EeH1WCI/THG2vhzs/R8N6HFG0llId8J7KexRn5BAITw=\n" * 64),
        b"x" * 700_000,
        b"",
    ):
        with pytest.raises(ReltoError):
            parse_proof(wrong)


@given(st.data())
def test_a_changed_byte_of_a_proof_is_never_accepted(proof, log_verifier, published, data):
    raw = bytearray(proof.encode())
    # The witness's line may become a stranger's; everything before it counts.
    at = data.draw(st.integers(0, raw.index("— relto.example/uk".encode()) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ReltoError):
        parse_proof(bytes(raw)).verify(b"5", log_verifier, [Verifier.parse(published["witness"]["vkey"])])


# ── add-checkpoint ──


def test_published_request_to_a_witness(published, asked):
    body = asked.encode()
    assert len(body) == published["add_checkpoint"]["bytes"]
    assert hashlib.sha256(body).hexdigest() == published["add_checkpoint"]["sha256"]
    assert parse_add_checkpoint(body) == asked
    origin = asked.checkpoint.origin
    assert hashlib.sha256(origin.encode()).hexdigest() == published["origin_sha256"]


def test_a_witness_judges(asked, log_verifier, decimal_hashes, note):
    root3, root7 = tree_root(decimal_hashes[:3]), tree_root(decimal_hashes[:7])
    assert asked.check(log_verifier, 3, root3).root == root7
    for last_size, last_root, answer, status in (
        (4, tree_root(decimal_hashes[:4]), Conflict, 409),
        (0, EMPTY_ROOT, Conflict, 409),
        (3, leaf_hash(b"another"), Forged, 422),
    ):
        with pytest.raises(answer) as caught:
            asked.check(log_verifier, last_size, last_root)
        assert caught.value.http_status == status
    again = AddCheckpoint(old=7, proof=(), note=note)
    assert again.check(log_verifier, 7, root7).size == 7
    with pytest.raises(Forged):
        again.check(log_verifier, 7, leaf_hash(b"another"))
    first = AddCheckpoint(old=0, proof=(), note=note)
    assert first.check(log_verifier, 0, EMPTY_ROOT).size == 7
    with pytest.raises(Forged):
        AddCheckpoint(old=0, proof=asked.proof, note=note).check(log_verifier, 0, EMPTY_ROOT)


def test_a_witness_answers_403_to_strangers(asked, log_key):
    stranger = SecretKey(log_key.public.name, bytes(32))
    with pytest.raises(Refused) as caught:
        asked.check(Verifier.of_log(stranger.public), 3, bytes(32))
    assert caught.value.http_status == 403


def test_requests_that_are_none(asked):
    body = asked.encode()
    line = b"EeH1WCI/THG2vhzs/R8N6HFG0llId8J7KexRn5BAITw=\n"
    for wrong in (
        body.replace(b"old 3", b"old 03"),
        body.replace(b"old 3", b"old 8"),
        body.replace(b"old 3", b"old  3"),
        body.replace(b"old 3", b"new 3"),
        body.replace(b"old 3\n", b"old 3\n" + line * 60),
        body.replace(b"\n\n", b"\n", 1),
        body[:-1],
        b"",
    ):
        with pytest.raises(Malformed):
            parse_add_checkpoint(wrong)


# ── forks ──


def signed(key, hashes):
    return sign_checkpoint(Checkpoint(origin=key.public.name, size=len(hashes), root=tree_root(hashes)), key)


def tree(hashes):
    return Tree(lambda start, stop: hashes[start:stop])


@pytest.mark.parametrize("sizes", [(7, 11), (8, 11), (7, 7), (1, 300), (256, 300)])
def test_a_fork_convicts(log_key, log_verifier, sizes):
    small, large = sizes
    first = [leaf_hash(b"%d" % i) for i in range(small)]
    second = [*first[: small // 2], *(leaf_hash(b"x%d" % i) for i in range(small // 2, large))]
    one, other = signed(log_key, first), signed(log_key, second)
    for notes in ((one, other), (other, one)):
        fork = prove_fork(log_verifier, *notes, tree(second))
        assert fork is not None
        assert sorted(checkpoint.size for checkpoint in fork.verify(log_verifier)) == [small, large]
    stranger = Verifier.of_log(SecretKey(log_key.public.name, bytes(32)).public)
    with pytest.raises(Forged):
        fork.verify(stranger)


def test_no_fork_where_a_log_only_grew(log_key, log_verifier, decimal_hashes):
    notes = [signed(log_key, decimal_hashes[:size]) for size in (0, 7, 11)]
    for one in notes:
        for other in notes:
            assert prove_fork(log_verifier, one, other, tree(decimal_hashes)) is None
    accusation = Fork(
        first=notes[1],
        second=notes[2],
        root=tree_root(decimal_hashes[:7]),
        proof=tuple(consistency_proof(decimal_hashes, 7, 11)),
    )
    with pytest.raises(Forged, match="no fork"):
        accusation.verify(log_verifier)


def test_published_fork_convicts(vectors, log_key, log_verifier, decimal_hashes):
    second = [*decimal_hashes[:5], *(leaf_hash(b"x%d" % i) for i in range(5, 11))]
    fork = prove_fork(log_verifier, signed(log_key, decimal_hashes[:7]), signed(log_key, second), tree(second))
    assert fork is not None
    row = vectors("proofs")["fork"]
    assert len(fork.proof) == len(row["proof"])
    fork.verify(log_verifier)
