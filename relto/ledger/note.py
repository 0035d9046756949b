"""Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

    origin LF size LF base64(root) LF          the text of a checkpoint: three lines and no more
    LF
    — name base64(key id[4] ‖ signature) LF    one line for each signature

What it is not: it decides no policy. It says which of the keys it was given have signed, and refuses the whole note
when one of them seems to have signed and has not.

Rules
* Parsed as bytes. LF alone ends a line, base64 and decimals have one spelling, names are of a-z 0-9 . / - only.
* A checkpoint has no extension lines: ML-DSA cosignatures would not cover them.
* The pair (name, key id) says which key; it stands at most once in a note. Unknown pairs are not looked at.
* Ed25519 lines of a log (0x01) sign the text; cosignatures carry a time: 0x04 signs `cosignature/v1`, 0x06 signs
  `subtree/v1`.

    >>> from relto.keys import SecretKey
    >>> key = SecretKey("relto.example/au/log1", bytes(range(32)))
    >>> note = sign_checkpoint(Checkpoint(origin="relto.example/au/log1", size=0, root=EMPTY_ROOT), key)
    >>> open_checkpoint(note, Verifier.of_log(key.public)).checkpoint.size
    0
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from msgspec import UNSET, Struct, UnsetType

from relto.errors import Forged, Malformed, Refused
from relto.keys import LOW_ORDER, PublicKey, Random, Signer, from_base64, to_base64, verify_ed25519
from relto.ledger.merkle import EMPTY_ROOT, SIZE_MAX, check_hash

NOTE_MAX: Final = 512 * 1024
SIGNATURES_MAX: Final = 100  # Go's note package reads as many
LINE_MAX: Final = 60_000  # readers built on Go's line scanner fail above 64 KiB
TIME_MAX: Final = 2**63 - 1
SEED_SIZE: Final = 32

_NAME = re.compile(r"[a-z0-9][a-z0-9./-]{0,127}")
_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_DASH: Final = "— ".encode()


class Kind(IntEnum):
    """Signature types of signed-note that we read."""

    ED25519 = 0x01
    COSIGN_ED25519 = 0x04
    COSIGN_MLDSA44 = 0x06


_PUBLIC_SIZE: Final = {Kind.ED25519: 32, Kind.COSIGN_ED25519: 32, Kind.COSIGN_MLDSA44: 1312}


def check_name(name: str, what: str = "a key name") -> str:
    """The name itself when other implementations cannot read it differently."""
    if not _NAME.fullmatch(name):
        raise Malformed(
            f"`{name[:140]}` is not {what}", hint="use a-z, 0-9, `.`, `/` and `-`, at most 128, a letter or digit first"
        )
    return name


def check_origin(origin: str) -> str:
    """The origin itself when nothing that other keys sign begins like a checkpoint of it."""
    # Log keys sign texts that begin with the origin, witness keys `cosignature/v1` or `subtree/v1`, authority keys
    # `DSSEv1 `.
    if origin == "cosignature/v1" or origin.startswith(("DSSEv1 ", "subtree/v1")):
        raise Refused(f"`{origin[:140]}` as an origin would let one signature pass for another")
    return check_name(origin, "an origin")


def parse_decimal(data: bytes, what: str = "a number", most: int = SIZE_MAX) -> int:
    """An ASCII decimal in its one spelling."""
    if not _DECIMAL.fullmatch(data) or (value := int(data)) > most:
        raise Malformed(f"{what} is a decimal of 0..{most} without leading zeros")
    return value


def parse_hash_line(data: bytes, what: str = "a hash") -> bytes:
    """32 bytes in base64."""
    return check_hash(from_base64(data), what)


# ── signed notes ──


class Signature(Struct, frozen=True, kw_only=True):
    """One signature line. `value` is what follows the key id: for a cosignature, the time and the signature."""

    name: str
    key_id: bytes
    value: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.key_id) != 4 or not self.value:
            raise Malformed(f"the signature of `{self.name}` is not a key id of 4 bytes and a signature")

    def line(self) -> bytes:
        """With the LF that ends it."""
        return _DASH + self.name.encode() + b" " + to_base64(self.key_id + self.value).encode() + b"\n"


class Note(Struct, frozen=True, kw_only=True):
    """A text and what claims to have signed it. Nothing in it is to be believed before `open_note`."""

    text: bytes
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith(b"\n") or _CONTROL.search(self.text):
            raise Malformed("the text of a note ends in LF and has no other control characters")
        try:
            self.text.decode()
        except UnicodeDecodeError as error:
            raise Malformed("the text of a note is not UTF-8") from error
        _check_lines(self.signatures)

    def encode(self) -> bytes:
        """The bytes that travel."""
        return self.text + b"\n" + format_lines(self.signatures)


def _check_lines(signatures: Sequence[Signature]) -> None:
    if not 1 <= len(signatures) <= SIGNATURES_MAX:
        raise Malformed(f"a note has 1..{SIGNATURES_MAX} signatures, not {len(signatures)}")
    pairs = {(one.name, one.key_id) for one in signatures}
    if len(pairs) != len(signatures):
        raise Malformed("one key stands twice among the signatures of a note")


def format_lines(signatures: Sequence[Signature]) -> bytes:
    """Signature lines alone, as a witness answers."""
    return b"".join(one.line() for one in signatures)


def parse_lines(data: bytes) -> tuple[Signature, ...]:
    """Signature lines alone, as a witness answers."""
    if not data.endswith(b"\n"):
        raise Malformed("signature lines end in LF")
    found = list[Signature]()
    for line in data[:-1].split(b"\n"):
        if len(found) == SIGNATURES_MAX or len(line) > LINE_MAX:
            raise Malformed(f"a note has at most {SIGNATURES_MAX} signature lines of at most {LINE_MAX} bytes")
        name, space, value = line.removeprefix(_DASH).partition(b" ")
        if not line.startswith(_DASH) or not space:
            raise Malformed("a signature line is an em dash, a name and base64, one space between them")
        raw = from_base64(value)
        found.append(Signature(name=name.decode("utf-8", "replace"), key_id=raw[:4], value=raw[4:]))
    _check_lines(found)
    return tuple(found)


def parse_note(data: bytes) -> Note:
    """A note from its bytes; `parse_note(x).encode() == x`."""
    if len(data) > NOTE_MAX:
        raise Malformed(f"a note has at most {NOTE_MAX} bytes")
    # signed-note, "Format": the text may hold empty lines, the last empty line separates.
    at = data.rfind(b"\n\n")
    if at < 0:
        raise Malformed("a note without an empty line before its signatures")
    return Note(text=data[: at + 1], signatures=parse_lines(data[at + 2 :]))


# ── checkpoints ──


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What a log says about itself: so many entries, with this root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        check_origin(self.origin)
        if not 0 <= self.size <= SIZE_MAX:
            raise Malformed(f"a log of size {self.size} cannot be")
        check_hash(self.root, "a root")
        if self.size == 0 and self.root != EMPTY_ROOT:
            # A witness answers 422 to it and not 400: it is well-formed, and no tree has it.
            raise Forged("a log of size 0 has the root of the empty tree")

    @property
    def text(self) -> bytes:
        """What is signed."""
        return b"%b\n%d\n%b\n" % (self.origin.encode(), self.size, to_base64(self.root).encode())


def parse_checkpoint(text: bytes) -> Checkpoint:
    """A checkpoint from the text of a note (without signatures); `parse_checkpoint(x).text == x`."""
    lines = text.split(b"\n")
    if len(lines) != 4 or lines[3]:
        raise Malformed("a checkpoint has three lines: origin, size, root", hint="extension lines are refused")
    if len(lines[0]) > 128:
        raise Malformed("an origin has at most 128 characters")
    return Checkpoint(
        origin=lines[0].decode("utf-8", "replace"),
        size=parse_decimal(lines[1], "the size of a checkpoint"),
        root=parse_hash_line(lines[2], "the root of a checkpoint"),
    )


def cosignature_message(text: bytes, at: int) -> bytes:
    """What an Ed25519 cosigner signs. Its name is not in it: one such key serves one name only."""
    return b"cosignature/v1\ntime %d\n" % at + text


def subtree_message(cosigner: str, at: int, origin: str, start: int, end: int, root: bytes) -> bytes:
    """What an ML-DSA-44 cosigner signs; for a checkpoint start is 0 and end its size."""
    first, second = check_name(cosigner).encode(), check_origin(origin).encode()
    if not 0 <= start < end <= SIZE_MAX and (start, end) != (0, 0):
        raise Malformed(f"there is no subtree {start}..{end}")
    if not 0 <= at <= TIME_MAX or (start and at):
        raise Malformed("a time is below 2^63, and 0 for a subtree that does not begin at 0")
    return b"".join((
        b"subtree/v1\n\x00",
        bytes((len(first),)), first, at.to_bytes(8, "big"),
        bytes((len(second),)), second, start.to_bytes(8, "big"), end.to_bytes(8, "big"), check_hash(root, "a root"),
    ))  # fmt: skip


# ── keys that verify ──


@lru_cache(maxsize=256)
def _mldsa44(public: bytes) -> mldsa.MLDSA44PublicKey:
    return mldsa.MLDSA44PublicKey.from_public_bytes(public)


@lru_cache(maxsize=4096)
def _key_id(name: str, kind: Kind, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes((kind,)) + public).digest()[:4]


class Verifier(Struct, frozen=True, kw_only=True):
    """A key that signs notes: its name, its type, its public bytes."""

    name: str
    kind: Kind
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != _PUBLIC_SIZE[self.kind]:
            raise Malformed(
                f"the key of `{self.name}` has {len(self.public)} bytes instead of {_PUBLIC_SIZE[self.kind]}"
            )
        if self.public in LOW_ORDER:
            raise Malformed(f"the key of `{self.name}` has low order")

    @classmethod
    def of_log(cls, public: PublicKey) -> Self:
        """The Ed25519 half of a log key, whose name is the log's origin."""
        check_origin(public.name)
        return cls(name=public.name, kind=Kind.ED25519, public=public.ed25519)

    @classmethod
    def of_post_quantum(cls, origin: str, mldsa44: bytes) -> Self:
        """The ML-DSA-44 half of a log key: a cosigner named like the log."""
        return cls(name=check_origin(origin), kind=Kind.COSIGN_MLDSA44, public=mldsa44)

    @classmethod
    def of_witness(cls, name: str, ed25519: bytes, mldsa44: bytes | None) -> tuple[Self, ...]:
        """Both halves of a witness key, or the one that there is."""
        first = cls(name=name, kind=Kind.COSIGN_ED25519, public=ed25519)
        return (first,) if mldsa44 is None else (first, cls(name=name, kind=Kind.COSIGN_MLDSA44, public=mldsa44))

    @property
    def key_id(self) -> bytes:
        """A hint for looking the key up; it decides nothing."""
        return _key_id(self.name, self.kind, self.public)

    def vkey(self) -> str:
        """The key as C2SP writes it."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes((self.kind,)) + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """A key as C2SP writes it; `parse(x).vkey() == x`."""
        parts = vkey.split("+", 2) if len(vkey) <= 2048 else []
        if len(parts) != 3:
            raise Malformed("a verifier key is name+key id+base64")
        raw = from_base64(parts[2])
        try:
            kind = Kind(raw[0])
        except (IndexError, ValueError) as error:
            raise Malformed(f"the verifier key of `{parts[0][:140]}` has a type that is not known here") from error
        made = cls(name=parts[0], kind=kind, public=raw[1:])
        if made.vkey() != vkey:
            raise Malformed(f"the key id of `{made.name}` is not that of the key beside it")
        return made

    def verify(self, text: bytes, value: bytes) -> int:
        """The time of the signature in seconds (0 where the type has none), else `Forged`."""
        bad = Forged(f"the signature of `{self.name}` does not hold")
        if self.kind is Kind.ED25519:
            if not verify_ed25519(self.public, text, value):
                raise bad
            return 0
        # tlog-cosignature: a cosignature is over a checkpoint, never over another text.
        checkpoint, at, raw = parse_checkpoint(text), int.from_bytes(value[:8], "big"), value[8:]
        if not 0 < at <= TIME_MAX:
            raise bad
        if self.kind is Kind.COSIGN_ED25519:
            if not verify_ed25519(self.public, cosignature_message(text, at), raw):
                raise bad
            return at
        message = subtree_message(self.name, at, checkpoint.origin, 0, checkpoint.size, checkpoint.root)
        try:
            _mldsa44(self.public).verify(raw, message)
        except (InvalidSignature, ValueError) as error:
            raise bad from error
        return at


class Signed(Struct, frozen=True, kw_only=True):
    """A key that has signed, when (seconds; 0 without a time), and the line that shows it."""

    by: Verifier
    at: int
    signature: Signature


def open_note(data: bytes, verifiers: Sequence[Verifier]) -> tuple[Note, tuple[Signed, ...]]:
    """The note and which of these keys have signed it.

    Raises: Forged when a known key's line does not verify, or none has signed.
    """
    note = parse_note(data)
    known = {(one.name, one.key_id): one for one in verifiers}
    found = tuple(
        Signed(by=by, at=by.verify(note.text, line.value), signature=line)
        for line in note.signatures
        if (by := known.get((line.name, line.key_id)))
    )
    if not found:
        names = ", ".join(sorted({f"`{one.name}`" for one in verifiers}))
        raise Forged(f"the note carries no signature by {names or 'anybody known here'}")
    return note, found


class OpenCheckpoint(Struct, frozen=True, kw_only=True):
    """A checkpoint signed by its log, and the cosigners known to the reader that have seen it."""

    checkpoint: Checkpoint
    signature: Signature
    cosigned: tuple[Signed, ...]

    def note(self) -> bytes:
        """A re-encoding of what was verified and of nothing else: what may be stored and passed on."""
        lines = (self.signature, *(one.signature for one in self.cosigned))
        return Note(text=self.checkpoint.text, signatures=lines).encode()


def open_checkpoint(data: bytes, log: Verifier, cosigners: Sequence[Verifier] = ()) -> OpenCheckpoint:
    """The checkpoint in a note, when the log has signed it.

    Raises: Forged when it has not, or when a known cosigner's line does not verify; Malformed.
    """
    note, found = open_note(data, [log, *cosigners])
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != log.name:
        raise Forged(f"a checkpoint of `{checkpoint.origin}` where one of `{log.name}` was expected")
    own = [one for one in found if one.by == log]
    if not own:
        raise Forged(f"the checkpoint carries no signature by `{log.name}` itself")
    return OpenCheckpoint(
        checkpoint=checkpoint, signature=own[0].signature, cosigned=tuple(one for one in found if one.by != log)
    )


def open_published(
    data: bytes, log: Verifier, post_quantum: Verifier | None, cosigners: Sequence[Verifier] = ()
) -> OpenCheckpoint:
    """A checkpoint as its log shows it to others: signed by both halves of the log key where the log has both.

    post_quantum: the ML-DSA-44 half, None for a log that declares none.
    Raises: as `open_checkpoint`; Forged when the second signature is missing.
    """
    opened = open_checkpoint(data, log, cosigners if post_quantum is None else [post_quantum, *cosigners])
    if post_quantum is not None and all(one.by != post_quantum for one in opened.cosigned):
        raise Forged(
            f"the checkpoint of `{log.name}` is signed by its Ed25519 key alone",
            hint="its ledger declares an ML-DSA-44 key, which signs whatever it publishes",
        )
    return opened


# ── keys that sign ──


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The note of a log about itself. The signer is the log key: Ed25519 alone, named like the origin."""
    public = signer.public
    if public.mldsa65 is not UNSET or public.name != checkpoint.origin:
        raise Refused(
            f"`{public.name}` is not the log key of `{checkpoint.origin}`", hint="it is Ed25519 and named like the log"
        )
    text, key_id = checkpoint.text, _key_id(public.name, Kind.ED25519, public.ed25519)
    line = Signature(name=public.name, key_id=key_id, value=signer.sign(text)[public.key_ids[0]])
    return Note(text=text, signatures=(line,)).encode()


def add_signatures(note: bytes, signatures: Sequence[Signature]) -> bytes:
    """The note with these lines added; a line of the same key gives way, so that a newer time replaces an older."""
    read = parse_note(note)
    added = {(one.name, one.key_id) for one in signatures}
    kept = [one for one in read.signatures if (one.name, one.key_id) not in added]
    return Note(text=read.text, signatures=(*kept, *signatures)).encode()


def witness_name(origin: str) -> str:
    """Under which name the party with this log cosigns others' logs: `<host>/<partnership>/witness`."""
    return f"{check_origin(origin).rpartition('/')[0]}/witness"


class _CosignerText(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="relto", tag="cosigning-key"
):
    v: int
    name: str
    ed25519: bytes | UnsetType = UNSET
    mldsa44: bytes | UnsetType = UNSET


class Cosigner:
    """A key that says "this is append-only, seen at t" and nothing else.

    A witness has both halves. A log, which cosigns itself with ML-DSA-44 before it publishes, has that one alone,
    under its origin.
    """

    __slots__ = ("_ed25519", "_mldsa44", "_text", "name", "verifiers")

    name: str
    verifiers: tuple[Verifier, ...]

    def __init__(self, name: str, ed25519_seed: bytes | None = None, mldsa44_seed: bytes | None = None) -> None:
        seeds = [seed for seed in (ed25519_seed, mldsa44_seed) if seed is not None]
        if not seeds or any(len(seed) != SEED_SIZE for seed in seeds):
            raise Malformed(f"a cosigning key is one or two seeds of {SEED_SIZE} bytes")
        self.name = name
        self._ed25519 = None if ed25519_seed is None else ed25519.Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        self._mldsa44 = None if mldsa44_seed is None else mldsa.MLDSA44PrivateKey.from_seed_bytes(mldsa44_seed)
        self._text = _CosignerText(
            v=1,
            name=name,
            ed25519=UNSET if ed25519_seed is None else ed25519_seed,
            mldsa44=UNSET if mldsa44_seed is None else mldsa44_seed,
        )
        publics = (
            (Kind.COSIGN_ED25519, self._ed25519 and self._ed25519.public_key().public_bytes_raw()),
            (Kind.COSIGN_MLDSA44, self._mldsa44 and self._mldsa44.public_key().public_bytes_raw()),
        )
        self.verifiers = tuple(Verifier(name=name, kind=kind, public=public) for kind, public in publics if public)

    @classmethod
    def generate(cls, name: str, random: Random, *, log: bool = False) -> Self:
        """A new witness key, or with `log` the post-quantum half of a log key."""
        return cls(name, None if log else random(SEED_SIZE), random(SEED_SIZE))

    def cosign(self, checkpoint: Checkpoint, at: int) -> tuple[Signature, ...]:
        """One line for each half. The caller has checked and durably stored that the log only grew."""
        if not 0 < at <= TIME_MAX:
            raise Malformed("a cosignature carries the time of now, in seconds")
        time, lines = at.to_bytes(8, "big"), list[Signature]()
        for by in self.verifiers:
            if by.kind is Kind.COSIGN_ED25519:
                assert self._ed25519 is not None
                raw = self._ed25519.sign(cosignature_message(checkpoint.text, at))
            else:
                assert self._mldsa44 is not None
                raw = self._mldsa44.sign(
                    subtree_message(self.name, at, checkpoint.origin, 0, checkpoint.size, checkpoint.root)
                )
            lines.append(Signature(name=self.name, key_id=by.key_id, value=time + raw))
        return tuple(lines)

    def to_text(self) -> str:
        """The key file: one line, secret."""
        return msgspec.json.encode(self._text).decode() + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a key file."""
        try:
            held = msgspec.json.decode(text, type=_CosignerText)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise Malformed("not a cosigning-key of relto", hint="is it another kind of key file?") from error
        made = cls(
            held.name,
            None if held.ed25519 is UNSET else held.ed25519,
            None if held.mldsa44 is UNSET else held.mldsa44,
        )
        # INVARIANT: format(parse(x)) == x; it catches repeated keys, white space and an unknown version at once.
        if made.to_text() != text:
            raise Malformed("a key file is one line of JSON exactly as relto writes it, version 1")
        return made

    def __repr__(self) -> str:
        return f"Cosigner({self.name!r})"
