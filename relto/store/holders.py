"""Where private keys live: one file each, readable by their owner alone.

What it is not: it does not know what a key is. A file is one text, which `relto.keys` reads.

Rules
* The directory has mode 0700, a file 0600; both belong to whoever runs the process. Anything wider is refused, not
  repaired: by then it may have been read.
* A key file is written once and never replaced: a new key has a new name.

    >>> keys = KeyFiles(directory)                                                       # doctest: +SKIP
    >>> keys.write("node-1", key.to_text())                                              # doctest: +SKIP
    >>> SecretKey.from_text(keys.read("node-1"))                                         # doctest: +SKIP
    SecretKey('gbr/node-1')
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import stat
from pathlib import Path
from typing import Final

from relto.errors import Conflict, Malformed, NotFound, Refused, Unavailable
from relto.store.objects import sync_directory, write_durably

KEY_FILE_MAX: Final = 64 * 1024

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SUFFIX: Final = ".key"
_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


def forbid_dumps() -> None:
    """No core file and no other process of this user may show this one's memory, in which keys are.

    RLIMIT_CORE 0 keeps the kernel from writing one; PR_SET_DUMPABLE 0 keeps a collector set by the machine, and a
    debugger without privileges, from it too (prctl(2)). Where the platform has neither, nothing is promised.
    """
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class KeyFiles:
    """The key files of one node or one person."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def names(self) -> list[str]:
        """The keys that are here, sorted."""
        if not self.directory.exists():
            return []
        self._guard_directory()
        return sorted(
            one.name.removesuffix(_SUFFIX)
            for one in self.directory.iterdir()
            if one.name.endswith(_SUFFIX) and one.name[0] != "."
        )

    def write(self, name: str, text: str) -> Path:
        """A new key file, durable when this returns. Raises: Conflict when there is one of that name."""
        place, data = self._place(name), text.encode()
        if not 1 <= len(data) <= KEY_FILE_MAX:
            raise Malformed(f"a key file has 1..{KEY_FILE_MAX} bytes, not {len(data)}")
        try:
            if not self.directory.exists():
                self.directory.mkdir(mode=0o700, parents=True)
                sync_directory(self.directory.parent)
            self._guard_directory()
            write_durably(place, data, 0o600, replace=False)
        except FileExistsError as error:
            raise Conflict(
                f"there is a key file `{place}` already",
                hint="give the new key a new name; old ones still open old things",
            ) from error
        except OSError as error:
            raise Unavailable(f"the key file `{place}` cannot be written: {error.strerror}") from error
        return place

    def remove(self, name: str) -> None:
        """Destroys a key file: overwritten, then unlinked. What the disk keeps underneath is the disk's affair.

        Raises: NotFound, Refused as `read` does; Unavailable.
        """
        size = len(self.read(name).encode())
        place = self._place(name)
        try:
            handle = os.open(place, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.write(handle, bytes(size))
                os.fsync(handle)
            finally:
                os.close(handle)
            place.unlink()
            sync_directory(self.directory)
        except OSError as error:
            raise Unavailable(f"the key file `{place}` cannot be destroyed: {error.strerror}") from error

    def read(self, name: str) -> str:
        """The text of a key file. Raises: NotFound; Refused when others may read or change it."""
        place = self._place(name)
        try:
            self._guard_directory()
            # Neither following a link nor waiting for a pipe. Checked below is the open file, which is what is read.
            handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            kept = ", ".join(self.names()) or "none"
            raise NotFound(f"there is no key file `{place}`", hint=f"keys here: {kept}") from None
        except OSError as error:
            raise Refused(
                f"the key file `{place}` cannot be read: {error.strerror}", hint="it must be a plain file of your own"
            ) from error
        try:
            _guard(place, os.fstat(handle), directory=False)
            with os.fdopen(handle, "rb", closefd=False) as file:
                data = file.read(KEY_FILE_MAX + 1)
        finally:
            os.close(handle)
        if len(data) > KEY_FILE_MAX:
            raise Malformed(f"the key file `{place}` is larger than {KEY_FILE_MAX} bytes")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"the key file `{place}` is not text") from error

    def _place(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise Malformed(f"`{name[:80]}` is not the name of a key file", hint="use a-z, 0-9 and `-`, at most 64")
        return self.directory / f"{name}{_SUFFIX}"

    def _guard_directory(self) -> None:
        try:
            found = self.directory.lstat()
        except FileNotFoundError:
            raise NotFound(
                f"there is no key directory `{self.directory}`", hint="`relto node init` makes one"
            ) from None
        _guard(self.directory, found, directory=True)


def _guard(place: Path, found: os.stat_result, *, directory: bool) -> None:
    wanted, kind = (0o700, stat.S_ISDIR) if directory else (0o600, stat.S_ISREG)
    if not kind(found.st_mode):
        raise Refused(f"`{place}` is not a plain {'directory' if directory else 'file'}")
    if found.st_uid != os.geteuid():
        raise Refused(f"`{place}` belongs to somebody else", hint="keys belong to whoever runs relto")
    if found.st_mode & 0o077:
        raise Refused(
            f"`{place}` has mode {stat.S_IMODE(found.st_mode):04o}: others may have read the keys",
            hint=f"`chmod {wanted:04o} {place}`, and rotate the keys if anybody else has been on this machine",
        )
