"""What a backup and the partners together do not give back of the own ledger: which entries, from when, what to do.

Three things can be missing, and they are not the same:

* *closed*: the entry is here and what it says is not. It was open to this party alone, so that no partner can open it.
* *unserved*: the entry is not here. Somebody holds this ledger's signature over it, and nobody who answered has it.
* *unseen*: nobody who answered has seen it, if it was ever there. When the last checkpoint that anybody holds was
  published the ledger ended there; what was written between that moment and the loss has left no trace with them.

A recipient's proof (`.tlog-proof`, which every release hands over with the key) is the one trace that can lie elsewhere:
it carries the entry, opened, and this ledger's signature over it. `ProofWitness` brings it in as a partner's word.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from relto.errors import Forged, Malformed, NotFound
from relto.ledger import Verifier, check_opening, open_checkpoint, parse_proof
from relto.node.said import YourEntry, Yours

PROOFS_MAX: Final = 1024  # files in one call
PROOF_BYTES_MAX: Final = 1 << 20
MAGIC: Final = b"c2sp.org/tlog-proof@"

AFTERWARDS: Final = (
    "`relto verify FILE` of a proof that a recipient shows; one that contradicts this ledger asks for a new epoch"
)

Why = Literal["closed", "unserved", "unseen"]
When = tuple[int | None, int | None]  # ms UTC: not before, not after


class Lost(Struct, frozen=True, kw_only=True):
    """Entries first..last of the own ledger, `last` None: from first on, if there were any.

    since, until: when they were written, as far as that is known (ms UTC). seen: who holds a signature over them.
    """

    why: Why
    first: int
    last: int | None
    since: int | None
    until: int | None
    seen: tuple[str, ...]
    words: str
    next: str


def closed(missing: Sequence[int], written: Mapping[int, int]) -> Iterator[Lost]:
    """The runs of entries that nobody could open. written: when the open ones were, by index."""
    for first, last in _runs(missing):
        before = max((index for index in written if index < first), default=None)
        behind = min((index for index in written if index > last), default=None)
        when = (None if before is None else written[before], None if behind is None else written[behind])
        yield _made(
            "closed", first, last, when, (),
            f"{_span(first, last)} {_are(first, last)} here, and what {_they(first, last)} said was open to this party alone,"
            f" so that no partner can open {_them(first, last)}; written {_between(when)}",
            "restore a newer backup, made after that; without one this ledger signs no more: begin a new epoch",
        )  # fmt: skip


def unserved(size: int, seen: Mapping[str, int], when: When) -> Iterator[Lost]:
    """The entries beyond the own ones over which somebody holds this ledger's signature. seen: party -> size."""
    beyond = {party: held for party, held in seen.items() if held > size}
    if beyond:
        last = max(beyond.values()) - 1
        who = tuple(sorted(beyond))
        yield _made(
            "unserved", size, last, when, who,
            f"{_span(size, last)} {_were(size, last)} signed by this ledger: {', '.join(who)}"
            f" {'holds' if len(who) == 1 else 'hold'} the signature, and nobody who answered has what"
            f" {_they(size, last)} said; written {_between(when)}",
            f"ask {', '.join(who)} again, or for `relto bundle export --recovery`; recipients for the proofs of their"
            " releases (`--proof FILE`); or restore a newer backup. Without any of these: begin a new epoch",
        )  # fmt: skip


def unseen(size: int, when: When) -> Lost:
    """What may have been written after the last that anybody has seen."""
    return _made(
        "unseen", size, None, when, (),
        f"whatever was written as entry {size} or later {_between(when)} is gone, if there was any: nobody who answered"
        " has seen it. Keys may have left under it",
        "ask whoever received a key in that time for the proof of the release: `relto node recover --proof FILE` before"
        " this node signs again. Shown later it proves a second history, and only a new epoch ends that",
    )  # fmt: skip


def _made(why: Why, first: int, last: int | None, when: When, seen: tuple[str, ...], words: str, next_: str) -> Lost:
    return Lost(
        why=why, first=first, last=last, since=when[0], until=when[1], seen=seen, words=words, next=next_
    )  # fmt: skip


def _runs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for at, index in enumerate(indexes):
        start = index if start is None else start
        if at + 1 == len(indexes) or indexes[at + 1] != index + 1:
            yield start, index
            start = None


def _span(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first} to {last}"


def _are(first: int, last: int) -> str:
    return "is" if first == last else "are"


def _were(first: int, last: int) -> str:
    return "was" if first == last else "were"


def _they(first: int, last: int) -> str:
    return "it" if first == last else "they"


def _them(first: int, last: int) -> str:
    return "it" if first == last else "them"


def _between(when: When) -> str:
    since, until = (None if at is None else f"{_utc(at)}" for at in when)
    if since and until:
        return f"between {since} and {until}"
    return f"after {since}" if since else f"before {until}" if until else "at a time that nothing here tells"


def _utc(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# ── proofs that recipients hold ──


class _Opening(Struct, frozen=True, kw_only=True):
    leaf: bytes
    salt: bytes
    envelope: bytes


class ProofWitness:
    """One proof of an own entry, as the word of whoever holds it. Entries come from all proofs that were handed in."""

    def __init__(self, note: bytes, pool: dict[int, YourEntry]) -> None:
        self._note, self._pool = note, pool

    def yours(self) -> Yours:
        return Yours(note=self._note)

    def your_entries(self, since: int, size: int) -> list[YourEntry]:
        return [self._pool[index] for index in sorted(self._pool) if since <= index < size]


def is_proof(path: Path) -> bool:
    """Whether a file begins as a tlog-proof. Raises: NotFound."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:
        raise NotFound(f"there is no file `{path}`") from None


def open_proofs(paths: Sequence[Path], own: Verifier) -> dict[str, ProofWitness]:
    """Proofs of own entries, each verified: this ledger's signature, the entry under it, the opening of its leaf.

    Raises: Malformed; Forged for one that is not this ledger's, or does not hold.
    """
    if len(paths) > PROOFS_MAX:
        raise Malformed(f"at most {PROOFS_MAX} proofs are taken at once, not {len(paths)}")
    found: dict[str, ProofWitness] = {}
    pool: dict[int, YourEntry] = {}
    for path in paths:
        data = path.read_bytes() if path.stat().st_size <= PROOF_BYTES_MAX else b""
        try:
            proof = parse_proof(data)
            open_checkpoint(proof.note, own)
            if proof.extra:
                held = msgspec.json.decode(proof.extra, type=_Opening)
                proof.verify(held.leaf, own)
                check_opening(held.leaf, held.salt, held.envelope)
                pool[proof.index] = YourEntry(index=proof.index, leaf=held.leaf, salt=held.salt, envelope=held.envelope)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed("what this proof opens cannot be read", where=str(path)) from error
        except (Malformed, Forged) as error:
            raise type(error)(f"this proof is not of this ledger: {error.message}", where=str(path)) from error
        found[f"the proof {path.name}"] = ProofWitness(proof.note, pool)
    return found
