"""What ends a permit, what is missing for a project, who an audience is; pages, cursors, and two days compared."""

import contextlib
import datetime as dt
import itertools
import random
import sys

import msgspec
import pytest
from release_world import ARD_LAW, DAY, NOW, ask, charter, good, hexed, label, law, someone
from test_release_kernel import changed
from test_release_search import crowd

from relto import acts
from relto.errors import Malformed, Refused
from relto.release import (
    audience,
    decide,
    difference,
    ending,
    endings,
    live,
    missing,
    rosters,
    usual,
    what,
    what_page,
    who,
    who_page,
    with_charter,
    with_law,
)
from relto.release.decide import judge
from relto.release.impact import assume
from relto.release.search import format_cursor


def permits(register, question):
    return judge(register, question).decision.answer == "permit"


def all_permits(seeds):
    for seed in seeds:
        register = crowd(seed, items=3).register()
        for one in rosters(register):
            for item in live(register):
                question = usual(register, item, one.recipient, NOW)
                decision = decide(register, question)
                if decision.answer == "permit":
                    yield register, question, decision


def test_every_revocation_that_would_end_a_permit_is_listed_and_no_other():
    seen = 0
    for register, question, decision in itertools.islice(all_permits(range(3)), 0, 60, 10):
        listed = {one.act for one in endings(register, question, decision) if one.kind == "revoke"}
        granted = [*register.attestations, *register.determinations, *register.licences.values()]
        for one in granted:
            log = register.party(one.party).origin if one.party in register.parties else ""
            if not log or one.revoked:
                continue
            draft = acts.Revoke(author=one.party, log=log, at=NOW, act=one.act, reason="x")
            ends = not permits(assume(register, [draft], NOW), question)
            assert ends == (one.act in listed)
            seen += ends
    assert seen > 1


def test_a_permit_holds_on_its_last_day_and_not_after_the_nearest_end():
    seen = 0
    for register, question, decision in itertools.islice(all_permits(range(4)), 0, 60, 4):
        days = [one.on for one in endings(register, question, decision) if one.kind == "time"]
        if not days:
            continue
        assert days == sorted(days)
        assert days[0] == decision.valid_until
        last = int(dt.datetime.fromisoformat(f"{days[0]}T00:00:00+00:00").timestamp() * 1000)
        seen_then = {name: msgspec.structs.replace(one, seen=last + DAY) for name, one in register.parties.items()}
        then = msgspec.structs.replace(register, parties=seen_then)
        assert permits(then, msgspec.structs.replace(question, day=last))
        after = judge(then, msgspec.structs.replace(question, day=last + DAY)).decision
        assert after.answer != "permit" or after.valid_until != decision.valid_until
        seen += 1
    assert seen > 3


def test_an_outsider_s_permit_ends_by_the_suspension_of_each_that_consented():
    world = good(label=label("ARD guarded", rel=("ARD", "BRE", "COR", "DUN")))
    world.engage("dun")
    world.attest("dun/works", "trusted")
    world.licence("arda/lens", recipients=("dun/works",))
    register, question = world.register(), ask(someone("dun"))
    decision = decide(register, question)
    assert decision.answer == "permit"
    found = endings(register, question, decision)
    assert {one.of for one in found if one.kind == "suspend"} == {"arda", "bree", "cora", "dun"}
    assert {one.kind for one in found} >= {"suspend", "revoke", "retire", "relabel", "withdraw", "sync", "time"}
    assert endings(register, ask(someone("elm")), decide(register, ask(someone("elm")))) == ()


# ---- what is missing ----------------------------------------------------------------------------


def test_what_is_missing_is_counted_over_the_items_of_a_project_and_opens_them():
    world = good()
    for n in range(5):
        world.item(f"arda/more-{n}")
    world.item("arda/sealed", label=label("ARD sealed", rel=("ARD",)))
    world.roster("bree", (someone(), 3))
    register = world.register()
    (to,) = rosters(register)
    found = missing(register, to, "lamp", NOW)
    assert (found.items, found.permitted, found.complete) == (7, 1, True)
    judged = [one for one in found.steps if one.kind == "determine"]
    assert max(one.items for one in judged) == 5
    assert sum(one.alone for one in judged) == 5
    for name in [f"arda/more-{n}" for n in range(5)]:
        world.determine(name, "ard-open", "clear")
    assert missing(world.register(), to, "lamp", NOW).permitted == 6


# ---- audience -----------------------------------------------------------------------------------


def test_a_label_that_adds_a_state_shows_who_gains_and_who_is_new():
    world = good(label=label("ARD guarded", rel=("ARD", "BRE")))
    world.attest("cora/works", "trusted")
    world.roster("bree", (someone(), 3))
    world.roster("cora", (someone("cora"), 2))
    register = world.register()
    item = register.item("arda/lens")
    assert {one.recipient.party for one in audience(register, item.id, 1, (), NOW).to} == {"bree"}
    new = label("ARD guarded", rel=("ARD", "BRE", "COR"))
    draft = acts.Relabel(
        author="arda", log="arda.example/lamp/0", at=NOW, item=item.id, version=1, prev=item.label_act, label=new, reason="x"
    )  # fmt: skip
    # a new label ends what was determined on the old: nobody may have it before that is said again
    assert audience(register, item.id, 1, (draft,), NOW).to == ()
    world.licence("arda/lens", recipients=("bree/works", "cora/works"))
    found = audience(world.register(), item.id, 1, (draft,), NOW)
    assert {one.recipient.party for one in found.to} == {"bree", "cora"}
    assert {one.recipient.party for one in found.gains} == {"cora"}
    assert {one.recipient.party for one in found.first} == {"bree", "cora"}
    assert found.people == 5


def test_few_classes_asked_one_by_one_are_the_many_that_arrays_find(monkeypatch):
    seen = 0
    for seed in range(4):
        register, sheets = crowd(seed, items=3).register(), {}
        for few in (0, 1000):
            monkeypatch.setattr(ending, "FEW", few)
            for item in live(register):
                with contextlib.suppress(Refused):
                    sheets[few, item.id, item.version] = audience(register, item.id, item.version, (), NOW)
        assert {key[1:]: value for key, value in sheets.items() if key[0]} == {
            key[1:]: value for key, value in sheets.items() if not key[0]
        }
        seen += sum(len(one.to) for one in sheets.values())
    assert seen > 20


def test_an_empty_audience_is_refused():
    world = good(label=label("ARD guarded", rel=()))
    with pytest.raises(Refused, match="nobody"):
        audience(world.register(), "arda/lens", 1, (), NOW)


# ---- two days, another text ---------------------------------------------------------------------


def brute(before, after):
    """(gained, lost) by single decisions."""
    found = []
    for register, day in (before, after):
        found.append(
            {
                (item.id, item.version, one.id)
                for one in rosters(register)
                for item in live(register)
                if permits(register, usual(register, item, one.recipient, day))
            }
        )
    return found[1] - found[0], found[0] - found[1]


def pairs(rows):
    return {(one.item, one.version, one.to.id) for one in rows}


@pytest.mark.parametrize("seed", range(4))
def test_two_registers_on_two_days_differ_as_single_decisions_do(seed):
    rnd = random.Random(seed)
    world = crowd(seed, items=4)
    first = world.register()
    for _ in range(4):
        changed(rnd, world)
    world.roster("bree", (someone(), 3))
    second = world.register()
    for day in (NOW, NOW + 3 * DAY):
        found = difference((first, NOW), (second, day))
        assert (pairs(found.gained), pairs(found.lost)) == brute((first, NOW), (second, day))
        assert found.count == sum(one.pairs for one in found.rectangles)
        assert found.count == len(found.gained) + len(found.lost)


def test_items_that_move_to_classes_of_their_own_take_no_others_with_them():
    """As many new classes as moved items, in another order: then cohorts are not numbered like classes."""
    for n in range(24):
        world = good()
        world.roster("bree", (someone(), 3))
        first = world.register()
        for at, name in enumerate(f"arda/{n}-{word}" for word in ("a", "b", "c")):
            world.item(name, flags=(f"NEW-{at}",))
            if at != 1:
                world.determine(name, "ard-open", "clear")
        second = world.register()
        found = difference((first, NOW), (second, NOW))
        assert [one.item for one in found.gained] == [f"arda/{n}-a", f"arda/{n}-c"]


def test_another_charter_and_another_law_change_what_single_decisions_say():
    world = good()
    world.item("arda/oil", project="oil", areas=("wick",))
    world.roster("bree", (someone(), 3))
    world.roster("cora", (someone("cora"), 3))
    register = world.register()
    text = msgspec.structs.replace(
        charter(),
        projects=tuple(msgspec.structs.replace(one, participants=("arda", "cora")) for one in charter().projects),
    )
    stricter = law(ARD_LAW.replace("{attested: trusted, of: recipient}", "{attested: listed, of: recipient}"))
    for after in (with_charter(register, text), with_law(register, stricter)):
        found = difference((register, NOW), (after, NOW))
        assert (pairs(found.gained), pairs(found.lost)) == brute((register, NOW), (after, NOW))
        assert found.lost


def test_rectangles_say_all_where_pairs_are_too_many_to_list(monkeypatch):
    module = sys.modules["relto.release.impact"]
    world = crowd(2)
    first = world.register()
    world.frozen["bree"] = "two histories"
    second = world.register()
    whole = difference((first, NOW), (second, NOW))
    assert whole.complete
    assert whole.lost
    monkeypatch.setattr(module, "PAIRS_MAX", 1)
    cut = difference((first, NOW), (second, NOW))
    assert (cut.complete, cut.gained, cut.lost, cut.count) == (False, (), (), whole.count)
    assert cut.rectangles == whole.rectangles
    assert difference((first, NOW), (second, NOW), pairs=True).lost == whole.lost


# ---- pages --------------------------------------------------------------------------------------


def test_pages_are_the_whole_list_in_order_and_say_when_they_go_on():
    register = crowd(0).register()
    for one in rosters(register):
        rows, cursor, count = [], "", len(what(register, one, NOW))
        while True:
            page = what_page(register, one, NOW, limit=2, cursor=cursor)
            rows += page.rows
            assert page.count == count
            if not page.next:
                break
            cursor = page.next
        assert tuple(rows) == what(register, one, NOW)
    for item in live(register):
        rows, cursor = [], ""
        while True:
            page = who_page(register, item.id, NOW, version=item.version, limit=1, cursor=cursor)
            rows += page.rows
            if not page.next:
                break
            cursor = page.next
        assert tuple(rows) == who(register, item.id, NOW, version=item.version)


def test_a_cursor_stays_good_when_rows_before_it_come_and_go():
    world = good()
    for n in range(6):
        world.item(f"arda/n-{n}")
        world.determine(f"arda/n-{n}", "ard-open", "clear")
    world.roster("bree", (someone(), 3))
    (to,) = rosters(world.register())
    page = what_page(world.register(), to, NOW, limit=3)
    assert [row.item for row in page.rows] == ["arda/lens", "arda/n-0", "arda/n-1"]
    world.items["arda/n-1"] = [msgspec.structs.replace(world.items["arda/n-1"][0], retired=hexed("gone"))]
    world.item("arda/a-new")
    world.determine("arda/a-new", "ard-open", "clear")
    rest = what_page(world.register(), to, NOW, cursor=page.next)
    assert [row.item for row in rest.rows] == ["arda/n-2", "arda/n-3", "arda/n-4", "arda/n-5"]
    # and a party that was stopped meanwhile gets nothing more by an old cursor
    world.frozen["bree"] = "two histories"
    assert what_page(world.register(), to, NOW, cursor=page.next).rows == ()


@pytest.mark.parametrize("cursor", ["x", "what.", "what.zz", "who.61", "what.61.62", "what.FF", "what.C3A9"])
def test_what_is_no_cursor_is_refused(cursor):
    world = good()
    world.roster("bree", (someone(), 3))
    register = world.register()
    with pytest.raises(Malformed):
        what_page(register, rosters(register)[0], NOW, cursor=cursor)


def test_a_cursor_has_one_spelling():
    assert format_cursor("what", "arda/n-1") == "what.617264612f6e2d31"
