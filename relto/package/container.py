"""The outside of a package: a zip of exactly two members, both stored.

Written: `0.payload`, then `0.manifest.json`, no comment, no descriptor, ZIP64 only when a size needs it. Read: either
order, other writers' spellings (descriptor, ZIP64 everywhere), and nothing else.

INVARIANT: every byte of the file belongs to exactly one record; nothing can be put before, between or behind.
"""

from __future__ import annotations

import struct
import zlib
from io import SEEK_END
from typing import BinaryIO, Final

from msgspec import Struct

from relto.errors import Malformed, Refused
from relto.package.stream import Ahead, Piece, Sums, read_exactly

MANIFEST_MAX: Final = 10 * 1024 * 1024
SIZE_MAX: Final = 64 * 1024**3  # of what is sealed: the limit of the other writers
FILE_MAX: Final = SIZE_MAX + 256 * 1024 * 1024
DIRECTORY_MAX: Final = 4096

PAYLOAD: Final = "0.payload"
# The specification's text says `manifest.json`; every released reader looks for `0.manifest.json` only.
MANIFESTS: Final = ("0.manifest.json", "manifest.json")

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR = struct.Struct("<IIQI")
_DATE_1980 = 0x0021  # 1 January 1980: when a package was made stands in the signed statement
_FULL = 0xFFFFFFFF
_FLAGS_KNOWN = 0x0808  # a descriptor follows; names are UTF-8


class Writer:
    """Writes one package into a seekable file, from where the file stands."""

    def __init__(self, file: BinaryIO, payload_size: int | None) -> None:
        self._file, self._base = file, file.tell()
        # The directory stands behind the manifest, whose length is not known yet: its offset may need the long form
        # where the payload's size alone does not.
        self._zip64 = payload_size is None or payload_size >= _FULL - MANIFEST_MAX - DIRECTORY_MAX
        self._size = 0
        self._sums, self._ahead = Sums(), Ahead(file)
        self._file.write(self.local(PAYLOAD, 0, 0, wide=self._zip64))

    @staticmethod
    def local(name: str, crc: int, size: int, *, wide: bool) -> bytes:
        extra = struct.pack("<HHQQ", 1, 16, size, size) if wide else b""
        small = _FULL if wide else size
        head = _LOCAL.pack(
            0x04034B50, 45 if wide else 20, 0, 0, 0, _DATE_1980, crc, small, small, len(name), len(extra)
        )
        return head + name.encode() + extra

    @staticmethod
    def central(name: str, crc: int, size: int, offset: int, *, wide: bool) -> bytes:
        far = offset >= _FULL
        fields = (struct.pack("<QQ", size, size) if wide else b"") + (struct.pack("<Q", offset) if far else b"")
        extra = struct.pack("<HH", 1, len(fields)) + fields if fields else b""
        version = 45 if fields else 20
        small = _FULL if wide else size
        head = (0x02014B50, version, version, 0, 0, 0, _DATE_1980, crc, small, small, len(name), len(extra))
        return _CENTRAL.pack(*head, 0, 0, 0, 0, _FULL if far else offset) + name.encode() + extra

    def write(self, piece: Piece) -> None:
        """The next piece of the payload. It must stay as it is until the next one has been handed over."""
        self._sums.update(piece)
        self._size += len(piece)
        self._file.write(piece)
        self._ahead.passed(len(piece))

    def close(self) -> None:
        """Ends what works beside; to be called however the writing ends."""
        self._sums.close()

    @property
    def payload_digest(self) -> str:
        """SHA-256 in hex over what was written so far."""
        return self._sums.finish()[0]

    def finish(self, manifest: bytes) -> None:
        """The manifest, the directory, and the sizes that the first header has been waiting for."""
        if len(manifest) > MANIFEST_MAX:
            raise Refused(f"the manifest would have {len(manifest)} bytes; readers take {MANIFEST_MAX}")
        payload_crc = self._sums.finish()[1]
        first = self.local(PAYLOAD, payload_crc, self._size, wide=self._zip64)
        assert self._zip64 or self._size < _FULL, "the size was announced"
        offset, crc = len(first) + self._size, zlib.crc32(manifest)
        local = self.local(MANIFESTS[0], crc, len(manifest), wide=False)
        directory = self.central(PAYLOAD, payload_crc, self._size, 0, wide=self._zip64)
        directory += self.central(MANIFESTS[0], crc, len(manifest), offset, wide=False)
        start = offset + len(local) + len(manifest)
        tail = b""
        if self._zip64:
            tail += _END64.pack(0x06064B50, 44, 45, 45, 0, 0, 2, 2, len(directory), start)
            tail += _LOCATOR.pack(0x07064B50, 0, start + len(directory), 1)
        tail += _END.pack(0x06054B50, 0, 0, 2, 2, len(directory), _FULL if self._zip64 else start, 0)
        self._file.write(local + manifest + directory + tail)
        self._file.seek(self._base)
        self._file.write(first)
        self._file.seek(0, SEEK_END)


class Container(Struct, frozen=True, kw_only=True):
    """Where the payload lies, and the manifest's bytes."""

    payload_at: int
    payload_size: int
    payload_crc: int
    manifest: bytes


class _Entry(Struct, frozen=True, kw_only=True):
    name: str
    flags: int
    crc: int
    size: int
    offset: int


class Member(Struct, frozen=True, kw_only=True):
    """A stored member: where its data lies."""

    name: str
    at: int
    size: int
    crc: int


def locate(file: BinaryIO, *, members_max: int, size_max: int) -> list[Member]:
    """The members of a zip in which all are stored, in their order in the file; every byte belongs to one of them."""
    size = file.seek(0, SEEK_END)
    if size > size_max:
        raise Malformed(f"the file has {size} bytes; at most {size_max} are read")
    count, start, length = _ending(file, size, DIRECTORY_MAX * members_max)
    if not 0 < count <= members_max:
        raise Malformed(f"the file has {count} members; at most {members_max} are read")
    entries = sorted(_directory(_at(file, start, length), count), key=lambda entry: entry.offset)
    position, found = 0, []
    for entry, following in zip(entries, [*(one.offset for one in entries[1:]), start], strict=True):
        if entry.offset != position:
            raise Malformed("there are bytes between the members")
        at = _member(file, entry, following)
        found.append(Member(name=entry.name, at=at, size=entry.size, crc=entry.crc))
        position = following
    return found


def scan(file: BinaryIO) -> Container:
    """Read the outside of a package. The payload is located and not read."""
    if not file.seekable():
        raise Refused("a package is read from a file, not from a stream", hint="store it in a file first")
    size = file.seek(0, SEEK_END)
    if size > FILE_MAX:
        raise Malformed(f"the package has {size} bytes; at most {FILE_MAX} are read")
    count, start, length = _ending(file, size, DIRECTORY_MAX)
    if count != 2:
        raise Malformed(f"the package has {count} members instead of two")
    entries = sorted(_directory(_at(file, start, length), 2), key=lambda entry: entry.offset)
    names = {entry.name for entry in entries}
    if PAYLOAD not in names or not names & set(MANIFESTS):
        raise Malformed(f"the members are not `{PAYLOAD}` and `{MANIFESTS[0]}`")
    position, found = 0, {}
    for entry, following in zip(entries, [entries[1].offset, start], strict=True):
        if entry.offset != position:
            raise Malformed("there are bytes between the members")
        found[entry.name] = _member(file, entry, following)
        position = following
    payload = next(entry for entry in entries if entry.name == PAYLOAD)
    inside = next(entry for entry in entries if entry.name != PAYLOAD)
    if inside.size > MANIFEST_MAX:
        raise Malformed(f"the manifest has {inside.size} bytes; at most {MANIFEST_MAX} are read")
    manifest = _at(file, found[inside.name], inside.size)
    if zlib.crc32(manifest) != inside.crc:
        raise Malformed("the manifest's checksum is wrong")
    return Container(payload_at=found[PAYLOAD], payload_size=payload.size, payload_crc=payload.crc, manifest=manifest)


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = read_exactly(file, size)
    if len(data) != size:
        raise Malformed("the package is cut short")
    return data


def _ending(file: BinaryIO, size: int, directory_max: int) -> tuple[int, int, int]:
    """Members, and where the directory starts and how long it is."""
    if size < _END.size:
        raise Malformed("not a package: it is too short")
    mark, disk, disk_cd, here, count, length, start, comment = _END.unpack(_at(file, size - _END.size, _END.size))
    # With a comment the record would not be the last 22 bytes; other readers demand the same.
    if mark != 0x06054B50 or comment != 0:
        raise Malformed("not a package: it does not end as one", hint="was the file cut short, or something appended?")
    end = size - _END.size
    parts = [(disk, 0, 0xFFFF), (disk_cd, 0, 0xFFFF)]
    wide_at = end - _LOCATOR.size - _END64.size
    if wide_at >= 0 and _at(file, wide_at + _END64.size, 4) == b"PK\x06\x07":
        _, on, at, disks = _LOCATOR.unpack(_at(file, wide_at + _END64.size, _LOCATOR.size))
        mark, rest, _, _, *wide = _END64.unpack(_at(file, wide_at, _END64.size))
        if mark != 0x06064B50 or rest != 44 or (on, at) != (0, wide_at) or disks != 1 or wide[:2] != [0, 0]:
            raise Malformed("the ZIP64 end of the package is not one")
        # The short record says the same or "see the long one".
        parts += [(here, wide[2], 0xFFFF), (count, wide[3], 0xFFFF), (length, wide[4], _FULL), (start, wide[5], _FULL)]
        here, count, length, start = wide[2:]
        end = wide_at
    if any(short not in {value, full} for short, value, full in parts) or here != count:
        raise Malformed("the end of the package contradicts itself")
    if start + length != end or length > directory_max:
        raise Malformed("the directory of the package is not where it should be")
    return count, start, length


def _directory(data: bytes, count: int) -> list[_Entry]:
    entries, position = [], 0
    for _ in range(count):
        if position + _CENTRAL.size > len(data):
            raise Malformed("the directory of the package is cut short")
        mark, _, _, flags, method, _, _, crc, packed, size, n, x, c, disk, _, _, offset = _CENTRAL.unpack_from(
            data, position
        )
        position += _CENTRAL.size
        raw, extra = data[position : position + n], data[position + n : position + n + x]
        position += n + x + c
        if mark != 0x02014B50 or c or disk not in {0, 0xFFFF} or len(raw) != n or len(extra) != x:
            raise Malformed("the directory of the package is damaged")
        size, packed, offset = _widened(extra, [size, packed, offset])
        _plain(raw, flags, method, size, packed)
        entries.append(_Entry(name=raw.decode("ascii", "replace"), flags=flags, crc=crc, size=size, offset=offset))
    if position != len(data) or len({entry.name for entry in entries}) != count:
        raise Malformed("the directory of the package has more members than it says, or the same twice")
    return entries


def _plain(raw: bytes, flags: int, method: int, size: int, packed: int) -> None:
    name = raw.decode("ascii", "replace")
    if method != 0 or size != packed:
        raise Malformed(f"the member `{name}` is compressed", hint="the members of a package are stored")
    if flags & ~_FLAGS_KNOWN:
        raise Malformed(f"the member `{name}` uses an extension of zip")


def _widened(extra: bytes, values: list[int]) -> list[int]:
    """ZIP64 (APPNOTE 4.5.3): only fields that are full stand in the extra field, in order."""
    position, wide = 0, b""
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        position += 4 + length
        if kind == 1:
            if wide:
                raise Malformed("a member of the package has two ZIP64 fields")
            wide = extra[position - length : position]
    if position != len(extra):
        raise Malformed("a member of the package has a damaged extra field")
    made = []
    for value in values:
        if value == _FULL:
            if len(wide) < 8:
                raise Malformed("a member of the package has no size")
            made.append(int.from_bytes(wide[:8], "little"))
            wide = wide[8:]
        else:
            made.append(value)
    # The JavaScript writer ends the field of a member's own header with an offset, which is zero. Python before 3.11.4
    # repeats there both sizes that the header itself says.
    again = b"".join(value.to_bytes(8, "little") for value in made)
    if wide not in {b"", bytes(8), again}:
        raise Malformed("a member of the package says more in its ZIP64 field than was asked")
    return made


def _member(file: BinaryIO, entry: _Entry, following: int) -> int:
    """Where the member's data starts; its own header must say what the directory says, up to the next record."""
    head: tuple[int, ...] = _LOCAL.unpack(_at(file, entry.offset, _LOCAL.size))
    mark, _, flags, method, _, _, crc, packed, size, n, x = head
    if mark != 0x04034B50 or n != len(entry.name):
        raise Malformed(f"the member `{entry.name}` is not where the directory says")
    rest = _at(file, entry.offset + _LOCAL.size, n + x)
    start = entry.offset + _LOCAL.size + n + x
    described = bool(flags & 0x08)
    size, packed = _widened(rest[n:], [size, packed])
    _plain(rest[:n], flags, method, size, packed)
    sizes = {entry.size, 0} if described else {entry.size}
    checksums = {entry.crc, 0} if described else {entry.crc}
    if rest[:n] != entry.name.encode() or flags != entry.flags or size not in sizes or crc not in checksums:
        raise Malformed(f"the member `{entry.name}` is not what the directory says")
    gap = following - (start + entry.size)
    if described:
        ends = {
            mark + struct.pack("<I", entry.crc) + struct.pack(width, entry.size, entry.size)
            for mark in (b"", b"PK\x07\x08")
            for width in ("<II", "<QQ")
            if width == "<QQ" or entry.size < _FULL
        }
        if not 12 <= gap <= 24 or _at(file, start + entry.size, gap) not in ends:
            raise Malformed(f"the member `{entry.name}` does not end as the directory says")
    elif gap:
        raise Malformed(f"there are bytes behind the member `{entry.name}`")
    return start
