"""Spreadsheets of items: read, judged row by row, registered by one act, written so that they read back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace
from world import World, check

from relto import acts
from relto.demo import cast
from relto.errors import Malformed, Refused
from relto.label import Label, Level
from relto.node import carried, officer, sheet, views
from relto.node.app import Service
from relto.release import assume
from relto.release.kernel import Kernel

HEAD = "item,title,organisation,project,label,system"
DEFAULTS = {"organisation": "gbr/dstl", "project": "maritime-autonomy"}
PLAIN = "gbr/a,A,,,OFFICIAL,GBR"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("sheets"))
    for party in ("gbr", "usa", "aus"):
        made.start(party, cast.PARTIES[party])
    made.found("gbr", "usa", "aus")
    made.time += 60_000
    return made


@pytest.fixture
def node(world):
    return world.nodes["gbr"]


def read(node, *lines: str, head: str = HEAD, **how) -> sheet.Sheet:
    return sheet.read_sheet(node, "\r\n".join((head, *lines)).encode(), defaults=DEFAULTS, **how)


def faults(found: sheet.Sheet) -> list[tuple[int, str, str]]:
    return [(one.row, one.column, one.reason) for one in found.faults]


def rows(found: sheet.Sheet) -> list[acts.Row]:
    assert faults(found) == []
    return [row for one in found.groups for row in one.rows]


# ---- what a file is


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (f"{HEAD}\r\n{PLAIN}\r\n".encode(), "utf-8"),
        (f"{HEAD}\n{PLAIN}".encode("utf-8-sig"), "utf-8"),
        (f"{HEAD}\n{PLAIN}\n\n,,,,,\n".encode(), "utf-8"),
        (f"{HEAD}\n{PLAIN}".replace(",", ";").encode(), "utf-8"),
        (f"{HEAD}\n{PLAIN}".replace(",", "\t").encode(), "utf-8"),
        (f"sep=;\r\n{HEAD}\r\n{PLAIN}".replace(",", ";").encode(), "utf-8"),
        (f"{HEAD.title()},\n{PLAIN},".encode(), "utf-8"),
        (
            b'"item","title","organisation","project","label","system"\n"gbr/a","A","","","OFFICIAL","GBR"',
            "utf-8",
        ),
        (f"{HEAD}\n{PLAIN}".encode("cp1252"), "cp1252"),
    ],
)
def test_sheets_as_programs_write_them(node, data, encoding):
    (row,) = rows(sheet.read_sheet(node, data, defaults=DEFAULTS, encoding=encoding))
    assert (row.item, row.title, row.version) == ("gbr/a", "A", 1)
    assert row.label == Label.of([Level(system="GBR", level="OFFICIAL")])
    assert (row.origins, row.flags, row.entries) == (UNSET, UNSET, {})


def test_quotes_and_letters_of_other_alphabets(node):
    text = f'{HEAD}\n"gbr/a","Ünïcode, ""quoted"" £",,,OFFICIAL,GBR\n'
    assert rows(sheet.read_sheet(node, text.encode(), defaults=DEFAULTS))[0].title == 'Ünïcode, "quoted" £'
    old = text.encode("cp1252")
    with pytest.raises(Malformed, match="not in utf-8") as caught:
        sheet.read_sheet(node, old, defaults=DEFAULTS)
    assert (caught.value.where, "cp1252" in caught.value.hint) == ("row 2", True)
    assert rows(sheet.read_sheet(node, old, defaults=DEFAULTS, encoding="cp1252"))[0].title.startswith("Ünï")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "row 1: the first row names no columns"),
        (b"name,label\nx,y", "row 1: the first row names no columns"),
        (HEAD.encode(), "the sheet has no rows"),
        (f"{HEAD},colour\n{PLAIN},red".encode(), "row 1: there is no column `colour`"),
        (f"{HEAD},title\n{PLAIN},B".encode(), "row 1: the column `title` stands twice"),
        (b"item,title,organisation\ngbr/a,A,gbr/dstl", "row 1: the column `label` is missing"),
        (f'{HEAD}\ngbr/a,"A,,,OFFICIAL,GBR\n'.encode(), "row 2: not CSV"),
        (f'{HEAD}\ngbr/a,"A"B,,,OFFICIAL,GBR\n'.encode(), "row 2: not CSV"),
        (f"{HEAD}\n{PLAIN},,x".encode(), "row 2: 8 cells under 6 columns"),
        (f"{HEAD}\n{PLAIN}".encode("utf-16"), "the file is in UTF-16"),
        (f"{HEAD}\n{PLAIN}\0".encode(), "the file is not text"),
        (f"{HEAD}\ngbr/a,{'x' * 20_000},,,OFFICIAL,GBR".encode(), "row 2: a cell has at most"),
        (b"PK\x03\x04" + bytes(200), "the file is not text"),
    ],
)
def test_what_is_no_sheet_is_an_error(node, data, words):
    with pytest.raises(Malformed) as caught:
        sheet.read_sheet(node, data, defaults=DEFAULTS)
    assert words in str(caught.value)


def test_a_sheet_is_bounded(node, monkeypatch):
    monkeypatch.setattr(acts, "ROWS_MAX", 2)
    assert len(rows(read(node, "gbr/a,A,,,OFFICIAL,GBR", "gbr/b,B,,,OFFICIAL,GBR"))) == 2
    with pytest.raises(Malformed, match="row 4: a sheet has at most 2 items"):
        read(node, *(f"gbr/{name},A,,,OFFICIAL,GBR" for name in "abc"))
    monkeypatch.setattr(sheet, "SHEET_BYTES_MAX", 10)
    with pytest.raises(Malformed, match="at most 10 bytes"):
        read(node, PLAIN)


# ---- what a row is


FULL = "item,version,title,organisation,project,areas,label,system,nature,origins,entries,flags,parts,background,value,owners,release,reason,review"


def test_every_column(node):
    (row, other) = rows(
        read(
            node,
            "gbr/a,3,A,gbr/dstl,maritime-autonomy,undersea; ai,SECRET - UK EYES ONLY,GBR,software,GBR; USA,"
            '"GBR=ML4|ML5.b; USA=none",none,gbr/b@2,yes,500 GBP,gbr; usa,2,their sources,2099-01-01',
            "gbr/b,2,B,,,,OFFICIAL,GBR,,,,,,,,,,,",
            head=FULL,
        )
    )
    assert row == acts.Row(
        item="gbr/a", version=3, title="A", areas=("undersea", "ai"),
        label=Label.of([Level(system="GBR", level="SECRET")], rel=("GBR",)),
        nature="software", origins=("GBR", "USA"), entries={"GBR": ("ML4", "ML5.b"), "USA": ()}, flags=(),
        derived=(acts.ItemRef(item="gbr/b", version=2),), background=True,
        value=acts.Money(amount=500, currency="GBP"),
        restriction=acts.Restriction(reason="their sources", review="2099-01-01"),
    )  # fmt: skip
    assert (other.nature, other.background, other.derived) == ("technical_data", False, ())


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("usa/a,1,A,,,,OFFICIAL,GBR,,,,,,,,,,,", "item", "is not an item of `gbr`"),
        ("gbr/A,1,A,,,,OFFICIAL,GBR,,,,,,,,,,,", "item", "is not the id of an item"),
        ("a,1,A,,,,OFFICIAL,GBR,,,,,,,,,,,", "item", "is not the id of an item"),
        ("gbr/a,0,A,,,,OFFICIAL,GBR,,,,,,,,,,,", "version", "`int` >= 1"),
        ("gbr/a,x,A,,,,OFFICIAL,GBR,,,,,,,,,,,", "version", "`x` is not a number"),
        ("gbr/a,1,,,,,OFFICIAL,GBR,,,,,,,,,,,", "title", "matching regex"),
        ("gbr/a,1,a\u200bb,,,,OFFICIAL,GBR,,,,,,,,,,,", "title", "text holds U+200B"),
        ("gbr/a,1,A,usa/works,,,OFFICIAL,GBR,,,,,,,,,,,", "organisation", "is not an organisation of `gbr`"),
        ("gbr/a,1,A,,no-such,,OFFICIAL,GBR,,,,,,,,,,,", "project", "`no-such` is no project"),
        ("gbr/a,1,A,,,Not A Word,OFFICIAL,GBR,,,,,,,,,,,", "areas", "matching regex"),
        ("gbr/a,1,A,,,,,GBR,,,,,,,,,,,", "label", "every item has a label"),
        ("gbr/a,1,A,,,,SECRET//REL TO,USA,,,,,,,,,,,", "label", "ISM-ID-00031"),
        ("gbr/a,1,A,,,,R\u0415L,,,,,,,,,,,,", "label", "relto.script: CYRILLIC"),
        ('gbr/a,1,A,,,,"{""levels"":[]}",,,,,,,,,,,,', "label", "at least one level"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,poetry,,,,,,,,,,", "nature", "invalid enum"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,UK,,,,,,,,,", "origins", "matching regex"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,ML4,,,,,,,,", "entries", "`ML4` is not a law"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,GBR=a; GBR=b,,,,,,,,", "entries", "`GBR` stands twice"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,{x,,,,,,,,", "entries", "not control entries"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,,,gbr/nowhere,,,,,,", "parts", "no item `gbr/nowhere@1`"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,,,gbr/b@x,,,,,,", "parts", "not an item with a version"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,,,,maybe,,,,,", "background", "neither yes nor no"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,,,,,much,,,,", "value", "`much` is not an amount"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,,,,,500 pounds,,,,", "value", "matching regex"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,,,,,,gbr; nowhere,,,", "owners", "no party `nowhere`"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,,,,,,usa,,,", "owners", "`gbr` among them"),
        ("gbr/a,1,A,,,,OFFICIAL,GBR,,,,,,,,,3,,", "release", "`3` of 1 owners"),
        ("gbr/a,1,A,,,,SECRET//NOFORN,USA,,,,,,,,,,,", "reason", "`NOFORN` needs a reason"),
        ("gbr/a,1,A,,,,SECRET//NOFORN,USA,,,,,,,,,,why,", "reason", "matching regex"),
        ("gbr/a,1,A,,,,SECRET//NOFORN,USA,,,,,,,,,,why,2020-01-01", "review", "is not after today"),
        ("gbr/a,1,A,,,,SECRET//NOFORN,USA,,,,,,,,,,why,2099-02-30", "reason", "matching regex"),
    ],
)
def test_a_bad_row_is_told_by_number_and_reason(node, line, column, words):
    found = read(node, "gbr/z,1,Z,,,,OFFICIAL,GBR,,,,,,,,,,,", line, head=FULL)
    ((row, named, reason),) = faults(found)
    assert (row, named) == (3, column)
    assert words in reason
    assert found.groups == ()


def test_the_same_id_twice_and_every_bad_row_at_once(node):
    found = read(node, PLAIN, "gbr/b,B,,,NONSENSE,GBR", PLAIN, "usa/c,C,,,OFFICIAL,GBR")
    assert [(one.row, one.column) for one in found.faults] == [(3, "label"), (4, "item"), (5, "item")]
    assert faults(found)[1][2] == "`gbr/a@1` stands in row 2 already"


# ---- what it does


def register(world, node, found: sheet.Sheet) -> list[str]:
    return [node.submit(world.sign("gbr", act)) for act in sheet.drafts(node, found)]


def test_one_act_registers_a_sheet_and_partners_hold_it(world, node):
    before = node.log.head.size
    label = '"OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA",GBR'
    (id_,) = register(world, node, read(node, *(f"gbr/part-{n:03},Part {n},,,{label}" for n in range(200))))
    assert node.log.head.size == before + 1
    world.sync()
    check(world)
    for party in ("usa", "aus"):
        item = world.register(party).item("gbr/part-199")
        assert (item.act, item.facts.title, item.label.rel) == (id_, "Part 199", ("AUS", "GBR", "USA"))
    assert node.register.own == acts.fold(node._entries, "gbr", node._texts()).own
    again = read(node, "gbr/part-007,Part 7,,,OFFICIAL,GBR")
    assert faults(again) == [(2, "item", "`gbr/part-007@1` is registered already")]
    narrow = Label.of(item.label.levels, rel=("GBR",))
    changed = world.act("gbr", "relabel", item="gbr/part-007", version=1, prev=id_, label=narrow, reason="reviewed")
    world.sync()
    assert world.register("aus").item("gbr/part-007").label_act == changed


def test_rows_of_one_kind_are_one_class_until_something_is_stated_of_one(world, node):
    determination = cast.determination_a(node.register.item("gbr/part-011").label_act)
    world.act("gbr", "determine", **{**determination, "item": "gbr/part-011"})
    world.adopt_laws()  # which read what was determined
    kernel = Kernel(node.register, world.time)
    classes = [kernel.class_of(f"gbr/part-{n:03}", 1) for n in range(200)]
    apart = {n for n, one in enumerate(classes) if one != classes[100]}
    assert apart == {7, 11}  # one was relabelled before


def test_a_sheet_is_rehearsed_before_anybody_signs(node):
    label = '"OFFICIAL - RELEASABLE TO AUS, GBR, USA",GBR'
    (draft,) = sheet.drafts(node, read(node, f"gbr/next-1,N,,,{label}", f"gbr/next-2,N,,,{label}"))
    with pytest.raises(Refused, match="its table is not held here"):
        assume(node.register, [draft], node.clock())
    register = replace(
        node.register, objects={**node.register.objects, draft.table: node.objects.get(bytes.fromhex(draft.table))}
    )
    after = assume(register, [draft], node.clock())
    assert {"gbr/next-1", "gbr/next-2"} == set(after.items) - set(register.items)
    with pytest.raises(Refused, match="is registered already"):
        assume(after, [draft], node.clock())


def test_a_table_goes_to_whom_its_act_was_opened_later(world, node):
    (draft,) = sheet.drafts(node, read(node, "gbr/kept,K,,,OFFICIAL,GBR"))
    id_ = node.submit(world.sign("gbr", replace(draft, readers=("gbr",))))
    stated = node.register.stated[id_]
    service = Service(node)
    assert not node.opened_to(stated, "usa")
    assert not service._may_read("usa", draft.table)
    node.write(node.draft("disclose", to="usa", entries=(stated.index,)))
    assert service._may_read("usa", draft.table)
    assert not service._may_read("aus", draft.table)
    world.sync()
    assert world.register("usa").item("gbr/kept").act == id_
    assert "gbr/kept" not in world.register("aus").items
    at = {node.origin: stated.index + 1}  # younger than the act, older than the disclosure
    assert draft.table in carried._texts(node, "usa", at)
    assert draft.table not in carried._texts(node, "aus", {node.origin: 0})


def test_several_owners_are_separate_acts(world, node):
    head = "item,title,label,system,owners,release"
    found = read(
        node,
        "gbr/x1,X,OFFICIAL,GBR,,",
        "gbr/x2,X,OFFICIAL,GBR,gbr; usa,all",
        "gbr/x3,X,OFFICIAL,GBR,gbr,one",
        head=head,
    )
    assert [(one.owners, one.release.rule, len(one.rows)) for one in found.groups] == [
        (("gbr",), "one", 2),
        (("gbr", "usa"), "all", 1),
    ]
    assert all(set(one.owners) <= set(one.readers) for one in found.groups)
    assert len(register(world, node, found)) == 2


def test_a_node_refuses_a_marking_that_closes_without_a_reason(world, node):
    label = Label.of([Level(system="USA", level="SECRET")], rel=("USA",), tags=("NOFORN",))
    usa = world.nodes["usa"]
    fields = {**cast.items(world.time, dict.fromkeys((cast.ITEM_A, cast.ITEM_B, cast.ITEM_C), "1" * 32))[cast.ITEM_A]}
    fields |= {
        "item": "usa/closed",
        "organisation": "usa/works",
        "owners": ("usa",),
        "label": label,
        "opaque": "7" * 32,
    }
    with pytest.raises(Refused, match="`NOFORN` on `usa/closed` needs a reason"):
        world.act("usa", "register", **fields)
    with pytest.raises(Refused, match="is not after today"):
        world.act("usa", "register", **fields, restriction=acts.Restriction(reason="x", review="2020-01-01"))
    day = cast.day(world.time, 30)
    id_ = world.act("usa", "register", **fields, restriction=acts.Restriction(reason="their sources", review=day))
    assert usa.register.act(id_).act.v == 2
    now = views.stale_view(usa.register, world.time)
    assert (now["count"], now["closed"]) == (0, 1)
    later = views.stale_view(usa.register, world.time + 40 * 86_400_000)
    assert [(row["item"], row["due_days"], row["age_days"], row["reason"]) for row in later["results"]] == [
        ("usa/closed@1", 10, 40, "their sources")
    ]
    assert any("restriction" in line for line in officer.reading(usa.register.act(id_).act))


class Empty:
    """A node with an empty catalogue."""

    def __init__(self, node):
        self.me, self.clock, self.draft = node.me, node.clock, node.draft
        self.register = replace(node.register, items={})


def test_what_is_written_reads_back(world, node):
    closed = Label.of([Level(system="USA", level="SECRET"), Level(system="GBR", level="SECRET")], rel=(), tags=("SI",))
    fields = cast.items(world.time, dict.fromkeys((cast.ITEM_A, cast.ITEM_B, cast.ITEM_C), "8" * 32))[cast.ITEM_A]
    odd = {"item": "gbr/odd", "title": "=1+1", "label": closed, "entries": {"GBR": ("a;b", "none"), "USA": ()}}
    world.act("gbr", "register", **{**fields, **odd, "flags": ("x; y",), "background": True})
    items = [one for versions in node.register.items.values() for one in versions if not one.retired]
    text = sheet.write_sheet(items)
    found = sheet.read_sheet(Empty(node), text.encode("utf-8-sig"))
    assert faults(found) == []
    back = {row.item: row for one in found.groups for row in one.rows}
    assert set(back) == {one.id for one in items}
    for one in items:
        own = {name: getattr(one.facts, name) for name in acts.Row.__struct_fields__}
        assert back[one.id] == acts.Row(**{**own, "label": one.label, "restriction": one.restriction})


TEXT = (
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1, max_size=12)
    .map(str.strip)
    .filter(bool)
)


@given(TEXT | st.sampled_from(["=1+1", "+44", "-x", "@SUM(A1)", "'=1", "''", "'", "\t=1", "=cmd|' /C calc'!A0"]))
def test_no_cell_is_a_formula_and_every_cell_reads_back(text):
    cell = sheet.guarded(text)
    assert cell[0] not in "=+-@\t\r"
    target = io.StringIO()
    csv.writer(target).writerow([cell])
    ((back,),) = csv.reader(io.StringIO(target.getvalue(), newline=""), strict=True)
    assert sheet._bare(back) == text


@given(st.lists(TEXT, max_size=4, unique=True))
def test_lists_and_entries_read_back(listed):
    assert sheet._list(sheet._told(tuple(listed))) == tuple(listed)
    assert sheet._entries(sheet._told_entries({"GBR": tuple(listed), "USA": ()})) == {"GBR": tuple(listed), "USA": ()}
