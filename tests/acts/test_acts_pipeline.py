"""Stages are computed from acts and evidence; the path names who must do what by when; the outlook misses nothing."""

import base64
import datetime as dt

import msgspec
import pytest
from world import World

from relto import acts
from relto.cli import proposals
from relto.demo import cast
from relto.errors import NotFound, Refused
from relto.keys import PublicKey
from relto.ledger import Verifier, parse_proof
from relto.node import views
from relto.node.paper import Paragraph, Table, markdown, pdf
from relto.node.statement import statement

DAY = "2026-09-21"  # of the world's clock
LATER = "2027-06-01"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three members, and Japan introduced."""
    world = World(tmp_path_factory.mktemp("pipeline"))
    for party, name in cast.PARTIES.items():
        world.start(party, name)
    world.outsiders.add("jpn")
    founding = world.found("gbr", "usa", "aus")
    world.join("jpn", "gbr")
    world.nodes["jpn"].save_config(pin=founding)
    gbr, jpn = world.nodes["gbr"], world.nodes["jpn"]
    inception = acts.open_act(jpn.inception())[1]
    world.act(
        "gbr", "introduce", party="jpn", inception=inception, origin=jpn.origin, address=jpn.config.url,
        members=gbr.members_named(),
    )  # fmt: skip
    world.sync()
    return world


def evidence(world, **fields):
    return world.act("gbr", "evidence", readers=("gbr",), **fields)


def terms(world, **changes):
    gbr, jpn = world.nodes["gbr"], world.nodes["jpn"]
    return acts.Engagement(
        inception=acts.open_act(jpn.inception())[1],
        origin=jpn.origin,
        address=jpn.config.url,
        members=gbr.members_named(),
        confirm=3,
        recall_days=14,
        **{**cast.engagement_fields(world.time), **changes},
    )


def stand(world, party="jpn", day=DAY, at="gbr"):
    return acts.stage(world.register(at), party, day)


def test_evidence_makes_opinion_and_press_alone_never_more_than_floated(world):
    register = world.register("gbr")
    stages = {one.party: (one.stage, one.opinion) for one in acts.pipeline(register, DAY)}
    assert stages == {
        "can": ("consulting", "consulting"),
        "ind": ("floated", "floated"),
        "jpn": ("consulting", "consulting"),
        "kor": ("consulting", "consulting"),
        "nzl": ("consulting", "consulting"),
    }
    assert acts.stage(register, "jpn", "2024-05-01").stage == "considered"
    assert acts.stage(register, "jpn", "2023-12-31").stage == "none"
    for number, standing in enumerate(("press", "unnamed")):
        evidence(
            world, candidate="fra", date=f"2026-01-0{number + 1}", standing=standing, status="considered",
            says="could be next", source="a newspaper",
        )  # fmt: skip
    assert stand(world, "fra").stage == "floated"
    told = evidence(
        world, candidate="fra", date="2026-02-01", standing="official", status="considered",
        says="is considered", source="a minister",
    )  # fmt: skip
    found = stand(world, "fra")
    assert found.stage == "considered"
    assert [one.act for one in found.evidence][-1] == told
    assert all(one.party != "fra" for one in acts.pipeline(world.register("usa"), DAY)), "evidence is the author's own"


def test_a_remark_moves_nothing(world):
    before = stand(world, "can")
    evidence(
        world, candidate="can", date="2026-03-01", standing="official", status="no-plans",
        says="no plans to invite others", source="an official",
    )  # fmt: skip
    after = stand(world, "can")
    assert (after.stage, len(after.remarks)) == (before.stage, len(before.remarks) + 1)


def test_the_pair_that_fails_is_named_and_both_halves_are_needed(world):
    def protection(day=DAY):
        return next(one for one in stand(world, "can", day).criteria if one.id == "protection")

    assert protection().holds == "unknown"
    assert {pair.member: pair.holds for pair in protection().pairs} == dict.fromkeys(("aus", "gbr", "usa"), "unknown")
    kind, term = "security-of-information", acts.Term(since="2026-01-01", until="2028-01-01")
    half = world.act("gbr", "attest", about="gbr", claim=kind, term=term, other="can")
    pair = next(one for one in protection().pairs if one.member == "gbr")
    assert (pair.holds, pair.why) == ("unknown", "can has not attested its half")
    world.act("gbr", "revoke", act=half, reason="drawn back")
    assert next(one for one in protection().pairs if one.member == "gbr").why.startswith("no security-of-information")
    japan = {one.id: one for one in stand(world).criteria}["protection"]
    assert japan.holds == "yes"
    assert acts.stage(world.register("gbr"), "jpn", "2010-01-01").criteria[4].holds != "yes", "signed in 2012 and 2013"


def test_the_path_before_a_proposal_names_every_step_with_its_day(world):
    found = acts.path(world.register("gbr"), stand(world), "2028-12-01", DAY)
    assert found.reachable
    due = {(step.kind, step.of): step.by for step in found.steps}
    assert due["consent", "aus"] == "2028-05-20"  # its election, at the latest
    assert due["consent", "usa"] == "2028-11-07"
    assert due["consent", "gbr"] == due["consent", "jpn"] == "2028-12-01"
    assert due["propose", "any member"] == "2028-05-20"  # before the first consent
    assert not any(step.kind == "introduce" for step in found.steps), "Japan is introduced"
    assert any(
        step.kind == "introduce" for step in acts.path(world.register("gbr"), stand(world, "kor"), LATER, DAY).steps
    )
    past = acts.path(world.register("gbr"), stand(world), "2026-01-01", DAY)
    assert not past.reachable
    assert "2026-01-01 is past" in past.blocked


def check_statements(world, proposal, refused):
    """For the public: who agreed and where it stands, nothing of the terms. For a reader: the terms, opened."""
    gbr = world.nodes["gbr"]
    public = statement(gbr, proposal)
    text = markdown(public.blocks)
    assert "Japan takes part in" in text
    assert len(public.proofs) == 5
    for secret in ("onward transfer", "OFFICIAL", "undersea", "http", proposal):
        assert secret not in text
        assert all(secret.encode() not in proof for proof in public.proofs.values())
    for proof in map(parse_proof, public.proofs.values()):
        extra = msgspec.json.decode(proof.extra)
        assert set(extra) == {"leaf"}, "an entry for the public stays closed"
        origin = proof.note.split(b"\n", 1)[0].decode()
        keys = gbr.register.scans[origin].chain[-1].keys
        log = Verifier.of_log(PublicKey(name=origin, ed25519=keys.log.ed25519))
        assert proof.verify(base64.b64decode(extra["leaf"]), log).checkpoint.origin == origin
    reader = statement(gbr, proposal, "jpn")
    assert "no onward transfer" in markdown(reader.blocks)
    assert all(
        set(msgspec.json.decode(parse_proof(p).extra)) == {"leaf", "salt", "envelope"} for p in reader.proofs.values()
    )
    assert statement(gbr, proposal, open_acts=True).proofs == reader.proofs
    assert statement(world.nodes["usa"], proposal).blocks == public.blocks, "the same wherever it is made"
    paper = pdf(public.blocks, public.title, public.at)
    assert paper.startswith(b"%PDF-")
    assert pdf(public.blocks, public.title, public.at) == paper
    with pytest.raises(Refused, match="there is nothing to state"):
        statement(gbr, refused)
    with pytest.raises(NotFound, match="is no proposal"):
        statement(gbr, gbr.register.acks["gbr"][0])
    with pytest.raises(Refused, match="may not read"):
        statement(gbr, gbr.register.partnership, "jpn")
    in_parts = statement(world.nodes["jpn"], proposal)
    assert set(in_parts.unproved) == {"aus", "gbr", "usa"}


def test_what_pdf_cannot_hold_is_refused_and_markdown_escapes_markup():
    blocks = [Paragraph("日本"), Table(("a", "b"), (("x|y", "[link](http://x) # <b>"),))]
    with pytest.raises(Refused, match="hold no"):
        pdf(blocks, "t", 0)
    assert markdown(blocks) == "日本\n\n| a | b |\n| --- | --- |\n| x\\|y | \\[link\\](http://x) \\# \\<b\\> |\n"


def test_from_proposal_to_the_end(world):
    """proposed, refused, countered, in force, suspended, lifted, lapsed, ended."""

    def register():
        return world.register("gbr")

    by = int(dt.datetime(2027, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
    first = world.act("gbr", "propose", subject="engagement/jpn-sea", n=1, what=terms(world), by=by)
    world.sync()
    found = stand(world)
    assert (found.stage, found.missing, found.by) == ("proposed", ("aus", "gbr", "usa", "jpn"), "2027-01-01")
    assert [one.party for one in found.deadlines] == ["aus", "usa", "gbr"]
    path = acts.path(register(), found, LATER, DAY)
    assert {step.by for step in path.steps if step.kind == "consent"} == {"2027-01-01"}
    assert any("deadline was 2027-01-01" in why for why in acts.path(register(), found, LATER, "2027-02-01").blocked)
    awaited = [one for one in acts.outlook(register(), DAY) if one.act == first]
    assert [(one.kind, one.day, one.whose) for one in awaited] == [("awaited", "2027-01-01", found.missing)]
    assert [one.kind for one in acts.outlook(register(), "2027-02-01") if one.act == first] == ["overdue"]
    window = next(one for one in acts.outlook(register(), DAY) if one.kind == "window" and one.whose == ("usa",))
    assert window.at_risk == ("jpn: consent of usa missing",)

    # Returned with a counter-proposal: the difference is shown, field by field.
    second = world.act(
        "usa", "propose", subject="engagement/jpn-sea", n=1, what=terms(world, conditions=("no onward transfer",))
    )
    world.act("usa", "return", proposal=first, comment="onward transfer must be barred", counter=second)
    world.sync()
    view = views.act_view(register(), second)["proposal"]
    assert [one["field"] for one in view["answers"][0]["differs"]] == ["conditions"]
    assert view["answers"][0]["differs"][0]["after"] == "no onward transfer"
    assert views.act_view(register(), first)["proposal"]["returns"][0]["counter"] == second
    world.act("gbr", "refuse", proposal=first, reason="the second is better")
    world.sync()
    assert stand(world).proposal == second

    for party in ("gbr", "usa", "aus", "jpn"):
        node = world.nodes[party]
        world.act(party, "consent", proposal=second, sight=node.register.acks[party][0])
    assert stand(world).stage == "proposed", "given and not confirmed"
    world.sync(rounds=8)
    found = stand(world)
    assert (found.stage, found.proposal) == ("in_force", second)
    assert {pair.holds for one in found.criteria if one.kind == "judged" for pair in one.pairs} == {"yes"}
    assert acts.path(register(), found, LATER, DAY).steps == ()
    assert stand(world, day="2026-01-01").stage == "not_begun"
    assert stand(world, day="2031-01-01").stage == "lapsed"
    assert any(one.subject == "engagement/jpn-sea" and one.kind == "lapses" for one in acts.outlook(register(), DAY))

    check_statements(world, second, refused=first)

    stop = world.act("aus", "suspend", engagement=second, reason="a breach")
    world.sync()
    assert stand(world).stage == "suspended"
    path = acts.path(register(), stand(world), LATER, DAY)
    assert [(step.kind, step.of) for step in path.steps] == [("lift", "aus")]
    world.act("aus", "lift", suspend=stop, reason="mended")
    world.sync()
    assert stand(world).stage == "in_force"

    gbr = world.nodes["gbr"]
    usa = world.nodes["usa"]
    with pytest.raises(Refused, match="until 2027-09-01 nothing would be in force"):
        proposals.renew(usa, ["jpn-sea", "term=2027-09-01..2030-01-01"])
    renewal = usa.submit(world.sign("usa", proposals.renew(usa, ["jpn-sea", "to=2030-01-01", "by=2027-01-31"])))
    world.sync()
    assert stand(world).by == "2027-01-31"
    for voter in ("gbr", "usa", "aus", "jpn"):
        world.act(voter, "consent", proposal=renewal, sight=world.nodes[voter].register.acks[voter][0])
    world.sync(rounds=8)
    assert stand(world).until == "2030-01-01"
    assert stand(world, day="2029-12-31").stage == "in_force"
    ending = gbr.submit(world.sign("gbr", proposals.end(gbr, ["jpn-sea", "on=2027-03-01", "reason=done"])))
    world.sync()
    assert stand(world).stage == "in_force", "a proposal to end it changes nothing yet"
    for party in ("gbr", "usa", "aus"):
        world.act(party, "consent", proposal=ending, sight=world.nodes[party].register.acks[party][0])
    world.sync(rounds=8)
    assert stand(world, day="2027-02-28").stage == "in_force"
    assert stand(world, day="2027-03-01").stage == "ended"


def test_the_outlook_is_sorted_cut_by_its_end_and_total(world):
    whole = acts.outlook(world.register("gbr"), DAY)
    assert [one.day for one in whole] == sorted(one.day for one in whole)
    cut = acts.outlook(world.register("gbr"), DAY, "2028-01-01")
    assert cut == tuple(one for one in whole if one.day <= "2028-01-01")
    assert 0 < len(cut) < len(whole)
    assert msgspec.json.encode(whole)
    world.act("usa", "withdraw", on="2026-12-01", reason="a new government")
    world.sync()
    leaves = [one for one in acts.outlook(world.register("gbr"), DAY) if one.kind == "leaves"]
    assert [(one.day, one.whose) for one in leaves] == [("2027-12-01", ("usa",))]
