"""Cases beside a charter: what it must answer, written as data by whoever reviews it.

A case says who asks for what, when and for which purpose, and what must come out: the answer and the rules that fail.
The world around it (outsiders, engagements, items, people) is given once and shared. Nothing is decided here: the
release room runs them, for only it decides.

* Law is not asked: a runner takes every jurisdiction as satisfied, because packs have cases of their own.
* Every engagement of a world is proposed, consented to by `consents` and confirmed; a consent that is missing leaves
  it a proposal.
* The form is written out in spec/charter.md and at the head of every shipped text of cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeVar, cast

import msgspec

from relto.charter.model import Charter
from relto.charter.text import (
    Date,
    Map,
    Node,
    Reader,
    Span,
    Text,
    choice,
    date,
    list_of,
    listing,
    mapping,
    matching,
    scalar,
    shown,
    span,
    text,
    word,
)
from relto.errors import Malformed, NotFound
from relto.label import Label, Level, parse

CASES_MAX: Final = 2048

T = TypeVar("T")

Answer = Literal["permit", "deny", "undetermined"]
_ITEM: Final = matching(r"[a-z0-9-]{1,64}/[a-z0-9-]{1,64}", "an item such as `gbr/notes`")
_CODE: Final = matching(r"[A-Z]{3}", "a three-letter code such as `AUS`")
_RULE: Final = matching(r"[a-z][a-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*", "a rule such as `scope` or `label.release`")
_CLAUSE: Final = matching(r"[A-Za-z0-9.-]{1,80}", "a clause number such as `4.2`")


class Outsider(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    code: str


class Engaged(msgspec.Struct, frozen=True, kw_only=True):
    """An outsider in one project. `consents` without one of those asked: a proposal, and no right."""

    id: str
    party: str
    project: str
    areas: tuple[str, ...]
    ceiling: tuple[Level, ...]
    term: Span
    consents: tuple[str, ...]
    suspended_by: tuple[str, ...] = ()


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """An item: `gbr/notes`; what stands before the `/` owns it, unless owners are named."""

    id: str
    owners: tuple[str, ...]
    project: str
    areas: tuple[str, ...]
    label: Label


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A class of people as their own party vouches for them. `nationalities` empty: not stated."""

    id: str
    party: str
    organisation: str
    nationalities: tuple[str, ...]
    clearance: Level | None
    place: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    where: str
    who: str
    what: str
    day: Date
    purpose: str
    answer: Answer
    fails: tuple[str, ...]  # deny: the rules that are no; undetermined: those that are unknown
    clauses: tuple[str, ...]  # that the answer must cite
    says: str = ""


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    charter: str
    outsiders: tuple[Outsider, ...]
    engagements: tuple[Engaged, ...]
    items: tuple[Thing, ...]
    people: tuple[Person, ...]
    cases: tuple[Case, ...]

    def item(self, name: str) -> Thing:
        return next(one for one in self.items if one.id == name)

    def person(self, name: str) -> Person:
        return next(one for one in self.people if one.id == name)


def load_cases(source: Text, charter: Charter) -> Cases:
    """The cases of a text about this charter.

    Raises `errors.Malformed` for what the text or the charter does not know.
    """
    return _Reading(source.root, charter).cases()


class _Reading:
    def __init__(self, root: Map, charter: Charter) -> None:
        self.root, self.charter = root, charter
        self.codes = {one.id: one.code for one in charter.parties}
        self.items: tuple[Thing, ...] = ()
        self.people: tuple[Person, ...] = ()

    def cases(self) -> Cases:
        name = self.root.take("cases_for", word)
        if name != self.charter.id:
            words = f"these cases are for `{name}`, and the charter is `{self.charter.id}`"
            raise self.root.at("cases_for").refuse(words)
        world = self.root.take("world", mapping)
        outsiders = world.take("outsiders", _each(self.outsider), ())
        self.codes |= {one.id: one.code for one in outsiders}
        engagements = world.take("engagements", _each(self.engaged), ())
        self.items = world.take("items", _each(self.thing))
        self.people = world.take("people", _each(self.person))
        world.done()
        cases = self.root.take("cases", _each(self.case))
        self.root.done()
        return Cases(
            charter=name,
            outsiders=outsiders,
            engagements=engagements,
            items=self.items,
            people=self.people,
            cases=cases,
        )

    def outsider(self, entry: Map) -> Outsider:
        name = entry.take("id", word)
        if name in self.codes:
            raise entry.at("id").refuse(f"`{name}` is a party of the charter and no outsider")
        return Outsider(id=name, code=entry.take("code", _CODE))

    def engaged(self, entry: Map) -> Engaged:
        return Engaged(
            id=entry.take("id", word),
            party=entry.take("party", self.known),
            project=entry.take("project", self.of_charter(self.charter.project)),
            areas=entry.take("areas", list_of(self.of_charter(self.charter.area), least=1)),
            ceiling=entry.take("ceiling", list_of(_level, least=1)),
            term=entry.take("term", span),
            consents=entry.take("consents", list_of(self.known), ()),
            suspended_by=entry.take("suspended_by", list_of(self.known), ()),
        )

    def thing(self, entry: Map) -> Thing:
        name = entry.take("id", _ITEM)
        owner = name.partition("/")[0]
        if owner not in self.codes:
            raise entry.at("id").refuse(f"`{owner}` is neither a party of the charter nor an outsider given here")
        system = entry.take("system", matching(r"[A-Z]{3,4}", "whose banner it is: `USA`, `GBR`, `AUS` or `NATO`"))
        return Thing(
            id=name,
            owners=entry.take("owners", list_of(self.known, least=1), (owner,)),
            project=entry.take("project", self.of_charter(self.charter.project)),
            areas=entry.take("areas", list_of(self.of_charter(self.charter.area)), ()),
            label=entry.take("label", _banner(system)),
        )

    def person(self, entry: Map) -> Person:
        name = entry.take("id", word)
        party = entry.take("party", self.known)
        return Person(
            id=name,
            party=party,
            organisation=entry.take("organisation", _ITEM, f"{party}/{party}"),
            nationalities=tuple(sorted(entry.take("nationalities", list_of(_CODE), ()))),
            clearance=entry.take("clearance", _level, None),
            place=entry.take("place", _CODE, self.codes[party]),
        )

    def case(self, entry: Map) -> Case:
        where = entry.where
        answer = cast("Answer", entry.take("answer", choice("permit", "deny", "undetermined")))
        fails = entry.take("fails", list_of(_RULE), ())
        if (answer == "permit") != (not fails):
            words = "a permit has no failing rule, and every other answer has one"
            raise entry.at("fails").refuse(words)
        return Case(
            id=entry.take("id", word),
            where=where,
            who=entry.take("who", _one_of("person", [one.id for one in self.people])),
            what=entry.take("what", _one_of("item", [one.id for one in self.items])),
            day=entry.take("day", date),
            purpose=entry.take("purpose", word),  # may be one that the charter does not declare: that is a case too
            answer=answer,
            fails=fails,
            clauses=entry.take("clauses", list_of(self.of_charter(self.charter.clause)), ()),
            says=entry.take("says", text, ""),
        )

    def known(self, node: Node) -> str:
        return _one_of("party", self.codes)(node)

    def of_charter(self, look_up: Callable[[str], object]) -> Reader[str]:
        def reader(node: Node) -> str:
            name = scalar(node)
            try:
                look_up(name)
            except NotFound as error:
                raise node.refuse(error.message, hint=error.hint) from None
            return name

        return reader


def _each(read: Callable[[Map], T]) -> Reader[tuple[T, ...]]:
    """Entries with an `id` each, no id twice."""

    def reader(node: Node) -> tuple[T, ...]:
        listed = listing(node)
        if not 1 <= len(listed) <= CASES_MAX:
            raise node.refuse(f"this list has {len(listed)} entries; from 1 to {CASES_MAX} can stand here")
        found: list[T] = []
        seen: set[str] = set()
        for item in listed:
            entry = mapping(item)
            found.append(read(entry))
            entry.done()
            name = scalar(entry.at("id"))
            if name in seen:
                raise entry.at("id").refuse(f"`{name}` stands here a second time")
            seen.add(name)
        return tuple(found)

    return reader


def _one_of(what: str, names: Iterable[str]) -> Reader[str]:
    known = tuple(names)

    def reader(node: Node) -> str:
        name = scalar(node)
        if name not in known:
            hint = f"known: {', '.join(f'`{one}`' for one in known[:12])}"
            raise node.refuse(f"there is no {what} `{shown(name)}` here", hint=hint)
        return name

    return reader


def _level(node: Node) -> Level:
    system, _, level = scalar(node).partition(" ")
    return _placed(node, lambda: Level(system=system, level=level))


def _banner(system: str) -> Reader[Label]:
    return lambda node: _placed(node, lambda: parse(scalar(node), system=system))


def _placed(node: Node, make: Callable[[], T]) -> T:
    try:
        return make()
    except Malformed as error:
        raise node.refuse(error.message, hint=error.hint) from None
