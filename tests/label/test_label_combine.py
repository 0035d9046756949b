"""The product over national systems: what combining promises, whatever the labels are."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from relto.errors import Malformed
from relto.label import Label, Level, System, combine, marked, must_hold
from relto.label.label import ONLY, maximal

SYSTEMS = {
    "USA": System(name="USA", ladders=(("UNCLASSIFIED", "CUI", "CONFIDENTIAL", "SECRET", "TOP SECRET"),)),
    "GBR": System(name="GBR", ladders=(("OFFICIAL", "OFFICIAL-SENSITIVE", "SECRET", "TOP SECRET"),)),
    "CAN": System(
        name="CAN",
        ladders=(
            ("UNCLASSIFIED", "PROTECTED A", "PROTECTED B"),
            ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET", "TOP SECRET"),
        ),
    ),
}
CODES = ("AUS", "CAN", "GBR", "JPN", "USA")
LEVELS = [Level(system=name, level=level) for name, system in SYSTEMS.items() for level in system.levels] + [
    Level(system="KOR", level="II-kup Bimil"),
    Level(system="GBR", level="CONFIDENTIAL"),
]


@st.composite
def labels(draw: st.DrawFn) -> Label:
    tags = draw(st.sets(st.sampled_from(("ORCON", "PROPIN", "SI", "CUI/SP-EXPT", "NOFORN", "AUSTEO")), max_size=3))
    if {"NOFORN", "AUSTEO"} <= tags:
        tags = tags - {"AUSTEO"}
    only = {ONLY[tag] for tag in tags if tag in ONLY}
    rel: set[str] | UnsetType = draw(st.one_of(st.just(UNSET), st.sets(st.sampled_from(CODES))))
    display = draw(st.sets(st.sampled_from(CODES)))
    if only:
        rel, display = only if rel else set(), set()
    levels = draw(st.sets(st.sampled_from(LEVELS), min_size=1, max_size=5))
    return Label.of(maximal(levels, SYSTEMS), rel=rel, tags=tags, display=display)


OWNERS = st.frozensets(st.sampled_from(CODES), min_size=1)


def joined(first: Label, *rest: Label, owners: frozenset[str]) -> Label:
    return combine(first, *rest, owners=owners, systems=SYSTEMS)


@given(labels(), labels(), OWNERS)
def test_combine_is_commutative(a: Label, b: Label, owners: frozenset[str]) -> None:
    assert joined(a, b, owners=owners) == joined(b, a, owners=owners)


@given(labels(), labels(), labels(), OWNERS)
def test_combine_is_associative(a: Label, b: Label, c: Label, owners: frozenset[str]) -> None:
    left = joined(joined(a, b, owners=owners), c, owners=owners)
    assert left == joined(a, joined(b, c, owners=owners), owners=owners) == joined(a, b, c, owners=owners)


@given(labels(), OWNERS)
def test_combine_is_idempotent(a: Label, owners: frozenset[str]) -> None:
    assert joined(a, a, owners=owners) == joined(a, owners=owners) == a


@given(labels(), labels(), OWNERS)
def test_combine_never_widens(a: Label, b: Label, owners: frozenset[str]) -> None:
    both = joined(a, b, owners=owners)
    for one in (a, b):
        assert both.released_to(owners) <= one.released_to(owners)
        assert set(both.display) <= set(one.display)
        assert set(both.tags) >= set(one.tags)
        for level in one.levels:  # each level of each input is still covered by a level of its own system
            system = SYSTEMS.get(level.system)
            assert any(
                held == level
                or (
                    system is not None
                    and held.system == level.system
                    and system.at_most(level.level, held.level) == "yes"
                )
                for held in both.levels
            )


@given(labels(), labels(), OWNERS)
def test_without_the_order_of_a_system_all_levels_are_kept(a: Label, b: Label, owners: frozenset[str]) -> None:
    assert set(combine(a, b, owners=owners).levels) == {*a.levels, *b.levels}


@given(labels())
def test_a_label_is_its_json(a: Label) -> None:
    assert msgspec.json.decode(msgspec.json.encode(a), type=Label) == a


@given(labels(), OWNERS)
def test_marked_says_unmarked_in_codes(a: Label, owners: frozenset[str]) -> None:
    assert marked(a, owners).released_to(frozenset()) == a.released_to(owners)


SECRET = Level(system="USA", level="SECRET")


def test_json_form_leaves_defaults_out_and_keeps_nobody() -> None:
    assert msgspec.json.encode(Label.of([SECRET])) == b'{"levels":[{"system":"USA","level":"SECRET"}]}'
    assert msgspec.json.encode(Label.of([SECRET], rel=())) == b'{"levels":[{"system":"USA","level":"SECRET"}],"rel":[]}'


def test_the_trap_of_4774_an_empty_intersection_is_nobody_and_stays_nobody() -> None:
    owners = frozenset({"USA"})
    a = Label.of([SECRET], rel={"AUS", "USA"})
    b = Label.of([SECRET], rel={"CAN", "GBR"})
    nobody = joined(a, b, owners=owners)
    assert nobody.rel == ()
    assert joined(nobody, Label.of([SECRET]), owners=owners).rel == ()
    assert nobody.released_to(owners) == frozenset()


def test_unmarked_means_the_owners_and_two_unmarked_of_different_owners_meet_in_nobody() -> None:
    a, b = Label.of([SECRET]), Label.of([Level(system="GBR", level="SECRET")])
    both = joined(marked(a, frozenset({"USA"})), marked(b, frozenset({"GBR"})), owners=frozenset({"GBR", "USA"}))
    assert both.rel == ()
    assert joined(a, Label.of([SECRET], rel={"AUS", "USA"}), owners=frozenset({"USA"})).rel == ("USA",)


def test_nothing_is_mapped_between_systems() -> None:
    both = joined(Label.of([SECRET]), Label.of([Level(system="GBR", level="OFFICIAL")]), owners=frozenset({"USA"}))
    assert both.levels == (Level(system="GBR", level="OFFICIAL"), SECRET)


def test_a_partial_order_keeps_both_maximal_levels() -> None:
    can = [Level(system="CAN", level=level) for level in ("PROTECTED B", "CONFIDENTIAL", "UNCLASSIFIED")]
    assert [level.level for level in maximal(can, SYSTEMS)] == ["CONFIDENTIAL", "PROTECTED B"]


def test_ladders_that_share_rungs_are_followed_upwards() -> None:
    system = System(name="XXX", ladders=(("a", "b"), ("b", "c"), ("c", "d")))
    assert (system.at_most("a", "d"), system.at_most("d", "a"), system.at_most("a", "zz")) == ("yes", "no", "unknown")


@pytest.mark.parametrize(
    ("make", "words", "where"),
    [
        (lambda: Label(levels=()), "at least one level", "levels"),
        (lambda: Label(levels=(SECRET,), rel=("USA", "AUS")), "sorted", "rel"),
        (lambda: Label(levels=(SECRET,), rel=("AUS", "AUS")), "each stands once", "rel"),
        (lambda: Label(levels=(SECRET,), rel=("FVEY",)), "`FVEY` is not a three-letter", "rel"),
        (lambda: Label(levels=(SECRET,), tags=("orcon",)), "`orcon` is not a tag", "tags"),
        (lambda: Label(levels=(SECRET,), tags=("NOFORN",)), "`NOFORN` stands beside", "rel"),
        (lambda: Label.of([SECRET], tags=("NOFORN",), rel=("AUS", "USA")), "`NOFORN` stands beside", "rel"),
        (lambda: Label.of([SECRET], tags=("NOFORN",), rel=("USA",), display=("JPN",)), "`NOFORN` stands beside", "rel"),
        (lambda: Level(system="usa", level="SECRET"), "`usa` is not a classification system", ""),
        (lambda: Level(system="USA", level="S\u0415CRET"), "is not a classification level", ""),
        (lambda: Label.of([SECRET], tags=[f"T{n}" for n in range(65)]), "more than 64", "tags"),
    ],
)
def test_what_is_not_in_normal_form_is_refused(make: object, words: str, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        make()  # type: ignore[operator]
    assert words in caught.value.message
    assert caught.value.where == where


def test_unknown_tags_must_be_held_and_handling_need_not() -> None:
    assert must_hold("SI")
    assert must_hold("RD-CNWDI")
    assert must_hold("FED ONLY")
    assert must_hold("A MARKING OF TOMORROW")
    assert not any(must_hold(tag) for tag in ("NOFORN", "ORCON", "CUI/SP-EXPT", "FGI GBR", "JOINT"))
