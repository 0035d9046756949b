"""A sealed package in memory, and the tools to alter one: as a stranger could, and as someone could who has its key."""

import hashlib
import hmac
import io
import json
import os
import struct
import zipfile
import zlib
from base64 import b64decode, b64encode

from relto import package
from relto.keys import AccessKey, SecretKey
from relto.package import Policy, ShareFor, access
from relto.package.manifest import Assertion, Statement, parse_manifest

HOST = "node.gbr.example"
URL = f"https://{HOST}/kas"
OTHER_URL = "https://node.aus.example/kas"
ITEM = "00112233445566778899aabbccddeeff"
NODE = AccessKey.generate("ec:secp256r1")
OTHER_NODE = AccessKey.generate("rsa:2048")
OWNER = SecretKey.generate("gbr/seal-1", os.urandom)
STRANGER = SecretKey.generate("gbr/seal-1", os.urandom)
KEYS = {NODE.kid: NODE, OTHER_NODE.kid: OTHER_NODE}
PLAIN = bytes(range(256)) * 5  # 1280 bytes: with segments of 512, three
LABEL = '{"ocl":{"pol":"GBR","cls":"OFFICIAL-SENSITIVE"}}'
BANNER = "UK OFFICIAL-SENSITIVE REL TO AUS, GBR, USA"

MINE = ShareFor(url=URL, kid=NODE.kid, public_pem=NODE.public_pem)
THEIRS = ShareFor(url=OTHER_URL, kid=OTHER_NODE.kid, public_pem=OTHER_NODE.public_pem)


def arguments(**changes):
    return {
        "policy": Policy.for_item(HOST, ITEM, os.urandom),
        "recipients": [MINE],
        "name": "trials.csv",
        "title": "Trials, second series",
        "mime": "text/csv",
        "label_banner": BANNER,
        "label_statement": LABEL,
        "signer": OWNER,
        "party": "gbr",
        "origin": f"{HOST}/aukus/0",
        "now": 1_767_225_600_000,
        "random": os.urandom,
        "segment_size": 512,
    } | changes


def sealed(plain=PLAIN, **changes):
    """The bytes of a package."""
    out = io.BytesIO()
    package.seal(io.BytesIO(plain), out, **arguments(**changes))
    return out.getvalue()


def open_bytes(data, target, *, key=OWNER.public, allowed=(URL, OTHER_URL), missing=(), keys=KEYS):
    """Open a package given as bytes; returns (opened, plaintext)."""
    found = package.read(io.BytesIO(data))
    release_for = found.policy

    def release(accesses):
        return [None if part.url in missing else access.unwrap(keys, part, release_for) for part in accesses]

    opened = package.open_sealed(found, io.BytesIO(data), target, release, key, set(allowed))
    return opened, target.read_bytes()


def members(data):
    """Payload and manifest of a package."""
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        return held.read("0.payload"), held.read("0.manifest.json")


def packed(payload, manifest):
    """A package of these, by another zip writer than ours."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as held:
        held.writestr("0.payload", payload)
        held.writestr("0.manifest.json", manifest if isinstance(manifest, bytes) else json.dumps(manifest))
    return out.getvalue()


def dek_of(data):
    found = package.read(io.BytesIO(data))
    total = bytes(32)
    for sid in {part.sid for part in found.key_access}:
        part = next(part for part in found.key_access if part.sid == sid)
        share = access.unwrap(KEYS, part, found.policy)
        total = bytes(a ^ b for a, b in zip(total, share, strict=True))
    return total


def rooted(manifest, dek):
    """Root signature and assertion bindings made anew, as everyone can who has the key."""
    integrity = manifest["encryptionInformation"]["integrityInformation"]
    aggregate = b"".join(b64decode(part["hash"]) for part in integrity["segments"])
    integrity["rootSignature"] = {
        "alg": "HS256",
        "sig": b64encode(hmac.digest(dek, aggregate, hashlib.sha256)).decode(),
    }
    for number, part in enumerate(manifest.get("assertions", ())):
        said = part["statement"]
        made = Assertion.make(
            part["id"],
            part["type"],
            Statement(format=said["format"], schema=said.get("schema", ""), value=said["value"]),
            dek=dek,
            aggregate=aggregate,
        )
        manifest["assertions"][number]["binding"] = {"method": "jws", "signature": made.signature}
    return manifest


def js_zip(payload, manifest, *, names=("0.payload", "0.manifest.json")):
    """The JavaScript client's layout: descriptors, sizes unknown in front, ZIP64 everywhere."""
    out, central = b"", b""
    for name, data in zip(names, (payload, manifest), strict=True):
        offset, crc, raw = len(out), zlib.crc32(data), name.encode()
        extra = struct.pack("<HHQQQ", 1, 24, 0, 0, 0)
        out += struct.pack(
            "<IHHHHHIIIHH", 0x04034B50, 20, 0x0808, 0, 0, 33, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(raw), len(extra)
        )
        out += raw + extra + data + struct.pack("<IIQQ", 0x08074B50, crc, len(data), len(data))
        extra = struct.pack("<HHQQQ", 1, 24, len(data), len(data), offset)
        central += struct.pack(
            "<IHHHHHHIIIHHHHHII",
            *(0x02014B50, 831, 45, 0x0808, 0, 0, 33, crc, 0xFFFFFFFF, 0xFFFFFFFF, len(raw), len(extra)),
            *(0, 0, 0, 0, 0xFFFFFFFF),
        )
        central += raw + extra
    start = len(out)
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 831, 45, 0, 0, 2, 2, len(central), start)
    locator = struct.pack("<IIQI", 0x07064B50, 0, start + len(central), 1)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return out + central + end64 + locator + end


def parsed(data):
    return parse_manifest(members(data)[1])


def gf_multiply(x, y):
    """In the field of GCM (SP 800-38D, 6.3)."""
    z = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            z ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return z
