"""`relto charter export --cedar`: the policy of this node's register, for whoever runs a Cedar engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from relto.cli.main import common, emit, node_dir
from relto.errors import Malformed
from relto.node.asking import sighted
from relto.node.home import open_node
from relto.release import live, rosters
from relto.release.cedar import export

FILES = ("policies.cedar", "relto.cedarschema", "entities.json")


def add(nouns: Any) -> None:
    made = common(nouns.add_parser("export", help="the policy of a day in another language"))
    made.add_argument("--cedar", action="store_true", required=True, help="policies, schema and entities in Cedar 4")
    made.add_argument("--out", metavar="DIR", help="write the three files there; it must be new or empty")
    made.add_argument("--at", metavar="T", help="day or time; the past with the sight of that day")
    made.add_argument("--known", choices=("then", "now"), default="then", help=argparse.SUPPRESS)
    made.set_defaults(call=_export)


def _export(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = sighted(node, options.at, options.known)
    items, people = list(live(register)), rosters(register)
    made = export(register, items, people, day)
    written: list[str] = []
    if options.out:
        where = Path(options.out)
        if where.exists() and (not where.is_dir() or any(where.iterdir())):
            raise Malformed(f"`{options.out}` is there already", hint="name a new or empty directory")
        where.mkdir(parents=True, exist_ok=True)
        for name, text in zip(FILES, made, strict=True):
            (where / name).write_text(text, encoding="utf-8")
            written.append(str(where / name))
    view = {"items": len(items), "classes": len(people), "written": written}
    if not options.out:
        view |= {"policies": made.policies, "schema": made.schema, "entities": made.entities}
    counted = f"{len(items)} items and {len(people)} classes of people as entities"
    emit(view, as_json=options.json, lines=[*(written or [made.policies]), counted])
    return 0
