"""Files as they go by: read in pieces, summed beside, written so that the disk works while the next piece is made.

What is written under a path has no name until everything held, and where the file system can, it never had one: whoever
is killed in the middle leaves nothing behind.

Buffers are used again. INVARIANT: a buffer handed to `Sums.update` is not written to before the next `update` returns.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import SEEK_END, UnsupportedOperation
from pathlib import Path
from typing import BinaryIO, Final

from relto.errors import NotFound, Refused, Unavailable

AHEAD: Final = 8 * 1024 * 1024  # bytes after which the disk is told to begin
_UNNAMED = getattr(os, "O_TMPFILE", 0)
_NO_UNNAMED: Final = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS}

Source = str | os.PathLike[str] | BinaryIO
Piece = bytes | bytearray | memoryview


@contextmanager
def reading(source: Source) -> Iterator[BinaryIO]:
    """The source as a file object; one that was handed in stays open."""
    if not isinstance(source, str | os.PathLike):
        yield source
        return
    try:
        # O_NONBLOCK: a pipe in the place of a file is refused below instead of being waited for.
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file `{os.fspath(source)}`") from error
    except OSError as error:
        raise Unavailable(f"`{os.fspath(source)}` cannot be read: {error.strerror}") from error
    # Asked before it is made a file object, which for a folder would fail and leave the descriptor open.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(f"`{os.fspath(source)}` is not a file", hint="pack a folder into one file first")
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        yield file


def size_of(file: BinaryIO) -> int | None:
    """The bytes from here to the end, or None when the source cannot tell."""
    if not file.seekable():
        return None
    here = file.tell()
    end = file.seek(0, SEEK_END)
    file.seek(here)
    return end - here


def read_exactly(file: BinaryIO, size: int) -> bytes:
    """That many bytes, or fewer at the end of the file."""
    data = file.read(size)
    if data is None or len(data) in {0, size}:
        return data or b""
    parts, missing = [data], size - len(data)
    while missing and (data := file.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def fill(file: BinaryIO, into: memoryview) -> int:
    """Reads until the buffer is full or the file ends; how many bytes it holds then."""
    done, direct = 0, getattr(file, "readinto", None)
    while done < len(into):
        if direct is not None:
            count = direct(into[done:]) or 0
        else:
            data = file.read(len(into) - done) or b""
            count = len(data)
            into[done : done + count] = data
        if not count:
            break
        done += count
    return done


class Sums:
    """SHA-256 and CRC-32 of what goes by. From the second piece on they are worked out beside the caller.

    Both let other threads run, so with a second core they cost no time; one piece is held, never more.
    """

    def __init__(self) -> None:
        self._crc, self._sha256 = 0, hashlib.sha256()
        self._worker: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None
        self._seen = False

    def update(self, piece: Piece) -> None:
        if not self._seen:
            self._seen = True
            self._add(piece)
            return
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "sums")
        self._wait()
        self._pending = self._worker.submit(self._add, piece)

    def finish(self) -> tuple[str, int]:
        """SHA-256 in hex and the CRC-32 of everything so far; the caller may go on."""
        self._wait()
        return self._sha256.hexdigest(), self._crc

    def close(self) -> None:
        """Ends the worker; harmless when there is none."""
        if self._worker is not None:
            self._worker.shutdown()
            self._worker = None

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _add(self, piece: Piece) -> None:
        self._crc = zlib.crc32(piece, self._crc)
        self._sha256.update(piece)


class Ahead:
    """Has the disk begin with what is written already, so that making it durable at the end finds little left to do."""

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor, self._begun, self._passed = -1, 0, 0
        with suppress(UnsupportedOperation, OSError, AttributeError):
            self._descriptor = file.fileno()
            self._begun = self._passed = file.tell()

    def passed(self, size: int) -> None:
        """So many bytes more have been written."""
        self._passed += size
        if self._descriptor < 0 or self._passed - self._begun < AHEAD or not hasattr(os, "posix_fadvise"):
            return
        # Linux starts writing dirty pages of the range at this advice, and waits for none (mm/fadvise.c).
        with suppress(OSError):
            os.posix_fadvise(self._descriptor, self._begun, self._passed - self._begun, os.POSIX_FADV_DONTNEED)
        self._begun = self._passed


@contextmanager
def writing(target: Source) -> Iterator[BinaryIO]:
    """A file object to write to. A path appears only when everything held."""
    if not isinstance(target, str | os.PathLike):
        start = target.tell()
        try:
            yield target
        except BaseException:
            target.seek(start)
            target.truncate()
            raise
        return
    path = Path(target)
    if path.is_dir():
        raise Refused(f"`{path}` is a folder", hint="name a file in it")
    with writes(path):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _unnamed(path, folder) as file:
            yield file
        with writes(path):
            os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _unnamed(path: Path, folder: int) -> Iterator[BinaryIO]:
    """A file without a name, which is given one at the end; it is gone with the process that had it open."""
    descriptor = -1
    if _UNNAMED and Path("/proc/self/fd").is_dir():
        try:
            descriptor = os.open(path.parent, _UNNAMED | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _NO_UNNAMED:
                raise Unavailable(f"`{path}` cannot be written: {error.strerror}") from error
    if descriptor < 0:
        with _hidden(path) as file:
            yield file
        return
    with os.fdopen(descriptor, "w+b") as file:
        yield file
        with writes(path):
            file.flush()
            os.fsync(descriptor)
            _name(descriptor, path, folder)


def _name(descriptor: int, path: Path, folder: int) -> None:
    """Whole and durable, the file gets its name. One that stands there already is replaced in one step."""
    source = f"/proc/self/fd/{descriptor}"
    for number in range(100):
        # The directory is named although the source is absolute: without one Python would link the symbolic link.
        name = f".{path.name[:100]}.{os.getpid():x}-{number}.part" if number else path.name
        try:
            os.link(source, name, src_dir_fd=folder, dst_dir_fd=folder)
        except FileExistsError:
            continue
        if number:
            os.rename(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


@contextmanager
def _hidden(path: Path) -> Iterator[BinaryIO]:
    """Where the file system knows no file without a name: one under a hidden name beside it."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise Unavailable(f"`{path}` cannot be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            with writes(path):
                file.flush()
                os.fsync(descriptor)
        with writes(path):
            part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def writes(what: object) -> Iterator[None]:
    """A full or failing disk, said in our words."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"`{what}` cannot be written: {error.strerror}") from error
