"""decide(register, question) -> Decision: rules in order, the law of each jurisdiction, what would change the answer.

Kleene's three values: `no` beats `unknown`, `unknown` beats `yes`; the answer is the AND of the conjuncts (rule ids
without a slash). `judge` is the same without the changes: one pair of classes of the kernel.

Source: contracts of the design, sections 2 and 11; spec/decision.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from relto.acts import AuthorityRef, Register
from relto.charter import Charter
from relto.law import AuthorityRef as Ground
from relto.law import Fact, Finding, Need, Says, Three
from relto.release.facts import FAR, Case, Law
from relto.release.limits import rules_of
from relto.release.question import Answer, Decision, Question, act_of, day_before, decision_id, is_conjunct
from relto.release.rules import DENIED, FRESH, OWNER, Found, Rule, Way, before_law, denied, distinct, found

NOBODY: frozenset[str] = frozenset()
CITE_MAX = 512


class Judged(NamedTuple):
    """A decision without its changes, and per conjunct that is not yes the sets of needs of which one would do."""

    decision: Decision
    ways: Mapping[str, tuple[Way, ...]]


def decide(register: Register, question: Question) -> Decision:
    """A denial is an answer, never an error.

    Raises: NotFound for an item or a partnership that is not in this register; Refused for a charter of another engine.
    """
    from relto.release.changes import changes  # which applies what it offers, and so needs `judge`

    judged = judge(register, question)
    if judged.decision.answer == "permit":
        return judged.decision
    return msgspec.structs.replace(judged.decision, changes=changes(register, question, judged))


def judge(
    register: Register, question: Question, satisfied: frozenset[str] = NOBODY, more: Sequence[Rule] = ()
) -> Judged:
    """satisfied: jurisdictions whose law is taken as met. more: further conjuncts, after all others."""
    case = Case(register, question, satisfied)
    before, fresh, last = (
        _run(case, before_law(case.charter)),
        _run(case, (FRESH,)),
        _run(case, (OWNER, *rules_of(case.charter, case.day), *more)),
    )
    laws = [of_law(case, jurisdiction) for jurisdiction in case.jurisdictions]
    said = [finding for one in laws for finding in one.findings]
    relied = _relied(case, [one.finding for one in (*before, *last)], said)
    stopped = run_denied(case, [(act, case.world.disputed(act)) for act in relied])
    ways = {f"law.{one.id}": one.ways for one in laws}
    ways |= {one.finding.rule: one.ways for one in (*before, stopped, *fresh, *last)}
    heads, tails = [one.finding for one in (*before, stopped, *fresh)], [one.finding for one in last]
    findings = (*heads, *said, *tails)
    answer = answer_of(one.value for one in findings if is_conjunct(one))
    id_ = decision_id(question, answer, findings, case.charter.engine)
    ends = [*ends_of(findings), *(end for one in laws for end in one.ends), *owner_ends(case)]
    owed = terms_of(case.charter, question.purpose)
    return Judged(conclude(answer, findings, [one.law for one in laws], ends, id_, owed), ways)


def _run(case: Case, rules: Iterable[Rule]) -> list[Found]:
    return [run_rule(case, rule) for rule in rules]


def run_rule(case: Case, rule: Rule) -> Found:
    """One conjunct. It sees what it declares to read."""
    case.reading(rule.sides)
    result = rule.run(case)
    case.reading(None)
    return result


def run_denied(case: Case, relied: Sequence[tuple[str, bool]]) -> Found:
    """The conjunct that looks at all others. relied: the acts they rest on, and whether the key of each is disputed."""
    case.reading(DENIED)
    result = denied(case, relied)
    case.reading(None)
    return result


# ---- the law --------------------------------------------------------------------------------------------------------


class OfLaw(NamedTuple):
    """What one law says: its conjunct first. law: None where it is taken as met."""

    id: str
    findings: tuple[Finding, ...]
    ways: tuple[Way, ...]
    law: Law | None

    @property
    def ends(self) -> tuple[str, ...]:
        return () if self.law is None else (self.law.until, self.law.judgement.ends or FAR)


def of_law(case: Case, jurisdiction: str, known: Law | None = None) -> OfLaw:
    """The findings of one law, the conjunct citing the clause by which the text counts. known: its judgement, if held."""
    clause, rule = case.charter.jurisdiction(jurisdiction).clause, f"law.{jurisdiction}"
    if jurisdiction in case.satisfied:
        fact = Fact(name=rule, value="taken as met", says=Says.QUESTION)
        return OfLaw(jurisdiction, (found(rule, Three.YES, clause, [fact]).finding,), (), None)
    law = known or case.law(jurisdiction)
    head, *rest = law.judgement.findings
    ways = tuple(tuple(_named(case, jurisdiction, one) for one in way) for way in law.judgement.ways)
    ways += tuple(_with_values(case, jurisdiction, ways))
    adopted = Fact(name=f"adopted.{jurisdiction}", value=law.digest, says=Says.ACT, rests_on=law.adopted)
    needs = tuple(distinct(one for way in ways for one in way))
    head = msgspec.structs.replace(
        head, clause=clause, facts=(*head.facts, *((adopted,) if law.adopted else ())), needs=needs
    )
    return OfLaw(jurisdiction, (head, *rest), ways, law)


def _named(case: Case, jurisdiction: str, one: Need) -> Need:
    """A need of a law with the party that its role word means, and with what a draft of it needs."""
    owner, to, detail = case.thing.party, case.question.to.party, one.detail
    roles = {
        "state": case.charter.jurisdiction(jurisdiction).adopter,
        "transferor_officer": owner,
        "transferor_party": owner,
        "owner": owner,
        "recipient_party": to,
        "person": to,
    }
    if one.kind == "attest":
        side = "transferor" if detail["for"] == "transferor" else "recipient"
        kept = {"about": case.text(f"{side}.organisation"), "claim": detail["attests"]}
    elif one.kind in {"determine", "licence", "adopt law"}:
        kept = {"law": jurisdiction} | {key: detail[key] for key in ("authority", "condition") if key in detail}
    else:
        kept = {key: detail[key] for key in ("in", "not_in", "at_most") if key in detail}
    return msgspec.structs.replace(one, of=roles.get(one.of, one.of), detail=kept)


def _with_values(case: Case, jurisdiction: str, ways: Iterable[Way]) -> Iterator[Way]:
    """Where a licence is held that counts in a value not stated, stating it does as well as another licence."""
    for way in ways:
        for one in way:
            authority = one.detail.get("authority", "")
            if one.kind != "licence" or case.fact(f"licensed.{authority}", jurisdiction).value is not UNSET:
                continue
            limits = [held.terms.value for held in case.thing.licences(jurisdiction, authority)]
            for limit in limits:
                if not isinstance(limit, UnsetType):
                    needs, detail = (
                        "the value of the release is stated",
                        {"at_most": f"{limit.amount} {limit.currency}"},
                    )
                    value = Need(needs=needs, of=case.thing.party, kind="transfer.value", detail=detail)
                    yield tuple(value if other is one else other for other in way)


def _relied(case: Case, findings: Iterable[Finding], laws: Iterable[Finding]) -> tuple[str, ...]:
    """The acts that the answer rests on.

    Of a law: what makes it reach, what it asks of all, and the first of its authorities that holds.
    """
    grounds = {
        one: tuple(f"law.{one}/{ground.id}" for ground in case.law(one).judgement.authorities[:1])
        for one in case.jurisdictions
        if one not in case.satisfied
    }
    used = [*findings]
    for one in laws:
        jurisdiction, _, part = one.rule.removeprefix("law.").partition("/")
        under = [one.rule == ground or one.rule.startswith(f"{ground}/") for ground in grounds.get(jurisdiction, ())]
        if not part or part == "reach" or part.startswith("general/") or any(under):
            used.append(one)
    return tuple(sorted({act for one in used for fact in one.facts if (act := act_of(fact))}))


def _reference(ground: Ground, law: Law, findings: Sequence[Finding]) -> AuthorityRef:
    """The authority as an act cites it, with the licence or determination that it rests on."""
    rule = f"law.{ground.jurisdiction}/{ground.id}/"
    behind = [
        fact.rests_on
        for one in findings
        if one.rule.startswith(rule)
        for fact in one.facts
        if fact.name.startswith(("licensed.", "determined.")) and fact.value is True
    ]
    return AuthorityRef(
        jurisdiction=ground.jurisdiction,
        authority=ground.id,
        cite=ground.cite[:CITE_MAX],
        pack=law.digest,
        act=next((act for act in behind if not isinstance(act, UnsetType)), UNSET),
        until=ground.ends or UNSET,
    )


# ---- the answer -----------------------------------------------------------------------------------------------------


def answer_of(values: Iterable[Three]) -> Answer:
    found = set(values)
    return "deny" if Three.NO in found else "undetermined" if Three.UNKNOWN in found else "permit"


def conclude(
    answer: Answer,
    findings: tuple[Finding, ...],
    laws: Iterable[Law | None],
    ends: Iterable[str],
    id_: str,
    owed: tuple[str, ...] = (),
) -> Decision:
    """What a permit brings: the authorities that it rests on, what is owed, and until when it can hold.

    ends: the last days of all that it rests on. owed: by the charter, besides what the laws ask.
    """
    if answer != "permit":
        return Decision(answer=answer, findings=findings, id=id_)
    held = [one for one in laws if one is not None]
    first = min(ends, default=FAR)
    return Decision(
        answer=answer,
        findings=findings,
        authorities=tuple(
            _reference(ground, law, findings) for law in held for ground in law.judgement.authorities[:1]
        ),
        obligations=tuple(dict.fromkeys((*owed, *(one.id for law in held for one in law.judgement.obligations)))),
        valid_until=UNSET if first == FAR else first,
        id=id_,
    )


def terms_of(charter: Charter, purpose: str) -> tuple[str, ...]:
    """On what terms something is given for a purpose, where the charter says so."""
    return tuple(f"terms: {one.terms}" for one in charter.purposes if one.id == purpose and one.terms)


def ends_of(findings: Iterable[Finding]) -> list[str]:
    """The last days of the facts of conjuncts; of a law its own judgement tells."""
    return [fact.until for one in findings if is_conjunct(one) for fact in one.facts if fact.until]


def owner_ends(case: Case) -> list[str]:
    gone = case.gone_from(case.thing.party)
    return [day_before(gone)] if gone else []
