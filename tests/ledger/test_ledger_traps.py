"""One test for each known trap of the formats, named after it, and others' vectors and probes.

The traps are those that implementations in use have fallen into: spellings that a library of Python takes silently, and
bytes that two readers understand differently. Those of JSON stand in `tests/acts/test_acts_traps.py`.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from relto.errors import Forged, Malformed, Refused, ReltoError
from relto.keys import LOW_ORDER, PublicKey, SecretKey, from_base64, verify_ed25519
from relto.ledger import (
    Checkpoint,
    Cosigner,
    Proof,
    Verifier,
    open_checkpoint,
    parse_add_checkpoint,
    parse_checkpoint,
    parse_note,
    parse_path,
    parse_policy,
    parse_proof,
    sign_checkpoint,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from relto.ledger.note import LINE_MAX, check_name, check_origin, cosignature_message

OTHERS = Path(__file__).parent.parent / "vectors" / "others"


@pytest.fixture
def note(log_key, decimal_hashes):
    checkpoint = Checkpoint(origin=log_key.public.name, size=7, root=tree_root(decimal_hashes[:7]))
    return sign_checkpoint(checkpoint, log_key)


@pytest.fixture
def proof(note, decimal_hashes):
    from relto.ledger import inclusion_proof

    return Proof(index=5, hashes=tuple(inclusion_proof(decimal_hashes, 5, 7)), note=note).encode()


# ── what libraries of Python take ──


def test_trap_base64_unused_bits_and_junk(note, proof):
    """`QUJ=` and `QUI=` are both AB; without validation junk is skipped."""
    assert from_base64("QUI=") == b"AB"
    for text in ("QUJ=", "QUI", "QU\nI=", "QUI=\n", " QUI=", "QUI==", "Q-I=", "Q_I=", "QUI=junk", "Ł", "=", "QUI=QUI="):
        with pytest.raises(Malformed):
            from_base64(text)
    line = note.split(b"\n")[2]
    assert line.endswith(b"8=")
    for other in (line[:-2] + b"9=", line[:-1], line + b"=", line.replace(b"+", b"-")):
        with pytest.raises(Malformed):
            parse_checkpoint(parse_note(note.replace(line, other)).text)
    with pytest.raises(Malformed):
        parse_proof(proof.replace(b"I=\n", b"J=\n") if b"I=\n" in proof else proof.replace(b"=\n", b"\n", 1))


@pytest.mark.parametrize(
    "number",
    ["07", "+7", "-7", " 7", "7 ", "7_0", "٧", "²", "7\r", "0x7", "7.0", "7e0", "", "00", "9" * 19, "9" * 5000],
)
def test_trap_int_takes_many_spellings(note, proof, number):
    raw = number.encode()
    for reader, data in (
        (lambda data: parse_checkpoint(parse_note(data).text), note.replace(b"\n7\n", b"\n" + raw + b"\n", 1)),
        (parse_proof, proof.replace(b"index 5\n", b"index " + raw + b"\n", 1)),
        (parse_add_checkpoint, b"old " + raw + b"\n\n" + note),
    ):
        with pytest.raises(Malformed):
            reader(data)
    with pytest.raises(Malformed):
        parse_path(f"tile/{number}/000")
    with pytest.raises(Malformed):
        parse_path(f"tile/0/000.p/{number}")


def test_trap_a_regular_expression_ends_before_a_last_newline(note):
    """`^\\d+$` matches `12` and a line feed."""
    for data in (note.replace(b"\n7\n", b"\n7\n\n", 1), note + b"\n"):
        with pytest.raises(Malformed):
            parse_checkpoint(parse_note(data).text)
    for path in ("tile/0/000\n", "tile/0/000.p/5\n", "\ntile/0/000"):
        with pytest.raises(Malformed):
            parse_path(path)
    for name in ("relto.example/au\n", "relto.example/au\r"):
        with pytest.raises(Malformed):
            check_name(name)


@pytest.mark.parametrize("space", ["\u2028", "\u2029", "\x85", "\x1c", "\x0b", "\x0c", "\u00a0", "\u3000", "\t", "\r"])
def test_trap_splitlines_and_split_know_more_than_lf_and_space(note, space):
    """A name with such a character becomes two; a text with one becomes two lines."""
    with pytest.raises(Malformed):
        check_name(f"relto.example{space}au")
    raw = space.encode()
    for data in (
        note.replace(b" relto.example/au/log1 ", b" relto.example" + raw + b"au/log1 "),
        note.replace(b"log1 ", b"log1" + raw),
        note.replace("— ".encode(), b"\xe2\x80\x94" + raw),
        note.replace(b"\n7\n", raw + b"7\n", 1),
        note.replace(b"\n7\n", b"\n7" + raw, 1),
    ):
        with pytest.raises(Malformed):
            parse_checkpoint(parse_note(data).text)
    with pytest.raises(Malformed):
        parse_policy(b"quorum" + (raw if space != "\t" else b"") + b"none\n")


def test_trap_hashes_of_another_length(decimal_hashes):
    """A verifier that does not look takes a root of 0 bytes for a leaf of 0 bytes."""
    for size in (0, 31, 33, 64):
        with pytest.raises(Forged):
            verify_inclusion(bytes(size), 0, 1, bytes(size), [])
        with pytest.raises(Forged):
            verify_consistency(1, bytes(size), 1, bytes(size), [])
        with pytest.raises(ReltoError):
            verify_inclusion(decimal_hashes[0], 0, 2, decimal_hashes[0], [bytes(size)])
        with pytest.raises(Malformed):
            Checkpoint(origin="a", size=1, root=bytes(size))


# ── between implementations ──


def test_trap_the_separator_is_the_last_empty_line_and_a_checkpoint_has_none(note, log_verifier):
    text, lines = note.split(b"\n\n")
    # One reader takes the first, one the last: a text that would tell them apart is no checkpoint.
    for other in (b"relto.example/au/log1\n\n7\n", text + b"\n\nmore\n"):
        with pytest.raises((Malformed, Forged)):
            open_checkpoint(other + b"\n" + lines, log_verifier)


def test_trap_extension_lines(note, log_verifier, log_key):
    """One witness answers 400, one signs the whole text, an older one three lines of it."""
    text = note.split(b"\n\n")[0] + b"\nextension\n"
    signed = text + b"\n" + note.split(b"\n\n")[1]
    for data in (signed, note.replace(b"=\n\n", b"=\n \n\n", 1)):
        with pytest.raises((Malformed, Forged)):
            open_checkpoint(data, log_verifier)
        with pytest.raises(Malformed):
            parse_add_checkpoint(b"old 0\n\n" + data)


def test_trap_a_witness_takes_old_0300_and_another_does_not(note):
    with pytest.raises(Malformed):
        parse_add_checkpoint(b"old 0300\n\n" + note)
    with pytest.raises(Malformed):
        parse_add_checkpoint(b"old 03\n\n" + note)


def test_trap_carriage_returns_and_long_lines(note, proof):
    """Go's base64 skips CR and LF, its scanner drops a last CR, and fails on lines over 64 KiB."""
    for data in (
        note.replace(b"\n", b"\r\n"),
        note.replace(b"=\n\n", b"=\r\n\n", 1),
        note[:-1] + b"\r\n",
        note.replace(b"Msy2", b"Ms\ry2", 1),
    ):
        with pytest.raises(Malformed):
            parse_checkpoint(parse_note(data).text)
    with pytest.raises(Malformed):
        parse_proof(proof.replace(b"=\n", b"=\r\n", 1))
    long = "— relto.example/au/log1 ".encode() + b64encode(bytes(LINE_MAX)) + b"\n"
    with pytest.raises(Malformed):
        parse_note(note + long)
    with pytest.raises(Malformed):
        Proof(index=5, hashes=(), note=note, extra=bytes(48 * 1024)).encode()


@pytest.mark.parametrize(
    "name", ["a.*", "a(b", "a|b", "a b", "A", "ä", "a+b", "", "/a", ".a", "a" * 129, "a:b", "a\\b"]
)
def test_trap_names_are_used_as_regular_expressions(name):
    with pytest.raises(Malformed):
        check_name(name)
    with pytest.raises((Malformed, Refused)):
        check_origin(name)


def test_trap_a_size_in_hexadecimal(note):
    """One reader takes `0x10` for 16."""
    with pytest.raises(Malformed):
        parse_checkpoint(parse_note(note.replace(b"\n7\n", b"\n0x7\n", 1)).text)


def test_trap_ml_dsa_over_the_message_of_ed25519(note, log_verifier):
    """Such cosignatures exist. 0x06 signs `subtree/v1` and nothing else."""
    witness = Cosigner("relto.example/uk/witness", None, bytes(32))
    text = parse_note(note).text
    raw = witness._mldsa44.sign(cosignature_message(text, 5))
    good = witness.cosign(parse_checkpoint(text), 5)[0]
    bad = type(good)(name=good.name, key_id=good.key_id, value=(5).to_bytes(8, "big") + raw)
    assert open_checkpoint(note + good.line(), log_verifier, witness.verifiers).cosigned
    with pytest.raises(Forged):
        open_checkpoint(note + bad.line(), log_verifier, witness.verifiers)


def test_trap_other_layouts_name_tiles_differently():
    """Go puts the height in front and calls the entries `data`."""
    for path in ("tile/8/0/000", "tile/8/data/000", "tile/data/000", "tile/0/0", "tile/0/1000", "tile/0/x000/000"):
        with pytest.raises(Malformed):
            parse_path(path)


def test_trap_a_signature_of_one_purpose_read_as_another(note, log_key):
    """Log keys sign texts that begin with the origin, cosigners and authorities others: no origin begins like those."""
    for origin in ("cosignature/v1", "DSSEv1 x", "subtree/v1", "subtree/v1x"):
        with pytest.raises((Refused, Malformed)):
            check_origin(origin)
    # The same bytes as 0x01 and as 0x04 are two ids, and a line of one is none of the other.
    key = Verifier.of_log(log_key.public)
    other = Verifier.of_witness(key.name, key.public, None)[0]
    assert key.key_id != other.key_id
    line = parse_note(note).signatures[0]
    moved = type(line)(name=line.name, key_id=other.key_id, value=line.value)
    with pytest.raises(Forged):
        open_checkpoint(parse_note(note).text + b"\n" + moved.line(), key, [other])


# ── Ed25519: what is accepted does not depend on the library ──


def cctv():
    held = json.loads((OTHERS / "ed25519-cctv.json").read_text())
    for key, signature, message, flags in held["vectors"]:
        yield (
            bytes.fromhex(held["keys"][key]),
            bytes.fromhex(held["signatures"][signature]),
            held["messages"][message].encode(),
            {held["flags"][flag] for flag in flags},
        )


def test_cctv_914_vectors_accept_the_43_on_which_all_libraries_agree():
    seen = accepted = by_the_library = 0
    for key, signature, message, flags in cctv():
        seen += 1
        verdict = verify_ed25519(key, message, signature)
        accepted += verdict
        assert not (verdict and flags & {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R"})
        by_the_library += plain(key, message, signature)
    assert (seen, accepted, by_the_library) == (914, 43, 208)


def plain(key, message, signature):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_every_key_of_low_order_is_refused_wherever_a_key_is_read(note):
    assert len(LOW_ORDER) == 14
    line = parse_note(note).signatures[0]
    for point in LOW_ORDER:
        with pytest.raises(Malformed):
            PublicKey(name="gbr/node", ed25519=point)
        with pytest.raises(Malformed):
            Verifier.of_witness("relto.example/witness", point, None)
        spoilt = type(line)(name=line.name, key_id=line.key_id, value=point + line.value[32:])
        with pytest.raises(Forged):
            open_checkpoint(
                parse_note(note).text + b"\n" + spoilt.line(),
                Verifier.of_log(SecretKey("relto.example/au/log1", bytes(range(32))).public),
            )


# ── others' probes ──


def probes(kind):
    return json.loads((OTHERS / "merkle-probes.json").read_text())[kind]


def hashes(values):
    return [b64decode(one or "") for one in values or []]


def test_98_inclusion_probes():
    for one in probes("inclusion"):
        leaf, root = hashes([one["leafHash"], one["root"]])
        try:
            verify_inclusion(leaf, one["leafIdx"], one["treeSize"], root, hashes(one["proof"]))
        except ReltoError:
            assert one["wantErr"], one["file"]
        else:
            assert not one["wantErr"], one["file"]
    assert len(probes("inclusion")) == 98


def test_98_consistency_probes():
    differ = []
    for one in probes("consistency"):
        first, second = hashes([one["root1"], one["root2"]])
        try:
            verify_consistency(one["size1"], first, one["size2"], second, hashes(one["proof"]))
            verdict = True
        except ReltoError:
            verdict = False
        if verdict == one["wantErr"]:
            differ.append((one["file"], verdict))
    # The one difference of convention in them: they take roots that are not 32 bytes.
    assert differ == [("consistency/additional/sizes-are-equal-one-and-proof-is-empty.json", False)]
    assert len(probes("consistency")) == 98
