"""STANAG 4774 labels: read, written, and refused where XML or JSON could be made to say more than it shows."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from relto.errors import Malformed, Refused, ReltoError
from relto.label import (
    Confidentiality,
    Group,
    Label,
    Level,
    combine,
    label_of,
    parse,
    read_json,
    read_xml,
    said,
    write_json,
    write_xml,
)
from relto.label.stanag import ELEMENTS_MAX, NAMESPACE, TEXT_BYTES_MAX, Category

WHEN = "2026-11-24T10:00:00Z"
TEYE = Group(id="TEYE", members=("AUS", "GBR", "USA"), first="2012-01-01")


def level(text: str) -> Level:
    system, _, name = text.partition(" ")
    return Level(system=system, level=name)


# As another implementation writes one: a prefix, white space, an object identifier, an unknown informative category.
FOREIGN = f"""<?xml version="1.0" encoding="UTF-8"?>
<slab:originatorConfidentialityLabel xmlns:slab="{NAMESPACE}" ReviewDateTime="2031-01-01T00:00:00Z">
  <slab:ConfidentialityInformation>
    <slab:PolicyIdentifier URI="urn:oid:1.3.26.1.3.1">NATO</slab:PolicyIdentifier>
    <slab:Classification>NATO SECRET</slab:Classification>
    <slab:Category Type="PERMISSIVE" TagName="Releasable To" URI="urn:oid:1.3.26.1.4.2">
      <slab:GenericValue>GBR</slab:GenericValue><slab:GenericValue>USA</slab:GenericValue>
    </slab:Category>
    <slab:Category Type="INFORMATIVE" TagName="Administrative"><slab:GenericValue>Staff</slab:GenericValue></slab:Category>
  </slab:ConfidentialityInformation>
  <slab:OriginatorID IDType="rfc822Name">registry@example.int</slab:OriginatorID>
  <slab:CreationDateTime>2026-01-01T00:00:00Z</slab:CreationDateTime>
</slab:originatorConfidentialityLabel>"""


def test_a_label_of_another_implementation_is_read() -> None:
    one = read_xml(FOREIGN.encode())
    assert (one.policy, one.policy_uri, one.classification) == ("NATO", "urn:oid:1.3.26.1.3.1", "NATO SECRET")
    assert (one.created, one.review, one.originator) == (
        "2026-01-01T00:00:00Z",
        "2031-01-01T00:00:00Z",
        "registry@example.int",
    )
    assert label_of(one) == Label.of([level("NATO NATO SECRET")], rel=("GBR", "USA"))


def test_the_json_of_other_sealed_files_is_read() -> None:
    # OpenTDF's own test material: a policy by its number, a state in small letters, and a context.
    text = """{"ocl":{"pol":"62c76c68-d73d-4628-8ccc-4c1e18118c22","cls":"SECRET","catl":[{"type":"P",
        "name":"Releasable To","vals":["usa"]}],"dcr":"2024-10-21T20:47:36Z"},
        "context":{"@base":"urn:nato:stanag:5636:A:1:elements:json"}}"""
    one = read_json(text.encode())
    assert one.created == "2024-10-21T20:47:36Z"
    with pytest.raises(Refused, match="the policy `62c76c68"):
        label_of(one)
    assert label_of(one, policies={one.policy: "USA"}) == Label.of([level("USA SECRET")], rel=("USA",))
    named = {
        "ConfidentialityInformation": {
            "PolicyIdentifier": "GBR",
            "Classification": "SECRET",
            "Category": [{"Type": "PERMISSIVE", "TagName": "Releasable To", "GenericValues": ["TEYE"]}],
        },
        "CreationTime": WHEN,
    }
    held = label_of(read_json(json.dumps(named).encode()), groups=[TEYE], day="2026-11-24")
    assert held == Label.of([level("GBR SECRET")], rel=("AUS", "GBR", "USA"))
    with pytest.raises(Refused, match="the members of `TEYE` are not known"):
        label_of(read_json(json.dumps(named).encode()), groups=[TEYE], day="2011-12-31")


def test_nobody_is_written_so_that_nobody_reads_it_as_everybody() -> None:
    nobody = combine(parse("SECRET//REL TO USA, AUS"), parse("//GBR SECRET"), owners=frozenset({"GBR"}))
    assert nobody.rel == ()
    one = said(nobody, created=WHEN)
    # The trap: a label without the category is, to other readers, one without restriction.
    assert one.categories[0] == Category(name="Releasable To", kind="RESTRICTIVE", values=("NOBODY",))
    for back in (read_xml(write_xml(one).encode()), read_json(write_json(one).encode())):
        assert label_of(back) == nobody


def test_an_empty_list_is_nobody_and_never_no_list() -> None:
    empty = '{"ocl":{"pol":"GBR","cls":"SECRET","catl":[{"type":"P","name":"Releasable To","vals":[]}]}}'
    assert label_of(read_json(empty.encode())).rel == ()
    assert label_of(read_json(b'{"ocl":{"pol":"GBR","cls":"SECRET"}}')).rel is UNSET


def test_an_unmarked_label_names_its_owners_or_is_not_written() -> None:
    plain = parse("SECRET", system="GBR")
    with pytest.raises(Refused, match="who they are"):
        said(plain)
    assert label_of(said(plain, owners=("GBR",))).rel == ("GBR",)


CODES = ("AUS", "CAN", "GBR", "JPN", "USA")
LEVELS = [
    level(one) for one in ("USA SECRET", "GBR SECRET", "CAN PROTECTED B", "CAN SECRET", "AUS OFFICIAL: Sensitive")
]


@st.composite
def labels(draw: st.DrawFn) -> Label:
    return Label.of(
        draw(st.sets(st.sampled_from(LEVELS), min_size=1)),
        rel=draw(st.sets(st.sampled_from(CODES))),
        tags=draw(st.sets(st.sampled_from(("ORCON", "SI", "SAR-BP", "CUI/SP-EXPT", "FGI GBR", "ATOMAL")))),
        display=draw(st.sets(st.sampled_from(CODES))),
    )


@given(labels())
def test_what_is_written_reads_back_the_same(label: Label) -> None:
    one = said(label, created=WHEN, review=WHEN)
    assert read_xml(write_xml(one).encode()) == one
    assert write_xml(read_xml(write_xml(one).encode())) == write_xml(one)
    assert label_of(read_xml(write_xml(one).encode())) == label
    assert label_of(read_json(write_json(one).encode())) == label


@given(st.text(max_size=60), st.sampled_from(["mark", "originator", "policy", "classification"]))
def test_any_text_is_escaped_or_refused(text: str, field: str) -> None:
    made = dict.fromkeys(("policy", "classification"), "GBR") | {"created": WHEN, field: text}
    with contextlib.suppress(Malformed):
        one = Confidentiality(**made)  # type: ignore[arg-type]
        with contextlib.suppress(ReltoError):
            assert getattr(read_xml(write_xml(one).encode()), field) == text


SOUND = write_xml(said(parse("SECRET//REL TO USA, GBR"), created=WHEN))
BODY = SOUND.partition(">")[2]
BOMB = "<!DOCTYPE x [" + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10)) + "]>"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB + SOUND, "a document type is refused"),
        ('<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + SOUND.replace("SECRET", "&f;"), "document type"),
        ('<!DOCTYPE x SYSTEM "http://example.int/x.dtd">' + SOUND, "document type"),
        ('<?xml-stylesheet href="x"?>' + SOUND, "a processing instruction is refused"),
        (SOUND.replace("SECRET", "&unknown;"), "not XML: undefined entity"),
        (SOUND.replace(NAMESPACE, "urn:example:labels"), "is of the namespace `urn:example:labels`"),
        (SOUND.replace(f' xmlns="{NAMESPACE}"', ""), "is of the namespace ``"),
        (SOUND.replace("originatorConfidentialityLabel", "Label"), "`Label` is not a label"),
        (SOUND.replace("<Classification>", "<Other/><Classification>"), "holds no `Other`"),
        (SOUND.replace("<Classification>SECRET</Classification>", ""), "holds `Classification` once"),
        (
            SOUND.replace("<Classification>SECRET", "<Classification>U</Classification><Classification>SECRET"),
            "holds `Classification` once",
        ),
        (SOUND.replace("<Category ", '<Category X="1" '), "has no attribute `X`"),
        (SOUND.replace("PERMISSIVE", "OPEN"), "`OPEN` is not a kind of category"),
        (SOUND.replace("<GenericValue>", "<GenericValue><b/>", 1), "holds no `b`"),
        (SOUND.replace("</Category>", "stray</Category>"), "text stands between elements"),
        (SOUND.replace(WHEN, "yesterday"), "`yesterday` is not a date"),
        (SOUND.replace("<GenericValue>GBR", "<GenericValue>USA"), "names a value twice"),
        (SOUND + SOUND, "not XML: junk after document element"),
        (SOUND[:-5], "not XML"),
        ("", "not XML: no element found"),
        (
            SOUND.replace("<Category", "<Category TagName='A' Type='INFORMATIVE'/>" * ELEMENTS_MAX + "<Category", 1),
            "much",
        ),
        (SOUND + " " * TEXT_BYTES_MAX, "at most"),
        (f'<a xmlns="{NAMESPACE}">' * 9, "so much is refused"),
    ],
    ids=lambda value: value[:24] if " " in value else None,
)
def test_hostile_or_wrong_xml_is_refused(text: str, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_xml(text.encode())
    assert words in caught.value.message


def test_another_encoding_is_not_read() -> None:
    with pytest.raises(Malformed):
        read_xml(SOUND.encode("utf-16"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "has `ocl` or"),
        ('{"ocl":{"pol":"GBR","cls":"SECRET","extra":1}}', "there is no `extra`"),
        ('{"ocl":{"pol":"GBR","cls":"OFFICIAL","cls":"SECRET"}}', "names a key twice"),
        ('{"ocl":{"pol":"GBR","cls":7}}', "a text is due"),
        ('{"ocl":{"pol":"GBR","cls":"SECRET","catl":{}}}', "a list is due"),
        ('{"ocl":{"pol":"GBR","cls":"SECRET","catl":[{"type":"X","name":"A","vals":[]}]}}', "not a kind of category"),
        ('{"ocl":' * 50_000, "at most"),
        ("[" * 5_000, "a label is a JSON object"),
    ],
    ids=lambda value: value[:24],
)
def test_wrong_json_is_refused(text: str, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_json(text.encode())
    assert words in caught.value.message


def test_what_restricts_and_is_not_understood_is_refused_and_what_informs_is_left_out() -> None:
    strange = '{"ocl":{"pol":"GBR","cls":"SECRET","catl":[{"type":"%s","name":"Nuclear","vals":["A"]}]}}'
    for kind in "PR":
        with pytest.raises(Refused, match="the category `Nuclear`"):
            label_of(read_json((strange % kind).encode()))
    assert label_of(read_json((strange % "I").encode())) == Label.of([level("GBR SECRET")])
    handling = '{"ocl":{"pol":"GBR","cls":"SECRET","catl":[{"type":"I","name":"Handling","vals":["SI","ORCON"]}]}}'
    # A compartment in a category that says it has no effect gives no compartment away, and takes none.
    assert label_of(read_json(handling.encode())).tags == ("ORCON",)
