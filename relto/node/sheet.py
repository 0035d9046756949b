"""Items in a spreadsheet: read, judged row by row, registered as tables, and written with the same columns.

* A sheet is CSV in UTF-8, with or without a byte order mark, separated by commas, semicolons or tabs; or in Windows-1252
  where the caller says so. What it cannot be read as is an error; nothing is guessed.
* Every bad row is told, with its number as the spreadsheet shows it, column and reason; with one bad row nothing is
  registered.
* An empty cell is *not stated*; `none` is stated to be nothing. They are different facts.
* A cell that a spreadsheet would take for a formula is written with an apostrophe before it, and read without.
* One act for each project, set of owners and audience: a table shows all its rows to all its readers.

Source: docs/decisions/0058-spreadsheets.md.
"""

from __future__ import annotations

import csv
import functools
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, UnsetType

from relto import acts
from relto.acts import ItemState, Restriction, Row
from relto.errors import Malformed, ReltoError
from relto.label import Group, Label, banner, parse
from relto.label.label import ONLY
from relto.node.held import day_of
from relto.node.node import Node

SHEET_BYTES_MAX = 64 * 1024 * 1024
CELL_MAX = 16_384  # characters of a cell

COLUMNS: Final = (
    "item", "version", "title", "organisation", "project", "areas", "label", "system", "nature", "origins", "entries",
    "flags", "parts", "background", "value", "owners", "release", "reason", "review",
)  # fmt: skip
NEEDED: Final = ("item", "title", "label")
# What makes a spreadsheet compute (OWASP, "CSV Injection"); an apostrophe so that taking one away is exact.
_FORMULA: Final = "=+-@\t\r'"
_NONE: Final = "none"
_ITEM = re.compile(r"[a-z0-9][a-z0-9-]{0,63}/[a-z0-9][a-z0-9-]{0,63}")


class Fault(Struct, frozen=True, kw_only=True):
    """row: as the spreadsheet numbers them, the header being 1."""

    row: int
    column: str
    reason: str
    hint: str = ""


class Bundle(Struct, frozen=True, kw_only=True):
    """Rows that one act registers."""

    organisation: str
    owners: tuple[str, ...]
    release: acts.ReleaseRule
    project: str
    readers: tuple[str, ...]
    rows: tuple[Row, ...]


class Sheet(Struct, frozen=True, kw_only=True):
    """What a file says: groups of rows, or what is wrong with it."""

    count: int
    groups: tuple[Bundle, ...] = ()
    faults: tuple[Fault, ...] = ()


# ---- bytes to cells


def cells(data: bytes, encoding: str = "utf-8") -> Iterator[tuple[int, dict[str, str]]]:
    """(row number, column -> text) of every row that is not empty.

    Raises: Malformed for a file that is no such sheet, with the row.
    """
    text = _decoded(data, encoding)
    first, _, rest = text.partition("\n")
    if first.strip("\r").lower().startswith("sep=") and len(first.strip("\r")) == 5:
        delimiter, text, shift = first[4], rest, 1  # as spreadsheets write it for one another
    else:
        delimiter, shift = _delimiter(first), 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    for number, row in enumerate(_rows(reader), 1 + shift):
        if not names:
            names = _header(row)
            continue
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
            raise Malformed(f"{len(row)} cells under {len(names)} columns", where=f"row {number}")
        yield number, {name: _bare(cell.strip()) for name, cell in zip(names, row, strict=False)}


def _decoded(data: bytes, encoding: str) -> str:
    if len(data) > SHEET_BYTES_MAX:
        raise Malformed(f"a sheet has at most {SHEET_BYTES_MAX} bytes", hint="split it")
    if encoding not in {"utf-8", "cp1252"}:
        raise Malformed(f"`{encoding[:32]}` is not an encoding we read", hint="utf-8 or cp1252")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Malformed("the file is in UTF-16", hint="save it as `CSV UTF-8`")
    try:
        text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        hint = "save it as `CSV UTF-8`" + (", or say `--encoding cp1252`" if encoding == "utf-8" else "")
        raise Malformed(f"the file is not in {encoding}", hint=hint, where=f"row {row}") from error
    if "\0" in text:
        raise Malformed("the file is not text", hint="save the sheet as CSV")
    return text


def _delimiter(header: str) -> str:
    """The one of the three that makes columns we know of the header."""
    counted = {
        mark: sum(_bare(name.strip(' "\r')).lower() in COLUMNS for name in header.split(mark)) for mark in ",;\t"
    }
    best = max(counted, key=lambda mark: counted[mark])
    if counted[best] < len(NEEDED):
        raise Malformed(
            f"the first row names no columns of items: `{header.strip()[:80]}`", hint=_hint(), where="row 1"
        )
    return best


def _hint() -> str:
    return f"columns: {', '.join(COLUMNS)}"


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    number = 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Malformed(f"not CSV: {error}", hint="is a quotation mark open?", where=f"row {number}") from error
        if any(len(cell) > CELL_MAX for cell in row):
            raise Malformed(f"a cell has at most {CELL_MAX} characters", where=f"row {number}")
        yield row


def _header(row: list[str]) -> list[str]:
    names = [_bare(cell.strip()).lower() for cell in row]
    while names and not names[-1]:
        names.pop()
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise Malformed(f"there is no column `{unknown[0][:64]}`", hint=_hint(), where="row 1")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise Malformed(f"the column `{twice[0]}` stands twice", where="row 1")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise Malformed(f"the column `{missing[0]}` is missing", hint=_hint(), where="row 1")
    return names


def _bare(cell: str) -> str:
    return cell[1:] if len(cell) > 1 and cell[0] == "'" and cell[1] in _FORMULA else cell


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; `_bare` takes the guard away again."""
    return f"'{text}" if text[:1] and text[0] in _FORMULA else text


# ---- cells to rows


class _Wrong(Exception):
    """One cell of one row; it never leaves this module."""

    def __init__(self, column: str, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.column, self.reason, self.hint = column, reason, hint


def read_sheet(node: Node, data: bytes, *, defaults: Mapping[str, str] | None = None, encoding: str = "utf-8") -> Sheet:
    """A sheet against what this node knows. defaults: for cells that are empty or columns that are not there.

    Raises: Malformed for a file that is no sheet at all.
    """
    return _Reader(node, defaults or {}).read(cells(data, encoding))


class _Reader:
    def __init__(self, node: Node, defaults: Mapping[str, str]) -> None:
        self.node, self.register, self.defaults = node, node.register, dict(defaults)
        self.day = day_of(node.clock())
        self.groups: tuple[Group, ...] = self.register.charter.groups if self.register.charter else ()
        self.labels: dict[tuple[str, str], Label] = {}
        self.audiences: dict[tuple[object, ...], tuple[str, ...]] = {}
        self.faults: list[Fault] = []
        self.seen: dict[tuple[str, int], int] = {}
        self.parts: list[tuple[int, acts.ItemRef]] = []
        self.grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)

    def read(self, rows: Iterable[tuple[int, dict[str, str]]]) -> Sheet:
        count = 0
        for number, cell in rows:
            count += 1
            if count > acts.ROWS_MAX:
                raise Malformed(f"a sheet has at most {acts.ROWS_MAX} items", hint="split it", where=f"row {number}")
            try:
                self._row(number, {**self.defaults, **{name: text for name, text in cell.items() if text}})
            except _Wrong as wrong:
                self.faults.append(Fault(row=number, column=wrong.column, reason=wrong.reason, hint=wrong.hint))
        if not count:
            raise Malformed("the sheet has no rows")
        for number, part in self.parts:
            if (part.item, part.version) not in self.seen and not self._registered(part.item, part.version):
                reason = f"no item `{part.item}@{part.version}` is known here or in this sheet"
                self.faults.append(Fault(row=number, column="parts", reason=reason))
        if self.faults:
            return Sheet(count=count, faults=tuple(sorted(self.faults, key=lambda one: (one.row, one.column))))
        names = ("organisation", "owners", "release", "project", "readers")
        groups = [
            Bundle(**dict(zip(names, key, strict=True)), rows=tuple(found)) for key, found in self.grouped.items()
        ]
        return Sheet(count=count, groups=tuple(groups))

    def _registered(self, item: str, version: int) -> bool:
        return any(one.version == version for one in self.register.items.get(item, ()))

    def _row(self, number: int, cell: Mapping[str, str]) -> None:
        label = self._label(cell)
        row = self._values(cell, label)
        before = self.seen.setdefault((row.item, row.version), number)
        if before != number:
            raise _Wrong("item", f"`{row.item}@{row.version}` stands in row {before} already")
        if row.item.partition("/")[0] != self.node.me:
            raise _Wrong("item", f"`{row.item}` is not an item of `{self.node.me}`", "a party registers its own")
        if self._registered(row.item, row.version):
            raise _Wrong("item", f"`{row.item}@{row.version}` is registered already", "give it the next version")
        self._check_restriction(row)
        self.parts += [(number, part) for part in row.derived]
        shared = self._shared(cell)
        key = (*shared, self._audience(shared, row))
        self.grouped[key].append(row)

    def _label(self, cell: Mapping[str, str]) -> Label:
        text, system = cell.get("label", ""), cell.get("system", "")
        if not text:
            raise _Wrong("label", "every item has a label")
        known = self.labels.get((text, system))
        if known is None:
            try:
                if text.startswith("{"):
                    known = msgspec.json.decode(text, type=Label)
                else:
                    known = parse(text, system=system or None, groups=self.groups, day=self.day)
            except ReltoError as error:
                raise _Wrong("label", str(error), error.hint) from None
            except msgspec.DecodeError as error:
                raise _Wrong("label", f"not a label: {error}", "a banner, or the JSON of `relto label parse`") from None
            self.labels[text, system] = known
        return known

    def _values(self, cell: Mapping[str, str], label: Label) -> Row:
        plain: dict[str, Any] = {
            "item": cell.get("item", ""),
            "version": _number(cell, "version", 1),
            "title": cell.get("title", ""),
            "areas": _list(cell.get("areas", "")) or (),
            "label": label,
            "nature": cell.get("nature", "technical_data"),
            "entries": _entries(cell.get("entries", "")),
            "derived": [_part(one) for one in _list(cell.get("parts", "")) or ()],
            "background": _flag(cell),
        }
        for name in ("origins", "flags"):
            listed = _list(cell.get(name, ""))
            plain |= {} if listed is None else {name: listed}
        if cell.get("value"):
            amount, _, currency = cell["value"].partition(" ")
            if not amount.isdecimal():
                raise _Wrong("value", f"`{cell['value'][:40]}` is not an amount", "for example 500 GBP")
            plain["value"] = {"amount": int(amount), "currency": currency}
        if cell.get("reason") or cell.get("review"):
            plain["restriction"] = {"reason": cell.get("reason", ""), "review": cell.get("review", "")}
        if not _ITEM.fullmatch(plain["item"]):
            raise _Wrong("item", f"`{plain['item'][:64]}` is not the id of an item", f"for example {self.node.me}/name")
        try:
            row = msgspec.convert(msgspec.to_builtins(plain), Row)
            acts.check_row(row)
        except msgspec.ValidationError as error:
            words, _, path = str(error).partition(" - at `$.")
            raise _Wrong(_column(path), words[:1].lower() + words[1:]) from None
        except Malformed as error:
            raise _Wrong(_column(error.where.rpartition(", ")[2]), error.message, error.hint) from None
        return row

    def _check_restriction(self, row: Row) -> None:
        closing = sorted(ONLY.keys() & set(row.label.tags))
        if closing and isinstance(row.restriction, UnsetType):
            raise _Wrong("reason", f"`{closing[0]}` needs a reason and a review date")
        if not isinstance(row.restriction, UnsetType) and row.restriction.review <= self.day:
            raise _Wrong("review", f"{row.restriction.review} is not after today")

    def _shared(self, cell: Mapping[str, str]) -> tuple[str, tuple[str, ...], acts.ReleaseRule, str]:
        organisation, project = cell.get("organisation", ""), cell.get("project", "")
        if not _ITEM.fullmatch(organisation) or organisation.partition("/")[0] != self.node.me:
            reason = f"`{organisation[:64]}` is not an organisation of `{self.node.me}`"
            raise _Wrong("organisation", reason, f"for example {self.node.me}/works")
        if project not in self.register.projects:
            known = ", ".join(sorted(self.register.projects)[:12])
            raise _Wrong("project", f"`{project[:64]}` is no project of the charter", f"one of {known}")
        owners = _list(cell.get("owners", "")) or (self.node.me,)
        for one in owners:
            if one not in self.register.parties:
                raise _Wrong("owners", f"no party `{one[:64]}` is known here")
        if len(set(owners)) != len(owners) or self.node.me not in owners:
            raise _Wrong("owners", f"owners stand once each, `{self.node.me}` among them")
        rule = cell.get("release", "one")
        if rule in {"one", "all"}:
            return organisation, owners, acts.ReleaseRule(rule=rule), project  # type: ignore[arg-type]
        if not rule.isdecimal() or not 1 <= int(rule) <= len(owners):
            raise _Wrong("release", f"`{rule[:16]}` of {len(owners)} owners cannot release", "one, all, or a number")
        return organisation, owners, acts.ReleaseRule(rule="k_of_n", k=int(rule)), project

    def _audience(self, shared: tuple[str, tuple[str, ...], acts.ReleaseRule, str], row: Row) -> tuple[str, ...]:
        """Who must be able to read of this item: as the node would address its own act."""
        organisation, owners, release, project = shared
        key = (project, row.areas, row.label, owners)
        if key not in self.audiences:
            try:
                draft = self.node.draft(
                    "register",
                    item=row.item,
                    version=row.version,
                    opaque="0" * 32,
                    title=row.title,
                    organisation=organisation,
                    owners=owners,
                    release=release,
                    project=project,
                    areas=row.areas,
                    label=row.label,
                    nature=row.nature,
                )
            except ReltoError as error:
                raise _Wrong("project", error.message, error.hint) from None
            assert not isinstance(draft.readers, UnsetType)
            self.audiences[key] = draft.readers
        return self.audiences[key]


def _column(path: str) -> str:
    name = re.split(r"[.\[]", path.rstrip("`"))[0]
    return {"derived": "parts", "restriction": "reason"}.get(name, name if name in COLUMNS else "item")


def _list(text: str) -> tuple[str, ...] | None:
    """Parts set apart by `;`, or a JSON list. Empty: not stated; `none`: stated to be nothing."""
    if not text:
        return None
    if text.startswith("["):
        try:
            return msgspec.json.decode(text, type=tuple[str, ...])
        except msgspec.DecodeError:
            pass
    return () if text == _NONE else tuple(part.strip() for part in text.split(";") if part.strip())


def _number(cell: Mapping[str, str], name: str, default: int) -> int:
    text = cell.get(name, "")
    if text and (not text.isdecimal() or not text.isascii() or len(text) > 9):
        raise _Wrong(name, f"`{text[:20]}` is not a number")
    return int(text) if text else default


def _flag(cell: Mapping[str, str]) -> bool:
    text = cell.get("background", "").lower()
    if text not in {"", "yes", "no"}:
        raise _Wrong("background", f"`{text[:20]}` is neither yes nor no")
    return text == "yes"


def _part(text: str) -> dict[str, Any]:
    item, _, version = text.partition("@")
    if version and not version.isdecimal():
        raise _Wrong("parts", f"`{text[:80]}` is not an item with a version", "for example gbr/hull@2")
    return {"item": item, "version": int(version) if version else 1}


def _entries(text: str) -> dict[str, tuple[str, ...]]:
    """`GBR=ML4|ML5; USA=none`, or JSON where an entry has one of these characters in it."""
    if text.startswith("{"):
        try:
            held = msgspec.json.decode(text, type=dict[str, tuple[str, ...]])
        except msgspec.DecodeError as error:
            raise _Wrong("entries", f"not control entries: {error}") from None
        return held
    found: dict[str, tuple[str, ...]] = {}
    for one in _list(text) or ():
        law, equals, listed = (part.strip() for part in one.partition("="))
        if not equals or not listed:
            raise _Wrong("entries", f"`{one[:40]}` is not a law with its entries", "for example GBR=ML4|ML5; USA=none")
        if law in found:
            raise _Wrong("entries", f"`{law[:8]}` stands twice")
        found[law] = () if listed == _NONE else tuple(part.strip() for part in listed.split("|"))
    return found


# ---- rows to acts


def drafts(node: Node, sheet: Sheet) -> list[acts.Act]:
    """The acts that register a sheet; their tables are kept as texts of the node."""
    found = []
    for one in sheet.groups:
        table = node.put_text(acts.write_table(one.rows))
        found.append(
            node.draft(
                "catalogue",
                table=table,
                rows=len(one.rows),
                seed=node.random(32).hex(),
                organisation=one.organisation,
                owners=one.owners,
                release=one.release,
                project=one.project,
                readers=one.readers,
            )
        )
    return found


# ---- items to cells


def write_sheet(items: Iterable[ItemState], newline: str = "\r\n") -> str:
    """The same columns, quoted where it must be, every cell guarded."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator=newline)
    writer.writerow(COLUMNS)
    for item in items:
        shown = _shown(item)
        writer.writerow([guarded(shown[name]) for name in COLUMNS])
    return target.getvalue()


def _shown(item: ItemState) -> dict[str, str]:
    facts = item.facts
    line, system = _marked(item.label)
    restriction = item.restriction if isinstance(item.restriction, Restriction) else None
    rule = facts.release
    return {
        "item": item.id,
        "version": str(item.version),
        "title": facts.title,
        "organisation": facts.organisation,
        "project": facts.project,
        "areas": "; ".join(facts.areas),
        "label": line,
        "system": system,
        "nature": facts.nature,
        "origins": _told(facts.origins),
        "entries": _told_entries(facts.entries),
        "flags": _told(facts.flags),
        "parts": "; ".join(f"{one.item}@{one.version}" for one in facts.derived),
        "background": "yes" if facts.background else "no",
        "value": "" if isinstance(facts.value, UnsetType) else f"{facts.value.amount} {facts.value.currency}",
        "owners": "; ".join(facts.owners),
        "release": str(rule.k) if rule.rule == "k_of_n" else rule.rule,
        "reason": restriction.reason if restriction else "",
        "review": restriction.review if restriction else "",
    }


@functools.lru_cache(maxsize=4096)
def _marked(label: Label) -> tuple[str, str]:
    """A banner that reads back as this very label, with its system; else the label itself."""
    for level in label.levels:
        try:
            line = banner(label, level.system)
            if parse(line, system=level.system) == label:
                return line, level.system
        except ReltoError:
            continue
    return msgspec.json.encode(label).decode(), ""


def _told(listed: tuple[str, ...] | UnsetType) -> str:
    if isinstance(listed, UnsetType):
        return ""
    if any(one == _NONE or one != one.strip() or ";" in one for one in listed) or (listed[:1] and listed[0][:1] == "["):
        return msgspec.json.encode(listed).decode()
    return "; ".join(listed) or _NONE


def _told_entries(entries: Mapping[str, tuple[str, ...]]) -> str:
    every = [one for listed in entries.values() for one in listed]
    if any(one == _NONE or one != one.strip() or set(one) & set(";|=") for one in every):
        return msgspec.json.encode(entries, order="sorted").decode()
    return "; ".join(f"{law}={'|'.join(listed) or _NONE}" for law, listed in sorted(entries.items()))
