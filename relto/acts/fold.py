"""The fold: ledgers in, register out. Pure, total, deterministic; no clock, no locale, no order of arrival.

1. each ledger is scanned alone (`scan.py`);
2. confirmation: how far the members' ledgers acknowledge each ledger, on this reader's own branch;
3. slots in chain order: the charter first, then what stands under it. Consent is irrevocable, refusal is final, votes count when confirmed;
4. what parties may state alone: rights from their own acts, denials united.

Steps 1 and 4 commute, so `extend` and `fold` agree. *Deny on sight, permit on confirmation.*

Source: spec/register.md; the slot rule and its argument: docs/decisions/0003-slots.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec
from msgspec import UNSET, UnsetType

from relto import charter as charters
from relto import law
from relto.acts import act as a
from relto.acts.register import (
    AdoptedPack,
    Attestation,
    Denial,
    Determination,
    EngagementState,
    EvidenceState,
    ItemState,
    LicenceState,
    PartyState,
    Proposal,
    RecallState,
    Register,
    ReleaseState,
    RosterState,
    SlotState,
    Vote,
)  # fmt: skip
from relto.acts.scan import Entry, Scan, Stated, Void, kind_of
from relto.errors import ReltoError
from relto.keys import PublicKey
from relto.ledger import Fork, Verifier

Confirmed = Mapping[str, int]  # origin -> entries confirmed
_NOTHING: Mapping[str, bytes] = {}


def fold(
    logs: Mapping[str, Sequence[Entry]], me: str, objects: Mapping[str, bytes] = _NOTHING, partnership: str = ""
) -> Register:
    """Registers what `me` may know of these ledger prefixes.

    objects: texts by hex digest (charters, party lists, packs). partnership: the pinned founding id, for a reader that holds too little to find it.
    """
    scans = {}
    for origin in sorted(logs):
        scans[origin] = Scan(origin)
        for one in logs[origin]:
            scans[origin].push(one)
    return _derive(scans, me, objects, partnership)


def extend(register: Register, entries: Iterable[Entry], objects: Mapping[str, bytes] | None = None) -> Register:
    """The register after more entries at the ends of ledgers; equal to a fold of everything.

    Raises: ValueError for an entry before the end of its ledger (an opening that came late): fold that ledger anew.
    """
    scans = dict(register.scans)
    fresh: set[str] = set()
    for one in entries:
        if one.origin not in fresh:
            scans[one.origin] = scans[one.origin].copy() if one.origin in scans else Scan(one.origin)
            fresh.add(one.origin)
        scans[one.origin].push(one)
    return _derive(scans, register.me, register.objects if objects is None else objects, register.partnership)


def _derive(scans: Mapping[str, Scan], me: str, objects: Mapping[str, bytes], pinned: str) -> Register:
    return _Fold(scans, me, objects, pinned).register()


@lru_cache(maxsize=64)
def _load_charter(data: bytes) -> charters.Charter | None:
    try:
        return charters.load(charters.read(data, "charter"))
    except ReltoError:
        return None


@lru_cache(maxsize=64)
def _load_parties(data: bytes) -> charters.Parties | None:
    try:
        return charters.load_parties(charters.read(data, "parties"))
    except ReltoError:
        return None


@lru_cache(maxsize=256)
def _load_pack(data: bytes) -> law.Pack | None:
    try:
        return law.load_pack(charters.read(data, "pack"))
    except ReltoError:
        return None


class _Fold:
    """One run of the fold; the methods are its steps, in order."""

    def __init__(self, scans: Mapping[str, Scan], me: str, objects: Mapping[str, bytes], pinned: str) -> None:
        self.scans, self.me, self.objects, self.pinned = scans, me, objects, pinned
        self.void: list[Void] = [one for origin in sorted(scans) for one in scans[origin].void]
        self.missing: set[str] = set()
        self.alarms: list[str] = []
        self.by_party = self._one_log_a_party()
        self.stated = {one.id: one for scan in self.by_party.values() for one in scan.stated}
        self.acks = self._acknowledgements()
        self.slots: dict[str, Proposal] = {}
        self.charter: charters.Charter | None = None
        self.directory: charters.Parties | None = None
        self.versions: list[str] = []  # charter ids in force, oldest first
        self.partnership = pinned

    def register(self) -> Register:
        self._found()
        self._amend()
        confirmed = self._confirmed(self._members(), self._quorum())
        self._decide_slots(confirmed)
        return self._collect(confirmed)

    # ---- 1 and 2: ledgers and confirmation -----------------------------------------------------------------------------

    def _one_log_a_party(self) -> dict[str, Scan]:
        """A party speaks in one ledger: the first by origin here; the directory of the charter is checked when there is one."""
        found: dict[str, Scan] = {}
        for origin in sorted(self.scans):
            scan = self.scans[origin]
            if scan.party is None:
                continue
            if scan.party in found:
                self.alarms.append(f"two ledgers claim to be {scan.party}: {found[scan.party].origin} and {origin}")
                continue
            found[scan.party] = scan
        return found

    def _acknowledgements(self) -> dict[str, list[Stated]]:
        """party -> its acknowledges, oldest first."""
        return {
            party: [one for one in scan.stated if isinstance(one.act, a.Acknowledge)]
            for party, scan in self.by_party.items()
        }

    def _confirmed(
        self, members: Sequence[str], quorum: int, limits: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """How many entries of each ledger `quorum` members acknowledge on this reader's branch, a member's own word for its own ledger included.

        limits: count only what stands before these sizes (the view that an acknowledge describes).
        """
        reach: dict[str, list[int]] = {origin: [] for origin in self.scans}
        for member in members:
            scan = self.by_party.get(member)
            if scan is None:
                continue
            end = scan.size if limits is None else limits.get(scan.origin, 0)
            best: dict[str, int] = {scan.origin: end}
            for ack in self.acks[member]:
                if ack.index >= end:
                    break
                assert isinstance(ack.act, a.Acknowledge)
                for head in ack.act.heads:
                    # An acknowledgement of another branch does not count here: it is a fork in the making.
                    if self._agrees(head):
                        best[head.origin] = max(best.get(head.origin, 0), head.size)
            for origin, size in best.items():
                if origin in reach:
                    reach[origin].append(size)
        return {
            origin: sorted(sizes, reverse=True)[quorum - 1] if 0 < quorum <= len(sizes) else 0
            for origin, sizes in reach.items()
        }

    def _agrees(self, head: a.Seen) -> bool:
        scan = self.scans.get(head.origin)
        root = scan.root_at(head.size) if scan else None
        return root is not None and root.hex() == head.root

    # ---- 3: slots ------------------------------------------------------------------------------------------------------

    def _members(self) -> tuple[str, ...]:
        return self.charter.members if self.charter else ()

    def _quorum(self) -> int:
        return self.charter.confirm if self.charter else 0

    def _proposals(self) -> list[Stated]:
        found = [one for one in self.stated.values() if isinstance(one.act, a.Propose)]
        return sorted(found, key=lambda one: one.id)

    def _texts(self, charter: str, parties: str) -> tuple[charters.Charter | None, charters.Parties | None]:
        for digest in (charter, parties):
            if digest not in self.objects:
                self.missing.add(digest)
        text, names = self.objects.get(charter), self.objects.get(parties)
        return (_load_charter(text) if text is not None else None), (
            _load_parties(names) if names is not None else None
        )

    def _found(self) -> None:
        """The founding: every founder consents and every founder acknowledges, whatever the rules inside say."""
        for one in self._proposals():
            assert isinstance(one.act, a.Propose)
            act, what = one.act, one.act.what
            if act.subject != "charter" or act.n != 1 or act.prev is not UNSET or not isinstance(what, a.CharterText):
                continue
            if self.pinned and one.id != self.pinned:
                continue
            charter, directory = self._texts(what.charter, what.parties)
            if charter is None or directory is None:
                self.slots[one.id] = Proposal(
                    id=one.id, subject="charter", n=1, stated=one, state="open", why="its texts are not held here"
                )
                continue
            why = self._directory_faults(charter, directory)
            founders = charter.members
            confirmed = self._confirmed(founders, len(founders))
            proposal = self._tally(one, founders, confirmed, [one.id], why)
            self.slots[one.id] = proposal
            if proposal.state == "in_force" and not self.versions:
                self.charter, self.directory = charter, directory
                self.versions.append(one.id)
                self.partnership = one.id

    def _directory_faults(self, charter: charters.Charter, directory: charters.Parties) -> str:
        listed = {one.id: one for one in directory.parties}
        for member in charter.members:
            if member not in listed:
                return f"the party list does not name {member}"
            scan = self.by_party.get(member)
            if scan is not None and (
                scan.inception_id != listed[member].inception or scan.origin != listed[member].origin
            ):
                return f"the ledger of {member} held here is not the one that the party list names"
        return ""

    def _amend(self) -> None:
        """Later charters: by the rule of the version before, and by everyone newly bound."""
        while self.versions:
            assert self.charter is not None
            n = len(self.versions) + 1
            rivals = self._rivals("charter", n, self.versions[-1])
            confirmed = self._confirmed(self._members(), self._quorum())
            won = None
            for one in rivals:
                assert isinstance(one.act, a.Propose)
                what = one.act.what
                if not isinstance(what, a.CharterText | a.Admission | a.Expulsion):
                    self.slots[one.id] = self._void_proposal(one, "does not carry a charter")
                    continue
                charter, directory = self._texts(what.charter, what.parties)
                if charter is None or directory is None:
                    self.slots[one.id] = Proposal(
                        id=one.id, subject="charter", n=n, stated=one, state="open", why="its texts are not held here"
                    )
                    continue
                voters = [p for p in self._members() if not (isinstance(what, a.Expulsion) and p == what.party)]
                voters += [
                    p
                    for p in charter.members
                    if p not in voters and not (isinstance(what, a.Expulsion) and p == what.party)
                ]
                why = self._directory_faults(charter, directory) or self._proposal_faults(one)
                proposal = self._tally(one, tuple(voters), confirmed, [r.id for r in rivals], why)
                self.slots[one.id] = proposal
                if proposal.state == "in_force":
                    won = (one.id, charter, directory)
            if won is None:
                return
            self.versions.append(won[0])
            self.charter, self.directory = won[1], won[2]

    def _rivals(self, subject: str, n: int, prev: str) -> list[Stated]:
        return [
            one
            for one in self._proposals()
            if isinstance(one.act, a.Propose) and (one.act.subject, one.act.n) == (subject, n) and ((one.act.prev is UNSET and not prev) or one.act.prev == prev)
            and one.act.partnership == self.partnership
        ]  # fmt: skip

    def _decide_slots(self, confirmed: Confirmed) -> None:
        """Projects first, then engagements and what renews or ends them, each chain by n."""
        subjects = sorted(
            {one.act.subject for one in self._proposals() if isinstance(one.act, a.Propose)} - {"charter"},
            key=lambda s: (s[0] != "p", s),
        )
        for subject in subjects:
            n, prev = 1, ""
            while True:
                rivals = self._rivals(subject, n, prev)
                if not rivals:
                    break
                won = ""
                for one in rivals:
                    proposal = self._judge(one, confirmed, [r.id for r in rivals])
                    self.slots[one.id] = proposal
                    if proposal.state == "in_force":
                        won = one.id
                if not won:
                    break
                n, prev = n + 1, won
        for one in self._proposals():
            if one.id not in self.slots and one.act.partnership == self.partnership and self.partnership:
                self.slots[one.id] = self._void_proposal(one, "its slot does not follow what is in force")

    def _judge(self, one: Stated, confirmed: Confirmed, rivals: list[str]) -> Proposal:
        assert isinstance(one.act, a.Propose)
        what = one.act.what
        if self.charter is None:
            return self._by_settlement(one, confirmed, rivals)
        why = self._proposal_faults(one)
        bound = [what.party] if isinstance(what, a.Engagement) else []
        if isinstance(what, a.Renewal | a.Ending):
            before = self.slots.get(what.of)
            terms = before.stated.act.what if before and isinstance(before.stated.act, a.Propose) else None
            if isinstance(terms, a.Engagement) and isinstance(what, a.Renewal):
                bound = [terms.party]
        rule = self.charter.decision(_decision_kind(what))
        voters = (one.act.author,) if rule.rule == "owner" else self.charter.members
        return self._tally(one, (*voters, *[p for p in bound if p not in voters]), confirmed, rivals, why)

    def _proposal_faults(self, one: Stated) -> str:
        """Why a proposal is void whatever anybody votes."""
        assert isinstance(one.act, a.Propose)
        assert self.charter is not None
        act, what, charter = one.act, one.act.what, self.charter
        if act.author not in charter.members:
            return f"{act.author} is not a member"
        if act.under not in self.versions:
            return "does not name a charter version in force"
        readers = () if act.readers is UNSET else act.readers
        bound = (what.party,) if isinstance(what, a.Engagement) else ()
        hidden = [party for party in (*charter.members, *bound) if party not in readers]
        if hidden:
            return f"is not addressed to {', '.join(hidden)}"
        wrong = _subject_fault(act.subject, what)
        if wrong:
            return wrong
        if isinstance(what, a.Engagement):
            return self._engagement_faults(what)
        if isinstance(what, a.Renewal | a.Ending) and act.prev != what.of and what.of not in self.slots:
            return "does not name what it renews or ends"
        return ""

    def _engagement_faults(self, what: a.Engagement) -> str:
        assert self.charter is not None
        charter = self.charter
        if what.party in charter.members:
            return f"{what.party} is a member and needs no engagement"
        try:
            project = charter.project(what.project)
            pillar = charter.pillar(project.pillar)
        except ReltoError:
            return f"there is no project {what.project} in the charter"
        if pillar.access == "closed":
            return f"pillar {pillar.id} is closed to outsiders"
        if set(what.areas) - set(project.areas) or not what.areas:
            return "its areas are not areas of the project"
        if what.term.until is not UNSET and what.term.until <= what.term.since:
            return "its term ends before it starts"
        days = charter.on_suspend.answer_days if charter.on_suspend.recall else UNSET
        if tuple(one.party for one in what.members) != charter.members or (what.confirm, what.recall_days) != (
            charter.confirm,
            days,
        ):
            return "it repeats members, confirmation or recall otherwise than the charter"
        for one in what.members:
            if one.party in self.by_party and self.by_party[one.party].inception_id != one.inception:
                return f"it names another inception of {one.party}"
        scan = self.by_party.get(what.party)
        if scan is not None and (scan.inception_id != what.inception or scan.origin != what.origin):
            return f"the ledger of {what.party} held here is not the one it names"
        return ""

    def _tally(self, one: Stated, voters: Sequence[str], confirmed: Confirmed, rivals: list[str], why: str) -> Proposal:
        """The slot rule. V1 and V2: a consent after an own refusal is void, and the reverse; V3: no consent to a second proposal of the slot while
        the first is not dead in the view that the consent cites; `by`: a consent later than it is void, silence past it refuses."""
        assert isinstance(one.act, a.Propose)
        base = Proposal(
            id=one.id,
            subject=one.act.subject,
            n=one.act.n,
            stated=one,
            state="void",
            why=why,
            settled=self._settled(one.id),
        )
        if why:
            return base
        votes = [vote for party in voters for vote in self._votes(party, one, confirmed, rivals)]
        good = {vote.party: vote for vote in votes if not vote.void}
        missing = tuple(party for party in voters if party not in good)
        waiting = tuple(party for party in voters if party in good and not good[party].confirmed)
        state: SlotState = "open"
        if any(vote.vote == "refuse" and vote.confirmed for vote in good.values()):
            state = "dead"
        elif voters and not missing and not waiting and all(vote.vote == "consent" for vote in good.values()):
            state = "in_force"
        return msgspec.structs.replace(
            base, state=state, voters=tuple(voters), votes=tuple(votes), missing=missing, waiting=waiting
        )

    def _votes(self, party: str, one: Stated, confirmed: Confirmed, rivals: list[str]) -> list[Vote]:
        scan = self.by_party.get(party)
        if scan is None:
            return []
        found: list[Vote] = []
        consented: set[str] = set()
        refused: set[str] = set()
        deadline = one.act.by if isinstance(one.act, a.Propose) else UNSET
        for said in scan.stated:
            act = said.act
            if not isinstance(act, a.Consent | a.Refuse) or act.proposal not in rivals:
                continue
            consent = isinstance(act, a.Consent)
            why = self._vote_faults(act, one, said)
            if not why and consent and act.proposal in refused:
                why = "comes after an own refusal"
            if not why and not consent and act.proposal in consented:
                why = "comes after an own consent, which is irrevocable"
            if (
                not why
                and isinstance(act, a.Consent)
                and consented - {act.proposal}
                and not all(self._dead_in_view(other, scan, act.sight) for other in consented - {act.proposal})
            ):
                why = "another proposal of this slot has this party's consent and is not dead"
            if act.proposal in (consented if consent else refused) and not why:
                continue  # said twice: the first counts
            if not why:
                (consented if consent else refused).add(act.proposal)
            if act.proposal == one.id:
                found.append(
                    Vote(
                        party=party,
                        vote="consent" if consent else "refuse",
                        act=said.id,
                        origin=said.origin,
                        index=said.index,
                        confirmed=said.index < confirmed.get(said.origin, 0),
                        void=why,
                    )
                )
        if deadline is not UNSET and not any(not vote.void for vote in found):
            late = next((said for said in scan.stated if said.time > deadline), None)
            if late is not None:
                found.append(
                    Vote(
                        party=party,
                        vote="refuse",
                        act=late.id,
                        origin=late.origin,
                        index=late.index,
                        confirmed=late.index < confirmed.get(late.origin, 0),
                    )
                )
        return found

    def _vote_faults(self, act: a.Consent | a.Refuse, one: Stated, said: Stated) -> str:
        proposal = self.stated.get(act.proposal, one)
        assert isinstance(proposal.act, a.Propose)
        founding = proposal.act.partnership is UNSET
        if act.partnership != (proposal.id if founding else proposal.act.partnership):
            return "names another partnership"
        hidden = set(() if proposal.act.readers is UNSET else proposal.act.readers) - set(
            () if act.readers is UNSET else act.readers
        )
        if hidden:
            return f"is not open to {', '.join(sorted(hidden))}, whom the proposal addresses"
        if isinstance(act, a.Consent):
            if act.sight is UNSET and not founding:
                return "does not say what it had seen"
            if proposal.act.by is not UNSET and said.time > proposal.act.by:
                return "comes after the proposal's deadline"
        return ""

    def _dead_in_view(self, proposal: str, scan: Scan, sight: str | msgspec.UnsetType) -> bool:
        """Whether a proposal is dead as far as an acknowledge of this ledger had seen: some voter's refusal confirmed in that view."""
        if sight is UNSET:
            return False
        cited = next((one for one in scan.stated if one.id == sight and isinstance(one.act, a.Acknowledge)), None)
        if cited is None:
            return False
        assert isinstance(cited.act, a.Acknowledge)
        limits = {head.origin: head.size for head in cited.act.heads if self._agrees(head)} | {scan.origin: cited.index}
        confirmed = self._confirmed(self._members(), self._quorum(), limits)
        for other in self.by_party.values():
            consents = {s.act.proposal for s in other.stated if isinstance(s.act, a.Consent)}
            for said in other.stated:
                if (
                    isinstance(said.act, a.Refuse)
                    and said.act.proposal == proposal
                    and said.index < confirmed.get(said.origin, 0)
                    and proposal not in consents
                ):
                    return True
        return False

    def _settled(self, proposal: str) -> dict[str, str]:
        return {
            party: one.act.outcome
            for party, scan in sorted(self.by_party.items())
            for one in scan.stated
            if isinstance(one.act, a.Settle) and one.act.proposal == proposal
        }

    def _by_settlement(self, one: Stated, confirmed: Confirmed, rivals: list[str]) -> Proposal:
        """How an outsider learns the outcome: the same word from as many members as the proposal says must confirm. Votes are shown, not counted."""
        assert isinstance(one.act, a.Propose)
        what, settled = one.act.what, self._settled(one.id)
        members = tuple(member.party for member in what.members) if isinstance(what, a.Engagement) else ()
        bound = (what.party,) if isinstance(what, a.Engagement) else ()
        voters = (*members, *bound)
        votes = [vote for party in voters for vote in self._votes(party, one, confirmed, rivals)]
        words = {party: word for party, word in settled.items() if party in members}
        state: SlotState = "open"
        if len(set(words.values())) > 1:
            self.alarms.append(
                f"members settle proposal {one.id[:8]} differently: {', '.join(f'{p} {w}' for p, w in sorted(words.items()))}"
            )
        elif isinstance(what, a.Engagement) and len(words) >= what.confirm:
            state = "in_force" if next(iter(words.values())) == "in_force" else "dead"
        given = {vote.party for vote in votes if not vote.void}
        return Proposal(
            id=one.id, subject=one.act.subject, n=one.act.n, stated=one, state=state, voters=voters, votes=tuple(votes), settled=settled,
            missing=tuple(p for p in voters if p not in given), waiting=tuple(p for p in members if p not in settled),
        )  # fmt: skip

    def _void_proposal(self, one: Stated, why: str) -> Proposal:
        assert isinstance(one.act, a.Propose)
        return Proposal(id=one.id, subject=one.act.subject, n=one.act.n, stated=one, state="void", why=why)

    # ---- 4: what parties state alone ---------------------------------------------------------------------------------------

    def _inert(self, one: Stated) -> str:
        """Acts of another partnership or under an unknown charter have no effect here."""
        act = one.act
        if isinstance(act, (*a.PARTY_CHAIN, a.Introduce)) or (isinstance(act, a.Propose) and act.partnership is UNSET):
            return ""
        if act.partnership == self.partnership and (
            act.under is UNSET or not self.versions or act.under in self.versions
        ):
            return ""
        if act.partnership in self.slots and self.slots[str(act.partnership)].stated.act.partnership is UNSET:
            return ""  # a vote on a founding that is still open
        return (
            "belongs to another partnership"
            if act.partnership != self.partnership
            else "names a charter that never was in force"
        )

    def _collect(self, confirmed: Confirmed) -> Register:
        live: dict[str, list[Stated]] = defaultdict(list)
        for party in sorted(self.by_party):
            for one in self.by_party[party].stated:
                why = self._inert(one)
                if why:
                    self.void.append(Void(one.origin, one.index, one.id, kind_of(one.act), why))
                else:
                    live[kind_of(one.act)].append(one)
        revoked = self._revocations(live)
        denials = self._denials(live)
        items = self._items(live)
        releases = self._releases(live)
        parties = self._parties(live, confirmed)
        engagements = self._engagements(denials)
        acks = {
            p: (found[-1].id, found[-1].act)
            for p, found in self.acks.items()
            if found and isinstance(found[-1].act, a.Acknowledge)
        }
        self._compare_common(live)
        result = Register(
            me=self.me,
            sight={o: (s.size, "" if s.sparse else s.roots[s.size].hex()) for o, s in self.scans.items()},
            partnership=self.partnership,
            charter=self.charter,
            charter_id=self.versions[-1] if self.versions else "",
            directory=self.directory,
            packs=self._packs(live),
            parties=parties,
            slots=dict(sorted(self.slots.items())),
            projects=self._projects(),
            engagements=engagements,
            items=items,
            licences=self._licences(live, revoked),
            attestations=tuple(
                Attestation(act=one.id, party=one.act.author, terms=one.act, revoked=revoked.get(one.id, "")) for one in live["attest"] if isinstance(one.act, a.Attest)
            ),
            determinations=tuple(
                Determination(act=one.id, party=one.act.author, terms=one.act, revoked=revoked.get(one.id, ""))
                for one in live["determine"] if isinstance(one.act, a.Determine)
            ),
            rosters={one.act.author: RosterState(act=one.id, party=one.act.author, terms=one.act) for one in live["roster"] if isinstance(one.act, a.Roster)},
            releases=releases,
            recalls=self._recalls(live, releases, engagements),
            denials=denials,
            evidence=tuple(EvidenceState(act=one.id, party=one.act.author, terms=one.act) for one in live["evidence"] if isinstance(one.act, a.Evidence)),
            owed={party: tuple(scan.owed) for party, scan in sorted(self.by_party.items()) if scan.owed},
            void=tuple(sorted(self.void, key=lambda v: (v.origin, v.index))),
            alarms=tuple(sorted(set(self.alarms))),
            acks=acks,
            stated=self.stated,
            missing=frozenset(self.missing),
            common="",
            own="",
            scans=self.scans,
            objects=self.objects,
        )  # fmt: skip
        return msgspec.structs.replace(result, common=self._common(result, live), own=_own(result))

    def _packs(self, live: Mapping[str, list[Stated]]) -> dict[str, tuple[AdoptedPack, ...]]:
        """A pack counts only when the state whose law it is has adopted it; one of another's law is kept as void."""
        found: dict[str, list[AdoptedPack]] = defaultdict(list)
        for one in live["adopt"]:
            assert isinstance(one.act, a.Adopt)
            adopter = (
                next((j.adopter for j in self.charter.jurisdictions if j.id == one.act.jurisdiction), None)
                if self.charter
                else None
            )
            if adopter != one.act.author:
                self.void.append(
                    Void(
                        one.origin,
                        one.index,
                        one.id,
                        "adopt",
                        f"{one.act.author} may not adopt the law of {one.act.jurisdiction}",
                    )
                )
                continue
            data = self.objects.get(one.act.pack)
            if data is None:
                self.missing.add(one.act.pack)
            pack = _load_pack(data) if data is not None else None
            if pack is not None and pack.jurisdiction != one.act.jurisdiction:
                pack = None
            found[one.act.jurisdiction].append(
                AdoptedPack(act=one.id, party=one.act.author, digest=one.act.pack, pack=pack)
            )
        return {name: tuple(packs) for name, packs in sorted(found.items())}

    def _revocations(self, live: Mapping[str, list[Stated]]) -> dict[str, str]:
        """act id -> id of its revocation. Only the author revokes, later in the same ledger."""
        found = {}
        for one in live["revoke"]:
            assert isinstance(one.act, a.Revoke)
            target = self.stated.get(one.act.act)
            if target is not None and target.origin == one.origin and target.index < one.index:
                found[target.id] = one.id
        return found

    def _denials(self, live: Mapping[str, list[Stated]]) -> frozenset[Denial]:
        lifted = {}
        for one in live["lift"]:
            assert isinstance(one.act, a.Lift)
            target = self.stated.get(one.act.suspend)
            if target is not None and target.origin == one.origin and target.index < one.index:
                lifted[target.id] = one.id
        found = set()
        for one in live["suspend"]:
            assert isinstance(one.act, a.Suspend)
            proposal = self.slots.get(one.act.engagement)
            if one.id in lifted or (proposal is not None and proposal.voters and one.act.author not in proposal.voters):
                continue
            found.add(Denial(author=one.act.author, subject=one.act.engagement, kind="suspend", act=one.id))
        for one in live["dispute"]:
            assert isinstance(one.act, a.Dispute)
            found.add(Denial(author=one.act.author, subject=one.act.key, kind="dispute", act=one.id))
        for one in live["recall"]:
            assert isinstance(one.act, a.Recall)
            found.add(Denial(author=one.act.author, subject=one.act.release, kind="recall", act=one.id))
        return frozenset(found)

    def _projects(self) -> dict[str, object]:
        found: dict[str, object] = {one.id: one for one in self.charter.projects} if self.charter else {}
        for one in self.slots.values():
            what = one.stated.act.what if isinstance(one.stated.act, a.Propose) else None
            if one.state == "in_force" and isinstance(what, a.ProjectTerms):
                found[what.project] = what
        return dict(sorted(found.items()))

    def _engagements(self, denials: frozenset[Denial]) -> dict[str, EngagementState]:
        found: dict[str, EngagementState] = {}
        for one in sorted(self.slots.values(), key=lambda p: (p.subject, p.n)):
            if one.state != "in_force" or not isinstance(one.stated.act, a.Propose):
                continue
            what, name = one.stated.act.what, one.subject.partition("/")[2]
            votes = tuple(sorted(vote.act for vote in one.votes if not vote.void and vote.vote == "consent"))
            if isinstance(what, a.Engagement):
                stops = tuple(sorted((d.author, d.act) for d in denials if d.kind == "suspend" and d.subject == one.id))
                found[name] = EngagementState(
                    id=name, proposal=one.id, terms=what, term=what.term, suspended=stops, by=(one.id, *votes)
                )
            elif isinstance(what, a.Renewal) and name in found:
                found[name] = msgspec.structs.replace(found[name], term=what.term, by=(*found[name].by, one.id, *votes))
            elif isinstance(what, a.Ending) and name in found:
                found[name] = msgspec.structs.replace(found[name], ended=what.on, by=(*found[name].by, one.id, *votes))
        return found

    def _items(self, live: Mapping[str, list[Stated]]) -> dict[str, tuple[ItemState, ...]]:
        """A party speaks only for items under its own name; label and retirement follow in the same ledger."""
        found: dict[str, dict[int, ItemState]] = defaultdict(dict)
        steps = sorted(
            (one for kind in ("register", "relabel", "retire") for one in live[kind]), key=lambda s: (s.origin, s.index)
        )
        for one in steps:
            act = one.act
            assert isinstance(act, a.RegisterItem | a.Relabel | a.Retire)
            if act.item.partition("/")[0] != act.author or (
                isinstance(act, a.RegisterItem) and act.organisation.partition("/")[0] != act.author
            ):
                self.void.append(
                    Void(one.origin, one.index, one.id, kind_of(act), f"{act.author} does not speak for {act.item}")
                )
                continue
            known = found[act.item].get(act.version)
            if isinstance(act, a.RegisterItem):
                if known is not None or (
                    act.version > 1 and act.version - 1 not in found[act.item] and not self._sparse(one.origin)
                ):
                    self.void.append(
                        Void(
                            one.origin,
                            one.index,
                            one.id,
                            "register",
                            "this version is registered already, or one before it is missing",
                        )
                    )
                    continue
                found[act.item][act.version] = ItemState(
                    id=act.item,
                    version=act.version,
                    act=one.id,
                    facts=act,
                    label=act.label,
                    label_act=one.id,
                    party=act.author,
                    index=one.index,
                    label_index=one.index,
                )
                continue
            if known is None or act.prev != known.label_act or known.retired:
                self.void.append(
                    Void(
                        one.origin,
                        one.index,
                        one.id,
                        kind_of(act),
                        "does not follow the newest label of a registered item",
                    )
                )
                continue
            if isinstance(act, a.Relabel):
                found[act.item][act.version] = msgspec.structs.replace(
                    known, label=act.label, label_act=one.id, label_index=one.index
                )
            else:
                found[act.item][act.version] = msgspec.structs.replace(known, retired=one.id)
        return {
            name: tuple(versions[n] for n in sorted(versions)) for name, versions in sorted(found.items()) if versions
        }

    def _sparse(self, origin: str) -> bool:
        return (
            self.scans[origin].sparse
            or bool(self.scans[origin].owed)
            or origin != (self.by_party[self.me].origin if self.me in self.by_party else "")
        )

    def _licences(self, live: Mapping[str, list[Stated]], revoked: Mapping[str, str]) -> dict[str, LicenceState]:
        """A licence is granted by the party that adopts the law of its jurisdiction. Its counter is drawn once per item version and organisation."""
        found: dict[str, LicenceState] = {}
        replaced: dict[str, str] = {}
        for one in live["licence"]:
            assert isinstance(one.act, a.Licence)
            adopter = (
                next((j.adopter for j in self.charter.jurisdictions if j.id == one.act.jurisdiction), None)
                if self.charter
                else one.act.author
            )
            if adopter != one.act.author:
                self.void.append(
                    Void(
                        one.origin,
                        one.index,
                        one.id,
                        "licence",
                        f"{one.act.author} grants no licences of {one.act.jurisdiction}",
                    )
                )
                continue
            if one.act.amends is not UNSET:
                replaced[one.act.amends] = one.id
            found[one.id] = LicenceState(
                act=one.id, party=one.act.author, terms=one.act, revoked=revoked.get(one.id, "")
            )
        draws: dict[str, set[tuple[str, int, str]]] = defaultdict(set)
        used: dict[str, int] = defaultdict(int)
        for one in live["release"]:
            assert isinstance(one.act, a.Release)
            for use in one.act.uses:
                holder = found[use.licence].terms.holder if use.licence in found else ""
                if holder.partition("/")[0] == one.act.author:  # only the using party's own releases draw on it
                    draws[use.licence].add((one.act.item, one.act.version, one.act.to.organisation))
                    used[use.licence] += use.quantity
        return {
            name: msgspec.structs.replace(
                one, revoked=one.revoked or replaced.get(name, ""), used=used[name], draws=frozenset(draws[name])
            )
            for name, one in sorted(found.items())
        }

    def _releases(self, live: Mapping[str, list[Stated]]) -> dict[str, ReleaseState]:
        receipts: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for one in live["receipt"]:
            assert isinstance(one.act, a.Receipt)
            target = self.stated.get(one.act.release)
            if target is None or not isinstance(target.act, a.Release) or target.act.to.party == one.act.author:
                receipts[one.act.release].append((one.act.author, one.id, one.act.outcome))
        return {
            one.id: ReleaseState(
                act=one.id,
                party=one.act.author,
                origin=one.origin,
                index=one.index,
                time=one.time,
                terms=one.act,
                receipts=tuple(receipts.get(one.id, ())),
            )
            for one in sorted(live["release"], key=lambda s: (s.origin, s.index))
            if isinstance(one.act, a.Release)
        }

    def _recalls(
        self,
        live: Mapping[str, list[Stated]],
        releases: Mapping[str, ReleaseState],
        engagements: Mapping[str, EngagementState],
    ) -> dict[str, RecallState]:
        """Orders by the owner's own act, and those that a suspension opens for what went to the suspended party in that project."""
        answers: dict[tuple[str, str], list[tuple[str, str, str, int]]] = defaultdict(list)
        for one in live["answer"]:
            assert isinstance(one.act, a.Answer)
            answers[one.act.release, one.act.because].append((one.act.author, one.id, one.act.answer, one.time))
        found: list[RecallState] = []
        for one in live["recall"]:
            assert isinstance(one.act, a.Recall)
            release = releases.get(one.act.release)
            if release is not None and release.party == one.act.author:  # what one owns one may recall
                found.append(
                    RecallState(
                        release=release.act,
                        because=one.id,
                        party=release.party,
                        holder=release.terms.to.party,
                        order=one.act.order,
                        by=one.act.by,
                    )
                )
        for engagement in engagements.values():
            days = engagement.terms.recall_days
            for _, act in engagement.suspended:
                if isinstance(days, UnsetType):
                    break
                stopped = self.stated[act]
                due = dt.datetime.fromtimestamp(stopped.time / 1000, dt.UTC).date() + dt.timedelta(days=days)
                found += [
                    RecallState(
                        release=one.act,
                        because=act,
                        party=one.party,
                        holder=engagement.terms.party,
                        order="return",
                        by=due.isoformat(),
                    )
                    for one in releases.values()
                    if one.terms.to.party == engagement.terms.party and one.terms.project == engagement.terms.project
                ]
        full = [
            msgspec.structs.replace(
                one, answers=tuple(x for x in answers[one.release, one.because] if x[0] == one.holder)
            )
            for one in found
        ]
        return {one.id: one for one in sorted(full, key=lambda r: (r.release, r.because))}

    def _parties(self, live: Mapping[str, list[Stated]], confirmed: Confirmed) -> dict[str, PartyState]:
        frozen = self._frozen(live)
        leaving = {one.act.author: one.act.on for one in live["withdraw"] if isinstance(one.act, a.Withdraw)}
        introduced = {one.act.party for one in live["introduce"] if isinstance(one.act, a.Introduce)}
        seen: dict[str, int] = {}
        for _, ack in [(one.id, one.act) for one in self.acks.get(self.me, ())][-1:]:
            assert isinstance(ack, a.Acknowledge)
            seen = {head.origin: head.seen for head in ack.heads}
        named = {one.id: one for one in self.charter.parties} if self.charter else {}
        found = {}
        for party, scan in sorted(self.by_party.items()):
            assert scan.inception is not None
            grade = named[party].grade if party in named else ("introduced" if party in introduced else "known")
            found[party] = PartyState(
                id=party,
                grade=grade,
                name=named[party].name if party in named else scan.inception.name,
                code=named[party].code if party in named else self._code(party),
                origin=scan.origin,
                address=self._address(party, scan),
                inception=scan.inception_id,
                chain=tuple(scan.chain),
                size=scan.size,
                seen=seen.get(scan.origin),
                confirmed=confirmed.get(scan.origin, 0),
                frozen=frozen.get(scan.origin, ""),
                withdraws=leaving.get(party, ""),
            )
        return found

    def _code(self, party: str) -> str:
        """An outsider's letters in markings: the charter's word for a candidate, else its own name in capitals."""
        for one in self.charter.candidates if self.charter else ():
            if one.id == party:
                return one.code
        return party.upper()[:3]

    def _address(self, party: str, scan: Scan) -> str:
        for one in self.directory.parties if self.directory else ():
            if one.id == party:
                return one.address
        assert scan.inception is not None
        return scan.inception.address

    def _frozen(self, live: Mapping[str, list[Stated]]) -> dict[str, str]:
        """origin -> why. A fork proof that holds freezes a ledger; one that does not hold is void."""
        found = {}
        for one in live["fork"]:
            assert isinstance(one.act, a.Fork)
            scan = self.scans.get(one.act.origin)
            if scan is None or not scan.chain:
                continue
            log = Verifier.of_log(PublicKey(name=scan.origin, ed25519=scan.chain[-1].keys.log.ed25519))
            root = None if isinstance(one.act.root, UnsetType) else bytes.fromhex(one.act.root)
            try:
                Fork(first=one.act.first, second=one.act.second, root=root, proof=one.act.proof).verify(log)
            except ReltoError as error:
                self.void.append(Void(one.origin, one.index, one.id, "fork", f"proves no fork: {error.message}"))
                continue
            found[one.act.origin] = f"{one.act.author} proved that this ledger signed two histories (act {one.id[:8]})"
        return found

    def _compare_common(self, live: Mapping[str, list[Stated]]) -> None:
        """Equal vectors with unequal common digests: the software of two members disagrees."""
        words: dict[tuple[tuple[str, int, str], ...], dict[str, str]] = defaultdict(dict)
        for one in live["acknowledge"]:
            assert isinstance(one.act, a.Acknowledge)
            heads = {(head.origin, head.size, head.root) for head in one.act.heads}
            scan = self.scans[one.origin]
            root = scan.root_at(one.index)
            if root is None:
                continue
            vector = tuple(sorted(heads | {(one.origin, one.index, root.hex())}))
            words[vector][one.act.author] = one.act.common
        for said in words.values():
            if len(set(said.values())) > 1:
                self.alarms.append(
                    f"members derive different common registers from the same ledgers: {', '.join(sorted(said))}"
                )

    def _common(self, register: Register, live: Mapping[str, list[Stated]]) -> str:
        """Digest over what the table of kinds addresses to all members: party chains, charter, slots, acknowledgements, forks, adopted law."""
        view = {
            "parties": {p: [s.inception_id, *[span.id for span in s.chain]] for p, s in self.by_party.items() if register.charter and p in register.charter.members},
            "charter": self.versions,
            "slots": {
                name: [one.state, sorted((v.party, v.vote, v.act) for v in one.votes if not v.void and v.confirmed)] for name, one in self.slots.items()
            },
            "acks": sorted(one.id for one in live["acknowledge"] if register.charter and one.act.author in register.charter.members),
            "forks": sorted(one.id for one in live["fork"]),
            "packs": {name: [one.digest for one in packs] for name, packs in register.packs.items()},
        }  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(view, order="sorted")).hexdigest()


def _own(register: Register) -> str:
    """Digest over everything derived, so that two folds can be compared."""
    skipped = {"stated", "scans", "objects", "charter", "directory", "packs", "own", "parties"}
    view = {name: getattr(register, name) for name in register.__struct_fields__ if name not in skipped}
    view["denials"] = sorted((d.author, d.subject, d.kind, d.act) for d in register.denials)
    view["missing"] = sorted(register.missing)
    view["packs"] = {name: [(one.act, one.digest) for one in packs] for name, packs in register.packs.items()}
    view["parties"] = {
        name: (one.grade, one.origin, one.inception, one.size, one.seen, one.confirmed, one.frozen, one.withdraws)
        for name, one in register.parties.items()
    }
    view["slots"] = {
        name: (one.state, one.missing, one.waiting, one.votes, sorted(one.settled.items()))
        for name, one in register.slots.items()
    }
    view["licences"] = {name: (one.revoked, one.used, sorted(one.draws)) for name, one in register.licences.items()}
    return hashlib.sha256(msgspec.json.encode(view, order="sorted")).hexdigest()


def _decision_kind(what: a.What) -> str:
    """The charter's word for the rule that decides this proposal."""
    return {
        a.CharterText: "charter", a.Admission: "admit", a.Expulsion: "expel", a.ProjectTerms: "project", a.Engagement: "engage", a.Renewal: "renew",
        a.Ending: "end",
    }[type(what)]  # fmt: skip


def _subject_fault(subject: str, what: a.What) -> str:
    kind = subject.partition("/")[0]
    wanted = {
        "charter": (a.CharterText, a.Admission, a.Expulsion),
        "project": (a.ProjectTerms, a.Ending),
        "engagement": (a.Engagement, a.Renewal, a.Ending),
    }
    return (
        "" if isinstance(what, wanted[kind]) else f"a {_decision_kind(what)} proposal does not belong under {subject}"
    )
