"""A fork freezes a ledger where both histories still agree; a disputed key takes its rights, and its open votes, away."""

import base64
import itertools
import json
import random

import pytest
from acts_kit import MEMBERS, PACK, TERM, Keys, Kit, charter_text, item_fields, label, release_fields, why
from msgspec import UNSET

from relto import acts
from relto.keys import PublicKey, SecretKey
from relto.ledger import Checkpoint, Frontier, Tree, Verifier, last_shared, leaf_hash, prove_fork, sign_checkpoint


def signed(party, size, root):
    key = SecretKey(party.origin, base64.b64decode(json.loads(party.keys.log.to_text())["ed25519"]))
    return sign_checkpoint(Checkpoint(origin=party.origin, size=size, root=root), key)


def tree(hashes):
    return Tree(lambda start, stop: hashes[start:stop])


def proof_of(party, common, *, other=b"other", shared=True, grow=1):
    """What convicts a party of a second history that leaves the first at `common` entries."""
    own = [leaf_hash(one.leaf) for one in party.entries]
    twin = [*own[:common], *(leaf_hash(other + bytes([n])) for n in range(grow))]
    notes = [signed(party, len(one), Frontier.empty().extend(one).root()) for one in (own, twin)]
    log = Verifier.of_log(PublicKey(name=party.origin, ed25519=party.keys.log.public.ed25519))
    larger = own if len(own) > len(twin) else twin
    found = prove_fork(log, *notes, tree(larger))
    assert found is not None
    fields = {"origin": party.origin, "first": found.first, "second": found.second, "proof": found.proof}
    fields["root"] = UNSET if found.root is None else found.root.hex()
    if shared:
        trees = (tree(own), tree(twin)) if len(own) <= len(twin) else (tree(twin), tree(own))
        at = last_shared(found, log, *trees).shared
        assert at.size == common
        fields["shared"] = acts.Shared(size=at.size, root=at.root.hex(), to_first=at.first, to_second=at.second)
    return fields


def convict(by, of, common, **more):
    fields = proof_of(of, common, **more)
    return by.say("fork", v=3 if "shared" in fields else 1, **fields)


def dispute(by, party, key, index):
    return by.say("dispute", v=3, party=party.name, key=key.public.key_ids[0], index=index, reason="stolen", votes=True)


TERMS = acts.ProjectTerms(
    project="new", name="New", pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
)  # fmt: skip


@pytest.fixture
def kit():
    kit = Kit(*MEMBERS, "dune").found()
    kit.acks()
    return kit


def state(kit, proposal, me="bree"):
    return kit.fold(me).slots[proposal].state


# ---- where a ledger freezes ------------------------------------------------------------------------------------------


def test_what_stood_below_keeps_its_meaning_and_what_lies_above_gives_nothing(kit):
    pack = kit.put(PACK.encode())
    engaged = kit.engage()
    before = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    kit.arda.say("adopt", jurisdiction="ARD", pack=pack, name="old")
    kept = kit.arda.say("register", **item_fields("arda/kept"))
    moved = kit.arda.say("register", **item_fields("arda/moved"))
    kit.arda.say("suspend", engagement=engaged, reason="look", readers=(*MEMBERS, "dune"))
    stop = kit.fold("bree").engagements["dune-lamp"].suspended
    common = kit.arda.size
    after = kit.arda.say("attest", about="arda/works", claim="authorised-user", term=TERM)
    kit.arda.say("adopt", jurisdiction="ARD", pack=pack, name="new")
    kit.arda.say("relabel", item="arda/moved", version=1, prev=moved, label=label("ARD", "DUN"), reason="x")
    kit.arda.say("lift", suspend=stop[0][1], reason="seen", readers=(*MEMBERS, "dune"))
    assert kit.fold("bree").engagements["dune-lamp"].suspended == ()
    fork = convict(kit.cora, kit.arda, common)
    for me in MEMBERS:
        register = kit.fold(me)
        assert register.freezes[kit.arda.origin].size == register.parties["arda"].frozen_at == common
        assert f"only its entries below {common} count" in register.parties["arda"].frozen
        assert {one.act: one.revoked for one in register.attestations} == {before: "", after: fork}
        assert register.pack_on("ARD", "2026-01-01").pack is None  # neither the new one nor the one before it
        assert (register.item("arda/kept").retired, register.item("arda/kept").label_act) == ("", kept)
        assert register.item("arda/moved").retired == fork
        assert register.engagements["dune-lamp"].suspended == stop  # what lifts it lies above, and counts no more


def test_denials_above_hold(kit):
    engaged = kit.engage()
    common = kit.arda.size
    kit.arda.say("suspend", engagement=engaged, reason="look", readers=(*MEMBERS, "dune"))
    kit.arda.say("withdraw", on="2026-12-31", reason="x")
    denied = kit.fold("bree")
    convict(kit.cora, kit.arda, common)
    register = kit.fold("bree")
    assert register.engagements["dune-lamp"].suspended == denied.engagements["dune-lamp"].suspended != ()
    assert register.parties["arda"].withdraws == denied.parties["arda"].withdraws != ""


def test_a_proof_of_version_1_freezes_the_whole_ledger_as_it_did(kit):
    held = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    convict(kit.cora, kit.arda, kit.arda.size - 1, shared=False)
    register = kit.fold("bree")
    assert register.parties["arda"].frozen
    assert register.parties["arda"].frozen_at is None
    assert {one.act: one.revoked for one in register.attestations} == {held: ""}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_one_pair_the_best_proof_counts_and_of_several_pairs_the_lowest(order):
    """Whoever shows it first, and in whatever order the proofs come."""
    kit = Kit().found()
    kit.acks()
    size, sayers = kit.arda.size, (kit.bree, kit.cora, kit.bree)
    kit.arda.ack()
    proofs = [
        proof_of(kit.arda, size - 1, grow=1),
        proof_of(kit.arda, size - 1, grow=1, shared=False),
        proof_of(kit.arda, size - 3, grow=5, other=b"third"),
    ]
    found = []
    for turn, at in enumerate(order):
        sayers[turn].say("fork", v=3 if "shared" in proofs[at] else 1, **proofs[at])
        found.append({kit.fold(me).parties["arda"].frozen_at for me in MEMBERS})
    pair, third = ({0, 1} <= set(order[:2])), order[0] == 2
    assert found[0] == ({size - 3} if third else {size - 1} if order[0] == 0 else {None})
    if pair:
        assert found[1] == {size - 1}
    assert found[2] == {size - 3}


def test_who_holds_a_third_history_has_nothing_in_common_with_either(kit):
    common = kit.arda.size
    kit.arda.ack()
    fields = proof_of(kit.arda, common)
    twin = Kit(*MEMBERS, "dune").found()  # the same keys, another history from the founding on
    twin.arda.say("withdraw", on="2026-12-31", reason="x")
    while twin.arda.size <= common:
        twin.arda.ack()
    twin.cora.say("fork", v=3, **fields)
    register = twin.fold("bree")
    assert register.parties["arda"].frozen
    assert register.parties["arda"].frozen_at is None


def test_a_shared_part_that_does_not_lie_under_both_proves_nothing(kit):
    common = kit.arda.size
    kit.arda.ack()
    good = proof_of(kit.arda, common)
    for bad in (
        acts.Shared(size=common, root="1" * 64, to_first=good["shared"].to_first, to_second=good["shared"].to_second),
        acts.Shared(size=common - 1, root=good["shared"].root, to_first=(), to_second=()),
        acts.Shared(size=common + 1, root=kit.arda.roots[common + 1].hex()),
    ):
        one = kit.cora.say("fork", v=3, **{**good, "shared": bad})
        assert why(kit.fold("bree"), one).startswith("proves no fork: ")
    assert not kit.fold("bree").freezes


def test_a_frozen_ledger_ages_from_when_it_was_last_no_larger_than_what_is_shared(kit):
    kit.bree.ack()
    then, common = kit.time - 1000, kit.arda.size
    kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    kit.tick(3_600_000)
    kit.bree.ack()
    assert kit.fold("bree").parties["arda"].seen > then + 3_000_000
    convict(kit.cora, kit.arda, common)
    kit.bree.ack()
    assert abs(kit.fold("bree").parties["arda"].seen - then) <= 2000


# ---- votes in doubt --------------------------------------------------------------------------------------------------


def test_no_vote_above_a_fork_decides_what_was_open(kit):
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    common = kit.arda.size
    for name in MEMBERS:
        kit.consent(name, proposal)
    convict(kit.cora, kit.arda, common)
    kit.acks()
    kit.acks()
    for me in MEMBERS:
        one = kit.fold(me).slots[proposal]
        assert one.state == "open"  # nor do acknowledges of arda, without which nothing is confirmed
        assert [vote.party for vote in one.votes if vote.doubt] == ["arda"]


def test_what_was_decided_before_the_fork_was_known_stays_decided_and_gives_no_right(kit):
    common = kit.arda.size
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    for name in MEMBERS:
        kit.consent(name, proposal)
    kit.acks("bree", "cora")
    kit.acks()
    kit.acks()
    assert state(kit, proposal) == "in_force"
    fork = convict(kit.cora, kit.arda, common)
    kit.acks()
    register = kit.fold("bree")
    assert register.slots[proposal].state == "in_force"
    assert register.halted == {"project/new": fork}
    assert "new" in register.projects


def test_a_stolen_log_key_does_not_undo_the_founding(kit):
    """Whoever holds it can sign another entry 1, and no more than freeze this ledger."""
    engaged = kit.engage()
    kit.acks()
    kit.acks()
    convict(kit.cora, kit.arda, 1)
    for me in MEMBERS:
        register = kit.fold(me)
        assert register.partnership == kit.partnership
        assert register.members == MEMBERS
        assert register.slots[engaged].state == "in_force"
        assert [author for author, _ in register.engagements["dune-lamp"].suspended] == ["cora"]


def test_a_fork_opens_no_order_to_return(kit):
    kit.engage()
    kit.arda.say("register", **item_fields())
    sight = kit.arda.ack()
    kit.arda.say("release", readers=("arda", "dune"), **release_fields(kit, "arda/glass", "dune", sight))
    convict(kit.cora, kit.bree, 1)
    register = kit.fold("arda")
    assert register.engagements["dune-lamp"].suspended
    assert register.recalls == {}


def test_a_proposal_above_a_fork_is_decided_by_nobody(kit):
    common = kit.arda.size
    proposal = kit.propose("arda", "project/new", 1, TERMS)
    convict(kit.cora, kit.arda, common)
    kit.acks()
    for name in ("bree", "cora"):
        kit.consent(name, proposal)
    kit.acks()
    one = kit.fold("bree").slots[proposal]
    assert (one.state, one.why) == ("open", "stands where the ledger of arda is frozen")


def test_what_a_forked_ledger_acknowledges_afterwards_confirms_nothing(kit):
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    for name in MEMBERS:
        kit.consent(name, proposal)
    kit.acks("bree", "cora")
    common = kit.arda.size
    kit.arda.ack()
    assert state(kit, proposal) == "in_force"  # to who does not know of the fork yet
    convict(kit.cora, kit.arda, common)
    kit.acks("bree", "cora")
    assert state(kit, proposal) == "open"


def test_a_consent_by_a_disputed_key_counts_no_more_and_the_same_by_another_does(kit):
    stolen, since = kit.arda.keys.authority[0], kit.arda.size
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    kit.consent("arda", proposal)
    act = dispute(kit.cora, kit.arda, stolen, since)
    for name in ("bree", "cora"):
        kit.consent(name, proposal)
    kit.acks()
    kit.acks()
    one = kit.fold("bree").slots[proposal]
    assert (one.state, one.waiting) == ("open", ("arda",))
    assert [vote.doubt for vote in one.votes if vote.party == "arda"] == [act]
    rotate(kit)
    kit.consent("arda", proposal)
    kit.acks()
    kit.acks()
    register = kit.fold("bree")
    assert register.slots[proposal].state == "in_force"
    assert register.halted == {}


def rotate(kit):
    new = Keys("arda", 1)
    kit.arda.say("rotate", *kit.arda.keys.root, *new.root, prev=kit.arda.inception, keys=new.public())
    kit.arda.keys = new


def test_a_dispute_of_version_1_leaves_open_votes_as_they_were(kit):
    stolen, since = kit.arda.keys.authority[0], kit.arda.size
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    kit.consent("arda", proposal)
    kit.cora.say("dispute", party="arda", key=stolen.public.key_ids[0], index=since, reason="stolen")
    for name in ("bree", "cora"):
        kit.consent(name, proposal)
    kit.acks()
    kit.acks()
    register = kit.fold("bree")
    assert register.slots[proposal].state == "in_force"
    assert register.halted == {}


def test_what_was_agreed_with_a_stolen_key_gives_no_right_until_it_is_agreed_anew(kit):
    since, stolen = kit.arda.size, kit.arda.keys.authority[0]
    engaged = kit.engage()
    kit.acks()
    act = dispute(kit.cora, kit.arda, stolen, since)
    kit.acks()
    register = kit.fold("bree")
    assert register.slots[engaged].state == "in_force"
    assert register.engagements["dune-lamp"].suspended == (("cora", act),)
    rotate(kit)
    kit.acks()
    kit.consent("arda", engaged)
    kit.acks()
    kit.acks()
    assert kit.fold("bree").engagements["dune-lamp"].suspended == ()


def test_a_successor_takes_the_place_of_what_a_stolen_key_agreed(kit):
    since, stolen = kit.arda.size, kit.arda.keys.authority[0]
    engaged = kit.engage()
    kit.acks()
    dispute(kit.cora, kit.arda, stolen, since)
    rotate(kit)
    kit.acks()
    anew = kit.propose("bree", "engagement/dune-lamp", 2, kit.terms(), prev=engaged)
    for name in (*MEMBERS, "dune"):
        kit.consent(name, anew)
    kit.acks()
    kit.acks()
    register = kit.fold("bree")
    assert register.slots[anew].state == "in_force"
    assert (register.engagements["dune-lamp"].proposal, register.engagements["dune-lamp"].suspended) == (anew, ())


def test_who_never_consented_may_still_refuse_when_nobody_had_seen_the_stolen_consent(kit):
    stolen, since = kit.arda.keys.authority[0], kit.arda.size
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    kit.acks()
    kit.consent("arda", proposal)
    dispute(kit.cora, kit.arda, stolen, since)
    rotate(kit)
    refusal = kit.refuse("arda", proposal)
    assert why(kit.fold("bree"), refusal) == "comes after an own consent, which is irrevocable"
    kit.acks()
    kit.acks()
    for me in MEMBERS:
        assert state(kit, proposal, me) == "dead"


def test_a_stolen_consent_that_somebody_had_seen_cannot_be_taken_back(kit):
    stolen, since = kit.arda.keys.authority[0], kit.arda.size
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    kit.consent("arda", proposal)
    kit.acks("cora")
    dispute(kit.cora, kit.arda, stolen, since)
    rotate(kit)
    refusal = kit.refuse("arda", proposal)
    kit.acks()
    kit.acks()
    register = kit.fold("bree")
    assert why(register, refusal) == "comes after an own consent, which is irrevocable"
    assert register.slots[proposal].state == "open"


def test_a_reader_that_is_behind_decides_nothing_that_it_must_take_back():
    """Three of four confirm, and know of a dispute in the fourth ledger, which this reader has not fetched yet."""
    four = (*MEMBERS, "dune")
    kit = Kit(*four, members=four).found()
    kit.acks()
    stolen, since = kit.arda.keys.authority[0], kit.arda.size
    terms = acts.ProjectTerms(project="new", name="N", pillar="outer", areas=("lens",), participants=four, term=TERM)
    proposal = kit.propose("bree", "project/new", 1, terms)
    for name in four[1:]:
        kit.consent(name, proposal)
    kit.acks()
    heard = kit.dune.size
    kit.consent("arda", proposal)
    dispute(kit.dune, kit.arda, stolen, since)
    kit.acks("arda", "bree", "cora")
    assert kit.fold("arda", dune=heard).slots[proposal].state == "open"
    assert kit.fold("arda").slots[proposal].state == "open"


def test_a_refusal_in_dispute_stands(kit):
    """A denial counts whoever signs it: what it killed is proposed anew."""
    stolen, since = kit.arda.keys.authority[0], kit.arda.size
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    kit.refuse("arda", proposal)
    dispute(kit.cora, kit.arda, stolen, since)
    kit.acks()
    kit.acks()
    assert state(kit, proposal) == "dead"


def test_a_party_let_in_by_a_vote_in_doubt_is_halted_until_a_charter_names_it_anew():
    kit = Kit(*MEMBERS, "dune").found()
    kit.acks()
    since, stolen = kit.arda.size, kit.arda.keys.authority[0]
    four = (*MEMBERS, "dune")
    texts = kit.texts(charter_text(four), four)

    def agree(n, prev, what):
        id_ = kit.arda.say("propose", subject="charter", n=n, prev=prev, what=what, readers=tuple(sorted(four)))
        kit.dune.ack()
        for name in four:
            kit.consent(name, id_)
        kit.acks(*four)
        kit.acks(*four)
        kit.charter_id, kit.members = id_, four
        return id_

    admitted = agree(2, kit.charter_id, acts.Admission(party="dune", **texts))
    assert kit.fold("bree").members == four
    assert kit.fold("bree").halted == {}
    act = dispute(kit.cora, kit.arda, stolen, since)
    register = kit.fold("bree")
    assert (register.members, register.halted) == (four, {"party/dune": act})
    rotate(kit)
    agree(3, admitted, acts.CharterText(**texts))
    assert kit.fold("bree").halted == {}


# ---- in any order ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 40))])
def test_every_fold_that_holds_the_proof_freezes_alike(seed):
    """Going on gives what beginning anew gives, in whatever batches the ledgers arrive."""
    dice = random.Random(seed)
    kit = Kit(*MEMBERS, "dune").found()
    kit.acks()
    proposals, subjects = [kit.engage()], iter(range(100))
    common = dice.randrange(1, kit.arda.size)
    stolen, since = kit.bree.keys.authority[0], dice.randrange(kit.bree.size)
    usual = ["propose", "vote", "vote", "vote", "vote", "ack", "ack", "ack", "attest", "again"] * 4
    story = [*usual, "fork", "fork", "dispute", "dispute"]
    for what in dice.sample(story, len(story)):
        name = dice.choice(MEMBERS)
        if what == "propose":
            project = f"new-{next(subjects)}"
            terms = acts.ProjectTerms(
                project=project, name="New", pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
            )
            proposals.append(kit.propose(name, f"project/{project}", 1, terms))
        elif what == "vote":
            (kit.consent if dice.random() < 0.85 else kit.refuse)(name, dice.choice(proposals))
        elif what == "again":
            kit.consent("bree", dice.choice(proposals))
        elif what == "ack":
            kit.acks(*dice.sample(MEMBERS, 2))
        elif what == "attest":
            kit.parties[name].say("attest", about=f"{name}/works", claim="organisation", term=TERM)
        elif what == "fork":
            convict(
                dice.choice((kit.bree, kit.cora)),
                kit.arda,
                min(common + dice.randrange(3), kit.arda.size - 1),
                shared=dice.random() < 0.9,
            )
        else:
            dispute(kit.parties[name], kit.bree, stolen, since)
    for me in ("arda", "cora"):
        logs = kit.logs(me)
        whole = acts.fold(logs, me, kit.objects)
        rest = {origin: list(entries) for origin, entries in logs.items()}
        register = acts.fold({origin: [rest[origin].pop(0)] for origin in logs}, me, kit.objects)
        while any(rest.values()):
            batch = []
            for origin in dice.sample(sorted(rest), len(rest)):
                some = rest[origin][: dice.randrange(6)]
                del rest[origin][: len(some)]
                batch += some
            register = acts.extend(register, batch, kit.objects)
        assert register.own == whole.own
        assert register.freezes == whole.freezes
        assert register.common == whole.common
