"""Packs of format 2: what they may say, what format 1 refuses, and the published vectors."""

import json
import pathlib

import law_vectors
import pytest

from relto import errors
from relto.charter import read
from relto.law import (
    Fact,
    Says,
    Three,
    activity_of,
    evaluate,
    lint,
    lint_together,
    load_pack,
    named,
    read_authority,
    read_pack,
)
from relto.law.facts import UNKNOWN

ROOT = pathlib.Path(__file__).parents[2]
SOURCE = law_vectors.PACK


def pack(source=SOURCE, file="x.yaml"):
    return load_pack(read(source.encode(), file))


def test_the_vectors_come_out_as_published():
    published = json.loads(law_vectors.FILE.read_text())
    assert law_vectors.vectors() == published, "run `python tests/law/law_vectors.py`"
    answers = {case["findings"][0]["value"] for case in published["cases"]}
    assert answers == {"yes", "no", "unknown"}


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ("format: 2\n", "", ":", "belongs to packs of format 2"),
        ("format: 2", "format: 3", "2:9", "`3` is not one"),
        ("under: marked", "under: unmarked", ":", "`unmarked` is not a list of paragraphs"),
        ("of: item.entries.XXX", "of: item.entries.YYY", ":", "lists numbers of `item.entries.YYY`"),
        ('numbers: ["A(1)", "A(2)"]', 'numbers: ["A 1"]', ":", "is not the number of a paragraph"),
        ("{approved: x-form}", "{approved: x-other}", ":", "`x-other` is not an approval"),
        ("approvals:\n", 'approvals:\n- {id: x-open, cite: "1", says: Open}\n', ":", "cannot name an approval"),
        ("{title}", "{titel}", ":", "`titel` is not a blank"),
        ("when: with", "when: during", ":", "`during` is not one"),
        ("{not: {fact: recipient.cleared", "{not: {fact: recipient.clear", ":", "not a fact that a pack may name"),
    ],
)
def test_refuses_with_its_place(old, new, where, words):
    assert old in SOURCE
    with pytest.raises(errors.Malformed) as refusal:
        pack(SOURCE.replace(old, new, 1))
    assert where in refusal.value.where
    assert words in refusal.value.message, refusal.value


FORMAT_1 = SOURCE.replace("format: 2\n", "")


@pytest.mark.parametrize("fact", ["transfer.activity, in: [export]", "recipient.cleared, in: [XXX High]"])
def test_format_1_has_not_the_facts_of_format_2(fact):
    source = law_vectors.SMALL.replace("fact: item.classified, is: false", f"fact: {fact}")
    load_pack(read(source.encode(), "x"))
    with pytest.raises(errors.Malformed, match="a fact of packs of format 2"):
        load_pack(read(source.replace("format: 2\n", "").encode(), "x"))


@pytest.mark.parametrize(
    ("origin", "access", "word"),
    [
        ("XXX", "YYY", "export"),
        ("XXX", "XXX", "export"),
        ("YYY", "XXX", "import"),
        ("YYY", "YYY", "retransfer"),
        ("YYY", "ZZZ", "reexport"),
        ("YYY", UNKNOWN, UNKNOWN),
        (UNKNOWN, "YYY", UNKNOWN),
    ],
)
def test_what_a_transfer_is_follows_from_its_places(origin, access, word):
    assert activity_of("XXX", origin, access) == word


def facts(**changes):
    given = law_vectors.GOOD | {name.replace("__", ".").replace("_", "-"): value for name, value in changes.items()}

    def lookup(name):
        act = name.startswith(("licensed.", "determined.")) or ".attested." in name
        value = given.get(name, False if act and not name.startswith("determined.") else UNKNOWN)
        return Fact(name=name, value=value, says=Says.ACT if act else Says.PARTY, by=("state", "transferor_officer"))

    return lookup


def test_an_approval_is_asked_for_and_permits_nothing_by_itself():
    with_it = evaluate(pack(), "2026-06-01", facts())
    without = evaluate(pack(), "2026-06-01", facts(**{"licensed.x-form": False}))
    assert (with_it.value, without.value) == (Three.YES, Three.NO)
    found = next(one for one in without.findings if one.rule == "law.XXX/general/form")
    assert found.needs[0].kind == "licence"
    assert found.needs[0].detail["authority"] == "x-form"
    assert "x-form" not in {one.id for one in with_it.authorities}


def test_a_text_that_goes_along_is_filled_in_and_shows_what_is_not_known():
    judgement = evaluate(pack(), "2026-06-01", facts())
    (note,) = [one for one in judgement.obligations if one.text]
    assert note.filled({"title": "Keel", "item": "x/keel@1"}) == "Keel (x/keel@1) goes to [end user]"
    assert (note.when, note.mark) == ("with", "X LAW APPLIES")


def test_a_licence_for_what_is_called_uncontrolled_is_said_and_the_stricter_one_holds():
    both = evaluate(pack(), "2026-06-01", facts(**{"licensed.x-licence": True, "place.access": "WWW",
                                                   "determined.x-free.judged": True,
                                                   "item.entries.XXX": ()}))  # fmt: skip
    assert both.value is Three.YES
    assert both.authorities[0].id == "x-licence"
    (said,) = [one for one in both.findings if one.rule == "law.XXX/contradiction"]
    assert (said.value, said.deny_code) == (Three.UNKNOWN, "CONTRADICTION")
    assert {fact.name for fact in said.facts} == {"licensed.x-licence", "determined.x-free.judged"}
    assert not any("contradiction" in one.rule for one in evaluate(pack(), "2026-06-01", facts()).findings)


# ---- lint


def test_a_sound_pack_is_sound():
    assert lint(pack()) == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{fact: place.access, in: [YYY, ZZZ]}", "{all: [{fact: place.access, is: YYY}, {fact: place.access, is: ZZZ}]}",
         "no facts can satisfy this condition"),
        ("{fact: place.access, in: [YYY, ZZZ]}", "{all: [{fact: place.access, is: YYY}, {not: {fact: place.access, is: YYY}}]}",
         "no facts can satisfy this condition"),
        ("{fact: place.access, in: [YYY, ZZZ]}", "{fact: item.classified, is: true}", "no facts can satisfy all of its conditions"),
        ("  title: Open\n", "  title: Open\n  valid: ..2020-01-01\n", "in force on no day of the text"),
        ("authorities:\n", "authorities:\n- {id: x-free-2, kind: not_controlled, title: F, cite: '9', conditions: [{id: j, cite: '9', rule: J, "
         "deny_code: J, said_by: owner, test: {determined: true}}]}\n", "stands before a licence"),
        ("- {id: trusted, says: Trusted}", "- {id: trusted, says: Trusted}\n- {id: spare, says: Spare}", "attestation `spare`"),
        ("- {id: keep,", "- {id: spare, cite: '1', says: Spare}\n- {id: keep,", "obligation `spare`"),
        ("- {id: x-form,", "- {id: x-spare, cite: '1', says: Spare}\n- {id: x-form,", "approval `x-spare`"),
        ("paragraphs:\n", "paragraphs:\n- {id: spare, cite: '1', says: Spare, of: item.entries.XXX, numbers: [A]}\n", "list `spare`"),
        ('under: ["B(1)"]', 'under: ["C(1)"]', "`C(1)` is no number of the list `all`"),
    ],
)  # fmt: skip
def test_lint_finds(old, new, words):
    assert old in SOURCE
    found = lint(pack(SOURCE.replace(old, new, 1)), "x")
    assert any(words in one.message for one in found), found
    assert all(one.where.startswith("x: law.XXX") or one.where.startswith("x: ") for one in found)


def test_lint_finds_days_without_an_authority_and_alternatives_that_are_never_there():
    gap = SOURCE
    for title in ("Open", "Licence", "Free"):
        gap = gap.replace(f"  title: {title}\n", f"  title: {title}\n  valid: 2025-03-01..\n")
    found = [one.message for one in lint(pack(gap))]
    assert "from 2025-01-01 to 2025-02-28 no authority of the text is in force: everything is refused" in found


def test_texts_of_one_law_side_by_side():
    one = pack(SOURCE.replace("valid: 2025-01-01..\n", "valid: 2024-01-01..2024-11-30\n", 1))
    other = pack()
    words = [problem.message for problem in lint_together([(other, "b"), (one, "a")])]
    assert words == ["after 2024-11-30 there are days for which no text of XXX is the law"]
    assert "both the law" in lint_together([(other, "b"), (other, "c")])[0].message


# ---- reading


def test_reads_like_the_paragraph():
    lines = read_pack(pack(), "2026-06-01")
    assert "  3(2): Cleared by X and shown there [cleared]" in "\n".join(lines)
    assert lines[0] == "Export law of X (xx-export), the law of XXX for 2025-01-01.."
    text = "\n".join(read_authority(pack(), named(pack(), "x.open"), "2026-06-01"))
    assert "No licence is needed where all of this holds:" in text
    assert "`place.access` is one of YYY, ZZZ" in text
    assert "Owed with the release: A note goes along [7; note]" in text
    assert "stands in, or below, one of the list `marked`" in text


def test_a_day_before_reads_as_not_in_force():
    dated = pack(SOURCE.replace("  title: Open\n", "  title: Open\n  valid: 2025-03-01..\n"))
    (_, why) = read_authority(dated, named(dated, "x-open"), "2025-02-28")
    assert why == "Not in force on 2025-02-28."
    assert "and not the law on 2020-01-01" in read_pack(pack(), "2020-01-01")[0]


def test_every_shipped_pack_reads_on_days_of_each_version():
    for folder in sorted((ROOT / "relto/data/law").iterdir()):
        shipped = load_pack(read((folder / "pack.yaml").read_bytes(), folder.name))
        assert lint(shipped) == ()
        for day in ("2025-06-01", "2026-06-01"):
            text = "\n".join(read_pack(shipped, day))
            assert all(one.title in text for one in shipped.authorities if one.valid.holds(day))
    # the version of its day, and not the other
    us = load_pack(read((ROOT / "relto/data/law/us-itar/pack.yaml").read_bytes(), "us"))
    before = "\n".join(read_authority(us, named(us, "us-itar-126.7a"), "2025-06-01"))
    after = "\n".join(read_authority(us, named(us, "us-itar-126.7a"), "2026-06-01"))
    assert ("not debarred under 127.7" in before, "not debarred under 127.7" in after) == (True, False)
    assert ("an Australian federal one" in before, "an Australian federal one" in after) == (False, True)
