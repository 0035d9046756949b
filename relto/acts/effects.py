"""What one party may state alone, and what that does. Rights come from its own acts only; denials are united.

* A party speaks in the ledgers that charters and engagements name for it, and in no other.
* It speaks for itself: its organisations, its items, its releases, the law that it adopts. Where it speaks for another
  the act is void, with the reason.
* Whoever may open an act may open what answers it; an answer hidden from one of them is void for all.
* What an act answers and this reader does not hold cannot be judged here: it has no effect, and is not void either.
* A denial counts on sight, and adding one never adds a right.

Source: spec/register.md, "What each kind does".
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec
from msgspec import UnsetType
from msgspec.structs import replace

from relto import charter as charters
from relto import law
from relto.acts import act as a
from relto.acts.envelope import satisfied
from relto.acts.grown import Listed, Map, Sorted, Trail
from relto.acts.register import (
    AdoptedPack,
    Attestation,
    Denial,
    Determination,
    EngagementState,
    EvidenceState,
    ItemState,
    LicenceState,
    RecallState,
    ReleaseState,
    RosterState,
)
from relto.acts.scan import UNTAGGED, Scan, Stated, Void, kind_of, readers_of
from relto.acts.table import registered
from relto.acts.votes.ballot import day_of, hidden_from, hides, project_of
from relto.acts.votes.doubt import fork_fault, freezes
from relto.acts.votes.epochs import claims, fault, parts_of
from relto.acts.votes.slots import Slots
from relto.errors import Malformed, ReltoError
from relto.law.condition import AllOf, AnyOf, ClearOf, Not, OfAct, Test

Dated = tuple[str, str, str, int]  # (party, act, answer, time)
Place = tuple[str, int]  # (origin, index)

# What a member may say before there is a charter that it could cite.
WITHOUT_CHARTER = frozenset({"acknowledge", "consent", "refuse", "return", "settle", "evidence"})


class Effects:
    """One run over the ledgers. The attributes are the parts of a register; each method makes one of them.

    `follow` gives the same for more acts, where these add to what there is and change nothing that was derived before.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots, self.me = slots, slots.me
        self.basis = object()  # the same one as long as only `is_quiet` acts have come
        self.version = slots.versions[-1] if slots.versions else None
        self.charter = self.version.charter if self.version else None
        self.members = self.charter.members if self.charter else ()
        self.rejected: Map[Place, Void] = Map()
        self.awaited: Map[str, int] = Map()  # ids of acts, and items, that acts here name and nobody has shown yet
        self.missing: set[str] = set(slots.missing)
        self.doubles: list[str] = []  # ledgers that claim another's name
        self.stops = {link.former: link.size for link in slots.links}  # of a ledger that another goes on after
        self.speakers = self._speakers()
        self.by_party = {party: scans[-1] for party, scans in sorted(self.speakers.items())}
        self.stated = Map(
            {one.id: one for scans in self.speakers.values() for scan in scans for one in scan.stated}, place_of
        )
        self.live = self._live()
        self.disputes: set[str] = set()  # those that count
        self._check_proofs()
        self.freezes = {o: one for o, one in freezes(self.live["fork"], slots.scans).items() if o not in self.stops}
        self.doubted: dict[str, str] = {}  # of `disputed`: what a fork, or a dispute of version 3, casts doubt on
        self.disputed = self._disputed()
        self.halted = self._halted()
        self.revoked = self._revoked()
        self.denials = self._denials()
        self.projects = self._projects()
        self.engagements = self._engagements()
        self.labels: Map[tuple[str, int], tuple[str, ...]] = Map()  # the acts that set an item's label, in order
        self.opaque: Map[tuple[str, str], int] = Map()  # (party, opaque id) -> where it is taken
        self.items: Map[str, tuple[ItemState, ...]] = Map()
        self._register_items()
        self.licences: Map[str, LicenceState] = Map()
        self.releases: Map[str, ReleaseState] = Map(order=_release_place)
        self._grant_licences()
        for one in (*self.live["release"], *self.live["receipt"]):
            self._add(one)
        self.packs = self._packs()
        self.judged: Map[tuple[object, ...], tuple[tuple[bool, str], int]] = Map()
        # Those that say no stand last.
        self.determinations: Sorted[tuple[bool, str], Determination] = Sorted()
        self.attestations: Sorted[str, Attestation] = Sorted()
        self.evidence: Sorted[str, EvidenceState] = Sorted()
        self.rosters: dict[str, RosterState] = {}
        self.acks: dict[str, tuple[str, a.Acknowledge]] = {}
        self.acked: Trail[str] = Trail()  # those of members that all members can open
        self.said: Map[bytes, tuple[tuple[str, str], ...]] = Map()  # vector of heads -> (member, common digest)
        self.discord: dict[bytes, str] = {}  # by vector, in words
        for kind in ("determine", "return", "settle", "attest", "roster", "evidence", "acknowledge"):
            for one in self.live[kind]:
                self._add(one)
        self.leaving, self.introduced = self._leaving(), self._introduced()
        self.recalls = self._recalls()
        self.forks = sorted(one.id for one in self.live["fork"] if not hidden_from(one.act, self.members))
        self._check_disclosures()

    # ---- more acts

    def follow(self, slots: Slots, fresh: Iterable[Stated]) -> Effects | None:
        """The same after more acts; None when they may change what earlier ones did: then all is derived anew."""
        if not self._settled(slots):
            return None
        fresh = list(fresh)
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Map | Trail):
                setattr(other, name, value.copy())
        other.slots = slots
        other.version = slots.versions[-1] if slots.versions else None
        other.missing = self.missing | slots.missing
        other.speakers = {party: [slots.scans[scan.origin] for scan in scans] for party, scans in self.speakers.items()}
        other.by_party = {party: scans[-1] for party, scans in sorted(other.speakers.items())}
        spoken = [one for one in fresh if slots.scans[one.origin] in other.speakers.get(one.act.author, ())]
        other.stated = self.stated.plus({one.id: one for one in spoken})
        for one in sorted(spoken, key=lambda one: (_RANK.get(kind_of(one.act), len(_RANK)), one.act.author, one.index)):
            if not other._may_add(one):
                return None
            why = other._inert(one)
            if why:
                other.reject(one, why)
            elif not other._add(one):
                return None
        if not self._quietly(slots, fresh, spoken, other):
            other.basis = object()
        return other

    def _quietly(self, slots: Slots, fresh: Sequence[Stated], spoken: Sequence[Stated], other: Effects) -> bool:
        """Whether nothing has come but releases and receipts, of parties that speak where they stand."""
        known = slots.proposals is self.slots.proposals and slots.freezes is self.slots.freezes
        same = known and len(spoken) == len(fresh) and other.missing == self.missing
        grown = (
            (slots.scans[origin].owed, slots.scans[origin].void, scan.owed, scan.void)
            for origin, scan in self.slots.scans.items()
            if slots.scans[origin] is not scan
        )
        seen = all(len(owed) == len(before) and len(void) == len(was) for owed, void, before, was in grown)
        return same and seen and all(is_quiet(one.act) for one in spoken)

    def _settled(self, slots: Slots) -> bool:
        """Whether the joint decisions are those that were."""
        before = self.slots
        if slots.proposals is before.proposals:
            return True
        decided = [{id_: p.state for id_, p in one.proposals.items() if p.state != "open"} for one in (before, slots)]
        foundings = [
            sum(p.subject == "charter" and p.n == 1 for p in one.proposals.values()) for one in (before, slots)
        ]
        voters = all(slots.proposals[id_].voters == p.voters for id_, p in before.proposals.items())
        return decided[0] == decided[1] and foundings[0] == foundings[1] and voters

    def _may_add(self, one: Stated) -> bool:
        """Whether nothing here waits for this act or casts doubt on it, and it stands behind all that its party said."""
        if (
            kind_of(one.act) not in _ADDS
            or one.id in self.awaited
            or one.origin != self.by_party[one.act.author].origin
            or one.origin in self.freezes
        ):
            return False
        for said in self.live["dispute"]:
            assert isinstance(said.act, a.Dispute)
            if said.act.party == one.act.author and said.act.key in one.signed.key_ids:
                return False
        return True

    def _add(self, one: Stated) -> bool:
        """One act that counts, of a kind that adds. False when it does not just add."""
        add = _ADDS[kind_of(one.act)]
        return add is None or add(self, one)

    @property
    def alarms(self) -> list[str]:
        halted = {
            f"{name.partition('/')[2]} came in by votes in doubt (act {act[:8]}) and gives no right until agreed anew"
            for name, act in self.halted.items()
        }
        return sorted({*self.slots.alarms, *self.doubles, *self.discord.values(), *halted})

    def void(self) -> Listed[Void]:
        """Everything that does not count, in the order of the ledgers, each with the first reason."""

        def listed() -> Iterator[Void]:
            found = dict(self.rejected.items())
            for one in (
                *reversed(self.slots.void),
                *(void for scan in self.slots.scans.values() for void in scan.void),
            ):
                found[one.origin, one.index] = one
            return (found[place] for place in sorted(found))

        return Listed(listed)

    def common(self) -> str:
        """Digest over what is for all members: party chains, charters, slots, acknowledgements, forks, adopted law."""
        slots, members = self.slots, self.members
        view = {
            "parties": {p: [span.id for span in self.by_party[p].chain] for p in members if p in self.by_party},
            "charter": [one.id for one in slots.versions],
            "slots": {
                id_: [one.state, sorted((v.party, v.vote, v.act) for v in one.votes if not v.void and v.confirmed)]
                for id_, one in slots.proposals.items()
            },
            "acks": sorted(self.acked),
            "forks": self.forks,
            "packs": {name: [one.digest for one in adopted] for name, adopted in self.packs.items()},
        }
        return hashlib.sha256(msgspec.json.encode(view, order="sorted")).hexdigest()

    def why_void(self, origin: str, index: int) -> str:
        """Why the entry there does not count; empty when it does."""
        scan = self.slots.scans.get(origin)
        found = [one for one in reversed(scan.void if scan is not None else ()) if one.index == index][:1]
        found += [one for one in self.slots.void if (one.origin, one.index) == (origin, index)]
        rejected = self.rejected.get((origin, index))
        return next((one.why for one in (*found, *([rejected] if rejected else []))), "")

    # ---- who speaks -------------------------------------------------------------------------------------------------

    def _speakers(self) -> dict[str, list[Scan]]:
        """party -> its ledgers, newest last: those of every party list, of the engagements in force, else of whoever
        first claims the name. A ledger that claims a name which is spoken for is an alarm and nothing more."""
        found: dict[str, list[Scan]] = defaultdict(list)
        named: set[str] = set()
        for version in self.slots.versions:
            named |= {pin.id for pin in version.directory.parties}
            for party, ledger in version.ledgers.items():
                found[party] += [scan for scan, _ in parts_of(ledger) if scan not in found[party]]
        for terms in self._agreed_terms():
            pins = [(member.party, member.origin, member.inception) for member in terms.members]
            for party, origin, inception in [*pins, (terms.party, terms.origin, terms.inception)]:
                agreed = self.slots.ledger(origin, inception)
                if party not in named and agreed is not None:
                    found[party] += [scan for scan, _ in parts_of(agreed) if scan not in found[party]]
        named |= {party for party, scans in found.items() if scans}
        waiting = self._waiting()
        for scan in (self.slots.scans[origin] for origin in sorted(self.slots.scans)):
            if scan.party is None or scan in found[scan.party]:
                continue
            if scan.origin in waiting:
                self.doubles.append(waiting[scan.origin])
            elif scan.party in named:
                self.doubles.append(f"{scan.origin} claims to be {scan.party}, and another ledger is named for it")
            elif found[scan.party]:
                self.doubles.append(
                    f"two ledgers claim to be {scan.party}: {found[scan.party][0].origin}, {scan.origin}"
                )
            else:
                found[scan.party] += [one for one, _ in parts_of(self.slots.lines[scan.origin])]
        return {party: scans for party, scans in found.items() if scans}

    def _waiting(self) -> dict[str, str]:
        """origin -> why a ledger that claims to go on after another does not speak, or not yet."""
        found, slots = {}, self.slots
        for link in claims(slots.scans):
            if link in slots.links:
                continue
            party, why = slots.scans[link.later].party, fault(link, slots.scans)
            told = slots.accepted_by(link, self.version)[0] if self.version and not why else ()
            why = why or f"acknowledged so far by {', '.join(told) or 'no member'}"
            found[link.later] = f"{party} begins {link.later} after {link.size} entries of {link.former}: {why}"
        return found

    def _agreed_terms(self) -> Iterator[a.Engagement]:
        for one in sorted(self.slots.proposals.values(), key=lambda p: (p.subject, p.n)):
            what = one.stated.act.what if isinstance(one.stated.act, a.Propose) else None
            if one.state == "in_force" and isinstance(what, a.Engagement):
                yield what

    def _live(self) -> dict[str, list[Stated]]:
        """kind -> what counts of it, by party and then in order."""
        found: dict[str, list[Stated]] = defaultdict(list)
        for party in sorted(self.speakers):
            for scan in self.speakers[party]:
                for one in scan.stated:
                    why = self._inert(one)
                    if one.index >= self.stops.get(one.origin, one.index + 1):
                        why = "stands beyond what the ledger after it takes over"
                    if why:
                        self.reject(one, why)
                    else:
                        found[kind_of(one.act)].append(one)
        return found

    def _inert(self, one: Stated) -> str:
        """Acts of another partnership do nothing here; what grants also names a charter that is in force here."""
        act, kind = one.act, kind_of(one.act)
        if isinstance(act, (*a.PARTY_CHAIN, a.Introduce, a.Fork)):
            return ""
        if isinstance(act, a.Propose) and isinstance(act.partnership, UnsetType):
            return ""
        if act.partnership != self.slots.partnership:
            founding = self.slots.proposals.get(str(act.partnership))
            joining = founding is not None and founding.subject == "charter" and founding.n == 1
            if joining and isinstance(act, a.Acknowledge | a.Consent | a.Refuse | a.Return):
                return ""  # said on another founding: it is judged there, and does nothing else
            return "belongs to another partnership"
        if kind in a.DENIALS or not self.version or kind in WITHOUT_CHARTER:
            return ""
        if isinstance(act.under, UnsetType):
            return "names no charter" if act.author in self.slots.versions[0].charter.members else ""
        return "" if self.slots.version(act.under) else "names a charter that is not in force here"

    def reject(self, one: Stated, why: str) -> None:
        if (one.origin, one.index) not in self.rejected:
            void = Void(one.origin, one.index, one.id, kind_of(one.act), why)
            self.rejected.push((one.origin, one.index), void)

    def wait(self, *named: str) -> None:
        for one in named:
            self.awaited.push(one, 1)

    # ---- what answers what ------------------------------------------------------------------------------------------

    def _answered(self, one: Stated, id_: str, *kinds: type[a.Act]) -> Stated | None:
        """The act that this one answers, when it is held here and the answer is open to all its readers."""
        target = self.slots.stated.get(id_)
        if target is None:
            self.wait(id_)
            return None
        if not isinstance(target.act, kinds):
            self.reject(one, f"a {kind_of(one.act)} cannot be about a {kind_of(target.act)}")
            return None
        why = hides(one.act, target.act)
        if why:
            self.reject(one, why)
            return None
        return target

    def _own(self, one: Stated, id_: str, *kinds: type[a.Act]) -> Stated | None:
        """The same for what only the author of an act may do to it, later in the same ledger."""
        target = self._answered(one, id_, *kinds)
        if target is not None and not self._precedes(target, one):
            self.reject(one, f"is not about an earlier {kind_of(target.act)} of its own ledger")
            return None
        return target

    def _precedes(self, target: Stated, one: Stated) -> bool:
        """Whether an act stands before another among what one party said."""
        (origin, at), (own, index) = self.slots.seat(target), self.slots.seat(one)
        return origin == own and at < index and target.index < self.stops.get(target.origin, target.index + 1)

    # ---- denials ----------------------------------------------------------------------------------------------------

    def _disputed(self) -> dict[str, str]:
        """act id -> what casts doubt on it: a fork of its ledger below it, or the dispute of a key that signed it.

        A party disputes its own keys, a member anybody's.
        """
        for freeze in self.freezes.values():
            if freeze.size is not None:
                stated = self.slots.scans[freeze.origin].stated
                self.doubted |= {said.id: freeze.act for said in stated if said.index >= freeze.size}
        found = dict(self.doubted)
        for one in self.live["dispute"]:
            act = one.act
            assert isinstance(act, a.Dispute)
            if act.author != act.party and self.charter and act.author not in self.members:
                self.reject(one, f"{act.author} is neither a member nor {act.party}")
                continue
            self.disputes.add(one.id)
            for scan in self.speakers.get(act.party, ()):
                for said in scan.stated:
                    if said.index >= act.index and act.key in said.signed.key_ids:
                        found.setdefault(said.id, one.id)
                        if act.votes is True:
                            self.doubted.setdefault(said.id, one.id)
        return found

    def _halted(self) -> dict[str, str]:
        """What came in by votes in doubt and has not been agreed anew since: projects, and parties that a charter let in.

        It stays decided and gives no right. A founding is not doubted: there is nothing from before it to go back to.
        """
        found: dict[str, str] = {}
        for one in sorted(self.slots.proposals.values(), key=lambda p: (p.subject, p.n)):
            if one.state == "in_force" and one.subject.startswith("project/"):
                doubt = self._doubt_of(one.id)
                if doubt or (isinstance(one.stated.act, a.Propose) and isinstance(one.stated.act.what, a.ProjectTerms)):
                    found.pop(one.subject, None)
                found |= {one.subject: doubt} if doubt else {}
        versions = self.slots.versions
        for before, version in itertools.pairwise(versions):
            doubt, signing = self._doubt_of(version.id), version.charter.signatories
            since = {f"party/{one}" for one in signing} - {f"party/{one}" for one in before.charter.signatories}
            found = {name: act for name, act in found.items() if doubt or not name.startswith("party/")}
            found |= dict.fromkeys(since, doubt) if doubt else {}
        return found

    def _doubt_of(self, proposal: str) -> str:
        """What casts doubt on a consent by which a proposal is in force; empty for none."""
        acts = self.slots.proposals[proposal].consents
        return next((self.doubted[act] for act in acts if act in self.doubted), "")

    def _revoked(self) -> dict[str, str]:
        """act id -> what ended it: an own revocation, or the dispute of its key."""
        found: dict[str, str] = {}
        for one in self.live["revoke"]:
            assert isinstance(one.act, a.Revoke)
            target = self._own(one, one.act.act, a.Attest, a.Licence, a.Determine)
            if target is not None:
                found.setdefault(target.id, one.id)
        return {**self.disputed, **found}

    def _denials(self) -> frozenset[Denial]:
        """(author, subject), united; a suspension is lifted by its author only, later in the same ledger."""
        lifted = set()
        for one in self.live["lift"]:
            assert isinstance(one.act, a.Lift)
            target = self._own(one, one.act.suspend, a.Suspend)
            lifted |= {target.id} if target is not None and one.id not in self.doubted else set()
        found = {
            Denial(author=one.act.author, subject=one.act.engagement, kind="suspend", act=one.id)
            for one in self.live["suspend"]
            if isinstance(one.act, a.Suspend) and one.id not in lifted and self._may_suspend(one)
        }
        for one in self.live["dispute"]:
            if isinstance(one.act, a.Dispute) and one.id in self.disputes:
                found.add(Denial(author=one.act.author, subject=one.act.key, kind="dispute", act=one.id))
        for one in self.live["recall"]:
            if isinstance(one.act, a.Recall) and self._own(one, one.act.release, a.Release):
                found.add(Denial(author=one.act.author, subject=one.act.release, kind="recall", act=one.id))
        return frozenset(found)

    def _may_suspend(self, one: Stated) -> bool:
        """By the charter's clause; where there is none to read, those whose consent was required."""
        assert isinstance(one.act, a.Suspend)
        target = self._answered(one, one.act.engagement, a.Propose)
        if target is None:
            return False
        proposal = self.slots.proposals.get(target.id)
        if not isinstance(target.act, a.Propose) or not isinstance(target.act.what, a.Engagement):
            self.reject(one, "is not about an engagement")
            return False
        clause = self.charter.suspension.by if self.charter else "those_whose_consent_was_required"
        voters = proposal.voters if proposal is not None else ()
        entitled = {"any_member": self.members, "owner": (target.act.author,)}.get(clause, voters)
        if entitled and one.act.author not in entitled:
            self.reject(one, f"{one.act.author} may not suspend it")
            return False
        return True

    def _check_proofs(self) -> None:
        """A fork proof that holds freezes a ledger, whoever shows it; one that does not hold is void."""
        for one in self.live["fork"]:
            assert isinstance(one.act, a.Fork)
            scan = self.slots.scans.get(one.act.origin)
            why = fork_fault(one.act, scan) if scan is not None and scan.chain else ""
            if why:
                self.reject(one, f"proves no fork: {why}")

    def _leaving(self) -> dict[str, str]:
        """party -> the first day on which a notice of its counts. Notice cannot be given for a day that is past."""
        found: dict[str, str] = {}
        for one in self.live["withdraw"]:
            assert isinstance(one.act, a.Withdraw)
            day = max(one.act.on, day_of(one.time))
            day = self.charter.withdrawal.effective(day) if self.charter else day
            found[one.act.author] = min(day, found.get(one.act.author, day))
        return found

    def _check_disclosures(self) -> None:
        self.disclosed: dict[str, set[int]] = defaultdict(set)  # party -> entries that it says it opened to this reader
        for one in self.live["disclose"]:
            self._disclosed(one)

    def _disclosed(self, one: Stated) -> bool:
        act = one.act
        assert isinstance(act, a.Disclose)
        if act.to not in readers_of(act):
            self.reject(one, f"is not open to {act.to}")
        elif max(act.entries) >= one.index:
            self.reject(one, "opens entries that come after it")
        elif act.to == self.me and one.origin == self.by_party[act.author].origin:
            self.disclosed = defaultdict(set, self.disclosed)
            self.disclosed[act.author] = self.disclosed[act.author] | set(act.entries)
        return True

    def owed(self) -> dict[str, tuple[int, ...]]:
        """party -> entries that are for this reader and not open: by a tag, or by a disclosure that names it."""
        found: dict[str, set[int]] = {party: set(scan.owed) for party, scan in self.by_party.items()}
        for party, entries in self.disclosed.items():
            found[party] |= {index for index in entries if not self.by_party[party].opened(index)}
        return {party: tuple(sorted(entries)) for party, entries in found.items() if entries}

    def owed_before(self) -> dict[str, int]:
        """party -> entries for this reader of its former ledgers that were never opened, as far as they were taken over."""
        found: dict[str, int] = {}
        for party, scans in self.speakers.items():
            former = [scan for scan in scans[:-1] if scan.origin in self.stops]
            count = sum(index < self.stops[scan.origin] for scan in former for index in scan.owed)
            found |= {party: count} if count else {}
        return found

    # ---- rights -----------------------------------------------------------------------------------------------------

    def _engagements(self) -> dict[str, EngagementState]:
        found: dict[str, EngagementState] = {}
        stops = {(one.subject, one.author, one.act) for one in self.denials if one.kind == "suspend"}
        for one in sorted(self.slots.proposals.values(), key=lambda p: (p.subject, p.n)):
            if one.state != "in_force" or not isinstance(one.stated.act, a.Propose):
                continue
            what, name = one.stated.act.what, one.subject.partition("/")[2]
            by = (one.id, *one.consents)
            if isinstance(what, a.Engagement):
                found[name] = EngagementState(id=name, proposal=one.id, terms=what, term=what.term, by=by)
            elif isinstance(what, a.Renewal) and name in found:
                found[name] = replace(found[name], term=what.term, by=(*found[name].by, *by))
            elif isinstance(what, a.Ending) and name in found and one.subject.startswith("engagement/"):
                found[name] = replace(found[name], ended=what.on, by=(*found[name].by, *by))
        for name, state in found.items():
            stopped = {(author, act) for subject, author, act in stops if subject == state.proposal}
            # What a disputed key consented to stays decided, and gives no right while the dispute stands.
            doubtful = {self.disputed[act] for act in state.by if act in self.disputed}
            stopped |= {(self.slots.stated[act].act.author, act) for act in doubtful}
            found[name] = replace(state, suspended=tuple(sorted(stopped)))
        return found

    def _projects(self) -> dict[str, charters.Project]:
        """The charter's, and those that acts in force begin, change or end; what is ended keeps its past days."""
        found: dict[str, charters.Project] = {one.id: one for one in self.charter.projects} if self.charter else {}
        for one in sorted(self.slots.proposals.values(), key=lambda p: (p.subject, p.n)):
            what = one.stated.act.what if isinstance(one.stated.act, a.Propose) else None
            name = one.subject.partition("/")[2]
            if one.state != "in_force" or not one.subject.startswith("project/"):
                continue
            if isinstance(what, a.ProjectTerms):
                found[what.project] = project_of(one.stated, what)
            elif isinstance(what, a.Ending) and name in found:
                found[name] = replace(found[name], term=_until(found[name].term, what.on))
        return dict(sorted(found.items()))

    def _packs(self) -> dict[str, tuple[AdoptedPack, ...]]:
        """A pack counts when the state whose law it is has adopted it. What a disputed key adopted keeps its place and
        has no text: an older one must not come back."""
        found: dict[str, list[AdoptedPack]] = defaultdict(list)
        for one in self.live["adopt"]:
            act = one.act
            assert isinstance(act, a.Adopt)
            if not self._adopts(act.jurisdiction, act.author):
                self.reject(one, f"{act.author} may not adopt the law of {act.jurisdiction}")
                continue
            hidden = hidden_from(act, self.members) or ("" if one.common else UNTAGGED)
            if hidden:
                self.reject(one, hidden)
                continue
            data = self.slots.objects.get(act.pack)
            self.missing |= {act.pack} if data is None else set()
            pack = load_pack(data) if data is not None and one.id not in self.disputed else None
            if pack is not None and pack.digest.hex() != act.pack:
                pack = None  # edited since: what was adopted is a digest
            if pack is not None and pack.jurisdiction != act.jurisdiction:
                pack = None
            found[act.jurisdiction].append(AdoptedPack(act=one.id, party=act.author, digest=act.pack, pack=pack))
        return {name: tuple(packs) for name, packs in sorted(found.items())}

    def _adopts(self, jurisdiction: str, party: str) -> bool:
        return bool(self.charter) and party in _adopters(self.charter, jurisdiction)

    def _officers_fault(self, one: Stated) -> str:
        """What grants asks for as many officers as the charter that it names says."""
        version = self.slots.version(one.act.under) or self.version
        if version is None:
            return ""
        kind, scan = kind_of(one.act), self.slots.scans[one.origin]
        wanted = version.charter.officers(kind)
        if satisfied(one.signed, scan.keys_at(one.index), a.SIGNERS[kind], wanted):
            return ""
        return f"needs the signatures of {wanted} officers"

    def _attest(self, one: Stated) -> bool:
        """A party's word about itself and its organisations."""
        act = one.act
        assert isinstance(act, a.Attest)
        if act.about.partition("/")[0] != act.author:
            self.reject(one, f"{act.author} does not speak for {act.about}")
        elif act.other == act.author:
            self.reject(one, "is with itself")
        else:
            made = Attestation(act=one.id, party=act.author, terms=act, revoked=self.revoked.get(one.id, ""))
            self.attestations = self.attestations.plus(act.author, made)
        return True

    def _roster(self, one: Stated) -> bool:
        act = one.act
        assert isinstance(act, a.Roster)
        others = {entry.recipient.party for entry in act.classes} - {act.author}
        others |= {entry.recipient.organisation for entry in act.classes if entry.recipient.mixed}
        if others:
            self.reject(one, f"{act.author} does not speak for people of {', '.join(sorted(others))}")
        else:
            self.rosters = {**self.rosters, act.author: RosterState(act=one.id, party=act.author, terms=act)}
        return True

    # ---- items and what is judged of them ---------------------------------------------------------------------------

    def _register_items(self) -> None:
        """A party registers items under its own name; label and retirement follow in the same ledger."""
        steps = [one for kind in ("register", "catalogue", "relabel", "retire") for one in self.live[kind]]
        for one in sorted(steps, key=lambda s: (s.act.author, self.slots.seat(s))):
            self._catalogued(one) if isinstance(one.act, a.Catalogue) else self._item(one)

    def _version(self, item: str, version: int) -> ItemState | None:
        return next((held for held in self.items.get(item, ()) if held.version == version), None)

    def _item(self, one: Stated) -> bool:
        act = one.act
        assert isinstance(act, a.RegisterItem | a.Relabel | a.Retire)
        known = self._version(act.item, act.version)
        why = self._item_fault(one, known)
        if why:
            self.reject(one, why)
            return True
        if isinstance(act, a.RegisterItem):
            self.opaque.push((act.author, act.opaque), one.index)
            made = self._registered(one, act)
        else:
            assert known is not None
            made = self._changed(one, known)
        others = [held for held in self.items.get(act.item, ()) if held.version != act.version]
        self.items.push(act.item, tuple(sorted([*others, made], key=lambda held: held.version)))
        # A release or a judgement that came before its item was shown here is read otherwise now.
        return isinstance(act, a.RegisterItem) and _item_key(act.item, act.version) not in self.awaited

    def _catalogued(self, one: Stated) -> bool:
        """All rows of a table or none: what is wrong with one of them is wrong with the act."""
        act = one.act
        assert isinstance(act, a.Catalogue)
        why = self._owners_fault(act)
        if why:
            self.reject(one, why)
            return True
        data = self.slots.objects.get(act.table)
        if data is None:
            self.missing = self.missing | {act.table}
            return True
        try:
            items = registered(act, one.id, one.index, data)
        except Malformed as error:
            self.reject(one, f"its table: {error}")
            return True
        for item in items:
            if self._version(item.id, item.version) is not None or (act.author, item.facts.opaque) in self.opaque:
                self.reject(one, f"{item.id}@{item.version} is registered already")
                return True
        ended = self.disputed.get(one.id, "")
        rows: dict[str, tuple[ItemState, ...]] = {}
        for item in items:
            kept = rows.get(item.id, self.items.get(item.id, ()))
            made = replace(item, retired=ended) if ended else item
            rows[item.id] = tuple(sorted([*kept, made], key=lambda held: held.version))
        self.items = self.items.plus(rows)
        self.opaque = self.opaque.plus({(act.author, item.facts.opaque): one.index for item in items})
        self.labels = self.labels.plus({(item.id, item.version): (one.id,) for item in items})
        return not any(_item_key(item.id, item.version) in self.awaited for item in items)

    def _item_fault(self, one: Stated, known: ItemState | None) -> str:
        act = one.act
        assert isinstance(act, a.RegisterItem | a.Relabel | a.Retire)
        if act.item.partition("/")[0] != act.author:
            return f"{act.author} does not speak for {act.item}"
        if isinstance(act, a.RegisterItem):
            if known is not None:
                return "this version is registered already"
            if (act.author, act.opaque) in self.opaque:
                return "another item is registered under this opaque id"
            return self._owners_fault(act)
        if known is None or act.prev != known.label_act or known.retired:
            return "does not follow the newest label of a registered item"
        why = hides(act, self.slots.stated[act.prev].act)
        return why or (self._officers_fault(one) if isinstance(act, a.Relabel) else "")

    def _owners_fault(self, act: a.RegisterItem | a.Catalogue) -> str:
        """To be an owner is to be entitled: nobody is let in by being called one."""
        if act.organisation.partition("/")[0] != act.author:
            return f"{act.author} does not speak for {act.organisation}"
        if act.author not in act.owners:
            return f"{act.author} is not among its owners"
        if self.charter is None:
            return ""
        allowed = {*self.members, *self.charter.insiders}
        allowed |= {one.terms.party for one in self.engagements.values() if one.terms.project == act.project}
        home = self.projects.get(act.project)
        pillar = next((one for one in self.charter.pillars if home is not None and one.id == home.pillar), None)
        if pillar is not None and pillar.access == "closed":
            allowed = set(pillar.members)
        others = sorted(set(act.owners) - allowed)
        return f"names {', '.join(others)} as owner, who takes no part in {act.project}" if others else ""

    def _registered(self, one: Stated, act: a.RegisterItem) -> ItemState:
        self.labels.push((act.item, act.version), (one.id,))
        return ItemState(
            id=act.item,
            version=act.version,
            act=one.id,
            facts=act,
            label=act.label,
            label_act=one.id,
            party=act.author,
            index=one.index,
            label_index=one.index,
            retired=self.disputed.get(one.id, ""),
            restriction=act.restriction,
        )

    def _changed(self, one: Stated, known: ItemState) -> ItemState:
        if not isinstance(one.act, a.Relabel):
            return replace(known, retired=one.id)
        labels = self.labels[known.id, known.version]
        self.labels.push((known.id, known.version), (*labels, one.id))
        retired = self.disputed.get(one.id, "")  # neither label can be relied upon: nothing is given out under either
        return replace(
            known,
            label=one.act.label,
            label_act=one.id,
            label_index=one.index,
            retired=retired,
            restriction=one.act.restriction,
        )

    def _determine(self, one: Stated) -> bool:
        """A judgement counts in the role in which its author speaks.

        A party's next judgement of the same ends the one before for good: to end the later must not bring it back.
        """
        act = one.act
        assert isinstance(act, a.Determine)
        item = self._version(act.item, act.version)
        if item is None:
            self.wait(_item_key(act.item, act.version))
            return True
        why = self._judge_fault(act, item, self.packs.get(act.jurisdiction, ()))
        if not why and act.on not in self.labels[act.item, act.version]:
            why = "is on no label of this item"
        why = why or self._officers_fault(one)
        if why:
            self.reject(one, why)
            return True
        same = (
            act.author, act.item, act.version, act.on, act.jurisdiction, act.authority, act.condition, act.request,
        )  # fmt: skip
        before = self.judged.get(same)
        if before is not None:
            ended = self.determinations.at(*before)
            ended = replace(ended, revoked=ended.revoked or one.id)
            self.determinations = self.determinations.where(*before, ended)
        key = (not act.holds, act.author)
        self.judged.push(same, (key, self.determinations.size(key)))
        made = Determination(act=one.id, party=act.author, terms=act, revoked=self.revoked.get(one.id, ""))
        self.determinations = self.determinations.plus(key, made)
        return True

    def _judge_fault(self, act: a.Determine, item: ItemState, packs: Iterable[AdoptedPack]) -> str:
        """Adopted texts say whose word a condition asks for; where none does, it is the owners' or the state's."""
        roles = {"transferor_officer", "transferor_party", "owner"} if act.author in item.facts.owners else set()
        roles |= {"state"} if self._adopts(act.jurisdiction, act.author) else set()
        asked: set[str] = set()
        for one in packs:
            text = self.slots.objects.get(one.digest)
            asked |= asks(text).get(f"determined.{act.authority}.{act.condition}", set()) if text is not None else set()
        if roles & asked or (roles and not asked):
            return ""
        if not roles and ("recipient_party" in asked or self.charter is None):
            return ""
        return f"{act.author} does not speak for {' or '.join(sorted(asked)) or f'the owners of {act.item}'} here"

    # ---- licences ---------------------------------------------------------------------------------------------------

    def _grant_licences(self) -> None:
        replaced: dict[str, str] = {}
        for one in self.live["licence"]:
            assert isinstance(one.act, a.Licence)
            if self._licence(one) and not isinstance(one.act.amends, UnsetType) and one.id in self.licences:
                replaced[one.act.amends] = one.id
        ended = {id_: self.licences[id_] for id_ in replaced if id_ in self.licences}
        self.licences = self.licences.plus(
            {id_: replace(state, revoked=state.revoked or replaced[id_]) for id_, state in ended.items()}
        )

    def _licence(self, one: Stated) -> bool:
        """Granted by the party that adopts the law of its jurisdiction."""
        act = one.act
        assert isinstance(act, a.Licence)
        if self.charter and not self._adopts(act.jurisdiction, act.author):
            self.reject(one, f"{act.author} grants no licences of {act.jurisdiction}")
            return True
        why = self._officers_fault(one)
        if why:
            self.reject(one, why)
            return True
        if not isinstance(act.amends, UnsetType) and self._own(one, act.amends, a.Licence) is None:
            return True  # an amendment of what is not its own, or not held here, grants nothing
        ended = self.revoked.get(one.id, "")
        self.licences = self.licences.plus(
            {one.id: LicenceState(act=one.id, party=act.author, terms=act, revoked=ended)}
        )
        return True

    def _draw(self, release: ReleaseState) -> None:
        """Drawn by the holder's own releases, once for an item version and a recipient organisation."""
        terms = release.terms
        for use in terms.uses:
            one, key = self.licences.get(use.licence), (terms.item, terms.version, terms.to.organisation)
            if one is None:
                self.wait(use.licence)
            elif one.terms.holder.partition("/")[0] == release.party and key not in one.draws:
                drawn = replace(
                    one,
                    used=one.used + max(use.quantity, 1),
                    spent=one.spent + _drawn(one.terms.value, use.value),
                    draws=(one.draws if isinstance(one.draws, Map) else Map()).plus({key: 1}),
                )
                self.licences.push(use.licence, drawn)

    # ---- releases and what follows them -----------------------------------------------------------------------------

    def _release(self, one: Stated) -> bool:
        act = one.act
        assert isinstance(act, a.Release)
        item = self._version(act.item, act.version)
        if item is None:
            self.wait(_item_key(act.item, act.version))
        if act.to.mixed:
            self.reject(one, f"{act.to.organisation} is no organisation of {act.to.party}")
            return True
        if item is not None and act.author not in item.facts.owners:
            self.reject(one, f"{act.author} does not own {act.item}")
            return True
        made = ReleaseState(act=one.id, party=act.author, origin=one.origin, index=one.index, time=one.time, terms=act)
        self.releases.push(one.id, made)
        self._draw(made)
        # What is suspended opens an order over this one too.
        return not any(
            engagement.suspended and (engagement.terms.party, engagement.terms.project) == (act.to.party, act.project)
            for engagement in self.engagements.values()
        )

    def _receipt(self, one: Stated) -> bool:
        act = one.act
        assert isinstance(act, a.Receipt)
        target = self._answered(one, act.release, a.Release)
        if target is None or not isinstance(target.act, a.Release):
            return True
        if target.act.to.party != act.author:
            self.reject(one, f"{act.author} did not receive this release")
        elif target.id in self.releases:
            held = self.releases[target.id]
            told = (*held.receipts, (act.author, one.id, act.outcome))
            self.releases.push(target.id, replace(held, receipts=told))
        return True

    def _recalls(self) -> dict[str, RecallState]:
        """Orders by the releaser's own act, and those that a suspension opens over what the party has received."""
        orders = [*self._own_orders(), *self._suspension_orders()]
        known = {(order.release, order.because): order for order in orders}
        answers = self._answers(known)
        full = [replace(order, answers=tuple(answers[key])) for key, order in sorted(known.items())]
        return {order.id: order for order in full}

    def _own_orders(self) -> Iterator[RecallState]:
        wanted = {one.act for one in self.denials if one.kind == "recall"}
        for one in self.live["recall"]:
            assert isinstance(one.act, a.Recall)
            release = self.releases.get(one.act.release)
            if one.id in wanted and release is not None:
                yield RecallState(
                    release=release.act,
                    because=one.id,
                    party=release.party,
                    holder=release.terms.to.party,
                    order=one.act.order,
                    by=one.act.by,
                )

    def _suspension_orders(self) -> Iterator[RecallState]:
        for engagement in self.engagements.values():
            terms = engagement.terms
            if isinstance(terms.recall_days, UnsetType):
                continue
            for _, act in engagement.suspended:
                if isinstance(self.slots.stated[act].act, a.Fork):
                    continue  # nobody asks for anything back until it is settled which history stands
                due = dt.date.fromisoformat(day_of(self.slots.stated[act].time)) + dt.timedelta(days=terms.recall_days)
                for release in self.releases.values():
                    if (release.terms.to.party, release.terms.project) == (terms.party, terms.project):
                        yield RecallState(
                            release=release.act,
                            because=act,
                            party=release.party,
                            holder=terms.party,
                            order="return",
                            by=due.isoformat(),
                        )

    def _answers(self, orders: Mapping[tuple[str, str], RecallState]) -> dict[tuple[str, str], list[Dated]]:
        found: dict[tuple[str, str], list[Dated]] = defaultdict(list)
        for one in self.live["answer"]:
            act = one.act
            assert isinstance(act, a.Answer)
            target = self._answered(one, act.release, a.Release)
            if target is None or not isinstance(target.act, a.Release):
                continue
            if target.act.to.party != act.author:
                self.reject(one, f"{act.author} did not receive this release")
            elif (act.release, act.because) in orders:
                found[act.release, act.because].append((act.author, one.id, act.answer, one.time))
            elif act.because in self.slots.stated and not self._orders(self.slots.stated[act.because].act):
                self.reject(one, "answers no order")
        return found

    @staticmethod
    def _orders(act: a.Act) -> bool:
        return isinstance(act, a.Suspend | a.Recall | a.Dispute)

    # ---- the rest ---------------------------------------------------------------------------------------------------

    def _introduced(self) -> set[str]:
        """Parties that a member introduced. It gives no right."""
        found = set()
        for one in self.live["introduce"]:
            act = one.act
            assert isinstance(act, a.Introduce)
            if self.charter and act.author not in self.members:
                self.reject(one, f"{act.author} is not a member")
            elif hidden_from(act, (*self.members, act.party)):
                self.reject(one, hidden_from(act, (*self.members, act.party)))
            else:
                found.add(act.party)
        return found

    def _evidence(self, one: Stated) -> bool:
        act = one.act
        assert isinstance(act, a.Evidence)
        if act.candidate in readers_of(act) and act.candidate != act.author:
            self.reject(one, f"is open to {act.candidate}, whom it is about")
        else:
            made = EvidenceState(act=one.id, party=act.author, terms=act)
            self.evidence = self.evidence.plus(act.author, made)
        return True

    def _reply(self, one: Stated) -> bool:
        """Kinds that only answer, and have no part in the register: closure all the same."""
        assert isinstance(one.act, a.Return | a.Settle)
        proposal = self.slots.proposals.get(one.act.proposal)
        if self._answered(one, one.act.proposal, a.Propose) is None or proposal is None:
            return True
        if isinstance(one.act, a.Settle) and proposal.settled.get(one.act.author) != one.act.outcome:
            words = "is no member" if one.act.author not in proposal.settled else "has settled it otherwise"
            self.reject(one, f"{one.act.author} {words}")
        return True

    def _acknowledge(self, one: Stated) -> bool:
        """The newest of each party; and an alarm where two members derive different common parts from the same."""
        act = one.act
        assert isinstance(act, a.Acknowledge)
        self.acks = {**self.acks, act.author: (one.id, act)}
        if act.author not in self.members:
            return True
        if not hidden_from(act, self.members):
            self.acked.push(one.id)
        root = self.slots.scans[one.origin].root_at(one.index)
        if root is None or act.owed:
            return True
        heads = sorted(
            {(head.origin, head.size, head.root) for head in act.heads} | {(one.origin, one.index, root.hex())}
        )
        vector = hashlib.sha256(repr(heads).encode()).digest()
        said = {**dict(self.said.get(vector, ())), act.author: act.common}
        self.said.push(vector, tuple(said.items()))
        if len(set(said.values())) > 1:
            words = f"members derive different common registers from the same ledgers: {', '.join(sorted(said))}"
            self.discord = {**self.discord, vector: words}
        return True


_ADDS: dict[str, Callable[[Effects, Stated], bool] | None] = {
    "register": Effects._item,
    "catalogue": Effects._catalogued,
    "licence": Effects._licence,
    "release": Effects._release,
    "receipt": Effects._receipt,
    "determine": Effects._determine,
    "attest": Effects._attest,
    "roster": Effects._roster,
    "evidence": Effects._evidence,
    "acknowledge": Effects._acknowledge,
    "return": Effects._reply,
    "settle": Effects._reply,
    "disclose": Effects._disclosed,
    **dict.fromkeys(("channel", "propose", "consent", "refuse")),
}
_RANK = {kind: rank for rank, kind in enumerate(_ADDS)}


def is_quiet(act: a.Act) -> bool:
    """Whether no decision can read this act: a receipt, and a release that draws on no licence.

    A release to whom a suspension stops is none of these: it opens an order, and then all is derived anew.
    """
    return isinstance(act, a.Receipt) or (isinstance(act, a.Release) and not act.uses)


def place_of(one: Stated) -> Place:
    return one.origin, one.index


def _release_place(one: ReleaseState) -> tuple[str, str, int]:
    return one.party, one.origin, one.index


def _item_key(item: str, version: int) -> str:
    return f"{item}@{version}"


def _drawn(limit: a.Money | UnsetType, value: a.Money | UnsetType) -> int:
    """What a draw takes of a licence's value. One that does not say it in the licence's currency takes all of it."""
    if isinstance(limit, UnsetType):
        return 0
    if isinstance(value, UnsetType) or value.currency != limit.currency:
        return limit.amount
    return value.amount


def _adopters(charter: charters.Charter | None, jurisdiction: str) -> tuple[str, ...]:
    return tuple(one.adopter for one in charter.jurisdictions if one.id == jurisdiction) if charter else ()


def _until(term: charters.Span, on: str) -> charters.Span:
    """A term that is over on a day."""
    last = (dt.date.fromisoformat(on) - dt.timedelta(days=1)).isoformat()
    return charters.Span(first=term.first, last=min(last, term.last or last))


@lru_cache(maxsize=256)
def load_pack(data: bytes) -> law.Pack | None:
    try:
        return law.load_pack(charters.read(data, "pack"))
    except ReltoError:
        return None


@lru_cache(maxsize=256)
def asks(data: bytes) -> Mapping[str, set[str]]:
    """Of a law pack: the determinations that it reads, and the roles whose word it asks for."""
    pack = load_pack(data)
    found: dict[str, set[str]] = defaultdict(set)
    for condition in (*pack.general, *(c for one in pack.authorities for c in one.conditions)) if pack else ():
        for test in condition.tests():
            for part in _acts_read(test):
                found[part.fact] |= set(part.said_by)
    return found


def _acts_read(test: Test) -> Iterator[OfAct]:
    match test:
        case OfAct():
            yield test
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from _acts_read(part)
        case Not(part=part) | ClearOf(whole=part):
            yield from _acts_read(part)
        case _:
            pass
