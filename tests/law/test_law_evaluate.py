"""Evaluation: order and content of findings, standing of speakers, needs, ends, and that nothing unknown permits."""

import functools
import pathlib

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from relto import errors
from relto.charter import Money, read
from relto.charter.text import list_of
from relto.law import UNKNOWN, Fact, Says, Three, absent, activity_of, cases, evaluate, load_pack
from relto.law.facts import ROLES, is_closed, name_of

NO, UNKNOWN3, YES = Three.NO, Three.UNKNOWN, Three.YES

SOURCE = """\
pack: xx-export
jurisdiction: XXX
title: Export law of X
source: Gazette 1
valid: 2024-09-01..2027-12-31
reaches: {any: [{fact: item.origins, has: XXX}, {fact: transferor.code, is: XXX}]}
attestations:
- {id: trusted, says: The organisation is trusted}
obligations:
- {id: tell, cite: "2", says: Tell the ministry}
- {id: keep, cite: "4", says: Keep a record}
- {id: ask, cite: "5", says: Ask again}
lists:
- id: secret
  cite: Schedule 1
  rows:
  - {id: ships, cite: row 1, says: Ships, certain: {fact: item.entries.XXX, under: ["A(1)"]},
     possible: {fact: item.entries.XXX, under: ["A(1)", "A(2)"]}}
  - {id: flagged, cite: row 2, says: Flagged,
     certain: {fact: item.flags, has: MT}, possible: {fact: item.flags, has: MT}}
general:
- {id: channel, cite: "1", rule: By a safe channel, deny_code: CHANNEL, said_by: transferor_officer,
   test: {any: [{fact: item.classified, is: false}, {determined: true}]}}
- {id: told, cite: "2", rule: The ministry is told, deny_code: TOLD, test: {owes: tell}}
authorities:
- id: x-open
  kind: exemption
  title: Open
  cite: "3"
  obligations: [keep]
  conditions:
  - {id: place, cite: 3(1), rule: Goes to Y, deny_code: PLACE, test: {fact: place.destination, in: [YYY, ZZZ]}}
  - {id: trusted, cite: 3(2), rule: Recipient trusted, deny_code: TRUST, said_by: own_party,
     test: {attested: trusted, of: recipient}}
  - {id: secret, cite: 3(3), rule: Not secret, deny_code: SECRET, said_by: [transferor_officer, state],
     test: {clear_of: secret}}
- id: x-licence
  kind: licence
  title: Licence
  cite: "6"
  valid: ..2026-12-31
  obligations: [ask]
  conditions:
  - {id: held, cite: "6", rule: Held, deny_code: NO_LICENCE, test: {licensed: true}}
- {id: x-treaty, kind: pointer, title: Treaty, cite: "7"}
"""
PACK = load_pack(read(SOURCE.encode(), "x.yaml"))
GOOD = {
    "item.origins": ("XXX",),
    "transferor.code": "XXX",
    "item.classified": False,
    "item.entries.XXX": ("B(1)",),
    "item.flags": (),
    "place.destination": "YYY",
    "recipient.attested.trusted": True,
}


def world(changes=None, *, by=ROLES, says=None, until=None, base=None):
    facts = (GOOD if base is None else base) | (changes or {})

    def lookup(name):
        act = is_closed(name) or name.startswith("determined.")
        return Fact(
            name=name,
            value=facts.get(name, False if is_closed(name) else UNKNOWN),
            says=says or (Says.ACT if act else Says.PARTY),
            by=by if act else (),
            until=(until or {}).get(name),
        )

    return lookup


def judge(changes=None, day="2026-06-01", **how):
    return evaluate(PACK, day, world(changes, **how))


def values(judgement):
    return {finding.rule: finding.value for finding in judgement.findings}


def finding(judgement, rule):
    return next(found for found in judgement.findings if found.rule == rule)


def test_findings_stand_in_the_order_of_the_pack_conjunct_first():
    judgement = judge()
    assert [(found.rule, found.value) for found in judgement.findings] == [
        ("law.XXX", YES),
        ("law.XXX/reach", YES),
        ("law.XXX/general/channel", YES),
        ("law.XXX/general/told", YES),
        ("law.XXX/x-open", YES),
        ("law.XXX/x-open/place", YES),
        ("law.XXX/x-open/trusted", YES),
        ("law.XXX/x-open/secret", YES),
        ("law.XXX/x-licence", NO),
        ("law.XXX/x-licence/held", NO),
        ("law.XXX/x-treaty", NO),
    ]
    (pack_fact,) = judgement.findings[0].facts
    assert (pack_fact.value, pack_fact.says, pack_fact.rests_on) == ("xx-export", Says.PACK, PACK.digest.hex())
    assert [fact.name for fact in finding(judgement, "law.XXX/reach").facts] == ["item.origins", "transferor.code"]
    assert finding(judgement, "law.XXX/x-open/place").cite == "3(1)"
    assert [authority.id for authority in judgement.authorities] == ["x-open"]
    assert [pointer.id for pointer in judgement.pointers] == ["x-treaty"]
    assert [obligation.id for obligation in judgement.obligations] == ["tell", "keep"]
    assert judgement.ways == ()


def test_every_condition_is_shown_also_after_the_first_no():
    found = values(judge({"place.destination": "QQQ", "recipient.attested.trusted": False, "item.flags": ("MT",)}))
    assert [found[f"law.XXX/x-open/{each}"] for each in ("place", "trusted", "secret")] == [NO, NO, NO]
    assert found["law.XXX"] is NO


def test_what_is_not_reached_is_recorded_and_nothing_else_is_asked():
    judgement = judge({"item.origins": ("YYY",), "transferor.code": "YYY"})
    assert [(found.rule, found.value) for found in judgement.findings] == [("law.XXX", YES), ("law.XXX/reach", NO)]
    assert (judgement.reached, judgement.authorities, judgement.obligations) == (NO, (), ())


def test_unknown_reach_is_unknown_also_where_an_authority_holds():
    judgement = judge({"item.origins": UNKNOWN, "transferor.code": "YYY"})
    assert (judgement.value, values(judgement)["law.XXX/x-open"]) == (UNKNOWN3, YES)
    assert judgement.authorities == ()
    assert [[need.kind for need in way] for way in judgement.ways] == [["item.origins"]]


def test_a_pointer_never_permits():
    only_pointers = SOURCE[: SOURCE.index("- id: x-open")] + SOURCE[SOURCE.index("- {id: x-treaty") :]
    pack = load_pack(read(only_pointers.encode(), "x.yaml"))
    judgement = evaluate(pack, "2026-06-01", world())
    assert judgement.value is NO
    assert finding(judgement, "law.XXX/x-treaty").deny_code == "POINTER"


def test_outside_its_days_a_text_says_nothing():
    judgement = judge(day="2028-01-01")
    (only,) = judgement.findings
    assert (judgement.value, only.deny_code, only.facts[0].why) == (
        UNKNOWN3,
        "LAW_NOT_ADOPTED",
        "the text `xx-export` is the law for 2024-09-01..2027-12-31",
    )
    assert [need.kind for need in only.needs] == ["adopt law"]
    assert absent("XXX", "nobody has adopted a text").value is UNKNOWN3


def test_an_authority_past_its_days_is_not_asked():
    licensed = {"licensed.x-licence": True, "place.destination": "QQQ"}
    assert judge(licensed, "2026-12-31").value is YES
    after = judge(licensed, "2027-01-01")
    assert after.value is NO
    assert "law.XXX/x-licence" not in values(after)


def test_an_authority_without_a_condition_in_force_grants_nothing():
    source = SOURCE.replace('{id: held, cite: "6"', '{id: also, valid: 2026-07-01.., cite: "6"')
    source = source.replace("kind: licence", "kind: exemption").replace("test: {licensed: true}", "test: {owes: tell}")
    pack = load_pack(read(source.encode(), "x.yaml"))
    lookup = world({"place.destination": "QQQ"})
    assert evaluate(pack, "2026-06-30", lookup).value is NO
    assert evaluate(pack, "2026-07-01", lookup).value is YES


@pytest.mark.parametrize("day", ["2026-02-30", "2026-6-1", "", "tomorrow"])
def test_a_day_that_is_none_is_an_error(day):
    with pytest.raises(errors.Malformed):
        judge(day=day)


# speakers


@pytest.mark.parametrize(
    ("by", "value"), [(("recipient_party",), YES), (("state", "recipient_party"), YES), (("owner",), NO), ((), NO)]
)
def test_an_attestation_counts_when_the_party_itself_made_it(by, value):
    assert values(judge(by=by))["law.XXX/x-open/trusted"] is value


def test_an_attestation_that_no_act_made_is_none():
    assert values(judge(says=Says.PARTY))["law.XXX/x-open/trusted"] is NO


@pytest.mark.parametrize(
    ("by", "value"), [(("transferor_officer",), YES), (("state",), YES), (("recipient_party",), UNKNOWN3)]
)
def test_a_determination_by_somebody_else_is_still_to_come(by, value):
    changes = {"item.entries.XXX": ("A(2)",), "determined.x-open.secret": True}
    assert values(judge(changes, by=by))["law.XXX/x-open/secret"] is value


@pytest.mark.parametrize(("by", "value"), [(("state",), YES), (("transferor_officer",), NO)])
def test_a_licence_is_given_by_the_state(by, value):
    assert values(judge({"licensed.x-licence": True}, by=by))["law.XXX/x-licence/held"] is value


def test_a_fact_test_may_name_who_must_say_it():
    source = SOURCE.replace("in: [YYY, ZZZ]}", "in: [YYY, ZZZ], said_by: [party, node]}")
    pack = load_pack(read(source.encode(), "x.yaml"))
    for says, value in ((Says.PARTY, YES), (Says.NODE, YES), (Says.PERSON, UNKNOWN3)):
        lookup = world()
        judgement = evaluate(
            pack, "2026-06-01", lambda name, s=says, f=lookup: msgspec.structs.replace(f(name), says=s)
        )
        assert values(judgement)["law.XXX/x-open/place"] is value


# lists


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, YES),
        ({"item.entries.XXX": ("A(2)",)}, UNKNOWN3),
        ({"item.entries.XXX": ("A(2)",), "determined.x-open.secret": True}, YES),
        ({"item.entries.XXX": ("A(2)",), "determined.x-open.secret": False}, NO),
        ({"item.entries.XXX": ("A(1)(b)",), "determined.x-open.secret": True}, NO),
        ({"item.entries.XXX": ("A",), "determined.x-open.secret": True}, UNKNOWN3),
        ({"item.entries.XXX": UNKNOWN, "determined.x-open.secret": True}, UNKNOWN3),
        ({"item.flags": UNKNOWN, "determined.x-open.secret": True}, UNKNOWN3),
        ({"item.entries.XXX": ("A(10)", "AA(1)", "a(20)")}, YES),
        ({"item.entries.XXX": ("a(1)",)}, NO),
    ],
)
def test_a_determination_fills_what_the_facts_leave_open_and_no_more(changes, value):
    assert values(judge(changes))["law.XXX/x-open/secret"] is value


def test_rows_that_are_not_clear_are_named_with_their_paragraph():
    judgement = judge({"item.entries.XXX": ("A(2)",), "item.flags": ("MT",)})
    rows = [found for found in judgement.findings if found.rule.startswith("law.XXX/x-open/secret/")]
    assert [(row.rule.rsplit("/")[-1], row.value, row.cite) for row in rows] == [
        ("ships", UNKNOWN3, "Schedule 1, row 1"),
        ("flagged", NO, "Schedule 1, row 2"),
    ]


# needs


def test_needs_say_what_by_whom_and_by_which_act():
    judgement = judge({"place.destination": "QQQ", "recipient.attested.trusted": False, "item.entries.XXX": ("A(2)",)})
    needs = {rule: finding(judgement, f"law.XXX/x-open/{rule}").needs for rule in ("place", "trusted", "secret")}
    assert [(need.kind, need.of) for need in needs["place"]] == [("place.destination", "recipient_party")]
    assert needs["place"][0].detail == {"fact": "place.destination", "in": "YYY ZZZ"}
    assert [(need.kind, need.of) for need in needs["trusted"]] == [("attest", "recipient_party")]
    assert needs["trusted"][0].needs == "an attestation `trusted` for the recipient"
    assert [(need.kind, need.of) for need in needs["secret"]] == [("determine", "transferor_officer")]
    assert needs["secret"][0].detail["condition"] == "secret"
    assert [sorted(need.kind for need in way) for way in judgement.ways] == [
        ["licence"],
        ["attest", "determine", "place.destination"],
    ]


def test_nobody_is_told_to_change_what_a_thing_is():
    judgement = judge({"item.entries.XXX": ("A(1)",)})
    assert finding(judgement, "law.XXX/x-open/secret").needs == ()
    assert [[need.kind for need in way] for way in judgement.ways] == [["licence"]]


@given(st.data())
def test_a_way_that_holds_no_question_leads_to_a_yes(data):
    names = [name for name in PACK.facts if name not in {"item.origins", "transferor.code"}]
    changes = {name: data.draw(value_of(name), label=name) for name in names}
    judgement = judge(changes)
    for way in judgement.ways:
        met = dict(changes)
        for need in way:
            fact = need.detail["fact"]
            met[fact] = (
                need.detail["in"].split()[0] if "in" in need.detail else True if name_of(fact).type is bool else UNKNOWN
            )
        if UNKNOWN not in [met[need.detail["fact"]] for need in way] and "item.classified" not in [n.kind for n in way]:
            assert judge(met).value is YES, way


# ends


def test_a_yes_ends_with_the_first_thing_it_rests_on():
    assert judge().ends == "2027-12-31"
    assert judge(until={"recipient.attested.trusted": "2027-01-15", "item.flags": "2027-03-01"}).ends == "2027-01-15"
    licensed = judge({"licensed.x-licence": True, "place.destination": "QQQ"})
    assert (licensed.ends, licensed.authorities[0].ends) == ("2026-12-31", "2026-12-31")


def test_an_alternative_that_does_not_hold_ends_nothing():
    assert judge(until={"determined.xx-export.channel": "2026-07-01"}).ends == "2027-12-31"


def test_where_the_law_does_not_reach_the_yes_ends_with_the_text():
    judgement = judge({"item.origins": ("YYY",), "transferor.code": "YYY"})
    assert (judgement.reached, judgement.value, judgement.ends) == (NO, YES, "2027-12-31")


def test_a_condition_not_yet_in_force_ends_a_yes_on_the_day_before_its_first():
    later = SOURCE.replace("{id: place, cite: 3(1)", "{id: place, valid: 2026-07-01.., cite: 3(1)")
    pack = load_pack(read(later.encode(), "x.yaml"))
    assert evaluate(pack, "2026-06-01", world()).ends == "2026-06-30"
    assert evaluate(pack, "2026-07-01", world()).ends == "2027-12-31"


def test_where_the_reach_is_unknown_each_fact_that_would_end_it_is_a_way():
    judgement = judge({"item.origins": UNKNOWN, "transferor.code": "YYY"})
    assert [[need.kind for need in way] for way in judgement.ways] == [["item.origins"]]


# facts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("item.origins", "XXX"),
        ("item.origins", ["XXX"]),
        ("item.classified", 0),
        ("transferor.code", ("XXX",)),
        ("item.flags", Money(amount=1, currency="USD")),
    ],
)
def test_a_fact_of_another_kind_is_an_error_and_not_an_answer(name, value):
    with pytest.raises(errors.Malformed, match=f"`{name}`"):
        judge({name: value})


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("item.origins", ("xxx",), "reach"),
        ("place.destination", "France", "x-open/place"),
        ("place.destination", "", "x-open/place"),
        ("item.entries.XXX", ("B(1)", "A (1)"), "x-open/secret"),
        ("item.flags", ("MT (partly)",), "x-open/secret"),
    ],
)
def test_a_fact_in_another_spelling_is_not_known(name, value, rule):
    found = finding(judge({name: value, "transferor.code": "YYY" if rule == "reach" else "XXX"}), f"law.XXX/{rule}")
    (fact,) = [fact for fact in found.facts if fact.name == name]
    assert (found.value, fact.value) == (UNKNOWN3, UNKNOWN)
    assert "is not in the form that the law compares" in fact.why


def test_a_lookup_that_answers_another_question_is_an_error():
    with pytest.raises(errors.Malformed, match=r"where `item\.origins` was asked for"):
        evaluate(PACK, "2026-06-01", lambda _: Fact(name="item.flags", value=()))


def test_a_judgement_travels_as_json():
    encoded = msgspec.json.encode(judge({"item.entries.XXX": ("A(2)",)}))
    assert b'"value":"unknown"' in encoded
    assert b"UNSET" not in encoded


# nothing unknown permits

PACKS = pathlib.Path(__file__).parents[2] / "relto" / "data" / "law"
SHIPPED = {path.name: load_pack(read((path / "pack.yaml").read_bytes(), path.name)) for path in sorted(PACKS.iterdir())}
STATES = ("AUS", "GBR", "USA", "JPN", "PRK")
WORDS = {
    "transfer.purpose": ("evaluation", "production", "certification"),
    "item.flags": ("MT", "SME", "MDE", "cluster-munition"),
    "item.entries.USA": ("XI(d)", "XI(a)(1)(i)", "XI(b)", "XI", "XXI(a)", "VIII(h)(12)", "I(b)", "5A001.b"),
    "item.entries.XXX": ("A(1)", "A(2)", "A", "B(1)"),
}


def value_of(name):
    """Any value that a pack may meet under this name, or none."""
    known = name_of(name)
    words = st.sampled_from(WORDS.get(name, ("ML9.a", "ML11a") if ".entries." in name else STATES))
    some = {
        bool: st.booleans(),
        str: words,
        tuple: st.lists(words, max_size=2, unique=True).map(tuple),
        Money: st.integers(0, 120_000_000).map(lambda amount: Money(amount=amount, currency="USD")),
    }[known.type]
    return st.one_of(some, st.just(UNKNOWN))


def worlds_of(pack):
    """Facts that lead to a yes, to start from: chance alone hardly ever meets all conditions of a law."""
    return [GOOD] if pack is PACK else worlds_beside(pack.id)


@functools.cache
def worlds_beside(name):
    pack, cases_text = SHIPPED[name], read((PACKS / name / "cases.yaml").read_bytes(), name)
    return [
        {"transfer.activity": activity_of(pack.jurisdiction, facts.get("place.origin"), facts.get("place.access"))}
        | facts
        for _, facts in cases_text.root.take("worlds", list_of(cases._world))
    ]


def facts_of(pack, data):
    facts = dict(data.draw(st.sampled_from(worlds_of(pack)), label="world"))
    for name in sorted(data.draw(st.sets(st.sampled_from(pack.facts), max_size=4), label="changed")):
        facts[name] = data.draw(value_of(name), label=name)
    return facts


@pytest.mark.parametrize("pack", [PACK, *SHIPPED.values()], ids=lambda pack: pack.id)
@settings(max_examples=30)
@given(data=st.data())
def test_forgetting_a_fact_never_permits(pack, data):
    facts = facts_of(pack, data)
    day = data.draw(st.sampled_from(["2024-09-01", "2025-12-29", "2025-12-30", "2026-06-01"]), label="day")
    forgotten = data.draw(st.sets(st.sampled_from(pack.facts), min_size=1, max_size=3), label="forgotten")
    before = evaluate(pack, day, world(base=facts))
    after = evaluate(pack, day, world(base=facts | dict.fromkeys(forgotten, UNKNOWN)))
    event(f"before {before.value.value}")
    assert after.value in (before.value, UNKNOWN3)
    shown = values(after)
    for rule, value in values(before).items():
        if rule in shown:
            assert shown[rule] in (value, UNKNOWN3), rule


@pytest.mark.parametrize("pack", SHIPPED.values(), ids=lambda pack: pack.id)
def test_each_fact_of_a_yes_forgotten_alone(pack):
    for facts in worlds_of(pack):
        assert evaluate(pack, "2026-06-01", world(base=facts)).value is YES
        for name in facts:
            forgotten = evaluate(pack, "2026-06-01", world(base=facts | {name: UNKNOWN}))
            assert forgotten.value in (YES, UNKNOWN3), name


@pytest.mark.parametrize("pack", SHIPPED.values(), ids=lambda pack: pack.id)
def test_where_nothing_is_known_nothing_is_permitted(pack):
    judgement = evaluate(pack, "2026-06-01", lambda name: Fact(name=name))
    assert judgement.value is UNKNOWN3
    assert judgement.authorities == ()


@pytest.mark.parametrize("pack", SHIPPED.values(), ids=lambda pack: pack.id)
@settings(max_examples=30)
@given(data=st.data())
def test_a_yes_rests_on_an_authority_or_on_no_reach(pack, data):
    judgement = evaluate(pack, "2026-06-01", world(base=facts_of(pack, data)))
    assert (judgement.value is YES) is (judgement.reached is NO or bool(judgement.authorities))
    assert [found.rule for found in judgement.findings if "/" not in found.rule] == [f"law.{pack.jurisdiction}"]
