"""`carried_keys`: which labels a key may be carried for, how it is said, and how a text is refused."""

from pathlib import Path

import pytest

from relto.charter import check, draft, read
from relto.charter.asking import Asked, answer, struck
from relto.charter.compare import sentences
from relto.errors import Malformed
from relto.label import Level

TINY = (Path(__file__).parent / "tiny.yaml").read_text()
ENTRIES = """\
carried_keys:
- {levels: [ARD closed], lasts: 30 days, openings: 3, clause: "7.8"}
- {levels: [ARD sealed, BRE black], lasts: 1 day, openings: 1, clause: "7.9"}
freshness:
"""


def text(entries=ENTRIES, engine=3):
    assert TINY.count("\nfreshness:\n") == TINY.count("\nengine: 1\n") == 1
    return TINY.replace("\nfreshness:\n", f"\n{entries}").replace("\nengine: 1\n", f"\nengine: {engine}\n")


def levels(*names):
    return [Level(system=name.split(" ")[0], level=name.split(" ")[1]) for name in names]


@pytest.mark.parametrize(
    ("held", "clause"),
    [
        (["ARD open"], "7.8"),
        (["ARD closed"], "7.8"),
        (["ARD sealed"], "7.9"),
        (["BRE black"], "7.9"),
        (["ARD open", "BRE black"], "7.9"),
        (["BRE grey"], ""),  # another ladder
        (["ARD open", "BRE grey"], ""),
        (["ARD a-level-of-tomorrow"], ""),
        (["COR open"], ""),
    ],
)
def test_every_level_of_a_label_must_be_below_one_of_an_entry(held, clause):
    charter = draft(read(text().encode(), "tiny.yaml"))
    found = charter.carried_key(levels(*held))
    assert (found.clause if found else "") == clause
    said = answer(charter, Asked(kind="carried", given={"levels": held}))
    words = {"7.8": "30 days, 3 openings", "7.9": "1 day, 1 opening", "": "no"}[clause]
    assert (said.answer, said.clauses) == (words, (clause,) if clause else ())


def test_without_a_clause_nothing_is_carried():
    charter = draft(read(TINY.encode(), "tiny.yaml"))
    assert charter.carried_key(levels("ARD open")) is None
    left = struck(draft(read(text().encode(), "tiny.yaml")), "7.8")
    assert [one.clause for one in left.carried_keys] == ["7.9"]


def test_it_stands_in_plain_words():
    said = {one.clause: one.words for one in sentences(draft(read(text().encode(), "tiny.yaml")))}
    assert (
        said["7.8"] == "A key for ARD closed and below may be carried to a device, for 30 days and 3 openings at most."
    )
    assert said["7.9"].endswith("for 1 day and 1 opening at most.")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("levels: [ARD closed], ", "", "levels"),
        ("lasts: 30 days", "lasts: 0 days", "between one day and 366"),
        ("lasts: 30 days", "lasts: 367 days", "between one day and 366"),
        ("lasts: 30 days", "lasts: 30 hours", "days"),
        ("openings: 3", "openings: 0", "1"),
        ("openings: 3", "openings: 1001", "1000"),
        ("openings: 3", "openings: 3, forever: true", "forever"),
    ],
)
def test_what_is_not_understood_is_refused(old, new, words):
    with pytest.raises(Malformed) as refused:
        draft(read(text(ENTRIES.replace(old, new)).encode(), "tiny.yaml"))
    assert words in f"{refused.value.message} {refused.value.hint}"


def test_older_engines_refuse_the_word_and_a_level_must_be_there():
    for engine in (1, 2):
        with pytest.raises(Malformed, match="`carried_keys` is a word of engine 3"):
            draft(read(text(engine=engine).encode(), "tiny.yaml"))
    found = check(read(text(ENTRIES.replace("ARD closed", "ARD shut")).encode(), "tiny.yaml"))
    assert [one.severity for one in found if "shut" in one.message] == ["error"]
