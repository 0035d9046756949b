"""The tree and its proofs: published roots, every small size exhaustively, and whatever is not exactly a proof."""

from __future__ import annotations

import hashlib
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto.errors import Forged, Malformed
from relto.ledger import (
    EMPTY_ROOT,
    Frontier,
    Grown,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_fork,
    verify_inclusion,
)

SMALL = 70


def mth(entries):
    """RFC 6962, 2.1, word for word: the slow obvious root."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


@pytest.fixture(scope="module")
def roots(decimal_hashes):
    return [tree_root(decimal_hashes[:size]) for size in range(SMALL + 1)]


def test_published_roots(vectors, decimal_hashes):
    for row in vectors("roots")["roots"]:
        assert tree_root(decimal_hashes[: row["size"]]).hex() == row["root"]
        assert Frontier.empty().extend(decimal_hashes[: row["size"]]).root().hex() == row["root"]


def test_classic_inputs(vectors):
    classic = vectors("roots")["classic"]
    assert tree_root(leaf_hash(bytes.fromhex(entry)) for entry in classic["entries"]).hex() == classic["root"]


def test_roots_are_those_of_the_definition(roots):
    for size, root in enumerate(roots):
        assert root == mth([b"%d" % i for i in range(size)])


def test_frontier_by_leaf_and_by_batch_agree(decimal_hashes, roots):
    edge = Frontier.empty()
    for size in range(SMALL):
        assert edge.root() == roots[size]
        for more in (0, 1, 2, 3, 7, SMALL - size):
            grown = edge.extend(decimal_hashes[size : min(size + more, SMALL)])
            assert grown == Frontier.empty().extend(decimal_hashes[: min(size + more, SMALL)])
        edge = edge.push(decimal_hashes[size])


@pytest.mark.parametrize(
    ("size", "hashes"),
    [(1, ()), (0, (b"x" * 32,)), (3, (b"x" * 32,)), (1, (b"x" * 31,)), (-1, ()), (2**63, (b"x" * 32,))],
)
def test_frontier_that_cannot_be(size, hashes):
    with pytest.raises(Malformed):
        Frontier(size=size, hashes=hashes)


def test_frontier_takes_hashes_of_32_bytes_only():
    for wrong in (b"", b"x" * 31, b"x" * 33):
        with pytest.raises(Malformed):
            Frontier.empty().push(wrong)
        with pytest.raises(Malformed):
            Frontier.empty().extend([wrong])


def test_published_proofs(vectors, decimal_hashes):
    published = vectors("proofs")
    for row in published["inclusion"]:
        proof = [b64decode(one) for one in row["proof"]]
        assert inclusion_proof(decimal_hashes, row["index"], row["size"]) == proof
        verify_inclusion(
            decimal_hashes[row["index"]], row["index"], row["size"], tree_root(decimal_hashes[: row["size"]]), proof
        )
    for row in published["consistency"]:
        proof = [b64decode(one) for one in row["proof"]]
        assert consistency_proof(decimal_hashes, row["old"], row["new"]) == proof
        old, new = (tree_root(decimal_hashes[: row[which]]) for which in ("old", "new"))
        verify_consistency(row["old"], old, row["new"], new, proof)


def test_published_fork(vectors, decimal_hashes):
    fork = vectors("proofs")["fork"]
    other, proof = b64decode(fork["other"]), [b64decode(one) for one in fork["proof"]]
    second = [*decimal_hashes[:5], *(leaf_hash(b"x%d" % i) for i in range(5, 11))]
    assert tree_root(second) == b64decode(fork["new_root"])
    assert tree_root(second[:7]) == other
    assert consistency_proof(second, 7, 11) == proof
    verify_fork(7, tree_root(decimal_hashes[:7]), 11, tree_root(second), other, proof)


def test_inclusion_every_leaf_of_every_small_size(decimal_hashes, roots):
    for size in range(1, SMALL + 1):
        for index in range(size):
            proof = inclusion_proof(decimal_hashes, index, size)
            verify_inclusion(decimal_hashes[index], index, size, roots[size], proof)
            for wrong_index in {index + 1, index - 1, size - 1 - index} - {index}:
                with pytest.raises(Forged):
                    verify_inclusion(decimal_hashes[index], wrong_index, size, roots[size], proof)
            with pytest.raises(Forged):
                verify_inclusion(decimal_hashes[index], index, size, roots[size - 1], proof)


def test_consistency_every_pair_of_small_sizes(decimal_hashes, roots):
    for new in range(SMALL + 1):
        for old in range(new + 1):
            proof = consistency_proof(decimal_hashes, old, new)
            verify_consistency(old, roots[old], new, roots[new], proof)
            for wrong in ([*proof, roots[1]], proof[:-1] if proof else [roots[1]]):
                with pytest.raises(Forged):
                    verify_consistency(old, roots[old], new, roots[new], wrong)
            if old:
                with pytest.raises(Forged):
                    verify_consistency(old, leaf_hash(b"another"), new, roots[new], proof)
            if 0 < old < new:
                with pytest.raises(Forged):
                    verify_consistency(old, roots[old], new, leaf_hash(b"another"), proof)


def test_a_proof_ends_where_the_tree_does(decimal_hashes, roots):
    """Each of these folds to the root that is claimed; only the size says that it is too long or too short."""
    first, second = decimal_hashes[:2]
    with pytest.raises(Forged):
        verify_inclusion(second, 0, 1, node_hash(first, second), [first])
    with pytest.raises(Forged):
        verify_inclusion(first, 0, 4, roots[2], [second])
    with pytest.raises(Forged):
        verify_consistency(1, roots[1], 4, roots[2], [second])
    with pytest.raises(Forged):
        verify_consistency(2, roots[2], 3, roots[4], [decimal_hashes[2], decimal_hashes[3]])
    with pytest.raises(Forged):
        verify_consistency(1, roots[1], 2, roots[4], [second, tree_root(decimal_hashes[2:4])])


def test_no_consistency_backwards(roots):
    with pytest.raises(Forged):
        verify_consistency(5, roots[5], 4, roots[4], [])
    with pytest.raises(Forged):
        verify_consistency(0, roots[1], 4, roots[4], [])
    with pytest.raises(Forged):
        verify_consistency(0, EMPTY_ROOT, 0, roots[1], [])


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


@given(st.integers(1, SMALL), st.data())
def test_any_bit_of_an_inclusion_proof_counts(size, data):
    hashes = [leaf_hash(b"%d" % i) for i in range(size)]
    index = data.draw(st.integers(0, size - 1))
    parts = [hashes[index], tree_root(hashes), *inclusion_proof(hashes, index, size)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], data.draw(st.integers(0, 255)))
    with pytest.raises(Forged):
        verify_inclusion(parts[0], index, size, parts[1], parts[2:])


@given(st.integers(2, SMALL), st.data())
def test_any_bit_of_a_consistency_proof_counts(new, data):
    hashes = [leaf_hash(b"%d" % i) for i in range(new)]
    old = data.draw(st.integers(1, new - 1))
    parts = [tree_root(hashes[:old]), tree_root(hashes), *consistency_proof(hashes, old, new)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], data.draw(st.integers(0, 255)))
    with pytest.raises(Forged):
        verify_consistency(old, parts[0], new, parts[1], parts[2:])


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 40), st.integers(0, 39))
def test_every_fork_is_proved_and_no_honest_log_accused(common, first_more, second_more, cut):
    first = [leaf_hash(b"%d" % i) for i in range(common + first_more)]
    second = [*first[:common], *(leaf_hash(b"x%d" % i) for i in range(second_more + first_more))]
    old, new = len(first), len(second)
    other = tree_root(second[:old])
    if old == new:
        verify_fork(old, tree_root(first), new, tree_root(second))
    else:
        verify_fork(old, tree_root(first), new, tree_root(second), other, consistency_proof(second, old, new))
    # An honest log: the same accusation from its own tree has nothing to stand on.
    honest = first[: cut % old + 1]
    with pytest.raises(Forged):
        verify_fork(
            len(honest), tree_root(honest), old, tree_root(first), tree_root(honest),
            consistency_proof(first, len(honest), old),
        )  # fmt: skip
    with pytest.raises(Forged):
        verify_fork(len(honest), tree_root(honest), old, tree_root(first), leaf_hash(b"made up"), [])


def test_a_failing_proof_accuses_nobody(roots, decimal_hashes):
    with pytest.raises(Forged):
        verify_fork(5, roots[5], 9, roots[9], leaf_hash(b"another"), consistency_proof(decimal_hashes, 5, 9))
    with pytest.raises(Forged):
        verify_fork(5, roots[5], 9, roots[9])
    with pytest.raises(Forged):
        verify_fork(5, roots[5], 5, roots[5])
    with pytest.raises(Forged):
        verify_fork(5, roots[5], 5, roots[6], roots[5], [])


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_hashes_have_32_bytes(roots, length):
    odd = b"x" * length
    for call in (
        lambda: verify_inclusion(odd, 0, 1, odd, []),
        lambda: verify_inclusion(roots[1], 0, 2, roots[2], [odd]),
        lambda: verify_consistency(1, odd, 1, odd, []),
        lambda: verify_consistency(1, roots[1], 2, roots[2], [odd]),
        lambda: verify_fork(1, odd, 1, roots[1]),
    ):
        with pytest.raises(Forged):
            call()


def test_proofs_are_bounded(roots):
    with pytest.raises(Forged):
        verify_inclusion(roots[1], 0, 2**63 - 1, roots[2], [roots[1]] * 1000)
    for index, size in ((0, 0), (1, 1), (-1, 2), (0, 2**63)):
        with pytest.raises(Forged):
            verify_inclusion(roots[1], index, size, roots[1], [])
        with pytest.raises(Malformed):
            inclusion_proof([roots[1]], index, size)
    with pytest.raises(Malformed):
        inclusion_proof([roots[1]], 0, 2)
    with pytest.raises(Malformed):
        consistency_proof([roots[1]], 2, 1)


def test_leaves_and_nodes_are_told_apart():
    left, right = leaf_hash(b"0"), leaf_hash(b"1")
    assert node_hash(left, right) != leaf_hash(left + right)


@pytest.mark.parametrize("old", [0, 1, 2, 3, 7, 8, 11, 31, 64])
def test_leaves_that_a_tree_grew_by_are_proven_from_its_edge_alone(old):
    hashes = [leaf_hash(b"%d" % n) for n in range(old + 40)]
    edge = Frontier.empty().extend(hashes[:old])
    for size in range(old + 1, old + 40, 3):
        grown, root = Grown(edge, hashes[old:size]), tree_root(hashes[:size])
        for index in range(old, size):
            proof = grown.inclusion(index)
            assert proof == inclusion_proof(hashes, index, size)
            verify_inclusion(hashes[index], index, size, root, proof)
        for index in (-1, old - 1, size):
            with pytest.raises(Malformed):
                grown.inclusion(index)
