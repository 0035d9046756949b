"""The answer, why, and what would change it; everyone who may have an item, everything that one may have."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from relto.acts import RecipientClass
from relto.node.node import Node
from relto.node.people import people
from relto.pages.words import Query, Row, Shape, View, capital, cell, code_of, counted, hexes, list_
from relto.release import rosters
from relto.release.words import law_words, sentence

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
        "query": {name: query.get(name, "") for name in ("who", "item", "purpose", "place", "at")}, "rules": [], "counts": "", "ways": [], "ends": [], "about": [], "says": "",
    }  # fmt: skip
    if view["answer"] is None:
        return "ask.html", values
    question = view["question"]
    to = msgspec.convert(question["to"], RecipientClass)
    words = law_words(register, view["day"])
    rules = _tree(node, view, question, words)
    values["rules"] = rules
    values["ends"] = [
        {"needs": one["needs"], "by": code_of(node, one["from"]) if one["from"] else "", "on": one["on"] or "", "act": one["act"]}
        for one in view["ends"]
    ]  # fmt: skip
    counted = [row["is"] for row in rules]
    values["counts"] = ", ".join(
        f"{counted.count(word)} {says}"
        for word, says in (("permit", "hold"), ("deny", "fail"), ("undetermined", "not known"))
        if counted.count(word)
    )
    sets = sorted({one["set"] for one in view["changes"]})
    values["ways"] = [
        [{"needs": one["needs"], "by": code_of(node, one["from"])} for one in view["changes"] if one["set"] == number]
        for number in sets
    ]
    failing = [row for row in rules if row["is"] != "permit"]
    verb = {"permit": "may receive", "deny": "may not receive", "undetermined": "may or may not receive"}[
        view["answer"]
    ]
    values["says"] = (
        f"{to.organisation} ({code_of(node, to.party)}) {verb} {question['item']}@{question['version']}"
        + (f": {failing[0]['says'][:1].lower()}{failing[0]['says'][1:]}." if failing else ".")
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
        row["says"] = capital(str(row["says"]))
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


# ---- asked backwards ---------------------------------------------------------------------------------------------------


def _who(node: Node, view: View, query: Query) -> tuple[str, Row]:
    item = query["item"]
    rows = [
        {"late": False, "cells": [
            *_people(node, one), cell(f"{one['heads']:,}"), cell(one["until"] or "no end"), cell("why", _asking(one, item)),
        ]} for one in view["results"]
    ]  # fmt: skip
    lede = f"{counted(view['people'], 'person', 'people')} in {counted(view['count'], 'class', 'classes')} may have it, by declared rosters."
    return list_(f"Who may have {item}", lede, ("Organisation", "Party", "Nationality", "Cleared", "People#", "Until", ""), rows,
                 ("Nobody may have it today.", "The audience sheet and a question to one recipient say what is missing."), following=_next("/who", query, view))  # fmt: skip


def _what(node: Node, view: View, query: Query) -> tuple[str, Row]:
    who = query["who"]
    rows = [
        {"late": False, "cells": [
            cell(one["item"], f"/items/{one['item']}"), cell(one["until"] or "no end"), cell("why", "/ask?" + urlencode({"who": who, "item": one["item"]})),
        ]} for one in view["results"]
    ]  # fmt: skip
    return list_(f"What {who} may have", f"{counted(view['count'], 'item')} open to this node, each decided today.", ("Item", "Until", ""), rows,
                 ("Nothing today.", "relto what WHO --missing PROJECT says what stands between, and who gives it."), following=_next("/what", query, view))  # fmt: skip


def _sheet(node: Node, view: View, query: Query) -> tuple[str, Row]:
    rows = [
        {
            "late": False,
            "cells": [*_people(node, one), cell(f"{one['heads']:,}"), cell("first time" if one["first"] else "")],
        }
        for one in view["to"]
    ]
    first = sum(one["heads"] for one in view["to"] if one["first"])
    lede = (
        f"{counted(view['people'], 'person', 'people')} in {counted(view['count'], 'class', 'classes')} could have it, {first:,} of them for the first time, on what is determined and licensed today."
        if rows
        else f"{capital(view['why'])}."
    )
    shown = {**view, "complete": True}
    template, values = list_(f"Audience of {view['item']}", lede, ("Organisation", "Party", "Nationality", "Cleared", "People#", "Note"), rows,
                             ("Nobody could have it.", "Sealing it or labelling it so is refused: a package for nobody is a mistake."))  # fmt: skip
    return template, {**values, "shown": shown}


def _people(node: Node, one: View) -> list[Row]:
    to = one["recipient"]
    held = to.get("clearance")
    return [
        cell(to["organisation"], small=one["class"][:6]),
        cell(code_of(node, to["party"])),
        cell("/".join(to.get("nationalities", ())) or "not stated"),
        cell(f"{held['system']} {held['level']}" if held else "not stated"),
    ]


def _asking(one: View, item: str) -> str:
    return "/ask?" + urlencode({"who": f"{one['recipient']['organisation']}#{one['class'][:12]}", "item": item})


def _next(path: str, query: Query, view: View) -> str:
    return f"{path}?{urlencode({**query, 'cursor': view['next']})}" if view["next"] else ""


SHAPES: Mapping[str, Shape] = {"ask": _ask, "who": _who, "what": _what, "sheet": _sheet}
