"""New access keys: what was sealed to the old ones opens after these are destroyed, and no package is touched."""

import io

import keyaccess_kit as kit
import pytest

from relto.errors import NotFound, Refused
from relto.keys import AccessKey
from relto.node import home
from relto.node.client import Gathering
from relto.node.desk import note_package, shares_of
from relto.node.rotation import rotate_access
from relto.node.sealing import seal_item
from relto.package import open_sealed, read


@pytest.fixture
def live(tmp_path):
    return kit.found(tmp_path / "world")


def sealed(live, path, wrap, *, noted=True):
    gbr = live.nodes["gbr"]
    made = seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"depth"), path, name="f.csv", wrap=wrap)
    if noted:
        note_package(gbr, made.digest.hex(), live.opaque, kit.ITEM, 1, shares_of(made))
    return path


def opened(live, path):
    package, node = read(path), live.nodes["aus"]
    gather = Gathering(live.session("aus", "ada"), node, package, "evaluation", "AUS")
    open_sealed(package, path, path.parent / "out", gather, node.keys_of(node.peers()["gbr"]).seal, set(gather.known))
    return (path.parent / "out").read_bytes()


def rotated(live, *, destroy=True):
    directory = live.directory / "gbr"
    made = rotate_access(directory, live.nodes["gbr"], directory / "keys" / "offline", destroy=destroy)
    live.nodes["gbr"].store.close()
    live.nodes["gbr"] = home.open_node(directory, write=True, clock=live.clock, random=live.random)
    live.services.pop("gbr", None)
    live.sync()
    return made


def test_files_sealed_to_destroyed_keys_open(live, tmp_path):
    old = {key.kid for key in live.nodes["gbr"].keys.access}
    paths = [sealed(live, tmp_path / f"{number}.tdf", wrap) for number, wrap in enumerate(AccessKey.KINDS)]
    asked = sealed(live, tmp_path / "asked.tdf", "ec:secp256r1", noted=False)
    lost = sealed(live, tmp_path / "lost.tdf", "ec:secp256r1", noted=False)
    with live.serving("gbr", "aus"):
        assert opened(live, asked) == b"depth"
    before = {path: path.read_bytes() for path in (*paths, asked)}
    made = rotated(live)
    assert made.shares == 4
    assert made.destroyed == ("access-1", "access-2", "access-3")
    assert {key.kid for key in live.nodes["gbr"].keys.access}.isdisjoint(old)
    listed = live.nodes["aus"].keys_of(live.nodes["aus"].peers()["gbr"]).access
    assert {one.kid for one in listed} == set(made.kids), "partners seal to the new keys"
    with live.serving("gbr", "aus"):
        for path in (*paths, asked):
            assert opened(live, path) == b"depth"
            assert path.read_bytes() == before[path]
        with pytest.raises(Refused):
            opened(live, lost)  # neither noted nor ever asked for: the key that it needs is gone
        again = rotated(live)
        assert again.shares == 4
    with live.serving("gbr", "aus"):
        assert opened(live, paths[0]) == b"depth"


def test_without_destroying_everything_opens(live, tmp_path):
    path = sealed(live, tmp_path / "f.tdf", "rsa:2048", noted=False)
    made = rotated(live, destroy=False)
    assert made.destroyed == ()
    with live.serving("gbr", "aus"):
        assert opened(live, path) == b"depth"


def test_without_the_root_keys_nothing_is_made(live):
    directory = live.directory / "gbr"
    away = live.directory / "away"
    (directory / "keys" / "offline").rename(away)
    size = live.nodes["gbr"].log.head.size
    with pytest.raises(NotFound):
        rotate_access(directory, live.nodes["gbr"], directory / "keys" / "offline", destroy=True)
    assert sorted(one.name for one in (directory / "keys" / "online").glob("access-*")) == [
        "access-1.key", "access-2.key", "access-3.key",
    ]  # fmt: skip
    assert live.nodes["gbr"].log.head.size == size
    assert rotate_access(directory, live.nodes["gbr"], away, destroy=False).kids


def test_a_share_that_would_be_lost_stops_before_anything_is_destroyed(live, tmp_path):
    sealed(live, tmp_path / "f.tdf", "ec:secp256r1")
    live.nodes["gbr"].store.execute("UPDATE shares SET kid = 'another'")
    directory = live.directory / "gbr"
    with pytest.raises(Refused, match="opens with none of this node's keys"):
        rotate_access(directory, live.nodes["gbr"], directory / "keys" / "offline", destroy=True)
    assert (directory / "keys" / "online" / "access-1.key").exists()
