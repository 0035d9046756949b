"""The second text of a charter: which ledger speaks for each party, and where its node is.

A charter is policy and is reviewed and shipped; this text is written by `relto node join`, one line for each party
whose inception was compared in words. Adopting a charter binds both digests. It says nothing of rights: a party that
stands here and not in the charter has none.

    parties: demo
    pinned:
    - {id: aus, inception: 5f…, origin: aus.example/demo/0, address: "https://aus.example"}
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from relto.charter.text import Map, Node, Text, list_of, mapping, matching, read, word
from relto.errors import Conflict, Malformed, NotFound, Refused

PINS_MAX: Final = 256

_INCEPTION: Final = matching(r"[0-9a-f]{64}", "the id of an inception: 64 of 0-9 and a-f")
_ORIGIN: Final = matching(
    r"[a-z0-9][a-z0-9.-]{0,60}/[a-z0-9-]{1,50}/(?:0|[1-9][0-9]{0,8})", "an origin such as `aus.example/demo/0`"
)
_ADDRESS: Final = matching(
    r"https?://(?:[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?|\[[0-9a-f:]{2,45}\])(?::[1-9][0-9]{0,4})?",
    "the address of a node such as `https://aus.example`, without a path",
)


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A party by the first act of its ledger, the name of that ledger and the address of its node."""

    id: str
    inception: str
    origin: str
    address: str


class Parties(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    parties: tuple[Pin, ...]
    digest: bytes

    def party(self, name: str) -> Pin:
        for one in self.parties:
            if one.id == name:
                return one
        raise NotFound(f"no ledger is pinned for `{name[:64]}`", hint="`relto node join` pins one")


def load_parties(source: Text) -> Parties:
    """The party list that a text says. Raises `errors.Malformed` with `file:line:column`."""
    root = source.root
    name = root.take("parties", word)
    listed = root.take("pinned", list_of(mapping, repeats=True))
    root.done()
    if len(listed) > PINS_MAX:
        raise root.at("pinned").refuse(f"more than {PINS_MAX} parties stand here")
    pins = tuple(_pin(entry, name) for entry in listed)
    # One ledger speaks for one party: nothing that names a ledger or a node may stand twice.
    for key in ("id", "inception", "origin", "address"):
        seen: set[str] = set()
        for pin, entry in zip(pins, listed, strict=True):
            value: str = getattr(pin, key)
            if value in seen:
                raise entry.at(key).refuse(f"this {key} stands here a second time: `{value[:64]}`")
            seen.add(value)
    return Parties(id=name, parties=pins, digest=source.digest)


def _pin(entry: Map, partnership: str) -> Pin:
    pin = Pin(
        id=entry.take("id", word),
        inception=entry.take("inception", _INCEPTION),
        origin=entry.take("origin", _ORIGIN),
        address=entry.take("address", _address),
    )
    entry.done()
    if pin.origin.split("/")[1] != partnership:
        where = entry.at("origin")
        raise where.refuse(
            f"this ledger is of another partnership than `{partnership}`", hint="`<host>/<partnership>/<n>`"
        )
    return pin


def _address(node: Node) -> str:
    value = _ADDRESS(node)
    port = value.rpartition(":")[2]
    if port.isdecimal() and int(port) > 65535:
        raise node.refuse(f"there is no port {port}")
    return value


def format_parties(name: str, pins: Iterable[Pin]) -> bytes:
    """The text in its canonical spelling, parties A-Z.

    Reading it gives the same pins, and writing those the same bytes.
    """
    lines = [f"parties: {name}\n"]
    ordered = sorted(pins, key=lambda pin: pin.id)
    lines += ["pinned:\n", *map(_line, ordered)] if ordered else ["pinned: []\n"]
    return _as_read("".join(lines).encode(), name, tuple(ordered))


def with_pin(source: Text, pin: Pin) -> bytes:
    """The same text with one more party at its end: every comment and line above it stays.

    Raises Conflict when the party is pinned already, Refused when the list is not the last thing of the text, one line
    a party.
    """
    known = load_parties(source)
    if any(one.id == pin.id for one in known.parties):
        raise Conflict(f"`{pin.id}` is pinned already", hint="a party changes its keys in its own ledger, never here")
    before = source.source if source.source.endswith(b"\n") else source.source + b"\n"
    if not known.parties:
        before = before.replace(b"pinned: []\n", b"pinned:\n")
    return _as_read(before + _line(pin).encode(), known.id, (*known.parties, pin))


def _line(pin: Pin) -> str:
    return f'- {{id: {pin.id}, inception: {pin.inception}, origin: {pin.origin}, address: "{pin.address}"}}\n'


def _as_read(written: bytes, name: str, wanted: tuple[Pin, ...]) -> bytes:
    # INVARIANT: what is written reads back as what was meant, or it is not written.
    try:
        back = load_parties(read(written, "parties"))
    except Malformed as error:
        raise Refused(f"this cannot be written as a party list: {error.message}", hint=error.hint) from None
    if (back.id, back.parties) != (name, wanted):
        raise Refused(
            "the party list does not end in its parties, one a line", hint="move `pinned:` to the end of the text"
        )
    return written
