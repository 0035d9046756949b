"""What was refused by key access, and why: the node's own rows, for its officers; never in a ledger, never on the wire.

A row keeps the decision as it was. What would change it is found when somebody reads it, against what holds then: it is
of use to whoever acts now, and a refusal should not keep the node from its next caller.

Source: contracts of the design, sections 6 and 20.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from relto.errors import NotFound
from relto.node.node import Node
from relto.node.views import decision_view
from relto.release import Question, decide

READ_MAX = 1000


class Refusal(Struct, frozen=True, kw_only=True):
    """answer: deny, undetermined, or why it came to no decision: unopened, unknown, unreleased. decision: its id or empty."""

    id: str
    at: int
    decision: str
    party: str
    organisation: str
    pseudonym: str
    item: str
    answer: str
    body: dict[str, Any]


def refusals(node: Node, last: int) -> list[Refusal]:
    """The newest first."""
    rows = node.store.query(
        "SELECT id, at, decision, party, organisation, pseudonym, item, answer, body"
        " FROM journal ORDER BY at DESC, id LIMIT $1",
        (min(last, READ_MAX),),
    )
    return [_refusal(row) for row in rows]


def refusal(node: Node, prefix: str) -> Refusal:
    """By the id of a row or of its decision, or eight characters of either; of several by one decision the newest.

    Raises: NotFound.
    """
    rows = []
    if len(prefix) >= 8 and prefix.isalnum():
        rows = node.store.query(
            "SELECT id, at, decision, party, organisation, pseudonym, item, answer, body"
            " FROM journal WHERE id LIKE $1 OR decision LIKE $1 ORDER BY at DESC, id LIMIT 2",
            (f"{prefix}%",),
        )
    found = [_refusal(row) for row in rows]
    if not found or (len(found) > 1 and found[0].decision != found[1].decision):
        why = "is not unique" if found else "is not in the journal"
        raise NotFound(f"refusal `{prefix[:64]}` {why}", hint="`relto release refusals` lists them")
    return found[0]


def _refusal(row: tuple[object, ...]) -> Refusal:
    names = Refusal.__struct_fields__
    values = dict(zip(names, row, strict=True))
    return msgspec.convert({**values, "body": msgspec.json.decode(bytes(row[-1]))}, Refusal)  # type: ignore[call-overload]


def today(node: Node, one: Refusal) -> dict[str, Any] | None:
    """The same question asked now, with what would change the answer; None where no question came about."""
    asked = one.body.get("question")
    if not isinstance(asked, dict):
        return None
    question = msgspec.structs.replace(msgspec.convert(asked, Question), day=node.clock())
    try:
        return decision_view(node.register, question, decide(node.register, question))
    except NotFound:
        return None  # the item is no more among those that are known here
