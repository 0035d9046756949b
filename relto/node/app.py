"""Routes and wiring: the one place where everything meets.

    /log/…                          C2SP tlog-tiles of the own ledger     signed by the caller's node, or open to all
    /witness/…                      C2SP tlog-witness for the charter's   a checkpoint that its log has signed; reading
                                    other ledgers                         as /log/…
    /api/v1/openings|objects|…      node to node                          signed by the caller's node
    /api/v1/presentations           the own people                        session and proof
    /kas…, /.well-known/opentdf…    OpenTDF key access                    presentation and proof; public keys to all
    /access/v1/…                    OpenID AuthZEN                        a key of the settings
    /, /api/v1/…                    pages and their JSON                  session
    /local/…                        the machine's own command line        the socket's file mode

The server is asynchronous and calls the node through one lock, in threads; the node never waits for the network while
it holds it. Errors are `{"error": {code, message, hint, where}}`; what the caller may not know and what is not there
get the same bytes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from relto.errors import Fatal, Malformed, NotFound, Refused, ReltoError, Unavailable
from relto.ledger import encode_bundle, is_servable, parse_path
from relto.node import authzen, carried, clients, hearing, keyaccess, login, records, releasing, shelf
from relto.node.desk import note_backup, note_package, recipient_of
from relto.node.granting import grant_asked
from relto.node.held import texts_of
from relto.node.node import Node
from relto.node.peers import OPENINGS_MAX, PROBLEM_MAX, Openings
from relto.node.people import add_person, publish_roster
from relto.node.presented import use_once
from relto.node.tokens import issuer_of_request, verify_request
from relto.node.watch import standings

BODY_MAX = 1024 * 1024
NOT_FOUND = {"error": {"code": "not-found", "message": "there is nothing here for you", "hint": "", "where": ""}}
Handler = Callable[[Request], Awaitable[Response]]


class Service:
    """A node behind HTTP. `wake` asks the sync loop to run now.

    `drop_reply` loses the next key release's answer, for the story's step about retries.
    """

    def __init__(self, node: Node, ca: str = "") -> None:
        self.node, self.ca = node, ca
        self.wake = asyncio.Event()
        self.ended = asyncio.Event()  # somebody or something asked this process to stop
        self.fatal = ""
        self.hear: hearing.Hear = hearing.nobody  # set by the loop that speaks with the partners
        self.loop: asyncio.AbstractEventLoop | None = None
        self.sessions = login.Sessions()
        self.drop_reply = False
        self.synced: asyncio.Condition = asyncio.Condition()

    # ---- edges

    def public(self, web: Callable[[Service], list[BaseRoute]] | None = None) -> Starlette:
        """web: further routes, for pages; they stand in another room and are handed in."""
        routes = [
            *authzen.of_node(self.node).routes(),  # asked more often than anything else, and matched in this order
            Route("/healthz", self.health),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
            Route("/log/{path:path}", self.of_reader(self.log)),
            Route("/api/v1/proofs/{index}", self.of_reader(self.proof)),
            Route("/witness/add-checkpoint", self.plain(self.add_checkpoint), methods=["POST"]),
            Route("/witness/{origin_hash}/checkpoint", self.of_reader(self.monitored)),
            Route("/api/v1/inception", self.plain(self.inception)),
            Route("/api/v1/openings", self.of_node(self.openings), methods=["POST"]),
            Route("/api/v1/consistency", self.of_node(self.consistency)),
            Route("/api/v1/objects/{digest}", self.of_node(self.object)),
            Route("/api/v1/hints", self.of_node(self.hint), methods=["POST"]),
            Route("/api/v1/refused", self.of_node(self.refused), methods=["POST"]),
            Route("/api/v1/yours", self.of_node(self.yours, always=True)),
            Route("/api/v1/yours/entries", self.of_node(self.your_entries, always=True), methods=["POST"]),
            Route("/api/v1/login", self.plain(self.login), methods=["POST"]),
            Route("/api/v1/presentations", self.plain(self.presentation), methods=["POST"]),
            Route("/api/v1/opened", self.plain(self.opened), methods=["POST"]),
            *keyaccess.routes(self),
            shelf.route(lambda: Path(self.node.store.path).parent),
            *(web(self) if web is not None else []),
        ]
        handlers: dict[Any, Any] = {404: self.nothing, 405: self.nothing, Fatal: self.stopping}
        return Starlette(routes=routes, exception_handlers=handlers)

    def local(self) -> Starlette:
        routes = [
            Route("/local/alive", self.health),
            Route("/local/metrics", self.all_metrics),
            *(
                Route(f"/local/{name}", self.plain(call), methods=["POST"])
                for name, call in (
                    ("submit", self.submit),
                    ("sync", self.sync),
                    ("recover", self.recover),
                    ("note-backup", self.note_backup),
                    ("bundle-export", self.bundle_export),
                    ("bundle-import", self.bundle_import),
                    ("join", self.join),
                    ("pin", self.pin),
                    ("person", self.person),
                    ("roster", self.roster),
                    ("packed", self.packed),
                    ("record", self.record),
                    ("note", self.note),
                    ("grant", self.grant),
                    ("publish", self.publish),
                    ("client", self.client),
                    ("client-gone", self.client_gone),
                    ("lose-next-reply", self.lose_next_reply),
                    ("ticket", self.ticket),
                )
            ),
        ]
        return Starlette(routes=[Mount("/", routes=routes)], exception_handlers={404: self.nothing})

    def plain(self, handler: Handler) -> Handler:
        """Errors as JSON with their status; anything unforeseen as a bare 500 that names nothing."""

        async def edge(request: Request) -> Response:
            try:
                return await handler(request)
            except ReltoError as error:
                if isinstance(error, Fatal):
                    self.failed(error)
                return JSONResponse({"error": error.as_dict()}, status_code=error.http_status)
            except msgspec.ValidationError as error:
                return JSONResponse({"error": Malformed(str(error)).as_dict()}, status_code=400)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return JSONResponse({"error": Malformed("this is not JSON").as_dict()}, status_code=400)

        return edge

    def of_node(
        self, handler: Callable[[Request, str, bytes], Awaitable[Response]], *, always: bool = False
    ) -> Handler:
        """Only for a pinned party's node: signed by its node key, for us, for this call, once. Others get a 404.

        always: also while this node is recovering; what it would show of its own ledger then looks like a rewind.
        """

        async def edge(request: Request) -> Response:
            body = await read_body(request)
            try:
                party = await run_in_threadpool(self._caller, request, body)
            except (Fatal, Unavailable):
                raise  # the own disk's fault, not the caller's
            except ReltoError:
                return JSONResponse(NOT_FOUND, status_code=404)
            if self.node.recovering and not always:
                raise Unavailable("this node is recovering and shows its ledger to nobody", hint="try again later")
            return await handler(request, party, body)

        return self.plain(edge)

    def of_reader(self, handler: Callable[[Request, str, bytes], Awaitable[Response]]) -> Handler:
        """As `of_node`, and with `open_ledger` for anybody who signs nothing: party is then empty."""
        guarded = self.of_node(handler)

        async def edge(request: Request) -> Response:
            if self.node.config.open_ledger and "authorization" not in request.headers:
                return await self.plain(lambda one: handler(one, "", b""))(request)
            return await guarded(request)

        return edge

    def _caller(self, request: Request, body: bytes) -> str:
        node, header = self.node, request.headers.get("authorization", "")
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        origin = issuer_of_request(header)
        pinned = node.peer_by_origin(origin)
        held = verify_request(
            header,
            node.keys_of(pinned).node,
            issuer=origin,
            audience=node.origin,
            method=request.method,
            path=path,
            body=body,
            now=node.clock() // 1000,
        )
        use_once(node, held.jti, held.keep_until)
        return pinned.party

    def failed(self, error: Fatal) -> None:
        """The outcome of a write is unknown: this process stops, and the next one reads the truth from the disk."""
        self.fatal = self.fatal or error.message
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.ended.set)

    async def stopping(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Fatal)
        self.failed(error)
        return JSONResponse({"error": error.as_dict()}, status_code=error.http_status)

    async def nothing(self, request: Request, error: Exception) -> Response:
        return JSONResponse(NOT_FOUND, status_code=404)

    # ---- health

    async def health(self, request: Request) -> Response:
        return JSONResponse({"ok": True, "party": self.node.me})

    async def ready(self, request: Request) -> Response:
        """Whether it can do its work: a recovering node, and one that is about to stop, cannot."""
        good = not self.node.recovering and not self.fatal
        return JSONResponse({"ok": good, "party": self.node.me}, status_code=200 if good else 503)

    async def metrics(self, request: Request) -> Response:
        """Open to all, so by name only parties whose membership everybody may know: the charter's members."""
        return await run_in_threadpool(self._metrics, {*self.node.register.members, self.node.me})

    async def all_metrics(self, request: Request) -> Response:
        """The same with every party, for the own machine."""
        return await run_in_threadpool(self._metrics, {*self.node.register.parties, *self.node.peers()})

    def _metrics(self, named: set[str]) -> Response:
        node = self.node
        rows = [
            f'relto_ledger_entries{{party="{party}"}} {state.size}'
            for party, state in sorted(node.register.parties.items())
            if party in named
        ]
        now = node.clock()
        for one in standings(node):
            if one.party not in named:
                continue
            age = -1 if one.seen is None else max(0, now - one.seen) // 1000
            rows.append(f'relto_mirror_age_seconds{{party="{one.party}"}} {age}')
            rows.append(f'relto_mirror_bad{{party="{one.party}"}} {int(one.bad)}')
            rows.append(f'relto_ledger_refused{{party="{one.party}"}} {int(bool(one.tells))}')
        rows.append(f"relto_recovering {int(bool(node.recovering))}")
        rows.append(f"relto_releases_total {len(node.register.releases)}")
        rows.append(f"relto_alarms {len(node.problems()) + len(node.register.alarms)}")
        return Response("\n".join(rows) + "\n", media_type="text/plain; version=0.0.4")

    # ---- ledger and openings

    async def log(self, request: Request, party: str, body: bytes) -> Response:
        path = request.path_params["path"]
        if path == "checkpoint":
            return Response(
                await self.published(), media_type="text/plain; charset=utf-8", headers={"cache-control": "no-store"}
            )
        self._whole_for(party)
        tile = parse_path(path)
        size = self.node.log.head.size
        if not is_servable(tile, size):
            raise NotFound(NOT_FOUND["error"]["message"])
        if tile.level is None:
            data = encode_bundle(
                await run_in_threadpool(self.node.store.leaves, self.node.origin, tile.start, tile.start + tile.width)
            )
        else:
            data = await run_in_threadpool(self.node.log.tree.tile, tile)
        return Response(
            data,
            media_type="application/octet-stream",
            headers={"cache-control": "private, max-age=31536000, immutable"},
        )

    def _whole_for(self, party: str) -> None:
        if party and not self.node.serves_whole(party):
            raise NotFound(NOT_FOUND["error"]["message"])

    async def proof(self, request: Request, party: str, body: bytes) -> Response:
        """A tlog-proof of an entry under the published checkpoint; it opens nothing."""
        self._whole_for(party)
        number = request.path_params["index"]
        if not (number.isdecimal() and number.isascii() and len(number) < 19 and str(int(number)) == number):
            raise Malformed("an entry is named by its number")
        proof = await run_in_threadpool(self.node.proof, int(number))
        # Not for a cache: the checkpoint in it is that of now.
        return Response(proof.encode(), media_type="text/plain; charset=utf-8", headers={"cache-control": "no-store"})

    async def add_checkpoint(self, request: Request) -> Response:
        """C2SP tlog-witness: whoever holds a checkpoint of a ledger of the charter may ask for our cosignature."""
        answer = await run_in_threadpool(self.node.add_checkpoint, await read_body(request))
        # Not as media_type: a charset would be put behind it, and tlog-witness names the type without one.
        return Response(answer.body, status_code=answer.status, headers={"content-type": answer.kind})

    async def monitored(self, request: Request, party: str, body: bytes) -> Response:
        self._whole_for(party)
        note = await run_in_threadpool(self.node.monitored, request.path_params["origin_hash"])
        return Response(note, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-store"})

    async def published(self) -> bytes:
        """The checkpoint of the present head, once that may be published."""
        if wait := await run_in_threadpool(self.node.publish_in_ms):
            await asyncio.sleep(wait / 1000)
        return await run_in_threadpool(self.node.published)

    async def inception(self, request: Request) -> Response:
        return Response(self.node.inception(), media_type="application/json")

    async def openings(self, request: Request, party: str, body: bytes) -> Response:
        asked = msgspec.json.decode(body, type=_AskedOpenings) if body else _AskedOpenings()
        size = min(asked.size, self.node.log.head.size)
        found = await run_in_threadpool(
            self.node.openings_for,
            party,
            asked.since,
            asked.also[:OPENINGS_MAX],
            size,
            proofs=not self.node.serves_whole(party),
        )
        page, rest = found[:OPENINGS_MAX], found[OPENINGS_MAX:]
        return Response(
            msgspec.json.encode(Openings(openings=tuple(page), more=rest[0].index if rest else None)),
            media_type="application/json",
        )

    async def consistency(self, request: Request, party: str, body: bytes) -> Response:
        old, new = (request.query_params.get(name, "") for name in ("old", "new"))
        if not (
            old.isdecimal()
            and new.isdecimal()
            and len(old) < 19
            and len(new) < 19
            and int(old) <= int(new) <= self.node.log.head.size
        ):
            raise Malformed("a consistency proof goes from a size to one not smaller, within the ledger")
        proof = await run_in_threadpool(self.node.log.tree.consistency, int(old), int(new))
        return Response(
            msgspec.json.encode(proof), media_type="application/json", headers={"cache-control": "no-store"}
        )

    async def object(self, request: Request, party: str, body: bytes) -> Response:
        """A text by digest, to members, and to whoever may open an act that names it."""
        digest = request.path_params["digest"]
        if not await run_in_threadpool(self._may_read, party, digest):
            raise NotFound(NOT_FOUND["error"]["message"])
        return Response(
            await run_in_threadpool(self.node.objects.get, bytes.fromhex(digest)), media_type="application/octet-stream"
        )

    def _may_read(self, party: str, digest: str) -> bool:
        if (
            len(digest) != 64
            or any(c not in "0123456789abcdef" for c in digest)
            or not self.node.objects.has(bytes.fromhex(digest))
        ):
            return False
        return any(
            digest in texts_of(one.act) and self.node.opened_to(one, party)
            for one in self.node.register.stated.values()
        )

    async def hint(self, request: Request, party: str, body: bytes) -> Response:
        self.wake.set()
        return JSONResponse({"ok": True})

    async def refused(self, request: Request, party: str, body: bytes) -> Response:
        """The caller says what it refused of this ledger, or that it refuses nothing any more."""
        said = msgspec.json.decode(body, type=_Refused)
        await run_in_threadpool(self.node.note_refusal, party, self.node.clock(), said.size, said.problem)
        return JSONResponse({"ok": True})

    async def yours(self, request: Request, party: str, body: bytes) -> Response:
        """What is held here of the caller's own ledger."""
        found = await run_in_threadpool(self.node.yours, party)
        return Response(msgspec.json.encode(found), media_type="application/json")

    async def your_entries(self, request: Request, party: str, body: bytes) -> Response:
        asked = msgspec.json.decode(body, type=_AskedYours)
        found = await run_in_threadpool(self.node.your_entries, party, asked.since, asked.size)
        return Response(msgspec.json.encode(found), media_type="application/json")

    # ---- people and keys

    async def login(self, request: Request) -> Response:
        return JSONResponse(
            await run_in_threadpool(
                login.login, self.node, self.sessions, client_host(request), await read_json(request)
            )
        )

    async def presentation(self, request: Request) -> Response:
        body = await read_body(request)
        url = self.node.config.url + "/api/v1/presentations"
        view = await run_in_threadpool(
            login.present,
            self.node,
            self.sessions,
            request.headers.get("authorization", ""),
            request.headers.get("dpop", ""),
            url,
            body,
        )
        return JSONResponse(view)

    async def opened(self, request: Request) -> Response:
        """The own person's client tells that a package opened and hands the release over: the ledger is fetched."""
        body = await read_json(request)
        headers = request.headers
        url = self.node.config.url + "/api/v1/opened"
        await run_in_threadpool(
            login.proven, self.node, self.sessions, headers.get("authorization", ""), headers.get("dpop", ""), url
        )
        release = str(body.get("release", ""))
        if len(release) != 64 or set(release) - set("0123456789abcdef"):
            raise Malformed("not the id of a release", where="release")
        await run_in_threadpool(self.node.opened, release, int(body.get("times", 1)))
        self.wake.set()
        return JSONResponse({"release": release})

    # ---- the own machine

    async def submit(self, request: Request) -> Response:
        body = await read_json(request)
        envelope, node = str(body["envelope"]).encode(), self.node
        # Among the key releases of the moment: those after it in the same commit are decided with it.
        id_ = await run_in_threadpool(node.turns.take, lambda: node.submit(envelope))
        self.wake.set()
        return JSONResponse({"id": id_})

    async def sync(self, request: Request) -> Response:
        from relto.node.peers import sync_all

        found = await run_in_threadpool(sync_all, self.node, ca=self.ca)
        if found["written"]:
            self.wake.set()
        return JSONResponse(found)

    async def recover(self, request: Request) -> Response:
        from relto.node.peers import recover_all

        body = await read_json(request)
        without = {str(party): str(why) for party, why in dict(body.get("without") or {}).items()}
        files = [Path(str(one)) for one in body.get("files") or ()]
        step = await run_in_threadpool(recover_all, self.node, without, ca=self.ca, files=files)
        self.wake.set()
        return Response(msgspec.json.encode(step), media_type="application/json")

    async def bundle_export(self, request: Request) -> Response:
        body = await read_json(request)
        says = await run_in_threadpool(
            carried.export,
            self.node,
            str(body["to"]),
            Path(str(body["out"])),
            since=str(body["since"]),
            packages=[Path(str(one)) for one in body["packages"]],
            own_only=bool(body["own_only"]),
            recovery=bool(body["recovery"]),
        )
        return Response(msgspec.json.encode(says), media_type="application/json")

    async def bundle_import(self, request: Request) -> Response:
        body = await read_json(request)
        packages = Path(str(body["packages"])) if body["packages"] else None
        taken = await run_in_threadpool(carried.take_in, self.node, Path(str(body["file"])), packages)
        self.wake.set()
        return Response(msgspec.json.encode(taken), media_type="application/json")

    async def note_backup(self, request: Request) -> Response:
        body = await read_json(request)
        await run_in_threadpool(note_backup, self.node, int(body["at"]), int(body["size"]), str(body["key"]))
        return JSONResponse({"ok": True})

    async def join(self, request: Request) -> Response:
        body = await read_json(request)
        pinned = await run_in_threadpool(self.node.pin, str(body["inception"]).encode(), str(body["how"]))
        self.wake.set()
        return JSONResponse({"party": pinned.party})

    async def pin(self, request: Request) -> Response:
        from relto.node import config as settings
        from relto.node.home import directory_of

        founding = str((await read_json(request))["founding"])
        await run_in_threadpool(self.node.save_config, pin=founding)
        settings.save(self.node.config, directory_of(self.node))
        return JSONResponse({"ok": True})

    async def person(self, request: Request) -> Response:
        body = await read_json(request)
        found = await run_in_threadpool(
            add_person,
            self.node,
            str(body["alias"]),
            str(body["name"]),
            str(body["contact"]),
            recipient_of(body["recipient"]),
            str(body["place"]),
        )
        return JSONResponse({"pseudonym": found.pseudonym})

    async def roster(self, request: Request) -> Response:
        id_ = await run_in_threadpool(publish_roster, self.node)
        self.wake.set()
        return JSONResponse({"id": id_})

    async def packed(self, request: Request) -> Response:
        body = await read_json(request)
        await run_in_threadpool(
            note_package,
            self.node,
            str(body["digest"]),
            str(body["opaque"]),
            str(body["item"]),
            int(body["version"]),
            body,
        )
        return JSONResponse({"ok": True})

    async def record(self, request: Request) -> Response:
        asked = releasing.telling_of(await read_json(request))
        return JSONResponse(await run_in_threadpool(releasing.record, self.node, asked, self.hear))

    async def note(self, request: Request) -> Response:
        body = await read_json(request)
        notes = {str(name): str(value) for name, value in dict(body["notes"]).items()}
        return JSONResponse({"subject": await run_in_threadpool(records.note, self.node, str(body["subject"]), notes)})

    async def grant(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(grant_asked, self.node, await read_json(request), self.hear))

    async def publish(self, request: Request) -> Response:
        return JSONResponse({"note": (await self.published()).decode()})

    async def client(self, request: Request) -> Response:
        body = await read_json(request)
        texts = [str(body[name]) for name in ("id", "alias", "audience", "purpose", "place")]
        made, secret = await run_in_threadpool(clients.add_client, self.node, *texts, bearer=body.get("bearer") is True)
        return JSONResponse({"audience": made.audience, "place": made.place, "secret": secret})

    async def client_gone(self, request: Request) -> Response:
        await run_in_threadpool(clients.remove_client, self.node, str((await read_json(request))["id"]))
        return JSONResponse({"ok": True})

    async def ticket(self, request: Request) -> Response:
        if not self.node.config.demo:
            raise Refused("only a demo node gives out tickets")
        return JSONResponse({"ticket": self.sessions.ticket()})

    async def lose_next_reply(self, request: Request) -> Response:
        if not self.node.config.demo:
            raise Refused("only a demo node loses replies on purpose")
        self.drop_reply = True
        return JSONResponse({"ok": True})


class _Refused(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    problem: Annotated[str, msgspec.Meta(max_length=PROBLEM_MAX)]


class _AskedYours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    since: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    size: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class _AskedOpenings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    since: int = 0
    also: tuple[int, ...] = ()
    size: int = 2**53 - 1


async def read_body(request: Request) -> bytes:
    """Raises: Malformed over the limit, before more is read."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY_MAX:
            raise Malformed(f"a request of more than {BODY_MAX} bytes")
    return bytes(data)


async def read_json(request: Request) -> dict[str, Any]:
    try:
        held = json.loads(await read_body(request) or b"{}")
    except (ValueError, RecursionError) as error:
        raise Malformed("the request is not JSON") from error
    if not isinstance(held, dict):
        raise Malformed("the request is not a JSON object")
    return held


def client_host(request: Request) -> str:
    return request.client.host if request.client else ""
