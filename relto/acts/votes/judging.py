"""One ledger's votes on the proposals of one slot, in order, each with why it is void: V1, V2, V3, deadline.

Only what stands before a vote in the same ledger bears on it, and the view that it cites; so a verdict, once reached,
stays.

Source: spec/register.md, "Votes"; the argument: docs/decisions/0003-slots.md.
"""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from msgspec import UnsetType
from msgspec.structs import replace

from relto import charter as charters
from relto.acts import act as a
from relto.acts.grown import Trail
from relto.acts.scan import Stated
from relto.acts.votes.ballot import Ballot, Said, Slot, Version, hidden_from, slot_of, voice_of, vote_fault
from relto.acts.votes.confirming import Confirming
from relto.acts.votes.epochs import Ledger
from relto.charter import Voice


class Judging(Confirming, ABC):
    """See the module."""

    ballots: dict[str, Ballot]
    votes: dict[tuple[str, str], Trail[Stated]]
    clocks: dict[str, Trail[tuple[int, Stated]]]
    _judged: dict[tuple[str, tuple[str, ...], bool], list[Said]]

    @abstractmethod
    def version(self, id_: str | UnsetType) -> Version | None:
        """The charter version of this id, when it is in force here."""

    @abstractmethod
    def gone(self, one: Stated, charter: charters.Charter) -> bool:
        """Whether the author of an act had left by then."""

    @abstractmethod
    def _rivals(self, slot: Slot) -> list[Stated]:
        """The proposals of a slot, by id."""

    def _said(self, scan: Ledger, rivals: tuple[str, ...], *, exclusive: bool) -> list[Said]:
        """One ledger's votes on the proposals of one slot, in order, each with why it is void: V1, V2, V3, deadline.

        Only what stands before a vote in the same ledger bears on it, and the view that it cites; so a verdict, once
        reached, stays. exclusive: with V3; refusals do not depend on it.
        """
        key = (scan.origin, rivals, exclusive)
        if key not in self._judged:
            self._judged[key] = []
            refused: set[str] = set()
            consented: dict[str, bool] = {}  # proposal -> whether the consent counts
            let_pass: dict[str, str] = {}  # proposals on which it was silent, and what that meant
            first: dict[str, Said] = {}  # the first vote on a proposal that is not void
            for one in self._events(scan, rivals):
                if one.silent and (one.proposal in consented or one.proposal in refused):
                    continue  # it has spoken in time
                if one.silent:
                    meant = self._silence(one, consented, let_pass)
                    if meant == "refuses":
                        refused.add(one.proposal)
                    else:
                        let_pass[one.proposal] = meant
                    self._judged[key].append(replace(one, voice="refuse" if meant == "refuses" else "silent"))
                    continue
                if consented.get(one.proposal) if one.consent else one.proposal in refused:
                    if self._doubts(first[one.proposal], self.ballots[one.proposal]):
                        self._judged[key].append(one)  # it may count in place of the other
                    continue  # said twice: the first counts
                why = one.void or self._order_fault(one, consented, refused, first)
                if not why and one.consent:
                    # Even a consent that V3 holds back forbids a refusal: of two readers one may not have read enough
                    # to see that the other proposal was dead, and both must count the same one of the two votes.
                    why = self._blocked(one, scan, [*consented, *let_pass]) if exclusive else ""
                    consented[one.proposal] = not why
                elif not why:
                    refused.add(one.proposal)
                if not why:
                    first.setdefault(one.proposal, one)
                self._judged[key].append(replace(one, void=why))
        return self._judged[key]

    def _silence(self, one: Said, consented: Iterable[str], let_pass: Mapping[str, str]) -> str:
        """What silence means, by this ledger alone: after a word for a rival it is a refusal, whatever the rule says.

        So it needs no view, and stays what it is. A party that was bound to a rival, and wants to let this pass,
        consents to it.
        """
        asked = self.ballots[one.proposal].poll
        meant = asked.silent(one.stated.act.author) if asked is not None else "refuses"
        bound = [*consented, *(other for other, was in let_pass.items() if "consents" in (was, meant))]
        return "refuses" if any(other != one.proposal for other in bound) else meant

    def _order_fault(
        self, one: Said, consented: Mapping[str, bool], refused: set[str], first: Mapping[str, Said]
    ) -> str:
        """V1 and V2. A consent that was in nobody's sight before its key was disputed can be taken back."""
        if one.consent and one.proposal in refused:
            return "comes after an own refusal"
        if not one.consent and one.proposal in consented:
            if one.proposal in first and self._lapsed(first[one.proposal], self.ballots[one.proposal]):
                return ""
            return "comes after an own consent, which is irrevocable"
        return ""

    def _blocked(self, one: Said, scan: Ledger, bound: Iterable[str]) -> str:
        """V3. bound: the proposals that it consented to, or let pass in silence."""
        act = one.stated.act
        assert isinstance(act, a.Consent)
        others = [other for other in bound if other != one.proposal]
        if all(self._dead_in_view(other, scan, one.stated.index, act.sight) for other in others):
            return ""
        return "another proposal of this slot has this party's consent and was not dead in what it had seen"

    def _dead_in_view(self, proposal: str, scan: Ledger, index: int, sight: str | UnsetType) -> bool:
        """Whether a proposal was dead as far as an own acknowledge that stands before this vote had seen."""
        cited = self.stated.get(sight) if isinstance(sight, str) else None
        at = self.seat(cited) if cited is not None else ("", 0)
        counts = cited is not None and cited.common and at[0] == scan.origin and at[1] < index
        if cited is None or not counts or not isinstance(cited.act, a.Acknowledge):
            return False
        ballot = self.ballots[proposal]
        reach = self.confirmed(ballot, {**self._heads(cited), scan.origin: at[1]})
        rivals = tuple(one.id for one in self._rivals(slot_of(ballot.act)))
        # Consents are left out: without V3 too many of them stand here. That can only let the proposal live longer.
        voices: dict[str, Voice] = {}
        for party in ballot.voters:
            for one in self._said(ballot.ledgers[party], rivals, exclusive=False) if party in ballot.ledgers else ():
                if one.proposal == proposal and not (one.void or one.consent) and self._holds(one.stated, reach):
                    voices.setdefault(party, one.voice)
        # Of a later call the mildest quorum that it may have: this too can only let it live longer.
        return ballot.outcome(voices, (1, len(ballot.calls) + 1)) == "dead"

    def _events(self, scan: Ledger, rivals: tuple[str, ...]) -> list[Said]:
        """Votes and passed deadlines in the order of the ledger; at one index the deadline comes first."""
        found: list[tuple[int, int, str, Said]] = []
        for proposal in rivals:
            ballot = self.ballots[proposal]
            late = self._late(scan, ballot)
            if late is not None:
                said = Said(proposal=proposal, voice="refuse", stated=late, silent=True)
                found.append((late.index, 0, proposal, said))
            for one in self.votes.get((scan.origin, proposal), ()):
                void = vote_fault(one, ballot)
                version = self.version(ballot.act.under)
                if not void and version is not None and self.gone(one, version.charter):
                    void = "comes after its author has left"
                said = Said(proposal=proposal, voice=voice_of(one, ballot), stated=one, void=void)
                found.append((one.index, 1, proposal, said))
        return [said for _, _, _, said in sorted(found, key=lambda item: item[:3])]

    def _late(self, scan: Ledger, ballot: Ballot) -> Stated | None:
        """The first entry for all members by which this ledger has passed the deadline."""
        by = ballot.act.by
        if isinstance(by, UnsetType) or ballot.waits:
            return None
        clock = self.clocks[scan.origin]  # what carries the common tag, each with the latest `at` up to it
        for at in range(bisect.bisect_right(clock, by, key=lambda one: one[0]), len(clock)):
            one = clock[at][1]
            if one.act.at > by and not hidden_from(one.act, ballot.confirmers):
                return one if one.index < scan.readable else None
        return None
