"""`relto grant`: keys that are carried by hand to a device that no network reaches; `relto open --grant`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from relto.cli.main import common, emit, node_dir
from relto.cli.show import table
from relto.node import device
from relto.node.desk import desk
from relto.release import EXIT


def add(commands: Any) -> None:
    verbs = commands.add_parser("grant", help="keys by hand, for a device that no network reaches").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    ask = common(verbs.add_parser("ask", help="a request for a package's key, sealed to its owner's node"))
    ask.add_argument("package", metavar="F.tdf")
    ask.add_argument("-o", "--out", required=True, metavar="REQ")
    ask.add_argument("--owner", default="", metavar="PARTY", help="where several hold shares: one request each")
    ask.add_argument("--openings", type=int, default=1, metavar="N", help="how often it is to open")
    ask.add_argument("--days", type=int, default=0, metavar="N", help="for how long; else as the charter allows")
    ask.add_argument("--purpose", default="evaluation")
    ask.add_argument("--place", default="", metavar="CODE")
    ask.add_argument("--as", dest="alias", default="", help="whose session; else the last log-in")
    ask.set_defaults(call=_ask)
    issue = common(verbs.add_parser("issue", help="decide a request; on a permit record it and write the key"))
    issue.add_argument("request", metavar="REQ")
    issue.add_argument("-o", "--out", required=True, metavar="KEY")
    issue.add_argument("--openings", type=int, default=0, metavar="N", help="fewer than asked for")
    issue.add_argument("--days", type=int, default=0, metavar="N", help="less than asked for")
    issue.add_argument("--dry-run", action="store_true", help="decide and write nothing")
    issue.set_defaults(call=_issue)
    common(verbs.add_parser("list", help="requests of this device, and how often each key has opened")).set_defaults(
        call=_list
    )
    told = common(verbs.add_parser("tell", help="tell the own node of openings; it writes a receipt for each"))
    told.add_argument("--as", dest="alias", default="", help="whose session; else the last log-in")
    told.set_defaults(call=_tell)


def _ask(options: argparse.Namespace) -> int:
    view = device.ask(
        node_dir(options),
        Path(options.package),
        Path(options.out),
        owner=options.owner,
        alias=options.alias,
        purpose=options.purpose,
        place=options.place,
        openings=options.openings,
        days=options.days,
    )
    lines = [f"{options.out}: for the node of {view['owner']}, which alone can open it",
             f"asks for {view['openings']} openings until {view['until']}, on this device only"]  # fmt: skip
    emit(view, as_json=options.json, lines=lines)
    return 0


def _issue(options: argparse.Namespace) -> int:
    view = desk(node_dir(options)).grant(
        Path(options.request).absolute(),
        Path(options.out).absolute(),
        options.openings,
        options.days,
        dry_run=options.dry_run,
    )
    what = f"{view['person']} of {view['to']}, device {view['device'][:16]}"
    lines = [f"{view['answer']}: {what}, {view['openings']} openings until {view['until']}"]
    lines += [f"  {one['rule']}: {one['value']}" for one in view["findings"] if one["value"] != "yes"]
    lines += [f"release {one}: out of reach until {view['until']}" for one in view["releases"]]
    if view["written"]:
        lines.append(f"{options.out}: for that device, which alone can open it")
    emit(view, as_json=options.json, lines=lines)
    return EXIT[view["answer"]]


def _list(options: argparse.Namespace) -> int:
    rows = device.listed(node_dir(options))
    lines = table(
        [(one["device"][:16], one["owner"], one["package"][:16], one["person"], one["state"]) for one in rows],
        ("device", "owner", "package", "person", "state"),
    )
    emit(
        {"results": rows, "count": len(rows), "complete": True}, as_json=options.json, lines=lines if rows else ["none"]
    )
    return 0


def _tell(options: argparse.Namespace) -> int:
    rows = device.tell(node_dir(options), options.alias)
    lines = [f"{one['device'][:16]}: {one['state']}; told" for one in rows] or ["nothing to tell"]
    emit({"results": rows, "count": len(rows), "complete": True}, as_json=options.json, lines=lines)
    return 0


def opened(options: argparse.Namespace, source: Path, progress: Any) -> int:
    """`relto open --grant`: without a network; which opening of how many it was is shown."""
    found, package, keys = device.open_carried(
        node_dir(options), source, Path(options.out), [Path(one) for one in options.grant], progress=progress
    )
    view = {
        "out": options.out,
        "name": found.name,
        "title": found.title,
        "mime": found.mime,
        "size": found.size,
        "label": found.label,
        "package": package.digest.hex(),
        "keys": keys,
    }
    lines = [f"{options.out}: {found.title or found.name}, {found.size} bytes, {found.label}"]
    lines += [f"key of {one['owner']}: {one['state']}" for one in keys]
    emit(view, as_json=options.json, lines=[*lines, "`relto grant tell` reports it when the own node is in reach"])
    return 0
