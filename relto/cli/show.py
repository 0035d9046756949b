"""Values in words for a terminal: plain text, narrow enough to paste into a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from relto.acts import RecipientClass, Register
from relto.law import Finding, Three
from relto.release import Audited, Decision, Impact, Question, Row, Withdrawal, owed
from relto.release.words import sentence

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


def rows_lines(rows: Sequence[Row], title: str) -> list[str]:
    lines = [title]
    for row in rows:
        lines.append(
            f"  {row.item}@{row.version}  {class_words(row.to.recipient)}  {row.to.heads} people"
            + (f", declared {row.to.day}" if row.to.day else "")
        )
    people = {row.to.id: row.to.heads for row in rows}
    lines.append(f"  {len(rows)} rows, {sum(people.values())} people; complete over declared rosters")
    return lines


def impact_lines(found: Impact) -> list[str]:
    lines = ["if these stood, every vote given and confirmed", *(f"  {one}" for one in found.assumed)]
    for title, pairs in (("gained", found.gained), ("lost", found.lost)):
        people = sum({(p.to.id): p.to.heads for p in pairs}.values())
        lines.append(f"{title}: {len(pairs)} pairs, {people} people")
        lines += [
            f"  {p.item}@{p.version}  {class_words(p.to.recipient)}  {p.to.heads} people ({p.before} to {p.after})"
            for p in pairs
        ]
    lines.append(f"unchanged: {found.unchanged} pairs; complete over declared rosters")
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
