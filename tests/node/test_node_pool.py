"""Many entries in one commit: all durable when the pool ends, or none of them there, in memory either."""

import sqlite3

import pytest
from world import World, check

from relto import acts
from relto.errors import Fatal, Unavailable
from relto.node import author
from relto.node.home import open_node


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path, 31)
    for party in ("gbr", "usa"):
        world.start(party, party.upper())
    world.join("gbr", "usa")
    return world


def grow(node, times=1):
    """Acts by the node's own key, each with a row of its own."""
    opening = node.register.scans[node.origin].keys.opening
    for _ in range(times):
        node._open_channel(f"party-{len(node._entries[node.origin])}", "0" * 64, opening)


def commits(node):
    sites = []
    node.store.fault = lambda site: sites.append(site) if site == "append:after-commit" else None
    return sites


def held(node):
    return node.log.head.size, len(node._entries[node.origin]), node.register.own


def test_a_pool_is_one_commit_and_the_register_is_ahead_of_it(world, tmp_path):
    node = world.nodes["gbr"]
    size, sites = node.log.head.size, commits(node)
    with node.pooled():
        grow(node, 7)
        assert node.log.head.size == size
        assert node.register.scans[node.origin].size == size + 7
    assert node.log.head.size == size + 7
    assert len(sites) == 1
    assert node.store.query("SELECT count(*) FROM channels WHERE reader LIKE 'party-%'") == [(7,)]
    check(world)
    with node.pooled():
        pass
    assert len(sites) == 1, "nothing to write, nothing written"
    grow(node)
    assert len(sites) == 2


@pytest.mark.parametrize("site", ["append:before-commit", "append:after-commit"])
def test_a_pool_that_fails_leaves_what_is_stored(world, tmp_path, site):
    """Fail, and fail but persist."""
    node = world.nodes["gbr"]
    grow(node)
    before = held(node)

    def fault(at):
        if at == site:
            raise sqlite3.OperationalError("disk I/O error")

    node.store.fault = fault
    stored = site == "append:after-commit"
    with pytest.raises(Fatal if stored else Unavailable), node.pooled():
        grow(node, 5)
    node.store.fault = None
    if not stored:
        assert held(node) == before
        grow(node, 2)
        assert node.log.head.size == before[0] + 2
        check(world)
    node.store.close()
    again = world.nodes["gbr"] = open_node(tmp_path / "gbr", write=True, clock=world.clock, random=world.random)
    assert again.log.head.size == before[0] + (5 if stored else 2)
    check(world)
    grow(again)


def test_an_error_inside_a_pool_writes_nothing(world):
    node = world.nodes["gbr"]
    before, sites = held(node), commits(node)
    with pytest.raises(ZeroDivisionError), node.pooled():
        grow(node, 3)
        _ = 1 / 0
    assert held(node) == before
    assert sites == []
    with pytest.raises(AssertionError), node.pooled(), node.pooled():
        pass
    grow(node)
    check(world)


def test_a_pool_over_the_limit_of_a_commit_is_cut_there(world, monkeypatch):
    node = world.nodes["gbr"]
    monkeypatch.setattr(author, "APPEND_MAX", 4)
    size, sites = node.log.head.size, commits(node)
    with node.pooled():
        grow(node, 10)
    assert node.log.head.size == size + 10
    assert len(sites) == 3
    check(world)


def test_what_a_node_owes_after_a_round_is_one_commit(tmp_path):
    world = World(tmp_path, 32)
    for party in ("gbr", "usa", "aus"):
        world.start(party, party.upper())
    world.found("gbr", "usa", "aus")
    node = world.nodes["gbr"]
    world.time += 2 * 3_600_000  # then an acknowledgement is owed, whatever else
    sites = commits(node)
    size = node.log.head.size
    world.sync_one("gbr")
    assert node.log.head.size == size + 1
    assert isinstance(node.register.scans[node.origin].stated[-1].act, acts.Acknowledge)
    assert len(sites) == 3, "one for each partner's head, one for what is owed"
    check(world)
