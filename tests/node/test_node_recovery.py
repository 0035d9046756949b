"""Yesterday's backup in a world that went on: never two checkpoints that contradict each other."""

import shutil

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from world import Link, World, attest, check

from relto import acts
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.keys import OpeningKey
from relto.ledger import Tree, leaf_hash, open_checkpoint
from relto.node import backup, sealed_file
from relto.node.home import open_node
from relto.store import KeyFiles, Sqlite

MEMBERS = ("gbr", "usa", "aus")


def backup_key(world, party):
    return OpeningKey.from_text(KeyFiles(world.directory / party / "keys" / "offline").read("backup"))


def save(world, party, name="yesterday"):
    out = world.directory.parent / f"{party}-{name}.backup"
    backup.write(world.directory / party, out, clock=world.clock, random=world.random)
    return out


def restore(world, party, file):
    """The party's node is lost; it comes back from the file, in a new directory."""
    world.nodes[party].store.close()
    target = world.directory.parent / f"{party}-restored-{world.time}"
    backup.restore(file, target, backup_key(world, party), clock=world.clock)
    world.nodes[party] = open_node(target, write=True, clock=world.clock, random=world.random)
    return world.nodes[party]


def recover(world, party, *, only=None, without=None):
    node = world.nodes[party]
    partners = {name: Link(world, node, other) for name, other in world.nodes.items() if name in node.peers()}
    return node.recover({n: p for n, p in partners.items() if only is None or n in only}, without)


def consistent(notes, node):
    """Every checkpoint that anybody ever saw of this ledger is a prefix of the one that it has now."""
    hashes = [leaf_hash(leaf) for leaf in node.store.leaves(node.origin, 0, node.log.head.size)]
    tree = Tree(lambda start, stop: hashes[start:stop])
    for note in notes:
        seen = open_checkpoint(note, node.log.verifier).checkpoint
        assert seen.size <= len(hashes)
        assert tree.root(seen.size) == seen.root


def test_yesterdays_backup_comes_back_and_catches_up(world):
    attest(world, "gbr", 1)
    file = save(world, "gbr")
    before = world.nodes["gbr"].log.head.size
    later = [attest(world, "gbr", n) for n in (2, 3, 4)]
    world.sync()
    note = world.nodes["gbr"].log.head.note
    size = world.nodes["gbr"].log.head.size
    node = restore(world, "gbr", file)
    assert node.recovering
    assert node.log.head.size == before
    with pytest.raises(Refused, match="recovering and signs nothing"):
        attest(world, "gbr", 5)
    with pytest.raises(Unavailable, match="recovering"):
        node.published()
    assert node.log.head.size == before
    step = recover(world, "gbr")
    assert step.done, step
    assert step.refilled == size - before
    assert node.log.head.size == size
    assert all(one in node.register.stated for one in later)
    attest(world, "gbr", 6)
    world.sync()
    consistent([note], node)
    check(world)
    # It is not forgotten that it happened, nor who said what.
    rows = node.store.query("SELECT party, size FROM recoveries ORDER BY party")
    assert rows == [("aus", size), ("usa", size)]


def test_it_waits_for_every_member_unless_a_person_records_who_is_away(world):
    file = save(world, "gbr")
    attest(world, "gbr", 1)
    world.cut = {("gbr", "usa")}
    world.sync()
    node = restore(world, "gbr", file)
    step = recover(world, "gbr")
    assert not step.done
    assert step.problem == "waiting for usa"
    assert "usa" in step.silent
    assert node.recovering
    with pytest.raises(Malformed, match="written down"):
        recover(world, "gbr", without={"usa": " "})
    with pytest.raises(Malformed, match="not waited for"):
        recover(world, "gbr", without={"jpn": "gone"})
    assert recover(world, "gbr", without={"usa": "its site is under water"}).done
    assert node.store.query("SELECT party, why FROM recoveries WHERE size < 0") == [("usa", "its site is under water")]
    world.cut = set()
    attest(world, "gbr", 2)
    world.sync()
    check(world)


def test_what_an_absent_party_acknowledged_counts_although_it_is_away(world):
    """aus saw less than usa, and knows so from the acknowledge of usa."""
    file = save(world, "gbr")
    attest(world, "gbr", 1)
    world.sync("usa")
    world.sync_one("usa")
    aus = world.nodes["aus"]
    aus.ingest(Link(world, aus, world.nodes["usa"]))
    size = world.nodes["gbr"].log.head.size
    restore(world, "gbr", file)
    world.cut = {("gbr", "usa")}
    step = recover(world, "gbr", without={"usa": "no line to it"})
    assert not step.done
    assert f"`usa` acknowledged {size} entries" in step.problem
    world.cut = set()
    assert recover(world, "gbr").done


def test_an_own_act_that_nobody_else_could_open_keeps_it_from_signing(world):
    file = save(world, "gbr")
    world.act(
        "gbr",
        "evidence",
        candidate="jpn",
        date="2026-01-01",
        standing="unnamed",
        status="considered",
        says="asked to be heard",
        source="a call",
    )
    attest(world, "gbr", 1)
    world.sync()
    node = restore(world, "gbr", file)
    step = recover(world, "gbr")
    assert not step.done
    assert len(step.missing) == 1
    assert "new epoch" in step.problem
    assert node.recovering
    with pytest.raises(Refused, match="recovering"):
        attest(world, "gbr", 2)


def test_a_partner_that_serves_other_entries_than_it_claims_is_named_and_another_one_serves(world):
    file = save(world, "gbr")
    attest(world, "gbr", 1)
    world.sync()
    node = restore(world, "gbr", file)

    class Liar(Link):
        def your_entries(self, since, size):
            return [
                msgspec.structs.replace(one, leaf=one.leaf[:-1] + bytes([one.leaf[-1] ^ 1]))
                for one in super().your_entries(since, size)
            ]

    partners = {"aus": Liar(world, node, world.nodes["aus"]), "usa": Link(world, node, world.nodes["usa"])}
    step = node.recover(partners)
    assert step.done
    assert "aus" in step.silent
    check(world)


@pytest.mark.parametrize("others", ["behind", "silent"])
def test_what_one_partner_alone_saw_is_waited_for_although_it_cannot_serve_it(world, others):
    """Regression: when who held most did not serve it, the node went on from what it had, and signed a fork."""
    file = save(world, "gbr")
    attest(world, "gbr", 1)
    usa = world.nodes["usa"]
    usa.ingest(Link(world, usa, world.nodes["gbr"]))
    size = world.nodes["gbr"].log.head.size
    node = restore(world, "gbr", file)

    class Keeps(Link):
        def your_entries(self, since, size):
            return []

    partners = {"usa": Keeps(world, node, usa), "aus": Link(world, node, world.nodes["aus"])}
    if others == "silent":
        del partners["aus"]
    step = node.recover(partners, {"aus": "no line to it"} if others == "silent" else None)
    assert not step.done
    assert f"a partner holds a checkpoint of {size} entries" in step.problem
    with pytest.raises(Refused, match="recovering"):
        attest(world, "gbr", 2)
    partners["usa"] = Link(world, node, usa)
    assert node.recover(partners).done
    assert node.log.head.size == size


def test_two_histories_of_the_own_ledger_end_it_for_good(world):
    """The same backup was restored twice and signed twice: a fork. Nothing signs after that."""
    file = save(world, "gbr")
    attest(world, "gbr", 1)
    world.nodes["usa"].ingest(Link(world, world.nodes["usa"], world.nodes["gbr"]))
    node = restore(world, "gbr", file)
    node.store.execute("DELETE FROM recovering")  # as if somebody had copied the database back by hand
    node.recovering = ""
    world.cut = {("gbr", "usa"), ("gbr", "aus")}
    attest(world, "gbr", 2)
    world.nodes["usa"].store.close()
    world.cut = set()
    world.nodes["usa"] = open_node(world.directory / "usa", write=True, clock=world.clock, random=world.random)
    with pytest.raises(Forged, match="another tree"):
        node.look_back({"usa": world.nodes["usa"].yours("gbr")})
    node.begin_recovering("asked for by the test")
    step = recover(world, "gbr")
    assert not step.done
    assert "another tree" in step.problem
    with pytest.raises(Refused):
        attest(world, "gbr", 3)


def test_a_database_that_went_back_by_itself_is_noticed_before_anything_is_signed(world):
    """A snapshot of the machine, not `relto node restore`: no row says that it recovers."""
    file = save(world, "gbr")
    attest(world, "gbr", 1)
    world.sync()
    node = restore(world, "gbr", file)
    node.store.execute("DELETE FROM recovering")
    node.recovering = ""
    # At a start: the partners are asked.
    node.look_back({name: world.nodes[name].yours("gbr") for name in ("usa", "aus")})
    assert node.recovering
    node.store.execute("DELETE FROM recovering")
    node.recovering = ""
    # Without a start: a partner's acknowledge carries our own signature over more entries than we have.
    node.ingest(Link(world, node, world.nodes["usa"]))
    before = node.log.head.size
    with pytest.raises(Refused, match="acknowledged"):
        attest(world, "gbr", 2)
    assert node.log.head.size == before
    assert recover(world, "gbr").done


def test_a_word_of_a_larger_ledger_without_its_signature_is_nobodys_word(world):
    node = world.nodes["gbr"]
    heard = msgspec.convert(
        {"party": "usa", "size": 10_000, "root": "00" * 32, "signature": b"\0" * 64},
        type(world.nodes["usa"].yours("aus").heard[0]),
    )
    node.look_back({"aus": msgspec.structs.replace(world.nodes["aus"].yours("gbr"), heard=(heard,))})
    assert not node.recovering


def test_readers_whose_tag_keys_were_lost_get_new_ones(world):
    file = save(world, "gbr")
    kor = world.start("kor", "Korea")
    node = world.nodes["gbr"]
    node.pin(kor.inception(), "words")
    world.sync()
    node = restore(world, "gbr", file)
    world.outsiders.add("kor")
    assert "kor" not in node.peers()
    assert recover(world, "gbr").done
    node.pin(kor.inception(), "words")
    world.act(
        "gbr",
        "introduce",
        party="kor",
        inception=acts.open_act(kor.inception())[1],
        origin=kor.origin,
        address=kor.config.url,
        members=node.members_named(),
    )
    world.sync()
    check(world)


# ---- the file


def test_only_the_backup_key_opens_it_and_nothing_secret_lies_open(world):
    file = save(world, "gbr")
    data = file.read_bytes()
    node = world.directory / "gbr"
    secrets = [path.read_bytes() for path in (node / "keys" / "online").iterdir()]
    assert all(secret[:40] not in data for secret in secrets)
    assert b"SQLite" not in data
    assert b"inception" not in data
    other = OpeningKey.generate(world.random)
    with pytest.raises(Forged, match="sealed to the key"):
        backup.restore(file, world.directory.parent / "x", other, clock=world.clock)
    assert not (world.directory.parent / "x").exists()
    offline = {path.stem for path in (node / "keys" / "offline").iterdir()}
    held = sealed_file.Sealed(file, backup_key(world, "gbr"), what="backup")
    inside = {name.rpartition("/")[2].removesuffix(".key") for name in held.sections}
    assert not inside & offline
    assert {path.stem for path in (node / "keys" / "online").iterdir()} <= inside


@pytest.mark.parametrize("cut", [0, 10, 100, 1_000, -1, -17, -70_000])
def test_a_cut_backup_is_refused_and_leaves_nothing(world, cut):
    file = save(world, "gbr")
    short = file.with_name("short")
    short.write_bytes(file.read_bytes()[:cut])
    target = world.directory.parent / "x"
    with pytest.raises((Malformed, Forged)):
        backup.restore(short, target, backup_key(world, "gbr"), clock=world.clock)
    assert not target.exists() or not any(target.iterdir())


def test_an_altered_byte_anywhere_is_refused(world):
    file = save(world, "gbr")
    data = bytearray(file.read_bytes())
    for place in [*range(0, 40, 7), *range(40, len(data), max(1, len(data) // 12))]:
        altered = data.copy()
        altered[place] ^= 0x20
        bad = file.with_name("altered")
        bad.write_bytes(altered)
        with pytest.raises(ReltoError):
            backup.restore(bad, world.directory.parent / "x", backup_key(world, "gbr"), clock=world.clock)
        assert not (world.directory.parent / "x" / "relto.toml").exists()


def test_it_goes_nowhere_where_something_is(world):
    file = save(world, "gbr")
    with pytest.raises(Conflict, match="already"):
        save(world, "gbr")
    with pytest.raises(Conflict, match="not empty"):
        backup.restore(file, world.directory / "gbr", backup_key(world, "gbr"), clock=world.clock)
    with pytest.raises(NotFound):
        backup.restore(
            file.with_name("none"), world.directory.parent / "x", backup_key(world, "gbr"), clock=world.clock
        )


def test_a_backup_while_the_node_writes_is_one_state(world):
    """Statements between the snapshot's beginning and its end are in it whole or not at all."""
    node = world.nodes["gbr"]
    with node.store.transaction("half"):
        node.store.execute("INSERT INTO opened (release, at) VALUES ('x', 1)")
        file = save(world, "gbr")  # another connection, as the command line has it
    target = world.directory.parent / "copy"
    backup.restore(file, target, backup_key(world, "gbr"), clock=world.clock)
    with Sqlite(target / "node.sqlite", read_only=True) as store:
        assert store.query("SELECT count(*) FROM opened") == [(0,)]
        assert store.head(node.origin) == node.store.head(node.origin)


# ---- any order of things


@example(steps=["write", "save", "cut", "lose", "sync"], seed=0)  # a recovering node was asked for its checkpoint
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from(["write", "sync", "save", "lose", "cut", "heal"]), min_size=4, max_size=12),
    seed=st.integers(0, 2**16),
)
@pytest.mark.slow
def test_no_order_of_backups_and_losses_gives_two_histories(founded, tmp_path_factory, steps, seed):
    source, time, draws = founded
    root = tmp_path_factory.mktemp("order")
    shutil.copytree(source, root / "world")
    world = World(root / "world", seed)
    world.time, world._draws = time, draws
    for party in MEMBERS:
        world.nodes[party] = open_node(root / "world" / party, write=True, clock=world.clock, random=world.random)
    file, notes, number = None, [], 0
    for step in steps:
        node = world.nodes["gbr"]
        if step == "write":
            number += 1
            try:
                attest(world, "gbr", number)
                notes.append((node.log.head.note, node.log.head.size))
            except Refused:
                assert node.recovering
        elif step == "sync":
            world.sync()
        elif step == "save":
            file = save(world, "gbr", f"{number}-{world.time}")
        elif step == "lose" and file is not None:
            # What left the machine is what partners saw; what was never synchronised is lost with it, and says so.
            shown = max((n.store.head(node.origin).size for name, n in world.nodes.items() if name != "gbr"), default=0)
            notes = [(note, size) for note, size in notes if size <= shown]
            restore(world, "gbr", file)
            recover(world, "gbr")
        elif step == "cut":
            world.cut = {("gbr", world.chance.choice(["usa", "aus"]))}
        else:
            world.cut = set()
            recover(world, "gbr")
    world.cut = set()
    recover(world, "gbr")
    world.sync()
    consistent([note for note, _ in notes], world.nodes["gbr"])
    check(world)
    for one in world.nodes.values():
        one.store.close()
