"""The other parties' nodes over HTTP: fetched, verified by the caller, then stored.

Every call is signed by the node's own key for one audience, one minute, one use; TLS underneath is ordinary and proves
nothing. Addresses come from pinned peers, never from what another node says. Answers are bounded in size and time.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx2 as httpx
import msgspec

from relto.errors import Forged, Malformed, Refused, ReltoError, Unavailable
from relto.ledger import bundles_of, parse_bundle
from relto.node import lost, recovery
from relto.node.mirror import OPENINGS_BYTES_MAX
from relto.node.node import Delivered, Node, Pinned
from relto.node.said import YourEntries, YourEntry, Yours
from relto.node.tokens import sign_request
from relto.node.watch import standings
from relto.node.witness import PREFIX, TEXT_TYPE, Answer

ANSWER_MAX = 64 * 1024 * 1024
OPENINGS_MAX = 500  # in one answer
COSIGNATURES_MAX = 64 * 1024  # of a witness's answer
ADD_CHECKPOINT = PREFIX + "/add-checkpoint"
TIMEOUT_S = 10.0
PROBLEM_MAX: Final = 500  # characters of what a party says it refused
LOOK_BACK_S: Final = 3.0  # at a start

T = TypeVar("T")


class Openings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One page of openings; `more`: there are further ones from this index on."""

    openings: tuple[Delivered, ...]
    more: int | None = None


class HttpPeer:
    """A pinned party's node. Raises: Unavailable when it does not answer, Malformed or Forged for a wrong answer."""

    at: int | None = None

    def __init__(self, node: Node, pinned: Pinned, client: httpx.Client, timeout_s: float = TIMEOUT_S) -> None:
        self.node, self.pinned, self.client, self.party = node, pinned, client, pinned.party
        self.timeout_s = timeout_s

    def head(self) -> bytes:
        return self._get("/log/checkpoint")

    def leaves(self, start: int, stop: int) -> list[bytes]:
        found: list[bytes] = []
        for bundle in bundles_of(start, stop):
            data = self._get("/log/" + bundle.path())
            entries = parse_bundle(data, bundle.width)
            first = bundle.start
            found += entries[max(0, start - first) : max(0, stop - first)]
        return found

    def openings(self, since: int, also: Sequence[int], size: int) -> list[Delivered]:
        found: list[Delivered] = []
        body: dict[str, Any] = {"since": since, "also": list(also), "size": size}
        left = OPENINGS_BYTES_MAX
        while True:
            data = self._post("/api/v1/openings", body)
            try:
                page = msgspec.json.decode(data, type=Openings)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Malformed(f"`{self.party}` answered with something that is no list of openings") from error
            found += page.openings
            left -= len(data)
            if left < 0:
                raise Malformed(f"`{self.party}` serves more than {OPENINGS_BYTES_MAX} bytes of openings at once")
            if page.more is None:
                return found
            if page.more <= body["since"] or not page.openings:
                raise Malformed(f"`{self.party}` pages its openings in a circle")
            body = {"since": page.more, "also": [], "size": size}

    def consistency(self, old: int, new: int) -> list[bytes]:
        try:
            return msgspec.json.decode(self._get(f"/api/v1/consistency?old={old}&new={new}"), type=list[bytes])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"`{self.party}` answered with something that is no proof") from error

    def object(self, digest: str) -> bytes:
        return self._get(f"/api/v1/objects/{digest}")

    def inception(self) -> bytes:
        """Entry 0 of the ledger that it writes now; public, like the one that an invitation carries."""
        return call(
            self.client,
            "GET",
            self.pinned.address + "/api/v1/inception",
            b"",
            {},
            who=self.party,
            timeout_s=self.timeout_s,
        )

    def follow(self, pinned: Pinned) -> None:
        self.pinned = pinned

    def refused(self, size: int, problem: str) -> None:
        """Tells the party what was refused of its ledger after that size; an empty problem takes it back."""
        self._post("/api/v1/refused", {"size": size, "problem": problem[:PROBLEM_MAX]})

    def yours(self) -> Yours:
        return self._read("/api/v1/yours", None, Yours)

    def your_entries(self, since: int, size: int) -> list[YourEntry]:
        found: list[YourEntry] = []
        while since < size:
            page = self._read("/api/v1/yours/entries", {"since": since, "size": size}, YourEntries)
            found += page.entries
            if page.more is None:
                break
            if page.more <= since or not page.entries:
                raise Malformed(f"`{self.party}` pages the entries of this ledger in a circle")
            since = page.more
        return found

    def _read(self, path: str, body: dict[str, Any] | None, shape: type[T]) -> T:
        data = self._get(path) if body is None else self._post(path, body)
        try:
            return msgspec.json.decode(data, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"`{self.party}` answered {path} with something else") from error

    def _get(self, path: str) -> bytes:
        return self._call("GET", path, b"")

    def _post(self, path: str, body: dict[str, Any]) -> bytes:
        return self._call("POST", path, json.dumps(body).encode())

    def _call(self, method: str, path: str, body: bytes) -> bytes:
        assert self.node.keys is not None
        signed = sign_request(
            self.node.keys.node,
            origin=self.node.origin,
            audience=self.pinned.origin,
            method=method,
            path=path,
            body=body,
            now=self.node.clock() // 1000,
            random=self.node.random,
        )
        return call(
            self.client,
            method,
            self.pinned.address + path,
            body,
            {"authorization": signed, "content-type": "application/json"},
            who=self.party,
            timeout_s=self.timeout_s,
        )


def call(
    client: httpx.Client,
    method: str,
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    who: str,
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """One bounded call. Raises: Unavailable; the node's own error when it names one."""
    status, data = exchange(client, method, url, body, headers, who=who, timeout_s=timeout_s)
    if status != 200:
        raise _named(data, status, who)
    return data


def ask_witness(node: Node, party: str, client: httpx.Client) -> bool:
    """Whether a member's witness has cosigned what is published, asked now. Raises: as `Node.collect`."""
    url = node.witnesses()[party][0].address + ADD_CHECKPOINT

    def post(body: bytes) -> Answer:
        try:
            with client.stream("POST", url, content=body, headers={"content-type": TEXT_TYPE}) as answer:
                data = bytearray()
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > COSIGNATURES_MAX:
                        raise Malformed(f"the witness of `{party}` answers with more than {COSIGNATURES_MAX} bytes")
                return Answer(status=answer.status_code, body=bytes(data), kind=answer.headers.get("content-type", ""))
        except httpx.HTTPError as error:
            raise Unavailable(f"the witness of `{party}` does not answer: {_silence(error)}") from error

    return node.collect(party, post)


def exchange(
    client: httpx.Client,
    method: str,
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    who: str,
    timeout_s: float = TIMEOUT_S,
) -> tuple[int, bytes]:
    """Status and body of one call; the body is never read beyond its limit. Raises: Unavailable, Malformed."""
    try:
        with client.stream(method, url, content=body or None, headers=headers, timeout=timeout_s) as answer:
            data = bytearray()
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > ANSWER_MAX:
                    raise Malformed(f"`{who}` answered with more than {ANSWER_MAX} bytes")
            return answer.status_code, bytes(data)
    except httpx.HTTPError as error:
        raise Unavailable(
            f"`{who}` does not answer at {url.partition('?')[0]}: {_silence(error)}", hint="is its node running?"
        ) from error


def _silence(error: Exception) -> str:
    """What became of a call, without the names of a library."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return "no connection" if isinstance(error, httpx.ConnectError) else "the connection broke off"


def _named(data: bytes, status: int, who: str) -> ReltoError:
    from relto.node.desk import error_of

    try:
        view = json.loads(data)["error"]
        found = error_of(
            {
                "code": str(view["code"]),
                "message": f"`{who}` answers: {view['message']}",
                "hint": str(view.get("hint", "")),
            }
        )
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"`{who}` answers {status}")
    # What another node says of our request is its word, never a proof against a ledger.
    return Unavailable(found.message, hint=found.hint) if isinstance(found, Forged) else found


@lru_cache(maxsize=8)
def _trust(ca: str) -> ssl.SSLContext:
    """The machine's certificate store and one more file, read once: reading it costs more than a call on loopback."""
    context = ssl.create_default_context()
    if ca:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise Unavailable(
                f"the certificates in `{ca}` cannot be used: {(error.strerror or str(error)).lower()}",
                hint="`tls_ca` names a PEM file in the node's directory",
            ) from error
    return context


def http_client(ca: str = "") -> httpx.Client:
    """ca: a PEM file of authorities that are trusted beside the machine's own."""
    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, verify=_trust(ca))


def reach_by(client: httpx.Client) -> Callable[[str, str], bytes]:
    """Entry 0 of a node at an address: public, and worth nothing until its id is compared."""

    def reach(address: str, origin: str) -> bytes:
        return call(client, "GET", address + "/api/v1/inception", b"", {}, who=origin)

    return reach


def recover_all(
    node: Node,
    without: dict[str, str],
    client: httpx.Client | None = None,
    *,
    ca: str = "",
    files: Sequence[Path] = (),
) -> recovery.Step:
    """One round of coming back, with every pinned party asked.

    files: bundles of those that no network reaches, and proofs of own entries that recipients hold.
    """
    from relto.node.carried import open_witness

    proofs = [file for file in files if lost.is_proof(file)]
    carried: dict[str, recovery.Witness] = dict(open_witness(node, file) for file in files if file not in proofs)
    carried |= node.open_proofs(proofs)
    own = client or http_client(ca)
    try:
        asked = {party: HttpPeer(node, one, own) for party, one in node.peers().items() if party not in carried}
        return node.recover({**asked, **carried}, without)
    finally:
        if client is None:
            own.close()


def look_back(node: Node, client: httpx.Client) -> None:
    """Before a node that starts signs anything: what do the partners that answer at once hold of its ledger?

    A silent one does not stop it; whoever holds more makes it recover. Raises: Forged when one saw another history.
    """

    def ask(pinned: Pinned) -> tuple[str, Yours] | None:
        try:
            return pinned.party, HttpPeer(node, pinned, client, timeout_s=LOOK_BACK_S).yours()
        except ReltoError:
            return None

    peers = list(node.peers().values())
    if node.recovering or not peers:
        return
    with ThreadPoolExecutor(max_workers=min(8, len(peers))) as pool:
        node.look_back(dict(filter(None, pool.map(ask, peers))))


def fetch(node: Node, pinned: Pinned, client: httpx.Client) -> int:
    """One party's ledger: fetched, verified, stored. What is refused of it is told to its node, and taken back later.

    Raises: as `Mirror.ingest`.
    """
    peer = HttpPeer(node, pinned, client)
    before = next((one for one in standings(node) if one.party == pinned.party), None)
    try:
        count = node.ingest(peer)
    except (Forged, Malformed, Refused) as error:
        if not node.recovering:
            with contextlib.suppress(ReltoError):
                peer.refused(node.held_size(pinned), error.message)
        raise
    if before is not None and before.bad:
        with contextlib.suppress(ReltoError):
            peer.refused(node.held_size(pinned), "")
    return count


def sync_all(node: Node, client: httpx.Client | None = None, ca: str = "") -> dict[str, Any]:
    """One round: fetch from each pinned party, then write what is owed. What fails is named and the rest goes on."""
    own = client or http_client(ca)
    parties: dict[str, Any] = {}
    try:
        if node.recovering:
            recover_all(node, {}, own)
        for party, pinned in node.peers().items():
            try:
                parties[party] = {"new": fetch(node, pinned, own)}
            except ReltoError as error:
                parties[party] = {"new": 0, "error": str(error)}
        written = 0 if node.recovering else node.tend(reach_by(own))
        for party in () if node.recovering else node.witnesses():
            try:
                parties[party]["cosigned"] = ask_witness(node, party, own)
            except ReltoError as error:
                parties[party]["cosigned"] = False
                parties[party].setdefault("error", str(error))
    finally:
        if client is None:
            own.close()
    for one in standings(node):
        row = parties.setdefault(one.party, {"new": 0})
        row |= {
            "state": one.state,
            "standing": one.words,
            "size": one.size,
            "seen": one.seen,
            "tells": one.tells or None,
            "way": one.way or None,
        }
    return {
        "parties": parties,
        "written": written,
        "moved": sum(row["new"] for row in parties.values()) + written,
        "recovering": node.recovering or None,
    }
