"""Random worlds and questions, near enough to a permit that every rule fails and holds often."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from release_world import (
    ARD_LAW,
    BRE_LAW,
    CODES,
    DAY,
    HOUR,
    NOW,
    World,
    ask,
    clearance,
    hexed,
    label,
    level,
    someone,
)

from relto.acts import ItemRef, Money, Term
from relto.release import Question

PARTIES = ("arda", "bree", "cora", "dun", "pern", "elm")
TERMS = (
    *[Term(since="2026-01-01", until="2027-01-01")] * 6,
    Term(since="2026-09-22", until="2026-09-23"),
    Term(since="2026-01-01", until="2026-09-22"),
    Term(since="2026-09-23"),
)


class Mood:
    """Chance at a temperature: cool worlds take the first word of each list mostly, hot ones any."""

    def __init__(self, rnd: Any) -> None:
        self.rnd, self.heat = rnd, rnd.choice([0.08, 0.2, 0.5, 1.0])

    def choice(self, words: Any) -> Any:
        return self.rnd.choice(words) if self.rnd.random() < self.heat else words[0]

    def random(self) -> float:
        return float(self.rnd.random())


def chance(mood: Mood, share: float) -> bool:
    """A share below a half is of what goes wrong, one above of what goes well."""
    return mood.random() < (share * mood.heat if share < 0.5 else 1 - (1 - share) * mood.heat)


def some(rnd: Mood, *words: Any, share: float = 0.7) -> tuple[Any, ...]:
    return tuple(word for word in words if chance(rnd, share))


def random_label(rnd: Mood) -> Any:
    levels = rnd.choice(
        [["ARD guarded"]] * 5
        + [["ARD open", "BRE open"], ["ARD closed"], ["ARD closed", "BRE black"], ["ARD sealed"], ["QQQ odd"]]
    )
    rel = rnd.choice([("ARD", "BRE", "COR", "DUN", "ELM", "PER")] * 6 + [("ARD", "BRE"), (), UNSET])
    tags = rnd.choice([()] * 12 + [("SAR-LAMP",), ("ORCON",)])
    return label(*levels, rel=rel, tags=tags, display=rnd.choice([()] * 6 + [("BRE",)]))


def random_item(rnd: Mood, world: World, name: str, derived: tuple[ItemRef, ...] = (), version: int = 1) -> None:
    party = name.partition("/")[0]
    project = rnd.choice(["lamp"] * 6 + ["oil", "vault", "nowhere"])
    fields: dict[str, Any] = {
        "owners": rnd.choice([(party,)] * 6 + [(party, "bree"), (party, "cora", "dun"), ("cora",)]),
        "project": project,
        "areas": {"lamp": rnd.choice([("lens",)] * 4 + [("lens", "wick"), ()]), "oil": ("wick",)}.get(project, ()),
        "label": random_label(rnd),
        "origins": rnd.choice([(CODES[party],)] * 5 + [("COR",), ("ARD", "BRE"), (), UNSET]),
        "entries": {code: rnd.choice([(), (), ("A1",)]) for code in some(rnd, "ARD", "BRE", share=0.93)},
        "flags": rnd.choice([(), (), (), ("DEAR",), UNSET]),
        "value": rnd.choice([UNSET] * 6 + [Money(amount=7, currency="USD"), Money(amount=700, currency="USD")]),
        "derived": derived,
        "retired": hexed("retire") if chance(rnd, 0.02) else "",
    }
    world.item(name, version, **fields)


def random_acts(rnd: Mood, world: World) -> None:
    for party in PARTIES:
        for claim in ("organisation", "trusted", "listed"):
            for _ in range(rnd.choice([1, 1, 1, 1, 1, 2, 0])):
                about = rnd.choice([f"{party}/works"] * 12 + [f"{party}/other", party])
                other = rnd.choice([UNSET] * 10 + ["arda", "bree"])
                world.attest(
                    about, claim, rnd.choice(TERMS), revoked=hexed("revoke") if chance(rnd, 0.05) else "", other=other
                )
    for name in world.items:
        for authority, condition, law, by in (
            ("ard-open", "clear", "ARD", "arda"),
            ("ard-free", "judged", "ARD", "arda"),
            ("bre-named", "named", "BRE", "bree"),
            ("charter 6.1", "control-given-up", "COR", name.partition("/")[0]),
        ):
            for _ in range(rnd.choice([1, 1, 1, 0, 2])):
                speaker = by if chance(rnd, 0.85) else rnd.choice(PARTIES)
                jurisdiction = law if chance(rnd, 0.95) else rnd.choice(["ARD", "BRE"])
                on = "" if chance(rnd, 0.93) else hexed("old label")
                revoked = hexed("revoke") if chance(rnd, 0.05) else ""
                said = {"by": speaker, "jurisdiction": jurisdiction, "holds": chance(rnd, 0.85), "on": on}
                world.determine(name, authority, condition, revoked=revoked, **said)
    for law, by, authority in (("ARD", "arda", "ard-licence"), ("BRE", "bree", "bre-licence")):
        for _ in range(rnd.choice([1, 0, 1, 2])):
            random_licence(rnd, world, law, by if chance(rnd, 0.9) else rnd.choice(PARTIES), authority)


def random_licence(rnd: Mood, world: World, law: str, by: str, authority: str) -> None:
    fields: dict[str, Any] = {
        "recipients": rnd.choice([("bree/works", "dun/works"), ("bree", "cora", "dun"), ("elm/works",)]),
        "term": rnd.choice(TERMS),
        "revoked": hexed("revoke") if chance(rnd, 0.05) else "",
    }
    if chance(rnd, 0.3):
        fields |= {"quantity": rnd.choice([1, 2]), "used": rnd.choice([0, 1, 2])}
    if chance(rnd, 0.3):
        fields |= {"value": Money(amount=rnd.choice([5, 500]), currency="USD"), "spent": rnd.choice([0, 0, 496])}
    if chance(rnd, 0.2):
        fields["draws"] = frozenset({("arda/lens", 1, rnd.choice(["bree/works", "dun/works"]))})
    holder = rnd.choice(["arda/works"] * 6 + ["cora/works"])
    names = some(rnd, "arda/lens", "arda/glass", "cora/glass", share=0.9) or ("arda/lens",)
    world.licence(*names, by=by, jurisdiction=law, authority=authority, holder=holder, **fields)


def random_engagements(rnd: Mood, world: World) -> None:
    for party in ("dun", "elm", "pern", "bree"):
        for _ in range(rnd.choice([1, 1, 0, 2]) if party != "bree" else rnd.choice([0, 0, 0, 1])):
            stops = tuple(
                (who, hexed("suspend", who, len(world.engagements))) for who in some(rnd, "bree", "dun", share=0.06)
            )
            world.engage(
                party,
                project=rnd.choice(["lamp"] * 8 + ["oil", "vault"]),
                role=rnd.choice(["participant"] * 8 + ["observer"]),
                term=rnd.choice(TERMS),
                areas=rnd.choice([("lens", "wick")] * 4 + [("lens",), ("wick",)]),
                suspended=stops,
                ended=rnd.choice([""] * 9 + ["2026-09-22", "2026-09-23"]),
                ceiling=rnd.choice(
                    [(level("ARD closed"),)] * 4
                    + [(level("ARD guarded"),), (level("BRE black"), level("ARD open")), (level("BRE open"),)]
                ),
            )


def random_world(rnd: Mood) -> World:
    """A register's worth; `rnd` is a mood over any source of chance, Hypothesis' own among them."""
    world = World(me=rnd.choice(["arda", "arda", "cora", "bree"]))
    for law, source in (("ARD", ARD_LAW), ("BRE", BRE_LAW)):
        if chance(rnd, 0.97):
            world.adopt(law, source)
        if chance(rnd, 0.03):
            world.adopt(law, rnd.choice([None, source.replace("2024-01-01..", "2026-09-23..")]))
    parts = [("arda/glass", ()), ("cora/glass", ())]
    if chance(rnd, 0.3):
        parts[0] = ("arda/glass", (ItemRef(item="cora/glass", version=rnd.choice([1, 1, 2])),))
    for name, derived in parts:
        random_item(rnd, world, name, derived)
    lens = tuple(ItemRef(item=name, version=1) for name in some(rnd, "arda/glass", "cora/glass", share=0.2))
    random_item(rnd, world, "arda/lens", lens)
    random_acts(rnd, world)
    random_engagements(rnd, world)
    for party in PARTIES:
        if chance(rnd, 0.03) and party != "arda":
            world.known.remove(party)
        if chance(rnd, 0.06):
            world.seen[party] = rnd.choice([None, NOW - 7 * DAY, NOW - 7 * DAY - 1, NOW - 25 * HOUR, NOW - 3 * DAY])
        if chance(rnd, 0.04):
            world.withdraws[party] = rnd.choice(["2026-09-22", "2026-09-23", "2026-10-01"])
        if chance(rnd, 0.015):
            world.frozen[party] = "two histories"
        if chance(rnd, 0.015):
            world.owed[party] = (1,)
        if chance(rnd, 0.03):
            world.recall(party, rnd.choice(["arda/lens", "arda/glass"]))
    return world


def random_question(rnd: Mood, world: World) -> Question:
    party = rnd.rnd.choice(["bree"] * 4 + ["cora", "cora", "arda", "dun", "dun", "elm", "pern"])
    nations = rnd.choice([(CODES[party],)] * 8 + [(CODES[party], "ARD"), (CODES[party], "QQQ"), (), UNSET])
    held = rnd.choice(
        [clearance("ARD Key")] * 4
        + [clearance("BRE black"), clearance("ARD Latch"), clearance("ARD Key", "2026-09-22"), UNSET]
    )
    to = someone(
        party,
        nationalities=nations,
        clearance=held,
        employment=rnd.choice(["regular"] * 8 + ["contract", "none", UNSET]),
    )
    if chance(rnd, 0.08):
        heard = {**to.says, rnd.choice(["employment", "nationalities", "clearance"]): rnd.choice(["person", "node"])}
        to = msgspec.structs.replace(to, says=heard)
    return ask(
        to,
        rnd.rnd.choice(["arda/lens"] * 4 + ["arda/glass", "cora/glass"]),
        purpose=rnd.choice(["study"] * 8 + ["repair", "war"]),
        place=rnd.choice([CODES[party]] * 6 + ["QQQ"]),
        value=rnd.choice([UNSET, Money(amount=10, currency="USD"), Money(amount=10, currency="EUR")]),
        day=NOW + rnd.choice([0] * 12 + [DAY, 300 * DAY, 12 * HOUR]),
    )
