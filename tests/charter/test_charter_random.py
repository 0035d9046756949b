"""Random charters: what `check` takes answers every question; what it does not take no node loads; votes decide as written.

The texts are of the whole language (tests/charter_random.py), and the same with something typed otherwise.
"""

from __future__ import annotations

import contextlib
import random

import pytest
from charter_random import CODES, DAYS, NAMES, Dice, Maker, altered, sound, text_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from reference_votes import Vote, entry_for
from test_charter_schema import WHOLE, plain, wrong

from relto.charter import JOINT_ACTS, Matter, check, load, poll, read, stage_of
from relto.charter.asking import KINDS as QUESTIONS
from relto.charter.asking import Asked, answer, struck
from relto.charter.compare import amendment, sentences
from relto.charter.draft import SECTIONS, draft
from relto.charter.rules import newly_suspended, sections_touched
from relto.errors import Malformed, NotFound
from relto.label import Level

VOICES = ("consent", "refuse", "veto", "silent")


def given_for(dice: Dice, charter):
    """What a question may name, of the charter or not."""
    ids = [one.id for one in charter.projects]
    party = dice.one(NAMES)
    return {
        "act": dice.one(JOINT_ACTS), "party": party, "day": dice.one(DAYS), "bound": dice.one(NAMES),
        "concerned": dice.one(charter.members), "votes": {one: dice.one(VOICES) for one in dice.some(NAMES)},
        "ends": dice.one(["", "project", "engagement"]), "grade": dice.one(["", "member", "funder"]),
        "sections": dice.some(SECTIONS, 0.05), "law": dice.one(["ARD", "BRE", "COR"]), "candidate": dice.one(NAMES),
        "of": dice.one(["withdrawal", "recall", "duty/back", "exit/whole", "exit/own_wish", "exit/x", "duty/x"]),
        "level": dice.one(["ARD open", "ARD closed", "BRE black", "QQQ odd"]), "clearance": dice.one(["ARD Key", "BRE black"]),
        "in": dice.one(["ARD", "BRE", "QQQ"]), "group": dice.one(["LAMP", "NONE"]), "levels": dice.some(["ARD open", "ARD closed"]),
        "area": dice.one(["lens", "wick", "x"]), "attribute": dice.one(["funded", "near", "x"]), "limit": dice.one(["limit-0", "x"]),
        "attested": tuple(dice.some(["eligible"])), "project": dice.one([*ids, "nowhere"]),
    }  # fmt: skip


def of_kind(kind, found):
    if kind == "admission":
        return {**found, "candidate": CODES[found["candidate"]]}
    return {**found, "of": "money"} if kind == "share" else found


def answers_everything(rnd, charter, text):
    """Every question that a charter answers by itself, with words that it has and words that it has not."""
    dice = Dice(rnd)
    found = given_for(dice, charter)
    for kind in QUESTIONS:
        asked = Asked(kind=kind, given=of_kind(kind, found))
        assert answer(charter, asked).answer
    told = sentences(charter)
    assert {one.of.partition("/")[0] for one in told if not one.words} <= {"purpose", "standing", "labels"}
    assert amendment(charter, charter) == ()
    for name in NAMES:
        for day in DAYS:
            charter.closed(name, day)
            charter.pairs(CODES[name], day)
        assert charter.freshness_limit([Level(system="ARD", level="closed")], name)[0] > 0
    for one in charter.candidates:
        stage_of(one, "2025-01-01")
    for day in DAYS:
        assert charter.withdrawal.effective(day) >= day
        assert all(one.effective(day) >= day for one in charter.exits)
    for clause in charter.clauses:
        left = struck(charter, clause.id)
        sentences(left)
        amendment(charter, left)
        for kind in ("vote", "freshness", "date", "clearance", "window", "suspend"):
            answer_struck(left, Asked(kind=kind, given=of_kind(kind, found)))
        sections_touched(charter, left)
        newly_suspended(left, charter)


def answer_struck(left, asked):
    with contextlib.suppress(NotFound):  # said in the house's words
        answer(left, asked)


def checked(text):
    """The problems of a text, which `load` must agree with; None when it is no text at all."""
    try:
        source = read(text, "charter.yaml")
    except Malformed:
        return None
    problems = check(source)
    errors = [one for one in problems if one.severity == "error"]
    assert all(one.where.startswith("charter.yaml:") and one.message for one in problems)
    if errors:
        with pytest.raises(Malformed):
            load(source)
    else:
        assert load(source) == draft(source)
    return errors


# ---- what is taken, answers; what is not, does not run -----------------------------------------------------------------


def language(rnd):
    doc, charter = sound(rnd)
    assert wrong(plain(read(text_of(doc), "c").root), WHOLE) == []
    answers_everything(rnd, charter, text_of(doc))


def typed_otherwise(rnd):
    doc = altered(rnd, Maker(rnd).doc())
    text = text_of(doc)
    errors = checked(text)
    if errors == []:
        answers_everything(rnd, load(read(text, "c")), text)
    return errors


# ---- votes -----------------------------------------------------------------------------------------------------------


def votes(rnd):
    """The verdict of the rules against the slow one; and more consents never hurt, more refusals never help."""
    doc, charter = sound(rnd)
    dice = Dice(rnd)
    project = dice.one(doc["projects"])
    act, ends = dice.one(JOINT_ACTS), dice.one(["project", "engagement"])
    ends = ends if act == "end" else ""
    about = (
        {"project": project["id"], "pillar": project["pillar"]} if act in {"project", "engage", "renew", "end"} else {}
    )
    sections = (
        frozenset(dice.one([["candidates"], ["projects"], ["suspended_votes"], ["parties", "windows"]]))
        if act == "charter"
        else ()
    )
    grade = dice.one([one["id"] for one in doc.get("grades", [{"id": "member"}])]) if act == "admit" else ""
    concerned = (dice.one(charter.members),)
    bound = tuple(dice.some(NAMES, 0.3))
    entry = entry_for(doc, act, ends=ends, grade=grade, sections=sections, **about)
    given_ = {"participants": tuple(project["participants"]), "concerned": concerned, "bound": bound}
    asked = poll(
        charter, Matter(act=act, ends=ends, grade=grade, sections=frozenset(sections), **about, **given_)
    )  # fmt: skip
    slow = Vote(doc, entry, project=about.get("project", ""), **given_)
    assert asked.rule.clause == entry["clause"]
    assert set(asked.everyone) == set(slow.everyone)
    said = {}
    before = asked.verdict(said)
    voices = [one for one in VOICES if one != "veto" or "veto" in entry]
    for party in dice.some(asked.everyone, 0.8):
        said[party] = dice.one(["consent", "consent", *voices])
        now = asked.verdict(said)
        assert now == slow.verdict(said), (entry, said)
        assert before in {"open", now}, (entry, said)  # neither outcome turns
        if said[party] != "consent":
            kinder = asked.verdict({**said, party: "consent"})
            assert (now, kinder) not in {("in_force", "open"), ("in_force", "dead"), ("open", "dead")}
        before = now
    rivals(dice, asked)


def rivals(dice, asked):
    """Two proposals: nobody consents to both. Not both are carried."""
    first = {one: dice.one(VOICES[:2]) for one in asked.everyone}
    second = {one: "refuse" if voice == "consent" else dice.one(VOICES[:2]) for one, voice in first.items()}
    assert {asked.verdict(first), asked.verdict(second)} != {"in_force"}, (asked, first, second)


# Lists that restrict by what stands in them (docs/decisions/0097).
MAY_WIDEN = {"suspended_votes", "windows"}


def votes_narrow(rnd):
    """Whatever clause is struck out: votes that did not decide do not, where the text is still one that `check` takes."""
    doc, charter = sound(rnd)
    dice = Dice(rnd)
    for _ in range(3):
        found = given_for(dice, charter)
        asked = Asked(kind="vote", given={**found, "sections": found["sections"] if found["act"] == "charter" else []})
        before = answer(charter, asked).answer
        for clause in charter.clauses:
            if before == "in_force" or clause.of.partition("/")[0] in MAY_WIDEN:
                continue
            if answer(struck(charter, clause.id), asked).answer == "in_force":
                assert checked(text_of(without(doc, clause.id))) != [], (
                    f"{clause.of} struck out: {before} became in_force"
                )


def without(node, clause):
    """A text without the entry of this clause."""
    if isinstance(node, dict):
        return {key: without(value, clause) for key, value in node.items()}
    if isinstance(node, list):
        return [without(one, clause) for one in node if not (isinstance(one, dict) and one.get("clause") == clause)]
    return node


# ---- the tests -------------------------------------------------------------------------------------------------------

BATCHES = 40
RUNS = {"language": language, "typed otherwise": typed_otherwise, "votes": votes, "votes narrow": votes_narrow}


FEW = {"language": 3, "typed otherwise": 12, "votes": 10, "votes narrow": 1}


@pytest.mark.parametrize("name", RUNS)
def test_a_few_of_them(name):
    @settings(max_examples=FEW[name], phases=[Phase.explicit, Phase.generate])
    @given(st.integers(0, 1 << 32))
    def run(seed):
        RUNS[name](random.Random(seed))

    run()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(BATCHES))
@pytest.mark.parametrize("name", RUNS)
def test_many_of_them(name, seed):
    for more in range(25):
        RUNS[name](random.Random(1000 * seed + more))


def test_both_kinds_are_met():
    """So the properties above say something: most texts are sound, and of the altered ones most are refused."""
    texts = [text_of(Maker(random.Random(seed)).doc()) for seed in range(10)]
    assert sum(checked(text) == [] for text in texts) > 4
    assert sum(typed_otherwise(random.Random(seed)) != [] for seed in range(10)) > 5


def test_a_group_that_nobody_belongs_to_on_the_day_is_not_known():
    doc, _ = sound(random.Random(1))
    doc["groups"] = [{"id": "LAMP", "members": ["ARD", "BRE"], "valid": "2020-01-01..2021-12-31", "clause": "99"}]
    charter = load(read(text_of(doc), "c"))
    told = [
        answer(charter, Asked(kind="group", given={"group": "LAMP", "day": day}))
        for day in ("2021-12-31", "2022-01-01")
    ]
    assert [(one.answer, one.clauses) for one in told] == [("ARD BRE", ("99",)), ("not known", ("99",))]


def test_editors_take_an_any_within_an_any():
    inner = {"any": [{"until": "2026-01-01"}, {"attested": "listed"}]}
    need = {"any": [inner, {"any": [inner, {"never": True}]}]}
    rule = WHOLE["properties"]["limits"]["items"]["properties"]["needs"]
    assert wrong([plain(read(b"a: " + str(need).replace("True", "true").encode(), "c").root.at("a"))], rule) == []
    assert wrong([{"any": [{"any": [{"colour": "red"}, {"never": "true"}]}, {"never": "true"}]}], rule)
