"""The routes of OpenTDF key access: what unmodified clients of others call, in the forms that they call it.

    POST /kas.AccessService/Rewrap                       presentation, proof; JSON or the binary form of Connect
    POST /kas.AccessService/PublicKey, LegacyPublicKey   without log-in
    POST /policy.kasregistry…/ListKeyAccessServers       this node to everybody, the partnership's to those it knows
    POST /wellknownconfiguration…, GET /.well-known/…    where the token endpoint is
    GET  /kas/kas_public_key, /kas/v2/kas_public_key     the older forms, and POST /kas/v2/rewrap
    POST /oauth2/token                                   tokens for registered clients of the own people

Bodies may come compressed; they are inflated up to the limit of every request and no byte further.

Source: the services' protocol files and what the released clients do.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relto.errors import Fatal, Malformed, NotFound, Refused, ReltoError
from relto.keys import Unwrapper
from relto.node import clients, handover
from relto.node.node import Node
from relto.node.tokens import issuer_of_presentation, verify_presentation
from relto.package import proto

if TYPE_CHECKING:
    from relto.node.app import Service

BODY_MAX: Final = 1024 * 1024  # of a request, compressed or not
PROTO: Final = "application/proto"
REWRAP_PATHS: Final = ("/kas.AccessService/Rewrap", "/kas/kas.AccessService/Rewrap", "/kas/v2/rewrap", "/v2/rewrap")
TOKEN_PATHS: Final = ("/oauth2/token", "/protocol/openid-connect/token")
CORS_HEADERS: Final = "Authorization, Content-Type, Connect-Protocol-Version, DPoP, X-Rewrap-Additional-Context"

Handler = Callable[[Request], Awaitable[Response]]


def routes(service: Service) -> list[BaseRoute]:
    """All of them, for the public side of a node."""
    node, door = service.node, _Door(service)
    registry = "/policy.kasregistry.KeyAccessServerRegistryService/ListKeyAccessServers"
    config = "/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration"
    table: list[tuple[str, str, Handler]] = [
        *((path, "POST", door.rewrap) for path in REWRAP_PATHS),
        ("/kas.AccessService/PublicKey", "POST", door.public_key),
        ("/kas.AccessService/LegacyPublicKey", "POST", door.public_key),
        ("/kas/v2/kas_public_key", "GET", door.public_key),
        ("/kas/kas_public_key", "GET", door.old_public_key),
        (registry, "POST", door.servers),
        ("/key-access-servers", "GET", door.servers),
        (config, "POST", door.configuration),
        ("/.well-known/opentdf-configuration", "GET", door.configuration),
        *((path, "POST", door.token) for path in TOKEN_PATHS),
    ]
    made: list[BaseRoute] = []
    for path, method, call in table:
        made.append(Route(path, _shared(node, _answered(call)), methods=[method, "OPTIONS"]))
    return made


class _Door:
    """One node's handlers."""

    def __init__(self, service: Service) -> None:
        self.service, self.node = service, service.node

    async def rewrap(self, request: Request) -> Response:
        try:
            body, binary = await read_body(request), _is_binary(request)
        except ReltoError:
            return Response(handover.UNAUTHENTICATED, status_code=401, media_type="application/json")
        headers = request.headers
        reply = await run_in_threadpool(
            handover.rewrap,
            self.node,
            authorization=headers.get("authorization", ""),
            dpop=headers.get("dpop", ""),
            url=self.node.config.url + request.url.path,
            body=body,
            binary=binary,
            hear=self.service.hear,
        )
        if reply.release:
            self.service.wake.set()
            if self.service.drop_reply:
                self.service.drop_reply = False
                # The release stands in the ledger and the answer is lost: what follows must be a retry, no second one.
                return Response(status_code=502)
        # Connect, "Error end-stream": an error is JSON whatever the form of the call.
        media = PROTO if binary and reply.status == 200 else "application/json"
        return Response(reply.body, status_code=reply.status, media_type=media)

    async def public_key(self, request: Request) -> Response:
        found = _key(self.node, await _asked_algorithm(request))
        held = {"publicKey": found.public_pem, "kid": found.kid}
        return _message(request, held, proto.delimited(1, found.public_pem) + proto.delimited(2, found.kid))

    async def old_public_key(self, request: Request) -> Response:
        """Before version 2 the answer is the bare text of the key."""
        found = _key(self.node, request.query_params.get("algorithm", ""))
        if request.query_params.get("v") == "2":
            return JSONResponse({"publicKey": found.public_pem, "kid": found.kid})
        return JSONResponse(found.public_pem)

    async def servers(self, request: Request) -> Response:
        """Nodes that a client may call. Others than this one only to who shows a token of this node or for it."""
        known = await run_in_threadpool(_knows, self.node, request.headers.get("authorization", ""))
        urls = await run_in_threadpool(_directory, self.node) if known else [self.node.config.url + "/kas"]
        held = {"keyAccessServers": [{"id": url, "uri": url} for url in urls], "pagination": {}}
        # ListKeyAccessServersResponse: 1 key_access_servers {1 id, 2 uri}.
        wire = b"".join(proto.delimited(1, proto.delimited(1, url) + proto.delimited(2, url)) for url in urls)
        return _message(request, held, wire)

    async def configuration(self, request: Request) -> Response:
        held = _configuration(self.node)
        if request.method == "GET":
            return JSONResponse(held)
        return _message(request, {"configuration": held}, proto.delimited(1, proto.fields_of(held)))

    async def token(self, request: Request) -> Response:
        """RFC 6749, 4.4. Errors have its form, not ours: other software reads them."""
        try:
            form = parse_qs((await read_body(request)).decode(), max_num_fields=32)
            held = await run_in_threadpool(
                clients.grant,
                self.node,
                {name: values[-1] for name, values in form.items()},
                authorization=request.headers.get("authorization", ""),
                dpop=request.headers.get("dpop", ""),
                url=self.node.config.url + request.url.path,
            )
        except Refused as error:
            return JSONResponse({"error": "invalid_client", "error_description": error.message}, status_code=401)
        except (ReltoError, UnicodeDecodeError, ValueError) as error:
            words = error.message if isinstance(error, ReltoError) else "the request is not a form"
            return JSONResponse({"error": "invalid_request", "error_description": words}, status_code=400)
        return JSONResponse(held, headers={"cache-control": "no-store"})


def _configuration(node: Node) -> dict[str, Any]:
    url = node.config.url
    return {
        "platform_endpoint": url,
        "platform_issuer": url,
        "supports_dpop": True,
        "dpop_signing_alg_values_supported": ["EdDSA", "ES256"],
        "dpop_nonce_required": False,
        "idp": {"issuer": url, "token_endpoint": url + TOKEN_PATHS[0]},
        "health": {"endpoint": "/healthz"},
    }


def _key(node: Node, algorithm: str) -> Unwrapper:
    """The newest key of an algorithm. Raises: NotFound."""
    keys = node.keys.access if node.keys else ()
    # Key files are numbered: the last of a kind is the newest, and the former ones open older packages only.
    found = [key for key in keys if key.kind == (algorithm or "rsa:2048")]
    if not found:
        raise NotFound("this node has no key of that algorithm")
    return found[-1]


def _directory(node: Node) -> list[str]:
    from relto.node.client import directory_urls

    return sorted(directory_urls(node))


def _knows(node: Node, authorization: str) -> bool:
    """A token that this node issued, for whichever node, or one for this node: the list of nodes is no more than that
    worth. Possession is not asked for here: clients sign no proof for this call that names the token."""
    token = authorization.partition(" ")[2]
    try:
        with node.lock:
            issuer = issuer_of_presentation(token)
            audience = clients.audience_of(token) if issuer == node.origin else node.origin
            keys = (
                node.register.scans[node.origin].chain[-1].keys
                if issuer == node.origin
                else node.keys_of(node.peer_by_origin(issuer))
            )
            verify_presentation(
                token, keys.vouch, issuer=issuer, audience=audience, now=node.clock() // 1000, legacy=True
            )
    except ReltoError:
        return False
    return True


# ── bodies ──


async def read_body(request: Request) -> bytes:
    """The body, inflated where it comes compressed. Raises: Malformed over the limit, before more is worked on."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "gzip"}:
        raise Malformed(f"a body coded as `{coding[:32]}`", hint="gzip, or none")
    inflater = zlib.decompressobj(wbits=31) if coding == "gzip" else None
    data, read = bytearray(), 0
    async for chunk in request.stream():
        read += len(chunk)
        room = BODY_MAX + 1 - len(data)
        try:
            data += chunk if inflater is None else inflater.decompress(chunk, room) if chunk else b""
        except zlib.error as error:
            raise Malformed("the body is not gzip") from error
        if len(data) > BODY_MAX or read > BODY_MAX:
            raise Malformed(f"a request of more than {BODY_MAX} bytes")
    if inflater is not None and (not inflater.eof or inflater.unused_data):
        raise Malformed("the body is not one whole gzip member")
    return bytes(data)


def _is_binary(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == PROTO


def _message(request: Request, held: Mapping[str, Any], wire: bytes) -> Response:
    return Response(wire, media_type=PROTO) if _is_binary(request) else JSONResponse(held)


async def _asked_algorithm(request: Request) -> str:
    """`PublicKeyRequest`: 1 algorithm; or its JSON; or the query of the older form."""
    if request.method == "GET":
        return request.query_params.get("algorithm", "")
    body = await read_body(request)
    if _is_binary(request):
        return proto.read_text(body, 1, what="request")
    try:
        held = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise Malformed("the request is not JSON") from error
    return str(held.get("algorithm") or "") if isinstance(held, dict) else ""


# ── edges ──

_CODES: Final = {400: "invalid_argument", 403: "permission_denied", 404: "not_found", 409: "aborted"}


def _answered(handler: Handler) -> Handler:
    """Errors in the form of Connect ("Error codes")."""

    async def edge(request: Request) -> Response:
        try:
            return await handler(request)
        except Fatal:
            raise  # the process stops
        except ReltoError as error:
            code = _CODES.get(error.http_status, "internal")
            return JSONResponse({"code": code, "message": error.message}, status_code=error.http_status)

    return edge


def _shared(node: Node, handler: Handler) -> Handler:
    """Pages of the origins that the settings name may call from a browser; no cookie counts on these routes."""

    async def edge(request: Request) -> Response:
        origin = request.headers.get("origin", "")
        allowed = origin in node.config.browser_origins
        if request.method == "OPTIONS":
            answer = Response(status_code=204 if allowed else 403)
            if allowed:
                answer.headers["access-control-allow-methods"] = "GET, POST"
                answer.headers["access-control-allow-headers"] = CORS_HEADERS
        else:
            answer = await handler(request)
        if allowed:
            answer.headers["access-control-allow-origin"] = origin
            answer.headers["vary"] = "Origin"
        return answer

    return edge
