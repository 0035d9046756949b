"""Notes, checkpoints, cosignatures: published bytes, one spelling, and the differences between implementations."""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto.errors import Forged, Malformed, Refused, ReltoError
from relto.keys import LOW_ORDER, SecretKey
from relto.ledger import (
    EMPTY_ROOT,
    Checkpoint,
    Cosigner,
    Kind,
    Note,
    Signature,
    Verifier,
    add_signatures,
    format_lines,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    parse_lines,
    parse_note,
    sign_checkpoint,
    tree_root,
)
from relto.ledger.note import cosignature_message, subtree_message

NAME = "relto.example/uk/witness"


@pytest.fixture(scope="module")
def published(vectors):
    return vectors("notes")


@pytest.fixture(scope="module")
def note(published) -> bytes:
    return published["checkpoint"]["note"].encode()


@pytest.fixture(scope="module")
def witness(published) -> Cosigner:
    return Cosigner(NAME, bytes.fromhex(published["witness"]["seed"]), bytes.fromhex(published["mldsa44"]["seed"]))


@pytest.fixture(scope="module")
def witness_ed25519(published) -> Verifier:
    return Verifier.parse(published["witness"]["vkey"])


# ── published bytes ──


def test_published_verifier_keys(published, log_key, witness):
    log = Verifier.of_log(log_key.public)
    assert log.vkey() == published["log"]["vkey"]
    as_cosigner = Verifier(name=log.name, kind=Kind.COSIGN_ED25519, public=log.public)
    assert as_cosigner.vkey() == published["log"]["vkey_as_cosigner"]
    assert as_cosigner.key_id != log.key_id
    assert [one.vkey() for one in witness.verifiers] == [published["witness"]["vkey"], published["mldsa44"]["vkey"]]
    for vkey in (log.vkey(), as_cosigner.vkey(), *(one.vkey() for one in witness.verifiers)):
        assert Verifier.parse(vkey).vkey() == vkey


def test_published_checkpoint_to_the_byte(published, note, log_key, log_verifier, witness, decimal_hashes):
    checkpoint = Checkpoint(origin=log_key.public.name, size=7, root=tree_root(decimal_hashes[:7]))
    signed = sign_checkpoint(checkpoint, log_key)
    line, _ = witness.cosign(checkpoint, published["witness"]["time"])
    assert add_signatures(signed, [line]) == note
    assert hashlib.sha256(note).hexdigest() == published["checkpoint"]["sha256"]
    opened = open_checkpoint(note, log_verifier, [witness.verifiers[0]])
    assert opened.checkpoint == checkpoint
    assert [(one.by.kind, one.at) for one in opened.cosigned] == [(Kind.COSIGN_ED25519, 1767225600)]
    assert opened.note() == note


def test_published_mldsa44(published, log_key, log_verifier, witness, decimal_hashes):
    row = published["mldsa44"]
    verifier = witness.verifiers[1]
    assert hashlib.sha256(verifier.public).hexdigest() == row["public_sha256"]
    assert verifier.key_id.hex() == row["key_id"]
    root = tree_root(decimal_hashes[:7])
    message = subtree_message(NAME, 1767225600, log_key.public.name, 0, 7, root)
    assert (len(message), hashlib.sha256(message).hexdigest()) == (row["message_bytes"], row["message_sha256"])
    checkpoint = Checkpoint(origin=log_key.public.name, size=7, root=root)
    note = add_signatures(sign_checkpoint(checkpoint, log_key), parse_lines(row["line"].encode()))
    opened = open_checkpoint(note, log_verifier, [verifier])
    assert [(one.by.kind, one.at) for one in opened.cosigned] == [(Kind.COSIGN_MLDSA44, 1767225600)]


def test_published_example_of_signed_note(published):
    note = published["published"]["note"].encode()
    read, signed = open_note(note, [Verifier.parse(published["published"]["vkey"])])
    assert read.text == b"This is an example message.\n"
    assert [one.at for one in signed] == [0]
    assert read.encode() == note


def test_published_refusals(vectors):
    for row in vectors("refused-notes")["notes"]:
        with pytest.raises((Forged, Malformed, Refused)):
            parse_checkpoint(parse_note(b64decode(row["note"])).text)
            pytest.fail(row["why"])


# ── one spelling ──

TEXTS = st.builds(
    lambda lines: "".join(f"{line}\n" for line in lines).encode(),
    st.lists(
        st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=4
    ),
)
LINES = st.lists(
    st.builds(
        Signature,
        name=st.from_regex(r"[a-z0-9][a-z0-9./-]{0,127}", fullmatch=True),
        key_id=st.binary(min_size=4, max_size=4),
        value=st.binary(min_size=1, max_size=80),
    ),
    min_size=1,
    max_size=16,
    unique_by=lambda one: (one.name, one.key_id),
)


@given(TEXTS, LINES)
def test_any_note_reads_back(text, lines):
    made = Note(text=text, signatures=tuple(lines))
    assert parse_note(made.encode()) == made
    assert parse_lines(format_lines(lines)) == tuple(lines)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_any_checkpoint_reads_back(size, root):
    made = Checkpoint(origin="relto.example/au/0", size=size, root=root if size else EMPTY_ROOT)
    assert parse_checkpoint(made.text) == made


@given(st.data())
def test_a_changed_byte_is_never_accepted(published, data):
    """Under the keys of log and witness, only the very bytes are a checkpoint with both signatures."""
    note = bytearray(published["checkpoint"]["note"].encode())
    at = data.draw(st.integers(0, len(note) - 1))
    note[at] ^= data.draw(st.integers(1, 255))
    keys = [Verifier.parse(published[who]["vkey"]) for who in ("log", "witness")]
    try:
        opened = open_checkpoint(bytes(note), *[keys[0], keys[1:]])
    except ReltoError:
        return
    # What is left: the witness's name or key id was hit, and the line became one of somebody unknown.
    assert not opened.cosigned
    assert opened.checkpoint.text.decode() == published["checkpoint"]["note"].split("\n\n")[0] + "\n"


@given(st.binary(max_size=400))
def test_what_is_accepted_is_what_would_be_written(data):
    for candidate in (data, b"a\n\n\xe2\x80\x94 a " + b64encode(data) + b"\n"):
        try:
            read = parse_note(candidate)
        except ReltoError:
            continue
        assert read.encode() == candidate


def test_the_last_empty_line_separates():
    # Go and the specification take the last one, other readers the first.
    note = Note(text=b"one\n\ntwo\n", signatures=(Signature(name="a", key_id=b"1234", value=b"5"),)).encode()
    assert parse_note(note).text == b"one\n\ntwo\n"
    with pytest.raises(Malformed):
        parse_checkpoint(parse_note(note).text)


def test_other_line_ends_of_unicode_are_no_line_ends():
    text = "a\u2028b\u0085c\u00a0d\u007f\n".encode()
    assert (
        parse_note(Note(text=text, signatures=(Signature(name="a", key_id=b"1234", value=b"5"),)).encode()).text == text
    )


def test_notes_are_bounded():
    line = Signature(name="a", key_id=b"1234", value=b"5")
    lines = [Signature(name="a", key_id=i.to_bytes(4, "big"), value=b"5") for i in range(101)]
    assert len(parse_note(Note(text=b"t\n", signatures=tuple(lines[:100])).encode()).signatures) == 100
    for bad in (lines, []):
        with pytest.raises(Malformed):
            Note(text=b"t\n", signatures=tuple(bad))
    with pytest.raises(Malformed):
        parse_lines(format_lines(lines))
    with pytest.raises(Malformed):
        parse_note(b"x" * (512 * 1024) + b"\n\n" + line.line())
    with pytest.raises(Malformed):
        parse_lines(Signature(name="a", key_id=b"1234", value=b"5" * 45_000).line())
    with pytest.raises(Malformed, match="twice"):
        Note(text=b"t\n", signatures=(line, line))


@pytest.mark.parametrize("name", ["", "A", "a b", "a+b", "a\u00a0b", "é", ".a", "a" * 129, "a_b", "a\n", "a*"])
def test_names_that_others_would_read_differently(name):
    with pytest.raises(Malformed):
        Signature(name=name, key_id=b"1234", value=b"5")
    with pytest.raises(Malformed):
        Verifier(name=name, kind=Kind.ED25519, public=bytes(range(32)))
    with pytest.raises(Malformed):
        Checkpoint(origin=name, size=0, root=EMPTY_ROOT)


@pytest.mark.parametrize("origin", ["cosignature/v1", "subtree/v1", "subtree/v1x", "DSSEv1 4 test"])
def test_origins_that_begin_like_what_other_keys_sign(origin):
    with pytest.raises(Refused):
        Checkpoint(origin=origin, size=0, root=EMPTY_ROOT)
    with pytest.raises(ReltoError):
        sign_checkpoint(
            parse_checkpoint(f"{origin}\n0\n{b64encode(EMPTY_ROOT).decode()}\n".encode()), SecretKey("a", bytes(32))
        )


@pytest.mark.parametrize(("size", "root"), [(-1, bytes(32)), (2**63, bytes(32)), (1, bytes(31)), (0, bytes(32))])
def test_checkpoints_that_cannot_be(size, root):
    with pytest.raises((Malformed, Forged)):
        Checkpoint(origin="a", size=size, root=root)


# ── who has signed ──


def test_a_known_key_must_verify_an_unknown_one_is_not_looked_at(note, log_verifier, witness_ed25519, witness):
    head, lines = note.split(b"\n\n")
    log_line, witness_line = lines.splitlines(keepends=True)
    spoiled = witness_line.replace(b"AAAA", b"AAAB", 1)
    assert spoiled != witness_line
    damaged = head + b"\n\n" + log_line + spoiled
    assert open_checkpoint(damaged, log_verifier).cosigned == ()
    with pytest.raises(Forged):
        open_checkpoint(damaged, log_verifier, [witness_ed25519])
    # The same name under another key id, and the same id under another name, are other keys.
    stranger = Verifier(name=NAME, kind=Kind.COSIGN_ED25519, public=log_verifier.public)
    assert open_checkpoint(damaged, log_verifier, [stranger, witness.verifiers[1]]).cosigned == ()


def test_a_note_needs_a_signature_of_its_log(note, log_verifier, witness_ed25519):
    head, lines = note.split(b"\n\n")
    witness_alone = head + b"\n\n" + lines.splitlines(keepends=True)[1]
    with pytest.raises(Forged, match="no signature by"):
        open_checkpoint(witness_alone, log_verifier, [witness_ed25519])
    with pytest.raises(Forged, match="no signature by"):
        open_note(note, [])


def test_a_checkpoint_of_another_log(note, log_key, log_verifier):
    other = Verifier(name="relto.example/au/log2", kind=Kind.ED25519, public=log_verifier.public)
    signed = SecretKey("relto.example/au/log2", bytes(range(32))).sign(parse_note(note).text)
    line = Signature(name=other.name, key_id=other.key_id, value=next(iter(signed.values())))
    with pytest.raises(Forged, match="where one of"):
        open_checkpoint(add_signatures(note, [line]), other)


def test_only_the_log_key_signs_a_checkpoint(log_key):
    checkpoint = Checkpoint(origin="relto.example/au/log2", size=0, root=EMPTY_ROOT)
    with pytest.raises(Refused):
        sign_checkpoint(checkpoint, log_key)
    with pytest.raises(Refused):
        sign_checkpoint(checkpoint, SecretKey("relto.example/au/log2", bytes(32), bytes(32)))


def test_signatures_of_one_kind_are_none_of_another(note, log_key, log_verifier, witness):
    """A log's signature is no cosignature by the same key, nor the reverse, and a cosigner signs checkpoints only."""
    text = parse_note(note).text
    as_cosigner = Verifier(name=log_verifier.name, kind=Kind.COSIGN_ED25519, public=log_verifier.public)
    raw = next(iter(log_key.sign(text).values()))
    assert log_verifier.verify(text, raw) == 0
    with pytest.raises(Forged):
        as_cosigner.verify(text, (1).to_bytes(8, "big") + raw)
    timed = next(iter(log_key.sign(cosignature_message(text, 9)).values()))
    assert as_cosigner.verify(text, (9).to_bytes(8, "big") + timed) == 9
    with pytest.raises(Forged):
        log_verifier.verify(text, timed)
    free = b"not a checkpoint\n"
    signed = next(iter(log_key.sign(cosignature_message(free, 9)).values()))
    with pytest.raises(Malformed):
        as_cosigner.verify(free, (9).to_bytes(8, "big") + signed)


def test_mldsa_over_the_message_of_ed25519_is_refused(note, witness):
    # In the wild such lines exist; 0x06 signs subtree/v1 only.
    text, verifier = parse_note(note).text, witness.verifiers[1]
    raw = witness._mldsa44.sign(cosignature_message(text, 9))
    with pytest.raises(Forged):
        verifier.verify(text, (9).to_bytes(8, "big") + raw)


def test_a_cosignature_has_a_time(note, witness):
    checkpoint = parse_checkpoint(parse_note(note).text)
    for at in (0, -1, 2**63):
        with pytest.raises(Malformed):
            witness.cosign(checkpoint, at)
    for line, verifier in zip(witness.cosign(checkpoint, 5), witness.verifiers, strict=True):
        assert verifier.verify(checkpoint.text, line.value) == 5
        for at in (0, 6, 2**63):
            with pytest.raises(Forged):
                verifier.verify(checkpoint.text, at.to_bytes(8, "big") + line.value[8:])
        for value in (b"", line.value[:8], line.value[:-1], line.value + b"x"):
            with pytest.raises(Forged):
                verifier.verify(checkpoint.text, value)


@pytest.mark.parametrize("public", sorted(LOW_ORDER))
def test_low_order_keys_are_refused(public):
    for kind in (Kind.ED25519, Kind.COSIGN_ED25519):
        with pytest.raises(Malformed):
            Verifier(name="a", kind=kind, public=public)


def test_verifier_keys_that_are_none(published):
    vkey = published["log"]["vkey"]
    name, key_id, key = vkey.split("+", 2)
    for wrong in (
        f"{name}+{key_id.upper()}+{key}",
        f"{name}+00000000+{key}",
        f"{name}+{key_id}",
        f"{name}+{key_id}+{key[:-4]}",
        f"{name}+{key_id}+{key} ",
        f"{name}+{key_id}+" + b64encode(b"\x02" + bytes(32)).decode(),
        f"{name}+{key_id}+",
        "",
        vkey + "x" * 3000,
    ):
        with pytest.raises(Malformed):
            Verifier.parse(wrong)


def test_a_newer_cosignature_replaces_the_older(note, log_verifier, witness, witness_ed25519):
    checkpoint = parse_checkpoint(parse_note(note).text)
    renewed = add_signatures(note, witness.cosign(checkpoint, 1767225700))
    opened = open_checkpoint(renewed, log_verifier, witness.verifiers)
    assert [one.at for one in opened.cosigned] == [1767225700, 1767225700]
    assert len(parse_note(renewed).signatures) == 3


def test_only_what_was_verified_is_written_again(note, log_verifier):
    assert parse_note(open_checkpoint(note, log_verifier).note()).signatures == parse_note(note).signatures[:1]


def test_the_log_cosigns_itself(log_key, log_verifier):
    own = Cosigner.generate(log_key.public.name, os.urandom, log=True)
    checkpoint = Checkpoint(origin=log_key.public.name, size=0, root=EMPTY_ROOT)
    note = add_signatures(sign_checkpoint(checkpoint, log_key), own.cosign(checkpoint, 1767225600))
    assert [one.by.kind for one in open_checkpoint(note, log_verifier, own.verifiers).cosigned] == [Kind.COSIGN_MLDSA44]


def test_a_cosigning_key_file_reads_back():
    for made in (Cosigner.generate(NAME, os.urandom), Cosigner.generate(NAME, os.urandom, log=True)):
        text = made.to_text()
        assert Cosigner.from_text(text).verifiers == made.verifiers
        assert made._text.mldsa44.hex() not in repr(made)
        assert "seed" not in repr(made)
        for wrong in (
            text + " ",
            text[:-1],
            text.replace('"v":1', '"v":2'),
            text.replace('"v":1', '"v":1,"v":1'),
            "{}",
            "",
        ):
            with pytest.raises(Malformed):
                Cosigner.from_text(wrong)
    with pytest.raises(Malformed):
        Cosigner(NAME)
    with pytest.raises(Malformed):
        Cosigner(NAME, bytes(31))


def test_messages_name_their_bounds():
    for start, end, at in ((0, -1, 1), (5, 5, 0), (4, 3, 0), (4, 8, 1), (0, 8, 2**63)):
        with pytest.raises(Malformed):
            subtree_message(NAME, at, "a", start, end, bytes(32))
    assert subtree_message(NAME, 0, "a", 4, 8, bytes(32)).startswith(b"subtree/v1\n\x00")
