"""The published vectors are what the code computes, and what the code reads."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from acts_vectors import FILES, SIGNERS, VECTORS, kinds, refused, register, signer

from relto import acts
from relto.acts.envelope import parse, signed_by
from relto.acts.scan import Scan
from relto.errors import Malformed
from relto.keys import PublicKey, pae


def published(name: str):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def test_every_file_is_computed():
    assert {file.stem for file in VECTORS.iterdir()} == set(FILES)


def test_every_kind_to_the_byte():
    held = published("kinds")
    assert held == kinds()
    assert set(held["kinds"]) == set(acts.KINDS)
    for kind, rows in held["kinds"].items():
        for row in rows:
            payload = row["payload"].encode()
            assert acts.kind_of(acts.read(payload)) == kind
            message = b"DSSEv1 %d %b %d %b" % (
                len(acts.PAYLOAD_TYPE),
                acts.PAYLOAD_TYPE.encode(),
                len(payload),
                payload,
            )
            assert hashlib.sha256(message).hexdigest() == row["id"]


def test_what_must_be_refused():
    assert published("refused") == refused()
    for row in published("refused"):
        with pytest.raises(Malformed):
            acts.read(row["payload"].encode())


@pytest.mark.parametrize("name", SIGNERS)
def test_one_envelope_of_each_signer(name):
    held = published("envelopes")[name]
    assert {key: value for key, value in held.items() if key != "envelope"} == signer(name)
    act, id_, envelope = acts.open_act(held["envelope"].encode())
    assert (acts.kind_of(act), id_) == (held["kind"], held["id"])
    signatures = {one.keyid: base64.b64encode(one.sig).decode() for one in envelope.signatures}
    assert {key: signatures[key] for key in held["ed25519"]} == held["ed25519"]
    for key in SIGNERS[name][1]:
        assert signed_by(envelope, key.public)
        assert sorted(key.public.key_ids) == sorted(held["key_ids"][key.public.name])
        ed25519_only = PublicKey(name=key.public.name, ed25519=key.public.ed25519)
        assert ed25519_only.verify(
            pae(acts.PAYLOAD_TYPE, envelope.payload), {one.keyid: one.sig for one in envelope.signatures}
        )
    assert parse(held["envelope"].encode()) == envelope


def test_a_register_from_published_ledgers():
    held = published("register")
    assert held == register()
    assert hashlib.sha256(b"relto common leaf v1").hexdigest() == held["common_key"]
    logs = {}
    for origin, rows in held["ledgers"].items():
        scan, logs[origin] = Scan(origin), []
        for index, row in enumerate(rows):
            opening = (bytes.fromhex(row["salt"]), row["envelope"].encode()) if "salt" in row else None
            one = acts.entry(origin, index, bytes.fromhex(row["leaf"]), opening)
            logs[origin].append(one)
            scan.push(one)
            assert scan.root_at(scan.size).hex() == row["root_after"]
    found = acts.fold(logs, held["reader"], {digest: text.encode() for digest, text in held["objects"].items()})
    expected = held["expected"]
    assert found.common == expected["common"]
    assert {id_: one.state for id_, one in found.slots.items()} == {
        id_: one["state"] for id_, one in expected["slots"].items()
    }
    assert [(one.origin, one.index, one.why) for one in found.void] == [
        (one["origin"], one["index"], one["why"]) for one in expected["void"]
    ]
    assert {one["state"] for one in expected["slots"].values()} == {"in_force"}
    assert expected["void"]
