"""The slot rule under search: three members of whom one may cheat, two proposals of one slot, readers that lag.

A run is a random history. Honest members vote only what their own reading lets count; the cheat forks its ledger, votes
both ways, withholds openings from one reader, acknowledges what it likes, dates back and far ahead, repeats others'
entries and its own, and floods the slot with proposals. After every step each honest reader's
verdicts must agree with all verdicts that anybody ever reached: none changes, no proposal is in force for one and dead
for another, and no two proposals of the slot are ever in force.

The same search with one rule weakened must find a violation: a search that could not would prove nothing. Runs are
counted in which something was decided, for the same reason.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field

import pytest
from acts_kit import charter_text

from relto import acts
from relto.acts import Entry
from relto.acts.envelope import Envelope
from relto.acts.scan import LAG_MS_MAX, Scan
from relto.acts.votes.ballot import Version, load_charter
from relto.acts.votes.slots import Slots
from relto.charter import Parties

FOUNDING, X, Y = "f" * 64, "X", "Y"
THREE, FOUR = ("arda", "bree", "cora"), ("arda", "bree", "cora", "dune")
CHARTERS = {3: load_charter(charter_text(THREE, 3)), 4: load_charter(charter_text(FOUR, 3))}
DIRECTORY = Parties(id="lamp", parties=(), digest=b"")
SIGNED = Envelope(payload=b"", payloadType=acts.PAYLOAD_TYPE, signatures=())


class Plain(Scan):
    """A scan that believes signatures, and nothing else: the search is about votes."""

    def _refuse(self, one, act, id_, signed):
        if act.log != self.origin:
            return "written for another ledger"
        if id_ in self.ids:
            return "stands earlier in this ledger"
        return "dated before its place" if self._floor(act) - act.at > LAG_MS_MAX else ""


class Real(Slots):
    """The rule as it is, under a charter that is given."""

    scan = Plain
    tagged = True  # what is for all shows it, so that a member knows of what is kept from it

    def _found(self):
        ledgers = {scan.origin.partition(".")[0]: scan for scan in self.scans.values()}
        self.versions.append(Version(id=FOUNDING, charter=CHARTERS[len(ledgers)], directory=DIRECTORY, ledgers=ledgers))
        self.partnership = FOUNDING


class TooFewConfirm(Real):
    def quorum(self, confirmers, confirm):
        return 2


class NobodyConfirms(Real):
    def confirmed(self, ballot, limits=None):
        return dict.fromkeys(self.scans, 1 << 40) if limits is None else limits


class WithoutV3(Real):
    def _blocked(self, *_):
        return ""


class Revocable(Real):
    """A later vote replaces an earlier one."""

    def _order_fault(self, *_):
        return ""

    def _first(self, votes):
        return {vote.party: vote for vote in votes if not vote.void}


class Untagged(Real):
    """A leaf that is not opened does not show that it is for all."""

    tagged = False


@dataclass
class Reader:
    """One member: what it holds of each ledger, and on which branch of the forker's."""

    name: str
    branch: int
    scans: dict[str, Plain] = field(default_factory=dict)


class History:
    """One run. `verdicts`: everything that any honest reader ever concluded."""

    def __init__(self, seed: int, rules: type[Real], members: tuple[str, ...], *, cheat: str, forks: bool) -> None:
        self.dice, self.rules, self.members, self.cheat, self.forks = random.Random(seed), rules, members, cheat, forks
        self.ledgers: dict[str, list[list[Entry]]] = {name: [[]] for name in self.members}
        self.hidden: set[tuple[str, int, str]] = set()  # (id, branch, reader) that the cheat does not open
        self.readers = {name: Reader(name, self.dice.randrange(2)) for name in self.members}
        for one in self.readers.values():
            one.scans = {f"{name}.example/lamp/0": rules.scan(f"{name}.example/lamp/0") for name in self.members}
        self.time = 1000
        self.verdicts: dict[str, set[str]] = {X: set(), Y: set()}
        self.proposals: dict[str, str] = {}
        for name, by in ((X, self.members[0]), (Y, self.members[1])):
            terms = acts.ProjectTerms(
                project="new", name=name, pillar="outer", areas=("lens",), participants=self.members, term=TERM
            )
            self.write(by, 0, "propose", subject="project/new", n=1, what=terms)
            self.proposals[name] = self.ledgers[by][0][-1].id
        self.names = {id_: name for name, id_ in self.proposals.items()}
        # Most runs lean one way, or nothing would ever be decided.
        self.leaning = self.dice.choice(("X", "Y", "X then Y", "any"))

    # ---- what ledgers hold

    def write(self, by: str, branch: int, kind: str, **fields) -> Entry:
        self.time += 1
        origin, ledger = f"{by}.example/lamp/0", self.ledgers[by][branch]
        act = acts.KINDS[kind](
            author=by, log=origin, at=self.time, readers=self.members, partnership=FOUNDING, under=FOUNDING, **fields
        )
        id_ = acts.act_id(acts.write(act))
        one = Entry(origin, len(ledger), id_.encode(), True, bytes(32), b"", act, id_, SIGNED)
        ledger.append(one)
        return one

    def branch(self, of: str, reader: Reader) -> int:
        return reader.branch if len(self.ledgers[of]) > 1 else 0

    def sync(self, reader: Reader, of: str, *, upto: int | None = None) -> None:
        branch = self.branch(of, reader)
        scan = reader.scans[f"{of}.example/lamp/0"]
        for one in self.ledgers[of][branch][scan.size : upto]:
            withheld = (one.id, branch, reader.name) in self.hidden
            scan.push(Entry(one.origin, one.index, one.leaf, self.rules.tagged) if withheld else one)

    def slots(self, reader: Reader, *more: Entry) -> Real:
        scans = dict(reader.scans)
        for one in more:
            scans[one.origin] = scans[one.origin].copy()
            scans[one.origin].push(one)
        found = self.rules(scans, reader.name, {}, FOUNDING)
        found.run()
        return found

    # ---- what members do

    def step(self) -> None:
        name = self.dice.choice(self.members)
        if name == self.cheat:
            self.misbehave(name)
        else:
            reader, do = self.readers[name], self.dice.random()
            self.sync(reader, name)
            if do < 0.5:
                self.follow(reader)
            elif do < 0.75:
                self.acknowledge(name, 0, reader)
            else:
                self.vote(reader)
            self.sync(reader, name)

    def follow(self, reader: Reader) -> None:
        for of in self.dice.sample(self.members, self.dice.randrange(1, len(self.members) + 1)):
            have, there = reader.scans[f"{of}.example/lamp/0"].size, len(self.ledgers[of][self.branch(of, reader)])
            self.sync(reader, of, upto=self.dice.choice((there, there, self.dice.randint(have, max(have, there)))))

    def acknowledge(self, name: str, branch: int, reader: Reader) -> None:
        heads, owed = [], []
        for origin, scan in reader.scans.items():
            if not origin.startswith(name):
                heads.append(
                    acts.Seen(
                        origin=origin, size=scan.size, root=scan.root_at(scan.size).hex(), seen=0, signature=bytes(64)
                    )
                )
                if scan.owed:
                    owed.append(acts.Owed(origin=origin, entries=tuple(scan.owed)))
        self.write(name, branch, "acknowledge", heads=tuple(heads), owed=tuple(owed), common="0" * 64)

    def wish(self) -> tuple[str, str]:
        dice = self.dice.random()
        first, second = {"X": ("X", "Y"), "Y": ("Y", "X"), "X then Y": ("X", "Y")}.get(
            self.leaning, self.dice.sample("XY", 2)
        )
        refuses = 0.25 if self.leaning == "X then Y" else 0.06
        if dice < refuses:
            return "refuse", first
        return ("consent", first) if dice < 0.75 else ("consent", second)

    def vote(self, reader: Reader) -> None:
        """An honest member writes what its own reading lets count, and nothing else."""
        kind, name = self.wish()
        ledger = self.ledgers[reader.name][0]
        self.cast(reader.name, 0, kind, name)
        tried = ledger.pop()
        found = self.slots(reader, tried)
        votes = [vote for one in found.proposals.values() for vote in one.votes if vote.act == tried.id]
        if votes and not votes[0].void:
            ledger.append(tried)

    def cast(self, name: str, branch: int, kind: str, proposal: str) -> Entry:
        acks = [one.id for one in self.ledgers[name][branch] if isinstance(one.act, acts.Acknowledge)]
        more = {"reason": "no"} if kind == "refuse" else {"sight": acks[-1]} if acks else {"sight": "0" * 64}
        return self.write(name, branch, kind, proposal=self.proposals[proposal], **more)

    def misbehave(self, name: str) -> None:
        if self.forks and len(self.ledgers[name]) == 1 and self.dice.random() < 0.15:
            self.ledgers[name].append(list(self.ledgers[name][0]))
        branch = self.dice.randrange(len(self.ledgers[name]))
        reader, do = self.readers[name], self.dice.random()
        if self.dice.random() < 0.25:
            self.dice.choice((self.date_back, self.replay, self.flood, self.drag_the_clock))(name, branch)
        elif do < 0.45:
            # It acknowledges to each what that one would like to hear: everything, on that one's branch.
            for of in self.members:
                self.sync(reader, of)
            self.acknowledge(name, branch, reader)
        else:
            proposal = self.dice.choice("XY")
            one = self.cast(name, branch, "consent" if self.dice.random() < 0.7 else "refuse", proposal)
            if self.dice.random() < 0.2:
                # One sees only what comes next.
                self.hidden.add((one.id, branch, self.dice.choice([m for m in self.members if m != name])))
                self.cast(name, branch, "refuse" if isinstance(one.act, acts.Consent) else "consent", proposal)

    def date_back(self, name: str, branch: int) -> None:
        """What it says now stands as if said before everything."""
        now, self.time = self.time, 1
        self.cast(name, branch, self.dice.choice(("consent", "refuse")), self.dice.choice("XY"))
        self.time = now

    def drag_the_clock(self, name: str, branch: int) -> None:
        """A thousand years ahead: a deadline passes in its own ledger, and in no other."""
        now, self.time = self.time, self.time + 31_000_000_000_000
        self.cast(name, branch, "consent", self.dice.choice("XY"))
        self.time = now

    def replay(self, name: str, branch: int) -> None:
        """Somebody else's entry, or an old one of its own, once more in its ledger."""
        ledger = self.ledgers[name][branch]
        written = [one for branches in self.ledgers.values() for one in branches[0]]
        other = self.dice.choice(written)
        ledger.append(Entry(f"{name}.example/lamp/0", len(ledger), *_rest(other)))

    def flood(self, name: str, branch: int) -> None:
        """Twenty more proposals for the slot, and votes on all that it can name."""
        for turn in range(20):
            terms = acts.ProjectTerms(
                project="new", name=f"N {turn}", pillar="outer", areas=("lens",), participants=self.members, term=TERM
            )
            self.write(name, branch, "propose", subject="project/new", n=1, what=terms)
        for title in "XYXY":
            self.cast(name, branch, self.dice.choice(("consent", "refuse")), title)

    # ---- what must hold

    def check(self) -> str:
        for name, reader in self.readers.items():
            if name == self.cheat:
                continue
            found = self.slots(reader)
            for id_, proposal in found.proposals.items():
                if id_ not in self.names:
                    if proposal.state == "in_force":
                        return "a proposal of a flood is in force"
                    continue
                if proposal.state in {"in_force", "dead"}:
                    self.verdicts[self.names[id_]].add(proposal.state)
                was = reader.__dict__.setdefault("was", {}).get(id_)
                if was and proposal.state != was:
                    return f"{name} saw {self.names[id_]} {was} and now {proposal.state}"
                if proposal.state in {"in_force", "dead"}:
                    reader.__dict__["was"][id_] = proposal.state
        for proposal, verdicts in self.verdicts.items():
            if len(verdicts) > 1:
                return f"{proposal} is in force for one and dead for another"
        if all("in_force" in verdicts for verdicts in self.verdicts.values()):
            return "both are in force"
        return ""


def _rest(one: Entry) -> tuple:
    return one.leaf, one.mine, one.salt, one.envelope, one.act, one.id, one.signed, one.common


TERM = acts.Term(since="2026-01-01")
SETTINGS = [
    (members, cheat, forks)
    for cheat, forks in (("", False), ("arda", False), ("cora", True), ("arda", True))
    for members in (THREE, FOUR)
]


def search(rules: type[Real], runs: int, *, steps: int = 70, first: int = 0) -> tuple[str, int]:
    """(the first violation with its seed, runs in which something was decided)."""
    decided = 0
    for seed in range(first, first + runs):
        members, cheat, forks = SETTINGS[seed % len(SETTINGS)]
        history = History(seed, rules, members, cheat=cheat, forks=forks)
        for step in range(steps):
            history.step()
            if step % 3 == 2:
                problem = history.check()
                if problem:
                    who = f"{len(members)} members, cheat {cheat or 'none'}{', forking' if forks else ''}"
                    return f"seed {seed}, {who}, step {step}: {problem}", decided
        decided += any(history.verdicts.values())
    return "", decided


def test_no_history_breaks_the_rule_and_many_reach_a_decision():
    runs = 160
    problem, decided = search(Real, runs)
    assert not problem
    assert decided >= runs * 0.3


@pytest.mark.parametrize(
    ("rules", "first"),
    [(TooFewConfirm, 132), (NobodyConfirms, 7), (WithoutV3, 18), (Revocable, 7), (Untagged, 82)],
)
def test_each_weaker_rule_is_broken(rules, first):
    # first: where a history that breaks it was found; the search goes on from there should the histories change.
    problem, _ = search(rules, 400, first=first)
    assert problem


@pytest.mark.slow
def test_the_search_goes_on():
    """For a quarter of the time that RELTO_SOAK_S says; a failing seed is one line: `search(Real, 1, first=SEED)`."""
    until, seed, decided = time.monotonic() + float(os.environ.get("RELTO_SOAK_S", "600")) / 4, 100_000, 0
    while time.monotonic() < until:
        problem, more = search(Real, 40, first=seed)
        assert not problem
        seed, decided = seed + 40, decided + more
    runs = seed - 100_000
    print(f"\nslot rule: {runs} histories, {runs * 70} steps, {decided} with a decision, 0 violations")
