"""Cosigning: what this party's witness says of the others' ledgers, and what theirs say of ours (C2SP tlog-witness).

As a witness a node knows the ledgers of the charter's party list and no others. It signs a re-encoding of what it has
verified, after that is durable; reading the last size, checking and storing are one transaction. Beyond the protocol it
cosigns nothing that its own mirror contradicts.

As a client it shows each published checkpoint to the partners and keeps their lines beside its own. A partner that has
seen more of our ledger than we have is believed: the node raises an alarm, since it was restored from something old.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from relto import acts
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, Unavailable
from relto.ledger import (
    EMPTY_ROOT,
    AddCheckpoint,
    Checkpoint,
    KnownLog,
    Policy,
    Signed,
    Verifier,
    Witness,
    add_signatures,
    format_lines,
    open_checkpoint,
    parse_add_checkpoint,
    parse_lines,
    parse_note,
    policy_of,
)
from relto.node.held import Pinned, log_verifier, post_quantum, witness_verifiers
from relto.node.publishing import Publishing

PREFIX: Final = "/witness"
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
TRIES_MAX: Final = 3  # of a client with one witness, for one checkpoint


class Answer(Struct, frozen=True, kw_only=True):
    """What goes over the wire, either way."""

    status: int
    body: bytes
    kind: str = TEXT_TYPE


Post = Callable[[bytes], Answer]


class Witnessing(Publishing):
    """See the module."""

    # ---- as a witness

    def add_checkpoint(self, body: bytes) -> Answer:
        """The whole of `POST /witness/add-checkpoint`.

        Raises: Unavailable, Fatal: nothing was signed for that was not stored.
        """
        try:
            asked = parse_add_checkpoint(body)
            keys = self.witnessed_logs().get(asked.checkpoint.origin)
            if keys is None:
                raise NotFound("no ledger of this partnership has that name")
            return Answer(status=200, body=self._cosign(asked, *keys))
        except _Behind as error:
            return Answer(status=409, body=b"%d\n" % error.size, kind=SIZE_TYPE)
        except (Malformed, NotFound, Refused, Forged) as error:
            return Answer(status=error.http_status, body=f"{error}\n".encode())

    def witnessed_logs(self) -> dict[str, tuple[Verifier, Verifier | None]]:
        """The ledgers of the charter's party list, or those that go on after them; not the own one. With the keys of each."""
        directory = self.register.directory
        listed = {(one.id, one.inception): one.origin for one in directory.parties} if directory is not None else {}
        return {
            one.origin: (self.verifier(one), post_quantum(one.origin, one.keys))
            for one in self.peers().values()
            if (origin := listed.get((one.party, one.inception))) is not None
            and (one.origin == origin or acts.is_later(one.origin, origin))
        }

    def _cosign(self, asked: AddCheckpoint, log: Verifier, second: Verifier | None) -> bytes:
        if self.keys is None:
            raise Refused("this node has no keys")
        if self.recovering:
            raise Unavailable("this node is recovering and cosigns nothing", hint="try again later")
        try:
            # Before the database is taken: who cannot sign for the log costs no more than this.
            opened = open_checkpoint(asked.note, log, [] if second is None else [second])
        except Forged as error:
            raise Refused(error.message) from error
        with self.lock, self.store.transaction("witness"):
            rows = self.store.query("SELECT size, root, at FROM witnessed WHERE origin = $1", (log.name,))
            size, root, before = (int(rows[0][0]), bytes(rows[0][1]), int(rows[0][2])) if rows else (0, EMPTY_ROOT, 0)
            try:
                checkpoint = asked.check(log, size, root)
            except Conflict as error:
                raise _Behind(size) from error
            self._compare(checkpoint)
            at = max(self.clock(), before)
            lines = self.keys.witness.cosign(checkpoint, max(at // 1000, 1))
            note = add_signatures(opened.note(), lines)
            self.store.execute(
                "INSERT INTO witnessed (origin, size, root, note, at) VALUES ($1, $2, $3, $4, $5)"
                " ON CONFLICT (origin) DO UPDATE SET size = $2, root = $3, note = $4, at = $5",
                (log.name, checkpoint.size, checkpoint.root, note, at),
            )
        # Durable from here on; a crash before this line has signed nothing that anybody saw.
        return format_lines(lines)

    def _compare(self, checkpoint: Checkpoint) -> None:
        """Against the own mirror, as far as that reaches."""
        held = self.store.head(checkpoint.origin)
        if held is None or held.size < checkpoint.size:
            return
        if self.tree(checkpoint.origin).root(checkpoint.size) != checkpoint.root:
            raise Forged(f"another history of `{checkpoint.origin}` than the one mirrored here")

    def monitored(self, origin_hash: str) -> bytes:
        """What this witness cosigned last of a ledger, by the hex SHA-256 of its name. Raises: NotFound."""
        for origin, note in self.store.query("SELECT origin, note FROM witnessed"):
            if hashlib.sha256(str(origin).encode()).hexdigest() == origin_hash:
                return bytes(note)
        raise NotFound("this witness has cosigned no such ledger")

    # ---- as a client

    def witnesses(self) -> dict[str, tuple[Pinned, tuple[Verifier, ...]]]:
        """The other members, by party, with the keys by which each cosigns."""
        members = set(self.register.members)
        return {
            party: (pinned, witness_verifiers(pinned.origin, self.keys_of(pinned)))
            for party, pinned in self.peers().items()
            if party in members
        }

    def collect(self, party: str, post: Post) -> bool:
        """Shows the published checkpoint to a member's witness and keeps its lines; whether it cosigned that.

        Raises: Unavailable, when it does not answer or does not know us yet; Forged, kept as an alarm, when it has seen
        more of our ledger than we have, another history of it, or answers with a line that does not hold.
        """
        _, keys = self.witnesses()[party]
        size, note = self.shown()
        if {one.by for one in self._cosigned(note, keys)} >= set(keys):
            return True
        old = self._cosigned_at.get(party, 0)
        try:
            for _ in range(TRIES_MAX):
                old = min(old, size)
                proof = self.tree(self.origin).consistency(old, size) if 0 < old < size else []
                answer = post(AddCheckpoint(old=old, proof=tuple(proof), note=note).encode())
                if answer.status == 200:
                    self._add_lines(size, note, keys, answer.body)
                    self._cosigned_at[party] = size
                    return True
                old = self._size_seen(party, size, old, answer)
        except Forged as error:
            with self.lock:
                self._alarm(self.origin, error.message)
            raise
        raise Unavailable(f"the witness of `{party}` names another size at each try")

    def _size_seen(self, party: str, size: int, old: int, answer: Answer) -> int:
        """From which size to try again."""
        text = answer.body[:32].removesuffix(b"\n")
        if answer.status == 409 and answer.kind.partition(";")[0] == SIZE_TYPE and text.isdigit():
            seen = int(text)
            if seen > self.log.head.size:
                raise Forged(
                    f"`{party}` has cosigned size {seen} of `{self.origin}`, and {self.log.head.size} entries are here",
                    hint="this node was restored from something old: `relto node restore` asks the partners",
                )
            if seen > size:
                raise Unavailable(f"`{party}` has cosigned size {seen} already")  # shown meanwhile by another round
            if seen != old:
                return seen
        # tlog-witness v1.0.0 answers 409 to equal sizes with unequal roots, later ones 422.
        if answer.status in {409, 422}:
            raise Forged(f"`{party}` has cosigned another history of `{self.origin}` at size {old} or before")
        raise Unavailable(f"the witness of `{party}` answers {answer.status}", hint="is the charter in force there?")

    @staticmethod
    def _cosigned(note: bytes, keys: tuple[Verifier, ...]) -> list[Signed]:
        text, known = parse_note(note), {(key.name, key.key_id): key for key in keys}
        return [
            Signed(by=by, at=by.verify(text.text, line.value), signature=line)
            for line in text.signatures
            if (by := known.get((line.name, line.key_id)))
        ]

    def _add_lines(self, size: int, note: bytes, keys: tuple[Verifier, ...], body: bytes) -> None:
        """The lines of known keys, each verified; others are not kept."""
        fresh = self._cosigned(add_signatures(note, parse_lines(body)), keys)
        if {one.by for one in fresh} != set(keys):
            raise Forged(f"`{keys[0].name}` answers without the signatures of all its keys")
        with self.lock, self.store.transaction("cosigned"):
            # Read again: another partner's lines may have come meanwhile.
            rows = self.store.query(
                "SELECT note, cosigned FROM published WHERE origin = $1 AND size = $2", (self.origin, size)
            )
            if rows:
                self.store.execute(
                    "UPDATE published SET note = $1, cosigned = $2 WHERE origin = $3 AND size = $4",
                    (
                        add_signatures(bytes(rows[0][0]), [one.signature for one in fresh]),
                        int(rows[0][1]) + 1,
                        self.origin,
                        size,
                    ),
                )

    # ---- for readers without relto

    def policy(self, *parties: str, classical: bool = False) -> Policy:
        """By which keys checkpoints of these parties (all members, if none is named) are to be read.

        classical: Ed25519 alone, for programs that know no ML-DSA-44.
        Raises: NotFound before a founding, or for a party that is not of this partnership.
        """
        register = self.register
        if register.charter is None:
            raise NotFound("no partnership is founded yet", hint="`relto act list` shows whose consent is missing")
        logs: dict[str, tuple[KnownLog, ...]] = {}
        known: dict[str, tuple[Witness, ...]] = {}
        for party in parties or register.members:
            state = register.party(party)
            keys = (log_verifier(state.origin, state.keys), post_quantum(state.origin, state.keys))
            logs[party] = tuple(
                KnownLog(key=key, url=f"{state.address}/log")
                for key in keys
                if key is not None and not (classical and key is keys[1])
            )
        for party in register.members:
            if parties == (party,):
                continue  # nobody is the witness of its own ledger
            state = register.party(party)
            found = witness_verifiers(state.origin, state.keys)
            known[party] = tuple(
                Witness(name=party, key=key, url=f"{state.address}{PREFIX}")
                for key in (found[:1] if classical else found)
            )
        # `confirm` counts the author's own ledger among those that have seen an entry; nobody cosigns itself.
        return policy_of(logs, known, register.charter.confirm - 1)


class _Behind(Exception):
    """The client began from another size than the one cosigned last."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size
