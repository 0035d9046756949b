"""A bundle: what one party may have of the ledgers, in one file, for a partner that no network reaches.

`export` writes what an HTTP fetch would have given: the checkpoint with its cosignatures, entries or proofs, the
openings and texts that this reader may open, sealed packages. All of it is sealed to the reader's opening key.
`take_in` reads it through the same door as HTTP: `Carried` is a `Peer`, and `Mirror.ingest` verifies and stores. What the
reader then owes (receipts, acknowledges) it writes into its own ledger, and its own bundle brings it back.

A bundle may come late, twice, or after a newer one: none of that is an error. It never makes a ledger look fresher than
the moment at which its maker signed it. To the byte: spec/carried.md.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from relto import acts
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.ledger import encode_bundle, encode_openings, parse_openings
from relto.ledger.tiles import parse_bundle
from relto.node import sealed_file
from relto.node.asking import parse_time
from relto.node.duties import AHEAD_MS_MAX
from relto.node.held import Pinned, texts_of
from relto.node.mirror import Delivered
from relto.node.node import Node
from relto.node.said import YourEntry, Yours
from relto.node.sealed_file import Sealed, Source
from relto.package import read

LEDGERS_MAX: Final = 64
BLOCK: Final = 256  # entries in a section, as in a bundle of tlog-tiles
OPENINGS_BLOCK: Final = 1024

T = TypeVar("T")
Count = Annotated[int, Meta(ge=0, lt=2**53)]


class LedgerSays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ledger in a bundle: entries [since, size), or, in parts, what of them this reader may open."""

    party: str
    origin: str
    since: Count
    size: Count
    whole: bool


class PackageSays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sealed package of an item that the reader may know of. included: it is in this file, not only named."""

    digest: str
    item: str
    version: Count
    included: bool


class RefusedSays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the maker refused of the reader's ledger when it last looked."""

    size: Count
    problem: str


class BundleSays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """by, to: origins. at: ms UTC. founding: the partnership that the maker knows; empty before one."""

    by: str
    to: str
    at: Count
    founding: str
    ledgers: Annotated[tuple[LedgerSays, ...], Meta(max_length=LEDGERS_MAX)]
    packages: tuple[PackageSays, ...] = ()
    refused: RefusedSays | None = None


# ── out ──


def export(
    node: Node,
    to: str,
    out: Path,
    *,
    since: str = "",
    packages: Sequence[Path] = (),
    own_only: bool = False,
    recovery: bool = False,
) -> BundleSays:
    """Writes the bundle of this node for a pinned party.

    since: a size of the own ledger, a day, or empty for what that party last acknowledged. recovery: also what is held
    here of that party's own ledger, for a node that came back from a backup.

    Raises: NotFound, Malformed; Refused for a package of an item that the party may not know of, and while recovering;
    Conflict when `out` is there; Unavailable.
    """
    node.must_not_recover()
    pinned = _pinned(node, to)
    if out.exists():
        raise Conflict(f"there is a file `{out}` already", hint="choose another name")
    time.sleep(node.publish_in_ms() / 1000)
    with node.lock:
        assert node.keys is not None
        sections: dict[str, Source] = {}
        ledgers = [_own(node, pinned, since, sections)]
        if node.serves_whole(to) and not own_only:
            ledgers += _mirrors(node, to, sections)
        for digest, data in sorted(_texts(node, to, {one.origin: one.since for one in ledgers}).items()):
            sections[f"objects/{digest}"] = data
        says = BundleSays(
            by=node.origin,
            to=pinned.origin,
            at=node.clock(),
            founding=node.register.partnership or node.config.pin,
            ledgers=tuple(ledgers),
            packages=_packages(node, to, packages, sections),
            refused=_refused(node, pinned),
        )
        if recovery:
            _yours(node, to, sections)
        public = node.keys_of(pinned).opening
        sign = node.keys.node.sign
    try:
        sealed_file.write(
            out,
            "bundle",
            msgspec.json.encode(says),
            sections,
            by=node.me,
            to=to,
            public=public,
            random=node.random,
            sign=sign,
        )
    except FileExistsError:
        raise Conflict(f"there is a file `{out}` already", hint="choose another name") from None
    except OSError as error:
        raise Unavailable(f"`{out}` cannot be written: {(error.strerror or str(error)).lower()}") from error
    return says


def _pinned(node: Node, party: str) -> Pinned:
    pinned = node.peers().get(party)
    if pinned is None:
        raise NotFound(f"`{party[:64]}` is not pinned here", hint="`relto node join` pins a party")
    return pinned


def _own(node: Node, pinned: Pinned, since: str, sections: dict[str, Source]) -> LedgerSays:
    size, note = node.exported(node.origin)
    acked = _acknowledged(node, pinned.party, node.origin)
    start = min(size, _start(node, since, acked, size))
    whole = node.serves_whole(pinned.party)
    ack = node.register.acks.get(pinned.party)
    owed = {index for one in (ack[1].owed if ack else ()) if one.origin == node.origin for index in one.entries}
    disclosed = {
        index
        for one in node.register.scans[node.origin].stated
        if one.index >= start and isinstance(one.act, acts.Disclose) and one.act.to == pinned.party
        for index in one.act.entries
    }
    found = node.openings_for(pinned.party, start, sorted(owed | disclosed), size, proofs=not whole)
    sections["ledger-0/checkpoint"] = note
    if whole:
        _entries(sections, 0, start, node.store.leaves(node.origin, start, size))
        _openings(sections, 0, [(one.index, one.salt, one.envelope) for one in found])
    else:
        for number, block in enumerate(_blocks(found, OPENINGS_BLOCK)):
            sections[f"ledger-0/parts-{number}"] = msgspec.json.encode(block)
        proof = node.log.tree.consistency(start, size) if 0 < start < size else []
        sections["ledger-0/consistency"] = msgspec.json.encode(proof)
    return LedgerSays(party=node.me, origin=node.origin, since=start, size=size, whole=whole)


def _acknowledged(node: Node, party: str, origin: str) -> int:
    ack = node.register.acks.get(party)
    return next((one.size for one in ack[1].heads if one.origin == origin), 0) if ack else 0


def _start(node: Node, since: str, acked: int, size: int) -> int:
    if not since:
        return acked
    if since.isdecimal() and len(since) < 16:
        return int(since)
    at = parse_time(since)
    return min(size, node.register.scans[node.origin].size_at(at - 1))


def _mirrors(node: Node, to: str, sections: dict[str, Source]) -> list[LedgerSays]:
    """The other members' ledgers as they are mirrored here, for a member that may not reach them itself."""
    found: list[LedgerSays] = []
    for other in sorted(node.register.members):
        pinned = node.peers().get(other)
        head = node.store.head(pinned.origin) if pinned is not None else None
        if other == to or pinned is None or head is None or not head.note:
            continue
        number, start = len(found) + 1, min(head.size, _acknowledged(node, to, pinned.origin))
        sections[f"ledger-{number}/checkpoint"] = head.note
        _entries(sections, number, start, node.store.leaves(pinned.origin, start, head.size))
        # What its author opened to this reader too, and nothing else: we hold more of it than the reader may.
        may = {
            one.index for one in node.held_entries(pinned.origin) if one.act is not None and acts.open_to(one.act, to)
        }
        _openings(
            sections, number, [one for one in node.store.openings(pinned.origin, start, head.size) if one[0] in may]
        )
        found.append(LedgerSays(party=other, origin=pinned.origin, since=start, size=head.size, whole=True))
    return found


def _entries(sections: dict[str, Source], ledger: int, start: int, leaves: Sequence[bytes]) -> None:
    for at in range(0, len(leaves), BLOCK):
        sections[f"ledger-{ledger}/entries-{start + at}"] = encode_bundle(leaves[at : at + BLOCK])


def _openings(sections: dict[str, Source], ledger: int, openings: Sequence[tuple[int, bytes, bytes]]) -> None:
    for number, block in enumerate(_blocks(openings, OPENINGS_BLOCK)):
        sections[f"ledger-{ledger}/openings-{number}"] = encode_openings(block)


def _blocks(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (rows[at : at + size] for at in range(0, len(rows), size))


def _texts(node: Node, to: str, since: Mapping[str, int]) -> dict[str, bytes]:
    """The texts that acts name which this reader may open, as far as they are younger than what it has.

    Or opened to it since: an act of ours that a younger disclosure names.
    """
    start = since.get(node.origin, 2**53)
    late = {
        index
        for one in node.register.scans[node.origin].stated
        if one.index >= start and isinstance(one.act, acts.Disclose) and one.act.to == to
        for index in one.act.entries
    }
    found = {}
    for one in node.register.stated.values():
        fresh = one.index >= since.get(one.origin, 2**53) or (one.origin == node.origin and one.index in late)
        if fresh and node.opened_to(one, to):
            for digest in texts_of(one.act):
                if node.objects.has(bytes.fromhex(digest)):
                    found[digest] = node.objects.get(bytes.fromhex(digest))
    return found


def _packages(node: Node, to: str, files: Sequence[Path], sections: dict[str, Source]) -> tuple[PackageSays, ...]:
    """Those handed in, and by reference those sealed here as items that the party may know of."""
    found: dict[str, PackageSays] = {}
    for digest, opaque, item, version in node.store.query(
        "SELECT digest, opaque, item, version FROM packages ORDER BY digest"
    ):
        if _may_know(node, to, opaque):
            found[digest] = PackageSays(digest=digest, item=item, version=version, included=False)
    for path in files:
        if not path.is_file():
            raise NotFound(f"there is no file `{path}`")
        package = read(path)
        opaque = package.policy.item[1]
        if not _may_know(node, to, opaque):
            raise Refused(
                f"`{to}` may not know of the item in `{path}`", hint="its label or an engagement would say so"
            )
        held, digest = node.register.item_by_opaque(opaque), package.digest.hex()
        found[digest] = PackageSays(digest=digest, item=held.id, version=held.version, included=True)
        sections[f"packages/{digest}.tdf"] = path
    return tuple(found.values())


def _may_know(node: Node, to: str, opaque: str) -> bool:
    """Whether the act that registered an item is open to a party, by its readers or by a disclosure of ours."""
    with contextlib.suppress(NotFound):
        stated = node.register.act(node.register.item_by_opaque(opaque).act)
        return acts.open_to(stated.act, to) or any(
            isinstance(one.act, acts.Disclose) and one.act.to == to and stated.index in one.act.entries
            for one in node.register.scans[stated.origin].stated
        )
    return False


def _yours(node: Node, to: str, sections: dict[str, Source]) -> None:
    """What a recovering node would ask for over the network, in the same words."""
    sections["yours/checkpoint"] = msgspec.json.encode(node.yours(to))
    start: int | None = 0
    while start is not None:
        page = node.your_entries(to, start, 2**53 - 1)
        sections[f"yours/entries-{start}"] = msgspec.json.encode(page.entries)
        start = page.more


def _refused(node: Node, pinned: Pinned) -> RefusedSays | None:
    problem = node.problems().get(pinned.origin)
    head = node.store.head(pinned.origin)
    return RefusedSays(size=head.size if head else 0, problem=problem[:500]) if problem else None


# ── in ──


class Carried:
    """One ledger of a bundle as a `Peer`. Every answer comes from the file, and is verified by the caller."""

    def __init__(self, held: Sealed, number: int, says: LedgerSays, at: int) -> None:
        self.party, self._held, self._says = says.party, held, says
        self.at: int | None = at
        self._prefix = f"ledger-{number}/"
        self._spans: dict[str, tuple[int, int]] = {}  # section -> first and last entry that it opens

    def head(self) -> bytes:
        return self._held.read(self._prefix + "checkpoint")

    def leaves(self, start: int, stop: int) -> list[bytes]:
        if start < self._says.since:
            raise Refused(
                f"this bundle holds `{self._says.origin}` from entry {self._says.since} on, and {start} are here",
                hint=f"ask for one with `--since {start}`, or take in the earlier one first",
            )
        found: list[bytes] = []
        stop = min(stop, self._says.size)
        first = self._says.since + (start - self._says.since) // BLOCK * BLOCK
        for at in range(first, stop, BLOCK):
            width = min(BLOCK, self._says.size - at)
            block = parse_bundle(self._held.read(f"{self._prefix}entries-{at}"), width)
            found += block[max(0, start - at) : max(0, stop - at)]
        return found

    def openings(self, since: int, also: Sequence[int], size: int) -> list[Delivered]:
        wanted, found = set(also), list[Delivered]()
        for name in self._named("openings-"):
            first, last = self._spans.get(name, (0, size))
            if not wanted and (last < since or first >= size):
                continue  # read before, for another step
            rows = parse_openings(self._held.read(name))
            self._spans[name] = (min(one[0] for one in rows), max(one[0] for one in rows)) if rows else (size, 0)
            found += [Delivered(index=index, leaf=b"", salt=salt, envelope=envelope) for index, salt, envelope in rows]
        for name in self._named("parts-"):
            try:
                found += msgspec.json.decode(self._held.read(name), type=list[Delivered])
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Malformed(f"the section `{name}` is no list of openings") from error
        return [one for one in found if (one.index >= since or one.index in wanted) and one.index < size]

    def consistency(self, old: int, new: int) -> list[bytes]:
        if (old, new) != (self._says.since, self._says.size):
            raise Refused(
                f"this bundle proves `{self._says.origin}` from size {self._says.since} on, and {old} is here",
                hint=f"ask for one with `--since {old}`",
            )
        try:
            return msgspec.json.decode(self._held.read(self._prefix + "consistency"), type=list[bytes])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed("the consistency proof in this bundle cannot be read") from error

    def object(self, digest: str) -> bytes:
        return self._held.read(f"objects/{digest}")

    def _named(self, what: str) -> list[str]:
        return [name for name in self._held.sections if name.startswith(self._prefix + what)]


class CarriedWitness:
    """A partner's word on this node's own ledger, out of a bundle: what a recovering node asks for."""

    def __init__(self, held: Sealed) -> None:
        self._held = held

    def yours(self) -> Yours:
        return self._read("yours/checkpoint", Yours)

    def your_entries(self, since: int, size: int) -> list[YourEntry]:
        found: list[YourEntry] = []
        for name in self._held.sections:
            if name.startswith("yours/entries-"):
                found += self._read(name, list[YourEntry])
        return sorted((one for one in found if since <= one.index < size), key=lambda one: one.index)

    def _read(self, name: str, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(self._held.read(name), type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed(
                f"the section `{name}` of this bundle cannot be read", where=str(self._held.path)
            ) from error


def open_witness(node: Node, path: Path) -> tuple[str, CarriedWitness]:
    """The party that made a bundle, and its word on this node's ledger. Raises: as `open_bundle`; Refused."""
    held, says, pinned = open_bundle(node, path)
    if "yours/checkpoint" not in held.sections:
        raise Refused(
            f"this bundle does not say what {pinned.party} holds of this node's ledger",
            hint=f"ask for one made by `relto bundle export --to {node.me} --recovery`",
        )
    since = node.recovering_since()
    if since is not None and says.at < since:
        raise Refused(
            f"this bundle was made before this node began to recover: {pinned.party} may have seen more since",
            hint=f"ask for a new one: `relto bundle export --to {node.me} --recovery`",
        )
    return pinned.party, CarriedWitness(held)


class Taken(Struct, frozen=True, kw_only=True):
    """What became of one ledger of a bundle. new: entries and openings that were not here."""

    party: str
    origin: str
    size: int
    new: int
    note: str = ""
    error: str = ""


class TakenIn(Struct, frozen=True, kw_only=True):
    by: str
    at: int
    ledgers: tuple[Taken, ...]
    packages: tuple[str, ...]  # files written
    named: tuple[PackageSays, ...]  # packages that exist and travel by another road
    refused: RefusedSays | None
    written: int  # own acts that followed: receipts, acknowledges


def open_bundle(node: Node, path: Path) -> tuple[Sealed, BundleSays, Pinned]:
    """A bundle that is whole, for this node, of this partnership, by a pinned party that signed it.

    Raises: NotFound, Malformed, Forged, Refused, Conflict: each says which of these it is not.
    """
    if node.keys is None:
        raise Refused("this node's opening key is not here", hint="a bundle is opened on the node's own machine")
    held = Sealed(path, node.keys.opening, what="bundle")
    says = read_says(held)
    if says.to != node.origin:
        raise Refused(f"this bundle is for `{says.to}`, not for `{node.origin}`", where=str(path))
    mine = node.register.partnership or node.config.pin
    if mine and says.founding and says.founding != mine:
        raise Conflict(
            "this bundle is of another partnership than the one here",
            hint=f"it says {says.founding[:16]}, this node has {mine[:16]}",
            where=str(path),
        )
    try:
        pinned = node.peer_by_origin(says.by)
    except NotFound:
        raise Refused(
            f"`{says.by}` made this bundle, and its party is not pinned here", hint="`relto node join` pins a party"
        ) from None
    if not node.keys_of(pinned).node.verify(held.signed, held.signature):
        raise Forged(f"`{pinned.party}` did not sign this bundle", where=str(path))
    if says.at > node.clock() + AHEAD_MS_MAX:
        raise Refused(
            f"this bundle is dated {(says.at - node.clock()) // 1000} s ahead of this machine",
            hint="compare the clocks of both machines",
        )
    held.check()  # to the last byte, before any of it is stored
    return held, says, pinned


def read_says(held: Sealed) -> BundleSays:
    """Raises: Malformed."""
    try:
        return msgspec.json.decode(held.says, type=BundleSays)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed("what this bundle states cannot be read", where=str(held.path)) from error


def take_in(node: Node, path: Path, packages: Path | None = None) -> TakenIn:
    """Verifies and stores what a bundle brings. Again, or after a newer one, it changes nothing.

    packages: where sealed packages are written, each once.

    Raises: as `open_bundle`; Unavailable. A ledger that does not hold is told in its row; the others are taken.
    """
    held, says, pinned = open_bundle(node, path)
    taken = tuple(_take_ledger(node, held, number, one, says, pinned) for number, one in enumerate(says.ledgers))
    if says.refused is not None:
        node.note_refusal(pinned.party, says.at, says.refused.size, says.refused.problem)
    written = 0 if node.recovering else node.tend()
    return TakenIn(
        by=pinned.party,
        at=says.at,
        ledgers=taken,
        packages=tuple(_write_packages(held, says, packages)) if packages is not None else (),
        named=says.packages,
        refused=says.refused,
        written=written,
    )


def _take_ledger(node: Node, held: Sealed, number: int, one: LedgerSays, says: BundleSays, pinned: Pinned) -> Taken:
    def row(new: int = 0, note: str = "", error: str = "") -> Taken:
        return Taken(party=one.party, origin=one.origin, size=one.size, new=new, note=note, error=error)

    known = node.peers().get(one.party)
    if one.origin == node.origin:
        return row(note="this node's own")
    if known is None or known.origin != one.origin:
        return row(note=f"`{one.party}` is not pinned here; left out")
    # Another party's word for how fresh a third ledger is counts for nothing: 0.
    peer = Carried(held, number, one, says.at if one.origin == pinned.origin else 0)
    before = node.held_size(known)
    try:
        new = more = node.ingest(peer)
        while more and node.store.staged(known.origin) is not None:
            more = node.ingest(peer)  # a round takes so many steps
            new += more
    except ReltoError as error:
        return row(error=error.message)
    if one.size < before:
        return row(new, note=f"older than what is here, {before} entries")
    return row(new, note="" if new else "nothing new")


def _write_packages(held: Sealed, says: BundleSays, directory: Path) -> Iterator[str]:
    for one in says.packages:
        if not one.included:
            continue
        target = directory / f"{one.digest}.tdf"
        if target.exists():
            continue
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        spare = directory / f".{one.digest}.part"
        try:
            with spare.open("wb") as out:
                held.copy(f"packages/{one.digest}.tdf", out)
                out.flush()
                os.fsync(out.fileno())
            if read(spare).digest.hex() != one.digest:
                raise Forged(f"the package `{one.digest[:16]}` in this bundle is another one", where=str(held.path))
            spare.replace(target)
        except OSError as error:
            raise Unavailable(f"`{target}` cannot be written: {(error.strerror or str(error)).lower()}") from error
        finally:
            spare.unlink(missing_ok=True)
        yield str(target)
