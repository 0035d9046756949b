"""Rules of engine 2 through the fold: deadlines, vetoes, silence, windows; and that no slot is ever won twice."""

from __future__ import annotations

import random

import pytest
from acts_kit import MEMBERS, TERM, Kit, charter_text

from relto import acts

DAY = 86_400_000
VOTES_CAST = "rule: fraction, counted: cast, share: 2/3, quorum: 1/3, open_for: 2 days"


def kit_of(rule: str, more: str = "") -> Kit:
    text = charter_text().replace(b"engine: 1", b"engine: 2")
    old = b"act: project, rule: unanimity"
    assert text.count(old) == 1
    kit = Kit()
    kit.charter = text.replace(old, f"act: project, {rule}".encode()).replace(
        b"windows: []", more.encode() or b"windows: []"
    )
    kit.found()
    kit.acks()
    return kit


def begin(kit: Kit, by: str, name: str, days: int | None = 3) -> str:
    terms = acts.ProjectTerms(
        project="new", name=name, pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
    )
    deadline = {} if days is None else {"by": kit.time + days * DAY}
    return kit.propose(by, "project/new", 1, terms, **deadline)


def pass_days(kit: Kit, days: int) -> None:
    kit.tick(days * DAY)
    kit.acks()
    kit.acks()


def states(kit: Kit, proposal: str) -> set[str]:
    return {kit.fold(me).slots[proposal].state for me in MEMBERS}


def test_a_rule_that_needs_a_deadline_voids_a_proposal_without_one() -> None:
    kit = kit_of(VOTES_CAST)
    bare, soon = begin(kit, "arda", "bare", None), begin(kit, "bree", "soon", 1)
    register = kit.fold("cora")
    assert register.slots[bare].why == "names no deadline, and clause 5.2 asks for one"
    assert register.slots[soon].why == "leaves less than the 2 days of clause 5.2"


def test_silence_is_not_cast_and_is_known_when_the_ledger_has_passed_the_deadline() -> None:
    kit = kit_of(VOTES_CAST)
    proposal = begin(kit, "arda", "one")
    kit.consent("arda", proposal)
    kit.acks()
    assert states(kit, proposal) == {"open"}, "two may still refuse"
    pass_days(kit, 4)
    assert states(kit, proposal) == {"in_force"}
    votes = {one.party: (one.vote, one.voice, one.silent) for one in kit.fold("cora").slots[proposal].votes}
    assert votes["bree"] == ("refuse", "silent", True)


def test_a_veto_names_its_ground() -> None:
    kit = kit_of(f"{VOTES_CAST}, veto: {{grounds: [harm]}}")
    proposal = begin(kit, "arda", "one")
    kit.consent("arda", proposal)
    kit.consent("bree", proposal)
    kit.acks()
    assert states(kit, proposal) == {"open"}, "a veto may still come"
    kit.refuse("cora", proposal, reason="harmful to us")
    kit.acks()
    assert states(kit, proposal) == {"in_force"}, "a refusal that names no ground is one of three"
    other = kit_of(f"{VOTES_CAST}, veto: {{grounds: [harm]}}")
    vetoed = begin(other, "arda", "one")
    other.consent("arda", vetoed)
    other.consent("bree", vetoed)
    other.refuse("cora", vetoed, reason="harm: our own work would end")
    other.acks()
    assert states(other, vetoed) == {"dead"}


def test_silence_that_consents_binds_like_a_consent_and_is_none_after_one() -> None:
    kit = kit_of("rule: majority, silence: consents, open_for: 2 days")
    first, second = begin(kit, "arda", "first", 3), begin(kit, "bree", "second", 6)
    kit.consent("bree", second)
    pass_days(kit, 4)
    votes = {one.party: one.voice for one in kit.fold("cora").slots[first].votes}
    assert votes == {"arda": "silent", "bree": "refuse", "cora": "silent"}, "bree had consented to the rival"
    assert states(kit, first) == {"in_force"}
    late = kit.consent("cora", second)
    kit.acks()
    void = {one.act: one.void for one in kit.fold("arda").slots[second].votes}
    assert void[late].startswith("another proposal of this slot has this party's consent")
    pass_days(kit, 4)
    voices = {one.party: one.voice for one in kit.fold("arda").slots[second].votes if not one.void}
    assert voices == {"arda": "refuse", "bree": "consent"}, "silent on the first, arda's silence refuses the second"
    assert states(kit, second) == {"open"}


def test_in_a_caretaker_period_a_party_consents_to_nothing() -> None:
    more = 'windows:\n- {party: bree, what: vote, date: 2026-12-01, caretaker: 2026-09-01..2026-12-31, clause: "13.1"}'
    kit = kit_of("rule: majority", more)
    proposal = begin(kit, "arda", "one", None)
    kit.consent("arda", proposal)
    kit.consent("bree", proposal)
    kit.acks()
    register = kit.fold("cora")
    assert [one.void for one in register.slots[proposal].votes if one.party == "bree"] == [
        "is dated in the caretaker period of bree (clause 13.1)"
    ]
    kit.refuse("bree", proposal)
    kit.consent("cora", proposal)
    kit.acks()
    assert states(kit, proposal) == {"in_force"}, "two of three; a refusal of bree stands"


RULES = [
    VOTES_CAST,
    "rule: majority, counted: cast, open_for: 1 day",
    "rule: majority, silence: consents, open_for: 1 day",
]


@pytest.mark.parametrize("rule", RULES)
def test_no_slot_is_won_twice_and_nothing_decided_turns(rule: str) -> None:
    """Random votes, silences and deadlines on three rivals, seen by each member at every step."""
    decided = 0
    for seed in range(8):
        chance, kit = random.Random(f"{rule}{seed}"), kit_of(rule)
        rivals = [begin(kit, chance.choice(MEMBERS), str(n), chance.choice((2, 3, 5))) for n in range(3)]
        before: dict[tuple[str, str], str] = {}
        for _ in range(10):
            step = chance.random()
            if step < 0.45:
                kit.consent(chance.choice(MEMBERS), chance.choice(rivals))
            elif step < 0.5:
                kit.refuse(chance.choice(MEMBERS), chance.choice(rivals))
            elif step < 0.85:
                pass_days(kit, chance.choice((0, 1, 2)))
            else:
                kit.acks(chance.choice(MEMBERS))
            for me in MEMBERS:
                register = kit.fold(me)
                states_ = {one: register.slots[one].state for one in rivals}
                assert list(states_.values()).count("in_force") <= 1, (seed, me)
                assert not register.alarms
                for one, state in states_.items():
                    was = before.setdefault((me, one), state)
                    assert was == state or was == "open", (seed, me, was, state)
                    before[me, one] = state
        decided += "in_force" in before.values()
    assert decided, "a test in which nothing is ever decided shows nothing"
