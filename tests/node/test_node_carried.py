"""Bundles: whatever works over a network works with a file carried by hand, with the same proofs."""

import contextlib
import io
import json
import shutil

import msgspec
import pytest
from world import DATA, Link, attest, check

from relto import acts
from relto.charter import Pin, format_parties
from relto.cli import run
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError
from relto.keys import OpeningKey
from relto.node import carried, sealed_file
from relto.node.home import open_node

MEMBERS = ("gbr", "usa", "aus")


@pytest.fixture
def world(world):
    """Members that meet no more."""
    world.cut = {(one, other) for one in MEMBERS for other in MEMBERS if one != other}
    return world


def export(node, to, out, **options):
    """As `carried.export`, once the world's clock lets the newest head be published."""
    node.clock.__self__.time += 250
    return carried.export(node, to, out, **options)


def carry(world, one, other, **options):
    """A bundle of one party taken in by another; returns what became of it."""
    out = world.directory.parent / f"{one}-{other}-{world.time}.bundle"
    export(world.nodes[one], other, out, **options)
    return carried.take_in(world.nodes[other], out)


def by_party(taken):
    return {one.party: one for one in taken.ledgers}


def test_a_file_brings_what_the_network_would_have_brought(world):
    told = attest(world, "gbr", 1)
    taken = carry(world, "gbr", "usa")
    assert told in world.register("usa").stated
    assert by_party(taken)["gbr"].new > 0
    assert taken.written > 0, "usa acknowledges what it has read"
    # The acknowledge comes back the same way, and the next bundle begins where it ended.
    carry(world, "usa", "gbr")
    size = world.nodes["gbr"].log.head.size
    assert {head.origin: head.size for head in world.register("gbr").acks["usa"][1].heads}[
        "gbr.example/aukus/0"
    ] == size
    out = world.directory.parent / "again.bundle"
    says = export(world.nodes["gbr"], "usa", out)
    assert next(one.since for one in says.ledgers if one.party == "gbr") == size
    check(world)


def test_what_came_by_hand_is_what_came_by_network(world, tmp_path):
    """The same ledger by the two roads: equal rows, equal registers."""
    for number in range(3):
        attest(world, "gbr", number)
    twin = tmp_path / "twin"
    world.nodes["usa"].store.close()
    shutil.copytree(world.directory / "usa", twin)
    world.nodes["usa"] = open_node(world.directory / "usa", write=True, clock=world.clock, random=world.random)
    other = open_node(twin, write=True, clock=world.clock, random=world.random)
    world.cut = set()
    other.ingest(Link(world, other, world.nodes["gbr"]))
    out = tmp_path / "b"
    export(world.nodes["gbr"], "usa", out, own_only=True)
    node = world.nodes["usa"]
    held, says, _ = carried.open_bundle(node, out)
    node.ingest(carried.Carried(held, 0, says.ledgers[0], says.at))
    origin = "gbr.example/aukus/0"
    for table in ("leaves", "openings"):
        sql = f"SELECT * FROM {table} WHERE origin = $1 ORDER BY idx"
        assert node.store.query(sql, (origin,)) == other.store.query(sql, (origin,))
    assert node.register.own == other.register.own
    other.store.close()


def test_members_that_never_meet_decide_through_the_third(world):
    """aus and usa reach gbr alone, by file; each learns of the other's acts from gbr's bundles, with their own proofs."""
    told = attest(world, "aus", 1)
    carry(world, "aus", "gbr")
    taken = carry(world, "gbr", "usa")
    assert by_party(taken)["aus"].new > 0
    assert told in world.register("usa").stated
    taken = carry(world, "gbr", "usa", own_only=True)
    assert set(by_party(taken)) == {"gbr"}
    check(world)


def test_again_older_and_out_of_order_change_nothing(world):
    first = world.directory.parent / "first"
    attest(world, "gbr", 1)
    export(world.nodes["gbr"], "usa", first)
    attest(world, "gbr", 2)
    carry(world, "gbr", "usa")
    size = world.nodes["usa"].store.head("gbr.example/aukus/0")
    problems = world.nodes["usa"].problems()
    for _ in range(2):
        taken = carried.take_in(world.nodes["usa"], first)
        assert by_party(taken)["gbr"].new == 0
        assert "older than what is here" in by_party(taken)["gbr"].note
        assert not by_party(taken)["gbr"].error
    after = world.nodes["usa"].store.head("gbr.example/aukus/0")
    assert (after.size, after.root, after.seen) == (size.size, size.root, size.seen)
    assert world.nodes["usa"].problems() == problems == {}
    check(world)


def test_a_file_makes_a_ledger_no_fresher_than_the_day_it_was_signed(world):
    out = world.directory.parent / "old"
    says = export(world.nodes["gbr"], "usa", out)
    attest(world, "aus", 1)
    carry(world, "aus", "gbr")
    relayed = world.directory.parent / "relayed"
    export(world.nodes["gbr"], "usa", relayed)
    before = world.nodes["usa"].store.head("aus.example/aukus/0").seen
    world.time += 30 * 86_400_000
    carried.take_in(world.nodes["usa"], out)
    assert world.nodes["usa"].store.head("gbr.example/aukus/0").seen <= says.at
    carried.take_in(world.nodes["usa"], relayed)
    assert world.nodes["usa"].store.head("aus.example/aukus/0").seen == before, "gbr's word for aus counts for nothing"


def test_a_gap_is_named_with_the_way_to_fill_it(world):
    for number in range(3):
        attest(world, "gbr", number)
    held = world.nodes["usa"].store.head("gbr.example/aukus/0").size
    taken = carry(world, "gbr", "usa", since=str(held + 2), own_only=True)
    assert f"from entry {held + 2} on, and {held} are here" in by_party(taken)["gbr"].error
    assert by_party(taken)["gbr"].new == 0
    assert not by_party(carry(world, "gbr", "usa", since=str(held)))["gbr"].error
    assert not by_party(carry(world, "gbr", "usa", since="0"))["gbr"].error
    check(world)


def test_what_is_not_for_this_node_is_said_so(world, tmp_path):
    node, out = world.nodes["usa"], tmp_path / "b"
    export(world.nodes["gbr"], "aus", out)
    with pytest.raises(Forged, match="sealed to the key"):
        carried.take_in(node, out)
    with pytest.raises(NotFound):
        carried.take_in(node, tmp_path / "none")
    with pytest.raises(NotFound, match="not pinned"):
        export(node, "jpn", tmp_path / "c")
    with pytest.raises(Conflict, match="already"):
        export(world.nodes["gbr"], "aus", out)
    (tmp_path / "text").write_text("hello\n")
    with pytest.raises(Malformed, match="not a sealed file"):
        carried.take_in(node, tmp_path / "text")

    def forged(name, says, *, by="gbr", sign=None):
        """A well-made file whose words are wrong."""
        target = tmp_path / name
        sealed_file.write(
            target,
            "bundle",
            msgspec.json.encode(says),
            {},
            by=by,
            to="usa",
            public=node.keys.opening.public,
            random=world.random,
            sign=sign or world.nodes["gbr"].keys.node.sign,
        )
        return target

    good = carried.BundleSays(
        by="gbr.example/aukus/0",
        to="usa.example/aukus/0",
        at=world.time,
        founding=node.register.partnership,
        ledgers=(),
    )
    replace = msgspec.structs.replace
    for name, says, kind, words in (
        ("to", replace(good, to="aus.example/aukus/0"), Refused, "is for `aus"),
        ("founding", replace(good, founding="0" * 64), Conflict, "another partnership"),
        ("stranger", replace(good, by="kor.example/aukus/0"), Refused, "not pinned here"),
        ("ahead", replace(good, at=world.time + 86_400_000), Refused, "ahead of this machine"),
    ):
        with pytest.raises(kind, match=words):
            carried.take_in(node, forged(name, says))
    with pytest.raises(Forged, match="did not sign"):
        carried.take_in(node, forged("unsigned", good, sign=lambda message: {}))
    with pytest.raises(Forged, match="did not sign"):
        carried.take_in(node, forged("by-another", good, sign=world.nodes["aus"].keys.node.sign))
    assert carried.take_in(node, forged("good", good)).ledgers == ()
    backup = tmp_path / "backup"
    sealed_file.write(
        backup, "backup", b"{}", {}, by="gbr", to="usa", public=node.keys.opening.public, random=world.random
    )
    with pytest.raises(Malformed, match="this is a backup"):
        carried.take_in(node, backup)


def test_cut_or_altered_anywhere_nothing_is_taken(world, tmp_path):
    attest(world, "gbr", 1)
    out = tmp_path / "b"
    export(world.nodes["gbr"], "usa", out)
    data, node = out.read_bytes(), world.nodes["usa"]
    before = node.store.head("gbr.example/aukus/0")
    bad = tmp_path / "bad"
    for size in [0, 3, 16, 19, 200, len(data) // 2, len(data) - 65_552, len(data) - 17, len(data) - 1]:
        bad.write_bytes(data[: max(0, size)])
        with pytest.raises((Malformed, Forged)):
            carried.take_in(node, bad)
    for place in range(20, len(data), max(1, len(data) // 15)):
        altered = bytearray(data)
        altered[place] ^= 1
        bad.write_bytes(altered)
        with pytest.raises(ReltoError):
            carried.take_in(node, bad)
    bad.write_bytes(data + b"\0")
    with pytest.raises((Malformed, Forged)):
        carried.take_in(node, bad)
    assert node.store.head("gbr.example/aukus/0") == before
    assert node.problems() == {}, "a bad file is no proof against its maker's ledger"


def test_a_rewound_or_forked_ledger_by_hand_is_caught_as_by_network(world, tmp_path):
    """gbr's machine went back and wrote other entries; usa has seen the first ones."""
    gbr = world.nodes["gbr"]
    gbr.store.close()
    shutil.copytree(world.directory / "gbr", tmp_path / "copy")
    world.nodes["gbr"] = gbr = open_node(world.directory / "gbr", write=True, clock=world.clock, random=world.random)
    attest(world, "gbr", 1)
    attest(world, "gbr", 2)
    carry(world, "gbr", "usa")
    twin = open_node(tmp_path / "copy", write=True, clock=world.clock, random=world.random)
    world.nodes["gbr"] = twin
    attest(world, "gbr", 5)
    taken = carry(world, "gbr", "usa", own_only=True)
    assert "two histories" in by_party(taken)["gbr"].error
    usa = world.nodes["usa"]
    assert any(isinstance(one.act, acts.Fork) for one in usa.register.scans[usa.origin].stated)
    assert usa.problems()
    gbr.store.close()


def test_only_what_the_reader_may_open_is_inside(world, tmp_path):
    """Evidence for gbr alone, and what gbr holds of aus that aus did not open to usa."""
    node = world.nodes["gbr"]
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
    out = tmp_path / "b"
    export(node, "usa", out, since="0")
    held = sealed_file.Sealed(out, world.nodes["usa"].keys.opening, what="bundle")
    for name in held.sections:
        assert b"asked to be heard" not in held.read(name)
    opened = [
        acts.open_act(envelope)[0]
        for name in held.sections
        if "/openings-" in name
        for _, _, envelope in carried.parse_openings(held.read(name))
    ]
    assert opened
    assert all(acts.open_to(one, "usa") for one in opened)
    assert b"inception" not in out.read_bytes()


def test_an_outsider_gets_parts_by_hand(world, tmp_path):
    jpn = world.start("jpn", "Japan")
    gbr = world.nodes["gbr"]
    world.join("gbr", "jpn")
    jpn.save_config(pin=gbr.register.partnership)
    taken = carry(world, "gbr", "jpn")
    assert by_party(taken)["gbr"].new > 0
    assert jpn.store.query("SELECT count(*) FROM leaves WHERE origin = $1", (gbr.origin,)) == [(0,)]
    world.act(
        "gbr",
        "introduce",
        party="jpn",
        inception=acts.open_act(jpn.inception())[1],
        origin=jpn.origin,
        address=jpn.config.url,
        members=gbr.members_named(),
    )
    size = jpn.store.query("SELECT size FROM part_heads")[0][0]
    taken = carry(world, "gbr", "jpn", since=str(size))
    assert by_party(taken)["gbr"].new > 0
    assert set(by_party(taken)) == {"gbr"}, "mirrors of members are not for it"
    taken = carry(world, "gbr", "jpn", since=str(size))
    assert f"from size {size} on" in by_party(taken)["gbr"].error or by_party(taken)["gbr"].note == "nothing new"
    assert any(isinstance(one.act, acts.Introduce) for one in jpn.register.stated.values())


def test_a_package_goes_along_only_to_who_may_know_of_its_item(world, tmp_path):
    from relto.demo import cast
    from relto.node.desk import note_package
    from relto.node.sealing import item_named, seal_item

    gbr = world.nodes["gbr"]
    opaque = {item: world.random(16).hex() for item in (cast.ITEM_A, cast.ITEM_B, cast.ITEM_C)}
    for fields in cast.items(world.time, opaque).values():
        world.act("gbr", "register", **fields)
    (tmp_path / "notes.txt").write_text("Sea trials.\n")
    item = item_named(gbr, cast.ITEM_A)
    sealed = seal_item(gbr, item, tmp_path / "notes.txt", tmp_path / "a.tdf", name="notes.txt", mime="")
    note_package(gbr, sealed.digest.hex(), item.facts.opaque, item.id, item.version)
    out = tmp_path / "named.bundle"
    says = export(gbr, "usa", out)
    assert [(one.item, one.included) for one in says.packages] == [(item.id, False)]
    out = tmp_path / "with.bundle"
    export(gbr, "usa", out, packages=[tmp_path / "a.tdf"])
    taken = carried.take_in(world.nodes["usa"], out, tmp_path / "packages")
    (name,) = taken.packages
    assert (tmp_path / "packages" / f"{sealed.digest.hex()}.tdf").read_bytes() == (tmp_path / "a.tdf").read_bytes()
    assert name.endswith(".tdf")
    assert carried.take_in(world.nodes["usa"], out, tmp_path / "packages").packages == ()
    kor = world.start("kor", "Korea")
    gbr.pin(kor.inception(), "words")
    assert export(gbr, "kor", tmp_path / "kor.bundle").packages == ()
    with pytest.raises(Refused, match="may not know"):
        export(gbr, "kor", tmp_path / "kor2.bundle", packages=[tmp_path / "a.tdf"])


# ---- by the command line, from the first key on


def relto(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run([str(word) for word in words])
    assert status == 0, err.getvalue()
    return out.getvalue()


@pytest.mark.slow
def test_a_partnership_is_founded_without_a_network(tmp_path):
    """Three directories and files: joined, proposed, consented, acknowledged, founded. No node is ever served."""
    parties = {"gbr": "United Kingdom", "usa": "United States", "aus": "Australia"}
    for party, name in parties.items():
        relto(
            "node",
            "init",
            "--node",
            tmp_path / party,
            "--party",
            party,
            "--partnership",
            "aukus",
            "--name",
            name,
            "--url",
            f"https://{party}.example",
            "--root",
            "1/1",
            "--authority",
            "1/1",
        )
    texts = {party: relto("node", "invite", "--node", tmp_path / party).strip() for party in parties}
    for party in parties:
        for other in parties:
            if other != party:
                relto("node", "join", texts[other], "--node", tmp_path / party)
    count = 0

    def send(one, *others):
        nonlocal count
        for other in others or [other for other in parties if other != one]:
            count += 1
            relto("bundle", "export", "--to", other, "-o", tmp_path / f"{count}.bundle", "--node", tmp_path / one)
            relto("bundle", "import", tmp_path / f"{count}.bundle", "--node", tmp_path / other)

    shutil.copytree(DATA / "charters" / "aukus", tmp_path / "charter")
    pins = []
    for party in parties:
        node = open_node(tmp_path / party)
        pins.append(
            Pin(id=party, inception=acts.open_act(node.inception())[1], origin=node.origin, address=node.config.url)
        )
        node.store.close()
    (tmp_path / "charter" / "parties.yaml").write_bytes(format_parties("aukus", pins))
    relto("act", "propose", "charter", tmp_path / "charter", "--node", tmp_path / "gbr", "--sign")
    send("gbr")
    rows = json.loads(relto("act", "list", "--kind", "propose", "--node", tmp_path / "usa", "--json"))["results"]
    founding = rows[0]["id"]
    for party in parties:
        relto("act", "consent", founding, "--node", tmp_path / party, "--sign")
    for _ in range(2):  # the consents, then what each acknowledges of them
        for party in parties:
            send(party)
    for party in parties:
        node = open_node(tmp_path / party)
        assert node.register.partnership == founding
        assert node.register.slots[founding].state == "in_force"
        node.store.close()


def test_a_node_that_no_network_reaches_comes_back_by_files(world, tmp_path):
    """Restored from yesterday's backup; each partner's word on its ledger, and its entries, come by hand."""
    from relto.node import backup
    from relto.node.peers import recover_all
    from relto.store import KeyFiles

    node = world.nodes["gbr"]
    file = tmp_path / "gbr.backup"
    backup.write(world.directory / "gbr", file, clock=world.clock, random=world.random)
    told = attest(world, "gbr", 1)
    carry(world, "gbr", "usa")
    carry(world, "gbr", "aus")
    size = node.log.head.size
    early = tmp_path / "early.bundle"
    export(world.nodes["usa"], "gbr", early, recovery=True)
    plain = tmp_path / "plain.bundle"
    node.store.close()
    world.time += 1000
    key = OpeningKey.from_text(KeyFiles(world.directory / "gbr" / "keys" / "offline").read("backup"))
    backup.restore(file, tmp_path / "again", key, clock=world.clock)
    world.nodes["gbr"] = node = open_node(tmp_path / "again", write=True, clock=world.clock, random=world.random)
    export(world.nodes["usa"], "gbr", plain)
    with pytest.raises(Refused, match="made before this node began to recover"):
        recover_all(node, {}, files=[early])
    with pytest.raises(Refused, match="does not say what usa holds"):
        recover_all(node, {}, files=[plain])
    words = []
    for party in ("usa", "aus"):
        words.append(tmp_path / f"{party}.word")
        export(world.nodes[party], "gbr", words[-1], recovery=True)
    step = recover_all(node, {}, files=words[:1])
    assert not step.done
    assert step.problem == "waiting for aus"
    step = recover_all(node, {}, files=words)
    assert step.done
    assert node.log.head.size == size
    assert told in node.register.stated
    attest(world, "gbr", 2)
    carry(world, "gbr", "usa")
    check(world)
