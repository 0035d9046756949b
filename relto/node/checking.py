"""Ledgers checked from their bytes, and written out for programs that know C2SP and nothing of relto.

    checkpoint              as published
    tile/…                  tiles and bundles of its size
    policy                  whose lines to ask for, when a charter is in force

`verified.json` in the node's directory remembers how far each ledger was verified last, by whoever ran the check: it
saves reading again what has been read, and is no evidence for anybody else.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from relto import acts
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.ledger import (
    Frontier,
    Policy,
    bundles_of,
    encode_bundle,
    open_checkpoint,
    tiles_of,
    verify_log,
    verify_tiles,
)
from relto.node.held import log_verifier, post_quantum, witness_verifiers
from relto.node.node import Node

FILE: Final = "verified.json"
FILE_MAX: Final = 1024 * 1024
RESOURCE_MAX: Final = 256 * (2 + 65_535)  # bytes of a full bundle of the largest entries


class Verified(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a ledger was verified, and when (ms UTC)."""

    size: Annotated[int, Meta(ge=0)]
    frontier: tuple[bytes, ...]
    at: int

    @property
    def edge(self) -> Frontier:
        return Frontier(size=self.size, hashes=self.frontier)


def load_verified(directory: Path) -> dict[str, Verified]:
    """What `save_verified` wrote; empty before the first time. Raises: Malformed."""
    path = directory / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        held = msgspec.json.decode(data if len(data) <= FILE_MAX else b"", type=dict[str, Verified])
        for one in held.values():
            _ = one.edge
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Malformed) as error:
        raise Malformed(
            "this does not say what was verified", where=str(path), hint="delete it; verify whole"
        ) from error
    return held


def save_verified(directory: Path, held: dict[str, Verified]) -> None:
    """Replaces the file as a whole."""
    spare = directory / f"{FILE}.new"
    spare.write_bytes(msgspec.json.encode(held, order="sorted") + b"\n")
    spare.chmod(0o600)
    spare.replace(directory / FILE)


def check_ledger(node: Node, party: str, since: Verified | None) -> tuple[dict[str, Any], Verified | None]:
    """What is known of one party's ledger from the bytes held here, and how far that goes.

    Raises: NotFound for a party that is not here; Unavailable.
    """
    state = node.register.party(party)
    origin = state.origin
    head = node.store.head(origin)
    if head is None:
        return {"party": party, "origin": origin, "size": state.size, "sound": True, "parts": True}, None
    keys = node.register.scans[origin].chain[-1].keys
    report = verify_log(node.store, origin, log_verifier(origin, keys), None if since is None else since.edge)
    problem = report.problem or node.problems().get(origin, "")
    seen: dict[str, int] = {}
    both = False
    if not problem:
        try:
            seen, both = _shown(node, party)
        except ReltoError as error:
            problem = f"the checkpoint shown to others does not hold: {error.message}"
    view = {
        "party": party,
        "origin": origin,
        "size": report.size,
        "since": report.since,
        "openings": report.openings,
        "root": head.root.hex(),
        "both_signatures": both,
        "cosigned": dict(sorted(seen.items())),
        "sound": not problem,
        "problem": problem or None,
        "index": report.index,
    }
    if problem:
        return view, None
    return view, Verified(size=head.size, frontier=head.frontier, at=int(time.time() * 1000))


def former_ledgers(node: Node, party: str) -> list[str]:
    """The ledgers that a party wrote before the one it writes now, the oldest first."""
    state = node.register.party(party)
    held = [one for one in node.register.scans.values() if (one.party, one.inception_id) == (party, state.inception)]
    found = [one.origin for one in held if acts.is_later(state.origin, one.origin) and node.store.head(one.origin)]
    return sorted(found, key=lambda origin: int(origin.rpartition("/")[2]))


def check_former(node: Node, party: str, origin: str) -> dict[str, Any]:
    """The same of a ledger that is over; nobody cosigns it any more."""
    head = node.store.head(origin)
    assert head is not None
    keys = node.register.scans[origin].chain[-1].keys
    report = verify_log(node.store, origin, log_verifier(origin, keys))
    view = {"party": party, "origin": origin, "size": report.size, "since": report.since, "openings": report.openings}
    view |= {"root": head.root.hex(), "both_signatures": False, "cosigned": {}, "sound": not report.problem}
    return view | {"problem": report.problem or None, "index": report.index, "over": True}


def _shown(node: Node, party: str) -> tuple[dict[str, int], bool]:
    """Of the checkpoint that others get: whose witness has cosigned it and when (seconds); whether both log keys signed.

    Raises: Forged when a known line does not hold, or the own entries are not those under it.
    """
    register = node.register
    own = register.party(party)
    try:
        size, note = node.exported(own.origin)
    except (NotFound, Refused, Unavailable):
        return {}, False  # nothing has been shown, or has come, yet; or it is recovering
    witnesses = {
        key: other
        for other, state in register.parties.items()
        if other != party and state.chain
        for key in witness_verifiers(state.origin, state.keys)
    }
    second = post_quantum(own.origin, own.keys)
    known = [*witnesses] if second is None else [second, *witnesses]
    opened = open_checkpoint(note, log_verifier(own.origin, own.keys), known)
    if node.tree(own.origin).root(size) != opened.checkpoint.root:
        raise Forged(f"at size {size} it signs another history")
    by = {one.by: one.at for one in opened.cosigned}
    return {witnesses[key]: at for key, at in by.items() if key in witnesses}, second in by


# ---- for programs of others


def export_tiles(node: Node, party: str, directory: Path) -> tuple[int, int]:
    """Writes the directory; returns the ledger's size and the number of files. Raises: Conflict, NotFound."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Conflict(f"`{directory}` is not empty", hint="choose a new directory")
    origin = node.register.party(party).origin
    size, note = node.exported(origin)
    directory.mkdir(parents=True, exist_ok=True)
    count = 0

    def write(name: str, data: bytes) -> None:
        nonlocal count
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        count += 1

    tree = node.tree(origin)
    for tile in tiles_of(size):
        write(tile.path(), tree.tile(tile))
    for bundle in bundles_of(0, size):
        write(bundle.path(), encode_bundle(node.store.leaves(origin, bundle.start, bundle.start + bundle.width)))
    write("checkpoint", note)
    if node.register.charter is not None:
        write("policy", node.policy(party).encode())
    return size, count


def check_tiles(directory: Path, policy: Policy) -> dict[str, Any]:
    """A directory of tiles, checked by a policy and its own bytes alone.

    Raises: NotFound, Malformed, Forged (what and where).
    """
    if not (directory / "checkpoint").is_file():
        raise NotFound(f"`{directory}` holds no checkpoint", hint="`relto ledger export` writes such a directory")

    def read(name: str) -> bytes:
        path = directory / name
        try:
            with path.open("rb") as file:
                data = file.read(RESOURCE_MAX + 1)
        except FileNotFoundError as error:
            raise NotFound("this resource of the ledger is missing", where=str(path)) from error
        if len(data) > RESOURCE_MAX:
            raise Malformed(f"a resource has at most {RESOURCE_MAX} bytes", where=str(path))
        return data

    opened = policy.open(read("checkpoint"))
    head = opened.checkpoint
    try:
        count = verify_tiles(read, head.size, head.root)
    except (Forged, Malformed) as error:
        raise type(error)(error.message, where=error.where or str(directory), hint=error.hint) from error
    return {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "resources": count,
        "signed_by": sorted({opened.signature.name, *(one.by.name for one in opened.cosigned)}),
        "sound": True,
    }
