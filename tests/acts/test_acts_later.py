"""Engine 3 through the fold: a matter that is called again, and amendments that take effect later."""

from __future__ import annotations

import random

import pytest
from acts_kit import MEMBERS, TERM, Kit, charter_text

from relto import acts
from relto.acts.votes.ballot import day_of

DAY = 86_400_000
CALLS = (
    "rule: fraction, counted: cast, share: 2/3, quorum: 2/3, open_for: 2 days, "
    "later_calls: [{within: 15 days, quorum: 1/3}, {within: 15 days}]"
)
BY = ("arda", "arda", "bree")
LATER = "takes_effect: {after: 30 days}"


def kit_of(*changes: tuple[str, str]) -> Kit:
    text = charter_text().decode().replace("engine: 1", "engine: 3")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    kit = Kit()
    kit.charter = text.encode()
    kit.found()
    kit.acks()
    return kit


def calling() -> Kit:
    return kit_of(("act: project, rule: unanimity", f"act: project, {CALLS}"))


def begin(kit: Kit, by: str = "arda", name: str = "one", days: int = 3) -> str:
    terms = acts.ProjectTerms(
        project="new", name=name, pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
    )
    return kit.propose(by, "project/new", 1, terms, by=kit.time + days * DAY)


def pass_days(kit: Kit, days: int) -> None:
    """Each ledger passes the days, the others see it, and each sees that they do."""
    kit.tick(days * DAY)
    for _ in range(3):
        kit.acks()


def called(kit: Kit, proposal: str) -> tuple[str, int]:
    found = {(one.state, one.call) for one in (kit.fold(me).slots[proposal] for me in MEMBERS)}
    assert len(found) == 1, found
    return found.pop()


def missed(kit: Kit, *consents: str) -> str:
    """A first call on which too few said anything."""
    first = begin(kit)
    for party in consents:
        kit.consent(party, first)
    kit.acks()
    pass_days(kit, 4)
    assert called(kit, first) == ("dead", 1)
    return first


# ---- called again -------------------------------------------------------------------------------


def test_a_second_call_decides_with_the_lower_quorum_and_a_third_without_one() -> None:
    kit = calling()
    missed(kit, "arda")
    second = begin(kit)
    kit.consent("arda", second)
    kit.acks()
    assert called(kit, second) == ("open", 2)
    pass_days(kit, 4)
    assert called(kit, second) == ("in_force", 2), "one of three is a third"
    other = calling()
    missed(other)
    again = begin(other)
    pass_days(other, 4)
    assert called(other, again) == ("dead", 2), "nobody voted"
    third = begin(other)
    other.consent("bree", third)
    pass_days(other, 4)
    assert called(other, third) == ("in_force", 3)


def test_a_call_that_enough_answered_is_not_called_again() -> None:
    kit = calling()
    first = begin(kit)
    kit.consent("arda", first)
    kit.refuse("bree", first)
    kit.refuse("cora", first)
    pass_days(kit, 4)
    second = begin(kit)
    kit.consent("arda", second)
    pass_days(kit, 4)
    assert called(kit, first) == ("dead", 1)
    assert called(kit, second) == ("dead", 1), "one of three, where two thirds must vote"


@pytest.mark.parametrize("wrong", ["by another", "of other terms", "too early", "too late"])
def test_what_is_no_later_call_has_the_quorum_of_a_first_one(wrong: str) -> None:
    kit = calling()
    first = begin(kit)
    kit.consent("arda", first)
    kit.acks()
    if wrong != "too early":
        pass_days(kit, 4)
    if wrong == "too late":
        pass_days(kit, 20)
    again = begin(
        kit, by="bree" if wrong == "by another" else "arda", name="two" if wrong == "of other terms" else "one"
    )
    pass_days(kit, 4 if wrong == "too early" else 0)
    kit.consent("arda", again)
    pass_days(kit, 4)
    assert called(kit, again) == ("dead", 1)


def test_who_consented_to_the_first_call_and_says_nothing_of_the_second_refuses_it() -> None:
    kit = calling()
    missed(kit, "arda")
    second = begin(kit)
    kit.consent("bree", second)
    pass_days(kit, 4)
    votes = {one.party: one.voice for one in kit.fold("cora").slots[second].votes}
    assert votes == {"arda": "refuse", "bree": "consent", "cora": "silent"}
    assert called(kit, second) == ("dead", 2), "one of two cast"


def test_a_reader_that_does_not_know_yet_whether_the_first_call_was_missed_waits() -> None:
    kit = calling()
    begin(kit)
    kit.acks()
    kit.tick(4 * DAY)
    kit.arda.ack()
    second = begin(kit)
    assert {kit.fold(me).slots[second].state for me in MEMBERS} == {"open"}
    assert kit.fold("bree").slots[second].call == 1, "as far as bree knows"
    pass_days(kit, 0)
    kit.consent("cora", second)
    pass_days(kit, 4)
    assert called(kit, second) == ("in_force", 2)


def test_no_slot_is_won_twice_and_nothing_turns_when_matters_are_called_again() -> None:
    """Random rivals, repeats, votes and deadlines, seen by each member at every step."""
    decided = repeated = 0
    for seed in range(10):
        chance, kit = random.Random(seed), calling()
        rivals: list[str] = []
        before: dict[tuple[str, str], str] = {}
        for _ in range(14):
            step = chance.random()
            if step < 0.25 or not rivals:
                rivals.append(
                    begin(kit, chance.choice(BY), chance.choice(("one", "one", "two")), chance.choice((2, 3)))
                )
            elif step < 0.55:
                kit.consent(chance.choice(MEMBERS), chance.choice(rivals[-1:]))
            elif step < 0.6:
                kit.refuse(chance.choice(MEMBERS), chance.choice(rivals))
            else:
                pass_days(kit, chance.choice((0, 3, 4)))
            for me in MEMBERS:
                register = kit.fold(me)
                states = {one: register.slots[one].state for one in rivals}
                assert list(states.values()).count("in_force") <= 1, (seed, me)
                assert not register.alarms
                repeated += any(register.slots[one].call > 1 for one in rivals)
                for one, state in states.items():
                    was = before.setdefault((me, one), state)
                    assert was == state or was == "open", (seed, me, was, state)
                    before[me, one] = state
        decided += "in_force" in before.values()
    assert decided, "a test in which nothing is ever decided shows nothing"
    assert repeated, "no call was ever a later one"


# ---- in force later -----------------------------------------------------------------------------


def amend(kit: Kit, author: str, text: bytes, *voters: str, **more: object) -> str:
    n, prev = kit.fold(author).charter_slot
    proposal = kit.propose(author, "charter", n, acts.CharterText(**kit.texts(text)), prev=prev, **more)
    for one in voters:
        kit.consent(one, proposal)
    kit.acks()
    return proposal


def in_force(kit: Kit) -> set[str]:
    return {kit.fold(me).charter_id for me in MEMBERS}


def test_an_amendment_takes_effect_thirty_days_after_the_last_acceptance() -> None:
    kit = kit_of(("act: charter, rule: unanimity", f"act: charter, rule: unanimity, {LATER}"))
    proposal = amend(kit, "arda", kit.charter + b"# second\n", "arda", "bree")
    kit.tick(5 * DAY)
    kit.consent("cora", proposal)
    last = day_of(kit.time)
    kit.acks()
    register = kit.fold("bree")
    slot = register.slots[proposal]
    assert (slot.state, slot.due) == ("open", day_of(kit.time + 30 * DAY))
    assert slot.why == f"is decided, and in force from {slot.due}"
    assert register.coming == ((proposal, slot.due),)
    assert in_force(kit) == {kit.partnership}
    pass_days(kit, 29)
    assert in_force(kit) == {kit.partnership}, last
    kit.tick(DAY)
    kit.acks("arda", "bree")
    assert in_force(kit) == {kit.partnership}, "two ledgers of three have passed the day"
    kit.acks("cora")
    assert in_force(kit) == {proposal}
    assert kit.fold("arda").slots[proposal].state == "in_force"
    assert kit.fold("arda").coming == ()


def test_an_amendment_names_its_own_day_and_the_later_of_two_counts() -> None:
    kit = kit_of(("act: charter, rule: unanimity", f"act: charter, rule: unanimity, {LATER}"))
    text = kit.charter.replace(b"confirm: 3", b"confirm: 3\nin_force_from: 2027-01-01")
    proposal = amend(kit, "arda", text, *MEMBERS)
    assert kit.fold("cora").slots[proposal].due == "2027-01-01"


def test_by_fewer_than_all_it_counts_from_the_deadline_and_to_the_end_of_a_year() -> None:
    rule = "rule: fraction, share: 2/3, takes_effect: {year_ends: 12-31}"
    kit = kit_of(("act: charter, rule: unanimity", f"act: charter, {rule}"))
    bare = amend(kit, "bree", kit.charter + b"# bare\n", "bree")
    assert kit.fold("cora").slots[bare].why == "names no deadline, and clause 5.1 asks for one"
    pass_days(kit, 0)
    proposal = amend(kit, "arda", kit.charter + b"# second\n", "arda", "cora", by=kit.time + 3 * DAY)
    assert kit.fold("cora").slots[proposal].due == "2027-01-01"
    kit.consent("bree", proposal)
    kit.acks()
    assert kit.fold("cora").slots[proposal].due == "2027-01-01", "a later consent moves nothing"


def test_until_then_everything_is_decided_by_the_charter_in_force_the_next_amendment_too() -> None:
    """The first amendment gives the next ones to two of three, from the day on which it is in force."""
    unanimous, by_two = "act: charter, rule: unanimity", "act: charter, rule: fraction, share: 2/3"
    kit = kit_of((unanimous, f"{unanimous}, {LATER}"))
    text = kit.charter.decode().replace(f"{unanimous}, {LATER}", by_two).encode()
    first = amend(kit, "arda", text, *MEMBERS)
    due = kit.fold("arda").slots[first].due
    project = begin(kit, days=30)
    assert kit.fold("bree").slots[project].state == "open", "under the charter in force"
    second = amend(kit, "bree", text + b"# third\n", "arda", "bree")
    slot = kit.fold("cora").slots[second]
    assert (slot.state, slot.missing) == ("open", ("cora",)), "two of three are not enough yet"
    kit.consent("cora", second)
    kit.acks()
    register = kit.fold("arda")
    assert [one for one, _ in register.coming] == [first, second]
    assert register.coming[1][1] >= due
    pass_days(kit, 31)
    assert in_force(kit) == {second}
    kit.charter_id = second
    third = amend(kit, "cora", text + b"# fourth\n", "bree", "cora")
    assert in_force(kit) == {third}, "two of three, at once: the new rule says nothing of a delay"


def test_what_is_proposed_under_a_charter_that_is_not_in_force_yet_waits() -> None:
    kit = kit_of(("act: charter, rule: unanimity", f"act: charter, rule: unanimity, {LATER}"))
    first = amend(kit, "arda", kit.charter + b"# second\n", *MEMBERS)
    kit.charter_id = first
    project = begin(kit, days=90)
    assert kit.fold("bree").slots[project].why == "names a charter version that is not in force here"
    pass_days(kit, 31)
    for one in MEMBERS:
        kit.consent(one, project)
    kit.acks()
    assert {kit.fold(me).slots[project].state for me in MEMBERS} == {"in_force"}
