"""spec/ledger.md gives numbers; each of them is what the code computes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from relto.keys import LOW_ORDER
from relto.ledger import (
    Checkpoint,
    Verifier,
    encode_openings,
    leaf,
    leaf_hash,
    merkle,
    note,
    proof,
    tiles,
    tree_root,
)

SPEC = (Path(__file__).parents[2] / "spec" / "ledger.md").read_text("utf-8")


def test_parameters_are_those_of_the_code():
    for value in (
        f"at most {tiles.ENTRY_MAX:,} bytes",
        f"1 to {leaf.ENVELOPE_MAX:,} bytes",
        f"16, 32, … {leaf.SLOTS_MAX}",
        f"1 to {note.SIGNATURES_MAX}, each line at most {note.LINE_MAX:,} bytes, the note",
        f"the note at most {note.NOTE_MAX:,} bytes",
        f"at most {merkle.PROOF_MAX}; in a witness request at most {proof.WITNESS_PROOF_MAX}",
        f"at most {proof.EXTRA_MAX:,} bytes",
        f"at most {leaf.OPENINGS_MAX:,} |",
        f"`{note._NAME.pattern}`",
        note._DECIMAL.pattern.decode(),
    ):
        assert value in SPEC, value


def test_low_order_values_are_those_of_the_code():
    values = [bytes.fromhex(value) for value in re.findall(r"^    ([0-9a-f]{64})$", SPEC, re.MULTILINE)]
    assert {value[:31] + bytes([value[31] | top]) for value in values for top in (0, 0x80)} == LOW_ORDER


def test_every_file_of_vectors_is_named():
    for file in (Path(__file__).parents[1] / "vectors" / "ledger").iterdir():
        assert f"`{file.name}`" in SPEC


def test_examples(vectors, log_key):
    hashes = [leaf_hash(b"%d" % i) for i in range(7)]
    checkpoint = Checkpoint(origin=log_key.public.name, size=7, root=tree_root(hashes))
    row, published = vectors("leaf"), vectors("notes")
    computed = {
        hashes[0].hex(), tree_root(hashes[:2]).hex(), Verifier.of_log(log_key.public).vkey(),
        hashlib.sha256(checkpoint.text).hexdigest(),
        hashlib.sha256(note.cosignature_message(checkpoint.text, 1767225600)).hexdigest(),
        published["mldsa44"]["message_sha256"],
        published["checkpoint"]["sha256"], published["proof"]["sha256"], published["add_checkpoint"]["sha256"],
        row["commitment"], row["readers"][0]["tag"], row["leaf_hash"],
        {one["path"]: one["sha256"] for one in vectors("tiles")["resources"]}["tile/1/000.p/1"],
    }  # fmt: skip
    for value in computed:
        assert value in SPEC, value
    stated = set(re.findall(r"`([0-9a-f]{64})`", SPEC))
    assert stated == {value for value in computed if re.fullmatch("[0-9a-f]{64}", value)}
    assert checkpoint.text.decode().replace("\n", "\n    ").strip() in SPEC
    assert (len(checkpoint.text), len(row["leaf"]) // 2) == (69, 290)


def test_example_of_an_opening(vectors):
    one = vectors("leaf")["openings"]["openings"][0]
    written = re.search(r"`(0000000000000005 [0-9a-f ]+)`", SPEC)
    opening = (one["index"], bytes.fromhex(one["salt"]), bytes.fromhex(one["envelope"]))
    assert bytes.fromhex(written.group(1)) == encode_openings([opening])
