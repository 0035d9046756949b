"""Writes tests/vectors/law/packs.json: a pack of format 2, facts, and the findings that must come out.

`python tests/law/law_vectors.py` writes it; a test fails when what it would write differs from what is published.
"""

import json
import pathlib

import msgspec

from relto.charter import Money, read
from relto.law import Fact, Says, activity_of, evaluate, load_pack
from relto.law.facts import UNKNOWN

FILE = pathlib.Path(__file__).parents[1] / "vectors" / "law" / "packs.json"
DAY = "2026-06-01"

SMALL = """\
pack: xx-small
format: 2
jurisdiction: XXX
title: Small law of X
source: Gazette 1
valid: 2025-01-01..
reaches: {fact: item.origins, has: XXX}
authorities:
- id: x-open
  kind: exemption
  title: Open
  cite: "1"
  conditions:
  - {id: only, cite: "1", rule: Only, deny_code: ONLY, test: {fact: item.classified, is: false}}
"""

PACK = """\
pack: xx-export
format: 2
jurisdiction: XXX
title: Export law of X
source: Gazette 1
valid: 2025-01-01..
reaches: {any: [{fact: item.origins, has: XXX}, {not: {fact: item.entries.XXX, none: true}}]}
attestations:
- {id: trusted, says: Trusted}
obligations:
- {id: keep, cite: "8", when: after, years: 5 years, says: A record is kept}
- id: note
  cite: "7"
  when: with
  says: A note goes along
  mark: X LAW APPLIES
  text: "{title} ({item}) goes to {end_user}"
approvals:
- {id: x-form, cite: "6", says: The form of the ministry}
paragraphs:
- {id: all, cite: Schedule 1, says: Every number, of: item.entries.XXX, numbers: [A, "A(1)", "A(2)", "A(2)(i)", B, "B(1)"]}
- id: marked
  cite: Schedule 1
  says: What carries the mark
  of: item.entries.XXX
  numbers: ["A(1)", "A(2)"]
general:
- {id: form, cite: "6", rule: With the form, deny_code: FORM, test: {approved: x-form}}
authorities:
- id: x-open
  kind: exemption
  title: Open
  cite: "3"
  also: [x.open]
  obligations: [note, keep]
  conditions:
  - {id: there, cite: 3(1), rule: Shown in Y or Z, deny_code: PLACE, test: {fact: place.access, in: [YYY, ZZZ]}}
  - id: cleared
    cite: 3(2)
    rule: Cleared by X and shown there
    deny_code: CLEARANCE
    test: {not: {fact: recipient.cleared, in: [XXX Low]}}
  - {id: out, cite: 3(3), rule: It leaves X, deny_code: ACTIVITY, test: {fact: transfer.activity, in: [export, reexport]}}
  - {id: known, cite: 3(4), rule: Numbers that exist, deny_code: NUMBER, test: {fact: item.entries.XXX, among: all}}
  - {id: unmarked, cite: 3(5), rule: No mark, deny_code: MARKED, test: {not: {fact: item.entries.XXX, under: marked}}}
  - id: not-b
    cite: 3(6)
    rule: Nothing of B(1), unless trusted
    deny_code: B
    test: {any: [{not: {fact: item.entries.XXX, under: ["B(1)"]}}, {attested: trusted, of: recipient, said_by: state}]}
  - {id: plain, cite: 3(7), rule: Not classified, deny_code: SECRET, test: {fact: item.classified, is: false}}
- id: x-licence
  kind: licence
  title: Licence
  cite: "4"
  conditions:
  - {id: held, cite: "4", rule: Held, deny_code: NO_LICENCE, test: {licensed: true}}
- id: x-free
  kind: not_controlled
  title: Free
  cite: "5"
  conditions:
  - {id: none, cite: 5(1), rule: No number, deny_code: CONTROLLED, test: {fact: item.entries.XXX, none: true}}
  - {id: judged, cite: 5(2), rule: Judged, deny_code: NOT_JUDGED, said_by: transferor_officer, test: {determined: true}}
"""

GOOD = {
    "item.origins": ("XXX",),
    "item.entries.XXX": ("B",),
    "item.classified": False,
    "place.access": "YYY",
    "recipient.cleared": "XXX High",
    "recipient.attested.trusted": True,
    "licensed.x-form": True,
    "transfer.activity": "export",
    "determined.x-free.judged": False,
}
# What changes in each case; None is not stated.
CHANGES = {
    "as it stands": {},
    "no form": {"licensed.x-form": False},
    "the form is out of sight": {"licensed.x-form": None},
    "shown elsewhere": {"place.access": "WWW"},
    "cleared too low": {"recipient.cleared": "XXX Low"},
    "clearance not stated": {"recipient.cleared": None},
    "it stays abroad": {"transfer.activity": "retransfer"},
    "what it is is not known": {"transfer.activity": None},
    "a number that does not exist": {"item.entries.XXX": ("A(3)",)},
    "marked": {"item.entries.XXX": ("A(2)(i)",)},
    "above a mark": {"item.entries.XXX": ("A",)},
    "licensed and called uncontrolled": {
        "item.entries.XXX": (),
        "licensed.x-licence": True,
        "determined.x-free.judged": True,
    },
    "another origin": {"item.origins": ("YYY",), "item.entries.XXX": ()},
}
PLACES = [("XXX", "YYY"), ("XXX", "XXX"), ("YYY", "XXX"), ("YYY", "YYY"), ("YYY", "ZZZ")]


def vectors():
    pack = load_pack(read(PACK.encode(), "pack"))
    cases = []
    for name, changes in CHANGES.items():
        facts = {fact: value for fact, value in {**GOOD, **changes}.items() if value is not None}
        stated = {fact: value for fact, value in changes.items() if value is None}
        judgement = evaluate(pack, DAY, lambda fact, given=facts, unset=stated: _fact(fact, given, unset))
        cases.append(
            {
                "name": name,
                "facts": {
                    fact: list(value) if isinstance(value, tuple) else value for fact, value in sorted(facts.items())
                },
                "not_stated": sorted(stated),
                "findings": [_row(one) for one in judgement.findings],
                "authorities": [one.id for one in judgement.authorities],
                "obligations": [one.id for one in judgement.obligations],
            }
        )
    activities = [{"law": "XXX", "origin": o, "access": a, "activity": activity_of("XXX", o, a)} for o, a in PLACES]
    return {"pack": PACK, "day": DAY, "cases": cases, "activities": activities}


def _row(one):
    row = {"rule": one.rule, "value": one.value.value}
    return {**row, "code": one.deny_code} if one.deny_code else row


def _fact(name, given, unset):
    act = name.startswith(("licensed.", "determined.")) or ".attested." in name
    value = given.get(name, False if act and name not in unset and not name.startswith("determined.") else UNKNOWN)
    assert not isinstance(value, Money)
    return Fact(name=name, value=value, says=Says.ACT if act else Says.PARTY, by=("state", "transferor_officer"))


if __name__ == "__main__":
    FILE.write_bytes(msgspec.json.format(json.dumps(vectors()).encode(), indent=1) + b"\n")
