"""A fold that goes on: the short way is taken where it may be, gives what the long way gives, and harms no older value."""

from __future__ import annotations

import random

import pytest
from acts_kit import MEMBERS, TERM, Kit, item_fields, release_fields
from hypothesis import given
from hypothesis import strategies as st

from relto import acts
from relto.acts.effects import Effects
from relto.acts.grown import CHUNK, Map, Sorted, Trail


@given(st.lists(st.integers(0, 3 * CHUNK), max_size=6), st.randoms())
def test_a_trail_is_a_list_and_copies_move_alone(sizes, dice):
    pairs = [(Trail(), [])]
    for size in sizes:
        trail, plain = dice.choice(pairs)
        trail, plain = trail.copy(), plain[:]
        for one in range(size):
            trail.push(one)
            plain.append(one)
        pairs.append((trail, plain))
        old, known = dice.choice(pairs)
        old.push(-1)
        known.append(-1)
    for trail, plain in pairs:
        assert list(trail) == plain
        assert trail == plain
        assert list(reversed(trail)) == plain[::-1]
        assert len(plain) < 2 or (trail[-1], trail[1:]) == (plain[-1], plain[1:])


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(0, 5)), max_size=60))
def test_a_map_is_a_dict_and_copies_move_alone(steps):
    pairs = [(Map(), {})]
    for key, value, which in steps:
        found, plain = pairs[which % len(pairs)]
        if which % 2:
            found, plain = found.copy(), dict(plain)
            pairs.append((found, plain))
        found.push(key, value)
        plain[key] = value
    for found, plain in pairs:
        assert dict(found) == plain
        assert len(found) == len(plain)
        assert list(found) == sorted(plain)
        assert all(found.get(key, -1) == plain.get(key, -1) and (key in found) == (key in plain) for key in range(41))


def test_one_value_in_a_trail_is_another():
    first = Trail(range(2 * CHUNK))
    second = first.where(3, -3)
    assert (first[3], second[3], second[4], len(second)) == (3, -3, 4, 2 * CHUNK)
    sorted_ = Sorted().plus("b", 1).plus("a", 2).plus("b", 3)
    assert list(sorted_.values()) == [2, 1, 3]
    assert list(sorted_.where("b", 0, 9).values()) == [2, 9, 3]


SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 60))]


def grown_kit():
    kit = Kit(*MEMBERS, "dune").found()
    kit.engage()
    kit.arda.say("register", **item_fields())
    sight = kit.arda.ack()
    return kit, sight


def step(kit, sight, dice, turn):
    """One act of any kind that a partnership writes every day, and now and then one that changes what was."""
    release = kit.__dict__.get("last")
    kind = dice.choice(
        [
            "release",
            "release",
            "release",
            "receipt",
            "ack",
            "ack",
            "register",
            "attest",
            "determine",
            "licence",
            "roster",
            "disclose",
            "relabel",
            "revoke",
            "suspend",
            "lift",
            "recall",
            "answer",
            "evidence",
            "propose",
            "vote",
            "vote",
            "settle",
            "dispute",
            "withdraw",
        ]
    )
    if kind == "release":
        to = dice.choice(("bree", "dune"))
        kit.__dict__["last"] = kit.arda.say(
            "release", readers=("arda", to), **release_fields(kit, "arda/glass", to, sight, request=f"{turn:064x}")
        )
        kit.__dict__["to"] = to
    elif kind == "receipt" and release:
        to = dice.choice((kit.to_, kit.to_, "cora"))
        kit.parties[to].say("receipt", release=release, outcome="matches", readers=tuple(sorted({"arda", to, kit.to_})))
    elif kind == "ack":
        kit.parties[dice.choice((*MEMBERS, "dune"))].ack()
    elif kind == "register":
        kit.arda.say(
            "register", **item_fields(f"arda/glass-{dice.randrange(4)}", readers=dice.choice((MEMBERS, ("arda",))))
        )
    elif kind == "attest":
        party = dice.choice(MEMBERS)
        kit.__dict__["claim"] = kit.parties[party].say(
            "attest", about=f"{dice.choice(MEMBERS)}/works", claim="c", term=TERM
        )
        kit.__dict__["claimer"] = party
    elif kind == "revoke" and "claim" in kit.__dict__:
        kit.parties[kit.__dict__["claimer"]].say("revoke", act=kit.__dict__["claim"], reason="over")
    elif kind == "determine":
        item = kit.fold("arda").item("arda/glass")
        kit.parties[dice.choice(("arda", "bree"))].say(
            "determine", item="arda/glass", version=1, on=item.label_act, jurisdiction="ARD", authority="ard-free",
            condition="judged", holds=dice.random() < 0.5, reason="seen",
        )  # fmt: skip
    elif kind == "licence":
        kit.parties[dice.choice(("arda", "bree"))].say(
            "licence", licence=f"l-{turn}", jurisdiction="ARD", authority="ard-free", holder="arda/works",
            recipients=("bree",), items=("arda/glass",), term=TERM,
        )  # fmt: skip
    elif kind == "evidence":
        kit.arda.say(
            "evidence", candidate="dune", date="2026-01-01", standing="press", status="floated", says="x", source="y"
        )
    elif kind == "propose":
        what = acts.ProjectTerms(
            project="new", name=f"N {turn}", pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
        )
        kit.__dict__["proposal"] = kit.propose(dice.choice(MEMBERS), "project/new", 1, what)
    elif kind == "vote" and "proposal" in kit.__dict__:
        cast = kit.consent if dice.random() < 0.8 else kit.refuse
        cast(dice.choice(MEMBERS), kit.__dict__["proposal"])
    elif kind == "suspend":
        engagement = kit.fold("arda").engagements["dune-lamp"].proposal
        kit.__dict__["stop"] = kit.bree.say("suspend", engagement=engagement, reason="look", readers=(*MEMBERS, "dune"))
    elif kind == "lift" and "stop" in kit.__dict__:
        kit.bree.say("lift", suspend=kit.__dict__["stop"], reason="seen", readers=(*MEMBERS, "dune"))
    elif kind == "recall" and release:
        kit.arda.say(
            "recall", release=release, order="return", by="2026-12-01", reason="now", readers=("arda", kit.to_)
        )
    elif kind == "dispute" and dice.random() < 0.3:
        key = kit.cora.keys.officers["registrar"].public.key_ids[0]
        kit.arda.say("dispute", party="cora", key=key, index=kit.cora.size, reason="lost")
    elif kind == "relabel" and dice.random() < 0.5:
        item = kit.fold("arda").item("arda/glass")
        kit.arda.say("relabel", item="arda/glass", version=1, prev=item.label_act, label=item.label, reason="again")
    elif kind == "withdraw" and dice.random() < 0.1:
        kit.cora.say("withdraw", on="2027-01-01", reason="elections")


Kit.to_ = property(lambda kit: kit.__dict__.get("to", "bree"))


@pytest.mark.parametrize("seed", SEEDS)
def test_going_on_gives_what_beginning_anew_gives(seed):
    dice = random.Random(seed)
    kit, sight = grown_kit()
    readers = ("arda", "cora", "dune")
    registers = {me: kit.fold(me, pin=kit.partnership) for me in readers}
    for turn in range(60):
        sizes = {name: party.size for name, party in kit.parties.items()}
        for _ in range(dice.choice((1, 1, 3))):
            step(kit, sight, dice, turn * 10 + dice.randrange(10))
        for me in readers:
            logs = kit.logs(me)
            more = [
                one for name, party in kit.parties.items() for one in logs[party.origin] if one.index >= sizes[name]
            ]
            dice.shuffle(more)
            more.sort(key=lambda one: one.index)
            was = registers[me].own if turn % 20 == 0 else None
            after = acts.extend(registers[me], more, kit.objects)
            assert was is None or registers[me].own == was, "an older register moved"
            if turn % 3 == 0 or seed == 0:
                assert after.own == kit.fold(me, pin=kit.partnership).own, (
                    seed,
                    turn,
                    me,
                    [acts.kind_of(o.act) for o in more if o.act],
                )
            registers[me] = after


def test_what_only_adds_derives_nothing_anew(monkeypatch):
    kit, sight = grown_kit()
    register = kit.fold("arda")
    anew, whole = [], Effects.__init__
    monkeypatch.setattr(Effects, "__init__", lambda self, slots: anew.append(1) or whole(self, slots))
    steps = {
        "release": lambda: kit.arda.say("release", readers=("arda", "bree"), **release_fields(kit, "arda/glass", "bree", sight)),
        "receipt": lambda: kit.bree.say("receipt", release=kit.arda.entries[-1].id, outcome="matches", readers=("arda", "bree")),
        "acknowledge": kit.bree.ack,
        "register": lambda: kit.arda.say("register", **item_fields("arda/new")),
        "attest": lambda: kit.cora.say("attest", about="cora/works", claim="c", term=TERM),
    }  # fmt: skip
    for kind, say in steps.items():
        say()
        one = max((party.entries[-1] for party in kit.parties.values()), key=lambda one: one.act.at)
        register = acts.extend(register, [one])
        assert not anew, kind
        assert register.own == kit.fold("arda").own
        anew.clear()
    kit.arda.say("withdraw", on="2027-01-01", reason="elections")
    acts.extend(register, [kit.arda.entries[-1]])
    assert anew, "what may change earlier acts is derived anew"


def test_a_party_floods_a_slot_with_proposals():
    kit = Kit().found()
    kit.acks()
    made = [
        kit.propose(
            "arda", "project/new", 1,
            acts.ProjectTerms(project="new", name=f"N {n}", pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM),
        )
        for n in range(18)
    ]  # fmt: skip
    other = kit.propose(
        "bree", "project/new", 1,
        acts.ProjectTerms(project="new", name="B", pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM),
    )  # fmt: skip
    register = kit.fold("cora")
    assert [one.why for one in register.void] == ["is one of more than 16 proposals of its author for one slot"] * 2
    assert [register.slots.get(id_) is not None for id_ in made] == [True] * 16 + [False] * 2
    assert register.slots[other].state == "open"
