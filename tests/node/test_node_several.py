"""An item of three owners, any two of whom can release it: who is asked, what is recorded, and which one may be missing."""

import io

import keyaccess_kit as kit
import pytest

from relto import acts
from relto.errors import NotFound, Refused, Unavailable
from relto.node.client import Gathering
from relto.node.sealing import seal_item
from relto.package import open_sealed, read

OWNERS = ("aus", "gbr", "usa")


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = kit.found(tmp_path_factory.mktemp("several"), OWNERS, acts.ReleaseRule(rule="k_of_n", k=2))
    with made.serving():
        yield made


@pytest.fixture
def sealed(live, tmp_path):
    gbr = live.nodes["gbr"]
    seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"depth"), tmp_path / "f.tdf", name="f.csv")
    return tmp_path / "f.tdf"


def released(live):
    return {party: sum(one.party == party for one in live.register(party).releases.values()) for party in OWNERS}


def opened(live, sealed, alias="morgan", party="usa"):
    package, node = read(sealed), live.nodes[party]
    gather = Gathering(live.session(party, alias), node, package, "evaluation", party.upper())
    seal_key = node.keys_of(node.peers()["gbr"]).seal
    open_sealed(package, sealed, sealed.parent / "out", gather, seal_key, set(gather.known))
    gather.tell()
    return gather


def test_two_nodes_are_asked_and_each_share_has_its_own_release(live, sealed):
    before = released(live)
    gather = opened(live, sealed)
    assert (sealed.parent / "out").read_bytes() == b"depth"
    assert len(gather.answers) == 2
    after = released(live)
    assert sum(after.values()) - sum(before.values()) == 3, "as many as there are shares, and none twice"
    acts_ = [live.register(party).releases[one].terms for party, answer in zip(("aus", "gbr"), gather.answers, strict=True)
             for one in answer.releases]  # fmt: skip
    assert {one.part for one in acts_} == {"s1", "s2", "s3"}
    assert len({one.request for one in acts_}) == 1, "one request, told apart by part"
    assert len({one.package for one in acts_}) == 1


@pytest.mark.parametrize("absent", OWNERS)
def test_any_one_may_be_down(live, sealed, absent):
    party = next(one for one in ("aus", "usa") if one != absent)
    alias = {"aus": "ada", "usa": "morgan"}[party]
    live.down(absent)
    try:
        opened(live, sealed, alias, party)
    finally:
        live.up(absent)
    assert (sealed.parent / "out").read_bytes() == b"depth"


def test_with_two_down_nothing_opens_and_nothing_is_left(live, sealed):
    live.down("gbr")
    live.down("aus")
    try:
        with pytest.raises(Unavailable, match=r"2 of 3 shares: .*`aus`.*`gbr`|2 of 3 shares: .*`gbr`.*`aus`"):
            opened(live, sealed)
    finally:
        live.up("gbr")
        live.up("aus")
    assert not (sealed.parent / "out").exists()


def test_a_recall_by_one_owner_is_known_to_all_of_them(live, sealed):
    """The recall stops further shares at every owner's node that has read it."""
    gather = opened(live, sealed)
    first = gather.answers[0].releases[0]
    party = next(one for one in OWNERS if first in live.register(one).releases and
                 live.register(one).releases[first].party == one)  # fmt: skip
    live.act(party, "recall", release=first, order="destroy", by="2030-01-01", reason="the figures are wrong")
    live.sync()
    package, node = read(sealed), live.nodes["usa"]
    again = Gathering(live.session("usa", "morgan"), node, package, "evaluation", "USA")
    with pytest.raises(Refused, match="of 3 shares"):
        again(package.key_access)


def test_a_node_that_owns_nothing_of_it_releases_nothing(live, sealed):
    from relto.node.handover import _item
    from relto.package import Policy

    policy = read(sealed).policy
    assert _item(live.nodes["usa"], policy).id == kit.ITEM
    for host in ("nobody.example", "usa.localhost"):
        other = Policy.for_item(host, policy.item[1], live.random)
        with pytest.raises(NotFound):
            _item(live.nodes["usa"], other)
