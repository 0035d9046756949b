"""Trust policies: the grammar of tlog-policy, its rule that nobody counts twice, and quorums over real notes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto.errors import Forged, Malformed
from relto.ledger import (
    Checkpoint,
    Cosigner,
    Group,
    KnownLog,
    Policy,
    Verifier,
    Witness,
    add_signatures,
    parse_policy,
    policy_of,
    sign_checkpoint,
    tree_root,
)

PARTIES = ("aus", "gbr", "usa")
COSIGNERS = {
    party: Cosigner(f"{party}.example/au/witness", bytes([7 + i]) * 32, bytes([17 + i]) * 32)
    for i, party in enumerate(PARTIES)
}


def witnesses(*parties):
    return {
        party: tuple(Witness(name=party, key=key, url=f"https://{party}.example/witness") for key in one.verifiers)
        for party, one in COSIGNERS.items()
        if party in (parties or PARTIES)
    }


@pytest.fixture
def note(log_key):
    return sign_checkpoint(Checkpoint(origin=log_key.public.name, size=7, root=tree_root([bytes(32)] * 7)), log_key)


@pytest.fixture
def checkpoint(log_key):
    return Checkpoint(origin=log_key.public.name, size=7, root=tree_root([bytes(32)] * 7))


@pytest.fixture
def policy(log_verifier):
    return policy_of({"au": (KnownLog(key=log_verifier, url="https://relto.example/log"),)}, witnesses(), 2)


def test_a_policy_reads_back(policy):
    text = policy.encode()
    assert parse_policy(text) == policy
    assert parse_policy(text).encode() == text
    assert text.decode().splitlines()[-2:] == ["group seen 2 aus gbr usa", "quorum seen"]


def test_a_quorum_wants_each_party_by_all_of_its_keys(policy, note, checkpoint):
    with pytest.raises(Forged, match=r"seen has 0 of 2, without aus has 0 of 2, without aus/ed25519, aus/ml-dsa-44"):
        policy.open(note)
    one = add_signatures(note, COSIGNERS["gbr"].cosign(checkpoint, 5))
    with pytest.raises(Forged, match="seen has 1 of 2"):
        policy.open(one)
    half = add_signatures(one, COSIGNERS["usa"].cosign(checkpoint, 5)[:1])
    with pytest.raises(Forged, match="usa has 1 of 2, without usa/ml-dsa-44"):
        policy.open(half)
    two = add_signatures(one, COSIGNERS["usa"].cosign(checkpoint, 5))
    assert policy.open(two).checkpoint == checkpoint
    assert len(policy.open(two).cosigned) == 4


def test_a_log_that_the_policy_does_not_know(policy, checkpoint, log_key, note):
    stranger = type(log_key)("relto.example/zz/0", bytes(32))
    other = sign_checkpoint(Checkpoint(origin="relto.example/zz/0", size=7, root=checkpoint.root), stranger)
    with pytest.raises(Forged, match="knows no log"):
        policy.open(other)
    lines = [one for party in PARTIES for one in COSIGNERS[party].cosign(checkpoint, 5)]
    impostor = sign_checkpoint(checkpoint, type(log_key)(log_key.public.name, bytes(32)))
    with pytest.raises(Forged, match="no signature by"):
        policy.open(add_signatures(impostor, lines))


def test_no_quorum_asks_for_the_log_alone(log_verifier, note, checkpoint):
    policy = parse_policy(f"log {log_verifier.vkey()}\nquorum none\n".encode())
    assert policy.open(note).checkpoint == checkpoint
    assert policy_of({"au": (KnownLog(key=log_verifier),)}, {}, 2).quorum == "none"
    assert policy_of({"au": (KnownLog(key=log_verifier),)}, witnesses(), 0).quorum == "none"


KEYS = [COSIGNERS[party].verifiers[0].vkey() for party in PARTIES]
W = [f"witness {name} {key}" for name, key in zip("ABC", KEYS, strict=True)]


@pytest.mark.parametrize(
    "lines",
    [
        [W[0], "quorum A"],
        [W[0], W[1], "group G any A B", "quorum G"],
        [W[0], W[1], W[2], "group G all A B", "group H 1 G C", "quorum H"],
        ["", "  # a comment", "\t" + W[0] + " \thttps://a.example/ ", "quorum\tA"],
        [W[0], "group \xe9 1 A", "quorum \xe9"],
        ["quorum none"],
        [W[0], "quorum A", W[1]],
    ],
    ids=range(7),
)
def test_policies_of_others_are_read(lines):
    policy = parse_policy("".join(f"{line}\n" for line in lines).encode("latin-1"))
    assert parse_policy(policy.encode()) == policy


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "a quorum"),
        ([W[0]], "a quorum"),
        ([W[0], "quorum A", "quorum A"], "one quorum"),
        ([W[0], "quorum B"], "line 2: `B` is not defined above"),
        (["quorum A", W[0]], "line 1: `A` is not defined above"),
        (["group G any A", W[0], "quorum G"], "line 1"),
        ([W[0], "group G any G", "quorum G"], "line 2"),
        ([W[0], "group G any none", "quorum G"], "line 2"),
        ([W[0], "group G any A A", "quorum G"], "twice"),
        ([W[0], W[1], "group G any A B", "group H any A", "quorum H"], "twice"),
        ([W[0], W[1], "group G 3 A B", "quorum G"], "asks for 3 of 2"),
        ([W[0], "group G 0 A", "quorum G"], "asks for"),
        ([W[0], "group G 01 A", "quorum G"], "asks for"),
        ([W[0], "group G +1 A", "quorum G"], "asks for"),
        ([W[0], "group G most A", "quorum G"], "asks for"),
        ([W[0], "group G any", "quorum G"], "line 2"),
        ([W[0], W[0].replace(" A ", " B "), "quorum A"], "the same key"),
        ([W[0], W[1].replace(" B ", " A "), "quorum A"], "defined twice"),
        ([W[0].replace(" A ", " none "), "quorum none"], "defined twice"),
        ([W[0] + " url more", "quorum A"], "line 1"),
        ([W[0] + " # not a comment", "quorum A"], "line 1"),
        (["witness A", "quorum none"], "line 1"),
        (["witness A not+a+key", "quorum none"], "line 1"),
        (["log " + KEYS[0], "quorum none"], "of no type that a log"),
        (["mirror " + KEYS[0], "quorum none"], "line 1"),
        (["quorum none extra"], "line 1"),
        (["quorum\x0bnone"], "control"),
        (["quorum none\r"], "control"),
        (["quorum\u00a0none"], "line 1"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(lines, why):
    with pytest.raises(Malformed) as caught:
        parse_policy("".join(f"{line}\n" for line in lines).encode("latin-1"))
    assert why in str(caught.value)


def test_a_policy_is_bounded_and_ends_with_a_line():
    with pytest.raises(Malformed, match="ends in LF"):
        parse_policy(b"quorum none")
    with pytest.raises(Malformed, match="at most"):
        parse_policy(b"#" * (1 << 20) + b"\n")
    with pytest.raises(Malformed, match="at most"):
        Policy(
            witnesses=tuple(
                Witness(
                    name=f"w{i}",
                    key=Verifier(name="w", kind=COSIGNERS["aus"].verifiers[0].kind, public=i.to_bytes(2, "big") * 16),
                )
                for i in range(300, 1400)
            )
        )
    with pytest.raises(Malformed, match="cannot be had"):
        policy_of({}, witnesses(), 4)
    with pytest.raises(Malformed):
        Policy(witnesses=tuple(witnesses("aus")["aus"][:1]), groups=(Group(name="a b", k="any", members=("aus",)),))


def test_one_key_under_two_names_or_types_is_one_key(log_verifier):
    # signed-note: 0x01 and 0x04 over the same bytes are two ids of one key.
    same = Verifier(name="w.example", kind=COSIGNERS["aus"].verifiers[0].kind, public=log_verifier.public)
    twice = [Witness(name="A", key=same), Witness(name="B", key=Verifier(name="v", kind=same.kind, public=same.public))]
    with pytest.raises(Malformed, match="the same key"):
        Policy(witnesses=tuple(twice))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_malformed(data):
    try:
        policy = parse_policy(data)
    except Malformed:
        return
    assert parse_policy(policy.encode()) == policy
