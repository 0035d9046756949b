"""Joint decisions: the founding, later charters, and what stands under them. One slot, at most one winner, for good.

A slot is a subject, a number and the id of what was in force before. Proposals name a slot; votes stand in the voters'
own ledgers; nobody orders anything between ledgers.

* V1  A consent after an own refusal of the same proposal is void.
* V2  A refusal after an own consent is void: a consent cannot be taken back.
* V3  A consent to a second proposal of a slot counts only if the first was dead in the view that the consent cites.
* by  A consent dated after the proposal's deadline is void; a ledger that has passed it without voting is silent, which
  is a refusal unless the rule says otherwise. Silence that is no refusal binds like a consent (V3), and after an own
  consent to a rival it is a refusal.
* A vote counts when enough members' ledgers acknowledge the prefix that holds it.
* A consent in doubt counts where enough members had acknowledged it before they knew of the doubt (`doubt.py`).
* In force and dead are what the charter's rule makes of the votes that count (`tally.py`). Neither changes when more
  arrives.
* The same proposal made once more by its author after its deadline is a later call: it is decided by that call's quorum
  once it is known that the one before missed its own (spec/charter.md, "Engine 3").
* An amendment that is decided takes effect on its day: when the ledgers of as many members as confirm have passed it.

All of one proposal is decided by the charter version that it names (`under`): voters, confirmers, ledgers. Members read
each other's votes and acknowledges in full and in order (the common tag; nothing behind an unopened entry counts), so
two readers differ only in how far they have read.

Source: spec/register.md, "Slots"; the argument: docs/decisions/0003-slots.md.
"""

from __future__ import annotations

import bisect
import copy
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, UnsetType
from msgspec.structs import replace

from relto import charter as charters
from relto.acts import act as a
from relto.acts.grown import Map, Trail
from relto.acts.register import Proposal, SlotState, Vote, counting
from relto.acts.scan import UNTAGGED, Scan, Stated, Void, kind_of
from relto.acts.votes.ballot import (
    Ballot,
    Ledgers,
    Said,
    Slot,
    Version,
    amendment,
    chain_fault,
    day_of,
    deadline_fault,
    engagement_fault,
    hidden_from,
    hides,
    homes_of,
    kind_of_what,
    load_charter,
    load_parties,
    membership_fault,
    project_of,
    slot_of,
    subject_fault,
    terms_of,
    unlisted,
)
from relto.acts.votes.confirming import Reach
from relto.acts.votes.doubt import Doubt, Freeze, freezes, proven
from relto.acts.votes.epochs import Ledger, Line, Link, lines
from relto.acts.votes.judging import Judging
from relto.charter import Matter, Poll, Voice, poll
from relto.charter.model import later

JOINT = (a.Propose, a.Consent, a.Refuse, a.Settle, a.Withdraw)
RIVALS_MAX = 16  # proposals of one author for one slot; what comes after them is void

Objects = Mapping[str, bytes]
Texts = tuple[charters.Charter | None, charters.Parties | None]


class Closed(Struct, frozen=True):
    """A slot that nothing but a new word on it can change: every vote is good and confirmed, none can still be due."""

    won: tuple[Stated, ...]
    proposals: Mapping[str, Proposal]
    ballots: Mapping[str, Ballot]


class Slots(Judging):
    """See the module. After `run`: `versions`, `proposals`, `partnership`, and what is void, missing or alarming.

    `follow` gives the same for more entries, and decides anew only what these may have changed.
    """

    def __init__(
        self,
        scans: Mapping[str, Scan],
        me: str,
        objects: Mapping[str, bytes],
        pin: str = "",
        links: Sequence[Link] = (),
    ) -> None:
        self.scans, self.me, self.objects, self.pin = scans, me, objects, pin
        self.links = tuple(links)  # which ledger goes on after which
        self.lines = lines(scans, links)
        self.real: dict[str, Stated] = {}  # acts that stand elsewhere than the slot rule reads them
        self.partnership = pin
        self.decided: list[Version] = []  # charters, oldest first; no later one takes effect before an earlier one
        self.versions: list[Version] = []  # those of them that are in force
        self.proposals: dict[str, Proposal] = {}
        self.ballots: dict[str, Ballot] = {}
        self.void: list[Void] = []
        self.refused: Trail[Void] = Trail()
        self.begun: dict[str, tuple[charters.Project, ...]] = {}  # by acts: a project's terms, oldest first
        self.alarms: list[str] = []
        self.missing: set[str] = set()  # objects that are named and not held
        self.stated: Map[str, Stated] = Map(order=_place)
        self.acks: dict[str, Trail[Stated]] = {origin: Trail() for origin in scans}
        self.clocks: dict[str, Trail[tuple[int, Stated]]] = {origin: Trail() for origin in scans}  # see `_late`
        self.votes: dict[tuple[str, str], Trail[Stated]] = defaultdict(Trail)  # by origin and proposal
        self.words: dict[tuple[str, str], Trail[Stated]] = defaultdict(Trail)  # settlements, likewise
        self.slots: dict[Slot, Trail[Stated]] = defaultdict(Trail)
        self.notices: dict[str, Trail[Stated]] = defaultdict(Trail)  # of withdrawal, by origin
        self.proofs: list[Stated] = []  # of forks
        self.disputes: list[Stated] = []  # of keys, votes included
        self.freezes: dict[str, Freeze] = {}
        self.doubts: tuple[Doubt, ...] = ()
        self.closed: dict[Slot, Closed] = {}
        self.ahead: dict[
            str, int
        ] = {}  # origin -> the smallest size of it that an acknowledge names beyond what is held
        self._judged: dict[tuple[str, tuple[str, ...], bool], list[Said]] = {}
        self._reach: dict[tuple[object, ...], Mapping[str, int]] = {}
        self._reached: dict[tuple[str, str, tuple[str, ...]], Reach] = {}
        for origin in sorted(scans):
            self._sort(self.lines[origin], self._seated(scans[origin].stated))
        self._doubt()
        self.stated = self.stated.plus({one.id: one for origin in sorted(scans) for one in scans[origin].stated})

    def _seated(self, stated: Iterable[Stated]) -> Iterator[Stated]:
        """Acts at the places where the slot rule reads them; without those that no ledger took over."""
        for one in stated:
            line = self.lines[one.origin]
            found = line.seat(one) if isinstance(line, Line) else one
            if found is None:
                continue
            if found is not one:
                self.real[one.id] = one
            yield found

    def follow(self, scans: Mapping[str, Scan], fresh: Mapping[str, Sequence[Stated]], objects: Objects) -> Slots:
        """The same for ledgers that have grown by what is in `fresh`, by origin. The ledgers held are the same."""
        if self._casts_doubt(fresh):
            return Slots(scans, self.me, objects, self.pin, self.links).ran()
        other = copy.copy(self)
        other.scans, other.objects = scans, objects
        other.lines, other.real = lines(scans, self.links), dict(self.real)
        other._judged, other._reach, other._reached = {}, {}, {key: _again(one) for key, one in self._reached.items()}
        other.stated = self.stated.plus({one.id: one for more in fresh.values() for one in more})
        joint = [one for more in fresh.values() for one in more if one.common or isinstance(one.act, JOINT)]
        crossed = any(origin in self.ahead and scans[origin].size >= self.ahead[origin] for origin in scans)
        if not joint and not crossed:
            other.decided = [_moved(version, other.lines) for version in self.decided]
            other.versions = other.decided[: len(self.versions)]
            return other
        other.decided = []
        other.versions, other.void, other.alarms, other.missing = [], [], [], set()
        other.partnership = self.pin
        other.proposals, other.ballots, other.begun = {}, {}, {}
        other.acks, other.clocks = dict(self.acks), dict(self.clocks)
        other.votes, other.words = defaultdict(Trail, self.votes), defaultdict(Trail, self.words)
        other.slots, other.notices = defaultdict(Trail, self.slots), defaultdict(Trail, self.notices)
        other.closed, other.ahead = dict(self.closed), {}
        for origin, more in fresh.items():
            other._sort(other.lines[origin], other._seated(more))
        for one in joint:
            other._reopen(one)
        other.run()
        other.ahead = other._named_ahead()
        if [one.id for one in other.versions] != [one.id for one in self.versions]:
            return Slots(scans, self.me, objects, self.pin, self.links).ran()
        return other

    def _casts_doubt(self, fresh: Mapping[str, Sequence[Stated]]) -> bool:
        """Whether these may change what is in doubt: then every slot is looked at again."""
        keys = (a.Rotate, a.Recover) if self.proofs else ()  # a proof may hold under a key that comes later
        more = any(isinstance(one.act, (a.Fork, a.Dispute, *keys)) for some in fresh.values() for one in some)
        return more or bool(self.freezes.keys() & fresh.keys())

    def _doubt(self) -> None:
        """Proofs and disputes that all members can see, as far as every entry before them is open."""
        settled = {link.former for link in self.links}
        self.freezes = {o: one for o, one in freezes(self.proofs, self.scans).items() if o not in settled}
        proofs = proven(self.proofs, self.scans)
        found = [
            Doubt(act=one.act, said=_said_at(*proofs[origin]), author=one.author, of=of, since=since)
            for origin, one in sorted(self.freezes.items())
            if one.size is not None
            for of, since in [self.place(origin, one.size)]
        ]
        for one in self.disputes:
            assert isinstance(one.act, a.Dispute)
            act, said = one.act, _said_at(one)
            found.append(Doubt(act=one.id, said=said, author=act.author, of=act.party, since=act.index, key=act.key))
        self.doubts = tuple(found)

    def _named_ahead(self) -> dict[str, int]:
        """`ahead` of all that was read, also for slots that are closed. What is reached by now is no news any more."""
        found: dict[str, int] = {}
        for reach in self._reached.values():
            for origin, heads in reach.ahead.items():
                beyond = [size for size, _, _ in heads if size > self.scans[origin].size]
                if beyond:
                    found[origin] = min(beyond[0], found.get(origin, beyond[0]))
        return found

    def _reopen(self, one: Stated) -> None:
        """A slot that somebody says something new about is decided anew."""
        act = one.act
        if isinstance(act, a.Propose):
            self.closed.pop(slot_of(act), None)
        elif isinstance(act, a.Consent | a.Refuse | a.Settle):
            about = self.stated.get(act.proposal)
            if about is not None and isinstance(about.act, a.Propose):
                self.closed.pop(slot_of(about.act), None)
        elif isinstance(act, a.Withdraw):
            self.closed.clear()

    def ran(self) -> Slots:
        self.run()
        return self

    def _sort(self, scan: Ledger, stated: Iterable[Stated]) -> None:
        """What a ledger says jointly, up to its first entry that is owed to this reader."""
        for one in stated:
            if isinstance(one.act, a.Settle):
                self.words[scan.origin, one.act.proposal] = self.words[scan.origin, one.act.proposal].plus(one)
            if isinstance(one.act, a.Withdraw) and one.common:
                self.notices[scan.origin] = self.notices[scan.origin].plus(one)
            if one.common:
                clock = self.clocks[scan.origin]
                latest = max(one.act.at, clock[-1][0] if len(clock) else 0)
                self.clocks[scan.origin] = clock.plus((latest, one))
            if one.index >= scan.readable:
                continue
            if not one.common:
                # Members could be shown different ones; an outsider's acknowledge before it knows them does no harm.
                if isinstance(one.act, a.Consent | a.Refuse | a.Propose):
                    self.refused = self.refused.plus(self._void(one, UNTAGGED))
            elif isinstance(one.act, a.Fork):
                self.proofs.append(one)
            elif isinstance(one.act, a.Dispute) and one.act.votes is True:
                self.disputes.append(one)
            elif isinstance(one.act, a.Acknowledge):
                self.acks[scan.origin] = self.acks[scan.origin].plus(one)
            elif isinstance(one.act, a.Consent | a.Refuse):
                self.votes[scan.origin, one.act.proposal] = self.votes[scan.origin, one.act.proposal].plus(one)
            elif isinstance(one.act, a.Propose):
                rivals = self.slots[slot_of(one.act)]
                if sum(other.origin == one.origin for other in rivals) < RIVALS_MAX:
                    self.slots[slot_of(one.act)] = rivals.plus(one)
                else:
                    why = f"is one of more than {RIVALS_MAX} proposals of its author for one slot"
                    self.refused = self.refused.plus(self._void(one, why))

    def _void(self, one: Stated, why: str) -> Void:
        at = self.real.get(one.id, one)
        return Void(at.origin, at.index, at.id, kind_of(at.act), why)

    def run(self) -> None:
        self.void += self.refused
        self._found()
        while self.decided and self._amend():
            pass
        subjects = {key[1] for key in self.slots if key[0] and key[0] == self.partnership} - {"charter"}
        for subject in sorted(subjects, key=lambda name: (not name.startswith("project/"), name)):
            self._chain(subject)
        self._set_aside()

    # ---- charters ---------------------------------------------------------------------------------------------------

    def _found(self) -> None:
        """The founding: every founder consents and every founder's ledger acknowledges, whatever the rules inside say.

        A reader that is no founder pins the id: nothing else tells it which of two foundings is meant.
        """
        rivals = self._rivals(("", "charter", 1, ""))
        texts = {one.id: self._texts(one) for one in rivals}
        for one in self._decide([self._founding_ballot(one, texts[one.id]) for one in rivals]):
            charter, directory = texts[one.id]
            assert charter is not None
            assert directory is not None
            if one.id == self.pin or (not self.pin and self.me in charter.signatories and not self.versions):
                self._enter(one, charter, directory)
                self.partnership = one.id

    def _amend(self) -> bool:
        """The next charter: by the rule of the version before, and by everyone newly bound."""
        before = self.decided[-1]
        rivals = self._rivals((self.partnership, "charter", len(self.decided) + 1, before.id))
        texts = {one.id: self._texts(one) for one in rivals}
        won = self._decide([self._amending_ballot(one, before, texts[one.id]) for one in rivals])
        for one in won[:1]:
            charter, directory = texts[one.id]
            assert charter is not None
            assert directory is not None
            since = max(self._effect(self.ballots[one.id], self.proposals[one.id], charter), before.since)
            self._enter(one, charter, directory, since)
        return bool(won)

    def _enter(self, one: Stated, charter: charters.Charter, directory: charters.Parties, since: str = "") -> None:
        version = Version(id=one.id, charter=charter, directory=directory, ledgers=self._listed(directory), since=since)
        in_force = len(self.versions) == len(self.decided) and self._has_come(version, self.ballots[one.id])
        self.decided.append(version)
        if in_force:
            self.versions.append(version)
        else:
            tally = self.proposals[one.id]
            self.proposals[one.id] = replace(
                tally, state="open", due=since, why=f"is decided, and in force from {since}"
            )

    def _effect(self, ballot: Ballot, tally: Proposal, charter: charters.Charter) -> str:
        """The day from which an amendment is in force; empty: at once.

        Counted from the last consent where all must consent, else from the deadline: what is counted once they are in
        never changes.
        """
        rule, by = (ballot.poll.rule if ballot.poll is not None else None), ballot.act.by
        if rule is None or rule.takes_effect is None:
            return charter.in_force_from
        decided = max((self.stated[one.act].time for one in self._first(tally.votes).values()), default=0)
        if not rule.by_all and not isinstance(by, UnsetType):
            decided = by
        return max(rule.takes_effect.day(day_of(decided)), charter.in_force_from)

    def _has_come(self, version: Version, ballot: Ballot) -> bool:
        """Whether as many members' ledgers as confirm have passed the day, by what they wrote for all members."""
        if not version.since:
            return True
        start = int(dt.datetime.fromisoformat(version.since).replace(tzinfo=dt.UTC).timestamp() * 1000)
        passed = 0
        for party in ballot.confirmers:
            scan = ballot.ledgers.get(party)
            clock = self.clocks[scan.origin] if scan is not None else ()
            at = bisect.bisect_left(clock, start, key=lambda one: one[0])
            passed += at < len(clock) and scan is not None and clock[at][1].index < scan.readable
        return 0 < ballot.quorum <= passed

    def _ruling(self, one: Stated) -> Version:
        """The charter that was in force when an amendment was proposed, by the ledger in which the proposal stands."""
        return [version for version in self.decided if version.since <= day_of(one.time)][-1]

    def _listed(self, directory: charters.Parties) -> Ledgers:
        found = {pin.id: self.ledger(pin.origin, pin.inception) for pin in directory.parties}
        return {party: scan for party, scan in found.items() if scan is not None}

    def ledger(self, origin: str, inception: str) -> Ledger | None:
        """The ledger of this name when it begins with this inception; another one under the same name is not it.

        One that goes on after another is known by its party's inception, once it speaks.
        """
        scan = self.lines.get(origin)
        if scan is None or scan.inception_id != inception:
            return None
        return None if isinstance(scan, Scan) and isinstance(scan.inception, a.Epoch) else scan

    def _texts(self, one: Stated) -> Texts:
        what = one.act.what if isinstance(one.act, a.Propose) else None
        if not isinstance(what, a.CharterText | a.Admission | a.Expulsion):
            return None, None
        self.missing |= {digest for digest in (what.charter, what.parties) if digest not in self.objects}
        text, names = self.objects.get(what.charter), self.objects.get(what.parties)
        charter = load_charter(text) if text is not None else None
        return charter, load_parties(names) if names is not None else None

    def _waits(self, one: Stated) -> str:
        what = one.act.what if isinstance(one.act, a.Propose) else None
        named = (what.charter, what.parties) if isinstance(what, a.CharterText | a.Admission | a.Expulsion) else ()
        return "its texts are not held here" if set(named) - set(self.objects) else ""

    def _founding_ballot(self, one: Stated, texts: Texts) -> Ballot:
        charter, directory = texts
        base = Ballot(one=one, partnership=one.id)
        if charter is None or directory is None:
            return replace(base, waits=self._waits(one), fault="" if self._waits(one) else "its texts are not sound")
        founders, voters, ledgers = charter.members, charter.signatories, self._listed(directory)
        fault = unlisted(voters, directory) or hidden_from(one.act, voters)
        if one.act.author not in founders:
            fault = f"{one.act.author} is no founder"
        quorum = self.quorum(founders, len(founders))
        return replace(base, voters=voters, confirmers=founders, quorum=quorum, ledgers=ledgers, fault=fault)

    def _amending_ballot(self, one: Stated, before: Version, texts: Texts) -> Ballot:
        """A member that is to go, or has given notice, neither votes nor confirms: its silence would keep it."""
        base, (charter, directory) = Ballot(one=one, partnership=self.partnership), texts
        ruling = self._ruling(one)
        what, members = base.act.what, ruling.charter.members
        if ruling not in self.versions:
            return replace(base, waits=f"its charter is in force from {ruling.since}")
        if not isinstance(what, a.CharterText | a.Admission | a.Expulsion):
            return replace(base, fault="does not carry a charter")
        if charter is None or directory is None:
            return replace(base, waits=self._waits(one), fault="" if self._waits(one) else "its texts are not sound")
        signed, signing = ruling.charter.signatories, charter.signatories
        expelled = (what.party,) if isinstance(what, a.Expulsion) else ()
        dropped = tuple(party for party in signed if party not in signing)
        gone = tuple(party for party in dropped if party in expelled or self._left(party, ruling, one))
        # Whoever is newly bound consents, whatever the rule says.
        bound = tuple(party for party in signing if party not in signed)
        asked = poll(ruling.charter, amendment(what, before.charter, charter))
        asked = replace(
            asked,
            voters=tuple(party for party in asked.voters if party not in gone),
            asked=tuple(dict.fromkeys((*bound, *asked.asked))),
        )
        confirmers = tuple(party for party in members if party not in gone)
        fault = unlisted(signing, directory) or membership_fault(what, before.charter.signatories, signing)
        return replace(
            base,
            voters=asked.everyone,
            poll=asked,
            calls=self._calls(one, asked),
            charter=ruling.charter,
            confirmers=confirmers,
            quorum=self.quorum(confirmers, ruling.charter.confirm),
            ledgers={**self._listed(directory), **ruling.ledgers},
            fault=fault or self._proposal_fault(base, ruling, asked),
        )

    def _left(self, party: str, version: Version, one: Stated) -> bool:
        """Whether a member gave notice before it voted on this: the next charter needs no vote of a leaver."""
        scan = version.ledgers.get(party)
        if scan is None:
            return False
        notices = self.notices.get(scan.origin, ())
        given = [said.index for said in notices if said.act.partnership == self.partnership]
        first = min(given, default=scan.readable)
        return first < scan.readable and all(vote.index > first for vote in self.votes[scan.origin, one.id])

    def gone(self, one: Stated, charter: charters.Charter) -> bool:
        """Whether its author had left by then: an own notice stands before it, and had run out at its place.

        Both are in the ledger that the act stands in, for all members to read: no clock is asked.
        """
        day = day_of(one.time)
        return any(
            said.index < one.index and charter.withdrawal.effective(max(_on(said), day_of(said.time))) <= day
            for said in self.notices.get(one.origin, ())
            if said.act.partnership == self.partnership
        )

    # ---- everything under a charter ---------------------------------------------------------------------------------

    def _chain(self, subject: str) -> None:
        """One subject from its first proposal on. root: what later ones renew or end."""
        n, prev, root, ended = 1, "", None, False
        while rivals := self._rivals(slot := (self.partnership, subject, n, prev)):
            if slot in self.closed:
                won = self._keep(self.closed[slot])
            elif self.versions:
                won = self._decide([self._ballot(one, root, ended=ended) for one in rivals])
                self._close(slot, rivals, won)
            else:
                won = self._decide_by_settlement([self._settling_ballot(one, root) for one in rivals])
            if not won:
                return
            what = won[0].act.what if isinstance(won[0].act, a.Propose) else None
            if isinstance(what, a.ProjectTerms):
                self.begun[what.project] = (*self.begun.get(what.project, ()), project_of(won[0], what))
            root = won[0] if isinstance(what, a.Engagement | a.ProjectTerms) else root
            n, prev, ended = n + 1, won[0].id, isinstance(what, a.Ending)

    def _keep(self, closed: Closed) -> list[Stated]:
        self.proposals.update(closed.proposals)
        self.ballots.update(closed.ballots)
        return list(closed.won)

    def _close(self, slot: Slot, rivals: Sequence[Stated], won: Sequence[Stated]) -> None:
        tallies = {one.id: self.proposals[one.id] for one in rivals}
        for id_, one in tallies.items():
            act = one.stated.act
            due = isinstance(act, a.Propose) and not isinstance(act.by, UnsetType) and one.missing
            if one.state not in {"in_force", "dead"} or due or any(v.void or not v.confirmed for v in one.votes):
                return
            if self.ballots[id_].ledgers.keys() & {*one.missing} != {*one.missing}:
                return  # a ledger that is not held may yet come
        if len(won) == 1:
            ballots = {one.id: self.ballots[one.id] for one in rivals}
            self.closed[slot] = Closed(tuple(won), tallies, ballots)

    def version(self, id_: str | UnsetType) -> Version | None:
        return next((one for one in self.versions if one.id == id_), None)

    def _ballot(self, one: Stated, root: Stated | None, *, ended: bool) -> Ballot:
        """By the charter that the proposal names, even when a later one is in force by now."""
        base = Ballot(one=one, partnership=self.partnership)
        what, version = base.act.what, self.version(one.act.under)
        if version is None:
            return replace(base, waits="names a charter version that is not in force here")
        charter, terms, ledgers = version.charter, terms_of(what, root), dict(version.ledgers)
        bound: tuple[str, ...] = ()
        if isinstance(terms, a.Engagement):
            bound = (terms.party,)
            outside = self.ledger(terms.origin, terms.inception)
            if outside is not None:
                ledgers.setdefault(terms.party, outside)
        asked = poll(charter, self._matter(charter, base.act, terms, bound))
        # Whom an ending binds may read it, also where it is told and not asked.
        fault = self._proposal_fault(base, version, asked, bound) or chain_fault(base.act, root, ended=ended)
        if isinstance(what, a.Engagement):
            homes = homes_of(charter, what.project, self.begun.get(what.project, ()))
            if not homes:
                return replace(base, fault=fault, waits=f"there is no project {what.project} in force here")
            unfit = engagement_fault(charter, version.directory, what, homes)
            if unfit and not fault and what.project in self.begun:
                return replace(base, waits=unfit)  # another act may yet give the project what these terms need
            fault = fault or unfit
        return replace(
            base,
            voters=asked.everyone,
            poll=asked,
            calls=self._calls(one, asked),
            charter=charter,
            confirmers=charter.members,
            quorum=self.quorum(charter.members, charter.confirm),
            ledgers=ledgers,
            fault=fault,
        )

    def _matter(
        self,
        charter: charters.Charter,
        act: a.Propose,
        terms: a.Engagement | a.ProjectTerms | None,
        bound: tuple[str, ...],
    ) -> Matter:
        """What a proposal under a charter is about, in the charter's words.

        Of a project that nothing names the proposal waits, or concerns all members.
        """
        project = terms.project if terms is not None else ""
        homes = homes_of(charter, project, self.begun.get(project, ()))
        pillar, taking_part = (homes[0].pillar, homes[0].participants) if homes else ("", charter.members)
        if isinstance(terms, a.ProjectTerms) and not homes:
            pillar, taking_part = terms.pillar, terms.participants
        return Matter(
            act=kind_of_what(act.what),
            project=project,
            pillar=pillar,
            participants=taking_part,
            ends=act.subject.partition("/")[0] if isinstance(act.what, a.Ending) else "",
            concerned=(act.author,),
            bound=bound,
        )

    def _proposal_fault(self, base: Ballot, version: Version, asked: Poll, told: Iterable[str] = ()) -> str:
        """Why a proposal is void whatever anybody votes."""
        act = base.act
        if act.author not in version.charter.members:
            return f"{act.author} is not a member"
        if act.author not in version.ledgers or version.ledgers[act.author].origin != base.one.origin:
            return f"does not stand in the ledger that the party list names for {act.author}"
        if act.under != version.id:
            return "does not name the charter version in force"
        if self.gone(base.one, version.charter):
            return f"{act.author} has left"
        fault = hidden_from(act, (*version.charter.members, *asked.everyone, *told)) or subject_fault(act)
        return fault or deadline_fault(act, asked)

    # ---- later calls ------------------------------------------------------------------------------------------------

    def _calls(self, one: Stated, asked: Poll) -> tuple[str, ...]:
        """Earlier calls of the same, each made after the deadline of the one before and in time. All of them stand in
        one ledger, so nothing that arrives later changes which they are."""
        found: list[Stated] = []
        if not asked.rule.later_calls:
            return ()
        for other in self.slots.get(slot_of(_proposed(one)), ()):
            if other.origin == one.origin and other.index <= one.index and _same(_proposed(other), _proposed(one)):
                found.append(other)
        chain: list[Stated] = []
        for other in sorted(found, key=_place):
            if chain and not _in_time(_proposed(chain[-1]), _proposed(other), asked, len(chain)):
                chain = []
            chain.append(other)
        return tuple(other.id for other in chain[:-1])

    def _call(self, ballot: Ballot, rivals: tuple[str, ...], *, exclusive: bool, hoped: bool) -> tuple[int, int]:
        """The first and the last call that a proposal may be: a later one than the one before, if that missed its
        quorum, and the first if it did not; both while that is open."""
        least, most = 1, 1
        for earlier in ballot.calls:
            before = self.ballots[earlier]
            said = self._voices(before, rivals, exclusive=exclusive, hoped=hoped)
            if before.poll is None or before.waits or before.frozen:
                least, most = 1, most + 1  # it cannot be told yet
            elif before.fault:
                least, most = 1, 1
            elif before.poll.call(most).turnout(said) == "missed":
                least, most = least + 1, most + 1
            elif before.poll.call(least).turnout(said) == "met":
                least, most = 1, 1
            else:
                least, most = 1, most + 1
        return least, most

    def _voices(self, ballot: Ballot, rivals: tuple[str, ...], *, exclusive: bool, hoped: bool) -> dict[str, Voice]:
        """What each party's vote says, of those that count; hoped: also of those that would once they are confirmed."""
        counted = self._first(self._votes(ballot, rivals, exclusive=exclusive))
        return {party: vote.voice for party, vote in counted.items() if vote.confirmed or hoped}

    # ---- the slot rule ----------------------------------------------------------------------------------------------

    def _rivals(self, slot: Slot) -> list[Stated]:
        return sorted(self.slots.get(slot, ()), key=lambda one: one.id)

    def _decide(self, ballots: Sequence[Ballot], *, exclusive: bool = True) -> list[Stated]:
        """All proposals of one slot; returns those in force: one at most, unless more cheat than the charter allows."""
        ballots = [replace(ballot, frozen=self._frozen(ballot)) for ballot in ballots]
        self.ballots.update({ballot.one.id: ballot for ballot in ballots})
        rivals = tuple(ballot.one.id for ballot in ballots)
        self.proposals.update({ballot.one.id: self._tally(ballot, rivals, exclusive=exclusive) for ballot in ballots})
        won = [ballot.one for ballot in ballots if self.proposals[ballot.one.id].state == "in_force"]
        if len(won) > 1:
            self.alarms.append(f"two proposals of one slot are in force: {', '.join(one.id[:8] for one in won)}")
        return won

    def _tally(self, ballot: Ballot, rivals: tuple[str, ...], *, exclusive: bool) -> Proposal:
        act, id_ = ballot.act, ballot.one.id
        settled = self._settled(id_, ballot)
        stated = self.real.get(id_, ballot.one)
        base = Proposal(id=id_, subject=act.subject, n=act.n, stated=stated, state="open", settled=settled)
        if ballot.fault or ballot.waits:
            state: SlotState = "void" if ballot.fault else "open"
            return replace(base, state=state, why=ballot.fault or ballot.waits)
        if ballot.frozen:
            return replace(base, why=ballot.frozen, voters=ballot.voters, missing=ballot.voters)
        votes = self._votes(ballot, rivals, exclusive=exclusive)
        counted = self._first(votes)
        missing = tuple(party for party in ballot.voters if party not in counted)
        waiting = tuple(party for party in ballot.voters if party in counted and not counted[party].confirmed)
        call = self._call(ballot, rivals, exclusive=exclusive, hoped=False)
        state = ballot.outcome({party: vote.voice for party, vote in counted.items() if vote.confirmed}, call)
        if_confirmed = self._call(ballot, rivals, exclusive=exclusive, hoped=True)
        hoped = ballot.outcome({party: vote.voice for party, vote in counted.items()}, if_confirmed)
        return replace(
            base,
            state=state,
            voters=ballot.voters,
            votes=tuple(votes),
            missing=missing,
            waiting=waiting,
            call=call[0],
            provisional=(state, hoped) == ("open", "in_force"),
        )

    def _votes(self, ballot: Ballot, rivals: tuple[str, ...], *, exclusive: bool) -> list[Vote]:
        votes: list[Vote] = []
        for party in ballot.voters:
            if party in ballot.ledgers:
                said = self._said(ballot.ledgers[party], rivals, exclusive=exclusive)
                votes += [self._vote(party, one, ballot) for one in said if one.proposal == ballot.one.id]
        return votes

    def _vote(self, party: str, one: Said, ballot: Ballot) -> Vote:
        doubts, at = self._doubts(one, ballot), self.real.get(one.stated.id, one.stated)
        return Vote(
            party=party,
            vote="consent" if one.consent else "refuse",
            voice=one.voice,
            act=at.id,
            origin=at.origin,
            index=at.index,
            confirmed=self._holds(one.stated, self.kept(ballot, doubts) if doubts else self.confirmed(ballot)),
            void=one.void,
            silent=one.silent,
            doubt=doubts[0].act if doubts else "",
        )

    def _first(self, votes: Iterable[Vote]) -> dict[str, Vote]:
        return counting(votes)

    # ---- an outsider's way ------------------------------------------------------------------------------------------

    def _settled(self, proposal: str, ballot: Ballot) -> dict[str, str]:
        """member -> the outcome it stated first; two outcomes by one member are an alarm."""
        found: dict[str, str] = {}
        newest = self.versions[-1] if self.versions else None
        ledgers = {**(newest.ledgers if newest else {}), **ballot.ledgers}
        for party in dict.fromkeys((*ballot.confirmers, *(newest.charter.members if newest else ()))):
            scan = ledgers.get(party)
            for one in self.words.get((scan.origin, proposal), ()) if scan is not None else ():
                assert isinstance(one.act, a.Settle)
                if one.act.partnership != ballot.partnership or hides(one.act, ballot.act):
                    continue
                if found.setdefault(party, one.act.outcome) != one.act.outcome:
                    self.alarms.append(f"{party} settles proposal {proposal[:8]} both ways")
        return found

    def _settling_ballot(self, one: Stated, root: Stated | None) -> Ballot:
        assert isinstance(one.act, a.Propose)
        base, terms = Ballot(one=one, partnership=self.partnership), terms_of(one.act.what, root)
        if not isinstance(terms, a.Engagement):
            return replace(base, waits="members settle it among themselves")
        members = tuple(member.party for member in terms.members)
        named = {terms.party: (terms.origin, terms.inception)}
        named |= {member.party: (member.origin, member.inception) for member in terms.members}
        ledgers = {party: scan for party, at in named.items() if (scan := self.ledger(*at)) is not None}
        bound = () if isinstance(one.act.what, a.Ending) else (terms.party,)
        return replace(
            base, voters=(*members, *bound), confirmers=members, quorum=terms.confirm, ledgers=ledgers,
            fault=chain_fault(one.act, root, ended=False),
        )  # fmt: skip

    def _decide_by_settlement(self, ballots: Sequence[Ballot]) -> list[Stated]:
        """The outcome in the words of as many members as the engagement says must confirm, under the own consent.

        An outsider does not hold the members' acknowledges and does not run the slot rule: it shows votes, not counts.
        """
        self._decide(ballots, exclusive=False)
        won = []
        for ballot in ballots:
            tally = self.proposals[ballot.one.id]
            words = [word for party, word in tally.settled.items() if party in ballot.confirmers]
            state: SlotState = tally.state if tally.state == "void" else "open"
            if len(set(words)) > 1:
                said = ", ".join(f"{party} {word}" for party, word in sorted(tally.settled.items()))
                self.alarms.append(f"members settle proposal {tally.id[:8]} differently: {said}")
            if state == "open" and 0 < ballot.quorum <= words.count("dead"):
                state = "dead"
            elif state == "open" and 0 < ballot.quorum <= words.count("in_force"):
                own = set(tally.missing) <= set(
                    ballot.confirmers
                )  # the bound party's own consent is never settled away
                state = "in_force" if own else "open"
            waiting = tuple(party for party in ballot.confirmers if party not in tally.settled)
            self.proposals[tally.id] = replace(tally, state=state, waiting=waiting)
            won += [ballot.one] if state == "in_force" else []
        return won

    # ---- what does not count ----------------------------------------------------------------------------------------

    def _set_aside(self) -> None:
        """Proposals of slots that were never reached, and votes that do not count, each with the reason."""
        for key, rivals in self.slots.items():
            for one in rivals if key[0] and key[0] == self.partnership else ():
                assert isinstance(one.act, a.Propose)
                why = "its slot does not follow what is in force"
                late = Proposal(id=one.id, subject=one.act.subject, n=one.act.n, stated=one, state="void", why=why)
                self.proposals.setdefault(one.id, late)
        for (_, of), votes in sorted(self.votes.items()):
            proposal = self.proposals.get(of)
            for one in votes if proposal is not None and proposal.voters else ():
                assert proposal is not None
                void = {vote.act: vote.void for vote in proposal.votes if not vote.silent}
                why = void.get(one.id, "") if one.act.author in proposal.voters else "has no vote on it"
                if why:
                    self.void.append(self._void(one, why))


def _on(notice: Stated) -> str:
    assert isinstance(notice.act, a.Withdraw)
    return notice.act.on


def _said_at(*stated: Stated) -> tuple[tuple[str, str, int], ...]:
    return tuple(sorted((one.id, one.origin, one.index) for one in stated))


def _place(one: Stated) -> tuple[str, int]:
    return one.origin, one.index


def _again(reach: Reach) -> Reach:
    return Reach(reach.read, dict(reach.best), {origin: heads[:] for origin, heads in reach.ahead.items() if heads})


def _moved(version: Version, scans: Mapping[str, Ledger]) -> Version:
    """The same version with its ledgers as far as they are read now."""
    return replace(version, ledgers={party: scans[scan.origin] for party, scan in version.ledgers.items()})


def _proposed(one: Stated) -> a.Propose:
    assert isinstance(one.act, a.Propose)
    return one.act


def _same(one: a.Propose, other: a.Propose) -> bool:
    """Whether two proposals of one slot propose the same under the same charter."""
    return (one.what, one.under) == (other.what, other.under)


def _in_time(before: a.Propose, after: a.Propose, asked: Poll, number: int) -> bool:
    """Whether one is made after the deadline of the other, and no later than the rule lets it be called again."""
    if isinstance(before.by, UnsetType) or number > len(asked.rule.later_calls):
        return False
    within = asked.rule.later_calls[number - 1].within
    return before.by < after.at and day_of(after.at) <= later(day_of(before.by), within)
