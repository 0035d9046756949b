"""New keys for a party: what a rotation or a recovery states, put together from key files.

A rotation shows the root keys that the one before it committed to, and commits to their successors; the other keys may
stay or go. What is made here is the *public* set: secret parts stay where they are, with the people or in
`keys/online`.

Contracts of the design, section 1; spec/acts.md, "Party chain".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relto import acts
from relto.acts import KeySet
from relto.errors import Malformed, NotFound, Refused, ReltoError
from relto.keys import PublicKey
from relto.node.home import OFFICES, Office, read_signer

PUBLIC_MAX = 16_384  # bytes of a file with a public key


class Change(Struct, frozen=True, kw_only=True):
    """What is to be otherwise. Empty: as it was. Paths name files with a secret key or with its public part.

    roots: those that the newest keys commit to; successors: whom the new ones commit to. officers: office and file,
    added; drop: names of officers' keys that go. Thresholds of 0: as before.
    """

    roots: tuple[Path, ...]
    successors: tuple[Path, ...]
    threshold: int = 0
    successor_threshold: int = 0
    authority: tuple[Path, ...] = ()
    authority_threshold: int = 0
    officers: tuple[tuple[str, Path], ...] = ()
    drop: tuple[str, ...] = ()


def read_public(path: Path) -> PublicKey:
    """The public key in a file: of a secret key, or alone as `relto key show --out` writes it.

    Raises: NotFound, Malformed, Refused (a secret key that others may read).
    """
    if not path.is_file():
        raise NotFound(f"there is no file `{path}`", hint="`relto key new` makes a key")
    data = path.read_bytes()[: PUBLIC_MAX + 1]
    try:
        return msgspec.json.decode(data, type=PublicKey)
    except (msgspec.DecodeError, UnicodeDecodeError, ReltoError):
        return read_signer(path).public


def changed(keys: KeySet, change: Change) -> KeySet:
    """The whole new set.

    Raises: Refused for root keys that were not committed to, a successor that is in use, a name that is not there;
    Malformed for a quorum that cannot be met.
    """
    roots, successors = _read(change.roots, "root"), _read(change.successors, "next")
    _check_roots(keys, roots, successors)
    known = {one.key.name for one in keys.officers}
    for name in change.drop:
        if name not in known:
            raise Refused(f"`{name}` is no officer's key", hint=f"officers: {', '.join(sorted(known))}")
    officers = [one for one in keys.officers if one.key.name not in change.drop]
    officers += [acts.Officer(office=_office(office), key=read_public(path)) for office, path in change.officers]
    authority = keys.authority
    if change.authority:
        authority = acts.Quorum(
            threshold=change.authority_threshold or authority.threshold, keys=_read(change.authority, "authority")
        )
    elif change.authority_threshold:
        authority = replace(authority, threshold=change.authority_threshold)
    threshold = change.threshold or keys.root.threshold
    return replace(
        keys,
        root=acts.Quorum(threshold=threshold, keys=roots),
        next_root=acts.Successors(
            threshold=change.successor_threshold or threshold,
            digests=tuple(acts.key_digest(one) for one in successors),
        ),
        authority=authority,
        officers=tuple(officers),
    )


def _read(paths: Sequence[Path], what: str) -> tuple[PublicKey, ...]:
    found = tuple(read_public(path) for path in paths)
    names = [one.name for one in found]
    if len(set(names)) != len(names):
        raise Malformed(f"--{what} names one key twice", hint="each key file once")
    return found


def _check_roots(keys: KeySet, roots: Iterable[PublicKey], successors: Iterable[PublicKey]) -> None:
    strange = [one.name for one in roots if acts.key_digest(one) not in keys.next_root.digests]
    if strange:
        raise Refused(
            f"the keys in force do not commit to `{strange[0]}`",
            hint="new root keys are the successors that were made beforehand; `relto key show FILE` prints a digest",
        )
    used = {one.ed25519 for one in (*keys.root.keys, *keys.authority.keys, *roots)}
    used |= {one.key.ed25519 for one in keys.officers}
    taken = [one.name for one in successors if one.ed25519 in used]
    if taken:
        raise Refused(f"`{taken[0]}` is in use", hint="`relto key new` makes one that nobody has seen")


def _office(word: str) -> Office:
    if word not in OFFICES:
        raise Malformed(f"`{word}` is no office", hint=f"one of {', '.join(get_args(Office))}")
    return word


def committed(directory: Path, keys: KeySet) -> tuple[Path, ...]:
    """Files under `keys/offline` whose keys the newest set commits to: for one machine that plays all parts."""
    place = directory / "keys" / "offline"
    found = []
    for path in sorted(place.glob("*.key")) if place.is_dir() else []:
        try:
            public = read_signer(path).public
        except Malformed:
            continue  # a key of another sort: the one that backups are sealed to
        if acts.key_digest(public) in keys.next_root.digests:
            found.append(path)
    return tuple(found)
