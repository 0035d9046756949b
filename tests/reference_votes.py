"""What votes decide, slow and obvious: from the text of a charter as it is written, over every way to go on.

Written from spec/charter.md ("Rules of decision", "Silence"), not from `relto.charter.rules`. A proposal is in force when
it is carried whatever whoever has not spoken still says, dead when it is carried by nothing that they could say. So what
is said here of few voters takes thousands of steps, and can not change when more arrives.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

Doc = dict[str, Any]


def members(doc: Doc) -> list[str]:
    full = {one["id"] for one in doc["grades"] if one["votes"] == "all"} if "grades" in doc else {"member"}
    return [one["id"] for one in doc["parties"] if one["grade"] in full and "left_by" not in one]


def signatories(doc: Doc) -> list[str]:
    if "grades" not in doc:
        return members(doc)
    signing = {one["id"] for one in doc["grades"] if one.get("signs", one["votes"] != "none")}
    return [one["id"] for one in doc["parties"] if one["grade"] in signing and "left_by" not in one]


def with_a_vote(doc: Doc) -> list[str]:
    if "grades" not in doc:
        return members(doc)
    voting = {one["id"] for one in doc["grades"] if one["votes"] != "none"}
    return [one["id"] for one in doc["parties"] if one["grade"] in voting and "left_by" not in one]


def entry_for(
    doc: Doc, act: str, *, project: str = "", pillar: str = "", ends: str = "", grade: str = "", sections: Any = ()
) -> Any:
    """The narrowest entry about this; None where the general one is save for what is not there."""

    def about(one: Doc) -> bool:
        return (
            one["act"] == act
            and project in one.get("projects", [project])
            and pillar in one.get("pillars", [pillar])
            and grade in one.get("grades", [grade])
            and one.get("ends", ends) == ends
            and ("sections" not in one or (bool(sections) and set(sections) <= set(one["sections"])))
        )

    fitting = [one for one in doc["decisions"] if about(one)]
    words = ("pillars", "grades", "sections", "ends")
    best = max(fitting, key=lambda one: ("projects" in one, sum(key in one for key in words)))
    there = {one["clause"] for one in doc["decisions"]}
    return best if set(best.get("save_for", ())) <= there else None


class Vote:
    """One matter under one entry of the text."""

    def __init__(
        self, doc: Doc, entry: Doc, *, project: str = "", participants: Any = (), concerned: Any = (), bound: Any = ()
    ) -> None:
        self.entry = entry
        kind = entry["voters"]
        if kind == "participants":
            voters = [one for one in participants if one in with_a_vote(doc)]
        elif kind == "owners":
            voters = list(concerned)
        else:
            voters = [one for one in members(doc) if kind == "members" or one not in concerned]
        held = doc.get("suspended_votes", [])
        gone = {one["party"] for one in held if not one.get("projects") or project in one["projects"]}
        self.voters = voters if kind == "owners" else [one for one in voters if one not in gone]
        self.assent = {one["party"]: one.get("silence", "refuses") for one in entry.get("assent", ())}
        consents = entry.get("party_to_be_bound", "consents") == "consents"
        self.asked = [*dict.fromkeys([*(bound if consents else ()), *self.assent])]
        self.everyone = [*self.voters, *(one for one in self.asked if one not in self.voters)]
        shares = next((one.get("shares", []) for one in doc["projects"] if one["id"] == project), [])
        self.money = {one["party"]: one["parts"] for one in shares if one["of"] == "money"}
        self.weights = {one["id"]: one.get("votes", 1) for one in doc["parties"]}

    def silence(self, party: str) -> str:
        if party in self.assent:
            return self.assent[party]
        if party in self.asked:
            return "refuses"
        usual = "abstains" if self.entry.get("counted") == "cast" else "refuses"
        return str(self.entry.get("silence", usual))

    def meant(self, party: str, voice: str) -> str:
        spoken = {"refuses": "refuse", "consents": "consent", "abstains": "abstain"}
        return spoken[self.silence(party)] if voice == "silent" else voice

    def carried(self, said: dict[str, str]) -> bool:
        """Whether a full set of votes carries it."""
        meant = {party: self.meant(party, said[party]) for party in self.everyone}
        if "veto" in meant.values() or any(meant[party] != "consent" for party in self.asked):
            return False
        yes = [one for one in self.voters if meant[one] == "consent"]
        no = [one for one in self.voters if meant[one] == "refuse"]
        if not self.voters:
            return bool(self.asked)
        everybody, cast = self.voters, [*yes, *no]
        of = cast if self.entry.get("counted") == "cast" else everybody
        if "quorum" in self.entry and len(cast) < Fraction(self.entry["quorum"]) * len(everybody):
            return False
        match self.entry["rule"]:
            case "unanimity" | "all_affected" | "owner":
                return bool(yes) and not no if of is cast else yes == everybody
            case "k_of_n":
                return len(yes) >= min(max(self.entry["k"], len(everybody) // 2 + 1), len(everybody))
            case "majority":
                return 2 * len(yes) > len(of)
            case "fraction":
                return bool(yes) and len(yes) >= Fraction(self.entry["share"]) * len(of)
            case "double_majority":
                parts = sum(self.money.get(one, 0) for one in yes)
                whole = sum(self.money.get(one, 0) for one in of)
                heads = bool(yes) and len(yes) >= Fraction(self.entry["share"]) * len(of)
                return heads and parts >= Fraction(self.entry["contributions"]) * whole
            case "weighted":
                against = sum(self.weights[one] for one in everybody if one not in yes)
                return bool(yes) and against < self.entry["blocked_by"]
        raise AssertionError(self.entry["rule"])

    def verdict(self, said: dict[str, str]) -> str:
        """`in_force`, `dead` or `open`, by every way in which the others can go on."""
        if not self.everyone:
            return "open"
        still = [one for one in self.everyone if one not in said]
        voices = ["consent", "refuse", "silent", *(["veto"] if "veto" in self.entry else [])]
        ways = {
            self.carried({**said, **dict(zip(still, way, strict=True))})
            for way in itertools.product(voices, repeat=len(still))
        }
        return {frozenset({True}): "in_force", frozenset({False}): "dead"}.get(frozenset(ways), "open")
