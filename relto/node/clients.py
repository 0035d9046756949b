"""Clients of the own people that other software runs: a name and a secret, for one person, node, purpose and place.

Software that speaks OAuth 2.0 fetches its token here, at its own party's node, with its secret (RFC 6749, 4.4). What
it gets is a presentation: for one audience, five minutes, bound to the key that the call proved (RFC 9449, 5) or, for
software that can prove none, to no key at all. The latter is a switch for each client here, and the owner's node has
its own: `legacy_clients` in its settings. A release to such a client says so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.errors import Conflict, Malformed, NotFound, Refused
from relto.node.node import Node
from relto.node.people import class_bytes, person
from relto.node.presented import use_once
from relto.node.tokens import (
    PRESENTATION_S,
    Presentation,
    issue_presentation,
    verify_proof,
)
from relto.package.strict import peek_jws, read_json

CLIENTS_MAX: Final = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_UNKNOWN = "no such client, or another secret"


class Client(Struct, frozen=True, kw_only=True):
    """bearer: its tokens are bound to no key."""

    id: str
    alias: str
    audience: str
    purpose: str
    place: str
    bearer: bool


def add_client(
    node: Node, id_: str, alias: str, audience: str, purpose: str, place: str, *, bearer: bool
) -> tuple[Client, str]:
    """Registers a client; returns it with its secret, which is not kept and not shown again.

    audience: a pinned party, or the own. Raises: Malformed, NotFound, Conflict.
    """
    if not _NAME.fullmatch(id_):
        raise Malformed(f"`{id_[:80]}` is not the name of a client", hint="a-z, 0-9, `.` and `-`, at most 64")
    with node.lock:
        someone = person(node, alias)
        pinned = node.peers().get(audience)
        if pinned is None and audience != node.me:
            raise NotFound(f"no node of `{audience[:64]}` is known here", hint="`relto node join` pins a party")
        try:
            msgspec.convert(place or someone.place, acts.act.Country)
            msgspec.convert(purpose, acts.act.Word)
        except msgspec.ValidationError as error:
            raise Malformed(f"this client's purpose or place: {str(error)[:1].lower()}{str(error)[1:]}") from error
        rows = clients(node)
        if any(one.id == id_ for one in rows):
            raise Conflict(f"there is a client `{id_}`", hint="remove it, or choose another name")
        if len(rows) >= CLIENTS_MAX:
            raise Refused(f"a node has at most {CLIENTS_MAX} clients")
        secret = base64.urlsafe_b64encode(node.random(32)).rstrip(b"=").decode()
        made = Client(
            id=id_,
            alias=alias,
            audience=pinned.origin if pinned else node.origin,
            purpose=purpose,
            place=place or someone.place,
            bearer=bearer,
        )
        node.store.execute(
            "INSERT INTO clients (id, secret, alias, audience, purpose, place, bearer, at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            # The secret has 256 random bits, so that a plain digest of it can be no more guessed than itself.
            (
                id_,
                hashlib.sha256(secret.encode()).hexdigest(),
                alias,
                made.audience,
                purpose,
                made.place,
                int(bearer),
                node.clock(),
            ),
        )
        return made, secret


def clients(node: Node) -> list[Client]:
    rows = node.store.query("SELECT id, alias, audience, purpose, place, bearer FROM clients ORDER BY id")
    return [
        Client(id=row[0], alias=row[1], audience=row[2], purpose=row[3], place=row[4], bearer=bool(row[5]))
        for row in rows
    ]


def remove_client(node: Node, id_: str) -> None:
    """No further tokens; one that is out lasts its five minutes. Raises: NotFound."""
    with node.lock:
        if all(one.id != id_ for one in clients(node)):
            raise NotFound(f"there is no client `{id_[:80]}`", hint="`relto client list` shows them")
        node.store.execute("DELETE FROM clients WHERE id = $1", (id_,))


def grant(node: Node, form: Mapping[str, str], *, authorization: str, dpop: str, url: str) -> dict[str, Any]:
    """An access token for a client that shows its secret. Raises: Malformed, Refused, Conflict."""
    if form.get("grant_type") != "client_credentials":
        raise Malformed("only the grant `client_credentials` is known here")
    with node.lock:
        client = _authenticated(node, form, authorization)
        if form.get("audience", client.audience) != client.audience:
            raise Refused(_UNKNOWN)
        now = node.clock() // 1000
        jkt: str | UnsetType = UNSET
        if dpop:
            # RFC 9449, 5: the token is bound to the key that this call proves. RS256: software in use has no other.
            proven = verify_proof(
                dpop, method="POST", url=url, token=None, jkt=None, now=now, allowed=("EdDSA", "ES256", "RS256")
            )
            use_once(node, f"{proven.jkt}:{proven.jti}", proven.keep_until)
            jkt = proven.jkt
        elif not client.bearer:
            raise Malformed("the call proves no key", hint="`DPoP` (RFC 9449), or a client registered with --bearer")
        return {
            "access_token": _issue(node, client, jkt, now),
            "token_type": "Bearer" if jkt is UNSET else "DPoP",
            "expires_in": PRESENTATION_S,
            "scope": "openid",
        }


def _authenticated(node: Node, form: Mapping[str, str], authorization: str) -> Client:
    id_, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, packed = authorization.partition(" ")
    if scheme.lower() == "basic" and not secret:
        try:
            id_, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Malformed("the client's name and secret cannot be read") from error
    rows = node.store.query("SELECT secret FROM clients WHERE id = $1", (id_,))
    found = hashlib.sha256(secret.encode()).hexdigest()
    if not hmac.compare_digest(str(rows[0][0]) if rows else "0" * 64, found) or not rows:
        raise Refused(_UNKNOWN)
    return next(one for one in clients(node) if one.id == id_)


def _issue(node: Node, client: Client, jkt: str | UnsetType, now: int) -> str:
    assert node.keys is not None
    someone = person(node, client.alias)
    made = Presentation.of(
        someone.recipient,
        issuer=node.origin,
        audience=client.audience,
        pseudonym=someone.pseudonym,
        place=client.place,
        place_says="party" if client.place == someone.place else "person",
        purpose=client.purpose,
        jkt=jkt,
        now=now,
        random=node.random,
    )
    # No item is known yet: such a token is for whatever its bearer asks for within five minutes.
    node.store.execute(
        "INSERT INTO vouched (jti, pseudonym, audience, class, item, at) VALUES ($1, $2, $3, $4, $5, $6)",
        (made.jti, someone.pseudonym, client.audience, class_bytes(made.recipient(node.me)), "", node.clock()),
    )
    return issue_presentation(made, node.keys.vouch)


def audience_of(token: str) -> str:
    """Of a token that this node issued, before it is verified: for verifying one that is for another node."""
    held = read_json(peek_jws(token, what="presentation")[1], limit=16 * 1024, what="presentation")
    return str(held.get("aud", "")) if isinstance(held, dict) else ""
