"""Lists, facts, the overview and a proposal: which rows each page has and what it says first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from relto.node import officer
from relto.node.node import Node
from relto.pages.words import (
    Query,
    Row,
    Shape,
    View,
    capital,
    cell,
    code_of,
    days_to,
    hexes,
    list_,
    name_of,
    rel_of,
    title_of,
    utc,
)


def _overview(node: Node, view: View, query: Query) -> tuple[str, Row]:
    today = view["day"]
    open_ = [{**one, "title": title_of(node, one), "missing_codes": ", ".join(code_of(node, p) for p in one["missing"]),
              "waiting_codes": ", ".join(code_of(node, p) for p in one["waiting"])} for one in view["proposals"] if one["state"] in {"open", "provisional"}]  # fmt: skip
    tasks = [
        {"href": f"/proposals/{one['id']}", "what": f"Consent or refuse: {one['title']}", "due": "", "late": False, "why": "Either answer is final"}
        for one in open_ if node.me in one["missing"]
    ]  # fmt: skip
    for one in view["recalls"]:
        if one["holder"] == node.me and one["state"] != "answered":
            left = days_to(today, one["by"])
            tasks.append({"href": "/recalls", "what": f"Answer an order to {one['order']} {one['item']}", "due": f"{left} days left" if left >= 0 else f"{-left} days late",
                          "late": left < 0, "why": f"{code_of(node, one['owner'])} owns it; the order stands since act {one['because'][:8]}"})  # fmt: skip
    for party in view["parties"]:
        party["age"] = "" if party["us"] or party["age_s"] is None else _age(party["age_s"])
        engaged = [e for e in node.register.engagements.values() if e.terms.party == party["id"]]
        party["standing"] = (
            engaged[-1].state(today).replace("_", " ") if engaged and party["grade"] == "introduced" else party["grade"]
        )
    windows = sorted(
        ({**one, "code": code_of(node, one["party"]), "left": days_to(today, one["date"])} for one in view["windows"]), key=lambda one: str(one["date"])
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
            f"One vote waits for {name_of(node, node.me)}: {waiting[0]['title']}."
            if len(waiting) == 1
            else f"{len(waiting)} votes wait for {name_of(node, node.me)}."
        )
    if tasks:
        return f"{capital(name_of(node, node.me))} has {len(tasks)} orders to answer."
    stopped = [one for one in node.register.engagements.values() if one.suspended]
    if stopped:
        return f"The engagement of {name_of(node, stopped[0].terms.party)} in {stopped[0].terms.project} is suspended by {name_of(node, stopped[0].suspended[0][0])}. Nothing waits for you."
    return "Nothing waits for you, and nothing has stopped."


def _age(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _projects(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [
            cell(one["name"], f"/projects/{one['id']}"), cell("closed" if one["access"] == "closed" else "open by project"),
            cell(", ".join(code_of(node, p) for p in one["participants"])),
            cell(", ".join(f"{code_of(node, e['party'])} {e['state'].replace('_', ' ')}" for e in one["engaged"])), cell(len(one["items"])), cell(f"charter {one['clause']}"),
        ]} for one in view["results"]
    ]  # fmt: skip
    engaged = [one for one in view["results"] if any(e["state"] == "in_force" for e in one["engaged"])]
    lede = f"{view['count']} projects. " + (
        f"Another state takes part in {len(engaged)}." if engaged else "No other state takes part in one."
    )
    return list_(
        "Projects",
        lede,
        ("Project", "Pillar", "Members", "Others", "Items#", "Clause"),
        rows,
        ("The charter names no project.", "A charter amendment adds one."),
    )


def _project(node: Node, view: View, query: Query) -> tuple[str, Row]:
    sections = [
        {"title": "Terms", "rows": [("Pillar", f"{view['pillar']}, {view['access'].replace('_', ' ')}"), ("Areas", ", ".join(view["areas"]) or "none"),
                                    ("Members", ", ".join(name_of(node, p) for p in view["participants"])), ("Clause", f"charter {view['clause']}"),
                                    ("Running", "yes" if view["running"] else "no")]},
        {"title": "Others", "rows": [(name_of(node, one["party"]), f"{one['state'].replace('_', ' ')}, {one['role']}, up to {', '.join(one['ceiling'])}, {one['from']} to {one['to'] or 'no end'}")
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
            cell(f"{capital(name_of(node, one['party']))} in {one['project']}", f"/proposals/{one['proposal']}"), cell(state=one["state"]), cell(", ".join(one["areas"])),
            cell(", ".join(one["ceiling"])), cell(one["from"]), cell(one["to"] or "no end"),
            cell(", ".join(f"{code_of(node, s['party'])} (act {s['act'][:8]})" for s in one["suspended"])),
        ]} for one in view["results"]
    ]  # fmt: skip
    return list_("Engagements", "Another state's part in one project. It is no membership: rights of that project and no others.",
                 ("Engagement", "State", "Areas", "Ceiling", "From", "To", "Suspended by"), rows, ("No state is engaged.", "Any member may propose it: relto act propose engage …"))  # fmt: skip


def _proposals(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [
            cell(capital(title_of(node, one)), f"/proposals/{one['id']}"), cell(state=one["state"]), cell(code_of(node, one["author"])),
            cell(", ".join(code_of(node, v["party"]) for v in one["votes"] if v["vote"] == "consent" and not v["void"])), cell(", ".join(code_of(node, p) for p in one["missing"])),
        ]} for one in view["results"]
    ]  # fmt: skip
    return list_("Proposals", "A proposal gives no right, and neither does one whose votes are not yet confirmed.", ("Proposal", "State", "By", "Consents", "Missing"), rows,
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
                    "name": capital(name_of(node, party)),
                    "says": "has not voted",
                    "small": "",
                }
            )
        elif not vote["confirmed"] and view["state"] != "in_force":
            ballots.append({"is": "provisional", "shape": "provisional", "name": capital(name_of(node, party)), "says": f"{vote['vote']}s",
                            "small": f"act {vote['act'][:8]}; not yet confirmed by the members' ledgers"})  # fmt: skip
        else:
            ballots.append(
                {
                    "is": vote["vote"],
                    "shape": vote["vote"],
                    "name": capital(name_of(node, party)),
                    "says": f"{vote['vote']}s",
                    "small": f"act {vote['act'][:8]}",
                }
            )
    given, needed = len(by_party), len(view["voters"])
    lede = f"{capital(name_of(node, view['author']))} proposed it. {given} of {needed} votes are given."
    stopped = sorted({d.author for d in node.register.denials if d.subject == view["id"] and d.kind == "suspend"})
    if stopped:
        lede += f" Suspended since by {', '.join(name_of(node, party) for party in stopped)}."
    if view["why"]:
        lede += f" It {view['why']}."
    register = node.register
    in_force = view["state"] == "in_force" and view["what"]["is"] == "engage"
    suspended = any(d.author == node.me and d.subject == view["id"] and d.kind == "suspend" for d in register.denials)
    return "proposal.html", {
        "title": capital(title_of(node, view)), "lede": lede, "ballots": ballots, "changes": _changes(node, view["what"]),
        "settled": ", ".join(f"{code_of(node, p)} ({word.replace('_', ' ')})" for p, word in view["settled"].items()),
        "may_vote": node.config.demo and view["state"] in {"open", "provisional"} and node.me in view["missing"],
        "may_suspend": node.config.demo and in_force and not suspended and node.me in register.members,
    }  # fmt: skip


def _changes(node: Node, what: View) -> list[tuple[str, str]]:
    if what["is"] == "engage":
        term = what["term"]
        found = [
            ("who takes part", f"{capital(name_of(node, what['party']))} takes part in {what['project']} as {what['role']}. It is not a member: no vote, no view of other projects."),
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
            cell(f"{one['id']}@{one['version']}", f"/items/{one['id']}@{one['version']}"), cell(one["title"]), cell(", ".join(one["label"]["levels"])), cell(rel_of(one)),
            cell(one["project"]), cell("who", f"/who?item={one['id']}@{one['version']}"), cell("ask", f"/ask?item={one['id']}"),
        ]} for one in view["results"]
    ]  # fmt: skip
    return list_("Items", "Only what this node may know exists.", ("Item", "Title", "Level", "Releasable to", "Project", "", ""), rows,
                 ("No item is open to this node.", "An owner registers one: relto act register …"))  # fmt: skip


def _item(node: Node, view: View, query: Query) -> tuple[str, Row]:
    entries = (
        "; ".join(f"{j}: {', '.join(found) or 'none'}" for j, found in sorted(view["entries"].items())) or "not stated"
    )
    sections = [
        {"title": "Marking", "rows": [("Levels", ", ".join(view["label"]["levels"])), ("Releasable to", rel_of(view)), ("Tags", ", ".join(view["label"]["tags"]) or "none")]},
        {"title": "Facts", "rows": [("Owner", name_of(node, view["owner"])), ("Organisation", view["organisation"]), ("Project", view["project"]), ("Areas", ", ".join(view["areas"]) or "none"),
                                    ("Control entries", entries), ("Origins", ", ".join(view["origins"]) if view["origins"] is not None else "not stated"), ("Nature", view["nature"].replace("_", " "))],
         "links": [(f"/acts/{view['act']}", "register act"), (f"/acts/{view['label_act']}", "label act"), (f"/who?item={view['id']}@{view['version']}", "who may have it"), (f"/audience?item={view['id']}@{view['version']}", "audience sheet"), (f"/ask?item={view['id']}", "ask for one")]},
    ]  # fmt: skip
    return "facts.html", {
        "title": view["title"],
        "crumb": ("/items", "Items"),
        "lede": f"{view['id']}@{view['version']}" + (", retired" if view["retired"] else ""),
        "sections": sections,
    }


def _acts(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [cell(one["kind"], f"/acts/{one['id']}", small=one["id"][:8]), cell(code_of(node, one["author"])), cell(one["index"]), cell(utc(one["at"]))]}
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
    return list_(
        "Acts", lede, ("Act", "By", "Entry#", "At (UTC)"), rows, ("No act yet.", "relto act propose charter DIR"), more
    )


def _act(node: Node, view: View, query: Query) -> tuple[str, Row]:
    stated = node.register.act(view["id"])
    sections: list[Row] = [
        {"title": "In words", "rows": [], "text": "\n".join(officer.reading(stated.act))},
        {"title": "Where it stands", "rows": [("Ledger", view["log"]), ("Entry", view["index"]), ("At", utc(view["at"])), ("Id", hexes(view["id"], 64)),
                                              ("Signed by", ", ".join(sorted({key.partition("+")[0] for key in view["signatures"]})))],
         "links": [(f"/proposals/{view['id']}", "votes")] if "proposal" in view else []},
    ]  # fmt: skip
    lede = f"Void: {view['void']}." if view["void"] else f"By {name_of(node, view['author'])}."
    return "facts.html", {
        "title": capital(view["kind"]),
        "crumb": ("/acts", "Acts"),
        "lede": lede,
        "sections": sections,
    }


def _releases(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": False, "cells": [
            cell(one["id"][:8], f"/acts/{one['id']}"), cell(one["item"]), cell(f"{one['organisation']}", small=one["person"][:8]), cell("; ".join(one["authorities"])),
            cell(utc(one["at"])), cell(", ".join(f"{code_of(node, r['party'])} {r['outcome']}" for r in one["receipts"]) or "unfetched: no receipt"),
        ]} for one in view["results"]
    ]  # fmt: skip
    return list_("Releases", "Each covers one share of one key, and stood in the ledger before the key left.", ("Release", "Item", "To", "Authority", "At (UTC)", "Receipt"), rows,
                 ("No release is open to this node.", "A key is released when a package is opened."))  # fmt: skip


def _recalls(node: Node, view: View, query: Query) -> tuple[str, Row]:
    today = view["day"]
    rows = [
        {"late": one["state"] == "overdue", "cells": [
            cell(f"{one['order']} {one['item']}", f"/acts/{one['release']}"), cell(state=one["state"]), cell(code_of(node, one["owner"])), cell(code_of(node, one["holder"])),
            cell(one["by"]), cell(days_to(today, one["by"])), cell(f"act {one['because'][:8]}", f"/acts/{one['because']}"),
        ]} for one in view["results"]
    ]  # fmt: skip
    return list_("Recalls", "Orders over what was handed out, and who has answered.", ("Order", "State", "Owner", "Held by", "Answer by", "Days left#", "Because"), rows,
                 ("No order is open.", "A suspension or a recall opens one for each thing that was handed out."))  # fmt: skip


SHAPES: Mapping[str, Shape] = {
    "overview": _overview, "projects": _projects, "project": _project, "engagements": _engagements, "proposals": _proposals, "proposal": _proposal, "items": _items,
    "item": _item, "acts": _acts, "act": _act, "releases": _releases, "recalls": _recalls,
}  # fmt: skip
