"""What a backup and the partners together do not give back is said: which entries, from when, and what to do."""

import json
import re

import pytest
from test_node_recovery import recover, restore, save
from world import Link, attest, check

from relto.cli import run
from relto.errors import Forged, Malformed, NotFound
from relto.node import lost
from relto.node.doctor import examine
from relto.node.handover import proof_of

AT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


def private(world, number):
    """An act that is open to its author alone."""
    return world.act(
        "gbr", "evidence", candidate="jpn", date="2026-01-01", standing="unnamed", status="considered",
        says=f"asked to be heard, {number}", source="a call",
    )  # fmt: skip


def proof_file(world, act):
    world.time += 1000
    node = world.nodes["gbr"]
    node.published()
    path = world.directory.parent / f"{act[:8]}.tlog-proof"
    path.write_bytes(proof_of(node, act))
    return path


def of(step, why):
    return [one for one in step.lost if one.why == why]


def with_proofs(world, *files):
    node = world.nodes["gbr"]
    partners = {name: Link(world, node, other) for name, other in world.nodes.items() if name in node.peers()}
    return node.recover({**partners, **node.open_proofs(files)})


def test_what_nobody_saw_is_said_with_its_time(world):
    """After the last backup, never mirrored: no trace of it is anywhere, and the operator is told when that was."""
    world.sync()
    file = save(world, "gbr")
    size = world.nodes["gbr"].log.head.size
    saved = world.time
    attest(world, "gbr", 1)
    world.time += 3_600_000
    node = restore(world, "gbr", file)
    step = recover(world, "gbr")
    assert step.done
    (gone,) = step.lost
    assert (gone.why, gone.first, gone.last) == ("unseen", size, None)
    assert gone.since <= saved < gone.until == pytest.approx(world.time, abs=1000)
    assert re.search(rf"as entry {size} or later between {AT} and {AT} is gone, if there was any", gone.words)
    assert "--proof FILE" in gone.next
    why = {row[0] for row in node.store.query("SELECT why FROM recoveries WHERE size >= 0")}
    assert len(why) == 1
    assert gone.words in why.pop(), "kept for whoever asks later"
    attest(world, "gbr", 2)
    world.sync()
    check(world)


def test_the_time_begins_where_partners_last_saw_the_end(world):
    """A partner that mirrored after the backup narrows it: its checkpoint says when the ledger ended there."""
    file = save(world, "gbr")
    saved = world.time
    world.time += 7_200_000
    attest(world, "gbr", 1)
    world.sync()
    seen = world.time
    world.time += 3_600_000
    restore(world, "gbr", file)
    (gone,) = recover(world, "gbr").lost
    assert saved + 7_000_000 < gone.since <= seen


def test_entries_for_this_party_alone_are_named_in_runs(world):
    file = save(world, "gbr")
    first = world.nodes["gbr"].log.head.size
    before = world.time
    for number in range(3):
        private(world, number)
    attest(world, "gbr", 1)
    private(world, 4)
    world.sync()
    node = restore(world, "gbr", file)
    step = recover(world, "gbr")
    assert not step.done
    assert step.missing[:3] == (first, first + 1, first + 2)
    runs = of(step, "closed")
    assert (runs[0].first, runs[0].last) == (first, first + 2)
    assert runs[0].since <= before < runs[0].until, "the acts on both sides say when"
    assert f"entries {first} to {first + 2} are here" in runs[0].words
    assert all("newer backup" in one.next for one in runs)
    assert len(runs) == 2
    assert runs[1].words.startswith(f"entry {first + 4} is here, and what it said was open to this party alone")
    found = [one for one in examine(node.objects.path.parent) if one.check == "ledger"]
    assert any(one.words == runs[0].words and one.level == "bad" and one.fix == runs[0].next for one in found)


def test_entries_that_somebody_saw_and_nobody_has(world):
    file = save(world, "gbr")
    size = world.nodes["gbr"].log.head.size
    attest(world, "gbr", 1)
    attest(world, "gbr", 2)
    usa = world.nodes["usa"]
    usa.ingest(Link(world, usa, world.nodes["gbr"]))
    node = restore(world, "gbr", file)

    class Keeps(Link):
        def your_entries(self, since, size):
            return []

    step = node.recover({"usa": Keeps(world, node, usa), "aus": Link(world, node, world.nodes["aus"])})
    assert not step.done
    (gone,) = of(step, "unserved")
    assert (gone.first, gone.last, gone.seen) == (size, size + 1, ("usa",))
    assert f"entries {size} to {size + 1} were signed by this ledger: usa holds the signature" in gone.words
    assert "new epoch" in gone.next
    assert of(step, "unseen")[0].first == size + 2


def test_an_acknowledge_that_is_here_already_tells_the_doctor(world):
    """Nobody needs to be asked for it: the mirrors in the backup are older, and those that came since know more."""
    file = save(world, "gbr")
    size = world.nodes["gbr"].log.head.size
    attest(world, "gbr", 1)
    world.sync()
    node = restore(world, "gbr", file)
    node.ingest(Link(world, node, world.nodes["usa"]))
    found = [one for one in node.lost({}) if one.why == "unserved"]
    assert [(one.first, one.seen) for one in found] == [(size, ("usa",))]
    words = [one.words for one in examine(node.objects.path.parent) if one.check == "ledger"]
    assert found[0].words in words


# ── proofs ──


def test_a_recipients_proof_brings_an_entry_back_that_nobody_mirrored(world):
    world.sync()
    file = save(world, "gbr")
    acts = [attest(world, "gbr", 1), attest(world, "gbr", 2)]
    proofs = [proof_file(world, act) for act in acts]
    size = world.nodes["gbr"].log.head.size
    node = restore(world, "gbr", file)
    # The later proof alone: it shows that there was one before it, and keeps the node from signing.
    step = with_proofs(world, proofs[1])
    assert not step.done
    (gone,) = of(step, "unserved")
    assert gone.seen == (f"the proof {proofs[1].name}",)
    assert (gone.first, gone.last) == (size - 2, size - 1)
    step = with_proofs(world, *proofs)
    assert step.done, step
    assert step.refilled == 2
    assert node.log.head.size == size
    assert all(act in node.register.stated for act in acts)
    assert of(step, "unseen")[0].first == size
    attest(world, "gbr", 3)
    world.sync()
    check(world)


def test_a_proof_goes_on_where_a_partner_ends(world):
    file = save(world, "gbr")
    attest(world, "gbr", 1)
    world.sync()
    act = attest(world, "gbr", 2)
    proof = proof_file(world, act)
    size = world.nodes["gbr"].log.head.size
    node = restore(world, "gbr", file)
    step = with_proofs(world, proof)
    assert step.done, step
    assert node.log.head.size == size
    assert act in node.register.stated


def test_a_proof_opens_what_was_open_to_this_party_alone(world):
    file = save(world, "gbr")
    act = private(world, 1)
    proof = proof_file(world, act)
    world.sync()
    node = restore(world, "gbr", file)
    assert not recover(world, "gbr").done
    assert with_proofs(world, proof).done
    assert act in node.register.stated


def test_proofs_that_are_not_this_ledgers(world, tmp_path):
    node, act = world.nodes["gbr"], attest(world, "gbr", 1)
    good = proof_file(world, act).read_bytes()
    other = world.nodes["usa"]
    world.time += 1000
    other.published()
    foreign = proof_of(other, attest(world, "usa", 1))
    for number, (data, error) in enumerate([
        (foreign, Forged), (good[:-40], Malformed), (good.replace(b"extra ", b"extra AAAA"), Malformed), (b"", Malformed)
    ]):  # fmt: skip
        path = tmp_path / f"{number}.tlog-proof"
        path.write_bytes(data)
        with pytest.raises((error, Forged)) as caught:
            node.open_proofs([path])
        assert caught.value.where == str(path)
    with pytest.raises(NotFound):
        lost.is_proof(tmp_path / "none")
    assert not lost.is_proof(tmp_path / "3.tlog-proof")


def test_the_command_says_it_too(world, capsys):
    world.sync()
    file = save(world, "gbr")
    size = world.nodes["gbr"].log.head.size
    proof = proof_file(world, attest(world, "gbr", 1))
    node = restore(world, "gbr", file)
    directory = str(node.objects.path.parent)
    node.store.close()
    assert run(["node", "recover", "--node", directory, "--proof", str(proof)]) == 3
    out = capsys.readouterr().out
    assert "1 entries came back from partners" in out
    assert f"whatever was written as entry {size + 1} or later between" in out
    assert "  do: ask whoever received a key in that time" in out
    assert run(["node", "recover", "--node", directory, "--json"]) == 3
    step = json.loads(capsys.readouterr().out)
    assert [one["why"] for one in step["lost"]] == ["unseen"]
    assert step["lost"][0]["first"] == size + 1
    assert run(["node", "recover", "--node", directory, "--proof", "nowhere"]) == 2
    assert "there is no file" in capsys.readouterr().err
