"""Does a charter fit together? What `draft` typed is judged here, entry against entry.

* `lint` finds everything at once, each with its place and the next step; `load` refuses at the first error, and is
  what a node uses.
* An error is what two parties could read differently, or what the engine could not decide. A warning is what a lawyer
  would ask about.
* A text has no day: whether a term is over or a window past is told, as a warning, only to who names one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec

from relto.charter.draft import draft, faults
from relto.charter.model import EVALUATED, GRADES, JOINT_ACTS, Charter, Decision, Limit, Party, Project, Test
from relto.charter.rules import Matter, poll, rank
from relto.charter.rules import faults as rule_faults
from relto.charter.text import Date, List, Map, Node, Span, Text
from relto.errors import Malformed, NotFound

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


def check(source: Text, day: Date | None = None) -> tuple[Problem, ...]:
    """Everything that is wrong with a text, or odd, in the order of the text: first whatever is not understood."""
    unread = [Problem(where=one.where, severity="error", message=one.message, hint=one.hint) for one in faults(source)]
    if unread:
        return tuple(sorted(unread, key=lambda one: _place(one.where)))
    return lint(draft(source), source, day)


def lint(charter: Charter, source: Text, day: Date | None = None) -> tuple[Problem, ...]:
    """Everything that is wrong with a charter, or odd, in the order of the text.

    `source` is the text it was drafted from. With a day, what is over by then is a warning.
    """
    found = list(_Lint(charter, source).problems())
    if day is not None:
        found += _over(charter, source.root, day)
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
        yield from self.carried_keys()
        yield from self.jurisdictions()
        yield from self.labels()
        yield from self.groups()
        yield from self.admission()
        yield from self.windows()
        yield from self.candidates()
        if self.charter.engine > 1:
            yield from self.grades()
            yield from self.standing_of_parties()
            yield from self.parts()
            yield from self.polls()
            yield from self.suspended_votes()
            yield from self.layers()
            yield from self.limits()
            yield from self.background()
            yield from self.exits()

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
            *((("decisions", "act"),) if self.charter.engine == 1 else ()),
            ("approvals", "act"),
            ("jurisdictions", "id"),
            ("instruments", "id"),
            ("admission", "id"),
            ("candidates", "id"),
            ("candidates", "code"),
            ("grades", "id"),
            ("attributes", "id"),
            ("layers", "id"),
            ("limits", "id"),
            ("background", "item"),
            ("exits", "kind"),
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
            yield error(
                self.root.at("parties"), "a partnership has at least two members", hint="members vote on everything"
            )
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
        stated = {one.act for one in self.charter.decisions if one.general}
        for act in JOINT_ACTS:
            if act not in stated:
                some = any(one.act == act for one in self.charter.decisions)
                words = f"nothing says how {'every other ' if some else ''}`{act}` is decided"
                yield error(self.root.at("decisions"), words, hint=f"add an entry `act: {act}`")

    def decision(self, decision: Decision, entry: Map) -> Iterator[Problem]:
        act, rule, voters = decision.act, decision.rule, decision.voters
        if rule not in EVALUATED[self.charter.engine]:
            known = ", ".join(f"`{one}`" for one in EVALUATED[self.charter.engine])
            words = f"rule `{rule}` has no evaluator in engine {self.charter.engine}"
            yield error(entry.at("rule"), words, hint=f"this engine decides by {known}")
        elif (rule == "owner") != (voters == "owners"):
            yield error(entry.at("voters"), f"rule `{rule}` does not go with voters `{voters}`")
        if act == "expel" and voters == "members":
            words = "the party to be expelled would vote on itself, and its silence would keep it"
            yield error(entry.at("voters"), words, hint="`other_members`")
        on_votes = act == "charter" and decision.sections == ("suspended_votes",)  # whoever loses its vote has no say
        if act != "expel" and voters == "other_members" and not on_votes:
            yield error(entry.at("voters"), f"`{act}` has no party that is left out of the vote", hint="`members`")
        own = {"charter", "admit", "expel", *(() if self.charter.engine > 1 else ("project",))}
        if act in own and voters in {"participants", "owners"}:
            yield error(entry.at("voters"), f"`{act}` is no project's or owner's own affair", hint="`members`")
        if act == "project" and voters == "owners":
            yield error(entry.at("voters"), "`project` is nobody's own affair", hint="`members` or `participants`")
        if self.charter.engine == 1 and rule == "k_of_n" and 2 * decision.k <= len(self.charter.members):
            yield error(
                entry.at("k"),
                f"{decision.k} of {len(self.charter.members)} is no majority: two contrary votes could both pass",
            )
        if act in {"engage", "renew", "admit"} and not decision.bound_consents:
            yield error(entry.at("party_to_be_bound"), f"`{act}` binds a party that did not consent", hint="`consents`")

    def releases(self) -> Iterator[Problem]:
        entry = self.root.at("releases")
        if isinstance(entry, Map) and self.charter.releases.approval and self.charter.engine == 1:
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

    def carried_keys(self) -> Iterator[Problem]:
        for one, entry in zip(self.charter.carried_keys, self.entries("carried_keys"), strict=True):
            for node, level in zip(_items(entry.at("levels")), one.levels, strict=False):
                yield from self.level(node, level.system, level.level)

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

    # --- what engine 2 adds

    def grades(self) -> Iterator[Problem]:
        declared = {one.id: one for one in self.charter.grades or ()}
        for one, entry in zip(self.charter.grades or (), self.entries("grades"), strict=True):
            if one.votes != "none" and not one.signs:
                words = f"`{one.id}` votes, and does not consent to the charter by which it votes"
                yield error(entry.at("signs"), words, hint="`signs: true`")
            if not any(party.grade == one.id for party in self.charter.parties):
                yield warning(entry.at("id"), f"no party is of grade `{one.id}`")
        names = list(declared) or list(GRADES)
        for party, entry in zip(self.charter.parties, self.entries("parties"), strict=True):
            yield from self.known(entry.at("grade"), party.grade, names, "grade")
            for node, former in zip(_items(entry.at("formerly")), party.formerly, strict=True):
                if isinstance(node, Map):
                    yield from self.known(node.at("grade"), former.grade, names, "grade")

    def standing_of_parties(self) -> Iterator[Problem]:
        attributes = [one.id for one in self.charter.attributes]
        for party, entry in zip(self.charter.parties, self.entries("parties"), strict=True):
            yield from self.all_known(entry, "attributes", party.attributes, attributes, "attribute")
            if party.until is not None and party.until < party.since:
                yield error(entry.at("until"), f"`{party.id}` leaves on {party.until}, before it comes ({party.since})")
            yield from self.left(party, entry)
            for node, former in zip(_items(entry.at("formerly")), party.formerly, strict=True):
                if former.term.overlaps(Span(first=party.since, last=party.until)):
                    words = f"`{party.id}` has two grades on the same days"
                    yield error(node, words, hint=f"it is `{party.grade}` since {party.since}")
        for one, entry in zip(self.charter.attributes, self.entries("attributes"), strict=True):
            if not any(one.id in party.attributes for party in self.charter.parties):
                yield warning(entry.at("id"), f"no party bears `{one.id}`")

    def left(self, party: Party, entry: Map) -> Iterator[Problem]:
        if not party.left_by:
            return
        if party.until is None:
            words = f"`{party.id}` has left, and it is not said on which day"
            yield error(entry.at("left_by"), words, hint="add `until: …`, its last day")
        if party.left_by != "own_wish" and not any(one.kind == party.left_by for one in self.charter.exits):
            words = f"nothing says what a party keeps and owes that leaves by `{party.left_by}`"
            yield error(entry.at("left_by"), words, hint=f"add an entry `kind: {party.left_by}` under `exits`")

    def parts(self) -> Iterator[Problem]:
        """Projects within projects, shares in them, and projects that nobody reaches."""
        above = {one.id: one.within for one in self.charter.projects if one.within}
        for project, entry in zip(self.charter.projects, self.entries("projects"), strict=True):
            for node, share in zip(_items(entry.at("shares")), project.shares, strict=True):
                if share.party not in project.participants:
                    yield error(node, f"`{share.party}` has a share in `{project.id}` and does not take part")
            kinds = [(one.party, one.of) for one in project.shares]
            for node, kind in list(zip(_items(entry.at("shares")), kinds, strict=True)):
                if kinds.count(kind) > 1:
                    yield error(node, f"two shares of `{kind[0]}` in {kind[1]}", hint="one party, one share")
                    break
            reach = [one for one in project.participants if one in self.charter.insiders]
            if project.participants and not reach:
                words = f"nobody who takes part in `{project.id}` could receive anything of it without an engagement"
                yield warning(entry.at("participants"), words, hint="`receives: own_projects` at the grade")
            if project.access_lasts is not None and project.term.last is None:
                words = f"`{project.id}` has no last day after which access could last"
                yield error(entry.at("access_lasts"), words, hint="`term: 2025-01-01..2027-12-31`")
            if not project.within:
                continue
            yield from self.known(entry.at("within"), project.within, self.projects, "project")
            if project.id in _climb(above, project.id):
                yield error(
                    entry.at("within"),
                    f"`{project.id}` lies within itself",
                    hint=" within ".join(f"`{one}`" for one in (project.id, *_climb(above, project.id))),
                )
            elif project.within in self.projects:
                yield from self.part_of(project, self.projects[project.within], entry)

    def part_of(self, project: Project, whole: Project, entry: Map) -> Iterator[Problem]:
        if project.pillar != whole.pillar:
            yield error(entry.at("within"), f"`{whole.id}` is of pillar `{whole.pillar}`, and `{project.id}` is not")
        for node, name in zip(_items(entry.at("participants")), project.participants, strict=False):
            if name not in whole.participants:
                yield error(
                    node, f"`{name}` takes part in `{project.id}`, and not in `{whole.id}`, which it lies within"
                )
        if project.term != Span() and whole.term != Span() and not project.term.overlaps(whole.term):
            words = f"`{project.id}` never runs while `{whole.id}` does, so it never runs"
            yield error(entry.at("term"), words, hint=f"`{whole.id}`: {whole.term}")

    def polls(self) -> Iterator[Problem]:
        """Rules asked with the voters they would have: who has none, what can never be met, what two could carry."""
        entries = list(zip(self.charter.decisions, self.entries("decisions"), strict=True))
        for at, (decision, entry) in enumerate(entries):
            yield from self.reach(decision, entry)
            for earlier, _ in entries[:at]:
                if earlier.act == decision.act and rank(earlier) == rank(decision) and _overlap(earlier, decision):
                    words = f"another entry `act: {decision.act}` is about the same matters"
                    yield error(entry, words, hint=f"clause `{earlier.clause}`: one rule for one matter")
                    break
            yield from self.saved(decision, entry)
            yield from self.calls(decision, entry)
            known = {one.clause for one in self.charter.decisions}
            for matter, where in self.matters(decision) if set(decision.save_for) <= known else ():
                for words in rule_faults(poll(self.charter, matter)):
                    yield error(entry.at("rule"), f"{words}{where}", hint="; ".join(self.hint(decision, matter)))
            if decision.rule == "all_affected" and decision.voters != "participants":
                words = "whom a matter affects is known of projects: those who take part in them"
                yield error(entry.at("voters"), words, hint="`participants`, or `rule: unanimity`")
            if decision.veto is not None and decision.rule in {"unanimity", "all_affected"}:
                yield warning(entry.at("veto"), "where every voter must consent, a veto adds nothing to a refusal")

    def calls(self, decision: Decision, entry: Map) -> Iterator[Problem]:
        """A later call asks for less than the one before, or it would be no easier to meet."""
        before = decision.quorum
        for node, call in zip(_items(entry.at("later_calls")), decision.later_calls, strict=True):
            if isinstance(node, Map) and call.quorum is not None and before is not None:
                lower = call.quorum.part * before.whole <= before.part * call.quorum.whole
                if not lower:
                    words = f"this call asks for {call.quorum}, more than the {before} of the one before"
                    yield error(node.at("quorum"), words, hint="a later call has a lower quorum, or none")
            elif isinstance(node, Map) and before is None:
                yield error(node, "the call before has no quorum that could be missed", hint="delete this one")
            before = call.quorum

    def saved(self, decision: Decision, entry: Map) -> Iterator[Problem]:
        """The general rule is save for the narrower ones, each by name: struck out, they would widen it."""
        if not decision.general:
            if decision.save_for:
                yield error(entry.at("save_for"), "only the general rule for an act is save for others")
            return
        narrower = [one.clause for one in self.charter.decisions if one.act == decision.act and not one.general]
        yield from self.all_known(entry, "save_for", decision.save_for, narrower, "narrower rule")
        lacking = [one for one in narrower if one not in decision.save_for]
        if lacking:
            words = f"clause `{lacking[0]}` is about some of the same matters, and this rule is not save for it"
            hint = f"`save_for: [{', '.join(narrower)}]`"
            yield error(entry, words, hint=hint)

    def reach(self, decision: Decision, entry: Map) -> Iterator[Problem]:
        pillars, grades = [one.id for one in self.charter.pillars], [one.id for one in self.charter.grades or ()]
        yield from self.all_known(entry, "pillars", decision.pillars, pillars, "pillar")
        yield from self.all_known(entry, "projects", decision.projects, self.projects, "project")
        yield from self.all_known(entry, "grades", decision.grades, grades, "grade")
        for node, one in zip(_items(entry.at("assent")), decision.assent, strict=True):
            if isinstance(node, Map):
                yield from self.known(node.at("party"), one.party, self.parties, "party")
            if one.party in self.parties and one.party not in self.charter.signatories:
                words = f"`{one.party}` is asked and does not consent to the charter: a power that nobody holds"
                yield error(node, words, hint="`signs: true` at its grade")

    def matters(self, decision: Decision) -> Iterator[tuple[Matter, str]]:
        """Matters for which this entry is the rule, one for each set of voters that it can have."""
        act, bound = decision.act, ()
        if act in {"charter", "admit", "expel"}:
            out = self.charter.members[:1] if act == "expel" or decision.voters == "other_members" else ()
            sections = frozenset(decision.sections[:1])
            grade = decision.grades[0] if decision.grades else ""
            yield Matter(act=act, concerned=out, sections=sections, grade=grade, bound=bound), ""
            return
        for project in self.charter.projects:
            ends = decision.ends or ("engagement" if act == "end" else "")
            matter = Matter(
                act=act, project=project.id, pillar=project.pillar, participants=project.participants, ends=ends,
                concerned=self.charter.members[:1], bound=bound,
            )  # fmt: skip
            about = (decision.projects and project.id not in decision.projects) or (
                decision.pillars and project.pillar not in decision.pillars
            )
            if not about and self.rules(matter) is decision:
                yield matter, f" in `{project.id}`" if decision.voters == "participants" else ""

    def rules(self, matter: Matter) -> Decision | None:
        try:
            return poll(self.charter, matter).rule
        except NotFound:  # save for a clause that is not there, which is said of it
            return None

    def hint(self, decision: Decision, matter: Matter) -> Iterator[str]:
        asked = poll(self.charter, matter)
        yield f"asked are {', '.join(f'`{one}`' for one in asked.everyone) or 'none'}"
        if decision.rule in {"weighted", "double_majority"}:
            yield f"with {sum(asked.weights.values())} votes or parts in all"

    def suspended_votes(self) -> Iterator[Problem]:
        for one, entry in zip(self.charter.suspended_votes, self.entries("suspended_votes"), strict=True):
            yield from self.known(entry.at("party"), one.party, self.parties, "party")
            yield from self.all_known(entry, "projects", one.projects, self.projects, "project")
            if one.party in self.parties and one.party not in self.charter.project_voters:
                yield error(entry.at("party"), f"`{one.party}` has no vote that could be suspended")

    def layers(self) -> Iterator[Problem]:
        above = {one.id: one.under for one in self.charter.layers if one.under}
        names = [one.id for one in self.charter.layers]
        for one, entry in zip(self.charter.layers, self.entries("layers"), strict=True):
            if one.under:
                yield from self.known(entry.at("under"), one.under, names, "layer")
            if one.id in _climb(above, one.id):
                yield error(entry.at("under"), f"`{one.id}` stands under itself")
            if not any(limit.layer == one.id for limit in self.charter.limits):
                yield warning(entry.at("id"), f"layer `{one.id}` sets no limit, so it says nothing")

    def limits(self) -> Iterator[Problem]:
        known: Mapping[str, tuple[Iterable[str], str]] = {
            "parties": (self.parties, "party"),
            "owners": (self.parties, "party"),
            "grades": ([one.id for one in self.charter.grades or ()], "grade"),
            "pillars": ([one.id for one in self.charter.pillars], "pillar"),
            "projects": (self.projects, "project"),
            "purposes": ([one.id for one in self.charter.purposes], "purpose"),
        }
        releases = self.root.at("releases")
        named = self.charter.releases.limits
        if isinstance(releases, Map):
            yield from self.all_known(releases, "limits", named, [one.id for one in self.charter.limits], "limit")
        for limit, entry in zip(self.charter.limits, self.entries("limits"), strict=True):
            if limit.id not in named:
                words = f"`releases` does not name `{limit.id}`, so no release would have to meet it"
                yield error(entry.at("id"), words, hint=f"`limits: [{', '.join((*named, limit.id))}]` under `releases`")
            if limit.layer:
                yield from self.known(entry.at("layer"), limit.layer, [o.id for o in self.charter.layers], "layer")
            for key, (names, what) in known.items():
                yield from self.all_known(entry, key, getattr(limit, key), names, what)
            yield from self.contradiction(limit, entry)
            for node, test in zip(_items(entry.at("needs")), limit.needs, strict=True):
                yield from self.test(node, test)

    def contradiction(self, limit: Limit, entry: Map) -> Iterator[Problem]:
        """A limit that is about nothing."""
        members = set(self.charter.members)
        if limit.to == "outsiders" and limit.parties and set(limit.parties) <= members:
            yield error(entry.at("to"), f"`{limit.id}` is about outsiders, and names members only")
        if limit.to == "members" and limit.parties and not set(limit.parties) & members:
            yield error(entry.at("to"), f"`{limit.id}` is about members, and names none")
        pillars = {self.projects[one].pillar for one in limit.projects if one in self.projects}
        if limit.projects and limit.pillars and not pillars & set(limit.pillars):
            yield error(entry.at("pillars"), f"none of the projects of `{limit.id}` is of these pillars")

    def test(self, node: Node, test: Test) -> Iterator[Problem]:
        if not isinstance(node, Map):
            return
        for inner, one in zip(_items(node.at("any")), test.any, strict=True):
            yield from self.test(inner, one)
        if test.attribute:
            yield from self.known(
                node.at("attribute"), test.attribute, [one.id for one in self.charter.attributes], "attribute"
            )
        if test.by:
            laws = [one.id for one in self.charter.jurisdictions]
            yield from self.known(node.at("by"), test.by, laws, "jurisdiction")
        if test.instrument and test.instrument not in {one.kind for one in self.charter.instruments}:
            words = f"no instrument of kind `{test.instrument}` is listed: nobody could meet this"
            yield warning(node.at("instrument"), words)

    def background(self) -> Iterator[Problem]:
        purposes = [one.id for one in self.charter.purposes]
        for one, entry in zip(self.charter.background or (), self.entries("background"), strict=True):
            yield from self.known(entry.at("item"), one.item.partition("/")[0], self.parties, "party")
            yield from self.all_known(entry, "except_for", one.except_for, purposes, "purpose")

    def exits(self) -> Iterator[Problem]:
        for one, entry in zip(self.charter.exits, self.entries("exits"), strict=True):
            yield from _twice(self.entries("keeps", entry), "id")
            yield from _twice(self.entries("owes", entry), "id")
            if one.kind in {"default", "excluded"} and not one.decided_by:
                words = f"nobody decides that a party leaves by `{one.kind}`: a power that nobody holds"
                yield error(entry.at("kind"), words, hint="`decided_by: expel`")
            for inner, duty in zip(self.entries("keeps", entry), one.keeps, strict=True):
                where = inner.at("access")
                if duty.access is not None and isinstance(where, Map):
                    yield from self.all_known(where, "projects", duty.access.projects, self.projects, "project")
                    purposes = [each.id for each in self.charter.purposes]
                    yield from self.all_known(where, "purposes", duty.access.purposes, purposes, "purpose")
            if one.kind == "own_wish" and one.notice is not None:
                other = self.charter.withdrawal
                if (one.notice, one.year_ends) != (other.notice, other.year_ends):
                    words = f"leaving at one's own wish takes {one.notice} here and {other.notice} under `withdrawal`"
                    yield error(entry.at("notice"), words, hint="one of the two")


def _climb(above: Mapping[str, str], start: str) -> list[str]:
    """What lies above, step by step, until it ends or comes round."""
    found: list[str] = []
    one = above.get(start, "")
    while one and one not in found:
        found.append(one)
        one = above.get(one, "")
    return found


def _overlap(one: Decision, other: Decision) -> bool:
    """Whether there are matters that both entries are about."""
    for key in ("pillars", "projects", "grades"):
        mine, theirs = set(getattr(one, key)), set(getattr(other, key))
        if mine and theirs and not mine & theirs:
            return False
    if one.sections and other.sections and not set(one.sections) & set(other.sections):
        return False
    return one.ends == other.ends


def _over(charter: Charter, root: Map, day: Date) -> Iterator[Problem]:
    """What is over on a day: instruments, projects, parties, windows, and limits that no release can meet any more."""
    ended: list[tuple[str, Sequence[tuple[str, Date | None]], str]] = [
        ("instruments", [(one.id, one.term.last) for one in charter.instruments], "is over since"),
        ("projects", [(one.id, one.term.last) for one in charter.projects], "is over since"),
        (
            "parties",
            [(one.id, "" if one.left_by else one.until) for one in charter.parties],
            "is a party no more since",
        ),
    ]
    for section, last_days, words in ended:
        for (name, last), entry in zip(last_days, _groups(root.at(section)), strict=True):
            if last and last < day:
                yield warning(entry.at("until" if section == "parties" else "term"), f"`{name}` {words} {last}")
    for one, entry in zip(charter.windows, _groups(root.at("windows")), strict=True):
        if one.date < day:
            where = entry.at("no_later_than" if one.latest else "date")
            yield warning(where, f"the {one.what} of `{one.party}` was on {one.date}", hint="name the next one")
    for limit, entry in zip(charter.limits, _groups(root.at("limits")), strict=True):
        for test in limit.needs:
            if test.until and test.until < day:
                yield warning(entry.at("needs"), f"nothing meets `{limit.id}` since {test.until}")


def _groups(node: Node) -> list[Map]:
    return [one for one in _items(node) if isinstance(one, Map)]


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
