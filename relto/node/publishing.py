"""Showing the own ledger to others: the published checkpoint, and what the partners' witnesses say of it.

The head that a commit signs carries Ed25519 alone, since ML-DSA-44 would cost more than the commit. What leaves the node
carries both: it is signed when somebody asks, at most five times a second, stored, and only then shown. So what is
published is never ahead of what is stored, and its time never goes back.
"""

from __future__ import annotations

from typing import Final

from relto.errors import Forged, NotFound, Refused, Unavailable
from relto.ledger import Checkpoint, Frontier, Log, Proof, Verifier, add_signatures, open_checkpoint, open_published
from relto.ledger.merkle import HASH_SIZE
from relto.node.held import Held, post_quantum

PUBLISH_MS: Final = 200  # between two checkpoints that are published


class Publishing(Held):
    """See the module."""

    _sound = False

    @property
    def log(self) -> Log:
        """The own log; on first use it is also held against what was published.

        Raises: Forged when it is behind that, or another one: then nothing may be signed.
        """
        log = super().log
        if not self._sound:
            row = self._newest()
            if row is not None:
                self._check_published(log, bytes(row[1]))
            self._sound = True
        return log

    def _check_published(self, log: Log, note: bytes) -> None:
        """Reads what came after it; the whole ledger only for a row from before its edge was kept beside it."""
        shown = open_published(note, log.verifier, self._post_quantum()).checkpoint
        if shown.size > log.head.size or not self._leads(shown, log):
            raise Forged(
                f"`{self.origin}` was published with size {shown.size} and is stored with size {log.head.size}: "
                + ("another history" if shown.size <= log.head.size else "entries are gone"),
                hint="let nothing sign for this ledger; restore it from a partner's mirror",
            )

    def _leads(self, shown: Checkpoint, log: Log) -> bool:
        """Whether the stored entries lead from a published checkpoint to the head."""
        rows = self.store.query(
            "SELECT frontier FROM published WHERE origin = $1 AND size = $2 AND frontier IS NOT NULL",
            (self.origin, shown.size),
        )
        edges = [tuple(bytes(row[at : at + HASH_SIZE]) for at in range(0, len(row), HASH_SIZE)) for (row,) in rows]
        for hashes in edges:
            if len(hashes) == shown.size.bit_count():
                edge = Frontier(size=shown.size, hashes=hashes)
                if edge.root() == shown.root:
                    return edge.extend(self.store.hashes(self.origin, shown.size, log.head.size)) == log.head.edge
        return log.tree.root(shown.size) == shown.root

    def _post_quantum(self) -> Verifier | None:
        return post_quantum(self.origin, self.register.scans[self.origin].chain[-1].keys)

    def _newest(self) -> tuple[int, bytes, int] | None:
        rows = self.store.query(
            "SELECT size, note, at FROM published WHERE origin = $1 ORDER BY size DESC LIMIT 1", (self.origin,)
        )
        return (int(rows[0][0]), bytes(rows[0][1]), int(rows[0][2])) if rows else None

    # ---- the own checkpoint

    def publish_in_ms(self) -> int:
        """How long until `published` shows the present head; 0: at once."""
        with self.lock:
            row = self._newest()
            if row is None or row[0] == self.log.head.size:
                return 0
            return self._wait_ms(row[2])

    def _wait_ms(self, last: int) -> int:
        passed = self.clock() - last
        # A clock that went back must not silence a ledger for years.
        return PUBLISH_MS - passed if 0 <= passed < PUBLISH_MS else 0

    def published(self) -> bytes:
        """The checkpoint that others get; the newest head's unless one was published a moment ago.

        Raises: Refused when this node has no keys and nothing was published before.
        """
        return self.shown()[1]

    def shown(self) -> tuple[int, bytes]:
        """As `published`, with its size in front."""
        with self.lock:
            row = self._newest()
            if self.keys is None or self.store.read_only:
                if row is None:
                    raise Refused("this ledger has published nothing yet", hint="start its node once, or `relto sync`")
                return row[:2]
            if row is not None and (row[0] == self.log.head.size or self._wait_ms(row[2])):
                return row[:2]
            return self._publish(row)

    def proof(self, index: int, origin: str = "") -> Proof:
        """That an entry stands in the own ledger, or in one that is mirrored here: under the published checkpoint.

        An own entry younger than that, which no second signature covers for a fifth of a second, is proven under the
        head. Raises: NotFound.
        """
        origin = origin or self.origin
        with self.lock:
            size, note = self.exported(origin)
            if size <= index and origin == self.origin:
                head = self.store.head(origin)
                assert head is not None
                size, note = head.size, head.note
            if size <= index:
                raise NotFound(f"`{origin}` has no entry {index}", hint=f"it has {size} so far")
            return Proof(index=index, hashes=tuple(self.tree(origin).inclusion(index, size)), note=note)

    def exported(self, origin: str) -> tuple[int, bytes]:
        """The size and note of the checkpoint under which a ledger that is held whole may leave this node.

        Raises: NotFound when it is held in parts, or nothing of it has come yet.
        """
        if origin == self.origin:
            return self.shown()
        head = self.store.head(origin)
        if head is None or not head.note:
            raise NotFound(f"the ledger `{origin}` is not held whole here", hint="ask its own node for it")
        return head.size, head.note

    def _publish(self, before: tuple[int, bytes, int] | None) -> tuple[int, bytes]:
        assert self.keys is not None
        if self.recovering:
            # To whoever asks for it this is silence, not something wrong with the ledger.
            raise Unavailable(
                f"`{self.me}` is recovering and signs no checkpoint: {self.recovering}",
                hint="it comes back when `relto node recover` is done",
            )
        log, signed = self.log, self._post_quantum()
        head, scan = log.head, self.register.scans[self.origin]
        # Time does not go back, whatever the clock does: neither behind the entries nor behind what was shown.
        at = max(self.clock(), scan.time, 0 if before is None else before[2])
        note = head.note
        if signed is not None:
            lines = self.keys.publish.cosign(open_checkpoint(note, log.verifier).checkpoint, max(at // 1000, 1))
            note = add_signatures(note, lines)
            open_published(note, log.verifier, signed)  # what was just signed is verified before it is shown
        self._keep(head.size, note, 0, at, b"".join(head.frontier))
        return head.size, note

    def _keep(self, size: int, note: bytes, cosigned: int, at: int, frontier: bytes | None = None) -> None:
        """frontier: the edge at that size; None leaves the one that is there."""
        with self.store.transaction("publish"):
            self.store.execute(
                "INSERT INTO published (origin, size, note, cosigned, at, frontier) VALUES ($1, $2, $3, $4, $5, $6)"
                " ON CONFLICT (origin, size) DO UPDATE SET note = $3, cosigned = $4",
                (self.origin, size, note, cosigned, at, frontier),
            )
            self.store.execute(
                "DELETE FROM published WHERE origin = $1 AND size < (SELECT max(size) FROM published WHERE origin = $1)"
                " AND (cosigned = 0 OR size < (SELECT max(size) FROM published WHERE origin = $1 AND cosigned > 0))",
                (self.origin,),
            )
