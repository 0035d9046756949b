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

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from msgspec import UnsetType
from msgspec.structs import replace

from relto import charter as charters
from relto import law
from relto.acts import act as a
from relto.acts.envelope import satisfied
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
from relto.acts.slots import Slots, day_of, hidden_from, hides, project_of
from relto.acts.table import registered
from relto.errors import Malformed, ReltoError
from relto.keys import PublicKey
from relto.law.condition import AllOf, AnyOf, ClearOf, Not, OfAct, Test
from relto.ledger import Fork, Verifier

Dated = tuple[str, str, str, int]  # (party, act, answer, time)

# What a member may say before there is a charter that it could cite.
WITHOUT_CHARTER = frozenset({"acknowledge", "consent", "refuse", "return", "settle", "evidence"})


class Effects:
    """One run over the ledgers. The attributes are the parts of a register; each method makes one of them."""

    def __init__(self, slots: Slots) -> None:
        self.slots, self.me = slots, slots.me
        self.version = slots.versions[-1] if slots.versions else None
        self.charter = self.version.charter if self.version else None
        self.members = self.charter.members if self.charter else ()
        self.void: list[Void] = [one for origin in sorted(slots.scans) for one in slots.scans[origin].void] + slots.void
        self.alarms: list[str] = list(slots.alarms)
        self.missing: set[str] = set(slots.missing)
        self.speakers = self._speakers()
        self.by_party = {party: scans[-1] for party, scans in sorted(self.speakers.items())}
        self.live = self._live()
        self.disputes: set[str] = set()  # those that count
        self.disputed = self._disputed()
        self.revoked = self._revoked()
        self.denials = self._denials()
        self.projects = self._projects()
        self.engagements = self._engagements()
        self.labels: dict[tuple[str, int], list[str]] = {}  # (item, version) -> the acts that set its label, in order
        self.items = self._items()
        self.releases = self._releases()

    # ---- who speaks -------------------------------------------------------------------------------------------------

    def _speakers(self) -> dict[str, list[Scan]]:
        """party -> its ledgers, newest last: those of every party list, of the engagements in force, else of whoever
        first claims the name. A ledger that claims a name which is spoken for is an alarm and nothing more."""
        found: dict[str, list[Scan]] = defaultdict(list)
        named: set[str] = set()
        for version in self.slots.versions:
            named |= {pin.id for pin in version.directory.parties}
            for party, scan in version.ledgers.items():
                found[party] += [scan] if scan not in found[party] else []
        for terms in self._agreed_terms():
            pins = [(member.party, member.origin, member.inception) for member in terms.members]
            for party, origin, inception in [*pins, (terms.party, terms.origin, terms.inception)]:
                agreed = self.slots.ledger(origin, inception)
                if party not in named and agreed is not None and agreed not in found[party]:
                    found[party].append(agreed)
        named |= {party for party, scans in found.items() if scans}
        for scan in (self.slots.scans[origin] for origin in sorted(self.slots.scans)):
            if scan.party is None or scan in found[scan.party]:
                continue
            if scan.party in named:
                self.alarms.append(f"{scan.origin} claims to be {scan.party}, and another ledger is named for it")
            elif found[scan.party]:
                self.alarms.append(
                    f"two ledgers claim to be {scan.party}: {found[scan.party][0].origin}, {scan.origin}"
                )
            else:
                found[scan.party].append(scan)
        return {party: scans for party, scans in found.items() if scans}

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
        self.void.append(Void(one.origin, one.index, one.id, kind_of(one.act), why))

    # ---- what answers what ------------------------------------------------------------------------------------------

    def _answered(self, one: Stated, id_: str, *kinds: type[a.Act]) -> Stated | None:
        """The act that this one answers, when it is held here and the answer is open to all its readers."""
        target = self.slots.stated.get(id_)
        if target is None:
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
        if target is not None and (target.origin != one.origin or target.index >= one.index):
            self.reject(one, f"is not about an earlier {kind_of(target.act)} of its own ledger")
            return None
        return target

    # ---- denials ----------------------------------------------------------------------------------------------------

    def _disputed(self) -> dict[str, str]:
        """act id -> the dispute of a key that signed it. A party disputes its own keys, a member anybody's."""
        found: dict[str, str] = {}
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
        return found

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
            lifted |= {target.id} if target is not None else set()
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

    def frozen(self) -> dict[str, str]:
        """origin -> why. A fork proof that holds freezes a ledger, whoever shows it; one that does not hold is void."""
        found: dict[str, str] = {}
        for one in self.live["fork"]:
            assert isinstance(one.act, a.Fork)
            scan = self.slots.scans.get(one.act.origin)
            if scan is None or not scan.chain:
                continue
            why = _fork_fault(one.act, scan)
            if why:
                self.reject(one, f"proves no fork: {why}")
            else:
                words = f"{one.act.author} proved that this ledger signed two histories (act {one.id[:8]})"
                found.setdefault(one.act.origin, words)
        return found

    def leaving(self) -> dict[str, str]:
        """party -> the first day on which a notice of its counts. Notice cannot be given for a day that is past."""
        found: dict[str, str] = {}
        for one in self.live["withdraw"]:
            assert isinstance(one.act, a.Withdraw)
            day = max(one.act.on, day_of(one.time))
            day = self.charter.withdrawal.effective(day) if self.charter else day
            found[one.act.author] = min(day, found.get(one.act.author, day))
        return found

    def owed(self) -> dict[str, tuple[int, ...]]:
        """party -> entries that are for this reader and not open: by a tag, or by a disclosure that names it."""
        found: dict[str, set[int]] = {party: set(scan.owed) for party, scan in self.by_party.items()}
        for one in self.live["disclose"]:
            act = one.act
            assert isinstance(act, a.Disclose)
            scan = self.by_party[act.author]
            if act.to not in readers_of(act):
                self.reject(one, f"is not open to {act.to}")
            elif max(act.entries) >= one.index:
                self.reject(one, "opens entries that come after it")
            elif act.to == self.me and one.origin == scan.origin:
                held = {said.index for said in scan.stated} | {said.index for said in scan.void}
                found[act.author] |= set(act.entries) - held
        return {party: tuple(sorted(entries)) for party, entries in found.items() if entries}

    # ---- rights -----------------------------------------------------------------------------------------------------

    def _engagements(self) -> dict[str, EngagementState]:
        found: dict[str, EngagementState] = {}
        stops = {(one.subject, one.author, one.act) for one in self.denials if one.kind == "suspend"}
        for one in sorted(self.slots.proposals.values(), key=lambda p: (p.subject, p.n)):
            if one.state != "in_force" or not isinstance(one.stated.act, a.Propose):
                continue
            what, name = one.stated.act.what, one.subject.partition("/")[2]
            by = (one.id, *sorted(vote.act for vote in one.votes if not vote.void and vote.vote == "consent"))
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

    def packs(self) -> dict[str, tuple[AdoptedPack, ...]]:
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

    def attestations(self) -> tuple[Attestation, ...]:
        """A party's word about itself and its organisations."""
        found = []
        for one in self.live["attest"]:
            act = one.act
            assert isinstance(act, a.Attest)
            if act.about.partition("/")[0] != act.author:
                self.reject(one, f"{act.author} does not speak for {act.about}")
            elif act.other == act.author:
                self.reject(one, "is with itself")
            else:
                ended = self.revoked.get(one.id, "")
                found.append(Attestation(act=one.id, party=act.author, terms=act, revoked=ended))
        return tuple(found)

    def rosters(self) -> dict[str, RosterState]:
        found: dict[str, RosterState] = {}
        for one in self.live["roster"]:
            act = one.act
            assert isinstance(act, a.Roster)
            others = {entry.recipient.party for entry in act.classes} - {act.author}
            others |= {entry.recipient.organisation for entry in act.classes if entry.recipient.mixed}
            if others:
                self.reject(one, f"{act.author} does not speak for people of {', '.join(sorted(others))}")
            else:
                found[act.author] = RosterState(act=one.id, party=act.author, terms=act)
        return found

    # ---- items and what is judged of them ---------------------------------------------------------------------------

    def _items(self) -> dict[str, tuple[ItemState, ...]]:
        """A party registers items under its own name; label and retirement follow in the same ledger."""
        found: dict[str, dict[int, ItemState]] = defaultdict(dict)
        opaque: set[tuple[str, str]] = set()  # (party, opaque id)
        steps = [one for kind in ("register", "catalogue", "relabel", "retire") for one in self.live[kind]]
        for one in sorted(steps, key=lambda s: (s.act.author, s.origin, s.index)):
            act = one.act
            if isinstance(act, a.Catalogue):
                self._catalogued(one, act, found, opaque)
                continue
            assert isinstance(act, a.RegisterItem | a.Relabel | a.Retire)
            known = found[act.item].get(act.version)
            why = self._item_fault(one, known, opaque)
            if why:
                self.reject(one, why)
            elif isinstance(act, a.RegisterItem):
                opaque.add((act.author, act.opaque))
                found[act.item][act.version] = self._registered(one, act)
            else:
                assert known is not None
                found[act.item][act.version] = self._changed(one, known)
        return {name: tuple(held[n] for n in sorted(held)) for name, held in sorted(found.items()) if held}

    def _catalogued(
        self, one: Stated, act: a.Catalogue, found: dict[str, dict[int, ItemState]], opaque: set[tuple[str, str]]
    ) -> None:
        """All rows of a table or none: what is wrong with one of them is wrong with the act."""
        why = self._owners_fault(act)
        if why:
            self.reject(one, why)
            return
        data = self.slots.objects.get(act.table)
        if data is None:
            self.missing.add(act.table)
            return
        try:
            items = registered(act, one.id, one.index, data)
        except Malformed as error:
            self.reject(one, f"its table: {error}")
            return
        for item in items:
            if item.version in found.get(item.id, ()) or (act.author, item.facts.opaque) in opaque:
                self.reject(one, f"{item.id}@{item.version} is registered already")
                return
        ended, label = self.disputed.get(one.id, ""), [one.id]
        for item in items:
            found[item.id][item.version] = replace(item, retired=ended) if ended else item
            opaque.add((act.author, item.facts.opaque))
            self.labels[item.id, item.version] = label[:]

    def _item_fault(self, one: Stated, known: ItemState | None, opaque: set[tuple[str, str]]) -> str:
        act = one.act
        assert isinstance(act, a.RegisterItem | a.Relabel | a.Retire)
        if act.item.partition("/")[0] != act.author:
            return f"{act.author} does not speak for {act.item}"
        if isinstance(act, a.RegisterItem):
            if known is not None:
                return "this version is registered already"
            if (act.author, act.opaque) in opaque:
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
        allowed = {*self.members}
        allowed |= {one.terms.party for one in self.engagements.values() if one.terms.project == act.project}
        home = self.projects.get(act.project)
        pillar = next((one for one in self.charter.pillars if home is not None and one.id == home.pillar), None)
        if pillar is not None and pillar.access == "closed":
            allowed = set(pillar.members)
        others = sorted(set(act.owners) - allowed)
        return f"names {', '.join(others)} as owner, who takes no part in {act.project}" if others else ""

    def _registered(self, one: Stated, act: a.RegisterItem) -> ItemState:
        self.labels[act.item, act.version] = [one.id]
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
        self.labels[known.id, known.version].append(one.id)
        retired = self.disputed.get(one.id, "")  # neither label can be relied upon: nothing is given out under either
        return replace(
            known,
            label=one.act.label,
            label_act=one.id,
            label_index=one.index,
            retired=retired,
            restriction=one.act.restriction,
        )

    def determinations(self, packs: Mapping[str, tuple[AdoptedPack, ...]]) -> tuple[Determination, ...]:
        """A judgement counts in the role in which its author speaks. Those that say no stand last: they are read first.

        A party's next judgement of the same ends the one before for good: to end the later must not bring it back.
        """
        found: dict[str, Determination] = {}
        judged: dict[tuple[object, ...], str] = {}
        for one in self.live["determine"]:
            act = one.act
            assert isinstance(act, a.Determine)
            item = next((held for held in self.items.get(act.item, ()) if held.version == act.version), None)
            if item is None:
                continue
            why = self._judge_fault(act, item, packs.get(act.jurisdiction, ()))
            if not why and act.on not in self.labels[act.item, act.version]:
                why = "is on no label of this item"
            why = why or self._officers_fault(one)
            if why:
                self.reject(one, why)
                continue
            same = (
                act.author,
                act.item,
                act.version,
                act.on,
                act.jurisdiction,
                act.authority,
                act.condition,
                act.request,
            )
            before = judged.get(same)
            if before is not None:
                found[before] = replace(found[before], revoked=found[before].revoked or one.id)
            judged[same] = one.id
            ended = self.revoked.get(one.id, "")
            found[one.id] = Determination(act=one.id, party=act.author, terms=act, revoked=ended)
        return tuple(sorted(found.values(), key=lambda made: not made.terms.holds))

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

    def licences(self) -> dict[str, LicenceState]:
        """Granted by the party that adopts the law of its jurisdiction."""
        found: dict[str, LicenceState] = {}
        replaced: dict[str, str] = {}
        for one in self.live["licence"]:
            act = one.act
            assert isinstance(act, a.Licence)
            if self.charter and not self._adopts(act.jurisdiction, act.author):
                self.reject(one, f"{act.author} grants no licences of {act.jurisdiction}")
                continue
            why = self._officers_fault(one)
            if why:
                self.reject(one, why)
                continue
            if not isinstance(act.amends, UnsetType):
                if self._own(one, act.amends, a.Licence) is None:
                    continue  # an amendment of what is not its own, or not held here, grants nothing
                replaced[act.amends] = one.id
            ended = self.revoked.get(one.id, "")
            found[one.id] = LicenceState(act=one.id, party=act.author, terms=act, revoked=ended)
        found = {id_: replace(one, revoked=one.revoked or replaced.get(id_, "")) for id_, one in found.items()}
        self._draw(found)
        return dict(sorted(found.items()))

    def _draw(self, licences: dict[str, LicenceState]) -> None:
        """Drawn by the holder's own releases, once for an item version and a recipient organisation."""
        for release in self.releases.values():
            terms = release.terms
            for use in terms.uses:
                one, key = licences.get(use.licence), (terms.item, terms.version, terms.to.organisation)
                if one is None or one.terms.holder.partition("/")[0] != release.party or key in one.draws:
                    continue
                value = _drawn(one.terms.value, use.value)
                licences[use.licence] = replace(
                    one, used=one.used + max(use.quantity, 1), spent=one.spent + value, draws=one.draws | {key}
                )

    # ---- releases and what follows them -----------------------------------------------------------------------------

    def _releases(self) -> dict[str, ReleaseState]:
        receipts: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for one in self.live["receipt"]:
            assert isinstance(one.act, a.Receipt)
            target = self._answered(one, one.act.release, a.Release)
            if target is None or not isinstance(target.act, a.Release):
                continue
            if target.act.to.party != one.act.author:
                self.reject(one, f"{one.act.author} did not receive this release")
            else:
                receipts[target.id].append((one.act.author, one.id, one.act.outcome))
        found = {}
        for one in self.live["release"]:
            act = one.act
            assert isinstance(act, a.Release)
            item = next((held for held in self.items.get(act.item, ()) if held.version == act.version), None)
            if act.to.mixed:
                self.reject(one, f"{act.to.organisation} is no organisation of {act.to.party}")
                continue
            if item is not None and act.author not in item.facts.owners:
                self.reject(one, f"{act.author} does not own {act.item}")
                continue
            found[one.id] = ReleaseState(
                act=one.id,
                party=act.author,
                origin=one.origin,
                index=one.index,
                time=one.time,
                terms=act,
                receipts=tuple(receipts[one.id]),
            )
        return found

    def recalls(self) -> dict[str, RecallState]:
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

    def introduced(self) -> set[str]:
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

    def evidence(self) -> tuple[EvidenceState, ...]:
        found = []
        for one in self.live["evidence"]:
            act = one.act
            assert isinstance(act, a.Evidence)
            if act.candidate in readers_of(act) and act.candidate != act.author:
                self.reject(one, f"is open to {act.candidate}, whom it is about")
            else:
                found.append(EvidenceState(act=one.id, party=act.author, terms=act))
        return tuple(found)

    def check_answers(self) -> None:
        """Kinds that only answer, and have no part in the register: closure all the same."""
        for one in (*self.live["return"], *self.live["settle"]):
            assert isinstance(one.act, a.Return | a.Settle)
            proposal = self.slots.proposals.get(one.act.proposal)
            if self._answered(one, one.act.proposal, a.Propose) is None or proposal is None:
                continue
            if isinstance(one.act, a.Settle) and proposal.settled.get(one.act.author) != one.act.outcome:
                words = "is no member" if one.act.author not in proposal.settled else "has settled it otherwise"
                self.reject(one, f"{one.act.author} {words}")


def _drawn(limit: a.Money | UnsetType, value: a.Money | UnsetType) -> int:
    """What a draw takes of a licence's value. One that does not say it in the licence's currency takes all of it."""
    if isinstance(limit, UnsetType):
        return 0
    if isinstance(value, UnsetType) or value.currency != limit.currency:
        return limit.amount
    return value.amount


def _fork_fault(act: a.Fork, scan: Scan) -> str:
    """Why a proof does not hold under any log key that this ledger ever had."""
    root = None if isinstance(act.root, UnsetType) else bytes.fromhex(act.root)
    proof, why = Fork(first=act.first, second=act.second, root=root, proof=act.proof), ""
    for span in scan.chain:
        try:
            proof.verify(Verifier.of_log(PublicKey(name=scan.origin, ed25519=span.keys.log.ed25519)))
        except ReltoError as error:
            why = error.message
        else:
            return ""
    return why


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
