"""The kernel equals `judge` in every word, for every pair, and after every change of the register."""

import random

import msgspec
import numpy as np
import pytest
from release_random import Mood, random_engagements, random_item
from release_world import NOW, good, hexed, label, someone
from test_release_search import crowd

from relto.release import live, rosters, usual
from relto.release.catalogue import Own, Part, Rows, item_of, name_of
from relto.release.decide import judge
from relto.release.kernel import ANSWERS, Asking, Kernel
from relto.release.names import Names

USUAL = Asking()


def judged(register, item, to, asking=USUAL):
    question = usual(register, item, to, NOW, asking.purpose, asking.place, asking.method)
    return judge(register, question).decision


def every_pair(register, kernel, asking=USUAL):
    """(from the kernel, from `judge`) for every live item and declared class."""
    for one in rosters(register):
        row = kernel.answers(one.recipient)
        for item in live(register):
            expected = judged(register, item, one.recipient, asking)
            assert ANSWERS[row[kernel.class_of(item.id, item.version)]] == expected.answer
            yield kernel.explain(item.id, item.version, one.recipient), expected


@pytest.mark.parametrize("seed", range(4))
def test_an_explained_decision_is_that_of_judge_to_the_last_word(seed):
    register = crowd(seed).register()
    kernel = Kernel(register, NOW)
    answers = set()
    for mine, expected in every_pair(register, kernel):
        assert mine == expected
        assert msgspec.json.encode(mine) == msgspec.json.encode(expected)
        answers.add(mine.answer)
    assert answers


@pytest.mark.parametrize(
    "asking", [Asking(purpose="repair"), Asking(place="QQQ"), Asking(method="oral", purpose="war")]
)
def test_asked_for_another_purpose_or_place_it_is_still_that_of_judge(asking):
    register = crowd(3).register()
    for mine, expected in every_pair(register, Kernel(register, NOW, asking), asking):
        assert mine == expected


def changed(rnd, world):
    """One more thing in a world: what acts do."""
    mood = Mood(rnd)
    names = sorted(world.items)
    match rnd.randrange(19):
        case 0:
            random_engagements(mood, world)
        case 1:
            world.attest(f"{rnd.choice(['bree', 'cora', 'dun'])}/works", rnd.choice(["trusted", "listed"]))
        case 2:
            world.determine(rnd.choice(names), "ard-open", "clear", holds=rnd.random() < 0.7)
        case 3:
            world.licence(rnd.choice(names), recipients=(f"{rnd.choice(['bree', 'dun'])}/works",))
        case 4:
            world.relabel(rnd.choice(names), label("ARD guarded", rel=("ARD", "BRE", "DUN")))
        case 5:
            random_item(mood, world, f"arda/late-{rnd.randrange(99)}")
        case 6:
            world.recall(rnd.choice(["bree", "dun"]), rnd.choice(names))
        case 7:
            party = rnd.choice(["bree", "cora"])
            world.seen[party] = NOW - 8 * 86_400_000
        case 8:
            world.frozen["cora"] = rnd.choice(["", "two histories"])
        case 9 | 10:
            replaced(rnd, world.attestations, revoked=rnd.choice(["", hexed("revoke")]))
        case 11:
            replaced(rnd, world.determinations, revoked=rnd.choice(["", hexed("revoke")]))
        case 12:
            replaced(rnd, world.licences, revoked=rnd.choice(["", hexed("revoke")]), used=rnd.choice([0, 1, 2]))
        case 13:
            replaced(rnd, world.engagements, suspended=rnd.choice([(), (("bree", hexed("stop")),)]))
        case 14:
            replaced(rnd, world.engagements, ended=rnd.choice(["", "2026-09-22", "2026-10-01"]))
        case 15:
            replaced(rnd, world.items[rnd.choice(names)], retired=hexed("retire"))
        case 16:  # a ledger that was not held; a notice that has run, or not yet
            world.known = sorted({*world.known, "pern", "elm"} - {rnd.choice(["pern", "elm"])})
        case 17:
            world.withdraws[rnd.choice(["bree", "cora", "dun"])] = rnd.choice(["2026-09-22", "2026-10-01", ""])
        case 18:
            world.owed["bree"] = rnd.choice([(), (1,)])


def replaced(rnd, held, **fields):
    """One of these, with something else said of it."""
    if held:
        n = rnd.randrange(len(held))
        held[n] = msgspec.structs.replace(held[n], **fields)


@pytest.mark.parametrize("seed", range(6))
def test_after_any_change_it_is_the_kernel_of_the_register_as_it_is_then(seed):
    rnd = random.Random(seed)
    world = crowd(seed, items=5)
    first = world.register()
    kernel = before = Kernel(first, NOW)
    was = {one.id: kernel.answers(one.recipient).copy() for one in rosters(first)}
    for step in range(9):
        changed(rnd, world)
        register = world.register()
        kernel = kernel.after(register)
        whole = Kernel(register, NOW)
        for one in rosters(register):
            for item in live(register):
                number, other = (each.class_of(item.id, item.version) for each in (kernel, whole))
                assert kernel.answers(one.recipient)[number] == whole.answers(one.recipient)[other], step
        if step % 4 == 3:
            for mine, expected in every_pair(register, kernel):
                assert mine == expected, step
    for one in rosters(first):  # and the one before is as it was
        assert (before.answers(one.recipient)[: len(was[one.id])] == was[one.id]).all()


def test_where_a_key_is_disputed_an_earlier_register_may_lack_the_item_that_a_class_is_known_by():
    """A kernel is handed from register to register, and a question about the past goes back."""
    world = crowd(2)
    world.dispute("pern", "pern/node")
    before = world.register()
    mood = Mood(random.Random(5))
    random_item(mood, world, "arda/only-later")
    world.items["arda/only-later"][0] = relabelled(world.items["arda/only-later"][0])
    later = Kernel(world.register(), NOW)
    list(every_pair(later.register, later))
    again = later.after(before)
    for mine, expected in every_pair(before, again):
        assert mine == expected


def relabelled(item):
    """In a class of its own."""
    facts = msgspec.structs.replace(item.facts, flags=("LONE",))
    return msgspec.structs.replace(item, facts=facts)


def test_where_a_key_is_disputed_a_later_act_counts_too():
    world = good()
    world.engage("dun")
    world.attest("dun/works", "trusted")
    world.roster("dun", (someone("dun"), 2))
    world.relabel("arda/lens", label("ARD guarded", rel=("ARD", "BRE", "COR", "DUN")))
    world.determine("arda/lens", "ard-open", "clear")
    world.dispute("pern", "pern/node")
    kernel = Kernel(world.register(), NOW)
    list(every_pair(kernel.register, kernel))
    world.engagements[0] = msgspec.structs.replace(world.engagements[0], suspended=(("bree", hexed("stop")),))
    after = kernel.after(world.register())
    for mine, expected in every_pair(after.register, after):
        assert mine == expected


def test_a_ledger_fetched_or_a_notice_given_needs_no_kernel_made_anew():
    world = good()
    world.known.remove("pern")
    world.roster("pern", (someone("pern"), 2))
    world.roster("bree", (someone(), 2))
    kernel = Kernel(world.register(), NOW)
    list(every_pair(kernel.register, kernel))
    world.known.append("pern")
    world.withdraws["bree"] = "2026-10-01"
    after = kernel.after(world.register())
    assert after.line is kernel.line
    for mine, expected in every_pair(after.register, after):
        assert mine == expected
    for mine, expected in every_pair(kernel.register, kernel):
        assert mine == expected


def test_one_act_runs_rules_only_for_the_classes_that_it_concerns(monkeypatch):
    world = good()
    for n in range(40):
        world.item(f"arda/more-{n}", flags=(f"F{n % 7}",), areas=(("lens",), ("wick",))[n % 2])
        world.item(f"arda/oil-{n}", project="oil", areas=("wick",), owners=("arda", "bree"))
    world.engage("dun")
    world.roster("bree", (someone(), 3))
    world.roster("dun", (someone("dun"), 2))
    kernel = Kernel(world.register(), NOW)
    for one in rosters(kernel.register):
        kernel.answers(one.recipient)
    runs = []
    run = Kernel._run
    monkeypatch.setattr(Kernel, "_run", lambda self, factor, *rest: runs.append(factor.id) or run(self, factor, *rest))
    world.engagements[0] = msgspec.structs.replace(world.engagements[0], suspended=(("bree", hexed("stop")),))
    after = kernel.after(world.register())
    for one in rosters(after.register):
        after.answers(one.recipient)
    assert set(runs) == {"scope", "denied 0"}  # of an outsider in the lamp; nothing of bree, nothing of the oil
    assert len(runs) < 10
    runs.clear()
    again = after.after(world.register())
    for one in rosters(again.register):
        again.answers(one.recipient)
    assert runs == []


def test_numbers_stand_in_label_order_and_lists_in_the_order_of_names():
    world = good()
    for n in range(30):
        world.item(
            f"arda/n-{n}", label=label(("ARD open", "ARD guarded")[n % 2], rel=("ARD", "BRE", "COR")[: 1 + n % 3])
        )
    world.item("arda/n-1", version=2)
    world.roster("bree", (someone(), 3))
    kernel = Kernel(world.register(), NOW)
    part = kernel.small
    words = [str(kernel.classes.items[c].label) for c in part.class_of]
    assert words == [word for n, word in enumerate(words) if not n or words[n - 1] == word or word not in words[:n]]
    listed = kernel.items(someone(), "undetermined")
    names = listed.page(1000)
    assert names == sorted(names)
    assert len(names) == len(listed)
    pages, after = [], b""
    while page := listed.page(4, after):
        pages += page
        after = page[-1]
    assert pages == names


@pytest.mark.parametrize("seed", range(3))
def test_a_page_is_the_first_so_many_whatever_the_part(seed):
    rnd = np.random.default_rng(seed)
    names = np.array([b"arda/%06d" % n for n in range(5000)])
    part = Part(Names(names), rnd.integers(0, 40, 5000).astype(np.int32), 40)
    classes = np.sort(rnd.choice(40, rnd.integers(1, 40), replace=False))
    numbers = part.numbers(classes)
    expected = np.flatnonzero(np.isin(part.class_by_rank, classes))
    assert (np.sort(part.rank_of[numbers]) == expected).all()
    for after, limit in ((-1, 7), (100, 50), (4990, 50), (-1, 5000)):
        assert (part.page(numbers, after, limit) == expected[expected > after][:limit]).all()
    some = [bytes(names[n]) for n in rnd.choice(5000, 30, replace=False)]
    less = part.without(some)
    assert {bytes(n) for n in names[less.rank_of[less.numbers(np.arange(40))]]} == {bytes(n) for n in names} - set(some)
    assert less.sizes.sum() == 4970


# ---- rows of tables -----------------------------------------------------------------------------


def table_world():
    """Two kinds of items in a world of their own, and a table of rows that are like them."""
    world = good()
    world.item("arda/kind-a", flags=("A",))
    world.item("arda/kind-b", label=label("ARD guarded", rel=("ARD",)))
    world.determine("arda/kind-a", "ard-open", "clear")
    world.roster("bree", (someone(), 3))
    kinds = [world.items[name][0] for name in ("arda/kind-a", "arda/kind-b")]
    return world, kinds


def test_a_row_of_a_table_is_decided_like_an_item_with_its_acts():
    world, kinds = table_world()
    names = np.array(sorted(name_of(f"arda/row-{n}", 1) for n in range(6)))
    like = np.array([0, 1, 0, 1, 0, 1], dtype=np.int32)
    acts = [hexed("judged", n) for n in range(3)]
    own = Own(np.array([0, 2, 4], np.uint32), np.array([list(bytes.fromhex(one)) for one in acts], np.uint8))
    token = ("judged", "ARD", "ard-open", "clear", "0")
    rows = Rows(
        names=Names(names), like=like, kinds=kinds, tables=((0, hexed("t1")), (3, hexed("t2"))), own={token: own}
    )
    register = msgspec.structs.replace(
        world.register(), items={k: v for k, v in world.register().items.items() if "kind" not in k}
    )
    kernel = Kernel(register, NOW, rows=rows)
    # the same as items
    for n, name in enumerate(names):
        item, _ = item_of(bytes(name))
        fields = {"flags": ("A",)} if like[n] == 0 else {"label": label("ARD guarded", rel=("ARD",))}
        act = hexed("t1") if n < 3 else hexed("t2")
        state = world.item(item, **fields)
        world.items[item][0] = msgspec.structs.replace(state, act=act, label_act=act)
        if like[n] == 0:
            world.determine(item, "ard-open", "clear")
            made = world.determinations[-1]
            world.determinations[-1] = msgspec.structs.replace(made, act=acts[n // 2])
    full = world.register()
    answers = set()
    for name in names:
        item, version = item_of(bytes(name))
        for to in (someone(), someone("cora"), someone("dun")):
            expected = judged(full, full.item(item), to)
            assert kernel.explain(item, version, to) == expected
            answers.add(expected.answer)
    assert answers >= {"permit", "deny"}
    assert len(kernel.items(someone())) == 1 + 3
    # one that gets an act of its own is held as an item, and leaves the table
    world.relabel("arda/row-0", label("ARD guarded", rel=("ARD",)))
    later = msgspec.structs.replace(register, items={**register.items, "arda/row-0": tuple(world.items["arda/row-0"])})
    moved = kernel.after(later)
    assert len(moved.items(someone())) == 1 + 2
    assert moved.items(someone()).page(9) == [b"arda/lens", b"arda/row-2", b"arda/row-4"]
    assert len(kernel.items(someone())) == 4
    numbers = np.arange(6)
    people = [someone(), someone("cora")]
    found = kernel.bulk(numbers, people, np.zeros(6, np.int64))
    assert sorted(found) == sorted([2, 0] * 3)
