"""One ledger read once, in order: party chain, signatures, own-ledger rules.

A scan knows nothing of other ledgers and nothing of the charter. What it holds to be *stated* is well formed, stands in its author's own ledger,
is signed by the key that this kind needs at that index, and stands there for the first time. Everything else is kept as *void*, with the reason:
nothing is dropped in silence.

Source: spec/register.md, "Scan"; C2SP tlog-tiles for the tree.
"""

from __future__ import annotations

import hashlib

from msgspec import UNSET, Struct

from relto.acts import envelope as dsse
from relto.acts.act import PARTY_CHAIN, SIGNERS, Act, Inception, KeySet, Recover, Rotate, key_digest
from relto.errors import Forged
from relto.ledger import Frontier, commit, leaf_hash, parse_leaf, tag_for

LAG_MS_MAX = (
    24 * 3_600_000
)  # how far an act signed by a person may lag its place: the time a signing request may travel


# The tag of what is for all members has a key that everybody knows: whoever mirrors a ledger sees that such an entry stands there.
COMMON_KEY = hashlib.sha256(b"relto common leaf v1").digest()
COMMON = frozenset({
    "inception", "rotate", "recover", "channel", "introduce", "propose", "consent", "refuse", "return", "settle",
    "acknowledge", "adopt", "attest", "suspend", "lift", "withdraw", "dispute", "fork",
})  # fmt: skip


def common_tags(act: Act, commitment: bytes) -> tuple[bytes, ...]:
    """The tags that a leaf needs besides those of its readers."""
    return (tag_for(COMMON_KEY, commitment),) if kind_of(act) in COMMON else ()


class Entry(Struct, frozen=True):
    """What a fold reads of one leaf. The last fields are None when the leaf is not open to the reader; `mine`: it carries the reader's tag."""

    origin: str
    index: int
    leaf: bytes
    mine: bool = False
    salt: bytes | None = None
    envelope: bytes | None = None
    act: Act | None = None
    id: str | None = None
    signed: dsse.Envelope | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Key ids that claim to have signed; the scan says which of them count."""
        return self.signed.key_ids if self.signed else ()


def entry(
    origin: str, index: int, leaf: bytes, opening: tuple[bytes, bytes] | None = None, *, mine: bool = False
) -> Entry:
    """A leaf with or without its opening (salt, envelope).

    Raises: Forged when the opening is not what the leaf commits to; Malformed when it opens to something that is not an act.
    """
    if opening is None:
        return Entry(origin, index, leaf, mine)
    salt, data = opening
    if commit(salt, data) != parse_leaf(leaf).commitment:
        raise Forged(
            f"the opening of entry {index} of `{origin}` is not what its leaf commits to",
            hint="keep it: it is evidence",
        )
    act, id_, signed = dsse.open_act(data)
    return Entry(origin, index, leaf, mine, salt, data, act, id_, signed)


class Stated(Struct, frozen=True):
    """An act that counts in its own ledger. time: the running maximum of `at` up to here."""

    act: Act
    id: str
    origin: str
    index: int
    time: int
    signed: dsse.Envelope


class Void(Struct, frozen=True):
    origin: str
    index: int
    id: str
    kind: str
    why: str


class KeySpan(Struct, frozen=True):
    """Keys that hold from this index on, until the next span begins. id: the act that set them."""

    keys: KeySet
    since: int
    id: str


class Scan:
    """The state after a prefix of one ledger. `push` moves it by one entry; a register never shares a scan that still moves."""

    __slots__ = (
        "chain", "frontier", "ids", "inception", "origin", "owed", "party", "pending", "roots", "size", "sparse", "stated", "time", "void",
    )  # fmt: skip

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.party: str | None = None
        self.inception: Inception | None = None
        self.chain: list[KeySpan] = []
        self.stated: list[Stated] = []
        self.void: list[Void] = []
        self.owed: list[int] = []
        self.ids: set[str] = set()
        self.size = 0
        self.time = 0
        self.sparse = False  # only some leaves are held: an outsider's view, without roots
        self.frontier = Frontier.empty()
        self.roots: list[bytes] = [self.frontier.root()]  # root at each size

    def copy(self) -> Scan:
        other = Scan(self.origin)
        other.party, other.inception, other.size, other.time = self.party, self.inception, self.size, self.time
        other.sparse, other.frontier = self.sparse, self.frontier
        other.chain, other.stated, other.void = self.chain[:], self.stated[:], self.void[:]
        other.owed, other.ids, other.roots = self.owed[:], self.ids.copy(), self.roots[:]
        return other

    @property
    def inception_id(self) -> str:
        return self.chain[0].id if self.chain else ""

    @property
    def keys(self) -> KeySet | None:
        return self.chain[-1].keys if self.chain else None

    def root_at(self, size: int) -> bytes | None:
        return self.roots[size] if not self.sparse and size < len(self.roots) else None

    def push(self, one: Entry) -> None:
        """Reads the next entry. Order is the point: tree, then form, then author, then signature, then effect."""
        if one.index < self.size:
            raise ValueError(f"entry {one.index} of {self.origin} comes after {self.size - 1}")
        if one.index > self.size:
            self.sparse = True
        self.size = one.index + 1
        if not self.sparse:
            self.frontier = self.frontier.push(leaf_hash(one.leaf))
            self.roots.append(self.frontier.root())
        if one.act is None or one.id is None or one.signed is None:
            if one.mine:
                self.owed.append(one.index)
            return
        why = self._refuse(one, one.act, one.id, one.signed)
        if why:
            self.void.append(Void(self.origin, one.index, one.id, kind_of(one.act), why))
            return
        self.ids.add(one.id)
        self.time = max(self.time, one.act.at)
        self.stated.append(Stated(one.act, one.id, self.origin, one.index, self.time, one.signed))
        if isinstance(one.act, Inception):
            self.party, self.inception = one.act.author, one.act
        if isinstance(one.act, Inception | Rotate | Recover):
            self.chain.append(KeySpan(one.act.keys, one.index, one.id))

    def _refuse(self, one: Entry, act: Act, id_: str, signed: dsse.Envelope) -> str:
        """Why this act does not count here, or an empty text."""
        if act.log != self.origin:
            return f"written for ledger {act.log}"
        if id_ in self.ids:
            return "stands earlier in this ledger"
        if isinstance(act, Inception):
            if one.index != 0:
                return "an inception stands first or not at all"
            return "" if dsse.satisfied(signed, act.keys, "root") else "not signed by the root keys it names"
        if not self.chain:
            return "no inception before it"
        if act.author != self.party:
            return f"its author {act.author} does not own this ledger"
        signer = SIGNERS[kind_of(act)]
        lag = self.time - act.at
        if lag > (0 if signer == "node" else LAG_MS_MAX):
            return "dated before its place in the ledger"
        if isinstance(act, Rotate | Recover):
            return self._refuse_keys(act, signed)
        if not dsse.satisfied(signed, self.chain[-1].keys, signer):
            return f"not signed by {_words(signer)} of {self.party}"
        return ""

    def _refuse_keys(self, act: Rotate | Recover, signed: dsse.Envelope) -> str:
        """New keys are the ones committed to and are signed by a quorum of themselves; a rotation also by the old ones."""
        before = self.chain[-1]
        if act.prev != before.id:
            return "does not follow the newest keys"
        committed = set(before.keys.next_root.digests)
        if {
            key_digest(key) for key in act.keys.root.keys
        } - committed or act.keys.root.threshold < before.keys.next_root.threshold:
            return "its root keys are not those committed to"
        if not dsse.satisfied(signed, act.keys, "root"):
            return "not signed by the new root keys"
        if isinstance(act, Rotate) and not dsse.satisfied(signed, before.keys, "root"):
            return "not signed by the old root keys"
        return ""


def kind_of(act: Act) -> str:
    return str(act.__struct_config__.tag)


def _words(signer: str | frozenset[str]) -> str:
    return f"a {' or '.join(sorted(signer))} officer" if isinstance(signer, frozenset) else f"the {signer} key"


def open_to(act: Act, reader: str) -> bool:
    """Whether the act itself names this reader (later disclosures apart)."""
    return isinstance(act, PARTY_CHAIN) or (act.readers is not UNSET and reader in act.readers)
