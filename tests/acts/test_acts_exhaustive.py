"""The slot rule in every history of three members with few entries: not samples, all of them.

Two proposals of one slot are there. Arda cheats: it votes as it likes and acknowledges what it likes to have seen. Bree
and Cora read everything before they write and vote only what their own reading lets count; they need not write at all.
A state is what stands in the three ledgers. In each, what a reader with any prefixes concludes must be what the reader
of everything concludes, as far as the former has concluded anything: so nothing that is decided ever turns, and no two
readers differ. In no state are both proposals in force.

Source: facts of the slot rule in spec/register.md, "Why it is safe"; docs/decisions/0003-slots.md.
"""

from __future__ import annotations

import itertools
import os
import time

import pytest
from test_acts_search import FOUNDING, SIGNED, TERM, THREE, Plain, Real, Revocable

from relto import acts
from relto.acts import Entry

ORIGINS = {name: f"{name}.example/lamp/0" for name in THREE}
CHEAT = THREE[0]
VOTES = tuple(itertools.product(("consent", "refuse"), "XY"))


class Space:
    """All states that members reach. A ledger is a tuple of symbols: (kind, proposal) or ("acknowledge", sizes seen,
    and what stood there)."""

    def __init__(self, rules: type[Real], entries: int, total: int = 12) -> None:
        self.rules, self.entries, self.total = rules, entries, total
        self.scans: dict[tuple[str, tuple], Plain] = {}
        self.verdicts: dict[tuple, dict[str, tuple[str, dict[str, str]]]] = {}
        self.proposals: dict[str, str] = {}
        self.base = {name: self.begin(name) for name in THREE}

    def begin(self, name: str) -> Plain:
        scan = Plain(ORIGINS[name])
        if name != THREE[2]:
            title = "XY"[THREE.index(name)]
            terms = acts.ProjectTerms(
                project="new", name=title, pillar="outer", areas=("lens",), participants=THREE, term=TERM
            )
            one = self.entry(scan, name, "propose", subject="project/new", n=1, what=terms)
            self.proposals[title] = one.id
            scan.push(one)
        return scan

    def entry(self, scan: Plain, name: str, kind: str, **fields) -> Entry:
        act = acts.KINDS[kind](
            author=name,
            log=scan.origin,
            at=1000 + scan.size,
            readers=THREE,
            partnership=FOUNDING,
            under=FOUNDING,
            **fields,
        )
        id_ = acts.act_id(acts.write(act))
        return Entry(scan.origin, scan.size, id_.encode(), True, bytes(32), b"", act, id_, SIGNED)

    def scan(self, name: str, ledger: tuple) -> Plain:
        if not ledger:
            return self.base[name]
        if (name, ledger) not in self.scans:
            before = self.scan(name, ledger[:-1])
            scan = before.copy()
            scan.push(self.written(before, name, ledger[-1]))
            self.scans[name, ledger] = scan
        return self.scans[name, ledger]

    def written(self, before: Plain, name: str, symbol: tuple) -> Entry:
        if symbol[0] == "acknowledge":
            heads = []
            for other, seen in symbol[1]:
                scan = self.scan(other, seen)
                heads.append(
                    acts.Seen(
                        origin=scan.origin,
                        size=scan.size,
                        root=scan.root_at(scan.size).hex(),
                        seen=0,
                        signature=bytes(64),
                    )
                )
            return self.entry(before, name, "acknowledge", heads=tuple(heads), common="0" * 64)
        kind, title = symbol
        acks = [one.id for one in before.stated if isinstance(one.act, acts.Acknowledge)]
        more = {"reason": "no"} if kind == "refuse" else {"sight": acks[-1] if acks else "0" * 64}
        return self.entry(before, name, kind, proposal=self.proposals[title], **more)

    def read(self, state: tuple) -> dict[str, tuple[str, dict[str, str]]]:
        """title -> (state, act -> why it is void) for a reader that holds exactly this."""
        if state not in self.verdicts:
            scans = {ORIGINS[name]: self.scan(name, ledger) for name, ledger in zip(THREE, state, strict=True)}
            found = self.rules(scans, THREE[1], {}, FOUNDING)
            found.run()
            self.verdicts[state] = {
                title: (found.proposals[id_].state, {vote.act: vote.void for vote in found.proposals[id_].votes})
                for title, id_ in self.proposals.items()
            }
        return self.verdicts[state]

    def next(self, state: tuple):
        for at, name in enumerate(THREE):
            ledger = state[at]
            if len(ledger) == self.entries or sum(map(len, state)) == self.total:
                continue
            others = [(other, state[n]) for n, other in enumerate(THREE) if n != at]
            symbols = [("acknowledge", tuple(others)), *VOTES]
            for symbol in symbols:
                if ledger and ledger[-1] == symbol:
                    continue  # the same again says nothing
                after = (*state[:at], (*ledger, symbol), *state[at + 1 :])
                if name == CHEAT or symbol[0] == "acknowledge" or self.counts(name, after[at], after):
                    yield after

    def counts(self, name: str, ledger: tuple, state: tuple) -> bool:
        """An honest member writes a vote only where its own reading lets it count."""
        id_ = self.scan(name, ledger).stated[-1].id
        return any(voids.get(id_) == "" for _, voids in self.read(state).values())

    def search(self, until: float = float("inf")) -> tuple[int, int, str]:
        """(states, decided states, the first violation). until: where the clock ends a search that is not through.

        `depth` is then the number of entries up to which it is complete.
        """
        seen, frontier, decided = {((), (), ())}, [((), (), ())], 0
        self.depth = -1
        while frontier:
            fresh = []
            self.depth += 1
            for state in frontier:
                problem = self.check(state)
                if time.monotonic() > until:
                    self.depth -= 1
                    return len(seen), decided, ""
                if problem:
                    return len(seen), decided, f"{problem}: {state}"
                decided += any(one in {"in_force", "dead"} for one, _ in self.read(state).values())
                for after in self.next(state):
                    if after not in seen:
                        seen.add(after)
                        fresh.append(after)
            frontier = fresh
        return len(seen), decided, ""

    def check(self, state: tuple) -> str:
        now = {title: one for title, (one, _) in self.read(state).items()}
        if list(now.values()) == ["in_force", "in_force"]:
            return "both are in force"
        # One entry less in one ledger at a time: by the states before, that covers all prefixes.
        for at in range(3):
            if not state[at]:
                continue
            for title, (was, _) in self.read((*state[:at], state[at][:-1], *state[at + 1 :])).items():
                if was in {"in_force", "dead"} and now[title] != was:
                    return f"{title} was {was} with one entry less of {THREE[at]} and is {now[title]}"
        return ""


def test_all_histories_of_three_entries():
    states, decided, problem = Space(Real, 4, total=3).search()
    assert not problem
    assert (states > 1_000, decided > 0) == (True, True), (states, decided)


@pytest.mark.slow
def test_all_histories_with_two_entries_in_each_ledger():
    states, decided, problem = Space(Real, 2).search()
    assert not problem
    assert (states > 100_000, decided > 40_000) == (True, True), (states, decided)


@pytest.mark.slow
def test_histories_with_up_to_four_entries_in_each_ledger():
    """As far as the time goes: with four in each there are more states than any machine visits one by one."""
    space, seconds = Space(Real, 4), float(os.environ.get("RELTO_SOAK_S", "600")) / 4
    states, decided, problem = space.search(time.monotonic() + seconds)
    print(f"\nslot rule: complete up to {space.depth} entries in all, {states} states, {decided} decided, 0 violations")
    assert not problem
    assert space.depth >= (4 if seconds >= 100 else 2), "how far it comes is a matter of the time it is given"


@pytest.mark.slow
def test_the_search_finds_what_a_weaker_rule_allows():
    """What takes a fork or longer histories to break is found by the random search (test_acts_search.py)."""
    assert "was dead with one entry less" in Space(Revocable, 3).search()[2]
