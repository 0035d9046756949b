"""What a licence covers, limit by limit."""

import msgspec
import pytest

from relto.charter import Money, Span
from relto.law import Determination, Licence, Three, Used, covers

LICENCE = Licence(
    id="dsp-5-1",
    jurisdiction="USA",
    authority="us-dsp-5",
    holder="usa/northwind",
    recipients=("aus/harbour", "gbr"),
    items=("usa/sonar", "usa/keel@2"),
    valid=Span(first="2025-01-01", last="2028-12-31"),
    quantity=3,
    value=Money(amount=90_000, currency="USD"),
    provisos=("no night shifts",),
)
USED = Used(quantity=1, value=Money(amount=30_000, currency="USD"))
GOOD = {"holder": "usa/northwind", "recipient": "aus/harbour", "item": "usa/sonar@7", "day": "2026-06-01", "used": USED}
YES, NO, UNKNOWN = Three.YES, Three.NO, Three.UNKNOWN


def money(amount, currency="USD"):
    return Used(quantity=1, value=Money(amount=amount, currency=currency))


@pytest.mark.parametrize(
    ("change", "value", "words"),
    [
        ({}, YES, ()),
        ({"recipient": "gbr/any"}, YES, ()),
        ({"item": "usa/keel@2"}, YES, ()),
        ({"day": "2025-01-01"}, YES, ()),
        ({"day": "2028-12-31"}, YES, ()),
        ({"used": Used(quantity=3, value=Money(amount=90_000, currency="USD"))}, YES, ()),
        ({"holder": "usa/other"}, NO, ("it is held by `usa/northwind`, not by `usa/other`",)),
        ({"recipient": "aus/other"}, NO, ("it does not name `aus/other`",)),
        ({"recipient": "jpn/gbr"}, NO, ("it does not name `jpn/gbr`",)),
        ({"item": "usa/keel@3"}, NO, ("it does not name `usa/keel@3`",)),
        ({"item": "usa/sonar-2@1"}, NO, ("it does not name `usa/sonar-2@1`",)),
        ({"day": "2024-12-31"}, NO, ("it is good for 2025-01-01..2028-12-31, not on 2024-12-31",)),
        ({"day": "2029-01-01"}, NO, ("it is good for 2025-01-01..2028-12-31, not on 2029-01-01",)),
        ({"used": Used(quantity=4, value=USED.value)}, NO, ("its quantity of 3 is used up",)),
        ({"used": money(90_001)}, NO, ("its value of 90000 USD is used up",)),
        (
            {"used": Used(quantity=1, value=None)},
            UNKNOWN,
            ("it is limited to 90000 USD and the value of this release is not stated",),
        ),
        ({"used": money(1, "AUD")}, UNKNOWN, ("it is limited to 90000 USD and the value is stated in AUD",)),
        (
            {"holder": "x/y", "used": Used(quantity=9, value=None)},
            NO,
            (
                "it is held by `usa/northwind`, not by `x/y`",
                "its quantity of 3 is used up",
                "it is limited to 90000 USD and the value of this release is not stated",
            ),
        ),
    ],
)
def test_covers(change, value, words):
    assert covers(LICENCE, **(GOOD | change)) == (value, words)


def test_a_limit_that_is_absent_does_not_limit():
    free = msgspec.structs.replace(LICENCE, quantity=None, value=None, valid=Span(first="2025-01-01"))
    assert covers(free, **(GOOD | {"used": Used(quantity=999, value=None), "day": "2099-01-01"})) == (YES, ())


@pytest.mark.parametrize("shape", [LICENCE, msgspec.structs.replace(LICENCE, quantity=None, value=None)])
def test_a_licence_travels_as_json(shape):
    assert msgspec.json.decode(msgspec.json.encode(shape), type=Licence) == shape


def test_a_determination_names_the_fact_it_makes():
    judged = Determination(
        item="gbr/keel", version=2, authority="us-itar-126-7", condition="b3", value=True, reason="no sonar"
    )
    assert judged.fact == "determined.us-itar-126-7.b3"
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(msgspec.json.encode(judged).replace(b'"reason"', b'"why"'), type=Determination)
