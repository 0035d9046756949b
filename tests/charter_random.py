"""Random charters over the whole language: texts near enough to sound that most are, and the same with one thing wrong.

A charter is made as a dict of sections (`doc`), so that it can be altered and written again (`text_of`). Whether it is
sound only `check` says: `sound` tries until it does. `rnd` is any source of chance, Hypothesis' own among them.
"""

from __future__ import annotations

import json
from typing import Any

from relto.charter import Charter, check, load, read
from relto.charter.draft import SECTIONS

NAMES = ("arda", "bree", "cora", "dune", "elm", "fern")
CODES = {one: one[:3].upper() for one in NAMES}
DAYS = ("2026-09-20", "2026-09-21", "2026-09-22", "2026-09-23", "2027-01-01")
LAWS = ("ARD", "BRE")
CLAIMS = ("listed", "trusted")
KINDS = ("treaty", "memo")
ACTS = ("charter", "project", "engage", "renew", "end", "admit", "expel")
TIES = ("majority", "unanimity", "k_of_n", "fraction", "double_majority", "weighted")


class Dice:
    """Chance in the words that a generator thinks in."""

    def __init__(self, rnd: Any) -> None:
        self.rnd = rnd

    def one(self, words: Any) -> Any:
        return self.rnd.choice(list(words))

    def odds(self, share: float) -> bool:
        return bool(self.rnd.random() < share)

    def some(self, words: Any, share: float = 0.5, *, least: int = 0) -> list[Any]:
        """Some of these in their order, at least so many."""
        words = list(words)
        kept = [one for one in words if self.odds(share)]
        while len(kept) < min(least, len(words)):
            more = self.one([one for one in words if one not in kept])
            kept = [one for one in words if one in kept or one == more]
        return kept

    def number(self, low: int, high: int) -> int:
        return int(self.rnd.randint(low, high))


def text_of(doc: Any) -> bytes:
    """A section a line, each as flow of quoted words: problems then have lines that say which section is meant."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in doc.items()).encode()


class Maker:
    """One charter. `new`: of engine 2 or later."""

    def __init__(self, rnd: Any, *, engine: int = 0, tame: bool = False) -> None:
        self.dice, self.tame, self.count = Dice(rnd), tame, 0
        self.engine = engine or self.dice.one([1, 2, 2, 3, 3])
        self.new = self.engine > 1

    def clause(self) -> str:
        self.count += 1
        return f"{self.count // 10 + 1}.{self.count % 10}"

    def entry(self, **keys: Any) -> dict[str, Any]:
        """An entry with its clause; keys without a value are left out."""
        return {**{key: value for key, value in keys.items() if value not in (None, "", [])}, "clause": self.clause()}

    def doc(self) -> dict[str, Any]:
        self.grades_and_parties()
        doc: dict[str, Any] = {"charter": "lamp", "title": "The lamp", "engine": self.engine}
        n = len(self.members)
        doc["confirm"] = self.dice.number((n + 1) // 2 + 1, n) if n > 2 else 2
        doc["purpose"], doc["standing"] = self.entry(says="A lighthouse."), self.entry()
        if self.grades is not None:
            doc["grades"] = self.grades
        if self.attributes:
            doc["attributes"] = [self.entry(id=one, says=f"It is {one}.") for one in self.attributes]
        doc["parties"] = self.parties
        doc |= self.work()
        doc["purposes"] = self.purposes(doc)
        doc["suspended_votes"] = self.suspended(doc) if self.new and self.dice.odds(0.25) else []
        doc["decisions"] = self.decisions(doc)
        doc["suspension"] = self.entry(by=self.dice.one(["those_whose_consent_was_required", "any_member", "owner"]))
        recall = self.dice.odds(0.7)
        doc["on_suspend"] = self.entry(recall=recall, answer_within="14 days" if recall else None)
        self.labels(doc)
        limits = self.limits(doc) if self.new else []
        doc["releases"] = self.entry(
            rule=self.dice.one(["one", "all", "k_of_n"]),
            approval="each_time" if self.new and self.dice.odds(0.1) else None,
            limits=[one["id"] for one in limits],
        )
        if doc["releases"]["rule"] == "k_of_n":
            doc["releases"]["k"] = self.dice.number(1, 3)
        if limits:
            doc["limits"] = limits
        self.papers(doc)
        self.leaving(doc)
        return {key: value for key, value in doc.items() if value != [] or key == "projects"}

    # ---- who

    def grades_and_parties(self) -> None:
        dice = self.dice
        ids = list(NAMES[: dice.number(2, 4)])
        lesser = dice.some(NAMES[len(ids) : 5], 0.4)
        self.grades: list[dict[str, Any]] | None = None
        full, low = "member", ["participant", "observer"]
        if self.new and dice.odds(0.6):
            full, low = dice.one(["member", "state"]), ["funder", "associate"]
            self.grades = [
                self.entry(id=full, votes="all", receives=dice.one(["own_projects"] * 4 + ["by_engagement"])),
                self.entry(id="funder", votes=dice.one(["own_projects", "none"]), signs=True,
                           receives=dice.one(["own_projects", "by_engagement"])),
                self.entry(id="associate", votes="none", receives=dice.one(["own_projects", "by_engagement"])),
            ]  # fmt: skip
        self.attributes = dice.some(["funded", "near"], 0.4) if self.new else []
        self.parties, self.members = [], ids
        for name in (*ids, *lesser):
            keys: dict[str, Any] = {"since": dice.one(["2020-01-01"] * 5 + ["2026-09-22", "2026-09-23"])}
            if self.new:
                keys["until"] = dice.one([None] * 6 + ["2026-12-31", "2026-09-23", "2027-01-01"])
                keys["attributes"] = dice.some(self.attributes)
                keys["votes"] = dice.one([None, 1, 2, 5])
                if dice.odds(0.15):
                    keys["formerly"] = [{"grade": dice.one([full, *low]), "term": "2010-01-01..2015-12-31"}]
                if self.engine > 2 and keys["until"] and dice.odds(0.6):
                    keys["left_by"] = dice.one(["own_wish", "default"])
                    keys["until"] = dice.one(["2026-09-20", keys["until"]])
            grade = full if name in ids else dice.one(low)
            if name in ids[:2]:  # whoever else leaves, two stay
                keys.pop("left_by", None)
            self.parties.append(self.entry(id=name, name=name.title(), code=CODES[name], grade=grade, **keys))
        gone = {one["id"] for one in self.parties if "left_by" in one}
        self.members = [one for one in ids if one not in gone]
        self.everyone = [one["id"] for one in self.parties]
        voting = {one["id"] for one in self.grades or () if one["votes"] == "own_projects"}
        self.project_voters = [
            one["id"] for one in self.parties if one["grade"] in {full, *voting} and one["id"] not in gone
        ]
        signing = {one["id"] for one in self.grades or () if one["votes"] != "none" or one.get("signs")}
        self.signing = [one["id"] for one in self.parties if one["grade"] in {full, *signing} and one["id"] not in gone]
        self.low = low if self.grades is None else [one["id"] for one in self.grades]

    # ---- what

    def work(self) -> dict[str, Any]:
        dice = self.dice
        pillars = [self.entry(id="outer", name="Outer", access="open_per_project")]
        if dice.odds(0.6):
            held = dice.some(self.everyone, 0.8, least=1)
            pillars.append(self.entry(id="inner", name="Inner", access="closed", members=held))
        areas = [self.entry(id=one, name=one.title(), pillar="outer") for one in ("lens", "wick")[: dice.number(1, 2)]]
        projects: list[dict[str, Any]] = []
        for name in ("lamp", "oil", "vault")[: dice.number(1, 3)]:
            closed = len(pillars) > 1 and name == "vault"
            pillar = pillars[1] if closed else pillars[0]
            takes = dice.some(pillar["members"] if closed else self.everyone, 0.8, least=1)
            voters = [one for one in takes if one in self.project_voters]
            if not voters and not closed:
                takes = [self.members[0], *takes]
            keys: dict[str, Any] = {
                "areas": [] if closed else dice.some([one["id"] for one in areas], 0.8),
                "lead": takes[0] if dice.odds(0.3) else None,
                "term": dice.one([None, None, "2025-01-01..2027-12-31", "2026-09-22..2026-12-31", "2025-01-01.."]),
            }
            if self.new:
                whole = next((one for one in projects if one["pillar"] == pillar["id"]), None)
                if whole is not None and dice.odds(0.4):
                    keys["within"] = whole["id"]
                    takes = [one for one in takes if one in whole["participants"]] or whole["participants"]
                    keys["lead"] = None
                if keys["term"] and not keys["term"].endswith(".."):
                    keys["access_lasts"] = dice.one([None, None, "1 year", "3 days"])
                keys["shares"] = [
                    {"party": one, "of": kind, "parts": dice.number(1, 9)} for kind in ("money", "work")
                    for one in takes if dice.odds(0.8)
                ] if dice.odds(0.5) else []  # fmt: skip
            projects.append(self.entry(id=name, name=name.title(), pillar=pillar["id"], participants=takes, **keys))
        return {"pillars": pillars, "areas": areas, "projects": projects}

    def purposes(self, doc: Any) -> list[dict[str, Any]]:
        ids = [one["id"] for one in doc["projects"]]
        found = [
            self.entry(id="study", name="Study", terms="royalty-free" if self.new and self.dice.odds(0.3) else None)
        ]
        if self.dice.odds(0.5):
            found.append(self.entry(id="repair", name="Repair", projects=self.dice.some(ids, least=1)))
        return found

    # ---- decisions

    def suspended(self, doc: Any) -> list[dict[str, Any]]:
        party = self.dice.one(self.project_voters)
        ids = [one["id"] for one in doc["projects"]]
        return [self.entry(party=party, projects=self.dice.some(ids, least=1) if self.dice.odds(0.5) else [])]

    def decisions(self, doc: Any) -> list[dict[str, Any]]:
        found = []
        for act in ACTS:
            own = act in {"engage", "renew", "end"} or (act == "project" and self.new)
            narrower = []
            if self.new and self.dice.odds(0.3):
                about = self.narrow(doc, act)
                narrower = [self.decision(doc, act, own, about)] if about else []
            general = self.decision(doc, act, own, {})
            if narrower:
                general["save_for"] = [one["clause"] for one in narrower]
            found += [*narrower, general]
        return found

    def narrow(self, doc: Any, act: str) -> dict[str, Any]:
        dice = self.dice
        if act == "charter":
            sections = dice.one([["candidates"], ["projects", "areas"], ["suspended_votes"], ["windows"]])
            return {"sections": sections}
        if act == "admit":
            return {"grades": [dice.one(self.low)]} if self.grades else {}
        if act == "expel":
            return {}
        if act == "end" and dice.odds(0.4):
            return {"ends": dice.one(["project", "engagement"])}
        key = dice.one(["pillars", "projects"])
        return {key: [dice.one(doc[key])["id"]]}

    def decision(self, doc: Any, act: str, own: bool, about: dict[str, Any]) -> dict[str, Any]:
        dice = self.dice
        bound = "consents" if act in {"engage", "renew", "admit"} else dice.one(["consents", "is_told"])
        base: dict[str, Any] = {"act": act, **about, "party_to_be_bound": bound}
        by_all = "other_members" if act == "expel" or about.get("sections") == ["suspended_votes"] else "members"
        if own and act != "project" and dice.odds(0.12):
            return self.entry(**base, rule="owner", voters="owners")
        voters = "participants" if own and dice.odds(0.4) else by_all
        rule = dice.one(TIES if self.new else TIES[:3])
        if voters == "participants" and dice.odds(0.3):
            rule = "all_affected"
        if self.tame:
            rule = "unanimity"
        return self.entry(**base, rule=rule, voters=voters, **self.counting(rule, voters, own))

    def counting(self, rule: str, voters: str, own: bool) -> dict[str, Any]:
        dice, most = self.dice, len(self.project_voters if voters == "participants" else self.members)
        keys: dict[str, Any] = {}
        if rule == "k_of_n":
            keys["k"] = dice.number(most // 2 + 1, most)
        if not self.new or self.tame:
            return keys
        if rule in {"fraction", "double_majority"}:
            keys["share"] = dice.one(["2/3", "3/5", "1/1", "3/4"])
        if rule == "double_majority":
            keys["contributions"] = dice.one(["2/3", "1/2", "1/10"])
        if rule == "weighted":
            keys["blocked_by"] = dice.number(1, 3)
        if rule in {"majority", "fraction", "double_majority", "unanimity"} and dice.odds(0.3):
            keys |= {"counted": "cast", "quorum": dice.one([None, "1/2", "2/3"])}
        if dice.odds(0.25):
            keys["silence"] = dice.one(["refuses", "consents", "abstains"])
        if dice.odds(0.2):
            keys["open_for"] = dice.one(["2 days", "10 days"])
        if dice.odds(0.2):
            keys["assent"] = [{"party": dice.one(self.signing), "silence": dice.one(["refuses", "consents"])}]
        if dice.odds(0.2):
            keys["veto"] = {"grounds": ["safety", "money"]}
        return keys

    # ---- labels and limits

    def labels(self, doc: Any) -> None:
        dice = self.dice
        doc["labels"] = self.entry(
            systems=[
                self.entry(id="ARD", levels=["open", "guarded", "closed"], classified_from=dice.one(["closed", "guarded", None])),
                self.entry(id="BRE", levels=["low", "black"], classified_from="black"),
            ],
            holds=[self.entry(**{"from": "ARD"}, level="closed", **{"in": "BRE"}, **dice.one([{"as": "black"}, {"action": "refuse"}]))]
            if dice.odds(0.5) else [],
            clearances=[self.entry(system="ARD", name="Key", covers="closed")] if dice.odds(0.6) else [],
        )  # fmt: skip
        doc["groups"] = [
            self.entry(id="LAMP", members=["ARD", "BRE"], valid=dice.one([None, "2020-01-01..2026-09-22"]))
        ] if dice.odds(0.4) else []  # fmt: skip
        fresh = [self.entry(ledgers="all", limit=dice.one(["7 days", "2 days"]))]
        if dice.odds(0.4):
            fresh.append(
                self.entry(
                    ledgers="all", levels=["ARD closed"], limit="24 hours", ask_first=True if dice.odds(0.3) else None
                )
            )
        if dice.odds(0.4):
            fresh.append(self.entry(ledgers=[dice.one(self.everyone)], limit="30 hours"))
        doc["freshness"] = fresh
        doc["approvals"] = [
            self.entry(act=one, officers=dice.number(1, 2))
            for one in dice.some(["determine", "relabel", "licence"], 0.4)
        ]
        doc["jurisdictions"] = [
            self.entry(id=code, adopter=code.lower() + {"ARD": "a", "BRE": "e"}[code])
            for code in dice.some(LAWS, 0.7)
        ]  # fmt: skip
        codes = [CODES[one] for one in NAMES]
        doc["instruments"] = [
            self.entry(id=f"i-{n}", kind=dice.one(KINDS), between=dice.some(codes, 0.3, least=2)[:2], name="A treaty",
                       signed="2019-01-01", term=dice.one([None, "2020-01-01..2026-09-22", "2021-01-01.."]))
            for n in range(dice.number(0, 4))
        ]  # fmt: skip

    def limits(self, doc: Any) -> list[dict[str, Any]]:
        dice = self.dice
        if dice.odds(0.3):
            doc["background"] = [
                self.entry(item=one, except_for=dice.some([p["id"] for p in doc["purposes"]], 0.3))
                for one in dice.some(
                    ["arda/lens", "arda/glass", "cora/glass"] if "cora" in self.everyone else ["arda/lens"]
                )
            ]
        found = []
        for n in range(dice.number(0, 4)):
            own = {
                "to": dice.one(["", "", "members", "outsiders"]),
                "made": dice.one(["", "", "background", "results"]),
                "parties": dice.some(self.everyone, 0.6) if dice.odds(0.2) else [],
                "owners": dice.some(self.everyone, 0.6) if dice.odds(0.2) else [],
                "grades": [dice.one(self.low)] if self.grades and dice.odds(0.2) else [],
                "pillars": [dice.one(doc["pillars"])["id"]] if dice.odds(0.2) else [],
                "projects": [dice.one(doc["projects"])["id"]] if dice.odds(0.2) else [],
                "purposes": [dice.one(doc["purposes"])["id"]] if dice.odds(0.2) else [],
            }
            needs = self.tests(doc, dice.number(1, 2))
            found.append(self.entry(id=f"limit-{n}", needs=needs, **own))
        if found and dice.odds(0.5):
            doc["layers"] = [self.entry(id="top", name="Above"), self.entry(id="low", name="Below", under="top")]
            for one in found:
                one["layer"] = dice.one(["top", "low"])
        return found

    def test(self, doc: Any, deep: int = 0) -> dict[str, Any]:
        dice = self.dice
        laws = [one["id"] for one in doc["jurisdictions"]]
        kinds: list[Any] = [
            {"attested": dice.one(CLAIMS)}, {"attested": dice.one(CLAIMS)}, {"agreed": dice.one(CLAIMS)},
            {"instrument": dice.one(KINDS)}, {"until": dice.one(DAYS)},
            {"after_project": dice.one(["1 year", "2 days"])}, {"asked_in": dice.some(["ARD", "BRE", "COR"], 0.7, least=1)},
            {"determined": "fine", **({"by": dice.one(laws)} if laws and dice.odds(0.5) else {})},
        ]  # fmt: skip
        if self.attributes:
            kinds.append({"attribute": dice.one(self.attributes)})
        if dice.odds(0.05):
            kinds.append({"never": True})
        if deep < 2:
            kinds.append("any")
        picked = dice.one(kinds)
        return {"any": self.tests(doc, dice.number(2, 3), deep + 1)} if picked == "any" else picked

    def tests(self, doc: Any, count: int, deep: int = 0) -> list[dict[str, Any]]:
        """So many, no two alike."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            one = self.test(doc, deep)
            found += [one] if one not in found else []
        return found

    # ---- papers and leaving

    def papers(self, doc: Any) -> None:
        dice = self.dice
        doc["admission"] = [self.entry(id="means", name="Means", kind="judged")]
        if dice.odds(0.5):
            doc["admission"].append(self.entry(id="pairs", name="Pairs", kind="all_pairs", instrument=dice.one(KINDS)))
        if self.new and dice.odds(0.4):
            doc["admission"].append(self.entry(id="own", name="Own", kind="attested", claim="eligible"))
        doc["windows"] = [
            self.entry(
                party=dice.one(self.everyone), what="election",
                **{dice.one(["date", "no_later_than"]): dice.one(DAYS)},
                caretaker=dice.one([None, "2026-09-20..2026-09-25", "2027-01-01.."]) if self.new else None,
            )
            for _ in range(dice.number(0, 2))
        ]  # fmt: skip
        outside = [one for one in NAMES if one not in self.everyone]
        doc["candidates"] = [
            self.entry(id=one, name=one.title(), code=CODES[one], evidence=[
                {"date": date, "standing": dice.one(["joint_statement", "official", "press", "unnamed"]),
                 "status": dice.one(["considered", "consulting", "exploring", "floated", "no_plans", "recommended"])}
                for date in dice.some(["2024", "2024-03", "2025-01-02"])
            ])
            for one in dice.some(outside, 0.7)
        ]  # fmt: skip

    def leaving(self, doc: Any) -> None:
        dice = self.dice

        def duty(name: str) -> dict[str, Any]:
            lasts = dice.one([None, "5 years", "10 days", "2 days"]) if self.new else None
            access = None
            if name == "rights" and self.engine > 2 and dice.odds(0.8):
                named = {"projects": doc["projects"], "purposes": doc["purposes"]}
                access = {key: [dice.one(each)["id"]] for key, each in named.items() if dice.odds(0.3)}
                access |= {"made": dice.one(["all", "results", "background"])}
            return self.entry(id=name, says="Give it back.", lasts=lasts, access=access)

        notice = dice.one(["1 year", "30 days", "6 months"])
        year_ends = dice.one([None, "12-31", "02-28"]) if self.new else None
        doc["withdrawal"] = self.entry(
            notice=notice, year_ends=year_ends, duties=[duty("back")] if dice.odds(0.6) else []
        )
        if not self.new:
            return
        exits = []
        kinds = dice.some(["own_wish", "default", "excluded", "project_only", "whole"], 0.4)
        kinds += (
            ["default"] if "default" not in kinds and any(p.get("left_by") == "default" for p in self.parties) else []
        )
        for kind in kinds:
            own = {"notice": notice, "year_ends": year_ends} if kind == "own_wish" else {}
            if kind in {"default", "excluded"}:
                own = {"decided_by": "expel"}
            exits.append(
                self.entry(kind=kind, keeps=[duty("rights")] if dice.odds(0.5) else [], owes=[duty("pay")], **own)
            )
        doc["exits"] = exits


def sound(rnd: Any, *, engine: int = 0) -> tuple[dict[str, Any], Charter]:
    """A charter that `check` takes: the first of a few tries, at last one by unanimity everywhere."""
    for tame in (False, False, False, True, True, True, True, True, True, True, True, True):
        doc = Maker(rnd, engine=engine, tame=tame).doc()
        source = read(text_of(doc), "charter")
        if not any(one.severity == "error" for one in check(source)):
            return doc, load(source)
    raise AssertionError("no try of these is sound")


# ---- the same with something wrong -----------------------------------------------------------------------------------

ODD: tuple[Any, ...] = (
    *("", "x", "arda", "ARD", "member", "outer", "lamp", "study", "5.3", "999999", "-1", "0", "1/2", "2/1", "true"),
    *("2026-02-30", "2026-09-22", "2027-01-01..2020-01-01", "0 days", "99999 years", "12-31", "ARD open", "\u0430rda"),
    *(
        0,
        65,
        None,
        True,
        [],
        {},
        ["arda"],
        ["arda", "arda"],
        [["x"]],
        {"id": "arda"},
        [{}],
        "a" * 70,
        "\u202ex",
        "ARDA",
    ),
)


def altered(rnd: Any, doc: dict[str, Any]) -> dict[str, Any]:
    """The same text with one to three places that somebody typed otherwise."""
    dice = Dice(rnd)
    made = json.loads(json.dumps(doc))
    for _ in range(dice.one([1, 1, 1, 2, 3])):
        _alter(dice, made, list(places(made)))
    return made


def places(node: Any) -> Any:
    """Every (container, key) of a text."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def _alter(dice: Dice, made: dict[str, Any], every: list[Any]) -> None:
    node, key = dice.one(every)
    other, place = dice.one(every)
    match dice.number(0, 6):
        case 0:
            del node[key]
        case 1:
            node[key] = dice.one(ODD)
        case 2 | 3:  # what stands elsewhere in the text, under the same name if there is one
            same = [(o, p) for o, p in every if p == key and isinstance(key, str) and o is not node]
            source, at = dice.one(same) if same else (other, place)
            node[key] = json.loads(json.dumps(source[at]))
        case 4 if isinstance(node, dict):
            node[
                dice.one(
                    [
                        "until",
                        "within",
                        "limits",
                        "projects",
                        "k",
                        "colour",
                        "clause",
                        "save_for",
                        "share",
                        "left_by",
                        "access",
                    ]
                )
            ] = dice.one(ODD)
        case 5 if isinstance(node, list):
            node.append(json.loads(json.dumps(node[key])))
        case 6:
            name = dice.one(SECTIONS)
            made[name] = dice.one(ODD)
        case _:
            node[key] = dice.one(ODD)
