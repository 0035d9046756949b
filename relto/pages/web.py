"""Pages for people and the same values as JSON: one table of views, two ways to read each.

`/NAME` is a page, `/api/v1/NAME` its JSON, equal to what the command line prints with `--json`. Both need a session: in the demo a one-time ticket in the
address buys a cookie. Every request's `Host` must be this node's own, and a form's `Origin` too; otherwise any page the user visits could consent.

Contracts of the design, sections 1, 19, 20.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relto.errors import Malformed, NotFound, Refused, ReltoError
from relto.node import views
from relto.node.answering import answer_view, coming, leaving, rows_of, sheet, stages
from relto.node.anything import named
from relto.node.asking import item_name, question, recipient, sighted
from relto.node.node import Node
from relto.node.watch import standings
from relto.pages.paint import paint, paint_error
from relto.pages.press import press
from relto.pages.words import Page, Query
from relto.release import date_of, decide, endings, what_page, who_page

if TYPE_CHECKING:
    from relto.node.app import Service

COOKIE = "relto"
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def _ask(node: Node, query: Query) -> views.View:
    if not query.get("who") or not query.get("item"):
        return {"answer": None}
    register, day = sighted(node, query.get("at") or None, query.get("known", "then"))
    asked = question(node, register, day, query["who"], query["item"], query.get("purpose", ""), query.get("place", ""))
    decision = decide(register, asked)
    return answer_view(register, asked, decision, endings(register, asked, decision))


def _who(node: Node, query: Query) -> views.View:
    register, day = sighted(node, query.get("at") or None, query.get("known", "then"))
    name, version = item_name(query.get("item", ""))
    rows, cursor = rows_of(query.get("limit", ""), "limit"), query.get("cursor", "")
    return views.page_view(
        register, day, who_page(register, name, day, query.get("purpose", ""), version, rows, cursor)
    )


def _what(node: Node, query: Query) -> views.View:
    register, day = sighted(node, query.get("at") or None, query.get("known", "then"))
    to, _, _ = recipient(node, register, query.get("who", ""))
    rows, cursor = rows_of(query.get("limit", ""), "limit"), query.get("cursor", "")
    return views.page_view(register, day, what_page(register, to, day, query.get("purpose", ""), rows, cursor))


def _sheet(node: Node, query: Query) -> views.View:
    """Nobody who could have it is an answer here; before sealing it is a refusal."""
    name, version = item_name(query.get("item", ""))
    held = node.register.item(name, version)
    try:
        return sheet(node.register, held.id, held.version, node.clock())
    except Refused as error:
        nobody = {"item": f"{held.id}@{held.version}", "to": [], "count": 0, "people": 0, "why": error.message}
        return {**nobody, "day": date_of(node.clock()), "sight": views.sight_view(node.register)}


def _pipeline(node: Node, query: Query) -> views.View:
    """All stages, whoever is looked at; JSON of one party, as the command gives it, names the party alone."""
    found = stages(node.register, node.clock(), by=query.get("by", "")) if node.register.charter else {}
    return found or views.listing(node.register, node.clock(), ())


def _withdrawal(node: Node, query: Query) -> views.View:
    if not query.get("party") or not query.get("on"):
        return {"lost": None}
    return leaving(node.register, node.clock(), query["party"], query["on"])


def _ledgers(node: Node, query: Query) -> views.View:
    """How each ledger stands; thing: an id or hash, and what it proves."""
    now, problems, mirrors = node.clock(), node.problems(), standings(node)
    rows = [views.party_view(node.register, one, now, problems, mirrors) for one in sorted(node.register.parties)]
    view = views.listing(node.register, now, rows)
    if query.get("thing"):
        try:
            view["verified"] = msgspec.to_builtins(named(query["thing"].strip().lower(), node))
        except ReltoError as error:
            view["verified"] = {"is": None, "error": error.as_dict()}
    return view


def _listed(make: Callable[[Node], list[views.View]]) -> Callable[[Node, Query], views.View]:
    return lambda node, _query: views.listing(node.register, node.clock(), make(node))


def _one(rows: list[views.View], key: str, wanted: str) -> views.View:
    found = next((one for one in rows if one[key] == wanted), None)
    if found is None:
        raise NotFound(f"there is no `{wanted[:80]}` here")
    return found


def _items(node: Node) -> list[views.View]:
    return [views.item_view(node.register, one) for versions in node.register.items.values() for one in versions]


def _engagements(node: Node) -> list[views.View]:
    return [views.engagement_view(node.register, one, node.clock()) for one in node.register.engagements.values()]


def _proposals(node: Node) -> list[views.View]:
    return [views.proposal_view(node.register, one) for one in node.register.slots.values()]


def _releases(node: Node) -> list[views.View]:
    return [views.release_view(node.register, one) for one in node.register.releases.values()]


def _recalls(node: Node) -> list[views.View]:
    return [views.recall_view(node.register, one, node.clock()) for one in node.register.recalls.values()]


def _partnership(node: Node) -> views.View:
    return views.partnership_view(node.register, node.clock(), node.problems(), standings(node), node.recovering)


PAGES = (
    Page(path="/", template="overview", view=lambda n, q: _partnership(n), command="relto party list"),
    Page(path="/projects", template="projects", view=_listed(lambda n: views.project_views(n.register, n.clock())), command="relto project list"),
    Page(path="/projects/{id}", template="project", view=lambda n, q: _one(views.project_views(n.register, n.clock()), "id", q["id"]),
         command="relto project show {id}"),
    Page(path="/engagements", template="engagements", view=_listed(_engagements), command="relto engagement list"),
    Page(path="/proposals", template="proposals", view=_listed(_proposals), command="relto act list --kind propose"),
    Page(path="/proposals/{id}", template="proposal", view=lambda n, q: _one(_proposals(n), "id", q["id"]), command="relto act show {id}"),
    Page(path="/items", template="items", view=_listed(_items), command="relto item list"),
    Page(path="/pipeline", template="pipeline", view=_pipeline, command="relto engagement pipeline {party}"),
    Page(path="/outlook", template="outlook", view=lambda n, q: coming(n.register, n.clock(), q.get("until", "")), command="relto outlook"),
    Page(path="/withdrawal", template="withdrawal", view=_withdrawal, command="relto impact --withdraw {party} --on {on}"),
    Page(path="/ledgers", template="ledgers", view=_ledgers, command="relto node doctor"),
    Page(path="/who", template="who", view=_who, command="relto who {item}"),
    Page(path="/what", template="what", view=_what, command="relto what {who}"),
    Page(path="/audience", template="sheet", view=_sheet, command="relto seal FILE --item {item} --dry-run"),
    Page(path="/items/{id:path}", template="item", view=lambda n, q: views.item_view(n.register, n.register.item(*item_name(q["id"]))),
         command="relto item show {id}"),
    Page(path="/acts", template="acts", view=lambda n, q: views.acts_view(n.register, n.clock(), last=200, kind=q.get("kind", "")), command="relto act list"),
    Page(path="/acts/{id}", template="act", view=lambda n, q: views.act_view(n.register, q["id"]), command="relto act show {id}"),
    Page(path="/ask", template="ask", view=_ask, command="relto may {who} {item} --why"),
    Page(path="/releases", template="releases", view=_listed(_releases), command="relto audit"),
    Page(path="/recalls", template="recalls", view=_listed(_recalls), command="relto act list --kind suspend"),
)  # fmt: skip
ALONE = {"partnership": PAGES[0].view, "may": _ask}  # JSON without a page of its own name


class Web:
    """The pages of one service."""

    def __init__(self, service: Service) -> None:
        self.service, self.node = service, service.node

    def routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [
            Route("/static/{name}", self.static),
            Route("/forms/{name}", self.form, methods=["POST"]),
        ]
        for name, view in ALONE.items():
            found.append(Route(f"/api/v1/{name}", self.as_json(view)))
        for page in PAGES:
            if page.path != "/":
                found.append(Route("/api/v1" + page.path, self.as_json(page.view)))
            found.append(Route(page.path, self.as_page(page)))
        return found

    def _guard(self, request: Request) -> None:
        """Raises: Refused for another host's name, and without a session."""
        if request.headers.get("host") != self.node.config.host:
            raise Refused("this node does not answer to that name")
        if not self.service.sessions.inside(request.cookies.get(COOKIE, "")):
            raise Refused("not logged in", hint="`relto demo --serve` prints an address with a ticket")

    def as_json(self, view: Callable[[Node, Query], views.View]) -> Callable[[Request], Any]:
        async def edge(request: Request) -> Response:
            try:
                self._guard(request)
                return JSONResponse(await run_in_threadpool(view, self.node, _query(request)), headers=HEADERS)
            except ReltoError as error:
                return JSONResponse({"error": error.as_dict()}, status_code=error.http_status, headers=HEADERS)

        return edge

    def as_page(self, page: Page) -> Callable[[Request], Any]:
        async def edge(request: Request) -> Response:
            ticket = request.query_params.get("ticket")
            if ticket is not None and request.headers.get("host") == self.node.config.host:
                cookie = self.service.sessions.enter(ticket)
                if cookie is not None:
                    answer = RedirectResponse(request.url.path, status_code=303)
                    answer.set_cookie(
                        COOKIE,
                        cookie,
                        httponly=True,
                        samesite="strict",
                        secure=self.node.config.url.startswith("https"),
                    )
                    return answer
            try:
                self._guard(request)
                cookie = request.cookies.get(COOKIE, "")
                return await run_in_threadpool(self._page, page, _query(request), request.url.path, cookie)
            except ReltoError as error:
                return await run_in_threadpool(self._error, error, request.url.path)

        return edge

    def _page(self, page: Page, query: Query, path: str, cookie: str) -> Response:

        return Response(
            paint(self.node, page, query, path, self.service.sessions.form_token(cookie)),
            media_type="text/html; charset=utf-8",
            headers=HEADERS,
        )

    def _error(self, error: ReltoError, path: str) -> Response:

        return Response(
            paint_error(self.node, error, path),
            status_code=error.http_status,
            media_type="text/html; charset=utf-8",
            headers=HEADERS,
        )

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name != "relto.css":
            raise NotFound("there is nothing here for you")
        data = (resources.files("relto.pages") / "static" / name).read_bytes()
        return Response(
            data,
            media_type="text/css; charset=utf-8",
            headers={"cache-control": "private, max-age=3600", "x-content-type-options": "nosniff"},
        )

    async def form(self, request: Request) -> Response:
        """A button of the demo: it signs with the key files beside the node, on loopback, and nowhere else."""
        from relto.node.app import client_host, read_body
        from relto.node.login import LOOPBACK

        try:
            self._guard(request)
            if not self.node.config.demo or client_host(request) not in LOOPBACK:
                raise Refused("no page signs for people", hint="`relto act … --out FILE`, sign it, and submit it")
            if request.headers.get("origin") != self.node.config.url:
                raise Refused("this form was not sent from a page of this node")
            held = parse_qs(
                (await read_body(request)).decode("ascii", "strict"), strict_parsing=True, max_num_fields=16
            )
            fields = {name: values[0] for name, values in held.items() if len(values) == 1}
            if not hmac.compare_digest(
                fields.get("token", ""), self.service.sessions.form_token(request.cookies[COOKIE])
            ):
                raise Refused("this form is not of your session", hint="load the page again")
            target = await run_in_threadpool(press, self.node, request.path_params["name"], fields)
            self.service.wake.set()
            return RedirectResponse(target, status_code=303)
        except (UnicodeDecodeError, ValueError):
            return await run_in_threadpool(self._error, Malformed("this form cannot be read"), request.url.path)
        except ReltoError as error:
            return await run_in_threadpool(self._error, error, request.url.path)


def _query(request: Request) -> Query:
    return {**dict(request.query_params), **request.path_params}


def address(path: str, query: Query) -> str:
    kept = {name: value for name, value in query.items() if f"/{value}" not in path and name != "ticket"}
    return path + (f"?{urlencode(kept)}" if kept else "")


def routes(service: Service) -> list[BaseRoute]:
    return Web(service).routes()
