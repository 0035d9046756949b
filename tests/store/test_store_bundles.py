"""Mirrors in fewer rows: what is read is the same, damage is named, and one that grows in steps is never half a ledger."""

from __future__ import annotations

import random

import pytest
from test_store_incidents import of_version
from test_store_sql import KEY, ORIGIN, VERIFIER, entry

from relto.errors import Conflict, Fatal, Forged, Malformed, Unavailable
from relto.keys import SecretKey
from relto.ledger import (
    Checkpoint,
    Frontier,
    Log,
    add_openings,
    create_mirror,
    extend_mirror,
    grow_mirror,
    leaf_hash,
    parse_path,
    sign_checkpoint,
    tree_of,
    verify_log,
)
from relto.ledger import log as log_module
from relto.store import Sqlite
from relto.store.sql import migrations

SIZE = 1300
LEAVES = [entry(i).leaf for i in range(SIZE)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def note_of(size, leaves=LEAVES, key=KEY):
    root = Frontier.empty().extend(leaf_hash(leaf) for leaf in leaves[:size]).root()
    return sign_checkpoint(Checkpoint(origin=key.public.name, size=size, root=root), key)


def opened(start, stop):
    return [(i, entry(i).salt, entry(i).envelope) for i in range(start, stop)]


def mirror_of(db, *sizes):
    create_mirror(db, ORIGIN)
    before = 0
    for size in sizes:
        extend_mirror(db, VERIFIER, note_of(size), LEAVES[before:size], opened(before, size)[::7])
        before = size
    return db


@pytest.fixture
def db(tmp_path):
    with Sqlite(tmp_path / "mirror.db", create=True) as made:
        yield made


# ── reading ──


@pytest.mark.parametrize(
    ("sizes", "packed"),
    [((SIZE,), 5), ((1, SIZE), 4), ((255, 256, 1025), 3), ((256, 512, 513), 2), ((200, 400, 500), 0), ((100, 612), 1)],
)
def test_what_is_read_does_not_depend_on_how_it_came(db, sizes, packed):
    mirror_of(db, *sizes)
    size = sizes[-1]
    assert db.query("SELECT count(*) FROM bundles") == [(packed,)]
    assert db.query("SELECT count(*) FROM leaves") == [(size - 256 * packed,)]
    drawn = random.Random(size)
    ranges = [sorted(drawn.choices(range(size + 3), k=2)) for _ in range(60)]
    for start, stop in [*ranges, (0, size), (0, 256), (255, 257), (size - 1, size + 9), (size, size + 1)]:
        assert db.leaves(ORIGIN, start, stop) == LEAVES[start : min(stop, size)]
        assert db.hashes(ORIGIN, start, stop) == HASHES[start : min(stop, size)]
    with Sqlite(":memory:") as plain:
        log = Log.create(plain, KEY)
        log.append([entry(i) for i in range(size)])
        tree = tree_of(db, ORIGIN)
        for index in drawn.choices(range(size), k=20):
            assert tree.inclusion(index, size) == list(log.proof(index))
            assert tree.consistency(index, size) == log.tree.consistency(index, size)
            assert db.find(ORIGIN, HASHES[index]) == index == plain.find(ORIGIN, HASHES[index])
        if size >= 256:
            assert tree.tile(parse_path("tile/0/000")) == log.tree.tile(parse_path("tile/0/000"))
    assert db.find(ORIGIN, bytes(32)) is None
    report = verify_log(db, ORIGIN, VERIFIER)
    assert (report.sound, report.size) == (True, size), report.problem


def test_entries_of_other_lengths_are_packed_too(db):
    drawn = random.Random(5)
    leaves = [drawn.randbytes(drawn.choice([0, 1, 40, 300, 65_535])) for _ in range(300)]
    create_mirror(db, ORIGIN)
    extend_mirror(db, VERIFIER, note_of(300, leaves), leaves)
    assert db.query("SELECT count(*) FROM bundles") == [(1,)]
    assert db.leaves(ORIGIN, 0, 300) == leaves
    assert verify_log(db, ORIGIN, VERIFIER).sound


def test_openings_come_later_and_belong_to_packed_entries(db):
    mirror_of(db, 700)
    add_openings(db, ORIGIN, opened(3, 40))
    assert [one[0] for one in db.openings(ORIGIN, 3, 40)] == list(range(3, 40))
    with pytest.raises(Forged, match="entry 300"):
        add_openings(db, ORIGIN, [(300, *opened(301, 302)[0][1:])])
    with pytest.raises(Conflict, match="belongs to none of its 700 entries"):
        db.append(db.head(ORIGIN), 700, [], opened(700, 701), [])
    db.execute("INSERT INTO openings (origin, idx, salt, envelope) VALUES ($1, 700, $2, $3)", (ORIGIN, bytes(32), b"x"))
    report = verify_log(db, ORIGIN, VERIFIER)
    assert (report.sound, report.index) == (False, 700)


# ── damage ──


def damaged(data, at, value):
    return data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]


STEP = 2 + len(LEAVES[0])


@pytest.mark.parametrize(
    ("column", "change", "index"),
    [
        ("entries", lambda data: damaged(data, 300 - 256 + 44 * STEP + 20, 1), 256 + 44),
        ("entries", lambda data: damaged(data, 1, 1), 256),
        ("entries", lambda data: damaged(data, 7 * STEP, 0x80), 256 + 7),
        ("entries", lambda data: damaged(data, 255 * STEP + 1, 0x01), 511),
        ("entries", lambda data: data[:-1], 511),
        ("entries", lambda data: data[: 10 * STEP + 1], 256 + 10),
        ("entries", lambda data: data + b"\0", 511),
        ("hashes", lambda data: damaged(data, 32 * 9 + 31, 0x40), 256 + 9),
    ],
    ids=["byte", "first-length", "length", "last-length", "cut", "cut-inside", "surplus", "hash"],
)
def test_damage_inside_a_bundle_is_named(db, column, change, index):
    mirror_of(db, SIZE)
    (value,) = db.query(f"SELECT {column} FROM bundles WHERE first = 256")[0]
    db.execute(f"UPDATE bundles SET {column} = $1 WHERE first = 256", (change(bytes(value)),))
    report = verify_log(db, ORIGIN, VERIFIER)
    assert (report.sound, report.index) == (False, index)
    assert f"entry {index}" in report.problem
    assert db.leaves(ORIGIN, 0, 256) == LEAVES[:256], "what lies before the damage reads as before"
    assert db.leaves(ORIGIN, 512, SIZE) == LEAVES[512:]


def test_a_bundle_that_is_gone_is_missing(db):
    mirror_of(db, SIZE)
    db.execute("DELETE FROM bundles WHERE first = 512")
    report = verify_log(db, ORIGIN, VERIFIER)
    assert (report.index, "missing" in report.problem) == (512, True)
    assert db.leaves(ORIGIN, 0, SIZE) == LEAVES[:512]


# ── an older database ──


def test_a_database_of_the_version_before_reads_and_grows(tmp_path):
    """Its rows stay rows; what comes after is packed."""
    path = tmp_path / "old.db"
    with Sqlite(":memory:") as source:
        of_version(path, len(migrations()) - 1, mirror_of(source, 700))
    with Sqlite(path) as db:
        assert db.query("SELECT count(*) FROM bundles") == [(0,)]
        assert db.leaves(ORIGIN, 0, 700) == LEAVES[:700]
        assert db.openings(ORIGIN, 0, 700) == opened(0, 700)[::7]
        extend_mirror(db, VERIFIER, note_of(SIZE), LEAVES[700:], opened(700, 1300)[::7])
        assert db.query("SELECT first FROM bundles ORDER BY first") == [(768,), (1024,)]
        assert db.leaves(ORIGIN, 0, SIZE) == LEAVES
        assert verify_log(db, ORIGIN, VERIFIER).openings == len(db.openings(ORIGIN, 0, SIZE))


# ── growing in steps ──


def proof(size, to):
    with Sqlite(":memory:") as whole:
        create_mirror(whole, ORIGIN)
        extend_mirror(whole, VERIFIER, note_of(SIZE), LEAVES)
        return tree_of(whole, ORIGIN).consistency(size, to)


def step(db, start, stop, to=SIZE, leaves=LEAVES):
    return grow_mirror(db, VERIFIER, note_of(to, leaves), leaves[start:stop], proof(stop, to), opened(start, stop)[::7])


def test_a_mirror_that_grows_in_steps(tmp_path):
    path = tmp_path / "mirror.db"
    with Sqlite(path, create=True) as db:
        mirror_of(db, 100)
        before = db.head(ORIGIN)
        assert step(db, 100, 512).size == 512
        assert db.head(ORIGIN) == before, "the head stays until the checkpoint is reached"
        assert db.staged(ORIGIN).root == Frontier.empty().extend(HASHES[:512]).root()
        assert verify_log(db, ORIGIN, VERIFIER).size == 100
    with Sqlite(path) as db:  # a restart goes on where it was
        assert step(db, 512, 1024).size == 1024
        assert verify_log(db, ORIGIN, VERIFIER).sound
        with pytest.raises(Malformed, match="from size 1024 to 1300"):
            extend_mirror(db, VERIFIER, note_of(SIZE), LEAVES[100:])
        head = extend_mirror(db, VERIFIER, note_of(SIZE), LEAVES[1024:], opened(1024, SIZE)[::7], seen=9)
        assert (head.size, db.staged(ORIGIN), db.head(ORIGIN)) == (SIZE, None, head)
        assert db.leaves(ORIGIN, 0, SIZE) == LEAVES
        report = verify_log(db, ORIGIN, VERIFIER)
        assert (report.sound, report.openings) == (True, len(db.openings(ORIGIN, 0, SIZE)))


def test_a_step_that_is_not_proven_is_not_stored(db):
    mirror_of(db, 100)
    step(db, 100, 512)
    before = db.staged(ORIGIN)
    wrong = [*LEAVES[512:1000], LEAVES[0], *LEAVES[1001:1024]]
    with pytest.raises(Forged, match=r"512\.\.1023 .* do not stand under"):
        grow_mirror(db, VERIFIER, note_of(SIZE), wrong, proof(1024, SIZE))
    with pytest.raises(Forged, match="do not stand under"):
        grow_mirror(db, VERIFIER, note_of(SIZE), LEAVES[512:1024], proof(1024, SIZE)[:-1])
    with pytest.raises(Forged, match="entry 600"):
        grow_mirror(db, VERIFIER, note_of(SIZE), LEAVES[512:1024], proof(1024, SIZE), [(600, *opened(1, 2)[0][1:])])
    with pytest.raises(Malformed, match="no part of the way"):
        grow_mirror(db, VERIFIER, note_of(SIZE), LEAVES[512:], [])
    stranger = SecretKey(ORIGIN, bytes(32))
    with pytest.raises(Forged):
        grow_mirror(db, VERIFIER, note_of(SIZE, key=stranger), LEAVES[512:1024], proof(1024, SIZE))
    assert db.staged(ORIGIN) == before
    assert verify_log(db, ORIGIN, VERIFIER).sound


def test_the_first_checkpoint_is_not_passed_over(db):
    """The log may have grown meanwhile, or forked: either shows when the first checkpoint is compared with its entries."""
    mirror_of(db, 100)
    step(db, 100, 512, to=1100)
    with pytest.raises(Conflict, match="on its way to size 1100"):
        step(db, 512, 1024, to=SIZE)
    extend_mirror(db, VERIFIER, note_of(1100), LEAVES[512:1100])
    assert step(db, 1100, 1280).size == 1280


@pytest.mark.parametrize("where", ["append", "stage"])
@pytest.mark.parametrize("persists", [False, True])
def test_a_failing_commit_of_a_step(tmp_path, where, persists):
    broken = ""

    def fault(site):
        if site == broken:
            raise OSError(28, "No space left on device")

    with Sqlite(tmp_path / "m.db", create=True, fault=fault) as db:
        mirror_of(db, 100)
        step(db, 100, 512)
        broken = f"{where}:{'after' if persists else 'before'}-commit"
        with pytest.raises(Fatal if persists else Unavailable):
            if where == "stage":
                step(db, 512, 1024)
            else:
                extend_mirror(db, VERIFIER, note_of(SIZE), LEAVES[512:])
        broken = ""
        db.reopen()
        assert verify_log(db, ORIGIN, VERIFIER).sound
        stood = db.staged(ORIGIN) or db.head(ORIGIN)
        assert stood.size == ({"stage": 1024, "append": SIZE}[where] if persists else 512)
        if stood.size < SIZE:
            extend_mirror(db, VERIFIER, note_of(SIZE), LEAVES[stood.size :])
        assert verify_log(db, ORIGIN, VERIFIER).size == SIZE


def test_two_that_fetch_the_same_step(db, tmp_path):
    mirror_of(db, 100)
    with Sqlite(tmp_path / "mirror.db") as other:
        first, leaves, hashes = other.head(ORIGIN), LEAVES[100:512], HASHES[100:512]
        ahead = step(db, 100, 512)
        with pytest.raises(Conflict, match="stands at size 512, not 100"):
            other.stage(ahead, first.size, leaves, [], hashes)
        extend_mirror(db, VERIFIER, note_of(SIZE), LEAVES[512:])
        with pytest.raises(Conflict, match="stands at size 1300, not 100"):
            other.stage(ahead, first.size, leaves, [], hashes)
    assert verify_log(db, ORIGIN, VERIFIER).size == SIZE


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("UPDATE bundles SET hashes = zeroblob(8192) WHERE first = 256", 256),
        ("DELETE FROM leaves WHERE idx = 255", 255),
        ("UPDATE growing SET frontier = (SELECT hash FROM leaves WHERE idx = 0)", None),
        ("UPDATE growing SET frontier = zeroblob(64)", None),
    ],
)
def test_damage_beyond_the_head_is_found(db, sql, index):
    mirror_of(db, 100)
    step(db, 100, 512)
    db.execute(sql)
    report = verify_log(db, ORIGIN, VERIFIER)
    assert (report.sound, report.index) == (False, index)
    if index is None:
        with pytest.raises(Forged):
            step(db, 512, 1024)


def test_entries_beyond_the_stage_are_found(db):
    mirror_of(db, 100)
    step(db, 100, 512)
    db.execute(
        "INSERT INTO leaves (origin, idx, leaf, hash) VALUES ($1, 512, $2, $3)", (ORIGIN, LEAVES[512], HASHES[512])
    )
    assert verify_log(db, ORIGIN, VERIFIER).index == 512


def test_a_commit_has_its_bound(db, monkeypatch):
    mirror_of(db, 100)
    steps = {stop: proof(stop, SIZE) for stop in (400, 512)}
    monkeypatch.setattr(log_module, "EXTEND_MAX", 300)
    with pytest.raises(Malformed):
        grow_mirror(db, VERIFIER, note_of(SIZE), LEAVES[100:512], steps[512])
    assert grow_mirror(db, VERIFIER, note_of(SIZE), LEAVES[100:400], steps[400]).size == 400
