"""Tables of items: what a `catalogue` act registers by digest.

A table is lines of canonical JSON (as in acts: sorted keys, no white space, the same characters): a first line that
says what it is, then a row for each item version, sorted by item and version, each once. Each line ends with a line
feed. A catalogue of ten million items is a hundred acts and not ten million.

An item of a table is an item like any other: the same facts, the same classes, relabelled and retired one by one.

Source: spec/acts.md, "Tables".
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from relto.acts.act import (
    ROWS_MAX,
    Catalogue,
    Country,
    ItemId,
    ItemRef,
    Line,
    Money,
    RegisterItem,
    Restriction,
    Shape,
    Word,
    check_texts,
)
from relto.acts.register import ItemState
from relto.errors import Malformed
from relto.label import Label

TABLE_BYTES_MAX = 48 * 1024 * 1024
HEADER = b'{"relto":"items","v":1}\n'
_OPAQUE = b"relto opaque v1\0"


class Row(Shape, frozen=True, kw_only=True):
    """One item version: the fields of `register` that its act does not share out."""

    item: ItemId
    version: Annotated[int, Meta(ge=1)]
    title: Line
    areas: tuple[Word, ...]
    label: Label
    nature: Literal["technical_data", "software", "hardware", "service"]
    origins: tuple[Country, ...] | UnsetType = UNSET
    entries: dict[Annotated[str, Meta(pattern=r"\A[A-Z]{3,4}\Z")], tuple[Line, ...]] = msgspec.field(
        default_factory=dict
    )
    flags: tuple[Line, ...] | UnsetType = UNSET
    derived: tuple[ItemRef, ...] = ()
    background: bool = False
    value: Money | UnsetType = UNSET
    restriction: Restriction | UnsetType = UNSET


_SHARED = (
    "author", "log", "at", "readers", "partnership", "under", "organisation", "owners", "release", "project",
)  # fmt: skip
_decoder = msgspec.json.Decoder(Row, strict=True)
_encoder = msgspec.json.Encoder(order="sorted")


def write_table(rows: Iterable[Row]) -> bytes:
    """Rows in any order. Read back first: what we would refuse we do not write.

    Raises: Malformed.
    """
    ordered = sorted(rows, key=lambda row: (row.item, row.version))
    data = HEADER + b"".join(_encoder.encode(row) + b"\n" for row in ordered)
    read_table(data)
    return data


@functools.lru_cache(maxsize=4)
def read_table(data: bytes) -> tuple[Row, ...]:
    """Refuses anything but the one spelling. Raises: Malformed with the row where it went wrong, from 1."""
    if len(data) > TABLE_BYTES_MAX:
        raise Malformed(f"a table of {len(data)} bytes is over the limit of {TABLE_BYTES_MAX}")
    if not data.startswith(HEADER) or not data.endswith(b"\n"):
        raise Malformed("not a table of items")
    lines = data[len(HEADER) : -1].split(b"\n")
    if len(lines) > ROWS_MAX:
        raise Malformed(f"a table has at most {ROWS_MAX} rows")
    rows, before = [], ("", 0)
    for number, line in enumerate(lines, 1):
        row = _read_row(line, f"row {number}")
        if (row.item, row.version) <= before:
            raise Malformed("rows are sorted by item and version, each once", where=f"row {number}")
        before = (row.item, row.version)
        rows.append(row)
    return tuple(rows)


def check_row(row: Row) -> None:
    """What `read_table` would say of this row. Raises: Malformed with the field."""
    _read_row(_encoder.encode(row), "")


def _read_row(line: bytes, where: str) -> Row:
    try:
        row = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not an item: {str(error)[:200]}", where=where) from error
    if _encoder.encode(row) != line:
        raise Malformed("not the canonical form of this row", where=where)
    if not line.isascii() or b"\\" in line:
        try:
            check_texts(msgspec.json.decode(line))
        except Malformed as error:
            raise Malformed(error.message, where=f"{where}, {error.where}".removeprefix(", ")) from None
    for name, listed in (
        ("areas", row.areas),
        ("derived", row.derived),
        ("origins", row.origins),
        ("flags", row.flags),
        *(("entries", one) for one in row.entries.values()),
    ):
        if not isinstance(listed, UnsetType) and len(listed) > 1 and len(set(listed)) != len(listed):
            raise Malformed("a list holds the same thing twice", where=f"{where}, {name}".removeprefix(", "))
    return row


def opaque_of(seed: str, item: str, version: int) -> str:
    """The id that packages show of an item of a table: nobody without the seed can tell which it is."""
    text = _OPAQUE + bytes.fromhex(seed) + f"{item}@{version}".encode()
    return hashlib.sha256(text).hexdigest()[:32]


@functools.lru_cache(maxsize=64)
def registered(act: Catalogue, id_: str, index: int, data: bytes) -> tuple[ItemState, ...]:
    """The items of a table, as single acts would have registered them. Remembered: it follows from the bytes alone.

    Raises: Malformed; where the table is not the one that the act describes.
    """
    rows = read_table(data)
    if len(rows) != act.rows:
        raise Malformed(f"it has {len(rows)} rows, and the act says {act.rows}")
    shared = {name: getattr(act, name) for name in _SHARED}
    found = []
    own = f"{act.author}/"
    for number, row in enumerate(rows, 1):
        if not row.item.startswith(own):
            raise Malformed(f"{act.author} does not speak for {row.item}", where=f"row {number}")
        facts = RegisterItem(
            v=1 if isinstance(row.restriction, UnsetType) else 2,
            opaque=opaque_of(act.seed, row.item, row.version),
            **shared,
            **{name: getattr(row, name) for name in row.__struct_fields__},
        )
        state = ItemState(
            id=row.item,
            version=row.version,
            act=id_,
            facts=facts,
            label=row.label,
            label_act=id_,
            party=act.author,
            index=index,
            label_index=index,
            restriction=row.restriction,
        )
        found.append(state)
    return tuple(found)
