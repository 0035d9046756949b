"""Cases 20, 22 and 30 to 33 of the collection (see tests/node/test_node_peers_cases.py), as the fold sees them; and what
a hostile ledger may cost. Costs are counted in steps of the interpreter and in bytes, so they are equal everywhere.
"""

import sys
import tracemalloc

import pytest
from acts_kit import MEMBERS, TERM, Kit, charter_text, item_fields, label, why
from msgspec import structs

from relto import acts


def project(name):
    return acts.ProjectTerms(
        project=name, name=name, pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
    )  # fmt: skip


def test_20_votes_are_counted_over_the_members_whom_the_proposal_named():
    """Two of three have agreed when the third is expelled: that does not make two enough."""
    kit = Kit().found()
    kit.acks()
    old = kit.propose("arda", "project/tide", 1, project("tide"))
    kit.acks()
    for name in ("arda", "bree"):
        kit.consent(name, old)
    kit.acks("arda", "bree")
    two = kit.texts(charter_text(("arda", "bree"), 2), ("arda", "bree"))
    expulsion = kit.arda.say(
        "propose", subject="charter", n=2, prev=kit.charter_id, what=acts.Expulsion(party="cora", **two)
    )
    kit.acks("arda", "bree")
    for name in ("arda", "bree"):
        kit.consent(name, expulsion)
    kit.acks("arda", "bree")
    for me in ("arda", "bree"):
        register = kit.fold(me)
        assert register.members == ("arda", "bree")
        assert (register.slots[old].state, register.slots[old].voters) == ("open", MEMBERS)
        assert "tide" not in register.projects


def test_22_a_consent_names_the_hash_of_what_was_read():
    """The same subject, number and name with another term is another proposal: it has no vote of the first."""
    kit = Kit().found()
    kit.acks()
    shown = kit.propose("arda", "project/tide", 1, project("tide"))
    longer = kit.propose(
        "arda", "project/tide", 1, structs.replace(project("tide"), term=acts.Term(since="2020-01-01"))
    )
    kit.acks()
    for name in MEMBERS:
        kit.consent(name, shown)
    kit.acks()
    register = kit.fold("bree")
    assert (register.slots[shown].state, register.slots[longer].state) == ("in_force", "open")
    assert register.slots[longer].votes == ()


def test_31_what_is_void_stays_in_sight_with_its_reason():
    kit = Kit().found()
    void = kit.cora.say("attest", kit.cora.keys.node, about="cora/works", claim="facility", term=TERM)
    for me in MEMBERS:
        assert why(kit.fold(me), void).startswith("not signed by")


# ---- the cost of a hostile ledger

EMPTY, ONE = "0" * 64, "1" * 64


def heads(kit, party, size):
    others = [one for one in kit.parties.values() if one is not party]
    return tuple(acts.Seen(origin=one.origin, size=size, root=ONE, seen=0, signature=bytes(64)) for one in others)


def strange(number):
    return tuple(
        acts.Seen(origin=f"x{at}.example/lamp/{number}", size=at, root=EMPTY, seen=0, signature=bytes(64))
        for at in range(60)
    )


def vote(kit, cora, number):
    if number % 2:
        return cora.say("consent", proposal=kit.victim, sight=cora.newest_ack)
    return cora.say("refuse", proposal=kit.victim, reason="no")


FLOODS = {
    "proposals for one slot": lambda kit, cora, n: kit.propose("cora", "project/p", 1, project(f"q{n}")),
    "proposals, a slot each": lambda kit, cora, n: kit.propose("cora", f"project/p{n}", 1, project(f"p{n}")),
    "votes": vote,
    "votes on nothing": lambda kit, cora, n: cora.say("refuse", proposal=f"{n:064x}", reason="no"),
    "returns": lambda kit, cora, n: cora.say("return", proposal=kit.victim, comment=f"{n}"),
    "acknowledgements": lambda kit, cora, n: cora.ack(),
    "acknowledgements that lie": lambda kit, cora, n: cora.say(
        "acknowledge", heads=heads(kit, cora, n * 7), common=EMPTY, owed=()
    ),
    "acknowledgements of strangers": lambda kit, cora, n: cora.say(
        "acknowledge", heads=strange(n), common=EMPTY, owed=()
    ),
    "suspensions": lambda kit, cora, n: cora.say("suspend", engagement=kit.victim, reason=f"{n}"),
    "disputes": lambda kit, cora, n: cora.say(
        "dispute", party="arda", key=kit.arda.keys.node.public.key_ids[0], index=n, reason="no"
    ),
    "introductions": lambda kit, cora, n: cora.say(
        "introduce", party=f"p{n}", inception=EMPTY, origin=f"p{n}.example/lamp/0", address="http://p.example",
        members=kit.member_shapes(),
    ),
    "attestations": lambda kit, cora, n: cora.say("attest", about=f"cora/w{n}", claim="facility", term=TERM),
    "items": lambda kit, cora, n: cora.say("register", **item_fields(f"cora/i{n}")),
    "labels": lambda kit, cora, n: cora.say(
        "relabel", item="cora/glass", version=1, prev=kit.label, label=label("ARD", "BRE", "COR"), reason=f"{n}"
    ),
    "for somebody else": lambda kit, cora, n: cora.say(
        "attest", about=f"cora/w{n}", claim="facility", term=TERM, readers=("bree", "cora")
    ),
    "withheld": lambda kit, cora, n: cora.say("attest", about=f"cora/w{n}", claim="facility", term=TERM),
    "notices": lambda kit, cora, n: cora.say("withdraw", on="2026-10-01", reason=f"{n}"),
}  # fmt: skip


def flooded(flood, count):
    """(what arda holds, what it held before, the flood)."""
    kit = Kit().found()
    kit.acks()
    kit.victim = kit.propose("arda", "project/v", 1, project("v"))
    kit.label = kit.cora.say("register", **item_fields("cora/glass"))
    kit.acks()
    size = kit.cora.size
    said = [FLOODS[flood](kit, kit.cora, number) for number in range(count)]
    held = kit.logs("arda", *(said if flood == "withheld" else ()))
    before = {**held, kit.cora.origin: held[kit.cora.origin][:size]}
    return kit, held, before, held[kit.cora.origin][size:]


def steps(work):
    """Calls and returns of functions, of Python and of libraries."""
    count = 0

    def one(*_):
        nonlocal count
        count += 1

    sys.setprofile(one)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def growth(costs):
    """How much more the second half of a flood costs than the first: 2 for a cost that is the same for each act."""
    first, second, third = costs
    return (third - second) / (second - first)


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_costs_what_its_length_is_whatever_it_holds(flood):
    """From scratch, and as one batch; and no more memory than a few times what was sent."""
    scratch, batch = [], []
    for count in (20, 40, 80):
        kit, held, before, fresh = flooded(flood, count)
        acts.fold(held, "arda", kit.objects)  # signatures are verified once, and that is no matter of the fold
        scratch.append(steps(lambda held=held, kit=kit: acts.fold(held, "arda", kit.objects)))
        register = acts.fold(before, "arda", kit.objects)
        batch.append(steps(lambda at=register, kit=kit, fresh=fresh: acts.extend(at, fresh, kit.objects)))
    tracemalloc.start()
    acts.fold(held, "arda", kit.objects)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sent = sum(len(one.leaf) + len(one.envelope or b"") for one in fresh)
    assert growth(scratch) < 2.3
    assert growth(batch) < 2.3
    assert peak < 100_000 + 4 * sent


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_that_comes_act_by_act_costs_at_most_its_length_for_each(flood):
    """What is open is looked at again with each act: 2 were flat, 4 is a cost for each act that grows with what is open."""
    costs = []
    for count in (60, 120, 240):
        kit, held, before, fresh = flooded(flood, count)
        acts.fold(held, "arda", kit.objects)

        def one_by_one(kit=kit, before=before, fresh=fresh):
            register = acts.fold(before, "arda", kit.objects)
            for one in fresh:
                register = acts.extend(register, [one], kit.objects)

        costs.append(steps(one_by_one))
    print(f"\n{flood}: {costs[-1] // 240} steps an act, growth {growth(costs):.2f}")
    assert growth(costs) < 4.3
    assert costs[-1] < 240 * 100_000
