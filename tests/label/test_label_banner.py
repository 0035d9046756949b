"""Banner lines: read, written, refused with rule and column."""

from __future__ import annotations

import contextlib
import doctest
import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET

import relto.label
from relto.errors import Malformed, Refused, ReltoError
from relto.label import (
    Document,
    Equivalence,
    Group,
    Hold,
    Label,
    Level,
    banner,
    check,
    combine,
    must_hold,
    parse,
    parse_portion,
    portion,
)
from relto.label.banner import BANNER_CHARS_MAX, SYSTEMS
from relto.label.label import HANDLING
from relto.label.reading import LAST_DAY

FVEY = Group(id="FVEY", members=("AUS", "CAN", "GBR", "NZL", "USA"), first="1956-01-01")
DAY = "2026-11-22"

CANONICAL = [
    ("USA", "UNCLASSIFIED"),
    ("USA", "UNCLASSIFIED//FOUO"),
    ("USA", "SECRET"),
    ("USA", "SECRET//NOFORN"),
    ("USA", "SECRET//REL TO USA, AUS, GBR"),
    ("USA", "SECRET//DISPLAY ONLY JPN"),
    ("USA", "SECRET//REL TO USA, AUS, GBR/DISPLAY ONLY JPN, NZL"),
    ("USA", "CONFIDENTIAL//ORCON/PROPIN/REL TO USA, CAN"),
    ("USA", "TOP SECRET//HCS/SI-G/TK//RD-CNWDI//FGI GBR NATO//RSEN/ORCON/IMCON/NOFORN//EXDIS/NNPI"),
    ("USA", "SECRET//FGI//RELIDO/DEA SENSITIVE/FISA"),
    ("USA", "SECRET//USA/AUS/GBR EYES ONLY"),
    ("USA", "UNCLASSIFIED//SBU NOFORN"),
    ("USA", "CUI"),
    ("USA", "CUI//SP-EXPT//REL TO USA, AUS, GBR"),
    ("USA", "CUI//SP-CTI/SP-EXPT//NOFORN"),
    ("USA", "CUI//SP-NNPI//NOFORN"),
    ("USA", "CUI//SP-EXPT/PRVCY//DL ONLY/FEDCON"),
    ("USA", "CUI//NOCON"),
    ("USA", "//GBR SECRET"),
    ("USA", "//GBR OFFICIAL-SENSITIVE//REL TO USA, AUS, GBR"),
    ("USA", "//AUS OFFICIAL: Sensitive"),
    ("USA", "//JPN CONFIDENTIAL//ORCON"),
    ("USA", "//JOINT SECRET AUS GBR USA"),
    ("USA", "//JOINT SECRET AUS GBR USA//REL TO USA, AUS, GBR"),
    ("USA", "//COSMIC TOP SECRET"),
    ("USA", "//NATO SECRET//ATOMAL"),
    ("USA", "//NATO RESTRICTED"),
    ("GBR", "OFFICIAL"),
    ("GBR", "OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA"),
    ("GBR", "SECRET - UK EYES ONLY"),
    ("GBR", "TOP SECRET - UK / US EYES ONLY"),
    ("GBR", "CONFIDENTIAL"),
    ("AUS", "OFFICIAL: Sensitive"),
    ("AUS", "PROTECTED//AUSTEO"),
    ("AUS", "SECRET//AGAO"),
    ("AUS", "SECRET//REL AUS/GBR/USA"),
    ("USA", "TOP SECRET//TK//SAR-BP-J12 J54-K15/CD-YYY 456 689/XR-XRA RB//RD//NOFORN"),
    ("USA", "SECRET//SAR-BUTTER POPCORN//NOFORN"),
    ("USA", "//CONFIDENTIAL USML//REL USA and GBR Treaty Community//"),
    ("USA", "//RESTRICTED USML//REL USA and AUS Treaty Community//"),
    ("USA", "//CAN PROTECTED B"),
    ("USA", "//NZL IN-CONFIDENCE//REL TO USA, NZL"),
    ("CAN", "PROTECTED B"),
    ("CAN", "SECRET//CANADIAN EYES ONLY"),
    ("CAN", "TOP SECRET//REL TO CAN, AUS, GBR, NZL, USA"),
    ("NZL", "IN-CONFIDENCE"),
    ("NZL", "SECRET//NZEO"),
    ("NZL", "RESTRICTED//REL TO NZL, AUS"),
    ("JPN", "\u6975\u79d8"),
    ("JPN", "\u7279\u5b9a\u79d8\u5bc6"),
    ("NATO", "NATO UNCLASSIFIED"),
    ("NATO", "COSMIC TOP SECRET//ATOMAL/BOHEMIA"),
]


@pytest.mark.parametrize(("system", "line"), CANONICAL)
def test_a_canonical_banner_is_written_as_it_was_read(system: str, line: str) -> None:
    assert banner(parse(line, system=system), system) == line


@pytest.mark.parametrize(
    "mark",
    [
        "(U)",
        "(S//NF)",
        "(S//REL TO USA, AUS, GBR)",
        "(TS//SI/TK//OC/NF)",
        "(C//USA/GBR EYES)",
        "(CUI//SP-EXPT//NF)",
        "(//GBR S)",
        "(//NS)",
        "(//CTS//ATOMAL)",
        "(//JOINT S AUS GBR)",
        "(S//DISPLAY ONLY JPN)",
        "(TS//SI//SAR-BP/GB//NF)",
        "(//GBR OFFICIAL-SENSITIVE)",
    ],
)
def test_a_portion_mark_is_written_as_it_was_read(mark: str) -> None:
    assert portion(parse_portion(mark)) == mark


# ------------------------------------------------------------------------------------------------ meaning


def test_rel_to_is_a_set_and_plain_is_unmarked() -> None:
    assert parse("SECRET//REL TO USA, AUS, GBR").rel == ("AUS", "GBR", "USA")
    assert parse("SECRET", system="USA").rel is UNSET
    assert parse("SECRET//NOFORN") == Label.of([Level(system="USA", level="SECRET")], rel=("USA",), tags=("NOFORN",))
    assert parse("SECRET//DISPLAY ONLY JPN").display == ("JPN",)
    assert parse("SECRET//DISPLAY ONLY JPN").rel is UNSET


def test_uk_caveats() -> None:
    label = parse("OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA")
    assert label == Label.of([Level(system="GBR", level="OFFICIAL-SENSITIVE")], rel=("AUS", "GBR", "USA"))
    assert parse("TOP SECRET - UK / US EYES ONLY").rel == ("GBR", "USA")
    assert parse("SECRET - UK EYES ONLY").rel == ("GBR",)


def test_joint_is_a_level_in_each_system() -> None:
    assert [str(level) for level in parse("//JOINT SECRET AUS GBR USA").levels] == [
        "AUS SECRET",
        "GBR SECRET",
        "USA SECRET",
    ]


def test_groups_are_written_out_for_the_day() -> None:
    assert parse("SECRET//REL TO USA, FVEY", groups=[FVEY], day=DAY).rel == ("AUS", "CAN", "GBR", "NZL", "USA")
    for groups, day in (([FVEY], "1950-01-01"), ([FVEY], None), ([], DAY)):
        with pytest.raises(Malformed, match="the members of `FVEY` are not known") as caught:
            parse("SECRET//REL TO USA, FVEY", groups=groups, day=day)
        assert (caught.value.where, caught.value.hint) == ("column 16", "write the countries out")


def test_a_portion_that_repeats_the_banner() -> None:
    page = parse("SECRET//REL TO USA, AUS, GBR")
    assert parse_portion("(S//REL)", banner=page).rel == page.rel
    with pytest.raises(Malformed, match="ISM-ID-00031"):
        parse_portion("(S//REL)", banner=parse("SECRET//NOFORN"))


@pytest.mark.parametrize(
    ("line", "system"),
    [
        ("SECRET//NOFORN", "USA"),
        ("UNCLASSIFIED", "USA"),
        ("CUI", "USA"),
        ("//GBR SECRET", "USA"),
        ("SECRET - UK EYES ONLY", "GBR"),
        ("OFFICIAL-SENSITIVE", "GBR"),
        ("PROTECTED", "AUS"),
        ("SECRET//AGAO", "AUS"),
        ("SECRET//REL AUS/GBR", "AUS"),
        ("NATO SECRET", "NATO"),
    ],
)
def test_the_form_says_whose_banner_it_is(line: str, system: str) -> None:
    assert parse(line) == parse(line, system=system)


@pytest.mark.parametrize("line", ["SECRET", "TOP SECRET", "OFFICIAL"])
def test_a_level_of_several_states_is_nobodys_banner(line: str) -> None:
    with pytest.raises(Malformed, match=r"relto\.system") as caught:
        parse(line)
    assert caught.value.hint == "say whose banner it is: USA, GBR, AUS, CAN or NZL"


# ------------------------------------------------------------------------ the rules, each by its id (markings.yaml)


def refused(line: str, rule: str, column: int, corrected: str = "", **how: object) -> None:
    reader = parse_portion if line.startswith("(") else parse
    with pytest.raises(Malformed) as caught:
        reader(line, **how)  # type: ignore[operator]
    assert caught.value.message.startswith(f"{rule}: "), caught.value.message
    assert caught.value.where == f"column {column}"
    assert caught.value.hint == (f"write `{corrected}`" if corrected else "")
    if corrected:
        reader(corrected, **how)  # type: ignore[operator]


def test_ism_id_00214_rel_begins_with_usa() -> None:
    refused("SECRET//REL TO AUS, USA, GBR", "ISM-ID-00214", 16, "SECRET//REL TO USA, AUS, GBR")
    refused("SECRET//REL TO AUS, GBR", "ISM-ID-00214", 16)  # a correction never adds a state


def test_ism_id_00041_rel_follows_the_order() -> None:
    refused("SECRET//REL TO USA, GBR, AUS", "ISM-ID-00041", 16, "SECRET//REL TO USA, AUS, GBR")


def test_ism_id_00319_usa_alone_is_not_a_release() -> None:
    refused("SECRET//REL TO USA", "ISM-ID-00319", 16)


def test_ism_id_00031_rel_or_eyes_requires_a_list() -> None:
    refused("SECRET//REL TO", "ISM-ID-00031", 9)
    refused("SECRET//REL TO ", "ISM-ID-00031", 9)
    refused("SECRET//EYES ONLY", "ISM-ID-00031", 9)


def test_ism_id_00033_rel_eyes_and_nf_exclude_one_another() -> None:
    refused("SECRET//NOFORN/REL TO USA, GBR", "ISM-ID-00033", 16)
    refused("SECRET//REL TO USA, AUS/USA/GBR EYES ONLY", "ISM-ID-00033", 25)
    refused("UNCLASSIFIED//REL TO USA, GBR//SBU NOFORN", "ISM-ID-00033", 32)


def test_ism_id_00169_displayonly_relido_and_nf_exclude_one_another() -> None:
    refused("SECRET//NOFORN/RELIDO", "ISM-ID-00169", 16)
    refused("SECRET//NOFORN/DISPLAY ONLY JPN", "ISM-ID-00169", 16)
    refused("SECRET//RELIDO/DISPLAY ONLY JPN", "ISM-ID-00169", 16)


def test_ism_id_00213_displayonly_requires_a_list() -> None:
    refused("SECRET//DISPLAY ONLY", "ISM-ID-00213", 9)


def test_ism_id_00168_a_list_requires_displayonly() -> None:
    refused("SECRET//DISPLAY JPN", "ISM-ID-00168", 9, "SECRET//DISPLAY ONLY JPN")
    refused("SECRET//JPN", "ISM-ID-00168", 9)


def test_ism_id_00028_oc_or_eyes_only_on_classified() -> None:
    refused("UNCLASSIFIED//ORCON", "ISM-ID-00028", 15)
    refused("UNCLASSIFIED//USA/GBR EYES ONLY", "ISM-ID-00028", 15)
    refused("//NATO RESTRICTED//ORCON", "ISM-ID-00028", 20)


def test_ism_id_00030_fouo_only_on_unclassified() -> None:
    refused("SECRET//FOUO", "ISM-ID-00030", 9)


def test_ism_id_00026_dissemination_controls_follow_the_order() -> None:
    refused("SECRET//NOFORN/ORCON", "ISM-ID-00026", 16, "SECRET//ORCON/NOFORN")


def test_ism_id_00233_a_portion_with_foreign_information() -> None:
    refused("(//GBR S//DISPLAY ONLY JPN)", "ISM-ID-00233", 11)
    refused("(S//FGI GBR//RELIDO)", "ISM-ID-00233", 14)


def test_ism_id_00189_no_word_past_its_last_day() -> None:
    refused("CONFIDENTIAL - UK EYES ONLY", "ISM-ID-00189", 1, day=DAY)
    refused("UNCLASSIFIED//FOUO", "ISM-ID-00189", 15, day=DAY)
    refused("//GBR CONFIDENTIAL", "ISM-ID-00189", 7, day="2014-04-02")
    assert parse("CONFIDENTIAL - UK EYES ONLY", day="2014-04-01").levels[0].level == "CONFIDENTIAL"


BLOCK = {"derived_from": "a guide", "declassify_on": "2050-01-01"}


def found(page: str, *portions: str, **block: str) -> list[str]:
    return [finding.rule for finding in check(Document(banner=page, portions=portions, **{**BLOCK, **block}), day=DAY)]


def test_ism_id_00067_any_oc_portion_makes_the_document_oc() -> None:
    assert found("SECRET//NOFORN", "(S//OC/NF)") == ["ISM-ID-00067"]
    assert found("SECRET//ORCON/NOFORN", "(S//OC/NF)") == []


def test_ism_id_00070_any_nf_portion_makes_the_document_nf() -> None:
    assert "ISM-ID-00070" in found("SECRET//REL TO USA, GBR", "(S//NF)")
    assert found("SECRET//NOFORN", "(S//NF)", "(S//REL TO USA, GBR)") == []


def test_ism_id_00088_a_document_is_released_no_further_than_its_portions() -> None:
    assert found("SECRET//REL TO USA, AUS, GBR", "(S//REL)", "(S//REL TO USA, GBR)") == ["ISM-ID-00088"]
    assert found("SECRET//REL TO USA, GBR", "(S)", "(U)") == ["ISM-ID-00088"]
    assert found("SECRET//REL TO USA, GBR", "(S//REL TO USA, AUS, GBR)", "(U)") == []


def test_ism_id_00056_an_unclassified_document_has_no_classified_portion() -> None:
    assert found("UNCLASSIFIED", "(C)", "(U)") == ["ISM-ID-00056"]
    assert found("CUI//SP-EXPT", "(//NS)") == ["ISM-ID-00056"]


def test_ism_id_00013_classified_by_or_derived_from() -> None:
    assert found("SECRET//NOFORN", derived_from="") == ["ISM-ID-00013"]
    assert found("SECRET//NOFORN", derived_from="", classified_by="an officer") == []


def test_ism_id_00014_declassification() -> None:
    assert found("SECRET//NOFORN", declassify_on="") == ["ISM-ID-00014"]


def test_ism_id_00159_statement_a_never_on_classified() -> None:
    assert found("SECRET//NOFORN", distribution="A") == ["ISM-ID-00159"]
    assert found("UNCLASSIFIED", distribution="A", derived_from="", declassify_on="") == []


# ----------------------------------------------------------------------------------------- other refusals


@pytest.mark.parametrize(
    ("line", "rule", "column", "corrected"),
    [
        ("SECRET//NF", "relto.spelling", 9, "SECRET//NOFORN"),
        ("S//NF", "relto.spelling", 1, "SECRET//NOFORN"),
        ("secret//noforn", "relto.token", 1, "SECRET//NOFORN"),
        ("SECRET // REL TO USA,AUS , GBR", "relto.token", 1, "SECRET//REL TO USA, AUS, GBR"),
        (" SECRET//NOFORN", "relto.token", 1, "SECRET//NOFORN"),
        ("SECRET//REL TO USA, UK", "relto.code", 21, "SECRET//REL TO USA, GBR"),
        ("SECRET//REL TO USA, AUS, AUS", "relto.repeated", 26, "SECRET//REL TO USA, AUS"),
        ("SECRET//REL TO USA, GB", "relto.code", 21, ""),
        ("SECRET//ORCON//NOFORN", "relto.order", 16, "SECRET//ORCON/NOFORN"),
        ("SECRET//NOFORN//SI", "relto.order", 17, "SECRET//SI//NOFORN"),
        ("SECRET//SI/NOFORN", "relto.order", 12, ""),
        ("SECRET//NOFORN/NOFORN", "relto.repeated", 16, "SECRET//NOFORN"),
        ("SECRET//SAR-", "relto.token", 9, ""),
        ("SECRET//SAR-BP/NOFORN", "relto.order", 16, ""),  # a missing slash must not hide a NOFORN
        ("SECRET//SAR-GB/BP", "relto.order", 9, "SECRET//SAR-BP/GB"),
        ("SECRET//SAR-BP/SAR-GB", "relto.spelling", 16, "SECRET//SAR-BP/GB"),
        ("SECRET//SPECIAL ACCESS REQUIRED-BP", "relto.spelling", 9, "SECRET//SAR-BP"),
        ("SECRET//RD//SAR-BP", "relto.order", 13, "SECRET//SAR-BP//RD"),
        ("UNCLASSIFIED//SAR-BP", "relto.classified", 15, ""),
        ("//SECRET USML//REL USA and CAN Treaty Community//", "USML.form", 1, ""),
        ("//SECRET USML//REL USA and GBR TREATY COMMUNITY//", "USML.form", 1, ""),
        ("SECRET//CEO", "relto.spelling", 9, "SECRET//CANADIAN EYES ONLY"),
        ("PROTECTED B//REL TO CAN", "CAN.releasable", 21, ""),
        ("PROTECTED B//REL TO AUS, CAN", "CAN.order", 21, "PROTECTED B//REL TO CAN, AUS"),
        ("PROTECTED B//CANADIAN EYES ONLY//REL TO CAN, AUS", "CAN.caveat", 34, ""),
        ("SENSITIVE//NZEO//NZEO", "NZL.caveat", 18, ""),
        ("SENSITIVE//NEW ZEALAND EYES ONLY", "relto.spelling", 12, "SENSITIVE//NZEO"),
        ("Gokuhi", "relto.spelling", 1, "\u6975\u79d8"),
        ("SECRET//", "relto.token", 9, ""),
        ("SECRET/NOFORN", "relto.token", 1, ""),
        ("//", "relto.owner", 3, ""),
        ("//SECRET", "relto.owner", 3, ""),
        ("//USA SECRET//NOFORN", "relto.owner", 3, "SECRET//NOFORN"),
        ("//GBR SECRET//NOFORN", "relto.owner", 15, ""),
        ("//JOINT SECRET GBR AUS", "relto.owner", 16, "//JOINT SECRET AUS GBR"),
        ("//JOINT SECRET GBR", "relto.owner", 16, ""),
        ("UNCLASSIFIED//SI", "relto.classified", 15, ""),
        ("SECRET//ATOMAL", "relto.owner", 9, ""),
        ("CUI//CTI", "CUI.specified", 6, "CUI//SP-CTI"),
        ("CUI//PRVCY/SP-EXPT", "CUI.order", 6, "CUI//SP-EXPT/PRVCY"),
        ("CUI//NF", "relto.spelling", 6, "CUI//NOFORN"),
        ("CUI//SP-EXPT//NOFORN//RELIDO", "CUI.form", 23, ""),
        ("CUI//SP-EXPT//ORCON", "relto.token", 15, ""),
        ("CUI//NOFORN/REL TO USA, GBR", "ISM-ID-00033", 13, ""),
        (
            "OFFICIAL-SENSITIVE - RELEASABLE TO USA, GBR, AUS",
            "UK.order",
            36,
            "OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA",
        ),
        ("OFFICIAL-SENSITIVE - RELEASABLE TO AUS, USA", "UK.releasable", 36, ""),
        ("SECRET - UK/US EYES ONLY", "relto.token", 10, "SECRET - UK / US EYES ONLY"),
        ("SECRET - CANADA EYES ONLY", "relto.token", 10, ""),
        ("RESTRICTED - COMMERCIAL", "relto.token", 14, ""),
        ("Official: sensitive", "relto.token", 1, "OFFICIAL: Sensitive"),
        ("SECRET//REL AUS/USA/GBR", "AU.order", 13, "SECRET//REL AUS/GBR/USA"),
        ("SECRET//AUSTEO//AGAO", "AU.caveat", 17, ""),
        ("NATO SECRET//BOHEMIA/ATOMAL", "relto.order", 14, "NATO SECRET//ATOMAL/BOHEMIA"),
        ("GEHEIM", "relto.token", 1, ""),
    ],
)
def test_a_wrong_banner_names_rule_and_column_and_the_right_banner_where_it_is_certain(
    line: str, rule: str, column: int, corrected: str
) -> None:
    refused(line, rule, column, corrected)


def test_controlled_is_another_word_for_cui() -> None:
    assert banner(parse("CONTROLLED//SP-EXPT"), "USA") == "CUI//SP-EXPT"


def test_letters_of_other_scripts_are_named_and_never_read() -> None:
    with pytest.raises(Malformed) as caught:
        parse("S\u0415CRET//NOFORN")
    assert caught.value.message == "relto.script: CYRILLIC CAPITAL LETTER IE is not a plain ASCII character"
    assert (caught.value.where, caught.value.hint) == ("column 2", "")


def test_a_typeset_dash_is_corrected() -> None:
    with pytest.raises(Malformed) as caught:
        parse("SECRET \u2013 UK EYES ONLY")
    assert caught.value.hint == "write `SECRET - UK EYES ONLY`"


@pytest.mark.parametrize(
    "char", ["\n", "\r", "\t", "\x00", "\x0b", "\x1c", "\x85", "\u2028", "\u200b", "\u202e", "\x7f"]
)
def test_no_control_or_line_character_passes(char: str) -> None:
    for line in (f"SECRET{char}//NOFORN", f"{char}SECRET//NOFORN", f"SECRET//NOFORN{char}"):
        with pytest.raises(Malformed, match=r"relto\.script"):
            parse(line)


def test_length_is_bounded_and_the_bound_is_cheap() -> None:
    with pytest.raises(Malformed, match=r"relto\.length"):
        parse("A" * 4097)
    with pytest.raises(Malformed, match=r"relto\.length"):
        parse("SECRET//REL TO " + "USA, " * 1_997)  # 10,000 characters
    with pytest.raises(Malformed, match=r"relto\.empty"):
        parse("")
    start = time.perf_counter()
    for filler in (" ", "/", "//", ", ", "A/", "AAA/", "- UK", "REL TO USA, "):
        for system in (*SYSTEMS, None):
            with pytest.raises(Malformed):
                parse(("SECRET//REL TO " + filler * 4096)[:4096], system=system)
    assert time.perf_counter() - start < 5


def test_a_system_without_a_grammar() -> None:
    with pytest.raises(Malformed, match=r"relto\.system"):
        parse("Geheim", system="DEU")
    with pytest.raises(Refused, match="no banner grammar"):
        banner(parse("//DEU SECRET"), "DEU")


def test_a_special_access_programme_is_a_compartment_that_must_be_held() -> None:
    label = parse("SECRET//SAR-BP/GB")
    assert label.tags == ("SAR-BP", "SAR-GB")
    assert all(map(must_hold, label.tags))


def test_a_treaty_marking_says_level_states_and_community() -> None:
    label = parse("//RESTRICTED USML//REL USA and GBR Treaty Community//")
    assert (label.levels, label.rel) == ((level("USA UNCLASSIFIED"),), ("GBR", "USA"))
    assert label.tags == ("USML TREATY GBR",)
    assert must_hold("USML TREATY GBR")  # membership of the community, not only nationality
    with pytest.raises(Refused, match="a treaty marking says"):
        banner(combine(label, parse("SECRET//REL TO USA, GBR"), owners=frozenset()), "USA")


def test_both_ladders_of_canada_have_no_one_banner() -> None:
    both = Label.of([level("CAN PROTECTED B"), level("CAN SECRET")])
    with pytest.raises(Refused, match="both Canadian ladders"):
        banner(both, "CAN")


def test_a_specially_designated_secret_has_been_one_since_2014() -> None:
    assert parse("\u7279\u5b9a\u79d8\u5bc6", day="2014-12-10").levels == (level("JPN Tokutei Himitsu"),)
    with pytest.raises(Malformed, match="ISM-ID-00189"):
        parse("\u7279\u5b9a\u79d8\u5bc6", day="2014-12-09")
    with pytest.raises(Refused, match="names no states"):
        banner(Label.of([level("JPN Gokuhi")], rel=("JPN", "USA")), "JPN")


@pytest.mark.parametrize(
    "fake", ["SECRET//R\u0415L TO USA, GBR", "SECRET//REL \u03a4\u039f USA, GBR", "SECRET//\u0280EL TO USA"]
)
def test_a_look_alike_of_rel_to_is_named_and_never_read(fake: str) -> None:
    with pytest.raises(Malformed, match=r"relto\.script: (CYRILLIC|GREEK|LATIN LETTER SMALL CAPITAL)") as caught:
        parse(fake)
    assert caught.value.hint == ""


# ------------------------------------------------------------------------------------------------ writing


def level(text: str) -> Level:
    system, _, name = text.partition(" ")
    return Level(system=system, level=name)


EQUIVALENCE = Equivalence(
    holds=(
        Hold(level=level("USA SECRET"), system="GBR", hold_as="SECRET"),
        Hold(level=level("USA CONFIDENTIAL"), system="GBR", hold_as="SECRET", exact=False),
        Hold(level=level("GBR SECRET"), system="USA", hold_as="SECRET"),
        Hold(level=level("AUS PROTECTED"), system="USA", action="refer"),
    )
)


def test_a_us_banner_for_a_product_names_the_foreign_part() -> None:
    both = combine(parse("CONFIDENTIAL//REL TO USA, GBR"), parse("//GBR SECRET//REL TO USA, GBR"), owners=frozenset())
    assert banner(both, "USA", equivalence=EQUIVALENCE) == "SECRET//FGI GBR//REL TO USA, GBR"


def test_writing_rounds_up_or_refuses() -> None:
    assert (
        banner(parse("CONFIDENTIAL//REL TO USA, GBR"), "GBR", equivalence=EQUIVALENCE)
        == "SECRET - RELEASABLE TO GBR, USA"
    )
    mixed = Label.of([level("USA SECRET"), level("AUS PROTECTED")])
    with pytest.raises(Refused, match="nothing says how `AUS PROTECTED` is held in `USA`") as caught:
        banner(mixed, "USA", equivalence=EQUIVALENCE)
    assert caught.value.hint == "ask the originator, `AUS`"
    with pytest.raises(Refused, match="nothing says how `USA SECRET` is held in `GBR`"):
        banner(parse("SECRET//REL TO USA, GBR"), "GBR")
    with pytest.raises(Refused, match="the label is unmarked, and a `GBR` banner would not say whose it is"):
        banner(parse("SECRET", system="USA"), "GBR", equivalence=EQUIVALENCE)


def test_a_set_of_one_is_noforn_and_nobody_has_no_banner() -> None:
    a, b = parse("SECRET//REL TO USA, AUS"), parse("SECRET//REL TO USA, GBR")
    assert banner(combine(a, b, owners=frozenset()), "USA") == "SECRET//NOFORN"
    with pytest.raises(Refused, match="released to nobody"):
        banner(Label.of(a.levels, rel=()), "USA")
    with pytest.raises(Refused, match="not released to `USA`"):
        banner(Label.of(a.levels, rel=("AUS", "GBR")), "USA")


def test_what_a_stronger_marking_says_is_not_repeated() -> None:
    mixed = combine(
        parse("SECRET//NOFORN"),
        parse("UNCLASSIFIED//FOUO"),
        parse("CUI//SP-EXPT"),
        parse("SECRET//RELIDO"),
        owners=frozenset({"USA"}),
        systems={},
    )
    assert banner(mixed, "USA") == "SECRET//NOFORN"


@pytest.mark.parametrize(
    ("label", "system", "words"),
    [
        (parse("SECRET//ORCON/REL TO USA, GBR"), "GBR", "cannot say `ORCON`"),
        (parse("SECRET//REL TO USA, GBR/DISPLAY ONLY JPN"), "GBR", "cannot say `DISPLAY ONLY`"),
        (parse("SECRET//USA/AUS/GBR EYES ONLY"), "GBR", "says `EYES ONLY` of"),
        (parse("SECRET//AUSTEO"), "USA", "not released to `USA`"),
        (parse("SECRET//REL TO USA, GBR"), "NATO", "names no states"),
        (parse("//GBR SECRET"), "NATO", "stands on NATO material only"),
        (Label.of([level("USA RESTRICTED")]), "USA", "not a level of `USA` banners"),
        (Label.of([level("USA UNCLASSIFIED")], tags=("ORCON",)), "USA", "ISM-ID-00028"),
        (Label.of([level("USA SECRET")], tags=("SOMETHING NEW",)), "USA", "cannot say `SOMETHING NEW`"),
        (Label.of([level("GBR SECRET")], rel=("USA",)), "USA", "no banner for foreign material"),
    ],
)
def test_a_banner_that_cannot_say_it_is_refused(label: Label, system: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        banner(label, system, equivalence=EQUIVALENCE)
    assert words in caught.value.message


# --------------------------------------------------------------------------------------------- properties

WORDS = st.sampled_from(
    [
        "SECRET",
        "TOP SECRET",
        "CUI",
        "UNCLASSIFIED",
        "//",
        "/",
        ", ",
        " - ",
        " ",
        "NOFORN",
        "ORCON",
        "REL TO ",
        "USA",
        "AUS",
        "GBR",
        "JPN",
        "FGI ",
        "SI",
        "RD",
        "JOINT ",
        "//GBR ",
        "NATO SECRET",
        "ATOMAL",
        "DISPLAY ONLY ",
        " EYES ONLY",
        "SP-EXPT",
        "FVEY",
        "RELIDO",
        "FOUO",
        "UK EYES ONLY",
        "RELEASABLE TO ",
        "OFFICIAL",
        "PROTECTED B",
        "NZEO",
        "CANADIAN EYES ONLY",
        "SAR-",
        "BP",
        "REL AUS/",
        "AGAO",
        "LES NOFORN",
        "s",
        "ѕ",
        "(",
        ")",
        "S",
    ]
)


@given(st.lists(WORDS, max_size=12).map("".join), st.sampled_from((*SYSTEMS, "DEU", None)))
@example("SECRET//NOFORN//SI", "USA")
def test_a_line_is_read_one_way_or_refused(line: str, system: str | None) -> None:
    try:
        label = parse(line, system=system, groups=[FVEY], day=DAY)
    except Malformed as error:
        assert error.where.startswith("column ")
        if error.hint.startswith("write `"):
            parse(error.hint[7:-1], system=system, groups=[FVEY], day=DAY)
        return
    convention = system or next(s for s in SYSTEMS if reads(line, s) == label)
    written = banner(label, convention)
    assert parse(written, system=convention) == label


def reads(line: str, system: str) -> Label | None:
    try:
        return parse(line, system=system, groups=[FVEY], day=DAY)
    except ReltoError:
        return None


@given(st.text(max_size=40), st.sampled_from((*SYSTEMS, None)))
def test_anything_at_all_is_read_or_refused(line: str, system: str | None) -> None:
    for reader in (lambda: parse(line, system=system), lambda: parse_portion(f"({line})")):
        with contextlib.suppress(ReltoError):
            reader()


@st.composite
def us_labels(draw: st.DrawFn) -> Label:
    name = draw(st.sampled_from(("UNCLASSIFIED", "CUI", "CONFIDENTIAL", "SECRET", "TOP SECRET")))
    tags = draw(
        st.sets(
            st.sampled_from(
                ("ORCON", "PROPIN", "RELIDO", "FISA", "SI", "TK", "RD", "FGI GBR", "FGI", "LES", "CUI/SP-EXPT")
            )
        )
    )
    rel = draw(st.one_of(st.just(UNSET), st.sets(st.sampled_from(("AUS", "GBR", "JPN", "USA")))))
    return Label.of(
        [Level(system="USA", level=name)], rel=rel, tags=tags, display=draw(st.sets(st.sampled_from(("JPN", "KOR"))))
    )


@given(us_labels(), st.booleans())
def test_what_is_written_reads_back_to_no_more_people(label: Label, mark: bool) -> None:
    try:
        line = portion(label) if mark else banner(label, "USA")
    except Refused:
        return
    back = parse_portion(line) if mark else parse(line, system="USA")
    assert back.released_to(frozenset({"USA"})) <= label.released_to(frozenset({"USA"}))
    assert set(back.display) <= set(label.display)
    assert (portion(back) if mark else banner(back, "USA")) == line


def test_the_session_of_the_manual() -> None:
    assert doctest.testmod(relto.label) == (0, 4)


SPEC = (Path(__file__).parents[2] / "spec" / "label.md").read_text()


def test_the_specification_names_every_rule_and_every_handling_tag() -> None:
    sources = "".join(path.read_text() for path in Path(relto.label.__file__).parent.glob("*.py"))
    rules = set(re.findall(r"ISM-ID-(\d{5})", sources))
    assert len(rules) == 20
    assert {rule for rule in rules if rule not in SPEC} == set()
    assert {tag for tag in HANDLING if f"`{tag}`" not in SPEC} == set()
    assert f"{BANNER_CHARS_MAX:,} characters" in SPEC
    for last in set(LAST_DAY.values()):
        assert last in SPEC
