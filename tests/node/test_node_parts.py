"""A folder in one package: who may have three of five parts gets three, and of the others sees what every bearer sees."""

import io
import zipfile

import keyaccess_kit as kit
import pytest

from relto.demo import cast
from relto.errors import Forged, Malformed, Refused, ReltoError
from relto.node import client as person_side
from relto.node.client import open_parts
from relto.node.sealing import seal_folder
from relto.package import read
from relto.package.parts import PARTS_MAX, Window, has_parts, read_parts, seal_parts

TEXTS = {"a.csv": b"one", "b.csv": b"", "c.csv": b"three" * 1000, "d-secret.csv": b"four", "e-secret.csv": b"five"}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = kit.found(tmp_path_factory.mktemp("parts"))
    fields = cast.items(made.time, {kit.ITEM: "0" * 32, cast.ITEM_B: "1" * 32, cast.ITEM_C: made.random(16).hex()})
    made.act("gbr", "register", **fields[cast.ITEM_C])
    made.sync()
    with made.serving("gbr", "aus"):
        yield made


@pytest.fixture(scope="module")
def sealed(live, tmp_path_factory):
    folder, gbr = tmp_path_factory.mktemp("folder"), live.nodes["gbr"]
    for name, text in TEXTS.items():
        (folder / name).write_bytes(text)
    open_, secret = gbr.register.item(kit.ITEM), gbr.register.item(cast.ITEM_C)
    files = [(folder / name, secret if "secret" in name else open_) for name in TEXTS]
    seal_folder(gbr, open_, files, folder.parent / "all.tdf")
    return folder.parent / "all.tdf"


@pytest.fixture
def opens(live, monkeypatch):
    """As Ada, logged in without a session file."""
    session = live.session("aus", "ada").session
    monkeypatch.setattr(person_side, "session_of", lambda directory, alias: session)

    def call(path, folder):
        return open_parts(live.directory / "aus", path, folder)

    return call


def test_three_of_five(live, sealed, opens, tmp_path):
    before = len(live.register("gbr").releases)
    parts = opens(sealed, tmp_path / "out")
    assert [bool(one.path) for one in parts] == [True, True, True, False, False]
    assert {one.name: one.read_bytes() for one in (tmp_path / "out").iterdir()} == {
        name: text for name, text in TEXTS.items() if "secret" not in name
    }
    assert {one.label for one in parts[:3]} == {"OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA"}
    assert [(one.title, one.label, one.size) for one in parts[3:]] == [("", "", 4), ("", "", 4)]
    assert len(live.register("gbr").releases) == before + 3
    assert len({release for one in parts for release in one.releases}) == 3


def test_every_bearer_sees_the_same_of_every_part(sealed):
    parted, raw = read_parts(sealed), sealed.read_bytes()
    labels = {one.label for one in parted.packages}
    assert labels == {parted.says.label}
    assert "SECRET" in parted.says.label, "the label of the whole is the most restrictive"
    assert {one.manifest.mime for one in parted.packages} == {"application/octet-stream"}
    for word in (b"secret", b"a.csv", b"Array", b"Pump", kit.ITEM.encode(), cast.ITEM_C.encode()):
        assert word not in raw


def test_a_part_taken_out_opens_in_any_reader(live, sealed, tmp_path):
    assert has_parts(sealed)
    with zipfile.ZipFile(sealed) as file:
        assert file.testzip() is None
        (tmp_path / "1.tdf").write_bytes(file.read("1.tdf"))
    assert not has_parts(tmp_path / "1.tdf")
    package = read(tmp_path / "1.tdf")
    assert package.digest.hex() == read_parts(sealed).says.parts[0].package
    assert package.check(live.nodes["gbr"].keys.seal.public)


def parts_of(path):
    with zipfile.ZipFile(path) as file:
        return [(name, file.read(name)) for name in file.namelist()]


def put_together(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name), data)
    return out


ALTERED = {
    "as it was, by another writer": (lambda m: m, None),
    "one removed": (lambda m: [(f"{n}.tdf", data) for n, (_, data) in enumerate(m[1:-1], 1)] + m[-1:], Forged),
    "the last removed": (lambda m: m[:4] + m[-1:], Forged),
    "one twice": (lambda m: [*m[:5], ("6.tdf", m[0][1]), m[-1]], Forged),
    "two exchanged": (lambda m: [("1.tdf", m[1][1]), ("2.tdf", m[0][1]), *m[2:]], Forged),
    "one of another package": (lambda m: [("1.tdf", m[2][1]), *m[1:]], Forged),
    "the list removed": (lambda m: m[:-1], Malformed),
    "a stranger's member": (lambda m: [*m[:5], ("x", b""), m[-1]], Malformed),
    "the list in front": (lambda m: [m[-1], *m[:-1]], Malformed),
    "a list of another form": (lambda m: [*m[:-1], ("parts.json", b" " + m[-1][1])], Malformed),
    "a list without its signature": (lambda m: [*m[:-1], ("parts.json", m[-1][1].replace(b'"sig":"', b'"sig":"AAAA'))], ReltoError),
}  # fmt: skip


@pytest.mark.parametrize("case", ALTERED)
def test_whatever_is_altered_is_noticed_before_anybody_is_asked(live, sealed, case, tmp_path):
    edit, error = ALTERED[case]
    data = put_together(edit(parts_of(sealed)))
    key = live.nodes["gbr"].keys.seal.public
    if error is None:
        assert read_parts(data).check(key)
        return
    with pytest.raises(error):
        read_parts(data).check(key)


def test_another_s_signature_and_bytes_between_are_refused(live, sealed):
    with pytest.raises(Forged):
        read_parts(sealed).check(live.nodes["usa"].keys.seal.public)
    for data in (b"x" + sealed.read_bytes(), sealed.read_bytes() + b"x", sealed.read_bytes()[:-300]):
        with pytest.raises(Malformed):
            read_parts(io.BytesIO(data))


def test_what_cannot_be_sealed_leaves_nothing(live, tmp_path):
    gbr = live.nodes["gbr"]
    item = gbr.register.item(kit.ITEM)
    (tmp_path / "a").write_bytes(b"x")
    for files in ([], [(tmp_path / "a", item)] * (PARTS_MAX + 1), [(tmp_path / "a", item), (tmp_path / "gone", item)]):
        with pytest.raises(ReltoError):
            seal_folder(gbr, item, files, tmp_path / "out.tdf")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    with pytest.raises(Refused):
        seal_parts(io.BytesIO(), [], item="", label="", signer=gbr.keys.seal, party="gbr", origin=gbr.origin, now=0)


def test_a_window_is_a_file_of_its_own():
    window = Window(io.BytesIO(b"0123456789"), 2, 5)
    assert (window.read(2), window.tell(), window.read(), window.read()) == (b"23", 2, b"456", b"")
    assert (window.seek(-1, io.SEEK_END), window.read(10)) == (4, b"6")
    assert (window.seek(1), window.seek(1, io.SEEK_CUR), window.read(1)) == (1, 2, b"4")
