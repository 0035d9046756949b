"""Values into pages: the frame around each, and which shape it has.

A page decides nothing and knows nothing that its JSON does not. Jinja2 with autoescape and strict undefined names; no
inline script, no style.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import jinja2
import msgspec
from msgspec import Struct

from relto.errors import NotFound, Refused, ReltoError
from relto.node.node import Node
from relto.pages import ahead, answers, shapes
from relto.pages.words import Page, Query, Shape, View, capital, hexes, the
from relto.release import date_of

SHAPES: Mapping[str, Shape] = {**shapes.SHAPES, **answers.SHAPES, **ahead.SHAPES}
FORMS: Mapping[str, View] = {"ask": {"answer": None}, "withdrawal": {"lost": None}}  # with nothing asked yet


class Frame(Struct, frozen=True, kw_only=True):
    """What stands around a page: marking, whose node, where one can go, from what it was answered."""

    marking: str
    partnership: str
    name: str
    day: str
    path: str
    json_url: str
    command: str
    sight: tuple[tuple[str, int], ...]
    common: str
    places: tuple[tuple[str, str, int], ...]
    demo: bool
    token: str = ""

    @property
    def Name(self) -> str:  # noqa: N802  (at the head of a capital)
        return self.name[:1].upper() + self.name[1:]


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("relto.pages", "html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["hexes"] = hexes
    return found


def paint(node: Node, page: Page, query: Query, path: str, token: str) -> str:
    """One page as HTML. Raises: what the view raises."""
    wrong = ""
    try:
        view: View = page.view(node, query)
    except ReltoError as error:
        if page.template not in FORMS:
            raise
        # The question stays in its fields, with what is wrong beside it.
        view, wrong = FORMS[page.template], f"{capital(error.message)}. {capital(error.hint)}"
    frame = _frame(node, path, query, page.command, token if node.config.demo else "")
    template, values = SHAPES[page.template](node, view, query)
    return _templates().get_template(template).render(frame=frame, view=view, **{"wrong": wrong, **values})


def paint_error(node: Node, error: ReltoError, path: str) -> str:
    """Not for you and not there look the same."""
    same = isinstance(error, NotFound | Refused)
    frame = _frame(node, path, {}, "relto --help", "")
    # Whoever is refused may not be logged in: nothing of the register stands around the words.
    frame = msgspec.structs.replace(frame, partnership="", sight=(), common="", places=())
    message = "There is no such thing here, or it is not for you." if same else f"{error.message}."
    hint = error.hint if isinstance(error, Refused) and error.hint else "Nothing was written."
    return (
        _templates()
        .get_template("facts.html")
        .render(
            frame=frame,
            title="Nothing here",
            crumb=("/", "Overview"),
            lede=message,
            sections=[{"title": "Next", "rows": [("", hint)]}],
        )
    )


def _frame(node: Node, path: str, query: Query, command: str, token: str) -> Frame:
    register = node.register
    votes = sum(one.state == "open" and node.me in one.missing for one in register.slots.values())
    today = date_of(node.clock())
    recalls = sum(one.holder == node.me and one.state(today) != "answered" for one in register.recalls.values())
    asked = {"who": "WHO", "item": "ITEM", "id": "", "party": "", "on": "DATE", **{k: v for k, v in query.items() if v}}
    kept = "&".join(f"{k}={v}" for k, v in query.items() if k not in {"id", "ticket"} and v)
    json_url = ("/api/v1/partnership" if path == "/" else "/api/v1" + ("/may" if path == "/ask" else path)) + (
        f"?{kept}" if kept else ""
    )
    places = (
        ("/", "Overview", 0), ("/projects", "Projects", 0), ("/pipeline", "Pipeline", 0), ("/engagements", "Engagements", 0), ("/items", "Items", 0), ("/ask", "Ask", 0),
        ("/proposals", "Proposals", votes), ("/releases", "Releases", 0), ("/recalls", "Recalls", recalls), ("/outlook", "Outlook", 0), ("/withdrawal", "Withdrawal", 0),
        ("/ledgers", "Ledgers", 0), ("/acts", "Acts", 0),
    )  # fmt: skip
    codes = {one.origin: one.code for one in register.parties.values()}
    return Frame(
        marking="EXERCISE - OFFICIAL" if node.config.demo else "MARKED BY ITS CONTENTS",
        partnership=register.charter.title if register.charter else node.config.partnership.upper(),
        name=the(node.config.name),
        day=today,
        path=path,
        json_url=json_url,
        command=command.format(**asked),
        sight=tuple((codes.get(origin, origin), size) for origin, (size, _) in sorted(register.sight.items())),
        common=register.common if register.charter else "",
        places=places,
        demo=node.config.demo,
        token=token,
    )
