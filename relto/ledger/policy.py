"""Which cosigners are enough: trust policy files (C2SP tlog-policy).

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>…
    quorum <name>|none

With such a file and a proof an auditor needs none of our software: the programs of others read both.

What it is not: a charter. It says who must have seen a checkpoint, not who may do what.

Rules
* A name is defined before it is used, once, and is a member of one group only: nobody counts twice.
* Two keys with the same bytes are one key, whatever their names: refused.
* Spaces and tabs alone separate; a comment is a whole line. What is written has one space and no comment.

    >>> parse_policy(policy.encode()).open(note).checkpoint.size                             # doctest: +SKIP
    7
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from relto.errors import Forged, Malformed
from relto.ledger.note import (
    Kind,
    OpenCheckpoint,
    Signed,
    Verifier,
    check_origin,
    open_note,
    parse_checkpoint,
    parse_note,
)

POLICY_MAX: Final = 1024 * 1024
NAMES_MAX: Final = 1024

NONE: Final = "none"
_LOG_KINDS: Final = (Kind.ED25519, Kind.COSIGN_MLDSA44)
_WITNESS_KINDS: Final = (Kind.COSIGN_ED25519, Kind.COSIGN_MLDSA44)
_ITEM = re.compile(r"[!-\"$-~\x80-\xff][!-~\x80-\xff]{0,255}")  # one word that is no comment, as octets
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


class KnownLog(Struct, frozen=True, kw_only=True):
    """A log's key; its name is the origin."""

    key: Verifier
    url: str = ""


class Witness(Struct, frozen=True, kw_only=True):
    """A cosigner's key under a name that means something in this file only."""

    name: str
    key: Verifier
    url: str = ""


class Group(Struct, frozen=True, kw_only=True):
    """Has seen a checkpoint when `k` of its members have. k: `all`, `any` or a number."""

    name: str
    k: str
    members: tuple[str, ...]

    @property
    def least(self) -> int:
        """k as a number."""
        return {"all": len(self.members), "any": 1}.get(self.k) or int(self.k)


class Policy(Struct, frozen=True, kw_only=True):
    """See the module. Checked when made: what is here can be written, and read by others."""

    logs: tuple[KnownLog, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE

    def __post_init__(self) -> None:
        _distinct([one.key for one in self.logs], _LOG_KINDS, "log")
        for log in self.logs:
            check_origin(log.key.name)
        _distinct([one.key for one in self.witnesses], _WITNESS_KINDS, "witness")
        defined: set[str] = {NONE}
        if len(self.witnesses) + len(self.groups) + len(self.logs) > NAMES_MAX:
            raise Malformed(f"a policy has at most {NAMES_MAX} logs, witnesses and groups")
        for witness in self.witnesses:
            _define(witness.name, defined)
        used = set[str]()
        for group in self.groups:
            for member in group.members:
                if member not in defined or member == NONE:
                    raise Malformed(f"`{member[:80]}` is not defined before group `{group.name[:80]}`")
                if member in used:
                    raise Malformed(f"`{member[:80]}` is a member twice", hint="nobody counts twice")
                used.add(member)
            if group.k not in {"all", "any"} and not _NUMBER.fullmatch(group.k):
                raise Malformed(f"group `{group.name[:80]}` asks for `{group.k[:20]}` of its members")
            if not 1 <= group.least <= len(group.members):
                raise Malformed(f"group `{group.name[:80]}` asks for {group.k} of {len(group.members)}")
            _define(group.name, defined)
        if self.quorum not in defined:
            raise Malformed(f"the quorum `{self.quorum[:80]}` is not defined")
        for url in [one.url for one in self.logs] + [one.url for one in self.witnesses]:
            if url:
                _word(url, "an address")

    def encode(self) -> bytes:
        """The file."""
        lines = [f"log {one.key.vkey()} {one.url}".rstrip() for one in self.logs]
        lines += [f"witness {one.name} {one.key.vkey()} {one.url}".rstrip() for one in self.witnesses]
        lines += [f"group {one.name} {one.k} {' '.join(one.members)}" for one in self.groups]
        return "".join(f"{line}\n" for line in [*lines, f"quorum {self.quorum}"]).encode("latin-1")

    def open(self, note: bytes) -> OpenCheckpoint:
        """The checkpoint in a note, signed by one of the logs and cosigned as the quorum wants.

        Raises: Forged, naming whose cosignature is missing; Malformed.
        """
        origin = parse_checkpoint(parse_note(note).text).origin
        logs = [one.key for one in self.logs if one.key.name == origin]
        if not logs:
            raise Forged(f"the policy knows no log `{origin}`")
        _, found = open_note(note, [*logs, *(one.key for one in self.witnesses)])
        by_log = [one for one in found if one.by in logs]
        if not by_log:
            raise Forged(f"the checkpoint carries no signature by `{origin}` itself")
        missing = self.missing({one.by.public for one in found})
        if missing:
            raise Forged(
                f"the quorum `{self.quorum}` is not reached: {missing}", hint="ask the log for a checkpoint with more"
            )
        first: Signed = by_log[0]
        return OpenCheckpoint(
            checkpoint=parse_checkpoint(parse_note(note).text),
            signature=first.signature,
            cosigned=tuple(one for one in found if one is not first),
        )

    def missing(self, signed: set[bytes]) -> str:
        """What the quorum still wants, in words, given the public keys that cosigned; empty when it is reached."""
        has = {one.name: one.key.public in signed for one in self.witnesses} | {NONE: True}
        words: dict[str, str] = {}
        for group in self.groups:
            count = sum(has[name] for name in group.members)
            has[group.name] = count >= group.least
            lacking = [words.get(name, name) for name in group.members if not has[name]]
            words[group.name] = f"{group.name} has {count} of {group.least}, without {', '.join(lacking)}"
        return "" if has[self.quorum] else words.get(self.quorum, f"no cosignature by {self.quorum}")


def parse_policy(data: bytes) -> Policy:
    """A policy file, by whomever written; `parse_policy(x.encode()) == x`.

    Raises: Malformed with the line.
    """
    if len(data) > POLICY_MAX:
        raise Malformed(f"a policy has at most {POLICY_MAX} bytes")
    if data and not data.endswith(b"\n"):
        raise Malformed("the last line of a policy ends in LF too")
    logs, witnesses, groups, quorum = list[KnownLog](), list[Witness](), list[Group](), list[str]()
    for number, raw in enumerate(data.split(b"\n")[:-1], 1):
        # tlog-policy, "Character set": octets; those from 0x80 up are opaque, and Latin-1 keeps them as they are.
        line = raw.decode("latin-1").strip(" \t")
        items = re.split(r"[ \t]+", line)
        if not line or line.startswith("#"):
            continue
        try:
            if _CONTROL.search(line):
                raise Malformed("a policy has no control characters but tab and LF")
            match items:
                case ["log", vkey, *url] if len(url) < 2:
                    logs.append(KnownLog(key=Verifier.parse(vkey), url="".join(url)))
                case ["witness", name, vkey, *url] if len(url) < 2:
                    witnesses.append(Witness(name=name, key=Verifier.parse(vkey), url="".join(url)))
                    _before(name, groups, quorum)
                case ["group", name, k, *members] if members:
                    groups.append(Group(name=name, k=k, members=tuple(members)))
                    _known(members, witnesses, groups[:-1])
                case ["quorum", name] if not quorum:
                    quorum.append(name)
                    if name != NONE:
                        _known([name], witnesses, groups)
                case ["quorum", _]:
                    raise Malformed("a policy has one quorum")
                case _:
                    raise Malformed(f"`{line[:80]}` is no line of a policy")
        except Malformed as error:
            raise Malformed(error.message, where=f"line {number}", hint=error.hint) from error
    if not quorum:
        raise Malformed("a policy has a quorum", hint="`quorum none` asks for no cosignature")
    return Policy(logs=tuple(logs), witnesses=tuple(witnesses), groups=tuple(groups), quorum=quorum[0])


def _before(name: str, groups: list[Group], quorum: list[str]) -> None:
    if any(name in one.members for one in groups) or name in quorum:
        raise Malformed(f"`{name[:80]}` is used before it is defined")


def _known(names: list[str], witnesses: list[Witness], groups: list[Group]) -> None:
    defined = {one.name for one in witnesses} | {one.name for one in groups}
    for name in names:
        if name not in defined:
            raise Malformed(f"`{name[:80]}` is not defined above")


def _word(text: str, what: str) -> str:
    if not _ITEM.fullmatch(text):
        raise Malformed(f"`{text[:80]}` is not {what} in a policy", hint="one word, without white space")
    return text


def _define(name: str, defined: set[str]) -> None:
    if _word(name, "a name") in defined:
        raise Malformed(f"`{name[:80]}` is defined twice")
    defined.add(name)


def _distinct(keys: list[Verifier], kinds: tuple[Kind, ...], what: str) -> None:
    for key in keys:
        if key.kind not in kinds:
            raise Malformed(f"the key of `{key.name}` is of no type that a {what} signs with")
    if len({key.public for key in keys}) != len(keys):
        raise Malformed(f"two {what} keys of a policy are the same key")


def policy_of(
    logs: Mapping[str, tuple[KnownLog, ...]], witnesses: Mapping[str, tuple[Witness, ...]], least: int
) -> Policy:
    """The policy of a partnership: `least` parties must have seen, each by all of its keys.

    logs: by party, whose checkpoints are to be read; witnesses: by party, its witness keys; they are renamed here.
    """
    known, groups, names = list[Witness](), list[Group](), list[str]()
    for party, keys in sorted(witnesses.items()):
        suffixes = {Kind.COSIGN_ED25519: "ed25519", Kind.COSIGN_MLDSA44: "ml-dsa-44"}
        own = [Witness(name=f"{party}/{suffixes[one.key.kind]}", key=one.key, url=one.url) for one in keys]
        known += own
        groups.append(Group(name=party, k="all", members=tuple(one.name for one in own)))
        names.append(party)
    if least < 1 or not names:
        return Policy(logs=tuple(one for party in sorted(logs) for one in logs[party]), witnesses=tuple(known))
    if least > len(names):
        raise Malformed(f"{least} witnesses cannot be had of {len(names)} parties")
    groups.append(Group(name="seen", k=str(least), members=tuple(names)))
    return Policy(
        logs=tuple(one for party in sorted(logs) for one in logs[party]),
        witnesses=tuple(known),
        groups=tuple(groups),
        quorum="seen",
    )
