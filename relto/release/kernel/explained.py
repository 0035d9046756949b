"""A decision in all its words, put together from what is kept of each rule for a pair of classes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec import UnsetType

from relto.law import Fact, Finding, Need, Part
from relto.release.catalogue import Rows
from relto.release.decide import OfLaw, conclude, terms_of
from relto.release.facts import ITEM_SIDE, Thing, gone_from
from relto.release.kernel.classes import licences_of
from relto.release.kernel.shape import ANSWERS, PERMIT, RANK
from relto.release.limits import limited_by
from relto.release.question import Decision, Question, day_before, fact_row, id_text, is_conjunct
from relto.release.world import Reading

if TYPE_CHECKING:
    from relto.release.kernel.kernel import Kernel


class Known(NamedTuple):
    """What is kept of a rule for a pair of classes: for other items of the class only the acts are exchanged.

    text: the rows of the decision id, cut where acts of the item stand. slots: by finding, which of its facts are
    which of `facts`. Numbers in `text` and `facts` are places in `tokens`.
    """

    value: int
    findings: tuple[Finding, ...]
    tokens: tuple[Token, ...]  # which acts of the item it rests on
    facts: tuple[tuple[Fact, int], ...]
    slots: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    text: tuple[bytes | int, ...]
    ends: tuple[str, ...]
    named: str  # the item that its words name, if they name one
    law: OfLaw | None = None  # of a law: what it says beside its findings
    part: Part | None = None  # of a section of a law: what the law makes of it, and a number for that
    outcome: int = 0
    readings: tuple[Reading, ...] = ()


class RowItem:
    """A row of a table, where an explanation asks an item for its acts."""

    def __init__(self, table: Rows, row: int, item: str, version: int) -> None:
        self.table, self.row, self.id, self.version = table, row, item, version

    def act(self, token: Token) -> str:
        return self.table.own_act(token, self.row) or self.table.registered_by(self.row)


Token = tuple[str, ...]  # which act of an item: ("register",), ("judged", law, authority, condition, n) …
_OF_LABEL: Final = frozenset({"item.levels", "item.releasable", "item.tags", "item.classified"})


def _token(fact: Fact, rule: str, thing: Thing) -> Token | None:
    """Which act of the item a fact rests on; None where it rests on something else."""
    name = fact.name
    if isinstance(fact.rests_on, UnsetType) or ".attested." in name:
        return None
    if name in _OF_LABEL:
        return ("label",)
    if name == "item.retired":
        return ("retired",)
    if name.startswith(ITEM_SIDE) or name == "transfer.value":
        return ("register",)
    law = rule.removeprefix("law.").partition("/")[0]
    if name.startswith("determined."):
        authority, _, condition = name.removeprefix("determined.").rpartition(".")
        acts = [one.act for one in thing.judged(law, authority, condition)]
        return ("judged", law, authority, condition, str(acts.index(fact.rests_on)))
    if name.startswith("limited."):
        law, authority, condition = limited_by(name)
        acts = [one.act for one in thing.judged(law, authority, condition)]
        return ("judged", law, authority, condition, str(acts.index(fact.rests_on)))
    if name.startswith("licensed."):
        return ("licensed", law, name)
    return None


def act_of_thing(thing: Thing, token: Token) -> str:
    """The act itself, for an item."""
    kind, *words = token
    if kind == "judged":
        law, authority, condition, n = words
        return thing.judged(law, authority, condition)[int(n)].act
    if kind == "licence":
        law, authority, n = words
        return licences_of(thing, law, authority)[int(n)].act
    return thing.act(kind)


def keep(
    findings: tuple[Finding, ...], ends: tuple[str, ...], first: Thing, item: str, law: OfLaw | None = None
) -> Known:
    """Findings about an item of a class, cut where they speak of its own acts."""
    tokens: dict[Token, int] = {}
    facts: dict[int, tuple[int, Fact, int]] = {}  # by identity: (place, fact, token)
    slots: list[tuple[int, tuple[tuple[int, int], ...]]] = []
    text: list[bytes | int] = []
    buffer = b""
    for n, one in enumerate(findings):
        marks: dict[int, int] = {}
        for k, fact in enumerate(one.facts):
            token = _token(fact, one.rule, first)
            if token is not None:
                marks[k] = tokens.setdefault(token, len(tokens))
                facts.setdefault(id(fact), (len(facts), fact, marks[k]))
        if marks:
            slots.append((n, tuple((k, facts[id(one.facts[k])][0]) for k in marks)))
        buffer += (b"," if n else b"") + msgspec.json.encode([one.rule, one.value.value])[:-1] + b",["
        rows = sorted((fact_row(fact), marks.get(k, -1)) for k, fact in enumerate(one.facts))
        for k, (row, at) in enumerate(rows):
            buffer += b"," if k else b""
            if at < 0:
                buffer += msgspec.json.encode(row)
            else:
                text += [buffer + msgspec.json.encode(row[:2])[:-1] + b',"', at]
                buffer = b'"]'
        buffer += b"]]"
    return Known(
        value=min((RANK[one.value] for one in findings if is_conjunct(one)), default=PERMIT),
        findings=findings,
        tokens=tuple(tokens),
        facts=tuple((fact, at) for _, fact, at in facts.values()),
        slots=tuple(slots),
        text=(*text, buffer),
        ends=ends,
        named=item if item and any(item in need.needs for one in findings for need in one.needs) else "",
        law=law,
    )


def merged(parts: Sequence[Known]) -> Known:
    """Several, one behind the other, as one. What a law says is that of the first."""
    tokens: dict[Token, int] = {}
    findings: list[Finding] = []
    facts: list[tuple[Fact, int]] = []
    slots: list[tuple[int, tuple[tuple[int, int], ...]]] = []
    text: list[bytes | int] = []
    buffer = b""
    for one in parts:
        if not one.findings:
            continue
        at = [tokens.setdefault(token, len(tokens)) for token in one.tokens]
        slots += [(len(findings) + n, tuple((k, len(facts) + fact) for k, fact in marks)) for n, marks in one.slots]
        facts += [(fact, at[token]) for fact, token in one.facts]
        buffer += b"," if findings else b""
        for piece in one.text:
            if isinstance(piece, bytes):
                buffer += piece
            else:
                text += [buffer, at[piece]]
                buffer = b""
        findings += one.findings
    return parts[0]._replace(
        findings=tuple(findings), tokens=tuple(tokens), facts=tuple(facts), slots=tuple(slots), text=(*text, buffer),
        ends=tuple(end for one in parts for end in one.ends),
        readings=tuple(dict.fromkeys(reading for one in parts for reading in one.readings)),
    )  # fmt: skip


def keep_plain(finding: Finding) -> Known:
    """A finding without facts."""
    text = msgspec.json.encode([finding.rule, finding.value.value, []])
    return Known(RANK[finding.value], (finding,), (), (), (), (text,), (), "")


def _renamed(finding: Finding, old: str, new: str) -> Finding:
    """The same needs, about another item of the class."""
    needs = tuple(
        Need(
            needs=one.needs.replace(old, new),
            of=one.of,
            kind=one.kind,
            detail={key: new if word == old else word for key, word in one.detail.items()},
        )
        for one in finding.needs
    )
    return msgspec.structs.replace(finding, needs=needs)


class Filling:
    """One decision, put together from what is kept of its rules."""

    def __init__(self, kernel: Kernel, item: int, to: int, thing: Thing | RowItem) -> None:
        self.kernel, self.item, self.to, self.thing = kernel, item, to, thing
        self.findings: list[Finding] = []
        self.text: list[bytes] = []
        self.ends: list[str] = []
        self.value = PERMIT
        self._acts: dict[Token, str] = {}

    def _act(self, token: Token) -> str:
        known = self._acts.get(token)
        if known is None:
            real = token
            if token[0] == "licensed":
                _, law, name = token
                n = self.kernel.cell(self.kernel.factors[f"{law}/{name}"], self.item, self.to).found[1]
                real = ("licence", law, name.removeprefix("licensed."), str(n))
            held = self.thing
            known = self._acts[token] = held.act(real) if isinstance(held, RowItem) else act_of_thing(held, real)
        return known

    def add(self, known: Known) -> None:
        if known.named and known.named != self.thing.id:
            known = known._replace(findings=tuple(_renamed(one, known.named, self.thing.id) for one in known.findings))
        self.value = min(self.value, known.value)
        self.ends += known.ends
        if not known.tokens:
            self.findings += known.findings
            self.text.append(known.text[0])  # type: ignore[arg-type]
            return
        acts = [self._act(token) for token in known.tokens]
        self.text.append(b"".join([one if isinstance(one, bytes) else acts[one].encode() for one in known.text]))
        made = [
            Fact(
                name=one.name, value=one.value, says=one.says, by=one.by, rests_on=acts[at], until=one.until, why=one.why
            )
            for one, at in known.facts
        ]  # fmt: skip
        findings = list(known.findings)
        for n, marks in known.slots:
            one, facts = findings[n], list(findings[n].facts)
            for k, at in marks:
                facts[k] = made[at]
            findings[n] = Finding(
                rule=one.rule, clause=one.clause, value=one.value, facts=tuple(facts),
                deny_code=one.deny_code, cite=one.cite, needs=one.needs,
            )  # fmt: skip
        self.findings += findings

    def decision(self, question: Question, laws: Sequence[OfLaw]) -> Decision:
        answer = ANSWERS[self.value]
        gone = gone_from(self.kernel.world, self.kernel.classes.items[self.item].party) if answer == "permit" else ""
        ends = [*self.ends, *([day_before(gone)] if gone else [])]
        text = id_text(question, answer, b",".join(self.text), self.kernel.charter.engine)
        digest = hashlib.sha256(text).hexdigest()
        owed = terms_of(self.kernel.charter, question.purpose)
        return conclude(answer, tuple(self.findings), [one.law for one in laws], ends, digest, owed)
