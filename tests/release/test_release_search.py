"""Classes are computed from declared reads; lists equal single decisions, all of them, and are complete."""

import pathlib
import random

import msgspec
import pytest
from msgspec import UNSET
from release_random import Mood, random_acts, random_engagements, random_item, random_question, random_world
from release_world import ARD_LAW, NOW, TODAY, World, ask, good, hexed, label, someone

from relto.errors import NotFound
from relto.law import Fact, Says, Three
from relto.release import Declared, decide, heads, live, newest, pairs, rosters, usual, what, who
from relto.release import rules as rules_module
from relto.release.decide import judge
from relto.release.facts import Case
from relto.release.kernel import Kernel
from relto.release.rules import Rule, found


def crowd(seed, items=8):
    """A world of many items, most of them alike in what rules read, and of declared classes."""
    mood = Mood(random.Random(seed))
    mood.heat = min(mood.heat, 0.2)
    world = random_world(mood)
    for n in range(items):
        random_item(mood, world, f"arda/item-{n}")
    random_acts(mood, world)
    random_engagements(mood, world)
    classes = {}
    for _ in range(10):
        to = random_question(mood, world).to
        classes.setdefault(to.party, []).append(to)
    for party, people in classes.items():
        unique = {msgspec.json.encode(one, order="sorted"): one for one in people}
        world.roster(party, *[(one, 3) for one in unique.values()])
    return world


def test_items_of_one_class_have_one_answer_for_every_recipient():
    alike = 0
    for seed in range(6):
        register = crowd(seed).register()
        kernel, groups = Kernel(register, NOW), {}
        for item in live(register):
            groups.setdefault(kernel.class_of(item.id, item.version), []).append(item)
        for items in groups.values():
            alike += len(items) - 1
            for one in rosters(register):
                assert len({outcome(register, item, one) for item in items}) == 1
    assert alike > 10


def outcome(register, item, to):
    decision = judge(register, usual(register, item, to.recipient, NOW)).decision
    return decision.answer, tuple(one.value for one in decision.findings), decision.valid_until


@pytest.mark.parametrize("seed", range(6))
def test_recipients_of_one_class_have_one_answer_for_every_item(seed):
    register = crowd(seed).register()
    kernel, groups = Kernel(register, NOW), {}
    for one in rosters(register):
        groups.setdefault(kernel.recipients.number(one.recipient), []).append(one)
    for people in groups.values():
        for item in live(register):
            answers = {judge(register, usual(register, item, one.recipient, NOW)).decision.answer for one in people}
            assert len(answers) == 1


@pytest.mark.parametrize("seed", range(6))
def test_lists_equal_single_decisions_and_are_complete(seed):
    register = crowd(seed).register()
    people = rosters(register)
    truth = {
        (item.id, item.version, one.id): decide(register, usual(register, item, one.recipient, NOW))
        for item in live(register)
        for one in people
    }
    rows = pairs(register, live(register), people, NOW)
    assert {(row.item, row.version, row.to.id): row.answer for row in rows} == {k: d.answer for k, d in truth.items()}
    for row in rows:
        until = truth[row.item, row.version, row.to.id].valid_until
        assert row.until == ("" if until is UNSET else until)
    may = {k for k, d in truth.items() if d.answer == "permit"}
    for item in live(register):
        listed = {(r.item, r.version, r.to.id) for r in who(register, item.id, NOW, version=item.version)}
        assert listed == {k for k in may if k[:2] == (item.id, item.version)}
    for one in people:
        assert {(r.item, r.version, r.to.id) for r in what(register, one, NOW)} == {k for k in may if k[2] == one.id}


def test_some_of_these_worlds_permit_and_some_do_not():
    registers = [crowd(seed).register() for seed in range(6)]
    answers = [row.answer for one in registers for row in pairs(one, live(one), rosters(one), NOW)]
    assert set(answers) == {"permit", "deny", "undetermined"}
    assert answers.count("permit") > 50


# ---- what a class is made of --------------------------------------------------------------------


def two(**fields):
    """Two items that differ in what is given."""
    world = good()
    world.item("arda/twin", **fields)
    world.determine("arda/twin", "ard-open", "clear")
    register = world.register()
    return register, register.item("arda/lens"), register.item("arda/twin")


def same(register, one, other, more=()):
    kernel = Kernel(register, NOW, more=more)
    return len({kernel.class_of(item.id, item.version) for item in (one, other)}) == 1


def test_items_that_differ_in_nothing_that_is_read_are_one_class():
    assert same(*two())
    assert same(*two(nature="software"))
    assert same(*two(background=True))
    assert same(*two(entries={"ARD": (), "BRE": (), "COR": ("X1",)}))


@pytest.mark.parametrize(
    "fields",
    [
        {"label": label("ARD open", rel=("ARD", "BRE", "COR"))},
        {"label": label("ARD guarded", rel=("ARD", "BRE"))},
        {"label": label("ARD guarded")},
        {"project": "vault", "areas": ()},
        {"areas": ("wick",)},
        {"owners": ("arda", "bree")},
        {"origins": ("ARD", "BRE")},
        {"origins": UNSET},
        {"entries": {"ARD": ("A1",), "BRE": ()}},
        {"entries": {"ARD": ()}},
        {"flags": ("DEAR",)},
        {"organisation": "arda/other"},
        {"retired": hexed("gone")},
    ],
)
def test_items_that_differ_in_what_is_read_are_two_classes(fields):
    assert not same(*two(**fields))


def test_an_act_that_names_an_item_splits_only_that_item():
    world = good()
    for name in ("arda/a", "arda/b", "arda/c"):
        world.item(name)
    assert same(world.register(), *(world.items[n][0] for n in ("arda/a", "arda/b")))
    world.licence("arda/a")
    world.recall("bree", "arda/b")
    register = world.register()
    classes = {Kernel(register, NOW).class_of(n, 1) for n in ("arda/a", "arda/b", "arda/c")}
    assert len(classes) == 3
    world.item("arda/d")
    assert same(world.register(), *(world.items[n][0] for n in ("arda/c", "arda/d")))


def test_an_item_whose_act_is_under_a_disputed_key_is_another_class():
    world = good()
    one, other = world.item("arda/a"), world.item("arda/b")
    world.state(one.act, one.facts, 3, "key-1")
    assert same(world.register(), one, other)
    world.dispute("arda", "key-1")
    assert not same(world.register(), one, other)


def test_an_adopted_text_that_reads_a_new_fact_splits_classes():
    register, one, other = two(nature="software")
    assert same(register, one, other)
    world = good()
    world.item("arda/twin", nature="software")
    kind = '  - {id: kind, cite: "2.4", rule: Data, deny_code: KIND, test: {fact: item.kind, is: technical_data}}'
    new = ARD_LAW.replace("- id: ard-licence", f"{kind}\n- id: ard-licence")
    assert new != ARD_LAW
    world.adopt("ARD", new)
    world.determine("arda/twin", "ard-open", "clear")
    register = world.register()
    assert not same(register, register.item("arda/lens"), register.item("arda/twin"))


KIND = Rule(
    id="kind",
    reads=("item.kind",),
    run=lambda case: found(
        "kind", Three.of(case.text("item.kind") != "software"), "9", [case.fact("item.kind")], code="KIND"
    ),
)


def test_a_rule_that_reads_a_new_fact_splits_classes_by_itself():
    register, one, other = two(nature="software")
    assert same(register, one, other)
    assert not same(register, one, other, (KIND,))
    kernel = Kernel(register, NOW, more=(KIND,))
    answers = [kernel.answer(usual(register, item, someone(), NOW), item).answer for item in (one, other)]
    assert answers == ["permit", "deny"]


def test_a_rule_sees_only_what_it_declares():
    sly = Rule(
        id="sly", reads=("item.kind",), run=lambda case: found("sly", Three.of(bool(case.fact("item.flags"))), "9")
    )
    with pytest.raises(AssertionError, match=r"item\.flags"):
        judge(good().register(), ask(), more=(sly,))
    # and the rules themselves go by no other way
    source = pathlib.Path(rules_module.__file__).read_text()
    assert "._item" not in source
    assert "register.item" not in source


def test_every_fact_that_a_text_may_name_is_found():
    world = good()
    case = Case(world.register(), ask())
    names = (
        *("item.owner", "item.kind", "item.classified", "item.entries.XYZ"),
        *("transferor.party", "transferor.code", "transferor.organisation"),
        *("recipient.party", "recipient.code", "recipient.organisation", "recipient.employment"),
        *("place.origin", "place.destination", "place.access"),
        *("transfer.purpose", "transfer.method", "transfer.value"),
    )
    for name in names:
        assert case.fact(name).name == name
    for name in ("item.colour", "recipient.shoe", "weather"):
        with pytest.raises(NotFound):
            case.fact(name)


@pytest.mark.parametrize(
    ("place_says", "says"),
    [("person", ("person",)), ("party", ("party", "recipient_party")), ("node", ("node", "recipient_party"))],
)
def test_a_place_is_said_by_whoever_says_it(place_says, says):
    fact = Case(good().register(), ask(place_says=place_says)).fact("place.access")
    assert (fact.says, fact.by) == (Says.QUESTION, says)
    assert isinstance(fact, Fact)


# ---- lists --------------------------------------------------------------------------------------


def test_a_party_declares_its_own_people_and_nobody_elses():
    world = good()
    world.roster("bree", (someone("bree"), 2), (someone("cora"), 99))
    assert [(one.recipient.party, one.heads) for one in rosters(world.register())] == [("bree", 2)]


def test_every_version_that_is_not_retired_is_listed_and_found():
    world = good()
    world.item(version=2, retired=hexed("gone"))
    world.item(version=3)
    world.roster("bree", (someone(), 2))
    register = world.register()
    assert [one.version for one in live(register)] == [1, 3]
    assert [one.version for one in newest(register)] == [3]
    assert {row.version for row in what(register, rosters(register)[0], NOW)} == {1}
    assert len(who(register, "arda/lens", NOW, version=1)) == 1
    assert who(register, "arda/lens", NOW) == ()  # nobody has judged version 3
    with pytest.raises(NotFound):
        who(register, "arda/lens", NOW, version=4)


def test_people_are_counted_once_for_each_class():
    world = good()
    world.item("arda/twin")
    world.determine("arda/twin", "ard-open", "clear")
    world.roster("bree", (someone(), 2), (someone(employment="contract"), 3))
    register = world.register()
    rows = pairs(register, live(register), rosters(register), NOW)
    assert (len(rows), heads(rows)) == (4, 5)


def test_the_same_class_in_another_order_is_the_same_class():
    one = Declared(recipient=someone(nationalities=("ARD", "BRE")), heads=1, day=TODAY)
    other = Declared(recipient=someone(nationalities=("BRE", "ARD")), heads=1, day=TODAY)
    assert one.id == other.id


def test_an_outsider_that_no_text_gives_letters_is_asked_for_at_a_place_that_no_rule_names():
    world = World().laws()
    world.item()
    register = world.register()
    question = usual(register, register.item("arda/lens"), someone("ard-2", organisation="ard-2/works"), NOW)
    assert question.place == "ZZZ"
