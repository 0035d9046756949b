"""One ledger read once, in order: party chain, signatures, own-ledger rules.

A scan knows nothing of other ledgers and nothing of the charter. What it holds to be *stated* is well formed, stands in
its author's own ledger, is signed by the key that this kind needs at that index, and stands there for the first time.
Everything else is kept as *void*, with the reason: nothing is dropped in silence.

Two readers that may both open an act come to the same verdict on it, whatever else either may open. So an act is judged
by the party chain and by acts for the very same readers, and by nothing else in its ledger.

Source: spec/register.md, "Scan".
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterable

from msgspec import Struct, UnsetType

from relto.acts import envelope as dsse
from relto.acts.act import COMMON, PARTY_CHAIN, SIGNERS, Act, Epoch, Inception, KeySet, Recover, Rotate, key_digest
from relto.acts.grown import Map, Trail
from relto.errors import Forged, Malformed
from relto.ledger import Frontier, commit, is_tagged, leaf_hash, parse_leaf, tag_for

# How far an act signed by a person may lag its place: the time a signing request may travel.
LAG_MS_MAX = 24 * 3_600_000

# The tag of what is for all members has a key that everybody knows: whoever mirrors a ledger sees that such an entry
# stands there, opened to him or not, and an author cannot show it to some members only.
COMMON_KEY = hashlib.sha256(b"relto common leaf v1").digest()
UNTAGGED = "is for all members, and its leaf does not carry the common tag"


class Entry(Struct, frozen=True):
    """What a fold reads of one leaf. The last fields are None when the leaf is not open to the reader.

    mine: it is addressed to the reader: by the reader's own tag, or by the common one.
    """

    origin: str
    index: int
    leaf: bytes
    mine: bool = False
    salt: bytes | None = None
    envelope: bytes | None = None
    act: Act | None = None
    id: str | None = None
    signed: dsse.Envelope | None = None
    common: bool | None = None  # whether its leaf carries the common tag; None: not looked at yet

    @property
    def keys(self) -> tuple[str, ...]:
        """Key ids that claim to have signed; the scan says which of them count."""
        return self.signed.key_ids if self.signed else ()


def entry(
    origin: str, index: int, leaf: bytes, opening: tuple[bytes, bytes] | None = None, *, mine: bool = False
) -> Entry:
    """A leaf with or without its opening (salt, envelope).

    Raises: Forged when the opening is not what the leaf commits to; Malformed when it opens to what is not an act.
    """
    common = _is_common(leaf)
    if opening is None:
        return Entry(origin, index, leaf, mine or common, common=common)
    salt, data = opening
    if commit(salt, data) != parse_leaf(leaf).commitment:
        raise Forged(
            f"the opening of entry {index} of `{origin}` is not what its leaf commits to",
            hint="keep it: it is evidence",
        )
    act, id_, signed = dsse.open_act(data)
    return Entry(origin, index, leaf, mine, salt, data, act, id_, signed, common)


def _is_common(leaf: bytes) -> bool:
    """Whether it carries the common tag. What is no leaf at all is for everybody, and can never be opened."""
    try:
        return is_tagged(leaf, COMMON_KEY)
    except Malformed:
        return True


def common_of(one: Entry) -> bool:
    return _is_common(one.leaf) if one.common is None else one.common


def common_tags(act: Act, commitment: bytes, members: Iterable[str] = ()) -> tuple[bytes, ...]:
    """The tags that a leaf carries besides those of its readers. members: as far as the author knows them."""
    everyone, named = isinstance(act, PARTY_CHAIN), set(members)
    common = everyone or (kind_of(act) in COMMON and named and named <= set(readers_of(act)))
    return (tag_for(COMMON_KEY, commitment),) if common else ()


class Stated(Struct, frozen=True):
    """An act that counts in its own ledger.

    time: the running maximum of `at` over the acts for the same readers, up to here: the same for each of them.
    common: its leaf shows everybody that it is for all members.
    """

    act: Act
    id: str
    origin: str
    index: int
    time: int
    signed: dsse.Envelope
    common: bool = False


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
    """The state after a prefix of one ledger. `push` moves it; a register never shares a scan that still moves."""

    __slots__ = (
        "chain", "edges", "frontier", "ids", "inception", "origin", "owed", "party", "size", "sparse", "stated", "time",
        "times", "void",
    )  # fmt: skip

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.party: str | None = None
        self.inception: Inception | Epoch | None = None  # entry 0; an epoch goes on after another (`votes/epochs.py`)
        self.chain: list[KeySpan] = []
        self.stated: Trail[Stated] = Trail()
        self.void: Trail[Void] = Trail()
        self.owed: Trail[int] = Trail()
        self.ids: Map[str, int] = Map()  # of what is stated, with its index
        self.size = 0
        self.time = 0  # of everything that the reader holds
        self.times: Map[tuple[str, ...], int] = Map()  # by readers; the party chain has none
        self.sparse = False  # only some leaves are held: an outsider's view, without roots
        self.frontier = Frontier.empty()
        self.edges: Trail[Frontier] = Trail([self.frontier])  # the frontier at each size: its root is asked for rarely

    def copy(self) -> Scan:
        """Another scan of the same prefix; each moves by itself. Costs the same at any size."""
        other = type(self)(self.origin)
        for name in Scan.__slots__:
            value = getattr(self, name)
            setattr(other, name, value.copy() if isinstance(value, Trail | Map | list) else value)
        return other

    @property
    def inception_id(self) -> str:
        """The id by which its party is known: of its entry 0, or the one that an epoch repeats."""
        return self.inception.inception if isinstance(self.inception, Epoch) else self.first_id

    @property
    def first_id(self) -> str:
        return self.chain[0].id if self.chain else ""

    @property
    def keys(self) -> KeySet | None:
        return self.chain[-1].keys if self.chain else None

    @property
    def readable(self) -> int:
        """The entries before the first that is for the reader and not open: votes behind it do not count yet."""
        return self.owed[0] if self.owed else self.size

    def keys_at(self, index: int) -> KeySet:
        """The keys that judge the entry at this index."""
        return next(span.keys for span in reversed(self.chain) if span.since < index or span is self.chain[0])

    def size_at(self, time: int) -> int:
        """The entries before the first one that is dated after this time: the ledger as it stood then."""
        return next((one.index for one in self.stated if one.act.at > time), self.size)

    def opened(self, index: int) -> bool:
        """Whether the entry there is open to the reader, whatever it is worth."""
        for held in (self.stated, self.void):
            at = bisect.bisect_left(held, index, key=lambda one: one.index)
            if at < len(held) and held[at].index == index:
                return True
        return False

    def root_at(self, size: int) -> bytes | None:
        return self.edges[size].root() if not self.sparse and size < len(self.edges) else None

    def push(self, one: Entry) -> None:
        """Reads the next entry. Order is the point: tree, then form, then author, then signature, then effect."""
        if one.index < self.size:
            raise ValueError(f"entry {one.index} of {self.origin} comes after {self.size - 1}")
        if one.index > self.size:
            self.sparse = True
        self.size = one.index + 1
        if not self.sparse:
            self.frontier = self.frontier.push(leaf_hash(one.leaf))
            self.edges.push(self.frontier)
        if one.act is None or one.id is None or one.signed is None:
            if one.mine:
                self.owed.push(one.index)
            return
        why = self._refuse(one, one.act, one.id, one.signed)
        if why:
            self.void.push(Void(self.origin, one.index, one.id, kind_of(one.act), why))
            return
        self._state(one, one.act, one.id, one.signed)

    def _state(self, one: Entry, act: Act, id_: str, signed: dsse.Envelope) -> None:
        self.ids.push(id_, one.index)
        self.time = max(self.time, act.at)
        time = max(self._floor(act), act.at)
        if self.times.get(readers_of(act)) != time:
            self.times.push(readers_of(act), time)
        self.stated.push(Stated(act, id_, self.origin, one.index, time, signed, common_of(one)))
        if isinstance(act, Inception | Epoch):
            self.party, self.inception = act.author, act
        if isinstance(act, Inception | Epoch | Rotate | Recover):
            self.chain.append(KeySpan(act.keys, one.index, id_))

    def _floor(self, act: Act) -> int:
        """The latest `at` before it that each of its readers can see."""
        return max(self.times.get((), 0), self.times.get(readers_of(act), 0))

    def _refuse(self, one: Entry, act: Act, id_: str, signed: dsse.Envelope) -> str:
        """Why this act does not count here, or an empty text."""
        if act.log != self.origin:
            return f"written for ledger {act.log}"
        if id_ in self.ids:
            return "stands earlier in this ledger"
        if isinstance(act, PARTY_CHAIN) and not common_of(one):
            return UNTAGGED
        if isinstance(act, Inception | Epoch):
            if one.index != 0:
                return f"an {kind_of(act)} stands first or not at all"
            if isinstance(act, Epoch) and not is_later(act.log, act.former.origin):
                return "is for no later ledger of the same place"
            return "" if dsse.satisfied(signed, act.keys, "root") else "not signed by the root keys it names"
        if not self.chain:
            return "no inception before it"
        if act.author != self.party:
            return f"its author {act.author} does not own this ledger"
        signer = SIGNERS[kind_of(act)]
        if self._floor(act) - act.at > (0 if signer == "node" else LAG_MS_MAX):
            return "dated before its place in the ledger"
        if isinstance(act, Rotate | Recover):
            return self._refuse_keys(act, signed)
        if not dsse.satisfied(signed, self.chain[-1].keys, signer):
            return f"not signed by {_words(signer)} of {self.party}"
        return ""

    def _refuse_keys(self, act: Rotate | Recover, signed: dsse.Envelope) -> str:
        """New keys are those committed to, signed by a quorum of themselves; a rotation also by the old ones."""
        before = self.chain[-1]
        if act.prev != before.id:
            return "does not follow the newest keys"
        promised, shown = before.keys.next_root, {key_digest(key) for key in act.keys.root.keys}
        if not shown <= set(promised.digests) or act.keys.root.threshold < promised.threshold:
            return "its root keys are not those committed to"
        if not dsse.satisfied(signed, act.keys, "root"):
            return "not signed by the new root keys"
        if isinstance(act, Rotate) and not dsse.satisfied(signed, before.keys, "root"):
            return "not signed by the old root keys"
        return ""


def is_later(origin: str, former: str) -> bool:
    """Whether a ledger is another's successor by its name: the same host and partnership, a larger number."""
    (place, _, number), (before, _, last) = origin.rpartition("/"), former.rpartition("/")
    return place == before and int(number) > int(last)


def kind_of(act: Act) -> str:
    return str(act.__struct_config__.tag)


def _words(signer: str | frozenset[str]) -> str:
    return f"a {' or '.join(sorted(signer))} officer" if isinstance(signer, frozenset) else f"the {signer} key"


def readers_of(act: Act) -> tuple[str, ...]:
    """Empty for the party chain, which all that mirror may open."""
    return () if isinstance(act.readers, UnsetType) else act.readers


def open_to(act: Act, reader: str) -> bool:
    """Whether the act itself names this reader (later disclosures apart)."""
    return isinstance(act, PARTY_CHAIN) or reader in readers_of(act)
