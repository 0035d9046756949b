"""A withdrawal is rehearsed, then given, then its notice runs: what stops is exactly what the rehearsal said."""

import datetime as dt

import msgspec
import pytest
from world import World

from relto import acts
from relto.acts import RecipientClass, Term
from relto.demo import cast
from relto.node.people import add_person, publish_roster
from relto.release import live, rehearse_withdrawal, rosters, usual
from relto.release.search import pairs

YEARS = 1500  # days: what is stated here outlives the notice


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three members with people, laws and items; two hand-overs that cross the border of the leaving party."""
    world = World(tmp_path_factory.mktemp("leaving"))
    for party in cast.MEMBERS:
        world.start(party, cast.PARTIES[party])
    world.found("gbr", "usa", "aus")
    world.adopt_laws()
    for one in cast.PEOPLE:
        if one.party in cast.MEMBERS:
            facts = msgspec.convert(one.facts(cast.day(world.time, YEARS)), RecipientClass)
            add_person(world.nodes[one.party], one.alias, one.name, "", facts, one.party.upper())
    term = Term(since=cast.day(world.time), until=cast.day(world.time, YEARS))
    for party in cast.MEMBERS:
        for fields in cast.attestations(party, world.time):
            world.act(party, "attest", **{**fields, "term": term})
        publish_roster(world.nodes[party])
    opaque = {item: world.random(16).hex() for item in (cast.ITEM_A, cast.ITEM_B, cast.ITEM_C)}
    for fields in cast.items(world.time, opaque).values():
        world.act("gbr", "register", **fields)
    label_act = world.register("gbr").item(cast.ITEM_A).label_act
    world.act("gbr", "determine", **cast.determination_a(label_act))
    world.act("gbr", "determine", **cast.determination_b(world.register("gbr").item(cast.ITEM_B).label_act))
    world.sync()
    for to in ("usa", "aus"):
        world.handed = release(world, cast.ITEM_B, to)
    world.sync()
    return world


def release(world, item, to):
    """A hand-over as the node would write it, for the first class of a party that may have the item."""
    node, register = world.nodes["gbr"], world.register("gbr")
    someone = next(one for one in rosters(register) if one.recipient.party == to)
    state = register.item(item)
    draft = node.draft(
        "release",
        readers=tuple(sorted({"gbr", to})),
        request="1" * 64, item=item, version=1, project=state.facts.project, method="key", to=someone.recipient,
        person="p-" + "a" * 26, purpose="evaluation", place=to.upper(), place_says="party", authorities=(), rests_on=(),
        package="4" * 64, packs=(), decision="2" * 64, day=world.time, sight=register.acks["gbr"][0], evidence="3" * 64,
    )  # fmt: skip
    node.write(draft)
    return acts.act_id(acts.write(draft))


def permits(register, day):
    rows = pairs(register, live(register), rosters(register), day)
    return {(row.item, row.version, row.to.id) for row in rows if row.answer == "permit"}


@pytest.mark.parametrize("leaver", ["usa"])
def test_what_stops_is_what_was_rehearsed(world, leaver):
    on = cast.day(world.time)
    before = permits(world.register("gbr"), world.time)
    rehearsed = rehearse_withdrawal(world.register("gbr"), leaver, on, world.time)
    assert permits(world.register("gbr"), world.time) == before, "a rehearsal changes nothing"
    assert rehearsed.lost
    assert rehearsed.lapses == 0
    assert rehearsed.people == sum({pair.to.id: pair.to.heads for pair in rehearsed.lost}.values()) > 0
    assert rehearse_withdrawal(world.register("gbr"), leaver, "2020-01-01", world.time).effective == rehearsed.effective
    assert rehearsed.keys == ()
    assert len(rehearse_withdrawal(world.register("gbr"), "gbr", on, world.time).keys) == 1
    said = {(pair.item, pair.version, pair.to.id) for pair in rehearsed.lost}

    world.act(leaver, "withdraw", on=on, reason="a new government")
    world.sync()
    assert world.register("gbr").parties[leaver].withdraws == rehearsed.effective
    assert permits(world.register("gbr"), world.time) == before, "during the notice everything goes on"

    eve = at(rehearsed.effective) - 1
    world.time = eve - 60_000
    world.sync()
    assert permits(world.register("gbr"), eve) == before
    world.time = at(rehearsed.effective) + 60_000
    world.sync()
    after = permits(world.register("gbr"), world.time)
    assert before - after == said
    assert after - before == set()
    assert len(after) == rehearsed.kept

    departed = acts.departure(world.register("gbr"), leaver, rehearsed.effective)
    assert departed.out
    assert {(c.release, c.item.partition("@")[0], c.holder) for c in departed.copies} == set(rehearsed.returns)
    assert departed.attestations == rehearsed.attestations
    assert departed.licences == rehearsed.licences
    assert departed.duties == rehearsed.duties
    assert departed.items == rehearsed.items


def at(day):
    return int(dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC).timestamp() * 1000)


def test_the_question_of_one_person_says_why(world):
    """After the exit the answer names the withdrawal."""
    from relto.release import decide

    register = world.register("gbr")
    someone = next(one for one in rosters(register) if one.recipient.party == "usa")
    decision = decide(register, usual(register, register.item(cast.ITEM_B), someone.recipient, world.time))
    assert decision.answer == "deny"
    assert "PARTY_WITHDRAWN" in {one.deny_code for one in decision.failing}
