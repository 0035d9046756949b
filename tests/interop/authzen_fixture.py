"""A decision point with the published scenarios' own users, records and policies, behind our AuthZEN endpoints.

    python -m tests.interop.authzen_fixture --port 8080 [--key KEY] [--merge]

For the public test suites, which bring their own world. It is no part of the product: what ships is the same protocol
over our own answers (`relto/node/authzen.py`).
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from relto.node.authzen import Action, Endpoints, Entity, Found, Verdict

NOBODY: Mapping[str, Any] = {}

# ---- certification: alice, bob; record-1 is active, record-2 archived (certification/authorization-api-1_0-scenario.md)

CERTIFIED = {"alice": "", "bob": "admin"}
STATUS = {"record-1": "active", "record-2": "archived"}


def certification(subject: Entity, action: Action, resource: Entity) -> bool:
    if subject.id not in CERTIFIED:
        return False
    role = subject.properties.get("role", CERTIFIED[subject.id])
    status = resource.properties.get("status", STATUS.get(resource.id))
    match action.name:
        case "read":
            return True
        case "write":
            return role == "admin" if status == "archived" else subject.id == "alice"
        case "delete":
            return subject.id == "alice" and action.properties.get("soft") is True
        case _:
            return False


# ---- todo and API gateway: five users by their identifier; what a role may do

_PID = "CiRmZD{}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs"
TODO = {
    _PID.format("A"): ("rick@the-citadel.com", {"admin", "evil_genius"}),
    _PID.format("E"): ("morty@the-citadel.com", {"editor"}),
    _PID.format("I"): ("summer@the-smiths.com", {"editor"}),
    _PID.format("M"): ("beth@the-smiths.com", {"viewer"}),
    _PID.format("Q"): ("jerry@the-smiths.com", {"viewer"}),
}
WRITERS = {"admin", "evil_genius", "editor"}


def todo(subject: Entity, action: Action, resource: Entity) -> bool:
    email, roles = TODO.get(subject.id, ("", set()))
    own = bool(roles & WRITERS) and resource.properties.get("ownerID") == email
    match action.name:
        case "can_read_user" | "can_read_todos":
            return bool(roles)
        case "can_create_todo":
            return bool(roles & WRITERS)
        case "can_update_todo":
            return "evil_genius" in roles or own
        case "can_delete_todo":
            return "admin" in roles or own
        case _:
            return False


def gateway(subject: Entity, action: Action, resource: Entity) -> bool:
    _, roles = TODO.get(subject.id, ("", set()))
    return bool(roles) if action.name == "GET" else bool(roles & WRITERS)


# ---- search: six users, twenty records; view: own, same department or manager; edit: own or manager of the same
# department; delete: own

USERS = {
    "alice": ("manager", "Sales"),
    "bob": ("employee", "Legal"),
    "carol": ("contractor", "Legal"),
    "dan": ("manager", "Finance"),
    "erin": ("employee", "Finance"),
    "felix": ("contractor", "Accounting"),
}
L, A, S, F = "Legal", "Accounting", "Sales", "Finance"
DEPARTMENTS = (L, L, L, A, L, A, S, L, A, S, A, L, S, A, F, L, L, A, L, A)
RECORDS = {str(101 + n): (list(USERS)[n % 6], department) for n, department in enumerate(DEPARTMENTS)}


def records(subject: Entity, action: Action, resource: Entity) -> bool:
    role, department = USERS.get(subject.id, ("", ""))
    owner, place = RECORDS[resource.id]
    own, near, manager = owner == subject.id, place == department, role == "manager"
    match action.name:
        case "view":
            return bool(role) and (own or near or manager)
        case "edit":
            return own or (near and manager)
        case "delete":
            return own
        case _:
            return False


# ---- all of them


def permitted(subject: Entity, action: Action, resource: Entity) -> bool:
    if (subject.type, resource.type) == ("identity", "route"):
        return gateway(subject, action, resource)
    if subject.type != "user":
        return False
    if resource.type == "record":
        known = records if resource.id in RECORDS else certification
        return (resource.id in RECORDS or resource.id in STATUS) and known(subject, action, resource)
    return resource.type in {"user", "todo"} and todo(subject, action, resource)


class Fixture:
    """The `Answerer` of the scenarios."""

    def quick(self, context: Mapping[str, Any]) -> bool:
        return True

    def evaluate(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Verdict:
        return Verdict(decision=permitted(subject, action, resource))

    def subjects(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Found:
        names = [*dict.fromkeys((*CERTIFIED, *USERS))] if subject.type == "user" else []
        return self._found(
            (Entity(type=subject.type, id=name, properties=subject.properties), action, resource) for name in names
        )

    def resources(self, subject: Entity, action: Action, resource: Entity, context: Mapping[str, Any]) -> Found:
        names = [*STATUS, *RECORDS] if resource.type == "record" else []
        ask = ((subject, action, Entity(type="record", id=name, properties=resource.properties)) for name in names)
        return self._found(ask, resource=True)

    def actions(self, subject: Entity, resource: Entity, context: Mapping[str, Any]) -> Found:
        names = ("view", "edit", "delete") if resource.id in RECORDS else ("read", "write", "delete")
        found = [one for one in names if permitted(subject, Action(name=one), resource)]
        return Found(results=[{"name": one} for one in found])

    @staticmethod
    def _found(asked: Iterator[tuple[Entity, Action, Entity]], *, resource: bool = False) -> Found:
        found = [one[2 if resource else 0] for one in asked if permitted(*one)]
        return Found(results=[{"type": one.type, "id": one.id} for one in found])


def endpoints(url: str, *, key: str = "", merge: bool = False) -> Endpoints:
    keys = [hashlib.sha256(key.encode()).hexdigest()] if key else []
    return Endpoints(Fixture(), url, keys=keys, anybody=not key, merge=merge)


def main() -> None:
    import uvicorn
    from starlette.applications import Starlette

    parser = argparse.ArgumentParser(description="a decision point with the published scenarios' own world")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="", help="asked for as a bearer token; without it nothing is")
    parser.add_argument("--merge", action="store_true", help="items of a batch inherit `type` and `id` too")
    options = parser.parse_args()
    made = endpoints(f"http://127.0.0.1:{options.port}", key=options.key, merge=options.merge)
    uvicorn.run(Starlette(routes=made.routes()), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
