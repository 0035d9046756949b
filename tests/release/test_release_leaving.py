"""What survives an exit: exactly what the charter keeps for the leaver, and by its clause."""

from __future__ import annotations

import functools
import random
from collections import Counter

import msgspec
import pytest
from reference import reference
from release_random import Mood, random_question, random_world
from release_world import CHARTER, NOW, ask, good, hexed, someone

from relto.acts import Term
from relto.charter import load, read
from relto.release import decide, usual
from relto.release.decide import judge
from relto.release.kernel import Asking, kernel_of

EXITS = """\
exits:
- kind: own_wish
  notice: 1 month
  clause: "13.1"
  keeps:
  - {id: results, lasts: 6 months, access: {made: results, projects: [lamp], purposes: [study]}, clause: 13.1.1, says: Study.}
  - {id: all-of-the-oil, access: {made: all, projects: [oil]}, clause: 13.1.2, says: What is in the oil.}
- {kind: excluded, decided_by: expel, clause: "13.2"}
candidates:"""
LEAVING = CHARTER.replace("engine: 1", "engine: 3").replace("candidates:", EXITS)
BREE = "{id: bree, name: Bree, code: BRE, grade: member, since: 2020-01-01,"
LEFT = LEAVING.replace(BREE, f"{BREE} until: 2026-07-31, left_by: own_wish,").replace("confirm: 3", "confirm: 2")
EXCLUDED = LEFT.replace("left_by: own_wish", "left_by: excluded")
LONG = Term(since="2026-01-01", until="2029-01-01")
DAYS = ("2026-02-01", "2026-08-01", "2026-09-21", "2026-09-22", "2026-09-23")


@functools.cache
def charter(text):
    return load(read(text.encode(), "charter.yaml"))


def found(decision):
    return decision.answer, {one.rule: one.value.value for one in decision.findings if "/" not in one.rule}


def random_leaving(seed):
    """A random world of this charter in which many have left, and items that were made before and after."""
    mood = Mood(random.Random(seed))
    world = random_world(mood)
    world.charter = charter(mood.rnd.choice([LEAVING, LEAVING, LEFT, EXCLUDED]))
    for party in ("bree", "cora", "dun"):
        if mood.rnd.random() < 0.6:
            world.withdraws[party] = mood.rnd.choice(DAYS)
    # A licence is drawn on for what it names.
    world.licences = [msgspec.structs.replace(one, draws=frozenset()) for one in world.licences]
    for versions in world.items.values():
        made = {"at": NOW - mood.rnd.choice([0, 1, 30, 300]) * 86_400_000, "background": mood.rnd.random() < 0.2}
        versions[:] = [
            msgspec.structs.replace(one, facts=msgspec.structs.replace(one.facts, **made)) for one in versions
        ]
    return mood, world


def test_random_leavers_are_answered_as_the_reference_does_and_the_kernel_does():
    kept = Counter()
    for seed in range(70):
        mood, world = random_leaving(seed)
        register = world.register()
        for n in range(3):
            question = random_question(mood, world)
            mine = judge(register, question).decision
            assert found(mine) == reference(register, question), seed
            by = [one.clause for one in mine.findings if one.rule == "standing.party"]
            kept[mine.answer if by[0].startswith("13.1") else "other"] += 1
            if n or seed % 3:
                continue  # kernels are dear; the slow rules are asked each time
            same = usual(register, register.item(question.item), question.to, question.day, question.purpose)
            kernel = kernel_of(register, question.day, Asking(purpose=question.purpose))
            fast, slow = kernel.explain(question.item, 1, question.to), judge(register, same).decision
            assert (fast.answer, fast.findings, fast.id) == (slow.answer, slow.findings, slow.id), seed
    assert kept["permit"] > 5, kept
    assert kept["deny"] > 5, kept


@pytest.fixture
def left():
    """Bree gave notice; it has run out on the first of August."""
    world = good()
    world.charter, world.withdraws = charter(LEAVING), {"bree": "2026-08-01"}
    return world


def standing(world, **asked):
    decision = decide(world.register(), ask(someone("bree"), **asked))
    return decision, next(one for one in decision.findings if one.rule == "standing.party")


def test_a_right_that_survives_permits_by_its_clause_until_its_last_day(left):
    decision, finding = standing(left, purpose="study")
    assert decision.answer == "permit"
    assert (finding.clause, [one.name for one in finding.facts]) == ("13.1.1", ["recipient.ledger", "kept.results"])
    assert decision.valid_until == "2026-12-31"  # what Bree attested ends before the right does, on 2027-02-01
    left.attestations = [
        msgspec.structs.replace(one, terms=msgspec.structs.replace(one.terms, term=LONG)) for one in left.attestations
    ]
    assert standing(left, purpose="study")[0].valid_until == "2027-02-01"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"purpose": "repair"}, "another purpose"),
        ({"item": "arda/oil"}, "an item of another making in a project that it never was in"),
        ({"day": NOW + 140 * 86_400_000}, "after the last day"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_the_right_does_not_name_is_denied(left, change, why):
    left.item("arda/oil", project="vault", areas=())
    decision, finding = standing(left, **{"purpose": "study", **change})
    assert decision.answer == "deny", why
    assert finding.deny_code == "PARTY_WITHDRAWN"


def test_what_was_registered_after_the_exit_is_denied(left):
    versions = left.items["arda/lens"]
    facts = msgspec.structs.replace(versions[0].facts, at=NOW)
    versions[0] = msgspec.structs.replace(versions[0], facts=facts)
    assert standing(left, purpose="study")[1].deny_code == "PARTY_WITHDRAWN"


def test_an_exclusion_keeps_nothing_and_a_text_of_engine_2_knows_no_rights(left):
    left.charter, left.withdraws = charter(EXCLUDED), {}
    assert standing(left, purpose="study")[1].deny_code == "PARTY_WITHDRAWN"
    left.charter = charter(LEFT)
    assert standing(left, purpose="study")[1].clause == "13.1.1"
    assert left.charter.members == ("arda", "cora")


def test_a_suspended_or_recalled_item_stays_so_for_who_left(left):
    left.recall("bree", "arda/lens")
    decision, finding = standing(left, purpose="study")
    assert (decision.answer, finding.value.value) == ("deny", "yes")
    assert [one.rule for one in decision.failing] == ["denied"]


def test_no_clause_of_a_right_that_is_struck_out_widens(left):
    from relto.charter.asking import struck

    whole = left.charter
    for clause in ("13.1", "13.1.1", "13.1.2"):
        left.charter = struck(whole, clause)
        answer = standing(left, purpose="study")[0].answer
        assert answer == ("permit" if clause == "13.1.2" else "deny"), (clause, hexed(clause)[:4])
