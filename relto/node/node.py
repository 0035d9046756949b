"""One party's node: its own ledger, what it mirrors of the others, and what follows from both.

Synchronous and with one writer: the server calls it through one thread, the command line holds the directory's lock.
Time comes from one `Clock` given at construction and randomness from one source, so the in-process world of the tests
runs the same code.

Left to right: `held` (what is stored, and the register of it), `author` (writing own acts), `mirror` (taking in other
ledgers), `duties` (what is owed after new entries), `publishing` (the checkpoint that others get), and here what the
node serves to others.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from relto import acts
from relto.errors import ReltoError
from relto.node.held import Clock, Keys, Pinned
from relto.node.mirror import Delivered, Mirror, Peer
from relto.node.presented import Presented
from relto.node.recovery import Recovery
from relto.node.witness import Witnessing
from relto.release.remembered import Memory

__all__ = ["Clock", "Delivered", "Keys", "Node", "Peer", "Pinned"]


class Node(Mirror, Recovery, Witnessing):
    """See the module."""

    @functools.cached_property
    def permits(self) -> Memory:
        """Of key releases; read and written under the lock."""
        return Memory()

    @functools.cached_property
    def presented(self) -> Presented:
        return Presented()

    def _shown_note(self) -> bytes:
        with contextlib.suppress(ReltoError):  # the entries are durable: what fails here is said by what comes next
            size, note = self.shown()
            return note if size == self.log.head.size else b""
        return b""

    def serves_whole(self, party: str) -> bool:
        """Whether that party gets this ledger entry by entry.

        A member does, and a party of a lesser grade that signed the charter. Before this node knows a charter: whom an open founding names, else whom its officer compared in
        words; for a party that does not found, the members that an introduction or an engagement named to it.
        """
        if self.register.charter is not None:
            return party in self.register.signatories or party in self.joining()
        if self.config.pin:
            return party in self._all_members()
        founders = self.founders()
        pinned = self.peers().get(party)
        return party in founders if founders else pinned is not None and pinned.how == "words"

    def openings_for(self, reader: str, since: int, also: Sequence[int], size: int, *, proofs: bool) -> list[Delivered]:
        """Entries of the own ledger that this reader may open: from `since` on, and of `also` those that are its."""
        entries, since = self._entries.get(self.origin, []), max(0, since)
        disclosed, stop = self._disclosed.get(reader, set()), min(size, len(entries))
        early = sorted(index for index in set(also) if 0 <= index < min(since, stop))
        found = []
        for index in (*early, *range(since, stop)):
            one = entries[index]
            if one.act is None or one.salt is None or one.envelope is None:
                continue
            # Who else has a channel to this ledger is no affair of a party that does not mirror it.
            strange = proofs and isinstance(one.act, acts.Channel) and one.act.reader != reader
            if (acts.open_to(one.act, reader) and not strange) or one.index in disclosed:
                proof = tuple(self.log.tree.inclusion(one.index, size)) if proofs else ()
                found.append(
                    Delivered(index=one.index, leaf=one.leaf, salt=one.salt, envelope=one.envelope, proof=proof)
                )
        return found

    def opened_to(self, one: acts.Stated, party: str) -> bool:
        """Whether a party may open this act: by its readers, or, of the own ledger, by a disclosure of ours."""
        return acts.open_to(one.act, party) or (
            one.origin == self.origin and one.index in self._disclosed.get(party, set())
        )

    def inception(self) -> bytes:
        """Entry 0 as its envelope: what an invitation carries."""
        first = self._entries[self.origin][0]
        assert first.envelope is not None
        return first.envelope

    def put_text(self, data: bytes) -> str:
        """A text by its digest."""
        return self.objects.put(data).hex()

    def save_config(self, **changes: Any) -> None:
        self.config = msgspec.structs.replace(self.config, **changes)
        self._register = None
