"""What the banner grammars share: a line being read, where it is wrong, and lists of states.

Two kinds of wrong. A *fault* leaves one thing the line can mean: reading goes on, and the refusal carries the
corrected banner. A *stop* leaves the meaning to the author. In both cases the first thing found is what is reported,
with its column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from relto.errors import Malformed, Refused
from relto.label.equivalence import Equivalence, Group, expand
from relto.label.label import ONLY, Label, Level

# The last day on which each word was in use (ISM-ID-00189: vocabularies are versioned in time). UK: the
# classifications of 2 April 2014. Australia: the end of the change-over of 2018-10 to 2020-10 (general knowledge).
# FOUO: DoD Instruction 5200.48 of 2020-03-06 (general knowledge).
LAST_DAY: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("GBR", "PROTECT"): "2014-04-01",
        ("GBR", "RESTRICTED"): "2014-04-01",
        ("GBR", "CONFIDENTIAL"): "2014-04-01",
        ("AUS", "RESTRICTED"): "2020-09-30",
        ("AUS", "CONFIDENTIAL"): "2020-09-30",
        ("AUS", "HIGHLY PROTECTED"): "2020-09-30",
        ("USA", "FOUO"): "2020-03-05",
    }
)

NATO_LEVELS = MappingProxyType(
    {
        "NATO UNCLASSIFIED": "NU",
        "NATO RESTRICTED": "NR",
        "NATO CONFIDENTIAL": "NC",
        "NATO SECRET": "NS",
        "COSMIC TOP SECRET": "CTS",
    }
)
NATO_SPECIAL = ("ATOMAL", "BALK", "BOHEMIA")
UK_LEVELS = ("OFFICIAL", "OFFICIAL-SENSITIVE", "SECRET", "TOP SECRET")
AU_LEVELS = ("OFFICIAL", "OFFICIAL: Sensitive", "PROTECTED", "SECRET", "TOP SECRET")

# Canada: PROTECTED A to C stand beside the ladder of CONFIDENTIAL, SECRET, TOP SECRET (general knowledge).
CA_LEVELS = ("UNCLASSIFIED", "PROTECTED A", "PROTECTED B", "PROTECTED C", "CONFIDENTIAL", "SECRET", "TOP SECRET")
NZ_LEVELS = ("UNCLASSIFIED", "IN-CONFIDENCE", "SENSITIVE", "RESTRICTED", "CONFIDENTIAL", "SECRET", "TOP SECRET")
# Japan writes its levels in its own script; a Specially Designated Secret (since 2014-12-10) lies across them.
JP_LEVELS = MappingProxyType(
    {"Hi": "\u79d8", "Gokuhi": "\u6975\u79d8", "Kimitsu": "\u6a5f\u5bc6", "Tokutei Himitsu": "\u7279\u5b9a\u79d8\u5bc6"}
)
JP_DESIGNATED = ("Tokutei Himitsu", "2014-12-10")

_CODE = re.compile(r"[A-Z]{3,4}", re.ASCII)
_SHORT = MappingProxyType({"UK": "GBR", "US": "USA", "AU": "AUS", "CA": "CAN", "NZ": "NZL"})


class Part(NamedTuple):
    text: str
    column: int

    def shown(self) -> str:
        return f"`{self.text[:48]}`"


def cut(text: str, by: str, column: int) -> list[Part]:
    """The pieces between separators, each with the column it begins at."""
    parts: list[Part] = []
    for piece in text.split(by):
        parts.append(Part(piece, column))
        column += len(piece) + len(by)
    return parts


def malformed(rule: str, column: int, words: str, *, hint: str = "") -> Malformed:
    return Malformed(f"{rule}: {words}", hint=hint, where=f"column {column}")


class Reading:
    """One banner being read: what it says so far, and what was wrong with it."""

    def __init__(self, text: str, groups: Iterable[Group], day: str | None, *, portion: bool = False) -> None:
        self.text, self.groups, self.day, self.portion = text, tuple(groups), day, portion
        self.wrong: list[Malformed] = []
        self.levels: list[Level] = []
        self.rel: tuple[str, ...] | UnsetType = UNSET
        self.tags: list[str] = []
        self.display: tuple[str, ...] = ()

    def fault(self, rule: str, column: int, words: str) -> None:
        """Wrong, and there is one thing it can mean: read on."""
        self.wrong.append(malformed(rule, column, words))

    def stop(self, rule: str, column: int, words: str) -> Malformed:
        """Wrong, and only its author knows what it means. Returned, for the caller to raise."""
        return self.wrong[0] if self.wrong else malformed(rule, column, words)

    def label(self, write: Callable[[Label], str]) -> Label:
        """What was read, or the first fault with the banner to write instead."""
        rel = self.rel
        for tag in self.tags:
            if tag in ONLY:
                rel = (ONLY[tag],)
        label = Label.of(self.levels, rel=rel, tags=self.tags, display=self.display)
        if not self.wrong:
            return label
        first = self.wrong[0]
        try:
            hint = f"write `{write(label)}`"
        except Refused:
            hint = ""
        raise Malformed(first.message, hint=hint, where=first.where)

    def in_use(self, system: str, word: str, column: int) -> None:
        last = LAST_DAY.get((system, word))
        if last is not None and self.day is not None and self.day > last:
            raise self.stop("ISM-ID-00189", column, f"`{word}` has not been used by `{system}` since {last}")

    def codes(self, listed: Sequence[Part]) -> list[str]:
        """Country and group codes as written, each once."""
        codes: list[str] = []
        for part in listed:
            code = part.text
            if code in _SHORT:
                self.fault("relto.code", part.column, f"`{code}` is written `{_SHORT[code]}` here")
                code = _SHORT[code]
            if not _CODE.fullmatch(code):
                raise self.stop("relto.code", part.column, f"{part.shown()} is not a country code")
            if code in codes:
                self.fault("relto.repeated", part.column, f"`{code}` stands twice")
                continue
            codes.append(code)
        return codes

    def in_order(self, rule: str, column: int, given: Sequence[str], key: Callable[[str], Any], words: str) -> None:
        if list(given) != sorted(given, key=key):
            self.fault(rule, column, words)

    def expanded(self, codes: Sequence[str], column: int) -> tuple[str, ...]:
        try:
            return expand(codes, self.groups, self.day)
        except Refused as error:
            raise malformed("relto.group", column, error.message, hint=error.hint) from None


def a_to_z(code: str) -> tuple[int, str]:
    """Trigraphs A-Z, then tetragraphs A-Z."""
    return (len(code), code)


def home_first(home: str) -> Callable[[str], tuple[bool, int, str]]:
    """One state first, then trigraphs A-Z, then tetragraphs A-Z (ISM-ID-00041 for the USA)."""
    return lambda code: (code != home, len(code), code)


def held_in(label: Label, system: str, order: Sequence[str], equivalence: Equivalence | None) -> str:
    """The one level of `system` that covers every level of the label:

    each held as the equivalence says, then the highest.
    """
    held: list[str] = []
    for level in label.levels:
        there = level if level.system == system else equivalence.hold_as(level, system) if equivalence else None
        if there is None:
            hint = f"ask the originator, `{level.system}`"
            raise Refused(f"nothing says how `{level}` is held in `{system}`", hint=hint)
        if there.level not in order:
            raise Refused(f"`{there}` is not a level of `{system}` banners", hint="relabel it first")
        held.append(there.level)
    return max(held, key=order.index)


def states_of(label: Label, system: str) -> tuple[str, ...] | None:
    """The states of the release; None when unmarked. No banner of any system says `nobody`."""
    if isinstance(label.rel, UnsetType):
        return None
    if not label.rel:
        raise Refused(
            f"the label is released to nobody, and no `{system}` banner says that", hint="ask the owners to relabel it"
        )
    if system not in label.rel:
        raise Refused(f"the label is not released to `{system}`, and a banner of its own always is")
    return label.rel
