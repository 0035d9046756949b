"""A whole page of markings: banner, portion marks and the classification block judged against one another.

A banner can be right by itself and wrong for what stands under it. Each finding names its rule (IC-ISM DES V10) and
where it is; a mark that cannot even be read is refused as `parse` refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UnsetType

from relto.errors import Malformed
from relto.label.banner import parse, parse_portion
from relto.label.equivalence import Group
from relto.label.label import Label

PORTIONS_MAX = 10_000

_CLASSIFIED = frozenset(("CONFIDENTIAL", "SECRET", "TOP SECRET", "RESTRICTED"))


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written on a US document:

    banner, portion marks in order, the authority block, the distribution statement.
    """

    banner: str
    portions: tuple[str, ...] = ()
    classified_by: str = ""
    derived_from: str = ""
    declassify_on: str = ""
    distribution: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rule: str
    message: str
    where: str


def check(document: Document, *, groups: Iterable[Group] = (), day: str | None = None) -> tuple[Finding, ...]:
    """What the parts of a document say against one another. Empty: nothing found."""
    known = tuple(groups)
    if len(document.portions) > PORTIONS_MAX:
        raise Malformed(f"more than {PORTIONS_MAX} portions", where="portions")
    whole = parse(document.banner, system="USA", groups=known, day=day)
    portions = [parse_portion(mark, banner=whole, groups=known, day=day) for mark in document.portions]
    found: list[Finding] = []

    def say(rule: str, message: str, where: str = "banner") -> None:
        found.append(Finding(rule=rule, message=message, where=where))

    for number, part in enumerate(portions, 1):
        where = f"portion {number}"
        if _classified(part) and not _classified(whole):
            say("ISM-ID-00056", "an unclassified document has no classified portion", where)
        if "ORCON" in part.tags and "ORCON" not in whole.tags:
            say("ISM-ID-00067", "a portion is ORCON, so the document is", where)
        if "NOFORN" in part.tags and "NOFORN" not in whole.tags:
            say("ISM-ID-00070", "a portion is NOFORN, so the document is", where)
        if _classified(part) and not isinstance(whole.rel, UnsetType) and "NOFORN" not in whole.tags:
            if isinstance(part.rel, UnsetType):
                say("ISM-ID-00088", "the document is released and a classified portion is not", where)
            elif not set(whole.rel) <= set(part.rel):
                beyond = ", ".join(sorted(set(whole.rel) - set(part.rel)))
                say("ISM-ID-00088", f"the document is released to `{beyond}` and a classified portion is not", where)
    if _classified(whole):
        if not (document.classified_by or document.derived_from):
            say("ISM-ID-00013", "classified by whom, or derived from what, is not stated", "classified_by")
        if not document.declassify_on:
            say("ISM-ID-00014", "a date, event or exemption for declassification is not stated", "declassify_on")
        if document.distribution == "A":
            say("ISM-ID-00159", "Distribution Statement A never stands on a classified document", "distribution")
    return tuple(found)


def _classified(label: Label) -> bool:
    # NATO and national words end alike (NATO SECRET, COSMIC TOP SECRET); PROTECTED is Australia's own.
    return any(
        level.level.removeprefix("NATO ").removeprefix("COSMIC ") in {*_CLASSIFIED, "PROTECTED"}
        for level in label.levels
    )
