"""A label that the charter names leaves only after the members were asked: a denial signed a moment ago is not missed."""

import io

import keyaccess_kit as kit
import msgspec
import pytest
import world

from relto.errors import NotFound, Refused, Unavailable
from relto.node import hearing, releasing
from relto.node.client import Gathering
from relto.node.journal import refusal, refusals, today
from relto.node.peers import http_client
from relto.node.sealing import seal_item
from relto.package import open_sealed, read

# The first is for another label: the clause that is named must be the one that asked.
ASKED = """freshness:
- {ledgers: all, levels: [GBR TOP SECRET], limit: 7 days, ask_first: true, clause: 5.3.8, basis: assumption}
- ledgers: all
  levels: [GBR OFFICIAL-SENSITIVE]
  limit: 7 days
  ask_first: true
  clause: 5.3.9
  says: Before such a thing leaves, the members are asked.
  basis: assumption
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Under a charter that asks first for the label of the item. Nobody fetches from anybody by itself."""
    text = (world.DATA / "charters" / "aukus" / "charter.yaml").read_text()
    assert text.count("\nfreshness:\n") == 1
    made = kit.found(tmp_path_factory.mktemp("live"), charter=text.replace("\nfreshness:\n", f"\n{ASKED}", 1).encode())
    with made.serving(), http_client() as client:
        made.services["gbr"].hear = hearing.by(made.nodes["gbr"], client)
        yield made


@pytest.fixture
def sealed(live, tmp_path):
    gbr = live.nodes["gbr"]
    seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"depth"), tmp_path / "f.tdf", name="f.csv")
    return tmp_path / "f.tdf"


def opened(live, sealed):
    package, node = read(sealed), live.nodes["aus"]
    gather = Gathering(live.session("aus", "ada"), node, package, "evaluation", "AUS")
    seal_key = node.keys_of(node.peers()["gbr"]).seal
    open_sealed(package, sealed, sealed.parent / "out", gather, seal_key, set(gather.known))


def journal(live):
    rows = live.nodes["gbr"].store.query("SELECT answer, body FROM journal ORDER BY at DESC LIMIT 1")
    return rows[0][0], msgspec.json.decode(rows[0][1]) if rows[0][1] else {}


def releases(live):
    return len(live.register("gbr").releases)


def telling(live, **changes):
    fields = {"item": kit.ITEM, "alias": "ada", "method": "oral", "purpose": "evaluation", "version": 1, **changes}
    return releasing.telling_of(fields)


def test_all_members_answer_and_it_opens(live, sealed):
    before, calls = releases(live), []
    own = live.services["gbr"].hear
    live.services["gbr"].hear = lambda parties: calls.append(parties) or own(parties)
    try:
        opened(live, sealed)
    finally:
        live.services["gbr"].hear = own
    assert (sealed.parent / "out").read_bytes() == b"depth"
    assert calls == [("aus", "usa")]
    assert releases(live) == before + 1


def test_a_member_that_does_not_answer_leaves_it_undetermined(live, sealed):
    before = releases(live)
    live.down("usa")
    try:
        with pytest.raises(Refused):
            opened(live, sealed)
    finally:
        live.up("usa")
    assert not (sealed.parent / "out").exists()
    assert releases(live) == before
    answer, body = journal(live)
    assert answer == "undetermined"
    assert "clause 5.3.9" in body["error"]
    assert "usa did not answer" in body["error"]
    opened(live, sealed)
    assert releases(live) == before + 1


def test_without_a_network_it_does_not_leave(live, sealed):
    own, live.services["gbr"].hear = live.services["gbr"].hear, hearing.nobody
    try:
        with pytest.raises(Refused):
            opened(live, sealed)
    finally:
        live.services["gbr"].hear = own


def test_what_would_be_refused_asks_nobody(live, sealed):
    calls = []
    own, live.services["gbr"].hear = (
        live.services["gbr"].hear,
        lambda parties: calls.append(parties) or frozenset(parties),
    )
    package, node = read(sealed), live.nodes["usa"]
    try:
        gather = Gathering(live.session("usa", "morgan"), node, package, "operations-support", "USA")
        with pytest.raises(Refused):
            gather(package.key_access)
    finally:
        live.services["gbr"].hear = own
    assert calls == []


def test_a_release_without_a_file_asks_too(live):
    gbr = live.nodes["gbr"]
    own = list(live.register("gbr").releases)
    alias = next(row[0] for row in gbr.store.query("SELECT alias FROM people"))
    asked = telling(live, alias=alias)
    with pytest.raises(Unavailable, match="aus, usa did not answer"):
        releasing.record(gbr, asked)
    assert list(live.register("gbr").releases) == own
    assert releasing.record(gbr, asked, live.services["gbr"].hear)["release"]


def test_a_denial_signed_a_moment_ago_stops_it(live, sealed):
    """Nobody has fetched the revocation when the key is asked for. Last: it ends what the others rest on."""
    held = next(
        one for one in live.register("aus").attestations if one.terms.claim == "organisation" and one.party == "aus"
    )
    live.act("aus", "revoke", act=held.act, reason="the certificate was withdrawn")
    seen = next(one for one in live.register("gbr").attestations if one.act == held.act)
    assert not seen.revoked, "the owner's node has not seen it yet"
    before = releases(live)
    with pytest.raises(Refused):
        opened(live, sealed)
    assert releases(live) == before
    assert next(one for one in live.register("gbr").attestations if one.act == held.act).revoked
    newest = refusals(live.nodes["gbr"], 10)[0]
    assert (newest.answer, newest.item) == ("deny", f"{kit.ITEM}@1")
    assert refusal(live.nodes["gbr"], newest.id[:8]) == newest
    assert refusal(live.nodes["gbr"], newest.decision[:12]).decision == newest.decision
    assert newest.body["changes"] == [], "the caller was not kept waiting for it"
    now = today(live.nodes["gbr"], newest)
    assert (now["answer"], now["id"]) == ("deny", newest.decision)
    assert {change["from"] for change in now["changes"]} == {"aus"}
    for unknown in ("deadbeef", "x", "%%%%%%%%%"):
        with pytest.raises(NotFound):
            refusal(live.nodes["gbr"], unknown)
