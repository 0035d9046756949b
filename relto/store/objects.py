"""Objects: what is named by its digest. Texts too long for an act (charters, packs, tables), and nothing else.

What it is not: a directory of names. Whoever holds the objects can lose them, not alter them: `get` hashes what it
reads.

Rules
* An object never changes; putting it again changes nothing.
* In a directory: written under another name, synced, renamed, the directory synced; then read-only. A crash leaves at
  most a stray `.tmp` file.

    >>> objects = Memory()
    >>> objects.get(objects.put(b"text"))
    b'text'
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final, Protocol

from relto.errors import Forged, Malformed, NotFound, Unavailable

OBJECT_MAX: Final = 256 << 20


class Objects(Protocol):
    """Where objects are kept."""

    def put(self, data: bytes) -> bytes:
        """Keep these bytes durably; their SHA-256."""
        ...

    def get(self, digest: bytes) -> bytes:
        """The bytes with this SHA-256. Raises: NotFound; Forged when what is kept is something else; Unavailable."""
        ...

    def has(self, digest: bytes) -> bool:
        """Whether something is kept under this digest."""
        ...


def _digest(data: bytes) -> bytes:
    if len(data) > OBJECT_MAX:
        raise Malformed(f"an object has at most {OBJECT_MAX} bytes, not {len(data)}")
    return hashlib.sha256(data).digest()


def _named(digest: bytes) -> str:
    if len(digest) != 32:
        raise Malformed(f"a digest has {len(digest)} bytes instead of 32")
    return digest.hex()


def _checked(data: bytes, digest: bytes) -> bytes:
    if hashlib.sha256(data).digest() != digest:
        raise Forged(f"the object `{digest.hex()}` was altered where it is kept", hint="fetch it again from its author")
    return data


def _missing(digest: bytes) -> NotFound:
    return NotFound(f"there is no object `{digest.hex()}` here", hint="sync, or fetch it from its author")


class Memory:
    """Objects for as long as the process lives."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}

    def put(self, data: bytes) -> bytes:
        """As `Objects.put`."""
        digest = _digest(data)
        self._kept.setdefault(digest, bytes(data))
        return digest

    def get(self, digest: bytes) -> bytes:
        """As `Objects.get`."""
        _named(digest)
        if digest not in self._kept:
            raise _missing(digest)
        return _checked(self._kept[digest], digest)

    def has(self, digest: bytes) -> bool:
        """As `Objects.has`."""
        _named(digest)
        return digest in self._kept


class Directory:
    """Objects as files `ab/abcd…` under one directory, which is made when it is not there."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def _place(self, digest: bytes) -> Path:
        name = _named(digest)
        return self.path / name[:2] / name

    def put(self, data: bytes) -> bytes:
        """As `Objects.put`."""
        digest = _digest(data)
        place = self._place(digest)
        try:
            if place.is_file() and place.read_bytes() == data:
                return digest
            if not place.parent.is_dir():
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_directory(place.parent.parent)
            write_durably(place, data, 0o400)
        except OSError as error:
            raise _unavailable(error, place) from error
        return digest

    def get(self, digest: bytes) -> bytes:
        """As `Objects.get`."""
        place = self._place(digest)
        try:
            if place.stat().st_size > OBJECT_MAX:
                raise Forged(
                    f"the object `{digest.hex()}` was altered where it is kept", hint="fetch it again from its author"
                )
            return _checked(place.read_bytes(), digest)
        except FileNotFoundError:
            raise _missing(digest) from None
        except OSError as error:
            raise _unavailable(error, place) from error

    def has(self, digest: bytes) -> bool:
        """As `Objects.has`."""
        return self._place(digest).is_file()


def _unavailable(error: OSError, place: Path) -> Unavailable:
    return Unavailable(
        f"`{place}` cannot be kept or read: {error.strerror}",
        hint="look at the disk and at the rights of the directory",
    )


def write_durably(place: Path, data: bytes, mode: int, *, replace: bool = True) -> None:
    """A file with this content, all or nothing: there after a power cut once this has returned.

    Raises: OSError; FileExistsError when it is there and must not be replaced.
    """
    # The steps of one another's safety: content before name, name before return. A crash between any two leaves the
    # old state and a `.tmp`.
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if replace:
            Path(temporary).replace(place)
        else:
            os.link(temporary, place)
            Path(temporary).unlink()
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(place.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
