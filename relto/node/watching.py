"""A watched folder: what is dropped into it is sealed as one item into another folder, under its name with `.tdf`.

A file is taken when it has not changed for one look, so that half a copy is not sealed; hidden files, links and folders
are passed by. What was sealed once is not sealed again: a package beside is newer than its file. The file itself stays
unless `remove` says otherwise, and goes only after its package is durable.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from relto.errors import Malformed, NotFound, ReltoError

Seal = Callable[[Path, Path], None]
Tell = Callable[[Path, Path | None, ReltoError | None], None]
Seen = tuple[int, int]  # size, time of the last change in ns


class Watch:
    """One folder. `look` is called again and again; it takes what was the same the time before."""

    def __init__(self, folder: Path, out: Path, seal: Seal, tell: Tell, *, remove: bool) -> None:
        if not folder.is_dir() or not out.is_dir():
            raise NotFound(f"`{folder if not folder.is_dir() else out}` is not a folder", hint="make it first")
        if folder.resolve() == out.resolve():
            raise Malformed("packages would fall into the folder that is watched", hint="give --out another folder")
        self.folder, self.out, self.seal, self.tell, self.remove = folder, out, seal, tell, remove
        self._before: dict[Path, Seen] = {}
        self._failed: dict[Path, Seen] = {}

    def look(self) -> int:
        """How many files were sealed. What cannot be sealed is told once, and again only after it has changed."""
        now: dict[Path, Seen] = {}
        sealed = 0
        for path in sorted(self.folder.iterdir()):
            seen = _seen(path)
            if seen is None or self._done(path, seen):
                continue
            now[path] = seen
            if self._before.get(path) == seen and self._failed.get(path) != seen:
                sealed += self._take(path, seen)
        self._before = now
        return sealed

    def _done(self, path: Path, seen: Seen) -> bool:
        target = self.out / f"{path.name}.tdf"
        return target.exists() and target.stat().st_mtime_ns >= seen[1]

    def _take(self, path: Path, seen: Seen) -> int:
        target = self.out / f"{path.name}.tdf"
        try:
            self.seal(path, target)
        except ReltoError as error:
            self._failed[path] = seen
            self.tell(path, None, error)
            return 0
        if self.remove and _seen(path) == seen:
            path.unlink(missing_ok=True)
        self.tell(path, target, None)
        return 1


def _seen(path: Path) -> Seen | None:
    if path.name.startswith("."):
        return None
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
