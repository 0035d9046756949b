"""What engine 2 adds: how a text is refused, whose rule counts, and what stands in plain words."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from relto.charter import Matter, check, draft, load, poll, read
from relto.charter.compare import amendment, sentences
from relto.charter.rules import sections_touched
from relto.errors import Malformed, NotFound

RIVER = (Path(__file__).parent / "river" / "charter.yaml").read_text()
ESA = (Path(__file__).parents[2] / "relto/data/charters/esa/charter.yaml").read_text()


def edited(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, (text.count(old), old)
        text = text.replace(old, new)
    return text


def problems(text: str, day: str | None = None) -> list[tuple[str, str, str]]:
    return [(one.severity, one.message, one.hint) for one in check(read(text.encode(), "river.yaml"), day)]


def test_the_fifth_charter_is_sound() -> None:
    assert problems(RIVER) == []


WRONG = [
    # grades and parties
    ("grade: port, since", "grade: ports, since", "there is no grade `ports`", "did you mean `port`?"),
    (
        "{id: bank, votes: all,",
        "{id: bank, votes: all, signs: false,",
        "`bank` votes, and does not consent",
        "signs: true",
    ),
    ("until: 2031-12-31", "until: 2019-12-31", "`low` leaves on 2019-12-31, before it comes (2020-01-01)", ""),
    (
        "since: 2021-01-01, clause",
        "since: 2021-01-01, formerly: [{grade: bank, term: 2020-01-01..2021-06-30}], clause",
        "`sea` has two grades on the same days",
        "since 2021-01-01",
    ),
    ("code: SEA, grade: port", "code: SEA, attributes: [wet], grade: port", "there is no attribute `wet`", ""),
    # projects
    ("within: gauge-net", "within: deep-channel", "`deep-channel` lies within itself", "`deep-channel` within"),
    ("within: gauge-net", "within: lock-gates", "`lock-gates` is of pillar `locks`, and `deep-channel` is not", ""),
    ("within: gauge-net", "within: gauge-nett", "there is no project `gauge-nett`", "did you mean `gauge-net`?"),
    (
        "participants: [upp, mid, low], clause",
        "participants: [upp, mid], clause",
        "`low` takes part in `deep-channel`, and not in `gauge-net`",
        "",
    ),
    (
        "within: gauge-net, term",
        "shares: [{party: upp, of: money, parts: 1}], within: gauge-net, term",
        "`upp` has a share in `deep-channel` and does not take part",
        "",
    ),
    (
        'participants: [upp, mid], clause: "3.6"',
        'participants: [upp, mid], access_lasts: 1 year, clause: "3.6"',
        "`lock-gates` has no last day after which access could last",
        "term",
    ),
    # rules
    ("save_for: [4.2.1], ", "", "clause `4.2.1` is about some of the same matters", "save_for: [4.2.1]"),
    ("save_for: [4.2.1]", "save_for: [4.2.9]", "there is no narrower rule `4.2.9`", "4.2.1"),
    ("blocked_by: 6", "blocked_by: 14", "two contrary proposals could both be carried", "25 votes or parts"),
    (
        "{act: admit, rule: weighted, blocked_by: 6,",
        "{act: admit, rule: fraction, share: 1/2,",
        "two contrary proposals could both be carried",
        "`upp`",
    ),
    (
        "rule: all_affected, voters: participants",
        "rule: all_affected, voters: members",
        "whom a matter affects is known of projects",
        "`participants`",
    ),
    (
        "{act: admit, rule: weighted, blocked_by: 6, voters: members,",
        "{act: admit, rule: k_of_n, k: 2, voters: members, assent: [{party: sea}],",
        "`sea` is asked and does not consent to the charter: a power that nobody holds",
        "signs: true",
    ),
    (
        '{act: expel, rule: unanimity, voters: other_members, party_to_be_bound: is_told, clause: "4.7"}',
        '{act: expel, rule: unanimity, voters: members, party_to_be_bound: is_told, clause: "4.7"}',
        "the party to be expelled would vote on itself",
        "`other_members`",
    ),
    ("voters: participants, clause: 4.2.1", "voters: owners, clause: 4.2.1", "`project` is nobody's own affair", ""),
    (
        "clause: 4.2.1}",
        "clause: 4.2.1}\n- {act: project, pillars: [locks], rule: majority, voters: members, clause: 4.2.2}",
        "another entry `act: project` is about the same matters",
        "one rule for one matter",
    ),
    ("pillars: [locks], rule", "pillars: [lcks], rule", "there is no pillar `lcks`", "did you mean `locks`?"),
    # limits, layers, leaving
    (
        "limits: [seen-from-the-banks, old-maps]",
        "limits: [old-maps]",
        "`releases` does not name `seen-from-the-banks`",
        "",
    ),
    (
        "limits: [seen-from-the-banks, old-maps]",
        "limits: [seen-from-the-banks, old-map]",
        "no limit `old-map`",
        "old-maps",
    ),
    (
        "{id: old-maps, owners",
        "{id: old-maps, to: outsiders, parties: [upp], owners",
        "is about outsiders, and names",
        "",
    ),
    (
        "projects: [deep-channel], needs",
        "projects: [deep-channel], pillars: [locks], needs",
        "none of the projects of `seen-from-the-banks` is of these pillars",
        "",
    ),
    ("name: The law of the river,", "name: The law of the river, under: law-of-the-river,", "stands under itself", ""),
    (
        "layer: law-of-the-river, projects",
        "layer: law-of-river, projects",
        "there is no layer `law-of-river`",
        "did you mean",
    ),
    (
        "windows:\n",
        'exits:\n- {kind: default, clause: "8.9"}\nwindows:\n',
        "nobody decides that a party leaves by `default`: a power that nobody holds",
        "decided_by: expel",
    ),
    (
        "windows:\n",
        'exits:\n- {kind: own_wish, notice: 1 month, clause: "8.9"}\nwindows:\n',
        "leaving at one's own wish takes 1 month here and 6 months under `withdrawal`",
        "one of the two",
    ),
    (
        "windows:\n",
        'suspended_votes:\n- {party: sea, clause: "4.10"}\nwindows:\n',
        "`sea` has no vote that could be suspended",
        "",
    ),
]


@pytest.mark.parametrize(("old", "new", "words", "hint"), WRONG)
def test_what_does_not_fit_is_refused_where_it_stands(old: str, new: str, words: str, hint: str) -> None:
    text = edited(RIVER, (old, new))
    found = problems(text)
    assert any(severity == "error" and words in message and hint in said for severity, message, said in found), found
    with pytest.raises(Malformed) as caught:
        load(read(text.encode(), "river.yaml"))
    line = int(caught.value.where.split(":")[1])
    assert 1 <= line <= text.count("\n")


UNREAD = [
    ("rule: weighted, blocked_by: 6,", "rule: loudest,", "`loudest` is not one of the words known here", "known:"),
    (
        "needs: [{until: 2030-12-31}]",
        "needs: [{moon: full}]",
        "nothing is asked for that has an evaluator",
        "one of `attested`",
    ),
    (
        "needs: [{until: 2030-12-31}]",
        "needs: [{until: 2030-12-31, never: true}]",
        "one thing is asked for at a time",
        "",
    ),
    ("blocked_by: 6, ", "", "`blocked_by` is missing here", "add a line"),
    ("blocked_by: 6, ", "blockd_by: 6, ", "`blockd_by` stands here, and `blocked_by` is missing", "did you mean"),
    ("notice: 6 months", "notice: half a year", "`half` is not a whole number", ""),
    ("caretaker: 2027-04-01..2027-05-31", "caretaker: 2027-06-01..2027-05-31", "ends before it begins", ""),
    ("engine: 2", "engine: 1", "`grades` is a word of engine 2", "write `engine: 2`"),
]


@pytest.mark.parametrize(("old", "new", "words", "hint"), UNREAD)
def test_a_rule_without_an_evaluator_is_refused_when_it_is_written(old: str, new: str, words: str, hint: str) -> None:
    text = edited(RIVER, (old, new))
    ((severity, message, said),) = problems(text)
    assert severity == "error"
    assert words in message
    assert hint in said


def test_every_entry_that_is_not_understood_is_named_at_once_at_its_place() -> None:
    text = edited(
        RIVER,
        ("name: Upper Land, ", "nmae: Upper Land, "),
        ("access: open_per_project", "access: ajar"),
        ('votes: 10, clause: "2.2"', 'votes: ten, clause: "2.2"'),
    )
    found = check(read(text.encode(), "river.yaml"))
    assert [one.message for one in found] == [
        "`nmae` stands here, and `name` is missing",
        "`ten` is not a whole number",
        "`ajar` is not one of the words known here",
    ]
    for one, needle in zip(found, ("nmae: Upper", "ten, clause", "ajar"), strict=True):
        before = text.partition(needle)[0]
        assert one.where == f"river.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def test_on_a_day_what_is_over_is_a_warning() -> None:
    words = [message for severity, message, _ in problems(RIVER, "2032-01-01") if severity == "warning"]
    assert words == [
        "`low` is a party no more since 2031-12-31",
        "`deep-channel` is over since 2029-12-31",
        "nothing meets `old-maps` since 2030-12-31",
        "the vote of the dikes of `low` was on 2027-05-01",
    ]
    assert problems(RIVER, "2026-09-22") == []


def test_the_narrowest_entry_rules_and_without_it_nothing_does() -> None:
    charter = draft(read(RIVER.encode(), "r"))
    locks = Matter(act="project", pillar="locks", participants=("upp", "mid"))
    assert poll(charter, locks).rule.clause == "4.2.1"
    assert poll(charter, locks).voters == ("upp", "mid")
    other = Matter(act="project", pillar="water", participants=("upp", "mid", "low"))
    assert poll(charter, other).rule.clause == "4.2"
    gone = draft(
        read(
            edited(
                RIVER, (RIVER[RIVER.index("- {act: project, pillars") : RIVER.index("- {act: engage")], "")
            ).encode(),
            "r",
        )
    )
    with pytest.raises(NotFound, match="save for"):
        poll(gone, locks)


def test_what_an_amendment_touches_is_named_by_the_heads_of_its_sections() -> None:
    old = draft(read(RIVER.encode(), "r"))
    new = edited(
        RIVER, ("votes: 5,", "votes: 6,"), ("says: To measure", "says: To know"), ("notice: 6 months", "notice: 1 year")
    )
    assert sections_touched(old, draft(read(new.encode(), "r"))) == {"parties", "purpose", "withdrawal"}
    assert sections_touched(old, draft(read(f"{RIVER}# a comment\n".encode(), "r"))) == frozenset()


def test_every_clause_has_its_sentence() -> None:
    bare = {"purpose", "standing", "labels"}
    for text in (RIVER, ESA):
        told = sentences(draft(read(text.encode(), "r")))
        assert [one.clause for one in told if not one.words and one.of not in bare] == []
    words = {one.clause: one.words for one in sentences(draft(read(RIVER.encode(), "r")))}
    assert (
        words["4.2"]
        == "To begin a project is decided by the members, unless 10 votes are against. Save for clause 4.2.1."
    )
    assert words["5.3"] == (
        "What goes to anybody else in deep-channel only if it is asked for in UPP, MID or LOW (law-of-the-river)."
    )
    assert words["9.1"] == "low: vote of the dikes on 2027-05-01. It consents to nothing from 2027-04-01 to 2027-05-31."


def test_an_amendment_is_told_clause_by_clause() -> None:
    new = edited(
        RIVER,
        ("rule: weighted, blocked_by: 6,", "rule: unanimity,"),
        ('clause: "3.3"', 'clause: "3.30"'),
        ('- {id: sea, name: Sea Port, code: SEA, grade: port, since: 2021-01-01, clause: "2.4"}\n', ""),
        ("windows:\n", 'windows:\n- {party: upp, what: vote, date: 2028-01-01, clause: "9.2"}\n'),
    )
    found = amendment(draft(read(RIVER.encode(), "r")), draft(read(new.encode(), "r")))
    assert [(one.kind, one.clause, one.formerly) for one in found] == [
        ("moved", "3.30", "3.3"),
        ("changed", "4.6", ""),
        ("added", "9.2", ""),
        ("removed", "2.4", ""),
    ]
    assert (
        found[1].was == "To admit a party is decided by the members, unless 6 votes are against and by whom it binds."
    )
    assert found[1].now == "To admit a party is decided by all of the members and by whom it binds."


def test_whatever_is_written_check_answers() -> None:
    """Words of the text in other places of it, words and lines gone: problems with their place, or a sound charter."""
    words, chance, sound = sorted(set(re.findall(r"[A-Za-z0-9_./-]+", RIVER))), random.Random(7), 0
    for _ in range(60):
        text = RIVER
        for _ in range(chance.choice((1, 1, 2))):
            place = chance.choice(list(re.finditer(r"[A-Za-z0-9_./-]+", text)))
            new = chance.choice(words) if chance.random() < 0.7 else ""
            text = text[: place.start()] + new + text[place.end() :]
        try:
            source = read(text.encode(), "river.yaml")
        except Malformed:
            continue
        found = check(source, "2026-09-22")
        assert all(re.fullmatch(r"river\.yaml:[0-9]+:[0-9]+", one.where) for one in found)
        if not any(one.severity == "error" for one in found):
            sound += 1
            assert sentences(load(source))
    assert sound
