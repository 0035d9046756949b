"""What lies ahead: candidates by stage, what lapses or falls due, a withdrawal rehearsed, and how the ledgers stand.

Nothing here gives a right, and nothing here looks as if it did: what is proposed or rehearsed is dashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from relto.node.node import Node
from relto.pages.words import Query, Row, Shape, View, capital, cell, code_of, counted, days_to, hexes, list_, name_of

ORDER = ("floated", "considered", "consulting", "proposed", "in_force", "suspended")
OVER = {"lapsed": "ended", "ended": "ended", "not_begun": "proposed"}
SIGN = {"yes": "permit", "no": "deny", "unknown": "undetermined"}
TAG = {"proposed": "proposed", "in_force": "engaged", "suspended": "suspended"}


def _pipeline(node: Node, view: View, query: Query) -> tuple[str, Row]:
    today, rows = view["day"], view["results"]
    open_ = [one for one in rows if one["stage"] == "proposed"]
    mine = [one for one in open_ if node.me in one["missing"]]
    stand = f"{counted(len({one['party'] for one in rows}), 'candidate')}" if rows else "Nobody is named as a candidate"
    waits = f"{len(mine)} of them for {name_of(node, node.me)}" if mine else f"none for {name_of(node, node.me)}"
    first = f"{counted(len(open_), 'proposal')} open, {waits}." if open_ else "No proposal is open."
    shown = []
    for one in rows:
        at = ORDER.index(one["stage"]) if one["stage"] in ORDER else len(ORDER)
        shown.append(
            {
                **one,
                "cells": ["past" if n < at else "here" if n == at else "" for n in range(len(ORDER))],
                "over": one["stage"].replace("_", " ") if at == len(ORDER) else "",
                "since": one["since"] or max((said["date"] for said in one["evidence"]), default=""),
                "is": TAG.get(one["stage"], ""),
                "lacks": _lacks(node, one, today),
                "for": one["project"] or "no project named",
            }
        )
    names = {one["party"]: one["name"] for one in rows}
    chosen = next((one for one in shown if one["party"] == query.get("party")), None)
    return "pipeline.html", {
        "title": "Pipeline", "lede": f"{first} {stand}. Evidence moves opinion; only acts move rights.", "rows": shown, "stages": [one.replace("_", " ") for one in ORDER],
        "chosen": chosen, "sign": SIGN, "members": sorted(node.register.members), "codes": {one: code_of(node, one) for one in node.register.parties},
        "by": query.get("by", ""), "paths": [_path(names, one) for one in view.get("paths", ()) if not chosen or one["party"] == chosen["party"]], "windows": _windows(node, today),
    }  # fmt: skip


def _lacks(node: Node, one: View, today: str) -> str:
    if one["missing"]:
        by = f" by {one['by']}, {days_to(today, one['by'])} days" if one["by"] else ""
        return f"consent of {', '.join(code_of(node, party) for party in one['missing'])}{by}"
    if one["waiting"]:
        return f"confirmation by {', '.join(code_of(node, party) for party in one['waiting'])}"
    failing = [
        f"{criterion['name']}: fails at {', '.join(code_of(node, pair['member']) for pair in criterion['pairs'] if pair['holds'] != 'yes') or 'itself'}"
        for criterion in one["criteria"] if criterion["holds"] == "no"
    ]  # fmt: skip
    return "; ".join(failing) or one["why"]


def _path(names: Mapping[str, str], one: View) -> Row:
    """Reachable is no right yet: only what is in force as it stands looks like one."""
    who = names[one["party"]] + (f", {one['engagement']}" if one["engagement"] else "")
    stands = one["reachable"] and not one["steps"]
    return {**one, "who": who, "is": "permit" if stands else "provisional" if one["reachable"] else "deny"}


def _windows(node: Node, today: str) -> list[Row]:
    charter = node.register.charter
    rows = [
        {"code": code_of(node, one.party), "what": one.what, "date": one.date, "left": days_to(today, one.date), "latest": one.latest, "clause": one.clause}
        for one in (charter.windows if charter else ())
    ]  # fmt: skip
    return sorted(rows, key=lambda row: str(row["date"]))


def _outlook(node: Node, view: View, query: Query) -> tuple[str, Row]:
    today = view["day"]
    rows = [
        {"late": one["kind"] == "overdue", "cells": [
            cell(one["day"] or "waits now"), cell(days_to(today, one["day"]) if one["day"] else ""), cell(one["kind"]),
            cell(one["what"], f"/acts/{one['act']}" if one["act"] else "", small=f"charter {one['clause']}" if one["clause"] else ""),
            cell(", ".join(code_of(node, party) for party in one["whose"])), cell("; ".join(one["at_risk"])),
        ]} for one in view["results"]
    ]  # fmt: skip
    mine = sum(node.me in one["whose"] for one in view["results"])
    late = sum(one["kind"] == "overdue" for one in view["results"])
    lede = f"{mine} of {view['count']} wait for {name_of(node, node.me)}" + (f", {late} are overdue." if late else ".")
    return list_("Outlook", lede, ("Day", "Days left#", "It", "What", "Who must act", "At risk"), rows,
                 ("Nothing lapses, nothing is due, nobody is waited for.", "Terms, votes, orders and elections would stand here."))  # fmt: skip


def _withdrawal(node: Node, view: View, query: Query) -> tuple[str, Row]:
    members = [(party, capital(name_of(node, party))) for party in sorted(node.register.members)]
    chosen = query.get("party") or (members[0][0] if members else "")
    values: Row = {
        "title": "Withdrawal",
        "members": members,
        "party": chosen,
        "on": query.get("on") or "",
        "tables": [],
    }
    if view.get("lost") is None:
        return "withdrawal.html", {
            **values,
            "lede": "Rehearsed, not done: what stops, what survives and what must come back.",
        }
    name, stops = name_of(node, view["party"]), len({one["item"] for one in view["lost"]})
    values["lede"] = (
        f"If {name} gave notice on {view['on']} it would leave on {view['effective']}. {counted(len(view['lost']), 'pair')} of item and class of people stop, {view['kept']} go on."
    )
    values["title"] = f"Withdrawal: {name}"
    values["tally"] = (
        ("Stops", counted(stops, "item"), f"and the keys to {counted(len(view['keys']), 'package')}, for {counted(view['people'], 'person', 'people')}; {counted(view['lapses'], 'pair')} would end by themselves before"),
        ("Survives", counted(view["kept"], "pair"), f"of item and class of people, and {counted(len(view['duties']), 'duty', 'duties')} that bind it after it has left"),
        ("Returns", counted(len(view["returns"]), "copy", "copies"), "to be asked back by their owners, return or destroy"),
    )  # fmt: skip
    lost = [(one["item"], one["recipient"]["organisation"], code_of(node, one["recipient"]["party"]), one["heads"]) for one in view["lost"]]  # fmt: skip
    values["tables"] = [
        _table("What survives", "by clause, from the day it is out", ("Clause", "Duty"), ((f"charter {one['clause']}", one["says"]) for one in view["duties"]), "The charter names no duty."),
        _table("What stops", f"{len(lost)} pairs, complete over declared rosters", ("Item", "Organisation", "Party", "People#"), lost, "Nothing that holds today rests on it."),
        _table("Copies to return or destroy", f"{len(view['returns'])}", ("Item", "Held by", "Release"), ((one["item"], code_of(node, one["holder"]), one["release"][:8]) for one in view["returns"]), "Nothing was handed out across its border."),
        _table("What it said that ends", "", ("Kind", "Which"), [*(("engagement it consented to", one) for one in view["engagements"]), *(("attestation", one[:8]) for one in view["attestations"]), *(("licence", one[:8]) for one in view["licences"])], "Nothing."),
    ]  # fmt: skip
    return "withdrawal.html", values


def _table(title: str, small: str, heads: tuple[str, ...], rows: Iterable[tuple[object, ...]], empty: str) -> Row:
    shown = [{"word": head.rstrip("#"), "num": head.endswith("#")} for head in heads]
    return {"title": title, "small": small, "heads": shown, "rows": list(rows), "empty": empty}


def _ledgers(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {"late": bool(one["problem"] or one["frozen"]), "cells": [
            cell(f"{one['name']}{', ours' if one['us'] else ''}"), cell(f"{one['entries']:,}"), cell(f"{one['confirmed']:,}"), cell(len(one["owed"])),
            cell("ours" if one["us"] else one["mirror"]["state"] if one["mirror"] else "", small="" if one["us"] or not one["mirror"] else one["mirror"]["words"]),
            cell(hexes(view["sight"].get(one["origin"], {}).get("root", ""))), cell(one["origin"]),
        ]} for one in view["results"]
    ]  # fmt: skip
    bad = [one for one in view["results"] if one["problem"] or one["frozen"]]
    lede = (
        f"{capital(name_of(node, bad[0]['id']))}: {bad[0]['problem'] or bad[0]['frozen']}."
        if bad
        else f"{len(rows)} ledgers, no fork, no rewind."
    )
    _, values = list_("Ledgers", lede, ("Of", "Entries#", "Confirmed#", "Owed to us#", "Standing", "Root", "Origin"), rows,
                 ("No ledger is held here.", "relto node join pins a party and its ledger."))  # fmt: skip
    return "ledgers.html", {**values, "thing": query.get("thing", ""), "found": view.get("verified")}


SHAPES: Mapping[str, Shape] = {
    "pipeline": _pipeline,
    "outlook": _outlook,
    "withdrawal": _withdrawal,
    "ledgers": _ledgers,
}
