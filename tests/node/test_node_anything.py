"""`relto verify` of everything that a node makes: what it proves is true, and an altered one is refused."""

import contextlib
import io
import json
import re

import msgspec
import pytest
from test_scripts import partnership  # noqa: F401 - the directories of three founded nodes

from relto import acts
from relto.cli import run
from relto.node import officer
from relto.node.home import open_node


def relto(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run([str(word) for word in words])
    return status, out.getvalue(), err.getvalue()


def verify(thing, *options):
    status, out, err = relto("verify", thing, "--json", *options)
    assert status == 0, err
    view = json.loads(out)
    assert view["proves"]
    assert view["not"], "nothing proves everything"
    return view


def refused(thing, *options):
    status, _, err = relto("verify", thing, *options)
    assert status == 2
    assert "Traceback" not in err
    return err


@pytest.fixture(scope="module")
def things(partnership, tmp_path_factory):  # noqa: F811
    """Paths and ids of everything that gbr can hand over."""
    root, made = tmp_path_factory.mktemp("things"), {}
    gbr = partnership / "gbr"
    (root / "notes.txt").write_text("Sea trials.\n")
    node = open_node(gbr)
    consent, envelope = next(
        (one.id, one.envelope) for one in node.held_entries(node.origin) if isinstance(one.act, acts.Consent)
    )
    made |= {"node": gbr, "other": partnership / "usa", "founding": node.register.partnership, "consent": consent}
    made["text"] = node.register.slots[node.register.partnership].stated.act.what.charter
    made["root"] = node.store.head(node.origin).root.hex()
    made["leaf"] = node.store.hashes(node.origin, 3, 4)[0].hex()
    (root / "envelope.json").write_bytes(envelope)
    draft = node.draft("attest", about="gbr/tidewater", claim="facility", term=acts.Term(since="2026-01-01"))
    (root / "request.json").write_bytes(
        officer.format_request(officer.request(draft, node.register.scans[node.origin].keys))
    )
    node.store.close()
    for words in (
        ("ledger", "proof", consent, "-o", root / "a.tlog-proof"),
        ("ledger", "policy", "-o", root / "policy"),
        ("seal", root / "notes.txt", "--item", "gbr/array-processing", "-o", root / "a.tdf"),
        ("bundle", "export", "--to", "usa", "-o", root / "b.bundle"),
        ("node", "backup", root / "c.backup"),
        ("audit", "--export", root / "audit"),
    ):
        status, _, err = relto(*words, "--node", gbr)
        assert status == 0, err
    _, out, _ = relto("node", "invite", "--node", gbr)
    (root / "invitation").write_text(out)
    note = re.search(rb"(?s)\n\n(.*)", (root / "a.tlog-proof").read_bytes())[1]
    (root / "checkpoint").write_bytes(note)
    return root, made


def test_each_thing_is_named_for_what_it_is(things):
    root, made = things
    at = ("--node", made["node"])
    assert verify(root / "a.tlog-proof", *at)["is"].startswith("proof: consent")
    assert verify(root / "checkpoint", *at)["is"].startswith("checkpoint of gbr.example/aukus/0")
    assert verify(root / "a.tdf", *at)["is"].startswith("package ")
    assert "sealed by gbr" in verify(root / "a.tdf", "--node", made["other"])["proves"][0]
    assert verify(root / "b.bundle", "--node", made["other"])["is"].startswith("bundle by gbr for usa, of")
    assert verify(root / "b.bundle", *at)["is"].startswith("bundle by gbr for usa, sealed")
    assert verify(root / "c.backup", *at)["is"].startswith("backup by gbr")
    assert verify(root / "audit", *at)["is"].startswith("audit bundle of gbr")
    assert verify(root / "request.json", *at)["is"].startswith("signing request: attest")
    assert verify(root / "envelope.json", *at)["is"].startswith("signed act: consent")
    assert verify(root / "policy", *at)["is"].startswith("policy file")
    invitation = verify(root / "invitation", *at)
    assert invitation["is"].startswith("invitation of gbr")
    assert len(invitation["not"]) == 2, "its own words, and those of the founding"
    assert verify((root / "invitation").read_text().strip())["is"] == invitation["is"]


def test_ids_and_hashes_name_what_is_held(things):
    _, made = things
    at = ("--node", made["node"])
    assert verify(made["consent"][:12], *at)["is"].startswith(f"consent {made['consent']}")
    assert verify(made["founding"], *at)["is"].startswith("propose ")
    assert verify(made["text"], *at)["is"].startswith("text ")
    assert verify(made["root"], *at)["is"].startswith("root of gbr.example/aukus/0")
    assert verify(made["leaf"], *at)["is"] == "leaf hash of entry 3 of gbr.example/aukus/0"
    assert "the beginning of" in refused("0" * 7 + "f", *at) or "nothing that is held" in refused("0" * 8, *at)


def test_without_a_node_a_policy_or_a_pin_suffices(things, tmp_path, monkeypatch):
    root, made = things
    monkeypatch.chdir(tmp_path)
    assert "nothing here says whose signatures" in refused(root / "a.tlog-proof")
    assert "which founding to trust" in refused(root / "audit")
    view = verify(root / "audit", "--pin", made["founding"])
    assert any("pinned" in one for one in view["proves"])
    assert "another founding" in refused(root / "audit", "--pin", "0" * 64)
    # The fixture's nodes were never served, so nobody cosigned: a policy without a quorum is what can be met.
    policy = re.sub(r"(?m)^(witness|group) .*\n", "", (root / "policy").read_text())
    (tmp_path / "policy").write_text(re.sub(r"quorum .*", "quorum none", policy))
    view = verify(root / "a.tlog-proof", "--policy", tmp_path / "policy")
    assert any(one.startswith("that gbr signed it") for one in view["not"])
    assert "quorum" in refused(root / "a.tlog-proof", "--policy", root / "policy")
    for name in ("a.tdf", "b.bundle", "c.backup", "request.json", "envelope.json", "policy", "invitation"):
        verify(root / name)


@pytest.mark.parametrize("name", ["a.tlog-proof", "checkpoint", "a.tdf", "b.bundle", "request.json", "envelope.json"])
def test_an_altered_one_is_refused(things, tmp_path, name):
    root, made = things
    data = (root / name).read_bytes()
    node = made["other"] if name == "b.bundle" else made["node"]
    caught = 0
    places = range(5, len(data), max(1, len(data) // 7))
    for place in places:
        altered = bytearray(data)
        altered[place] ^= 4
        bad = tmp_path / "bad"
        bad.write_bytes(altered)
        status, _, err = relto("verify", bad, "--node", node)
        assert "Traceback" not in err
        caught += status == 2
    # What nobody signed may change unseen: cosignatures by keys that are not known here, the words in which a
    # request names itself, and what a zip says of the program that wrote it.
    assert caught >= len(places) - {"a.tlog-proof": 3, "checkpoint": 3, "request.json": 1, "a.tdf": 1}.get(name, 0)


def test_an_act_that_does_not_count_is_said_to_be_void(things, tmp_path):
    """A proof of an act whose author did not sign it as its kind needs: the leaf is there, the act counts for nothing."""
    root, made = things
    held = json.loads((root / "envelope.json").read_bytes())
    held["signatures"][0]["sig"], held["signatures"][1]["sig"] = (
        held["signatures"][1]["sig"],
        held["signatures"][0]["sig"],
    )
    bad = tmp_path / "bad.json"
    bad.write_bytes(msgspec.json.encode(held))
    assert "not signed by the keys" in refused(bad, "--node", made["node"]) or "signature" in refused(
        bad, "--node", made["node"]
    )


def test_no_secret_is_printed_of_a_key_file(things):
    _, made = things
    for path in sorted((made["node"] / "keys" / "online").iterdir()):
        text = path.read_text()
        status, out, err = relto("verify", path, "--node", made["node"])
        if path.name == "pseudonyms.key":
            assert status == 2
        else:
            assert status == 0
            secrets = [value for value in json.loads(text).values() if isinstance(value, str) and len(value) > 40]
            assert secrets
            assert all(secret not in out for secret in secrets)
        assert text.strip() not in out + err
