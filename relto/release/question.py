"""Questions, answers and decisions: the values that go in and come out.

Source: contracts of the design, sections 2, 10, 11; spec/decision.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto.acts import AuthorityRef, Money, RecipientClass, Saying
from relto.errors import EXIT_DENY, EXIT_PERMIT, EXIT_UNDETERMINED
from relto.law import Fact, Finding, Says, Three

# A change of meaning is a new number; old ones stay until no retained release names them. The charter names it.
ENGINES = (1, 2, 3)
ENGINE = 1  # of a charter that uses nothing of the second
ID_PREFIX = b"relto decision v1\0"
Answer = Literal["permit", "deny", "undetermined"]
Method = Literal["key", "oral", "visual", "physical", "carried"]
EXIT: dict[Answer, int] = {"permit": EXIT_PERMIT, "deny": EXIT_DENY, "undetermined": EXIT_UNDETERMINED}


def date_of(day: int) -> str:
    """The UTC day of a time in ms."""
    return dt.datetime.fromtimestamp(day / 1000, dt.UTC).date().isoformat()


def day_before(day: str) -> str:
    return (dt.date.fromisoformat(day) - dt.timedelta(days=1)).isoformat()


class Question(Struct, frozen=True, kw_only=True):
    """May this class of recipient have this version of this item, for this purpose, at this place, on this day?

    request: digest of the exact request, where the charter wants an officer to approve each.
    """

    to: RecipientClass
    item: str
    version: int
    part: str | UnsetType = UNSET
    purpose: str
    place: str
    place_says: Saying = "person"
    method: Method = "key"
    value: Money | UnsetType = UNSET
    day: int
    request: str | UnsetType = UNSET

    @property
    def date(self) -> str:
        return date_of(self.day)


class Change(Struct, frozen=True, kw_only=True):
    """One step of a set that would turn the answer into a permit.

    set: which of the alternatives it belongs to, 1 first and smallest. kind: of the act, or the fact to be stated;
    detail: what a draft of it needs. by: the day after which it comes too late.
    """

    needs: str
    of: str
    kind: str
    by: str | UnsetType = UNSET
    set: int = 1
    detail: Mapping[str, str] = msgspec.field(default_factory=dict)


class Decision(Struct, frozen=True, kw_only=True):
    """The answer and every rule that was tried, in order.

    `id` is content-addressed: equal inputs, equal id, on every node. `valid_until`: the last day on which the permit
    can hold as it stands.
    """

    answer: Answer
    findings: tuple[Finding, ...]
    authorities: tuple[AuthorityRef, ...] = ()
    obligations: tuple[str, ...] = ()
    valid_until: str | UnsetType = UNSET
    changes: tuple[Change, ...] = ()
    id: str

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The conjuncts that are not yes."""
        return tuple(one for one in self.findings if is_conjunct(one) and one.value is not Three.YES)

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Ids of the acts behind the facts, sorted; digests of packs are in the authorities."""
        return tuple(sorted({act for one in self.findings for fact in one.facts if (act := act_of(fact))}))


def is_conjunct(finding: Finding) -> bool:
    """A rule id with `/` is a part of the conjunct before it."""
    return "/" not in finding.rule


def act_of(fact: Fact) -> str:
    """The act that a fact rests on, or empty; a pack is named by the digest of its text, which is no act."""
    return "" if isinstance(fact.rests_on, UnsetType) or fact.says is Says.PACK else fact.rests_on


def canonical(to: RecipientClass) -> RecipientClass:
    """The same class in one spelling: nationalities sorted, each once; a speaker only for what is stated."""
    nations = to.nationalities
    stated = {"employment": to.employment, "nationalities": nations, "clearance": to.clearance}
    return msgspec.structs.replace(
        to,
        nationalities=nations if isinstance(nations, UnsetType) else tuple(sorted(set(nations))),
        says={name: who for name, who in to.says.items() if not isinstance(stated[name], UnsetType)},
    )


def id_bytes(question: Question, answer: Answer, findings: tuple[Finding, ...], engine: int = ENGINE) -> bytes:
    """What the decision id is the SHA-256 of: the prefix, then canonical JSON (spec/decision.md, "The id").

    The day is not in it: only what comparisons with it yielded. Nor are words, sight, pseudonym or request.
    """
    rows = [msgspec.json.encode([one.rule, one.value.value, sorted(map(fact_row, one.facts))]) for one in findings]
    return id_text(question, answer, b",".join(rows), engine)


def id_text(question: Question, answer: Answer, rows: bytes, engine: int = ENGINE) -> bytes:
    """The same from its rows, one for each finding, joined by commas."""
    asked: dict[str, Any] = {
        "item": f"{question.item}@{question.version}",
        "method": question.method,
        "place": question.place,
        "place_says": question.place_says,
        "purpose": question.purpose,
        "to": canonical(question.to),
    }
    if not isinstance(question.part, UnsetType):
        asked["part"] = question.part
    if not isinstance(question.value, UnsetType):
        asked["value"] = question.value
    words = msgspec.json.encode(asked, order="sorted")
    head = b'%s{"answer":"%s","engine":%d,"findings":[' % (ID_PREFIX, answer.encode(), engine)
    return b"".join((head, rows, b'],"question":', words, b"}"))


def decision_id(question: Question, answer: Answer, findings: tuple[Finding, ...], engine: int = ENGINE) -> str:
    return hashlib.sha256(id_bytes(question, answer, findings, engine)).hexdigest()


def fact_row(fact: Fact) -> list[str]:
    """Name, value as canonical JSON (empty for unknown, which no JSON value is), and what it rests on."""
    value = "" if isinstance(fact.value, UnsetType) else msgspec.json.encode(fact.value, order="sorted").decode()
    return [fact.name, value, "" if isinstance(fact.rests_on, UnsetType) else fact.rests_on]
