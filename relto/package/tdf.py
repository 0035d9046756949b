"""Seal a file, read what a package says, open it.

Order is the safety of this file. Sealing: payload, table, signature, and then the name appears. Opening: the owner's
signature, the addresses; then the shares are asked for; then bindings, root, assertions, names; only then the payload,
each segment's tag before its bytes are kept, and the target appears when the last one held. Memory is one segment,
whatever the size of the file.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from os import PathLike
from typing import BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import UNSET, Struct

from relto.errors import Conflict, Forged, Malformed, Refused
from relto.keys import PublicKey, Random, Signer, from_base64, to_base64, wrap_share
from relto.package.container import (
    SIZE_MAX,
    Container,
    Writer,
    scan,
)
from relto.package.manifest import (
    ACCESS_MAX,
    OVERHEAD,
    SEGMENT_MAX,
    TEXT_MAX,
    Binding,
    KeyAccess,
    Manifest,
    Policy,
    Segment,
    check_mime,
    format_manifest,
    parse_manifest,
)
from relto.package.owner import (
    Owned,
    OwnerStatement,
    accesses,
    asserted,
    label_assertion,
    label_of,
)
from relto.package.stream import Ahead, Source, Sums, fill, reading, size_of, writes, writing
from relto.package.strict import read_json

SEGMENT_SIZE: Final = 2 * 1024 * 1024
NAME_MAX: Final = 255
TITLE_MAX: Final = 500
BANNER_MAX: Final = 500
METADATA_MAX: Final = 8 * 1024

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all when that is known
Release = Callable[[Sequence[KeyAccess]], Sequence[bytes | None]]


class ShareFor(Struct, frozen=True, kw_only=True):
    """A node that is to hold a share. Of those with the same `sid` any one suffices; "" stands for the only share."""

    url: str
    kid: str
    public_pem: str
    sid: str = ""


def spread(nodes: Sequence[ShareFor], need: int) -> tuple[ShareFor, ...]:
    """Any `need` of the nodes suffice, in the format as it is: a share for each set of which one must take part.

    Two of A, B, C is three shares, held by {A,B}, {A,C} and {B,C}. All of them is one share each; one of them is the
    whole key for each.
    """
    if not 0 < need <= len(nodes) or any(node.sid for node in nodes):
        raise Refused(f"{need} of {len(nodes)} owners cannot be asked for")
    if need == 1:
        return tuple(nodes)
    groups = list(itertools.combinations(nodes, len(nodes) - need + 1))
    if sum(map(len, groups)) > ACCESS_MAX:
        raise Refused(f"{need} of {len(nodes)} would take more than {ACCESS_MAX} key access objects")
    return tuple(
        msgspec.structs.replace(node, sid=f"s{number}") for number, group in enumerate(groups, 1) for node in group
    )


class Sealed(Struct, frozen=True, kw_only=True):
    """What sealing made. `digest` is SHA-256 over the manifest's bytes and names the package."""

    digest: bytes
    policy: Policy
    statement: Owned
    key_access: tuple[KeyAccess, ...]
    size: int
    sealed_size: int


class Package(Struct, frozen=True, kw_only=True):
    """What a package says of itself; `check` says whether its owner does."""

    digest: bytes
    manifest: Manifest
    owner: OwnerStatement | None
    size: int

    @property
    def policy(self) -> Policy:
        return self.manifest.policy

    @property
    def key_access(self) -> tuple[KeyAccess, ...]:
        return self.manifest.key_access

    @property
    def urls(self) -> tuple[str, ...]:
        """The nodes that hold shares, each once."""
        return tuple(dict.fromkeys(access.url for access in self.key_access))

    @property
    def label(self) -> str:
        """The banner that the owner's statement gives, or "" without one; unverified until `check`."""
        return "" if self.owner is None else self.owner.says.label

    @property
    def label_statement(self) -> str:
        """The value of the label assertion, or "" without one; unverified until `check`."""
        with suppress(Refused):
            return label_of(self.manifest)
        return ""

    def check(self, public_key: PublicKey) -> Owned:
        """The owner's statement, verified: everything about the package that can be known without its key."""
        if self.owner is None:
            raise Refused(
                "the package has no statement of its owner",
                hint="it was sealed by other software than relto; ask its owner to seal it anew",
            )
        return self.owner.verify(self.manifest, public_key)


class Opened(Struct, frozen=True, kw_only=True):
    """What came out. Name and title are the owner's words; each is one line of text, and the name is no path."""

    name: str
    title: str
    mime: str
    size: int
    label: str


class _Metadata(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    title: str
    label: str = ""  # of a part, where the manifest shows the label of the whole


class _MetadataBox(Struct, frozen=True, kw_only=True):
    ciphertext: bytes
    iv: bytes


# ── sealing ──


def seal(
    source: Source,
    target: Source,
    *,
    policy: Policy,
    recipients: Sequence[ShareFor],
    name: str,
    title: str,
    mime: str,
    label_banner: str,
    label_statement: str,
    label_inside: str = "",
    signer: Signer,
    party: str,
    origin: str,
    now: int,
    random: Random,
    segment_size: int = SEGMENT_SIZE,
    progress: Progress | None = None,
) -> Sealed:
    """Seal a file for the nodes of its owners. Nothing appears at the target unless everything held."""
    if not 0 < segment_size <= SEGMENT_MAX - OVERHEAD:
        raise Refused(f"a segment of {segment_size} bytes is one that not every reader takes")
    check_name(name)
    _line(title, TITLE_MAX, "title")
    _line(label_banner, BANNER_MAX, "label")
    if not isinstance(
        read_json(label_statement.encode("utf-8", "surrogatepass"), limit=TEXT_MAX // 2, what="label"), dict
    ):
        raise Malformed("a label is a JSON object")
    host, item = policy.item
    # The digests are filled in when they are known; everything else is refused before the first byte is read.
    says = Owned(
        v=1,
        party=party,
        origin=origin,
        item=item,
        policy=policy.digest,
        segments="0" * 64,
        payload="0" * 64,
        names="0" * 64,
        mime=check_mime(mime),
        access=(),
        assertions=(),
        label=label_banner,
        sealed_at=now,
    )
    if says.host != host:
        raise Refused(f"the policy names an item of `{host}`, the owner writes to the ledger of `{says.host}`")
    dek = random(32)
    _line(label_inside, BANNER_MAX, "label")
    metadata = msgspec.json.encode(_Metadata(name=name, title=title, label=label_inside))
    key_access = tuple(_grant(dek, recipients, policy, metadata, random))
    with reading(source) as file, writing(target) as out:
        expected = size_of(file)
        if expected is not None and expected > SIZE_MAX:
            raise Refused(f"the file has {expected} bytes; a package takes {SIZE_MAX}", hint="split it first")
        writer = Writer(out, None if expected is None else _sealed_size(expected, segment_size))
        try:
            segments = _encrypt(file, writer, dek, segment_size, expected, random, progress)
        finally:
            writer.close()
        manifest = Manifest(
            mime=mime,
            policy=policy,
            key_access=key_access,
            algorithm="GMAC",
            segment_size=segment_size,
            segments=segments,
            root=b"",
            assertions=(),
        )
        aggregate = manifest.aggregate
        label = label_assertion(label_statement, dek=dek, aggregate=aggregate)
        root = hmac.digest(dek, aggregate, hashlib.sha256)
        manifest = msgspec.structs.replace(manifest, root=root, assertions=(label,))
        says = msgspec.structs.replace(
            says,
            segments=manifest.table_digest,
            payload=writer.payload_digest,
            names=_names_digest(dek, metadata),
            access=accesses(manifest),
        )
        raw = format_manifest(_signed(says, manifest, signer, dek, aggregate))
        # INVARIANT: what leaves is what a reader accepts, limits included.
        manifest = parse_manifest(raw)
        statement = OwnerStatement.find(manifest)
        assert statement is not None
        says = statement.verify(manifest, signer.public)
        with writes("the package"):
            writer.finish(raw)
    return Sealed(
        digest=hashlib.sha256(raw).digest(),
        policy=policy,
        statement=says,
        key_access=key_access,
        size=manifest.size,
        sealed_size=manifest.sealed_size,
    )


def _sealed_size(size: int, segment_size: int) -> int:
    return size + OVERHEAD * max(1, -(-size // segment_size))


def _names_digest(dek: bytes, metadata: bytes) -> str:
    return hmac.new(dek, b"relto names v1\0" + metadata, hashlib.sha256).hexdigest()


def _signed(says: Owned, manifest: Manifest, signer: Signer, dek: bytes, aggregate: bytes) -> Manifest:
    # The list holds the owner's own assertion too, by its id alone, so that one behind it would be seen.
    draft = OwnerStatement(says=says, payload=b"", signatures={}).to_assertion(dek=dek, aggregate=aggregate)
    listed = asserted((*manifest.assertions, draft))
    signed = OwnerStatement.sign(msgspec.structs.replace(says, assertions=listed), signer)
    own = signed.to_assertion(dek=dek, aggregate=aggregate)
    return msgspec.structs.replace(manifest, assertions=(*manifest.assertions, own))


def _grant(
    dek: bytes, recipients: Sequence[ShareFor], policy: Policy, metadata: bytes, random: Random
) -> list[KeyAccess]:
    sids = list(dict.fromkeys(node.sid for node in recipients))
    if not 0 < len(recipients) <= ACCESS_MAX or ("" in sids and len(sids) > 1):
        raise Refused("a package needs nodes that hold its shares: one share for all, or every share with a name")
    if len({(node.sid, node.url) for node in recipients}) != len(recipients):
        raise Refused("a node would hold the same share twice")
    # n of n: all shares but the last are drawn, the last makes the sum (XOR) the key.
    shares = {sid: random(32) for sid in sids[:-1]}
    shares[sids[-1]] = _xor(dek, *shares.values())
    made = []
    for node in recipients:
        share = shares[node.sid]
        wrapped = wrap_share(node.public_pem, share, random)
        iv = random(12)
        box = _MetadataBox(ciphertext=iv + AESGCM(share).encrypt(iv, metadata, None), iv=iv)
        access = KeyAccess(
            kind=wrapped.kind,
            url=node.url,
            protocol="kas",
            wrapped_key=to_base64(wrapped.wrapped),
            policy_binding=Binding.of(policy.binding(share)),
            kid=node.kid,
            sid=node.sid,
            encrypted_metadata=to_base64(msgspec.json.encode(box)),
            ephemeral_pem=UNSET if wrapped.ephemeral_pem is None else wrapped.ephemeral_pem,
            version="1.0",
        )
        made.append(access.check())
    return made


def _xor(*shares: bytes) -> bytes:
    total = 0
    for share in shares:
        total ^= int.from_bytes(share, "big")
    return total.to_bytes(32, "big")


def _encrypt(
    file: BinaryIO,
    writer: Writer,
    dek: bytes,
    segment_size: int,
    expected: int | None,
    random: Random,
    progress: Progress | None,
) -> tuple[Segment, ...]:
    aead, done = AESGCM(dek), 0
    segments: list[Segment] = []
    room = segment_size if expected is None else min(segment_size, expected + 1)
    plain, boxes = memoryview(bytearray(room)), _boxes(room)
    # An empty file is one empty segment: readers exist that take none for a damaged package.
    while (count := fill(file, plain)) or not segments:
        done += count
        if done > SIZE_MAX:
            raise Refused(f"the source has more than {SIZE_MAX} bytes", hint="split it first")
        if expected is not None and done > expected:
            raise Conflict("the file grew while it was sealed", hint="seal it again when nobody writes to it")
        sealed = next(boxes)[: count + OVERHEAD]
        iv = sealed[:12] = random(12)
        aead.encrypt_into(iv, plain[:count], None, sealed[12:])
        with writes("the package"):
            writer.write(sealed)
        segments.append(Segment(to_base64(bytes(sealed[-16:])), count, count + OVERHEAD))
        if progress is not None:
            progress(done, expected)
        if count < segment_size:
            break
    if expected is not None and done != expected:
        raise Conflict("the file changed while it was sealed", hint="seal it again when nobody writes to it")
    return tuple(segments)


def _boxes(room: int) -> Iterator[memoryview]:
    """Two buffers for sealed segments in turn: one is filled while the other is still being summed."""
    return itertools.cycle([memoryview(bytearray(room + OVERHEAD)) for _ in range(2)])


# ── reading ──


def read(source: Source) -> Package:
    """What a package says, without opening it: no key, no network."""
    with reading(source) as file:
        return _read(file)[0]


def _read(file: BinaryIO) -> tuple[Package, Container]:
    container = scan(file)
    manifest = parse_manifest(container.manifest)
    if manifest.sealed_size != container.payload_size:
        raise Malformed(
            f"the payload has {container.payload_size} bytes, the manifest speaks of {manifest.sealed_size}"
        )
    package = Package(
        digest=hashlib.sha256(container.manifest).digest(),
        manifest=manifest,
        owner=OwnerStatement.find(manifest),
        size=manifest.size,
    )
    return package, container


# ── opening ──


def open_sealed(
    package: Package,
    source: Source,
    target_path: str | PathLike[str],
    release: Release,
    public_key: PublicKey | None,
    allowed_urls: Collection[str],
    progress: Progress | None = None,
) -> Opened:
    """Open a package into a file.

    `public_key` is the seal key that the caller looked up for the party of `package.owner`; None takes a package that
    no owner vouches for, and only such a one. `release` is called once, after everything that can be checked beforehand
    held, with all key access objects; it returns a share or None for each, in their order.
    """
    with reading(source) as file:
        found, container = _read(file)
        if found.digest != package.digest:
            raise Conflict("the package is another one than was read before", hint="read it again")
        if public_key is not None:
            found.check(public_key)
        elif found.owner is not None:
            raise Refused("the package has a statement of its owner, which must be verified")
        if public_key is not None and found.manifest.legacy:
            raise Refused(
                "the package is of format `4.2.2`, in which no owner signs", hint="it was not sealed by relto"
            )
        strangers = [access.url for access in found.key_access if access.url not in allowed_urls]
        if strangers:
            raise Refused(
                f"the package would have `{strangers[0]}` asked, which is no node of this partnership",
                hint="nothing was sent there",
            )
        # The place for the file is made first: a release must not be recorded for a disk that cannot be written.
        with writing(target_path) as out:
            dek, metadata = _unlock(found, release(found.key_access))
            payload = _decrypt(file, container, found.manifest, dek, out, progress)
            if found.owner is not None and payload != found.owner.says.payload:
                raise Forged("the payload is not the one that its owner signed")
    return Opened(
        name=metadata.name,
        title=metadata.title,
        mime=found.manifest.mime,
        size=found.size,
        label=metadata.label or found.label,
    )


def _unlock(package: Package, given: Sequence[bytes | None]) -> tuple[bytes, _Metadata]:
    """The key, once everything that it can verify without the payload has been verified."""
    manifest = package.manifest
    if len(given) != len(manifest.key_access):
        raise Malformed(f"{len(given)} shares were handed over for {len(manifest.key_access)} key access objects")
    shares: dict[str, bytes] = {}
    texts: set[bytes] = set()
    for access, share in zip(manifest.key_access, given, strict=True):
        if share is None:
            continue
        if len(share) != 32 or not hmac.compare_digest(manifest.policy.binding(share), access.binding):
            raise Forged(f"the share that `{access.url}` handed over does not belong to this policy")
        if not hmac.compare_digest(shares.setdefault(access.sid, share), share):
            raise Forged("two nodes handed over different keys for the same share")
        texts.add(_metadata(access, share) if package.owner is not None else b"")
    for access in manifest.key_access:
        if access.sid not in shares:
            raise Refused(f"`{access.url}` did not hand over its share")
    dek = _xor(*shares.values())
    aggregate = manifest.aggregate
    if not hmac.compare_digest(hmac.digest(dek, aggregate, hashlib.sha256), manifest.root):
        raise Forged("the root signature of the segment table does not hold")
    for assertion in manifest.assertions:
        assertion.verify(dek, aggregate, legacy=manifest.legacy)
    if package.owner is None:
        return dek, _Metadata(name="", title="")
    text = texts.pop()
    if texts or not hmac.compare_digest(_names_digest(dek, text), package.owner.says.names):
        raise Forged("the file name and title are not the ones that the owner signed")
    return dek, _names(text)


def _metadata(access: KeyAccess, share: bytes) -> bytes:
    try:
        raw = from_base64(access.encrypted_metadata, where="encryptedMetadata")
        box = msgspec.convert(read_json(raw, limit=METADATA_MAX, what="metadata"), _MetadataBox)
        # The text begins with its IV; the field beside it is for other readers.
        return AESGCM(share).decrypt(box.ciphertext[:12], box.ciphertext[12:], None)
    except (InvalidTag, ValueError, Malformed, msgspec.ValidationError) as error:
        raise Forged("the file name and title in the package were altered") from error


def _names(text: bytes) -> _Metadata:
    try:
        held = msgspec.convert(read_json(text, limit=METADATA_MAX, what="metadata"), _Metadata)
    except msgspec.ValidationError as error:
        raise Malformed("the package holds no file name and title") from error
    check_name(held.name)
    _line(held.title, TITLE_MAX, "title")
    _line(held.label, BANNER_MAX, "label")
    return held


def _decrypt(
    file: BinaryIO,
    container: Container,
    manifest: Manifest,
    dek: bytes,
    out: BinaryIO,
    progress: Progress | None,
) -> str:
    """The plaintext goes out; SHA-256 of what came in comes back."""
    sums = Sums()
    try:
        _decrypt_into(file, container, manifest, dek, out, progress, sums)
        digest, checksum = sums.finish()
    finally:
        sums.close()
    if checksum != container.payload_crc:
        raise Malformed("the payload's checksum is wrong")
    return digest


def _decrypt_into(
    file: BinaryIO,
    container: Container,
    manifest: Manifest,
    dek: bytes,
    out: BinaryIO,
    progress: Progress | None,
    sums: Sums,
) -> None:
    aead, done, ahead = AESGCM(dek), 0, Ahead(out)
    room = max((segment.size for segment in manifest.segments), default=0)
    plain, boxes = memoryview(bytearray(room)), _boxes(room)
    file.seek(container.payload_at)
    for number, segment in enumerate(manifest.segments):
        sealed, data = next(boxes)[: segment.sealed], plain[: segment.size]
        if fill(file, sealed) != segment.sealed:
            raise Forged(f"segment {number} is cut short")
        sums.update(sealed)
        found = sealed[-16:] if manifest.algorithm == "GMAC" else hmac.digest(dek, sealed, hashlib.sha256)
        # INVARIANT: the root is over these hashes, so a segment that is not in its place is seen here.
        if not hmac.compare_digest(found, from_base64(segment.hash)):
            raise Forged(f"segment {number} is not the one that the table names")
        try:
            aead.decrypt_into(sealed[:12], sealed[12:], None, data)
        except InvalidTag as error:
            raise Forged(f"segment {number} was altered") from error
        with writes("the opened file"):
            out.write(data)
        ahead.passed(segment.size)
        done += segment.size
        if progress is not None:
            progress(done, manifest.size)


# ── names ──


def check_name(name: str) -> str:
    """A file name: one component of a path, on every system, and nothing that shows as something else."""
    _line(name, NAME_MAX, "name")
    if (
        name in {"", ".", ".."}
        or len(name.encode()) > NAME_MAX
        or set(name) & set('/\\:*?"<>|')
        or name != name.strip()
    ):
        raise Malformed(f"`{json.dumps(name[:80])[1:-1]}` is not a file name", hint="give a name without a folder")
    return name


def _line(text: str, limit: int, what: str) -> None:
    if len(text) > limit:
        raise Malformed(f"the {what} has {len(text)} characters; at most {limit} are taken")
    # Controls, formats (they turn the direction of text around), separators of lines, surrogates, private use.
    if any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in text):
        raise Malformed(f"the {what} holds a character that does not show", hint="write it as one plain line")
    if unicodedata.normalize("NFC", text) != text:
        raise Malformed(f"the {what} is not in composed form (NFC)")
