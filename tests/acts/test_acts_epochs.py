"""A party goes on in another ledger: who accepts it, what it takes over, and that all it said reads as one line."""

import copy
import random

import pytest
from acts_kit import MEMBERS, TERM, Keys, Kit, item_fields, label, why
from test_acts_doubt import TERMS, convict

from relto import acts
from relto.ledger import Frontier


def begin(kit, name, size=None, *, number=1, root=None, signers=None, keys=None, prev=None, **changes):
    """The party's next ledger, after so many entries of the one before; from now on the kit writes there."""
    old = kit.parties[name]
    size = old.size if size is None else size
    new = copy.copy(old)
    new.keys = keys or Keys(name, number)
    new.origin = f"{name}.example/lamp/{number}"
    new.entries, new.frontier, new.roots = [], Frontier.empty(), [Frontier.empty().root()]
    kit.parties[f"{name} before {number}"], kit.parties[name] = old, new
    first = next(one for one in old.entries if one.act is not None)
    fields = {
        "name": name.title(),
        "address": f"http://{name}.example",
        "inception": getattr(first.act, "inception", first.id),
        "former": acts.Former(origin=old.origin, size=size, root=(root or old.roots[size]).hex()),
        "prev": prev or first.id,
        "keys": new.keys.public(),
        "reason": "forked",
        **changes,
    }
    new.say("epoch", *(signers or new.keys.root), v=3, **fields)
    return new


@pytest.fixture
def kit():
    kit = Kit(*MEMBERS, "dune").found()
    kit.acks()
    return kit


def accepted(kit, name="arda", me="bree"):
    return kit.fold(me).parties[name].origin == f"{name}.example/lamp/1"


def test_a_ledger_goes_on_when_the_members_acknowledge_it(kit):
    before = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    kit.acks()
    new = begin(kit, "arda")
    after = new.say("attest", about="arda/works", claim="authorised-user", term=TERM)
    register = kit.fold("bree")
    assert register.parties["arda"].origin == "arda.example/lamp/0"
    assert [one.act for one in register.attestations] == [before]
    assert "acknowledged so far by no member" in " ".join(register.alarms)
    kit.acks("bree")
    assert "acknowledged so far by bree" in " ".join(kit.fold("cora").alarms)
    assert not accepted(kit)
    kit.acks("cora")
    for me in MEMBERS:
        register = kit.fold(me)
        state = register.parties["arda"]
        assert (state.origin, state.inception) == ("arda.example/lamp/1", kit.parties["arda before 1"].inception)
        assert state.keys.node == new.keys.node.public
        assert [one.act for one in register.attestations] == [before, after]
        assert register.alarms == ()


def test_what_is_not_taken_over_counts_no_more(kit):
    kept = kit.arda.say("register", **item_fields("arda/kept"))
    kit.acks()
    size = kit.arda.size
    lost = kit.arda.say("register", **item_fields("arda/lost"))
    begin(kit, "arda", size)
    kit.parties["arda before 1"].entries[size:]
    kit.bree.ack(**{"arda before 1": size})
    kit.cora.ack()
    register = kit.fold("bree")
    assert accepted(kit)
    assert register.item("arda/kept").act == kept
    assert "arda/lost" not in register.items
    assert why(register, lost) == "stands beyond what the ledger after it takes over"


def test_a_line_goes_on_across_its_ledgers(kit):
    """Relabelling, lifting, revoking, and a vote said again are about what stands earlier, in whichever ledger."""
    engaged = kit.engage()
    item = kit.arda.say("register", **item_fields("arda/glass"))
    claim = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    stop = kit.arda.say("suspend", engagement=engaged, reason="look", readers=(*MEMBERS, "dune"))
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    kit.consent("arda", proposal)
    kit.acks()
    new = begin(kit, "arda")
    kit.acks("bree", "cora")
    new.say("relabel", item="arda/glass", version=1, prev=item, label=label("ARD", "BRE"), reason="x")
    new.say("revoke", act=claim, reason="over")
    new.say("lift", suspend=stop, reason="seen", readers=(*MEMBERS, "dune"))
    refusal = kit.refuse("arda", proposal)
    kit.consent("bree", proposal)
    kit.consent("cora", proposal)
    kit.acks()
    kit.acks()
    for me in MEMBERS:
        register = kit.fold(me)
        assert register.item("arda/glass").label == label("ARD", "BRE")
        assert [bool(one.revoked) for one in register.attestations] == [True]
        assert register.engagements["dune-lamp"].suspended == ()
        assert why(register, refusal) == "comes after an own consent, which is irrevocable"
        assert register.slots[proposal].state == "in_force"
        assert {(vote.party, vote.origin) for vote in register.slots[proposal].votes if not vote.void} >= {
            ("arda", "arda.example/lamp/0"),
        }


def test_decisions_go_on_in_the_new_ledger(kit):
    kit.acks()
    begin(kit, "arda")
    kit.acks("bree", "cora")
    kit.acks()
    proposal = kit.propose("arda", "project/new", 1, TERMS)
    for name in MEMBERS:
        kit.consent(name, proposal)
    kit.acks()
    kit.acks()
    for me in MEMBERS:
        register = kit.fold(me)
        assert register.slots[proposal].state == "in_force"
        votes = {vote.party: (vote.origin, vote.index) for vote in register.slots[proposal].votes}
        at = register.stated[next(v.act for v in register.slots[proposal].votes if v.party == "arda")]
        assert votes["arda"] == (at.origin, at.index) == ("arda.example/lamp/1", at.index)


def test_a_fork_is_settled_by_the_new_ledger(kit):
    common = kit.arda.size
    gone = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    convict(kit.cora, kit.arda, common)
    assert kit.fold("bree").parties["arda"].frozen
    begin(kit, "arda", common)
    kit.acks("bree", "cora")
    kit.acks()
    register = kit.fold("bree")
    assert accepted(kit)
    assert register.parties["arda"].frozen == ""
    assert register.freezes == {}
    assert why(register, gone) == "stands beyond what the ledger after it takes over"
    proposal = kit.propose("arda", "project/new", 1, TERMS)
    for name in MEMBERS:
        kit.consent(name, proposal)
    kit.acks()
    kit.acks()
    assert kit.fold("cora").slots[proposal].state == "in_force"


def test_nobody_leaves_out_what_the_members_had_confirmed(kit):
    """A consent cannot be taken back by beginning a ledger before it."""
    size = kit.arda.size
    proposal = kit.propose("bree", "project/new", 1, TERMS)
    for name in MEMBERS:
        kit.consent(name, proposal)
    kit.acks()
    kit.acks()
    assert kit.fold("bree").slots[proposal].state == "in_force"
    begin(kit, "arda", size)
    kit.acks("bree", "cora")
    kit.acks()
    assert not accepted(kit)
    assert kit.fold("bree").slots[proposal].state == "in_force"


def test_the_first_of_two_new_ledgers_that_a_member_acknowledges_is_its_word(kit):
    first = begin(kit, "arda")
    kit.bree.ack()
    kit.parties["arda"] = kit.parties.pop("arda before 1")
    second = begin(kit, "arda", number=2, keys=Keys("arda", 1))
    kit.parties["arda first"] = first
    kit.cora.ack(arda=second.size)
    kit.bree.ack()
    register = kit.fold("dune", pin=kit.partnership)
    assert register.parties["arda"].origin != second.origin
    register = kit.fold("bree")
    assert register.parties["arda"].origin in {"arda.example/lamp/0", first.origin}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"keys": Keys("arda", 5)}, "its root keys are not those committed to"),
        ({"prev": "1" * 64}, "does not follow the newest keys of what it takes over"),
        ({"root": bytes(32)}, "the ledger before it has another root there"),
        ({"inception": "2" * 64}, "the ledger before it is not arda's"),
        ({"former": acts.Former(origin="arda.example/lamp/0", size=500, root="0" * 64)}, "and it takes over 500"),
    ],
)
def test_what_does_not_follow_speaks_for_nobody(kit, change, says):
    begin(kit, "arda", **change)
    kit.acks("bree", "cora")
    kit.acks("bree", "cora")
    register = kit.fold("bree")
    assert register.parties["arda"].origin == "arda.example/lamp/0"
    assert says in " ".join(register.alarms)


def test_another_partys_place_and_an_earlier_number_are_no_new_ledger(kit):
    one = begin(kit, "arda", former=acts.Former(origin="bree.example/lamp/0", size=1, root="0" * 64))
    assert why(kit.fold("bree"), one.entries[0].id) == "is for no later ledger of the same place"


def test_a_third_ledger_follows_the_second(kit):
    begin(kit, "arda")
    kit.acks("bree", "cora")
    kit.acks()
    second = kit.parties["arda"]
    begin(kit, "arda", number=2, prev=second.entries[0].id)
    assert kit.fold("bree").parties["arda"].origin == second.origin
    kit.acks("bree", "cora")
    for me in MEMBERS:
        assert kit.fold(me).parties["arda"].origin == "arda.example/lamp/2"


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 30))])
def test_lines_read_alike_in_any_order(seed):
    dice = random.Random(seed)
    kit = Kit(*MEMBERS, "dune").found()
    kit.acks()
    proposals, turn = [kit.engage()], iter(range(100))
    story = ["propose", "vote", "vote", "vote", "ack", "ack", "attest"] * 6
    steps = dice.sample(story, len(story))
    for at, what in enumerate(steps):
        name = dice.choice(MEMBERS)
        if at == len(steps) // 2:
            if dice.random() < 0.5:
                convict(kit.cora, kit.arda, kit.arda.size - 1)
            begin(kit, "arda", kit.arda.size - dice.randrange(2))
        if what == "propose":
            project = f"new-{next(turn)}"
            terms = acts.ProjectTerms(
                project=project, name="N", pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
            )
            proposals.append(kit.propose(name, f"project/{project}", 1, terms))
        elif what == "vote":
            (kit.consent if dice.random() < 0.85 else kit.refuse)(name, dice.choice(proposals))
        elif what == "ack":
            kit.acks(*dice.sample(MEMBERS, 2))
        else:
            kit.parties[name].say("attest", about=f"{name}/works", claim="organisation", term=TERM)
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
        assert register.common == whole.common
