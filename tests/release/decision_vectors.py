"""Golden worlds and decision ids: read, built and written. `python tests/release/decision_vectors.py` writes them anew.

A file is one world in JSON: the texts (charter, laws), what is known of each party's ledger, the acts that stand, in
order, every vote on them given and confirmed; then questions with their decisions. Ids rest on the ids of the acts, so
a change of an act's form changes them as much as a change of the rules: either is a new number for the engine once a
release names the old one.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys
from typing import Any

import msgspec
from msgspec import UNSET

from relto import acts
from relto.acts import ItemRef, PartyState, Register, Term
from relto.charter import load, read
from relto.label import Label, Level
from relto.release import Question, assume
from relto.release.decide import judge
from relto.release.question import id_bytes

FOLDER = pathlib.Path(__file__).parents[1] / "vectors" / "decisions"
NOW = 1_790_035_200_000  # 2026-09-22T00:00:00Z
ALL = ("arda", "bree", "cora", "dun")


# ---- reading ------------------------------------------------------------------------------------


def build(world: dict[str, Any]) -> Register:
    charter = load(read(world["charter"].encode(), "charter"))
    objects = {hashlib.sha256(text.encode()).hexdigest(): text.encode() for text in world["laws"]}
    nothing: Any = {}
    register = Register(
        me=world["me"],
        sight=nothing,
        partnership="f" * 64,
        charter=charter,
        charter_id="f" * 64,
        directory=None,
        packs=nothing,
        parties={one["id"]: _party(one) for one in world["parties"]},
        slots=nothing,
        projects=nothing,
        engagements=nothing,
        items=nothing,
        licences=nothing,
        attestations=(),
        determinations=(),
        rosters=nothing,
        releases=nothing,
        recalls=nothing,
        denials=frozenset(),
        evidence=(),
        owed={one["id"]: tuple(one["owed"]) for one in world["parties"] if one["owed"]},
        void=(),
        alarms=(),
        acks=nothing,
        stated=nothing,
        missing=frozenset(),
        scans=nothing,
        objects=objects,
    )
    return assume(register, [acts.read(payload(one)) for one in world["acts"]], NOW)


def payload(view: dict[str, Any]) -> bytes:
    return json.dumps(view, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _party(one: dict[str, Any]) -> PartyState:
    return PartyState(
        id=one["id"],
        grade=one["grade"],
        name=one["id"],
        code="",
        origin=f"{one['id']}.example/lamp/0",
        address=f"https://{one['id']}.example",
        inception=one["inception"],
        chain=(),
        size=1,
        seen=one["seen"],
        confirmed=1,
        frozen=one["frozen"],
        withdraws=one["withdraws"],
    )


def question(view: dict[str, Any]) -> Question:
    return msgspec.convert(view, Question)


def decided(register: Register, asked: Question) -> dict[str, Any]:
    found = judge(register, asked).decision
    return {
        "answer": found.answer,
        "authorities": [f"{one.jurisdiction}: {one.authority}" for one in found.authorities],
        "failing": {one.rule: f"{one.value.value} {one.deny_code}" for one in found.failing},
        "findings": [[one.rule, one.value.value] for one in found.findings],
        "id": found.id,
        "rests_on": list(found.rests_on),
        "valid_until": None if found.valid_until is UNSET else found.valid_until,
    }


# ---- writing ------------------------------------------------------------------------------------


def party(name: str, **fields: Any) -> dict[str, Any]:
    grade = "introduced" if name == "dun" else "member"
    inception = hashlib.sha256(name.encode()).hexdigest()
    return {
        "id": name,
        "grade": grade,
        "inception": inception,
        "seen": NOW,
        "withdraws": "",
        "frozen": "",
        "owed": [],
        **fields,
    }


def act(kind: str, author: str, **fields: Any) -> dict[str, Any]:
    made = acts.KINDS[kind](
        author=author,
        log=f"{author}.example/lamp/0",
        at=NOW - 1000,
        readers=ALL,
        partnership="f" * 64,
        under="f" * 64,
        **fields,
    )
    written_ = acts.write(made)
    assert acts.read(written_) == made
    return dict(json.loads(written_))


def marking(text: str, *rel: str) -> Label:
    system, _, level = text.partition(" ")
    return Label.of([Level(system=system, level=level)], rel=rel)


def item(name: str, **fields: Any) -> dict[str, Any]:
    owner = name.partition("/")[0]
    facts: dict[str, Any] = {
        "item": name,
        "version": 1,
        "opaque": hashlib.sha256(name.encode()).hexdigest()[:32],
        "title": "A lens",
        "organisation": f"{owner}/works",
        "owners": (owner,),
        "release": acts.ReleaseRule(rule="one"),
        "project": "lamp",
        "areas": ("lens",),
        "label": marking("ARD guarded", "ARD", "BRE", "COR"),
        "nature": "technical_data",
        "origins": ("ARD",),
        "entries": {"ARD": (), "BRE": ()},
        "flags": (),
    }
    return act("register", owner, **{**facts, **fields})


def attested(about: str, *claims: str) -> list[dict[str, Any]]:
    author, term = about.partition("/")[0], Term(since="2026-01-01", until="2027-01-01")
    return [act("attest", author, about=about, claim=claim, term=term) for claim in claims]


def determined(
    name: str, author: str, law: str, authority: str, condition: str, *, holds: bool = True
) -> dict[str, Any]:
    return act(
        "determine",
        author,
        item=name,
        version=1,
        on="0" * 64,
        jurisdiction=law,
        authority=authority,
        condition=condition,
        holds=holds,
        reason="Looked at",
    )


def adopted(author: str, law: str, text: str) -> dict[str, Any]:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return act("adopt", author, jurisdiction=law, pack=digest, name=f"{law.lower()}-law")


def asked(who: str, name: str = "arda/lens", **fields: Any) -> dict[str, Any]:
    codes = {"arda": "ARD", "bree": "BRE", "cora": "COR", "dun": "DUN"}
    to: dict[str, Any] = {
        "party": who,
        "organisation": f"{who}/works",
        "employment": "regular",
        "nationalities": [codes[who]],
        "says": dict.fromkeys(("employment", "nationalities"), "party"),
        **fields.pop("to", {}),
    }
    return {
        "to": to,
        "item": name,
        "version": 1,
        "purpose": "study",
        "place": codes[who],
        "place_says": "party",
        "method": "key",
        "day": NOW,
        **fields,
    }


def member(one: dict[str, Any]) -> acts.Member:
    name = one["id"]
    origin, address = f"{name}.example/lamp/0", f"https://{name}.example"
    return acts.Member(party=name, inception=one["inception"], origin=origin, address=address)


def worlds() -> dict[str, dict[str, Any]]:
    from release_world import ARD_LAW, BRE_LAW, CHARTER

    later = NOW + 120 * 86_400_000  # ledgers seen after the days asked about: known now
    members = [party(name, seen=later) for name in ("arda", "bree", "cora")]
    laws = [adopted("arda", "ARD", ARD_LAW), adopted("bree", "BRE", BRE_LAW)]
    ours = [*attested("arda/works", "organisation", "listed"), *attested("bree/works", "organisation", "trusted")]
    start = CHARTER.index("jurisdictions:")
    lawless = CHARTER[:start] + CHARTER[CHARTER.index("labels:") :]
    base = {"engine": 1, "charter": CHARTER, "laws": [ARD_LAW, BRE_LAW], "me": "arda"}
    engagement = acts.Engagement(
        party="dun",
        inception=party("dun")["inception"],
        origin="dun.example/lamp/0",
        address="https://dun.example",
        project="lamp",
        role="participant",
        areas=("lens",),
        ceiling=(Level(system="ARD", level="guarded"),),
        term=Term(since="2026-09-01", until="2026-12-01"),
        members=tuple(member(one) for one in members),
        confirm=3,
        recall_days=14,
    )
    terms = {
        "licence": "l-1",
        "jurisdiction": "ARD",
        "authority": "ard-licence",
        "holder": "arda/works",
        "recipients": ("dun/works",),
        "items": ("arda/lens",),
        "term": Term(since="2026-09-01", until="2026-11-01"),
        "quantity": 1,
    }
    licence = act("licence", "arda", **terms)
    outside = marking("ARD guarded", "ARD", "BRE", "COR", "DUN")
    proposal = act("propose", "arda", subject="engagement/dun-lamp", n=1, what=engagement)
    return {
        "smallest": {
            **base,
            "charter": lawless,
            "laws": [],
            "says": "No law, no claim but the organisation's. The bytes of its first id stand in spec/decision.md.",
            "parties": members,
            "acts": [item("arda/lens"), *attested("bree/works", "organisation")],
            "questions": [
                asked("bree"),
                asked("bree", day=NOW + 86_400_000),
                asked("bree", to={"nationalities": ["BRE", "ARD"]}),
                asked("bree", to={"nationalities": ["ARD", "BRE"]}),
                asked("bree", value={"amount": 5, "currency": "USD"}, part="share-1"),
            ],
        },
        "members": {
            **base,
            "says": "Between members, under the law of one of them; on the last day, on the next, and by others.",
            "parties": members,
            "acts": [*laws, item("arda/lens"), *ours, determined("arda/lens", "arda", "ARD", "ard-open", "clear")],
            "questions": [
                asked("bree"),
                asked("bree", day=NOW + 100 * 86_400_000),
                asked("bree", day=NOW + 101 * 86_400_000),
                asked("cora"),
                asked("bree", to={"nationalities": []}),
                asked("bree", purpose="war"),
                asked("bree", place="QQQ"),
                asked("dun"),
            ],
        },
        "outsider": {
            **base,
            "says": "An outsider, engaged and licensed; then suspended by one member.",
            "parties": [*members, party("dun", seen=later)],
            "acts": [
                *laws,
                item("arda/lens", label=outside),
                *ours,
                *attested("dun/works", "organisation"),
                proposal,
                licence,
            ],
            "questions": [
                asked("dun"),
                asked("dun", day=NOW + 39 * 86_400_000),
                asked("dun", day=NOW + 40 * 86_400_000),
                asked("bree"),
            ],
        },
        "suspended": {
            **base,
            "says": "The same, suspended by one member.",
            "parties": [*members, party("dun", seen=later)],
            "acts": [
                *laws,
                item("arda/lens", label=outside),
                *ours,
                *attested("dun/works", "organisation"),
                proposal,
                licence,
                act("suspend", "bree", engagement=act_id(proposal), reason="A question is open"),
            ],
            "questions": [asked("dun"), asked("bree")],
        },
        "derived": {
            **base,
            "says": "A product with a part of Bree's making: two laws reach it.",
            "parties": members,
            "acts": [
                *laws,
                item("arda/glass", origins=("BRE",)),
                item("arda/lens", derived=(ItemRef(item="arda/glass", version=1),)),
                *ours,
                determined("arda/lens", "arda", "ARD", "ard-open", "clear"),
                determined("arda/lens", "bree", "BRE", "bre-named", "named"),
            ],
            "questions": [asked("bree"), asked("bree", "arda/glass")],
        },
        "unknown": {
            **base,
            "says": "Nothing is a no and much is not known: a text not adopted, an old sight, people not spoken of.",
            "parties": [party("arda"), party("bree", seen=NOW - 8 * 86_400_000), party("cora")],
            "acts": [laws[0], item("arda/lens", entries={"ARD": ()}), *ours],
            "questions": [
                asked("bree"),
                asked("bree", to={"says": {}}),
                asked("bree", to={"says": {"employment": "party", "nationalities": "person"}}),
            ],
        },
        "denied": {
            **base,
            "says": "What denies on sight: a frozen ledger, openings owed, a party that left, a retired item.",
            "parties": [party("arda"), party("bree", frozen="two histories"), party("cora", owed=[4, 7])],
            "acts": [
                *laws,
                item("arda/lens"),
                item("arda/old"),
                *ours,
                *attested("cora/works", "organisation", "trusted"),
                act("retire", "arda", item="arda/old", version=1, prev=act_id(item("arda/old")), reason="Superseded"),
            ],
            "questions": [asked("bree"), asked("cora"), asked("arda", "arda/old")],
        },
    }


def act_id(view: dict[str, Any]) -> str:
    return acts.act_id(payload(view))


def written(world: dict[str, Any]) -> str:
    """A world with its decisions, as its file says it."""
    register = build(world)
    rows = [{"question": one, **decided(register, question(one))} for one in world["questions"]]
    view = {name: value for name, value in world.items() if name != "questions"} | {"decisions": rows}
    return json.dumps(view, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def smallest_bytes() -> bytes:
    """What the id of the first decision of `smallest` is the SHA-256 of."""
    world = json.loads((FOLDER / "smallest.json").read_text())
    asked_ = question(world["decisions"][0]["question"])
    found = judge(build(world), asked_).decision
    return id_bytes(asked_, found.answer, found.findings)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    FOLDER.mkdir(exist_ok=True)
    for name, world in worlds().items():
        (FOLDER / f"{name}.json").write_text(written(world))
