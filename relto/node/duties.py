"""What a node owes after new entries, by its own key: channels, receipts, settlements, disclosures, acknowledgements.

A node never acknowledges what it has not durably stored, and never acknowledges for acknowledgements alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from relto import acts
from relto.charter.draft import OPENINGS_MAX
from relto.errors import Forged, NotFound, Unavailable
from relto.ledger import Verifier, parse_note
from relto.node import joining
from relto.node.author import Author
from relto.node.held import READ_MAX, Pinned, day_of

HOUR_MS = 3_600_000
DISCLOSE_MAX = 4096  # entries that one act opens
AHEAD_MS_MAX = 300_000  # a partner's clock further ahead than this is not acknowledged


class Duties(Author):
    """See the module. `tend` does all of them; each may be repeated without harm."""

    def tend(self, reach: Callable[[str, str], bytes] | None = None) -> int:
        """Writes what this node owes; returns how many acts. reach(address, origin) fetches a stranger's entry 0."""
        with self.lock:
            before = self.log.head.size
            if not self.speaks:
                return self._announce()
            if reach is not None:
                self._meet(reach)
            with self.pooled():
                self._receive()
                self._settle()
                self._disclose()
                if self._uncovered():
                    self.acknowledge()
            return self.log.head.size - before

    def _announce(self) -> int:
        """In a new ledger, until the members have acknowledged it: what was seen, once an hour."""
        stated = self.register.scans[self.origin].stated
        last = next((one.act.at for one in reversed(stated) if isinstance(one.act, acts.Acknowledge)), 0)
        if self.clock() - last <= HOUR_MS:
            return 0
        self.acknowledge()
        return 1

    def _meet(self, reach: Callable[[str, str], bytes]) -> None:
        """Pins whom a member introduced and whom the charter or an engagement names, by the inception given there."""
        named: dict[str, tuple[str, str, str]] = {}
        register = self.register
        for one in register.directory.parties if register.directory else ():
            named[one.id] = (one.inception, one.origin, one.address)
        for stated in register.stated.values():
            act = stated.act
            if isinstance(act, acts.Introduce) and (act.author in register.members or act.author == self.me):
                named.setdefault(act.party, (act.inception, act.origin, act.address))
            if isinstance(act, acts.Introduce) and act.party == self.me:
                for member in act.members:  # the introducer was compared in words; it names the others
                    named.setdefault(member.party, (member.inception, member.origin, member.address))
            if isinstance(act, acts.Propose) and isinstance(act.what, acts.Engagement) and act.what.party == self.me:
                for member in act.what.members:
                    named.setdefault(member.party, (member.inception, member.origin, member.address))
        for party, (inception, origin, address) in sorted(named.items()):
            if party != self.me and party not in self.peers():
                try:
                    self.pin(reach(address, origin), "introduced", inception)
                except (Unavailable, NotFound):
                    continue  # next time

    def _receive(self) -> None:
        """A receipt for each release to our people: it matches what we vouched for, or it is disputed.

        One more for each time that the package opened, as far as its person's client has told.
        """
        opened = Counter(str(row[0])[:64] for row in self.store.query("SELECT release FROM opened"))
        for release in list(self.register.releases.values()):
            if release.terms.to.party != self.me or release.party == self.me:
                continue
            mine = [self.register.stated[act].act for party, act, _ in release.receipts if party == self.me]
            told = sum(isinstance(one, acts.Receipt) and one.opened for one in mine)
            if mine and told >= opened[release.act]:
                continue
            rows = self.store.query("SELECT class FROM vouched WHERE pseudonym = $1", (release.terms.person,))
            matches = msgspec.json.encode(release.terms.to, order="sorted") in {bytes(row[0]) for row in rows}
            for number in range(told + 1, max(told + 1, opened[release.act]) + 1):
                # A number beside the later ones: equal acts of one moment would be one act.
                again: str | UnsetType = f"opening {number}" if number > 1 else UNSET
                why = again if matches else "this node vouched for no such person or class"
                self.write(
                    self.draft(
                        "receipt",
                        release=release.act,
                        outcome="matches" if matches else "disputed",
                        opened=release.act in opened,
                        why=why,
                    )
                )

    def opened(self, release: str, times: int = 1) -> None:
        """The own person's client says that the package of this release opened, so many times in all."""
        for number in range(1, min(times, OPENINGS_MAX) + 1):
            self.store.execute(
                "INSERT INTO opened (release, at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                (release if number == 1 else f"{release}:{number}", self.clock()),
            )

    def _settle(self) -> None:
        """Each member tells the outsider bound by a proposal how it came out."""
        for proposal in list(self.register.slots.values()):
            if (
                not proposal.subject.startswith("engagement/")
                or self.me not in self.register.members
                or proposal.state not in {"in_force", "dead"}
            ):
                continue
            if self.me not in proposal.settled:
                self.write(
                    self.draft("settle", proposal=proposal.id, outcome=proposal.state, common=self.register.common)
                )

    def _disclose(self) -> None:
        """To whoever comes later: what is for all members; items it may know of; what an engaged party goes by."""
        for name, proposal in self.joining().items():
            if name in self.peers():
                self._open_to(name, joining.closed_to(self.register, self.origin, name), partnership=proposal)
        register, day = self.register, day_of(self.clock())
        if self.me not in register.members:
            return
        first = next((one for one in register.slots.values() if one.id == register.partnership), None)
        late = set(register.members) - set(first.voters if first is not None else register.members) - {self.me}
        for name in sorted(late & set(self.peers())):
            self._open_to(name, joining.closed_to(register, self.origin, name))
            self._open_to(name, self._closed_to(name) - self._told(name))
        for engagement in register.engagements.values():
            party = register.parties.get(engagement.terms.party)
            if party is None or engagement.state(day) != "in_force":
                continue
            self._open_to(party.id, (self._closed_to(party.id) | self._standing(party.id)) - self._told(party.id))

    def _told(self, party: str) -> set[int]:
        """Own entries that were opened to a party after they were written."""
        return {
            index
            for one in self.register.scans[self.origin].stated
            if isinstance(one.act, acts.Disclose) and one.act.to == party
            for index in one.act.entries
        }

    def _open_to(self, party: str, entries: set[int], partnership: str = "") -> None:
        listed = sorted(entries)
        named = {"partnership": partnership} if partnership and not self.register.partnership else {}
        for at in range(0, len(listed), DISCLOSE_MAX):
            some = tuple(listed[at : at + DISCLOSE_MAX])
            self.write(self.draft("disclose", to=party, entries=some, **named))

    def _standing(self, party: str) -> set[int]:
        """The own entries about standing and law that an engaged party goes by, and was not addressed in."""
        stated = self.register.scans[self.origin].stated
        kinds = (acts.Attest, acts.Adopt, acts.Withdraw)
        about = {one.id for one in stated if isinstance(one.act, kinds)}
        return {
            one.index
            for one in stated
            if (one.id in about or (isinstance(one.act, acts.Revoke) and one.act.act in about))
            and not acts.open_to(one.act, party)
        }

    def _closed_to(self, party: str) -> set[int]:
        """The own entries about items that the party should know of by now, and was not addressed in.

        A table is opened when the party may know of each item in it: it shows them all.
        """
        about: dict[tuple[str, int], list[acts.Stated]] = defaultdict(list)
        for one in self.register.scans[self.origin].stated:
            if isinstance(one.act, acts.RegisterItem | acts.Relabel):
                about[one.act.item, one.act.version].append(one)
        known: dict[tuple[object, ...], bool] = {}
        found: set[int] = set()
        tables: dict[str, tuple[bool, set[int]]] = {}
        for versions in self.register.items.values():
            for item in versions:
                if item.party != self.me:
                    continue
                facts = item.facts
                key = (facts.project, facts.areas, item.label, facts.owners)
                if key not in known:
                    known[key] = party in self._audience(*key)
                single = about.get((item.id, item.version), [])
                closed = {one.index for one in single if not acts.open_to(one.act, party)}
                if single and isinstance(single[0].act, acts.RegisterItem):
                    found |= closed if known[key] else set()
                else:
                    all_known, relabels = tables.get(item.act, (True, set()))
                    tables[item.act] = (all_known and known[key], relabels | closed)
        for id_, (all_known, relabels) in tables.items():
            one = self.register.stated[id_]
            if all_known:
                found |= relabels | (set() if acts.open_to(one.act, party) else {one.index})
        return found

    # ---- acknowledging

    def _uncovered(self) -> bool:
        """Whether an hour has passed, or a mirror holds more than acknowledgements beyond our newest acknowledge."""
        if not (self.register.partnership or self._founding()):
            return False
        last = self.register.acks.get(self.me)
        covered = {head.origin: head.size for head in last[1].heads} if last else {}
        for pinned in self.peers().values():
            entries = self._entries.get(pinned.origin, ())
            if any(
                one.index >= covered.get(pinned.origin, 0) and not isinstance(one.act, acts.Acknowledge)
                for one in entries[-READ_MAX:]
            ):
                return True
        return last is not None and self.clock() - last[1].at > HOUR_MS

    def acknowledge(self) -> str:
        """What this node has durably stored of each ledger, and the common digest at that sight. Returns the act id."""
        with self.lock:
            heads = []
            for pinned in sorted(self.peers().values(), key=lambda p: p.origin):
                head = self._held_head(pinned)
                if head is None or self._clock_ahead(pinned.origin):
                    continue
                size, root, note, seen = head
                signature = _log_signature(note, self.verifier(pinned))
                heads.append(
                    acts.Seen(origin=pinned.origin, size=size, root=root.hex(), seen=seen, signature=signature)
                )
            owed = tuple(
                acts.Owed(origin=self.register.party(party).origin, entries=rows)
                for party, rows in sorted(self.register.owed.items())
            )
            draft = self.draft(
                "acknowledge",
                heads=tuple(heads),
                owed=owed,
                common=self.register.common,
                doubts=self._doubts() or UNSET,
            )
            self.write(draft)
            return acts.act_id(acts.write(draft))

    def _doubts(self) -> tuple[str, ...]:
        """Proofs and disputes held here that no earlier acknowledge of this node names."""
        own = [one.act for one in self.register.scans[self.origin].stated if isinstance(one.act, acts.Acknowledge)]
        named = {id_ for one in own for id_ in (() if isinstance(one.doubts, UnsetType) else one.doubts)}
        held = [
            one.id
            for one in self.register.stated.values()
            if isinstance(one.act, acts.Fork | acts.Dispute) and one.common and one.id not in named
        ]
        return tuple(sorted(held)[: acts.DOUBTS_MAX])

    def sight(self) -> str:
        """An own acknowledge that covers everything stored: what a release may name.

        Written when the last one is behind or its sight is old.
        """
        with self.lock:
            if (known := self.noted("sight")) is not None:
                return str(known)  # no mirror grows while one commit is put together
            found = self._sight()
            self.note_for_pool("sight", found)
            return found

    def _sight(self) -> str:
        last = self.register.acks.get(self.me)
        current = {p.origin: held for p in self.peers().values() if (held := self._held_head(p)) is not None}
        named = {head.origin: head for head in last[1].heads} if last else {}
        for origin, (size, _, _, seen) in current.items():
            if origin not in named or named[origin].size != size or seen - named[origin].seen > HOUR_MS:
                return self.acknowledge()
        return last[0] if last else self.acknowledge()

    def _held_head(self, pinned: Pinned) -> tuple[int, bytes, bytes, int] | None:
        head = self.store.head(pinned.origin)
        if head is not None and head.note:
            return head.size, head.root, head.note, head.seen
        rows = self.store.query("select size, root, note, seen from part_heads where origin = $1", (pinned.origin,))
        return (int(rows[0][0]), bytes(rows[0][1]), bytes(rows[0][2]), int(rows[0][3])) if rows else None

    def _clock_ahead(self, origin: str) -> bool:
        """One wrong clock must not drag all: a ledger dated far ahead is acknowledged when our clock has reached it."""
        scan = self.register.scans.get(origin)
        return scan is not None and scan.time > self.clock() + AHEAD_MS_MAX


def _log_signature(note: bytes, verifier: Verifier) -> bytes:
    """The log's own Ed25519 signature out of a checkpoint note."""
    for signature in parse_note(note).signatures:
        if (signature.name, signature.key_id) == (verifier.name, verifier.key_id):
            return bytes(signature.value)
    raise Forged("the checkpoint does not carry its ledger's signature")
