"""The shelf: sealed packages that a node hands to whoever knows their digest, and how one is fetched from anywhere.

A package is sealed and travels by any road, so that serving it releases nothing; its digest has 256 bits and stands in
no page, so that nobody comes upon one. What was fetched in part is kept and goes on where it stopped (RFC 9110, 14).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx2 as httpx
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from relto.errors import Conflict, Malformed, NotFound, Refused, Unavailable
from relto.package import read
from relto.package.container import FILE_MAX
from relto.store.objects import sync_directory

FOLDER: Final = "shelf"
TRIES_MAX: Final = 5  # of a fetch that is cut off, one after another without progress

_DIGEST = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
Progress = Callable[[int, int | None], None]


# ── giving ──


def shelve(directory: Path, package: Path) -> str:
    """Puts a copy of a package on the shelf; returns its digest. Raises: what reading it raises; Unavailable."""
    digest = read(package).digest.hex()
    place = directory / FOLDER / f"{digest}.tdf"
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        part = place.with_suffix(".part")
        shutil.copyfile(package, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(place)
        sync_directory(place.parent)
    except OSError as error:
        raise Unavailable(f"`{place}` cannot be written: {error.strerror}") from error
    return digest


def route(directory: Callable[[], Path]) -> Route:
    """GET and HEAD of a package by its digest, whole or in ranges."""

    async def package(request: Request) -> Response:
        name = str(request.path_params["digest"])
        place = directory() / FOLDER / f"{name}.tdf"
        if not _DIGEST.fullmatch(name) or not place.is_file():
            return JSONResponse({"error": NotFound("there is nothing here for you").as_dict()}, status_code=404)
        return FileResponse(
            place, media_type="application/zip", headers={"etag": f'"{name}"', "cache-control": "private, immutable"}
        )

    return Route("/packages/{digest}.tdf", package)


# ── fetching ──


def fetch(client: httpx.Client, url: str, target: Path, progress: Progress | None = None) -> None:
    """Fetches a package into `target`, from where an earlier try stopped.

    What is there beside it as `.NAME.part` is the beginning, `.NAME.etag` says of which version.
    Raises: Unavailable (what came is kept), Refused, NotFound, Malformed.
    """
    if not re.match(r"https?://", url):
        raise Malformed(f"`{url[:120]}` is not an address", hint="https://…")
    part, mark = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.etag")
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _go_on(client, url, part, mark, progress):
                break
        except httpx.HTTPError as error:
            failures = failures + 1 if part.exists() and part.stat().st_size == before else 1
            if failures >= TRIES_MAX or not part.exists():
                raise Unavailable(
                    f"`{url.partition('?')[0]}` breaks off: {type(error).__name__}",
                    hint="the same command goes on where it stopped",
                ) from error
    part.replace(target)
    mark.unlink(missing_ok=True)


def _go_on(client: httpx.Client, url: str, part: Path, mark: Path, progress: Progress | None) -> bool:
    """One request; whether the file is whole now."""
    have = part.stat().st_size if part.exists() else 0
    etag = mark.read_text() if have and mark.exists() else ""
    # Without a mark nothing says that it is the beginning of the same file.
    headers = {"range": f"bytes={have}-", "if-range": etag} if have and etag else {}
    with client.stream("GET", url, headers=headers | {"accept-encoding": "identity"}) as answer:
        if answer.status_code == 416:
            part.unlink(missing_ok=True)
            raise Conflict("the file there is shorter than what was fetched", hint="fetch it again")
        if answer.status_code == 404:
            raise NotFound("there is no package at this address")
        if answer.status_code not in {200, 206}:
            raise Refused(f"`{url.partition('?')[0]}` answers {answer.status_code}")
        start, total = _extent(answer, have if headers else 0)
        if total is not None and total > FILE_MAX:
            raise Refused(f"the file there has {total} bytes; at most {FILE_MAX} are taken")
        mark.write_text(answer.headers.get("etag", ""))
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            done = start
            # Unbuffered: what has come is kept when the rest does not.
            for chunk in answer.iter_raw():
                done += len(chunk)
                if done > FILE_MAX or (total is not None and done > total):
                    raise Refused("the file there is longer than it said, or than is taken")
                file.write(chunk)
                if progress is not None:
                    progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    return total is None or done == total


def _extent(answer: httpx.Response, asked: int) -> tuple[int, int | None]:
    """Where what comes belongs, and how long the whole is."""
    if answer.status_code == 206:
        found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        if found is None or int(found[1]) != asked:
            raise Malformed("the answer is another range than was asked for")
        return asked, int(found[3])
    length = answer.headers.get("content-length", "")
    return 0, int(length) if length.isdecimal() and len(length) < 16 else None
