"""What an auditor gets: a directory that opens the owner's releases to somebody who holds no key and no node.

    pin            the founding id and whose bundle it is
    ledgers/N/     leaves, openings and checkpoint of each ledger the releases rest on
    objects/       texts by digest

Reading it verifies everything again: checkpoints by the log keys in the inceptions, leaves by the tree, openings by
their leaves, the founding by the fold, and the founding id by the auditor's own pin. What the bundle opens is the
owner's to open; names of people are not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from relto import acts
from relto.acts import Entry, Register
from relto.errors import Conflict, Forged, Malformed, NotFound, ReltoError
from relto.ledger import leaf_hash, open_published, tree_root
from relto.node.held import log_verifier, post_quantum
from relto.node.node import Node

FILE = "audit.json"
SIZE_MAX = 1 << 30


class LedgerText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    origin: str
    note: bytes
    leaves: tuple[bytes, ...]
    openings: tuple[tuple[int, bytes, bytes], ...]


class AuditText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    relto: str
    v: int
    founding: str
    party: str
    ledgers: tuple[LedgerText, ...]


def write_audit(node: Node, directory: Path) -> int:
    """Writes the bundle; returns how many entries are open in it. Raises: Conflict when something is there already."""
    if directory.exists() and any(directory.iterdir() if directory.is_dir() else [directory]):
        raise Conflict(f"`{directory}` is not empty", hint="choose a new directory")
    (directory / "objects").mkdir(parents=True, exist_ok=True)
    ledgers, count = [], 0
    for origin in node.store.origins():
        try:
            size, note = node.exported(origin)
        except NotFound:
            continue
        opened = tuple(node.store.openings(origin, 0, size))
        count += len(opened)
        ledgers.append(
            LedgerText(origin=origin, note=note, leaves=tuple(node.store.leaves(origin, 0, size)), openings=opened)
        )
    text = AuditText(relto="audit", v=1, founding=node.register.partnership, party=node.me, ledgers=tuple(ledgers))
    for digest, data in sorted(node.register.objects.items()):
        (directory / "objects" / digest).write_bytes(data)
    (directory / FILE).write_bytes(msgspec.json.encode(text))
    return count


def read_audit(directory: Path, pin: str) -> tuple[Register, Callable[[Mapping[str, int], str], Register]]:
    """The owner's register as the bundle proves it, and the register of any prefix of it.

    Raises: NotFound, Malformed, Forged (what and where), Conflict when it is another partnership's than the pinned one.
    """
    path = directory / FILE
    if not path.is_file():
        raise NotFound(f"`{directory}` is no audit bundle", hint="`relto audit --export DIR` writes one")
    if path.stat().st_size > SIZE_MAX:
        raise Malformed(f"an audit bundle over {SIZE_MAX} bytes is not read", where=str(path))
    try:
        text = msgspec.json.decode(path.read_bytes(), type=AuditText)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("not an audit bundle", where=str(path)) from error
    if (text.relto, text.v) != ("audit", 1):
        raise Malformed("an audit bundle of another version", where=str(path))
    objects = _objects(directory / "objects")
    logs = {one.origin: _entries(one, str(path)) for one in text.ledgers}
    register = acts.fold(logs, text.party, objects)
    if register.partnership != pin and not (len(pin) >= 16 and register.partnership.startswith(pin)):
        raise Conflict(
            "this bundle is of another founding than the one you pinned",
            hint=f"it says {register.partnership[:16] or 'none'}",
        )

    def at(limits: Mapping[str, int], me: str) -> Register:
        return acts.fold(
            {origin: logs[origin][: limits.get(origin, 0)] for origin in logs if limits.get(origin, 0)},
            me or text.party,
            objects,
        )

    return register, at


def _entries(one: LedgerText, where: str) -> list[Entry]:
    """One ledger verified from its bytes: the log key stands in its own entry 0, which the founding pins."""
    opened = {index: (salt, envelope) for index, salt, envelope in one.openings}
    if 0 not in opened:
        raise Forged(f"`{one.origin}` does not open its inception", where=where)
    act, _, _ = acts.open_act(opened[0][1])
    if not isinstance(act, acts.Inception) or act.log != one.origin:
        raise Forged(f"entry 0 of `{one.origin}` is not its inception", where=where)
    keys = log_verifier(one.origin, act.keys), post_quantum(one.origin, act.keys)
    checkpoint = open_published(one.note, *keys).checkpoint
    if checkpoint.size != len(one.leaves) or tree_root([leaf_hash(leaf) for leaf in one.leaves]) != checkpoint.root:
        raise Forged(
            f"the entries of `{one.origin}` are not those that its checkpoint of size {checkpoint.size} signs",
            where=where,
        )
    entries = []
    for index, leaf in enumerate(one.leaves):
        try:
            entries.append(acts.entry(one.origin, index, leaf, opened.get(index)))
        except ReltoError as error:
            raise Forged(f"entry {index} of `{one.origin}`: {error.message}", where=where) from error
    return entries


def _objects(directory: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.name:
            raise Forged("an object is not what its name says", where=str(path))
        found[path.name] = data
    return found
