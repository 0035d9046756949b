"""Sealed files around a node: fetched in pieces, shown, watched for, followed, asked back. And format 4.2.2 of others."""

import base64
import hashlib
import http.server
import io
import json
import os
import threading
import urllib.error
import urllib.request
import zipfile

import keyaccess_kit as kit
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relto.cli import main
from relto.errors import Forged, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.keys import AccessKey, wrap_share
from relto.node import client as person_side
from relto.node.client import Gathering
from relto.node.custody import custody
from relto.node.peers import http_client
from relto.node.sealing import seal_item
from relto.node.shelf import fetch, shelve
from relto.node.watching import Watch
from relto.package import Policy, ShareFor, access, open_sealed, read, seal
from relto.package.manifest import Binding
from relto.package.strict import sign_jws


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = kit.found(tmp_path_factory.mktemp("packages"))
    with made.serving("gbr", "aus"):
        yield made


def sealed(live, path, data=b"depth"):
    gbr = live.nodes["gbr"]
    seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(data), path, name="f.csv")
    return path


# ── the shelf ──


def test_a_package_is_had_by_its_digest_whole_or_in_ranges(live, tmp_path):
    path = sealed(live, tmp_path / "f.tdf", os.urandom(3_000_000))
    digest = shelve(live.directory / "gbr", path)
    url = f"{live.url['gbr']}/packages/{digest}.tdf"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == path.read_bytes()
    request = urllib.request.Request(url, headers={"range": "bytes=100-199"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert (answer.status, answer.read()) == (206, path.read_bytes()[100:200])
    for name in ("0" * 64, "../relto", "..%2frelto.toml", digest.upper()):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{live.url['gbr']}/packages/{name}.tdf", timeout=10)
        assert refused.value.code == 404
        refused.value.close()
    with pytest.raises(ReltoError):
        shelve(live.directory / "gbr", live.directory / "gbr" / "relto.toml")


# ── memory ──


def test_the_commands_around_a_package_stay_small(live, tmp_path):
    """64 MiB in all; 13 of the room are an array library that none of them needs, and every other command's module."""
    plain, package, out = tmp_path / "plain", tmp_path / "f.tdf", tmp_path / "out"
    plain.write_bytes(os.urandom(1 << 20))
    gbr, aus = live.directory / "gbr", live.directory / "aus"
    person_side.login(aus, "ada")
    held = {
        "seal": kit.weighed("seal", plain, "--item", kit.ITEM, "-o", package, "--node", gbr),
        "show": kit.weighed("package", "show", package, "--node", gbr),
        "open": kit.weighed("open", package, "-o", out, "--node", aus),
    }
    assert out.read_bytes() == plain.read_bytes()
    assert max(held.values()) < 64, held


class Breaking(http.server.BaseHTTPRequestHandler):
    """Serves `data` with ranges; each answer breaks off after `piece` bytes."""

    def do_GET(self):
        server = self.server
        start = 0
        asked = self.headers.get("range")
        if asked and self.headers.get("if-range") == server.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        server.starts.append(start)
        rest = server.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("content-length", str(len(rest)))
        self.send_header("etag", server.etag)
        if start:
            self.send_header("content-range", f"bytes {start}-{len(server.data) - 1}/{len(server.data)}")
        self.end_headers()
        self.wfile.write(rest[: server.piece])
        if server.changes:
            server.etag, server.data, server.changes = '"two"', bytes(server.changes), None

    def log_message(self, *arguments):
        pass


@pytest.fixture
def breaking():
    server = http.server.HTTPServer(("127.0.0.1", 0), Breaking)
    server.data, server.piece, server.etag, server.starts, server.changes = (
        os.urandom(700_000),
        200_000,
        '"one"',
        [],
        None,
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, f"http://127.0.0.1:{server.server_port}/f.tdf"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_download_goes_on_where_it_broke_off(breaking, tmp_path):
    server, url = breaking
    with http_client() as client:
        fetch(client, url, tmp_path / "f.tdf")
    assert (tmp_path / "f.tdf").read_bytes() == server.data
    assert server.starts == [0, 200_000, 400_000, 600_000]
    assert [one.name for one in tmp_path.iterdir()] == ["f.tdf"]


def test_another_file_at_the_address_is_fetched_from_its_beginning(breaking, tmp_path):
    server, url = breaking
    server.changes = 300_000
    with http_client() as client:
        fetch(client, url, tmp_path / "f.tdf")
    assert (tmp_path / "f.tdf").read_bytes() == bytes(300_000)


def test_a_download_that_never_moves_ends_and_keeps_what_came(breaking, tmp_path):
    server, url = breaking
    server.piece = 0
    with http_client() as client:
        with pytest.raises(Unavailable, match="breaks off"):
            fetch(client, url, tmp_path / "f.tdf")
        assert len(server.starts) == 5
        server.piece = 10**9
        fetch(client, url, tmp_path / "f.tdf")
        with pytest.raises(Malformed):
            fetch(client, "file:///etc/passwd", tmp_path / "g.tdf")
    assert (tmp_path / "f.tdf").read_bytes() == server.data


# ── what a package says ──


def run(capsys, *words):
    status = main.run(list(words))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_a_package_is_shown_with_what_verifies_it(live, tmp_path, capsys):
    path = sealed(live, tmp_path / "f.tdf")
    status, out, _ = run(capsys, "package", "show", str(path), "--json", "--node", str(live.directory / "aus"))
    view = json.loads(out)
    assert status == 0
    assert (view["owner"], view["item"], view["verified"]) == ("gbr", f"{kit.ITEM}@1", "by the seal key of gbr")
    assert [(one["node"], one["in_directory"]) for one in view["shares"]] == [("gbr", True)]
    assert "f.csv" not in out
    assert "Array" not in out
    _, out, _ = run(capsys, "package", "show", str(path), "--json", "--node", str(tmp_path))
    assert json.loads(out)["verified"].startswith("no: there is no node here")
    status, out, _ = run(capsys, "package", "show", str(path), "--node", str(live.directory / "aus"))
    assert "label: OFFICIAL-SENSITIVE" in out
    assert run(capsys, "package", "show", str(tmp_path / "none"))[0] == 2


def marked(live, path, banner, level, rel):
    """Sealed by the owner itself with a banner and, for other software, perhaps another label."""
    gbr = live.nodes["gbr"]
    key = gbr.register.party("gbr").keys.access[1]
    said = {"ocl": {"pol": "GBR", "cls": level, "catl": [{"type": "P", "name": "Releasable To", "vals": rel}]}}
    seal(
        io.BytesIO(b"depth"), path, policy=Policy.for_item("gbr.localhost", live.opaque, live.random),
        recipients=[ShareFor(url=live.url["gbr"] + "/kas", kid=key.kid, public_pem=key.pem)], name="f.csv", title="T",
        mime="text/csv", label_banner=banner, label_statement=json.dumps(said), signer=gbr.keys.seal, party="gbr",
        origin=gbr.origin, now=gbr.clock(), random=live.random,
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("banner", "level", "rel", "same"),
    [
        ("OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA", "OFFICIAL-SENSITIVE", ["AUS", "GBR", "USA"], True),
        ("OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA", "SECRET", ["AUS", "GBR", "USA"], False),
        ("OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA", "OFFICIAL-SENSITIVE", ["AUS", "GBR", "JPN", "USA"], False),
        ("OFFICIAL", "OFFICIAL", ["GBR"], True),
    ],
)
def test_a_label_that_says_two_things_is_refused_before_anybody_is_asked(
    live, tmp_path, monkeypatch, banner, level, rel, same
):
    path = marked(live, tmp_path / "f.tdf", banner, level, rel)
    session = live.session("aus", "ada").session
    monkeypatch.setattr(person_side, "session_of", lambda directory, alias: session)
    before = len(live.register("gbr").releases)

    def opened():
        return person_side.open_package(live.directory / "aus", path, tmp_path / "out")

    if same:
        assert opened()[0].label == banner
        return
    with pytest.raises(Refused, match="says something else"):
        opened()
    assert len(live.register("gbr").releases) == before
    assert not (tmp_path / "out").exists()


# ── the watched folder ──


def test_what_is_dropped_into_a_folder_is_sealed_once_it_is_whole(live, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    told = []
    watch = Watch(folder, out, lambda path, target: sealed(live, target, path.read_bytes()),
                  lambda path, target, error: told.append((path.name, error)), remove=False)  # fmt: skip
    (folder / "a.txt").write_bytes(b"half")
    (folder / ".hidden").write_bytes(b"x")
    (folder / "link").symlink_to(folder / "a.txt")
    (folder / "deeper").mkdir()
    assert watch.look() == 0, "it may still be written to"
    (folder / "a.txt").write_bytes(b"half and the rest")
    assert watch.look() == 0
    assert watch.look() == 1
    assert watch.look() == 0
    assert told == [("a.txt", None)]
    assert [one.name for one in out.iterdir()] == ["a.txt.tdf"]
    again = Watch(folder, out, lambda *_: pytest.fail("sealed twice"), lambda *_: None, remove=False)
    assert again.look() + again.look() == 0
    os.utime(folder / "a.txt", ns=(2**62, 2**62))
    watch.look()
    assert watch.look() == 1, "a file that changed is sealed anew"


def test_a_file_goes_only_after_its_package_and_a_failure_is_told_once(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    with pytest.raises(NotFound):
        Watch(folder, out, print, print, remove=True)
    with pytest.raises(Malformed):
        Watch(folder, folder, print, print, remove=True)
    out.mkdir()
    told, working = [], []

    def seal(path, target):
        if not working:
            raise Refused("retired")
        target.write_bytes(b"sealed")

    watch = Watch(folder, out, seal, lambda path, target, error: told.append(str(error)), remove=True)
    (folder / "a").write_bytes(b"x")
    for _ in range(4):
        watch.look()
    assert told == ["retired"]
    assert (folder / "a").exists()
    working.append(1)
    os.utime(folder / "a")
    watch.look()
    watch.look()
    assert not (folder / "a").exists()
    assert (out / "a.tdf").read_bytes() == b"sealed"


# ── custody and recall ──


def test_a_share_is_followed_from_its_release_to_the_certificate(live, tmp_path, capsys):
    path = sealed(live, tmp_path / "f.tdf")
    package, aus, gbr = read(path), live.nodes["aus"], live.nodes["gbr"]
    gather = Gathering(live.session("aus", "tom"), aus, package, "evaluation", "AUS")

    def stages():
        return [(one["to"], one["stage"]) for one in custody(gbr, kit.ITEM, package.policy.digest)]

    assert stages() == []
    open_sealed(package, path, tmp_path / "out", gather, gbr.keys.seal.public, set(gather.known))
    assert [stage for _, stage in stages()] == ["unfetched"]
    live.sync()
    assert [stage for _, stage in stages()] == ["received"]
    gather.tell()
    live.sync()
    assert [stage for _, stage in stages()] == ["opened"]

    at = {party: ("--node", str(live.directory / party)) for party in ("gbr", "aus")}
    order = ("recall", "order", str(path), "--by", "2040-01-01", "--reason", "superseded")
    assert run(capsys, *order, *at["gbr"])[0] == 2, "nothing signs it"
    status, out, _ = run(capsys, *order, "--dry-run", *at["gbr"])
    assert (status, out.count("would be asked")) == (0, 1)
    # The demo's nodes serve in this process, so the act goes in as an officer's does, by the node's own door.
    release = gather.answers[0].release
    recalled = live.act("gbr", "recall", release=release, order="destroy", by="2040-01-01", reason="superseded")
    live.sync()
    again = Gathering(live.session("aus", "tom"), aus, package, "evaluation", "AUS")
    with pytest.raises(Refused, match="does not release"):
        again(package.key_access)
    status, out, _ = run(capsys, "recall", "list", "--json", *at["aus"])
    (row,) = [one for one in json.loads(out)["results"] if one["because"] == recalled]
    assert (row["holder"], row["state"]) == ("aus", "outstanding")
    assert json.loads(run(capsys, "recall", "list", "--overdue", "--json", *at["aus"])[1])["count"] == 0
    assert run(capsys, "recall", "answer", release[:16], "kept", "--dry-run", *at["aus"])[0] == 2, "without a reason"
    assert run(capsys, "recall", "answer", release[:16], "destroyed", "--dry-run", *at["gbr"])[0] == 2, "not the holder"
    assert run(capsys, "recall", "answer", release[:16], "destroyed", "--dry-run", *at["aus"])[0] == 0
    live.act("aus", "answer", release=release, because=recalled, answer="destroyed")
    live.sync()
    (row,) = custody(gbr, kit.ITEM, package.policy.digest)
    assert row["orders"] == [{"because": recalled, "order": "destroy", "by": "2040-01-01", "answers": ["destroyed"]}]
    status, out, _ = run(capsys, "package", "custody", str(path), *at["gbr"])
    assert "destroy by 2040-01-01: destroyed" in out


# ── 4.2.2 ──

DEK, NODE = bytes(range(32)), AccessKey.generate("ec:secp256r1")
PARTS = (b"hello ", b"world")


def old_file(edit=lambda manifest: None, version=None):
    """As clients before 4.3.0 wrote it: hashes are base64 of hex text, and no version stands there."""

    def hexed(raw):
        return base64.b64encode(raw.hex().encode()).decode()

    import hmac

    sealed_ = [
        bytes(11) + bytes([n]) + AESGCM(DEK).encrypt(bytes(11) + bytes([n]), part, None)
        for n, part in enumerate(PARTS, 1)
    ]
    aggregate = "".join(part[-16:].hex() for part in sealed_).encode()
    policy = Policy.for_item("node.gbr.example", "00" * 16, os.urandom)
    wrapped = wrap_share(NODE.public_pem, DEK, os.urandom)
    body = {"id": "label", "type": "handling", "scope": "tdo", "appliesToState": "encrypted",
            "statement": {"format": "json", "schema": "", "value": "{}"}}  # fmt: skip
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    claims = {"assertionHash": digest, "assertionSig": base64.b64encode(aggregate + digest.encode()).decode()}
    jws = sign_jws({"alg": "HS256"}, json.dumps(claims).encode(), lambda text: hmac.digest(DEK, text, "sha256"))
    manifest = {
        "payload": {"type": "reference", "url": "0.payload", "protocol": "zip", "isEncrypted": True, "mimeType": "text/plain"},
        "encryptionInformation": {
            "type": "split",
            "keyAccess": [{
                "type": "ec-wrapped", "url": "https://node.gbr.example/kas", "protocol": "kas", "kid": NODE.kid,
                "wrappedKey": base64.b64encode(wrapped.wrapped).decode(), "ephemeralPublicKey": wrapped.ephemeral_pem,
                "policyBinding": Binding.of(policy.binding(DEK)).hash,
            }],
            "method": {"algorithm": "AES-256-GCM", "isStreamable": True, "iv": ""},
            "policy": policy.text,
            "integrityInformation": {
                "rootSignature": {"alg": "HS256", "sig": hexed(hmac.digest(DEK, aggregate, "sha256"))},
                "segmentHashAlg": "GMAC", "segmentSizeDefault": 6, "encryptedSegmentSizeDefault": 34,
                "segments": [{"hash": hexed(part[-16:]), "segmentSize": len(part) - 28, "encryptedSegmentSize": len(part)}
                             for part in sealed_],
            },
        },
        "assertions": [body | {"binding": {"method": "jws", "signature": jws}}],
    }  # fmt: skip
    if version:
        manifest["tdf_spec_version"] = version
    edit(manifest)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("0.payload", b"".join(sealed_))
        file.writestr("0.manifest.json", json.dumps(manifest))
    return out


def opened_old(file, target):
    package = read(file)
    return open_sealed(
        package, file, target, lambda asked: [access.unwrap({NODE.kid: NODE}, one, package.policy) for one in asked],
        None, {"https://node.gbr.example/kas"},
    )  # fmt: skip


@pytest.mark.parametrize("version", [None, "4.2.2"])
def test_files_of_4_2_2_are_read(tmp_path, version):
    opened_old(old_file(version=version), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"hello world"


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda m: m["encryptionInformation"]["integrityInformation"]["segments"].reverse(), ReltoError),
        (lambda m: m["encryptionInformation"]["integrityInformation"]["segments"].pop(), ReltoError),
        (lambda m: m["encryptionInformation"]["integrityInformation"]["rootSignature"].update(alg="GMAC"), Refused),
        (lambda m: m["encryptionInformation"]["integrityInformation"]["rootSignature"].update(sig="QUJD"), Malformed),
        (lambda m: m["encryptionInformation"]["integrityInformation"]["rootSignature"].update(
            sig=base64.b64encode(bytes(32).hex().encode()).decode()), Forged),
        (lambda m: m["assertions"][0]["statement"].update(value="{ }"), Refused),
        (lambda m: m.update(schemaVersion="4.3.0"), Malformed),
        (lambda m: m.update(schemaVersion="4.4.0"), Refused),
    ],
)  # fmt: skip
def test_altered_ones_are_not(tmp_path, edit, error):
    with pytest.raises(error):
        opened_old(old_file(edit), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
