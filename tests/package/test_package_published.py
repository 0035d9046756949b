"""The published vectors: each file comes out as its entry says, and we would write the same files again."""

import base64
import functools
import hashlib
import hmac
import io
import json
import operator
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc import jws
from joserfc.jwk import OctKey
from package_vectors import FOLDER, cases, index

from relto import package
from relto.errors import ReltoError
from relto.keys import AccessKey, PublicKey, from_base64
from relto.package import access

HELD = json.loads((FOLDER / "cases.json").read_text())
KEYS = {node["kid"]: AccessKey(ec.derive_private_key(node["scalar"], ec.SECP256R1())) for node in HELD["nodes"]}
URLS = {node["url"] for node in HELD["nodes"]}
SEAL = PublicKey(name=HELD["seal_key"]["name"], ed25519=from_base64(HELD["seal_key"]["ed25519"]))


def opened(data, target, missing=()):
    """Opens; returns whether a share was asked for beside what came out."""
    asked = []
    found = package.read(io.BytesIO(data))

    def release(accesses):
        asked.append(1)
        return [None if part.url in missing else access.unwrap(KEYS, part, found.policy) for part in accesses]

    try:
        return package.open_sealed(found, io.BytesIO(data), target, release, SEAL, URLS), bool(asked)
    except ReltoError as error:
        return error, bool(asked)


@pytest.mark.parametrize("case", HELD["cases"], ids=lambda case: case["file"])
def test_published(case, tmp_path):
    data = (FOLDER / case["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == case["sha256"]
    plain = HELD["plaintext"]
    try:
        result, asked = opened(data, tmp_path / "out")
    except ReltoError as error:
        result, asked = error, False
    if not case["opens"]:
        assert isinstance(result, ReltoError)
        assert result.code == case["error"]
        assert asked == (not case["when"].startswith("before any share"))
        assert list(tmp_path.iterdir()) == []
        return
    assert not isinstance(result, ReltoError), result
    text = (tmp_path / "out").read_bytes()
    assert (result.name, result.title, result.mime) == (plain["name"], plain["title"], plain["mime"])
    assert result.size == len(text) == case.get("size", plain["size"])
    assert hashlib.sha256(text).hexdigest() == (hashlib.sha256(b"").hexdigest() if not text else plain["sha256"])


def test_two_of_three_without_each(tmp_path):
    data = (FOLDER / "two-of-three.tdf").read_bytes()
    for url in sorted(URLS):
        assert not isinstance(opened(data, tmp_path / "out", {url})[0], ReltoError)
        assert isinstance(opened(data, tmp_path / "none", URLS - {url})[0], ReltoError)
    assert not isinstance(
        opened((FOLDER / "one.tdf").read_bytes(), tmp_path / "out", URLS - {"https://node.gbr.example/kas"})[0],
        ReltoError,
    )


def plainly(data, scalars):
    """A reader by `spec/package.md` in the fewest lines, with nothing of ours in it: gives statement and plaintext."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        payload, manifest = file.read("0.payload"), json.loads(file.read("0.manifest.json"))
    inner = manifest["encryptionInformation"]
    shares = {}
    for part in inner["keyAccess"]:
        public = load_pem_public_key(part["ephemeralPublicKey"].encode())
        secret = ec.derive_private_key(scalars[part["kid"]], ec.SECP256R1()).exchange(ec.ECDH(), public)
        key = HKDF(SHA256(), 32, hashlib.sha256(b"TDF").digest(), b"").derive(secret)
        wrapped = base64.b64decode(part["wrappedKey"])
        share = AESGCM(key).decrypt(wrapped[:12], wrapped[12:], None)
        mac = hmac.digest(share, inner["policy"].encode(), "sha256")
        assert base64.b64decode(part["policyBinding"]["hash"]).decode() == mac.hex()
        shares[part.get("sid", "")] = share
    dek = bytes(functools.reduce(operator.xor, column) for column in zip(*shares.values(), strict=True))
    table = inner["integrityInformation"]
    aggregate = b"".join(base64.b64decode(part["hash"]) for part in table["segments"])
    assert base64.b64decode(table["rootSignature"]["sig"]) == hmac.digest(dek, aggregate, "sha256")
    label, own = manifest["assertions"]
    for part in (label, own):
        token = part["binding"]["signature"]
        claims = jws.deserialize_compact(token, OctKey.import_key(dek), algorithms=["HS256"]).payload
        bare = {key: value for key, value in part.items() if key != "binding"}
        # All keys here are ASCII and all values strings, for which this is RFC 8785.
        text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        digest = hashlib.sha256(text)
        assert json.loads(claims) == {
            "assertionHash": digest.hexdigest(),
            "assertionSig": base64.b64encode(aggregate + digest.digest()).decode(),
        }
    envelope = json.loads(own["statement"]["value"])
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    public = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(HELD["seal_key"]["ed25519"]))
    signed = f"DSSEv1 {len(kind)} {kind} {len(body)} ".encode() + body
    public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)
    says = json.loads(body)
    assert says["payload"] == hashlib.sha256(payload).hexdigest()
    assert says["policy"] == hashlib.sha256(inner["policy"].encode()).hexdigest()
    rows = [[part["hash"], part["segmentSize"], part["encryptedSegmentSize"]] for part in table["segments"]]
    spelled = json.dumps(
        {
            "algorithm": table["segmentHashAlg"],
            "root": table["rootSignature"]["sig"],
            "segment_size": table["segmentSizeDefault"],
            "segments": rows,
        },
        separators=(",", ":"),
    )
    assert says["segments"] == hashlib.sha256(spelled.encode()).hexdigest()
    box = json.loads(base64.b64decode(inner["keyAccess"][0]["encryptedMetadata"]))
    sealed = base64.b64decode(box["ciphertext"])
    names = AESGCM(shares[inner["keyAccess"][0].get("sid", "")]).decrypt(sealed[:12], sealed[12:], None)
    assert says["names"] == hmac.digest(dek, b"relto names v1\0" + names, "sha256").hex()
    text, at = b"", 0
    for part in table["segments"]:
        piece = payload[at : at + part["encryptedSegmentSize"]]
        assert base64.b64encode(piece[-16:]).decode() == part["hash"]
        text += AESGCM(dek).decrypt(piece[:12], piece[12:], None)
        at += len(piece)
    assert at == len(payload)
    return says, text


@pytest.mark.parametrize("name", ["one.tdf", "empty.tdf", "all-of-two.tdf", "two-of-three.tdf", "javascript.tdf"])
def test_a_reader_written_from_the_specification_agrees(name):
    scalars = {node["kid"]: node["scalar"] for node in HELD["nodes"]}
    says, text = plainly((FOLDER / name).read_bytes(), scalars)
    assert hashlib.sha256(text).hexdigest() == (
        HELD["plaintext"]["sha256"] if name != "empty.tdf" else hashlib.sha256(b"").hexdigest()
    )
    assert (says["v"], says["party"], [part["id"] for part in says["assertions"]]) == (
        1,
        "gbr",
        ["label", "relto-manifest"],
    )


def test_we_write_the_same_again():
    written = list(cases())
    assert index(written) == HELD
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {name for name, _, _ in written} | {
        "cases.json"
    }
    for name, data, _ in written:
        assert (FOLDER / name).read_bytes() == data
