"""The excluded list and the marks of the munitions list in the US pack, against a matcher written from the tables alone.

The tables (tests/vectors/law/) have their sources and dates in their heads. The matcher below knows nothing of packs: it
compares tokens, follows the tables' own reading rules, and says of each row yes (excluded), no, or unknown.
"""

import pathlib
import re

import pytest
import usml_lists
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from relto.charter import read
from relto.law import Fact, Says, Three, evaluate, load_pack

ROOT = pathlib.Path(__file__).parents[2]
USML = usml_lists.table()
ETL = yaml.safe_load((ROOT / "tests/vectors/law/excluded_technology_list.yaml").read_text())
SOURCE = (ROOT / "relto/data/law/us-itar/pack.yaml").read_bytes()
PACK = load_pack(read(SOURCE, "us-itar"))
ROWS = {row["id"].lower(): row for row in ETL["entries"]}
ENTRIES = {row["id"]: row for row in USML["entries"]}
CODES = usml_lists.numbers(USML)
FLAGS = ("MT", "SME", "MDE", "anti-tamper", "cluster-munition", "counter-space", "f-22", "manufacturing")


def tokens(code):
    return tuple(re.findall("[A-Za-z0-9]+", code))


def at_or_below(code, paragraph):
    return tokens(code)[: len(tokens(paragraph))] == tokens(paragraph)


def shows(entries, flags, classified, purpose="evaluation"):
    facts = {
        "item.origins": ("USA",),
        "item.entries.USA": tuple(entries),
        "item.flags": tuple(flags),
        "item.classified": classified,
        "item.kind": "technical_data",
        "transfer.purpose": purpose,
    }

    def lookup(name):
        if name not in facts:
            return Fact(name=name)
        return Fact(name=name, value=facts[name], says=Says.ACT, by=("owner",))

    return {one.rule: one for one in evaluate(PACK, "2026-06-01", lookup).findings}


def test_the_lists_in_the_pack_are_those_of_the_table():
    assert usml_lists.text() in SOURCE.decode()
    assert {one.id: one.numbers for one in PACK.paragraphs} == {
        name: tuple(found) for name, found in usml_lists.lists(USML).items()
    }


def test_every_row_of_the_table_is_a_row_of_the_pack_and_reads_its_paragraphs():
    words = {rule.rpartition("/")[2] for rule in PACK.words("2026-06-01") if "/b3/etl-" in rule}
    assert words == set(ROWS)
    for name, row in ROWS.items():
        for paragraph in row["usml"]:
            found = shows([paragraph], FLAGS, True)  # everything that any row asks for beside the paragraph
            rule = found.get(f"law.USA/us-itar-126-7/b3/{name}")
            assert rule is not None, f"{name} does not look at {paragraph}"
            assert rule.value is not Three.YES


def test_a_row_for_classified_things_lets_the_unclassified_pass():
    for name, row in ROWS.items():
        if row["classified_only"] is True:
            for paragraph in row["usml"]:
                assert f"law.USA/us-itar-126-7/b3/{name}" not in shows([paragraph], (), False), (name, paragraph)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(CODES), min_size=1, max_size=2, unique=True),
    st.sets(st.sampled_from(FLAGS), max_size=2),
    st.booleans(),
)
def test_no_item_that_a_row_of_the_table_may_hold_passes_without_a_determination(entries, flags, classified):
    found = shows(entries, sorted(flags), classified)
    rows = set()
    for name, row in ROWS.items():
        if row["classified_only"] is True and not classified:
            continue
        if row["match"] == "flag":
            mt = "MT" in flags or any(ENTRIES.get(code, {}).get("mt") for code in entries)
            wanted = mt and not all(at_or_below(code, "VIII(h)(12)") for code in entries)
        else:
            wanted = True
        if wanted and any(at_or_below(code, paragraph) for code in entries for paragraph in row["usml"]):
            rows.add(name)
    b3 = found["law.USA/us-itar-126-7/b3"].value
    assert (b3 is Three.YES) <= (not rows), rows
    for name in rows:
        assert found[f"law.USA/us-itar-126-7/b3/{name}"].value is not Three.YES


def test_significant_military_equipment_is_what_the_table_marks():
    (sme,) = [one for one in PACK.paragraphs if one.id == "usml-sme"]
    for code, row in ENTRIES.items():
        assert any(at_or_below(code, paragraph) for paragraph in sme.numbers) == row.get("sme", False), code


@pytest.mark.parametrize(("code", "value"), [("I(b)", Three.NO), ("I(g)", Three.YES), ("II(a)", Three.UNKNOWN)])
def test_its_manufacture_abroad_is_refused_whatever_the_flags_leave_out(code, value):
    made = shows([code], (), False, purpose="production")
    assert made["law.USA/us-itar-126-7/b4-sme"].value is value


def test_a_reserved_number_classifies_nothing():
    for code in USML["reserved"][::6]:
        first = code.partition("-(")[0]
        assert shows([first], (), False)["law.USA/us-itar-126-7/a-listed"].value is Three.NO, code
