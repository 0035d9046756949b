"""Sealing and opening when nothing is wrong."""

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from package_forge import (
    BANNER,
    HOST,
    ITEM,
    KEYS,
    LABEL,
    MINE,
    NODE,
    OTHER_URL,
    OWNER,
    PLAIN,
    THEIRS,
    URL,
    arguments,
    members,
    open_bytes,
    sealed,
)

from relto import package
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, Unavailable
from relto.keys import AccessKey, SecretKey
from relto.package import Policy, ShareFor, access, spread

SEGMENT = 512


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 3 * SEGMENT + 7])
@pytest.mark.parametrize("shares", ["one", "two"])
def test_sizes(size, shares, tmp_path):
    plain = os.urandom(size)
    recipients = [MINE] if shares == "one" else spread([MINE, THEIRS], 2)
    data = sealed(plain, recipients=recipients)
    opened, text = open_bytes(data, tmp_path / "out")
    assert text == plain
    assert opened == package.Opened(
        name="trials.csv", title="Trials, second series", mime="text/csv", size=size, label=BANNER
    )
    payload, raw = members(data)
    count = max(1, -(-size // SEGMENT))
    assert len(payload) == size + 28 * count
    assert len(json.loads(raw)["encryptionInformation"]["integrityInformation"]["segments"]) == count


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain=st.binary(max_size=300), segment=st.integers(1, 64), known=st.booleans())
def test_any_bytes_any_segment(plain, segment, known, tmp_path):
    class Pipe(io.BytesIO):
        def seekable(self):
            return known

        def read(self, size=-1):
            return super().read(min(size, 7))

        def readinto(self, into):
            return super().readinto(into[:7])

    out = io.BytesIO()
    package.seal(Pipe(plain), out, **arguments(segment_size=segment))
    assert open_bytes(out.getvalue(), tmp_path / "out")[1] == plain


def test_what_the_package_says(tmp_path):
    target = tmp_path / "a.tdf"
    (tmp_path / "a.csv").write_bytes(PLAIN)
    made = package.seal(tmp_path / "a.csv", target, **arguments())
    found = package.read(target)
    payload, raw = members(target.read_bytes())
    assert found.digest == made.digest == hashlib.sha256(raw).digest()
    assert (found.size, found.label, found.label_statement) == (len(PLAIN), BANNER, LABEL)
    assert found.policy.item == (HOST, ITEM)
    assert found.urls == (URL,)
    says = found.check(OWNER.public)
    assert says == made.statement
    assert (says.party, says.origin, says.item, says.mime) == ("gbr", f"{HOST}/aukus/0", ITEM, "text/csv")
    assert says.policy == hashlib.sha256(found.policy.text.encode()).hexdigest()
    assert says.payload == hashlib.sha256(payload).hexdigest()
    assert [part.id for part in says.assertions] == ["label", "relto-manifest"]
    assert says.sealed_at == 1_767_225_600_000
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.tdf"]


def test_a_bearer_learns_no_name():
    data = sealed(name="Barracuda-results.csv", title="Barracuda")
    assert b"arracuda" not in data
    assert ITEM.encode() not in data  # only inside the base64 policy and the statement
    assert package.read(io.BytesIO(data)).policy.attributes == (f"https://{HOST}/attr/item/value/{ITEM}",)


def test_the_statement_is_signed_by_both_halves_of_a_key():
    plain = SecretKey("gbr/seal-1", bytes(32))
    found = package.read(io.BytesIO(sealed(signer=plain)))
    assert len(found.owner.signatures) == 1
    assert found.check(plain.public).party == "gbr"
    assert len(package.read(io.BytesIO(sealed())).owner.signatures) == 2


@pytest.mark.parametrize(
    ("need", "missing", "opens"),
    [(1, 2, True), (1, 3, False), (2, 0, True), (2, 1, True), (2, 2, False), (3, 0, True), (3, 1, False)],
)
def test_so_many_of_three_owners(need, missing, opens, tmp_path):
    nodes = [AccessKey.generate("ec:secp256r1") for _ in range(3)]
    urls = [f"https://n{number}.example/kas" for number in range(3)]
    recipients = spread(
        [ShareFor(url=url, kid=key.kid, public_pem=key.public_pem) for url, key in zip(urls, nodes, strict=True)], need
    )
    assert len({part.sid for part in recipients}) == {1: 1, 2: 3, 3: 3}[need]
    data = sealed(recipients=recipients)
    keys = {key.kid: key for key in nodes}
    for lost in ([*range(missing)], [*range(3 - missing, 3)]):
        gone = {urls[number] for number in lost}
        if opens:
            assert open_bytes(data, tmp_path / "out", allowed=urls, missing=gone, keys=keys)[1] == PLAIN
        else:
            with pytest.raises(Refused, match="did not hand over its share"):
                open_bytes(data, tmp_path / "none", allowed=urls, missing=gone, keys=keys)
            assert not (tmp_path / "none").exists()


def test_spreading():
    nodes = [ShareFor(url=f"https://{n}.example/kas", kid="k", public_pem="") for n in "abcde"]
    assert len(spread(nodes, 3)) == 30
    assert len({part.sid for part in spread(nodes, 3)}) == 10
    assert all(part.sid == "" for part in spread(nodes, 1))
    for need in (0, 6):
        with pytest.raises(Refused):
            spread(nodes, need)
    with pytest.raises(Refused, match="more than 64"):
        spread(nodes * 2, 5)


def test_names_stand_under_each_share(tmp_path):
    data = sealed(recipients=spread([MINE, THEIRS], 2))
    accesses = package.read(io.BytesIO(data)).key_access
    assert len({part.encrypted_metadata for part in accesses}) == 2
    assert open_bytes(data, tmp_path / "out")[0].title == "Trials, second series"


def test_an_existing_file_is_replaced_only_at_the_end(tmp_path):
    target = tmp_path / "out"
    target.write_bytes(b"before")
    found = package.read(io.BytesIO(data := sealed()))

    def refuse(accesses):
        assert target.read_bytes() == b"before"
        raise Refused("no")

    with pytest.raises(Refused, match=r"^no$"):
        package.open_sealed(found, io.BytesIO(data), target, refuse, OWNER.public, {URL})
    assert target.read_bytes() == b"before"
    open_bytes(data, target)
    assert target.read_bytes() == PLAIN
    assert list(tmp_path.iterdir()) == [target]


def test_progress(tmp_path):
    seen = []
    data = io.BytesIO()
    package.seal(io.BytesIO(PLAIN), data, **arguments(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(512, 1280), (1024, 1280), (1280, 1280)]
    seen.clear()
    found = package.read(data)
    release = lambda accesses: [access.unwrap(KEYS, part, found.policy) for part in accesses]  # noqa: E731
    package.open_sealed(
        found, data, tmp_path / "out", release, OWNER.public, {URL}, progress=lambda *at: seen.append(at)
    )
    assert seen == [(512, 1280), (1024, 1280), (1280, 1280)]


REFUSED_AT_SEALING = {
    "no recipient": ({"recipients": []}, Refused, "nodes that hold"),
    "named and unnamed shares": (
        {"recipients": [MINE, ShareFor(url=OTHER_URL, kid="k", public_pem=NODE.public_pem, sid="s1")]},
        Refused,
        "one share for all",
    ),
    "same node twice": ({"recipients": [MINE, MINE]}, Refused, "twice"),
    "url of a file": (
        {"recipients": [ShareFor(url="file:///etc", kid="k", public_pem=NODE.public_pem)]},
        Malformed,
        "node",
    ),
    "key id with a line": (
        {"recipients": [ShareFor(url=URL, kid="k\n", public_pem=NODE.public_pem)]},
        Malformed,
        "plain",
    ),
    "empty policy": (
        {"policy": Policy.parse("eyJ1dWlkIjoiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIiwiYm9keSI6e319")},
        Refused,
        "exactly one",
    ),
    "item of another host": ({"policy": Policy.for_item("node.usa.example", ITEM, os.urandom)}, Refused, "usa"),
    "folder in name": ({"name": "../trials.csv"}, Malformed, "not a file name"),
    "empty name": ({"name": ""}, Malformed, "not a file name"),
    "dots": ({"name": ".."}, Malformed, "not a file name"),
    "drive": ({"name": "c:x"}, Malformed, "not a file name"),
    "long name": ({"name": "é" * 200}, Malformed, "not a file name"),
    "turned name": ({"name": "fdp\u202egpj.exe"}, Malformed, "does not show"),
    "surrogate": ({"name": "a\udcff"}, Malformed, "does not show"),
    "decomposed": ({"title": "e\u0301"}, Malformed, "NFC"),
    "two lines": ({"title": "a\nb"}, Malformed, "does not show"),
    "long title": ({"title": "a" * 501}, Malformed, "at most 500"),
    "long banner": ({"label_banner": "a" * 501}, Malformed, "at most 500"),
    "mime": ({"mime": "text"}, Malformed, "media type"),
    "label no json": ({"label_statement": "SECRET"}, Malformed, "not JSON"),
    "label no object": ({"label_statement": "[]"}, Malformed, "JSON object"),
    "label surrogate": ({"label_statement": '{"a":"\udcff"}'}, Malformed, "not JSON"),
    "label repeats": ({"label_statement": '{"a":1,"a":2}'}, Malformed, "twice"),
    "label huge": ({"label_statement": '{"a":"' + "x" * 40_000 + '"}'}, Malformed, "at most"),
    "party": ({"party": "GBR"}, Malformed, "names no party"),
    "origin": ({"origin": "node.gbr.example"}, Malformed, "names no party, origin"),
    "time": ({"now": -1}, Malformed, "no time"),
    "segment none": ({"segment_size": 0}, Refused, "segment"),
    "segment too large": ({"segment_size": 4 * 1024 * 1024}, Refused, "segment"),
}


@pytest.mark.parametrize("case", REFUSED_AT_SEALING)
def test_refused_at_sealing(case, tmp_path):
    changes, error, words = REFUSED_AT_SEALING[case]
    target = tmp_path / "a.tdf"
    with pytest.raises(error, match=words):
        package.seal(io.BytesIO(PLAIN), target, **arguments(**changes))
    assert list(tmp_path.iterdir()) == []
    out = io.BytesIO(b"kept")
    out.seek(4)
    with pytest.raises(error):
        package.seal(io.BytesIO(PLAIN), out, **arguments(**changes))
    assert out.getvalue() == b"kept"


def test_what_no_reader_would_take_is_not_written(tmp_path):
    # 64 nodes with addresses of 1000 characters: each is allowed, together they are more than a statement may hold.
    many = [
        ShareFor(url=f"https://n.example/{number:0980}", kid="k", public_pem=NODE.public_pem) for number in range(64)
    ]
    with pytest.raises(Malformed, match="longer than 65536"):
        package.seal(io.BytesIO(PLAIN), tmp_path / "a.tdf", **arguments(recipients=many))
    assert list(tmp_path.iterdir()) == []


def test_a_signer_that_signs_something_else(tmp_path):
    class Broken:
        public = OWNER.public

        def sign(self, message):
            return OWNER.sign(message + b"!")

    with pytest.raises(Forged, match="not signed by"):
        package.seal(io.BytesIO(PLAIN), tmp_path / "a.tdf", **arguments(signer=Broken()))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changes_while_it_is_sealed(tmp_path):
    class Growing(io.BytesIO):
        def readinto(self, into):
            count = super().readinto(into)
            here = self.tell()
            self.seek(0, 2)
            self.write(b"more")
            self.seek(here)
            return count

    class Shrinking(io.BytesIO):
        def readinto(self, into):
            self.truncate(600)
            return super().readinto(into)

    for source in (Growing(PLAIN), Shrinking(PLAIN)):
        with pytest.raises(Conflict):
            package.seal(source, tmp_path / "a.tdf", **arguments())
    assert list(tmp_path.iterdir()) == []


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(NotFound):
        package.read(tmp_path / "none")
    with pytest.raises(Refused, match="is not a file"):
        package.read(tmp_path)
    with pytest.raises(Refused, match="is not a file"):
        package.seal(tmp_path, tmp_path / "a.tdf", **arguments())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="is not a file"):
        package.read(tmp_path / "pipe")
    with pytest.raises(Refused, match="is a folder"):
        package.seal(io.BytesIO(PLAIN), tmp_path, **arguments())
    with pytest.raises(Unavailable, match="cannot be written"):
        package.seal(io.BytesIO(PLAIN), tmp_path / "no" / "a.tdf", **arguments())
    with pytest.raises(NotFound):
        package.read(tmp_path / "no" / "a.tdf")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_nobody_is_asked_for_a_file_that_cannot_be_written(tmp_path):
    data = sealed()

    def never(accesses):
        raise AssertionError("asked")

    for target in (tmp_path / "no" / "out", tmp_path):
        with pytest.raises((Unavailable, Refused)):
            package.open_sealed(package.read(io.BytesIO(data)), io.BytesIO(data), target, never, OWNER.public, {URL})


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    class Full(io.BytesIO):
        def write(self, data):
            if self.tell() > 700:
                raise OSError(28, "No space left on device")
            return super().write(data)

    out = Full()
    with pytest.raises(Unavailable, match="No space left"):
        package.seal(io.BytesIO(PLAIN), out, **arguments())
    assert out.getvalue() == b""


def test_memory_does_not_grow_with_the_file(tmp_path):
    source = tmp_path / "big"
    with source.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    script = textwrap.dedent("""
        import os, resource, sys
        from relto import package
        from relto.keys import AccessKey, SecretKey
        from relto.package import Policy, ShareFor, access
        folder = sys.argv[1]
        node, owner = AccessKey.generate("ec:secp256r1"), SecretKey.generate("gbr/seal-1", os.urandom)
        url, rss = "https://node.gbr.example/kas", lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        before = rss()
        package.seal(folder + "/big", folder + "/big.tdf",
            policy=Policy.for_item("node.gbr.example", "0" * 32, os.urandom),
            recipients=[ShareFor(url=url, kid=node.kid, public_pem=node.public_pem)], name="big", title="", mime="a/b",
            label_banner="", label_statement="{}", signer=owner, party="gbr", origin="node.gbr.example/aukus/0", now=0,
            random=os.urandom)
        between = rss()
        found = package.read(folder + "/big.tdf")
        release = lambda accesses: [access.unwrap({node.kid: node}, part, found.policy) for part in accesses]
        package.open_sealed(found, folder + "/big.tdf", folder + "/out", release, owner.public, {url})
        print(between - before, rss() - between)
    """)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    sealing, opening = map(int, done.stdout.split())
    assert sealing < 40 * 1024
    assert opening < 40 * 1024
    assert (tmp_path / "out").stat().st_size == 64 * 1024 * 1024
