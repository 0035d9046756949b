"""A charter as values: what a text says, and where it is refused."""

from __future__ import annotations

import random
import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relto.charter import (
    JOINT_ACTS,
    Candidate,
    Charter,
    Evidence,
    Pin,
    draft,
    format_parties,
    lint,
    load,
    load_cases,
    load_parties,
    read,
    remarks_of,
    stage_of,
    with_pin,
)
from relto.charter.model import later
from relto.charter.text import Amount
from relto.errors import Conflict, Malformed, NotFound, Refused, ReltoError
from relto.label import Level

TINY = Path(__file__).with_name("tiny.yaml").read_bytes()
SHIPPED = resources.files("relto") / "data" / "charters"
AUKUS = (SHIPPED / "aukus" / "charter.yaml").read_bytes()
AUKUS_CASES = (SHIPPED / "aukus" / "cases.yaml").read_bytes()


@pytest.fixture(scope="module")
def tiny() -> Charter:
    return load(read(TINY, "tiny.yaml"))


@pytest.fixture(scope="module")
def aukus() -> Charter:
    return load(read(AUKUS, "charter.yaml"))


def level(text: str) -> Level:
    system, _, name = text.partition(" ")
    return Level(system=system, level=name)


# --- an invented charter ----------------------------------------------------------------------------------------------


def test_what_stands_in_a_text_stands_in_its_charter(tiny: Charter) -> None:
    assert (tiny.id, tiny.title, tiny.engine, tiny.confirm) == ("lantern", "Lantern", 1, 2)
    assert tiny.digest == read(TINY, "another name").digest
    assert tiny.aim.says == "Two states build a lighthouse."
    assert tiny.members == ("arda", "bree")
    assert tiny.party_by_code("BRE").id == "bree"
    assert tiny.pillar("inner").members == ("arda", "bree")
    assert tiny.project("lamp").lead == "bree"
    assert [tiny.project("lamp").holds_on(day) for day in ("2020-01-31", "2020-02-01", "2029-12-31", "2030-01-01")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert tiny.project("vault").holds_on("1900-01-01")  # no date was stated
    assert tiny.purpose("study").fits("vault")
    assert not tiny.purpose("repair").fits("vault")
    assert tiny.decision("engage").bound_consents
    assert not tiny.decision("expel").bound_consents
    assert tiny.suspension.by == "any_member"
    assert (tiny.on_suspend.recall, tiny.on_suspend.answer_days) == (True, 1)
    assert (tiny.releases.rule, tiny.releases.k) == ("k_of_n", 2)
    assert (tiny.officers("determine"), tiny.officers("relabel")) == (2, 1)
    assert tiny.jurisdiction("BRE").adopter == "bree"
    assert [group.members for group in tiny.groups] == [("ARD", "BRE"), ("ARD", "BRE", "COR")]
    assert (tiny.groups[0].last, tiny.groups[1].first) == ("2024-12-31", "2025-01-01")
    assert [(one.party, one.latest) for one in tiny.windows] == [("arda", False), ("bree", True)]
    assert tiny.withdrawal.duties[0].says == "Give the lamp back."


def test_equivalence_comes_from_the_text(tiny: Charter) -> None:
    table = tiny.equivalence
    assert table.covers(level("ARD Key"), level("ARD closed")) == "yes"
    assert table.at_most(level("ARD closed"), level("BRE black")) == "yes"
    assert table.at_most(level("ARD closed"), level("BRE grey")) == "unknown"  # another ladder
    assert table.at_most(level("ARD sealed"), level("BRE black")) == "no"
    assert table.at_most(level("BRE grey"), level("ARD sealed")) == "unknown"
    assert (table.needs_clearance(level("ARD open")), table.needs_clearance(level("ARD closed"))) == (False, True)


def test_who_votes(tiny: Charter) -> None:
    assert tiny.voters("engage") == ("arda", "bree")
    assert tiny.voters("expel", concerned="arda") == ("bree",)
    assert tiny.voters("end", concerned="bree") == ("bree",)


def test_freshness_is_the_shortest_limit_that_fits(tiny: Charter) -> None:
    hour = 3_600_000
    assert tiny.freshness_limit([level("ARD open")], "arda") == (7 * 24 * hour, "7.1")
    assert tiny.freshness_limit([level("ARD closed")], "arda") == (24 * hour, "7.2")
    assert tiny.freshness_limit([level("ARD sealed"), level("BRE open")], "arda") == (24 * hour, "7.2")
    assert tiny.freshness_limit([level("BRE black")], "arda") == (7 * 24 * hour, "7.1")
    assert tiny.freshness_limit([level("ARD a level of tomorrow")], "arda") == (24 * hour, "7.2")
    assert tiny.freshness_limit([level("ARD open")], "bree") == (hour, "7.3")
    assert tiny.freshness_limit([level("ARD open")]) == (
        hour,
        "7.3",
    )  # whoever does not say for whom gets the strictest
    assert tiny.asks_first([level("ARD sealed")])
    assert not tiny.asks_first([level("ARD open")])


def test_all_pairs_looks_for_an_instrument_with_each_member_on_a_day(tiny: Charter) -> None:
    def found(day: str) -> list[tuple[str, str | None]]:
        return [(member, one and one.id) for _, member, one in tiny.pairs("COR", day)]

    assert found("2026-12-31") == [("arda", "arda-cor"), ("bree", None)]
    assert found("2027-01-01") == [("arda", None), ("bree", None)]
    assert found("2019-04-30") == [("arda", None), ("bree", None)]


def test_clauses_say_in_words_what_a_decision_cites(tiny: Charter) -> None:
    assert len({one.id for one in tiny.clauses}) == len(tiny.clauses) == TINY.count(b"clause:")
    assert tiny.clause("3.4").of == "projects/lamp"
    assert tiny.clause("9.4").of == "labels/holds/ARD closed in BRE"


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (lambda c: c.party("cor"), "no party `cor`"),
        (lambda c: c.party_by_code("arda"), "no party `arda`"),
        (lambda c: c.pillar("x"), "no pillar `x`"),
        (lambda c: c.area("x"), "no area `x`"),
        (lambda c: c.project("x" * 200), f"no project `{'x' * 64}`"),
        (lambda c: c.purpose("war"), "no purpose `war`"),
        (lambda c: c.decision("suspend"), "no decision rule for `suspend`"),
        (lambda c: c.jurisdiction("USA"), "no jurisdiction `USA`"),
        (lambda c: c.candidate("arda"), "no candidate `arda`"),
        (lambda c: c.clause("99"), "no clause `99`"),
    ],
)
def test_what_is_not_there_is_not_found(tiny: Charter, look: object, words: str) -> None:
    with pytest.raises(NotFound) as caught:
        look(tiny)  # type: ignore[operator]
    assert caught.value.message == f"the charter has {words}"
    assert caught.value.hint.startswith("known: `")


@pytest.mark.parametrize(
    ("day", "by", "then"),
    [
        ("2026-01-31", (1, "months"), "2026-02-28"),
        ("2024-02-29", (1, "years"), "2025-02-28"),
        ("2026-12-15", (2, "months"), "2027-02-15"),
        ("2026-11-22", (90, "days"), "2027-02-20"),
        ("9998-01-01", (3660, "years"), "9999-12-31"),
        ("9999-12-31", (1, "days"), "9999-12-31"),
    ],
)
def test_notice_is_counted_on_the_calendar(day: str, by: tuple[int, str], then: str) -> None:
    assert later(day, Amount(number=by[0], unit=by[1])) == then


# --- stages -----------------------------------------------------------------------------------------------------------


def candidate(*evidence: tuple[str, str, str]) -> Candidate:
    return Candidate(
        id="cor",
        name="Cor",
        code="COR",
        clause="1",
        evidence=tuple(Evidence(date=d, standing=s, status=u) for d, s, u in evidence),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("evidence", "stage"),
    [
        ([], "none"),
        ([("2023", "official", "no_plans"), ("2024", "press", "concern")], "none"),
        ([("2024-03", "press", "floated")], "floated"),
        ([("2024-03", "unnamed", "consulting"), ("2024-04", "press", "considered")], "floated"),  # never more
        ([("2024-04-08", "joint_statement", "considered")], "considered"),
        (
            [("2024-04-08", "joint_statement", "considered"), ("2024-09-17", "joint_statement", "exploring")],
            "consulting",
        ),
        ([("2024-04-08", "official", "considered"), ("2024-04-09", "official", "not_member")], "considered"),
        ([("2024-04-08", "official", "considered"), ("2024-05-01", "press", "consulting")], "considered"),
        (
            [("2024-04-08", "official", "consulting"), ("2024-05-01", "official", "considered")],
            "considered",
        ),  # the newest
        ([("2024-04-08", "official", "recommended"), ("2024-05", "press", "floated")], "floated"),
    ],
)
def test_evidence_makes_a_stage_and_remarks_do_not(evidence: list[tuple[str, str, str]], stage: str) -> None:
    assert stage_of(candidate(*evidence))[0] == stage


def test_a_stage_on_a_day_knows_only_what_had_been_said() -> None:
    one = candidate(("2024-03", "press", "floated"), ("2024-09-17", "joint_statement", "consulting"))
    assert [stage_of(one, day)[0] for day in ("2024-02-29", "2024-09-16", "2024-09-17")] == [
        "none",
        "floated",
        "consulting",
    ]
    assert stage_of(one) == ("consulting", "2024-09-17, joint statement")


# --- the shipped charter ----------------------------------------------------------------------------------------------


def test_the_shipped_charter_has_no_problem_at_all(aukus: Charter) -> None:
    assert lint(aukus, read(AUKUS, "charter.yaml")) == ()
    assert aukus.members == ("aus", "gbr", "usa")
    assert {aukus.decision(act).rule for act in JOINT_ACTS} == {"unanimity"}
    assert len(aukus.areas) == 8
    assert aukus.confirm == 3
    assert (aukus.pillar("pillar-1").access, aukus.pillar("pillar-2").access) == ("closed", "open_per_project")


def test_the_shipped_candidates_stand_where_the_evidence_puts_them(aukus: Charter) -> None:
    stages = {one.id: stage_of(one)[0] for one in aukus.candidates}
    assert stages == {
        "jpn": "consulting",
        "can": "consulting",
        "nzl": "consulting",
        "kor": "consulting",
        "ind": "floated",
    }
    assert {one.status for one in remarks_of(aukus.candidate("jpn"))} == {"concern", "not_member", "law"}
    missing = [member for _, member, one in aukus.pairs("KOR", "2026-11-22") if one is None]
    assert missing == ["gbr"]
    assert all(one is not None for _, _, one in aukus.pairs("JPN", "2026-11-22"))


def test_every_official_word_of_the_shipped_charter_names_its_source(aukus: Charter) -> None:
    assert [one.id for one in aukus.clauses if one.basis in {"official", "press", "analysis"} and not one.source] == []
    assert all(one.source for candidate in aukus.candidates for one in candidate.evidence)


def test_the_shipped_cases_name_things_of_the_charter(aukus: Charter) -> None:
    cases = load_cases(read(AUKUS_CASES, "cases.yaml"), aukus)
    assert len(cases.cases) >= 8
    assert {one.answer for one in cases.cases if one.asked is None} == {"permit", "deny", "undetermined"}
    assert {one.purpose for one in cases.cases if one.asked is None} - {one.id for one in aukus.purposes} == {
        "operations"
    }
    assert cases.item("gbr/flight-data").label.rel == ("AUS", "GBR", "USA")
    assert cases.person("aus-clerk").clearance is None
    used = {one.who for one in cases.cases if one.asked is None} | {
        one.what for one in cases.cases if one.asked is None
    }
    assert used == {one.id for one in cases.people} | {one.id for one in cases.items}


def test_another_state_is_data(aukus: Charter) -> None:
    """A fourth member, a new project, another law: the text changes and nothing else."""
    grown = (
        AUKUS.replace(b"confirm: 3 ", b"confirm: 4 ")
        .replace(
            b"\n\n\n# ---- 3 --",
            b"\n- {id: isl, name: Iceland, code: ISL, grade: member, since: 2030-01-01, clause: 2.4}\n\n\n# ---- 3 --",
        )
        .replace(b"\n\n\n# ---- 7 --", b"\n- {id: ISL, adopter: isl, clause: 6.4}\n\n\n# ---- 7 --")
    )
    charter = load(read(grown, "charter.yaml"))
    assert charter.members == (*aukus.members, "isl")
    assert charter.digest != aukus.digest


# --- refusals, each at its place --------------------------------------------------------------------------------------


def place(text: bytes, needle: str, file: str = "tiny.yaml") -> str:
    before, found, _ = text.decode().partition(needle)
    assert found, needle
    return f"{file}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def edited(old: str, new: str) -> bytes:
    text = TINY.decode()
    assert text.count(old) == 1, f"{text.count(old)} times: {old}"
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    ("old", "new", "at", "words", "hint"),
    [
        ("engine: 1", "engine: 4", "4\n", "engine 4 is not known here", "known: 1, 2, 3"),
        ("confirm: 2", "confirm: two", "two", "`two` is not a whole number", "digits only"),
        ("confirm: 2", "confirm: 0", "0\n", "0 is not between 1 and 64", ""),
        ("title: Lantern\n", "", "charter:", "`title` is missing here", "add a line"),
        ("title: Lantern", "title: Lantern\nname: x", "name: x", "`name` is not a key that is known here", ""),
        ("code: ARD, grade", "code: arda, grade", "arda, grade", "`arda` is not a three-letter code", ""),
        (
            "grade: member, since: 2020-02",
            "grade: boss, since: 2020-02",
            "boss",
            "`boss` is not one of the words",
            "known: `member`",
        ),
        ("since: 2020-02-01, ", "since: 2020-02-30, ", "2020-02-30", "not a day of the calendar", "2024-09-01"),
        (', clause: "2.2"', "", "{id: bree", "`clause` is missing here", ""),
        ('clause: "2.2"', 'clause: "2 2"', '"2 2"', "`2 2` is not a clause number", ""),
        ("access: closed,", "access: open,", "open, members", "`open` is not one of the words", ""),
        ("lead: bree", "leed: bree", "leed", "`leed` is not a key", "did you mean `lead`?"),
        ("term: 2020-02-01..2029-12-31", "term: 2029-12-31..2020-02-01", "2029-12-31..", "ends before it begins", ""),
        ("rule: owner, voters", "rule: fiat, voters", "fiat", "`fiat` is not one of the words", ""),
        ("rule: k_of_n, k: 2", "rule: k_of_n", '{rule: k_of_n, clause: "6.1"', "`k` is missing here", ""),
        ("releases: {rule: k_of_n, k", "releases: {rule: all, k", "k: 2, clause", "`k` is not a key", ""),
        ("answer_within: 1 day", "answer_within: 0 days", "0 days", "an answer is due within 1 to 3660 days", ""),
        ("recall: true, ", "recall: yes, ", "yes, ", "`yes` is neither `true` nor `false`", ""),
        ("determine, officers: 2", "determine, officers: 99", "99", "99 is not between 1 and 9", ""),
        ("limit: 7 days", "limit: 7 weeks", "7 weeks", "not a number with its unit", "`hours`"),
        ("limit: 7 days", "limit: 0 days", "0 days", "a limit lies between", ""),
        ("ledgers: [bree]", "ledgers: []", "[], limit", "the list is empty", ""),
        ("ledgers: all", "ledgers: every", "every", "`every` is not one of the words", "known: `all`"),
        ("levels: [ARD closed]", "levels: [closed]", "closed], limit", "is not a classification system", ""),
        ("levels: [open, closed, sealed]", "levels: [op\u00e9n]", "op\u00e9n", "is not a classification level", ""),
        (
            "in: BRE, as: black",
            "in: ARD, as: black",
            "{from: ARD, level: closed",
            "`ARD` does not hold its own levels",
            "",
        ),
        ("in: BRE, action: refuse", "in: BRE, action: guess", "guess", "`guess` is not one of the words", ""),
        (
            "level: sealed, in: BRE",
            "level: closed, in: BRE",
            'clause: "9.1"',
            "the pair `ARD closed BRE` stands twice",
            "",
        ),
        (
            "{id: PAIR, members: [BRE, ARD]",
            "{id: TWO, members: [BRE, ARD]",
            "TWO",
            "`TWO` is not a four-letter group",
            "",
        ),
        ("between: [COR, ARD]", "between: [COR, ARD, BRE]", "[COR, ARD, BRE]", "stands between two states", ""),
        ("instrument: secrecy, ", "", "{id: secrecy", "`instrument` is missing here", ""),
        ("notice: 1 month", "notice: 1 week", "1 week", "not a number with its unit", ""),
        (", says: Give the lamp back.", "", "{id: give-back", "a duty says what is to be done", "says"),
        ("date: 2023, ", "date: spring, ", "spring", "`spring` is not a day, a month or a year", "2024-09"),
        ("date: 2024-03, ", "date: 2024-13, ", "2024-13", "`2024-13` is not a day, a month or a year", ""),
        ("status: floated", "status: invited", "invited", "`invited` is not one of the words", ""),
        ("standing: official", "standing: rumour", "rumour", "`rumour` is not one of the words", ""),
    ],
)
def test_a_text_is_refused_at_its_place(old: str, new: str, at: str, words: str, hint: str) -> None:
    text = edited(old, new)
    with pytest.raises(Malformed) as caught:
        load(read(text, "tiny.yaml"))
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == place(text, at)


def test_an_exact_place() -> None:
    with pytest.raises(Malformed) as caught:
        load(read(edited("lead: bree", "leed: bree"), "tiny.yaml"))
    assert str(caught.value) == "tiny.yaml:22:3: `leed` is not a key that is known here"


def mutated(text: bytes, dice: random.Random) -> bytes:
    """A few changes of three kinds: of a byte, of a stretch, and of one word or value for another of the same text."""
    words = re.findall(rb"[A-Za-z0-9.-]+", text)
    piece = bytearray(text)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(piece))
        match dice.randrange(5):
            case 0:
                piece[at] = dice.randrange(256)
            case 1:
                del piece[at : at + dice.randint(1, 30)]
            case 2:
                piece[at:at] = dice.choice(
                    [b"[", b"]", b"{", b"}", b": ", b"\n", b"-", b'"', b"0", b"..", b" ", b"9" * 19]
                )
            case _:
                found = list(re.finditer(rb"[A-Za-z0-9.-]+", piece))
                old = dice.choice(found)
                piece[old.start() : old.end()] = dice.choice(words)
    return bytes(piece)


def read_or_refuse(text: bytes) -> bool:
    try:
        source = read(text, "mutated.yaml")
        lint(draft(source), source)  # `lint` says everything and raises nothing
        load(source)
    except ReltoError as error:
        assert isinstance(error, Malformed)
        assert error.where.startswith("mutated.yaml:")
        return False
    return True


@settings(max_examples=300)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_mutated_bytes_are_read_or_refused_and_nothing_else(seed: int) -> None:
    read_or_refuse(mutated(TINY, random.Random(seed)))


def test_mutations_reach_every_stage_and_the_shipped_text_too() -> None:
    dice = random.Random(1)
    assert {read_or_refuse(mutated(TINY, dice)) for _ in range(200)} == {True, False}
    assert not all(read_or_refuse(mutated(AUKUS, dice)) for _ in range(20))


# --- the party list ---------------------------------------------------------------------------------------------------

PINS = (
    Pin(id="arda", inception="0a" * 32, origin="arda.example/lantern/0", address="https://arda.example"),
    Pin(id="bree", inception="0b" * 32, origin="bree.example/lantern/3", address="http://127.0.0.1:8101"),
)


def test_a_party_list_is_its_bytes() -> None:
    written = format_parties("lantern", PINS)
    back = load_parties(read(written, "parties.yaml"))
    assert (back.id, back.parties) == ("lantern", PINS)
    assert back.party("bree").origin == "bree.example/lantern/3"
    assert format_parties(back.id, reversed(back.parties)) == written
    empty = format_parties("lantern", ())
    assert load_parties(read(empty, "parties.yaml")).parties == ()
    with pytest.raises(NotFound, match="no ledger is pinned for `cor`"):
        back.party("cor")


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(
    st.lists(
        st.tuples(LABELS, st.binary(min_size=32, max_size=32)), unique_by=(lambda t: t[0], lambda t: t[1]), max_size=8
    )
)
def test_any_party_list_round_trips(parties: list[tuple[str, bytes]]) -> None:
    pins = tuple(
        Pin(id=name, inception=digest.hex(), origin=f"{name}.example/lantern/0", address=f"https://{name}.example:8443")
        for name, digest in sorted(parties)
    )
    written = format_parties("lantern", pins)
    assert load_parties(read(written, "p")).parties == pins
    assert format_parties("lantern", load_parties(read(written, "p")).parties) == written


def test_one_more_party_leaves_every_line_above_as_it_was() -> None:
    text = (
        b"# compared by telephone\nparties: lantern\npinned:\n"
        + format_parties("lantern", PINS[:1]).split(b"\n")[2]
        + b" # by A.\n"
    )
    grown = with_pin(read(text, "p"), PINS[1])
    assert grown.startswith(text)
    assert load_parties(read(grown, "p")).parties == PINS
    assert with_pin(read(format_parties("lantern", ()), "p"), PINS[0]) == format_parties("lantern", PINS[:1])
    with pytest.raises(Conflict, match="`bree` is pinned already"):
        with_pin(read(grown, "p"), PINS[1])
    with pytest.raises(Refused, match="cannot be written as a party list"):
        with_pin(read(b"pinned: []\nparties: lantern\n", "p"), PINS[0])
    with pytest.raises(Refused, match="cannot be written as a party list"):
        with_pin(
            read(format_parties("lantern", PINS[:1]), "p"),
            Pin(id="x", inception=PINS[0].inception, origin="x.example/lantern/0", address="https://x.example"),
        )


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ("0b" * 32, "0B" * 32, "4:25", "is not the id of an inception"),
        ("0b" * 32, "0a" * 32, "4:25", "this inception stands here a second time"),
        ("bree.example/lantern/3", "bree.example/other/3", "4:99", "of another partnership than `lantern`"),
        ("bree.example/lantern/3", "bree.example/lantern/03", "4:99", "is not an origin"),
        ("bree.example/lantern/3", "arda.example/lantern/0", "4:99", "this origin stands here a second time"),
        ("http://127.0.0.1:8101", "http://127.0.0.1:8101/x", "4:132", "is not the address of a node"),
        ("http://127.0.0.1:8101", "ftp://127.0.0.1", "4:132", "is not the address of a node"),
        ("http://127.0.0.1:8101", "http://127.0.0.1:70000", "4:132", "there is no port 70000"),
        ("id: bree", "id: arda", "4:8", "this id stands here a second time"),
        ("pinned", "pined", "2:1", "`pined` stands here, and `pinned` is missing"),
    ],
)
def test_a_party_list_is_refused_at_its_place(old: str, new: str, where: str, words: str) -> None:
    text = format_parties("lantern", PINS).decode().replace(old, new).encode()
    with pytest.raises(Malformed) as caught:
        load_parties(read(text, "p"))
    assert words in caught.value.message
    assert caught.value.where == f"p:{where}"


# --- cases ------------------------------------------------------------------------------------------------------------

CASES = """\
cases_for: lantern
world:
  outsiders: [{id: cor, code: COR}]
  engagements:
  - {id: one, party: cor, project: lamp, areas: [lens], ceiling: [ARD open], term: 2026-01-01.., consents: [arda, bree]}
  items:
  - {id: arda/notes, project: lamp, areas: [lens], system: USA, label: //ARD SECRET}
  people:
  - {id: keeper, party: cor, nationalities: [COR, BRE], clearance: ARD Key}
cases:
- {id: a, who: keeper, what: arda/notes, day: 2026-11-22, purpose: study, answer: deny, fails: [scope], clauses: [5.3]}
"""


def test_cases_are_data(tiny: Charter) -> None:
    cases = load_cases(read(CASES.encode(), "c"), tiny)
    assert cases.items[0].owners == ("arda",)
    assert (cases.people[0].organisation, cases.people[0].place) == ("cor/cor", "COR")
    assert cases.people[0].nationalities == ("BRE", "COR")
    assert (cases.cases[0].where, cases.cases[0].fails) == ("c:11:3", ("scope",))


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        (
            "cases_for: lantern",
            "cases_for: aukus",
            "aukus",
            "these cases are for `aukus`, and the charter is `lantern`",
        ),
        ("{id: cor, code", "{id: bree, code", "bree, code", "`bree` is a party of the charter"),
        ("lamp, areas: [lens], ceiling", "lump, areas: [lens], ceiling", "lump", "no project `lump`"),
        ("consents: [arda, bree]", "consents: [arda, dun]", "dun", "there is no party `dun` here"),
        ("//ARD SECRET", "//ARD SECRETE", "//ARD", "is not a classification level"),
        ("id: arda/notes", "id: dun/notes", "dun/notes", "`dun` is neither a party"),
        ("who: keeper", "who: keepr", "keepr", "there is no person `keepr` here"),
        ("answer: deny", "answer: permit", "[scope]", "a permit has no failing rule"),
        ("clauses: [5.3]", "clauses: [99]", "99", "the charter has no clause `99`"),
        ("fails: [scope]", "fails: [Scope]", "Scope", "`Scope` is not a rule"),
    ],
)
def test_cases_are_refused_at_their_place(tiny: Charter, old: str, new: str, at: str, words: str) -> None:
    assert CASES.count(old) == 1
    text = CASES.replace(old, new).encode()
    with pytest.raises(Malformed) as caught:
        load_cases(read(text, "c"), tiny)
    assert words in caught.value.message
    assert caught.value.where == place(text, at, "c")


def test_no_case_stands_twice(tiny: Charter) -> None:
    last = CASES.splitlines(keepends=True)[-1]
    with pytest.raises(Malformed, match="`a` stands here a second time") as caught:
        load_cases(read((CASES + last).encode(), "c"), tiny)
    assert caught.value.where == "c:12:8"
