"""The charters that ship: sound, their cases come out, every clause is told by some case, and none widens when it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from relto.charter import check, load, read
from relto.charter.asking import struck
from relto.charter.cases import load_cases
from relto.errors import ReltoError
from relto.release.cases import coverage, outcome, run_charter_cases

ROOT = Path(__file__).parents[2] / "relto" / "data" / "charters"
NAMES = sorted(one.name for one in ROOT.iterdir() if one.is_dir())


def texts(name):
    charter = read((ROOT / name / "charter.yaml").read_bytes(), f"{name}/charter.yaml")
    return charter, load(charter), read((ROOT / name / "cases.yaml").read_bytes(), f"{name}/cases.yaml")


def test_four_ship():
    assert {"aukus", "consortium", "esa", "gcap"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_or_odd_with_it(name):
    source, _, _ = texts(name)
    assert check(source, "2026-11-24") == ()


@pytest.mark.parametrize("name", NAMES)
def test_its_cases_come_out(name):
    _, charter, cases = texts(name)
    assert [(one.id, one.problems) for one in run_charter_cases(charter, cases) if one.problems] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_clause_is_told_by_some_case_or_says_why_not(name):
    _, charter, cases = texts(name)
    left = coverage(charter, cases)
    assert [one.clause for one in left if not one.why] == []
    # A reason that is given for a clause which a case does tell would be a false one.
    assert {one.clause for one in left} == set(load_cases(cases, charter).uncovered)


@pytest.mark.parametrize("name", NAMES)
def test_a_clause_that_is_struck_out_never_widens(name):
    _, charter, text = texts(name)
    cases = load_cases(text, charter)
    asked = [one for one in cases.cases if one.asked is None and one.answer != "permit"]
    widened = []
    for clause in charter.clauses:
        left = struck(charter, clause.id)
        for one in asked:
            try:
                found = outcome(left, cases, one).answer
            except ReltoError:
                continue  # what the case is about is gone
            widened += [(clause.id, one.id)] if found == "permit" else []
    assert widened == []


def test_a_case_that_does_not_come_out_and_a_clause_that_none_tells_are_seen():
    """The mutants: another answer; a clause less in the cases."""
    _, charter, text = texts("gcap")
    wrong = text.source.replace(
        b"purpose: targeting, answer: deny, fails: [purpose]", b"purpose: targeting, answer: permit"
    )
    assert wrong != text.source
    failed = [one for one in run_charter_cases(charter, read(wrong, "c")) if one.problems]
    assert [(one.id, one.got) for one in failed] == [("nothing-declared", "deny (purpose)")]
    less = b"".join(line for line in text.source.splitlines(keepends=True) if b"japan-votes-by-2028" not in line)
    assert [one.clause for one in coverage(charter, read(less, "c")) if not one.why] == ["10.3"]


@pytest.mark.parametrize(
    ("names", "count"), [(["member"], 1), (["hold-*"], 6), (["hold-gbr-*", "member"], 3), (["x*"], 0)]
)
def test_cases_are_picked_by_name(names, count):
    _, charter, text = texts("gcap")
    assert len(run_charter_cases(charter, text, names)) == count
