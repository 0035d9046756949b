"""Labels and how they combine.

A label is a product over national systems (contracts 13): per system the set of maximal levels, one set of states it
may be released to, restrictive tags. Nothing is mapped from one system into another here; that happens when a banner
is written for one system and when a clearance is compared.

* `rel` has three forms: unset (unmarked: the owning parties only), a set of country codes, and the empty set: nobody.
  The STANAG 4774 rules that drop an empty "releasable to" category are the trap this form exists for
  (data/markings.yaml, stanag_4774 caution).
* `combine` is commutative, associative and idempotent, and the result never admits anyone whom one of its inputs keeps
  out.
* `display` (DISPLAY ONLY) never permits a key.
* A label is in normal form or it is refused: sorted, each entry once, bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from relto.errors import Malformed

Answer = Literal["yes", "no", "unknown"]

LEVELS_MAX, CODES_MAX, TAGS_MAX, TAG_CHARS_MAX, LEVEL_CHARS_MAX = 64, 300, 64, 64, 64

_SYSTEM = re.compile(r"[A-Z]{3,8}", re.ASCII)
_LEVEL = re.compile(r"[A-Za-z][A-Za-z0-9:-]*(?: [A-Za-z0-9:-]+)*", re.ASCII)
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_TAG = re.compile(r"[A-Z0-9][A-Z0-9/-]*(?: [A-Z0-9/-]+)*", re.ASCII)

# Tags that name who may see it. The nationality test does the work, so a label that carries one must also say it in
# `rel`.
ONLY = MappingProxyType({"NOFORN": "USA", "SBU NOFORN": "USA", "LES NOFORN": "USA", "AUSTEO": "AUS", "AGAO": "AUS"})

# Tags that say how to handle it, not who may have it: the owner's own decision, the purpose and the nationality test
# cover them. Every other tag is a compartment, and a recipient that does not hold it is refused.
HANDLING = frozenset(
    [
        *ONLY,
        "EYES ONLY",
        "JOINT",
        "ORCON",
        "PROPIN",
        "RELIDO",
        "FOUO",
        "IMCON",
        "RSEN",
        "FISA",
        "DEA SENSITIVE",
        "FGI",
        "LIMDIS",
        "SBU",
        "LES",
        "SSI",
    ]
)


def must_hold(tag: str) -> bool:
    """Does a recipient need to hold this tag? True for everything not known to be mere handling."""
    return not (tag in HANDLING or tag.startswith(("CUI/", "FGI ")))


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One level of one system: GBR SECRET, NATO RESTRICTED."""

    system: str
    level: str

    def __post_init__(self) -> None:
        if not _SYSTEM.fullmatch(self.system):
            raise Malformed(
                f"`{self.system[:32]}` is not a classification system", hint="a code such as `GBR` or `NATO`"
            )
        if len(self.level) > LEVEL_CHARS_MAX or not _LEVEL.fullmatch(self.level):
            raise Malformed(f"`{self.level[:LEVEL_CHARS_MAX]}` is not a classification level")

    def __str__(self) -> str:
        return f"{self.system} {self.level}"


class System(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order within one national system.

    Several ladders make a partial order (Canada's PROTECTED A-C stand beside CONFIDENTIAL).
    """

    name: str
    ladders: tuple[tuple[str, ...], ...]
    classified_from: str = ""
    legacy: tuple[str, ...] = ()
    clause: str = ""

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(level for ladder in self.ladders for level in ladder))

    def at_most(self, low: str, high: str) -> Answer:
        """Is `low` at most `high`?

        Levels of different ladders, and levels not in the system, are not comparable: unknown.
        """
        known = self.levels
        if low not in known or high not in known:
            return "unknown"
        if low == high or high in self._above(low):
            return "yes"
        return "no" if low in self._above(high) else "unknown"

    def _above(self, level: str) -> frozenset[str]:
        # Ladders may share rungs, so follow the steps up until nothing new is reached.
        found: set[str] = set()
        ahead = [level]
        while ahead:
            here = ahead.pop()
            for ladder in self.ladders:
                if here in ladder:
                    ahead += [up for up in ladder[ladder.index(here) + 1 :] if up not in found]
                    found.update(ladder[ladder.index(here) + 1 :])
        return frozenset(found)


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an item or a part of it is marked with. In acts: JSON with exactly these fields, defaults left out."""

    levels: tuple[Level, ...]
    rel: tuple[str, ...] | UnsetType = UNSET
    tags: tuple[str, ...] = ()
    display: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.levels:
            raise Malformed("a label has at least one level", where="levels")
        _normal("levels", self.levels, sorted(set(self.levels), key=_level_key), LEVELS_MAX)
        if not isinstance(self.rel, UnsetType):
            _codes("rel", self.rel)
        _codes("display", self.display)
        _normal("tags", self.tags, sorted(set(self.tags)), TAGS_MAX)
        for tag in self.tags:
            if len(tag) > TAG_CHARS_MAX or not _TAG.fullmatch(tag):
                raise Malformed(f"`{tag[:TAG_CHARS_MAX]}` is not a tag", where="tags")
            # INVARIANT: a tag that names one nation never stands beside a wider `rel`.
            if tag in ONLY and (
                isinstance(self.rel, UnsetType) or not {ONLY[tag]}.issuperset(self.rel) or self.display
            ):
                raise Malformed(
                    f"`{tag}` stands beside a release to others",
                    hint=f"set rel to `{ONLY[tag]}` or nobody",
                    where="rel",
                )

    @classmethod
    def of(
        cls,
        levels: Iterable[Level],
        *,
        rel: Iterable[str] | UnsetType = UNSET,
        tags: Iterable[str] = (),
        display: Iterable[str] = (),
    ) -> Label:
        """A label in normal form from parts in any order."""
        return cls(
            levels=tuple(sorted(set(levels), key=_level_key)),
            rel=rel if isinstance(rel, UnsetType) else tuple(sorted(set(rel))),
            tags=tuple(sorted(set(tags))),
            display=tuple(sorted(set(display))),
        )

    def released_to(self, owners: frozenset[str]) -> frozenset[str]:
        """The states whose nationals may receive it. Unmarked means the owning parties only."""
        return owners if isinstance(self.rel, UnsetType) else frozenset(self.rel)


def in_words(label: Label) -> str:
    """A label in one line that every label has, in no state's grammar: levels, tags, and to whom it is released."""
    parts = [", ".join(map(str, label.levels)), *label.tags]
    if isinstance(label.rel, UnsetType):
        parts.append("released to its owners only")
    else:
        parts.append(f"released to {', '.join(label.rel) or 'nobody'}")
    parts += [f"display only to {', '.join(label.display)}"] if label.display else []
    return "; ".join(parts)


def marked(label: Label, owners: frozenset[str]) -> Label:
    """The same label with unmarked written out as the owners.

    Do this before combining things that different parties own.
    """
    return Label.of(label.levels, rel=label.released_to(owners), tags=label.tags, display=label.display)


def combine(
    first: Label, *rest: Label, owners: frozenset[str], systems: Mapping[str, System] = MappingProxyType({})
) -> Label:
    """The label of something made from all of these.

    `owners` are the codes of the parties that own every unmarked one of them; when the owners differ, apply `marked`
    first. `systems` say which levels lie above which; levels of a system not given are all kept, which is stricter,
    never wider.
    """
    labels = (first, *rest)
    rel: frozenset[str] | UnsetType = UNSET
    if any(not isinstance(label.rel, UnsetType) for label in labels):
        rel = frozenset.intersection(*(label.released_to(owners) for label in labels))
    return Label.of(
        maximal((level for label in labels for level in label.levels), systems),
        rel=rel,
        tags=(tag for label in labels for tag in label.tags),
        display=frozenset.intersection(*(frozenset(label.display) for label in labels)),
    )


def maximal(levels: Iterable[Level], systems: Mapping[str, System]) -> tuple[Level, ...]:
    """The levels that lie below no other of their own system."""
    every = sorted(set(levels), key=_level_key)
    return tuple(
        low
        for low in every
        if not any(
            low.system == high.system
            and low != high
            and low.system in systems
            and systems[low.system].at_most(low.level, high.level) == "yes"
            for high in every
        )
    )


def _level_key(level: Level) -> tuple[str, str]:
    return (level.system, level.level)


def _normal(field: str, given: tuple[object, ...], wanted: list[Level] | list[str], limit: int) -> None:
    if len(given) > limit:
        raise Malformed(f"more than {limit} entries", where=field)
    if list(given) != wanted:
        raise Malformed("entries are sorted and each stands once", where=field)


def _codes(field: str, codes: tuple[str, ...]) -> None:
    _normal(field, codes, sorted(set(codes)), CODES_MAX)
    for code in codes:
        if not _CODE.fullmatch(code):
            raise Malformed(
                f"`{code[:8]}` is not a three-letter country code",
                hint="write the members of a group out: membership changes",
                where=field,
            )
