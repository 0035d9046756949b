"""The zip outside: what other writers do is read, everything else is refused."""

import io
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib

import pytest
from package_forge import PLAIN, arguments, js_zip, members, open_bytes, packed, sealed

from relto import package
from relto.errors import Malformed, Refused
from relto.package import container
from relto.package.container import Writer, scan

DATA = sealed()
PAYLOAD, MANIFEST = members(DATA)


def zipped(*entries, comment=b"", stream=False, **options):
    """By Python's zip writer; entries are (name, bytes) or (name, bytes, compression)."""
    out = io.BytesIO()
    if stream:
        out.seekable = lambda: False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a name that stands there twice
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
            file.comment = comment
            for name, data, *method in entries:
                with file.open(zipfile.ZipInfo(name), "w", **options) if not method else _no() as member:
                    if member is None:
                        file.writestr(name, data, compress_type=method[0])
                    else:
                        member.write(data)
    return out.getvalue()


class _no:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return False


def narrowed(data, more=0):
    """Local headers as Python 3.11.2 writes them: sizes in their own fields, and again (plus `more`) in the ZIP64 field."""
    made = bytearray(data)
    at = 0
    while made[at : at + 4] == b"PK\x03\x04":
        n, x = struct.unpack_from("<HH", made, at + 26)
        field = at + 30 + n + 4  # behind the header of the extra field: size, packed
        size, held = struct.unpack_from("<QQ", made, field)
        struct.pack_into("<II", made, at + 18, held, size)
        struct.pack_into("<QQ", made, field, size + more, held + more)
        at += 30 + n + x + held
    assert at
    return bytes(made)


BOTH = (("0.payload", PAYLOAD), ("0.manifest.json", MANIFEST))

READ = {
    "ours": DATA,
    "python": zipped(*BOTH),
    "manifest first, as older Java": zipped(*reversed(BOTH)),
    "descriptors, as Go": zipped(*BOTH, stream=True),
    "zip64 fields": zipped(*BOTH, force_zip64=True),
    "zip64 fields, as older Python": narrowed(zipped(*BOTH, force_zip64=True)),
    "javascript": js_zip(PAYLOAD, MANIFEST),
    "the name of the specification": zipped(("0.payload", PAYLOAD), ("manifest.json", MANIFEST)),
}


@pytest.mark.parametrize("case", READ)
def test_read(case, tmp_path):
    data = READ[case]
    held = scan(io.BytesIO(data))
    assert data[held.payload_at :][: held.payload_size] == PAYLOAD
    assert held.manifest == MANIFEST
    assert open_bytes(data, tmp_path / "out")[1] == PLAIN


def test_sizes_said_twice_must_agree():
    with pytest.raises(Malformed, match="more in its ZIP64 field"):
        scan(io.BytesIO(narrowed(zipped(*BOTH, force_zip64=True), more=1)))


def test_ours_is_plain_for_others(tmp_path):
    (tmp_path / "a.tdf").write_bytes(DATA)
    with zipfile.ZipFile(tmp_path / "a.tdf") as file:
        assert file.testzip() is None
        assert [(part.filename, part.compress_type, part.flag_bits) for part in file.infolist()] == [
            ("0.payload", 0, 0),
            ("0.manifest.json", 0, 0),
        ]
        assert file.comment == b""
    assert subprocess.run([sys.executable, "-m", "zipfile", "-t", tmp_path / "a.tdf"], check=False).returncode == 0


def changed(at, new, data=DATA):
    at = at if at >= 0 else len(data) + at
    assert data[at : at + len(new)] != new
    return data[:at] + new + data[at + len(new) :]


CENTRAL = DATA.index(b"PK\x01\x02")
SECOND = DATA.index(b"PK\x03\x04", 10)
SECOND_CENTRAL = DATA.rindex(b"PK\x01\x02")
END = len(DATA) - 22

REFUSED = {
    "nothing": b"",
    "too short": b"PK\x05\x06",
    "text": b"x" * 100,
    "byte before": b"\0" + DATA,
    "byte behind": DATA + b"\0",
    "line behind": DATA + b"\r\n",
    "another zip before": DATA + DATA,
    "comment": zipped(*BOTH, comment=b"hello"),
    "no member": zipped(),
    "one member": zipped(BOTH[0]),
    "three members": zipped(*BOTH, ("manifest.json", MANIFEST)),
    "a stranger in it": zipped(*BOTH, ("readme.txt", b"x")),
    "payload twice": zipped(BOTH[0], BOTH[0]),
    "manifest twice": zipped(BOTH[1], BOTH[1]),
    "two manifests": zipped(("manifest.json", MANIFEST), BOTH[1]),
    "another name": zipped(("0.payload", PAYLOAD), ("MANIFEST.JSON", MANIFEST)),
    "path": zipped(("../0.payload", PAYLOAD), BOTH[1]),
    "folder": zipped(("0.payload/", b""), BOTH[1]),
    "compressed payload": zipped(("0.payload", PAYLOAD, zipfile.ZIP_DEFLATED), BOTH[1]),
    "compressed manifest": zipped(BOTH[0], ("0.manifest.json", MANIFEST, zipfile.ZIP_DEFLATED)),
    "bzip2": zipped(BOTH[0], ("0.manifest.json", MANIFEST, zipfile.ZIP_BZIP2)),
    "encrypted flag": changed(CENTRAL + 8, b"\1"),
    "encrypted flag in front": changed(6, b"\1"),
    "descriptor flag only here": changed(CENTRAL + 8, b"\x08"),
    "descriptor flag only there": changed(6, b"\x08"),
    "method here": changed(CENTRAL + 10, b"\x08"),
    "method there": changed(8, b"\x08"),
    "checksum here": changed(CENTRAL + 16, b"\0\0\0\1"),
    "checksum there": changed(14, b"\0\0\0\1"),
    "payload size here": changed(CENTRAL + 20, b"\1\0\0\0\1\0\0\0"),
    "payload size there": changed(18, b"\1\0\0\0\1\0\0\0"),
    "packed size alone": changed(CENTRAL + 20, b"\1\0\0\0"),
    "manifest size": changed(SECOND_CENTRAL + 20, b"\1\0\0\0\1\0\0\0"),
    "manifest size huge": changed(SECOND_CENTRAL + 20, b"\xfe\xff\xff\x7f\xfe\xff\xff\x7f"),
    "size without its ZIP64 field": changed(CENTRAL + 20, b"\xff" * 8),
    "name here": changed(CENTRAL + 46, b"1"),
    "name there": changed(30, b"1"),
    "length of name": changed(26, b"\x08"),
    "extra here": changed(CENTRAL + 30, b"\1"),
    "extra there": changed(28, b"\1"),
    "comment of member": changed(CENTRAL + 32, b"\1"),
    "other disk": changed(CENTRAL + 34, b"\1"),
    "offset": changed(CENTRAL + 42, b"\1"),
    "second offset": changed(SECOND_CENTRAL + 42, b"\0\0\0\0"),
    "offset behind the end": changed(SECOND_CENTRAL + 42, b"\xfe\xff\xff\xff"),
    "mark of the member": changed(0, b"X"),
    "mark of the directory": changed(CENTRAL, b"X"),
    "mark of the end": changed(END, b"X"),
    "disk of the end": changed(END + 4, b"\1"),
    "directory's disk": changed(END + 6, b"\1"),
    "members here": changed(END + 8, b"\1\0"),
    "members in all": changed(END + 10, b"\1\0"),
    "members more": changed(END + 8, b"\3\0\3\0"),
    "directory's size": changed(END + 12, b"\1\0\0\0"),
    "directory's offset": changed(END + 16, b"\1\0\0\0"),
    "directory's offset without ZIP64": changed(END + 16, b"\xff\xff\xff\xff"),
    "manifest altered": changed(SECOND + 60, b"\0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    with pytest.raises(Malformed):
        open_bytes(REFUSED[case], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_every_cut_is_seen():
    small = sealed(b"x")
    for length in range(len(small)):
        with pytest.raises(Malformed):
            scan(io.BytesIO(small[:length]))


def with_gap(where):
    """Bytes that belong to nobody, everything else in order."""
    out = bytearray(DATA)
    at = {"before the manifest": SECOND, "before the directory": CENTRAL}[where]
    out[at:at] = b"HIDDEN"
    end = len(out) - 22
    struct.pack_into("<I", out, end + 16, CENTRAL + 6)
    if at == SECOND:
        struct.pack_into("<I", out, SECOND_CENTRAL + 6 + 42, SECOND + 6)
    return bytes(out)


@pytest.mark.parametrize("where", ["before the manifest", "before the directory"])
def test_bytes_between(where):
    with zipfile.ZipFile(io.BytesIO(with_gap(where))) as file:
        assert file.testzip() is None  # others see nothing
    with pytest.raises(Malformed, match="bytes behind the member"):
        scan(io.BytesIO(with_gap(where)))


def test_members_that_overlap():
    # Both entries point at one member: the classic zip bomb.
    inside = bytearray(packed(PAYLOAD, MANIFEST))
    first, second = inside.index(b"PK\x01\x02"), inside.rindex(b"PK\x01\x02")
    inside[second + 42 : second + 46] = inside[first + 42 : first + 46]
    with pytest.raises(Malformed):
        scan(io.BytesIO(bytes(inside)))


JS = js_zip(PAYLOAD, MANIFEST)
JS_END = len(JS) - 22
JS_DESCRIPTOR = JS.index(b"PK\x07\x08")
JS_CENTRAL = JS.index(b"PK\x01\x02")
JS_REFUSED = {
    "descriptor's mark": changed(JS_DESCRIPTOR, b"X", JS),
    "descriptor's checksum": changed(JS_DESCRIPTOR + 4, b"\0\0\0\1", JS),
    "descriptor's size": changed(JS_DESCRIPTOR + 8, b"\1", JS),
    "ZIP64 record's mark": changed(JS_END - 76, b"X", JS),
    "ZIP64 record's length": changed(JS_END - 76 + 4, b"\x2d", JS),
    "ZIP64 record's disk": changed(JS_END - 76 + 16, b"\1", JS),
    "ZIP64 members": changed(JS_END - 76 + 24, b"\1", JS),
    "ZIP64 offset": changed(JS_END - 76 + 48, b"\1", JS),
    "locator's mark": changed(JS_END - 20, b"X", JS),
    "locator's disk": changed(JS_END - 16, b"\1", JS),
    "locator's offset": changed(JS_END - 12, b"\1", JS),
    "locator's disks": changed(JS_END - 4, b"\2", JS),
    "two ends that differ": changed(JS_END + 8, b"\3\0\3\0", JS),
    "short end says another offset": changed(JS_END + 16, b"\1\0\0\0", JS),
    "ZIP64 size": changed(JS_CENTRAL + 46 + 9 + 4, b"\1", JS),
    "ZIP64 field's length": changed(JS_CENTRAL + 46 + 9 + 2, b"\x10", JS),
    "ZIP64 field of another kind": changed(JS_CENTRAL + 46 + 9, b"\2", JS),
    "local field's rest": changed(30 + 9 + 4 + 16, b"\1", JS),
    "local size": changed(30 + 9 + 4, b"\1", JS),
}


@pytest.mark.parametrize("case", JS_REFUSED)
def test_refused_with_zip64(case):
    with pytest.raises(Malformed):
        scan(io.BytesIO(JS_REFUSED[case]))


def test_two_zip64_fields():
    field = struct.pack("<HHQQ", 1, 16, 1, 1)
    with pytest.raises(Malformed, match="two ZIP64 fields"):
        container._widened(field + field, [0xFFFFFFFF])
    with pytest.raises(Malformed, match="damaged"):
        container._widened(field[:-1], [0xFFFFFFFF])
    with pytest.raises(Malformed, match="more in its ZIP64 field"):
        container._widened(field, [5])


@pytest.mark.parametrize("known", [True, False])
def test_writing_zip64(known, monkeypatch):
    # A file of 4 GiB without 4 GiB: the mark that says "see the long field" is put where it is reached sooner.
    if known:
        monkeypatch.setattr(container, "_FULL", 600)
    file = io.BytesIO()
    writer = Writer(file, len(PAYLOAD) if known else None)
    writer.write(PAYLOAD)
    writer.finish(b"{}")
    data = file.getvalue()
    assert b"PK\x06\x06" in data
    assert data[18:26] == struct.pack("<II", container._FULL, container._FULL)
    held = scan(io.BytesIO(data))
    assert (held.payload_size, held.manifest) == (len(PAYLOAD), b"{}")
    assert held.payload_crc == zlib.crc32(PAYLOAD)
    if not known:
        with zipfile.ZipFile(io.BytesIO(data)) as other:
            assert other.testzip() is None


def test_a_manifest_that_nobody_would_read_is_not_written():
    writer = Writer(io.BytesIO(), 0)
    with pytest.raises(Refused, match="would have"):
        writer.finish(bytes(10 * 1024 * 1024 + 1))


def test_a_large_manifest_is_refused_before_it_is_read():
    class Watched(io.BytesIO):
        most = 0

        def read(self, size=-1):
            self.most = max(self.most, size)
            return super().read(size)

    file = Watched(packed(PAYLOAD, bytes(10 * 1024 * 1024 + 1)))
    with pytest.raises(Malformed, match="at most"):
        scan(file)
    assert file.most < 10_000


def test_a_stream_is_no_package():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    with pytest.raises(Refused, match="not from a stream"):
        package.read(Pipe(DATA))


def test_a_file_larger_than_any_package(tmp_path):
    with (tmp_path / "big").open("wb") as file:
        file.truncate(container.FILE_MAX + 1)
    with pytest.raises(Malformed, match="at most"):
        package.read(tmp_path / "big")
    with pytest.raises(Refused, match="a package takes"):
        package.seal(tmp_path / "big", tmp_path / "big.tdf", **arguments())
    assert [path.name for path in tmp_path.iterdir()] == ["big"]
