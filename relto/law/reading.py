"""A pack in words, for a day: as a lawyer reads a paragraph, with what is tested and who may say it below each line.

Words only: nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from relto.charter.text import Date, Span
from relto.law.condition import AllOf, AnyOf, ClearOf, Not, OfAct, OfFact, Owes, Test
from relto.law.pack import Authority, Condition, Obligation, Pack

WORDS_MAX: Final = 12  # words of a list that are written out
_OPS: Final = {
    "is": "is",
    "in": "is one of",
    "has": "contains",
    "within": "holds nothing but",
    "under": "stands in, or below, one of",
    "only_under": "stands as a whole in, or below,",
    "among": "holds only numbers of",
}
_WHO: Final = {
    "transferor_officer": "an officer of the transferor",
    "transferor_party": "the transferor's party",
    "recipient_party": "the recipient's party",
    "owner": "an owner",
    "state": "the state whose law it is",
}
_LEAD: Final = {
    "exemption": "No licence is needed where all of this holds:",
    "open_licence": "Open to whoever meets all of this:",
    "licence": "A licence counts where all of this holds:",
    "agreement": "The agreement counts where all of this holds:",
    "not_controlled": "Nothing is asked for where all of this holds:",
}


def words_of(test: Test) -> str:
    """A test as a clause: `place.destination is one of AUS, GBR`."""
    match test:
        case AllOf(parts=parts):
            return " and ".join(_apart(part, AnyOf) for part in parts)
        case AnyOf(parts=parts):
            return " or ".join(_apart(part, AllOf) for part in parts) or "never"
        case Not(part=part):
            return f"not ({words_of(part)})"
        case OfFact():
            return _of_fact(test)
        case OfAct(fact=fact, said_by=said_by):
            by = " or ".join(_WHO[role] for role in said_by)
            kind, _, rest = fact.partition(".")
            if kind == "determined":
                return f"{by} has determined `{rest}`"
            if kind == "licensed":
                return f"a `{rest}` is held, granted by {by}"
            by = " or ".join("its own party" if role == f"{kind}_party" else _WHO[role] for role in said_by)
            return f"{by} attests `{rest.removeprefix('attested.')}` of the {kind}"
        case ClearOf(rows=rows):
            return f"no row of the list holds it ({len(rows)} rows), or it is determined where the facts leave it open"
        case Owes(obligation=obligation):
            return f"met by what goes with the release: `{obligation}`"
    raise AssertionError(f"{type(test).__name__} has no words")


def _apart(test: Test, looser: type[Test]) -> str:
    return f"({words_of(test)})" if isinstance(test, looser) else words_of(test)


def _of_fact(test: OfFact) -> str:
    by = f", said by {' or '.join(test.said_by)}" if test.said_by else ""
    if test.limit is not None:
        return f"`{test.fact}` is at most {test.limit}{by}"
    if test.op == "none":
        return f"`{test.fact}` is stated to be empty{by}"
    if not test.words:
        return f"`{test.fact}` is {'true' if test.truth else 'false'}{by}"
    if test.listed:
        return f"`{test.fact}` {_OPS[test.op]} the list `{test.listed}`{by}"
    more = f" and {len(test.words) - WORDS_MAX} more" if len(test.words) > WORDS_MAX else ""
    return f"`{test.fact}` {_OPS[test.op]} {', '.join(test.words[:WORDS_MAX])}{more}{by}"


def read_pack(pack: Pack, day: Date) -> tuple[str, ...]:
    """The whole pack as it is the law on the day."""
    lines = [*read_head(pack, day), "", f"Reaches a transfer where {words_of(pack.reaches)}.", ""]
    if pack.general:
        lines += ["Binds every authority below:", *_conditions(pack.general, day, 1), ""]
    for authority in pack.authorities:
        if authority.valid.holds(day):
            lines += [*read_authority(pack, authority, day), ""]
    return tuple(lines[:-1])


def read_head(pack: Pack, day: Date) -> tuple[str, ...]:
    over = "" if pack.valid.holds(day) else f", and not the law on {day}"
    return (
        f"{pack.title} ({pack.id}), the law of {pack.jurisdiction} for {_span(pack.valid)}{over}",
        f"Restated from {pack.source}.",
    )


def read_authority(pack: Pack, authority: Authority, day: Date) -> tuple[str, ...]:
    """One authority as it stands on the day, condition by condition, with what comes with a yes."""
    lines = [f"{authority.cite}: {authority.title} [{authority.id}; {authority.kind}; {_span(authority.valid)}]"]
    if not authority.valid.holds(day):
        return (*lines, f"Not in force on {day}.")
    lines += [f"  Note: {note}" for note in authority.notes]
    if authority.kind == "pointer":
        return (*lines, "  A pointer: it is known to exist, its conditions are not run, and it never permits.")
    lines += [f"  {_LEAD[authority.kind]}", *_conditions(authority.conditions, day, 2)]
    if pack.general:
        ids = ", ".join(one.id for one in pack.general if one.valid.holds(day))
        lines.append(f"  And what binds every authority: {ids}.")
    owed = [test.obligation for one in authority.conditions for test in one.tests() if isinstance(test, Owes)]
    for name in dict.fromkeys((*owed, *authority.obligations)):
        lines.append("  " + words_of_obligation(pack.obligation(name)))
    return tuple(lines)


def words_of_obligation(one: Obligation) -> str:
    when = f"{one.when} the release" if one.when else "with a yes"
    kept = f" ({one.years} years)" if one.years is not None else ""
    return f"Owed {when}: {one.says}{kept} [{one.cite}; {one.id}]"


def _conditions(conditions: tuple[Condition, ...], day: Date, depth: int) -> Iterator[str]:
    pad = "  " * depth
    for one in conditions:
        if not one.valid.holds(day):
            continue
        dated = f" (text of {_span(one.valid)})" if one.valid != Span() else ""
        yield f"{pad}{one.cite}: {one.rule}{dated} [{one.id}]"
        if one.each:
            # Both sides read the same; the transferor's reading stands for both.
            yield f"{pad}  asked of transferor and recipient, each for itself:"
            side = one.parts[0]
            if side.test is not None:
                yield f"{pad}    {words_of(side.test).replace('transferor', 'party')}"
            yield from (line.replace("transferor", "party") for line in _conditions(side.parts, day, depth + 2))
        elif one.test is not None:
            yield f"{pad}  {words_of(one.test)}"
            if isinstance(one.test, ClearOf):
                yield from (f"{pad}    {row.cite}: {row.says} [{row.id}]" for row in one.test.rows)
        else:
            yield f"{pad}  {'one' if one.join == 'any' else 'all'} of these holds:"
            yield from _conditions(one.parts, day, depth + 2)


def _span(span: Span) -> str:
    return str(span) if span != Span() else "always"


def named(pack: Pack, name: str) -> Authority | None:
    """An authority by its id or another name; `us-itar-126.7` finds `us-itar-126-7`."""
    plain = name.casefold().replace(".", "-")
    return next((one for one in pack.authorities if plain in {one.id, *_plain(one.also)}), None)


def _plain(names: tuple[str, ...]) -> Iterator[str]:
    yield from (name.casefold().replace(".", "-") for name in names)
