"""A partner that has grown by much: taken in by proven steps, in bounded rounds, from where it was."""

import json

import pytest
from test_node_carried import by_party, export
from world import Link, attest

from relto.cli import run
from relto.errors import Forged, Unavailable
from relto.ledger import Checkpoint, New, commit, make_leaf, sign_checkpoint, verify_log
from relto.node import carried, growth
from relto.node.doctor import examine
from relto.node.held import log_verifier
from relto.node.home import open_node
from relto.node.watch import standings


@pytest.fixture
def world(world, monkeypatch):
    """gbr has grown by 1,100 entries, and a round of two steps takes 512 of them."""
    monkeypatch.setattr(growth, "STEP_MAX", 256)
    monkeypatch.setattr(growth, "STEPS_MAX", 2)
    world.told = attest(world, "gbr", 1)
    grow(world, 1_100)
    return world


def grow(world, count):
    """Entries that nobody opens."""
    gbr = world.nodes["gbr"]
    for _ in range(0, count, 100):
        made = [(world.random(32), world.random(40)) for _ in range(100)]
        gbr.log.append(
            [New(leaf=make_leaf(commit(*one), [], 16, world.random), salt=one[0], envelope=one[1]) for one in made]
        )
    world.time += 300


def link(world):
    return Link(world, world.nodes["usa"], world.nodes["gbr"])


def sound(node, other):
    keys = node.register.scans[other.origin].keys
    report = verify_log(node.store, other.origin, log_verifier(other.origin, keys))
    assert report.sound, report.problem
    return report.size


def rounds(world, peer=None):
    found = []
    while new := world.nodes["usa"].ingest(peer or link(world)):
        found.append(new)
        assert len(found) < 20
    return found


def test_a_round_takes_so_many_steps_and_the_next_goes_on(world):
    usa, gbr = world.nodes["usa"], world.nodes["gbr"]
    before = usa.store.head(gbr.origin)
    assert usa.ingest(link(world)) > 0
    staged = usa.store.staged(gbr.origin)
    assert staged.size == 512
    assert usa.store.head(gbr.origin) == before, "nothing counts before all has come"
    assert world.told not in usa.register.stated
    assert sound(usa, gbr) == before.size
    (row,) = [one for one in standings(usa) if one.party == "gbr"]
    assert row.way.startswith(f"512 of {gbr.log.head.size} entries have come")
    rounds(world)
    assert usa.store.staged(gbr.origin) is None
    assert sound(usa, gbr) == gbr.log.head.size
    size = gbr.log.head.size
    assert usa.store.leaves(gbr.origin, 0, size) == gbr.store.leaves(gbr.origin, 0, size)
    assert world.told in usa.register.stated
    assert [one.way for one in standings(usa)] == ["", ""]
    assert len(usa.held_entries(gbr.origin)) == size


def test_it_goes_on_after_a_failing_network_and_a_restart(world):
    usa, gbr = world.nodes["usa"], world.nodes["gbr"]
    asked = []

    class Failing(Link):
        def leaves(self, start, stop):
            asked.append(start)
            if len(asked) % 3 == 0:
                raise Unavailable("the connection broke off")
            return super().leaves(start, stop)

    with pytest.raises(Unavailable):
        rounds(world, Failing(world, usa, gbr))
    held = usa.store.staged(gbr.origin).size
    usa.store.close()
    usa = open_node(world.directory / "usa", write=True, clock=world.clock, random=world.random)
    world.nodes["usa"] = usa
    asked.clear()
    while True:
        try:
            if not usa.ingest(Failing(world, usa, gbr)):
                break
        except Unavailable:
            continue
    assert min(asked) >= held, "what was stored is not fetched again"
    assert sound(usa, gbr) == gbr.log.head.size


def test_it_reaches_the_checkpoint_that_it_set_out_for_and_then_the_newer_one(world, monkeypatch):
    usa, gbr = world.nodes["usa"], world.nodes["gbr"]
    usa.ingest(link(world))
    first = gbr.log.head
    grow(world, 300)
    heads = []
    append = usa.store.append
    monkeypatch.setattr(usa.store, "append", lambda head, *rest: (heads.append(head.size), append(head, *rest)))
    rounds(world)
    assert heads[0] == first.size
    assert sound(usa, gbr) == gbr.log.head.size == first.size + 300


def test_a_ledger_that_turns_round_on_the_way_is_noticed(world):
    """A fork at the size that was set out for, a rewind behind it, and entries that do not stand under it."""
    usa, gbr = world.nodes["usa"], world.nodes["gbr"]
    usa.ingest(link(world))
    head, staged = gbr.log.head, usa.store.staged(gbr.origin)

    def shows(size, root):
        return sign_checkpoint(Checkpoint(origin=gbr.origin, size=size, root=root), gbr.keys.log)

    class Showing(Link):
        note = None

        def head(self):
            return self.note or super().head()

    peer = Showing(world, usa, gbr)
    monkey = usa.head_keys
    usa.head_keys = lambda pinned: (None, monkey(pinned)[1])  # the fork was signed by the Ed25519 half
    try:
        peer.note = shows(head.size - 50, gbr.log.tree.root(head.size - 50))
        with pytest.raises(Forged, match="never shrinks"):
            usa.ingest(peer)
        peer.note = shows(head.size, bytes(32))
        with pytest.raises(Forged, match="two histories"):
            usa.ingest(peer)
    finally:
        del usa.head_keys
    assert usa.store.staged(gbr.origin) == staged
    assert [one.act.origin for one in usa.register.stated.values() if one.act.__class__.__name__ == "Fork"] == [
        gbr.origin
    ]


def test_entries_that_do_not_stand_under_the_checkpoint_are_not_stored(world):
    usa, gbr = world.nodes["usa"], world.nodes["gbr"]
    usa.ingest(link(world))

    class Lying(Link):
        def leaves(self, start, stop):
            got = super().leaves(start, stop)
            return [*got[:-1], got[0]] if start >= 512 else got

    staged = usa.store.staged(gbr.origin)
    with pytest.raises(Forged, match="do not stand under"):
        usa.ingest(Lying(world, usa, gbr))
    assert usa.store.staged(gbr.origin) == staged
    assert standings(usa)[1].state == "damaged" or standings(usa)[0].state == "damaged"
    rounds(world)
    assert sound(usa, gbr) == gbr.log.head.size


def test_a_carried_file_is_taken_in_by_steps_too(world):
    """Its proofs are made from its own entries; a file from before the goal is told what to ask for."""
    usa, gbr = world.nodes["usa"], world.nodes["gbr"]
    out = world.directory.parent / "big.bundle"
    export(gbr, "usa", out)
    older = gbr.log.head.size
    taken = carried.take_in(usa, out)
    assert by_party(taken)["gbr"].new > 1_000
    assert sound(usa, gbr) == older
    assert world.told in usa.register.stated
    # On its way over the network; then older files come.
    middle = world.directory.parent / "middle.bundle"
    grow(world, 1_000)
    export(gbr, "usa", middle)
    grow(world, 100)
    usa.ingest(link(world))
    staged = usa.store.staged(gbr.origin)
    again = by_party(carried.take_in(usa, out))["gbr"]
    assert (again.new, again.error) == (0, "")
    assert "this bundle ends at" in by_party(carried.take_in(usa, middle))["gbr"].error
    assert usa.store.staged(gbr.origin) == staged
    rounds(world)
    assert sound(usa, gbr) == gbr.log.head.size


def test_the_doctor_and_sync_say_how_far_it_has_come(world, capsys):
    usa, gbr = world.nodes["usa"], world.nodes["gbr"]
    usa.ingest(link(world))
    words = [one.words for one in examine(world.directory / "usa") if one.check == "partners"]
    assert any(f"gbr: 512 of {gbr.log.head.size} entries have come" in one for one in words)
    run(["sync", "--node", str(world.directory / "usa")])
    assert "`relto sync` goes on" in capsys.readouterr().out
    run(["sync", "--node", str(world.directory / "usa"), "--json"])
    assert json.loads(capsys.readouterr().out)["parties"]["gbr"]["way"].startswith("512 of")


@pytest.mark.parametrize("start", [0, 100, 256, 300])
def test_a_step_ends_at_a_full_bundle_or_at_the_goal(start):
    class Served:
        party, at = "gbr", None

        def leaves(self, at, stop):
            return [b"x"] * (stop - at)

    assert (start + len(growth.fetch_step(Served(), start, 100_000))) % 256 == 0
    assert len(growth.fetch_step(Served(), start, start + 10)) == 10


def test_a_step_is_bounded_in_bytes(monkeypatch):
    class Heavy:
        party, at = "gbr", None

        def leaves(self, at, stop):
            return [bytes(1000)] * (stop - at)

    monkeypatch.setattr(growth, "STEP_BYTES_MAX", 300_000)
    assert len(growth.fetch_step(Heavy(), 0, 100_000)) == 512
