"""Three founded members in directories of their own, for tests that lose, carry and restore them."""

import shutil

import pytest
from world import World

from relto.node.home import open_node

MEMBERS = ("gbr", "usa", "aus")


@pytest.fixture(scope="session")
def founded(tmp_path_factory):
    """Where three members were founded and closed, the world's time, and how much it had drawn."""
    directory = tmp_path_factory.mktemp("founded") / "world"
    world = World(directory)
    for party in MEMBERS:
        world.start(party, party)
    world.found(*MEMBERS)
    for node in world.nodes.values():
        node.store.close()
    return directory, world.time, world._draws


@pytest.fixture
def world(founded, tmp_path):
    """Each test has a copy of its own."""
    source, time, draws = founded
    shutil.copytree(source, tmp_path / "world")
    world = World(tmp_path / "world")
    world.time, world._draws = time, draws
    for party in MEMBERS:
        world.nodes[party] = open_node(tmp_path / "world" / party, write=True, clock=world.clock, random=world.random)
    yield world
    for node in world.nodes.values():
        node.store.close()
