"""A departure, from notice to certificate."""

import pytest
from acts_kit import MEMBERS, Kit, item_fields, release_fields

from relto import acts
from relto.errors import NotFound

NOTICE, OUT = "2026-10-01", "2027-10-01"


@pytest.fixture
def kit() -> Kit:
    """arda and bree have given items to each other and to cora; bree gives notice."""
    kit = Kit().found()
    kit.sent = {}
    for owner, holder in (("arda", "bree"), ("bree", "arda"), ("arda", "cora"), ("bree", "cora"), ("cora", "bree")):
        one, item = kit.parties[owner], f"{owner}/for-{holder}"
        one.say("register", readers=MEMBERS, **item_fields(item))
        one.ack()
        fields = release_fields(kit, item, holder, one.newest_ack)
        kit.sent[owner, holder] = one.say("release", readers=MEMBERS, **fields)
    kit.bree.say("withdraw", on=NOTICE, reason="a new government")
    return kit


def states(kit: Kit, day: str, me: str = "arda") -> dict[tuple[str, str], str]:
    return {(one.owner, one.holder): one.state for one in acts.departure(kit.fold(me), "bree", day).copies}


def recall(kit: Kit, owner: str, holder: str, by: str = "2027-11-01") -> str:
    return kit.parties[owner].say("recall", release=kit.sent[owner, holder], order="destroy", by=by, reason="x")


def answer(kit: Kit, owner: str, holder: str, because: str, said: str) -> str:
    fields = {"reason": "the law of the land"} if said == "kept" else {}
    return kit.parties[holder].say("answer", release=kit.sent[owner, holder], because=because, answer=said, **fields)


def test_only_who_gave_notice_departs(kit):
    with pytest.raises(NotFound, match="has given no notice"):
        acts.departure(kit.fold("arda"), "arda", OUT)
    with pytest.raises(NotFound):
        acts.departure(kit.fold("arda"), "nobody", OUT)


def test_what_crosses_the_border_is_listed_and_nothing_else(kit):
    found = acts.departure(kit.fold("cora"), "bree", "2026-12-01")
    assert (found.given, found.effective, found.out, found.reason) == ("2026-09-21", OUT, False, "a new government")
    crossing = {("arda", "bree"), ("bree", "arda"), ("bree", "cora"), ("cora", "bree")}
    assert states(kit, "2026-12-01") == dict.fromkeys(crossing, "not_asked")
    assert found.items == ("bree/for-arda", "bree/for-cora")
    assert found.duties == (("12.2", "Give it back."),)


def test_orders_run_from_asked_to_overdue_to_answered(kit):
    first = recall(kit, "arda", "bree")
    assert states(kit, "2027-11-01")["arda", "bree"] == "outstanding"
    assert states(kit, "2027-11-02")["arda", "bree"] == "overdue"
    answer(kit, "arda", "bree", first, "acknowledged")
    assert states(kit, "2027-11-02")["arda", "bree"] == "overdue", "to have read the order is no answer"
    answer(kit, "arda", "bree", first, "kept")
    assert states(kit, "2027-11-02")["arda", "bree"] == "kept"
    second = recall(kit, "arda", "bree", by="2028-01-01")
    assert states(kit, "2027-11-02")["arda", "bree"] == "outstanding", "what was kept can be asked for again"
    answer(kit, "arda", "bree", second, "destroyed")
    assert states(kit, "2028-02-01")["arda", "bree"] == "destroyed"
    recall(kit, "arda", "bree", by="2028-01-02")
    assert states(kit, "2028-02-01")["arda", "bree"] == "destroyed", "what is gone cannot be owed"


def test_a_certificate_needs_the_notice_to_have_run_and_every_order_answered(kit):
    order = recall(kit, "bree", "arda")
    assert not acts.departure(kit.fold("cora"), "bree", OUT).certified
    answer(kit, "bree", "arda", order, "returned")
    assert not acts.departure(kit.fold("cora"), "bree", "2027-09-30").certified
    done = acts.departure(kit.fold("cora"), "bree", OUT)
    assert done.certified
    assert done.overdue == ()
    assert done.count("not_asked") == 3
    assert [c.answered for c in done.copies if c.state == "returned"] != [""]
    late = recall(kit, "cora", "bree", by="2027-12-01")
    again = acts.departure(kit.fold("cora"), "bree", "2027-12-02")
    assert not again.certified
    assert [one.asked for one in again.overdue] == [late]


def test_every_member_that_reads_the_same_acts_certifies_the_same(kit):
    order = recall(kit, "arda", "bree")
    answer(kit, "arda", "bree", order, "destroyed")
    found = {me: acts.departure(kit.fold(me), "bree", OUT) for me in MEMBERS}
    assert found["arda"] == found["bree"] == found["cora"]
