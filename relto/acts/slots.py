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
from functools import lru_cache

from msgspec import Struct, UnsetType
from msgspec.structs import replace

from relto import charter as charters
from relto.acts import act as a
from relto.acts.doubt import Doubt, Freeze, freezes, proven
from relto.acts.epochs import Ledger, Line, Link, claims, lines
from relto.acts.grown import Map, Trail
from relto.acts.register import Proposal, SlotState, Vote, counting
from relto.acts.scan import UNTAGGED, Scan, Stated, Void, kind_of
from relto.acts.tally import Outcome, outcome
from relto.charter import Matter, Poll, Voice, poll
from relto.errors import ReltoError

MS_PER_DAY = 86_400_000
JOINT = (a.Propose, a.Consent, a.Refuse, a.Settle, a.Withdraw)
RIVALS_MAX = 16  # proposals of one author for one slot; what comes after them is void

Objects = Mapping[str, bytes]
Slot = tuple[str, str, int, str]
Ledgers = Mapping[str, Ledger]  # party -> the ledger that speaks for it, or several as one line
Limits = Mapping[str, int]  # origin -> entries
Texts = tuple[charters.Charter | None, charters.Parties | None]


class Version(Struct, frozen=True, kw_only=True):
    """A charter in force: its text, its party list, and the ledgers that this list names, as far as they are held."""

    id: str
    charter: charters.Charter
    directory: charters.Parties
    ledgers: Ledgers


class Ballot(Struct, frozen=True, kw_only=True):
    """Who decides one proposal, whose ledgers confirm, and in which ledgers all of them speak."""

    one: Stated
    partnership: str
    voters: tuple[str, ...] = ()  # all who are asked
    poll: Poll | None = None  # None: all of them must consent
    charter: charters.Charter | None = None  # the one that rules
    confirmers: tuple[str, ...] = ()
    quorum: int = 0
    ledgers: Ledgers = {}
    fault: str = ""  # why it is void whatever anybody votes
    waits: str = ""  # why it cannot be judged here yet
    frozen: str = ""  # why it is not decided although it can be judged

    @property
    def act(self) -> a.Propose:
        assert isinstance(self.one.act, a.Propose)
        return self.one.act

    def outcome(self, voices: Mapping[str, Voice]) -> Outcome:
        """What these votes decide."""
        return outcome(self.poll, self.voters, voices)

    def caretaker(self, party: str, at: int) -> charters.Window | None:
        """The caretaker period of a party that a time lies in, by the charter that rules."""
        return self.charter.closed(party, day_of(at)) if self.charter is not None else None


class Said(Struct, frozen=True, kw_only=True):
    """One vote as it stands in its ledger. silent: the deadline passed there; voice: what the rule makes of it."""

    proposal: str
    voice: Voice
    stated: Stated
    silent: bool = False
    void: str = ""

    @property
    def consent(self) -> bool:
        return self.voice == "consent"


class Closed(Struct, frozen=True):
    """A slot that nothing but a new word on it can change: every vote is good and confirmed, none can still be due."""

    won: tuple[Stated, ...]
    proposals: Mapping[str, Proposal]
    ballots: Mapping[str, Ballot]


class Reach(Struct):
    """How far one ledger acknowledges others, by its first `read` acknowledges.

    ahead: by ledger, heads of more than is held of it, the smallest first: they may count later.
    """

    read: int
    best: dict[str, int]
    ahead: dict[str, list[tuple[int, int, str]]]


class Slots:
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
        self.versions: list[Version] = []  # oldest first
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

    def seat(self, one: Stated) -> tuple[str, int]:
        """The place of an act among all that its party said."""
        line = self.lines[one.origin]
        return (line.origin, line.offset(one.origin) + one.index) if isinstance(line, Line) else (one.origin, one.index)

    def place(self, origin: str, size: int) -> tuple[str, int]:
        """A size of a ledger as a size of the line that it belongs to."""
        line = self.lines[origin]
        if not isinstance(line, Line):
            return origin, size
        stop = next(stop for scan, stop in line.parts if scan.origin == origin)
        return line.origin, line.offset(origin) + (size if stop is None else min(size, stop))

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
            other.versions = [_moved(version, other.lines) for version in self.versions]
            return other
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
            self.closed.pop(_slot(act), None)
        elif isinstance(act, a.Consent | a.Refuse | a.Settle):
            about = self.stated.get(act.proposal)
            if about is not None and isinstance(about.act, a.Propose):
                self.closed.pop(_slot(about.act), None)
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
                rivals = self.slots[_slot(one.act)]
                if sum(other.origin == one.origin for other in rivals) < RIVALS_MAX:
                    self.slots[_slot(one.act)] = rivals.plus(one)
                else:
                    why = f"is one of more than {RIVALS_MAX} proposals of its author for one slot"
                    self.refused = self.refused.plus(self._void(one, why))

    def _void(self, one: Stated, why: str) -> Void:
        at = self.real.get(one.id, one)
        return Void(at.origin, at.index, at.id, kind_of(at.act), why)

    def run(self) -> None:
        self.void += self.refused
        self._found()
        while self.versions and self._amend():
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
        before = self.versions[-1]
        rivals = self._rivals((self.partnership, "charter", len(self.versions) + 1, before.id))
        texts = {one.id: self._texts(one) for one in rivals}
        won = self._decide([self._amending_ballot(one, before, texts[one.id]) for one in rivals])
        for one in won[:1]:
            charter, directory = texts[one.id]
            assert charter is not None
            assert directory is not None
            self._enter(one, charter, directory)
        return bool(won)

    def _enter(self, one: Stated, charter: charters.Charter, directory: charters.Parties) -> None:
        ledgers = self._listed(directory)
        self.versions.append(Version(id=one.id, charter=charter, directory=directory, ledgers=ledgers))

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
        fault = _unlisted(voters, directory) or hidden_from(one.act, voters)
        if one.act.author not in founders:
            fault = f"{one.act.author} is no founder"
        quorum = self.quorum(founders, len(founders))
        return replace(base, voters=voters, confirmers=founders, quorum=quorum, ledgers=ledgers, fault=fault)

    def _amending_ballot(self, one: Stated, before: Version, texts: Texts) -> Ballot:
        """A member that is to go, or has given notice, neither votes nor confirms: its silence would keep it."""
        base, (charter, directory) = Ballot(one=one, partnership=self.partnership), texts
        what, members = base.act.what, before.charter.members
        if not isinstance(what, a.CharterText | a.Admission | a.Expulsion):
            return replace(base, fault="does not carry a charter")
        if charter is None or directory is None:
            return replace(base, waits=self._waits(one), fault="" if self._waits(one) else "its texts are not sound")
        signed, signing = before.charter.signatories, charter.signatories
        expelled = (what.party,) if isinstance(what, a.Expulsion) else ()
        dropped = tuple(party for party in signed if party not in signing)
        gone = tuple(party for party in dropped if party in expelled or self._left(party, before, one))
        # Whoever is newly bound consents, whatever the rule says.
        bound = tuple(party for party in signing if party not in signed)
        asked = poll(before.charter, _amendment(what, before.charter, charter))
        asked = replace(
            asked,
            voters=tuple(party for party in asked.voters if party not in gone),
            asked=tuple(dict.fromkeys((*bound, *asked.asked))),
        )
        confirmers = tuple(party for party in members if party not in gone)
        fault = _unlisted(signing, directory) or _membership_fault(what, signed, signing)
        return replace(
            base,
            voters=asked.everyone,
            poll=asked,
            charter=before.charter,
            confirmers=confirmers,
            quorum=self.quorum(confirmers, before.charter.confirm),
            ledgers={**self._listed(directory), **before.ledgers},
            fault=fault or self._proposal_fault(base, before, asked),
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
        charter, terms, ledgers = version.charter, _terms(what, root), dict(version.ledgers)
        bound: tuple[str, ...] = ()
        if isinstance(terms, a.Engagement):
            bound = (terms.party,)
            outside = self.ledger(terms.origin, terms.inception)
            if outside is not None:
                ledgers.setdefault(terms.party, outside)
        asked = poll(charter, self._matter(charter, base.act, terms, bound))
        # Whom an ending binds may read it, also where it is told and not asked.
        fault = self._proposal_fault(base, version, asked, bound) or _chain_fault(base.act, root, ended=ended)
        if isinstance(what, a.Engagement):
            homes = _homes(charter, what.project, self.begun.get(what.project, ()))
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
        homes = _homes(charter, project, self.begun.get(project, ()))
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
        fault = hidden_from(act, (*version.charter.members, *asked.everyone, *told)) or _subject_fault(act)
        return fault or _deadline_fault(act, asked)

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
        votes: list[Vote] = []
        for party in ballot.voters:
            if party in ballot.ledgers:
                said = self._said(ballot.ledgers[party], rivals, exclusive=exclusive)
                votes += [self._vote(party, one, ballot) for one in said if one.proposal == id_]
        counted = self._first(votes)
        missing = tuple(party for party in ballot.voters if party not in counted)
        waiting = tuple(party for party in ballot.voters if party in counted and not counted[party].confirmed)
        state = ballot.outcome({party: vote.voice for party, vote in counted.items() if vote.confirmed})
        hoped = ballot.outcome({party: vote.voice for party, vote in counted.items()})
        return replace(
            base,
            state=state,
            voters=ballot.voters,
            votes=tuple(votes),
            missing=missing,
            waiting=waiting,
            provisional=(state, hoped) == ("open", "in_force"),
        )

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

    def _holds(self, one: Stated, reach: Mapping[str, int]) -> bool:
        return one.index < reach.get(one.origin, 0)

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
        rivals = tuple(one.id for one in self._rivals(_slot(ballot.act)))
        # Consents are left out: without V3 too many of them stand here. That can only let the proposal live longer.
        voices: dict[str, Voice] = {}
        for party in ballot.voters:
            for one in self._said(ballot.ledgers[party], rivals, exclusive=False) if party in ballot.ledgers else ():
                if one.proposal == proposal and not (one.void or one.consent) and self._holds(one.stated, reach):
                    voices.setdefault(party, one.voice)
        return ballot.outcome(voices) == "dead"

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
                void = _vote_fault(one, ballot)
                version = self.version(ballot.act.under)
                if not void and version is not None and self.gone(one, version.charter):
                    void = "comes after its author has left"
                said = Said(proposal=proposal, voice=_voice(one, ballot), stated=one, void=void)
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

    # ---- confirmation -----------------------------------------------------------------------------------------------

    def quorum(self, confirmers: Sequence[str], confirm: int) -> int:
        """Of n members w must acknowledge. One that is to go is not asked; the others are then n - 1."""
        return min(confirm, len(confirmers))

    def confirmed(self, ballot: Ballot, limits: Limits | None = None) -> Mapping[str, int]:
        """How many entries of each ledger enough confirmers acknowledge, on this reader's own branch.

        limits: only what stands before these sizes (the view that an acknowledge describes).
        """
        view = None if limits is None else tuple(sorted(limits.items()))
        ledgers = tuple(ballot.ledgers[party] for party in ballot.confirmers if party in ballot.ledgers)
        ruled = ballot.charter is not None  # or nothing is in doubt
        key = (
            ballot.partnership,
            ballot.confirmers,
            ballot.quorum,
            tuple(scan.origin for scan in ledgers),
            view,
            ruled,
        )
        if key not in self._reach:
            sizes: dict[str, list[int]] = defaultdict(list)
            for scan in ledgers:
                for origin, size in self._acknowledged(scan, ballot, limits).items():
                    sizes[origin].append(size)
            w = ballot.quorum
            self._reach[key] = {o: sorted(s, reverse=True)[w - 1] for o, s in sizes.items() if 0 < w <= len(s)}
        return self._reach[key]

    def _acknowledged(self, scan: Ledger, ballot: Ballot, limits: Limits | None) -> Mapping[str, int]:
        """What one member's ledger acknowledges; of itself, all of it."""
        if limits is None and self._freeze(scan, ballot):
            return {**self._unaware(scan, ballot, (), self._counting(scan, ballot))[0], scan.origin: scan.readable}
        if limits is None:
            return {**self._read(scan, ballot).best, scan.origin: scan.readable}
        end = min(scan.readable, limits.get(scan.origin, 0))
        best = {scan.origin: end}
        for ack in self.acks[scan.origin]:
            if ack.index >= end or self._awaits(ack):
                break
            if self._counts(ack, ballot):
                for origin, size in self._heads(ack).items():
                    if origin != scan.origin:
                        best[origin] = max(best.get(origin, 0), size)
        return best

    def _awaits(self, ack: Stated) -> bool:
        """Whether it knows of a doubt that is not here yet: then nobody here can say for what it counts."""
        assert isinstance(ack.act, a.Acknowledge)
        named = () if isinstance(ack.act.doubts, UnsetType) else ack.act.doubts
        held = (self.stated.get(one) for one in named)
        return not all(one is not None and isinstance(one.act, a.Fork | a.Dispute) for one in held)

    # ---- doubt --------------------------------------------------------------------------------------------------

    def _freeze(self, scan: Ledger, ballot: Ballot) -> tuple[Doubt, ...]:
        """Of a ledger. What decides without a charter (a founding) does so before anybody can doubt it."""
        if ballot.charter is None:
            return ()
        return tuple(one for one in self.doubts if not one.key and one.of == scan.origin)

    def _doubts(self, said: Said, ballot: Ballot) -> tuple[Doubt, ...]:
        """Those that a vote lies in: by a fork of its ledger, or for a consent by a dispute of one of its keys."""
        if ballot.charter is None or not self.doubts:
            return ()
        charter = ballot.charter
        return tuple(
            one
            for one in self.doubts
            if one.covers(said.stated)
            and (not one.key or (said.consent and not said.silent and one.author in {*charter.members, one.of}))
        )

    def _frozen(self, ballot: Ballot) -> str:
        """A proposal above the place where its ledger froze is decided by nobody, unless enough had it before."""
        scan = self.lines[ballot.one.origin]
        doubts = tuple(one for one in self._freeze(scan, ballot) if one.covers(ballot.one))
        if not doubts or self._holds(ballot.one, self.kept(ballot, doubts)):
            return ""
        return f"stands where the ledger of {ballot.act.author} is frozen"

    def _counting(self, scan: Ledger, ballot: Ballot) -> int:
        """Up to where the acknowledges of a frozen ledger still count: where it froze, or what enough others had."""
        doubts = self._freeze(scan, ballot)
        return max(min(one.since for one in doubts), self.kept(ballot, doubts).get(scan.origin, 0))

    def kept(self, ballot: Ballot, doubts: tuple[Doubt, ...]) -> Mapping[str, int]:
        """How much of each ledger enough confirmers acknowledged before they knew of any of these.

        An acknowledge of a frozen ledger counts here below the place where it froze, and its word on itself.
        """
        ledgers = tuple(ballot.ledgers[party] for party in ballot.confirmers if party in ballot.ledgers)
        key = (ballot.partnership, ballot.confirmers, ballot.quorum, tuple(scan.origin for scan in ledgers), doubts)
        if key not in self._reach:
            sizes: dict[str, list[int]] = defaultdict(list)
            for scan in ledgers:
                stop = min((one.since for one in self._freeze(scan, ballot)), default=scan.readable)
                for origin, size in self._unaware(scan, ballot, doubts, stop)[0].items():
                    sizes[origin].append(size)
                sizes[scan.origin].append(scan.readable)
            w = ballot.quorum
            self._reach[key] = {o: sorted(s, reverse=True)[w - 1] for o, s in sizes.items() if 0 < w <= len(s)}
        return self._reach[key]

    def _unaware(
        self, scan: Ledger, ballot: Ballot, doubts: tuple[Doubt, ...], stop: int
    ) -> tuple[Mapping[str, int], bool]:
        """What one ledger's acknowledges before `stop` vouch for until they know of one of these; and whether they do."""
        best: dict[str, int] = {}
        for ack in self.acks[scan.origin]:
            if ack.index >= min(stop, scan.readable) or self._awaits(ack):
                break
            if any(one.known_to(ack) for one in doubts):
                return best, True
            for origin, size in self._heads(ack).items() if self._counts(ack, ballot) else ():
                if origin != scan.origin:
                    best[origin] = max(best.get(origin, 0), size)
        return best, any(origin == scan.origin for one in doubts for _, origin, _ in one.said)

    def _lapsed(self, consent: Said, ballot: Ballot) -> bool:
        """Whether a consent in doubt can count nowhere any more: every other confirmer knows of the dispute, and none had
        acknowledged the consent before. So whoever still counts it has too few ledgers, and its author may refuse."""
        doubts = tuple(one for one in self._doubts(consent, ballot) if one.key)
        others = [party for party in ballot.confirmers if party != consent.stated.act.author]
        if not doubts or any(party not in ballot.ledgers for party in others):
            return False
        for party in others:
            scan = ballot.ledgers[party]
            best, knows = self._unaware(scan, ballot, doubts, scan.readable)
            if not knows or best.get(consent.stated.origin, 0) > consent.stated.index:
                return False
        return True

    def _counts(self, ack: Stated, ballot: Ballot) -> bool:
        """One that is not open to all who confirm would confirm for some of them only."""
        return ack.act.partnership == ballot.partnership and not hidden_from(ack.act, ballot.confirmers)

    def _read(self, scan: Ledger, ballot: Ballot) -> Reach:
        """The same of all its acknowledges, each read once; those that name more than is held wait for it."""
        key = (scan.origin, ballot.partnership, ballot.confirmers)
        found = self._reached.setdefault(key, Reach(0, {}, {}))
        for origin, heads in found.ahead.items():
            there = self.scans[origin]
            while heads and heads[0][0] <= there.size:
                size, counted, root = heads.pop(0)
                self._vouch(found, there, size, counted, root)
        acks = self.acks[scan.origin]
        for at in range(found.read, len(acks)):
            if self._awaits(acks[at]):
                break
            ack, found.read = acks[at], at + 1
            assert isinstance(ack.act, a.Acknowledge)
            owed = {one.origin: min(one.entries, default=0) for one in ack.act.owed}
            for head in ack.act.heads if self._counts(ack, ballot) else ():
                held = self.scans.get(head.origin)
                if held is None or self.place(head.origin, 0)[0] == scan.origin:
                    continue
                counted = min(head.size, owed.get(head.origin, head.size))
                if head.size > held.size:
                    bisect.insort(found.ahead.setdefault(head.origin, []), (head.size, counted, head.root))
                else:
                    self._vouch(found, held, head.size, counted, head.root)
        for origin, heads in found.ahead.items():
            if heads:
                self.ahead[origin] = min(self.ahead.get(origin, heads[0][0]), heads[0][0])
        return found

    def _vouch(self, found: Reach, held: Scan, size: int, counted: int, root: str) -> None:
        origin, reached = self.place(held.origin, counted)
        if reached > found.best.get(origin, 0) and _is_root(held, size, root):
            found.best[origin] = reached

    def _heads(self, ack: Stated) -> dict[str, int]:
        """origin -> entries that an acknowledge vouches for: its root is the reader's own, and none of them is owed.

        An acknowledgement of another branch does not count here: it is a fork in the making.
        """
        assert isinstance(ack.act, a.Acknowledge)
        owed = {one.origin: min(one.entries, default=0) for one in ack.act.owed}
        found: dict[str, int] = {}
        for head in ack.act.heads:
            scan = self.scans.get(head.origin)
            if scan is not None and _is_root(scan, head.size, head.root):
                origin, size = self.place(head.origin, min(head.size, owed.get(head.origin, head.size)))
                found[origin] = max(size, found.get(origin, 0))
        return found

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
        base, terms = Ballot(one=one, partnership=self.partnership), _terms(one.act.what, root)
        if not isinstance(terms, a.Engagement):
            return replace(base, waits="members settle it among themselves")
        members = tuple(member.party for member in terms.members)
        named = {terms.party: (terms.origin, terms.inception)}
        named |= {member.party: (member.origin, member.inception) for member in terms.members}
        ledgers = {party: scan for party, at in named.items() if (scan := self.ledger(*at)) is not None}
        bound = () if isinstance(one.act.what, a.Ending) else (terms.party,)
        return replace(
            base, voters=(*members, *bound), confirmers=members, quorum=terms.confirm, ledgers=ledgers,
            fault=_chain_fault(one.act, root, ended=False),
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

    # ---- a party that goes on in another ledger ------------------------------------------------------------------

    def accepted_by(self, link: Link, version: Version) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Members whose ledgers acknowledge a later ledger before any other after the same; and which of these had
        acknowledged no more of the former than it takes over, on this reader's branch."""
        rivals = {one.later for one in claims(self.scans) if one.former == link.former}
        author = self.scans[link.later].party
        told, clean = [], []
        for party in version.charter.members:
            scan = version.ledgers.get(party)
            if party == author or scan is None:
                continue
            more = False
            for ack in self.acks[scan.origin]:
                if ack.index >= scan.readable or ack.act.partnership != self.partnership:
                    continue
                assert isinstance(ack.act, a.Acknowledge)
                heads = {head.origin: head for head in ack.act.heads}
                old, new = heads.get(link.former), rivals & heads.keys()
                former = self.scans[link.former]
                if new:
                    head = heads.get(link.later)
                    if head is not None and head.size and _is_root(self.scans[link.later], head.size, head.root):
                        told.append(party)
                        clean += [] if more else [party]
                    break
                if old is not None and old.size > link.size:
                    # Of another branch than this reader's it says nothing here; until that is known it might.
                    own = former.root_at(old.size)
                    more = more or own is None or own.hex() == old.root
        return tuple(told), tuple(clean)

    def accepts(self, link: Link) -> bool:
        """Whether a ledger goes on after another: under some charter w members say so, its own among them, and too few
        are left that could have confirmed what it leaves out. Who holds no charter goes by the keys."""
        author = self.scans[link.later].party
        for version in self.versions:
            members = version.charter.members
            told, clean = self.accepted_by(link, version)
            w, own = self.quorum(members, version.charter.confirm), author in members
            if len(told) + own >= w and (len(members) - len(clean) < w or members == (author,)):
                return True
        return not self.versions

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


def day_of(time: int) -> str:
    return dt.datetime.fromtimestamp(time / 1000, dt.UTC).date().isoformat()


def _on(notice: Stated) -> str:
    assert isinstance(notice.act, a.Withdraw)
    return notice.act.on


def _said_at(*stated: Stated) -> tuple[tuple[str, str, int], ...]:
    return tuple(sorted((one.id, one.origin, one.index) for one in stated))


def _is_root(scan: Scan, size: int, root: str) -> bool:
    own = scan.root_at(size)
    return own is not None and own.hex() == root


def _place(one: Stated) -> tuple[str, int]:
    return one.origin, one.index


def _again(reach: Reach) -> Reach:
    return Reach(reach.read, dict(reach.best), {origin: heads[:] for origin, heads in reach.ahead.items() if heads})


def _moved(version: Version, scans: Mapping[str, Ledger]) -> Version:
    """The same version with its ledgers as far as they are read now."""
    return replace(version, ledgers={party: scans[scan.origin] for party, scan in version.ledgers.items()})


# ---- faults that the bytes and the charter alone show ---------------------------------------------------------------


def _slot(act: a.Propose) -> Slot:
    """(partnership, subject, n, prev), empty for what is absent."""
    partnership = "" if isinstance(act.partnership, UnsetType) else act.partnership
    return partnership, act.subject, act.n, "" if isinstance(act.prev, UnsetType) else act.prev


def hidden_from(act: a.Act, parties: Iterable[str]) -> str:
    """Which of these parties cannot open an act that they must be able to open."""
    if isinstance(act.readers, UnsetType):
        return ""
    hidden = sorted(set(parties) - set(act.readers))
    return f"is not addressed to {', '.join(hidden)}" if hidden else ""


def hides(answer: a.Act, answered: a.Act) -> str:
    """Audience closure: whoever may open an act may open what answers it."""
    if isinstance(answered.readers, UnsetType) or isinstance(answer.readers, UnsetType):
        return ""
    hidden = sorted(set(answered.readers) - set(answer.readers))
    return f"is not open to {', '.join(hidden)}, who may open what it answers" if hidden else ""


def _voice(one: Stated, ballot: Ballot) -> Voice:
    if isinstance(one.act, a.Consent):
        return "consent"
    assert isinstance(one.act, a.Refuse)
    return "veto" if ballot.poll is not None and ballot.poll.is_veto(one.act.reason) else "refuse"


def _deadline_fault(act: a.Propose, asked: Poll) -> str:
    """A rule by which silence speaks, or that leaves time, asks for a deadline, and for one that leaves that time."""
    if not asked.needs_deadline:
        return ""
    if isinstance(act.by, UnsetType):
        return f"names no deadline, and clause {asked.rule.clause} asks for one"
    if act.by - act.at < asked.rule.open_days * MS_PER_DAY:
        return f"leaves less than the {asked.rule.open_days} days of clause {asked.rule.clause}"
    return ""


def _vote_fault(one: Stated, ballot: Ballot) -> str:
    """What is wrong with a vote by itself."""
    act, proposal = one.act, ballot.act
    assert isinstance(act, a.Consent | a.Refuse)
    founding = isinstance(proposal.partnership, UnsetType)
    if act.partnership != (ballot.one.id if founding else proposal.partnership):
        return "names another partnership"
    if hides(act, proposal):
        return hides(act, proposal)
    if isinstance(act, a.Consent):
        if isinstance(act.sight, UnsetType) and not founding:
            return "does not say what it had seen"
        if not isinstance(act.under, UnsetType) and act.under != proposal.under:
            return "is given under another charter version than the proposal"
        if not isinstance(proposal.by, UnsetType) and act.at > proposal.by:
            return "comes after the proposal's deadline"
        window = ballot.caretaker(act.author, act.at)
        if window is not None:
            return f"is dated in the caretaker period of {act.author} (clause {window.clause})"
    return ""


def _unlisted(members: Iterable[str], directory: charters.Parties) -> str:
    unlisted = sorted(set(members) - {pin.id for pin in directory.parties})
    return f"the party list does not name {', '.join(unlisted)}" if unlisted else ""


def _membership_fault(what: a.What, before: Sequence[str], after: Sequence[str]) -> str:
    """An admission admits this party and nobody else, an expulsion expels it and nobody else."""
    old, new = set(before), set(after)
    if isinstance(what, a.Admission) and new != old | {what.party}:
        return f"its charter does more or less than admit {what.party}"
    if isinstance(what, a.Expulsion) and (new != old - {what.party} or what.party not in old):
        return f"its charter does more or less than expel {what.party}"
    return ""


def kind_of_what(what: a.What) -> str:
    """The charter's word for the rule that decides this proposal."""
    return {
        a.CharterText: "charter",
        a.Admission: "admit",
        a.Expulsion: "expel",
        a.ProjectTerms: "project",
        a.Engagement: "engage",
        a.Renewal: "renew",
        a.Ending: "end",
    }[type(what)]


def _subject_fault(act: a.Propose) -> str:
    wanted = {
        "charter": (a.CharterText, a.Admission, a.Expulsion),
        "project": (a.ProjectTerms, a.Ending),
        "engagement": (a.Engagement, a.Renewal, a.Ending),
    }[act.subject.partition("/")[0]]
    fits = isinstance(act.what, wanted)
    return "" if fits else f"a {kind_of_what(act.what)} proposal does not belong under {act.subject}"


def _terms(what: a.What, root: Stated | None) -> a.Engagement | a.ProjectTerms | None:
    """The terms that a proposal states, renews or ends."""
    if isinstance(what, a.Engagement | a.ProjectTerms):
        return what
    named = root.act.what if root is not None and isinstance(root.act, a.Propose) else None
    return named if isinstance(named, a.Engagement | a.ProjectTerms) else None


def _chain_fault(act: a.Propose, root: Stated | None, *, ended: bool) -> str:
    """What renews or ends names the terms in force, and is open to whoever reads those."""
    if not isinstance(act.what, a.Renewal | a.Ending):
        return ""
    if root is None or act.what.of != root.id:
        return "does not name the terms that it renews or ends"
    return "what it names has ended" if ended else hides(act, root.act)


def _amendment(what: a.What, before: charters.Charter, after: charters.Charter) -> Matter:
    """What a change of the charter is about."""
    expelled = (what.party,) if isinstance(what, a.Expulsion) else ()
    admitted = what.party if isinstance(what, a.Admission) else ""
    return Matter(
        act=kind_of_what(what),
        grade=next((one.grade for one in after.parties if one.id == admitted), ""),
        sections=charters.sections_touched(before, after),
        concerned=(*expelled, *charters.newly_suspended(before, after)),
    )


def project_of(one: Stated, what: a.ProjectTerms) -> charters.Project:
    """A project that an act begins, in the charter's own shape. Its clause is the act."""
    return charters.Project(
        id=what.project,
        name=what.name,
        pillar=what.pillar,
        areas=what.areas,
        participants=what.participants,
        instrument="" if isinstance(what.instrument, UnsetType) else what.instrument,
        term=charters.Span(first=what.term.since, last=what.term.last),
        clause=one.id,
    )


def _homes(charter: charters.Charter, project: str, begun: Sequence[charters.Project]) -> tuple[charters.Project, ...]:
    """What the charter and acts in force say a project is."""
    return (*(one for one in charter.projects if one.id == project), *begun)


def engagement_fault(
    charter: charters.Charter,
    directory: charters.Parties | None,
    what: a.Engagement,
    homes: Sequence[charters.Project],
) -> str:
    """Why these terms cannot be agreed under this charter and party list.

    homes: what the project is or has been: one of them has the areas, in a pillar that is open.
    """
    if what.party in charter.members:
        return f"{what.party} is a member and needs no engagement"
    if not homes:
        return f"there is no project {what.project}"
    open_ = {pillar.id for pillar in charter.pillars if pillar.access != "closed"}
    entered = [one for one in homes if one.pillar in open_]
    if not entered:
        return f"pillar {homes[0].pillar} is closed to outsiders"
    if not what.areas or all(set(what.areas) - set(one.areas) for one in entered):
        return "its areas are not areas of the project"
    days = charter.on_suspend.answer_days if charter.on_suspend.recall else None
    repeated = None if isinstance(what.recall_days, UnsetType) else what.recall_days
    if (what.confirm, repeated) != (charter.confirm, days):
        return "it repeats confirmation or recall otherwise than the charter"
    if tuple(one.party for one in what.members) != charter.members:
        return "it repeats the members otherwise than the charter"
    if directory is None:
        return ""
    pins = {pin.id: (pin.inception, pin.origin) for pin in directory.parties}
    if any(pins.get(one.party) != (one.inception, one.origin) for one in what.members):
        return "it names another ledger of a member than the party list"
    if pins.get(what.party, (what.inception, what.origin)) != (what.inception, what.origin):
        return f"it names another ledger of {what.party} than the party list"
    return ""


# ---- texts ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def load_charter(data: bytes) -> charters.Charter | None:
    try:
        return charters.load(charters.read(data, "charter"))
    except ReltoError:
        return None


@lru_cache(maxsize=64)
def load_parties(data: bytes) -> charters.Parties | None:
    try:
        return charters.load_parties(charters.read(data, "parties"))
    except ReltoError:
        return None
