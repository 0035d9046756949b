"""One party, several ledgers one after another: which later ledger goes on after which, and all of them as one line.

A ledger that forked or was lost cannot be written any more. Its party begins another, whose entry 0 (`epoch`) is signed
by the root keys that the former committed to and names how much of the former it takes over. It speaks for the party
when enough members' ledgers acknowledge it, and when what it leaves out can never have been confirmed.

The slot rule reads a party's ledgers as one line: the former up to there, then the later. A vote, a deadline, a notice
keeps its place before or after another whichever ledger it stands in.

Source: spec/register.md, "Epochs"; docs/decisions/0088-epochs.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from relto.acts.act import Epoch, key_digest
from relto.acts.scan import Scan, Stated, is_later


class Link(Struct, frozen=True, order=True):
    """A ledger that goes on after another, of which it takes over so many entries."""

    former: str
    later: str
    size: int


class Line:
    """The ledgers of one party as the slot rule reads them, under the name of the first."""

    __slots__ = ("_parts", "inception_id", "origin", "party")

    def __init__(self, parts: Sequence[tuple[Scan, int | None]]) -> None:
        first = parts[0][0]
        self.origin, self.party, self.inception_id = first.origin, first.party, first.inception_id
        self._parts = tuple(parts)

    @property
    def parts(self) -> tuple[tuple[Scan, int | None], ...]:
        """Each ledger and how much of it counts; None: all."""
        return self._parts

    @property
    def readable(self) -> int:
        """The entries before the first that is for the reader and not open."""
        total = 0
        for scan, stop in self._parts:
            if stop is None or scan.readable < stop:
                return total + scan.readable
            total += stop
        return total

    def offset(self, origin: str) -> int:
        """Where the entries of one of its ledgers begin in the line."""
        total = 0
        for scan, stop in self._parts:
            if scan.origin == origin:
                return total
            total += stop or 0
        raise KeyError(origin)

    def seat(self, one: Stated) -> Stated | None:
        """An act at its place in the line; None for one that was not taken over."""
        stop = next(stop for scan, stop in self._parts if scan.origin == one.origin)
        if stop is not None and one.index >= stop:
            return None
        return replace(one, origin=self.origin, index=self.offset(one.origin) + one.index)

    @property
    def stated(self) -> Iterator[Stated]:
        for scan, _ in self._parts:
            for one in scan.stated:
                seated = self.seat(one)
                if seated is not None:
                    yield seated


Ledger = Scan | Line
__all__ = ["Ledger", "Line", "Link", "claims", "epoch_fault", "fault", "is_later", "lines", "parts_of"]


def parts_of(ledger: Ledger) -> tuple[tuple[Scan, int | None], ...]:
    return ledger.parts if isinstance(ledger, Line) else ((ledger, None),)


def claims(scans: Mapping[str, Scan]) -> list[Link]:
    """Ledgers that begin with an epoch which its own keys signed, whether what it says is so or not."""
    found = []
    for origin, scan in sorted(scans.items()):
        if isinstance(scan.inception, Epoch):
            found.append(Link(scan.inception.former.origin, origin, scan.inception.former.size))
    return found


def fault(link: Link, scans: Mapping[str, Scan]) -> str:
    """Why a ledger cannot go on after another, by both of them alone; empty when it can."""
    act = scans[link.later].inception
    assert isinstance(act, Epoch)
    return epoch_fault(act, scans.get(link.former))


def epoch_fault(act: Epoch, former: Scan | None) -> str:
    """Why an epoch cannot follow this ledger; whether its own keys signed it is not asked."""
    size = act.former.size
    if former is None or not former.chain:
        return "the ledger before it is not held here"
    if (former.party, former.inception_id) != (act.author, act.inception):
        return f"the ledger before it is not {act.author}'s"
    root = former.root_at(size)
    if root is None and not former.sparse:
        return f"{former.size} entries of the ledger before it are here, and it takes over {size}"
    if root is not None and root.hex() != act.former.root:
        return "the ledger before it has another root there"
    before = next((span for span in reversed(former.chain) if span.since < size), None)
    if before is None or before.id != act.prev:
        return "does not follow the newest keys of what it takes over"
    promised, shown = before.keys.next_root, {key_digest(key) for key in act.keys.root.keys}
    if not shown <= set(promised.digests) or act.keys.root.threshold < promised.threshold:
        return "its root keys are not those committed to"
    return ""


def lines(scans: Mapping[str, Scan], links: Iterable[Link]) -> dict[str, Ledger]:
    """origin -> the ledger or line that it belongs to. A ledger that claims to go on and does not speaks for nobody."""
    after = {link.former: link for link in links}
    later = {link.later for link in after.values()}
    found: dict[str, Ledger] = dict(scans)
    for origin in scans:
        if origin in later or origin not in after:
            continue
        parts: list[tuple[Scan, int | None]] = []
        at = origin
        while at in after:
            parts.append((scans[at], after[at].size))
            at = after[at].later
        line = Line([*parts, (scans[at], None)])
        found |= {scan.origin: line for scan, _ in line.parts}
    return found
