"""Writes `tests/vectors/package/`: sealed files with fixed keys, and what must come of each.

All randomness is a counter hashed, the seal key is Ed25519 alone and the nodes' keys are P-256, so every file is the
same each time. Run as a script to write them; the tests compare.
"""

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from package_forge import gf_multiply, js_zip, members, rooted

from relto import package
from relto.keys import AccessKey, SecretKey
from relto.package import Policy, ShareFor, access, spread

FOLDER = Path(__file__).parents[1] / "vectors" / "package"
HOSTS = ("node.gbr.example", "node.aus.example", "node.usa.example")
NODES = tuple(AccessKey(ec.derive_private_key(1234567 + number, ec.SECP256R1())) for number in range(3))
URLS = tuple(f"https://{host}/kas" for host in HOSTS)
SEAL = SecretKey("gbr/seal-1", bytes(range(32)))
ITEM = "00112233445566778899aabbccddeeff"
PLAIN = b"depth_m,speed_kn\n" * 40  # 680 bytes: segments of 512 and 168
KEYS = {node.kid: node for node in NODES}


def source(name):
    """Random bytes that are not: SHA-256 over the file's name and a counter."""
    count = iter(range(1_000_000))

    def random(size):
        text = b"".join(hashlib.sha256(f"{name} {next(count)}".encode()).digest() for _ in range(-(-size // 32)))
        return text[:size]

    return random


def sealed(name, plain=PLAIN, owners=1, need=1):
    random, out = source(name), io.BytesIO()
    nodes = [ShareFor(url=url, kid=node.kid, public_pem=node.public_pem) for url, node in zip(URLS, NODES, strict=True)]
    package.seal(
        io.BytesIO(plain),
        out,
        policy=Policy.for_item(HOSTS[0], ITEM, random),
        recipients=spread(nodes[:owners], need),
        name="trials.csv",
        title="Trials, second series",
        mime="text/csv",
        label_banner="UK OFFICIAL-SENSITIVE REL TO AUS, GBR, USA",
        label_statement='{"ocl":{"pol":"GBR","cls":"OFFICIAL-SENSITIVE"}}',
        signer=SEAL,
        party="gbr",
        origin=f"{HOSTS[0]}/aukus/0",
        now=1_767_225_600_000,
        random=random,
        segment_size=512,
    )
    return out.getvalue()


def repacked(payload, manifest):
    """By another zip writer, with a date that does not move."""
    out = io.BytesIO()
    raw = manifest if isinstance(manifest, bytes) else json.dumps(manifest, separators=(",", ":")).encode()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in (("0.payload", payload), ("0.manifest.json", raw)):
            file.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def cases():
    """(file, bytes, what comes of it)."""
    one = sealed("one")
    payload, raw = members(one)

    def edited(edit, with_key=False):
        manifest = json.loads(raw)
        edit(manifest)
        return repacked(payload, rooted(manifest, dek) if with_key else manifest)

    found = package.read(io.BytesIO(one))
    dek = access.unwrap(KEYS, found.key_access[0], found.policy)

    def table(manifest):
        return manifest["encryptionInformation"]["integrityInformation"]

    def accesses(manifest):
        return manifest["encryptionInformation"]["keyAccess"]

    first, second = payload[:540], payload[540:]
    h = int.from_bytes(Cipher(algorithms.AES(dek), modes.ECB()).encryptor().update(bytes(16)), "big")
    forged, change = bytearray(payload), 1 << 127
    for at, delta in ((12, change), (28, gf_multiply(change, h))):
        forged[at : at + 16] = (int.from_bytes(forged[at : at + 16], "big") ^ delta).to_bytes(16, "big")
    policy = Policy.for_item(HOSTS[0], "f" * 32, source("other"))

    opens = {"opens": True}
    yield "one.tdf", one, opens | {"about": "one owner, two segments"}
    yield "empty.tdf", sealed("empty", b""), opens | {"about": "no plaintext: one empty segment", "size": 0}
    yield "all-of-two.tdf", sealed("all", owners=2, need=2), opens | {"about": "two owners, both needed: two shares"}
    yield (
        "two-of-three.tdf",
        sealed("two", owners=3, need=2),
        opens | {"about": "any two of three owners: three shares, each held by two"},
    )
    yield (
        "javascript.tdf",
        js_zip(payload, raw),
        opens | {"about": "the first in another writer's zip: descriptors, ZIP64"},
    )

    def no(code, about, when="before any share is asked for"):
        return {"opens": False, "error": code, "about": about, "when": when}

    later = "after the share, before any plaintext leaves"
    last = "while the payload is read, before the file appears"
    yield "swapped.tdf", repacked(second + first, raw), no("forged", "the two segments change places", last)
    yield "truncated.tdf", repacked(first, raw), no("malformed", "the second segment is cut off the payload")
    yield (
        "cut.tdf",
        edited(lambda m: table(m)["segments"].pop()),
        no("malformed", "the second segment is cut off the table"),
    )
    yield (
        "gmac-root.tdf",
        edited(lambda m: table(m).update(rootSignature={"alg": "GMAC", "sig": table(m)["segments"][-1]["hash"]})),
        no("refused", "the root is no signature"),
    )
    yield (
        "root.tdf",
        edited(lambda m: table(m)["rootSignature"].update(sig=b64encode(bytes(32)).decode())),
        no("forged", "another root signature"),
    )
    yield (
        "same-tags.tdf",
        repacked(bytes(forged), raw),
        no("forged", "someone who has the key altered the payload so that all tags and the root hold", last),
    )
    yield "mime.tdf", edited(lambda m: m["payload"].update(mimeType="text/html")), no("forged", "another media type")
    yield (
        "policy.tdf",
        edited(lambda m: m["encryptionInformation"].update(policy=policy.text)),
        no("forged", "the policy of another item"),
    )
    yield (
        "label.tdf",
        edited(
            lambda m: m["assertions"][0]["statement"].update(value='{"ocl":{"pol":"GBR","cls":"OFFICIAL"}}'),
            with_key=True,
        ),
        no("forged", "another label, bound anew by someone who has the key"),
    )
    yield "no-assertions.tdf", edited(lambda m: m.pop("assertions")), no("refused", "all assertions removed")
    yield (
        "added-assertion.tdf",
        edited(lambda m: m["assertions"].append(m["assertions"][0] | {"id": "x", "type": "other"}), with_key=True),
        no("forged", "an assertion added by someone who has the key"),
    )
    yield (
        "added-access.tdf",
        edited(lambda m: accesses(m).append(accesses(m)[0] | {"url": "https://evil.example/kas"})),
        no("forged", "a stranger's node added"),
    )
    yield (
        "binding.tdf",
        edited(lambda m: accesses(m)[0]["policyBinding"].update(hash=b64encode(b"0" * 64).decode())),
        no(
            "forged",
            "another policy binding",
            later.replace("after the share", "by the node, or by the reader after the share"),
        ),
    )
    yield (
        "repeated-key.tdf",
        repacked(payload, raw.replace(b"{", b'{"schemaVersion":"4.3.0",', 1)),
        no("malformed", "a key of the manifest stands there twice"),
    )
    yield "appended.tdf", one + b"\n", no("malformed", "one byte behind the end")


def index(written):
    """The text of `cases.json`."""
    return {
        "about": "Sealed files and what must come of each (spec/package.md). `when` says how far a reader gets.",
        "nodes": [
            {"url": url, "kid": node.kid, "curve": "P-256", "scalar": 1234567 + number, "public_pem": node.public_pem}
            for number, (url, node) in enumerate(zip(URLS, NODES, strict=True))
        ],
        "seal_key": msgspec.to_builtins(SEAL.public, builtin_types=(bytes,))
        | {"ed25519": b64encode(SEAL.public.ed25519).decode()},
        "plaintext": {
            "sha256": hashlib.sha256(PLAIN).hexdigest(),
            "size": len(PLAIN),
            "name": "trials.csv",
            "title": "Trials, second series",
            "mime": "text/csv",
        },
        "cases": [
            {"file": name, "sha256": hashlib.sha256(data).hexdigest()} | outcome for name, data, outcome in written
        ],
    }


def main():
    FOLDER.mkdir(exist_ok=True)
    written = list(cases())
    for name, data, _ in written:
        (FOLDER / name).write_bytes(data)
    (FOLDER / "cases.json").write_text(json.dumps(index(written), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
