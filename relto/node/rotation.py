"""New key access keys: made, put into the party's chain, and every share that this node knows wrapped to them anew.

A package carries its share wrapped to the key that the node had when it was sealed. The node keeps each such share too
(`shares`: from sealing, or from the first time that it is asked for), so that a new key takes its place without any
package being touched: policy and binding stay, and by these the share is found. Then the old key can be destroyed.

The order is the safety: key files, then the act that lists them, then the shares, then the old files. A crash between
leaves more keys than needed, never fewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct

from relto import acts
from relto.errors import Forged, NotFound, Refused
from relto.keys import HYBRID, AccessKey, SecretKey, Unwrapper, from_base64, to_base64, wrap_share
from relto.node import home
from relto.node.node import Node
from relto.package.manifest import KeyAccess, Policy
from relto.store import KeyFiles
from relto.store.token import KINDS as TOKEN_KINDS

Statement = tuple[str, tuple[object, ...]]
SHARES_MAX = 1000  # in one transaction


class Rotated(Struct, frozen=True, kw_only=True):
    """act: the rotation's id. kids: the new keys. destroyed: the names of key files that are gone."""

    act: str
    kids: tuple[str, ...]
    shares: int
    destroyed: tuple[str, ...]


# ── shares that the node knows ──


def keep(policy: Policy, one: KeyAccess) -> Statement:
    """The statement that keeps a share as it is wrapped in a package; one that is kept already stays as it is."""
    return (
        "INSERT INTO shares (policy, binding, kind, kid, wrapped, ephemeral) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT DO NOTHING",
        (
            policy.digest,
            one.binding.hex(),
            one.kind,
            one.kid,
            one.wrapped_key,
            "" if one.ephemeral_pem is UNSET else str(one.ephemeral_pem),
        ),
    )


def kept(node: Node, policy: Policy, one: KeyAccess) -> KeyAccess | None:
    """The same share as it is wrapped now; None when this node does not know it."""
    rows = node.store.query(
        "SELECT kind, kid, wrapped, ephemeral FROM shares WHERE policy = $1 AND binding = $2",
        (policy.digest, one.binding.hex()),
    )
    if not rows:
        return None
    kind, kid, wrapped, ephemeral = rows[0]
    return msgspec.structs.replace(
        one, kind=kind, kid=kid, wrapped_key=wrapped, ephemeral_pem=ephemeral or UNSET
    ).check()


# ── rotation ──


def rotate_access(directory: Path, node: Node, offline: Path, *, destroy: bool) -> Rotated:
    """Makes new access keys; the caller holds the directory's lock and nobody serves it.

    offline: where the root keys and their successors are; a rotation of keys needs a quorum of both, and the
    successors after them are written there. destroy: the old access keys are removed once no share needs them.

    Raises: NotFound without these keys; Refused when a share would be lost.
    """
    if node.keys is None:
        raise Refused("this node's keys are not readable here")
    online, vault = KeyFiles(directory / "keys" / "online"), KeyFiles(offline)
    old = _numbered(online)
    token = node.keys.token if isinstance(node.keys, home.FileKeys) else None
    old_in_token = [one.kid for one in token.held()] if token else []
    made: list[Unwrapper] = (
        [token.generate(kind, node.random) for kind in TOKEN_KINDS]
        if token
        else [AccessKey.generate(kind, node.random) for kind in home.ALGORITHMS]
    )
    following, envelope = _rotation(node, vault, made)
    for number, key in enumerate((one for one in made if isinstance(one, AccessKey)), max(old, default=0) + 1):
        online.write(f"access-{number}", key.to_text())
    for name, successor in following:
        vault.write(name, successor.to_text())
    id_ = node.submit(envelope)
    count = _wrap_anew(node, made)
    gone = _destroy(node, online, old, made) if destroy else ()
    if destroy and token:
        for kid in old_in_token:
            token.destroy(kid)
        gone += tuple(f"{kid} in the token" for kid in old_in_token)
    return Rotated(act=id_, kids=tuple(key.kid for key in made), shares=count, destroyed=gone)


def _numbered(files: KeyFiles) -> list[int]:
    return sorted(int(name.removeprefix("access-")) for name in files.names() if name.startswith("access-"))


def _rotation(node: Node, vault: KeyFiles, made: Sequence[Unwrapper]) -> tuple[list[tuple[str, SecretKey]], bytes]:
    """The act, signed by the old roots and by those that they committed to, and the successors of these."""
    span = node.register.scans[node.origin].chain[-1]
    before = span.keys
    held = [SecretKey.from_text(vault.read(name)) for name in vault.names() if "root-" in name]
    old = _quorum(held, {key.ed25519 for key in before.root.keys}, before.root.threshold, "root")
    promised = {digest: one for one in held for digest in (acts.key_digest(one.public),)}
    new = [promised[digest] for digest in before.next_root.digests if digest in promised]
    if len(new) < before.next_root.threshold:
        raise NotFound(
            f"`{vault.directory}` does not hold {before.next_root.threshold} of the root keys that come next",
            hint="--keys names the folder with `root-…` and `next-root-…`",
        )
    number = 1 + max(
        (int(name.rpartition("-")[2]) for name in vault.names() if name.startswith("next-root-")), default=0
    )
    following = [
        (f"next-root-{number + place}", SecretKey.generate(f"{node.me}/next-root-{number + place}", node.random))
        for place in range(len(before.next_root.digests))
    ]
    keys = msgspec.structs.replace(
        before,
        root=acts.Quorum(threshold=before.next_root.threshold, keys=tuple(one.public for one in new)),
        next_root=acts.Successors(
            threshold=before.next_root.threshold, digests=tuple(acts.key_digest(one.public) for _, one in following)
        ),
        access=tuple(
            msgspec.convert({"kid": one.kid, "algorithm": one.kind, "pem": one.public_pem}, acts.AccessPublic)
            for one in made
        ),
    )
    act = node.draft("rotate", prev=span.id, keys=keys)
    return following, acts.sign(act, [*old, *new])


def _quorum(held: Sequence[SecretKey], wanted: set[bytes], threshold: int, what: str) -> list[SecretKey]:
    found = [one for one in held if one.public.ed25519 in wanted][:threshold]
    if len(found) < threshold:
        raise NotFound(
            f"{threshold} of the {what} keys are needed and {len(found)} are here",
            hint="--keys names the folder with `root-…` and `next-root-…`",
        )
    return found


def _wrap_anew(node: Node, made: Sequence[Unwrapper]) -> int:
    """Every share that is kept, under the best of the new keys; in transactions, each of which may be the last."""
    assert node.keys is not None
    keys = {one.kid: one for one in (*node.keys.access, *made)}
    fresh = {one.kid for one in made}
    best = next((one for one in made if one.kind == HYBRID), made[-1])
    rows = node.store.query("SELECT policy, binding, kind, kid, wrapped, ephemeral FROM shares")
    todo = [row for row in rows if row[3] not in fresh]
    for start in range(0, len(todo), SHARES_MAX):
        with node.store.transaction("rotation"):
            for policy, binding, kind, kid, wrapped, ephemeral in todo[start : start + SHARES_MAX]:
                share = _unwrapped(keys, kind, kid, wrapped, ephemeral)
                again = wrap_share(best.public_pem, share, node.random)
                node.store.execute(
                    "UPDATE shares SET kind = $3, kid = $4, wrapped = $5, ephemeral = $6"
                    " WHERE policy = $1 AND binding = $2",
                    (policy, binding, again.kind, best.kid, to_base64(again.wrapped), again.ephemeral_pem or ""),
                )
    return len(todo)


def _unwrapped(keys: Mapping[str, Unwrapper], kind: str, kid: str, wrapped: str, ephemeral: str) -> bytes:
    # Files of old clients name no key.
    tried: list[Unwrapper] = [keys[kid]] if kid in keys else [] if kid else list(keys.values())
    for key in tried:
        try:
            return key.unwrap(kind, from_base64(wrapped), ephemeral or None)
        except Forged:
            continue
    raise Refused("a share that is kept here opens with none of this node's keys", hint="nothing was destroyed")


def _destroy(node: Node, online: KeyFiles, old: Sequence[int], made: Sequence[Unwrapper]) -> tuple[str, ...]:
    """Removes the old key files after every share has been seen to open with the new ones."""
    keys = {one.kid: one for one in made}
    for _, _, kind, kid, wrapped, ephemeral in node.store.query(
        "SELECT policy, binding, kind, kid, wrapped, ephemeral FROM shares"
    ):
        _unwrapped(keys, kind, kid, wrapped, ephemeral)
    gone = []
    for number in old:
        online.remove(f"access-{number}")
        gone.append(f"access-{number}")
    return tuple(gone)
