"""Writes `tests/vectors/package/hostile/`: sealed files and request tokens that must be refused, and how.

Beside the altered files of `cases.json`: what attacks the reader itself, and what attacks the node. Everything is made
from fixed keys and counted randomness, so that each file is the same each time.
"""

import gzip
import hashlib
import io
import json
import struct
import warnings
import zipfile
from base64 import b64encode

import msgspec
from package_forge import members
from package_vectors import FOLDER as ABOVE
from package_vectors import HOSTS, NODES, URLS, repacked, sealed, source

from relto.keys import ProofKey
from relto.package import access, read
from relto.package.strict import from_base64url, sign_jws, to_base64url

FOLDER = ABOVE / "hostile"
NOW = 1_767_225_600
AUDIENCE = f"{HOSTS[0]}/aukus/0"
CLIENT = ProofKey("EdDSA", bytes(range(32)))
OTHER = ProofKey("EdDSA", bytes(range(1, 33)))


def b64(data):
    return b64encode(data).decode()


# ── files ──


def files():
    """(name, bytes, code of the error, what it is). All are refused before any share is asked for."""
    one, two = sealed("one"), sealed("two", owners=3, need=2)
    payload, raw = members(one)
    several = members(two)

    def edited(edit, parts=(payload, raw)):
        manifest = json.loads(parts[1])
        edit(manifest, manifest["encryptionInformation"], manifest["encryptionInformation"]["integrityInformation"])
        return repacked(parts[0], manifest)

    def zipped(*entries, **named):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            for name, data in entries:
                info = zipfile.ZipInfo(name)
                info.compress_type = named.get("method", zipfile.ZIP_STORED)
                file.writestr(info, data)
            file.comment = named.get("comment", b"")
        return out.getvalue()

    def text(manifest):
        return repacked(payload, manifest)

    def header_key(manifest, _inner, _table):
        """Another label, signed by a key that the signature itself brings: clients in use believe it."""
        label = manifest["assertions"][0]
        label["statement"]["value"] = '{"ocl":{"pol":"GBR","cls":"UNCLASSIFIED"}}'
        claims = msgspec.json.encode({"assertionHash": "0" * 64, "assertionSig": b64(bytes(64))})
        label["binding"]["signature"] = sign_jws({"alg": "EdDSA", "jwk": OTHER.jwk}, claims, OTHER.sign)

    stranger = b'{"a":' * 4_000 + b"1" + b"}" * 4_000
    yield "key-in-header.tdf", edited(header_key), "forged", "an assertion bound by a key in its own header"
    yield "deep.tdf", text(stranger), "malformed", "objects 4,000 deep"
    yield (
        "segments-negative.tdf",
        edited(lambda m, e, t: t["segments"][0].update(segmentSize=-28, encryptedSegmentSize=0)),
        "malformed", "a segment of less than nothing",
    )  # fmt: skip
    yield (
        "segments-huge.tdf",
        edited(lambda m, e, t: t.update(segmentSizeDefault=2**40, encryptedSegmentSizeDefault=2**40 + 28)),
        "malformed", "segments of a tebibyte",
    )  # fmt: skip
    yield (
        "segments-disagree.tdf",
        edited(lambda m, e, t: t["segments"][0].update(encryptedSegmentSize=539)),
        "malformed", "a sealed size that is not the plain one and 28",
    )  # fmt: skip
    yield (
        "segments-more.tdf",
        edited(lambda m, e, t: t["segments"].append(t["segments"][1])),
        "malformed", "the table speaks of more than the payload has",
    )  # fmt: skip
    yield (
        "not-a-number.tdf",
        text(raw.replace(b'"segmentSizeDefault":512', b'"segmentSizeDefault":NaN')),
        "malformed",
        "NaN",
    )
    yield (
        "float.tdf",
        text(raw.replace(b'"segmentSizeDefault":512', b'"segmentSizeDefault":512.5')),
        "malformed",
        "half a byte",
    )
    yield "surrogate.tdf", text(raw.replace(b"text/csv", b"\\ud800/csv")), "malformed", "half a character"
    yield "not-utf-8.tdf", text(raw.replace(b"text/csv", b"text/\xff")), "malformed", "bytes that are no text"
    yield (
        "two-manifests.tdf",
        zipped(("0.payload", payload), ("0.manifest.json", raw), ("manifest.json", raw)),
        "malformed",
        "both names of the manifest",
    )
    yield (
        "three-members.tdf",
        zipped(("0.payload", payload), ("0.manifest.json", raw), ("x", b"")),
        "malformed",
        "a member more",
    )
    yield "twice.tdf", _twice(payload, raw), "malformed", "the same member twice"
    yield (
        "comment.tdf",
        zipped(("0.payload", payload), ("0.manifest.json", raw), comment=b"hi"),
        "malformed",
        "a comment behind the end",
    )
    yield (
        "packed.tdf",
        zipped(("0.payload", payload), ("0.manifest.json", raw + b" " * 500_000), method=zipfile.ZIP_DEFLATED),
        "malformed", "compressed members that grow",
    )  # fmt: skip
    yield "prefix.tdf", b"#!/bin/sh\n" + one, "malformed", "something before the beginning"
    yield "half.tdf", one[: len(one) // 2], "malformed", "cut in the middle"
    yield "sizes.tdf", _longer(one), "malformed", "the directory says that the payload is longer than it is"
    yield (
        "remote.tdf",
        edited(lambda m, e, t: e["keyAccess"][0].update(type="remote")),
        "refused",
        "a kind of key access that is no more",
    )
    yield (
        "algorithm.tdf",
        edited(lambda m, e, t: e["method"].update(algorithm="AES-256-CTR")),
        "refused",
        "another cipher",
    )
    yield "hash.tdf", edited(lambda m, e, t: t.update(segmentHashAlg="CRC32")), "refused", "another hash of segments"
    yield (
        "version.tdf",
        edited(lambda m, e, t: m.update(schemaVersion="4.4.0")),
        "refused",
        "a format that is not known",
    )
    yield "old-version.tdf", edited(lambda m, e, t: m.pop("schemaVersion")), "malformed", "talked down to 4.2.2"
    yield "empty-policy.tdf", edited(_nobody), "refused", "a policy that names nothing, which others read as anyone"
    yield "two-items.tdf", edited(_two_items), "refused", "a policy that names two items"
    yield (
        "file-address.tdf",
        edited(lambda m, e, t: e["keyAccess"][0].update(url="file:///etc/passwd")),
        "malformed",
        "an address that is none",
    )
    yield (
        "user-address.tdf",
        edited(lambda m, e, t: e["keyAccess"][0].update(url=URLS[0].replace("//", "//x@"))),
        "malformed",
        "an address with somebody in it",
    )
    yield (
        "same-holder-twice.tdf",
        edited(lambda m, e, t: e["keyAccess"].append(e["keyAccess"][0]), several),
        "forged",
        "two of three, a share twice at one node",
    )
    yield (
        "share-renamed.tdf",
        edited(lambda m, e, t: e["keyAccess"][0].update(sid="s9"), several),
        "forged",
        "two of three, a share under another name",
    )
    yield (
        "share-dropped.tdf",
        edited(lambda m, e, t: e.update(keyAccess=e["keyAccess"][:4]), several),
        "forged",
        "two of three, a share taken away, so that fewer suffice",
    )
    yield (
        "many-holders.tdf",
        edited(lambda m, e, t: e.update(keyAccess=e["keyAccess"] * 65)),
        "malformed",
        "65 key access objects",
    )
    yield (
        "many-assertions.tdf",
        edited(lambda m, e, t: m.update(assertions=m["assertions"] * 9)),
        "malformed",
        "18 assertions",
    )


def _twice(payload, raw):
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as file:
        warnings.simplefilter("ignore")
        for name, data in (("0.payload", payload), ("0.payload", payload)):
            file.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _longer(one):
    """In the directory and in the member's own header, so that both agree."""
    data, size = bytearray(one), struct.unpack_from("<I", one, 18)[0]
    at = one.rfind(b"PK\x01\x02", 0, one.rfind(b"PK\x01\x02"))
    for place in (18, 22):
        struct.pack_into("<I", data, place, size + 10)
        struct.pack_into("<I", data, at + place + 2, size + 10)
    return bytes(data)


def _nobody(_manifest, inner, _table):
    inner["policy"] = b64(
        b'{"uuid":"00000000-0000-0000-0000-000000000000","body":{"dataAttributes":null,"dissem":null}}'
    )


def _two_items(_manifest, inner, _table):
    fqn = f"https://{HOSTS[0]}/attr/item/value/"
    held = [{"attribute": fqn + "0" * 32}, {"attribute": fqn + "1" * 32}]
    body = {"uuid": "00000000-0000-0000-0000-000000000000", "body": {"dataAttributes": held, "dissem": []}}
    inner["policy"] = b64(json.dumps(body).encode())


# ── request tokens ──


def tokens():
    """(name, body of the call, taken, what it is): for a node with this audience, at this time, by this client's key.

    Each is shown once, in this order; what was shown before is remembered.
    """
    package = read(io.BytesIO(sealed("one")))
    asked = access.asked_of(package.key_access, URLS[0])
    session = NODES[2]  # any key on P-256: nobody is answered here

    def made(key=CLIENT, audience=AUDIENCE, now=NOW, name="token"):
        return access.request_token(package.policy, asked, session=session, key=key, audience=audience, now=now,
                                    random=source(name))  # fmt: skip

    def altered(header=None, key=CLIENT, edit=lambda body: None, name="token", **claims):
        _, payload, _ = made(name=name).split(".")
        held = json.loads(from_base64url(payload)) | claims
        body = json.loads(held["requestBody"])
        edit(body)
        held["requestBody"] = json.dumps(body)
        held = {name: value for name, value in held.items() if value is not None}
        return sign_jws(header or {"alg": key.alg, "typ": "JWT"}, json.dumps(held).encode(), key.sign)

    def call(token):
        return access.format_request(token)

    good = made()
    _, payload, _ = good.split(".")
    unsigned = f"{to_base64url(msgspec.json.encode({'alg': 'none'}))}.{payload}."
    yield "good", call(good), True, "as our client sends it"
    yield "replayed", call(good), False, "the same once more"
    yield "misdirected", call(made(audience=f"{HOSTS[1]}/aukus/0", name="a")), False, "for another node"
    yield "no-audience", call(altered(aud=None, name="b")), False, "for no node in particular"
    yield "no-jti", call(altered(jti=None, name="c")), False, "without a name of its own"
    yield "short-jti", call(altered(jti="1", name="d")), False, "with a name that is no 32 hex digits"
    yield "stale", call(made(now=NOW - 70, name="e")), False, "a minute old"
    yield "early", call(made(now=NOW + 10, name="f")), False, "from the future"
    yield "long", call(altered(exp=NOW + 61, name="g")), False, "valid for more than a minute"
    yield "stranger", call(made(key=OTHER, name="h")), False, "by another key than the presentation is bound to"
    yield "unsigned", call(unsigned), False, "with the algorithm `none`"
    yield "own-key", call(altered({"alg": "EdDSA", "jwk": OTHER.jwk}, OTHER, name="i")), False, "brings its key"
    yield "critical", call(altered({"alg": "EdDSA", "crit": ["x"], "x": 1}, name="j")), False, "asks for an extension"
    yield "nothing-asked", call(altered(edit=lambda b: b.update(requests=[]), name="k")), False, "asks for nothing"
    yield "same-id-twice", call(altered(edit=_same_id, name="l")), False, "the same object twice"
    yield "two-forms", call(altered(edit=_two_forms, name="m")), False, "two forms that differ"
    yield (
        "repeated-key",
        call(good).replace(b"{", b'{"signedRequestToken":"a.b.c",', 1),
        False,
        "a key twice in the body",
    )
    yield "bomb", gzip.compress(b" " * 8_000_000, mtime=0), False, "8 MB in 8 kB: `Content-Encoding: gzip`"


def _same_id(body):
    body["requests"][0]["keyAccessObjects"] *= 2


def _two_forms(body):
    held = body["requests"][0]["keyAccessObjects"][0]["keyAccessObject"]
    body |= {"keyAccess": held | {"wrappedKey": b64(bytes(60))}, "policy": body["requests"][0]["policy"]["body"]}


def index(found):
    return {
        "about": "What must be refused (spec/package.md, spec/node.md). Files: before any share is asked for, by this error.",
        "files": [
            {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "error": code, "about": about}
            for name, data, code, about in found
        ],
        "requests": {
            "about": "Bodies of a call (base64), shown in this order to a node of this audience at this time (s).",
            "audience": AUDIENCE,
            "now": NOW,
            "client": CLIENT.jwk,
            "cases": [
                {"case": name, "taken": taken, "about": about, "body": b64(body)}
                for name, body, taken, about in tokens()
            ],
        },
    }


def main():
    FOLDER.mkdir(exist_ok=True)
    found = list(files())
    for name, data, _, _ in found:
        (FOLDER / name).write_bytes(data)
    (FOLDER / "cases.json").write_text(json.dumps(index(found), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
