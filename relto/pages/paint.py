"""Values into pages: what each page says first, which rows it has, which words stand for which rule.

A page decides nothing and knows nothing that its JSON does not. Jinja2 with autoescape and strict undefined names; no inline script, no style.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import msgspec
from msgspec import Struct

from relto.acts import RecipientClass
from relto.errors import NotFound, Refused, ReltoError
from relto.node import officer
from relto.node.node import Node
from relto.node.people import people
from relto.node.serve import directory_of
from relto.release import date_of, rosters
from relto.release.words import law_words

if TYPE_CHECKING:
    from relto.pages.web import Page, Query

View = Mapping[str, Any]
Row = dict[str, Any]


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
    def Name(self) -> str:  # noqa: N802  (at the head of a sentence)
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


def hexes(digest: str, digits: int = 16) -> str:
    """A digest in groups of four."""
    return " ".join(digest[at : at + 4] for at in range(0, min(len(digest), digits), 4))


def paint(node: Node, page: Page, query: Query, path: str, token: str) -> str:
    """One page as HTML. Raises: what the view raises."""
    wrong = ""
    try:
        view = page.view(node, query)
    except ReltoError as error:
        if page.template != "ask":
            raise
        # The question stays in its fields, with what is wrong beside it.
        view, wrong = {"answer": None}, f"{_sentence(error.message)}. {_sentence(error.hint)}"
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
    asked = {"who": "WHO", "item": "ITEM", "id": "", **{k: v for k, v in query.items() if v}}
    kept = "&".join(f"{k}={v}" for k, v in query.items() if k not in {"id", "ticket"} and v)
    json_url = ("/api/v1/partnership" if path == "/" else "/api/v1" + ("/may" if path == "/ask" else path)) + (
        f"?{kept}" if kept else ""
    )
    places = (
        ("/", "Overview", 0), ("/projects", "Projects", 0), ("/engagements", "Engagements", 0), ("/proposals", "Proposals", votes), ("/items", "Items", 0),
        ("/ask", "Ask", 0), ("/releases", "Releases", 0), ("/recalls", "Recalls", recalls), ("/acts", "Acts", 0),
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


def the(name: str) -> str:
    """`the United Kingdom`, but `Japan`."""
    return f"the {name}" if name.startswith(("United ", "Netherlands")) else name


def _name(node: Node, party: str) -> str:
    known = node.register.parties.get(party)
    return the(known.name) if known else party


def _code(node: Node, party: str) -> str:
    known = node.register.parties.get(party)
    return known.code if known else party.upper()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _days(today: str, day: str) -> int:
    return (dt.date.fromisoformat(day) - dt.date.fromisoformat(today)).days


# ---- pages --------------------------------------------------------------------------------------------------------------------


Shape = Callable[[Node, View, "Query"], tuple[str, Row]]


def _overview(node: Node, view: View, query: Query) -> tuple[str, Row]:
    today = view["day"]
    open_ = [{**one, "title": _title(node, one), "missing_codes": ", ".join(_code(node, p) for p in one["missing"]),
              "waiting_codes": ", ".join(_code(node, p) for p in one["waiting"])} for one in view["proposals"] if one["state"] in {"open", "provisional"}]  # fmt: skip
    tasks = [
        {"href": f"/proposals/{one['id']}", "what": f"Consent or refuse: {one['title']}", "due": "", "late": False, "why": "Either answer is final"}
        for one in open_ if node.me in one["missing"]
    ]  # fmt: skip
    for one in view["recalls"]:
        if one["holder"] == node.me and one["state"] != "answered":
            left = _days(today, one["by"])
            tasks.append({"href": "/recalls", "what": f"Answer an order to {one['order']} {one['item']}", "due": f"{left} days left" if left >= 0 else f"{-left} days late",
                          "late": left < 0, "why": f"{_code(node, one['owner'])} owns it; the order stands since act {one['because'][:8]}"})  # fmt: skip
    for party in view["parties"]:
        party["age"] = "" if party["us"] or party["age_s"] is None else _age(party["age_s"])
        engaged = [e for e in node.register.engagements.values() if e.terms.party == party["id"]]
        party["standing"] = (
            engaged[-1].state(today).replace("_", " ") if engaged and party["grade"] == "introduced" else party["grade"]
        )
    windows = sorted(
        ({**one, "code": _code(node, one["party"]), "left": _days(today, one["date"])} for one in view["windows"]), key=lambda one: str(one["date"])
    )  # fmt: skip
    lede = _lede(node, view, tasks, open_)
    return "overview.html", {"title": "Overview", "lede": lede, "tasks": tasks, "open": open_, "windows": windows}


def _lede(node: Node, view: View, tasks: Sequence[Row], open_: Sequence[Row]) -> str:
    if view["alarms"]:
        return f"{len(view['alarms'])} alarm: {view['alarms'][0]}."
    if view["partnership"] is None:
        return "No partnership is founded here yet."
    waiting = [one for one in open_ if node.me in one["missing"]]
    if waiting:
        return (
            f"One vote waits for {_name(node, node.me)}: {waiting[0]['title']}."
            if len(waiting) == 1
            else f"{len(waiting)} votes wait for {_name(node, node.me)}."
        )
    if tasks:
        return f"{_sentence(_name(node, node.me))} has {len(tasks)} orders to answer."
    stopped = [one for one in node.register.engagements.values() if one.suspended]
    if stopped:
        return f"The engagement of {_name(node, stopped[0].terms.party)} in {stopped[0].terms.project} is suspended by {_name(node, stopped[0].suspended[0][0])}. Nothing waits for you."
    return "Nothing waits for you, and nothing has stopped."


def _age(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _title(node: Node, proposal: View) -> str:
    what = proposal["what"]
    match what["is"]:
        case "engage":
            return f"engage {_name(node, what['party'])} in {what['project']}"
        case "charter":
            return "adopt the charter"
        case "renew":
            return f"renew {proposal['subject']}"
        case "end":
            return f"end {proposal['subject']}"
        case other:
            return f"{other} {proposal['subject']}"


def _cell(text: object = "", href: str = "", small: str = "", state: str = "", *, hidden: bool = False) -> Row:
    return {"text": "" if text is None else text, "href": href, "small": small, "state": state, "hidden": hidden}


def _list(
    title: str, lede: str, heads: Sequence[str], rows: Sequence[Row], empty: tuple[str, str], more: Sequence[Row] = ()
) -> tuple[str, Row]:
    """heads: a word ending in `#` heads a column of numbers."""
    shown = [{"word": head.rstrip("#"), "num": head.endswith("#")} for head in heads]
    return "list.html", {"title": title, "lede": lede, "heads": shown, "rows": rows, "empty": empty, "more": more}


def _projects(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [
            _cell(one["name"], f"/projects/{one['id']}"), _cell("closed" if one["access"] == "closed" else "open by project"),
            _cell(", ".join(_code(node, p) for p in one["participants"])),
            _cell(", ".join(f"{_code(node, e['party'])} {e['state'].replace('_', ' ')}" for e in one["engaged"])), _cell(len(one["items"])), _cell(f"charter {one['clause']}"),
        ]} for one in view["results"]
    ]  # fmt: skip
    engaged = [one for one in view["results"] if any(e["state"] == "in_force" for e in one["engaged"])]
    lede = f"{view['count']} projects. " + (
        f"Another state takes part in {len(engaged)}." if engaged else "No other state takes part in one."
    )
    return _list(
        "Projects",
        lede,
        ("Project", "Pillar", "Members", "Others", "Items#", "Clause"),
        rows,
        ("The charter names no project.", "A charter amendment adds one."),
    )


def _project(node: Node, view: View, query: Query) -> tuple[str, Row]:
    sections = [
        {"title": "Terms", "rows": [("Pillar", f"{view['pillar']}, {view['access'].replace('_', ' ')}"), ("Areas", ", ".join(view["areas"]) or "none"),
                                    ("Members", ", ".join(_name(node, p) for p in view["participants"])), ("Clause", f"charter {view['clause']}"),
                                    ("Running", "yes" if view["running"] else "no")]},
        {"title": "Others", "rows": [(_name(node, one["party"]), f"{one['state'].replace('_', ' ')}, {one['role']}, up to {', '.join(one['ceiling'])}, {one['from']} to {one['to'] or 'no end'}")
                                     for one in view["engaged"]] or [("Nobody", "no other state takes part")], "links": [(f"/proposals/{one['proposal']}", "the proposal") for one in view["engaged"]]},
        {"title": "Items", "rows": [], "links": [(f"/items/{one}", one) for one in view["items"]]},
    ]  # fmt: skip
    return "facts.html", {
        "title": view["name"],
        "crumb": ("/projects", "Projects"),
        "lede": "What others may have of it follows from their engagement, the label and the law, each time.",
        "sections": sections,
    }


def _engagements(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [
            _cell(f"{_sentence(_name(node, one['party']))} in {one['project']}", f"/proposals/{one['proposal']}"), _cell(state=one["state"]), _cell(", ".join(one["areas"])),
            _cell(", ".join(one["ceiling"])), _cell(one["from"]), _cell(one["to"] or "no end"),
            _cell(", ".join(f"{_code(node, s['party'])} (act {s['act'][:8]})" for s in one["suspended"])),
        ]} for one in view["results"]
    ]  # fmt: skip
    return _list("Engagements", "Another state's part in one project. It is no membership: rights of that project and no others.",
                 ("Engagement", "State", "Areas", "Ceiling", "From", "To", "Suspended by"), rows, ("No state is engaged.", "Any member may propose it: relto act propose engage …"))  # fmt: skip


def _proposals(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [
            _cell(_sentence(_title(node, one)), f"/proposals/{one['id']}"), _cell(state=one["state"]), _cell(_code(node, one["author"])),
            _cell(", ".join(_code(node, v["party"]) for v in one["votes"] if v["vote"] == "consent" and not v["void"])), _cell(", ".join(_code(node, p) for p in one["missing"])),
        ]} for one in view["results"]
    ]  # fmt: skip
    return _list("Proposals", "A proposal gives no right, and neither does one whose votes are not yet confirmed.", ("Proposal", "State", "By", "Consents", "Missing"), rows,
                 ("Nothing was proposed.", "relto act propose charter DIR"))  # fmt: skip


def _proposal(node: Node, view: View, query: Query) -> tuple[str, Row]:
    ballots = []
    by_party = {vote["party"]: vote for vote in view["votes"] if not vote["void"]}
    for party in view["voters"]:
        vote = by_party.get(party)
        if vote is None:
            ballots.append(
                {
                    "is": "waiting",
                    "shape": "missing",
                    "name": _sentence(_name(node, party)),
                    "says": "has not voted",
                    "small": "",
                }
            )
        elif not vote["confirmed"] and view["state"] != "in_force":
            ballots.append({"is": "provisional", "shape": "provisional", "name": _sentence(_name(node, party)), "says": f"{vote['vote']}s",
                            "small": f"act {vote['act'][:8]}; not yet confirmed by the members' ledgers"})  # fmt: skip
        else:
            ballots.append(
                {
                    "is": vote["vote"],
                    "shape": vote["vote"],
                    "name": _sentence(_name(node, party)),
                    "says": f"{vote['vote']}s",
                    "small": f"act {vote['act'][:8]}",
                }
            )
    given, needed = len(by_party), len(view["voters"])
    lede = f"{_sentence(_name(node, view['author']))} proposed it. {given} of {needed} votes are given."
    stopped = sorted({d.author for d in node.register.denials if d.subject == view["id"] and d.kind == "suspend"})
    if stopped:
        lede += f" Suspended since by {', '.join(_name(node, party) for party in stopped)}."
    if view["why"]:
        lede += f" It {view['why']}."
    register = node.register
    in_force = view["state"] == "in_force" and view["what"]["is"] == "engage"
    suspended = any(d.author == node.me and d.subject == view["id"] and d.kind == "suspend" for d in register.denials)
    return "proposal.html", {
        "title": _sentence(_title(node, view)), "lede": lede, "ballots": ballots, "changes": _changes(node, view["what"]),
        "settled": ", ".join(f"{_code(node, p)} ({word.replace('_', ' ')})" for p, word in view["settled"].items()),
        "may_vote": node.config.demo and view["state"] in {"open", "provisional"} and node.me in view["missing"],
        "may_suspend": node.config.demo and in_force and not suspended and node.me in register.members,
    }  # fmt: skip


def _changes(node: Node, what: View) -> list[tuple[str, str]]:
    if what["is"] == "engage":
        term = what["term"]
        found = [
            ("who takes part", f"{_sentence(_name(node, what['party']))} takes part in {what['project']} as {what['role']}. It is not a member: no vote, no view of other projects."),
            ("areas", ", ".join(what["areas"])), ("ceiling", f"Up to {', '.join(one['system'] + ' ' + one['level'] for one in what['ceiling'])}."),
            ("term", f"From {term['from']} to {term.get('to', 'no end')}. Any party whose consent was required can suspend it at once."),
            *(("condition", one) for one in what["conditions"]),
        ]  # fmt: skip
        if "recall_days" in what:
            found.append(
                (
                    "when it stops",
                    f"What was received is answered for within {what['recall_days']} days: returned, destroyed, or kept and why.",
                )
            )
        return found
    if what["is"] in {"charter", "admit", "expel"}:
        return [
            ("charter", f"The whole text {hexes(what['charter'])}… is in force."),
            ("ledgers", f"The party list {hexes(what['parties'])}… says which ledger speaks for whom."),
        ]
    return [(name, json.dumps(value, ensure_ascii=False)) for name, value in what.items() if name != "is"]


def _items(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [
            _cell(f"{one['id']}@{one['version']}", f"/items/{one['id']}@{one['version']}"), _cell(one["title"]), _cell(", ".join(one["label"]["levels"])), _cell(_rel(one)),
            _cell(one["project"]), _cell("ask", f"/ask?item={one['id']}"),
        ]} for one in view["results"]
    ]  # fmt: skip
    return _list("Items", "Only what this node may know exists.", ("Item", "Title", "Level", "Releasable to", "Project", ""), rows,
                 ("No item is open to this node.", "An owner registers one: relto act register …"))  # fmt: skip


def _rel(item: View) -> str:
    rel = item["label"]["rel"]
    return "the owners only (unmarked)" if rel is None else ", ".join(rel) or "nobody"


def _item(node: Node, view: View, query: Query) -> tuple[str, Row]:
    entries = (
        "; ".join(f"{j}: {', '.join(found) or 'none'}" for j, found in sorted(view["entries"].items())) or "not stated"
    )
    sections = [
        {"title": "Marking", "rows": [("Levels", ", ".join(view["label"]["levels"])), ("Releasable to", _rel(view)), ("Tags", ", ".join(view["label"]["tags"]) or "none")]},
        {"title": "Facts", "rows": [("Owner", _name(node, view["owner"])), ("Organisation", view["organisation"]), ("Project", view["project"]), ("Areas", ", ".join(view["areas"]) or "none"),
                                    ("Control entries", entries), ("Origins", ", ".join(view["origins"]) if view["origins"] is not None else "not stated"), ("Nature", view["nature"].replace("_", " "))],
         "links": [(f"/acts/{view['act']}", "register act"), (f"/acts/{view['label_act']}", "label act"), (f"/ask?item={view['id']}", "ask who may have it")]},
    ]  # fmt: skip
    return "facts.html", {
        "title": view["title"],
        "crumb": ("/items", "Items"),
        "lede": f"{view['id']}@{view['version']}" + (", retired" if view["retired"] else ""),
        "sections": sections,
    }


def _acts(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [_cell(one["kind"], f"/acts/{one['id']}", small=one["id"][:8]), _cell(_code(node, one["author"])), _cell(one["index"]), _cell(_utc(one["at"]))]}
        for one in view["results"]
    ]  # fmt: skip
    void = [[one["kind"], f"{one['origin']} #{one['index']}", one["why"]] for one in view["void"]]
    more = (
        [
            {
                "title": "Void",
                "small": "stands in a ledger and has no effect",
                "heads": ("Kind", "Where", "Why"),
                "rows": void,
            }
        ]
        if void
        else []
    )
    hidden = (
        sum(scan.size for scan in node.register.scans.values() if not scan.sparse) - view["total"] - len(view["void"])
    )
    lede = f"{view['total']} acts are open to this node" + (
        f"; {hidden} entries stand in the ledgers that are not." if hidden > 0 else "."
    )
    return _list(
        "Acts", lede, ("Act", "By", "Entry#", "At (UTC)"), rows, ("No act yet.", "relto act propose charter DIR"), more
    )


def _utc(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _act(node: Node, view: View, query: Query) -> tuple[str, Row]:
    stated = node.register.act(view["id"])
    sections: list[Row] = [
        {"title": "In words", "rows": [], "text": "\n".join(officer.reading(stated.act))},
        {"title": "Where it stands", "rows": [("Ledger", view["log"]), ("Entry", view["index"]), ("At", _utc(view["at"])), ("Id", hexes(view["id"], 64)),
                                              ("Signed by", ", ".join(sorted({key.partition("+")[0] for key in view["signatures"]})))],
         "links": [(f"/proposals/{view['id']}", "votes")] if "proposal" in view else []},
    ]  # fmt: skip
    lede = f"Void: {view['void']}." if view["void"] else f"By {_name(node, view['author'])}."
    return "facts.html", {
        "title": _sentence(view["kind"]),
        "crumb": ("/acts", "Acts"),
        "lede": lede,
        "sections": sections,
    }


def _releases(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [
            _cell(one["id"][:8], f"/acts/{one['id']}"), _cell(one["item"]), _cell(f"{one['organisation']}", small=one["person"][:8]), _cell("; ".join(one["authorities"])),
            _cell(_utc(one["at"])), _cell(", ".join(f"{_code(node, r['party'])} {r['outcome']}" for r in one["receipts"]) or "unfetched: no receipt"),
        ]} for one in view["results"]
    ]  # fmt: skip
    return _list("Releases", "Each covers one share of one key, and stood in the ledger before the key left.", ("Release", "Item", "To", "Authority", "At (UTC)", "Receipt"), rows,
                 ("No release is open to this node.", "A key is released when a package is opened."))  # fmt: skip


def _recalls(node: Node, view: View, query: Query) -> tuple[str, Row]:
    today = view["day"]
    rows = [
        {"late": one["state"] == "overdue", "cells": [
            _cell(f"{one['order']} {one['item']}", f"/acts/{one['release']}"), _cell(state=one["state"]), _cell(_code(node, one["owner"])), _cell(_code(node, one["holder"])),
            _cell(one["by"]), _cell(_days(today, one["by"])), _cell(f"act {one['because'][:8]}", f"/acts/{one['because']}"),
        ]} for one in view["results"]
    ]  # fmt: skip
    return _list("Recalls", "Orders over what was handed out, and who has answered.", ("Order", "State", "Owner", "Held by", "Answer by", "Days left#", "Because"), rows,
                 ("No order is open.", "A suspension or a recall opens one for each thing that was handed out."))  # fmt: skip


# ---- ask ------------------------------------------------------------------------------------------------------------------------

IS = {"yes": "permit", "no": "deny", "unknown": "undetermined"}


def _ask(node: Node, view: View, query: Query) -> tuple[str, Row]:
    register = node.register
    charter = register.charter
    declared = [f"{one.recipient.organisation}#{one.id[:6]}" for one in rosters(register)]
    orgs = [one.recipient.organisation for one in rosters(register)]
    people_ = (
        [one.alias for one in people(node)]
        + sorted({o for o in orgs if orgs.count(o) == 1})
        + sorted({d for d in declared if orgs.count(d.partition("#")[0]) > 1})
    )
    values: Row = {
        "title": "Ask: may X have Y?", "people": people_, "things": sorted(register.items),
        "purposes": [(one.id, one.name) for one in charter.purposes] if charter else [],
        "query": {name: query.get(name, "") for name in ("who", "item", "purpose", "place", "at")}, "rules": [], "counts": "", "ways": [], "about": [], "says": "",
    }  # fmt: skip
    if view["answer"] is None:
        return "ask.html", values
    question = view["question"]
    to = msgspec.convert(question["to"], RecipientClass)
    words = law_words(register, view["day"])
    rules = _tree(node, view, question, words)
    values["rules"] = rules
    counted = [row["is"] for row in rules]
    values["counts"] = ", ".join(
        f"{counted.count(word)} {says}"
        for word, says in (("permit", "hold"), ("deny", "fail"), ("undetermined", "not known"))
        if counted.count(word)
    )
    sets = sorted({one["set"] for one in view["changes"]})
    values["ways"] = [
        [{"needs": one["needs"], "by": _code(node, one["from"])} for one in view["changes"] if one["set"] == number]
        for number in sets
    ]
    failing = [row for row in rules if row["is"] != "permit"]
    verb = {"permit": "may receive", "deny": "may not receive", "undetermined": "may or may not receive"}[
        view["answer"]
    ]
    values["says"] = f"{to.organisation} ({_code(node, to.party)}) {verb} {question['item']}@{question['version']}" + (
        f": {failing[0]['says'][:1].lower()}{failing[0]['says'][1:]}." if failing else "."
    )
    item = register.item(question["item"], question["version"])
    nations = "/".join(to.nationalities) if isinstance(to.nationalities, tuple) else "not stated"
    values["about"] = [
        ("Item", f"{item.id}@{item.version}, {item.facts.title}"), ("Person", f"{to.organisation}, {nations}"), ("Use", f"{question['purpose']}, in {question['place']}"),
        ("Decision", hexes(view["id"])),
    ]  # fmt: skip
    return "ask.html", values


def _tree(node: Node, view: View, question: View, words: Mapping[str, str]) -> list[Row]:
    """Findings as a tree: a rule id with a slash is a part of the one before it. What fails comes first and is open."""
    from relto.law import Finding, Three
    from relto.release import Question
    from relto.release.words import sentence

    asked = msgspec.convert({**question}, Question)
    top: list[Row] = []
    known: dict[str, Row] = {}
    for one in view["findings"]:
        finding = Finding(
            rule=one["rule"],
            clause=one["clause"],
            value=Three(one["value"]),
            deny_code=one.get("code", ""),
            cite=one["cite"],
        )
        says = words.get(one["rule"]) if "/" in one["rule"] else None
        row = {"is": IS[one["value"]], "says": says or sentence(node.register, asked, finding), "parts": [], "cite": one["cite"] or (f"charter {one['clause']}" if one["clause"] else ""),
               "facts": [_fact(fact) for fact in one["facts"] if fact["value"] is None or one["value"] != "yes"][:8]}  # fmt: skip
        row["says"] = _sentence(str(row["says"]))
        row["open"] = row["is"] != "permit"
        known[one["rule"]] = row
        parent = one["rule"].rpartition("/")[0]
        while parent and parent not in known:
            parent = parent.rpartition("/")[0]
        (known[parent]["parts"] if parent else top).append(row)
    order = {"deny": 0, "undetermined": 1, "permit": 2}
    return sorted(top, key=lambda row: order[str(row["is"])])


def _fact(fact: View) -> str:
    value = (
        "not known"
        if fact["value"] is None
        else ", ".join(map(str, fact["value"]))
        if isinstance(fact["value"], list)
        else str(fact["value"])
    )
    return (
        f"{fact['name']}: {value or 'none'}"
        + (f" ({fact['why']})" if fact.get("why") else "")
        + (f", act {fact['act'][:8]}" if fact["act"] else "")
    )


SHAPES: Mapping[str, Shape] = {
    "overview": _overview, "projects": _projects, "project": _project, "engagements": _engagements, "proposals": _proposals, "proposal": _proposal, "items": _items,
    "item": _item, "acts": _acts, "act": _act, "ask": _ask, "releases": _releases, "recalls": _recalls,
}  # fmt: skip


# ---- buttons of the demo ---------------------------------------------------------------------------------------------------------


def press(node: Node, name: str, fields: Mapping[str, str]) -> str:
    """Signs with the key files beside a demo node; returns where to go next. Raises: Refused, NotFound."""
    proposal = fields.get("proposal", "")
    slot = node.register.slots.get(proposal)
    if slot is None:
        raise NotFound("there is no such proposal here")
    if name == "vote" and fields.get("vote") == "consent":
        sight = (
            {"sight": node.register.acks[node.me][0]}
            if node.me in node.register.acks and slot.stated.act.partnership is not msgspec.UNSET
            else {}
        )
        draft = node.draft("consent", proposal=proposal, **sight)
    elif name == "vote" and fields.get("vote") == "refuse":
        draft = node.draft("refuse", proposal=proposal, reason="Refused on the page of the demonstration")
    elif name == "suspend":
        draft = node.draft("suspend", engagement=proposal, reason="Suspended on the page of the demonstration")
    else:
        raise Refused("this button is not one of the page")
    keys = node.register.scans[node.origin].keys
    assert keys is not None
    request = officer.request(draft, keys)
    node.submit(officer.envelope(officer.sign(request, officer.offline_signers(Path(directory_of(node)), request))))
    return f"/proposals/{proposal}"
