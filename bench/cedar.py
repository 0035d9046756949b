"""The same policy decided by Cedar's engine: equality on random pairs, and what each rule refuses alone.

A partnership in which each rule fails now and then by itself: the shipped charter and the three laws, some five hundred
items and two hundred classes of people. Every pair is asked of the kernel and of cedarpy with the exported policies; a
single difference stops the run. `RELTO_CEDAR_PAIRS` for fewer than a million.
"""

from __future__ import annotations

import os
import time
from collections import Counter

import msgspec
import numpy as np
from msgspec import UNSET

from bench import partnership as made
from relto import acts
from relto.acts import ItemState, LicenceState, Term
from relto.acts.register import RosterState
from relto.label import Label, Level
from relto.release import live, rosters
from relto.release.cedar import ACTION, export
from relto.release.kernel import PERMIT, Asking, Kernel

PAIRS = int(os.environ.get("RELTO_CEDAR_PAIRS", "1000000"))
ITEMS, CLASSES, BATCH = 480, 200, 20_000
PURPOSES = ("research", "evaluation", "production")


def world(seed=20261124):
    """(register, items): each rule fails for some, and mostly one at a time."""
    rng = np.random.default_rng(seed)
    text = made.charter()
    register = made.register(text, rng)
    people, items, said, granted = {}, {}, [], []
    for party in (*made.MEMBERS, *made.OTHERS):
        classes = {}
        while len(classes) < CLASSES // 8:
            system, level = made.CLEARANCES[party]
            nations = (made.code(party),) if rng.random() < 0.95 else (made.code(party), "BRA")
            held = acts.Clearance(
                system=system, level=level, until="2027-05-01" if rng.random() < 0.97 else "2026-01-01"
            )
            one = acts.RecipientClass(
                party=party,
                organisation=f"{party}/works-{rng.integers(3)}" if rng.random() < 0.95 else f"{party}/unknown",
                employment=str(rng.choice(["regular", "contract", "agency", "none"], p=[0.4, 0.3, 0.25, 0.05])),
                nationalities=tuple(sorted(nations)),
                clearance=held if rng.random() < 0.95 else UNSET,
                says={"employment": "party", "nationalities": "party", "clearance": "party"},
            )
            classes[msgspec.json.encode(one)] = one
        rows = tuple(acts.RosterClass(recipient=one, heads=1) for one in classes.values())
        terms = acts.Roster(author=party, log=made.origin(party), at=0, day="2026-09-01", classes=rows)
        people[party] = RosterState(act=made.hexed("roster", party), party=party, terms=terms)
    every = tuple(map(made.code, (*made.MEMBERS, *made.OTHERS)))
    for n in range(ITEMS):
        owner = made.MEMBERS[n % 3]
        level = int(rng.choice(4, p=[0.68, 0.17, 0.125, 0.025]))
        states = every if rng.random() < 0.96 else tuple(sorted(rng.choice(every, 4, replace=False)))
        row = (int(rng.integers(made.PROJECTS)), owner, states, level)
        item, more, _ = made.kind(n, row, int(rng.choice(3, p=[0.8, 0.15, 0.05])), rng.random() < 0.93, -1)
        tags = ("SAR-LAMP",) if rng.random() < 0.05 else ()
        marked = Label.of([Level(system=made.code(owner), level=made.LEVELS[owner][level])], rel=states, tags=tags)
        left_out = rng.random() < 0.07
        facts = msgspec.structs.replace(
            item.facts, label=marked, owners=(made.MEMBERS[(n + 1) % 3],) if left_out else (owner,)
        )
        items[item.id] = (msgspec.structs.replace(item, facts=facts, label=marked),)
        said += more
        if rng.random() < 0.8:
            granted.append(_licence(item, n))
    engaged = {}
    for party in made.OTHERS:
        for project in range(made.PROJECTS):
            if rng.random() < 0.95:
                one = made.engagement(text, party, f"p{project:02}")
                stopped = (("usa", made.hexed("stop", one.id)),) if rng.random() < 0.2 else ()
                engaged[one.id] = msgspec.structs.replace(one, suspended=stopped)
    parties = {
        name: msgspec.structs.replace(one, seen=made.DAY - 8 * 86_400_000) if name == "nzl" else one
        for name, one in register.parties.items()
    }
    return msgspec.structs.replace(
        register,
        items=items,
        determinations=tuple(said),
        licences={one.act: one for one in granted},
        engagements=engaged,
        rosters=people,
        parties=parties,
    )


def _licence(item: ItemState, n: int) -> LicenceState:
    """To the organisations of all states, so that one law less stands between an item and its readers."""
    law, authority = made.LICENCES[item.party]
    to = tuple(one for party in (*made.MEMBERS, *made.OTHERS) for one in made.organisations(party)[: 2 + n % 2])
    terms = acts.Licence(
        author=item.party, log=made.origin(item.party), at=0, licence=f"l-{n}", jurisdiction=law, authority=authority,
        holder=f"{item.party}/works-0", recipients=to, items=(item.id,), term=Term(since="2026-01-01", until="2027-06-01"),
    )  # fmt: skip
    return LicenceState(act=made.hexed("licence", n), party=item.party, terms=terms)


def compare(pairs, seed=1):
    """(counts, seconds of ours, seconds of Cedar's). Raises AssertionError at the first difference."""
    import cedarpy

    register = world()
    items, people = list(live(register)), rosters(register)
    made_ = export(register, items, people, made.DAY)
    checked = cedarpy.validate_policies(made_.policies, made_.schema)
    assert checked.validation_passed, [one.error for one in checked.errors]
    policies = cedarpy.PolicySet.from_str(made_.policies)
    entities = cedarpy.Entities.from_json_str(made_.entities, made_.schema)
    kernels = {one: Kernel(register, made.DAY, Asking(purpose=one)) for one in PURPOSES}
    numbers = {one: [kernels[one].class_of(item.id, item.version) for item in items] for one in PURPOSES}
    rng = np.random.default_rng(seed)
    counts, alone, spent, theirs = Counter(), Counter(), 0.0, 0.0
    done = 0
    while done < pairs:
        many = min(BATCH, pairs - done)
        which = rng.integers(0, len(items), many)
        whom = rng.integers(0, len(people), many)
        what = rng.choice(len(PURPOSES), many, p=[0.475, 0.475, 0.05])
        begun = time.perf_counter()
        ours = [
            int(kernels[PURPOSES[p]].answers(people[w].recipient)[numbers[PURPOSES[p]][i]]) == PERMIT
            for i, w, p in zip(which.tolist(), whom.tolist(), what.tolist(), strict=True)
        ]
        spent += time.perf_counter() - begun
        asks = [
            {
                "principal": f'Recipient::"{people[w].id}"',
                "action": ACTION,
                "resource": f'Item::"{items[i].id}@{items[i].version}"',
                "context": {"purpose": PURPOSES[p], "place": made.code(people[w].recipient.party), "method": "key"},
            }
            for i, w, p in zip(which.tolist(), whom.tolist(), what.tolist(), strict=True)
        ]
        begun = time.perf_counter()
        results = cedarpy.is_authorized_batch(asks, policies, entities)
        theirs += time.perf_counter() - begun
        for mine, result, ask in zip(ours, results, asks, strict=True):
            assert result.allowed is mine, (ask, mine, result.diagnostics)
            assert not result.diagnostics.errors, (ask, result.diagnostics)
            counts["permit" if mine else "deny"] += 1
            if not mine:
                reasons = set(result.diagnostics.id_annotations_by_reason.values())
                if len(reasons) == 1:
                    alone[reasons.pop()] += 1
        done += many
    return counts, alone, spent, theirs


def run():
    counts, alone, ours, theirs = compare(PAIRS)
    rows = [
        {
            "measure": f"Cedar and the kernel agree on {PAIRS:,} random pairs (thousand pairs/s, one by one)",
            "ours": PAIRS / ours / 1e3,
            "peer": PAIRS / theirs / 1e3,
            "ratio": theirs / ours,
            "reach": f"equality; {counts['permit']:,} permits, {counts['permit'] / PAIRS:.0%}; peer: cedarpy, in batches",
        }
    ]
    rows += [
        {
            "measure": f"denials of which {rule} is the sole reason",
            "ours": count,
            "peer": "",
            "ratio": f"{count / counts['deny']:.1%}",
            "reach": "1 %",
        }
        for rule, count in sorted(alone.items())
    ]
    return rows
