"""How a node writes into its own ledger: a draft, who must be able to read it, a signature, an entry.

* `draft` fills in what every act carries; `submit` takes a signed act and refuses what would be void; `write` signs
  with the node's own key. No key of a person is held here.
* Each entry is tagged for its readers alone, by a channel that `pin` opened for each.
* What is owed at once is `pooled` into one commit; what comes from several at once shares one by `turns`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relto import acts
from relto.acts import Act
from relto.charter import load_parties, read
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError
from relto.keys import OpeningPublic, verify_ed25519
from relto.label import Label
from relto.label.label import ONLY
from relto.ledger import Checkpoint, Head, New, commit, make_leaf, slots_for, tag_for
from relto.ledger.log import APPEND_MAX
from relto.node import joining
from relto.node.held import Pinned, channel_info, day_of, texts_of
from relto.node.pool import Pooled, Statement


class Author(Pooled):
    """See the module. Every entry goes through `_append`."""

    def draft(self, kind: str, /, **fields: Any) -> Act:
        """An act of this party with what every act carries filled in.

        Raises: Malformed for a field that the kind does not have.
        """
        cls = acts.KINDS.get(kind)
        if cls is None:
            raise Malformed(f"`{kind}` is no kind of act", hint=f"one of {', '.join(sorted(acts.KINDS))}")
        founding = self._founding()
        common: dict[str, Any] = {"author": self.me, "log": self.origin, "at": self.now()}
        if not issubclass(cls, (*acts.PARTY_CHAIN, acts.Introduce)) and not (
            kind == "propose" and not self.register.partnership
        ):
            common["partnership"] = self.register.partnership or founding or UNSET
        if self.register.charter_id and "partnership" in common:
            common["under"] = self.register.charter_id
        if kind == "dispute":
            fields = {"votes": True, **fields}  # version 1 of it let what the key consented to be decided afterwards
        try:
            act = cls(**{**common, **fields})
        except TypeError as error:
            raise Malformed(
                f"`{kind}`: {str(error).replace('Missing required argument', 'needs').replace(chr(39), chr(96))}"
            ) from error
        act = msgspec.structs.replace(act, v=acts.version_of(act))
        if act.readers is UNSET and not isinstance(act, acts.PARTY_CHAIN):
            act = msgspec.structs.replace(act, readers=self.readers(act))
        return acts.read(acts.write(act))

    def _founding(self) -> str:
        """The founding that is still open. Of several the one that this party has consented to: it binds until dead."""
        open_ = [
            one
            for one in self.register.slots.values()
            if one.subject == "charter" and one.n == 1 and one.state == "open"
        ]
        mine = [(vote.index, one.id) for one in open_ for vote in one.votes if vote.party == self.me]
        if len(open_) > 1 and mine:
            return min(mine)[1]
        return open_[0].id if len(open_) == 1 else ""

    def joining(self) -> dict[str, str]:
        """Parties that are to come in by a proposal that this party has consented to (joining.py)."""
        return joining.agreed(self.register, self.me, self._charters_proposed())

    def _charters_proposed(self) -> dict[str, frozenset[str]]:
        return {
            one.id: frozenset(self._listed(one.stated.act))
            for one in self.register.slots.values()
            if one.subject == "charter" and isinstance(one.stated.act, acts.Propose)
        }

    def submit(self, envelope: bytes, beside: Sequence[Statement] = ()) -> str:
        """A signed act into the own ledger; returns its id. The same act twice is one act.

        Raises: Malformed, Refused (it would be void: why), Conflict, Unavailable; nothing was written then.
        """
        with self.lock:
            act, id_, _ = acts.open_act(envelope)
            if id_ in self.caught_up().scans[self.origin].ids:
                return id_
            if isinstance(act, acts.Epoch) and act.author == self.me:
                raise Refused(
                    "a new ledger is begun while nobody serves the node", hint="stop it, then `relto act submit`"
                )
            if act.author != self.me or act.log != self.origin:
                raise Refused(
                    f"this act was written for `{act.log}`, not for `{self.origin}`",
                    hint="submit it at its author's node",
                )
            self._check_speaks()
            self._check_readers(act)
            self._check_charter(act)
            self._check_restriction(act)
            self._try(envelope, id_)
            self._append([envelope], beside)
            return id_

    @property
    def speaks(self) -> bool:
        """Whether this ledger is the one in which this party speaks: a new one is when the members acknowledge it."""
        begun = isinstance(self.register.scans[self.origin].inception, acts.Epoch)
        return not begun or self.register.parties[self.me].origin == self.origin

    def _check_speaks(self) -> None:
        if not self.speaks:
            raise Refused(
                f"the members have not acknowledged `{self.origin}` yet, so nothing that it says would count",
                hint="`relto sync`, and theirs; `relto node doctor` says who has",
            )

    def write(self, *drafts: Act, beside: Sequence[Statement] = ()) -> Head:
        """Acts by the node's own key."""
        assert self.keys is not None
        return self._append([acts.sign(one, [self.keys.node]) for one in drafts], beside)

    # ---- who must be able to read it

    def readers(self, act: Act) -> tuple[str, ...]:
        """Who must be able to read it, by the table of kinds (spec/acts.md, "Readers")."""
        register, members = self.register, set(self.members())
        found: set[str] = {self.me}
        answered = _answered(act)
        if answered is not None:
            target = register.act(answered)
            found |= set(members if isinstance(target.act.readers, UnsetType) else target.act.readers)
            if isinstance(act, acts.Suspend | acts.Return | acts.Settle):
                found |= set(() if isinstance(target.act.readers, UnsetType) else target.act.readers)
        elif isinstance(act, acts.Introduce):
            found |= members | {act.party}
        elif isinstance(act, acts.Propose):
            bound = {act.what.party} if isinstance(act.what, acts.Engagement) else set()
            if isinstance(act.what, acts.Renewal | acts.Ending):
                before = register.act(act.what.of).act.readers
                bound = set(() if isinstance(before, UnsetType) else before)
            listed = self._listed(act)
            if self.register.charter is None and listed:
                members = listed  # a founding is told to founders, not to whoever is pinned
            found |= members | bound | listed  # who is newly bound by a charter reads it
        elif isinstance(act, acts.RegisterItem):
            found |= self._audience(act.project, act.areas, act.label, act.owners)
        elif isinstance(act, acts.Catalogue):
            rows = acts.read_table(self.objects.get(bytes.fromhex(act.table)))
            kinds = {(row.areas, row.label) for row in rows}
            # A table shows all of its rows to all of its readers: only those who may know of each.
            audiences = [self._audience(act.project, areas, label, act.owners) for areas, label in kinds]
            found |= set.intersection(*audiences)
        elif isinstance(act, acts.Relabel | acts.Retire):
            item = register.item(act.item, act.version)
            before = register.stated[item.label_act].act.readers
            found |= set(() if isinstance(before, UnsetType) else before)
            label = act.label if isinstance(act, acts.Relabel) else item.label
            found |= self._audience(item.facts.project, item.facts.areas, label, item.facts.owners)
        elif isinstance(act, acts.Determine):
            found |= set(register.item(act.item, act.version).facts.owners)
        elif isinstance(act, acts.Licence):
            found |= {act.holder.partition("/")[0], *(one.partition("/")[0] for one in act.recipients)}
        elif isinstance(act, acts.Release):
            owners = register.item(act.item, act.version).facts.owners
            adopters = (
                {
                    j.adopter
                    for j in register.charter.jurisdictions
                    for one in act.authorities
                    if j.id == one.jurisdiction
                }
                if register.charter
                else set()
            )
            found |= {act.to.party, *owners, *adopters}
        elif isinstance(act, acts.Disclose):
            found |= {act.to}
        elif isinstance(
            act, acts.Roster | acts.Acknowledge | acts.Withdraw | acts.Dispute | acts.Fork | acts.Attest | acts.Adopt
        ):
            # Not the engaged: the list of readers stands in the act, and would tell each of them who the others are.
            # To them it is disclosed, one by one (relto/node/duties.py).
            found |= members
        reachable = set(self.peers()) | {self.me}
        if acts.kind_of(act) in acts.COMMON and members <= found:
            found |= set(self.joining()) & reachable
        return tuple(
            sorted(
                found & reachable
                if isinstance(act, acts.Attest | acts.Roster | acts.Adopt | acts.Acknowledge)
                else found
            )
        )

    def _audience(self, project: str, areas: Sequence[str], label: Any, owners: Sequence[str]) -> set[str]:
        """Participants in force of the item's project; of a closed pillar the named members.

        An outsider only when the label already names it, since the register act tells that the item exists.
        """
        charter = self.register.charter
        if charter is None:
            raise Refused("no partnership is founded yet", hint="`relto act list` shows whose consent is missing")
        there = self.register.projects.get(project) or charter.project(project)
        pillar = charter.pillar(there.pillar)
        named = pillar.members if pillar.access == "closed" else there.participants
        found = {one for one in named if charter.left(one) is None}  # who has left learns of nothing new
        rel = set() if isinstance(label.rel, UnsetType) else set(label.rel)
        for one in self.register.engagements.values():
            party = self.register.parties.get(one.terms.party)
            covered = (
                one.terms.project == project
                and not set(areas) - set(one.terms.areas)
                and one.state(day_of(self.clock())) == "in_force"
            )
            if party is not None and covered and party.code in rel:
                found.add(party.id)
        return found | set(owners)

    def members(self) -> tuple[str, ...]:
        """Whom an act for all is addressed to: who signed the charter, the engagement's members or, before both, all
        pinned."""
        if self.register.charter is not None:
            return self.register.charter.signatories
        for one in self.register.slots.values():
            what = one.stated.act.what if isinstance(one.stated.act, acts.Propose) else None
            if isinstance(what, acts.Engagement) and what.party == self.me:
                # Whoever reads the proposal reads the votes on it, parties of lesser grades among them.
                told = one.stated.act.readers
                also = () if isinstance(told, UnsetType) else told
                return tuple(sorted({*(member.party for member in what.members), *also} - {self.me}))
        return tuple(sorted((self.founders() & set(self.peers())) or self.peers()))

    def founders(self) -> set[str]:
        """The parties of the foundings that are proposed here, by the lists that they name; none after the founding."""
        found: set[str] = set()
        for one in self.register.slots.values() if self.register.charter is None else ():
            if one.subject == "charter" and one.n == 1 and isinstance(one.stated.act, acts.Propose):
                found |= self._listed(one.stated.act)
        return found

    def _listed(self, act: acts.Propose) -> set[str]:
        """The parties in the list that a proposed charter names, as far as the list is held here."""
        if not isinstance(act.what, acts.CharterText | acts.Admission | acts.Expulsion):
            return set()
        text = self._texts().get(act.what.parties)
        if text is None:
            digest = bytes.fromhex(act.what.parties)
            text = self.objects.get(digest) if self.objects.has(digest) else None
        with contextlib.suppress(ReltoError):
            return {one.id for one in load_parties(read(text, "parties")).parties} if text is not None else set()
        return set()

    def _all_members(self) -> tuple[str, ...]:
        """To whom an act must be open for its leaf to say that it is for all: none until this node knows them."""
        members = self.register.members
        if members or not self.config.pin:
            return members or tuple(self.founders()) or tuple(self.peers())
        for stated in self.register.stated.values():
            if isinstance(stated.act, acts.Introduce) and stated.act.party == self.me and stated.act.members:
                return tuple(member.party for member in stated.act.members)
        return self.members() if any(self._names_me(one.stated.act) for one in self.register.slots.values()) else ()

    def _names_me(self, act: Act) -> bool:
        return isinstance(act, acts.Propose) and isinstance(act.what, acts.Engagement) and act.what.party == self.me

    def members_named(self) -> tuple[acts.Member, ...]:
        """The members as an introduction or an engagement names them to an outsider."""
        register = self.register
        return tuple(
            acts.Member(
                party=p,
                inception=register.party(p).inception,
                origin=register.party(p).origin,
                address=register.party(p).address,
            )
            for p in register.members
        )

    # ---- into the ledger

    def _check_charter(self, act: Act) -> None:
        """What grants names the newest charter here (contracts 4). Votes name their proposal's; denials count anyhow."""
        if isinstance(act, acts.Consent | acts.Refuse | acts.Return | acts.Settle) or isinstance(act.under, UnsetType):
            return
        if acts.kind_of(act) not in acts.DENIALS and act.under != self.register.charter_id:
            raise Refused(
                f"it is written under charter version `{act.under[:8]}`, and `{self.register.charter_id[:8]}` is in force",
                hint="draft it anew",
            )

    def _check_readers(self, act: Act) -> None:
        if isinstance(act.readers, UnsetType):
            return
        wanted = set(self.readers(act)) if not isinstance(act, acts.Evidence) else {self.me}
        hidden = wanted - set(act.readers)
        narrowed = isinstance(act, acts.RegisterItem | acts.Catalogue) and set(act.owners) <= set(act.readers)
        if hidden and not narrowed:
            raise Refused(
                f"it is not open to {', '.join(sorted(hidden))}, who must be able to read it", hint="draft it anew"
            )
        unknown = set(act.readers) - set(self.peers()) - {self.me}
        if unknown:
            raise Refused(
                f"this node has no channel to {', '.join(sorted(unknown))}", hint="`relto node join` pins a party first"
            )

    def _check_restriction(self, act: Act) -> None:
        """A marking that keeps an item from all others says why, and when somebody asks again."""
        marked: list[tuple[Label, acts.Restriction | UnsetType, str]] = []
        if isinstance(act, acts.RegisterItem | acts.Relabel):
            marked = [(act.label, act.restriction, act.item)]
        elif isinstance(act, acts.Catalogue):
            rows = acts.read_table(self.objects.get(bytes.fromhex(act.table)))
            marked = [(row.label, row.restriction, row.item) for row in rows]
        for label, restriction, item in marked:
            closing = sorted(ONLY.keys() & set(label.tags))
            if closing and isinstance(restriction, UnsetType):
                raise Refused(
                    f"`{closing[0]}` on `{item}` needs a reason and a review date",
                    hint="restriction.reason=TEXT restriction.review=YYYY-MM-DD",
                )
            if not isinstance(restriction, UnsetType) and restriction.review <= day_of(act.at):
                raise Refused(f"the review date of `{item}`, {restriction.review}, is not after today")

    def _try(self, envelope: bytes, id_: str) -> None:
        """Folds the act in on a copy: what would be void is refused with the reason."""
        salt = bytes(32)
        leaf = self._leaf(envelope, salt, ())
        size = self.size
        named = {one for one in texts_of(acts.open_act(envelope)[0]) if self.objects.has(bytes.fromhex(one))}
        texts = {**self._texts(), **{one: self.objects.get(bytes.fromhex(one)) for one in named}}
        trial = acts.extend(self.register, [acts.entry(self.origin, size, leaf, (salt, envelope))], texts)
        why = trial.why_void(self.origin, size)
        if why:
            raise Refused(f"this act would have no effect: {why}")
        slot = trial.slots.get(id_)
        if slot is not None and slot.state == "void":
            raise Refused(f"this proposal could never be in force: {slot.why}")
        if slot is not None and slot.why:
            raise Refused(f"nobody could vote on this proposal yet: {slot.why}")
        for proposal in trial.slots.values():
            for vote in proposal.votes:
                if vote.act == id_ and vote.void:
                    raise Refused(f"this vote would not count: it {vote.void}")
        act = trial.stated[id_].act if id_ in trial.stated else None
        if isinstance(act, acts.Consent | acts.Refuse):
            proposal_ = trial.slots.get(act.proposal)
            mine = [] if proposal_ is None else [vote for vote in proposal_.votes if vote.party == self.me]
            if not any(vote.act == id_ for vote in mine):
                why = "it is cast already" if mine else "this party has no vote on it"
                raise Refused(
                    f"this vote would not count: {why}", hint=f"`relto act show {act.proposal[:8]}` shows the votes"
                )

    def _append(
        self,
        envelopes: Sequence[bytes],
        beside: Sequence[Statement] = (),
        salts: Sequence[bytes] = (),
    ) -> Head:
        """Durable when it returns: leaves, openings, signed head and `beside` in one transaction.

        Inside `pooled` durable when that ends; the head is then the one before.
        """
        self._check_standing()
        fresh = []
        for position, envelope in enumerate(envelopes):
            salt = salts[position] if salts else self.random(32)
            readers = acts.open_act(envelope)[0].readers
            leaf = self._leaf(envelope, salt, () if isinstance(readers, UnsetType) else readers)
            fresh.append(New(leaf=leaf, salt=salt, envelope=envelope))
        pool = self._pool
        if pool is None:
            start = self.log.head.size
            head = self.log.append(fresh, beside)
        else:
            if len(pool.entries) + len(fresh) > APPEND_MAX:
                self._empty(pool)
            head, start = self.log.head, self.size
            pool.entries += fresh
            pool.beside += beside
        self._entries.setdefault(self.origin, [])
        added = [self._take(self.origin, start + n, one.leaf, (one.salt, one.envelope)) for n, one in enumerate(fresh)]
        if pool is not None and all(one.act is not None and acts.is_quiet(one.act) for one in added):
            pool.late += added
            pool.time = max(pool.time, *(one.act.at for one in added if one.act is not None))
        else:
            self.caught_up()
            self._grow(added)
        return head

    def _check_standing(self) -> None:
        """Raises: Refused when this node is behind what its partners saw of its own ledger, as far as it can know."""
        self.must_not_recover()
        for party, (_, ack) in self.register.acks.items():
            for seen in ack.heads:
                if seen.origin == self.origin and seen.size > self.log.head.size and self._signed_here(seen):
                    self.begin_recovering(
                        f"{party} acknowledged {seen.size} entries of this ledger, and {self.log.head.size} are here"
                    )
                    self.must_not_recover()

    def _signed_here(self, seen: acts.Seen) -> bool:
        text = Checkpoint(origin=self.origin, size=seen.size, root=bytes.fromhex(seen.root)).text
        return verify_ed25519(self.log.verifier.public, text, seen.signature)

    def _leaf(self, envelope: bytes, salt: bytes, readers: Iterable[str]) -> bytes:
        commitment = commit(salt, envelope)
        tags = [tag_for(self._channel(reader), commitment) for reader in readers if reader != self.me]
        act = acts.open_act(envelope)[0]
        everyone = self._all_members() if acts.kind_of(act) in acts.COMMON else ()
        if self.register.charter is None and isinstance(act, acts.Propose) and not self.founders():
            everyone = tuple(self._listed(act)) or everyone  # this act is the one that will say who the founders are
        tags += acts.common_tags(act, commitment, everyone)
        charter = self.register.charter
        return make_leaf(commitment, tags, slots_for(len(charter.parties) if charter else 1), self.random)

    def _channel(self, reader: str) -> bytes:
        known = self._channel_keys.get(reader)
        if known is not None:
            return known
        rows = self.store.query(
            "select c.key from channels c join peers p on p.party = c.reader and p.inception = c.inception"
            " where c.reader = $1",
            (reader,),
        )
        if not rows:
            raise Refused(f"this node has no channel to `{reader}`", hint="`relto sync` opens one")
        found = self._channel_keys[reader] = bytes(rows[0][0])
        return found

    # ---- parties known to be themselves

    def pin(self, envelope: bytes, how: str, inception: str = "") -> Pinned:
        """A party by its entry 0. inception: the id that someone vouches for; else words are compared by telephone.

        Raises: Malformed, Forged when it is no sound inception or not the expected one; Conflict when another one
        is pinned.
        """
        with self.lock:
            act, id_, signed = acts.open_act(envelope)
            if isinstance(act, acts.Epoch):
                raise NotFound(
                    f"`{act.author}` writes `{act.log}` now, and shows the beginning of its first ledger no more",
                    hint="its inception, as another party holds it, has to come first",
                )
            if not isinstance(act, acts.Inception) or not acts.satisfied(signed, act.keys, "root"):
                raise Forged("this is not an inception signed by its own root keys")
            if inception and id_ != inception:
                raise Forged(
                    f"`{act.author}` shows another inception than the one introduced",
                    hint="compare the words by telephone",
                )
            known = self.peers().get(act.author)
            if known is not None and known.inception != id_:
                raise Conflict(
                    f"another inception of `{act.author}` is pinned here",
                    hint="a new one needs the charter's party list",
                )
            if act.author == self.me:
                raise Refused("a node does not pin itself")
            if known is None:
                self.store.execute(
                    "insert into peers (party, inception, origin, address, envelope, how)"
                    " values ($1, $2, $3, $4, $5, $6)",
                    (act.author, id_, act.log, act.address, envelope, how),
                )
                self._peers = None
                self._open_channel(act.author, id_, act.keys.opening)
            return self.peers()[act.author]

    def open_channel(self, pinned: Pinned) -> None:
        """A new tag key for a pinned party."""
        with self.lock:
            self._open_channel(pinned.party, pinned.inception, self.keys_of(pinned).opening)

    def _open_channel(self, reader: str, inception: str, opening: OpeningPublic) -> None:
        """A tag key for a reader, published sealed in our chain; the private row and the act are one transaction."""
        key = self.random(32)
        sealed = opening.seal(channel_info(self.me, reader), key)
        row = ("insert into channels (reader, inception, key) values ($1, $2, $3)", (reader, inception, key))
        if self._pool is not None:
            self._pool.rekeyed = True
        self.write(self.draft("channel", reader=reader, inception=inception, sealed=sealed), beside=[row])
        self._channel_keys.clear()


def _answered(act: Act) -> str | None:
    """The act that this one amends, revokes, suspends or answers: its readers must be able to read this one too."""
    match act:
        case acts.Consent() | acts.Refuse() | acts.Return() | acts.Settle():
            return act.proposal
        case acts.Suspend():
            return act.engagement
        case acts.Lift():
            return act.suspend
        case acts.Revoke():
            return act.act
        case acts.Receipt() | acts.Recall() | acts.Answer():
            return act.release
        case _:
            return None
