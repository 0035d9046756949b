"""Every charter that ships founds, votes by its own rules, engages, and decides, on real ledgers and folds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from charters import Run
from world import DATA, check

from relto.charter import draft, read
from relto.errors import Refused
from relto.node.people import add_person, publish_roster
from relto.release.amending import amended
from relto.release.kernel import Kernel

CHARTERS = DATA / "charters"


def failing(decision) -> dict[str, str]:
    return {one.rule: one.deny_code for one in decision.failing}


def test_gcap_engages_by_all_whom_it_affects_and_ends_by_two(tmp_path: Path) -> None:
    run = Run(tmp_path, CHARTERS / "gcap", {"aus": "Australia"})
    proposal = run.propose_engagement("gbr", "aus", "core-platform")
    run.consent(proposal, "gbr", "ita", "aus")
    assert run.state(proposal) == {"open"}, "two of three, and the third is affected"
    run.consent(proposal, "jpn")
    assert run.state(proposal) == {"in_force"}
    item = run.item("jpn", "airframe", "core-platform", ["AUS", "GBR", "ITA", "JPN"])
    run.organisation("aus")
    run.organisation("ita")
    run.sync()
    assert run.ask("jpn", "ita", item, "development", "ITA").answer == "permit"
    # What Japan owns: the convention's limit and Japan's own, each side's half.
    denied = run.ask("jpn", "aus", item, "development", "AUS")
    assert set(failing(denied)) == {"limit.gcap-third-states", "limit.jpn-agreement"}
    for claim in ("security-of-information", "defence-equipment-transfer"):
        for one, other in (("aus", "jpn"), ("jpn", "aus")):
            run.act(one, "attest", about=f"{one}/{one}", claim=claim, term=acts_term(run), other=other)
    run.sync()
    assert run.ask("jpn", "aus", item, "development", "AUS").answer == "permit"
    asked = run.ask("jpn", "aus", item, "export", "AUS")
    assert (asked.answer, set(failing(asked))) == ("undetermined", {"limit.jpn-case"})
    assert {one.of for one in asked.changes} == {"jpn"}
    with pytest.raises(Refused, match="2 officers"):
        determine(run, item, "cabinet-decision")
    check(run)
    # What an amendment would change, before anybody signs it: the same as asking anew under the new text.
    register = run.register("jpn")
    facts = run.someone("ita", "ITA")
    add_person(run.nodes["ita"], "vera", "Vera", "", facts, "ITA")
    publish_roster(run.nodes["ita"])
    run.sync()
    register = run.register("jpn")
    shut = draft(
        read(
            run.charter.replace(
                b"- id: aircraft\n  name: The aircraft\n  access: open_per_project",
                b"- id: aircraft\n  name: The aircraft\n  access: closed\n  members: [gbr, jpn]",
            ),
            "c",
        )
    )
    found = amended(register, shut, run.time)
    assert found.engagements == (("one", "pillar aircraft is closed"),)
    lost = {(one.item, one.to.recipient.party) for one in found.pairs.lost}
    assert lost == {("jpn/airframe", "ita")}
    assert found.pairs.gained == ()
    fresh = Kernel(msgspec.structs.replace(register, charter=shut), run.time)
    assert fresh.explain("jpn/airframe", 1, found.pairs.lost[0].to.recipient).answer == found.pairs.lost[0].after
    ending = run.act(
        "gbr", "propose", subject="engagement/one", n=2, prev=proposal, what=ending_of(run, proposal, "aus")
    )
    run.sync()
    run.consent(ending, "gbr", "ita")
    assert run.state(ending) == {"in_force"}, "two of three stop it, and Australia is told"
    assert failing(run.ask("jpn", "aus", item, "development", "AUS")) == {"scope": "ENGAGEMENT_ENDED"}
    check(run)


@pytest.mark.slow
def test_a_space_agency_counts_heads_money_and_the_vote_of_a_state_that_cooperates(tmp_path: Path) -> None:
    run = Run(tmp_path, CHARTERS / "esa", {"kor": "Korea"})
    proposal = run.propose_engagement("deu", "kor", "ers")
    run.consent(proposal, "deu", "fra", "kor")
    assert run.state(proposal) == {"open"}, "two of four who take part"
    run.consent(proposal, "can")
    assert run.state(proposal) == {"in_force"}, "Canada is no member and votes in its programme"
    # The scale is set by two thirds; the same two thirds may not touch anything else with it.
    scale = run.amend("fra", ("{party: svn, of: money, parts: 1}", "{party: svn, of: money, parts: 2}"))
    run.consent(scale, "deu", "fra", "ita")
    assert run.state(scale) == {"in_force"}
    run.charter = run.register("deu").objects[run.register("deu").charter.digest.hex()]
    item = run.item("deu", "orbits", "ers", ["DEU", "FRA", "CAN", "KOR"])
    for party in ("fra", "can", "kor"):
        run.organisation(party)
    run.sync()
    given = run.ask("deu", "can", item, "own-requirements", "CAN")
    assert (given.answer, given.obligations) == ("permit", ("terms: free-of-charge",))
    assert set(failing(run.ask("deu", "kor", item, "own-requirements", "KOR"))) == {"limit.classified-programme"}
    check(run)


def test_a_consortium_counts_votes_cast_vetoes_silence_and_the_funder(tmp_path: Path) -> None:
    run = Run(tmp_path, CHARTERS / "consortium")
    listed = (
        "- {item: rob/gripper-firmware,",
        "- {item: ins/old-lens, clause: 5.4.3, basis: assumption}\n- {item: rob/gripper-firmware,",
    )
    with pytest.raises(Refused, match="names no deadline"):
        run.amend("ins", listed)
    with pytest.raises(Refused, match="leaves less than the 15 days"):
        run.amend("ins", listed, days=3)
    vetoed = run.amend("ins", listed, days=20)
    run.consent(vetoed, "ins", "uni")
    assert run.state(vetoed) == {"open"}, "a veto may still come"
    run.refuse(vetoed, "rob", "ip-rights: the lens is ours as well")
    assert run.state(vetoed) == {"dead"}
    again = run.amend("uni", listed, days=20)
    run.pass_days(0)
    run.pass_days(0)
    run.consent(again, "ins", "uni")
    assert run.state(again) == {"open"}
    run.pass_days(21)
    assert run.state(again) == {"in_force"}, "the company let it pass, and the one in default has no vote"
    assert [one.item for one in run.register("rob").charter.background] == [
        "uni/field-model", "ins/old-lens", "rob/gripper-firmware"
    ]  # fmt: skip
    run.charter = run.register("uni").objects[run.register("uni").charter.digest.hex()]
    item = run.item("ins", "old-lens", "wp-sensing", ["INS", "UNI", "FIR", "DEU"], background=True)
    for party in ("uni", "fir"):
        run.organisation(party)
    run.sync()
    assert run.ask("ins", "uni", item, "implementation", "DEU").answer == "permit"
    assert failing(run.ask("ins", "fir", item, "implementation", "DEU")) == {"limit.good-standing": "LIMIT"}
    check(run)


def acts_term(run: Run):
    from relto import acts

    return acts.Term(since=run.day(-1))


def ending_of(run: Run, proposal: str, party: str):
    from relto import acts

    return acts.Ending(of=proposal, on=run.day(0), reason="enough")


def determine(run: Run, item: str, condition: str, *signers: str) -> str:
    node = run.nodes["jpn"]
    act = node.draft(
        "determine", item=item, version=1, on=node.register.item(item).label_act, jurisdiction="JPN",
        authority="charter 5.4.3", condition=condition, holds=True, reason="decided",
    )  # fmt: skip
    return node.submit(run.sign("jpn", act, *signers) if signers else run.sign("jpn", act))


def test_a_charter_that_does_not_ship_runs_without_a_change(tmp_path: Path) -> None:
    """The fifth: weighted votes, a caretaker period, an approval each time, a project within another, a last day."""
    run = Run(tmp_path, Path(__file__).parent / "charter" / "river", {"isl": "Island"})
    refused = run.propose_engagement("upp", "isl", "gauge-net", "one")
    run.consent(refused, "upp", "isl")
    run.refuse(refused, "mid")
    assert run.state(refused) == {"dead"}, "ten votes against are enough"
    agreed = run.propose_engagement("upp", "isl", "gauge-net", "two")
    run.refuse(agreed, "low")
    run.consent(agreed, "upp", "isl")
    assert run.state(agreed) == {"open"}
    run.consent(agreed, "mid")
    assert run.state(agreed) == {"in_force"}, "five are not"
    item = run.item("low", "tide-table", "deep-channel", ["LOW", "MID", "UPP"])
    run.organisation("mid")
    run.sync()
    asked = run.ask("low", "mid", item, "dredging", "MID")
    assert failing(asked) == {"owner": "NOT_APPROVED"}
    assert failing(run.ask("low", "mid", item, "dredging", "SEA"))["limit.seen-from-the-banks"] == "LIMIT"
    # In its caretaker period the lower state consents to nothing; a refusal stands.
    run.time += 210 * 86_400_000  # 2027-04-19
    run.pass_days(0)
    late = run.propose_engagement("mid", "isl", "deep-channel", "three")
    with pytest.raises(Refused, match="caretaker period of low"):
        run.consent(late, "low")
    run.refuse(late, "low")
    run.consent(late, "upp", "mid", "isl")
    assert run.state(late) == {"in_force"}
    check(run)
