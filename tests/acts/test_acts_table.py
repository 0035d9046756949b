"""Many items by one act, and labels that keep an item from all others: what version 2 of acts added."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from acts_kit import MEMBERS, Kit, item_fields, label, why
from acts_samples import FIELDS, sample
from acts_vectors import table
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from relto import acts
from relto.acts import table as tables
from relto.acts.table import HEADER, opaque_of
from relto.errors import Malformed

RESTRICTION = acts.Restriction(reason="their sources", review="2027-01-01")
SEED = "5" * 64


@pytest.fixture
def kit() -> Kit:
    return Kit(*MEMBERS, "dune").found()


def row(item: str = "arda/glass", **changes) -> acts.Row:
    own = {"item", "version", "title", "areas", "label", "nature"}
    return acts.Row(**{name: value for name, value in item_fields(item).items() if name in own} | changes)


def catalogue(kit: Kit, *rows: acts.Row, by: str = "arda", text: bytes = b"", **changes) -> str:
    data = text or acts.write_table(rows)
    fields = {
        "v": 2,
        "table": kit.put(data),
        "rows": len(rows),
        "seed": SEED,
        "organisation": f"{by}/works",
        "owners": (by,),
        "release": acts.ReleaseRule(rule="one"),
        "project": "lamp",
        **changes,
    }
    return kit.parties[by].say("catalogue", **fields)


# ---- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["register", "relabel"])
def test_an_act_says_the_first_version_that_has_what_it_says(kind):
    first, second = sample(kind), sample(kind, second=True)
    assert (first.v, second.v) == (1, 2)
    for act in (first, second):
        assert acts.read(acts.write(act)) == act
        other = replace(act, v=3 - act.v)
        with pytest.raises(Malformed, match=f"this act is one of version {act.v}"):
            acts.read(acts.write(other))
    with pytest.raises(Malformed):
        acts.read(acts.write(second).replace(b'"v":2', b'"v":3'))


@pytest.mark.parametrize("kind", sorted(set(acts.KINDS) - {"catalogue", "epoch"}))
def test_nothing_else_has_a_second_version(kind):
    with pytest.raises(Malformed, match="version 1"):
        acts.read(acts.write(replace(sample(kind), v=2)))


# ---- the text --------------------------------------------------------------------------------------------------------


def test_the_published_table():
    held = table()
    rows = acts.read_table(held["text"].encode())
    assert acts.write_table(rows) == held["text"].encode()
    assert held["sha256"] == hashlib.sha256(held["text"].encode()).hexdigest()
    assert [opaque_of(held["seed"], one.item, one.version) for one in rows] == held["opaque"]


GOOD = acts.write_table([row("arda/a"), row("arda/b", flags=("SME",))])
LINE = GOOD.split(b"\n")[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not a table"),
        (HEADER, "not an item"),
        (GOOD[:-1], "not a table"),
        (GOOD + b"\n", "row 3: not an item"),
        (HEADER + LINE.replace(b":1}", b":1, }") + b"\n", "row 1: not an item"),
        (HEADER + LINE.replace(b'"version":1', b'"version": 1') + b"\n", "row 1: not the canonical form"),
        (HEADER + LINE.replace(b'"title":"A"', b'"title":"\\u0041"') + b"\n", "row 1: not the canonical form"),
        (
            HEADER + LINE.replace(b'"title":"A"', '"title":"a\u200bb"'.encode()) + b"\n",
            "row 1, title: text holds U+200B",
        ),
        (HEADER + LINE.replace(b'"areas":["lens"]', b'"areas":["lens","lens"]') + b"\n", "row 1, areas: a list holds"),
        (HEADER + LINE[:-1] + b',"price":1}\n', "row 1: not an item"),
        (HEADER + LINE + b"\n" + LINE + b"\n", "row 2: rows are sorted"),
        (HEADER + b"\n".join(reversed(GOOD.split(b"\n")[1:3])) + b"\n", "row 2: rows are sorted"),
        (b'{"relto":"items","v":2}\n' + LINE + b"\n", "not a table"),
        (GOOD.replace(b"\n", b"\r\n"), "not a table"),
    ],
)
def test_a_table_has_one_spelling(text, words):
    with pytest.raises(Malformed) as caught:
        acts.read_table(text)
    assert words in str(caught.value)


def test_a_table_is_bounded(monkeypatch):
    acts.read_table.cache_clear()
    monkeypatch.setattr(tables, "ROWS_MAX", 1)
    with pytest.raises(Malformed, match="at most 1 rows"):
        acts.read_table(GOOD)
    monkeypatch.setattr(tables, "TABLE_BYTES_MAX", 100)
    with pytest.raises(Malformed, match="over the limit"):
        acts.read_table(GOOD)


NAMES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), min_size=1, unique=True)


@given(NAMES, st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), st.booleans())
def test_what_is_written_reads_back_or_is_not_written(names, title, background):
    rows = [row(f"arda/{name}", version=n, title=title, background=background) for name, n in names]
    try:
        data = acts.write_table(rows)
    except Malformed:
        with pytest.raises(Malformed):  # a single act would not say it either
            acts.read(acts.write(sample("register").__class__(**base(), **item_fields(title=title))))
        return
    assert list(acts.read_table(data)) == sorted(rows, key=lambda one: (one.item, one.version))
    assert acts.write_table(acts.read_table(data)) == data


def base() -> dict[str, object]:
    act = sample("register")
    return {name: getattr(act, name) for name in ("author", "log", "at", "readers", "partnership", "under")}


# ---- what it does ----------------------------------------------------------------------------------------------------


def test_each_row_is_what_a_register_act_would_say(kit):
    wide = row(
        "arda/b", origins=("ARD",), entries={"ARD": ("L1",)}, flags=(), value=acts.Money(amount=1, currency="GBP")
    )
    id_ = catalogue(kit, row("arda/a"), wide, row("arda/b", version=2))
    single = kit.arda.say(
        "register",
        **item_fields(
            "arda/c", origins=("ARD",), entries={"ARD": ("L1",)}, flags=(), value=acts.Money(amount=1, currency="GBP")
        ),
    )
    register = kit.fold("bree")
    assert not register.void
    assert [(one.id, one.version) for held in register.items.values() for one in held] == [
        ("arda/a", 1),
        ("arda/b", 1),
        ("arda/b", 2),
        ("arda/c", 1),
    ]
    one, other = register.item("arda/b", 1), register.item("arda/c")
    assert (one.act, one.label_act, other.act) == (id_, id_, single)
    same = {"id", "act", "label_act", "facts", "index", "label_index"}
    assert {n: getattr(one, n) for n in one.__struct_fields__ if n not in same} == {
        n: getattr(other, n) for n in other.__struct_fields__ if n not in same
    }
    names = {"at", "item", "opaque", "title"}
    assert {n: getattr(one.facts, n) for n in one.facts.__struct_fields__ if n not in names} == {
        n: getattr(other.facts, n) for n in other.facts.__struct_fields__ if n not in names
    }
    acts.read(acts.write(one.facts))
    assert register.item_by_opaque(opaque_of(SEED, "arda/b", 1)).id == "arda/b"


def test_an_item_of_a_table_is_relabelled_and_retired_by_itself(kit):
    id_ = catalogue(kit, row("arda/a"), row("arda/b"))
    changed = kit.arda.say("relabel", item="arda/a", version=1, prev=id_, label=label("ARD"), reason="narrower")
    kit.arda.say("retire", item="arda/b", version=1, prev=id_, reason="obsolete")
    stale = kit.arda.say("relabel", item="arda/a", version=1, prev=id_, label=label("ARD", "BRE"), reason="wider")
    judged = kit.arda.say(
        "determine",
        item="arda/a",
        version=1,
        on=changed,
        jurisdiction="ARD",
        authority="free",
        condition="not-listed",
        holds=True,
        reason="looked",
        readers=("arda",),
    )
    register = kit.fold("arda")
    assert register.item("arda/a").label == label("ARD")
    assert register.item("arda/b").retired
    assert why(register, stale) == "does not follow the newest label of a registered item"
    assert why(register, judged) == ""


def test_all_rows_or_none(kit):
    kit.arda.say("register", **item_fields("arda/b"))
    twice = catalogue(kit, row("arda/a"), row("arda/b"))
    foreign = catalogue(kit, row("arda/a"), row("bree/b"))
    short = catalogue(kit, row("arda/a"), row("arda/z"), rows=3)
    wrong = catalogue(kit, row("arda/a"), text=b"nonsense")
    owner = catalogue(kit, row("arda/a"), owners=("arda", "dune"))
    prefix = catalogue(kit, row("arda-two/a"))
    register = kit.fold("cora")
    assert list(register.items) == ["arda/b"]
    assert why(register, twice) == "arda/b@1 is registered already"
    assert why(register, foreign) == "its table: row 2: arda does not speak for bree/b"
    assert why(register, short) == "its table: it has 2 rows, and the act says 3"
    assert why(register, wrong) == "its table: not a table of items"
    assert why(register, owner) == "names dune as owner, who takes no part in lamp"
    assert why(register, prefix) == "its table: row 1: arda does not speak for arda-two/a"


def test_without_the_text_there_are_no_items_and_the_register_says_what_is_missing(kit):
    id_ = catalogue(kit, row("arda/a"))
    digest = kit.act_of(id_).table
    text = kit.objects.pop(digest)
    before = kit.fold("bree")
    assert (before.items, why(before, id_), digest in before.missing) == ({}, "", True)
    late = acts.extend(before, [], {**kit.objects, digest: text})
    kit.objects[digest] = text
    assert late.own == kit.fold("bree").own
    assert list(late.items) == ["arda/a"]


def test_a_disputed_key_registers_nothing_that_can_be_handed_out(kit):
    id_ = catalogue(kit, row("arda/a"))
    index = kit.arda.size - 1
    key = kit.arda.entries[index].signed.key_ids[0]
    dispute = kit.arda.say("dispute", party="arda", key=key, index=index, reason="stolen")
    assert kit.fold("bree").item("arda/a").retired == dispute
    assert kit.fold("bree").item("arda/a").act == id_


# ---- labels that keep it from all others -----------------------------------------------------------------------------


def test_a_restriction_stands_with_the_label_that_it_is_about(kit):
    id_ = kit.arda.say("register", v=2, **item_fields("arda/a", restriction=RESTRICTION))
    catalogue(kit, row("arda/b", restriction=RESTRICTION), row("arda/c"))
    register = kit.fold("arda")
    assert [register.item(f"arda/{name}").restriction for name in "abc"] == [RESTRICTION, RESTRICTION, UNSET]
    assert register.item("arda/b").facts.v == 2
    kit.arda.say("relabel", item="arda/a", version=1, prev=id_, label=label("ARD", "BRE"), reason="reviewed")
    assert kit.fold("arda").item("arda/a").restriction is UNSET


def test_a_register_without_them_has_the_digest_it_had(kit):
    kit.arda.say("register", **item_fields("arda/a"))
    item = kit.fold("arda").item("arda/a")
    assert b"restriction" not in msgspec.json.encode(item)
    assert FIELDS["register"][0].keys() & {"restriction"} == set()
