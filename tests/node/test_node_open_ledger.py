"""A node behind HTTP as programs without relto see it: C2SP paths, types and statuses."""

import asyncio
import hashlib

import httpx2 as httpx
import msgspec
import pytest
from world import World

from relto.ledger import (
    AddCheckpoint,
    bundles_of,
    leaf_hash,
    open_published,
    parse_bundle,
    parse_hashes,
    parse_proof,
    tiles_of,
    tree_root,
)
from relto.node.app import Service
from relto.node.held import log_verifier, post_quantum


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path, 21)
    for party in ("gbr", "usa"):
        world.start(party, party.upper())
    world.join("gbr", "usa")
    node = world.nodes["gbr"]
    for number in range(4):
        node._open_channel(f"party-{number}", "0" * 64, node.register.scans[node.origin].keys.opening)
    return world


def ask(node, *calls):
    """(status, content type, body) of each (method, path, body)."""

    async def run():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=Service(node).public()), base_url="http://node"
        ) as client:
            found = [await client.request(method, path, content=body) for method, path, body in calls]
            return [(one.status_code, one.headers.get("content-type"), one.content) for one in found]

    return asyncio.run(run())


def get(node, *paths):
    return ask(node, *(("GET", path, b"") for path in paths))


def test_a_ledger_is_closed_unless_it_is_opened(world):
    node = world.nodes["gbr"]
    paths = ("/log/checkpoint", "/log/tile/0/000.p/1", "/api/v1/proofs/0", "/witness/" + "0" * 64 + "/checkpoint")
    closed = get(node, *paths, "/nothing")
    assert len(set(closed)) == 1
    node.save_config(open_ledger=True)
    assert [status for status, *_ in get(node, *paths)] == [200, 200, 200, 404]
    # An opening is never for anybody.
    assert ask(node, ("POST", "/api/v1/openings", b"{}"))[0] == closed[0]


def test_an_open_ledger_is_verified_from_its_resources_alone(world):
    node = world.nodes["gbr"]
    node.save_config(open_ledger=True)
    keys = node.register.scans[node.origin].keys
    status, kind, note = get(node, "/log/checkpoint")[0]
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    head = open_published(note, log_verifier(node.origin, keys), post_quantum(node.origin, keys)).checkpoint
    bundles = list(bundles_of(0, head.size))
    leaves = []
    for bundle, (status, kind, data) in zip(
        bundles, get(node, *("/log/" + one.path() for one in bundles)), strict=True
    ):
        assert (status, kind) == (200, "application/octet-stream")
        leaves += parse_bundle(data, bundle.width)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    assert tree_root(hashes) == head.root
    for tile, (status, _, data) in zip(
        tiles_of(head.size), get(node, *("/log/" + one.path() for one in tiles_of(head.size))), strict=True
    ):
        assert (status, parse_hashes(data, tile.width)) == (200, hashes)
    # Partial widths below the size are prefixes, those above are not there.
    narrower = get(node, "/log/tile/entries/000.p/2", f"/log/tile/0/000.p/{head.size + 1}", "/log/tile/0/000")
    assert [status for status, *_ in narrower] == [200, 404, 404]
    assert parse_bundle(narrower[0][2], 2) == leaves[:2]
    for index in range(head.size):
        status, _, data = get(node, f"/api/v1/proofs/{index}")[0]
        assert status == 200
        assert parse_proof(data).verify(leaves[index], log_verifier(node.origin, keys)).checkpoint == head


@pytest.mark.parametrize("index", ["", "-1", "01", "1e3", "٣", "9" * 19, "6", "x"])
def test_proofs_of_what_is_not_there(world, index):
    node = world.nodes["gbr"]
    node.save_config(open_ledger=True)
    assert node.log.head.size == 6
    assert get(node, f"/api/v1/proofs/{index}")[0][0] in {400, 404}


def test_a_witness_answers_with_the_types_of_the_protocol(world):
    founded = world
    gbr, usa = founded.nodes["gbr"], founded.nodes["usa"]
    founded.start("aus", "AUS")
    founded.found("gbr", "usa", "aus")
    asked = AddCheckpoint(old=0, proof=(), note=gbr.published()).encode()
    post = ("POST", "/witness/add-checkpoint", asked)
    first, second, unknown, empty = ask(usa, post, post, (*post[:2], asked.replace(b"gbr.", b"xyz.")), (*post[:2], b""))
    assert (first[0], first[1]) == (200, "text/plain; charset=utf-8")
    assert first[2].startswith("— ".encode())
    assert second == (409, "text/x.tlog.size", b"%d\n" % gbr.log.head.size)
    assert (unknown[0], empty[0]) == (404, 400)
    usa.save_config(open_ledger=True)
    name = hashlib.sha256(gbr.origin.encode()).hexdigest()
    status, kind, note = get(usa, f"/witness/{name}/checkpoint")[0]
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    assert note.startswith(gbr.published()[:40])
    large = ask(usa, (*post[:2], b"old 0\n\n" + b"x" * (1 << 20)))[0]
    assert large[0] == 400
    assert msgspec.json.decode(large[2])["error"]["code"] == "malformed"


def test_trustasia_2026_a_cache_that_ignores_the_query_cannot_mix_answers_up(world):
    """A gateway cached one answer for all queries. Here what may be cached has a path of its own, and never changes."""
    node = world.nodes["gbr"]
    node.save_config(open_ledger=True)

    async def headers(*paths):
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=Service(node).public()), base_url="http://node"
        ) as client:
            return [(await client.get(path)).headers.get("cache-control", "") for path in paths]

    fixed = ["/log/tile/0/000.p/3", "/log/tile/entries/000.p/3"]
    moving = ["/log/checkpoint", "/api/v1/proofs/0"]
    assert all("immutable" in one for one in asyncio.run(headers(*fixed)))
    assert all(one == "no-store" for one in asyncio.run(headers(*moving)))
    before = get(node, *fixed)
    node._open_channel("party-9", "0" * 64, node.register.scans[node.origin].keys.opening)
    assert get(node, *fixed) == before
    assert get(node, fixed[0] + "?x=1") == before[:1]
