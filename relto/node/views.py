"""What a node shows, as plain values: the JSON of the command line, the API and the pages is this and nothing else.

Lists carry `results`, `count`, `complete`, `next`, `day`, `sight`. What the viewer may not know is not there, never
blanked out.

Contracts of the design, section 19; spec/api.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relto import acts
from relto.acts import Proposal, Register, Stated
from relto.label.label import ONLY
from relto.law import Fact, Finding
from relto.node.watch import Standing
from relto.release import (
    Audience,
    Decision,
    Declared,
    Ending,
    Impact,
    Missing,
    Page,
    Question,
    Row,
    Withdrawal,
    date_of,
    owed,
)

View = dict[str, Any]


def plain(value: object) -> Any:
    """Any of our values as JSON-able builtins."""
    return msgspec.to_builtins(value, str_keys=True)


def sight_view(register: Register) -> View:
    return {origin: {"size": size, "root": root} for origin, (size, root) in sorted(register.sight.items())}


def listing(
    register: Register, day: int, results: Iterable[object], *, complete: bool = True, following: str | None = None
) -> View:
    rows = [plain(one) for one in results]
    return {
        "results": rows,
        "count": len(rows),
        "complete": complete,
        "next": following,
        "day": date_of(day),
        "sight": sight_view(register),
    }


# ---- decisions


def fact_view(fact: Fact) -> View:
    view = {
        "name": fact.name,
        "value": None if isinstance(fact.value, UnsetType) else plain(fact.value),
        "says": fact.says.value,
    }
    view["act"] = None if isinstance(fact.rests_on, UnsetType) else fact.rests_on
    if fact.why:
        view["why"] = fact.why
    return view


def finding_view(finding: Finding) -> View:
    view: View = {
        "rule": finding.rule,
        "clause": finding.clause,
        "value": finding.value.value,
        "facts": [fact_view(fact) for fact in finding.facts],
        "cite": finding.cite,
    }
    if finding.deny_code:
        view["code"] = finding.deny_code
    return view


def decision_view(register: Register, question: Question, decision: Decision) -> View:
    return {
        "answer": decision.answer,
        "id": decision.id,
        "question": plain(question),
        "findings": [finding_view(one) for one in decision.findings],
        "authorities": plain(decision.authorities),
        "obligations": list(decision.obligations),
        "owed": plain(owed(register, question, decision)),
        "valid_until": None if isinstance(decision.valid_until, UnsetType) else decision.valid_until,
        "changes": [
            {
                "needs": one.needs,
                "from": one.of,
                "by": None if isinstance(one.by, UnsetType) else one.by,
                "kind": one.kind,
                "set": one.set,
            }
            for one in decision.changes
        ],
        "day": question.date,
        "sight": sight_view(register),
    }


def row_view(row: Row) -> View:
    return {
        "item": f"{row.item}@{row.version}",
        "class": row.to.id,
        "recipient": plain(row.to.recipient),
        "heads": row.to.heads,
        "declared": row.to.day,
        "answer": row.answer,
        "until": row.until or None,
    }


def _pair_view(one: Any) -> View:
    return {
        "item": f"{one.item}@{one.version}",
        **_class_view(one.to),
        "before": one.before,
        "after": one.after,
    }


def _class_view(one: Declared) -> View:
    return {"class": one.id, "recipient": plain(one.recipient), "heads": one.heads, "declared": one.day}


def impact_view(register: Register, day: int, found: Impact) -> View:
    """`complete` false: pairs are too many to list unasked, and `rectangles` say all."""
    return {
        "assumed": list(found.assumed),
        "gained": [_pair_view(one) for one in found.gained],
        "lost": [_pair_view(one) for one in found.lost],
        "unchanged": found.unchanged,
        "count": found.count,
        "complete": found.complete,
        "rectangles": [
            {
                "gained": one.gained,
                "items": one.items,
                "of": [{"project": project, "label": label, "items": n} for project, label, n in one.of],
                "to": [_class_view(to) for to in one.to],
                "before": one.before,
                "after": one.after,
            }
            for one in found.rectangles
        ],
        "day": date_of(day),
        "sight": sight_view(register),
    }


def changed_view(register: Register, day: int, found: Impact) -> View:
    """What one item or one recipient gains and loses between two days."""
    view = impact_view(register, day, found)
    return {key: view[key] for key in ("assumed", "gained", "lost", "count", "complete", "day", "sight")}


def ending_view(one: Ending) -> View:
    return {
        "needs": one.needs,
        "from": one.of,
        "kind": one.kind,
        "on": None if isinstance(one.on, UnsetType) else one.on,
        "act": None if isinstance(one.act, UnsetType) else one.act,
    }


def missing_view(register: Register, day: int, found: Missing) -> View:
    steps = [
        {"needs": one.needs, "from": one.of, "kind": one.kind, "items": one.items, "alone": one.alone}
        for one in found.steps
    ]
    return {
        "project": found.project,
        "items": found.items,
        "permitted": found.permitted,
        "results": steps,
        "count": len(steps),
        "barred": [{"rule": rule, "items": n} for rule, n in found.barred],
        "looked_at": found.looked_at,
        "complete": found.complete,
        "day": date_of(day),
        "sight": sight_view(register),
    }


def audience_view(found: Audience) -> View:
    first, gains = ({one.id for one in found.first}, {one.id for one in found.gains})
    return {
        "item": f"{found.item}@{found.version}",
        "to": [{**_class_view(one), "gains": one.id in gains, "first": one.id in first} for one in found.to],
        "count": len(found.to),
        "people": found.people,
    }


def page_view(register: Register, day: int, page: Page) -> View:
    rows = [row_view(one) for one in page.rows]
    view = listing(register, day, rows, complete=len(rows) == page.count, following=page.next or None)
    return {**view, "count": page.count, "people": page.people}


def withdrawal_view(register: Register, day: int, found: Withdrawal) -> View:
    view: View = plain(found)
    view["lost"] = [
        {
            "item": f"{one.item}@{one.version}",
            "class": one.to.id,
            "recipient": plain(one.to.recipient),
            "heads": one.to.heads,
            "before": one.before,
            "after": one.after,
        }
        for one in found.lost
    ]
    view["returns"] = [{"release": release, "item": item, "holder": holder} for release, item, holder in found.returns]
    view["duties"] = [{"clause": clause, "says": says} for clause, says in found.duties]
    return {**view, "day": date_of(day), "sight": sight_view(register)}


# ---- governance


def proposal_view(register: Register, one: Proposal) -> View:
    act = one.stated.act
    assert isinstance(act, acts.Propose)
    return {
        "id": one.id,
        "subject": one.subject,
        "n": one.n,
        "author": act.author,
        "state": "provisional" if one.provisional else one.state,
        "why": one.why or None,
        "what": plain(act.what),
        "voters": list(one.voters),
        "votes": [
            {
                "party": v.party,
                "vote": v.vote,
                "act": v.act,
                "confirmed": v.confirmed,
                "void": v.void or None,
                "doubt": v.doubt or None,
            }
            for v in one.votes
        ],
        "missing": list(one.missing),
        "waiting": list(one.waiting),
        "settled": dict(sorted(one.settled.items())),
        "returns": _returns(register, one.id),
        "answers": _answers(register, one),
        "by": None if isinstance(act.by, UnsetType) else act.by,
    }


def _returned(register: Register) -> list[tuple[str, acts.Return]]:
    return [(one.id, one.act) for one in register.stated.values() if isinstance(one.act, acts.Return)]


def _returns(register: Register, proposal: str) -> list[View]:
    return [
        {
            "act": id_,
            "party": act.author,
            "comment": act.comment,
            "counter": None if isinstance(act.counter, UnsetType) else act.counter,
        }
        for id_, act in _returned(register)
        if act.proposal == proposal
    ]


def _answers(register: Register, one: Proposal) -> list[View]:
    """What this proposal was made in answer to, and how its terms differ from the former."""
    return [
        {
            "act": id_,
            "party": act.author,
            "comment": act.comment,
            "proposal": act.proposal,
            "differs": differences(register.stated[act.proposal].act, one.stated.act),
        }
        for id_, act in _returned(register)
        if act.counter == one.id and act.proposal in register.stated
    ]


def differences(before: acts.Act, after: acts.Act) -> list[View]:
    """Field by field, how the terms of two proposals differ: dotted names, values as text, `-` for what is not stated."""
    old, new = _flat(plain(getattr(before, "what", {}))), _flat(plain(getattr(after, "what", {})))
    return [
        {"field": name, "before": old.get(name, "-"), "after": new.get(name, "-")}
        for name in sorted(set(old) | set(new))
        if old.get(name) != new.get(name)
    ]


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        if set(value) == {"system", "level"}:
            return {name: f"{value['system']} {value['level']}"}
        return {k: v for key in value for k, v in _flat(value[key], f"{name}.{key}" if name else key).items()}
    if isinstance(value, list | tuple):
        if any(isinstance(one, dict) and len(one) > 2 for one in value):
            return {k: v for n, one in enumerate(value, 1) for k, v in _flat(one, f"{name}.{n}").items()}
        return {name: ", ".join(v for one in value for v in _flat(one, name).values()) or "none"}
    return {name: str(value)}


def stated_view(register: Register, one: Stated) -> View:
    return {
        "id": one.id,
        "kind": acts.kind_of(one.act),
        "author": one.act.author,
        "log": one.origin,
        "index": one.index,
        "at": one.act.at,
        "act": plain(one.act),
    }


def act_view(register: Register, prefix: str) -> View:
    """One act; a proposal with its votes. Raises: NotFound."""
    one = register.act(prefix)
    view = stated_view(register, one)
    if one.id in register.slots:
        view["proposal"] = proposal_view(register, register.slots[one.id])
    view["void"] = next((void.why for void in register.void if void.id == one.id), None)
    view["signatures"] = list(one.signed.key_ids)
    view["sight"] = sight_view(register)
    return view


def acts_view(register: Register, day: int, *, last: int = 200, kind: str = "") -> View:
    """Newest first within each ledger; what did not count stands under `void` with the reason."""
    found = [one for one in register.stated.values() if not kind or acts.kind_of(one.act) == kind]
    found.sort(key=lambda one: (one.time, one.origin, one.index), reverse=True)
    shown = found[:last]
    view = listing(register, day, [], complete=len(shown) == len(found))
    view["results"] = [
        {key: value for key, value in stated_view(register, one).items() if key != "act"} for one in shown
    ]
    view["count"] = len(shown)
    view["total"] = len(found)
    view["void"] = [plain(one) for one in register.void]
    return view


def party_view(
    register: Register, party: str, now: int, problems: dict[str, str], mirrors: Sequence[Standing] = ()
) -> View:
    one = register.party(party)
    ack = register.acks.get(party)
    mirror = next((standing for standing in mirrors if standing.party == party), None)
    return {
        "id": one.id,
        "name": one.name,
        "code": one.code,
        "grade": one.grade,
        "origin": one.origin,
        "inception": one.inception,
        "address": one.address,
        "entries": one.size,
        "confirmed": one.confirmed,
        "seen": one.seen,
        "age_s": None if one.seen is None or party == register.me else max(0, now - one.seen) // 1000,
        "owed": list(register.owed.get(party, ())),
        "frozen": one.frozen or None,
        "frozen_at": one.frozen_at,
        "problem": problems.get(one.origin),
        "withdraws": one.withdraws or None,
        "acknowledged": None if ack is None else ack[1].at,
        "us": party == register.me,
        "mirror": None
        if mirror is None
        else {"state": mirror.state, "words": mirror.words, "tells": mirror.tells or None},
    }


def partnership_view(
    register: Register,
    now: int,
    problems: dict[str, str],
    mirrors: Sequence[Standing] = (),
    recovering: str = "",
) -> View:
    charter, stages = register.charter, acts.pipeline(register, date_of(now))
    return {
        "partnership": register.partnership or None,
        "title": charter.title if charter else None,
        "charter": register.charter_id or None,
        "me": register.me,
        "parties": [party_view(register, party, now, problems, mirrors) for party in sorted(register.parties)],
        "candidates": [
            {"id": one.party, "name": one.name, "code": one.code, "stage": one.stage, "why": one.why} for one in stages
        ],
        "windows": [plain(one) for one in charter.windows] if charter else [],
        "laws": [
            {"jurisdiction": name, "pack": one.digest, "by": one.party, "act": one.act, "held": one.pack is not None}
            for name, packs in sorted(register.packs.items())
            for one in packs
        ],
        "proposals": [proposal_view(register, one) for one in register.slots.values()],
        "recalls": [recall_view(register, one, now) for one in register.recalls.values()],
        "alarms": [
            *([f"this node is recovering and signs nothing: {recovering}"] if recovering else []),
            *register.alarms,
            *(f"{origin}: {problem}" for origin, problem in sorted(problems.items())),
            *(f"{one.origin}: {one.words}" for one in mirrors if one.bad and one.origin not in problems),
            *(f"{one.party} {one.tells}" for one in mirrors if one.tells),
        ],
        "releases": len(register.releases),
        "common": register.common,
        "day": date_of(now),
        "sight": sight_view(register),
    }


def recall_view(register: Register, one: acts.RecallState, now: int) -> View:
    release = register.releases[one.release].terms
    return {
        "id": one.id,
        "release": one.release,
        "because": one.because,
        "item": f"{release.item}@{release.version}",
        "owner": one.party,
        "holder": one.holder,
        "order": one.order,
        "by": one.by,
        "state": one.state(date_of(now)),
        "answers": [{"party": party, "act": act, "answer": answer} for party, act, answer, _ in one.answers],
    }


def project_views(register: Register, now: int) -> list[View]:
    found = []
    for one in register.projects.values():
        pillar = register.charter.pillar(one.pillar) if register.charter else None
        found.append(
            {
                "id": one.id,
                "name": one.name,
                "pillar": one.pillar,
                "access": pillar.access if pillar else None,
                "areas": list(one.areas),
                "participants": list(one.participants),
                "clause": one.clause,
                "running": one.holds_on(date_of(now)),
                "engaged": [
                    engagement_view(register, e, now)
                    for e in register.engagements.values()
                    if e.terms.project == one.id
                ],
                "items": [
                    f"{item.id}@{item.version}"
                    for versions in register.items.values()
                    for item in versions
                    if item.facts.project == one.id
                ],
            }
        )
    return found


def engagement_view(register: Register, one: acts.EngagementState, now: int) -> View:
    return {
        "id": one.id,
        "party": one.terms.party,
        "project": one.terms.project,
        "role": one.terms.role,
        "areas": list(one.terms.areas),
        "ceiling": [str(level) for level in one.terms.ceiling],
        "from": one.term.since,
        "to": None if isinstance(one.term.until, UnsetType) else one.term.until,
        "state": one.state(date_of(now)),
        "suspended": [{"party": party, "act": act} for party, act in one.suspended],
        "conditions": list(one.terms.conditions),
        "proposal": one.proposal,
        "acts": list(one.by),
    }


def item_view(register: Register, item: acts.ItemState) -> View:
    facts = item.facts
    rel = None if item.label.rel is UNSET else list(item.label.rel)
    return {
        "id": item.id,
        "version": item.version,
        "title": facts.title,
        "opaque": facts.opaque,
        "owner": item.party,
        "owners": list(facts.owners),
        "organisation": facts.organisation,
        "project": facts.project,
        "areas": list(facts.areas),
        "label": {"levels": [str(level) for level in item.label.levels], "rel": rel, "tags": list(item.label.tags)},
        "entries": plain(facts.entries),
        "origins": None if facts.origins is UNSET else plain(facts.origins),
        "nature": facts.nature,
        "retired": bool(item.retired),
        "act": item.act,
        "label_act": item.label_act,
        "restriction": None if isinstance(item.restriction, UnsetType) else plain(item.restriction),
    }


def stale_view(register: Register, day: int) -> View:
    """Markings that keep an item from all others and are due: past their review date, or without one.

    due_days: since the review date, or, without one, since the label was given. Longest due first.
    """
    today, closed = dt.date.fromisoformat(date_of(day)), 0
    rows: list[View] = []
    for item in (one for versions in register.items.values() for one in versions if not one.retired):
        tags = sorted(ONLY.keys() & set(item.label.tags))
        stated = None if isinstance(item.restriction, UnsetType) else item.restriction
        if not tags and stated is None:
            continue
        closed += 1
        marked = date_of(register.stated[item.label_act].time)
        due = dt.date.fromisoformat(stated.review if stated else marked)
        if stated and due > today:
            continue
        rows.append(
            {
                "item": f"{item.id}@{item.version}",
                "tags": tags,
                "reason": stated.reason if stated else None,
                "review": stated.review if stated else None,
                "marked": marked,
                "age_days": (today - dt.date.fromisoformat(marked)).days,
                "due_days": (today - due).days,
            }
        )
    rows.sort(key=lambda row: (-row["due_days"], row["item"]))
    return {**listing(register, day, rows), "closed": closed}


def release_view(register: Register, one: acts.ReleaseState) -> View:
    terms = one.terms
    return {
        "id": one.act,
        "index": one.index,
        "by": one.party,
        "item": f"{terms.item}@{terms.version}",
        "to": terms.to.party,
        "organisation": terms.to.organisation,
        "person": terms.person,
        "purpose": terms.purpose,
        "place": terms.place,
        "authorities": [f"{a.jurisdiction} {a.cite}" for a in terms.authorities],
        "decision": terms.decision,
        "at": one.time,
        "receipts": [{"party": party, "act": act, "outcome": outcome} for party, act, outcome in one.receipts],
        "fetched": bool(one.receipts),
    }


def rows_view(register: Register, day: int, rows: Sequence[Row], people: int) -> View:
    return {**listing(register, day, (row_view(row) for row in rows)), "people": people}
