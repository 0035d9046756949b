"""What would change an answer: every set that is shown was tried, is minimal, and none that is smaller is missing."""

import itertools
import random

import pytest
from msgspec import UNSET
from release_random import Mood, random_question, random_world
from release_world import ARD_LAW, BRE_LAW, DAY, NOW, World, ask, clearance, good, hexed, label, level, someone

from relto.acts import ItemRef, Money, Term
from relto.release import decide
from relto.release.changes import SETS_MAX, _key, suppose
from relto.release.decide import judge
from relto.release.rules import key_of, need


def sets(decision):
    """The alternatives, each as the set of (kind, of)."""
    return [
        {(one.kind, one.of) for one in decision.changes if one.set == number}
        for number in sorted({one.set for one in decision.changes})
    ]


def needs_of(decision):
    """The alternatives, each as needs that can be tried again."""
    return [
        tuple(need(one.needs, one.of, one.kind, **one.detail) for one in decision.changes if one.set == number)
        for number in sorted({one.set for one in decision.changes})
    ]


def tried(register, question, way):
    made = suppose(register, question, way)
    return judge(made.register, made.question, made.satisfied).decision.answer


def permits(register, question, way):
    try:
        return tried(register, question, way) == "permit"
    except Exception:  # a set that cannot be tried permits nothing
        return False


# ---- each rule says what would satisfy it -------------------------------------------------------


def lacking_attestation(world):
    world.attestations = [one for one in world.attestations if one.terms.claim != "organisation"]


def lacking_trust(world):
    world.attestations = [one for one in world.attestations if one.terms.claim != "trusted"]


def lacking_determination(world):
    world.determinations.clear()


def relabelled(world):
    world.relabel("arda/lens", label("ARD guarded", rel=("ARD", "COR")))


def stale(world):
    world.seen["bree"] = NOW - 8 * DAY


def owing(world):
    world.owed["bree"] = (7,)


def unadopted(world):
    world.packs["BRE"] = []


def half_known(world):
    world.item(entries={"ARD": ()})


def of_unknown_origin(world):
    world.item(origins=UNSET)


@pytest.mark.parametrize(
    ("change", "question", "expected"),
    [
        (lacking_attestation, {}, [{("attest", "bree")}]),
        (stale, {}, [{("sync", "arda")}]),
        (owing, {}, [{("opening", "bree")}]),
        (unadopted, {}, [{("adopt law", "bree")}]),
        (half_known, {}, [{("item.entries.BRE", "arda")}]),
        (of_unknown_origin, {}, [{("item.origins", "arda")}]),
        (lacking_trust, {}, [{("attest", "bree")}, {("determine", "arda")}, {("licence", "arda")}]),
        (lacking_determination, {}, [{("determine", "arda")}, {("determine", "arda")}, {("licence", "arda")}]),
        # the old label's determination ends with it
        (relabelled, {}, [{("relabel", "arda"), ("determine", "arda")}, {("relabel", "arda"), ("determine", "arda")},
                          {("relabel", "arda"), ("licence", "arda")}]),
        (lambda world: None, {"to": someone(nationalities=UNSET)}, [{("recipient.nationalities", "bree")}]),
        (lambda world: None, {"to": someone(employment=UNSET)}, [{("recipient.employment", "bree")}]),
        (lambda world: None, {"purpose": "war"}, [{("transfer.purpose", "person")}]),
        (lambda world: None, {"place": "QQQ"},
         [{("determine", "arda")}, {("licence", "arda")}, {("place.access", "bree")}]),
        (lambda world: None, {"to": someone(employment="none")}, []),
        (lambda world: world.known.remove("bree"), {}, []),
        (lambda world: world.recall("bree"), {}, []),
        (lambda world: world.frozen.update(bree="two histories"), {}, []),
        (lambda world: world.items["arda/lens"].__setitem__(0, world.item(retired=hexed("gone"))), {}, []),
        (lambda world: world.item(owners=("cora",)), {}, []),
    ],
)  # fmt: skip
def test_what_would_change_it(change, question, expected):
    world = good()
    change(world)
    decision = decide(world.register(), ask(**question))
    assert decision.answer != "permit"
    assert sorted(map(sorted, sets(decision))) == sorted(map(sorted, expected))


def outsider(**fields):
    world = good(label=label("ARD guarded", rel=("ARD", "BRE", "DUN")), **fields)
    world.licence("arda/lens", recipients=("dun/works",))
    return world


def test_a_step_that_another_makes_needless_is_left_out():
    """Whether Bree's ledger is recent enough matters only while its law may reach."""
    world = good(origins=UNSET)
    world.attest("cora/works", "trusted")
    world.seen["bree"] = None
    decision = decide(world.register(), ask(someone("cora")))
    assert {one.rule for one in decision.failing} == {"fresh", "law.BRE"}
    assert sets(decision) == [{("item.origins", "arda")}]


def test_without_a_proposal_an_engagement_is_what_lacks():
    decision = decide(outsider().register(), ask(someone("dun")))
    assert sets(decision) == [{("propose", "members")}]
    assert dict(decision.changes[0].detail) == {"party": "dun", "project": "lamp"}


def test_of_an_open_proposal_the_votes_lack_by_name_and_by_when():
    world = outsider()
    proposal = world.propose("dun", missing=("cora", "dun"), by=NOW + 3 * DAY)
    decision = decide(world.register(), ask(someone("dun")))
    assert sets(decision) == [{("consent", "cora"), ("consent", "dun")}]
    assert {one.by for one in decision.changes} == {"2026-09-25"}
    assert {one.detail["proposal"] for one in decision.changes} == {proposal}
    world.propose("dun", missing=())
    assert sets(decide(world.register(), ask(someone("dun")))) == [{("acknowledge", "members")}]


def test_a_proposal_that_would_not_cover_the_item_is_no_help():
    world = outsider()
    world.propose("dun", areas=("wick",))
    assert sets(decide(world.register(), ask(someone("dun")))) == [{("propose", "members")}]


def test_what_has_lapsed_is_renewed():
    world = outsider()
    made = world.engage("dun", term=Term(since="2026-01-01", until="2026-09-22"))
    decision = decide(world.register(), ask(someone("dun")))
    assert [one.detail.get("renews") for one in decision.changes] == [made.id]


def test_who_suspended_lifts_and_the_orders_of_the_suspension_go_with_it():
    world = outsider()
    stops = (("bree", hexed("one")), ("cora", hexed("two")))
    world.engage("dun", suspended=stops)
    world.recall("dun", because=hexed("one"))
    decision = decide(world.register(), ask(someone("dun")))
    assert sets(decision) == [{("lift", "bree"), ("lift", "cora")}]
    world.recall("dun")
    assert decide(world.register(), ask(someone("dun"))).changes == ()


def test_a_closed_pillar_is_opened_by_nothing():
    world = good(project="vault", areas=(), label=label("ARD guarded", rel=("ARD", "BRE", "DUN")))
    assert decide(world.register(), ask(someone("dun"))).changes == ()


def test_a_clearance_that_the_own_system_has_is_what_lacks():
    world = good(label=label("ARD closed", rel=("ARD", "BRE")))
    decision = decide(world.register(), ask(someone(clearance=UNSET)))
    assert [one.needs for one in decision.changes] == [
        "bree states a clearance that covers ARD closed (tried with: BRE black)"
    ]
    to = someone("cora", clearance=clearance("QQQ top"))
    world.relabel("arda/lens", label("ARD closed", rel=("ARD", "COR")))
    world.attest("cora/works", "trusted")
    assert decide(world.register(), ask(to)).changes == ()  # nothing of cora's own is agreed to cover it


def test_a_label_that_may_not_be_widened_offers_no_relabel():
    world = good(label=label("ARD guarded", rel=("USA",), tags=("NOFORN",)))
    assert decide(world.register(), ask()).changes == ()


def test_an_officer_of_the_owner_approves():
    import msgspec

    world = good()
    releases = msgspec.structs.replace(world.charter.releases, approval=True)
    world.charter = msgspec.structs.replace(world.charter, releases=releases)
    for request in (UNSET, hexed("request")):
        decision = decide(world.register(), ask(request=request))
        assert sets(decision) == [{("determine", "arda")}]
        assert decision.changes[0].detail["condition"] == "approved"


def test_a_value_is_stated_where_a_licence_counts_in_it():
    world = good(entries={"ARD": ("A1",), "BRE": ()})
    world.determinations.clear()
    world.determine("arda/lens", "ard-open", "clear", holds=False)
    world.licence("arda/lens", value=Money(amount=5, currency="EUR"))
    decision = decide(world.register(), ask())
    assert sets(decision) == [{("licence", "arda")}, {("transfer.value", "arda")}]
    assert any(one.needs.endswith("(tried with: 0 EUR)") for one in decision.changes)


def test_a_rule_that_counts_in_money_is_tried_in_its_currency():
    world = good(flags=("DEAR",), origins=("ARD", "BRE"))
    world.determine("arda/lens", "bre-named", "named", by="bree", jurisdiction="BRE")
    decision = decide(world.register(), ask())
    assert {("transfer.value", "arda")} in sets(decision)


def test_what_people_must_judge_is_said_to_be_tried_with_a_yes():
    world = good()
    world.determinations.clear()
    decision = decide(world.register(), ask())
    assert all(one.needs.endswith(", and it holds") for one in decision.changes if one.kind == "determine")


def test_each_step_carries_what_a_draft_of_it_needs():
    world = good()
    lacking_trust(world)
    for one in decide(world.register(), ask()).changes:
        assert one.detail
    details = [dict(one.detail) for one in decide(world.register(), ask()).changes if one.kind == "determine"]
    assert [(one["law"], one["authority"], one["condition"]) for one in details] == [("ARD", "ard-free", "judged")]


def test_a_permit_needs_no_change():
    assert decide(good().register(), ask()).changes == ()


# ---- tried, minimal, complete -------------------------------------------------------------------


def failing(count):
    kept, seed = [], 20_000
    while len(kept) < count:
        mood = Mood(random.Random(seed))
        world = random_world(mood)
        question = random_question(mood, world)
        decision = decide(world.register(), question)
        if decision.answer != "permit":
            kept.append((world.register(), question, decision))
        seed += 1
    return kept


def test_every_set_leads_to_a_permit_and_no_step_of_it_can_be_left_out():
    shown = 0
    for register, question, decision in failing(60):
        ways = needs_of(decision)
        assert len(ways) <= SETS_MAX
        assert [len(way) for way in ways] == sorted(len(way) for way in ways)
        for way in ways:
            shown += 1
            assert tried(register, question, way) == "permit"
            for n in range(len(way)):
                assert not permits(register, question, way[:n] + way[n + 1 :])
        assert not any(set(_key(a)) < set(_key(b)) for a in ways for b in ways)
    assert shown > 30


def universe(register, question):
    """Every step that any rule asks for, here or after any two others."""
    known = {}
    ahead = [()]
    for way in ahead:
        try:
            made = suppose(register, question, way)
        except Exception:
            continue
        judged = judge(made.register, made.question, made.satisfied)
        for ways in judged.ways.values():
            for one in itertools.chain.from_iterable(ways):
                if key_of(one) not in known:
                    known[key_of(one)] = one
                    ahead.append((one,))
                    ahead.extend((one, other) for other in list(known.values())[:-1])
    return list(known.values())


def smallest(register, question, steps, most):
    """All minimal sets of at most so many steps, by trying every one."""
    kept = []
    for size in range(1, most + 1):
        for way in itertools.combinations(steps, size):
            if not any(set(_key(one)) <= set(_key(way)) for one in kept) and permits(register, question, way):
                kept.append(way)
    return kept


SMALL = {
    "untrusted": (lacking_trust,),
    "unlabelled": (relabelled,),
    "relabelled and untrusted": (relabelled, lacking_trust),
    "stale and unattested": (stale, lacking_attestation),
    "owing, of unknown origin": (owing, of_unknown_origin),
    "half known": (half_known, lacking_determination),
    "unadopted and unjudged": (unadopted, lacking_determination),
}


@pytest.mark.parametrize("name", SMALL)
def test_no_smaller_set_is_missing(name):
    world = good()
    for change in SMALL[name]:
        change(world)
    register, question = world.register(), ask()
    check_complete(register, question)


def test_no_smaller_set_is_missing_for_an_outsider():
    world = outsider()
    world.licences.clear()
    world.propose("dun", missing=("cora",))
    check_complete(world.register(), ask(someone("dun", nationalities=UNSET)))


def test_no_smaller_set_is_missing_for_a_product_of_two_laws():
    world = good()
    world.item("arda/glass", origins=("BRE",))
    world.item(derived=(ItemRef(item="arda/glass", version=1),))
    world.seen["bree"] = None
    check_complete(world.register(), ask())


def check_complete(register, question):
    decision = decide(register, question)
    ways = needs_of(decision)
    most = max((len(way) for way in ways), default=1)
    steps = universe(register, question)
    truth = smallest(register, question, steps, min(most, 3))
    mine = [set(_key(way)) for way in ways if len(way) <= 3]
    sizes = sorted(len(way) for way in truth)[:SETS_MAX]
    assert [len(one) for one in mine] == sizes[: len(mine)]
    assert len(mine) == min(SETS_MAX, len(truth))
    assert all(one in [set(_key(way)) for way in truth] for one in mine)
    assert mine


def test_there_is_an_end_to_trying():
    """Everything wrong at once, and many ways for each: a bounded search, and quick."""
    world = World().laws()
    world.adopt("ARD", ARD_LAW)
    world.adopt("BRE", BRE_LAW)
    world.item(label=label("ARD closed", "BRE black", rel=()), origins=("ARD", "BRE"), entries={}, flags=UNSET)
    for party in ("bree", "cora"):
        world.seen[party] = None
        world.owed[party] = (1,)
    to = someone("dun", employment=UNSET, nationalities=UNSET, clearance=UNSET)
    decision = decide(world.register(), ask(to, purpose="war", place="QQQ"))
    assert decision.answer == "deny"
    assert level("ARD closed")
