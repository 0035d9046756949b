"""A partner's silence, fork or rewind stands on every surface, in the same words, until it is over."""

import contextlib
import io
import json
import shutil

import msgspec
import pytest
from test_node_edges import certificate
from world import Link, attest

from relto.cli import run
from relto.errors import Forged, Malformed, ReltoError, Unavailable
from relto.node import config as settings
from relto.node import views
from relto.node.doctor import examine
from relto.node.home import open_node
from relto.node.watch import standings

MEMBERS = ("gbr", "usa", "aus")


def standing(world, of, at="gbr"):
    return next(one for one in standings(world.nodes[at]) if one.party == of)


def surfaces(world, directory):
    """What the overview (and so its JSON), `doctor` and `ledger show` say at gbr; the first two as text."""
    node = world.nodes["gbr"]
    page = views.partnership_view(node.register, node.clock(), node.problems(), standings(node), node.recovering)
    mirrors = {one["id"]: one["mirror"] for one in page["parties"] if one["mirror"]}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        doctor = run(["node", "doctor", "--node", str(directory), "--json"])
        show = run(["ledger", "show", "usa", "--node", str(directory), "--json"])
    lines = out.getvalue().splitlines()
    return mirrors, page["alarms"], (doctor, json.loads(lines[0])), (show, json.loads(lines[1])["mirror"])


def test_a_fetched_partner_is_current(world):
    world.sync()
    assert standing(world, "usa").state == "current"
    mirrors, alarms, (_, doctor), _ = surfaces(world, world.directory / "gbr")
    assert mirrors["usa"]["state"] == "current"
    assert alarms == []
    assert not [one for one in doctor["findings"] if one["level"] == "bad" and one["check"] == "partners"]


def test_silence_shows_everywhere_and_ends_with_the_next_answer(world):
    world.sync()
    world.cut = {("gbr", "usa")}
    node = world.nodes["gbr"]
    with pytest.raises(Unavailable):
        node.ingest(Link(world, node, world.nodes["usa"]))
    assert standing(world, "usa").state == "silent"
    mirrors, _, (_, doctor), (status, mirror) = surfaces(world, world.directory / "gbr")
    assert mirrors["usa"]["state"] == mirror["state"] == "silent"
    assert status == 3
    assert any(one["words"].startswith("usa: silent") for one in doctor["findings"])
    world.cut = set()
    world.sync()
    assert standing(world, "usa").state == "current"
    # Without a word of any kind, age alone is silence; past the charter's limit it says what that means.
    world.time += 3_600_000
    assert standing(world, "usa").state == "silent"
    world.time += 8 * 86_400_000
    assert "past the charter's limit of 7 days" in standing(world, "usa").words


class Rewound(Link):
    """A node that shows an earlier checkpoint of itself, truly signed."""

    def head(self):
        return self.world.old


def test_a_rewind_shows_everywhere_until_it_is_over(world):
    node, usa = world.nodes["gbr"], world.nodes["usa"]
    world.time += 300
    world.old = usa.published()
    attest(world, "usa", 1)
    world.sync()
    with pytest.raises(Forged, match="never shrinks"):
        node.ingest(Rewound(world, node, usa))
    assert standing(world, "usa").state == "rewound"
    mirrors, alarms, (doctor, findings), (status, mirror) = surfaces(world, world.directory / "gbr")
    assert mirrors["usa"]["state"] == mirror["state"] == "rewound"
    assert any("never shrinks" in one for one in alarms)
    assert (doctor, status) == (2, 2)
    assert any("rewound" in one["words"] and one["level"] == "bad" for one in findings["findings"])
    # A restart forgets nothing of it.
    node.store.close()
    world.nodes["gbr"] = node = open_node(world.directory / "gbr", write=True, clock=world.clock, random=world.random)
    assert node.problems()
    assert standing(world, "usa").state == "rewound"
    world.sync()
    assert standing(world, "usa").state == "current"
    assert node.problems() == {}
    node.store.close()
    world.nodes["gbr"] = node = open_node(world.directory / "gbr", write=True, clock=world.clock, random=world.random)
    assert node.problems() == {}
    assert node.store.query("SELECT count(*) FROM alarms") == [(1,)], "that it was so is kept"


def leaves(node):
    return node.store.leaves(node.origin, 0, node.log.head.size)


def test_a_fork_shows_everywhere_for_good_and_the_third_party_sees_it_too(world, tmp_path):
    usa = world.nodes["usa"]
    usa.store.close()
    shutil.copytree(world.directory / "usa", tmp_path / "twin")
    world.nodes["usa"] = open_node(world.directory / "usa", write=True, clock=world.clock, random=world.random)
    attest(world, "usa", 1)
    world.sync("gbr")
    first = world.nodes["usa"]
    world.nodes["usa"] = open_node(tmp_path / "twin", write=True, clock=world.clock, random=world.random)
    attest(world, "usa", 2)
    node = world.nodes["gbr"]
    with pytest.raises(Forged, match="two histories"):
        node.ingest(Link(world, node, world.nodes["usa"]))
    assert standing(world, "usa").state == "forked"
    _, alarms, (doctor, _), (status, _) = surfaces(world, world.directory / "gbr")
    assert alarms
    assert (doctor, status) == (2, 2)
    aus = world.nodes["aus"]
    aus.ingest(Link(world, aus, node))
    assert standing(world, "usa", at="aus").state == "forked"
    common = next(
        n for n, (a, b) in enumerate(zip(*(leaves(one) for one in (first, world.nodes["usa"])), strict=False)) if a != b
    )
    for party in ("gbr", "aus"):
        state = world.nodes[party].register.party("usa")
        assert state.frozen_at == common
        assert f"only its entries below {common} count" in standing(world, "usa", at=party).words
    # The first history answers again: a fork is never over.
    with contextlib.suppress(ReltoError):
        node.ingest(Link(world, node, first))
    assert standing(world, "usa").state == "forked"
    first.store.close()


class Claims(Link):
    """A hostile node: it claims to have grown beyond what anybody can hold, and would serve for ever."""

    served = 0

    def leaves(self, start, stop):
        Claims.served += 1
        return [b"\1" * 300] * (stop - start)


def test_a_ledger_without_end_is_refused_after_one_step(world, monkeypatch):
    """Regression: a claimed size was fetched whatever it was. A step that is not proven is not stored."""
    from relto.ledger import Checkpoint, sign_checkpoint
    from relto.node import growth
    from relto.node.mirror import Mirror

    node, usa = world.nodes["gbr"], world.nodes["usa"]
    note = sign_checkpoint(Checkpoint(origin=usa.origin, size=2**50, root=b"\7" * 32), usa.keys.log)
    liar = Claims(world, node, usa)
    liar.head = lambda: note
    monkeypatch.setattr(
        Mirror, "open_head", lambda self, pinned, note: msgspec.structs.replace(usa_head(node, usa, note))
    )
    before = node.store.head(usa.origin)
    for proof in ([], [bytes(32)] * 40, None):
        if proof is not None:
            liar.consistency = lambda old, new, proof=proof: proof
        with pytest.raises(ReltoError):
            node.ingest(liar)
    assert 0 < Claims.served <= 3 * (growth.STEP_MAX // 256 + 1)
    assert (node.store.head(usa.origin), node.store.staged(usa.origin)) == (before, None)
    assert standing(world, "usa").state == "damaged"


def usa_head(node, usa, note):
    from relto.ledger import open_checkpoint

    return open_checkpoint(note, usa.log.verifier)


def test_what_a_partner_refused_is_told_and_taken_back(world):
    node, at = world.nodes["usa"], world.time
    node.note_refusal("gbr", at, 7, "entry 8 is damaged")
    assert standing(world, "gbr", at="usa").tells == "refuses our ledger after size 7: entry 8 is damaged"
    page = views.partnership_view(node.register, node.clock(), node.problems(), standings(node))
    assert "gbr refuses our ledger after size 7: entry 8 is damaged" in page["alarms"]
    assert any(one.words.startswith("gbr refuses") and one.level == "bad" for one in examine(world.directory / "usa"))
    node.note_refusal("gbr", at - 1, 7, "")
    assert standing(world, "gbr", at="usa").tells, "an older word does not take back a newer one"
    node.note_refusal("gbr", at + 1, 7, "")
    assert not standing(world, "gbr", at="usa").tells


# ---- the doctor


def checks(directory, name):
    return [one for one in examine(directory) if one.check == name]


def test_the_doctor_sees_what_is_wrong_and_says_what_to_do(world):
    directory = world.directory / "gbr"
    world.nodes["gbr"].store.close()
    assert {one.level for one in checks(directory, "keys")} == {"ok"}
    assert {one.level for one in checks(directory, "ledger")} == {"ok"}
    (directory / "keys" / "online" / "vouch.key").unlink()
    shutil.copy(world.directory / "usa" / "keys" / "online" / "seal.key", directory / "keys" / "online" / "seal.key")
    words = [one.words for one in checks(directory, "keys")]
    assert any(one.startswith("vouch: there is no key file") for one in words)
    assert any(one.startswith("seal: the key here is not the one") for one in words)
    directory.chmod(0o755)
    assert any(one.level == "bad" and "mode 0755" in one.words for one in checks(directory, "files"))
    directory.chmod(0o700)
    assert any("no backup was ever made" in one.words for one in checks(directory, "backups"))
    (directory / "backup.pub").unlink()
    assert any("has no backup key" in one.words for one in checks(directory, "backups"))
    world.nodes["gbr"] = node = open_node(directory, write=True, clock=world.clock, random=world.random)
    node.store.execute("UPDATE leaves SET leaf = zeroblob(300) WHERE origin = $1 AND idx = 1", (node.origin,))
    found = checks(directory, "ledger")
    assert any(one.level == "bad" and "entry 1" in one.words for one in found)
    node.begin_recovering("for the test")
    assert any("recovering, signs nothing: for the test" in one.words for one in checks(directory, "ledger"))


def test_the_doctor_counts_what_no_partner_could_give_back(world):
    node, directory = world.nodes["gbr"], world.directory / "gbr"
    node.store.execute("INSERT INTO backups (at, size, key) VALUES ($1, $2, 'x')", (world.time, node.log.head.size))
    attest(world, "gbr", 1)
    assert not any("this party alone" in one.words for one in checks(directory, "backups"))
    world.act(
        "gbr",
        "evidence",
        candidate="jpn",
        date="2026-01-01",
        standing="unnamed",
        status="considered",
        says="x",
        source="y",
    )
    assert any("1 acts since then are open to this party alone" in one.words for one in checks(directory, "backups"))


@pytest.mark.parametrize(("days", "level"), [(90, "ok"), (10, "warn"), (-2, "bad")])
def test_the_doctor_warns_of_certificates_that_end(world, days, level):
    directory = world.directory / "gbr"
    certificate(directory, days)
    config = settings.load(directory)
    settings.save(msgspec.structs.replace(config, tls_cert="cert.pem", tls_key="key.pem"), directory)
    (found,) = checks(directory, "tls")
    assert found.level == level
    (directory / "cert.pem").write_text("nothing")
    (found,) = checks(directory, "tls")
    assert found.level == "bad"
    assert "no PEM certificate" in found.words


def test_the_doctor_sees_a_clock_that_is_wrong(world):
    """Dates in the ledgers lie in the world's time; this machine's clock is another one."""
    directory = world.directory / "gbr"
    world.time = 4_000_000_000_000  # 2096
    attest(world, "gbr", 1)
    (found,) = checks(directory, "clock")
    assert found.level == "bad"
    assert "ahead of this machine" in found.words


def test_the_doctor_refuses_what_is_no_node(tmp_path, capsys):
    assert run(["node", "doctor", "--node", str(tmp_path)]) == 2
    assert "holds no node" in capsys.readouterr().err
    (tmp_path / "relto.toml").write_text("party = 3\n")
    assert run(["node", "doctor", "--node", str(tmp_path)]) == 2
    with pytest.raises(Malformed):
        examine(tmp_path)


def test_a_rewind_is_one_whatever_becomes_of_the_search_for_a_proof(world, monkeypatch):
    """Regression: when the search failed, the smaller checkpoint of a node that answers was passed over in silence."""
    from relto.node import mirror

    node, usa = world.nodes["gbr"], world.nodes["usa"]
    world.time += 300
    world.old = usa.published()
    attest(world, "usa", 1)
    world.sync()

    def fails(*_):
        raise Malformed("no proof can be made")

    monkeypatch.setattr(mirror, "prove_fork", fails)
    with pytest.raises(Forged, match="never shrinks"):
        node.ingest(Rewound(world, node, usa))


def test_openings_without_end_are_refused(world, monkeypatch):
    """A hostile node pages small lies for ever: what is held of them meanwhile is bounded."""
    from relto.node import peers

    monkeypatch.setattr(peers, "OPENINGS_BYTES_MAX", 1_000_000)
    node = world.nodes["gbr"]
    peer = peers.HttpPeer(node, node.peers()["usa"], client=None)
    served = []

    def post(path, body):
        served.append(body["since"])
        row = {"index": body["since"], "leaf": "", "salt": "", "envelope": "A" * 40_000, "proof": []}
        return json.dumps({"openings": [row], "more": body["since"] + 1}).encode()

    peer._post = post
    with pytest.raises(Malformed, match="of openings at once"):
        peer.openings(0, [], 2**40)
    assert len(served) < 40
