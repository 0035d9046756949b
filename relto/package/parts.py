"""Several packages in one file, each of which opens apart: a folder, or an item with parts.

A zip of stored members `1.tdf`, `2.tdf`, … and, last, `parts.json`: the owner's signed list of them. Each part is a
package like any other, with its own policy, so whoever may have three of five opens three; taken out of the file it
opens in any reader of the format.

Rules
* The list names every part by digest and size, in order. A part removed, added, exchanged or moved is noticed before
  anybody is asked for a share.
* A part shows the label of the whole, no name, title or media type; its own label is inside. So who may not have a part
  learns that there is one, its size and its owners' nodes, and nothing else.

Source: spec/package-parts.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from io import SEEK_CUR, SEEK_END, SEEK_SET, RawIOBase
from typing import BinaryIO, Final, TypeVar, cast

import msgspec
from msgspec import Struct

from relto.errors import Forged, Malformed, Refused
from relto.keys import PublicKey, Signer, pae
from relto.package.container import SIZE_MAX, Writer, locate
from relto.package.stream import Source, fill, reading, writes, writing
from relto.package.tdf import Package, Sealed, read

PARTS_MAX: Final = 256
LIST_MAX: Final = 64 * 1024
PARTED_MAX: Final = 4 * SIZE_MAX  # bytes of the whole file
LIST: Final = "parts.json"
PAYLOAD_TYPE: Final = "application/vnd.relto.parts+json"
_TAIL: Final = 1 << 20

_T = TypeVar("_T", bound=Struct)
_encode = msgspec.json.Encoder(order="sorted").encode


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """package: the digest by which a package is named, in hex. size: of the member, in bytes."""

    package: str
    size: int


class Listed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the owner signs about the whole. item: the opaque id of the item that the parts belong to."""

    v: int
    party: str
    origin: str
    item: str
    label: str
    parts: tuple[Part, ...]
    sealed_at: int


class _Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keyid: str
    sig: bytes


class _Envelope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payload: bytes
    payload_type: str = msgspec.field(name="payloadType")
    signatures: tuple[_Signature, ...]


class Parted(Struct, frozen=True, kw_only=True):
    """A file of parts as it was found; `check` says whether its owner signed the list."""

    says: Listed
    payload: bytes
    signatures: dict[str, bytes]
    places: tuple[tuple[int, int], ...]  # where each part begins, and its size
    packages: tuple[Package, ...]

    def check(self, public_key: PublicKey) -> Listed:
        """The list is signed by this key and is of exactly these parts, each signed by the same owner.

        Raises: Forged, Refused, Malformed.
        """
        if not public_key.verify(pae(PAYLOAD_TYPE, self.payload), self.signatures):
            raise Forged(f"the list of parts is not signed by `{public_key.name}`")
        found = tuple(
            Part(package=one.digest.hex(), size=size) for one, (_, size) in zip(self.packages, self.places, strict=True)
        )
        if found != self.says.parts:
            raise Forged("the parts are not the ones that their owner listed")
        for number, one in enumerate(self.packages, 1):
            says = one.check(public_key)
            if (says.party, says.origin) != (self.says.party, self.says.origin) or says.label != self.says.label:
                raise Forged(f"part {number} says something else about its owner or label than the list")
        return self.says


class Window(RawIOBase):
    """One part of a file as a file of its own, for reading."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._position = file, start, size, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        base = {SEEK_SET: 0, SEEK_CUR: self._position, SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, into: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(into)[: max(0, self._size - self._position)]
        self._file.seek(self._start + self._position)
        count = fill(self._file, view)
        self._position += count
        return count

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted) or b""
        self._position += len(data)
        return data

    @classmethod
    def of(cls, file: BinaryIO, place: tuple[int, int]) -> BinaryIO:
        return cast("BinaryIO", cls(file, *place))


# ── writing ──


def seal_parts(
    target: Source,
    parts: Sequence[Callable[[BinaryIO], Sealed]],
    *,
    item: str,
    label: str,
    signer: Signer,
    party: str,
    origin: str,
    now: int,
) -> tuple[Sealed, ...]:
    """Seals each part into the file by calling it with the place, then writes the signed list.

    Raises: Refused for no part or too many; what sealing raises. Nothing appears then.
    """
    if not 0 < len(parts) <= PARTS_MAX:
        raise Refused(f"a package has 1 to {PARTS_MAX} parts, not {len(parts)}")
    made: list[Sealed] = []
    rows: list[tuple[str, int, int, int]] = []
    with writing(target) as out:
        base = out.tell()
        for number, part in enumerate(parts, 1):
            name, offset = f"{number}.tdf", out.tell() - base
            with writes("the package"):
                out.write(Writer.local(name, 0, 0, wide=True))
            start = out.tell()
            made.append(part(out))
            size = out.seek(0, SEEK_END) - start
            crc = _checksum(out, start, size)
            with writes("the package"):
                out.seek(base + offset)
                out.write(Writer.local(name, crc, size, wide=True))
                out.seek(0, SEEK_END)
            rows.append((name, crc, size, offset))
        says = Listed(
            v=1,
            party=party,
            origin=origin,
            item=item,
            label=label,
            parts=tuple(Part(package=one.digest.hex(), size=row[2]) for one, row in zip(made, rows, strict=True)),
            sealed_at=now,
        )
        _finish(out, base, rows, _signed(says, signer))
    return tuple(made)


def _checksum(file: BinaryIO, start: int, size: int) -> int:
    file.seek(start)
    crc = 0
    while size and (data := file.read(min(size, _TAIL))):
        crc, size = zlib.crc32(data, crc), size - len(data)
    return crc


def _signed(says: Listed, signer: Signer) -> bytes:
    payload = _encode(says)
    signatures = tuple(
        _Signature(keyid=name, sig=value) for name, value in signer.sign(pae(PAYLOAD_TYPE, payload)).items()
    )
    return _encode(_Envelope(payload=payload, payload_type=PAYLOAD_TYPE, signatures=signatures))


def _finish(out: BinaryIO, base: int, rows: list[tuple[str, int, int, int]], listed: bytes) -> None:
    if len(listed) > LIST_MAX:
        raise Refused("the list of parts would be longer than readers take")
    offset = out.tell() - base
    local = Writer.local(LIST, zlib.crc32(listed), len(listed), wide=False)
    directory = b"".join(Writer.central(name, crc, size, at, wide=True) for name, crc, size, at in rows)
    directory += Writer.central(LIST, zlib.crc32(listed), len(listed), offset, wide=False)
    start, count = offset + len(local) + len(listed), len(rows) + 1
    # ZIP64 throughout: the parts' sizes were not known beforehand.
    tail = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(directory), start)
    tail += struct.pack("<IIQI", 0x07064B50, 0, start + len(directory), 1)
    tail += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), 0xFFFFFFFF, 0)
    with writes("the package"):
        out.write(local + listed + directory + tail)


# ── reading ──


def has_parts(source: Source) -> bool:
    """Whether a file is one of parts; a look at its end, no more."""
    with reading(source) as file:
        if not file.seekable():
            return False
        size = file.seek(0, SEEK_END)
        file.seek(max(0, size - 200))
        return LIST.encode() in (file.read(200) or b"")


def read_parts(source: Source) -> Parted:
    """What a file of parts says, without opening any. Raises: Malformed."""
    with reading(source) as file:
        members = locate(file, members_max=PARTS_MAX + 1, size_max=PARTED_MAX)
        names = [f"{number}.tdf" for number in range(1, len(members))] + [LIST]
        if len(members) < 2 or [one.name for one in members] != names:
            raise Malformed("the members are not parts in their order and the list behind them")
        last = members[-1]
        if last.size > LIST_MAX:
            raise Malformed(f"the list of parts has {last.size} bytes; at most {LIST_MAX} are read")
        file.seek(last.at)
        raw = file.read(last.size) or b""
        if zlib.crc32(raw) != last.crc:
            raise Malformed("the checksum of the list of parts is wrong")
        envelope = _read(raw, _Envelope)
        if envelope.payload_type != PAYLOAD_TYPE or not 0 < len(envelope.signatures) <= 8:
            raise Malformed("the list of parts is of another type, or has no signature or too many")
        says = _read(envelope.payload, Listed)
        if says.v != 1:
            raise Malformed(f"the list of parts is of version {says.v}, which this relto does not know")
        places = tuple((one.at, one.size) for one in members[:-1])
        return Parted(
            says=says,
            payload=envelope.payload,
            signatures={one.keyid: one.sig for one in envelope.signatures},
            places=places,
            packages=tuple(read(Window.of(file, place)) for place in places),
        )


def _read(raw: bytes, kind: type[_T]) -> _T:
    try:
        held = msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the list of parts is not as it must be: {error}") from error
    if _encode(held) != raw:
        raise Malformed("the list of parts is not in canonical form")
    return held
