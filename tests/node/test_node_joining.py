"""Parties that come later decide by the same rule as everybody else: they are opened what they need, by the nodes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "acts"))
from acts_kit import charter_text
from world import World, check

from relto import acts
from relto.charter import Pin, format_parties
from relto.errors import Refused

THREE, FOUR = ("arda", "bree", "cora"), ("arda", "bree", "cora", "dune")


def texts(world, members):
    """The digests of a charter among these, held by the first."""
    first = world.nodes[members[0]]
    pins = [
        Pin(id=one.me, inception=acts.open_act(one.inception())[1], origin=one.origin, address=one.config.url)
        for one in (world.nodes[name] for name in members)
    ]
    return {
        "charter": first.put_text(charter_text(members, 3)),
        "parties": first.put_text(format_parties("aukus", pins)),
    }


def meet(world, *names):
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            world.join(one, other)
    world.sync()


def consent(world, name, proposal):
    node = world.nodes[name]
    sight = (
        {"sight": node.register.acks[name][0]} if node.me in node.register.acks and node.register.partnership else {}
    )
    return world.act(name, "consent", proposal=proposal, **sight)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    for name in FOUR:
        world.start(name, name.title())
    return world


def found(world, members):
    founding = world.act(members[0], "propose", subject="charter", n=1, what=acts.CharterText(**texts(world, members)))
    world.sync()
    for name in members:
        consent(world, name, founding)
    world.sync(rounds=12)
    return founding


def test_a_member_that_is_admitted_reads_decides_and_is_one_of_them(world):
    meet(world, *THREE)
    founding = found(world, THREE)
    begun = world.act(
        "bree", "propose", subject="project/early", n=1,
        what=acts.ProjectTerms(
            project="early", name="Early", pillar="outer", areas=("lens",), participants=THREE,
            term=acts.Term(since="2026-01-01"),
        ),
    )  # fmt: skip
    world.sync()
    for name in THREE:
        consent(world, name, begun)
    world.sync()
    world.join("arda", "dune")
    world.nodes["dune"].save_config(pin=founding)
    world.sync()
    dune = world.nodes["dune"]
    world.act(
        "arda", "introduce", party="dune", inception=acts.open_act(dune.inception())[1], origin=dune.origin,
        address=dune.config.url, members=world.nodes["arda"].members_named(),
    )  # fmt: skip
    world.sync(rounds=8)
    assert dune.register.charter is None
    assert not world.nodes["bree"].serves_whole("dune")
    admission = world.act(
        "arda",
        "propose",
        subject="charter",
        n=2,
        prev=founding,
        what=acts.Admission(party="dune", **texts(world, FOUR)),
    )
    world.sync(rounds=8)
    with pytest.raises(Refused):  # it cannot judge yet what it is asked
        consent(world, "dune", admission)
    for name in THREE:
        consent(world, name, admission)
        world.sync(rounds=8)
        assert world.nodes[name].serves_whole("dune")
    assert world.register("arda").slots[admission].missing == ("dune",)
    assert dune.register.charter_id == founding, (
        "the founding, which it had no part in, is read and decided by its node"
    )
    assert "early" in dune.register.projects
    consent(world, "dune", admission)
    world.sync(rounds=12)
    for name in FOUR:
        register = world.register(name)
        assert register.charter_id == admission, name
        assert register.members == FOUR
        assert not register.owed, (name, register.owed)
        assert not register.alarms
    assert not world.store_parts("dune")
    # It votes like the others, on what is proposed from now on.
    later = world.act(
        "dune", "propose", subject="project/late", n=1,
        what=acts.ProjectTerms(
            project="late", name="Late", pillar="outer", areas=("lens",), participants=FOUR,
            term=acts.Term(since="2026-01-01"),
        ),
    )  # fmt: skip
    world.sync(rounds=8)
    for name in FOUR:
        consent(world, name, later)
    world.sync(rounds=12)
    assert all("late" in world.register(name).projects for name in FOUR)
    assert len({world.register(name).common for name in FOUR}) == 1
    check(world)
    size = {name: world.nodes[name].log.head.size for name in FOUR}
    world.sync(rounds=8)
    assert {name: world.nodes[name].log.head.size for name in FOUR} == size, "nothing is said for its own sake"


def test_a_second_founding_with_one_more(world):
    meet(world, *THREE)
    first = world.act("arda", "propose", subject="charter", n=1, what=acts.CharterText(**texts(world, THREE)))
    world.sync()
    consent(world, "arda", first)
    consent(world, "bree", first)
    world.sync()
    meet(world, *FOUR)
    world.act("cora", "refuse", proposal=first, reason="not without dune")
    world.sync(rounds=8)
    assert world.register("arda").slots[first].state == "dead"
    second = world.act(
        "cora", "propose", subject="charter", n=1, what=acts.CharterText(**texts_by(world, "cora", FOUR))
    )
    world.sync(rounds=8)
    for name in FOUR:
        node = world.nodes[name]
        world.act(name, "consent", proposal=second, partnership=second, sight=node.register.acks[name][0])
        world.sync(rounds=8)
    world.sync(rounds=12)
    for name in FOUR:
        register = world.register(name)
        assert register.charter_id == second, (name, register.slots[second].votes)
        assert register.slots[first].state == "dead"
    check(world)


def texts_by(world, name, members):
    found = texts(world, members)
    for digest in found.values():
        world.nodes[name].put_text(world.nodes[members[0]].objects.get(bytes.fromhex(digest)))
    return found
