"""What must always hold (P1 to P12), each with a rule taken out of the code and the test that notices.

A row: the property, what is taken out in words, the file, its line as it stands and as it is changed, the test. A copy
of the package with that one change must fail the test; a test that could not fail would prove nothing. A row whose line
is gone fails too: the table follows the code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARGUMENTS = ("-q", "-x", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "-m", "not slow")
SAMPLE = {"P2", "P11"}  # the others run in `make soak`

MUTANTS = [
    (
        "P1", "copies of a sequence share what one of them still writes", "acts/grown.py",
        "            if self._shared:\n", "            if False:\n",
        "tests/acts/test_acts_grown.py::test_a_trail_is_a_list_and_copies_move_alone",
    ),
    (
        "P1", "a release under a suspension is only added", "acts/effects.py",
        "            engagement.suspended and (", "            False and (",
        "tests/acts/test_acts_grown.py::test_going_on_gives_what_beginning_anew_gives",
    ),
    (
        "P2", "V2: a consent can be taken back", "acts/votes/judging.py",
        "if not one.consent and one.proposal in consented:", "if False:",
        "tests/acts/test_acts_slots.py::test_v2_a_refusal_after_an_own_consent",
    ),
    (
        "P3", "V3: a consent to each of two proposals", "acts/votes/judging.py",
        "        if all(self._dead_in_view(", "        if True or all(self._dead_in_view(",
        "tests/acts/test_acts_search.py::test_no_history_breaks_the_rule_and_many_reach_a_decision",
    ),
    (
        "P4", "some consents are enough", "acts/votes/tally.py",
        "set(voters) <= set(voices)", "set(voters) & set(voices)",
        "tests/acts/test_acts_slots.py::test_a_founding_takes_every_founder_and_every_ledger",
    ),
    (
        "P4", "keys of before the rotation still sign", "acts/scan.py",
        "dsse.satisfied(signed, self.chain[-1].keys, signer)", "dsse.satisfied(signed, self.chain[0].keys, signer)",
        "tests/acts/test_acts_scan.py",
    ),
    (
        "P5", "an unconfirmed vote counts", "acts/votes/slots.py",
        "for party, vote in counted.items() if vote.confirmed}, call)", "for party, vote in counted.items()}, call)",
        "tests/acts/test_acts_slots.py::test_nothing_rests_on_an_unconfirmed_vote",
    ),
    (
        "P6", "acts of another partnership count", "acts/effects.py",
        "        if act.partnership != self.slots.partnership:\n", "        if False:\n",
        "tests/acts/test_acts_effects.py",
    ),
    (
        "P7", "an acknowledge of another branch counts", "acts/votes/confirming.py",
        "    return own is not None and own.hex() == root\n", "    return own is not None\n",
        "tests/acts/test_acts_slots.py::test_an_acknowledgement_of_another_branch_does_not_count",
    ),
    (
        "P8", "a root is signed that two computations do not agree on", "ledger/log.py",
        "        if _push_again(before, leaves) != edge:\n", "        if False:\n",
        "tests/ledger/test_ledger_log.py::test_a_bit_that_flips_on_the_way_into_the_tree_is_never_signed",
    ),
    (
        "P8", "a mirror stores entries that do not lead to the head", "ledger/log.py",
        "    if edge.root() != to.root:\n", "    if False:\n",
        "tests/ledger/test_ledger_log.py::test_a_mirror_refuses_forks_and_can_prove_them",
    ),
    (
        "P9", "the common part depends on what one reader alone may open", "acts/effects.py",
        "        if not hidden_from(act, self.members):\n            self.acked.push(one.id)\n", "        self.acked.push(self.me)\n",
        "tests/acts/test_acts_fold.py",
    ),
    (
        "P10", "a party floods a slot", "acts/votes/slots.py",
        "for other in rivals) < RIVALS_MAX:", "for other in rivals) >= 0:",
        "tests/acts/test_acts_grown.py::test_a_party_floods_a_slot_with_proposals",
    ),
    (
        "P11", "an answer may be hidden from who reads what it answers", "acts/votes/ballot.py",
        "    hidden = sorted(set(answered.readers) - set(answer.readers))\n", "    hidden = []\n",
        "tests/acts/test_acts_effects.py",
    ),
    (
        "P11", "votes behind an entry that is owed count", "acts/scan.py",
        "        return self.owed[0] if self.owed else self.size\n", "        return self.size\n",
        "tests/acts/test_acts_slots.py::test_a_vote_behind_what_is_owed_waits",
    ),
    (
        "P1", "of two proofs about one pair the first that is read counts", "acts/votes/doubt.py",
        "            if held is None or _depth(held.size) < _depth(size):\n", "            if held is None:\n",
        "tests/acts/test_acts_doubt.py::test_of_one_pair_the_best_proof_counts_and_of_several_pairs_the_lowest",
    ),
    (
        "P2", "a fork undoes what was decided before", "acts/votes/confirming.py",
        "            if any(one.known_to(ack) for one in doubts):\n", "            if doubts:\n",
        "tests/acts/test_acts_doubt.py::test_what_was_decided_before_the_fork_was_known_stays_decided_and_gives_no_right",
    ),
    (
        "P2", "a doubt that is named and not held is passed over", "acts/votes/confirming.py",
        "        return not all(one is not None and isinstance(one.act, a.Fork | a.Dispute) for one in held)\n",
        "        return not any(held) and False\n",
        "tests/acts/test_acts_doubt.py::test_a_reader_that_is_behind_decides_nothing_that_it_must_take_back",
    ),
    (
        "P3", "a consent that was acknowledged in time is taken back", "acts/votes/confirming.py",
        "            if not knows or best.get(consent.stated.origin, 0) > consent.stated.index:\n", "            if not knows:\n",
        "tests/acts/test_acts_doubt.py::test_a_stolen_consent_that_somebody_had_seen_cannot_be_taken_back",
    ),
    (
        "P4", "a stolen key decides what was open", "acts/votes/slots.py",
        "self.kept(ballot, doubts) if doubts else self.confirmed(ballot)", "self.confirmed(ballot)",
        "tests/acts/test_acts_doubt.py::test_a_consent_by_a_disputed_key_counts_no_more_and_the_same_by_another_does",
    ),
    (
        "P5", "what lies above a fork gives rights", "acts/effects.py",
        "for said in stated if said.index >= freeze.size}", "for said in stated if False}",
        "tests/acts/test_acts_doubt.py::test_what_stood_below_keeps_its_meaning_and_what_lies_above_gives_nothing",
    ),
    (
        "P5", "what lies in doubt lifts a suspension", "acts/effects.py",
        "if target is not None and one.id not in self.doubted else set()", "if target is not None else set()",
        "tests/acts/test_acts_doubt.py::test_what_stood_below_keeps_its_meaning_and_what_lies_above_gives_nothing",
    ),
    (
        "P7", "a forked ledger goes on confirming", "acts/votes/confirming.py",
        "        if limits is None and self._freeze(scan, ballot):\n", "        if False:\n",
        "tests/acts/test_acts_doubt.py::test_what_a_forked_ledger_acknowledges_afterwards_confirms_nothing",
    ),
    (
        "P2", "a new ledger leaves out what was confirmed", "acts/votes/confirming.py",
        "(len(members) - len(clean) < w or members == (author,))", "True",
        "tests/acts/test_acts_epochs.py::test_nobody_leaves_out_what_the_members_had_confirmed",
    ),
    (
        "P4", "any root key begins a ledger", "acts/votes/epochs.py",
        "    if not shown <= set(promised.digests) or act.keys.root.threshold < promised.threshold:\n", "    if False:\n",
        "tests/acts/test_acts_epochs.py::test_what_does_not_follow_speaks_for_nobody",
    ),
    (
        "P6", "a ledger that nobody acknowledged speaks", "acts/votes/confirming.py",
        "            if len(told) + own >= w and", "            if",
        "tests/acts/test_acts_epochs.py::test_a_ledger_goes_on_when_the_members_acknowledge_it",
    ),
    (
        "P12", "an act has a second spelling", "acts/act.py",
        "    if write(act) != payload:\n", "    if False:\n",
        "tests/acts/test_acts_format.py",
    ),
]  # fmt: skip


def rows():
    seen = set()
    for row in MUTANTS:
        first = row[0] in SAMPLE and row[0] not in seen
        seen.add(row[0])
        yield pytest.param(row, id=f"{row[0]}-{row[1].replace(' ', '-')}", marks=() if first else pytest.mark.slow)


@pytest.mark.parametrize("row", list(rows()))
def test_a_rule_taken_out_is_noticed(row, tmp_path):
    _, _, file, line, changed, test = row
    shutil.copytree(ROOT / "relto", tmp_path / "relto", ignore=shutil.ignore_patterns("__pycache__"))
    place = tmp_path / "relto" / file
    source = place.read_text()
    assert source.count(line) == 1, f"{file} has this line {source.count(line)} times"
    place.write_text(source.replace(line, changed))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *ARGUMENTS, str(ROOT / test)],
        cwd=tmp_path,  # which comes first on the path, before the package that is installed
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout[-2000:] + run.stderr[-2000:]
    assert " failed" in run.stdout


def test_each_rule_still_has_its_line():
    """A rule that was rewritten takes its mutant with it: said at once, not by the next soak."""
    lost = [f"{row[2]}: {row[3]!r}" for row in MUTANTS if (ROOT / "relto" / row[2]).read_text().count(row[3]) != 1]
    assert not lost


def test_the_table_changes_what_is_run(tmp_path):
    """The copy is what the other process imports, and not the package that is installed."""
    (tmp_path / "relto").mkdir()
    (tmp_path / "relto" / "__init__.py").write_text("raise SystemExit(7)\n")
    assert subprocess.run([sys.executable, "-m", "relto"], cwd=tmp_path, check=False).returncode == 7
