"""The device that no network reaches: asks for a key by hand, opens with the key that comes back, counts, and tells.

A directory of a party's node plays the device: it knows the partnership's register as of its last exchange. Under
`carried/` stands one file for each request, readable by its owner alone: the opening key that the answer is sealed to,
and the time of every opening. The key is forgotten with the last opening, or after the day on which it is over.

An opening is counted, durably, before the share is used. Who copies the directory away and back deceives the count; who
sets the clock back is noticed only against the last opening. See SECURITY.md.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from relto import acts
from relto.charter.model import Charter
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused
from relto.keys import OpeningKey
from relto.ledger import check_opening, leaf_hash, open_checkpoint, parse_proof, verify_inclusion
from relto.node import sealed_file
from relto.node.client import Client, _place, _seal_key, directory_urls, session_of
from relto.node.granting import DAY_MS, Carried, KeyRequest, device_id, limit_of, package_of, time_text
from relto.node.held import log_verifier
from relto.node.home import open_node, trusted
from relto.node.node import Node
from relto.node.sealing import check_label
from relto.node.tokens import Device
from relto.package import KeyAccess, Opened, Package, open_sealed, read
from relto.store.objects import write_durably

FOLDER: Final = "carried"
SKEW_MS: Final = 300_000  # by which a clock may have gone back since the last opening


class Held(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request and what became of it. key: empty once forgotten. until: ms UTC. uses: when it opened. told: how many
    of the openings the own node has been told."""

    v: int
    key: str
    device: str
    to: str
    origin: str
    package: str
    alias: str
    asked: int
    openings: int
    until: int
    releases: tuple[str, ...] = ()
    uses: tuple[int, ...] = ()
    told: int = 0

    def view(self, now: int) -> dict[str, Any]:
        state = "asked"
        if self.releases:
            state = f"opened {len(self.uses)} of {self.openings}, until {time_text(self.until)}"
        if not self.key:
            state = f"over: opened {len(self.uses)} of {self.openings}"
        elif now >= self.until:
            state = f"over since {time_text(self.until)}: opened {len(self.uses)} of {self.openings}"
        return {
            "device": self.device,
            "owner": self.to,
            "package": self.package,
            "person": self.alias,
            "openings": self.openings,
            "until": time_text(self.until),
            "releases": list(self.releases),
            "opened": [time_text(one) for one in self.uses],
            "told": self.told,
            "state": state,
        }


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# ── asking ──


def ask(
    directory: Path,
    source: Path,
    out: Path,
    *,
    owner: str = "",
    alias: str = "",
    purpose: str = "evaluation",
    place: str = "",
    openings: int = 1,
    days: int = 0,
) -> dict[str, Any]:
    """Writes a request for the key of a package, sealed to one owner's node; the logged-in person's node vouches.

    days: how long the key is to last; else as long as the charter allows.

    Raises: Refused where no charter lets keys be carried, for a package that is not as its owner signed it, or that
    would have a stranger asked; NotFound, Conflict, Unavailable.
    """
    if out.exists():
        raise Conflict(f"there is a file `{out}` already", hint="choose another name")
    session, node, package = session_of(directory, alias), open_node(directory), read(source)
    package.check(_seal_key(node, package))
    check_label(package)
    if node.register.charter is None:
        raise Refused("the partnership is not founded")
    until = (now_ms() + _days(node.register.charter, days, openings) * DAY_MS) // 1000
    party, origin, accesses = _asked_of(node, package, owner)
    pinned = node.peers().get(party)
    keys = node.keys_of(pinned) if pinned else node.register.scans[node.origin].chain[-1].keys
    key = OpeningKey.generate(secrets.token_bytes)
    device = Device(key=device_id(key.public), package=package_of(package.policy), openings=openings)
    client = Client(session, trusted(node.config, directory))
    with closing(client.http):
        item = package.policy.item[1]
        token = client.present_carried(origin, item, purpose, place or _place(node, session), device, until)
    held = Held(
        v=1,
        key=key.to_text(),
        device=device.key,
        to=party,
        origin=origin,
        package=device.package,
        alias=session.alias,
        asked=now_ms(),
        openings=openings,
        until=until * 1000,
    )
    _save(directory, held)
    said = KeyRequest(
        v=1,
        presentation=token,
        device=key.public,
        policy=package.policy.text,
        accesses=[msgspec.to_builtins(one) for one in accesses],
    )
    sealed_file.write(
        out,
        "key-request",
        msgspec.json.encode(said),
        {},
        by=node.me,
        to=party,
        public=keys.opening,
        random=secrets.token_bytes,
    )
    return held.view(now_ms()) | {"written": str(out)}


def _days(charter: Charter, days: int, openings: int) -> int:
    """As long as some clause allows; which one counts for the item is the owner's to say."""
    if not charter.carried_keys:
        raise Refused("the charter lets no key be carried", hint="`carried_keys` of an amended charter would")
    most, times = max(one.days for one in charter.carried_keys), max(one.openings for one in charter.carried_keys)
    if not 0 <= days <= most or not 1 <= openings <= times:
        raise Refused(f"the charter lets a key be carried for {most} days and {times} openings at most")
    return days or most


def _asked_of(node: Node, package: Package, owner: str) -> tuple[str, str, list[KeyAccess]]:
    """Party, origin, and what that party's node holds of the package. Raises: Refused, NotFound."""
    known = directory_urls(node)
    strangers = [url for url in package.urls if url not in known]
    if strangers:
        raise Refused(f"the package would have `{strangers[0]}` asked, which is no node of this partnership")
    parties = {known[url][0]: url for url in package.urls}
    if owner and owner not in parties:
        raise NotFound(f"`{owner[:64]}` holds no share of it", hint=f"one of {', '.join(sorted(parties))}")
    if not owner and len(parties) > 1:
        raise Refused(
            "several owners hold shares of it", hint=f"--owner {' or '.join(sorted(parties))}: one request each"
        )
    url = parties[owner or next(iter(parties))]
    return *known[url], [one for one in package.key_access if one.url == url]


# ── opening ──


def open_carried(
    directory: Path, source: Path, target: Path, keys: Sequence[Path], *, progress: Any = None
) -> tuple[Opened, Package, list[dict[str, Any]]]:
    """Opens a package with carried keys: no network, no session. Each use is counted before the share is used.

    Raises: NotFound for a key that was made for another device; Refused for one that is over, used up, or of another
    package, or a clock that went back; Forged, Malformed.
    """
    node, package = open_node(directory), read(source)
    seal_key = _seal_key(node, package)
    package.check(seal_key)
    check_label(package)
    with _counting(directory):
        found = [_carried(directory, node, package, path) for path in keys]

        def release(accesses: Sequence[KeyAccess]) -> list[bytes | None]:
            shares: list[bytes | None] = [None] * len(accesses)
            used = []
            for held, says in found:
                mine = {one.sid: one.share for one in says.shares}
                for place, access in enumerate(accesses):
                    if access.url == says.url and access.sid in mine:
                        shares[place] = mine[access.sid]
                used.append(_used(directory, held, now_ms()))
            found[:] = [(held, says) for held, (_, says) in zip(used, found, strict=True)]
            return shares

        opened = open_sealed(package, source, target, release, seal_key, set(directory_urls(node)), progress)
    return opened, package, [held.view(now_ms()) for held, _ in found]


def _carried(directory: Path, node: Node, package: Package, path: Path) -> tuple[Held, Carried]:
    """A carried key, verified: made for this device by the owner's node, for this package, not over, not used up."""
    if not path.is_file():
        raise NotFound(f"there is no file `{path}`")
    cover = sealed_file.cover(path)
    held = next((one for one in _all(directory) if one.device.startswith(cover.key)), None)
    if held is None:
        raise NotFound(
            f"`{path}` was made for another device", hint="it opens only where `relto grant ask` wrote the request"
        )
    now = now_ms()
    if not held.key:
        raise Refused(f"this key is used up: {_uses(held)}", hint="`relto grant ask` for another one")
    sealed = sealed_file.Sealed(path, OpeningKey.from_text(held.key), what="carried-key")
    sealed.check()
    says = _said(sealed, path)
    pinned = node.peers().get(held.to)
    signer = node.keys_of(pinned) if pinned else node.register.scans[node.origin].chain[-1].keys
    if says.by != held.origin or not signer.node.verify(sealed.signed, sealed.signature):
        raise Forged(f"`{held.to}` did not sign this key", where=str(path))
    if (says.device, says.package) != (held.device, held.package):
        raise Forged("the key names another device or package than was asked for", where=str(path))
    if says.package != package_of(package.policy):
        raise Refused("this key is for another package", hint="`relto grant list` shows which")
    for one in says.shares:
        _covered(says, signer, one.release, one.proof, path)
    if held.uses and now < held.uses[-1] - SKEW_MS:
        raise Refused(f"the clock of this device went back: it opened at {time_text(held.uses[-1])}")
    if now >= says.until:
        _save(directory, msgspec.structs.replace(held, key=""))
        raise Refused(f"this key was over at {time_text(says.until)}", hint="`relto grant ask` for another one")
    releases = tuple(one.release for one in says.shares)
    held = msgspec.structs.replace(held, openings=says.openings, until=says.until, releases=releases)
    if len(held.uses) >= held.openings:
        raise Refused(f"this key is used up: {_uses(held)}", hint="`relto grant ask` for another one")
    return held, says


def _said(sealed: sealed_file.Sealed, path: Path) -> Carried:
    try:
        says = msgspec.json.decode(sealed.says, type=Carried)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed("the carried key is not as it must be", where=str(path)) from error
    if says.v != 1:
        raise Malformed(f"the carried key is of version {says.v}, which is not known here", where=str(path))
    return says


def _covered(says: Carried, keys: acts.KeySet, release: str, proof: str, path: Path) -> None:
    """The release stands in the ledger of the key's maker and says what the key says. Raises: Forged, Malformed."""
    parsed = parse_proof(proof.encode())
    try:
        held = msgspec.json.decode(parsed.extra)
        leaf, salt, envelope = (msgspec.convert(held[name], bytes) for name in ("leaf", "salt", "envelope"))
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise Malformed("the carried key does not open its release", where=str(path)) from error
    head = open_checkpoint(parsed.note, log_verifier(says.by, keys), []).checkpoint
    verify_inclusion(leaf_hash(leaf), parsed.index, head.size, head.root, parsed.hashes)
    check_opening(leaf, salt, envelope)
    act, id_, _ = acts.open_act(envelope)
    limit = limit_of(act)
    if not isinstance(act, acts.Release) or limit is None or (id_, act.log) != (release, says.by):
        raise Forged("the carried key is covered by no release", where=str(path))
    if (act.package, act.person, limit.openings, limit.until) != (
        says.package,
        says.person,
        says.openings,
        says.until,
    ):
        raise Forged("the carried key says something else than its release", where=str(path))


def _used(directory: Path, held: Held, now: int) -> Held:
    """One opening more; durable when it returns. With the last one the key is forgotten."""
    uses = (*held.uses, now)
    held = msgspec.structs.replace(held, uses=uses, key="" if len(uses) >= held.openings else held.key)
    _save(directory, held)
    return held


def _uses(held: Held) -> str:
    return f"opened {len(held.uses)} of {held.openings}" + (
        f", at {', '.join(map(time_text, held.uses))}" if held.uses else ""
    )


# ── what is held, and telling ──


def listed(directory: Path) -> list[dict[str, Any]]:
    """Every request of this device and what became of it, the newest first."""
    return [one.view(now_ms()) for one in sorted(_all(directory), key=lambda one: -one.asked)]


def tell(directory: Path, alias: str = "") -> list[dict[str, Any]]:
    """Tells the own node of openings that it has not been told: it writes a receipt for each.

    Raises: NotFound without a session; Unavailable, Refused.
    """
    session, told = session_of(directory, alias), []
    node = open_node(directory)
    client = Client(session, trusted(node.config, directory))
    with closing(client.http), _counting(directory):
        for held in _all(directory):
            if held.alias != session.alias or held.told >= len(held.uses):
                continue
            for release in held.releases:
                client.opened(release, len(held.uses))
            held = msgspec.structs.replace(held, told=len(held.uses))  # noqa: PLW2901
            _save(directory, held)
            told.append(held.view(now_ms()))
    return told


def _all(directory: Path) -> list[Held]:
    found = []
    for path in sorted((directory / FOLDER).glob("*.json")):
        if path.stat().st_mode & 0o077:
            raise Refused(f"`{path}` can be read by others", hint="make it yours alone: chmod 600")
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Held))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed("not the record of a carried key", where=str(path)) from error
    return found


def _save(directory: Path, held: Held) -> None:
    folder = directory / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    write_durably(folder / f"{held.device[:16]}.json", msgspec.json.encode(held), 0o600)


@contextmanager
def _counting(directory: Path) -> Iterator[None]:
    """One opening at a time: two at once would both count as the same."""
    folder = directory / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
