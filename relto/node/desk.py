"""Writing to a node from its own machine: through the serving process if there is one, else under the directory lock.

The socket stands in the node's directory, readable by its owner alone: who may open the directory may write, nobody
else.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx2 as httpx
import msgspec

from relto import acts
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.node import clients, epoch, home, records, releasing, rotation
from relto.node import config as settings
from relto.node.carried import BundleSays, TakenIn, export, take_in
from relto.node.node import Node
from relto.node.peers import recover_all, sync_all
from relto.node.people import add_person, publish_roster
from relto.node.recovery import Step
from relto.package import Policy, Sealed
from relto.package.manifest import parse_access

SOCKET = "socket"
KINDS = {kind.code: kind for kind in (Malformed, Refused, NotFound, Conflict, Forged, Unavailable)}


class Desk(Protocol):
    """What the command line may ask a node to write."""

    def submit(self, envelope: bytes) -> str: ...
    def sync(self) -> dict[str, Any]: ...
    def join(self, inception: bytes, how: str) -> str: ...
    def pin(self, founding: str) -> None: ...
    def person(self, alias: str, name: str, contact: str, recipient: dict[str, Any], place: str) -> str: ...
    def roster(self) -> str: ...
    def packed(self, digest: str, opaque: str, item: str, version: int, shares: Sealed | None = None) -> None: ...
    def publish(self) -> bytes: ...
    def client(
        self, id_: str, alias: str, audience: str, purpose: str, place: str, *, bearer: bool
    ) -> dict[str, Any]: ...
    def client_gone(self, id_: str) -> None: ...
    def recover(self, without: dict[str, str], files: Sequence[Path] = ()) -> Step: ...
    def bundle_export(
        self, to: str, out: Path, since: str, packages: Sequence[Path], *, own_only: bool, recovery: bool
    ) -> BundleSays: ...
    def bundle_import(self, file: Path, packages: Path | None) -> TakenIn: ...
    def note_backup(self, at: int, size: int, key: str) -> None: ...
    def record(self, asked: dict[str, Any]) -> dict[str, Any]: ...
    def note(self, subject: str, notes: dict[str, str]) -> str: ...
    def grant(self, request: Path, out: Path, openings: int, days: int, *, dry_run: bool) -> dict[str, Any]: ...


def desk(directory: Path) -> Desk:
    """The way in that is open now."""
    settings.load(directory)
    served = Served(directory)
    return served if served.alive() else Direct(directory)


class Direct:
    """Holds the lock for the length of one call."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextlib.contextmanager
    def _node(self) -> Iterator[Node]:
        with home.locked(self.directory):
            yield home.open_node(self.directory, write=True)

    def submit(self, envelope: bytes) -> str:
        if isinstance(acts.open_act(envelope)[0], acts.Epoch):
            return self._begin(envelope)
        with self._node() as node:
            return node.submit(envelope)

    def _begin(self, envelope: bytes) -> str:
        """A new ledger, and then the node under its name."""
        with self._node() as node:
            id_ = epoch.begin(self.directory, envelope, node)
        with self._node() as node:
            epoch.open_channels(node)
        return id_

    def sync(self) -> dict[str, Any]:
        with self._node() as node:
            return sync_all(node, ca=home.trusted(node.config, self.directory))

    def recover(self, without: dict[str, str], files: Sequence[Path] = ()) -> Step:
        with self._node() as node:
            return recover_all(node, without, ca=home.trusted(node.config, self.directory), files=files)

    def bundle_export(
        self, to: str, out: Path, since: str, packages: Sequence[Path], *, own_only: bool, recovery: bool
    ) -> BundleSays:
        with self._node() as node:
            return export(node, to, out, since=since, packages=packages, own_only=own_only, recovery=recovery)

    def bundle_import(self, file: Path, packages: Path | None) -> TakenIn:
        with self._node() as node:
            return take_in(node, file, packages)

    def note_backup(self, at: int, size: int, key: str) -> None:
        with self._node() as node:
            note_backup(node, at, size, key)

    def join(self, inception: bytes, how: str) -> str:
        with self._node() as node:
            return node.pin(inception, how).party

    def pin(self, founding: str) -> None:
        with self._node() as node:
            node.save_config(pin=founding)
            settings.save(node.config, self.directory)

    def person(self, alias: str, name: str, contact: str, recipient: dict[str, Any], place: str) -> str:
        with self._node() as node:
            return add_person(node, alias, name, contact, recipient_of(recipient), place).pseudonym

    def roster(self) -> str:
        with self._node() as node:
            return publish_roster(node)

    def packed(self, digest: str, opaque: str, item: str, version: int, shares: Sealed | None = None) -> None:
        with self._node() as node:
            note_package(node, digest, opaque, item, version, shares_of(shares))

    def record(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A release without a file: decided, and written when it is permitted."""
        with self._node() as node:
            return releasing.record(node, releasing.telling_of(asked))

    def note(self, subject: str, notes: dict[str, str]) -> str:
        with self._node() as node:
            return records.note(node, subject, notes)

    def grant(self, request: Path, out: Path, openings: int, days: int, *, dry_run: bool) -> dict[str, Any]:
        """A key for a device: decided, and written when it is permitted."""
        from relto.node.granting import grant

        with self._node() as node:
            return grant(node, request, out, openings=openings, days=days, dry_run=dry_run)

    def publish(self) -> bytes:
        """The checkpoint of the present head as others may have it."""
        with self._node() as node:
            time.sleep(node.publish_in_ms() / 1000)
            return node.published()

    def client(self, id_: str, alias: str, audience: str, purpose: str, place: str, *, bearer: bool) -> dict[str, Any]:
        with self._node() as node:
            made, secret = clients.add_client(node, id_, alias, audience, purpose, place, bearer=bearer)
            return {"audience": made.audience, "place": made.place, "secret": secret}

    def client_gone(self, id_: str) -> None:
        with self._node() as node:
            clients.remove_client(node, id_)


class Served:
    """The same over the socket of the serving process."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / SOCKET
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.path), verify=False), timeout=120.0, trust_env=False
        )

    def close(self) -> None:
        self._client.close()

    def alive(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.path))
            except OSError:
                return False  # no socket, or a file that nobody listens to
        try:
            return self._client.get("http://node/local/alive").status_code == 200
        except httpx.HTTPError:
            return False

    def _call(self, verb: str, body: dict[str, Any]) -> Any:
        try:
            answer = self._client.post(f"http://node/local/{verb}", json=body)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"the serving process does not answer: {error}", hint="is `relto node serve` still running?"
            ) from error
        held = json.loads(answer.content)
        if answer.status_code != 200:
            raise error_of(held.get("error", {}))
        return held

    def submit(self, envelope: bytes) -> str:
        return str(self._call("submit", {"envelope": envelope.decode()})["id"])

    def sync(self) -> dict[str, Any]:
        found: dict[str, Any] = self._call("sync", {})
        return found

    def recover(self, without: dict[str, str], files: Sequence[Path] = ()) -> Step:
        return msgspec.convert(self._call("recover", {"without": without, "files": list(map(str, files))}), Step)

    def bundle_export(
        self, to: str, out: Path, since: str, packages: Sequence[Path], *, own_only: bool, recovery: bool
    ) -> BundleSays:
        body: dict[str, Any] = {"to": to, "out": str(out), "since": since, "packages": list(map(str, packages))}
        body |= {"own_only": own_only, "recovery": recovery}
        return msgspec.convert(self._call("bundle-export", body), BundleSays)

    def bundle_import(self, file: Path, packages: Path | None) -> TakenIn:
        body = {"file": str(file), "packages": str(packages) if packages else ""}
        return msgspec.convert(self._call("bundle-import", body), TakenIn)

    def note_backup(self, at: int, size: int, key: str) -> None:
        self._call("note-backup", {"at": at, "size": size, "key": key})

    def join(self, inception: bytes, how: str) -> str:
        return str(self._call("join", {"inception": inception.decode(), "how": how})["party"])

    def pin(self, founding: str) -> None:
        self._call("pin", {"founding": founding})

    def person(self, alias: str, name: str, contact: str, recipient: dict[str, Any], place: str) -> str:
        return str(
            self._call(
                "person", {"alias": alias, "name": name, "contact": contact, "recipient": recipient, "place": place}
            )["pseudonym"]
        )

    def roster(self) -> str:
        return str(self._call("roster", {})["id"])

    def ticket(self) -> str:
        """A one-time token for the pages of a demo node."""
        return str(self._call("ticket", {})["ticket"])

    def lose_next_reply(self) -> None:
        """The next key release's answer is lost on its way; demo nodes only."""
        self._call("lose-next-reply", {})

    def packed(self, digest: str, opaque: str, item: str, version: int, shares: Sealed | None = None) -> None:
        body = {"digest": digest, "opaque": opaque, "item": item, "version": version}
        self._call("packed", body | shares_of(shares))

    def record(self, asked: dict[str, Any]) -> dict[str, Any]:
        return dict(self._call("record", asked))

    def note(self, subject: str, notes: dict[str, str]) -> str:
        return str(self._call("note", {"subject": subject, "notes": notes})["subject"])

    def grant(self, request: Path, out: Path, openings: int, days: int, *, dry_run: bool) -> dict[str, Any]:
        body = {"request": str(request), "out": str(out), "openings": openings, "days": days, "dry_run": dry_run}
        return dict(self._call("grant", body))

    def publish(self) -> bytes:
        return str(self._call("publish", {})["note"]).encode()

    def client(self, id_: str, alias: str, audience: str, purpose: str, place: str, *, bearer: bool) -> dict[str, Any]:
        body = {"id": id_, "alias": alias, "audience": audience, "purpose": purpose, "place": place, "bearer": bearer}
        found: dict[str, Any] = self._call("client", body)
        return found

    def client_gone(self, id_: str) -> None:
        self._call("client-gone", {"id": id_})


def error_of(view: dict[str, str]) -> ReltoError:
    """An error as it came over the wire."""
    kind: Callable[..., ReltoError] = KINDS.get(view.get("code", ""), Unavailable)
    return kind(
        view.get("message", "the node answered with an error it did not name"),
        hint=view.get("hint", ""),
        where=view.get("where", ""),
    )


def recipient_of(view: dict[str, Any]) -> Any:
    import msgspec

    from relto.acts import RecipientClass

    try:
        return msgspec.convert(view, RecipientClass)
    except msgspec.ValidationError as error:
        raise Malformed(f"this person's facts: {str(error)[:1].lower()}{str(error)[1:]}") from error


def note_backup(node: Node, at: int, size: int, key: str) -> None:
    """A backup that was made here, so that its age can be told."""
    node.store.execute(
        "INSERT INTO backups (at, size, key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", (at, size, key)
    )


def shares_of(sealed: Sealed | None) -> dict[str, Any]:
    """What was sealed, as it goes to `note_package`: the policy string and the wrapped shares."""
    if sealed is None:
        return {}
    return {"policy": sealed.policy.text, "shares": [msgspec.to_builtins(one) for one in sealed.key_access]}


def note_package(
    node: Node, digest: str, opaque: str, item: str, version: int, shares: dict[str, Any] | None = None
) -> None:
    """A package sealed here, so that the node knows its own, and its shares when its key has changed since."""
    if shares and isinstance(shares.get("shares"), list):
        policy = Policy.parse(str(shares.get("policy", "")))
        for held in shares["shares"]:
            one = parse_access(held)
            if one.url == node.config.url + "/kas":
                node.store.execute(*rotation.keep(policy, one))
    node.store.execute(
        "INSERT INTO packages (digest, opaque, item, version, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        (digest, opaque, item, version, node.clock()),
    )
