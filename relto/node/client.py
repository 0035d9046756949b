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
from collections.abc import Sequence
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
from relto.node.tokens import build_proof
from relto.package import KeyAccess, Opened, Package, Policy, access, open_sealed, read
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
    """What the owner's node said to one call: its status and its very bytes, shares when it permitted."""

    status: int
    body: bytes
    shares: dict[str, bytes | None]
    release: str = ""
    proof: str = ""


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
    ) -> Answered:
        """One rewrap at one node: its answer to the byte, and the shares in it. session: the kind of the fresh key."""
        url = address + REWRAP
        session_key = AccessKey.generate(session)
        asked = access.asked_of(accesses, address + "/kas")
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
        )

    def opened(self, release: str) -> None:
        """Hands the release over to the own node, which fetches it and writes the receipt."""
        self._post("/api/v1/opened", {"release": release})

    def _post(self, path: str, values: dict[str, str]) -> dict[str, Any]:
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
    known = directory_urls(node)
    client = Client(session, trusted(node.config, directory))
    answers: list[Answered] = []

    def release(accesses: Sequence[KeyAccess]) -> list[bytes | None]:
        shares: list[bytes | None] = [None] * len(accesses)
        for url in dict.fromkeys(one.url for one in accesses):
            party, origin = known[url]
            presentation = client.present(origin, package.policy.item[1], purpose, place or _place(node, session))
            kind = session_kind(node, party)
            answer = client.ask(presentation, url.removesuffix("/kas"), origin, package.policy, accesses, kind)
            answers.append(answer)
            if answer.status != 200:
                raise Refused(
                    "the owner's node does not release this key",
                    hint="its own people can ask why; the answer to others is always the same",
                )
            for position in range(len(accesses)):
                if f"kao-{position}" in answer.shares:
                    shares[position] = answer.shares[f"kao-{position}"]
        return shares

    opened = open_sealed(package, source, target, release, seal_key, set(known), progress)
    for answer in answers:
        if answer.release:
            try:
                client.opened(answer.release)
            except ReltoError:
                break  # the own node learns of it at its next fetch
    return opened, answers[0], package


def _seal_key(node: Node, package: Package) -> PublicKey:
    """The key by which the package's owner signs packages, from the owner's own ledger. Raises: Refused, NotFound."""
    if package.owner is None:
        raise Refused(
            "the package has no statement of its owner",
            hint="it was not sealed by a node of this partnership; --unsigned opens what other software sealed",
        )
    owner = package.owner.says.party
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
