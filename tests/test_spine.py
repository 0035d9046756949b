"""The story's acts in one process, packages apart: every step against real ledgers and folds."""

import msgspec
import pytest
from world import World, check

from relto import acts
from relto.acts import RecipientClass
from relto.demo import cast
from relto.errors import Refused
from relto.node.people import add_person, publish_roster
from relto.release import Question, decide, impact, rehearse_withdrawal, who


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The world after steps 1 to 4: founded, people declared, laws adopted, items registered, Japan introduced."""
    world = World(tmp_path_factory.mktemp("world"))
    for party, name in cast.PARTIES.items():
        world.start(party, name)
    world.outsiders.add("jpn")
    world.founding = world.found("gbr", "usa", "aus")
    world.adopt_laws()
    world.join("jpn", "gbr")
    world.nodes["jpn"].save_config(pin=world.founding)
    jpn = world.nodes["jpn"]
    inception = acts.open_act(jpn.inception())[1]
    world.sync()
    world.act(
        "gbr",
        "introduce",
        party="jpn",
        inception=inception,
        origin=jpn.origin,
        address=jpn.config.url,
        members=world.nodes["gbr"].members_named(),
    )
    world.sync()
    for one in cast.PEOPLE:
        facts = msgspec.convert(one.facts(cast.day(world.time, 365)), RecipientClass)
        add_person(world.nodes[one.party], one.alias, one.name, "", facts, one.party.upper())
    for party in cast.PARTIES:
        for fields in cast.attestations(party, world.time):
            world.act(party, "attest", **fields)
        publish_roster(world.nodes[party])
    opaque = {item: world.random(16).hex() for item in (cast.ITEM_A, cast.ITEM_B, cast.ITEM_C)}
    for fields in cast.items(world.time, opaque).values():
        world.act("gbr", "register", **fields)
    world.act("gbr", "determine", **cast.determination_b(world.register("gbr").item(cast.ITEM_B).label_act))
    world.sync()
    check(world)
    return world


def ask(world, alias, item, at="gbr"):
    someone = next(one for one in cast.PEOPLE if one.alias == alias)
    facts = msgspec.convert(someone.facts(cast.day(world.time, 365)), RecipientClass)
    question = Question(
        to=facts,
        item=item,
        version=1,
        purpose="evaluation",
        place=someone.party.upper(),
        place_says="party",
        day=world.time,
    )
    return decide(world.register(at), question)


def test_the_story_in_order(told):
    world = told
    gbr = world.nodes["gbr"]
    # 3: the UK licence's own list is not among our data: an officer can say
    first = ask(world, "ada", cast.ITEM_A)
    assert first.answer == "undetermined", [(f.rule, f.deny_code) for f in first.failing]
    assert [one.rule for one in first.failing] == ["law.GBR"]
    assert any(change.of == "gbr" and change.kind == "determine" for change in first.changes)
    world.act("gbr", "determine", **cast.determination_a(gbr.register.item(cast.ITEM_A).label_act))
    again = ask(world, "ada", cast.ITEM_A)
    assert again.answer == "permit"
    assert [ref.authority for ref in again.authorities] == ["gb-ogl-aukus"]
    # 4: Japan has nothing, and is told by every rule
    denied = ask(world, "hana", cast.ITEM_A)
    assert denied.answer == "deny"
    assert {one.rule for one in denied.failing} >= {"scope", "label.release", "law.GBR"}
    assert ask(world, "hana", cast.ITEM_C).answer == "deny"
    # 5: impact before anybody signs
    days = gbr.register.charter.on_suspend.answer_days
    members = tuple(
        acts.Member(
            party=p,
            inception=gbr.register.party(p).inception,
            origin=gbr.register.party(p).origin,
            address=gbr.register.party(p).address,
        )
        for p in gbr.register.charter.members
    )
    jpn = gbr.peers()["jpn"]
    what = acts.Engagement(
        inception=jpn.inception,
        origin=jpn.origin,
        address=jpn.address,
        members=members,
        confirm=3,
        recall_days=days,
        **cast.engagement_fields(world.time),
    )
    draft = gbr.draft("propose", subject=f"engagement/{cast.ENGAGEMENT}", n=1, what=what)
    alone = impact(gbr.register, [draft], world.time)
    assert {(p.item, p.to.recipient.party, p.to.heads) for p in alone.gained} == {(cast.ITEM_B, "jpn", 3)}
    relabel = gbr.draft(
        "relabel",
        item=cast.ITEM_A,
        version=1,
        prev=gbr.register.item(cast.ITEM_A).label_act,
        label=cast.label("OFFICIAL-SENSITIVE", "AUS", "GBR", "JPN", "USA"),
        reason="for the project",
    )
    licence = gbr.draft("licence", **cast.licence(world.time))
    together = impact(gbr.register, [draft, relabel, licence], world.time)
    assert {(p.item, p.to.recipient.party) for p in together.gained} == {(cast.ITEM_A, "jpn"), (cast.ITEM_B, "jpn")}
    assert {(p.item, p.to.recipient.party) for p in together.lost} == {
        (cast.ITEM_A, "aus"),
        (cast.ITEM_A, "usa"),
    }  # the determination dies
    # 6: consents, one by one
    proposal = gbr.submit(world.sign("gbr", draft))
    world.sync()
    world.act("gbr", "consent", proposal=proposal, sight=gbr.register.acks["gbr"][0])
    usa = world.nodes["usa"]
    world.act("usa", "consent", proposal=proposal, sight=usa.register.acks["usa"][0])
    world.sync()
    waiting = ask(world, "hana", cast.ITEM_B)
    assert waiting.answer == "deny"
    assert {change.of for change in waiting.changes} == {"aus", "jpn"}
    aus, jpn_node = world.nodes["aus"], world.nodes["jpn"]
    world.act("aus", "consent", proposal=proposal, sight=aus.register.acks["aus"][0])
    world.act("jpn", "consent", proposal=proposal, sight=jpn_node.register.acks["jpn"][0])
    world.sync(rounds=8)
    assert gbr.register.slots[proposal].state == "in_force"
    assert jpn_node.register.slots[proposal].state == "in_force"
    assert set(gbr.register.slots[proposal].settled) == {"aus", "gbr", "usa"}
    assert ask(world, "hana", cast.ITEM_B).answer == "permit"
    assert {one.rule for one in ask(world, "hana", cast.ITEM_A).failing} == {"label.release", "law.GBR"}
    assert cast.ITEM_B in jpn_node.register.items
    assert cast.ITEM_A not in jpn_node.register.items
    check(world)
    # 7: relabel, licence
    fresh = gbr.draft(
        "relabel",
        item=cast.ITEM_A,
        version=1,
        prev=gbr.register.item(cast.ITEM_A).label_act,
        label=relabel.label,
        reason="for the project",
    )
    gbr.submit(world.sign("gbr", fresh))
    assert ask(world, "ada", cast.ITEM_A).answer == "undetermined"
    world.act("gbr", "determine", **cast.determination_a(gbr.register.item(cast.ITEM_A).label_act))
    world.act("gbr", "licence", **cast.licence(world.time))
    world.sync()
    assert ask(world, "hana", cast.ITEM_A).answer == "permit"
    assert cast.ITEM_A in jpn_node.register.items
    assert {row.to.recipient.party for row in who(gbr.register, cast.ITEM_A, world.time)} == {
        "aus",
        "gbr",
        "jpn",
        "usa",
    }
    # 9: suspension, on sight
    world.act("aus", "suspend", engagement=proposal, reason="pending a review")
    assert ask(world, "hana", cast.ITEM_B).answer == "permit"
    world.sync()
    assert {one.rule for one in ask(world, "hana", cast.ITEM_B).failing} == {"denied"}
    # 11: rehearsal
    found = rehearse_withdrawal(gbr.register, "usa", cast.day(world.time, 10), world.time)
    assert found.duties
    check(world)


def test_a_second_vote_is_refused(told):
    world = told
    with pytest.raises(Refused, match="would not count"):
        world.act("usa", "consent", proposal=world.founding, sight=world.register("usa").acks["usa"][0])
