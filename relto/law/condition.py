"""Tests in three values over facts handed in.

A test is a small tree: `all`, `any`, `not` over leaves that read facts. Every leaf is read, also when the answer is
clear before: what a rule reads must not depend on what it finds. Three questions are put to a test:

* `value(see)`: yes, no, or unknown (asked through `see.value(test)`, which remembers it);
* `ways(see, wish)`: the smallest sets of needs that could give it the wished value, none where nothing can (asked
  through `see.ways` too);
* `end(see)`: the last day on which a yes rests as it does, as far as the facts name one.

`said_by` is enforced here: an attestation, determination or licence counts only when an act says it and its speaker
spoke in one of the roles asked for. Said by somebody else, an attestation is as good as none, and a determination is
still to come.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import UnsetType

from relto.charter.text import Date, Money
from relto.law.facts import Fact, Lookup, Need, Says, is_closed, name_of, settled
from relto.law.three import Three, all_of, any_of

WAYS_MAX: Final = 8  # sets of needs kept at each step; the smallest stay
END_OF_DAYS: Final = "9999-12-31"

Way = tuple[Need, ...]


class See:
    """The facts of one question, each looked up once, and what the tests have answered about them so far."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._facts: dict[str, Fact] = {}
        # By identity: one test stands in one place of one pack. The test is kept beside its answer, so that no other
        # can come to have its identity.
        self._values: dict[int, tuple[Test, Three]] = {}
        self._ways: dict[tuple[int, Three], tuple[Test, tuple[Way, ...]]] = {}

    def __call__(self, name: str) -> Fact:
        if name not in self._facts:
            self._facts[name] = settled(self._lookup(name), name)
        return self._facts[name]

    def value(self, test: Test) -> Three:
        if (known := self._values.get(id(test))) is None:
            known = self._values[id(test)] = (test, test.value(self))
        return known[1]

    def ways(self, test: Test, wish: Three) -> tuple[Way, ...]:
        if (known := self._ways.get((id(test), wish))) is None:
            ways = ((),) if self.value(test) is wish else test.ways(self, wish)
            known = self._ways[id(test), wish] = (test, ways)
        return known[1]


def fewest(ways: Iterable[Way]) -> tuple[Way, ...]:
    """The smallest ways, none containing another."""
    kept: list[Way] = []
    for way in sorted(ways, key=len):
        if len(kept) == WAYS_MAX:
            break  # the longer ones would be cut off, and what is kept does not depend on them
        if not any(all(need in way for need in other) for other in kept):
            kept.append(way)
    return tuple(kept)


def together(parts: Iterable[tuple[Way, ...]]) -> tuple[Way, ...]:
    """Ways that satisfy every part."""
    ways: tuple[Way, ...] = ((),)
    for part in parts:
        ways = fewest(way + tuple(need for need in more if need not in way) for way in ways for more in part)
    return ways


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all tests."""

    __test__ = False  # the name is the law's and not pytest's

    def names(self) -> Iterator[str]:
        """Every fact that is read, in reading order."""
        raise NotImplementedError

    def value(self, see: See) -> Three:
        raise NotImplementedError

    def ways(self, see: See, wish: Three) -> tuple[Way, ...]:
        """Asked only where the value is not the wished one."""
        raise NotImplementedError

    def end(self, see: See) -> Date:
        return min((see(name).until or END_OF_DAYS for name in self.names()), default=END_OF_DAYS)


class AllOf(Test, frozen=True, kw_only=True):
    parts: tuple[Test, ...]

    def names(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.names()

    def value(self, see: See) -> Three:
        return all_of([see.value(part) for part in self.parts])

    def ways(self, see: See, wish: Three) -> tuple[Way, ...]:
        found = [see.ways(part, wish) for part in self.parts]
        return together(found) if wish is Three.YES else fewest(way for ways in found for way in ways)

    def end(self, see: See) -> Date:
        return min((part.end(see) for part in self.parts), default=END_OF_DAYS)


class AnyOf(Test, frozen=True, kw_only=True):
    parts: tuple[Test, ...]

    def names(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.names()

    def value(self, see: See) -> Three:
        return any_of([see.value(part) for part in self.parts])

    def ways(self, see: See, wish: Three) -> tuple[Way, ...]:
        found = [see.ways(part, wish) for part in self.parts]
        return fewest(way for ways in found for way in ways) if wish is Three.YES else together(found)

    def end(self, see: See) -> Date:
        holding = [part.end(see) for part in self.parts if see.value(part) is Three.YES]
        return max(holding, default=super().end(see))


class Not(Test, frozen=True, kw_only=True):
    part: Test

    def names(self) -> Iterator[str]:
        yield from self.part.names()

    def value(self, see: See) -> Three:
        return see.value(self.part).not_()

    def ways(self, see: See, wish: Three) -> tuple[Way, ...]:
        return see.ways(self.part, wish.not_())


class Owes(Test, frozen=True, kw_only=True):
    """A paragraph that is met by what goes along with the release: it holds, and the answer names the obligation."""

    obligation: str

    def names(self) -> Iterator[str]:
        yield from ()

    def value(self, see: See) -> Three:
        return Three.YES

    def ways(self, see: See, wish: Three) -> tuple[Way, ...]:
        return ()


class OfFact(Test, frozen=True, kw_only=True):
    """`fact:` with one comparison. `said_by` names who must have said it; nobody in particular when empty.

    listed: the list of paragraphs that `words` were taken from, where the text names one.
    """

    fact: str
    op: str
    words: tuple[str, ...] = ()
    listed: str = ""
    truth: bool = True
    limit: Money | None = None
    said_by: tuple[str, ...] = ()

    def names(self) -> Iterator[str]:
        yield self.fact

    def value(self, see: See) -> Three:
        fact = see(self.fact)
        if isinstance(fact.value, UnsetType):
            return Three.UNKNOWN
        if self.said_by and fact.says.value not in self.said_by and not set(fact.by) & set(self.said_by):
            return Three.UNKNOWN
        match fact.value:
            case bool(truth):
                return Three.of(truth is self.truth)
            case str(word):
                return Three.of(word in self.words)
            case Money() as money:
                return self._at_most(money)
            case tuple(words):
                return self._over(words)
        raise AssertionError(f"`{self.fact}` has no comparison")

    def _at_most(self, money: Money) -> Three:
        if self.limit is None or money.currency != self.limit.currency:
            return Three.UNKNOWN  # rates of exchange are no fact that a party has stated
        return Three.of(money.amount <= self.limit.amount)

    def _over(self, words: tuple[str, ...]) -> Three:
        match self.op:
            case "none":
                return Three.of(not words)
            case "has":
                return Three.of(set(self.words) <= set(words))
            case "within":
                return Three.of(set(words) <= set(self.words))
            case "under":
                return any_of([stands_under(word, self.words) for word in words])
            case "only_under":
                return all_of([stands_under(word, self.words) for word in words])
            case "among":
                return Three.of(all(_tokens(word) in _numbers(self.words) for word in words))
        raise AssertionError(f"`{self.op}` does not compare lists")

    def ways(self, see: See, wish: Three) -> tuple[Way, ...]:
        found = see.value(self)
        known = name_of(self.fact)
        assert known is not None  # the loader refuses other names
        if found is Three.UNKNOWN:
            fact = see(self.fact)
            words = f"`{self.fact}` must be stated" + (f" ({fact.why})" if fact.why else "")
            if not isinstance(fact.value, UnsetType):
                words = f"`{self.fact}` must be stated more closely, or by whom the rule asks"
            detail = {"fact": self.fact} | ({"said_by": " ".join(self.said_by)} if self.said_by else {})
            detail |= {"at_most": str(self.limit)} if self.limit is not None else {}
            return ((Need(needs=words, of=known.supplier, kind=self.fact, detail=detail),),)
        if not known.chosen:
            return ()  # nobody makes an item unclassified, or a party another state, in order to get a yes
        words = f"`{self.fact}` {'one of' if wish is Three.YES else 'none of'} {', '.join(self.words)}"
        detail = {"fact": self.fact, "in" if wish is Three.YES else "not_in": " ".join(self.words)}
        return ((Need(needs=words, of=known.supplier, kind=self.fact, detail=detail),),)


class OfAct(Test, frozen=True, kw_only=True):
    """An attestation, determination or licence: a fact that an act creates, said by one of `said_by`."""

    fact: str
    said_by: tuple[str, ...]

    def names(self) -> Iterator[str]:
        yield self.fact

    def value(self, see: See) -> Three:
        fact = see(self.fact)
        if isinstance(fact.value, UnsetType):
            return Three.UNKNOWN
        if fact.value is not True:
            return Three.NO
        if fact.says is Says.ACT and set(fact.by) & set(self.said_by):
            return Three.YES
        return Three.NO if is_closed(self.fact) else Three.UNKNOWN

    def ways(self, see: See, wish: Three) -> tuple[Way, ...]:
        found = see.value(self)
        kind, _, rest = self.fact.partition(".")
        # Against a determination that says no, and against a yes that one would rather not have, nothing is offered.
        if found is not Three.UNKNOWN and (wish is Three.NO or kind == "determined"):
            return ()
        detail = {"fact": self.fact, "said_by": " ".join(self.said_by)}
        if kind == "determined":
            authority, condition = rest.split(".")
            needs, act = f"a determination of `{condition}` under `{authority}`", "determine"
            detail |= {"authority": authority, "condition": condition}
        elif kind == "licensed":
            needs, act = f"a licence under `{rest}`", "licence"
            detail |= {"authority": rest}
        else:
            attests = rest.removeprefix("attested.")
            needs, act = f"an attestation `{attests}` for the {kind}", "attest"
            detail |= {"attests": attests, "for": kind}
        return ((Need(needs=needs, of=self.said_by[0], kind=act, detail=detail),),)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a list of excluded things, as a test that says the item is *not* in it.

    `certain` is what puts an item in the row beyond doubt; `possible` is what makes somebody look.
    """

    id: str
    says: str
    cite: str
    certain: Test
    possible: Test

    def clear(self, see: See) -> Three:
        looked_at = see.value(self.possible).and_(Three.UNKNOWN)
        return see.value(self.certain).or_(looked_at).not_()


class ClearOf(Test, frozen=True, kw_only=True):
    """No row holds the item beyond doubt, and no row may hold it or an officer has determined that none does.

    INVARIANT: a determination never clears an item that the stated facts put in a row, nor one whose facts are missing.
    """

    rows: tuple[Row, ...]
    whole: Test

    @classmethod
    def of(cls, rows: tuple[Row, ...], determined: OfAct) -> ClearOf:
        beyond_doubt = AllOf(parts=tuple(Not(part=row.certain) for row in rows))
        perhaps = AllOf(parts=tuple(Not(part=row.possible) for row in rows))
        return cls(rows=rows, whole=AllOf(parts=(beyond_doubt, AnyOf(parts=(perhaps, determined)))))

    def names(self) -> Iterator[str]:
        yield from self.whole.names()

    def value(self, see: See) -> Three:
        return see.value(self.whole)

    def ways(self, see: See, wish: Three) -> tuple[Way, ...]:
        return see.ways(self.whole, wish)

    def end(self, see: See) -> Date:
        return self.whole.end(see)


# --- control entries -------------------------------------------------------------------------------------------------

_TOKENS: Final = re.compile(r"[A-Za-z0-9]+")


@functools.lru_cache(maxsize=4096)
def _tokens(entry: str) -> tuple[str, ...]:
    return tuple(token.casefold() for token in _TOKENS.findall(entry))


@functools.lru_cache(maxsize=64)
def _numbers(paragraphs: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(map(_tokens, paragraphs))


def stands_under(entry: str, paragraphs: tuple[str, ...]) -> Three:
    """Whether `entry` stands in one of `paragraphs` or below it. Above one, it might: classify deeper.

    Compared token by token: `XI(a)(1)` holds `XI(a)(1)(ii)` and not `XI(a)(10)`; `X` does not hold `XI`.
    """
    mine, found = _tokens(entry), Three.NO
    for paragraph in paragraphs:
        theirs = _tokens(paragraph)
        if mine[: len(theirs)] == theirs:
            return Three.YES
        if theirs[: len(mine)] == mine:
            found = Three.UNKNOWN
    return found
