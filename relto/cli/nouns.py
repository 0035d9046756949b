"""`relto party`, `project`, `engagement`: what stands in the register, listed and shown."""

from __future__ import annotations

import argparse
import time
from typing import Any

import msgspec

from relto.cli import engagements
from relto.cli.main import common, emit, node_dir
from relto.cli.show import table, view_lines
from relto.errors import NotFound
from relto.node import views
from relto.node.home import open_node
from relto.node.watch import standings


def add(commands: Any) -> None:
    for noun, list_call, show_call in (
        ("party", _party_list, _party_show),
        ("project", _project_list, _project_show),
        ("engagement", _engagement_list, _engagement_show),
    ):
        verbs = commands.add_parser(noun).add_subparsers(dest="verb", metavar="VERB", required=True)
        if noun == "engagement":
            engagements.add_verbs(verbs)
        common(verbs.add_parser("list")).set_defaults(call=list_call)
        show = common(verbs.add_parser("show"))
        show.add_argument("id")
        show.set_defaults(call=show_call)


def _now() -> int:
    return int(time.time() * 1000)


def _party_list(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, now = node.register, _now()
    mirrors = standings(node)
    rows = [views.party_view(register, party, now, node.problems(), mirrors) for party in sorted(register.parties)]
    lines = table(
        [
            (
                r["id"],
                r["name"],
                r["grade"],
                r["entries"],
                r["confirmed"],
                r["age_s"],
                r["problem"] or r["frozen"] or _late(r),
            )
            for r in rows
        ],
        ("id", "name", "grade", "entries", "confirmed", "seen s ago", "problem"),
    )
    emit(views.listing(register, now, rows), as_json=options.json, lines=lines)
    return 0


def _late(row: dict[str, Any]) -> str:
    mirror = row["mirror"]
    return "" if mirror is None or mirror["state"] == "current" else f"{mirror['state']}: {mirror['words']}"


def _party_show(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    view = views.party_view(node.register, options.id, _now(), node.problems(), standings(node))
    roster = node.register.rosters.get(options.id)
    view["roster"] = [] if roster is None else [msgspec.to_builtins(one) for one in roster.terms.classes]
    emit(view, as_json=options.json, lines=view_lines(view))
    return 0


def _project_list(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    rows = views.project_views(register, _now())
    lines = table(
        [
            (
                r["id"],
                r["pillar"],
                r["access"],
                ", ".join(r["participants"]),
                ", ".join(e["party"] for e in r["engaged"]),
            )
            for r in rows
        ],
        ("id", "pillar", "access", "participants", "engaged"),
    )
    emit(views.listing(register, _now(), rows), as_json=options.json, lines=lines)
    return 0


def _project_show(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    found = [one for one in views.project_views(register, _now()) if one["id"] == options.id]
    if not found:
        raise NotFound(f"no project `{options.id[:80]}`", hint="`relto project list` shows them")
    emit(found[0], as_json=options.json, lines=view_lines(found[0]))
    return 0


def _engagement_list(options: argparse.Namespace) -> int:
    register, now = open_node(node_dir(options)).register, _now()
    rows = [views.engagement_view(register, one, now) for one in register.engagements.values()]
    lines = table(
        [(r["id"], r["party"], r["project"], r["state"], r["from"], r["to"], ", ".join(r["ceiling"])) for r in rows],
        ("id", "party", "project", "state", "from", "to", "ceiling"),
    )
    emit(views.listing(register, now, rows), as_json=options.json, lines=lines)
    return 0


def _engagement_show(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    if options.id not in register.engagements:
        raise NotFound(
            f"no engagement `{options.id[:80]}` is in force",
            hint="`relto engagement list` shows them; `relto act list --kind propose` what is open",
        )
    view = views.engagement_view(register, register.engagements[options.id], _now())
    emit(view, as_json=options.json, lines=view_lines(view))
    return 0
