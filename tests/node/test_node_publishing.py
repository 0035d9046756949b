"""What leaves a node is signed by both halves of its log key, stored before it is shown, and never goes back."""

import pytest
from world import Link, World

from relto.errors import Forged, Refused
from relto.ledger import Kind, Tree, add_signatures, open_published, parse_note
from relto.node import bundle
from relto.node.held import log_verifier, post_quantum
from relto.node.home import open_node


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path, 5)
    for party in ("gbr", "usa"):
        world.start(party, party.upper())
    world.join("gbr", "usa")
    return world


def keys_of(node):
    keys = node.register.scans[node.origin].keys
    return log_verifier(node.origin, keys), post_quantum(node.origin, keys)


def grow(node):
    """One more act by the node's own key."""
    size = node.log.head.size
    node._open_channel(f"party-{size}", "0" * 64, node.register.scans[node.origin].keys.opening)


class Showing(Link):
    """A link whose checkpoint the test chooses."""

    note = b""

    def head(self):
        return self.note


def test_what_is_published_carries_both_signatures_and_the_head_one(world):
    node = world.nodes["gbr"]
    opened = open_published(node.published(), *keys_of(node))
    assert opened.checkpoint.size == node.log.head.size
    assert [one.by.kind for one in opened.cosigned] == [Kind.COSIGN_MLDSA44]
    assert len(parse_note(node.log.head.note).signatures) == 1
    assert opened.cosigned[0].at >= node.register.scans[node.origin].time // 1000


def test_a_mirror_refuses_a_checkpoint_of_one_signature_and_stores_nothing(world):
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]
    link = Showing(world, usa, gbr)
    link.note = gbr.log.head.note
    with pytest.raises(Forged, match="Ed25519 key alone"):
        usa.ingest(link)
    assert usa.store.head(gbr.origin).size == 0
    other = world.nodes["usa"].published()
    stranger = [line for line in parse_note(other).signatures if len(line.value) > 1000]
    link.note = add_signatures(gbr.log.head.note, stranger)
    with pytest.raises(Forged, match="Ed25519 key alone"):
        usa.ingest(link)
    good = parse_note(gbr.published())
    second = next(line for line in good.signatures if len(line.value) > 1000)
    link.note = add_signatures(
        gbr.log.head.note, [type(second)(name=second.name, key_id=second.key_id, value=second.value[:-1] + b"\0")]
    )
    with pytest.raises(Forged, match="does not hold"):
        usa.ingest(link)
    link.note = good.encode()
    assert usa.ingest(link) > 0
    held = open_published(usa.store.head(gbr.origin).note, *keys_of(gbr))
    assert held.checkpoint.size == gbr.log.head.size


def test_at_most_five_a_second_and_a_clock_that_went_back_silences_nobody(world):
    node = world.nodes["gbr"]
    sizes = set()
    begun = world.time
    node.published()
    for _ in range(40):
        grow(node)
        world.time += 20
        sizes.add(open_published(node.published(), *keys_of(node)).checkpoint.size)
    assert 3 <= len(sizes) <= 1 + (world.time - begun) // 200
    grow(node)
    assert 0 < node.publish_in_ms() <= 200
    times = [open_published(node.published(), *keys_of(node)).cosigned[0].at]
    world.time -= 40 * 365 * 86_400_000
    for _ in range(3):
        grow(node)
        assert node.publish_in_ms() == 0
        opened = open_published(node.published(), *keys_of(node))
        assert opened.checkpoint.size == node.log.head.size
        times.append(opened.cosigned[0].at)
    # Mammoth 2025h1: a head older than the entries under it.
    assert times == sorted(times)
    assert times[-1] * 1000 + 999 >= node.register.scans[node.origin].time


def test_a_log_behind_what_it_published_signs_nothing(world, tmp_path):
    node = world.nodes["gbr"]
    grow(node)
    world.time += 1000
    shown = node.published()
    size = node.log.head.size
    row = node.store.query("SELECT note FROM published WHERE size = $1", (size,))
    assert bytes(row[0][0]) == shown
    # Yesterday's entries under today's table of what was published.
    node.store.execute("DELETE FROM openings WHERE origin = $1 AND idx = $2", (node.origin, size - 1))
    node.store.execute("DELETE FROM leaves WHERE origin = $1 AND idx = $2", (node.origin, size - 1))
    edge = node.store.hashes(node.origin, 0, size - 1)
    from relto.ledger import Checkpoint, Frontier, sign_checkpoint, tree_root

    old = Checkpoint(origin=node.origin, size=size - 1, root=tree_root(edge))
    node.store.execute(
        "UPDATE heads SET size = $1, root = $2, note = $3, frontier = $4 WHERE origin = $5",
        (
            old.size,
            old.root,
            sign_checkpoint(old, node.keys.log),
            b"".join(Frontier.empty().extend(edge).hashes),
            node.origin,
        ),
    )
    node.store.close()
    again = open_node(tmp_path / "gbr", write=True, clock=world.clock, random=world.random)
    for use in (lambda: again.log, again.published, lambda: grow(again)):
        with pytest.raises(Forged, match="entries are gone"):
            use()
    again.store.close()


def test_only_the_newest_and_the_newest_with_cosignatures_are_kept(world):
    node = world.nodes["gbr"]
    for cosigned in (0, 1, 0, 0, 1, 0):
        grow(node)
        world.time += 1000
        node.published()
        node.store.execute("UPDATE published SET cosigned = $1 WHERE size = $2", (cosigned, node.log.head.size))
    grow(node)
    world.time += 1000
    node.published()
    top = node.log.head.size
    rows = node.store.query("SELECT size, cosigned FROM published ORDER BY size")
    assert rows == [(top - 2, 1), (top, 0)]


def test_a_node_without_keys_shows_what_was_published_and_signs_nothing(world, tmp_path):
    node = world.nodes["gbr"]
    shown = node.published()
    world.time += 1000
    grow(node)
    reader = open_node(tmp_path / "gbr", clock=world.clock, random=world.random)
    assert reader.published() == shown
    node.store.execute("DELETE FROM published")
    with pytest.raises(Refused, match="published nothing"):
        reader.published()
    reader.store.close()


def test_a_young_entry_is_proven_under_the_head_and_an_older_one_under_what_is_published(world):
    node = world.nodes["gbr"]
    node.published()
    grow(node)
    world.time -= 1
    index = node.log.head.size - 1
    leaf = node.store.leaves(node.origin, index, index + 1)[0]
    log, second = keys_of(node)
    young = node.proof(index)
    assert young.verify(leaf, log).checkpoint.size == index + 1
    with pytest.raises(Forged):
        open_published(young.note, log, second)
    world.time += 1000
    later = node.proof(index)
    later.verify(leaf, log)
    open_published(later.note, log, second)


def test_an_auditor_wants_both_signatures_too(world):
    node = world.nodes["gbr"]
    size = node.log.head.size
    held = {
        "origin": node.origin,
        "leaves": tuple(node.store.leaves(node.origin, 0, size)),
        "openings": tuple(node.store.openings(node.origin, 0, size)),
    }
    assert len(bundle._entries(bundle.LedgerText(note=node.published(), **held), "here")) == size
    with pytest.raises(Forged, match="Ed25519 key alone"):
        bundle._entries(bundle.LedgerText(note=node.log.head.note, **held), "here")


@pytest.mark.parametrize("edge", ["kept", "NULL", "zeroblob(32)", "zeroblob(length(frontier))"])
def test_a_start_reads_what_came_after_what_was_published(world, tmp_path, monkeypatch, edge):
    """Its edge is kept beside it; a row without one, or with another, is compared with the whole ledger."""
    node = world.nodes["gbr"]
    grow(node)
    world.time += 1000
    node.published()
    shown = node.log.head.size
    grow(node)
    if edge != "kept":
        node.store.execute(f"UPDATE published SET frontier = {edge}")
    node.store.close()
    again = open_node(tmp_path / "gbr", write=True, clock=world.clock, random=world.random)
    whole = []
    root = Tree.root
    monkeypatch.setattr(Tree, "root", lambda self, size: (whole.append(size), root(self, size))[1])
    assert again.log.head.size == shown + 1
    assert whole == ([] if edge == "kept" else [shown])
    again.store.close()
