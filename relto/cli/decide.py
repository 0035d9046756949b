"""`relto may` and `relto audit`: one question to a node's register, and the replay of past ones. They never write."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from relto.cli.main import common, emit, node_dir
from relto.cli.show import audit_lines, decision_lines, ending_lines
from relto.errors import Malformed
from relto.node import paper, views
from relto.node.answering import answer_blocks, answer_view
from relto.node.asking import question, sighted
from relto.node.desk import desk
from relto.node.home import open_node
from relto.release import EXIT, audit, decide, endings


def add(commands: Any) -> None:
    may = common(commands.add_parser("may", help="may this recipient have this item?"))
    may.add_argument(
        "who",
        metavar="WHO",
        help="person or organisation: an own alias, `aus/p-…`, `jpn/kaiyo-robotics`, `jpn/kaiyo-robotics#CLASS`",
    )
    may.add_argument("item", metavar="ITEM", help="`gbr/NAME`, with `@N` for a version")
    asked(may)
    may.add_argument("--why", action="store_true", help="every rule and fact, not only what fails")
    may.add_argument("--out", metavar="FILE", help="write it as a document too: FILE.md or FILE.pdf")
    may.set_defaults(call=_may)
    replay = common(commands.add_parser("audit", help="replay every past release and compare"))
    replay.add_argument(
        "bundle", nargs="?", metavar="BUNDLE", help="a directory written by `--export`; then no node is needed"
    )
    replay.add_argument("--pin", metavar="FOUNDING-ID", help="the founding id that the auditor trusts")
    replay.add_argument("--export", metavar="DIR", help="write what an auditor needs who holds no key and no node")
    replay.add_argument(
        "--known",
        choices=("then", "now"),
        default="then",
        help="`now`: what should have been answered, with today's sight",
    )
    replay.add_argument("--records", choices=("itar",), help="the records of a law instead: 22 CFR 120.15(e), 122.5")
    replay.add_argument(
        "--out",
        metavar="DIR|FILE",
        help="with `--records`: FILE.csv, FILE.pdf, or both in DIR; with `--known now`: a draft notice a release in DIR",
    )
    replay.set_defaults(call=_audit)


def asked(command: argparse.ArgumentParser) -> None:
    command.add_argument("--at", metavar="T", help="day or time; the past with the sight of that day")
    command.add_argument(
        "--known", choices=("then", "now"), default="then", help="with `--at` in the past: `now` uses today's sight"
    )
    command.add_argument("--place", metavar="CODE", help="where it is read; three letters")
    command.add_argument("--purpose", metavar="ID", default="")


def _may(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = sighted(node, options.at, options.known)
    asked_ = question(node, register, day, options.who, options.item, options.purpose, options.place or "")
    decision = decide(register, asked_)
    ends = endings(register, asked_, decision) if options.why or options.json or options.out else ()
    if options.out:
        blocks = answer_blocks(register, asked_, decision, ends)
        paper.write(Path(options.out), blocks, f"Decision on {options.item}", day)
    emit(
        answer_view(register, asked_, decision, ends),
        as_json=options.json,
        lines=[*decision_lines(register, asked_, decision, full=options.why), *ending_lines(ends)],
    )
    return EXIT[decision.answer]


def _audit(options: argparse.Namespace) -> int:
    from relto.cli import releases
    from relto.node import bundle

    if options.records:
        return releases.write_records(options)
    if options.bundle:
        if not options.pin:
            raise Malformed(
                "an auditor pins what it trusts",
                hint="`--pin FOUNDING-ID`: as `relto act propose charter` printed it and the auditor was given it",
            )
        register, at = bundle.read_audit(Path(options.bundle), options.pin)
    else:
        if options.export:
            desk(node_dir(options)).publish()  # what leaves is a checkpoint that both halves of the log key have signed
        node = open_node(node_dir(options))
        register, at = node.register, node.register_at
        if options.export:
            count = bundle.write_audit(node, Path(options.export))
            emit(
                {"written": options.export, "entries": count},
                as_json=options.json,
                lines=[f"{count} entries opened to the auditor in {options.export}"],
            )
            return 0
    rows = audit(register, at, options.known)
    counts = {word: sum(row.result == word for row in rows) for word in ("full", "part", "order", "differs")}
    view = {
        **views.listing(register, int(time.time() * 1000), (msgspec.structs.asdict(row) for row in rows)),
        "counts": counts,
    }
    lines = audit_lines(rows, counts)
    if options.known == "now" and node is not None:
        view["notices"] = releases.notices(node, rows, options.out)
        lines += releases.notice_lines(view["notices"], options.out)
    emit(view, as_json=options.json, lines=lines)
    return 1 if counts["differs"] else 0
