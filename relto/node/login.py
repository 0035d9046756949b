"""The own people: log-in, sessions, and presentations of them to other nodes.

A person logs in only here. The built-in issuer exists for a demo node on loopback and nowhere else; a session is bound
to the client's proof key, so that its token alone is worth nothing.

Contracts of the design, sections 3 and 6; RFC 9449.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto.errors import Malformed, NotFound, Refused
from relto.node.node import Node
from relto.node.people import class_bytes, person
from relto.node.presented import use_once
from relto.node.tokens import PRESENTATION_S, Device, Presentation, issue_carried, issue_presentation, verify_proof

SESSION_S = 8 * 3600
LOOPBACK = ("127.0.0.1", "::1")


class Session(Struct, frozen=True, kw_only=True):
    alias: str
    jkt: str
    until: int


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which node, item, purpose and place a presentation is asked. place: where the person says it will be read."""

    audience: str
    item: str
    purpose: str
    place: str
    device: Device | UnsetType = UNSET  # of a presentation that travels by hand
    until: int = 0  # and when that is over, in seconds


class Sessions:
    """Who is logged in. In memory: a restart logs everybody out, and nothing else."""

    def __init__(self) -> None:
        self._held: dict[bytes, Session] = {}
        self._tickets: set[bytes] = set()
        self._pages: set[bytes] = set()
        self._secret = secrets.token_bytes(32)

    def ticket(self) -> str:
        """A token for one visit of the pages: printed in the address that the demo shows, taken once."""
        token = secrets.token_urlsafe(24)
        self._tickets.add(hashlib.sha256(token.encode()).digest())
        return token

    def enter(self, ticket: str) -> str | None:
        """The cookie that a ticket buys; None for one that is unknown or taken."""
        digest = hashlib.sha256(ticket.encode()).digest()
        if digest not in self._tickets:
            return None
        self._tickets.discard(digest)
        cookie = secrets.token_urlsafe(32)
        self._pages.add(hashlib.sha256(cookie.encode()).digest())
        return cookie

    def form_token(self, cookie: str) -> str:
        """What the forms of this session send back; nobody without the cookie can make it."""
        return hmac.digest(self._secret, cookie.encode(), "sha256").hex()

    def inside(self, cookie: str) -> bool:
        return hashlib.sha256(cookie.encode()).digest() in self._pages

    def open(self, session: Session) -> str:
        token = secrets.token_urlsafe(32)
        self._held[hashlib.sha256(token.encode()).digest()] = session
        return token

    def of(self, authorization: str) -> Session:
        """Raises: Refused."""
        scheme, _, token = authorization.partition(" ")
        session = (
            self._held.get(hashlib.sha256(token.encode()).digest()) if scheme.lower() in {"dpop", "bearer"} else None
        )
        if session is None:
            raise Refused("not logged in", hint="`relto login --as ID`")
        return session


def login(node: Node, sessions: Sessions, client: str, body: dict[str, Any]) -> dict[str, Any]:
    """The built-in issuer: takes the alias's word, and so exists on loopback in a demo only.

    Raises: Refused elsewhere; NotFound for nobody.
    """
    if not node.config.demo or client not in LOOPBACK:
        raise Refused("this node has no built-in log-in", hint="log in through the party's own identity provider")
    jkt = str(body.get("jkt", ""))
    if len(jkt) != 43:
        raise Malformed("a session is bound to a proof key", where="jkt")
    someone = person(node, str(body.get("alias", "")))
    until = node.clock() // 1000 + SESSION_S
    token = sessions.open(Session(alias=someone.alias, jkt=jkt, until=until))
    return {
        "party": node.me,
        "alias": someone.alias,
        "pseudonym": someone.pseudonym,
        "token": token,
        "until": until,
        "url": node.config.url,
        "origin": node.origin,
    }


def proven(node: Node, sessions: Sessions, authorization: str, dpop: str, url: str) -> Session:
    """The session of a POST, with proof of its key for this call. Raises: Refused, Malformed, Conflict."""
    session = sessions.of(authorization)
    now = node.clock() // 1000
    if session.until <= now:
        raise Refused("the session has ended", hint="`relto login` again")
    token = authorization.partition(" ")[2]
    possession = verify_proof(dpop, method="POST", url=url, token=token, jkt=session.jkt, now=now)
    if not hmac.compare_digest(possession.jkt, session.jkt):
        raise Refused("this session is bound to another key")
    use_once(node, f"{possession.jkt}:{possession.jti}", possession.keep_until)
    return session


def present(node: Node, sessions: Sessions, authorization: str, dpop: str, url: str, body: bytes) -> dict[str, Any]:
    """A presentation of the logged-in person for one other node, five minutes, bound to the proven key.

    With a device it is one that travels by hand, until the time asked for, bound to that device's key. It is kept, so
    that a release can be checked against it.

    Raises: Refused, Malformed, NotFound.
    """
    with node.lock:
        node.must_not_recover()
        session = proven(node, sessions, authorization, dpop, url)
        now = node.clock() // 1000
        try:
            asked = msgspec.json.decode(body, type=Asked)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed("not a request for a presentation", hint="audience, item, purpose, place") from error
        someone = person(node, session.alias)
        if asked.audience != node.origin and all(pinned.origin != asked.audience for pinned in node.peers().values()):
            raise NotFound("no node of that name is known here", hint="its party must be pinned")
        assert node.keys is not None
        made = Presentation.of(
            someone.recipient,
            issuer=node.origin,
            audience=asked.audience,
            pseudonym=someone.pseudonym,
            place=asked.place,
            place_says="party" if asked.place == someone.place else "person",
            purpose=asked.purpose,
            jkt=session.jkt,
            now=now,
            random=node.random,
            lifetime=PRESENTATION_S if asked.device is UNSET else asked.until - now,
        )
        if asked.device is UNSET:
            token = issue_presentation(made, node.keys.vouch)
        else:
            token = issue_carried(made, asked.device, node.keys.vouch)
        node.store.execute(
            "INSERT INTO vouched (jti, pseudonym, audience, class, item, at) VALUES ($1, $2, $3, $4, $5, $6)",
            (
                made.jti,
                someone.pseudonym,
                asked.audience,
                class_bytes(made.recipient(node.me)),
                asked.item,
                node.clock(),
            ),
        )
        return {"presentation": token, "expires": made.exp}
