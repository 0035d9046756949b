"""Directed pairs, clearances, groups."""

from __future__ import annotations

import pytest

from relto.errors import Malformed, Refused
from relto.label import Clearance, Equivalence, Group, Hold, Level, System, expand


def level(text: str) -> Level:
    system, _, name = text.partition(" ")
    return Level(system=system, level=name)


TABLE = Equivalence(
    systems=(
        System(
            name="USA",
            ladders=(("UNCLASSIFIED", "CUI", "CONFIDENTIAL", "SECRET", "TOP SECRET"),),
            classified_from="CONFIDENTIAL",
        ),
        System(
            name="GBR", ladders=(("OFFICIAL", "OFFICIAL-SENSITIVE", "SECRET", "TOP SECRET"),), classified_from="SECRET"
        ),
        System(name="AUS", ladders=(("OFFICIAL", "PROTECTED", "SECRET", "TOP SECRET"),)),
        System(
            name="CAN",
            ladders=(("UNCLASSIFIED", "PROTECTED A"), ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET")),
            classified_from="CONFIDENTIAL",
        ),
        System(name="JPN", ladders=(("public", "Hi", "Gokuhi", "Kimitsu"),)),
    ),
    holds=(
        Hold(level=level("USA CONFIDENTIAL"), system="GBR", hold_as="SECRET", exact=False),
        Hold(level=level("USA SECRET"), system="GBR", hold_as="SECRET"),
        Hold(level=level("GBR SECRET"), system="AUS", hold_as="SECRET"),
        Hold(level=level("USA SECRET"), system="JPN", hold_as="Gokuhi"),
        Hold(level=level("AUS PROTECTED"), system="GBR", action="refer"),
        Hold(level=level("KOR I-kup Bimil"), system="JPN", action="refuse"),
    ),
    clearances=(
        Clearance(system="GBR", name="SC", covers="SECRET"),
        Clearance(system="GBR", name="DV", covers="TOP SECRET"),
    ),
)


@pytest.mark.parametrize(
    ("clearance", "held", "answer"),
    [
        ("GBR SC", "GBR SECRET", "yes"),
        ("GBR SC", "GBR TOP SECRET", "no"),
        ("GBR DV", "GBR TOP SECRET", "yes"),
        ("GBR SECRET", "USA SECRET", "yes"),
        ("GBR SC", "USA CONFIDENTIAL", "yes"),
        ("GBR OFFICIAL-SENSITIVE", "USA CONFIDENTIAL", "no"),  # held there as SECRET: rounded up
        ("GBR SC", "USA TOP SECRET", "unknown"),  # nobody wrote it down
        ("USA SECRET", "GBR SECRET", "unknown"),  # directed: the way back is not the way there
        ("AUS SECRET", "USA SECRET", "unknown"),  # not transitive: USA-GBR and GBR-AUS make no USA-AUS
        ("JPN Gokuhi", "USA SECRET", "yes"),
        ("JPN Hi", "USA SECRET", "no"),
        ("GBR DV", "AUS PROTECTED", "unknown"),  # referred to the originator
        ("JPN Kimitsu", "KOR I-kup Bimil", "no"),  # never exchanged
        ("JPN Kimitsu", "KOR II-kup Bimil", "unknown"),
        ("CAN SECRET", "CAN PROTECTED A", "unknown"),  # another ladder
        ("GBR BPSS", "GBR SECRET", "unknown"),  # a clearance nobody described
        ("NZL SECRET", "GBR SECRET", "unknown"),
        ("GBR DV", "GBR CONFIDENTIAL", "unknown"),  # a legacy level is on no ladder
    ],
)
def test_covers(clearance: str, held: str, answer: str) -> None:
    assert TABLE.covers(level(clearance), level(held)) == answer


def test_at_most_takes_a_level_and_never_the_name_of_a_clearance() -> None:
    assert TABLE.at_most(level("USA SECRET"), level("GBR SECRET")) == "yes"
    assert TABLE.at_most(level("GBR TOP SECRET"), level("GBR SECRET")) == "no"
    assert TABLE.at_most(level("GBR SECRET"), level("GBR SC")) == "unknown"


@pytest.mark.parametrize(
    ("held", "needs"),
    [
        ("USA CUI", False),
        ("USA CONFIDENTIAL", True),
        ("GBR OFFICIAL-SENSITIVE", False),
        ("AUS OFFICIAL", True),  # where nothing says from where it is classified, everything needs one
        ("CAN PROTECTED A", True),
        ("CAN UNCLASSIFIED", False),
        ("KOR Daeoebi", True),
        ("GBR CONFIDENTIAL", True),
    ],
)
def test_needs_clearance(held: str, needs: bool) -> None:
    assert TABLE.needs_clearance(level(held)) is needs


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Hold(level=level("USA SECRET"), system="USA", hold_as="SECRET"), "does not hold its own"),
        (lambda: Hold(level=level("USA SECRET"), system="GBR"), "a level to hold it as"),
        (
            lambda: Hold(level=level("USA SECRET"), system="GBR", action="refuse", hold_as="SECRET"),
            "a level to hold it as",
        ),
        (lambda: Equivalence(holds=(*TABLE.holds, TABLE.holds[0])), "the pair `USA CONFIDENTIAL GBR` stands twice"),
        (lambda: Equivalence(systems=(*TABLE.systems, TABLE.systems[0])), "the system `USA` stands twice"),
        (lambda: Group(id="FVEY", members=("USA", "AUS")), "are sorted"),
        (lambda: Group(id="FVEY", members=()), "at least one"),
        (lambda: Group(id="FVE", members=("AUS",)), "not a four-letter group"),
        (lambda: Group(id="FVEY", members=("AUS",), first="2020"), "is not a date"),
        (lambda: Group(id="FVEY", members=("aus",)), "not a three-letter country code"),
        (lambda: expand(("FVEY",), (), "22.11.2026"), "is not a date"),
    ],
)
def test_what_contradicts_itself_is_refused(make: object, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        make()  # type: ignore[operator]
    assert words in caught.value.message


def test_groups_have_members_with_dates() -> None:
    groups = (
        Group(id="PAIR", members=("AUS", "USA"), last="2019-12-31"),
        Group(id="PAIR", members=("AUS", "GBR", "USA"), first="2020-01-01", last="2025-12-31"),
    )
    assert expand(("PAIR", "JPN"), groups, "2019-12-31") == ("AUS", "JPN", "USA")
    assert expand(("PAIR",), groups, "2020-01-01") == ("AUS", "GBR", "USA")
    with pytest.raises(Refused, match="not known on 2026-01-01"):
        expand(("PAIR",), groups, "2026-01-01")
    assert expand((), groups, None) == ()
