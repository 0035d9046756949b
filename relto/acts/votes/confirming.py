"""How far enough members' ledgers acknowledge each ledger, what of it holds against a doubt, and which ledger goes on.

A count of acknowledges each time: of all, of those that did not know of a doubt, of those that name a new ledger first.

Source: spec/register.md, "Confirmation", "Doubt", "Epochs".
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct, UnsetType

from relto.acts import act as a
from relto.acts.grown import Map, Trail
from relto.acts.scan import Scan, Stated
from relto.acts.votes.ballot import Ballot, Said, Version, hidden_from
from relto.acts.votes.doubt import Doubt
from relto.acts.votes.epochs import Ledger, Line, Link, claims

Limits = Mapping[str, int]  # origin -> entries


class Reach(Struct):
    """How far one ledger acknowledges others, by its first `read` acknowledges.

    ahead: by ledger, heads of more than is held of it, the smallest first: they may count later.
    """

    read: int
    best: dict[str, int]
    ahead: dict[str, list[tuple[int, int, str]]]


class Confirming:
    """See the module. Whoever reads ledgers fills in what is declared here."""

    scans: Mapping[str, Scan]
    lines: Mapping[str, Ledger]
    links: tuple[Link, ...]
    partnership: str
    versions: list[Version]
    stated: Map[str, Stated]
    acks: dict[str, Trail[Stated]]
    doubts: tuple[Doubt, ...]
    ahead: dict[str, int]
    _reach: dict[tuple[object, ...], Mapping[str, int]]
    _reached: dict[tuple[str, str, tuple[str, ...]], Reach]

    def seat(self, one: Stated) -> tuple[str, int]:
        """The place of an act among all that its party said."""
        line = self.lines[one.origin]
        return (line.origin, line.offset(one.origin) + one.index) if isinstance(line, Line) else (one.origin, one.index)

    def place(self, origin: str, size: int) -> tuple[str, int]:
        """A size of a ledger as a size of the line that it belongs to."""
        line = self.lines[origin]
        if not isinstance(line, Line):
            return origin, size
        stop = next(stop for scan, stop in line.parts if scan.origin == origin)
        return line.origin, line.offset(origin) + (size if stop is None else min(size, stop))

    def _holds(self, one: Stated, reach: Mapping[str, int]) -> bool:
        return one.index < reach.get(one.origin, 0)

    # ---- confirmation -----------------------------------------------------------------------------------------------

    def quorum(self, confirmers: Sequence[str], confirm: int) -> int:
        """Of n members w must acknowledge. One that is to go is not asked; the others are then n - 1."""
        return min(confirm, len(confirmers))

    def confirmed(self, ballot: Ballot, limits: Limits | None = None) -> Mapping[str, int]:
        """How many entries of each ledger enough confirmers acknowledge, on this reader's own branch.

        limits: only what stands before these sizes (the view that an acknowledge describes).
        """
        view = None if limits is None else tuple(sorted(limits.items()))
        ledgers = tuple(ballot.ledgers[party] for party in ballot.confirmers if party in ballot.ledgers)
        ruled = ballot.charter is not None  # or nothing is in doubt
        key = (
            ballot.partnership,
            ballot.confirmers,
            ballot.quorum,
            tuple(scan.origin for scan in ledgers),
            view,
            ruled,
        )
        if key not in self._reach:
            sizes: dict[str, list[int]] = defaultdict(list)
            for scan in ledgers:
                for origin, size in self._acknowledged(scan, ballot, limits).items():
                    sizes[origin].append(size)
            w = ballot.quorum
            self._reach[key] = {o: sorted(s, reverse=True)[w - 1] for o, s in sizes.items() if 0 < w <= len(s)}
        return self._reach[key]

    def _acknowledged(self, scan: Ledger, ballot: Ballot, limits: Limits | None) -> Mapping[str, int]:
        """What one member's ledger acknowledges; of itself, all of it."""
        if limits is None and self._freeze(scan, ballot):
            return {**self._unaware(scan, ballot, (), self._counting(scan, ballot))[0], scan.origin: scan.readable}
        if limits is None:
            return {**self._read(scan, ballot).best, scan.origin: scan.readable}
        end = min(scan.readable, limits.get(scan.origin, 0))
        best = {scan.origin: end}
        for ack in self.acks[scan.origin]:
            if ack.index >= end or self._awaits(ack):
                break
            if self._counts(ack, ballot):
                for origin, size in self._heads(ack).items():
                    if origin != scan.origin:
                        best[origin] = max(best.get(origin, 0), size)
        return best

    def _awaits(self, ack: Stated) -> bool:
        """Whether it knows of a doubt that is not here yet: then nobody here can say for what it counts."""
        assert isinstance(ack.act, a.Acknowledge)
        named = () if isinstance(ack.act.doubts, UnsetType) else ack.act.doubts
        held = (self.stated.get(one) for one in named)
        return not all(one is not None and isinstance(one.act, a.Fork | a.Dispute) for one in held)

    # ---- doubt --------------------------------------------------------------------------------------------------

    def _freeze(self, scan: Ledger, ballot: Ballot) -> tuple[Doubt, ...]:
        """Of a ledger. What decides without a charter (a founding) does so before anybody can doubt it."""
        if ballot.charter is None:
            return ()
        return tuple(one for one in self.doubts if not one.key and one.of == scan.origin)

    def _doubts(self, said: Said, ballot: Ballot) -> tuple[Doubt, ...]:
        """Those that a vote lies in: by a fork of its ledger, or for a consent by a dispute of one of its keys."""
        if ballot.charter is None or not self.doubts:
            return ()
        charter = ballot.charter
        return tuple(
            one
            for one in self.doubts
            if one.covers(said.stated)
            and (not one.key or (said.consent and not said.silent and one.author in {*charter.members, one.of}))
        )

    def _frozen(self, ballot: Ballot) -> str:
        """A proposal above the place where its ledger froze is decided by nobody, unless enough had it before."""
        scan = self.lines[ballot.one.origin]
        doubts = tuple(one for one in self._freeze(scan, ballot) if one.covers(ballot.one))
        if not doubts or self._holds(ballot.one, self.kept(ballot, doubts)):
            return ""
        return f"stands where the ledger of {ballot.act.author} is frozen"

    def _counting(self, scan: Ledger, ballot: Ballot) -> int:
        """Up to where the acknowledges of a frozen ledger still count: where it froze, or what enough others had."""
        doubts = self._freeze(scan, ballot)
        return max(min(one.since for one in doubts), self.kept(ballot, doubts).get(scan.origin, 0))

    def kept(self, ballot: Ballot, doubts: tuple[Doubt, ...]) -> Mapping[str, int]:
        """How much of each ledger enough confirmers acknowledged before they knew of any of these.

        An acknowledge of a frozen ledger counts here below the place where it froze, and its word on itself.
        """
        ledgers = tuple(ballot.ledgers[party] for party in ballot.confirmers if party in ballot.ledgers)
        key = (ballot.partnership, ballot.confirmers, ballot.quorum, tuple(scan.origin for scan in ledgers), doubts)
        if key not in self._reach:
            sizes: dict[str, list[int]] = defaultdict(list)
            for scan in ledgers:
                stop = min((one.since for one in self._freeze(scan, ballot)), default=scan.readable)
                for origin, size in self._unaware(scan, ballot, doubts, stop)[0].items():
                    sizes[origin].append(size)
                sizes[scan.origin].append(scan.readable)
            w = ballot.quorum
            self._reach[key] = {o: sorted(s, reverse=True)[w - 1] for o, s in sizes.items() if 0 < w <= len(s)}
        return self._reach[key]

    def _unaware(
        self, scan: Ledger, ballot: Ballot, doubts: tuple[Doubt, ...], stop: int
    ) -> tuple[Mapping[str, int], bool]:
        """What one ledger's acknowledges before `stop` vouch for until they know of one of these; and whether they do."""
        best: dict[str, int] = {}
        for ack in self.acks[scan.origin]:
            if ack.index >= min(stop, scan.readable) or self._awaits(ack):
                break
            if any(one.known_to(ack) for one in doubts):
                return best, True
            for origin, size in self._heads(ack).items() if self._counts(ack, ballot) else ():
                if origin != scan.origin:
                    best[origin] = max(best.get(origin, 0), size)
        return best, any(origin == scan.origin for one in doubts for _, origin, _ in one.said)

    def _lapsed(self, consent: Said, ballot: Ballot) -> bool:
        """Whether a consent in doubt can count nowhere any more: every other confirmer knows of the dispute, and none had
        acknowledged the consent before. So whoever still counts it has too few ledgers, and its author may refuse."""
        doubts = tuple(one for one in self._doubts(consent, ballot) if one.key)
        others = [party for party in ballot.confirmers if party != consent.stated.act.author]
        if not doubts or any(party not in ballot.ledgers for party in others):
            return False
        for party in others:
            scan = ballot.ledgers[party]
            best, knows = self._unaware(scan, ballot, doubts, scan.readable)
            if not knows or best.get(consent.stated.origin, 0) > consent.stated.index:
                return False
        return True

    def _counts(self, ack: Stated, ballot: Ballot) -> bool:
        """One that is not open to all who confirm would confirm for some of them only."""
        return ack.act.partnership == ballot.partnership and not hidden_from(ack.act, ballot.confirmers)

    def _read(self, scan: Ledger, ballot: Ballot) -> Reach:
        """The same of all its acknowledges, each read once; those that name more than is held wait for it."""
        key = (scan.origin, ballot.partnership, ballot.confirmers)
        found = self._reached.setdefault(key, Reach(0, {}, {}))
        for origin, heads in found.ahead.items():
            there = self.scans[origin]
            while heads and heads[0][0] <= there.size:
                size, counted, root = heads.pop(0)
                self._vouch(found, there, size, counted, root)
        acks = self.acks[scan.origin]
        for at in range(found.read, len(acks)):
            if self._awaits(acks[at]):
                break
            ack, found.read = acks[at], at + 1
            assert isinstance(ack.act, a.Acknowledge)
            owed = {one.origin: min(one.entries, default=0) for one in ack.act.owed}
            for head in ack.act.heads if self._counts(ack, ballot) else ():
                held = self.scans.get(head.origin)
                if held is None or self.place(head.origin, 0)[0] == scan.origin:
                    continue
                counted = min(head.size, owed.get(head.origin, head.size))
                if head.size > held.size:
                    bisect.insort(found.ahead.setdefault(head.origin, []), (head.size, counted, head.root))
                else:
                    self._vouch(found, held, head.size, counted, head.root)
        for origin, heads in found.ahead.items():
            if heads:
                self.ahead[origin] = min(self.ahead.get(origin, heads[0][0]), heads[0][0])
        return found

    def _vouch(self, found: Reach, held: Scan, size: int, counted: int, root: str) -> None:
        origin, reached = self.place(held.origin, counted)
        if reached > found.best.get(origin, 0) and _is_root(held, size, root):
            found.best[origin] = reached

    def _heads(self, ack: Stated) -> dict[str, int]:
        """origin -> entries that an acknowledge vouches for: its root is the reader's own, and none of them is owed.

        An acknowledgement of another branch does not count here: it is a fork in the making.
        """
        assert isinstance(ack.act, a.Acknowledge)
        owed = {one.origin: min(one.entries, default=0) for one in ack.act.owed}
        found: dict[str, int] = {}
        for head in ack.act.heads:
            scan = self.scans.get(head.origin)
            if scan is not None and _is_root(scan, head.size, head.root):
                origin, size = self.place(head.origin, min(head.size, owed.get(head.origin, head.size)))
                found[origin] = max(size, found.get(origin, 0))
        return found

    # ---- a party that goes on in another ledger ------------------------------------------------------------------

    def accepted_by(self, link: Link, version: Version) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Members whose ledgers acknowledge a later ledger before any other after the same; and which of these had
        acknowledged no more of the former than it takes over, on this reader's branch."""
        rivals = {one.later for one in claims(self.scans) if one.former == link.former}
        author = self.scans[link.later].party
        told, clean = [], []
        for party in version.charter.members:
            scan = version.ledgers.get(party)
            if party == author or scan is None:
                continue
            more = False
            for ack in self.acks[scan.origin]:
                if ack.index >= scan.readable or ack.act.partnership != self.partnership:
                    continue
                assert isinstance(ack.act, a.Acknowledge)
                heads = {head.origin: head for head in ack.act.heads}
                old, new = heads.get(link.former), rivals & heads.keys()
                former = self.scans[link.former]
                if new:
                    head = heads.get(link.later)
                    if head is not None and head.size and _is_root(self.scans[link.later], head.size, head.root):
                        told.append(party)
                        clean += [] if more else [party]
                    break
                if old is not None and old.size > link.size:
                    # Of another branch than this reader's it says nothing here; until that is known it might.
                    own = former.root_at(old.size)
                    more = more or own is None or own.hex() == old.root
        return tuple(told), tuple(clean)

    def accepts(self, link: Link) -> bool:
        """Whether a ledger goes on after another: under some charter w members say so, its own among them, and too few
        are left that could have confirmed what it leaves out. Who holds no charter goes by the keys."""
        author = self.scans[link.later].party
        for version in self.versions:
            members = version.charter.members
            told, clean = self.accepted_by(link, version)
            w, own = self.quorum(members, version.charter.confirm), author in members
            if len(told) + own >= w and (len(members) - len(clean) < w or members == (author,)):
                return True
        return not self.versions


def _is_root(scan: Scan, size: int, root: str) -> bool:
    own = scan.root_at(size)
    return own is not None and own.hex() == root
