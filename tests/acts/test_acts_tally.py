"""What each rule makes of votes, and that no rule forgets what it has decided."""

from __future__ import annotations

import itertools

import pytest
from acts_kit import MEMBERS, TERM, Kit, charter_text

from relto import acts
from relto.acts.votes.tally import outcome
from relto.charter import Decision, Poll
from relto.charter.model import Fraction, Veto
from relto.charter.rules import faults


def rule(name: str, k: int = 0, **more: object) -> Decision:
    return Decision(act="engage", rule=name, voters="members", k=k, clause="1.1", **more)


TWO_THIRDS = Fraction(part=2, whole=3)
CAST = {"counted": "cast", "silence": "abstains"}
RULES = [
    None,
    *(rule(one) for one in ("unanimity", "majority", "all_affected")),
    rule("k_of_n", 3),
    rule("k_of_n", 4),
    rule("fraction", share=TWO_THIRDS),
    rule("double_majority", share=TWO_THIRDS, contributions=TWO_THIRDS),
    rule("weighted", blocked_by=3),
]
OF_VOTES_CAST = [
    rule("majority", **CAST),
    rule("fraction", share=TWO_THIRDS, quorum=Fraction(part=1, whole=2), **CAST),
    rule("double_majority", share=TWO_THIRDS, contributions=TWO_THIRDS, **CAST),
    rule("unanimity", **CAST),
    rule("majority", silence="consents"),
    rule("fraction", share=TWO_THIRDS, veto=Veto(grounds=("harm",)), **CAST),
]
LETTERS = {"y": "consent", "n": "refuse", "s": "silent", "v": "veto"}


def said(votes: str) -> dict[str, str]:
    return {f"v{n}": LETTERS[one] for n, one in enumerate(votes) if one != "."}


def decided(which, voters, bound, voices):
    """With weights 1, 2, 3 … where the rule counts them."""
    weights = {one: n for n, one in enumerate(voters, 1)}
    poll = which and Poll(rule=which, voters=tuple(voters), asked=tuple(bound), weights=weights)
    return outcome(poll, (*voters, *bound), voices)


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
    assert decided(which, [f"v{n}" for n in range(len(votes))], (), said(votes)) == state


def test_who_is_bound_is_asked_whatever_the_rule():
    voters = ("a", "b", "c")
    two = {"a": "consent", "b": "consent"}
    assert decided(rule("majority"), voters, ("d",), two) == "open"
    assert decided(rule("majority"), voters, ("d",), {**two, "d": "consent"}) == "in_force"
    assert decided(rule("majority"), voters, ("d",), {**two, "d": "refuse"}) == "dead"
    assert decided(rule("majority"), voters, ("d",), {"d": "refuse"}) == "dead"


def test_nobody_never_decides():
    assert decided(None, (), (), {}) == "open"
    assert decided(rule("majority"), (), (), {}) == "open"


@pytest.mark.parametrize("which", RULES)
@pytest.mark.parametrize("n", range(1, 6))
def test_what_is_decided_stays_and_dead_is_hopeless(which, n):
    """All states of up to five votes: more votes never change what is decided, and only the hopeless is dead."""
    voters = [f"v{i}" for i in range(n)]
    state = {votes: decided(which, voters, (), said("".join(votes))) for votes in itertools.product(".yn", repeat=n)}
    for votes, now in state.items():
        later = {state[tuple(more)] for more in itertools.product(*(one if one != "." else ".yn" for one in votes))}
        if now == "open":
            assert len(later - {"open"}) == 2 or "".join(votes).count(".") == 0
        else:
            assert later == {now}


@pytest.mark.parametrize("which", OF_VOTES_CAST)
@pytest.mark.parametrize("n", range(1, 5))
def test_where_silence_speaks_what_is_decided_stays_too(which, n):
    voters, letters = [f"v{i}" for i in range(n)], ".ynsv" if which.veto else ".yns"
    state = {votes: decided(which, voters, (), said("".join(votes))) for votes in itertools.product(letters, repeat=n)}
    for votes, now in state.items():
        more = itertools.product(*(one if one != "." else letters.replace(".", "") for one in votes))
        ends = {state[one] for one in more}
        if now != "open":
            assert ends == {now}
        else:  # open means that it can still go either way
            assert ends == {"in_force", "dead"}


def wins(which, voters, yes):
    return decided(which, voters, (), {one: "consent" if one in yes else "refuse" for one in voters}) == "in_force"


@pytest.mark.parametrize("which", RULES)
@pytest.mark.parametrize("n", range(1, 7))
def test_two_winners_share_a_voter(which, n):
    """Of every rule that `charter check` lets through."""
    voters = [f"v{i}" for i in range(n)]
    weights = {one: n for n, one in enumerate(voters, 1)}
    if which and list(faults(Poll(rule=which, voters=tuple(voters), weights=weights))):
        return
    winners = [set(yes) for size in range(n + 1) for yes in itertools.combinations(voters, size)]
    winners = [yes for yes in winners if wins(which, voters, yes)]
    assert winners
    assert all(one & other for one in winners for other in winners)


@pytest.mark.parametrize("which", OF_VOTES_CAST)
@pytest.mark.parametrize("n", [3, 4])
def test_of_votes_cast_two_contrary_proposals_never_both_win(which, n):
    """However the votes fall: who consents to one refuses the other, or had seen it die, or was silent before."""
    voters = [f"v{i}" for i in range(n)]
    for votes in itertools.product("xyns", repeat=n):
        first = {
            one: "consent" if v == "x" else "silent" if v == "s" else "refuse"
            for one, v in zip(voters, votes, strict=True)
        }
        second = {
            one: "consent" if v == "y" else "silent" if v == "s" else "refuse"
            for one, v in zip(voters, votes, strict=True)
        }
        if which.silence == "consents":  # silence on the second, after silence on the first, is a refusal
            second = {one: "refuse" if v == "silent" else v for one, v in second.items()}
        assert (decided(which, voters, (), first), decided(which, voters, (), second)) != ("in_force", "in_force")


def test_what_check_refuses_is_what_could_be_carried_twice():
    """The mutants: a half, a blocking minority of the whole, a rule that nothing meets, nobody to vote."""
    three = ("a", "b", "c")
    ones = dict.fromkeys(three, 1)
    half = rule("fraction", share=Fraction(part=1, whole=2))
    assert list(faults(Poll(rule=half, voters=three))) == ["two contrary proposals could both be carried"]
    loose = rule("weighted", blocked_by=3)
    assert list(faults(Poll(rule=loose, voters=three, weights=ones))) == [
        "two contrary proposals could both be carried"
    ]
    assert list(faults(Poll(rule=rule("weighted", blocked_by=2), voters=three, weights=ones))) == []
    shares = rule("double_majority", share=TWO_THIRDS, contributions=TWO_THIRDS)
    assert list(faults(Poll(rule=shares, voters=()))) == ["nobody has a vote on it"]
    assert list(faults(Poll(rule=shares, voters=three, weights=ones))) == []


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
