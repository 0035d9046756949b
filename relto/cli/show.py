"""Values in words for a terminal: plain text, narrow enough to paste into a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from relto.acts import RecipientClass, Register
from relto.law import Finding, Three
from relto.node.answering import ending_words
from relto.release import (
    Audience,
    Audited,
    Decision,
    Declared,
    Ending,
    Impact,
    Missing,
    Page,
    Question,
    Rectangle,
    Withdrawal,
    owed,
)
from relto.release.words import sentence

LINES = 8  # of one rectangle
MARK = {Three.YES: "+", Three.NO: "-", Three.UNKNOWN: "?"}


def decision_lines(register: Register, question: Question, decision: Decision, *, full: bool) -> list[str]:
    lines = [
        decision.answer.upper(),
        (
            f"  {class_words(question.to)} · {question.item}@{question.version} · {question.purpose}"
            f" · in {question.place} · {question.date}"
        ),
    ]
    shown = (
        decision.findings
        if full
        else [one for one in decision.findings if one.value is not Three.YES and "/" not in one.rule]
    )
    order = {Three.NO: 0, Three.UNKNOWN: 1, Three.YES: 2}
    if shown and not full:
        lines.append("because")
        shown = sorted(shown, key=lambda one: order[one.value])
    for one in shown:
        depth = one.rule.count("/")
        cite = one.cite or (f"charter {one.clause}" if one.clause else "")
        lines.append(
            f"  {'  ' * depth}{MARK[one.value]} {sentence(register, question, one)}" + (f" [{cite}]" if cite else "")
        )
        lines += [f"  {'  ' * depth}    {words}" for words in fact_words(one, full=full)]
    if decision.changes:
        lines.append("would change it")
        for number in sorted({one.set for one in decision.changes}):
            steps = [f"{one.needs} ({one.of})" for one in decision.changes if one.set == number]
            lines += [
                f"  {'either' if number == 1 and decision.changes[-1].set > 1 else 'or' if number > 1 else 'all of'}"
            ] + [f"    {step}" for step in steps]
    elif decision.answer != "permit":
        lines.append("nothing that one of the parties could state or grant would change it for this item")
    for ref in decision.authorities:
        lines.append(
            f"on the authority of {ref.jurisdiction}: {ref.cite}"
            + ("" if isinstance(ref.until, UnsetType) else f", until {ref.until}")
        )
    for due in owed(register, question, decision):
        kept = f", kept {due.years} years" if due.years else ""
        lines.append(f"owed {due.when or 'with it'}: {due.says} [{due.cite}{kept}; {due.id}]")
        lines += [f"    put on it: {due.mark}"] if due.mark else []
        lines += [f"    | {line}" for line in due.text.splitlines()]
    if not isinstance(decision.valid_until, UnsetType):
        lines.append(f"valid until {decision.valid_until}")
    lines.append(
        f"decision {decision.id[:16]}, seen: "
        + ", ".join(f"{origin.partition('.')[0]} {size}" for origin, (size, _) in sorted(register.sight.items()))
    )
    return lines


def fact_words(finding: Finding, *, full: bool) -> list[str]:
    found = []
    for fact in finding.facts:
        if isinstance(fact.value, UnsetType):
            found.append(f"{fact.name}: not known" + (f" ({fact.why})" if fact.why else ""))
        elif full or fact.why or finding.value is not Three.YES:
            value = ", ".join(map(str, fact.value)) if isinstance(fact.value, tuple) else str(fact.value)
            rests = "" if isinstance(fact.rests_on, UnsetType) else f" (act {fact.rests_on[:8]})"
            found.append(f"{fact.name}: {value or 'none'}" + (f" ({fact.why})" if fact.why else "") + rests)
    return found


def class_words(one: RecipientClass) -> str:
    nations = "/".join(one.nationalities) if not isinstance(one.nationalities, UnsetType) else "nationality not stated"
    held = "" if isinstance(one.clearance, UnsetType) else f", {one.clearance.system} {one.clearance.level}"
    return f"{one.organisation} ({nations}{held})"


def page_lines(page: Page, title: str) -> list[str]:
    lines = [title]
    for row in page.rows:
        lines.append(f"  {row.item}@{row.version}  {_people(row.to)}")
    if len(page.rows) < page.count:
        lines.append(
            f"  {len(page.rows)} of {page.count} rows" + (f"; more: --cursor {page.next}" if page.next else "")
        )
    lines.append(f"  {page.count} rows, {page.people} people; complete over declared rosters")
    return lines


def _people(to: Declared) -> str:
    return f"{class_words(to.recipient)}  {to.heads} people" + (f", declared {to.day}" if to.day else "")


def impact_lines(found: Impact, title: str = "if these stood, every vote given and confirmed") -> list[str]:
    lines = [*([title] if title else []), *(f"  {one}" for one in found.assumed)]
    for word, pairs in (("gained", found.gained), ("lost", found.lost)):
        mine = [one for one in found.rectangles if one.gained is (word == "gained")]
        count = sum(one.pairs for one in mine) if found.rectangles else len(pairs)
        to = {one.to.id: one.to.heads for one in pairs} | {to.id: to.heads for one in mine for to in one.to}
        lines.append(f"{word}: {count} pairs, {sum(to.values())} people")
        if not found.complete:
            lines += [line for one in mine for line in _rectangle_lines(one)]
        lines += [
            f"  {p.item}@{p.version}  {class_words(p.to.recipient)}  {p.to.heads} people ({p.before} to {p.after})"
            for p in pairs
        ]
    if not found.complete:
        lines.append("as classes of items and people; `--pairs` lists every pair")
    if title:
        lines.append(f"unchanged: {found.unchanged} pairs; complete over declared rosters")
    return lines


def _rectangle_lines(one: Rectangle) -> list[str]:
    lines = [f"  {one.items} items for {len(one.to)} classes of people ({one.before} to {one.after})"]
    lines += [f"    {n} of {project}, {label}" for project, label, n in one.of[:LINES]]
    lines += [f"    and {len(one.of) - LINES} kinds more"] if len(one.of) > LINES else []
    lines += [f"    to {_people(to)}" for to in one.to[:LINES]]
    return lines + ([f"    and {len(one.to) - LINES} classes more"] if len(one.to) > LINES else [])


def ending_lines(ends: Sequence[Ending]) -> list[str]:
    return ["would end it", *(f"  {ending_words(one)}" for one in ends)] if ends else []


def missing_lines(found: Missing, who: str) -> list[str]:
    lines = [f"{who} may have {found.permitted} of {found.items} items of {found.project}"]
    for step in found.steps:
        alone = f", for {step.alone} of them all that is missing" if step.alone else ""
        lines.append(f"  {step.needs} ({step.of}): {step.items} items{alone}")
    lines += [f"  {n} items that no step of a party opens: {rule}" for rule, n in found.barred]
    if not found.complete:
        lines.append(f"  steps were searched for {found.looked_at} items, the largest classes first")
    return lines


def audience_lines(found: Audience) -> list[str]:
    first, gains = ({one.id for one in found.first}, {one.id for one in found.gains})
    lines = [f"{found.item}@{found.version} could be had by {len(found.to)} classes, {found.people} people"]
    for one in found.to:
        marks = [*(["gains it"] if one.id in gains else []), *(["for the first time"] if one.id in first else [])]
        lines.append(f"  {_people(one)}" + (f"  [{', '.join(marks)}]" if marks else ""))
    lines.append("  of declared rosters, on what is determined and licensed today")
    return lines


def withdrawal_lines(found: Withdrawal) -> list[str]:
    lines = [f"if {found.party} declared its withdrawal on {found.on}, it would count from {found.effective}"]
    lines.append(f"stops, of what holds today: {len(found.lost)} pairs of item and class; goes on: {found.kept}")
    lines.append(f"people who lose something: {found.people}, by declared head counts")
    if found.lapses:
        lines.append(f"  {found.lapses} of them would end by themselves before that day, unless renewed")
    lines += [f"  {p.item}@{p.version}  {class_words(p.to.recipient)}  {p.to.heads} people" for p in found.lost]
    lines.append(f"its items that stop being given out: {', '.join(found.items) or 'none'}")
    lines.append(f"packages whose keys its node will give no more: {len(found.keys)}")
    lines.append(f"its attestations that end: {len(found.attestations)}; licences: {len(found.licences)}")
    lines.append(f"engagements it consented to: {', '.join(found.engagements) or 'none'}")
    lines.append(f"to return or destroy: {len(found.returns)}")
    lines += [f"  {item} held by {holder} (release {release[:8]})" for release, item, holder in found.returns]
    lines.append("survives")
    lines += [f"  {says} [charter {clause}]" for clause, says in found.duties]
    return lines


def audit_lines(rows: Sequence[Audited], counts: dict[str, int]) -> list[str]:
    lines = []
    for row in rows:
        if row.result == "order":
            continue
        words = f"{row.release[:8]}  {row.origin} #{row.index}  {row.item} to {row.to}: {row.result}"
        lines.append(words + (f" ({row.why})" if row.why else ""))
        lines += [f"    out of sight: {name[:64]} ({why})" for name, why in row.missing]
    lines.append(", ".join(f"{word} {count}" for word, count in counts.items()))
    return lines


def table(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> list[str]:
    cells = [
        list(map(str, header)),
        *([("" if cell is None or cell is UNSET else str(cell)) for cell in row] for row in rows),
    ]
    widths = [max(len(row[n]) for row in cells) for n in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def view_lines(view: Mapping[str, Any], indent: str = "") -> list[str]:
    """One line a field: what holds several fields is set in below its name, and nothing stands as it does in Python."""
    lines = []
    for name, value in view.items():
        shown = name.replace("_", " ")
        rows = [value] if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else []
        if any(isinstance(one, Mapping) for one in rows):
            for row in rows:
                lines += [f"{indent}{shown}:", *view_lines(row, indent + "  ")]
        elif isinstance(value, list | tuple):
            lines.append(f"{indent}{shown}: {', '.join(map(str, value)) or 'none'}")
        else:
            lines.append(f"{indent}{shown}: {_shown(value)}")
    return lines


def _shown(value: object) -> str:
    if value is None:
        return "-"  # not stated, which is another thing than an empty list
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
