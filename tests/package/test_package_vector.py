"""The worked example of `spec/package.md`, to the byte: read, written, opened."""

import hashlib
import hmac
import io
import json
from base64 import b64decode, b64encode

import pytest
from package_forge import js_zip, packed

from relto import package
from relto.errors import Refused
from relto.package import KeyAccess, Policy
from relto.package.container import Writer, scan
from relto.package.manifest import Assertion, Binding, Manifest, Statement, format_manifest, parse_manifest
from relto.package.strict import from_base64url
from relto.package.tdf import _encrypt

DEK = bytes(range(32))
POLICY = '{"uuid":"00000000-0000-0000-0000-000000000001","body":{"dataAttributes":[],"dissem":[]}}'
BINDING = "YjVhYTZjYWM4NjVjYjM0YTE5MmU5MTMyOTU2NGQ3OTIzN2NiMjQ1ZWNmZGI5MWMzOTgzNWUxODAyMzVhMzI1MA=="
SEGMENTS = (
    "0000000000000000000000017db3d3902bd462edf00466cda0383f3dce967a871525",
    "000000000000000000000002be1e5c11d082237f3297a6eef5425dc52e617f9779",
)
GMAC = ("Yu3wBGbNoDg/Pc6WeocVJQ==", "giN/Mpem7vVCXcUuYX+XeQ==")
HS256_0 = "MU9+F2Qcwhj3AsJSeaKlp92iolwfufCHevPe5xqqqA4="
ROOT = "9MLXITYA4fyexhfM/5g+moZmt/kdpBjihQGSxqbKcBM="
ASSERTION_HASH = "da998cc1729e045850b5f39ecf627f686faf13de6637090b62423bd8c17a533e"
ASSERTION_SIG = "Yu3wBGbNoDg/Pc6WeocVJYIjfzKXpu71Ql3FLmF/l3namYzBcp4EWFC1857PYn9ob68T3mY3CQtiQjvYwXpTPg=="
LABEL = Statement(
    format="json+stanag5636",
    schema="urn:nato:stanag:5636:A:1:elements:json",
    value='{"ocl":{"cls":"UNCLASSIFIED"}}',
)
ACCESS = KeyAccess(
    kind="wrapped",
    url="https://node.example/kas",
    protocol="kas",
    wrapped_key=b64encode(bytes(256)).decode(),
    policy_binding=Binding(alg="HS256", hash=BINDING),
    kid="k1",
    version="1.0",
)


def written():
    """The example, written by us: (file, manifest)."""
    file = io.BytesIO()
    writer = Writer(file, 11 + 2 * 28)
    ivs = [bytes(11) + b"\1", bytes(11) + b"\2"]
    segments = _encrypt(io.BytesIO(b"hello world"), writer, DEK, 6, 11, lambda size: ivs.pop(0), None)
    aggregate = b"".join(b64decode(hash_) for hash_ in GMAC)
    manifest = Manifest(
        mime="text/plain",
        policy=Policy.parse(b64encode(POLICY.encode()).decode()),
        key_access=(ACCESS,),
        algorithm="GMAC",
        segment_size=6,
        segments=segments,
        root=hmac.digest(DEK, aggregate, hashlib.sha256),
        assertions=(Assertion.make("label", "handling", LABEL, dek=DEK, aggregate=aggregate),),
    )
    writer.finish(format_manifest(manifest))
    return file.getvalue(), manifest


def test_binding():
    policy = Policy.parse(b64encode(POLICY.encode()).decode())
    assert Binding.of(policy.binding(DEK)).hash == BINDING
    assert Binding(alg="HS256", hash=BINDING).mac == policy.binding(DEK)
    assert Binding(alg="HS256", hash=b64encode(policy.binding(DEK)).decode()).mac == policy.binding(DEK)


def test_segments_table_and_root():
    file, manifest = written()
    container = scan(io.BytesIO(file))
    payload = file[container.payload_at :][: container.payload_size]
    assert payload.hex() == "".join(SEGMENTS)
    assert tuple(part.hash for part in manifest.segments) == GMAC
    assert b64encode(manifest.root).decode() == ROOT
    held = json.loads(container.manifest)["encryptionInformation"]["integrityInformation"]
    assert held["rootSignature"] == {"alg": "HS256", "sig": ROOT}
    assert [part["hash"] for part in held["segments"]] == list(GMAC)
    assert (held["segmentSizeDefault"], held["encryptedSegmentSizeDefault"]) == (6, 34)


def test_assertion():
    (label,) = written()[1].assertions
    assert label.hash == ASSERTION_HASH
    claims = json.loads(from_base64url(label.signature.split(".")[1]))
    assert claims == {"assertionHash": ASSERTION_HASH, "assertionSig": ASSERTION_SIG}


def test_manifest_is_what_it_was():
    manifest = written()[1]
    raw = format_manifest(manifest)
    assert parse_manifest(raw) == manifest
    assert format_manifest(parse_manifest(raw)) == raw
    # Exactly these fields: a client exists that fails on any other (spec/package.md, "Writer").
    held = json.loads(raw)
    assert list(held) == ["schemaVersion", "payload", "encryptionInformation", "assertions"]
    assert held["payload"] == {
        "type": "reference",
        "url": "0.payload",
        "protocol": "zip",
        "isEncrypted": True,
        "mimeType": "text/plain",
    }
    inner = held["encryptionInformation"]
    assert list(inner) == ["type", "keyAccess", "method", "policy", "integrityInformation"]
    assert inner["method"] == {"algorithm": "AES-256-GCM", "isStreamable": True, "iv": ""}
    assert list(inner["keyAccess"][0]) == [
        *("type", "url", "protocol", "wrappedKey", "policyBinding", "kid", "schemaVersion"),
    ]
    assert list(inner["integrityInformation"]["segments"][0]) == ["hash", "segmentSize", "encryptedSegmentSize"]


def test_the_file_to_the_byte():
    file, _ = written()
    assert file[:39].hex() == ("504b03041400000000000000210050d2f833430000004300000009000000") + b"0.payload".hex()
    assert len(file) == 2216
    assert hashlib.sha256(file).hexdigest() == "219a7442b6acc50bcc0dcd25b5e463f400abb6a85e27e428ea61021f4f38dd64"


@pytest.mark.parametrize("layout", ["ours", "zipfile", "js"])
def test_it_opens(layout, tmp_path):
    file, manifest = written()
    payload, raw = bytes.fromhex("".join(SEGMENTS)), format_manifest(manifest)
    data = {"ours": file, "zipfile": packed(payload, raw), "js": js_zip(payload, raw)}[layout]
    found = package.read(io.BytesIO(data))
    target = tmp_path / "out"
    arguments = (found, io.BytesIO(data), target, lambda accesses: [DEK])
    opened = package.open_sealed(*arguments, None, {"https://node.example/kas"})
    assert target.read_bytes() == b"hello world"
    assert (opened.mime, opened.size, opened.name, opened.label) == ("text/plain", 11, "", "")
    assert found.label_statement == LABEL.value
    # It names no item, so no node of ours releases it, and nobody vouches for it.
    with pytest.raises(Refused, match="exactly one registered item"):
        _ = found.policy.item
    with pytest.raises(Refused, match="no statement of its owner"):
        found.check(None)


def test_hs256_segments_open_too(tmp_path):
    _, manifest = written()
    held = json.loads(format_manifest(manifest))
    integrity = held["encryptionInformation"]["integrityInformation"]
    integrity["segmentHashAlg"] = "HS256"
    hashes = [hmac.digest(DEK, bytes.fromhex(part), hashlib.sha256) for part in SEGMENTS]
    assert b64encode(hashes[0]).decode() == HS256_0
    for part, hash_ in zip(integrity["segments"], hashes, strict=True):
        part["hash"] = b64encode(hash_).decode()
    integrity["rootSignature"]["sig"] = b64encode(hmac.digest(DEK, b"".join(hashes), hashlib.sha256)).decode()
    del held["assertions"]
    data = packed(bytes.fromhex("".join(SEGMENTS)), held)
    package.open_sealed(
        package.read(io.BytesIO(data)),
        io.BytesIO(data),
        tmp_path / "out",
        lambda accesses: [DEK],
        None,
        {"https://node.example/kas"},
    )
    assert (tmp_path / "out").read_bytes() == b"hello world"
