"""`relto item`: the catalogue, one by one and as a spreadsheet."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import acts
from relto.cli.main import common, emit, node_dir
from relto.cli.show import table, view_lines
from relto.errors import Malformed, NotFound
from relto.node import officer, sheet, views
from relto.node.asking import item_name
from relto.node.desk import desk
from relto.node.home import open_node, read_signer
from relto.node.node import Node

FAULTS_SHOWN = 40


def add(commands: Any) -> None:
    verbs = commands.add_parser("item", help="the catalogue").add_subparsers(dest="verb", metavar="VERB", required=True)
    listed = common(verbs.add_parser("list"))
    listed.add_argument(
        "--stale-markings",
        action="store_true",
        help="markings that keep an item from all others and are due for review, the longest due first",
    )
    listed.set_defaults(call=_list)
    shown = common(verbs.add_parser("show"))
    shown.add_argument("id")
    shown.set_defaults(call=_show)
    taken = common(verbs.add_parser("import", help="register the items of a spreadsheet"))
    taken.add_argument("file", metavar="FILE.csv|-")
    taken.add_argument("--dry-run", action="store_true", help="judge every row and write nothing")
    taken.add_argument("--encoding", default="utf-8", metavar="NAME", help="utf-8 or cp1252")
    for name in ("project", "organisation", "owners", "nature"):
        taken.add_argument(f"--{name}", default="", help="for rows that do not say it")
    taken.add_argument("--key", action="append", default=[], metavar="FILE", help="a key file that signs")
    taken.add_argument("--sign", action="store_true", help="with the keys under this node's keys/offline")
    taken.add_argument("--out", metavar="DIR", help="write the signing requests there")
    taken.set_defaults(call=_import)
    given = common(verbs.add_parser("export", help="write the catalogue with the columns that `import` reads"))
    given.add_argument("-o", "--out", default="-", metavar="FILE.csv|-")
    given.add_argument("--project", default="", help="only items of this project")
    given.add_argument("--own", action="store_true", help="only the own party's items")
    given.set_defaults(call=_export)


def _now() -> int:
    return int(time.time() * 1000)


def _list(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    if options.stale_markings:
        return _stale(options, register)
    rows = [views.item_view(register, one) for versions in register.items.values() for one in versions]
    lines = table(
        [
            (
                f"{r['id']}@{r['version']}",
                r["title"],
                ", ".join(r["label"]["levels"]),
                "unmarked" if r["label"]["rel"] is None else ", ".join(r["label"]["rel"]) or "nobody",
                r["project"],
            )
            for r in rows
        ],
        ("item", "title", "level", "releasable to", "project"),
    )
    emit(views.listing(register, _now(), rows), as_json=options.json, lines=lines)
    return 0


def _stale(options: argparse.Namespace, register: acts.Register) -> int:
    view = views.stale_view(register, _now())
    rows = [
        (
            r["item"],
            ", ".join(r["tags"]) or "closed",
            r["review"] or "no date",
            f"{r['due_days']} days",
            r["reason"] or "",
        )
        for r in view["results"]
    ]
    lines = table(rows, ("item", "marking", "review by", "due for", "because")) if rows else []
    lines.append(f"{view['count']} of {view['closed']} markings that keep an item from all others are due for review")
    emit(view, as_json=options.json, lines=lines)
    return 0


def _show(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    view = views.item_view(register, register.item(*item_name(options.id)))
    emit(view, as_json=options.json, lines=view_lines(view))
    return 0


# ---- spreadsheets


def _import(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    node = open_node(directory)
    if node.register.charter is None:
        raise NotFound("no partnership is founded here", hint="`relto act list` shows what is missing")
    defaults = {name: getattr(options, name) for name in ("project", "organisation", "owners", "nature")}
    found = sheet.read_sheet(
        node, _bytes(options.file), defaults={k: v for k, v in defaults.items() if v}, encoding=options.encoding
    )
    if found.faults:
        return _faults(options, found)
    plan: list[dict[str, Any]] = [
        {"project": one.project, "owners": list(one.owners), "items": len(one.rows), "readers": list(one.readers)}
        for one in found.groups
    ]
    lines = [
        f"{one['items']} items of {one['project']}, owned by {', '.join(one['owners'])}, to be read by {', '.join(one['readers'])}"
        for one in plan
    ]
    view: dict[str, Any] = {"items": found.count, "acts": plan, "faults": [], "written": []}
    if options.dry_run:
        emit(view, as_json=options.json, lines=[*lines, f"{found.count} rows are sound; nothing was written"])
        return 0
    view["written"] = _write(options, node, directory, found)
    emit(view, as_json=options.json, lines=[*lines, *view["written"]])
    return 0


def _write(options: argparse.Namespace, node: Node, directory: Path, found: sheet.Sheet) -> list[str]:
    """Signs and submits each act, or writes the signing requests."""
    if not (options.key or options.sign or options.out):
        raise Malformed("nobody signs it", hint="`--key FILE`, `--sign`, or `--out DIR` for signing requests")
    keys = node.register.scans[node.origin].keys
    assert keys is not None
    done = []
    for number, act in enumerate(sheet.drafts(node, found), 1):
        request = officer.request(act, keys)
        if options.out:
            target = Path(options.out) / f"catalogue-{number}.request"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(officer.format_request(request))
            done.append(f"request written to {target}")
            continue
        signers = (
            [read_signer(Path(one)) for one in options.key]
            if options.key
            else officer.offline_signers(directory, request)
        )
        done.append(f"catalogue {desk(directory).submit(officer.envelope(officer.sign(request, signers)))}")
    return done


def _faults(options: argparse.Namespace, found: sheet.Sheet) -> int:
    rows = len({one.row for one in found.faults})
    view = {
        "items": found.count,
        "acts": [],
        "faults": [msgspec.to_builtins(one) for one in found.faults],
        "written": [],
    }
    lines = [
        f"row {one.row}, {one.column}: {one.reason}" + (f" ({one.hint})" if one.hint else "")
        for one in found.faults[:FAULTS_SHOWN]
    ]
    if len(found.faults) > FAULTS_SHOWN:
        lines.append(f"and {len(found.faults) - FAULTS_SHOWN} more; `--json` shows all of them")
    lines.append(f"{rows} of {found.count} rows are wrong; nothing was written")
    emit(view, as_json=options.json, lines=lines)
    return 2


def _bytes(where: str) -> bytes:
    if where == "-":
        return sys.stdin.buffer.read(sheet.SHEET_BYTES_MAX + 1)
    path = Path(where)
    if not path.is_file():
        raise NotFound(f"there is no file `{where[:200]}`")
    with path.open("rb") as file:
        return file.read(sheet.SHEET_BYTES_MAX + 1)


def _export(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    items = [
        one
        for versions in register.items.values()
        for one in versions
        if not one.retired
        and (not options.project or one.facts.project == options.project)
        and (not options.own or one.party == register.me)
    ]
    if options.out == "-":
        sys.stdout.write(sheet.write_sheet(items, newline="\n"))
        return 0
    text = "\ufeff" + sheet.write_sheet(items)  # the mark by which spreadsheets know UTF-8
    Path(options.out).write_text(text, "utf-8", newline="")
    emit(
        {"written": options.out, "items": len(items)},
        as_json=options.json,
        lines=[f"{len(items)} items in {options.out}"],
    )
    return 0
