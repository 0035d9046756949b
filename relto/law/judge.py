"""One pack, one day, one transfer: what the law of that jurisdiction says.

`law.J` is a yes where the law does not reach the transfer, and otherwise asks for every general condition and for one
authority that holds. Where it is not known whether the law reaches, it is not known whether the transfer is lawful.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import msgspec

from relto import errors
from relto.charter.text import Date, is_date
from relto.law.condition import END_OF_DAYS, AllOf, AnyOf, Owes, See, Test, Way, fewest, together
from relto.law.facts import UNKNOWN, Fact, Finding, Lookup, Need, Says
from relto.law.pack import Authority, Condition, Obligation, Pack, rows_of
from relto.law.three import Three, any_of


class AuthorityRef(msgspec.Struct, frozen=True, kw_only=True):
    """An authority as an answer names it."""

    id: str
    jurisdiction: str
    kind: str
    title: str
    cite: str
    pack: str  # digest of the pack, hex
    obligations: tuple[str, ...] = ()
    ends: Date | None = None  # last day, where something it rests on has one


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """`authorities` are those that hold, in the order of the pack; the answer rests on the first.

    `ways` are the smallest sets of needs that would make `law.J` a yes as far as one can tell before they are met: a
    fact that must be stated may turn out to be the wrong one. Whoever shows them applies them first.
    """

    jurisdiction: str
    value: Three
    reached: Three
    findings: tuple[Finding, ...]
    authorities: tuple[AuthorityRef, ...] = ()
    pointers: tuple[AuthorityRef, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    ends: Date | None = None
    ways: tuple[Way, ...] = ()


def evaluate(pack: Pack, day: Date, lookup: Lookup) -> Judgement:
    """The judgement of `pack` on `day`. Reads each fact once, and each fact of a rule whatever the others say."""
    if not is_date(day):
        raise errors.Malformed(f"`{day}` is not a day of the calendar", hint="write it as `2024-09-01`")
    if not pack.valid.holds(day):
        return absent(pack.jurisdiction, f"the text `{pack.id}` is the law for {pack.valid}", pack)
    bench = _Bench(pack, day, lookup)
    reach = bench.part("reach")
    if reach.value is Three.NO:
        return bench.joined({"reach": reach})
    return bench.joined({one.id: bench.part(one.id) for one in sections(pack, day)})


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What of a text is judged by itself: its reach, its general conditions, each authority. names: the facts it reads."""

    id: str
    names: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One section as it came out. ways: to a yes; of `reach`, where that is unknown, to a no. ref: of what holds."""

    value: Three
    findings: tuple[Finding, ...]
    ways: tuple[Way, ...] = ()
    ends: Date = END_OF_DAYS
    ref: AuthorityRef | None = None


def sections(pack: Pack, day: Date) -> tuple[Section, ...]:
    """The sections of a text on a day on which it is the law, in the order of their findings.

    `evaluate` is `joined` of the part of each, and of `reach` alone where that is no: whoever answers for many transfers
    keeps the parts by the facts that each reads.
    """
    bench = _Bench(pack, day, _nothing)
    tests = {"reach": pack.reaches, "general": bench._test(pack.general)}
    tests |= {one.id: bench._ground(one) for one in pack.authorities if one.valid.holds(day)}
    return tuple(Section(id=id_, names=tuple(dict.fromkeys(test.names()))) for id_, test in tests.items())


def part_of(pack: Pack, day: Date, section: str, lookup: Lookup) -> Part:
    return _Bench(pack, day, lookup).part(section)


def joined(pack: Pack, day: Date, parts: Mapping[str, Part]) -> Judgement | None:
    """The judgement from its parts; None where permits contradict one another, which takes the facts to say."""
    bench = _Bench(pack, day, _nothing)
    return None if bench.contradicted(parts) else bench.joined(parts)


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of one text on one day, for whoever answers for many transfers at once.

    `law.J` is yes where `reach` is no; unknown where it is unknown; else `general` and any of `grounds`.
    """

    reach: Test
    general: Test
    grounds: tuple[Test, ...]


def outline(pack: Pack, day: Date) -> Outline:
    """The same tests that `evaluate` asks, for a day on which the text is the law."""
    bench = _Bench(pack, day, _nothing)
    in_force = [one for one in pack.authorities if one.valid.holds(day) and one.kind != "pointer"]
    return Outline(
        reach=pack.reaches,
        general=bench._test(pack.general),
        grounds=tuple(bench._ground(one) for one in in_force),
    )


def _nothing(name: str) -> Fact:
    raise AssertionError(f"the outline of a text reads no fact, and `{name}` was asked for")


def absent(jurisdiction: str, why: str, pack: Pack | None = None) -> Judgement:
    """The judgement where no text of the jurisdiction counts: nothing adopted, adopted by another, edited since."""
    need = Need(
        needs=f"a law pack of {jurisdiction} for this day", of="state", kind="adopt law", detail={"for": jurisdiction}
    )
    rests_on = pack.digest.hex() if pack else msgspec.UNSET
    fact = Fact(name=f"law.{jurisdiction}", value=UNKNOWN, says=Says.NONE, rests_on=rests_on, why=why)
    finding = Finding(
        rule=f"law.{jurisdiction}", value=Three.UNKNOWN, facts=(fact,), deny_code="LAW_NOT_ADOPTED", needs=(need,)
    )
    return Judgement(
        jurisdiction=jurisdiction,
        value=Three.UNKNOWN,
        reached=Three.UNKNOWN,
        findings=(finding,),
        ways=((need,),),
    )


class _Bench:
    def __init__(self, pack: Pack, day: Date, lookup: Lookup) -> None:
        self.pack, self.day = pack, day
        self.root = f"law.{pack.jurisdiction}"
        self.see = See(lookup)

    def part(self, section: str) -> Part:
        if section == "reach":
            return self._reach()
        if section == "general":
            test = self._test(self.pack.general)
            return Part(
                value=self.see.value(test),
                findings=tuple(self._parts(f"{self.root}/general", self.pack.general)),
                ways=self.see.ways(test, Three.YES),
                ends=self._end(self.pack.general, test),
            )
        authority = next(one for one in self.pack.authorities if one.id == section)
        test = self._ground(authority)
        findings = tuple(self._of_authority(authority, test))
        if authority.kind == "pointer":
            return Part(value=Three.NO, findings=findings)
        value = self.see.value(test)
        ref = self._ref(authority, test) if value is Three.YES else None
        return Part(value=value, findings=findings, ways=self.see.ways(test, Three.YES), ref=ref)

    def _reach(self) -> Part:
        test = self.pack.reaches
        reached = self.see.value(test)
        unknown = reached is Three.UNKNOWN
        finding = Finding(
            rule=f"{self.root}/reach",
            value=reached,
            facts=self._facts(test),
            needs=self._needs(test, Three.NO) if unknown else (),
        )
        ways = self.see.ways(test, Three.NO) if unknown else ()
        ends = test.end(self.see) if reached is Three.NO else END_OF_DAYS
        return Part(value=reached, findings=(finding,), ways=ways, ends=ends)

    def joined(self, parts: Mapping[str, Part]) -> Judgement:
        pack, reach = self.pack, parts["reach"]
        if reach.value is Three.NO:
            return Judgement(
                jurisdiction=pack.jurisdiction,
                value=Three.YES,
                reached=reach.value,
                findings=(self._conjunct(Three.YES), *reach.findings),
                ends=_date(min(_last(pack.valid.last), reach.ends)),
            )
        in_force, general = self._in_force(), parts["general"]
        grounds = [(one, parts[one.id]) for one in in_force if one.kind != "pointer"]
        value = general.value.and_(any_of([part.value for _, part in grounds]))
        value = value if reach.value is Three.YES else Three.UNKNOWN
        permits = [(one, part.ref) for one, part in grounds if value is Three.YES and part.ref is not None]
        ways: tuple[Way, ...] = ()
        if reach.value is Three.UNKNOWN:
            ways = reach.ways  # what else is needed can be told once it is known whether the law reaches
        elif value is not Three.YES:
            ways = together((general.ways, fewest(way for _, part in grounds for way in part.ways)))
        findings = [*reach.findings, *general.findings, *self._contradictions([one for one, _ in permits])]
        for one in in_force:
            findings += parts[one.id].findings
        ends = min(_last(pack.valid.last), general.ends, _last(permits[0][1].ends)) if permits else END_OF_DAYS
        return Judgement(
            jurisdiction=pack.jurisdiction,
            value=value,
            reached=reach.value,
            findings=(self._conjunct(value, ways), *findings),
            authorities=tuple(ref for _, ref in permits),
            pointers=tuple(self._ref(one, AnyOf(parts=())) for one in in_force if one.kind == "pointer"),
            obligations=self._obligations(permits[0][0]) if permits else (),
            ends=_date(ends),
            ways=ways,
        )

    def _in_force(self) -> list[Authority]:
        return [one for one in self.pack.authorities if one.valid.holds(self.day)]

    def contradicted(self, parts: Mapping[str, Part]) -> bool:
        """Whether some of what holds may contradict the rest."""
        kinds = {one.kind for one in self._in_force() if one.id in parts and parts[one.id].value is Three.YES}
        return self.pack.format > 1 and bool(kinds & {"licence", "agreement"}) and "not_controlled" in kinds

    def _test(self, conditions: tuple[Condition, ...]) -> Test:
        return AllOf(parts=tuple(c.on(self.day) for c in conditions if c.valid.holds(self.day)))

    def _ground(self, authority: Authority) -> Test:
        """An authority of which no condition is in force grants nothing."""
        return self._test(authority.conditions) if any(_in_force(authority.conditions, self.day)) else AnyOf(parts=())

    def _end(self, conditions: tuple[Condition, ...], test: Test) -> Date:
        """The last day on which these conditions hold as they do: one not yet in force asks for more on its first."""
        ahead = [c.valid.first for c in conditions if c.valid.first is not None and c.valid.first > self.day]
        lasts = [_last(c.valid.last) for c in _in_force(conditions, self.day)]
        return min(test.end(self.see), *lasts, *map(_day_before, ahead), END_OF_DAYS)

    def _contradictions(self, permits: list[Authority]) -> Iterator[Finding]:
        """The state licenses what an officer calls uncontrolled: one of the two is wrong, and it is said.

        The answer still rests on the first of them, as ever: it could not hang on a determination being absent, since
        learning a fact must not turn a yes into an unknown. `lint` asks that licences stand first. Format 2.
        """
        granted = [one for one in permits if one.kind in {"licence", "agreement"}]
        free = [one for one in permits if one.kind == "not_controlled"]
        if self.pack.format < 2 or not granted or not free:
            return
        names = [f"licensed.{one.id}" for one in granted]
        for authority in free:
            for test in (test for condition in authority.conditions for test in condition.tests()):
                names += [name for name in test.names() if name.startswith("determined.")]
        words = "one of the two is revoked: the licence, or the determination that nothing controls the item"
        yield Finding(
            rule=f"{self.root}/contradiction",
            value=Three.UNKNOWN,
            facts=tuple(self.see(name) for name in dict.fromkeys(names)),
            deny_code="CONTRADICTION",
            cite="; ".join(one.cite for one in (*granted, *free)),
            needs=(Need(needs=words, of="transferor_officer", kind="revoke"),),
        )

    # findings

    def _conjunct(self, value: Three, ways: tuple[Way, ...] = ()) -> Finding:
        fact = Fact(name=self.root, value=self.pack.id, says=Says.PACK, rests_on=self.pack.digest.hex())
        needs = () if value is Three.YES else _distinct(ways)
        code = "" if value is Three.YES else "NO_AUTHORITY"
        return Finding(rule=self.root, value=value, facts=(fact,), deny_code=code, cite=self.pack.title, needs=needs)

    def _of_authority(self, authority: Authority, test: Test) -> Iterator[Finding]:
        here = f"{self.root}/{authority.id}"
        if authority.kind == "pointer":
            yield Finding(rule=here, value=Three.NO, deny_code="POINTER", cite=authority.cite)
            return
        value = self.see.value(test)
        needs = () if value is Three.YES else self._needs(test, Three.YES)
        code = "" if value is Three.YES else "NO_AUTHORITY"
        yield Finding(rule=here, value=value, deny_code=code, cite=authority.cite, needs=needs)
        yield from self._parts(here, authority.conditions)

    def _parts(self, path: str, conditions: tuple[Condition, ...]) -> Iterator[Finding]:
        for condition in conditions:
            if condition.valid.holds(self.day):
                yield from self._of_condition(f"{path}/{condition.id}", condition)

    def _of_condition(self, here: str, condition: Condition) -> Iterator[Finding]:
        test = condition.on(self.day)
        value = self.see.value(test)
        yield Finding(
            rule=here,
            value=value,
            facts=() if condition.parts else self._facts(test),
            deny_code="" if value is Three.YES else condition.deny_code,
            cite=condition.cite,
            needs=() if value is Three.YES else self._needs(test, Three.YES),
        )
        yield from self._parts(here, condition.parts)
        for row in rows_of(condition.test):
            if (clear := row.clear(self.see)) is not Three.YES:
                facts = self._facts(AllOf(parts=(row.certain, row.possible)))
                rule, code = f"{here}/{row.id}", condition.deny_code
                yield Finding(rule=rule, value=clear, facts=facts, deny_code=code, cite=row.cite)

    def _facts(self, test: Test) -> tuple[Fact, ...]:
        return tuple(self.see(name) for name in dict.fromkeys(test.names()))

    def _needs(self, test: Test, wish: Three) -> tuple[Need, ...]:
        return _distinct(self.see.ways(test, wish))

    # what a yes brings

    def _ref(self, authority: Authority, test: Test) -> AuthorityRef:
        ends = min(_last(authority.valid.last), self._end(authority.conditions, test))
        return AuthorityRef(
            id=authority.id,
            jurisdiction=self.pack.jurisdiction,
            kind=authority.kind,
            title=authority.title,
            cite=authority.cite,
            pack=self.pack.digest.hex(),
            obligations=authority.obligations,
            ends=_date(ends) if authority.kind != "pointer" else None,
        )

    def _obligations(self, authority: Authority) -> tuple[Obligation, ...]:
        conditions = (*self.pack.general, *authority.conditions)
        owed = [c.test.obligation for c in _in_force(conditions, self.day) if isinstance(c.test, Owes)]
        return tuple(self.pack.obligation(each) for each in dict.fromkeys((*owed, *authority.obligations)))


def _in_force(conditions: tuple[Condition, ...], day: Date) -> Iterator[Condition]:
    for condition in conditions:
        if condition.valid.holds(day):
            yield condition
            yield from _in_force(condition.parts, day)


def _distinct(ways: tuple[Way, ...]) -> tuple[Need, ...]:
    found: list[Need] = []
    for way in ways:
        found.extend(need for need in way if need not in found)
    return tuple(found)


def _day_before(day: Date) -> Date:
    return (dt.date.fromisoformat(day) - dt.timedelta(days=1)).isoformat()


def _last(day: Date | None) -> Date:
    return day or END_OF_DAYS


def _date(day: Date) -> Date | None:
    return None if day == END_OF_DAYS else day
