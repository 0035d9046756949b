"""Does a charter fit together? What `draft` typed is judged here, entry against entry.

* `lint` finds everything at once, each with its place and the next step; `load` refuses at the first error, and is
  what a node uses.
* An error is what two parties could read differently, or what the engine could not decide. A warning is what a lawyer
  would ask about.
* Whether a term is over or a window past is not judged: a text has no day.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec

from relto.charter.draft import draft
from relto.charter.model import EVALUATED, JOINT_ACTS, Charter, Decision, Project
from relto.charter.text import List, Map, Node, Span, Text
from relto.errors import Malformed

Severity = Literal["error", "warning"]

# Of n members one may cheat. Two votes confirmed by w members each share an honest one only when 2w > n + 1
# (facts/ledger.md 6.4).
CHEATS: Final = 1


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    where: str
    severity: Severity
    message: str
    hint: str = ""


def load(source: Text) -> Charter:
    """The charter of a text that has no error. Raises `errors.Malformed` with `file:line:column`."""
    charter = draft(source)
    for one in lint(charter, source):
        if one.severity == "error":
            raise Malformed(one.message, hint=one.hint, where=one.where)
    return charter


def lint(charter: Charter, source: Text) -> tuple[Problem, ...]:
    """Everything that is wrong with a charter, or odd, in the order of the text.

    `source` is the text it was drafted from.
    """
    found = list(_Lint(charter, source).problems())
    return tuple(sorted(found, key=lambda one: _place(one.where)))


def _place(where: str) -> tuple[int, int]:
    _, line, column = where.rsplit(":", 2)
    return int(line), int(column)


class _Lint:
    def __init__(self, charter: Charter, source: Text) -> None:
        self.charter, self.root = charter, source.root
        self.parties = {one.id: one for one in charter.parties}
        self.codes = {one.code: one for one in charter.parties}
        self.projects = {one.id: one for one in charter.projects}

    def problems(self) -> Iterator[Problem]:
        yield from self.repeats()
        yield from self.confirmation()
        yield from self.pillars()
        yield from self.areas()
        for project, entry in zip(self.charter.projects, self.entries("projects"), strict=True):
            yield from self.project(project, entry)
        yield from self.purposes()
        yield from self.decisions()
        yield from self.releases()
        yield from self.freshness()
        yield from self.jurisdictions()
        yield from self.labels()
        yield from self.groups()
        yield from self.admission()
        yield from self.windows()
        yield from self.candidates()

    # --- helpers

    def entries(self, key: str, within: Map | None = None) -> list[Map]:
        found = (within or self.root).at(key)
        return [entry for entry in found if isinstance(entry, Map)] if isinstance(found, List) else []

    def known(
        self, where: Node, name: str, names: Iterable[str], what: str, *, within: str = "", hint: str = ""
    ) -> Iterator[Problem]:
        names = list(names)
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
            # A code written for an id (`AUS` for `aus`) is the commonest slip.
            near = near or [one for one in names if one.upper() == name.upper()]
            hint = (
                f"did you mean `{near[0]}`?"
                if near
                else hint or f"known: {', '.join(f'`{one}`' for one in names[:12])}"
            )
            yield error(where, f"there is no {what} `{name}`{within}", hint=hint)

    def all_known(
        self, entry: Map, key: str, given: Sequence[str], names: Iterable[str], what: str
    ) -> Iterator[Problem]:
        names = list(names)
        for node, name in zip(_items(entry.at(key)), given, strict=False):
            yield from self.known(node, name, names, what)

    # --- what stands twice

    def repeats(self) -> Iterator[Problem]:
        clauses: dict[str, Node] = {}
        for entry in _maps(self.root):
            if "clause" in entry:
                node = entry.at("clause")
                name = getattr(node, "value", "")
                if name in clauses:
                    first = f"the first one is at {clauses[name].where}"
                    yield error(node, f"clause `{name}` stands here a second time", hint=first)
                clauses.setdefault(name, node)
        for section, key in (
            ("parties", "id"),
            ("parties", "code"),
            ("pillars", "id"),
            ("areas", "id"),
            ("projects", "id"),
            ("purposes", "id"),
            ("decisions", "act"),
            ("approvals", "act"),
            ("jurisdictions", "id"),
            ("instruments", "id"),
            ("admission", "id"),
            ("candidates", "id"),
            ("candidates", "code"),
        ):
            yield from _twice(self.entries(section), key)
        withdrawal = self.root.at("withdrawal")
        if isinstance(withdrawal, Map):
            yield from _twice(self.entries("duties", withdrawal), "id")

    # --- section by section

    def confirmation(self) -> Iterator[Problem]:
        n, w = len(self.charter.members), self.charter.confirm
        where = self.root.at("confirm")
        if n < 2:
            yield error(self.root.at("parties"), "a partnership has at least two members")
        elif w > n:
            yield error(where, f"{w} ledgers cannot acknowledge a vote: there are {n} members", hint=f"at most {n}")
        elif 2 * w <= n + CHEATS:
            least = (n + CHEATS) // 2 + 1
            words = f"with {w} of {n} members two contrary votes could both be confirmed by one member that cheats"
            yield error(where, words, hint=f"at least {least}: 2w > n + {CHEATS}")

    def pillars(self) -> Iterator[Problem]:
        for pillar, entry in zip(self.charter.pillars, self.entries("pillars"), strict=True):
            yield from self.all_known(entry, "members", pillar.members, self.parties, "party")
            if pillar.access == "closed" and not pillar.members:
                words = f"the closed pillar `{pillar.id}` names no members: nobody could receive anything of it"
                yield error(entry, words, hint="add `members: [...]`")

    def areas(self) -> Iterator[Problem]:
        pillars = [one.id for one in self.charter.pillars]
        for area, entry in zip(self.charter.areas, self.entries("areas"), strict=True):
            yield from self.known(entry.at("pillar"), area.pillar, pillars, "pillar")

    def project(self, project: Project, entry: Map) -> Iterator[Problem]:
        pillars = {one.id: one for one in self.charter.pillars}
        areas = {one.id: one for one in self.charter.areas}
        yield from self.known(entry.at("pillar"), project.pillar, pillars, "pillar")
        yield from self.all_known(entry, "areas", project.areas, areas, "area")
        yield from self.all_known(entry, "participants", project.participants, self.parties, "party")
        for node, name in zip(_items(entry.at("areas")), project.areas, strict=False):
            if name in areas and areas[name].pillar != project.pillar:
                yield error(node, f"area `{name}` belongs to `{areas[name].pillar}`, not to `{project.pillar}`")
        if not project.participants:
            words = f"nobody takes part in `{project.id}`, so nobody could receive anything of it"
            yield error(entry.at("participants"), words, hint="name the parties that take part")
        pillar = pillars.get(project.pillar)
        for node, name in zip(_items(entry.at("participants")), project.participants, strict=False):
            party = self.parties.get(name)
            if pillar is not None and pillar.access == "closed" and pillar.members and name not in pillar.members:
                yield error(node, f"`{name}` takes part, and the closed pillar `{pillar.id}` does not name it")
            if party is not None and project.term.last is not None and party.since > project.term.last:
                words = f"`{project.id}` ends on {project.term.last}, before `{name}` is a party ({party.since})"
                yield error(node, words)
        if project.lead and project.lead not in project.participants:
            yield error(entry.at("lead"), f"`{project.lead}` leads and does not take part")
        if not any(purpose.fits(project.id) for purpose in self.charter.purposes):
            yield error(entry, f"no purpose allows `{project.id}`, so every request in it would be refused")

    def purposes(self) -> Iterator[Problem]:
        for purpose, entry in zip(self.charter.purposes, self.entries("purposes"), strict=True):
            yield from self.all_known(entry, "projects", purpose.projects, self.projects, "project")

    def decisions(self) -> Iterator[Problem]:
        for decision, entry in zip(self.charter.decisions, self.entries("decisions"), strict=True):
            yield from self.decision(decision, entry)
        stated = {one.act for one in self.charter.decisions}
        for act in JOINT_ACTS:
            if act not in stated:
                words = f"nothing says how `{act}` is decided"
                yield error(self.root.at("decisions"), words, hint=f"add an entry `act: {act}`")

    def decision(self, decision: Decision, entry: Map) -> Iterator[Problem]:
        act, rule, voters = decision.act, decision.rule, decision.voters
        if rule not in EVALUATED:
            known = ", ".join(f"`{one}`" for one in EVALUATED)
            words = f"rule `{rule}` has no evaluator in engine {self.charter.engine}"
            yield error(entry.at("rule"), words, hint=f"this engine decides by {known}")
        elif (rule == "owner") != (voters == "owners"):
            yield error(entry.at("voters"), f"rule `{rule}` does not go with voters `{voters}`")
        if act == "expel" and voters == "members":
            words = "the party to be expelled would vote on itself, and its silence would keep it"
            yield error(entry.at("voters"), words, hint="`other_members`")
        if act != "expel" and voters == "other_members":
            yield error(entry.at("voters"), f"`{act}` has no party that is left out of the vote", hint="`members`")
        if act in {"charter", "admit", "expel", "project"} and voters in {"participants", "owners"}:
            yield error(entry.at("voters"), f"`{act}` is no project's or owner's own affair", hint="`members`")
        if rule == "k_of_n" and 2 * decision.k <= len(self.charter.members):
            yield error(
                entry.at("k"),
                f"{decision.k} of {len(self.charter.members)} is no majority: two contrary votes could both pass",
            )
        if act in {"engage", "renew", "admit"} and not decision.bound_consents:
            yield error(entry.at("party_to_be_bound"), f"`{act}` binds a party that did not consent", hint="`consents`")

    def releases(self) -> Iterator[Problem]:
        entry = self.root.at("releases")
        if isinstance(entry, Map) and self.charter.releases.approval:
            yield error(
                entry.at("approval"),
                f"approval each time has no evaluator in engine {self.charter.engine}",
                hint="`none`",
            )

    def freshness(self) -> Iterator[Problem]:
        entries = self.entries("freshness")
        for one, entry in zip(self.charter.freshness, entries, strict=True):
            yield from self.all_known(entry, "ledgers", one.parties, self.parties, "party")
            for node, level in zip(_items(entry.at("levels")), one.levels, strict=False):
                yield from self.level(node, level.system, level.level)
        if not any(not one.parties and not one.levels for one in self.charter.freshness):
            words = "no limit holds for every ledger and every label: a view of any age would do"
            yield error(self.root.at("freshness"), words, hint="add `{ledgers: all, limit: 7 days, …}`")

    def jurisdictions(self) -> Iterator[Problem]:
        for one, entry in zip(self.charter.jurisdictions, self.entries("jurisdictions"), strict=True):
            hint = "the state itself, or the member that adopts its law"
            yield from self.known(entry.at("adopter"), one.adopter, self.parties, "party", hint=hint)
        adopters = {one.adopter for one in self.charter.jurisdictions}
        for party, entry in zip(self.charter.parties, self.entries("parties"), strict=True):
            if party.grade == "member" and party.id not in adopters:
                yield warning(entry, f"no jurisdiction is named whose law `{party.id}` adopts")

    def level(self, where: Node, system: str, level: str) -> Iterator[Problem]:
        systems = self.charter.equivalence.by_name
        if system not in systems:
            yield from self.known(where, system, systems, "classification system")
        else:
            yield from self.known(where, level, systems[system].levels, "level", within=f" in `{system}`")

    def labels(self) -> Iterator[Problem]:
        labels = self.root.at("labels")
        if not isinstance(labels, Map):
            return
        equivalence = self.charter.equivalence
        for system, entry in zip(equivalence.systems, self.entries("systems", labels), strict=True):
            if system.classified_from:
                yield from self.level(entry.at("classified_from"), system.name, system.classified_from)
            else:
                words = f"nothing says from which level `{system.name}` is classified: everything needs a clearance"
                yield warning(entry, words)
            for node, legacy in zip(_items(entry.at("legacy")), system.legacy, strict=False):
                if legacy in system.levels:
                    yield error(node, f"`{legacy}` stands among today's levels of `{system.name}` too")
            for low, high in _cycles(system.ladders):
                yield error(entry, f"`{low}` lies below and above `{high}` on the ladders of `{system.name}`")
        for hold, entry in zip(equivalence.holds, self.entries("holds", labels), strict=True):
            yield from self.level(entry.at("level"), hold.level.system, hold.level.level)
            if hold.hold_as:
                yield from self.level(entry.at("as"), hold.system, hold.hold_as)
            else:
                yield from self.known(entry.at("in"), hold.system, equivalence.by_name, "classification system")
        for clearance, entry in zip(equivalence.clearances, self.entries("clearances", labels), strict=True):
            yield from self.level(entry.at("covers"), clearance.system, clearance.covers)
            named = equivalence.by_name.get(clearance.system)
            if named is not None and clearance.name in named.levels and clearance.name != clearance.covers:
                yield error(
                    entry.at("name"), f"clearance `{clearance.name}` has the name of another level than it covers"
                )
        yield from self.falling(labels)

    def falling(self, labels: Map) -> Iterator[Problem]:
        """Of two comparable levels the higher may not be held lower: that would be guessing down."""
        equivalence = self.charter.equivalence
        systems = equivalence.by_name
        for one, entry in zip(equivalence.holds, self.entries("holds", labels), strict=True):
            for other in equivalence.holds:
                same = one.system == other.system and one.level.system == other.level.system
                if not (
                    same and one.hold_as and other.hold_as and one.system in systems and one.level.system in systems
                ):
                    continue
                below = systems[one.level.system].at_most(other.level.level, one.level.level)
                if below == "yes" and systems[one.system].at_most(other.hold_as, one.hold_as) == "no":
                    words = f"`{one.level}` is held as `{one.hold_as}`, below what `{other.level}` is held as"
                    yield error(entry.at("as"), words)

    def groups(self) -> Iterator[Problem]:
        groups = self.charter.groups
        entries = self.entries("groups")
        for later, entry in enumerate(entries):
            for earlier in range(later):
                a, b = groups[earlier], groups[later]
                spans = [Span(first=one.first or None, last=one.last or None) for one in (a, b)]
                if a.id == b.id and spans[0].overlaps(spans[1]):
                    first = f"the other entry is at {entries[earlier].where}"
                    yield error(entry.at("valid"), f"`{b.id}` has two lists of members for the same days", hint=first)

    def admission(self) -> Iterator[Problem]:
        for one, entry in zip(self.charter.instruments, self.entries("instruments"), strict=True):
            if one.term.first is not None and one.term.first < one.signed:
                yield error(entry.at("term"), f"in force from {one.term.first}, before it was signed ({one.signed})")
            elif one.term.last is not None and one.term.last < one.signed:
                yield error(entry.at("term"), f"over on {one.term.last}, before it was signed ({one.signed})")
        kinds = {one.kind for one in self.charter.instruments}
        for criterion, entry in zip(self.charter.admission, self.entries("admission"), strict=True):
            if criterion.kind == "all_pairs" and criterion.instrument not in kinds:
                words = f"no instrument of kind `{criterion.instrument}` is listed: every candidate lacks all of them"
                yield warning(entry.at("instrument"), words)

    def windows(self) -> Iterator[Problem]:
        for one, entry in zip(self.charter.windows, self.entries("windows"), strict=True):
            yield from self.known(entry.at("party"), one.party, self.parties, "party")

    def candidates(self) -> Iterator[Problem]:
        for one, entry in zip(self.charter.candidates, self.entries("candidates"), strict=True):
            if one.id in self.parties:
                yield error(
                    entry.at("id"), f"`{one.id}` is a party and its own candidate", hint="delete one of the two"
                )
            elif one.code in self.codes:
                owner = self.codes[one.code].id
                yield error(entry.at("code"), f"`{one.code}` is the code of the party `{owner}`")
            nodes = [node for node in _items(entry.at("evidence")) if isinstance(node, Map)]
            for (before, after), node in zip(pairwise(one.evidence), nodes[1:], strict=True):
                # A less exact date stands before the days within it.
                if after.date < before.date:
                    words = f"{after.date} stands after {before.date}"
                    yield error(node.at("date"), words, hint="evidence stands in the order of its dates")


def error(where: Node, message: str, *, hint: str = "") -> Problem:
    return Problem(where=where.where, severity="error", message=message, hint=hint)


def warning(where: Node, message: str, *, hint: str = "") -> Problem:
    return Problem(where=where.where, severity="warning", message=message, hint=hint)


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, List) else ()


def _maps(node: Node) -> Iterator[Map]:
    if isinstance(node, Map):
        yield node
        for key in node.keys:
            yield from _maps(node.at(key))
    else:
        for item in _items(node):
            yield from _maps(item)


def _twice(entries: Sequence[Map], key: str) -> Iterator[Problem]:
    seen: dict[str, Node] = {}
    for entry in entries:
        node = entry.at(key)
        name = getattr(node, "value", "")
        if name in seen:
            yield error(
                node, f"{key} `{name}` stands here a second time", hint=f"the first one is at {seen[name].where}"
            )
        seen.setdefault(name, node)


def _cycles(ladders: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Pairs of levels that the ladders put both ways round."""
    above: dict[str, set[str]] = {}
    for ladder in ladders:
        for place, level in enumerate(ladder):
            above.setdefault(level, set()).update(ladder[place + 1 :])
    for level, highs in sorted(above.items()):
        for high in sorted(highs):
            if level < high and level in _reach(above, high):
                yield level, high


def _reach(above: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for level in above.get(ahead.pop(), set()) - found:
            found.add(level)
            ahead.append(level)
    return found
