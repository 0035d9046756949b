"""The closed set of acts: their fields, who signs each, who must be able to read each.

An act is a signed statement by one party in its own ledger. Bytes are the truth: `read` accepts exactly the canonical
JSON that `write` produces (sorted ASCII keys, no white space, no floats, no nulls, NFC), so an act is never
re-serialised to be checked. Its id is SHA-256 over the DSSE pre-authentication encoding of the payload: signatures are
not part of it.

What one act alone shows to be wrong is refused here and never gets into a ledger: a day that no calendar has, a term
that ends before it begins, a key in two roles. What needs other acts to be judged is `fold`'s affair: it is void there.

Source: spec/acts.md; contracts of the design, sections 1, 9, 10.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from relto.errors import Malformed
from relto.keys import OpeningPublic, PublicKey, pae
from relto.label import Label, Level

PAYLOAD_TYPE = "application/vnd.relto.act+json"
PAYLOAD_MAX = 48_000  # bytes; larger texts travel as objects by digest
TEXT_MAX = 4_096  # characters of any free text
ROWS_MAX = 100_000  # items in one table
DOUBTS_MAX = 64  # doubts that one acknowledge names; the next names more
MILLIS_MAX = 32_503_679_999_999  # the last millisecond of 2999, the last year that a `Date` can name

# `\Z` and not `$`: the latter also matches before a final line feed.
Word = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,63}\Z")]
PartyId = Word
OrgId = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,63}/[a-z0-9][a-z0-9-]{0,63}\Z")]
ItemId = OrgId
Holder = Annotated[
    str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63})?\Z")
]  # a party or one of its organisations
Pseudonym = Annotated[str, Meta(pattern=r"\Ap-[a-z2-7]{26}\Z")]
Hex32 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hex16 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Origin = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9.-]{0,60}/[a-z0-9-]{1,50}/(0|[1-9][0-9]{0,8})\Z")]
Subject = Annotated[str, Meta(pattern=r"\A(charter|(project|engagement)/[a-z0-9][a-z0-9-]{0,63})\Z")]
Country = Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
# A day that the Gregorian calendar has, 1900 to 2999: no reader may find out later that there is no 30 February.
Date = Annotated[
    str,
    Meta(
        pattern=r"\A(?:(?:19|2[0-9])[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
        r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
        r"|(?:(?:19|2[0-9])(?:0[48]|[2468][048]|[13579][26])|2[048]00)-02-29)\Z"
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
Line = Annotated[str, Meta(pattern=r"\A[^\n]{1,512}\Z")]
# As a charter's party list writes it (spec/charter.md): without a path, in one spelling.
Url = Annotated[
    str,
    Meta(pattern=r"\Ahttps?://(?:[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?|\[[0-9a-f:]{2,45}\])(?::[1-9][0-9]{0,4})?\Z"),
]
KeyId = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9./-]{0,127}\+[0-9a-f]{8}\Z")]
Millis = Annotated[int, Meta(ge=0, le=MILLIS_MAX)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
ActId = Hex32
Digest = Hex32


class Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Anything that stands inside an act."""


class Term(Shape, frozen=True, kw_only=True):
    """`[from, to)` in days: equal to the end is over. Without `to` it runs on."""

    since: Date = msgspec.field(name="from")
    until: Date | UnsetType = msgspec.field(name="to", default=UNSET)

    def __post_init__(self) -> None:
        if not isinstance(self.until, UnsetType) and self.until <= self.since:
            raise Malformed(f"a term from {self.since[:16]} to {self.until[:16]} never holds", where="to")

    def holds(self, day: str) -> bool:
        return self.since <= day and (self.until is UNSET or day < self.until)

    @property
    def last(self) -> str | None:
        """The last day on which it holds."""
        if isinstance(self.until, UnsetType):
            return None
        return (dt.date.fromisoformat(self.until) - dt.timedelta(days=1)).isoformat()


class Money(Shape, frozen=True, kw_only=True):
    amount: Count
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]


class Clearance(Shape, frozen=True, kw_only=True):
    """A clearance by the name that its own system gives it; a charter says what it covers."""

    system: Annotated[str, Meta(pattern=r"\A[A-Z]{3,8}\Z")]
    level: Annotated[str, Meta(pattern=r"\A[^\n]{1,64}\Z")]
    until: Date | UnsetType = UNSET


Saying = Literal["party", "person", "node"]


class RecipientClass(Shape, frozen=True, kw_only=True):
    """What rules read of a recipient, without a name.

    says: who states each of the facts: a party's own register, the person, the node.
    """

    party: PartyId
    organisation: OrgId
    employment: Literal["regular", "contract", "none"] | UnsetType = UNSET
    nationalities: tuple[Country, ...] | UnsetType = UNSET
    clearance: Clearance | UnsetType = UNSET
    says: dict[Literal["employment", "nationalities", "clearance"], Saying] = {}

    @property
    def mixed(self) -> bool:
        """Whether it names another party's organisation: one party's standing must not carry that."""
        return self.organisation.partition("/")[0] != self.party


# ---- keys -----------------------------------------------------------------------------------------------------------


class Quorum(Shape, frozen=True, kw_only=True):
    """`threshold` of `keys`, counted by distinct public-key bytes and never by key id."""

    threshold: Annotated[int, Meta(ge=1, le=16)]
    keys: Annotated[tuple[PublicKey, ...], Meta(min_length=1, max_length=16)]

    def __post_init__(self) -> None:
        _reachable(self.threshold, [key.ed25519 for key in self.keys])


class Successors(Shape, frozen=True, kw_only=True):
    """Commitment to the next root keys: SHA-256 over each key's canonical JSON (pre-rotation)."""

    threshold: Annotated[int, Meta(ge=1, le=16)]
    digests: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=16)]

    def __post_init__(self) -> None:
        _reachable(self.threshold, self.digests)


def _reachable(threshold: int, keys: Iterable[bytes | str]) -> None:
    """A quorum that its keys can never reach would lock a party out of its own ledger."""
    distinct = len(set(keys))
    if threshold > distinct:
        raise Malformed(f"a quorum of {threshold} cannot be reached with {distinct} different keys", where="threshold")


class Officer(Shape, frozen=True, kw_only=True):
    office: Literal["disclosure", "licensing", "registrar", "safety"]
    key: PublicKey


class LogKey(Shape, frozen=True, kw_only=True):
    ed25519: Annotated[bytes, Meta(min_length=32, max_length=32)]
    mldsa44: Annotated[bytes, Meta(min_length=1312, max_length=1312)] | UnsetType = UNSET


class AccessPublic(Shape, frozen=True, kw_only=True):
    """A key that shares may be wrapped to; it signs nothing."""

    kid: Line
    algorithm: Literal["rsa:2048", "ec:secp256r1", "hpqt:secp256r1-mlkem768"]
    pem: Text


class KeySet(Shape, frozen=True, kw_only=True):
    """All keys of a party from one log position on; always the whole set."""

    root: Quorum
    next_root: Successors
    authority: Quorum
    officers: Annotated[tuple[Officer, ...], Meta(max_length=32)]
    node: PublicKey
    vouch: PublicKey
    seal: PublicKey
    log: LogKey
    witness: LogKey
    opening: OpeningPublic
    access: Annotated[tuple[AccessPublic, ...], Meta(max_length=16)]

    def __post_init__(self) -> None:
        # One key, one role: theft of the log key then costs order, not consent. One person may hold several offices.
        officers = {one.key.ed25519 for one in self.officers}
        others = [key.ed25519 for key in (*self.root.keys, *self.authority.keys, self.node, self.vouch, self.seal)]
        others += [self.log.ed25519, self.witness.ed25519]
        if len(set(others)) != len(others) or officers & set(others):
            raise Malformed("one key stands in two roles", hint="a key serves one purpose only", where="keys")


# ---- what a proposal may be about -----------------------------------------------------------------------------------


class CharterText(Shape, frozen=True, kw_only=True, tag_field="is", tag="charter"):
    """Both texts by digest; the texts travel as objects."""

    charter: Digest
    parties: Digest


class ProjectTerms(Shape, frozen=True, kw_only=True, tag_field="is", tag="project"):
    project: Word
    name: Line
    pillar: Word
    areas: tuple[Word, ...]
    participants: tuple[PartyId, ...]
    term: Term
    instrument: Line | UnsetType = UNSET


class Member(Shape, frozen=True, kw_only=True):
    """A party by its inception, its ledger and its node's address."""

    party: PartyId
    inception: ActId
    origin: Origin
    address: Url


class Engagement(Shape, frozen=True, kw_only=True, tag_field="is", tag="engage"):
    """An outsider takes part in one project. The introduction's values are repeated: under these the outsider consents.

    `members`, `confirm` and `recall_days` repeat what charter and party list say, so that the outsider knows whose word
    to wait for, and what it owes when the engagement is suspended, without reading the charter.
    recall_days: within which it answers for what it received; absent: no order opens.
    """

    party: PartyId
    inception: ActId
    origin: Origin
    address: Url
    project: Word
    role: Literal["participant", "observer"]
    areas: tuple[Word, ...]
    ceiling: Annotated[tuple[Level, ...], Meta(min_length=1)]
    term: Term
    conditions: tuple[Text, ...] = ()
    members: tuple[Member, ...]
    confirm: Annotated[int, Meta(ge=1, le=64)]
    recall_days: Annotated[int, Meta(ge=1, le=3660)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        _once("members", [one.party for one in self.members])
        if self.confirm > len(self.members):
            raise Malformed(f"{self.confirm} of {len(self.members)} members cannot confirm", where="confirm")


class Renewal(Shape, frozen=True, kw_only=True, tag_field="is", tag="renew"):
    of: ActId
    term: Term


class Ending(Shape, frozen=True, kw_only=True, tag_field="is", tag="end"):
    of: ActId
    on: Date
    reason: Text


class Admission(Shape, frozen=True, kw_only=True, tag_field="is", tag="admit"):
    party: PartyId
    charter: Digest
    parties: Digest


class Expulsion(Shape, frozen=True, kw_only=True, tag_field="is", tag="expel"):
    party: PartyId
    charter: Digest
    parties: Digest


def _once(field: str, names: Iterable[object]) -> None:
    listed = list(names)
    if len(set(listed)) != len(listed):
        raise Malformed(f"`{field}` names something twice", where=field)


What = CharterText | ProjectTerms | Engagement | Renewal | Ending | Admission | Expulsion


# ---- smaller shapes of acts -----------------------------------------------------------------------------------------


class Seen(Shape, frozen=True, kw_only=True):
    """One ledger as its reader has durably ingested it.

    seen: when the reader last had this head from the ledger's own node.
    """

    origin: Origin
    size: Count
    root: Digest
    seen: Millis
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Owed(Shape, frozen=True, kw_only=True):
    origin: Origin
    entries: tuple[Count, ...]


class RosterClass(Shape, frozen=True, kw_only=True):
    recipient: RecipientClass
    heads: Annotated[int, Meta(ge=1, le=10_000_000)]


class ReleaseRule(Shape, frozen=True, kw_only=True):
    rule: Literal["one", "all", "k_of_n"]
    k: Annotated[int, Meta(ge=1, le=16)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.rule == "k_of_n") == isinstance(self.k, UnsetType):
            raise Malformed("`k` stands beside `k_of_n` and nowhere else", where="k")


class Restriction(Shape, frozen=True, kw_only=True):
    """Why an officer keeps it from all others (NOFORN and its like), and the day on which somebody asks again."""

    reason: Text
    review: Date


class ItemRef(Shape, frozen=True, kw_only=True):
    item: ItemId
    version: Annotated[int, Meta(ge=1)]


class AuthorityRef(Shape, frozen=True, kw_only=True):
    """The authority that a permit rests on: by whose law, which paragraph or licence, until when."""

    jurisdiction: Annotated[str, Meta(pattern=r"\A[A-Z]{3,4}\Z")]
    authority: Line
    cite: Line
    pack: Digest
    act: ActId | UnsetType = UNSET
    until: Date | UnsetType = UNSET


class LicenceUse(Shape, frozen=True, kw_only=True):
    licence: ActId
    quantity: Count
    value: Money | UnsetType = UNSET


# ---- acts -----------------------------------------------------------------------------------------------------------


class Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every act carries.

    at: ms UTC. The effective time in the ledger is the running maximum over the acts for the same readers; one signed
    by a person may lag that by a day at most (the time a signing request may travel), one signed by a node not at all.
    Never compared between ledgers.
    readers: the parties that may open it, author included, sorted; absent in the party chain, which all that mirror may
    open.
    partnership: id of the founding proposal; absent in the party chain, in `introduce` and in the founding proposal
    itself; a fork may be proved before there is one.
    v: the first version that has all that the act says (`ADDED`): one spelling.
    under: id of the charter version in force for the author; absent likewise, and in an outsider's acts.
    """

    v: Literal[1, 2, 3] = 1
    author: PartyId
    log: Origin
    at: Millis
    readers: Annotated[tuple[PartyId, ...], Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    partnership: ActId | UnsetType = UNSET
    under: ActId | UnsetType = UNSET


class Inception(Act, frozen=True, kw_only=True, tag="inception"):
    name: Line
    address: Url
    keys: KeySet


class Rotate(Act, frozen=True, kw_only=True, tag="rotate"):
    prev: ActId
    keys: KeySet


class Recover(Act, frozen=True, kw_only=True, tag="recover"):
    prev: ActId
    keys: KeySet
    reason: Text


class Former(Shape, frozen=True, kw_only=True):
    """How much of a party's ledger before it a new one takes over: so many entries, under this root."""

    origin: Origin
    size: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    root: Digest


class Epoch(Act, frozen=True, kw_only=True, tag="epoch"):
    """Entry 0 of a ledger with which a party goes on after another that forked or was lost.

    inception: the party's, by which it is known; prev: the newest act of its key chain in what is taken over. The keys
    are those to which that act committed, as in a recovery.
    """

    name: Line
    address: Url
    inception: ActId
    former: Former
    prev: ActId
    keys: KeySet
    reason: Text


class Channel(Act, frozen=True, kw_only=True, tag="channel"):
    """A 32-byte tag key for one reader, sealed by HPKE to that reader's opening key.

    info: `relto channel v1`, author, reader, with 0x00 between.
    """

    reader: PartyId
    inception: ActId
    sealed: Annotated[bytes, Meta(min_length=32, max_length=4096)]


class Introduce(Act, frozen=True, kw_only=True, tag="introduce"):
    party: PartyId
    inception: ActId
    origin: Origin
    address: Url
    # Who the members are, for the introduced party to find them.
    members: Annotated[tuple[Member, ...], Meta(max_length=64)] = ()


class Propose(Act, frozen=True, kw_only=True, tag="propose"):
    subject: Subject
    n: Annotated[int, Meta(ge=1, le=1_000_000)]
    prev: ActId | UnsetType = UNSET
    what: What
    by: Millis | UnsetType = UNSET


class Consent(Act, frozen=True, kw_only=True, tag="consent"):
    proposal: ActId
    sight: ActId | UnsetType = UNSET  # an own acknowledge; absent only before the founding


class Refuse(Act, frozen=True, kw_only=True, tag="refuse"):
    proposal: ActId
    reason: Text


class Return(Act, frozen=True, kw_only=True, tag="return"):
    proposal: ActId
    comment: Text
    counter: ActId | UnsetType = UNSET


class Settle(Act, frozen=True, kw_only=True, tag="settle"):
    proposal: ActId
    outcome: Literal["in_force", "dead"]
    common: Digest


class Acknowledge(Act, frozen=True, kw_only=True, tag="acknowledge"):
    """owed: entries addressed to the author that it could not open; it confirms up to the first of them.

    doubts: proofs of forks and disputes of keys that it holds, and has not named in an earlier one.
    """

    heads: tuple[Seen, ...]
    owed: tuple[Owed, ...] = ()
    common: Digest
    doubts: Annotated[tuple[ActId, ...], Meta(min_length=1, max_length=DOUBTS_MAX)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        _once("heads", [one.origin for one in self.heads])
        _once("owed", [one.origin for one in self.owed])


class Adopt(Act, frozen=True, kw_only=True, tag="adopt"):
    """The state whose law it is makes a law pack count."""

    jurisdiction: Annotated[str, Meta(pattern=r"\A[A-Z]{3,4}\Z")]
    pack: Digest
    name: Word


class Attest(Act, frozen=True, kw_only=True, tag="attest"):
    """A party's assurance about itself or one of its organisations, or its half of an instrument (`with` a party)."""

    about: Holder
    claim: Word
    term: Term
    other: PartyId | UnsetType = msgspec.field(name="with", default=UNSET)
    reference: Line | UnsetType = UNSET


class Revoke(Act, frozen=True, kw_only=True, tag="revoke"):
    """Ends an own attest, licence or determine from here on."""

    act: ActId
    reason: Text


class Roster(Act, frozen=True, kw_only=True, tag="roster"):
    day: Date
    classes: Annotated[tuple[RosterClass, ...], Meta(max_length=512)]


class RegisterItem(Act, frozen=True, kw_only=True, tag="register"):
    """An item enters the catalogue.

    What is not stated (`entries` without a jurisdiction, no `origins`) is unknown, never empty.
    """

    item: ItemId
    version: Annotated[int, Meta(ge=1)]
    opaque: Hex16
    title: Line
    organisation: OrgId
    owners: Annotated[tuple[PartyId, ...], Meta(min_length=1, max_length=16)]
    release: ReleaseRule
    project: Word
    areas: tuple[Word, ...]
    label: Label
    nature: Literal["technical_data", "software", "hardware", "service"]
    origins: tuple[Country, ...] | UnsetType = UNSET
    entries: dict[Annotated[str, Meta(pattern=r"\A[A-Z]{3,4}\Z")], tuple[Line, ...]] = {}
    flags: tuple[Line, ...] | UnsetType = UNSET
    derived: tuple[ItemRef, ...] = ()
    background: bool = False
    value: Money | UnsetType = UNSET  # of one transfer; free data is 0. Thresholds of law are compared with it
    restriction: Restriction | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not isinstance(self.release.k, UnsetType) and self.release.k > len(self.owners):
            raise Malformed(f"{self.release.k} of {len(self.owners)} owners cannot release", where="release")


class Catalogue(Act, frozen=True, kw_only=True, tag="catalogue"):
    """Registers up to 100,000 items at once: rows of a table that travels by its digest.

    What all of them share stands here, what each has of its own in its row. The opaque id of an item follows from
    `seed`, which only the readers of this act know.
    """

    table: Digest
    rows: Annotated[int, Meta(ge=1, le=ROWS_MAX)]
    seed: Digest
    organisation: OrgId
    owners: Annotated[tuple[PartyId, ...], Meta(min_length=1, max_length=16)]
    release: ReleaseRule
    project: Word

    def __post_init__(self) -> None:
        if not isinstance(self.release.k, UnsetType) and self.release.k > len(self.owners):
            raise Malformed(f"{self.release.k} of {len(self.owners)} owners cannot release", where="release")


class Relabel(Act, frozen=True, kw_only=True, tag="relabel"):
    """Gives an item another label. Determinations made on the former one end with it."""

    item: ItemId
    version: Annotated[int, Meta(ge=1)]
    prev: ActId
    label: Label
    reason: Text
    restriction: Restriction | UnsetType = UNSET


class Retire(Act, frozen=True, kw_only=True, tag="retire"):
    item: ItemId
    version: Annotated[int, Meta(ge=1)]
    prev: ActId
    reason: Text


class Disclose(Act, frozen=True, kw_only=True, tag="disclose"):
    """Opens earlier acts of this ledger, by index, to one more reader."""

    to: PartyId
    entries: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=4096)]


class Determine(Act, frozen=True, kw_only=True, tag="determine"):
    """A recorded human judgement: one condition of one authority is met, or not, by one item under one label.

    on: the act that set the label.
    """

    item: ItemId
    version: Annotated[int, Meta(ge=1)]
    on: ActId
    jurisdiction: Annotated[str, Meta(pattern=r"\A[A-Z]{3,4}\Z")]
    authority: Line
    condition: Line
    holds: bool
    reason: Text
    request: Digest | UnsetType = UNSET


class Licence(Act, frozen=True, kw_only=True, tag="licence"):
    licence: Word
    jurisdiction: Annotated[str, Meta(pattern=r"\A[A-Z]{3,4}\Z")]
    authority: Line
    holder: OrgId
    recipients: Annotated[tuple[Holder, ...], Meta(min_length=1, max_length=64)]
    items: Annotated[tuple[ItemId, ...], Meta(min_length=1, max_length=256)]
    term: Term
    quantity: Count | UnsetType = UNSET
    value: Money | UnsetType = UNSET
    provisos: tuple[Text, ...] = ()
    amends: ActId | UnsetType = UNSET
    request: Digest | UnsetType = UNSET


class Release(Act, frozen=True, kw_only=True, tag="release"):
    """Covers one share of one key, or one release without a file. Durable before the share leaves."""

    request: Digest
    item: ItemId
    version: Annotated[int, Meta(ge=1)]
    project: Word
    part: Line | UnsetType = UNSET
    package: Digest | UnsetType = UNSET
    method: Literal["key", "oral", "visual", "physical", "carried"]
    to: RecipientClass
    person: Pseudonym
    purpose: Word
    place: Country
    place_says: Saying
    value: Money | UnsetType = UNSET
    authorities: tuple[AuthorityRef, ...]
    rests_on: tuple[ActId, ...]
    packs: tuple[Digest, ...]
    uses: Annotated[tuple[LicenceUse, ...], Meta(max_length=16)] = ()
    obligations: tuple[Line, ...] = ()
    decision: Digest
    day: Millis
    sight: ActId
    evidence: Digest
    legacy_client: bool = False

    def __post_init__(self) -> None:
        _once("uses", [one.licence for one in self.uses])


class Receipt(Act, frozen=True, kw_only=True, tag="receipt"):
    release: ActId
    outcome: Literal["matches", "disputed"]
    opened: bool = False
    why: Text | UnsetType = UNSET


class Suspend(Act, frozen=True, kw_only=True, tag="suspend"):
    engagement: ActId  # the proposal that put it in force
    reason: Text


class Lift(Act, frozen=True, kw_only=True, tag="lift"):
    suspend: ActId
    reason: Text


class Recall(Act, frozen=True, kw_only=True, tag="recall"):
    """An owner's order over what its release handed out.

    A suspension opens such orders by itself, where the engagement says so.
    """

    release: ActId
    order: Literal["return", "destroy"]
    by: Date
    reason: Text


class Answer(Act, frozen=True, kw_only=True, tag="answer"):
    """The holder's answer to an order. because: the recall, suspend or other act that opened it."""

    release: ActId
    because: ActId
    answer: Literal["acknowledged", "destroyed", "returned", "kept"]
    reason: Text | UnsetType = UNSET


class Withdraw(Act, frozen=True, kw_only=True, tag="withdraw"):
    """Notice given on a day; it counts when the charter's notice has run from then. It cannot be taken back."""

    on: Date
    reason: Text


class Dispute(Act, frozen=True, kw_only=True, tag="dispute"):
    """What one key signed in a party's ledger from an index on is not to be relied upon.

    votes: its consents count no more either, where not enough ledgers had acknowledged them by then; nor does what it
    lifted, began or let in.
    """

    party: PartyId
    key: KeyId
    index: Count
    reason: Text
    votes: Literal[True] | UnsetType = UNSET


Hashes = Annotated[tuple[Annotated[bytes, Meta(min_length=32, max_length=32)], ...], Meta(max_length=64)]


class Shared(Shape, frozen=True, kw_only=True):
    """A size up to which both histories are the same, with the consistency proofs from there."""

    size: Count
    root: Digest
    to_first: Hashes = ()
    to_second: Hashes = ()


class Fork(Act, frozen=True, kw_only=True, tag="fork"):
    """Proof that a ledger signed two histories: both checkpoints (C2SP), the smaller first.

    For unequal sizes with the root that the second has at the size of the first, and the consistency proof.
    shared: what stands below it keeps its meaning; without it the whole ledger is in doubt.
    """

    origin: Origin
    first: Annotated[bytes, Meta(max_length=8192)]
    second: Annotated[bytes, Meta(max_length=8192)]
    root: Digest | UnsetType = UNSET
    proof: Hashes = ()
    shared: Shared | UnsetType = UNSET


class Evidence(Act, frozen=True, kw_only=True, tag="evidence"):
    candidate: PartyId
    date: Date
    standing: Literal["joint_statement", "official", "press", "unnamed"]
    status: Word
    says: Text
    source: Line
    document: Digest | UnsetType = UNSET
    quote: Text | UnsetType = UNSET


AnyAct = (
    Inception | Rotate | Recover | Epoch | Channel | Introduce | Propose | Consent | Refuse | Return | Settle | Acknowledge
    | Adopt | Attest | Revoke | Roster | RegisterItem | Catalogue | Relabel | Retire | Disclose | Determine | Licence | Release
    | Receipt | Suspend | Lift | Recall | Answer | Withdraw | Dispute | Fork | Evidence
)  # fmt: skip
KINDS: dict[str, type[Act]] = {kind.__struct_config__.tag: kind for kind in get_args(AnyAct)}
PARTY_CHAIN = (Inception, Rotate, Recover, Epoch, Channel)

# Who signs: root quorum, authority quorum, one officer of one of the offices, or the node's key and nobody else.
ROOT, AUTHORITY, NODE = "root", "authority", "node"
DISCLOSURE, LICENSING, REGISTRAR = frozenset({"disclosure"}), frozenset({"licensing"}), frozenset({"registrar"})
SAFETY = frozenset({"safety"})
SIGNERS: dict[str, str | frozenset[str]] = {
    **dict.fromkeys(("inception", "rotate", "recover", "epoch"), ROOT),
    **dict.fromkeys(("consent", "refuse", "withdraw", "adopt"), AUTHORITY),
    **dict.fromkeys(("channel", "release", "receipt", "acknowledge", "settle", "disclose", "roster", "fork"), NODE),
    **dict.fromkeys(("introduce", "propose", "return", "register", "catalogue", "relabel", "retire"), DISCLOSURE),
    **dict.fromkeys(("determine", "evidence", "answer"), DISCLOSURE),
    "licence": LICENSING,
    "attest": REGISTRAR,
    "revoke": REGISTRAR | LICENSING | DISCLOSURE | SAFETY,
    **dict.fromkeys(("suspend", "recall"), SAFETY | DISCLOSURE),
    **dict.fromkeys(("lift", "dispute"), SAFETY),
}

# Kinds for all members. Where all of them may open it, the leaf carries the common tag, so that nobody can show it to
# some members only: docs/decisions/0008-common-tag.md
COMMON = frozenset({
    "inception", "rotate", "recover", "epoch", "channel", "introduce", "propose", "consent", "refuse", "return", "settle",
    "acknowledge", "adopt", "attest", "suspend", "lift", "withdraw", "dispute", "fork",
})  # fmt: skip
# Kinds that only take away: they count whatever charter they name.
DENIALS = frozenset({"suspend", "recall", "revoke", "dispute", "fork"})

# What later versions added to the kinds (docs/decisions/0056-acts-version-2.md, 0086-acts-version-3.md): a kind whole, or
# one field of a kind.
ADDED = {
    "catalogue": (2, ""), "register": (2, "restriction"), "relabel": (2, "restriction"),
    "epoch": (3, ""), "fork": (3, "shared"), "dispute": (3, "votes"), "acknowledge": (3, "doubts"),
}  # fmt: skip

_decoder = msgspec.json.Decoder(AnyAct, strict=True)


def write(act: Act) -> bytes:
    """The canonical payload bytes of an act."""
    return msgspec.json.encode(act, order="sorted")


@lru_cache(maxsize=512)  # at most 32 MiB; what a node writes is read back before it is signed, and when it is stored
def read(payload: bytes) -> Act:
    """Bytes to act. Refuses anything but the one canonical spelling, with the field where it went wrong.

    Raises: Malformed.
    """
    if len(payload) > PAYLOAD_MAX:
        raise Malformed(f"an act of {len(payload)} bytes is over the limit of {PAYLOAD_MAX}")
    try:
        act: Act = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not an act: {_plain(error)}", where=_field(error)) from error
    if write(act) != payload:
        # Catches repeated keys, `-0`, white space, lenient base64, key order: everything with a second spelling.
        raise Malformed("not the canonical form of this act", hint="sorted keys, no white space, each key once")
    if payload.isascii() and b"\\" not in payload and b"\x7f" not in payload:
        _check_lists(
            msgspec.json.decode(payload)
        )  # every character is one that people can read: JSON escapes the others
    else:
        check_texts(msgspec.json.decode(payload))
    _check_frame(act)
    return act


def version_of(act: Act) -> int:
    """The version that an act has to say: the first that has all that it says."""
    version, field = ADDED.get(str(act.__struct_config__.tag), (1, ""))
    return 1 if field and isinstance(getattr(act, field), UnsetType) else version


def _check_frame(act: Act) -> None:
    """The fields that every act carries: which kinds have them and which have not."""
    if act.v != version_of(act):
        raise Malformed(f"this act is one of version {version_of(act)}", where="v")
    party_chain = isinstance(act, PARTY_CHAIN)
    if isinstance(act.readers, UnsetType) != party_chain:
        raise Malformed("`readers` stands in every act but those of the party chain", where="readers")
    readers = (act.author,) if isinstance(act.readers, UnsetType) else act.readers
    if list(readers) != sorted(set(readers)) or act.author not in readers:
        raise Malformed("`readers` must be sorted, each once, with the author among them", where="readers")
    founding = isinstance(act, Propose) and isinstance(act.partnership, UnsetType)
    if isinstance(act, Propose):
        _check_slot(act, founding=founding)
    outside = party_chain or founding or isinstance(act, Introduce)
    if outside and not isinstance(act.partnership, UnsetType):
        raise Malformed("this kind belongs to no partnership", where="partnership")
    if not outside and isinstance(act.partnership, UnsetType) and not isinstance(act, Fork):
        raise Malformed("this kind names its partnership", where="partnership")
    if isinstance(act.partnership, UnsetType) and not isinstance(act.under, UnsetType):
        raise Malformed("`under` stands beside `partnership` only", where="under")


def _check_slot(act: Propose, *, founding: bool) -> None:
    """A slot is a subject, a number and what was in force before; the founding is the one before which nothing was."""
    if (act.n > 1) == isinstance(act.prev, UnsetType):
        raise Malformed("`prev` stands in every proposal but the first of its subject", where="prev")
    first = (act.subject, act.n) == ("charter", 1)
    if founding != first or (founding and not isinstance(act.what, CharterText)):
        raise Malformed("the first charter founds a partnership, and nothing else is without one", where="partnership")


# A list is a set here, with one exception: a hash may well occur twice in a proof.
_LISTS = frozenset({"proof", "to_first", "to_second"})
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f]")


def check_texts(value: object, field: str = "") -> None:
    if isinstance(value, str):
        if not value.isascii() or _CONTROL.search(value):
            _check_characters(value, field)
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_texts(key, field)
            check_texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            check_texts(inner, field)
        _check_list(value, field)


def _check_lists(value: object, field: str = "") -> None:
    """What `check_texts` asks of lists."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list):
                _check_lists(inner, key)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict | list):
                _check_lists(inner, field)
        _check_list(value, field)


def _check_list(value: list[object], field: str) -> None:
    if len(value) < 2 or field in _LISTS:
        return
    distinct = {one if isinstance(one, str) else msgspec.json.encode(one) for one in value}
    if len(distinct) != len(value):
        raise Malformed("a list holds the same thing twice", where=field)


# Unicode 3.2, for good: what a later version assigns has no agreed normal form among programs of different age, and two
# readers could disagree whether an act is one. Its normal form of what it does assign never changes.
_UNICODE = unicodedata.ucd_3_2_0
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# What Unicode calls default ignorable and had in other categories in 3.2: fillers, joiners, selectors, a soft hyphen.
_IGNORED = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u200b\u3164\uffa0") | frozenset(
    map(chr, range(0xFE00, 0xFE10))
)


def _check_characters(value: str, field: str) -> None:
    """NFC, and nothing that hides in a name or a reason that people read: no controls but LF, no direction marks."""
    for mark in value:
        if (_UNICODE.category(mark) in _HIDDEN and mark != "\n") or mark in _IGNORED:
            raise Malformed(f"text holds U+{ord(mark):04X}, which people cannot read", where=field)
    if not _UNICODE.is_normalized("NFC", value):
        raise Malformed("text is not in Unicode normalisation form C", where=field)


def _plain(error: Exception) -> str:
    text = str(error).split(" - at `", maxsplit=1)[0]
    return (text[:1].lower() + text[1:]) or "unreadable"


def _field(error: Exception) -> str:
    _, found, path = str(error).partition(" - at `")
    return path.rstrip("`").removeprefix("$.") if found else ""


def act_id(payload: bytes) -> str:
    """SHA-256 of the pre-authentication encoding, hex."""
    return hashlib.sha256(pae(PAYLOAD_TYPE, payload)).hexdigest()


def key_digest(key: PublicKey) -> str:
    """What `next_root` commits to."""
    return hashlib.sha256(msgspec.json.encode(key, order="sorted")).hexdigest()
