"""The policy of a register on a day, written in Cedar: policies, schema and complete entities.

Whoever runs a Cedar engine can decide the same questions: one `permit`, and a `forbid` for each conjunct, whose `@id`
is the conjunct's. Cedar knows true and false; a conjunct here has three values and only *yes* permits, so each test of a
law is written twice, as what makes it yes and as what makes it no, and what is neither forbids.

* For the day of the export: terms, versions of texts and clearances are resolved by it. Whoever asks gives the purpose,
  the method and the place.
* Entities are complete: a fact that nobody states is an absent attribute where the schema has `?`, and rules ask for it.
* Not written: charters that ask for an approval of each request, limits of a charter that a request meets or not,
  disputed keys, items under orders by parts, values handed in with a question. Where one of these would decide, the
  export is refused.

Source: spec/decision.md, "Cedar"; the Cedar policy language, version 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from relto.acts import ItemState, RecipientClass, Register
from relto.charter.text import Money
from relto.errors import Malformed, NotFound, Refused
from relto.label import Level, must_hold
from relto.law import Says, outline
from relto.law.condition import AllOf, AnyOf, ClearOf, Not, OfAct, OfFact, Owes, Test, _tokens
from relto.release.facts import Case, Someone, Thing, charter_of, gone_from, law_reads, text_on
from relto.release.question import Question, date_of
from relto.release.rules import freshness_limit, work_of
from relto.release.search import Declared, place_of, usual_purpose
from relto.release.world import world_of

ACTION = 'Action::"receive"'
YES, NO = "true", "false"


class Cedar(NamedTuple):
    """Texts as a Cedar engine reads them: policies and schema in Cedar's own language, entities as JSON."""

    policies: str
    schema: str
    entities: str


class Ask(NamedTuple):
    """One request to a Cedar engine."""

    principal: str
    action: str
    resource: str
    context: dict[str, str]


def export(register: Register, items: Sequence[ItemState], people: Sequence[Declared], day: int) -> Cedar:
    """Raises: Refused where the policy cannot be written in Cedar; NotFound before a partnership is founded."""
    made = _Export(register, items, people, day)
    return Cedar(made.policies(), made.schema(), json.dumps(made.entities(), indent=1, sort_keys=True))


def request(register: Register, item: ItemState, to: Declared, purpose: str = "", method: str = "key") -> Ask:
    """The request that asks what `usual` asks."""
    charter = charter_of(register)
    context = {
        "purpose": purpose or usual_purpose(charter, item.facts.project),
        "place": place_of(charter, to.recipient.party),
        "method": method,
    }
    return Ask(f'Recipient::"{to.id}"', ACTION, f'Item::"{item.id}@{item.version}"', context)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)


def _set(words: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, words))}]"


def _and(parts: Iterable[str]) -> str:
    kept = [one for one in parts if one != YES]
    return NO if NO in kept else f"({' && '.join(kept)})" if len(kept) > 1 else kept[0] if kept else YES


def _or(parts: Iterable[str]) -> str:
    kept = [one for one in parts if one != NO]
    return YES if YES in kept else f"({' || '.join(kept)})" if len(kept) > 1 else kept[0] if kept else NO


class Both(NamedTuple):
    """What makes a test yes, and what makes it no."""

    yes: str
    no: str


class _Export:
    def __init__(self, register: Register, items: Sequence[ItemState], people: Sequence[Declared], day: int) -> None:
        self.register, self.charter, self.world = register, charter_of(register), world_of(register)
        self.items, self.people, self.day, self.date = items, people, day, date_of(day)
        self.things = [Thing(self.world, self.charter, one, self.date) for one in items]
        self.laws = sorted(one.id for one in self.charter.jurisdictions)
        self.packs = {one: text_on(self.world.read(("adopted", one)), self.date) for one in self.laws}
        if self.charter.releases.approval:
            raise Refused("this charter asks for an approval of each request, which Cedar has no word for")
        if self.world.disputes:
            raise Refused("a key is disputed here, and what rests on it cannot be written in Cedar")
        if self.charter.engine != 1:
            raise Refused("this charter is of engine 2, and only engine 1 is written in Cedar")
        self.seats = max([self._seats_of(*pair) for pair in self._engaged()], default=0)
        self.speakers = {
            law: pack.pack.speakers(self.date) for law, pack in self.packs.items() if pack is not None and pack.pack
        }

    def _engaged(self) -> set[tuple[str, str]]:
        return {(one.terms.party, one.terms.project) for one in self.register.engagements.values()}

    def _seats_of(self, party: str, project: str) -> int:
        return len(self.world.read(("engagements", party, project)))

    # ---- policies

    def policies(self) -> str:
        head = (
            f"// {self.charter.title}, as it decides on {self.date}. Ask with purpose, place and method.\n\n"
            f"permit (principal, action == {ACTION}, resource);\n"
        )
        rules = [(id_, clause, condition) for id_, clause, condition in self._rules()]
        return head + "".join(
            f'\n@id("{id_}")\n@clause({_text(clause)})\nforbid (principal, action == {ACTION}, resource)\n'
            f"unless {{ {condition} }};\n"
            for id_, clause, condition in rules
        )

    def _rules(self) -> Iterable[tuple[str, str, str]]:
        c = self.charter
        yield "standing.person", c.standing.clause, 'principal has employment && principal.employment != "none"'
        yield (
            "standing.organisation",
            c.standing.clause,
            _and(["principal.organisation.party == principal.party", self._attested("recipient", "organisation")]),
        )
        yield "standing.party", c.standing.clause, 'principal.ledger == "held"'
        yield "scope", c.decision("engage").clause, self._scope()
        yield "purpose", c.aim.clause, "resource.project.purposes.contains(context.purpose)"
        yield "label.level", c.equivalence.clause, "principal.covers.containsAll(resource.guarded)"
        yield (
            "label.release",
            c.equivalence.clause,
            "principal has code && principal has nationalities && !principal.nationalities.isEmpty()"
            " && resource.releasable.contains(principal.code)"
            " && resource.releasable.containsAll(principal.nationalities)",
        )
        yield "label.tags", c.equivalence.clause, "resource.compartments.isEmpty()"
        yield "denied", c.suspension.clause, self._not_denied()
        yield "fresh", c.freshness[0].clause, f"!{self._relied('resource.stale')}"
        for law in self.laws:
            yield f"law.{law}", c.jurisdiction(law).clause, self._law(law).yes
        yield (
            "owner",
            c.releases.clause,
            "resource.owners.contains(resource.owner) && resource has left_out && resource.left_out.isEmpty()",
        )

    def _owns(self) -> str:
        return (
            "(principal.party == resource.owner || (resource.owners.contains(principal.party)"
            " && (principal.member || resource.part_owners.contains(principal.party))))"
        )

    def _seat(self, n: int) -> str:
        seat = f"resource.project.seat{n}"
        return (
            f"({seat}.hasTag(principal.party) && {seat}.getTag(principal.party).areas.containsAll(resource.areas)"
            f" && {seat}.getTag(principal.party).levels.containsAll(resource.levels))"
        )

    def _scope(self) -> str:
        carried = _or(self._seat(n) for n in range(self.seats))
        outsider = _and(["!resource.areas.isEmpty()", carried])
        return _and(
            [
                "(!resource.project.closed || resource.project.pillar_members.contains(principal.party))",
                _or(
                    [
                        self._owns(),
                        _and(
                            [
                                "resource.project.running",
                                f"(if principal.member then resource.project.participants.contains(principal.party)"
                                f" else {outsider})",
                            ]
                        ),
                    ]
                ),
            ]
        )

    def _not_denied(self) -> str:
        """Where nothing but the engagement carries it, one that nobody suspended must."""
        free = _or(
            _and([self._seat(n), f"!resource.project.seat{n}.getTag(principal.party).suspended"])
            for n in range(self.seats)
        )
        any_ = _or(self._seat(n) for n in range(self.seats))
        carried = f"(principal.member || {self._owns()} || !{any_} || resource.areas.isEmpty() || {free})"
        return _and(
            [
                carried,
                "!resource.recalled.contains(principal.party)",
                "!resource.retired",
                "!resource.owner_gone",
                f"!{self._relied('resource.node.stopped')}",
                *(
                    f"!resource.node.frozen.{one}"
                    for one in ("contains(resource.owner)", "containsAny(resource.owners)", "contains(principal.party)")
                ),
            ]
        )

    def _relied(self, parties: str) -> str:
        """Whether one of the parties whose ledgers an answer depends on stands in a set."""
        outsider = (
            f"(!principal.member && {parties}.containsAny({_set(self.charter.members)}))"
            if self.charter.suspension.by != "owner"
            else NO
        )
        used = [
            _and([f"{parties}.contains({_text(self.charter.jurisdiction(law).adopter)})", f"!{self._reach(law).no}"])
            for law in self.laws
        ]
        return _or(
            [
                f"{parties}.contains(resource.owner)",
                f"{parties}.containsAny(resource.owners)",
                f"{parties}.contains(principal.party)",
                outsider,
                *used,
            ]
        )

    # ---- the law

    def _reach(self, law: str) -> Both:
        adopted = self.packs[law]
        if adopted is None or adopted.pack is None:
            return Both(NO, NO)
        return self._test(law, outline(adopted.pack, self.date).reach)

    def _law(self, law: str) -> Both:
        adopted = self.packs[law]
        if adopted is None or adopted.pack is None:
            return Both(NO, NO)
        says = outline(adopted.pack, self.date)
        reach = self._test(law, says.reach)
        met = _and([self._test(law, says.general).yes, _or(self._test(law, one).yes for one in says.grounds)])
        return Both(_or([reach.no, _and([reach.yes, met])]), NO)

    def _test(self, law: str, test: Test) -> Both:
        match test:
            case AllOf():
                parts = [self._test(law, one) for one in test.parts]
                return Both(_and(one.yes for one in parts), _or(one.no for one in parts))
            case AnyOf():
                parts = [self._test(law, one) for one in test.parts]
                return Both(_or(one.yes for one in parts), _and(one.no for one in parts))
            case Not():
                part = self._test(law, test.part)
                return Both(part.no, part.yes)
            case ClearOf():
                return self._test(law, test.whole)
            case Owes():
                return Both(YES, NO)
            case OfAct():
                return self._of_act(law, test)
            case OfFact():
                return self._of_fact(law, test)
        raise Refused(f"a test of the law of {law} cannot be written in Cedar")

    def _attested(self, side: str, claim: str) -> str:
        of, other = (
            ("principal.organisation", "resource.owner")
            if side == "recipient"
            else ("resource.organisation", "principal.party")
        )
        return (
            f'({of}.attests.contains({{claim: {_text(claim)}, other: ""}})'
            f" || {of}.attests.contains({{claim: {_text(claim)}, other: {other}}}))"
        )

    def _of_act(self, law: str, test: OfAct) -> Both:
        kind, _, rest = test.fact.partition(".")
        if kind == "licensed":
            yes = f"resource.licensed.contains({{what: {_text(f'{law}/{rest}')}, to: principal.organisation}})"
            return Both(yes if "state" in test.said_by else NO, NO)
        if kind == "determined":
            return self._determined(law, test, rest)
        adopter = _text(self.charter.jurisdiction(law).adopter)
        party, organisation = (
            ("principal.party", "principal.organisation.party")
            if kind == "recipient"
            else ("resource.owner", "resource.organisation.party")
        )
        own = f"{kind}_party" in test.said_by
        speaks = YES if own else f"{party} == {adopter}" if "state" in test.said_by else NO
        yes = _and([f"{organisation} == {party}", self._attested(kind, rest.removeprefix("attested.")), speaks])
        return Both(yes, f"!{yes}" if yes not in {YES, NO} else YES if yes == NO else NO)

    def _determined(self, law: str, test: OfAct, rest: str) -> Both:
        authority, _, condition = rest.rpartition(".")
        what = _text(f"{law}/{authority}/{condition}")

        def said(roles: Iterable[str], holds: str) -> str:
            return _or(
                f"resource.judged.contains({{what: {what}, by: {_by(role)}, holds: {holds}}})" for role in sorted(roles)
            )

        no = said(self.speakers[law].get(test.fact, frozenset()), NO)
        return Both(_and([said(test.said_by, YES), f"!{no}" if no != NO else YES]), no)

    def _of_fact(self, law: str, test: OfFact) -> Both:
        if test.said_by and not _spoken(test.fact) & set(test.said_by):
            return Both(NO, NO)
        if test.fact == "transfer.activity":
            word = f"{_set(test.words)}.contains({_activity(law)})"
            return Both(_and(["resource has origin", word]), _and(["resource has origin", f"!{word}"]))
        side, known = _attribute(test.fact)
        there = YES if known in _ALWAYS else f"{side} has {known}"
        at = f"{side}.{known}"
        yes = self._compared(test, at)
        no = f"!{yes}"
        if test.op in {"under", "only_under"}:
            yes, no = self._paragraphs(test, side, known)
        if test.fact == "transfer.value" and test.limit is not None:
            currency = f"{at}.currency == {_text(test.limit.currency)}"
            yes, no = (f"({currency} && {at}.amount {sign} {test.limit.amount})" for sign in ("<=", ">"))
        return Both(_and([there, yes]), _and([there, no]))

    def _compared(self, test: OfFact, at: str) -> str:
        words = [_path(one) for one in test.words] if test.fact.startswith("item.entries.") else list(test.words)
        match test.op:
            case "none":
                return f"{at}.isEmpty()"
            case "has":
                return f"{at}.containsAll({_set(words)})"
            case "within" | "among":
                return f"{_set(words)}.containsAll({at})"
            case "is" | "in" if test.fact == "item.classified":
                return f"{at} == {YES if test.truth else NO}"
            case "is" | "in":
                return f"{_set(words)}.contains({at})"
            case "at_most" | "under" | "only_under":
                return NO  # written by whoever asks
        raise Refused(f"`{test.op}` of `{test.fact}` cannot be written in Cedar")

    def _paragraphs(self, test: OfFact, side: str, known: str) -> tuple[str, str]:
        """Entries are written with all that they stand below. Cedar cannot say `every one of`: that is an attribute."""
        if test.op == "only_under":
            name = _text(_only(test))
            return f"{side}.only_yes.contains({name})", f"{side}.only_no.contains({name})"
        wanted = [_path(word) for word in test.words]
        above = sorted(
            {"/".join(parts[:n]) for word in wanted for parts in [word.split("/")] for n in range(1, len(parts))}
        )
        yes = f"{side}.below_{known}.containsAny({_set(wanted)})"
        return yes, _and([f"!{yes}", f"!{side}.{known}.containsAny({_set(above)})" if above else YES])

    # ---- entities

    def entities(self) -> list[dict[str, Any]]:
        organisations = {one.recipient.organisation for one in self.people} | {
            one.facts.organisation for one in self.items
        }
        projects = {one.facts.project for one in self.items}
        found = [_entity("Node", self.register.me, {"frozen": self._frozen(), "stopped": self._stopped()})]
        found += [_entity("Organisation", one, self._organisation(one)) for one in sorted(organisations)]
        for one in sorted(projects):
            found += self._project(one)
        found += [_entity("Recipient", one.id, self._recipient(one.recipient)) for one in self.people]
        found += [_entity("Item", f"{one.id}@{one.version}", self._item(one)) for one in self.things]
        return found

    def _frozen(self) -> list[str]:
        """Who neither gives nor receives: a frozen ledger, or a party whose coming in is in doubt."""
        halted = {name.removeprefix("party/") for name in self.register.halted if name.startswith("party/")}
        return sorted(halted | {one for one in self.register.parties if self.world.read(("frozen", one))})

    def _stopped(self) -> list[str]:
        names = {*self.register.parties, *self.register.owed}
        frozen = {one for one in names if self.world.read(("frozen", one)) and not self.world.read(("shared", one))}
        owed = {one for one in names if self.world.read(("owed", one)) and one != self.register.me}
        return sorted(frozen | owed)

    def _organisation(self, name: str) -> dict[str, Any]:
        party = name.partition("/")[0]
        gone = gone_from(self.world, party)
        claims = {
            (one.terms.claim, "" if isinstance(one.terms.other, UnsetType) else one.terms.other)
            for claim in {one.terms.claim for one in self.register.attestations}
            for one in self.world.read(("attestations", name, claim))
            if one.terms.term.holds(self.date) and not (gone and gone <= self.date)
        }
        return {"party": party, "attests": [{"claim": claim, "other": other} for claim, other in sorted(claims)]}

    def _project(self, name: str) -> list[dict[str, Any]]:
        item = next(one for one in self.items if one.facts.project == name)
        work = work_of(self._case(item, self._anyone()), name)
        pillar = work.pillar if work is not None else None
        attributes = {
            "closed": pillar is not None and pillar.access == "closed",
            "pillar_members": list(pillar.members) if pillar is not None else [],
            "running": work is not None and pillar is not None and work.term.holds(self.date),
            "participants": list(work.participants) if work is not None else [],
            "purposes": [one.id for one in self.charter.purposes if one.fits(name)],
        }
        found = []
        for n in range(self.seats):
            attributes[f"seat{n}"] = {"__entity": {"type": "Seat", "id": f"{name}/{n}"}}
            tags = {}
            for party, project in sorted(self._engaged()):
                held = self.world.read(("engagements", party, project))
                if project == name and n < len(held):
                    tags[party] = self._seat_terms(held[n])
            found.append({**_entity("Seat", f"{name}/{n}", {}), "tags": tags})
        return [*found, _entity("Project", name, attributes)]

    def _seat_terms(self, one: Any) -> dict[str, Any]:
        runs = one.term.holds(self.date) and not (one.ended and one.ended <= self.date)
        covers = one.terms.role == "participant" and runs
        under = self.charter.equivalence.at_most
        every = {level for thing in self.things for level in thing.levels()}
        levels = [
            str(one_) for one_ in sorted(every, key=str) if any(under(one_, top) == "yes" for top in one.terms.ceiling)
        ]
        return {
            "areas": list(one.terms.areas) if covers else [],
            "levels": levels if covers else [],
            "suspended": bool(one.suspended),
        }

    def _recipient(self, to: RecipientClass) -> dict[str, Any]:
        someone = Someone(self.world, self.charter, to, self.date)
        known = {
            name: someone.fact(f"recipient.{name}").value
            for name in ("employment", "nationalities", "code", "clearance", "cleared")
        }
        destination = someone.fact("place.destination").value
        covers: list[str] = []
        stated = to.clearance
        if known["clearance"] is not UNSET and not isinstance(stated, UnsetType):
            ended = not isinstance(stated.until, UnsetType) and stated.until <= self.date
            covers = [] if ended else self._covered(stated.system, stated.level)
        found = {
            "party": to.party,
            "as": f"party:{to.party}",
            "member": to.party in self.charter.members,
            "organisation": {"__entity": {"type": "Organisation", "id": to.organisation}},
            "organisation_name": to.organisation,
            "ledger": someone.fact("recipient.ledger").value,
            "covers": covers,
        }
        stated_ = {
            "employment": known["employment"],
            "nationalities": known["nationalities"],
            "code": known["code"],
            "cleared": known["cleared"],
            "destination": destination,
        }
        return found | {name: _plain(value) for name, value in stated_.items() if value is not UNSET}

    def _covered(self, system: str, level: str) -> list[str]:
        try:
            held = Level(system=system, level=level)
        except Malformed:
            return []
        every = {one for thing in self.things for one in thing.levels()}
        return sorted(str(one) for one in every if self.charter.equivalence.covers(held, one) == "yes")

    def _item(self, thing: Thing) -> dict[str, Any]:
        item = self.register.item(thing.id, thing.version)
        if thing.parts and thing.recalls():
            raise Refused(f"`{thing.id}` is under orders by its parts, which Cedar has no word for")
        levels = thing.levels()

        def words(name: str) -> list[str]:
            value = thing.fact(name).value
            return list(value) if isinstance(value, tuple) else []

        owners = {part.party for part in thing.parts or ()}
        gone = gone_from(self.world, thing.party)
        found: dict[str, Any] = {
            "owner": thing.party,
            "owners": words("item.owners"),
            "part_owners": sorted(owners),
            "organisation": {"__entity": {"type": "Organisation", "id": item.facts.organisation}},
            "organisation_name": item.facts.organisation,
            "project": {"__entity": {"type": "Project", "id": item.facts.project}},
            "node": {"__entity": {"type": "Node", "id": self.register.me}},
            "areas": words("item.areas"),
            "kind": item.facts.nature,
            "levels": [str(one) for one in levels],
            "guarded": [str(one) for one in levels if self.charter.equivalence.needs_clearance(one)],
            "classified": bool(thing.fact("item.classified").value),
            "releasable": words("item.releasable"),
            "compartments": [one for one in words("item.tags") if must_hold(one)],
            "retired": bool(item.retired) or f"project/{item.facts.project}" in self.register.halted,
            "recalled": words("item.recalled"),
            "owner_gone": bool(gone) and gone <= self.date,
            "stale": self._stale(item),
            "judged": self._judged(thing),
            "licensed": self._licensed(item, thing),
            "only_yes": [],
            "only_no": [],
        }
        for name, attribute in (("item.left_out", "left_out"), ("item.origins", "origins"), ("item.flags", "flags"),
                                ("transferor.code", "owner_code"), ("place.origin", "origin")):  # fmt: skip
            value = thing.fact(name).value
            if value is not UNSET and not (name == "item.origins" and value == ()):
                found[attribute] = _plain(value)
        value = thing.fact("item.value").value
        if isinstance(value, Money):
            found["value"] = {"amount": value.amount, "currency": value.currency}
        for law in self.laws:
            entries = thing.fact(f"item.entries.{law}").value
            paths = [_path(one) for one in entries] if isinstance(entries, tuple) else []
            below = {
                "/".join(parts[: n + 1]) for path in paths for parts in [path.split("/")] for n in range(len(parts))
            }
            found[f"below_entries_{law}"] = sorted(below)
            if entries is not UNSET:
                found[f"entries_{law}"] = paths
        self._only(thing, found)
        return found

    def _only(self, thing: Thing, found: dict[str, Any]) -> None:
        """The tests that ask for every entry, as they come out for this item."""
        from relto.law.condition import See
        from relto.law.three import Three

        for test in {
            _only(one): one for law in self.laws for one in self._leaves(law) if one.op == "only_under"
        }.values():
            value = See(thing.fact).value(test)
            found["only_yes"] += [_only(test)] if value is Three.YES else []
            found["only_no"] += [_only(test)] if value is Three.NO else []

    def _leaves(self, law: str) -> list[OfFact]:
        adopted, found = self.packs[law], []
        if adopted is None or adopted.pack is None:
            return []
        says = outline(adopted.pack, self.date)
        ahead: list[Test] = [says.reach, says.general, *says.grounds]
        while ahead:
            one = ahead.pop()
            if isinstance(one, OfFact):
                found.append(one)
            ahead += [
                *getattr(one, "parts", ()),
                *(getattr(one, name) for name in ("part", "whole") if hasattr(one, name)),
            ]
        return found

    def _stale(self, item: ItemState) -> list[str]:
        """The ledgers that were seen too long ago for this item's label; the own never is."""
        case = self._case(item, self._anyone())
        found = []
        for party in sorted(
            {*self.register.parties, *self.charter.members, *(one.recipient.party for one in self.people)}
        ):
            if party != self.register.me:
                seen = self.world.read(("seen", party))
                try:
                    limit = freshness_limit(case, party)
                except NotFound:
                    limit = -1
                if seen is None or seen[0] is None or self.day - seen[0] > limit:
                    found.append(party)
        return found

    def _judged(self, thing: Thing) -> list[dict[str, Any]]:
        """Who says what of the item, by the role in which he speaks, and by his name where it is the recipient's."""
        found = []
        for law in self.laws:
            for name in law_reads(self.world, law, self.date):
                if not name.startswith("item.judged/"):
                    continue
                _, _, authority, condition = name.split("/")
                for one in thing.judged(law, authority, condition):
                    roles = {"transferor_officer", "transferor_party", "owner"} if one.party == thing.party else set()
                    roles |= {"owner"} if one.party in (thing.fact("item.owners").value or ()) else set()  # type: ignore[operator]
                    roles |= {"state"} if self.charter.jurisdiction(law).adopter == one.party else set()
                    what = f"{law}/{authority}/{condition}"
                    found += [
                        {"what": what, "by": role, "holds": one.terms.holds}
                        for role in sorted({*roles, f"party:{one.party}"})
                    ]
        return found

    def _licensed(self, item: ItemState, thing: Thing) -> list[dict[str, Any]]:
        """The organisations of declared people to whom a licence covers the item, asked of the same fact that laws ask."""
        found = []
        if not self.world.licences(item.id):
            return []
        for law in self.laws:
            adopted = self.packs[law]
            for name in adopted.pack.facts if adopted is not None and adopted.pack is not None else ():
                if not name.startswith("licensed."):
                    continue
                by_name = {one.recipient.organisation: one.recipient for one in self.people}
                for organisation, to in sorted(by_name.items()):
                    if self._case(item, to).fact(name, law).value is True:
                        entity = {"__entity": {"type": "Organisation", "id": organisation}}
                        found.append({"what": f"{law}/{name.removeprefix('licensed.')}", "to": entity})
        return found

    def _anyone(self) -> RecipientClass:
        return RecipientClass(party=self.register.me, organisation=f"{self.register.me}/{self.register.me}")

    def _case(self, item: ItemState, to: RecipientClass) -> Case:
        asked = Question(to=to, item=item.id, version=item.version, purpose="", place="ZZZ", day=self.day)
        return Case(self.register, asked)

    # ---- schema

    def schema(self) -> str:
        words = "Set<String>"
        seats = "".join(f"  seat{n}: Seat,\n" for n in range(self.seats))
        entries = "".join(f"  entries_{law}?: {words},\n  below_entries_{law}: {words},\n" for law in self.laws)
        return (
            f"entity Node {{ frozen: {words}, stopped: {words} }};\n"
            "entity Organisation { party: String, attests: Set<{claim: String, other: String}> };\n"
            f"entity Seat tags {{ areas: {words}, levels: {words}, suspended: Bool }};\n"
            f"entity Project {{\n  closed: Bool,\n  pillar_members: {words},\n  running: Bool,\n  participants: {words},\n"
            f"  purposes: {words},\n{seats}}};\n"
            f"entity Recipient {{\n  party: String,\n  as: String,\n  member: Bool,\n  organisation: Organisation,\n"
            f"  organisation_name: String,\n  ledger: String,\n  covers: {words},\n  employment?: String,\n"
            f"  nationalities?: {words},\n  code?: String,\n  cleared?: String,\n  destination?: String,\n}};\n"
            f"entity Item {{\n  owner: String,\n  owners: {words},\n  part_owners: {words},\n  organisation: Organisation,\n"
            f"  organisation_name: String,\n  project: Project,\n  node: Node,\n  areas: {words},\n  kind: String,\n"
            f"  levels: {words},\n  guarded: {words},\n  classified: Bool,\n  releasable: {words},\n  compartments: {words},\n"
            f"  retired: Bool,\n  recalled: {words},\n  owner_gone: Bool,\n  stale: {words},\n"
            f"  judged: Set<{{what: String, by: String, holds: Bool}}>,\n"
            f"  licensed: Set<{{what: String, to: Organisation}}>,\n  only_yes: {words},\n  only_no: {words},\n"
            f"  left_out?: {words},\n  origins?: {words},\n  flags?: {words},\n  owner_code?: String,\n  origin?: String,\n"
            f"  value?: {{amount: Long, currency: String}},\n{entries}}};\n"
            "action receive appliesTo {\n  principal: Recipient,\n  resource: Item,\n"
            "  context: { purpose: String, place: String, method: String },\n};\n"
        )


def _entity(type_: str, id_: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"uid": {"type": type_, "id": id_}, "attrs": attributes, "parents": []}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else None if isinstance(value, UnsetType) else value


def _by(role: str) -> str:
    return "principal.as" if role == "recipient_party" else _text(role)


def _path(entry: str) -> str:
    return "/".join(_tokens(entry))


def _only(test: OfFact) -> str:
    return f"{test.fact} {' '.join(test.words)}"


_ATTRIBUTES = {
    "item.origins": ("resource", "origins"),
    "item.flags": ("resource", "flags"),
    "item.classified": ("resource", "classified"),
    "item.kind": ("resource", "kind"),
    "item.owner": ("resource", "owner"),
    "transferor.party": ("resource", "owner"),
    "transferor.code": ("resource", "owner_code"),
    "transferor.organisation": ("resource", "organisation_name"),
    "recipient.party": ("principal", "party"),
    "recipient.code": ("principal", "code"),
    "recipient.organisation": ("principal", "organisation_name"),
    "recipient.nationalities": ("principal", "nationalities"),
    "recipient.employment": ("principal", "employment"),
    "recipient.cleared": ("principal", "cleared"),
    "place.origin": ("resource", "origin"),
    "place.destination": ("principal", "destination"),
    "place.access": ("context", "place"),
    "transfer.purpose": ("context", "purpose"),
    "transfer.method": ("context", "method"),
    "transfer.value": ("resource", "value"),
}
_ALWAYS = frozenset({"classified", "kind", "owner", "organisation_name", "party", "place", "purpose", "method"})


def _activity(law: str) -> str:
    """What the transfer is under the law of this state, by where it begins and where the thing is looked at."""
    return (
        f'(if resource.origin == "{law}" then "export" else if context.place == "{law}" then "import"'
        ' else if resource.origin == context.place then "retransfer" else "reexport")'
    )


def _attribute(fact: str) -> tuple[str, str]:
    if fact.startswith("item.entries."):
        return "resource", f"entries_{fact.removeprefix('item.entries.')}"
    if fact not in _ATTRIBUTES:
        raise Refused(f"the fact `{fact}` cannot be written in Cedar")
    return _ATTRIBUTES[fact]


def _spoken(fact: str) -> set[str]:
    """Whoever states a fact, as `usual` asks for it."""
    if fact == "place.access":
        return {Says.QUESTION.value, "party", "recipient_party"}
    if fact == "transfer.purpose":
        return {Says.QUESTION.value, "person"}
    if fact in {"transfer.method", "transfer.activity"}:
        return {Says.QUESTION.value}
    if fact.startswith(("item.", "transferor.party", "transferor.organisation", "transfer.value")):
        return {Says.ACT.value, "transferor_officer", "transferor_party", "owner"}
    if fact in {"recipient.employment", "recipient.nationalities", "recipient.cleared"}:
        return {"party", "recipient_party"}
    return {Says.CHARTER.value, Says.QUESTION.value}
