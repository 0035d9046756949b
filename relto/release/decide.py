"""decide(register, question) -> Decision: rules in order, law of each jurisdiction, and what would change the answer.

Kleene's three values: `no` beats `unknown`, `unknown` beats `yes`; the answer is the AND of the conjuncts (rule ids without a slash).

Source: contracts of the design, sections 2 and 11; spec/decision.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from msgspec import UNSET, UnsetType

from relto.acts import AuthorityRef, Register
from relto.law import AuthorityRef as Ground
from relto.law import Finding, Judgement, Need, Three, absent, evaluate
from relto.release import rules
from relto.release.facts import Case
from relto.release.question import Answer, Change, Decision, Question, decision_id

Way = tuple[Need, ...]
CHANGES_MAX = 5  # alternatives shown


def decide(register: Register, question: Question) -> Decision:
    """Raises: NotFound for an item or a partnership that is not in this register. A denial is an answer, never an error."""
    case = Case(register, question)
    findings: list[Finding] = [rule(case) for rule in rules.BEFORE_LAW]
    ways: dict[str, tuple[Way, ...]] = {one.rule: (one.needs,) if one.needs else () for one in findings}
    authorities: list[AuthorityRef] = []
    obligations: list[str] = []
    for jurisdiction in case.charter.jurisdictions:
        judged, digest = _law(case, jurisdiction.id)
        findings += judged.findings
        ways[judged.findings[0].rule] = judged.ways
        authorities += [_reference(case, one, digest, judged.findings) for one in judged.authorities[:1]]
        obligations += [one.id for one in judged.obligations if one.id not in obligations]
    for rule in rules.AFTER_LAW:
        findings.append(rule(case))
    return _conclude(case, tuple(findings), tuple(authorities), tuple(obligations), ways)


def _law(case: Case, jurisdiction: str) -> tuple[Judgement, str]:
    adopted = case.register.pack_on(jurisdiction, case.day)
    if adopted is None:
        adopter = case.charter.jurisdiction(jurisdiction).adopter
        return absent(jurisdiction, f"{adopter} has adopted no text that is the law on {case.day}"), ""
    if adopted.pack is None:
        return absent(jurisdiction, f"the text that {adopted.party} adopted is not held here, or was altered"), ""
    return evaluate(adopted.pack, case.day, case.fact), adopted.digest


def _reference(case: Case, one: Ground, digest: str, findings: tuple[Finding, ...]) -> AuthorityRef:
    """The authority as an act cites it, with the licence or determination it rests on."""
    rule = f"law.{one.jurisdiction}/{one.id}"
    behind = [
        fact.rests_on
        for f in findings
        if f.rule.startswith(rule + "/")
        for fact in f.facts
        if fact.name.startswith(("licensed.", "determined."))
    ]
    act = next((act for act in behind if not isinstance(act, UnsetType)), UNSET)
    return AuthorityRef(
        jurisdiction=one.jurisdiction,
        authority=one.id,
        cite=one.cite[:512],
        pack=digest,
        act=act,
        until=one.ends or UNSET,
    )


def _conclude(
    case: Case,
    findings: tuple[Finding, ...],
    authorities: tuple[AuthorityRef, ...],
    obligations: tuple[str, ...],
    ways: Mapping[str, tuple[Way, ...]],
) -> Decision:
    conjuncts = [one for one in findings if "/" not in one.rule]
    values = {one.value for one in conjuncts}
    answer: Answer = "deny" if Three.NO in values else "undetermined" if Three.UNKNOWN in values else "permit"
    permit = answer == "permit"
    return Decision(
        answer=answer,
        findings=findings,
        authorities=authorities if permit else (),
        obligations=obligations if permit else (),
        valid_until=_valid_until(findings, authorities) if permit else UNSET,
        changes=() if permit else _changes(case, findings, ways),
        id=decision_id(case.question, answer, findings),
    )


def _valid_until(findings: Iterable[Finding], authorities: Iterable[AuthorityRef]) -> str | UnsetType:
    """The last day of the first thing to end among what a permit rests on. Of a jurisdiction's authorities only the one relied upon counts."""
    ends = [
        fact.until
        for one in findings
        if "/" not in one.rule and one.value is Three.YES
        for fact in one.facts
        if fact.until
    ]
    ends += [one.until for one in authorities if not isinstance(one.until, UnsetType)]
    return min(ends) if ends else UNSET


def _changes(case: Case, findings: tuple[Finding, ...], ways: Mapping[str, tuple[Way, ...]]) -> tuple[Change, ...]:
    """Sets of steps that satisfy every conjunct that fails, smallest first. Where nothing can satisfy one, no change is offered."""
    options = [ways.get(one.rule, ()) for one in findings if "/" not in one.rule and one.value is not Three.YES]
    if not all(options):
        return ()
    sets = [
        _distinct(need for way in chosen for need in way)
        for chosen in itertools.islice(itertools.product(*options), 256)
    ]
    sets = sorted({_key(one): one for one in sets}.values(), key=lambda one: (len(one), _key(one)))[:CHANGES_MAX]
    return tuple(
        Change(needs=need.needs, of=_who(case, need), kind=need.kind, set=number)
        for number, one in enumerate(sets, 1)
        for need in one
    )


def _distinct(needs: Iterable[Need]) -> tuple[Need, ...]:
    found: dict[tuple[str, str], Need] = {}
    for one in needs:
        found.setdefault((one.needs, one.of), one)
    return tuple(found.values())


def _key(needs: tuple[Need, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((one.needs, one.of) for one in needs))


def _who(case: Case, need: Need) -> str:
    """A role word as a party."""
    owner, to = case.item.party, case.question.to.party
    if need.of == "state":
        jurisdiction = need.detail.get("for", "")
        known = [one.adopter for one in case.charter.jurisdictions if one.id == jurisdiction]
        return known[0] if known else owner
    return {
        "transferor_officer": owner,
        "transferor_party": owner,
        "owner": owner,
        "recipient_party": to,
        "person": to,
    }.get(need.of, need.of)
