"""A node whose ledger forked begins another, the members' nodes follow by themselves, and the party speaks again."""

import shutil

import msgspec
import pytest
from world import Link, attest

from relto import acts
from relto.errors import Forged, Refused
from relto.keys import SecretKey
from relto.node import checking, epoch, keyring, officer
from relto.node import config as settings
from relto.node.home import open_node
from relto.node.watch import standings
from relto.store import KeyFiles


def reopen(world, party):
    world.nodes[party].store.close()
    world.nodes[party] = open_node(world.directory / party, write=True, clock=world.clock, random=world.random)
    return world.nodes[party]


def draft(world, party, *, former=None):
    """As `relto act epoch reason=… --next FILE` drafts it, with the partners in this process."""
    node, directory = world.nodes[party], world.directory / party
    links = {name: Link(world, node, world.nodes[name]) for name in node.peers()}
    successor = SecretKey.generate(f"{party}/root-3-{world.clock()}", world.random)
    path = KeyFiles(directory / "keys" / "spare").write(f"root-3-{world.clock()}", successor.to_text())
    keys = node.register.scans[node.origin].keys
    change = keyring.Change(roots=keyring.committed(directory, keys), successors=(path,))
    return epoch.prepare(
        node, directory, former or epoch.taken_over(node, links), keyring.changed(keys, change), "forked"
    )


def signed(world, party, act):
    node, directory = world.nodes[party], world.directory / party
    request = officer.request(act, node.register.scans[node.origin].keys)
    return officer.envelope(officer.sign(request, officer.offline_signers(directory, request)))


def begin(world, party, act):
    directory = world.directory / party
    epoch.begin(directory, signed(world, party, act), world.nodes[party])
    node = reopen(world, party)
    epoch.open_channels(node)
    return node


def fork(world, tmp_path):
    """usa is copied and both copies write; gbr holds one history and is shown the other."""
    world.nodes["usa"].store.close()
    shutil.copytree(world.directory / "usa", tmp_path / "twin")
    world.nodes["usa"] = open_node(world.directory / "usa", write=True, clock=world.clock, random=world.random)
    common = world.nodes["usa"].log.head.size
    twin = open_node(tmp_path / "twin", write=True, clock=world.clock, random=world.random)
    home, world.nodes["usa"] = world.nodes["usa"], twin
    attest(world, "usa", 7)
    gbr = world.nodes["gbr"]
    gbr.ingest(Link(world, gbr, twin))
    twin.store.close()
    world.nodes["usa"] = home
    attest(world, "usa", 8)
    with pytest.raises(Forged, match="two histories"):
        gbr.ingest(Link(world, gbr, home))
    aus = world.nodes["aus"]
    aus.ingest(Link(world, aus, gbr))
    return common


def test_a_party_goes_on_after_a_fork(world, tmp_path):
    world.sync()
    common = fork(world, tmp_path)
    assert world.nodes["aus"].register.party("usa").frozen_at == common
    act = draft(world, "usa")
    assert act.former.size == common  # gbr holds the other history from there on
    usa = begin(world, "usa", act)
    assert usa.origin.endswith("/1")
    assert settings.load(world.directory / "usa").origin == usa.origin
    with pytest.raises(Refused, match="have not acknowledged"):
        attest(world, "usa", 9)
    for _ in range(3):
        world.sync()
    for party in ("gbr", "usa", "aus"):
        state = world.nodes[party].register.party("usa")
        assert (state.origin, state.frozen, state.grade) == (usa.origin, "", "member")
        assert world.nodes[party].register.alarms == ()
        assert party == "usa" or usa.origin in world.nodes[party].witnessed_logs()
    made = attest(world, "usa", 10)
    world.sync()
    for party in ("gbr", "aus"):
        node = reopen(world, party)
        assert made in node.register.stated
        assert any(one.act == made and not one.revoked for one in node.register.attestations)
        assert next(one for one in standings(node) if one.party == "usa").state == "current"
        assert usa.origin[:-1] + "0" not in node.problems()
        former = checking.former_ledgers(node, "usa")
        assert [checking.check_former(node, "usa", one)["sound"] for one in former] == [True]
        assert checking.check_ledger(node, "usa", None)[0]["sound"]
    # What is decided together goes on: the new ledger votes and confirms.
    gbr = world.nodes["gbr"]
    terms = acts.ProjectTerms(
        project="lantern", name="Lantern", pillar="pillar-2", areas=(gbr.register.charter.areas[0].id,),
        participants=("aus", "gbr", "usa"), term=acts.Term(since="2026-01-01"),
    )  # fmt: skip
    subject = world.act("usa", "propose", subject="project/lantern", n=1, what=terms)
    world.sync()
    for party in ("gbr", "usa", "aus"):
        world.act(party, "consent", proposal=subject, sight=world.nodes[party].sight())
    for _ in range(3):
        world.sync()
    assert {world.nodes[party].register.slots[subject].state for party in ("gbr", "usa", "aus")} == {"in_force"}


def test_it_may_be_begun_again_where_it_broke_off(world, monkeypatch):
    world.sync()
    act = draft(world, "usa")
    envelope, directory = signed(world, "usa", act), world.directory / "usa"
    monkeypatch.setattr(epoch.settings, "save", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        epoch.begin(directory, envelope, world.nodes["usa"])
    monkeypatch.undo()
    node = reopen(world, "usa")
    assert node.origin.endswith("/0")
    epoch.begin(directory, envelope, node)
    epoch.open_channels(reopen(world, "usa"))
    for _ in range(3):
        world.sync()
    assert world.nodes["gbr"].register.party("usa").origin.endswith("/1")


def test_nobody_follows_a_ledger_that_leaves_out_what_is_held(world):
    world.sync()
    attest(world, "usa", 1)
    world.sync()
    node = world.nodes["usa"]
    size = node.log.head.size - 2
    short = acts.Former(origin=node.origin, size=size, root=node.tree(node.origin).root(size).hex())
    begin(world, "usa", draft(world, "usa", former=short))
    for party in ("gbr", "aus"):
        with pytest.raises(Forged, match="leaves out entries"):
            world.nodes[party].ingest(Link(world, world.nodes[party], world.nodes["usa"]))
        assert world.nodes[party].peers()["usa"].origin.endswith("/0")
        assert "leaves out" in next(one for one in standings(world.nodes[party]) if one.party == "usa").words


def test_what_cannot_be_begun_is_refused_and_changes_nothing(world):
    world.sync()
    node, directory = world.nodes["usa"], world.directory / "usa"
    act = draft(world, "usa")
    other = msgspec.structs.replace(act, author="gbr")
    with pytest.raises(Refused, match="begins no ledger of this node"):
        epoch.begin(directory, acts.sign(other, [node.keys.node]), node)
    with pytest.raises(Refused, match="not signed by the root keys"):
        epoch.begin(directory, acts.sign(act, [node.keys.node]), node)
    with pytest.raises(Refused, match="nobody serves the node"):
        node.submit(signed(world, "usa", act))
    assert settings.load(directory).origin == node.origin
    assert node.store.head(act.log) is None
