"""One file for one reader: sections sealed together, so that a courier learns its size and who it is from and for.

    "relto sealed v1\\n"
    uint32 ‖ header        JSON in one spelling: what it is, from, to, which key opens it, the file's own key sealed to it
    chunks                 AES-256-GCM over 64 KiB each; the nonce says which chunk it is and whether it is the last
        uint32 ‖ manifest  JSON: what the file states, and its sections by name, size and SHA-256
        uint32 ‖ signature of the manifest, empty where nobody signs
        the sections, in that order

A bundle for a partner, a backup, and a key that is carried to a device are all this file. Any chunk can be opened alone, so a large section is never held
in memory, and a cut file is known by its length before anything is believed. To the byte: spec/carried.md.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from relto.errors import Forged, Malformed, NotFound
from relto.keys import Opener, OpeningPublic, Random

MAGIC: Final = b"relto sealed v1\n"
CHUNK: Final = 65_536
TAG: Final = 16
HEADER_MAX: Final = 16_384
MANIFEST_MAX: Final = 64 * 1024 * 1024
SECTIONS_MAX: Final = 100_000
SECTION_READ_MAX: Final = 256 * 1024 * 1024  # of a section that is read into memory
FILE_MAX: Final = 1 << 40

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}(/[a-z0-9][a-z0-9._-]{0,127}){0,7}")

What = Literal["bundle", "backup", "key-request", "carried-key"]
Source = bytes | Path


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    size: int
    sha256: str


class _Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    relto: What
    v: int
    by: str
    to: str
    key: str
    sealed: bytes = b""


class _Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    says: msgspec.Raw
    sections: tuple[Section, ...]


def key_name(public: OpeningPublic) -> str:
    """By which a person finds the right key: the first 16 hex digits of the SHA-256 of its bytes."""
    return hashlib.sha256(public.mlkem768 + public.x25519).hexdigest()[:16]


def public_text(public: OpeningPublic) -> bytes:
    """A public key to seal to, as a file has it."""
    return msgspec.json.encode(public, order="sorted") + b"\n"


def read_public(data: bytes, where: str = "") -> OpeningPublic:
    """Raises: Malformed."""
    try:
        return msgspec.json.decode(data, type=OpeningPublic)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed("not the public part of an opening key", where=where) from error


# ── writing ──


def write(
    path: Path,
    what: What,
    says: bytes,
    sections: Mapping[str, Source],
    *,
    by: str,
    to: str,
    public: OpeningPublic,
    random: Random,
    sign: Callable[[bytes], dict[str, bytes]] | None = None,
) -> int:
    """Seals `says` (JSON) and the sections for the holder of a key. Durable and whole, or not there; returns its size.

    Raises: Malformed for what no reader would take; FileExistsError; OSError.
    """
    if len(sections) > SECTIONS_MAX:
        raise Malformed(f"a sealed file has at most {SECTIONS_MAX} sections, not {len(sections)}")
    rows = []
    for name, source in sections.items():
        if not _NAME.fullmatch(name):
            raise Malformed(f"`{name[:80]}` is not the name of a section")
        size, digest = _measure(source)
        rows.append(Section(name=name, size=size, sha256=digest))
    manifest = msgspec.json.encode(_Manifest(says=msgspec.Raw(says), sections=tuple(rows)))
    if len(manifest) > MANIFEST_MAX:
        raise Malformed(f"the manifest of a sealed file has at most {MANIFEST_MAX} bytes")
    signature = msgspec.json.encode(sign(_signed(what, manifest)) if sign else {}, order="sorted")
    key = random(32)
    bare = _Header(relto=what, v=1, by=by, to=to, key=key_name(public))
    sealed = public.seal(_info(bare), key)
    head = _frame(msgspec.json.encode(msgspec.structs.replace(bare, sealed=sealed)))
    spare = path.with_name(f".{path.name}.part")
    handle = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + head)
            total = _seal_chunks(
                file, key, hashlib.sha256(MAGIC + head).digest(), _plain(manifest, signature, sections, rows)
            )
            file.flush()
            os.fsync(file.fileno())
        os.link(spare, path)
    finally:
        spare.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return len(MAGIC) + len(head) + total


def _measure(source: Source) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for block in _blocks(source):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _blocks(source: Source) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


def _plain(
    manifest: bytes, signature: bytes, sections: Mapping[str, Source], rows: Sequence[Section]
) -> Iterator[bytes]:
    yield _frame(manifest)
    yield _frame(signature)
    for row in rows:
        left = row.size
        for block in _blocks(sections[row.name]):
            left -= len(block)
            if left < 0:
                break
            yield block
        if left:
            raise Malformed(f"`{row.name}` changed while it was sealed", hint="try again")


def _seal_chunks(file: BinaryIO, key: bytes, aad: bytes, plain: Iterator[bytes]) -> int:
    aead, held, number, total = AESGCM(key), bytearray(), 0, 0
    for block in plain:
        held += block
        while len(held) > CHUNK:
            total += file.write(aead.encrypt(_nonce(number, last=False), bytes(held[:CHUNK]), aad))
            del held[:CHUNK]
            number += 1
    total += file.write(aead.encrypt(_nonce(number, last=True), bytes(held), aad))
    return total


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4, "big") + bytes([last])


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _info(bare: _Header) -> bytes:
    return b"relto sealed v1\0" + msgspec.json.encode(bare)


def _signed(what: What, manifest: bytes) -> bytes:
    return f"relto {what} v1\0".encode() + hashlib.sha256(manifest).digest()


# ── reading ──


class Cover(Struct, frozen=True, kw_only=True):
    """What anybody sees of a sealed file."""

    what: What
    by: str
    to: str
    key: str


def cover(path: Path) -> Cover:
    """Raises: Malformed when it is no sealed file."""
    with path.open("rb") as file:
        head, _ = _read_header(file, str(path))
    return Cover(what=head.relto, by=head.by, to=head.to, key=head.key)


def _read_header(file: BinaryIO, where: str) -> tuple[_Header, bytes]:
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise Malformed("not a sealed file of relto, or of another version", where=where)
    size = int.from_bytes(file.read(4), "big")
    if not 1 <= size <= HEADER_MAX:
        raise Malformed("the sealed file has no header", where=where)
    data = file.read(size)
    try:
        head = msgspec.json.decode(data, type=_Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed("the header of the sealed file cannot be read: cut off, or altered", where=where) from error
    if head.v != 1 or msgspec.json.encode(head) != data:
        raise Malformed("the header of the sealed file is of another version", where=where)
    return head, hashlib.sha256(magic + size.to_bytes(4, "big") + data).digest()


class Sealed:
    """An opened sealed file. `says` and `sections` are authentic to the key; nothing else is said about who wrote it.

    Raises: NotFound; Malformed (no such file, cut off, another version); Forged when the key does not open it or a byte
    was altered.
    """

    def __init__(self, path: Path, opener: Opener, *, what: What) -> None:
        self.path, self._where = path, str(path)
        if not path.is_file():
            raise NotFound(f"there is no file `{path}`")
        with path.open("rb") as file:
            head, self._aad = _read_header(file, self._where)
            self._start = file.tell()
        if head.relto != what:
            raise Malformed(f"this is a {head.relto}, not a {what}", where=self._where)
        self.cover = Cover(what=head.relto, by=head.by, to=head.to, key=head.key)
        if head.key != key_name(opener.public):
            raise Forged(
                f"it is sealed to the key {head.key}, not to {key_name(opener.public)}",
                where=self._where,
                hint=f"it was made for `{head.to}`",
            )
        key = opener.open(_info(msgspec.structs.replace(head, sealed=b"")), head.sealed)
        if len(key) != 32:
            raise Forged("the key inside has another length", where=self._where)
        self._aead = AESGCM(key)
        self._length = self._measure_chunks()
        self._read_front()

    def _measure_chunks(self) -> int:
        """The length of the plain text that the file's length stands for."""
        total = self.path.stat().st_size - self._start
        self._chunks = -(-total // (CHUNK + TAG))
        if total < TAG or not total <= FILE_MAX or 0 < total % (CHUNK + TAG) < TAG:
            raise Malformed("the sealed file is cut off", where=self._where, hint="copy it again, whole")
        return total - self._chunks * TAG

    def _read_front(self) -> None:
        size = int.from_bytes(self._bytes(0, 4), "big")
        if size > MANIFEST_MAX:
            raise Malformed("the manifest of the sealed file is too long", where=self._where)
        self.manifest = self._bytes(4, size)
        after = 4 + size
        size = int.from_bytes(self._bytes(after, 4), "big")
        if size > HEADER_MAX:
            raise Malformed("the signature of the sealed file is too long", where=self._where)
        try:
            held = msgspec.json.decode(self.manifest, type=_Manifest)
            self.signature = msgspec.json.decode(self._bytes(after + 4, size), type=dict[str, bytes])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed("the manifest of the sealed file cannot be read", where=self._where) from error
        self.says, self.sections = bytes(held.says), {one.name: one for one in held.sections}
        if len(held.sections) > SECTIONS_MAX or len(self.sections) != len(held.sections):
            raise Malformed("the sections of the sealed file repeat a name, or are too many", where=self._where)
        place, self._places = after + 4 + size, {}
        for one in held.sections:
            if not _NAME.fullmatch(one.name) or one.size < 0:
                raise Malformed("a section of the sealed file has a wrong name or size", where=self._where)
            self._places[one.name] = place
            place += one.size
        if place != self._length:
            raise Malformed(
                f"the sealed file is cut off: {self._length} bytes of {place}",
                where=self._where,
                hint="copy it again, whole",
            )

    @property
    def signed(self) -> bytes:
        """What the signature of the manifest is over."""
        return _signed(self.cover.what, self.manifest)

    def read(self, name: str) -> bytes:
        """A section. Raises: NotFound; Malformed over what is read into memory; Forged."""
        one = self._section(name)
        if one.size > SECTION_READ_MAX:
            raise Malformed(f"the section `{name}` is longer than {SECTION_READ_MAX} bytes", where=self._where)
        data = self._bytes(self._places[name], one.size)
        if hashlib.sha256(data).hexdigest() != one.sha256:
            raise Forged(f"the section `{name}` is not the one in the manifest", where=self._where)
        return data

    def copy(self, name: str, out: BinaryIO) -> None:
        """A section of any length into a file. Raises: NotFound; Forged, after what was altered."""
        one, digest = self._section(name), hashlib.sha256()
        for at in range(0, one.size, 1 << 20):
            block = self._bytes(self._places[name] + at, min(1 << 20, one.size - at))
            digest.update(block)
            out.write(block)
        if digest.hexdigest() != one.sha256:
            raise Forged(f"the section `{name}` is not the one in the manifest", where=self._where)

    def check(self) -> None:
        """Every byte to the end. Raises: Forged, Malformed."""
        for at in range(0, self._length, 1 << 20):
            self._bytes(at, min(1 << 20, self._length - at))

    def _section(self, name: str) -> Section:
        if name not in self.sections:
            raise NotFound(f"the file has no section `{name[:80]}`", where=self._where)
        return self.sections[name]

    def _bytes(self, start: int, size: int) -> bytes:
        """Plain bytes [start, start + size), each chunk authenticated."""
        if start + size > self._length:
            raise Malformed("the sealed file is cut off", where=self._where, hint="copy it again, whole")
        if not size:
            return b""
        found, first = bytearray(), start // CHUNK
        with self.path.open("rb") as file:
            file.seek(self._start + first * (CHUNK + TAG))
            for number in range(first, (start + size - 1) // CHUNK + 1):
                data = file.read(CHUNK + TAG)
                try:
                    found += self._aead.decrypt(_nonce(number, last=number == self._chunks - 1), data, self._aad)
                except (InvalidTag, ValueError) as error:
                    raise Forged(
                        f"the sealed file was cut off or altered, at byte {self._start + number * (CHUNK + TAG)}",
                        where=self._where,
                        hint="copy it again, whole",
                    ) from error
        return bytes(found[start - first * CHUNK : start - first * CHUNK + size])
