"""Tiles: published resources to the byte, paths in one spelling, bundles that hold exactly what they say."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto.errors import Forged, Malformed, NotFound, ReltoError
from relto.ledger import (
    Tile,
    Tree,
    bundles_of,
    consistency_proof,
    encode_bundle,
    inclusion_proof,
    is_servable,
    leaf_hash,
    parse_bundle,
    parse_hashes,
    parse_path,
    tiles_of,
    tree_root,
    verify_tiles,
)
from relto.ledger import tiles as tiles_module


@pytest.fixture(scope="module")
def tree(decimal_hashes):
    return Tree(lambda start, stop: decimal_hashes[start:stop])


def test_published_resources_of_257_entries(vectors, tree):
    published = vectors("tiles")
    served = {tile.path(): tree.tile(tile) for tile in tiles_of(257)}
    served |= {
        tile.path(): encode_bundle([b"%d" % i for i in range(tile.start, tile.start + tile.width)])
        for tile in bundles_of(0, 257)
    }
    assert {path: hashlib.sha256(data).hexdigest() for path, data in served.items()} == {
        row["path"]: row["sha256"] for row in published["resources"]
    }
    for path, size in published["bytes"].items():
        assert len(served[path]) == size


def test_published_bundle_paths_and_layout(vectors):
    published = vectors("tiles")
    assert encode_bundle([b"0", b"1", b"2"]).hex() == published["bundle"]
    for index, path in published["paths"].items():
        assert Tile(level=0, index=int(index)).path() == path
    small, large = published["layout"]
    assert [tile.path() for tile in tiles_of(small["size"])] == small["tiles"]
    tiles = list(tiles_of(large["size"]))
    for level, count in enumerate(large["full"]):
        assert sum(tile.level == level and tile.width == 256 for tile in tiles) == count
    assert [tile.path() for tile in tiles if tile.width < 256] == large["partial"]


def test_proofs_and_roots_from_the_tree_are_those_from_hashes(tree, decimal_hashes):
    for size in (1, 2, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 70_000):
        assert tree.root(size) == tree_root(decimal_hashes[:size])
        for index in {0, size // 3, size - 1}:
            assert tree.inclusion(index, size) == inclusion_proof(decimal_hashes, index, size)
        for old in {1, size // 2, 256, size - 1}:
            if 0 < old <= size:
                assert tree.consistency(old, size) == consistency_proof(decimal_hashes, old, size)
    assert tree.root(0) == tree_root([])
    assert tree.consistency(0, 7) == []


def test_upper_tiles_are_roots_of_full_tiles_below(tree, decimal_hashes):
    above = parse_hashes(tree.tile(Tile(level=1, index=1, width=17)), 17)
    for i, value in enumerate(above):
        assert value == tree_root(decimal_hashes[(256 + i) * 256 : (257 + i) * 256])
    assert tree.tile(Tile(level=2, index=0, width=1)) == tree_root(decimal_hashes[:65_536])


def test_a_partial_tile_is_a_prefix(tree):
    full = tree.tile(Tile(level=0, index=3))
    for width in (1, 2, 100, 255):
        assert tree.tile(Tile(level=0, index=3, width=width)) == full[: width * 32]


def test_a_log_serves_what_it_has():
    assert is_servable(Tile(level=0, index=0, width=7), 7)
    assert not is_servable(Tile(level=0, index=0, width=8), 7)
    assert is_servable(Tile(level=1, index=0, width=1), 256)
    assert not is_servable(Tile(level=1, index=0, width=1), 255)
    assert not is_servable(Tile(level=None, index=1, width=1), 256)
    for size in (1, 255, 256, 257, 70_000):
        assert all(is_servable(tile, size) for tile in tiles_of(size))


def test_no_hash_of_what_is_not_stored():
    tree = Tree(lambda start, stop: [b"x" * 32] * max(0, min(stop, 10) - start))
    tree.root(10)
    with pytest.raises(Malformed):
        tree.root(11)
    with pytest.raises(Malformed):
        tree.tile(Tile(level=None, index=0))


def test_bundles_that_a_reader_still_needs():
    assert [tile.path() for tile in bundles_of(300, 520)] == ["tile/entries/001", "tile/entries/002.p/8"]
    assert list(bundles_of(5, 5)) == []
    assert [tile.path() for tile in bundles_of(0, 256)] == ["tile/entries/000"]


@given(st.none() | st.integers(0, 4), st.integers(0, 10**6), st.integers(1, 256))
def test_a_path_reads_back(level, index, width):
    tile = Tile(level=level, index=index, width=width)
    assert parse_path(tile.path()) == tile


@given(st.from_regex(r"tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,2}[0-9]{1,3}(\.p/[0-9]{1,3})?", fullmatch=True))
def test_a_path_has_one_spelling(path):
    try:
        tile = parse_path(path)
    except ReltoError:
        return
    assert tile.path() == path


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000", "tile/64/000", "tile/0/0", "tile/0/0000", "tile/0/x000/001", "tile/0/001/002", "tile/0/000.p/0",
        "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000/", "/tile/0/000", "tile/0/000\n", "tile/0/٠٠٠",
        "tile/data/000",
        "tile/-1/000", "tile/8/x001/000.p/", "tile/0/" + "x999/" * 20 + "999", "tile/40/x999/x999/999", "",
    ],
)  # fmt: skip
def test_paths_that_are_none(path):
    with pytest.raises(Malformed):
        parse_path(path)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_a_bundle_reads_back(entries):
    data = encode_bundle(entries)
    assert parse_bundle(data, len(entries)) == entries
    for wrong in (data + b"\x00", data[:-1]):
        with pytest.raises(Malformed):
            parse_bundle(wrong, len(entries))
    with pytest.raises(Malformed):
        parse_bundle(data, len(entries) + 1)


def test_a_bundle_takes_entries_up_to_65535_bytes():
    largest = b"x" * 65_535
    assert parse_bundle(encode_bundle([largest]), 1) == [largest]
    with pytest.raises(Malformed):
        encode_bundle([largest + b"x"])
    for entries in ([], [b"x"] * 257):
        with pytest.raises(Malformed):
            encode_bundle(entries)


def test_a_tile_of_hashes_has_exactly_its_width():
    assert parse_hashes(b"x" * 64, 2) == [b"x" * 32] * 2
    for data in (b"x" * 63, b"x" * 65, b"x" * 96):
        with pytest.raises(Malformed):
            parse_hashes(data, 2)


# ── a whole log as files ──


def served(size):
    """The resources of a log of the entries `0`, `1`, … at one size, by path."""
    entries = [b"%d" % i for i in range(size)]
    hashes = [leaf_hash(entry) for entry in entries]
    tree = Tree(lambda start, stop: hashes[start:stop])
    found = {tile.path(): tree.tile(tile) for tile in tiles_of(size)}
    return found | {
        one.path(): encode_bundle(entries[one.start : one.start + one.width]) for one in bundles_of(0, size)
    }


def reader(files):
    def read(path):
        if path not in files:
            raise NotFound(path)
        return files[path]

    return read


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 65_536, 65_537])
def test_a_served_log_is_recomputed(size, decimal_hashes):
    files = served(size)
    assert verify_tiles(reader(files), size, tree_root(decimal_hashes[:size])) == len(files)


def test_a_served_log_that_is_not_what_its_checkpoint_says(decimal_hashes):
    size, root = 700, tree_root(decimal_hashes[:700])
    good = served(size)
    for path, data in good.items():
        for bad in (data[:-1], data + b"\0", data[:40] + bytes([data[40] ^ 1]) + data[41:] if len(data) > 41 else b""):
            with pytest.raises((Forged, Malformed)):
                verify_tiles(reader({**good, path: bad}), size, root)
        with pytest.raises(NotFound):
            verify_tiles(reader({one: good[one] for one in good if one != path}), size, root)
    with pytest.raises(Forged, match="do not give the root"):
        verify_tiles(reader(good), size, bytes(32))


def test_a_reader_falls_back_to_the_full_resource(decimal_hashes):
    # Partial ones may go once the full one is there, and not before.
    kept = {path: data for path, data in served(700).items() if path.startswith("tile/1/")}
    later = served(768) | kept
    assert "tile/0/002.p/188" not in later
    assert verify_tiles(reader(later), 700, tree_root(decimal_hashes[:700])) == len(served(700))


def test_what_a_tree_keeps_is_bounded_and_changes_no_proof(decimal_hashes, monkeypatch):
    monkeypatch.setattr(tiles_module, "TILES_MAX", 3)
    tree = Tree(lambda start, stop: decimal_hashes[start:stop])
    for index in (0, 5000, 60_000, 255, 256, 69_999, 5001, 0):
        assert tree.inclusion(index, 70_000) == inclusion_proof(decimal_hashes, index, 70_000)
        assert len(tree._inside) <= 3
