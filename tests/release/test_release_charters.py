"""Random charters and worlds under them: the kernel, the rules and the slow reference say the same; nothing widens.

Each run makes a charter of the whole language, a register's worth of acts near a permit, and asks.
"""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest
from charter_random import CODES, NAMES, Dice, sound, text_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from reference import reference
from release_random import TERMS, Mood, chance
from release_world import ARD_LAW, BRE_LAW, CHARTER, DAY, NOW, World, ask, clearance, good, hexed, label, level, someone
from test_release_changes import needs_of, permits, smallest, universe

from relto.acts import ItemRef
from relto.charter import check, load, read
from relto.charter.asking import struck
from relto.charter.compare import amendment
from relto.errors import ReltoError
from relto.release import decide, endings, live, rosters, usual, what, who
from relto.release.amending import amended
from relto.release.cedar import export
from relto.release.changes import SETS_MAX, _key
from relto.release.decide import judge
from relto.release.kernel import ANSWERS, Kernel
from relto.release.words import sentence

ITEMS = ("arda/lens", "arda/glass", "bree/glass")
REL = tuple(sorted(CODES.values()))


class Made:
    """A charter, a world under it, and what is asked there."""

    def __init__(self, rnd, engine=0):
        self.dice, self.mood = Dice(rnd), Mood(rnd)
        self.mood.heat = rnd.choice([0.02, 0.06, 0.15, 0.4])
        self.doc, self.charter = sound(rnd, engine=engine)
        self.world = World(charter=self.charter)
        self.world.known = list(NAMES)
        self.laws()
        for name in ("arda/glass", "bree/glass", "arda/lens"):
            self.item(name)
        self.words()
        self.engagements()
        self.troubles()

    def laws(self):
        for law, source in (("ARD", ARD_LAW), ("BRE", BRE_LAW)):
            named = [one for one in self.charter.jurisdictions if one.id == law]
            if named and chance(self.mood, 0.97):
                self.world.adopt(law, source, named[0].adopter)

    def item(self, name):
        mood, party = self.mood, name.partition("/")[0]
        project = mood.choice([*(one.id for one in self.charter.projects), "nowhere"])
        areas = next((one.areas for one in self.charter.projects if one.id == project), ())
        levels = mood.choice([["ARD open"], ["BRE low"], ["ARD closed"], ["ARD guarded"], ["QQQ odd"]])
        derived = (ItemRef(item=mood.choice(["arda/glass", "bree/glass"]), version=1),)
        self.world.item(
            name,
            owners=mood.choice([(party,)] * 3 + [("arda", "bree"), (party, "cora"), ("cora",)]),
            project=project,
            areas=tuple(areas[: mood.choice([2, 1])]),
            label=label(*levels, rel=mood.choice([REL, REL, REL[:2], (), UNSET])),
            origins=mood.choice([(CODES[party],), ("COR",), ()]),
            entries={"ARD": mood.choice([(), ("A1",)]), "BRE": ()},
            flags=mood.choice([(), ("DEAR",), UNSET]),
            background=mood.choice([False, False, True, UNSET]),
            derived=derived if name == "arda/lens" and chance(mood, 0.25) else (),
            retired=hexed("gone") if chance(mood, 0.02) else "",
        )

    def words(self):
        """What parties attest and officers determine: mostly all that anything asks for."""
        mood, world = self.mood, self.world
        for party in NAMES:
            for claim in ("organisation", "trusted", "listed"):
                if chance(mood, 0.93):
                    world.attest(f"{party}/works", claim, mood.choice(TERMS), other=mood.choice([UNSET] * 8 + ["arda"]))
            for other in NAMES:
                if other != party and chance(mood, 0.7):
                    world.attest(
                        f"{party}/{party}", mood.choice(["listed", "trusted"]), mood.choice(TERMS), other=other
                    )
        limits = [("ARD", f"charter {one.clause}", "fine") for one in self.charter.limits]
        for name in world.items:
            owner = name.partition("/")[0]
            for law, authority, condition in (
                ("ARD", "ard-open", "clear"), ("ARD", "ard-free", "judged"), ("BRE", "bre-named", "named"),
                ("COR", f"charter {self.charter.releases.clause}", "control-given-up"), *limits,
            ):  # fmt: skip
                for by in {owner, "arda", "bree"}:
                    if chance(mood, 0.85):
                        under = mood.choice([law, "BRE"]) if "charter" in authority else law
                        world.determine(
                            name, authority, condition, by=by, jurisdiction=under, holds=chance(mood, 0.9),
                            revoked=hexed("revoked") if chance(mood, 0.03) else "",
                        )  # fmt: skip
            if self.charter.releases.approval and chance(mood, 0.8):
                about = f"charter {self.charter.releases.clause}"
                world.determine(name, about, "approved", by=owner, request=hexed("this one"), holds=chance(mood, 0.9))

    def engagements(self):
        for party in NAMES:
            for _ in range(self.mood.choice([1, 1, 0, 2])):
                project = self.dice.one(self.charter.projects)
                self.world.engage(
                    party, project=project.id, role=self.mood.choice(["participant", "participant", "observer"]),
                    areas=project.areas or ("lens",), term=self.mood.choice(TERMS),
                    ceiling=(level(self.mood.choice(["ARD closed", "ARD open", "BRE black"])),),
                    suspended=(("bree", hexed("stop", party)),) if chance(self.mood, 0.1) else (),
                    ended="2026-09-22" if chance(self.mood, 0.05) else "",
                )  # fmt: skip

    def troubles(self):
        for party in NAMES:
            if chance(self.mood, 0.08):
                self.world.seen[party] = self.mood.choice(
                    [NOW - 31 * 3_600_000, NOW - 25 * 3_600_000, None, NOW - 8 * DAY]
                )
            if chance(self.mood, 0.03):
                self.world.withdraws[party] = self.mood.choice(["2026-09-22", "2026-10-01"])
            if chance(self.mood, 0.015):
                self.world.frozen[party] = "two histories"

    def someone(self):
        party = self.dice.one(NAMES)
        to = someone(
            party, nationalities=self.mood.choice([(CODES[party],), (CODES[party], "ARD"), UNSET]),
            clearance=self.mood.choice([clearance("ARD closed"), clearance("ARD Key"), clearance("BRE black"), UNSET]),
            employment=self.mood.choice(["regular", "regular", "none", UNSET]),
        )  # fmt: skip
        return msgspec.structs.replace(to, says={**to.says, "employment": self.mood.choice(["party"] * 4 + ["person"])})

    def question(self):
        to = self.someone()
        return ask(
            to, self.dice.one(self.world.items), purpose=self.mood.choice(["study", "study", "repair", "war"]),
            place=self.mood.choice([CODES[to.party], "ARD", "QQQ"]), place_says=self.mood.choice(["party", "person"]),
            day=NOW + self.mood.choice([0, 0, 0, DAY, 101 * DAY]),
            request=hexed("this one") if self.charter.releases.approval and chance(self.mood, 0.9) else UNSET,
        )  # fmt: skip


# ---- the runs --------------------------------------------------------------------------------------------------------


def conjuncts(decision):
    return {one.rule: one.value.value for one in decision.findings if "/" not in one.rule}


def agrees(rnd):
    """The rules against the reference, and every finding can be said; the answers that were met."""
    made = Made(rnd)
    register, met = made.world.register(), []
    for _ in range(4):
        question = made.question()
        decision = judge(register, question).decision
        assert (decision.answer, conjuncts(decision)) == reference(register, question)
        assert all(sentence(register, question, one) for one in decision.findings)
        met.append(decision.answer)
    return met


def lists(rnd):
    """The kernel against the rules, to the last word; who and what against each pair asked alone."""
    made = Made(rnd)
    classes = {}
    for _ in range(4):
        to = made.someone()
        classes.setdefault(to.party, {})[msgspec.json.encode(to, order="sorted")] = to
    for party, people in classes.items():
        made.world.roster(party, *[(one, 2) for one in people.values()])
    register = made.world.register()
    kernel = Kernel(register, NOW)
    allowed = set()
    for one in rosters(register):
        row = kernel.answers(one.recipient)
        for item in live(register):
            alone = judge(register, usual(register, item, one.recipient, NOW)).decision
            assert kernel.explain(item.id, item.version, one.recipient) == alone
            assert ANSWERS[row[kernel.class_of(item.id, item.version)]] == alone.answer
            if alone.answer == "permit":
                allowed.add((item.id, item.version, one.id))
    for item in live(register):
        listed = {(r.item, r.version, r.to.id) for r in who(register, item.id, NOW, version=item.version)}
        assert listed == {one for one in allowed if one[:2] == (item.id, item.version)}
    for one in rosters(register):
        listed = {(r.item, r.version, r.to.id) for r in what(register, one, NOW)}
        assert listed == {each for each in allowed if each[2] == one.id}
    change(made, kernel)


def change(made, kernel):
    """One thing more, and the charter itself amended: the kernel that goes on is the one made anew."""
    world, dice = made.world, made.dice
    world.attest(f"{dice.one(NAMES)}/works", dice.one(["trusted", "listed", "organisation"]))
    world.charter = struck(made.charter, dice.one(made.charter.clauses).id)
    later = world.register()
    try:
        anew = Kernel(later, NOW)
    except ReltoError:
        return
    after = kernel.after(later)
    for one in rosters(later):
        for item in live(later):
            expected = told(lambda one=one, item=item: judge(later, usual(later, item, one.recipient, NOW)).decision)
            for found in (after, anew):
                mine = told(lambda k=found, one=one, item=item: k.explain(item.id, item.version, one.recipient))
                assert mine == expected


def told(ask_):
    """An answer, or in which words it is refused."""
    try:
        return ask_()
    except ReltoError as error:
        return type(error)


# Lists that restrict by what stands in them (docs/decisions/0097).
MAY_WIDEN = {"freshness", "jurisdictions"}


def narrows(rnd):
    """Whatever clause is struck out, what was no permit is none, where the text is still one that `check` takes."""
    made = Made(rnd)
    register = made.world.register()
    asked = [made.question() for _ in range(4)]
    before = [judge(register, one).decision.answer for one in asked]
    for clause in made.charter.clauses:
        left = struck(made.charter, clause.id)
        other = msgspec.structs.replace(register, charter=left)
        now = [told(lambda other=other, one=one: judge(other, one).decision.answer) for one in asked]
        if clause.of.partition("/")[0] in MAY_WIDEN or not any(
            new == "permit" != old for new, old in zip(now, before, strict=True)
        ):
            continue
        text = without(made.doc, clause.id)
        errors = [one for one in check(read(text_of(text), "c")) if one.severity == "error"]
        assert errors, f"{clause.of} struck out: {before} became {now}"


def without(node, clause):
    """A text without the entry of this clause."""
    if isinstance(node, dict):
        return {key: without(value, clause) for key, value in node.items()}
    if isinstance(node, list):
        return [without(one, clause) for one in node if not (isinstance(one, dict) and one.get("clause") == clause)]
    return node


def limits_narrow(rnd):
    """With its limits, whatever the layer, a charter permits less than without any."""
    made = Made(rnd, engine=2)
    register = made.world.register()
    releases = msgspec.structs.replace(made.charter.releases, limits=())
    bare = msgspec.structs.replace(made.charter, limits=(), layers=(), releases=releases)
    other = msgspec.structs.replace(register, charter=bare)
    for question in [made.question() for _ in range(4)]:
        if judge(register, question).decision.answer == "permit":
            assert judge(other, question).decision.answer == "permit"


def runs(rnd):
    """Everything that is asked of a register under a charter has an answer, or is refused in the house's words."""
    made = Made(rnd)
    made.world.roster("bree", (someone("bree"), 3))
    register = made.world.register()
    for one in [made.question() for _ in range(3)]:
        found = decide(register, one)
        if found.answer == "permit":
            endings(register, one, found)
    told(lambda: export(register, live(register), rosters(register), NOW))
    left = struck(made.charter, made.dice.one(made.charter.clauses).id)
    told(lambda: amended(register, left, NOW))
    amendment(made.charter, left)


def changes_are_minimal(rnd):
    """What would change it, against every set of steps of at most two."""
    made = Made(rnd)
    register, question = made.world.register(), made.question()
    decision = decide(register, question)
    if decision.answer == "permit":
        return False
    ways = needs_of(decision)
    for way in ways:
        assert permits(register, question, way)
        assert not any(permits(register, question, [*way[:n], *way[n + 1 :]]) for n in range(len(way)))
    steps = universe(register, question)
    if len(steps) > 14 or (ways and len(ways[0]) > 2):
        return False
    truth = {frozenset(_key(way)) for way in smallest(register, question, steps, 2)}
    mine = [frozenset(_key(way)) for way in ways if len(way) <= 2]
    assert set(mine) <= truth
    assert len(mine) == min(SETS_MAX, len(truth)), (sorted(map(sorted, truth)), mine)
    return bool(mine)


RUNS = {
    "agrees": agrees, "lists": lists, "narrows": narrows, "limits_narrow": limits_narrow, "runs": runs,
    "changes_are_minimal": changes_are_minimal,
}  # fmt: skip


FEW = {"lists": 1, "narrows": 1}


@pytest.mark.parametrize("name", RUNS)
def test_under_a_random_charter(name):
    @settings(max_examples=FEW.get(name, 3), phases=[Phase.explicit, Phase.generate])
    @given(st.integers(0, 1 << 32))
    def run(seed):
        RUNS[name](random.Random(seed))

    run()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("name", RUNS)
def test_under_many(name, seed):
    for more in range(20):
        RUNS[name](random.Random(1000 * seed + more))


def test_all_three_answers_are_met():
    met = Counter(one for seed in range(12) for one in agrees(random.Random(seed)))
    assert met["permit"] > 8, met
    assert met["undetermined"] > 0, met


def test_a_party_receives_nothing_before_its_first_day():
    """Under engine 2 whoever else has a last day, and under engine 1 never asked."""
    for engine, first, expected in (
        ("2", "2026-09-23", "deny"),
        ("2", "2026-09-22", "permit"),
        ("1", "2026-09-23", "permit"),
    ):
        text = CHARTER.replace("engine: 1", f"engine: {engine}")
        text = text.replace("code: BRE, grade: member, since: 2020-01-01", f"code: BRE, grade: member, since: {first}")
        world = good()
        world.charter = load(read(text.encode(), "c"))
        decision = judge(world.register(), ask()).decision
        assert decision.answer == expected
        assert [one.rule for one in decision.failing] == ["party_days"] * (expected == "deny")
        kernel = Kernel(world.register(), NOW)
        assert kernel.explain("arda/lens", 1, someone()) == judge(
            world.register(), usual(world.register(), world.items["arda/lens"][0], someone(), NOW)
        ).decision  # fmt: skip


def test_limits_for_others_bind_who_left_by_its_own_notice_too():
    """What it keeps is under both kinds of limits: neither the notice nor the text is a way around one."""
    keeps = 'exits:\n- {kind: own_wish, keeps: [{id: rights, says: x, access: {made: all}, clause: "16.2"}], clause: "16.1"}\n'
    for to, gone, expected in (
        ("outsiders", "2026-09-22", "deny"), ("members", "2026-09-22", "deny"), ("outsiders", "2026-09-23", "permit"),
    ):  # fmt: skip
        text = CHARTER.replace("engine: 1", "engine: 3").replace(
            "releases: {rule: all,", "releases: {rule: all, limits: [held],"
        )
        text += f'limits:\n- {{id: held, to: {to}, needs: [{{never: true}}], clause: "15.1"}}\n{keeps}'
        world = good()
        world.charter, world.withdraws["bree"] = load(read(text.encode(), "c")), gone
        decision = judge(world.register(), ask()).decision
        assert (decision.answer, [one.rule for one in decision.failing]) == (
            expected,
            ["limit.held"] * (expected == "deny"),
        )
        item = world.items["arda/lens"][0]
        usually = judge(world.register(), usual(world.register(), item, someone(), NOW)).decision
        assert Kernel(world.register(), NOW).explain("arda/lens", 1, someone()) == usually
