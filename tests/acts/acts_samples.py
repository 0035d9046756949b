"""One act of every kind with every field set, and one with only what must be: for formats, vectors, mutations."""

from __future__ import annotations

from typing import Any

import msgspec
from acts_kit import START, Keys, label

from relto import acts
from relto.label import Level

ONE, TWO, SIX = "1" * 64, "2" * 64, "6" * 64
TERM = acts.Term(since="2026-01-01", until="2027-01-01")
MONEY = acts.Money(amount=500, currency="GBP")
CLASS = acts.RecipientClass(
    party="bree",
    organisation="bree/works",
    employment="regular",
    nationalities=("BRE", "COR"),
    clearance=acts.Clearance(system="BRE", level="Key, since 2019", until="2027-01-01"),
    says={"clearance": "party", "employment": "party", "nationalities": "node"},
)
PLAIN_CLASS = acts.RecipientClass(party="bree", organisation="bree/works")
MEMBER = acts.Member(party="arda", inception=ONE, origin="arda.example/lamp/0", address="http://arda.example")
ENGAGEMENT = acts.Engagement(
    party="dune",
    inception=TWO,
    origin="dune.example/lamp/0",
    address="https://[::1]:8443",
    project="lamp",
    role="participant",
    areas=("lens",),
    ceiling=(Level(system="ARD", level="open"),),
    term=TERM,
    conditions=("No onward transfer",),
    members=(MEMBER,),
    confirm=1,
    recall_days=14,
)
CITED = acts.AuthorityRef(jurisdiction="ARD", authority="ard-free", cite="§ 1", pack=SIX, act=ONE, until="2026-12-31")


def common(kind: str) -> dict[str, Any]:
    cls = acts.KINDS[kind]
    found: dict[str, Any] = {"author": "arda", "log": "arda.example/lamp/0", "at": START}
    if not issubclass(cls, acts.PARTY_CHAIN):
        found["readers"] = ("arda", "bree", "cora")
        if not issubclass(cls, acts.Introduce):
            found |= {"partnership": ONE, "under": TWO}
    return found


# kind -> (every field, only what must be)
FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "inception": ({"name": "Arda", "address": "http://arda.example", "keys": Keys("arda").public()},) * 2,
    "rotate": ({"prev": ONE, "keys": Keys("arda", 1).public()},) * 2,
    "recover": ({"prev": ONE, "keys": Keys("arda", 1).public(), "reason": "lost"},) * 2,
    "epoch": (
        {
            "log": "arda.example/lamp/1",
            "name": "Arda",
            "address": "http://arda.example",
            "inception": TWO,
            "former": acts.Former(origin="arda.example/lamp/0", size=7, root=SIX),
            "prev": ONE,
            "keys": Keys("arda", 1).public(),
            "reason": "forked",
        },
    )
    * 2,
    "channel": ({"reader": "bree", "inception": TWO, "sealed": bytes(range(48))},) * 2,
    "introduce": (
        {
            "party": "dune",
            "inception": TWO,
            "origin": "dune.example/lamp/0",
            "address": "http://dune.example",
            "members": (MEMBER,),
        },
        {"party": "dune", "inception": TWO, "origin": "dune.example/lamp/0", "address": "http://dune.example"},
    ),
    "propose": (
        {"subject": "engagement/dune-lamp", "n": 2, "prev": TWO, "what": ENGAGEMENT, "by": START + 1},
        {"subject": "engagement/dune-lamp", "n": 1, "what": ENGAGEMENT},
    ),
    "consent": ({"proposal": TWO, "sight": ONE}, {"proposal": TWO}),
    "refuse": ({"proposal": TWO, "reason": "too early"},) * 2,
    "return": (
        {"proposal": TWO, "comment": "name an end", "counter": ONE},
        {"proposal": TWO, "comment": "name an end"},
    ),
    "settle": ({"proposal": TWO, "outcome": "in_force", "common": ONE},) * 2,
    "acknowledge": (
        {
            "heads": (acts.Seen(origin="bree.example/lamp/0", size=7, root=ONE, seen=START, signature=bytes(64)),),
            "owed": (acts.Owed(origin="bree.example/lamp/0", entries=(3, 5)),),
            "common": TWO,
        },
        {"heads": (), "common": TWO},
    ),
    "adopt": ({"jurisdiction": "ARD", "pack": TWO, "name": "ard-law"},) * 2,
    "attest": (
        {"about": "arda/works", "claim": "organisation", "term": TERM, "other": "bree", "reference": "treaty of 2020"},
        {"about": "arda", "claim": "organisation", "term": acts.Term(since="2026-01-01")},
    ),
    "revoke": ({"act": TWO, "reason": "no longer so"},) * 2,
    "roster": (
        {"day": "2026-09-21", "classes": (acts.RosterClass(recipient=CLASS, heads=3),)},
        {"day": "2026-09-21", "classes": ()},
    ),
    "register": (
        {
            "item": "arda/glass",
            "version": 2,
            "opaque": "a" * 32,
            "title": "Glass",
            "organisation": "arda/works",
            "owners": ("arda", "bree"),
            "release": acts.ReleaseRule(rule="k_of_n", k=2),
            "project": "lamp",
            "areas": ("lens",),
            "label": label("ARD", "BRE"),
            "nature": "technical_data",
            "origins": ("ARD",),
            "entries": {"ARD": ("ML22",)},
            "flags": ("mtcr",),
            "derived": (acts.ItemRef(item="arda/sand", version=1),),
            "background": True,
            "value": MONEY,
        },
        {
            "item": "arda/glass",
            "version": 1,
            "opaque": "a" * 32,
            "title": "Glass",
            "organisation": "arda/works",
            "owners": ("arda",),
            "release": acts.ReleaseRule(rule="one"),
            "project": "lamp",
            "areas": (),
            "label": label(),
            "nature": "hardware",
        },
    ),
    "catalogue": (
        {
            "table": SIX,
            "rows": 2,
            "seed": ONE,
            "organisation": "arda/works",
            "owners": ("arda", "bree"),
            "release": acts.ReleaseRule(rule="k_of_n", k=2),
            "project": "lamp",
        },
        {
            "table": SIX,
            "rows": 100_000,
            "seed": TWO,
            "organisation": "arda/works",
            "owners": ("arda",),
            "release": acts.ReleaseRule(rule="one"),
            "project": "lamp",
        },
    ),
    "relabel": ({"item": "arda/glass", "version": 1, "prev": TWO, "label": label("ARD"), "reason": "narrower"},) * 2,
    "retire": ({"item": "arda/glass", "version": 1, "prev": TWO, "reason": "replaced"},) * 2,
    "disclose": ({"to": "cora", "entries": (4, 9)},) * 2,
    "determine": (
        {
            "item": "arda/glass",
            "version": 1,
            "on": TWO,
            "jurisdiction": "ARD",
            "authority": "ard-free",
            "condition": "judged",
            "holds": True,
            "reason": "read against the list",
            "request": SIX,
        },
        {
            "item": "arda/glass",
            "version": 1,
            "on": TWO,
            "jurisdiction": "ARD",
            "authority": "ard-free",
            "condition": "judged",
            "holds": False,
            "reason": "no",
        },
    ),
    "licence": (
        {
            "licence": "l-1",
            "jurisdiction": "ARD",
            "authority": "ard-free",
            "holder": "arda/works",
            "recipients": ("bree", "cora/works"),
            "items": ("arda/glass",),
            "term": TERM,
            "quantity": 3,
            "value": MONEY,
            "provisos": ("For study only",),
            "amends": ONE,
            "request": SIX,
        },
        {
            "licence": "l-1",
            "jurisdiction": "ARD",
            "authority": "ard-free",
            "holder": "arda/works",
            "recipients": ("bree",),
            "items": ("arda/glass",),
            "term": TERM,
        },
    ),
    "release": (
        {
            "request": ONE,
            "item": "arda/glass",
            "version": 1,
            "project": "lamp",
            "part": "share-1",
            "package": TWO,
            "method": "key",
            "to": CLASS,
            "person": "p-" + "a2" * 13,
            "purpose": "study",
            "place": "BRE",
            "place_says": "party",
            "value": MONEY,
            "authorities": (CITED,),
            "rests_on": (ONE, TWO),
            "packs": (SIX,),
            "uses": (acts.LicenceUse(licence=TWO, quantity=1, value=MONEY),),
            "obligations": ("keep-record",),
            "decision": SIX,
            "day": START,
            "sight": TWO,
            "evidence": ONE,
            "legacy_client": True,
        },
        {
            "request": ONE,
            "item": "arda/glass",
            "version": 1,
            "project": "lamp",
            "method": "oral",
            "to": PLAIN_CLASS,
            "person": "p-" + "a2" * 13,
            "purpose": "study",
            "place": "BRE",
            "place_says": "person",
            "authorities": (),
            "rests_on": (),
            "packs": (),
            "decision": SIX,
            "day": START,
            "sight": TWO,
            "evidence": ONE,
        },
    ),
    "receipt": (
        {"release": TWO, "outcome": "disputed", "opened": True, "why": "nobody of ours"},
        {"release": TWO, "outcome": "matches"},
    ),
    "suspend": ({"engagement": TWO, "reason": "under review"},) * 2,
    "lift": ({"suspend": TWO, "reason": "reviewed"},) * 2,
    "recall": ({"release": TWO, "order": "destroy", "by": "2026-12-31", "reason": "withdrawn"},) * 2,
    "answer": (
        {"release": TWO, "because": ONE, "answer": "kept", "reason": "evidence in court"},
        {"release": TWO, "because": ONE, "answer": "destroyed"},
    ),
    "withdraw": ({"on": "2026-12-31", "reason": "a vote"},) * 2,
    "dispute": ({"party": "bree", "key": "bree/node+0123abcd", "index": 4, "reason": "stolen"},) * 2,
    "fork": (
        {
            "origin": "bree.example/lamp/0",
            "first": b"one",
            "second": b"other",
            "root": ONE,
            "proof": (bytes(32), bytes(32)),
        },
        {"origin": "bree.example/lamp/0", "first": b"one", "second": b"other"},
    ),
    "evidence": (
        {
            "candidate": "dune",
            "date": "2026-05-01",
            "standing": "official",
            "status": "considered",
            "says": "a wish",
            "source": "a speech",
            "document": SIX,
            "quote": "we would like to",
        },
        {
            "candidate": "dune",
            "date": "2026-05-01",
            "standing": "press",
            "status": "floated",
            "says": "a wish",
            "source": "a paper",
        },
    ),
}

# What a proposal may be about, each under its subject.
ABOUT: dict[str, acts.What] = {
    "charter": acts.CharterText(charter=ONE, parties=TWO),
    "project/new": acts.ProjectTerms(
        project="new",
        name="New",
        pillar="outer",
        areas=("lens",),
        participants=("arda", "bree"),
        term=TERM,
        instrument="arrangement of 2026",
    ),
    "engagement/dune-lamp": ENGAGEMENT,
    "engagement/renewed": acts.Renewal(of=ONE, term=TERM),
    "engagement/ended": acts.Ending(of=ONE, on="2026-12-31", reason="done"),
    "charter+admit": acts.Admission(party="dune", charter=ONE, parties=TWO),
    "charter+expel": acts.Expulsion(party="cora", charter=ONE, parties=TWO),
}


def sample(kind: str, *, full: bool = True, second: bool = False) -> acts.Act:
    """second: with the field that a later version added to this kind."""
    fields = {**common(kind), **FIELDS[kind][0 if full else 1], **(SECOND[kind] if second else {})}
    act = acts.KINDS[kind](**fields)
    return msgspec.structs.replace(act, v=acts.version_of(act))


# What later versions added to kinds of version 1.
RESTRICTED = {"restriction": acts.Restriction(reason="sources that others gave", review="2027-01-01")}
SHARED = acts.Shared(size=3, root=TWO, to_first=(bytes(32), bytes(32)), to_second=(bytes(32),))
SECOND: dict[str, dict[str, Any]] = {
    "register": RESTRICTED,
    "relabel": RESTRICTED,
    "fork": {"shared": SHARED},
    "dispute": {"votes": True},
    "acknowledge": {"doubts": (ONE,)},
}


def proposals() -> list[acts.Act]:
    """A proposal about each thing that there is; the founding among them."""
    found: list[acts.Act] = []
    for subject, what in ABOUT.items():
        found.append(acts.Propose(**common("propose"), subject=subject.partition("+")[0], n=2, prev=ONE, what=what))
    founding = {name: value for name, value in common("propose").items() if name not in {"partnership", "under"}}
    return [*found, acts.Propose(**founding, subject="charter", n=1, what=ABOUT["charter"])]


def every() -> list[acts.Act]:
    firsts = (sample(kind, full=full) for kind in acts.KINDS for full in (True, False))
    return [*firsts, *(sample(kind, second=True) for kind in SECOND), *proposals()]
