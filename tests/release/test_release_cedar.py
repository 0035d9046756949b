"""The policy written in Cedar answers as ours does, and forbids by the same rules. Cedar's own engine is the judge."""

import json
import pathlib
import random
import sys
from collections import Counter

import cedarpy
import msgspec
import pytest
from release_world import ARD_LAW, NOW, good, hexed, label, someone
from test_release_search import crowd

from relto.errors import Refused
from relto.release import live, rosters, usual
from relto.release.cedar import export, request
from relto.release.decide import judge


def rules_of(result):
    """The conjuncts that Cedar forbids by."""
    return set(result.diagnostics.id_annotations_by_reason.values()) if not result.allowed else set()


def both(register, purpose=""):
    """(Cedar's answer and failing rules, ours) for every live item and declared class."""
    items, people = list(live(register)), rosters(register)
    made = export(register, items, people, NOW)
    checked = cedarpy.validate_policies(made.policies, made.schema)
    assert checked.validation_passed, [error.error for error in checked.errors]
    policies = cedarpy.PolicySet.from_str(made.policies)
    entities = cedarpy.Entities.from_json_str(made.entities, made.schema)
    asks, ours = [], []
    for item in items:
        for to in people:
            one = request(register, item, to, purpose)
            asks.append(
                {"principal": one.principal, "action": one.action, "resource": one.resource, "context": one.context}
            )
            decision = judge(register, usual(register, item, to.recipient, NOW, purpose)).decision
            ours.append((decision.answer == "permit", {finding.rule for finding in decision.failing}))
    results = cedarpy.is_authorized_batch(asks, policies, entities)
    for result, (permits, rules) in zip(results, ours, strict=True):
        assert not result.diagnostics.errors
        yield (result.allowed, rules_of(result)), (permits, rules)


@pytest.mark.parametrize("seed", range(8))
def test_cedar_permits_and_forbids_by_the_same_rules(seed):
    seen = Counter()
    for theirs, ours in both(crowd(seed, items=5).register(), random.Random(seed).choice(["", "study", "repair"])):
        assert theirs[0] == ours[0], (theirs, ours)
        # One that may have been suspended while it is not known whether it covers is no reason of its own.
        assert theirs[1] ^ ours[1] <= ({"denied"} if "scope" in ours[1] else set()), (theirs, ours)
        seen[ours[0]] += 1
    assert seen[False]


def test_each_of_these_items_is_decided_alike():
    world = good()
    world.item("arda/unmarked", label=label("ARD guarded"))
    world.item("arda/hidden", label=label("ARD closed", rel=("ARD", "BRE", "DUN")), entries={"ARD": ("A1",), "BRE": ()})
    world.item("arda/dear", flags=("DEAR",), value=msgspec.UNSET)
    world.determine("arda/hidden", "ard-open", "clear", holds=False)
    world.licence("arda/unmarked", recipients=("bree",))
    for party in ("dun", "elm"):
        world.engage(party)
        world.engage(party, suspended=(("bree", hexed("stop", party)),))
    for party in ("arda", "bree", "cora", "dun", "elm"):
        world.roster(party, (someone(party), 3), (someone(party, nationalities=("QQQ",)), 1))
    assert any(ours[0] for theirs, ours in both(world.register()) if theirs == ours)
    assert all(theirs == ours for theirs, ours in both(world.register()))


def test_what_cedar_has_no_word_for_is_refused():
    world = good()
    world.roster("bree", (someone(), 3))
    register = world.register()
    charter = register.charter
    asked = msgspec.structs.replace(charter.releases, approval=True)
    with pytest.raises(Refused, match="approval"):
        export(
            msgspec.structs.replace(register, charter=msgspec.structs.replace(charter, releases=asked)),
            list(live(register)),
            rosters(register),
            NOW,
        )
    world.state(world.items["arda/lens"][0].act, world.items["arda/lens"][0].facts, 3, "key-1")
    world.dispute("arda", "key-1")
    with pytest.raises(Refused, match="disputed"):
        export(world.register(), list(live(world.register())), (), NOW)
    assert "not:" in ARD_LAW


def test_entities_are_complete_json():
    world = good()
    world.roster("bree", (someone(), 3))
    register = world.register()
    made = export(register, list(live(register)), rosters(register), NOW)
    kinds = Counter(one["uid"]["type"] for one in json.loads(made.entities))
    assert kinds == {"Node": 1, "Organisation": 2, "Project": 1, "Recipient": 1, "Item": 1}
    assert made.policies.count("forbid") == 13


@pytest.mark.slow
def test_the_shipped_charter_and_laws_agree_and_each_rule_is_a_sole_reason():
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    from bench.cedar import compare

    counts, alone, _, _ = compare(20_000)
    assert counts["permit"] >= 4000
    # A party that has left, or whose ledger is not held, fails by more than this rule alone.
    rules = {
        "standing.person",
        "standing.organisation",
        "scope",
        "purpose",
        "label.level",
        "label.release",
        "label.tags",
    }
    rules |= {"denied", "fresh", "law.AUS", "law.GBR", "law.USA", "owner"}
    assert {rule for rule, n in alone.items() if n >= counts["deny"] * 0.01} >= rules
