"""What each rule makes of votes, and that no rule forgets what it has decided."""

from __future__ import annotations

import itertools

import pytest
from acts_kit import MEMBERS, TERM, Kit, charter_text

from relto import acts
from relto.acts.tally import Word, needed, outcome
from relto.charter import Decision

YES, NO, SILENT = Word(consent=True), Word(consent=False), Word(consent=False, silent=True)


def rule(name: str, k: int = 0) -> Decision:
    return Decision(act="engage", rule=name, voters="members", k=k, clause="1.1")


RULES = [None, *(rule(one) for one in ("unanimity", "majority", "all_affected")), rule("k_of_n", 3), rule("k_of_n", 4)]
LETTERS = {"y": YES, "n": NO, "s": SILENT}


def said(votes: str) -> dict[str, Word]:
    return {f"v{n}": LETTERS[one] for n, one in enumerate(votes) if one != "."}


@pytest.mark.parametrize(
    ("which", "votes", "state"),
    [
        (None, "yyy", "in_force"),
        (None, "yy.", "open"),
        (None, "yyn", "dead"),
        (None, "..s", "dead"),
        (rule("majority"), "yy.", "in_force"),
        (rule("majority"), "y.n", "open"),
        (rule("majority"), "nn.", "dead"),
        (rule("majority"), "yy..", "open"),
        (rule("majority"), "yyy.", "in_force"),
        (rule("majority"), "nn..", "dead"),
        (rule("k_of_n", 3), "yy.", "open"),
        (rule("k_of_n", 3), "yyyn", "in_force"),
        (rule("k_of_n", 3), "nny.", "dead"),
        (rule("k_of_n", 1), "y..", "open"),  # one of three is never enough: two contrary votes could both pass
        (rule("k_of_n", 9), "yyy", "in_force"),  # the nine less those who do not vote
        (rule("all_affected"), "yyy", "in_force"),
        (rule("owner"), "y", "in_force"),
        (rule("owner"), "n", "dead"),
    ],
)
def test_the_rules(which, votes, state):
    assert outcome(which, [f"v{n}" for n in range(len(votes))], (), said(votes)) == state


def test_who_is_bound_is_asked_whatever_the_rule():
    voters = ("a", "b", "c")
    two = {"a": YES, "b": YES}
    assert outcome(rule("majority"), voters, ("d",), two) == "open"
    assert outcome(rule("majority"), voters, ("d",), {**two, "d": YES}) == "in_force"
    assert outcome(rule("majority"), voters, ("d",), {**two, "d": NO}) == "dead"
    assert outcome(rule("majority"), voters, ("d",), {"d": NO}) == "dead"


def test_nobody_never_decides():
    assert outcome(None, (), (), {}) == "open"
    assert outcome(rule("majority"), (), (), {}) == "open"


@pytest.mark.parametrize("which", RULES)
@pytest.mark.parametrize("n", range(1, 6))
def test_what_is_decided_stays_and_dead_is_hopeless(which, n):
    """All states of up to five votes: more votes never change what is decided, and only the hopeless is dead."""
    voters = [f"v{i}" for i in range(n)]
    state = {votes: outcome(which, voters, (), said("".join(votes))) for votes in itertools.product(".yn", repeat=n)}
    for votes, now in state.items():
        later = {state[tuple(more)] for more in itertools.product(*(one if one != "." else ".yn" for one in votes))}
        if now == "open":
            assert len(later - {"open"}) == 2 or "".join(votes).count(".") == 0
        else:
            assert later == {now}


@pytest.mark.parametrize("which", RULES)
@pytest.mark.parametrize("n", range(1, 9))
def test_two_winners_share_a_voter(which, n):
    assert 2 * needed(which, n) > n


def test_a_charter_that_decides_by_majority():
    """Two of three begin a project; the third refuses, and its refusal comes to nothing."""
    text = charter_text().replace(b"act: project, rule: unanimity", b"act: project, rule: majority")
    kit = Kit()
    kit.charter = text
    kit.found()
    kit.acks()
    terms = acts.ProjectTerms(
        project="new", name="New", pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
    )
    proposal = kit.propose("arda", "project/new", 1, terms)
    kit.consent("arda", proposal)
    kit.acks()
    assert kit.fold("bree").slots[proposal].state == "open"
    kit.consent("bree", proposal)
    slot = kit.fold("bree").slots[proposal]
    assert (slot.state, slot.provisional) == ("open", True)
    kit.acks()
    kit.refuse("cora", proposal)
    kit.acks()
    for me in MEMBERS:
        slot = kit.fold(me).slots[proposal]
        assert (slot.state, slot.provisional) == ("in_force", False)
        assert "new" in kit.fold(me).projects


def test_a_second_proposal_waits_until_the_first_cannot_win():
    """V3 with a majority: one refusal of three does not free those who consented to the first; two do."""
    kit = Kit()
    kit.charter = charter_text().replace(b"act: project, rule: unanimity", b"act: project, rule: majority")
    kit.found()
    kit.acks()
    first, second = (
        kit.propose(
            name,
            "project/new",
            1,
            acts.ProjectTerms(
                project="new", name=name, pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM
            ),
        )
        for name in ("arda", "bree")
    )
    kit.consent("arda", first)
    kit.refuse("bree", first)
    kit.acks()
    kit.consent("arda", second)
    assert [one.void for one in kit.fold("cora").slots[second].votes] == [
        "another proposal of this slot has this party's consent and was not dead in what it had seen"
    ]
    kit.refuse("cora", first)
    kit.acks()
    kit.acks()  # only now does what each acknowledges hold the acknowledges of the others
    kit.consent("arda", second)
    kit.consent("bree", second)
    kit.acks()
    register = kit.fold("cora")
    assert (register.slots[first].state, register.slots[second].state) == ("dead", "in_force")
