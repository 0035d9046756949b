"""No party alone adds a permit over another's item, whatever it says and in whatever order; consents do, all of them.

The world is complete but for what the owner has not said. A hostile member then says what it can think of.
"""

import pytest
from acts_kit import CODES, MEMBERS, TERM, Kit, item_fields, label
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from relto import acts
from relto.ledger import Frontier, leaf_hash
from relto.release import live, rosters
from relto.release.search import pairs

FREE = """\
pack: {id}-law
jurisdiction: {code}
title: The law of {id}
source: invented
valid: 2020-01-01..
reaches: {{fact: transferor.code, is: {code}}}
authorities:
- id: {id}-free
  kind: open_licence
  title: Free by judgement
  cite: § 1
  conditions:
  - id: judged
    cite: § 1(a)
    rule: An officer of the transferor has judged it
    said_by: transferor_officer
    deny_code: NOT_JUDGED
    test: {{determined: true}}
"""
ITEMS = ("arda/unjudged", "arda/narrow", "arda/retired")


@pytest.fixture(scope="module")
def founded():
    """Everything that a permit needs from bree and cora is there, and from arda too but for one thing an item."""
    kit = Kit(*MEMBERS, "dune").found()
    for name in MEMBERS:
        code = CODES[name]
        kit.parties[name].say(
            "adopt", jurisdiction=code, pack=kit.put(FREE.format(id=code.lower(), code=code).encode()), name="law"
        )
        for claim in ("organisation", "authorised-user", "eligible"):
            kit.parties[name].say("attest", about=f"{name}/works", claim=claim, term=TERM)
        kit.parties[name].say("roster", day="2026-09-21", classes=(people(name),))
    kit.labels = {}
    for item in ITEMS:
        marks = label("ARD") if item == "arda/narrow" else label("ARD", "BRE", "COR")
        kit.labels[item] = kit.arda.say("register", **item_fields(item, label=marks, entries={"ARD": ()}, origins=()))
    for item in ("arda/narrow", "arda/retired"):
        kit.arda.say("determine", **judgement(kit, item))
    kit.arda.say("retire", item="arda/retired", version=1, prev=kit.labels["arda/retired"], reason="x")
    kit.acks()
    return kit


def people(name):
    recipient = acts.RecipientClass(
        party=name, organisation=f"{name}/works", employment="regular", nationalities=(CODES[name],),
        says={"employment": "party", "nationalities": "party"},
    )  # fmt: skip
    return acts.RosterClass(recipient=recipient, heads=3)


def judgement(kit, item, **changes):
    return {
        "item": item, "version": 1, "on": kit.labels[item], "jurisdiction": "ARD", "authority": "ard-free",
        "condition": "judged", "holds": True, "reason": "x", **changes,
    }  # fmt: skip


def permits(kit, owner="arda", me="arda"):
    register = kit.fold(me)
    items = [one for one in live(register) if one.party == owner]
    rows = pairs(register, items, rosters(register), kit.time, "study")
    return {(row.item, row.to.recipient.party) for row in rows if row.answer == "permit"}


def says(kit, item, number):
    """What bree may think of: kind -> fields."""
    narrow = kit.labels[item]
    return {
        "determine": judgement(kit, item),
        "determine for itself": judgement(kit, item, jurisdiction="BRE", authority="bre-free"),
        "relabel": {"item": item, "version": 1, "prev": narrow, "label": label("ARD", "BRE", "COR"), "reason": "x"},
        "register": item_fields(item, version=2, owners=("arda",), organisation="arda/works"),
        "register as its own": item_fields(item, version=2, owners=("arda", "bree"), organisation="bree/works"),
        "register a copy": item_fields(f"bree/copy-{number}", owners=("bree",), derived=(acts.ItemRef(item=item, version=1),)),
        "licence": {
            "licence": f"free-{number}", "jurisdiction": "ARD", "authority": "ard-free", "holder": "arda/works",
            "recipients": ("bree/works",), "items": (item,), "term": TERM,
        },
        "adopt": {"jurisdiction": "ARD", "pack": kit.put(FREE.format(id="ard", code="BRE").encode()), "name": "law"},
        "attest": {"about": "arda/works", "claim": "organisation", "term": TERM},
        "attest for itself": {"about": "bree/works", "claim": "eligible", "term": TERM},
        "revoke": {"act": narrow, "reason": "x"},
        "retire": {"item": item, "version": 1, "prev": narrow, "reason": "x"},
        "roster": {"day": "2026-09-21", "classes": (people("bree"),)},
        "withdraw": {"on": "2026-12-31", "reason": "x"},
        "dispute": {"party": "arda", "key": kit.arda.keys.officers["registrar"].public.key_ids[0], "index": 0, "reason": "x"},
        "propose": {"subject": "engagement/dune-lamp", "n": 1, "what": kit.terms(), "readers": (*MEMBERS, "dune")},
        "acknowledge": {"heads": (), "common": "0" * 64, "owed": ()},
    }  # fmt: skip


SAYINGS = (
    "determine", "determine for itself", "relabel", "register", "register as its own", "register a copy", "licence", "adopt",
    "attest", "attest for itself", "revoke", "retire", "roster", "withdraw", "dispute", "propose", "acknowledge",
)  # fmt: skip


def cut(kit, sizes):
    """Back to shorter ledgers: what followed was one example's."""
    for one in kit.parties.values():
        size = sizes[one.name]
        one.entries, one.roots, one.frontier = one.entries[:size], one.roots[: size + 1], Frontier.empty()
        for entry in one.entries:
            one.frontier = one.frontier.push(leaf_hash(entry.leaf))


def sizes_of(kit):
    return {one.name: one.size for one in kit.parties.values()}


def test_the_owners_own_word_is_what_is_missing(founded):
    """So the property below can fail: one act of arda more, and there is a permit."""
    before = permits(founded)
    assert not [pair for pair in before if pair[1] != "arda"]
    sizes = sizes_of(founded)
    founded.arda.say("determine", **judgement(founded, "arda/unjudged"))
    founded.acks()
    assert permits(founded) - before == {("arda/unjudged", party) for party in MEMBERS}
    cut(founded, sizes)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(SAYINGS), st.sampled_from(ITEMS)), min_size=1, max_size=10))
def test_no_party_alone_adds_a_permit_over_anothers_item(founded, sayings):
    before, sizes = permits(founded), sizes_of(founded)
    try:
        for number, (saying, item) in enumerate(sayings):
            founded.bree.say(saying.partition(" ")[0], **says(founded, item, number)[saying])
        founded.bree.ack()
        assert permits(founded) <= before
        assert permits(founded, me="cora") <= before
    finally:
        cut(founded, sizes)


@settings(max_examples=10)
@given(st.sets(st.sampled_from([*MEMBERS, "dune"]), max_size=3))
def test_an_engagement_needs_every_consent_that_its_clause_asks_for(founded, consenting):
    sizes = sizes_of(founded)
    try:
        proposal = founded.propose("arda", "engagement/dune-lamp", 1, founded.terms())
        founded.dune.say("acknowledge", heads=(), common="0" * 64, owed=(), under=UNSET)
        for voter in sorted(consenting):
            founded.consent(voter, proposal, **({"under": UNSET} if voter == "dune" else {}))
        founded.acks()
        for me in MEMBERS:
            register = founded.fold(me)
            assert register.slots[proposal].state == "open"
            assert set(register.slots[proposal].missing) == {*MEMBERS, "dune"} - consenting
            assert register.engagements == {}
    finally:
        cut(founded, sizes)
