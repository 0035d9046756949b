"""The party's own people: who they are, behind which pseudonym, and as which class others see them.

Names stand in one private table and nowhere else: not in an act, a leaf, a manifest or a log line. Erasing a row
changes no ledger and no replay.

Contracts of the design, section 3.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from collections import Counter

import msgspec
from msgspec import Struct

from relto import acts
from relto.acts import RecipientClass
from relto.errors import Malformed, NotFound, Refused
from relto.node.node import Node


class Person(Struct, frozen=True, kw_only=True):
    """alias: the subject at the party's own log-in. place: where this person usually is."""

    alias: str
    pseudonym: str
    name: str
    contact: str
    recipient: RecipientClass
    place: str


def pseudonym(key: bytes, issuer: str, subject: str) -> str:
    """`p-` and 26 base32 characters of HMAC-SHA-256: the same in one partnership, another in another."""
    digest = hmac.digest(key, issuer.encode() + b"\0" + subject.encode(), hashlib.sha256)
    return "p-" + base64.b32encode(digest).decode().lower()[:26]


def add_person(node: Node, alias: str, name: str, contact: str, recipient: RecipientClass, place: str) -> Person:
    """Registers one of the own people; the same alias again replaces what is known of it.

    Raises: Malformed; Refused for somebody of another party.
    """
    assert node.keys is not None
    if recipient.party != node.me or recipient.organisation.partition("/")[0] != node.me:
        raise Refused(
            f"`{recipient.organisation}` is not an organisation of `{node.me}`",
            hint="a party speaks for its own people only",
        )
    try:
        recipient = msgspec.convert(msgspec.to_builtins(recipient), RecipientClass)
        msgspec.convert(place, acts.act.Country)
        msgspec.convert(alias, acts.act.Word)
    except msgspec.ValidationError as error:
        raise Malformed(f"this person's facts: {str(error)[:1].lower()}{str(error)[1:]}") from error
    person = Person(
        alias=alias,
        pseudonym=pseudonym(node.keys.pseudonyms, node.config.url, alias),
        name=name,
        contact=contact,
        recipient=recipient,
        place=place,
    )
    node.store.execute(
        "INSERT INTO people (alias, pseudonym, name, contact, class, place) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (alias) DO UPDATE SET name = $3, contact = $4, class = $5, place = $6",
        (alias, person.pseudonym, name, contact, class_bytes(recipient), place),
    )
    return person


def class_bytes(recipient: RecipientClass) -> bytes:
    return msgspec.json.encode(recipient, order="sorted")


def people(node: Node) -> list[Person]:
    rows = node.store.query("SELECT alias, pseudonym, name, contact, class, place FROM people ORDER BY alias")
    return [
        Person(
            alias=row[0],
            pseudonym=row[1],
            name=row[2],
            contact=row[3],
            recipient=msgspec.json.decode(row[4], type=RecipientClass),
            place=row[5],
        )
        for row in rows
    ]


def person_class(node: Node, who: str) -> Person | None:
    """An own person by alias, by pseudonym, or by `party/` and either."""
    name = who.removeprefix(f"{node.me}/")
    if "/" in name or "#" in name:
        return None  # neither an alias nor a pseudonym has one: an organisation or a class of people
    return next((one for one in people(node) if name in {one.alias, one.pseudonym}), None)


def person(node: Node, alias: str) -> Person:
    """Raises: NotFound."""
    found = person_class(node, alias)
    if found is None:
        raise NotFound(f"`{alias[:80]}` is not one of the people of `{node.me}`", hint="`relto person list` shows them")
    return found


def roster(node: Node) -> acts.Act:
    """The own people as classes with head counts, ready to be written by the node."""
    counted = Counter(class_bytes(one.recipient) for one in people(node))
    classes = tuple(
        acts.RosterClass(recipient=msgspec.json.decode(data, type=RecipientClass), heads=heads)
        for data, heads in sorted(counted.items())
    )
    day = dt.datetime.fromtimestamp(node.clock() / 1000, dt.UTC).date().isoformat()
    return node.draft("roster", day=day, classes=classes)


def publish_roster(node: Node) -> str:
    """Declares the own people to partners; returns the act's id."""
    with node.lock:
        draft = roster(node)
        node.write(draft)
        return acts.act_id(acts.write(draft))
