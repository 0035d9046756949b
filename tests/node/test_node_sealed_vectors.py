"""The published sealed file, read by the code and by a second reader written from the page."""

import base64
import hashlib
import io
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relto.errors import Forged, Malformed
from relto.keys import OpeningKey, SecretKey
from relto.node.sealed_file import Sealed, cover, key_name

VECTORS = Path(__file__).parent.parent / "vectors" / "carried"
FACTS = json.loads((VECTORS / "sealed.json").read_text())


def unbase(name):
    return base64.b64decode(FACTS[name], validate=True)


@pytest.fixture(scope="module")
def key():
    return OpeningKey(unbase("mlkem768"), unbase("x25519"))


def test_the_published_file_reads_as_it_says(key):
    path = VECTORS / FACTS["file"]
    seen = cover(path)
    assert (seen.what, seen.by, seen.to, seen.key) == ("bundle", "gbr", "usa", FACTS["key"])
    assert key_name(key.public) == FACTS["key"]
    held = Sealed(path, key, what="bundle")
    held.check()
    assert held.says.decode() == FACTS["says"]
    assert [{"name": s.name, "size": s.size, "sha256": s.sha256} for s in held.sections.values()] == FACTS["sections"]
    for one in FACTS["sections"]:
        data = held.read(one["name"])
        assert hashlib.sha256(data).hexdigest() == one["sha256"]
        out = io.BytesIO()
        held.copy(one["name"], out)
        assert out.getvalue() == data
    assert SecretKey("gbr/node", unbase("node"), None).public.verify(held.signed, held.signature)


def test_a_reader_written_from_the_page_finds_the_same():
    """spec/carried.md, "Sealed files", with the file's own key given: chunks, manifest, signature, sections."""
    data = (VECTORS / FACTS["file"]).read_bytes()
    assert data[:16] == b"relto sealed v1\n"
    size = int.from_bytes(data[16:20], "big")
    front, rest = data[: 20 + size], data[20 + size :]
    header = json.loads(front[20:])
    assert list(header) == ["relto", "v", "by", "to", "key", "sealed"]
    aad, plain, width = hashlib.sha256(front).digest(), b"", 65_536 + 16
    chunks = [rest[at : at + width] for at in range(0, len(rest), width)]
    for number, chunk in enumerate(chunks):
        nonce = bytes(7) + number.to_bytes(4, "big") + (b"\1" if number == len(chunks) - 1 else b"\0")
        plain += AESGCM(unbase("file_key")).decrypt(nonce, chunk, aad)
    size = int.from_bytes(plain[:4], "big")
    manifest, rest = json.loads(plain[4 : 4 + size]), plain[4 + size :]
    assert manifest == {"says": json.loads(FACTS["says"]), "sections": FACTS["sections"]}
    size = int.from_bytes(rest[:4], "big")
    signature, rest = json.loads(rest[4 : 4 + size]), rest[4 + size :]
    assert list(signature) == list(SecretKey("gbr/node", unbase("node"), None).public.key_ids)
    for one in FACTS["sections"]:
        part, rest = rest[: one["size"]], rest[one["size"] :]
        assert hashlib.sha256(part).hexdigest() == one["sha256"]
    assert rest == b""


@pytest.mark.parametrize("one", FACTS["refused"], ids=lambda one: one["why"])
def test_what_must_be_refused_is(key, tmp_path, one):
    data = bytearray((VECTORS / FACTS["file"]).read_bytes())
    if "xor" in one:
        place, mask = one["xor"]
        data[place] ^= mask
    data = data[: one.get("cut", len(data))] + base64.b64decode(one.get("append", ""))
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises((Malformed, Forged)):
        Sealed(path, key, what="bundle").check()


def test_chunks_in_another_order_do_not_open(key, tmp_path):
    data = (VECTORS / FACTS["file"]).read_bytes()
    start, width = 20 + int.from_bytes(data[16:20], "big"), 65_536 + 16
    front, one, two, rest = (
        data[:start],
        data[start : start + width],
        data[start + width : start + 2 * width],
        data[start + 2 * width :],
    )
    for name, order in (("swapped", (two, one, rest)), ("repeated", (one, one, rest))):
        path = tmp_path / name
        path.write_bytes(front + b"".join(order))
        with pytest.raises(Forged):
            Sealed(path, key, what="bundle").check()
