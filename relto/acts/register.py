"""What holds at a moment, as one reader sees it: the shape that a fold returns and decisions read.

Nothing here computes; `fold.py` does. Every state names the act that made it, so that a decision can cite it.

Source: spec/register.md; contracts of the design, section 10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto.acts.act import (
    Acknowledge,
    Attest,
    Determine,
    Engagement,
    Evidence,
    KeySet,
    Licence,
    RegisterItem,
    Release,
    Restriction,
    Roster,
    Term,
)
from relto.acts.scan import KeySpan, Scan, Stated, Void
from relto.acts.votes.doubt import Freeze
from relto.charter import Charter, Parties, Project, Voice
from relto.errors import NotFound
from relto.label import Label
from relto.law import Pack

Sight = Mapping[str, tuple[int, str]]  # origin -> (size, root as hex; empty for a ledger held in parts)
SlotState = Literal["open", "in_force", "dead", "void"]


class Vote(Struct, frozen=True, kw_only=True):
    """One vote. silent: nobody refused; the ledger passed the proposal's deadline, and `act` is what shows it.

    voice: what the rule makes of it: a veto is a refusal, silence may be no refusal.
    """

    party: str
    vote: Literal["consent", "refuse"]
    voice: Voice
    act: str
    origin: str
    index: int
    confirmed: bool
    void: str = ""  # why it does not count
    silent: bool = False
    doubt: str = ""  # the fork or dispute that it lies in


class Proposal(Struct, frozen=True, kw_only=True):
    """One proposal of a slot. missing: no vote yet; waiting: voted, not yet confirmed by the members' ledgers."""

    id: str
    subject: str
    n: int
    stated: Stated
    state: SlotState
    why: str = ""
    voters: tuple[str, ...] = ()
    votes: tuple[Vote, ...] = ()
    missing: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    settled: Mapping[str, str] = {}  # member -> outcome, from `settle`
    call: int = 1  # a later one where those before, of the same author, missed their quorum
    due: str = ""  # decided for good, and in force only from this day
    provisional: bool = False  # enough consents are there, their confirmation is not: it gives no right

    @property
    def consents(self) -> tuple[str, ...]:
        """The acts that consent to it and count, or will when confirmed."""
        return tuple(sorted(vote.act for vote in counting(self.votes).values() if vote.vote == "consent"))


def counting(votes: Iterable[Vote]) -> dict[str, Vote]:
    """The vote of each party that counts: by V1 and V2 there is no second one of another kind.

    One in doubt gives way to the same vote said again outside that doubt, and where too few had acknowledged it to any.
    """
    found: dict[str, Vote] = {}
    for vote in votes:
        held = found.get(vote.party)
        if vote.void:
            continue
        if held is None or (held.doubt and (not held.confirmed or (vote.confirmed and not vote.doubt))):
            found[vote.party] = vote
    return found


class PartyState(Struct, frozen=True, kw_only=True):
    """A party as its own ledger and the charter show it.

    grade: member, participant, observer, introduced, or known (mirrored, nothing more).
    withdraws: the day from which its notice counts; by the charter, never before its notice has run.
    """

    id: str
    grade: str
    name: str
    code: str
    origin: str
    address: str
    inception: str
    chain: tuple[KeySpan, ...]
    size: int
    seen: int | None  # ms; when this node last had the head from the party's own node
    confirmed: int  # entries that the members' ledgers acknowledge
    frozen: str = ""  # why it neither gives nor receives
    frozen_at: int | None = None  # below this its entries keep their meaning; None: not known, or not frozen
    withdraws: str = ""  # day

    @property
    def keys(self) -> KeySet:
        return self.chain[-1].keys


class EngagementState(Struct, frozen=True, kw_only=True):
    id: str  # the subject's word
    proposal: str
    terms: Engagement
    term: Term
    suspended: tuple[tuple[str, str], ...] = ()  # (author, act id)
    ended: str = ""  # day
    by: tuple[str, ...] = ()  # acts it rests on: proposal and consents

    def state(self, day: str) -> str:
        if self.ended and self.ended <= day:
            return "ended"
        if self.suspended:
            return "suspended"
        if day < self.term.since:
            return "not_begun"
        return "in_force" if self.term.holds(day) else "lapsed"


class ItemState(Struct, frozen=True, kw_only=True):
    id: str
    version: int
    act: str  # the register act
    facts: RegisterItem
    label: Label
    label_act: str
    party: str  # whose ledger it stands in
    index: int
    retired: str = ""
    label_index: int = 0
    restriction: Restriction | UnsetType = UNSET  # of the newest label


class LicenceState(Struct, frozen=True, kw_only=True):
    act: str
    party: str  # who granted it
    terms: Licence
    revoked: str = ""
    used: int = 0  # quantity drawn, by the holder's releases only
    draws: Collection[tuple[str, int, str]] = frozenset()  # (item, version, organisation) drawn for already
    spent: int = 0  # value drawn, in the currency of the licence


class Determination(Struct, frozen=True, kw_only=True):
    """revoked: by what it ended: an own revocation, a later own judgement of the same, a dispute of its key."""

    act: str
    party: str
    terms: Determine
    revoked: str = ""


class Attestation(Struct, frozen=True, kw_only=True):
    act: str
    party: str
    terms: Attest
    revoked: str = ""


class RosterState(Struct, frozen=True, kw_only=True):
    act: str
    party: str
    terms: Roster


class ReleaseState(Struct, frozen=True, kw_only=True):
    act: str
    party: str
    origin: str
    index: int
    time: int
    terms: Release
    receipts: tuple[tuple[str, str, str], ...] = ()  # (party, act, outcome)


class RecallState(Struct, frozen=True, kw_only=True):
    """An order over what one release handed out: by an act of the owner, or by a suspension. id: `release:because`."""

    release: str
    because: str
    party: str  # the owner
    holder: str
    order: str
    by: str  # day by which it is answered
    answers: tuple[tuple[str, str, str, int], ...] = ()  # (party, act, answer, time)

    @property
    def id(self) -> str:
        return f"{self.release}:{self.because}"

    def state(self, day: str) -> str:
        final = {"destroyed", "returned", "kept"}
        if any(answer in final for _, _, answer, _ in self.answers):
            return "answered"
        return "overdue" if self.by < day else "outstanding"


class Denial(Struct, frozen=True, kw_only=True):
    """(author, subject): united over all ledgers, lifted only by its author, later in the same ledger."""

    author: str
    subject: str
    kind: str
    act: str


class EvidenceState(Struct, frozen=True, kw_only=True):
    act: str
    party: str
    terms: Evidence


class AdoptedPack(Struct, frozen=True, kw_only=True):
    act: str
    party: str
    digest: str
    pack: Pack | None  # None when the text is not held


class Kept(Protocol):
    """The fold's own state behind a register."""

    @property
    def basis(self) -> object: ...
    def common(self) -> str: ...
    def why_void(self, origin: str, index: int) -> str: ...


class Register(Struct, frozen=True, kw_only=True):
    """What `me` may know at `sight`. Compare by `own`; `common` is the part that all members share."""

    me: str
    sight: Sight
    pin: str = ""  # the founding id that this reader was told
    partnership: str  # id of the founding proposal; empty before
    charter: Charter | None
    charter_id: str
    directory: Parties | None
    packs: Mapping[str, tuple[AdoptedPack, ...]]
    parties: Mapping[str, PartyState]
    slots: Mapping[str, Proposal]  # by proposal id
    projects: Mapping[str, Project]  # the charter's, and those begun by acts
    engagements: Mapping[str, EngagementState]
    items: Mapping[str, tuple[ItemState, ...]]
    licences: Mapping[str, LicenceState]
    attestations: Sequence[Attestation]
    determinations: Sequence[Determination]
    rosters: Mapping[str, RosterState]
    releases: Mapping[str, ReleaseState]
    recalls: Mapping[str, RecallState]
    denials: frozenset[Denial]
    evidence: Sequence[EvidenceState]
    owed: Mapping[str, tuple[int, ...]]
    owed_before: Mapping[str, int] = {}  # party -> entries of its former ledgers that are not open here
    void: Sequence[Void]
    alarms: tuple[str, ...]
    freezes: Mapping[str, Freeze] = {}  # by origin
    halted: Mapping[str, str] = {}  # `project/…` or `party/…` -> the act that casts doubt on how it came in
    acks: Mapping[str, tuple[str, Acknowledge]]  # party -> (id, its newest acknowledge)
    stated: Mapping[str, Stated]  # by act id
    missing: frozenset[str]  # objects named and not held
    scans: Mapping[str, Scan]
    objects: Mapping[str, bytes]
    coming: tuple[tuple[str, str], ...] = ()  # charters that are decided and not in force yet: (id, from this day)
    kept: Kept | None = None  # what the fold goes on from

    @property
    def common(self) -> str:
        """Digest over the part that all members share; empty of a register that no fold made."""
        return self.kept.common() if self.kept is not None else ""

    @property
    def basis(self) -> object:
        """What decisions rest on, as one object: the same for two registers between which only releases that draw on
        no licence, and receipts, have come. Another one says nothing."""
        return self.kept.basis if self.kept is not None else self

    @property
    def own(self) -> str:
        """Digest over everything derived: equal for equal registers."""
        return own_digest(self)

    def why_void(self, origin: str, index: int) -> str:
        """Why an entry does not count; empty when it does."""
        if self.kept is not None:
            return self.kept.why_void(origin, index)
        return next((one.why for one in self.void if (one.origin, one.index) == (origin, index)), "")

    @property
    def charter_slot(self) -> tuple[int, str]:
        """Number and predecessor of the next change of the charter."""
        decided = sum(one.subject == "charter" and one.state == "in_force" for one in self.slots.values())
        return decided + len(self.coming) + 1, self.coming[-1][0] if self.coming else self.charter_id

    @property
    def members(self) -> tuple[str, ...]:
        return self.charter.members if self.charter else ()

    @property
    def signatories(self) -> tuple[str, ...]:
        """The members, and the parties of lesser grades that signed the charter."""
        return self.charter.signatories if self.charter else ()

    def party(self, name: str) -> PartyState:
        """Raises: NotFound."""
        if name not in self.parties:
            raise NotFound(f"no party `{name}` is known here", hint="`relto party list` shows the parties")
        return self.parties[name]

    def item(self, name: str, version: int | None = None) -> ItemState:
        """The newest version, or this one; only of items whose register act is open to the reader.

        Raises: NotFound.
        """
        found = [one for one in self.items.get(name, ()) if version is None or one.version == version]
        if not found:
            raise NotFound(
                f"no item `{name}`" if version is None else f"no item `{name}@{version}`",
                hint="`relto item list` shows the catalogue",
            )
        return found[-1]

    def item_by_opaque(self, opaque: str, party: str = "") -> ItemState:
        """By the id that a package shows; of one party's items when it is given, since another may repeat an id.

        Raises: NotFound.
        """
        for versions in self.items.values():
            for one in versions:
                if one.facts.opaque == opaque and party in {"", one.party}:
                    return one
        raise NotFound("no registered item stands behind this package")

    def engagement_of(self, party: str, project: str) -> tuple[EngagementState, ...]:
        return tuple(
            one for one in self.engagements.values() if one.terms.party == party and one.terms.project == project
        )

    def pack_on(self, jurisdiction: str, day: str) -> AdoptedPack | None:
        """The last adopted text whose validity holds the day."""
        adopted = self.packs.get(jurisdiction, ())
        held = [one for one in adopted if one.pack is None or one.pack.valid.holds(day)]
        return held[-1] if held else None

    def origin_of(self, party: str) -> str:
        return self.party(party).origin

    def act(self, prefix: str) -> Stated:
        """By id or by any unique prefix of eight or more characters.

        Raises: NotFound.
        """
        if prefix in self.stated:
            return self.stated[prefix]
        found = [one for one in self.stated if len(prefix) >= 8 and one.startswith(prefix)]
        if len(found) != 1:
            why = "is not unique" if found else "is not known here"
            raise NotFound(
                f"act `{prefix[:64]}` {why}", hint="give eight or more characters of an id that `relto act list` shows"
            )
        return self.stated[found[0]]


def own_digest(register: Register) -> str:
    """Digest over everything derived, so that two folds can be compared."""
    skipped = {"stated", "scans", "objects", "charter", "directory", "kept"}
    view: dict[str, object] = {"common": register.common}
    view |= {name: getattr(register, name) for name in register.__struct_fields__ if name not in skipped}
    view["denials"] = sorted((one.author, one.subject, one.kind, one.act) for one in register.denials)
    view["missing"] = sorted(register.missing)
    view["packs"] = {name: [(one.act, one.digest) for one in packs] for name, packs in register.packs.items()}
    view["parties"] = {name: _plain(one, "chain") for name, one in register.parties.items()}
    view["slots"] = {name: _plain(one, "stated") for name, one in register.slots.items()}
    view["licences"] = {
        name: (one.revoked, one.used, one.spent, sorted(one.draws)) for name, one in register.licences.items()
    }
    return hashlib.sha256(msgspec.json.encode(view, order="sorted", enc_hook=_builtin)).hexdigest()


def _builtin(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    assert isinstance(value, Sequence)
    return list(value)


def _plain(one: Struct, without: str) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__ if name != without}
