"""The closed set of acts: their fields, who signs each, who must be able to read each.

An act is a signed statement by one party in its own ledger. Bytes are the truth: `read` accepts exactly the canonical JSON that `write`
produces (sorted ASCII keys, no white space, no floats, no nulls, NFC), so an act is never re-serialised to be checked.
Its id is SHA-256 over the DSSE pre-authentication encoding of the payload: signatures are not part of it.

Source: spec/acts.md; contracts of the design, sections 1, 9, 10.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import unicodedata
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from relto.errors import Malformed
from relto.keys import OpeningPublic, PublicKey, pae
from relto.label import Label, Level

PAYLOAD_TYPE = "application/vnd.relto.act+json"
PAYLOAD_MAX = 48_000  # bytes; larger texts travel as objects by digest
TEXT_MAX = 4_096  # characters of any free text

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
Date = Annotated[str, Meta(pattern=r"\A[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
Line = Annotated[str, Meta(max_length=512)]
Url = Annotated[str, Meta(pattern=r"\Ahttps?://[A-Za-z0-9.:\[\]-]{1,255}\Z")]
Millis = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
ActId = Hex32
Digest = Hex32


class Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Anything that stands inside an act."""


class Term(Shape, frozen=True, kw_only=True):
    """`[from, to)` in days: equal to the end is over. Without `to` it runs on."""

    since: Date = msgspec.field(name="from")
    until: Date | UnsetType = msgspec.field(name="to", default=UNSET)

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
    system: Annotated[str, Meta(pattern=r"\A[A-Z]{3,4}\Z")]
    level: Line
    until: Date | UnsetType = UNSET


Saying = Literal["party", "person", "node"]


class RecipientClass(Shape, frozen=True, kw_only=True):
    """What rules read of a recipient, without a name. `says`: who states each of the facts (a party's own register, the person, the node)."""

    party: PartyId
    organisation: OrgId
    employment: Literal["regular", "contract", "none"] | UnsetType = UNSET
    nationalities: tuple[Country, ...] | UnsetType = UNSET
    clearance: Clearance | UnsetType = UNSET
    says: dict[Literal["employment", "nationalities", "clearance"], Saying] = {}


# ---- keys -----------------------------------------------------------------------------------------------------------------


class Quorum(Shape, frozen=True, kw_only=True):
    """`threshold` of `keys`, counted by distinct public-key bytes and never by key id."""

    threshold: Annotated[int, Meta(ge=1, le=16)]
    keys: Annotated[tuple[PublicKey, ...], Meta(min_length=1, max_length=16)]


class Successors(Shape, frozen=True, kw_only=True):
    """Commitment to the next root keys: SHA-256 over each key's canonical JSON (pre-rotation)."""

    threshold: Annotated[int, Meta(ge=1, le=16)]
    digests: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=16)]


class Officer(Shape, frozen=True, kw_only=True):
    office: Literal["disclosure", "licensing", "registrar", "safety"]
    key: PublicKey


class LogKey(Shape, frozen=True, kw_only=True):
    ed25519: Annotated[bytes, Meta(min_length=32, max_length=32)]
    mldsa44: Annotated[bytes, Meta(min_length=1312, max_length=1312)] | UnsetType = UNSET


class AccessPublic(Shape, frozen=True, kw_only=True):
    """A key that shares may be wrapped to; it signs nothing."""

    kid: Line
    algorithm: Literal["rsa:2048", "ec:secp256r1"]
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


# ---- what a proposal may be about -----------------------------------------------------------------------------------------


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

    `members`, `confirm` and `recall_days` repeat what the charter says, so that the outsider knows whose word to wait for, and what it owes when the
    engagement is suspended or ends, without reading the charter. recall_days: within which it answers for what it received; absent: no order opens."""

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


What = CharterText | ProjectTerms | Engagement | Renewal | Ending | Admission | Expulsion


# ---- smaller shapes of acts -----------------------------------------------------------------------------------------------


class Seen(Shape, frozen=True, kw_only=True):
    """One ledger as its reader has durably ingested it; `seen` is when the reader last had this head from the ledger's own node."""

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


# ---- acts -----------------------------------------------------------------------------------------------------------------


class Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every act carries.

    at: ms UTC. In a ledger the effective time of an entry is the running maximum; an act signed by a person may lag it by a day at most (the
    time a signing request may travel), one signed by a node not at all. Never compared between ledgers.
    readers: the parties that may open it, author included, sorted; absent in the party chain, which all that mirror may open.
    partnership: id of the founding proposal; absent in the party chain, in `introduce` and in the founding proposal itself.
    under: id of the charter version in force for the author; absent likewise, and in an outsider's acts.
    """

    v: Literal[1] = 1
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


class Channel(Act, frozen=True, kw_only=True, tag="channel"):
    """A 32-byte tag key for one reader, sealed by HPKE to that reader's opening key (info: `relto channel v1`, author, reader)."""

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
    heads: tuple[Seen, ...]
    owed: tuple[Owed, ...] = ()
    common: Digest


class Adopt(Act, frozen=True, kw_only=True, tag="adopt"):
    """The state whose law it is makes a law pack count."""

    jurisdiction: Annotated[str, Meta(pattern=r"\A[A-Z]{3,4}\Z")]
    pack: Digest
    name: Word


class Attest(Act, frozen=True, kw_only=True, tag="attest"):
    """A party's assurance about one of its own organisations, or its half of an instrument with another party (`with`)."""

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
    """An item enters the catalogue. What is not stated (`entries` without a jurisdiction, no `origins`) is unknown, never empty."""

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
    value: Money | UnsetType = UNSET  # Of one transfer; free data is 0. Thresholds of law are compared with it.


class Relabel(Act, frozen=True, kw_only=True, tag="relabel"):
    """Gives an item another label. Determinations made on the former one end with it."""

    item: ItemId
    version: Annotated[int, Meta(ge=1)]
    prev: ActId
    label: Label
    reason: Text


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
    """A recorded human judgement that one condition of one authority is met or not by one item under one label (`on`: the act that set it)."""

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
    uses: tuple[LicenceUse, ...] = ()
    obligations: tuple[Line, ...] = ()
    decision: Digest
    day: Millis
    sight: ActId
    evidence: Digest
    legacy_client: bool = False


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
    """An owner's order over what one release handed out. A suspension or an end opens such orders by itself, where the engagement says so."""

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
    on: Date
    reason: Text


class Dispute(Act, frozen=True, kw_only=True, tag="dispute"):
    party: PartyId
    key: Line
    index: Count
    reason: Text


class Fork(Act, frozen=True, kw_only=True, tag="fork"):
    """Proof that a ledger signed two histories (C2SP checkpoints, both signed; for unequal sizes with another root and a consistency proof)."""

    origin: Origin
    first: Annotated[bytes, Meta(max_length=8192)]
    second: Annotated[bytes, Meta(max_length=8192)]
    root: Digest | UnsetType = UNSET
    proof: Annotated[tuple[Annotated[bytes, Meta(min_length=32, max_length=32)], ...], Meta(max_length=64)] = ()


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
    Inception | Rotate | Recover | Channel | Introduce | Propose | Consent | Refuse | Return | Settle | Acknowledge | Adopt | Attest | Revoke | Roster
    | RegisterItem | Relabel | Retire | Disclose | Determine | Licence | Release | Receipt | Suspend | Lift | Recall | Answer | Withdraw | Dispute | Fork
    | Evidence
)  # fmt: skip
KINDS: dict[str, type[Act]] = {kind.__struct_config__.tag: kind for kind in get_args(AnyAct)}
PARTY_CHAIN = (Inception, Rotate, Recover, Channel)

# Who signs: root quorum, authority quorum, one officer of one of the offices, or the node's key and nobody else.
ROOT, AUTHORITY, NODE = "root", "authority", "node"
SIGNERS: dict[str, str | frozenset[str]] = {
    "inception": ROOT, "rotate": ROOT, "recover": ROOT,
    "consent": AUTHORITY, "refuse": AUTHORITY, "withdraw": AUTHORITY, "adopt": AUTHORITY,
    "channel": NODE, "release": NODE, "receipt": NODE, "acknowledge": NODE, "settle": NODE, "disclose": NODE, "roster": NODE, "fork": NODE,
    "introduce": frozenset({"disclosure"}), "propose": frozenset({"disclosure"}), "return": frozenset({"disclosure"}),
    "register": frozenset({"disclosure"}), "relabel": frozenset({"disclosure"}), "retire": frozenset({"disclosure"}),
    "determine": frozenset({"disclosure"}), "evidence": frozenset({"disclosure"}), "answer": frozenset({"disclosure"}),
    "licence": frozenset({"licensing"}), "attest": frozenset({"registrar"}),
    "revoke": frozenset({"registrar", "licensing", "disclosure", "safety"}),
    "suspend": frozenset({"safety", "disclosure"}), "lift": frozenset({"safety"}), "recall": frozenset({"disclosure", "safety"}),
    "dispute": frozenset({"safety"}),
}  # fmt: skip

_decoder = msgspec.json.Decoder(AnyAct, strict=True)


def write(act: Act) -> bytes:
    """The canonical payload bytes of an act."""
    return msgspec.json.encode(act, order="sorted")


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
        # Catches repeated keys, `-0`, white space, lenient base64, another key order: everything that has a second spelling.
        raise Malformed("not the canonical form of this act", hint="sorted keys, no white space, each key once")
    _check_texts(msgspec.json.decode(payload))
    if act.readers is not UNSET and (list(act.readers) != sorted(set(act.readers)) or act.author not in act.readers):
        raise Malformed("`readers` must be sorted, each once, with the author among them", where="readers")
    if (act.readers is UNSET) != isinstance(act, PARTY_CHAIN):
        raise Malformed("`readers` stands in every act but those of the party chain", where="readers")
    return act


# Controls but the line feed, zero-width and direction characters: none may hide in a name or a reason that people read.
_HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def _check_texts(value: object) -> None:
    if isinstance(value, str):
        if not unicodedata.is_normalized("NFC", value):
            raise Malformed("text is not in Unicode normalisation form C")
        if _HIDDEN.search(value):
            raise Malformed("text holds control or direction characters")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_texts(key)
            _check_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_texts(inner)


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
