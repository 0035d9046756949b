"""The same rules asked backwards: everyone who may have an item, everything a recipient may have.

The kernel decides once for each pair of classes (`kernel`); here its answers become rows. Answers name people of
other parties only as declared classes with head counts: complete means complete over declared rosters.

Lists are whole or say that they go on: a page has the count of all, and the place after which the next one begins.

Source: contracts of the design, sections 3, 12 and 19; spec/decision.md, "Classes".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct, UnsetType

from relto.acts import ItemState, RecipientClass, Register
from relto.charter import Charter
from relto.errors import Malformed
from relto.release.facts import code_of
from relto.release.question import Answer, Method, Question, canonical

if TYPE_CHECKING:
    from relto.release.kernel import Kernel

NOWHERE: Final = "ZZZ"  # a place that no rule names


class Declared(Struct, frozen=True, kw_only=True):
    """A class of recipients as its party's roster declares it."""

    recipient: RecipientClass
    heads: int
    day: str  # of the declaration
    name: str = ""  # of one's own people only

    @property
    def id(self) -> str:
        return _digest(canonical(self.recipient))[:12]


class Row(Struct, frozen=True, kw_only=True):
    """One line of a reverse answer."""

    item: str
    version: int
    to: Declared
    answer: Answer
    until: str = ""


class Page(Struct, frozen=True, kw_only=True):
    """Rows in order, how many there are in all, and where the next page begins; empty on the last."""

    rows: tuple[Row, ...]
    count: int
    people: int
    next: str = ""


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def rosters(register: Register) -> tuple[Declared, ...]:
    """All declared classes, by party and then by class. A party declares its own people and nobody else's."""
    found = [
        Declared(recipient=one.recipient, heads=one.heads, day=roster.terms.day)
        for party, roster in sorted(register.rosters.items())
        for one in roster.terms.classes
        if one.recipient.party == party
    ]
    return tuple(sorted(found, key=lambda d: (d.recipient.party, d.recipient.organisation, d.id)))


def usual_purpose(charter: Charter, project: str) -> str:
    """The first purpose that the charter allows for a project."""
    return next((one.id for one in charter.purposes if one.fits(project)), "")


def place_of(charter: Charter, party: str) -> str:
    """Where a party's people read: at its own place."""
    return code_of(charter, party) or NOWHERE


def usual(
    register: Register,
    item: ItemState,
    to: RecipientClass,
    day: int,
    purpose: str = "",
    place: str = "",
    method: Method = "key",
) -> Question:
    """The question one asks when nobody said more: the project's first purpose, at the recipient party's own place."""
    charter = register.charter
    return Question(
        to=to,
        item=item.id,
        version=item.version,
        purpose=purpose or (usual_purpose(charter, item.facts.project) if charter is not None else ""),
        place=place or (place_of(charter, to.party) if charter is not None else NOWHERE),
        place_says="party",
        method=method,
        day=day,
    )


def live(register: Register) -> Iterator[ItemState]:
    """Every version of every item that is not retired: an older one may still be handed out."""
    for versions in register.items.values():
        yield from (one for one in versions if not one.retired)


def newest(register: Register) -> Iterator[ItemState]:
    """The newest version of every item, unless it is retired."""
    for versions in register.items.values():
        if not versions[-1].retired:
            yield versions[-1]


def pairs(
    register: Register, items: Iterable[ItemState], to: Iterable[Declared], day: int, purpose: str = ""
) -> tuple[Row, ...]:
    """Every item against every declared class, decided by the kernel."""
    kernel, people = _kernel(register, day, purpose), tuple(to)
    return tuple(_row(kernel, item.id, item.version, one) for item in items for one in people)


def who(register: Register, item: str, day: int, purpose: str = "", version: int | None = None) -> tuple[Row, ...]:
    """Everyone who may have this item, its newest version unless one is named: declared classes with a permit.

    Raises: NotFound.
    """
    return who_page(register, item, day, purpose, version).rows


def who_page(
    register: Register,
    item: str,
    day: int,
    purpose: str = "",
    version: int | None = None,
    limit: int | None = None,
    cursor: str = "",
) -> Page:
    """The same, at most so many rows, from where a cursor says.

    Raises: NotFound; Malformed for a cursor that none of these pages gave.
    """
    held = register.item(item, version)
    people = rosters(register)
    kernel = _kernel(register, day, purpose)
    answers = kernel.to(held.id, held.version, [one.recipient for one in people])
    found = [one for one, answer in zip(people, answers, strict=True) if answer == "permit"]
    after = parse_cursor(cursor, "who")
    ahead = [one for one in found if not after or _place(one) > after]
    shown = ahead if limit is None else ahead[:limit]
    return Page(
        rows=tuple(_row(kernel, held.id, held.version, one) for one in shown),
        count=len(found),
        people=sum({one.id: one.heads for one in found}.values()),
        next=format_cursor("who", _place(shown[-1])) if len(shown) < len(ahead) else "",
    )


def _place(one: Declared) -> str:
    return f"{one.recipient.party} {one.recipient.organisation} {one.id}"


def what(register: Register, to: Declared, day: int, purpose: str = "") -> tuple[Row, ...]:
    """Everything that this class may have, every version, of what this register may know of."""
    return what_page(register, to, day, purpose).rows


def what_page(
    register: Register, to: Declared, day: int, purpose: str = "", limit: int | None = None, cursor: str = ""
) -> Page:
    """The same, at most so many rows, from where a cursor says: in the order of items and then of versions.

    Raises: Malformed for a cursor that none of these pages gave.
    """
    from relto.release.catalogue import item_of

    kernel = _kernel(register, day, purpose)
    found = kernel.items(to.recipient)
    count = len(found)
    after = parse_cursor(cursor, "what").encode()
    names = found.page(count + 1 if limit is None else limit + 1, after)
    shown = names if limit is None else names[:limit]
    rows = tuple(_row(kernel, *item_of(name), to) for name in shown)
    more = len(shown) < len(names)
    return Page(
        rows=rows,
        count=count,
        people=to.heads if count else 0,
        next=format_cursor("what", shown[-1].decode()) if more and shown else "",
    )


def _kernel(register: Register, day: int, purpose: str) -> Kernel:
    from relto.release.kernel import Asking, kernel_of  # which needs numpy

    return kernel_of(register, day, Asking(purpose=purpose))


def _row(kernel: Kernel, item: str, version: int, to: Declared) -> Row:
    """One pair. Only a permit has an end, and only for an end is a decision explained."""
    answer = kernel.plain_answer(kernel.class_of(item, version), kernel.recipients.number(to.recipient))
    until = kernel.explain(item, version, to.recipient).valid_until if answer == "permit" else ""
    return Row(item=item, version=version, to=to, answer=answer, until="" if isinstance(until, UnsetType) else until)


def heads(rows: Iterable[Row]) -> int:
    """People, each declared class counted once."""
    counted: Mapping[str, int] = {row.to.id: row.to.heads for row in rows}
    return sum(counted.values())


# ---- cursors --------------------------------------------------------------------------------------------------------


def format_cursor(kind: str, after: str) -> str:
    """Where the next page begins, as one word. It names the last row of this one, so that it stays good whatever comes."""
    return f"{kind}.{after.encode().hex()}"


def parse_cursor(text: str, kind: str) -> str:
    """Raises: Malformed."""
    if not text:
        return ""
    found, _, after = text.partition(".")
    try:
        place = bytes.fromhex(after).decode()
    except ValueError:
        place = ""
    if found != kind or not place or format_cursor(kind, place) != text:
        raise Malformed(f"`{text[:40]}` is no cursor of this list", hint="take `next` from the page before")
    return place
