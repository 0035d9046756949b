"""The officer's side: drafts from plain words, signing requests, signatures by key files.

A node shows an act in words and hands out a *signing request*: the exact bytes and their reading. `sign` adds a
signature on the officer's own machine, with no node and no network; whoever has the request with enough signatures
takes it back to the node.
"""

from __future__ import annotations

import ast
import re
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.acts import Act, KeySet
from relto.acts import act as formats
from relto.errors import Malformed, NotFound, Refused
from relto.keys import PublicKey, SecretKey, pae
from relto.node.home import read_signer

REQUEST_MAX = 131_072


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quorum: so many of these keys, by name."""

    threshold: int
    keys: tuple[str, ...]


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """payload: the act's bytes. reads: the same in words. signer, threshold, keys: who must sign, and how many.

    also: a second quorum that must sign besides (version 2 only): a rotation takes the old root keys and the new ones.
    signatures: those that are there.
    """

    relto: Literal["signing-request"] = "signing-request"
    v: Literal[1, 2] = 1
    reads: tuple[str, ...]
    signer: str
    threshold: int
    keys: tuple[str, ...]
    payload: bytes
    also: Asked | UnsetType = UNSET
    signatures: dict[str, bytes] = {}

    def __post_init__(self) -> None:
        if (self.v == 2) == isinstance(self.also, UnsetType):
            raise Malformed("a second quorum stands in version 2 of a signing request, and in no other", where="also")

    @property
    def quorums(self) -> tuple[Asked, ...]:
        first = Asked(threshold=self.threshold, keys=self.keys)
        return (first,) if isinstance(self.also, UnsetType) else (first, self.also)

    @property
    def asks(self) -> str:
        """Whose signatures, in words."""
        return " and ".join(f"{one.threshold} of {', '.join(one.keys)}" for one in self.quorums)

    def missing(self) -> tuple[Asked, ...]:
        """What is still to be signed, and by whom."""
        signed = {key_id.rpartition("+")[0] for key_id in self.signatures}
        short = [(one, one.threshold - len(signed & set(one.keys))) for one in self.quorums]
        return tuple(
            Asked(threshold=lack, keys=tuple(name for name in one.keys if name not in signed))
            for one, lack in short
            if lack > 0
        )


def request(act: Act, keys: KeySet, officers: int = 1) -> Request:
    """What is handed out for signing. officers: how many the charter asks for, of an act that officers sign."""
    signer, also = acts.SIGNERS[acts.kind_of(act)], None
    if isinstance(act, acts.Recover | acts.Epoch):  # by those to whom the old ones committed, and no others
        names, threshold = tuple(key.name for key in act.keys.root.keys), act.keys.root.threshold
    elif isinstance(act, acts.Rotate):
        names, threshold = tuple(key.name for key in keys.root.keys), keys.root.threshold
        also = Asked(threshold=act.keys.root.threshold, keys=tuple(key.name for key in act.keys.root.keys))
    elif signer == "root":
        names, threshold = tuple(key.name for key in keys.root.keys), keys.root.threshold
    elif signer == "authority":
        names, threshold = tuple(key.name for key in keys.authority.keys), keys.authority.threshold
    elif signer == "node":
        names, threshold = (keys.node.name,), 1
    else:
        names, threshold = tuple(one.key.name for one in keys.officers if one.office in signer), officers
    word = signer if isinstance(signer, str) else " or ".join(sorted(signer))
    return Request(
        v=1 if also is None else 2,
        reads=tuple(reading(act)),
        signer=word,
        threshold=threshold,
        keys=names,
        payload=acts.write(act),
        also=UNSET if also is None else also,
    )


def format_request(one: Request) -> bytes:
    return msgspec.json.format(msgspec.json.encode(one), indent=2) + b"\n"


def parse_request(data: bytes, where: str = "") -> Request:
    """A signing request. What it reads is made anew from the bytes: nobody signs words that the bytes do not say.

    Raises: Malformed.
    """
    if len(data) > REQUEST_MAX:
        raise Malformed(f"a signing request of {len(data)} bytes is over the limit of {REQUEST_MAX}", where=where)
    try:
        found = msgspec.json.decode(data, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(
            "not a signing request", where=where, hint="`relto act KIND … --out FILE` writes one"
        ) from error
    act = acts.read(found.payload)
    if found.reads != tuple(reading(act)):
        raise Malformed(
            "the words of this request are not what its bytes say",
            where=where,
            hint="do not sign it; ask the node for it anew",
        )
    return found


def sign(one: Request, signers: Iterable[SecretKey]) -> Request:
    """Adds signatures. Raises: Refused for a key that this act does not ask for."""
    signatures, signers = dict(one.signatures), tuple(signers)
    check_signers(one, signers)
    for signer in signers:
        signatures.update(signer.sign(pae(acts.PAYLOAD_TYPE, one.payload)))
    return msgspec.structs.replace(one, signatures=signatures)


def check_signers(one: Request, signers: Iterable[SecretKey]) -> None:
    """Raises: Refused for a key that this act does not ask for."""
    for signer in signers:
        if not any(signer.public.name in asked.keys for asked in one.quorums):
            raise Refused(f"the key `{signer.public.name}` does not sign this act", hint=f"it asks for {one.asks}")


def envelope(one: Request) -> bytes:
    """The signed act. Raises: Refused while signatures are missing, naming whose."""
    from relto.acts.envelope import format as format_envelope

    missing = one.missing()
    if missing:
        raise Refused(
            f"{sum(lack.threshold for lack in missing)} more signature(s) needed",
            hint="; ".join(f"{lack.threshold} of {', '.join(lack.keys)}" for lack in missing),
        )
    return format_envelope(one.payload, one.signatures)


def offline_signers(directory: Path, one: Request) -> list[SecretKey]:
    """As many of the asked keys as the threshold says, out of `keys/offline`: for one machine that plays all parts.

    Raises: NotFound when they have been carried away, as they should be.
    """
    return [signer for asked in one.quorums for signer in _offline(directory, asked)]


def _offline(directory: Path, one: Asked) -> list[SecretKey]:
    found: list[SecretKey] = []
    for name in one.keys:
        if len(found) == one.threshold:
            break
        try:
            found.append(read_signer(directory / "keys" / "offline" / f"{name.partition('/')[2]}.key"))
        except NotFound:
            continue
    if len(found) < one.threshold:
        raise NotFound(
            f"`{directory / 'keys' / 'offline'}` does not hold {one.threshold} of {', '.join(one.keys)}",
            hint="`relto act sign REQUEST --key FILE`",
        )
    return found


# ---- words to acts


def fields(kind: str, words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words as the fields of a kind of act: dots reach inside, commas make lists where a list is due.

    Raises: Malformed naming the word.
    """
    cls = acts.KINDS.get(kind)
    if cls is None:
        raise Malformed(f"`{kind}` is no kind of act", hint=f"one of {', '.join(sorted(acts.KINDS))}")
    return struct_fields(cls, words)


def struct_fields(cls: type[Struct], words: Sequence[str]) -> dict[str, Any]:
    """As `fields`, for any struct of the act formats."""
    names, tree = own_fields(cls), _tree(words, own_fields(cls))
    unknown = [name for name in tree if name not in names]
    if unknown:
        raise Malformed(f"there is no field `{unknown[0]}` here", hint=f"fields: {', '.join(names)}")
    found: dict[str, Any] = {}
    hints = typing.get_type_hints(cls, include_extras=True)
    for info in msgspec.structs.fields(cls):
        if info.encode_name in tree:
            try:
                found[info.name] = msgspec.convert(
                    _shape(tree[info.encode_name], hints[info.name]), hints[info.name], strict=False
                )
            except msgspec.ValidationError as error:
                said, hint = _said(str(error), tree[info.encode_name])
                raise Malformed(said, hint=hint, where=info.encode_name) from error
    return found


# What the patterns of acts mean, and an example of each.
_SHAPES: Final = {
    formats.Word: ("a name of lower-case letters, digits and hyphens", "for example gbr, undersea"),
    formats.OrgId: ("a name under a party", "for example gbr/tidewater"),
    formats.Holder: ("a party or an organisation", "for example gbr, gbr/tidewater"),
    formats.Hex32: ("an id or digest of 64 hex digits", "`relto act list --json` shows whole ids"),
    formats.Hex16: ("an id of 32 hex digits", "`relto item show ITEM` shows it"),
    formats.Date: ("a day of the calendar", "write it as 2027-03-01"),
    formats.Country: ("a state's code of three capitals", "for example GBR"),
    formats.Origin: ("the name of a ledger", "for example gbr.example/aukus/0"),
    formats.Subject: ("a subject of proposals", "charter, project/NAME or engagement/NAME"),
    formats.Url: ("the address of a node", "for example https://gbr.example"),
    formats.KeyId: ("the id of a key", "for example gbr/disclosure-1+0a1b2c3d"),
    formats.Line: ("one line of 1 to 512 characters", ""),
    formats.Pseudonym: ("a person's pseudonym", "p- and 26 letters and digits, as `relto person list` shows"),
}
_PATTERNS: Final = {
    meta.pattern: words
    for shape, words in _SHAPES.items()
    for meta in typing.get_args(shape)[1:]
    if isinstance(meta, msgspec.Meta)
}


def _said(error: str, value: Any) -> tuple[str, str]:
    """A decoder's complaint in words, with the value that it is about where it is one word, and a hint."""
    found = re.fullmatch(r"Expected `str` matching regex (.+?)(?: - at `\$?(.*)`)?", error, re.DOTALL)
    pattern = ast.literal_eval(found[1]) if found else ""
    if pattern in _PATTERNS:
        what, hint = _PATTERNS[pattern]
        shown = f"`{value[:80]}`" if isinstance(value, str) else f"`{found[2]}`" if found and found[2] else "this"
        return f"{shown} is not {what}", hint
    return f"{error[:1].lower()}{error[1:]}", ""


def _tree(words: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for word in words:
        name, found, value = word.partition("=")
        if not found or not name:
            raise Malformed(f"`{word[:80]}` is not `name=value`", hint=f"fields: {', '.join(names)}")
        here = tree
        *path, last = name.split(".")
        for step in path:
            here = here.setdefault(step, {})
            if not isinstance(here, dict):
                raise Malformed(f"`{name}` reaches into a value", where=name)
        if last in here:
            raise Malformed(f"`{name}` stands twice", where=name)
        here[last] = value
    return tree


def own_fields(cls: type[Struct]) -> list[str]:
    common = {"v", "author", "log", "at", "partnership", "under"} if issubclass(cls, Act) else set()
    return [info.encode_name for info in msgspec.structs.fields(cls) if info.encode_name not in common]


def _shape(value: Any, hint: Any) -> Any:
    """Text where text is due, lists where lists are; what a type cannot tell is left to msgspec."""
    kinds = _arms(hint)
    if isinstance(value, str):
        if value[:1] in "[{":
            try:
                return msgspec.json.decode(value)
            except msgspec.DecodeError as error:
                raise Malformed(f"`{value[:40]}` is not JSON") from error
        for kind in kinds:
            if typing.get_origin(kind) is tuple:
                inner = _arms(typing.get_args(kind)[0])
                parts = [part.strip() for part in value.split(",")] if value else []
                if any(isinstance(one, type) and issubclass(one, Struct) for one in inner):
                    return [_compact(part, inner) for part in parts]
                return parts
            if isinstance(kind, type) and issubclass(kind, Struct):
                return _compact(value, kinds)
        return value
    if isinstance(value, dict):
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, Struct):
                hints = typing.get_type_hints(kind, include_extras=True)
                names = {info.encode_name: hints[info.name] for info in msgspec.structs.fields(kind)}
                if set(value) <= set(names) | {kind.__struct_config__.tag_field or ""}:
                    return {name: _shape(part, names.get(name, str)) for name, part in value.items()}
            if typing.get_origin(kind) is dict:
                return {name: _shape(part, typing.get_args(kind)[1]) for name, part in value.items()}
    return value


def _compact(value: str, kinds: Iterable[Any]) -> Any:
    """`GBR OFFICIAL` for a level, `2026-01-01..2027-01-01` for a term, `500 GBP` for money, `gbr/x@2` for a version."""
    from relto.label import Level

    for kind in kinds:
        if kind is Level:
            system, _, level = value.partition(" ")
            return {"system": system, "level": level}
        if kind is acts.Term:
            since, _, until = value.partition("..")
            return {"from": since, **({"to": until} if until else {})}
        if kind is acts.Money:
            amount, _, currency = value.partition(" ")
            return {"amount": int(amount) if amount.isdecimal() else amount, "currency": currency}
        if kind is acts.ItemRef:
            item, _, version = value.partition("@")
            return {"item": item, "version": int(version) if version.isdecimal() else version}
        if kind is acts.ReleaseRule:
            return {"rule": value}
    return value


def _arms(hint: Any) -> list[Any]:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _arms(typing.get_args(hint)[0])
    if origin in {typing.Union, types.UnionType}:
        return [arm for one in typing.get_args(hint) if one is not UnsetType for arm in _arms(one)]
    return [hint]


# ---- acts to words


def reading(act: Act) -> list[str]:
    """An act in lines that a person can check before signing: every field, in the words of the format."""
    lines = [f"{acts.kind_of(act)} by {act.author}, in ledger {act.log}"]
    plain = msgspec.to_builtins(act)
    for name in sorted(plain):
        if name in {"kind", "author", "log", "v"}:
            continue
        lines += _lines(name, plain[name], 1)
    return lines


def _lines(name: str, value: Any, depth: int) -> list[str]:
    pad = "  " * depth
    if isinstance(value, dict) and {"name", "ed25519"} <= value.keys() <= {"name", "ed25519", "mldsa65"}:
        # A key as `relto key show` tells of it: its base64 is nothing that people compare.
        key = msgspec.convert(value, PublicKey)
        halves = "" if "mldsa65" in value else ", Ed25519 only"
        return [f"{pad}{name}: {key.name}, digest {acts.key_digest(key)[:16]}{halves}"]
    if isinstance(value, dict):
        return [f"{pad}{name}:", *(line for key in sorted(value) for line in _lines(key, value[key], depth + 1))]
    if isinstance(value, list | tuple):
        if all(isinstance(one, str | int) for one in value):
            return [f"{pad}{name}: {', '.join(map(str, value)) or 'none'}"]
        return [line for number, one in enumerate(value, 1) for line in _lines(f"{name} {number}", one, depth)]
    if isinstance(value, str) and len(value) > 200:
        return [f"{pad}{name}: {value[:60]}… ({len(value)} characters)"]
    return [f"{pad}{name}: {value}"]


__all__ = [
    "Request",
    "envelope",
    "fields",
    "format_request",
    "offline_signers",
    "own_fields",
    "parse_request",
    "reading",
    "request",
    "sign",
]
