"""What a lawyer would ask about a pack that loads: days without law, tests that nothing can meet, words never used.

Loading refuses what cannot be run. Linting finds what runs and yet says less than its author thinks.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from typing import Final

from relto.charter.check import Problem, Severity
from relto.charter.text import Date, Money, Span
from relto.law.condition import AllOf, AnyOf, ClearOf, Not, OfAct, OfFact, Owes, See, Test, stands_under
from relto.law.facts import ACTIVITIES, KINDS, ROLES, UNKNOWN, Fact, Says, Value, has_form, is_closed, name_of
from relto.law.pack import Condition, Pack
from relto.law.three import Three

STEPS_MAX: Final = 128  # facts tried for one condition before it is taken as satisfiable
FIRST, LAST = "0001-01-01", "9999-12-31"


def lint(pack: Pack, where: str = "pack") -> tuple[Problem, ...]:
    """Everything odd about one pack. An error: a condition or an authority that can never hold."""
    found = [*_never(pack), *_days(pack), *_order(pack), *_unused(pack), *_numbers(pack)]
    return tuple(
        Problem(where=f"{where}: {rule}", severity=severity, message=m, hint=h) for rule, severity, m, h in found
    )


def lint_together(packs: Iterable[tuple[Pack, str]]) -> tuple[Problem, ...]:
    """Packs of one jurisdiction side by side: no day twice, and none between two of them left out."""
    found: list[Problem] = []
    by_law: dict[str, list[tuple[Pack, str]]] = {}
    for pack, where in packs:
        by_law.setdefault(pack.jurisdiction, []).append((pack, where))
    for law, texts in sorted(by_law.items()):
        texts.sort(key=lambda one: one[0].valid.first or FIRST)
        for (one, _), (other, where) in itertools.pairwise(texts):
            if one.valid.overlaps(other.valid):
                words = f"`{one.id}` and `{other.id}` are both the law of {law} on some days"
                hint = "the one adopted last counts; give each its days in `valid`"
                found.append(Problem(where=where, severity="warning", message=words, hint=hint))
            elif _after(one.valid.last or LAST) != (other.valid.first or FIRST):
                words = f"after {one.valid.last} there are days for which no text of {law} is the law"
                found.append(Problem(where=where, severity="warning", message=words))
    return tuple(found)


Odd = tuple[str, Severity, str, str]  # rule, severity, message, hint


def _warn(rule: str, message: str, hint: str = "") -> Odd:
    return rule, "warning", message, hint


# ---- conditions that nothing can meet -------------------------------------------------------------------------------


def _never(pack: Pack) -> Iterator[Odd]:
    for path, conditions in _blocks(pack):
        alone = [c for c in conditions for test in _readings(c) if not satisfiable(test)]
        for condition in dict.fromkeys(one.id for one in alone):
            yield f"{path}/{condition}", "error", "no facts can satisfy this condition", "its parts rule each other out"
        if path.endswith("/general") or alone:
            continue
        for day in _days_of(conditions):
            together = AllOf(parts=tuple(c.on(day) for c in conditions if c.valid.holds(day)))
            if conditions and not satisfiable(together):
                yield path, "error", f"no facts can satisfy all of its conditions on {day}", ""
                break


def _readings(condition: Condition) -> Iterator[Test]:
    for day in _days_of((condition,)):
        yield condition.on(day)


def _days_of(conditions: tuple[Condition, ...]) -> tuple[Date, ...]:
    """One day of each version in which these conditions read differently."""
    starts = {_first(one) for one in _inner(conditions)}
    return tuple(sorted(starts))


def _inner(conditions: tuple[Condition, ...]) -> Iterator[Condition]:
    for one in conditions:
        yield one
        yield from _inner(one.parts)


def _first(condition: Condition) -> Date:
    return condition.valid.first or (condition.valid.last or FIRST)


def _blocks(pack: Pack) -> Iterator[tuple[str, tuple[Condition, ...]]]:
    root = f"law.{pack.jurisdiction}"
    yield f"{root}/general", pack.general
    for authority in pack.authorities:
        yield f"{root}/{authority.id}", authority.conditions


def satisfiable(test: Test) -> bool:
    """Whether some facts give a yes. Values that no test names are all alike, so one stands for them.

    Facts are set one after the other; a test that is no while others are still open is no whatever they are (facts
    only ever turn an unknown into a yes or a no). Past `STEPS_MAX` the search stops and finds nothing wrong.
    """
    names = tuple(dict.fromkeys(test.names()))
    options = {name: _options(name, test) for name in names}
    steps = itertools.count()
    return _search(test, sorted(names, key=lambda name: len(options[name])), options, {}, steps)


def _search(
    test: Test, names: list[str], options: dict[str, list[Value]], given: dict[str, Value], steps: Iterator[int]
) -> bool:
    value = test.value(See(lambda name: _given(name, given)))
    if value is not Three.UNKNOWN or next(steps) > STEPS_MAX:
        return value is not Three.NO
    if not names:
        return False
    name, *rest = names
    return any(_search(test, rest, options, {**given, name: option}, steps) for option in options[name])


def _given(name: str, given: dict[str, Value]) -> Fact:
    act = is_closed(name) or name.startswith("determined.")
    return Fact(name=name, value=given.get(name, UNKNOWN), says=Says.ACT if act else Says.PARTY, by=ROLES)


def _options(name: str, test: Test) -> list[Value]:
    known = name_of(name)
    assert known is not None
    leaves = [one for one in _leaves(test) if isinstance(one, OfFact) and one.fact == name]
    if known.type is bool:
        return [True, False]
    if known.type is Money:
        limits = [one.limit for one in leaves if one.limit is not None]
        return [Money(amount=0, currency=one.currency) for one in limits]
    words = list(dict.fromkeys(word for one in leaves for word in one.words))
    others = [word for word in _OTHERS if has_form(known, word) and word not in words][:1]
    if known.type is str:
        return [*words, *others]
    singles: list[Value] = [(word,) for word in (*others, *words)]
    return [(), *singles, tuple(words)]


# Of every form that a fact has there is one here which no text is likely to name; of closed forms there are all.
_OTHERS: Final = ("other", "ZZZ", "ZZ(z)(99)", "other/other", "ZZZ Other", *KINDS, *ACTIVITIES)


def _leaves(test: Test) -> Iterator[Test]:
    match test:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from _leaves(part)
        case Not(part=part) | ClearOf(whole=part):
            yield from _leaves(part)
        case _:
            yield test


# ---- days -----------------------------------------------------------------------------------------------------------


def _days(pack: Pack) -> Iterator[Odd]:
    root = f"law.{pack.jurisdiction}"
    grounds = [one for one in pack.authorities if one.kind != "pointer"]
    for one in pack.authorities:
        if not one.valid.overlaps(pack.valid):
            yield _warn(f"{root}/{one.id}", f"it is in force on no day of the text, which is the law for {pack.valid}")
    for path, conditions in _blocks(pack):
        within = next((one.valid for one in pack.authorities if path == f"{root}/{one.id}"), Span())
        for condition in _inner(conditions):
            if not (condition.valid.overlaps(pack.valid) and condition.valid.overlaps(within)):
                yield _warn(f"{path}/{condition.id}", "it is in force on no day on which it could be asked")
            if condition.parts and not condition.each:
                for first, last in _uncovered([part.valid for part in condition.parts], condition.valid):
                    yield _warn(
                        f"{path}/{condition.id}", f"from {first} to {last} none of its alternatives is in force"
                    )
    for first, last in _uncovered([one.valid for one in grounds], pack.valid):
        yield _warn(root, f"from {first} to {last} no authority of the text is in force: everything is refused")


def _order(pack: Pack) -> Iterator[Odd]:
    """An answer rests on the first authority that holds: what asks for nothing stands after what asks for something."""
    kinds = [one.kind for one in pack.authorities]
    for index, one in enumerate(pack.authorities):
        if one.kind == "not_controlled" and {"licence", "agreement"} & set(kinds[index:]):
            words = "it stands before a licence, so that an answer would rest on it and lose the licence's provisos"
            yield _warn(f"law.{pack.jurisdiction}/{one.id}", words, "move it below")


def _uncovered(spans: list[Span], within: Span) -> Iterator[tuple[Date, Date]]:
    """Stretches of `within` that none of the spans holds."""
    start, end = within.first or FIRST, within.last or LAST
    for span in sorted(spans, key=lambda one: one.first or FIRST):
        if (span.last or LAST) < start or start > end:
            continue
        if (span.first or FIRST) > start:
            yield start, min(_before(span.first or FIRST), end)
        if span.last is None:
            return
        start = _after(span.last)
    if start <= end:
        yield start, end


def _after(day: Date) -> Date:
    return day if day == LAST else (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat()


def _before(day: Date) -> Date:
    return day if day == FIRST else (dt.date.fromisoformat(day) - dt.timedelta(days=1)).isoformat()


# ---- words that nothing uses, numbers that no list has --------------------------------------------------------------


def _unused(pack: Pack) -> Iterator[Odd]:
    leaves = [leaf for test in _tests(pack) for leaf in _leaves(test)]
    acts = {leaf.fact for leaf in leaves if isinstance(leaf, OfAct)}
    owed = {leaf.obligation for leaf in leaves if isinstance(leaf, Owes)}
    owed |= {name for authority in pack.authorities for name in authority.obligations}
    listed = {leaf.listed for leaf in leaves if isinstance(leaf, OfFact)}
    for kind in pack.attestations:
        if not any(fact.endswith(f".attested.{kind.id}") for fact in acts):
            yield _warn("attestations", f"no rule asks for the attestation `{kind.id}`")
    for obligation in pack.obligations:
        if obligation.id not in owed:
            yield _warn("obligations", f"no authority brings the obligation `{obligation.id}`")
    for approval in pack.approvals:
        if f"licensed.{approval.id}" not in acts:
            yield _warn("approvals", f"no rule asks for the approval `{approval.id}`")
    for paragraphs in pack.paragraphs:
        if paragraphs.id not in listed:
            yield _warn("paragraphs", f"no rule uses the list `{paragraphs.id}`")


def _numbers(pack: Pack) -> Iterator[Odd]:
    """A paragraph that a rule names and the list of all paragraphs does not have: most likely a slip."""
    every = {
        leaf.fact: (leaf.listed, leaf)
        for test in _tests(pack)
        for leaf in _leaves(test)
        if isinstance(leaf, OfFact) and leaf.op == "among"
    }
    for path, test in _placed(pack):
        for leaf in _leaves(test):
            if not isinstance(leaf, OfFact) or leaf.fact not in every or leaf.op not in {"under", "only_under"}:
                continue
            listed, all_ = every[leaf.fact]
            for word in leaf.words:
                if stands_under(word, all_.words) is Three.NO:
                    yield _warn(path, f"`{word}` is no number of the list `{listed}`")


def _tests(pack: Pack) -> Iterator[Test]:
    yield pack.reaches
    for _, conditions in _blocks(pack):
        for condition in conditions:
            for test in condition.tests():
                yield test
                if isinstance(test, ClearOf):
                    yield from (part for row in test.rows for part in (row.certain, row.possible))


def _placed(pack: Pack) -> Iterator[tuple[str, Test]]:
    for path, conditions in _blocks(pack):
        for condition in _inner(conditions):
            if condition.test is not None:
                yield f"{path}/{condition.id}", condition.test
