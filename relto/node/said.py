"""What a party says of another's ledger, in the words of spec/carried.md, "Recovering"."""

from __future__ import annotations

from msgspec import Struct


class Heard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What another party acknowledged of the asking ledger, with that ledger's own signature over it."""

    party: str
    size: int
    root: str
    signature: bytes


class Yours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a party holds of the asking ledger: its newest checkpoint, and what it heard that others hold."""

    note: bytes | None = None
    heard: tuple[Heard, ...] = ()


class YourEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the asking ledger; salt and envelope when the answering party may open it."""

    index: int
    leaf: bytes
    salt: bytes | None = None
    envelope: bytes | None = None


class YourEntries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    entries: tuple[YourEntry, ...]
    more: int | None = None
