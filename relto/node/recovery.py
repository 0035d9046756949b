"""Coming back: a node that may be behind what others saw of its own ledger signs nothing until it knows.

Signing at a size that was signed before, over other entries, forks the ledger, and no one can tell that from fraud. So a
node is *recovering* after `relto node restore`, and whenever a checkpoint of its own turns up that is larger than what it
has. Then it

1. asks every party that it has pinned what it holds and has heard of this ledger, each answer proven by this ledger's
   own signature;
2. takes the largest: two that contradict each other are a fork, which only a new epoch ends;
3. refills its entries from that partner, and their openings from whoever may open them;
4. leaves the state when every member answered, or an operator has recorded who cannot be reached and why; when it holds
   all that anybody saw; and when it can open every entry of its own.

There is no switch that skips this. Facts: the design, sections 2 and 7; spec/carried.md, "Recovering".
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from relto.errors import Forged, Malformed, ReltoError, Unavailable
from relto.keys import verify_ed25519
from relto.ledger import Checkpoint, Head, Opening, Verifier, add_openings, extend_mirror, largest_seen, open_checkpoint
from relto.node.duties import Duties
from relto.node.held import log_verifier, post_quantum
from relto.node.lost import Lost, ProofWitness, closed, open_proofs, unseen, unserved
from relto.node.said import Heard, YourEntries, YourEntry, Yours

YOURS_MAX: Final = 500  # entries of somebody's own ledger in one answer
UNREACHABLE: Final = -1  # instead of a size: an operator's word that a party cannot be asked


class Witness(Protocol):
    """Another party's node, asked about this node's own ledger. Every answer is verified by the caller."""

    def yours(self) -> Yours: ...
    def your_entries(self, since: int, size: int) -> Sequence[YourEntry]: ...


class Step(Struct, frozen=True, kw_only=True):
    """Where recovering stands. done: the node may sign again."""

    done: bool
    size: int  # entries held now
    answered: tuple[str, ...]
    silent: Mapping[str, str]  # party -> why
    without: tuple[str, ...]  # recorded as unreachable
    refilled: int = 0
    missing: tuple[int, ...] = ()  # own entries that nobody could open
    problem: str = ""  # why it cannot go on by itself
    lost: tuple[Lost, ...] = ()  # what did not come back, from when, and what to do


class Recovery(Duties):
    """See the module."""

    # ---- what this node tells others about their ledgers

    def yours(self, party: str) -> Yours:
        """What is held here of that party's ledger."""
        pinned = self.peers()[party]
        head = self.store.head(pinned.origin)
        rows = self.store.query("SELECT note FROM part_heads WHERE origin = $1", (pinned.origin,))
        note = head.note if head is not None and head.note else bytes(rows[0][0]) if rows else None
        heard = [
            Heard(party=other, size=seen.size, root=seen.root, signature=seen.signature)
            for other, (_, ack) in sorted(self.register.acks.items())
            for seen in ack.heads
            if seen.origin == pinned.origin and other != party
        ]
        return Yours(note=note, heard=tuple(heard))

    def your_entries(self, party: str, since: int, size: int) -> YourEntries:
        """Entries of that party's own ledger as they are held here, at most YOURS_MAX."""
        origin = self.peers()[party].origin
        if self.store.head(origin) is None:
            rows = self.store.query(
                "SELECT idx, leaf, salt, envelope FROM parts WHERE origin = $1 AND idx >= $2 AND idx < $3 ORDER BY idx",
                (origin, since, size),
            )
            found = [YourEntry(index=i, leaf=leaf, salt=salt, envelope=text) for i, leaf, salt, text in rows]
            page, rest = found[:YOURS_MAX], found[YOURS_MAX:]
            return YourEntries(entries=tuple(page), more=rest[0].index if rest else None)
        stop = min(size, since + YOURS_MAX)
        leaves = self.store.leaves(origin, since, stop)
        opened = {index: (salt, envelope) for index, salt, envelope in self.store.openings(origin, since, stop)}
        entries = []
        for index, leaf in enumerate(leaves, since):
            salt, envelope = opened.get(index, (None, None))
            entries.append(YourEntry(index=index, leaf=leaf, salt=salt, envelope=envelope))
        more = since + len(leaves)
        return YourEntries(entries=tuple(entries), more=more if leaves and more < size else None)

    # ---- noticing

    def look_back(self, answers: Mapping[str, Yours]) -> None:
        """Recovering begins when others hold more of this ledger than this node does. Raises: Forged (a fork)."""
        with self.lock:
            head = self._own_head()
            largest = largest_seen(self.store, self._own_verifier(), _notes(answers))
            size = max([largest.size if largest else 0, *(one.size for one in self._heard(answers))])
            if size > head.size:
                self.begin_recovering(f"others hold {size} entries of this ledger, and {head.size} are here")

    # ---- coming back

    def recover(self, partners: Mapping[str, Witness], without: Mapping[str, str] | None = None) -> Step:
        """One round; the lock is not held while others are asked. A node that is not recovering is done.

        without: parties that an operator records as unreachable, with the reason.

        Raises: Malformed for a party that is not waited for; Unavailable when the own disk fails.
        """
        if not self.recovering:
            return Step(done=True, size=self._own_head().size, answered=(), silent={}, without=())
        self._record_without(without or {})
        answers: dict[str, Yours] = {}
        silent: dict[str, str] = {}
        for party, partner in sorted(partners.items()):
            try:
                answers[party] = partner.yours()
            except ReltoError as error:
                silent[party] = error.message
        excused = self._without()
        try:
            refilled = self._refill(partners, answers, silent)
            missing = self._open_own(partners, answers)
            problem = self._problem(answers, excused, missing)
        except Forged as error:
            refilled, missing, problem = 0, (), error.message
        gone = self.lost(answers, missing)
        if not problem:
            self._finish(answers, gone)
        return Step(
            done=not problem,
            size=self._own_head().size,
            answered=tuple(sorted(answers)),
            silent=silent,
            without=excused,
            refilled=refilled,
            missing=missing,
            problem=problem,
            lost=gone,
        )

    def lost(self, answers: Mapping[str, Yours], missing: Sequence[int] | None = None) -> tuple[Lost, ...]:
        """What of this ledger is known, or must be feared, not to come back.

        answers: of those that were asked in this round; the acknowledgements in mirrored ledgers count besides.
        """
        size = self._own_head().size
        heard = [
            Heard(party=party, size=seen.size, root=seen.root, signature=seen.signature)
            for party, (_, ack) in self.register.acks.items()
            for seen in ack.heads
            if seen.origin == self.origin
        ]
        seen = {one.party: one.size for one in self._heard({**answers, "": Yours(heard=tuple(heard))})}
        shown = 0
        for party, one in answers.items():
            if one.note is not None:
                with contextlib.suppress(Forged, Malformed):  # then it is nobody's word, and said elsewhere
                    held, at = self._opened_note(one.note)
                    seen[party], shown = max(seen.get(party, 0), held), max(shown, at)
        written = {one.index: one.act.at for one in self.held_entries(self.origin) if one.act is not None}
        last = max(written.values(), default=None)
        began = self.recovering_since()
        gone = [*closed(self._closed() if missing is None else missing, written), *unserved(size, seen, (last, began))]
        if self.recovering:
            gone.append(unseen(max([size, *seen.values()]), (max(shown, last or 0) or None, began)))
        return tuple(gone)

    def open_proofs(self, files: Sequence[Path]) -> dict[str, ProofWitness]:
        """Recipients' proofs of own entries. Raises: as `relto.node.lost.open_proofs`."""
        return open_proofs(files, self._own_verifier())

    def _opened_note(self, note: bytes) -> tuple[int, int]:
        """The size of an own checkpoint, and when it was published (ms; 0 where it does not say)."""
        keys = self.register.scans[self.origin].keys
        assert keys is not None
        second = post_quantum(self.origin, keys)
        opened = open_checkpoint(note, self._own_verifier(), [] if second is None else [second])
        return opened.checkpoint.size, max((one.at * 1000 for one in opened.cosigned), default=0)

    def _problem(self, answers: Mapping[str, Yours], excused: Sequence[str], missing: Sequence[int]) -> str:
        """Why it cannot sign yet, or an empty text. Raises: Forged (a fork)."""
        size = self._own_head().size
        with self.lock:
            largest = largest_seen(self.store, self._own_verifier(), _notes(answers))
        # INVARIANT: nothing is signed while anybody holds a checkpoint, or acknowledged one, beyond what is here.
        if largest is not None:
            return (
                f"a partner holds a checkpoint of {largest.size} entries of this ledger, {size} are here,"
                " and nobody who answered serves the rest"
            )
        heard = max(self._heard(answers), key=lambda one: one.size, default=None)
        if heard is not None and heard.size > size:
            return (
                f"`{heard.party}` acknowledged {heard.size} entries of this ledger, {size} are here,"
                " and nobody who answered holds the rest"
            )
        if missing:
            return (
                f"entry {missing[0]} of this ledger and {len(missing) - 1} more were open to this party alone:"
                " restore a newer backup, or begin a new epoch"
            )
        waiting = [party for party in self._needed() if party not in answers and party not in excused]
        return f"waiting for {', '.join(waiting)}" if waiting else ""

    def _record_without(self, without: Mapping[str, str]) -> None:
        needed = self._needed()
        for party, why in without.items():
            if party not in needed:
                raise Malformed(f"`{party}` is not waited for", hint=f"waited for are {', '.join(needed) or 'none'}")
            if not why.strip():
                raise Malformed("why a party cannot be reached is written down", hint="add `--reason TEXT`")
            self.store.execute(
                "INSERT INTO recoveries (at, party, size, why) VALUES ($1, $2, $3, $4)",
                (self.clock(), party, UNREACHABLE, why.strip()[:500]),
            )

    def _without(self) -> tuple[str, ...]:
        """Whom an operator recorded as unreachable since this recovery began."""
        rows = self.store.query(
            "SELECT DISTINCT party FROM recoveries WHERE size = $1"
            " AND at >= (SELECT since FROM recovering WHERE origin = $2) ORDER BY party",
            (UNREACHABLE, self.origin),
        )
        return tuple(str(row[0]) for row in rows)

    def _needed(self) -> tuple[str, ...]:
        """Who must be heard: the members; at a node without a charter, all that are pinned."""
        pinned = set(self.peers())
        return tuple(sorted((set(self.register.members) - {self.me}) or pinned))

    def _refill(self, partners: Mapping[str, Witness], answers: Mapping[str, Yours], silent: dict[str, str]) -> int:
        """The entries that others hold beyond the own ones, from who holds most on. Raises: Forged (a fork)."""
        with self.lock:
            verifier, before = self._own_verifier(), self._own_head().size
            if largest_seen(self.store, verifier, _notes(answers)) is None:
                return 0
        sizes = {
            party: (open_checkpoint(one.note, verifier).checkpoint.size, one.note)
            for party, one in answers.items()
            if one.note is not None
        }
        moved = True
        while moved:
            # Once more when something came: a recipient's proof holds one entry, and is of use behind a partner's.
            moved = False
            for party, (size, note) in sorted(sizes.items(), key=lambda row: (-row[1][0], row[0])):
                start = self._own_head().size
                if size <= start:
                    break
                try:
                    self._take_back(note, start, partners[party].your_entries(start, size))
                except (Forged, Malformed, Unavailable) as error:
                    silent[party] = error.message  # it does not lead to what it holds: another may do better
                else:
                    moved = True
                    silent.pop(party, None)
        return self._own_head().size - before

    def _take_back(self, note: bytes, start: int, entries: Sequence[YourEntry]) -> None:
        if [one.index for one in entries] != list(range(start, start + len(entries))):
            raise Malformed("the entries that came are not those that were asked for")
        with self.lock:
            extend_mirror(self.store, self._own_verifier(), note, [one.leaf for one in entries], _opened(entries))
            self._reread()

    def _open_own(self, partners: Mapping[str, Witness], answers: Mapping[str, Yours]) -> tuple[int, ...]:
        """Openings of own entries that are not here, from whoever may open them; returns what nobody could open."""
        for party in sorted(answers):
            missing = self._closed()
            if not missing:
                break
            try:
                entries = partners[party].your_entries(missing[0], missing[-1] + 1)
            except ReltoError:
                continue
            wanted = set(missing)
            with self.lock:
                for opening in _opened(entries):
                    if opening[0] in wanted:
                        with contextlib.suppress(Forged, Malformed):  # another may have the right one
                            add_openings(self.store, self.origin, [opening])
                self._reread()
        return self._closed()

    def _closed(self) -> tuple[int, ...]:
        rows = self.store.query("SELECT idx FROM openings WHERE origin = $1", (self.origin,))
        return tuple(sorted(set(range(self._own_head().size)) - {int(row[0]) for row in rows}))

    def _reread(self) -> None:
        self._log, self._register = None, None
        self._read_log(self.origin)

    def _finish(self, answers: Mapping[str, Yours], gone: Sequence[Lost]) -> None:
        """The state ends; who said what is kept. Then readers whose tag keys were lost get new ones."""
        why = "; ".join([self.recovering, *(one.words for one in gone)])
        with self.lock:
            with self.store.transaction("recovered"):
                for party, one in sorted(answers.items()):
                    size = open_checkpoint(one.note, self._own_verifier()).checkpoint.size if one.note else 0
                    self.store.execute(
                        "INSERT INTO recoveries (at, party, size, why) VALUES ($1, $2, $3, $4)",
                        (self.clock(), party, size, why),
                    )
                self.store.execute("DELETE FROM recovering WHERE origin = $1", (self.origin,))
            self.recovering = ""
            self._reread()
            known = {(row[0], row[1]) for row in self.store.query("SELECT reader, inception FROM channels")}
            for pinned in self.peers().values():
                if (pinned.party, pinned.inception) not in known:
                    self._open_channel(pinned.party, pinned.inception, self.keys_of(pinned).opening)

    # ---- the own ledger as others prove it

    def _own_head(self) -> Head:
        head = self.store.head(self.origin)
        assert head is not None
        return head

    def _own_verifier(self) -> Verifier:
        keys = self.register.scans[self.origin].keys
        assert keys is not None
        return log_verifier(self.origin, keys)

    def _heard(self, answers: Mapping[str, Yours]) -> list[Heard]:
        """What others acknowledged, as far as this ledger's own signature stands under it; the rest is nobody's word."""
        keys = self.register.scans[self.origin].keys
        assert keys is not None
        found = []
        for answer in answers.values():
            for one in answer.heard:
                with contextlib.suppress(ReltoError, ValueError):
                    text = Checkpoint(origin=self.origin, size=one.size, root=bytes.fromhex(one.root)).text
                    if verify_ed25519(keys.log.ed25519, text, one.signature):
                        found.append(one)
        return found


def _notes(answers: Mapping[str, Yours]) -> list[bytes]:
    return [one.note for one in answers.values() if one.note is not None]


def _opened(entries: Sequence[YourEntry]) -> list[Opening]:
    return [(one.index, one.salt, one.envelope) for one in entries if one.salt is not None and one.envelope is not None]
