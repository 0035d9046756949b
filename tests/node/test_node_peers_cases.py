"""What went wrong in the software of others, as it would come to a node: cases 20, 22 and 30 to 33 of the collection.

The numbers are those of the list of negative tests that was drawn from the issues of comparable systems. What the fold
says of the same cases stands in tests/acts/test_acts_peers.py.
"""

import shutil
import sqlite3

import msgspec
import pytest
from world import Link, attest, check

from relto import acts
from relto.acts.envelope import format as format_envelope
from relto.errors import Forged, Malformed, Refused, ReltoError, Unavailable
from relto.node import carried, officer, peers
from relto.node.home import open_node
from relto.node.watch import standings

TERM = acts.Term(since="2026-01-01")


def propose(world, name="tide", **changes):
    """A project of all members, proposed by gbr."""
    fields = {
        "project": name,
        "name": name.title(),
        "pillar": "two",
        "areas": ("cyber",),
        "participants": ("aus", "gbr", "usa"),
        "term": TERM,
    }
    what = acts.ProjectTerms(**{**fields, **changes})
    return world.act("gbr", "propose", subject=f"project/{name}", n=1, what=what)


def consent(world, party, proposal):
    node = world.nodes[party]
    return world.act(party, "consent", proposal=proposal, sight=node.register.acks[party][0])


def size(world, of, at):
    return world.nodes[at].store.head(world.nodes[of].origin).size


def standing(world, of, at):
    return next(one for one in standings(world.nodes[at]) if one.party == of)


def again(world, party):
    """Its process ends and another one reads the truth."""
    world.nodes[party].store.close()
    world.nodes[party] = open_node(world.directory / party, write=True, clock=world.clock, random=world.random)
    return world.nodes[party]


# ---- 20: a party votes twice, for another, after it has left


def test_20_a_second_vote_is_refused_and_the_first_one_stands(world):
    proposal = propose(world)
    world.sync()
    consent(world, "usa", proposal)
    before = world.nodes["usa"].log.head.size
    with pytest.raises(Refused, match="it is cast already"):
        consent(world, "usa", proposal)
    with pytest.raises(Refused, match="comes after an own consent, which is irrevocable"):
        world.act("usa", "refuse", proposal=proposal, reason="thought again")
    assert world.nodes["usa"].log.head.size == before
    world.sync()
    slot = world.register("aus").slots[proposal]
    assert [(one.party, one.void) for one in slot.votes] == [("usa", "")]
    assert slot.missing == ("aus", "gbr")


def test_20_nobody_votes_for_another(world):
    proposal = propose(world)
    world.sync()
    node = world.nodes["usa"]
    draft = node.draft("consent", proposal=proposal, sight=node.register.acks["usa"][0])
    for forged in (
        msgspec.structs.replace(draft, author="aus"),
        msgspec.structs.replace(draft, author="aus", log=world.nodes["aus"].origin),
    ):
        for signer in ("usa", "aus"):  # with its own keys, and with a vote that aus did sign, for another ledger
            with pytest.raises(ReltoError):
                node.submit(world.sign(signer, forged, "authority-1"))
    world.sync()
    assert world.register("gbr").slots[proposal].votes == ()


def test_20_who_has_left_votes_no_more(world):
    world.act("usa", "withdraw", on="2026-09-22", reason="elections")
    world.sync()
    world.time += 3 * 366 * 86_400_000
    proposal = propose(world)
    world.sync()
    with pytest.raises(Refused, match="has left"):
        consent(world, "usa", proposal)


# ---- 22: version 1 is approved, version 2 is put in its place


def test_22_a_signature_binds_the_bytes_that_were_shown(world):
    first, second = propose(world), propose(world, term=acts.Term(since="2026-01-01", until="2031-01-01"))
    world.sync()
    node = world.nodes["usa"]
    draft = node.draft("consent", proposal=first, sight=node.register.acks["usa"][0])
    envelope = world.sign("usa", draft)
    other = acts.write(msgspec.structs.replace(draft, proposal=second))
    swapped = format_envelope(other, {one.keyid: one.sig for one in acts.open_act(envelope)[2].signatures})
    with pytest.raises(ReltoError):
        node.submit(swapped)
    node.submit(envelope)
    world.sync()
    slots = world.register("gbr").slots
    assert [one.party for one in slots[first].votes] == ["usa"]
    assert slots[second].votes == ()


def test_22_what_an_officer_signs_is_put_under_no_other_text(world):
    node = world.nodes["gbr"]
    keys = node.register.scans[node.origin].keys
    terms = acts.ProjectTerms(
        project="tide", name="Tide", pillar="two", areas=("cyber",), participants=("aus", "gbr", "usa"), term=TERM
    )
    shown = node.draft("propose", subject="project/tide", n=1, what=terms)
    request = officer.request(shown, keys)
    signed = officer.sign(request, officer.offline_signers(world.directory / "gbr", request))
    put = officer.request(
        msgspec.structs.replace(shown, what=msgspec.structs.replace(terms, areas=("cyber", "ai"))), keys
    )
    mixed = msgspec.structs.replace(signed, payload=put.payload)
    with pytest.raises(ReltoError):
        node.submit(officer.envelope(mixed))


# ---- 30: rewinds, forks, two histories, lost, repeated, out of order, late


class Mangled(Link):
    """A node that serves its entries as it likes."""

    def leaves(self, start, stop):
        return self.mangle(super().leaves(start, stop))


@pytest.mark.parametrize(
    "mangle",
    [
        lambda found: found[:-1],
        lambda found: [*found, found[-1]],
        lambda found: [found[1], found[0], *found[2:]],
        lambda found: [found[0], found[0], *found[2:]],
        lambda found: [found[0][:-1] + bytes([found[0][-1] ^ 1]), *found[1:]],
        lambda found: [],
    ],
    ids=["one is lost", "one too many", "out of order", "repeated", "one bit", "nothing"],
)
def test_30_lost_repeated_and_disordered_entries_are_noticed_and_nothing_is_stored(world, mangle):
    for number in range(3):
        attest(world, "usa", number)
    node, usa = world.nodes["gbr"], world.nodes["usa"]
    before = size(world, "usa", "gbr")
    hostile = Mangled(world, node, usa)
    hostile.mangle = mangle
    with pytest.raises((Forged, Malformed, Unavailable)) as caught:
        node.ingest(hostile)
    assert size(world, "usa", "gbr") == before
    assert standing(world, "usa", "gbr").state in {"damaged", "silent"}
    assert caught.value.message
    world.sync()
    assert standing(world, "usa", "gbr").state == "current"
    check(world)


def test_30_two_partners_are_shown_two_histories_and_learn_of_it_from_each_other(world, tmp_path):
    """Neither asks usa again: what each acknowledges of its ledger shows the other one that something is wrong."""
    usa = world.nodes["usa"]
    usa.store.close()
    shutil.copytree(world.directory / "usa", tmp_path / "twin")
    for party, number, directory in (("gbr", 1, world.directory / "usa"), ("aus", 2, tmp_path / "twin")):
        world.nodes["usa"] = open_node(directory, write=True, clock=world.clock, random=world.random)
        attest(world, "usa", number)
        world.nodes[party].ingest(Link(world, world.nodes[party], world.nodes["usa"]))
        world.nodes["usa"].store.close()
    del world.nodes["usa"]
    world.sync()
    for party in ("gbr", "aus"):
        assert standing(world, "usa", party).state == "forked"
        assert any("usa.example/aukus/0" in one for one in world.nodes[party].problems())
        accusations = [
            one.act
            for one in world.register(party).scans[world.nodes[party].origin].stated
            if isinstance(one.act, acts.Fork)
        ]
        assert [one.origin for one in accusations] == ["usa.example/aukus/0"]
        assert world.register(party).parties["usa"].frozen


def test_30_a_word_about_another_history_without_its_signature_accuses_nobody(world):
    aus = world.nodes["aus"]
    draft = msgspec.structs.replace(aus.draft("acknowledge", heads=(), common="0" * 64))
    newest = aus.register.acks["aus"][1]
    heads = tuple(
        msgspec.structs.replace(one, root="7" * 64) if one.origin.startswith("usa") else one for one in newest.heads
    )
    aus.write(msgspec.structs.replace(draft, heads=heads))
    world.sync()
    assert world.nodes["gbr"].problems() == {}
    assert standing(world, "usa", "gbr").state == "current"
    assert not [one for one in world.register("gbr").stated.values() if isinstance(one.act, acts.Fork)]


def test_30_ninety_days_late_is_shown_as_late_and_then_taken_in_order(world):
    told = [attest(world, "usa", number) for number in range(3)]
    world.cut = {("gbr", "usa"), ("aus", "usa")}
    world.time += 90 * 86_400_000
    world.sync()
    assert standing(world, "usa", "gbr").state == "silent"
    assert "past the charter's limit" in standing(world, "usa", "gbr").words
    later = attest(world, "usa", 4)
    world.cut = set()
    world.sync()
    scan = world.register("gbr").scans[world.nodes["usa"].origin]
    assert [one.id for one in scan.stated if one.id in {*told, later}] == [*told, later]
    assert standing(world, "usa", "gbr").state == "current"
    check(world)


# ---- 31: a receiver that is stricter says so


class Telling(Mangled):
    """As a node over the network: it is also told what was refused."""

    def refused(self, size, problem):
        self.target.note_refusal(self.caller.me, self.target.clock(), size, problem)


def test_31_what_is_refused_is_told_to_whoever_sent_it(world, monkeypatch):
    attest(world, "usa", 1)
    node, usa = world.nodes["gbr"], world.nodes["usa"]
    before = size(world, "usa", "gbr")
    link = Telling(world, node, usa)
    link.mangle = lambda found: [found[0][:-1] + bytes([found[0][-1] ^ 1]), *found[1:]]
    monkeypatch.setattr(peers, "HttpPeer", lambda *_, **__: link)
    with pytest.raises(Forged) as caught:
        peers.fetch(node, node.peers()["usa"], None)
    assert standing(world, "gbr", "usa").tells == f"refuses our ledger after size {before}: {caught.value.message}"
    link.mangle = lambda found: found
    assert peers.fetch(node, node.peers()["usa"], None)
    assert not standing(world, "gbr", "usa").tells


def test_31_an_act_that_has_no_effect_is_kept_and_says_why(world):
    """A node of another version let it pass; no receiver drops it, and all say the same of it."""
    usa = world.nodes["usa"]
    draft = usa.draft("attest", about="usa/works", claim="facility", term=TERM)
    usa._append([world.sign("usa", draft, "licensing-1")])
    id_ = acts.act_id(acts.write(draft))
    world.sync()
    for party in world.nodes:
        (void,) = [one for one in world.register(party).void if one.id == id_]
        assert void.why.startswith("not signed by")
        with pytest.raises(ReltoError):
            world.register(party).act(id_)


# ---- 32: too large, half written, no room, an end at each step


def test_32_half_a_file_and_one_that_is_too_large_change_nothing(world, monkeypatch):
    attest(world, "gbr", 1)
    world.time += 250
    out = world.directory.parent / "gbr.bundle"
    carried.export(world.nodes["gbr"], "usa", out)
    whole, half = out.read_bytes(), world.directory.parent / "half.bundle"
    before = size(world, "gbr", "usa")
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        half.write_bytes(whole[:cut])
        with pytest.raises(ReltoError):
            carried.take_in(world.nodes["usa"], half)
        assert size(world, "gbr", "usa") == before
    assert carried.take_in(world.nodes["usa"], out).ledgers
    assert size(world, "gbr", "usa") > before


def sites(world, party):
    """Where one round of a party commits, in order."""
    found = []
    world.nodes[party].store.fault = found.append
    world.sync_one(party)
    world.nodes[party].store.fault = None
    return found


FULL = sqlite3.OperationalError("database or disk is full")
FULL.sqlite_errorcode = sqlite3.SQLITE_FULL


@pytest.mark.parametrize("error", [FULL, sqlite3.OperationalError("disk I/O error")], ids=["full", "broken"])
def test_32_whatever_step_of_a_round_fails_it_is_whole_or_not_there_and_goes_on(world, error):
    """Every commit of a round fails in turn, before and after; the process starts again; the next round ends as ever."""
    attest(world, "usa", 1)
    propose(world)
    twin = world.directory.parent / "twin"
    for node in world.nodes.values():
        node.store.close()
    shutil.copytree(world.directory / "aus", twin)
    for party in tuple(world.nodes):
        again(world, party)
    places = sites(world, "aus")
    assert len(places) >= 4
    for number in range(len(places)):
        world.nodes["aus"].store.close()
        shutil.rmtree(world.directory / "aus")
        shutil.copytree(twin, world.directory / "aus")
        node = again(world, "aus")
        node.store.fault = Nth(number, error)
        try:
            world.sync_one("aus")
        except ReltoError as told:
            assert told.message
        again(world, "aus")
        world.sync_one("aus")
        for other in ("gbr", "usa"):
            assert size(world, other, "aus") == world.nodes[other].log.head.size
    check(world)


class Nth:
    """The disk fails once, at the n-th place where something is committed."""

    def __init__(self, number, error):
        self.left, self.error = number, error

    def __call__(self, site):
        self.left -= 1
        if self.left == -1:
            raise self.error


# ---- 33: who has left still sends


def test_33_what_a_party_says_after_it_has_left_counts_for_nothing_new(world):
    world.act("usa", "withdraw", on="2026-09-22", reason="elections")
    early = attest(world, "usa", 1)
    world.sync()
    world.time += 3 * 366 * 86_400_000
    proposal = propose(world)
    world.sync()
    usa = world.nodes["usa"]
    # Its node is told to send all the same: a vote of today, and one dated on the day before its departure.
    now = usa.draft("consent", proposal=proposal, sight=usa.register.acks["usa"][0])
    back = msgspec.structs.replace(now, at=world.time - 3 * 366 * 86_400_000)
    late = [acts.act_id(acts.write(one)) for one in (now, back)]
    usa._append([world.sign("usa", now), world.sign("usa", back)])
    world.sync()
    for party in ("gbr", "aus"):
        register = world.register(party)
        votes = {one.act: one.void for one in register.slots[proposal].votes}
        assert votes.get(late[0]) == "comes after its author has left"
        assert votes.get(late[1], "refused") != ""
        assert early in register.stated, "what it said in time stays said"
        assert size(world, "usa", party) == usa.log.head.size, "and its ledger is still mirrored"


def test_33_a_message_from_before_that_comes_after_is_judged_by_its_place(world):
    proposal = propose(world)
    world.sync()
    world.cut = {("gbr", "usa"), ("aus", "usa")}
    vote = consent(world, "usa", proposal)
    world.act("usa", "withdraw", on="2026-09-22", reason="elections")
    world.time += 3 * 366 * 86_400_000
    world.sync()
    assert world.register("gbr").slots[proposal].votes == ()
    world.cut = set()
    world.sync()
    for party in ("gbr", "aus"):
        assert {one.act: one.void for one in world.register(party).slots[proposal].votes}[vote] == ""
