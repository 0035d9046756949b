"""Everything that can be done to a package on its way: refused, and nothing of the plaintext is left.

A *stranger* alters the file. An *insider* has opened it once, so has its key, and makes every check anew that needs
only the key.
"""

import hashlib
import hmac
import io
import json
import os
from base64 import b64decode, b64encode
from contextlib import suppress

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from package_forge import (
    HOST,
    ITEM,
    KEYS,
    MINE,
    NODE,
    OTHER_NODE,
    OTHER_URL,
    OWNER,
    PLAIN,
    STRANGER,
    THEIRS,
    URL,
    dek_of,
    gf_multiply,
    members,
    open_bytes,
    packed,
    rooted,
    sealed,
)

from relto import package
from relto.errors import Conflict, Forged, Malformed, Refused, ReltoError
from relto.keys import wrap_share
from relto.package import Policy, access, spread
from relto.package.manifest import Binding
from relto.package.owner import PAYLOAD_TYPE, Owned, OwnerStatement
from relto.package.tdf import _MetadataBox

DATA = sealed(recipients=spread([MINE, THEIRS], 2))
PAYLOAD, MANIFEST = members(DATA)
DEK = dek_of(DATA)
SEALED = 512 + 28


def encryption(manifest):
    return manifest["encryptionInformation"]


def table(manifest):
    return encryption(manifest)["integrityInformation"]


def kao(manifest, number=0):
    return encryption(manifest)["keyAccess"][number]


def b64(data):
    return b64encode(data).decode()


def refused(data, tmp_path, words, error=ReltoError, **options):
    """Neither opens nor leaves anything."""
    target = tmp_path / "out"
    with pytest.raises(error, match=words):
        open_bytes(data, target, **options)
    assert list(tmp_path.iterdir()) == []


def test_the_untouched_one_opens(tmp_path):
    assert open_bytes(DATA, tmp_path / "out")[1] == PLAIN
    assert open_bytes(packed(PAYLOAD, json.loads(MANIFEST)), tmp_path / "out")[1] == PLAIN


# ── the payload ──


def payloads():
    first, second, last = PAYLOAD[:SEALED], PAYLOAD[SEALED : 2 * SEALED], PAYLOAD[2 * SEALED :]
    flip = lambda at: PAYLOAD[:at] + bytes([PAYLOAD[at] ^ 1]) + PAYLOAD[at + 1 :]  # noqa: E731
    yield "a bit of an IV", flip(3), "altered"
    yield "a bit of the text", flip(100), "altered"
    yield "a bit of a tag", flip(SEALED - 1), "not the one that the table names"
    yield "the very last bit", flip(len(PAYLOAD) - 1), "segment 2"
    yield "segments swapped", second + first + last, "segment 0"
    yield "a segment twice", first + first + last, "segment 1"
    yield "cut by one byte", PAYLOAD[:-1], "the payload has"
    yield "cut by a segment", first + second, "the payload has"
    yield "one byte more", PAYLOAD + b"\0", "the payload has"
    yield "empty", b"", "the payload has"
    yield "of another package", members(sealed(recipients=spread([MINE, THEIRS], 2)))[0], "segment 0"


@pytest.mark.parametrize(
    ("what", "payload", "words"), list(payloads()), ids=lambda part: part if isinstance(part, str) else ""
)
def test_payload(what, payload, words, tmp_path):
    refused(packed(payload, MANIFEST), tmp_path, words)


def test_an_insider_cannot_make_another_payload_with_the_same_tags(tmp_path):
    # With the key, two neighbouring blocks can be changed so that the tag stays: the table and the root signature still
    # hold, and other readers open the altered file. The signed digest of the payload is what sees it.
    h = Cipher(algorithms.AES(DEK), modes.ECB()).encryptor().update(bytes(16))
    change = int.from_bytes(os.urandom(16), "big")
    follow = gf_multiply(change, int.from_bytes(h, "big"))
    altered = bytearray(PAYLOAD)
    for at, delta in ((12, change), (28, follow)):
        block = int.from_bytes(altered[at : at + 16], "big") ^ delta
        altered[at : at + 16] = block.to_bytes(16, "big")
    assert altered != PAYLOAD
    text = AESGCM(DEK).decrypt(bytes(altered[:12]), bytes(altered[12:SEALED]), None)
    assert text != PLAIN[:512]
    assert altered[SEALED - 16 : SEALED] == PAYLOAD[SEALED - 16 : SEALED]
    refused(packed(bytes(altered), MANIFEST), tmp_path, "the payload is not the one that its owner signed", Forged)


# ── the manifest ──


def edits():
    """(name, edit, words for a stranger, words for an insider); "" as insider words: the same."""

    def put(path, value):
        def edit(manifest):
            at = manifest
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value

        return edit

    def drop(path):
        def edit(manifest):
            at = manifest
            for step in path[:-1]:
                at = at[step]
            del at[path[-1]]

        return edit

    def swap(rows):
        rows[0], rows[1] = rows[1], rows[0]

    ei, ii, seg = "encryptionInformation", "integrityInformation", "segments"
    rows = (ei, ii, seg)
    other = Policy.for_item(HOST, "ff" * 16, os.urandom).text
    renewed = Policy.for_item(HOST, ITEM, os.urandom).text

    yield "media type", put(("payload", "mimeType"), "text/html"), "media type"
    yield "media type gone", drop(("payload", "mimeType")), "media type"
    yield "media type no type", put(("payload", "mimeType"), "html\n"), "not a media type"
    yield "policy of another item", put((ei, "policy"), other), "policy"
    yield "policy renewed", put((ei, "policy"), renewed), "policy"
    yield "policy not base64", put((ei, "policy"), "!"), "base64"
    yield "policy in another spelling", lambda m: encryption(m).update(policy=encryption(m)["policy"] + "\n"), "base64"
    yield "segment hash", put((*rows, 0, "hash"), b64(bytes(16))), "segment table"
    yield "segment hashes swapped", lambda m: swap(table(m)["segments"]), "segment table"
    yield "segment gone", lambda m: table(m)["segments"].pop(), "the payload has|sizes that disagree"
    yield "segment twice", lambda m: table(m)["segments"].append(table(m)["segments"][-1]), "the payload has|disagree"
    yield "no segments", put(rows, []), "the payload has"
    yield (
        "last size smaller",
        lambda m: table(m)["segments"][-1].update(segmentSize=1, encryptedSegmentSize=29),
        "payload has",
    )
    yield "size negative", put((*rows, 0, "segmentSize"), -1), "segment 0 has sizes"
    yield "last size negative", put((*rows, 2, "segmentSize"), -1), "segment 2 has sizes"
    yield "size huge", put((*rows, 2, "segmentSize"), 2**53 - 1), "segment 2 has sizes"
    yield "size beyond integers", put((*rows, 2, "segmentSize"), 2**70), "too large"
    yield "size a fraction", put((*rows, 0, "segmentSize"), 512.5), "as it must be"
    yield "size true", put((*rows, 2, "segmentSize"), True), "as it must be"
    yield "sealed size", put((*rows, 0, "encryptedSegmentSize"), 541), "segment 0 has sizes"
    yield "default size", put((ei, ii, "segmentSizeDefault"), 511), "segment sizes"
    yield (
        "default sizes",
        lambda m: table(m).update(segmentSizeDefault=511, encryptedSegmentSizeDefault=539),
        "disagree",
    )
    yield (
        "default zero",
        lambda m: table(m).update(segmentSizeDefault=0, encryptedSegmentSizeDefault=28),
        "segment sizes",
    )
    yield (
        "default huge",
        lambda m: table(m).update(segmentSizeDefault=2**30, encryptedSegmentSizeDefault=2**30 + 28),
        "segment sizes",
    )
    yield "hash of another length", put((*rows, 0, "hash"), b64(bytes(18 + 1))), "hash of another algorithm"
    yield "hash of another algorithm", put((ei, ii, "segmentHashAlg"), "HS256"), "another algorithm"
    yield "unknown segment hash", put((ei, ii, "segmentHashAlg"), "CRC32"), "hashed by `CRC32`"
    yield (
        "GMAC as root",
        lambda m: table(m).update(rootSignature={"alg": "GMAC", "sig": table(m)["segments"][-1]["hash"]}),
        "not a signature",
    )
    yield "no root algorithm", lambda m: table(m).update(rootSignature={"alg": "none", "sig": ""}), "not a signature"
    yield "root in lower case", lambda m: table(m)["rootSignature"].update(alg="hs256"), "not a signature"
    yield "root short", lambda m: table(m)["rootSignature"].update(sig=""), "32 bytes"
    yield "method", put((ei, "method", "algorithm"), "AES-256-CBC"), "encrypted by `AES-256-CBC`"
    yield "split type", put((ei, "type"), "shamir"), "not known"
    yield "payload not encrypted", put(("payload", "isEncrypted"), False), "not the encrypted member"
    yield "payload elsewhere", put(("payload", "url"), "https://evil.example/0.payload"), "not the encrypted member"
    yield "payload protocol", put(("payload", "protocol"), "http"), "laid out"
    yield "old format", drop(("schemaVersion",)), "format"
    yield "later format", put(("schemaVersion",), "4.4.0"), "format"
    yield "no key access", put((ei, "keyAccess"), []), "no key access"
    yield "key access gone", lambda m: encryption(m)["keyAccess"].pop(), "list of nodes"
    yield "key access twice", lambda m: encryption(m)["keyAccess"].append(dict(kao(m))), "list of nodes"
    yield (
        "key access of a stranger",
        lambda m: encryption(m)["keyAccess"].append(kao(m) | {"url": "https://evil.example/kas"}),
        "list of nodes",
    )
    yield "key access swapped", lambda m: swap(encryption(m)["keyAccess"]), "list of nodes"
    yield "key access without end", lambda m: encryption(m).update(keyAccess=[kao(m)] * 65), "too many"
    yield "url of a stranger", lambda m: kao(m).update(url="https://evil.example/kas"), "list of nodes"
    yield "url with a slash", lambda m: kao(m).update(url=URL + "/"), "list of nodes"
    yield "url of a user", lambda m: kao(m).update(url="https://a@evil.example/kas"), "not the address"
    yield "url of a file", lambda m: kao(m).update(url="file:///etc/passwd"), "not the address"
    yield "sid", lambda m: kao(m).update(sid="s9"), "list of nodes"
    yield "sid gone", lambda m: kao(m).pop("sid"), "list of nodes"
    yield "sids made equal", lambda m: kao(m, 1).update(sid=kao(m)["sid"]), "list of nodes"
    yield "wrapped key of another type", lambda m: kao(m).update(type="remote"), "not known"
    yield "wrapped key empty", lambda m: kao(m).update(wrappedKey=""), "length"
    yield "wrapped key huge", lambda m: kao(m).update(wrappedKey=b64(bytes(600))), "length"
    yield "fresh key gone", lambda m: kao(m).pop("ephemeralPublicKey"), "fresh key"
    yield "fresh key where none is", lambda m: kao(m, 1).update(ephemeralPublicKey="x"), "fresh key"
    yield "binding of another algorithm", lambda m: kao(m)["policyBinding"].update(alg="HS1"), "bound by `HS1`"
    yield "binding short", lambda m: kao(m)["policyBinding"].update(hash=b64(b"x")), "policy binding"
    yield "key id", lambda m: kao(m).update(kid="no-such"), "does not open here"
    yield "all assertions gone", drop(("assertions",)), "no statement"
    yield "label gone", lambda m: m["assertions"].pop(0), "list of assertions"
    yield "statement gone", lambda m: m["assertions"].pop(1), "no statement"
    yield "assertions swapped", lambda m: swap(m["assertions"]), "list of assertions"
    yield (
        "assertion added behind",
        lambda m: m["assertions"].append(m["assertions"][0] | {"id": "x", "type": "other"}),
        "list of assertions",
    )
    yield (
        "assertion added before",
        lambda m: m["assertions"].insert(0, m["assertions"][0] | {"id": "x", "type": "other"}),
        "list of assertions",
    )
    yield "second label", lambda m: m["assertions"].append(m["assertions"][0] | {"id": "label-2"}), "list of assertions"
    yield "same id twice", lambda m: m["assertions"].append(m["assertions"][0]), "same id"
    yield (
        "assertions without end",
        lambda m: m.update(assertions=[m["assertions"][0] | {"id": str(n)} for n in range(17)]),
        "too many",
    )
    yield (
        "second statement",
        lambda m: m["assertions"].append(m["assertions"][1] | {"id": "relto-manifest-2"}),
        "only looks like",
    )
    yield "statement under another id", lambda m: m["assertions"][1].update(id="other"), "only looks like"
    yield "statement as handling", lambda m: m["assertions"][1].update(type="handling"), "only looks like"
    yield (
        "label altered",
        lambda m: m["assertions"][0]["statement"].update(value='{"ocl":{"cls":"UNCLASSIFIED"}}'),
        "list of assertions",
    )
    yield "label renamed", lambda m: m["assertions"][0].update(id="label-1"), "list of assertions"
    yield "label of another type", lambda m: m["assertions"][0].update(type="other"), "list of assertions"
    yield "label for another scope", lambda m: m["assertions"][0].update(scope="payload"), "list of assertions"
    yield "label grows a field", lambda m: m["assertions"][0].update(extra=1), "list of assertions"
    yield (
        "label in another schema",
        lambda m: m["assertions"][0]["statement"].update(schema="urn:x"),
        "list of assertions",
    )
    yield "label as object", lambda m: m["assertions"][0]["statement"].update(value={"ocl": {}}), "as it must be"
    yield "assertion kind", lambda m: m["assertions"][0].update(type="advice"), "not known"
    yield "assertion scope", lambda m: m["assertions"][0].update(scope="all"), "not known"
    yield "binding method", lambda m: m["assertions"][0]["binding"].update(method="none"), "not known"
    yield "assertion with a fraction", lambda m: m["assertions"][0].update(extra=1.5), "fraction"
    yield "assertion nested", lambda m: m["assertions"][0].update(extra=json.loads("[" * 40 + "]" * 40)), "deep"
    yield "assertion huge", lambda m: m["assertions"][0]["statement"].update(value="x" * 70_000), "longer"


EDITS = {name: (edit, words) for name, edit, words in edits()}
# What an insider's own work would undo, so it is altered once more.
MADE_ANEW = {"GMAC as root", "no root algorithm", "root in lower case", "root short", "binding method"}


@pytest.mark.parametrize("case", EDITS)
@pytest.mark.parametrize("who", ["stranger", "insider"])
def test_manifest(case, who, tmp_path):
    edit, words = EDITS[case]
    manifest = json.loads(MANIFEST)
    edit(manifest)
    if who == "insider":
        with suppress(KeyError, TypeError, ValueError, msgspec.MsgspecError, ReltoError):
            manifest = rooted(manifest, DEK)
        edit(manifest) if case in MADE_ANEW else None
        words = ".*"
    refused(packed(PAYLOAD, manifest), tmp_path, words)


def test_what_the_owner_signed_is_checked_before_anyone_is_asked(tmp_path):
    asked = []
    for edit, _ in EDITS.values():
        manifest = json.loads(MANIFEST)
        edit(manifest)
        data = packed(PAYLOAD, manifest)
        try:
            found = package.read(io.BytesIO(data))
        except ReltoError:
            continue
        with pytest.raises((ReltoError, AssertionError)):
            package.open_sealed(
                found,
                io.BytesIO(data),
                tmp_path / "x",
                lambda accesses: asked.append(1) or (),
                OWNER.public,
                {URL, OTHER_URL},
            )
    # Only a name of a key is left to the node: the owner may have wrapped the share anew under another.
    assert len(asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_address_outside_the_directory_is_never_asked(tmp_path):
    def never(accesses):
        raise AssertionError("asked")

    found = package.read(io.BytesIO(DATA))
    for allowed in (set(), {URL}, {OTHER_URL}, {"https://evil.example/kas"}):
        with pytest.raises(Refused, match="no node of this partnership"):
            package.open_sealed(found, io.BytesIO(DATA), tmp_path / "x", never, OWNER.public, allowed)
    assert list(tmp_path.iterdir()) == []


# ── what only the key can check ──


def keyed():
    iv = os.urandom(12)
    share = access.unwrap(KEYS, package.read(io.BytesIO(DATA)).key_access[0], package.read(io.BytesIO(DATA)).policy)

    def boxed(text):
        box = _MetadataBox(ciphertext=iv + AESGCM(share).encrypt(iv, text, None), iv=iv)
        return b64(msgspec.json.encode(box))

    yield (
        "binding of another policy",
        lambda m: kao(m)["policyBinding"].update(Binding_of(bytes(32))),
        "does not open here",
    )
    yield "wrapped key of another package", lambda m: kao(m).update(wrapped_anew(os.urandom(32))), "does not open here"
    yield "wrapped key altered", lambda m: kao(m).update(wrappedKey=b64(os.urandom(60))), "does not open here"
    yield (
        "names altered",
        lambda m: kao(m).update(encryptedMetadata=b64(b'{"ciphertext":"AAAA","iv":"AAAA"}')),
        "were altered",
    )
    yield "names gone", lambda m: kao(m).pop("encryptedMetadata"), "were altered"
    yield "names no box", lambda m: kao(m).update(encryptedMetadata=b64(b"[]")), "were altered"
    yield "names not base64", lambda m: kao(m).update(encryptedMetadata="?"), "were altered"
    yield (
        "names of an insider, one share",
        lambda m: kao(m).update(encryptedMetadata=boxed(b'{"name":"x","title":""}')),
        "the owner signed",
    )
    yield "root altered", lambda m: table(m)["rootSignature"].update(sig=b64(bytes(32))), "segment table"
    yield "label binding gone", lambda m: m["assertions"][0]["binding"].update(signature=""), "compact JWS"
    yield (
        "label bound by nobody",
        lambda m: m["assertions"][0]["binding"].update(signature=unsigned(m)),
        "another algorithm",
    )
    yield (
        "label bound with a key of its own",
        lambda m: m["assertions"][0]["binding"].update(signature=jwk(m)),
        "key of its own",
    )
    yield (
        "label bound to another payload",
        lambda m: m["assertions"][0]["binding"].update(signature=elsewhere()),
        "belongs to another package",
    )
    yield (
        "label bound with another key",
        lambda m: m["assertions"][0]["binding"].update(signature=strange(m)),
        "does not hold",
    )
    yield (
        "statement bound with another key",
        lambda m: m["assertions"][1]["binding"].update(signature=strange(m)),
        "does not hold",
    )


def Binding_of(mac):
    held = Binding.of(mac)
    return {"alg": held.alg, "hash": held.hash}


def wrapped_anew(share):
    made = wrap_share(NODE.public_pem, share, os.urandom)
    return {"wrappedKey": b64(made.wrapped), "ephemeralPublicKey": made.ephemeral_pem}


def url64(data):
    return b64(data).translate(str.maketrans("+/", "-_")).rstrip("=")


def jws(header, claims, key):
    text = f"{url64(json.dumps(header).encode())}.{claims}"
    return f"{text}.{url64(hmac.digest(key, text.encode(), hashlib.sha256)) if key else ''}"


def claims_of(manifest):
    return manifest["assertions"][0]["binding"]["signature"].split(".")[1]


def unsigned(manifest):
    return jws({"alg": "none"}, claims_of(manifest), None)


def jwk(manifest):
    return jws({"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}}, claims_of(manifest), DEK)


def strange(manifest):
    return jws({"alg": "HS256"}, claims_of(manifest), bytes(32))


def elsewhere():
    claims = {"assertionHash": "0" * 64, "assertionSig": ""}
    return jws({"alg": "HS256"}, url64(json.dumps(claims).encode()), DEK)


KEYED = {name: (edit, words) for name, edit, words in keyed()}


@pytest.mark.parametrize("case", KEYED)
def test_what_only_the_key_can_check(case, tmp_path):
    edit, words = KEYED[case]
    manifest = json.loads(MANIFEST)
    edit(manifest)
    refused(packed(PAYLOAD, manifest), tmp_path, words)


def test_an_insider_cannot_rename_the_file_under_both_shares(tmp_path):
    found = package.read(io.BytesIO(DATA))
    manifest = json.loads(MANIFEST)
    for number, part in enumerate(found.key_access):
        share, iv = access.unwrap(KEYS, part, found.policy), os.urandom(12)
        text = AESGCM(share).encrypt(iv, b'{"name":"setup.exe","title":""}', None)
        kao(manifest, number)["encryptedMetadata"] = b64(msgspec.json.encode(_MetadataBox(ciphertext=iv + text, iv=iv)))
    refused(packed(PAYLOAD, manifest), tmp_path, "not the ones that the owner signed", Forged)


def test_a_share_wrapped_anew_by_its_node_still_opens(tmp_path):
    # A node's key changes: the wrapped key is new, the share and so the binding are not, and the signature stands.
    found = package.read(io.BytesIO(DATA))
    share = access.unwrap(KEYS, found.key_access[0], found.policy)
    manifest = json.loads(MANIFEST)
    kao(manifest).update(wrapped_anew(share))
    assert open_bytes(packed(PAYLOAD, manifest), tmp_path / "out")[1] == PLAIN


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([], "0 shares"),
        ([None, None], "did not hand over"),
        ([bytes(32), None], "does not belong"),
        ([b"", b""], "does not belong"),
        ([None] * 3, "3 shares"),
    ],
)
def test_shares_that_are_none(shares, words, tmp_path):
    found = package.read(io.BytesIO(DATA))
    with pytest.raises(ReltoError, match=words):
        package.open_sealed(
            found, io.BytesIO(DATA), tmp_path / "x", lambda accesses: shares, OWNER.public, {URL, OTHER_URL}
        )
    assert list(tmp_path.iterdir()) == []


def test_two_nodes_with_different_keys_for_one_share(tmp_path):
    data = sealed(recipients=[MINE, THEIRS])
    payload, raw = members(data)
    found, manifest, wrong = package.read(io.BytesIO(data)), json.loads(raw), os.urandom(32)
    made = wrap_share(OTHER_NODE.public_pem, wrong, os.urandom)
    kao(manifest, 1).update(wrappedKey=b64(made.wrapped), policyBinding=Binding_of(found.policy.binding(wrong)))
    text = AESGCM(wrong).encrypt(bytes(12), b"{}", None)
    box = _MetadataBox(ciphertext=bytes(12) + text, iv=bytes(12))
    kao(manifest, 1)["encryptedMetadata"] = b64(msgspec.json.encode(box))
    refused(packed(payload, manifest), tmp_path, "different keys for the same share", Forged)


# ── the owner's statement ──


def said(manifest):
    return json.loads(manifest["assertions"][1]["statement"]["value"])


def say(manifest, envelope):
    text = envelope if isinstance(envelope, str) else json.dumps(envelope, separators=(",", ":"))
    manifest["assertions"][1]["statement"]["value"] = text
    return packed(PAYLOAD, rooted(manifest, DEK))


def statements():
    def part(**changes):
        return lambda envelope: envelope | changes

    def payload(edit):
        def made(envelope):
            text = edit(b64decode(envelope["payload"]).decode())
            return envelope | {"payload": b64(text.encode())}

        return made

    yield "another type", part(payloadType="application/json"), "another type"
    yield "no signature", part(signatures=[]), "no signature"
    yield "signatures without end", lambda e: e | {"signatures": e["signatures"] * 5}, "too many"
    yield "same key twice", lambda e: e | {"signatures": [e["signatures"][0]] * 2}, "signed twice"
    yield "one half only", lambda e: e | {"signatures": e["signatures"][:1]}, "not signed by"
    yield "other half only", lambda e: e | {"signatures": e["signatures"][1:]}, "not signed by"
    yield "unknown field", part(more=1), "as it must be"
    yield "spaces", json.dumps, "canonical"
    yield "not JSON", lambda e: "x", "as it must be"
    yield "huge", lambda e: " " * 50_000, "at most"
    yield "label", payload(lambda text: text.replace("OFFICIAL-SENSITIVE", "OFFICIAL")), "not signed by"
    yield "party", payload(lambda text: text.replace('"party":"gbr"', '"party":"aus"')), "not signed by"
    yield "payload with a space", payload(lambda text: text + " "), "canonical"
    yield "payload with a repeated key", payload(lambda text: text.replace("{", '{"access":[],', 1)), "canonical"
    yield "payload with another key", payload(lambda text: text.replace("}", ',"x":1}', 1)), "as it must be"
    yield "later version", payload(lambda text: text.replace('"v":1', '"v":2')), "version 2"
    yield "no digest", payload(lambda text: text.replace('"names":"', '"names":"x')), "digest that is none"


STATEMENTS = {name: (edit, words) for name, edit, words in statements()}


@pytest.mark.parametrize("case", STATEMENTS)
def test_owner_statement(case, tmp_path):
    edit, words = STATEMENTS[case]
    manifest = json.loads(MANIFEST)
    refused(say(manifest, edit(said(manifest))), tmp_path, words)


def signed_by(signer, **changes):
    """The package with a statement that somebody else signed, everything else in order."""
    manifest = json.loads(MANIFEST)
    says = msgspec.json.decode(b64decode(said(manifest)["payload"]), type=Owned)
    made = OwnerStatement.sign(msgspec.structs.replace(says, **changes), signer)
    names = [{"keyid": name, "sig": b64(value)} for name, value in made.signatures.items()]
    envelope = {"payload": b64(made.payload), "payloadType": PAYLOAD_TYPE, "signatures": names}
    return say(manifest, envelope)


def test_signed_by_somebody_else(tmp_path):
    refused(signed_by(STRANGER), tmp_path, "not signed by `gbr/seal-1`", Forged)
    assert open_bytes(signed_by(OWNER), tmp_path / "out")[1] == PLAIN


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy": "0" * 64}, "policy"),
        ({"item": "0" * 32}, "item"),
        ({"origin": "node.usa.example/aukus/0"}, "item"),
        ({"segments": "0" * 64}, "segment table"),
        ({"mime": "text/html"}, "media type"),
        ({"access": ()}, "list of nodes"),
        ({"assertions": ()}, "list of assertions"),
        ({"payload": "0" * 64}, "payload"),
        ({"names": "0" * 64}, "file name"),
    ],
)
def test_a_statement_about_something_else(changes, words, tmp_path):
    refused(signed_by(OWNER, **changes), tmp_path, words, Forged)


def test_a_package_of_other_software_needs_a_word_from_the_caller(tmp_path):
    manifest = json.loads(MANIFEST)
    del manifest["assertions"]
    data = packed(PAYLOAD, manifest)
    refused(data, tmp_path, "no statement of its owner", Refused)
    assert open_bytes(data, tmp_path / "out", key=None)[1] == PLAIN
    (tmp_path / "out").unlink()
    refused(DATA, tmp_path, "must be verified", Refused, key=None)


def test_the_package_that_was_read_is_the_one_that_is_opened(tmp_path):
    found, other = package.read(io.BytesIO(DATA)), sealed()
    with pytest.raises(Conflict, match="another one"):
        package.open_sealed(found, io.BytesIO(other), tmp_path / "x", lambda a: [None], OWNER.public, {URL})


# ── the text of the manifest ──


def texts():
    text = MANIFEST.decode()
    yield "not JSON", "x", "not JSON"
    yield "an array", "[]", "not an object"
    yield "a number", "1", "not an object"
    yield "key twice", text.replace("{", '{"schemaVersion":"4.3.0",', 1), "`schemaVersion` stands there twice"
    yield "key twice, spelled otherwise", text.replace("{", '{"schema\\u0056ersion":"4.3.0",', 1), "twice"
    yield "inner key twice", text.replace('"policy":', '"policy":"","policy":', 1), "`policy` stands there twice"
    yield "NaN", text.replace(":512", ":NaN", 1), "NaN"
    yield "minus zero", text.replace(":512", ":-0", 1), "minus zero"
    yield "a very long number", text.replace(":512", ":" + "9" * 5000, 1), "too large"
    yield "byte order mark", "\ufeff" + text, "not JSON"
    yield "surrogate", text.replace("text/csv", "\\ud800", 1), "not JSON"
    yield "nested", "[" * 100_000, "refused"
    yield "many arrays", "[" + "[]," * 400_000 + "[]]", "more parts"
    yield "many numbers", "[" + "1," * 1_300_000 + "1]", "more parts"
    yield "too long", text + " " * (10 * 1024 * 1024), "at most"
    rows = ",".join(['{"hash":"AAAAAAAAAAAAAAAAAAAAAA=="}'] * 120_000)
    yield "segments without end", text.replace('"segments":[', f'"segments":[{rows},', 1), "segment sizes"


TEXTS = {name: (text, words) for name, text, words in texts()}


@pytest.mark.parametrize("case", TEXTS)
def test_text_of_the_manifest(case, tmp_path):
    text, words = TEXTS[case]
    refused(packed(PAYLOAD, text.encode("utf-8", "surrogatepass")), tmp_path, words, Malformed)


def test_latin_1_is_not_utf_8(tmp_path):
    refused(packed(PAYLOAD, MANIFEST.replace(b"text/csv", b"text/\xe9")), tmp_path, "not JSON", Malformed)


def test_fields_that_nobody_knows_are_passed_by(tmp_path):
    manifest = json.loads(MANIFEST)
    manifest["new"] = [1.5, None]
    manifest["payload"]["new"] = encryption(manifest)["new"] = kao(manifest)["new"] = {"a": 1.5}
    kao(manifest)["schemaVersion"] = None
    del table(manifest)["segments"][0]["segmentSize"], table(manifest)["segments"][0]["encryptedSegmentSize"]
    assert open_bytes(packed(PAYLOAD, manifest), tmp_path / "out")[1] == PLAIN


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_single_byte_can_be_altered(data, tmp_path):
    # What may be altered and still opens says nothing: dates and versions in zip headers, fields that nobody reads.
    at = data.draw(st.integers(0, len(DATA) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != DATA[at]))
    altered = DATA[:at] + bytes([value]) + DATA[at + 1 :]
    try:
        _, plain = open_bytes(altered, tmp_path / "out")
    except ReltoError:
        assert list(tmp_path.iterdir()) == []
    else:
        assert plain == PLAIN
        (tmp_path / "out").unlink()
