"""Cases beside a pack: facts given, a day, the answer expected.

A text of cases has `worlds` (facts that belong together) and `cases`, each of which takes a world, changes a few facts
and says what must come out. Facts that an act creates count in a case as said by whoever the law asks, unless `said_by`
says otherwise; everything not given is not stated, and an act not given does not exist. What a transfer is
(`transfer.activity`) follows from the places given, as it does in a decision.

A condition is shown when three cases of one world, on days of one version of the condition, differ in one fact that it
reads, or in who said it, and come out yes, no and unknown: `uncovered` lists what is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from relto import errors
from relto.charter import text as grammar
from relto.charter.text import Date, Map, Money, Node, Span, Text
from relto.law.condition import Owes
from relto.law.facts import (
    ROLES,
    SPEAKERS,
    UNKNOWN,
    Fact,
    Says,
    Value,
    activity_of,
    has_form,
    is_closed,
    name_of,
    nearest_name,
)
from relto.law.judge import Judgement, evaluate
from relto.law.pack import Condition, Pack
from relto.law.three import Three

Facts = dict[str, Value]
_WORDS: Final = tuple(three.value for three in Three)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One case as it came out; `problems` is empty where it came out as expected."""

    id: str
    where: str
    world: str
    day: Date
    changed: int  # facts that differ from its world
    facts: tuple[str, ...]  # their names
    expected: Three
    judgement: Judgement
    problems: tuple[str, ...]


def run_cases(pack: Pack, text: Text) -> tuple[Result, ...]:
    """Every case of `text` against `pack`. Raises `errors.Malformed` for a text that is not understood."""
    root = text.root
    if (found := root.take("cases_for", grammar.word)) != pack.id:
        raise root.at("cases_for").refuse(f"these cases are for `{found}`, and the pack is `{pack.id}`")
    worlds = dict(root.take("worlds", grammar.list_of(_world, least=1)))
    results = root.take("cases", grammar.list_of(lambda node: _run(pack, worlds, node), least=1, repeats=True))
    root.done()
    seen: set[str] = set()
    for result in results:
        if result.id in seen:
            raise errors.Malformed(f"two cases are called `{result.id}`", where=result.where)
        seen.add(result.id)
    return results


def uncovered(pack: Pack, results: tuple[Result, ...]) -> tuple[str, ...]:
    """Rules, with the answer, that no case shows by a change in one fact alone: `law.USA/general/x: unknown`.

    Each version of a condition is asked about by itself; its first day then stands behind the rule: `… from 2025-12-30`.
    """
    found: list[str] = []
    root = f"law.{pack.jurisdiction}"
    reach = Shown(rule=f"{root}/reach", valid=pack.valid, reads=frozenset(pack.reaches.names()))
    rules = [reach, *_rules(f"{root}/general", pack.general)]
    for authority in pack.authorities:
        rules.extend(_rules(f"{root}/{authority.id}", authority.conditions))
    for rule in rules:
        shown = rule.best(results)
        since = f" from {rule.valid.first}" if rule.dated else ""
        found += [f"{rule.rule}: {three.value}{since}" for three in Three if three not in shown]
    return tuple(found)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of one version: what it reads, and for which days."""

    rule: str
    valid: Span
    reads: frozenset[str]
    dated: bool = False

    def best(self, results: tuple[Result, ...]) -> frozenset[Three]:
        """The most answers that cases of one world show which differ in one fact only."""
        series: dict[tuple[str, str], frozenset[Three]] = {}
        most: frozenset[Three] = frozenset()
        for result in results:
            value = next((one.value for one in result.judgement.findings if one.rule == self.rule), None)
            if value is None or result.changed > 1 or not self.valid.holds(result.day):
                continue
            # A world as it stands belongs to each of the series that begin with it.
            for fact in result.facts or sorted(self.reads):
                key = (result.world, fact)
                series[key] = series.get(key, frozenset()) | {value}
                most = max(most, series[key], key=len)
        return most


def _rules(path: str, conditions: tuple[Condition, ...]) -> Iterator[Shown]:
    for condition in conditions:
        here = f"{path}/{condition.id}"
        if condition.test is not None and not isinstance(condition.test, Owes):
            reads = frozenset(condition.test.names())
            # What a transfer is follows from its places, which a case may change in its stead.
            reads |= {"place.origin", "place.access"} if "transfer.activity" in reads else set()
            yield Shown(rule=here, valid=condition.valid, reads=reads, dated=condition.valid != Span())
        yield from _rules(here, condition.parts)


def _world(node: Node) -> tuple[str, Facts]:
    found = grammar.mapping(node)
    world = found.take("id", grammar.word), found.take("facts", _facts)
    found.take("says", grammar.text, "")
    found.done()
    return world


def _run(pack: Pack, worlds: dict[str, Facts], node: Node) -> Result:
    found = grammar.mapping(node)
    case_id = found.take("id", grammar.word)
    world = found.take("world", grammar.choice(*worlds))
    day = found.take("day", grammar.date)
    changes = found.take("set", _facts, {})
    unset = found.take("unset", grammar.list_of(_fact_name), ())
    said_by = found.take("said_by", _speakers, {})
    expected = found.take("expect", _three)
    shows = found.take("shows", _shows, {})
    found.take("says", grammar.text, "")
    found.done()
    given: dict[str, Value | msgspec.UnsetType] = {**worlds[world], **changes, **dict.fromkeys(unset, UNKNOWN)}
    unread = sorted({*changes, *unset, *said_by} - set(pack.facts))
    if unread:
        raise found.refuse(f"no rule of `{pack.id}` reads `{unread[0]}`")
    if "transfer.activity" not in given:
        places = (given.get("place.origin", UNKNOWN), given.get("place.access", UNKNOWN))
        given["transfer.activity"] = activity_of(pack.jurisdiction, *places)
    judgement = evaluate(pack, day, lambda name: _fact(name, given, said_by))
    return Result(
        id=case_id,
        where=found.where,
        world=world,
        day=day,
        facts=tuple(sorted({*changes, *unset, *said_by})),
        changed=len({*changes, *unset, *said_by}),
        expected=expected,
        judgement=judgement,
        problems=tuple(_problems(judgement, expected, shows)),
    )


def _problems(judgement: Judgement, expected: Three, shows: dict[str, Three]) -> Iterator[str]:
    if judgement.value is not expected:
        yield f"expected {expected.value}, found {judgement.value.value}"
    found = {finding.rule: finding.value for finding in judgement.findings}
    for path, three in shows.items():
        rule = f"law.{judgement.jurisdiction}/{path}"
        if rule not in found:
            yield f"no rule `{path}` on that day"
        elif found[rule] is not three:
            yield f"expected `{path}` {three.value}, found {found[rule].value}"


def _fact(name: str, given: dict[str, Value | msgspec.UnsetType], said_by: dict[str, tuple[str, ...]]) -> Fact:
    value = given.get(name, False if is_closed(name) else UNKNOWN)
    by_act = is_closed(name) or name.startswith("determined.")
    says, by = Says.ACT if by_act else Says.PARTY, tuple(ROLES) if by_act else ()
    if name in said_by:
        says = next((Says(word) for word in said_by[name] if word not in ROLES), says)
        by = tuple(word for word in said_by[name] if word in ROLES)
    return Fact(name=name, value=value, says=says, by=by)


def _facts(node: Node) -> Facts:
    found = grammar.mapping(node)
    facts = {key: found.take(key, _value_of(_fact_name(found.key_at(key)))) for key in found.keys}
    found.done()
    return facts


def _fact_name(node: Node) -> str:
    name = grammar.scalar(node)
    if name_of(name) is None:
        near = nearest_name(name)
        hint = f"did you mean `{near}`?" if near else ""
        raise node.refuse(f"`{grammar.shown(name)}` is not a fact that a pack may name", hint=hint)
    return name


def _value_of(name: str) -> grammar.Reader[Value]:
    known = name_of(name)
    assert known is not None

    def a_word(node: Node) -> str:
        value = grammar.scalar(node)
        if not has_form(known, value):
            raise node.refuse(f"`{grammar.shown(value)}` cannot be a value of `{name}`")
        return value

    readers: dict[type, grammar.Reader[Value]] = {
        bool: grammar.flag,
        str: a_word,
        tuple: grammar.list_of(a_word),
        Money: grammar.money,
    }
    return readers[known.type]


def _three(node: Node) -> Three:
    return Three(grammar.choice(*_WORDS)(node))


def _speakers(node: Node) -> dict[str, tuple[str, ...]]:
    return dict(grammar.mapping(node).take_all(_fact_name, grammar.list_of(grammar.choice(*SPEAKERS), least=1)))


def _shows(node: Node) -> dict[str, Three]:
    found: Map = grammar.mapping(node)
    return dict(found.take_all(grammar.text, _three))
