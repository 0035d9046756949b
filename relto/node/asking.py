"""What words mean to a node: whom, which item, which day.

One reading for the command line, the API and the pages, so that they cannot disagree.
"""

from __future__ import annotations

import datetime as dt
import re

from relto.acts import Register
from relto.errors import Malformed, NotFound
from relto.node.node import Node
from relto.node.people import person_class
from relto.release import Declared, Question, rosters, usual

_PLACE = re.compile(r"[A-Z]{3}")


def parse_time(text: str) -> int:
    """A day or an instant with its zone, as ms UTC. Raises: Malformed."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed(
            f"`{text[:40]}` is not a date", hint="write it as 2026-11-22 or 2026-11-22T10:00:00Z"
        ) from error
    if len(text) == 10:
        # For what was known, a day alone means its end, so that all of it counts; as a legal day it is the day.
        found = found.replace(hour=23, minute=59, second=59, tzinfo=dt.UTC)
    if found.tzinfo is None:
        raise Malformed(f"`{text[:40]}` does not say its zone", hint="add Z or +10:00")
    return int(found.timestamp() * 1000)


def sighted(node: Node, at: str | None = None, known: str = "then") -> tuple[Register, int]:
    """Register and day of a question."""
    now = node.clock()
    if at is None:
        return node.register, now
    day = parse_time(at)
    if day >= now or known == "now":
        return node.register, day
    return node.register_at(node.sight_of(day)), day


def item_name(text: str) -> tuple[str, int | None]:
    name, found, version = text.partition("@")
    if found and not version.isdecimal():
        raise Malformed(f"`{text[:80]}` is not an item with a version", hint="for example gbr/array-processing@2")
    return name, int(version) if found else None


def recipient(node: Node, register: Register, who_: str) -> tuple[Declared, str, str]:
    """Whom a word means: (class, usual place, who says the place).

    Raises: NotFound; Malformed when it means several classes.
    """
    known = person_class(node, who_)
    if known is not None:
        return Declared(recipient=known.recipient, heads=1, day="", name=known.alias), known.place, "party"
    name, _, wanted = who_.partition("#")
    found = [
        one
        for one in rosters(register)
        if name in {one.recipient.organisation, one.recipient.party, one.id} and one.id.startswith(wanted)
    ]
    if not found:
        seen = [one for one in register.releases.values() if who_.endswith(one.terms.person)]
        if seen:
            return Declared(recipient=seen[-1].terms.to, heads=1, day=""), seen[-1].terms.place, "party"
        raise NotFound(
            f"nobody here is called `{who_[:80]}`",
            hint="an own alias, a pseudonym, or an organisation with a declared roster (`relto party show`)",
        )
    if len(found) > 1:
        ways = ", ".join(
            f"{one.recipient.organisation}#{one.id[:6]}"
            f" ({one.heads} people, {'/'.join(one.recipient.nationalities or ('unstated',))})"
            for one in found[:6]
        )
        raise Malformed(f"`{who_[:80]}` means {len(found)} classes of people", hint=f"one of {ways}")
    party = register.parties.get(found[0].recipient.party)
    return found[0], party.code if party else found[0].recipient.party.upper(), "party"


def question(
    node: Node, register: Register, day: int, who_: str, item: str, purpose: str = "", place: str = ""
) -> Question:
    to, usual_place, _ = recipient(node, register, who_)
    known = {one.id for one in register.charter.purposes} if register.charter else set()
    if purpose and purpose not in known:
        raise Malformed(f"`{purpose[:80]}` is no purpose of the charter", hint=f"one of {', '.join(sorted(known))}")
    if place and not _PLACE.fullmatch(place):
        raise Malformed(f"`{place[:80]}` is not a country", hint="three capital letters of ISO 3166, for example AUS")
    name, version = item_name(item)
    return usual(register, register.item(name, version), to.recipient, day, purpose, place or usual_place)
