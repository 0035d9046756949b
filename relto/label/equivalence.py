"""How levels of different systems compare: directed, pair by pair, never through one ladder.

* A `Hold` says how a level that one system originated is held in another. It does not follow that the way back is the
  same, nor that two steps make a third: nothing is inverted and nothing is chained.
* A pair that nobody has written down is `unknown`, and so is one that is referred to the originator. Guessing down is
  never an answer.
* Below the level from which a system calls a thing classified nobody needs a clearance.
* Groups (FVEY) have members with dates. They are written out for a day before any set is compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from relto.errors import Malformed, Refused
from relto.label.label import Answer, Level, System

Action = Literal["hold", "refuse", "refer"]
How = Literal["own", "exact", "rounded", "next"]

_GROUP = re.compile(r"[A-Z]{4}", re.ASCII)
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`level`, originated by its system, is held in `system` as `hold_as`; or is refused there; or only the originator
    can say.
    """

    level: Level
    system: str
    action: Action = "hold"
    hold_as: str = ""
    exact: bool = True
    clause: str = ""

    def __post_init__(self) -> None:
        if self.level.system == self.system:
            raise Malformed(f"`{self.system}` does not hold its own levels as others")
        if (self.action == "hold") != bool(self.hold_as):
            raise Malformed(
                f"`{self.level}` in `{self.system}`: a level to hold it as, or refuse, or refer to the originator"
            )


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A level as another system holds it. how: its own level, exact, rounded up as agreed, or as the next higher level
    of which an agreement is known.
    """

    level: Level
    held: Level
    how: How
    clause: str = ""


class Clearance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A clearance by its name in its own system (GBR SC) and the highest level it covers."""

    system: str
    name: str
    covers: str
    clause: str = ""


class Equivalence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The systems of a charter, how each holds the others' levels, and what each clearance covers."""

    systems: tuple[System, ...] = ()
    holds: tuple[Hold, ...] = ()
    clearances: tuple[Clearance, ...] = ()
    clause: str = ""

    def __post_init__(self) -> None:
        for what, keys in (
            ("system", [(s.name,) for s in self.systems]),
            ("pair", [(h.level.system, h.level.level, h.system) for h in self.holds]),
            ("clearance", [(c.system, c.name) for c in self.clearances]),
        ):
            seen: set[tuple[str, ...]] = set()
            for key in keys:
                if key in seen:
                    raise Malformed(f"the {what} `{' '.join(key)}` stands twice")
                seen.add(key)

    @property
    def by_name(self) -> Mapping[str, System]:
        return MappingProxyType({system.name: system for system in self.systems})

    def hold(self, level: Level, system: str) -> Hold | None:
        """What is written about holding `level` in another system; None when nothing is."""
        return next((h for h in self.holds if h.level == level and h.system == system), None)

    def hold_as(self, level: Level, system: str) -> Level | None:
        """The level in `system` as which `level` is held, when that is settled."""
        if level.system == system:
            return level
        hold = self.hold(level, system)
        return Level(system=system, level=hold.hold_as) if hold is not None and hold.action == "hold" else None

    def held(self, level: Level, system: str, *, up: bool = False) -> Held:
        """How `level` is held in `system`.

        up: where nothing is written about the pair, hold it as the next higher level of which something is. What only
        the originator can say, and what is refused, stays so.

        Raises: Refused naming the pair and whom to ask.
        """
        if level.system == system:
            return Held(level=level, held=level, how="own")
        hold = self.hold(level, system)
        if hold is None and up:
            higher = self._next_known(level, system)
            if higher is not None:
                return Held(
                    level=level,
                    held=Level(system=system, level=higher.hold_as),
                    how="next",
                    clause=higher.clause,
                )
        if hold is None:
            raise Refused(
                f"nothing says how `{level}` is held in `{system}`", hint=f"ask the originator, `{level.system}`"
            )
        if hold.action != "hold":
            words = "is refused in" if hold.action == "refuse" else "is referred to its originator by"
            raise Refused(
                f"`{level}` {words} `{system}`", hint=f"ask the originator, `{level.system}`", where=hold.clause
            )
        how: How = "exact" if hold.exact else "rounded"
        return Held(level=level, held=Level(system=system, level=hold.hold_as), how=how, clause=hold.clause)

    def _next_known(self, level: Level, system: str) -> Hold | None:
        """The lowest level above this one, on its own ladders, that `system` holds; only where ladders agree on one."""
        own = self.by_name.get(level.system)
        found: list[Hold] = []
        for ladder in own.ladders if own is not None else ():
            if level.level in ladder:
                above = (Level(system=level.system, level=one) for one in ladder[ladder.index(level.level) + 1 :])
                holds = (hold for one in above if (hold := self.hold(one, system)) and hold.action == "hold")
                found += [hold for hold in (next(holds, None),) if hold is not None]
        return found[0] if len({hold.hold_as for hold in found}) == 1 else None

    def at_most(self, held: Level, ceiling: Level) -> Answer:
        """Is `held`, as the ceiling's system would hold it, at most the ceiling?"""
        system = self.by_name.get(ceiling.system)
        if system is None:
            return "unknown"
        if held.system != ceiling.system:
            hold = self.hold(held, ceiling.system)
            if hold is not None and hold.action == "refuse":
                return "no"
        there = self.hold_as(held, ceiling.system)
        return "unknown" if there is None else system.at_most(there.level, ceiling.level)

    def covers(self, clearance: Level, held: Level) -> Answer:
        """Does a clearance of its system cover this level?

        A clearance is named as its system names it (SC) or by a level (SECRET).
        """
        named = next((c for c in self.clearances if (c.system, c.name) == (clearance.system, clearance.level)), None)
        return self.at_most(held, Level(system=named.system, level=named.covers) if named is not None else clearance)

    def needs_clearance(self, held: Level) -> bool:
        """False only for a level that its own system places below what it calls classified."""
        system = self.by_name.get(held.system)
        if system is None or not system.classified_from:
            return True
        return system.at_most(system.classified_from, held.level) != "no"


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who belongs to a tetragraph, from one day to another (both inclusive; empty: open)."""

    id: str
    members: tuple[str, ...]
    first: str = ""
    last: str = ""
    clause: str = ""

    def __post_init__(self) -> None:
        if not _GROUP.fullmatch(self.id):
            raise Malformed(f"`{self.id[:8]}` is not a four-letter group")
        if not self.members or list(self.members) != sorted(set(self.members)):
            raise Malformed(f"the members of `{self.id}` are sorted, each once, and at least one")
        for code in self.members:
            if not _CODE.fullmatch(code):
                raise Malformed(f"`{code[:8]}` is not a three-letter country code")
        for day in (self.first, self.last):
            if day and not _DAY.fullmatch(day):
                raise Malformed(f"`{day[:16]}` is not a date", hint="write it as YYYY-MM-DD")

    def holds_on(self, day: str) -> bool:
        return (not self.first or self.first <= day) and (not self.last or day <= self.last)


def expand(codes: Iterable[str], groups: Iterable[Group], day: str | None) -> tuple[str, ...]:
    """Country codes with each group replaced by its members on the day:

    sorted, each once. A group not known on that day is refused.
    """
    if day is not None and not _DAY.fullmatch(day):
        raise Malformed(f"`{day[:16]}` is not a date", hint="write it as YYYY-MM-DD")
    known = tuple(groups)
    out: set[str] = set()
    for code in codes:
        if _CODE.fullmatch(code):
            out.add(code)
            continue
        group = next((g for g in known if g.id == code and day is not None and g.holds_on(day)), None)
        if group is None:
            when = f"on {day}" if day is not None else "without a day"
            raise Refused(f"the members of `{code[:8]}` are not known {when}", hint="write the countries out")
        out.update(group.members)
    return tuple(sorted(out))
