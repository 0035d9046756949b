"""What does not fit together in a charter, each with its place and the next step."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from relto.charter import draft, lint, load, read
from relto.charter.cases import CASES_MAX
from relto.charter.draft import (
    AREAS_MAX,
    DAYS_MAX,
    ENTRIES_MAX,
    OFFICERS_MAX,
    PARTIES_MAX,
    PILLARS_MAX,
    PROJECTS_MAX,
    PURPOSES_MAX,
)
from relto.charter.model import (
    Access,
    Basis,
    ExitKind,
    JointAct,
    OfficerAct,
    Rule,
    Share,
    Silence,
    Stage,
    Standing,
    Status,
    Suspends,
    Voters,
)
from relto.charter.parties import PINS_MAX
from relto.errors import Malformed

TINY = Path(__file__).with_name("tiny.yaml").read_text()


def place(text: str, needle: str) -> str:
    before, found, _ = text.partition(needle)
    assert found, needle
    return f"tiny.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def edited(*changes: tuple[str, str]) -> str:
    text = TINY
    for old, new in changes:
        assert text.count(old) == 1, f"{text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


def problems(text: str) -> list[tuple[str, str, str, str]]:
    source = read(text.encode(), "tiny.yaml")
    return [(one.where, one.severity, one.message, one.hint) for one in lint(draft(source), source)]


def test_the_invented_charter_fits_together() -> None:
    assert problems(TINY) == []


ERRORS = [
    # what stands twice
    (
        'members: [arda, bree], clause: "3.2"',
        'members: [arda, bree], clause: "2.1"',
        '"2.1"}\nareas',
        "clause `2.1` stands here a second time",
        "tiny.yaml:9:",
    ),
    ("{id: bree, name", "{id: arda, name", "arda, name: Bree", "id `arda` stands here a second time", "tiny.yaml:9:8"),
    (
        "code: BRE, grade",
        "code: ARD, grade",
        "ARD, grade: member, since: 2020-02",
        "code `ARD` stands here a second time",
        "",
    ),
    ("{id: vault", "{id: lamp", "lamp, name: The vault", "id `lamp` stands here a second time", ""),
    (
        'officers: 2, clause: "6.2"}',
        'officers: 2, clause: "6.2"}\n- {act: determine, officers: 1, clause: "6.3"}',
        "determine, officers: 1",
        "act `determine` stands here a second time",
        "",
    ),
    # confirmation
    (
        "confirm: 2",
        "confirm: 1",
        "1\npurpose",
        "with 1 of 2 members two contrary votes could both be confirmed",
        "at least 2: 2w > n + 1",
    ),
    ("confirm: 2", "confirm: 3", "3\npurpose", "3 ledgers cannot acknowledge a vote: there are 2 members", "at most 2"),
    (
        "grade: member, since: 2020-02",
        "grade: observer, since: 2020-02",
        "- {id: arda",
        "a partnership has at least two members",
        "",
    ),
    # pillars, areas, projects
    (
        'members: [arda, bree], clause: "3.2"',
        'clause: "3.2"',
        "{id: inner",
        "the closed pillar `inner` names no members",
        "members",
    ),
    ('members: [arda, bree], clause: "3.2"', 'members: [arda, BREE], clause: "3.2"', "BREE", "is not an id", ""),
    (
        'members: [arda, bree], clause: "3.2"',
        'members: [arda, bee], clause: "3.2"',
        "bee]",
        "there is no party `bee`",
        "did you mean `bree`?",
    ),
    (
        'members: [arda, bree], clause: "3.2"',
        'members: [arda], clause: "3.2"',
        'bree], clause: "3.5"',
        "`bree` takes part, and the closed pillar `inner` does not name it",
        "",
    ),
    (
        'pillar: light, clause: "3.3"',
        'pillar: lihgt, clause: "3.3"',
        "lihgt",
        "there is no pillar `lihgt`",
        "did you mean `light`?",
    ),
    (
        'pillar: light, clause: "3.3"',
        'pillar: inner, clause: "3.3"',
        "lens]",
        "area `lens` belongs to `inner`, not to `light`",
        "",
    ),
    ("areas: [lens]", "areas: [lense]", "lense", "there is no area `lense`", "did you mean `lens`?"),
    (
        "pillar: inner, participants",
        "pillar: outer, participants",
        "outer",
        "there is no pillar `outer`",
        "known: `light`, `inner`",
    ),
    (
        "  participants: [arda, bree]\n",
        "  participants: [arda, brie, bree]\n",
        "brie",
        "there is no party `brie`",
        "did you mean `bree`?",
    ),
    (
        "  participants: [arda, bree]\n  lead: bree\n",
        "  participants: []\n",
        "[]\n  term",
        "nobody takes part in `lamp`",
        "name the parties",
    ),
    ("  lead: bree", "  lead: cor", "cor\n  term", "`cor` leads and does not take part", ""),
    (
        "term: 2020-02-01..2029-12-31",
        "term: ..2020-01-31",
        "bree]\n  lead",
        "`lamp` ends on 2020-01-31, before `bree` is a party (2020-02-01)",
        "",
    ),
    (
        'name: Study, clause: "4.1"',
        'name: Study, projects: [lamp], clause: "4.1"',
        "{id: vault",
        "no purpose allows `vault`",
        "",
    ),
    (
        "projects: [lamp], clause",
        "projects: [lmap], clause",
        "lmap",
        "there is no project `lmap`",
        "did you mean `lamp`?",
    ),
    # decisions
    (
        '- {act: admit, rule: unanimity, voters: members, clause: "5.6"}\n',
        "",
        "- {act: charter",
        "nothing says how `admit` is decided",
        "add an entry `act: admit`",
    ),
    (
        "rule: owner, voters: owners",
        "rule: owner, voters: members",
        "members, party_to_be_bound: is_told",
        "rule `owner` does not go with voters `members`",
        "",
    ),
    (
        "voters: other_members",
        "voters: members",
        'members, party_to_be_bound: is_told, clause: "5.7"',
        "the party to be expelled would vote on itself",
        "`other_members`",
    ),
    (
        "act: renew, rule: unanimity, voters: members",
        "act: renew, rule: unanimity, voters: other_members",
        "other_members, clause",
        "`renew` has no party that is left out",
        "",
    ),
    (
        "act: project, rule: unanimity, voters: members",
        "act: project, rule: unanimity, voters: participants",
        'participants, clause: "5.2"',
        "`project` is no project's",
        "",
    ),
    (
        "party_to_be_bound: consents",
        "party_to_be_bound: is_told",
        'is_told, clause: "5.3"',
        "`engage` binds a party that did not consent",
        "`consents`",
    ),
    (
        "releases: {rule",
        "releases: {approval: each_time, rule",
        "each_time",
        "approval each time has no evaluator in engine 1",
        "`none`",
    ),
    # freshness and law
    (
        "{ledgers: all, limit: 7 days",
        "{ledgers: [arda], limit: 7 days",
        "- {ledgers: [arda]",
        "no limit holds for every ledger and every label",
        "ledgers: all",
    ),
    ("ledgers: [bree]", "ledgers: [cor]", "cor], limit", "there is no party `cor`", ""),
    (
        "levels: [ARD closed]",
        "levels: [ARD clsed]",
        "ARD clsed",
        "there is no level `clsed` in `ARD`",
        "did you mean `closed`?",
    ),
    ("levels: [ARD closed]", "levels: [COR closed]", "COR closed", "there is no classification system `COR`", ""),
    (
        "{id: BRE, adopter: bree",
        "{id: BRE, adopter: cor",
        'cor, clause: "8.2"',
        "there is no party `cor`",
        "the member that adopts its law",
    ),
    # labels and groups
    ("classified_from: closed", "classified_from: shut", "shut", "there is no level `shut` in `ARD`", ""),
    ("legacy: [white]", "legacy: [grey]", "grey], clause", "`grey` stands among today's levels of `BRE` too", ""),
    (
        "[[open, grey], [open, black]]",
        "[[open, grey], [grey, open, black]]",
        "{id: BRE, ladders",
        "`grey` lies below and above `open`",
        "",
    ),
    (
        "[open, closed, sealed]",
        "[open, closed, sealed, open]",
        "open], classified",
        "this item stands in the list a second time",
        "",
    ),
    ("level: closed, in: BRE, as", "level: shut, in: BRE, as", "shut", "there is no level `shut` in `ARD`", ""),
    ("as: black, exact", "as: blakc, exact", "blakc", "there is no level `blakc` in `BRE`", "did you mean `black`?"),
    ("in: ARD, action: refer", "in: COR, action: refer", "COR, action", "there is no classification system `COR`", ""),
    (
        "level: sealed, in: BRE, action: refuse",
        "level: sealed, in: BRE, as: open",
        'open, clause: "9.5"',
        "`ARD sealed` is held as `open`, below what `ARD closed` is held as",
        "",
    ),
    ("name: Key, covers: closed", "name: Key, covers: ajar", "ajar", "there is no level `ajar` in `ARD`", ""),
    (
        "name: Key, covers: closed",
        "name: open, covers: closed",
        "open, covers",
        "clearance `open` has the name of another level",
        "",
    ),
    (
        "valid: 2025-01-01..",
        "valid: 2024-12-31..",
        "2024-12-31..,",
        "`PAIR` has two lists of members for the same days",
        "the other entry is at",
    ),
    # admission, windows, candidates
    (
        "term: ..2026-12-31",
        "term: ..2019-04-30",
        "..2019-04-30",
        "over on 2019-04-30, before it was signed (2019-05-01)",
        "",
    ),
    ("term: ..2026-12-31", "term: 2019-04-30..", "2019-04-30..", "in force from 2019-04-30, before it was signed", ""),
    ("{party: bree, what", "{party: cor, what", "cor, what", "there is no party `cor`", ""),
    ("- id: cor\n", "- id: bree\n", "bree\n  name: Cor", "`bree` is a party and its own candidate", "delete one"),
    ("code: COR\n", "code: BRE\n", "BRE\n  clause", "`BRE` is the code of the party `bree`", ""),
    (
        "date: 2023, ",
        "date: 2024-04, ",
        "2024-03, standing",
        "2024-03 stands after 2024-04",
        "in the order of its dates",
    ),
]


@pytest.mark.parametrize(("old", "new", "at", "words", "hint"), ERRORS)
def test_an_error_has_its_place_and_the_next_step(old: str, new: str, at: str, words: str, hint: str) -> None:
    text = edited((old, new))
    with pytest.raises(Malformed) as caught:
        load(read(text.encode(), "tiny.yaml"))
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == place(text, at)


WARNINGS = [
    (
        '- {id: BRE, adopter: bree, clause: "8.2"}\n',
        "",
        "{id: bree",
        "no jurisdiction is named whose law `bree` adopts",
    ),
    ("classified_from: closed, ", "", "{id: ARD, levels", "nothing says from which level `ARD` is classified"),
    ("instrument: secrecy, ", "instrument: trust, ", "trust", "no instrument of kind `trust` is listed"),
]


@pytest.mark.parametrize(("old", "new", "at", "words"), WARNINGS)
def test_a_warning_refuses_nothing(old: str, new: str, at: str, words: str) -> None:
    text = edited((old, new))
    ((where, severity, message, _),) = problems(text)
    assert (where, severity) == (place(text, at), "warning")
    assert words in message
    load(read(text.encode(), "tiny.yaml"))


def test_everything_is_said_at_once_and_in_the_order_of_the_text() -> None:
    text = edited(
        ("confirm: 2", "confirm: 1"), ("lead: bree", "lead: cor"), ("{party: bree, what", "{party: cor, what")
    )
    found = problems(text)
    assert [where for where, *_ in found] == [
        place(text, "1\npurpose"),
        place(text, "cor\n  term"),
        place(text, "cor, what"),
    ]


@pytest.mark.parametrize(("members", "least"), [(2, 2), (3, 3), (4, 3), (5, 4), (6, 4), (7, 5), (21, 12)])
def test_the_quorum_of_confirmation(members: int, least: int) -> None:
    """2w > n + 1: two sets of w members share one that does not cheat."""
    more = "".join(
        f"- {{id: more-{n}, name: More, code: X{chr(65 + n)}X, grade: member, since: 2020-01-01, clause: m.{n}}}\n"
        for n in range(members - 2)
    )
    for w in range(1, members + 2):
        text = edited(("confirm: 2", f"confirm: {w}"), ("pillars:\n", f"{more}pillars:\n"))
        errors = [one for one in problems(text) if one[1] == "error"]
        assert bool(errors) != (least <= w <= members)


def test_k_of_n_is_a_majority() -> None:
    source = read(edited(("act: project, rule: unanimity", "act: project, rule: k_of_n, k: 1")).encode(), "tiny.yaml")
    assert draft(source).decision("project").k == 1
    assert [one.message for one in lint(draft(source), source)] == [
        "1 of 2 is no majority: two contrary votes could both pass",
    ]


SPEC = (Path(__file__).parents[2] / "spec" / "charter.md").read_text()


@pytest.mark.parametrize(
    "words",
    [Access, Basis, ExitKind, JointAct, OfficerAct, Rule, Share, Silence, Stage, Standing, Status, Suspends, Voters],
    ids=str,
)
def test_the_specification_names_every_word_that_a_text_may_use(words: object) -> None:
    assert [word for word in get_args(words) if word and word not in SPEC] == []


def test_the_specification_states_the_limits() -> None:
    stated = f"At most {PARTIES_MAX} parties, {PILLARS_MAX} pillars, {AREAS_MAX} areas, {PROJECTS_MAX:,} projects"
    assert stated in SPEC
    assert f"{PURPOSES_MAX} purposes, {ENTRIES_MAX:,} entries" in SPEC
    assert f"1..{DAYS_MAX} days" in SPEC
    assert f"officers: 1..{OFFICERS_MAX}" in SPEC
    assert f"At most {PINS_MAX}; no id" in SPEC
    assert f"At most {CASES_MAX:,} entries of each list" in SPEC
