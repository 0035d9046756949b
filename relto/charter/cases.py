"""Cases beside a charter: what it must answer, written as data by whoever reviews it.

A case says who asks for what, when and for which purpose, and what must come out: the answer and the rules that fail. Or
it asks what the charter says by itself: who decides, by when, what is covered (`charter.asking`).
The world around it (outsiders, engagements, items, people) is given once and shared. Nothing is decided here: the
release room runs them, for only it decides.

* Law is not asked: a runner takes every jurisdiction as satisfied, because packs have cases of their own.
* Every engagement of a world is proposed, consented to by `consents` and confirmed; a consent that is missing leaves
  it a proposal.
* The form is written out in spec/charter.md and at the head of every shipped text of cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar, get_args

import msgspec

from relto.charter.asking import KINDS, Asked
from relto.charter.draft import CALLS_MAX, SECTIONS
from relto.charter.model import JOINT_ACTS, Charter, OfficerAct
from relto.charter.text import (
    Date,
    Map,
    Node,
    Reader,
    Span,
    Text,
    choice,
    date,
    flag,
    from_to,
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

_HOLDER: Final = matching(r"[a-z0-9-]{1,64}(?:/[a-z0-9-]{1,64})?", "a party, or an organisation such as `gbr/acme`")
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
    background: bool = False
    registered: Date = ""  # empty: long ago


class Attested(msgspec.Struct, frozen=True, kw_only=True):
    """A party's assurance about itself or its organisation, or its half of one with another party."""

    about: str
    claim: str
    other: str = ""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What an officer of a party determined of an item under a clause of the charter."""

    item: str
    clause: str
    condition: str
    by: str
    law: str = ""
    holds: bool = True


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A class of people as their own party vouches for them. `nationalities` empty: not stated."""

    id: str
    party: str
    organisation: str
    nationalities: tuple[str, ...]
    clearance: Level | None
    place: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A release that is asked for; or, with `asked`, what the charter answers by itself (`charter.asking`)."""

    id: str
    where: str
    who: str = ""
    what: str = ""
    day: Date = ""
    purpose: str = ""
    answer: str
    fails: tuple[str, ...] = ()  # deny: the rules that are no; undetermined: those that are unknown
    clauses: tuple[str, ...] = ()  # that the answer must cite
    says: str = ""
    asked: Asked | None = None


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    charter: str
    outsiders: tuple[Outsider, ...]
    engagements: tuple[Engaged, ...]
    items: tuple[Thing, ...]
    people: tuple[Person, ...]
    cases: tuple[Case, ...]
    attested: tuple[Attested, ...] = ()
    judged: tuple[Judged, ...] = ()
    withdrawn: Mapping[str, Date] = {}  # parties whose own notice has run out, since when
    uncovered: Mapping[str, str] = {}  # clauses that no case could tell from their absence, and why

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
        attested = world.take("attested", _every(self.attestation), ())
        judged = world.take("determined", _every(self.judgement), ())
        left = world.take("withdrawn", _every(self.leaver), ())
        world.done()
        cases = self.root.take("cases", _each(self.case))
        uncovered = self.root.take("uncovered", _every(self.reason), ())
        self.root.done()
        return Cases(
            charter=name,
            outsiders=outsiders,
            engagements=engagements,
            items=self.items,
            people=self.people,
            cases=cases,
            attested=attested,
            judged=judged,
            withdrawn=dict(left),
            uncovered=dict(uncovered),
        )

    def reason(self, entry: Map) -> tuple[str, str]:
        return entry.take("clause", self.of_charter(self.charter.clause)), entry.take("why", text)

    def attestation(self, entry: Map) -> Attested:
        return Attested(
            about=entry.take("about", _HOLDER),
            claim=entry.take("claim", word),
            other=entry.take("with", self.known, ""),
        )

    def judgement(self, entry: Map) -> Judged:
        return Judged(
            item=entry.take("item", _one_of("item", [one.id for one in self.items])),
            clause=entry.take("clause", self.of_charter(self.charter.clause)),
            condition=entry.take("condition", word),
            by=entry.take("by", self.known),
            law=entry.take("law", _CODE, ""),
            holds=entry.take("holds", flag, default=True),
        )

    def leaver(self, entry: Map) -> tuple[str, str]:
        return entry.take("party", self.of_charter(self.charter.party)), entry.take("since", date)

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
        if "levels" in entry:  # written out, where nobody reads and writes banners of the system
            levels = entry.take("levels", list_of(_level, least=1))
            rel = entry.take("rel", list_of(_CODE), None)
            label = Label.of(levels) if rel is None else Label.of(levels, rel=set(rel))
        else:
            system = entry.take("system", matching(r"[A-Z]{3,4}", "whose banner it is: `USA`, `GBR`, `AUS` or `NATO`"))
            label = entry.take("label", _banner(system))
        return Thing(
            id=name,
            owners=entry.take("owners", list_of(self.known, least=1), (owner,)),
            project=entry.take("project", self.of_charter(self.charter.project)),
            areas=entry.take("areas", list_of(self.of_charter(self.charter.area)), ()),
            label=label,
            background=entry.take("background", flag, default=False),
            registered=entry.take("registered", date, ""),
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
        kind = entry.take("asks", choice("release", *KINDS), "release")
        if kind != "release":
            return self.question(entry, kind)
        where = entry.where
        answer = entry.take("answer", choice("permit", "deny", "undetermined"))
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

    def question(self, entry: Map, kind: str) -> Case:
        """What the charter answers by itself: each kind has its keys."""
        given = {key: entry.take(key, self.reader(key)) for key in _NEEDS[kind]}
        given |= {key: entry.take(key, self.reader(key)) for key in _MAY[kind] if key in entry}
        return Case(
            id=entry.take("id", word),
            where=entry.where,
            answer=entry.take("answer", text),
            fails=entry.take("fails", list_of(text), ()),
            clauses=entry.take("clauses", list_of(self.of_charter(self.charter.clause)), ()),
            says=entry.take("says", text, ""),
            asked=Asked(kind=kind, given=given),
        )

    def reader(self, key: str) -> Reader[object]:
        return {
            "act": choice(*JOINT_ACTS, *get_args(OfficerAct)),
            "day": date,
            "votes": self.votes,
            "sections": list_of(choice(*SECTIONS), least=1),
            "call": from_to(1, CALLS_MAX + 1),
            "ends": choice("project", "engagement"),
            "participants": list_of(self.known, least=1),
            "bound": word,
            "attested": list_of(word),
            "levels": list_of(text, least=1),
            "of": matching(r"[a-z_]+(?:/[a-z0-9_-]+)?", "what is asked about"),
        }.get(key, text)  # type: ignore[return-value]

    def votes(self, node: Node) -> dict[str, str]:
        entry = mapping(node)
        found = entry.take_all(self.known, choice("consent", "refuse", "veto", "silent"))
        entry.done()
        return dict(found)

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


def _every(read: Callable[[Map], T]) -> Reader[tuple[T, ...]]:
    """Groups of lines, in order."""

    def item(node: Node) -> T:
        entry = mapping(node)
        found = read(entry)
        entry.done()
        return found

    return list_of(item, least=1, most=CASES_MAX, repeats=True)


# What each kind of question is asked with, and may be.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "vote": ("act",),
    "suspend": ("project", "party", "bound"),
    "officers": ("act",),
    "adopts": ("party", "law"),
    "grade": ("party", "day"),
    "admission": ("candidate", "day"),
    "stage": ("candidate",),
    "date": ("of", "day"),
    "window": ("party", "day"),
    "clearance": ("clearance", "level"),
    "hold": ("level", "in"),
    "group": ("group", "day"),
    "freshness": ("party",),
    "carried": ("levels",),
    "project": ("project", "day"),
    "area": ("area",),
    "share": ("party", "project", "of"),
    "attribute": ("party", "attribute"),
    "layer": ("limit",),
}
_MAY: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(KINDS, ()),
    "vote": (
        "votes",
        "project",
        "pillar",
        "participants",
        "ends",
        "grade",
        "sections",
        "concerned",
        "bound",
        "day",
        "call",
    ),
    "suspend": ("proposed_by",),
    "admission": ("attested",),
    "stage": ("day",),
    "date": ("exit", "sections", "grade"),
    "freshness": ("levels",),
}


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
