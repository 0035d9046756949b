"""Membership of a confidential engagement does not leak to parties outside it: what an outsider's node can fetch.

`jpn` is engaged; `kor` is introduced and nothing more. Both are pinned by the members. Everything that a member's node
would serve to `kor` is collected, with and without an engagement of `jpn`: bytes, indices, counts, sizes.
"""

import shutil

import msgspec
import pytest
from world import Link, World

from relto import acts
from relto.demo import cast
from relto.ledger import parse_leaf
from relto.node import carried, sealed_file
from relto.node import config as settings
from relto.node.home import open_node
from relto.node.node import Delivered

MEMBERS = ("gbr", "usa", "aus")
OUTSIDERS = ("jpn", "kor")


def introduce(world, party):
    node, new = world.nodes["gbr"], world.nodes[party]
    world.join(party, "gbr")
    new.save_config(pin=world.founding)
    settings.save(new.config, world.directory / party)
    world.sync()
    world.act(
        "gbr",
        "introduce",
        party=party,
        inception=acts.open_act(new.inception())[1],
        origin=new.origin,
        address=new.config.url,
        members=node.members_named(),
    )
    world.sync()


def engage(world, party, engagement):
    """All members and the party consent."""
    gbr = world.nodes["gbr"]
    pinned = gbr.peers()[party]
    fields = {**cast.engagement_fields(world.time), "party": party}
    what = acts.Engagement(
        inception=pinned.inception,
        origin=pinned.origin,
        address=pinned.address,
        members=gbr.members_named(),
        confirm=3,
        recall_days=gbr.register.charter.on_suspend.answer_days,
        **fields,
    )
    proposal = gbr.submit(world.sign("gbr", gbr.draft("propose", subject=f"engagement/{engagement}", n=1, what=what)))
    world.sync()
    for one in (*MEMBERS, party):
        world.act(one, "consent", proposal=proposal, sight=world.register(one).acks[one][0])
    world.sync(rounds=8)
    assert gbr.register.slots[proposal].state == "in_force"
    return proposal


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """(without, with): the same partnership before and after `jpn` was engaged, and attested afterwards."""
    root = tmp_path_factory.mktemp("leaks")
    world = World(root / "world")
    for party in (*MEMBERS, *OUTSIDERS):
        world.start(party, party)
    world.outsiders |= set(OUTSIDERS)
    world.founding = world.found(*MEMBERS)
    for party in OUTSIDERS:
        introduce(world, party)
    for node in world.nodes.values():
        node.store.close()
    shutil.copytree(root / "world", root / "before")
    before = World(root / "before")
    for one in (before, world):
        one.time, one._draws, one.outsiders, one.founding = world.time, world._draws, set(OUTSIDERS), world.founding
        for party in (*MEMBERS, *OUTSIDERS):
            one.nodes[party] = open_node(one.directory / party, write=True, clock=one.clock, random=one.random)
    engage(world, "jpn", "e1")
    world.act("usa", "attest", about="usa/harbor-systems", claim="facility", term=acts.Term(since="2026-01-01"))
    world.sync()
    yield before, world
    for one in (before, world):
        for node in one.nodes.values():
            node.store.close()


def served(world, party):
    """Everything that each member serves to this party, by its own node's calls: head, openings, texts."""
    found = {}
    for member in MEMBERS:
        node = world.nodes[member]
        assert not node.serves_whole(party)
        link = Link(world, world.nodes[party], node)
        size = node.log.head.size
        openings = link.openings(0, list(range(size)), size)
        texts = carried._texts(node, party, dict.fromkeys(node.register.scans, 0))
        found[member] = (openings, texts, link.yours())
    return found


def mentions(world, party, openings, texts):
    """Where a party stands by any of its names: as a value, in its ledger's name, by its inception."""
    inception = world.nodes[party].register.scans[f"{party}.example/aukus/0"].inception_id
    names = [f'"{party}"', f"{party}.example", f'"{party}/', inception]
    words = [msgspec.json.encode(acts.open_act(one.envelope)[0]).decode() for one in openings]
    words += [text.decode() for text in texts.values()]
    return [(name, one[:200]) for one in words for name in names if name in one]


def test_the_search_for_names_finds_them_where_they_stand(worlds):
    _, after = worlds
    openings, texts, _ = served(after, "jpn")["gbr"]
    assert mentions(after, "jpn", openings, texts)


def test_an_outsider_that_is_not_engaged_is_served_not_a_byte_about_the_engagement(worlds):
    before, after = worlds
    for member, (openings, texts, yours) in served(after, "kor").items():
        assert not mentions(after, "jpn", openings, texts), member
        assert b'"jpn"' not in msgspec.json.encode(yours)
        # Nor more acts than without the engagement: what comes to it is the same, one by one.
        earlier = [one.envelope for one in served(before, "kor")[member][0]]
        assert [one.envelope for one in openings][: len(earlier)] == earlier
        assert len(openings) == len(earlier)


def test_an_engaged_party_learns_of_no_other_one(worlds):
    """Regression: attestations named every engaged party among their readers; channels named everybody."""
    _, after = worlds
    for openings, texts, _ in served(after, "jpn").values():
        assert not mentions(after, "kor", openings, texts)
    # And still it goes by the attestation: it was disclosed to it.
    register = after.register("jpn")
    assert any(one.terms.about == "usa/harbor-systems" for one in register.attestations)
    attest = next(one for one in after.register("usa").stated.values() if isinstance(one.act, acts.Attest))
    assert "jpn" not in attest.act.readers


def test_a_revocation_reaches_whoever_the_attestation_was_disclosed_to(worlds):
    _, after = worlds
    attest = next(id_ for id_, one in after.register("usa").stated.items() if isinstance(one.act, acts.Attest))
    after.act("usa", "revoke", act=attest, reason="the works moved")
    after.sync()
    found = [one for one in after.register("jpn").attestations if one.terms.about == "usa/harbor-systems"]
    assert all(one.revoked for one in found)


def test_leaves_tell_neither_readers_nor_their_number(worlds):
    """Members mirror leaves: whatever an act is and whoever reads it, the leaf has one length."""
    _, after = worlds
    node = after.nodes["aus"]
    leaves = [leaf for origin in node.store.origins() for leaf in node.store.leaves(origin, 0, 10_000)]
    assert len({len(leaf) for leaf in leaves}) == 1
    assert {len(parse_leaf(leaf).tags) for leaf in leaves} == {16}
    assert len({tag for leaf in leaves for tag in parse_leaf(leaf).tags}) == 16 * len(leaves), "no tag comes twice"


def test_paths_that_are_not_for_an_outsider_do_not_exist_for_it(worlds):
    """What a member's node answers to a party that is not served whole is decided by one question."""
    _, after = worlds
    for member in MEMBERS:
        node = after.nodes[member]
        assert [party for party in node.peers() if node.serves_whole(party)] == sorted(set(MEMBERS) - {member})
        assert {one.party for one in node.yours("kor").heard} <= set(MEMBERS)


def test_a_bundle_for_the_outsider_holds_no_more(worlds, tmp_path):
    _, after = worlds
    after.time += 300
    out = tmp_path / "b"
    says = carried.export(after.nodes["gbr"], "kor", out, since="0")
    assert [one.party for one in says.ledgers] == ["gbr"]
    held = sealed_file.Sealed(out, after.nodes["kor"].keys.opening, what="bundle")
    for name in held.sections:
        openings = msgspec.json.decode(held.read(name), type=list[Delivered]) if "parts" in name else []
        texts = {name: held.read(name)} if name.startswith("objects/") else {}
        assert not mentions(after, "jpn", openings, texts)


def test_what_the_size_of_a_ledger_tells_is_all_that_it_tells(worlds):
    """The size over time is visible to whoever is pinned (SECURITY.md); the steps of a slot look like any other acts."""
    before, after = worlds
    grown = {member: after.nodes[member].log.head.size - before.nodes[member].log.head.size for member in MEMBERS}
    assert all(grown.values())
    for member in MEMBERS:
        sizes = {len(leaf) for leaf in after.nodes[member].store.leaves(after.nodes[member].origin, 0, 10_000)}
        assert len(sizes) == 1
