"""Banner lines: what people write at the head of a page, read into a `Label` and written back.

Seven grammars, each named by the system whose convention it is: `USA` (classified, CUI, the `//` forms for foreign,
joint and NATO material, and the markings of the defence trade treaties), `GBR`, `AUS`, `CAN`, `NZL`, `JPN`, `NATO`.

* `banner(parse(x, system=s), s) == x` for every banner in canonical spelling.
* A wrong banner is refused with the rule it breaks, the column, and, where there is only one thing it can mean, the
  banner to write instead. A correction never adds a state, drops a marking or chooses between two markings that
  exclude one another.
* Only ASCII, but for the levels of Japan. A Cyrillic letter that looks like ours is named, never read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

import msgspec
from msgspec import UnsetType

from relto.errors import Malformed, Refused, ReltoError
from relto.label import national, us
from relto.label.equivalence import Equivalence, Group, Held, Hold
from relto.label.label import Label
from relto.label.reading import JP_LEVELS, NATO_LEVELS, Reading, home_first, malformed

BANNER_CHARS_MAX = 4096

_READERS: Mapping[str, Callable[[Reading], Label]] = MappingProxyType(
    {
        "USA": us.read,
        "GBR": national.read_uk,
        "AUS": national.read_au,
        "CAN": partial(national.read_own_eyes, system="CAN"),
        "NZL": partial(national.read_own_eyes, system="NZL"),
        "JPN": national.read_jp,
        "NATO": national.read_nato,
    }
)
_WRITERS: Mapping[str, Callable[[Label, Equivalence | None], str]] = MappingProxyType(
    {
        "USA": us.write,
        "GBR": national.write_uk,
        "AUS": national.write_au,
        "CAN": lambda label, equivalence: national.write_own_eyes(label, "CAN", equivalence),
        "NZL": lambda label, equivalence: national.write_own_eyes(label, "NZL", equivalence),
        "JPN": national.write_jp,
        "NATO": national.write_nato,
    }
)
SYSTEMS = tuple(_READERS)


def parse(text: str, *, system: str | None = None, groups: Iterable[Group] = (), day: str | None = None) -> Label:
    """The label a banner line says.

    `system` is the convention it is written in; without it the line must leave no doubt. Groups are written out as
    their members on `day`; words no longer used on `day` are refused (without a day all words are read).

    Raises Malformed with the rule, the column and, where it is certain, the corrected banner as hint.
    """
    known = tuple(groups)
    _plain(text, lambda fixed: parse(fixed, system=system, groups=known, day=day))
    convention = system if system is not None else _convention(text)
    if convention not in _READERS:
        hint = "the US form `//JPN SECRET` says it for any state"
        raise malformed("relto.system", 1, f"no banner grammar for `{convention[:16]}`", hint=hint)
    return _read(text, convention, lambda spelling: Reading(spelling, known, day))


def parse_portion(
    text: str, *, banner: Label | None = None, groups: Iterable[Group] = (), day: str | None = None
) -> Label:
    """The label a US portion mark says: `(S//REL TO USA, AUS, GBR)`.

    `(S//REL)` repeats the list of the banner of its page, which the caller gives.
    """
    known = tuple(groups)
    _plain(text, lambda fixed: parse_portion(fixed, banner=banner, groups=known, day=day))
    if not (text.startswith("(") and text.endswith(")") and len(text) > 2):
        raise malformed("relto.portion", 1, "a portion mark stands in round brackets", hint="for example `(S//NF)`")
    if text.endswith("//REL)"):
        if banner is None or isinstance(banner.rel, UnsetType) or len(banner.rel) < 2:
            words = "`REL` without a list repeats the banner's, and the banner has none"
            raise malformed("ISM-ID-00031", len(text) - 3, words, hint="name the states")
        text = f"{text[:-1]} TO {', '.join(sorted(banner.rel, key=home_first('USA')))})"
    return _read(text, "USA", lambda spelling: Reading(spelling, known, day, portion=True))


def banner(label: Label, system: str, *, equivalence: Equivalence | None = None) -> str:
    """The banner line of one system for a label.

    Levels of other systems are held as the equivalence says: rounded up, or refused.

    Raises Refused when that system's banner cannot say the label without letting someone else in.
    """
    if system not in _WRITERS:
        raise Refused(f"no banner grammar for `{system[:16]}`", hint=f"one of {', '.join(SYSTEMS)}")
    line = _WRITERS[system](label, equivalence)
    _read_back(label, system, lambda: parse(line, system=system))
    return line


def portion(label: Label, *, equivalence: Equivalence | None = None) -> str:
    """The US portion mark for a label. Raises Refused as `banner` does."""
    mark = us.write(label, equivalence, portion=True)
    _read_back(label, "USA", lambda: parse_portion(mark))
    return mark


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A label as one system holds it: each level with how it got there, and that system's banner, or why it has none."""

    system: str
    levels: tuple[Held, ...]
    banner: str = ""
    why: str = ""


def convert(label: Label, system: str, equivalence: Equivalence, *, up: bool = False) -> Conversion:
    """How `system` holds what is marked so. Directed: the way back is another question.

    up: hold what no agreement names as the next higher level that one does. The label itself does not change: what is
    mapped is only the marking that the receiving state writes.

    Raises: Refused when the label is not released there, or some level cannot be held there.
    """
    if system not in equivalence.by_name:
        systems = ", ".join(sorted(equivalence.by_name))
        raise Refused(f"there is no classification system `{system[:16]}` here", hint=f"one of {systems}")
    if isinstance(label.rel, UnsetType):
        if any(level.system != system for level in label.levels):
            raise Refused("an unmarked label is released to its owners only", hint="name the states, or the owners")
    elif system not in label.rel and system != "NATO":
        raise Refused(f"the label is not released to `{system[:16]}`", hint="ask its owners to relabel it")
    held = tuple(equivalence.held(level, system, up=up) for level in label.levels)
    known = {(one.level, one.system) for one in equivalence.holds}
    more = tuple(
        Hold(level=one.level, system=system, hold_as=one.held.level, exact=False, clause=one.clause)
        for one in held
        if one.how == "next" and (one.level, system) not in known
    )
    wider = msgspec.structs.replace(equivalence, holds=(*equivalence.holds, *more))
    try:
        return Conversion(system=system, levels=held, banner=banner(label, system, equivalence=wider))
    except Refused as error:
        return Conversion(system=system, levels=held, why=error.message)


def _read_back(label: Label, system: str, read: Callable[[], Label]) -> None:
    # INVARIANT: what is written reads back, to no more people. The reader is the judge of the writer.
    try:
        back = read()
    except Malformed as error:
        raise Refused(f"no `{system}` marking says this label: {error.message}") from None
    if isinstance(label.rel, UnsetType) != isinstance(back.rel, UnsetType) or not _within(back, label):
        raise Refused(f"the `{system}` marking would release more than the label does")


def _within(back: Label, label: Label) -> bool:
    if isinstance(back.rel, UnsetType) or isinstance(label.rel, UnsetType):
        return True
    return set(back.rel) <= set(label.rel) and set(back.display) <= set(label.display)


# Punctuation that word processors put in place of what was typed. Letters of other scripts are never mapped.
_TYPESET = str.maketrans({"\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u00a0": " "})


def _plain(text: str, again: Callable[[str], Label]) -> None:
    if len(text) > BANNER_CHARS_MAX:
        raise malformed("relto.length", BANNER_CHARS_MAX + 1, f"a banner has at most {BANNER_CHARS_MAX} characters")
    if not text:
        raise malformed("relto.empty", 1, "an empty banner says nothing", hint="write the level, also the lowest")
    if text in JP_LEVELS.values():
        return
    for column, char in enumerate(text, 1):
        if not " " <= char <= "~":
            name = unicodedata.name(char, f"U+{ord(char):04X}")
            hint = _typeset(text, again)
            raise malformed("relto.script", column, f"{name} is not a plain ASCII character", hint=hint)


def _typeset(text: str, again: Callable[[str], Label]) -> str:
    fixed = text.translate(_TYPESET)
    if fixed == text or not all(" " <= char <= "~" for char in fixed):
        return ""
    try:
        again(fixed)
    except ReltoError:
        return ""
    return f"write `{fixed}`"


def _read(text: str, convention: str, begin: Callable[[str], Reading]) -> Label:
    try:
        return _READERS[convention](begin(text))
    except Malformed as error:
        spelling = _respell(text, convention)
        if error.hint or spelling == text:
            raise
        try:
            _READERS[convention](begin(spelling))
        except ReltoError:
            raise error from None
        raise Malformed(error.message, hint=f"write `{spelling}`", where=error.where) from None


def _respell(text: str, convention: str) -> str:
    """Capitals and spaces as the grammar wants them; nothing else is touched."""
    if convention == "JPN":
        word = next((word for word in JP_LEVELS if word.upper() == text.strip(" ").upper()), None)
        return text if word is None else JP_LEVELS[word]
    text = re.sub(r" {2,}", " ", text.strip(" ")).upper()
    text = re.sub(r" ?, ?", ", ", text)
    if convention == "GBR":
        return re.sub(r" ?- ?(?=RELEASABLE|UK)", " - ", re.sub(r" ?/ ?", " / ", text))
    text = re.sub(r" ?(//?) ?", r"\1", text)
    return text.replace("OFFICIAL: SENSITIVE", "OFFICIAL: Sensitive") if convention == "AUS" else text


def _convention(text: str) -> str:
    """Whose banner is this? Decided by form alone; a bare `SECRET` could be anyone's and is refused."""
    if text in (*JP_LEVELS, *JP_LEVELS.values()):
        return "JPN"
    upper = re.sub(r" ?// ?", "//", re.sub(r" {2,}", " ", text.upper().strip(" ")))
    level, slashes, rest = upper.partition("//")
    if " - " in upper or level in ("OFFICIAL-SENSITIVE", "PROTECT"):
        return "GBR"
    if level in NATO_LEVELS:
        return "NATO"
    if rest.startswith(("AUSTEO", "AGAO", "REL AUS/")) or level in (
        "PROTECTED",
        "OFFICIAL: SENSITIVE",
        "HIGHLY PROTECTED",
    ):
        return "AUS"
    if level in ("PROTECTED A", "PROTECTED B", "PROTECTED C") or rest in ("CANADIAN EYES ONLY", "CEO"):
        return "CAN"
    if level in ("IN-CONFIDENCE", "SENSITIVE") or rest in ("NZEO", "NEW ZEALAND EYES ONLY"):
        return "NZL"
    if slashes or level in ("UNCLASSIFIED", "CONFIDENTIAL", "CUI", "CONTROLLED"):
        return "USA"
    if level in ("OFFICIAL", "SECRET", "TOP SECRET", "RESTRICTED"):
        hint = "say whose banner it is: USA, GBR, AUS, CAN or NZL"
        raise malformed("relto.system", 1, f"`{level}` is a level of several states", hint=hint)
    raise malformed("relto.token", 1, f"`{level[:48]}` is not a level of a banner we know")
