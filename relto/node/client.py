"""The person's side: log in at the own node, ask another party's node for a key, open the file.

    own node        presentation for one audience, bound to the client's proof key
    owner's node    rewrap: the share, or the same refusal as everybody gets
    here            root and segments verified before a byte appears

The session (its token and the proof key) stands in one file, readable by its owner alone; the session key that a share
is wrapped to never leaves memory.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from relto.errors import Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.keys import HYBRID, AccessKey, ProofKey, PublicKey
from relto.node import config as settings
from relto.node.home import open_node, trusted
from relto.node.node import Node
from relto.node.peers import call, exchange, http_client
from relto.node.sealing import check_label
from relto.node.tokens import Device, build_proof
from relto.package import KeyAccess, Opened, Package, Policy, access, open_sealed, read
from relto.package.parts import Window, read_parts
from relto.store.objects import write_durably

SESSION = "session.json"
REWRAP = "/kas.AccessService/Rewrap"


class Session(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    party: str
    alias: str
    pseudonym: str
    token: str
    until: int
    url: str
    origin: str
    key: str


class Answered(Struct, frozen=True, kw_only=True):
    """What the owner's node said to one call: its status and its very bytes, shares when it permitted.

    releases: one for each share; `release` and `proof` are the first one's.
    """

    status: int
    body: bytes
    shares: dict[str, bytes | None]
    release: str = ""
    proof: str = ""
    releases: tuple[str, ...] = ()


def login(directory: Path, alias: str) -> dict[str, Any]:
    """Logs in at this directory's node; returns the session without secrets. Raises: Refused, NotFound, Unavailable."""
    config = settings.load(directory)
    url = config.url
    key = ProofKey.generate("EdDSA", secrets.token_bytes)
    with http_client(trusted(config, directory)) as client:
        held = json.loads(
            call(
                client,
                "POST",
                url + "/api/v1/login",
                json.dumps({"alias": alias, "jkt": key.jkt}).encode(),
                {"content-type": "application/json"},
                who=url,
            )
        )
    session = Session(**held, key=key.to_text())
    write_durably(directory / session_file(alias), msgspec.json.encode(session), 0o600)
    write_durably(directory / SESSION, msgspec.json.encode(session), 0o600)
    return {name: value for name, value in held.items() if name != "token"}


def session_file(alias: str) -> str:
    return f"session-{alias}.json"


def session_of(directory: Path, alias: str = "") -> Session:
    """The last session, or a person's. Raises: NotFound, Malformed."""
    path = directory / (session_file(alias) if alias else SESSION)
    try:
        if path.stat().st_mode & 0o077:
            raise Refused(f"`{path}` can be read by others", hint="log in again")
        return msgspec.json.decode(path.read_bytes(), type=Session)
    except FileNotFoundError as error:
        raise NotFound("nobody is logged in here", hint="`relto login --as ID`") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("not a session", where=str(path), hint="log in again") from error


class Client:
    """One person at one own node."""

    def __init__(self, session: Session, ca: str = "") -> None:
        self.session, self.key = session, ProofKey.from_text(session.key)
        self.http = http_client(ca)

    def present(self, audience: str, item: str, purpose: str, place: str) -> str:
        """A presentation for one node. Raises: Refused, NotFound, Unavailable."""
        asked = {"audience": audience, "item": item, "purpose": purpose, "place": place}
        return str(self._post("/api/v1/presentations", asked)["presentation"])

    def ask(
        self,
        presentation: str,
        address: str,
        audience: str,
        policy: Policy,
        accesses: Sequence[KeyAccess],
        session: str = "ec:secp256r1",
        missing: Collection[str] | None = None,
    ) -> Answered:
        """One rewrap at one node: its answer to the byte, and the shares in it.

        session: the kind of the fresh key. missing: the shares that are asked for; else all that this node holds.
        """
        url = address + REWRAP
        session_key = AccessKey.generate(session)
        asked = access.asked_of(accesses, address + "/kas", missing)
        now = int(time.time())
        token = access.request_token(
            policy, asked, session=session_key, key=self.key, audience=audience, now=now, random=secrets.token_bytes
        )
        proof = build_proof(self.key, method="POST", url=url, token=presentation, now=now, random=secrets.token_bytes)
        headers = {"authorization": f"DPoP {presentation}", "dpop": proof, "content-type": "application/json"}
        status, answer = exchange(self.http, "POST", url, access.format_request(token), headers, who="the owner's node")
        if status in {401, 403}:
            return Answered(status=status, body=answer, shares={})
        if status != 200:
            raise Unavailable(
                f"the owner's node answers {status}; the reply may be lost",
                hint="ask again: the same release is found",
            )
        released = access.read_response(answer, asked, session_key)
        first = next((one.metadata for one in released.values() if one.share is not None), {})
        return Answered(
            status=200,
            body=answer,
            shares={name: one.share for name, one in released.items()},
            release=first.get("relto-release", ""),
            proof=first.get("relto-proof", ""),
            releases=tuple(
                dict.fromkeys(
                    one.metadata["relto-release"]
                    for one in released.values()
                    if one.share is not None and "relto-release" in one.metadata
                )
            ),
        )

    def present_carried(self, audience: str, item: str, purpose: str, place: str, device: Device, until: int) -> str:
        """A presentation that travels by hand. Raises: Refused, NotFound, Unavailable."""
        asked = {"audience": audience, "item": item, "purpose": purpose, "place": place, "until": until}
        return str(self._post("/api/v1/presentations", asked | {"device": msgspec.to_builtins(device)})["presentation"])

    def opened(self, release: str, times: int = 1) -> None:
        """Hands the release over to the own node, which fetches it and writes the receipt. times: opened in all."""
        self._post("/api/v1/opened", {"release": release, "times": times})

    def _post(self, path: str, values: dict[str, Any]) -> dict[str, Any]:
        """One call of the own node, with the session and proof of its key."""
        url, token = self.session.url + path, self.session.token
        now = int(time.time())
        proof = build_proof(self.key, method="POST", url=url, token=token, now=now, random=secrets.token_bytes)
        headers = {"authorization": f"DPoP {token}", "dpop": proof, "content-type": "application/json"}
        answer = call(self.http, "POST", url, json.dumps(values).encode(), headers, who=self.session.party)
        return dict(json.loads(answer))


def directory_urls(node: Node) -> dict[str, tuple[str, str]]:
    """Key access address -> (party, origin), as signed. An address that only a file names is never called."""
    found = {node.config.url + "/kas": (node.me, node.origin)}
    for party, pinned in node.peers().items():
        state = node.register.parties.get(party)
        found[(state.address if state else pinned.address) + "/kas"] = (party, pinned.origin)
    return found


def session_kind(node: Node, party: str) -> str:
    """What a party's node can wrap a share to, the best of it: told by the keys that it lists for itself."""
    pinned = node.peers().get(party)
    keys = node.keys_of(pinned) if pinned else node.register.scans[node.origin].chain[-1].keys
    return HYBRID if any(one.algorithm == HYBRID for one in keys.access) else "ec:secp256r1"


class Gathering:
    """The shares of one package, from as few owners' nodes as its rule needs; called once with the package's objects.

    A node that refuses or is silent is passed over while another one can hand over the same share.
    """

    def __init__(self, client: Client, node: Node, package: Package, purpose: str, place: str) -> None:
        self.client, self.node, self.package, self.purpose, self.place = client, node, package, purpose, place
        self.known = directory_urls(node)
        self.answers: list[Answered] = []
        self._silent: list[str] = []
        self._refused: list[str] = []

    def __call__(self, accesses: Sequence[KeyAccess]) -> list[bytes | None]:
        """A share or None for each. Raises: Refused, Unavailable when what the nodes hand over is not enough."""
        shares: list[bytes | None] = [None] * len(accesses)
        wanted = {one.sid for one in accesses}
        missing, untried = set(wanted), list(dict.fromkeys(one.url for one in accesses))
        while missing and untried:
            # Who holds most of what is missing is asked next: each share that is handed over is a release.
            url = max(untried, key=lambda url: sum(one.url == url and one.sid in missing for one in accesses))
            untried.remove(url)
            if not any(one.url == url and one.sid in missing for one in accesses):
                break
            for name, share in self._ask(url, accesses, missing).items():
                place = int(name.removeprefix("kao-"))
                if share is not None:
                    shares[place] = share
                    missing.discard(accesses[place].sid)
        if missing:
            raise self._short(len(wanted) - len(missing), len(wanted))
        return shares

    def _ask(self, url: str, accesses: Sequence[KeyAccess], missing: set[str]) -> dict[str, bytes | None]:
        party, origin = self.known[url]
        try:
            presentation = self.client.present(origin, self.package.policy.item[1], self.purpose, self.place)
            answer = self.client.ask(
                presentation,
                url.removesuffix("/kas"),
                origin,
                self.package.policy,
                accesses,
                session_kind(self.node, party),
                missing,
            )
        except Unavailable as error:
            self._silent.append(f"`{party}`: {error.message}")
            return {}
        if all(share is None for share in answer.shares.values()):
            self._refused.append(party)
            return {}
        self.answers.append(answer)
        return answer.shares

    def _short(self, found: int, wanted: int) -> ReltoError:
        held = f"{found} of {wanted} shares: " if wanted > 1 else ""
        if self._refused:
            who = "the owner's node does" if wanted == 1 else f"the nodes of {', '.join(self._refused)} do"
            return Refused(
                f"{held}{who} not release this key",
                hint="its own people can ask why; the answer to others is always the same",
            )
        return Unavailable(
            held + ("; ".join(self._silent) or "no node holds what is missing"),
            hint="ask again: the same release is found",
        )

    def tell(self) -> None:
        """Hands the releases over to the own node. What it misses it learns at its next fetch."""
        for release in (release for answer in self.answers for release in answer.releases):
            try:
                self.client.opened(release)
            except ReltoError:
                return


def open_package(
    directory: Path,
    source: Path,
    target: Path,
    *,
    alias: str = "",
    purpose: str = "evaluation",
    place: str = "",
    progress: Any = None,
    unsigned: bool = False,
) -> tuple[Opened, Answered, Package]:
    """Opens a package for the logged-in person of this directory's node.

    unsigned: the person says that other software sealed it and that no owner vouches for it.

    Raises: Refused when the owner's node does not release; Forged for a package that its owner did not sign so;
    NotFound, Unavailable.
    """
    session = session_of(directory, alias)
    node = open_node(directory)
    package = read(source)
    seal_key = None if unsigned and package.owner is None else _seal_key(node, package)
    if seal_key is not None:
        package.check(seal_key)
        check_label(package)
    client = Client(session, trusted(node.config, directory))
    gather = Gathering(client, node, package, purpose, place or _place(node, session))
    with closing(client.http):
        opened = open_sealed(package, source, target, gather, seal_key, set(gather.known), progress)
        gather.tell()
    return opened, gather.answers[0], package


class OpenedPart(Struct, frozen=True, kw_only=True):
    """One part of a file of parts: where it was opened to, or why it was not; a bearer knows its size anyhow."""

    number: int
    size: int
    path: str = ""
    title: str = ""
    label: str = ""
    releases: tuple[str, ...] = ()
    why: str = ""


def open_parts(
    directory: Path, source: Path, folder: Path, *, alias: str = "", purpose: str = "evaluation", place: str = ""
) -> tuple[OpenedPart, ...]:
    """Opens what the logged-in person may have of a file of parts, into a folder under the names inside.

    A part that its owners do not release is passed over. Raises: Forged, Malformed for a file that is not as its owner
    signed it, before anybody is asked; NotFound, Unavailable.
    """
    session = session_of(directory, alias)
    node = open_node(directory)
    parted = read_parts(source)
    key = _seal_key_of(node, parted.says.party)
    parted.check(key)
    for package in parted.packages:
        check_label(package)
    client = Client(session, trusted(node.config, directory))
    folder.mkdir(exist_ok=True)
    found = []
    with closing(client.http), source.open("rb") as file:
        for number, (package, where) in enumerate(zip(parted.packages, parted.places, strict=True), 1):
            gather = Gathering(client, node, package, purpose, place or _place(node, session))
            spare = folder / f".part-{number}"
            try:
                opened = open_sealed(package, Window.of(file, where), spare, gather, key, set(gather.known))
            except (Refused, Unavailable) as error:
                found.append(OpenedPart(number=number, size=package.size, why=error.message))
                continue
            gather.tell()
            # The name is the owner's word and one component of a path (`package.check_name`); nothing is written over.
            path = folder / opened.name
            path = folder / f"{number}-{opened.name}" if path.exists() else path
            spare.replace(path)
            releases = tuple(one for answer in gather.answers for one in answer.releases)
            found.append(
                OpenedPart(number=number, size=opened.size, path=str(path), title=opened.title, label=opened.label,
                           releases=releases)
            )  # fmt: skip
    return tuple(found)


def _seal_key(node: Node, package: Package) -> PublicKey:
    """The key by which the package's owner signs packages, from the owner's own ledger. Raises: Refused, NotFound."""
    if package.owner is None:
        raise Refused(
            "the package has no statement of its owner",
            hint="it was not sealed by a node of this partnership; --unsigned opens what other software sealed",
        )
    return _seal_key_of(node, package.owner.says.party)


def _seal_key_of(node: Node, owner: str) -> PublicKey:
    pinned = node.peers().get(owner)
    if pinned is None and owner != node.me:
        raise NotFound(f"no node of `{owner[:64]}` is known here", hint="`relto node join` pins a party")
    scan = node.register.scans.get(pinned.origin if pinned else node.origin)
    keys = scan.chain[-1].keys if scan is not None and scan.chain else pinned.keys if pinned else None
    assert keys is not None
    return keys.seal


def _place(node: Node, session: Session) -> str:
    from relto.node.people import person

    return person(node, session.alias).place
