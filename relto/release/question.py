"""Questions, answers and decisions: the values that go in and come out.

Source: contracts of the design, sections 2, 10, 11; spec/decision.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto.acts import AuthorityRef, Money, RecipientClass, Saying
from relto.errors import EXIT_DENY, EXIT_PERMIT, EXIT_UNDETERMINED
from relto.law import Finding, Three

ENGINE = 1  # a change of meaning is a new number; old ones stay until no retained release names them
Answer = Literal["permit", "deny", "undetermined"]
Method = Literal["key", "oral", "visual", "physical", "carried"]
EXIT: dict[Answer, int] = {"permit": EXIT_PERMIT, "deny": EXIT_DENY, "undetermined": EXIT_UNDETERMINED}


def date_of(day: int) -> str:
    """The UTC day of a time in ms."""
    return dt.datetime.fromtimestamp(day / 1000, dt.UTC).date().isoformat()


class Question(Struct, frozen=True, kw_only=True):
    """May this class of recipient have this version of this item, for this purpose, at this place, on this day?"""

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

    @property
    def date(self) -> str:
        return date_of(self.day)


class Change(Struct, frozen=True, kw_only=True):
    """One step of a set that would turn the answer into a permit. set: which of the alternatives it belongs to, 1 first."""

    needs: str
    of: str
    kind: str
    by: str | UnsetType = UNSET
    set: int = 1


class Decision(Struct, frozen=True, kw_only=True):
    """The answer and every rule that was tried, in order. `id` is content-addressed: equal inputs, equal id, on every node."""

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
        return tuple(one for one in self.findings if "/" not in one.rule and one.value is not Three.YES)

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Ids of the acts behind the facts of a permit, sorted."""
        found = {
            fact.rests_on
            for one in self.findings
            for fact in one.facts
            if not isinstance(fact.rests_on, UnsetType) and len(fact.rests_on) == 64
        }
        return tuple(sorted(found))


def decision_id(question: Question, answer: Answer, findings: tuple[Finding, ...]) -> str:
    """SHA-256 over canonical JSON of the question's class, the answer, every finding (rule, value, facts with what they rest on) and the engine.

    The day is not in it: only what comparisons with it yielded. Nor are words, sight, pseudonym or request.
    """
    view = {
        "engine": ENGINE,
        "to": question.to,
        "rest": [question.purpose, question.place, question.place_says, question.method, question.value if question.value is not UNSET else [], question.part if question.part is not UNSET else ""],
        "answer": answer,
        "findings": [
            [one.rule, one.value.value, sorted([fact.name, _encoded(fact.value), "" if isinstance(fact.rests_on, UnsetType) else fact.rests_on] for fact in one.facts)]
            for one in findings
        ],
    }  # fmt: skip
    return hashlib.sha256(b"relto decision v1\0" + msgspec.json.encode(view, order="sorted")).hexdigest()


def _encoded(value: object) -> str:
    """A fact's value as canonical JSON; unknown as an empty text, which no JSON value is."""
    return "" if isinstance(value, UnsetType) else msgspec.json.encode(value, order="sorted").decode()
