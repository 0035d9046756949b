"""What is known, who said it, and what was found.

A **fact** is a named value with its speaker. The law room receives facts through a `Lookup` and fetches none itself.
The names a pack may use are the closed list below, each with its type, who can supply it, whether the parties to a
transfer can choose it, and from which format of packs on.

* Facts about things and people are open: not stated is `UNKNOWN`.
* Facts that an act creates (`*.attested.*`, `licensed.*`) are closed: without the act they are false. The caller says
  so by handing in `False`; `UNKNOWN` remains for a view too old to tell.
* `determined.*` is open: nobody has judged yet.
* An empty set of nationalities or of origins is not stated, whatever it looks like.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from relto import errors
from relto.charter.text import Date, Money
from relto.law.three import Three

UNKNOWN: Final = UNSET  # a fact without a value; absent in JSON
Value = str | int | bool | tuple[str, ...] | Money


class Says(StrEnum):
    """Where a fact comes from."""

    PARTY = "party"  # the party's word about its own people and organisations
    PERSON = "person"  # declared by whoever asks
    NODE = "node"  # observed by the party's node
    ACT = "act"  # an act in a ledger
    PACK = "pack"
    CHARTER = "charter"
    QUESTION = "question"
    NONE = "none"  # nobody


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """`by` holds every role in which the speaker spoke: the state whose law it is may be the transferor's party too."""

    name: str
    value: Value | UnsetType = UNKNOWN
    says: Says = Says.NONE
    by: tuple[str, ...] = ()
    rests_on: str | UnsetType = UNSET  # act id or digest, hex
    until: Date | None = None  # last day on which it holds, where the act or text names one
    why: str = ""  # why it is unknown, or the reason that was given with it


Lookup = Callable[[str], Fact]


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What would change an answer: in words, by whom, by which act (or by stating which fact)."""

    needs: str
    of: str
    kind: str
    detail: Mapping[str, str] = msgspec.field(default_factory=dict)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as it came out. A rule id with `/` is a part of the nearest one before it without that ending."""

    rule: str
    clause: str = ""
    value: Three
    facts: tuple[Fact, ...] = ()
    deny_code: str = ""
    cite: str = ""
    needs: tuple[Need, ...] = ()


# Roles, as `said_by` names them in a pack and `Fact.by` carries them.
ROLES: Final = ("transferor_officer", "transferor_party", "recipient_party", "owner", "state")
SPEAKERS: Final = (*ROLES, *(says.value for says in Says if says is not Says.NONE))


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """What the law room knows about a fact name."""

    type: type
    supplier: str  # who can state it
    form: str = ""  # what its words look like, as a regular expression
    chosen: bool = False  # the parties to the transfer can choose another value: a destination, a purpose
    empty_is_unknown: bool = False
    never_by_person: bool = False  # contracts 3: nobody's own word suffices for nationality, clearance, employment
    since: int = 1  # format of the packs that may name it


# What a transfer is under the law of one state, by where it begins and where the thing is looked at (22 CFR 120.50 to
# 120.53): out of the state, into it, from one other state to another, or from hand to hand within one other state.
ACTIVITIES: Final = ("export", "import", "reexport", "retransfer")
KINDS: Final = ("technical_data", "software", "hardware", "service")  # of an item
_ID: Final = "[a-z0-9-]{1,64}"
_CODE: Final = "[A-Z]{3}"
_ENTRY: Final = r"[A-Za-z0-9]{1,16}(?:(?:\([A-Za-z0-9]{1,16}\)|\.[A-Za-z0-9]{1,16}){0,8})"
_FLAG: Final = "[A-Za-z0-9-]{1,64}"
_NAMES: Final[tuple[tuple[str, Name], ...]] = (
    (r"item\.origins", Name(type=tuple, form=_CODE, supplier="owner", empty_is_unknown=True)),
    (r"item\.entries\.[A-Z]{3}", Name(type=tuple, form=_ENTRY, supplier="owner")),
    (r"item\.flags", Name(type=tuple, form=_FLAG, supplier="owner")),
    (r"item\.classified", Name(type=bool, supplier="owner")),
    (r"item\.kind", Name(type=str, form="|".join(KINDS), supplier="owner")),
    (r"item\.owner", Name(type=str, form=_ID, supplier="owner")),
    (r"transferor\.party", Name(type=str, form=_ID, supplier="transferor_party")),
    (r"transferor\.code", Name(type=str, form=_CODE, supplier="transferor_party")),
    (r"transferor\.organisation", Name(type=str, form=f"{_ID}/{_ID}", supplier="transferor_party")),
    (r"recipient\.party", Name(type=str, form=_ID, supplier="recipient_party")),
    (r"recipient\.code", Name(type=str, form=_CODE, supplier="recipient_party")),
    (r"recipient\.organisation", Name(type=str, form=f"{_ID}/{_ID}", supplier="recipient_party")),
    (
        r"recipient\.nationalities",
        Name(type=tuple, form=_CODE, supplier="recipient_party", empty_is_unknown=True, never_by_person=True),
    ),
    (r"recipient\.employment", Name(type=str, form=_ID, supplier="recipient_party", never_by_person=True)),
    (
        r"recipient\.cleared",
        Name(type=str, form=r"[A-Z]{3,8} [^\n]{1,64}", supplier="recipient_party", never_by_person=True, since=2),
    ),
    (
        r"transfer\.activity",
        Name(type=str, form="|".join(ACTIVITIES), supplier="recipient_party", since=2),
    ),
    (r"place\.origin", Name(type=str, form=_CODE, supplier="transferor_officer", chosen=True)),
    (r"place\.(destination|access)", Name(type=str, form=_CODE, supplier="recipient_party", chosen=True)),
    (r"transfer\.(purpose|method)", Name(type=str, form=_ID, supplier="person", chosen=True)),
    (r"transfer\.value", Name(type=Money, supplier="transferor_officer")),
    (rf"transferor\.attested\.{_ID}", Name(type=bool, supplier="transferor_party")),
    (rf"recipient\.attested\.{_ID}", Name(type=bool, supplier="recipient_party")),
    (rf"determined\.{_ID}\.{_ID}", Name(type=bool, supplier="transferor_officer")),
    (rf"licensed\.{_ID}", Name(type=bool, supplier="state")),
)
_COMPILED: Final = tuple((re.compile(pattern), name) for pattern, name in _NAMES)
_PLAIN: Final = (
    *("item.origins", "item.entries.USA", "item.flags", "item.classified", "item.kind", "item.owner"),
    *("transferor.party", "transferor.code", "transferor.organisation"),
    *("recipient.party", "recipient.code", "recipient.organisation", "recipient.nationalities", "recipient.employment"),
    *("place.origin", "place.destination", "place.access", "transfer.purpose", "transfer.method", "transfer.value"),
    *("recipient.cleared", "transfer.activity"),
)


@functools.lru_cache(maxsize=4096)
def name_of(name: str) -> Name | None:
    """What is known about a fact name, or None when no pack may use it."""
    return next((known for pattern, known in _COMPILED if pattern.fullmatch(name)), None)


def has_form(known: Name, word: str) -> bool:
    return re.fullmatch(known.form, word) is not None


def nearest_name(name: str) -> str:
    return next(iter(difflib.get_close_matches(name, _PLAIN, n=1, cutoff=0.6)), "")


def is_closed(name: str) -> bool:
    """Whether an act creates this fact, so that it is false without one."""
    return name.startswith("licensed.") or ".attested." in name


def activity_of(law: str, origin: Value | UnsetType, access: Value | UnsetType) -> str | UnsetType:
    """What a transfer is under the law of this state. Unknown while one of the places is."""
    if not isinstance(origin, str) or not isinstance(access, str):
        return UNKNOWN
    if law == origin:
        return "export"
    if law == access:
        return "import"
    return "retransfer" if origin == access else "reexport"


def settled(fact: Fact, name: str) -> Fact:
    """`fact` as the law may use it: of the right name and type; unknown where form, speaker or emptiness say so."""
    known = name_of(name)
    if known is None or fact.name != name:
        raise errors.Malformed(f"a fact named `{fact.name}` was handed in where `{name}` was asked for")
    if isinstance(fact.value, UnsetType):
        return fact
    if type(fact.value) is not known.type:
        raise errors.Malformed(f"the fact `{name}` was handed in with a value of another kind: `{fact.value}`")
    words = (fact.value,) if isinstance(fact.value, str) else fact.value if isinstance(fact.value, tuple) else ()
    if (odd := next((word for word in words if not has_form(known, word)), None)) is not None:
        # In another spelling it would silently never match, and under `not` that would permit.
        return msgspec.structs.replace(fact, value=UNKNOWN, why=f"`{odd}` is not in the form that the law compares")
    if known.never_by_person and fact.says is Says.PERSON:
        return msgspec.structs.replace(fact, value=UNKNOWN, why="a person's own word does not suffice for it")
    if known.empty_is_unknown and fact.value == ():
        return msgspec.structs.replace(fact, value=UNKNOWN, why="none is stated")
    return fact
