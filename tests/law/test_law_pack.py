"""Loading: what a pack may say, and where exactly the loader points when it may not."""

import pytest

from relto import errors
from relto.charter import read
from relto.law import load_pack

HEAD = """\
pack: xx-export
jurisdiction: XXX
title: Export law of X
source: Gazette 1
valid: 2024-09-01..
reaches: {fact: item.origins, has: XXX}
attestations:
- {id: trusted, says: The organisation is trusted}
obligations:
- {id: tell, cite: "2", says: Tell the ministry, fields: [who, when], years: 5 years}
lists:
- id: secret
  cite: Schedule 1
  rows:
  - {id: row-1, cite: row 1, says: Ships, possible: {fact: item.entries.XXX, under: ["A(1)"]}}
"""
LINES = HEAD.count("\n")
TAIL = """\
authorities:
- id: x-open
  kind: exemption
  title: Open
  cite: "3"
  valid: 2024-09-01..
  obligations: [tell]
  conditions:
  - id: place
    cite: 3(1)
    rule: Goes to Y
    deny_code: PLACE
    test: {fact: place.destination, is: YYY}
"""


def load(tail, head=HEAD):
    return load_pack(read((head + tail).encode(), "x.yaml"))


def condition(test, *, said_by="said_by: transferor_officer"):
    """TAIL with another test; the test stands on line LINES + 13, from column 11 on."""
    return TAIL.replace("{fact: place.destination, is: YYY}", test).replace(
        "rule: Goes to Y", f"rule: Words\n    {said_by}"
    )


def test_a_pack_as_read():
    pack = load(TAIL)
    assert (pack.id, pack.jurisdiction, str(pack.valid)) == ("xx-export", "XXX", "2024-09-01..")
    assert pack.digest == read((HEAD + TAIL).encode(), "x.yaml").digest
    assert pack.facts == ("item.origins", "place.destination")
    assert pack.obligation("tell").years == 5
    assert pack.words("2025-01-01") == {
        "law.XXX": "Export law of X",
        "law.XXX/reach": "Export law of X reaches this transfer",
        "law.XXX/x-open": "Open",
        "law.XXX/x-open/place": "Goes to Y",
    }


def test_a_test_may_be_built_of_everything():
    test = """
      all:
      - {any: [{attested: trusted, of: transferor}, {attested: trusted, of: each, said_by: [own_party, state]}]}
      - {not: {all: [{fact: item.classified, is: true}, {fact: item.flags, within: [MT, SME]}]}}
      - {fact: transfer.value, at_most: 10 USD}
      - {fact: item.entries.XXX, only_under: ["A(1)", B.2]}
      - {fact: item.entries.XXX, none: true}
      - {fact: place.access, in: [XXX, YYY], said_by: [party, node]}
      - {clear_of: secret}
      - {determined: true}
      - {licensed: true}
      - {owes: tell}"""
    assert load(condition(test)).facts == (
        "item.origins",
        "transferor.attested.trusted",
        "recipient.attested.trusted",
        "item.classified",
        "item.flags",
        "transfer.value",
        "item.entries.XXX",
        "place.access",
        "determined.x-open.place",
        "licensed.x-open",
    )


TEST_LINE = LINES + 14
REFUSED_TESTS = {
    "unknown fact": ("{fact: item.colour, is: RED}", 18, "`item.colour` is not a fact"),
    "misspelt fact": ("{fact: item.orgins, has: XXX}", 18, "`item.orgins` is not a fact"),
    "entries without jurisdiction": ("{fact: item.entries, none: true}", 18, "is not a fact"),
    "side outside its condition": ("{fact: party.code, is: XXX}", 18, "is not a fact"),
    "act as fact": ("{fact: recipient.attested.trusted, is: true}", 18, "made by an act"),
    "determination as fact": ("{fact: determined.x-open.place, is: true}", 18, "made by an act"),
    "no comparison": ("{fact: item.flags}", 11, "not compared"),
    "comparison of another kind": ("{fact: item.flags, is: MT}", 11, "not compared"),
    "under for places": ("{fact: place.access, under: [XXX]}", 11, "not compared"),
    "two comparisons": ("{fact: place.access, is: XXX, in: [YYY]}", 41, "`in` is not a key"),
    "code in small letters": ("{fact: place.access, is: xxx}", 36, "`xxx` cannot be a value"),
    "kind nobody knows": ("{fact: item.kind, is: ship}", 33, "`ship` cannot be a value"),
    "truth as word": ("{fact: item.classified, is: no}", 39, "neither `true` nor `false`"),
    "value without currency": ("{fact: transfer.value, at_most: 10}", 43, "amount of money"),
    "none of false": ("{fact: item.flags, none: false}", 36, "only `true`"),
    "empty list": ("{fact: place.access, in: []}", 36, "list is empty"),
    "empty all": ("{all: []}", 17, "list is empty"),
    "not a test": ("{when: today}", 11, "not a test"),
    "two tests": ("{determined: true, owes: tell}", 30, "`owes` is not a key"),
    "a word": ("yes", 11, "`key: value` lines"),
    "undeclared attestation": ("{attested: trustd, of: recipient}", 22, "not an attestation that this text declares"),
    "party outside": ("{attested: trusted, of: party}", 35, "`of: party`"),
    "undeclared obligation": ("{owes: tel}", 18, "not an obligation"),
    "undeclared list": ("{clear_of: secrets}", 22, "not a list"),
    "unknown role": ("{determined: true, said_by: [somebody]}", 40, "`somebody` is not one of the words"),
    "person as role": ("{determined: true, said_by: [person]}", 40, "`person` is not one of the words"),
    "own party of nobody": ("{determined: true, said_by: own_party}", 11, "`own_party`"),
    "absence of an act": ("{not: {attested: trusted, of: recipient}}", 28, "absence of an act"),
    "absence of a determination": ("{not: {any: [{determined: true}]}}", 37, "absence of an act"),
    "absence of a list": ("{not: {clear_of: secret}}", 28, "absence of an act"),
    "determined false": ("{determined: false}", 24, "only `true`"),
}


@pytest.mark.parametrize("name", REFUSED_TESTS)
def test_refuses_tests_that_mean_nothing(name):
    test, column, words = REFUSED_TESTS[name]
    with pytest.raises(errors.Malformed) as refusal:
        load(condition(test))
    assert refusal.value.where == f"x.yaml:{TEST_LINE}:{column}", refusal.value
    assert words in refusal.value.message


def test_the_nearest_fact_is_named():
    with pytest.raises(errors.Malformed) as refusal:
        load(condition("{fact: recipient.nationality, within: [XXX]}"))
    assert refusal.value.hint == "did you mean `recipient.nationalities`?"


@pytest.mark.parametrize("test", ["{determined: true}", "{attested: trusted, of: recipient}", "{clear_of: secret}"])
def test_an_act_without_a_speaker_is_refused(test):
    with pytest.raises(errors.Malformed, match="`said_by` is missing"):
        load(condition(test, said_by="valid: 2024-09-01.."))


POINTER = '- {id: p, kind: pointer, title: P, cite: "9"}\n'
REFUSED_PACKS = {
    "no authorities": ("authorities: []\n", LINES + 1, 14, "list is empty"),
    "two of one name": (TAIL + TAIL.replace("authorities:\n", "").replace("Open", "O"), LINES + 14, 3, "a second time"),
    "reserved": (TAIL.replace("x-open", "general"), LINES + 2, 7, "another meaning"),
    "the pack's own name": (TAIL.replace("x-open", "xx-export"), LINES + 2, 7, "another meaning"),
    "unknown kind": (TAIL.replace("exemption", "exception"), LINES + 3, 9, "`exception` is not one of the words"),
    "unknown key": (
        TAIL.replace("title: Open", "title: Open\n  condition: []"),
        LINES + 5,
        3,
        "`condition` is not a key",
    ),
    "no conditions": (TAIL[: TAIL.index("  conditions")], LINES + 2, 3, "would permit everything"),
    "licence without licence": (TAIL.replace("exemption", "licence"), LINES + 2, 3, "asks for the licence itself"),
    "uncontrolled without a judgement": (TAIL.replace("exemption", "not_controlled"), LINES + 2, 3, "a determination"),
    "pointer with conditions": (TAIL.replace("exemption", "pointer"), LINES + 2, 3, "only names an authority"),
    "unknown obligation": (TAIL.replace("[tell]", "[tel]"), LINES + 7, 17, "not an obligation"),
    "bad deny code": (TAIL.replace("PLACE", "Place"), LINES + 12, 16, "deny code"),
    "no deny code": (TAIL.replace("    deny_code: PLACE\n", ""), LINES + 9, 5, "`deny_code` is missing"),
    "test and alternatives": (TAIL + "    any_of: []\n", LINES + 14, 13, "not both"),
    "empty alternatives": (
        TAIL.replace("test: {fact: place.destination, is: YYY}", "any_of: []"),
        LINES + 13,
        13,
        "empty",
    ),
}


@pytest.mark.parametrize("name", REFUSED_PACKS)
def test_refuses_packs_that_would_not_hold(name):
    tail, line, column, words = REFUSED_PACKS[name]
    with pytest.raises(errors.Malformed) as refusal:
        load(tail)
    assert refusal.value.where == f"x.yaml:{line}:{column}", refusal.value
    assert words in refusal.value.message


def test_reach_cannot_rest_on_an_act():
    head = HEAD.replace("{fact: item.origins, has: XXX}", "{attested: trusted, of: recipient}")
    with pytest.raises(errors.Malformed) as refusal:
        load(TAIL, head)
    assert (refusal.value.where, refusal.value.message) == (
        "x.yaml:6:21",
        "a rule cannot rest on the absence of an act",
    )


def two_versions(first, second):
    one = TAIL[TAIL.index("  - id: place") :]
    return TAIL.replace("    cite: 3(1)\n", f"    cite: 3(1)\n    valid: {first}\n") + one.replace(
        "    cite: 3(1)\n", f"    cite: 3(1)\n    valid: {second}\n"
    ).replace("YYY", "ZZZ")


def test_versions_of_a_condition_follow_each_other():
    pack = load(two_versions("..2025-12-29", "2025-12-30.."))
    assert len(pack.authorities[0].conditions) == 2


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("..2025-12-30", "2025-12-30..", "twice for the same day"),
        ("2024-09-01..", "2025-12-30..", "twice for the same day"),
        ("..2025-12-28", "2025-12-30..", "after 2025-12-28 there are days without the condition `place`"),
    ],
)
def test_versions_neither_overlap_nor_leave_a_gap(first, second, words):
    with pytest.raises(errors.Malformed, match=words):
        load(two_versions(first, second))


SIDES = """\
  - id: who
    cite: 3(2)
    rule: Each is trusted
    for: each
    said_by: own_party
    any_of:
    - {id: home, cite: a, rule: At home, deny_code: HOME, test: {fact: party.code, is: XXX}}
    - {id: good, cite: b, rule: Trusted, deny_code: GOOD, test: {attested: trusted, of: party}}
"""


def test_a_condition_for_each_side_is_read_for_each_side():
    pack = load(TAIL + SIDES)
    assert pack.facts[2:] == (
        "transferor.code",
        "transferor.attested.trusted",
        "recipient.code",
        "recipient.attested.trusted",
    )
    assert "law.XXX/x-open/who/recipient/good" in pack.words("2025-01-01")


def test_a_side_cannot_be_determined():
    with pytest.raises(errors.Malformed, match="a determination is about the item"):
        load(TAIL + SIDES.replace("{fact: party.code, is: XXX}", "{determined: true, said_by: state}"))


def test_one_id_names_one_condition_in_an_authority():
    with pytest.raises(errors.Malformed, match="`place` stands here twice for the same day"):
        load(TAIL + SIDES.replace("id: good", "id: place"))


@pytest.mark.parametrize("key", ["possible", "certain"])
def test_a_row_of_a_list_cannot_rest_on_an_act(key):
    row = 'possible: {fact: item.entries.XXX, under: ["A(1)"]}'
    head = HEAD.replace(row, f"{row.replace('possible', 'certain')}, {row}" if key == "certain" else row)
    head = head.replace(f'{key}: {{fact: item.entries.XXX, under: ["A(1)"]}}', f"{key}: {{determined: true}}")
    with pytest.raises(errors.Malformed, match="absence of an act"):
        load(TAIL, head)
