"""The slot rule under search with a stolen key: a thief votes in an honest member's ledger, somebody disputes the key.

As `test_acts_search.py`, whose cheats are all there too. No verdict that an honest reader ever reached may change or be
contradicted, with or without the dispute, whoever learns of it when. With one rule weakened a violation is found.
"""

import os

import pytest
from test_acts_search import FOUR, SETTINGS, History, Real

from relto import acts
from relto.acts.envelope import Envelope, Signature
from relto.acts.scan import Entry


def signed_by(key):
    return Envelope(payload=b"", payloadType=acts.PAYLOAD_TYPE, signatures=(Signature(keyid=key, sig=b""),))


STOLEN = {name: f"{name}/old+00000000" for name in FOUR}
OWN = {name: f"{name}/new+00000000" for name in FOUR}


class NeverCounts(Real):
    """What a stolen key agreed to is undone, even where everybody had seen it before."""

    def kept(self, ballot, doubts):
        return {}


class Stolen(History):
    """One run; the victim is honest, and not the cheat."""

    def __init__(self, seed, rules, members, *, cheat, forks):
        self.victim, self.thief = members[1], False
        self.disputed, self.told = "", {name: set() for name in members}
        super().__init__(seed, rules, members, cheat=cheat, forks=forks)

    def write(self, by, branch, kind, **fields):
        one = super().write(by, branch, kind, **fields)
        key = (STOLEN if self.thief else OWN)[by]
        ledger = self.ledgers[by][branch]
        ledger[-1] = Entry(one.origin, one.index, one.leaf, True, bytes(32), b"", one.act, one.id, signed_by(key))
        return ledger[-1]

    def step(self):
        dice = self.dice.random()
        if dice < 0.08:
            self.thief = True
            self.cast(self.victim, 0, self.dice.choice(("consent", "consent", "refuse")), self.dice.choice("XY"))
            self.thief = False
        elif dice < 0.11 and not self.disputed:
            by = self.dice.choice([name for name in self.members if name != self.cheat])
            one = self.write(
                by, 0, "dispute", v=3, party=self.victim, key=STOLEN[self.victim], index=0, reason="x", votes=True
            )
            self.disputed = one.id
        else:
            super().step()

    def acknowledge(self, name, branch, reader):
        """Whoever holds the dispute says so; a cheat does as it likes."""
        held = {
            id_ for scan in reader.scans.values() for id_ in (one.id for one in scan.stated) if id_ == self.disputed
        }
        super().acknowledge(name, branch, reader)
        ledger = self.ledgers[name][branch]
        one = ledger[-1]
        if held - self.told[name] and (name != self.cheat or self.dice.random() < 0.5):
            ledger.pop()
            self.write(
                name,
                branch,
                "acknowledge",
                v=3,
                heads=one.act.heads,
                owed=one.act.owed,
                common=one.act.common,
                doubts=tuple(held),
            )
            self.told[name] |= held if name != self.cheat else set()


def search(rules, runs, first=0, steps=80):
    decided = 0
    for seed in range(first, first + runs):
        members, cheat, forks = SETTINGS[seed % len(SETTINGS)]
        history = Stolen(seed, rules, members, cheat=cheat, forks=forks)
        for step in range(steps):
            history.step()
            if step % 2:
                problem = history.check()
                if problem:
                    return (
                        f"seed {seed}, {len(members)} members, cheat {cheat or 'none'}{', forking' if forks else ''}, step {step}: {problem}",
                        decided,
                    )
        decided += any(history.verdicts.values()) and bool(history.disputed)
    return "", decided


def test_no_history_with_a_stolen_key_breaks_the_rule():
    runs = 5
    problem, decided = search(Real, runs)
    assert not problem
    assert decided >= 2


@pytest.mark.slow
def test_a_rule_without_what_was_kept_is_broken():
    assert search(NeverCounts, 10, first=115)[0]


@pytest.mark.slow
def test_many_histories_with_a_stolen_key_break_nothing():
    problem, _ = search(Real, int(os.environ.get("DOUBT_RUNS", "1500")), first=1000)
    assert not problem
