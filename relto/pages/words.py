"""Names, days and cells, as every page writes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from relto.node.node import Node

View = Mapping[str, Any]
Row = dict[str, Any]
Query = dict[str, str]
Shape = Callable[[Node, View, Query], tuple[str, Row]]  # the template, and its values


class Page(Struct, frozen=True, kw_only=True):
    """A view by its address: how its values are made, and which command prints the same."""

    path: str
    template: str
    view: Callable[[Node, Query], dict[str, Any]]
    command: str


def hexes(digest: str, digits: int = 16) -> str:
    """A digest in groups of four."""
    return " ".join(digest[at : at + 4] for at in range(0, min(len(digest), digits), 4))


def the(name: str) -> str:
    """`the United Kingdom`, but `Japan`."""
    return f"the {name}" if name.startswith(("United ", "Netherlands")) else name


def name_of(node: Node, party: str) -> str:
    known = node.register.parties.get(party)
    return the(known.name) if known else party


def code_of(node: Node, party: str) -> str:
    known = node.register.parties.get(party)
    return known.code if known else party.upper()


def counted(n: int, one: str, many: str = "") -> str:
    """`1 copy`, `1,702 copies`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def days_to(today: str, day: str) -> int:
    return (dt.date.fromisoformat(day) - dt.date.fromisoformat(today)).days


def utc(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def rel_of(item: View) -> str:
    rel = item["label"]["rel"]
    return "the owners only (unmarked)" if rel is None else ", ".join(rel) or "nobody"


def title_of(node: Node, proposal: View) -> str:
    what = proposal["what"]
    match what["is"]:
        case "engage":
            return f"engage {name_of(node, what['party'])} in {what['project']}"
        case "charter":
            return "adopt the charter"
        case "renew":
            return f"renew {proposal['subject']}"
        case "end":
            return f"end {proposal['subject']}"
        case other:
            return f"{other} {proposal['subject']}"


def cell(text: object = "", href: str = "", small: str = "", state: str = "", *, hidden: bool = False) -> Row:
    return {"text": "" if text is None else text, "href": href, "small": small, "state": state, "hidden": hidden}


def list_(
    title: str,
    lede: str,
    heads: Sequence[str],
    rows: Sequence[Row],
    empty: tuple[str, str],
    more: Sequence[Row] = (),
    following: str = "",
) -> tuple[str, Row]:
    """heads: a word ending in `#` heads a column of numbers. following: the address of the next page, if there is one."""
    shown = [{"word": head.rstrip("#"), "num": head.endswith("#")} for head in heads]
    values = {"title": title, "lede": lede, "heads": shown, "rows": rows, "empty": empty, "more": more}
    return "list.html", {**values, "following": following}
