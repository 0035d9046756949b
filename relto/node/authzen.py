"""OpenID AuthZEN Authorization API 1.0 over HTTP: the same answers as `relto may`, `who` and `what`, in its shapes.

    POST /access/v1/evaluation, /access/v1/evaluations
    POST /access/v1/search/subject, /access/v1/search/resource, /access/v1/search/action
    GET  /.well-known/authzen-configuration

`Endpoints` knows the protocol and nothing of relto: what it asks is an `Answerer`. `Released` is the one that the
product binds: subjects are recipients, resources items, actions the methods of a release.

* A denial is an answer with status 200. *Undetermined* is `decision: false` too; which of the two it is, and why,
  stands under `relto` in `context`.
* What a caller says of a subject or item in `properties` is never taken for a fact: the answer names what it ignored.
* A search gives every result, page by page, or says that there is more: nothing is cut off in silence.
* Addresses come from the node's settings, never from a request's `Host`.
* A request with a field twice is refused: two readers could take different ones.

Source: Authorization API 1.0 (final, 2026-01-11); docs/decisions/0057-authzen.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from relto import release
from relto.acts import RecipientClass, Register
from relto.errors import Malformed, NotFound, ReltoError
from relto.node import views
from relto.node.asking import item_name, question, recipient, sighted
from relto.node.node import Node
from relto.release.catalogue import item_of
from relto.release.kernel import Asking, Kernel, kernel_of
from relto.release.search import place_of

REQUEST_BYTES_MAX = 1024 * 1024
EVALUATIONS_MAX = 1_000  # in one batch
PAGE_MAX = 10_000  # results in one answer
KEYS_MAX = 64  # callers that a node's settings may name
TOKEN_MAX = 2_048
NAMED_MAX = 10_000  # classes of people that are kept by their words

MINUTE_MS: Final = 60_000
SEMANTICS: Final = ("execute_all", "deny_on_first_deny", "permit_on_first_permit")
Body = dict[str, Any]


class Entity(Struct, frozen=True, kw_only=True):
    """A subject or a resource. id: empty where a search asks for it."""

    type: str
    id: str = ""
    properties: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Action(Struct, frozen=True, kw_only=True):
    name: str
    properties: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Verdict(Struct, frozen=True, kw_only=True, omit_defaults=True):
    decision: bool
    context: Body = msgspec.field(default_factory=dict)


class Found(Struct, frozen=True, kw_only=True):
    """All results of a search, in an order that stays. version: changes when they may have changed."""

    results: list[Body]
    context: Body = msgspec.field(default_factory=dict)
    version: str = ""


class Answerer(Protocol):
    """Who decides. Raises Malformed for what it cannot read; what it does not know is a no, or nothing found."""

    def quick(self, context: Mapping[str, Any]) -> bool:
        """Whether one evaluation takes so little that it need not leave the event loop."""

    def evaluate(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Verdict: ...
    def subjects(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Found: ...
    def resources(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Found: ...
    def actions(self, subject: Entity, resource: Entity, context: Mapping[str, Any]) -> Found: ...


# ---- the protocol


class Endpoints:
    """See the module. url: where they are found. keys: SHA-256, in hex, of the keys that may ask.

    anybody: no key is asked for. merge: where an item of a batch names no `type` or `id` of a subject or resource, that
    of the default counts: version 1.0 replaces whole entities, one module of its public test suite does not.
    """

    def __init__(
        self, answerer: Answerer, url: str, *, keys: Iterable[str] = (), anybody: bool = False, merge: bool = False
    ) -> None:
        self.answerer, self.url, self.anybody, self.merge = answerer, url, anybody, merge
        self._keys = tuple(bytes.fromhex(one) for one in keys)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/access/v1/evaluation", self._edge(self.evaluation, single=True), methods=["POST"]),
            Route("/access/v1/evaluations", self._edge(self.evaluations), methods=["POST"]),
            Route("/access/v1/search/subject", self._edge(self.search_subject), methods=["POST"]),
            Route("/access/v1/search/resource", self._edge(self.search_resource), methods=["POST"]),
            Route("/access/v1/search/action", self._edge(self.search_action), methods=["POST"]),
            Route("/.well-known/authzen-configuration", self.metadata, methods=["GET"]),
        ]

    async def metadata(self, request: Request) -> Response:
        base = f"{self.url}/access/v1"
        view = {
            "policy_decision_point": self.url,
            "access_evaluation_endpoint": f"{base}/evaluation",
            "access_evaluations_endpoint": f"{base}/evaluations",
            "search_subject_endpoint": f"{base}/search/subject",
            "search_resource_endpoint": f"{base}/search/resource",
            "search_action_endpoint": f"{base}/search/action",
        }
        known = request.headers.get("x-request-id")
        headers = {} if known is None else {"x-request-id": known}
        return Response(msgspec.json.encode(view), 200, headers, "application/json")

    def _edge(self, handler: Callable[[Body], Body | Verdict], *, single: bool = False) -> _Edge:
        return _Edge(self, handler, single=single)

    def allows(self, authorization: bytes) -> bool:
        if self.anybody:
            return True
        scheme, _, key = authorization.partition(b" ")
        digest = hashlib.sha256(key.strip()).digest()
        return scheme.lower() == b"bearer" and any(hmac.compare_digest(digest, one) for one in self._keys)

    # ---- evaluations

    def evaluation(self, body: Body) -> Verdict:
        return self._evaluate(body)

    def _evaluate(self, body: Body) -> Verdict:
        return self.answerer.evaluate(
            _entity(body, "subject"), _action(body), _entity(body, "resource"), _object(body, "context")
        )

    def evaluations(self, body: Body) -> Body | Verdict:
        items = body.get("evaluations")
        if items is None or items == []:
            return self._evaluate(body)  # 7.1: as if it were a single evaluation
        if not isinstance(items, list):
            raise Malformed("a list is due here", where="evaluations")
        if len(items) > EVALUATIONS_MAX:
            raise Malformed(f"a batch has at most {EVALUATIONS_MAX} evaluations", where="evaluations")
        semantic = _object(body, "options").get("evaluations_semantic", SEMANTICS[0])
        if semantic not in SEMANTICS:
            raise Malformed(f"`{str(semantic)[:64]}` is no semantic", hint=", ".join(SEMANTICS), where="options")
        last = {SEMANTICS[1]: False, SEMANTICS[2]: True}.get(semantic)  # the decision after which nothing is asked
        found: list[Verdict] = []
        for item in items:
            found.append(self._item(body, item))
            if found[-1].decision is last:
                break
        return {"evaluations": found}

    def _item(self, body: Body, item: object) -> Verdict:
        """One item of a batch: what it lacks is taken from the top, whole. What is wrong with it is its own denial."""
        try:
            if not isinstance(item, dict):
                raise Malformed("an evaluation is an object")
            names = ("subject", "action", "resource", "context")
            whole = {name: item.get(name, body.get(name)) for name in names if name in item or name in body}
            for name in ("subject", "resource") if self.merge else ():
                own, default = item.get(name), body.get(name)
                if isinstance(own, dict) and isinstance(default, dict):
                    whole[name] = {**{key: default[key] for key in ("type", "id") if key in default}, **own}
            return self._evaluate(whole)
        except ReltoError as error:
            return Verdict(decision=False, context={"error": {"status": error.http_status, "message": str(error)}})

    # ---- searches

    def search_subject(self, body: Body) -> Body:
        asked = (_entity(body, "subject", searched=True), _action(body), _entity(body, "resource"))
        return _page(body, "subject", lambda: self.answerer.subjects(*asked, _object(body, "context")))

    def search_resource(self, body: Body) -> Body:
        asked = (_entity(body, "subject"), _action(body), _entity(body, "resource", searched=True))
        return _page(body, "resource", lambda: self.answerer.resources(*asked, _object(body, "context")))

    def search_action(self, body: Body) -> Body:
        asked = (_entity(body, "subject"), _entity(body, "resource"))
        return _page(body, "action", lambda: self.answerer.actions(*asked, _object(body, "context")))


class _Edge:
    """One endpoint as a bare ASGI application: a decision takes less than a framework's request and response do."""

    def __init__(self, of: Endpoints, handler: Callable[[Body], Body | Verdict], *, single: bool) -> None:
        self.of, self.handler, self.single = of, handler, single

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"])
        known = given.get(b"x-request-id")
        headers = [] if known is None else [(b"x-request-id", known)]
        if self.of.allows(given.get(b"authorization", b"")):
            status, kind, data = await self._answer(given.get(b"content-type", b""), receive)
        else:
            status, kind, data = 401, _TEXT, b"a key is asked for"
            headers.append((b"www-authenticate", b'Bearer realm="relto"'))
        length = (b"content-length", b"%d" % len(data))
        await send({"type": "http.response.start", "status": status, "headers": [length, kind, *headers]})
        await send({"type": "http.response.body", "body": data})

    async def _answer(self, content_type: bytes, receive: Receive) -> tuple[int, _Header, bytes]:
        try:
            body = _read(content_type, await _bytes(receive))
            if self.single and self.of.answerer.quick(_object(body, "context")):
                answer = self.handler(body)
            else:
                answer = await run_in_threadpool(self.handler, body)
        except ReltoError as error:
            return error.http_status, _TEXT, str(error).encode()
        return 200, _JSON, msgspec.json.encode(answer)


_Header = tuple[bytes, bytes]
_JSON, _TEXT = (b"content-type", b"application/json"), (b"content-type", b"text/plain; charset=utf-8")


async def _bytes(receive: Receive) -> bytes:
    data: bytes = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Malformed("the request ended early")
        data += message.get("body", b"")
        if len(data) > REQUEST_BYTES_MAX:
            raise Malformed(f"a request has at most {REQUEST_BYTES_MAX} bytes")
        if not message.get("more_body", False):
            return data


def _read(content_type: bytes, data: bytes) -> Body:
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise Malformed("a request is `application/json`", where="content-type")
    try:
        held = _decoder.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise Malformed("the request is not JSON") from error
    if not isinstance(held, dict):
        raise Malformed("the request is not a JSON object")
    return held


def _once(pairs: list[tuple[str, Any]]) -> Body:
    held = dict(pairs)
    if len(held) != len(pairs):
        raise Malformed("the request names a field twice")
    return held


_decoder = json.JSONDecoder(object_pairs_hook=_once)


def _object(body: Mapping[str, Any], name: str) -> Body:
    """An optional object; absent and null are empty."""
    held = body.get(name)
    if held is None:
        return {}
    if not isinstance(held, dict):
        raise Malformed("an object is due here", where=name)
    return held


def _text(held: Mapping[str, Any], name: str, where: str) -> str:
    value = held.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"`{name}` is a text that must be there", where=where)
    return value


def _entity(body: Mapping[str, Any], name: str, *, searched: bool = False) -> Entity:
    held = body.get(name)
    if not isinstance(held, dict):
        raise Malformed("an object that must be there", where=name)
    id_ = "" if searched else _text(held, "id", name)  # 8: what is searched for has no id, and one is ignored
    return Entity(type=_text(held, "type", name), id=id_, properties=_object(held, "properties"))


def _action(body: Mapping[str, Any]) -> Action:
    held = body.get("action")
    if not isinstance(held, dict):
        raise Malformed("an object that must be there", where="action")
    return Action(name=_text(held, "name", "action"), properties=_object(held, "properties"))


def _page(body: Body, kind: str, search: Callable[[], Found]) -> Body:
    """One page of a search. Without a limit everything, as far as one answer holds.

    A token says where to go on, and of which question: another question with it is refused (8.2.1).
    """
    page = _object(body, "page")
    limit, token = page.get("limit"), page.get("token")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise Malformed("a limit is a number from 0 on", where="page")
    asked = hashlib.sha256(kind.encode() + msgspec.json.encode({**body, "page": None}, order="sorted")).hexdigest()[:32]
    start, after, version = 0, "", ""
    if token not in (None, ""):
        start, after, limit_before, digest, version = _read_token(token)
        if digest != asked or (limit is not None and limit != limit_before):
            raise Malformed("this token belongs to another question", hint="ask without it to begin anew", where="page")
        limit = limit_before
    found = search()
    names = [str(one.get("id", one.get("name"))) for one in found.results]
    if after and (start > len(names) or names[start - 1 : start] != [after]):
        start = names.index(after) + 1 if after in names else min(start, len(names))
    size = PAGE_MAX if limit is None else min(limit, PAGE_MAX)
    shown, rest = found.results[start : start + size], start + size < len(names)
    context = found.context
    if version and version != found.version:
        context = {**context, "relto": {**context.get("relto", {}), "changed": True}}
    view: Body = {"results": shown, **({"context": context} if context else {})}
    if page or rest:
        more = ""
        if rest:
            last = names[start + size - 1] if start + size else ""
            more = _write_token(start + size, last, limit, asked, found.version)
        view = {"page": {"next_token": more, "count": len(shown), "total": len(names)}, **view}
    return view


def _write_token(start: int, after: str, limit: int | None, asked: str, version: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([start, after, limit, asked, version])).decode().rstrip("=")


def _read_token(token: object) -> tuple[int, str, int | None, str, str]:
    try:
        if not isinstance(token, str) or len(token) > TOKEN_MAX:
            raise Malformed("a token is a text that an answer gave", where="page")
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        held = msgspec.json.decode(data, type=tuple[int, str, int | None, str, str])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise Malformed("a token is what an answer gave", where="page") from error
    if held[0] < 0 or (held[2] is not None and held[2] < 0):
        raise Malformed("a token is what an answer gave", where="page")
    return held


# ---- the product


METHODS: Final[tuple[release.question.Method, ...]] = ("key", "oral", "visual", "physical", "carried")
RECIPIENT, ITEM = "recipient", "item"


class _Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller may say under `relto` in `context`; a node refuses what it does not know."""

    at: str | None = None
    known: str = "then"
    purpose: str = ""
    place: str = ""
    why: bool = False


class Released:
    """Recipients (`subject.type` `recipient`: whoever `relto may` takes), items, and the methods of a release."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._lock = threading.Lock()  # the kernel is one for all threads
        # Of one register: what words mean that are no person's, so that the kernel meets the same object again.
        self._named: tuple[Register | None, dict[str, tuple[RecipientClass, str]]] = (None, {})
        self._last: Kernel | None = None

    def quick(self, context: Mapping[str, Any]) -> bool:
        return self.node.settled and not context.get("relto") and not self._lock.locked()

    def evaluate(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Verdict:
        with self._lock:
            return self._evaluate(subject, action, resource, context)

    def subjects(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Found:
        with self._lock:
            return self._subjects(subject, action, resource, context)

    def resources(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Found:
        with self._lock:
            return self._resources(subject, action, resource, context)

    def actions(self, subject: Entity, resource: Entity, context: Mapping[str, Any]) -> Found:
        _, register, _ = self._sighted(context)
        verdicts = ((name, self.evaluate(subject, Action(name=name), resource, context)) for name in METHODS)
        return Found(results=[{"name": name} for name, one in verdicts if one.decision], version=register.own[:16])

    # ---- inside

    def _evaluate(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Verdict:
        asked, register, day = self._sighted(context)
        ignored = _ignored(subject, action, resource)
        unknown = _unknown(subject, action, resource)
        if unknown:
            return _no(unknown, ignored)
        method = _method(action)
        try:
            if asked.why or asked.place or asked.purpose:
                one = question(self.node, register, day, subject.id, resource.id, asked.purpose, asked.place)
                to, place = one.to, _elsewhere(register, one.to, one.place)
            if asked.why:
                one = msgspec.structs.replace(one, method=method)
                view = views.decision_view(register, one, release.decide(register, one))
            else:
                if not (asked.place or asked.purpose):
                    to, place = self._recipient(register, subject.id)
                item = register.item(*item_name(resource.id))
                kernel = self._kernel(register, day, Asking(asked.purpose, place, method))
                view = {
                    "answer": kernel.plain_answer(kernel.class_of(item.id, item.version), kernel.recipients.number(to))
                }
        except NotFound as error:
            return _no(error.as_dict(), ignored)
        context_ = {"relto": {**view, **({"ignored": ignored} if ignored else {})}}
        return Verdict(decision=view["answer"] == "permit", context=context_)

    def _kernel(self, register: Register, day: int, asking: Asking) -> Kernel:
        """As `kernel_of`; the one of the last question is found without working out what it is kept under."""
        known = self._last
        if known is None or known.register is not register or known.day != day or known.asking != asking:
            known = self._last = kernel_of(register, day, asking)
        return known

    def _recipient(self, register: Register, name: str) -> tuple[RecipientClass, str]:
        """Whom a word means, and where, if not at the party's own place.

        A person is looked up each time, for its facts may change with no act; a class is kept.

        Raises: NotFound, Malformed.
        """
        known, named = self._named
        if known is not register:
            named = {}
            self._named = (register, named)
        found = named.get(name)
        if found is None:
            declared, place, _ = recipient(self.node, register, name)
            found = declared.recipient, _elsewhere(register, declared.recipient, place)
            if "#" in name and len(named) < NAMED_MAX:
                named[name] = found
        return found

    def _subjects(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Found:
        asked, register, day = self._sighted(context, search=True)
        if _unknown(subject, action, resource):
            return Found(results=[])
        try:
            name, version = item_name(resource.id)
            item = register.item(name, version)
        except NotFound:
            return Found(results=[])
        kernel = _kernel(register, day, asked, action)
        people = release.rosters(register)
        answers = kernel.to(item.id, item.version, [one.recipient for one in people])
        permitted = (one for one, answer in zip(people, answers, strict=True) if answer == "permit")
        rows = tuple(_row(kernel, item.id, item.version, one) for one in permitted)
        results = [{"type": RECIPIENT, "id": f"{row.to.recipient.organisation}#{row.to.id}"} for row in rows]
        return self._found(register, day, rows, results, asked, _ignored(subject, action, resource))

    def _resources(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Found:
        asked, register, day = self._sighted(context, search=True)
        if _unknown(subject, action, resource):
            return Found(results=[])
        try:
            to, _, _ = recipient(self.node, register, subject.id)
        except NotFound:
            return Found(results=[])
        kernel = _kernel(register, day, asked, action)
        found = kernel.items(to.recipient)
        names = (item_of(name) for name in found.page(len(found) + 1, b""))
        rows = tuple(_row(kernel, name, version, to) for name, version in names)
        results = [{"type": ITEM, "id": f"{row.item}@{row.version}"} for row in rows]
        return self._found(register, day, rows, results, asked, _ignored(subject, action, resource))

    def _sighted(self, context: Mapping[str, Any], *, search: bool = False) -> tuple[_Asked, Register, int]:
        """What is asked under our key of the context, and the register and day that it means."""
        held = context.get("relto")
        if held is None:
            # Whole minutes, so that what the kernel has worked out serves the next caller too.
            return _PLAIN, self.node.register, self.node.clock() // MINUTE_MS * MINUTE_MS
        try:
            asked = msgspec.convert(held, _Asked)
        except msgspec.ValidationError as error:
            raise Malformed(f"{str(error)[:1].lower()}{str(error)[1:]}", where="context.relto") from error
        if asked.known not in {"then", "now"}:
            raise Malformed("`known` is `then` or `now`", where="context.relto")
        if search and asked.place:
            raise Malformed("a search asks for each recipient at its usual place", where="context.relto")
        return (asked, *sighted(self.node, asked.at, asked.known))

    def _found(
        self,
        register: Register,
        day: int,
        rows: tuple[release.Row, ...],
        results: list[Body],
        asked: _Asked,
        ignored: list[str],
    ) -> Found:
        view = views.rows_view(register, day, rows, release.heads(rows))
        if not asked.why:
            del view["results"]
        view |= {"ignored": ignored} if ignored else {}
        return Found(results=results, context={"relto": view}, version=register.own[:16])


_PLAIN = _Asked()


def of_node(node: Node) -> Endpoints:
    """The endpoints of a node, by its settings."""
    config = node.config
    if len(config.authzen_keys) > KEYS_MAX:
        raise Malformed(f"a node has at most {KEYS_MAX} keys for AuthZEN", where="authzen_keys")
    return Endpoints(Released(node), config.url, keys=config.authzen_keys, anybody=config.authzen_open)


def _method(action: Action) -> release.question.Method:
    return next(one for one in METHODS if one == action.name)


def _kernel(register: Register, day: int, asked: _Asked, action: Action) -> Kernel:
    return kernel_of(register, day, Asking(purpose=asked.purpose, method=_method(action)))


def _row(kernel: Kernel, item: str, version: int, to: release.Declared) -> release.Row:
    until = kernel.explain(item, version, to.recipient).valid_until
    return release.Row(
        item=item, version=version, to=to, answer="permit", until=until if isinstance(until, str) else ""
    )


def _elsewhere(register: Register, to: RecipientClass, place: str) -> str:
    """The place that is asked about, where it is not the party's own."""
    usual = "" if register.charter is None else place_of(register.charter, to.party)
    return "" if place == usual else place


def _unknown(subject: Entity, action: Action, resource: Entity) -> Body:
    """What this node has no such kind of, as an error; empty when it has."""
    if subject.type == RECIPIENT and resource.type == ITEM and action.name in METHODS:
        return {}
    for what, given, known in (
        ("subjects", subject.type, (RECIPIENT,)),
        ("actions", action.name, METHODS),
        ("resources", resource.type, (ITEM,)),
    ):
        if given not in known:
            return NotFound(f"there are no {what} `{given[:64]}` here", hint=f"one of {', '.join(known)}").as_dict()
    return {}


def _ignored(subject: Entity, action: Action, resource: Entity) -> list[str]:
    """Properties that the caller gave: who asks does not state the facts that decide."""
    if not (subject.properties or action.properties or resource.properties):
        return []
    parts = (("subject", subject.properties), ("action", action.properties), ("resource", resource.properties))
    return [f"{name}.properties.{key}" for name, held in parts for key in sorted(held)]


def _no(error: Body, ignored: list[str]) -> Verdict:
    view = {"answer": "deny", "error": error, **({"ignored": ignored} if ignored else {})}
    return Verdict(decision=False, context={"relto": view})
