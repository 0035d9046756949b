"""How one state holds what another has marked: directed, pair by pair, rounded up or refused."""

from __future__ import annotations

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto import charter
from relto.errors import Refused
from relto.label import Equivalence, Hold, Label, Level, System, convert, in_words, marked, parse

SOURCE = (resources.files("relto") / "data/charters/aukus/charter.yaml").read_bytes()
AUKUS = charter.load(charter.read(SOURCE, "charter.yaml")).equivalence


def level(text: str) -> Level:
    system, _, name = text.partition(" ")
    return Level(system=system, level=name)


def test_exact_rounded_and_own() -> None:
    found = convert(parse("CONFIDENTIAL//REL TO USA, AUS, GBR"), "GBR", AUKUS)
    assert found.banner == "SECRET - RELEASABLE TO AUS, GBR, USA"
    assert [(str(one.held), one.how) for one in found.levels] == [("GBR SECRET", "rounded")]
    assert convert(parse("SECRET//REL TO USA, GBR"), "GBR", AUKUS).levels[0].how == "exact"
    assert convert(parse("SECRET//REL TO USA, GBR"), "USA", AUKUS).levels[0].how == "own"


def test_a_foreign_thing_in_the_united_states_keeps_its_owner_in_the_banner() -> None:
    found = convert(parse("SECRET - RELEASABLE TO GBR, USA"), "USA", AUKUS)
    assert (found.banner, str(found.levels[0].held)) == ("//GBR SECRET//REL TO USA, GBR", "USA SECRET")


def test_what_the_originator_must_say_is_refused_also_when_rounding_up() -> None:
    for up in (False, True):
        with pytest.raises(Refused, match="`AUS PROTECTED` is referred to its originator by `USA`") as caught:
            convert(parse("PROTECTED//REL AUS/USA"), "USA", AUKUS, up=up)
        assert caught.value.hint == "ask the originator, `AUS`"
    kor = Label.of([level("KOR I-kup Bimil")], rel=("JPN", "KOR"))
    with pytest.raises(Refused, match="`KOR I-kup Bimil` is refused in `JPN`"):
        convert(kor, "JPN", AUKUS, up=True)


def test_an_unknown_pair_is_refused_or_held_at_the_next_known_higher_level() -> None:
    label = parse("CUI//REL TO USA, AUS")
    with pytest.raises(Refused, match="nothing says how `USA CUI` is held in `AUS`"):
        convert(label, "AUS", AUKUS)
    found = convert(label, "AUS", AUKUS, up=True)
    assert [(str(one.held), one.how) for one in found.levels] == [("AUS SECRET", "next")]
    assert found.banner == "SECRET//REL AUS/USA"
    top = Label.of([level("NATO COSMIC TOP SECRET")], rel=("GBR",))
    with pytest.raises(Refused, match="nothing says how `NATO COSMIC TOP SECRET` is held in `GBR`"):
        convert(top, "GBR", AUKUS, up=True)  # nothing is higher


def test_nothing_is_chained_and_nothing_is_turned_round() -> None:
    # KOR -> JPN is known, USA -> JPN is known; neither gives KOR -> USA or JPN -> USA.
    for one, to in (("KOR II-kup Bimil", "USA"), ("JPN Gokuhi", "USA")):
        with pytest.raises(Refused, match="nothing says"):
            convert(Label.of([level(one)], rel=("JPN", "KOR", "USA")), to, AUKUS, up=True)


def test_what_is_not_released_there_is_not_converted() -> None:
    with pytest.raises(Refused, match="not released to `GBR`"):
        convert(parse("SECRET//NOFORN"), "GBR", AUKUS)
    with pytest.raises(Refused, match="not released to `GBR`"):
        convert(Label.of([level("USA SECRET")], rel=()), "GBR", AUKUS)
    plain = parse("SECRET", system="USA")
    with pytest.raises(Refused, match="released to its owners only"):
        convert(plain, "GBR", AUKUS)
    assert convert(marked(plain, frozenset({"USA", "GBR"})), "GBR", AUKUS).banner


def test_a_state_whose_markings_name_no_states_still_has_a_level() -> None:
    found = convert(parse("SECRET//REL TO USA, JPN"), "JPN", AUKUS)
    assert (str(found.levels[0].held), found.banner) == ("JPN Gokuhi", "")
    assert found.why == "a Japanese marking names no states"


def test_in_words() -> None:
    assert in_words(Label.of([level("USA SECRET")], rel=(), tags=("ORCON",), display=("JPN",))) == (
        "USA SECRET; ORCON; released to nobody; display only to JPN"
    )
    assert in_words(parse("PROTECTED")) == "AUS PROTECTED; released to its owners only"


LADDER = ("L0", "L1", "L2", "L3", "L4")


@given(st.dictionaries(st.sampled_from(LADDER), st.sampled_from(LADDER)), st.sampled_from(LADDER), st.booleans())
def test_rounding_never_goes_down(known: dict[str, str], name: str, up: bool) -> None:
    """Against a monotonic agreement, what is held is never below what the agreement would hold of any lower level."""
    held = sorted(known.values())
    agreed = dict(zip(sorted(known), held, strict=True))
    systems = tuple(System(name=one, ladders=(LADDER,)) for one in ("AAA", "BBB"))
    holds = tuple(Hold(level=level(f"AAA {one}"), system="BBB", hold_as=there) for one, there in agreed.items())
    equivalence = Equivalence(systems=systems, holds=holds)
    try:
        found = equivalence.held(level(f"AAA {name}"), "BBB", up=up)
    except Refused:
        higher = [one for one in agreed if one >= name]
        assert name not in agreed
        assert not (up and higher)
        return
    assert all(found.held.level >= there for one, there in agreed.items() if one <= name)
    assert (found.how == "next") == (name not in agreed)
